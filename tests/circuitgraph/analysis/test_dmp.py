"""The delay model dmp: its kernels beside plain twins, its cases by hand, blocks, paths, OpenSTA on random RC trees."""

from __future__ import annotations

import csv
import io
import math
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import expm

from circuitgraph.analysis.dmp import levels_of
from circuitgraph.analysis.dmp_kernels import WAVE, _kernel_gate, _kernel_sink
from circuitgraph.analysis.pi_model import reduced_wires
from circuitgraph.analysis.sta import Timing, analyse
from circuitgraph.analysis.sta_output import PIN_COLUMNS, pin_rows, summary
from circuitgraph.analysis.sta_paths import Tracer, worst_paths
from circuitgraph.analysis.sta_prepare import Prepared, place_capacitances, prepare
from circuitgraph.analysis.sta_report import report_paths
from circuitgraph.analysis.wires import FanOutModel, Wires, fan_out_wires, spef_wires, zero_wires
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library, Thresholds

LEVELS = np.array([0.5, 0.2, 0.8, 1.0])
FF, PS = 1e-15, 1e-12


@pytest.fixture(scope="module")
def shipped(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


# -- the kernels beside plain twins ------------------------------------------------------------


def gate(library: Library, arc: int, edge: int, x: float, pi: tuple[float, float, float], wave: np.ndarray) -> list:
    bank = library.tables
    delay, slew = int(library.arc_table[arc, edge]), int(library.arc_table[arc, 2 + edge])
    tables = (bank.shape, bank.axis, bank.start, bank.axes, bank.values)
    return list(_kernel_gate(*tables, delay, slew, x, *pi, LEVELS, wave))


class Twin:
    """The model over the library's own look-up, numeric derivatives, dense matrices and bisection."""

    def __init__(self, library: Library, arc: int, edge: int, x: float, pi: tuple[float, float, float]) -> None:
        self.c2, self.r, self.c1 = pi
        self.total = self.c2 + self.c1
        rows = library.arc_table[arc, edge], library.arc_table[arc, 2 + edge]
        self.delay, self.slew = ((lambda c, row=int(row): library.tables.lookup(row, x, c)) for row in rows)
        near, far = 0.75 * self.total, 0.825 * self.total
        self.rd = abs(self.delay(far) - self.delay(near)) / (far - near)

    def current(self, load: np.ndarray, conductance: np.ndarray, t: float, ramp: float) -> float:
        """Charge into a load by time *t* of an endless ramp of slope 1 / ramp behind Rd, from the matrix exponential."""
        size = len(load)
        system = np.zeros((size + 3, size + 3))
        g = conductance.copy()
        g[0, 0] += 1 / self.rd
        system[:size, :size] = -g / load[:, None]
        system[0, size] = 1 / self.rd / load[0]  # the ramp
        system[size, size + 1] = 1 / ramp  # its slope; the constant
        state = np.zeros(size + 3)
        state[size + 1] = 1.0
        system[size + 2, size], system[size + 2, 0] = 1 / self.rd, -1 / self.rd  # the charge
        return float((expm(system * t) @ state)[size + 2])

    def excess(self, ceff: float, t: float, ramp: float) -> float:
        """Mean current into the pi model less that into Ceff."""
        pi = self.current(np.array([self.c2, self.c1]), np.array([[1, -1], [-1, 1]]) / self.r, t, ramp)
        return (pi - self.current(np.array([ceff]), np.zeros((1, 1)), t, ramp)) / t

    def ramp_into(self, t: float, tau: float) -> float:
        return t - tau * (1 - math.exp(-t / tau)) if t > 0 else 0.0

    def step(self, start: float, ramp: float, ceff: float) -> np.ndarray:
        """Newton step: charges differ over the table's transition, derivatives are taken over one ramp."""
        transition = self.slew(ceff)
        late = self.delay(ceff)
        early = late - transition / 2  # from 20 to 50 of 20 to 80 %
        matrix, miss = np.zeros((3, 3)), np.zeros(3)
        miss[0] = -self.excess(ceff, min(transition / 0.6, 1.4 * ramp), ramp)
        near = 1e-5
        matrix[0, 1] = self.excess(ceff, ramp * (1 + near), ramp * (1 + near))
        matrix[0, 1] -= self.excess(ceff, ramp * (1 - near), ramp * (1 - near))
        matrix[0, 1] /= 2 * near * ramp
        matrix[0, 2] = self.excess(ceff * (1 + near), ramp, ramp) - self.excess(ceff * (1 - near), ramp, ramp)
        matrix[0, 2] /= 2 * near * ceff
        for row, (time, level) in enumerate(((late, 0.5), (early, 0.2)), start=1):

            def voltage(s: float, c: float, sign: float = -1.0, time: float = time) -> float:
                tau = self.rd * c
                return (self.ramp_into(time - s, tau) + sign * self.ramp_into(time - s - ramp, tau)) / ramp

            miss[row] = level - voltage(start, ceff)
            matrix[row, 0] = (voltage(start + near * ramp, ceff) - voltage(start - near * ramp, ceff)) / 2 / near / ramp
            matrix[row, 2] = (voltage(start, ceff * (1 + near)) - voltage(start, ceff * (1 - near))) / 2 / near / ceff
            rest = time - start - ramp
            ended = 1 - math.exp(-rest / self.rd / ceff) if rest > 0 else 0.0
            matrix[row, 1] = (ended - voltage(start, ceff, 1.0)) / ramp  # + 1: as OpenSTA's steps have it
        return np.linalg.solve(matrix, miss)

    def solve(self) -> tuple[float, float, float] | None:
        ceff = self.total
        ramp = self.slew(ceff) / 0.6
        start = self.delay(ceff) + math.log(0.5) * self.rd * ceff - 0.5 * ramp
        for _ in range(100):
            step = self.step(start, ramp, ceff)
            start, ramp, ceff = start + step[0], ramp + step[1], ceff + step[2]
            if not (0 < ceff <= self.total and ramp > 0):
                return None
            if all(abs(a) <= 0.01 * abs(b) for a, b in zip(step, (start, ramp, ceff), strict=True)):
                return start, ramp, ceff
        return None

    def crossing(self, start: float, ramp: float, level: float, elmore: float) -> float:
        """When the gate, or behind it a pole, passes a level: exact steps of the state, then bisection."""
        g = np.array([[1 / self.rd + 1 / self.r, -1 / self.r], [-1 / self.r, 1 / self.r]])
        system = np.zeros((5, 5))
        system[:2, :2] = -g / np.array([self.c2, self.c1])[:, None]
        system[0, 2] = 1 / self.rd / self.c2
        if elmore:
            system[4, 0], system[4, 4] = 1 / elmore, -1 / elmore
        rising, flat = system.copy(), system
        rising[2, 3] = 1 / ramp

        def voltage(t: float) -> float:
            state = expm(rising * min(t, ramp)) @ np.array([0, 0, 0, 1.0, 0])
            if t > ramp:
                state = expm(flat * (t - ramp)) @ state
            return float(state[4 if elmore else 0])

        low, high = 0.0, ramp + 30 * (self.rd * self.total + self.r * self.c1 + elmore)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if voltage(middle) < level else (low, middle)
        return start + low


def random_gates(library: Library, seed: int, count: int) -> list[tuple[int, int, float, tuple[float, float, float]]]:
    """Arc, edge, input slew and pi model."""
    rng = np.random.default_rng(seed)
    arcs = [
        arc
        for kind in ("CGL_INV_X1", "CGL_BUF_X1", "CGL_NAND2_X1", "CGL_INV_X2")
        for arc in range(int(library.arc_start[library.index[kind]]), int(library.arc_start[library.index[kind] + 1]))
    ]
    return [
        (
            int(rng.choice(arcs)),
            int(rng.integers(2)),
            float(rng.uniform(5, 200)) * PS,
            (
                float(10 ** rng.uniform(-1, 1.5)) * FF,
                float(10 ** rng.uniform(2, 4)),
                float(10 ** rng.uniform(0, 1.5)) * FF,
            ),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_gate_and_sink_equal_their_plain_twins(shipped: Library, seed: int) -> None:
    outcomes = []
    for arc, edge, x, pi in random_gates(shipped, seed, 16):
        twin, wave, sunk = Twin(shipped, arc, edge, x, pi), np.zeros(WAVE), np.zeros(WAVE)
        delay, slew, ceff = gate(shipped, arc, edge, x, pi, wave)
        if not (pi[1] >= 1e-3 * twin.rd and pi[2] >= 1e-3 * pi[0] and pi[0] >= 1e-3 * pi[2]):
            continue
        wanted = twin.solve()
        outcomes.append(wanted is not None)
        if wanted is None:
            assert wave[0] == 0
            assert (delay, slew, ceff) == (twin.delay(twin.total), twin.slew(twin.total), twin.total)
            continue
        assert wave[0] == 1
        np.testing.assert_allclose([wave[1], wave[2], ceff], wanted, rtol=1e-5)
        assert delay == pytest.approx(twin.delay(ceff), rel=1e-12)
        middle, lower, upper = (twin.crossing(wave[1], wave[2], level, 0.0) for level in (0.5, 0.2, 0.8))
        assert slew == pytest.approx(upper - lower, rel=1e-6)
        elmore = pi[1] * pi[2] * 0.7
        behind = [twin.crossing(wave[1], wave[2], level, elmore) for level in (0.5, 0.2, 0.8)]
        found = _kernel_sink(wave, elmore, slew, LEVELS, sunk)
        if elmore >= 1e-3 * slew:
            assert found[0] == pytest.approx(behind[0] - middle, rel=1e-4)
            assert found[1] == pytest.approx(behind[2] - behind[1], rel=1e-5)
    assert any(outcomes)


def test_a_small_part_of_the_load_is_left_out(shipped: Library) -> None:
    arc, x = int(shipped.arc_start[shipped.index["CGL_INV_X1"]]), 50 * PS
    twin = Twin(shipped, arc, 0, x, (10 * FF, 1.0, 10 * FF))
    wave = np.zeros(WAVE)
    for share, has_wave in ((0.9, 0), (1.1, 1)):  # R below and above a thousandth of Rd
        delay, slew, ceff = gate(shipped, arc, 0, x, (10 * FF, share * 1e-3 * twin.rd, 10 * FF), wave)
        assert wave[0] == has_wave
        assert (delay == twin.delay(20 * FF)) == (not has_wave)
        assert ceff <= 20 * FF
    for share, has_wave in ((0.9, 0), (1.1, 1)):  # C1 of C2
        gate(shipped, arc, 0, x, (20 * FF, 500.0, share * 1e-3 * 20 * FF), wave)
        assert wave[0] == has_wave
    for share in (0.0, 0.9):  # C2 of C1: one pole, and the delay is that of the waveform
        delay, slew, ceff = gate(shipped, arc, 0, x, (share * 1e-3 * 20 * FF, 2000.0, 20 * FF), wave)
        assert wave[0] == 1
        assert wave[7] == 0
        assert ceff == 20 * FF
        one = Twin(shipped, arc, 0, x, (1e-9 * FF, 2000.0, 20 * FF))
        assert delay == pytest.approx(one.crossing(wave[1], wave[2], 0.5, 0.0), rel=1e-4)
        assert delay < twin.delay(20 * FF)
        assert slew == pytest.approx(
            one.crossing(wave[1], wave[2], 0.8, 0.0) - one.crossing(wave[1], wave[2], 0.2, 0.0), rel=1e-4
        )


def test_sinks_without_a_waveform_or_far_from_a_pole(shipped: Library) -> None:
    wave, sunk = np.zeros(WAVE), np.zeros(WAVE)
    assert _kernel_sink(wave, 3 * PS, 40 * PS, LEVELS, sunk) == (3 * PS, 40 * PS)
    arc = int(shipped.arc_start[shipped.index["CGL_INV_X1"]])
    _, slew, _ = gate(shipped, arc, 0, 50 * PS, (5 * FF, 500.0, 10 * FF), wave)
    assert _kernel_sink(wave, 0.99e-3 * slew, slew, LEVELS, sunk) == (0.99e-3 * slew, slew)
    # the sink's pole on a pole of the gate: no division by zero, and between its neighbours
    around = [_kernel_sink(wave, factor / wave[6], slew, LEVELS, sunk) for factor in (0.999, 1.0, 1.001)]
    assert around[0][0] < around[1][0] < around[2][0]
    assert around[0][1] < around[1][1] < around[2][1]


def test_levels_look_at_falling_edges_upside_down(shipped: Library) -> None:
    thresholds = Thresholds((0.5, 0.5), (0.5, 0.4), (0.1, 0.2), (0.7, 0.9), 0.5)
    found = levels_of(replace(shipped, thresholds=(thresholds,)))
    np.testing.assert_allclose(found, [[[0.5, 0.1, 0.7, 0.5], [0.6, 0.1, 0.8, 0.5]]])


# -- the whole engine --------------------------------------------------------------------------

CELLS = {"CGL_INV_X1": "A", "CGL_NAND2_X1": "AB", "CGL_XOR2_X1": "AB", "CGL_NOR2_X1": "AB", "CGL_BUF_X2": "A"}
SDC = """create_clock -name ck -period 2 [get_ports ck]
set_propagated_clock ck
set_input_delay 0.1 -clock ck [get_ports {a b c}]
set_output_delay 0.1 -clock ck [get_ports y]
set_input_transition 0.04 [all_inputs]
"""


def netlist_of(rng: np.random.Generator, cells: int) -> str:
    """A random circuit behind a clock tree of two buffers."""
    nets = ["a", "b", "c"]
    lines = [" CGL_CLKBUF_X2 t0 (.A(ck), .Z(c0));", " CGL_CLKBUF_X2 t1 (.A(c0), .Z(c1));"]
    lines += [" CGL_CLKBUF_X2 t2 (.A(c0), .Z(c2));"]
    for row in range(cells):
        if row and row % 7 == 0:
            lines.append(f" CGL_DFF_X1 f{row} (.CK(c{1 + row % 2}), .D({nets[-1]}), .Q(n{row}));")
        else:
            kind = list(CELLS)[rng.integers(len(CELLS))]
            chosen = [nets[rng.integers(max(0, len(nets) - 8), len(nets))] for _ in CELLS[kind]]
            pins = ", ".join(f".{pin}({net})" for pin, net in zip(CELLS[kind], chosen, strict=True))
            lines.append(f" {kind} u{row} ({pins}, .Z(n{row}));")
        nets.append(f"n{row}")
    lines += [f" CGL_DFF_X1 f{row} (.CK(c{1 + row % 2}), .D(n{rng.integers(cells)}), .Q(q{row}));" for row in (0, 1)]
    lines += [f" CGL_BUF_X1 last (.A({nets[-1]}), .Z(y));"]
    wires = ", ".join([*nets[3:], "c0", "c1", "c2", "q0", "q1"])
    ports = "module t (ck, a, b, c, y);\n input ck, a, b, c; output y; wire "
    return ports + wires + ";\n" + "\n".join(lines) + "\nendmodule\n"


def spef_of(rng: np.random.Generator, circuit: Circuit) -> str:
    """A random RC tree on every net of a circuit: resistors from 1 ohm to 3 kohm, an inner node or two."""
    text = ['*SPEF "x"\n*DESIGN "t"\n*DATE "x"\n*VENDOR "x"\n*PROGRAM "x"\n*VERSION "1"\n*DESIGN_FLOW "x"\n*DIVIDER /']
    text.append("*DELIMITER :\n*BUS_DELIMITER []\n*T_UNIT 1 NS\n*C_UNIT 1 FF\n*R_UNIT 1 OHM\n*L_UNIT 1 HENRY\n")
    for net in range(circuit.num_nets):
        name = circuit.net_names.text(net)
        pins = np.flatnonzero(circuit.pin_net == net)
        ends = [(circuit.pin_text(pin).replace("/", ":"), circuit.pin_direction[pin]) for pin in pins.tolist()]
        joined = [f"*I {text} {'O' if way == 2 else 'I'}" for text, way in ends]
        for port in np.flatnonzero(circuit.port_net == net).tolist():
            ends.append((circuit.port_names.text(port), 3 - circuit.port_direction[port]))
            joined.append(f"*P {circuit.port_names.text(port)} {'I' if circuit.port_direction[port] == 1 else 'O'}")
        ends.sort(key=lambda end: -int(end[1]))
        nodes = [ends[0][0], f"{name}:1", *[text for text, _ in ends[1:]]]
        farads = 10 ** rng.uniform(-2, 1.3, len(nodes))
        ohms = 10 ** rng.uniform(0, 3.5, len(nodes) - 1)
        parents = [nodes[rng.integers(min(row, 2))] for row in range(1, len(nodes))]
        text.append(f"*D_NET {name} {farads.sum():.6g}\n*CONN\n" + "\n".join(joined) + "\n*CAP")
        text += [f"{row + 1} {node} {c:.6g}" for row, (node, c) in enumerate(zip(nodes, farads, strict=True))]
        text.append("*RES")
        text += [f"{row + 1} {parents[row]} {nodes[row + 1]} {ohm:.6g}" for row, ohm in enumerate(ohms)]
        text.append("*END\n")
    return "\n".join(text)


def case(library: Library, seed: int, cells: int, sdc: str = SDC) -> tuple[Prepared, Wires, str, str]:
    rng = np.random.default_rng(seed)
    netlist = netlist_of(rng, cells)
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=library)
    assert isinstance(circuit, Circuit)
    spef = spef_of(rng, circuit)
    resolved = read_spef(io.BytesIO(spef.encode())).resolve(circuit)
    assert resolved.report.share == 1
    prepared = prepare(circuit, library, read_sdc(io.BytesIO(sdc.encode()), circuit, library))
    return prepared, reduced_wires(resolved, circuit, place_capacitances(circuit, library)), netlist, spef


def same(one: Timing, other: Timing) -> None:
    np.testing.assert_array_equal(one.arrival, other.arrival)
    np.testing.assert_array_equal(one.slew, other.slew)
    np.testing.assert_array_equal(one.endpoints.slack, other.endpoints.slack)
    np.testing.assert_array_equal(one.state_arrival, other.state_arrival)


def test_nets_without_resistance_are_lumped(shipped: Library) -> None:
    prepared, wires, _, _ = case(shipped, 1, 60)
    bare = replace(zero_wires(prepared.circuit), capacitance=wires.capacitance)
    alone = {"wires": bare, "default_wire_load": False}
    same(analyse(prepared, delay_model="dmp", **alone), analyse(prepared, **alone))


def test_blocks_give_the_same_bits(shipped: Library) -> None:
    prepared, wires, _, _ = case(shipped, 2, 120)
    whole = analyse(prepared, wires=wires, delay_model="dmp")
    for size in (1, 3, 17, 10**6):
        same(analyse(prepared, wires=wires, delay_model="dmp", block_size=size), whole)
    assert analyse(prepared, wires=wires, delay_model="dmp", block_size=17).peak_rows < whole.peak_rows


@pytest.mark.parametrize("sdc", [SDC, SDC + "set_timing_derate -late 1.1\nset_timing_derate -early 0.9\n"])
def test_paths_add_up_and_pessimism_is_removed(shipped: Library, sdc: str) -> None:
    prepared, wires, _, _ = case(shipped, 4, 120, sdc)
    timing = analyse(prepared, wires=wires, delay_model="dmp")
    tracer, arcs = Tracer(timing), prepared.arcs
    steps = 0
    for early in (False, True):
        paths = worst_paths(timing, 50, early=early)
        assert len(paths) >= 3
        for path in paths:
            assert path.launch[-1].arrival == pytest.approx(path.arrival, abs=1e-20)
            assert path.slack == pytest.approx((path.arrival - path.required) * (1 if early else -1), abs=1e-20)
            for one, two in pairwise(path.launch):
                between = np.flatnonzero((arcs.source == one.node) & (arcs.target == two.node)).tolist()
                delays = [tracer.delay(arc, one.edge, two.edge, int(early)) for arc in between]
                assert min(abs(delay - two.delay) for delay in delays) < 1e-20
                steps += 1
    assert steps > 50
    if "derate" in sdc:
        assert (timing.endpoints.credit > 0).any()
        plain = analyse(prepared, wires=wires, delay_model="dmp", remove_pessimism=False)
        assert plain.endpoints.slack.sum() < timing.endpoints.slack.sum() - 10 * PS


def test_a_finished_analysis_can_be_analysed_again(shipped: Library) -> None:
    prepared, wires, _, _ = case(shipped, 4, 40)
    timing = analyse(prepared, wires=wires, delay_model="dmp")
    assert timing.prepared.origin is prepared
    whole, plain = summary(timing), summary(analyse(prepared, wires=wires))
    assert all(whole[key] == plain[key] for key in ("endpoints", "unconstrained"))
    assert len(report_paths(timing, 3).splitlines()) > 30
    same(analyse(timing.prepared, wires=wires, delay_model="dmp"), timing)
    same(analyse(timing.prepared, wires=wires), analyse(prepared, wires=wires))


def test_wires_that_the_model_cannot_use(shipped: Library) -> None:
    prepared, _, _, spef = case(shipped, 5, 20)
    resolved = read_spef(io.BytesIO(spef.encode())).resolve(prepared.circuit)
    with pytest.raises(CircuitError, match="needs wires with resistance"):
        analyse(prepared, wires=None, delay_model="dmp")
    with pytest.raises(CircuitError, match="needs wires with resistance"):
        analyse(prepared, wires=spef_wires(resolved, prepared.circuit, elmore=False), delay_model="dmp")
    with pytest.raises(CircuitError, match="reduced to pi models"):
        analyse(prepared, wires=spef_wires(resolved, prepared.circuit), delay_model="dmp")


def test_ports_by_hand(shipped: Library) -> None:
    """No gate is behind a port: one pole's delay and slew where the net is extracted, else the Elmore delay alone."""
    netlist = "module t (ck, a, y); input ck, a; output y; CGL_INV_X1 u (.A(a), .Z(y)); endmodule"
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=shipped)
    assert isinstance(circuit, Circuit)
    sdc = SDC.replace("{a b c}", "{a}")
    prepared = prepare(circuit, shipped, read_sdc(io.BytesIO(sdc.encode()), circuit, shipped))
    pins = place_capacitances(circuit, shipped)
    spef = "*D_NET a 4\n*CONN\n*P a I\n*I u:A I\n*CAP\n1 a 1\n2 u:A 3\n*RES\n1 a u:A 2000\n*END\n"
    head = '*SPEF "x"\n*DESIGN "t"\n*DIVIDER /\n*DELIMITER :\n*BUS_DELIMITER []\n*C_UNIT 1 FF\n*R_UNIT 1 OHM\n'
    resolved = read_spef(io.BytesIO((head + spef).encode())).resolve(circuit)
    timing = analyse(prepared, wires=reduced_wires(resolved, circuit, pins), delay_model="dmp")
    pin = circuit.find_pin("u/A")
    elmore = 2000 * (3 * FF + pins[pin])
    low, high = shipped.thresholds[0].slew_lower[0], shipped.thresholds[0].slew_upper[0]
    grown = math.log((1 - low) / (1 - high)) / shipped.thresholds[0].slew_derate
    np.testing.assert_allclose(timing.arrival[pin], 100 * PS + math.log(2) * elmore)
    np.testing.assert_allclose(timing.slew[pin], 40 * PS + grown * elmore)
    model = FanOutModel(math.log(6 * FF), 1.0, math.log(2000.0), 1.0)
    wires = fan_out_wires(circuit, model, np.ascontiguousarray(pins[:, :2]))
    timing = analyse(prepared, wires=wires, delay_model="dmp", default_wire_load=False)
    np.testing.assert_allclose(timing.arrival[pin], 100 * PS + elmore)
    np.testing.assert_allclose(timing.slew[pin], 40 * PS)


def test_wires_by_fan_out_lie_between_none_and_twice_as_many(shipped: Library) -> None:
    prepared, _, _, _ = case(shipped, 6, 60)
    pins = np.ascontiguousarray(place_capacitances(prepared.circuit, shipped)[:, :2])
    found = [
        analyse(
            prepared,
            wires=fan_out_wires(prepared.circuit, FanOutModel(math.log(c * FF), 1.0, math.log(r), 1.0), pins),
            delay_model="dmp",
            default_wire_load=False,
        ).arrival
        for c, r in ((0.01, 0.1), (2, 500), (4, 1000))
    ]
    known = ~np.isnan(found[0])
    assert (found[0][known] <= found[1][known] + PS).all()
    assert (found[1][known] <= found[2][known] + PS).all()
    assert (found[2][known] - found[0][known]).max() > 10 * PS


# -- OpenSTA on random RC trees ----------------------------------------------------------------

RUN = """source dump_pins.tcl
read_liberty {LIBRARY}
read_verilog top.v
link_design t
source top.sdc
read_spef top.spef
report_wns
dump_pins out.csv
"""


@pytest.mark.tool("sta")
@pytest.mark.data
@pytest.mark.parametrize("seed", [11, 12])
def test_opensta_on_random_trees(shipped: Library, root: Path, shared_data: object, tmp_path: Path, seed: int) -> None:
    """OpenSTA's steps to a crossing end at 1 %, so slews agree to some parts in 10,000."""
    assert callable(shared_data)
    sdc = SDC + ("set_timing_derate -late 1.1\nset_timing_derate -early 0.9\n" if seed == 12 else "")
    prepared, wires, netlist, spef = case(shipped, seed, 80, sdc)
    (tmp_path / "dump_pins.tcl").write_text((shared_data("timing/dump_pins.tcl")).read_text())
    for name, text in (("top.v", netlist), ("top.sdc", sdc), ("top.spef", spef)):
        (tmp_path / name).write_text(text)
    (tmp_path / "run.tcl").write_text(RUN.replace("LIBRARY", str(root / "data" / "library" / "cgl_typ.lib")))
    subprocess.run(["sta", "-no_splash", "-exit", "run.tcl"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    with (tmp_path / "out.csv").open() as file:
        golden = {row[0]: row for row in csv.reader(file)}
    rows = list(pin_rows(analyse(prepared, wires=wires, delay_model="dmp")))
    assert len(rows) > 150
    misses = []
    for row in rows:
        for column, mine, other in zip(PIN_COLUMNS, row, golden[row[0]], strict=True):
            assert (mine == "") == (other == ""), (row[0], column, mine, other)
            if column not in {"pin", "endpoint"} and mine:
                misses.append(abs(float(mine) - float(other)) / max(abs(float(other)), 0.1))
    assert np.median(misses) < 1e-4
    assert max(misses) < 5e-3
