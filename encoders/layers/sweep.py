"""The levelised update: one sweep over the levels that neither explodes nor forgets.

    m_v = mean of the fan-ins' states (second half of the channels negated along flipped edges)
    h_v = g_v * m_v + (1 - g_v) * tanh(u_v + W m_v),      sum of |W| along each row at most 1/2

with g and u made from the stem, outside; a node without fan-in has no mean, its state is tanh(u_v). Each state is a
convex combination of a mean and of a function that is at most 1/2-Lipschitz in the max-norm, so a change of any one
state changes no later state by more, at every weight; where g is near one a state is handed on through many levels.
Derived here: a plain recurrence over thousands of levels is chaotic and its gradient is not finite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LongArray = npt.NDArray[np.int64]
FlipArray = npt.NDArray[np.uint8]


def sweep(
    gate: Tensor, drive: Tensor, weight: Tensor, order: LongArray, ptr: LongArray, node: LongArray, flip: FlipArray
) -> Tensor:
    """States of all nodes, [N, d].

    Args:
        gate: g in (0, 1), [N, d].
        drive: u, [N, d].
        weight: W, [d, d].
        order: nodes so that whatever a node reads stands before it, [N].
        ptr, node, flip: CSR of what each node reads.
    """
    if gate.device.type != "cpu":
        return plain_sweep(gate, drive, weight, order, ptr, node, flip)
    found: Tensor = _Sweep.apply(gate, drive, weight, order, ptr, node, flip)
    return found


def plain_sweep(
    gate: Tensor, drive: Tensor, weight: Tensor, order: LongArray, ptr: LongArray, node: LongArray, flip: FlipArray
) -> Tensor:
    """The same, a node at a time in plain torch: the reference of the tests, and what runs off the CPU."""
    width, half = gate.size(1), gate.size(1) // 2
    states: list[Tensor] = [gate.new_zeros(width)] * gate.size(0)
    for row in order.tolist():
        mean = gate.new_zeros(width)
        entries = range(int(ptr[row]), int(ptr[row + 1]))
        for entry in entries:
            message = states[int(node[entry])]
            if flip[entry]:
                message = torch.cat([message[:half], -message[half:]])
            mean = mean + message
        mean = mean / max(1, len(entries))
        inner = torch.tanh(drive[row] + weight @ mean)
        states[row] = gate[row] * mean + (1 - gate[row]) * inner if len(entries) else inner
    return torch.stack(states) if states else gate


class _Sweep(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        gate: Tensor,
        drive: Tensor,
        weight: Tensor,
        order: LongArray,
        ptr: LongArray,
        node: LongArray,
        flip: FlipArray,
    ) -> Tensor:
        gate, drive, weight = gate.contiguous(), drive.contiguous(), weight.contiguous()
        state, mean, inner = torch.zeros_like(gate), torch.empty_like(gate), torch.empty_like(gate)
        arrays = [t.detach().numpy() for t in (gate, drive, weight, state, mean, inner)]
        forward_kernel()(order, ptr, node, flip, *arrays)
        context.save_for_backward(gate, weight, mean, inner)
        context.graph = (order, ptr, node, flip)
        return state

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gate, weight, mean, inner = context.saved_tensors
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        by_gate, by_drive, by_weight = torch.empty_like(gate), torch.empty_like(gate), torch.zeros_like(weight)
        arrays = [t.numpy() for t in (gate, weight, mean, inner, total, by_gate, by_drive)]
        backward_kernel()(*context.graph, *arrays)
        by_weight = by_drive.t() @ mean
        return by_gate, by_drive, by_weight, None, None, None, None


_HEAD = "int64[::1], int64[::1], int64[::1], uint8[::1]"


@lru_cache(maxsize=1)
def forward_kernel() -> Callable[..., Any]:
    """The compiled forward sweep, float32 and float64."""
    from circuitgraph.kernels import compiled

    return compiled([f"void({_HEAD}{f', float{bits}[:, ::1]' * 6})" for bits in (32, 64)])(_kernel_forward)


@lru_cache(maxsize=1)
def backward_kernel() -> Callable[..., Any]:
    """The compiled backward sweep, float32 and float64."""
    from circuitgraph.kernels import compiled

    return compiled([f"void({_HEAD}{f', float{bits}[:, ::1]' * 7})" for bits in (32, 64)])(_kernel_backward)


def _kernel_forward(
    order: Any, ptr: Any, node: Any, flip: Any, gate: Any, drive: Any, weight: Any, state: Any, mean: Any, inner: Any
) -> None:
    width = gate.shape[1]
    half = width // 2
    one = gate.dtype.type(1)
    for at in range(len(order)):
        row = order[at]
        for channel in range(width):
            mean[row, channel] = 0
        begin, end = ptr[row], ptr[row + 1]
        for entry in range(begin, end):
            other = node[entry]
            for channel in range(half):
                mean[row, channel] += state[other, channel]
            if flip[entry]:
                for channel in range(half, width):
                    mean[row, channel] -= state[other, channel]
            else:
                for channel in range(half, width):
                    mean[row, channel] += state[other, channel]
        if end > begin + 1:
            scale = one / gate.dtype.type(end - begin)
            for channel in range(width):
                mean[row, channel] *= scale
        for channel in range(width):
            total = drive[row, channel]
            if end > begin:
                for inside in range(width):
                    total += weight[channel, inside] * mean[row, inside]
            value = np.tanh(total)
            inner[row, channel] = value
            if end > begin:
                g = gate[row, channel]
                state[row, channel] = g * mean[row, channel] + (one - g) * value
            else:
                state[row, channel] = value


def _kernel_backward(
    order: Any,
    ptr: Any,
    node: Any,
    flip: Any,
    gate: Any,
    weight: Any,
    mean: Any,
    inner: Any,
    total: Any,
    by_gate: Any,
    by_drive: Any,
) -> None:
    width = gate.shape[1]
    half = width // 2
    one = gate.dtype.type(1)
    by_mean = np.empty(width, gate.dtype)
    for at in range(len(order) - 1, -1, -1):
        row = order[at]
        begin, end = ptr[row], ptr[row + 1]
        if end == begin:
            for channel in range(width):
                t = inner[row, channel]
                by_gate[row, channel] = 0
                by_drive[row, channel] = total[row, channel] * (one - t * t)
            continue
        for channel in range(width):
            g, t, grad = gate[row, channel], inner[row, channel], total[row, channel]
            by_gate[row, channel] = grad * (mean[row, channel] - t)
            by_drive[row, channel] = grad * (one - g) * (one - t * t)
            by_mean[channel] = grad * g
        for channel in range(width):
            d = by_drive[row, channel]
            for inside in range(width):
                by_mean[inside] += d * weight[channel, inside]
        scale = one / gate.dtype.type(end - begin)
        for channel in range(width):
            by_mean[channel] *= scale
        for entry in range(begin, end):
            other = node[entry]
            for channel in range(half):
                total[other, channel] += by_mean[channel]
            if flip[entry]:
                for channel in range(half, width):
                    total[other, channel] -= by_mean[channel]
            else:
                for channel in range(half, width):
                    total[other, channel] += by_mean[channel]
