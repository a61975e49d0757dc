"""``circuitgraph predict timing``: netlist, library, constraints and what is known of the wires in; a folder out."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_output import summary as analysis_summary
from circuitgraph.analysis.sta_required import requireds
from circuitgraph.analysis.sta_unconstrained import unconstrained_line
from circuitgraph.checks import check
from circuitgraph.errors import CircuitError
from circuitgraph.files import check_writable, write_atomic
from circuitgraph.formats import read
from circuitgraph.formats.lef import read_lef
from circuitgraph.formats.sdf_writer import write_sdf
from circuitgraph.library import Library
from tasks.metrics import mae, r2
from tasks.report.timing_report import timing_page
from tasks.timing.choose import Chosen, choose_wires, refuse_contradictions
from tasks.timing.confidence import Confidence, confidence_of
from tasks.timing.inputs import PinTimes, TimingInputs, read_inputs, read_labels, read_pins
from tasks.timing.outputs import write_tables
from tasks.timing.run_folder import fill_options

Say = Callable[[str], None]


def predict_timing(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Run the command; writes pins.csv, endpoints.csv, required.csv, delays.sdf, summary.json and report.html.

    With several corners each has a folder of its own, and summary.json says the worst over all of them.

    Raises:
        CircuitError: a file is wrong, a cell type is unknown, there is a loop, or names do not match.
    """
    found = fill_options(options)
    refuse_contradictions(options)
    if not options.sdc:
        raise CircuitError("--sdc", "option", "is missing", "name the constraints")
    if options.paths < 0:
        raise CircuitError("--paths", str(options.paths), "must be 0 or more", "give another number")
    folder = Path(options.output)
    check_writable(folder / "summary.json")
    if options.block_size is not None:
        order_ranges(0, options.block_size)
    corners = corners_of(options)
    if len(corners) == 1 and "" in corners:
        return predict_corner(options, corners[""], folder, say, found)
    answers = {}
    for name, libraries in corners.items():
        say(f"corner {name}")
        answers[name] = predict_corner(options, libraries, folder / name, say, found)
    worst = {key: _least(answers, key) for key in ("wns_ns", "tns_ns", "hold_wns_ns")}
    summary = {"design": next(iter(answers.values()))["design"], **worst, "corners": {}}
    for name, answer in answers.items():
        summary["corners"][name] = {key: value for key, value in answer.items() if key != "text"}
    write_atomic(folder / "summary.json", json.dumps(summary, indent=1) + "\n")
    return {**summary, "text": "\n".join(f"{name}: {answer['text']}" for name, answer in answers.items())}


def corners_of(options: argparse.Namespace) -> dict[str, list[str]]:
    """Liberty files of each corner; one corner without a name where ``--corner`` is not given.

    Raises:
        CircuitError: both or neither of --liberty and --corner are given, or a corner is no NAME=LIB[,LIB].
    """
    if bool(options.liberty) == bool(options.corner):
        raise CircuitError("--liberty", "library", "is given by --liberty or by --corner", "give one of the two")
    if options.liberty:
        return {"": options.liberty}
    found: dict[str, list[str]] = {}
    for text in options.corner:
        name, _, files = text.partition("=")
        if not name or not files or "/" in name or name.startswith(".") or name in found:
            raise CircuitError("--corner", f"'{text}'", "is no new NAME=LIB[,LIB]", "write --corner slow=ss.lib")
        found[name] = files.split(",")
    return found


def _least(answers: dict[str, dict[str, Any]], key: str) -> float | None:
    known = [answer[key] for answer in answers.values() if answer[key] is not None]
    return min(known, default=None)


def predict_corner(
    options: argparse.Namespace, libraries: list[str], folder: Path, say: Say, found: list[str]
) -> dict[str, Any]:
    """One corner; see :func:`predict_timing`.

    Args:
        found: lines on the files that a folder gave.
    """
    began = time.monotonic()
    library = Library.merged([read(path, format="liberty") for path in libraries])
    inputs = read_inputs(
        options.netlist,
        library,
        options.sdc,
        top=options.top,
        black_box=options.black_box,
        break_loops=options.break_loops,
        ignore_sdc=options.ignore_sdc,
        placement=options.placement,
        technology=read_lef(*options.lef) if options.lef else None,
    )
    chosen = choose_wires(options, inputs)
    lines = [*chosen.said, *found, *counted(inputs)]
    ranges = None
    if options.block_size is not None:
        ranges = order_ranges(len(inputs.prepared.order), options.block_size)
    rules = {"default_wire_load": chosen.default_wire_load, "listed": chosen.listed, "blocks": ranges}
    timing = inputs.analyse(chosen.wires, chosen.delay_model, **rules)
    confidence, before = None, None
    if chosen.prior is not None:
        before = inputs.analyse(chosen.prior, chosen.delay_model, **rules)
    if getattr(chosen.model, "intervals", None):
        confidence = confidence_of(chosen.model.intervals_of(inputs), inputs, timing)
    seconds = round(time.monotonic() - began, 3)
    summary = summary_of(inputs, timing, chosen, seconds)
    if confidence is not None:
        summary |= expected_violations(timing, confidence)
    reference = None
    if options.reference:
        reference = read_reference(options.reference, inputs)
        summary |= reference_errors(reference, timing)
        lines.append(reference_line(summary, options.reference))
    required = requireds(timing)
    write_tables(timing, folder, confidence, required)
    write_sdf(timing, folder / "delays.sdf")
    warnings = [line for line in [unconstrained_line(timing)] if line]
    page = timing_page(
        inputs,
        timing,
        summary,
        lines,
        folder / "report.html",
        options.paths,
        reference=reference,
        warnings=warnings,
        confidence=confidence,
        before=before,
        required=required,
    )
    write_atomic(folder / "summary.json", json.dumps(summary, indent=1) + "\n")
    for line in [*lines, *warnings]:
        say(line)
    return {**summary, "report": str(page), "text": summary_text(summary, chosen, page)}


