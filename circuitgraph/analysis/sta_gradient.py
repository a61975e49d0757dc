"""Derivatives of timing analysis: by wire capacitances, by delays of sinks, by factors of cell arcs' delays.

    tape = forward_with_tape(prepared, wires)
    gradients = backward(tape, d_slack)

Forward values are those of :func:`circuitgraph.analysis.sta.analyse`, bit for bit. Nothing is stored of an arc: the
backward sweep looks again which arc set a value, and the gradient goes that way; of arcs that tie the first in the
order of the arrays takes it. Between patches of a delay table the derivative jumps; on the border it is that of the
upper patch.

A driving cell's slew and delay move with its port's load; a credit for clock reconvergence moves with the arrivals where
the two clock paths part, and where it makes a path other than the latest into a pin the worst, the gradient goes
along that path. What is a constant here: slews and arrivals that constraints give, ideal clocks, what generated clocks
have as source latency, clock-gating margins, arrivals that go on through open latches; credits, where exceptions name
points of paths; and of a latch that data come too late for its closing edge counts as if it moved with the opening one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_driving import driven_port
from circuitgraph.analysis.sta_ends import Given
from circuitgraph.analysis.sta_loads import spread
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.analysis.sta_tape import DIFFERENTIABLE, Tape, TimingValues, forward_with_tape

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
STEP, LEAST = 1e-4, 1e-19
"""Step of the load, relative and in F, over which driving cells' tables, linear in patches, are differenced."""


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of a scalar; N nets, P pins, T terminals, E walked arcs.

    | field | type, shape | meaning |
    |---|---|---|
    | capacitance | float64 [N] | by the wire capacitance of each net, 1 / F; 0 where constraints or the library's wire
      load stand in its place |
    | sink_delay | float64 [P + T, 2] | by the wire delay into each sink, rise and fall, 1 / s: through delay and slew |
    | arc_scale | float64 [E] | by the factor of each cell arc's delay; 0 for net arcs |
    """

    capacitance: FloatArray
    sink_delay: FloatArray
    arc_scale: FloatArray


def backward(
    tape: Tape,
    d_slack: FloatArray | tuple[FloatArray, FloatArray] | None,
    d_arrival: FloatArray | None = None,
    d_slew: FloatArray | None = None,
) -> Gradients:
    """Gradients of a scalar by the inputs, from those by the outputs; None = 0.

    Args:
        tape: of the forward sweep; it may be used again.
        d_slack: by setup and by hold slacks, float64 [2, P + T]; where there is no slack it is not looked at.
        d_arrival: float64 [P + T, 4]; likewise.
        d_slew: float64 [V, 4].
    """
    from circuitgraph.analysis.sta_forward_kernels import _kernel_forward
    from circuitgraph.analysis.sta_gradient_kernels import _kernel_backward

    prepared, live, planes = tape.prepared, tape.live, len(tape.prepared.planes)
    by_load, by_wire = np.zeros(tape.groups[2][0].shape), np.zeros(tape.groups[2][1].shape)
    by_scale, by_port = np.zeros(len(prepared.arcs)), np.zeros((len(tape.driven), 2, 4))
    states = _given(tape, d_slack, by_load, by_wire, by_scale)
    given = states.by_block(live.last, len(live.ranges))
    by_slew, by_arrival = np.zeros((live.peak, 4)), np.zeros((live.peak, planes, 4))
    whole = len(live.ranges) <= 1
    slew, arrival = tape.kept_slew, tape.kept_arrival
    if not whole:
        slew, arrival = np.zeros((live.peak, 4)), np.zeros((live.peak, planes, 4))
    kept_row = np.full(prepared.nodes.count, -1, np.int32)
    kept_row[tape.kept] = np.arange(len(tape.kept), dtype=np.int32)
    for block, start, stop, born, row in live.backward(prepared.order):
        _start(tape, born, row[born], (d_arrival, d_slew), by_slew, by_arrival)
        (node, plane, column, value), (slew_node, slew_column, slew_value) = given[block]
        np.add.at(by_arrival, (row[node], plane, column), value)
        np.add.at(by_slew, (row[slew_node], slew_column), slew_value)
        if not whole:
            read = born[kept_row[born] >= 0]
            slew[row[read]], arrival[row[read]] = tape.kept_slew[kept_row[read]], tape.kept_arrival[kept_row[read]]
            _kernel_forward(prepared.order, start, stop, row, *tape.groups, tape.smoothing, slew, arrival)
        _kernel_backward(
            prepared.order,
            start,
            stop,
            row,
            *tape.groups,
            tape.smoothing,
            slew,
            arrival,
            by_slew,
            by_arrival,
            by_load,
            by_wire,
            by_scale,
        )
        mine = np.flatnonzero(live.own[tape.driven] == block)
        by_port[mine, 0] = by_slew[row[tape.driven[mine]]]
        by_port[mine, 1] = by_arrival[row[tape.driven[mine]]].sum(axis=1)
    _driving_cells(tape, d_arrival, by_port, by_load)
    capacitance = np.where(tape.follows, by_load.sum(axis=1), 0.0)
    return Gradients(capacitance, _sink_delay(prepared, tape.groups[2][1], by_wire), by_scale)


def _start(
    tape: Tape,
    nodes: IntArray,
    row: IntArray,
    outputs: tuple[FloatArray | None, FloatArray | None],
    by_slew: FloatArray,
    by_arrival: FloatArray,
) -> None:
    """Gradients of nodes to begin with, in their rows: those by the reported arrivals and by the slews."""
    d_arrival, d_slew = outputs
    by_slew[row] = 0.0 if d_slew is None else d_slew[nodes]
    by_arrival[row] = 0.0
    if d_arrival is None:
        return
    place = tape.prepared.nodes.place[nodes]
    reported = tape.prepared.nodes.load_half[place] == nodes
    for column in range(4):
        plane = tape.plane[place, column]
        own = np.flatnonzero(reported & (plane >= 0))
        by_arrival[row[own], plane[own], column] = d_arrival[place[own], column]


def _given(
    tape: Tape,
    d_slack: FloatArray | tuple[FloatArray, FloatArray] | None,
    by_load: FloatArray,
    by_wire: FloatArray,
    by_scale: FloatArray,
) -> Given:
    """Gradients by the state from those by the slacks; what a path gives by itself is added to the last three."""
    given, ends = Given(), tape.ends
    if d_slack is None or not len(ends):
        return given
    by_slack, by_data = _by_end(tape, d_slack)
    latest = np.delete(np.arange(len(ends)), tape.ways.row)
    given.arrivals.append((ends.node[latest], ends.plane[latest], ends.column[latest], by_data[latest]))
    clock = np.flatnonzero(ends.is_propagated)
    given.arrivals.append((ends.clock_node[clock], ends.clock_plane[clock], ends.clock_column[clock], -by_data[clock]))
    checked = np.flatnonzero(ends.clock_node >= 0)
    given.slews.append((ends.node[checked], ends.column[checked], -by_slack[checked] * ends.by_data_slew[checked]))
    by_clock = -by_slack[checked] * ends.by_clock_slew[checked]
    given.slews.append((ends.clock_node[checked], ends.clock_column[checked], by_clock))
    _along_ways(tape, by_slack, by_data, given, (by_load, by_wire, by_scale))
    return given


def _by_end(tape: Tape, d_slack: FloatArray | tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Gradient of each end by its slack and by the arrival of its data, float64 [M] each."""
    both = np.stack([np.asarray(part, np.float64) for part in d_slack])
    by_slack = both[tape.ends.is_early, tape.ends.place]
    return by_slack, np.where(tape.ends.is_early == 1, by_slack, -by_slack)


