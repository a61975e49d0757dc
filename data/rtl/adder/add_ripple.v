// Ripple-carry adder: one full adder a bit.
// Part of circuitgraph-learn, Apache-2.0.
module add_ripple #(parameter W = 16) (
  input  [W-1:0] a,
  input  [W-1:0] b,
  input          cin,
  output [W-1:0] sum,
  output         cout
);
  wire [W:0] carry;
  assign carry[0] = cin;
  genvar i;
  generate
    for (i = 0; i < W; i = i + 1) begin : bits
      assign sum[i] = a[i] ^ b[i] ^ carry[i];
      assign carry[i+1] = (a[i] & b[i]) | (carry[i] & (a[i] ^ b[i]));
    end
  endgenerate
  assign cout = carry[W];
endmodule
