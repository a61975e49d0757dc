"""The hybrid encoder: levelised sweeps see all of a cone, residual layers on top see the neighbourhood sharply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from circuitgraph.partition import Blocks
from circuitgraph.pyg import CircuitData
from encoders.encoder import Embedding, Schema
from encoders.layers.parts import by_parts, part_of
from encoders.levelised import Levelised
from encoders.residual import Residual


class Hybrid(nn.Module):
    """Stem, sweeps along and against the levels, then K residual layers; see the two encoders for both parts.

    Args:
        schema: of the view.
        width: d, even.
        layers: K.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {}
    is_levelised: ClassVar[bool] = True

    def __init__(self, schema: Schema, width: int = 64, layers: int = 4) -> None:
        super().__init__()
        self.schema, self.width = schema, width
        self.residual = Residual(schema, width, layers)
        self.levelised = Levelised(schema, width)
        self.levelised.stem_layer = nn.Identity()  # type: ignore[assignment] - the residual part's stem serves both
        self.join = nn.Linear(width, width)

    def config(self) -> dict[str, Any]:
        """Arguments beside the schema."""
        return {"width": self.width, "layers": len(self.residual.layers)}

    def stem(self, data: CircuitData) -> Tensor:
        """[N, d]."""
        return self.residual.stem(data)

    def forward(self, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Stem, then propagate."""
        return self.propagate(self.stem(data), data, blocks)

    def propagate(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """The sweeps' states join the stem before the residual layers."""
        return self.residual.propagate(self._joined(hidden, data, blocks), data, blocks)

    def _joined(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None) -> Tensor:
        swept = self.levelised.states(hidden, data, blocks)

        def join(start: int, stop: int) -> Tensor:
            return part_of(hidden, start, stop) + torch.tanh(self.join(part_of(swept, start, stop)))

        return by_parts(join, len(hidden), hidden, blocks, swept)
