"""Layers that the published timing models share: perceptrons, sums by target, net convolution, signal propagation.

Source: model.py of TimingPredict (Guo et al., DAC 2022); net_prop.py and cell_prop_attn.py of PreRoutGNN (Zhong et al.,
AAAI 2024). Widths are theirs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from tasks.timing.peers.batch import Batch
from tasks.timing.peers.pin_graph import STATE

SUMMED = MAXIMUM = 32
DELAYS = 4


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a model says of a batch.

    | field | type, shape |
    |---|---|
    | state | float32 [N, 8]: arrival, ns, and logarithm of slew; starts have what they were given |
    | net_delay | float32 [N, 4], logarithm, or None |
    | cell_delay | float32 [E, 4], ns, or None |
    """

    state: Tensor
    net_delay: Tensor | None = None
    cell_delay: Tensor | None = None


def perceptron(*sizes: int) -> nn.Sequential:
    """Linear layers with LeakyReLU(0.2) between; the first size goes in, the last comes out."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def total(messages: Tensor, target: Tensor, rows: int) -> Tensor:
    """Sum of the messages of each target, [rows, d]."""
    at = target[:, None].expand(-1, messages.size(1))
    return messages.new_zeros(rows, messages.size(1)).scatter_add(0, at, messages)


def extreme(messages: Tensor, target: Tensor, rows: int, how: str) -> Tensor:
    """Largest ("amax") or smallest ("amin") message of each target by channel, [rows, d]; 0 without any."""
    at = target[:, None].expand(-1, messages.size(1))
    return messages.new_zeros(rows, messages.size(1)).scatter_reduce(0, at, messages, how, include_self=False)


class NetConv(nn.Module):
    """Driver to sinks and sinks to driver over the edges of a net, each from the states before.

    Args:
        before, after: widths of a node.
        hidden: width inside.
    """

    def __init__(self, before: int, after: int, hidden: int) -> None:
        super().__init__()
        pair = 2 * before + 2
        self.to_sink = perceptron(pair, hidden, hidden, hidden, hidden, after)
        self.to_driver = perceptron(pair, hidden, hidden, hidden, 1 + SUMMED + MAXIMUM)
        self.reduce = perceptron(before + SUMMED + MAXIMUM, hidden, hidden, hidden, after)
        self.after = after

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """States of all nodes, [N, after]; 0 of sinks that no net edge reaches."""
        driver, sink = (hidden.index_select(0, rows) for rows in (batch.net_source, batch.net_target))
        message = self.to_driver(torch.cat([sink, driver, batch.net_feature], dim=1))
        gate, first, second = message.split([1, SUMMED, MAXIMUM], dim=1)
        gate = torch.sigmoid(gate)
        rows = batch.drivers
        count, slot = len(rows), batch.net_driver
        summed, largest = total(gate * first, slot, count), extreme(gate * second, slot, count, "amax")
        drivers = self.reduce(torch.cat([hidden.index_select(0, rows), summed, largest], dim=1))
        sinks = self.to_sink(torch.cat([driver, sink, batch.net_feature], dim=1))
        found = hidden.new_zeros(len(hidden), self.after).index_copy(0, batch.net_target, sinks)
        return found.index_copy(0, rows, drivers)


class Lookup(Protocol):
    """What reads the tables: from [s | nf of the source | nf of the target] of a range of cell edges to [E, width]."""

    width: int

    def __call__(self, arc: Tensor, batch: Batch, cells: tuple[int, int]) -> Tensor:
        """What is read from the tables of cell edges ``cells[0]`` to ``cells[1]``."""


class Propagation(nn.Module):
    """States of pins along the levels: over net edges, then over cell edges with the tables looked up.

    Args:
        features: width f of a node.
        hidden: width inside.
        lookup: a module that is a :class:`Lookup`.
        residual: net edges add to the driver's state instead of replacing it.
    """

    def __init__(self, features: int, hidden: int, lookup: Lookup, *, residual: bool) -> None:
        super().__init__()
        arc = STATE + 2 * features
        self.net = perceptron(arc, hidden, hidden, hidden, hidden, STATE)
        self.lookup, self.residual = lookup, residual
        sizes = (hidden, hidden, hidden)
        self.message = perceptron(arc + lookup.width, *sizes, 1 + SUMMED + MAXIMUM + DELAYS)
        self.reduce = perceptron(features + SUMMED + MAXIMUM, *sizes, STATE)

    def forward(self, nf: Tensor, batch: Batch, known: Tensor | None = None, given: Tensor | None = None) -> Outcome:
        """States and cell delays; net delays are left out.

        Args:
            nf: [N, f].
            known: true states, [N, 8]: every edge reads these, so all are computed at once. None: level by level from
                the starts, without gradients.
            given: states of nodes that no edge of the batch computes, [N, 8]; None: those of the starts.
        """
        outputs, nets = len(batch.output), len(batch.signal_net)
        if known is not None:
            state = batch.start.index_copy(0, *self._sinks(nf, known, batch, (0, nets)))
            rows, values, delay = self._outputs(nf, known, batch, (0, len(batch.cell_source)), (0, outputs))
            return Outcome(state.index_copy(0, rows, values), None, delay)
        state = (batch.start if given is None else given).clone()
        delays = []
        with torch.no_grad():
            for level in batch.levels:
                if level.nets[1] > level.nets[0]:
                    state.index_copy_(0, *self._sinks(nf, state, batch, level.nets))
                if level.cells[1] > level.cells[0]:
                    rows, values, delay = self._outputs(nf, state, batch, level.cells, level.outputs)
                    state.index_copy_(0, rows, values)
                    delays.append(delay)
        return Outcome(state, None, torch.cat(delays) if delays else state.new_zeros(0, DELAYS))

    def _sinks(self, nf: Tensor, state: Tensor, batch: Batch, nets: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Rows and states of the sinks of a range of net edges."""
        chosen = batch.signal_net[nets[0] : nets[1]]
        source, target = batch.net_source.index_select(0, chosen), batch.net_target.index_select(0, chosen)
        before = state.index_select(0, source)
        found = self.net(torch.cat([before, nf.index_select(0, source), nf.index_select(0, target)], dim=1))
        return target, found + before if self.residual else found

    def _outputs(
        self, nf: Tensor, state: Tensor, batch: Batch, cells: tuple[int, int], outputs: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and states of the outputs of a range of cell edges, and the delays of these."""
        source, target = batch.cell_source[cells[0] : cells[1]], batch.cell_target[cells[0] : cells[1]]
        parts = (state.index_select(0, source), nf.index_select(0, source), nf.index_select(0, target))
        arc = torch.cat(parts, dim=1)
        message = self.message(torch.cat([arc, self.lookup(arc, batch, cells)], dim=1))
        gate, first, second, delay = message.split([1, SUMMED, MAXIMUM, DELAYS], dim=1)
        gate = torch.sigmoid(gate)
        rows, slot = batch.output[outputs[0] : outputs[1]], batch.cell_output[cells[0] : cells[1]] - outputs[0]
        summed, largest = total(gate * first, slot, len(rows)), extreme(gate * second, slot, len(rows), "amax")
        return rows, self.reduce(torch.cat([nf.index_select(0, rows), summed, largest], dim=1)), delay


def parameters_of(module: nn.Module) -> int:
    """Number of weights that are trained."""
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)
