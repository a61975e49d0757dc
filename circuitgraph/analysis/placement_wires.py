"""Wires from placement: trees over the pins with four constants, and how the constants are fitted.

Every tree edge that ends at a pin has R = r0 + r1 x length, every pin C = c0 and every length c1, half of it at each
end of its edge. The four numbers belong to a library and a flow; :func:`fit_constants` gives them from any nets whose
parasitics are known. Elmore delays and pi models are exact for these trees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.pi_model import ReducedWires, pi_of_moments
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.layout import Technology
from circuitgraph.parasitics import Parasitics
from circuitgraph.trees import NetTrees

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

LEAST_FARADS, LEAST_OHMS = 1e-19, 1e-2
"""A net's wire capacitance and an edge's resistance are never below these: a fitted c0 may be negative."""

FARADS_OF_WEIGHT, OHMS_OF_WEIGHT = 2e-15, 20.0
"""Errors are weighed by 1 / (C + 2 fF) and 1 / (R + 20 ohm): relative for long nets, absolute for short ones."""


USUAL_FARADS = 0.15e-9
"""F/m of a wire among others: 0.1 to 0.2 fF/um in routed designs of every process that was measured, 180 to 45 nm."""


NEIGHBOURS = 2.0
"""Capacitance of a routed wire over that of a lonely one as LEF states it: 2.2 in sky130, 1.9 in Nangate45, 1.5 in sg13g2."""

SHOWN = (("c0_ff", 1e-15), ("c1_ff_um", 1e-9), ("r0_ohm", 1.0), ("r1_ohm_um", 1e6))
"""Names of the constants in files for people, and what turns each into SI units."""


@dataclass(frozen=True)
class WireConstants:
    """What a tree's wires weigh: F a pin, F/m, ohm an edge, ohm/m."""

    c0: float
    c1: float
    r0: float
    r1: float

    def state(self) -> dict[str, float]:
        """For checkpoints, in SI units: every bit comes back."""
        return {"c0": self.c0, "c1": self.c1, "r0": self.r0, "r1": self.r1}

    @classmethod
    def of(cls, state: Mapping[str, object], place: str) -> WireConstants:
        """The inverse of :meth:`state`.

        Raises:
            CircuitError: a number is missing or not finite.
        """
        return cls(*(_number(state, key, place) for key in ("c0", "c1", "r0", "r1")))

    def shown(self) -> dict[str, float]:
        """For files that people read: fF, fF/um, ohm and ohm/um."""
        values = (self.c0 * 1e15, self.c1 * 1e9, self.r0, self.r1 * 1e-6)
        return {key: round(value, 6) for (key, _), value in zip(SHOWN, values, strict=True)}

    @classmethod
    def of_shown(cls, values: Mapping[str, object], place: str) -> WireConstants:
        """The inverse of :meth:`shown`, up to its rounding.

        Raises:
            CircuitError: a number is missing or not finite.
        """
        return cls(*(_number(values, key, place) * unit for key, unit in SHOWN))


def _number(state: Mapping[str, object], key: str, place: str) -> float:
    value = state.get(key) if isinstance(state, Mapping) else None
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise CircuitError(place, f"wire constant {key}", f"is {value!r}, no number", "calibrate again")
    return float(value)


def fit_constants(examples: Sequence[tuple[NetTrees, FloatArray, FloatArray]]) -> WireConstants:
    """The four constants of least squares, in closed form.

    Args:
        examples: of each design its trees, and the wire capacitance (F) and total resistance (ohm) of its nets,
            float64 [N] each; NaN where a net is not to be used.

    Total C is regressed on length and pins, total R on length and edges, with the weights that this module states.

    Raises:
        CircuitError: fewer than two nets have labels.

    Source: ``timing.md`` of the project's research, section 6.
    """
    columns: list[list[FloatArray]] = [[], [], [], []]
    for trees, capacitance, resistance in examples:
        pins = trees.net_pins.astype(np.float64)
        kept = (pins >= 2) & np.isfinite(capacitance) & np.isfinite(resistance)
        for column, values in zip(columns, (trees.net_length, pins, capacitance, resistance), strict=True):
            column.append(values[kept])
    length, pins, farads, ohms = (np.concatenate(parts) if parts else np.zeros(0) for parts in columns)
    if len(length) < 2 or not length.any():
        rule = f"only {len(length)} nets have both a placement and parasitics"
        raise CircuitError("calibration", "nets", rule, "give a routed block of two nets or more")
    c0, c1 = _weighted(pins, length, farads, 1.0 / (farads + FARADS_OF_WEIGHT))
    r0, r1 = _weighted(pins - 1.0, length, ohms, 1.0 / (ohms + OHMS_OF_WEIGHT))
    return WireConstants(c0, c1, r0, r1)


