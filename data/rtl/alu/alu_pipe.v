// ALU with a small register file, two pipeline stages and forwarding.
// Part of circuitgraph-learn, Apache-2.0.
module alu_pipe #(parameter W = 16, parameter R = 8) (
  input              clk,
  input              rst_n,
  input              write,
  input  [2:0]       op,
  input  [2:0]       ra,
  input  [2:0]       rb,
  input  [2:0]       rd,
  input              use_immediate,
  input  [W-1:0]     immediate,
  output reg [W-1:0] result,
  output reg [3:0]   flags
);
  reg [W-1:0] file [0:R-1];
  reg [W-1:0] a, b;
  reg [2:0] op_1, rd_1, rd_2;
  reg write_1, write_2;
  wire [W-1:0] read_a = (write_2 && rd_2 == ra) ? result : file[ra];
  wire [W-1:0] read_b = use_immediate ? immediate : (write_2 && rd_2 == rb) ? result : file[rb];
  wire [W:0] added = {1'b0, a} + {1'b0, (op_1[0] ? ~b : b)} + {{W{1'b0}}, op_1[0]};
  reg [W-1:0] y;
  always @*
    case (op_1)
      3'd0, 3'd1: y = added[W-1:0];
      3'd2: y = a & b;
      3'd3: y = a | b;
      3'd4: y = a ^ b;
      3'd5: y = a << b[3:0];
      3'd6: y = a >> b[3:0];
      default: y = {{(W-1){1'b0}}, a < b};
    endcase
  integer i;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      for (i = 0; i < R; i = i + 1) file[i] <= 0;
      a <= 0;
      b <= 0;
      op_1 <= 0;
      rd_1 <= 0;
      rd_2 <= 0;
      write_1 <= 0;
      write_2 <= 0;
      result <= 0;
      flags <= 0;
    end else begin
      a <= read_a;
      b <= read_b;
      op_1 <= op;
      rd_1 <= rd;
      write_1 <= write;
      result <= y;
      rd_2 <= rd_1;
      write_2 <= write_1;
      flags <= {added[W], y[W-1], ~|y, ^y};
      if (write_2) file[rd_2] <= result;
    end
endmodule
