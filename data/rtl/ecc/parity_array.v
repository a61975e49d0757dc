// Two-dimensional parity over a block of words: locates one wrong bit; combinational.
// Part of circuitgraph-learn, Apache-2.0.
module parity_array #(parameter R = 8, parameter W = 8) (
  input  [R*W-1:0] block,
  input  [R-1:0]   row_parity,
  input  [W-1:0]   column_parity,
  output [R*W-1:0] fixed,
  output           wrong,
  output           hopeless
);
  wire [R-1:0] rows;
  reg [W-1:0] columns;
  integer i;
  always @* begin
    columns = column_parity;
    for (i = 0; i < R; i = i + 1) columns = columns ^ block[i*W +: W];
  end
  genvar r;
  generate
    for (r = 0; r < R; r = r + 1) begin : row
      assign rows[r] = ^block[r*W +: W] ^ row_parity[r];
      assign fixed[r*W +: W] = block[r*W +: W] ^ (columns & {W{rows[r] & ~hopeless}});
    end
  endgenerate
  assign wrong = (|rows) | (|columns);
  assign hopeless = (|(rows & (rows - 1'b1))) | (|(columns & (columns - 1'b1)));
endmodule
