"""Generated clocks: waveforms and latencies by hand, and every pin of small circuits and a real one as OpenSTA has it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.pi_model import reduced_wires
from circuitgraph.analysis.sta import analyse, listed_places
from circuitgraph.analysis.sta_checks import Check
from circuitgraph.analysis.sta_prepare import place_capacitances
from circuitgraph.analysis.wires import spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.constraints import Generated
from circuitgraph.errors import CircuitError
from circuitgraph.files import read_bytes
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from tests.circuitgraph.analysis.opensta import ARRIVAL, SLACK, SLEW, differences, opensta
from tests.circuitgraph.analysis.test_sta import CLOCK, at, slack, timing_of
from tests.circuitgraph.analysis.test_sta_golden import library_of
from tests.circuitgraph.analysis.test_sta_paths import shipped, small

Shared = Callable[[str], Path]
__all__ = ["shipped", "small"]

NETLIST = """module top (ck, c2, sel, en, d, e, q, r, s, w, ock);
 input ck, c2, sel, en, d, e; output q, r, s, w, ock;
 wire c1, nq, dq, dk, mk, mb, ci, x1, x2, x4, n4, gc, x7;
 CGL_CLKBUF_X2 b1 (.A(ck), .Z(c1));
 CGL_DFF_X1 dv (.CK(c1), .D(nq), .Q(dq));
 CGL_INV_X1 u0 (.A(dq), .Z(nq));
 CGL_CLKBUF_X2 b2 (.A(dq), .Z(dk));
 CGL_DFF_X1 f1 (.CK(c1), .D(d), .Q(x1));
 CGL_DFF_X1 f2 (.CK(dk), .D(x1), .Q(x2));
 CGL_DFF_X1 f3 (.CK(c1), .D(x2), .Q(q));
 CGL_MUX2_X1 mx (.A(c1), .B(dk), .S(sel), .Z(mk));
 CGL_CLKBUF_X4 b3 (.A(mk), .Z(mb));
 CGL_DFF_X1 f4 (.CK(mb), .D(x2), .Q(x4));
 CGL_XOR2_X1 u4 (.A(x4), .B(x1), .Z(n4));
 CGL_DFF_X1 f5 (.CK(c1), .D(n4), .Q(r));
 CGL_INV_X2 i1 (.A(c1), .Z(ci));
 CGL_DFF_X1 f6 (.CK(ci), .D(x2), .Q(s));
 CGL_AND2_X1 g1 (.A(dk), .B(en), .Z(gc));
 CGL_DFF_X1 f7 (.CK(gc), .D(e), .Q(x7));
 CGL_DFFR_X1 f8 (.CK(c1), .D(x7), .RN(x4), .Q(w));
 CGL_BUF_X4 b4 (.A(dk), .Z(ock));
