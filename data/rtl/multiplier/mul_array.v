// Array multiplier: rows of carry-save adders and a final ripple row.
// Part of circuitgraph-learn, Apache-2.0.
module mul_array #(parameter W = 8) (
  input  [W-1:0]   a,
  input  [W-1:0]   b,
  output [2*W-1:0] product
);
  wire [W-1:0] s [0:W];
  wire [W-1:0] c [0:W];
  assign s[0] = {W{1'b0}};
  assign c[0] = {W{1'b0}};
  genvar i, j;
  generate
    for (i = 0; i < W; i = i + 1) begin : row
      wire [W-1:0] term = a & {W{b[i]}};
      wire [W-1:0] above = (i == 0) ? {W{1'b0}} : {1'b0, s[i][W-1:1]};
      assign s[i+1] = term ^ above ^ c[i];
      assign c[i+1] = (term & above) | (term & c[i]) | (above & c[i]);
      assign product[i] = s[i+1][0];
    end
  endgenerate
  assign product[2*W-1:W] = {1'b0, s[W][W-1:1]} + c[W];
endmodule
