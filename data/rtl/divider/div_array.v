// Array divider: all quotient bits at once; combinational.
// Part of circuitgraph-learn, Apache-2.0.
module div_array #(parameter W = 8) (
  input  [W-1:0] dividend,
  input  [W-1:0] divisor,
  output reg [W-1:0] quotient,
  output reg [W-1:0] remainder
);
  reg [W:0] r;
  integer i;
  always @* begin
    r = 0;
    quotient = 0;
    for (i = W - 1; i >= 0; i = i - 1) begin
      r = {r[W-1:0], dividend[i]};
      if (r >= {1'b0, divisor}) begin
        r = r - {1'b0, divisor};
        quotient[i] = 1'b1;
      end
    end
    remainder = r[W-1:0];
  end
endmodule
