"""Where paths start: slews and arrivals at ports, clock sources and the pins of ideal clocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_planes import Plane, at, edge_time, source_latency
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.circuit import Direction
from circuitgraph.constraints import Clock, PortDelay

FloatArray = npt.NDArray[np.float64]


@dataclass
class Boundary:
    """Values at special nodes; S of them, K planes.

    | field | type, shape | meaning |
    |---|---|---|
    | node | int32 [S] | |
    | slew | float64 [S, 4] | NaN where the node's own arcs give it |
    | arrival | float64 [S, K, 4] | NaN where none starts |
    | blocks | uint8 [S] | arrivals from upstream stop |
    | tag | int32 [S] | start-point tag |
    | ideal_slew | float64 [S, 4] | slew of a register's clock pin under an ideal clock |
    | added | node -> float64 [4] | s that a driving cell or a resistance adds behind a port; part of ``arrival`` |
    """

    node: list[int] = field(default_factory=list)
    slew: list[list[float]] = field(default_factory=list)
    arrival: list[FloatArray] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    tag: list[int] = field(default_factory=list)
    ideal_slew: list[list[float]] = field(default_factory=list)
    row: dict[int, int] = field(default_factory=dict)
    added: dict[int, FloatArray] = field(default_factory=dict)

    def at(self, node: int, planes: int) -> int:
        """Row of a node, new or known."""
        if node not in self.row:
            self.row[node] = len(self.node)
            self.node.append(node)
            self.slew.append([math.nan] * 4)
            self.arrival.append(np.full((planes, 4), np.nan))
            self.blocks.append(0)
            self.tag.append(0)
            self.ideal_slew.append([math.nan] * 4)
        return self.row[node]

    def clock_slew(self, prepared: Prepared, slew: FloatArray) -> FloatArray:
        """Slews with those of ideal clocks at the clock pins of registers."""
        ideal = np.array(self.ideal_slew).reshape(-1, 4)
        if not len(ideal) or np.isnan(ideal).all():
            return slew
        found = slew.copy()
        nodes = np.array(self.node)
        found[nodes] = np.where(np.isnan(ideal), found[nodes], ideal)
        return found


def boundary_of(
    prepared: Prepared, load: FloatArray, through_latches: Mapping[int, FloatArray] | None = None
) -> Boundary:
    """Slews and arrivals where paths start: ports, clock sources, ideal clock pins, outputs of open latches.

    Args:
        prepared: the circuit.
        load: F on every net, float64 [N, 4].
        through_latches: arrivals that latches let through at their outputs, float64 [K, 4] by node.
    """
    circuit, constraints, planes = prepared.circuit, prepared.constraints, prepared.planes
    boundary = Boundary()
    count = len(planes)
    driving = constraints.driving_cells
    extra = boundary.added
    for port in np.flatnonzero((circuit.port_direction != Direction.OUTPUT) & (circuit.port_net >= 0)).tolist():
        row = boundary.at(circuit.num_pins + port, count)
        given = constraints.input_transition[port] if len(constraints.input_transition) else np.full(4, np.nan)
        boundary.slew[row] = np.where(np.isnan(given), 0.0, given).tolist()
        if prepared.value[circuit.num_pins + port] < 2:
            boundary.slew[row] = [0.0] * 4
            continue
        if port in driving:
            from circuitgraph.analysis.sta_driving import driven_port

            slews, extra[circuit.num_pins + port] = driven_port(prepared, port, load)
            boundary.slew[row] = np.where(np.isnan(slews), boundary.slew[row], slews).tolist()
        elif len(constraints.drive) and not np.isnan(constraints.drive[port]).all():
            charged = constraints.drive[port] * load[int(circuit.port_net[port])]
            boundary.slew[row] = np.where(np.isnan(charged), boundary.slew[row], charged).tolist()
            extra[circuit.num_pins + port] = np.nan_to_num(charged) * constraints.derate[[1, 1, 3, 3]]
    for number, clock in enumerate(constraints.clocks):
        for source, place in enumerate(clock.sources):
            row = boundary.at(place, count)
            boundary.blocks[row] = 1
            for edge in (0, 1):
                for early in (0, 1):
                    latency = source_latency(clock, edge, bool(early))
                    latency = clock.insertion[source][2 * early + edge] if clock.insertion else latency
                    time = edge_time(clock, edge) + latency
                    time += float(extra[place][2 * early + edge]) if place in extra else 0.0
                    boundary.arrival[row][2 * number + edge, 2 * early + edge] = time
    for delay in constraints.input_delays:
        _input_delay(prepared, boundary, delay, extra.get(delay.place))
    for place in prepared.unclocked_ports.tolist():
        row = boundary.at(place, count)
        plane = planes.number.get(Plane(-1, 0, False, planes.tag_of.get(place, 0)), -1)
        if plane >= 0:
            boundary.arrival[row][plane] = extra.get(place, np.zeros(4))
    for place, tag in planes.tag_of.items():
        boundary.tag[boundary.at(int(prepared.nodes.load_half[place]), count)] = tag
    for node in prepared.unclocked_pins.tolist():
        row = boundary.at(node, count)
        boundary.tag[row] = planes.unclocked_tags[planes.tag_of.get(int(prepared.nodes.place[node]), 0)]
        boundary.arrival[row][planes.number[Plane(-1, 0, False)]] = 0.0
    _ideal_clocks(prepared, boundary)
    for node, times in (through_latches or {}).items():
        boundary.arrival[boundary.at(node, count)] = times
    return boundary


def _input_delay(prepared: Prepared, boundary: Boundary, delay: PortDelay, extra: FloatArray | None) -> None:
    planes = prepared.planes
    row = boundary.at(delay.place, len(planes))
    tag = planes.tag_of.get(delay.place, 0)
    base = np.zeros(4)
    plane = Plane(-1, 0, False, tag)
    if delay.clock >= 0:
        clock, edge = planes.clocks[delay.clock], int(delay.is_fall)
        plane = Plane(delay.clock, edge, False, tag)
        base = np.array([edge_time(clock, edge) + input_latency(clock, delay, column) for column in range(4)])
    number = planes.number.get(plane)
    if number is None:
        return
    times = base + np.array(delay.delay) + (0.0 if extra is None else extra)
    old = boundary.arrival[row][number]
    late, early_times = np.fmax(old[:2], times[:2]), np.fmin(old[2:], times[2:])
    boundary.arrival[row][number] = np.concatenate([late, early_times])


def input_latency(clock: Clock, delay: PortDelay, column: int) -> float:
    """Latency of a clock that an input delay is counted from, s."""
    edge, early = int(delay.is_fall), column >= 2
    found = 0.0 if delay.source_latency_included else source_latency(clock, edge, early)
    if not clock.is_propagated and not delay.network_latency_included:
        found += at(clock.latency, 2 * int(early) + edge)
    return found


def _ideal_clocks(prepared: Prepared, boundary: Boundary) -> None:
    """Slews of ideal clocks at every node that launches or checks."""
    clocks = prepared.planes.clocks
    if all(clock.is_propagated for clock in clocks):
        return
    starts = set(prepared.arcs.source[prepared.launches].tolist()) | set(prepared.checks.source.tolist())
    for node in sorted(starts & set(prepared.clock_edges)):
        bits = prepared.clock_edges[node]
        reaching = [row for row in range(len(clocks)) if bits >> 4 * row & 15 and not clocks[row].is_propagated]
        if reaching:
            row = boundary.at(node, len(prepared.planes))
            slews = [[at(clocks[clock].transition, column) for clock in reaching] for column in range(4)]
            boundary.ideal_slew[row] = [max(slew) if column < 2 else min(slew) for column, slew in enumerate(slews)]
