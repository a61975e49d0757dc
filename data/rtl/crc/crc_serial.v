// Serial CRC-16 generator and checker with a bit counter.
// Part of circuitgraph-learn, Apache-2.0.
module crc_serial (
  input             clk,
  input             rst_n,
  input             start,
  input             bit_in,
  input             enable,
  output reg [15:0] crc,
  output reg [7:0]  bits,
  output            byte_done
);
  wire feedback = crc[15] ^ bit_in;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      crc <= 16'hffff;
      bits <= 0;
    end else if (start) begin
      crc <= 16'hffff;
      bits <= 0;
    end else if (enable) begin
      crc <= {crc[14:0], 1'b0} ^ (feedback ? 16'h1021 : 16'h0000);
      bits <= bits + 1'b1;
    end
  assign byte_done = enable & (bits[2:0] == 3'd7);
endmodule
