"""Read a Liberty file into a Library."""

from __future__ import annotations

import numpy as np

from circuitgraph.circuit import CellType, Direction
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.files import Source, name_of, read_bytes
from circuitgraph.formats.liberty.arcs import Columns, capacitances
from circuitgraph.formats.liberty.cells import Cell, cell_type
from circuitgraph.formats.liberty.groups import Group, Text, clean, parse, words_of
from circuitgraph.formats.liberty.numbers import number, to_number, unit
from circuitgraph.formats.liberty.pins import Pin, bus_types, pins_of
from circuitgraph.library import Library, Thresholds, WireLoad


def read_liberty(source: Source) -> Library:
    """The library that a Liberty file describes.

    Current source models, power, noise, variation and retain groups are skipped and counted in the notes.

    Args:
        source: path or binary stream, plain or compressed.

    Returns:
        Types, ports and arcs in file order; seconds, farads, ohms.

    Raises:
        CircuitError: the grammar is broken, a number, function, axis or related pin is wrong, or a table's values do
            not fill its axes.

    Source: Liberty User Guide, NLDM (look-up tables) and the linear delay model.
    """
    file = name_of(source)
    text = clean(read_bytes(source), file)
    notes = Notes()
    libraries = [group for group in parse(text, notes) if group.name == "library"]
    if len(libraries) != 1:
        rule = f"holds {len(libraries)} groups 'library', not one"
        raise CircuitError(file, "file", rule, "is this a Liberty file? split it by library")
    return _library(text, libraries[0], notes, file)


def _library(text: Text, group: Group, notes: Notes, file: str) -> Library:
    if place := next((at for key, _, at in group.attributes if key == "include_file"), None):
        raise text.error(place, "include_file", "is not followed", "paste the included file in its place")
    scales = {
        "time": unit(text, group, "time_unit", "s", 1e-9),
        "capacitance": unit(text, group, "capacitive_load_unit", "f", 1e-12),
        "resistance": unit(text, group, "pulling_resistance_unit", "ohm", 1e3),
    }
    columns = Columns(text, notes, scales)
    columns.read_templates(group)
    types, rows = _cells(text, group, columns, notes)
    wire_loads = tuple(_wire_load(text, inner, scales) for inner in group.named("wire_load"))
    wanted = group.get("default_wire_load")
    return Library(
        name=group.words[0] if group.words else file,
        types=tuple(types),
        area=np.array(rows.area, np.float64),
        corner=np.zeros(len(types), np.int32),
        thresholds=(_thresholds(text, group),),
        port_start=np.array(rows.port_start, np.int64),
        port_capacitance=np.array(rows.capacitance, np.float64).reshape(-1, 4),
        port_max_capacitance=np.array(rows.max_capacitance, np.float64),
        port_max_transition=np.array(rows.max_transition, np.float64),
        port_is_clock=np.array(rows.is_clock, np.bool_),
        port_is_tristate=np.array(rows.is_tristate, np.bool_),
        port_program=tuple(rows.programs),
        arc_start=np.array(rows.arc_start, np.int64),
        arc_from=np.array(columns.arc_from, np.int32),
        arc_to=np.array(columns.arc_to, np.int32),
        arc_timing=np.array(columns.arc_timing, np.int8),
        arc_sense=np.array(columns.arc_sense, np.int8),
        arc_when=np.array(columns.arc_when, np.int32),
        arc_table=np.array(columns.arc_table, np.int32).reshape(-1, 4),
        conditions=tuple(columns.conditions),
        tables=columns.bank(),
        wire_loads=wire_loads,
        default_wire_load=next((load for load in wire_loads if load.name == wanted), None),
        power_ports=frozenset(rows.power),
        time_unit=scales["time"],
        capacitance_unit=scales["capacitance"],
        resistance_unit=scales["resistance"],
        default_max_transition=number(text, group, "default_max_transition") * scales["time"],
        default_max_capacitance=number(text, group, "default_max_capacitance") * scales["capacitance"],
        notes=notes,
        place=file,
    )


class _Rows:
    """The growing columns of types and ports."""

    def __init__(self) -> None:
        self.area: list[float] = []
        self.port_start = [0]
        self.arc_start = [0]
        self.capacitance: list[list[float]] = []
        self.max_capacitance: list[float] = []
        self.max_transition: list[float] = []
        self.is_clock: list[bool] = []
        self.is_tristate: list[bool] = []
        self.power: list[tuple[str, str]] = []
        self.programs: list[tuple[int | str, ...] | None] = []


