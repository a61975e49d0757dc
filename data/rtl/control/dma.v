// Block-copy controller: two channels, address counters, burst length, state machine.
// Part of circuitgraph-learn, Apache-2.0.
module dma #(parameter A = 16) (
  input              clk,
  input              rst_n,
  input              write,
  input  [2:0]       register,
  input  [A-1:0]     value,
  input              ready,
  input  [15:0]      read_data,
  output reg         read,
  output reg         write_out,
  output reg [A-1:0] address,
  output reg [15:0]  write_data,
  output reg         busy,
  output reg [1:0]   done
);
  localparam IDLE = 2'd0, READ = 2'd1, WRITE = 2'd2, NEXT = 2'd3;
  reg [1:0] state;
  reg channel;
  reg [A-1:0] source [0:1];
  reg [A-1:0] target [0:1];
  reg [A-1:0] length [0:1];
  reg [1:0] active;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      state <= IDLE;
      channel <= 0;
      source[0] <= 0;
      source[1] <= 0;
      target[0] <= 0;
      target[1] <= 0;
      length[0] <= 0;
      length[1] <= 0;
      active <= 0;
      read <= 0;
      write_out <= 0;
      address <= 0;
      write_data <= 0;
      busy <= 0;
      done <= 0;
    end else begin
      if (write)
        case (register)
          3'd0: source[0] <= value;
          3'd1: target[0] <= value;
          3'd2: length[0] <= value;
          3'd3: source[1] <= value;
          3'd4: target[1] <= value;
          3'd5: length[1] <= value;
          3'd6: active <= active | value[1:0];
          default: done <= done & ~value[1:0];
        endcase
      busy <= |active;
      case (state)
        IDLE: if (active[channel]) begin
          state <= READ;
          read <= 1;
          address <= source[channel];
        end else channel <= ~channel;
        READ: if (ready) begin
          state <= WRITE;
          read <= 0;
          write_out <= 1;
          write_data <= read_data;
          address <= target[channel];
        end
        WRITE: if (ready) begin
          state <= NEXT;
          write_out <= 0;
          source[channel] <= source[channel] + 1'b1;
          target[channel] <= target[channel] + 1'b1;
          length[channel] <= length[channel] - 1'b1;
        end
        default: begin
          state <= IDLE;
          if (length[channel] == 0) begin
            active[channel] <= 0;
            done[channel] <= 1;
          end
          if (active[~channel]) channel <= ~channel;
        end
      endcase
    end
endmodule
