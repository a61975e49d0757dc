"""SDC: words and lists, arithmetic, queries, every command; the public files; what is refused."""

from __future__ import annotations

import io
import lzma
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.circuit import Circuit
from circuitgraph.constraints import Constraints
from circuitgraph.errors import CircuitError
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.sdc import read_sdc, words
from circuitgraph.formats.sdc.expressions import evaluate
from circuitgraph.formats.sdc.words import join_list, split_list
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library

Shared = Callable[[str], Path]

NETLIST = r"""
module top (clk, ck2, a, \d[3] , bus, y, q);
 input clk, ck2, a, \d[3] ; input [2:0] bus; output y, q;
 wire n1, n2;
 CGL_INV_X1 u1 (.A(a), .Z(n1));
 CGL_NAND2_X1 u2 (.A(n1), .B(bus[1]), .Z(n2));
 CGL_NAND2_X1 u3 (.A(n2), .B(\d[3] ), .Z(y));
 CGL_DFF_X1 \r/0 (.CK(clk), .D(n2), .Q(q));
endmodule
"""


@pytest.fixture(scope="module")
def library(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


@pytest.fixture(scope="module")
def circuit(library: Library) -> Circuit:
    found = read_verilog(io.BytesIO(NETLIST.encode()), library=library)
    assert isinstance(found, Circuit)
    return found


def sdc(circuit: Circuit, text: str, **options: object) -> Constraints:
    return read_sdc(io.BytesIO(text.encode()), circuit, **options)  # type: ignore[arg-type]


def ports(circuit: Circuit, *names: str) -> set[int]:
    return {circuit.num_pins + circuit.port_names.find(name) for name in names}


# -- language ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3"),
        ("7 / 2.0", "3.5"),
        ("7 % 4", "3"),
        ("2 ** 3", "8"),
        ("-2 + +5", "3"),
        ("1 < 2 && !(3 <= 2)", "1"),
        ('"a" eq "a"', "1"),
        ("5 == 5.0", "1"),
        ("1 > 2 ? 3 : 4", "4"),
        ("max(1, 2.5) + abs(-1)", "3.5"),
        ("round(2.5)", "3"),
    ],
)
def test_arithmetic(text: str, value: str) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text", ["1 +", "1 / 0", "9 ** 9 ** 9", "abc(1)", "(1", "1 $ 2", "(" * 100, "1" * 20_000, "a + 1"]
)
def test_bad_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        evaluate(text)


def test_lists_round_trip() -> None:
    for items in (["a", "b c", ""], ["{", "x[3]", "$v"], ["a\\b", '"']):
        assert split_list(join_list(items)) == items


def test_variables_lists_loops_and_conditions(circuit: Circuit) -> None:
    text = """
set sdc_version 2.0
set names {a}
foreach bit {0 1 2} { lappend names bus\\[$bit\\] }
set period [expr {2 * 5.0}]
if {[llength $names] == 4 && [info exists period]} {
  create_clock -name c -period $period [get_ports clk]
} else { create_clock -name wrong -period 1 [get_ports clk] }
set inputs [lreplace [all_inputs] [lsearch [all_inputs] [get_ports clk]] [lsearch [all_inputs] [get_ports clk]]]
set_input_delay [expr $period * .2] -clock c $names  ;# a comment
set_input_transition 0.1 $inputs
"""
    found = sdc(circuit, text)
    assert found.clocks[0].name == "c"
    assert found.clocks[0].period == pytest.approx(10e-9)
    assert {delay.place for delay in found.input_delays} == ports(circuit, "a", "bus[0]", "bus[1]", "bus[2]")
    assert found.input_delays[0].delay == pytest.approx((2e-9,) * 4)
    clk = circuit.port_names.find("clk")
    assert np.isnan(found.input_transition[clk]).all()
    assert found.input_transition[circuit.port_names.find("ck2"), 0] == pytest.approx(1e-10)


def test_the_idiom_of_the_public_files(circuit: Circuit) -> None:
    text = """create_clock -name clk -period 3 [get_ports {clk}]
set data_inputs {}
foreach p [all_inputs] {
 if {[lsearch -exact [list {clk} {ck2}] [get_property $p full_name]] < 0} { lappend data_inputs $p } }
set_input_delay 0.5 -clock clk $data_inputs
"""
    found = sdc(circuit, text)
    assert len(found.input_delays) == circuit.num_ports - 4
    assert not ports(circuit, "clk", "ck2") & {delay.place for delay in found.input_delays}


def test_wildcards_and_literal_brackets(circuit: Circuit) -> None:
    def chosen(pattern: str) -> set[int]:
        text = f"create_clock -name c -period 1 [get_ports clk]\nset_input_delay 0 -clock c {pattern}"
        return {delay.place for delay in sdc(circuit, text).input_delays}

    assert chosen("[get_ports bus[*]]") == ports(circuit, "bus[0]", "bus[1]", "bus[2]")
    assert chosen("{bus[1] a}") == ports(circuit, "bus[1]", "a")
    assert chosen("[get_ports bus]") == ports(circuit, "bus[0]", "bus[1]", "bus[2]")
    assert chosen("[get_ports {b?s[2]}]") == ports(circuit, "bus[2]")
    assert chosen("[get_ports bus[0]]") == ports(circuit, "bus[0]")
    assert chosen(r"[get_ports {d\[3\]}]") == ports(circuit, r"d\[3\]")
    assert chosen("[remove_from_collection [all_inputs -no_clocks] [get_ports {a ck2 bus* d*}]]") == set()


def test_queries_of_pins_cells_and_registers(circuit: Circuit) -> None:
    text = """create_clock -name c -period 1 [get_ports clk]
set_false_path -from [all_registers -clock_pins] -to [all_registers -data_pins]
set_disable_timing [get_pins u?/B]
set_disable_timing -from A -to Z [get_cells u2]
set_case_analysis 1 [get_pins u1/A]
"""
    found = sdc(circuit, text)
    clock, data = circuit.find_pin("r/0/CK"), circuit.find_pin("r/0/D")
    assert found.exceptions[0].from_places == {clock}
    assert found.exceptions[0].to_places == {data}
    assert found.disabled_places == {circuit.find_pin("u2/B"), circuit.find_pin("u3/B")}
    assert found.disabled_arcs == {(circuit.find_pin("u2/A"), circuit.find_pin("u2/Z"))}
    assert found.case_values == {circuit.find_pin("u1/A"): 1}


# -- commands ----------------------------------------------------------------------------------


def test_clocks(circuit: Circuit) -> None:
    text = """create_clock -name c -period 4 -waveform {1 3} [get_ports clk]
create_clock -name v -period 5
create_clock -name c2 -period 8 -add [get_ports clk]
create_clock -period 2 [get_pins u1/Z]
set_propagated_clock [get_clocks {c c2}]
set_clock_latency 0.3 [get_clocks v]
set_clock_latency -source -early 0.1 [get_clocks c]
set_clock_latency -source -late 0.2 [get_clocks c]
set_clock_transition -fall 0.05 v
set_clock_uncertainty -setup 0.2 [all_clocks]
set_clock_uncertainty 0.4 -from c -to v
set_clock_groups -asynchronous -group {c c2} -group v
"""
    found = sdc(circuit, text)
    c, v, c2, inner = found.clocks
    assert c.waveform == pytest.approx((1e-9, 3e-9))
    assert v.is_virtual
    assert not c.is_virtual
    assert c.sources == c2.sources == tuple(ports(circuit, "clk"))
    assert inner.name == "u1/Z"
    assert inner.sources == (circuit.find_pin("u1/Z"),)
    assert [clock.is_propagated for clock in found.clocks] == [True, False, True, False]
    assert v.latency == pytest.approx((0.3e-9,) * 4)
    assert c.source_latency == pytest.approx((0.2e-9, 0.2e-9, 0.1e-9, 0.1e-9))
    assert v.transition[1] == pytest.approx(5e-11)
    assert math.isnan(v.transition[0])
    assert v.setup_uncertainty == pytest.approx(2e-10)
    assert math.isnan(v.hold_uncertainty)
    assert found.clock_uncertainty[0, 1] == pytest.approx((4e-10, 4e-10))
    assert found.exclusive == {(0, 1), (1, 0), (2, 1), (1, 2)}


def test_a_clock_without_add_replaces_the_one_before(circuit: Circuit) -> None:
    found = sdc(
        circuit, "create_clock -name a -period 1 [get_ports clk]\ncreate_clock -name b -period 2 [get_ports clk]"
    )
    assert found.clocks[0].is_virtual
    assert found.clocks[1].sources
    assert found.notes.count("clock that another one replaced at its source") == 1


def test_port_delays(circuit: Circuit) -> None:
    text = """create_clock -name c -period 4 [get_ports clk]
set_input_delay -max 1 -clock c [get_ports a]
set_input_delay -min -rise 0.2 -clock c [get_ports a]
set_input_delay 0.5 -clock c -clock_fall -add_delay [get_ports a]
set_output_delay 0.7 -clock c [get_ports y]
set_output_delay 0.9 -clock c [get_ports y]
set_input_delay 3 [get_ports bus[0]]
"""
    found = sdc(circuit, text)
    first, second, third = found.input_delays
    assert first.delay[:3] == pytest.approx((1e-9, 1e-9, 2e-10))
    assert math.isnan(first.delay[3])
    assert second.is_fall
    assert third.clock == -1
    assert len(found.output_delays) == 1
    assert found.output_delays[0].delay[0] == pytest.approx(9e-10)
    replaced = sdc(circuit, text + "set_input_delay 0.1 -clock c [get_ports a]\n")
    assert sum(delay.place in ports(circuit, "a") for delay in replaced.input_delays) == 1


def test_environment_and_units(circuit: Circuit, library: Library) -> None:
    text = """create_clock -name c -period 4 [get_ports clk]
set_load 2 [all_outputs]
set_load -max 3 [get_ports y]
set_load 5 [get_nets n1]
set_driving_cell -lib_cell CGL_NAND2_X1 -pin Z -from_pin B -input_transition_rise 0.1 [get_ports a]
set_timing_derate -late 1.05
set_timing_derate -early -net_delay 0.9
set_clock_gating_check -setup 0.1
"""
    found = sdc(circuit, text, library=library)
    y = circuit.port_names.find("y")
    assert found.load[y] == pytest.approx(np.array([3, 3, 2, 2]) * library.capacitance_unit)
    assert found.net_load == {circuit.find_net("n1"): pytest.approx(5 * library.capacitance_unit)}
    cell = found.driving_cells[circuit.port_names.find("a")][0]
    assert (cell.cell_type, cell.from_port, cell.port) == ("CGL_NAND2_X1", "B", "Z")
    assert cell.transition == pytest.approx((1e-10, 0.0))
    assert found.derate.tolist() == [1.05, 1.05, 1.0, 0.9]
    assert found.clock_gating == pytest.approx((1e-10, 0.0))


def test_exceptions(circuit: Circuit) -> None:
    text = """create_clock -name c -period 4 [get_ports clk]
set_false_path -from [get_ports a]
set_multicycle_path 2 -setup -from [get_clocks c] -to [get_ports y]
set_multicycle_path -hold 1 -to [get_cells r/0]
set_false_path -from [get_ports nowhere]
"""
    found = sdc(circuit, text)
    false, setup, hold = found.exceptions
    assert false.kind == "false"
    assert (false.setup, false.hold) == (True, True)
    assert (setup.cycles, setup.setup, setup.hold, setup.by_end_clock) == (2, True, False, True)
    assert setup.from_clocks == {0}
    assert (hold.setup, hold.hold, hold.by_end_clock) == (False, True, False)
    assert found.notes.count("exception whose start or end the circuit does not have") == 1


def test_uncertainty_between_edges_limits_and_resistances(circuit: Circuit) -> None:
    text = """create_clock -name c -period 4 [get_ports clk]
create_clock -name d -period 4 [get_ports ck2]
set_clock_uncertainty 0.1 -rise_from c -to d
set_clock_uncertainty -setup 0.2 -rise_from c -fall_to d
set_clock_uncertainty -hold 0.3 -from d -to c
set_max_time_borrow 0.5 [get_clocks c]
set_max_time_borrow 0.4 [get_pins r/0/D]
set_disable_inferred_clock_gating {u2 u1/A}
set_clock_groups -asynchronous -allow_paths -group c -group d
set_drive 2 [get_ports a]
set_drive -fall -max 3 [get_ports a]
"""
    found = sdc(circuit, text)
    assert found.edge_uncertainty[0, 0, 1, 0] == pytest.approx((1e-10, 1e-10))
    assert found.edge_uncertainty[0, 0, 1, 1] == pytest.approx((2e-10, 1e-10))
    assert (0, 1, 1, 0) not in found.edge_uncertainty
    assert found.clock_uncertainty[1, 0][1] == pytest.approx(3e-10)
    assert math.isnan(found.clock_uncertainty[1, 0][0])
    assert found.borrow_limits["clock"] == {0: pytest.approx(5e-10)}
    assert found.borrow_limits["pin"] == {circuit.find_pin("r/0/D"): pytest.approx(4e-10)}
    assert found.ungated == ({circuit.cell_names.find("u2")}, {circuit.find_pin("u1/A")})
    assert not found.exclusive
    a = circuit.port_names.find("a")
    assert found.drive[a].tolist() == pytest.approx([2e3, 3e3, 2e3, 2e3])
    later = sdc(circuit, text + "set_clock_uncertainty -setup 0.7 -from c -to d\n")
    assert math.isnan(later.edge_uncertainty[0, 0, 1, 1][0])
    assert later.edge_uncertainty[0, 0, 1, 1][1] == pytest.approx(1e-10)


def test_points_edges_and_bounds(circuit: Circuit) -> None:
    text = """create_clock -name c -period 4 [get_ports clk]
set_max_delay 1.5 -from [get_clocks c] -through u2/Z -rise_through [get_nets n2] -fall_to [get_ports y] -ignore_clock_latency
set_min_delay 0.25 -fall_from a -through [get_cells u3]
set_false_path -hold -rise -through {u1/A u2/B}
"""
    longest, shortest, false = sdc(circuit, text).exceptions
    pin = circuit.find_pin
    assert (longest.kind, longest.delay, longest.setup, longest.hold) == (
        "max_delay",
        pytest.approx(1.5e-9),
        True,
        False,
    )
    assert [set(point.places) for point in longest.throughs] == [{pin("u2/Z")}, {pin("u3/A"), pin("r/0/D")}]
    assert [point.edge for point in longest.throughs] == [-1, 0]
    assert (longest.to_edge, longest.ignores_latency) == (1, True)
    assert (shortest.kind, shortest.from_edge, shortest.setup, shortest.hold) == ("min_delay", 1, False, True)
    assert shortest.throughs[0].places == {pin("u3/Z")}
    assert (false.end_edge, false.setup, false.hold) == (0, False, True)
    assert false.throughs[0].places == {pin("u1/A"), pin("u2/B")}
    assert false.priority > longest.priority > shortest.priority - 64
    missing = sdc(circuit, "set_false_path -through nothing/A\n")
    assert not missing.exceptions
    assert missing.notes.count("exception whose start or end the circuit does not have") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set_data_check 3 -to y", "command 'set_data_check': can change timing and is not supported"),
        ("create_generated_clock -name g", "'create_generated_clock': names no pin or port"),
        ("set_clock_uncertainty 1 -rise_from c", "has only one of -from and -to"),
        ("set_max_time_borrow -1 [all_clocks]", "limit '-1' is below 0"),
        ("set_drive 1", "takes a resistance and ports"),
        ("set_drive -2 a", "resistance '-2' is below 0"),
        ("set_false_path -reset_path -from a", "option -reset_path is not supported"),
        ("creat_clock -period 3", "command 'creat_clock': is unknown: did you mean 'create_clock'"),
        ("create_clock -name c", "period '' is not above 0"),
        ("create_clock -period 2 [get_ports nothing]", "source"),
        ("set_input_delay 1 -clock c [get_ports a]", "clock 'c' is not defined"),
        ("set_input_delay x -clock c a", "'x': is no number"),
        ("set_load 1 -nonsense [all_outputs]", "has no option '-nonsense'"),
        ("set_clock_latency -s 1 x", "option '-s' means|clock 'x'"),
        ("puts $x", "variable 'x': has no value"),
        ("set a {", "'{': has no end"),
        ("set a [llength {1 2}", "'\\[': has no end"),
        ('set a "x', "has no end"),
        ("exec rm -rf x", "can change timing and is not supported"),
        ("set_case_analysis rising a", "value 'rising' is not supported"),
        ("\n\nsource other.sdc", "3: command 'source'"),
    ],
)
def test_refusals_name_the_command(circuit: Circuit, text: str, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        sdc(circuit, text)


PICO = """library (p) { time_unit : "1ps"; capacitive_load_unit (1, ff); pulling_resistance_unit : "1kohm"; }"""


@pytest.mark.parametrize(
    "units",
    [
        "-time ns",
        "-time 1ns -capacitance 1pF -resistance 1kOhm",
        "-time 1000ps -capacitance 1000fF -resistance {1 kohm}",
        "-time 1.0NS -cap 0.001nF -res kOhm",
    ],
)
def test_units_that_are_the_default_are_silent(circuit: Circuit, units: str) -> None:
    assert not sdc(circuit, f"set_units {units}\n").notes.counts


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ("-time 1ps", "one unit of time is 1ps, but numbers are read in units of 1ns \\(the default without a library"),
        ("-time 10ns", "is 10ns, .* 1ns"),
        ("-time ns -capacitance fF", "capacitance is 1fF, .* 1pF"),
        ("-resistance MOhm", "resistance is 1MOhm, .* 1kOhm"),
        ("-resistance mOhm", "resistance is 1mOhm, .* 1kOhm"),
        ("-time 1pF", "unit '1pF' of -time is unknown"),
        ("-time 1xs", "unit '1xs' of -time is unknown"),
        ("-time 0ns", "unit '0ns' of -time is unknown"),
        ("-time 1e999ns", "unit '1e999ns' of -time is unknown"),
        ("-voltage 1A", "unit '1A' of -voltage is unknown"),
        ("-time", "option '-time' lacks its value"),
        ("1ns", "word '1ns' belongs to no option"),
    ],
)
def test_other_units_are_refused_with_their_line(circuit: Circuit, units: str, message: str) -> None:
    with pytest.raises(CircuitError, match=f"^[^:]+:2: command 'set_units': .*{message}") as caught:
        sdc(circuit, f"# units\nset_units {units}\n")
    assert caught.value.place.endswith(":2")
    with pytest.raises(CircuitError):
        sdc(circuit, f"set_units {units}\n", ignore_unsupported=True)