def _along_ways(
    tape: Tape,
    by_slack: FloatArray,
    by_data: FloatArray,
    given: Given,
    sums: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    """Gradients along the paths of slacks that are not the latest, added to what is given and to the *sums*.

    Args:
        tape: of the forward sweep.
        by_slack, by_data: gradient of each end, by its slack and by the arrival of its data.
        given: gradients by the state.
        sums: gradients by load, by wire and by the arcs' factors.
    """
    by_load, by_wire, by_scale = sums
    ways, arcs, net, ends = tape.ways, tape.prepared.arcs, tape.prepared.nodes.net, tape.ends
    if not len(ways.row):
        return
    early = ends.is_early[ways.row].astype(np.int64)
    row, arc, begin, end = ways.steps.T
    by_step = by_data[ways.row][row][:, None] * ways.slopes
    source, target = arcs.source[arc].astype(np.int64), arcs.target[arc]
    given.slews.append((source, 2 * early[row] + begin, by_step[:, 0]))
    driven = np.flatnonzero(arcs.library_arc[arc] >= 0)
    np.add.at(by_load, (net[target[driven]], 2 * early[row[driven]] + end[driven]), by_step[driven, 1])
    if len(by_wire):
        np.add.at(by_wire, (target, end), by_step[:, 2])
    np.add.at(by_scale, arc, by_step[:, 3])
    ideal = tape.groups[3][7]
    launched = np.flatnonzero((ways.begin[:, 0] >= 0) & np.isnan(ideal[ways.begin[:, 0], early]))
    pin = ends.launch_node[ways.row[launched]].astype(np.int64)
    by_launch = by_data[ways.row[launched]]
    given.arrivals.append((pin, ways.begin[launched, 0], ways.begin[launched, 1], by_launch))
    parted = np.flatnonzero(tape.shared[:, 0] >= 0)
    node, plane, edge = tape.shared[parted].T
    by_credit = by_slack[ways.row[parted]]
    given.arrivals.append((node, plane, edge, by_credit))
    given.arrivals.append((node, plane, 2 + edge, -by_credit))


def _driving_cells(tape: Tape, d_arrival: FloatArray | None, by_port: FloatArray, by_load: FloatArray) -> None:
    """Gradient by the loads of ports with driving cells, added to *by_load*.

    Args:
        tape: of the forward sweep.
        d_arrival: reported arrivals of the ports leave out what the cells add.
        by_port: gradient by slew and by arrival at each of the ports, float64 [D, 2, 4].
        by_load: float64 [N, 4].
    """
    circuit, load = tape.prepared.circuit, tape.groups[2][0]
    step = np.maximum(STEP * load, LEAST)
    for node, (by_slew, by_time) in zip(tape.driven.tolist(), by_port, strict=True):
        if d_arrival is not None and tape.prepared.nodes.load_half[node] == node:
            by_time = by_time - np.where(tape.plane[node] >= 0, d_arrival[node], 0.0)
        if not (by_slew.any() or by_time.any()):
            continue
        port = node - circuit.num_pins
        net = int(circuit.port_net[port])
        (slew, added), (more_slew, more_added) = (driven_port(tape.prepared, port, at) for at in (load, load + step))
        change = by_slew * np.where(np.isnan(slew), 0.0, more_slew - slew) + by_time * (more_added - added)
        by_load[net] += change / step[net]


def _sink_delay(prepared: Prepared, wire: FloatArray, by_wire: FloatArray) -> FloatArray:
    """Gradient by wire delays of places, float64 [P + T, 2], from that by the columns of ``wire``: see ``net_delays``."""
    found = np.zeros((prepared.num_places, 2))
    if not len(wire):
        return found
    loads = np.flatnonzero(prepared.nodes.loads)
    corner = np.maximum(prepared.corner[loads], 0)
    rate = np.array([[spread(one, edge) for edge in (0, 1)] for one in prepared.library.thresholds])[corner]
    by_slew = by_wire[loads, 2:] * 2.0 * rate**2 * wire[loads, :2]
    found[prepared.nodes.place[loads]] = by_wire[loads, :2] + by_slew
    return found


__all__ = ["DIFFERENTIABLE", "Gradients", "Tape", "TimingValues", "backward", "forward_with_tape"]