def _weighted(first: FloatArray, second: FloatArray, wanted: FloatArray, weight: FloatArray) -> tuple[float, float]:
    matrix = np.stack([first, second], axis=1) * weight[:, None]
    found = np.linalg.lstsq(matrix, wanted * weight, rcond=None)[0]
    return float(found[0]), float(found[1])


def nominal_constants(technology: Technology, neighbours: float = 1.0) -> WireConstants:
    """Constants from the process alone: the mean of the second and third layer, and vias.

    Where these layers state none it is the mean of all that do. An edge's fixed part is the way from the pins up and down
    again. Some files state next to no capacitance: below a quarter of :data:`USUAL_FARADS` it is taken for that.

    Args:
        technology: gives R and C of layers.
        neighbours: factor on the capacitance, which LEF states for a wire without neighbours; :data:`NEIGHBOURS` is
            what routed designs have.

    Raises:
        CircuitError: the LEF files state no resistance or capacitance of these layers.
    """
    stated = [layer for layer in technology.layers if np.isfinite([layer.resistance, layer.capacitance]).all()]
    layers = [layer for layer in stated if layer in technology.layers[1:3]] or stated
    ohms = float(np.mean([layer.resistance for layer in layers])) if layers else float("nan")
    farads = float(np.mean([layer.capacitance for layer in layers])) if layers else float("nan")
    farads = USUAL_FARADS if farads < USUAL_FARADS / 4 else neighbours * farads
    if not np.isfinite([ohms, farads]).all() or farads <= 0:
        raise CircuitError(
            technology.name,
            "layers",
            "state no resistance and capacitance of wires",
            "calibrate the wires from a routed block: circuitgraph calibrate timing",
        )
    vias = [value for value in technology.vias[:2] if np.isfinite(value)]
    return WireConstants(0.0, farads, 2.0 * float(np.sum(vias)), ohms)


def edge_resistance(trees: NetTrees, constants: WireConstants) -> FloatArray:
    """Ohms from each node to its parent, float64 [K]; 0 at drivers."""
    ohms = constants.r1 * trees.length + np.where(trees.place >= 0, constants.r0, 0.0)
    return np.where(trees.parent >= 0, np.maximum(ohms, LEAST_OHMS), 0.0)


def node_capacitance(trees: NetTrees, constants: WireConstants) -> FloatArray:
    """Farads of wire at each node, float64 [K]; a net's sum is never below its floor."""
    farads = np.where(trees.place >= 0, constants.c0, 0.0)
    half = 0.5 * constants.c1 * trees.length
    farads += half
    below = trees.parent >= 0
    np.add.at(farads, trees.parent[below], half[below])
    return spread_floor(trees, farads)


def spread_floor(trees: NetTrees, farads: FloatArray) -> FloatArray:
    """Node capacitances that are not negative, with the net's total kept where it is above the floor."""
    total = trees.net_sum(farads)
    kept = np.maximum(farads, 0.0)
    positive = trees.net_sum(kept)
    wanted = np.maximum(total, LEAST_FARADS)
    net = trees.net
    count = np.maximum(np.diff(trees.start), 1)
    even = (wanted / count)[net]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = kept * (wanted / positive)[net]
    return np.where(positive[net] > 0, scaled, even)


