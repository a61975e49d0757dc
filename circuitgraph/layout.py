"""Layout: die, rows, cell places and orientations, pin and port positions; all lengths in metres.

A layout belongs to one :class:`~circuitgraph.circuit.Circuit`: its arrays are parallel to the circuit's cells,
pins and ports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import CircuitError, quoted

if TYPE_CHECKING:
    from circuitgraph.circuit import Circuit

Floats = npt.NDArray[np.float64]

ORIENTATIONS = ("N", "S", "FN", "FS")  # DEF's names: upright, turned by 180 degrees, mirrored in x, mirrored in y
DATABASE_UNITS = 2000  # per micron, in DEF


@dataclass(frozen=True)
class RoutingLayer:
    """A metal layer: the direction its wires prefer and what they cost.

    Attributes:
        direction: ``horizontal`` or ``vertical``.
        pitch, width: m.
        resistance: ohm/m of a wire of that width.
        capacitance: F/m to everything around it, with neighbours at half occupancy.
    """

    name: str
    direction: str
    pitch: float
    width: float
    resistance: float
    capacitance: float


@dataclass(frozen=True)
class CellShape:
    """Size of a cell type and the centre of each pin's shape, from the lower left corner in orientation N; m."""

    width: float
    height: float
    pins: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Technology:
    """What placement and routing must know of a process and its cells.

    Attributes:
        site_width, row_height: m; the height is a whole number of widths.
        layers: from the lowest metal up.
        vias: ohm, between each layer and the next one.
        shapes: cell type -> shape.
    """

    name: str
    site_width: float
    row_height: float
    layers: tuple[RoutingLayer, ...]
    vias: tuple[float, ...]
    shapes: Mapping[str, CellShape]

    def shapes_of(self, circuit: Circuit) -> tuple[CellShape, ...]:
        """The shape of each of the circuit's types that has cells, in the order of ``circuit.types``.

        Raises:
            CircuitError: a type has no shape.
        """
        missing = [kind.name for kind in circuit.types if kind.name not in self.shapes]
        if missing:
            raise CircuitError(
                self.name,
                f"{len(missing)} cell types",
                f"have no shape in this technology ({quoted(missing)})",
                "map the netlist to the library of this technology",
            )
        return tuple(self.shapes[kind.name] for kind in circuit.types)


@dataclass(frozen=True)
class Row:
    """One row of sites; x and y are its lower left corner in metres."""

    x: float
    y: float
    sites: int
    orientation: str


@dataclass(frozen=True)
class Layout:
    """Where everything of one circuit is.

    Attributes:
        die: x0, y0, x1, y1 in metres.
        rows: from the bottom up.
        cell_x, cell_y: float64 [C], lower left corner of the placed cell, m.
        cell_orientation: int8 [C], index into :data:`ORIENTATIONS`.
        cell_width: float64 [C], m.
        pin_x, pin_y: float64 [P], m.
        port_x, port_y: float64 [T], m.
    """

    die: tuple[float, float, float, float]
    rows: tuple[Row, ...]
    cell_x: Floats
    cell_y: Floats
    cell_orientation: npt.NDArray[np.int8]
    cell_width: Floats
    pin_x: Floats
    pin_y: Floats
    port_x: Floats
    port_y: Floats

    @property
    def utilisation(self) -> float:
        """Cell area over row area."""
        height = self.rows[0].y if len(self.rows) < 2 else self.rows[1].y - self.rows[0].y
        site = (self.die[2] - self.die[0]) / max(row.sites for row in self.rows)
        return float(self.cell_width.sum() * height / sum(row.sites * site * height for row in self.rows))


def orient(
    orientation: npt.NDArray[np.int8], width: Floats, height: Floats, x: Floats, y: Floats
) -> tuple[Floats, Floats]:
    """Offsets of points of a cell after it was turned, all [M].

    Args:
        orientation: int8, index into :data:`ORIENTATIONS`.
        width: of the cell, m.
        height: of the cell, m.
        x: offset in orientation N, m.
        y: offset in orientation N, m.

    >>> one = np.array([1.0])
    >>> orient(np.array([3], np.int8), one * 4, one * 2, one, one * 0.5)
    (array([1.]), array([1.5]))
    """
    mirrored_x = (orientation == 1) | (orientation == 2)
    mirrored_y = (orientation == 1) | (orientation == 3)
    return np.where(mirrored_x, width - x, x), np.where(mirrored_y, height - y, y)


def place_pins(
    circuit: Circuit, technology: Technology, cell_x: Floats, cell_y: Floats, cell_orientation: npt.NDArray[np.int8]
) -> tuple[Floats, Floats]:
    """Positions of all pins, two float64 [P] in metres, from the places of the cells."""
    offset_x, offset_y, width, height = pin_offsets(circuit, technology)
    pin_cell = np.repeat(np.arange(len(circuit.cell_type)), np.diff(circuit.pin_start))
    x, y = orient(cell_orientation[pin_cell], width[pin_cell], height[pin_cell], offset_x, offset_y)
    return cell_x[pin_cell] + x, cell_y[pin_cell] + y


