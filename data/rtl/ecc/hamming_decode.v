// Extended Hamming decoder for 32 bits with registered input and output.
// Part of circuitgraph-learn, Apache-2.0.
module hamming_decode (
  input             clk,
  input             rst_n,
  input             valid,
  input  [38:0]     code,
  output reg [31:0] data,
  output reg        valid_out,
  output reg        corrected,
  output reg        uncorrectable,
  output reg [7:0]  errors
);
  reg [38:0] held;
  reg held_valid;
  wire [38:1] word = held[38:1];
  reg [5:0] syndrome;
  reg [38:1] fixed;
  integer k;
  always @* begin
    syndrome = 6'b0;
    for (k = 1; k <= 38; k = k + 1) syndrome = syndrome ^ ({6{word[k]}} & k[5:0]);
    for (k = 1; k <= 38; k = k + 1) fixed[k] = word[k] ^ (syndrome == k[5:0]);
  end
  wire odd = ^held;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      held <= 0;
      held_valid <= 0;
      data <= 0;
      valid_out <= 0;
      corrected <= 0;
      uncorrectable <= 0;
      errors <= 0;
    end else begin
      held <= code;
      held_valid <= valid;
      valid_out <= held_valid;
      corrected <= held_valid & odd;
      uncorrectable <= held_valid & ~odd & (|syndrome);
      if (held_valid & (odd | (|syndrome))) errors <= errors + {7'b0, ~&errors};
      data <= {fixed[38:33], fixed[31:17], fixed[15:9], fixed[7:5], fixed[3]};
    end
endmodule
