// FIFO control: pointers, level, thresholds and sticky errors; the memory is outside.
// Part of circuitgraph-learn, Apache-2.0.
module fifo_control #(parameter A = 6) (
  input              clk,
  input              rst_n,
  input              push,
  input              pop,
  input              flush,
  input  [A-1:0]     high_mark,
  input  [A-1:0]     low_mark,
  output [A-1:0]     write_address,
  output [A-1:0]     read_address,
  output reg [A:0]   level,
  output             full,
  output             empty,
  output reg         almost_full,
  output reg         almost_empty,
  output reg         overflow,
  output reg         underflow
);
  reg [A:0] head, tail;
  assign full = level[A];
  assign empty = ~|level;
  wire do_push = push & ~full;
  wire do_pop = pop & ~empty;
  wire [A:0] next_level = level + {{A{1'b0}}, do_push} - {{A{1'b0}}, do_pop};
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      head <= 0;
      tail <= 0;
      level <= 0;
      almost_full <= 0;
      almost_empty <= 1;
      overflow <= 0;
      underflow <= 0;
    end else if (flush) begin
      head <= 0;
      tail <= 0;
      level <= 0;
      almost_full <= 0;
      almost_empty <= 1;
    end else begin
      if (do_push) head <= head + 1'b1;
      if (do_pop) tail <= tail + 1'b1;
      level <= next_level;
      almost_full <= next_level >= {1'b0, high_mark};
      almost_empty <= next_level <= {1'b0, low_mark};
      overflow <= overflow | (push & full);
      underflow <= underflow | (pop & empty);
    end
  assign write_address = head[A-1:0];
  assign read_address = tail[A-1:0];
endmodule
