"""Heads of the learned wire residual, and the objective that trains them.

    log C = log C_prior + a_C tanh(u),   log R = log R_prior + a_R g tanh(v),   log T = log T(C, R) + a_T tanh(w)

for every net (C, R) and every sink (T, the Elmore delay from the driver). The last layers start at zero: untrained, the
wires *are* the prior. g is what a process can gain by promoting long wires to higher layers, from its layers'
resistances: where all layers are alike there is nothing to learn about R but detours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from circuitgraph.draws import Draws
from circuitgraph.pyg import CircuitData, graph_of

BOUND_C, BOUND_R, BOUND_T = 0.9, 1.4, 1.4
"""Largest residuals: factors of 2.5 on C and of 4 on R and T, both ways."""

BETA = 0.1
"""Where the Huber loss of the logarithms turns linear."""

USUAL = 0.005
"""Share of a design's nets that lie beyond the usual range of a feature, at each end."""

CONTEXT = 8
"""Columns into which a pretrained context is squeezed."""

SlackLoss = Callable[[CircuitData, Tensor, Tensor, Tensor], tuple[Tensor, dict[str, float]]]
"""Loss on slack of a batch of one design, by the factors of C, R (nets) and T (sinks)."""


class WireHeads(nn.Module):
    """Residuals of nets and sinks; a graph of :func:`tasks.timing.placed_wires.net_graph` in.

    Args:
        net_columns: features of a net.
        sink_columns: features of a sink.
        context: columns of a pretrained context of each net; 0 = none.
        width: of the hidden layers.
        rounds: exchanges between a net and its sinks.
        sinks: whether T has a residual of its own. It gains on families like those of training and loses much more on
            others, where one clock net decides the slack of every register.
    """

    scope: ClassVar[str] = "graph"
    mask_at: ClassVar[str] = "stem"
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        net_columns: int,
        sink_columns: int,
        context: int = 0,
        width: int = 32,
        rounds: int = 1,
        sinks: bool = False,
    ) -> None:
        super().__init__()
        self.shape: dict[str, Any] = {"width": width, "rounds": rounds, "sinks": sinks}
        self.bound = BOUND_T if sinks else 0.0
        for name, columns in (("net", net_columns), ("sink", sink_columns)):
            self.register_buffer(f"{name}_mean", torch.zeros(columns))
            self.register_buffer(f"{name}_scale", torch.ones(columns))
            self.register_buffer(f"{name}_low", torch.full((columns,), -4.0))
            self.register_buffer(f"{name}_high", torch.full((columns,), 4.0))
        squeezed = CONTEXT if context else 0
        self.squeeze = nn.Sequential(nn.LayerNorm(context), nn.Linear(context, CONTEXT)) if context else None
        self.net_in = nn.Linear(net_columns + squeezed, width)
        self.sink_in = nn.Linear(sink_columns, width)
        self.to_net = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(rounds))
        self.to_sink = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(rounds))
        self.drop = nn.Dropout(0.1)
        self.net_out = nn.Linear(width, 2)
        self.sink_out = nn.Linear(width, 1)
        for last in (self.net_out, self.sink_out):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.slack: SlackLoss | None = None
        self.slack_from, self.slack_weight = 0, 0.5
        self.step = 0

    def standardise(self, graphs: list[CircuitData]) -> None:
        """Take mean, scale and usual range of the features from training graphs, each weighing the same.

        Beyond its usual range a feature counts as at the end of it: a net that is larger than all others of training gets
        the residual of the largest usual ones, never one that a straight line into the unknown gives.
        """
        for name, values in (("net", [g.x for g in graphs]), ("sink", [g.sink_x for g in graphs])):
            mean = torch.stack([v.mean(0) for v in values]).mean(0)
            square = torch.stack([((v - mean) ** 2).mean(0) for v in values]).mean(0)
            scale = square.sqrt().clamp(min=1e-3)
            share = torch.tensor([USUAL, 1 - USUAL], dtype=mean.dtype)
            ends = torch.stack([torch.quantile(v, share, dim=0) for v in values])
            low, high = ends[:, 0].min(0).values, ends[:, 1].max(0).values
            for part, found in (
                ("mean", mean),
                ("scale", scale),
                ("low", (low - mean) / scale),
                ("high", (high - mean) / scale),
            ):
                getattr(self, f"{name}_{part}").copy_(found)

    def _standard(self, name: str, values: Tensor) -> Tensor:
        mean, scale, low, high = (getattr(self, f"{name}_{part}") for part in ("mean", "scale", "low", "high"))
        return torch.minimum(torch.maximum((values - mean) / scale, low), high)

    def forward(self, batch: CircuitData) -> tuple[Tensor, Tensor, Tensor]:
        """Residuals of log C and log R, [M] each, and of log T, [S]."""
        x, s = self._standard("net", batch.x), self._standard("sink", batch.sink_x)
        if self.squeeze is not None:
            x = torch.cat([x, self.squeeze(batch.context)], dim=1)
        net, sink = F.silu(self.net_in(x)), F.silu(self.sink_in(s))
        count = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        count = count.index_add(0, batch.sink_net, torch.ones_like(batch.sink_net, dtype=x.dtype)).clamp(min=1)
        for to_net, to_sink in zip(self.to_net, self.to_sink, strict=True):
            mean = torch.zeros_like(net).index_add(0, batch.sink_net, sink) / count[:, None]
            net = net + F.silu(to_net(torch.cat([net, mean], dim=1)))
            sink = sink + F.silu(to_sink(torch.cat([sink, net.index_select(0, batch.sink_net)], dim=1)))
        u = torch.tanh(self.net_out(self.drop(net)))
        w = torch.tanh(self.sink_out(self.drop(sink)))[:, 0]
        return BOUND_C * u[:, 0], BOUND_R * batch.promotion * u[:, 1], self.bound * w

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Mean over the designs of Huber losses of log C, log R and log T, weighed by the root of what they are of."""
        found = self(batch)
        graph = graph_of(batch)
        sink_graph = graph.index_select(0, batch.sink_net)
        losses = [
            _by_graph(found[0], batch.y[:, 0], batch.weight[:, 0], graph),
            _by_graph(found[1], batch.y[:, 1], batch.weight[:, 1], graph),
            _by_graph(found[2], batch.sink_y, batch.sink_weight, sink_graph),
        ]
        total = losses[0] + 0.5 * losses[1] + (0.5 * losses[2] if self.bound else 0.0)
        metrics = {"log_c": float(losses[0]), "log_r": float(losses[1]), "log_t": float(losses[2])}
        if self.slack is not None and self.step >= self.slack_from and len(batch.graph_id) == 1:
            more, said = self.slack(batch, *found)
            total = total + self.slack_weight * more
            metrics |= said
        return total, {**metrics, "graphs": float(len(batch.graph_id))}

    def bind(self, encoder: nn.Module) -> None:
        """Nothing."""

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group."""
        return [{"params": list(self.parameters())}]

    def after_step(self, step: int) -> None:
        """Count the steps: slack enters the loss late."""
        self.step = step

    def after_epoch(self) -> None:
        """Nothing."""


def _by_graph(found: Tensor, wanted: Tensor, weight: Tensor, graph: Tensor) -> Tensor:
    """Mean over graphs of each graph's weighted mean; rows without a label are left out."""
    known = torch.isfinite(wanted)
    error = F.smooth_l1_loss(found[known], wanted[known], reduction="none", beta=BETA)
    weight, graph = weight[known], graph[known]
    if not len(error):
        return found.sum() * 0.0
    size = int(graph.max()) + 1
    above = error.new_zeros(size).index_add(0, graph, error * weight)
    below = error.new_zeros(size).index_add(0, graph, weight)
    has = below > 0
    return (above[has] / below[has]).mean()
