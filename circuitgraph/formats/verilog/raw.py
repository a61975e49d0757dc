"""A module as it stands in the file: declared nets, instances, connections, aliases; not linked yet.

References to nets are integers: a row of the module's nets, or one of the negative codes below.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from circuitgraph.cell_types import gate_type, tristate_type
from circuitgraph.circuit import CellType, Direction
from circuitgraph.design import CONSTANT_NAMES
from circuitgraph.errors import Notes
from circuitgraph.names import NO_BIT, NameTable

OPEN = -1
ZERO, ONE, UNKNOWN = -2, -3, -4
CONSTANT_CODES = {"0": ZERO, "1": ONE, "x": UNKNOWN, "z": OPEN, "?": OPEN}
_NUMBERED_NET = re.compile(r"\$n[0-9]+\Z", re.ASCII)
_NUMBERED_CELL = re.compile(r"\$c[0-9]+\Z", re.ASCII)


def bit_indices(left: int | None, right: int) -> list[int | None]:
    """Bus index of each bit of a range in order, or [None] for a scalar."""
    if left is None:
        return [None]
    step = -1 if left >= right else 1
    return list(range(left, right + step, step))


@dataclass(slots=True)
class Declared:
    """A declared net or bus: its rows run from the left index to the right one."""

    row: int
    left: int | None
    right: int
    direction: Direction = Direction.UNKNOWN
    is_port: bool = False
    known_width: bool = True

    @property
    def width(self) -> int:
        """Number of bits."""
        return 1 if self.left is None else abs(self.left - self.right) + 1

    def bit(self, index: int) -> int:
        """Row of one bit, or -1 outside the range."""
        if self.left is None:
            return -1
        step = self.left - index if self.left >= self.right else index - self.left
        return self.row + step if 0 <= step < self.width else -1


@dataclass(slots=True)
class HeaderPort:
    """One entry of a module's port list: its outer name and the names and selects inside."""

    name: str
    tokens: list[str]
    index: int


@dataclass(slots=True)
class Array:
    """An instance array ``u[3:0]``: which of its elements a row is."""

    element: int
    size: int


@dataclass
class RawModule:
    """What the parser found in one module.

    | field | meaning |
    |---|---|
    | index, end | numbers of its first and last token |
    | is_cell, is_primitive | stands between celldefine directives; is a user-defined primitive |
    | behavioural | number and word of the first token that no netlist holds |
    | rows | bits of all nets so far |
    | segments | (first row, base, left, right) of each declared net, in order |
    | inst_* | one entry an instance: name, element, row of its type, number of its first token |
    | conn_start | first connection of each instance |
    | conn_* | one entry a connection: port, width, and whether it is a literal without a size |
    | arrays, overrides, unnamed | rows of array elements, of cells that set parameters (with the place), without name |
    | bits | the nets of all connections, most significant bit first |
    | alias_a, alias_b | pairs of references that ``assign`` joins |
    """

    name: str
    index: int
    end: int = 0
    is_cell: bool = False
    is_primitive: bool = False
    behavioural: tuple[int, str] | None = None
    uses_parameters: bool = False
    parameters: dict[str, int] = field(default_factory=dict)
    declared: dict[str, Declared] = field(default_factory=dict)
    scalars: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    segments: list[tuple[int, str, int | None, int]] = field(default_factory=list)
    supplies: dict[int, int] = field(default_factory=dict)
    header: list[HeaderPort] = field(default_factory=list)
    is_ansi: bool = False
    ports: list[RawPort] = field(default_factory=list)
    inst_name: list[str] = field(default_factory=list)
    inst_bit: array[int] = field(default_factory=lambda: array("q"))
    inst_master: array[int] = field(default_factory=lambda: array("i"))
    inst_index: array[int] = field(default_factory=lambda: array("q"))
    conn_start: array[int] = field(default_factory=lambda: array("q"))
    conn_port: array[int] = field(default_factory=lambda: array("i"))
    conn_width: array[int] = field(default_factory=lambda: array("i"))
    conn_flexible: bytearray = field(default_factory=bytearray)
    bits: array[int] = field(default_factory=lambda: array("i"))
    arrays: dict[int, Array] = field(default_factory=dict)
    overrides: dict[int, int] = field(default_factory=dict)
    unnamed: list[int] = field(default_factory=list)
    alias_a: array[int] = field(default_factory=lambda: array("i"))
    alias_b: array[int] = field(default_factory=lambda: array("i"))

    def cell_table(self) -> NameTable:
        """Names of the cells."""
        bases = [b"" if _NUMBERED_CELL.match(name) else name.encode("latin-1") for name in self.inst_name]
        return NameTable.of(bases, np.array(self.inst_bit, np.int64), prefix="$c")

    def net_table(self, rows: npt.NDArray[np.int64], constants: Sequence[int], prefix: str) -> NameTable:
        """Names of the given rows, then of constants."""
        bases: list[bytes] = []
        bits: list[int] = []
        for _, base, left, right in self.segments:
            raw_base = b"" if _NUMBERED_NET.match(base) else base.encode("latin-1")
            indices = bit_indices(left, right)
            bases += [raw_base] * len(indices)
            bits += [NO_BIT if index is None else index for index in indices]
        return NameTable.of(
            [bases[row] for row in rows.tolist()] + [CONSTANT_NAMES[value] for value in constants],
            [bits[row] for row in rows.tolist()] + [NO_BIT] * len(constants),
            prefix=prefix,
        )


@dataclass(slots=True)
class RawPort:
    """A port of a module: outer name, the bits inside (most significant first), and its range."""

    name: str
    bits: list[int]
    directions: list[Direction]
    left: int | None
    right: int
    known_width: bool = True

    def bit_indices(self) -> list[int | None]:
        """Bus index of each bit, or [None] for a scalar; nothing for a port without nets."""
        return bit_indices(self.left, self.right) if self.bits else []


class Names:
    """Rows of the types and ports that a file names, shared by its modules."""

    def __init__(self) -> None:
        self.master_row: dict[str, int] = {}
        self.masters: list[str] = []
        self.fixed: dict[int, CellType] = {}
        self.port_row: dict[str, int] = {}
        self.ports: list[str] = []
        self.notes = Notes()

    def master(self, name: str) -> int:
        """Row of a type by name."""
        row = self.master_row.get(name)
        if row is None:
            row = self.master_row[name] = len(self.masters)
            self.masters.append(name)
        return row

    def gate(self, word: str, inputs: int) -> int:
        """Row of a gate type that the language itself defines."""
        key = f"\0{word}{inputs}"
        row = self.master_row.get(key)
        if row is None:
            row = self.master(key)
            self.fixed[row] = gate_type(word, inputs)
        return row

    def tristate(self, word: str) -> int:
        """Row of ``bufif0 bufif1 notif0 notif1``."""
        key = f"\0{word}"
        row = self.master_row.get(key)
        if row is None:
            row = self.master(key)
            self.fixed[row] = tristate_type(word)
        return row

    def fixed_type(self, cell_type: CellType) -> int:
        """Row of a type given as a whole."""
        key = f"\0{cell_type.signature()}"
        row = self.master_row.get(key)
        if row is None:
            row = self.master(key)
            self.fixed[row] = cell_type
        return row

    def port(self, name: str) -> int:
        """Row of a port name."""
        row = self.port_row.get(name)
        if row is None:
            row = self.port_row[name] = len(self.ports)
            self.ports.append(name)
        return row
