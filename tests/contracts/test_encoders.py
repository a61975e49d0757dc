"""Every encoder runs through every check; a declared failure that is gone fails too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.pyg import CircuitData, blocks_of, collate, graph_of, to_data
from circuitgraph.views import logic_view
from encoders.checkpoint import load_encoder, save_encoder
from encoders.encoder import ENCODERS, Schema, make_encoder
from tests.subjects import chain, full_adder, permuted, random_aig, random_circuit

Maker = Callable[..., Any]


def data_of(circuit: Circuit) -> CircuitData:
    return to_data(logic_view(circuit))


def graphs() -> list[CircuitData]:
    return [data_of(full_adder()), data_of(random_circuit(1)), data_of(random_aig(2))]


def assert_close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    bound = 1e-5 * torch.clamp(wanted.abs(), min=1.0)
    assert found.shape == wanted.shape
    assert bool(((found - wanted).abs() <= bound).all()), float((found - wanted).detach().abs().max())


def batch_of_two_is_two_singles(make: Maker) -> None:
    """Breaks when an offset is wrong or a statistic runs over the batch."""
    encoder = make()
    together = encoder(collate(graphs()))
    alone = [encoder(graph) for graph in graphs()]
    assert_close(together.nodes, torch.cat([one.nodes for one in alone]))
    assert_close(together.graphs, torch.cat([one.graphs for one in alone]))


def permutation(make: Maker) -> None:
    """Breaks when the order of cells, nets or a type's ports reaches the result."""
    encoder = make()
    for circuit in (full_adder(), random_circuit(3), random_circuit(4)):
        moved = permuted(circuit, 7)
        one, other = encoder(data_of(circuit)).nodes, encoder(data_of(moved)).nodes
        first, second = logic_view(circuit), logic_view(moved)
        place = {moved.cell_names.text(int(cell)): row for row, cell in enumerate(second.cell) if cell >= 0}
        for row, cell in enumerate(first.cell.tolist()):
            if cell >= 0:
                assert_close(other[place[circuit.cell_names.text(cell)]], one[row])


def block_wise_is_whole(make: Maker) -> None:
    """Breaks when a block misses a node that it reads."""
    encoder = make()
    data = collate([*graphs(), data_of(random_circuit(9, gates=200))])
    with torch.no_grad():
        whole = encoder(data)
        for size in (1, 17, 100):
            found = encoder(data, blocks_of(data, size))
            assert_close(found.nodes, whole.nodes)
            assert_close(found.graphs, whole.graphs)


def strided_and_read_only_input(make: Maker) -> None:
    """Breaks when a kernel assumes contiguous or writable input."""
    encoder = make()
    data = data_of(random_circuit(1))
    wanted = encoder(data).nodes
    wide = torch.zeros(data.num_nodes, 2 * data.x.size(1))
    wide[:, ::2] = data.x
    data.x = wide[:, ::2]
    assert_close(encoder(data).nodes, wanted)


def empty_graph(make: Maker) -> None:
    """Breaks at a maximum over nothing."""
    found = make()(data_of(CircuitBuilder("empty").build()))
    assert found.nodes.shape[0] == 0
    assert bool(torch.isfinite(found.graphs).all())


def one_node(make: Maker) -> None:
    """Breaks when a node without edges divides by zero."""
    builder = CircuitBuilder("one")
    builder.input("a")
    found = make()(data_of(builder.build()))
    assert found.nodes.shape[0] == 1
    assert bool(torch.isfinite(found.nodes).all())


def disjoint_union_is_each_alone(make: Maker) -> None:
    """Breaks when something is shared between parts that are not connected."""
    encoder = make()
    data = graphs()
    nodes = encoder(collate([data[0], data[2]])).nodes
    assert_close(nodes[: data[0].num_nodes], encoder(data[0]).nodes)


def deep_chain(make: Maker) -> None:
    """Breaks at recursion, and where states grow or die with the number of levels."""
    with torch.no_grad():
        nodes = make()(data_of(chain(5000))).nodes
    assert bool(torch.isfinite(nodes).all())
    assert float(nodes.abs().max()) < 100


def finite_gradients(make: Maker) -> None:
    """Breaks where a gradient explodes along the levels."""
    encoder = make()
    encoder(data_of(chain(300))).nodes.square().mean().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in encoder.parameters() if p.grad is not None)


