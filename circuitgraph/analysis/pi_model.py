"""Pi models: what a gate sees of a net - C2 at the gate, C1 behind a resistance R - by the first three moments.

With the admittance m0 s - m1 s^2 + m2 s^3 at the driver, C1 = m1^2 / m2, R = m2^2 / m1^3 and C2 = m0 - C1: exact for
every net with one resistor, and the same three moments for all others.

Source: P. R. O'Brien and T. L. Savarino, Modeling the driving-point characteristic of resistive interconnect for
accurate delay estimation, ICCAD 1989.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.wires import Wires, drivers, fan_out
from circuitgraph.circuit import Circuit
from circuitgraph.errors import Notes
from circuitgraph.parasitics import ResolvedParasitics

FloatArray = npt.NDArray[np.float64]
LongArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ReducedWires(Wires):
    """Wires with the pi model of every net; columns late rise, late fall, early rise, early fall.

    | field | type, shape | meaning |
    |---|---|---|
    | pi | float64 [N, 4, 3] | C2, R, C1 in F, ohm, F, the pins' capacitances included; NaN where a net has no network |
    | sink | float64 [P + T, 4] | Elmore delay from the driver to each pin and terminal, s; 0 at drivers |
    """

    pi: FloatArray | None = None
    sink: FloatArray | None = None


def pi_of_moments(moments: FloatArray) -> FloatArray:
    """C2, R and C1 of admittances, float64 [..., 3]: F, ohm, F.

    Args:
        moments: float64 [..., 3], m0 (F), m1 (F s), m2 (F s^2), all counted positive.

    A net without resistance is a capacitor: C2 alone. C2 below 0, which rounding alone can bring, is 0.

    >>> [round(float(value), 9) for value in pi_of_moments(np.array([3.0, 8.0, 32.0]))]
    [1.0, 2.0, 2.0]
    """
    m0, m1, m2 = moments[..., 0], moments[..., 1], moments[..., 2]
    found = np.zeros(moments.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        c1, r = m1 * m1 / m2, m2 * m2 / (m1 * m1 * m1)
    known = (m1 > 0) & (m2 > 0) & np.isfinite(c1) & np.isfinite(r)
    c1 = np.minimum(np.where(known, c1, 0.0), m0)
    found[..., 0] = np.where(m0 - c1 > 1e-12 * m0, m0 - c1, 0.0)
    found[..., 1] = np.where(known, r, 0.0)
    found[..., 2] = c1
    return found


def reduced_wires(
    resolved: ResolvedParasitics,
    circuit: Circuit,
    pin_capacitance: FloatArray,
    *,
    shared_reduction: bool = True,
) -> ReducedWires:
    """Extracted parasitics as pi models and Elmore delays; coupling is counted to ground with factor 1.

    Args:
        resolved: parasitics with index arrays into *circuit*.
        circuit: N nets, P pins, T terminals.
        pin_capacitance: float64 [P + T, 4], farads of each pin and terminal by column.
        shared_reduction: the early pin capacitances are in late columns too, as in OpenSTA 2.0.17, which reduces a net
            once.

    Returns:
        A net whose driver is not among its nodes has no pi model. Resistors that close loops are dropped from the
        tree of shortest resistance, and counted in ``notes``; so are nodes that no resistor reaches: they are no load.
    """
    from circuitgraph.analysis.elmore import _kernel_moments

    parasitics = resolved.parasitics
    corner = parasitics.corner
    notes = Notes()
    annotated = resolved.net_of >= 0
    used = resolved.net_of[annotated]
    ohms = np.ascontiguousarray(parasitics.resistance[:, corner])
    columns = np.array([2, 3] if shared_reduction else [0, 1, 2, 3])
    loads = _node_loads(resolved, pin_capacitance[:, columns])
    driver = drivers(resolved, circuit)
    delay = np.zeros(loads.shape)
    moments = np.zeros((parasitics.num_nets, len(columns), 3))
    dropped, unreached = _kernel_moments(
        parasitics.node_start,
        parasitics.resistor_start,
        np.ascontiguousarray(parasitics.resistor_nodes),
        ohms,
        loads,
        driver,
        delay,
        moments,
    )
    missing = int(np.count_nonzero((driver < 0) & (resolved.net >= 0) & (np.diff(parasitics.node_start) > 0)))
    for text, times in (
        ("net whose driver is not among its nodes: no wire delay", missing),
        ("resistor that closes a loop dropped", int(dropped)),
        ("node that no resistor reaches from the driver", int(unreached)),
    ):
        if times:
            notes.add(text, times=times)
    four = np.array([0, 1, 0, 1] if shared_reduction else [0, 1, 2, 3])
    pi = np.full((circuit.num_nets, 4, 3), np.nan)
    reduced = pi_of_moments(moments)[:, four]
    reduced[driver < 0] = np.nan
    pi[annotated] = reduced[used]
    placed = np.flatnonzero(resolved.node_pin[: len(parasitics.node_net)] >= 0)
    placed = placed[placed < int(parasitics.node_start[-1])]
    sink = np.zeros((circuit.num_pins + circuit.num_ports, 4))
    sink[resolved.node_pin[placed]] = delay[placed][:, four]
    capacitance, resistance = np.zeros(circuit.num_nets), np.zeros(circuit.num_nets)
    capacitance[annotated] = parasitics.total[used]
    owner = np.repeat(np.arange(parasitics.num_nets), np.diff(parasitics.resistor_start))
    resistance[annotated] = np.bincount(owner, weights=ohms, minlength=parasitics.num_nets)[used]
    elmore = np.ascontiguousarray(sink[:, :2])
    return ReducedWires("spef", capacitance, resistance, elmore, annotated, notes, pi, sink)


def _node_loads(resolved: ResolvedParasitics, pin_capacitance: FloatArray) -> FloatArray:
    """F at each node of the networks, float64 [K, c]: to ground, coupling, pins."""
    parasitics = resolved.parasitics
    corner = parasitics.corner
    loads = np.zeros((parasitics.num_nodes, pin_capacitance.shape[1]))
    loads += parasitics.node_capacitance[:, corner][:, None]
    pairs = parasitics.coupling_capacitance[:, corner]
    np.add.at(loads, parasitics.coupling_nodes.ravel(), np.repeat(pairs, 2)[:, None])
    placed = np.flatnonzero(resolved.node_pin[: int(parasitics.node_start[-1])] >= 0)
    loads[placed] += pin_capacitance[resolved.node_pin[placed]]
    return loads


def star_pi(circuit: Circuit, load: FloatArray, resistance: FloatArray, sink: FloatArray) -> FloatArray:
    """Pi models of nets that are stars of equal branches, float64 [N, 4, 3].

    Args:
        circuit: N nets, P pins, T terminals; f is a net's fan-out.
        load: float64 [N, 4], farads of wire and pins in all.
        resistance: float64 [N], ohms of all branches; each has 1 / f of it.
        sink: float64 [P + T, 4], delay of each branch, s; what a branch charges is its delay over its resistance.
    """
    net = np.concatenate([circuit.pin_net, circuit.port_net])
    branch = resistance / np.maximum(fan_out(circuit), 1)
    kept = np.flatnonzero((net >= 0) & (branch[net] > 0))
    own = net[kept]
    moments = np.zeros((circuit.num_nets, 4, 3))
    moments[:, :, 0] = load
    for column in range(4):
        delay = sink[kept, column]
        charged = delay / branch[own]
        moments[:, column, 1] = np.bincount(own, charged * delay, minlength=circuit.num_nets)
        moments[:, column, 2] = np.bincount(own, charged * delay * delay, minlength=circuit.num_nets)
    return pi_of_moments(moments)


__all__ = ["ReducedWires", "pi_of_moments", "reduced_wires", "star_pi"]
