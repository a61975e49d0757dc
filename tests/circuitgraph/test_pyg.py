"""PyG data: every attribute of every view batches and comes back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.loader import DataLoader

from circuitgraph.corpus import Corpus
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import (
    INDEXES,
    PER_EDGE,
    PER_GRAPH,
    PER_NODE,
    CircuitData,
    CorpusDataset,
    EpochLoader,
    collate,
    sweep_of,
    to_data,
    to_hetero,
    with_twins,
    without_twins,
)
from circuitgraph.views import logic_view
from tests.subjects import full_adder, random_aig, random_circuit


def graphs() -> list:
    return [to_data(logic_view(c)) for c in (full_adder(), random_circuit(1), random_aig(2), full_adder())]


def test_every_attribute_batches_and_comes_back() -> None:
    batch = collate(graphs())
    assert set(PER_NODE) | set(PER_EDGE) | set(PER_GRAPH) <= set(batch.keys())
    for row, graph in enumerate(graphs()):
        again = batch.get_example(row)
        for name in (*PER_NODE, *PER_EDGE, *PER_GRAPH):
            assert torch.equal(again[name], graph[name]), name
    offsets = {
        "edge_index": batch.ptr,
        "unit": torch.cumsum(torch.cat([torch.zeros(1, dtype=torch.int64), batch.num_units]), 0),
    }
    assert set(offsets) | {"twin", "sink_net"} == set(INDEXES)
    second = graphs()[1]
    at = slice(graphs()[0].num_edges, graphs()[0].num_edges + second.num_edges)
    assert torch.equal(batch.edge_index[:, at], second.edge_index + offsets["edge_index"][1])


def test_sinks_point_at_their_nets_in_a_batch() -> None:
    empty = torch.zeros(2, 0, dtype=torch.int64)
    parts = [
        CircuitData(x=torch.zeros(n, 1), sink_net=torch.arange(n), edge_index=empty, num_nodes=n, view_name="nets")
        for n in (3, 2)
    ]
    assert collate(parts).sink_net.tolist() == [0, 1, 2, 3, 4]


def test_pairs_stay_together_and_twins_point_at_both_ends() -> None:
    one, two, alone = graphs()[0], graphs()[1], graphs()[2]
    twin = np.array([[1, 3], [2, 0]])
    pair = with_twins(one, two, twin, np.array([0, 1]), np.array([[5], [6]], np.int64))
    batch = collate([without_twins(alone, 1), *pair, *pair])
    first = alone.num_nodes
    second = first + one.num_nodes
    shift = one.num_nodes + two.num_nodes
    left, right = (twin[0] + first).tolist(), (twin[1] + second).tolist()
    assert batch.twin[0].tolist() == [*left, *(row + shift for row in left)]
    assert batch.twin[1].tolist() == [*right, *(row + shift for row in right)]
    assert batch.twin_inverted.tolist() == [0, 1, 0, 1]
    assert torch.equal(batch.node_kind[batch.twin[1][:2]], two.node_kind[torch.from_numpy(twin[1])])
    loader = EpochLoader([pair, pair, pair], one.num_nodes + two.num_nodes + 1, 0)
    assert [int(made.graph_id.numel()) for made in loader] == [2, 2, 2]
    assert not hasattr(one, "twin"), "the given graphs are not touched"


def test_nodes_stay_graph_contiguous_and_the_sweep_covers_the_batch() -> None:
    batch = collate(graphs())
    assert torch.equal(batch.batch, torch.repeat_interleave(torch.arange(4), torch.diff(batch.ptr)))
    sweep = sweep_of(batch)
    assert sorted(sweep.order.tolist()) == list(range(batch.num_nodes))
    level = batch.level.numpy()[sweep.order]
    assert (level[:-1] <= level[1:]).all()
    assert sweep.level_ptr[-1] == batch.num_nodes


def test_pygs_own_loader_takes_the_data() -> None:
    batches = list(DataLoader(graphs(), batch_size=2))
    assert [batch.num_graphs for batch in batches] == [2, 2]


def test_a_missing_attribute_is_refused() -> None:
    odd = graphs()
    odd[1].extra = torch.zeros(1)
    with pytest.raises(CircuitError, match="'extra'"):
        collate(odd)


def test_hetero_holds_every_edge() -> None:
    view = logic_view(random_circuit(3))
    hetero = to_hetero(to_data(view), view.relations)
    assert sum(hetero[name].edge_index.size(1) for name in hetero.edge_types) == view.num_edges
    assert sum(hetero[name].x.size(0) for name in hetero.node_types) == view.num_nodes


def test_an_epoch_is_a_permutation_packed_by_nodes() -> None:
    loader = EpochLoader(graphs(), 60, seed=3)
    for epoch in range(4):
        batches = loader.batches(epoch)
        assert sorted(row for rows in batches for row in rows) == [0, 1, 2, 3]
        assert all(len(rows) == 1 or sum(graphs()[row].num_nodes for row in rows) <= 60 for rows in batches)
    assert loader.batches(0) == EpochLoader(graphs(), 60, seed=3).batches(0)
    assert len({str(EpochLoader(graphs(), 60, seed=seed).batches(0)) for seed in range(6)}) > 1


def test_a_loader_goes_on_where_it_was() -> None:
    whole = EpochLoader(graphs(), 60, seed=0)
    seen = [batch.graph_id.tolist() for _ in range(3) for batch in whole]
    for stop in range(1, len(seen)):
        first = EpochLoader(graphs(), 60, seed=0)
        taken: list = []
        while len(taken) < stop:
            for batch in first:
                taken.append(batch.graph_id.tolist())
                if len(taken) == stop:
                    break
        second = EpochLoader(graphs(), 60, seed=0)
        second.load_state_dict(first.state_dict())
        rest: list = []
        while len(taken) + len(rest) < len(seen):
            rest += [batch.graph_id.tolist() for batch in second]
        assert taken + rest == seen


def test_ranks_share_a_batch() -> None:
    whole = [sorted(batch.graph_id.tolist()) for batch in EpochLoader(graphs(), 200, seed=0)]
    shares = [list(EpochLoader(graphs(), 200, seed=0, rank=rank, world=2)) for rank in range(2)]
    joined = [sorted(a.graph_id.tolist() + b.graph_id.tolist()) for a, b in zip(*shares, strict=True)]
    assert joined == whole


def test_a_corpus_is_a_pyg_data_set(root, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CIRCUITGRAPH_CACHE", str(tmp_path))

    def widened(data):
        data.x = torch.cat([data.x, torch.ones(data.num_nodes, 1)], dim=1)
        return data

    dataset = CorpusDataset(root / "data", view="logic", split="test", transform=widened, kinds=("aig",))
    assert len(dataset) > 3
    assert [dataset[0].x.size(1) for _ in range(3)] == [9, 9, 9]
    assert dataset[:2][1].num_nodes == dataset[1].num_nodes
    batch = next(iter(DataLoader(dataset, batch_size=3)))
    assert batch.num_graphs == 3
    assert dataset.circuit(0).num_cells == int(dataset[0].num_units)
    placed = CorpusDataset(root / "data", view="timing", split="test")
    assert {entry.kind for entry in placed.entries} == {"placed"}
    for wrong in ({"split": "tset"}, {"view": "logik"}):
        with pytest.raises(CircuitError, match="is unknown"):
            CorpusDataset(root / "data", **wrong)


def test_an_unwritable_cache_is_said_and_not_fatal(root, tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    corpus = Corpus(root / "data", cache=blocked / "inside")
    entry = corpus.entries(kinds=("aig",))[0]
    assert corpus.view(entry).num_nodes > 0
    assert "going on without the cache" in corpus.lines[0]
