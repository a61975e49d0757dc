"""Derivatives of timing analysis: by hand, against differences, by blocks, through the points of dmp."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuitgraph.analysis.pi_model import reduced_wires
from circuitgraph.analysis.sta import analyse, kernel_arguments, listed_places
from circuitgraph.analysis.sta_boundary import boundary_of
from circuitgraph.analysis.sta_forward_kernels import _kernel_blend
from circuitgraph.analysis.sta_gradient import Gradients, Tape, backward, forward_with_tape
from circuitgraph.analysis.sta_gradient_kernels import _kernel_slopes
from circuitgraph.analysis.sta_linearised import corrections_of
from circuitgraph.analysis.sta_live import live_of
from circuitgraph.analysis.sta_prepare import Prepared, place_capacitances, prepare
from circuitgraph.analysis.wires import FanOutModel, Wires, fan_out_wires, spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from tests.circuitgraph.analysis.test_sta import SMALL, _constraint, _delay
from tests.circuitgraph.analysis.test_sta_golden import library_of

Shared = Callable[[str], Path]
OUTPUTS = ("setup_slack", "hold_slack", "arrival", "slew")
INPUTS = ("capacitance", "sink_delay", "arc_scale")

GATES = {
    "CGL_INV_X1": "A",
    "CGL_NAND2_X1": "AB",
    "CGL_XOR2_X1": "AB",
    "CGL_NOR2_X2": "AB",
    "CGL_BUF_X2": "A",
    "CGL_MUX2_X1": "ABS",
}
BASE = """create_clock -name ck -period 1 -waveform {0 0.45} [get_ports ck]
set_propagated_clock [all_clocks]
set_input_delay 0.1 -clock ck [get_ports {a b rn en}]
set_input_delay -min 0.05 -clock ck [get_ports {a b rn en}]
set_output_delay 0.2 -clock ck [all_outputs]
set_input_transition 0.05 [all_inputs]
"""
CASES = {
    "plain": BASE,
    "derates": BASE + "set_timing_derate -early 0.9\nset_timing_derate -late 1.1\nset_clock_uncertainty 0.05 ck\n",
    "ideal": BASE.replace(
        "set_propagated_clock [all_clocks]", "set_clock_latency 0.2 ck\nset_clock_transition 0.07 ck"
    ),
    "driving": BASE
    + "set_driving_cell -lib_cell CGL_NAND2_X1 -pin Z -from_pin B -input_transition_rise 0.1 [get_ports {a ck}]\n"
    + "set_driving_cell -lib_cell CGL_XOR2_X1 -pin Z [get_ports b]\nset_load 0.003 [get_ports y]\n",
    "two clocks": BASE
    + "create_clock -name v -period 1.5 -waveform {0.1 0.6}\nset_input_delay 0.3 -clock v -clock_fall -add_delay a\n"
    + "set_output_delay 0.1 -clock v -add_delay y\nset_clock_uncertainty -setup 0.03 -from v -to ck\n",
    "exceptions": BASE
    + "set_false_path -from [get_ports rn]\nset_multicycle_path -setup 2 -from [get_pins f0/CK]\n"
    + "set_case_analysis 0 [get_ports b]\n",
    "points": BASE
    + "set_multicycle_path -setup 2 -through [get_pins {u20/Z u25/Z}]\nset_false_path -hold -through [get_pins u30/Z]\n"
    + "set_max_delay 0.3 -from [get_ports a] -to [get_pins f1/D]\n",
}
GENERATED = BASE + "create_generated_clock -name g -source [get_ports ck] -divide_by 2 [get_pins b1/Z]\n"


@pytest.fixture(scope="module")
def small() -> Library:
    text = SMALL % {"buf": _delay(1.0), "inv": _delay(2.0), "setup": _constraint(0.4), "hold": _constraint(0.1)}
    return read_liberty(io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def shipped(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


def random_netlist(rng: np.random.Generator, cells: int) -> str:
    """Gates over earlier nets, four flip-flops on three branches of a clock tree, one of them gated."""
    nets = ["a", "b", "q0", "q1", "q2", "q3"]
    lines = [
        " CGL_CLKBUF_X2 b0 (.A(ck), .Z(c0)); CGL_CLKBUF_X2 b1 (.A(c0), .Z(c1)); CGL_INV_X2 b2 (.A(c0), .Z(c2));",
        " CGL_AND2_X1 k (.A(c1), .B(en), .Z(c3));",
    ]
    for row in range(cells):
        kind = list(GATES)[rng.integers(len(GATES))]
        pins = ", ".join(f".{pin}({nets[rng.integers(max(0, len(nets) - 8), len(nets))]})" for pin in GATES[kind])
        lines.append(f" {kind} u{row} ({pins}, .Z(n{row}));")
        nets.append(f"n{row}")
    data = [f"n{rng.integers(cells // 2, cells)}" for _ in range(4)]
    lines += [f" CGL_DFF_X1 f{row} (.CK(c{row}), .D({data[row]}), .Q(q{row}));" for row in (0, 1, 2)]
    lines += [
        f" CGL_DFFR_X1 f3 (.CK(c3), .D({data[3]}), .RN(rn), .Q(q3));",
        f" CGL_BUF_X1 last (.A(n{cells - 1}), .Z(y));",
    ]
    wires = ", ".join([f"n{row}" for row in range(cells)] + [f"{x}{row}" for x in "cq" for row in range(4)])
    return f"module t (ck, a, b, rn, en, y);\n input ck, a, b, rn, en; output y; wire {wires};\n" + (
        "\n".join(lines) + "\nendmodule\n"
    )


def prepared_of(library: Library, netlist: str, sdc: str) -> Prepared:
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=library)
    assert isinstance(circuit, Circuit)
    return prepare(circuit, library, read_sdc(io.BytesIO(sdc.encode()), circuit, library))


def random_design(library: Library, seed: int, case: str = "plain", cells: int = 40) -> tuple[Prepared, Wires]:
    """A circuit under one of :data:`CASES` with random wires on every net."""
    rng = np.random.default_rng(seed)
    sdc = CASES[case] if cells >= 31 else CASES[case].replace("u20/Z u25/Z", "u4/Z u5/Z").replace("u30/Z", "u6/Z")
    prepared = prepared_of(library, random_netlist(rng, cells), sdc)
    circuit = prepared.circuit
    capacitance = rng.uniform(0.5e-15, 8e-15, circuit.num_nets)
    elmore = rng.uniform(0.5e-12, 20e-12, (prepared.num_places, 2))
    resistance = rng.uniform(50, 2000, circuit.num_nets)
    return prepared, Wires("random", capacitance, resistance, elmore, np.ones(circuit.num_nets, np.bool_))


def weights(tape: Tape, seed: int) -> dict[str, np.ndarray]:
    """Random gradients by each output."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=getattr(tape.values, name).shape) for name in OUTPUTS}


