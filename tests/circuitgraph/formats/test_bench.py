"""BENCH: messages, quirks, round trips, mutations, counts of real files."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitgraph.analysis.simulation import exhaustive_patterns, port_values, simulate
from circuitgraph.cell_types import LATCH
from circuitgraph.checks import check
from circuitgraph.circuit import Circuit, CircuitBuilder, Direction, Reset
from circuitgraph.errors import CircuitError
from circuitgraph.formats import read, write
from circuitgraph.formats.aiger import read_aiger
from circuitgraph.formats.bench import bench_text, read_bench
from tests.subjects import FULL_ADDER_BENCH, full_adder, random_circuit

Shared = Callable[[str], Path]


def parse(text: str) -> Circuit:
    held = io.BytesIO(text.encode())
    held.name = "e.bench"
    return read_bench(held)


def test_full_adder_equals_the_built_one() -> None:
    circuit = parse(FULL_ADDER_BENCH)
    values = port_values(circuit, simulate(circuit, exhaustive_patterns(3)))[:, 0]
    built = full_adder()
    assert values.tolist() == port_values(built, simulate(built, exhaustive_patterns(3)))[:, 0].tolist()
    a, b, c, s, k = (int(value) & 255 for value in values)
    assert s == a ^ b ^ c
    assert k == (a & b) | (b & c) | (a & c)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("INPUT(a)\ny = NADN(a, a)\n", "e.bench:2: gate 'y': type 'NADN' is unknown: did you mean 'NAND'?"),
        (
            "INPUT(a)\nINPUT(a)\n",
            "e.bench:2: net 'a': is driven a second time (first at e.bench:1): rename one of them",
        ),
        (
            "INPUT(a)\ny = NOT(a, a)\n",
            "e.bench:2: gate 'y': NOT takes 1 fan-ins, not 2: correct the list in parentheses",
        ),
        ("foo\n", "e.bench:1: 'foo': is neither a port nor a gate: write INPUT(n), OUTPUT(n) or n = GATE(a, b)"),
        ("INPUT(a\n", "e.bench:1: 'INPUT(a': has 1 '(' and 0 ')': balance the parentheses"),
        ("y = LUT 0x1F ( a, b )\n", "e.bench:1: gate 'y': 0x1F has more than 4 bits: correct the table"),
        ("# nothing\n", "e.bench:1: file: holds no statement: write INPUT(n), OUTPUT(n) or n = GATE(a, b)"),
        ("y = AND(a,,b)\n", "e.bench:1: gate 'y': has '' for a fan-in: write names between commas"),
    ],
)
def test_messages(text: str, said: str) -> None:
    with pytest.raises(CircuitError) as caught:
        parse(text)
    assert str(caught.value) == said


@given(st.integers(0, 100_000))
def test_written_and_read_again_computes_the_same(seed: int) -> None:
    circuit = random_circuit(seed, gates=25, inputs=3, latches=2)
    again = parse(bench_text(circuit))
    patterns = exhaustive_patterns(5)
    one, other = (port_values(c, simulate(c, patterns)) for c in (circuit, again))
    outputs = circuit.port_direction == Direction.OUTPUT
    assert (one[outputs] == other[again.port_direction == Direction.OUTPUT]).all()


@given(st.data())
def test_a_mutation_gives_a_circuit_or_a_circuit_error(data: st.DataObject) -> None:
    whole = bytearray(FULL_ADDER_BENCH.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    held = io.BytesIO(bytes(whole[: data.draw(st.integers(1, len(whole)))]))
    try:
        assert isinstance(read_bench(held), Circuit)
    except CircuitError as error:
        assert "\n" not in str(error)


def test_line_ends_and_a_missing_last_one() -> None:
    plain = parse(FULL_ADDER_BENCH)
    for text in (
        FULL_ADDER_BENCH.replace("\n", "\r\n"),
        FULL_ADDER_BENCH.replace("\n", "\r"),
        FULL_ADDER_BENCH.rstrip(),
    ):
        assert parse(text) == plain


def test_constants_are_cells_and_wide_gates_compute() -> None:
    circuit = parse(
        "INPUT(a)\nOUTPUT(y)\nOUTPUT(z)\nk = vdd\nw = gnd\ny = XNOR(a, k, w)\nz = NAND(" + ", ".join("a" * 9) + ")\n"
    )
    values = port_values(circuit, simulate(circuit, exhaustive_patterns(1)))[:, 0] & np.uint64(3)
    assert values.tolist() == [0b10, 0b10, 0b01]
    assert [circuit.types[row].kind for row in circuit.cell_type] == ["const1", "const0", "xnor3", "nand_wide"]


@pytest.mark.data
def test_quirks(shared_data: Shared) -> None:
    folder = shared_data("digital/quirks")
    mixed = read_bench(folder / "b01_mixed.bench")
    assert int(mixed.is_sequential.sum()) == 1
    assert mixed.num_cells == 5
    unordered = read_bench(folder / "b02_use_before_define.bench")
    assert unordered.num_cells == 3
    table = read_bench(folder / "b03_lut.bench")
    assert sorted(table.types[row].kind for row in table.cell_type) == ["and2", "mux2"]
    with pytest.raises(CircuitError, match="driven a second time"):
        read_bench(folder / "b04_duplicate_driver.bench")
    undriven = read_bench(folder / "b05_undriven.bench")
    assert [(entry.name, entry.examples) for entry in check(undriven)] == [("undriven", ("ghost",))]
    with pytest.raises(CircuitError, match="b05_undriven.bench:3: net 'ghost'"):
        read_bench(folder / "b05_undriven.bench", strict=True)
    with pytest.raises(CircuitError, match="z02_nul.bench:3: NUL byte"):
        read_bench(folder / "z02_nul.bench")


@pytest.mark.data
def test_counts_of_every_real_file(shared_data: Shared) -> None:
    folder = shared_data("digital/bench")
    wanted: dict[str, dict[str, str]] = {}
    with (shared_data("digital") / "counts.csv").open() as file:
        for row in csv.DictReader(file):
            if row["format"] == "bench":
                wanted.setdefault(row["file"], {})[row["metric"]] = row["value"]
    assert len(wanted) == 54
    for name, row in wanted.items():
        circuit = read_bench(folder.parent / name)
        types = Counter(circuit.types[kind].name for kind in circuit.cell_type.tolist())
        gates: Counter[str] = Counter()
        for kind, count in types.items():
            word = re.sub(r"_.*|\d+$", "", kind) if kind.startswith("LUT") else re.sub(r"\d+$", "", kind)
            word = {"CONST": "VDD" if kind == "CONST1" else "GND"}.get(word, word)
            gates[word] += count
        assert str(int((circuit.port_direction == Direction.INPUT).sum())) == row["inputs"], name
        assert str(int((circuit.port_direction == Direction.OUTPUT).sum())) == row["outputs"], name
        assert str(types["DFF"]) == row["latches"], name
        assert str(circuit.num_cells - types["DFF"]) == row["gates"], name
        wanted_types = Counter()
        for part in row["gate_types"].split(";"):
            word, _, count = part.partition(":")
            if word:
                word = {"BUFF": "BUF", "DFF": ""}.get(word, re.sub(r"\d.*", "", word))
                wanted_types[word] += int(count)
        del gates["DFF"]
        if not any(word in row["gate_types"] for word in ("AND:1;", "LUT")):
            assert sum(gates.values()) == sum(count for word, count in wanted_types.items() if word), name


@pytest.mark.data
def test_ctrl_in_three_spellings_computes_the_same(shared_data: Shared) -> None:
    reference = read_aiger(shared_data("digital/aiger") / "epfl" / "ctrl.aig")
    patterns = exhaustive_patterns(7)
    wanted = port_values(reference, simulate(reference, patterns))
    bench = shared_data("digital/bench")
    for name in ("ctrl_abc_aig.bench", "lut/ctrl_lut4.bench"):
        circuit = read_bench(bench / name)
        assert (port_values(circuit, simulate(circuit, patterns)) == wanted).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("aag 1 0 1 1 0\n2 3\n2\nl0 s\n", "e: cell 's': its reset is 0, and BENCH holds no resets"),
        ("aag 1 0 1 1 0\n2 3 1\n2\nl0 s\n", "e: cell 's': its reset is 1, and BENCH holds no resets"),
        ("aag 1 0 1 1 0\n2 3 2\n2\nl0 s\n", "e: cell 's': its reset is uninitialised, and BENCH holds no resets"),
        ("aag 1 1 0 0 0 1\n2\n2\nb0 p\n", "e: port 'p': is of kind bad, and BENCH holds no such property"),
        ("aag 1 1 0 0 0 0 1\n2\n2\nc0 p\n", "e: port 'p': is of kind constraint, and BENCH holds no such property"),
        ("aag 1 1 0 0 0 0 0 1\n2\n1\n2\nj0 p\n", "e: port 'p': is of kind justice, and BENCH holds no such property"),
        ("aag 1 1 0 0 0 0 0 0 1\n2\n2\nf0 p\n", "e: port 'p': is of kind fairness, and BENCH holds no such property"),
    ],
)
def test_what_only_aiger_holds_is_refused(text: str, said: str, tmp_path: Path) -> None:
    circuit = replace(read_aiger(io.BytesIO(text.encode())), place="e")
    with pytest.raises(CircuitError) as caught:
        write(circuit, tmp_path / "e.bench")
    assert str(caught.value) == f"{said}: write .aag or .aig (AIGER)"
    assert not list(tmp_path.iterdir())
    again = read(write(circuit, tmp_path / "e.aag"))
    assert again.canonical_hash == replace(circuit, name="e").canonical_hash


def test_an_unknown_reset_is_written() -> None:
    circuit = parse("INPUT(a)\nOUTPUT(q)\nq = DFF(a)\n")
    assert "q = DFF(a)" in bench_text(circuit)
    latch = CircuitBuilder("l")
    d, q = latch.input("d"), latch.net("q")
    latch.cell("q", LATCH, [d, q], reset=Reset.UNKNOWN)
    latch.output("q", q)
    assert "q = DFF(d)" in bench_text(latch.build())
