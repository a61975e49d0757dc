"""Wires from placement: by hand, against the general networks, and constants that a fit gives back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitgraph.analysis.pi_model import reduced_wires
from circuitgraph.analysis.placement_wires import (
    LEAST_FARADS,
    WireConstants,
    edge_resistance,
    fit_constants,
    node_capacitance,
    nominal_constants,
    placement_parasitics,
    placement_wires,
    tree_moments,
)
from circuitgraph.cell_types import gate_type
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.errors import CircuitError
from circuitgraph.layout import Layout, RoutingLayer, Technology
from circuitgraph.trees import NetTrees, net_trees

FITTED = WireConstants(c0=0.05e-15, c1=0.18e-9, r0=20.0, r1=0.7e6)


def star(sinks: int, seed: int = 0) -> tuple[Circuit, Layout]:
    """An input that drives inverters at random places."""
    builder = CircuitBuilder("star")
    given = builder.input("a")
    for row in range(sinks):
        builder.cell(f"u{row}", gate_type("NOT", 1), [given, builder.net(f"y{row}")])
    circuit = builder.build()
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, 2e-4, (2, circuit.num_pins))
    none, turned = np.zeros(circuit.num_cells), np.zeros(circuit.num_cells, np.int8)
    port = np.zeros(circuit.num_ports)
    return circuit, Layout((0, 0, 2e-4, 2e-4), (), none, none, turned, none, place[0], place[1], port, port)


def test_one_edge_by_hand() -> None:
    circuit, layout = star(1)
    trees = net_trees(circuit, layout)
    length = float(layout.pin_x[0] + layout.pin_y[0])
    load = np.zeros((circuit.num_pins + 1, 4))
    load[0] = [9e-15, 9e-15, 2e-15, 3e-15]  # the early columns serve both
    wires = placement_wires(trees, circuit, FITTED, load)
    net = int(circuit.port_net[0])
    farads, ohms = FITTED.c1 * length + 2 * FITTED.c0, FITTED.r1 * length + FITTED.r0
    assert wires.capacitance[net] == pytest.approx(farads, rel=1e-4)  # lengths are whole nanometres
    assert wires.resistance[net] == pytest.approx(ohms, rel=1e-4)
    assert wires.sink is not None
    assert wires.pi is not None
    assert wires.sink[0] == pytest.approx(np.array([2e-15, 3e-15] * 2) * ohms + ohms * farads / 2, rel=1e-4)
    assert wires.pi[net, 0] == pytest.approx([farads / 2, ohms, farads / 2 + 2e-15], rel=1e-4)
    assert wires.annotated.tolist() == [n == net for n in range(circuit.num_nets)]


@given(st.integers(1, 12), st.sampled_from(["spanning", "steiner"]), st.integers(0, 5))
def test_trees_give_what_the_networks_of_their_parasitics_give(sinks: int, kind: str, seed: int) -> None:
    circuit, layout = star(sinks, seed)
    trees = net_trees(circuit, layout, kind)
    load = np.random.default_rng(seed).uniform(1e-15, 3e-15, (circuit.num_pins + 1, 4))
    ours = placement_wires(trees, circuit, FITTED, load)
    theirs = reduced_wires(placement_parasitics(trees, circuit, FITTED).resolve(circuit), circuit, load)
    assert ours.sink == pytest.approx(theirs.sink, rel=1e-9)
    assert ours.pi == pytest.approx(theirs.pi, rel=1e-6, nan_ok=True, abs=1e-22)
    assert ours.capacitance == pytest.approx(theirs.capacitance)
    assert ours.resistance == pytest.approx(theirs.resistance)


def plain_moments(trees: NetTrees, ohms: np.ndarray, farads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Elmore delays and moments of the only net, by their definitions."""
    nodes = len(trees.place)
    ways = []
    for node in range(nodes):
        way, at = [], node
        while trees.parent[at] >= 0:
            way.append(at)
            at = int(trees.parent[at])
        ways.append(way)
    shared = np.array([[sum(ohms[e] for e in set(a) & set(b)) for b in ways] for a in ways])
    delay = shared @ farads
    return delay, np.array([farads.sum(), farads @ delay, farads @ (shared @ (farads * delay))])