def gradients(tape: Tape, by: dict[str, np.ndarray]) -> Gradients:
    return backward(tape, (by["setup_slack"], by["hold_slack"]), by["arrival"], by["slew"])


def moved(wires: Wires, scale: np.ndarray, name: str, change: np.ndarray) -> tuple[Wires, np.ndarray]:
    if name == "capacitance":
        return replace(wires, capacitance=wires.capacitance + change), scale
    if name == "sink_delay":
        assert wires.elmore is not None
        return replace(wires, elmore=wires.elmore + change), scale
    return wires, scale + change


def check_differences(
    prepared: Prepared, wires: Wires, rtol: float = 1e-6, seed: int = 0, step: float = 1e-6, **options: Any
) -> None:
    """Every output by every input along a random direction; factors near 1 keep arcs from being equal."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.95, 1.05, len(prepared.arcs))
    tape = forward_with_tape(prepared, wires, scale, **options)
    by = weights(tape, seed)
    sizes = {"capacitance": wires.capacitance, "sink_delay": wires.elmore, "arc_scale": scale}
    for output in OUTPUTS:
        found = gradients(tape, {name: by[name] * (name == output) for name in OUTPUTS})
        for name in INPUTS:
            direction = rng.normal(size=sizes[name].shape) * sizes[name]
            ends = [
                getattr(
                    forward_with_tape(prepared, *moved(wires, scale, name, side * step * direction), **options).values,
                    output,
                )
                for side in (1, -1)
            ]
            slope = float(np.nansum((ends[0] - ends[1]) * by[output])) / (2 * step)
            ours = float((getattr(found, name) * direction).sum())
            assert ours == pytest.approx(slope, rel=rtol, abs=1e-15), (output, name)
            assert ours != 0 or (output, name) == ("slew", "arc_scale"), (output, name)


# -- by hand -----------------------------------------------------------------------------------


def test_a_chain_by_hand(small: Library) -> None:
    netlist = "module t (a, y); input a; output y; wire n; BUF u (.A(a), .Z(n)); INV v (.A(n), .Z(y)); endmodule"
    prepared = prepared_of(small, netlist, "create_clock -name v -period 9\nset_input_delay 0.5 -clock v a")
    circuit = prepared.circuit
    net, sink, port = circuit.find_net("n"), circuit.find_pin("v/A"), circuit.num_pins + 1
    elmore = np.zeros((prepared.num_places, 2))
    elmore[sink] = 0.3e-9
    none = np.zeros(circuit.num_nets)
    wires = Wires("hand", none, none, elmore, none > 0)
    tape = forward_with_tape(prepared, wires)
    late_rise = np.zeros((prepared.num_places, 4))
    late_rise[port, 0] = 1.0
    found = backward(tape, None, late_rise)
    # the output rises when n falls. u: 10 ns and 5 ns of slew a pF; the wire takes the slew 0.25 to
    # hypot(0.25, ln 4 x 0.3), and v adds 0.1 of a slew
    spread = math.log(0.8 / 0.2) * 0.3
    behind = math.hypot(0.25, spread)
    assert found.capacitance[net] == pytest.approx((10 + 0.1 * 5 * 0.25 / behind) * 1e3)
    assert found.sink_delay[sink, 1] == pytest.approx(1 + 0.1 * spread * math.log(4) / behind)
    assert found.sink_delay[sink, 0] == 0
    names = {circuit.pin_text(place): place for place in range(circuit.num_pins)}
    arc = {int(prepared.arcs.target[row]): row for row in range(len(prepared.arcs))}
    assert found.arc_scale[arc[names["u/Z"]]] == pytest.approx(1.1e-9)
    assert found.arc_scale[arc[names["v/Z"]]] == pytest.approx((2 + 0.1 * behind) * 1e-9)
    assert found.arc_scale[arc[names["v/A"]]] == 0


def test_of_arcs_that_tie_the_first_takes_the_gradient(small: Library) -> None:
    netlist = """module t (a, y); input a; output y; wire n, m;
    BUF u (.A(a), .Z(n)); BUF v (.A(a), .Z(m)); XOR x (.A(n), .B(m), .Z(y)); endmodule"""
    text = SMALL % {"buf": _delay(1.0), "inv": _delay(1.0), "setup": _constraint(0.4), "hold": _constraint(0.1)}
    even = read_liberty(io.BytesIO(text.encode()))
    prepared = prepared_of(even, netlist, "create_clock -name v -period 9\nset_input_delay 0 -clock v a")
    wires = fan_out_wires(prepared.circuit, FanOutModel(math.log(1e-15), 0.0, 0.0, 0.0))
    tape = forward_with_tape(prepared, wires, delay_model="lumped_cap")
    late_rise = np.zeros((prepared.num_places, 4))
    late_rise[prepared.circuit.num_pins + 1, 0] = 1.0
    found = backward(tape, None, late_rise)
    into = np.flatnonzero(prepared.arcs.target == prepared.circuit.find_pin("x/Z"))
    assert len(into) == 2
    assert found.arc_scale[into[0]] > 0
    assert found.arc_scale[into[1]] == 0
    assert found.capacitance[prepared.circuit.find_net("n")] > 0
    assert found.capacitance[prepared.circuit.find_net("m")] == 0


def test_clock_of_the_capture_raises_setup_slack(small: Library) -> None:
    netlist = """module t (ck, d, q); input ck, d; output q; wire c;
    BUF b (.A(ck), .Z(c)); FF f (.CK(c), .D(d), .RN(d), .Q(q)); endmodule"""
    sdc = "create_clock -name ck -period 10 [get_ports ck]\nset_propagated_clock ck\nset_input_delay 3 -clock ck d"
    prepared = prepared_of(small, netlist, sdc)
    circuit = prepared.circuit
    none = np.zeros(circuit.num_nets)
    tape = forward_with_tape(prepared, Wires("hand", none, none, None, none > 0), delay_model="lumped_cap")
    by = np.zeros((2, prepared.num_places))
    by[0, circuit.find_pin("f/D")] = 1.0
    found = backward(tape, by)
    # the clock comes 10 ns a pF later, its slew takes 0.1 x 5 of it away again as setup time
    assert found.capacitance[circuit.find_net("c")] == pytest.approx((10 - 0.5) * 1e3)


# -- values and differences --------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_the_analysis(shipped: Library, case: str) -> None:
    prepared, wires = random_design(shipped, 5, case)
    for model in ("elmore", "lumped_cap"):
        timing = analyse(prepared, wires=wires, delay_model=model)
        for scale in (None, np.ones(len(prepared.arcs))):
            values = forward_with_tape(prepared, wires, scale, delay_model=model).values
            np.testing.assert_array_equal(values.setup_slack, timing.worst_slack())
            np.testing.assert_array_equal(values.hold_slack, timing.worst_slack(early=True))
            np.testing.assert_array_equal(values.arrival, timing.arrival)
            np.testing.assert_array_equal(values.slew, timing.state_slew)
        assert np.isfinite(timing.worst_slack()).sum() >= 4


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_derivatives_against_differences(shipped: Library, case: str, seed: int) -> None:
    check_differences(*random_design(shipped, seed, case), seed=seed)


@pytest.mark.parametrize("seed", range(6))
def test_derivatives_where_exceptions_name_points_of_paths(shipped: Library, seed: int) -> None:
    """Planes change on the way; credits of such paths are constants, so none are given."""
    prepared, wires = random_design(shipped, seed, "points")
    assert len(prepared.steps.row)
    check_differences(prepared, wires, remove_pessimism=False)


def test_between_thresholds_of_two_libraries(small: Library) -> None:
    text = SMALL % {"buf": _delay(1.5), "inv": _delay(2.5), "setup": _constraint(0.4), "hold": _constraint(0.1)}
    for cell in ("BUF", "INV", "XOR", "AND", "ANDN", "LAT", "TIE", "FF"):
        text = text.replace(f"cell ({cell})", f"cell ({cell}2)")
    steep = "slew_lower_threshold_pct_rise : 10; slew_upper_threshold_pct_rise : 90;"
    steep += " slew_lower_threshold_pct_fall : 10; slew_upper_threshold_pct_fall : 90;"
    other = read_liberty(io.BytesIO(text.replace('time_unit : "1ns";', f'time_unit : "1ns"; {steep}').encode()))
    both = Library.merged([small, other])
    netlist = """module t (a, b, y); input a, b; output y; wire n, m, k; BUF u (.A(a), .Z(n)); INV2 v (.A(n), .Z(m));
    XOR2 w (.A(m), .B(b), .Z(k)); AND x (.A(k), .B(n), .Z(y)); endmodule"""
    sdc = "create_clock -name v -period 20\nset_input_delay 0 -clock v {a b}\nset_output_delay 1 -clock v y\n"
    prepared = prepared_of(both, netlist, sdc)
    rng = np.random.default_rng(0)
    nets = prepared.circuit.num_nets
    elmore = rng.uniform(0.1e-9, 0.5e-9, (prepared.num_places, 2))
    wires = Wires("random", rng.uniform(1e-14, 1e-13, nets), np.ones(nets), elmore, np.ones(nets, np.bool_))
    np.testing.assert_array_equal(
        forward_with_tape(prepared, wires, np.ones(len(prepared.arcs))).values.setup_slack,
        analyse(prepared, wires=wires, delay_model="elmore").worst_slack(),
    )
    check_differences(prepared, wires)


def test_generated_clocks_keep_their_latency(shipped: Library) -> None:
    """Values are those of the analysis; the latency that its master's path gives a clock is a constant."""
    prepared = prepared_of(shipped, random_netlist(np.random.default_rng(1), 40), GENERATED)
    _, wires = random_design(shipped, 1)
    timing = analyse(prepared, wires=wires, delay_model="elmore")
    for scale in (None, np.ones(len(prepared.arcs))):
        tape = forward_with_tape(prepared, wires, scale)
        np.testing.assert_array_equal(tape.values.setup_slack, timing.worst_slack())
        np.testing.assert_array_equal(tape.values.arrival, timing.arrival)
        assert gradients(tape, weights(tape, 0)).capacitance.any()


