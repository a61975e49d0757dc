"""Objectives: what an encoder learns from circuits without labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError, nearest
from circuitgraph.pyg import CircuitData
from encoders.encoder import refuse_unknown, resolve

OBJECTIVES: Mapping[str, str] = {"masked_gates": "encoders.objectives.masked_gates:MaskedGates"}
"""Objectives by name: "module:class"."""


@dataclass(frozen=True)
class Loss:
    """What an objective gives: the scalar to descend, and named floats to log."""

    value: Tensor
    metrics: dict[str, float]


class Objective(Protocol):
    """An objective is a module: its heads, decoders and targets are part of the checkpoint.

    ``scope`` is "graph" (mean of per-graph terms) or "batch" (contrast within the batch); ``mask_at`` is where the
    masked rows are replaced: "stem" (before the encoder mixes) or "latent" (its output; a declared leak).
    """

    scope: Literal["graph", "batch"]
    mask_at: Literal["stem", "latent"]
    expected_failures: Mapping[str, str]

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch; ``draws`` is the only source of randomness."""

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
