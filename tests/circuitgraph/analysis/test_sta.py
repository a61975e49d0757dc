"""Static timing analysis: hand-computed cases, a plain twin of the sweep, blocks, paths, OpenSTA on small circuits."""

from __future__ import annotations

import csv
import io
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.sta import Timing, analyse
from circuitgraph.analysis.sta_checks import Check
from circuitgraph.analysis.sta_constants import program_of, senses_of, value_of
from circuitgraph.analysis.sta_gating import operands
from circuitgraph.analysis.sta_loads import net_loads
from circuitgraph.analysis.sta_output import PIN_COLUMNS, csv_text, endpoint_rows, pin_rows, place_names
from circuitgraph.analysis.sta_paths import worst_paths
from circuitgraph.analysis.sta_planes import separations, widest_gap
from circuitgraph.analysis.sta_prepare import Prepared, place_capacitances, prepare
from circuitgraph.analysis.sta_report import report_paths
from circuitgraph.analysis.wires import FanOutModel, Wires, fan_out_wires
from circuitgraph.circuit import Circuit
from circuitgraph.constraints import Clock, Constraints
from circuitgraph.errors import CircuitError
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.function import Function
from circuitgraph.library import Library

NS = 1e-9

# A library whose numbers are easy: delay = d + 10 x load (pF) + 0.1 x slew, slew = 0.2 + 5 x load, pins 0.01 pF.
SMALL = """library (s) { time_unit : "1ns"; capacitive_load_unit (1, pf);
 lu_table_template (d) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
  index_1 ("0, 1"); index_2 ("0, 1"); }
 lu_table_template (c) { variable_1 : related_pin_transition; variable_2 : constrained_pin_transition;
  index_1 ("0, 1"); index_2 ("0, 1"); }
 cell (BUF) { pin (A) { direction : input; capacitance : 0.01; } pin (Z) { direction : output; function : "A";
  timing () { related_pin : "A"; timing_sense : positive_unate; %(buf)s } } }
 cell (INV) { pin (A) { direction : input; capacitance : 0.01; } pin (Z) { direction : output; function : "!A";
  timing () { related_pin : "A"; timing_sense : negative_unate; %(inv)s } } }
 cell (XOR) { pin (A) { direction : input; capacitance : 0.01; } pin (B) { direction : input; capacitance : 0.01; }
  pin (Z) { direction : output; function : "(A & !B) | (!A & B)";
  timing () { related_pin : "A"; timing_sense : non_unate; %(buf)s }
  timing () { related_pin : "B"; timing_sense : non_unate; %(inv)s } } }
 cell (AND) { pin (A) { direction : input; capacitance : 0.01; } pin (B) { direction : input; capacitance : 0.01; }
  pin (Z) { direction : output; function : "A & B";
  timing () { related_pin : "A"; timing_sense : positive_unate; %(buf)s }
  timing () { related_pin : "B"; timing_sense : positive_unate; %(inv)s } } }
 cell (ANDN) { pin (A) { direction : input; capacitance : 0.01; } pin (B) { direction : input; capacitance : 0.01; }
  pin (Z) { direction : output; function : "!A & B";
  timing () { related_pin : "A"; timing_sense : negative_unate; %(buf)s }
  timing () { related_pin : "B"; timing_sense : positive_unate; %(inv)s } } }
 cell (LAT) { latch (IQ, IQN) { enable : "G"; data_in : "D"; }
  pin (G) { direction : input; clock : true; capacitance : 0.01; }
  pin (D) { direction : input; capacitance : 0.01;
   timing () { related_pin : "G"; timing_type : setup_falling; %(setup)s } }
  pin (Q) { direction : output; function : "IQ";
   timing () { related_pin : "D"; timing_sense : positive_unate; %(buf)s }
   timing () { related_pin : "G"; timing_type : rising_edge; %(buf)s } } }
 cell (TIE) { pin (Z) { direction : output; function : "1"; } }
 cell (FF) { ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; clear : "!RN"; }
  pin (CK) { direction : input; clock : true; capacitance : 0.01; }
  pin (D) { direction : input; capacitance : 0.01;
   timing () { related_pin : "CK"; timing_type : setup_rising; %(setup)s }
   timing () { related_pin : "CK"; timing_type : hold_rising; %(hold)s } }
  pin (RN) { direction : input; capacitance : 0.01;
   timing () { related_pin : "CK"; timing_type : recovery_rising; rise_constraint (scalar) { values ("0.3"); } }
   timing () { related_pin : "CK"; timing_type : removal_rising; rise_constraint (scalar) { values ("0.05"); } } }
  pin (Q) { direction : output; function : "IQ";
   timing () { related_pin : "CK"; timing_type : rising_edge; timing_sense : non_unate; %(buf)s }
   timing () { related_pin : "RN"; timing_type : clear; timing_sense : positive_unate;
    cell_fall (scalar) { values ("9"); }
    fall_transition (scalar) { values ("9"); } } } }
}"""


def _delay(base: float) -> str:
    values = f'values ("{base}, {base + 10}", "{base + 0.1}, {base + 10.1}")'
    slews = 'values ("0.2, 5.2", "0.2, 5.2")'
    return " ".join(
        f"{name} (d) {{ {values if name.startswith('cell') else slews}; }}"
        for name in ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    )


