"""Trees of nets over placed pins: rectilinear spanning and Steiner trees, the driver at the root.

A Steiner tree is grown as Prim's tree is, but the next pin joins the nearest point of any edge's bounding box instead
of the nearest pin: an edge can be routed through every point of its box at no cost, so the box is where a branch may
begin. It is no longer than the spanning tree in nearly all cases and within a few per cent of the optimum on small nets.

Source: R. C. Prim, Shortest connection networks and some generalizations (1957); M. Hanan, On Steiner's problem with
rectilinear distance (1966), for the points where branches may begin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Circuit
from circuitgraph.layout import Layout

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

NANO = 1e-9  # m: trees are made in whole nanometres, so that lengths compare exactly


@dataclass(frozen=True, eq=False)
class NetTrees:
    """Trees of the nets of a circuit of N nets, P pins, T terminals; K nodes, each parent before its children.

    | field | type, shape | meaning |
    |---|---|---|
    | kind | str | "spanning" or "steiner" |
    | start | int64 [N + 1] | nodes of each net, the driver first; none where a net has no driver or no placed sink |
    | place | int32 [K] | pin, P + t for terminal t, -1 for a Steiner point |
    | parent | int32 [K] | node towards the driver (a row of these arrays), -1 at the driver |
    | x, y | float64 [K] | m |
    | length | float64 [K] | m to the parent, 0 at the driver |
    | left_out | int | pins on these nets that have no place |
    """

    kind: str
    start: Longs
    place: Ints
    parent: Ints
    x: Floats
    y: Floats
    length: Floats
    left_out: int = 0

    @property
    def net(self) -> Longs:
        """Net of each node, int64 [K]."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def net_sum(self, values: Floats) -> Floats:
        """Sum over the nodes of each net, float64 [N]."""
        return np.asarray(np.bincount(self.net, values, minlength=len(self.start) - 1), np.float64)

    @property
    def net_length(self) -> Floats:
        """Length of each net's tree, float64 [N], m."""
        return self.net_sum(self.length)

    @property
    def net_pins(self) -> Longs:
        """Pins and terminals of each net's tree, the driver included, int64 [N]."""
        return np.bincount(self.net[self.place >= 0], minlength=len(self.start) - 1)


def net_trees(circuit: Circuit, layout: Layout, kind: str = "spanning", pull: float = 0.0) -> NetTrees:
    """Trees over the placed pins of every net that has a driver and a sink.

    Args:
        circuit: N nets.
        layout: positions of its pins and terminals.
        kind: "spanning" or "steiner".
        pull: of a Steiner tree, how much the way back to the driver counts beside the length of the new wire: 0 gives
            the shortest wires, 1 the shortest ways.

    A net whose driver has no place has no tree; other pins without a place are left out and counted.
    """
    ends, start, x, y, left_out = net_ends(circuit, layout)
    # by place, not by row: of equally short trees the choice must not depend on the order of cells
    first = np.zeros(len(ends), np.bool_)
    first[start[:-1][np.diff(start) > 0]] = True
    order = np.lexsort((ends, y, x, ~first, np.repeat(np.arange(len(start) - 1), np.diff(start))))
    ends, x, y = ends[order], x[order], y[order]
    if kind == "steiner":
        size, place, parent, at_x, at_y = _compiled("steiner")(start, x, y, pull)
    else:
        size, place, parent, at_x, at_y = _spanning(start, x, y)
    rows = np.where(place >= 0, ends[np.maximum(place, 0)] if len(ends) else -1, -1).astype(np.int32)
    full = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    up = np.where(parent >= 0, parent, np.arange(len(parent)))
    length = (np.abs(at_x - at_x[up]) + np.abs(at_y - at_y[up])) * NANO
    return NetTrees(kind, full, rows, parent.astype(np.int32), at_x * NANO, at_y * NANO, length, left_out)


def net_ends(circuit: Circuit, layout: Layout) -> tuple[Ints, Longs, Longs, Longs, int]:
    """Placed pins and terminals of each net that has a placed driver and another end, driver first.

    Returns:
        Rows as ``NetTrees.place`` (int32 [E]), start int64 [N + 1], x and y int64 [E] in nm; and how many pins of
        nets with a driver have no place.
    """
    at_x, at_y = np.concatenate([layout.pin_x, layout.port_x]), np.concatenate([layout.pin_y, layout.port_y])
    net_of_row = np.concatenate([circuit.pin_net, circuit.port_net])
    placed = ~(np.isnan(at_x) | np.isnan(at_y))
    driver = circuit.net_driver
    wanted = (driver >= 0) & (circuit.net_constant < 0)
    on_net = (net_of_row >= 0) & wanted[np.maximum(net_of_row, 0)]
    left_out = int(np.count_nonzero(on_net & ~placed))
    rows = np.flatnonzero(on_net & placed)
    nets = net_of_row[rows]
    is_driver = driver[nets] == rows
    counts = np.bincount(nets, minlength=circuit.num_nets)
    routable = (counts >= 2) & (np.bincount(nets[is_driver], minlength=circuit.num_nets) > 0)
    kept = routable[nets]
    rows, nets, is_driver = rows[kept], nets[kept], is_driver[kept]
    order = np.lexsort((rows, ~is_driver, nets))
    start = np.concatenate([[0], np.cumsum(np.where(routable, counts, 0))]).astype(np.int64)
    ends = rows[order].astype(np.int32)
    x, y = (np.rint(values[ends] / NANO).astype(np.int64) for values in (at_x, at_y))
    return ends, start, x, y, left_out


