"""Pretraining throughput beside the same model in plain PyG: gates a second, and where the time goes.

    python benchmarks/training_speed.py              # shipped corpus, hybrid encoder, masked gates, batches of 8,000 nodes
    python benchmarks/training_speed.py --threads 2

A step is what pre-training does: the batch is collated, cells are masked, loss, backward, clip, AdamW; Lightning's own
part is left out of both rows. "plain PyG" has the weights of ours and computes the same function: means are
``torch_geometric.utils.scatter`` over gathered rows, edges' features are mapped and averaged in every layer, and sweeps
gather and scatter a level at a time in a Python loop: "by level" keeps the levels' states apart
(:func:`encoders.layers.sweep.plain_sweep`, the leanest we know), "one buffer" writes each level into the state of all
nodes, as published levelised encoders do; its gradient costs levels times nodes. Losses and gradients of the first
batch are compared. Every way runs over the same batches, in turns; the shortest of --rounds passes counts, by CPU time
of the process on one thread and by the clock on several. "linear maps" is the share of matrix products in one more
pass under torch's profiler: what all ways have in common.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
import torch_geometric
from torch import Tensor, nn
from torch_geometric.utils import scatter

from circuitgraph.corpus import shipped_folder
from circuitgraph.draws import Draws
from circuitgraph.pyg import CircuitData, CorpusDataset, EpochLoader
from encoders.encoder import Embedding, Schema, make_encoder, pool
from encoders.hybrid import Hybrid
from encoders.layers.edges import INVERTED_COLUMN, sweep_graphs
from encoders.layers.stem import EdgeStem
from encoders.layers.sweep import SweepGraph, levels_of, plain_sweep
from encoders.objectives.masked_gates import MaskedGates


def seconds_now() -> float:
    """CPU time of the process where it has one thread, else the clock."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


PHASES = ("batch", "forward", "backward", "update")