def _constraint(base: float) -> str:
    values = f'values ("{base}, {base + 0.2}", "{base + 0.1}, {base + 0.3}")'
    return f"rise_constraint (c) {{ {values}; }} fall_constraint (c) {{ {values}; }}"


@pytest.fixture(scope="module")
def small() -> Library:
    text = SMALL % {"buf": _delay(1.0), "inv": _delay(2.0), "setup": _constraint(0.4), "hold": _constraint(0.1)}
    return read_liberty(io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def shipped(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


def timing_of(library: Library, netlist: str, sdc: str, wires: Wires | None = None, **options: object) -> Timing:
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=library)
    assert isinstance(circuit, Circuit)
    constraints = read_sdc(io.BytesIO(sdc.encode()), circuit, library)
    return analyse(circuit, library, constraints, wires, **options)  # type: ignore[arg-type]


def at(timing: Timing, name: str) -> np.ndarray:
    return np.asarray(timing.arrival[place_names(timing.prepared.circuit).index(name)] / NS)


def slew_at(timing: Timing, name: str) -> np.ndarray:
    return np.asarray(timing.slew[place_names(timing.prepared.circuit).index(name)] / NS)


def slack(timing: Timing, name: str, kind: Check) -> float:
    place = place_names(timing.prepared.circuit).index(name)
    rows = timing.endpoints
    found = np.flatnonzero((timing.prepared.nodes.place[rows.node] == place) & (rows.kind == kind))
    assert len(found) == 1
    return float(rows.slack[found[0]] / NS)


CLOCK = "create_clock -name ck -period 10 [get_ports ck]\nset_propagated_clock ck\n"


# -- hand-computed -----------------------------------------------------------------------------


def test_delay_slew_and_load_of_a_chain(small: Library) -> None:
    netlist = "module t (a, y); input a; output y; wire n; BUF u (.A(a), .Z(n)); INV v (.A(n), .Z(y)); endmodule"
    timing = timing_of(
        small, netlist, "create_clock -name v -period 9\nset_input_delay 0.5 -clock v a\nset_input_transition 0.3 a"
    )
    # u: slew 0.3, load 0.01: 1 + 0.1 + 0.03 = 1.13, slew 0.25; v: load 0: 2 + 0.025, slew 0.2
    np.testing.assert_allclose(at(timing, "u/Z"), [1.63] * 4)
    np.testing.assert_allclose(slew_at(timing, "u/Z"), [0.25] * 4)
    np.testing.assert_allclose(at(timing, "y"), [3.655] * 4)
    np.testing.assert_allclose(slew_at(timing, "v/Z"), [0.2] * 4)


def test_late_and_early_and_slews_are_merged_apart(small: Library) -> None:
    netlist = """module t (a, b, y); input a, b; output y; wire n, m;
    BUF u (.A(a), .Z(n)); XOR x (.A(n), .B(b), .Z(y)); endmodule"""
    sdc = """create_clock -name v -period 9
set_input_delay 0.0 -clock v a
set_input_delay 4.0 -clock v b
set_input_transition 2.0 b
set_input_transition 0.0 a
"""
    timing = timing_of(small, netlist, sdc)
    # n: 1 + 0.1 = 1.1, slew 0.25. x from A: 1.1 + 1 + 0.025; from B (table inv): 4 + 2 + 0.2; no load, so both slews
    # 0.2
    np.testing.assert_allclose(at(timing, "y"), [6.2, 6.2, 2.125, 2.125])
    np.testing.assert_allclose(slew_at(timing, "x/Z"), [0.2] * 4)


def test_setup_hold_and_recovery(small: Library) -> None:
    netlist = """module t (ck, d, rn, q); input ck, d, rn; output q; wire c;
    BUF b (.A(ck), .Z(c)); FF f (.CK(c), .D(d), .RN(rn), .Q(q)); endmodule"""
    sdc = (
        CLOCK
        + """set_clock_uncertainty -setup 0.5 ck
set_clock_uncertainty -hold 0.25 ck
set_input_delay -max 3 -clock ck {d rn}
set_input_delay -min 2 -clock ck {d rn}
set_output_delay -max 4 -clock ck q
set_output_delay -min 1 -clock ck q
set_input_transition 0.4 {d rn}
"""
    )
    timing = timing_of(small, netlist, sdc)
    # clock: slew 0, load 0.01: 1.1, slew 0.25; setup 0.4 + 0.1 x 0.25 + 0.2 x 0.4 = 0.505; hold 0.1 + 0.025 + 0.08 =
    # 0.205
    assert slack(timing, "f/D", Check.SETUP) == pytest.approx(10 + 1.1 - 0.5 - 0.505 - 3)
    assert slack(timing, "f/D", Check.HOLD) == pytest.approx(2 - (1.1 + 0.25 + 0.205))
    assert slack(timing, "f/RN", Check.RECOVERY) == pytest.approx(10 + 1.1 - 0.5 - 0.3 - 3)
    assert slack(timing, "f/RN", Check.REMOVAL) == pytest.approx(2 - (1.1 + 0.25 + 0.05))
    # Q: clock 1.1, slew 0.25, no load: 1 + 0.025; the clear arc of 9 ns is not walked
    np.testing.assert_allclose(at(timing, "f/Q"), [2.125] * 4)
    assert slack(timing, "q", Check.OUTPUT_SETUP) == pytest.approx(10 - 0.5 - 4 - 2.125)
    assert slack(timing, "q", Check.OUTPUT_HOLD) == pytest.approx(2.125 + 1 - 0.25)
    assert timing.wns == 0.0


def test_constants_reduce_an_exclusive_or(small: Library) -> None:
    netlist = """module t (a, y, z); input a; output y, z; wire one;
    TIE t1 (.Z(one)); XOR x (.A(a), .B(one), .Z(y)); AND g (.A(a), .B(one), .Z(z)); endmodule"""
    sdc = """create_clock -name v -period 9
set_input_delay -rise 1 -clock v a
set_input_delay -fall 3 -clock v a
"""
    timing = timing_of(small, netlist, sdc)
    # with B = 1 the output falls when A rises (1 + 1) and rises when A falls (3 + 1)
    np.testing.assert_allclose(at(timing, "y"), [4, 2, 4, 2])
    np.testing.assert_allclose(at(timing, "z"), [2, 4, 2, 4])
    assert np.isnan(at(timing, "x/B")).all()
    assert np.isnan(at(timing, "t1/Z")).all()
    np.testing.assert_array_equal(slew_at(timing, "t1/Z"), [0] * 4)


def test_case_analysis_stops_a_gate(small: Library) -> None:
    netlist = "module t (a, b, y); input a, b; output y; AND g (.A(a), .B(b), .Z(y)); endmodule"
    sdc = "create_clock -name v -period 9\nset_input_delay 1 -clock v {a b}\n"
    assert np.isnan(at(timing_of(small, netlist, sdc + "set_case_analysis 0 b"), "y")).all()
    np.testing.assert_allclose(at(timing_of(small, netlist, sdc + "set_case_analysis 1 b"), "y"), [2] * 4)


def test_clock_gating_by_hand(small: Library) -> None:
    netlist = """module t (ck, en, d, q); input ck, en, d; output q; wire g;
    AND u (.A(ck), .B(en), .Z(g)); FF f (.CK(g), .D(d), .RN(d), .Q(q)); endmodule"""
    timing = timing_of(small, netlist, CLOCK + "set_input_delay 1.5 -clock ck en\nset_clock_uncertainty 0.1 ck")
    assert slack(timing, "u/B", Check.GATING_SETUP) == pytest.approx(10 - 0.1 - 1.5)
    assert slack(timing, "u/B", Check.GATING_HOLD) == pytest.approx(1.5 - (5 + 0.1))


def test_an_inverted_clock_opens_the_gate_while_it_is_low(small: Library) -> None:
    netlist = """module t (ck, en, d, q); input ck, en, d; output q; wire g;
    ANDN u (.A(ck), .B(en), .Z(g)); FF f (.CK(g), .D(d), .RN(d), .Q(q)); endmodule"""
    timing = timing_of(small, netlist, CLOCK + "set_input_delay 1.5 -clock ck en\n")
    assert slack(timing, "u/B", Check.GATING_SETUP) == pytest.approx(5 - 1.5)
    assert slack(timing, "u/B", Check.GATING_HOLD) == pytest.approx(1.5 + 10)


def test_loads_of_annotated_nets(small: Library) -> None:
    netlist = "module t (a, y, z); input a; output y, z; BUF u (.A(a), .Z(y)); BUF v (.A(y), .Z(z)); endmodule"
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=small)
    assert isinstance(circuit, Circuit)
    net = circuit.find_net("y")
    capacitance = np.zeros(circuit.num_nets)
    capacitance[net] = 0.03e-12
    wires = Wires("spef", capacitance, np.zeros(circuit.num_nets), None, capacitance > 0)
    text = b"create_clock -name v -period 9\nset_load 0.002 [get_ports y]\n"
    constraints = read_sdc(io.BytesIO(text), circuit, small)
    prepared = prepare(circuit, small, constraints)
    assert net_loads(prepared, wires)[net, 0] == pytest.approx(0.012e-12)
    assert net_loads(prepared, wires, port_load_hides_wire=False)[net, 0] == pytest.approx(0.042e-12)
    listed = np.ones(circuit.num_pins + circuit.num_ports, np.bool_)
    listed[circuit.find_pin("v/A")] = False
    plain = prepare(circuit, small, read_sdc(io.BytesIO(b"create_clock -name v -period 9"), circuit, small))
    assert net_loads(plain, wires)[net, 0] == pytest.approx(0.04e-12)
    assert net_loads(plain, wires, listed=listed)[net, 0] == pytest.approx(0.03e-12)


