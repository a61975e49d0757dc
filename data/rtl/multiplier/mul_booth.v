// Radix-4 Booth multiplier, signed, with registered operands and product.
// Part of circuitgraph-learn, Apache-2.0.
module mul_booth #(parameter W = 12) (
  input                      clk,
  input                      rst,
  input      signed [W-1:0]  a,
  input      signed [W-1:0]  b,
  output reg signed [2*W-1:0] product
);
  reg signed [W-1:0] ra;
  reg signed [W-1:0] rb;
  wire [W:0] code = {rb, 1'b0};
  reg signed [2*W-1:0] total;
  reg signed [2*W-1:0] term;
  reg [2:0] digit;
  integer i;
  always @* begin
    total = 0;
    for (i = 0; 2 * i < W; i = i + 1) begin
      digit = code >> (2 * i);
      case (digit)
        3'b001, 3'b010: term = ra;
        3'b011:         term = ra <<< 1;
        3'b100:         term = -(ra <<< 1);
        3'b101, 3'b110: term = -ra;
        default:        term = 0;
      endcase
      total = total + (term <<< (2 * i));
    end
  end
  always @(posedge clk)
    if (rst) begin
      ra <= 0;
      rb <= 0;
      product <= 0;
    end else begin
      ra <= a;
      rb <= b;
      product <= total;
    end
endmodule
