// Carry-lookahead adder: groups of four bits, group carries rippled over generate and propagate.
// Part of circuitgraph-learn, Apache-2.0.
module add_lookahead #(parameter GROUPS = 8) (
  input  [4*GROUPS-1:0] a,
  input  [4*GROUPS-1:0] b,
  input                 cin,
  output [4*GROUPS-1:0] sum,
  output                cout
);
  wire [4*GROUPS-1:0] g = a & b;
  wire [4*GROUPS-1:0] p = a ^ b;
  wire [GROUPS:0] c;
  assign c[0] = cin;
  genvar i;
  generate
    for (i = 0; i < GROUPS; i = i + 1) begin : group
      wire [3:0] gg = g[4*i+3:4*i];
      wire [3:0] pp = p[4*i+3:4*i];
      wire c1 = gg[0] | (pp[0] & c[i]);
      wire c2 = gg[1] | (pp[1] & gg[0]) | (pp[1] & pp[0] & c[i]);
      wire c3 = gg[2] | (pp[2] & gg[1]) | (pp[2] & pp[1] & gg[0]) | (pp[2] & pp[1] & pp[0] & c[i]);
      wire all_g = gg[3] | (pp[3] & gg[2]) | (pp[3] & pp[2] & gg[1]) | (pp[3] & pp[2] & pp[1] & gg[0]);
      assign c[i+1] = all_g | ((&pp) & c[i]);
      assign sum[4*i+3:4*i] = pp ^ {c3, c2, c1, c[i]};
    end
  endgenerate
  assign cout = c[GROUPS];
endmodule
