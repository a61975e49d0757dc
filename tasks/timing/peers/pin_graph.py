"""A placed design as the heterograph of the published timing models, and its labels.

Nodes are connected pins and terminals. Net edges go from a driver to each of its sinks, cell edges from an input pin to
an output pin, one for each Liberty arc. Times are ns, capacitances pF, lengths 100 um. What differs from the published
data set: edges that no signal passes (constants, disabled arcs, arcs behind which a clock is defined) are left out, pins
without arrival are masked instead of being targets of 0, and tables of other sizes are resampled to 7 x 7.

Source: Guo et al., A timing engine inspired graph neural network model for pre-routing slack prediction, DAC 2022, and
its data set; Zhong et al., PreRoutGNN, AAAI 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.levels import sort_levels
from circuitgraph.analysis.sta import merged
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.errors import CircuitError
from tasks.task import Example
from tasks.timing.inputs import TimingInputs, TimingLabels
from tasks.timing.peers.slacks import without_wires
from tasks.timing.peers.tables import CAPACITANCE, TIME, arc_tables

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]
LongArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LENGTH = 1e-4
"""Unit of lengths, m."""
FEATURES = 10
STATE = 8
"""Numbers of a pin's state: four arrivals, four logarithms of slews."""
BY_COLUMN = (0, 5, 2, 7)
"""Where an arc's written-out delays hold those of one edge that stays one: late rise, late fall, early rise and fall."""


@dataclass(frozen=True, eq=False)
class PinGraph:
    """The heterograph of a design; N nodes, A net edges, E cell edges, R library arcs that occur.

    | field | type, shape | meaning |
    |---|---|---|
    | node | int64 [N] | node of the timing analysis |
    | features | float32 [N, 10] | is a terminal; drives a net; distance to the left, right, top and bottom edge of the
      die, 100 um; capacitance, pF, by column |
    | level | int64 [N] | drivers have even levels, sinks odd ones |
    | is_start | bool [N] | nothing goes into it: its state is given |
    | start | float32 [N, 8] | state of the starts, from the constraints; 0 elsewhere |
    | has_arrival, has_slew | bool [N, 4] | by column |
    | net_arc, net_source, net_target | int64 [A] | arc of the analysis; nodes; one driver a sink |
    | net_feature | float32 [A, 2] | x and y of the sink less those of the driver, 100 um |
    | cell_arc, cell_source, cell_target | int64 [E] | arc of the analysis; nodes |
    | cell_table | int64 [E] | row in ``axes`` and ``tables`` |
    | axes, tables | float32 [R, 8, 15], [R, 8, 49] | see :func:`tasks.timing.peers.tables.arc_tables` |
    """

    name: str
    node: LongArray
    features: SingleArray
    level: LongArray
    is_start: BoolArray
    start: SingleArray
    has_arrival: BoolArray
    has_slew: BoolArray
    net_arc: LongArray
    net_source: LongArray
    net_target: LongArray
    net_feature: SingleArray
    cell_arc: LongArray
    cell_source: LongArray
    cell_target: LongArray
    cell_table: LongArray
    axes: SingleArray
    tables: SingleArray

    def __len__(self) -> int:
        return len(self.node)


@dataclass(frozen=True, eq=False)
class PinLabels:
    """What is to be learned of a heterograph, and which of it is known.

    | field | type, shape | meaning |
    |---|---|---|
    | state, has_state | float32, bool [N, 8] | arrivals, ns, and log(1e-4 + slew in ns) + 3; starts are not asked for |
    | net_delay, has_net_delay | float32, bool [N, 4] | log(1e-4 + delay in ns) + 7.6 into each sink |
    | cell_delay, has_cell_delay | float32, bool [E, 4] | ns, by edge of the output pin: the worst over the edges of the
      input that lead there |
    """

    state: SingleArray
    has_state: BoolArray
    net_delay: SingleArray
    has_net_delay: BoolArray
    cell_delay: SingleArray
    has_cell_delay: BoolArray


def log_slew(slew: FloatArray) -> FloatArray:
    """Transform of slews in ns. Source: TimingGCN's data_graph.py."""
    return np.asarray(np.log(1e-4 + slew) + 3.0)


def slew_of(value: FloatArray) -> FloatArray:
    """The inverse of :func:`log_slew`, not below 0."""
    return np.maximum(np.exp(value - 3.0) - 1e-4, 0.0)


