"""The delay model ``dmp`` as points that an ``elmore`` analysis goes through: its values, with cheap derivatives.

    tape = forward_with_tape(prepared, wires, corrections=corrections_of(prepared, wires))

At the wires that the corrections were found for the values are those of ``dmp``, bit for bit; away from them delays
and slews move as tables and Elmore delays say, through those points:

- a gate's delay along its table, read at the effective capacitance, which stays the share of the net's load that it is;
- its slew along its table, read at the share that has the slope of ``dmp`` by a load whose parts all grow alike;
- a sink's delay in proportion with its Elmore delay, with the slope of the response to the waveform at the driver;
- a sink's slew as sqrt(x^2 + q T^2) of the driver's slew x and the Elmore delay T, q such that the slope by T is that of
  the response.

What is left out: that the effective capacitance depends on the slew at the gate and on the wire's resistance, and that
a sink's delay depends on the driver's slew. :func:`corrections_of` costs about three analyses under ``dmp``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.dmp import net_models
from circuitgraph.analysis.sta import sweep
from circuitgraph.analysis.sta_boundary import boundary_of
from circuitgraph.analysis.sta_loads import net_delays, net_loads
from circuitgraph.analysis.sta_prepare import Prepared

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Corrections:
    """Points of a ``dmp`` analysis; E walked arcs.

    | field | type, shape | meaning |
    |---|---|---|
    | points | float64 [E, 8, 6] | as :mod:`circuitgraph.analysis.sta_forward_kernels` takes them (*fixed*) |
    | node, slew | int32 [S], float64 [S, 4] | drivers without arcs behind which dmp has a slew, s |
    """

    points: FloatArray
    node: IntArray
    slew: FloatArray


def corrections_of(
    prepared: Prepared,
    wires: Any,
    *,
    total_load: bool = False,
    default_wire_load: bool = True,
    port_load_hides_wire: bool = True,
    shared_reduction: bool = True,
    listed: BoolArray | None = None,
) -> Corrections:
    """The corrections of an analysis under ``dmp``.

    Args:
        prepared: the circuit.
        wires: :class:`circuitgraph.analysis.pi_model.ReducedWires`, or wires without trees.
        total_load: read a gate's tables at the whole load, and take sinks as the delay model "elmore" does: the plainer
            approximation, for comparison. The values are the same.
        default_wire_load, port_load_hides_wire, shared_reduction, listed: as in ``analyse``.

    Raises:
        CircuitError: the wires have no pi models.
    """
    from circuitgraph.analysis.sta_linearised_kernels import _kernel_points, _kernel_sink_points

    prepared = prepared.origin or prepared
    load = net_loads(
        prepared,
        wires,
        default_wire_load=default_wire_load,
        port_load_hides_wire=port_load_hides_wire,
        shared_reduction=shared_reduction,
        listed=listed,
    )
    boundary = boundary_of(prepared, load)
    models = net_models(
        prepared, wires, load, default_wire_load=default_wire_load, port_load_hides_wire=port_load_hides_wire
    )
    slew, _, _ = sweep(prepared, load, np.zeros((0, 4)), boundary, None, models)
    ideal = np.full((prepared.nodes.count, 4), np.nan)
    if boundary.node:
        ideal[np.array(boundary.node)] = np.array(boundary.ideal_slew)
    bank, arcs = prepared.library.tables, prepared.arcs
    wire = net_delays(prepared, wires, "elmore" if wires.elmore is not None else "lumped_cap")
    if not len(wire):
        wire = np.zeros((prepared.nodes.count, 4))
    points = np.zeros((len(arcs), 8, 6))
    tables = np.ascontiguousarray(prepared.library.arc_table), bank.shape, bank.axis, bank.start, bank.axes, bank.values
    walked = arcs.source, np.ascontiguousarray(arcs.target), arcs.library_arc, arcs.mask, prepared.launches
    _kernel_points(
        tables,
        walked,
        prepared.nodes.net,
        load,
        wire,
        np.asarray(prepared.constraints.derate, np.float64),
        prepared.corner,
        models.levels,
        models.pi,
        models.arc_delay,
        models.arc_slew,
        slew,
        ideal,
        total_load,
        points,
    )
    if not total_load:
        _kernel_sink_points(
            tables,
            walked,
            prepared.in_start,
            models.out_start,
            models.out_arc,
            prepared.nodes.net,
            wire,
            prepared.corner,
            models.levels,
            models.pi,
            slew,
            ideal,
            points,
        )
    bare = np.flatnonzero((np.diff(prepared.in_start) == 0) & (slew != 0.0).any(axis=1)).astype(np.int32)
    return Corrections(points, bare, slew[bare])


__all__ = ["Corrections", "corrections_of"]
