// FIR filter, transposed form with loadable coefficients.
// Part of circuitgraph-learn, Apache-2.0.
module fir_transposed #(parameter W = 8, parameter TAPS = 4) (
  input                     clk,
  input                     rst_n,
  input                     write,
  input  [2:0]              slot,
  input  signed [W-1:0]     weight,
  input  signed [W-1:0]     x,
  output signed [2*W+2:0]   y
);
  reg signed [W-1:0] h [0:TAPS-1];
  reg signed [2*W+2:0] z [0:TAPS-1];
  reg signed [W-1:0] held;
  integer i;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      held <= 0;
      for (i = 0; i < TAPS; i = i + 1) begin
        h[i] <= 0;
        z[i] <= 0;
      end
    end else begin
      held <= x;
      if (write) h[slot] <= weight;
      z[TAPS-1] <= held * h[TAPS-1];
      for (i = 0; i < TAPS - 1; i = i + 1) z[i] <= z[i+1] + held * h[i];
    end
  assign y = z[0];
endmodule
