"""The timing view: rows, relations, levels, permutation, loops, features, what masking a unit can hide."""

from __future__ import annotations

import io
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitgraph.circuit import Circuit, Direction
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from circuitgraph.partition import partition
from circuitgraph.views import timing_view
from circuitgraph.views.timing import EDGE_FEATURES, FEATURES
from circuitgraph.views.view import View, node_kinds
from tests.circuitgraph.analysis.test_sta import random_netlist
from tests.subjects import loop_of, permuted, random_circuit


@pytest.fixture(scope="module")
def library(root: object) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")  # type: ignore[operator]


def mapped(library: Library, seed: int, cells: int = 40) -> Circuit:
    text = random_netlist(np.random.default_rng(seed), cells)
    circuit = read_verilog(io.BytesIO(text.encode()), library=library)
    assert isinstance(circuit, Circuit)
    return circuit


def names_of(circuit: Circuit, view: View) -> list[str]:
    return [
        circuit.pin_text(int(pin)) if pin >= 0 else f"port {circuit.port_names.text(int(port))}"
        for pin, port in zip(view.pin, view.port, strict=True)
    ]


def signature(circuit: Circuit, view: View) -> list[tuple[object, ...]]:
    names = names_of(circuit, view)
    nodes = [
        ("node", name, int(view.node_kind[row]), int(view.level[row]), *view.features[row].tolist())
        for row, name in enumerate(names)
    ]
    edges = [
        ("edge", names[a], names[b], int(view.edge_relation[row]), *view.edge_features[row].tolist())
        for row, (a, b) in enumerate(view.edge_index.T.tolist())
    ]
    return sorted(nodes) + sorted(edges)


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_permuting_changes_nothing_else(library: Library, seed: int) -> None:
    circuit = mapped(library, seed)
    moved = permuted(circuit, seed + 1)
    assert signature(circuit, timing_view(circuit, library)) == signature(moved, timing_view(moved, library))


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_permuting_without_a_library(seed: int) -> None:
    circuit = random_circuit(seed)
    moved = permuted(circuit, seed + 1)
    assert signature(circuit, timing_view(circuit)) == signature(moved, timing_view(moved))


@pytest.mark.parametrize("seed", range(4))
def test_levels_are_longest_paths_over_net_and_cell_arcs(library: Library, seed: int) -> None:
    view = timing_view(mapped(library, seed), library)
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(view.num_nodes))
    for relation in ("net", "cell"):
        graph.add_edges_from(view.edges[relation].T.tolist())
    longest: dict[int, int] = {}
    for node in nx.topological_sort(graph):
        longest[node] = max((longest[before] + 1 for before in graph.predecessors(node)), default=0)
    assert [longest[node] for node in range(view.num_nodes)] == view.level.tolist()
    blocks = partition(view, 10)
    assert len(blocks) == -(-view.num_nodes // 10)


def test_rows_and_relations_by_hand(library: Library) -> None:
    netlist = """module t (ck, a, y); input ck, a; output y; wire n;
    CGL_INV_X1 u (.A(a), .Z(n)); CGL_DFF_X1 f (.CK(ck), .D(n), .Q(y)); endmodule"""
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=library)
    assert isinstance(circuit, Circuit)
    view = timing_view(circuit, library)
    names = names_of(circuit, view)
    assert sorted(names) == ["f/CK", "f/D", "f/Q", "port a", "port ck", "port y", "u/A", "u/Z"]

    def pairs(relation: str) -> set[tuple[str, str]]:
        return {(names[a], names[b]) for a, b in view.edges[relation].T.tolist()}

    assert pairs("net") == {("port a", "u/A"), ("u/Z", "f/D"), ("port ck", "f/CK"), ("f/Q", "port y")}
    assert pairs("cell") == {("u/A", "u/Z"), ("f/CK", "f/Q")}
    assert pairs("check") == {("f/CK", "f/D")}
    level = dict(zip(names, view.level.tolist(), strict=True))
    assert level == {"port a": 0, "u/A": 1, "u/Z": 2, "f/D": 3, "port ck": 0, "f/CK": 1, "f/Q": 2, "port y": 3}
    kinds = {name: node_kinds()[kind] for name, kind in zip(names, view.node_kind, strict=True)}
    assert kinds["port a"] == "input"
    assert kinds["port y"] == "output"
    assert kinds["u/A"] == kinds["u/Z"] == "inv"
    assert kinds["f/D"] == "dff"
    units = dict(zip(names, view.unit.tolist(), strict=True))
    assert units["port a"] == -1
    assert units["u/A"] == units["u/Z"] != units["f/D"]
    assert units["f/CK"] == units["f/D"] == units["f/Q"]
    arcs = view.edge_arc
    assert arcs is not None
    cell_row = int(np.flatnonzero(view.edge_relation == 1)[0])
    arc = int(arcs[cell_row])
    assert library.types[int(library.arc_type[arc])].name in {"CGL_INV_X1", "CGL_DFF_X1"}
    assert (arcs[view.edge_relation == 0] == -1).all()


