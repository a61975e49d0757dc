"""Nets of one module after its aliases are merged."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import NetRole
from circuitgraph.errors import Notes
from circuitgraph.formats.verilog.raw import OPEN, ZERO, RawModule
from circuitgraph.names import NameTable
from circuitgraph.union_find import find_root

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]


class NetRows:
    """Nets of one module after its aliases are merged."""

    def __init__(self, raw: RawModule, notes: Notes, place: str) -> None:
        self.raw = raw
        self.rows = raw.rows
        self.port_rows = {
            declared.row + step
            for declared in raw.declared.values()
            if declared.is_port
            for step in range(declared.width)
        }
        root, tied = self.merged(notes, place)
        self.tied = tied
        self.root = root
        kept = root == np.arange(self.rows)
        for row in tied:
            kept[row] = False
        self.kept = np.flatnonzero(kept)
        self.row_of = np.full(self.rows + 3, -1, np.int64)
        self.row_of[self.kept] = np.arange(len(self.kept))
        self.constants: list[int] = []
        for value in sorted(set(tied.values())):
            self.constant_row(value)
        for row, value in tied.items():
            self.row_of[row] = self.constant_row(value)
        self.row_of[: self.rows] = self.row_of[root]

    def constant_row(self, value: int) -> int:
        """Row of the constant net of a value, made when it is new."""
        at = self.rows + value
        if self.row_of[at] < 0:
            self.row_of[at] = len(self.kept) + len(self.constants)
            self.constants.append(value)
        return int(self.row_of[at])

    def merged(self, notes: Notes, place: str) -> tuple[LongArray, dict[int, int]]:
        """Root row of each row, and the constant of roots that are tied to one."""
        raw = self.raw
        root: dict[int, int] = {}

        ties: list[tuple[int, int]] = []
        for one, other in zip(raw.alias_a.tolist(), raw.alias_b.tolist(), strict=True):
            if other == OPEN:
                notes.add("net assigned z: left open", place)
            elif other < OPEN:
                ties.append((one, ZERO - other))
            else:
                a, b = find_root(root, one), find_root(root, other)
                if a != b:
                    first, second = (a, b) if (a not in self.port_rows, a) < (b not in self.port_rows, b) else (b, a)
                    root[second] = first
        tied: dict[int, int] = {}
        self.clashed: set[int] = set()
        supplied = {find_root(root, row) for row in raw.supplies}
        for row, value in ties:
            at = find_root(root, row)
            if at in supplied:
                continue
            if tied.setdefault(at, value) != value:
                notes.add("net assigned 0 and 1: unknown", place)
                tied[at] = 2
        found = np.arange(self.rows, dtype=np.int64)
        for row in list(root):
            found[row] = find_root(root, row)
        return found, tied

    def resolve(self, bits: IntArray) -> IntArray:
        """Net rows of references; constants get their nets."""
        for value in range(3):
            if self.row_of[self.rows + value] < 0 and (bits == ZERO - value).any():
                self.constant_row(value)
        where = np.where(bits >= 0, bits, self.rows + ZERO - bits)
        return np.where(bits == OPEN, -1, self.row_of[np.where(bits == OPEN, 0, where)]).astype(np.int32)

    def tables(
        self,
    ) -> tuple[NameTable, npt.NDArray[np.int8], npt.NDArray[np.int8], NameTable, IntArray]:
        """Names, constants and roles of the nets; names and nets of the aliases."""
        raw = self.raw
        names = raw.net_table(self.kept, self.constants, "$n")
        constant = np.full(len(names), -1, np.int8)
        role = np.zeros(len(names), np.int8)
        for place, value in enumerate(self.constants, len(self.kept)):
            constant[place] = value
        for row, value in raw.supplies.items():
            at = int(self.row_of[row])
            constant[at] = 2 if constant[at] not in {-1, value} else value
            role[at] = int(NetRole.POWER if value else NetRole.GROUND)
        lost = np.ones(self.rows, np.bool_)
        lost[self.kept] = False
        others = np.flatnonzero(lost)
        aliases = raw.net_table(others, (), "$a")
        named = np.flatnonzero(np.diff(aliases.start))
        if len(named) < len(others):
            aliases, others = aliases.take(named), others[named]
        return names, constant, role, aliases, self.row_of[others].astype(np.int32)
