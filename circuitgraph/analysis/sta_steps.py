"""Steps: at which nodes arrivals change their plane because an exception names a point there.

Which planes there are is found by walking the combinations that can occur: from the start's tags over the points that can
be reached from one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_graph import Arcs, Nodes
from circuitgraph.analysis.sta_planes import Plane, Planes
from circuitgraph.analysis.sta_tags import EDGES, dead, passed, points_at
from circuitgraph.constraints import Constraints
from circuitgraph.errors import CircuitError

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
MAX_PLANES = 512
"""Most planes that exceptions may ask for: memory is planes x nodes."""
Points = tuple[frozenset[tuple[int, int]], ...]
NO_POINTS: Points = (frozenset(), frozenset())


@dataclass(frozen=True, eq=False)
class Steps:
    """Where arrivals change their plane; V nodes, R kinds of points, K planes.

    | field | type, shape | meaning |
    |---|---|---|
    | row | int32 [V] | kind of point at each node, -1 for most; of length 0 where no exception has points |
    | goal | int32 [R, 4, K] | plane behind it by column (late rise, late fall, early rise, early fall) and plane before it;
      -1: nothing goes on |
    """

    row: IntArray
    goal: IntArray

    @classmethod
    def none(cls) -> Steps:
        """Of constraints without points."""
        return cls(np.zeros(0, np.int32), np.zeros((0, 4, 0), np.int32))

    def arguments(self) -> tuple[Any, ...]:
        """The fields as kernels take them."""
        return self.row, self.goal

    def before(self, node: int, column: int, plane: int) -> list[int]:
        """Planes whose arrivals at a node and in a column go on as *plane*."""
        if not len(self.row) or self.row[node] < 0:
            return [plane]
        return [int(one) for one in np.flatnonzero(self.goal[self.row[node], column] == plane)]


def steps_of(constraints: Constraints, planes: Planes, nodes: Nodes, arcs: Arcs, launches: BoolArray) -> Steps:
    """The steps of a circuit; planes that only they lead to are added to *planes*.

    Args:
        constraints: the exceptions.
        planes: those where paths start.
        nodes: pins and terminals.
        arcs: walked arcs.
        launches: which of them launch data.

    Raises:
        CircuitError: the exceptions need too many planes.
    """
    points = points_at(planes.tracks)
    one_sided = [row for row in planes.rows if sum(dead(planes.tracks, planes.tags[row.tag], row.clock, row.edge)) == 1]
    if not points and not one_sided:
        return Steps.none()
    kinds: dict[Points, int] = {}
    row = np.full(nodes.count, -1, np.int32)
    if one_sided:
        # what only late or only early paths lose is taken off where data start
        kinds[NO_POINTS] = 0
        row[arcs.target[launches]] = 0
        row[[delay.place for delay in constraints.input_delays]] = 0
        has_source = np.zeros(nodes.count, np.bool_)
        has_source[arcs.target] = True
        row[nodes.drives & ~has_source] = 0
    for place, at in points.items():
        row[[place, int(nodes.load_half[place])]] = kinds.setdefault(at, len(kinds))
    follows = _follows(row, len(kinds), arcs)
    goal: dict[tuple[int, int, int], int] = {}
    waiting = [(number, -1) for number, plane in enumerate(planes.rows) if not plane.is_clock]
    seen = set(waiting)
    while waiting:
        number, last = waiting.pop()
        plane = planes.rows[number]
        for at, kind in kinds.items():
            if last >= 0 and not follows[last, kind]:
                continue
            for edge in EDGES:
                tag = passed(planes.tracks, planes.tags[plane.tag], at[edge], plane.clock, plane.edge)
                gone = dead(planes.tracks, tag, plane.clock, plane.edge)
                target = -1
                if not all(gone):
                    target = planes.add(Plane(plane.clock, plane.edge, False, planes.tag_number(tag)))
                goal[kind, edge, number] = -1 if gone[0] else target
                goal[kind, 2 + edge, number] = -1 if gone[1] else target
                if target not in {-1, number} and (target, kind) not in seen:
                    seen.add((target, kind))
                    waiting.append((target, kind))
        if len(planes) > MAX_PLANES:
            rule = f"need more than {MAX_PLANES} sets of arrivals that are kept apart"
            raise CircuitError(
                constraints.place or "constraints", "exceptions", rule, "merge those with -through, or drop some"
            )
    table = np.tile(np.arange(len(planes), dtype=np.int32), (len(kinds), 4, 1))
    for at_once, target in goal.items():
        table[at_once] = target
    return Steps(row, table)


def _follows(row: IntArray, count: int, arcs: Arcs) -> BoolArray:
    """Whether a path can lead from a point of one kind to a point of another, bool [R, R]."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order

    every = len(row)
    at = np.flatnonzero(row >= 0)
    source = np.concatenate([arcs.source, every + row[at]])
    target = np.concatenate([arcs.target, at])
    graph = csr_matrix((np.ones(len(source), np.int8), (source, target)), shape=(every + count, every + count))
    found = np.zeros((count, count), np.bool_)
    for kind in range(count):
        reached = breadth_first_order(graph, every + kind, return_predecessors=False)
        inside = reached[reached < every]
        kinds = row[inside]
        found[kind, kinds[kinds >= 0]] = True
    return found