def spanning_tree(x: Longs, y: Longs) -> tuple[Longs, Longs]:
    """Rectilinear minimum spanning tree from point 0.

    Args:
        x: int64 [n].
        y: int64 [n].

    Returns:
        Rank at which each point joins (int64 [n], 0 for point 0) and its parent (int64 [n], -1 for point 0).

    Source: Prim's algorithm, O(n^2); of equal distances the lowest point joins first.

    >>> spanning_tree(np.array([0, 9, 5]), np.array([0, 0, 0]))[1]
    array([-1,  2,  0])
    """
    start = np.array([0, len(x)], np.int64)
    return spanning_trees(start, np.ascontiguousarray(x, np.int64), np.ascontiguousarray(y, np.int64))


def spanning_trees(start: Longs, x: Longs, y: Longs) -> tuple[Longs, Longs]:
    """Spanning trees of many nets; rank within the net and parent of each point, int64 [E] each.

    Args:
        start: int64 [nets + 1] into x and y, the driver first.
        x: int64 [E], nm.
        y: int64 [E], nm.
    """
    found: tuple[Longs, Longs] = _compiled("spanning")(start, x, y)
    return found


def steiner_tree(x: Longs, y: Longs, pull: float = 0.0) -> tuple[Longs, Longs, Longs, Longs]:
    """Rectilinear Steiner tree from point 0.

    Args:
        x: int64 [n].
        y: int64 [n].
        pull: as in :func:`net_trees`.

    Returns:
        Point of each node (-1: a Steiner point), its parent (-1 at the root), x and y, int64 [K]; parents first.

    >>> point, parent, at_x, at_y = steiner_tree(np.array([0, 4, 4]), np.array([0, 3, -3]))
    >>> int(sum(abs(at_x[k] - at_x[parent[k]]) + abs(at_y[k] - at_y[parent[k]]) for k in range(len(point)) if k))
    10
    """
    start = np.array([0, len(x)], np.int64)
    _, point, parent, at_x, at_y = _compiled("steiner")(
        start, np.ascontiguousarray(x, np.int64), np.ascontiguousarray(y, np.int64), pull
    )
    return point, parent, at_x, at_y


def _spanning(start: Longs, x: Longs, y: Longs) -> tuple[Longs, Longs, Longs, Longs, Longs]:
    """As the Steiner kernel gives it: sizes, points, parents, x and y of the nodes, parents first."""
    rank, parent = spanning_trees(start, x, y)
    net = np.repeat(np.arange(len(start) - 1), np.diff(start))
    order = np.lexsort((rank, net))
    moved = np.empty(len(order), np.int64)
    moved[order] = np.arange(len(order))
    up = parent[order]
    return np.diff(start), order, np.where(up >= 0, moved[up] if len(up) else up, -1), x[order], y[order]


@lru_cache(maxsize=2)
def _compiled(kind: str) -> Callable[..., Any]:
    from circuitgraph.kernels import compiled

    arguments = "(int64[::1], int64[::1], int64[::1])"
    if kind == "steiner":
        return compiled(f"UniTuple(int64[::1], 5){arguments[:-1]}, float64)")(_kernel_steiner)
    return compiled(f"UniTuple(int64[::1], 2){arguments}")(_kernel_spanning)


def _kernel_spanning(start: Any, x: Any, y: Any) -> Any:
    """Rank and parent of each point; see :func:`spanning_trees`."""
    points = len(x)
    rank, parent = np.zeros(points, np.int64), np.full(points, -1, np.int64)
    distance = np.full(points, np.iinfo(np.int64).max, np.int64)
    joined = np.zeros(points, np.bool_)
    for net in range(len(start) - 1):
        first, last = start[net], start[net + 1]
        if last - first < 2:
            continue
        at = first
        joined[at] = True
        for step in range(1, last - first):
            best = -1
            for other in range(first, last):
                if joined[other]:
                    continue
                length = abs(x[other] - x[at]) + abs(y[other] - y[at])
                if length < distance[other]:
                    distance[other] = length
                    parent[other] = at
                if best < 0 or distance[other] < distance[best]:
                    best = other
            rank[best] = step
            joined[best] = True
            at = best
    return rank, parent


