"""Which wires a prediction of timing uses: extracted, learned, from placement, by fan-out, or none; and what to say."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.analysis.sta import listed_places
from circuitgraph.analysis.sta_prepare import place_capacitances
from circuitgraph.analysis.wires import Wires, spef_wires, zero_wires
from circuitgraph.errors import CircuitError
from circuitgraph.files import read_bytes
from circuitgraph.formats import read
from tasks.task import Example
from tasks.timing.inputs import TimingInputs, read_labels

GUESSED = ("fan-out", "placement", "learned")
"""Kinds of wires that are estimates."""


@dataclass
class Chosen:
    """Wires, where they come from, and what must be said of them.

    | field | meaning |
    |---|---|
    | wires, kind, delay_model | what is analysed; "spef", "learned", "placement", "fan-out" or "zero" |
    | source | "analytic" or "learned" |
    | said | lines for the report |
    | unmatched | counts for the summary |
    | default_wire_load | nets without parasitics get the library's |
    | listed | as ``analyse`` takes it |
    | model | the learned model, or None |
    | prior | wires that the model starts from, or None |
    """

    wires: Wires
    kind: str
    delay_model: str
    source: str = "analytic"
    said: list[str] = field(default_factory=list)
    unmatched: dict[str, int] = field(default_factory=dict)
    default_wire_load: bool = False
    listed: Any = None
    model: Any = None
    prior: Wires | None = None


def refuse_contradictions(options: argparse.Namespace) -> None:
    """Options that cannot stand together.

    Raises:
        CircuitError: they do.
    """
    for kind, option, metavar in (("spef", "spef", "the SPEF file"), ("placement", "placement", "the DEF file")):
        if options.wires == kind and not getattr(options, option):
            flag = "--def" if option == "placement" else f"--{option}"
            raise CircuitError("--wires", f"'{kind}'", f"needs {flag}", f"name {metavar}")
    if options.placement and not options.lef:
        raise CircuitError("--def", "option", "needs the shapes of the cells", "add --lef")
    if options.model and (options.spef or options.wires not in {None, "fan-out", "placement"}):
        raise CircuitError(
            "--model", "option", "learns wires, and --spef or --wires gives them", "leave one of them out"
        )
    if options.calibration and options.model:
        rule = "and --model bring constants of wires each"
        raise CircuitError("--calibration", "option", rule, "leave one of them out; --known fits a model to the design")
    if options.known and not options.model:
        raise CircuitError("--known", "option", "calibrates a learned model", "add --model, or use calibrate timing")
    estimated = options.placement and not options.spef and options.wires in {None, "placement"}
    if options.calibration and not estimated:
        raise CircuitError(
            "--calibration", "option", "holds constants of wires over a placement", "give --def, and no --spef"
        )


def choose_wires(options: argparse.Namespace, inputs: TimingInputs) -> Chosen:
    """Wires as the options say: SPEF if given, else a model if given, else placement if given, else fan-out."""
    kind = options.wires or ("spef" if options.spef else "placement" if options.placement else "fan-out")
    if kind == "zero":
        line = "wires: none (zero capacitance and delay)"
        chosen = Chosen(zero_wires(inputs.circuit), "zero", "lumped_cap", said=[line])
    elif kind == "spef":
        chosen = _spef(options, inputs)
    elif options.model:
        chosen = _learned(options, inputs)
    elif kind == "placement":
        chosen = _placement(options, inputs)
    else:
        chosen = _fan_out(inputs)
    if options.delay_model:
        chosen.delay_model = options.delay_model
    if chosen.delay_model in {"elmore", "two_moment"} and chosen.wires.elmore is None:
        raise CircuitError(
            "--delay-model", f"'{chosen.delay_model}'", "needs wires with resistance", "use lumped_cap, or give --spef"
        )
    return chosen


def _spef(options: argparse.Namespace, inputs: TimingInputs) -> Chosen:
    resolved = read(options.spef, format="spef").resolve(inputs.circuit)
    report = resolved.report
    report.require(Path(options.spef).name)
    if options.delay_model in {None, "dmp"}:
        from circuitgraph.analysis.pi_model import reduced_wires

        pins = place_capacitances(inputs.circuit, inputs.library, inputs.prepared.rows)
        wires: Wires = reduced_wires(resolved, inputs.circuit, pins)
    else:
        wires = spef_wires(resolved, inputs.circuit, inputs.pin_capacitance)
    chosen = Chosen(wires, "spef", _model_of(wires), default_wire_load=True)
    chosen.listed = listed_places(resolved, inputs.circuit)
    chosen.said.append(
        f"wires: SPEF; {report.matched:,} of {report.nets:,} nets with a driver and a load have parasitics"
    )
    chosen.unmatched = {"nets_without_parasitics": report.nets - report.matched, "unknown_nets": report.num_unknown}
    chosen.unmatched["unknown_pins"] = report.num_unknown_nodes
    missing = chosen.unmatched["nets_without_parasitics"]
    for count, names, what in (
        (missing, report.missing, "nets without parasitics"),
        (report.num_unknown, report.unknown, "nets of the SPEF that are not in the netlist"),
        (report.num_unknown_nodes, report.unknown_nodes, "pins of the SPEF that are not in the netlist"),
        (report.num_moved_nodes, report.moved_nodes, "pins of the SPEF that are on another net in the netlist"),
    ):
        if count:
            chosen.said.append(_counted(count, what, names))
    if missing and inputs.library.default_wire_load is not None:
        chosen.said.append(f"{missing:,} nets without parasitics get the library's default wire load")
    chosen.said += wires.notes.lines()
    return chosen


def _learned(options: argparse.Namespace, inputs: TimingInputs) -> Chosen:
    from tasks.timing.learned import LearnedWires
    from tasks.timing.models import load_model
    from tasks.timing.placed_rows import process_of

    model = load_model(options.model)
    name = Path(options.model).name
    if isinstance(model, LearnedWires):
        if options.placement:
            rule = "guesses wires from the netlist alone and reads no placement"
            raise CircuitError("--model", name, rule, "leave --def out, or give a model of placed wires")
        if options.known:
            rule = "guesses wires from the netlist alone and is not calibrated on nets"
            raise CircuitError("--known", name, rule, "give a model of placed wires")
        wires: Wires = model.wires(inputs)
        line = f"wires: learned ({name}), guessed from the netlist alone; no calibrated interval"
        return Chosen(wires, "learned", _model_of(wires), "learned", [line], model=model)
    if inputs.layout is None:
        raise CircuitError("--model", name, "learns wires over a placement", "add --def and --lef")
    known, origin = [], constants_text(model.prior, inputs)
    if options.known:
        example = known_example(options.known, inputs)
        if process_of(inputs) not in model.prior.fitted:
            origin = f"constants of {Path(options.known).name}"
        model.calibrate(example, None)
        labels = example.labels
        used = np.isfinite(labels.capacitance) & np.isfinite(labels.resistance)
        count = int((used & (inputs.trees(model.prior.kind).net_pins >= 2)).sum())
        known = [f"calibrated on {count:,} nets of {Path(options.known).name}"]
    wires = model.wires(inputs)
    lines = [f"wires: learned over the placement ({name}), starting from {origin}", *known]
    strange = model.strangeness(inputs)
    lines += [f"outside of what the model was trained on: {line}" for line in strange]
    if strange:
        lines.append("its intervals are not to be trusted here")
    lines += [*placement_lines(inputs), *tree_lines(inputs, wires)]
    chosen = Chosen(wires, "learned", _model_of(wires), "learned", lines, model=model)
    chosen.prior = model.prior.wires(inputs)
    return chosen


def known_example(path: str | Path, inputs: TimingInputs) -> Example:
    """A design with the parasitics of some of its nets as labels.

    Raises:
        CircuitError: none of the design's nets is in the file.
    """
    labels = read_labels(path, inputs, whole=False)
    if not np.isfinite(labels.capacitance[inputs.nets]).any():
        rule = "holds none of the design's nets"
        raise CircuitError(Path(path).name, "nets", rule, "give parasitics of this netlist")
    return Example(inputs, labels, "", inputs.name)


def _placement(options: argparse.Namespace, inputs: TimingInputs) -> Chosen:
    from tasks.timing.placed_rows import PlacedTrees, process_of, shipped_constants

    row = PlacedTrees("steiner", shipped_constants())
    if options.calibration:
        kind, process, constants = read_calibration(options.calibration)
        if process not in {"", process_of(inputs)}:
            rule = f"is of another process ({process}) than the LEF ({process_of(inputs)})"
            raise CircuitError(Path(options.calibration).name, "calibration", rule, "calibrate with the same LEF")
        row = PlacedTrees(kind, {process_of(inputs): constants})
        origin = f"constants of {Path(options.calibration).name}"
    else:
        origin = constants_text(row, inputs)
    wires = row.wires(inputs)
    trees = {"steiner": "Steiner", "spanning": "spanning"}[row.kind]
    lines = [
        f"wires: {trees} trees over the placement with {origin}; analytic, and its wires are estimates "
        "(--model shipped: a learned correction, with intervals)"
    ]
    return Chosen(
        wires, "placement", _model_of(wires), said=[*lines, *placement_lines(inputs), *tree_lines(inputs, wires)]
    )


def constants_text(row: Any, inputs: TimingInputs) -> str:
    """Where the constants of a design's wires come from."""
    from tasks.timing.placed_rows import process_of

    name = process_of(inputs)
    if name in row.given or name in row.fitted:
        return (
            "constants fitted on other routed designs of this process (circuitgraph calibrate timing fits your flow's)"
        )
    return (
        "the nominal resistance and capacitance of the LEF, as no routed design of this process was seen "
        "(circuitgraph calibrate timing fits your flow's)"
    )


