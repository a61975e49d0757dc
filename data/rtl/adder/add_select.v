// Carry-select adder: every block is computed for both carries, the right one is chosen.
// Part of circuitgraph-learn, Apache-2.0.
module add_select #(parameter BLOCKS = 6, parameter B = 4) (
  input  [BLOCKS*B-1:0] a,
  input  [BLOCKS*B-1:0] b,
  output [BLOCKS*B:0]   sum
);
  wire [BLOCKS:0] carry;
  assign carry[0] = 1'b0;
  genvar i;
  generate
    for (i = 0; i < BLOCKS; i = i + 1) begin : block
      wire [B:0] zero = {1'b0, a[i*B+B-1:i*B]} + {1'b0, b[i*B+B-1:i*B]};
      wire [B:0] one = {1'b0, a[i*B+B-1:i*B]} + {1'b0, b[i*B+B-1:i*B]} + 1'b1;
      assign sum[i*B+B-1:i*B] = carry[i] ? one[B-1:0] : zero[B-1:0];
      assign carry[i+1] = carry[i] ? one[B] : zero[B];
    end
  endgenerate
  assign sum[BLOCKS*B] = carry[BLOCKS];
endmodule
