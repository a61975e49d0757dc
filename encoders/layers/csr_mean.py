"""Mean over neighbours along a CSR: a numba kernel with its backward, and a plain-torch twin.

A flipped edge negates the second half of the channels: what an inverter or a complemented edge of an AIG does to
a message, at no cost and without changing its size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LongArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MeanGraph:
    """CSR of a mean and of its backward.

    ``ptr`` [R + 1], ``node``, ``flip`` [E] say what each of the R result rows reads; ``back_ptr`` [N + 1], ``back_node``,
    ``back_flip`` [E] the same edges by source; ``weight`` [R] is one over each row's number of edges (0 for none).
    """

    ptr: LongArray
    node: LongArray
    flip: npt.NDArray[np.uint8]
    back_ptr: LongArray
    back_node: LongArray
    back_flip: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.float64]

    @classmethod
    def of(cls, ptr: LongArray, node: LongArray, flip: npt.NDArray[np.uint8], sources: int) -> MeanGraph:
        """From the CSR by result row alone."""
        target = np.repeat(np.arange(len(ptr) - 1, dtype=np.int64), np.diff(ptr))
        order = np.argsort(node, kind="stable")
        back_ptr = np.zeros(sources + 1, np.int64)
        np.cumsum(np.bincount(node, minlength=sources), out=back_ptr[1:])
        weight = 1.0 / np.maximum(np.diff(ptr), 1)
        return cls(
            ptr, node, flip, back_ptr, np.ascontiguousarray(target[order]), np.ascontiguousarray(flip[order]), weight
        )


def csr_mean(hidden: Tensor, graph: MeanGraph) -> Tensor:
    """Mean of the neighbours of every row, [R, d]; zero for a row without any.

    Args:
        hidden: [N, d], float32 or float64.
    """
    if hidden.device.type != "cpu":
        return plain_mean(hidden, graph)
    found: Tensor = _Mean.apply(hidden, graph)
    return found


def plain_mean(hidden: Tensor, graph: MeanGraph) -> Tensor:
    """The same in plain torch: the reference of the tests, and what runs off the CPU."""
    device = hidden.device
    node = torch.from_numpy(graph.node).to(device)
    rows = len(graph.ptr) - 1
    target = torch.repeat_interleave(torch.arange(rows), torch.from_numpy(np.diff(graph.ptr))).to(device)
    message = hidden.index_select(0, node)
    half = hidden.size(1) // 2
    sign = 1.0 - 2.0 * torch.from_numpy(graph.flip).to(device, hidden.dtype)
    message = torch.cat([message[:, :half], message[:, half:] * sign[:, None]], dim=1)
    total = hidden.new_zeros(rows, hidden.size(1)).index_add(0, target, message)
    return total * torch.from_numpy(graph.weight).to(device, hidden.dtype)[:, None]


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, hidden: Tensor, graph: MeanGraph) -> Tensor:
        context.graph = graph
        hidden = hidden.contiguous()
        out = torch.empty(len(graph.ptr) - 1, hidden.size(1), dtype=hidden.dtype)
        kernel()(graph.ptr, graph.node, graph.flip, graph.weight, hidden.detach().numpy(), out.numpy())
        return out

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        graph: MeanGraph = context.graph
        scaled = gradients[0] * torch.from_numpy(graph.weight).to(gradients[0].dtype)[:, None]
        out = torch.empty(len(graph.back_ptr) - 1, scaled.size(1), dtype=scaled.dtype)
        ones = np.ones(len(graph.back_ptr) - 1)
        kernel()(graph.back_ptr, graph.back_node, graph.back_flip, ones, scaled.contiguous().numpy(), out.numpy())
        return out, None


@lru_cache(maxsize=1)
def kernel() -> Callable[..., Any]:
    """The compiled kernel, float32 and float64."""
    from circuitgraph.kernels import compiled

    head = "int64[::1], int64[::1], uint8[::1], float64[::1]"
    return compiled([f"void({head}, float{bits}[:, ::1], float{bits}[:, ::1])" for bits in (32, 64)])(_kernel_mean)


def _kernel_mean(ptr: Any, node: Any, flip: Any, weight: Any, hidden: Any, out: Any) -> None:
    width = hidden.shape[1]
    half = width // 2
    for row in range(len(ptr) - 1):
        for channel in range(width):
            out[row, channel] = 0
        for entry in range(ptr[row], ptr[row + 1]):
            other = node[entry]
            for channel in range(half):
                out[row, channel] += hidden[other, channel]
            if flip[entry]:
                for channel in range(half, width):
                    out[row, channel] -= hidden[other, channel]
            else:
                for channel in range(half, width):
                    out[row, channel] += hidden[other, channel]
        scale = hidden.dtype.type(weight[row])
        for channel in range(width):
            out[row, channel] *= scale
