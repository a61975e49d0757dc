// A netlist of four cells.
module small (clk, a, b, y, q);
  input clk, a, b;
  output y, q;
  wire n1, n2;
  INV u1 (.A(a), .Z(n1));
  NAND2 u2 (.A(n1), .B(b), .Z(n2));
  DFF r1 (.D(n2), .CK(clk), .Q(q));
  INV u3 (.A(q), .Z(y));
endmodule
