// Accumulator processor: fetch, decode, execute; memory outside; own instruction set.
// Part of circuitgraph-learn, Apache-2.0.
module accumulator_cpu #(parameter W = 16, parameter A = 12) (
  input              clk,
  input              rst_n,
  input  [15:0]      instruction,
  input  [W-1:0]     load_data,
  input              interrupt,
  output reg [A-1:0] pc,
  output reg [A-1:0] address,
  output reg [W-1:0] store_data,
  output reg         store,
  output [W-1:0]     accumulator
);
  reg [W-1:0] acc;
  reg [A-1:0] link, index;
  reg [15:0] ir;
  reg [1:0] phase;
  reg carry, enabled;
  wire [3:0] op = ir[15:12];
  wire [A-1:0] operand = ir[A-1:0];
  wire [A-1:0] effective = operand + (ir[0] ? index : {A{1'b0}});
  wire [W:0] added = {1'b0, acc} + {1'b0, load_data};
  wire [W:0] taken = {1'b0, acc} - {1'b0, load_data};
  wire zero = ~|acc;
  assign accumulator = acc;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      acc <= 0;
      link <= 0;
      index <= 0;
      ir <= 0;
      phase <= 0;
      carry <= 0;
      enabled <= 0;
      pc <= 0;
      address <= 0;
      store_data <= 0;
      store <= 0;
    end else begin
      store <= 0;
      case (phase)
        2'd0: begin
          phase <= 2'd1;
          if (interrupt & enabled) begin
            link <= pc;
            pc <= 12'd4;
            enabled <= 0;
            phase <= 2'd0;
          end else ir <= instruction;
        end
        2'd1: begin
          address <= effective;
          phase <= 2'd2;
        end
        default: begin
          phase <= 2'd0;
          pc <= pc + 1'b1;
          case (op)
            4'd0: acc <= load_data;
            4'd1: begin
              store <= 1;
              store_data <= acc;
            end
            4'd2: {carry, acc} <= added;
            4'd3: {carry, acc} <= taken;
            4'd4: acc <= acc & load_data;
            4'd5: acc <= acc | load_data;
            4'd6: acc <= acc ^ load_data;
            4'd7: pc <= operand;
            4'd8: if (zero) pc <= operand;
            4'd9: if (carry) pc <= operand;
            4'd10: begin
              link <= pc + 1'b1;
              pc <= operand;
            end
            4'd11: pc <= link;
            4'd12: {carry, acc} <= {acc, carry};
            4'd13: index <= acc[A-1:0];
            4'd14: acc <= {{(W-A){1'b0}}, operand};
            default: enabled <= operand[0];
          endcase
        end
      endcase
    end
endmodule
