"""A folder of labelled designs: ``designs.csv`` names the files, the family and the split of each.

Columns: ``design family split netlist sdc spef def liberty lef golden black_box break_loops``; paths are relative to the
table, ``liberty`` and ``lef`` may hold several, separated by blanks; ``spef``, ``def``, ``lef``, ``golden`` may be empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from circuitgraph.errors import CircuitError
from circuitgraph.files import read_bytes, write_atomic
from circuitgraph.layout import Technology
from circuitgraph.library import Library
from tasks.task import Example
from tasks.timing.inputs import read_inputs, read_labels

TABLE = "designs.csv"
COLUMNS = (
    *("design", "family", "split", "netlist", "sdc", "spef", "def", "liberty", "lef", "golden"),
    *("black_box", "break_loops"),
)
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DesignFiles:
    """Where the files of one design are; what it is called and on which side of the split it stands."""

    design: str
    family: str
    split: str
    netlist: Path
    sdc: Path
    liberty: tuple[Path, ...]
    spef: Path | None = None
    placement: Path | None = None
    lef: tuple[Path, ...] = ()
    golden: Path | None = None
    black_box: bool = False
    break_loops: bool = False


def read_designs(folder: str | Path) -> list[DesignFiles]:
    """The designs of a folder, in the order of its table.

    Raises:
        CircuitError: there is no table, it lacks a column, a split is unknown, a name stands twice, or a family stands
            on both sides of the split.
    """
    table = Path(folder) / TABLE
    reader = csv.DictReader(io.StringIO(read_bytes(table).decode("utf-8-sig", "replace")))
    missing = [name for name in (*COLUMNS[:6], "liberty") if name not in (reader.fieldnames or ())]
    if missing:
        raise CircuitError(str(table), "header", f"lacks {', '.join(missing)}", f"it must hold {' '.join(COLUMNS)}")
    found = [_row(table, number, row) for number, row in enumerate(reader, 2)]
    split_of: dict[str, str] = {}
    for number, one in enumerate(found, 2):
        if [other.design for other in found].count(one.design) > 1:
            raise CircuitError(f"{table}:{number}", f"design '{one.design}'", "stands twice", "give each its own name")
        if split_of.setdefault(one.family, one.split) != one.split:
            rule = f"stands in {split_of[one.family]} and in {one.split}"
            raise CircuitError(f"{table}:{number}", f"family '{one.family}'", rule, "keep a family on one side")
    return found


def _row(table: Path, number: int, row: dict[str, str | None]) -> DesignFiles:
    def path(name: str) -> Path | None:
        return table.parent / str(row[name]) if row.get(name) else None

    def paths(name: str) -> tuple[Path, ...]:
        return tuple(table.parent / word for word in (row.get(name) or "").split())

    place, split = f"{table}:{number}", str(row["split"])
    if split not in SPLITS:
        raise CircuitError(place, f"split '{split}'", f"is none of {', '.join(SPLITS)}", "correct it")
    netlist, sdc, liberty = path("netlist"), path("sdc"), paths("liberty")
    if netlist is None or sdc is None or not liberty:
        raise CircuitError(place, f"design '{row['design']}'", "lacks netlist, sdc or liberty", "name all three")
    return DesignFiles(
        design=str(row["design"]),
        family=str(row["family"]),
        split=split,
        netlist=netlist,
        sdc=sdc,
        liberty=liberty,
        spef=path("spef"),
        placement=path("def"),
        lef=paths("lef"),
        golden=path("golden"),
        black_box=row.get("black_box") == "1",
        break_loops=row.get("break_loops") == "1",
    )


def write_designs(folder: str | Path, designs: Iterable[DesignFiles]) -> Path:
    """Write the table of a folder; paths become relative to it."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    top = Path(folder).resolve()

    def text(paths: Path | Sequence[Path] | None) -> str:
        given = [paths] if isinstance(paths, Path) else list(paths or ())
        names = [_relative(path, top) for path in given]
        if len(names) > 1 and any(" " in name for name in names):
            raise CircuitError(str(top / TABLE), "paths", f"hold a blank ({names[0]})", "move the files")
        return " ".join(names)

    for one in designs:
        files = (one.netlist, one.sdc, one.spef, one.placement, one.liberty, one.lef, one.golden)
        flags = ("1" if one.black_box else "0", "1" if one.break_loops else "0")
        writer.writerow([one.design, one.family, one.split, *(text(path) for path in files), *flags])
    table = Path(folder) / TABLE
    write_atomic(table, file.getvalue())
    return table


def _relative(path: Path, top: Path) -> str:
    import os

    return os.path.relpath(path.resolve(), top)


def design_example(files: DesignFiles) -> Example:
    """Inputs and labels of a design; a design without SPEF has no labels (None)."""
    inputs = read_inputs(
        files.netlist,
        library_of(files.liberty),
        files.sdc,
        placement=files.placement,
        technology=technology_of(files.lef) if files.lef else None,
        black_box=files.black_box,
        break_loops=files.break_loops,
        name=files.design,
    )
    labels = read_labels(files.spef, inputs, files.golden) if files.spef else None
    return Example(inputs, labels, files.family, files.design)


@lru_cache(maxsize=8)
def library_of(paths: tuple[Path, ...]) -> Library:
    """The merged library of Liberty files, read once."""
    from circuitgraph.formats import read

    return Library.merged([read(path, format="liberty") for path in paths])


@lru_cache(maxsize=8)
def technology_of(paths: tuple[Path, ...]) -> Technology:
    """The technology of LEF files, read once."""
    from circuitgraph.formats.lef import read_lef

    return read_lef(*paths)
