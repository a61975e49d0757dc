// Median of nine words by a network of minima and maxima; combinational.
// Part of circuitgraph-learn, Apache-2.0.
module order3 #(parameter W = 8) (
  input  [W-1:0] a,
  input  [W-1:0] b,
  input  [W-1:0] c,
  output [W-1:0] low,
  output [W-1:0] middle,
  output [W-1:0] high
);
  wire [W-1:0] lesser = (a < b) ? a : b;
  wire [W-1:0] greater = (a < b) ? b : a;
  wire [W-1:0] inner = (greater < c) ? greater : c;
  assign high = (greater < c) ? c : greater;
  assign low = (lesser < inner) ? lesser : inner;
  assign middle = (lesser < inner) ? inner : lesser;
endmodule

module median #(parameter W = 8) (
  input  [9*W-1:0] window,
  output [W-1:0]   y
);
  wire [W-1:0] l [0:2];
  wire [W-1:0] m [0:2];
  wire [W-1:0] h [0:2];
  genvar i;
  generate
    for (i = 0; i < 3; i = i + 1) begin : column
      order3 #(W) u (.a(window[3*i*W +: W]), .b(window[(3*i+1)*W +: W]), .c(window[(3*i+2)*W +: W]),
                     .low(l[i]), .middle(m[i]), .high(h[i]));
    end
  endgenerate
  wire [W-1:0] best_low, best_middle, best_high;
  order3 #(W) u_low (.a(l[0]), .b(l[1]), .c(l[2]), .low(), .middle(), .high(best_low));
  order3 #(W) u_middle (.a(m[0]), .b(m[1]), .c(m[2]), .low(), .middle(best_middle), .high());
  order3 #(W) u_high (.a(h[0]), .b(h[1]), .c(h[2]), .low(best_high), .middle(), .high());
  order3 #(W) u_last (.a(best_low), .b(best_middle), .c(best_high), .low(), .middle(y), .high());
endmodule
