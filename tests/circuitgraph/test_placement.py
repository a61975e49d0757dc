"""Placements are legal, repeatable and better than none; planted faults are found."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.errors import CircuitError
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.layout import Layout
from circuitgraph.placement import place, problems, spread_ports
from tasks import corpus_library

TECHNOLOGY = corpus_library.technology()


@pytest.fixture(scope="module")
def circuit(root: Path) -> Circuit:
    library = read_liberty(root / "data" / "library" / "cgl_typ.lib")
    return read_verilog(root / "data" / "netlists" / "traffic_8.v", library=library)


@pytest.fixture(scope="module")
def layout(circuit: Circuit) -> Layout:
    return place(circuit, TECHNOLOGY)


def wire_length(circuit: Circuit, x: np.ndarray, y: np.ndarray) -> float:
    """Half-perimeter length over the pins of all nets."""
    start, pins = circuit.net_pins
    ends = [pins[a:b] for a, b in pairwise(start) if b - a > 1]
    return float(sum(np.ptp(x[rows]) + np.ptp(y[rows]) for rows in ends))


def test_a_placement_is_legal_and_repeatable(circuit: Circuit, layout: Layout) -> None:
    assert problems(circuit, layout, TECHNOLOGY) == []
    assert 0.5 < layout.utilisation <= 0.65
    again = place(circuit, TECHNOLOGY)
    assert (again.cell_x == layout.cell_x).all()
    assert (again.cell_y == layout.cell_y).all()
    other = place(circuit, TECHNOLOGY, seed=2, effort=1)
    assert (other.cell_x != layout.cell_x).any()


def test_pins_lie_in_their_cells(circuit: Circuit, layout: Layout) -> None:
    cell = circuit.pin_cell
    across = layout.pin_x - layout.cell_x[cell]
    assert (across > 0).all()
    assert (across < layout.cell_width[cell]).all()
    assert (layout.pin_y > layout.cell_y[cell]).all()
    assert (layout.pin_y < layout.cell_y[cell] + TECHNOLOGY.row_height).all()


def test_it_is_shorter_than_cells_in_random_order(circuit: Circuit, layout: Layout) -> None:
    mixed = np.random.default_rng(3).permutation(circuit.num_cells)
    cell = circuit.pin_cell
    x = layout.pin_x - layout.cell_x[cell] + layout.cell_x[mixed][cell]
    y = layout.pin_y - layout.cell_y[cell] + layout.cell_y[mixed][cell]
    assert wire_length(circuit, layout.pin_x, layout.pin_y) < 0.6 * wire_length(circuit, x, y)


def test_ports_stand_on_the_border(layout: Layout) -> None:
    x0, y0, x1, y1 = layout.die
    on_side = np.isclose(layout.port_x, x0) | np.isclose(layout.port_x, x1)
    on_end = np.isclose(layout.port_y, y0) | np.isclose(layout.port_y, y1)
    assert (on_side | on_end).all()
    for count in (0, 1, 7, 100):
        x, y = spread_ports(count, 30, 14)
        assert len(x) == count
        assert all(
            (a in {0, 30} and 0 <= b <= 14) or (b in {0, 14} and 0 <= a <= 30) for a, b in zip(x, y, strict=True)
        )


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("cell_x", 1e-7, "off the sites"),
        ("cell_y", 1.4e-3, "outside the rows"),
        ("cell_orientation", None, "turned against"),
        ("cell_x", None, "overlap"),
    ],
)
def test_planted_faults_are_found(
    circuit: Circuit, layout: Layout, column: str, value: float | None, said: str
) -> None:
    changed = getattr(layout, column).copy()
    if column == "cell_orientation":
        changed[0] = 3 - changed[0]
    elif value is None:
        changed[:] = layout.cell_x[0]
    else:
        changed[0] += value
    found = problems(circuit, replace(layout, **{column: changed}), TECHNOLOGY)
    assert any(said in line for line in found)


def test_what_cannot_be_placed_is_refused(circuit: Circuit) -> None:
    with pytest.raises(CircuitError, match="at least one cell"):
        place(CircuitBuilder("empty").build(), TECHNOLOGY)
    with pytest.raises(CircuitError, match=r"must be 0\.3 to 0\.9"):
        place(circuit, TECHNOLOGY, utilisation=0.99)
    with pytest.raises(CircuitError, match="took longer than"):
        place(circuit, TECHNOLOGY, time_limit=0.01)
