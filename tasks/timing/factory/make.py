"""``circuitgraph data make-timing``: RTL or mapped netlists in, placed designs with estimated wires and labels out.

Each design is made in a worker process and its folder appears whole; the same command goes on where it was stopped.
The wires are a pattern-routed estimate, not post-route: every file that can hold a remark says so.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from circuitgraph.corpus import SPLITS
from circuitgraph.corpus_sources import CircuitFile, design_of, find_sources
from circuitgraph.errors import CircuitError
from circuitgraph.families import Member, merge_families, read_rules
from circuitgraph.files import hash_bytes, hash_file, write_atomic
from tasks.table import text_table
from tasks.timing.designs import library_of, technology_of, write_designs
from tasks.timing.factory.cells import choose_cells, marked_liberty, stated_unused
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
from tasks.timing.factory.layers import completed_technology
from tasks.timing.factory.steps import ESTIMATED, Task

Say = Callable[[str], None]

MAKE = "tasks.timing.factory.steps:make_design"
SHOWN = 20
"""Failures that are printed; the file holds all."""


@dataclass(frozen=True)
class MakeOptions:
    """How designs are made.

    | field | meaning |
    |---|---|
    | liberty, lef | paths |
    | layers | JSON of layers, or "" |
    | unused | patterns of cell names that synthesis must not take, beside those that are left out anyway |
    | top | module, of every input |
    | period | ns, 0 to find one for each design |
    | utilisation, max_fan_out, seed | of placement, buffering and splits |
    | golden | "engine" or "opensta" |
    | families | of :func:`circuitgraph.families.read_rules` |
    | jobs | worker processes |
    | time_limit | s, of one design |
    """

    liberty: tuple[str, ...]
    lef: tuple[str, ...]
    layers: str = ""
    unused: tuple[str, ...] = ()
    top: str = ""
    period: float = 0.0
    utilisation: float = 0.62
    max_fan_out: int = 16
    seed: int = 0
    golden: str = "engine"
    families: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    jobs: int = 1
    time_limit: float = 1800.0


@dataclass
class Made:
    """What a run made: records of the designs that stand, failures, how many were there already."""

    records: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, str, str, str]] = field(default_factory=list)
    kept: int = 0
    lines: list[str] = field(default_factory=list)


def make_command(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """The command; exit 1 where a design failed."""
    made = make_designs(options.inputs, options.output, options_of(options), say)
    for design, _, step, reason in made.failures[:SHOWN]:
        say(f"failed: {design} at {step}: {reason}")
    if len(made.failures) > SHOWN:
        say(f"failed: {len(made.failures) - SHOWN:,} more, see {Path(options.output) / FAILURES}")
    rows = [row_of(record) for record in made.records]
    fresh = len(made.records) - made.kept
    text = f"{fresh:,} made, {made.kept:,} kept, {len(made.failures):,} failed; {ESTIMATED}"
    return {
        "folder": str(options.output),
        "wires": ESTIMATED,
        "made": fresh,
        "kept": made.kept,
        "failed": len(made.failures),
        "lines": made.lines,
        "designs": rows,
        "text": "\n".join([text_table(rows, str(options.output)), text] if rows else [text]),
        "exit": int(bool(made.failures)),
    }


def options_of(options: argparse.Namespace) -> MakeOptions:
    """The options in their types and limits.

    Raises:
        CircuitError: a value is wrong.
    """
    period = 0.0
    if options.period != "auto":
        try:
            period = float(options.period)
        except ValueError:
            period = -1.0
        if not 0 < period < 1e6:
            raise CircuitError("--period", repr(options.period), "must be ns above 0, or auto", "give --period auto")
    checks = (
        ("--utilisation", options.utilisation, 0.3 <= options.utilisation <= 0.9, "must be 0.3 to 0.9"),
        ("--max-fan-out", options.max_fan_out, options.max_fan_out >= 2, "must be 2 or more"),
        ("--jobs", options.jobs, options.jobs >= 0, "must be 0 or more; 0: the cores"),
        ("--time-limit", options.time_limit, 0 < options.time_limit < 1e6, "must be above 0 s"),
        ("--seed", options.seed, 0 <= options.seed < 1 << 31, "must be 0 or more, below 2^31"),
    )
    for name, value, is_right, rule in checks:
        if not is_right:
            raise CircuitError(name, f"{value:g}", rule, "give another number")
    return MakeOptions(
        liberty=tuple(options.liberty),
        lef=tuple(options.lef),
        layers=options.layers or "",
        unused=tuple(options.dont_use),
        top=options.top or "",
        period=period,
        utilisation=options.utilisation,
        max_fan_out=options.max_fan_out,
        seed=options.seed,
        golden=options.golden,
        families=read_rules(options.families) if options.families else {},
        jobs=options.jobs or cores(),
        time_limit=options.time_limit,
    )


def make_designs(inputs: Sequence[str | Path], output: str | Path, options: MakeOptions, say: Say) -> Made:
    """Make a folder of labelled designs; designs that stand there with the same key are kept.

    Args:
        inputs: Verilog files, folders or archives of them.
        output: the folder; ``designs.csv``, ``failures.csv`` and one folder a design.
        options: how.
        say: is told of every design.

    Raises:
        CircuitError: an input or a library is wrong, two designs have one name, or the folder is in use.

    Example:
        ``make_designs(["rtl"], "made", MakeOptions(("cells.lib",), ("cells.lef",)), print)``.
    """
    folder = Path(output)
    with held(folder) as work:
        found = find_sources(inputs, work / "unpacked", folder)
        files = [file for file in found.files if file.format == "verilog"]
        made = Made(failures=[(Path(name).stem, name, "reading", reason) for name, reason in found.failures])
        if not files and not found.failures:
            raise CircuitError(str(inputs[0]), "input", "holds no Verilog file", "name RTL or netlists")
        names = design_names(files)
        shared = prepared(options, work, made)
        for line in made.lines:
            say(line)
        tasks = [task_of(file, name, options, shared, folder, work) for file, name in zip(files, names, strict=True)]
        records = {task.name: read_record(folder, task.name, task.key) for task in tasks}
        todo = [task for task in tasks if records[task.name] is None]
        made.kept = len(tasks) - len(todo)
        source_of = {name: file.name for file, name in zip(files, names, strict=True)}
        for name, step, reason in run_tasks(MAKE, [asdict(task) for task in todo], options, say, work):
            if reason:
                made.failures.append((name, source_of[name], step, reason))
        for task in todo:
            records[task.name] = read_record(folder, task.name, task.key)
        made.records = [record for task in tasks if (record := records[task.name]) is not None]
        made.failures.sort()
        finish(folder, made, source_of, options)
    return made


def design_names(files: Sequence[CircuitFile]) -> list[str]:
    """A folder's name for each file: that of its design, with its folder's before it where two would be alike.

    Raises:
        CircuitError: two files still have one name.
    """
    plain = [safe_name(design_of(file)) for file in files]
    names = [
        name if plain.count(name) == 1 else safe_name(f"{Path(file.name).parent.name}_{name}")
        for file, name in zip(files, plain, strict=True)
    ]
    for file, name in zip(files, names, strict=True):
        if names.count(name) > 1:
            raise CircuitError(
                file.name, f"design '{name}'", "stands twice among the inputs", "rename one of the files"
            )
    return names


def prepared(options: MakeOptions, work: Path, made: Made) -> dict[str, Any]:
    """What all designs share: the marked Liberty, cells that no synthesis may take, hashes of the libraries.

    Raises:
        CircuitError: a library cannot be read, lacks tie cells or a buffer, or layers have no R or C.
    """
    liberty, lef = tuple(map(Path, options.liberty)), tuple(map(Path, options.lef))
    library, technology = library_of(liberty), technology_of(lef)
    made.lines += completed_technology(technology, options.layers or None)[1]
    unused = (*options.unused, *(name for path in liberty for name in stated_unused(path)))
    cells = choose_cells(library, technology, unused, options.max_fan_out)
    made.lines.append(
        f"library: {len(cells.usable):,} of {len(library.types):,} types in use, buffer {cells.buffer.name}, "
        f"ties {'/'.join(cells.tie_high)} and {'/'.join(cells.tie_low)}"
    )
    mapped = ""
    if len(liberty) == 1:
        mapped = str(write_atomic(work / "cells.lib", marked_liberty(liberty[0], cells.usable)).resolve())
    else:
        made.lines.append(f"library: {len(liberty)} Liberty files; RTL is mapped to one only, netlists are taken")
    hashes = [hash_file(path) for path in (*liberty, *lef, *([options.layers] if options.layers else []))]
    return {"unused": unused, "mapped": mapped, "hashes": hashes, "code": code_versions()}


def task_of(
    file: CircuitFile, name: str, options: MakeOptions, shared: Mapping[str, Any], folder: Path, work: Path
) -> Task:
    """The work on one file, and the key of what it gives."""
    top = file.top or options.top
    decides = {
        **{key: value for key, value in asdict(options).items() if key in DECIDES},
        "name": name,
        "sha256": file.sha256,
        "top": top,
        "hashes": shared["hashes"],
        "code": shared["code"],
    }
    return Task(
        name=name,
        key=hash_bytes(json.dumps(decides, sort_keys=True).encode())[:KEY_DIGITS],
        sources=tuple(str(path.resolve()) for path in (file.path, *file.parts)),
        top=top,
        liberty=tuple(str(Path(path).resolve()) for path in options.liberty),
        lef=tuple(str(Path(path).resolve()) for path in options.lef),
        mapped=shared["mapped"],
        layers=str(Path(options.layers).resolve()) if options.layers else "",
        unused=tuple(shared["unused"]),
        period=options.period,
        utilisation=options.utilisation,
        max_fan_out=options.max_fan_out,
        seed=options.seed,
        golden=options.golden,
        folder=str(folder.resolve()),
        work=str((work / "designs").resolve()),
        time_limit=options.time_limit,
    )


DECIDES = ("unused", "period", "utilisation", "max_fan_out", "seed", "golden")
"""Options that decide the files of a design, beside its sources and libraries."""


def finish(folder: Path, made: Made, source_of: Mapping[str, str], options: MakeOptions) -> None:
    """Write ``designs.csv``, ``failures.csv`` and ``about.json``; families by name and signature, splits by family."""
    members = [
        Member(
            source=source_of[record["design"]],
            name=record["design"],
            suite="",
            cells=record["cells"],
            signatures=tuple(text for text in (record["named"], record["anonymous"]) if text),
        )
        for record in made.records
    ]
    families = merge_families(members, options.seed, SHARES, options.families)
    made.lines += families.lines
    for record, family, split in zip(made.records, families.family, families.split, strict=True):
        record |= {"family": family, "split": split}
    write_designs(folder, [design_files(folder, record, options.liberty, options.lef) for record in made.records])
    write_failures(folder, made.failures)
    counts = {split: sum(record["split"] == split for record in made.records) for split in SPLITS}
    about = {
        "kind": "made designs",
        "wires": ESTIMATED,
        "options": {
            key: value for key, value in asdict(options).items() if key not in {"jobs", "time_limit", "families"}
        },
        "lines": made.lines,
        "designs": len(made.records),
        "failures": len(made.failures),
        "splits": counts,
    }
    write_atomic(folder / ABOUT, json.dumps(about, indent=1) + "\n")


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a design in the table that is printed."""
    gates = record["gates"]
    share = record["violating_share"]
    return {
        "design": record["design"],
        "family": record["family"],
        "split": record["split"],
        "cells": record["cells"],
        "buffers": record["buffers_added"],
        "period ns": record["period_ns"],
        "WNS ns": record["wns_ns"],
        "endpoints": record["endpoints"],
        "violating": f"{share:.1%}" if share is not None else "",
        "length-C correlation": gates["length correlation"]["figure"],
        "fF/um": gates["capacitance by length"]["figure"],
    }
