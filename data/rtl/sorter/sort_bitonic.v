// Bitonic sorting network over eight words; registered at both ends.
// Part of circuitgraph-learn, Apache-2.0.
module compare_swap #(parameter W = 8) (
  input  [W-1:0] a,
  input  [W-1:0] b,
  input          up,
  output [W-1:0] low,
  output [W-1:0] high
);
  wire swap = (a > b) == up;
  assign low = swap ? b : a;
  assign high = swap ? a : b;
endmodule

module sort_bitonic #(parameter W = 8) (
  input                clk,
  input                rst_n,
  input  [8*W-1:0]     data,
  output reg [8*W-1:0] sorted
);
  reg [8*W-1:0] held;
  wire [W-1:0] x [0:6][0:7];
  reg [8*W-1:0] middle;
  genvar i;
  generate
    for (i = 0; i < 8; i = i + 1) begin : enter
      assign x[0][i] = held[i*W +: W];
    end
    for (i = 0; i < 4; i = i + 1) begin : first
      compare_swap #(W) u (.a(x[0][2*i]), .b(x[0][2*i+1]), .up(i % 2 == 0), .low(x[1][2*i]), .high(x[1][2*i+1]));
    end
    for (i = 0; i < 4; i = i + 1) begin : second
      compare_swap #(W) u (.a(x[1][(i/2)*4+i%2]), .b(x[1][(i/2)*4+i%2+2]), .up(i < 2),
                           .low(x[2][(i/2)*4+i%2]), .high(x[2][(i/2)*4+i%2+2]));
    end
    for (i = 0; i < 4; i = i + 1) begin : third
      compare_swap #(W) u (.a(x[2][2*i]), .b(x[2][2*i+1]), .up(i < 2), .low(x[3][2*i]), .high(x[3][2*i+1]));
    end
    for (i = 0; i < 4; i = i + 1) begin : fourth
      compare_swap #(W) u (.a(middle[i*W +: W]), .b(middle[(i+4)*W +: W]), .up(1'b1), .low(x[4][i]), .high(x[4][i+4]));
    end
    for (i = 0; i < 4; i = i + 1) begin : fifth
      compare_swap #(W) u (.a(x[4][(i/2)*4+i%2]), .b(x[4][(i/2)*4+i%2+2]), .up(1'b1),
                           .low(x[5][(i/2)*4+i%2]), .high(x[5][(i/2)*4+i%2+2]));
    end
    for (i = 0; i < 4; i = i + 1) begin : sixth
      compare_swap #(W) u (.a(x[5][2*i]), .b(x[5][2*i+1]), .up(1'b1), .low(x[6][2*i]), .high(x[6][2*i+1]));
    end
  endgenerate
  integer k;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      held <= 0;
      middle <= 0;
      sorted <= 0;
    end else begin
      held <= data;
      for (k = 0; k < 8; k = k + 1) begin
        middle[k*W +: W] <= x[3][k];
        sorted[k*W +: W] <= x[6][k];
      end
    end
endmodule
