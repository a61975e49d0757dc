"""Checks of timing analysis: setup, hold, recovery, removal, output delays; slacks of all endpoints."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_exceptions import Ending
from circuitgraph.analysis.sta_latches import borrow_limits, window
from circuitgraph.analysis.sta_planes import (
    Plane,
    Planes,
    at,
    edge_time,
    ideal_arrival,
    separations,
    source_latency,
    widest_gap,
)
from circuitgraph.analysis.sta_prepare import Prepared
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
    MAX_DELAY = 8
    MIN_DELAY = 9
    LATCH_SETUP = 10

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


NO_CLOCK = Plane(-1, 0, False)
"""What captures where nothing does."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of an arrival and a check; M pairs.

    | field | type, shape | meaning |
    |---|---|---|
    | node | int32 [M] | data pin |
    | edge | int8 [M] | edge of the data: 0 rise, 1 fall |
    | kind | int8 [M] | :class:`Check` |
    | plane, clock_plane | int16 [M] | what launched the data, what captures it (-1: nothing) |
    | clock_node, clock_edge | int32, int8 [M] | capturing pin (-1 of an output delay) and its edge |
    | arrival, required, slack | float64 [M] | s |
    | margin | float64 [M] | setup or hold time, output delay; of a latch the time borrowed, negative |
    | shift | float64 [M] | s added to the capturing clock's arrival |
    | uncertainty | float64 [M] | s |
    | credit | float64 [M] | s, clock reconvergence pessimism removed; part of ``required`` |
    | bound | int32 [M] | row of the exception that bounds the delay (kind MAX_DELAY or MIN_DELAY), else -1 |
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
    bound: IntArray

    def __len__(self) -> int:
        return len(self.node)

    def take(self, rows: npt.NDArray[np.generic]) -> Candidates:
        """The given pairs, in their order."""
        return Candidates(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @classmethod
    def none(cls) -> Candidates:
        """No pairs."""
        whole, real = np.zeros(0, np.int32), np.zeros(0)
        small, short = np.zeros(0, np.int8), np.zeros(0, np.int16)
        return cls(whole, small, small, short, short, whole, small, *(real,) * 7, whole, whole)

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

    def take(self, chosen: npt.NDArray[np.bool_]) -> CheckRows:
        """The chosen checks."""
        return CheckRows(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

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
    rows, latch_rows = _apart_from_latches(prepared, rows)
    for clock_plane, capture in enumerate(planes.rows):
        if not capture.is_clock:
            continue
        clock = planes.clocks[capture.clock]
        for plane, launch in enumerate(planes.rows):
            if (launch.clock, capture.clock) in prepared.constraints.exclusive:
                continue
            if launch.clock < 0 and not any(track.exception.is_delay for track in planes.tracks):
                continue
            apart = _apart(planes, launch, capture)
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
                    launched = clock_edge_time(planes, launch)
                    shift = np.full(len(time), launched + apart[is_early] - edge_time(clock, capture.edge))
                    if is_early and launch.clock >= 0:
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
    parts += _latches(prepared, latch_rows, arrival)
    parts += _outputs(prepared, arrival)
    parts += _without_capture(prepared, rows, arrival, parts)
    return Candidates.joined(parts) if parts else Candidates.none()


def _pairs(
    prepared: Prepared,
    pair: tuple[int, int],
    pins: tuple[IntArray, IntArray, npt.NDArray[np.int64], int],
    kind: npt.NDArray[np.int8],
    times: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    borrow: FloatArray | None = None,
) -> Candidates:
    """Pairs of one data plane and one clock plane with exceptions, uncertainty and slack.

    What data may *borrow* from behind a latch, s, they borrow as far as they need it.
    """
    node, clock_node, active, edge = pins
    time, capture_time, margin, shift = times
    count = len(node)
    is_early = int(kind[0]) & 1
    planes = prepared.planes
    launch, capture = planes.rows[pair[0]], planes.rows[pair[1]] if pair[1] >= 0 else NO_CLOCK
    place = prepared.nodes.place[node]
    ending = Ending(planes, launch, capture.clock, capture.edge, place, edge, is_early=bool(is_early))
    bound = ending.bound()
    is_bound = bound >= 0
    shifts, uncertainty = np.zeros(count), np.zeros(count)
    if pair[1] >= 0:
        shifts = shift + ending.moved() if launch.clock >= 0 else shift
        uncertainty[:] = uncertainty_of(prepared, launch, capture, bool(is_early))
    if is_bound.any():
        is_out = clock_node < 0
        delays = np.array([track.exception.delay for track in planes.tracks])[bound]
        counted = np.where(is_out, 0.0, capture_time - clock_edge_time(planes, capture))
        capture_time = np.where(is_bound, counted, capture_time)
        shifts = np.where(is_bound, clock_edge_time(planes, launch) + delays, shifts)
        uncertainty[is_bound & is_out] = 0.0
    sign = 1.0 if is_early else -1.0
    required = capture_time + shifts + sign * (uncertainty + margin)
    if borrow is not None:
        margin = np.where(time > required, -np.minimum(time - required, borrow), 0.0)
        required = np.where((time > required) & (time <= required + borrow), time, required - margin)
    slack = (time - required) if is_early else (required - time)
    return Candidates(
        node=node.astype(np.int32),
        edge=np.full(count, edge, np.int8),
        kind=np.where(is_bound, Check.MIN_DELAY if is_early else Check.MAX_DELAY, kind).astype(np.int8),
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
        bound=bound,
    ).take(~ending.false() & (is_bound | (pair[1] >= 0) & ((launch.clock >= 0) | (clock_node < 0))))


def _apart_from_latches(prepared: Prepared, rows: CheckRows) -> tuple[CheckRows, CheckRows]:
    """Checks that are none of data that a latch lets through, and those setup checks that are."""
    latches, count = prepared.latches, np.int64(prepared.nodes.count)
    own = latches.enable.astype(np.int64) * count + latches.data
    key = rows.clock_node.astype(np.int64) * count + rows.node
    is_latch = (rows.kind == Check.SETUP) & np.isin(key, own)
    return rows.take(~is_latch), rows.take(is_latch)


def latch_margins(prepared: Prepared, rows: CheckRows) -> FloatArray:
    """Setup times of the ways through latches by edge of the data, s, float64 [L, 2]; NaN without a check."""
    latches, count = prepared.latches, np.int64(prepared.nodes.count)
    found = np.full((len(latches), 2), np.nan)
    setup = np.flatnonzero(rows.kind == Check.SETUP)
    row = dict(zip((rows.clock_node[setup].astype(np.int64) * count + rows.node[setup]).tolist(), setup, strict=True))
    for way, key in enumerate((latches.enable.astype(np.int64) * count + latches.data).tolist()):
        if key in row:
            found[way] = rows.margin[row[key]]
    return found


def _latches(prepared: Prepared, rows: CheckRows, arrival: FloatArray) -> list[Candidates]:
    """Pairs of latches: required when they open, as late as they close less the setup time where data come later."""
    planes = prepared.planes
    parts = []
    for enable, own in enumerate(planes.rows):
        if not own.is_clock:
            continue
        for number, launch in enumerate(planes.rows):
            if launch.clock < 0 or (launch.clock, own.clock) in prepared.constraints.exclusive:
                continue
            for edge in (0, 1):
                closes = rows.clock_edge.astype(np.int64)
                time = arrival[rows.node, number, edge]
                opened = arrival[rows.clock_node, enable, 2 + 1 - closes]
                closed = arrival[rows.clock_node, enable ^ 1, 2 + closes]
                margin = rows.margin[:, edge]
                chosen = np.flatnonzero(
                    np.isfinite(time) & np.isfinite(opened) & np.isfinite(closed) & ~np.isnan(margin)
                )
                if not len(chosen):
                    continue
                times = (opened[chosen], closed[chosen])
                limit = borrow_limits(prepared, rows.node[chosen], rows.clock_node[chosen], own.clock)
                open_for = window(planes, launch, enable, times, margin[chosen], limit)
                pairs = _pairs(
                    prepared,
                    (number, enable),
                    (rows.node[chosen], rows.clock_node[chosen], 1 - closes[chosen], edge),
                    np.full(len(chosen), Check.LATCH_SETUP, np.int8),
                    (time[chosen], open_for.opening, np.zeros(len(chosen)), np.zeros(len(chosen))),
                    open_for.most,
                )
                parts.append(pairs)
    return parts


def _apart(planes: Planes, launch: Plane, capture: Plane) -> tuple[float, float]:
    """Time from a launching edge to the capturing one, setup and hold; without a launching clock 0."""
    if launch.clock < 0:
        return 0.0, 0.0
    return separations(planes.clocks[launch.clock], launch.edge, planes.clocks[capture.clock], capture.edge)


def clock_edge_time(planes: Planes, plane: Plane) -> float:
    """Time of the clock edge of a plane; 0 without a clock."""
    return edge_time(planes.clocks[plane.clock], plane.edge) if plane.clock >= 0 else 0.0


def uncertainty_of(prepared: Prepared, launch: Plane, capture: Plane, is_early: bool) -> float:
    """Uncertainty between two clock edges, s: of the edges or of the clocks where given, else of the capturing clock."""
    constraints, none, column = prepared.constraints, (math.nan, math.nan), int(is_early)
    edges = (launch.clock, launch.edge, capture.clock, capture.edge)
    for value in (
        constraints.edge_uncertainty.get(edges, none)[column],
        constraints.clock_uncertainty.get((launch.clock, capture.clock), none)[column],
    ):
        if not math.isnan(value):
            return value
    clock = prepared.planes.clocks[capture.clock]
    value = clock.hold_uncertainty if is_early else clock.setup_uncertainty
    return 0.0 if math.isnan(value) else value


def setup_uncertainty(prepared: Prepared) -> Callable[[Plane, Plane], float]:
    """The uncertainty of setup checks by the launching and the capturing plane, s."""
    return lambda launch, capture: uncertainty_of(prepared, launch, capture, is_early=False)


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


def _without_capture(
    prepared: Prepared, rows: CheckRows, arrival: FloatArray, parts: list[Candidates]
) -> list[Candidates]:
    """Pairs of ends whose delay an exception bounds and that no clock captures: outputs and registers without a clock."""
    planes = prepared.planes
    if not any(track.exception.is_delay for track in planes.tracks):
        return []
    captured = np.zeros(prepared.nodes.count, np.bool_)
    for part in parts:
        captured[part.node] = True
    has_check = np.zeros(prepared.nodes.count, np.bool_)
    has_check[rows.node] = True
    loose = np.flatnonzero(prepared.is_endpoint & ~captured & ~has_check)
    found = []
    for plane in [number for number, one in enumerate(planes.rows) if not one.is_clock]:
        for is_early in (0, 1):
            for edge in (0, 1):
                column = 2 * is_early + edge
                checked = ~captured[rows.node] & (rows.kind & 1 == is_early) & ~np.isnan(rows.margin[:, edge])
                node = np.concatenate([loose, rows.node[checked]])
                margin = np.concatenate([np.zeros(len(loose)), rows.margin[checked, edge]])
                time = arrival[node, plane, column]
                known = np.isfinite(time)
                node, margin, time = node[known], margin[known], time[known]
                if not len(node):
                    continue
                none, zero = np.full(len(node), -1, np.int32), np.zeros(len(node))
                kind = np.full(len(node), Check.MIN_DELAY if is_early else Check.MAX_DELAY, np.int8)
                found.append(
                    _pairs(
                        prepared,
                        (plane, -1),
                        (node.astype(np.int32), none, np.zeros(len(node), np.int64), edge),
                        kind,
                        (time, zero, margin, zero),
                    )
                )
    return found


def worst(found: Candidates) -> Candidates:
    """Of the pairs of each data pin and kind the one with the smallest slack, by node and kind."""
    order = np.lexsort((found.slack, found.kind, found.node))
    node, kind = found.node[order], found.kind[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (node[1:] != node[:-1]) | (kind[1:] != kind[:-1])
    return found.take(order[first])
