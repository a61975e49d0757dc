"""Static timing analysis: arrivals, slews and slacks, exact and levelised, as OpenSTA 2.0.17 defines them by default.

    timing = analyse(circuit, library, constraints, wires)

Delays are looked up in the library's tables with the whole load of a net; rising and falling, late and early are
kept apart; the worst slew is merged by itself, from whatever arc it comes. What is prepared once is in
:mod:`circuitgraph.analysis.sta_prepare`; the sweep is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.dmp import NetModels, net_models, written_out
from circuitgraph.analysis.sta_blocks import ranges_of, sweep_blocks
from circuitgraph.analysis.sta_boundary import Boundary, boundary_of
from circuitgraph.analysis.sta_checks import (
    Candidates,
    candidates,
    gating_checks,
    latch_margins,
    liberty_checks,
    setup_uncertainty,
    worst,
)
from circuitgraph.analysis.sta_generated import needs_insertions, tracer_of, with_insertions
from circuitgraph.analysis.sta_latches import MAX_PASSES, Through, same
from circuitgraph.analysis.sta_loads import listed_places, net_delays, net_loads
from circuitgraph.analysis.sta_planes import ideal_arrival
from circuitgraph.analysis.sta_prepare import Prepared, prepare
from circuitgraph.circuit import Circuit
from circuitgraph.constraints import Constraints
from circuitgraph.errors import CircuitError
from circuitgraph.library import Library

if TYPE_CHECKING:
    from circuitgraph.analysis.sta_paths import Tracer

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
DELAY_MODELS = ("lumped_cap", "elmore", "two_moment", "dmp")


@dataclass(frozen=True, eq=False)
class Timing:
    """Result of an analysis; P pins, T terminals.

    | field | type, shape | meaning |
    |---|---|---|
    | arrival, slew | float64 [P + T, 4] | s; late rise, late fall, early rise, early fall; NaN where there is none;
      of a bidirectional pin its load half, as in OpenSTA's dumps |
    | endpoints | Candidates | the worst pair of each endpoint and kind of check |
    | pairs | Candidates | all pairs of an arrival and a check, without credits |
    | has_credits | bool | pessimism of shared clock paths is removed from ``endpoints`` |
    | load | float64 [N, 4] | F on every net |
    | state_slew, state_arrival | float64 [V, 4], [V, K, 4] | by node and plane; infinite where there is none |
    | boundary, wire | | boundary values; net delays by node |
    | peak_rows | int | most rows of state held at once |

    Under the delay model "dmp" a gate's delay is not a matter of slew and load alone: ``prepared`` has the delays found
    as tables of its arcs, and ``state_slew`` what they are looked up with: see
    :func:`circuitgraph.analysis.dmp.written_out`.
    """

    prepared: Prepared
    delay_model: str
    arrival: FloatArray
    slew: FloatArray
    endpoints: Candidates
    load: FloatArray
    state_slew: FloatArray
    state_arrival: FloatArray
    boundary: Boundary
    wire: FloatArray
    peak_rows: int
    pairs: Candidates
    has_credits: bool = False

    def worst_slack(self, *, early: bool = False) -> FloatArray:
        """Worst slack of every place over its late or its early checks, float64 [P + T]; NaN elsewhere."""
        found = np.full(self.prepared.num_places, np.inf)
        chosen = self.endpoints.kind & 1 == int(early)
        place = self.prepared.nodes.place[self.endpoints.node[chosen]]
        np.minimum.at(found, place, self.endpoints.slack[chosen])
        return np.where(np.isinf(found), np.nan, found)

    @cached_property
    def wns(self) -> float:
        """Worst negative slack of late checks, s; 0 where none is negative."""
        return self._least(self.worst_slack())

    @cached_property
    def tns(self) -> float:
        """Total negative slack: sum over the endpoints of the worst slack of each, s."""
        slack = self.worst_slack()
        return float(np.minimum(slack[~np.isnan(slack)], 0.0).sum())

    @cached_property
    def hold_wns(self) -> float:
        """Worst negative slack of early checks, s; 0 where none is negative."""
        return self._least(self.worst_slack(early=True))

    @staticmethod
    def _least(slack: FloatArray) -> float:
        known = slack[~np.isnan(slack)]
        return float(min(known.min(), 0.0)) if len(known) else 0.0


def analyse(
    circuit: Circuit | Prepared,
    library: Library | None = None,
    constraints: Constraints | None = None,
    wires: Any = None,
    *,
    delay_model: str = "lumped_cap",
    default_wire_load: bool = True,
    port_load_hides_wire: bool = True,
    shared_reduction: bool = True,
    remove_pessimism: bool = True,
    listed: BoolArray | None = None,
    blocks: Sequence[tuple[int, int]] | None = None,
    block_size: int | None = None,
    black_box: bool = False,
    break_loops: bool = False,
) -> Timing:
    """Analyse a circuit, or one that is prepared.

    Args:
        circuit: a Circuit with library and constraints, or a Prepared (then both are left out).
        library: types with arcs and tables.
        constraints: clocks, delays at ports, exceptions.
        wires: :class:`circuitgraph.analysis.wires.Wires`; None = no wires at all.
        delay_model: "lumped_cap" (no wire delay), "elmore" (Elmore delay to every sink, slews degrade),
            "two_moment" (the D2M delay and the spread of two moments) or "dmp" (effective capacitance, the gate's waveform
            at every sink: OpenSTA's default).
        default_wire_load: nets without parasitics get the library's default wire load, as in OpenSTA.
        port_load_hides_wire: a net whose port has ``set_load`` has no wire capacitance, as in OpenSTA 2.0.17.
        shared_reduction: nets with parasitics are loaded with the early pin capacitances for late times too, as in
            OpenSTA 2.0.17, which reduces a net once (it matters where a library gives capacitance ranges).
        listed: places that the parasitics list, bool [P + T] (:func:`listed_places`): a pin that its net's
            parasitics leave
            out does not load the net, as in OpenSTA. None = all.
        remove_pessimism: credit the late minus early arrival of the clock path that launch and capture share.
        blocks: consecutive ranges of ``Prepared.order``; state is carried only over their frontier, the result is
            the same.
        block_size: most nodes in a block, instead of *blocks*.
        black_box: cells of unknown types have no arcs and are counted.
        break_loops: cut one arc of each combinational loop and count it.

    Raises:
        CircuitError: a type is unknown, there is a loop, or the delay model is unknown or needs wires that are not
            there.
    """
    if not isinstance(circuit, Prepared):
        if library is None or constraints is None:
            raise TypeError("a circuit needs a library and constraints")
        circuit = prepare(circuit, library, constraints, black_box=black_box, break_loops=break_loops)
    prepared = circuit.origin or circuit
    if delay_model not in DELAY_MODELS:
        raise CircuitError(
            "--delay-model", repr(delay_model), f"must be one of {', '.join(DELAY_MODELS)}", "choose one"
        )
    load = net_loads(
        prepared,
        wires,
        default_wire_load=default_wire_load,
        port_load_hides_wire=port_load_hides_wire,
        shared_reduction=shared_reduction,
        listed=listed,
    )
    boundary = boundary_of(prepared, load)
    models = NetModels.none()
    if delay_model == "dmp":
        models = net_models(
            prepared,
            wires,
            load,
            default_wire_load=default_wire_load,
            port_load_hides_wire=port_load_hides_wire,
        )
    wire = net_delays(prepared, wires, "lumped_cap" if delay_model == "dmp" else delay_model)
    if blocks is None and block_size is not None:
        blocks = ranges_of(prepared, block_size)
    slew, arrival, peak = sweep(prepared, load, wire, boundary, blocks, models)
    if needs_insertions(prepared):
        prepared = with_insertions(prepared, _tracer(prepared, load, wire, boundary, slew, arrival, models))
        boundary = boundary_of(prepared, load)
        slew, arrival, peak = sweep(prepared, load, wire, boundary, blocks, models)
    rows = liberty_checks(prepared, slew, boundary.clock_slew(prepared, slew)) + gating_checks(prepared)
    if len(prepared.latches):
        latches = Through(prepared, latch_margins(prepared, rows), setup_uncertainty(prepared), slew, load)
        through: dict[int, FloatArray] = {}
        for _ in range(MAX_PASSES):
            found = latches.arrivals(arrival)
            if same(found, through):
                break
            through, boundary = found, boundary_of(prepared, load, found)
            arrival = sweep(prepared, load, wire, boundary, blocks, models)[1]
    pairs = candidates(prepared, rows, arrival)
    timing = Timing(
        prepared=prepared,
        delay_model=delay_model,
        arrival=reported(prepared, arrival, boundary),
        slew=ordered(slew[prepared.nodes.load_half]),
        endpoints=worst(pairs),
        load=load,
        state_slew=slew,
        state_arrival=arrival,
        boundary=boundary,
        wire=wire,
        peak_rows=peak,
        pairs=pairs,
    )
    if delay_model == "dmp":
        written, columns, lookups = written_out(prepared, models, boundary)
        timing = replace(timing, prepared=written, state_slew=columns, boundary=lookups)
    if any(exception.ignores_latency for exception in prepared.constraints.exceptions):
        from circuitgraph.analysis.sta_paths import without_latency

        pairs = without_latency(timing, pairs)
        timing = replace(timing, endpoints=worst(pairs), pairs=pairs)
    if not remove_pessimism:
        return timing
    from circuitgraph.analysis.sta_crpr import with_credits

    return replace(timing, endpoints=worst(with_credits(timing, pairs)), has_credits=True)


def _tracer(
    prepared: Prepared,
    load: FloatArray,
    wire: FloatArray,
    boundary: Boundary,
    slew: FloatArray,
    arrival: FloatArray,
    models: NetModels,
) -> Tracer:
    """Delays of a sweep, of every delay model."""
    if len(models.pi):
        prepared, slew, boundary = written_out(prepared, models, boundary)
    return tracer_of(prepared, load, wire, boundary, slew, arrival)


def reported(prepared: Prepared, arrival: FloatArray, boundary: Boundary) -> FloatArray:
    """Arrivals of all places, float64 [P + T, 4]: at a port without the delay that its driving cell adds behind it."""
    found = merged(arrival)
    for node, added in boundary.added.items():
        found[node] -= added
    chosen: FloatArray = found[prepared.nodes.load_half]
    return chosen


def merged(arrival: FloatArray) -> FloatArray:
    """Worst arrival over the planes, float64 [V, 4], NaN where there is none."""
    found = np.empty((len(arrival), 4))
    found[:, :2] = arrival[:, :, :2].max(axis=1, initial=-np.inf)
    found[:, 2:] = arrival[:, :, 2:].min(axis=1, initial=np.inf)
    found[np.isinf(found)] = np.nan
    return found


def ordered(slew: FloatArray) -> FloatArray:
    """Slews as they are reported: the larger of late and early as late, the smaller as early.

    Tables need not increase with the input slew, so a late slew can come out below the early one; the sweep goes on
    with each as it is.
    """
    return np.concatenate([np.maximum(slew[:, :2], slew[:, 2:]), np.minimum(slew[:, :2], slew[:, 2:])], axis=1)


# -- the sweep ---------------------------------------------------------------------------------


def sweep(
    prepared: Prepared,
    load: FloatArray,
    wire: FloatArray,
    boundary: Boundary,
    blocks: Sequence[tuple[int, int]] | None = None,
    models: NetModels | None = None,
) -> tuple[FloatArray, FloatArray, int]:
    """Slews [V, 4] and arrivals [V, K, 4] of every node, and the most rows of state held at once.

    *models* are of the delay model "dmp", and take the delays that are found.
    """
    from circuitgraph.analysis.sta_kernels import _kernel_sweep

    count, planes = prepared.nodes.count, len(prepared.planes)
    arguments = kernel_arguments(prepared, load, wire, boundary)
    arguments += (models or NetModels.none()).arguments(prepared) + prepared.steps.arguments()
    if blocks is not None:
        return sweep_blocks(prepared, arguments, blocks)
    slew, arrival = np.empty((count, 4)), np.empty((count, planes, 4))
    row = np.arange(count, dtype=np.int32)
    _kernel_sweep(prepared.order, 0, count, row, *arguments, slew, arrival)
    return slew, arrival, count


def kernel_arguments(prepared: Prepared, load: FloatArray, wire: FloatArray, boundary: Boundary) -> tuple[Any, ...]:
    """Graph, tables, wires and boundary in the order that the kernels take them."""
    library, nodes = prepared.library, prepared.nodes
    bank, planes = library.tables, len(prepared.planes)
    special = np.full(nodes.count, -1, np.int32)
    special[boundary.node] = np.arange(len(boundary.node), dtype=np.int32)
    size = max(len(boundary.node), 1)
    empty = not boundary.node
    return (
        prepared.in_start,
        prepared.arcs.source,
        prepared.arcs.library_arc,
        prepared.arcs.mask,
        prepared.launches,
        np.ascontiguousarray(library.arc_table),
        bank.shape,
        bank.axis,
        bank.start,
        bank.axes,
        bank.values,
        nodes.net,
        load,
        wire,
        np.asarray(prepared.constraints.derate, np.float64),
        prepared.corner,
        crossings(library),
        special,
        np.full((size, 4), np.nan) if empty else np.array(boundary.slew, np.float64),
        np.full((size, planes, 4), np.nan) if empty else np.array(boundary.arrival, np.float64),
        np.array(boundary.blocks or [0], np.uint8),
        np.array(boundary.tag or [0], np.int32),
        np.full((size, 4), np.nan) if empty else np.array(boundary.ideal_slew, np.float64),
        prepared.planes.launches(),
        ideal_arrivals(prepared),
    )


def ideal_arrivals(prepared: Prepared) -> FloatArray:
    """Arrival of ideal clocks by plane (late, early), float64 [K, 2]; NaN where propagated; of no clock 0."""
    found = np.full((len(prepared.planes), 2), np.nan)
    for row, plane in enumerate(prepared.planes.rows):
        if plane.is_clock and not prepared.planes.clocks[plane.clock].is_propagated:
            clock = prepared.planes.clocks[plane.clock]
            found[row] = [ideal_arrival(clock, plane.edge, early) for early in (False, True)]
        if plane.clock < 0:
            found[row] = 0.0
    return found


def crossings(library: Library) -> FloatArray:
    """What a wire between two libraries' thresholds does: slew factor and delay by slew, float64 [c, c, 2]."""
    count = max(len(library.thresholds), 1)
    found = np.zeros((count, count, 2))
    found[:, :, 0] = 1.0
    for row, first in enumerate(library.thresholds):
        for column, second in enumerate(library.thresholds):
            if row != column:
                one = (first.slew_upper[0] - first.slew_lower[0]) / first.slew_derate
                two = (second.slew_upper[0] - second.slew_lower[0]) / second.slew_derate
                found[row, column, 0] = two / one
    return found


__all__ = ["DELAY_MODELS", "Prepared", "Timing", "analyse", "listed_places", "net_loads", "prepare", "sweep"]
