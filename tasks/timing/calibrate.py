"""``circuitgraph calibrate timing``: the four constants of placed wires, from one routed block of a flow."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.placement_wires import edge_resistance, fit_constants, node_capacitance
from circuitgraph.errors import CircuitError
from circuitgraph.files import check_writable, write_atomic
from circuitgraph.formats import read
from circuitgraph.formats.lef import read_lef
from circuitgraph.placed_circuit import circuit_of_layout
from circuitgraph.trees import net_trees
from tasks.timing.placed_rows import process_name

LEAST_NETS = 10
"""Fewer labelled nets give no four constants worth writing."""


def calibrate_timing(options: argparse.Namespace) -> dict[str, Any]:
    """Fit the constants over the nets that both files have, and say how well they fit.

    Raises:
        CircuitError: a file is wrong, the two belong to different designs, or too few nets are left.
    """
    target = Path(options.output)
    check_writable(target)
    technology = read_lef(*options.lef)
    layout = read(options.placement, format="def", technology=technology)
    circuit = circuit_of_layout(layout, technology, black_box=options.black_box)
    placed = layout.resolve(circuit, technology, black_box=options.black_box)
    resolved = read(options.spef, format="spef").resolve(circuit)
    resolved.report.require(Path(options.spef).name)
    trees = net_trees(circuit, placed.layout, options.trees)
    parasitics = resolved.parasitics
    annotated = resolved.net_of >= 0
    used = resolved.net_of[annotated]
    owner = np.repeat(np.arange(parasitics.num_nets), np.diff(parasitics.resistor_start))
    ohms = np.bincount(owner, parasitics.resistance[:, parasitics.corner], minlength=parasitics.num_nets)
    capacitance, resistance = (np.full(circuit.num_nets, np.nan) for _ in range(2))
    capacitance[annotated], resistance[annotated] = parasitics.total[used], ohms[used]
    for values in (capacitance, resistance):
        values[~(values > 0)] = np.nan
    known = np.flatnonzero(np.isfinite(capacitance) & np.isfinite(resistance) & (trees.net_pins >= 2))
    if options.nets is not None:
        if options.nets < LEAST_NETS:
            rule = f"must be {LEAST_NETS} or more"
            raise CircuitError("--nets", str(options.nets), rule, "50 nets are enough for most flows")
        known = np.sort(np.random.default_rng(options.seed).permutation(known)[: options.nets])
    if len(known) < LEAST_NETS:
        rule = f"has only {len(known)} nets with both a placement and parasitics"
        raise CircuitError(Path(options.spef).name, "nets", rule, "give the files of a larger routed block")
    hidden = np.ones(circuit.num_nets, np.bool_)
    hidden[known] = False
    capacitance[hidden] = resistance[hidden] = np.nan
    constants = fit_constants([(trees, capacitance, resistance)])
    guess_c = trees.net_sum(node_capacitance(trees, constants))
    guess_r = trees.net_sum(edge_resistance(trees, constants))
    quality = {
        "correlation": correlation(trees.net_length[known], capacitance[known]),
        "capacitance_error": round(float(np.abs(np.log(guess_c[known] / capacitance[known])).mean()), 4),
        "resistance_error": round(float(np.abs(np.log(guess_r[known] / resistance[known])).mean()), 4),
    }
    answer = {
        "kind": "wire constants",
        "design": circuit.name,
        "process": process_name(technology),
        "trees": options.trees,
        "nets": len(known),
        "constants": constants.shown(),
        **quality,
    }
    write_atomic(target, json.dumps(answer, indent=1) + "\n")
    return {**answer, "text": text_of(answer, target)}


def correlation(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float | None:
    """Pearson's correlation; None where one of the two does not vary."""
    if not first.std() > 0 or not second.std() > 0:
        return None
    return round(float(np.corrcoef(first, second)[0, 1]), 4)


def text_of(answer: dict[str, Any], target: Path) -> str:
    """The answer for people."""
    own = answer["constants"]
    lines = [
        f"{answer['design']}: {answer['nets']:,} nets over {answer['trees']} trees",
        f"  C = {own['c0_ff']:.3f} fF a pin + {own['c1_ff_um']:.4f} fF/um; mean error of a net {answer['capacitance_error']:.0%}",
        f"  R = {own['r0_ohm']:.2f} ohm an edge + {own['r1_ohm_um']:.4f} ohm/um; mean error of a net "
        f"{answer['resistance_error']:.0%}",
        f"  length and C correlate with {answer['correlation'] or 0.0:.3f}",
    ]
    if (answer["correlation"] or 0.0) < 0.9:
        lines.append("  that is low: placement and parasitics may be of different runs")
    return "\n".join([*lines, f"written: {target}"])
