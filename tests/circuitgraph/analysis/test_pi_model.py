"""Pi models: moments against dense linear algebra, by hand, and of stars; Elmore delays as those of plain wires."""

from __future__ import annotations

import io

import numpy as np
import pytest

from circuitgraph.analysis.elmore import _kernel_moments
from circuitgraph.analysis.pi_model import pi_of_moments, reduced_wires, star_pi
from circuitgraph.analysis.wires import FanOutModel, fan_out_wires, spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog

FF = 1e-15
NETLIST = """module top(input a, output y);
  INV u1(.A(a), .Y(n)); INV u2(.A(n), .Y(y)); INV u3(.A(n), .Y());
endmodule
"""
HEAD = '*SPEF "x"\n*DESIGN "top"\n*DIVIDER /\n*DELIMITER :\n*BUS_DELIMITER []\n*C_UNIT 1 FF\n*R_UNIT 1 OHM\n'
PINS = "*CONN\n*I u1:Y O\n*I u2:A I\n*I u3:A I\n"


def parts(net: str) -> tuple[Circuit, object, np.ndarray]:
    circuit = read_verilog(io.BytesIO(NETLIST.encode()))
    assert isinstance(circuit, Circuit)
    pins = np.zeros((circuit.num_pins + circuit.num_ports, 4))
    pins[circuit.find_pin("u2/A")] = np.array([1, 2, 3, 4]) * FF
    pins[circuit.find_pin("u3/A")] = np.array([5, 6, 7, 8]) * FF
    return circuit, read_spef(io.BytesIO((HEAD + net).encode())).resolve(circuit), pins


