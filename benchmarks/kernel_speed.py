"""How fast the encoders' kernels are, beside PyG and plain torch on the same tensors: milliseconds and ratios.

    python benchmarks/kernel_speed.py                # 200,000 nodes, 1 M edges, 64 channels; 25,000 levels
    python benchmarks/kernel_speed.py --threads 2    # rows shared between two threads

Message passing: edges sorted by target, float32, no flips needed by the peers and none here. "local": sources within
2,000 rows before the target, as in a levelised netlist; "random": anywhere. PyG is ``SimpleConv``, its bare
``MessagePassing`` without weights. "of copy" is the least traffic of a forward pass (a row read for each edge, a row
written for each node) over its time, as a share of the bandwidth of copying an array in the same process.

Sweep: 10 nodes a level, fan-in 2, one gated update a node. The peer is the leanest loop over levels in torch, which
knows that every level is ten nodes that read two of the level before; our plain twin takes any graph. Both are
measured on a tenth of the levels and scaled.

All rows: the shortest of --rounds runs, kernels compiled before; backward from a given gradient.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable

import numba
import numpy as np
import torch
import torch_geometric
from torch import Tensor
from torch_geometric.nn import SimpleConv

from encoders.layers.aggregate import MeanGraph, csr_max, csr_mean, csr_sum
from encoders.layers.sweep import SweepGraph, plain_sweep, sweep

NODES, EDGES, WIDTH = 200_000, 1_000_000, 64
LEVELS, A_LEVEL, SWEPT_WIDTH = 25_000, 10, 32
OURS = {"sum": csr_sum, "mean": csr_mean, "max": csr_max}

Pass = Callable[[Tensor], Tensor]


def shortest(rounds: int, function: Callable[[], object]) -> float:
    """Seconds of the shortest of several runs."""
    found = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        found = min(found, time.perf_counter() - start)
    return found


def copy_bandwidth(rounds: int) -> float:
    """Bytes read and written a second by copying an array of 512 MB."""
    given = np.ones(128 << 20, np.float32)
    target = np.zeros_like(given)
    return 2 * given.nbytes / shortest(max(3, rounds), lambda: np.copyto(target, given))


def timed(function: Pass, given: Tensor, gradient: Tensor, rounds: int) -> tuple[float, float]:
    """Seconds of the forward pass without gradients, and of forward and backward."""

    def both() -> None:
        hidden = given.detach().requires_grad_()
        function(hidden).backward(gradient)

    both()
    with torch.no_grad():
        forward = shortest(rounds, lambda: function(given))
    return forward, shortest(rounds, both)


def edges_of(kind: str) -> Tensor:
    """Edge index [2, E], sorted by target."""
    rng = np.random.default_rng(0)
    target = np.sort(rng.integers(0, NODES, EDGES))
    source = rng.integers(0, NODES, EDGES)
    if kind == "local":
        source = np.maximum(target - rng.integers(1, 2000, EDGES), 0)
    return torch.from_numpy(np.stack([source, target]))


def graph_of(edges: Tensor) -> MeanGraph:
    """The CSR of edges sorted by target."""
    source, target = edges.numpy()
    ptr = np.append(0, np.cumsum(np.bincount(target, minlength=NODES)))
    return MeanGraph.of(ptr, np.ascontiguousarray(source), np.zeros(len(source), np.uint8), NODES)


def index_add(edges: Tensor) -> Pass:
    """Gather and ``index_add``, the plain way."""
    return lambda hidden: torch.zeros_like(hidden).index_add(0, edges[1], hidden.index_select(0, edges[0]))


def messages(rounds: int) -> None:
    """The table of message passing."""
    bandwidth = copy_bandwidth(rounds)
    print(f"\ncopy bandwidth {bandwidth / 1e9:.1f} GB/s (read + write)\n")
    print("| edges | sum over | way | forward ms | of copy % | ratio | forward + backward ms | ratio |")
    print("|---|---|---|--:|--:|--:|--:|--:|")
    given, gradient = torch.randn(NODES, WIDTH), torch.randn(NODES, WIDTH)
    least = 4 * WIDTH * (EDGES + NODES)
    for kind in ("local", "random"):
        edges = edges_of(kind)
        graph = graph_of(edges)
        for how, ours in OURS.items():
            conv = SimpleConv(how)
            ways: dict[str, Pass] = {"PyG": lambda hidden, conv=conv, edges=edges: conv(hidden, edges)}
            if how == "sum":
                ways["gather + index_add"] = index_add(edges)
            ways["ours"] = lambda hidden, ours=ours, graph=graph: ours(hidden, graph)
            found = {name: timed(way, given, gradient, rounds) for name, way in ways.items()}
            difference = (ways["ours"](given) - ways["PyG"](given)).abs().max()
            assert float(difference) < 1e-3, "the two disagree"
            for name, (forward, both) in found.items():
                ratios = [theirs / own for theirs, own in zip(found["PyG"], (forward, both), strict=True)]
                print(
                    f"| {kind} | {how} | {name} | {forward * 1e3:.0f} | {100 * least / forward / bandwidth:.0f} | "
                    f"{ratios[0]:.1f} | {both * 1e3:.0f} | {ratios[1]:.1f} |",
                    flush=True,
                )


def ladder(levels: int) -> SweepGraph:
    """Levels of :data:`A_LEVEL` nodes that each read two of the level before."""
    rng = np.random.default_rng(1)
    nodes = levels * A_LEVEL
    level = np.arange(nodes) // A_LEVEL
    counts = np.where(level > 0, 2, 0)
    node = (np.repeat(level, counts) - 1) * A_LEVEL + rng.integers(0, A_LEVEL, counts.sum())
    flip = rng.integers(0, 2, len(node)).astype(np.uint8)
    return SweepGraph(np.arange(nodes), np.append(0, np.cumsum(counts)), node, flip)


def loop_sweep(
    gate: Tensor,
    drive: Tensor,
    weight: Tensor,
    order: np.ndarray,
    ptr: np.ndarray,
    node: np.ndarray,
    flip: np.ndarray,
    pair: Tensor | None = None,
) -> Tensor:
    """The sweep of a :func:`ladder`, a level at a time, with nothing that another graph would need."""
    half = gate.size(1) // 2
    local = torch.from_numpy(node % A_LEVEL).split(2 * A_LEVEL)
    signs = torch.ones(len(node), gate.size(1))
    signs[:, half:] = 1.0 - 2.0 * torch.from_numpy(flip).to(gate.dtype)[:, None]
    shares, drives = gate.split(A_LEVEL), drive.split(A_LEVEL)
    state = torch.tanh(drives[0])
    states = [state]
    for share, own, at, sign in zip(shares[1:], drives[1:], local, signs.split(2 * A_LEVEL), strict=True):
        read = (state.index_select(0, at) * sign).view(A_LEVEL, 2, -1)
        mean = read.mean(1)
        value = torch.addmm(own, mean, weight.t())
        if pair is not None:
            value = torch.addmm(value, read[:, 0] * read[:, 1], pair.t())
        state = torch.lerp(torch.tanh(value), mean, share)
        states.append(state)
    return torch.cat(states)


SWEEPS: dict[str, tuple[Callable[..., Tensor], int]] = {
    "loop over levels in torch": (loop_sweep, LEVELS // 10),
    "plain twin": (plain_sweep, LEVELS // 10),
    "ours": (sweep, LEVELS),
}
"""Ways to sweep, and the levels on which each is measured."""


def sweeps(rounds: int) -> None:
    """The table of the levelised sweep."""
    print(f"\n{LEVELS:,} levels of {A_LEVEL} nodes, fan-in 2, {SWEPT_WIDTH} channels\n")
    print("| update | way | forward s | ratio | forward + backward s | ratio |\n|---|---|--:|--:|--:|--:|")
    for products in (False, True):
        what = "mean and products" if products else "mean"
        peer = (0.0, 0.0)
        for name, (function, levels) in SWEEPS.items():
            times = sweep_seconds(function, levels, products, rounds)
            peer = peer if any(peer) else times
            print(
                f"| {what} | {name} | {times[0]:.3f} | {peer[0] / times[0]:.1f} | {times[1]:.3f} | "
                f"{peer[1] / times[1]:.1f} |",
                flush=True,
            )


def sweep_seconds(function: Callable[..., Tensor], levels: int, products: bool, rounds: int) -> tuple[float, float]:
    """Seconds of forward, and of forward and backward, scaled to all levels; gradients of all that is learned."""
    graph = ladder(levels)
    rows = (len(graph.order), SWEPT_WIDTH)
    gate = torch.rand(rows, requires_grad=True)
    weight, pair = (torch.randn(SWEPT_WIDTH, SWEPT_WIDTH).div_(100).requires_grad_() for _ in range(2))

    def way(drive: Tensor) -> Tensor:
        csr = (graph.order, graph.ptr, graph.node, graph.flip)
        return function(gate, drive, weight, *csr, pair if products else None)

    reference = sweep(gate, gate, weight, graph.order, graph.ptr, graph.node, graph.flip, pair if products else None)
    assert float((way(gate) - reference).detach().abs().max()) < 1e-4, "the two disagree"
    forward, both = timed(way, torch.randn(rows), torch.randn(rows), rounds)
    return forward * LEVELS / levels, both * LEVELS / levels


def halves(rounds: int) -> None:
    """What bfloat16 gives: the gather of a mean, and the linear maps around it."""
    print("\n| part | float32 ms | bfloat16 ms | ratio |\n|---|--:|--:|--:|")
    edges = edges_of("local")
    conv, hidden = SimpleConv("sum"), torch.randn(NODES, WIDTH)
    ours = graph_of(edges)
    layer = torch.nn.Linear(WIDTH, WIDTH)
    half = torch.nn.Linear(WIDTH, WIDTH).to(torch.bfloat16)
    with torch.no_grad():
        single = shortest(rounds, lambda: csr_sum(hidden, ours))
        peer = shortest(rounds, lambda: conv(hidden.bfloat16(), edges))
        print(
            f"| sum, ours in float32, PyG in bfloat16 | {single * 1e3:.0f} | {peer * 1e3:.0f} | {single / peer:.2f} |"
        )
        for what, rows in (("linear map", NODES), ("linear map, 16,384 rows", 16_384)):
            given = hidden[:rows]
            small = given.bfloat16()
            single, peer = shortest(rounds, lambda: layer(given)), shortest(rounds, lambda: half(small))  # noqa: B023
            print(f"| {what} | {single * 1e3:.2f} | {peer * 1e3:.2f} | {single / peer:.2f} |")
            peer = shortest(rounds, lambda: half(given.bfloat16()).float())  # noqa: B023
            print(f"| {what}, states kept in float32 | {single * 1e3:.2f} | {peer * 1e3:.2f} | {single / peer:.2f} |")


def main() -> None:
    """Print the tables and where they were made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of torch and of the kernels")
    parser.add_argument("--rounds", type=int, default=5, help="the shortest of so many runs counts")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"{options.threads} thread(s); {NODES:,} nodes, {EDGES:,} edges, {WIDTH} channels, float32")
    messages(options.rounds)
    sweeps(options.rounds)
    halves(options.rounds)
    print(
        f"\nPython {platform.python_version()}, torch {torch.__version__}, torch-geometric {torch_geometric.__version__}, "
        f"numpy {np.__version__}, numba {numba.__version__}"
    )
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
