"""Build a corpus from folders of netlists, AIGs and RTL: parallel, resumable, idempotent, in shards.

| in the corpus | holds |
|---|---|
| MANIFEST.csv | one row a circuit: file, family, split, source, counts, signatures; written last |
| circuits/ | files named by the hash of their content |
| library/ | Liberty files of the netlists |
| failures.csv | one row a failure: file, module, the line that says why |
| items/ | one record a file that was read, named by what decides it; a second run starts from them |
| build.json | options, versions, counts, seconds |

A run does the items that have no record, then writes the rest from the records in the order of the sources: a run that
was killed and started again ends in the same files as one that was not. A shard does its share of the items only.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from circuitgraph import __version__
from circuitgraph.corpus import BUILT, MANIFEST, SPLITS, code_version
from circuitgraph.corpus_items import (
    DIED,
    ITEMS,
    NAME_DIGITS,
    TIME,
    Made,
    Record,
    Task,
    item_key,
    read_record,
    record_path,
    write_record,
)
from circuitgraph.corpus_pool import run_pool
from circuitgraph.corpus_sources import CircuitFile, Found, find_sources
from circuitgraph.errors import CircuitError
from circuitgraph.families import Families, Member, merge_families
from circuitgraph.files import folder_lock, hash_bytes, hash_file, read_bytes, write_atomic

ABOUT = "build.json"
FAILURES = "failures.csv"
LIBRARY = "library"
WORK = ".work"
ITEM = "circuitgraph.corpus_items:make_item"
COLUMNS = (
    "file",
    "sha256",
    "kind",
    "design",
    "family",
    "split",
    "source",
    "suite",
    "licence",
    "made",
    "top",
    "doubles",
)
COUNTS = ("bytes", "inputs", "outputs", "latches", "cells", "nets", "levels", "opaque", "checks", "named", "anonymous")
SAY_EVERY = 15.0
"""s between two lines of progress."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class BuildOptions:
    """What a build is told.

    | field | meaning |
    |---|---|
    | jobs | worker processes |
    | shard | (i, n): only items with index % n == i, no MANIFEST; None for all |
    | merge_only | make no item; write the MANIFEST from the records |
    | liberty | Liberty files of the netlists' cells |
    | map_rtl | also map RTL to the first Liberty file |
    | max_cells | circuits above are listed as failed; 0 for no limit |
    | time_limit | s of one item, 0 for none |
    | split | shares of train, validation, test |
    | seed | of the splits |
    | families | rules of :func:`circuitgraph.families.read_rules` |
    | force | make every item again |
    | retry | make the items again that failed |
    """

    jobs: int = 1
    shard: tuple[int, int] | None = None
    merge_only: bool = False
    liberty: tuple[str, ...] = ()
    map_rtl: bool = False
    max_cells: int = 0
    time_limit: float = 120.0
    split: tuple[float, ...] = (70.0, 15.0, 15.0)
    seed: int = 0
    families: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    force: bool = False
    retry: bool = False


@dataclass
class Built:
    """What a build did: counts for people and machines, and the rows of what failed."""

    items: int = 0
    made: int = 0
    missing: int = 0
    failures: list[tuple[str, str, str]] = field(default_factory=list)  # source, top, reason
    about: dict[str, Any] = field(default_factory=dict)


