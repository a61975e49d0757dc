"""AIGER: quirks with their stated results, round trips, hostile bytes, real files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitgraph.analysis.levels import num_levels
from circuitgraph.analysis.simulation import exhaustive_patterns, port_values, simulate
from circuitgraph.circuit import Circuit, Direction, PortRole, Reset
from circuitgraph.errors import CircuitError
from circuitgraph.formats.aiger import property_counts, read_aiger
from circuitgraph.formats.aiger_writer import aiger_bytes
from tests.subjects import full_adder, random_aig

Shared = Callable[[str], Path]


def parse(data: bytes) -> Circuit:
    return read_aiger(io.BytesIO(data))


HALF_ADDER = b"aag 7 2 0 2 3\n2\n4\n6\n12\n6 13 15\n12 2 4\n14 3 5\ni0 x\ni1 y\no0 s\no1 c\nc\nhalf adder\n"


def test_half_adder_by_hand() -> None:
    circuit = parse(HALF_ADDER)
    values = port_values(circuit, simulate(circuit, exhaustive_patterns(2)))[:, 0] & np.uint64(15)
    assert values.tolist() == [0b1010, 0b1100, 0b0110, 0b1000]
    assert circuit.port_names.texts() == ["x", "y", "s", "c"]
    assert num_levels(circuit) == 2


@given(st.integers(0, 100_000), st.booleans())
def test_written_and_read_again_is_the_same(seed: int, ascii: bool) -> None:
    circuit = random_aig(seed)
    again = parse(aiger_bytes(circuit, ascii))
    assert again.canonical_hash == circuit.canonical_hash
    assert aiger_bytes(again, ascii) == aiger_bytes(circuit, ascii)
    assert again.latch_reset.tolist() == circuit.latch_reset.tolist()


@given(st.integers(0, 1000), st.data())
def test_a_mutation_gives_a_circuit_or_a_circuit_error(seed: int, data: st.DataObject) -> None:
    whole = bytearray(aiger_bytes(random_aig(seed, ands=12), data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(1, len(whole)))])
    try:
        assert isinstance(parse(cut), Circuit)
    except CircuitError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"aig 1 0 0 0 1\n\x05\x01", "binary files need|delta"),
        (b"aag 2 1 0 0 1\n2\n4 2 9\n", "literal 9: must be at most"),
        (b"aag 3 1 0 0 1\n2\n4 2 6\n", "literal 6: is read but never defined"),
        (b"aag 2 2 0 0 0\n2\n2\n", "defined a second time"),
        (b"aag 1 1 0 0 0\n3\n", "must be an even literal"),
        (b"aag 1 1 0 1 0\n2\n", "file ends before"),
        (b"aag 1 1 0 0 0\n2\nx0 name\n", "neither a symbol"),
        (b"aag 2 1 1 0 0\n2\n4 2 6\n", "reset must be 0, 1 or 4, not 6"),
        (b"hello\n", "must be 'aag|aig M I L O A"),
    ],
)
def test_faults(data: bytes, said: str) -> None:
    with pytest.raises(CircuitError, match=said.replace("|aig", r"\|aig")):
        parse(data)


def test_a_netlist_of_gates_has_no_form_in_aiger() -> None:
    with pytest.raises(CircuitError, match="is no AND2 and no LATCH"):
        aiger_bytes(full_adder())


@pytest.mark.data
def test_quirks(shared_data: Shared) -> None:
    folder = shared_data("digital/quirks")

    def quirk(name: str) -> Circuit:
        return read_aiger(folder / name)

    bad_only = quirk("a01_bad_property_only.aag")
    assert property_counts(bad_only) == {"bad": 1}
    assert (bad_only.port_role == PortRole.BAD).sum() == 1
    assert quirk("a02_latch_resets.aag").latch_reset.tolist() == [Reset.ZERO, Reset.ONE, Reset.UNINITIALISED]
    unordered = quirk("a03_ascii_unordered.aag")
    assert num_levels(unordered) == 2
    assert unordered.pin_net.reshape(-1, 3)[:, 2].tolist() == [2, 3, 4]
    spaces = quirk("a04_symbols_spaces.aag")
    assert spaces.port_names.base(0) == b"in put [0] x"
    assert spaces.port_inverted.tolist() == [False, True]
    constants = quirk("a08_constants.aag")
    assert (constants.port_direction == Direction.OUTPUT).sum() == 3
    assert constants.num_cells == 1
    for name, said in (
        ("a05_cycle.aag", "combinational loop 4 -> 6 -> 8 -> 4"),
        ("a06_header_lies.aig", "promises 4,294,967,295 ANDs, the file holds 1 bytes more"),
        ("a07_delta_underflow.aig", "AND 4: has a first delta of 5"),
        ("a09_varint_overlong.aig", "delta longer than 5 bytes"),
    ):
        with pytest.raises(CircuitError, match=said):
            quirk(name)


@pytest.mark.data
def test_counts_of_every_real_file(shared_data: Shared) -> None:
    folder = shared_data("digital/aiger")
    wanted: dict[str, dict[str, str]] = {}
    with (shared_data("digital") / "counts.csv").open() as file:
        for row in csv.DictReader(file):
            if row["format"] == "aiger" and row["tool"] in {"header", "abc"}:
                wanted.setdefault(row["file"], {}).setdefault(row["metric"], row["value"])
    files = sorted(path for path in folder.rglob("*.a?g"))
    assert len(files) == len(wanted)
    for path in files:
        circuit = read_aiger(path)
        plain = (circuit.port_direction == Direction.OUTPUT) & (circuit.port_role == PortRole.PLAIN)
        found = {
            "inputs": int((circuit.port_direction == Direction.INPUT).sum()),
            "outputs": int(plain.sum()),
            "latches": int(circuit.is_sequential.sum()),
            "ands": int((~circuit.is_sequential).sum()),
            "levels": num_levels(circuit),
            **property_counts(circuit),
        }
        row = wanted[f"aiger/{path.relative_to(folder)}"]
        for metric in found.keys() & row.keys():
            assert str(found[metric]) == row[metric], (path.name, metric)
