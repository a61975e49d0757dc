"""The heterograph says what the analysis walks, and labels add up as arrivals do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from circuitgraph.errors import CircuitError
from tasks.timing.peers.pin_graph import log_slew, pin_graph, pin_labels, slew_of
from tests.tasks.timing_peers.placed import example, fresh


def test_levels_alternate_between_sinks_and_drivers() -> None:
    graph = pin_graph(example().inputs)
    assert not (graph.level[graph.features[:, 1] > 0] % 2).any()
    assert (graph.level[graph.features[:, 1] == 0] % 2).all()
    assert (graph.level[graph.net_source] < graph.level[graph.net_target]).all()
    assert (graph.level[graph.cell_source] < graph.level[graph.cell_target]).all()
    assert len(np.unique(graph.net_target)) == len(graph.net_target)


def test_features_are_those_of_the_layout_and_the_library() -> None:
    inputs = example().inputs
    graph, layout = pin_graph(inputs), inputs.layout
    assert graph.features.shape == (len(graph), 10)
    width, height = layout.die[2] - layout.die[0], layout.die[3] - layout.die[1]
    np.testing.assert_allclose(graph.features[:, 2] + graph.features[:, 3], width / 1e-4, rtol=1e-5)
    np.testing.assert_allclose(graph.features[:, 4] + graph.features[:, 5], height / 1e-4, rtol=1e-5)
    place = inputs.prepared.nodes.place[graph.node]
    np.testing.assert_allclose(graph.features[:, 6:] * 1e-12, inputs.pin_capacitances[place], rtol=1e-6)
    x = np.concatenate([layout.pin_x, layout.port_x])[place]
    np.testing.assert_allclose(
        graph.net_feature[:, 0] * 1e-4, x[graph.net_target] - x[graph.net_source], rtol=1e-4, atol=1e-12
    )


def test_labels_add_up() -> None:
    one = example()
    graph, labels = pin_graph(one.inputs), pin_labels(one)
    arrival = np.where(labels.has_state[:, :4] | graph.is_start[:, None], labels.state[:, :4], np.nan)
    delay = np.exp(labels.net_delay - 7.6) - 1e-4
    known = labels.has_net_delay[graph.net_target]
    wrong = arrival[graph.net_target] - arrival[graph.net_source] - delay[graph.net_target]
    assert known.any()
    assert np.abs(wrong[known]).max() < 1e-5
    launches = one.inputs.prepared.launches[graph.cell_arc]  # the clock is ideal: its pins' arrivals launch nothing
    for column, sign in ((0, 1.0), (1, 1.0), (2, -1.0), (3, -1.0)):
        edges = slice(0, 2) if column < 2 else slice(2, 4)
        source = sign * np.nanmax(sign * arrival[graph.cell_source][:, edges], axis=1)
        most = np.full(len(graph), -np.inf)
        has = labels.has_cell_delay[:, column] & ~launches
        np.maximum.at(most, graph.cell_target[has], sign * (source + labels.cell_delay[:, column])[has])
        reached = np.isfinite(most)
        assert reached.any()
        assert (sign * arrival[reached, column] <= most[reached] + 1e-5).all()


def test_pins_without_arrival_are_masked() -> None:
    one = example()
    graph, labels = pin_graph(one.inputs), pin_labels(one)
    truth = one.labels.truth(one.inputs)
    place = one.inputs.prepared.nodes.place[graph.node]
    np.testing.assert_array_equal(graph.has_arrival, np.isfinite(truth.arrival[place]))
    assert not labels.has_state[graph.is_start].any()
    assert (labels.has_state[:, :4] == graph.has_arrival & ~graph.is_start[:, None]).all()
    has = labels.has_state[:, 4:]
    np.testing.assert_allclose(slew_of(labels.state[:, 4:][has]) * 1e-9, truth.slew[place][has], rtol=1e-4, atol=1e-16)


def test_slews_come_back() -> None:
    slew = np.array([0.0, 1e-3, 0.5, 3.0])
    np.testing.assert_allclose(slew_of(log_slew(slew)), slew, atol=1e-15)


def test_without_placement_or_parasitics_it_is_refused() -> None:
    one = fresh()
    with pytest.raises(CircuitError, match="has no placement"):
        pin_graph(replace(one.inputs, layout=None))
    with pytest.raises(CircuitError, match="has no parasitics"):
        pin_labels(replace(one, labels=None))
