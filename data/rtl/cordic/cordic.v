// CORDIC rotation, fully pipelined: one micro-rotation a stage.
// Part of circuitgraph-learn, Apache-2.0.
module cordic_stage #(parameter W = 12, parameter K = 0, parameter signed [15:0] ANGLE = 0) (
  input                     clk,
  input                     rst,
  input  signed [W-1:0]     x,
  input  signed [W-1:0]     y,
  input  signed [W-1:0]     z,
  output reg signed [W-1:0] x_out,
  output reg signed [W-1:0] y_out,
  output reg signed [W-1:0] z_out
);
  wire signed [W-1:0] dx = y >>> K;
  wire signed [W-1:0] dy = x >>> K;
  wire signed [W-1:0] dz = ANGLE >>> (16 - W);
  wire turn = z[W-1];
  always @(posedge clk)
    if (rst) begin
      x_out <= 0;
      y_out <= 0;
      z_out <= 0;
    end else begin
      x_out <= turn ? x + dx : x - dx;
      y_out <= turn ? y - dy : y + dy;
      z_out <= turn ? z + dz : z - dz;
    end
endmodule

module cordic #(parameter W = 12) (
  input                 clk,
  input                 rst,
  input  signed [W-1:0] x,
  input  signed [W-1:0] y,
  input  signed [W-1:0] angle,
  output signed [W-1:0] x_out,
  output signed [W-1:0] y_out,
  output signed [W-1:0] rest
);
  wire signed [W-1:0] xs [0:6];
  wire signed [W-1:0] ys [0:6];
  wire signed [W-1:0] zs [0:6];
  assign xs[0] = x;
  assign ys[0] = y;
  assign zs[0] = angle;
  cordic_stage #(W, 0, 16'sd8192) s0 (clk, rst, xs[0], ys[0], zs[0], xs[1], ys[1], zs[1]);
  cordic_stage #(W, 1, 16'sd4836) s1 (clk, rst, xs[1], ys[1], zs[1], xs[2], ys[2], zs[2]);
  cordic_stage #(W, 2, 16'sd2555) s2 (clk, rst, xs[2], ys[2], zs[2], xs[3], ys[3], zs[3]);
  cordic_stage #(W, 3, 16'sd1297) s3 (clk, rst, xs[3], ys[3], zs[3], xs[4], ys[4], zs[4]);
  cordic_stage #(W, 4, 16'sd651) s4 (clk, rst, xs[4], ys[4], zs[4], xs[5], ys[5], zs[5]);
  cordic_stage #(W, 5, 16'sd326) s5 (clk, rst, xs[5], ys[5], zs[5], xs[6], ys[6], zs[6]);
  assign x_out = xs[6];
  assign y_out = ys[6];
  assign rest = zs[6];
endmodule
