// Up-down counter with Gray output, compare and capture.
// Part of circuitgraph-learn, Apache-2.0.
module gray_counter #(parameter W = 16) (
  input              clk,
  input              rst_n,
  input              enable,
  input              down,
  input              load,
  input  [W-1:0]     start,
  input  [W-1:0]     compare,
  input              capture,
  output reg [W-1:0] gray,
  output reg [W-1:0] captured,
  output reg         hit,
  output reg         wrapped
);
  reg [W-1:0] count;
  wire [W-1:0] step = down ? {W{1'b1}} : {{(W-1){1'b0}}, 1'b1};
  wire [W-1:0] next = load ? start : (enable ? count + step : count);
  always @(posedge clk or negedge rst_n)
    if (!rst_n) begin
      count <= 0;
      gray <= 0;
      captured <= 0;
      hit <= 0;
      wrapped <= 0;
    end else begin
      count <= next;
      gray <= next ^ {1'b0, next[W-1:1]};
      hit <= (count == compare);
      if (capture) captured <= count;
      wrapped <= enable & ~load & (down ? ~|count : &count);
    end
endmodule
