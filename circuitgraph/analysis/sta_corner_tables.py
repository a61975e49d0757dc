"""Libraries of several corners side by side: the same types and arcs, other numbers; their tables packed for one sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.errors import CircuitError, quoted
from circuitgraph.library import Library, TableBank

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
NOTHING = np.array([0.0, 1.0], np.float32)
"""Axis of a table that does not depend on it."""


def aligned_libraries(prepared: Prepared, libraries: Sequence[Library]) -> tuple[Library, ...]:
    """The libraries with the types and arcs numbered as in the one that the circuit was prepared with.

    Only the types that the circuit and its driving cells use are compared and taken over.

    Raises:
        CircuitError: a library lacks a type, or has other ports, functions, arcs or thresholds a type.
    """
    base = prepared.library
    kinds = np.bincount(prepared.circuit.cell_type, minlength=len(prepared.circuit.types))
    used = set(prepared.rows[kinds > 0].tolist()) - {-1}
    for cells in prepared.constraints.driving_cells.values():
        used |= {base.index[cell.cell_type] for cell in cells if cell.cell_type in base.index}
    return tuple(one if one is base else _aligned(base, one, sorted(used)) for one in libraries)


def _aligned(base: Library, other: Library, used: Sequence[int]) -> Library:
    place = other.place or other.name
    missing = [base.types[row].name for row in used if base.types[row].name not in other.index]
    if missing:
        rule = f"lacks type {quoted(missing)} of {base.name!r}"
        raise CircuitError(place, "corner library", rule, "give one that was characterised for the same cells")
    if len(other.thresholds) != len(base.thresholds):
        rule = f"merges {len(other.thresholds)} files where {base.name!r} merges {len(base.thresholds)}"
        raise CircuitError(place, "corner library", rule, "merge the same files for every corner")
    table = np.full_like(base.arc_table, -1)
    capacitance = base.port_capacitance.copy()
    for row in used:
        name = base.types[row].name
        found = other.index[name]
        difference = _difference(base, row, other, found)
        if difference:
            rule = f"has {difference} than in {base.name!r}"
            raise CircuitError(
                place, f"type {name!r}", rule, "give libraries of the same cells, arcs in the same order"
            )
        arcs = slice(int(other.arc_start[found]), int(other.arc_start[found + 1]))
        table[base.arc_start[row] : base.arc_start[row + 1]] = other.arc_table[arcs]
        ports = slice(int(other.port_start[found]), int(other.port_start[found + 1]))
        capacitance[base.port_start[row] : base.port_start[row + 1]] = other.port_capacitance[ports]
    return replace(
        base,
        name=other.name,
        place=other.place,
        thresholds=other.thresholds,
        port_capacitance=capacitance,
        arc_table=table,
        tables=other.tables,
        wire_loads=other.wire_loads,
        default_wire_load=other.default_wire_load,
    )


def _difference(base: Library, row: int, other: Library, found: int) -> str:
    """What is not the same in the types *row* and *found* of two libraries, "" where all is."""
    one, two = base.types[row], other.types[found]
    if one.ports != two.ports:
        return "other ports"
    if (one.functions, one.next_state, one.kind) != (two.functions, two.next_state, two.kind):
        return "other functions"
    if base.corner[row] != other.corner[found]:
        return "other thresholds"
    own = np.arange(base.arc_start[row], base.arc_start[row + 1])
    its = np.arange(other.arc_start[found], other.arc_start[found + 1])
    if len(own) != len(its):
        return "another number of arcs"
    for name in ("arc_from", "arc_to", "arc_timing", "arc_sense"):
        if (getattr(base, name)[own] != getattr(other, name)[its]).any():
            return "other arcs"
    if ((base.arc_table[own] < 0) != (other.arc_table[its] < 0)).any():
        return "tables for other edges"
    for when, its_when in zip(base.arc_when[own].tolist(), other.arc_when[its].tolist(), strict=True):
        if (when < 0) != (its_when < 0) or (when >= 0 and base.conditions[when] != other.conditions[its_when]):
            return "other conditions of arcs"
    return ""


@dataclass(frozen=True, eq=False)
class PairTables:
    """Delay and slew tables of arcs in C corners; A arcs, R pairs of tables.

    | field | type, shape | meaning |
    |---|---|---|
    | row | int32 [A, 2] | pair of each arc and edge of its end; -1 where there is none |
    | place | int32 [R, C, 3] | where each corner's pair begins in ``pool``, points of its first and second axis |
    | has_slew | bool [R] | False: the arc gives no slew |
    | pool | float32 | of each pair first axis, second axis, then delay and slew by turns, the second axis the inner one |

    The two tables of a pair have one grid: that of both together, on which each is as it was.
    """

    row: IntArray
    place: IntArray
    has_slew: BoolArray
    pool: SingleArray


def pair_tables(prepared: Prepared, libraries: Sequence[Library]) -> PairTables:
    """The tables of all arcs that are walked, of libraries of :func:`aligned_libraries`."""
    walked = np.zeros(prepared.library.num_arcs + 1, np.bool_)
    walked[prepared.arcs.library_arc] = True  # net arcs (-1) fall on the last
    row = np.full((max(prepared.library.num_arcs, 1), 2), -1, np.int32)
    place: list[list[tuple[int, int, int]]] = []
    has_slew: list[bool] = []
    parts: list[SingleArray] = []
    known: dict[tuple[int, ...], int] = {}
    blocks: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    size = 0
    for arc in np.flatnonzero(walked[:-1]).tolist():
        for end in (0, 1):
            key = tuple(int(one.arc_table[arc, k]) for one in libraries for k in (end, 2 + end))
            if key[0] < 0:
                continue
            if key not in known:
                known[key] = len(place)
                place.append([])
                has_slew.append(key[1] >= 0)
                for corner, one in enumerate(libraries):
                    at = (corner, key[2 * corner], key[2 * corner + 1])
                    if at not in blocks:
                        first, second, values = _pair(one.tables, at[1], at[2])
                        parts += [first, second, values.ravel()]
                        blocks[at] = (size, len(first), len(second))
                        size += len(first) + len(second) + values.size
                    place[-1].append(blocks[at])
            row[arc, end] = known[key]
    return PairTables(
        row,
        np.array(place, np.int32).reshape(-1, len(libraries), 3),
        np.array(has_slew, np.bool_),
        np.concatenate(parts) if parts else np.zeros(0, np.float32),
    )


def _pair(bank: TableBank, delay: int, slew: int) -> tuple[SingleArray, SingleArray, SingleArray]:
    """Axes and values [n1, n2, 2] of a delay and a slew table over the grid of both; slew 0 where there is no table."""
    one = bank.table(delay)
    two = bank.table(slew) if slew >= 0 else one
    first, second = (_axis(one[k], two[k]) for k in (0, 1))
    values = np.zeros((len(first), len(second), 2), np.float32)
    values[:, :, 0] = _over(one, first, second)
    if slew >= 0:
        values[:, :, 1] = _over(two, first, second)
    return first, second, values


def _axis(one: FloatArray, two: FloatArray) -> SingleArray:
    """Points of two axes, an axis of one point adding none."""
    if one is two or np.array_equal(one, two):
        two = two[:1]
    points = [axis.astype(np.float32) for axis in (one, two) if len(axis) > 1]
    if len(points) == 1 and (np.diff(points[0]) > 0).all():
        return points[0]
    found: SingleArray = np.unique(np.concatenate(points)) if points else NOTHING
    return found if len(found) > 1 else NOTHING


def _over(table: tuple[FloatArray, FloatArray, FloatArray], first: SingleArray, second: SingleArray) -> FloatArray:
    """Values of a table on a grid that has all of its own points: bilinear, continued linearly outside."""
    along = values = table[2]
    for axis, wanted, dimension in ((table[0], first, 0), (table[1], second, 1)):
        if len(axis) == 1:
            along = np.repeat(values, len(wanted), axis=dimension)
        elif not np.array_equal(axis.astype(np.float32), wanted):
            points = wanted.astype(np.float64)
            low = np.clip(np.searchsorted(axis, points, side="right") - 1, 0, len(axis) - 2)
            share = (points - axis[low]) / (axis[low + 1] - axis[low])
            share = share[:, None] if dimension == 0 else share[None, :]
            lower, upper = np.take(values, low, axis=dimension), np.take(values, low + 1, axis=dimension)
            along = lower * (1.0 - share) + upper * share
        values = along
    return values