LATCHES = """module t (ck, a, b, rn, en, y);
 input ck, a, b, rn, en; output y; wire q0, q1, n0, n1, n2, n3;
 CGL_DFF_X1 f0 (.CK(ck), .D(a), .Q(q0)); CGL_XOR2_X1 u0 (.A(q0), .B(b), .Z(n0)); CGL_BUF_X1 u1 (.A(n0), .Z(n1));
 CGL_DLATCH_X1 l0 (.G(ck), .D(n1), .Q(n2)); CGL_INV_X1 u2 (.A(n2), .Z(n3)); CGL_DFF_X1 f1 (.CK(ck), .D(n3), .Q(q1));
 CGL_NAND2_X1 u3 (.A(q1), .B(en), .Z(y));
endmodule
"""


def test_values_behind_open_latches_are_those_of_the_analysis(shipped: Library) -> None:
    sdc = BASE + "set_false_path -from [get_ports rn]\n"
    prepared = prepared_of(shipped, LATCHES, sdc.replace("-period 1", "-period 0.6").replace("0.45", "0.3"))
    rng = np.random.default_rng(0)
    nets = prepared.circuit.num_nets
    elmore = rng.uniform(1e-12, 2e-11, (prepared.num_places, 2))
    wires = Wires("random", rng.uniform(1e-15, 8e-15, nets), np.ones(nets), elmore, np.ones(nets, np.bool_))
    timing = analyse(prepared, wires=wires, delay_model="elmore")
    for scale in (None, np.ones(len(prepared.arcs))):
        tape = forward_with_tape(prepared, wires, scale)
        np.testing.assert_array_equal(tape.values.setup_slack, timing.worst_slack())
        np.testing.assert_array_equal(tape.values.arrival, timing.arrival)
        assert gradients(tape, weights(tape, 0)).capacitance.any()


