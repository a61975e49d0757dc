"""``circuitgraph data import-timing``: really routed designs through consistency gates into a folder of labels.

A design brings parasitics, a placement (DEF, or GDS with the block's LEF) and a netlist; where there is no netlist the
DEF gives it. A design that fails a gate is refused with the list of what failed; the others go on.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.analysis.placement_wires import USUAL_FARADS
from circuitgraph.analysis.wires import spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.corpus import SPLITS
from circuitgraph.errors import CircuitError
from circuitgraph.families import Member, merge_families, read_rules
from circuitgraph.files import hash_bytes, hash_file, read_bytes, write_atomic
from circuitgraph.formats import read
from circuitgraph.formats.lef import read_lef
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.verilog import write_verilog
from circuitgraph.layout import Layout, Technology, read_gds_layout, write_def
from circuitgraph.library import Library
from circuitgraph.placed_circuit import circuit_of_layout
from circuitgraph.trees import net_trees
from circuitgraph.union_find import find_root
from tasks.table import text_table
from tasks.timing.designs import library_of, technology_of, write_designs
from tasks.timing.factory import gates as checks
from tasks.timing.factory.cells import choose_cells
from tasks.timing.factory.collection import (
    ABOUT,
    FAILURES,
    KEY_DIGITS,
    SHARES,
    code_versions,
    cores,
    design_files,
    held,
    read_record,
    run_tasks,
    safe_name,
    write_failures,
)
from tasks.timing.factory.labelling import constrain, write_labels
from tasks.timing.factory.layers import completed_technology
from tasks.timing.factory.routed_files import RoutedFiles, routed_files, routed_folders
from tasks.timing.factory.steps import figures, settle, signatures

Say = Callable[[str], None]

IMPORT = "tasks.timing.factory.importer:import_design"
EXTRACTED = "wires are extracted from a routed design, as its SPEF says"
SUFFIXES = {"netlist": ".v", "sdc": ".sdc", "spef": ".spef.xz", "def": ".def.xz", "pins": ".pins.csv.xz"}
SIMILAR = 0.9
"""Designs whose cells and fan-outs agree to more than this share are one family."""
SHOWN = 20
FAN_OUT = 16
"""For the choice of the buffer whose delay is the scale of a period that is to be found."""


@dataclass(frozen=True)
class ImportTask:
    """One design to import; paths are texts, "" where there is none.

    | field | meaning |
    |---|---|
    | name, key | of the design; of all that decides its files |
    | files | paths by field of :class:`tasks.timing.factory.routed_files.RoutedFiles` |
    | liberty, lef, layers | paths |
    | folder, work | where the design's folder goes; where it is made |
    """

    name: str
    key: str
    files: dict[str, str]
    liberty: tuple[str, ...]
    lef: tuple[str, ...]
    layers: str
    folder: str
    work: str


@dataclass
class Imported:
    """What a run imported: records of the designs that stand, failures, how many were there already, joined families."""

    records: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, str, str, str]] = field(default_factory=list)
    kept: int = 0
    lines: list[str] = field(default_factory=list)


def import_command(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """The command; exit 1 where a design was refused or failed.

    Raises:
        CircuitError: an option, an input or a library is wrong.
    """
    if options.jobs < 0 or not 0 < options.time_limit < 1e6:
        raise CircuitError("--jobs", str(options.jobs), "must be 0 or more", "0: the cores; --time-limit above 0")
    options.jobs = options.jobs or cores()
    found = import_designs(options, say)
    for design, _, step, reason in found.failures[:SHOWN]:
        say(f"refused: {design} at {step}: {reason}")
    if len(found.failures) > SHOWN:
        say(f"refused: {len(found.failures) - SHOWN:,} more, see {Path(options.output) / FAILURES}")
    rows = [row_of(record) for record in found.records]
    fresh = len(found.records) - found.kept
    text = f"{fresh:,} imported, {found.kept:,} kept, {len(found.failures):,} refused; {EXTRACTED}"
    return {
        "folder": str(options.output),
        "wires": EXTRACTED,
        "imported": fresh,
        "kept": found.kept,
        "refused": len(found.failures),
        "lines": found.lines,
        "designs": rows,
        "text": "\n".join([text_table(rows, str(options.output)), text] if rows else [text]),
        "exit": int(bool(found.failures)),
    }


def import_designs(options: argparse.Namespace, say: Say) -> Imported:
    """Import every design of the folders; those that stand with the same key are kept.

    Args:
        options: ``inputs output liberty lef layers jobs time_limit seed families``.
        say: is told of every design.

    Raises:
        CircuitError: an input or a library is wrong, two designs have one name, or the folder is in use.
    """
    folder, found = Path(options.output), Imported()
    with held(folder) as work:
        liberty = tuple(str(Path(path).resolve()) for path in options.liberty)
        lef = tuple(str(Path(path).resolve()) for path in options.lef)
        layers = str(Path(options.layers).resolve()) if options.layers else ""
        library_of(tuple(map(Path, liberty)))
        technology_of(tuple(map(Path, lef)))
        decided = [hash_file(path) for path in (*liberty, *lef, *([layers] if layers else []))] + code_versions()
        tasks, source_of = [], {}
        for home in routed_folders(options.inputs):
            name = safe_name(home.name)
            if name in source_of:
                raise CircuitError(str(home), f"design '{name}'", "stands twice among the inputs", "rename its folder")
            source_of[name] = str(home)
            try:
                files = routed_files(home)
            except CircuitError as error:
                found.failures.append((name, str(home), "files", str(error)))
                continue
            hashes = [hash_file(path) for path in files.paths()]
            key = hash_bytes(json.dumps([name, hashes, decided]).encode())[:KEY_DIGITS]
            own = {entry: str(path) for entry, path in vars(files).items() if path is not None}
            place = str(folder.resolve()), str((work / "designs").resolve())
            tasks.append(ImportTask(name, key, own, liberty, lef, layers, *place))
        records = {task.name: read_record(folder, task.name, task.key) for task in tasks}
        todo = [task for task in tasks if records[task.name] is None]
        found.kept = len(tasks) - len(todo)
        for name, step, reason in run_tasks(IMPORT, [asdict(task) for task in todo], options, say, work):
            if reason:
                found.failures.append((name, source_of[name], step, reason))
        for task in todo:
            records[task.name] = read_record(folder, task.name, task.key)
        found.records = [record for task in tasks if (record := records[task.name]) is not None]
        found.failures.sort()
        finish(folder, found, source_of, options)
    return found


# -- in a worker ---------------------------------------------------------------------------------


def import_design(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Import one design; what is wrong with it is in the answer, never raised.

    Args:
        raw: an :class:`ImportTask` as a mapping.

    Returns:
        ``step`` and ``reason``; both empty where the design stands.
    """
    task = ImportTask(**{name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()})
    target = Path(task.work) / task.name
    step = ["libraries"]
    try:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        refused = _import(task, target, step)
        if refused:  # the whole list: an error's parts are cut where they are long
            return {"step": step[0], "reason": f"{task.name}: gates: {refused}: check that all files are of one run"}
        settle(target, Path(task.folder) / task.name)
    except CircuitError as error:
        return {"step": step[0], "reason": str(error)}
    except MemoryError:
        return {"step": step[0], "reason": f"{task.name}: design: needs more memory: use fewer --jobs"}
    except Exception as error:  # noqa: BLE001 - one bad design must not stop the others; it is named
        reason = f"{task.name}: design: met a fault of ours ({type(error).__name__}: {error}): please report it"
        return {"step": step[0], "reason": " ".join(reason.split())}
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return {"step": "", "reason": ""}


