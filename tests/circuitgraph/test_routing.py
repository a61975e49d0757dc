"""Shapes, RC by hand, totals conserved, SPEF that reads back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitgraph.circuit import Circuit
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.spef import read_spef, write_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.layout import Layout
from circuitgraph.placement import place
from circuitgraph.routing import (
    COUPLING,
    VIA_CAPACITANCE,
    Wires,
    _compiled_shapes,
    _kernel_shapes,
    parasitics,
    route,
)
from circuitgraph.trees import spanning_trees
from tasks import corpus_library
from tests.circuitgraph.test_layout import two_boxes

TECHNOLOGY = corpus_library.technology()
points = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=14)


@pytest.fixture(scope="module")
def placed(root: Path) -> tuple[Circuit, Layout, Wires]:
    library = read_liberty(root / "data" / "library" / "cgl_typ.lib")
    circuit = read_verilog(root / "data" / "netlists" / "uart_rx.v", library=library)
    layout = place(circuit, TECHNOLOGY, effort=1)
    return circuit, layout, route(circuit, layout, TECHNOLOGY)


@given(st.lists(points, min_size=1, max_size=6))
def test_the_kernel_of_shapes_equals_its_python(nets: list[list[tuple[int, int]]]) -> None:
    start = np.concatenate([[0], np.cumsum([len(pins) for pins in nets])]).astype(np.int64)
    x, y = (np.array([p[axis] * 100 for pins in nets for p in pins], np.int64) for axis in (0, 1))
    parent = spanning_trees(start, x, y)[1]
    edges = np.flatnonzero(parent >= 0)
    capacity, limits = np.full((2, 2), 3000.0), np.array([1500], np.int64)
    usages = np.zeros((2, 2, 2, 5, 4))
    given_ = (edges, parent, x, y)
    one = _compiled_shapes()(*given_, usages[0], capacity, limits, 1300, 1.5, 200.0)
    two = _kernel_shapes(*given_, usages[1], capacity, limits, 1300, 1.5, 200.0)
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    assert usages[0] == pytest.approx(usages[1])
    length = sum(abs(int(x[e] - x[parent[e]])) + abs(int(y[e] - y[parent[e]])) for e in edges)
    assert usages[0].sum() == pytest.approx(length)


def test_a_net_of_two_pins_by_hand() -> None:
    circuit, layout = two_boxes()
    wires = route(circuit, layout, TECHNOLOGY)
    net = circuit.net_names.find("n")
    rows = slice(wires.start[net], wires.start[net + 1])
    # u1/Z (0.7, 0.7) um to u2/A (0.5, 2.3) um: 0.2 um on M3, 1.6 um on M2, a corner between
    assert wires.length[net] == pytest.approx(1.8e-6)
    vertical, horizontal = TECHNOLOGY.layers[1], TECHNOLOGY.layers[2]
    via12, via23 = TECHNOLOGY.vias[:2]
    ohm = 1.6e-6 * vertical.resistance + 0.2e-6 * horizontal.resistance + 2 * via12 + 2 * via23
    assert wires.resistance[rows].sum() == pytest.approx(ohm, abs=0.02)
    farad = COUPLING[0] * (1.6e-6 * vertical.capacitance + 0.2e-6 * horizontal.capacitance) + 2 * VIA_CAPACITANCE
    assert farad <= wires.capacitance[rows].sum() < 1.1 * farad
    assert wires.pin[rows].tolist() == [1, -1, 2]
    assert (wires.parent[rows] - wires.start[net]).tolist()[1:] == [0, 1]


def test_every_net_is_one_tree_over_its_pins(placed: tuple[Circuit, Layout, Wires]) -> None:
    circuit, _, wires = placed
    ends = np.concatenate([circuit.pin_net, circuit.port_net])
    for net in range(circuit.num_nets):
        first, last = int(wires.start[net]), int(wires.start[net + 1])
        if first == last:
            continue
        assert wires.parent[first] == -1
        assert all(first <= wires.parent[row] < row for row in range(first + 1, last))
        pins = sorted(wires.pin[first:last][wires.pin[first:last] >= 0].tolist())
        assert pins == np.flatnonzero(ends == net).tolist()
        assert wires.pin[first] == circuit.net_driver[net]
    assert (wires.capacitance > 0).all()
    assert ((wires.resistance > 0) == (wires.parent >= 0)).all()


def test_a_crowded_place_costs_capacitance(placed: tuple[Circuit, Layout, Wires]) -> None:
    circuit, layout, wires = placed
    assert 0 < wires.usage.max() < 1.5
    roomy = route(circuit, layout, TECHNOLOGY, grid=1e-3)
    assert roomy.length == pytest.approx(wires.length)
    assert roomy.capacitance.sum() < wires.capacitance.sum()


def test_totals_survive_the_file(placed: tuple[Circuit, Layout, Wires], tmp_path: Path) -> None:
    circuit, _, wires = placed
    made = parasitics(circuit, wires)
    write_spef(made, tmp_path / "a.spef")
    read = read_spef(tmp_path / "a.spef")
    assert read.net_capacitance.sum() == pytest.approx(wires.capacitance.sum())
    assert read.resistance.sum() == pytest.approx(wires.resistance.sum())
    report = read.resolve(circuit).report
    assert report.share == 1.0
    assert report.num_unknown == report.num_unknown_nodes == report.num_moved_nodes == 0
