// Integer square root by digit recurrence, two digits a clock.
// Part of circuitgraph-learn, Apache-2.0.
module square_root #(parameter W = 16) (
  input                  clk,
  input                  rst_n,
  input                  start,
  input  [W-1:0]         x,
  output reg [W/2-1:0]   root,
  output reg [W/2:0]     rest,
  output reg             busy
);
  localparam H = W / 2;
  reg [W-1:0] left;
  reg [4:0] steps;
  wire [H+2:0] r1 = {rest, left[W-1:W-2]};
  wire [H+2:0] t1 = r1 - {1'b0, root, 2'b01};
  wire [H-1:0] q1 = {root[H-2:0], ~t1[H+2]};
  wire [H+2:0] k1 = t1[H+2] ? r1 : t1;
  wire [H+2:0] r2 = {k1[H:0], left[W-3:W-4]};
  wire [H+2:0] t2 = r2 - {1'b0, q1, 2'b01};
  wire [H+2:0] k2 = t2[H+2] ? r2 : t2;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      left <= 0;
      root <= 0;
      rest <= 0;
      steps <= 0;
      busy <= 0;
    end else if (start & ~busy) begin
      left <= x;
      root <= 0;
      rest <= 0;
      steps <= W / 4;
      busy <= 1;
    end else if (busy) begin
      left <= {left[W-5:0], 4'b0};
      rest <= k2[H:0];
      root <= {q1[H-2:0], ~t2[H+2]};
      steps <= steps - 1'b1;
      busy <= (steps != 1);
    end
endmodule
