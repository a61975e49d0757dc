"""The arrays of an AIG against its columns, in any order of cells; what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from circuitgraph.analysis.and_graph import AndGraph, and_graph
from circuitgraph.analysis.simulation import exhaustive_patterns, free_nets, simulate
from circuitgraph.cell_types import AND2, LATCH, gate_type
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.errors import CircuitError
from tests.subjects import full_adder, random_aig


def values_of(graph: AndGraph) -> np.ndarray:
    """Values of every variable under all patterns, one AND after the other."""
    words = exhaustive_patterns(graph.free)
    value = list(words)
    value += [np.full(words.shape[1], ~np.uint64(0) if bit else np.uint64(0), np.uint64) for bit in graph.constant]
    for (left, right), (flip, flop) in zip(graph.fan_in.tolist(), graph.inverted.tolist(), strict=True):
        value.append((~value[left] if flip else value[left]) & (~value[right] if flop else value[right]))
    return np.array(value)


def backwards(circuit: Circuit) -> Circuit:
    """The same AIG with its cells in the opposite order."""
    builder = CircuitBuilder(circuit.name)
    for net in range(circuit.num_nets):
        builder.net(f"n{net}")
    for port in np.flatnonzero(circuit.port_direction == 1):
        builder.input(circuit.port_names.text(int(port)), int(circuit.port_net[port]))
    for cell in range(circuit.num_cells)[::-1]:
        pins = slice(circuit.pin_start[cell], circuit.pin_start[cell + 1])
        flags = circuit.pin_inverted[pins].tolist() if circuit.pin_inverted is not None else []
        builder.cell("", circuit.types[circuit.cell_type[cell]], circuit.pin_net[pins].tolist(), flags)
    return builder.build()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("turned", [False, True])
def test_variables_carry_the_values_of_their_nets(seed: int, turned: bool) -> None:
    circuit = random_aig(seed, ands=30, inputs=5, latches=2)
    circuit = backwards(circuit) if turned else circuit
    graph = and_graph(circuit)
    assert (graph.fan_in < graph.first_and + np.arange(graph.num_ands)[:, None]).all()
    assert graph.net[: graph.free].tolist() == free_nets(circuit).tolist()
    np.testing.assert_array_equal(values_of(graph), simulate(circuit, exhaustive_patterns(graph.free))[graph.net])
    assert (graph.variable[graph.net] == np.arange(graph.num_variables)).all()
    assert (circuit.pin_net[circuit.pin_start[graph.cell] + 2] == graph.and_net).all()


def test_constants_that_are_read_are_variables_between_inputs_and_ands() -> None:
    builder = CircuitBuilder()
    a, zero, one = builder.input("a"), builder.constant(0), builder.constant(1)
    y = builder.net("y")
    builder.cell("", AND2, [a, one, y], [False, True, False])
    circuit = builder.build()
    graph = and_graph(circuit)
    assert (graph.free, graph.constant.tolist(), graph.net.tolist()) == (1, [1], [a, one, y])
    assert graph.variable[zero] == -1


def test_a_circuit_without_ands() -> None:
    builder = CircuitBuilder()
    builder.cell("", LATCH, [builder.input("d"), builder.net("q")])
    graph = and_graph(builder.build())
    assert (graph.free, graph.num_ands, graph.num_variables) == (2, 0, 2)
    assert and_graph(CircuitBuilder().build()).num_variables == 0


def wrong(case: str) -> Circuit:
    builder = CircuitBuilder(case)
    a, y = builder.input("a"), builder.net("y")
    if case == "open":
        builder.cell("u", AND2, [a, -1, y])
    elif case == "silent":
        builder.cell("u", AND2, [a, builder.net("ghost"), y])
    elif case == "crowded":
        builder.cell("u", AND2, [a, a, y])
        builder.cell("v", AND2, [a, a, y])
    elif case == "short":
        builder.cell("u", AND2, [a, a, a])
    elif case == "loop":
        z = builder.net("z")
        builder.cell("u", AND2, [a, z, y])
        builder.cell("v", AND2, [a, y, z])
    else:
        builder.cell("u", gate_type("OR", 2), [a, a, y])
    return builder.build("place")


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("open", "place: pin 'u/B': is unconnected"),
        ("silent", "place: net 'ghost': is read but has no driver"),
        ("crowded", "place: net 'y': has 2 drivers"),
        ("short", "place: net 'a': has 2 drivers"),
        ("loop", "loop of 2 cells"),
        ("or", "place: type 'OR2': is neither AND2 nor LATCH"),
    ],
)
def test_what_is_no_aig_is_refused(case: str, said: str) -> None:
    with pytest.raises(CircuitError, match="^.*" + said):
        and_graph(wrong(case))


def test_a_netlist_of_gates_is_refused() -> None:
    with pytest.raises(CircuitError, match="neither AND2 nor LATCH"):
        and_graph(full_adder())
