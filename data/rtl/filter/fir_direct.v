// FIR filter, direct form: delay line, constant coefficients, one adder tree.
// Part of circuitgraph-learn, Apache-2.0.
module fir_direct #(parameter W = 8, parameter TAPS = 8) (
  input                       clk,
  input                       rst_n,
  input                       valid,
  input  signed [W-1:0]       x,
  output reg signed [W+7:0]   y
);
  reg signed [W-1:0] line [0:TAPS-1];
  reg signed [W+7:0] total;
  reg signed [W+7:0] product;
  reg signed [7:0] weight;
  integer i;
  always @* begin
    total = 0;
    for (i = 0; i < TAPS; i = i + 1) begin
      case (i)
        0, 7: weight = -8'sd3;
        1, 6: weight = 8'sd9;
        2, 5: weight = -8'sd21;
        3, 4: weight = 8'sd77;
        default: weight = 8'sd5;
      endcase
      product = line[i] * weight;
      total = total + product;
    end
  end
  integer k;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      for (k = 0; k < TAPS; k = k + 1) line[k] <= 0;
      y <= 0;
    end else if (valid) begin
      line[0] <= x;
      for (k = 1; k < TAPS; k = k + 1) line[k] <= line[k-1];
      y <= total;
    end
endmodule