def placement_lines(inputs: TimingInputs) -> list[str]:
    """How far placement and netlist agree, one line a kind of difference."""
    report = inputs.layout_report
    assert report is not None
    lines = [f"placement: {report.cells - report.num_missing - report.num_unplaced:,} of {report.cells:,} cells placed"]
    for count, names, what in (
        (report.num_missing, report.missing, "cells of the netlist that are not in the DEF"),
        (report.num_unplaced, (), "cells without a place in the DEF"),
        (report.num_missing_ports, report.missing_ports, "ports of the netlist that are not in the DEF"),
        (report.num_other_type, (), "cells of another type in the DEF"),
        (outside_die(inputs), (), "pins outside the die"),
    ):
        if count:
            shown = f" ({', '.join(names)}{', ...' if count > len(names) else ''})" if names else ""
            lines.append(f"{what}: {count:,}{shown}")
    return lines


def tree_lines(inputs: TimingInputs, wires: Wires) -> list[str]:
    """What trees leave out: pins without a place, and nets without a tree, which have no wires."""
    bare = int((~wires.annotated[inputs.nets]).sum())
    return [*wires.notes.lines(), *([f"nets without a tree, and so without wires: {bare:,}"] if bare else [])]


def outside_die(inputs: TimingInputs) -> int:
    """Placed pins and ports that lie outside of the die."""
    layout = inputs.layout
    assert layout is not None
    x0, y0, x1, y1 = layout.die
    x, y = np.concatenate([layout.pin_x, layout.port_x]), np.concatenate([layout.pin_y, layout.port_y])
    slack = 1e-9
    return int(((x < x0 - slack) | (x > x1 + slack) | (y < y0 - slack) | (y > y1 + slack)).sum())


