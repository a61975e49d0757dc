"""The levelised update: one sweep over the levels that neither explodes nor forgets.

    x_i = the state of fan-in i, the second half of its channels negated if the edge is flipped
    m_v = mean of x_i;    p_v = mean over pairs i < j of x_i x_j, by channel = ((sum x)^2 - sum x^2) / (n (n - 1))
    h_v = g_v m_v + (1 - g_v) tanh(u_v + W m_v + V p_v)

with g in (0, 1) and u made outside, from nothing that this sweep computes. V may be absent; p is zero where a node has
one fan-in, and a node without fan-in has the state tanh(u_v).

Why no change grows, at any depth. By induction over the order every state lies in [-1, 1]: |tanh| <= 1, m is a mean of
such values, and h lies between the two. In the max-norm over the fan-ins' states, m moves by at most what they move.
On [-1, 1]^n, dp/dx_i = 2 (sum of the other x_j) / (n (n - 1)), so |dp/dx_i| <= 2 / n, and p moves by at most 2 times
what they move. A sign flip moves nothing. tanh is 1-Lipschitz; so with

    sum over columns of |W| + 2 |V| <= 1 in every row

the tanh moves by at most what the fan-ins move, and so does h, between the two: a change of any one state changes no
later state by more. Where g is near one a state is handed on through many levels, so nothing is forgotten either.
Derived here: a plain recurrence over thousands of levels is chaotic and its gradient is not finite.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoders.layers.aggregate import FlipArray, LongArray
from encoders.layers.buffers import fresh

PART = 16384
"""Nodes whose gates and drives are held at once where no gradient is recorded: 8 MB at 64 channels."""


@dataclass(frozen=True, eq=False)
class SweepGraph:
    """What each node reads, and an order in which whatever it reads stands before it.

    | field | type, shape | meaning |
    |---|---|---|
    | order | int64 [N] | nodes |
    | ptr, node, flip | int64 [N + 1], int64 [E], uint8 [E] | CSR of the fan-ins by node; whether an edge is flipped |
    """

    order: LongArray
    ptr: LongArray
    node: LongArray
    flip: FlipArray


def sweep(
    gate: Tensor,
    drive: Tensor,
    weight: Tensor,
    order: LongArray,
    ptr: LongArray,
    node: LongArray,
    flip: FlipArray,
    pair: Tensor | None = None,
) -> Tensor:
    """States of all nodes, [N, d].

    Args:
        gate: g in (0, 1), [N, d].
        drive: u, [N, d].
        weight: W, [d, d].
        order, ptr, node, flip: see :class:`SweepGraph`.
        pair: V, [d, d], or None: no products.
    """
    if gate.device.type != "cpu":
        return plain_sweep(gate, drive, weight, order, ptr, node, flip, pair)

    def gates(rows: Tensor | None) -> tuple[Tensor, Tensor]:
        return (gate, drive) if rows is None else (gate.index_select(0, rows), drive.index_select(0, rows))

    return driven_sweep(gates, weight, SweepGraph(order, ptr, node, flip), pair)


def driven_sweep(
    gates: Callable[[Tensor | None], tuple[Tensor, Tensor]],
    weight: Tensor,
    graph: SweepGraph,
    pair: Tensor | None = None,
    part: int = PART,
) -> Tensor:
    """The sweep with gates and drives made when they are needed: where no gradient is recorded, for a part at a time.

    Args:
        gates: from nodes, int64 [n], or None for all N, to their g and u, [n, d] each.
        weight, pair: W and V, [d, d].
        graph: see :class:`SweepGraph`.
        part: most nodes whose gates are held at once.
    """
    if weight.device.type != "cpu":
        gate, drive = gates(None)
        return plain_sweep(gate, drive, weight, graph.order, graph.ptr, graph.node, graph.flip, pair)
    if torch.is_grad_enabled():
        gate, drive = gates(None)
        found: Tensor = _Sweep.apply(gate, drive, weight, pair, graph)
        return found
    from encoders.layers.sweep_kernels import _kernel_forward

    matrix = _beside(weight, pair).t().contiguous()
    depth, width = matrix.shape
    nodes = len(graph.order)
    state, read, inner = (fresh(*shape, matrix.dtype) for shape in ((nodes, width), (1, depth), (1, width)))
    arrays = [made.numpy() for made in (matrix, state, read, inner)]
    for start in range(0, nodes, part):
        stop = min(start + part, nodes)
        gate, drive = (made.detach().contiguous() for made in gates(torch.from_numpy(graph.order[start:stop])))
        csr = (graph.ptr, graph.node, graph.flip)
        _kernel_forward(graph.order, start, stop, *csr, gate.numpy(), drive.numpy(), *arrays, False)
    return state


def plain_sweep(
    gate: Tensor,
    drive: Tensor,
    weight: Tensor,
    order: LongArray,
    ptr: LongArray,
    node: LongArray,
    flip: FlipArray,
    pair: Tensor | None = None,
) -> Tensor:
    """The same, a level at a time in plain torch: the reference of the tests, and what runs off the CPU.

    States are kept level by level, and a level is read where it is, so time and memory of the backward pass do not
    grow with levels times nodes.
    """
    levels = _Levels.of(SweepGraph(order, ptr, node, flip), gate.device)
    half = gate.size(1) // 2
    sizes = levels.sizes.tolist()
    shares, drives = (given.index_select(0, levels.rows).split(sizes) for given in (gate, drive))
    counts = levels.counts.to(gate.dtype)[:, None].split(sizes)
    signs = (1.0 - 2.0 * levels.flip.to(gate.dtype))[:, None]
    states: list[Tensor] = []
    for share, own, count, runs, (low, high) in zip(shares, drives, counts, levels.runs, levels.ranges, strict=True):
        if low == high:
            states.append(torch.tanh(own))
            continue
        read = [states[source].index_select(0, levels.place[start:stop]) for source, start, stop in runs]
        message = torch.cat(read) if len(read) > 1 else read[0]
        message = torch.cat([message[:, :half], message[:, half:] * signs[low:high]], dim=1)
        target = levels.target[low:high]
        total = torch.zeros_like(own).index_add(0, target, message)
        mean = total / count
        value = own + mean @ weight.t()
        if pair is not None:
            squares = torch.zeros_like(own).index_add(0, target, message * message)
            value = value + ((total * total - squares) / (count * (count - 1)).clamp(min=1)) @ pair.t()
        states.append(share * mean + (1 - share) * torch.tanh(value))
    return torch.cat(states).index_select(0, levels.back) if states else gate


@dataclass(frozen=True, eq=False)
class _Levels:
    """A graph by levels, for :func:`plain_sweep`; every node of a level has fan-ins, or none has.

    | field | type, shape | meaning |
    |---|---|---|
    | rows, back | int64 [N] | nodes by level; where each node stands in them |
    | sizes | int64 [L] | nodes of each level |
    | counts | int64 [N] | fan-ins of the nodes, by level |
    | target, place, flip | [E] | entries by level and level of the source: reader and source within their levels |
    | ranges | L pairs | entries of each level |
    | runs | L lists | (source's level, first, last entry) of each run of one source level |
    """

    sizes: LongArray
    ranges: list[tuple[int, int]]
    runs: list[list[tuple[int, int, int]]]
    rows: Tensor
    back: Tensor
    counts: Tensor
    target: Tensor
    place: Tensor
    flip: Tensor

    @classmethod
    def of(cls, graph: SweepGraph, device: torch.device) -> _Levels:
        level = levels_of(graph.order, graph.ptr, graph.node)
        rows = graph.order[np.argsort(level[graph.order], kind="stable")]
        sizes = np.bincount(level) if len(level) else np.zeros(0, np.int64)
        back = np.empty(len(rows), np.int64)
        back[rows] = np.arange(len(rows))
        within = back - (np.cumsum(sizes) - sizes)[level]
        counts = np.diff(graph.ptr)
        reader = np.repeat(np.arange(len(rows)), counts)
        of_reader, of_source = level[reader], level[graph.node]
        entries = np.lexsort((of_source, of_reader))
        of_reader, of_source = of_reader[entries], of_source[entries]
        first = np.flatnonzero(np.diff(of_reader * (len(sizes) + 1) + of_source, prepend=-1))
        runs: list[list[tuple[int, int, int]]] = [[] for _ in sizes]
        for start, stop in itertools.pairwise([*first.tolist(), len(entries)]):
            runs[int(of_reader[start])].append((int(of_source[start]), start, stop))
        edges = np.searchsorted(of_reader, np.arange(len(sizes) + 1)).tolist()
        made = (rows, back, counts[rows], within[reader[entries]], within[graph.node[entries]], graph.flip[entries])
        columns = [torch.from_numpy(value).to(device) for value in made]
        return cls(sizes, list(itertools.pairwise(edges)), runs, *columns)


def levels_of(order: LongArray, ptr: LongArray, node: LongArray) -> LongArray:
    """Level of each node, int64 [N]: 0 without fan-in, else one more than the highest it reads."""
    from encoders.layers.sweep_kernels import _kernel_levels

    level = np.zeros(len(order), np.int64)
    _kernel_levels(order, ptr, node, level)
    return level


def _beside(weight: Tensor, pair: Tensor | None) -> Tensor:
    """W, or W and V beside each other, [d, d or 2 d]."""
    return (weight if pair is None else torch.cat([weight, pair], dim=1)).detach()


class _Sweep(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, gate: Tensor, drive: Tensor, weight: Tensor, pair: Tensor | None, graph: SweepGraph
    ) -> Tensor:
        from encoders.layers.sweep_kernels import _kernel_forward

        gate, drive, matrix = gate.contiguous(), drive.contiguous(), _beside(weight, pair)
        state, inner, read = (fresh(len(gate), width, gate.dtype) for width in (*[gate.size(1)] * 2, matrix.size(1)))
        arrays = [t.detach().numpy() for t in (gate, drive, matrix.t().contiguous(), state, read, inner)]
        _kernel_forward(graph.order, 0, len(graph.order), graph.ptr, graph.node, graph.flip, *arrays, True)
        context.save_for_backward(gate, matrix, state, read, inner)
        context.graph = graph
        return state

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        from encoders.layers.sweep_kernels import _kernel_backward

        gate, matrix, state, read, inner = context.saved_tensors
        graph: SweepGraph = context.graph
        total, by_gate, by_drive = (fresh(*gate.shape, gate.dtype) for _ in range(3))
        total.copy_(gradients[0])
        arrays = [t.numpy() for t in (gate, matrix.contiguous(), state, read, inner, total, by_gate, by_drive)]
        _kernel_backward(graph.order, 0, len(graph.order), graph.ptr, graph.node, graph.flip, *arrays)
        by_matrix = by_drive.t() @ read
        width = gate.size(1)
        by_pair = by_matrix[:, width:] if matrix.size(1) > width else None
        return by_gate, by_drive, by_matrix[:, :width], by_pair, None
