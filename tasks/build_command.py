"""``circuitgraph build``: a corpus from folders of netlists, AIGs and RTL."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circuitgraph.corpus_build import FAILURES, BuildOptions, Built, build_corpus
from circuitgraph.errors import CircuitError
from circuitgraph.families import read_rules
from tasks.table import text_table

Say = Callable[[str], None]
SHOWN = 20
"""Failures that are printed; the file holds all."""


def build_command(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Build a corpus, one shard of it, or merge what shards made; exit 1 where something failed."""
    told = _options(options)
    if options.cluster:
        if told.shard is not None or told.merge_only:
            raise CircuitError("--cluster", "shards", "are made by the cluster itself", "leave --shard and --merge out")
        from circuitgraph.cluster import build_on_cluster

        built = build_on_cluster(options.inputs, options.output, told, options.workers, say)
    else:
        built = build_corpus(options.inputs, options.output, told, say)
    for source, top, reason in built.failures[:SHOWN]:
        say(f"failed: {source}{f' ({top})' if top else ''}: {reason}")
    if len(built.failures) > SHOWN:
        say(f"failed: {len(built.failures) - SHOWN:,} more, see {Path(options.output) / FAILURES}")
    if told.shard is not None:
        index, count = told.shard
        text = f"shard {index}/{count}: {built.items:,} items, {built.made:,} made now; when all are through: --merge"
        return {"shard": index, "shards": count, "items": built.items, "made": built.made, "text": text}
    return {**built.about, "items": built.items, "made": built.made, "text": _text(options.output, built)} | {
        "exit": int(bool(built.failures))
    }


def _options(options: argparse.Namespace) -> BuildOptions:
    """The options in their types and limits.

    Raises:
        CircuitError: a value is wrong.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = options.jobs or cores
    for name, value in (("--jobs", jobs), ("--max-cells", options.max_cells), ("--workers", options.workers)):
        if value < 0 or (name != "--max-cells" and value < 1):
            raise CircuitError(name, str(value), "is too small", "give a whole number from 1")
    if not 0 <= options.time_limit < 1e6:
        raise CircuitError(
            "--time-limit", f"{options.time_limit:g}", "must lie between 0 and 1,000,000 s", "0 is no limit"
        )
    return BuildOptions(
        jobs=jobs,
        shard=_shard(options.shard) if options.shard else None,
        merge_only=options.merge,
        liberty=tuple(options.liberty),
        map_rtl=options.map,
        max_cells=options.max_cells,
        time_limit=options.time_limit,
        split=_split(options.split),
        seed=options.seed,
        families=read_rules(options.families) if options.families else {},
        force=options.force,
        retry=options.retry,
    )


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        rule = "must be i/n with i from 0 to n - 1"
        raise CircuitError("--shard", repr(text), rule, "for four shards 0/4, 1/4, 2/4, 3/4")
    return int(index), int(count)


def _split(text: str) -> tuple[float, ...]:
    parts = text.split("/")
    try:
        shares = tuple(float(part) for part in parts)
    except ValueError:
        shares = ()
    if len(shares) != 3 or min(shares) < 0 or not 0 < sum(shares) < 1e9:
        raise CircuitError("--split", repr(text), "must be three shares", "train/validation/test, for example 70/15/15")
    return shares


def _text(output: str, built: Built) -> str:
    """What people see at the end: suites, splits, what was left out."""
    about = built.about
    names = {"files": "files", "aig": "AIGs", "netlist": "netlists", "doubles": "doubles", "failed": "failed"}
    rows: list[dict[str, object]] = [
        {"suite": suite, **{title: counts.get(name, 0) for name, title in names.items()}}
        for suite, counts in about["suites"].items()
    ]
    total = {
        title: sum(int(counts.get(name, 0)) for counts in about["suites"].values()) for name, title in names.items()
    }
    first = text_table([*rows, {"suite": "all", **total}], output)
    splits: list[dict[str, object]] = [{"split": split, **counts} for split, counts in about["splits"].items()]
    lines = [
        first,
        "",
        text_table(splits, f"{about['families']:,} families, {about['joins']['signature']} joined by signature"),
    ]
    skipped = sum(about["skipped"].values())
    lines += ["", f"{built.made:,} of {built.items:,} files read now; {skipped:,} files hold no circuit of their own"]
    if about["empty"]:
        lines.append(f"{about['empty']:,} circuits without a cell were left out")
    return "\n".join(lines)