def read_calibration(path: str | Path) -> tuple[str, str, Any]:
    """What ``circuitgraph calibrate timing`` wrote: kind of the trees, process ("" where not said), constants.

    Raises:
        CircuitError: the file is no such JSON.
    """
    from circuitgraph.analysis.placement_wires import WireConstants

    name = Path(path).name
    try:
        found = json.loads(read_bytes(path).decode())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        rule = f"is no JSON ({error})"
        raise CircuitError(name, "calibration", rule, "write it with circuitgraph calibrate timing") from None
    if not isinstance(found, dict) or found.get("kind") != "wire constants":
        raise CircuitError(
            name, "calibration", "holds no wire constants", "write it with circuitgraph calibrate timing"
        )
    kind, process = found.get("trees", "steiner"), found.get("process", "")
    if kind not in {"steiner", "spanning"} or not isinstance(process, str):
        raise CircuitError(name, f"trees {kind!r}", "are neither steiner nor spanning", "calibrate again")
    return kind, process, WireConstants.of_shown(found.get("constants") or {}, name)


def _fan_out(inputs: TimingInputs) -> Chosen:
    from tasks.timing.baselines import FanOut, LibraryWireLoad

    if inputs.library.default_wire_load is not None:
        wires = LibraryWireLoad().wires(inputs)
        where = f"the default wire load of {inputs.library.name}"
    else:
        wires = FanOut().wires(inputs)
        where = "a built-in guess (some 15 um a sink); the library declares no wire load"
    line = f"wires: by fan-out, from {where}; the answer is analytic and its wires are guesses"
    return Chosen(wires, "fan-out", _model_of(wires), said=[line])


def _model_of(wires: Wires) -> str:
    """The default delay model: OpenSTA's own where wires have resistance."""
    return "dmp" if bool((wires.resistance > 0).any()) else "lumped_cap"


def _counted(count: int, what: str, names: tuple[str, ...]) -> str:
    shown = f": {', '.join(names)}{', ...' if count > len(names) else ''}" if names else ""
    return f"{count:,} {what}{shown}"
