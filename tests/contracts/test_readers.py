"""Every format of the table runs through every check: right result or CircuitError, whatever the bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.files import MAGIC, read_bytes
from circuitgraph.formats import read, write
from circuitgraph.formats.detect import FORMATS, READERS, detect, function_of
from circuitgraph.layout import Layout, Technology
from circuitgraph.parasitics import table_texts

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
MOST = 300
"""Most mutations of one kind and format."""


def fingerprint(value: Any) -> str:
    """Digest of everything a reader gives, row by row; notes, place and format do not count."""
    if isinstance(value, Circuit):
        return value.content_hash
    return hashlib.sha256("\n".join(_parts(value)).encode("utf-8", "surrogateescape")).hexdigest()


def _parts(value: Any) -> Iterator[str]:
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str}{value.shape}{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    elif is_dataclass(value) and not isinstance(value, Notes):
        for entry in fields(value):
            if entry.name not in {"notes", "place", "name"}:
                yield entry.name
                yield from _parts(getattr(value, entry.name))
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            yield repr(key)
            yield from _parts(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    elif not isinstance(value, Notes):
        yield repr(sorted(value, key=repr) if isinstance(value, frozenset) else value)


@dataclass(frozen=True)
class Subject:
    """One format with its sample.

    | field | meaning |
    |---|---|
    | counts | golden numbers of the sample |
    | rows | names in the order of the file, as :func:`rows_of` gives them |
    | odd | (bytes of the sample, bytes that are no UTF-8): a name that must survive |
    | deep | a text that nests or runs on without end |
    | is_text | line ends may change |
    | skips | checks that have no meaning here, with the reason |
    """

    format: str
    data: bytes
    counts: dict[str, int]
    rows: tuple[str, ...]
    odd: tuple[bytes, bytes]
    deep: bytes
    is_text: bool = True

    def read(self, data: bytes) -> Any:
        """What the reader gives for *data*."""
        options = {"circuit": netlist()} if self.format == "sdc" else {}
        return function_of(READERS[self.format].reader)(io.BytesIO(data), **options)


def netlist() -> Circuit:
    """The circuit that the samples of SPEF and SDC speak of."""
    return NETLIST[0]


NETLIST: list[Circuit] = [read(SAMPLES / "small.v", library=read(SAMPLES / "small.lib"))]


def counts_of(thing: Any) -> dict[str, int]:
    if isinstance(thing, Circuit):
        return {"cells": thing.num_cells, "nets": thing.num_nets, "pins": thing.num_pins, "ports": thing.num_ports}
    return dict((thing.design if isinstance(thing, Layout) else thing).counts())


def rows_of(thing: Any) -> list[str]:
    """Names of cells (of ports in AIGs), cell types, nets, or ports with an input delay, in order."""
    if isinstance(thing, Circuit):
        return (thing.port_names if thing.format == "aiger" else thing.cell_names).texts()
    if isinstance(thing, Layout):
        return table_texts(thing.design.cell_names)
    if isinstance(thing, Technology):
        return list(thing.shapes)
    if hasattr(thing, "types"):
        return [cell_type.name for cell_type in thing.types]
    if hasattr(thing, "net_names"):
        return [re.sub(r"\\", "", text) for text in thing.net_names.texts()]
    circuit = netlist()
    return [circuit.port_names.text(delay.place - circuit.num_pins) for delay in thing.input_delays]


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def binary_aiger() -> bytes:
    from circuitgraph.formats.aiger_writer import aiger_bytes

    return aiger_bytes(read(SAMPLES / "small.aag"))


AIGER_COUNTS = {"cells": 5, "nets": 7, "pins": 14, "ports": 6}
AIGER_ROWS = ("a", "b", "s", "n", "never", "always")
SUBJECTS = {
    "aiger": Subject(
        "aiger",
        sample("small.aag"),
        AIGER_COUNTS,
        AIGER_ROWS,
        (b"o0 s", b"o0 \xff\xfe"),
        b"aag 1 1 0 0 0\n" + b"2" * 100_000,
    ),
    "aiger, binary": Subject(
        "aiger",
        binary_aiger(),
        AIGER_COUNTS,
        AIGER_ROWS,
        (b"o0 s", b"o0 \xff\xfe"),
        b"aig 1 0 0 0 1\n" + b"\xff" * 100_000,
        is_text=False,
    ),
    "bench": Subject(
        "bench",
        sample("small.bench"),
        {"cells": 6, "nets": 8, "pins": 17, "ports": 4},
        ("c", "x", "s", "g", "h", "k"),
        (b"x", b"x\xff"),
        b"INPUT(" + b"(" * 100_000,
    ),
    "verilog": Subject(
        "verilog",
        sample("small.v"),
        {"cells": 4, "nets": 7, "pins": 10, "ports": 5},
        ("u1", "u2", "r1", "u3"),
        (b"u1", b"\\u\xff "),
        b"module m (y); output y; assign y = " + b"(" * 100_000,
    ),
    "spef": Subject(
        "spef",
        sample("small.spef"),
        {"nets": 7, "ground_capacitances": 8, "coupling_capacitances": 2, "resistors": 10},
        ("n1", "n2", "q", "clk", "a", "b", "y"),
        (b" n1\n", b" n\xff\n"),
        b'*SPEF "x"\n*NAME_MAP\n*1 ' + b"a/" * 100_000,
    ),
    "liberty": Subject(
        "liberty",
        sample("small.lib"),
        {"cells": 3, "arcs": 6, "tables": 16},
        ("INV", "NAND2", "DFF"),
        (b"(NAND2)", b'("NAND\xff")'),
        b"library (l) {" + b"g () {" * 100_000,
    ),
    "sdc": Subject(
        "sdc",
        sample("small.sdc"),
        {"clocks": 1, "input_delays": 2, "output_delays": 2, "exceptions": 0},
        ("a", "b"),
        (b"set_input_transition 0.02 [all_inputs]", b"create_clock -name odd\xff -period 2"),
        b"set a " + b"[expr " * 100_000,
    ),
    "def": Subject(
        "def",
        sample("small.def"),
        {"components": 4, "pins": 5, "nets": 7},
        ("u1", "u2", "r1", "u3"),
        (b"u1", b"u\xff"),
        b"VERSION 5.8 ;\nNETS 1 ;\n- n " + b"( " * 100_000,
    ),
    "lef": Subject(
        "lef",
        sample("small.lef"),
        {"layers": 3, "vias": 1, "sites": 1, "macros": 3, "pins": 8},
        ("INV", "NAND2", "DFF"),
        (b"NAND2", b"NAND\xff"),
        b"VERSION 5.8 ;\nMACRO a PIN b PORT " + b"RECT " * 100_000,
    ),
}


def outcome(subject: Subject, data: bytes) -> Any:
    """The result, or None for a CircuitError of one line; anything else goes up."""
    fault: CircuitError | None = None
    try:
        return subject.read(data)
    except CircuitError as error:
        fault = error
    assert "\n" not in str(fault)
    assert all((fault.place, fault.subject, fault.rule, fault.way_out))
    return None


def golden_counts(subject: Subject, folder: Path) -> None:
    """Breaks when something is dropped or counted twice."""
    assert counts_of(subject.read(subject.data)) == subject.counts


def order_kept(subject: Subject, folder: Path) -> None:
    """Breaks when rows are sorted or hashed: row-ordered data beside the file then belongs to other rows."""
    assert tuple(rows_of(subject.read(subject.data))) == subject.rows


def reading_twice_gives_the_same(subject: Subject, folder: Path) -> None:
    """Breaks when a reader keeps state."""
    assert fingerprint(subject.read(subject.data)) == fingerprint(subject.read(subject.data))


def crlf_and_no_final_newline(subject: Subject, folder: Path) -> None:
    """Breaks on files from Windows, and on the last line of hand-written ones."""
    if not subject.is_text:
        return
    wanted = fingerprint(subject.read(subject.data))
    assert fingerprint(subject.read(subject.data.replace(b"\n", b"\r\n"))) == wanted
    assert fingerprint(subject.read(subject.data.rstrip(b"\n"))) == wanted
    assert fingerprint(subject.read(subject.data + b"\n\n")) == wanted


def compressed(subject: Subject, folder: Path) -> None:
    """Breaks where a reader opens files itself."""
    wanted = fingerprint(subject.read(subject.data))
    row = READERS[subject.format]
    packers = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.ZstdCompressor().compress}
    for suffix, compress in packers.items():
        path = folder / f"small{row.suffixes[0]}{suffix}"
        path.write_bytes(compress(subject.data))
        assert detect(path).name == subject.format
        options = {"circuit": netlist()} if subject.format == "sdc" else {}
        found = read(path, **options)
        assert fingerprint(found) == wanted or found.name == "small"


def found_by_its_content(subject: Subject, folder: Path) -> None:
    """Breaks when the pattern of a format does not know its own sample, or another's pattern takes it."""
    path = folder / "sample.unknown"
    path.write_bytes(subject.data)
    assert detect(path).name == subject.format