def _import(task: ImportTask, target: Path, step: list[str]) -> str:
    """All steps of one design; *step* holds the one at hand. Gives the gates that failed, "" where all have passed."""
    library = library_of(tuple(map(Path, task.liberty)))
    technology = technology_of(tuple(map(Path, task.lef)))
    files = RoutedFiles(**{name: Path(path) for name, path in task.files.items()})
    paths = {kind: target / f"{task.name}{suffix}" for kind, suffix in SUFFIXES.items()}
    step[0] = "netlist"
    circuit, netlist = netlist_of(files, library, technology, paths["netlist"])
    step[0] = "placement"
    layout = placement_of(files, circuit, technology, paths["def"])
    step[0] = "parasitics"
    write_atomic(paths["spef"], read_bytes(files.spef))
    usual = USUAL_FARADS
    if task.layers:
        usual = float(
            np.mean([one.capacitance for one in completed_technology(technology, task.layers)[0].layers[1:3]])
        )
    step[0] = "gates"
    found = entry_gates(circuit, layout, files.spef, library, technology, usual)
    if checks.refusal(found):
        return checks.refusal(found)
    step[0] = "constraints"
    delay = choose_cells(library, technology, (), FAN_OUT).delay
    said = constraints_of(files, circuit, library, paths, task.name, delay)
    step[0] = "timing"
    inputs, _, timing = write_labels(task.name, library, technology, paths, black_box=True, break_loops=True)
    step[0] = "gates"
    found.append(checks.slack_finite(timing.worst_slack()))
    if checks.refusal(found):
        return checks.refusal(found)
    clocks = [clock.period for clock in inputs.prepared.constraints.clocks]
    record: dict[str, Any] = {"design": task.name, "key": task.key, "wires": EXTRACTED, "golden": "engine"}
    record |= {"netlist_from": netlist, "constraints": said, "black_box": True, "break_loops": True}
    record |= {"period_ns": round(min(clocks, default=0.0) * 1e9, 6), "shape": shape_of(circuit)}
    record |= figures(circuit, timing, found) | signatures(circuit)
    record["paths"] = {kind: path.name for kind, path in paths.items()}
    record["files"] = {path.name: hash_file(path) for path in paths.values()}
    write_atomic(target / f"{task.name}.json", json.dumps(record, indent=1) + "\n")
    return ""


