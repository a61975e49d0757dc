"""``circuitgraph predict timing``: netlist, library, constraints and what is known of the wires in; a folder out."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from circuitgraph.analysis.sta import Timing, listed_places
from circuitgraph.analysis.sta_output import summary as analysis_summary
from circuitgraph.analysis.sta_prepare import place_capacitances
from circuitgraph.analysis.sta_unconstrained import unconstrained_line
from circuitgraph.analysis.wires import Wires, spef_wires, zero_wires
from circuitgraph.checks import check
from circuitgraph.errors import CircuitError
from circuitgraph.files import check_writable, write_atomic
from circuitgraph.formats import read
from circuitgraph.library import Library
from tasks.report.timing_report import timing_page
from tasks.timing.inputs import TimingInputs, read_inputs
from tasks.timing.outputs import write_tables

Say = Callable[[str], None]


@dataclass
class Chosen:
    """Wires, where they come from, and what must be said of them."""

    wires: Wires
    kind: str
    delay_model: str
    source: str = "analytic"
    said: list[str] = field(default_factory=list)
    unmatched: dict[str, int] = field(default_factory=dict)
    default_wire_load: bool = False
    listed: Any = None


def predict_timing(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Run the command; writes pins.csv, endpoints.csv, summary.json and report.html into the folder.

    Raises:
        CircuitError: a file is wrong, a cell type is unknown, there is a loop, or names do not match.
    """
    began = time.monotonic()
    if options.wires == "spef" and not options.spef:
        raise CircuitError("--wires", "'spef'", "needs --spef", "name the SPEF file")
    if options.model and (options.spef or options.wires not in {None, "fan-out"}):
        raise CircuitError(
            "--model", "option", "learns wires, and --spef or --wires gives them", "leave one of them out"
        )
    if options.paths < 0:
        raise CircuitError("--paths", str(options.paths), "must be 0 or more", "give another number")
    folder = Path(options.output)
    check_writable(folder / "summary.json")
    if options.block_size is not None:
        order_ranges(0, options.block_size)
    library = Library.merged([read(path, format="liberty") for path in options.liberty])
    inputs = read_inputs(
        options.netlist,
        library,
        options.sdc,
        top=options.top,
        black_box=options.black_box,
        break_loops=options.break_loops,
        ignore_sdc=options.ignore_sdc,
    )
    chosen = choose_wires(options, inputs)
    lines = [*chosen.said, *counted(inputs)]
    ranges = None
    if options.block_size is not None:
        ranges = order_ranges(len(inputs.prepared.order), options.block_size)
    timing = inputs.analyse(
        chosen.wires,
        chosen.delay_model,
        default_wire_load=chosen.default_wire_load,
        listed=chosen.listed,
        blocks=ranges,
    )
    seconds = round(time.monotonic() - began, 3)
    summary = summary_of(inputs, timing, chosen, seconds)
    write_tables(timing, folder)
    warnings = [line for line in [unconstrained_line(timing)] if line]
    page = timing_page(inputs, timing, summary, lines, folder / "report.html", options.paths, warnings=warnings)
    write_atomic(folder / "summary.json", json.dumps(summary, indent=1) + "\n")
    for line in [*lines, *warnings]:
        say(line)
    return {**summary, "report": str(page), "text": summary_text(summary, chosen, page)}


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


def choose_wires(options: argparse.Namespace, inputs: TimingInputs) -> Chosen:
    """Wires as the options say: SPEF if given, else a model if given, else fan-out."""
    kind = options.wires or ("spef" if options.spef else "fan-out")
    if kind == "zero":
        chosen = Chosen(
            zero_wires(inputs.circuit), "zero", "lumped_cap", said=["wires: none (zero capacitance and delay)"]
        )
    elif kind == "spef":
        chosen = _spef(options, inputs)
    elif options.model:
        from tasks.timing.learned import load_learned

        model = load_learned(options.model)
        chosen = Chosen(model.wires(inputs), "learned", "elmore", "learned")
        chosen.said.append(
            f"wires: learned ({Path(options.model).name}), guessed from the netlist alone; no calibrated interval"
        )
    else:
        chosen = _fan_out(inputs)
    if options.delay_model:
        chosen.delay_model = options.delay_model
    if chosen.delay_model == "elmore" and chosen.wires.elmore is None:
        raise CircuitError("--delay-model", "'elmore'", "needs wires with resistance", "use lumped_cap, or give --spef")
    return chosen


def _spef(options: argparse.Namespace, inputs: TimingInputs) -> Chosen:
    resolved = read(options.spef, format="spef").resolve(inputs.circuit)
    report = resolved.report
    report.require(Path(options.spef).name)
    if options.delay_model == "dmp":
        from circuitgraph.analysis.pi_model import reduced_wires

        pins = place_capacitances(inputs.circuit, inputs.library, inputs.prepared.rows)
        wires: Wires = reduced_wires(resolved, inputs.circuit, pins)
    else:
        wires = spef_wires(resolved, inputs.circuit, inputs.pin_capacitance)
    has_resistance = bool((wires.resistance > 0).any())
    chosen = Chosen(wires, "spef", "elmore" if has_resistance else "lumped_cap", default_wire_load=True)
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
            chosen.said.append(f"{count:,} {what}: {', '.join(names)}{', ...' if count > len(names) else ''}")
    if missing and inputs.library.default_wire_load is not None:
        chosen.said.append(f"{missing:,} nets without parasitics get the library's default wire load")
    chosen.said += wires.notes.lines()
    return chosen


def _fan_out(inputs: TimingInputs) -> Chosen:
    from tasks.timing.baselines import FanOut, LibraryWireLoad

    if inputs.library.default_wire_load is not None:
        wires = LibraryWireLoad().wires(inputs)
        where = f"the default wire load of {inputs.library.name}"
    else:
        wires = FanOut().wires(inputs)
        where = "a built-in guess (some 15 um a sink); the library declares no wire load"
    model = "elmore" if bool((wires.resistance > 0).any()) else "lumped_cap"
    line = f"wires: by fan-out, from {where}; the answer is analytic and its wires are guesses"
    return Chosen(wires, "fan-out", model, said=[line])


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
