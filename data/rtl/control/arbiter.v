// Round-robin arbiter with locks and per-port grant counters.
// Part of circuitgraph-learn, Apache-2.0.
module arbiter #(parameter N = 8, parameter S = 3, parameter C = 8) (
  input              clk,
  input              rst_n,
  input  [N-1:0]     request,
  input  [N-1:0]     lock,
  input  [S-1:0]     select,
  output reg [N-1:0] grant,
  output reg [S-1:0] owner,
  output reg [C-1:0] grants
);
  reg [C-1:0] counts [0:N-1];
  reg [N-1:0] pending;
  wire [2*N-1:0] twice = {pending, pending} & ~(({{N{1'b0}}, {N{1'b1}}} << owner << 1) >> N);
  reg [S-1:0] winner;
  reg found;
  integer i;
  always @* begin
    winner = owner;
    found = 1'b0;
    for (i = 1; i <= N; i = i + 1)
      if (!found && pending[(owner + i) % N]) begin
        winner = (owner + i) % N;
        found = 1'b1;
      end
  end
  wire held = |(grant & lock & pending);
  integer k;
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      pending <= 0;
      grant <= 0;
      owner <= 0;
      grants <= 0;
      for (k = 0; k < N; k = k + 1) counts[k] <= 0;
    end else begin
      pending <= request;
      if (!held) begin
        owner <= winner;
        grant <= found ? ({{(N-1){1'b0}}, 1'b1} << winner) : {N{1'b0}};
        if (found) counts[winner] <= counts[winner] + 1'b1;
      end
      grants <= counts[select];
    end
endmodule
