"""One item of a corpus that is built: a file of circuits becomes content-addressed files and a record of them.

The record is named by a hash of everything that decides it: the bytes of the file, the options, the source of the
code and the version of Yosys. A second run finds it and does nothing; changed code or options never find it. Files and
records are written under a temporary name and renamed, so a record that is there is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.checks import check
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.corpus import BUILT, code_version
from circuitgraph.corpus_sources import BEHAVIOUR, modules_of
from circuitgraph.errors import CircuitError
from circuitgraph.files import hash_bytes, read_bytes, stem_of, write_atomic

ITEMS = "items"
RECORD_VERSION = 1
NAME_DIGITS = 32
NO_LIMIT = 1e6
"""s: what a program gets that has no time limit."""
INPUT, TIME, DIED = "input", "time", "died"
"""Why an item failed: the file or the request, the time limit, or its worker process ended twice."""


@dataclass(frozen=True)
class Task:
    """What a worker needs to make one item; plain values, so that it travels as JSON.

    | field | meaning |
    |---|---|
    | key | of the record |
    | path, parts | files that are read |
    | format, top | word of the table of formats; module of a Verilog file, or "" |
    | folder | the corpus |
    | libraries | Liberty files of netlists, paths inside the corpus |
    | target | Liberty file that RTL is mapped to, or "" |
    | max_cells, time_limit | most cells of a circuit; s |
    """

    key: str
    path: str
    format: str
    folder: str
    parts: tuple[str, ...] = ()
    top: str = ""
    libraries: tuple[str, ...] = ()
    target: str = ""
    max_cells: int = 0
    time_limit: float = 0.0


@dataclass(frozen=True)
class Made:
    """One circuit of an item.

    | field | meaning |
    |---|---|
    | file, sha256, bytes | inside the corpus |
    | kind | "aig" (ANDs and latches only) or "netlist" |
    | name, top | of the circuit; module to read where the file holds several, else "" |
    | made | how: "read" or which synthesis |
    | inputs ... nets | counts; ``cells`` counts latches too |
    | levels | most cells on a combinational path, -1 where directions are unknown |
    | opaque | cells whose type is in no library |
    | checks | the checks that fail and how often |
    | named, anonymous | simulation signatures, "" where a cell's function is unknown |
    """

    file: str
    sha256: str
    bytes: int
    kind: str
    name: str
    top: str
    made: str
    inputs: int
    outputs: int
    latches: int
    cells: int
    nets: int
    levels: int
    opaque: int
    checks: str
    named: str
    anonymous: str


@dataclass
class Record:
    """What became of one file: its circuits, and what failed with the line that says why."""

    key: str
    circuits: list[Made] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)  # top, reason
    empty: int = 0
    cause: str = ""
    time_limit: float = 0.0
    seconds: float = 0.0
    version: int = RECORD_VERSION


def item_key(name: str, sha256: str, format: str, top: str, options: Mapping[str, Any]) -> str:
    """The key of an item: what it is made of, how, and by which code.

    Args:
        name: last part of the file's path: messages and designs are named after it.
        sha256: of the file and its parts.
        format: word of the table of formats.
        top: module, or "".
        options: those that decide the result.
    """
    decides = {"name": name, "sha256": sha256, "format": format, "top": top, "record": RECORD_VERSION, **options}
    decides |= {"code": code_version(), "pyosys": _pyosys() if format == "verilog" else ""}
    return hash_bytes(json.dumps(decides, sort_keys=True).encode())[:NAME_DIGITS]


@lru_cache(maxsize=1)
def _pyosys() -> str:
    try:
        return version("pyosys")
    except PackageNotFoundError:
        return ""


def record_path(folder: Path, key: str) -> Path:
    """Where the record of an item lies."""
    return folder / ITEMS / f"{key}.json"


def write_record(folder: Path, record: Record) -> None:
    """Write a record in one step."""
    write_atomic(record_path(folder, record.key), json.dumps(asdict(record), indent=1) + "\n")


def read_record(folder: Path, key: str) -> Record | None:
    """The record of an item, or None where there is none.

    Raises:
        CircuitError: the record or a file that it names is truncated or foreign.
    """
    path = record_path(folder, key)
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text())
        circuits = [Made(**row) for row in raw.pop("circuits")]
        failures = [(str(top), str(reason)) for top, reason in raw.pop("failures")]
        record = Record(circuits=circuits, failures=failures, **raw)
        if record.version != RECORD_VERSION or record.key != key:
            raise ValueError("another key or version")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CircuitError(f"{ITEMS}/{path.name}", "record", f"is damaged or foreign ({error})", "delete it") from None
    for made in circuits:
        target = folder / made.file
        if not target.is_file() or hashlib.sha256(target.read_bytes()).hexdigest() != made.sha256:
            raise CircuitError(made.file, "circuit", "is gone, damaged or foreign", "delete it")
    return record


def make_item(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Make one item and write its record; what is wrong with its file is in the record, never raised.

    Args:
        raw: a :class:`Task` as a mapping.

    Returns:
        ``circuits`` and ``failures``, their numbers.
    """
    task = Task(**{**raw, "parts": tuple(raw["parts"]), "libraries": tuple(raw["libraries"])})
    started = time.monotonic()
    record = Record(task.key, time_limit=task.time_limit)
    try:
        _make(task, record)
    except CircuitError as error:
        _fail(record, "", error)
    except MemoryError:
        _fail(
            record, "", CircuitError(Path(task.path).name, "file", "needs more memory", "build it on a larger machine")
        )
    except Exception as error:  # noqa: BLE001 - one bad file must not stop the others; it is named
        rule = f"met a fault of ours ({type(error).__name__}: {error})"
        _fail(record, "", CircuitError(Path(task.path).name, "file", rule, "please report it"))
    record.seconds = round(time.monotonic() - started, 3)
    write_record(Path(task.folder), record)
    return {"circuits": len(record.circuits), "failures": len(record.failures)}


