"""Tags: how far a path has come with each exception, as far as its start and what it passes decide it.

A tag is a set of (exception, number of points passed). Arrivals of different tags are kept apart, on planes of their own;
where a path passes a point that an exception names, its arrival moves on to another plane. Source: the exception states of
OpenSTA's tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from circuitgraph.constraints import Constraints, PathException, Through

Tag = frozenset[tuple[int, int]]
EDGES = (0, 1)


@dataclass(frozen=True)
class Track:
    """What an exception asks of a path before its end.

    | field | meaning |
    |---|---|
    | exception | the exception |
    | points | what the path must pass, in this order |
    | has_start | whether it must also start at a place or a clock of the exception |
    """

    exception: PathException
    points: tuple[Through, ...]
    has_start: bool


def tracks_of(constraints: Constraints, launch_edges: Mapping[int, int]) -> tuple[Track, ...]:
    """The track of every exception. A start at an edge of a port is a point to pass: nothing else leads through it.

    Args:
        constraints: the exceptions.
        launch_edges: of clock pins of registers: 1 they launch when they rise, 2 when they fall, 3 both.
    """
    found = []
    for exception in constraints.exceptions:
        points, has_start = exception.throughs, exception.from_clocks is not None or exception.from_places is not None
        if exception.from_edge >= 0 and exception.from_places:
            ports = frozenset(place for place in exception.from_places if place not in launch_edges)
            points, has_start = (Through(ports, exception.from_edge), *points), False
        found.append(Track(exception, points, has_start))
    return tuple(found)


def start_tags(tracks: tuple[Track, ...], launch_edges: Mapping[int, int]) -> dict[int, Tag]:
    """Tag of every place at which an exception starts; a clock pin that launches is a point that its data has passed."""
    found: dict[int, set[tuple[int, int]]] = {}
    for row, track in enumerate(tracks):
        edge = track.exception.from_edge
        for place in track.exception.from_places or ():
            if edge < 0:
                found.setdefault(place, set()).add((row, 0))
            elif launch_edges.get(place, 0) >> edge & 1:
                found.setdefault(place, set()).add((row, 1))
        for place in track.points[0].places if track.points else ():
            way = track.points[0].edge
            launches = launch_edges.get(place, 0) & (3 if way < 0 else 1 << way)
            if launches and (not track.has_start or (row, 0) in found.get(place, ())):
                found.setdefault(place, set()).discard((row, 0))
                found[place].add((row, 1))
    return {place: frozenset(rows) for place, rows in found.items()}


def is_started(track: Track, row: int, tag: Tag, clock: int, edge: int) -> bool:
    """Whether a path that an edge of a clock launched starts as an exception asks."""
    if not track.has_start or any(held == row for held, _ in tag):
        return True
    exception = track.exception
    return clock in (exception.from_clocks or ()) and exception.from_edge in {-1, edge}


def is_held(track: Track, row: int, tag: Tag, clock: int, edge: int) -> bool:
    """Whether an exception holds a path, whatever its end."""
    passed = max((count for held, count in tag if held == row), default=0)
    return passed == len(track.points) and is_started(track, row, tag, clock, edge)


def dead(tracks: tuple[Track, ...], tag: Tag, clock: int, edge: int) -> tuple[bool, bool]:
    """Whether false paths without an end hold the late and the early arrivals of a path: none is left."""
    held = [
        track.exception
        for row, track in enumerate(tracks)
        if track.exception.kind == "false"
        and track.exception.to_clocks is None
        and track.exception.to_places is None
        and track.exception.end_edge < 0
        and is_held(track, row, tag, clock, edge)
    ]
    return any(exception.setup for exception in held), any(exception.hold for exception in held)


def passed(tracks: tuple[Track, ...], tag: Tag, points: frozenset[tuple[int, int]], clock: int, edge: int) -> Tag:
    """The tag behind a place that is a point of exceptions.

    Args:
        tracks: of the exceptions.
        tag: before it.
        points: (exception, number of its point) of the place and of the data's edge there.
        clock, edge: what launched the path.
    """
    found = set(tag)
    for row in {row for row, _ in points}:
        before = max((count for held, count in tag if held == row), default=0)
        if (row, before) in points and is_started(tracks[row], row, tag, clock, edge):
            found.discard((row, before))
            found.add((row, before + 1))
    return frozenset(found)


def points_at(tracks: tuple[Track, ...]) -> dict[int, tuple[frozenset[tuple[int, int]], ...]]:
    """Of every place that is a point of an exception those points, by edge of the data (rise, fall)."""
    found: dict[int, tuple[set[tuple[int, int]], set[tuple[int, int]]]] = {}
    for row, track in enumerate(tracks):
        for number, point in enumerate(track.points):
            for place in point.places:
                at = found.setdefault(place, (set(), set()))
                for edge in EDGES:
                    if point.edge in {-1, edge}:
                        at[edge].add((row, number))
    return {place: (frozenset(rise), frozenset(fall)) for place, (rise, fall) in found.items()}
