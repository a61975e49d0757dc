// Add-rotate-xor permutation of four words: a double quarter round a clock.
// Part of circuitgraph-learn, Apache-2.0.
module arx_step #(parameter W = 16, parameter R1 = 8, parameter R2 = 5) (
  input  [W-1:0] a,
  input  [W-1:0] b,
  input  [W-1:0] c,
  input  [W-1:0] d,
  output [W-1:0] a_out,
  output [W-1:0] b_out,
  output [W-1:0] c_out,
  output [W-1:0] d_out
);
  wire [W-1:0] t = d ^ (a + b);
  wire [W-1:0] v;
  assign a_out = a + b;
  assign d_out = {t[W-R1-1:0], t[W-1:W-R1]};
  assign c_out = c + d_out;
  assign v = b ^ c_out;
  assign b_out = {v[W-R2-1:0], v[W-1:W-R2]};
endmodule

module arx_round #(parameter W = 16) (
  input                clk,
  input                rst_n,
  input                load,
  input  [4*W-1:0]     block,
  output reg [4*W-1:0] state,
  output reg [3:0]     rounds,
  output               done
);
  wire [W-1:0] a1, b1, c1, d1, a2, b2, c2, d2;
  arx_step #(W, W/2, W/4+1) u1 (
    .a(state[0 +: W]), .b(state[W +: W]), .c(state[2*W +: W]), .d(state[3*W +: W]),
    .a_out(a1), .b_out(b1), .c_out(c1), .d_out(d1));
  arx_step #(W, W/4+2, 3) u2 (.a(a1), .b(c1), .c(b1), .d(d1), .a_out(a2), .b_out(b2), .c_out(c2), .d_out(d2));
  assign done = rounds[3] & rounds[1];
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      state <= 0;
      rounds <= 0;
    end else if (load) begin
      state <= block;
      rounds <= 0;
    end else if (!done) begin
      state <= {d2, c2, b2, a2 ^ {{(W-4){1'b0}}, rounds}};
      rounds <= rounds + 1'b1;
    end
endmodule