def test_units_are_those_of_the_library(circuit: Circuit, library: Library) -> None:
    pico = read_liberty(io.BytesIO(PICO.encode()))
    assert not sdc(circuit, "set_units -time 1ps -capacitance 1fF", library=pico).notes.counts
    found = sdc(circuit, "set_units -time ps\ncreate_clock -name c -period 500 clk", library=pico)
    assert found.clocks[0].period == pytest.approx(500e-12)
    with pytest.raises(CircuitError, match=r"time is 1ns, .* 1ps \(library p\): scale the file's numbers to 1ps"):
        sdc(circuit, "set_units -time 1ns", library=pico)
    with pytest.raises(CircuitError, match="time is 1ps, .* 1ns"):
        sdc(circuit, "set_units -time 1ps", library=library)


def test_units_that_no_command_speaks_of_are_counted(circuit: Circuit) -> None:
    found = sdc(circuit, "set_units -time ns -voltage 1V -current mA -power 1uW")
    assert found.notes.counts == {f"unit of {name} (changes no timing)": 1 for name in ("voltage", "current", "power")}


def test_unsupported_commands_can_be_counted(circuit: Circuit) -> None:
    found = sdc(circuit, "set_data_check 3 -to y\nset_max_fanout 4 [current_design]\nfoo", ignore_unsupported=True)
    assert found.notes.count("command set_data_check ignored") == 1
    assert found.notes.count("command foo ignored") == 1
    assert found.notes.count("command set_max_fanout (changes no timing)") == 1


