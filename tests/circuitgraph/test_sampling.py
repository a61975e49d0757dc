"""Sampled neighbours: every edge is an edge, draws are uniform and fixed by their key, PyG's loader takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader, NodeLoader
from torch_geometric.nn import SAGEConv

from circuitgraph.corpus import MANIFEST
from circuitgraph.errors import CircuitError
from circuitgraph.formats import write
from circuitgraph.pyg import CorpusDataset, EpochLoader, NeighborSampler, csr_of, to_data
from circuitgraph.sampling import NeighbourDraws, Sampled, key_of
from circuitgraph.views import logic_view
from tests.subjects import random_circuit

MASK = (1 << 64) - 1


def random_graph(seed: int, nodes: int = 60, edges: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CSR by target of a random multigraph with hubs and isolated nodes."""
    rng = np.random.default_rng(seed)
    target = np.minimum(rng.geometric(0.1, edges) - 1, nodes - 1)
    return csr_of(target.astype(np.int64), rng.integers(0, nodes, edges), nodes)


def plain_draw(
    csr: tuple[np.ndarray, np.ndarray, np.ndarray], fan_outs: list[int], seed: int, seeds: list[int], epoch: int
) -> tuple[list[int], list[tuple[int, int, int]]]:
    """The twin in plain Python: node, then (row, col, edge)."""
    pointer, source, edge_of = (column.tolist() for column in csr)
    word = key_of(seed, epoch, np.array(seeds, np.int64))

    def below(count: int) -> int:
        nonlocal word
        word = (word + 0x9E3779B97F4A7C15) & MASK
        mixed = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & MASK
        return ((mixed ^ (mixed >> 31)) >> 32) * count >> 32

    nodes = list(seeds)
    number: dict[int, int] = {}
    for row, node in enumerate(nodes):
        number.setdefault(node, row)
    edges: list[tuple[int, int, int]] = []
    begin = 0
    for fan_out in fan_outs:
        end = len(nodes)
        drawn: list[tuple[int, int]] = []
        for target in range(begin, end):
            first, last = pointer[nodes[target]], pointer[nodes[target] + 1]
            degree = last - first
            wanted = degree if fan_out < 0 else min(degree, fan_out)
            places: list[int] = []
            if wanted == degree:
                places = list(range(degree))
            elif wanted * wanted <= 4 * degree:
                for step in range(degree - wanted, degree):
                    place = below(step + 1)
                    places.append(step if place in places else place)
            else:
                for step in range(degree):
                    if len(places) < wanted and below(degree - step) < wanted - len(places):
                        places.append(step)
            drawn += [(first + place, target) for place in places]
        for place, target in drawn:
            if source[place] not in number:
                number[source[place]] = len(nodes)
                nodes.append(source[place])
            edges.append((number[source[place]], target, edge_of[place]))
        begin = end
    return nodes, edges


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("fan_outs", [[3], [2, 2], [5, 4, 3], [-1, 2], [1, -1], [12, 30]])
def test_the_kernel_is_its_plain_twin(seed: int, fan_outs: list[int]) -> None:
    csr = random_graph(seed)
    draws = NeighbourDraws(*csr, fan_outs, seed)
    rng = np.random.default_rng(seed)
    for epoch in range(3):
        seeds = rng.integers(0, 60, 8)
        found = draws.draw(seeds, epoch)
        nodes, edges = plain_draw(csr, fan_outs, seed, seeds.tolist(), epoch)
        assert found.node.tolist() == nodes
        assert list(zip(found.row.tolist(), found.col.tolist(), found.edge.tolist(), strict=True)) == edges


