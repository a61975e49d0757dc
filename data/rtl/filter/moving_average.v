// Moving average and peak detector over a window of sixteen samples.
// Part of circuitgraph-learn, Apache-2.0.
module moving_average #(parameter W = 10, parameter N = 16, parameter S = 4) (
  input              clk,
  input              rst_n,
  input              valid,
  input  [W-1:0]     x,
  input  [W-1:0]     threshold,
  output [W-1:0]     mean,
  output reg [W-1:0] peak,
  output reg         above
);
  reg [W-1:0] line [0:N-1];
  reg [W+S-1:0] total;
  integer i;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      for (i = 0; i < N; i = i + 1) line[i] <= 0;
      total <= 0;
      peak <= 0;
      above <= 0;
    end else if (valid) begin
      line[0] <= x;
      for (i = 1; i < N; i = i + 1) line[i] <= line[i-1];
      total <= total + {{S{1'b0}}, x} - {{S{1'b0}}, line[N-1]};
      peak <= (x > peak) ? x : peak - {{(W-1){1'b0}}, |peak};
      above <= (mean + (mean >> 2)) > threshold;
    end
  assign mean = total[W+S-1:S];
endmodule
