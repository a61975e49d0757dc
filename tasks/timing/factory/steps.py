"""What one made design goes through: synthesis, placement, buffering, routing, constraints, labels; in a worker process.

The files are made in a folder of their own and moved to their place in one step, so that a design is there whole or
not at all. Labels are computed from the files as they are read back, not from what was in memory.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_output import summary
from circuitgraph.circuit import Circuit
from circuitgraph.corpus_sources import BEHAVIOUR, modules_of
from circuitgraph.errors import CircuitError, quoted
from circuitgraph.files import hash_file, read_bytes, write_atomic
from circuitgraph.formats.spef import write_spef
from circuitgraph.formats.verilog import read_verilog, write_verilog
from circuitgraph.layout import Technology, write_def
from circuitgraph.library import Library
from circuitgraph.routing import WHAT, parasitics, route
from circuitgraph.synthesis import synthesise
from circuitgraph.trees import net_trees
from tasks.timing.designs import library_of, technology_of
from tasks.timing.factory.buffering import place_buffered
from tasks.timing.factory.cells import Cells, choose_cells
from tasks.timing.factory.clocking import clock_ports
from tasks.timing.factory.gates import Gate, capacitance_by_length, cells_placed, length_correlation, slack_finite
from tasks.timing.factory.labelling import constrain, write_labels
from tasks.timing.factory.layers import completed_technology
from tasks.timing.inputs import TimingInputs, TimingLabels

FloatArray = npt.NDArray[np.float64]

ESTIMATED = f"wires are estimated ({WHAT})"
MAPPING_DELAYS = 5.0
"""Period for which ABC sizes cells where the clock is still to be found, in delays of the chosen buffer."""
SUFFIXES = {"netlist": ".v", "sdc": ".sdc", "spef": ".spef.xz", "def": ".def", "pins": ".pins.csv.xz"}


@dataclass(frozen=True)
class Task:
    """One design to make.

    | field | meaning |
    |---|---|
    | name, key | of the design; of all that decides its files |
    | sources, top | Verilog files, the first one first; module, or "" for the only one that nothing instantiates |
    | liberty, lef | paths |
    | mapped | Liberty with unwanted cells marked, for synthesis |
    | layers | JSON of layers, or "" |
    | unused | names that no synthesis may take |
    | period | ns, 0 to find one |
    | utilisation, max_fan_out, seed | of placement and buffering |
    | golden | "engine" or "opensta" |
    | folder, work | where the design's folder goes; where it is made |
    | time_limit | s, of each program |
    """

    name: str
    key: str
    sources: tuple[str, ...]
    top: str
    liberty: tuple[str, ...]
    lef: tuple[str, ...]
    mapped: str
    layers: str
    unused: tuple[str, ...]
    period: float
    utilisation: float
    max_fan_out: int
    seed: int
    golden: str
    folder: str
    work: str
    time_limit: float


def make_design(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Make one design; what is wrong with it is in the answer, never raised.

    Args:
        raw: a :class:`Task` as a mapping.

    Returns:
        ``step`` and ``reason``; both empty where the design stands.
    """
    task = Task(**{name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()})
    target = Path(task.work) / task.name
    step = ["libraries"]
    try:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        _make(task, target, step)
        settle(target, Path(task.folder) / task.name)
    except CircuitError as error:
        return {"step": step[0], "reason": str(error)}
    except MemoryError:
        return {"step": step[0], "reason": f"{task.name}: design: needs more memory: use fewer --jobs"}
    except Exception as error:  # noqa: BLE001 - one bad design must not stop the others; it is named
        reason = f"{task.name}: design: met a fault of ours ({type(error).__name__}: {error}): please report it"
        return {"step": step[0], "reason": " ".join(reason.split())}
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return {"step": "", "reason": ""}


