"""Spanning trees against networkx, Steiner trees against bounds that hold for every one, and the trees of circuits."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitgraph.cell_types import gate_type
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.layout import Layout
from circuitgraph.trees import (
    _compiled,
    _kernel_spanning,
    _kernel_steiner,
    net_trees,
    spanning_tree,
    spanning_trees,
    steiner_tree,
)

points = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=14)


@given(points)
def test_the_tree_is_as_short_as_networkx_says(pins: list[tuple[int, int]]) -> None:
    x, y = np.array(pins, np.int64).T
    rank, parent = spanning_tree(x, y)
    assert sorted(rank.tolist()) == list(range(len(pins)))
    assert all(rank[parent[at]] < rank[at] for at in range(len(pins)) if at)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(pins)))
    for a in range(len(pins)):
        for b in range(a):
            graph.add_edge(a, b, weight=abs(int(x[a] - x[b])) + abs(int(y[a] - y[b])))
    wanted = nx.minimum_spanning_tree(graph).size(weight="weight")
    found = sum(abs(int(x[a] - x[parent[a]])) + abs(int(y[a] - y[parent[a]])) for a in range(1, len(pins)))
    assert found == wanted


def total(parent: np.ndarray, x: np.ndarray, y: np.ndarray) -> int:
    return sum(abs(int(x[k] - x[p])) + abs(int(y[k] - y[p])) for k, p in enumerate(parent.tolist()) if p >= 0)


@given(points, st.sampled_from([0.0, 0.3, 1.0]))
def test_a_steiner_tree_spans_its_points_and_lies_between_the_bounds(pins: list[tuple[int, int]], pull: float) -> None:
    x, y = np.array(pins, np.int64).T
    point, parent, at_x, at_y = steiner_tree(x, y, pull)
    assert sorted(point[point >= 0].tolist()) == list(range(len(pins)))
    assert point[0] == 0
    assert parent[0] == -1
    assert all(0 <= parent[k] < k for k in range(1, len(parent)))
    assert (at_x[point >= 0] == x[point[point >= 0]]).all()
    assert (at_y[point >= 0] == y[point[point >= 0]]).all()
    length = total(parent, at_x, at_y)
    assert length >= np.ptp(x) + np.ptp(y)  # half the perimeter is a lower bound of every tree
    star = int((abs(x - x[0]) + abs(y - y[0])).sum())
    assert length <= star
    if pull == 0 and len(pins) <= 3:
        assert length == np.ptp(x) + np.ptp(y)


@given(points)
def test_full_pull_gives_the_shortest_ways(pins: list[tuple[int, int]]) -> None:
    x, y = np.array(pins, np.int64).T
    point, parent, at_x, at_y = steiner_tree(x, y, 1.0)
    way = np.zeros(len(point), np.int64)
    for k in range(1, len(point)):
        way[k] = way[parent[k]] + abs(at_x[k] - at_x[parent[k]]) + abs(at_y[k] - at_y[parent[k]])
    own = point >= 0
    assert (way[own] == abs(x[point[own]] - x[0]) + abs(y[point[own]] - y[0])).all()


def test_steiner_trees_are_shorter_than_spanning_trees() -> None:
    rng = np.random.default_rng(0)
    shorter, spans = 0, 0
    for _ in range(100):
        x, y = rng.integers(0, 10_000, (2, 9))
        span = total(spanning_tree(x, y)[1], x, y)
        _, parent, at_x, at_y = steiner_tree(x, y)
        shorter += span - total(parent, at_x, at_y)
        spans += span
        assert total(parent, at_x, at_y) <= 1.02 * span
    assert 0.06 < shorter / spans < 0.13  # the optimum saves some 11 % on random points


@given(st.lists(points, min_size=1, max_size=6))
def test_kernels_equal_their_python(nets: list[list[tuple[int, int]]]) -> None:
    start = np.concatenate([[0], np.cumsum([len(pins) for pins in nets])]).astype(np.int64)
    x, y = (np.array([p[axis] * 100 for pins in nets for p in pins], np.int64) for axis in (0, 1))
    pairs = [(spanning_trees(start, x, y), _kernel_spanning(start, x, y))]
    pairs += [(_compiled("steiner")(start, x, y, pull), _kernel_steiner(start, x, y, pull)) for pull in (0.0, 0.5)]
    for compiled, plain in pairs:
        assert all((a == b).all() for a, b in zip(compiled, plain, strict=True))


@pytest.fixture
def fork() -> Circuit:
    """An input that drives two inverters, one of which drives an output."""
    builder = CircuitBuilder("fork")
    given = builder.input("a")
    for name in ("u1", "u2"):
        builder.cell(name, gate_type("NOT", 1), [given, builder.net(f"{name}_y")])
    builder.output("u1_y", builder.net("u1_y"))
    return builder.build()


def layout_of(circuit: Circuit, pins: list[tuple[float, float]], ports: list[tuple[float, float]]) -> Layout:
    (pin_x, pin_y), (port_x, port_y) = np.array(pins).T * 1e-6, np.array(ports).T * 1e-6
    none = np.zeros(circuit.num_cells)
    turned = np.zeros(circuit.num_cells, np.int8)
    return Layout((0, 0, 1e-4, 1e-4), (), none, none, turned, none, pin_x, pin_y, port_x, port_y)


def test_pins_without_a_place_are_left_out_and_counted(fork: Circuit) -> None:
    nan = float("nan")
    pins = [(3.0, 0.0), (4.0, 0.0), (nan, nan), (9.0, 9.0)]
    layout = layout_of(fork, pins, [(0.0, 0.0), (4.0, 7.0)])
    for kind in ("spanning", "steiner"):
        trees = net_trees(fork, layout, kind)
        lengths = {fork.net_names.text(net): trees.net_length[net] * 1e6 for net in np.flatnonzero(trees.net_length)}
        assert lengths == pytest.approx({"a": 3.0, "u1_y": 7.0})
        assert trees.left_out == 1
        assert trees.place[trees.start[fork.port_net[0]]] == fork.num_pins  # the input port is the root


def test_a_net_whose_driver_has_no_place_has_no_tree(fork: Circuit) -> None:
    nan = float("nan")
    layout = layout_of(fork, [(3.0, 0.0), (4.0, 0.0), (5.0, 0.0), (9.0, 9.0)], [(nan, nan), (4.0, 7.0)])
    trees = net_trees(fork, layout)
    assert np.flatnonzero(np.diff(trees.start)).tolist() == [int(fork.port_net[1])]