def log_net_delay(delay: FloatArray) -> FloatArray:
    """Transform of net delays in ns; a delay below 0 counts as 0. Source: TimingGCN's data_graph.py."""
    return np.asarray(np.log(1e-4 + np.maximum(delay, 0.0)) + 7.6)


def pin_graph(inputs: TimingInputs) -> PinGraph:
    """The heterograph of a design, made once.

    Raises:
        CircuitError: there is no placement.
    """
    if "pin graph" not in inputs.view_cache:
        inputs.view_cache["pin graph"] = _made(inputs)
    found: PinGraph = inputs.view_cache["pin graph"]
    return found


def _made(inputs: TimingInputs) -> PinGraph:
    prepared, bare = inputs.prepared, without_wires(inputs)
    nodes = prepared.nodes
    node = np.flatnonzero(nodes.net >= 0)
    row = np.full(nodes.count, -1, np.int64)
    row[node] = np.arange(len(node))
    arrival = merged(bare.state_arrival)
    cells, nets = _walked(prepared, arrival, _blocked(bare.boundary.node, bare.boundary.blocks, nodes.count))
    source, target = row[prepared.arcs.source], row[prepared.arcs.target]
    is_start = np.ones(len(node), np.bool_)
    is_start[target[np.concatenate([cells, nets])]] = False
    level = _levels(source, target, np.concatenate([cells, nets]), nodes.drives[node], is_start)
    x, y = _positions(inputs)
    slew = bare.state_slew[node]
    start = np.concatenate([arrival[node] / TIME, log_slew(np.where(np.isfinite(slew), slew, 0.0) / TIME)], axis=1)
    library_arc, table = np.unique(prepared.arcs.library_arc[cells], return_inverse=True)
    axes, tables = arc_tables(inputs.library, library_arc)
    offset = np.stack([x[target[nets]] - x[source[nets]], y[target[nets]] - y[source[nets]]], axis=1)
    return PinGraph(
        name=inputs.name,
        node=node,
        features=_features(inputs, node, x, y),
        level=level,
        is_start=is_start,
        start=np.where(is_start[:, None] & np.isfinite(start), start, 0.0).astype(np.float32),
        has_arrival=np.isfinite(arrival[node]),
        has_slew=np.isfinite(slew),
        net_arc=nets,
        net_source=source[nets],
        net_target=target[nets],
        net_feature=(offset / LENGTH).astype(np.float32),
        cell_arc=cells,
        cell_source=source[cells],
        cell_target=target[cells],
        cell_table=table.astype(np.int64),
        axes=axes,
        tables=tables,
    )


def _blocked(node: list[int], blocks: list[int], count: int) -> BoolArray:
    """Nodes at which arrivals from upstream stop, bool [V]."""
    found = np.zeros(count, np.bool_)
    found[np.array(node, np.int64)[np.array(blocks, np.int64) > 0]] = True
    return found


def _walked(prepared: Prepared, arrival: FloatArray, blocked: BoolArray) -> tuple[LongArray, LongArray]:
    """Cell arcs and net arcs that carry an arrival; of several drivers of a sink the one that is latest."""
    arcs, has = prepared.arcs, np.asarray(np.isfinite(arrival).any(axis=1))
    passes = (arcs.mask & 15 > 0) & has[arcs.source] & has[arcs.target] & ~blocked[arcs.target]
    cells = np.flatnonzero(passes & (arcs.library_arc >= 0))
    nets = np.flatnonzero(passes & (arcs.library_arc < 0))
    latest: FloatArray = np.nanmax(arrival[arcs.source[nets]], axis=1, initial=-np.inf)
    nets = nets[np.lexsort((-latest, arcs.target[nets]))]
    target = arcs.target[nets]
    first = np.ones(len(nets), np.bool_)
    first[1:] = target[1:] != target[:-1]
    return cells, nets[first]


def _levels(source: LongArray, target: LongArray, arcs: LongArray, drives: BoolArray, is_start: BoolArray) -> LongArray:
    """Longest paths over the given arcs, int64 [N]; a sink without fan-in stands on level 1."""
    count = len(drives)
    lone = np.flatnonzero(is_start & ~drives)
    sources = np.concatenate([source[arcs], np.full(len(lone), count)])
    level, _ = sort_levels(sources, np.concatenate([target[arcs], lone]), count + 1)
    return level[:count].astype(np.int64)


