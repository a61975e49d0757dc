"""Read and write any format that the table of formats knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError, nearest
from circuitgraph.files import Source
from circuitgraph.formats.detect import FORMATS, Format, detect, format_named, function_of, suffix_of


def read(source: Source, format: str | None = None, **options: Any) -> Any:
    """What a file holds: a Circuit, Library, Parasitics, Constraints, Technology or Layout, by its format.

    Args:
        source: path or binary stream; plain, .gz, .xz or .zst.
        format: word of the table of formats; found from the name and the content when None.
        options: of the format's reader, for example ``library=`` and ``top=`` for Verilog.

    Raises:
        CircuitError: the format is unknown, or the reader's rule is broken.
    """
    row = format_named(format) if format else detect(source)
    return function_of(row.reader)(source, **options)


def write(thing: Any, target: str | os.PathLike[str], format: str | None = None, **options: Any) -> Path:
    """Write a Circuit or Parasitics in the format that the target's suffix names, compressed where it names that.

    Args:
        thing: a Circuit or Parasitics.
        target: path; .gz, .xz or .zst behind the format's suffix compresses.
        format: word of the table of formats; found from the target's suffix when None.
        options: of the format's writer, for example ``ascii=`` for AIGER.

    Raises:
        CircuitError: the format is unknown, has no writer, or cannot hold the thing.
    """
    from circuitgraph.parasitics import Parasitics

    row = _format_to_write(target, format)
    kinds: dict[str, type] = {"circuit": Circuit, "parasitics": Parasitics}
    kind = kinds[row.gives]
    if not isinstance(thing, kind):
        fitting = [other for other in FORMATS if other.writer and isinstance(thing, kinds[other.gives])]
        raise CircuitError(
            str(target),
            f"{type(thing).__name__} object",
            f"format {row.name!r} holds {kind.__name__}",
            f"write it as {_listed(fitting)}" if fitting else "give a Circuit or Parasitics",
        )
    function_of(row.writer)(thing, target, **options)
    return Path(target)


def _format_to_write(target: str | os.PathLike[str], format: str | None) -> Format:
    """The row that *format* or else the target's suffix names; it has a writer."""
    writable = [row for row in FORMATS if row.writer]
    row = next((row for row in FORMATS if (row.name == format if format else suffix_of(target) in row.suffixes)), None)
    if row is None and format:
        names = [row.name for row in writable]
        raise CircuitError(
            str(target), f"format {format!r}", "is unknown", nearest(format, names, f"use {', '.join(names)}")
        )
    if row is None:
        raise CircuitError(
            str(target),
            "file",
            f"its suffix names no format that is written here ({_listed(writable)})",
            "name the format with format=",
        )
    if not row.writer:
        raise CircuitError(
            str(target), f"format {row.name!r}", "is read but not written here", f"write {_listed(writable)}"
        )
    return row


def _listed(rows: list[Format]) -> str:
    """Formats with their suffixes, for a message."""
    return ", ".join(f"{row.name} {' '.join(row.suffixes)}" for row in rows)
