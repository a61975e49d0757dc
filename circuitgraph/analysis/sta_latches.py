"""Latches: data that arrive while a latch is open borrow time from what follows and go on from its data pin.

The latch opens at an edge of its enable and closes at the next one. Data before the opening wait for it: nothing is
borrowed, and paths behind the latch start at the enable. Data in between go through; behind the latest moment, the closing
less the setup time, the setup check is violated and the path behind starts as if they came at that moment.

Source: OpenSTA 2.0.17. Times behind a latch are counted from the edge that opens it. Pessimism is not credited at latches
(OpenSTA does), and their slews are those of the enable (OpenSTA shows those of the data too, and goes on without them).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_exceptions import Ending
from circuitgraph.analysis.sta_graph import Arcs, Nodes
from circuitgraph.analysis.sta_planes import Plane, Planes, edge_time, ideal_arrival, separations
from circuitgraph.circuit import Circuit
from circuitgraph.library import Library, TimingType

if TYPE_CHECKING:
    from circuitgraph.analysis.sta_prepare import Prepared

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
SLEWS_ONLY = 0xF0
CONSTANTS = 2
ALWAYS, NEVER = 2, 3
MAX_PASSES = 100
"""Most times that arrivals are swept for latches behind latches."""


@dataclass(frozen=True, eq=False)
class Latches:
    """Ways of data through latches; L of them.

    | field | type, shape | meaning |
    |---|---|---|
    | library_arc | int32 [L] | arc of the library from the data pin to the output |
    | data, enable, output | int32 [L] | nodes |
    | opens | int8 [L] | edge of the enable that opens it: 0 rise, 1 fall, 2 a constant holds it open |
    | edges | uint8 [L] | which edges go through, as in an arc's mask |
    """

    library_arc: IntArray
    data: IntArray
    enable: IntArray
    output: IntArray
    opens: npt.NDArray[np.int8]
    edges: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.data)


def is_through(library: Library) -> BoolArray:
    """Whether each arc of the library leads data through a latch, bool [A]."""
    latch = np.array([cell_type.kind.startswith("latch") for cell_type in library.types] or [False], np.bool_)
    return np.asarray(latch[library.arc_type] & (library.arc_timing <= TimingType.COMBINATIONAL_FALL))


def latches_of(
    arcs: Arcs, library: Library, circuit: Circuit, nodes: Nodes, value: npt.NDArray[np.int8]
) -> tuple[Latches, Arcs]:
    """The ways of data through latches, and arcs that give the slews behind those that a constant holds open.

    Args:
        arcs: of all cells.
        library: their types.
        circuit: the cells.
        nodes: pins and terminals.
        value: logic constants, int8 [P + T].
    """
    through = arcs.take(is_through(library)[arcs.library_arc])
    found, open_rows = [], []
    for row in range(len(through)):
        enable, opens = _enable(circuit, library, nodes, int(through.target[row]), int(through.library_arc[row]))
        if enable < 0:
            continue
        constant = int(value[nodes.place[enable]])
        if constant < CONSTANTS:
            if constant == 1 - opens:
                open_rows.append(row)
            opens = ALWAYS if constant == 1 - opens else NEVER
        if opens != NEVER:
            edges = int(through.mask[row])
            found.append(
                (through.library_arc[row], through.source[row], enable, through.target[row], opens, edges & 15)
            )
    table = np.array(found, np.int32).reshape(-1, 6)
    slews = through.take(np.array(open_rows, np.int64))
    library_arc, data, enables, output = (np.ascontiguousarray(table[:, column]) for column in range(4))
    latches = Latches(library_arc, data, enables, output, table[:, 4].astype(np.int8), table[:, 5].astype(np.uint8))
    return latches, Arcs(slews.source, slews.target, slews.library_arc, slews.mask & np.uint8(SLEWS_ONLY))


def _enable(circuit: Circuit, library: Library, nodes: Nodes, output: int, library_arc: int) -> tuple[int, int]:
    """Node of a latch's enable pin and the edge that opens it; -1 where the type has none."""
    kind = int(library.arc_type[library_arc])
    for arc in range(int(library.arc_start[kind]), int(library.arc_start[kind + 1])):
        timing = int(library.arc_timing[arc])
        if library.arc_to[arc] != library.arc_to[library_arc] or timing not in {3, 4}:
            continue
        place = int(nodes.place[output])
        cell = int(circuit.pin_cell[place])
        port = circuit.types[int(circuit.cell_type[cell])].port_index(
            library.types[kind].ports[int(library.arc_from[arc])].name
        )
        return int(nodes.load_half[circuit.pin_start[cell] + port]), int(timing == TimingType.FALLING_EDGE)
    return -1, 0