def build_corpus(
    inputs: Sequence[str | Path], output: str | Path, options: BuildOptions | None = None, say: Say = lambda _: None
) -> Built:
    """Build a corpus, or do one shard of it.

    Args:
        inputs: folders, archives, files, other corpora (their families keep their splits).
        output: folder of the corpus; the same call goes on where a killed one stopped.
        options: defaults of :class:`BuildOptions`.
        say: is told of progress and of what is done again.

    Raises:
        CircuitError: an input is not there, the folder is in use or holds something else, or items are missing when
            only a merge is asked for.

    Example:
        ``build_corpus(["netlists"], "corpus", BuildOptions(jobs=4), print)``.
    """
    options = options or BuildOptions()
    folder = Path(output)
    if any(Path(given).resolve() == folder.resolve() for given in inputs):
        raise CircuitError(str(output), "output folder", "is one of the inputs", "choose another folder with -o")
    started = time.monotonic()
    with _held(folder, options.shard) as work:
        found = find_sources(inputs, work / "unpacked", folder)
        if not found.files and not found.failures:
            raise CircuitError(str(inputs[0]), "input", "holds no file of circuits", "name the folder that has them")
        libraries = _keep_libraries(folder, [*options.liberty, *map(str, found.libraries)])
        decides = _decides(folder, options, libraries, say)
        keys = [_key(file, decides) for file in found.files]
        mine = [row for row in range(len(keys)) if options.shard is None or row % options.shard[1] == options.shard[0]]
        records = {} if options.force else _records(folder, [keys[row] for row in mine], options, say)
        todo = list({keys[row]: row for row in reversed(mine) if keys[row] not in records}.values())[::-1]
        built = Built(items=len({keys[row] for row in mine}))
        if options.merge_only:
            _refuse_missing([found.files[row].name for row in todo])
        else:
            _do(folder, [(found.files[row], keys[row]) for row in todo], decides, options, say, work / "temporary")
            built.made = len(todo)
        if options.shard is None:
            records |= _records(folder, [keys[row] for row in todo], None, say)
            _refuse_missing([found.files[row].name for row in todo if keys[row] not in records])
            _merge(folder, found, keys, records, options, built, libraries, say)
            built.about["seconds"] = round(time.monotonic() - started, 1)
            write_atomic(folder / ABOUT, json.dumps(built.about, indent=1) + "\n")
        return built


@contextmanager
def _held(folder: Path, shard: tuple[int, int] | None) -> Iterator[Path]:
    """Hold the corpus: a whole build alone, shards beside each other; gives a folder for what is temporary.

    Raises:
        CircuitError: another process holds it, or the folder holds something that build did not make.
    """
    if folder.is_dir() and not (folder / ITEMS).is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
        rule = f"holds a {MANIFEST} that build did not make" if (folder / MANIFEST).exists() else "is not empty"
        raise CircuitError(str(folder), "output folder", rule, "choose another folder with -o")
    write_folder = folder / ITEMS
    try:
        write_folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CircuitError(
            str(folder), "output folder", f"cannot be written ({reason})", "choose another folder with -o"
        ) from None
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shard else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            raise CircuitError(
                str(folder), "output folder", "is in use by another process", "wait for it, or choose another with -o"
            ) from None
        work = folder / WORK / (f"{shard[0]}-of-{shard[1]}" if shard else "whole")
        with folder_lock(work):
            _clear(work)
            try:
                yield work
            finally:
                _clear(work)


def _clear(work: Path) -> None:
    """Remove what a run, perhaps a killed one, unpacked or left."""
    for name in ("unpacked", "temporary"):
        shutil.rmtree(work / name, ignore_errors=True)


def _keep_libraries(folder: Path, files: Sequence[str]) -> list[str]:
    """Copy Liberty files into the corpus under the hash of their content; gives their paths in it, in order."""
    kept: dict[str, None] = {}
    for file in files:
        data = read_bytes(file)
        name = f"{LIBRARY}/{hash_bytes(data)[:NAME_DIGITS]}.lib"
        if not (folder / name).is_file() or (folder / name).read_bytes() != data:
            write_atomic(folder / name, data)
        kept[name] = None
    return list(kept)


def _decides(folder: Path, options: BuildOptions, libraries: Sequence[str], say: Say) -> dict[str, Any]:
    """The options that decide what an item becomes."""
    target = ""
    if options.map_rtl:
        from circuitgraph.corpus_items import target_of

        if not options.liberty:
            raise CircuitError("--map", "library", "is not named", "add --liberty")
        target = libraries[0]
        target_of(str(folder), target)
    return {"libraries": list(libraries), "target": target, "max_cells": options.max_cells}


def _key(file: CircuitFile, decides: Mapping[str, Any]) -> str:
    own = dict(decides) if file.format == "verilog" else {**decides, "libraries": [], "target": ""}
    return item_key(file.path.name, file.sha256, file.format, file.top, own)