def test_pessimism_of_the_common_clock_path_is_credited(small: Library) -> None:
    netlist = """module t (ck, d, q); input ck, d; output q; wire c, c1, c2, m;
    BUF b0 (.A(ck), .Z(c)); BUF b1 (.A(c), .Z(c1)); BUF b2 (.A(c), .Z(c2));
    FF f (.CK(c1), .D(d), .RN(d), .Q(m)); FF g (.CK(c2), .D(m), .RN(m), .Q(q)); endmodule"""
    sdc = CLOCK + "set_timing_derate -late 1.2\nset_timing_derate -early 0.8\n"
    timing = timing_of(small, netlist, sdc)
    plain = timing_of(small, netlist, sdc, remove_pessimism=False)
    late, early = at(timing, "b0/Z")[0], at(timing, "b0/Z")[2]
    assert late - early == pytest.approx(0.4 * 1.2)  # 1 + 10 x 0.02, no slew
    for kind in (Check.SETUP, Check.HOLD):
        assert slack(timing, "g/D", kind) - slack(plain, "g/D", kind) == pytest.approx(late - early)


def test_two_clocks_and_exclusive_groups(small: Library) -> None:
    netlist = """module t (ck, d, q); input ck, d; output q; FF f (.CK(ck), .D(d), .RN(d), .Q(q)); endmodule"""
    sdc = CLOCK + "create_clock -name v -period 15 -waveform {2 6}\nset_input_delay 0 -clock v d\n"
    timing = timing_of(small, netlist, sdc)
    # launches at 2, 17 against captures at 10, 20: the smallest gap is 3
    assert slack(timing, "f/D", Check.SETUP) == pytest.approx(3 - 0.4)
    apart = timing_of(small, netlist, sdc + "set_clock_groups -asynchronous -group ck -group v\n")
    assert not len(apart.endpoints)