def read_reference(path: str, inputs: TimingInputs) -> PinTimes:
    """Times of a design to compare with: a table with the header of pins.csv, or an analysis over a SPEF file."""
    if ".csv" in Path(path).name:
        return read_pins(path, inputs.circuit)
    return read_labels(path, inputs).truth(inputs)


def reference_errors(reference: PinTimes, timing: Timing) -> dict[str, Any]:
    """Mean absolute error (ps) and R2 of setup and hold slack against a reference."""
    found: dict[str, Any] = {}
    for kind, truth in (("setup", reference.setup_slack), ("hold", reference.hold_slack)):
        guess = timing.worst_slack(early=kind == "hold")
        for name, value in (("mae_ps", 1e12 * mae(truth, guess)), ("r2", r2(truth, guess))):
            found[f"reference_{kind}_{name}"] = None if np.isnan(value) else round(value, 4)
    return found


def reference_line(summary: dict[str, Any], path: str) -> str:
    """The errors for people."""
    shown = {
        kind: "none" if summary[f"reference_{kind}_mae_ps"] is None else f"{summary[f'reference_{kind}_mae_ps']:.1f} ps"
        for kind in ("setup", "hold")
    }
    name = Path(path).name
    return f"against {name}: mean error of setup slack {shown['setup']}, of hold slack {shown['hold']}"


def expected_violations(timing: Timing, confidence: Confidence) -> dict[str, Any]:
    """What the probabilities say of the design: level of the intervals, violating setup endpoints to be expected."""
    late = (timing.endpoints.kind & 1) == 0
    return {
        "interval_level": confidence.level,
        "expected_setup_violations": round(float(np.nansum(confidence.probability[late])), 2),
    }


def counted(inputs: TimingInputs) -> list[str]:
    """What was skipped, merged, guessed or does not match, one line a kind: netlist, its checks, analysis, constraints."""
    circuit, prepared = inputs.circuit, inputs.prepared
    checks = [f"check {found.name}: {found.count:,} ({', '.join(found.examples)})" for found in check(circuit)]
    return [*circuit.notes.lines(), *checks, *prepared.notes.lines(), *prepared.constraints.notes.lines()]


def order_ranges(nodes: int, size: int) -> list[tuple[int, int]]:
    """Consecutive ranges of at most *size* nodes.

    Raises:
        CircuitError: *size* is below 1.
    """
    if size < 1:
        raise CircuitError("--block-size", "block", f"takes at least 1 node, not {size}", "give a larger number")
    return [(start, min(start + size, nodes)) for start in range(0, nodes, size)]


def summary_of(inputs: TimingInputs, timing: Timing, chosen: Chosen, seconds: float) -> dict[str, Any]:
    """What summary.json holds."""
    unmatched = dict(chosen.unmatched)
    notes = inputs.prepared.constraints.notes.counts
    misses = sum(count for note, count in notes.items() if note.endswith("the circuit does not have"))
    if misses:
        unmatched["constraints"] = misses
    return {
        **analysis_summary(timing),
        "wires": chosen.kind,
        "delay_model": chosen.delay_model,
        "source": chosen.source,
        "unmatched": unmatched,
        "seconds": seconds,
    }


def summary_text(summary: dict[str, Any], chosen: Chosen, page: Path) -> str:
    """The last lines of the command."""
    found = "no constrained endpoint"
    if summary["endpoints"]:
        found = (
            f"WNS {summary['wns_ns']:.4f} ns, TNS {summary['tns_ns']:.4f} ns, hold WNS {summary['hold_wns_ns']:.4f} ns, "
            f"{summary['violating']:,} of {summary['endpoints']:,} endpoints violate"
        )
    how = f"{chosen.source}; wires {chosen.kind}, {chosen.delay_model}, {summary['seconds']:.1f} s"
    return f"{summary['design']}: {found} ({how})\nreport: {page}"
