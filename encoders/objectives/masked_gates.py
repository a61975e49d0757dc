"""Masked gate modelling: recover kind and degrees of cells whose rows were replaced by a learned token.

The circuit itself is not touched: levels, fan-ins and fan-outs stay what they are. What is masked is a *cell*: in the
timing view all its pins together, with the features of the edges that enter them, or sibling pins tell the answer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, graph_of, num_graphs_of, relation_csr
from circuitgraph.views.view import node_kinds
from encoders.layers.csr_mean import MeanGraph, csr_mean

DEGREE_WEIGHT = 0.2
"""Weight of the degrees' term beside the kind's."""


class MaskedGates(nn.Module):
    """Recover kind and degrees of masked cells.

    Loss of a graph = mean over its masked cells of cross entropy of the kind + 0.2 * smooth L1 of log(1 + degrees);
    loss of a batch = mean over its graphs that have a masked cell.

    Args:
        width: columns of the hidden state, d.
        rate: share of the cells of each graph that is masked, in (0, 1); at least one cell.
        mask_at: "stem" replaces rows before ``propagate``; "latent" replaces rows of its result, and a one-layer
            decoder of this objective fills them in: the neighbours then know the masked cell, a declared leak.

    Source: MGVGA (Wu et al., ICLR 2025) masks the encoder's output ("latent"); masking the stem is ours.
    """

    scope: ClassVar[Literal["graph", "batch"]] = "graph"

    def __init__(self, width: int, rate: float = 0.3, mask_at: Literal["stem", "latent"] = "stem") -> None:
        super().__init__()
        if not 0 < rate < 1:
            raise CircuitError("recipe", "objective.rate", f"must lie between 0 and 1, not {rate}", "0.3 is usual")
        if mask_at not in {"stem", "latent"}:
            raise CircuitError("recipe", "objective.mask_at", f"is 'stem' or 'latent', not {mask_at!r}", "use 'stem'")
        self.rate, self.mask_at = rate, mask_at
        self.token = nn.Parameter(torch.zeros(width))
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width))
        self.kind = nn.Linear(width, len(node_kinds()))
        self.degree = nn.Linear(width, 2)
        self.decoder = nn.Linear(3 * width, width) if mask_at == "latent" else None

    @property
    def expected_failures(self) -> Mapping[str, str]:
        """The leak of latent masking, declared."""
        if self.mask_at == "latent":
            return {"masked_part_does_not_leak": "neighbours were encoded with the masked cell in sight, as published"}
        return {}

    def config(self) -> dict[str, Any]:
        """Arguments beside the width."""
        return {"rate": self.rate, "mask_at": self.mask_at}

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group of its own parameters."""
        return [{"params": list(self.parameters())}]

    def after_step(self, step: int) -> None:
        """Nothing."""

    def after_epoch(self) -> None:
        """Nothing."""

    def choose(self, data: CircuitData, draws: Draws) -> Tensor:
        """Masked cells, bool [U]: in every graph the ceil(rate * cells) with the smallest draws.

        A cell's draw depends on seed, epoch, graph and its place in the view: not on the batch.
        """
        counts = [int(count) for count in data.num_units]
        draw = draws.uniform("mask", data.graph_id.tolist(), counts)
        masked = np.zeros(len(draw), np.bool_)
        start = 0
        for count in counts:
            chosen = np.argsort(draw[start : start + count], kind="stable")[: int(np.ceil(self.rate * count))]
            masked[start + chosen] = True
            start += count
        return torch.from_numpy(masked)

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a batch; see the class."""
        masked = self.choose(batch, draws)
        found = self.predict(encoder, batch, masked)
        if found is None:
            zero = self.token.sum() * 0.0
            return zero, {"kind_loss": 0.0, "degree_loss": 0.0, "accuracy": 0.0}
        logits, degrees, target, graph = found
        kind = F.cross_entropy(logits, target["kind"], reduction="none")
        degree = F.smooth_l1_loss(degrees, target["degrees"], reduction="none").sum(1)
        correct = (logits.argmax(1) == target["kind"]).to(kind.dtype)
        graphs = num_graphs_of(batch)
        terms = _mean_by_graph(
            torch.stack([kind + DEGREE_WEIGHT * degree, kind, degree, correct], dim=1), graph, graphs
        )
        values = terms.detach()
        names = ("kind_loss", "degree_loss", "accuracy")
        return terms[0], {name: float(values[row + 1]) for row, name in enumerate(names)}

    def predict(
        self, encoder: nn.Module, data: CircuitData, masked: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor] | None:
        """Logits [M, K], log degrees [M, 2], targets and graph of the masked cells; None without any.

        Args:
            masked: bool [U].
        """
        if not len(masked):
            return None
        rows = data.maskable & masked.index_select(0, data.unit.clamp(max=len(masked) - 1))
        if not bool(rows.any()):
            return None
        nodes = self._encode(encoder, data, rows)
        unit = torch.cumsum(masked.to(torch.int64), 0) - 1
        at = rows.nonzero().flatten()
        place = unit.index_select(0, data.unit.index_select(0, at))
        count = int(masked.sum())
        size = nodes.new_zeros(count).index_add(0, place, nodes.new_ones(len(at)))
        total = nodes.new_zeros(count, nodes.size(1)).index_add(0, place, nodes.index_select(0, at))
        cells = self.head(total / size.clamp(min=1)[:, None])
        first = torch.full((count,), data.num_nodes, dtype=torch.int64).scatter_reduce(0, place, at, "amin")
        kind = data.node_kind.index_select(0, first)
        target = {"kind": kind, "degrees": unit_degrees(data)[masked].to(nodes.dtype).log1p()}
        return self.kind(cells), self.degree(cells), target, graph_of(data).index_select(0, first)

    def _encode(self, encoder: nn.Module, data: CircuitData, rows: Tensor) -> Tensor:
        if self.decoder is None:
            hidden_data = hide(data, rows)
            hidden = encoder.stem(hidden_data)  # type: ignore[operator]
            hidden = torch.where(rows[:, None], self.token.to(hidden.dtype), hidden)
            nodes: Tensor = encoder.propagate(hidden, hidden_data).nodes  # type: ignore[operator]
            return nodes
        nodes = encoder(data).nodes
        nodes = torch.where(rows[:, None], self.token.to(nodes.dtype), nodes)
        parts = [nodes, torch.zeros_like(nodes), torch.zeros_like(nodes)]
        for relation in range(len(encoder.schema.ordering)):  # type: ignore[union-attr, arg-type]
            in_ptr, in_node, in_edge, out_ptr, out_node, out_edge = relation_csr(data, relation)
            plain = np.zeros(len(in_edge), np.uint8)
            parts[1] = parts[1] + csr_mean(nodes, MeanGraph.of(in_ptr, in_node, plain, data.num_nodes))
            parts[2] = parts[2] + csr_mean(nodes, MeanGraph.of(out_ptr, out_node, plain, data.num_nodes))
        decoded: Tensor = torch.relu(self.decoder(torch.cat(parts, dim=1)))
        return decoded


def hide(data: CircuitData, rows: Tensor) -> CircuitData:
    """The same graph with the features of masked nodes and of the edges into them set to zero.

    Args:
        rows: masked nodes, bool [N].
    """
    hidden = copy.copy(data)
    into = rows.index_select(0, data.edge_index[1])
    source, target = data.unit.index_select(0, data.edge_index[0]), data.unit.index_select(0, data.edge_index[1])
    inside = rows.index_select(0, data.edge_index[0]) & data.maskable.index_select(0, data.edge_index[1])
    inside = inside & (source == target)
    hidden.edge_attr = torch.where((into | inside)[:, None], torch.zeros_like(data.edge_attr), data.edge_attr)
    hidden.x = torch.where(rows[:, None], torch.zeros_like(data.x), data.x)
    hidden.node_kind = torch.where(rows, torch.zeros_like(data.node_kind), data.node_kind)
    return hidden


def unit_degrees(data: CircuitData) -> Tensor:
    """Edges that enter and leave each cell from and to other nodes, int64 [U, 2]."""
    units = int(data.num_units.sum())
    source, target = data.edge_index
    own = data.unit.index_select(0, source) == data.unit.index_select(0, target)
    own = own & data.maskable.index_select(0, source) & data.maskable.index_select(0, target) & (source != target)
    found = torch.zeros(units, 2, dtype=torch.int64)
    for column, end in ((0, target), (1, source)):
        rows = end[~own & data.maskable.index_select(0, end)]
        unit = data.unit.index_select(0, rows)
        found[:, column] = torch.zeros(units, dtype=torch.int64).index_add(0, unit, torch.ones_like(unit))
    return found


def _mean_by_graph(terms: Tensor, graph: Tensor, graphs: int) -> Tensor:
    """Mean over graphs of the mean over each graph's rows, [columns]; graphs without rows leave the denominator."""
    total = terms.new_zeros(graphs, terms.size(1)).index_add(0, graph, terms)
    count = terms.new_zeros(graphs).index_add(0, graph, terms.new_ones(len(graph)))
    has = (count > 0).to(terms.dtype)
    return (total / count.clamp(min=1)[:, None]).sum(0) / has.sum().clamp(min=1)
