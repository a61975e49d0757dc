// Registered rotator with mask and merge: rotate, then insert under a mask that two bit positions give.
// Part of circuitgraph-learn, Apache-2.0.
module rotator #(parameter W = 32, parameter S = 5) (
  input              clk,
  input              rst,
  input  [W-1:0]     data,
  input  [W-1:0]     under,
  input  [S-1:0]     amount,
  input  [S-1:0]     first,
  input  [S-1:0]     last,
  output reg [W-1:0] y,
  output reg         odd
);
  reg [W-1:0] d, u;
  reg [S-1:0] n, f, l;
  wire [2*W-1:0] turned = {d, d} << n;
  wire [W-1:0] from_first = {W{1'b1}} << f;
  wire [W-1:0] to_last = ~({W{1'b1}} << l << 1);
  wire [W-1:0] mask = (f <= l) ? (from_first & to_last) : (from_first | to_last);
  wire [W-1:0] merged = (turned[2*W-1:W] & mask) | (u & ~mask);
  always @(posedge clk)
    if (rst) begin
      d <= 0;
      u <= 0;
      n <= 0;
      f <= 0;
      l <= 0;
      y <= 0;
      odd <= 0;
    end else begin
      d <= data;
      u <= under;
      n <= amount;
      f <= first;
      l <= last;
      y <= merged;
      odd <= ^merged;
    end
endmodule
