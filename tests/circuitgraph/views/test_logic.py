"""The logic view: rows, edges, levels, permutation, loops, networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitgraph.cell_types import gate_type, mos_type
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.errors import CircuitError
from circuitgraph.partition import partition
from circuitgraph.views import from_networkx, logic_view, to_networkx
from circuitgraph.views.view import View, node_kinds
from tests.subjects import chain, full_adder, loop_of, permuted, random_aig, random_circuit


def signature(circuit: Circuit, view: View) -> list[tuple[object, ...]]:
    """Everything a view says, by the names of its rows."""
    names = []
    for row in range(view.num_nodes):
        if view.cell[row] >= 0:
            names.append(f"cell {circuit.cell_names.text(int(view.cell[row]))}")
        elif view.port[row] >= 0:
            names.append(f"port {view.port[row]}")
        else:
            names.append(f"constant {circuit.net_constant[view.net[row]]}")
    nodes = [
        ("node", name, int(view.node_kind[row]), int(view.level[row]), *view.features[row].tolist())
        for row, name in enumerate(names)
    ]
    edges = [
        ("edge", names[source], names[target], int(view.edge_relation[row]), *view.edge_features[row].tolist())
        for row, (source, target) in enumerate(view.edge_index.T.tolist())
    ]
    return sorted(nodes) + sorted(edges)


@given(st.integers(0, 10_000))
def test_permuting_cells_nets_and_ports_permutes_the_view_and_changes_nothing_else(seed: int) -> None:
    circuit = random_circuit(seed)
    moved = permuted(circuit, seed + 1)
    assert signature(circuit, logic_view(circuit)) == signature(moved, logic_view(moved))
    assert circuit.canonical_hash == moved.canonical_hash


@given(st.integers(0, 10_000))
def test_levels_are_longest_paths(seed: int) -> None:
    view = logic_view(random_circuit(seed, gates=40))
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(view.num_nodes))
    graph.add_edges_from(view.edges["fan_in"].T.tolist())
    longest = {}
    for node in nx.topological_sort(graph):
        longest[node] = max((longest[before] + 1 for before in graph.predecessors(node)), default=0)
    assert [longest[node] for node in range(view.num_nodes)] == view.level.tolist()
    rank = np.empty(view.num_nodes, np.int64)
    rank[view.order] = np.arange(view.num_nodes)
    assert (rank[view.edges["fan_in"][0]] < rank[view.edges["fan_in"][1]]).all()


def test_full_adder_by_hand() -> None:
    view = logic_view(full_adder())
    kinds = [node_kinds()[kind] for kind in view.node_kind]
    assert kinds == ["input"] * 3 + ["xor2", "xor2", "nand2", "nand2", "nand2"] + ["output"] * 2
    assert view.level.tolist() == [0, 0, 0, 1, 2, 1, 2, 3, 3, 4]
    assert view.edge_index.T.tolist() == [
        [0, 3], [1, 3], [3, 4], [2, 4], [0, 5], [1, 5], [3, 6], [2, 6], [5, 7], [6, 7], [4, 8], [7, 9],
    ]  # fmt: skip
    assert view.unit.tolist() == [-1, -1, -1, 0, 1, 2, 3, 4, -1, -1]


def test_inversions_of_an_aig_stand_on_edges() -> None:
    circuit = random_aig(3)
    view = logic_view(circuit)
    inverted = int(view.edge_features[:, 0].sum())
    assert inverted == int(circuit.pin_inverted.sum()) + int(circuit.port_inverted.sum())


def test_a_loop_is_an_error_that_prints_it_and_can_be_broken() -> None:
    with pytest.raises(CircuitError, match="found u0 -> u1 -> u2 -> u0"):
        logic_view(loop_of(3))
    with pytest.raises(CircuitError, match=r"u4 -> \(10 more\) -> u15"):
        logic_view(loop_of(20))
    assert logic_view(loop_of(3), break_loops=True).num_levels == 3


def test_empty_and_one_cell() -> None:
    assert logic_view(CircuitBuilder("empty").build()).num_nodes == 0
    builder = CircuitBuilder("one")
    builder.cell("u", gate_type("CONST1", 0), [builder.net("y")])
    assert logic_view(builder.build()).num_nodes == 1


def test_a_mos_circuit_is_a_circuit() -> None:
    builder = CircuitBuilder("inverter")
    vdd, gnd, a, y = (builder.net(name) for name in ("vdd", "gnd", "a", "y"))
    builder.cell("MP", mos_type("pmos"), [y, a, vdd, vdd], parameters={"W": (2e-6, "m"), "L": (1e-7, "m")})
    builder.cell("MN", mos_type("nmos"), [y, a, gnd, gnd], parameters={"W": (1e-6, "m")})
    circuit = builder.build()
    assert circuit.parameters["W"].values.tolist() == [2e-6, 1e-6]
    assert np.isnan(circuit.parameters["L"].values[1])
    assert [circuit.types[row].kind for row in circuit.cell_type] == ["pmos", "nmos"]
    assert circuit.canonical_hash != full_adder().canonical_hash


def test_networkx_and_back() -> None:
    view = logic_view(random_circuit(4))
    graph = to_networkx(view)
    again = from_networkx(graph)
    assert (again.edge_index == view.edge_index).all()
    assert (again.features == view.features).all()
    graph.remove_node(view.num_nodes - 1)
    assert from_networkx(graph).num_nodes == view.num_nodes - 1
    assert nx.is_directed_acyclic_graph(
        nx.DiGraph(
            graph.edge_subgraph([(a, b, k) for a, b, k, r in graph.edges(keys=True, data="relation") if r == "fan_in"])
        )
    )


@given(st.integers(0, 1000), st.integers(1, 40))
def test_blocks_carry_what_they_read_and_release_the_rest(seed: int, size: int) -> None:
    view = logic_view(random_circuit(seed, gates=60))
    blocks = partition(view, size)
    assert np.concatenate([blocks.nodes(b) for b in range(len(blocks))]).tolist() == view.order.tolist()
    alive: set[int] = set()
    edges = view.edges["fan_in"]
    for block in range(len(blocks)):
        own = set(blocks.nodes(block).tolist())
        assert len(own) <= size
        assert set(blocks.carried(block).tolist()) <= alive
        read = set(edges[0][np.isin(edges[1], list(own))].tolist())
        assert read - own == set(blocks.carried(block).tolist())
        alive |= own
        alive -= set(blocks.released(block).tolist())
    assert not alive


def test_partition_refuses_a_block_of_nothing() -> None:
    with pytest.raises(CircuitError, match="at least 1 node"):
        partition(logic_view(chain(3)), 0)


def test_opaque_cells_cut_as_what_may_be_a_flip_flop() -> None:
    """A netlist read without its library: a loop through an unknown cell is none."""
    from circuitgraph.cell_types import opaque_type
    from circuitgraph.circuit import Direction, Port

    unknown = opaque_type("MYSTERY", [Port("D"), Port("Q", Direction.OUTPUT)])
    builder = CircuitBuilder("feedback")
    q, d = builder.net("q"), builder.net("d")
    builder.cell("inv", gate_type("NOT", 1), [q, d])
    builder.cell("state", unknown, [d, q])
    builder.output("y", q)
    view = logic_view(builder.build())
    assert view.edges["state"].T.tolist() == [[0, 1]]
    assert view.num_levels == 2
