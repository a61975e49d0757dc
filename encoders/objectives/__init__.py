"""Objectives: what an encoder learns from circuits without labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError, nearest
from circuitgraph.pyg import CircuitData
from encoders.encoder import refuse_unknown, resolve

OBJECTIVES: Mapping[str, str] = {
    "masked_gates": "encoders.objectives.masked_gates:MaskedGates",
    "masked_function": "encoders.objectives.masked_function:MaskedFunction",
    "context_autoencoder": "encoders.objectives.context_autoencoder:ContextAutoencoder",
    "graph_autoencoder": "encoders.objectives.graph_autoencoder:GraphAutoencoder",
    "rewritten_views": "encoders.objectives.rewritten_views:RewrittenViews",
    "rewritten_and_masked": "encoders.objectives.rewritten_and_masked:RewrittenAndMasked",
    "mgvga": "encoders.objectives.mgvga:MaskedGateModelling",
}
"""Objectives by name: "module:class"."""


class Objective(Protocol):
    """An objective is a module: its heads, decoders and targets are part of the checkpoint.

    ``scope`` is "graph" (mean of per-graph terms) or "batch" (contrast within the batch); ``mask_at`` is where the
    masked rows are replaced: "stem" (before the encoder mixes) or "latent" (its output; a declared leak). ``needs``
    names what it wants of the data beyond the view: "cut_class" (NPN class of each AND's 4-cut, int64 [N]) or
    "rewrites" (graphs in pairs, a circuit and its rewrite, with ``twin``, ``twin_inverted``, ``twin_values``), and
    "singles" (graphs without a rewrite among them).
    """

    scope: Literal["graph", "batch"]
    mask_at: Literal["stem", "latent"]
    needs: tuple[str, ...]
    expected_failures: Mapping[str, str]

    def bind(self, encoder: nn.Module) -> None:
        """Called once before training: make what depends on the encoder (a target copy, a decoder for its view)."""

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch; ``draws`` is the only source of randomness.

        Returns:
            The scalar, and metrics; the metric ``graphs`` is the number of graphs that the scalar is a mean over
            (scope graph), by which several processes weigh their parts.
        """

    def predict(self, encoder: nn.Module, data: CircuitData, masked: Tensor) -> Any:
        """What is compared with the truth, first element a tensor; *masked* bool [U] says which cells are hidden."""

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """Groups for the optimiser beside the encoder's parameters."""

    def after_step(self, step: int) -> None:
        """Called after each optimiser step."""

    def after_epoch(self) -> None:
        """Called after each epoch."""


def make_objective(name: str, width: int, seed: int = 0, **config: Any) -> Any:
    """An objective by name, its weights fixed by *seed*.

    Raises:
        CircuitError: the name or an argument is unknown.
    """
    if name not in OBJECTIVES:
        way_out = nearest(name, OBJECTIVES, f"use {', '.join(OBJECTIVES)}")
        raise CircuitError("recipe", f"objective {name!r}", "is unknown", way_out)
    make = resolve(OBJECTIVES[name])
    refuse_unknown(f"objective {name!r}", make, config)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed + 1)
    try:
        return make(width, **config)
    finally:
        torch.random.set_rng_state(state)
