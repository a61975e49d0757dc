"""Layout: die, rows, cell places and orientations, pin and port positions; all lengths in metres.

A layout belongs to one :class:`~circuitgraph.circuit.Circuit`: its arrays are parallel to the circuit's cells,
pins and ports. One that a DEF file gave carries its names in a :class:`PlacedDesign` until it is resolved.
"""

from __future__ import annotations

import enum
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import CircuitError, Notes, quoted

if TYPE_CHECKING:
    from circuitgraph.circuit import Circuit
    from circuitgraph.names import NameTable

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
ByteArray = npt.NDArray[np.int8]

ORIENTATIONS = ("N", "S", "FN", "FS", "W", "E", "FW", "FE")
"""DEF's names: upright, turned by 180 degrees, mirrored in x, mirrored in y; turned by 90 degrees to the left and to
the right; these two, then mirrored in x."""
DATABASE_UNITS = 2000  # per micron, in DEF


@dataclass(frozen=True)
class RoutingLayer:
    """A metal layer: the direction its wires prefer and what they cost.

    Attributes:
        direction: ``horizontal`` or ``vertical``.
        pitch, width: m.
        resistance: ohm/m of a wire of that width; NaN where the LEF file states none.
        capacitance: F/m to everything around it, with neighbours at half occupancy; from LEF its area and both edges,
            NaN where the file states none.
    """

    name: str
    direction: str
    pitch: float
    width: float
    resistance: float
    capacitance: float


@dataclass(frozen=True)
class PinShape:
    """Where a pin of a cell type can be reached.

    Attributes:
        direction: LEF's word in lower case (``input``, ``output``, ``inout``, ``feedthru``, ``output tristate``).
        use: LEF's word in lower case (``signal``, ``clock``, ``power``, ``ground``, ``analog``).
        boxes: layer and x0, y0, x1, y1 of every rectangle of every port, m, in orientation N.
    """

    direction: str
    use: str
    boxes: tuple[tuple[str, float, float, float, float], ...]


@dataclass(frozen=True)
class CellShape:
    """Size of a cell type and the centre of each pin's shape, from the lower left corner in orientation N; m.

    Attributes:
        pins: of those that have a shape.
        kind: LEF's class in lower case, for example ``core spacer``.
        ports: every pin with its rectangles.
        obstruction: x0, y0, x1, y1 around all obstructions, or None.
    """

    width: float
    height: float
    pins: Mapping[str, tuple[float, float]]
    kind: str = ""
    ports: Mapping[str, PinShape] = field(default_factory=dict)
    obstruction: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Technology:
    """What placement and routing must know of a process and its cells.

    Attributes:
        site_width, row_height: m; the height is a whole number of widths; of the first core site, NaN without one.
        layers: from the lowest metal up.
        vias: ohm, between each layer and the next one; NaN where it is not stated.
        shapes: cell type -> shape.
        sites: name -> width, height, m.
        layer_kinds: every layer of the LEF files, those of cuts and masks too -> its type in lower case.
        via_names: of the fixed vias.
        units: database units a micron; 0 where not stated.
        notes: what the reader skipped.
    """

    name: str
    site_width: float
    row_height: float
    layers: tuple[RoutingLayer, ...]
    vias: tuple[float, ...]
    shapes: Mapping[str, CellShape]
    sites: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    layer_kinds: Mapping[str, str] = field(default_factory=dict)
    via_names: tuple[str, ...] = ()
    units: int = 0
    notes: Notes = field(default_factory=Notes, compare=False)

    def counts(self) -> dict[str, int]:
        """Sizes for reports."""
        return {
            "layers": len(self.layer_kinds),
            "vias": len(self.via_names),
            "sites": len(self.sites),
            "macros": len(self.shapes),
            "pins": sum(len(shape.ports) for shape in self.shapes.values()),
        }

    def shapes_of(self, circuit: Circuit, *, black_box: bool = False) -> tuple[CellShape, ...]:
        """The shape of each of the circuit's types, in the order of ``circuit.types``.

        Args:
            black_box: a type that is not in the technology has a shape of NaN without pins.

        Raises:
            CircuitError: a type has no shape, and *black_box* is not set.
        """
        missing = [kind.name for kind in circuit.types if kind.name not in self.shapes]
        if missing and not black_box:
            raise CircuitError(
                self.name,
                f"{len(missing)} cell types",
                f"have no shape in this technology ({quoted(missing)})",
                "map the netlist to the library of this technology",
            )
        unknown = CellShape(float("nan"), float("nan"), {})
        return tuple(self.shapes.get(kind.name, unknown) for kind in circuit.types)


