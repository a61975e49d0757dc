"""Circuit, its names and hashes, and the builder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from circuitgraph.canonical import canonical_dump
from circuitgraph.cell_types import AND2, LATCH, gate_type, mos_type
from circuitgraph.circuit import NO_BIT, Circuit, CircuitBuilder, Direction, Reset
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.names import NameTable, decode, encode, loose_key, split_bit
from tests.subjects import full_adder, permuted, random_aig, random_circuit

NOT = gate_type("NOT", 1)


# -- names -------------------------------------------------------------------------------------


def test_an_escaped_scalar_is_no_bit_of_a_bus() -> None:
    builder = CircuitBuilder()
    bit, scalar = builder.input("data[3]"), builder.input("data\\[3\\]")
    assert bit != scalar
    circuit = builder.build()
    names = circuit.net_names
    assert (names.base(bit), names.bit_of(bit)) == (b"data", 3)
    assert (names.base(scalar), names.bit_of(scalar)) == (b"data[3]", NO_BIT)
    assert [names.text(bit), names.text(scalar)] == ["data[3]", "data\\[3\\]"]
    assert circuit.find_net("data[3]") == bit
    assert circuit.find_net("data\\[3\\]") == scalar


def test_other_spellings_are_found_only_where_they_are_the_only_one() -> None:
    alone = NameTable.of([b"u1/n[2]", b"b"])
    assert alone.find("u1\\/n\\[2\\]") == 0
    assert alone.find("u1/n[2]") == 0
    both = NameTable.of([b"d[3]", b"d"], bit=[NO_BIT, 3])
    assert both.find("d[3]") == 1
    assert both.find("d\\[3\\]") == 0
    assert both.find("d [3]") == -1
    assert both.find("e") == -1


def test_hierarchy_prints_with_slashes_and_escapes_those_of_a_name() -> None:
    blocks = NameTable.of([b"top/u", b"array"], bit=[NO_BIT, 2], block=[-1, 0], prefix="$b")
    blocks = replace(blocks, blocks=blocks)
    names = NameTable.of([b"n", b"a/b", b"q", b""], bit=[NO_BIT, NO_BIT, 7, NO_BIT], block=[1, -1, 0, 1], blocks=blocks)
    assert names.texts() == ["top\\/u/array[2]/n", "a\\/b", "top\\/u/q[7]", "top\\/u/array[2]/$n3"]
    assert names.parts(0) == ("top/u", "array[2]", "n")
    assert [names.find(text) for text in names.texts()] == [0, 1, 2, 3]
    taken = names.take(np.array([2, 0]))
    assert taken.texts() == ["top\\/u/q[7]", "top\\/u/array[2]/n"]


def test_aliases_are_found_and_a_nets_own_name_goes_first() -> None:
    plain = full_adder()
    x, s = plain.find_net("x"), plain.find_net("s")
    names = NameTable.of([b"other", b"s", b"bus"], bit=[NO_BIT, NO_BIT, 4])
    circuit = replace(plain, alias_names=names, alias_net=np.array([x, x, s], np.int32))
    assert circuit.find_net("other") == x
    assert circuit.find_net("s") == s
    assert circuit.find_net("bus[4]") == s
    assert circuit.find_net("bus\\[4\\]") == s
    assert circuit.find_net("none") == -1
    assert circuit.content_hash != plain.content_hash
    with pytest.raises(ValueError, match="points outside"):
        replace(plain, alias_names=names, alias_net=np.array([x, x, 99], np.int32))


def test_pins_are_found_behind_the_last_slash_that_fits() -> None:
    builder = CircuitBuilder()
    builder.cell("u/1", NOT, [builder.input("a"), builder.net("y")])
    circuit = builder.build()
    assert circuit.find_pin("u\\/1/Y") == circuit.find_pin("u/1/Y") == 1
    assert circuit.pin_text(1) == "u\\/1/Y"
    assert circuit.find_pin("u/1/Z") == circuit.find_pin("y") == -1


@pytest.mark.parametrize("raw", [b"\xff\xfe", "é".encode(), b"a b", b"\\", b""])
def test_bytes_survive(raw: bytes) -> None:
    assert encode(decode(raw)) == raw


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a[3]", ("a", 3)),
        ("a[-3]", ("a", -3)),
        ("a[3][4]", ("a[3]", 4)),
        ("a\\[3\\]", ("a\\[3\\]", NO_BIT)),
        ("[3]", ("[3]", NO_BIT)),
        ("a[]", ("a[]", NO_BIT)),
        ("a[x]", ("a[x]", NO_BIT)),
        ("a[99999999999]", ("a[99999999999]", NO_BIT)),
        ("a[\u0663]", ("a[\u0663]", NO_BIT)),
        ("a[3", ("a[3", NO_BIT)),
    ],
)
def test_bits_of_a_name(text: str, wanted: tuple[str, int]) -> None:
    assert split_bit(text) == wanted


def test_loose_keys() -> None:
    assert loose_key("a\\/b\\[3\\]") == loose_key("a/b [3]") == "a/b[3]"


# -- hashes ------------------------------------------------------------------------------------


def test_equal_content_is_equal_and_notes_do_not_count() -> None:
    one, other = random_circuit(5), random_circuit(5)
    assert one == other
    assert hash(one) == hash(other)
    notes = Notes()
    notes.add("something skipped", "a:1")
    noted = replace(one, notes=notes, place="elsewhere.v", format="verilog")
    assert noted == one
    assert noted.canonical_hash == one.canonical_hash
    assert one != random_circuit(6)
    assert one != "circuit"


@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"name": "other"},
        lambda c: {"pin_net": np.roll(c.pin_net, 1)},
        lambda c: {"port_direction": c.port_direction[::-1]},
        lambda c: {"net_role": np.full(c.num_nets, 1)},
        lambda c: {"latch_reset": np.full(c.num_cells, 1)},
        lambda c: {"net_names": NameTable.unnamed(c.num_nets)},
        lambda c: {"pin_inverted": np.ones(c.num_pins, bool)},
    ],
)
def test_every_column_counts(change: object) -> None:
    plain = full_adder()
    assert callable(change)
    assert replace(plain, **change(plain)).content_hash != plain.content_hash


@pytest.mark.parametrize("seed", range(4))
def test_order_counts_for_content_and_not_for_the_canonical_hash(seed: int) -> None:
    for circuit in (full_adder(), random_circuit(seed)):
        moved = permuted(circuit, seed + 10)
        assert moved.content_hash != circuit.content_hash
        assert moved.canonical_hash == circuit.canonical_hash
        assert canonical_dump(moved) == canonical_dump(circuit)


def test_a_changed_gate_or_wire_changes_the_canonical_hash() -> None:
    def of(word: str, first: str) -> Circuit:
        builder = CircuitBuilder()
        a, b, c = (builder.input(name) for name in "abc")
        nets = {"a": a, "b": b, "c": c}
        builder.cell("u", gate_type(word, 2), [nets[first], b, builder.net("y")])
        builder.output("y", builder.net("y"))
        return builder.build()

    hashes = {of(word, first).canonical_hash for word in ("AND", "OR") for first in "abc"}
    assert len(hashes) == 6


def test_unnamed_ands_go_by_their_fan_in() -> None:
    def aig(order: tuple[int, int]) -> Circuit:
        builder = CircuitBuilder("aig")
        a, b = builder.input("a"), builder.input("b")
        nets = [builder.net(), builder.net()]
        pins = {0: ([a, b, nets[0]], [False, True, False]), 1: ([b, a, nets[1]], [False, True, False])}
        for row in order:
            builder.cell("", AND2, *pins[row])
        out = builder.net()
        builder.cell("", AND2, [nets[0], nets[1], out], [True, True, False])
        builder.output("y", out)
        return builder.build()

    assert aig((0, 1)).canonical_hash == aig((1, 0)).canonical_hash


def test_the_graph_id_is_the_first_63_bits() -> None:
    circuit = full_adder()
    assert circuit.graph_id == int(circuit.content_hash, 16) >> (256 - 63)
    assert 0 <= circuit.graph_id < 1 << 63


# -- columns -----------------------------------------------------------------------------------


def large_aig(cells: int) -> Circuit:
    """An AIG of *cells* ANDs without a name, its columns filled directly."""
    rng = np.random.default_rng(0)
    inputs = 100
    nets = inputs + cells
    pins = np.empty((cells, 3), np.int32)
    pins[:, 0] = rng.integers(0, inputs + np.arange(cells))
    pins[:, 1] = rng.integers(0, inputs + np.arange(cells))
    pins[:, 2] = inputs + np.arange(cells)
    ports = np.arange(inputs, dtype=np.int32)
    return Circuit(
        name="large",
        types=(AND2,),
        cell_type=np.zeros(cells, np.int32),
        pin_start=3 * np.arange(cells + 1, dtype=np.int64),
        pin_net=pins.ravel(),
        pin_inverted=rng.integers(0, 2, 3 * cells).astype(bool),
        port_net=ports,
        port_direction=np.full(inputs, int(Direction.INPUT), np.int8),
        port_names=NameTable.unnamed(inputs, "$p"),
        net_constant=np.full(nets, -1, np.int8),
        cell_names=NameTable.unnamed(cells, "$c"),
        net_names=NameTable.unnamed(nets),
    )


def test_a_large_aig_takes_at_most_40_bytes_a_pin() -> None:
    circuit = large_aig(100_000)
    columns = circuit.columns()
    own = sum(column.nbytes for name, column in columns.items() if "names" not in name)
    assert own <= 40 * circuit.num_pins
    assert (circuit.pin_net.dtype, circuit.cell_type.dtype, circuit.net_constant.dtype) == (np.int32, np.int32, np.int8)
    assert sum(column.nbytes for column in columns.values()) <= 40 * circuit.num_pins
    derived = (circuit.pin_cell, circuit.pin_port, circuit.pin_direction, circuit.net_driver, circuit.net_load_count)
    assert own + sum(column.nbytes for column in derived) <= 40 * circuit.num_pins


def test_columns_are_read_only_and_derived_ones_are_computed_once() -> None:
    circuit = full_adder()
    with pytest.raises(ValueError, match="read-only"):
        circuit.pin_net[0] = 1
    assert circuit.net_driver is circuit.net_driver


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cell_type": np.zeros(9, np.int32)}, "rows, not"),
        ({"pin_net": np.full(15, 99)}, "points outside the nets"),
        ({"pin_net": np.full(15, -2)}, "points outside the nets"),
        ({"pin_start": np.array([0, 3, 6, 9, 12, 14])}, "does not span"),
        ({"pin_start": np.array([0, 2, 6, 9, 12, 15])}, "does not fit"),
        ({"cell_type": np.array([0, 0, 0, 0, 7])}, "points outside types"),
        ({"port_role": np.zeros(1, np.int8)}, "rows, not"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(full_adder(), **change)


def test_drivers_and_loads_by_hand() -> None:
    builder = CircuitBuilder()
    a, n, y = builder.input("a"), builder.net("n"), builder.net("y")
    builder.cell("u1", NOT, [a, n])
    builder.cell("u2", NOT, [n, y])
    builder.cell("u3", NOT, [n, -1])
    builder.cell("m", mos_type("nmos"), [y, n, -1, -1])
    builder.output("y", y)
    circuit = builder.build()
    pins = circuit.num_pins
    assert circuit.net_driver.tolist() == [pins, 1, 3]
    assert circuit.net_driver_count.tolist() == [1, 1, 1]
    assert circuit.net_load_count.tolist() == [1, 3, 2]
    start, on_net = circuit.net_pins
    assert on_net[start[n] : start[n + 1]].tolist() == [1, 2, 4, 7]
    assert repr(circuit) == "Circuit('', 4 cells of 2 types, 3 nets, 10 pins, 2 ports)"


# -- builder -----------------------------------------------------------------------------------


def test_the_builder_refuses_what_does_not_fit() -> None:
    builder = CircuitBuilder("b")
    a = builder.input("a")
    with pytest.raises(CircuitError, match="b: cell 'u': type 'NOT' takes 2 pins, not 1"):
        builder.cell("u", NOT, [a])
    with pytest.raises(CircuitError, match="has no port 'I': did you mean 'I0'"):
        builder.cell("u", NOT, {"I": a})
    with pytest.raises(CircuitError, match="3 flags of inversion for 2 pins"):
        builder.cell("u", NOT, [a, a], [True, False, True])
    assert builder.build().num_cells == 0


def test_the_builder_by_name_and_its_columns() -> None:
    builder = CircuitBuilder("b")
    a, y = builder.input("a"), builder.net("y")
    builder.cell("u1", NOT, {"Y": y, "I0": a}, parameters={"size": (2.0, "m"), "model": ("fast", "")})
    builder.cell("u2", NOT, {"I0": y})
    builder.cell("l", LATCH, [y, builder.net("q")], reset=Reset.ONE)
    builder.output("q", builder.net("q"))
    circuit = builder.build()
    assert circuit.pin_net.tolist() == [a, y, y, -1, y, circuit.find_net("q")]
    assert circuit.latch_reset is not None
    assert circuit.latch_reset.tolist() == [-1, -1, int(Reset.ONE)]
    size, model = circuit.parameters["size"], circuit.parameters["model"]
    np.testing.assert_array_equal(size.values, [2.0, np.nan, np.nan])
    assert (size.unit, model.texts, model.values.tolist()) == ("m", ("fast",), [0, -1, -1])
    assert builder.net("y") == y
    assert builder.net() != builder.net()
    assert builder.constant(1) == builder.constant(1)


def test_aigs_keep_inversions_and_circuits_without_any_have_no_column() -> None:
    assert random_aig(0).pin_inverted is not None
    assert full_adder().pin_inverted is None
    assert full_adder().port_inverted is None
