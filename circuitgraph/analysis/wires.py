"""Wires: capacitance, resistance and wire delay of every net, from SPEF, fan-out, a wire load model, or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Circuit, Direction
from circuitgraph.errors import Notes
from circuitgraph.parasitics import NodeKind, ResolvedParasitics

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Wires:
    """Wires of a circuit of N nets, P pins and T terminals.

    | field | type, shape | meaning |
    |---|---|---|
    | source | str | "spef", "fan-out", "wire-load" or "zero" |
    | capacitance | float64 [N] | of the wire only, farads |
    | resistance | float64 [N] | total of the wire, ohms |
    | elmore | float64 [P + T, 2] or None | wire delay in seconds from the net's driver to each pin (row = pin) or \
terminal (row P + t), rise and fall, 0 at drivers; None = no wire delay |
    | annotated | bool [N] | False: the net has no parasitics of its own |
    | notes | Notes | loops dropped, nodes not reached, nets without a driver |
    | second | float64 [P + T, 2] or None | second moment of the step response at each pin or terminal, s^2, for the \
delay model "two_moment"; None = that of a single pole, the square of ``elmore`` |
    """

    source: str
    capacitance: FloatArray
    resistance: FloatArray
    elmore: FloatArray | None
    annotated: BoolArray
    notes: Notes = field(default_factory=Notes, compare=False)
    second: FloatArray | None = field(default=None, kw_only=True)


class WireLoadModel(Protocol):
    """What :func:`wire_load_wires` needs of a Liberty wire load: F and ohm per unit length, length by fan-out."""

    @property
    def capacitance(self) -> float:
        """Farads for one unit of length."""

    @property
    def resistance(self) -> float:
        """Ohms for one unit of length."""

    def length(self, fan_out: npt.ArrayLike, /) -> FloatArray:
        """Length of nets of the given fan-outs."""


def fan_out(circuit: Circuit) -> npt.NDArray[np.int32]:
    """Sinks of each net, int32 [N]: input pins and output terminals."""
    return circuit.net_load_count


def zero_wires(circuit: Circuit) -> Wires:
    """No wires: capacitance, resistance and delay are 0."""
    none = np.zeros(circuit.num_nets)
    return Wires("zero", none, none.copy(), None, np.zeros(circuit.num_nets, np.bool_))


def spef_wires(
    resolved: ResolvedParasitics,
    circuit: Circuit,
    pin_capacitance: FloatArray | None = None,
    elmore: bool = True,
) -> Wires:
    """Wires from extracted parasitics; coupling is counted to ground with factor 1.

    Args:
        resolved: parasitics with index arrays into *circuit*.
        circuit: N nets, P pins, T terminals.
        pin_capacitance: float64 [P + T, 2], farads of each pin and terminal, rise and fall; None = 0.
        elmore: whether to compute wire delays.

    Returns:
        ``capacitance`` is the total that the file states for the net. Resistors that close loops are dropped from
        the tree of shortest resistance, and counted in ``notes``; so are pins that no resistor reaches (delay 0).
    """
    parasitics = resolved.parasitics
    corner = parasitics.corner
    notes = Notes()
    annotated = resolved.net_of >= 0
    used = resolved.net_of[annotated]
    capacitance = np.zeros(circuit.num_nets)
    capacitance[annotated] = parasitics.total[used]
    resistor_net = np.repeat(np.arange(parasitics.num_nets), np.diff(parasitics.resistor_start))
    ohms = np.ascontiguousarray(parasitics.resistance[:, corner])
    totals = np.bincount(resistor_net, weights=ohms, minlength=parasitics.num_nets)
    resistance = np.zeros(circuit.num_nets)
    resistance[annotated] = totals[used]
    delays, second = _spef_elmore(resolved, circuit, pin_capacitance, ohms, notes) if elmore else (None, None)
    return Wires("spef", capacitance, resistance, delays, annotated, notes, second=second)


def _spef_elmore(
    resolved: ResolvedParasitics, circuit: Circuit, pin_capacitance: FloatArray | None, ohms: FloatArray, notes: Notes
) -> tuple[FloatArray, FloatArray]:
    """Wire delay and second moment of each pin and terminal, both float64 [P + T, 2]."""
    from circuitgraph.analysis.elmore import _kernel_elmore

    parasitics = resolved.parasitics
    corner = parasitics.corner
    in_net = int(parasitics.node_start[-1])
    node_pin = resolved.node_pin[:in_net]
    placed = np.flatnonzero(node_pin >= 0)
    loads = np.zeros((parasitics.num_nodes, 2))
    loads += parasitics.node_capacitance[:, corner][:, None]
    np.add.at(
        loads, parasitics.coupling_nodes.ravel(), np.repeat(parasitics.coupling_capacitance[:, corner], 2)[:, None]
    )
    if pin_capacitance is not None:
        loads[placed] += pin_capacitance[node_pin[placed]]
    driver = drivers(resolved, circuit)
    missing = int(np.count_nonzero((driver < 0) & (resolved.net >= 0) & (np.diff(parasitics.node_start) > 0)))
    if missing:
        notes.add("net whose driver is not among its nodes: no wire delay", times=missing)
    delay, second = np.zeros((parasitics.num_nodes, 2)), np.zeros((parasitics.num_nodes, 2))
    tree = (parasitics.node_start, parasitics.resistor_start, np.ascontiguousarray(parasitics.resistor_nodes), ohms)
    dropped, unreached = _kernel_elmore(*tree, loads, driver, delay)
    _kernel_elmore(*tree, loads * delay, driver, second)  # the second moment is the Elmore sum over C T in place of C
    if dropped:
        notes.add("resistor that closes a loop dropped", times=int(dropped))
    if unreached:
        notes.add("node that no resistor reaches from the driver", times=int(unreached))
    found, moments = (np.zeros((circuit.num_pins + circuit.num_ports, 2)) for _ in range(2))
    found[node_pin[placed]] = delay[placed]
    moments[node_pin[placed]] = second[placed]
    return found, moments


def drivers(resolved: ResolvedParasitics, circuit: Circuit) -> npt.NDArray[np.int64]:
    """Node of each net's driver, int64 [M]; -1 where there is none.

    The circuit's driver of the net goes first; else the first output pin, input port or inout that the file lists.
    """
    parasitics = resolved.parasitics
    net = parasitics.node_net
    driver = np.full(parasitics.num_nets, -1, np.int64)
    rank = np.full(parasitics.num_nodes, 9, np.int64)
    kind, direction = parasitics.node_kind, parasitics.node_direction
    pin, port = kind == NodeKind.PIN, kind == NodeKind.PORT
    rank[(pin | port) & (direction == Direction.INOUT)] = 2
    rank[(pin & (direction == Direction.OUTPUT)) | (port & (direction == Direction.INPUT))] = 1
    owner = np.where(net >= 0, resolved.net[net], -1)
    wanted = np.where(owner >= 0, circuit.net_driver[owner], -2)
    rank[(resolved.node_pin >= 0) & (resolved.node_pin == wanted)] = 0
    for level in (2, 1, 0):
        rows = np.flatnonzero((rank == level) & (net >= 0))[::-1]
        driver[net[rows]] = rows
    return driver


@dataclass(frozen=True)
class FanOutModel:
    """Wires by fan-out f: log C = c0 + c1 log f, log R = r0 + r1 log f (natural logarithms, farads, ohms)."""

    c0: float
    c1: float
    r0: float
    r1: float

    def capacitance(self, sinks: npt.ArrayLike) -> FloatArray:
        """Farads of nets of the given fan-outs; 0 for fan-out 0."""
        return _power(self.c0, self.c1, sinks)

    def resistance(self, sinks: npt.ArrayLike) -> FloatArray:
        """Ohms of nets of the given fan-outs; 0 for fan-out 0."""
        return _power(self.r0, self.r1, sinks)


def _power(constant: float, exponent: float, sinks: npt.ArrayLike) -> FloatArray:
    count = np.asarray(sinks, np.float64)
    return np.where(count > 0, np.exp(constant + exponent * np.log(np.maximum(count, 1.0))), 0.0)


def fit_fan_out(sinks: npt.ArrayLike, capacitance: npt.ArrayLike, resistance: npt.ArrayLike) -> FanOutModel:
    """The model of least squares in the logarithms; nets without sinks, capacitance or resistance are left out.

    Args:
        sinks: fan-out of each net.
        capacitance: farads of each net's wire.
        resistance: ohms of each net's wire.

    >>> model = fit_fan_out([1, 2, 4], [1e-15, 2e-15, 4e-15], [10, 20, 40])
    >>> round(model.c1, 9), round(float(model.resistance(3)), 9)
    (1.0, 30.0)
    """
    count = np.asarray(sinks, np.float64)
    fits = []
    for values in (np.asarray(capacitance, np.float64), np.asarray(resistance, np.float64)):
        kept = (count > 0) & (values > 0)
        if not kept.any():
            fits.append((-np.inf, 0.0))
            continue
        x, y = np.log(count[kept]), np.log(values[kept])
        spread = float(((x - x.mean()) ** 2).sum())
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else 0.0
        fits.append((float(y.mean() - slope * x.mean()), slope))
    return FanOutModel(fits[0][0], fits[0][1], fits[1][0], fits[1][1])


def fan_out_wires(circuit: Circuit, model: FanOutModel, pin_capacitance: FloatArray | None = None) -> Wires:
    """Wires that a netlist alone gives: C and R of each net by its fan-out.

    The delay to a sink is that of a star of f equal branches: T = R/f (C/(2 f) + C_pin).

    Args:
        circuit: N nets.
        model: coefficients.
        pin_capacitance: float64 [P + T, 2], farads; None = 0.
    """
    sinks = fan_out(circuit)
    capacitance, resistance = model.capacitance(sinks), model.resistance(sinks)
    delays = star_elmore(circuit, capacitance, resistance, pin_capacitance, 0.5)
    return Wires("fan-out", capacitance, resistance, delays, np.zeros(circuit.num_nets, np.bool_))


def wire_load_wires(circuit: Circuit, model: WireLoadModel, pin_capacitance: FloatArray | None = None) -> Wires:
    """Wires of a Liberty wire load model, as the balanced tree: T = R/f (C/f + C_pin).

    Args:
        circuit: N nets.
        model: capacitance and resistance per length, and length by fan-out.
        pin_capacitance: float64 [P + T, 2], farads; None = 0.

    Source: Liberty reference, wire_load and tree_type balanced_tree.
    """
    sinks = fan_out(circuit)
    length = np.where(sinks > 0, model.length(sinks), 0.0)
    capacitance, resistance = model.capacitance * length, model.resistance * length
    delays = star_elmore(circuit, capacitance, resistance, pin_capacitance, 1.0)
    return Wires("wire-load", capacitance, resistance, delays, np.zeros(circuit.num_nets, np.bool_))


def star_elmore(
    circuit: Circuit,
    capacitance: FloatArray,
    resistance: FloatArray,
    pin_capacitance: FloatArray | None,
    share: float,
) -> FloatArray:
    """Delay of nets without a tree, seconds [P + T, 2]: a star of f branches, T = R/f (share C/f + C_pin).

    Args:
        circuit: N nets, P pins, T terminals; f is the net's fan-out.
        capacitance: float64 [N], farads.
        resistance: float64 [N], ohms.
        pin_capacitance: float64 [P + T, 2], farads; None = 0.
        share: of a branch's own capacitance that its resistance charges: 0.5 distributed, 1 at the far end.
    """
    rows = circuit.num_pins + circuit.num_ports
    net = np.concatenate([circuit.pin_net, circuit.port_net])
    sinks = np.maximum(fan_out(circuit), 1)
    load = np.zeros((rows, 2)) if pin_capacitance is None else pin_capacitance
    branch_r, branch_c = resistance / sinks, capacitance / sinks
    delays = np.where((net >= 0)[:, None], branch_r[net][:, None] * (share * branch_c[net][:, None] + load), 0.0)
    is_driver = np.zeros(rows, np.bool_)
    driver = circuit.net_driver
    is_driver[driver[driver >= 0]] = True
    is_driver[: circuit.num_pins] |= circuit.pin_direction == Direction.OUTPUT
    is_driver[circuit.num_pins :] |= circuit.port_direction == Direction.INPUT
    delays[is_driver] = 0.0
    return delays
