// Video timing and pattern generator: line and frame counters, sync, colour bars and sprites.
// Part of circuitgraph-learn, Apache-2.0.
module pattern #(parameter C = 11) (
  input              clk,
  input              rst_n,
  input              write,
  input  [2:0]       register,
  input  [C-1:0]     value,
  output reg         h_sync,
  output reg         v_sync,
  output reg         active,
  output reg [11:0]  colour
);
  reg [C-1:0] config_word [0:7];
  reg [C-1:0] x, y;
  reg [7:0] frame;
  wire last_x = (x == config_word[0]);
  wire last_y = (y == config_word[1]);
  wire [C-1:0] dx = x - config_word[6];
  wire [C-1:0] dy = y - config_word[7];
  wire in_sprite = (dx[C-1:5] == 0) & (dy[C-1:5] == 0);
  wire [5:0] ring = (dx[4:0] ^ {5{dx[4]}}) + (dy[4:0] ^ {5{dy[4]}});
  integer i;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      for (i = 0; i < 8; i = i + 1) config_word[i] <= 0;
      x <= 0;
      y <= 0;
      frame <= 0;
      h_sync <= 0;
      v_sync <= 0;
      active <= 0;
      colour <= 0;
    end else begin
      if (write) config_word[register] <= value;
      x <= last_x ? {C{1'b0}} : x + 1'b1;
      if (last_x) begin
        y <= last_y ? {C{1'b0}} : y + 1'b1;
        if (last_y) frame <= frame + 1'b1;
      end
      h_sync <= (x >= config_word[2]) & (x < config_word[2] + 11'd96);
      v_sync <= (y >= config_word[3]) & (y < config_word[3] + 11'd2);
      active <= (x < config_word[4]) & (y < config_word[5]);
      if (in_sprite) colour <= {ring, ~ring};
      else colour <= {x[7:4] ^ frame[3:0], y[7:4] + frame[7:4], x[5:2] & y[5:2]};
    end
endmodule
