"""What ``circuitgraph inspect`` says of a file: the same numbers under the same names for people and machines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.circuit import Circuit, Direction, PortRole
from circuitgraph.errors import CircuitError
from circuitgraph.files import read_bytes
from circuitgraph.formats.detect import detect, format_named, function_of

Record = dict[str, Any]


def inspect_file(path: str, *, format: str | None = None, library: Any = None, top: str | None = None) -> Record:
    """The numbers of one file.

    Args:
        path: the file, plain or compressed.
        format: word of the table of formats, or None to find out.
        library: Library for directions and functions of a netlist's cells.
        top: name of the top module of a netlist.

    Returns:
        The keys of the design's section 10; one that a format cannot have is absent.

    Raises:
        CircuitError: as the reader.
    """
    row = format_named(format) if format else detect(path)
    reader = function_of(row.reader)
    if row.gives == "circuit":
        options: dict[str, Any] = {}
        if row.name == "verilog":
            options = {"library": library, "top": top}
        return circuit_record(reader(path, **options), path)
    if row.gives == "library":
        return _library_record(reader(path), path)
    if row.gives == "parasitics":
        return _parasitics_record(reader(path), path)
    if row.gives == "technology":
        return technology_record(reader(path), path)
    if row.gives == "layout":
        return layout_record(reader(path), path)
    read_bytes(path)
    raise CircuitError(
        Path(path).name, f"format {row.name!r}", "speaks of a netlist's names", "use predict timing with --sdc"
    )


def circuit_record(circuit: Circuit, path: str) -> Record:
    """The numbers of a circuit."""
    from circuitgraph.analysis.levels import num_levels
    from circuitgraph.checks import check

    direction, role = circuit.port_direction, circuit.port_role
    plain = (role == PortRole.PLAIN) | (role == PortRole.CLOCK)
    counts = Counter(circuit.types[row].name for row in circuit.cell_type.tolist())
    record: Record = {
        "file": path,
        "format": circuit.format,
        "name": circuit.name,
        "inputs": int((direction == Direction.INPUT).sum()),
        "outputs": int(((direction == Direction.OUTPUT) & plain).sum()),
        "latches": int(circuit.is_sequential.sum()),
        "cells": circuit.num_cells,
        "nets": int((circuit.net_constant < 0).sum()),
        "pins": int((circuit.pin_net >= 0).sum()),
    }
    if (direction == Direction.INOUT).any():
        record["inouts"] = int((direction == Direction.INOUT).sum())
    levels = num_levels(circuit)
    if levels is not None:
        record["levels"] = levels
    record["cell_types"] = dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
    record["checks"] = [
        {"name": entry.name, "count": entry.count, "examples": list(entry.examples)} for entry in check(circuit)
    ]
    if circuit.format == "aiger":
        from circuitgraph.formats.aiger import property_counts

        record |= property_counts(circuit)
    if circuit.notes.counts:
        record["notes"] = circuit.notes.lines()
    return record


def _library_record(library: Any, path: str) -> Record:
    record: Record = {"file": path, "format": "liberty", "name": library.name, **library.counts()}
    if library.notes.counts:
        record["notes"] = library.notes.lines()
    return record


def _parasitics_record(parasitics: Any, path: str) -> Record:
    record: Record = {"file": path, "format": "spef", "name": parasitics.name, **parasitics.counts()}
    record["total_capacitance_ff"] = round(float(np.sum(parasitics.total)) * 1e15, 6)
    if parasitics.notes.counts:
        record["notes"] = parasitics.notes.lines()
    return record


def technology_record(technology: Any, path: str) -> Record:
    """The numbers of a LEF file; ``pins`` counts those of all macros."""
    record: Record = {"file": path, "format": "lef", "name": technology.name, **technology.counts()}
    if technology.notes.counts:
        record["notes"] = technology.notes.lines()
    return record


def layout_record(layout: Any, path: str) -> Record:
    """The numbers of a DEF file, as its records count; cells by type."""
    design = layout.design
    record: Record = {"file": path, "format": "def", "name": design.name, **design.counts()}
    counts = Counter(design.type_names[row] for row in design.cell_type.tolist())
    record["cell_types"] = dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
    if design.notes.counts:
        record["notes"] = design.notes.lines()
    return record


def text_of(record: Record) -> str:
    """One line of numbers, then cells by type, then checks, then what the reader noted."""
    shown = {key: value for key, value in record.items() if isinstance(value, (int, float))}
    numbers = "  ".join(f"{key} {value:,}" for key, value in shown.items())
    lines = [f"{record['file']}: {record['format']} {record['name']}: {numbers}"]
    if record.get("cell_types"):
        types = list(record["cell_types"].items())
        words = [f"{name} {count:,}" for name, count in types[:40]]
        if len(types) > 40:
            words.append(f"and {len(types) - 40} more types")
        lines += _wrapped("  cells: ", words)
    for entry in record.get("checks", []):
        lines.append(f"  check {entry['name']}: {entry['count']:,} ({', '.join(entry['examples'])})")
    lines += [f"  note: {line}" for line in record.get("notes", [])]
    return "\n".join(lines)


def _wrapped(head: str, words: list[str], width: int = 110) -> list[str]:
    lines, line = [], head
    for word in words:
        if len(line) + len(word) > width and line != head:
            lines.append(line.rstrip())
            line = " " * len(head)
        line += word + "  "
    return [*lines, line.rstrip()]
