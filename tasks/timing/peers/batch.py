"""Pieces of heterographs as one batch of tensors: a step runs over all of them at once.

Edges are sorted by the level of their target, then by target, so that a level's edges are one range. All gathers are
``index_select``, all sums and maxima go by target in a fixed order: the same bits on one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tasks.timing.peers.order_partition import Piece
from tasks.timing.peers.pin_graph import PinGraph, PinLabels

Array = npt.NDArray[Any]
LongArray = npt.NDArray[np.int64]
NODE_TARGETS = ("net_delay", "net_weight")
"""Columns of nodes whose names begin as those of edges do."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Labels of a batch, 0 where there is none, and what each entry weighs in the mean of its piece.

    ``state``, ``state_weight`` [N, 8]; ``net_delay``, ``net_weight`` [N, 4]; ``cell_delay``, ``cell_weight`` [E, 4];
    weights of a piece add up to 1 over the number of pieces (less where their partition divides by all nodes).
    """

    state: Tensor
    state_weight: Tensor
    net_delay: Tensor
    net_weight: Tensor
    cell_delay: Tensor
    cell_weight: Tensor


@dataclass(frozen=True, eq=False)
class Level:
    """What is computed at once: ranges of ``signal_net``, of cell edges and of the outputs that these go into."""

    nets: tuple[int, int]
    cells: tuple[int, int]
    outputs: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pieces beside each other; N nodes, A net edges, E cell edges, O nodes that cell edges go into, B pieces.

    | field | type, shape | meaning |
    |---|---|---|
    | features | float32 [N, 10] | see :class:`PinGraph` |
    | level, piece | int64 [N] | level; number of the piece |
    | counted, is_start | bool [N] | |
    | start | float32 [N, 8] | states of the starts |
    | net_source, net_target, net_feature | int64 [A], [A], float32 [A, 2] | |
    | drivers, net_driver | int64 [D], [A] | nodes that drive a net; which of them each net edge comes from |
    | signal_net | int64 | net edges whose targets' states are computed, ascending |
    | cell_source, cell_target, cell_table | int64 [E] | |
    | axes, tables | float32 [R, 8, 15], [R, 8, 49] | |
    | output, cell_output | int64 [O], [E] | node of each output; output of each cell edge |
    | pieces | int | B |
    | targets | Targets or None | |
    """

    features: Tensor
    level: Tensor
    piece: Tensor
    counted: Tensor
    is_start: Tensor
    start: Tensor
    net_source: Tensor
    net_target: Tensor
    net_feature: Tensor
    drivers: Tensor
    net_driver: Tensor
    signal_net: Tensor
    cell_source: Tensor
    cell_target: Tensor
    cell_table: Tensor
    axes: Tensor
    tables: Tensor
    output: Tensor
    cell_output: Tensor
    pieces: int
    targets: Targets | None

    @cached_property
    def levels(self) -> list[Level]:
        """The ranges of every level with edges, from the first to the last."""
        nets = self.net_target.index_select(0, self.signal_net)
        own = [self.level.index_select(0, rows).numpy() for rows in (nets, self.cell_target, self.output)]
        found = []
        for level in np.unique(np.concatenate(own)).tolist():
            ranges = [tuple(np.searchsorted(one, (level, level + 1)).tolist()) for one in own]
            found.append(Level(*ranges))
        return found

    @property
    def known(self) -> Tensor:
        """The true state of every node: what teacher forcing reads, [N, 8]."""
        assert self.targets is not None
        return torch.where(self.is_start[:, None], self.start, self.targets.state)


def batch_of(parts: Sequence[tuple[PinGraph, Piece]], labels: Sequence[PinLabels] | None = None) -> Batch:
    """The batch of some pieces.

    Args:
        parts: graphs and pieces of them.
        labels: of the graph of each part.
    """
    offset, table_offset = 0, 0
    columns: dict[str, list[Array]] = {}
    for number, (graph, piece) in enumerate(parts):
        row = np.full(len(graph), -1, np.int64)
        row[piece.nodes] = np.arange(len(piece.nodes)) + offset
        for name, values in _columns(graph, piece, row).items():
            columns.setdefault(name, []).append(values)
        columns["cell_table"][-1] = columns["cell_table"][-1] + table_offset
        columns.setdefault("piece", []).append(np.full(len(piece.nodes), number, np.int64))
        columns.setdefault("axes", []).append(graph.axes)
        columns.setdefault("tables", []).append(graph.tables)
        if labels is not None:
            for name, values in _targets(labels[number], piece, graph, len(parts)).items():
                columns.setdefault(name, []).append(values)
        offset, table_offset = offset + len(piece.nodes), table_offset + len(graph.axes)
    whole = {name: np.concatenate(values) for name, values in columns.items()}
    for kind in ("net", "cell"):
        target = whole[f"{kind}_target"]
        order = np.lexsort((target, whole["level"][target]))
        for name in [name for name in whole if name.startswith(f"{kind}_") and name not in NODE_TARGETS]:
            whole[name] = whole[name][order]
    whole["drivers"] = np.flatnonzero(whole["features"][:, 1] > 0)
    whole["net_driver"] = np.searchsorted(whole["drivers"], whole["net_source"])
    whole["signal_net"] = np.flatnonzero(whole.pop("net_signals"))
    first = np.ones(len(whole["cell_target"]), np.bool_)
    first[1:] = whole["cell_target"][1:] != whole["cell_target"][:-1]
    whole["output"], whole["cell_output"] = whole["cell_target"][first], np.cumsum(first) - 1
    tensors = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in whole.items()}
    targets = None if labels is None else Targets(*(tensors.pop(name) for name in Targets.__dataclass_fields__))
    return Batch(**tensors, pieces=len(parts), targets=targets)


def _columns(graph: PinGraph, piece: Piece, row: LongArray) -> dict[str, Array]:
    """Columns of one piece; *row* is the row in the batch of each of the graph's nodes."""
    nodes, nets, cells = piece.nodes, piece.nets, piece.cells
    own = np.zeros(len(graph), np.bool_)
    own[nodes] = piece.counted | piece.halo_counts
    return {
        "features": graph.features[nodes],
        "level": graph.level[nodes],
        "counted": piece.counted,
        "is_start": graph.is_start[nodes],
        "start": graph.start[nodes],
        "net_source": row[graph.net_source[nets]],
        "net_target": row[graph.net_target[nets]],
        "net_feature": graph.net_feature[nets],
        "net_signals": own[graph.net_target[nets]],
        "cell_source": row[graph.cell_source[cells]],
        "cell_target": row[graph.cell_target[cells]],
        "cell_table": graph.cell_table[cells],
    }


def _targets(labels: PinLabels, piece: Piece, graph: PinGraph, pieces: int) -> dict[str, Array]:
    """Labels of one piece and their weights."""
    counted, cells = piece.counted[:, None], piece.cells
    own = np.zeros(len(graph), np.bool_)
    own[piece.nodes] = piece.counted | piece.halo_counts

    def weights(has: Array, counts: Array) -> Array:
        among = has if piece.halo_counts else has & counts
        return ((has & counts) / max(int(among.sum()), 1) / pieces).astype(np.float32)

    return {
        "state": labels.state[piece.nodes],
        "state_weight": weights(labels.has_state[piece.nodes], counted),
        "net_delay": labels.net_delay[piece.nodes],
        "net_weight": weights(labels.has_net_delay[piece.nodes], counted),
        "cell_delay": labels.cell_delay[cells],
        "cell_weight": weights(labels.has_cell_delay[cells], own[graph.cell_target[cells]][:, None]),
    }