def _cells(text: Text, library: Group, columns: Columns, notes: Notes) -> tuple[list[CellType], _Rows]:
    types: list[CellType] = []
    rows = _Rows()
    seen: set[str] = set()
    buses = bus_types(text, library)
    defaults = {
        direction: number(text, library, f"default_{direction.name.lower()}_pin_cap", 0.0)
        * columns.scales["capacitance"]
        for direction in (Direction.INPUT, Direction.OUTPUT, Direction.INOUT)
    }
    for group in library.groups:
        if group.name != "cell":
            continue
        name = group.words[0] if group.words else ""
        if not name:
            raise text.error(group.at, "cell", "has no name", "write cell (name) { ... }")
        if name in seen:
            notes.add("cell that stands twice left out", text.place(group.at))
            continue
        seen.add(name)
        cell = _cell(text, group, {**buses, **bus_types(text, group)} if group.named("type") else buses)
        types.append(cell_type(cell))
        rows.area.append(number(text, group, "area"))
        rows.power += [(name, word) for inner in group.named("pg_pin") for word in inner.words]
        for pin in cell.pins:
            _port(text, pin, rows, columns.scales, defaults)
        rows.programs += [cell.programs.get(row) for row in range(len(cell.pins))]
        rows.port_start.append(len(rows.capacitance))
        columns.read_arcs(cell, types[-1].functions)
        rows.arc_start.append(len(columns.arc_from))
    return types, rows


def _cell(text: Text, group: Group, buses: dict[str, tuple[int, int]]) -> Cell:
    """A cell without its internal nodes."""
    pins, members = pins_of(text, group, buses)
    kept = [row for row, pin in enumerate(pins) if pin.direction is not None]
    moved = {row: place for place, row in enumerate(kept)}
    members = {name: [moved[row] for row in bits if row in moved] for name, bits in members.items()}
    return Cell(text, group, [pins[row] for row in kept], members)


def _port(text: Text, pin: Pin, rows: _Rows, scales: dict[str, float], defaults: dict[Direction, float]) -> None:
    default = defaults.get(pin.direction or Direction.UNKNOWN, 0.0)
    rows.capacitance.append(capacitances(text, pin, scales["capacitance"], default).tolist())
    for name, column, scale in (
        ("max_capacitance", rows.max_capacitance, scales["capacitance"]),
        ("max_transition", rows.max_transition, scales["time"]),
    ):
        raw = pin.get(name)
        at = next((group.place(name) for group in pin.groups if group.get(name)), pin.groups[0].at)
        column.append(
            to_number(text, raw, at, f"attribute {name!r} of pin {pin.name!r}") * scale if raw else float("nan")
        )
    rows.is_clock.append(pin.get("clock").strip().lower() == "true")
    rows.is_tristate.append(bool(pin.get("three_state")))


def _thresholds(text: Text, group: Group) -> Thresholds:
    def pair(name: str, otherwise: float) -> tuple[float, float]:
        rise = number(text, group, f"{name}_pct_rise", otherwise) / 100
        return rise, number(text, group, f"{name}_pct_fall", otherwise) / 100

    return Thresholds(
        pair("input_threshold", 50.0),
        pair("output_threshold", 50.0),
        pair("slew_lower_threshold", 20.0),
        pair("slew_upper_threshold", 80.0),
        number(text, group, "slew_derate_from_library", 1.0),
    )


def _wire_load(text: Text, group: Group, scales: dict[str, float]) -> WireLoad:
    rows: list[tuple[float, float]] = []
    for key, value, at in group.attributes:
        words = words_of(value) if key == "fanout_length" else []
        if len(words) >= 2:
            subject = f"fanout_length of wire_load {' '.join(group.words)!r}"
            rows.append((to_number(text, words[0], at, subject), to_number(text, words[1], at, subject)))
    rows.sort()
    return WireLoad(
        name=group.words[0] if group.words else "",
        capacitance=number(text, group, "capacitance", 0.0) * scales["capacitance"],
        resistance=number(text, group, "resistance", 0.0) * scales["resistance"],
        slope=number(text, group, "slope", 0.0),
        fan_outs=tuple(row[0] for row in rows),
        lengths=tuple(row[1] for row in rows),
    )
