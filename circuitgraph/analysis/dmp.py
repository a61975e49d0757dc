"""The ``dmp`` delay model: gates see an effective capacitance, sinks the gate's waveform behind one more pole.

What the sweep needs of nets and thresholds is gathered here, and what it found is written out: every arc with its own
table of delays, so that paths and pessimism are searched on the very numbers of the sweep. The arithmetic is in
:mod:`circuitgraph.analysis.dmp_kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.pi_model import ReducedWires, star_pi
from circuitgraph.analysis.sta_boundary import Boundary
from circuitgraph.analysis.sta_prepare import Prepared, place_capacitances
from circuitgraph.analysis.wires import star_elmore
from circuitgraph.circuit import CellType
from circuitgraph.errors import CircuitError
from circuitgraph.library import Library, TableBank

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
ByteArray = npt.NDArray[np.uint8]
COLUMNS = np.arange(4.0)


@dataclass(frozen=True, eq=False)
class NetModels:
    """What the model needs of the nets of a circuit, and what it finds; V nodes, E walked arcs, N nets.

    | field | type, shape | meaning |
    |---|---|---|
    | pi | float64 [N, 4, 3] | C2, R, C1 by column, F, ohm, F; of length 0: another delay model |
    | elmore | float64 [V, 4] | Elmore delay from the driver into each node, s; 0 where a constant stands |
    | extracted | uint8 [N] | the net has parasitics of its own |
    | levels | float64 [c, 2, 4] | by library and edge: delay threshold, lower and upper slew threshold, slew derate |
    | out_start, out_arc | int64 [V + 1], int32 | net arcs from each node |
    | arc_delay | float64 [E, 8] | found: derated delay, s, by 4 x edge of the target + 2 x early + edge of the source |
    | arc_slew | float64 [E, 4] | found: slew behind each net arc, s |
    """

    pi: FloatArray
    elmore: FloatArray
    extracted: ByteArray
    levels: FloatArray
    out_start: LongArray
    out_arc: IntArray
    arc_delay: FloatArray
    arc_slew: FloatArray

    @classmethod
    def none(cls) -> NetModels:
        """Of a delay model that needs none of it."""
        flat = np.zeros((0, 4))
        starts, arcs = np.zeros(0, np.int64), np.zeros(0, np.int32)
        return cls(
            np.zeros((0, 4, 3)),
            flat,
            np.zeros(0, np.uint8),
            np.zeros((0, 2, 4)),
            starts,
            arcs,
            np.zeros((0, 8)),
            np.zeros((0, 4)),
        )

    def arguments(self, prepared: Prepared) -> tuple[Any, ...]:
        """The fields in the order that the sweep takes them."""
        target = np.ascontiguousarray(prepared.arcs.target) if len(self.pi) else np.zeros(0, np.int32)
        return (
            self.pi,
            self.elmore,
            self.extracted,
            self.levels,
            self.out_start,
            self.out_arc,
            target,
            self.arc_delay,
            self.arc_slew,
        )


def net_models(
    prepared: Prepared,
    wires: Any,
    load: FloatArray,
    *,
    default_wire_load: bool = True,
    port_load_hides_wire: bool = True,
) -> NetModels:
    """Pi models and Elmore delays of all nets.

    Args:
        prepared: the circuit.
        wires: :class:`circuitgraph.analysis.pi_model.ReducedWires`, or wires without trees (by fan-out, of a wire load,
            or none), which are stars of equal branches.
        load: float64 [N, 4], F on every net: what a net without resistance is to its driver.
        default_wire_load, port_load_hides_wire: as in ``analyse``.

    Raises:
        CircuitError: there are no wires, or they are extracted and not reduced to pi models.
    """
    if wires is None or (wires.elmore is None and wires.source != "zero"):
        raise CircuitError("--delay-model", "'dmp'", "needs wires with resistance", "give --spef, or use lumped_cap")
    if wires.source == "spef" and not isinstance(wires, ReducedWires):
        raise CircuitError(
            "--delay-model", "'dmp'", "needs wires reduced to pi models", "read the SPEF by pi_model.reduced_wires"
        )
    circuit, arcs, nodes = prepared.circuit, prepared.arcs, prepared.nodes
    annotated = np.asarray(wires.annotated, np.bool_)
    pi, sink = _stars(prepared, wires, load, default_wire_load=default_wire_load)
    if isinstance(wires, ReducedWires) and wires.pi is not None and wires.sink is not None:
        known = annotated & ~np.isnan(wires.pi[:, 0, 0])
        pi[known] = wires.pi[known]
        own = _places_on(prepared, annotated)
        sink[own] = wires.sink[own]
    _port_loads(prepared, pi, sink, load, port_load_hides_wire)
    out = np.flatnonzero(arcs.library_arc < 0).astype(np.int32)
    out = out[np.argsort(arcs.source[out], kind="stable")]
    out_start = np.zeros(nodes.count + 1, np.int64)
    np.cumsum(np.bincount(arcs.source[out], minlength=nodes.count), out=out_start[1:])
    elmore = np.zeros((nodes.count, 4))
    loads = np.flatnonzero(nodes.loads & (prepared.value[nodes.place] >= 2))
    elmore[loads] = sink[nodes.place[loads]]
    return NetModels(
        pi=np.ascontiguousarray(pi),
        elmore=elmore,
        extracted=annotated[: circuit.num_nets].astype(np.uint8),
        levels=levels_of(prepared.library),
        out_start=out_start,
        out_arc=out,
        arc_delay=np.zeros((len(arcs), 8)),
        arc_slew=np.zeros((len(arcs), 4)),
    )


def _places_on(prepared: Prepared, nets: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pins and terminals on the given nets, bool [P + T]."""
    net = np.concatenate([prepared.circuit.pin_net, prepared.circuit.port_net])
    return np.asarray((net >= 0) & nets[net], np.bool_)