@dataclass(frozen=True, eq=False)
class Window:
    """When latches take data that one plane launched; M latches.

    | field | type | meaning |
    |---|---|---|
    | opening | float64 [M] | s, as the launching clock counts; less the uncertainty |
    | most | float64 [M] | s behind the opening until data come too late |
    | shift | float64 | s from the times of the enable's clock to those of the launching one |
    """

    opening: FloatArray
    most: FloatArray
    shift: float


def window(
    planes: Planes,
    launch: Plane,
    enable: int,
    times: tuple[FloatArray, FloatArray],
    margin: FloatArray,
    limit: FloatArray,
) -> Window:
    """The window of latches for late data.

    Args:
        planes: all planes.
        launch: what launched the data.
        enable: clock plane that opens.
        times: arrivals of the opening and of the closing edge at the enable pins, s.
        margin: setup times, s.
        limit: most that may be borrowed by constraint, s; NaN where there is none.
    """
    own = planes.rows[enable]
    clock = planes.clocks[own.clock]
    opened, closed = times
    opens, closes = edge_time(clock, own.edge), edge_time(clock, 1 - own.edge)
    if not clock.is_propagated:
        opened = np.full(len(opened), ideal_arrival(clock, own.edge, True))
        closed = np.full(len(closed), ideal_arrival(clock, 1 - own.edge, True))
    width = (closes - opens) % clock.period
    first = planes.clocks[launch.clock]
    start = edge_time(first, launch.edge)
    shift = start + separations(first, launch.edge, clock, 1 - own.edge)[0] - width - opens
    most = width + (closed - closes) - (opened - opens) - margin
    return Window(opened + shift, np.where(np.isnan(limit), most, limit), shift)


def borrow_limits(prepared: Prepared, data: IntArray, enable: IntArray, clock: int) -> FloatArray:
    """Most that latches may borrow by constraint: of a pin, else the cell, else the enable's clock, s; NaN without.

    Args:
        prepared: the circuit.
        data, enable: nodes.
        clock: row of the clock of the enable.
    """
    limits = prepared.constraints.borrow_limits
    found = np.full(len(data), limits.get("clock", {}).get(clock, np.nan))
    pins, cells = limits.get("pin", {}), limits.get("cell", {})
    if not pins and not cells:
        return found
    place = prepared.nodes.place
    for row, (one, two) in enumerate(zip(place[data].tolist(), place[enable].tolist(), strict=True)):
        cell = int(prepared.circuit.pin_cell[one])
        found[row] = pins.get(one, pins.get(two, cells.get(cell, float(found[row]))))
    return found


