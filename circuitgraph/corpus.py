"""Corpora: an index with families and splits, and a cache of views keyed by content.

A corpus is a folder with a ``MANIFEST.csv`` whose rows name files with sha256, kind, design, family and split. Views are
cached as safetensors files (no pickle) under a key made of the bytes of all input files, the options, the
version of the code and the view's version: a changed file, option or version is another key.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import circuitgraph
from circuitgraph.checks import check
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError, nearest
from circuitgraph.files import atomic_path, hash_bytes, read_bytes
from circuitgraph.views.view import VIEW_VERSION, Feature, View

MANIFEST = "MANIFEST.csv"
CACHE_VERSION = 2
"""Part of every cache key beside the view's version; raised when a cached file holds more or less."""
COLUMNS = ("file", "sha256", "bytes", "licence", "made", "kind", "design", "family", "split")
BUILT = "circuits"
"""Folder of a built corpus whose files are named by their content, so that a circuit's name is its design's."""
SPLITS = ("train", "validation", "test")
NO_PART_OF_VERSION = frozenset(
    ("pyg.py", "sampling.py", "launch.py", "corpus_build.py", "corpus_pool.py", "cluster.py", "families.py")
)
"""Files of this package that no cached circuit, view or item depends on."""
ARRAYS = (
    "node_kind",
    "features",
    "edge_index",
    "edge_relation",
    "edge_features",
    "level",
    "order",
    "unit",
    "cell",
    "pin",
    "net",
    "port",
)


@dataclass(frozen=True)
class Entry:
    """One row of the index; ``top`` names the module of a Verilog file that holds several, else it is ""."""

    file: str
    sha256: str
    kind: str
    design: str
    family: str
    split: str
    top: str = ""
    licence: str = ""


