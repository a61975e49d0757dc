"""What the factory must know of a library's cells: which may be used, tie cells and buffers found by function.

A type is left out where its Liberty group says ``dont_use``, where its name is that of a probe, a power-gating, a clock
or a delay cell (:data:`SPARED`), and where the LEF files hold no shape of it or of one of its pins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from circuitgraph.circuit import CellType
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.files import read_bytes
from circuitgraph.formats.liberty.groups import clean, parse
from circuitgraph.layout import Technology
from circuitgraph.library import LAST_DELAY, Library
from circuitgraph.synthesis import Target

SPARED = ("*probe*", "*lpflow*", "*clk*", "*dly*", "*delay*")
"""Patterns of names, in lower case, of cells that synthesis must not take: probes, power gating, clock trees, delays."""

WIRE_OF_SINK = 10e-6 * 0.15e-9
"""F of wire that a buffer is expected to drive for each sink: 10 um of 0.15 fF/um."""

NEAR_BEST = 1.2
"""Of the buffers whose delay is at most so many times the least, the smallest is taken."""

LOADS_OF_OUTPUT = 4
"""Median input pins that an output of the circuit drives when ABC sizes."""


@dataclass(frozen=True)
class Cells:
    """The cells that a design is made of.

    | field | meaning |
    |---|---|
    | usable | names of the types that synthesis may take |
    | buffer | type of the buffer trees |
    | tie_high, tie_low | type and output pin |
    | delay | s through a buffer that drives the largest fan-out allowed |
    | load | F, of one input pin, the median |
    """

    usable: frozenset[str]
    buffer: CellType
    tie_high: tuple[str, str]
    tie_low: tuple[str, str]
    delay: float
    load: float

    def target(self, liberty: Path) -> Target:
        """What synthesis maps to; *liberty* is what :func:`marked_liberty` wrote."""
        return Target(liberty, self.tie_high, self.tie_low, self.buffer.name, LOADS_OF_OUTPUT * self.load)


def choose_cells(library: Library, technology: Technology, unused: Sequence[str], max_fan_out: int) -> Cells:
    """The cells of a library that the factory uses.

    Args:
        library: types with functions and tables.
        technology: shapes of the types.
        unused: names that the Liberty files mark ``dont_use``, or patterns of them.
        max_fan_out: most sinks of a net.

    Raises:
        CircuitError: there is no tie cell or no buffer among the usable types.
    """
    patterns = (*SPARED, *(text.lower() for text in unused))
    usable = frozenset(
        kind.name
        for kind in library.types
        if has_shape(kind, technology) and not any(fnmatchcase(kind.name.lower(), text) for text in patterns)
    )
    ties = tie_pins(library, technology)
    load = input_load(library)
    buffers = [
        (stage_delay(library, row, max_fan_out, load), float(library.area[row]), kind.name, kind)
        for row, kind in enumerate(library.types)
        if kind.name in usable and is_buffer(kind)
    ]
    buffers = [found for found in buffers if np.isfinite(found[0])]
    missing = [word for value, word in ((1, "cell that ties high"), (0, "cell that ties low")) if value not in ties]
    missing += [] if buffers else ["buffer"]
    if missing:
        rule = f"has no {missing[0]} that the LEF files hold too"
        raise CircuitError(library.place or library.name, "library", rule, "add the Liberty and LEF files that hold it")
    least = min(found[0] for found in buffers)
    near = [found for found in buffers if found[0] <= NEAR_BEST * least]
    delay, _, _, buffer = min(near, key=lambda found: found[1:3])
    return Cells(usable, buffer, ties[1], ties[0], delay, load)


def has_shape(kind: CellType, technology: Technology) -> bool:
    """Whether the technology holds a core cell's shape of a type, with all its pins."""
    shape = technology.shapes.get(kind.name)
    if shape is None or any(port.name not in shape.pins for port in kind.ports):
        return False
    return (
        not shape.kind.startswith(("pad", "cover", "block", "ring")) and shape.height <= 1.001 * technology.row_height
    )