endmodule
"""
BASE = """create_clock -name ck -period 2 -waveform {0 0.9} [get_ports ck]
GEN
set_propagated_clock [all_clocks]
set_input_delay 0.1 -clock ck [get_ports {d e en}]
set_output_delay 0.2 -clock ck [get_ports {q r s w}]
set_input_transition 0.05 [all_inputs]
"""
DIVIDER = "create_generated_clock -name g -source [get_ports ck] %s [get_pins %s]"


def base(clocks: str, extra: str = "", propagated: str = "[all_clocks]") -> str:
    text = BASE.replace("GEN", clocks)
    line = f"set_propagated_clock {propagated}\n" if propagated else ""
    return text.replace("set_propagated_clock [all_clocks]\n", line) + extra


CASES = {
    "div2": base(DIVIDER % ("-divide_by 2", "dv/Q")),
    "div2 inv": base(DIVIDER % ("-divide_by 2 -invert", "dv/Q")),
    "div1": base(DIVIDER % ("-divide_by 1", "dv/Q")),
    "div3": base(DIVIDER % ("-divide_by 3", "dv/Q")),
    "div4": base(DIVIDER % ("-divide_by 4", "dv/Q")),
    "div6inv": base(DIVIDER % ("-divide_by 6 -invert", "dv/Q")),
    "mul2": base(DIVIDER % ("-multiply_by 2", "dv/Q")),
    "mul2 inv": base(DIVIDER % ("-multiply_by 2 -invert", "dv/Q")),
    "mul3 duty": base(DIVIDER % ("-multiply_by 3 -duty_cycle 30", "dv/Q")),
    "mul1": base(DIVIDER % ("-multiply_by 1", "dv/Q")),
    "edges135": base(DIVIDER % ("-edges {1 3 5}", "dv/Q")),
    "edges246": base(DIVIDER % ("-edges {2 4 6}", "dv/Q")),
    "edges123": base(DIVIDER % ("-edges {1 2 3}", "dv/Q")),
    "edges shift": base(DIVIDER % ("-edges {1 2 3} -edge_shift {0.1 0.2 0.1}", "dv/Q")),
    "comb mux": base("create_generated_clock -name g -source ck -combinational mx/Z"),
    "comb mux inv": base("create_generated_clock -name g -source ck -combinational -invert i1/Z"),
    "div1 inv": base("create_generated_clock -name g -source ck -divide_by 1 -invert i1/Z"),
    "comb inv wrong": base("create_generated_clock -name g -source ck -combinational i1/Z"),
    "chain": base(
        DIVIDER % ("-divide_by 2", "dv/Q") + "\ncreate_generated_clock -name h -source dv/Q -divide_by 1 mx/Z"
    ),
    "two at mux": base(
        DIVIDER % ("-divide_by 2", "dv/Q")
        + "\ncreate_generated_clock -name h -source dv/Q -divide_by 1 -master_clock g -add mx/Z\n"
        + "create_generated_clock -name k -source ck -combinational -master_clock ck -add mx/Z\n"
        + "set_clock_groups -physically_exclusive -group h -group k"
    ),
    "source inside": base("create_generated_clock -name g -source dv/CK -divide_by 2 dv/Q"),
    "source b1": base("create_generated_clock -name g -source b1/Z -divide_by 2 dv/Q"),
    "out port": base(
        DIVIDER % ("-divide_by 2", "dv/Q")
        + "\ncreate_generated_clock -name o -source dv/Q -divide_by 1 [get_ports ock]",
        "set_output_delay 0.3 -clock o [get_ports q]\n",
    ),
    "out port master": base(
        "create_generated_clock -name o -source ck -divide_by 2 [get_ports ock]",
        "set_output_delay 0.3 -clock o [get_ports q]\nset_input_delay 0.3 -clock o [get_ports d]\n",
    ),
    "ideal": base(DIVIDER % ("-divide_by 2", "dv/Q"), propagated=""),
    "ideal latency": base(
        DIVIDER % ("-divide_by 2", "dv/Q"),
        "set_clock_latency 0.3 ck\nset_clock_latency 0.2 g\nset_clock_latency -source 0.05 ck\n",
        propagated="",
    ),
    "ideal latency master only": base(
        DIVIDER % ("-divide_by 2", "dv/Q"),
        "set_clock_latency 0.3 ck\nset_clock_latency -source 0.05 ck\n",
        propagated="",
    ),
    "ideal master": base(
        DIVIDER % ("-divide_by 2", "dv/Q"),
        "set_clock_latency 0.3 ck\nset_clock_transition 0.1 ck\nset_clock_latency -source 0.05 ck\n",
        propagated="g",
    ),
    "ideal gen": base(DIVIDER % ("-divide_by 2", "dv/Q"), propagated="ck"),
    "gen source latency": base(DIVIDER % ("-divide_by 2", "dv/Q"), "set_clock_latency -source 0.5 g\n"),
    "source latency": base(
        DIVIDER % ("-divide_by 2", "dv/Q"),
        "set_clock_latency -source -late 0.5 ck\nset_clock_latency -source -early 0.4 ck\n",
    ),
    "derates": base(DIVIDER % ("-divide_by 2", "dv/Q"), "set_timing_derate -early 0.9\nset_timing_derate -late 1.1\n"),
    "uncertainty": base(
        DIVIDER % ("-divide_by 2", "dv/Q"),
        "set_clock_uncertainty 0.1 [all_clocks]\nset_clock_uncertainty -setup 0.3 -from ck -to g\n",
    ),
    "io on gen": base(
        DIVIDER % ("-divide_by 2", "dv/Q"),
        "set_input_delay 0.4 -clock g [get_ports e]\nset_output_delay 0.2 -clock g -clock_fall [get_ports s]\n",
    ),
    "case": base(DIVIDER % ("-divide_by 2", "dv/Q"), "set_case_analysis 1 [get_ports sel]\n"),
    "exceptions": base(
        DIVIDER % ("-divide_by 2", "dv/Q"),
        "set_false_path -from [get_clocks ck] -to [get_clocks g]\nset_multicycle_path 2 -from g -to ck\n",
    ),
    "via reg then mux": base("create_generated_clock -name g -source ck -divide_by 1 -master_clock ck -add mx/Z"),
    "pins two": base("create_generated_clock -name g -source ck -divide_by 2 {dv/Q mx/Z}"),
    "driven master": base(
        DIVIDER % ("-divide_by 2", "dv/Q"), "set_driving_cell -lib_cell CGL_NAND2_X1 -pin Z [get_ports {ck d}]\n"
    ),
    "data gated": base(DIVIDER % ("-divide_by 2", "g1/Z")),
}

CREDITED = {"source latency", "derates"}


@pytest.mark.tool("sta")
@pytest.mark.parametrize("case", CASES)
def test_opensta_on_small_circuits(shipped: Library, root: Path, tmp_path: Path, case: str) -> None:
    golden, _ = opensta(tmp_path, NETLIST, CASES[case], [root / "data" / "library" / "cgl_typ.lib"])
    timing = timing_of(shipped, NETLIST, CASES[case])
    if case not in CREDITED:
        assert differences(timing, golden) == []
        return
    # the credits of one endpoint's launches differ: pins that are not on its worst path, as sta_required says
    assert timing.endpoints.credit.max() > 1e-11
    assert differences(timing, golden, bar=timing.endpoints.credit.max() * 1e9 + 2e-5) == []
    assert len(differences(timing, golden)) <= 7


REAL = """create_clock -name ck -period 7 [get_ports wb_clk_i]
create_generated_clock -name a -add -source wb_clk_i -master_clock ck -divide_by 1 [get_ports mem_clk_a]
create_generated_clock -name b -add -source wb_clk_i -master_clock ck -divide_by 2 [get_ports mem_clk_b]
set_propagated_clock [all_clocks]
set_clock_uncertainty 0.25 [all_clocks]
set_clock_uncertainty -setup 0.1 -from ck -to a
set_input_delay 2 -clock ck [get_ports wb_*_i[*]]
set_input_delay 1 -clock b [get_ports mem_dout_a[*]]
set_output_delay 1.5 -clock a [get_ports mem_addr*]
set_output_delay 1 -clock b [get_ports mem_din*]
set_input_transition 0.1 [all_inputs]
"""


@pytest.mark.tool("sta")
@pytest.mark.data
@pytest.mark.parametrize("delay_model", ["lumped_cap", "dmp"])
def test_opensta_on_a_real_design(shared_data: Shared, tmp_path: Path, delay_model: str) -> None:
    design = "lbist_mbist_top1"
    library = library_of(shared_data("timing/lib"), design)
    folder = shared_data(f"timing/designs/{design}")
    circuit = read_verilog(folder / f"{design}.v", library=library)
    assert isinstance(circuit, Circuit)
    resolved = read_spef(folder / f"{design}.spef").resolve(circuit)
    wires = spef_wires(resolved, circuit, elmore=False)
    if delay_model == "dmp":
        wires = reduced_wires(resolved, circuit, place_capacitances(circuit, library))
    constraints = read_sdc(io.BytesIO(REAL.encode()), circuit, library)
    listed = listed_places(resolved, circuit)
    timing = analyse(circuit, library, constraints, wires, black_box=True, listed=listed, delay_model=delay_model)
    (tmp_path / "library.lib").write_bytes(read_bytes(shared_data("timing/lib/sky130hd_tt.lib.xz")))
    calculator = {"dmp": "dmp_ceff_elmore"}.get(delay_model, delay_model)
    golden, _ = opensta(
        tmp_path,
        folder / f"{design}.v",
        REAL,
        [tmp_path / "library.lib"],
        top="mbist_top1",
        calculator=calculator,
        spef=folder / f"{design}.spef",
    )
    by_generated = [row for row in timing.pairs.clock_plane.tolist() if timing.prepared.planes.rows[row].clock > 0]
    assert len(by_generated) > 50
    assert timing.prepared.planes.clocks[1].insertion[0][0] > 0.5e-9
    bar = 1e-4 if delay_model == "lumped_cap" else 3e-3
    assert differences(timing, golden, [ARRIVAL, SLEW], bar=bar) == []
    assert differences(timing, golden, [SLACK], bar=bar + timing.endpoints.credit.max() * 1e9) == []
    names = {timing.prepared.name(node).replace("\\", "") for node in timing.endpoints.node.tolist()}
    assert not {line.split()[0] for line in differences(timing, golden, [SLACK], bar=bar)} & names


# -- by hand -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generated", "period", "waveform"),
    [
        (Generated(0, divide_by=1), 10.0, (1.0, 4.0)),
        (Generated(0, divide_by=1, invert=True), 10.0, (4.0, 11.0)),
        (Generated(0, divide_by=2), 20.0, (1.0, 11.0)),
        (Generated(0, divide_by=4, invert=True), 40.0, (21.0, 41.0)),
        (Generated(0, divide_by=3), 30.0, (3.0, 12.0)),
        (Generated(0, multiply_by=2), 5.0, (0.5, 2.0)),
        (Generated(0, multiply_by=4, duty_cycle=20), 2.5, (1.0, 1.5)),
        (Generated(0, edges=(1, 2, 5)), 20.0, (1.0, 4.0)),
        (Generated(0, edges=(2, 4, 6), edge_shifts=(0.5, 0.0, 0.5)), 20.0, (4.5, 14.0)),
    ],
)
def test_waveforms(generated: Generated, period: float, waveform: tuple[float, float]) -> None:
    assert generated.waveform(10.0, (1.0, 4.0)) == (pytest.approx(period), pytest.approx(waveform))


DIVIDED = """module t (ck, d, q); input ck, d; output q; wire c, n, g, h, m;
 BUF b (.A(ck), .Z(c)); FF dv (.CK(c), .D(n), .RN(d), .Q(g)); INV i (.A(g), .Z(n)); BUF k (.A(g), .Z(h));
 FF f (.CK(c), .D(d), .RN(d), .Q(m)); FF e (.CK(h), .D(m), .RN(d), .Q(q)); endmodule"""


def test_source_latency_is_the_path_from_the_master(small: Library) -> None:
    sdc = CLOCK + "create_generated_clock -name g -source ck -divide_by 2 dv/Q\nset_propagated_clock g\n"
    timing = timing_of(small, DIVIDED, sdc)
    # b: 1 + 10 x 0.02 = 1.2, slew 0.3; dv: 1 + 0.03 + 0.2 = 1.23, slew 0.3; k: 1 + 0.03 + 0.1 = 1.13
    np.testing.assert_allclose(at(timing, "dv/Q"), [2.43, 12.43, 2.43, 12.43])
    np.testing.assert_allclose(at(timing, "e/CK"), [3.56, 13.56, 3.56, 13.56])
    # f launches at 0 and 10, e captures at 20: the nearest pair is 10 apart; setup 0.4 + 0.1 x 0.25 + 0.2 x 0.25
    launched = 1.2 + 1.03 + 0.1
    assert slack(timing, "e/D", Check.SETUP) == pytest.approx(10 + 3.56 - 0.475 - launched)
    ideal = timing_of(small, DIVIDED, sdc.replace("set_propagated_clock g", "set_clock_latency 0.5 g"))
    assert slack(ideal, "e/D", Check.SETUP) == pytest.approx(10 + 2.43 + 0.5 - 0.45 - launched)
    given = timing_of(small, DIVIDED, sdc + "set_clock_latency -source 4 g\n")
    np.testing.assert_allclose(at(given, "dv/Q"), [4, 14, 4, 14])


def test_an_analysis_of_what_was_analysed_finds_the_latency_anew(small: Library) -> None:
    sdc = CLOCK + "create_generated_clock -name g -source ck -divide_by 2 dv/Q\nset_propagated_clock g\n"
    first = timing_of(small, DIVIDED, sdc)
    again = analyse(first.prepared)
    np.testing.assert_array_equal(first.arrival, again.arrival)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-divide_by 2 dv/Q", "lacks -source"),
        ("-source ck dv/Q", "does not say how the clock is made"),
        ("-source ck -divide_by 2 -multiply_by 2 dv/Q", "-divide_by and -multiply_by exclude each other"),
        ("-source ck -divide_by 0 dv/Q", "value '0' of -divide_by is no whole number from 1"),
        ("-source ck -divide_by 2 -combinational dv/Q", "-combinational divides by 1"),
        ("-source ck -edges {1 2} dv/Q", "-edges takes 3 numbers, not 2"),
        ("-source ck -edges {3 2 5} dv/Q", "edges '3 2 5' do not increase"),
        ("-source ck -edges {1 2 3} -invert dv/Q", "-edges and -invert exclude each other"),
        ("-source ck -divide_by 2 -duty_cycle 50 dv/Q", "-duty_cycle needs -multiply_by"),
        ("-source ck -multiply_by 2 -duty_cycle 101 dv/Q", "is not from 0 to 100"),
        ("-source ck -divide_by 2 -edge_shift {0 0 0} dv/Q", "-edge_shift needs -edges"),
        ("-source ck -divide_by 2 -add dv/Q", "-add needs -name and -master_clock"),
        ("-source nothing -divide_by 2 dv/Q", "-source names 0 pins"),
        ("-source ck -divide_by 2", "names no pin or port"),
        ("-source ck -divide_by 2 -master_clock zz dv/Q", "clock 'zz' is not defined"),
        ("-source ck -divide_by 2 -pll_output x dv/Q", "has no option '-pll_output'"),
        ("-source d -divide_by 2 dv/Q", "has no clock at its source: name its -master_clock"),
        ("-source ck -edges {1 2 3} -edge_shift {0 0 -10} dv/Q", "has no period above 0"),
    ],
)
def test_refusals(small: Library, text: str, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        timing_of(small, DIVIDED, CLOCK + f"create_generated_clock {text}\n")


def test_masters_that_are_unclear_or_go_round_are_refused(small: Library) -> None:
    two = CLOCK + "create_clock -name other -period 3 -add [get_ports ck]\n"
    with pytest.raises(CircuitError, match=r"generated clock 'dv/Q': has 2 clocks at its source \(ck, other\)"):
        timing_of(small, DIVIDED, two + "create_generated_clock -source b/Z -divide_by 2 dv/Q\n")
    chosen = timing_of(
        small, DIVIDED, two + "create_generated_clock -source ck -master_clock other -divide_by 2 dv/Q\n"
    )
    assert chosen.prepared.planes.clocks[2].period == pytest.approx(6e-9)
    ring = "create_generated_clock -name x -source ck -divide_by 2 dv/Q\n"
    ring += "create_generated_clock -name y -source dv/Q -master_clock x -divide_by 2 k/Z\n"
    ring += "create_generated_clock -name x -source k/Z -master_clock y -divide_by 2 dv/Q\n"
    with pytest.raises(CircuitError, match="generated clock 'x': comes from itself"):
        timing_of(small, DIVIDED, CLOCK + ring)


def test_a_clock_without_a_path_from_its_master_starts_at_its_edge(small: Library) -> None:
    sdc = (
        CLOCK + "create_generated_clock -name g -source d -master_clock ck -divide_by 2 dv/Q\nset_propagated_clock g\n"
    )
    timing = timing_of(small, DIVIDED, sdc)
    np.testing.assert_allclose(at(timing, "dv/Q"), [0, 10, 0, 10])
    assert not math.isnan(timing.prepared.planes.clocks[1].period)
