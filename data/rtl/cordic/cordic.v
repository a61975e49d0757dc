// CORDIC rotation, fully pipelined: one micro-rotation a stage.
// Part of circuitgraph-learn, Apache-2.0.
module cordic_stage #(parameter W = 12, parameter K = 0, parameter ANGLE = 0) (
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
  wire signed [W-1:0] dz = ANGLE >> (16 - W);
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
  cordic_stage #(W, 0, 16'd8192) s0 (.clk(clk), .rst(rst), .x(xs[0]), .y(ys[0]), .z(zs[0]),
    .x_out(xs[1]), .y_out(ys[1]), .z_out(zs[1]));
  cordic_stage #(W, 1, 16'd4836) s1 (.clk(clk), .rst(rst), .x(xs[1]), .y(ys[1]), .z(zs[1]),
    .x_out(xs[2]), .y_out(ys[2]), .z_out(zs[2]));
  cordic_stage #(W, 2, 16'd2555) s2 (.clk(clk), .rst(rst), .x(xs[2]), .y(ys[2]), .z(zs[2]),
    .x_out(xs[3]), .y_out(ys[3]), .z_out(zs[3]));
  cordic_stage #(W, 3, 16'd1297) s3 (.clk(clk), .rst(rst), .x(xs[3]), .y(ys[3]), .z(zs[3]),
    .x_out(xs[4]), .y_out(ys[4]), .z_out(zs[4]));
  cordic_stage #(W, 4, 16'd651) s4 (.clk(clk), .rst(rst), .x(xs[4]), .y(ys[4]), .z(zs[4]),
    .x_out(xs[5]), .y_out(ys[5]), .z_out(zs[5]));
  cordic_stage #(W, 5, 16'd326) s5 (.clk(clk), .rst(rst), .x(xs[5]), .y(ys[5]), .z(zs[5]),
    .x_out(xs[6]), .y_out(ys[6]), .z_out(zs[6]));
  assign x_out = xs[6];
  assign y_out = ys[6];
  assign rest = zs[6];
endmodule