def _fail(record: Record, top: str, error: CircuitError) -> None:
    if "took longer than" in error.rule:
        record.cause = TIME
        error = CircuitError(error.place, error.subject, error.rule, "raise --time-limit, or take a smaller design")
    record.cause = record.cause or INPUT
    record.failures.append((top, str(error)))


def _make(task: Task, record: Record) -> None:
    if task.format == "verilog":
        _make_verilog(task, record)
        return
    from circuitgraph.formats import read

    circuit = read(task.path, format=task.format)
    name = stem_of(task.path)
    if task.format == "aiger":
        _keep_aig(task, record, circuit, name, read_bytes(task.path), "read")
    else:
        _keep(task, record, circuit, name, read_bytes(task.path), f".{task.format}", "", "read")


@dataclass(frozen=True)
class _Tops:
    """Modules of a Verilog file that become circuits: as they are, or by synthesis; whether reading must name them."""

    design: Any
    netlists: tuple[str, ...]
    behavioural: tuple[str, ...]
    must_name: bool


def _make_verilog(task: Task, record: Record) -> None:
    """A netlist gives its tops; what the reader of netlists refuses as behavioural is synthesised."""
    data = read_bytes(task.path)
    tops = _tops(task, data)
    stem = stem_of(task.path)
    several = len(tops.netlists) + len(tops.behavioural) > 1
    for top in tops.netlists:
        try:
            name = f"{stem}.{top}" if several else stem
            _keep(task, record, tops.design.flatten(top), name, data, ".v", top if tops.must_name else "", "read")
        except CircuitError as error:
            _fail(record, top, error)
    for top in tops.behavioural:
        try:
            _synthesise(task, record, top, f"{stem}.{top}" if several else stem)
        except CircuitError as error:
            _fail(record, top, _without_paths(task, error))


