"""Rewritten views: a gate and its twin in a function-preserving rewrite of the circuit shall look alike.

A batch holds graphs in pairs: a circuit, then a rewrite of it by ABC. Twins are gates of the two whose values agree
(or are complementary) under all simulated patterns, and that no other gate of either circuit shares. What a gate
computes then survives the rewrite, what its neighbourhood happened to be does not.
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
from circuitgraph.pyg import CircuitData, graph_of, num_graphs_of
from encoders.objectives.gathering import gathered
from encoders.objectives.masking import loss_of, nothing
from encoders.objectives.target_encoder import TargetEncoder

FLOOR = 1e-3
"""Smallest weight of a negative: a gate that is the same function on all stored patterns hardly counts as one."""


class RewrittenViews(nn.Module):
    """Contrast between a circuit and its rewrite.

    ``contrast = "gates"`` (scope graph): of each pair up to *anchors* twins are drawn; each is to be found among the
    other version's drawn twins: cross entropy over cosines / *temperature*, both directions, a negative weighted by
    1 - |correlation of the two gates' values| so that what computes almost the same is no negative. Cosines are
    taken up to the twins' complement: the second half of a state changes sign under a complemented edge
    (:mod:`encoders.polarity`), and the projection keeps the halves apart.

    ``contrast = "circuits"`` (scope batch): graph embeddings of the two versions among those of the whole batch, over
    all processes.

    Args:
        width: columns of the hidden state, d, even.
        temperature: of the cosines.
        anchors: most twins a pair.
        decay: of the target encoder, which sees the other version; 0 = the online encoder itself sees both.
        contrast: "gates" or "circuits".

    Source: InfoNCE of A. van den Oord et al. (2018); weights of negatives after FGNN2 (TCAD 2024), there from 0/1
    truth tables, here from +-1 values under biased patterns.
    """

    mask_at: ClassVar[Literal["stem", "latent"]] = "stem"
    needs: ClassVar[tuple[str, ...]] = ("rewrites",)

    def __init__(
        self,
        width: int,
        temperature: float = 0.1,
        anchors: int = 256,
        decay: float = 0.99,
        contrast: Literal["gates", "circuits"] = "gates",
    ) -> None:
        super().__init__()
        for what, value, good in (
            ("temperature", temperature, temperature > 0),
            ("anchors", anchors, anchors >= 2),
            ("decay", decay, 0 <= decay < 1),
            ("contrast", contrast, contrast in {"gates", "circuits"}),
        ):
            if not good:
                way_out = "defaults: temperature 0.1, anchors 256, decay 0.99, contrast 'gates'"
                raise CircuitError("recipe", f"objective.{what}", f"cannot be {value!r}", way_out)
        self.temperature, self.anchors, self.decay, self.contrast = temperature, anchors, decay, contrast
        half = width // 2
        self.even = nn.Sequential(nn.Linear(half, width), nn.ReLU(), nn.Linear(width, half))
        self.odd = nn.Linear(half, half, bias=False)
        self.graph = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        unused = self.graph if contrast == "gates" else nn.ModuleList([self.even, self.odd])
        unused.requires_grad_(False)
        self.target: TargetEncoder | None = None

    @property
    def scope(self) -> Literal["graph", "batch"]:
        """Gates are contrasted within a pair, circuits within the batch."""
        return "graph" if self.contrast == "gates" else "batch"

    @property
    def expected_failures(self) -> Mapping[str, str]:
        """Contrast between circuits draws nothing."""
        if self.contrast == "circuits":
            return {"draws_decide": "all graphs of a batch are contrasted, nothing is drawn"}
        return {}

    def config(self) -> dict[str, Any]:
        """Arguments beside the width."""
        return {
            "temperature": self.temperature,
            "anchors": self.anchors,
            "decay": self.decay,
            "contrast": self.contrast,
        }

    def bind(self, encoder: nn.Module) -> None:
        """Copy the encoder as it is at the start."""
        if self.decay:
            self.target = TargetEncoder(encoder, self.decay)

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group of its own parameters, without the target encoder's."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def after_step(self, step: int) -> None:
        """The target encoder follows."""
        if self.target is not None:
            self.target.follow()

    def after_epoch(self) -> None:
        """Nothing."""

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a batch of pairs; ``accuracy`` is the share of twins found first."""
        names = ("contrast", "accuracy")
        if self.contrast == "circuits":
            return self._circuits(encoder, batch, names)
        chosen = self._chosen(batch, draws)
        if not len(chosen):
            anchor = next(p for p in self.parameters() if p.requires_grad)
            return nothing(anchor, names)
        online = encoder(batch).nodes
        followed = online
        if self.target is not None:
            with torch.no_grad():
                followed = self.target.copy(batch).nodes
        terms, rows = self._gates(batch, chosen, online, followed)
        return loss_of(terms, names, rows, batch)

    def _chosen(self, batch: CircuitData, draws: Draws) -> Tensor:
        """Drawn twins, rows of ``twin``, those of one pair in a row; a pair with a single twin gives none."""
        graph = graph_of(batch).index_select(0, batch.twin[0]).cpu().numpy()
        counts = np.bincount(graph, minlength=num_graphs_of(batch))
        ids = batch.graph_id.tolist()
        draw = draws.uniform("twins", ids, counts.tolist())
        found = []
        start = 0
        for count in counts.tolist():
            if count > 1:
                found.append(np.sort(start + np.argsort(draw[start : start + count], kind="stable")[: self.anchors]))
            start += count
        rows = np.concatenate(found) if found else np.zeros(0, np.int64)
        return torch.from_numpy(rows).to(batch.twin.device)

    def project(self, nodes: Tensor, sign: Tensor) -> Tensor:
        """Unit vectors [M, d] of states whose odd half is multiplied by *sign* (+-1, [M])."""
        half = nodes.size(1) // 2
        even, odd = self.even(nodes[:, :half]), self.odd(nodes[:, half:] * sign[:, None])
        return F.normalize(torch.cat([even, odd], dim=1), dim=1)

    def project_graphs(self, graphs: Tensor) -> Tensor:
        """Unit vectors [B, d] of graph embeddings."""
        return F.normalize(self.graph(graphs), dim=1)

    def _gates(self, batch: CircuitData, chosen: Tensor, online: Tensor, followed: Tensor) -> tuple[Tensor, Tensor]:
        """[M, 3] (loss, loss, found) a drawn twin, and the node of each in its first version."""
        left, right = batch.twin.index_select(1, chosen)
        sign = 1.0 - 2.0 * batch.twin_inverted.index_select(0, chosen).to(online.dtype)
        graph = graph_of(batch).index_select(0, left)
        plain = torch.ones_like(sign)
        found = []
        for first, second in ((online, followed), (followed, online)):
            one = self.project(first.index_select(0, left), plain)
            two = self.project(second.index_select(0, right), sign)
            found.append((one, two))
        parts = []
        values = batch.twin_values.index_select(0, chosen).cpu().numpy()
        for rows in torch.split(torch.arange(len(chosen), device=left.device), _runs(graph)):
            weight = torch.from_numpy(negative_weights(values[rows.cpu().numpy()])).to(online)
            terms = []
            for one, two in found:
                cosine = one.index_select(0, rows) @ two.index_select(0, rows).t() / self.temperature
                logits = cosine + weight.log()
                goal = torch.arange(len(rows), device=left.device)
                forth = F.cross_entropy(logits, goal, reduction="none")
                back = F.cross_entropy(logits.t(), goal, reduction="none")
                terms.append((forth + back) / 2)
                right_one = (cosine.argmax(1) == goal).to(online.dtype)
            mean = torch.stack(terms).mean(0)
            parts.append(torch.stack([mean, mean, right_one], dim=1))
        return torch.cat(parts), left

    def _circuits(
        self, encoder: nn.Module, batch: CircuitData, names: tuple[str, ...]
    ) -> tuple[Tensor, dict[str, float]]:
        online = self.project_graphs(encoder(batch).graphs)
        if batch.__dict__.get("is_idle", False):
            online = online[:0]  # another process holds these circuits: twice in the contrast they are false negatives
        followed = online
        if self.target is not None:
            with torch.no_grad():
                followed = self.project_graphs(self.target.copy(batch).graphs)[: len(online)]
        terms = []
        for first, second in ((online[0::2], followed[1::2]), (followed[0::2], online[1::2])):
            one, two = gathered(first), gathered(second)
            logits = one @ two.t() / self.temperature
            goal = torch.arange(len(logits), device=logits.device)
            terms.append((F.cross_entropy(logits, goal) + F.cross_entropy(logits.t(), goal)) / 2)
            right = float((logits.argmax(1) == goal).to(logits.dtype).mean())
        value = torch.stack(terms).mean()
        return value, {names[0]: float(value.detach()), names[1]: right, "graphs": float(len(goal))}

    def predict(self, encoder: nn.Module, data: CircuitData, masked: Tensor) -> tuple[Tensor]:
        """Projected states of all twins' two ends [2 T, d], or of the graphs [B, d]; *masked* plays no part."""
        if self.contrast == "circuits":
            return (self.project_graphs(encoder(data).graphs),)
        nodes = encoder(data).nodes
        ends = nodes.index_select(0, data.twin.flatten())
        return (self.project(ends, torch.ones_like(ends[:, 0])),)


def _runs(graph: Tensor) -> list[int]:
    """Lengths of the runs of equal values."""
    _, counts = torch.unique_consecutive(graph, return_counts=True)
    found: list[int] = counts.tolist()
    return found


def negative_weights(values: np.ndarray) -> np.ndarray:
    """1 - |correlation| of every two gates' values as +-1, at least FLOOR; 1 on the diagonal, float64 [M, M].

    Args:
        values: packed patterns, int64 [M, W].
    """
    words = values.view(np.uint64)
    differ = np.zeros((len(words), len(words)), np.int64)
    for word in words.T:
        differ += np.bitwise_count(word[:, None] ^ word[None, :])
    correlation = 1.0 - differ / (32.0 * words.shape[1])
    weight = np.maximum(1.0 - np.abs(correlation), FLOOR)
    np.fill_diagonal(weight, 1.0)
    return weight
