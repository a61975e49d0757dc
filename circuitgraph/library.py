"""Library: cell types with timing arcs, NLDM tables in one bank, pin loads, areas; everything in SI units.

A library is columnar: K cell types, Q ports of all types, A arcs, B tables. Ports and arcs of a type are
consecutive (``port_start``, ``arc_start``), so that kernels walk them without Python.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import CellType
from circuitgraph.errors import Notes
from circuitgraph.function import Function, Program

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


class TimingType(enum.IntEnum):
    """``timing_type`` of an arc; ``CHECKS`` and ``DELAYS`` say which ones carry what."""

    COMBINATIONAL = 0
    COMBINATIONAL_RISE = 1
    COMBINATIONAL_FALL = 2
    RISING_EDGE = 3
    FALLING_EDGE = 4
    PRESET = 5
    CLEAR = 6
    THREE_STATE_ENABLE = 7
    THREE_STATE_ENABLE_RISE = 8
    THREE_STATE_ENABLE_FALL = 9
    THREE_STATE_DISABLE = 10
    THREE_STATE_DISABLE_RISE = 11
    THREE_STATE_DISABLE_FALL = 12
    SETUP_RISING = 13
    SETUP_FALLING = 14
    HOLD_RISING = 15
    HOLD_FALLING = 16
    RECOVERY_RISING = 17
    RECOVERY_FALLING = 18
    REMOVAL_RISING = 19
    REMOVAL_FALLING = 20
    NON_SEQ_SETUP_RISING = 21
    NON_SEQ_SETUP_FALLING = 22
    NON_SEQ_HOLD_RISING = 23
    NON_SEQ_HOLD_FALLING = 24


LAST_DELAY = TimingType.THREE_STATE_DISABLE_FALL
"""Arcs up to this one carry delays; those behind it are checks."""


class Sense(enum.IntEnum):
    """``timing_sense`` of an arc; UNKNOWN where the file has none and no function gives it."""

    UNKNOWN = 0
    POSITIVE = 1
    NEGATIVE = 2
    NON_UNATE = 3


@dataclass(frozen=True)
class Thresholds:
    """Where a library measures, as shares of the swing, and how its table slews scale.

    | field | meaning |
    |---|---|
    | input, output | (rise, fall) of the delay's two ends |
    | slew_lower, slew_upper | (rise, fall) between which a slew is measured |
    | slew_derate | table slew x derate = slew between the thresholds |
    """

    input: tuple[float, float] = (0.5, 0.5)
    output: tuple[float, float] = (0.5, 0.5)
    slew_lower: tuple[float, float] = (0.2, 0.2)
    slew_upper: tuple[float, float] = (0.8, 0.8)
    slew_derate: float = 1.0


@dataclass(frozen=True)
class WireLoad:
    """A wire load model: length by fan-out, capacitance and resistance by length.

    | field | meaning |
    |---|---|
    | capacitance, resistance | F and ohm for one unit of length |
    | slope | length for each fan-out beyond the last row |
    | fan_outs, lengths | the rows, ascending |
    """

    name: str
    capacitance: float
    resistance: float
    slope: float
    fan_outs: tuple[float, ...]
    lengths: tuple[float, ...]

    def length(self, fan_out: npt.ArrayLike) -> FloatArray:
        """Length of nets of the given fan-outs: interpolated between rows, continued by the slope.

        Before the first row the length follows the first row in proportion.
        """
        wanted = np.asarray(fan_out, np.float64)
        if not self.fan_outs:
            return wanted * self.slope
        rows, lengths = np.array(self.fan_outs), np.array(self.lengths)
        found = np.interp(wanted, rows, lengths)
        found = np.where(wanted > rows[-1], lengths[-1] + (wanted - rows[-1]) * self.slope, found)
        below = lengths[0] * wanted / rows[0] if rows[0] > 0 else np.full(wanted.shape, lengths[0])
        return np.asarray(np.where(wanted < rows[0], below, found), np.float64)


@dataclass(frozen=True)
class TableBank:
    """All look-up tables of a library, one behind the other; B tables.

    | field | type, shape | meaning |
    |---|---|---|
    | shape | int32 [B, 2] | lengths of the two axes; 1 where the table does not depend on one |
    | axis | int64 [B, 2] | where each axis begins in ``axes`` |
    | start | int64 [B] | where the values begin in ``values``; the second axis is the inner one |
    | axes, values | float64 | SI units |

    Of a delay or slew table the first axis is the input slew, the second the load; of a check table the
    first is the slew of the related (clock) pin, the second that of the constrained pin. The file's order of
    the axes does not matter.
    """

    shape: IntArray
    axis: LongArray
    start: LongArray
    axes: FloatArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.start)

    def table(self, row: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """First axis, second axis and values [n1, n2] of one table."""
        first, second = (int(n) for n in self.shape[row])
        a, b = (int(at) for at in self.axis[row])
        at = int(self.start[row])
        values = self.values[at : at + first * second].reshape(first, second)
        return self.axes[a : a + first], self.axes[b : b + second], values

    def lookup(self, row: int, x: float, y: float) -> float:
        """Value of one table: bilinear, continued linearly outside of the axes on both sides."""
        first, second, values = self.table(row)
        i, f = _interval(first, x)
        j, g = _interval(second, y)
        low = values[i, j] * (1 - g) + (values[i, j + 1] * g if g else 0.0)
        if not f:
            return float(low)
        high = values[i + 1, j] * (1 - g) + (values[i + 1, j + 1] * g if g else 0.0)
        return float(low * (1 - f) + high * f)


def _interval(axis: FloatArray, x: float) -> tuple[int, float]:
    """Row below *x* and the share of the interval, beyond 0 to 1 outside of the axis."""
    if len(axis) == 1:
        return 0, 0.0
    row = int(np.clip(np.searchsorted(axis, x, side="right") - 1, 0, len(axis) - 2))
    return row, float((x - axis[row]) / (axis[row + 1] - axis[row]))


@dataclass(frozen=True, eq=False)
class Library:
    """Cell types with all that timing needs.

    | field | type, shape | meaning |
    |---|---|---|
    | types | tuple of CellType [K] | in file order |
    | area | float64 [K] | as in the file (um2 as a rule), NaN where absent |
    | corner | int32 [K] | row in ``thresholds`` of each type |
    | thresholds | tuple of Thresholds | one for each file merged |
    | port_start | int64 [K + 1] | ports of type k are ``port_start[k]:port_start[k + 1]``, in the type's order |
    | port_capacitance | float64 [Q, 4] | F; columns late rise, late fall, early rise, early fall |
    | port_max_capacitance, port_max_transition | float64 [Q] | F, s; NaN where none is given |
    | port_is_clock, port_is_tristate | bool [Q] | marked as clock; has a three-state condition |
    | port_program | tuple [Q] | an output's function as the file writes it (postfix over the type's ports), else None |
    | arc_start | int64 [K + 1] | arcs of type k |
    | arc_from, arc_to | int32 [A] | port of the type: related pin; output, or constrained pin |
    | arc_timing, arc_sense | int8 [A] | :class:`TimingType`, :class:`Sense` |
    | arc_when | int32 [A] | row in ``conditions``, -1 for none |
    | arc_table | int32 [A, 4] | rows in ``tables``, -1 for none: cell rise, cell fall, rise and fall transition;
      of checks: rise and fall constraint |
    | conditions | tuple of Function | over the type's ports |
    | tables | TableBank | |
    | wire_loads | tuple of WireLoad | |
    | default_wire_load | WireLoad or None | |
    | power_ports | frozenset of (type, port) | supply pins; they are no ports of the types |
    | time_unit, capacitance_unit | s, F | what one unit of the (first) file is: constraints use it |
    """

    name: str
    types: tuple[CellType, ...]
    area: FloatArray
    corner: IntArray
    thresholds: tuple[Thresholds, ...]
    port_start: LongArray
    port_capacitance: FloatArray
    port_max_capacitance: FloatArray
    port_max_transition: FloatArray
    port_is_clock: BoolArray
    port_is_tristate: BoolArray
    port_program: tuple[Program | None, ...]
    arc_start: LongArray
    arc_from: IntArray
    arc_to: IntArray
    arc_timing: ByteArray
    arc_sense: ByteArray
    arc_when: IntArray
    arc_table: IntArray
    conditions: tuple[Function, ...]
    tables: TableBank
    wire_loads: tuple[WireLoad, ...] = ()
    default_wire_load: WireLoad | None = None
    power_ports: frozenset[tuple[str, str]] = frozenset()
    time_unit: float = 1e-9
    capacitance_unit: float = 1e-12
    resistance_unit: float = 1e3
    default_max_transition: float = float("nan")
    default_max_capacitance: float = float("nan")
    notes: Notes = field(default_factory=Notes)
    place: str = ""

    def __repr__(self) -> str:
        """Name and sizes, not contents."""
        return f"Library({self.name!r}, {len(self.types):,} cells, {self.num_arcs:,} arcs, {len(self.tables):,} tables)"

    @property
    def num_arcs(self) -> int:
        """Number of arcs, A, checks included."""
        return len(self.arc_from)

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each cell type by name."""
        return {cell_type.name: row for row, cell_type in reversed(list(enumerate(self.types)))}

    def cell_type(self, name: str) -> CellType | None:
        """The cell type of that name, or None."""
        row = self.index.get(name, -1)
        return self.types[row] if row >= 0 else None

    def is_power_port(self, cell_type: str, port: str) -> bool:
        """Whether a type has a supply pin of that name; supply pins are no ports of the type."""
        return (cell_type, port) in self.power_ports

    @cached_property
    def arc_type(self) -> IntArray:
        """Cell type of each arc, int32 [A]."""
        return np.repeat(np.arange(len(self.types), dtype=np.int32), np.diff(self.arc_start))

    @cached_property
    def is_check(self) -> BoolArray:
        """Whether each arc is a check (setup, hold, recovery, removal, non-sequential), bool [A]."""
        return np.asarray(self.arc_timing > LAST_DELAY)

    def counts(self) -> dict[str, int]:
        """``cells``, ``arcs`` and ``tables`` of the library."""
        return {"cells": len(self.types), "arcs": self.num_arcs, "tables": len(self.tables)}

    @classmethod
    def merged(cls, libraries: Sequence[Library]) -> Library:
        """One library of several. Of types of one name the first stays; the others are noted.

        Raises:
            ValueError: there is no library.
        """
        if not libraries:
            raise ValueError("there is no library to merge")
        whole = libraries[0]
        for other in libraries[1:]:
            whole = _joined(whole, other)
        return whole

    def only(self, rows: npt.NDArray[np.integer]) -> Library:
        """The library of the given types, in their order; tables stay as they are."""
        ports = _spread(self.port_start, rows)
        arcs = _spread(self.arc_start, rows)
        columns: dict[str, Any] = {name: getattr(self, name)[ports] for name in PORT_COLUMNS}
        columns.update({name: getattr(self, name)[arcs] for name in ARC_COLUMNS})
        return replace(
            self,
            types=tuple(self.types[row] for row in rows),
            area=self.area[rows],
            corner=self.corner[rows],
            port_start=_starts(np.diff(self.port_start)[rows]),
            port_program=tuple(self.port_program[port] for port in ports),
            arc_start=_starts(np.diff(self.arc_start)[rows]),
            **columns,
        )


