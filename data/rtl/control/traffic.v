// Traffic-light controller: two roads, pedestrians, timed states.
// Part of circuitgraph-learn, Apache-2.0.
module traffic #(parameter W = 8) (
  input            clk,
  input            rst_n,
  input            tick,
  input            car_main,
  input            car_side,
  input            walk_request,
  input  [W-1:0]   green_time,
  input  [W-1:0]   amber_time,
  input  [W-1:0]   walk_time,
  output reg [2:0] main_light,
  output reg [2:0] side_light,
  output reg       walk,
  output reg [2:0] state
);
  localparam MAIN = 3'd0, MAIN_AMBER = 3'd1, SIDE = 3'd2, SIDE_AMBER = 3'd3, WALK = 3'd4, CLEAR = 3'd5;
  reg [W-1:0] timer;
  reg waiting;
  wire expired = (timer == 0);
  reg [2:0] next;
  reg [W-1:0] duration;
  always @* begin
    next = state;
    case (state)
      MAIN: if (expired & (car_side | waiting)) next = MAIN_AMBER;
      MAIN_AMBER: if (expired) next = waiting ? WALK : SIDE;
      SIDE: if (expired & (car_main | waiting)) next = SIDE_AMBER;
      SIDE_AMBER: if (expired) next = waiting ? WALK : MAIN;
      WALK: if (expired) next = CLEAR;
      CLEAR: if (expired) next = car_side ? SIDE : MAIN;
      default: next = MAIN;
    endcase
    case (next)
      MAIN, SIDE: duration = green_time;
      WALK: duration = walk_time;
      default: duration = amber_time;
    endcase
  end
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      state <= MAIN;
      timer <= 0;
      waiting <= 0;
      main_light <= 3'b001;
      side_light <= 3'b100;
      walk <= 0;
    end else begin
      state <= next;
      waiting <= (waiting | walk_request) & (state != WALK);
      if (next != state) timer <= duration;
      else if (tick & ~expired) timer <= timer - 1'b1;
      main_light <= {next != MAIN && next != MAIN_AMBER, next == MAIN_AMBER, next == MAIN};
      side_light <= {next != SIDE && next != SIDE_AMBER, next == SIDE_AMBER, next == SIDE};
      walk <= (next == WALK);
    end
endmodule