@dataclass(frozen=True)
class Row:
    """One row of sites; x and y are its lower left corner in metres.

    Attributes:
        site: name of its site.
        step: m from site to site; 0 where not known.
    """

    x: float
    y: float
    sites: int
    orientation: str
    site: str = "core"
    step: float = field(default=0.0, compare=False)


class Placement(enum.IntEnum):
    """How firmly a cell stands."""

    UNPLACED = 0
    PLACED = 1
    FIXED = 2
    COVER = 3


@dataclass(frozen=True, eq=False)
class PlacedDesign:
    """What a DEF file says beyond places: names, types and nets of C cells, T ports, N nets and P connected pins.

    | column | type, shape | meaning |
    |---|---|---|
    | units | int | database units a micron |
    | cell_type | int32 [C] | row in ``type_names`` |
    | cell_status | int8 [C] | :class:`Placement` |
    | port_direction | tuple [T] | DEF's word in lower case, "" where none is stated |
    | port_net | int32 [T] | row in ``net_names``, -1 where none |
    | port_layer | tuple [T] | layer of the first shape, "" where none |
    | port_box | float64 [T, 4] | x0, y0, x1, y1 of the first shape on the die, m; NaN where none |
    | pin_cell, pin_name, pin_net | int32 [P] | cell, row in ``pin_names``, net of each pin, by net |
    | listed | name -> int | records of the other sections, nets with routes, rows and tracks |
    | stated | name -> int | records that the heads of the sections promise |

    Names are held as the package prints them.
    """

    name: str
    version: str
    divider: str
    bus: str
    units: int
    type_names: tuple[str, ...]
    cell_names: NameTable
    cell_type: IntArray
    cell_status: ByteArray
    port_names: NameTable
    port_direction: tuple[str, ...]
    port_net: IntArray
    port_layer: tuple[str, ...]
    port_box: Floats
    net_names: NameTable
    pin_names: tuple[str, ...]
    pin_cell: IntArray
    pin_name: IntArray
    pin_net: IntArray
    listed: Mapping[str, int]
    stated: Mapping[str, int]
    notes: Notes
    place: str

    def counts(self) -> dict[str, int]:
        """Records of the file, counted: components, pins (of the design) and nets."""
        return {"components": len(self.cell_names), "pins": len(self.port_names), "nets": len(self.net_names)}


