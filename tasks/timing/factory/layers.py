"""R and C of wires where the LEF files state none or too little: from a JSON of layers, or from calibrated constants.

A JSON of layers: ``{"layers": {"met1": {"ohm_um": 1.2, "ff_um": 0.17}}, "vias_ohm": [9.25, 4.5, 3.4]}``; either part may
be left out, vias go from the lowest up. What ``circuitgraph calibrate timing`` wrote is taken too: its constants of the
wires per um become those of every layer, and its ohms of an edge are spread over the vias on the way down and up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.analysis.placement_wires import USUAL_FARADS, WireConstants
from circuitgraph.errors import CircuitError, nearest, quoted
from circuitgraph.files import read_bytes
from circuitgraph.layout import RoutingLayer, Technology

ROUTED_LAYERS = 7
"""The pattern router uses the second to the seventh layer: three pairs."""

VIAS_OF_EDGE = 4
"""An edge goes up two vias from its first pin and down two to the other."""


def completed_technology(technology: Technology, given: str | Path | None) -> tuple[Technology, list[str]]:
    """A technology that states R and C of all layers that the router uses, and lines on what was filled in.

    A stated capacitance below half of what wires among others have is taken for that of a lonely wire and replaced,
    as :func:`circuitgraph.analysis.placement_wires.nominal_constants` does; vias without a resistance count as 0 ohm.

    Args:
        technology: from LEF.
        given: JSON that fills the gaps, or None.

    Raises:
        CircuitError: a layer has no R or C, the JSON is malformed or names an unknown layer.
    """
    layers, vias, lines = list(technology.layers), list(technology.vias), []
    if given is not None:
        layers, vias, said = _filled(technology, Path(given))
        lines.append(said)
    used = range(1, min(ROUTED_LAYERS, len(layers)))
    lacking = [layers[row].name for row in used if not np.isfinite(layers[row].resistance + layers[row].capacitance)]
    if lacking:
        rule = f"state no resistance or capacitance ({quoted(lacking)})"
        way_out = "give --layers JSON with ohm_um and ff_um of each, or what calibrate timing wrote"
        raise CircuitError(technology.name, f"{len(lacking)} layers", rule, way_out)
    if given is None:
        low = [layers[row].name for row in used if layers[row].capacitance < USUAL_FARADS / 2]
        if low:
            usual = USUAL_FARADS * 1e9
            lines.append(
                f"layers {', '.join(low)}: the LEF's capacitance is that of a lonely wire; {usual:.2f} fF/um is taken"
            )
            layers = [replace(one, capacitance=USUAL_FARADS) if one.name in low else one for one in layers]
    blank = sum(not np.isfinite(value) for value in vias[: ROUTED_LAYERS - 1])
    if blank:
        lines.append(f"vias: {blank} of the LEF have no resistance and count as 0 ohm; --layers can state them")
    vias = [value if np.isfinite(value) else 0.0 for value in vias]
    return replace(technology, layers=tuple(layers), vias=tuple(vias)), lines


def _filled(technology: Technology, path: Path) -> tuple[list[RoutingLayer], list[float], str]:
    """Layers and vias with what a file gives.

    Raises:
        CircuitError: the file is malformed or names an unknown layer.
    """
    try:
        found = json.loads(read_bytes(path))
    except (ValueError, UnicodeDecodeError):
        raise CircuitError(str(path), "file", "is no JSON", "see make-timing --layers in the documentation") from None
    if isinstance(found, dict) and isinstance(found.get("constants"), dict):
        constants = WireConstants.of_shown(found["constants"], str(path))
        layers = [replace(one, resistance=constants.r1, capacitance=constants.c1) for one in technology.layers]
        vias = [max(constants.r0, 0.0) / VIAS_OF_EDGE] * len(technology.vias)
        return layers, vias, f"layers: every layer has the constants of {path.name}"
    if not isinstance(found, dict) or not set(found) <= {"layers", "vias_ohm"} or not found:
        raise CircuitError(str(path), "file", "holds neither layers nor constants", "the keys are layers and vias_ohm")
    layers = list(technology.layers)
    rows = {one.name: row for row, one in enumerate(layers)}
    own: Mapping[str, Any] = found.get("layers", {})
    for name, values in own.items():
        if name not in rows:
            way_out = nearest(name, rows, f"use {', '.join(rows)}")
            raise CircuitError(str(path), f"layer {name!r}", "is in no LEF file", way_out)
        row = rows[name]
        layers[row] = replace(
            layers[row],
            resistance=_number(path, name, values, "ohm_um") * 1e6,
            capacitance=_number(path, name, values, "ff_um") * 1e-9,
        )
    vias = list(technology.vias)
    for row, value in enumerate(found.get("vias_ohm", [])[: len(vias)]):
        vias[row] = _number(path, f"via {row + 1}", {"ohm": value}, "ohm")
    return layers, vias, f"layers: {len(own)} layers and {len(found.get('vias_ohm', []))} vias are those of {path.name}"


def _number(path: Path, name: str, values: Any, key: str) -> float:
    value = values.get(key) if isinstance(values, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or value < 0:
        raise CircuitError(str(path), name, f"{key} is {value!r}, no number from 0", "give ohm_um and ff_um")
    return float(value)
