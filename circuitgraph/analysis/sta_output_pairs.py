"""Checks of output delays, all outputs of a kind at once: what designs of many terminals need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_checks import Candidates, Check, _pairs
from circuitgraph.analysis.sta_planes import Plane, Planes, at, edge_time, separations, source_latency
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.constraints import PortDelay

FloatArray = npt.NDArray[np.float64]


def output_pairs(prepared: Prepared, arrival: Any) -> list[Candidates]:
    """Pairs of arrivals at outputs and output delays.

    Args:
        prepared: the circuit.
        arrival: float64 [V, K, 4], or what is read as such by nodes, plane and column.

    The pairs are those of :func:`circuitgraph.analysis.sta_checks.candidates`, which looks at one output after the other.
    """
    planes = prepared.planes
    parts = []
    for delays in _alike(prepared):
        one = delays[0]
        node = prepared.nodes.load_half[[delay.place for delay in delays]]
        margins = np.array([delay.delay for delay in delays])
        edge_of_clock = int(one.is_fall)
        for plane, launch in enumerate(planes.rows):
            if (launch.clock, one.clock) in prepared.constraints.exclusive:
                continue
            launched, apart = _apart(planes, launch, one)
            for is_early in (0, 1):
                for edge in (0, 1):
                    column = 2 * is_early + edge
                    time, margin = arrival[node, plane, column], margins[:, column]
                    chosen = np.flatnonzero(np.isfinite(time) & ~np.isnan(margin))
                    if not len(chosen):
                        continue
                    count = len(chosen)
                    captured = launched + _latency(planes, one, bool(is_early))
                    parts.append(
                        _pairs(
                            prepared,
                            (plane, 2 * one.clock + edge_of_clock),
                            (node[chosen], np.full(count, -1, np.int32), np.full(count, edge_of_clock), edge),
                            np.full(count, Check.OUTPUT_HOLD if is_early else Check.OUTPUT_SETUP, np.int8),
                            (
                                time[chosen],
                                np.full(count, captured),
                                -margin[chosen] if is_early else margin[chosen],
                                np.full(count, apart[is_early]),
                            ),
                        )
                    )
    return parts


def _alike(prepared: Prepared) -> Iterator[list[PortDelay]]:
    """Output delays of one clock's edge that count its latency alike."""
    groups: dict[tuple[int, bool, bool, bool], list[PortDelay]] = {}
    for delay in prepared.constraints.output_delays:
        if delay.clock >= 0:
            key = (delay.clock, delay.is_fall, delay.source_latency_included, delay.network_latency_included)
            groups.setdefault(key, []).append(delay)
    yield from groups.values()


def _apart(planes: Planes, launch: Plane, delay: PortDelay) -> tuple[float, tuple[float, float]]:
    """Time of the launching edge, and from it to the capturing edge for setup and hold.

    An arrival without a clock is required at the clock's first edge (hold) and a period behind it (setup).
    """
    clock, edge = planes.clocks[delay.clock], int(delay.is_fall)
    first = edge_time(clock, edge)
    if launch.clock < 0:
        return 0.0, (first + clock.period, first)
    launching = planes.clocks[launch.clock]
    return edge_time(launching, launch.edge), separations(launching, launch.edge, clock, edge)


def _latency(planes: Planes, delay: PortDelay, is_early: bool) -> float:
    """Latency of the capturing clock: early for setup, late for hold."""
    clock, edge = planes.clocks[delay.clock], int(delay.is_fall)
    found = 0.0 if delay.source_latency_included else source_latency(clock, edge, not is_early)
    if not clock.is_propagated and not delay.network_latency_included:
        found += at(clock.latency, 2 * (1 - int(is_early)) + edge)
    return found
