// Parallel CRC: several data bits a clock, any polynomial.
// Part of circuitgraph-learn, Apache-2.0.
module crc_parallel #(parameter W = 32, parameter D = 16, parameter [31:0] POLY = 32'h04c11db7) (
  input              clk,
  input              rst_n,
  input              restart,
  input              valid,
  input  [D-1:0]     data,
  output reg [W-1:0] crc,
  output             match
);
  reg [D-1:0] held;
  reg held_valid;
  reg [W-1:0] next;
  reg feedback;
  integer i;
  always @* begin
    next = crc;
    for (i = D - 1; i >= 0; i = i - 1) begin
      feedback = next[W-1] ^ held[i];
      next = {next[W-2:0], 1'b0} ^ ({W{feedback}} & POLY[W-1:0]);
    end
  end
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      held <= 0;
      held_valid <= 0;
      crc <= {W{1'b1}};
    end else begin
      held <= data;
      held_valid <= valid;
      if (restart) crc <= {W{1'b1}};
      else if (held_valid) crc <= next;
    end
  assign match = ~|crc;
endmodule