def _stars(
    prepared: Prepared, wires: Any, load: FloatArray, *, default_wire_load: bool
) -> tuple[FloatArray, FloatArray]:
    """Pi models [N, 4, 3] and sink delays [P + T, 4] of nets without trees: stars, or capacitors without resistance.

    Nets without parasitics are balanced trees of the library's default wire load where it has one.
    """
    circuit, library = prepared.circuit, prepared.library
    resistance = np.array(wires.resistance, np.float64)
    sink = np.zeros((prepared.num_places, 4))
    if wires.elmore is not None:
        sink[:] = np.asarray(wires.elmore, np.float64)[:, [0, 1, 0, 1]]
    model = library.default_wire_load
    if default_wire_load and model is not None:
        bare = ~np.asarray(wires.annotated, np.bool_)
        length = model.length(prepared.fan_out)
        resistance = np.where(bare, length * model.resistance, resistance)
        pins = place_capacitances(circuit, library, prepared.rows)
        trees = [
            star_elmore(circuit, length * model.capacitance, length * model.resistance, two, 1.0)
            for two in (pins[:, :2], pins[:, 2:])
        ]
        own = _places_on(prepared, bare)
        sink[own] = np.concatenate(trees, axis=1)[own]
    return star_pi(circuit, load, resistance, sink), sink


def _port_loads(
    prepared: Prepared, pi: FloatArray, sink: FloatArray, load: FloatArray, port_load_hides_wire: bool
) -> None:
    """Loads that constraints set, into *pi* and *sink*: a load that hides the wire leaves a capacitor."""
    constraints, circuit = prepared.constraints, prepared.circuit
    hidden = np.zeros(circuit.num_nets, np.bool_)
    hidden[list(constraints.net_load)] = True
    if len(constraints.load):
        for port in np.flatnonzero((constraints.load > 0).any(axis=1)).tolist():
            net = int(circuit.port_net[port])
            if net >= 0 and port_load_hides_wire:
                hidden[net] = True
            elif net >= 0:
                pi[net, :, 0] += constraints.load[port]
    pi[hidden] = 0.0
    pi[hidden, :, 0] = load[hidden]
    sink[_places_on(prepared, hidden)] = 0.0


