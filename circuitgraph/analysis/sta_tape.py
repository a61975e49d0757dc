"""The forward half of the differentiable analysis: values, and what derivatives need of them.

What the two halves are, and what is a constant to them, is said in :mod:`circuitgraph.analysis.sta_gradient`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.dmp import NetModels, written_out
from circuitgraph.analysis.sta import Timing, analyse, kernel_arguments, merged, ordered, reported
from circuitgraph.analysis.sta_blocks import ranges_of
from circuitgraph.analysis.sta_boundary import Boundary, boundary_of
from circuitgraph.analysis.sta_checks import (
    candidates,
    gating_checks,
    latch_margins,
    liberty_checks,
    setup_uncertainty,
    worst,
)
from circuitgraph.analysis.sta_ends import Ends, Ways, ends_of, shared_points, ways_of
from circuitgraph.analysis.sta_generated import needs_insertions, tracer_of, with_insertions
from circuitgraph.analysis.sta_latches import MAX_PASSES, Through, same
from circuitgraph.analysis.sta_linearised import Corrections
from circuitgraph.analysis.sta_live import Live, live_of
from circuitgraph.analysis.sta_loads import net_delays, net_loads
from circuitgraph.analysis.sta_paths import without_latency
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.errors import CircuitError

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
DIFFERENTIABLE = ("lumped_cap", "elmore")


@dataclass(frozen=True, eq=False)
class TimingValues:
    """What is differentiated; P pins, T terminals, V nodes; seconds.

    | field | type, shape | meaning |
    |---|---|---|
    | setup_slack, hold_slack | float64 [P + T] | ``Timing.worst_slack``, late and early; NaN where there is no check |
    | arrival | float64 [P + T, 4] | ``Timing.arrival``; NaN where there is none |
    | slew | float64 [V, 4] | ``Timing.state_slew``: of every node, late and early as the sweep found them |
    """

    setup_slack: FloatArray
    hold_slack: FloatArray
    arrival: FloatArray
    slew: FloatArray


@dataclass(frozen=True, eq=False)
class Tape:
    """What the backward sweep needs of a forward one.

    | field | type, shape | meaning |
    |---|---|---|
    | values | TimingValues | what the forward sweep found |
    | groups | tuple | arguments of the kernels |
    | smoothing | float | s over which merges are smooth, 0 = the worst alone |
    | follows | bool [N] | nets whose load has their wire capacitance in it |
    | ends | Ends | which arrivals and margins make the slacks |
    | plane | int16 [P + T, 4] | plane that the reported arrival is of, -1 none |
    | live | Live | blocks, and how long each node's state is held |
    | kept | int32 [F] | nodes whose state is kept: all, or those that a later block reads |
    | kept_slew, kept_arrival | float64 [F, 4], [F, K, 4] | their state |
    | ways | Ways | paths of slacks that have a credit, or are not the latest into their pin |
    | shared | int64 [ways, 3] | node, plane and edge whose late less early arrival is the credit, -1 none |
    | driven | int32 [D] | nodes of ports with driving cells |
    """

    prepared: Prepared
    values: TimingValues
    groups: tuple[Any, ...]
    smoothing: float
    follows: BoolArray
    ends: Ends
    plane: npt.NDArray[np.int16]
    live: Live
    kept: IntArray
    kept_slew: FloatArray
    kept_arrival: FloatArray
    ways: Ways
    shared: npt.NDArray[np.int64]
    driven: IntArray

    @property
    def peak_rows(self) -> int:
        """Most rows of state, and as many of gradients, that are held at once."""
        return self.live.peak

    @property
    def kept_bytes(self) -> int:
        """Bytes of state that are kept between the two sweeps."""
        return self.kept_slew.nbytes + self.kept_arrival.nbytes


def forward_with_tape(
    prepared: Prepared,
    wires: Any = None,
    arc_scale: FloatArray | None = None,
    *,
    delay_model: str = "elmore",
    smoothing: float | None = None,
    corrections: Corrections | None = None,
    blocks: Sequence[tuple[int, int]] | None = None,
    block_size: int | None = None,
    default_wire_load: bool = True,
    port_load_hides_wire: bool = True,
    shared_reduction: bool = True,
    remove_pessimism: bool = True,
    listed: BoolArray | None = None,
) -> Tape:
    """Analyse, and keep what the derivatives need.

    Args:
        prepared: the circuit.
        wires: :class:`circuitgraph.analysis.wires.Wires`, or None.
        arc_scale: factor of each walked arc's delay, float64 [E]; net arcs' are not looked at. None = 1.
        delay_model: "elmore" or "lumped_cap".
        smoothing: s; merges of arrivals and slews are then sum(softmax(x / smoothing) x) instead of the largest x (of
            -x where the smallest is meant): every candidate has a gradient, and the values differ from the exact
            ones. Credits for clock reconvergence are left out, and the worst check of a pin is still the worst alone.
        corrections: of :func:`circuitgraph.analysis.sta_linearised.corrections_of`: values of ``dmp``, cheap derivatives.
        blocks, block_size: consecutive ranges of ``Prepared.order``, or the most nodes in one: only the state of nodes
            that a later block reads is kept, and the backward sweep finds the rest of each block again. Same bits.
        default_wire_load, port_load_hides_wire, shared_reduction, remove_pessimism, listed: as in ``analyse``.

    Raises:
        CircuitError: the delay model is not one of the two, or lacks its wires; the smoothing is not above 0; the
            factors are of another number.
    """
    scale, fixed, gamma = _checked(prepared, arc_scale, delay_model, smoothing, corrections)
    origin = prepared.origin or prepared
    if blocks is None and block_size is not None:
        blocks = ranges_of(origin, block_size)
    live = live_of(origin, blocks)
    if len(scale) or len(fixed) or gamma:
        load = net_loads(
            origin,
            wires,
            default_wire_load=default_wire_load,
            port_load_hides_wire=port_load_hides_wire,
            shared_reduction=shared_reduction,
            listed=listed,
        )
        wire = _wire(origin, wires, delay_model, corrections)
        swept = _changed(origin, (load, wire), (scale, fixed), gamma, live, corrections, credits=remove_pessimism)
    else:
        timing = analyse(
            origin,
            wires=wires,
            delay_model=delay_model,
            default_wire_load=default_wire_load,
            port_load_hides_wire=port_load_hides_wire,
            shared_reduction=shared_reduction,
            remove_pessimism=remove_pessimism,
            listed=listed,
            blocks=blocks,
        )
        groups = _groups(timing.prepared, timing.load, timing.wire, timing.boundary, scale, fixed)
        swept = _Swept(groups, timing, timing)
    return _tape(swept, gamma, live, _follows(origin, wires, default_wire_load, port_load_hides_wire))


@dataclass(frozen=True, eq=False)
class _Swept:
    """Arguments of the kernels; the analysis; the one whose arcs have the delays of it as tables."""

    groups: tuple[Any, ...]
    timing: Timing
    traced: Timing


def _tape(swept: _Swept, gamma: float, live: Live, follows: BoolArray) -> Tape:
    """The tape of a finished forward sweep."""
    timing, groups = swept.timing, swept.groups
    prepared, slew, arrival = timing.prepared, timing.state_slew, timing.state_arrival
    ends = ends_of(prepared, timing.endpoints, slew, timing.boundary)
    ways = ways_of(prepared, ends, groups, slew, arrival)
    whole = len(live.ranges) <= 1
    kept = np.flatnonzero(live.last > live.own).astype(np.int32)
    return Tape(
        prepared=prepared,
        values=TimingValues(timing.worst_slack(), timing.worst_slack(early=True), timing.arrival, slew),
        groups=groups,
        smoothing=gamma,
        follows=follows,
        ends=ends,
        plane=_planes(prepared, arrival),
        live=live,
        kept=np.arange(prepared.nodes.count, dtype=np.int32) if whole else kept,
        kept_slew=slew if whole else slew[kept],
        kept_arrival=arrival if whole else arrival[kept],
        ways=ways,
        shared=shared_points(swept.traced, ends, ways),
        driven=np.array(sorted(timing.boundary.added), np.int32),
    )


def _changed(
    prepared: Prepared,
    nets: tuple[FloatArray, FloatArray],
    change: tuple[FloatArray, FloatArray],
    gamma: float,
    live: Live,
    corrections: Corrections | None,
    *,
    credits: bool,
) -> _Swept:
    """A forward sweep with factors, corrections or smooth merges.

    Args:
        prepared: the circuit.
        nets: loads, and delays into nodes.
        change: factors and corrections, each of length 0 where there are none.
        gamma, live: smoothing; blocks.
        corrections: have slews to hold.
        credits: whether clock reconvergence is credited; not where merges are smooth.
    """

    def swept(
        prepared: Prepared, through: dict[int, FloatArray] | None = None
    ) -> tuple[Boundary, tuple[Any, ...], tuple[FloatArray, FloatArray]]:
        boundary = boundary_of(prepared, nets[0], through)
        if corrections is not None:
            _hold(prepared, boundary, corrections)
        groups = _groups(prepared, *nets, boundary, *change)
        return boundary, groups, _forward(prepared, groups, gamma, live)

    boundary, groups, (slew, arrival) = swept(prepared)
    if needs_insertions(prepared):
        written, columns, lookups = _written(prepared, groups, slew, boundary)
        tracer = tracer_of(written, nets[0], np.zeros((0, 4)), lookups, columns, arrival)
        prepared = with_insertions(prepared, tracer)
        boundary, groups, (slew, arrival) = swept(prepared)
    if len(prepared.latches):
        rows = liberty_checks(prepared, slew, boundary.clock_slew(prepared, slew))
        latches = Through(prepared, latch_margins(prepared, rows), setup_uncertainty(prepared), slew, nets[0])
        through: dict[int, FloatArray] = {}
        for _ in range(MAX_PASSES):
            found = latches.arrivals(arrival)
            if same(found, through):
                break
            through = found
            boundary, groups, (slew, arrival) = swept(prepared, through)
    timing, traced = _timing(prepared, groups, (slew, arrival), boundary, credits=credits and not gamma)
    return _Swept(groups, timing, traced)


def _checked(
    prepared: Prepared,
    arc_scale: FloatArray | None,
    delay_model: str,
    smoothing: float | None,
    corrections: Corrections | None,
) -> tuple[FloatArray, FloatArray, float]:
    """Factors, corrections, each of length 0 where there are none, and the smoothing, 0 where there is none."""
    if delay_model not in DIFFERENTIABLE:
        rule = f"has no derivatives, only {' and '.join(DIFFERENTIABLE)} have"
        raise CircuitError("--delay-model", repr(delay_model), rule, "take dmp as corrections of elmore")
    if smoothing is not None and not 0.0 < smoothing < np.inf:
        raise CircuitError("smoothing", repr(smoothing), "must be a time above 0 s", "give 5e-12, or None")
    count = len(prepared.arcs)
    scale, fixed = np.zeros(0), np.zeros((0, 8, 6))
    if arc_scale is not None:
        scale = np.ascontiguousarray(arc_scale, np.float64)
        if scale.shape != (count,):
            rule = f"must have one for each of {count} walked arcs, not shape {scale.shape}"
            raise CircuitError("arc_scale", "factors", rule, "see Prepared.arcs")
    if corrections is not None:
        fixed = corrections.points
        if fixed.shape != (count, 8, 6) or delay_model != "elmore":
            rule = f"need the delay model 'elmore' and the shape ({count}, 8, 6), not {fixed.shape}"
            raise CircuitError("corrections", "points", rule, "find them for this circuit")
    return scale, fixed, smoothing or 0.0


def _wire(prepared: Prepared, wires: Any, delay_model: str, corrections: Corrections | None) -> FloatArray:
    """Net delays by node; with corrections zeros where wires have none."""
    if corrections is not None and wires is not None and wires.elmore is None:
        return np.zeros((prepared.nodes.count, 4))
    return net_delays(prepared, wires, delay_model)


def _hold(prepared: Prepared, boundary: Boundary, corrections: Corrections) -> None:
    """Slews behind drivers without arcs as boundary values."""
    for node, slew in zip(corrections.node.tolist(), corrections.slew.tolist(), strict=True):
        row = boundary.at(node, len(prepared.planes))
        if np.isnan(boundary.slew[row]).all():
            boundary.slew[row] = slew


def _groups(
    prepared: Prepared, load: FloatArray, wire: FloatArray, boundary: Boundary, scale: FloatArray, fixed: FloatArray
) -> tuple[Any, ...]:
    """Arguments of the kernels: graph, tables, wires, starts, change."""
    every = kernel_arguments(prepared, load, wire, boundary)
    net, load, wire, derate, corner, crossing = every[11:17]
    graph = (*every[:5], net, corner)
    return graph, every[5:11], (load, wire, derate, crossing), every[17:], (scale, fixed, *prepared.steps.arguments())


def _forward(prepared: Prepared, groups: tuple[Any, ...], gamma: float, live: Live) -> tuple[FloatArray, FloatArray]:
    """Slews [V, 4] and arrivals [V, K, 4] by the forward kernel, with the rows of state that the blocks need."""
    from circuitgraph.analysis.sta_forward_kernels import _kernel_forward

    count, planes = prepared.nodes.count, len(prepared.planes)
    slew, arrival = np.empty((count, 4)), np.empty((count, planes, 4))
    if len(live.ranges) <= 1:
        _kernel_forward(prepared.order, 0, count, np.arange(count, dtype=np.int32), *groups, gamma, slew, arrival)
        return slew, arrival
    held_slew, held_arrival = np.empty((live.peak, 4)), np.empty((live.peak, planes, 4))
    for start, stop, row in live.forward(prepared.order):
        nodes = prepared.order[start:stop]
        _kernel_forward(prepared.order, start, stop, row, *groups, gamma, held_slew, held_arrival)
        slew[nodes], arrival[nodes] = held_slew[row[nodes]], held_arrival[row[nodes]]
    return slew, arrival


def _timing(
    prepared: Prepared,
    groups: tuple[Any, ...],
    state: tuple[FloatArray, FloatArray],
    boundary: Boundary,
    *,
    credits: bool,
) -> tuple[Timing, Timing]:
    """The analysis of a state, and the one whose arcs have the delays of here as tables: credits are searched on it."""
    slew, arrival = state
    rows = liberty_checks(prepared, slew, boundary.clock_slew(prepared, slew)) + gating_checks(prepared)
    found = candidates(prepared, rows, arrival)
    timing = Timing(
        prepared=prepared,
        delay_model="elmore" if len(groups[2][1]) else "lumped_cap",
        arrival=reported(prepared, arrival, boundary),
        slew=ordered(slew[prepared.nodes.load_half]),
        endpoints=worst(found),
        load=groups[2][0],
        state_slew=slew,
        state_arrival=arrival,
        boundary=boundary,
        wire=groups[2][1],
        peak_rows=len(slew),
        pairs=found,
    )
    ignores = any(exception.ignores_latency for exception in prepared.constraints.exceptions)
    credits = credits and any(clock.is_propagated for clock in prepared.planes.clocks)
    if not credits and not ignores:
        return timing, timing
    written, columns, lookups = _written(prepared, groups, slew, boundary)
    own = replace(timing, prepared=written, state_slew=columns, boundary=lookups, wire=np.zeros((0, 4)))
    if ignores:
        found = without_latency(own, found)
        timing, own = (replace(one, endpoints=worst(found), pairs=found) for one in (timing, own))
    if not credits:
        return timing, own
    from circuitgraph.analysis.sta_crpr import with_credits

    return replace(timing, endpoints=worst(with_credits(own, found)), has_credits=True), own


def _written(
    prepared: Prepared, groups: tuple[Any, ...], slew: FloatArray, boundary: Boundary
) -> tuple[Prepared, FloatArray, Boundary]:
    """The circuit with the delays of the arcs as tables: see :func:`circuitgraph.analysis.dmp.written_out`."""
    from circuitgraph.analysis.sta_forward_kernels import _kernel_delays

    delays = np.zeros((len(prepared.arcs), 8))
    _kernel_delays(np.ascontiguousarray(prepared.arcs.target), *groups, slew, delays)
    return written_out(prepared, replace(NetModels.none(), arc_delay=delays), boundary)


def _follows(prepared: Prepared, wires: Any, default_wire_load: bool, port_load_hides_wire: bool) -> BoolArray:
    """Nets whose load has the wire capacitance given in it, bool [N]: see :func:`net_loads`."""
    circuit, constraints = prepared.circuit, prepared.constraints
    found = np.full(circuit.num_nets, wires is not None)
    if wires is not None and default_wire_load and prepared.library.default_wire_load is not None:
        found &= np.asarray(wires.annotated, np.bool_)
    found[list(constraints.net_load)] = False
    if port_load_hides_wire and len(constraints.load):
        hidden = circuit.port_net[(constraints.load > 0).any(axis=1)]
        found[hidden[hidden >= 0]] = False
    return found


def _planes(prepared: Prepared, arrival: FloatArray) -> npt.NDArray[np.int16]:
    """Plane of the worst arrival of every place, int16 [P + T, 4]: the first of those that tie, -1 where none is."""
    found = np.full((prepared.num_places, 4), -1, np.int16)
    if not arrival.shape[1]:
        return found
    half = prepared.nodes.load_half
    found[:, :2] = arrival[:, :, :2].argmax(axis=1)[half]
    found[:, 2:] = arrival[:, :, 2:].argmin(axis=1)[half]
    found[np.isnan(merged(arrival)[half])] = -1
    return found


__all__ = ["DIFFERENTIABLE", "Tape", "TimingValues", "forward_with_tape"]
