"""Sum, mean and maximum over neighbours along a CSR: numba kernels with their backward, and a plain-torch twin.

A flipped edge negates the second half of the channels: what an inverter or a complemented edge of an AIG does to
a message, at no cost and without changing its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from encoders.layers.buffers import fresh
from encoders.layers.threads import share_rows

LongArray = npt.NDArray[np.int64]
FlipArray = npt.NDArray[np.uint8]
How = Literal["sum", "mean", "max"]


@dataclass(frozen=True, eq=False)
class MeanGraph:
    """CSR of an aggregation and of its backward.

    ``ptr`` [R + 1], ``node``, ``flip`` [E] say what each of the R result rows reads; ``back_ptr`` [N + 1],
    ``back_node``, ``back_flip`` [E] the same edges by source.
    """

    ptr: LongArray
    node: LongArray
    flip: FlipArray
    back_ptr: LongArray
    back_node: LongArray
    back_flip: FlipArray

    @classmethod
    def of(cls, ptr: LongArray, node: LongArray, flip: FlipArray, sources: int) -> MeanGraph:
        """From the CSR by result row alone; both directions of a view's relations: :func:`relation_graphs`."""
        target = np.repeat(np.arange(len(ptr) - 1, dtype=np.int64), np.diff(ptr))
        order = np.argsort(node, kind="stable")
        back_ptr = np.zeros(sources + 1, np.int64)
        np.cumsum(np.bincount(node, minlength=sources), out=back_ptr[1:])
        return cls(ptr, node, flip, back_ptr, np.ascontiguousarray(target[order]), np.ascontiguousarray(flip[order]))

    @cached_property
    def readers(self) -> LongArray:
        """Rows that have a neighbour, ascending."""
        return np.flatnonzero(np.diff(self.ptr))

    @cached_property
    def compact(self) -> MeanGraph:
        """The CSR of :attr:`readers` alone."""
        place = np.zeros(len(self.ptr) - 1, np.int64)
        place[self.readers] = np.arange(len(self.readers))
        ptr = np.append(self.ptr[self.readers], self.ptr[-1])
        return MeanGraph(ptr, self.node, self.flip, self.back_ptr, place[self.back_node], self.back_flip)

    def reversed(self) -> MeanGraph:
        """The same edges the other way."""
        return MeanGraph(self.back_ptr, self.back_node, self.back_flip, self.ptr, self.node, self.flip)


def csr_sum(hidden: Tensor, graph: MeanGraph) -> Tensor:
    """Sum of the neighbours of every row, [R, d]; see :func:`csr_mean`."""
    return _aggregate(hidden, graph, "sum")


def csr_mean(hidden: Tensor, graph: MeanGraph) -> Tensor:
    """Mean of the neighbours of every row, [R, d]; zero for a row without any.

    Args:
        hidden: [N, d], float32 or float64.
    """
    return _aggregate(hidden, graph, "mean")


def csr_max(hidden: Tensor, graph: MeanGraph) -> Tensor:
    """Largest neighbour of every row by channel, [R, d]; zero for a row without any.

    Among equals the first entry of the row counts, and the gradient is its alone.
    """
    return _aggregate(hidden, graph, "max")


def mean_of_rows(hidden: Tensor, graph: MeanGraph, start: int, stop: int) -> Tensor:
    """:func:`csr_mean` of rows start to stop, without gradients: [stop - start, d]."""
    hidden = hidden.detach()
    out = fresh(stop - start, hidden.size(1), hidden.dtype)
    _fill_sums(graph, hidden.contiguous(), out, start, stop, mean=True)
    return out


def plain_aggregate(hidden: Tensor, graph: MeanGraph, how: How) -> Tensor:
    """The same in plain torch: the reference of the tests, and what runs off the CPU."""
    device = hidden.device
    node = torch.from_numpy(graph.node).to(device)
    rows = len(graph.ptr) - 1
    counts = torch.from_numpy(np.diff(graph.ptr)).to(device)
    target = torch.repeat_interleave(torch.arange(rows, device=device), counts)
    message = hidden.index_select(0, node)
    half = hidden.size(1) // 2
    sign = 1.0 - 2.0 * torch.from_numpy(graph.flip).to(device, hidden.dtype)
    message = torch.cat([message[:, :half], message[:, half:] * sign[:, None]], dim=1)
    if how == "max":
        return _plain_maximum(message, target, rows)
    total = hidden.new_zeros(rows, hidden.size(1)).index_add(0, target, message)
    return total if how == "sum" else total / counts.clamp(min=1)[:, None].to(hidden.dtype)


