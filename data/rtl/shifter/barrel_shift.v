// Barrel shifter: left, right, arithmetic right and rotate, in logarithmic stages; combinational.
// Part of circuitgraph-learn, Apache-2.0.
module barrel_shift #(parameter W = 32, parameter S = 5) (
  input  [W-1:0] data,
  input  [S-1:0] amount,
  input  [1:0]   mode,
  output [W-1:0] y
);
  wire left = (mode == 2'd0);
  wire [W-1:0] stage [0:S];
  wire fill = (mode == 2'd2) & data[W-1];
  genvar i, s;
  generate
    for (i = 0; i < W; i = i + 1) begin : enter
      assign stage[0][i] = left ? data[W-1-i] : data[i];
      assign y[i] = left ? stage[S][W-1-i] : stage[S][i];
    end
    for (s = 0; s < S; s = s + 1) begin : level
      for (i = 0; i < W; i = i + 1) begin : bits
        if (i + (1 << s) < W) begin : inside
          assign stage[s+1][i] = amount[s] ? stage[s][i+(1<<s)] : stage[s][i];
        end else begin : wrap
          wire edge_bit = (mode == 2'd3) ? stage[s][i+(1<<s)-W] : fill;
          assign stage[s+1][i] = amount[s] ? edge_bit : stage[s][i];
        end
      end
    end
  endgenerate
endmodule
