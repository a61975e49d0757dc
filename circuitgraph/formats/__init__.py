"""Read and write any format that the table of formats knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from circuitgraph.errors import CircuitError
from circuitgraph.files import Source
from circuitgraph.formats.detect import detect, format_named, function_of


def read(source: Source, format: str | None = None, **options: Any) -> Any:
    """What a file holds: a Circuit, Library, Parasitics or Constraints, by its format.

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
    """Write a Circuit or Parasitics in the format that the target's suffix names.

    Raises:
        CircuitError: the format has no writer, or cannot hold the thing.
    """
    row = format_named(format) if format else detect(target, b"")
    if not row.writer:
        raise CircuitError(str(target), f"format {row.name!r}", "is read but not written here", "write another format")
    function_of(row.writer)(thing, target, **options)
    return Path(target)