def test_steps_and_depth_are_limited(circuit: Circuit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MAX_STEPS", 1000)
    loop = "set l {1 2 3 4 5 6 7 8 9 10}\n" + "foreach a $l { " * 4 + "set x 1" + " }" * 4
    with pytest.raises(CircuitError, match="runs more than 1,000 commands"):
        sdc(circuit, loop)
    with pytest.raises(CircuitError, match="nested deeper"):
        sdc(circuit, "set a " + "[list " * 100 + "]" * 100)
    monkeypatch.setattr(words, "MAX_VALUE", 1000)
    with pytest.raises(CircuitError, match="grows beyond"):
        sdc(circuit, "set a x\n" + "set a $a$a\n" * 20)


def test_names_that_the_circuit_lacks_are_counted(circuit: Circuit) -> None:
    found = sdc(
        circuit, "create_clock -name c -period 1 [get_ports clk]\nset_input_delay 1 -clock c [get_ports {a zz}]"
    )
    assert found.notes.count("name of a port that the circuit does not have") == 1
    assert len(found.input_delays) == 1


def test_flipped_bytes_give_constraints_or_an_error(circuit: Circuit) -> None:
    text = b"""create_clock -name c -period 4 [get_ports {clk}]
set v {}
foreach p [all_inputs] { if {[lsearch -exact [list clk] [get_property $p full_name]] < 0} { lappend v $p } }
set_input_delay [expr 4 * .2] -clock c $v
set_clock_uncertainty -setup 0.1 [all_clocks]
"""
    rng = np.random.default_rng(2)
    said: set[str] = set()
    for _ in range(300):
        broken = bytearray(text)
        for at in rng.integers(0, len(broken), 2):
            broken[at] = rng.choice(np.frombuffer(b'{}[]"$; \\ax1-', np.uint8))
        try:
            sdc(circuit, bytes(broken).decode())
        except CircuitError as error:
            said.add(error.rule)
    assert len(said) > 3


# -- public files ------------------------------------------------------------------------------

REFUSED = {
    "lbist_mbist_top1": "command 'set_clock_uncertainty': clock 'mem_clk_a' is not defined",
    "nvdla_m": "command 'set_ideal_network': can change timing",
}
VARIABLES = {
    "env(SYNTH_CAP_LOAD)": "33.4",
    "env(SYNTH_DRIVING_CELL)": "sky130_fd_sc_hd__inv_8",
    "env(SYNTH_DRIVING_CELL_PIN)": "Y",
}


def test_every_public_file_reads_or_names_what_it_lacks(shared_data: Shared) -> None:
    folder = shared_data("timing/designs")
    names = sorted(path.name.removesuffix(".tar.xz") for path in folder.glob("*.tar.xz"))
    assert len(names) == 28
    for name in names:
        inside = shared_data(f"timing/designs/{name}")
        circuit = read_verilog(inside / f"{name}.v")
        assert isinstance(circuit, Circuit)
        found = read_sdc(inside / f"{name}.sdc", circuit)
        assert found.clocks, name
        assert not found.notes.counts or name == "ihp_i2c", (name, found.notes.lines())
        original = inside / f"{name}.original.sdc"
        if not original.exists():
            continue
        if name in REFUSED:
            with pytest.raises(CircuitError, match=REFUSED[name]):
                read_sdc(original, circuit, variables=VARIABLES)
        else:
            assert read_sdc(original, circuit, variables=VARIABLES).clocks, name


def test_the_small_public_files(shared_data: Shared, circuit: Circuit, tmp_path: Path) -> None:
    folder = shared_data("digital/sdc")
    files = sorted(folder.rglob("*.sdc"))
    assert len(files) == 2
    for path in files:
        found = read_sdc(path, circuit)
        assert round(found.clocks[0].period * 1e9) in {5, 10}
        packed = tmp_path / f"{path.name}.xz"
        packed.write_bytes(lzma.compress(path.read_bytes()))
        assert read_sdc(packed, circuit).clocks == found.clocks
