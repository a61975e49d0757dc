// Arithmetic-logic unit: eight operations, flags; combinational.
// Part of circuitgraph-learn, Apache-2.0.
module alu #(parameter W = 16) (
  input  [W-1:0] a,
  input  [W-1:0] b,
  input  [2:0]   op,
  output reg [W-1:0] y,
  output         zero,
  output         negative,
  output reg     carry
);
  wire [W:0] added = {1'b0, a} + {1'b0, b};
  wire [W:0] taken = {1'b0, a} - {1'b0, b};
  always @* begin
    carry = 1'b0;
    case (op)
      3'd0: {carry, y} = added;
      3'd1: {carry, y} = taken;
      3'd2: y = a & b;
      3'd3: y = a | b;
      3'd4: y = a ^ b;
      3'd5: y = ~(a | b);
      3'd6: y = {a[W-2:0], 1'b0};
      default: y = {{(W-1){1'b0}}, $signed(a) < $signed(b)};
    endcase
  end
  assign zero = ~|y;
  assign negative = y[W-1];
endmodule
