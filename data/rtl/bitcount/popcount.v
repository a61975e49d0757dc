// Population count and parity; combinational tree.
// Part of circuitgraph-learn, Apache-2.0.
module popcount #(parameter W = 32, parameter C = 6) (
  input  [W-1:0] data,
  output reg [C-1:0] count,
  output         majority,
  output         odd
);
  integer i;
  always @* begin
    count = 0;
    for (i = 0; i < W; i = i + 1) count = count + {{(C-1){1'b0}}, data[i]};
  end
  assign majority = count > W / 2;
  assign odd = ^data;
endmodule
