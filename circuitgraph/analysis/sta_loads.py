"""Loads and wire delays of a timing analysis: what nets weigh, and what wires do to delays and slews."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_prepare import Prepared, net_sums, place_capacitances
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.library import Thresholds

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def net_loads(
    prepared: Prepared,
    wires: Any,
    *,
    default_wire_load: bool = True,
    port_load_hides_wire: bool = True,
    shared_reduction: bool = True,
    listed: BoolArray | None = None,
) -> FloatArray:
    """F on every net, float64 [N, 4]: wire, pins, and what constraints add at ports; options as in ``analyse``."""
    circuit, constraints = prepared.circuit, prepared.constraints
    wire = np.zeros(circuit.num_nets)
    annotated = np.zeros(circuit.num_nets, np.bool_)
    if wires is not None:
        wire = np.array(wires.capacitance, np.float64)
        annotated = np.asarray(wires.annotated, np.bool_)
    model = prepared.library.default_wire_load
    if default_wire_load and model is not None:
        wire = np.where(annotated, wire, model.length(prepared.fan_out) * model.capacitance)
    for net, value in constraints.net_load.items():
        wire[net] = value
    pins = prepared.pin_load.copy()
    if listed is not None:
        absent = place_capacitances(circuit, prepared.library, prepared.rows)
        nets = np.concatenate([circuit.pin_net, circuit.port_net])
        absent[listed | ~annotated[nets] | (nets < 0)] = 0.0
        pins -= net_sums(circuit, absent)
    if shared_reduction:
        pins[annotated, :2] = pins[annotated, 2:]
    load = pins + wire[:, None]
    outside = constraints.load
    if len(outside):
        for port in np.flatnonzero((outside > 0).any(axis=1)).tolist():
            net = int(circuit.port_net[port])
            if net >= 0:
                if port_load_hides_wire:
                    load[net] = prepared.pin_load[net]
                load[net] += outside[port]
    return load


def listed_places(resolved: Any, circuit: Circuit) -> BoolArray:
    """Pins and terminals that parasitics list, bool [P + T].

    Args:
        circuit: P pins, T terminals.
        resolved: :class:`circuitgraph.parasitics.ResolvedParasitics`.
    """
    found = np.zeros(circuit.num_pins + circuit.num_ports, np.bool_)
    found[resolved.node_pin[resolved.node_pin >= 0]] = True
    return found


def net_delays(prepared: Prepared, wires: Any, delay_model: str) -> FloatArray:
    """Net delay into every node and what it adds to the squared slew, float64 [V, 4], or [0, 4] without any.

    Slew: a one-pole wire spreads a ramp by k times its Elmore delay T, k = ln((1 - lower) / (1 - upper)) of the
    library's slew thresholds. With two moments the delay is ln 2 T^2 / sqrt(m2), and T gives way to
    sigma = sqrt(2 m2 - T^2), the standard deviation of the impulse response; both are those of one pole where m2 = T^2.

    Raises:
        CircuitError: there are no Elmore delays.

    Source: C. J. Alpert, A. Devgan, C. V. Kashyap, RC delay metrics for performance optimization, IEEE TCAD 20 (2001),
    for the delay (D2M).
    """
    if delay_model == "lumped_cap":
        return np.zeros((0, 4))
    if wires is None or wires.elmore is None:
        raise CircuitError(
            "--delay-model", f"'{delay_model}'", "needs wires with resistance", "give --spef, or use lumped_cap"
        )
    found = np.zeros((prepared.nodes.count, 4))
    elmore = np.asarray(wires.elmore, np.float64)
    loads = np.flatnonzero(prepared.nodes.loads)
    found[loads, :2] = elmore[prepared.nodes.place[loads]]
    spreads = found[:, :2].copy()
    if delay_model == "two_moment" and wires.second is not None:
        m2 = np.asarray(wires.second, np.float64)[prepared.nodes.place[loads]]
        square = found[loads, :2] ** 2
        has = m2 > 0
        found[loads, :2] = math.log(2) * np.where(has, square / np.sqrt(np.where(has, m2, 1.0)), 0.0)
        spreads[loads] = np.sqrt(np.maximum(2 * m2 - square, 0.0))
    elif delay_model == "two_moment":
        found[loads, :2] *= math.log(2)
    for row, thresholds in enumerate(prepared.library.thresholds):
        own = loads[np.maximum(prepared.corner[loads], 0) == row]
        for edge in (0, 1):
            found[own, 2 + edge] = (spread(thresholds, edge) * spreads[own, edge]) ** 2
    return found


def spread(thresholds: Thresholds, edge: int) -> float:
    """Table slew of a one-pole step response by its time constant."""
    lower, upper = thresholds.slew_lower[edge], thresholds.slew_upper[edge]
    return math.log((1 - lower) / (1 - upper)) / thresholds.slew_derate