def test_separations_of_edges() -> None:
    ten, fifteen = Clock("a", 10.0, (0.0, 5.0)), Clock("b", 15.0, (1.0, 8.0))
    assert separations(ten, 0, ten, 0) == (10.0, 0.0)
    assert separations(ten, 0, ten, 1) == (5.0, -5.0)
    assert separations(ten, 0, fifteen, 0) == (1.0, -4.0)
    assert widest_gap(ten, 0, fifteen, 0) == 11.0


def test_ideal_clocks_have_latency_and_transition(small: Library) -> None:
    netlist = """module t (ck, d, q); input ck, d; output q; wire c;
    BUF b (.A(ck), .Z(c)); FF f (.CK(c), .D(d), .RN(d), .Q(q)); endmodule"""
    sdc = """create_clock -name ck -period 10 [get_ports ck]
set_clock_latency 2 ck
set_clock_transition 0.5 ck
set_input_delay 1 -clock ck d
"""
    timing = timing_of(small, netlist, sdc)
    np.testing.assert_allclose(at(timing, "f/Q"), [2 + 1 + 0.05] * 4)
    assert slack(timing, "f/D", Check.SETUP) == pytest.approx(10 + 2 - (0.4 + 0.05) - (1 + 2))


def test_elmore_delays_and_slew_degradation(small: Library) -> None:
    netlist = "module t (a, y); input a; output y; wire n; BUF u (.A(a), .Z(n)); INV v (.A(n), .Z(y)); endmodule"
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=small)
    assert isinstance(circuit, Circuit)
    sink, net = circuit.find_pin("v/A"), circuit.find_net("n")
    capacitance = np.zeros(circuit.num_nets)
    capacitance[net] = 0.02e-12
    elmore = np.zeros((circuit.num_pins + circuit.num_ports, 2))
    elmore[sink] = [0.3e-9, 0.5e-9]
    wires = Wires("spef", capacitance, np.zeros(circuit.num_nets), elmore, np.ones(circuit.num_nets, np.bool_))
    constraints = read_sdc(io.BytesIO(b"create_clock -name v -period 9\nset_input_delay 0 -clock v a"), circuit, small)
    lumped = analyse(circuit, small, constraints, wires)
    wired = analyse(circuit, small, constraints, wires, delay_model="elmore")
    np.testing.assert_allclose(at(lumped, "v/A"), [1.3] * 4)
    np.testing.assert_allclose(at(wired, "v/A"), [1.6, 1.8, 1.6, 1.8])
    spread = math.log(0.8 / 0.2)  # thresholds 20 and 80 %
    wanted = [math.hypot(0.35, spread * 0.3), math.hypot(0.35, spread * 0.5)] * 2
    np.testing.assert_allclose(slew_at(wired, "v/A"), wanted)
    with pytest.raises(CircuitError, match="needs wires with resistance"):
        analyse(circuit, small, constraints, None, delay_model="elmore")
    with pytest.raises(CircuitError, match="must be one of lumped_cap, elmore"):
        analyse(circuit, small, constraints, None, delay_model="magic")


def test_loops_are_printed_or_cut(small: Library) -> None:
    netlist = """module t (a, y); input a; output y; wire n, m;
    AND g (.A(a), .B(m), .Z(n)); BUF u (.A(n), .Z(m)); BUF v (.A(m), .Z(y)); endmodule"""
    sdc = "create_clock -name v -period 9\nset_input_delay 0 -clock v a"
    with pytest.raises(CircuitError, match=r"loop of 4 pins: .*g/Z -> u/A -> u/Z -> g/B"):
        timing_of(small, netlist, sdc)
    timing = timing_of(small, netlist, sdc, break_loops=True)
    assert timing.prepared.notes.count("loop cut") == 1
    assert np.isfinite(at(timing, "y")).all()