def test_derivatives_of_smooth_merges_against_differences(shipped: Library) -> None:
    for case in ("derates", "driving"):
        check_differences(*random_design(shipped, 4, case), smoothing=5e-12)


def test_credits_move_with_the_shared_clock_path(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 1, "derates")
    tape = forward_with_tape(prepared, wires)
    assert (tape.ends.credit > 0).any()
    assert (tape.shared[:, 0] >= 0).any()
    by = np.ones((2, prepared.num_places))
    plain = forward_with_tape(prepared, wires, remove_pessimism=False)
    common = prepared.circuit.find_net("c0")
    assert abs(backward(tape, by).capacitance[common]) < abs(backward(plain, by).capacitance[common])


def test_lumped_capacitances_have_no_derivative_by_wire_delays(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 6)
    tape = forward_with_tape(prepared, wires, delay_model="lumped_cap")
    found = gradients(tape, weights(tape, 0))
    assert not found.sink_delay.any()
    assert found.capacitance.any()


def test_capacitances_that_loads_do_not_follow(shipped: Library) -> None:
    """A port's load hides its wire, as in OpenSTA 2.0.17; nothing has a derivative where nothing is asked."""
    prepared, wires = random_design(shipped, 2, "driving")
    tape = forward_with_tape(prepared, wires)
    net = prepared.circuit.find_net("y")
    by = weights(tape, 1)
    assert gradients(tape, by).capacitance[net] == 0
    assert gradients(forward_with_tape(prepared, wires, port_load_hides_wire=False), by).capacitance[net] != 0
    none = backward(tape, None)
    assert not any(getattr(none, name).any() for name in INPUTS)
    bare = replace(wires, annotated=np.zeros(prepared.circuit.num_nets, np.bool_))
    assert not gradients(forward_with_tape(prepared, bare), by).capacitance.any()
    assert gradients(forward_with_tape(prepared, bare, default_wire_load=False), by).capacitance.any()


