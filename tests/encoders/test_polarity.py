"""The polarity encoder: complements are exactly determined, fan-ins have no order, degrees survive masking."""

from __future__ import annotations

import numpy as np
import torch

from circuitgraph.cell_types import AND2
from circuitgraph.circuit import CircuitBuilder
from circuitgraph.pyg import CircuitData, to_data
from circuitgraph.views import logic_view
from encoders.encoder import Schema, make_encoder
from encoders.layers.edges import sweep_graphs
from encoders.layers.sweep import SweepGraph, sweep
from encoders.polarity import literals
from tests.subjects import random_aig

WIDTH = 16


def data_and_encoder(seed: int = 3) -> tuple[CircuitData, torch.nn.Module]:
    data = to_data(logic_view(random_aig(seed)))
    return data, make_encoder("polarity", Schema.of(data), 0, width=WIDTH).double()


def test_the_complement_of_the_complement_is_the_node_itself() -> None:
    data, encoder = data_and_encoder()
    nodes = encoder(data).nodes
    ones = torch.ones(len(nodes))
    assert torch.equal(literals(literals(nodes, ones), ones), nodes)
    other = literals(nodes, ones)
    assert torch.equal(other[:, : WIDTH // 2], nodes[:, : WIDTH // 2])
    assert torch.equal(other[:, WIDTH // 2 :], -nodes[:, WIDTH // 2 :])


def test_complementing_a_node_and_its_edges_changes_nothing_else() -> None:
    """The odd half of an input's state negated and the flags of its edges flipped: every reader sees the same."""
    data, _ = data_and_encoder()
    graph = sweep_graphs(data, "logic")[0]
    rng = np.random.default_rng(0)
    parts = [torch.from_numpy(rng.normal(size=(data.num_nodes, WIDTH))) for _ in range(2)]
    weights = [torch.from_numpy(rng.normal(size=(WIDTH, WIDTH)) * 0.02) for _ in range(2)]
    first = 0
    assert graph.ptr[first] == graph.ptr[first + 1], "row 0 is an input"
    assert (graph.node == first).sum() > 0, "which is read"

    def states(drive: torch.Tensor, way: SweepGraph) -> torch.Tensor:
        return sweep(torch.sigmoid(parts[0]), drive, weights[0], way.order, way.ptr, way.node, way.flip, weights[1])

    whole = states(parts[1], graph)
    moved = parts[1].clone()
    moved[first, WIDTH // 2 :] *= -1
    flip = np.where(graph.node == first, 1 - graph.flip, graph.flip).astype(np.uint8)
    other = states(moved, SweepGraph(graph.order, graph.ptr, graph.node, flip))
    assert torch.equal(other[1:], whole[1:])
    assert torch.equal(other[:1], literals(whole[:1], torch.ones(1)))
    wrong = states(moved, graph)
    assert not torch.equal(wrong[1:], whole[1:]), "without flipping the flags it does change"


def test_nothing_but_the_sign_of_edges_sees_the_flags() -> None:
    """A node none of whose edges reaches another's states has the same embedding with and without its flags."""
    _, encoder = data_and_encoder()
    found = []
    for inverted in (False, True):
        builder = CircuitBuilder("and")
        a, b, y = builder.input("a"), builder.input("b"), builder.net("y")
        builder.cell("", AND2, [a, b, y], [inverted, inverted, False])
        builder.output("y", y)
        data = to_data(logic_view(builder.build()))
        averages = encoder._averages(data)
        found.append(averages)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_x_and_x_differs_from_x_and_y() -> None:
    _, encoder = data_and_encoder()
    found = []
    for same in (True, False):
        builder = CircuitBuilder("and")
        a, b, y = builder.input("a"), builder.input("b"), builder.net("y")
        builder.cell("", AND2, [a, a if same else b, y])
        builder.output("y", y)
        builder.output("z", b)
        data = to_data(logic_view(builder.build()))
        state = encoder.rounds[0](
            encoder.stem(data), encoder.edges[0], encoder._averages(data)[1], [], sweep_graphs(data, "logic")[0], 100
        )
        found.append(state[2])
    assert float((found[0] - found[1]).detach().abs().max()) > 1e-6


def test_degrees_survive_masking() -> None:
    """Rows of the stem that all carry one token still tell cells of different degrees apart."""
    data, encoder = data_and_encoder()
    same = torch.zeros(data.num_nodes, WIDTH, dtype=torch.float64)
    nodes = encoder.propagate(same, data).nodes
    out = torch.bincount(data.edge_index[0], minlength=data.num_nodes)
    few, many = int((out == 1).nonzero()[0]), int(out.argmax())
    assert int(out[many]) > 2
    assert float((nodes[few] - nodes[many]).detach().abs().max()) > 1e-3