def test_unknown_types_need_leave(small: Library) -> None:
    netlist = "module t (a, y); input a; output y; wire n; NONE u (.A(a), .Z(n)); BUF v (.A(n), .Z(y)); endmodule"
    sdc = "create_clock -name v -period 9\nset_input_delay 0 -clock v a"
    timing = timing_of(small, netlist, sdc, black_box=True)
    assert timing.prepared.notes.count("cell without timing (black box)") == 1
    assert np.isnan(at(timing, "y")).all()


def test_a_register_without_a_clock_launches_at_zero(small: Library) -> None:
    netlist = """module t (a, x, y); input a, x; output y; wire n; BUF u (.A(a), .Z(n));
    FF f (.CK(n), .D(x), .RN(x), .Q(y)); endmodule"""
    timing = timing_of(small, netlist, "create_clock -name v -period 9\nset_input_delay 3 -clock v x")
    np.testing.assert_allclose(at(timing, "f/CK"), [1.1, 1.1, 0, 0])
    np.testing.assert_allclose(at(timing, "y"), [1.025] * 4)
    assert not len(timing.endpoints)


def test_false_and_multicycle_paths(small: Library) -> None:
    netlist = """module t (ck, d, q); input ck, d; output q; wire m;
    FF f (.CK(ck), .D(d), .RN(d), .Q(m)); FF g (.CK(ck), .D(m), .RN(m), .Q(q)); endmodule"""
    sdc = CLOCK + "set_input_delay 1 -clock ck d\n"
    plain = timing_of(small, netlist, sdc)
    twice = timing_of(small, netlist, sdc + "set_multicycle_path 2 -to [get_pins g/D]\n")
    assert slack(twice, "g/D", Check.SETUP) - slack(plain, "g/D", Check.SETUP) == pytest.approx(10)
    assert slack(twice, "g/D", Check.HOLD) - slack(plain, "g/D", Check.HOLD) == pytest.approx(-10)
    both = timing_of(small, netlist, sdc + "set_multicycle_path 2 -to g/D\nset_multicycle_path -hold 1 -to g/D\n")
    assert slack(both, "g/D", Check.HOLD) == pytest.approx(slack(plain, "g/D", Check.HOLD))
    false = timing_of(small, netlist, sdc + "set_false_path -from [get_pins f/CK] -to [get_pins g/D]\n")
    names = place_names(false.prepared.circuit)
    assert names.index("g/D") not in set(false.prepared.nodes.place[false.endpoints.node].tolist())
    gone = timing_of(small, netlist, sdc + "set_false_path -from [get_ports d]\n")
    assert np.isnan(at(gone, "f/D")).all()


# -- functions as they are written -------------------------------------------------------------


def test_written_functions() -> None:
    mux = (0, 2, "not", "and", 1, 2, "and", "or")
    assert senses_of(mux, 2, {}) == (True, True)
    assert senses_of(mux, 2, {0: 1}) == (True, True)
    assert senses_of(mux, 2, {0: 0}) == (True, False)
    assert senses_of(mux, 0, {2: 1}) == (False, False)
    assert value_of(mux, {0: 1, 1: 1}) == 2
    for table in range(256):
        function = Function.of_table((0, 1, 2), table)
        program = program_of(function)
        assert program is not None
        for row in range(8):
            values = {port: row >> port & 1 for port in range(3)}
            assert value_of(program, values) == table >> row & 1
    assert operands((0, "not", 1, "and", 2, "and")) == ("and", {0: True, 1: False, 2: False})
    assert operands((0, 1, "xor"))[0] == "xor"


# -- the plain twin ----------------------------------------------------------------------------


def random_netlist(rng: np.random.Generator, cells: int) -> str:
    types = {"CGL_INV_X1": "A", "CGL_NAND2_X1": "AB", "CGL_XOR2_X1": "AB", "CGL_NOR2_X1": "AB", "CGL_BUF_X1": "A"}
    nets = ["a", "b", "c"]
    lines = []
    for row in range(cells):
        kind = list(types)[rng.integers(len(types))]
        pins = ", ".join(f".{pin}({nets[rng.integers(max(0, len(nets) - 8), len(nets))]})" for pin in types[kind])
        lines.append(f" {kind} u{row} ({pins}, .Z(n{row}));")
        nets.append(f"n{row}")
    lines += [f" CGL_DFF_X1 f{row} (.CK(ck), .D(n{rng.integers(cells)}), .Q(q{row}));" for row in range(3)]
    wires = ", ".join([*nets[3:-1], "q1", "q2"])
    return (
        f"module t (ck, a, b, c, y, q0);\n input ck, a, b, c; output y, q0; wire {wires}, y0;\n"
        + "\n".join(lines)
        + (f"\n CGL_BUF_X1 last (.A(n{cells - 1}), .Z(y));\nendmodule\n")
    )


