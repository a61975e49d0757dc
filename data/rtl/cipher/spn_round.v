// Substitution-permutation network: one round a clock, own 4-bit box and bit permutation.
// Part of circuitgraph-learn, Apache-2.0.
module small_box (
  input  [3:0] x,
  output reg [3:0] y
);
  always @*
    case (x)
      4'h0: y = 4'h6;
      4'h1: y = 4'hb;
      4'h2: y = 4'h5;
      4'h3: y = 4'h4;
      4'h4: y = 4'h2;
      4'h5: y = 4'he;
      4'h6: y = 4'h7;
      4'h7: y = 4'ha;
      4'h8: y = 4'h9;
      4'h9: y = 4'hd;
      4'ha: y = 4'hf;
      4'hb: y = 4'hc;
      4'hc: y = 4'h3;
      4'hd: y = 4'h1;
      4'he: y = 4'h0;
      default: y = 4'h8;
    endcase
endmodule

module spn_round #(parameter BOXES = 8, parameter STRIDE = 9) (
  input                    clk,
  input                    rst_n,
  input                    load,
  input  [4*BOXES-1:0]     text,
  input  [4*BOXES-1:0]     key,
  output reg [4*BOXES-1:0] state,
  output reg [4:0]         count,
  output                   done
);
  localparam W = 4 * BOXES;
  reg [W-1:0] round_key;
  wire [W-1:0] mixed = state ^ round_key;
  wire [W-1:0] boxed, moved;
  wire [3:0] key_box;
  genvar i;
  generate
    for (i = 0; i < BOXES; i = i + 1) begin : box
      small_box u (.x(mixed[4*i +: 4]), .y(boxed[4*i +: 4]));
    end
    for (i = 0; i < W; i = i + 1) begin : move
      assign moved[(i * STRIDE + 3) % W] = boxed[i];
    end
  endgenerate
  small_box u_key (.x(round_key[3:0]), .y(key_box));
  assign done = (count == 5'd20);
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      state <= 0;
      round_key <= 0;
      count <= 0;
    end else if (load) begin
      state <= text;
      round_key <= key;
      count <= 0;
    end else if (!done) begin
      state <= moved;
      round_key <= {key_box, round_key[W-1:4]} ^ {{(W-5){1'b0}}, count};
      count <= count + 1'b1;
    end
endmodule
