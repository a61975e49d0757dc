// SPI master: clock polarity and phase, word length, chip selects, small transmit queue.
// Part of circuitgraph-learn, Apache-2.0.
module spi_master #(parameter W = 16, parameter D = 8) (
  input              clk,
  input              rst_n,
  input  [D-1:0]     divisor,
  input              polarity,
  input              phase,
  input  [4:0]       length,
  input  [1:0]       select,
  input              push,
  input  [W-1:0]     data,
  input              miso,
  output             ready,
  output reg         sck,
  output reg         mosi,
  output reg [3:0]   cs_n,
  output reg [W-1:0] received,
  output reg         received_valid
);
  reg [W-1:0] queue [0:3];
  reg [2:0] head, tail;
  reg [W-1:0] shift;
  reg [4:0] bits;
  reg [D-1:0] ticks;
  reg busy, half;
  wire empty = (head == tail);
  assign ready = (head - tail) != 3'd4;
  integer i;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      for (i = 0; i < 4; i = i + 1) queue[i] <= 0;
      head <= 0;
      tail <= 0;
      shift <= 0;
      bits <= 0;
      ticks <= 0;
      busy <= 0;
      half <= 0;
      sck <= 0;
      mosi <= 0;
      cs_n <= 4'hf;
      received <= 0;
      received_valid <= 0;
    end else begin
      received_valid <= 0;
      if (push & ready) begin
        queue[head[1:0]] <= data;
        head <= head + 1'b1;
      end
      if (!busy) begin
        sck <= polarity;
        cs_n <= 4'hf;
        if (!empty) begin
          shift <= queue[tail[1:0]];
          tail <= tail + 1'b1;
          bits <= length;
          ticks <= divisor;
          busy <= 1;
          half <= 0;
          cs_n <= ~(4'b1 << select);
        end
      end else if (ticks != 0) ticks <= ticks - 1'b1;
      else begin
        ticks <= divisor;
        half <= ~half;
        sck <= ~sck;
        if (half == phase) mosi <= shift[W-1];
        else shift <= {shift[W-2:0], miso};
        if (half) begin
          bits <= bits - 1'b1;
          if (bits == 0) begin
            busy <= 0;
            received <= shift;
            received_valid <= 1;
          end
        end
      end
    end
endmodule
