// Kogge-Stone parallel-prefix adder.
// Part of circuitgraph-learn, Apache-2.0.
module add_kogge_stone #(parameter W = 32, parameter STEPS = 5) (
  input  [W-1:0] a,
  input  [W-1:0] b,
  output [W:0]   sum
);
  wire [W-1:0] g [0:STEPS];
  wire [W-1:0] p [0:STEPS];
  assign g[0] = a & b;
  assign p[0] = a ^ b;
  genvar s, i;
  generate
    for (s = 0; s < STEPS; s = s + 1) begin : step
      for (i = 0; i < W; i = i + 1) begin : bits
        if (i >= (1 << s)) begin : merge
          assign g[s+1][i] = g[s][i] | (p[s][i] & g[s][i-(1<<s)]);
          assign p[s+1][i] = p[s][i] & p[s][i-(1<<s)];
        end else begin : keep
          assign g[s+1][i] = g[s][i];
          assign p[s+1][i] = p[s][i];
        end
      end
    end
  endgenerate
  assign sum = {g[STEPS], 1'b0} ^ {1'b0, p[0]};
endmodule
