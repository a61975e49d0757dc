"""Shards of a corpus on a Ray cluster: the same shards that ``--shard i/n`` does, several at a time.

Ray repeats a task whose machine died; that is safe, because a shard skips what has a record and writes by renaming.
Only counts travel through Ray. All machines must see the inputs and the corpus under the same paths.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from circuitgraph.corpus_build import BuildOptions, Built, build_corpus
from circuitgraph.errors import CircuitError

OBJECT_STORE = 128 << 20
"""Bytes of Ray's shared memory on one machine: only counts travel."""


def build_on_cluster(
    inputs: Sequence[str | Path],
    output: str | Path,
    options: BuildOptions,
    workers: int,
    say: Callable[[str], None] = lambda _: None,
) -> Built:
    """Do *workers* shards as Ray tasks, then write the index here.

    The cluster is the one that RAY_ADDRESS names, else one is started on this machine, on loopback.

    Args:
        inputs, output, options: as :func:`circuitgraph.corpus_build.build_corpus`; ``jobs`` is of one shard.
        workers: number of shards.

    Raises:
        CircuitError: Ray is not installed, a shard failed, or as :func:`circuitgraph.corpus_build.build_corpus`.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise CircuitError(
            "--cluster", "ray", "is not installed", "pip install 'circuitgraph-learn[cluster]', or use --shard i/n"
        ) from None
    paths = [str(Path(path).resolve()) for path in inputs]
    target = str(Path(output).resolve())
    started = not ray.is_initialized()
    if started:
        _start(ray)
    try:
        shard = ray.remote(num_cpus=1, max_retries=3)(_shard)
        tasks = [shard.remote(paths, target, replace(options, shard=(row, workers))) for row in range(workers)]
        for row, task in enumerate(tasks):
            try:
                items, made, lines = ray.get(task)
            except ray.exceptions.RayTaskError as error:
                raise _of_shard(error, row, workers) from None
            except ray.exceptions.RayError as error:
                name = type(error).__name__
                raise CircuitError(
                    "--cluster", f"shard {row}/{workers}", f"is lost ({name})", "give the same command again"
                ) from None
            for line in lines:
                say(f"shard {row}/{workers}: {line}")
            say(f"shard {row}/{workers}: {items:,} items, {made:,} made")
    finally:
        if started:
            ray.shutdown()
    return build_corpus(inputs, output, replace(options, merge_only=True, force=False, retry=False), say)


def _start(ray: Any) -> None:
    """Join the cluster of RAY_ADDRESS, or start one here that nobody else can reach."""
    common = {"log_to_driver": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(address="auto", **common)
        return
    ray.init(include_dashboard=False, object_store_memory=OBJECT_STORE, _node_ip_address="127.0.0.1", **common)


def _shard(inputs: Sequence[str], output: str, options: BuildOptions) -> tuple[int, int, list[str]]:
    """One shard, on whichever machine Ray chose: items, how many were made, what was said."""
    lines: list[str] = []
    built = build_corpus(inputs, output, options, lines.append)
    return built.items, built.made, lines


def _of_shard(error: Any, row: int, workers: int) -> CircuitError:
    """The error that a shard raised, as it was raised."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, CircuitError):
        return cause
    rule = f"failed ({type(cause or error).__name__}: {cause or error})"
    return CircuitError("--cluster", f"shard {row}/{workers}", rule, "give the same command again")
