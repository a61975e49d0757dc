"""Layers against plain twins: what is computed once for many edges is what the published layers compute for each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tasks.timing.peers.batch import Batch, batch_of
from tasks.timing.peers.gcnii import GCNIIModule
from tasks.timing.peers.layers import NetConv, extreme, parameters_of, total
from tasks.timing.peers.order_partition import halo_pieces, whole
from tasks.timing.peers.pin_graph import STATE, pin_graph, pin_labels
from tasks.timing.peers.preroutgnn import PreRoutGNNModule
from tasks.timing.peers.preroutgnn_layers import EntryAttention, both_ways, level_encoding
from tasks.timing.peers.tables import AXES, SIZE, TABLES
from tasks.timing.peers.timing_gcn import COPIES, TableAttention, TimingGCNModule
from tests.tasks.timing_peers.placed import example


def batch() -> Batch:
    graph = pin_graph(example().inputs)
    return batch_of([(graph, whole(graph))], [pin_labels(example())])


def arcs(width: int, features: int = 5) -> tuple[Tensor, Batch, tuple[int, int]]:
    of = batch()
    torch.manual_seed(1)
    return torch.randn(width, STATE + 2 * features), of, (3, 3 + width)


def test_numbers_of_parameters() -> None:
    assert parameters_of(TimingGCNModule()) == 224_838
    module = PreRoutGNNModule()
    assert parameters_of(module) - parameters_of(module.coder) == 1_089_245
    assert parameters_of(module.coder.encoder) == 131_048
    assert parameters_of(GCNIIModule(4)) < parameters_of(GCNIIModule(60))


def test_table_attention_is_the_perceptron_of_query_and_axes() -> None:
    """The twin repeats the axes for every query, as theirs does."""
    layer = TableAttention(5)
    arc, of, cells = arcs(12)
    row = of.cell_table[cells[0] : cells[1]]
    query = layer.query(arc).view(-1, 2)
    axes = of.axes[row].reshape(-1, AXES).repeat(1, COPIES).reshape(-1, AXES)
    first, second = layer.attention(torch.cat([query, axes], dim=1)).view(-1, 2, SIZE).unbind(1)
    outer = (first[:, :, None] * second[:, None, :]).view(-1, COPIES, SIZE * SIZE)
    tables = of.tables[row].reshape(-1, 1, SIZE * SIZE)
    wanted = (outer * tables).sum(-1).view(12, TABLES * COPIES)
    torch.testing.assert_close(layer(arc, of, cells), wanted, rtol=1e-4, atol=1e-5)


def test_entry_attention_is_multi_head_attention() -> None:
    layer = EntryAttention(5, 16)
    with torch.no_grad():
        layer.attention.in_proj_bias.normal_()
        layer.attention.out_proj.bias.normal_()
    arc, of, cells = arcs(12)
    row = of.cell_table[cells[0] : cells[1]]
    query = layer.query(arc).view(-1, 1, 32)
    axes = of.axes[row].reshape(-1, AXES)
    keys = (axes[:, 1 : 1 + SIZE, None] * axes[:, None, 1 + SIZE :]).reshape(-1, SIZE * SIZE, 1)
    values = of.tables[row].reshape(-1, SIZE * SIZE, 1)
    assert isinstance(layer.attention, nn.MultiheadAttention)
    wanted = layer.attention(query, keys, values)[0].view(12, -1)
    torch.testing.assert_close(layer(arc, of, cells), wanted, rtol=1e-4, atol=1e-5)


def test_sums_and_extremes_are_those_of_loops() -> None:
    torch.manual_seed(0)
    values, target = torch.randn(30, 3), torch.randint(0, 6, (30,))
    for row in range(8):
        own = values[target == row]
        zero = torch.zeros(3)
        torch.testing.assert_close(total(values, target, 8)[row], own.sum(0))
        torch.testing.assert_close(extreme(values, target, 8, "amax")[row], own.max(0).values if len(own) else zero)
        torch.testing.assert_close(extreme(values, target, 8, "amin")[row], own.min(0).values if len(own) else zero)


def test_net_convolution_node_by_node() -> None:
    of = batch()
    layer = NetConv(10, 6, 8)
    found = layer(of.features, of)
    for driver in of.drivers[:40].tolist():
        edges = torch.nonzero(of.net_source == driver).flatten()
        sinks = of.net_target[edges]
        ends = torch.cat([of.features[sinks], of.features[driver].expand(len(sinks), -1), of.net_feature[edges]], 1)
        gate, first, second = layer.to_driver(ends).split([1, 32, 32], dim=1)
        first, second = torch.sigmoid(gate) * first, torch.sigmoid(gate) * second
        largest = second.max(0).values if len(sinks) else torch.zeros(32)
        wanted = layer.reduce(torch.cat([of.features[driver], first.sum(0), largest]))
        torch.testing.assert_close(found[driver], wanted, rtol=1e-4, atol=1e-5)
        for edge, sink in zip(edges.tolist(), sinks.tolist(), strict=True):
            both = torch.cat([of.features[driver], of.features[sink], of.net_feature[edge]])
            torch.testing.assert_close(found[sink], layer.to_sink(both), rtol=1e-4, atol=1e-5)


def test_residual_net_edges_hand_the_state_on() -> None:
    """With a perceptron that gives 0, a sink of PreRoutGNN has its driver's state, one of TimingGCN has 0."""
    of = batch()
    for module, handed_on in ((TimingGCNModule(), False), (PreRoutGNNModule(), True)):
        graph = pin_graph(example().inputs)
        for weight in module.propagation.net.parameters():
            nn.init.zeros_(weight)
        found = module(module.features([(graph, whole(graph))], of), of, of.known).state
        wanted = of.known.index_select(0, of.net_source) if handed_on else torch.zeros(len(of.net_source), STATE)
        torch.testing.assert_close(found.index_select(0, of.net_target), wanted)