def test_bidirectional_pins_have_two_halves() -> None:
    text = """library (l) { cell (pad) { pin (P) { direction : inout; function : "I"; } pin (I) { direction : input; }
     pin (O) { direction : output; function : "P"; } } }"""
    library = read_liberty(io.BytesIO(text.encode()))
    circuit = read_verilog(
        io.BytesIO(b"module t (p, i, o); inout p; input i; output o; pad u (.P(p), .I(i), .O(o)); endmodule")
    )
    assert isinstance(circuit, Circuit)
    circuit = read_verilog(
        io.BytesIO(b"module t (p, i, o); inout p; input i; output o; pad u (.P(p), .I(i), .O(o)); endmodule"),
        library=library,
    )
    assert isinstance(circuit, Circuit)
    view = timing_view(circuit)
    names = names_of(circuit, view)
    assert names.count("u/P") == 2
    assert names.count("port p") == 2
    driver, load = (row for row, name in enumerate(names) if name == "u/P")
    edges = {(a, b) for a, b in view.edge_index.T.tolist()}
    assert (names.index("u/I"), driver) in edges
    assert (load, names.index("u/O")) in edges
    assert (driver, load) not in edges


def test_loops_are_an_error_or_cut() -> None:
    with pytest.raises(CircuitError, match="loop of 6 pins"):
        timing_view(loop_of(3))
    with pytest.raises(CircuitError, match=r"\(30 more\)"):
        timing_view(loop_of(20))
    notes = Notes()
    view = timing_view(loop_of(3), break_loops=True, notes=notes)
    assert notes.count("loop cut") == 1
    assert view.num_edges == 6 - 1 + 1
    assert view.num_levels == 6


def test_features_are_dimensionless_and_of_order_one(library: Library) -> None:
    view = timing_view(mapped(library, 1, 200), library)
    assert view.features.dtype == np.float32
    assert view.features.shape == (view.num_nodes, len(FEATURES))
    assert view.edge_features.shape == (view.num_edges, len(EDGE_FEATURES))
    for table, values in ((FEATURES, view.features), (EDGE_FEATURES, view.edge_features)):
        for column, feature in enumerate(table):
            part = values[:, column]
            assert np.isfinite(part).all(), feature.name
            low, _, high = feature.range.replace(" or ", " to ").partition(" to ")
            assert float(low) <= part.min(), feature.name
            assert part.max() <= float(high), feature.name
    for column in (5, 6, 7, 8):
        assert view.features[:, column].std() > 0
    assert view.edge_features[:, 0].std() > 0


def test_only_the_own_rows_and_edges_know_the_cell(library: Library) -> None:
    """Swapping a cell's type for one of the same ports moves nothing but its own rows and the edges among them."""
    text = random_netlist(np.random.default_rng(5), 40)
    assert "CGL_NAND2_X1 u" in text
    at = text.index("CGL_NAND2_X1 u")
    name = text[at:].split()[1]
    other = text[:at] + text[at:].replace("CGL_NAND2_X1", "CGL_OR2_X2", 1)
    views = []
    for source in (text, other):
        circuit = read_verilog(io.BytesIO(source.encode()), library=library)
        assert isinstance(circuit, Circuit)
        views.append((circuit, timing_view(circuit, library)))
    (first, one), (second, two) = views
    own = {row for row, label in enumerate(names_of(first, one)) if label.startswith(f"{name}/")}
    names, others = names_of(first, one), names_of(second, two)
    rows = {label: row for row, label in enumerate(others)}
    for row, label in enumerate(names):
        if row not in own:
            assert one.node_kind[row] == two.node_kind[rows[label]]
            np.testing.assert_array_equal(one.features[row], two.features[rows[label]])
        np.testing.assert_array_equal(one.features[row, :5], two.features[rows[label], :5])

    def outside(view: View, labels: list[str]) -> list[tuple[object, ...]]:
        return sorted(
            (labels[a], labels[b], int(view.edge_relation[e]), *view.edge_features[e].tolist())
            for e, (a, b) in enumerate(view.edge_index.T.tolist())
            if not (labels[a].startswith(f"{name}/") and labels[b].startswith(f"{name}/"))
        )

    assert outside(one, names) == outside(two, others)


def test_without_a_library_library_columns_are_neutral(library: Library) -> None:
    circuit = mapped(library, 2)
    view = timing_view(circuit)
    assert not view.features[:, 5:8].any()
    assert not view.edge_features[:, 0].any()
    assert (view.edge_arc == -1).all() if view.edge_arc is not None else False
    full = timing_view(circuit, library)
    np.testing.assert_array_equal(full.level, view.level)
    assert {tuple(pair) for pair in full.edges["cell"].T.tolist()} == {
        tuple(pair) for pair in view.edges["cell"].T.tolist()
    }


def test_empty_and_unconnected_circuits() -> None:
    circuit = random_circuit(0, gates=1)
    lonely = replace(
        circuit,
        pin_net=np.full(circuit.num_pins, -1, np.int32),
        port_net=np.full(circuit.num_ports, -1, np.int32),
        port_direction=np.full(circuit.num_ports, int(Direction.INPUT), np.int8),
    )
    view = timing_view(lonely)
    assert (view.num_nodes, view.num_edges, view.num_levels, view.num_units) == (0, 0, 0, 0)
