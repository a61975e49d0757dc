"""Parasitics: matching with a circuit, the report, and trees as a source."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from circuitgraph import CircuitError
from circuitgraph.circuit import Circuit
from circuitgraph.formats.spef import read_spef, write_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.parasitics import NodeKind, Parasitics

NETLIST = """module top(input [1:0] a, input clk, output y);
  wire n1; wire \\lane[0].ra ; wire unused; wire alias;
  INV \\u[0] (.A(a[1]), .Y(n1));
  sub u1 (.i(n1), .o(\\lane[0].ra ));
  NAND2 g (.A(\\lane[0].ra ), .B(alias), .Y(y));
  assign alias = a[0];
endmodule
module sub(input i, output o); wire m; INV p(.A(i), .Y(m)); INV q(.A(m), .Y(o)); endmodule
"""
HEADER = '*SPEF "x"\n*DESIGN "top"\n*DIVIDER /\n*DELIMITER :\n*BUS_DELIMITER []\n*C_UNIT 1 FF\n*R_UNIT 1 OHM\n'


def circuit() -> Circuit:
    return read_verilog(io.BytesIO(NETLIST.encode()), top="top")


def spef(*nets: tuple[str, str]) -> Parasitics:
    body = "".join(f"*D_NET {name} 1\n*CONN\n{conns}*END\n" for name, conns in nets)
    return read_spef(io.BytesIO((HEADER + body).encode()))


def test_names_match_as_printed_escaped_and_through_aliases() -> None:
    found = circuit()
    parasitics = spef(
        ("a[1]", "*P a[1] I\n*I u\\[0\\]:A I\n"),
        ("lane\\[0\\]\\.ra", "*I u1/q:Y O\n*I g:A I\n"),
        ("u1/m", "*I u1/p:Y O\n*I u1/q:A I\n"),
        ("alias", "*P a[0] I\n*I g:B I\n"),
        ("u1/i", "*I u\\[0\\]:Y O\n*I u1\\/p:A I\n"),
        ("nowhere", "*I g:Q I\n"),
    )
    resolved = parasitics.resolve(found)
    report = resolved.report
    assert [found.net_names.text(row) if row >= 0 else "" for row in resolved.net] == [
        "a[1]", "lane\\[0\\].ra", "u1/m", "a[0]", "n1", "",
    ]  # fmt: skip
    assert (report.num_unknown, report.unknown) == (1, ("nowhere",))
    assert (report.num_unknown_nodes, report.unknown_nodes) == (1, ("g/Q",))
    assert (report.nets, report.matched, report.missing) == (6, 5, ("y",))
    assert report.num_moved_nodes == 0
    pins = {found.pin_text(int(pin)) for pin in resolved.node_pin if 0 <= pin < found.num_pins}
    assert {"u\\[0\\]/A", "u1/q/Y", "g/B", "u1/p/A"} <= pins
    terminals = resolved.node_pin[(parasitics.node_kind == NodeKind.PORT)] - found.num_pins
    assert [found.port_names.text(int(row)) for row in terminals] == ["a[1]", "a[0]"]


def test_pins_on_another_net_and_nets_listed_twice_are_counted() -> None:
    resolved = spef(("n1", "*I g:A I\n"), ("u1/i", "*I u1/p:A I\n")).resolve(circuit())
    assert (resolved.report.num_moved_nodes, resolved.report.moved_nodes) == (1, ("g/A",))
    assert resolved.report.num_twice == 1
    assert resolved.net_of[resolved.net[0]] == 0


def test_too_few_matches_are_refused() -> None:
    report = spef(("n1", "")).resolve(circuit()).report
    with pytest.raises(CircuitError) as caught:
        report.require("wires.spef")
    assert str(caught.value) == (
        "wires.spef: nets: only 1 of the 6 nets with a driver and a load are in it, less than 90% "
        "(missing: 'a[1]', 'a[0]', 'y' and 2 more): give the parasitics of this netlist"
    )
    report.require("wires.spef", share=0.1)
    assert report.share == pytest.approx(1 / 6)


def test_trees_become_parasitics(tmp_path) -> None:
    found = circuit()
    net = found.find_net("n1")
    driver, sink = found.find_pin("u\\[0\\]/Y"), found.find_pin("u1/p/A")
    port = found.num_pins + found.port_names.find("a[1]")
    load = found.find_pin("u\\[0\\]/A")
    first = found.find_net("a[1]")
    sizes = np.zeros(found.num_nets, np.int64)
    sizes[net], sizes[first] = 3, 2
    start = np.concatenate([[0], np.cumsum(sizes)])
    pins = np.zeros(5, np.int32)
    parent = np.full(5, -1, np.int32)
    ohms, farads = np.zeros(5), np.zeros(5)
    at = int(start[net])
    pins[at : at + 3] = driver, -1, sink
    parent[at + 1], parent[at + 2] = at, at + 1
    ohms[at + 1 : at + 3] = 10.0, 20.0
    farads[at : at + 3] = 1e-15, 2e-15, 3e-15
    at = int(start[first])
    pins[at : at + 2] = port, load
    parent[at + 1] = at
    ohms[at + 1] = 5.0
    farads[at : at + 2] = 1e-16, 2e-16
    parasitics = Parasitics.from_trees(found, start, pins, parent, ohms, farads)
    assert [parasitics.net_text(row) for row in range(2)] == [
        found.net_names.text(min(net, first)),
        found.net_names.text(max(net, first)),
    ]
    row = [parasitics.net_text(row) for row in range(2)].index("n1")
    assert parasitics.total[row] == pytest.approx(6e-15)
    span = range(int(parasitics.node_start[row]), int(parasitics.node_start[row + 1]))
    assert [parasitics.node_text(node) for node in span][:2] == ["u\\[0\\]/Y", "u1/p/A"]
    resolved = parasitics.resolve(found)
    assert (resolved.report.num_unknown, resolved.report.num_unknown_nodes, resolved.report.num_moved_nodes) == (
        0,
        0,
        0,
    )
    write_spef(parasitics, tmp_path / "x.spef")
    assert read_spef(tmp_path / "x.spef") == parasitics


def test_equality_looks_at_values_and_names() -> None:
    one = spef(("n1", "*I g:A I\n"))
    assert one == spef(("n1", "*I g:A I\n"))
    assert one != spef(("n2", "*I g:A I\n"))
    assert one != replace(one, net_capacitance=one.net_capacitance * 2)
    assert one.at_corner(0) == one


def test_bulk_names_equal_single_ones() -> None:
    found = circuit()
    for table in (found.net_names, found.cell_names, found.port_names, found.alias_names, found.block_names):
        assert table.texts() == [table.text(row) for row in range(len(table))]