def test_level_encoding_by_hand() -> None:
    found = level_encoding(torch.tensor([0, 50]))
    assert found.shape == (2, 9)
    np.testing.assert_allclose(found[0].numpy(), [0, 0, 0, 0, 0, 1, 1, 1, 1], atol=1e-6)
    quarter = np.pi / 4
    wanted = [50, *np.sin(quarter * 2.0 ** np.arange(4)), *np.cos(quarter * 2.0 ** np.arange(4))]
    np.testing.assert_allclose(found[1].numpy(), wanted, atol=1e-5)


def test_edges_without_kinds_go_both_ways() -> None:
    of = batch()
    source, target, feature = both_ways(of)
    half = len(source) // 2
    assert torch.equal(source[:half], target[half:])
    assert torch.equal(target[:half], source[half:])
    assert torch.equal(feature[:half], -feature[half:])
    assert feature.shape == (2 * (len(of.net_source) + len(of.cell_source)), 12)
    assert feature[: len(of.net_source), 1].min() == 1
    assert not feature[: len(of.net_source), 2:10].any()
    assert not feature[len(of.net_source) : half, 10:].any()


def test_weights_of_a_batch_are_means_of_its_pieces() -> None:
    one, other = example("arbiter_8"), example("barrel_shift_32")
    graphs, labels = [pin_graph(e.inputs) for e in (one, other)], [pin_labels(e) for e in (one, other)]
    both = batch_of([(graph, whole(graph)) for graph in graphs], labels).targets
    assert both is not None
    for weight in (both.state_weight, both.net_weight, both.cell_weight):
        assert abs(float(weight.sum()) - 1) < 1e-5
    assert float(both.state_weight[: len(graphs[0])].sum()) > 0.49
    pieces = halo_pieces(graphs[0], 60)
    theirs = batch_of([(graphs[0], pieces[1])], labels[:1]).targets
    assert theirs is not None
    assert float(theirs.state_weight.sum()) < 0.95
    assert abs(float(theirs.cell_weight.sum()) - 1) < 1e-5