def _positions(inputs: TimingInputs) -> tuple[FloatArray, FloatArray]:
    """Positions x and y of every connected node, m; a pin without a place stands in the middle of the die."""
    layout, nodes = inputs.layout, inputs.prepared.nodes
    if layout is None:
        way_out = "give a placement (DEF) and the LEF of its cells"
        raise CircuitError(inputs.name, "design", "has no placement, which this model reads", way_out)
    place = nodes.place[np.flatnonzero(nodes.net >= 0)]
    x = np.concatenate([layout.pin_x, layout.port_x])[place]
    y = np.concatenate([layout.pin_y, layout.port_y])[place]
    left, bottom, right, top = layout.die
    return np.where(np.isnan(x), (left + right) / 2, x), np.where(np.isnan(y), (bottom + top) / 2, y)


def _features(inputs: TimingInputs, node: LongArray, x: FloatArray, y: FloatArray) -> SingleArray:
    assert inputs.layout is not None
    nodes, circuit = inputs.prepared.nodes, inputs.circuit
    left, bottom, right, top = inputs.layout.die
    place = nodes.place[node]
    distances = np.stack([x - left, right - x, top - y, y - bottom], axis=1) / LENGTH
    flags = np.stack([place >= circuit.num_pins, nodes.drives[node]], axis=1)
    capacitance = inputs.pin_capacitances[place] / CAPACITANCE
    return np.concatenate([flags, distances, capacitance], axis=1).astype(np.float32)


def pin_labels(example: Example) -> PinLabels:
    """The labels of a design, from the engine's analysis over the true wires; made once, kept beside the labels.

    Raises:
        CircuitError: there is no placement, or there are no parasitics.
    """
    inputs: TimingInputs = example.inputs
    labels: TimingLabels | None = example.labels
    if labels is None or labels.resolved is None:
        raise CircuitError(example.name, "design", "has no parasitics to learn from", "give its SPEF")
    if "pin labels" not in labels.cache:
        labels.cache["pin labels"] = _labels(inputs, labels)
    found: PinLabels = labels.cache["pin labels"]
    return found


def _labels(inputs: TimingInputs, labels: TimingLabels) -> PinLabels:
    graph, timing, arcs = pin_graph(inputs), labels.reference(inputs), inputs.prepared.arcs
    arrival = merged(timing.state_arrival)[graph.node] / TIME
    slew = timing.slew[inputs.prepared.nodes.place[graph.node]] / TIME
    known = np.concatenate([np.isfinite(arrival), np.isfinite(slew) & graph.has_slew], axis=1)
    state = np.concatenate([arrival, log_slew(np.where(np.isfinite(slew), slew, 0.0))], axis=1)
    delay = timing.prepared.library.tables.values[-8 * len(arcs) :].reshape(-1, 8) / TIME
    net_delay, has_net_delay = np.zeros((len(graph), 4)), np.zeros((len(graph), 4), np.bool_)
    net_delay[graph.net_target] = log_net_delay(delay[graph.net_arc][:, BY_COLUMN])
    has_net_delay[graph.net_target] = graph.has_arrival[graph.net_source]
    cell_delay, has_cell_delay = _worst_delays(
        delay[graph.cell_arc], arcs.mask[graph.cell_arc], graph.has_arrival[graph.cell_source]
    )
    return PinLabels(
        state=np.where(known, state, 0.0).astype(np.float32),
        has_state=known & ~graph.is_start[:, None],
        net_delay=net_delay.astype(np.float32),
        has_net_delay=has_net_delay,
        cell_delay=cell_delay.astype(np.float32),
        has_cell_delay=has_cell_delay,
    )


def _worst_delays(delay: FloatArray, mask: npt.NDArray[np.uint8], known: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Delay of each cell edge by column of its target, [E, 4], and whether there is one.

    Args:
        delay: written-out delays, [E, 8], by 4 x edge of the target + 2 x early + edge of the source.
        mask: edges that pass, as in :class:`circuitgraph.analysis.sta_graph.Arcs`.
        known: whether the source has an arrival, by column, [E, 4].
    """
    found, has = np.zeros((len(delay), 4)), np.zeros((len(delay), 4), np.bool_)
    for early in (0, 1):
        for edge in (0, 1):
            column, none = 2 * early + edge, np.inf if early else -np.inf
            passes = np.stack(
                [(mask >> (2 * way + edge) & 1 > 0) & known[:, 2 * early + way] for way in (0, 1)], axis=1
            )
            choice = np.where(passes, delay[:, 4 * edge + 2 * early :][:, :2], none)
            worst = choice.min(axis=1) if early else choice.max(axis=1)
            has[:, column] = passes.any(axis=1)
            found[:, column] = np.where(has[:, column], worst, 0.0)
    return found, has