def netlist_of(files: RoutedFiles, library: Library, technology: Technology, target: Path) -> tuple[Circuit, str]:
    """The circuit of a design and where it comes from; its netlist is copied, or written from the DEF.

    Raises:
        CircuitError: as the readers.
    """
    if files.netlist is not None:
        write_atomic(target, read_bytes(files.netlist))
        return read(target, format="verilog", library=library, black_box=True), "netlist"
    assert files.placement is not None
    layout = read(files.placement, format="def", technology=technology)
    write_verilog(circuit_of_layout(layout, technology, black_box=True), target)
    return read(target, format="verilog", library=library, black_box=True), "DEF"


def placement_of(files: RoutedFiles, circuit: Circuit, technology: Technology, target: Path) -> Layout:
    """The layout parallel to the circuit; a DEF is copied, the places of a GDS are written as DEF.

    Raises:
        CircuitError: as the readers.
    """
    if files.placement is not None:
        write_atomic(target, read_bytes(files.placement))
        layout = read(files.placement, format="def", technology=technology)
        found: Layout = layout.resolve(circuit, technology, black_box=True).layout
        return found
    assert files.gds is not None
    ports = read_lef(files.block_lef).shapes.get(circuit.name) if files.block_lef is not None else None
    layout = read_gds_layout(files.gds, technology, circuit.name, ports)
    found = layout.resolve(circuit, technology, black_box=True).layout
    write_atomic(target, write_def(circuit, found, technology))
    return found


def entry_gates(
    circuit: Circuit, layout: Layout, spef: Path, library: Library, technology: Technology, usual: float
) -> list[checks.Gate]:
    """The gates that need no constraints; see :mod:`tasks.timing.factory.gates`.

    Args:
        circuit: of the design.
        layout: parallel to it.
        spef: its parasitics.
        library: from Liberty.
        technology: from LEF.
        usual: F/m, of wires of this process.
    """
    physical = physical_types(technology)
    resolved = read(spef, format="spef").resolve(circuit)
    wires = spef_wires(resolved, circuit, np.zeros((circuit.num_pins + circuit.num_ports, 2)))
    capacitance = np.where(wires.annotated & (wires.capacitance > 0), wires.capacitance, np.nan)
    trees = net_trees(circuit, layout)
    used = {circuit.types[row].name for row in np.unique(circuit.cell_type).tolist()}
    return [
        checks.types_known(used - physical, library, technology),
        checks.nets_matched(resolved.report.share),
        checks.length_correlation(trees, capacitance),
        checks.capacitance_by_length(trees, capacitance, usual),
        checks.cells_placed(circuit, layout, physical),
        checks.inputs_connected(circuit),
    ]


def physical_types(technology: Technology) -> frozenset[str]:
    """Types without a signal pin: fillers, taps, decoupling cells."""
    power = {"power", "ground"}
    return frozenset(
        name for name, shape in technology.shapes.items() if all(pin.use in power for pin in shape.ports.values())
    )


