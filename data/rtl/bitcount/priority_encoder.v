// Priority encoder with masked requests and one-hot grant; combinational.
// Part of circuitgraph-learn, Apache-2.0.
module priority_encoder #(parameter W = 32, parameter S = 5) (
  input  [W-1:0] request,
  input  [W-1:0] mask,
  output reg [S-1:0] index,
  output reg [W-1:0] grant,
  output         any
);
  wire [W-1:0] active = request & ~mask;
  integer i;
  always @* begin
    index = 0;
    grant = 0;
    for (i = W - 1; i >= 0; i = i - 1)
      if (active[i]) begin
        index = i;
        grant = 0;
        grant[i] = 1'b1;
      end
  end
  assign any = |active;
endmodule
