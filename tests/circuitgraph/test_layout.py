"""Orientations by hand, pin positions, and the DEF that is written."""

from __future__ import annotations

import re

import numpy as np
import pytest

from circuitgraph.circuit import CellType, CircuitBuilder, Direction, Port
from circuitgraph.errors import CircuitError
from circuitgraph.layout import CellShape, Layout, RoutingLayer, Row, Technology, orient, place_pins, write_def

BOX = CellType("BOX", "opaque", (Port("A"), Port("Z", Direction.OUTPUT)), (None, None), is_opaque=True)
LAYERS = (
    RoutingLayer("M1", "horizontal", 2e-7, 1e-7, 5e6, 1e-10),
    RoutingLayer("M2", "vertical", 2e-7, 1e-7, 4e6, 1e-10),
)
TECHNOLOGY = Technology(
    "small", 2e-7, 1.4e-6, LAYERS, (5.0,), {"BOX": CellShape(8e-7, 1.4e-6, {"A": (1e-7, 5e-7), "Z": (7e-7, 7e-7)})}
)


def two_boxes():
    """a -> u1 -> n -> u2 -> y[0], u2 turned FS in the second row."""
    builder = CircuitBuilder("pair")
    middle, end = builder.net("n"), builder.net("y[0]")
    builder.cell("u1", BOX, [builder.input("a"), middle])
    builder.cell("u2", BOX, [middle, end])
    builder.output("y[0]", end)
    circuit = builder.build()
    turned = np.array([0, 3], np.int8)
    x, y = np.array([0.0, 4e-7]), np.array([0.0, 1.4e-6])
    pin_x, pin_y = place_pins(circuit, TECHNOLOGY, x, y, turned)
    rows = (Row(0.0, 0.0, 6, "N"), Row(0.0, 1.4e-6, 6, "FS"))
    ports = np.array([0.0, 1.2e-6]), np.array([7e-7, 7e-7])
    layout = Layout((0.0, 0.0, 1.2e-6, 2.8e-6), rows, x, y, turned, np.full(2, 8e-7), pin_x, pin_y, *ports)
    return circuit, layout


@pytest.mark.parametrize(("orientation", "wanted"), [(0, (1, 0.5)), (1, (3, 1.5)), (2, (3, 0.5)), (3, (1, 1.5))])
def test_a_point_of_a_turned_cell(orientation: int, wanted: tuple[float, float]) -> None:
    one = np.ones(1)
    found = orient(np.array([orientation], np.int8), 4 * one, 2 * one, one, 0.5 * one)
    assert (float(found[0][0]), float(found[1][0])) == wanted


def test_pins_follow_their_cells() -> None:
    _, layout = two_boxes()
    assert layout.pin_x == pytest.approx([1e-7, 7e-7, 5e-7, 1.1e-6])
    assert layout.pin_y == pytest.approx([5e-7, 7e-7, 1.4e-6 + 9e-7, 1.4e-6 + 7e-7])
    assert layout.utilisation == pytest.approx(2 * 4 / 12)


def test_def_by_hand() -> None:
    lines = write_def(*two_boxes(), TECHNOLOGY).splitlines()
    assert "DIEAREA ( 0 0 ) ( 2400 5600 ) ;" in lines
    assert "ROW ROW_1 core 0 2800 FS DO 6 BY 1 STEP 400 0 ;" in lines
    assert "- u2 BOX + PLACED ( 800 2800 ) FS ;" in lines
    assert "- n ( u1 Z ) ( u2 A ) + USE SIGNAL ;" in lines
    assert "- y[0] ( PIN y[0] ) ( u2 Z ) + USE SIGNAL ;" in lines
    pin = next(line for line in lines if line.startswith("- a "))
    assert re.search(r"NET a \+ DIRECTION INPUT .* LAYER M2 .* FIXED \( 0 1400 \) N ;", pin)
    assert lines[-1] == "END DESIGN"


def test_a_type_or_pin_without_a_shape_is_refused() -> None:
    circuit, layout = two_boxes()
    bare = Technology("bare", 2e-7, 1.4e-6, LAYERS, (5.0,), {})
    with pytest.raises(CircuitError, match="have no shape"):
        place_pins(circuit, bare, layout.cell_x, layout.cell_y, layout.cell_orientation)
    half = Technology("half", 2e-7, 1.4e-6, LAYERS, (5.0,), {"BOX": CellShape(8e-7, 1.4e-6, {"A": (0.0, 0.0)})})
    with pytest.raises(CircuitError, match="pin 'BOX/Z'"):
        place_pins(circuit, half, layout.cell_x, layout.cell_y, layout.cell_orientation)
