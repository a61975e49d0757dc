// Multiplier with a tree of three-to-two compressors over words, then one carry-propagate adder; pipelined in two.
// Part of circuitgraph-learn, Apache-2.0.
module compress32 #(parameter W = 16) (
  input  [W-1:0] x,
  input  [W-1:0] y,
  input  [W-1:0] z,
  output [W-1:0] s,
  output [W-1:0] c
);
  wire [W-1:0] major = (x & y) | (x & z) | (y & z);
  assign s = x ^ y ^ z;
  assign c = {major[W-2:0], 1'b0};
endmodule

module mul_wallace #(parameter W = 16) (
  input                clk,
  input                rst_n,
  input  [W-1:0]       a,
  input  [7:0]         b,
  output reg [W+7:0]   product
);
  localparam P = W + 8;
  reg [W-1:0] ra;
  reg [7:0] rb;
  wire [P-1:0] t [0:7];
  genvar i;
  generate
    for (i = 0; i < 8; i = i + 1) begin : terms
      assign t[i] = rb[i] ? ({8'b0, ra} << i) : {P{1'b0}};
    end
  endgenerate
  wire [P-1:0] s0, c0, s1, c1, s2, c2, s3, c3, s4, c4, s5, c5;
  compress32 #(P) u0 (.x(t[0]), .y(t[1]), .z(t[2]), .s(s0), .c(c0));
  compress32 #(P) u1 (.x(t[3]), .y(t[4]), .z(t[5]), .s(s1), .c(c1));
  compress32 #(P) u2 (.x(s0), .y(c0), .z(s1), .s(s2), .c(c2));
  compress32 #(P) u3 (.x(c1), .y(t[6]), .z(t[7]), .s(s3), .c(c3));
  compress32 #(P) u4 (.x(s2), .y(c2), .z(s3), .s(s4), .c(c4));
  reg [P-1:0] save_s, save_c, save_d;
  compress32 #(P) u5 (.x(save_s), .y(save_c), .z(save_d), .s(s5), .c(c5));
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      ra <= 0;
      rb <= 0;
      save_s <= 0;
      save_c <= 0;
      save_d <= 0;
      product <= 0;
    end else begin
      ra <= a;
      rb <= b;
      save_s <= s4;
      save_c <= c4;
      save_d <= c3;
      product <= s5 + c5;
    end
endmodule