PORT_COLUMNS = ("port_capacitance", "port_max_capacitance", "port_max_transition", "port_is_clock", "port_is_tristate")
ARC_COLUMNS = ("arc_from", "arc_to", "arc_timing", "arc_sense", "arc_when", "arc_table")


def _starts(lengths: npt.NDArray[np.integer]) -> LongArray:
    start = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=start[1:])
    return start


def _spread(start: LongArray, rows: npt.NDArray[np.integer]) -> LongArray:
    """Indices of the members of the given rows of a CSR."""
    lengths = np.diff(start)[rows]
    at = _starts(lengths)
    return np.asarray(np.repeat(start[rows] - at[:-1], lengths) + np.arange(at[-1]), np.int64)


def _joined(first: Library, second: Library) -> Library:
    """Two libraries as one; the first goes before."""
    notes = Notes()
    notes.extend(first.notes)
    notes.extend(second.notes)
    for cell_type in second.types:
        if cell_type.name in first.index:
            notes.add("cell type in a second library left out", f"{second.place}: {cell_type.name}")
    kept = np.array([row for row, t in enumerate(second.types) if t.name not in first.index], np.int64)
    second = second.only(kept)
    tables, other = first.tables, second.tables
    bank = TableBank(
        np.concatenate([tables.shape, other.shape]),
        np.concatenate([tables.axis, other.axis + len(tables.axes)]),
        np.concatenate([tables.start, other.start + len(tables.values)]),
        np.concatenate([tables.axes, other.axes]),
        np.concatenate([tables.values, other.values]),
    )
    conditions, table_rows = len(first.conditions), len(tables)
    second = replace(
        second,
        corner=second.corner + np.int32(len(first.thresholds)),
        arc_when=np.where(second.arc_when >= 0, second.arc_when + conditions, -1).astype(np.int32),
        arc_table=np.where(second.arc_table >= 0, second.arc_table + table_rows, -1).astype(np.int32),
    )
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("area", "corner", *PORT_COLUMNS, *ARC_COLUMNS)
    }
    return replace(
        first,
        name=f"{first.name}+{second.name}",
        types=(*first.types, *second.types),
        thresholds=(*first.thresholds, *second.thresholds),
        port_start=np.concatenate([first.port_start, second.port_start[1:] + first.port_start[-1]]),
        arc_start=np.concatenate([first.arc_start, second.arc_start[1:] + first.arc_start[-1]]),
        port_program=(*first.port_program, *second.port_program),
        conditions=(*first.conditions, *second.conditions),
        tables=bank,
        wire_loads=(*first.wire_loads, *second.wire_loads),
        default_wire_load=first.default_wire_load or second.default_wire_load,
        power_ports=first.power_ports | second.power_ports,
        notes=notes,
        place=f"{first.place}, {second.place}",
        **joined,
    )