def test_smooth_merges_tend_to_the_exact_ones(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 3)
    exact = forward_with_tape(prepared, wires, remove_pessimism=False).values
    far, near = (forward_with_tape(prepared, wires, smoothing=gamma).values for gamma in (2e-11, 1e-15))
    np.testing.assert_allclose(near.arrival, exact.arrival, atol=1e-15)
    assert np.nanmax(np.abs(far.arrival - exact.arrival)) > 1e-13


# -- kernels beside plain twins ----------------------------------------------------------------


def test_slopes_of_tables_beside_a_twin(shipped: Library) -> None:
    bank, rng = shipped.tables, np.random.default_rng(0)
    tables = (np.ascontiguousarray(shipped.arc_table), bank.shape, bank.axis, bank.start, bank.axes, bank.values)
    for table in rng.integers(0, len(bank), 200).tolist():
        first, second, values = bank.table(table)
        x, y = (float(rng.uniform(-0.2, 1.3) * axis[-1] + 1e-16) for axis in (first, second))
        by_x = by_y = 0.0
        i, j = (max(0, min(int(np.searchsorted(a, v, "right")) - 1, len(a) - 2)) for a, v in ((first, x), (second, y)))
        f = (x - first[i]) / (first[i + 1] - first[i]) if len(first) > 1 else 0.0
        g = (y - second[j]) / (second[j + 1] - second[j]) if len(second) > 1 else 0.0
        if len(first) > 1:
            line = (values[i + 1] - values[i]) / (first[i + 1] - first[i])
            by_x = line[j] if len(second) == 1 else line[j] * (1 - g) + line[j + 1] * g
        if len(second) > 1:
            line = (values[:, j + 1] - values[:, j]) / (second[j + 1] - second[j])
            by_y = line[i] if len(first) == 1 else line[i] * (1 - f) + line[i + 1] * f
        np.testing.assert_allclose(_kernel_slopes(tables, table, x, y), (by_x, by_y), rtol=1e-9)