@pytest.mark.parametrize("fan_outs", [[4, 4], [-1], [1, 1, 1]])
def test_what_is_sampled_is_part_of_the_graph(fan_outs: list[int]) -> None:
    pointer, source, edge_of = random_graph(5)
    target = np.repeat(np.arange(60), np.diff(pointer))
    ends = {int(edge): (int(s), int(t)) for edge, s, t in zip(edge_of, source, target, strict=True)}
    seeds = np.array([0, 3, 59, 7])
    found = NeighbourDraws(pointer, source, edge_of, fan_outs, 1).draw(seeds)
    assert found.node[:4].tolist() == seeds.tolist()
    assert len(set(found.node.tolist())) == len(found.node)
    for row, col, edge in zip(found.row, found.col, found.edge, strict=True):
        assert ends[int(edge)] == (found.node[row], found.node[col])
    assert sum(found.nodes_by_hop) == len(found.node)
    assert sum(found.edges_by_hop) == len(found.edge)
    bound = len(seeds)
    for fan_out, edges in zip(fan_outs, found.edges_by_hop, strict=True):
        bound *= fan_out if fan_out > 0 else 400
        assert edges <= bound
    degree = np.diff(pointer)[seeds]
    wanted = degree if fan_outs[0] < 0 else np.minimum(degree, fan_outs[0])
    assert np.bincount(found.col[: found.edges_by_hop[0]], minlength=4)[:4].tolist() == wanted.tolist()
    first = found.edge[: found.edges_by_hop[0]].tolist()
    assert len(set(first)) == len(first)


@pytest.mark.parametrize(("degree", "fan_out"), [(20, 3), (20, 15)], ids=["Floyd", "one pass"])
def test_every_neighbour_is_as_likely(degree: int, fan_out: int) -> None:
    csr = csr_of(np.zeros(degree, np.int64), np.arange(1, degree + 1), degree + 1)
    draws = NeighbourDraws(*csr, [fan_out], 0)
    trials = 4000
    count = np.zeros(degree)
    for epoch in range(trials):
        count[draws.draw(np.zeros(1, np.int64), epoch).edge] += 1
    share = fan_out / degree
    assert np.abs(count / trials - share).max() < 5 * np.sqrt(share * (1 - share) / trials)


def same(one: Sampled, other: Sampled) -> bool:
    columns = zip((one.node, one.row, one.col, one.edge), (other.node, other.row, other.col, other.edge), strict=True)
    return all(np.array_equal(a, b) for a, b in columns)


def test_draws_depend_on_seed_epoch_and_nodes_alone() -> None:
    csr = random_graph(3)
    seeds = np.array([0, 1, 2])
    first = NeighbourDraws(*csr, [2, 2], 7)
    wanted = first.draw(seeds)
    first.draw(np.array([5, 9]))
    assert same(first.draw(seeds), wanted)
    assert same(NeighbourDraws(*csr, [2, 2], 7).draw(seeds), wanted)
    others = [first.draw(seeds, 1), NeighbourDraws(*csr, [2, 2], 8).draw(seeds), first.draw(seeds[::-1])]
    assert not any(same(other, wanted) for other in others)


def test_faults_are_said() -> None:
    csr = random_graph(0)
    for fan_outs in ([], [0], [3, -2]):
        with pytest.raises(CircuitError, match="takes a number from 1 a hop, or -1"):
            NeighbourDraws(*csr, fan_outs, 0)
    for seeds in ([-1], [60]):
        with pytest.raises(CircuitError, match="name nodes that are not there"):
            NeighbourDraws(*csr, [2], 0).draw(np.array(seeds))
    data = to_data(logic_view(random_circuit(0)))
    with pytest.raises(CircuitError, match="edges: are not sampled here"):
        NeighborSampler(data, [2]).sample_from_edges(None)  # type: ignore[arg-type]
    empty = NeighbourDraws(*csr, [2, 2], 0).draw(np.zeros(0, np.int64))
    assert (len(empty.node), len(empty.edge), empty.nodes_by_hop) == (0, 0, [0, 0, 0])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_of_pyg_takes_the_sampler_and_a_layer_learns(workers: int) -> None:
    data = to_data(logic_view(random_circuit(2, gates=300)))
    loader = NodeLoader(data, NeighborSampler(data, [3, 3], seed=1), batch_size=32, num_workers=workers)
    edges = {tuple(pair) for pair in data.edge_index.t().tolist()}
    torch.manual_seed(0)
    layer = SAGEConv(data.x.size(1), 4)
    seen = 0
    for batch in loader:
        assert batch.n_id[: batch.batch_size].tolist() == list(range(seen, seen + batch.batch_size))
        seen += batch.batch_size
        torch.testing.assert_close(batch.x, data.x.index_select(0, batch.n_id))
        torch.testing.assert_close(batch.edge_attr, data.edge_attr.index_select(0, batch.e_id))
        assert {tuple(pair) for pair in batch.n_id[batch.edge_index].t().tolist()} <= edges
        x = batch.x.requires_grad_()
        layer(x, batch.edge_index)[: batch.batch_size].sum().backward()
        assert bool(torch.isfinite(x.grad).all())
    assert seen == data.num_nodes
    assert layer.lin_l.weight.grad.abs().sum() > 0


