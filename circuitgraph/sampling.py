"""Neighbours drawn at random: one hop at a time, numbered as they come, without an array over all nodes a call.

Which nodes are numbered already stands in an array of stamps that outlives the call: a node is numbered in this call
if its stamp is this call's. Draws come from a stream that depends on a key alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import CircuitError
from circuitgraph.files import hash_bytes

LongArray = npt.NDArray[np.int64]
ALL = -1
"""Fan-out that takes every neighbour."""


@dataclass(frozen=True)
class Sampled:
    """What was drawn around some nodes.

    | field | type, shape | meaning |
    |---|---|---|
    | node | int64 [M] | the seeds, then what each hop added |
    | row, col | int64 [E'] | source and target of each edge, rows of ``node`` |
    | edge | int64 [E'] | rows of the graph's edges |
    | nodes_by_hop | list, hops + 1 | how many nodes are seeds, and were added by each hop |
    | edges_by_hop | list, hops | how many edges each hop drew |
    """

    node: LongArray
    row: LongArray
    col: LongArray
    edge: LongArray
    nodes_by_hop: list[int]
    edges_by_hop: list[int]


class NeighbourDraws:
    """Draws of in-neighbours of one graph; holds its CSR and the stamps.

    Args:
        pointer, source, edge: CSR by target, int64 [N + 1], [E], [E], as :func:`circuitgraph.pyg.csr_of` gives it.
        fan_outs: most neighbours of a node in each hop, -1 for all.
        seed: decides the draws.

    Raises:
        CircuitError: no hop is given, or a fan-out is neither -1 nor at least 1.
    """

    def __init__(
        self, pointer: LongArray, source: LongArray, edge: LongArray, fan_outs: Sequence[int], seed: int
    ) -> None:
        if not fan_outs or any(fan_out != ALL and fan_out < 1 for fan_out in fan_outs):
            raise CircuitError(
                "NeighborSampler", f"num_neighbors {list(fan_outs)}", "takes a number from 1 a hop, or -1", "as [5, 5]"
            )
        self.pointer, self.source, self.edge = pointer, source, edge
        self.fan_outs, self.seed = tuple(fan_outs), seed
        self.stamp = np.zeros(len(pointer) - 1, np.int64)
        self.local = np.zeros(len(pointer) - 1, np.int64)
        self.calls = 0

    def draw(self, seeds: LongArray, epoch: int = 0) -> Sampled:
        """Neighbours around some nodes; the same for the same seed, epoch and nodes, whatever was drawn before.

        Args:
            seeds: rows of nodes, int64 [S]; they come first in the result, in this order.
            epoch: another one gives other draws.
        """
        seeds = np.ascontiguousarray(seeds, np.int64)
        if len(seeds) and not (seeds.min() >= 0 and seeds.max() < len(self.stamp)):
            raise CircuitError("NeighborSampler", "seeds", "name nodes that are not there", "give rows of the graph")
        state = np.array([key_of(self.seed, epoch, seeds)], np.uint64)
        self.calls += 1
        kernel = _compiled()
        nodes = seeds.copy()
        _number(nodes, self.stamp, self.local, self.calls)
        by_hop, edges_by_hop = [len(seeds)], []
        parts: list[tuple[LongArray, LongArray, LongArray]] = []
        begin = 0
        for fan_out in self.fan_outs:
            frontier = nodes[begin:]
            degree = self.pointer[frontier + 1] - self.pointer[frontier]
            count = int((degree if fan_out == ALL else np.minimum(degree, fan_out)).sum())
            row, col, edge = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
            held = np.empty(len(nodes) + count, np.int64)
            held[: len(nodes)] = nodes
            end = kernel(
                self.pointer,
                self.source,
                self.edge,
                held,
                begin,
                len(nodes),
                fan_out,
                state,
                self.stamp,
                self.local,
                self.calls,
                row,
                col,
                edge,
            )
            begin, nodes = len(nodes), held[:end]
            by_hop.append(end - begin)
            edges_by_hop.append(count)
            parts.append((row, col, edge))
        row, col, edge = (np.concatenate([part[place] for part in parts]) for place in range(3))
        return Sampled(nodes, row, col, edge, by_hop, edges_by_hop)


def key_of(seed: int, epoch: int, seeds: LongArray) -> int:
    """The 64-bit key of one call's stream."""
    return int(hash_bytes(f"{seed}|{epoch}".encode(), seeds.tobytes())[:16], 16)


def _number(nodes: LongArray, stamp: LongArray, local: LongArray, call: int) -> None:
    """Number the seeds in order; of equal ones the first counts."""
    local[nodes[::-1]] = np.arange(len(nodes) - 1, -1, -1)
    stamp[nodes] = call


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Any]:
    from circuitgraph.kernels import compiled

    longs = "int64[::1], " * 4
    ends = "int64, int64, int64, uint64[::1], int64[::1], int64[::1], int64, int64[::1], int64[::1], int64[::1]"
    return compiled(f"int64({longs}{ends})")(_kernel_hop)


def _kernel_hop(
    pointer: Any,
    source: Any,
    edge_of: Any,
    nodes: Any,
    begin: Any,
    end: Any,
    fan_out: Any,
    state: Any,
    stamp: Any,
    local: Any,
    call: Any,
    row: Any,
    col: Any,
    edge: Any,
) -> Any:
    """Draw one hop for ``nodes[begin:end]``; gives the number of nodes afterwards.

    A subset of k of n places is drawn by Floyd's method where k is small, else by one pass that keeps each place with
    probability (still wanted) / (still to come). Random words are SplitMix64's.

    Source: J. Bentley, R. Floyd, A sample of brilliance, CACM 30 (1987) 754; D. Knuth, TAOCP 2, 3.4.2, algorithm S;
    G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    total, at = end, 0
    word = state[0]
    for target in range(begin, end):
        first = pointer[nodes[target]]
        degree = pointer[nodes[target] + 1] - first
        wanted = degree if fan_out < 0 or degree < fan_out else fan_out
        by_floyd = wanted < degree and wanted * wanted <= 4 * degree
        taken = 0
        step = degree - wanted if by_floyd else 0
        while taken < wanted:
            place = step
            if wanted < degree:
                word = word + np.uint64(0x9E3779B97F4A7C15)
                mixed = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                mixed = (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(32)
                if by_floyd:
                    place = np.int64((mixed * np.uint64(step + 1)) >> np.uint64(32))
                    for other in range(at - taken, at):
                        if row[other] == first + place:
                            place = step
                            break
                elif np.int64((mixed * np.uint64(degree - step)) >> np.uint64(32)) >= wanted - taken:
                    step += 1
                    continue
            row[at] = first + place
            col[at] = target
            at += 1
            taken += 1
            step += 1
    for drawn in range(at):
        place = row[drawn]
        node = source[place]
        edge[drawn] = edge_of[place]
        if stamp[node] != call:
            stamp[node] = call
            local[node] = total
            nodes[total] = node
            total += 1
        row[drawn] = local[node]
    state[0] = word
    return total
