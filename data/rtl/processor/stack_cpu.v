// Stack processor: eight-word data stack in registers, four-word return stack.
// Part of circuitgraph-learn, Apache-2.0.
module stack_cpu #(parameter W = 16) (
  input              clk,
  input              rst_n,
  input  [7:0]       opcode,
  input  [W-1:0]     memory,
  output reg [W-1:0] address,
  output reg [9:0]   pc,
  output reg         write,
  output [W-1:0]     top,
  output reg         fault
);
  reg [W-1:0] s [0:7];
  reg [9:0] r [0:3];
  reg [3:0] depth;
  wire [W-1:0] a = s[0];
  wire [W-1:0] b = s[1];
  reg [W-1:0] y;
  reg push, pop;
  always @* begin
    push = 1'b0;
    pop = 1'b0;
    y = a;
    case (opcode[7:4])
      4'd0: begin
        push = 1'b1;
        y = {{(W-4){1'b0}}, opcode[3:0]};
      end
      4'd1: y = {a[W-5:0], opcode[3:0]};
      4'd2: begin
        pop = 1'b1;
        y = a + b;
      end
      4'd3: begin
        pop = 1'b1;
        y = b - a;
      end
      4'd4: begin
        pop = 1'b1;
        case (opcode[1:0])
          2'd0: y = a & b;
          2'd1: y = a | b;
          2'd2: y = a ^ b;
          default: y = ~(a | b);
        endcase
      end
      4'd5: y = opcode[0] ? {a[0], a[W-1:1]} : {1'b0, a[W-1:1]};
      4'd6: push = 1'b1;
      4'd7: begin
        pop = 1'b1;
        y = b;
      end
      4'd8: y = memory;
      4'd9: begin
        pop = 1'b1;
        y = b;
      end
      4'd10: begin
        pop = 1'b1;
        y = {{(W-1){1'b0}}, ($signed(b) < $signed(a))};
      end
      4'd11: begin
        pop = 1'b1;
        y = a[7:0] * b[7:0];
      end
      default: y = a;
    endcase
  end
  assign top = a;
  integer i;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      for (i = 0; i < 8; i = i + 1) s[i] <= 0;
      for (i = 0; i < 4; i = i + 1) r[i] <= 0;
      depth <= 0;
      pc <= 0;
      address <= 0;
      write <= 0;
      fault <= 0;
    end else begin
      s[0] <= y;
      if (push) begin
        for (i = 1; i < 8; i = i + 1) s[i] <= s[i-1];
        depth <= depth + 1'b1;
      end else if (pop) begin
        for (i = 1; i < 7; i = i + 1) s[i] <= s[i+1];
        depth <= depth - 1'b1;
      end
      fault <= fault | (push & depth[3]) | (pop & ~|depth);
      address <= a;
      write <= (opcode[7:4] == 4'd9);
      pc <= pc + 1'b1;
      case (opcode[7:4])
        4'd12: begin
          for (i = 1; i < 4; i = i + 1) r[i] <= r[i-1];
          r[0] <= pc;
          pc <= a[9:0];
        end
        4'd13: begin
          pc <= r[0];
          for (i = 0; i < 3; i = i + 1) r[i] <= r[i+1];
        end
        4'd14: if (~|b) pc <= a[9:0];
        4'd15: pc <= a[9:0];
        default: ;
      endcase
    end
endmodule