def _kernel_steiner(start: Any, x: Any, y: Any, pull: Any) -> Any:
    """Sizes by net, then point, parent, x and y of each node; parents first. See :func:`steiner_tree`."""
    nets = len(start) - 1
    most = 0
    for net in range(nets):
        most = max(most, start[net + 1] - start[net])
    size = np.zeros(nets, np.int64)
    point, parent = np.empty(2 * len(x), np.int64), np.empty(2 * len(x), np.int64)
    out_x, out_y = np.empty(2 * len(x), np.int64), np.empty(2 * len(x), np.int64)
    # of the net at hand: its nodes, and for each point that waits the nearest edge (named by the edge's child)
    node_x, node_y = np.zeros(2 * most + 1, np.int64), np.zeros(2 * most + 1, np.int64)
    node_point, up = np.zeros(2 * most + 1, np.int64), np.zeros(2 * most + 1, np.int64)
    distance, nearest = np.zeros(most + 1, np.float64), np.zeros(most + 1, np.int64)
    path = np.zeros(2 * most + 1, np.int64)
    joined = np.zeros(most + 1, np.bool_)
    first_child, next_child = np.zeros(2 * most + 1, np.int64), np.zeros(2 * most + 1, np.int64)
    stack, put = np.zeros(2 * most + 1, np.int64), np.zeros(2 * most + 1, np.int64)
    total = 0
    for net in range(nets):
        base, count = start[net], start[net + 1] - start[net]
        if count == 0:
            continue
        nodes = 1
        node_x[0], node_y[0], node_point[0], up[0], path[0] = x[base], y[base], 0, -1, 0
        for k in range(count):
            joined[k] = k == 0
            distance[k] = abs(x[base + k] - x[base]) + abs(y[base + k] - y[base])
            nearest[k] = 0
        for _ in range(1, count):
            best = -1
            for k in range(count):
                if not joined[k] and (best < 0 or distance[k] < distance[best]):
                    best = k
            px, py = x[base + best], y[base + best]
            child = nearest[best]
            above = up[child]
            joined[best] = True
            split = -1
            if above < 0:
                target = child
            else:
                cx = min(max(px, min(node_x[child], node_x[above])), max(node_x[child], node_x[above]))
                cy = min(max(py, min(node_y[child], node_y[above])), max(node_y[child], node_y[above]))
                if cx == node_x[child] and cy == node_y[child]:
                    target = child
                elif cx == node_x[above] and cy == node_y[above]:
                    target = above
                else:
                    target = nodes
                    split = child
                    node_x[nodes], node_y[nodes], node_point[nodes], up[nodes] = cx, cy, -1, above
                    path[nodes] = path[above] + abs(cx - node_x[above]) + abs(cy - node_y[above])
                    up[child] = nodes
                    nodes += 1
            leaf = nodes
            node_x[leaf], node_y[leaf], node_point[leaf], up[leaf] = px, py, best, target
            path[leaf] = path[target] + abs(px - node_x[target]) + abs(py - node_y[target])
            nodes += 1
            for k in range(count):
                if joined[k]:
                    continue
                qx, qy = x[base + k], y[base + k]
                again = split >= 0 and nearest[k] == split
                if again:
                    distance[k] = np.inf
                # the new edges alone, or every edge where the nearest one was split
                begin = 0 if again else leaf
                for edge in range(begin, nodes):
                    above = up[edge]
                    if above < 0:
                        away = float(abs(qx - node_x[edge]) + abs(qy - node_y[edge]))
                    else:
                        cx = min(max(qx, min(node_x[edge], node_x[above])), max(node_x[edge], node_x[above]))
                        cy = min(max(qy, min(node_y[edge], node_y[above])), max(node_y[edge], node_y[above]))
                        back = path[above] + abs(cx - node_x[above]) + abs(cy - node_y[above])
                        away = abs(qx - cx) + abs(qy - cy) + pull * back
                    if away < distance[k]:
                        distance[k] = away
                        nearest[k] = edge
        # nodes in the order of a walk from the root
        for k in range(nodes):
            first_child[k] = -1
        for k in range(nodes - 1, 0, -1):
            next_child[k] = first_child[up[k]]
            first_child[up[k]] = k
        stack[0] = 0
        depth = 1
        place = total
        while depth:
            depth -= 1
            at = stack[depth]
            point[place] = base + node_point[at] if node_point[at] >= 0 else -1
            out_x[place], out_y[place] = node_x[at], node_y[at]
            parent[place] = -1 if up[at] < 0 else put[up[at]]
            put[at] = place
            follow = first_child[at]
            while follow >= 0:
                stack[depth] = follow
                depth += 1
                follow = next_child[follow]
            place += 1
        size[net] = nodes
        total += nodes
    return size, point[:total].copy(), parent[:total].copy(), out_x[:total].copy(), out_y[:total].copy()