def test_blending_beside_a_twin() -> None:
    rng = np.random.default_rng(1)
    for sign in (1.0, -1.0):
        values, gamma = rng.normal(size=7), 0.3
        best, weight, excess = -sign * math.inf, 1.0, 0.0
        for value in values.tolist():
            best, weight, excess = _kernel_blend(sign, gamma, best, weight, excess, value)
        share = np.exp(sign * values / gamma)
        assert best + sign * excess / weight == pytest.approx(float((share * values).sum() / share.sum()))
        assert best == (values.max() if sign > 0 else values.min())


# -- blocks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"smoothing": 5e-12}, {"scaled": True}])
def test_blocks_give_the_same_bits(shipped: Library, options: dict[str, Any]) -> None:
    for case in ("derates", "driving", "points"):
        prepared, wires = random_design(shipped, 8, case, cells=150)
        count = prepared.nodes.count
        scale = np.random.default_rng(0).uniform(0.9, 1.1, len(prepared.arcs)) if "scaled" in options else None
        gamma = options.get("smoothing")
        whole = forward_with_tape(prepared, wires, scale, smoothing=gamma)
        by = weights(whole, 3)
        wanted = gradients(whole, by)
        for size in (1, 7, 60, count):
            tape = forward_with_tape(prepared, wires, scale, smoothing=gamma, block_size=size)
            found = gradients(tape, by)
            for name in OUTPUTS:
                np.testing.assert_array_equal(getattr(tape.values, name), getattr(whole.values, name))
            for name in INPUTS:
                np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
            assert tape.peak_rows <= min(size + int(tape.live.frontier.max()), count)
        assert forward_with_tape(prepared, wires, block_size=60).peak_rows < count
        assert forward_with_tape(prepared, wires, block_size=60).kept_bytes < whole.kept_bytes


def test_blocks_must_cover_the_order(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 8)
    with pytest.raises(ValueError, match="must cover the order"):
        forward_with_tape(prepared, wires, blocks=[(0, 5), (6, prepared.nodes.count)])


