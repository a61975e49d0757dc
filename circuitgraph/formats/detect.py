"""Which format a file is in: by suffix first, then by its first bytes; the only place that looks at suffixes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from circuitgraph.errors import CircuitError, nearest
from circuitgraph.files import Source, name_of, read_bytes

COMPRESSED = {".gz", ".xz", ".zst"}


@dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    | field | meaning |
    |---|---|
    | name | word that the command line and the API use |
    | suffixes | of files, lower case |
    | sniff | pattern at the beginning of the content |
    | reader, writer | "module:function"; writer "" where there is none |
    | gives | what the reader returns |
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: re.Pattern[bytes]
    reader: str
    writer: str
    gives: str


_BLANK = rb"\s++|//[^\n]*\n|/\*.*?\*/|\(\*.*?\*\)"
_SPACE = rb"(?>" + _BLANK + rb")*+"  # atomic and possessive: no second way to split blanks, so time is linear
_VERSION = rb"(?>\s++|#[^\n]*+\n)*+VERSION\s++[0-9.]++\s*+;"  # of LEF and DEF

FORMATS: tuple[Format, ...] = (
    Format(
        "aiger",
        (".aig", ".aag"),
        re.compile(rb"a[ai]g \d+ \d+ \d+ \d+ \d+"),
        "circuitgraph.formats.aiger:read_aiger",
        "circuitgraph.formats.aiger_writer:write_aiger",
        "circuit",
    ),
    Format(
        "bench",
        (".bench",),
        re.compile(rb"(?>\s++|#[^\n]*\n)*+(?:(?:INPUT|OUTPUT)\s*\(|[^\s=]+\s*=\s*\w+)", re.IGNORECASE),
        "circuitgraph.formats.bench:read_bench",
        "circuitgraph.formats.bench:write_bench",
        "circuit",
    ),
    Format(
        "verilog",
        (".v", ".vg", ".verilog"),
        re.compile(rb"(?:\xef\xbb\xbf)?(?>`[^\n]*\n|" + _BLANK + rb")*+(?:module|macromodule)\b", re.DOTALL),
        "circuitgraph.formats.verilog:read_verilog",
        "circuitgraph.formats.verilog:write_verilog",
        "circuit",
    ),
    Format(
        "spef",
        (".spef",),
        re.compile(_SPACE + rb"\*SPEF", re.IGNORECASE | re.DOTALL),
        "circuitgraph.formats.spef:read_spef",
        "circuitgraph.formats.spef:write_spef",
        "parasitics",
    ),
    Format(
        "liberty",
        (".lib", ".liberty"),
        re.compile(_SPACE + rb"library\s*\(", re.DOTALL),
        "circuitgraph.formats.liberty:read_liberty",
        "",
        "library",
    ),
    Format(
        "sdc",
        (".sdc",),
        re.compile(rb"(?:\s|#[^\n]*\n)*(?:create_clock|set_units|set sdc_version|current_design)"),
        "circuitgraph.formats.sdc:read_sdc",
        "",
        "constraints",
    ),
    Format(
        "def",
        (".def",),
        re.compile(_VERSION + rb"(?s:.){0,4096}?\s(?:DESIGN\s|UNITS\s++DISTANCE\s)"),
        "circuitgraph.formats.def_reader:read_def",
        "",
        "layout",
    ),
    Format(
        "lef",
        (".lef", ".tlef"),
        re.compile(_VERSION + rb"(?s:.){0,4096}?\s(?:LAYER|MACRO|SITE|UNITS)\s"),
        "circuitgraph.formats.lef:read_lef",
        "",
        "technology",
    ),
)

NOT_READ: Mapping[str, str] = {
    ".blif": "BLIF",
    ".eblif": "EBLIF",
    ".json": "yosys JSON",
    ".sdf": "SDF",
    ".sp": "SPICE",
    ".spice": "SPICE",
    ".cdl": "CDL",
    ".scs": "Spectre",
    ".dspf": "DSPF",
    ".gds": "GDS",
    ".sv": "SystemVerilog",
}
"""Formats that are known by their suffix and have no reader yet."""

READERS: Mapping[str, Format] = {row.name: row for row in FORMATS}


def suffix_of(source: Source) -> str:
    """Lower-case suffix of a file's name, below that of its compression."""
    path = Path(name_of(source))
    if path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path.suffix.lower()


def detect(source: Source, data: bytes | None = None) -> Format:
    """The format of a file.

    Args:
        source: path or stream.
        data: its bytes after decompression, when they are at hand.

    Raises:
        CircuitError: neither suffix nor content is known.
    """
    suffix = suffix_of(source)
    for row in FORMATS:
        if suffix in row.suffixes:
            return row
    if data is None:
        data = read_bytes(source)
    head = data[:65536]
    for row in FORMATS:
        if row.sniff.match(head):
            return row
    known = ", ".join(row.name for row in FORMATS)
    suffixes = [known_suffix for row in FORMATS for known_suffix in row.suffixes]
    if suffix in NOT_READ:
        rule = f"{NOT_READ[suffix]} is not read yet ({known} are)"
        raise CircuitError(name_of(source), "file", rule, "convert it, or name the format with --format")
    raise CircuitError(
        name_of(source),
        "file",
        f"its format is not known from its name or its content ({known} are)",
        nearest(suffix, suffixes, "name the format with --format"),
    )


def function_of(path: str) -> Callable[..., Any]:
    """The function that "module:function" names; its module is imported now."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def format_named(name: str) -> Format:
    """The row of a format by its name.

    Raises:
        CircuitError: there is no such format.
    """
    if name not in READERS:
        raise CircuitError("--format", repr(name), "is no format", nearest(name, READERS, f"use {', '.join(READERS)}"))
    return READERS[name]