def _records(folder: Path, keys: Sequence[str], options: BuildOptions | None, say: Say) -> dict[str, Record]:
    """Records that are there and whole; *options* decides which failures are tried again (None: none)."""
    found: dict[str, Record] = {}
    for key in dict.fromkeys(keys):
        try:
            record = read_record(folder, key)
        except CircuitError as error:
            say(f"{error}; it is made again")
            continue
        if record is None:
            continue
        if options is not None and record.failures:
            longer = record.cause == TIME and (not options.time_limit or record.time_limit < options.time_limit)
            if options.retry or longer:
                continue
        found[key] = record
    return found


def _refuse_missing(names: Sequence[str]) -> None:
    if names:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        raise CircuitError(
            names[0] + more,
            "items",
            f"{len(names):,} are missing",
            "run the shards that lack, or build without --merge",
        )


def _do(
    folder: Path,
    todo: Sequence[tuple[CircuitFile, str]],
    decides: Mapping[str, Any],
    options: BuildOptions,
    say: Say,
    temporary: Path,
) -> None:
    """Make items in worker processes; an item without an answer gets a record that says why."""
    tasks = [
        asdict(
            Task(
                key=key,
                path=str(file.path.resolve()),
                format=file.format,
                folder=str(folder.resolve()),
                parts=tuple(str(part.resolve()) for part in file.parts),
                top=file.top,
                libraries=tuple(decides["libraries"]),
                target=decides["target"],
                max_cells=decides["max_cells"],
                time_limit=options.time_limit,
            )
        )
        for file, key in todo
    ]
    for key in (key for _, key in todo):
        record_path(folder, key).unlink(missing_ok=True)
    names = [file.name for file, _ in todo]
    progress = _Progress(len(tasks), say)
    for outcome in run_pool(ITEM, tasks, max(1, options.jobs), options.time_limit, say, names, temporary):
        if outcome.answer is None:
            cause = TIME if outcome.cause == "time" else DIED
            way_out = "raise --time-limit" if cause == TIME else "build it on a larger machine, or leave it out"
            error = CircuitError(Path(names[outcome.task]).name, "file", outcome.words, way_out)
            record = Record(todo[outcome.task][1], [], [("", str(error))], cause=cause, time_limit=options.time_limit)
            write_record(folder, record)
        progress.step()
    progress.end()


class _Progress:
    """Lines with rate and time left, not more often than :data:`SAY_EVERY`."""

    def __init__(self, total: int, say: Say) -> None:
        self.total, self.say, self.done = total, say, 0
        self.started = self.said = time.monotonic()

    def step(self) -> None:
        """One item is through."""
        self.done += 1
        now = time.monotonic()
        if now - self.said >= SAY_EVERY and self.done < self.total:
            self.said = now
            rate = self.done / (now - self.started)
            left = (self.total - self.done) / rate
            share = 100 * self.done // self.total
            self.say(
                f"build: {self.done:,} of {self.total:,} items ({share} %), {rate:.1f} a second, {left:.0f} s left"
            )

    def end(self) -> None:
        """All are through."""
        if self.total:
            self.say(f"build: {self.total:,} items in {time.monotonic() - self.started:.0f} s")


# -- from records to the corpus ------------------------------------------------------------------


@dataclass
class _Row:
    """One circuit of the corpus and the first file that gave it."""

    file: CircuitFile
    made: Made
    members: list[int]


def _merge(
    folder: Path,
    found: Found,
    keys: Sequence[str],
    records: Mapping[str, Record],
    options: BuildOptions,
    built: Built,
    libraries: Sequence[str],
    say: Say,
) -> None:
    """Write MANIFEST.csv and failures.csv from the records; remove what belongs to no row."""
    rows: dict[str, _Row] = {}
    members: list[Member] = []
    built.failures = [(name, "", reason) for name, reason in found.failures]
    for file, key in zip(found.files, keys, strict=True):
        built.failures += [(file.name, top, reason) for top, reason in records[key].failures]
        for made in records[key].circuits:
            rows.setdefault(made.file, _Row(file, made, [])).members.append(len(members))
            members.append(_member(file, made))
    built.failures.sort()
    families = merge_families(_with_one_file(members, rows), options.seed, options.split, options.families)
    for line in families.lines:
        say(line)
    table = [_cells(row, families) for row in rows.values()]
    table += [_library_cells(folder, name) for name in libraries]
    head = (*COLUMNS, *COUNTS)
    write_atomic(folder / MANIFEST, _csv(head, [[row.get(name, "") for name in head] for row in table]))
    write_atomic(folder / FAILURES, _csv(("file", "top", "reason"), built.failures))
    removed = _remove_strangers(folder, set(rows), set(keys), set(libraries))
    empty = sum(record.empty for record in records.values())
    built.about = _about(found, list(rows.values()), table, families, built, options, len(members), empty, removed)