@given(st.integers(1, 9), st.integers(0, 9))
def test_the_kernel_equals_the_definitions(sinks: int, seed: int) -> None:
    circuit, layout = star(sinks, seed)
    trees = net_trees(circuit, layout, "steiner")
    ohms, farads = edge_resistance(trees, FITTED), node_capacitance(trees, FITTED)
    delay, moments = tree_moments(trees, ohms, farads, None)
    by_hand, own = plain_moments(trees, ohms, farads)
    assert delay[:, 0] == pytest.approx(by_hand)
    assert moments[int(circuit.port_net[0]), 1] == pytest.approx(own)


def test_the_fit_gives_constants_back_and_forgets_nets_without_labels() -> None:
    circuit, layout = star(40, 1)
    builder = CircuitBuilder("many")
    for row in range(30):
        builder.cell(f"u{row}", gate_type("NOT", 1), [builder.input(f"a{row}"), builder.net(f"y{row}")])
    other = builder.build()
    rng = np.random.default_rng(2)
    none, turned = np.zeros(other.num_cells), np.zeros(other.num_cells, np.int8)
    spots = rng.uniform(0, 1e-4, (4, other.num_pins))
    ports = rng.uniform(0, 1e-4, (2, other.num_ports))
    second = Layout((0, 0, 1e-4, 1e-4), (), none, none, turned, none, spots[0], spots[1], ports[0], ports[1])
    examples = []
    for one, where in ((circuit, layout), (other, second)):
        trees = net_trees(one, where)
        wires = placement_wires(trees, one, FITTED, np.zeros((one.num_pins + one.num_ports, 4)))
        hidden = np.where(np.arange(one.num_nets) % 7 == 3, np.nan, wires.capacitance)
        examples.append((trees, hidden, wires.resistance))
    found = fit_constants(examples)
    for name in ("c0", "c1", "r0", "r1"):
        assert getattr(found, name) == pytest.approx(getattr(FITTED, name), rel=1e-6)
    assert WireConstants.of(found.state(), "x") == found
    assert WireConstants.of_shown(found.shown(), "x").state() == pytest.approx(found.state(), rel=1e-5)
    with pytest.raises(CircuitError, match="routed block"):
        fit_constants([(net_trees(circuit, layout), np.full(circuit.num_nets, np.nan), np.ones(circuit.num_nets))])
    with pytest.raises(CircuitError, match="c1_ff_um"):
        WireConstants.of_shown({"c0_ff": 1.0}, "x")


def test_a_negative_pin_constant_never_gives_negative_capacitance() -> None:
    circuit, layout = star(6, 3)
    trees = net_trees(circuit, layout)
    sums = []
    for c0 in (-0.07e-15, -1e-9):
        farads = node_capacitance(trees, WireConstants(c0, 0.178e-9, 25.0, 0.68e6))
        assert (farads >= 0).all()
        sums.append(farads.sum())
    assert sums[0] == pytest.approx(0.178e-9 * trees.length.sum() - 7 * 0.07e-15)
    assert sums[1] == pytest.approx(LEAST_FARADS)


def test_nominal_constants_are_the_second_and_third_layers() -> None:
    layers = tuple(
        RoutingLayer(f"m{k}", ("horizontal", "vertical")[k % 2], 1e-6, 5e-7, 1e6 * (k + 1), 1e-10 * (k + 1))
        for k in range(4)
    )
    technology = Technology("t", 1e-6, 3e-6, layers, (5.0, 7.0, 9.0), {})
    found = nominal_constants(technology)
    assert (found.c0, found.c1, found.r0, found.r1) == pytest.approx((0.0, 2.5e-10, 24.0, 2.5e6))
    bare = Technology("t", 1e-6, 3e-6, (RoutingLayer("m", "horizontal", 1e-6, 5e-7, np.nan, np.nan),), (), {})
    with pytest.raises(CircuitError, match="calibrate"):
        nominal_constants(bare)