@dataclass(frozen=True, eq=False)
class Layout:
    """Where everything of one circuit is; equal are layouts with the same places.

    Attributes:
        die: x0, y0, x1, y1 in metres.
        rows: from the bottom up.
        cell_x, cell_y: float64 [C], lower left corner of the placed cell, m; NaN where it has no place.
        cell_orientation: int8 [C], index into :data:`ORIENTATIONS`.
        cell_width: float64 [C], m, in orientation N; NaN without a technology.
        pin_x, pin_y: float64 [P], m; NaN without a technology.
        port_x, port_y: float64 [T], m; NaN where it has no place.
        design: names of what the arrays are parallel to, where a DEF file gave the layout.
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
    design: PlacedDesign | None = None

    def __eq__(self, other: object) -> bool:
        """Equal places; names do not count."""
        if not isinstance(other, Layout):
            return NotImplemented
        for entry in fields(self):
            mine, yours = getattr(self, entry.name), getattr(other, entry.name)
            if entry.name == "design":
                continue
            same = np.array_equal(mine, yours, equal_nan=True) if isinstance(mine, np.ndarray) else mine == yours
            if not same:
                return False
        return True

    __hash__ = None  # type: ignore[assignment]

    def resolve(
        self, circuit: Circuit, technology: Technology | None = None, *, black_box: bool = False
    ) -> ResolvedLayout:
        """The layout parallel to a circuit's cells, pins and ports, and a report of what did not match.

        Names match as printed first, then without escapes. Cells of the file beyond the circuit (fillers, taps) are
        left out; a cell of the circuit that is not in the file has no place.

        Args:
            circuit: the netlist of this layout.
            technology: shapes of the cell types; without it pins have no place.
            black_box: pins whose type or name has no shape in the technology have no place either.

        Raises:
            CircuitError: the layout has no names, or a cell type has no shape in the technology.
        """
        if self.design is None:
            raise CircuitError(
                circuit.name or "circuit", "layout", "has no names to match", "give one that read_def made"
            )
        found_cell = _rows_in(self.design.cell_names, circuit.cell_names)
        found_port = _rows_in(self.design.port_names, circuit.port_names)
        cell, cells_twice = _inverse(found_cell, circuit.num_cells)
        port, ports_twice = _inverse(found_port, circuit.num_ports)
        placed_x, placed_y = _taken(self.cell_x, cell), _taken(self.cell_y, cell)
        turned = np.where(cell >= 0, self.cell_orientation[np.maximum(cell, 0)] if len(self.cell_x) else 0, 0)
        turned = turned.astype(np.int8)
        if technology is None:
            width = np.full(circuit.num_cells, np.nan)
            pin_x, pin_y = np.full(circuit.num_pins, np.nan), np.full(circuit.num_pins, np.nan)
        else:
            width = pin_offsets(circuit, technology, black_box=black_box)[2]
            pin_x, pin_y = place_pins(circuit, technology, placed_x, placed_y, turned, black_box=black_box)
        layout = replace(
            self, cell_x=placed_x, cell_y=placed_y, cell_orientation=turned, cell_width=width, pin_x=pin_x,
            pin_y=pin_y, port_x=_taken(self.port_x, port), port_y=_taken(self.port_y, port), design=None,
        )  # fmt: skip
        from circuitgraph.parasitics import table_texts

        report = LayoutReport(
            cells=circuit.num_cells,
            missing=_first_names(circuit.cell_names.texts(), cell),
            num_missing=int(np.count_nonzero(cell < 0)),
            unknown=_first_names(table_texts(self.design.cell_names), found_cell),
            num_unknown=int(np.count_nonzero(found_cell < 0)),
            ports=circuit.num_ports,
            missing_ports=_first_names(circuit.port_names.texts(), port),
            num_missing_ports=int(np.count_nonzero(port < 0)),
            num_unknown_ports=int(np.count_nonzero(found_port < 0)),
            num_unplaced=int(np.count_nonzero((cell >= 0) & np.isnan(placed_x))),
            num_other_type=self._other_types(circuit, cell),
            num_twice=cells_twice + ports_twice,
        )
        return ResolvedLayout(layout, cell, port, report)

    def _other_types(self, circuit: Circuit, cell: IntArray) -> int:
        """Matched cells whose type in the file is another than the circuit's."""
        assert self.design is not None
        row = {name: number for number, name in enumerate(self.design.type_names)}
        kind = np.array([row.get(one.name, -1) for one in circuit.types], np.int32)
        known = np.flatnonzero(cell >= 0)
        return int(np.count_nonzero(kind[circuit.cell_type[known]] != self.design.cell_type[cell[known]]))

    @property
    def utilisation(self) -> float:
        """Cell area over row area."""
        if all(row.step > 0 for row in self.rows):
            return float(np.nansum(self.cell_width) / max(sum(row.sites * row.step for row in self.rows), 1e-12))
        height = self.rows[0].y if len(self.rows) < 2 else self.rows[1].y - self.rows[0].y
        site = (self.die[2] - self.die[0]) / max(row.sites for row in self.rows)
        return float(self.cell_width.sum() * height / sum(row.sites * site * height for row in self.rows))


