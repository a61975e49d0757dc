// Bank of timers with prescaler, reload and interrupt flags.
// Part of circuitgraph-learn, Apache-2.0.
module timer_bank #(parameter N = 4, parameter W = 16) (
  input                clk,
  input                rst_n,
  input                write,
  input  [1:0]         slot,
  input  [W-1:0]       value,
  input  [7:0]         prescale,
  input  [N-1:0]       run,
  input  [N-1:0]       acknowledge,
  output reg [N-1:0]   flags,
  output reg [W-1:0]   read,
  output               interrupt
);
  reg [W-1:0] reload [0:N-1];
  reg [W-1:0] count [0:N-1];
  reg [7:0] divider;
  wire tick = (divider == 0);
  integer i;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      divider <= 0;
      flags <= 0;
      read <= 0;
      for (i = 0; i < N; i = i + 1) begin
        reload[i] <= {W{1'b1}};
        count[i] <= {W{1'b1}};
      end
    end else begin
      divider <= tick ? prescale : divider - 1'b1;
      read <= count[slot];
      for (i = 0; i < N; i = i + 1) begin
        if (write && slot == i) begin
          reload[i] <= value;
          count[i] <= value;
        end else if (run[i] && tick) count[i] <= (count[i] == 0) ? reload[i] : count[i] - 1'b1;
        if (run[i] && tick && count[i] == 0) flags[i] <= 1'b1;
        else if (acknowledge[i]) flags[i] <= 1'b0;
      end
    end
  assign interrupt = |flags;
endmodule
