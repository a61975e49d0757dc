"""Objects of SDC: ports, pins, nets, cells and clocks by name and wildcard, and the lists of all of a kind.

Inside a script an object is a text that no file can spell: a control character, its kind, its row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from circuitgraph.circuit import Circuit, Direction, Role
from circuitgraph.names import loose_key

MARK = "\x02"
KINDS = ("port", "pin", "net", "cell", "clock")


def handle(kind: str, row: int) -> str:
    """The text that stands for an object."""
    return f"{MARK}{kind}:{row}{MARK}"


def unhandled(text: str) -> tuple[str, int] | None:
    """Kind and row of an object's text, or None for a plain word."""
    if not text.startswith(MARK):
        return None
    found = re.fullmatch(f"{MARK}([a-z]+):([0-9]+){MARK}", text)  # what the file writes behind a handle spoils it
    return (found[1], int(found[2])) if found else None


def pattern(text: str) -> re.Pattern[str]:
    """The expression of a wildcard: ``*`` and ``?`` stay within one level of the hierarchy, brackets are literal."""
    parts = [{"*": "[^/]*", "?": "[^/]"}.get(sign) or re.escape(sign) for sign in text]
    return re.compile("".join(parts))


class Objects:
    """The objects of one circuit.

    Args:
        circuit: whose ports, pins, nets and cells are found.
        clock_names: names of the clocks created so far.
    """

    def __init__(self, circuit: Circuit, clock_names: Callable[[], Sequence[str]]) -> None:
        self.circuit = circuit
        self.clock_names = clock_names

    @cached_property
    def _port_keys(self) -> list[str]:
        return [loose_key(name) for name in self.circuit.port_names.texts()]

    @cached_property
    def _cell_keys(self) -> list[str]:
        return [loose_key(name) for name in self.circuit.cell_names.texts()]

    def name(self, kind: str, row: int) -> str:
        """Full name of an object."""
        if kind == "port":
            return self.circuit.port_names.text(row)
        if kind == "pin":
            return self.circuit.pin_text(row)
        if kind == "net":
            return self.circuit.net_names.text(row)
        if kind == "cell":
            return self.circuit.cell_names.text(row)
        return self.clock_names()[row]

    def find(self, kind: str, word: str) -> list[int]:
        """Rows of the objects of a kind whose name fits a word, wildcards included."""
        wild = "*" in word or "?" in word
        if kind == "clock":
            names = list(self.clock_names())
            fits = pattern(word).fullmatch if wild else None
            return [row for row, name in enumerate(names) if (fits(name) if fits else name == word)]
        if kind == "port":
            return self._ports(word, wild)
        if kind == "pin":
            return self._pins(word, wild)
        if kind == "net":
            if wild:
                fits = pattern(loose_key(word)).fullmatch
                return [row for row, name in enumerate(self.circuit.net_names.texts()) if fits(loose_key(name))]
            row = self.circuit.find_net(word)
            return [row] if row >= 0 else []
        if wild:
            fits = pattern(loose_key(word)).fullmatch
            return [row for row, name in enumerate(self._cell_keys) if fits(name)]
        row = self.circuit.cell_names.find(word)
        return [row] if row >= 0 else []

    def _ports(self, word: str, wild: bool) -> list[int]:
        if wild:
            fits = pattern(loose_key(word)).fullmatch
            return [row for row, name in enumerate(self._port_keys) if fits(name)]
        row = self.circuit.port_names.find(word)
        if row >= 0:
            return [row]
        base = re.compile(re.escape(loose_key(word)) + r"\[-?[0-9]+\]")
        return [row for row, name in enumerate(self._port_keys) if base.fullmatch(name)]

    def _pins(self, word: str, wild: bool) -> list[int]:
        circuit = self.circuit
        if not wild:
            row = circuit.find_pin(word)
            return [row] if row >= 0 else []
        cell_word, _, pin_word = word.rpartition("/")
        fits = pattern(loose_key(cell_word)).fullmatch
        pin_fits = pattern(pin_word).fullmatch
        by_type = [[i for i, port in enumerate(t.ports) if pin_fits(port.name)] for t in circuit.types]
        found: list[int] = []
        for cell, name in enumerate(self._cell_keys):
            ports = by_type[circuit.cell_type[cell]]
            if ports and fits(name):
                found += [int(circuit.pin_start[cell]) + port for port in ports]
        return found

    def ports(self, direction: Direction) -> list[int]:
        """Rows of the circuit's inputs or outputs; inouts are both."""
        column = self.circuit.port_direction
        return [int(row) for row in np.flatnonzero((column == direction) | (column == Direction.INOUT))]

    def registers(self) -> list[int]:
        """Rows of the cells that hold state."""
        return [int(row) for row in np.flatnonzero(self.circuit.is_sequential)]

    def pins_of(self, cell: int, wanted: str) -> list[int]:
        """Pins of a cell: "clock", "data" (inputs that are no clock) or "output"."""
        circuit = self.circuit
        start = int(circuit.pin_start[cell])
        found = []
        for place, port in enumerate(circuit.types[circuit.cell_type[cell]].ports):
            is_output = port.direction == Direction.OUTPUT
            is_clock = port.role == Role.CLOCK or (port.role == Role.ENABLE and not is_output)
            kind = "output" if is_output else "clock" if is_clock else "data"
            if kind == wanted:
                found.append(start + place)
        return found
