"""Gates: what a placed and extracted design must hold before it may serve as a label; each is a named check with its figure.

A placement and parasitics of different runs, names that do not match, or a library of another process fail here and
not as a silent error of every model that is trained on them.

Source: ``timing_flow.md`` of the project's research, section 4, and the 27 designs that its figures come from.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Circuit, Direction
from circuitgraph.errors import quoted
from circuitgraph.layout import Layout, Technology
from circuitgraph.library import Library
from circuitgraph.trees import NetTrees

FloatArray = npt.NDArray[np.float64]

LEAST_MATCHED = 0.97
LEAST_CORRELATION = 0.94
USUAL_RANGE = (0.5, 2.0)
MOST_UNCONNECTED = 0.01
LEAST_NETS = 10
"""Fewer nets have no correlation worth the name."""
LONG_NET = 5e-6
"""m; shorter nets are mostly pins and vias, and say nothing about a wire's capacitance by length."""


@dataclass(frozen=True)
class Gate:
    """One check.

    | field | meaning |
    |---|---|
    | name | of the check |
    | figure | what was found; NaN where nothing could be |
    | passed | whether the design may go on |
    | text | the figure and its bound, for people |
    """

    name: str
    figure: float
    passed: bool
    text: str


def types_known(names: Iterable[str], library: Library, technology: Technology) -> Gate:
    """Every cell type is in Liberty and in LEF.

    Args:
        names: of the types in use.
        library: from Liberty.
        technology: from LEF.
    """
    lost = sorted({name for name in names if library.cell_type(name) is None or name not in technology.shapes})
    said = f"{len(lost)} types lack Liberty or LEF ({quoted(lost)})" if lost else "all types are in Liberty and LEF"
    return Gate("cell types", float(len(lost)), not lost, said)


def nets_matched(share: float) -> Gate:
    """Nets with a driver and a load that have parasitics."""
    text = f"{share:.2%} of the nets have parasitics, at least {LEAST_MATCHED:.0%} must"
    return Gate("nets matched", share, share >= LEAST_MATCHED, text)


def length_correlation(trees: NetTrees, capacitance: FloatArray) -> Gate:
    """Correlation of the length of a net's tree with its wire capacitance, over all nets that have both.

    Args:
        trees: of the N nets.
        capacitance: float64 [N], F, NaN where a net has none.
    """
    rows = np.flatnonzero(np.isfinite(capacitance) & (np.diff(trees.start) > 0))
    length = trees.net_length[rows]
    found = math.nan
    if len(rows) >= LEAST_NETS and np.ptp(length) > 0 and np.ptp(capacitance[rows]) > 0:
        found = float(np.corrcoef(length, capacitance[rows])[0, 1])
    text = (
        f"tree length and C correlate with {found:.3f} over {len(rows):,} nets, at least {LEAST_CORRELATION} is asked"
    )
    return Gate("length correlation", found, found >= LEAST_CORRELATION, text)


def capacitance_by_length(trees: NetTrees, capacitance: FloatArray, usual: float) -> Gate:
    """Median wire capacitance per length beside the usual one of the process.

    Args:
        trees: of the N nets.
        capacitance: float64 [N], F, NaN where a net has none.
        usual: F/m.
    """
    length = trees.net_length
    rows = np.flatnonzero(np.isfinite(capacitance) & (length >= LONG_NET))
    found = float(np.median(capacitance[rows] / length[rows])) if len(rows) else math.nan
    low, high = (share * usual for share in USUAL_RANGE)
    text = f"median C is {found * 1e9:.3f} fF/um, {low * 1e9:.3f} to {high * 1e9:.3f} is usual"
    return Gate("capacitance by length", found * 1e9, low <= found <= high, text)


def cells_placed(circuit: Circuit, layout: Layout, physical: Collection[str] = ()) -> Gate:
    """Cells with a connected signal pin that have no place.

    Args:
        circuit: C cells.
        layout: parallel to it.
        physical: names of types without a signal pin.
    """
    used = np.zeros(circuit.num_cells, np.bool_)
    used[circuit.pin_cell[circuit.pin_net >= 0]] = True
    used &= ~np.array([kind.name in physical for kind in circuit.types], np.bool_)[circuit.cell_type]
    lost = np.flatnonzero(used & (np.isnan(layout.cell_x) | np.isnan(layout.cell_y)))
    names = [circuit.cell_names.text(int(row)) for row in lost[:3]]
    more = f" (first: {', '.join(names)})" if names else ""
    return Gate("cells placed", float(len(lost)), not len(lost), f"{len(lost):,} cells with pins have no place{more}")


def inputs_connected(circuit: Circuit) -> Gate:
    """Share of the input pins without a net or on a net without a driver."""
    pins = np.flatnonzero(circuit.pin_direction == Direction.INPUT)
    nets = circuit.pin_net[pins]
    driven = (circuit.net_driver >= 0) | (circuit.net_constant >= 0)
    open_pins = (nets < 0) | ~driven[np.maximum(nets, 0)] if circuit.num_nets else np.ones(len(pins), np.bool_)
    share = float(open_pins.mean()) if len(pins) else 0.0
    text = f"{share:.2%} of the input pins are not driven, less than {MOST_UNCONNECTED:.0%} may be"
    return Gate("inputs connected", share, share < MOST_UNCONNECTED, text)


def slack_finite(slack: FloatArray) -> Gate:
    """Worst setup slack, ns; it exists and is finite.

    Args:
        slack: float64 [P + T], s, NaN where a place is no endpoint.
    """
    known = slack[~np.isnan(slack)]
    worst = float(known.min()) if len(known) else math.nan
    said = f"worst slack is {worst * 1e9:.4f} ns over {len(known):,} endpoints"
    return Gate("worst slack", worst * 1e9, bool(np.isfinite(worst)), said if len(known) else "no endpoint has a slack")


def refusal(gates: Iterable[Gate]) -> str:
    """The failed gates in one line, "" where all have passed."""
    return "; ".join(f"{gate.name}: {gate.text}" for gate in gates if not gate.passed)
