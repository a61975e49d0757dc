"""Kernels of the encoders against plain twins, and twins against the formulas; what is kept beside the data."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from circuitgraph.pyg import CircuitData, collate, ordering_of, relation_csr, to_data
from circuitgraph.views import logic_view
from encoders.encoder import ENCODERS, Schema, make_encoder
from encoders.layers import parts, threads
from encoders.layers.aggregate import MeanGraph, csr_max, csr_mean, csr_sum, mean_of_rows, plain_aggregate
from encoders.layers.edges import edge_averages, flips_of, relation_graphs, sweep_graphs
from encoders.layers.stem import EdgeStem
from encoders.layers.sweep import SweepGraph, driven_sweep, levels_of, plain_sweep, sweep
from tests.subjects import full_adder, random_aig, random_circuit

CSR = {"sum": csr_sum, "mean": csr_mean, "max": csr_max}


def random_graph(nodes: int, seed: int, most: int = 5) -> SweepGraph:
    """A random order and, for each node, 0 to *most* fan-ins that stand before it, repeats among them."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(nodes)
    rank = np.argsort(order)
    counts = np.where(rank > 0, rng.integers(0, most + 1, nodes), 0)
    ptr = np.append(0, np.cumsum(counts))
    reach = np.repeat(rank, counts)
    node = order[(rng.random(len(reach)) * reach).astype(np.int64)]
    return SweepGraph(order, ptr, node, rng.integers(0, 2, len(node)).astype(np.uint8))


def random_sweep(graph: SweepGraph, width: int, seed: int) -> list[Tensor]:
    """Gate, drive, W and V, float64, so that the sweep does not expand; leaves that take gradients."""
    rng = np.random.default_rng(seed)
    nodes = len(graph.order)
    weight, pair = rng.normal(size=(2, width, width))
    total = np.abs(weight).sum(1) + 2 * np.abs(pair).sum(1)
    made = (1 / (1 + np.exp(-rng.normal(size=(nodes, width)))), rng.normal(size=(nodes, width)))
    made += (weight / total[:, None], pair / total[:, None])
    return [torch.from_numpy(value).requires_grad_() for value in made]


def arrays(graph: SweepGraph) -> tuple[np.ndarray, ...]:
    return graph.order, graph.ptr, graph.node, graph.flip


