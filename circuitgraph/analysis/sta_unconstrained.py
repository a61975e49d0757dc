"""What constraints leave out: endpoints without a check, registers without a clock, ports without a delay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_graph import cell_arcs
from circuitgraph.circuit import Direction
from circuitgraph.library import TimingType

IntArray = npt.NDArray[np.int64]
SETUP = (TimingType.SETUP_RISING, TimingType.SETUP_FALLING)
LAUNCH = (TimingType.RISING_EDGE, TimingType.FALLING_EDGE)
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Unconstrained:
    """Places (pins, then terminals) that no constraint covers, each in the circuit's order.

    | field | type | meaning |
    |---|---|---|
    | endpoints | int64 [.] | register data pins and output ports whose analysis gave no check, false paths included |
    | clock_pins | int64 [.] | register clock pins that no clock reaches |
    | inputs | int64 [.] | input ports without input delay that are no source of a clock |
    | outputs | int64 [.] | output ports without output delay |
    """

    endpoints: IntArray
    clock_pins: IntArray
    inputs: IntArray
    outputs: IntArray

    def counts(self) -> dict[str, int]:
        """How many of each, as in ``summary.json``."""
        return {name: len(getattr(self, name)) for name in self.__dataclass_fields__}


def unconstrained(timing: Timing) -> Unconstrained:
    """What the constraints of an analysis leave out.

    Pins on constants count: no clock comes through one, and its data is not checked.

    Source: ``check_setup`` of OpenSTA 2.0.17, which counts the same except that it takes endpoints of false paths and of
    disabled cells for constrained, and counts data pins without a net.
    """
    prepared = timing.prepared
    circuit, constraints, nodes = prepared.circuit, prepared.constraints, prepared.nodes
    pins = circuit.num_pins
    outputs = np.flatnonzero(circuit.port_direction != Direction.INPUT) + pins
    inputs = np.flatnonzero(circuit.port_direction != Direction.OUTPUT) + pins
    into, _, open_ended = cell_arcs(circuit, prepared.library, prepared.rows, nodes)
    timing_type = prepared.library.arc_timing[into.library_arc]
    data = nodes.place[into.target[np.isin(timing_type, SETUP)]]
    opens = np.isin(prepared.library.arc_timing[open_ended.library_arc], LAUNCH)
    clock_pins = np.union1d(into.source[np.isin(timing_type, LAUNCH)], open_ended.source[opens])
    reached = np.array(sorted(prepared.clock_edges), np.int64)
    checked = nodes.place[timing.endpoints.node]
    given = [delay.place for delay in constraints.input_delays]
    given += [place for clock in constraints.clocks for place in clock.sources]
    return Unconstrained(
        endpoints=np.setdiff1d(np.concatenate([data, outputs]), checked),
        clock_pins=np.unique(nodes.place[np.setdiff1d(clock_pins, reached)]).astype(np.int64),
        inputs=np.setdiff1d(inputs, np.array(given, np.int64)),
        outputs=np.setdiff1d(outputs, np.array([delay.place for delay in constraints.output_delays], np.int64)),
    )


def unconstrained_line(timing: Timing) -> str:
    """The line that says what is not constrained, with the first names of each kind; "" where all is."""
    found = unconstrained(timing)
    parts = []
    for places, one, many, lack in (
        (found.endpoints, "endpoint", "endpoints", "a check"),
        (found.clock_pins, "register clock pin", "register clock pins", "a clock"),
        (found.inputs, "input port", "input ports", "input delay"),
        (found.outputs, "output port", "output ports", "output delay"),
    ):
        if len(places):
            names = [timing.prepared.name(place).replace("\\", "") for place in places[:SHOWN].tolist()]
            more = ", ..." if len(places) > SHOWN else ""
            kind = one if len(places) == 1 else many
            parts.append(f"{len(places):,} {kind} without {lack} ({', '.join(names)}{more})")
    return f"unconstrained: {'; '.join(parts)}" if parts else ""