def _tops(task: Task, data: bytes) -> _Tops:
    """Which modules of a file become circuits.

    The reader of netlists does not see what behavioural modules instantiate, so where it refuses one, a module counts
    as top only if nothing in the text instantiates it.

    Raises:
        CircuitError: the file is neither a netlist nor RTL.
    """
    from circuitgraph.formats.verilog import read_verilog

    try:
        design = read_verilog(task.path, flatten=False, library=library_of(task.folder, task.libraries))
    except CircuitError as error:
        if "behavioural" not in error.rule and not BEHAVIOUR.search(data):
            raise
        behavioural = [task.top] if task.top else modules_of(data)[1]
        if not behavioural:
            raise
        return _Tops(None, (), tuple(behavioural), False)
    if not design.tops:
        design.top()  # says why there is none
    tops = [task.top] if task.top else list(design.tops)
    if not task.top and any(top in design.refused for top in tops):
        defined, roots = modules_of(data)
        tops = [top for top in tops if top in roots or top not in defined] or tops
    usable = [top for top in design.tops if top not in design.refused]
    return _Tops(
        design,
        tuple(top for top in tops if top not in design.refused),
        tuple(top for top in tops if top in design.refused),
        bool(task.top) or len(usable) > 1,
    )


def _without_paths(task: Task, error: CircuitError) -> CircuitError:
    """An error of synthesis that names files as people know them, wherever they lie now."""
    rule = error.rule
    for number, path in enumerate((task.path, *task.parts)):
        rule = rule.replace(f"rtl{number}.v", Path(path).name)
    return CircuitError(Path(task.path).name, error.subject, rule, error.way_out)


def _synthesise(task: Task, record: Record, top: str, name: str) -> None:
    """The AIG of one module, and its mapped netlist where there is a library to map to."""
    from circuitgraph.formats.aiger import read_aiger
    from circuitgraph.formats.verilog import read_verilog
    from circuitgraph.synthesis import synthesise

    target = target_of(task.folder, task.target) if task.target else None
    files = [task.path, *task.parts]
    done = synthesise(files, top, target, aig=True, time_limit=task.time_limit or NO_LIMIT)
    how = f"synthesised with pyosys {_pyosys()}"
    _keep_aig(task, record, read_aiger(io.BytesIO(done.aiger)), name, done.aiger, how)
    if target is not None:
        library = library_of(task.folder, (task.target,))
        circuit = read_verilog(io.BytesIO(done.verilog.encode()), library=library)
        _keep(task, record, circuit, name, done.verilog.encode(), ".v", "", f"{how}, mapped")


def _keep_aig(task: Task, record: Record, circuit: Circuit, name: str, written: bytes, made: str) -> None:
    """Keep an AIG in binary; what binary AIGER cannot hold stays as it was written."""
    from circuitgraph.formats.aiger_writer import aiger_bytes

    try:
        data, suffix = aiger_bytes(circuit), ".aig"
    except CircuitError:
        data = written
        suffix = ".aag" if data.startswith(b"aag") else ".aig"
    _keep(task, record, circuit, name, data, suffix, "", made)


