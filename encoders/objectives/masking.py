"""What masking objectives share: which cells are masked, how they are hidden, and the mean over graphs."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, graph_of, num_graphs_of


def checked_rate(rate: float) -> float:
    """A share of the cells that may be masked.

    Raises:
        CircuitError: it does not lie between 0 and 1.
    """
    if not 0 < rate < 1:
        raise CircuitError("recipe", "objective.rate", f"must lie between 0 and 1, not {rate}", "0.3 is usual")
    return rate


def choose(data: CircuitData, draws: Draws, rate: float) -> Tensor:
    """Masked cells, bool [U]: in every graph the ceil(rate * cells) with the smallest draws.

    A cell's draw depends on seed, epoch, graph and its place in the view: not on the batch.
    """
    counts = [int(count) for count in data.num_units]
    draw = draws.uniform("mask", data.graph_id.tolist(), counts)
    masked = np.zeros(len(draw), np.bool_)
    start = 0
    for count in counts:
        chosen = np.argsort(draw[start : start + count], kind="stable")[: int(np.ceil(rate * count))]
        masked[start + chosen] = True
        start += count
    return torch.from_numpy(masked).to(data.x.device)


def masked_rows(data: CircuitData, masked: Tensor) -> Tensor | None:
    """Nodes of the masked cells, bool [N]; None where there is none.

    Args:
        masked: bool [U].
    """
    if not len(masked):
        return None
    rows = data.maskable & masked.index_select(0, data.unit.clamp(max=len(masked) - 1))
    return rows if bool(rows.any()) else None


def hide(data: CircuitData, rows: Tensor) -> CircuitData:
    """The same graph with the features of masked nodes and of the edges into them set to zero.

    Args:
        rows: masked nodes, bool [N].
    """
    hidden = copy.copy(data)
    into = rows.index_select(0, data.edge_index[1])
    source, target = data.unit.index_select(0, data.edge_index[0]), data.unit.index_select(0, data.edge_index[1])
    inside = rows.index_select(0, data.edge_index[0]) & data.maskable.index_select(0, data.edge_index[1])
    inside = inside & (source == target)
    hidden.edge_attr = torch.where((into | inside)[:, None], torch.zeros_like(data.edge_attr), data.edge_attr)
    hidden.x = torch.where(rows[:, None], torch.zeros_like(data.x), data.x)
    hidden.node_kind = torch.where(rows, torch.zeros_like(data.node_kind), data.node_kind)
    return hidden


def encode_masked(encoder: nn.Module, data: CircuitData, rows: Tensor, token: Tensor) -> Tensor:
    """Nodes [N, d] of a graph whose masked rows carry *token* instead of what they are.

    Args:
        rows: masked nodes, bool [N].
        token: [d].
    """
    hidden_data = hide(data, rows)
    hidden = encoder.stem(hidden_data)  # type: ignore[operator]
    hidden = torch.where(rows[:, None], token.to(hidden.dtype), hidden)
    nodes: Tensor = encoder.propagate(hidden, hidden_data).nodes  # type: ignore[operator]
    return nodes


def cell_means(nodes: Tensor, data: CircuitData, masked: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean state of each masked cell's nodes [M, d], and the first node of each [M].

    Args:
        masked: bool [U].
        rows: their nodes, bool [N].
    """
    unit = torch.cumsum(masked.to(torch.int64), 0) - 1
    at = rows.nonzero().flatten()
    place = unit.index_select(0, data.unit.index_select(0, at))
    count = int(masked.sum())
    size = nodes.new_zeros(count).index_add(0, place, nodes.new_ones(len(at)))
    total = nodes.new_zeros(count, nodes.size(1)).index_add(0, place, nodes.index_select(0, at))
    first = torch.full((count,), data.num_nodes, dtype=torch.int64, device=at.device)
    return total / size.clamp(min=1)[:, None], first.scatter_reduce(0, place, at, "amin")


def unit_degrees(data: CircuitData) -> Tensor:
    """Edges that enter and leave each cell from and to other nodes, int64 [U, 2]."""
    units = int(data.num_units.sum())
    source, target = data.edge_index
    own = data.unit.index_select(0, source) == data.unit.index_select(0, target)
    own = own & data.maskable.index_select(0, source) & data.maskable.index_select(0, target) & (source != target)
    found = torch.zeros(units, 2, dtype=torch.int64, device=source.device)
    for column, end in ((0, target), (1, source)):
        rows = end[~own & data.maskable.index_select(0, end)]
        unit = data.unit.index_select(0, rows)
        found[:, column] = torch.zeros_like(found[:, column]).index_add(0, unit, torch.ones_like(unit))
    return found


def mean_by_graph(terms: Tensor, graph: Tensor, graphs: int) -> tuple[Tensor, float]:
    """Mean over graphs of the mean over each graph's rows, [columns], and how many graphs had a row.

    Args:
        terms: [M, columns].
        graph: of each row, int64 [M].
        graphs: in the batch; those without rows leave the denominator.
    """
    total = terms.new_zeros(graphs, terms.size(1)).index_add(0, graph, terms)
    count = terms.new_zeros(graphs).index_add(0, graph, terms.new_ones(len(graph)))
    has = (count > 0).to(terms.dtype)
    return (total / count.clamp(min=1)[:, None]).sum(0) / has.sum().clamp(min=1), float(has.sum())


def loss_of(terms: Tensor, names: tuple[str, ...], rows: Tensor, data: CircuitData) -> tuple[Tensor, dict[str, float]]:
    """The first column's mean over graphs, the others as metrics, and ``graphs``: what the mean was taken over.

    Args:
        terms: [M, 1 + names].
        rows: node of each term, int64 [M]; it says the graph.
    """
    means, graphs = mean_by_graph(terms, graph_of(data).index_select(0, rows), num_graphs_of(data))
    values = means.detach()
    return means[0], {name: float(values[row + 1]) for row, name in enumerate(names)} | {"graphs": graphs}


def nothing(anchor: Tensor, names: tuple[str, ...]) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch without a single term; it still hangs on *anchor*, so a backward pass works."""
    return anchor.sum() * 0.0, dict.fromkeys(names, 0.0) | {"graphs": 0.0}
