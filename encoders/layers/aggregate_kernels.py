"""The compiled sums, means and maxima along a CSR (encoders/layers/aggregate.py says what they compute).

Each kernel fills a range of result rows from what they read, so the number of threads that share the rows changes no
bit. Two entries are read at a time, so a result row is loaded and stored half as often, and the rows of a few entries
ahead are fetched meanwhile: neighbours lie anywhere, and waiting for them would be most of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from circuitgraph.kernels import compiled
from encoders.layers.prefetch import prefetch_row

AHEAD = 8
"""Entries between the one that is read and the one that is fetched."""

GRAPH = "int64[::1], int64[::1], uint8[::1], int64, int64"
"""CSR of the result rows (ptr, node, flip) and the range start, stop of those to fill."""

OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy"}
"""Fused multiply-add is allowed; nothing is reordered, so no sum depends on the length of a vector."""


@compiled([f"void({GRAPH}, float{b}[:, ::1], float{b}[:, ::1], boolean)" for b in (32, 64)], **OPTIONS)
def _kernel_sum(ptr: Any, node: Any, flip: Any, start: Any, stop: Any, hidden: Any, out: Any, mean: Any) -> None:
    """Sum or mean of the signed neighbours of rows start to stop into *out* [stop - start, d]."""
    width = hidden.shape[1]
    half, whole = np.uint64(width // 2), np.uint64(width)
    kind = hidden.dtype.type
    last = len(node) - 1
    for row in range(start, stop):
        total = out[row - start]
        begin, end = ptr[row], ptr[row + 1]
        odd = (end - begin) % 2
        if odd:
            prefetch_row(hidden, node[min(begin + AHEAD, last)])
            only = hidden[node[begin]]
            sign = kind(1) - kind(2) * kind(flip[begin])
            for channel in range(half):
                total[channel] = only[channel]
            for channel in range(half, whole):
                total[channel] = sign * only[channel]
        else:
            for channel in range(width):
                total[channel] = 0
        for entry in range(begin + odd, end, 2):
            prefetch_row(hidden, node[min(entry + AHEAD, last)])
            prefetch_row(hidden, node[min(entry + 1 + AHEAD, last)])
            one, two = hidden[node[entry]], hidden[node[entry + 1]]
            first, second = kind(1) - kind(2) * kind(flip[entry]), kind(1) - kind(2) * kind(flip[entry + 1])
            for channel in range(half):
                total[channel] = (total[channel] + one[channel]) + two[channel]
            for channel in range(half, whole):
                total[channel] = (total[channel] + first * one[channel]) + second * two[channel]
        if mean and end - begin > 1:
            scale = kind(1) / kind(end - begin)
            for channel in range(width):
                total[channel] *= scale


@compiled([f"void({GRAPH}, int64[::1], float{b}[:, ::1], float{b}[:, ::1])" for b in (32, 64)], **OPTIONS)
def _kernel_mean_back(
    ptr: Any, node: Any, flip: Any, start: Any, stop: Any, read_ptr: Any, gradient: Any, out: Any
) -> None:
    """Backward of a mean: each source row sums its readers' gradients over the number that each reader reads.

    Args:
        ptr, node, flip, start, stop: readers of each source row, and the source rows to fill.
        read_ptr: pointer of the forward CSR, [R + 1].
        gradient: by the means, [R, d].
        out: by the sources, [stop - start, d].
    """
    width = gradient.shape[1]
    half, whole = np.uint64(width // 2), np.uint64(width)
    kind = gradient.dtype.type
    last = len(node) - 1
    for row in range(start, stop):
        total = out[row - start]
        begin, end = ptr[row], ptr[row + 1]
        odd = (end - begin) % 2
        if odd:
            reader = node[begin]
            prefetch_row(gradient, node[min(begin + AHEAD, last)])
            one = gradient[reader]
            share = kind(1) / kind(read_ptr[reader + 1] - read_ptr[reader])
            signed = share - kind(2) * share * kind(flip[begin])
            for channel in range(half):
                total[channel] = share * one[channel]
            for channel in range(half, whole):
                total[channel] = signed * one[channel]
        else:
            for channel in range(width):
                total[channel] = 0
        for entry in range(begin + odd, end, 2):
            reader, other = node[entry], node[entry + 1]
            prefetch_row(gradient, node[min(entry + AHEAD, last)])
            prefetch_row(gradient, node[min(entry + 1 + AHEAD, last)])
            one, two = gradient[reader], gradient[other]
            share = kind(1) / kind(read_ptr[reader + 1] - read_ptr[reader])
            second = kind(1) / kind(read_ptr[other + 1] - read_ptr[other])
            for channel in range(half):
                total[channel] = (total[channel] + share * one[channel]) + second * two[channel]
            share, second = (
                share - kind(2) * share * kind(flip[entry]),
                second - kind(2) * second * kind(flip[entry + 1]),
            )
            for channel in range(half, whole):
                total[channel] = (total[channel] + share * one[channel]) + second * two[channel]


@compiled([f"void(float{b}[::1], int32[::1], float{b}[::1], float{b}, int32)" for b in (32, 64)], **OPTIONS)
def _kernel_take_larger(best: Any, at: Any, given: Any, sign: Any, place: Any) -> None:
    """Where sign * given is larger than *best* (or no number), take it and note its place."""
    for channel in range(len(best)):
        value, held, kept = sign * given[channel], best[channel], at[channel]
        larger = (value > held) | (value != value)  # "or" would be a branch, and no vector instruction
        best[channel] = value if larger else held
        at[channel] = place if larger else kept


@compiled([f"void({GRAPH}, float{b}[:, ::1], float{b}[:, ::1], int32[:, ::1])" for b in (32, 64)], **OPTIONS)
def _kernel_max(ptr: Any, node: Any, flip: Any, start: Any, stop: Any, hidden: Any, out: Any, entries: Any) -> None:
    """Largest signed neighbour of rows start to stop by channel, and at which entry of its row it first stood.

    A row without neighbours is zero, its entries -1. A NaN stays.
    """
    width = hidden.shape[1]
    half = width // 2
    kind = hidden.dtype.type
    last = len(node) - 1
    for row in range(start, stop):
        best, at = out[row - start], entries[row - start]
        begin, end = ptr[row], ptr[row + 1]
        best[:] = kind(-np.inf) if end > begin else kind(0)
        at[:] = 0 if end > begin else -1
        for entry in range(begin, end):
            prefetch_row(hidden, node[min(entry + AHEAD, last)])
            given = hidden[node[entry]]
            place = np.int32(entry - begin)
            if flip[entry]:
                _kernel_take_larger(best[:half], at[:half], given[:half], kind(1), place)
                _kernel_take_larger(best[half:], at[half:], given[half:], kind(-1), place)
            else:
                _kernel_take_larger(best, at, given, kind(1), place)


@compiled(
    [f"void(int64[::1], int64[::1], uint8[::1], float{b}[:, ::1], int32[:, ::1], float{b}[:, ::1])" for b in (32, 64)],
    **OPTIONS,
)
def _kernel_max_back(ptr: Any, node: Any, flip: Any, gradient: Any, entries: Any, out: Any) -> None:
    """Backward of a maximum: each gradient goes to the neighbour that won, added into *out* [N, d]."""
    width = gradient.shape[1]
    half, whole = np.uint64(width // 2), np.uint64(width)
    kind = gradient.dtype.type
    for row in range(len(ptr) - 1):
        begin = ptr[row]
        if begin == ptr[row + 1]:
            continue
        for channel in range(half):
            out[node[begin + entries[row, channel]], channel] += gradient[row, channel]
        for channel in range(half, whole):
            entry = begin + entries[row, channel]
            out[node[entry], channel] += (kind(1) - kind(2) * kind(flip[entry])) * gradient[row, channel]
