"""A folder of labelled designs: held by one process, made in workers, resumed by the same command, tabulated."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from circuitgraph.corpus import code_version
from circuitgraph.corpus_pool import run_pool
from circuitgraph.errors import CircuitError
from circuitgraph.files import folder_lock, hash_bytes, hash_file, write_atomic
from tasks.timing.designs import DesignFiles

Say = Callable[[str], None]

WORK = ".work"
ABOUT = "about.json"
FAILURES = "failures.csv"
FAILURE_COLUMNS = ("design", "source", "step", "reason")
SHARES = (70.0, 15.0, 15.0)
"""Of train, validation and test, by family."""
KEY_DIGITS = 24


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Hold an output folder alone; gives a folder for what is temporary, gone at the end.

    Raises:
        CircuitError: another process holds it, or it holds something else.
    """
    own = {WORK, ABOUT, FAILURES, "designs.csv", ".lock"}
    if folder.is_dir() and not (folder / WORK).is_dir() and not (folder / ABOUT).is_file():
        strange = sorted(path.name for path in folder.iterdir() if path.name not in own and path.name[0] != ".")
        if strange:
            rule = f"holds {strange[0]!r}, which this command did not make"
            raise CircuitError(str(folder), "output folder", rule, "choose another folder with -o")
    with folder_lock(folder):
        home = folder / WORK
        shutil.rmtree(home, ignore_errors=True)
        for part in folder.glob(".*.part"):
            part.unlink()
        home.mkdir(exist_ok=True)
        try:  # a name of its own: workers of a killed run may live for a moment
            yield Path(tempfile.mkdtemp(dir=home))
        finally:
            shutil.rmtree(home, ignore_errors=True)


def safe_name(name: str) -> str:
    """A name that is a plain folder's.

    >>> safe_name("a b/c"), safe_name(".x")
    ('a_b_c', '_x')
    """
    return re.sub(r"^\.", "_", re.sub(r"[^A-Za-z0-9_.+-]", "_", name)) or "design"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def code_versions() -> list[str]:
    """Versions of what makes designs: this repository's source and the programs behind it."""
    from importlib.metadata import PackageNotFoundError, version

    home = Path(__file__).parent
    own = hash_bytes(*(path.read_bytes() for path in sorted(home.glob("*.py"))))
    versions = []
    for name in ("pyosys", "coloquinte"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} absent")
    return [code_version(), own, *versions]


def read_record(folder: Path, name: str, key: str) -> dict[str, Any] | None:
    """The record of a design that stands whole in the folder with this key, else None."""
    path = folder / name / f"{name}.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        whole = record["key"] == key and all(
            hash_file(folder / name / file) == digest for file, digest in record["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if whole else None


def run_tasks(
    work_name: str, tasks: Sequence[Mapping[str, Any]], options: Any, say: Say, work: Path
) -> Iterator[tuple[str, str, str]]:
    """Do the tasks in worker processes; gives name, step and reason of each as it ends, the last two empty if it stands.

    Args:
        work_name: "module:function".
        tasks: each with its ``name``.
        options: with ``jobs`` and ``time_limit``.
        say: is told of each design.
        work: for temporary files.
    """
    names = [str(task["name"]) for task in tasks]
    outcomes = run_pool(work_name, tasks, max(1, options.jobs), options.time_limit, say, names, work / "temporary")
    for number, outcome in enumerate(outcomes, 1):
        name = names[outcome.task]
        answer = outcome.answer or {"step": outcome.cause, "reason": f"{name}: design: {outcome.words}: leave it out"}
        say(f"{'failed' if answer['reason'] else 'made'} {name} ({number:,} of {len(tasks):,})")
        yield name, str(answer["step"]), str(answer["reason"])


def design_files(
    folder: Path, record: Mapping[str, Any], liberty: Sequence[str | Path], lef: Sequence[str | Path]
) -> DesignFiles:
    """The row of ``designs.csv`` of a design that stands in the folder.

    Args:
        folder: of the collection.
        record: with ``family`` and ``split``.
        liberty: paths of the libraries.
        lef: paths of the technology.
    """
    own = {kind: folder / record["design"] / name for kind, name in record["paths"].items()}
    return DesignFiles(
        design=record["design"],
        family=record["family"],
        split=record["split"],
        netlist=own["netlist"],
        sdc=own["sdc"],
        liberty=tuple(map(Path, liberty)),
        spef=own["spef"],
        placement=own["def"],
        lef=tuple(map(Path, lef)),
        golden=own["pins"],
        black_box=bool(record.get("black_box")),
        break_loops=bool(record.get("break_loops")),
    )


def write_failures(folder: Path, failures: Sequence[Sequence[str]]) -> None:
    """Write ``failures.csv``: one row a design that failed, with its step and one line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FAILURE_COLUMNS)
    writer.writerows(failures)
    write_atomic(folder / FAILURES, text.getvalue())
