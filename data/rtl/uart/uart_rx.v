// UART receiver: synchroniser, majority of three samples, parity and framing check, small holding buffer.
// Part of circuitgraph-learn, Apache-2.0.
module uart_rx #(parameter D = 12) (
  input            clk,
  input            rst_n,
  input  [D-1:0]   divisor,
  input            parity_on,
  input            parity_odd,
  input            line,
  input            take,
  output reg [7:0] data,
  output reg       valid,
  output reg       frame_error,
  output reg       parity_error,
  output reg       overrun
);
  reg [2:0] sync;
  reg [D-1:0] ticks;
  reg [3:0] sample;
  reg [3:0] position;
  reg [1:0] votes;
  reg [8:0] shift;
  reg busy;
  wire tick = (ticks == 0);
  wire level = (votes[1]) | (votes[0] & sync[2]);
  wire [3:0] last = 4'd8 + {3'b0, parity_on};
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      sync <= 3'b111;
      ticks <= 0;
      sample <= 0;
      position <= 0;
      votes <= 0;
      shift <= 0;
      busy <= 0;
      data <= 0;
      valid <= 0;
      frame_error <= 0;
      parity_error <= 0;
      overrun <= 0;
    end else begin
      sync <= {sync[1:0], line};
      if (take) valid <= 0;
      if (!busy) begin
        ticks <= divisor;
        sample <= 0;
        position <= 0;
        votes <= 0;
        busy <= ~sync[2];
      end else if (!tick) ticks <= ticks - 1'b1;
      else begin
        ticks <= divisor;
        sample <= sample + 1'b1;
        if (sample >= 4'd6 && sample <= 4'd7) votes <= votes + {1'b0, sync[2]};
        if (sample == 4'd8) begin
          votes <= 0;
          if (position == 0 && level) busy <= 0;
          else shift <= {level, shift[8:1]};
        end
        if (sample == 4'd15) begin
          position <= position + 1'b1;
          if (position == last + 4'd1) begin
            busy <= 0;
            data <= parity_on ? shift[7:0] : shift[8:1];
            valid <= 1;
            overrun <= overrun | (valid & ~take);
            frame_error <= ~shift[8];
            parity_error <= parity_on & (^shift[8:0] ^ parity_odd);
          end
        end
      end
    end
endmodule
