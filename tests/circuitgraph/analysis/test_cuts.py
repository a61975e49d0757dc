"""Cuts against brute force, NPN classes, and roots and adders of multipliers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from circuitgraph.analysis.and_graph import AndGraph, and_graph
from circuitgraph.analysis.cuts import MAJ3, XOR2, XOR3, adders, cut_classes, find_cuts, half_adders, npn_class, roots
from circuitgraph.analysis.npn import npn_table
from circuitgraph.cell_types import AND2
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.errors import CircuitError
from tests.circuitgraph.analysis.test_and_graph import backwards
from tests.subjects import full_adder, random_aig


def npn_by_definition(table: int) -> int:
    """Smallest table over all input permutations, input negations and output negations."""
    best = 1 << 16
    for order in itertools.permutations(range(4)):
        for flips in range(16):
            moved = 0
            for row in range(16):
                source = sum((row >> place & 1) << order[place] for place in range(4)) ^ flips
                moved |= (table >> source & 1) << row
            best = min(best, moved, moved ^ 0xFFFF)
    return best


def test_there_are_222_classes_numbered_by_their_smallest_member() -> None:
    classes = npn_table()
    assert len(np.unique(classes)) == 222
    smallest = [int(np.flatnonzero(classes == number)[0]) for number in range(222)]
    assert smallest == sorted(smallest)
    rng = np.random.default_rng(0)
    for table in [0, 0xFFFF, 0x8888, 0x6996, *rng.integers(0, 1 << 16, 40).tolist()]:
        assert smallest[npn_class(table)] == npn_by_definition(table)


def all_cuts(graph: AndGraph, most: int) -> list[set[frozenset[int]]]:
    """Every cut of at most *most* leaves that contains no other, of every variable, itself among them."""
    found: list[set[frozenset[int]]] = [{frozenset({v})} for v in range(graph.free)]
    found += [{frozenset()} for _ in graph.constant]
    for node, (left, right) in enumerate(graph.fan_in.tolist(), graph.first_and):
        unions = {one | two for one in found[left] for two in found[right] if len(one | two) <= most}
        found.append({cut for cut in unions if not any(other < cut for other in unions)} | {frozenset({node})})
    return found


def value_of(graph: AndGraph, node: int, given: dict[int, int]) -> int:
    if node in given:
        return given[node]
    if graph.free <= node < graph.first_and:
        return int(graph.constant[node - graph.free])
    row = node - graph.first_and
    pins = zip(graph.fan_in[row].tolist(), graph.inverted[row].tolist(), strict=True)
    return int(all(value_of(graph, pin, given) ^ flip for pin, flip in pins))


@pytest.mark.parametrize("most", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_with_room_for_all_the_cuts_are_all_cuts_and_their_tables_are_right(seed: int, most: int) -> None:
    circuit = random_aig(seed, ands=25, inputs=5, latches=1)
    graph = and_graph(circuit)
    cuts, wanted = find_cuts(circuit, graph, most, 64), all_cuts(graph, most)
    assert cuts.count.max() < 64
    for row in range(graph.num_ands):
        node = graph.first_and + row
        found = []
        for slot in range(int(cuts.count[row])):
            size = int(cuts.size[row, slot])
            leaves = cuts.leaf[row, slot, :size].tolist()
            assert leaves == sorted(set(leaves))
            assert (cuts.leaf[row, slot, size:] == -1).all()
            found.append(frozenset(leaves))
            for bits in range(1 << size):
                given = {leaf: bits >> place & 1 for place, leaf in enumerate(leaves)}
                assert int(cuts.table[row, slot]) >> bits & 1 == value_of(graph, node, given)
        assert len(found) == len(set(found))
        assert set(found) == wanted[node] - {frozenset({node})}
        assert cuts.size[row, : cuts.count[row]].tolist() == sorted(cuts.size[row, : cuts.count[row]].tolist())


def with_constants() -> Circuit:
    builder = CircuitBuilder()
    a, b, zero, one = builder.input("a"), builder.input("b"), builder.constant(0), builder.constant(1)
    never, same, both = builder.net(), builder.net(), builder.net()
    builder.cell("", AND2, [a, zero, never])
    builder.cell("", AND2, [b, one, same])
    builder.cell("", AND2, [never, same, both], [True, True, False])
    return builder.build()


def test_constants_have_a_cut_without_leaves() -> None:
    circuit = with_constants()
    graph = and_graph(circuit)
    cuts = find_cuts(circuit, graph)
    assert cuts.count.tolist() == [1, 1, 4]
    assert cuts.size[:, 0].tolist() == [1, 1, 2]
    assert cuts.table[:, 0].tolist() == [0, 0xAAAA, 0x3333]
    assert cut_classes(circuit).tolist() == [-1] * 4 + [npn_class(table) for table in (0, 0xAAAA, 0x3333)]


def test_a_limit_keeps_the_first_and_the_result_stays_right() -> None:
    circuit = random_aig(1, ands=60, inputs=8, latches=0)
    graph = and_graph(circuit)
    cuts = find_cuts(circuit, graph, 4, 5)
    assert cuts.count.max() == 5
    for row in range(graph.num_ands):
        kept = [(int(cuts.size[row, slot]), -int(cuts.volume[row, slot])) for slot in range(int(cuts.count[row]))]
        assert kept == sorted(kept)
        for slot in range(int(cuts.count[row])):
            size = int(cuts.size[row, slot])
            for bits in range(1 << size):
                given = {int(leaf): bits >> place & 1 for place, leaf in enumerate(cuts.leaf[row, slot, :size])}
                assert int(cuts.table[row, slot]) >> bits & 1 == value_of(graph, graph.first_and + row, given)


def kept_cuts(circuit: Circuit, limit: int) -> dict[int, set[frozenset[int]]]:
    """Leaves, as nets, of the kept cuts of the gate that drives each net."""
    graph = and_graph(circuit)
    cuts = find_cuts(circuit, graph, 4, limit)
    return {
        int(net): {frozenset(graph.net[leaf[leaf >= 0]].tolist()) for leaf in cuts.leaf[row, : cuts.count[row]]}
        for row, net in enumerate(graph.and_net)
    }


@pytest.mark.parametrize("seed", range(4))
def test_neither_the_order_of_cells_nor_that_of_pins_counts(seed: int) -> None:
    circuit = random_aig(seed, ands=150, inputs=7, latches=0)
    wanted = cut_classes(circuit)
    turned = backwards(circuit)
    np.testing.assert_array_equal(cut_classes(turned), wanted)
    assert kept_cuts(turned, 3) == kept_cuts(circuit, 3)
    builder = CircuitBuilder()
    for net in range(circuit.num_nets):
        builder.net(f"n{net}")
    for port in np.flatnonzero(circuit.port_direction == 1):
        builder.input(circuit.port_names.text(int(port)), int(circuit.port_net[port]))
    assert circuit.pin_inverted is not None
    for start in circuit.pin_start[:-1].tolist():
        left, right, out = circuit.pin_net[start : start + 3].tolist()
        one, two, _ = circuit.pin_inverted[start : start + 3].tolist()
        builder.cell("", AND2, [right, left, out], [two, one, False])
    swapped = builder.build()
    np.testing.assert_array_equal(cut_classes(swapped), wanted)
    assert kept_cuts(swapped, 3) == kept_cuts(circuit, 3)


def test_the_best_cut_has_most_leaves_then_volume() -> None:
    builder = CircuitBuilder()
    a, b, c, d = (builder.input(name) for name in "abcd")
    ab, cd, y = builder.net(), builder.net(), builder.net()
    builder.cell("", AND2, [a, b, ab])
    builder.cell("", AND2, [c, d, cd])
    builder.cell("", AND2, [ab, cd, y], [True, True, False])
    classes = cut_classes(builder.build())
    assert classes[[a, b, c, d]].tolist() == [-1] * 4
    assert classes[ab] == npn_class(0x8888)
    assert classes[y] == npn_class(0x7777 & 0x0FFF)


def xor(builder: CircuitBuilder, a: int, b: int, shared: int = -1) -> tuple[int, int]:
    """Nets of the complement of a XOR b, and of a AND b."""
    both, none, out = shared if shared >= 0 else builder.net(), builder.net(), builder.net()
    if shared < 0:
        builder.cell("", AND2, [a, b, both])
    builder.cell("", AND2, [a, b, none], [True, True, False])
    builder.cell("", AND2, [both, none, out], [True, True, False])
    return out, both


def test_a_full_adder_is_found_whatever_its_polarities() -> None:
    builder = CircuitBuilder()
    a, b, c = (builder.input(name) for name in "abc")
    half, both = xor(builder, a, b)
    total, either = xor(builder, half, c)
    carry = builder.net("carry")
    other = builder.net()
    builder.cell("", AND2, [half, c, other], [False, False, False])
    # half is XOR, so carry = a b or half c
    builder.cell("", AND2, [both, other, carry], [True, True, False])
    circuit = builder.build()
    found = roots(circuit)
    assert found[total] == XOR3 | XOR2
    assert found[half] == XOR2
    assert found[carry] == MAJ3
    assert found[[a, b, c, both, other]].tolist() == [0] * 5
    assert adders(circuit).tolist() == [[total, carry]]
    assert half_adders(circuit).tolist() == [[half, both], [total, other]]
    assert either not in half_adders(circuit)


def test_xor_of_the_same_two_nets_is_no_adder_without_a_carry() -> None:
    builder = CircuitBuilder()
    xor(builder, builder.input("a"), builder.input("b"))
    circuit = builder.build()
    assert adders(circuit).shape == (0, 2)
    assert half_adders(circuit).shape == (0, 2)


def test_circuits_without_ands() -> None:
    circuit = CircuitBuilder().build()
    assert cut_classes(circuit).shape == roots(circuit).shape == (0,)
    assert adders(circuit).shape == half_adders(circuit).shape == (0, 2)


def test_what_is_refused() -> None:
    circuit = random_aig(0)
    with pytest.raises(CircuitError, match="must be 2 to 4 and 1 to 64"):
        find_cuts(circuit, and_graph(circuit), 5)
    with pytest.raises(CircuitError, match="neither AND2 nor LATCH"):
        cut_classes(full_adder())
