"""Graph autoencoder: squeeze every node through a few numbers, rebuild its raw features from them and the edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from circuitgraph.draws import Draws
from circuitgraph.pyg import CircuitData, ordering_of
from circuitgraph.views.view import node_kinds
from encoders.encoder import Schema
from encoders.objectives.masking import loss_of, nothing

HIDDEN = 32
"""Width of the decoder's layers, as published."""
METRICS = ("reconstruction",)


class GraphAutoencoder(nn.Module):
    """Rebuild raw node features and kinds (one-hot) from a narrow latent state.

    Loss of a graph = mean over its nodes of the mean squared difference. The decoder sees latent states and edges
    only. Departures from the published system: any encoder stands in front; kinds are rebuilt too.

    Args:
        width: columns of the hidden state, d.
        latent: columns that each node is squeezed through.
        layers: gated convolutions of the decoder.

    Source: R. Zhong et al., PreRoutGNN (AAAI 2024): latent 4, four gated convolutions of width 32 with mean, sum,
    minimum and maximum, mean squared error, weight of the Kullback-Leibler term 0.
    """

    scope: ClassVar[Literal["graph", "batch"]] = "graph"
    mask_at: ClassVar[Literal["stem", "latent"]] = "latent"
    needs: ClassVar[tuple[str, ...]] = ()
    expected_failures: ClassVar[Mapping[str, str]] = {"draws_decide": "nothing is drawn: the whole graph is rebuilt"}

    def __init__(self, width: int, latent: int = 4, layers: int = 4) -> None:
        super().__init__()
        self.latent, self.layers = latent, layers
        self.squeeze = nn.Linear(width, latent)
        self.convolutions = nn.ModuleList()
        self.out: nn.Linear | None = None

    def config(self) -> dict[str, Any]:
        """Arguments beside the width."""
        return {"latent": self.latent, "layers": self.layers}

    def bind(self, encoder: nn.Module) -> None:
        """Make the decoder for the encoder's view."""
        schema: Schema = encoder.schema  # type: ignore[assignment]
        columns = schema.edge_features + 2 * len(schema.ordering)
        self.convolutions = nn.ModuleList()
        for layer in range(self.layers):
            self.convolutions.append(_GatedConvolution(self.latent + (HIDDEN if layer else 0), columns))
        self.out = nn.Linear(HIDDEN, schema.features + len(node_kinds()))

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group of its own parameters."""
        return [{"params": list(self.parameters())}]

    def after_step(self, step: int) -> None:
        """Nothing."""

    def after_epoch(self) -> None:
        """Nothing."""

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a batch; see the class."""
        if not batch.num_nodes:
            return nothing(self.squeeze.weight, METRICS)
        rebuilt = self.predict(encoder, batch, torch.zeros(0))[0]
        kinds = nn.functional.one_hot(batch.node_kind, len(node_kinds())).to(rebuilt.dtype)
        raw = torch.cat([batch.x.to(rebuilt.dtype), kinds], dim=1)
        error = (rebuilt - raw).square().mean(1)
        rows = torch.arange(batch.num_nodes, device=error.device)
        return loss_of(torch.stack([error, error], dim=1), METRICS, rows, batch)

    def predict(self, encoder: nn.Module, data: CircuitData, masked: Tensor) -> tuple[Tensor]:
        """Rebuilt features and kinds, [N, F + K]; *masked* plays no part."""
        if self.out is None:
            self.bind(encoder)
        assert self.out is not None
        latent = self.squeeze(encoder(data).nodes)
        edges = _both_ways(data, latent.dtype)
        hidden = latent
        for row, layer in enumerate(self.convolutions):
            own = layer(hidden if not row else torch.cat([hidden, latent], dim=1), *edges)
            hidden = own if row in {0, self.layers - 1} else hidden + own
        return (self.out(hidden),)


def _both_ways(data: CircuitData, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Source, target and features (raw, relation and direction one-hot) of every edge and its reverse."""
    relations = len(ordering_of(data))
    relation = nn.functional.one_hot(data.edge_relation, relations).to(dtype)
    none = torch.zeros_like(relation)
    raw = data.edge_attr.to(dtype)
    features = torch.cat([torch.cat([raw, relation, none], dim=1), torch.cat([raw, none, relation], dim=1)])
    source, target = data.edge_index
    return torch.cat([source, target]), torch.cat([target, source]), features


class _GatedConvolution(nn.Module):
    """Messages behind a gate, aggregated four ways; see the class above for the source."""

    def __init__(self, inputs: int, edge_features: int) -> None:
        super().__init__()
        self.message = nn.Sequential(
            nn.Linear(2 * inputs + edge_features, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 1 + 4 * HIDDEN)
        )
        self.update = nn.Sequential(
            nn.Linear(inputs + 4 * HIDDEN, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN)
        )

    def forward(self, hidden: Tensor, source: Tensor, target: Tensor, edges: Tensor) -> Tensor:
        """[N, 32]."""
        both = torch.cat([hidden.index_select(0, source), hidden.index_select(0, target), edges], dim=1)
        gate, *parts = self.message(both).split([1, *[HIDDEN] * 4], dim=1)
        gate = torch.sigmoid(gate)
        found = [hidden]
        place = target[:, None].expand(-1, HIDDEN)
        for part, how in zip(parts, ("mean", "sum", "amin", "amax"), strict=True):
            start = hidden.new_zeros(hidden.size(0), HIDDEN)
            found.append(start.scatter_reduce(0, place, gate * part, how, include_self=False))
        update: Tensor = self.update(torch.cat(found, dim=1))
        return update