def placement_wires(
    trees: NetTrees,
    circuit: Circuit,
    constants: WireConstants,
    pin_capacitance: FloatArray,
    *,
    capacitance_factor: FloatArray | None = None,
    resistance_factor: FloatArray | None = None,
    sink_factor: FloatArray | None = None,
    source: str = "placement",
) -> ReducedWires:
    """Wires of trees: C, R, pi models and Elmore delays.

    Args:
        trees: of the circuit's N nets.
        circuit: P pins, T terminals.
        constants: of the wires.
        pin_capacitance: float64 [P + T, 4], F of each pin and terminal; the early columns serve both, as in
            :func:`circuitgraph.analysis.pi_model.reduced_wires`.
        capacitance_factor: float64 [N], on the wire capacitance of each net; None = 1.
        resistance_factor: float64 [N], on its resistances; None = 1.
        sink_factor: float64 [P + T], on the Elmore delay to each pin; None = 1.
        source: what the wires are called.
    """
    farads, ohms = node_capacitance(trees, constants), edge_resistance(trees, constants)
    net = trees.net
    if capacitance_factor is not None:
        farads = farads * capacitance_factor[net]
    if resistance_factor is not None:
        ohms = ohms * resistance_factor[net]
    delay, moments = tree_moments(trees, ohms, farads, pin_capacitance)
    second, _ = tree_moments(trees, ohms, farads, pin_capacitance, delay)
    sink = np.zeros((circuit.num_pins + circuit.num_ports, 4))
    moment = np.zeros((circuit.num_pins + circuit.num_ports, 2))
    placed = np.flatnonzero(trees.place >= 0)
    sink[trees.place[placed]] = delay[placed][:, [0, 1, 0, 1]]
    moment[trees.place[placed]] = second[placed]
    if sink_factor is not None:
        sink *= sink_factor[:, None]
        moment *= (sink_factor * sink_factor)[:, None]
    has_tree = np.diff(trees.start) > 0
    pi = np.full((circuit.num_nets, 4, 3), np.nan)
    pi[has_tree] = pi_of_moments(moments[has_tree])[:, [0, 1, 0, 1]]
    notes = Notes()
    if trees.left_out:
        notes.add("pin without a place, left out of its net's tree", times=trees.left_out)
    elmore = np.ascontiguousarray(sink[:, :2])
    return ReducedWires(
        source, trees.net_sum(farads), trees.net_sum(ohms), elmore, np.asarray(has_tree), notes, pi, sink, second=moment
    )


def tree_moments(
    trees: NetTrees,
    ohms: FloatArray,
    farads: FloatArray,
    pin_capacitance: FloatArray | None,
    factor: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Elmore delay of each node, float64 [K, 2], and three moments of each net, float64 [N, 2, 3]; rise and fall.

    Args:
        trees: K nodes.
        ohms: float64 [K], to the parent.
        farads: float64 [K], of wire at each node.
        pin_capacitance: float64 [P + T, 4], early columns are used; None = 0.
        factor: float64 [K, 2], on every node's load; with the delays themselves the "delays" are second moments, s^2.
    """
    from circuitgraph.analysis.tree_kernels import _kernel_tree_moments

    loads = np.repeat(farads[:, None], 2, axis=1)
    placed = np.flatnonzero(trees.place >= 0)
    if pin_capacitance is not None:
        loads[placed] += pin_capacitance[trees.place[placed]][:, 2:4]
    if factor is not None:
        loads *= factor
    delay = np.zeros(loads.shape)
    moments = np.zeros((len(trees.start) - 1, 2, 3))
    _kernel_tree_moments(trees.start, trees.parent, ohms, loads, delay, moments)
    return delay, moments


def placement_parasitics(trees: NetTrees, circuit: Circuit, constants: WireConstants) -> Parasitics:
    """The trees as parasitics, to be written as SPEF."""
    farads, ohms = node_capacitance(trees, constants), edge_resistance(trees, constants)
    return Parasitics.from_trees(circuit, trees.start, trees.place, trees.parent, ohms, farads, circuit.name)


__all__ = [
    "WireConstants",
    "edge_resistance",
    "fit_constants",
    "node_capacitance",
    "nominal_constants",
    "placement_parasitics",
    "placement_wires",
    "tree_moments",
]