def defined_states(gate: Tensor, drive: Tensor, weight: Tensor, pair: Tensor | None, graph: SweepGraph) -> np.ndarray:
    """The formulas of encoders/layers/sweep.py, a node, a pair at a time."""
    g, u, w = (value.detach().numpy() for value in (gate, drive, weight))
    width = g.shape[1]
    state = np.zeros_like(g)
    for row in graph.order.tolist():
        entries = range(graph.ptr[row], graph.ptr[row + 1])
        if not len(entries):
            state[row] = np.tanh(u[row])
            continue
        x = np.stack([state[graph.node[entry]] for entry in entries])
        for place, entry in enumerate(entries):
            if graph.flip[entry]:
                x[place, width // 2 :] *= -1
        value = u[row] + w @ x.mean(0)
        if pair is not None and len(x) > 1:
            products = [x[i] * x[j] for i in range(len(x)) for j in range(i + 1, len(x))]
            value += pair.detach().numpy() @ np.mean(products, axis=0)
        state[row] = g[row] * x.mean(0) + (1 - g[row]) * np.tanh(value)
    return state


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(("nodes", "width"), [(1, 2), (2, 4), (40, 6), (60, 10), (150, 32)])
def test_a_sweep_equals_its_plain_twin_and_the_formulas(nodes: int, width: int, paired: bool) -> None:
    graph = random_graph(nodes, seed=nodes + width)
    leaves = random_sweep(graph, width, seed=1)
    given = leaves if paired else leaves[:3]
    pair = leaves[3] if paired else None
    goal = torch.from_numpy(np.random.default_rng(2).normal(size=(nodes, width)))
    results = []
    for function in (sweep, plain_sweep):
        out = function(*leaves[:3], *arrays(graph), pair)
        found = torch.autograd.grad((out * goal).sum(), given, allow_unused=True, materialize_grads=True)
        results.append((out, *found))
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(results[0][0].detach().numpy(), defined_states(*leaves[:3], pair, graph), atol=1e-12)


def test_the_sweep_of_three_gates_by_hand() -> None:
    """Two inputs of 0.5 and -0.25, an AND of both (the second flipped) and a node that reads the AND alone."""
    order, ptr = np.arange(4), np.array([0, 0, 0, 2, 3])
    node, flip = np.array([0, 1, 2]), np.array([0, 1, 0], np.uint8)
    gate = torch.full((4, 2), 0.25, dtype=torch.float64)
    drive = torch.tensor([[0.5, 0.5], [-0.25, -0.25]], dtype=torch.float64).atanh()
    drive = torch.cat([drive, torch.full((2, 2), 0.1, dtype=torch.float64)])
    weight, pair = torch.eye(2, dtype=torch.float64) * 0.5, torch.eye(2, dtype=torch.float64) * 0.25
    found = sweep(gate, drive, weight, order, ptr, node, flip, pair)
    mean, product = [0.125, 0.375], [-0.125, 0.125]
    wanted = [0.25 * m + 0.75 * np.tanh(0.1 + 0.5 * m + 0.25 * p) for m, p in zip(mean, product, strict=True)]
    np.testing.assert_allclose(found[2].numpy(), wanted, rtol=1e-12)
    last = [0.25 * h + 0.75 * np.tanh(0.1 + 0.5 * h) for h in wanted]
    np.testing.assert_allclose(found[3].numpy(), last, rtol=1e-12)


@pytest.mark.parametrize("paired", [False, True])
def test_no_change_grows_along_a_sweep(paired: bool) -> None:
    """Rows of |W| + 2 |V| that sum to one, gates of any size, states driven to their bounds: the worst case."""
    graph = random_graph(2000, seed=3, most=4)
    gate, drive, weight, pair = (value.detach() for value in random_sweep(graph, 8, seed=4))
    drive = torch.where(torch.from_numpy(np.diff(graph.ptr) == 0)[:, None], 20 * drive, drive * 0.01)
    moved = drive.clone()
    inputs = np.flatnonzero(np.diff(graph.ptr) == 0)
    rng = np.random.default_rng(5)
    for step in (1e-6, 0.1):
        moved[inputs] = drive[inputs] + torch.from_numpy(rng.uniform(-step, step, size=(len(inputs), 8)))
        one, other = (
            sweep(gate, at, weight, *arrays(graph), pair if paired else None).numpy() for at in (drive, moved)
        )
        assert np.abs(one).max() <= 1
        assert np.abs(one - other).max() <= np.abs(one - other)[inputs].max() * (1 + 1e-9)


def test_a_sweep_without_gradients_has_the_same_bits_in_parts_of_any_size() -> None:
    graph = random_graph(500, seed=6)
    leaves = [value.detach().float() for value in random_sweep(graph, 10, seed=7)]
    gate, drive, weight, pair = leaves
    wanted = sweep(gate.clone().requires_grad_(), drive, weight, *arrays(graph), pair).detach()

    def gates(rows: Tensor | None) -> tuple[Tensor, Tensor]:
        assert rows is not None
        return gate[rows], drive[rows]

    with torch.no_grad():
        for part in (1, 7, 500, 10_000):
            assert torch.equal(driven_sweep(gates, weight, graph, pair, part), wanted)
        torch.testing.assert_close(plain_sweep(*leaves[:3], *arrays(graph), pair), wanted, rtol=0, atol=1e-6)


def test_levels_and_empty_graphs() -> None:
    graph = random_graph(100, seed=8)
    level = levels_of(graph.order, graph.ptr, graph.node)
    for row in range(100):
        read = graph.node[graph.ptr[row] : graph.ptr[row + 1]]
        assert level[row] == (level[read].max() + 1 if len(read) else 0)
    none = random_graph(0, seed=0)
    for function in (sweep, plain_sweep):
        assert function(*random_sweep(none, 4, seed=0)[:3], *arrays(none)).shape == (0, 4)


def test_tanh_is_within_2e_7_of_the_exact_one_and_never_beyond_one() -> None:
    from encoders.layers.sweep_kernels import _kernel_tanh

    rng = np.random.default_rng(9)
    x = np.concatenate([np.linspace(-12, 12, 400_001), rng.normal(size=10_000) * 1e-4, [0, 1e30, -1e30, np.inf]])
    for dtype, bound in ((np.float32, 2e-7), (np.float64, 1e-15)):
        found = x.astype(dtype)
        _kernel_tanh(found)
        assert np.abs(found - np.tanh(x.astype(dtype).astype(np.float64))).max() <= bound
        assert np.abs(found).max() == 1
        assert found[np.flatnonzero(x == 0)[0]] == 0
        missing = np.array([1, np.nan, 2], dtype)
        _kernel_tanh(missing)
        assert np.isnan(missing).tolist() == [False, True, False]


def random_csr(rows: int, sources: int, seed: int) -> MeanGraph:
    """Rows of 0 to 7 neighbours, repeats among them."""
    rng = np.random.default_rng(seed)
    ptr = np.append(0, np.cumsum(rng.integers(0, 8, rows)))
    node = rng.integers(0, sources, ptr[-1])
    return MeanGraph.of(ptr, node, rng.integers(0, 2, ptr[-1]).astype(np.uint8), sources)


@pytest.mark.parametrize("how", ["sum", "mean", "max"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "sources", "width"), [(50, 30, 6), (30, 80, 10), (1, 1, 2), (200, 200, 64)])
def test_an_aggregation_equals_its_plain_twin(
    how: str, dtype: torch.dtype, rows: int, sources: int, width: int
) -> None:
    graph = random_csr(rows, sources, seed=rows)
    rng = np.random.default_rng(1)
    hidden = torch.from_numpy(rng.normal(size=(sources, width))).to(dtype).requires_grad_()
    goal = torch.from_numpy(rng.normal(size=(rows, width))).to(dtype)
    outs = (CSR[how](hidden, graph), plain_aggregate(hidden, graph, how))  # type: ignore[arg-type]
    results = [(out, *torch.autograd.grad((out * goal).sum(), [hidden])) for out in outs]
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)


