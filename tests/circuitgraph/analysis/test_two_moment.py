"""The delay model "two_moment": moments by hand, against the exact response of ladders, and one pole as its special case."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from circuitgraph.analysis.placement_wires import WireConstants, placement_parasitics, placement_wires
from circuitgraph.analysis.sta import analyse
from circuitgraph.analysis.sta_loads import net_delays
from circuitgraph.analysis.sta_prepare import prepare
from circuitgraph.analysis.wires import Wires, spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.formats import read
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.trees import net_trees
from tests.circuitgraph.analysis.test_placement_wires import star

CONSTANTS = WireConstants(1e-16, 2e-10, 30.0, 2e6)


def moments_of(ohms: np.ndarray, farads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Elmore delays and second moments of a ladder, node by node."""
    below = np.cumsum(farads[::-1])[::-1]
    delay = np.cumsum(ohms * below)
    charge = np.cumsum((farads * delay)[::-1])[::-1]
    return delay, np.cumsum(ohms * charge)


def crossing(ohms: np.ndarray, farads: np.ndarray) -> float:
    """Time at which the last node of a ladder passes half of a step, by its exact response."""
    count = len(ohms)
    conductance = np.zeros((count, count))
    for k in range(count):
        conductance[k, k] += 1 / ohms[k]
        if k:
            conductance[k - 1, k - 1] += 1 / ohms[k]
            conductance[k - 1, k] -= 1 / ohms[k]
            conductance[k, k - 1] -= 1 / ohms[k]
    system = -conductance / farads[:, None]
    low, high = 0.0, 20 * float((ohms[:, None] * farads).sum())
    for _ in range(60):
        middle = (low + high) / 2
        left = 1 - (expm(system * middle) @ np.ones(count))[-1]
        low, high = (middle, high) if left < 0.5 else (low, middle)
    return low


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_the_delay_at_the_far_end_of_a_ladder_is_near_the_exact_one(count: int) -> None:
    ohms, farads = np.full(count, 100.0), np.full(count, 1e-14)
    delay, second = moments_of(ohms, farads)
    found = np.log(2) * delay[-1] ** 2 / np.sqrt(second[-1])
    exact = crossing(ohms, farads)
    assert found == pytest.approx(exact, rel=0.04)
    assert abs(found - exact) < abs(delay[-1] - exact)  # Elmore's delay is further off


def test_trees_and_networks_give_the_same_second_moments() -> None:
    circuit, layout = star(7, 4)
    trees = net_trees(circuit, layout, "steiner")
    load = np.random.default_rng(0).uniform(1e-15, 3e-15, (circuit.num_pins + 1, 4))
    ours = placement_wires(trees, circuit, CONSTANTS, load)
    resolved = placement_parasitics(trees, circuit, CONSTANTS).resolve(circuit)
    theirs = spef_wires(resolved, circuit, np.ascontiguousarray(load[:, 2:]))
    assert ours.second is not None
    assert ours.second == pytest.approx(theirs.second, rel=1e-9, abs=1e-40)
    sinks = ours.elmore > 0
    assert (2 * ours.second[sinks] >= ours.elmore[sinks] ** 2 * (1 - 1e-9)).all()


def test_one_edge_by_hand() -> None:
    circuit, layout = star(1)
    trees = net_trees(circuit, layout)
    wires = placement_wires(trees, circuit, CONSTANTS, np.full((circuit.num_pins + 1, 4), 2e-15))
    length = float(layout.pin_x[0] + layout.pin_y[0])
    ohms, end = 30.0 + 2e6 * length, 1e-16 + 1e-10 * length + 2e-15
    assert wires.second[0] == pytest.approx((ohms * end) ** 2, rel=1e-3)  # one pole: the square of Elmore's delay


@pytest.fixture
def small(samples: object) -> tuple[Circuit, object, Wires]:
    library = read(samples / "small.lib")  # type: ignore[operator]
    circuit = read(samples / "small.v", library=library)  # type: ignore[operator]
    prepared = prepare(circuit, library, read_sdc(samples / "small.sdc", circuit, library))  # type: ignore[operator]
    resolved = read(samples / "small.spef").resolve(circuit)  # type: ignore[operator]
    return circuit, prepared, spef_wires(resolved, circuit)


def test_arrivals_lie_between_no_wires_and_elmore(small: tuple[Circuit, object, Wires]) -> None:
    _, prepared, wires = small
    found = {
        model: analyse(prepared, wires=wires, delay_model=model) for model in ("lumped_cap", "two_moment", "elmore")
    }
    late = {model: timing.arrival[:, :2] for model, timing in found.items()}
    known = np.isfinite(late["elmore"])
    assert (late["lumped_cap"][known] <= late["two_moment"][known] + 1e-18).all()
    assert (late["two_moment"][known] <= late["elmore"][known] + 1e-18).all()
    assert (late["two_moment"][known] < late["elmore"][known] - 1e-15).any()


def test_without_second_moments_every_wire_is_one_pole(small: tuple[Circuit, object, Wires]) -> None:
    _, prepared, wires = small
    squares = Wires("x", wires.capacitance, wires.resistance, wires.elmore, wires.annotated, second=wires.elmore**2)
    none = Wires("x", wires.capacitance, wires.resistance, wires.elmore, wires.annotated)
    first, second = (net_delays(prepared, one, "two_moment") for one in (squares, none))
    assert first == pytest.approx(second, rel=1e-12, abs=1e-40)
    plain = net_delays(prepared, none, "elmore")
    assert second[:, :2] == pytest.approx(np.log(2) * plain[:, :2])
    assert second[:, 2:] == pytest.approx(plain[:, 2:])