def test_rows_of_nodes_that_are_held_are_never_shared(shipped: Library) -> None:
    prepared, _ = random_design(shipped, 9)
    count = prepared.nodes.count
    live = live_of(prepared, [(start, min(start + 13, count)) for start in range(0, count, 13)])
    for block, (_, _, row) in enumerate(live.forward(prepared.order)):
        held = np.flatnonzero((live.own <= block) & (live.last >= block))
        assert len(set(row[held].tolist())) == len(held)
        assert row[held].min() >= 0
    for block, _, _, born, row in live.backward(prepared.order):
        held = np.flatnonzero((live.own <= block) & (live.last >= block))
        assert len(set(row[held].tolist())) == len(held)
        assert (live.last[born] == block).all()
        assert len(held) <= live.peak


# -- dmp ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_corrections_give_the_values_of_dmp(shipped: Library, case: str) -> None:
    prepared, wires = random_design(shipped, 5, case)
    timing = analyse(prepared, wires=wires, delay_model="dmp")
    for total_load in (False, True):
        corrections = corrections_of(prepared, wires, total_load=total_load)
        tape = forward_with_tape(prepared, wires, corrections=corrections)
        np.testing.assert_array_equal(tape.values.setup_slack, timing.worst_slack())
        np.testing.assert_array_equal(tape.values.hold_slack, timing.worst_slack(early=True))
        np.testing.assert_array_equal(tape.values.arrival, timing.arrival)
        assert not np.array_equal(timing.arrival, forward_with_tape(prepared, wires).values.arrival)


def test_derivatives_through_corrections_against_differences(shipped: Library) -> None:
    """Of the linearised model itself."""
    prepared, wires = random_design(shipped, 7, "derates")
    for total_load in (False, True):
        check_differences(prepared, wires, corrections=corrections_of(prepared, wires, total_load=total_load))


# -- requests that are refused -----------------------------------------------------------------


def test_requests_that_make_no_sense(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 1)
    with pytest.raises(CircuitError, match="take dmp as corrections"):
        forward_with_tape(prepared, wires, delay_model="dmp")
    with pytest.raises(CircuitError, match="must be a time above 0 s"):
        forward_with_tape(prepared, wires, smoothing=0.0)
    with pytest.raises(CircuitError, match="must have one for each of"):
        forward_with_tape(prepared, wires, np.ones(3))
    with pytest.raises(CircuitError, match="need the delay model 'elmore'"):
        forward_with_tape(prepared, wires, delay_model="lumped_cap", corrections=corrections_of(prepared, wires))
    with pytest.raises(CircuitError, match="needs wires with resistance"):
        forward_with_tape(prepared, None)


# -- public designs ----------------------------------------------------------------------------


def design(shared_data: Shared, name: str) -> dict[str, Any]:
    """A design of the timing data, prepared, with its wires."""
    library = library_of(shared_data("timing/lib"), name)
    folder = shared_data(f"timing/designs/{name}")
    circuit = read_verilog(folder / f"{name}.v", library=library)
    assert isinstance(circuit, Circuit)
    constraints = read_sdc(folder / f"{name}.sdc", circuit, library)
    found: dict[str, Any] = {"prepared": prepare(circuit, library, constraints, black_box=True)}
    capacitance = place_capacitances(circuit, library)
    spef = folder / f"{name}.spef"
    if spef.exists():
        resolved = read_spef(spef).resolve(circuit)
        found["listed"] = listed_places(resolved, circuit)
        found["elmore"] = spef_wires(resolved, circuit, np.ascontiguousarray(capacitance[:, :2]))
        found["dmp"] = reduced_wires(resolved, circuit, capacitance)
    return found


@pytest.mark.data
@pytest.mark.parametrize("name", ["tt_mitssdd", "lbist_mbist_top1", "ihp_i2c"])
def test_derivatives_of_a_routed_design_against_differences(shared_data: Shared, name: str) -> None:
    found = design(shared_data, name)
    check_differences(found["prepared"], found["elmore"], rtol=1e-5, step=1e-7, listed=found["listed"])


def setup_sum(found: dict[str, Any], wires: Any) -> float:
    """Sum of all setup slacks under dmp."""
    timing = analyse(found["prepared"], wires=wires, delay_model="dmp", listed=found["listed"])
    return float(np.nansum(timing.worst_slack()))