def test_sum_mean_and_maximum_by_hand() -> None:
    """Row 0 reads nodes 0 and 1 (flipped), row 1 nothing, row 2 node 1 twice."""
    graph = MeanGraph.of(np.array([0, 2, 2, 4]), np.array([0, 1, 1, 1]), np.array([0, 1, 0, 0], np.uint8), 2)
    hidden = torch.tensor([[1.0, -3.0], [5.0, 7.0]])
    assert csr_sum(hidden, graph).tolist() == [[6.0, -10.0], [0.0, 0.0], [10.0, 14.0]]
    assert csr_mean(hidden, graph).tolist() == [[3.0, -5.0], [0.0, 0.0], [5.0, 7.0]]
    assert csr_max(hidden, graph).tolist() == [[5.0, -3.0], [0.0, 0.0], [5.0, 7.0]]


def test_among_equals_the_first_entry_takes_the_gradient() -> None:
    graph = MeanGraph.of(np.array([0, 3]), np.array([2, 0, 1]), np.zeros(3, np.uint8), 3)
    for function in (csr_max, lambda hidden, graph: plain_aggregate(hidden, graph, "max")):
        hidden = torch.ones(3, 2, requires_grad=True)
        function(hidden, graph).sum().backward()
        assert hidden.grad is not None
        assert hidden.grad.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("how", ["sum", "mean", "max"])
def test_threads_change_no_bit(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_csr(300, 200, seed=2)
    given = torch.from_numpy(np.random.default_rng(3).normal(size=(200, 8))).float()
    before, calls = torch.get_num_threads(), []
    monkeypatch.setattr(threads, "WORTH", 10)
    pool = threads.ThreadPoolExecutor
    monkeypatch.setattr(threads, "ThreadPoolExecutor", lambda count: (calls.append(count), pool(count))[1])
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            hidden = given.clone().requires_grad_()
            out = CSR[how](hidden, graph)
            out.square().sum().backward()
            results.append((out.detach(), hidden.grad))
    finally:
        torch.set_num_threads(before)
    assert set(calls) == {2, 3}
    for other in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(results[0], other, strict=True))