@dataclass(frozen=True, eq=False)
class Through:
    """What decides which data go through latches; L latches.

    | field | type, shape | meaning |
    |---|---|---|
    | prepared | Prepared | the circuit |
    | margin | float64 [L, 2] | setup times by edge of the data, s; NaN without a check |
    | uncertainty | function | of setup checks from a launching plane to the enable's, s |
    | slew, load | float64 [V, 4], [N, 4] | of the sweep |
    """

    prepared: Prepared
    margin: FloatArray
    uncertainty: Callable[[Plane, Plane], float]
    slew: FloatArray
    load: FloatArray

    def arrivals(self, arrival: FloatArray) -> dict[int, FloatArray]:
        """Late arrivals behind open latches, float64 [K, 4] by output node; NaN where nothing goes through.

        Early arrivals start when a latch opens, as in OpenSTA 2.0.17.

        Args:
            arrival: of the sweep, float64 [V, K, 4].
        """
        latches, planes = self.prepared.latches, self.prepared.planes
        found: dict[int, FloatArray] = {}
        always = np.flatnonzero(latches.opens == ALWAYS)
        for number, launch in enumerate(planes.rows):
            for edge in (0, 1):
                time = arrival[latches.data[always], number, edge]
                for row, at in zip(always[np.isfinite(time)].tolist(), time[np.isfinite(time)].tolist(), strict=True):
                    self._behind(row, edge, number, at, found)
            if launch.clock < 0 or launch.is_clock:
                continue
            for enable, own in enumerate(planes.rows):
                if own.is_clock and (launch.clock, own.clock) not in self.prepared.constraints.exclusive:
                    for edge in (0, 1):
                        self._borrowed(arrival, number, enable, edge, found)
        return found

    def _borrowed(self, arrival: FloatArray, number: int, enable: int, edge: int, found: dict[int, FloatArray]) -> None:
        """Arrivals of data of one plane behind the latches that one clock plane opens."""
        latches, planes = self.prepared.latches, self.prepared.planes
        launch, own = planes.rows[number], planes.rows[enable]
        goal = planes.number.get(Plane(own.clock, own.edge, False, launch.tag), -1)
        opens = np.minimum(latches.opens, 1).astype(np.int64)
        time = arrival[latches.data, number, edge]
        opened = arrival[latches.enable, enable, 2 + opens]
        closed = arrival[latches.enable, enable ^ 1, 3 - opens]
        known = np.isfinite(time) & np.isfinite(opened) & np.isfinite(closed) & ~np.isnan(self.margin[:, edge])
        rows = np.flatnonzero(known & (latches.opens != ALWAYS))
        if goal < 0 or not len(rows):
            return
        limit = borrow_limits(self.prepared, latches.data[rows], latches.enable[rows], own.clock)
        open_for = window(planes, launch, enable, (opened[rows], closed[rows]), self.margin[rows, edge], limit)
        place = self.prepared.nodes.place[latches.data[rows]]
        ending = Ending(planes, launch, own.clock, own.edge, place, edge, is_early=False)
        moved = ending.moved()
        opening = open_for.opening + moved - self.uncertainty(launch, own)
        passes = (time[rows] > opening) & ~ending.false()
        adjusted = np.minimum(time[rows], opening + open_for.most) - open_for.shift - moved
        for row, at in zip(rows[passes].tolist(), adjusted[passes].tolist(), strict=True):
            self._behind(row, edge, goal, at, found)

    def _behind(self, row: int, edge: int, plane: int, time: float, found: dict[int, FloatArray]) -> None:
        """Arrivals at a latch's output from one at its data pin.

        The delay is that of the library's table at the whole load, under the delay model "dmp" too.
        """
        prepared, latches = self.prepared, self.prepared.latches
        library, output = prepared.library, int(latches.output[row])
        at = found.setdefault(output, np.full((len(prepared.planes), 4), np.nan))
        for end in (0, 1):
            table = int(library.arc_table[latches.library_arc[row], end])
            if int(latches.edges[row]) >> (2 * edge + end) & 1 and table >= 0:
                load = float(self.load[prepared.nodes.net[output], end])
                delay = library.tables.lookup(table, float(self.slew[latches.data[row], edge]), load)
                at[plane, end] = np.fmax(at[plane, end], time + delay * float(prepared.constraints.derate[0]))


def same(one: dict[int, FloatArray], other: dict[int, FloatArray]) -> bool:
    """Whether the same arrivals go through the same latches."""
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key], equal_nan=True) for key in one)