def all_parameters_get_gradient(make: Maker) -> None:
    """Breaks when a layer is made and not used."""
    encoder = make()
    found = encoder(collate(graphs()))
    weight = torch.linspace(-1, 1, encoder.width)
    ((found.nodes * weight).square().sum() + (found.graphs * weight).square().sum()).backward()
    missing = [name for name, p in encoder.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert missing == []


def no_gradient_across_graphs(make: Maker) -> None:
    """Breaks when circuits of one batch see each other."""
    encoder = make()
    batch = collate(graphs())
    hidden = encoder.stem(batch).detach().requires_grad_()
    nodes = encoder.propagate(hidden, batch).nodes
    graph = graph_of(batch)
    nodes[graph == 0].square().sum().backward()
    assert bool(hidden.grad[graph == 0].any())
    assert not bool(hidden.grad[graph != 0].any())


def gradient_equals_difference(make: Maker) -> None:
    """Breaks when a hand-written backward is wrong."""
    encoder = make().double()
    data = data_of(random_aig(5))
    hidden = encoder.stem(data).detach().requires_grad_()
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(data.num_nodes, encoder.width)))

    def value(at: torch.Tensor) -> torch.Tensor:
        return (encoder.propagate(at, data).nodes * weight).sum()

    value(hidden).backward()
    direction = torch.from_numpy(np.random.default_rng(1).normal(size=hidden.shape))
    step = 1e-6
    with torch.no_grad():
        difference = (value(hidden + step * direction) - value(hidden - step * direction)) / (2 * step)
    expected = float((hidden.grad * direction).sum())
    assert abs(float(difference) - expected) < 1e-5 * max(1.0, abs(expected))


def float64_agrees(make: Maker) -> None:
    """Breaks when a kernel of one dtype differs from the other."""
    data = collate(graphs())
    single = make()(data).nodes
    assert float((make().double()(data).nodes - single).detach().abs().max()) < 1e-4


def save_load_identical(make: Maker, tmp_path: Any) -> None:
    """Breaks when a buffer or an argument is not saved."""
    encoder = make()
    name = next(name for name, path in ENCODERS.items() if path.endswith(type(encoder).__name__))
    save_encoder(tmp_path / "e", encoder, name)
    again, _ = load_encoder(tmp_path / "e.safetensors")
    data = collate(graphs())
    assert torch.equal(again(data).nodes, encoder.eval()(data).nodes)


def same_seed_same_weights(make: Maker) -> None:
    """Breaks when weights depend on what was drawn before."""
    one = make()
    torch.rand(3)
    other = make()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    third = make(seed=1)
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), third.parameters(), strict=True))


def inversion_is_seen(make: Maker) -> None:
    """Breaks when complemented edges of an AIG are ignored."""
    encoder = make()
    data = data_of(random_aig(2))
    other = data_of(random_aig(2))
    other.edge_attr = other.edge_attr.clone()
    other.edge_attr[:, 0] = 1 - other.edge_attr[:, 0]
    assert float((encoder(data).nodes - encoder(other).nodes).detach().abs().max()) > 1e-3


CHECKS = [
    batch_of_two_is_two_singles,
    permutation,
    block_wise_is_whole,
    strided_and_read_only_input,
    empty_graph,
    one_node,
    disjoint_union_is_each_alone,
    deep_chain,
    finite_gradients,
    all_parameters_get_gradient,
    no_gradient_across_graphs,
    gradient_equals_difference,
    float64_agrees,
    save_load_identical,
    same_seed_same_weights,
    inversion_is_seen,
]


def maker(name: str) -> Maker:
    schema = Schema.of(data_of(full_adder()))

    def make(seed: int = 0) -> Any:
        return make_encoder(name, schema, seed, width=8)

    return make


def run_check(check: Callable[..., None], make: Maker, tmp_path: Any) -> None:
    check(make, tmp_path) if check is save_load_identical else check(make)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_encoder(name: str, check: Callable[..., None], tmp_path: Any) -> None:
    make = maker(name)
    if check.__name__ not in make().expected_failures:
        run_check(check, make, tmp_path)
        return
    with pytest.raises(AssertionError):  # a declared failure that is gone fails here
        run_check(check, make, tmp_path)


