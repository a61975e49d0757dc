// Multiply-accumulate unit with guard bits and rounding.
// Part of circuitgraph-learn, Apache-2.0.
module mac #(parameter W = 12) (
  input                clk,
  input                rst_n,
  input                start,
  input  [W-1:0]       a,
  input  [W-1:0]       b,
  output reg [2*W+3:0] total,
  output [W-1:0]       rounded
);
  reg [W-1:0] ra, rb;
  reg [2*W-1:0] product;
  reg first, second;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      ra <= 0;
      rb <= 0;
      product <= 0;
      first <= 0;
      second <= 0;
      total <= 0;
    end else begin
      ra <= a;
      rb <= b;
      first <= start;
      product <= ra * rb;
      second <= first;
      total <= second ? {4'b0, product} : total + {4'b0, product};
    end
  assign rounded = total[2*W+3:W+4] + {{(W-1){1'b0}}, total[W+3]};
endmodule