def random_tree(rng: np.random.Generator, nodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parent of each node but the first, ohms, farads [K, 2]."""
    parent = np.array([rng.integers(node) for node in range(1, nodes)], np.int64)
    return parent, rng.uniform(1, 1000, nodes - 1), rng.uniform(0, 10, (nodes, 2)) * FF


def dense_moments(parent: np.ndarray, ohms: np.ndarray, farads: np.ndarray) -> list[float]:
    """Admittance moments at node 0 with its voltage given: V = V0 - s V1 + s^2 V2 ... by solving G V = s C V."""
    count = len(farads)
    conductance = np.zeros((count, count))
    for node, (up, ohm) in enumerate(zip(parent.tolist(), ohms.tolist(), strict=True), start=1):
        conductance[[node, up], [node, up]] += 1 / ohm
        conductance[[node, up], [up, node]] -= 1 / ohm
    inside = conductance[1:, 1:]
    voltage = np.ones(count)
    found = []
    for _ in range(3):
        found.append(float(farads @ voltage))
        following = np.zeros(count)
        following[1:] = np.linalg.solve(inside, farads[1:] * voltage[1:])
        voltage = following
    return found


@pytest.mark.parametrize("seed", range(5))
def test_moments_of_random_trees_and_of_their_pi_models(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees = [random_tree(rng, int(rng.integers(2, 15))) for _ in range(8)]
    start = np.concatenate([[0], np.cumsum([len(tree[2]) for tree in trees])]).astype(np.int64)
    resistor_start = np.concatenate([[0], np.cumsum([len(tree[0]) for tree in trees])]).astype(np.int64)
    ends = [
        (base + np.arange(1, len(parent) + 1), base + parent)
        for base, (parent, _, _) in zip(start[:-1], trees, strict=True)
    ]
    pairs = np.concatenate([np.stack(pair, axis=1) for pair in ends]).astype(np.int32)
    farads = np.concatenate([tree[2] for tree in trees])
    delay, moments = np.zeros(farads.shape), np.zeros((len(trees), 2, 3))
    ohms = np.concatenate([tree[1] for tree in trees])
    assert _kernel_moments(start, resistor_start, pairs, ohms, farads, start[:-1].copy(), delay, moments) == (0, 0)
    c2, r, c1 = np.moveaxis(pi_of_moments(moments), -1, 0)
    again = np.stack([c1 + c2, r * c1**2, r**2 * c1**3], axis=-1)
    for row, (parent, resistance, capacitance) in enumerate(trees):
        for column in range(2):
            wanted = dense_moments(parent, resistance, capacitance[:, column])
            np.testing.assert_allclose(moments[row, column], wanted, rtol=1e-12)
            np.testing.assert_allclose(again[row, column], wanted, rtol=1e-9)


def test_a_net_without_resistance_is_a_capacitor() -> None:
    np.testing.assert_array_equal(pi_of_moments(np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])), [[3, 0, 0], [0, 0, 0]])
    # one resistor, nothing at the gate: C2 is 0, not the rounding of a difference
    found = pi_of_moments(np.array([0.3, 7.0 * 0.3**2, 7.0**2 * 0.3**3]))
    np.testing.assert_allclose(found, [0.0, 7.0, 0.3])
    assert found[0] == 0.0


def test_reduced_wires_by_hand() -> None:
    net = "*D_NET n 9\n" + PINS + "*CAP\n1 u1:Y 4\n2 u2:A 3\n3 n:1 q:7 2\n*RES\n1 u1:Y u2:A 100\n*END\n"
    circuit, resolved, pins = parts(net)
    wires = reduced_wires(resolved, circuit, pins, shared_reduction=False)
    assert wires.pi is not None
    assert wires.sink is not None
    row = circuit.find_net("n")
    # u3/A and n:1 hang on no resistor: no load; the others are C2 = 4 and C1 = 3 and the pin
    np.testing.assert_allclose(wires.pi[row] / [FF, 1, FF], [[4, 100, 3 + pin] for pin in (1, 2, 3, 4)])
    np.testing.assert_allclose(wires.sink[circuit.find_pin("u2/A")] / FF, [400, 500, 600, 700])
    assert wires.notes.count("node that no resistor reaches from the driver") == 2
    assert np.isnan(np.delete(wires.pi, row, axis=0)).all()
    shared = reduced_wires(resolved, circuit, pins)
    assert shared.pi is not None
    np.testing.assert_allclose(shared.pi[row, :, 2] / FF, [6, 7, 6, 7])


def test_elmore_delays_are_those_of_plain_wires() -> None:
    net = "*D_NET n 10\n" + PINS + "*CAP\n1 u1:Y 1\n2 n:1 2\n3 u2:A 3\n4 u3:A 4\n*RES\n1 u1:Y n:1 100\n2 n:1 u2:A 200\n"
    circuit, resolved, pins = parts(net + "3 n:1 u3:A 300\n4 u2:A u3:A 1000\n*END\n")
    wires = reduced_wires(resolved, circuit, pins, shared_reduction=False)
    plain = spef_wires(resolved, circuit, np.ascontiguousarray(pins[:, :2]))
    np.testing.assert_array_equal(wires.elmore, plain.elmore)
    np.testing.assert_array_equal(wires.capacitance, plain.capacitance)
    np.testing.assert_array_equal(wires.resistance, plain.resistance)
    assert wires.notes.count("resistor that closes a loop dropped") == 1


def test_a_star_has_the_pi_model_of_its_tree() -> None:
    circuit, _, pins = parts("*D_NET n 1\n" + PINS + "*CAP\n1 u1:Y 1\n*END\n")
    row = circuit.find_net("n")
    wires = fan_out_wires(circuit, FanOutModel(np.log(6 * FF), 1.0, np.log(100.0), 1.0), pins[:, :2])
    assert wires.elmore is not None
    # two branches of 100 ohm, 6 fF each: half at the gate, half at the pin
    net = "*D_NET n 12\n" + PINS + "*CAP\n1 u1:Y 6\n2 u2:A 3\n3 u3:A 3\n*RES\n1 u1:Y u2:A 100\n2 u1:Y u3:A 100\n*END\n"
    _, resolved, _ = parts(net)
    early = np.concatenate([pins[:, :2], pins[:, :2]], axis=1)
    tree = reduced_wires(resolved, circuit, early)
    load = np.zeros((circuit.num_nets, 4))
    load[row] = 12 * FF + early[circuit.find_pin("u2/A")] + early[circuit.find_pin("u3/A")]
    found = star_pi(circuit, load, wires.resistance, wires.elmore[:, [0, 1, 0, 1]])
    assert tree.pi is not None
    np.testing.assert_allclose(found[row], tree.pi[row], rtol=1e-9)
    bare = star_pi(circuit, load, np.zeros(circuit.num_nets), np.zeros((len(pins), 4)))
    np.testing.assert_array_equal(bare[row], np.stack([load[row], np.zeros(4), np.zeros(4)], axis=1))
