// Systolic array for matrix products: every cell multiplies, adds and passes its operands on.
// Part of circuitgraph-learn, Apache-2.0.
module systolic_cell #(parameter W = 6, parameter T = 16) (
  input              clk,
  input              rst_n,
  input              clear,
  input  [W-1:0]     west,
  input  [W-1:0]     north,
  output reg [W-1:0] east,
  output reg [W-1:0] south,
  output reg [T-1:0] total
);
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      east <= 0;
      south <= 0;
      total <= 0;
    end else begin
      east <= west;
      south <= north;
      total <= clear ? west * north : total + west * north;
    end
endmodule

module systolic_array #(parameter N = 3, parameter W = 6, parameter T = 16) (
  input            clk,
  input            rst_n,
  input            clear,
  input  [N*W-1:0] west,
  input  [N*W-1:0] north,
  input  [3:0]     row,
  input  [3:0]     column,
  output reg [T-1:0] value
);
  wire [W-1:0] across [0:N-1][0:N];
  wire [W-1:0] along [0:N][0:N-1];
  wire [N*N*T-1:0] totals;
  genvar i, j;
  generate
    for (i = 0; i < N; i = i + 1) begin : edges
      assign across[i][0] = west[i*W +: W];
      assign along[0][i] = north[i*W +: W];
    end
    for (i = 0; i < N; i = i + 1) begin : rows
      for (j = 0; j < N; j = j + 1) begin : columns
        systolic_cell #(W, T) u (.clk(clk), .rst_n(rst_n), .clear(clear), .west(across[i][j]), .north(along[i][j]),
          .east(across[i][j+1]), .south(along[i+1][j]), .total(totals[(i*N+j)*T +: T]));
      end
    end
  endgenerate
  always @(posedge clk or negedge rst_n)
    if (!rst_n) value <= 0;
    else value <= totals[(row * N + column) * T +: T];
endmodule
