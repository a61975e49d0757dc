// Extended Hamming encoder for 32 bits: single error correction, double error detection; combinational.
// Part of circuitgraph-learn, Apache-2.0.
module hamming_encode (
  input  [31:0] data,
  output [38:0] code
);
  wire [38:1] word;
  genvar i;
  generate
    for (i = 1; i <= 38; i = i + 1) begin : place
      if (i == 1 || i == 2 || i == 4 || i == 8 || i == 16 || i == 32) begin : check
        assign word[i] = 1'b0;
      end else begin : bit_of_data
        assign word[i] = data[i - 3 - (i > 4) - (i > 8) - (i > 16) - (i > 32)];
      end
    end
  endgenerate
  reg [5:0] parity;
  integer k;
  always @* begin
    parity = 6'b0;
    for (k = 1; k <= 38; k = k + 1) parity = parity ^ ({6{word[k]}} & k[5:0]);
  end
  wire [38:1] full = word | {6'b0, parity[5], 15'b0, parity[4], 7'b0, parity[3], 3'b0, parity[2], 1'b0,
                             parity[1], parity[0]};
  assign code = {full, ^full};
endmodule