def plain_mean(hidden: Tensor, graph: MeanGraph) -> Tensor:
    """Twin of :func:`csr_mean`."""
    return plain_aggregate(hidden, graph, "mean")


def _plain_maximum(message: Tensor, target: Tensor, rows: int) -> Tensor:
    """Maximum of the messages of each target; the first of equals is selected, so the gradient is its alone."""
    width = message.size(1)
    at = target[:, None].expand(-1, width)
    with torch.no_grad():
        best = message.new_zeros(rows, width).scatter_reduce(0, at, message, "amax", include_self=False)
        entry = torch.arange(len(message), device=message.device)[:, None].expand(-1, width)
        candidate = torch.where(message == best.index_select(0, target), entry, len(message))
        first = torch.full((rows, width), len(message), device=message.device)
        first = first.scatter_reduce(0, at, candidate, "amin")
        place = (first * width + torch.arange(width, device=message.device)).flatten()
    flat = torch.cat([message, message.new_zeros(1, width)]).flatten()
    return flat.index_select(0, place).view(rows, width)


def _aggregate(hidden: Tensor, graph: MeanGraph, how: How) -> Tensor:
    if hidden.device.type != "cpu":
        return plain_aggregate(hidden, graph, how)
    found: Tensor = (_Maximum.apply(hidden, graph)) if how == "max" else _Sum.apply(hidden, graph, how == "mean")
    return found


def _fill_sums(graph: MeanGraph, hidden: Tensor, out: Tensor, start: int, stop: int, mean: bool) -> None:
    from encoders.layers.aggregate_kernels import _kernel_sum

    given, found = hidden.numpy(), out.numpy()

    def work(low: int, high: int) -> None:
        part = found[low - start : high - start]
        _kernel_sum(graph.ptr, graph.node, graph.flip, low, high, given, part, mean)

    share_rows(work, graph.ptr, start, stop, hidden.size(1))


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, hidden: Tensor, graph: MeanGraph, mean: bool) -> Tensor:
        context.graph, context.mean = graph, mean
        out = fresh(len(graph.ptr) - 1, hidden.size(1), hidden.dtype)
        _fill_sums(graph, hidden.detach().contiguous(), out, 0, len(out), mean)
        return out

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        graph: MeanGraph = context.graph
        gradient = gradients[0].contiguous()
        out = fresh(len(graph.back_ptr) - 1, gradient.size(1), gradient.dtype)
        if not context.mean:
            _fill_sums(graph.reversed(), gradient, out, 0, len(out), mean=False)
            return out, None, None
        from encoders.layers.aggregate_kernels import _kernel_mean_back

        given, found = gradient.numpy(), out.numpy()

        def work(low: int, high: int) -> None:
            csr = (graph.back_ptr, graph.back_node, graph.back_flip)
            _kernel_mean_back(*csr, low, high, graph.ptr, given, found[low:high])

        share_rows(work, graph.back_ptr, 0, len(out), gradient.size(1))
        return out, None, None


class _Maximum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, hidden: Tensor, graph: MeanGraph) -> Tensor:
        from encoders.layers.aggregate_kernels import _kernel_max

        rows, width = len(graph.ptr) - 1, hidden.size(1)
        out, entries = fresh(rows, width, hidden.dtype), fresh(rows, width, torch.int32)
        given, found, places = hidden.detach().contiguous().numpy(), out.numpy(), entries.numpy()

        def work(low: int, high: int) -> None:
            csr = (graph.ptr, graph.node, graph.flip)
            _kernel_max(*csr, low, high, given, found[low:high], places[low:high])

        share_rows(work, graph.ptr, 0, rows, width)
        context.graph, context.sources = graph, len(hidden)
        context.save_for_backward(entries)
        return out

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        from encoders.layers.aggregate_kernels import _kernel_max_back

        graph: MeanGraph = context.graph
        (entries,) = context.saved_tensors
        gradient = gradients[0].contiguous()
        out = fresh(context.sources, gradient.size(1), gradient.dtype).zero_()
        _kernel_max_back(graph.ptr, graph.node, graph.flip, gradient.numpy(), entries.numpy(), out.numpy())
        return out, None
