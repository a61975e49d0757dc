"""The encoder of MGVGA: softmax-weighted convolutions over an AIG whose complemented edges became inverter nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from circuitgraph.errors import CircuitError
from circuitgraph.partition import Blocks
from circuitgraph.pyg import CircuitData, graph_of, num_graphs_of
from circuitgraph.views.view import kind_number
from encoders.encoder import Embedding, Schema

LAYERS = 7
INPUT, OUTPUT, AND, NOT = range(4)
"""Node types; a token is type + 1."""


@dataclass(frozen=True, eq=False)
class Typed:
    """A batch with inverter nodes behind its own N nodes.

    | field | type, shape | meaning |
    |---|---|---|
    | kind | int64 [N'] | INPUT, OUTPUT, AND or NOT |
    | edges | int64 [2, E'] | from fan-in to reader; a complemented edge goes through a NOT of its own |
    | graph | int64 [N'] | graph of each node |
    """

    kind: Tensor
    edges: Tensor
    graph: Tensor


def typed(data: CircuitData) -> Typed:
    """The typed graph: latch outputs count as inputs, every other cell as AND; inverters are not shared."""
    if Schema.of(data).view != "logic":
        raise CircuitError("mgvga", f"view {Schema.of(data).view!r}", "has no AND nodes", "use view = 'logic'")
    kind = torch.full((data.num_nodes,), AND, dtype=torch.int64, device=data.x.device)
    kind[data.node_kind == kind_number("output")] = OUTPUT
    drives = (data.node_kind == kind_number("input")) | (data.node_kind == kind_number("constant"))
    kind[drives | (data.x[:, 6] > 0)] = INPUT
    source, target = data.edge_index
    inverted = data.edge_attr[:, 0] > 0.5
    own = data.num_nodes + torch.arange(int(inverted.sum()), device=kind.device)
    plain = data.edge_index[:, ~inverted]
    edges = torch.cat([plain, torch.stack([source[inverted], own]), torch.stack([own, target[inverted]])], dim=1)
    graph = graph_of(data).to(kind.device)
    added = torch.full((len(own),), NOT, dtype=torch.int64, device=kind.device)
    return Typed(torch.cat([kind, added]), edges, torch.cat([graph, graph.index_select(0, target[inverted])]))


class Convolution(nn.Module):
    """x + GENConv(LayerNorm(x)): messages ReLU(x) + 1e-7, softmax over the fan-ins with one learned temperature."""

    def __init__(self, width: int) -> None:
        super().__init__()
        from torch_geometric.nn import GENConv

        self.norm = nn.LayerNorm(width)
        self.conv = GENConv(width, width, aggr="softmax", t=1.0, learn_t=True, num_layers=2, norm="layer")

    def forward(self, hidden: Tensor, edges: Tensor) -> Tensor:
        """[N, d]."""
        found: Tensor = hidden + self.conv(self.norm(hidden), edges)
        return found


class MGVGAEncoder(nn.Module):
    """Seven residual convolutions on node types alone.

    Nothing but the type of a node enters; masking a stem row replaces its token. Blocks are not supported by the
    published system: with *blocks* the whole graph is computed all the same.

    Args:
        schema: of the logic view.
        width: d.

    Source: H. Wu et al., Circuit representation learning with masked gate modeling and Verilog-AIG alignment (ICLR
    2025); weights N(0, 0.02), biases 0.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {
        "gradient_equals_difference": "a ReLU in front of a softmax with many equal messages is not smooth at 0"
    }
    is_levelised: ClassVar[bool] = False

    def __init__(self, schema: Schema, width: int = 64) -> None:
        super().__init__()
        self.schema, self.width = schema, width
        self.token = nn.Embedding(5, width, padding_idx=0)
        self.layers = nn.ModuleList(Convolution(width) for _ in range(LAYERS))
        self.apply(initialise)

    def config(self) -> dict[str, Any]:
        """Arguments beside the schema."""
        return {"width": self.width}

    def stem(self, data: CircuitData) -> Tensor:
        """[N, d]."""
        found: Tensor = self.token(typed(data).kind[: data.num_nodes] + 1)
        return found

    def forward(self, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Stem, then propagate."""
        return self.propagate(self.stem(data), data, blocks)

    def propagate(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """States of the circuit's own nodes; the mean over a graph counts inverters too."""
        del blocks
        graph = typed(data)
        nodes = self.states(hidden, graph)
        graphs = num_graphs_of(data)
        total = nodes.new_zeros(graphs, self.width).index_add(0, graph.graph, nodes)
        count = nodes.new_zeros(graphs).index_add(0, graph.graph, nodes.new_ones(len(nodes)))
        return Embedding(nodes[: data.num_nodes], total / count.clamp(min=1)[:, None])

    def states(self, hidden: Tensor, graph: Typed) -> Tensor:
        """States of all nodes of the typed graph, [N', d]."""
        inverters = graph.kind[len(hidden) :]
        hidden = torch.cat([hidden, self.token(inverters + 1).to(hidden.dtype)])
        for row, layer in enumerate(self.layers):
            hidden = layer(hidden, graph.edges)
            if row < LAYERS - 1:
                hidden = torch.relu(hidden)
        return hidden


def initialise(module: nn.Module) -> None:
    """N(0, 0.02) for linear maps and embeddings, zero biases."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            with torch.no_grad():
                module.weight[module.padding_idx].zero_()
