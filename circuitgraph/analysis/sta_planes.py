"""Planes: arrivals are kept apart by what launched them - clock, edge of its source, clock or data, exceptions.

Plane numbers: of clock c and source edge e (0 rise, 1 fall) the clock itself has plane ``2 c + e``; data planes follow,
those of the default tag first; arrivals without a clock have the last plane.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_tags import Tag, Track, dead, start_tags, tracks_of
from circuitgraph.constraints import Clock, Constraints, Four

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """What launched the arrivals of a plane.

    | field | meaning |
    |---|---|
    | clock, edge | row of the clock (-1 none) and edge of its source: 0 rise, 1 fall |
    | is_clock | the clock itself, not yet through a register |
    | tag | which start-point exceptions hold |
    """

    clock: int
    edge: int
    is_clock: bool
    tag: int = 0


@dataclass
class Planes:
    """All planes of an analysis.

    | field | meaning |
    |---|---|
    | rows | the planes by number |
    | tracks | what each exception asks of a path |
    | tags | how far paths have come with the exceptions; tag 0: with none |
    | tag_of | tag of a start place; absent = 0 |
    | unclocked_tags | by the tag of a start the one of a clock pin that no clock reaches: it launches at time 0, without a
      clock |
    """

    clocks: tuple[Clock, ...]
    rows: list[Plane] = field(default_factory=list)
    tracks: tuple[Track, ...] = ()
    tags: list[Tag] = field(default_factory=lambda: [frozenset()])
    tag_of: dict[int, int] = field(default_factory=dict)
    number: dict[Plane, int] = field(default_factory=dict)
    unclocked_tags: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, plane: Plane) -> int:
        """Number of a plane, new or known."""
        if plane not in self.number:
            self.number[plane] = len(self.rows)
            self.rows.append(plane)
        return self.number[plane]

    def tag_number(self, tag: Tag) -> int:
        """Number of a tag, new or known."""
        if tag not in self.tags:
            self.tags.append(tag)
        return self.tags.index(tag)

    def launches(self) -> IntArray:
        """Data plane that each plane launches by tag, int32 [K, tags]; -1 where it is no clock or there is none."""
        found = np.full((len(self.rows), len(self.tags)), -1, np.int32)
        for row, plane in enumerate(self.rows):
            for tag in range(len(self.tags)):
                if plane.is_clock:
                    found[row, tag] = self.number.get(Plane(plane.clock, plane.edge, False, tag), -1)
            if plane == Plane(-1, 0, False):
                for tag, own in self.unclocked_tags.items():
                    found[row, own] = self.number.get(Plane(-1, 0, False, tag), -1)
        return found


def planes_of(
    constraints: Constraints,
    used_edges: dict[int, set[int]],
    launch_edges: Mapping[int, int],
    *,
    unclocked: bool,
    unclocked_registers: bool,
) -> Planes:
    """The planes that constraints ask for where paths start.

    Args:
        constraints: clocks and exceptions.
        used_edges: for each clock the source edges that launch data.
        launch_edges: edges at which clock pins of registers launch: 1 rise, 2 fall, 3 both.
        unclocked: whether some start has no clock.
        unclocked_registers: whether no clock reaches some register.
    """
    tracks = tracks_of(constraints, launch_edges)
    planes = Planes(constraints.clocks, tracks=tracks)
    for place, tag in start_tags(tracks, launch_edges).items():
        planes.tag_of[place] = planes.tag_number(tag)
    for clock in range(len(constraints.clocks)):
        for edge in (0, 1):
            planes.add(Plane(clock, edge, True))
    for number, tag in enumerate(planes.tags):
        for clock, edges in sorted(used_edges.items()):
            for edge in sorted(edges):
                if not all(dead(tracks, tag, clock, edge)):
                    planes.add(Plane(clock, edge, False, number))
        if (unclocked or unclocked_registers) and (not number or not all(dead(tracks, tag, -1, 0))):
            planes.add(Plane(-1, 0, False, number))
    if unclocked_registers:
        for number in range(len(planes.tags)):
            planes.unclocked_tags[number] = len(planes.tags)
            planes.tags.append(frozenset())
    return planes


def edge_time(clock: Clock, edge: int) -> float:
    """Time of the first rising or falling edge of a clock."""
    return clock.waveform[edge]


def at(four: Four, column: int, otherwise: float = 0.0) -> float:
    """A column of four, or another value where it is not set."""
    return otherwise if math.isnan(four[column]) else four[column]


def source_latency(clock: Clock, edge: int, is_early: bool) -> float:
    """Source latency of a clock's edge."""
    return at(clock.source_latency, 2 * int(is_early) + edge)


def ideal_arrival(clock: Clock, edge: int, is_early: bool) -> float:
    """Arrival of an ideal clock's edge at every register: edge, source latency, network latency."""
    return edge_time(clock, edge) + source_latency(clock, edge, is_early) + at(clock.latency, 2 * int(is_early) + edge)


def separations(launch: Clock, launch_edge: int, capture: Clock, capture_edge: int) -> tuple[float, float]:
    """Time from a launching edge to the edge that captures it: (setup, hold).

    Setup is the smallest separation above zero over the common period, hold the largest one that is not above
    zero. Periods without a common multiple of at most 1,000 cycles use 1,000 cycles of the longer one.
    """
    gaps = _gaps(launch, launch_edge, capture, capture_edge)
    q = capture.period
    return min(gaps), max(gap - q for gap in gaps)


def widest_gap(launch: Clock, launch_edge: int, capture: Clock, capture_edge: int) -> float:
    """Largest time from a launching edge to the capturing edge that follows it."""
    return max(_gaps(launch, launch_edge, capture, capture_edge))


def _gaps(launch: Clock, launch_edge: int, capture: Clock, capture_edge: int) -> list[float]:
    """Time from each launching edge of the common period to the next capturing edge behind it."""
    p, q = launch.period, capture.period
    tiny = 1e-6 * min(p, q)
    found = []
    for cycle in range(_cycles(p, q)):
        gap = edge_time(capture, capture_edge) - edge_time(launch, launch_edge) - cycle * p
        gap -= q * math.floor(gap / q)
        found.append(q if gap < tiny or q - gap < tiny else gap)
    return found


def _cycles(p: float, q: float) -> int:
    """Cycles of period *p* until it meets a multiple of *q*."""
    for count in range(1, 1001):
        ratio = count * p / q
        if abs(ratio - round(ratio)) < 1e-6 and round(ratio) > 0:
            return count
    return 1000