def settle(made: Path, target: Path) -> None:
    """Move a finished folder to its place; one that stands there is replaced."""
    old = made.with_name(f"{made.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    made.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _make(task: Task, target: Path, step: list[str]) -> None:
    """All steps; *step* holds the one at hand."""
    library = library_of(tuple(map(Path, task.liberty)))
    plain = technology_of(tuple(map(Path, task.lef)))
    technology = completed_technology(plain, task.layers or None)[0]
    cells = choose_cells(library, technology, task.unused, task.max_fan_out)
    step[0] = "synthesis"
    mapped = mapped_circuit(task, library, cells)
    step[0] = "placement"
    placed = place_buffered(
        mapped,
        technology,
        cells.buffer,
        limit=task.max_fan_out,
        utilisation=task.utilisation,
        seed=task.seed,
        time_limit=task.time_limit,
    )
    step[0] = "routing"
    wires = parasitics(placed.circuit, route(placed.circuit, placed.layout, technology))
    step[0] = "writing"
    paths = {kind: target / f"{task.name}{suffix}" for kind, suffix in SUFFIXES.items()}
    write_netlist(placed.circuit, paths["netlist"], f"{task.name}: mapped, placed and buffered; {ESTIMATED}")
    write_spef(wires, paths["spef"], f"circuitgraph make-timing: {WHAT}")
    text = write_def(placed.circuit, placed.layout, technology)
    write_atomic(paths["def"], f"# {task.name}: placed with coloquinte; {ESTIMATED}\n{text}")
    step[0] = "constraints"
    period = constrain(
        task.name,
        library,
        paths,
        period=task.period * 1e-9,
        delay=cells.delay,
        remark=f"constraints of make-timing; {ESTIMATED}",
    )
    step[0] = "timing"
    inputs, labels, timing = write_labels(task.name, library, plain, paths)
    if task.golden == "opensta":
        from tasks.timing.factory.opensta import opensta_pins

        files = (paths["netlist"], paths["sdc"], paths["spef"])
        text = opensta_pins(inputs.circuit, *files, tuple(map(Path, task.liberty)), task.time_limit)
        write_atomic(paths["pins"], text)
    step[0] = "gates"
    gates = made_gates(inputs, labels, timing, technology)
    record: dict[str, Any] = {"design": task.name, "key": task.key, "wires": ESTIMATED, "golden": task.golden}
    record |= {"buffers_added": placed.buffers, "period_ns": float(f"{period * 1e9:.6g}")}
    record |= figures(placed.circuit, timing, gates) | signatures(placed.circuit)
    record["paths"] = {kind: path.name for kind, path in paths.items()}
    record["files"] = {path.name: hash_file(path) for path in paths.values()}
    write_atomic(target / f"{task.name}.json", json.dumps(record, indent=1) + "\n")


def mapped_circuit(task: Task, library: Library, cells: Cells) -> Circuit:
    """The design as cells of the library: a mapped netlist as it is, RTL by synthesis.

    Raises:
        CircuitError: the file is neither, or has several top modules.
    """
    source = Path(task.sources[0])
    data = read_bytes(source)
    try:
        circuit = read_verilog(source, library=library, top=task.top or None)
        strange = sorted({kind.name for kind in circuit.types if library.cell_type(kind.name) is None})
        if not strange:
            return circuit
    except CircuitError as error:
        if "behavioural" not in error.rule and not BEHAVIOUR.search(data):
            raise
    tops = [task.top] if task.top else modules_of(data)[1]
    if len(tops) != 1:
        found = quoted(tops) or "none"
        raise CircuitError(source.name, "design", f"has {len(tops)} top modules ({found})", "name one with --top")
    if not task.mapped:
        raise CircuitError(source.name, "RTL", "is mapped to one Liberty file, not to several", "give one --liberty")
    period = task.period * 1e-9 or MAPPING_DELAYS * cells.delay
    try:
        text = synthesise(
            task.sources,
            tops[0],
            cells.target(Path(task.mapped)),
            period=period,
            max_fanout=task.max_fan_out,
            time_limit=task.time_limit,
        ).verilog
    except CircuitError as error:
        rule = error.rule
        for number, path in enumerate(task.sources):  # synthesis reads them under positional names
            rule = rule.replace(f"rtl{number}.v", Path(path).name)
        raise CircuitError(source.name, error.subject, rule, error.way_out) from None
    made: Circuit = read_verilog(io.BytesIO(text.encode()), library=library)
    return made


def write_netlist(circuit: Circuit, path: Path, remark: str) -> None:
    """A netlist with a line on what it is at its head."""
    write_verilog(circuit, path)
    write_atomic(path, f"// {remark}.\n{path.read_text()}")


def made_gates(inputs: TimingInputs, labels: TimingLabels, timing: Timing, technology: Technology) -> list[Gate]:
    """The gates of a made design. Those that only a fault of ours can break are errors; the others are figures.

    Raises:
        CircuitError: a cell has no place, or there is no slack.
    """
    assert inputs.layout is not None
    trees = net_trees(inputs.circuit, inputs.layout)
    usual = float(np.mean([layer.capacitance for layer in technology.layers[1:3]]))
    must = [cells_placed(inputs.circuit, inputs.layout), slack_finite(timing.worst_slack())]
    for gate in must:
        if not gate.passed:
            raise CircuitError(inputs.name, f"gate '{gate.name}'", gate.text, "leave the design out, or report it")
    return [
        *must,
        length_correlation(trees, labels.capacitance),
        capacitance_by_length(trees, labels.capacitance, usual),
    ]


def figures(circuit: Circuit, timing: Timing, gates: Sequence[Gate]) -> dict[str, Any]:
    """What a record says of a labelled design; ns."""
    found = summary(timing)
    setup = timing.worst_slack()
    ends = setup[~np.isnan(setup)]
    ports = clock_ports(circuit)
    return {
        "cells": circuit.num_cells,
        "nets": circuit.num_nets,
        "flip_flops": int(circuit.is_sequential.sum()),
        "clocks": [circuit.port_names.text(port) for port in ports],
        "wns_ns": found["wns_ns"],
        "tns_ns": found["tns_ns"],
        "endpoints": len(ends),
        "violating_share": round(float((ends < 0).mean()), 4) if len(ends) else None,
        "gates": {gate.name: {"figure": _finite(gate.figure), "passed": gate.passed} for gate in gates},
    }


def _finite(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def signatures(circuit: Circuit) -> dict[str, str]:
    """Both simulation signatures, for families; empty where an output of a combinational cell has no known function."""
    from circuitgraph.analysis.signatures import circuit_signature

    for row in np.unique(circuit.cell_type):
        kind = circuit.types[row]
        if not kind.is_sequential and any(kind.functions[port] is None for port in kind.outputs):
            return {"named": "", "anonymous": ""}
    found = circuit_signature(circuit)
    latches = int(circuit.is_sequential.sum())
    inputs = int(np.count_nonzero(circuit.port_direction == 1)) + latches
    sizes = f"{inputs} {circuit.num_ports - inputs + 2 * latches}"
    return {"named": f"{sizes} {found.named}", "anonymous": f"{sizes} {found.anonymous}"}
