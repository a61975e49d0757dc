"""Every named check on circuits made by hand: where it fails, how often, and where it must not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from circuitgraph.cell_types import DFF, gate_type, opaque_type, tristate_type
from circuitgraph.checks import check
from circuitgraph.circuit import Circuit, CircuitBuilder, Direction, NetRole, Port
from tests.subjects import chain, full_adder, loop_of, random_aig, random_circuit

NOT, AND = gate_type("NOT", 1), gate_type("AND", 2)


def found(circuit: Circuit) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {entry.name: (entry.count, entry.examples) for entry in check(circuit)}


def undriven() -> Circuit:
    builder = CircuitBuilder()
    a, y = builder.input("a"), builder.net("y")
    for row in range(5):
        builder.cell(f"u{row}", AND, [a, builder.net(f"n{row}"), builder.net() if row else y])
    builder.output("y", y)
    return builder.build()


def several_drivers() -> Circuit:
    builder = CircuitBuilder()
    a, b, y = builder.input("a"), builder.input("b"), builder.net("y")
    builder.cell("u1", NOT, [a, y])
    builder.cell("u2", NOT, [b, y])
    builder.cell("u3", NOT, [a, b])
    builder.cell("u4", NOT, [b, builder.constant(1)])
    builder.output("y", y)
    builder.output("z", builder.constant(1))
    return builder.build()


def shared_bus(plain_driver: bool) -> Circuit:
    builder = CircuitBuilder()
    a, e, y = builder.input("a"), builder.input("e"), builder.net("y")
    for row in range(2):
        builder.cell(f"t{row}", tristate_type("bufif1"), [a, e, y])
    if plain_driver:
        builder.cell("u", NOT, [a, y])
    builder.output("y", y)
    return builder.build()


def unloaded() -> Circuit:
    builder = CircuitBuilder()
    a = builder.input("a")
    builder.input("b")
    builder.cell("u1", NOT, [a, builder.net("y")])
    builder.constant(0)
    return builder.build()


def unconnected_input() -> Circuit:
    builder = CircuitBuilder()
    a, y = builder.input("a"), builder.net("y")
    builder.cell("u1", AND, [a, -1, y])
    builder.cell("f1", DFF, [y, -1])
    builder.output("y", y)
    return builder.build()


def unknown_type() -> Circuit:
    builder = CircuitBuilder()
    a, y = builder.input("a"), builder.net("y")
    novel = opaque_type("NOVEL", [Port("A"), Port("Y", Direction.OUTPUT)])
    other = opaque_type("OTHER", [Port("A"), Port("Y", Direction.OUTPUT)])
    builder.cell("u1", novel, [a, y])
    builder.cell("u2", other, [y, builder.net("z")])
    builder.cell("u3", novel, [y, builder.net("w")])
    for name in "yzw":
        builder.output(name, builder.net(name))
    return builder.build()


def unknown_direction() -> Circuit:
    builder = CircuitBuilder()
    a, y = builder.input("a"), builder.net("y")
    builder.cell("u1", opaque_type("N", [Port("P", Direction.UNKNOWN), Port("Q", Direction.UNKNOWN)]), [a, y])
    builder.output("y", y)
    return builder.build()


def loop_behind_and_before() -> Circuit:
    """A ring of two with a chain into it and a chain out of it: only the ring counts."""
    builder = CircuitBuilder()
    a, p, q, y = builder.input("a"), builder.net("p"), builder.net("q"), builder.net("y")
    b = builder.net("b")
    builder.cell("before", NOT, [a, b])
    builder.cell("r1", AND, [b, q, p])
    builder.cell("r2", NOT, [p, q])
    builder.cell("behind", NOT, [q, y])
    builder.output("y", y)
    return builder.build()


CASES: dict[str, tuple[Callable[[], Circuit], dict[str, tuple[int, tuple[str, ...]]]]] = {
    "undriven": (undriven, {"undriven": (5, ("n0", "n1", "n2")), "unloaded": (4, ("$n4", "$n6", "$n8"))}),
    "several drivers": (several_drivers, {"several drivers": (3, ("b", "y", "1'b1"))}),
    "unloaded": (unloaded, {"unloaded": (2, ("b", "y"))}),
    "unconnected input": (unconnected_input, {"unconnected input": (1, ("u1/I1",))}),
    "unknown cell type": (unknown_type, {"unknown cell type": (3, ("NOVEL", "OTHER"))}),
    "unknown direction": (
        unknown_direction,
        {"unknown cell type": (1, ("N",)), "unknown direction": (2, ("u1/P", "u1/Q"))},
    ),
    "combinational loop": (loop_behind_and_before, {"combinational loop": (2, ("r1 -> r2 -> r1",))}),
    "ring of one": (lambda: loop_of(1), {"combinational loop": (1, ("u0 -> u0",))}),
    "tri-states share a net": (lambda: shared_bus(False), {}),
    "tri-states and a gate": (lambda: shared_bus(True), {"several drivers": (1, ("y",))}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_check_fails_where_it_should_and_nowhere_else(name: str) -> None:
    make, wanted = CASES[name]
    assert found(make()) == wanted


@pytest.mark.parametrize(
    "circuit", [full_adder(), chain(10), random_circuit(0, gates=40), CircuitBuilder().build()], ids=str
)
def test_good_circuits_pass(circuit: Circuit) -> None:
    assert not {"undriven", "several drivers", "combinational loop", "unknown cell type"} & set(found(circuit))


def test_a_loop_through_a_flip_flop_is_none() -> None:
    builder = CircuitBuilder()
    q, d = builder.net("q"), builder.net("d")
    builder.cell("f", DFF, [d, q])
    builder.cell("u", NOT, [q, d])
    builder.output("q", q)
    assert found(builder.build()) == {}


def test_a_long_loop_is_shortened_in_the_middle() -> None:
    count, (text,) = found(loop_of(30))["combinational loop"]
    assert count == 30
    assert text == "u0 -> u1 -> u2 -> u3 -> u4 -> (20 more) -> u25 -> u26 -> u27 -> u28 -> u29 -> u0"


def test_supply_nets_and_inouts_are_not_undriven() -> None:
    builder = CircuitBuilder()
    supply, both, y = builder.net("VDD"), builder.net("both"), builder.net("y")
    builder.set_net_role(supply, NetRole.POWER)
    builder.cell("u1", AND, [supply, both, y])
    builder.port("both", both, Direction.INOUT)
    builder.output("y", y)
    assert found(builder.build()) == {}


def test_checks_come_in_a_fixed_order() -> None:
    names = [entry.name for entry in check(unknown_direction())]
    assert names == ["unknown cell type", "unknown direction"]
    assert [entry.name for entry in check(random_aig(3))] in ([], ["unloaded"])
