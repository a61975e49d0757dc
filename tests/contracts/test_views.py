"""Every view runs through every check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from circuitgraph.cell_types import gate_type
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.errors import CircuitError
from circuitgraph.formats.detect import function_of
from circuitgraph.pyg import PER_EDGE, PER_GRAPH, PER_NODE, collate, to_data
from circuitgraph.views import VIEWS
from circuitgraph.views.view import View, node_kinds
from tests.subjects import full_adder, loop_of, permuted, random_circuit

Maker = Callable[..., View]


def circuits() -> list[Circuit]:
    return [full_adder(), *(random_circuit(seed, gates=40) for seed in range(4))]


def row_names(circuit: Circuit, view: View) -> list[str]:
    """A name for each row that does not depend on the order of rows."""
    names = []
    for row in range(view.num_nodes):
        if view.pin[row] >= 0:
            names.append(f"pin {circuit.pin_text(int(view.pin[row]))}")
        elif view.port[row] >= 0:
            names.append(f"port {circuit.port_names.text(int(view.port[row]))} {view.node_kind[row]}")
        elif view.cell[row] >= 0:
            names.append(f"cell {circuit.cell_names.text(int(view.cell[row]))}")
        else:
            names.append(f"net {circuit.net_names.text(int(view.net[row]))}")
    return names


def permutation_of_cells_nets_pins(make: Maker) -> None:
    """Breaks when the order of cells, nets or a type's ports reaches a node, a feature or an edge."""

    def signature(circuit: Circuit) -> list[tuple[object, ...]]:
        view = make(circuit)
        names = row_names(circuit, view)
        nodes = [
            ("node", name, int(view.node_kind[row]), int(view.level[row]), *view.features[row].round(5).tolist())
            for row, name in enumerate(names)
        ]
        edges = [
            ("edge", names[a], names[b], int(view.edge_relation[row]), *view.edge_features[row].round(5).tolist())
            for row, (a, b) in enumerate(view.edge_index.T.tolist())
        ]
        return sorted(nodes) + sorted(edges)

    for number, circuit in enumerate(circuits()):
        assert signature(circuit) == signature(permuted(circuit, number + 5))


def indices_point_back(make: Maker) -> None:
    """Breaks when a row says that it is another cell's, pin's, net's or terminal's."""
    for circuit in circuits():
        view = make(circuit)
        pins = np.flatnonzero(view.pin >= 0)
        assert (circuit.pin_cell[view.pin[pins]] == view.cell[pins]).all()
        assert (circuit.pin_net[view.pin[pins]] == view.net[pins]).all()
        ports = np.flatnonzero(view.port >= 0)
        assert (circuit.port_net[view.port[ports]] == view.net[ports]).all()
        cells = np.flatnonzero(view.cell >= 0)
        kinds = [circuit.types[row].kind for row in circuit.cell_type[view.cell[cells]]]
        assert [node_kinds()[row] for row in view.node_kind[cells]] == kinds
        assert set(view.cell[cells].tolist()) == set(range(circuit.num_cells))
        assert ((view.unit >= 0) == (view.cell >= 0)).all()


def levels_are_longest_paths(make: Maker) -> None:
    """Breaks when a level is not one more than the highest fan-in's, or the order runs against an edge."""
    for circuit in circuits():
        view = make(circuit)
        graph = nx.DiGraph()
        graph.add_nodes_from(range(view.num_nodes))
        ordering = np.array(view.ordering)[view.edge_relation]
        graph.add_edges_from(view.edge_index[:, ordering].T.tolist())
        longest: dict[int, int] = {}
        for node in nx.topological_sort(graph):
            longest[node] = max((longest[before] + 1 for before in graph.predecessors(node)), default=0)
        assert [longest[node] for node in range(view.num_nodes)] == view.level.tolist()
        assert sorted(view.order.tolist()) == list(range(view.num_nodes))
        assert (np.diff(view.level[view.order]) >= 0).all()


def features_are_finite_and_of_order_one(make: Maker) -> None:
    """Breaks when a unit slips in, or a logarithm of nothing."""
    for circuit in circuits():
        view = make(circuit)
        assert view.features.shape == (view.num_nodes, len(view.feature_table))
        assert view.edge_features.shape == (view.num_edges, len(view.edge_feature_table))
        for matrix in (view.features, view.edge_features):
            assert matrix.dtype == np.float32
            assert np.isfinite(matrix).all()
            assert np.abs(matrix).max(initial=0) <= 16
        assert all(row.name and row.unit and row.range and row.source for row in view.feature_table)


def edges_are_sorted_by_target(make: Maker) -> None:
    """Breaks when a CSR of fan-ins would mix nodes."""
    for circuit in circuits():
        view = make(circuit)
        assert (np.diff(view.edge_index[1]) >= 0).all()
        assert sum(edges.shape[1] for edges in view.edges.values()) == view.num_edges


def empty_and_one_cell(make: Maker) -> None:
    """Breaks at a maximum over nothing."""
    assert make(CircuitBuilder("empty").build()).num_nodes == 0
    builder = CircuitBuilder("one")
    builder.cell("u", gate_type("CONST1", 0), [builder.net("y")])
    assert make(builder.build()).num_nodes == 1


def loop_is_printed(make: Maker) -> None:
    """Breaks when a loop hangs, passes, or is not shown."""
    with pytest.raises(CircuitError, match=r"found u0.* -> .*u1.* -> .*u2"):
        make(loop_of(3))
    assert make(loop_of(3), break_loops=True).num_levels > 1


def every_attribute_batches(make: Maker) -> None:
    """Breaks when an attribute is shifted by what it does not index."""
    graphs = [to_data(make(circuit)) for circuit in circuits()]
    batch = collate(graphs)
    for row, graph in enumerate(graphs):
        again = batch.get_example(row)
        for name in (*PER_NODE, *PER_EDGE, *PER_GRAPH):
            assert bool((again[name] == graph[name]).all()), name


CHECKS = [
    permutation_of_cells_nets_pins,
    indices_point_back,
    levels_are_longest_paths,
    features_are_finite_and_of_order_one,
    edges_are_sorted_by_target,
    empty_and_one_cell,
    loop_is_printed,
    every_attribute_batches,
]


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_view(name: str, check: Callable[[Maker], None]) -> None:
    check(function_of(VIEWS[name]))


def test_planted_defects_are_caught() -> None:
    honest = function_of(VIEWS["logic"])

    def numbered(circuit: Circuit, **options: bool) -> View:
        view = honest(circuit, **options)
        features = view.features.copy()
        features[:, 0] = np.arange(view.num_nodes)
        return replace(view, features=features)

    def shifted(circuit: Circuit, **options: bool) -> View:
        view = honest(circuit, **options)
        return replace(view, level=view.level + 1)

    with pytest.raises(AssertionError):
        permutation_of_cells_nets_pins(numbered)
    with pytest.raises(AssertionError):
        levels_are_longest_paths(shifted)
