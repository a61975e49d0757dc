"""What PreRoutGNN adds to TimingGCN's layers: level encoding, graph auto-encoder, attention over a table's entries.

Source: Zhong et al., PreRoutGNN, AAAI 2024; its deep_gcnii.py, cell_prop_attn.py and positional_encoding.py.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tasks.timing.peers.batch import Batch
from tasks.timing.peers.layers import extreme, perceptron, total
from tasks.timing.peers.pin_graph import FEATURES, STATE
from tasks.timing.peers.tables import SIZE, TABLES

FREQUENCIES = 4
DEEPEST = 200
"""Level at which the slowest sine has gone half a turn."""
LEVEL_FEATURES = 1 + 2 * FREQUENCIES
LATENT = 4
EDGE_FEATURES = 2 + TABLES + 2
AGGREGATED = 12
CONVOLUTION = 64
CODED = 32
"""Width inside the auto-encoder."""
QUERY = 32
HEADS = 4


def level_encoding(level: Tensor) -> Tensor:
    """The level itself, then sine and cosine of 2^i pi level / 200, i = 0 to 3: [N, 9].

    Args:
        level: int64 [N].
    """
    given = level.to(torch.float32)[:, None]
    turns = given * math.pi / DEEPEST * 2.0 ** torch.arange(FREQUENCIES)
    return torch.cat([given, torch.sin(turns), torch.cos(turns)], dim=1)


def both_ways(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """All edges of a batch without their kinds, there and back: source, target, features [2 (A + E), 12].

    Features: is a cell edge, is a net edge, means of the eight tables, x and y of a net edge; negated on the way back.
    """
    net, cell = len(batch.net_source), len(batch.cell_source)
    means = batch.tables.mean(dim=2).index_select(0, batch.cell_table)
    flags = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    of_nets = torch.cat([flags[:1].expand(net, 2), torch.zeros(net, TABLES), batch.net_feature], dim=1)
    of_cells = torch.cat([flags[1:].expand(cell, 2), means, torch.zeros(cell, 2)], dim=1)
    there, back = (
        torch.cat([batch.net_source, batch.cell_source]),
        torch.cat([batch.net_target, batch.cell_target]),
    )
    edge = torch.cat([of_nets, of_cells])
    return torch.cat([there, back]), torch.cat([back, there]), torch.cat([edge, -edge])


class GatedConvolution(nn.Module):
    """Gated messages of all neighbours as mean, sum, smallest and largest beside a node's own state."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        sizes = (CONVOLUTION, CONVOLUTION, CONVOLUTION)
        self.message = perceptron(2 * before + EDGE_FEATURES, *sizes, 1 + 4 * AGGREGATED)
        self.reduce = perceptron(before + 4 * AGGREGATED, *sizes, after)

    def forward(self, hidden: Tensor, edges: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """States of all nodes, [N, after]."""
        source, target, feature = edges
        rows = len(hidden)
        ends = (hidden.index_select(0, source), hidden.index_select(0, target), feature)
        gate, *parts = self.message(torch.cat(ends, dim=1)).split([1, *[AGGREGATED] * 4], dim=1)
        averaged, summed, smallest, largest = (torch.sigmoid(gate) * part for part in parts)
        count = hidden.new_zeros(rows).index_add(0, target, hidden.new_ones(len(target))).clamp(min=1)
        found = (
            hidden,
            total(averaged, target, rows) / count[:, None],
            total(summed, target, rows),
            extreme(smallest, target, rows, "amin"),
            extreme(largest, target, rows, "amax"),
        )
        after: Tensor = self.reduce(torch.cat(found, dim=1))
        return after


class Coder(nn.Module):
    """Four gated convolutions: encoder or decoder of the graph auto-encoder; the two in the middle are residual."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = GatedConvolution(before, CODED)
        self.middle = nn.ModuleList(GatedConvolution(before + CODED, CODED) for _ in range(2))
        self.last = GatedConvolution(CODED, after)

    def forward(self, given: Tensor, edges: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """[N, before] to [N, after]."""
        hidden = self.first(given, edges)
        for layer in self.middle:
            hidden = layer(torch.cat([hidden, given], dim=1), edges) + hidden
        found: Tensor = self.last(hidden, edges)
        return found


class AutoEncoder(nn.Module):
    """Pins to four numbers, and these back to the ten features of a pin."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Coder(FEATURES + LEVEL_FEATURES, LATENT)
        self.decoder = Coder(LATENT, FEATURES)

    def error(self, batch: Batch) -> Tensor:
        """Mean squared error of the features of the counted nodes, over all nodes as theirs."""
        edges = both_ways(batch)
        latent = self.encoder(torch.cat([batch.features, level_encoding(batch.level)], dim=1), edges)
        wrong = ((self.decoder(latent, edges) - batch.features) ** 2).mean(dim=1)
        found: Tensor = (wrong * batch.counted).mean()
        return found


class EntryAttention(nn.Module):
    """One query a table attends to its 49 entries; the key of an entry is the product of its slew and its load.

    The weights are those of ``nn.MultiheadAttention(32, 4, kdim=1, vdim=1)``, and so is what comes out. As keys and values
    are single numbers, a head's scores are one number times the products (its key bias shifts all alike and falls out of
    the softmax), and what it reads is one number times the mean entry: the 49 keys and values of width 32 are never made.

    Args:
        features: width f of a node.
        hidden: width inside.
    """

    width = TABLES * QUERY

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.query = perceptron(STATE + 2 * features, hidden, hidden, hidden, TABLES * QUERY)
        self.attention = nn.MultiheadAttention(QUERY, HEADS, kdim=1, vdim=1, batch_first=True)

    def forward(self, arc: Tensor, batch: Batch, cells: tuple[int, int]) -> Tensor:
        """What is read from the tables of a range of cell edges, [E, 256]."""
        row = batch.cell_table[cells[0] : cells[1]]
        axes = batch.axes
        products = (axes[:, :, 1 : 1 + SIZE, None] * axes[:, :, None, 1 + SIZE :]).flatten(2)
        return self.read(self.query(arc).view(-1, TABLES, QUERY), products, batch.tables, row).flatten(1)

    def read(self, query: Tensor, keys: Tensor, values: Tensor, row: Tensor) -> Tensor:
        """Outcome of the attention, [E, 8, 32].

        Args:
            query: [E, 8, 32].
            keys, values: [R, 8, 49].
            row: table rows of each edge, int64 [E].
        """
        own, each = self.attention, QUERY // HEADS
        bias = own.in_proj_bias
        asked = nn.functional.linear(query, own.q_proj_weight, bias[:QUERY]).view(-1, TABLES, HEADS, each)
        scale = (asked * own.k_proj_weight.view(HEADS, each)).sum(-1) / math.sqrt(each)
        scores = scale[..., None] * keys.index_select(0, row)[:, :, None, :]
        weights = torch.softmax(scores, dim=-1)
        mean = (weights @ values.index_select(0, row)[..., None])[..., 0]
        read = mean[..., None] * own.v_proj_weight.view(HEADS, each) + bias[2 * QUERY :].view(HEADS, each)
        found: Tensor = own.out_proj(read.flatten(2))
        return found
