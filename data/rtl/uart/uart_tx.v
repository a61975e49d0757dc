// UART transmitter: baud divider, start, data, parity and stop bits.
// Part of circuitgraph-learn, Apache-2.0.
module uart_tx #(parameter D = 12) (
  input          clk,
  input          rst_n,
  input  [D-1:0] divisor,
  input          parity_on,
  input          parity_odd,
  input          two_stops,
  input  [7:0]   data,
  input          valid,
  output         ready,
  output reg     line
);
  reg [D-1:0] ticks;
  reg [3:0] position;
  reg [7:0] shift;
  reg parity, busy;
  wire tick = (ticks == 0);
  wire [3:0] last = 4'd9 + {3'b0, parity_on} + {3'b0, two_stops};
  assign ready = ~busy;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      ticks <= 0;
      position <= 0;
      shift <= 0;
      parity <= 0;
      busy <= 0;
      line <= 1;
    end else if (!busy) begin
      line <= 1;
      if (valid) begin
        busy <= 1;
        shift <= data;
        parity <= ^data ^ parity_odd;
        position <= 0;
        ticks <= divisor;
        line <= 0;
      end
    end else if (tick) begin
      ticks <= divisor;
      position <= position + 1'b1;
      if (position == last) busy <= 0;
      if (position < 4'd8) begin
        line <= shift[0];
        shift <= {1'b1, shift[7:1]};
      end else if (position == 4'd8 && parity_on) line <= parity;
      else line <= 1;
    end else ticks <= ticks - 1'b1;
endmodule
