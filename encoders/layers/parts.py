"""Rows at once where gradients are recorded, part by part where they are not: no buffer is wider than it must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from circuitgraph.partition import Blocks
from encoders.layers.aggregate import MeanGraph, csr_mean, mean_of_rows
from encoders.layers.buffers import fresh
from encoders.layers.sweep import PART

DENSE = 1.5
"""Rows over rows with neighbours up to which a mean is computed of all rows."""


def longest_part(blocks: Blocks | None) -> int:
    """Most rows of a part: :data:`PART`, or those of the longest block."""
    return PART if blocks is None else max([1, *(stop - start for start, stop in blocks.ranges)])


def parts_of(rows: int, blocks: Blocks | None = None) -> Iterator[tuple[int, int]]:
    """(start, stop) of each part; all rows are one part while gradients are recorded.

    Args:
        blocks: a part is at most as long as the longest of these.
    """
    size = max(1, rows) if torch.is_grad_enabled() else longest_part(blocks)
    for start in range(0, rows, size):
        yield start, min(start + size, rows)


def by_parts(
    make: Callable[[int, int], Tensor], rows: int, like: Tensor, blocks: Blocks | None = None, out: Tensor | None = None
) -> Tensor:
    """All rows of what *make* (start, stop) gives, [rows, d].

    Args:
        like: a tensor of the result's type and width.
        out: where the parts are written if no gradients are recorded; *make* may read the rows it writes.
    """
    if torch.is_grad_enabled():
        return make(0, rows)
    if out is None and like.device.type == "cpu":
        out = fresh(rows, like.size(1), like.dtype)
    found = like.new_empty(rows, like.size(1)) if out is None else out
    for start, stop in parts_of(rows, blocks):
        found[start:stop] = make(start, stop)
    return found


def part_of(value: Tensor, start: int, stop: int) -> Tensor:
    """Rows start to stop; all rows are the tensor itself, whose gradient then needs no buffer of its own."""
    return value if stop - start == len(value) else value[start:stop]


def mean_of_part(hidden: Tensor, graph: MeanGraph, start: int, stop: int) -> Tensor:
    """:func:`csr_mean` of rows start to stop, which are all rows while gradients are recorded."""
    if torch.is_grad_enabled() or hidden.device.type != "cpu":
        return part_of(csr_mean(hidden, graph), start, stop)
    return mean_of_rows(hidden, graph, start, stop)


def add_means(
    total: Tensor,
    layer: Callable[[Tensor], Tensor],
    hidden: Tensor,
    graph: MeanGraph,
    start: int,
    stop: int,
    degree: Tensor | None = None,
) -> Tensor:
    """*total* with *layer* of the means of rows start to stop added into it, [stop - start, w].

    A row without neighbours has a mean of zero and is left out of the work where many are: few cells of a circuit
    take part in the relation of its latches.

    Args:
        total: [stop - start, w], written.
        layer: linear and without bias, from the means, [n, d].
        hidden: [N, d].
        degree: [N], or None; with it *layer* reads the means beside the means times the row's degree, [n, 2 d].
    """
    many = DENSE * len(graph.readers) > len(graph.ptr) - 1
    low, high = (start, stop) if many else np.searchsorted(graph.readers, (start, stop)).tolist()
    mean = mean_of_part(hidden, graph if many else graph.compact, low, high)
    rows = None if many else torch.from_numpy(graph.readers[low:high]).to(total.device)
    if degree is not None:
        scale = part_of(degree, start, stop) if rows is None else degree.index_select(0, rows)
        mean = torch.cat([mean, mean * scale[:, None]], dim=1)
    if rows is None:
        return total.add_(layer(mean))
    return total.index_add_(0, rows - start, layer(mean))
