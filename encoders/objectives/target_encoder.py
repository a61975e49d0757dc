"""A target encoder: a copy that follows the online encoder slowly and is never trained itself."""

from __future__ import annotations

import copy

import torch
from torch import nn


class TargetEncoder(nn.Module):
    """Exponential moving average of an encoder's weights; part of the checkpoint, outside the optimiser.

    Args:
        encoder: the online encoder; not held as a submodule, so its weights are saved once.
        decay: share of the old weights that stays at each step.

    Source: A. Tarvainen, H. Valpola, Mean teachers are better role models (NeurIPS 2017).
    """

    def __init__(self, encoder: nn.Module, decay: float) -> None:
        super().__init__()
        self.copy = copy.deepcopy(encoder).requires_grad_(False).eval()
        self.decay = decay
        self.__dict__["online"] = encoder

    @torch.no_grad()
    def follow(self) -> None:
        """One step towards the online encoder."""
        for own, other in zip(self.copy.parameters(), self.__dict__["online"].parameters(), strict=True):
            own.lerp_(other, 1 - self.decay)