@pytest.mark.data
def test_derivatives_predict_what_dmp_does(shared_data: Shared) -> None:
    """Sum of setup slacks by 40 nets' capacitance, all parts of a pi model alike, and by 15 sinks' Elmore delay."""
    found = design(shared_data, "gf_user_proj")
    prepared, wires, listed = found["prepared"], found["dmp"], found["listed"]
    timing = analyse(prepared, wires=wires, delay_model="dmp", listed=listed)
    by = np.zeros((2, prepared.num_places))
    by[0] = 1.0
    slope = {}
    for total_load in (False, True):
        corrections = corrections_of(prepared, wires, total_load=total_load, listed=listed)
        tape = forward_with_tape(prepared, wires, corrections=corrections, listed=listed)
        np.testing.assert_array_equal(tape.values.setup_slack, timing.worst_slack())
        slope[total_load] = backward(tape, by)
    rng = np.random.default_rng(0)
    nets = rng.permutation(np.flatnonzero((slope[False].capacitance != 0) & wires.annotated))[:40]
    true = []
    for net in nets.tolist():
        sums = []
        for factor in (1.05, 0.95):
            pi, capacitance = wires.pi.copy(), wires.capacitance.copy()
            pi[net, :, 0] *= factor
            pi[net, :, 2] *= factor
            capacitance[net] += (factor - 1.0) * timing.load[net].mean()
            sums.append(setup_sum(found, replace(wires, pi=pi, capacitance=capacitance)))
        true.append((sums[0] - sums[1]) / (0.1 * timing.load[net].mean()))
    assert_predicts(slope[False].capacitance[nets], slope[True].capacitance[nets], np.array(true))
    long = (slope[False].sink_delay != 0).any(axis=1) & (wires.elmore.max(axis=1) > 1e-14)
    true, sinks = [], rng.permutation(np.flatnonzero(long))[:15]
    for place in sinks.tolist():
        step = 0.02 * wires.elmore[place].mean()
        sums = []
        for side in (step, -step):
            sink = wires.sink.copy()
            sink[place] += side
            sums.append(setup_sum(found, replace(wires, sink=sink)))
        true.append((sums[0] - sums[1]) / (2 * step))
    ours, plain = (slope[total].sink_delay[sinks].sum(axis=1) for total in (False, True))
    assert_predicts(ours, plain, np.array(true))


def assert_predicts(ours: np.ndarray, plain: np.ndarray, true: np.ndarray) -> None:
    """Correlated, close, and closer than the plainer approximation."""
    missed, missed_plainly = (float(np.abs(found - true).sum() / np.abs(true).sum()) for found in (ours, plain))
    assert np.corrcoef(ours, true)[0, 1] > 0.995
    assert missed < 0.006
    assert missed < missed_plainly


@pytest.mark.data
@pytest.mark.slow
def test_blocks_of_the_large_design(shared_data: Shared) -> None:
    prepared = design(shared_data, "nvdla_m")["prepared"]
    capacitance = np.ascontiguousarray(place_capacitances(prepared.circuit, prepared.library)[:, :2])
    model = FanOutModel(math.log(0.5e-15), 1.0, math.log(30.0), 1.0)
    wires = fan_out_wires(prepared.circuit, model, capacitance)
    whole = forward_with_tape(prepared, wires)
    by = weights(whole, 0)
    wanted = gradients(whole, by)
    for size in (1000, 5000, 20000, 50000):
        tape = forward_with_tape(prepared, wires, block_size=size)
        found = gradients(tape, by)
        for name in INPUTS:
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
        assert tape.peak_rows <= size + int(tape.live.frontier.max())
        assert tape.kept_bytes < whole.kept_bytes


def test_groups_are_what_the_kernels_name(shipped: Library) -> None:
    """The order of ``kernel_arguments`` is cut into the groups of the kernels."""
    prepared, wires = random_design(shipped, 1)
    tape = forward_with_tape(prepared, wires)
    graph, tables, of_wires, starts, change = tape.groups
    given = kernel_arguments(prepared, of_wires[0], of_wires[1], boundary_of(prepared, of_wires[0]))
    assert len(given) == len(graph) + len(tables) + len(of_wires) + len(starts)
    assert graph[5] is prepared.nodes.net
    assert graph[6] is prepared.corner
    assert starts[7].shape == (len(prepared.planes), 2)
    assert [len(part) for part in change] == [0, 0, 0, 0]
