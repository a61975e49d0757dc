"""The levelised encoder: a sweep along the levels, one against them, and the edges that do not order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from circuitgraph.partition import Blocks
from circuitgraph.pyg import CircuitData, relation_csr, sweep_of
from encoders.encoder import Embedding, Schema, pool
from encoders.layers.csr_mean import MeanGraph, csr_mean
from encoders.layers.stem import BoundedLinear, EdgeStem, Stem, flips_of
from encoders.layers.sweep import sweep

GATE_BIASES = (1.0, 6.0)
"""Initial biases of the gates, spread over the channels: they hand a state on through 3 to 400 levels."""


class _Round(nn.Module):
    """One direction: gates and drives from the stem (and from what was swept before), then the sweep."""

    def __init__(self, width: int, has_previous: bool) -> None:
        super().__init__()
        self.gate = BoundedLinear(width, width, 2.0)
        with torch.no_grad():
            self.gate.bias.copy_(torch.linspace(*GATE_BIASES, width))  # type: ignore[union-attr]
        self.drive = BoundedLinear(width, width, 2.0)
        self.previous = BoundedLinear(width, width, 1.0, bias=False) if has_previous else None
        self.weight = BoundedLinear(width, width, 0.5, bias=False)

    def drives(self, own: Tensor, previous: Tensor | None) -> tuple[Tensor, Tensor]:
        """Gate and drive of every node; the gate never sees a swept state."""
        drive = self.drive(own)
        if self.previous is not None and previous is not None:
            drive = drive + self.previous(previous)
        return torch.sigmoid(self.gate(own)), drive


class Levelised(nn.Module):
    """Forward and fan-out sweeps over the levels, with an update that cannot explode (encoders/layers/sweep.py).

    Args:
        schema: of the view.
        width: d, even.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {}
    is_levelised: ClassVar[bool] = True

    def __init__(self, schema: Schema, width: int = 64) -> None:
        super().__init__()
        self.schema, self.width = schema, width
        relations = len(schema.ordering)
        self.stem_layer = Stem(schema.features, width)
        self.edges_in = EdgeStem(relations, schema.edge_features, width)
        self.edges_out = EdgeStem(relations, schema.edge_features, width)
        self.forward_round = _Round(width, has_previous=False)
        self.backward_round = _Round(width, has_previous=True)
        parts = 3 + 2 * sum(not flag for flag in schema.ordering)
        self.read = nn.ModuleList(BoundedLinear(width, width, 1.0, bias=False) for _ in range(parts))

    def config(self) -> dict[str, Any]:
        """Arguments beside the schema."""
        return {"width": self.width}

    def stem(self, data: CircuitData) -> Tensor:
        """[N, d]."""
        found: Tensor = self.stem_layer(data)
        return found

    def forward(self, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Stem, then propagate."""
        return self.propagate(self.stem(data), data, blocks)

    def propagate(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Both sweeps and the read-out; with *blocks* the sweeps hold only a block and its frontier."""
        graph = sweep_of(data)
        own_in = hidden + self.edges_in(data, 1)
        own_out = hidden + self.edges_out(data, 0)
        flip_in = flips_of(data, self.schema.view, graph.in_edge)
        flip_out = flips_of(data, self.schema.view, graph.out_edge)
        gate, drive = self.forward_round.drives(own_in, None)
        weight = self.forward_round.weight.bounded()
        along = _swept(gate, drive, weight, graph.order, (graph.in_ptr, graph.in_node, flip_in), blocks)
        gate, drive = self.backward_round.drives(own_out, along)
        weight = self.backward_round.weight.bounded()
        order = np.ascontiguousarray(graph.order[::-1])
        against = _swept(gate, drive, weight, order, (graph.out_ptr, graph.out_node, flip_out), blocks)
        parts = [hidden, along, against]
        for relation, orders in enumerate(self.schema.ordering):
            if not orders:
                in_ptr, in_node, in_edge, out_ptr, out_node, out_edge = relation_csr(data, relation)
                into = MeanGraph.of(in_ptr, in_node, flips_of(data, self.schema.view, in_edge), data.num_nodes)
                out = MeanGraph.of(out_ptr, out_node, flips_of(data, self.schema.view, out_edge), data.num_nodes)
                parts += [csr_mean(along, into), csr_mean(against, out)]
        nodes = torch.stack([layer(part) for layer, part in zip(self.read, parts, strict=True)]).sum(0)
        return Embedding(nodes, pool(nodes, data))


def _swept(
    gate: Tensor, drive: Tensor, weight: Tensor, order: np.ndarray, csr: tuple[np.ndarray, ...], blocks: Blocks | None
) -> Tensor:
    """The sweep whole, or over consecutive blocks of the order that carry in only what they read."""
    ptr, node, flip = csr
    if blocks is None:
        return sweep(gate, drive, weight, order, ptr, node, flip)
    ranges = blocks.ranges
    if len(order) and order[0] != blocks.order[0]:
        ranges = [(len(order) - stop, len(order) - start) for start, stop in reversed(ranges)]
    out = torch.empty_like(gate)
    inside = np.full(len(order), -1, np.int64)
    for start, stop in ranges:
        rows = order[start:stop]
        counts = ptr[rows + 1] - ptr[rows]
        entries = np.repeat(ptr[rows] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        read = node[entries]
        inside[rows] = np.arange(len(rows))
        carried = np.unique(read[inside[read] < 0])
        inside[carried] = len(rows) + np.arange(len(carried))
        local_ptr = np.zeros(len(rows) + len(carried) + 1, np.int64)
        local_ptr[1 : len(rows) + 1] = np.cumsum(counts)
        local_ptr[len(rows) + 1 :] = local_ptr[len(rows)]
        out = _sweep_block(gate, drive, weight, (rows, carried, local_ptr, inside[read], flip[entries]), out)
        inside[rows] = inside[carried] = -1
    return out


def _sweep_block(gate: Tensor, drive: Tensor, weight: Tensor, block: tuple[np.ndarray, ...], out: Tensor) -> Tensor:
    """One block, without gradients: the states of carried nodes stand behind those of the block and are only read."""
    from encoders.layers.sweep import forward_kernel

    rows, carried, ptr, node, flip = block
    row, before = torch.from_numpy(rows), torch.from_numpy(carried)
    with torch.no_grad():
        width = gate.size(1)
        local = [torch.empty(len(rows) + len(carried), width, dtype=gate.dtype) for _ in range(5)]
        state, mean, inner, local_gate, local_drive = local
        local_gate[: len(rows)] = gate.detach().index_select(0, row)
        local_drive[: len(rows)] = drive.detach().index_select(0, row)
        state[len(rows) :] = out.index_select(0, before)
        arrays = [t.numpy() for t in (local_gate, local_drive, weight.detach().contiguous(), state, mean, inner)]
        order = np.arange(len(rows), dtype=np.int64)
        forward_kernel()(order, ptr, np.ascontiguousarray(node), np.ascontiguousarray(flip), *arrays)
        out[row] = state[: len(rows)]
    return out