def levels_of(library: Library) -> FloatArray:
    """Thresholds by library and edge, float64 [c, 2, 4]: delay, lower and upper slew threshold, slew derate.

    A falling edge is looked at upside down, so that every waveform rises from 0 to 1.
    """
    found = np.zeros((max(len(library.thresholds), 1), 2, 4))
    for row, one in enumerate(library.thresholds):
        found[row, 0] = one.output[0], one.slew_lower[0], one.slew_upper[0], one.slew_derate
        found[row, 1] = 1 - one.output[1], 1 - one.slew_upper[1], 1 - one.slew_lower[1], one.slew_derate
    return found


def written_out(prepared: Prepared, models: NetModels, boundary: Boundary) -> tuple[Prepared, FloatArray, Boundary]:
    """The circuit with the delays found as tables of its arcs: what searches for paths look up.

    Every walked arc, net arcs too, has two tables of its own behind those of the library, for a rising and a falling
    target. Their axis is a column (0 late rise, 1 late fall, 2 early rise, 3 early fall) instead of a slew, and derates
    are in them.

    Returns:
        the circuit, whose ``origin`` is the one given; the "slew" of every node to look up with, float64 [V, 4]; the
        boundary with such slews of ideal clocks.
    """
    arcs, known = prepared.arcs, np.where(np.isfinite(models.arc_delay), models.arc_delay, 0.0)
    own = (prepared.library.num_arcs + np.arange(len(arcs))).astype(np.int32)
    written = replace(
        prepared,
        library=_with_tables(prepared.library, known),
        arcs=replace(arcs, library_arc=own),
        constraints=replace(prepared.constraints, derate=np.ones(4)),
        origin=prepared,
    )
    ideal = [np.where(np.isnan(slew), np.nan, COLUMNS).tolist() for slew in boundary.ideal_slew]
    return written, np.tile(COLUMNS, (prepared.nodes.count, 1)), replace(boundary, ideal_slew=ideal)


def _with_tables(library: Library, delays: FloatArray) -> Library:
    """The library and behind it one type without ports whose arcs have the given delays, float64 [E, 8]."""
    bank, count = library.tables, len(delays)
    tables = 2 * count
    start = len(bank.values) + 4 * np.arange(tables)
    rows = np.full((count, 4), -1, np.int32)
    rows[:, 0] = len(bank) + 2 * np.arange(count)
    rows[:, 1] = rows[:, 0] + 1
    none = np.zeros(count, np.int32)
    return replace(
        library,
        types=(*library.types, CellType("(arcs)", "opaque", (), (), is_opaque=True)),
        area=np.append(library.area, np.nan),
        corner=np.append(library.corner, np.int32(0)),
        port_start=np.append(library.port_start, library.port_start[-1]),
        arc_start=np.append(library.arc_start, library.arc_start[-1] + count),
        arc_from=np.concatenate([library.arc_from, none]),
        arc_to=np.concatenate([library.arc_to, none]),
        arc_timing=np.concatenate([library.arc_timing, none.astype(np.int8)]),
        arc_sense=np.concatenate([library.arc_sense, none.astype(np.int8)]),
        arc_when=np.concatenate([library.arc_when, none - np.int32(1)]),
        arc_table=np.concatenate([library.arc_table, rows]),
        tables=TableBank(
            np.concatenate([bank.shape, np.tile(np.array([4, 1], np.int32), (tables, 1))]),
            np.concatenate([bank.axis, np.full((tables, 2), len(bank.axes), np.int64)]),
            np.concatenate([bank.start, start.astype(np.int64)]),
            np.concatenate([bank.axes, COLUMNS]),
            np.concatenate([bank.values, delays.ravel()]),
        ),
    )


__all__ = ["NetModels", "levels_of", "net_models", "written_out"]
