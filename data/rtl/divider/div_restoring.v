// Restoring divider: one quotient bit a clock.
// Part of circuitgraph-learn, Apache-2.0.
module div_restoring #(parameter W = 16) (
  input              clk,
  input              rst_n,
  input              start,
  input  [W-1:0]     dividend,
  input  [W-1:0]     divisor,
  output reg [W-1:0] quotient,
  output reg [W-1:0] remainder,
  output reg         busy,
  output reg         by_zero
);
  reg [W-1:0] d;
  reg [5:0] steps;
  wire [W:0] shifted = {remainder, quotient[W-1]};
  wire [W:0] trial = shifted - {1'b0, d};
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      quotient <= 0;
      remainder <= 0;
      d <= 0;
      steps <= 0;
      busy <= 0;
      by_zero <= 0;
    end else if (start & ~busy) begin
      quotient <= dividend;
      remainder <= 0;
      d <= divisor;
      steps <= W;
      busy <= |divisor;
      by_zero <= ~|divisor;
    end else if (busy) begin
      remainder <= trial[W] ? shifted[W-1:0] : trial[W-1:0];
      quotient <= {quotient[W-2:0], ~trial[W]};
      steps <= steps - 1'b1;
      busy <= (steps != 1);
    end
endmodule