def test_all_neighbours_give_the_layer_of_the_whole_graph() -> None:
    data = to_data(logic_view(random_circuit(4, gates=200)))
    torch.manual_seed(0)
    layer = SAGEConv(data.x.size(1), 4)
    whole = layer(data.x, data.edge_index)
    for batch in NodeLoader(data, NeighborSampler(data, [-1]), batch_size=50):
        rows = batch.n_id[: batch.batch_size]
        torch.testing.assert_close(layer(batch.x, batch.edge_index)[: batch.batch_size], whole.index_select(0, rows))


def test_any_data_of_pyg_can_be_sampled() -> None:
    data = Data(x=torch.ones(4, 1), edge_index=torch.tensor([[0, 1, 2], [3, 3, 3]]), num_nodes=4)
    (batch,) = NodeLoader(data, NeighborSampler(data, [2]), input_nodes=torch.tensor([3]), batch_size=1)
    assert batch.num_nodes == 3
    assert batch.edge_index[1].tolist() == [0, 0]


# -- data sets above the memory ------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CIRCUITGRAPH_CACHE", str(tmp_path / "cache"))
    lines = ["file,sha256,kind,design,family,split"]
    for number in range(6):
        write(random_circuit(number, gates=20 + 10 * number), tmp_path / f"c{number}.bench")
        lines.append(f"c{number}.bench,0,netlist,d{number},f{number},train")
    (tmp_path / MANIFEST).write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_data_set_on_disk_keeps_nothing_and_gives_the_same(corpus: Path) -> None:
    made: list[str] = []

    def note(data: object) -> object:
        made.append(data.name)  # type: ignore[attr-defined]
        return data

    held = CorpusDataset(corpus, pre_transform=note)  # type: ignore[arg-type]
    on_disk = CorpusDataset(corpus, pre_transform=note, in_memory=False)  # type: ignore[arg-type]
    for _ in range(2):
        for row in range(6):
            one, other = held[row], on_disk[row]
            assert one.keys() == other.keys()
            torch.testing.assert_close(one.x, other.x, rtol=0, atol=0)
            assert torch.equal(one.edge_index, other.edge_index)
    assert len(made) == 6 + 2 * 6
    assert on_disk._made == {}


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_of_a_loader_read_the_data_set_on_disk(corpus: Path, workers: int) -> None:
    dataset = CorpusDataset(corpus, in_memory=False)
    batches = list(DataLoader(dataset, batch_size=4, num_workers=workers))
    assert [batch.num_graphs for batch in batches] == [4, 2]
    assert sum(batch.num_nodes for batch in batches) == sum(dataset[row].num_nodes for row in range(6))


def test_an_epoch_over_a_data_set_on_disk_reads_sizes_once(corpus: Path) -> None:
    reads: list[int] = []

    class Counted(CorpusDataset):
        def get(self, idx: int) -> object:
            reads.append(idx)
            return super().get(idx)

    loader = EpochLoader(Counted(corpus, in_memory=False), max_nodes=120, seed=0)  # type: ignore[arg-type]
    wanted = EpochLoader([CorpusDataset(corpus)[row] for row in range(6)], max_nodes=120, seed=0)
    for epoch in range(3):
        assert loader.batches(epoch) == wanted.batches(epoch)
    assert sorted(reads) == list(range(6))
