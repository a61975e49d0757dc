"""Two objectives on one batch of pairs: twins of a rewrite shall look alike, masked functions shall be recovered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData
from encoders.objectives.gathering import reweighed
from encoders.objectives.masked_function import MaskedFunction
from encoders.objectives.rewritten_views import RewrittenViews


class RewrittenAndMasked(nn.Module):
    """Loss = rewritten views (gates) + *weight* * masked function, both with their defaults.

    The first asks what a gate computes, the second what its neighbourhood is like; neither answers the other. Circuits
    without a rewrite (mapped netlists) stand in a batch alone and take part in the second only.

    Args:
        width: columns of the hidden state, d, even.
        weight: of masked functions.
        rate: share of the cells that is masked.
    """

    scope: ClassVar[Literal["graph", "batch"]] = "graph"
    mask_at: ClassVar[Literal["stem", "latent"]] = "stem"
    needs: ClassVar[tuple[str, ...]] = ("rewrites", "singles", "cut_class")
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init__(self, width: int, weight: float = 0.5, rate: float = 0.3) -> None:
        super().__init__()
        if not weight > 0:
            raise CircuitError("recipe", "objective.weight", f"must be above 0, not {weight}", "0.5 is usual")
        self.weight, self.rate = weight, rate
        self.contrast = RewrittenViews(width)
        self.masked = MaskedFunction(width, rate)

    @property
    def token(self) -> Tensor:
        """What masked rows become."""
        return self.masked.token

    def config(self) -> dict[str, Any]:
        """Arguments beside the width."""
        return {"weight": self.weight, "rate": self.rate}

    def bind(self, encoder: nn.Module) -> None:
        """Both halves."""
        self.contrast.bind(encoder)

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group of both halves' parameters."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def after_step(self, step: int) -> None:
        """The target encoder follows."""
        self.contrast.after_step(step)

    def after_epoch(self) -> None:
        """Nothing."""

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Sum of both; metrics of both, the twins' accuracy as ``twins``."""
        one, own = self.contrast.loss(encoder, batch, draws)
        two, other = self.masked.loss(encoder, batch, draws)
        is_idle = bool(batch.__dict__.get("is_idle", False))
        share = reweighed(own["graphs"], other["graphs"], is_idle)  # a process is weighed by the second's graphs
        metrics = {"contrast": share * own["contrast"], "twins": share * own["accuracy"]} | other
        return share * one + self.weight * two, metrics

    def predict(self, encoder: nn.Module, data: CircuitData, masked: Tensor) -> Any:
        """What :class:`MaskedFunction` predicts."""
        return self.masked.predict(encoder, data, masked)
