"""Context autoencoder: regress what a target encoder sees at masked cells from their context, decode it later.

The online encoder sees the circuit with some cells masked; a regressor turns its states at the masked cells into the
latent states that a slowly following copy gives there for the whole circuit; a decoder reads kind and degrees off the
regressed states only. So the encoder describes, and reconstruction is left to regressor and decoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData
from circuitgraph.views.view import node_kinds
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
from encoders.objectives.target_encoder import TargetEncoder

DECODE_WEIGHT = 0.2
"""Weight of kind and degrees beside the latent states."""
METRICS = ("latent_loss", "decode_loss", "accuracy")


class ContextAutoencoder(nn.Module):
    """Regress latent states of masked cells, then decode their attributes.

    Loss of a graph = mean over its masked cells of the mean squared difference between regressed and target states
    (the target normalised to mean 0, variance 1 a row) + 0.2 * (cross entropy of kind + smooth L1 of log degrees).

    Args:
        width: columns of the hidden state, d.
        rate: share of the cells that is masked.
        decay: of the target encoder.

    Source: X. Chen et al., Context autoencoder for self-supervised representation learning (IJCV 2023), on circuits.
    """

    scope: ClassVar[Literal["graph", "batch"]] = "graph"
    mask_at: ClassVar[Literal["stem", "latent"]] = "stem"
    needs: ClassVar[tuple[str, ...]] = ()
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init__(self, width: int, rate: float = 0.3, decay: float = 0.99) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise CircuitError("recipe", "objective.decay", f"must lie in [0, 1), not {decay}", "0.99 is usual")
        self.rate, self.decay = checked_rate(rate), decay
        self.token = nn.Parameter(torch.zeros(width))
        self.regressor = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.kind = nn.Linear(width, len(node_kinds()))
        self.degree = nn.Linear(width, 2)
        self.target: TargetEncoder | None = None

    def config(self) -> dict[str, Any]:
        """Arguments beside the width."""
        return {"rate": self.rate, "decay": self.decay}

    def bind(self, encoder: nn.Module) -> None:
        """Copy the encoder as it is at the start."""
        self.target = TargetEncoder(encoder, self.decay)

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group of its own parameters, without the target encoder's."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def after_step(self, step: int) -> None:
        """The target encoder follows."""
        assert self.target is not None
        self.target.follow()

    def after_epoch(self) -> None:
        """Nothing."""

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a batch; see the class."""
        found = self.predict(encoder, batch, choose(batch, draws, self.rate))
        if found is None:
            return nothing(self.token, METRICS)
        latent, logits, degrees, target, first = found
        distance = (latent - target["latent"]).square().mean(1)
        decode = F.cross_entropy(logits, target["kind"], reduction="none")
        decode = decode + F.smooth_l1_loss(degrees, target["degrees"], reduction="none").sum(1)
        right = (logits.argmax(1) == target["kind"]).to(distance.dtype)
        terms = torch.stack([distance + DECODE_WEIGHT * decode, distance, decode, right], dim=1)
        return loss_of(terms, METRICS, first, batch)

    def predict(
        self, encoder: nn.Module, data: CircuitData, masked: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor], Tensor] | None:
        """Regressed states [M, d], kind logits [M, K], log degrees [M, 2], targets, first node; None without any.

        Args:
            masked: bool [U].
        """
        rows = masked_rows(data, masked)
        if rows is None:
            return None
        if self.target is None:
            self.bind(encoder)
        assert self.target is not None
        means, first = cell_means(encode_masked(encoder, data, rows, self.token), data, masked, rows)
        latent = self.regressor(means)
        with torch.no_grad():
            whole, _ = cell_means(self.target.copy(data).nodes, data, masked, rows)
            goal = F.layer_norm(whole, whole.shape[1:])
        target = {
            "latent": goal,
            "kind": data.node_kind.index_select(0, first),
            "degrees": unit_degrees(data)[masked].to(latent.dtype).log1p(),
        }
        return latent, self.kind(latent), self.degree(latent), target, first
