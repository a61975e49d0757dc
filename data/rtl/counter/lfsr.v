// Linear-feedback shift register with jump: several steps a clock, loadable.
// Part of circuitgraph-learn, Apache-2.0.
module lfsr #(parameter W = 32, parameter JUMP = 8, parameter [31:0] TAPS = 32'h80200003) (
  input              clk,
  input              rst_n,
  input              load,
  input  [W-1:0]     seed,
  input              jump,
  output reg [W-1:0] state,
  output             bit_out
);
  reg [W-1:0] one, many;
  integer i;
  always @* begin
    one = {1'b0, state[W-1:1]} ^ ({W{state[0]}} & TAPS[W-1:0]);
    many = state;
    for (i = 0; i < JUMP; i = i + 1) many = {1'b0, many[W-1:1]} ^ ({W{many[0]}} & TAPS[W-1:0]);
  end
  always @(posedge clk or negedge rst_n)
    if (!rst_n) state <= {{(W-1){1'b0}}, 1'b1};
    else if (load) state <= seed;
    else state <= jump ? many : one;
  assign bit_out = state[0];
endmodule
