"""The compiled levelised sweep (encoders/layers/sweep.py says what it computes), forward and backward.

The inner loops run over output channels, four inputs at a time, so that they become vector instructions: the weights
come as the rows that a scalar multiplies. A row depends on the rows it reads and on nothing else, so neither the
range [start, stop) nor the number of threads changes a bit of the forward sweep; the backward sweep is serial.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from circuitgraph.kernels import compiled

CONTRACT = {"contract"}
"""Fused multiply-add is allowed; nothing is reordered, so no sum depends on the length of a vector."""

TOP = 9.0
"""tanh is 1 in float32 beyond this."""


@compiled([f"void(float{bits}[::1])" for bits in (32, 64)], fastmath=CONTRACT, error_model="numpy")
def _kernel_tanh(value: Any) -> None:
    """The hyperbolic tangent, in place.

    float32: x P(x^2) / Q(x^2) evaluated in float64, fitted to tanh on [-9, 9] (least squares reweighted towards equal
    ripples; largest error 1.9e-8 before the last rounding); never beyond 1. float64: the library's.
    """
    if value.itemsize == 8:
        for place in range(len(value)):
            value[place] = np.tanh(value[place])
        return
    for place in range(len(value)):
        x = max(min(np.float64(value[place]), TOP), -TOP)
        z = x * x
        p = 2.0471956464189535e-05 + z * 1.3184377663419137e-08
        p = 0.9999999064391621 + z * (0.1337320499127903 + z * (0.0034865902490179537 + z * p))
        q = 0.000327139854495144 + z * 7.702730761875793e-07
        q = 1.0 + z * (0.46706501874917083 + z * (0.02584201176461177 + z * q))
        value[place] = max(min(x * p / q, 1.0), -1.0)


@compiled(
    [f"void(float{bits}[::1], int64, float{bits}[:, ::1], float{bits}[::1])" for bits in (32, 64)],
    fastmath=CONTRACT,
    error_model="numpy",
)
def _kernel_add_product(left: Any, count: Any, matrix: Any, out: Any) -> None:
    """Add left[:count] @ matrix[:count] to *out*."""
    width = len(out)
    whole = count - count % 4
    for row in range(0, whole, 4):
        a, b, c, d = left[row], left[row + 1], left[row + 2], left[row + 3]
        first, second, third, fourth = matrix[row], matrix[row + 1], matrix[row + 2], matrix[row + 3]
        for column in range(width):
            out[column] += a * first[column] + b * second[column] + (c * third[column] + d * fourth[column])
    for row in range(whole, count):
        a = left[row]
        for column in range(width):
            out[column] += a * matrix[row, column]


GRAPH = "int64[::1], int64, int64, int64[::1], int64[::1], uint8[::1]"
"""order, start, stop, and the CSR of what each node reads: ptr, node, flip."""


@compiled(
    [f"void(int64[::1], uint8[::1], int64, int64, float{b}[:, ::1], float{b}[::1], boolean)" for b in (32, 64)],
    fastmath=CONTRACT,
    error_model="numpy",
)
def _kernel_read(node: Any, flip: Any, begin: Any, end: Any, state: Any, read: Any, paired: Any) -> None:
    """What a node with fan-in reads: signed mean into read[:d]; with *paired* the mean product into read[d:]."""
    width = state.shape[1]
    half, whole = np.uint64(width // 2), np.uint64(width)
    kind = state.dtype.type
    other = node[begin]
    sign = kind(1) - kind(2) * kind(flip[begin])
    mean = read[:width]
    for channel in range(half):
        mean[channel] = state[other, channel]
    for channel in range(half, whole):
        mean[channel] = sign * state[other, channel]
    for entry in range(begin + 1, end):
        row = state[node[entry]]
        sign = kind(1) - kind(2) * kind(flip[entry])
        for channel in range(half):
            mean[channel] += row[channel]
        for channel in range(half, whole):
            mean[channel] += sign * row[channel]
    count = end - begin
    if paired:
        pair = read[width:]
        if count == 1:
            pair[:] = 0
            return
        scale = kind(1) / kind(count * (count - 1))
        for channel in range(width):
            pair[channel] = mean[channel] * mean[channel]
        for entry in range(begin, end):
            row = state[node[entry]]
            for channel in range(width):
                pair[channel] -= row[channel] * row[channel]
        for channel in range(width):
            pair[channel] *= scale
    if count > 1:
        scale = kind(1) / kind(count)
        for channel in range(width):
            mean[channel] *= scale


@compiled(
    [f"void({GRAPH}{f', float{bits}[:, ::1]' * 6}, boolean)" for bits in (32, 64)],
    fastmath=CONTRACT,
    error_model="numpy",
)
def _kernel_forward(
    order: Any,
    start: Any,
    stop: Any,
    ptr: Any,
    node: Any,
    flip: Any,
    gate: Any,
    drive: Any,
    matrix: Any,
    state: Any,
    read: Any,
    inner: Any,
    keep: Any,
) -> None:
    """States of ``order[start:stop]``.

    Args:
        order, start, stop, ptr, node, flip: see :data:`GRAPH`.
        gate, drive: g and u: by node, [N, d], if *keep*, else of the nodes at hand, [stop - start, d].
        matrix: rows of W transposed, then (with pairs) of V transposed, [d or 2 d, d].
        state: result, [N, d].
        read, inner: what each node read, [N, d or 2 d], and its tanh, [N, d]; one row each unless *keep*.
        keep: whether they are kept by node, for the backward sweep.
    """
    width = gate.shape[1]
    paired = len(matrix) > width
    for at in range(start, stop):
        row = order[at]
        begin, end = ptr[row], ptr[row + 1]
        place, scratch = (row, row) if keep else (at - start, 0)
        value, into, own = inner[scratch], read[scratch], drive[place]
        for channel in range(width):
            value[channel] = own[channel]
        if end == begin:
            into[:] = 0
            _kernel_tanh(value)
            state[row] = value
            continue
        _kernel_read(node, flip, begin, end, state, into, paired)
        _kernel_add_product(into, len(into) if end > begin + 1 else width, matrix, value)
        _kernel_tanh(value)
        share, out = gate[place], state[row]
        for channel in range(width):
            out[channel] = value[channel] + share[channel] * (into[channel] - value[channel])


@compiled(
    [
        f"void(int64[::1], uint8[::1], int64, int64, float{b}[:, ::1], float{b}[::1], float{b}[::1], float{b}[:, ::1])"
        for b in (32, 64)
    ],
    fastmath=CONTRACT,
    error_model="numpy",
)
def _kernel_hand_back(
    node: Any, flip: Any, begin: Any, end: Any, state: Any, mean: Any, by_read: Any, total: Any
) -> None:
    """Gradient by what a node read, handed on to the states it read; *by_read* is overwritten.

    The mean product p = ((sum x)^2 - sum x^2) / (n (n - 1)) has dp / dx_i = 2 (n mean - x_i) / (n (n - 1)).
    """
    width = state.shape[1]
    half, whole = np.uint64(width // 2), np.uint64(width)
    kind = state.dtype.type
    count = end - begin
    by_mean = by_read[:width]
    scale = kind(1) / kind(count)
    for channel in range(width):
        by_mean[channel] *= scale
    paired = len(by_read) > width and count > 1
    if paired:
        by_pair = by_read[width:]
        scale = kind(2) / kind(count * (count - 1))
        for channel in range(width):
            by_pair[channel] *= scale
            by_mean[channel] += by_pair[channel] * (kind(count) * mean[channel])
    for entry in range(begin, end):
        other = node[entry]
        out = total[other]
        sign = kind(1) - kind(2) * kind(flip[entry])
        for channel in range(half):
            out[channel] += by_mean[channel]
        for channel in range(half, whole):
            out[channel] += sign * by_mean[channel]
        if paired:
            row = state[other]
            for channel in range(width):
                out[channel] -= by_pair[channel] * row[channel]


@compiled(
    [f"void({GRAPH}{f', float{bits}[:, ::1]' * 8})" for bits in (32, 64)],
    fastmath=CONTRACT,
    error_model="numpy",
)
def _kernel_backward(
    order: Any,
    start: Any,
    stop: Any,
    ptr: Any,
    node: Any,
    flip: Any,
    gate: Any,
    matrix: Any,
    state: Any,
    read: Any,
    inner: Any,
    total: Any,
    by_gate: Any,
    by_drive: Any,
) -> None:
    """Gradients of ``order[start:stop]``, from the last to the first.

    Args:
        order, start, stop, ptr, node, flip: see :data:`GRAPH`.
        gate: g, [N, d].
        matrix: W, with pairs beside V, [d, d or 2 d].
        state, read, inner: what the forward sweep kept.
        total: gradient by the states, in: from outside, out: complete, [N, d].
        by_gate, by_drive: results, [N, d].
    """
    width = gate.shape[1]
    kind = gate.dtype.type
    one = kind(1)
    by_read = np.empty(matrix.shape[1], gate.dtype)
    for at in range(stop - 1, start - 1, -1):
        row = order[at]
        begin, end = ptr[row], ptr[row + 1]
        value, grad, by_share, by_own = inner[row], total[row], by_gate[row], by_drive[row]
        if end == begin:
            for channel in range(width):
                by_share[channel] = 0
                by_own[channel] = grad[channel] * (one - value[channel] * value[channel])
            continue
        share, mean = gate[row], read[row]
        for channel in range(width):
            by_share[channel] = grad[channel] * (mean[channel] - value[channel])
            through = grad[channel] * share[channel]
            by_own[channel] = (grad[channel] - through) * (one - value[channel] * value[channel])
            by_read[channel] = through
        by_read[width:] = 0
        _kernel_add_product(by_own, width, matrix, by_read)
        _kernel_hand_back(node, flip, begin, end, state, mean, by_read, total)


@compiled("void(int64[::1], int64[::1], int64[::1], int64[::1])")
def _kernel_levels(order: Any, ptr: Any, node: Any, level: Any) -> None:
    """Level of each node: 0 without fan-in, else one more than the highest it reads."""
    for row in order:
        found = 0
        for entry in range(ptr[row], ptr[row + 1]):
            found = max(found, level[node[entry]] + 1)
        level[row] = found