def constraints_of(
    files: RoutedFiles, circuit: Circuit, library: Library, paths: Mapping[str, Path], name: str, delay: float
) -> str:
    """Write the SDC: the design's own where it can be read, else ours with a period that is found; gives which.

    Raises:
        CircuitError: as :func:`tasks.timing.factory.labelling.constrain`.
    """
    why = "the design has none"
    if files.sdc is not None:
        try:
            read_sdc(files.sdc, circuit, library)
            write_atomic(paths["sdc"], read_bytes(files.sdc))
            return "of the design"
        except CircuitError as error:
            why = f"its own cannot be read ({error})"
    constrain(
        name,
        library,
        paths,
        period=0.0,
        delay=delay,
        remark=f"constraints of import-timing; {EXTRACTED}",
        is_propagated=True,
        black_box=True,
        break_loops=True,
    )
    return f"of import-timing: {why}"


# -- families ------------------------------------------------------------------------------------


def shape_of(circuit: Circuit) -> dict[str, int]:
    """How often each pair of a cell's type and the fan-out of its first output is there."""
    first = np.array([kind.outputs[0] if kind.outputs else -1 for kind in circuit.types], np.int64)[circuit.cell_type]
    rows = np.flatnonzero(first >= 0)
    nets = circuit.pin_net[circuit.pin_start[:-1][rows] + first[rows]]
    loads = np.where(nets >= 0, circuit.net_load_count[np.maximum(nets, 0)], 0)
    names = [kind.name for kind in circuit.types]
    counted = Counter(zip(circuit.cell_type[rows].tolist(), loads.tolist(), strict=True))
    return {f"{names[kind]} {load}": count for (kind, load), count in sorted(counted.items())}


def similarity(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """Common members of two multisets over all of them.

    >>> similarity({"a": 3, "b": 1}, {"a": 2, "b": 1, "c": 1})
    0.6
    """
    keys = set(one) | set(other)
    common = sum(min(one.get(key, 0), other.get(key, 0)) for key in keys)
    return common / max(1, sum(max(one.get(key, 0), other.get(key, 0)) for key in keys))


def alike(shapes: Sequence[Mapping[str, int]]) -> list[int]:
    """Row of the first of the designs that each is joined with, by pairs above :data:`SIMILAR`."""
    root: dict[int, int] = {}
    size = [sum(shape.values()) for shape in shapes]
    for one, other in combinations(range(len(shapes)), 2):
        if min(size[one], size[other]) <= SIMILAR * max(size[one], size[other]):
            continue
        if similarity(shapes[one], shapes[other]) > SIMILAR:
            low, high = sorted((find_root(root, one), find_root(root, other)))
            if low != high:
                root[high] = low
    return [find_root(root, row) for row in range(len(shapes))]


def finish(folder: Path, found: Imported, source_of: Mapping[str, str], options: argparse.Namespace) -> None:
    """Write ``designs.csv``, ``failures.csv`` and ``about.json``."""
    joined = alike([record["shape"] for record in found.records])
    members = [
        Member(
            source=source_of[record["design"]],
            name=record["design"],
            suite="",
            cells=record["cells"],
            signatures=tuple(text for text in (record["named"], record["anonymous"]) if text),
            same_file=f"alike {row}",
        )
        for record, row in zip(found.records, joined, strict=True)
    ]
    rules = read_rules(options.families) if options.families else {}
    families = merge_families(members, options.seed, SHARES, rules)
    found.lines += families.lines
    for record, family, split in zip(found.records, families.family, families.split, strict=True):
        record |= {"family": family, "split": split}
    write_designs(folder, [design_files(folder, record, options.liberty, options.lef) for record in found.records])
    write_failures(folder, found.failures)
    about = {
        "kind": "imported designs",
        "wires": EXTRACTED,
        "options": {"liberty": list(options.liberty), "lef": list(options.lef), "seed": options.seed},
        "designs": len(found.records),
        "failures": len(found.failures),
        "splits": {split: sum(record["split"] == split for record in found.records) for split in SPLITS},
    }
    write_atomic(folder / ABOUT, json.dumps(about, indent=1) + "\n")


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a design in the table that is printed."""
    gate = {name: found["figure"] for name, found in record["gates"].items()}
    share = record["violating_share"]
    return {
        "design": record["design"],
        "family": record["family"],
        "split": record["split"],
        "cells": record["cells"],
        "period ns": record["period_ns"],
        "WNS ns": record["wns_ns"],
        "violating": f"{share:.1%}" if share is not None else "",
        "nets matched": gate["nets matched"],
        "length-C correlation": gate["length correlation"],
        "fF/um": gate["capacitance by length"],
    }
