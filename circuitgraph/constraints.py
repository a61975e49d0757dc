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
class Clock:
    """A clock.

    | field | meaning |
    |---|---|
    | period, waveform | s; first rising and falling edge, 0 <= rise, fall <= rise + period |
    | sources | places where it starts; () of a virtual clock |
    | is_propagated | arrivals at registers go through the graph, else they are ideal |
    | latency | network latency of an ideal clock |
    | source_latency | from the clock's origin to its sources |
    | transition | slew at registers of an ideal clock |
    | setup_uncertainty, hold_uncertainty | s; NaN where not set |
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
class PathException:
    """A false path or a multicycle path, by its start and end.

    | field | meaning |
    |---|---|
    | kind | "false" or "multicycle" |
    | from_clocks, from_places | start; both None: any start. A path matches when one of them holds it |
    | to_clocks, to_places | end, likewise |
    | setup, hold | whether it holds for late and for early paths |
    | cycles | of a multicycle path |
    | by_end_clock | cycles of the capturing clock are counted, else of the launching one |
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


@dataclass(frozen=True, eq=False)
class Constraints:
    """What an SDC file says about a circuit; T terminals, P pins.

    | field | type, shape | meaning |
    |---|---|---|
    | clocks | tuple of Clock | in the order of creation |
    | input_delays, output_delays | tuples of PortDelay | |
    | input_transition | float64 [T, 4] | slew at input ports |
    | load | float64 [T, 4] | capacitance outside of the port |
    | driving_cells | terminal -> tuple of DrivingCell | |
    | net_load | net -> F | wire capacitance that replaces the net's own |
    | case_values | place -> 0 or 1 | constants by case analysis |
    | disabled_places, disabled_arcs | places; (from place, to place) | no timing through them |
    | disabled_types | (type, from port or "", to port or "") | arcs of every cell of a type |
    | exclusive | frozenset of (clock, clock) | pairs without paths between them, both orders |
    | clock_uncertainty | (from, to) -> (setup, hold) | between two clocks |
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
    driving_cells: dict[int, tuple[DrivingCell, ...]] = field(default_factory=dict)
    net_load: dict[int, float] = field(default_factory=dict)
    case_values: dict[int, int] = field(default_factory=dict)
    disabled_places: frozenset[int] = frozenset()
    disabled_arcs: frozenset[tuple[int, int]] = frozenset()
    disabled_types: frozenset[tuple[str, str, str]] = frozenset()
    exclusive: frozenset[tuple[int, int]] = frozenset()
    clock_uncertainty: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
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
