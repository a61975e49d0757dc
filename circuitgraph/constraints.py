"""Constraints: clocks, delays at the ports, environment and exceptions, resolved to pins and terminals.

A *place* is an index as in the rest of timing: pin p of the circuit is p, terminal t is P + t.
Four columns are always late rise, late fall, early rise, early fall; NaN where nothing is set. Seconds, farads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import Notes

FloatArray = npt.NDArray[np.float64]
Four = tuple[float, float, float, float]
NOTHING: Four = (float("nan"),) * 4


@dataclass(frozen=True)
class Generated:
    """How a clock comes from another one.

    | field | meaning |
    |---|---|
    | source | place whose waveform it is made from; the master's path to the clock leads through it |
    | master | row of the master clock, -1: the one that is found at the source |
    | divide_by, multiply_by | of the frequency; 0 where not given |
    | duty_cycle | share of the period that it is high, %; 0: as the master |
    | edges, edge_shifts | numbers of the master's edges (from 1) that are its rise, fall and next rise; s added to each |
    | invert | the other way round |
    | is_combinational | the path from the source leads through no register |
    """

    source: int
    master: int = -1
    divide_by: int = 0
    multiply_by: int = 0
    duty_cycle: float = 0.0
    edges: tuple[int, ...] = ()
    edge_shifts: tuple[float, ...] = ()
    invert: bool = False
    is_combinational: bool = False

    def waveform(self, period: float, edges: tuple[float, float]) -> tuple[float, tuple[float, float]]:
        """Period and waveform of the clock, s, from those of its master.

        Source: ``create_generated_clock`` of OpenSTA 2.0.17: a power of two divides by rising edges, so that the clock is
        high for half of its period; another number stretches the master's waveform.

        >>> Generated(0, divide_by=2).waveform(4.0, (1.0, 2.0))
        (8.0, (1.0, 5.0))
        >>> Generated(0, divide_by=3, invert=True).waveform(4.0, (0.0, 1.0))
        (12.0, (3.0, 12.0))
        >>> Generated(0, edges=(2, 3, 4)).waveform(4.0, (0.0, 1.0))
        (4.0, (1.0, 4.0))
        """
        rise, fall = edges
        if self.edges:
            times = [edges[(edge - 1) % 2] + (edge - 1) // 2 * period for edge in self.edges]
            first, second, third = (t + s for t, s in zip(times, self.edge_shifts or (0.0,) * 3, strict=True))
            return third - first, (first, second)
        if self.multiply_by:
            new, fall = period / self.multiply_by, fall / self.multiply_by
            rise = rise if self.duty_cycle else rise / self.multiply_by
            fall = rise + new * self.duty_cycle / 100.0 if self.duty_cycle else fall
        else:
            by = max(self.divide_by, 1)
            new = period * by
            if by & (by - 1) == 0 and by > 1:
                fall = rise + new / 2
            else:
                rise, fall = rise * by, fall * by
        if self.invert:
            offset = new if rise >= new else 0.0
            rise, fall = fall - offset, rise - offset + new
        return new, (rise, fall)


@dataclass(frozen=True)
class Clock:
    """A clock.

    | field | meaning |
    |---|---|
    | period, waveform | s; first rising and falling edge, 0 <= rise, fall <= rise + period; of a generated clock the
      edges may lie later |
    | sources | places where it starts; () of a virtual clock |
    | is_propagated | arrivals at registers go through the graph, else they are ideal |
    | latency | network latency of an ideal clock |
    | source_latency | from the clock's origin to its sources |
    | transition | slew at registers of an ideal clock |
    | setup_uncertainty, hold_uncertainty | s; NaN where not set |
    | generated | how it comes from another clock; period and waveform are NaN until its master is known (analysis) |
    | insertion | s from the master's origin to each source, by column, where an analysis found it |
    """

    name: str
    period: float
    waveform: tuple[float, float]
    sources: tuple[int, ...] = ()
    is_propagated: bool = False
    latency: Four = NOTHING
    source_latency: Four = NOTHING
    transition: Four = NOTHING
    setup_uncertainty: float = float("nan")
    hold_uncertainty: float = float("nan")
    generated: Generated | None = None
    insertion: tuple[Four, ...] = ()

    @property
    def is_virtual(self) -> bool:
        """Whether it has no place in the circuit."""
        return not self.sources


@dataclass(frozen=True)
class PortDelay:
    """An input or output delay at a place, towards one edge of a clock.

    | field | meaning |
    |---|---|
    | place | of the port or pin |
    | clock | row of the clock, -1 without one |
    | is_fall | counted from the falling edge of the clock |
    | delay | s, [4] |
    | source_latency_included, network_latency_included | the delay holds the latency of the clock already |
    """

    place: int
    clock: int
    is_fall: bool
    delay: Four
    source_latency_included: bool = False
    network_latency_included: bool = False


@dataclass(frozen=True)
class DrivingCell:
    """What drives an input port.

    | field | meaning |
    |---|---|
    | cell_type, from_port, port | names in the library; from_port "" = the first arc into ``port`` |
    | transition | s, (rise, fall) slew at its input |
    | columns | which of the four columns it holds for |
    """

    cell_type: str
    from_port: str
    port: str
    transition: tuple[float, float] = (0.0, 0.0)
    columns: tuple[bool, bool, bool, bool] = (True,) * 4


@dataclass(frozen=True)
class Through:
    """Places of which a path must pass one.

    | field | meaning |
    |---|---|
    | places | pins and terminals; of a net those that read it |
    | edge | 0 rise, 1 fall there, -1 either |
    """

    places: frozenset[int]
    edge: int = -1


@dataclass(frozen=True)
class PathException:
    """A false path, a multicycle path, or a largest or smallest delay, by its start, what it passes and its end.

    | field | meaning |
    |---|---|
    | kind | "false", "multicycle", "max_delay" or "min_delay" |
    | from_clocks, from_places | start; both None: any start. A path matches when one of them holds it |
    | to_clocks, to_places | end, likewise |
    | setup, hold | whether it holds for late and for early paths |
    | cycles | of a multicycle path |
    | by_end_clock | cycles of the capturing clock are counted, else of the launching one |
    | throughs | what a path passes, in this order |
    | from_edge | edge at the start: of a clock's source or of a place; 0 rise, 1 fall, -1 either |
    | to_edge | edge at the end: of the capturing clock's source or of the data at a place |
    | end_edge | edge of the data at the end, whatever the end is |
    | delay | s, of a largest or smallest delay |
    | ignores_latency | the delay is counted from the launching clock's pin to the end, without clocks |
    """

    kind: str
    from_clocks: frozenset[int] | None = None
    from_places: frozenset[int] | None = None
    to_clocks: frozenset[int] | None = None
    to_places: frozenset[int] | None = None
    setup: bool = True
    hold: bool = True
    cycles: int = 1
    by_end_clock: bool = True
    throughs: tuple[Through, ...] = ()
    from_edge: int = -1
    to_edge: int = -1
    end_edge: int = -1
    delay: float = float("nan")
    ignores_latency: bool = False

    @property
    def is_delay(self) -> bool:
        """Whether it bounds a delay instead of counting clock cycles."""
        return self.kind in {"max_delay", "min_delay"}

    @property
    def priority(self) -> int:
        """What wins where several exceptions hold a path: the kind, then how its ends are named.

        Source: OpenSTA 2.0.17: false paths, then delays, then multicycle paths; start at a pin, end at a pin, what is
        passed, start at a clock, end at a clock.
        """
        kind = {"false": 4000, "max_delay": 3000, "min_delay": 3000, "multicycle": 2000}[self.kind]
        named = 64 * bool(self.from_places) + 32 * bool(self.to_places) + 16 * bool(self.throughs)
        return kind + named + 8 * bool(self.from_clocks) + 4 * bool(self.to_clocks)


@dataclass(frozen=True, eq=False)
class Constraints:
    """What an SDC file says about a circuit; T terminals, P pins.

    | field | type, shape | meaning |
    |---|---|---|
    | clocks | tuple of Clock | in the order of creation |
    | input_delays, output_delays | tuples of PortDelay | |
    | input_transition | float64 [T, 4] | slew at input ports |
    | load | float64 [T, 4] | capacitance outside of the port |
    | drive | float64 [T, 4] | ohm between the outside and an input port; NaN where none |
    | driving_cells | terminal -> tuple of DrivingCell | |
    | net_load | net -> F | wire capacitance that replaces the net's own |
    | case_values | place -> 0 or 1 | constants by case analysis |
    | disabled_places, disabled_arcs | places; (from place, to place) | no timing through them |
    | disabled_types | (type, from port or "", to port or "") | arcs of every cell of a type |
    | exclusive | frozenset of (clock, clock) | pairs without paths between them, both orders |
    | clock_uncertainty | (from, to) -> (setup, hold) | between two clocks |
    | edge_uncertainty | (from, edge, to, edge) -> (setup, hold) | between two edges of clocks (0 rise, 1 fall); before the one
      between the clocks |
    | borrow_limits | {"clock": {row: s}, "cell": ..., "pin": ...} | most that latches may borrow: by clock of the enable, cell
      and pin (data or enable) |
    | ungated | cells and places | where no clock-gating check is inferred |
    | exceptions | tuple of PathException | |
    | derate | float64 [4] | factors: late cell, late net, early cell, early net |
    | clock_gating | (setup, hold) or None | s, of inferred clock-gating checks |
    | notes | Notes | commands that change no timing, counted |
    """

    clocks: tuple[Clock, ...] = ()
    input_delays: tuple[PortDelay, ...] = ()
    output_delays: tuple[PortDelay, ...] = ()
    input_transition: FloatArray = field(default_factory=lambda: np.zeros((0, 4)))
    load: FloatArray = field(default_factory=lambda: np.zeros((0, 4)))
    drive: FloatArray = field(default_factory=lambda: np.zeros((0, 4)))
    driving_cells: dict[int, tuple[DrivingCell, ...]] = field(default_factory=dict)
    net_load: dict[int, float] = field(default_factory=dict)
    case_values: dict[int, int] = field(default_factory=dict)
    disabled_places: frozenset[int] = frozenset()
    disabled_arcs: frozenset[tuple[int, int]] = frozenset()
    disabled_types: frozenset[tuple[str, str, str]] = frozenset()
    exclusive: frozenset[tuple[int, int]] = frozenset()
    clock_uncertainty: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    edge_uncertainty: dict[tuple[int, int, int, int], tuple[float, float]] = field(default_factory=dict)
    borrow_limits: dict[str, dict[int, float]] = field(default_factory=dict)
    ungated: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    exceptions: tuple[PathException, ...] = ()
    derate: FloatArray = field(default_factory=lambda: np.ones(4))
    clock_gating: tuple[float, float] | None = None
    notes: Notes = field(default_factory=Notes)
    place: str = ""

    def counts(self) -> dict[str, int]:
        """Sizes, for ``inspect``."""
        return {
            "clocks": len(self.clocks),
            "input_delays": len(self.input_delays),
            "output_delays": len(self.output_delays),
            "exceptions": len(self.exceptions),
        }