def pin_offsets(circuit: Circuit, technology: Technology) -> tuple[Floats, Floats, Floats, Floats]:
    """Offsets x and y of each pin (float64 [P]) and width and height of each cell (float64 [C]), metres.

    Raises:
        CircuitError: a type or one of its pins has no shape.
    """
    shapes = technology.shapes_of(circuit)
    width = np.array([shape.width for shape in shapes])[circuit.cell_type]
    height = np.array([shape.height for shape in shapes])[circuit.cell_type]
    counts = np.diff(circuit.pin_start)
    slot = np.arange(len(circuit.pin_net)) - np.repeat(circuit.pin_start[:-1], counts)
    kind = np.repeat(circuit.cell_type, counts)
    most = max((len(kind_of_cell.ports) for kind_of_cell in circuit.types), default=0)
    table = np.zeros((2, len(shapes), max(most, 1)))
    for index, (kind_of_cell, shape) in enumerate(zip(circuit.types, shapes, strict=True)):
        for position, port in enumerate(kind_of_cell.ports):
            if port.name not in shape.pins:
                raise CircuitError(
                    technology.name,
                    f"pin '{kind_of_cell.name}/{port.name}'",
                    "has no shape in this technology",
                    "use the library that belongs to the technology",
                )
            table[:, index, position] = shape.pins[port.name]
    return table[0][kind, slot], table[1][kind, slot], width, height


def write_def(circuit: Circuit, layout: Layout, technology: Technology) -> str:
    """The layout as DEF 5.8: die, rows, components, pins and the connectivity of the nets; no routes.

    Example:
        ``text = write_def(circuit, layout, technology)``.
    """
    unit = DATABASE_UNITS * 1e6
    name = circuit.name or "top"
    lines = ["VERSION 5.8 ;", 'DIVIDERCHAR "/" ;', 'BUSBITCHARS "[]" ;', f"DESIGN {name} ;"]
    lines.append(f"UNITS DISTANCE MICRONS {DATABASE_UNITS} ;")
    x0, y0, x1, y1 = (round(value * unit) for value in layout.die)
    lines.append(f"DIEAREA ( {x0} {y0} ) ( {x1} {y1} ) ;")
    step = round(technology.site_width * unit)
    for number, row in enumerate(layout.rows):
        place = f"{round(row.x * unit)} {round(row.y * unit)} {row.orientation}"
        lines.append(f"ROW ROW_{number} core {place} DO {row.sites} BY 1 STEP {step} 0 ;")
    cells = circuit.cell_names.texts()
    ports = circuit.port_names.texts()
    nets = circuit.net_names.texts()
    lines += _component_lines(circuit, layout, cells)
    lines += _pin_lines(circuit, layout, technology, ports, nets)
    lines += _net_lines(circuit, cells, ports, nets)
    return "\n".join([*lines, "END DESIGN", ""])


def _component_lines(circuit: Circuit, layout: Layout, cells: list[str]) -> list[str]:
    unit = DATABASE_UNITS * 1e6
    x = np.rint(layout.cell_x * unit).astype(np.int64).tolist()
    y = np.rint(layout.cell_y * unit).astype(np.int64).tolist()
    turned = layout.cell_orientation.tolist()
    kinds = [circuit.types[row].name for row in circuit.cell_type.tolist()]
    lines = [f"COMPONENTS {len(cells)} ;"]
    lines += [
        f"- {cell} {kind} + PLACED ( {at_x} {at_y} ) {ORIENTATIONS[orientation]} ;"
        for cell, kind, at_x, at_y, orientation in zip(cells, kinds, x, y, turned, strict=True)
    ]
    return [*lines, "END COMPONENTS"]


def _pin_lines(
    circuit: Circuit, layout: Layout, technology: Technology, ports: list[str], nets: list[str]
) -> list[str]:
    unit = DATABASE_UNITS * 1e6
    layer = technology.layers[min(1, len(technology.layers) - 1)]
    half = round(layer.width * unit / 2)
    lines = [f"PINS {len(ports)} ;"]
    words = {1: "INPUT", 2: "OUTPUT", 3: "INOUT"}
    for row, port in enumerate(ports):
        net = circuit.port_net[row]
        direction = words.get(int(circuit.port_direction[row]), "INOUT")
        at = f"( {round(layout.port_x[row] * unit)} {round(layout.port_y[row] * unit)} ) N"
        box = f"( -{half} -{half} ) ( {half} {half} )"
        joined = f" + NET {nets[net]}" if net >= 0 else ""
        lines.append(f"- {port}{joined} + DIRECTION {direction} + USE SIGNAL + LAYER {layer.name} {box} + FIXED {at} ;")
    return [*lines, "END PINS"]


def _net_lines(circuit: Circuit, cells: list[str], ports: list[str], nets: list[str]) -> list[str]:
    start, pins = circuit.net_pins
    on_port: dict[int, list[str]] = {}
    for row, net in enumerate(circuit.port_net.tolist()):
        on_port.setdefault(net, []).append(f"( PIN {ports[row]} )")
    lines: list[str] = []
    kinds = [[port.name for port in kind.ports] for kind in circuit.types]
    pin_cell, pin_port = circuit.pin_cell.tolist(), circuit.pin_port.tolist()
    kind_of_cell = circuit.cell_type.tolist()
    for net in range(circuit.num_nets):
        ends = list(on_port.get(net, ()))
        for pin in pins[start[net] : start[net + 1]].tolist():
            cell = pin_cell[pin]
            ends.append(f"( {cells[cell]} {kinds[kind_of_cell[cell]][pin_port[pin]]} )")
        if ends and circuit.net_constant[net] < 0:
            lines.append(f"- {nets[net]} {' '.join(ends)} + USE SIGNAL ;")
    return [f"NETS {len(lines)} ;", *lines, "END NETS"]
