"""Wires: Elmore delays by hand and against a plain twin, fan-out fits, wire loads."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, strategies

from circuitgraph.analysis.elmore import _kernel_elmore
from circuitgraph.analysis.wires import (
    FanOutModel,
    fan_out,
    fan_out_wires,
    fit_fan_out,
    spef_wires,
    wire_load_wires,
    zero_wires,
)
from circuitgraph.circuit import Circuit
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog

NETLIST = """module top(input a, output y);
  INV u1(.A(a), .Y(n)); INV u2(.A(n), .Y(y)); INV u3(.A(n), .Y());
endmodule
"""
SPEF = """*SPEF "x"
*DESIGN "top"
*DIVIDER /
*DELIMITER :
*BUS_DELIMITER []
*C_UNIT 1 FF
*R_UNIT 1 OHM
*D_NET n 12
*CONN
*I u1:Y O
*I u2:A I
*I u3:A I
*CAP
1 u1:Y 1
2 n:1 2
3 u2:A 3
4 u3:A 4
5 n:1 q:7 2
*RES
1 u1:Y n:1 100
2 n:1 u2:A 200
3 n:1 u3:A 300
4 u2:A u3:A 1000
*END
"""
FF = 1e-15


def parts() -> tuple[Circuit, object]:
    circuit = read_verilog(io.BytesIO(NETLIST.encode()))
    return circuit, read_spef(io.BytesIO(SPEF.encode())).resolve(circuit)


def pin_capacitance(circuit: Circuit) -> np.ndarray:
    found = np.zeros((circuit.num_pins + circuit.num_ports, 2))
    for name, rise, fall in (("u2/A", 1, 2), ("u3/A", 3, 4), ("u1/A", 5, 5)):
        found[circuit.find_pin(name)] = rise * FF, fall * FF
    return found


def test_elmore_by_hand() -> None:
    circuit, resolved = parts()
    wires = spef_wires(resolved, circuit, pin_capacitance(circuit))
    net = circuit.find_net("n")
    assert wires.capacitance[net] == pytest.approx(12 * FF)
    assert wires.resistance[net] == 1600
    assert wires.annotated.tolist() == [row == net for row in range(circuit.num_nets)]
    trunk_rise = 100 * (2 + 2 + 3 + 1 + 4 + 3)
    trunk_fall = 100 * (2 + 2 + 3 + 2 + 4 + 4)
    assert wires.elmore is not None
    assert wires.elmore[circuit.find_pin("u2/A")] == pytest.approx(
        [(trunk_rise + 200 * 4) * FF, (trunk_fall + 200 * 5) * FF]
    )
    assert wires.elmore[circuit.find_pin("u3/A")] == pytest.approx(
        [(trunk_rise + 300 * 7) * FF, (trunk_fall + 300 * 8) * FF]
    )
    assert wires.elmore[circuit.find_pin("u1/Y")].tolist() == [0, 0]
    assert wires.notes.count("resistor that closes a loop dropped") == 1
    assert spef_wires(resolved, circuit, elmore=False).elmore is None


def test_zero_wires() -> None:
    circuit, _ = parts()
    wires = zero_wires(circuit)
    assert wires.source == "zero"
    assert not wires.capacitance.any()
    assert wires.elmore is None


def test_fan_out_counts_pins_and_output_terminals() -> None:
    circuit, _ = parts()
    count = fan_out(circuit)
    assert [int(count[circuit.find_net(name)]) for name in ("a", "n", "y")] == [1, 2, 1]


def test_fan_out_fit_and_wires_by_hand() -> None:
    model = fit_fan_out([1, 2, 4, 0, 8], [2 * FF, 4 * FF, 8 * FF, 5 * FF, 0], [10, 10, 10, 3, 10])
    assert (np.exp(model.c0), model.c1) == pytest.approx((2 * FF, 1.0))
    assert (np.exp(model.r0), model.r1) == pytest.approx((10.0, 0.0), abs=1e-12)
    circuit, _ = parts()
    wires = fan_out_wires(circuit, model, pin_capacitance(circuit))
    net = circuit.find_net("n")
    assert wires.capacitance[net] == pytest.approx(4 * FF)
    assert wires.resistance[net] == pytest.approx(10)
    assert wires.elmore is not None
    assert wires.elmore[circuit.find_pin("u3/A")] == pytest.approx([5 * (1 + 3) * FF, 5 * (1 + 4) * FF])
    assert wires.elmore[circuit.find_pin("u1/Y")].tolist() == [0, 0]
    assert not wires.annotated.any()


def test_fit_of_one_fan_out_has_no_slope() -> None:
    assert fit_fan_out([3, 3], [FF, FF], [1, 1]).c1 == 0
    assert FanOutModel(-np.inf, 0, -np.inf, 0).capacitance([1, 2]).tolist() == [0, 0]


class Load:
    capacitance = 2 * FF
    resistance = 10.0

    def length(self, fan_out: object) -> np.ndarray:
        return np.asarray(fan_out, np.float64) * 3


def test_wire_load_is_a_balanced_tree() -> None:
    circuit, _ = parts()
    wires = wire_load_wires(circuit, Load(), pin_capacitance(circuit))
    net = circuit.find_net("n")
    assert (wires.capacitance[net], wires.resistance[net]) == pytest.approx((12 * FF, 60))
    assert wires.elmore is not None
    assert wires.elmore[circuit.find_pin("u2/A")] == pytest.approx([30 * (6 + 1) * FF, 30 * (6 + 2) * FF])
    assert wires.capacitance[circuit.net_load_count == 0].tolist() == [0] * int((circuit.net_load_count == 0).sum())


def plain_elmore(
    count: int, ends: list[tuple[int, int]], ohms: list[float], farads: np.ndarray, root: int
) -> np.ndarray:
    """Twin of the kernel: shortest-resistance tree by Bellman and Ford, then sums over paths."""
    distance = [np.inf] * count
    parent: list[int] = [-1] * count
    edge = [0.0] * count
    distance[root] = 0.0
    for _ in range(count):
        for (a, b), value in zip(ends, ohms, strict=True):
            for one, other in ((a, b), (b, a)):
                if one != other and distance[one] + value < distance[other]:
                    distance[other], parent[other], edge[other] = distance[one] + value, one, value
    delay = np.zeros((count, 2))

    def path(node: int) -> list[int]:
        found = []
        while node != root:
            found.append(node)
            node = parent[node]
        return found

    reached = [node for node in range(count) if distance[node] < np.inf]
    for node in reached:
        for step in path(node):
            below = sum(farads[other] for other in reached if step in path(other))
            delay[node] += edge[step] * below
    return delay


@given(strategies.integers(1, 9), strategies.integers(0, 10**6), strategies.integers(0, 12))
def test_kernel_equals_its_twin(count: int, seed: int, extra: int) -> None:
    rng = np.random.default_rng(seed)
    ends = [(int(rng.integers(0, node)), node) for node in range(1, count) if rng.random() > 0.1]
    ends += [tuple(int(x) for x in rng.integers(0, count, 2)) for _ in range(extra)]
    ohms = rng.random(len(ends)).tolist()
    farads = rng.random((count, 2))
    root = int(rng.integers(count))
    delay = np.zeros((count, 2))
    _kernel_elmore(
        np.array([0, count]),
        np.array([0, len(ends)]),
        np.array(ends, np.int32).reshape(-1, 2),
        np.array(ohms, np.float64),
        farads,
        np.array([root]),
        delay,
    )
    assert delay == pytest.approx(plain_elmore(count, ends, ohms, farads, root), rel=1e-9)


def test_real_design(shared_data) -> None:
    folder = shared_data("timing/designs/tt_mitssdd")
    circuit = read_verilog(folder / "tt_mitssdd.v")
    wires = spef_wires(read_spef(folder / "tt_mitssdd.spef").resolve(circuit), circuit)
    assert wires.capacitance.sum() == pytest.approx(3.952615055e-12)
    assert wires.elmore is not None
    assert 1e-12 < wires.elmore.max() < 1e-11
    assert (wires.elmore[circuit.net_driver[wires.annotated & (circuit.net_driver >= 0)]] == 0).all()