class _Leaky(nn.Module):
    """Batch norm over all graphs: the planted defect."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.norm, self.width = inner, nn.BatchNorm1d(inner.width), inner.width

    def stem(self, data: CircuitData) -> torch.Tensor:
        return self.norm(self.inner.stem(data))

    def propagate(self, hidden: torch.Tensor, data: CircuitData, blocks: Any = None) -> Any:
        found = self.inner.propagate(hidden, data, blocks)
        return type(found)(self.norm(found.nodes), found.graphs)

    def forward(self, data: CircuitData, blocks: Any = None) -> Any:
        return self.propagate(self.stem(data), data, blocks)


@pytest.mark.parametrize("check", [batch_of_two_is_two_singles, no_gradient_across_graphs], ids=lambda c: c.__name__)
def test_a_planted_batch_norm_is_caught(check: Callable[..., None]) -> None:
    with pytest.raises(AssertionError):
        check(lambda seed=0: _Leaky(maker("residual")(seed)))


@pytest.mark.parametrize("name", ["levelised", "hybrid", "polarity"])
@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("wide", [1, 2])
def test_a_deep_sweep_neither_explodes_nor_forgets(name: str, scale: float, wide: int) -> None:
    """DESIGN section 4: 25,000 levels, float64, at initialisation and with weights x 3."""
    levels = 25_000
    rows = np.arange(levels * wide)
    level = rows // wide
    source = np.concatenate([(level[wide:] - 1) * wide + other for other in range(wide)])
    target = np.concatenate([rows[wide:]] * wide)
    order = np.argsort(target, kind="stable")
    data = CircuitData(
        x=torch.zeros(len(rows), 8),
        node_kind=torch.full((len(rows),), 20),
        edge_index=torch.from_numpy(np.stack([source[order], target[order]])),
        edge_relation=torch.zeros(len(source), dtype=torch.int64),
        edge_attr=torch.zeros(len(source), 3),
        level=torch.from_numpy(level),
        unit=torch.from_numpy(rows),
        maskable=torch.ones(len(rows), dtype=torch.bool),
        graph_id=torch.tensor([1]),
        num_units=torch.tensor([len(rows)]),
        num_nodes=len(rows),
        num_relations=2,
        ordering=(True, False),
        view_name="logic",
        name="deep",
    )
    encoder = make_encoder(name, Schema.of(data), 0, width=16).double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(scale)
        hidden = torch.from_numpy(np.random.default_rng(0).normal(size=(len(rows), 16)))
        moved = hidden.clone()
        moved[0] += 1e-6
        change = (encoder.propagate(moved, data).nodes - encoder.propagate(hidden, data).nodes).abs()
    assert float(change.max()) < 1e-5
    if scale == 1.0:
        assert float(change[50 * wide].max()) > 1e-8


def test_kernels_equal_their_plain_twins() -> None:
    from circuitgraph.pyg import sweep_of
    from encoders.layers.aggregate import MeanGraph, csr_mean, plain_mean
    from encoders.layers.sweep import plain_sweep, sweep

    rng = np.random.default_rng(3)
    data = collate(graphs())
    graph = sweep_of(data)
    flip = rng.integers(0, 2, len(graph.in_node)).astype(np.uint8)
    parts = [torch.from_numpy(rng.normal(size=(data.num_nodes, 6))).requires_grad_() for _ in range(2)]
    weight = torch.from_numpy(rng.normal(size=(6, 6)) * 0.1).requires_grad_()
    goal = torch.from_numpy(rng.normal(size=(data.num_nodes, 6)))
    results = []
    for function in (sweep, plain_sweep):
        out = function(torch.sigmoid(parts[0]), parts[1], weight, graph.order, graph.in_ptr, graph.in_node, flip)
        results.append((out, *torch.autograd.grad((out * goal).sum(), [*parts, weight])))
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)
    mean_graph = MeanGraph.of(graph.in_ptr, graph.in_node, flip, data.num_nodes)
    results = []
    for function in (csr_mean, plain_mean):
        out = function(parts[0], mean_graph)
        results.append((out, *torch.autograd.grad((out * goal).sum(), [parts[0]])))
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here: run the suite where there is one")
@pytest.mark.parametrize("name", ENCODERS)
def test_cuda_equals_cpu(name: str) -> None:
    """The plain twins run on a device and give what the kernels give, forward and backward."""
    batch = collate(graphs())
    found = []
    for device in ("cpu", "cuda"):
        encoder = maker(name)().to(device)
        nodes = encoder(batch.clone().to(device)).nodes
        nodes.square().mean().backward()
        gradient = torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None])
        found.append((nodes.detach().cpu(), gradient.cpu()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
