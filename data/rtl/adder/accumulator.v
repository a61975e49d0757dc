// Saturating accumulator over several lanes, registered at both ends.
// Part of circuitgraph-learn, Apache-2.0.
module accumulator #(parameter W = 24, parameter LANES = 4) (
  input                  clk,
  input                  rst_n,
  input                  clear,
  input                  enable,
  input  [LANES*W-1:0]   data,
  output reg [W-1:0]     total,
  output reg             saturated
);
  reg [LANES*W-1:0] held;
  reg running, clearing;
  reg [W+3:0] partial;
  integer i;
  always @* begin
    partial = {4'b0, total};
    for (i = 0; i < LANES; i = i + 1)
      partial = partial + {4'b0, held[i*W +: W]};
  end
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      held <= 0;
      running <= 0;
      clearing <= 0;
      total <= 0;
      saturated <= 0;
    end else begin
      held <= data;
      running <= enable;
      clearing <= clear;
      if (clearing) begin
        total <= 0;
        saturated <= 0;
      end else if (running) begin
        total <= |partial[W+3:W] ? {W{1'b1}} : partial[W-1:0];
        saturated <= saturated | (|partial[W+3:W]);
      end
    end
endmodule
