"""Masked function modelling: on an AIG every gate is an AND, so what is recovered is what the gate *does*.

Kinds of AIG nodes follow from their degrees; the function behind a gate does not. For a masked AND the answer is the
number of complemented fan-ins and the NPN class of its best 4-input cut; for a masked cell of a mapped netlist its
kind. The complement flags and features of the edges into a masked gate are hidden with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from circuitgraph.draws import Draws
from circuitgraph.pyg import CircuitData
from circuitgraph.views.view import node_kinds
from encoders.objectives.masking import cell_means, checked_rate, choose, encode_masked, loss_of, masked_rows, nothing

CUT_CLASSES = 222
"""NPN classes of functions of four inputs."""
METRICS = ("kind_loss", "polarity_loss", "cut_loss", "accuracy")


class MaskedFunction(nn.Module):
    """Recover polarity pattern and cut function of masked ANDs, the kind of other masked cells.

    Loss of a graph = mean over its masked cells of cross entropy of the kind, and for ANDs of an AIG + cross entropy
    of the number of complemented fan-ins + 1/2 cross entropy of the NPN class of the 4-cut.

    Args:
        width: columns of the hidden state, d.
        rate: share of the cells of each graph that is masked, in (0, 1); at least one cell.
    """

    scope: ClassVar[Literal["graph", "batch"]] = "graph"
    mask_at: ClassVar[Literal["stem", "latent"]] = "stem"
    needs: ClassVar[tuple[str, ...]] = ("cut_class",)
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init__(self, width: int, rate: float = 0.3) -> None:
        super().__init__()
        self.rate = checked_rate(rate)
        self.token = nn.Parameter(torch.zeros(width))
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width))
        self.kind = nn.Linear(width, len(node_kinds()))
        self.polarity = nn.Linear(width, 3)
        self.cut = nn.Linear(width, CUT_CLASSES)

    def config(self) -> dict[str, Any]:
        """Arguments beside the width."""
        return {"rate": self.rate}

    def bind(self, encoder: nn.Module) -> None:
        """Nothing."""

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group of its own parameters."""
        return [{"params": list(self.parameters())}]

    def after_step(self, step: int) -> None:
        """Nothing."""

    def after_epoch(self) -> None:
        """Nothing."""

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a batch; ``accuracy`` is of polarity where there is one, of the kind elsewhere."""
        found = self.predict(encoder, batch, choose(batch, draws, self.rate))
        if found is None:
            return nothing(self.token, METRICS)
        logits, polarity, cut, target, first = found
        is_and = target["cut"] >= 0
        kind = F.cross_entropy(logits, target["kind"], reduction="none")
        sign = F.cross_entropy(polarity, target["polarity"], reduction="none") * is_and
        function = F.cross_entropy(cut, target["cut"].clamp(min=0), reduction="none") * is_and
        right = torch.where(is_and, polarity.argmax(1) == target["polarity"], logits.argmax(1) == target["kind"])
        terms = torch.stack([kind + sign + 0.5 * function, kind, sign, function, right.to(kind.dtype)], dim=1)
        return loss_of(terms, METRICS, first, batch)

    def predict(
        self, encoder: nn.Module, data: CircuitData, masked: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor], Tensor] | None:
        """Logits of kind [M, K], polarity [M, 3], cut class [M, 222], targets, first node; None without masked cells.

        Args:
            masked: bool [U].
        """
        rows = masked_rows(data, masked)
        if rows is None:
            return None
        nodes = encode_masked(encoder, data, rows, self.token)
        means, first = cell_means(nodes, data, masked, rows)
        cells = self.head(means)
        target = {
            "kind": data.node_kind.index_select(0, first),
            "polarity": complemented_fan_ins(data).index_select(0, first),
            "cut": data.cut_class.index_select(0, first),
        }
        return self.kind(cells), self.polarity(cells), self.cut(cells), target, first


def complemented_fan_ins(data: CircuitData) -> Tensor:
    """Number of complemented edges into each node of the logic view, at most 2, int64 [N]."""
    inverted = (data.edge_attr[:, 0] > 0.5).to(torch.int64)
    count = torch.zeros(data.num_nodes, dtype=torch.int64, device=inverted.device)
    return count.index_add(0, data.edge_index[1], inverted).clamp(max=2)
