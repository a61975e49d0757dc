"""Run folders: recipe, metrics, checkpoints, what was run with what; locked, resumable, written atomically."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from circuitgraph.errors import CircuitError
from circuitgraph.files import folder_lock, write_atomic

PACKAGES = ("circuitgraph-learn", "torch", "torch-geometric", "lightning", "numpy", "numba")


class Run:
    """One run folder.

    | file | holds |
    |---|---|
    | recipe.toml | the recipe, every default written out |
    | metrics.csv | one row a logged step |
    | checkpoints/ | the last state to resume from, and the result |
    | run.json | status, seed, versions, content_hashes, seconds, metrics |
    | events/ | TensorBoard |
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.rows: list[dict[str, Any]] = []
        self.started = time.monotonic()
        self.before = 0.0

    @contextmanager
    def open(self, recipe: str, seed: int, hashes: Mapping[str, str], threads: int) -> Iterator[Run]:
        """Hold the folder; refuse one of another recipe. Of several processes that train together the first holds it.

        Raises:
            CircuitError: another process holds it, or it belongs to another recipe.
        """
        self.about = {"seed": seed, "versions": versions(), "threads": threads, "content_hashes": dict(hashes)}
        if processes()[0]:
            yield self
            return
        with folder_lock(self.folder):
            kept = self.folder / "recipe.toml"
            if kept.is_file() and kept.read_text() != recipe:
                raise CircuitError(
                    str(self.folder),
                    "run folder",
                    "holds a run of another recipe or seed",
                    "choose another folder with -o",
                )
            write_atomic(kept, recipe)
            state = self.read()
            begun = state.get("content_hashes")
            if begun is not None and begun != dict(hashes):
                raise CircuitError(
                    str(self.folder), "run folder", "was begun on other circuits", "choose another folder with -o"
                )
            self.before = float(state.get("seconds", {}).get("wall", 0.0)) if state else 0.0
            if self.status() != "done":
                self.write("running", {})
            yield self

    def read(self) -> dict[str, Any]:
        """What run.json says, or nothing."""
        path = self.folder / "run.json"
        if not path.is_file():
            return {}
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except ValueError:
            return {}
        return found

    def status(self) -> str:
        """What run.json says: new, running (perhaps killed) or done."""
        return str(self.read().get("status", "new"))

    def write(self, status: str, metrics: Mapping[str, Any]) -> None:
        """Write run.json."""
        if processes()[0]:
            return
        seconds = {
            "wall": round(self.before + time.monotonic() - self.started, 3),
            "cpu": round(time.process_time(), 3),
        }
        about = {"status": status, **self.about, "seconds": seconds, "metrics": dict(metrics)}
        write_atomic(self.folder / "run.json", json.dumps(finite(about), indent=1, allow_nan=False) + "\n")

    def log(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Keep a row of metrics; :meth:`write_metrics` puts them on disk."""
        self.rows.append({"step": step, "epoch": epoch, **{name: float(value) for name, value in values.items()}})

    def write_metrics(self) -> None:
        """Write metrics.csv; columns in the order of their first use."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _number(value) for name, value in row.items()} for row in self.rows)
        write_atomic(self.folder / "metrics.csv", text.getvalue())

    @property
    def checkpoint(self) -> Path:
        """Stem of the state to resume from."""
        return self.folder / "checkpoints" / "last"


def processes() -> tuple[int, int]:
    """Rank and number of the processes that train together, as ``torchrun`` says; (0, 1) alone."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def finite(value: Any) -> Any:
    """A nested plain value as JSON can hold it: NaN and infinities become null.

    >>> finite({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> Any:
    return f"{value:.9g}" if isinstance(value, float) else value


def versions() -> dict[str, str]:
    """Versions of what decides the bits of a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
