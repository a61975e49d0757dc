"""Masked gate modelling exactly as MGVGA defines it: the latent rows of 30 % of all nodes are masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, num_graphs_of
from encoders.mgvga import Convolution, MGVGAEncoder, Typed, initialise, typed
from encoders.objectives.masking import masked_rows, mean_by_graph, nothing

RATE = 0.3
DEGREE_WEIGHT = 0.1
METRICS = ("type_loss", "degree_loss", "accuracy")


class MaskedGateModelling(nn.Module):
    """Recover types of masked nodes, inverters included, and degrees of all nodes, from the encoder's output.

    Loss of a graph = cross entropy of the type at masked nodes + 0.1 * (Huber of fan-in + Huber of fan-out, raw
    counts, all nodes). Departures: batches are disjoint unions instead of padded (padding changes the published
    aggregation); edges run from fan-in to reader (the published corpora mix both directions); no dropout of 0.1 in the
    degree heads (a loss depends on seed, epoch and graph alone here); the second half, alignment with Verilog, needs
    text vectors of a model of 7 billion weights and is not part of this objective.

    The label can be read off the degrees, and neighbours were encoded with the node in sight: a declared leak.

    Args:
        width: columns of the hidden state, d.

    Source: H. Wu et al., ICLR 2025, section on masked gate modelling, and its published code.
    """

    scope: ClassVar[Literal["graph", "batch"]] = "graph"
    mask_at: ClassVar[Literal["stem", "latent"]] = "latent"
    needs: ClassVar[tuple[str, ...]] = ()
    encoders: ClassVar[tuple[str, ...]] = ("mgvga",)
    expected_failures: ClassVar[Mapping[str, str]] = {
        "answer_does_not_leak": "the encoder's output is masked, not its input, as published"
    }

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.zeros(width))
        self.decoder = Convolution(width)
        self.kind = nn.Linear(width, 4)
        self.degree = nn.ModuleList(_degree_head(width) for _ in range(2))
        self.apply(initialise)

    def config(self) -> dict[str, Any]:
        """Nothing beside the width."""
        return {}

    def bind(self, encoder: nn.Module) -> None:
        """Refuse other encoders.

        Raises:
            CircuitError: the encoder has no inverter nodes.
        """
        if not isinstance(encoder, MGVGAEncoder):
            raise CircuitError("recipe", "objective 'mgvga'", "is defined on inverter nodes", "use encoder 'mgvga'")

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group of its own parameters."""
        return [{"params": list(self.parameters())}]

    def after_step(self, step: int) -> None:
        """Nothing."""

    def after_epoch(self) -> None:
        """Nothing."""

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a batch; see the class."""
        graph = typed(batch)
        masked = self._choose(graph, batch, draws)
        if not bool(masked.any()):
            return nothing(self.mask, METRICS)
        logits, degrees = self._decode(encoder, batch, graph, masked)
        rows = masked.nonzero().flatten()
        wanted = graph.kind.index_select(0, rows)
        kind = F.cross_entropy(logits.index_select(0, rows), wanted, reduction="none")
        right = (logits.index_select(0, rows).argmax(1) == wanted).to(kind.dtype)
        graphs = num_graphs_of(batch)
        own = graph.graph.index_select(0, rows)
        first, counted = mean_by_graph(torch.stack([kind, right], dim=1), own, graphs)
        error = sum(F.huber_loss(found, counts, reduction="none") for found, counts in degrees)
        asked = torch.isin(graph.graph, own)  # a graph too small to have a masked node has no terms
        second, _ = mean_by_graph(torch.as_tensor(error)[asked][:, None], graph.graph[asked], graphs)
        value = first[0] + DEGREE_WEIGHT * second[0]
        values = (float(first[0].detach()), float(second[0].detach()), float(first[1].detach()))
        return value, dict(zip(METRICS, values, strict=True)) | {"graphs": counted}

    def predict(self, encoder: nn.Module, data: CircuitData, masked: Tensor) -> tuple[Tensor]:
        """Type logits of all nodes, [N', 4].

        Args:
            masked: bool [U]; nodes of these cells are masked.
        """
        graph = typed(data)
        rows = torch.zeros(len(graph.kind), dtype=torch.bool, device=graph.kind.device)
        own = masked_rows(data, masked)
        if own is not None:
            rows[: data.num_nodes] = own
        return (self._decode(encoder, data, graph, rows)[0],)

    def _choose(self, graph: Typed, batch: CircuitData, draws: Draws) -> Tensor:
        """Masked nodes, bool [N']: floor(0.3 N') of every graph."""
        owner = graph.graph.cpu().numpy()
        counts = np.bincount(owner, minlength=num_graphs_of(batch))
        draw = draws.uniform("mgm", batch.graph_id.tolist(), counts.tolist())
        rows = np.argsort(owner, kind="stable")
        masked = np.zeros(len(owner), np.bool_)
        start = 0
        for count in counts.tolist():
            chosen = np.argsort(draw[start : start + count], kind="stable")[: int(RATE * count)]
            masked[rows[start + chosen]] = True
            start += count
        return torch.from_numpy(masked).to(graph.kind.device)

    def _decode(
        self, encoder: nn.Module, data: CircuitData, graph: Typed, masked: Tensor
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        nodes = encoder.states(encoder.stem(data), graph)  # type: ignore[operator]
        nodes = torch.where(masked[:, None], self.mask.to(nodes.dtype), nodes)
        decoded = self.decoder(nodes, graph.edges)
        degrees = []
        for head, end in zip(self.degree, (graph.edges[1], graph.edges[0]), strict=True):
            counts = decoded.new_zeros(len(decoded)).index_add(0, end, decoded.new_ones(len(end)))
            degrees.append((head(decoded)[:, 0], counts))
        return self.kind(decoded), degrees


def _degree_head(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 1),
    )
