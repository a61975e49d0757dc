"""Transforms keep what they do not change, and work inside data sets and batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, CorpusDataset, collate, to_data
from circuitgraph.views import logic_view
from encoders.encoder import Schema, make_encoder
from encoders.transforms import InverterNodes, ReverseEdges
from tests.subjects import random_aig, random_circuit

DATA = Path(__file__).resolve().parents[2] / "data"


def test_reverse_edges_are_there_once_with_their_features() -> None:
    data = to_data(logic_view(random_aig(3)))
    before = data.edge_index.clone()
    found = ReverseEdges()(data)
    assert torch.equal(data.edge_index, before), "the given graph is not touched"
    assert found.num_edges == 2 * data.num_edges
    assert (found.edge_index[1].diff() >= 0).all()
    forward = {
        (int(s), int(t), int(r), tuple(f.tolist()))
        for s, t, r, f in zip(*data.edge_index, data.edge_relation, data.edge_attr, strict=True)
    }
    backward = {
        (int(t), int(s), int(r) - 2, tuple(f.tolist()))
        for s, t, r, f in zip(*found.edge_index, found.edge_relation, found.edge_attr, strict=True)
        if int(r) >= 2
    }
    assert backward == forward
    assert found.ordering == (True, False, False, False)
    encoder = make_encoder("residual", Schema.of(found), 0, width=8, layers=1)
    assert torch.isfinite(encoder(collate([found, found])).nodes).all()


def test_inverter_nodes_stand_for_complemented_edges() -> None:
    data = to_data(logic_view(random_aig(4)))
    found = InverterNodes()(data)
    inverted = int((data.edge_attr[:, 0] > 0.5).sum())
    assert inverted > 3
    assert found.num_nodes == data.num_nodes + inverted
    assert found.num_edges == data.num_edges + inverted
    assert not bool((found.edge_attr[:, 0] > 0).any())
    added = torch.arange(data.num_nodes, found.num_nodes)
    into = torch.bincount(found.edge_index[1], minlength=found.num_nodes)
    out = torch.bincount(found.edge_index[0], minlength=found.num_nodes)
    assert bool((into[added] == 1).all())
    assert bool((out[added] == 1).all())
    assert torch.equal(into[: data.num_nodes], torch.bincount(data.edge_index[1], minlength=data.num_nodes))
    source, target = found.edge_index
    orders = found.edge_relation == 0
    assert bool((found.level[source[orders]] < found.level[target[orders]]).all())
    torch.testing.assert_close(found.x[:, 2], found.level.float().log1p() / np.log(33))
    ways = {(int(s), int(t)) for s, t in zip(*data.edge_index, strict=True)}
    through = {int(s): int(t) for s, t in zip(*found.edge_index, strict=True) if int(s) >= data.num_nodes}
    bridged = {
        (int(s), through[int(t)] if int(t) >= data.num_nodes else int(t))
        for s, t in zip(*found.edge_index, strict=True)
        if int(s) < data.num_nodes
    }
    assert bridged == ways


def test_a_circuit_without_complements_stays_what_it_was() -> None:
    data = to_data(logic_view(random_circuit(1)))
    found = InverterNodes()(data)
    assert torch.equal(found.edge_index, data.edge_index)
    torch.testing.assert_close(found.x, data.x)


def test_transforms_work_in_a_data_set() -> None:
    plain = CorpusDataset(DATA, kinds=["aig"], split="validation")
    changed = CorpusDataset(DATA, kinds=["aig"], split="validation", transform=InverterNodes())
    assert isinstance(changed[0], CircuitData)
    assert changed[0].num_nodes > plain[0].num_nodes
    assert repr(InverterNodes()) == "InverterNodes()"


def test_what_is_no_logic_view_is_refused() -> None:
    data = to_data(logic_view(random_aig(1)))
    data.view_name = "timing"
    with pytest.raises(CircuitError, match="has no complemented edges"):
        InverterNodes()(data)
    with pytest.raises(CircuitError, match="has no AND nodes"):
        make_encoder("mgvga", Schema.of(data), 0)(data)
