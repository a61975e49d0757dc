"""Checks of timing analysis: setup, hold, recovery, removal, output delays; slacks of all endpoints."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_planes import at, edge_time, ideal_arrival, separations, source_latency, widest_gap
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.constraints import PathException
from circuitgraph.library import TimingType

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]


class Check(enum.IntEnum):
    """What an endpoint is checked for; even ones bound late arrivals, odd ones early arrivals."""

    SETUP = 0
    HOLD = 1
    RECOVERY = 2
    REMOVAL = 3
    OUTPUT_SETUP = 4
    OUTPUT_HOLD = 5
    GATING_SETUP = 6
    GATING_HOLD = 7

    @property
    def label(self) -> str:
        """The word of the output files: setup, hold, recovery or removal."""
        return {2: "recovery", 3: "removal"}.get(int(self), "hold" if self & 1 else "setup")


KINDS = {
    TimingType.SETUP_RISING: (Check.SETUP, 0),
    TimingType.SETUP_FALLING: (Check.SETUP, 1),
    TimingType.HOLD_RISING: (Check.HOLD, 0),
    TimingType.HOLD_FALLING: (Check.HOLD, 1),
    TimingType.RECOVERY_RISING: (Check.RECOVERY, 0),
    TimingType.RECOVERY_FALLING: (Check.RECOVERY, 1),
    TimingType.REMOVAL_RISING: (Check.REMOVAL, 0),
    TimingType.REMOVAL_FALLING: (Check.REMOVAL, 1),
    TimingType.NON_SEQ_SETUP_RISING: (Check.SETUP, 0),
    TimingType.NON_SEQ_SETUP_FALLING: (Check.SETUP, 1),
    TimingType.NON_SEQ_HOLD_RISING: (Check.HOLD, 0),
    TimingType.NON_SEQ_HOLD_FALLING: (Check.HOLD, 1),
}


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of an arrival and a check; M pairs.

    | field | type, shape | meaning |
    |---|---|---|
    | node | int32 [M] | data pin |
    | edge | int8 [M] | edge of the data: 0 rise, 1 fall |
    | kind | int8 [M] | :class:`Check` |
    | plane, clock_plane | int16 [M] | what launched the data, what captures it |
    | clock_node, clock_edge | int32, int8 [M] | capturing pin (-1 of an output delay) and its edge |
    | arrival, required, slack | float64 [M] | s |
    | margin | float64 [M] | setup or hold time, output delay |
    | shift | float64 [M] | s added to the capturing clock's arrival |
    | uncertainty | float64 [M] | s |
    | credit | float64 [M] | s, clock reconvergence pessimism removed; part of ``required`` |
    | launch_node | int32 [M] | clock pin that the path starts at where a credit depends on it, else -1 |
    """

    node: IntArray
    edge: npt.NDArray[np.int8]
    kind: npt.NDArray[np.int8]
    plane: npt.NDArray[np.int16]
    clock_plane: npt.NDArray[np.int16]
    clock_node: IntArray
    clock_edge: npt.NDArray[np.int8]
    arrival: FloatArray
    required: FloatArray
    slack: FloatArray
    margin: FloatArray
    shift: FloatArray
    uncertainty: FloatArray
    credit: FloatArray
    launch_node: IntArray

    def __len__(self) -> int:
        return len(self.node)

    def take(self, rows: npt.NDArray[np.generic]) -> Candidates:
        """The given pairs, in their order."""
        return Candidates(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @classmethod
    def joined(cls, parts: list[Candidates]) -> Candidates:
        """All pairs of several."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class CheckRows:
    """Checks as rows: clock pin, data pin, kind; G checks.

    | field | type, shape | meaning |
    |---|---|---|
    | clock_node, node | int32 [G] | |
    | kind, clock_edge | int8 [G] | :class:`Check`, active edge of the clock pin |
    | margin | float64 [G, 2] | s by edge of the data; NaN where that edge is not checked |
    """

    clock_node: IntArray
    node: IntArray
    kind: npt.NDArray[np.int8]
    clock_edge: npt.NDArray[np.int8]
    margin: FloatArray

    def __add__(self, other: CheckRows) -> CheckRows:
        """The checks of both."""
        names = self.__dataclass_fields__
        return CheckRows(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))


def liberty_checks(prepared: Prepared, slew: FloatArray, clock_slew: FloatArray) -> CheckRows:
    """The library's checks with their margins.

    Setup reads the late slew of the data and the early slew of the clock, hold the reverse.

    Args:
        prepared: the circuit.
        slew: float64 [V, 4].
        clock_slew: the same, with the slews of ideal clocks at their pins.
    """
    from circuitgraph.analysis.sta_kernels import _kernel_margins

    library, checks = prepared.library, prepared.checks
    bank = library.tables
    of_type = np.zeros((len(TimingType), 2), np.int8)
    for timing_type, (check, active) in KINDS.items():
        of_type[timing_type] = check, active
    kind, clock_edge = np.ascontiguousarray(of_type[library.arc_timing[checks.library_arc]].T)
    margin = np.empty((len(checks), 2))
    _kernel_margins(
        bank.shape,
        bank.axis,
        bank.start,
        bank.axes,
        bank.values,
        np.ascontiguousarray(library.arc_table),
        checks.library_arc,
        checks.source,
        checks.target,
        (kind & 1).astype(np.int8),
        clock_edge,
        clock_slew,
        slew,
        margin,
    )
    return CheckRows(checks.source, checks.target, kind, clock_edge, margin)


def gating_checks(prepared: Prepared) -> CheckRows:
    """The inferred clock-gating checks: setup to the edge that opens the gate, hold to the one that closes it."""
    gates = prepared.gates
    chosen = np.flatnonzero(gates.clocks_register)
    count = len(chosen)
    setup, hold = prepared.constraints.clock_gating or (0.0, 0.0)
    active = gates.active[chosen]
    return CheckRows(
        np.tile(gates.clock_node[chosen], 2),
        np.tile(gates.node[chosen], 2),
        np.repeat(np.array([Check.GATING_SETUP, Check.GATING_HOLD], np.int8), count),
        np.concatenate([active, 1 - active]).astype(np.int8),
        np.repeat([[setup, setup], [hold, hold]], count, axis=0).reshape(-1, 2),
    )


def candidates(prepared: Prepared, rows: CheckRows, arrival: FloatArray) -> Candidates:
    """Every pair of a data arrival and a clock arrival that a check relates.

    Args:
        prepared: the circuit.
        rows: its checks.
        arrival: float64 [V, K, 4].
    """
    planes = prepared.planes
    parts: list[Candidates] = []
    for clock_plane, capture in enumerate(planes.rows):
        if not capture.is_clock:
            continue
        clock = planes.clocks[capture.clock]
        for plane, launch in enumerate(planes.rows):
            if launch.clock < 0 or (launch.clock, capture.clock) in prepared.constraints.exclusive:
                continue
            apart = separations(planes.clocks[launch.clock], launch.edge, clock, capture.edge)
            for is_early in (0, 1):
                for edge in (0, 1):
                    chosen = np.flatnonzero((rows.kind & 1 == is_early) & ~np.isnan(rows.margin[:, edge]))
                    if not len(chosen):
                        continue
                    node, clock_node = rows.node[chosen], rows.clock_node[chosen]
                    active = rows.clock_edge[chosen].astype(np.int64)
                    time = arrival[node, plane, 2 * is_early + edge]
                    capture_time = arrival[clock_node, clock_plane, 2 * (1 - is_early) + active]
                    found = np.isfinite(time) & np.isfinite(capture_time)
                    if not found.any():
                        continue
                    chosen, node, clock_node, active = chosen[found], node[found], clock_node[found], active[found]
                    time, capture_time = time[found], capture_time[found]
                    if not clock.is_propagated:
                        capture_time = np.full(len(time), ideal_arrival(clock, capture.edge, not is_early))
                    launched = edge_time(planes.clocks[launch.clock], launch.edge)
                    shift = np.full(len(time), launched + apart[is_early] - edge_time(clock, capture.edge))
                    if is_early:
                        other = 1 - capture.edge
                        most = widest_gap(planes.clocks[launch.clock], launch.edge, clock, other)
                        moved = launched + most - edge_time(clock, other) - clock.period
                        shift[rows.kind[chosen] == Check.GATING_HOLD] = moved
                    parts.append(
                        _pairs(
                            prepared,
                            (plane, clock_plane),
                            (node, clock_node, active, edge),
                            rows.kind[chosen],
                            (time, capture_time, rows.margin[chosen, edge], shift),
                        )
                    )
    parts += _outputs(prepared, arrival)
    return Candidates.joined(parts) if parts else _none()


def _pairs(
    prepared: Prepared,
    pair: tuple[int, int],
    pins: tuple[IntArray, IntArray, npt.NDArray[np.int64], int],
    kind: npt.NDArray[np.int8],
    times: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
) -> Candidates:
    """Pairs of one data plane and one clock plane with exceptions, uncertainty and slack."""
    node, clock_node, active, edge = pins
    time, capture_time, margin, shift = times
    count = len(node)
    is_early = int(kind[0]) & 1
    planes = prepared.planes
    launch, capture = planes.rows[pair[0]], planes.rows[pair[1]]
    shifts = shift.copy()
    keep = np.ones(count, np.bool_)
    for row, exception in enumerate(prepared.constraints.exceptions):
        if not (exception.hold if is_early else exception.setup) and exception.kind == "false":
            continue
        if not _starts(exception, row, launch.clock, planes.tags[launch.tag]):
            continue
        ends = _ends(exception, capture.clock, prepared.nodes.place[node])
        if exception.kind == "false":
            keep &= ~ends
        else:
            shifts += np.where(ends, _cycles(exception, bool(is_early), prepared, launch.clock, capture.clock), 0.0)
    uncertainty = np.full(count, uncertainty_of(prepared, launch.clock, capture.clock, bool(is_early)))
    sign = 1.0 if is_early else -1.0
    required = capture_time + shifts + sign * (uncertainty + margin)
    slack = (time - required) if is_early else (required - time)
    return Candidates(
        node=node.astype(np.int32),
        edge=np.full(count, edge, np.int8),
        kind=kind,
        plane=np.full(count, pair[0], np.int16),
        clock_plane=np.full(count, pair[1], np.int16),
        clock_node=clock_node.astype(np.int32),
        clock_edge=active.astype(np.int8),
        arrival=time,
        required=required,
        slack=slack,
        margin=margin,
        shift=shifts,
        uncertainty=uncertainty,
        credit=np.zeros(count),
        launch_node=np.full(count, -1, np.int32),
    ).take(keep)


def _starts(exception: PathException, row: int, clock: int, tags: frozenset[int]) -> bool:
    if exception.from_clocks is None and exception.from_places is None:
        return True
    return clock in (exception.from_clocks or ()) or row in tags


def _ends(exception: PathException, clock: int, places: IntArray) -> npt.NDArray[np.bool_]:
    if exception.to_clocks is None and exception.to_places is None:
        return np.ones(len(places), np.bool_)
    if clock in (exception.to_clocks or ()):
        return np.ones(len(places), np.bool_)
    return np.isin(places, np.array(sorted(exception.to_places or ()), np.int64))


def _cycles(exception: PathException, is_early: bool, prepared: Prepared, launch: int, capture: int) -> float:
    """Seconds by which a multicycle path moves the capturing edge."""
    clocks = prepared.planes.clocks
    period = clocks[capture if exception.by_end_clock else launch].period
    if not is_early:
        return (exception.cycles - 1) * period if exception.setup else 0.0
    moved = 0.0
    if exception.setup:
        moved += (exception.cycles - 1) * period
    if exception.hold:
        moved -= exception.cycles * period
    return moved


def uncertainty_of(prepared: Prepared, launch: int, capture: int, is_early: bool) -> float:
    """Uncertainty between two clocks, s: of the pair where given, else of the capturing clock."""
    pair = prepared.constraints.clock_uncertainty.get((launch, capture), (math.nan, math.nan))[int(is_early)]
    if not math.isnan(pair):
        return pair
    clock = prepared.planes.clocks[capture]
    value = clock.hold_uncertainty if is_early else clock.setup_uncertainty
    return 0.0 if math.isnan(value) else value


def _outputs(prepared: Prepared, arrival: FloatArray) -> list[Candidates]:
    """Pairs of arrivals at outputs and output delays.

    An arrival without a clock is required at the clock's first edge (hold) and a period behind it (setup).
    """
    planes = prepared.planes
    parts = []
    for delay in prepared.constraints.output_delays:
        if delay.clock < 0:
            continue
        clock = planes.clocks[delay.clock]
        node = int(prepared.nodes.load_half[delay.place])
        for plane, launch in enumerate(planes.rows):
            if (launch.clock, delay.clock) in prepared.constraints.exclusive:
                continue
            first = edge_time(clock, int(delay.is_fall))
            launched, apart = 0.0, (first + clock.period, first)
            if launch.clock >= 0:
                launched = edge_time(planes.clocks[launch.clock], launch.edge)
                apart = separations(planes.clocks[launch.clock], launch.edge, clock, int(delay.is_fall))
            for is_early in (0, 1):
                latency = (
                    0.0 if delay.source_latency_included else source_latency(clock, int(delay.is_fall), not is_early)
                )
                if not clock.is_propagated and not delay.network_latency_included:
                    latency += at(clock.latency, 2 * (1 - is_early) + int(delay.is_fall))
                for edge in (0, 1):
                    time = arrival[node : node + 1, plane, 2 * is_early + edge]
                    margin = delay.delay[2 * is_early + edge]
                    if not np.isfinite(time[0]) or math.isnan(margin):
                        continue
                    parts.append(
                        _pairs(
                            prepared,
                            (plane, 2 * delay.clock + int(delay.is_fall)),
                            (np.array([node]), np.array([-1]), np.array([int(delay.is_fall)]), edge),
                            np.array([Check.OUTPUT_HOLD if is_early else Check.OUTPUT_SETUP], np.int8),
                            (
                                time,
                                np.array([launched + latency]),
                                np.array([-margin if is_early else margin]),
                                np.array([apart[is_early]]),
                            ),
                        )
                    )
    return parts


def _none() -> Candidates:
    whole, real = np.zeros(0, np.int32), np.zeros(0)
    small, short = np.zeros(0, np.int8), np.zeros(0, np.int16)
    return Candidates(whole, small, small, short, short, whole, small, real, real, real, real, real, real, real, whole)


def worst(found: Candidates) -> Candidates:
    """Of the pairs of each data pin and kind the one with the smallest slack, by node and kind."""
    order = np.lexsort((found.slack, found.kind, found.node))
    node, kind = found.node[order], found.kind[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (node[1:] != node[:-1]) | (kind[1:] != kind[:-1])
    return found.take(order[first])