def _member(file: CircuitFile, made: Made) -> Member:
    """A circuit for the families: signatures of circuits of different sizes never join (latches count as cut)."""
    sizes = f"{made.inputs + made.latches} {made.outputs + made.latches}"
    return Member(
        source=file.name,
        name=file.design or made.name,
        suite=file.suite,
        family=file.family,
        split=file.split if file.listed else "",
        cells=made.cells,
        signatures=tuple(f"{sizes} {text}" for text in (made.named, made.anonymous) if text),
    )


def _with_one_file(members: Sequence[Member], rows: Mapping[str, _Row]) -> list[Member]:
    """The members; those that share a file share a signature, so that they are one family whatever their size."""
    changed = list(members)
    for name, row in rows.items():
        if len(row.members) > 1:
            for place in row.members:
                changed[place] = replace(members[place], same_file=name)
    return changed


def _cells(row: _Row, families: Families) -> dict[str, Any]:
    first = row.members[0]
    return {
        **asdict(row.made),
        "design": row.file.design or row.made.name,
        "family": families.family[first],
        "split": families.split[first],
        "source": row.file.name,
        "suite": row.file.suite,
        "licence": row.file.licence,
        "doubles": len(row.members) - 1,
    }


def _library_cells(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    return {"file": name, "sha256": hash_file(path), "bytes": path.stat().st_size, "kind": "library"}


def _csv(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def _remove_strangers(folder: Path, circuits: set[str], keys: set[str], libraries: set[str]) -> int:
    """Remove circuits, records and libraries of other inputs, options or code, and parts of files that were killed."""
    wanted = {folder / name for name in (*circuits, *libraries)} | {record_path(folder, key) for key in keys}
    strangers = [
        path
        for home in (BUILT, ITEMS, LIBRARY)
        if (folder / home).is_dir()
        for path in (folder / home).iterdir()
        if path not in wanted and path.is_file()
    ]
    strangers += [path for path in folder.glob(".*.part") if path.is_file()]
    for path in strangers:
        path.unlink()
    return len(strangers)


def _about(
    found: Found,
    rows: Sequence[_Row],
    table: Sequence[Mapping[str, Any]],
    families: Families,
    built: Built,
    options: BuildOptions,
    circuits: int,
    empty: int,
    removed: int,
) -> dict[str, Any]:
    """What build.json holds."""
    suites: dict[str, Counter[str]] = {}
    suite_of = {file.name: file.suite for file in found.files}
    for file in found.files:
        suites.setdefault(file.suite, Counter())["files"] += 1
    for row in rows:
        suites[row.file.suite][row.made.kind] += 1
        suites[row.file.suite]["doubles"] += len(row.members) - 1
    for source, _, _ in built.failures:
        suites.setdefault(suite_of.get(source, "unread"), Counter())["failed"] += 1
    own = [row for row in table if row["kind"] != "library"]
    splits = {
        split: {
            "circuits": sum(row["split"] == split for row in own),
            "cells": sum(int(row["cells"]) for row in own if row["split"] == split),
            "families": len({row["family"] for row in own if row["split"] == split}),
        }
        for split in SPLITS
    }
    kept = {key: value for key, value in asdict(options).items() if key not in {"jobs", "force", "retry", "merge_only"}}
    return {
        "status": "done",
        "options": {**kept, "families": len(options.families)},
        "version": __version__,
        "code": code_version(),
        "files": len(found.files),
        "circuits": len(own),
        "doubles": circuits - len(own),
        "empty": empty,
        "failures": len(built.failures),
        "skipped": dict(sorted(found.skipped.items())),
        "families": len(set(families.family)),
        "joins": dict(families.joins),
        "suites": {suite: dict(counts) for suite, counts in sorted(suites.items())},
        "splits": splits,
        "removed": removed,
    }
