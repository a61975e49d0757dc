// FIFO with its words in registers and a registered output.
// Part of circuitgraph-learn, Apache-2.0.
module fifo_registers #(parameter W = 8, parameter A = 4) (
  input              clk,
  input              rst_n,
  input              push,
  input  [W-1:0]     data,
  input              pop,
  output reg [W-1:0] q,
  output             full,
  output             empty
);
  reg [W-1:0] words [0:(1<<A)-1];
  reg [A:0] head, tail;
  assign empty = (head == tail);
  assign full = (head[A] != tail[A]) & (head[A-1:0] == tail[A-1:0]);
  always @(posedge clk)
    if (push & ~full) words[head[A-1:0]] <= data;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      head <= 0;
      tail <= 0;
      q <= 0;
    end else begin
      if (push & ~full) head <= head + 1'b1;
      if (pop & ~empty) begin
        tail <= tail + 1'b1;
        q <= words[tail[A-1:0]];
      end
    end
endmodule