def _keep(
    task: Task, record: Record, circuit: Circuit, name: str, data: bytes, suffix: str, top: str, made: str
) -> None:
    """Write a circuit's file under the hash of its content and add it to the record.

    Raises:
        CircuitError: it has more cells than allowed, or a combinational loop.
    """
    from circuitgraph.analysis.levels import cell_levels

    place = Path(task.path).name
    if task.max_cells and circuit.num_cells > task.max_cells:
        rule = f"has {circuit.num_cells:,} cells, more than {task.max_cells:,}"
        raise CircuitError(place, f"circuit {name!r}", rule, "raise --max-cells")
    if not circuit.num_cells:
        record.empty += 1
        return
    try:
        level = cell_levels(circuit)
    except CircuitError as error:
        raise CircuitError(place, error.subject, error.rule, "cut it by a latch, or leave the circuit out") from None
    opaque = np.array([kind.is_opaque and kind.kind != "physical" for kind in circuit.types], np.bool_)
    hidden = int(np.count_nonzero(opaque[circuit.cell_type]))
    named, anonymous = _signatures(circuit) if not hidden else ("", "")
    sha256 = hashlib.sha256(data).hexdigest()
    file = f"{BUILT}/{hash_bytes(data, top.encode())[:NAME_DIGITS] if top else sha256[:NAME_DIGITS]}{suffix}"
    write_atomic(Path(task.folder) / file, data)
    is_aig = {circuit.types[row].name for row in np.unique(circuit.cell_type)} <= {"AND2", "LATCH"}
    record.circuits.append(
        Made(
            file=file,
            sha256=sha256,
            bytes=len(data),
            kind="aig" if is_aig else "netlist",
            name=name,
            top=top,
            made=made,
            inputs=int(np.count_nonzero(circuit.port_direction == Direction.INPUT)),
            outputs=int(np.count_nonzero(circuit.port_direction == Direction.OUTPUT)),
            latches=int(np.count_nonzero(circuit.is_sequential)),
            cells=circuit.num_cells,
            nets=circuit.num_nets,
            levels=-1 if hidden else int(level.max(initial=0)),
            opaque=hidden,
            checks="; ".join(f"{found.name} {found.count}" for found in check(circuit)),
            named=named,
            anonymous=anonymous,
        )
    )


def _signatures(circuit: Circuit) -> tuple[str, str]:
    """Both simulation signatures, or none where an output of a combinational cell has no known function."""
    from circuitgraph.analysis.signatures import circuit_signature

    for row in np.unique(circuit.cell_type):
        kind = circuit.types[row]
        if not kind.is_sequential and any(kind.functions[port] is None for port in kind.outputs):
            return "", ""
    found = circuit_signature(circuit)
    return found.named, found.anonymous


@lru_cache(maxsize=4)
def library_of(folder: str, files: Sequence[str]) -> Any:
    """The library of some Liberty files of a corpus, or None where there are none; read once a process."""
    from circuitgraph.formats import read
    from circuitgraph.library import Library

    if not files:
        return None
    return Library.merged([read(Path(folder) / file, format="liberty") for file in files])


@lru_cache(maxsize=4)
def target_of(folder: str, file: str) -> Any:
    """What synthesis must know of a Liberty file: tie cells, a buffer, an inverter's or buffer's load.

    Raises:
        CircuitError: the library lacks tie cells or a buffer.
    """
    from circuitgraph.synthesis import Target

    library = library_of(folder, (file,))
    ties: dict[int, tuple[str, str]] = {}
    buffers: list[tuple[float, str]] = []
    for row, kind in enumerate(library.types):
        if len(kind.outputs) != 1 or kind.is_sequential or kind.functions[kind.outputs[0]] is None:
            continue
        function = kind.functions[kind.outputs[0]]
        if not kind.inputs and function.table is not None:
            ties.setdefault(function.table & 1, (kind.name, kind.ports[kind.outputs[0]].name))
        elif len(kind.inputs) == 1 and function.table == 2:
            buffers.append((float(library.area[row]), kind.name))
    missing = [word for key, word in ((1, "cell that ties high"), (0, "cell that ties low")) if key not in ties]
    missing += [] if buffers else ["buffer"]
    if missing:
        raise CircuitError(file, "library", f"has no {missing[0]}", "RTL cannot be mapped to it: leave --map out")
    load = 4 * _input_load(library)
    return Target(Path(folder) / file, ties[1], ties[0], min(buffers)[1], load)


def _input_load(library: Any) -> float:
    """Median capacitance of an input pin, F."""
    loads = np.asarray(library.port_capacitance, np.float64)
    loads = loads[np.isfinite(loads) & (loads > 0)]
    return float(np.median(loads)) if len(loads) else 1e-15