class Corpus:
    """A folder of circuits with an index.

    Args:
        folder: holds MANIFEST.csv.
        cache: folder of cached views; None for the user's cache folder, "" for none.

    Raises:
        CircuitError: there is no index, a row is incomplete, or a family stands in two splits.
    """

    def __init__(self, folder: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder)
        self.cache = cache_folder() if cache is None else (Path(cache) if cache else None)
        self.lines: list[str] = []
        self.index = self._read_index()

    def _read_index(self) -> list[Entry]:
        path = self.folder / MANIFEST
        if not path.is_file():
            raise CircuitError(str(self.folder), "corpus", f"has no {MANIFEST}", "name a folder that has one")
        try:
            rows = list(csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8"))))
        except (UnicodeDecodeError, csv.Error) as error:
            rule = "is no UTF-8" if isinstance(error, UnicodeDecodeError) else f"is no CSV ({error})"
            raise CircuitError(str(path), "index", rule, "write it again") from None
        wanted = ("file", "sha256", "kind", "design", "family", "split")
        found: list[Entry] = []
        split_of: dict[str, str] = {}
        for number, row in enumerate(rows, 2):
            place = f"{MANIFEST}:{number}"
            missing = [name for name in wanted if row.get(name) is None]
            if missing:
                raise CircuitError(
                    place, f"column {missing[0]!r}", "is missing", f"the columns are {', '.join(wanted)}"
                )
            own = {name: row[name] for name in wanted} | {name: row.get(name) or "" for name in ("top", "licence")}
            entry = Entry(**own)
            if ".." in Path(entry.file).parts or Path(entry.file).is_absolute():
                raise CircuitError(place, f"file {entry.file!r}", "leaves the corpus", "name files inside the folder")
            if entry.split and entry.split not in SPLITS:
                way_out = nearest(entry.split, SPLITS, f"use {', '.join(SPLITS)}")
                raise CircuitError(place, f"split {entry.split!r}", "is unknown", way_out)
            if entry.family and entry.split:
                first = split_of.setdefault(entry.family, entry.split)
                if first != entry.split:
                    raise CircuitError(
                        place,
                        f"family {entry.family!r}",
                        f"is in {first} and in {entry.split}",
                        "keep a family in one split",
                    )
            found.append(entry)
        return found

    def entries(self, split: str | None = None, kinds: Sequence[str] = ("netlist", "aig")) -> list[Entry]:
        """Rows of the given kinds and split, in the order of the index."""
        return [row for row in self.index if row.kind in kinds and (split is None or row.split == split)]

    def families(self, kinds: Sequence[str] = ("netlist", "aig")) -> dict[str, str]:
        """Split of each family."""
        return {row.family: row.split for row in self.entries(kinds=kinds)}

    def path(self, entry: Entry) -> Path:
        """Path of a row's file."""
        return self.folder / entry.file

    @cached_property
    def library_files(self) -> list[Path]:
        """Liberty files of the corpus."""
        return [self.path(row) for row in self.index if row.kind == "library" and row.file.split(".")[1:2] == ["lib"]]

    @cached_property
    def _libraries_hash(self) -> str:
        """Of the bytes of all Liberty files, read once as the library itself is."""
        return hash_bytes(*(read_bytes(path) for path in self.library_files))

    @cached_property
    def library(self) -> Any:
        """The library of the corpus's netlists, or None where it has none."""
        from circuitgraph.formats import read
        from circuitgraph.library import Library

        if not self.library_files:
            return None
        return Library.merged([read(path, format="liberty") for path in self.library_files])

    def circuit(self, entry: Entry) -> Circuit:
        """The circuit of a row; netlists are read with the corpus's library."""
        from circuitgraph.formats import read
        from circuitgraph.formats.detect import detect

        path = self.path(entry)
        found: Circuit
        if detect(path).name == "verilog":
            found = read(path, library=self.library, top=entry.top or None)
        else:
            found = read(path)
        return replace(found, name=entry.design) if path.parent.name == BUILT else found

    def key(self, entry: Entry, view: str, break_loops: bool = False) -> str:
        """Key of a cached view: bytes of all inputs, options, the code that reads and views, the view's version."""
        inputs = [read_bytes(self.path(entry)), self._libraries_hash.encode()]
        options = {"view": view, "name": entry.file, "code": circuitgraph.__version__, "version": VIEW_VERSION}
        options |= {"break_loops": break_loops, "cache": CACHE_VERSION, "top": entry.top, "design": entry.design}
        options |= {"source": code_version()}
        return hash_bytes(json.dumps(options).encode(), *inputs)

    def view(self, entry: Entry, view: str = "logic", break_loops: bool = False) -> View:
        """A view of a row's circuit, from the cache where it is there and whole.

        Its ``extra`` holds ``check.NAME``, int64 [1], for each check that fails.

        Raises:
            CircuitError: as the reader and the view.
        """
        from circuitgraph.formats.detect import function_of
        from circuitgraph.views import VIEWS

        if view not in VIEWS:
            raise CircuitError("view", repr(view), "is unknown", nearest(view, VIEWS, f"use {', '.join(VIEWS)}"))
        path = None if self.cache is None else self.cache / f"{self.key(entry, view, break_loops)}.safetensors"
        if path is not None and path.is_file():
            try:
                return load_view(path)
            except CircuitError as error:
                self.lines.append(f"{error}; it is made again")
        circuit = self.circuit(entry)
        make = function_of(VIEWS[view])
        side = (self.library,) if view == "timing" else ()
        made: View = make(circuit, *side, break_loops=break_loops)
        failed = {f"check.{found.name}": np.array([found.count]) for found in check(circuit)}
        made = replace(made, extra={**made.extra, **failed})
        if path is not None:
            try:
                save_view(made, path)
            except CircuitError as error:
                self.lines.append(f"{error}; going on without the cache (CIRCUITGRAPH_CACHE names another folder)")
        return made


@lru_cache(maxsize=1)
def code_version(folder: str | os.PathLike[str] | None = None) -> str:
    """sha256 of the source of everything that reads, checks and views circuits: changed code is another version.

    Args:
        folder: of the package; None for this one.
    """
    home = Path(circuitgraph.__file__).parent if folder is None else Path(folder)
    files = sorted(path for path in home.rglob("*.py") if path.name not in NO_PART_OF_VERSION)
    parts = [part for path in files for part in (path.relative_to(home).as_posix().encode(), path.read_bytes())]
    return hash_bytes(*parts)


def cache_folder() -> Path:
    """Where views are cached: CIRCUITGRAPH_CACHE, or the user's cache folder."""
    named = os.environ.get("CIRCUITGRAPH_CACHE")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "circuitgraph" / "views"


def save_view(view: View, path: str | os.PathLike[str]) -> None:
    """Write a view as one safetensors file: columns as tensors, the rest as text in its header."""
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(getattr(view, name)) for name in ARRAYS}
    if view.edge_arc is not None:
        arrays["edge_arc"] = np.ascontiguousarray(view.edge_arc)
    for name, column in view.extra.items():
        arrays[f"extra.{name}"] = np.ascontiguousarray(column)
    about = {
        "kind": view.kind,
        "graph_id": view.graph_id,
        "name": view.name,
        "relations": view.relations,
        "ordering": view.ordering,
        "features": [asdict(row) for row in view.feature_table],
        "edge_features": [asdict(row) for row in view.edge_feature_table],
        "version": VIEW_VERSION,
    }
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={"view": json.dumps(about)})


def load_view(path: str | os.PathLike[str]) -> View:
    """Read what :func:`save_view` wrote.

    Raises:
        CircuitError: the file is truncated, foreign or of another version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("view", "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if not isinstance(about, dict) or about["version"] != VIEW_VERSION:
            raise KeyError("version")
        extra = {name.removeprefix("extra."): column for name, column in arrays.items() if name.startswith("extra.")}
        return View(
            kind=about["kind"],
            graph_id=int(about["graph_id"]),
            name=about["name"],
            relations=tuple(about["relations"]),
            ordering=tuple(about["ordering"]),
            feature_table=_features(about["features"]),
            edge_feature_table=_features(about["edge_features"]),
            edge_arc=arrays.get("edge_arc"),
            extra=extra,
            **{name: arrays[name] for name in ARRAYS},
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CircuitError(Path(path).name, "cached view", f"is damaged or foreign ({error})", "delete it") from None


def _features(rows: Iterable[dict[str, str]]) -> tuple[Feature, ...]:
    return tuple(Feature(**row) for row in rows)


def shipped_folder() -> Path:
    """The folder of the shipped corpus: CIRCUITGRAPH_DATA, or ``data/`` beside the packages.

    Raises:
        CircuitError: it is not there (a wheel does not hold it).
    """
    named = os.environ.get("CIRCUITGRAPH_DATA")
    folder = Path(named) if named else Path(circuitgraph.__file__).resolve().parents[1] / "data"
    if not (folder / MANIFEST).is_file():
        raise CircuitError(
            str(folder),
            "shipped corpus",
            f"has no {MANIFEST} here",
            "work in a clone, or set CIRCUITGRAPH_DATA to its data folder",
        )
    return folder