def empty_file(subject: Subject, folder: Path) -> None:
    """Breaks when nothing is taken for an empty circuit."""
    with pytest.raises(CircuitError, match="is empty"):
        subject.read(b"")
    assert outcome(subject, b"\n") is None or subject.format == "sdc"


def truncated_anywhere(subject: Subject, folder: Path) -> None:
    """Breaks with an IndexError, or with half a circuit: a prefix that is read must not hold more than the whole."""
    for end in range(1, len(subject.data), max(1, len(subject.data) // MOST)):
        found = outcome(subject, subject.data[:end])
        if found is not None:
            assert all(count <= subject.counts.get(name, 0) for name, count in counts_of(found).items())


def one_byte_flipped(subject: Subject, folder: Path) -> None:
    """Breaks with anything but a result or a CircuitError."""
    rng = np.random.default_rng(0)
    for place in range(0, len(subject.data), max(1, len(subject.data) // MOST)):
        for value in (subject.data[place] ^ (1 << int(rng.integers(8))), int(rng.integers(256))):
            outcome(subject, subject.data[:place] + bytes([value]) + subject.data[place + 1 :])


def token_repeated_or_swapped(subject: Subject, folder: Path) -> None:
    """Breaks where a reader counts on an order, or on each thing standing once."""
    tokens = re.split(rb"(\s+)", subject.data)
    words = [row for row in range(0, len(tokens) - 2, 2) if tokens[row]]
    for row in words[:: max(1, len(words) // MOST)]:
        repeated = [*tokens[: row + 1], b" ", *tokens[row:]]
        swapped = [*tokens[:row], tokens[row + 2], tokens[row + 1], tokens[row], *tokens[row + 3 :]]
        dropped = tokens[:row] + tokens[row + 1 :]
        for changed in (repeated, swapped, dropped):
            outcome(subject, b"".join(changed))


def line_repeated_or_swapped(subject: Subject, folder: Path) -> None:
    """Breaks where a definition is taken before its use, or twice."""
    lines = subject.data.split(b"\n")
    for row in range(0, len(lines) - 1, max(1, len(lines) // MOST)):
        outcome(subject, b"\n".join([*lines[: row + 1], *lines[row:]]))
        outcome(subject, b"\n".join([*lines[:row], lines[row + 1], lines[row], *lines[row + 2 :]]))


def non_utf8_names(subject: Subject, folder: Path) -> None:
    """Breaks where a name is decoded strictly, or its bytes are replaced."""
    old, new = subject.odd
    assert old in subject.data
    found = subject.read(subject.data.replace(old, new))
    names = rows_of(found) if subject.format != "sdc" else [clock.name for clock in found.clocks]
    odd = [name for name in names if "\udcff" in name or "\xff" in name]
    assert len(odd) == 1


def nested_or_endless(subject: Subject, folder: Path) -> None:
    """Breaks with a RecursionError, or in quadratic time."""
    outcome(subject, subject.deep)


def round_trip(subject: Subject, folder: Path) -> None:
    """Breaks when a writer loses or renames something."""
    row = READERS[subject.format]
    if not row.writer:
        return
    first = netlist() if subject.format == "verilog" else subject.read(subject.data)
    path = folder / f"small{row.suffixes[0]}"
    write(first, path)
    options = {"library": read(SAMPLES / "small.lib")} if subject.format == "verilog" else {}
    again = read(path, **options)
    if isinstance(first, Circuit):
        assert again.canonical_hash == replace(first, name=again.name).canonical_hash
        assert rows_of(again) == rows_of(first)
    else:
        assert fingerprint(again) == fingerprint(first)


def written_compressed(subject: Subject, folder: Path) -> None:
    """Breaks when a writer looks at the whole name only: plain bytes in a .xz, the wrong dialect in an .aag.gz."""
    row = READERS[subject.format]
    if not row.writer:
        return
    first = netlist() if subject.format == "verilog" else subject.read(subject.data)
    for suffix in row.suffixes:
        plain = folder / f"small{suffix}"
        write(first, plain)
        for compression, magic in MAGIC.items():
            path = folder / f"small{suffix}{compression}"
            write(first, path)
            assert path.read_bytes().startswith(magic)
            assert read_bytes(path) == plain.read_bytes()


def other_things_refused(subject: Subject, folder: Path) -> None:
    """Breaks when a writer meets a thing that its format does not hold with an AttributeError."""
    row = READERS[subject.format]
    things = [netlist(), SUBJECTS["spef"].read(SUBJECTS["spef"].data), None]
    for thing in things:
        if row.writer and type(thing).__name__.lower() == row.gives:
            continue
        with pytest.raises(CircuitError, match="holds" if row.writer else "is read but not written here"):
            write(thing, folder / f"other{row.suffixes[0]}")
    assert not list(folder.glob("other*"))


def limits_named_in_message(subject: Subject, folder: Path) -> None:
    """Breaks when somebody who trusts a file cannot find out what to raise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIRCUITGRAPH_MAX_BYTES", "20")
        with pytest.raises(CircuitError, match=r"more than 20 bytes.*CIRCUITGRAPH_MAX_BYTES"):
            subject.read(subject.data)


CHECKS = [
    golden_counts,
    order_kept,
    reading_twice_gives_the_same,
    crlf_and_no_final_newline,
    compressed,
    found_by_its_content,
    empty_file,
    truncated_anywhere,
    one_byte_flipped,
    token_repeated_or_swapped,
    line_repeated_or_swapped,
    non_utf8_names,
    nested_or_endless,
    round_trip,
    written_compressed,
    other_things_refused,
    limits_named_in_message,
]


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_reader(name: str, check: Callable[[Subject, Path], None], tmp_path: Path) -> None:
    check(SUBJECTS[name], tmp_path)


def test_every_format_of_the_table_is_here() -> None:
    assert {subject.format for subject in SUBJECTS.values()} == {row.name for row in FORMATS}
    for row in FORMATS:
        assert function_of(row.reader)
        assert not row.writer or function_of(row.writer)
        assert all(detect(f"x{suffix}").name == row.name for suffix in row.suffixes)


def test_messages_of_write(tmp_path: Path) -> None:
    circuit, parasitics = netlist(), SUBJECTS["spef"].read(SUBJECTS["spef"].data)
    writers = "aiger .aig .aag, bench .bench, verilog .v .vg .verilog"
    for thing, name, format, said in (
        (circuit, "x.spef", None, f"Circuit object: format 'spef' holds Parasitics: write it as {writers}"),
        (parasitics, "x.v.gz", None, "Parasitics object: format 'verilog' holds Circuit: write it as spef .spef"),
        (7, "x.v", None, "int object: format 'verilog' holds Circuit: give a Circuit or Parasitics"),
        (circuit, "x.lib", None, f"format 'liberty': is read but not written here: write {writers}, spef .spef"),
        (
            circuit,
            "x.foo.gz",
            None,
            f"file: its suffix names no format that is written here ({writers}, spef .spef): "
            "name the format with format=",
        ),
        (circuit, "x", "verilgo", "format 'verilgo': is unknown: did you mean 'verilog'?"),
        (circuit, "x", "oasis", "format 'oasis': is unknown: use aiger, bench, verilog, spef"),
    ):
        with pytest.raises(CircuitError) as caught:
            write(thing, tmp_path / name, format)
        assert str(caught.value) == f"{tmp_path / name}: {said}"
    assert not list(tmp_path.iterdir())
    assert read_bytes(write(circuit, tmp_path / "odd.name.xz", "verilog")).startswith(b"module")


@dataclass(frozen=True)
class _Broken(Subject):
    """A reader with one planted defect."""

    defect: str = ""

    def read(self, data: bytes) -> Any:
        if self.defect == "trusts a byte" and data[20:21] != self.data[20:21]:
            raise IndexError("planted")
        found = super().read(data)
        if self.defect == "sorts" and isinstance(found, Circuit):
            order = np.argsort(found.cell_names.texts(), kind="stable")
            return replace(found, cell_names=found.cell_names.take(order))
        return found


@pytest.mark.parametrize(
    ("defect", "check", "caught"),
    [
        ("trusts a byte", one_byte_flipped, IndexError),
        ("trusts a byte", truncated_anywhere, IndexError),
        ("sorts", order_kept, AssertionError),
        ("sorts", round_trip, AssertionError),
    ],
)
def test_a_planted_defect_is_caught(
    defect: str, check: Callable[[Subject, Path], None], caught: type[Exception], tmp_path: Path
) -> None:
    plain = SUBJECTS["bench"]
    check(plain, tmp_path)
    values = {entry.name: getattr(plain, entry.name) for entry in fields(plain)}
    with pytest.raises(caught):
        check(_Broken(**values, defect=defect), tmp_path)