@dataclass(frozen=True)
class LayoutReport:
    """How far a layout and a circuit agree.

    | field | meaning |
    |---|---|
    | cells, num_missing, missing | cells of the circuit; those that the layout lacks; first three |
    | num_unknown, unknown | cells of the layout that are not in the circuit (fillers, taps); first three |
    | ports, num_missing_ports, missing_ports | the same of the circuit's ports |
    | num_unknown_ports | ports of the layout that are not in the circuit (power pins) |
    | num_unplaced | cells of the circuit that the layout names and gives no place |
    | num_other_type | cells of another type in the layout |
    | num_twice | names of the layout beyond the first for one cell or port of the circuit |
    """

    cells: int
    missing: tuple[str, ...]
    num_missing: int
    unknown: tuple[str, ...]
    num_unknown: int
    ports: int
    missing_ports: tuple[str, ...]
    num_missing_ports: int
    num_unknown_ports: int
    num_unplaced: int
    num_other_type: int
    num_twice: int

    def require(self, place: str) -> None:
        """Refuse a layout that gives some cell of the circuit no place.

        Args:
            place: the layout's file.

        Raises:
            CircuitError: a cell is missing or has no place.
        """
        lost = self.num_missing + self.num_unplaced
        if lost:
            names = list(self.missing) + [""] * (self.num_missing - len(self.missing))
            said = f" (missing: {quoted(names)})" if self.num_missing else ""
            raise CircuitError(
                place,
                "cells",
                f"{lost:,} of the {self.cells:,} cells of the circuit have no place in it{said}",
                "give the placement of this netlist",
            )


@dataclass(frozen=True, eq=False)
class ResolvedLayout:
    """A layout parallel to a circuit of C cells and T ports.

    | column | type, shape | meaning |
    |---|---|---|
    | layout | Layout | places of the circuit's cells, pins and ports |
    | cell | int32 [C] | row of the file for each cell of the circuit, -1 = none |
    | port | int32 [T] | likewise for each port |
    """

    layout: Layout
    cell: IntArray
    port: IntArray
    report: LayoutReport


def _rows_in(names: NameTable, table: NameTable) -> IntArray:
    """Row of each of *names*, which hold printed names, in *table*; -1 where there is none."""
    from circuitgraph.parasitics import _bulk

    return _bulk(names, table.rows, table.find)


def _inverse(found: IntArray, count: int) -> tuple[IntArray, int]:
    """The first place of each row in *found*, int32 [count], -1 = none; and how many came after a first."""
    back = np.full(count, -1, np.int32)
    known = np.flatnonzero(found >= 0)[::-1]
    back[found[known]] = known
    return back, int(len(known) - np.count_nonzero(back >= 0))


def _taken(values: Floats, rows: IntArray) -> Floats:
    """Values of rows; NaN for row -1."""
    return np.concatenate([values, [np.nan]])[rows]


def _first_names(texts: list[str], found: IntArray) -> tuple[str, ...]:
    """The first three names that were not found."""
    return tuple(texts[row] for row in np.flatnonzero(found < 0)[:3].tolist())