class PlainHybrid(nn.Module):
    """A hybrid encoder's weights under plain PyG operations.

    Args:
        hybrid: whose weights are used; not copied.
        sweep: how a sweep runs.
    """

    def __init__(self, hybrid: Hybrid, sweep: Callable[..., Tensor]) -> None:
        super().__init__()
        self.hybrid, self.schema, self.width = hybrid, hybrid.schema, hybrid.width
        self.sweep = sweep

    def stem(self, data: CircuitData) -> Tensor:
        """[N, d]."""
        layer = self.hybrid.residual.stem_layer
        return layer.norm(layer.kind(data.node_kind) + layer.features(data.x))

    def propagate(self, hidden: Tensor, data: CircuitData, blocks: object = None) -> Embedding:
        """Sweeps, then residual layers."""
        swept = self._swept(hidden, data)
        hidden = hidden + torch.tanh(self.hybrid.join(swept))
        for layer in self.hybrid.residual.layers:
            normed = layer.norm(hidden)
            total = layer.own(normed) + self._edges(layer.edges_in, data, 1) + self._edges(layer.edges_out, data, 0)
            for at, linear in enumerate(layer.means):
                total = total + linear(self._mean(normed, data, at // 2, into=at % 2 == 0))
            hidden = hidden + layer.out(torch.relu(total))
        nodes = self.hybrid.residual.norm(hidden)
        return Embedding(nodes, pool(nodes, data))

    def _swept(self, hidden: Tensor, data: CircuitData) -> Tensor:
        inner = self.hybrid.levelised
        along_graph, against_graph = sweep_graphs(data, self.schema.view)
        along = self._round(inner.forward_round, hidden + self._edges(inner.edges_in, data, 1), None, along_graph)
        own = hidden + self._edges(inner.edges_out, data, 0)
        against = self._round(inner.backward_round, own, along, against_graph)
        parts = [hidden, along, against]
        for relation, orders in enumerate(self.schema.ordering):
            if not orders:
                parts += [self._mean(along, data, relation, True), self._mean(against, data, relation, False)]
        return torch.stack([layer(part) for layer, part in zip(inner.read, parts, strict=True)]).sum(0)

    def _round(self, layer: Any, own: Tensor, previous: Tensor | None, graph: SweepGraph) -> Tensor:
        drive = layer.drive(own)
        if previous is not None:
            drive = drive + layer.previous(previous)
        gate, weight = torch.sigmoid(layer.gate(own)), layer.weight.bounded()
        return self.sweep(gate, drive, weight, graph.order, graph.ptr, graph.node, graph.flip)

    def _edges(self, layer: EdgeStem, data: CircuitData, end: int) -> Tensor:
        edges = layer.relation(data.edge_relation) + layer.features(data.edge_attr)
        return scatter(edges, data.edge_index[end], dim_size=data.num_nodes, reduce="mean")

    def _mean(self, hidden: Tensor, data: CircuitData, relation: int, into: bool) -> Tensor:
        edges = (data.edge_relation == relation).nonzero().flatten()
        source, target = data.edge_index.index_select(1, edges)
        if not into:
            source, target = target, source
        message = hidden.index_select(0, source)
        column = INVERTED_COLUMN.get(self.schema.view)
        if column is not None:
            half = hidden.size(1) // 2
            sign = 1.0 - 2.0 * (data.edge_attr[:, column].index_select(0, edges) > 0.5).to(hidden.dtype)
            message = torch.cat([message[:, :half], message[:, half:] * sign[:, None]], dim=1)
        return scatter(message, target, dim_size=data.num_nodes, reduce="mean")


def buffer_sweep(
    gate: Tensor,
    drive: Tensor,
    weight: Tensor,
    order: np.ndarray,
    ptr: np.ndarray,
    node: np.ndarray,
    flip: np.ndarray,
) -> Tensor:
    """The sweep with the states of all nodes in one buffer that each level is written into."""
    level = levels_of(order, ptr, node)
    target = np.repeat(np.arange(len(order)), np.diff(ptr))
    rows, edges = np.argsort(level, kind="stable"), np.argsort(level[target], kind="stable")
    nodes_of = torch.from_numpy(rows).split(np.bincount(level).tolist())
    edges_of = torch.from_numpy(edges).split(np.bincount(level[target], minlength=len(nodes_of)).tolist())
    sources, targets = torch.from_numpy(node), torch.from_numpy(target)
    signs = torch.ones(len(node), gate.size(1))
    signs[:, gate.size(1) // 2 :] = 1.0 - 2.0 * torch.from_numpy(flip).to(gate.dtype)[:, None]
    place = torch.zeros(len(order), dtype=torch.int64)
    state = torch.zeros_like(gate)
    for at, entries in zip(nodes_of, edges_of, strict=True):
        own = drive.index_select(0, at)
        if not len(entries):
            state = state.index_copy_(0, at, torch.tanh(own))
            continue
        place[at] = torch.arange(len(at))
        message = state.index_select(0, sources.index_select(0, entries)) * signs.index_select(0, entries)
        reader = place.index_select(0, targets.index_select(0, entries))
        mean = scatter(message, reader, dim_size=len(at), reduce="mean")
        share = gate.index_select(0, at)
        state = state.index_copy_(0, at, share * mean + (1 - share) * torch.tanh(own + mean @ weight.t()))
    return state


def step(
    encoder: nn.Module, objective: MaskedGates, batch: CircuitData, optimiser: torch.optim.Optimizer, spent: list[float]
) -> Tensor:
    """One training step; adds the seconds of :data:`PHASES` but the first to *spent*."""
    times = [seconds_now()]
    optimiser.zero_grad()
    loss, _ = objective.loss(encoder, batch, Draws(0, 0))
    times.append(seconds_now())
    loss.backward()
    times.append(seconds_now())
    nn.utils.clip_grad_norm_([*encoder.parameters(), *objective.parameters()], 1.0)
    optimiser.step()
    times.append(seconds_now())
    for at in range(3):
        spent[at + 1] += times[at + 1] - times[at]
    return loss.detach()


def train(encoder: nn.Module, graphs: list[CircuitData], max_nodes: int, steps: int) -> tuple[list[float], int]:
    """Seconds by phase, and nodes, of so many steps."""
    objective = MaskedGates(encoder.width)  # type: ignore[arg-type]
    optimiser = torch.optim.AdamW([*encoder.parameters(), *objective.parameters()], 1e-4)
    batches = iter(EpochLoader(graphs, max_nodes, 0))
    spent, nodes = [0.0] * len(PHASES), 0
    for _ in range(steps):
        start = seconds_now()
        batch = next(batches, None)
        if batch is None:
            break
        spent[0] += seconds_now() - start
        step(encoder, objective, batch, optimiser, spent)
        nodes += int(batch.num_nodes)
    return spent, nodes


def linear_share(encoder: nn.Module, graphs: list[CircuitData], max_nodes: int, steps: int) -> float:
    """Share of matrix products in the time of a pass, under torch's profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(encoder, graphs, max_nodes, steps)
    rows = profile.key_averages()
    linear = sum(row.self_cpu_time_total for row in rows if row.key in {"aten::mm", "aten::addmm"})
    return float(linear / sum(row.self_cpu_time_total for row in rows))


def gradients(encoder: nn.Module, batch: CircuitData) -> list[Tensor]:
    """Loss of a batch and its gradient by every weight of the encoder."""
    torch.manual_seed(0)
    objective = MaskedGates(encoder.width)  # type: ignore[arg-type]
    loss, _ = objective.loss(encoder, batch, Draws(0, 0))
    return [loss.detach(), *torch.autograd.grad(loss, list(encoder.parameters()))]


def compare(ways: dict[str, Callable[[], nn.Module]], batch: CircuitData) -> float:
    """Largest difference of loss and gradients between the ways, relative to the largest gradient."""
    ours, *others = (gradients(make(), batch) for make in ways.values())
    scale = max(float(value.abs().max()) for value in ours)
    differences = (one - other for theirs in others for one, other in zip(ours, theirs, strict=True))
    return max(float(value.abs().max()) for value in differences) / scale


def main() -> None:
    """Print the table and where it was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of torch and of the kernels")
    parser.add_argument("--rounds", type=int, default=2, help="the shortest of so many passes counts")
    parser.add_argument("--steps", type=int, default=8, help="batches of a pass")
    parser.add_argument("--max-nodes", type=int, default=8000, help="node budget of a batch")
    parser.add_argument("--layers", type=int, default=4, help="residual layers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    graphs = list(CorpusDataset(shipped_folder(), "logic", "train", kinds=["netlist", "placed", "aig"]))
    schema = Schema.of(graphs[0])
    ways: dict[str, Callable[[], nn.Module]] = {
        "ours": lambda: make_encoder("hybrid", schema, 0, width=64, layers=options.layers),
    }
    for name, sweep in (("plain PyG, by level", plain_sweep), ("plain PyG, one buffer", buffer_sweep)):
        ways[name] = lambda sweep=sweep: PlainHybrid(ways["ours"](), sweep)  # type: ignore[arg-type, misc]
    batch = next(iter(EpochLoader(graphs, options.max_nodes, 0)))
    difference = compare(ways, batch)
    assert difference < 1e-3, f"the ways differ by {difference}"
    print(
        f"{options.threads} thread(s), width 64, {options.layers} residual layers, {options.steps} batches of at most"
    )
    print(f"{options.max_nodes:,} nodes; losses and gradients of all agree to {difference:.1e}\n")
    print(f"| way | gates/s | ratio | {' | '.join(f'{phase} s' for phase in PHASES)} | linear maps % |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    passes: dict[str, list[tuple[list[float], int]]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, make in ways.items():
            passes[name].append(train(make(), graphs, options.max_nodes, options.steps))
    rates = []
    for name, found in passes.items():
        spent, nodes = min(found, key=lambda row: sum(row[0]))
        rates.append(nodes / sum(spent))
        share = linear_share(ways[name](), graphs, options.max_nodes, options.steps)
        print(
            f"| {name} | {rates[-1]:,.0f} | {rates[0] / rates[-1]:.1f} | "
            f"{' | '.join(f'{seconds:.2f}' for seconds in spent)} | {100 * share:.0f} |",
            flush=True,
        )
    print(
        f"\nratio: ours over this row. Python {platform.python_version()}, torch {torch.__version__}, torch-geometric "
        f"{torch_geometric.__version__}, numpy {np.__version__}, numba {numba.__version__}"
    )
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
