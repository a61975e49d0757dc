"""Masked gate modelling: recover kind and degrees of cells whose rows were replaced by a learned token.

The circuit itself is not touched: levels, fan-ins and fan-outs stay what they are. What is masked is a *cell*: in the
timing view all its pins together, with the features of the edges that enter them, or sibling pins tell the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, relation_csr
from circuitgraph.views.view import node_kinds
from encoders.layers.aggregate import MeanGraph, csr_mean
from encoders.objectives.masking import (
    cell_means,
    checked_rate,
    choose,
    encode_masked,
    loss_of,
    masked_rows,
    nothing,
    unit_degrees,
)

DEGREE_WEIGHT = 0.2
"""Weight of the degrees' term beside the kind's."""
METRICS = ("kind_loss", "degree_loss", "accuracy")


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
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, width: int, rate: float = 0.3, mask_at: Literal["stem", "latent"] = "stem") -> None:
        super().__init__()
        if mask_at not in {"stem", "latent"}:
            raise CircuitError("recipe", "objective.mask_at", f"is 'stem' or 'latent', not {mask_at!r}", "use 'stem'")
        self.rate, self.mask_at = checked_rate(rate), mask_at
        self.token = nn.Parameter(torch.zeros(width))
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width))
        self.kind = nn.Linear(width, len(node_kinds()))
        self.degree = nn.Linear(width, 2)
        self.decoder = nn.Linear(3 * width, width) if mask_at == "latent" else None

    @property
    def expected_failures(self) -> Mapping[str, str]:
        """The leak of latent masking, declared."""
        if self.mask_at == "latent":
            return {"answer_does_not_leak": "neighbours were encoded with the masked cell in sight, as published"}
        return {}

    def config(self) -> dict[str, Any]:
        """Arguments beside the width."""
        return {"rate": self.rate, "mask_at": self.mask_at}

    def bind(self, encoder: nn.Module) -> None:
        """Nothing."""

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group of its own parameters."""
        return [{"params": list(self.parameters())}]

    def after_step(self, step: int) -> None:
        """Nothing."""

    def after_epoch(self) -> None:
        """Nothing."""

    def choose(self, data: CircuitData, draws: Draws) -> Tensor:
        """Masked cells, bool [U]; see :func:`encoders.objectives.masking.choose`."""
        return choose(data, draws, self.rate)

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a batch; see the class."""
        found = self.predict(encoder, batch, self.choose(batch, draws))
        if found is None:
            return nothing(self.token, METRICS)
        logits, degrees, target, first = found
        kind = F.cross_entropy(logits, target["kind"], reduction="none")
        degree = F.smooth_l1_loss(degrees, target["degrees"], reduction="none").sum(1)
        correct = (logits.argmax(1) == target["kind"]).to(kind.dtype)
        terms = torch.stack([kind + DEGREE_WEIGHT * degree, kind, degree, correct], dim=1)
        return loss_of(terms, METRICS, first, batch)

    def predict(
        self, encoder: nn.Module, data: CircuitData, masked: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor] | None:
        """Logits [M, K], log degrees [M, 2], targets and first node of the masked cells; None without any.

        Args:
            masked: bool [U].
        """
        rows = masked_rows(data, masked)
        if rows is None:
            return None
        nodes = self._encode(encoder, data, rows)
        means, first = cell_means(nodes, data, masked, rows)
        cells = self.head(means)
        kind = data.node_kind.index_select(0, first)
        target = {"kind": kind, "degrees": unit_degrees(data)[masked].to(nodes.dtype).log1p()}
        return self.kind(cells), self.degree(cells), target, first

    def _encode(self, encoder: nn.Module, data: CircuitData, rows: Tensor) -> Tensor:
        if self.decoder is None:
            return encode_masked(encoder, data, rows, self.token)
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
