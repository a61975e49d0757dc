// Pulse-width modulator: channels with dead time and centre alignment.
// Part of circuitgraph-learn, Apache-2.0.
module pwm #(parameter N = 4, parameter W = 12) (
  input              clk,
  input              rst_n,
  input              write,
  input  [1:0]       channel,
  input  [W-1:0]     duty,
  input  [W-1:0]     period,
  input  [5:0]       dead,
  input              centred,
  output reg [N-1:0] high,
  output reg [N-1:0] low
);
  reg [W-1:0] set [0:N-1];
  reg [W-1:0] count;
  reg down;
  integer i;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      for (i = 0; i < N; i = i + 1) set[i] <= 0;
      count <= 0;
      down <= 0;
      high <= 0;
      low <= 0;
    end else begin
      if (write) set[channel] <= duty;
      if (centred) begin
        if (down ? count == 0 : count == period) down <= ~down;
        count <= down ? count - {{(W-1){1'b0}}, |count} : (count == period ? count : count + 1'b1);
      end else begin
        down <= 0;
        count <= (count >= period) ? {W{1'b0}} : count + 1'b1;
      end
      for (i = 0; i < N; i = i + 1) begin
        high[i] <= count < set[i];
        low[i] <= count >= set[i] + {{(W-6){1'b0}}, dead};
      end
    end
endmodule