def twin(prepared: Prepared, load: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slews and arrivals of all data by plain Python over the library's own look-up; one clock, no special cases."""
    library, nodes = prepared.library, prepared.nodes
    slew, arrival = np.full((nodes.count, 4), np.nan), np.full((nodes.count, 4), np.nan)
    for delay in prepared.constraints.input_delays:
        arrival[delay.place] = delay.delay
    for place in prepared.constraints.clocks[0].sources:
        arrival[place] = [0, prepared.constraints.clocks[0].waveform[1]] * 2
    for node in prepared.order.tolist():
        if nodes.place[node] >= prepared.circuit.num_pins and nodes.drives[node]:
            slew[node] = prepared.constraints.input_transition[nodes.place[node] - prepared.circuit.num_pins]
        for arc in range(prepared.in_start[node], prepared.in_start[node + 1]):
            source, row = int(prepared.arcs.source[arc]), int(prepared.arcs.library_arc[arc])
            for begin in (0, 1):
                for end in (0, 1):
                    if not prepared.arcs.mask[arc] >> (2 * begin + end) & 1:
                        continue
                    for early in (0, 1):
                        better = np.fmin if early else np.fmax
                        x, time = slew[source, 2 * early + begin], arrival[source, 2 * early + begin]
                        column = 2 * early + end
                        y = load[nodes.net[node], column]
                        delay, value = 0.0, x
                        if row >= 0:
                            delay = library.tables.lookup(int(library.arc_table[row, end]), x, y)
                            value = max(library.tables.lookup(int(library.arc_table[row, 2 + end]), x, y), 0.0)
                        slew[node, column] = better(slew[node, column], value)
                        arrival[node, column] = better(arrival[node, column], time + delay)
    return slew, arrival


@pytest.mark.parametrize("seed", range(6))
def test_the_sweep_equals_its_plain_twin(shipped: Library, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sdc = """create_clock -name ck -period 2 [get_ports ck]
set_propagated_clock ck
set_input_delay 0.1 -clock ck {a b c}
set_input_transition 0.04 [all_inputs]
"""
    circuit = read_verilog(io.BytesIO(random_netlist(rng, 40).encode()), library=shipped)
    assert isinstance(circuit, Circuit)
    prepared = prepare(circuit, shipped, read_sdc(io.BytesIO(sdc.encode()), circuit, shipped))
    wires = fan_out_wires(circuit, FanOutModel(math.log(2e-15), 0.9, math.log(100.0), 0.8))
    timing = analyse(prepared, wires=wires)
    slew, arrival = twin(prepared, timing.load)
    places = prepared.num_places
    known = ~np.isnan(slew[:places])
    ordered = np.concatenate([np.maximum(slew[:, :2], slew[:, 2:]), np.minimum(slew[:, :2], slew[:, 2:])], axis=1)
    np.testing.assert_allclose(timing.slew[known], ordered[:places][known], rtol=1e-12)
    np.testing.assert_allclose(timing.arrival, arrival[:places], rtol=1e-12)


def test_blocks_give_the_same_bits(shipped: Library) -> None:
    rng = np.random.default_rng(9)
    sdc = CLOCK.replace("10", "2") + "set_input_delay 0.1 -clock ck {a b c}\nset_timing_derate -late 1.1\n"
    circuit = read_verilog(io.BytesIO(random_netlist(rng, 200).encode()), library=shipped)
    assert isinstance(circuit, Circuit)
    prepared = prepare(circuit, shipped, read_sdc(io.BytesIO(sdc.encode()), circuit, shipped))
    whole = analyse(prepared)
    for size in (1, 2, 3, 17, 100, 10**6):
        part = analyse(prepared, block_size=size)
        np.testing.assert_array_equal(whole.state_slew, part.state_slew)
        np.testing.assert_array_equal(whole.state_arrival, part.state_arrival)
        np.testing.assert_array_equal(whole.endpoints.slack, part.endpoints.slack)
        assert part.peak_rows <= whole.peak_rows
    assert analyse(prepared, block_size=17).peak_rows < whole.peak_rows
    with pytest.raises(ValueError, match="must cover the order"):
        analyse(prepared, blocks=[(0, 5), (6, prepared.nodes.count)])
    with pytest.raises(CircuitError, match="takes at least 1 node"):
        analyse(prepared, block_size=0)


# -- paths and outputs -------------------------------------------------------------------------


def test_paths_add_up(shipped: Library) -> None:
    sdc = CLOCK.replace("10", "2") + (
        "set_input_delay 0.1 -clock ck {a b c}\nset_output_delay 0.1 -clock ck y\n"
        "set_timing_derate -late 1.1\nset_timing_derate -early 0.9\n"
    )
    timing = timing_of(shipped, random_netlist(np.random.default_rng(3), 80), sdc)
    for early in (False, True):
        paths = worst_paths(timing, 50, early=early)
        assert len(paths) >= 3
        assert [path.slack for path in paths] == sorted(path.slack for path in paths)
        for path in paths:
            assert path.launch[-1].arrival == pytest.approx(path.arrival, abs=1e-21)
            total = path.launch[0].arrival + sum(step.delay for step in path.launch)
            assert total == pytest.approx(path.arrival, abs=1e-20)
            assert path.slack == pytest.approx((path.arrival - path.required) * (1 if early else -1))


def test_report_reads_as_opensta_prints(small: Library) -> None:
    netlist = """module t (ck, d, q); input ck, d; output q; wire c, m;
    BUF b (.A(ck), .Z(c)); FF f (.CK(c), .D(d), .RN(d), .Q(m)); FF g (.CK(c), .D(m), .RN(m), .Q(q)); endmodule"""
    text = report_paths(timing_of(small, netlist, CLOCK + "set_clock_uncertainty -setup 0.1 ck\n"))
    assert text == REPORT


REPORT = """Startpoint: f (rising edge-triggered flip-flop clocked by ck)
Endpoint: g (rising edge-triggered flip-flop clocked by ck)
Path Group: ck
Path Type: max

    Delay      Time   Description
-------------------------------------------------------------
   0.0000    0.0000   clock ck (rise edge)
   1.2000    1.2000   clock network delay (propagated)
   0.0000    1.2000 ^ f/CK (FF)
   1.2300    2.4300 ^ f/Q (FF)
   0.0000    2.4300 ^ g/D (FF)
             2.4300   data arrival time

  10.0000   10.0000   clock ck (rise edge)
   1.2000   11.2000   clock network delay (propagated)
  -0.1000   11.1000   clock uncertainty
   0.0000   11.1000   clock reconvergence pessimism
            11.1000 ^ g/CK (FF)
  -0.4900   10.6100   library setup time
            10.6100   data required time
-------------------------------------------------------------
            10.6100   data required time
            -2.4300   data arrival time
-------------------------------------------------------------
             8.1800   slack (MET)
"""


def test_rows_of_the_files(small: Library) -> None:
    netlist = r"""module t (ck, \d[0] , q); input ck, \d[0] ; output q;
    FF \f[1] (.CK(ck), .D(\d[0] ), .RN(\d[0] ), .Q(q)); endmodule"""
    timing = timing_of(
        small, netlist, CLOCK + "set_input_delay 1 -clock ck {d\\[0\\]}\nset_output_delay 1 -clock ck q\n"
    )
    rows = list(csv.reader(io.StringIO(csv_text(PIN_COLUMNS, pin_rows(timing)))))
    assert tuple(rows[0]) == PIN_COLUMNS
    by_name = {row[0]: row for row in rows[1:]}
    assert set(by_name) == {"f[1]/CK", "f[1]/D", "f[1]/RN", "f[1]/Q", "ck", "d[0]", "q"}
    assert by_name["f[1]/D"][1:3] == ["1", "1"]
    assert by_name["f[1]/Q"][1] == "0"
    assert by_name["f[1]/Q"][-2:] == ["", ""]
    ends = list(endpoint_rows(timing))
    assert [row[1] for row in ends if row[0] == "f[1]/RN"] == ["recovery", "removal"] or len(ends) == 6
    assert {row[1] for row in ends} == {"setup", "hold", "recovery", "removal"}
    assert all(row[-1] == "ck" for row in ends)
    assert [float(row[2]) for row in ends] == sorted(float(row[2]) for row in ends)


def test_capacitances_of_places(small: Library) -> None:
    netlist = "module t (a, y); input a; output y; BUF u (.A(a), .Z(y)); endmodule"
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=small)
    assert isinstance(circuit, Circuit)
    found = place_capacitances(circuit, small)
    np.testing.assert_allclose(found[circuit.find_pin("u/A")], [0.01e-12] * 4)
    np.testing.assert_array_equal(found[circuit.num_pins :], 0)


# -- OpenSTA on small circuits of our own ------------------------------------------------------

TREE = """module top (a, b, rn, ck, en, e2, y, q, r, s);
 input a, b, rn, ck, en, e2; output y, q, r, s;
 wire c1, c2, c3, c4, c5, g1, g2, q1, q2, n1, n2, n3, n4, hi;
 CGL_CLKBUF_X2 b1 (.A(ck), .Z(c1));
 CGL_CLKBUF_X2 b2 (.A(c1), .Z(c2));
 CGL_CLKBUF_X2 b3 (.A(c2), .Z(c3));
 CGL_CLKBUF_X4 b4 (.A(c2), .Z(c4));
 CGL_INV_X2 b5 (.A(c2), .Z(c5));
 CGL_AND2_X1 k1 (.A(c1), .B(en), .Z(g1));
 CGL_OR2_X1 k2 (.A(e2), .B(c3), .Z(g2));
 CGL_TIEHI t1 (.Z(hi));
 CGL_XOR2_X1 x1 (.A(a), .B(hi), .Z(n4));
 CGL_DFF_X1 f1 (.CK(c3), .D(n4), .Q(q1));
 CGL_INV_X1 u1 (.A(q1), .Z(n1));
 CGL_DFFR_X1 f2 (.CK(c4), .D(n1), .RN(rn), .Q(q2));
 CGL_NAND2_X1 u2 (.A(q2), .B(q1), .Z(n2));
 CGL_DFF_X1 f3 (.CK(c5), .D(n2), .Q(n3));
 CGL_XOR2_X1 u3 (.A(n3), .B(q2), .Z(r));
 CGL_DFF_X1 f4 (.CK(g1), .D(r), .Q(q));
 CGL_DFF_X1 f5 (.CK(g2), .D(s), .Q(s));
 CGL_MUX2_X1 u4 (.A(b), .B(q1), .S(a), .Z(y));
endmodule
"""
BASE = """create_clock -name ck -period 2 -waveform {0 0.9} [get_ports ck]
set_propagated_clock [all_clocks]
set_input_delay 0.1 -clock ck [get_ports {a b rn en e2}]
set_output_delay 0.2 -clock ck [all_outputs]
set_input_transition 0.05 [all_inputs]
"""
CASES = {
    "plain": BASE,
    "derates": BASE + "set_timing_derate -early 0.9\nset_timing_derate -late 1.1\nset_clock_uncertainty 0.05 ck\n",
    "ideal": BASE.replace(
        "set_propagated_clock [all_clocks]", "set_clock_latency 0.2 ck\nset_clock_transition 0.07 ck"
    ),
    "ideal_derates": BASE.replace("set_propagated_clock [all_clocks]", "set_clock_latency 0.2 ck")
    + "set_timing_derate -early 0.8\nset_timing_derate -late 1.2\n",
    "latency": BASE + "set_clock_latency -source -early 0.1 ck\nset_clock_latency -source -late 0.15 ck\n",
    "driving": BASE
    + "set_driving_cell -lib_cell CGL_NAND2_X1 -pin Z -from_pin B -input_transition_rise 0.1 [get_ports {a ck}]\n"
    + "set_driving_cell -lib_cell CGL_XOR2_X1 -pin Z [get_ports b]\nset_load 0.003 [get_ports y]\n",
    "driving_derates": BASE
    + "set_driving_cell -lib_cell CGL_NAND2_X1 -pin Z -from_pin B -input_transition_rise 0.1 [get_ports {a ck}]\n"
    + "set_timing_derate -net_delay -late 1.2\nset_timing_derate -net_delay -early 0.8\n",
    "two_clocks": BASE
    + "create_clock -name v -period 3 -waveform {0.1 1.3}\nset_input_delay 0.3 -clock v -clock_fall -add_delay a\n"
    + "set_output_delay 0.1 -clock v -add_delay y\nset_clock_uncertainty -setup 0.03 -from v -to ck\n",
    "case": BASE + "set_case_analysis 0 [get_ports a]\nset_case_analysis 1 [get_pins u2/B]\n",
    "disabled": BASE + "set_disable_timing [get_pins {u1/A u3/Z}]\nset_disable_timing -from A -to Z [get_cells u2]\n",
    "exceptions": BASE
    + "set_false_path -from [get_pins f1/CK] -to [get_pins f3/D]\nset_false_path -from [get_ports rn]\n"
    + "set_multicycle_path -setup 2 -from [get_pins f1/CK] -to [get_pins f2/D]\n"
    + "set_multicycle_path -hold 1 -from [get_pins f1/CK] -to [get_pins f2/D]\n"
    + "set_false_path -hold -to [get_pins f4/D]\n",
    "unclocked": BASE.replace("{a b rn en e2}", "{b en e2}"),
}

DUMP = """source dump_pins.tcl
read_liberty {LIBRARY}
read_verilog top.v
link_design top
source top.sdc
set_delay_calculator lumped_cap
report_wns
report_tns
dump_pins out.csv
"""


@pytest.mark.tool("sta")
@pytest.mark.data
@pytest.mark.parametrize("case", CASES)
def test_opensta_on_a_small_design(
    shipped: Library, root: Path, shared_data: object, tmp_path: Path, case: str
) -> None:
    assert callable(shared_data)
    (tmp_path / "dump_pins.tcl").write_text((shared_data("timing/dump_pins.tcl")).read_text())
    (tmp_path / "top.v").write_text(TREE)
    (tmp_path / "top.sdc").write_text(CASES[case])
    (tmp_path / "run.tcl").write_text(DUMP.replace("LIBRARY", str(root / "data" / "library" / "cgl_typ.lib")))
    subprocess.run(["sta", "-no_splash", "-exit", "run.tcl"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    with (tmp_path / "out.csv").open() as file:
        golden = {row[0]: row for row in csv.reader(file)}
    timing = timing_of(shipped, TREE, CASES[case])
    rows = list(pin_rows(timing))
    assert len(rows) > 50
    for row in rows:
        for column, mine, other in zip(PIN_COLUMNS, row, golden[row[0]], strict=True):
            where = (case, row[0], column, mine, other)
            assert (mine == "") == (other == ""), where
            if column != "pin" and mine:
                assert float(mine) == pytest.approx(float(other), abs=2e-5), where


def test_constraints_without_clocks_give_no_endpoints(small: Library) -> None:
    netlist = "module t (a, y); input a; output y; BUF u (.A(a), .Z(y)); endmodule"
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=small)
    assert isinstance(circuit, Circuit)
    timing = analyse(circuit, small, Constraints())
    assert not len(timing.endpoints)
    assert (timing.wns, timing.tns, timing.hold_wns) == (0.0, 0.0, 0.0)
    np.testing.assert_allclose(at(timing, "y"), [1.0] * 4)
