"""Design: tops, recursion, flattening; a flat result against a plain walk over the hierarchy."""

from __future__ import annotations

import io

import numpy as np
import pytest

from circuitgraph import CircuitError
from circuitgraph.circuit import Circuit
from circuitgraph.design import Design
from circuitgraph.flattening import components
from circuitgraph.formats.verilog import read_verilog

NESTED = """
module top(input [1:0] a, output [1:0] y, output z, input k);
  wire n; mid m0(.i(a[0]), .o(y[0]), .t(n)); mid m1(.i(a[1]), .o(y[1]), .t());
  INV g(.A(n), .Y(z)); thru t0(k, n2); thru t1(n2, n3); INV h(.A(n3), .Y());
endmodule
module mid(input i, output o, output t); leaf l0(.p(i), .q(w)); leaf l1(.p(w), .q(o)); assign t = 1'b1;
  INV e(.A(1'b0), .Y()); endmodule
module leaf(input p, output q); INV x(.A(p), .Y(q)); INV y(.A(p), .Y(inner)); endmodule
module thru(input p, output q); assign q = p; endmodule
"""


def design(source: str = NESTED) -> Design:
    return read_verilog(io.BytesIO(source.encode()), flatten=False)


def nets(circuit: Circuit, cell: str) -> list[str]:
    row = circuit.cell_names.find(cell)
    found = circuit.pin_net[circuit.pin_start[row] : circuit.pin_start[row + 1]]
    return [circuit.net_names.text(int(net)) if net >= 0 else "" for net in found]


def test_blocks_cells_and_nets() -> None:
    circuit = design().flatten()
    assert list(circuit.block_names) == ["m0", "m0/l0", "m0/l1", "m1", "m1/l0", "m1/l1", "t0", "t1"]
    assert [circuit.block_types[row] for row in circuit.block_type] == [
        "mid", "leaf", "leaf", "mid", "leaf", "leaf", "thru", "thru",
    ]  # fmt: skip
    assert circuit.block_parent.tolist() == [-1, 0, 0, -1, 3, 3, -1, -1]
    assert list(circuit.cell_names)[:5] == ["g", "h", "m0/e", "m0/l0/x", "m0/l0/y"]
    assert nets(circuit, "m1/l1/x") == ["m1/w", "y[1]"]
    assert nets(circuit, "m0/l1/y") == ["m0/w", "m0/l1/inner"]
    assert circuit.find_net("m0/l0/q") == circuit.find_net("m0/w")
    assert circuit.num_cells == 2 + 2 + 8


def test_constants_are_one_net_a_value() -> None:
    circuit = design().flatten()
    assert sorted(circuit.net_constant[circuit.net_constant >= 0].tolist()) == [0, 1]
    assert nets(circuit, "g")[0] == nets(circuit, "g")[0]
    assert circuit.net_constant[circuit.find_net("n")] == 1
    assert circuit.net_constant[circuit.pin_net[circuit.pin_start[circuit.cell_names.find("m1/e")]]] == 0


def test_feed_through_chains_join() -> None:
    circuit = design().flatten()
    assert nets(circuit, "h")[0] == "k"
    assert circuit.find_net("n3") == circuit.find_net("t1/q") == circuit.find_net("k")


def walk(found: Design, name: str, prefix: str) -> list[str]:
    """Cells of a plain recursive walk."""
    module = found.modules[name]
    cells = []
    for row in range(module.num_cells):
        master = found.masters[module.cell_master[row]]
        text = prefix + module.cell_names.text(row)
        cells += walk(found, master, text + "/") if isinstance(master, str) else [text]
    return cells


def test_same_cells_as_a_recursive_walk() -> None:
    found = design()
    assert sorted(walk(found, "top", "")) == sorted(found.flatten().cell_names)
    assert found.expanded("top") == {"top": 1, "mid": 2, "leaf": 4, "thru": 2}


def test_top_choice() -> None:
    found = design()
    assert found.top() == "top"
    assert found.flatten("leaf").num_cells == 2
    with pytest.raises(CircuitError, match="did you mean 'leaf'"):
        found.top("leef")


def test_recursion_through_others_names_the_path() -> None:
    source = "module a(); b x(); endmodule module b(); c x(); endmodule module c(); b x(); endmodule"
    with pytest.raises(CircuitError, match="instantiates itself: b -> c -> b"):
        design(source).flatten()


def test_limit_names_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUITGRAPH_MAX_CELLS", "5")
    with pytest.raises(CircuitError, match="expands to 20 cells, more than 5: raise CIRCUITGRAPH_MAX_CELLS"):
        design().flatten()


def test_components_by_dictionary_and_by_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 300_000, (2, 200_001))
    large = components(300_000, one, other)
    half = components(300_000, one[:200_000], other[:200_000])
    again = components(300_000, np.append(half[one[200_000:]], 0), np.append(half[other[200_000:]], 0))
    assert np.array_equal(again[half], large)


def test_deep_hierarchy_needs_no_recursion() -> None:
    depth = 3000
    modules = [f"module m{level}(input i); m{level + 1} u(.i(i)); endmodule" for level in range(depth)]
    modules.append(f"module m{depth}(input i); INV g(.A(i)); endmodule")
    circuit = design("\n".join(modules)).flatten()
    assert (circuit.num_cells, len(circuit.block_names)) == (1, depth)
    assert nets(circuit, circuit.cell_names.text(0)) == ["i"]