def test_the_mean_of_some_rows_is_that_of_all() -> None:
    graph = random_csr(100, 70, seed=4)
    hidden = torch.from_numpy(np.random.default_rng(5).normal(size=(70, 6)))
    whole = csr_mean(hidden, graph)
    for start, stop in ((0, 100), (0, 0), (13, 14), (40, 100)):
        assert torch.equal(mean_of_rows(hidden, graph, start, stop), whole[start:stop])


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_added_means_are_those_of_all_rows(few: bool, scaled: bool) -> None:
    """Breaks when a mean of few rows lands in another row, or its gradient in another source."""
    graph = random_csr(60, 40, seed=6)
    if few:
        ptr = np.repeat(graph.ptr, 4)[3:]  # three rows without neighbours before each
        graph = MeanGraph.of(ptr, graph.node, graph.flip, 40)
    rows = len(graph.ptr) - 1
    rng = np.random.default_rng(7)
    hidden = torch.from_numpy(rng.normal(size=(40, 6))).requires_grad_()
    degree = torch.from_numpy(rng.normal(size=rows)) if scaled else None
    layer = torch.nn.Linear(12 if scaled else 6, 5, bias=False).double()
    total = torch.from_numpy(rng.normal(size=(rows, 5)))
    mean = csr_mean(hidden, graph)
    wanted = total + layer(mean if degree is None else torch.cat([mean, mean * degree[:, None]], dim=1))
    found = parts.add_means(total.clone(), layer, hidden, graph, 0, rows, degree)
    inputs = [hidden, layer.weight]
    for one, other in zip(
        (found, *torch.autograd.grad(found.square().sum(), inputs)),
        (wanted, *torch.autograd.grad(wanted.square().sum(), inputs)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    with torch.no_grad():
        for start, stop in ((0, rows), (5, 6), (13, rows - 7)):
            part = parts.add_means(total[start:stop].clone(), layer, hidden, graph, start, stop, degree)
            torch.testing.assert_close(part, wanted[start:stop])


def batch() -> CircuitData:
    return collate([to_data(logic_view(circuit)) for circuit in (full_adder(), random_circuit(3), random_aig(2))])


def entries_of(graph: MeanGraph) -> list[tuple[int, int, int]]:
    """(row, neighbour, flip) of all entries, sorted: the order within a row does not count."""
    rows = np.repeat(np.arange(len(graph.ptr) - 1), np.diff(graph.ptr))
    return sorted(zip(rows.tolist(), graph.node.tolist(), graph.flip.tolist(), strict=True))


def test_both_directions_of_a_relation_are_each_others_transposes() -> None:
    data = batch()
    data.edge_relation = torch.arange(data.num_edges) % 2
    for at, graph in enumerate(relation_graphs(data, "logic")):
        csr = relation_csr(data, at // 2)
        ptr, node, edge = csr[3 * (at % 2) : 3 * (at % 2) + 3]
        wanted = MeanGraph.of(ptr, node, flips_of(data, "logic", edge), data.num_nodes)
        for one, other in ((graph, wanted), (graph.reversed(), wanted.reversed())):
            np.testing.assert_array_equal(one.ptr, other.ptr)
            assert entries_of(one) == entries_of(other)


def test_the_map_of_averages_is_the_average_of_maps() -> None:
    data = batch()
    layer = EdgeStem(len(ordering_of(data)), data.edge_attr.size(1), 6).double()
    for end in (0, 1):
        edges = layer.relation(data.edge_relation) + layer.features(data.edge_attr.double())
        node = data.edge_index[end]
        total = edges.new_zeros(data.num_nodes, 6).index_add(0, node, edges)
        count = torch.bincount(node, minlength=data.num_nodes).clamp(min=1)[:, None]
        torch.testing.assert_close(layer(edge_averages(data, end)), total / count, rtol=1e-6, atol=1e-6)


def test_what_is_kept_of_the_edges_follows_their_features() -> None:
    """Breaks when a masked copy sees what was made of the unmasked features, or the other way round."""
    data = batch()
    first, graphs = edge_averages(data, 1), relation_graphs(data, "logic")
    assert edge_averages(data, 1) is first
    assert relation_graphs(data, "logic") is graphs
    hidden = copy.copy(data)
    hidden.edge_attr = torch.zeros_like(data.edge_attr)
    relations = len(ordering_of(data))
    assert not bool(edge_averages(hidden, 1)[:, relations:].any())
    assert not any(graph.flip.any() for graph in relation_graphs(hidden, "logic"))
    assert not any(graph.flip.any() for graph in sweep_graphs(hidden, "logic"))
    assert edge_averages(data, 1) is first
    assert any(graph.flip.any() for graph in relation_graphs(data, "logic"))
    data.edge_attr[:, 0] = 1.0
    assert all(graph.flip.all() for graph in relation_graphs(data, "logic"))
    assert not torch.equal(edge_averages(data, 1), first)


@pytest.mark.parametrize("name", ENCODERS)
def test_without_gradients_an_encoder_gives_the_same_and_leaves_its_input_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks when a part reads rows that an earlier part has overwritten."""
    monkeypatch.setattr(parts, "PART", 9)
    data = batch()
    encoder = make_encoder(name, Schema.of(data), 0, width=8)
    hidden = encoder.stem(data)
    wanted = encoder.propagate(hidden, data)
    with torch.no_grad():
        kept = hidden.clone()
        found = encoder.propagate(hidden, data)
        assert torch.equal(hidden, kept)
        torch.testing.assert_close(encoder.stem(data), hidden, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.nodes, wanted.nodes, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.graphs, wanted.graphs, rtol=0, atol=1e-5)
