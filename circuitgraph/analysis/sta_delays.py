"""Delays of all arcs of a finished analysis, as they are looked up: what SDF files hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing, kernel_arguments
from circuitgraph.analysis.sta_checks import CheckRows, liberty_checks
from circuitgraph.analysis.sta_graph import Arcs

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def arc_delays(timing: Timing) -> FloatArray:
    """Delay of every walked arc without derates, s, float64 [E, 2, 2, 2]: by edge of the target, early, edge of the source.

    NaN where an arc does not lead from that edge to that edge. Behind a port with a driving cell the delay that the net's
    load adds is part of the net arcs.
    """
    prepared = timing.prepared
    found = _delays(timing, prepared.arcs, prepared.launches, timing.state_slew)
    if prepared.origin is not None:
        derate = prepared.origin.constraints.derate
        is_net = (prepared.origin.arcs.library_arc < 0).astype(np.int64)
        factor = np.stack([derate[is_net], derate[2 + is_net]], axis=1)
        found = found / factor[:, None, :, None]
    derate = (prepared.origin or prepared).constraints.derate
    for node, added in timing.boundary.added.items():
        own = np.flatnonzero(prepared.arcs.source == node)
        late, early = added[:2] / derate[1], added[2:] / derate[3]
        found[own, :, 0] += late[None, :, None]
        found[own, :, 1] += early[None, :, None]
    return found


def latch_delays(timing: Timing) -> FloatArray:
    """Delay of the ways of data through latches without derates, s, float64 [L, 2, 2, 2], as of arcs."""
    prepared = timing.prepared.origin or timing.prepared
    latches = prepared.latches
    arcs = Arcs(latches.data, latches.output, latches.library_arc, latches.edges)
    slew = timing.slew[timing.prepared.nodes.place] if timing.prepared.origin is not None else timing.state_slew
    return _delays(timing, arcs, np.zeros(len(latches), np.bool_), slew)


def check_margins(timing: Timing) -> CheckRows:
    """The library's checks with their margins, s."""
    prepared, boundary = timing.prepared, timing.boundary
    if prepared.origin is None:
        return liberty_checks(prepared, timing.state_slew, boundary.clock_slew(prepared, timing.state_slew))
    from circuitgraph.analysis.sta_boundary import boundary_of

    slew = np.ascontiguousarray(timing.slew[prepared.nodes.place])
    own = boundary_of(prepared.origin, timing.load)
    return liberty_checks(prepared.origin, slew, own.clock_slew(prepared.origin, slew))


def _delays(timing: Timing, arcs: Arcs, launches: BoolArray, slew: FloatArray) -> FloatArray:
    from circuitgraph.analysis.sta_delay_kernels import _kernel_delays

    every = kernel_arguments(timing.prepared, timing.load, timing.wire, timing.boundary)
    tables, special_of, ideal_slew = every[5:11], every[17], every[22]
    node_net, load, wire, corner, crossing = every[11], every[12], every[13], every[15], every[16]
    found = np.empty((len(arcs), 8))
    _kernel_delays(
        arcs.source,
        arcs.target,
        arcs.library_arc,
        arcs.mask,
        launches,
        *tables,
        node_net,
        load,
        wire,
        corner,
        crossing,
        special_of,
        ideal_slew,
        np.ascontiguousarray(slew),
        found,
    )
    return found.reshape(len(arcs), 2, 2, 2)
