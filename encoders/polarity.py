"""The polarity encoder: made for AIGs, where an edge may be complemented and fan-ins have no order.

A node's state has an *even* half e and an *odd* half o. What stands at the other end of an edge is (e, o), of a
complemented edge (e, -o): so the embedding of a complement is exactly determined (:func:`literals`), and the
complement of the complement is the node itself. Nothing else of the encoder sees the complement flags.

An AND is no mean: beside the mean of its fan-ins' states an update sees the mean of their pairwise products, which is
symmetric in the fan-ins, tells x AND x from x AND y, and carries, for two fan-ins, the product o1 o2 of which the
exact expansion and(y1, y2) = (y1 + y2 + y1 y2 - 1) / 2 in the +-1 domain is made.

Rounds: a sweep along the levels, one against them, one along again with both in sight, then K local layers. A mean
cannot count: local layers see each mean also multiplied by the logarithm of the degree, and degrees, which belong to
the circuit and not to a cell's features, enter behind the stem, where masking does not reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from circuitgraph.partition import Blocks
from circuitgraph.pyg import CircuitData
from encoders.encoder import Embedding, Schema
from encoders.layers.edges import INVERTED_COLUMN, edge_averages, relation_graphs, sweep_graphs
from encoders.layers.local import LocalLayers, log_degrees
from encoders.layers.parts import by_parts, longest_part
from encoders.layers.pooling import AttentionPool
from encoders.layers.stem import BoundedLinear, EdgeStem, Stem
from encoders.layers.sweep import SweepGraph, driven_sweep
from encoders.levelised import GATE_BIASES

ALONG, AGAINST = 0, 1
ROUNDS = (ALONG, AGAINST, ALONG)


class _Round(nn.Module):
    """One sweep: gates from the stem; drives from the stem and from the states of the sweeps before.

    Rows of |W| sum to at most 1/2, rows of |V| to at most 1/4: what the sweep asks for.
    """

    def __init__(self, width: int, previous: int) -> None:
        super().__init__()
        self.gate = BoundedLinear(width, width, 2.0)
        with torch.no_grad():
            self.gate.bias.copy_(torch.linspace(*GATE_BIASES, width // 2).repeat(2))  # type: ignore[union-attr]
        self.drive = BoundedLinear(width, width, 2.0)
        self.previous = nn.ModuleList(BoundedLinear(width, width, 1.0, bias=False) for _ in range(previous))
        self.weight = BoundedLinear(width, width, 0.5, bias=False)
        self.pair = BoundedLinear(width, width, 0.25, bias=False)

    def forward(
        self,
        hidden: Tensor,
        edges: EdgeStem,
        averages: Tensor,
        previous: Sequence[Tensor],
        graph: SweepGraph,
        part: int,
    ) -> Tensor:
        """States of all nodes, [N, d]; the gate never sees a swept state.

        Args:
            hidden: stem, [N, d].
            edges: the map of *averages* [N, relations + D], added to the stem.
            previous: states of the rounds before, [N, d] each.
            part: most nodes whose gates are held at once where no gradient is recorded.
        """

        def gates(rows: Tensor | None) -> tuple[Tensor, Tensor]:
            own = _rows(hidden, rows) + edges(_rows(averages, rows))
            drive = self.drive(own)
            for layer, state in zip(self.previous, previous, strict=True):
                drive = drive + layer(_rows(state, rows))
            return torch.sigmoid(self.gate(own)), drive

        return driven_sweep(gates, self.weight.bounded(), graph, self.pair.bounded(), part)


def _rows(value: Tensor, rows: Tensor | None) -> Tensor:
    return value if rows is None else value.index_select(0, rows)


class Polarity(nn.Module):
    """Three sweeps with products of fan-ins, K local layers, attention pooling.

    Args:
        schema: of the view; complement flags are used where it has them (logic view).
        width: d, even; halves are e and o.
        layers: K.
        queries: of the pooling.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {}
    is_levelised: ClassVar[bool] = True

    def __init__(self, schema: Schema, width: int = 64, layers: int = 2, queries: int = 4) -> None:
        super().__init__()
        self.schema, self.width = schema, width
        relations = len(schema.ordering)
        self.stem_layer = Stem(schema.features, width)
        self.degrees = nn.Linear(2 * relations, width, bias=False)
        self.local = LocalLayers(relations, schema.edge_features, width, layers)
        self.edges = nn.ModuleList(EdgeStem(relations, schema.edge_features, width) for _ in (ALONG, AGAINST))
        self.rounds = nn.ModuleList(_Round(width, row) for row in range(len(ROUNDS)))
        self.read = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in ROUNDS)
        self.pool = AttentionPool(width, queries)

    def config(self) -> dict[str, Any]:
        """Arguments beside the schema."""
        return {"width": self.width, "layers": len(self.local.layers), "queries": self.pool.queries}

    def stem(self, data: CircuitData) -> Tensor:
        """[N, d]."""
        found: Tensor = self.stem_layer(data)
        return found

    def forward(self, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Stem, then propagate."""
        return self.propagate(self.stem(data), data, blocks)

    def propagate(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """All rounds, then the local layers; with *blocks* no more rows than a block's are worked on at once."""
        averages, graphs = self._averages(data), relation_graphs(data, self.schema.view)
        degrees = log_degrees(graphs).to(hidden)
        hidden = by_parts(
            lambda start, stop: hidden[start:stop] + self.degrees(degrees[start:stop]), len(hidden), hidden, blocks
        )
        swept = self._swept(hidden, data, averages, blocks)
        nodes = self.local(swept, averages, graphs, degrees, blocks)
        return Embedding(nodes, self.pool(nodes, data))

    def _averages(self, data: CircuitData) -> tuple[Tensor, Tensor]:
        """Averages of edge features at sources and targets, [N, relations + D] each, the complement flags left out."""
        found = (edge_averages(data, 0), edge_averages(data, 1))
        column = INVERTED_COLUMN.get(self.schema.view)
        if column is None:
            return found
        keep = torch.ones(found[0].size(1), dtype=found[0].dtype, device=found[0].device)
        keep[len(self.schema.ordering) + column] = 0
        return found[0] * keep, found[1] * keep

    def _swept(
        self, hidden: Tensor, data: CircuitData, averages: tuple[Tensor, Tensor], blocks: Blocks | None
    ) -> Tensor:
        """The stem with what all sweeps found added to it, [N, d]."""
        graphs, part = sweep_graphs(data, self.schema.view), longest_part(blocks)
        states: list[Tensor] = []
        for layer, way in zip(self.rounds, ROUNDS, strict=True):
            states.append(layer(hidden, self.edges[way], averages[1 - way], states, graphs[way], part))

        def read(start: int, stop: int) -> Tensor:
            total = hidden[start:stop]
            for layer, state in zip(self.read, states, strict=True):
                total = total + layer(state[start:stop])
            return total

        return by_parts(read, len(hidden), hidden, blocks)


def literals(nodes: Tensor, inverted: Tensor) -> Tensor:
    """Embeddings of literals: of the node where *inverted* is 0, of its complement where it is 1.

    Args:
        nodes: states [M, d] of an encoder whose second half of columns is odd.
        inverted: [M], 0 or 1.

    >>> literals(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([1])).tolist()
    [[1.0, 2.0, -3.0, -4.0]]
    """
    half = nodes.size(1) // 2
    sign = 1.0 - 2.0 * inverted.to(nodes.dtype)
    return torch.cat([nodes[:, :half], nodes[:, half:] * sign[:, None]], dim=1)
