// Nearest of several stored patterns by Hamming distance; registered.
// Part of circuitgraph-learn, Apache-2.0.
module hamming_distance #(parameter W = 16, parameter N = 8, parameter C = 5) (
  input                clk,
  input                rst,
  input                store,
  input  [2:0]         slot,
  input  [W-1:0]       data,
  output reg [2:0]     nearest,
  output reg [C-1:0]   distance
);
  reg [W-1:0] pattern [0:N-1];
  reg [W-1:0] held;
  reg [C-1:0] ones;
  reg [C-1:0] best;
  reg [2:0] which;
  reg [W-1:0] differ;
  integer i, j;
  always @* begin
    best = {C{1'b1}};
    which = 0;
    for (i = 0; i < N; i = i + 1) begin
      differ = held ^ pattern[i];
      ones = 0;
      for (j = 0; j < W; j = j + 1) ones = ones + {{(C-1){1'b0}}, differ[j]};
      if (ones < best) begin
        best = ones;
        which = i;
      end
    end
  end
  integer k;
  always @(posedge clk)
    if (rst) begin
      for (k = 0; k < N; k = k + 1) pattern[k] <= 0;
      held <= 0;
      nearest <= 0;
      distance <= 0;
    end else begin
      held <= data;
      if (store) pattern[slot] <= held;
      nearest <= which;
      distance <= best;
    end
endmodule
