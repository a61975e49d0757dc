"""The files of a flow's run, found in its folder: netlist, Liberty, LEF, placement, constraints, parasitics.

Knows the layouts of OpenLane 1 and 2, LibreLane and the OpenROAD flow scripts, and any folder where the files of one
design lie together. Later stages go before earlier ones, nominal parasitics before other corners, netlists without
supply pins before those with; what was taken is said, and what was left aside is counted.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from circuitgraph.errors import CircuitError

KINDS = {
    "netlist": (".v", ".vg"),
    "liberty": (".lib",),
    "lef": (".lef", ".tlef"),
    "placement": (".def",),
    "sdc": (".sdc",),
    "spef": (".spef",),
}
PACKED = (".gz", ".xz", ".zst")
MOST_FILES = 200_000
"""Entries that are looked at before a folder counts as no run."""

STAGES = ("synth", "floorplan", "place", "cts", "route", "signoff", "finish", "final")
"""Words of paths, in the order of a flow."""

ASIDE = {"netlist": ("pnl", "powered", "_tb", "testbench", "blackbox", ".bb."), "spef": ("min", "max")}
"""Words that send a file behind others of its kind."""


@dataclass(frozen=True)
class RunFiles:
    """What a folder holds of one design.

    | field | meaning |
    |---|---|
    | files | kind -> the file taken; lists for Liberty and LEF |
    | lines | kind -> what was taken, in words |
    """

    files: dict[str, list[Path]] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)


def find_run(folder: str | Path) -> RunFiles:
    """Search a folder.

    Raises:
        CircuitError: it holds no netlist, or too many files to be a run.
    """
    top = Path(folder)
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    entries = list(islice(top.rglob("*"), MOST_FILES + 1))
    if len(entries) > MOST_FILES:
        rule = f"holds more than {MOST_FILES:,} files"
        raise CircuitError(str(top), "folder", rule, "name the folder of one run")
    for path in sorted(entries):
        kind = kind_of(path)
        if kind and path.is_file():
            found[kind].append(path)
    if not found["netlist"]:
        raise CircuitError(str(top), "folder", "holds no netlist (.v)", "name the files one by one, or another folder")
    design = design_of(found)
    taken: dict[str, list[Path]] = {}
    lines: dict[str, str] = {}
    for kind, paths in found.items():
        own = [path for path in paths if stem(path) == design] or paths
        if not own:
            continue
        if kind in {"liberty", "lef"}:
            chosen = typical(paths) if kind == "liberty" else paths
        else:
            chosen = [max(own, key=lambda path: rank(path, kind, top))]
        taken[kind] = chosen
        names = ", ".join(str(path.relative_to(top)) for path in chosen[:3])
        more = f" and {len(chosen) - 3} more" if len(chosen) > 3 else ""
        left = len(paths) - len(chosen)
        lines[kind] = f"found {kind}: {names}{more}" + (
            f"; {left} other{'s' if left > 1 else ''} left aside" if left else ""
        )
    return RunFiles(taken, lines)


def kind_of(path: Path) -> str:
    """Kind of a file by its name, "" where none."""
    name = path.name.lower()
    for suffix in PACKED:
        name = name.removesuffix(suffix)
    return next((kind for kind, suffixes in KINDS.items() if name.endswith(suffixes)), "")


def stem(path: Path) -> str:
    """The design that a file's name speaks of: without compression, suffix, corner and stage."""
    name = path.name
    for suffix in PACKED:
        name = name.removesuffix(suffix)
    name = name.rpartition(".")[0]
    name = re.sub(r"\.(nl|pnl|gl|nom|min|max|powered|placement|final|synthesis)\b.*$", "", name)
    return re.sub(r"^\d+_[a-z_]*?(final|place|route|cts|floorplan|synth)\w*$", "", name)


def design_of(found: dict[str, list[Path]]) -> str:
    """The name that most kinds of files share; netlists decide where several do."""
    kinds: Counter[str] = Counter()
    for kind in ("netlist", "placement", "sdc", "spef"):
        kinds.update({stem(path) for path in found[kind]})
    names = {stem(path) for path in found["netlist"]}
    return max(sorted(names), key=lambda name: kinds[name])


def rank(path: Path, kind: str, top: Path) -> tuple[int, int, int, float, str]:
    """What goes first: nothing that sends it aside, the latest stage, the nominal corner, the newest file."""
    inside = str(path.relative_to(top)).lower()
    aside = -sum(word in inside for word in ASIDE.get(kind, ()))
    stage = max((number for number, word in enumerate(STAGES) if word in inside), default=-1)
    return aside, stage, int("nom" in inside), path.stat().st_mtime, inside


def typical(paths: list[Path]) -> list[Path]:
    """Of several corners the typical one: files of other corners are left aside where a typical one is there."""
    central = [path for path in paths if re.search(r"(^|[_.-])(tt|typ|typical|nom)([_.-]|\d|$)", stem(path).lower())]
    return central or paths


def fill_options(options: argparse.Namespace) -> list[str]:
    """Replace a folder among the options of ``predict timing`` by its files; what is given by name stays.

    Returns:
        Lines that say what was taken; [] where the netlist is no folder.

    Raises:
        CircuitError: as :func:`find_run`; Liberty or constraints are neither given nor found.
    """
    if not Path(options.netlist).is_dir():
        return []
    run = find_run(options.netlist)
    place = str(options.netlist)
    options.netlist = str(run.files["netlist"][0])
    for kind, flag in (("liberty", "--liberty"), ("sdc", "--sdc")):
        given = options.liberty or options.corner if kind == "liberty" else options.sdc
        if not given and kind not in run.files:
            raise CircuitError(place, "folder", f"holds no {kind} file", f"add {flag}")
    said = ["netlist"]
    if not (options.liberty or options.corner):
        options.liberty = [str(path) for path in run.files["liberty"]]
        said.append("liberty")
    if not options.sdc:
        options.sdc = str(run.files["sdc"][0])
        said.append("sdc")
    if not options.lef and "lef" in run.files:
        options.lef = [str(path) for path in run.files["lef"]]
        said.append("lef")
    estimated = options.model or options.calibration or options.wires not in {None, "spef"}
    if options.spef is None and not estimated and "spef" in run.files:
        options.spef = str(run.files["spef"][0])
        said.append("spef")
    if options.placement is None and options.lef and "placement" in run.files:
        options.placement = str(run.files["placement"][0])
        said.append("placement")
    return [run.lines[kind] for kind in run.lines if kind in said]