def orient(
    orientation: npt.NDArray[np.int8], width: Floats, height: Floats, x: Floats, y: Floats
) -> tuple[Floats, Floats]:
    """Offsets of points of a cell after it was turned, from the lower left corner that it then has, all [M].

    Source: LEF/DEF 5.8 language reference, orientations: N S W E FN FS FW FE are R0 R180 R90 R270 MY MX MX90 MY90.

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
    turned = orientation >= 4
    mirrored_x = np.isin(orientation, (1, 2, 4, 7))
    mirrored_y = np.isin(orientation, (1, 3, 5, 7))
    across, up = np.where(turned, y, x), np.where(turned, x, y)
    right, top = np.where(turned, height, width), np.where(turned, width, height)
    return np.where(mirrored_x, right - across, across), np.where(mirrored_y, top - up, up)


def place_pins(
    circuit: Circuit,
    technology: Technology,
    cell_x: Floats,
    cell_y: Floats,
    cell_orientation: npt.NDArray[np.int8],
    *,
    black_box: bool = False,
) -> tuple[Floats, Floats]:
    """Positions of all pins, two float64 [P] in metres, from the places of the cells."""
    offset_x, offset_y, width, height = pin_offsets(circuit, technology, black_box=black_box)
    pin_cell = np.repeat(np.arange(len(circuit.cell_type)), np.diff(circuit.pin_start))
    x, y = orient(cell_orientation[pin_cell], width[pin_cell], height[pin_cell], offset_x, offset_y)
    return cell_x[pin_cell] + x, cell_y[pin_cell] + y


def pin_offsets(
    circuit: Circuit, technology: Technology, *, black_box: bool = False
) -> tuple[Floats, Floats, Floats, Floats]:
    """Offsets x and y of each pin (float64 [P]) and width and height of each cell (float64 [C]), metres.

    Args:
        circuit: P pins, C cells.
        technology: gives the shapes.
        black_box: what has no shape is NaN.

    Raises:
        CircuitError: a type or one of its pins has no shape, and *black_box* is not set.
    """
    shapes = technology.shapes_of(circuit, black_box=black_box)
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
                if black_box:
                    table[:, index, position] = np.nan
                    continue
                raise CircuitError(
                    technology.name,
                    f"pin '{kind_of_cell.name}/{port.name}'",
                    "has no shape in this technology",
                    "use the library that belongs to the technology",
                )
            table[:, index, position] = shape.pins[port.name]
    return table[0][kind, slot], table[1][kind, slot], width, height


GDS_ORIENTATIONS = {
    (0, False): "N", (90, False): "W", (180, False): "S", (270, False): "E",
    (0, True): "FS", (90, True): "FW", (180, True): "FN", (270, True): "FE",
}  # fmt: skip
"""Degrees that a reference is turned to the left, after it was mirrored in y or not -> DEF's name."""
INSTANCE_PROPERTY = 61
"""GDS property of a reference that holds the name of the cell."""


