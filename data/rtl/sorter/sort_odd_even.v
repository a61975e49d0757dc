// Odd-even transposition sorter: one step a clock, with load and done.
// Part of circuitgraph-learn, Apache-2.0.
module sort_odd_even #(parameter N = 8, parameter W = 8) (
  input                clk,
  input                rst_n,
  input                load,
  input  [N*W-1:0]     data,
  output reg [N*W-1:0] words,
  output reg           done
);
  reg odd;
  reg [4:0] steps;
  reg [N*W-1:0] next;
  integer i;
  always @* begin
    next = words;
    for (i = 0; i < N - 1; i = i + 1)
      if ((i % 2 == 1) == odd && words[i*W +: W] > words[(i+1)*W +: W]) begin
        next[i*W +: W] = words[(i+1)*W +: W];
        next[(i+1)*W +: W] = words[i*W +: W];
      end
  end
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      words <= 0;
      odd <= 0;
      steps <= 0;
      done <= 0;
    end else if (load) begin
      words <= data;
      odd <= 0;
      steps <= 0;
      done <= 0;
    end else if (!done) begin
      words <= next;
      odd <= ~odd;
      steps <= steps + 1'b1;
      done <= (steps == N - 1);
    end
endmodule
