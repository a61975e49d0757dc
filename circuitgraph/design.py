"""Design: the modules of a hierarchical netlist before flattening; choice of the top; flattening.

A module is columnar like a Circuit, but a cell can be an instance of another module. Flattening numbers the blocks
(instances of modules) in depth-first order; the cells of a block stand together, blocks one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Bus, CellType, Circuit
from circuitgraph.errors import CircuitError, Notes, nearest, quoted
from circuitgraph.formats.lexing import MAX_CELLS, limit
from circuitgraph.names import NameTable

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.int8]

CONSTANT_NAMES = (b"1'b0", b"1'b1", b"1'bx")


@dataclass(frozen=True, eq=False)
class Module:
    """One module: C cells, P pins, N nets, T port bits.

    | column | type, shape | meaning |
    |---|---|---|
    | cell_master | int32 [C] | row in the design's ``masters`` |
    | pin_start, pin_net | int64 [C + 1], int32 [P] | nets of each cell, in the order of its master's ports; -1 = none |
    | port_net, port_direction | int32, int8 [T] | the module's own port bits, in order |
    | net_constant, net_role | int8 [N] | as in a Circuit; a literal is a constant net without a role |
    | alias_names, alias_net | NameTable, int32 [A] | other names of nets that ``assign`` merged |
    """

    name: str
    place: str
    cell_master: IntArray
    pin_start: LongArray
    pin_net: IntArray
    port_net: IntArray
    port_direction: ByteArray
    port_names: NameTable
    net_constant: ByteArray
    net_role: ByteArray
    net_names: NameTable
    cell_names: NameTable
    alias_names: NameTable = field(default_factory=lambda: NameTable.unnamed(0))
    alias_net: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    buses: tuple[Bus, ...] = ()

    @property
    def num_cells(self) -> int:
        """Instances in this module, of cells and of modules."""
        return len(self.cell_master)

    @property
    def num_nets(self) -> int:
        """Electrical nets of this module; constants do not count."""
        return int(np.count_nonzero(self.net_constant < 0))


@dataclass(frozen=True, eq=False)
class Design:
    """Modules before flattening.

    | field | meaning |
    |---|---|
    | modules | by name, in file order; leaf modules (behavioural, celldefine) are not among them |
    | masters | what cells are instances of: a CellType, or the name of a module |
    | tops | modules that nothing instantiates |
    | refused | name of a module that holds behavioural code -> its error, for when it is asked for as top |
    | notes | what the reader skipped, merged or guessed |
    """

    modules: Mapping[str, Module]
    masters: tuple[CellType | str, ...]
    tops: tuple[str, ...]
    refused: Mapping[str, CircuitError] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    place: str = ""
    format: str = ""

    def top(self, name: str | None = None) -> str:
        """The module to flatten: *name*, or the only one that nothing instantiates.

        Raises:
            CircuitError: there is no such module, it is behavioural, or several could be meant.
        """
        if name is not None:
            if name in self.refused:
                raise self.refused[name]
            if name not in self.modules:
                known = list(self.modules)
                way_out = nearest(name, known, f"the file holds {quoted(known)}")
                raise CircuitError(self.place, f"module {name!r}", "asked for as top is not in the file", way_out)
            return name
        usable = [top for top in self.tops if top not in self.refused]
        if len(usable) == 1:
            return usable[0]
        if not usable:
            for top in self.tops:
                raise self.refused[top]
            self._refuse_recursion(list(self.modules))
            raise CircuitError(
                self.place, "file", "holds no module that could be the top", "name one with --top (top= in Python)"
            )
        raise CircuitError(
            self.place,
            f"modules {quoted(usable)}",
            "could each be the top",
            f"name one with --top (top= in Python), as --top {usable[0]}",
        )

    def children(self, name: str) -> dict[str, int]:
        """Modules instantiated in a module, with their number, in order of first appearance."""
        module = self.modules[name]
        counts = np.bincount(module.cell_master, minlength=len(self.masters))
        found: dict[str, int] = {}
        for row in np.flatnonzero(counts):
            master = self.masters[row]
            if isinstance(master, str):
                found[master] = int(counts[row])
        return found

    def order(self, top: str) -> list[str]:
        """The modules under *top*, each before the modules that it instantiates.

        Raises:
            CircuitError: a module instantiates itself, directly or through others.
        """
        state: dict[str, int] = {}
        finished: list[str] = []
        stack = [(top, iter(self.children(top)))]
        state[top] = 1
        while stack:
            name, rest = stack[-1]
            child = next(rest, None)
            if child is None:
                state[name] = 2
                finished.append(name)
                stack.pop()
            elif state.get(child) == 1:
                path = [entry[0] for entry in stack]
                raise self._recursion([*path[path.index(child) :], child])
            elif child not in state:
                state[child] = 1
                stack.append((child, iter(self.children(child))))
        return finished[::-1]

    def _refuse_recursion(self, names: Iterable[str]) -> None:
        for name in names:
            self.order(name)

    def _recursion(self, path: Sequence[str]) -> CircuitError:
        shown = " -> ".join(path if len(path) < 8 else [*path[:3], "...", *path[-2:]])
        return CircuitError(
            self.modules[path[0]].place, f"module {path[0]!r}", f"instantiates itself: {shown}", "break the recursion"
        )

    def expanded(self, top: str) -> dict[str, int]:
        """How often each module under *top* appears once flattened (whole numbers of any size)."""
        counts = dict.fromkeys(self.order(top), 0)
        counts[top] = 1
        for name in counts:
            for child, times in self.children(name).items():
                counts[child] += counts[name] * times
        return counts

    def flatten(self, top: str | None = None) -> Circuit:
        """The Circuit of the whole hierarchy under the top.

        Raises:
            CircuitError: the top is ambiguous or missing, a module contains itself, or the circuit would have more
                cells than CIRCUITGRAPH_MAX_CELLS.
        """
        name = self.top(top)
        counts = self.expanded(name)
        most = limit("CIRCUITGRAPH_MAX_CELLS", MAX_CELLS)
        cells = sum(times * self.modules[module].num_cells for module, times in counts.items())
        nets = sum(times * len(self.modules[module].net_constant) for module, times in counts.items())
        for number, what in ((cells, "cells"), (nets, "nets")):
            if number > most * (1 if what == "cells" else 4):
                raise CircuitError(
                    self.place,
                    f"module {name!r}",
                    f"expands to {_power(number)} {what}, more than {most:,}",
                    "raise CIRCUITGRAPH_MAX_CELLS, or read with flatten=False",
                )
        from circuitgraph.flattening import Flattening

        return Flattening(self, name).circuit()


def _power(number: int) -> str:
    return f"{number:,}" if number < 10**12 else f"about 1e{len(str(number)) - 1}"


__all__ = ["Design", "Module"]