def is_buffer(kind: CellType) -> bool:
    """One input, one output, the one being the other."""
    if kind.is_sequential or len(kind.inputs) != 1 or len(kind.outputs) != 1:
        return False
    function = kind.functions[kind.outputs[0]]
    return function is not None and function.inputs == (kind.inputs[0],) and function.table == 0b10


def tie_pins(library: Library, technology: Technology) -> dict[int, tuple[str, str]]:
    """For 0 and 1 the smallest type without inputs and its output pin of that constant function."""
    found: dict[int, tuple[float, str, str]] = {}
    for row, kind in enumerate(library.types):
        if kind.inputs or kind.is_sequential or not has_shape(kind, technology):
            continue
        for port in kind.outputs:
            function = kind.functions[port]
            if function is None or function.inputs or function.table is None:
                continue
            value = function.table & 1
            own = (float(library.area[row]), kind.name, kind.ports[port].name)
            found[value] = min(found.get(value, own), own)
    return {value: (name, pin) for value, (_, name, pin) in found.items()}


def input_load(library: Library) -> float:
    """Median capacitance of an input pin, F."""
    loads = library.port_capacitance[:, 0]
    loads = loads[np.isfinite(loads) & (loads > 0)]
    return float(np.median(loads)) if len(loads) else 1e-15


def stage_delay(library: Library, row: int, fan_out: int, load: float) -> float:
    """Delay of a buffer that drives as many of its own kind and then of one that drives so many median pins, s.

    The buffer with the least is strong enough for its sinks and light enough for its driver. NaN where the library
    has no delays of the type.

    Args:
        row: of the type.
        fan_out: sinks of each of the two buffers.
        load: F of a median pin.
    """
    kind = library.types[row]
    own = float(library.port_capacitance[library.port_start[row] + kind.inputs[0], 0])
    loads = [fan_out * (own + WIRE_OF_SINK), fan_out * (load + WIRE_OF_SINK)]
    delays: list[float] = []
    bank = library.tables
    for arc in range(int(library.arc_start[row]), int(library.arc_start[row + 1])):
        if library.arc_timing[arc] > LAST_DELAY:
            continue
        for side in (0, 1):
            table, slews = int(library.arc_table[arc, side]), int(library.arc_table[arc, 2 + side])
            if table < 0:
                continue
            axis = bank.table(table)[0]
            slew = float(axis[len(axis) // 2])
            first = bank.lookup(table, slew, loads[0])
            slew = bank.lookup(slews, slew, loads[0]) if slews >= 0 else slew
            delays.append(first + bank.lookup(table, slew, loads[1]))
    return float(np.mean(delays)) if delays else float("nan")


def marked_liberty(liberty: Path, usable: frozenset[str]) -> str:
    """The text of a Liberty file in which every other cell than the usable ones and tie cells is marked ``dont_use``.

    Yosys and ABC leave marked cells alone; tie cells are named to Yosys apart.

    Raises:
        CircuitError: the file is no Liberty file.
    """
    text = clean(read_bytes(liberty), liberty.name)
    source, parts, done = text.text, [], 0
    for cell in _cells(liberty):
        if cell[0] in usable:
            continue
        opening = source.index("{", cell[1]) + 1
        parts += [source[done:opening], " dont_use : true ;"]
        done = opening
    return "".join([*parts, source[done:]])


def stated_unused(liberty: Path) -> list[str]:
    """Names of the cells that a Liberty file itself marks ``dont_use``."""
    return [name for name, _, is_unused in _cells(liberty) if is_unused]


def _cells(liberty: Path) -> list[tuple[str, int, bool]]:
    """Name, offset in the cleaned text and ``dont_use`` of each cell of a file."""
    groups = parse(clean(read_bytes(liberty), liberty.name), Notes())
    cells = [cell for group in groups if group.name == "library" for cell in group.named("cell")]
    return [(cell.words[0], cell.at, cell.get("dont_use").lower() == "true") for cell in cells if cell.words]