def read_gds_layout(
    source: str | os.PathLike[str], technology: Technology, top: str = "", ports: CellShape | None = None
) -> Layout:
    """The places of a block's cells from its GDS, where there is no DEF; for :meth:`Layout.resolve`.

    References of the top cell whose type is in the technology are cells, named by their property 61 as Magic and
    KLayout write it; those without a name (fillers) and of other types (vias) are counted in the notes.

    Args:
        source: path of a GDS file.
        technology: shapes of the cell types; a GDS name may carry a prefix before the type's.
        top: name of the top cell; "" for the one that no other refers to.
        ports: shape of the block in its own LEF: its pins, and its size as the die.

    Raises:
        CircuitError: gdstk is missing, the file is no GDS, has no such top cell, or a cell is turned by an odd angle.

    Source: property 61 and the transformations by comparison with DEF of the same blocks, ``timing_flow.md`` section 4.
    """
    place = Path(source).name
    block = _gds_top(source, place, top)
    known: dict[str, str] = {}
    names, kinds, corners, turned = [], [], [], []
    notes = Notes()
    for reference in block.references:
        kind = known.setdefault(reference.cell_name, _gds_type(reference.cell_name, technology))
        name = reference.get_gds_property(INSTANCE_PROPERTY)
        if not kind or not name:
            notes.add("reference without a name" if kind else "reference whose type is in no LEF")
            continue
        angle = round(np.degrees(reference.rotation or 0.0), 3) % 360
        orientation = GDS_ORIENTATIONS.get((int(angle), bool(reference.x_reflection)), "") if angle % 90 == 0 else ""
        if not orientation:
            rule = f"is turned by {angle:g} degrees"
            raise CircuitError(place, f"cell {name!r}", rule, "give a layout whose cells are turned by right angles")
        names.append(str(name).rstrip("\0"))
        kinds.append(kind)
        corners.append(_gds_corner(reference.origin, orientation, technology.shapes[kind]))
        turned.append(ORIENTATIONS.index(orientation))
    at = np.array(corners, np.float64).reshape(-1, 2)
    pins = dict(ports.pins) if ports else {}
    box = (0.0, 0.0, ports.width, ports.height) if ports else _bounds(at)
    types = tuple(dict.fromkeys(kinds))
    width = np.array([technology.shapes[kind].width for kind in kinds], np.float64)
    design = _named_cells(place, block.name, types, names, kinds, list(pins), notes)
    none = np.zeros(0)
    port_at = np.array(list(pins.values()), np.float64).reshape(-1, 2)
    return Layout(
        box, (), at[:, 0], at[:, 1], np.array(turned, np.int8), width, none, none, port_at[:, 0], port_at[:, 1], design
    )  # fmt: skip


def _gds_top(source: str | os.PathLike[str], place: str, top: str) -> Any:
    """The top cell of a GDS file; lengths in micrometres."""
    try:
        gdstk = importlib.import_module("gdstk")
    except ModuleNotFoundError:
        raise CircuitError(place, "GDS", "needs the package gdstk", "pip install gdstk, or give a DEF") from None
    try:
        found = gdstk.read_gds(os.fspath(source), unit=1e-6)
    except (OSError, RuntimeError, ValueError) as error:
        raise CircuitError(place, "file", f"is no GDS ({error})", "check the path, or give a DEF") from None
    cells = [cell for cell in found.top_level() if not top or cell.name == top]
    if top and not cells:
        cells = [cell for cell in found.cells if cell.name == top]
    if not cells:
        raise CircuitError(place, f"cell {top!r}", "is not in the file", "name the top cell of the block")
    return max(cells, key=lambda cell: len(cell.references))


def _gds_type(name: str, technology: Technology) -> str:
    """The cell type that a GDS name ends with, or ""."""
    words = name.split("_")
    return next((own for row in range(len(words)) if (own := "_".join(words[row:])) in technology.shapes), "")


def _gds_corner(origin: tuple[float, float], orientation: str, shape: CellShape) -> tuple[float, float]:
    """Lower left corner, m, of a placed cell whose own lower left corner went to *origin*, um."""
    wide, high = (shape.height, shape.width) if orientation in {"W", "E", "FW", "FE"} else (shape.width, shape.height)
    left = wide if orientation in {"S", "FN", "W", "FE"} else 0.0
    down = high if orientation in {"S", "FS", "E", "FE"} else 0.0
    return origin[0] * 1e-6 - left, origin[1] * 1e-6 - down


def _bounds(at: Floats) -> tuple[float, float, float, float]:
    """Box around points, zeros without any."""
    if not len(at):
        return 0.0, 0.0, 0.0, 0.0
    return float(at[:, 0].min()), float(at[:, 1].min()), float(at[:, 0].max()), float(at[:, 1].max())


def _named_cells(
    place: str,
    name: str,
    types: tuple[str, ...],
    names: list[str],
    kinds: list[str],
    ports: list[str],
    notes: Notes,
) -> PlacedDesign:
    """Names of cells and ports without any net."""
    from circuitgraph.parasitics import printed_table

    row = {kind: number for number, kind in enumerate(types)}
    none = np.zeros(0, np.int32)
    return PlacedDesign(
        name=name,
        version="",
        divider="/",
        bus="[]",
        units=DATABASE_UNITS,
        type_names=types,
        cell_names=printed_table(names),
        cell_type=np.array([row[kind] for kind in kinds], np.int32),
        cell_status=np.full(len(names), int(Placement.PLACED), np.int8),
        port_names=printed_table(ports),
        port_direction=("",) * len(ports),
        port_net=np.full(len(ports), -1, np.int32),
        port_layer=("",) * len(ports),
        port_box=np.full((len(ports), 4), np.nan),
        net_names=printed_table([]),
        pin_names=(),
        pin_cell=none,
        pin_name=none,
        pin_net=none,
        listed={},
        stated={},
        notes=notes,
        place=place,
    )


def write_def(circuit: Circuit, layout: Layout, technology: Technology) -> str:
    """The layout as DEF 5.8: die, rows, components, pins and the connectivity of the nets; no routes.

    Example:
        ``text = write_def(circuit, layout, technology)``.
    """
    unit = DATABASE_UNITS * 1e6
    name = circuit.name or "top"
    step = round(technology.site_width * unit)
    lines = ["VERSION 5.8 ;", 'DIVIDERCHAR "/" ;', 'BUSBITCHARS "[]" ;', f"DESIGN {name} ;"]
    lines.append(f"UNITS DISTANCE MICRONS {DATABASE_UNITS} ;")
    x0, y0, x1, y1 = (round(value * unit) for value in layout.die)
    lines.append(f"DIEAREA ( {x0} {y0} ) ( {x1} {y1} ) ;")
    for number, row in enumerate(layout.rows):
        place = f"{round(row.x * unit)} {round(row.y * unit)} {row.orientation}"
        lines.append(f"ROW ROW_{number} {row.site} {place} DO {row.sites} BY 1 STEP {step} 0 ;")
    cells = circuit.cell_names.texts()
    ports = circuit.port_names.texts()
    nets = circuit.net_names.texts()
    lines += _component_lines(circuit, layout, cells)
    lines += _pin_lines(circuit, layout, technology, ports, nets)
    lines += _net_lines(circuit, cells, ports, nets)
    return "\n".join([*lines, "END DESIGN", ""])


def _component_lines(circuit: Circuit, layout: Layout, cells: list[str]) -> list[str]:
    unit = DATABASE_UNITS * 1e6
    placed = ~(np.isnan(layout.cell_x) | np.isnan(layout.cell_y))
    x = np.rint(np.where(placed, layout.cell_x, 0) * unit).astype(np.int64).tolist()
    y = np.rint(np.where(placed, layout.cell_y, 0) * unit).astype(np.int64).tolist()
    turned = layout.cell_orientation.tolist()
    kinds = [circuit.types[row].name for row in circuit.cell_type.tolist()]
    lines = [f"COMPONENTS {len(cells)} ;"]
    lines += [
        f"- {cell} {kind} + PLACED ( {at_x} {at_y} ) {ORIENTATIONS[orientation]} ;"
        if is_placed
        else f"- {cell} {kind} + UNPLACED ;"
        for cell, kind, at_x, at_y, orientation, is_placed in zip(
            cells, kinds, x, y, turned, placed.tolist(), strict=True
        )
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
        joined = f" + NET {nets[net]}" if net >= 0 else ""
        head = f"- {port}{joined} + DIRECTION {direction} + USE SIGNAL"
        if np.isnan(layout.port_x[row]) or np.isnan(layout.port_y[row]):
            lines.append(f"{head} ;")
            continue
        at = f"( {round(layout.port_x[row] * unit)} {round(layout.port_y[row] * unit)} ) N"
        lines.append(f"{head} + LAYER {layer.name} ( -{half} -{half} ) ( {half} {half} ) + FIXED {at} ;")
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
