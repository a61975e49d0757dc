"""Latches: windows by hand, borrowing over several latches and on a real design as OpenSTA has it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.sta import Timing, analyse, listed_places
from circuitgraph.analysis.sta_checks import Check
from circuitgraph.analysis.sta_report import report_paths
from circuitgraph.analysis.wires import spef_wires
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.files import read_bytes
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from tests.circuitgraph.analysis.opensta import ARRIVAL, SLACK, differences, opensta
from tests.circuitgraph.analysis.test_sta import CLOCK, at, slack, timing_of
from tests.circuitgraph.analysis.test_sta_golden import library_of
from tests.circuitgraph.analysis.test_sta_paths import shipped, small

Shared = Callable[[str], Path]
__all__ = ["shipped", "small"]

# -- by hand: l opens at 0, closes at 5; setup 0.4 + 0.2 x slew; D to Q and G to Q 1 ns without load ------------

ONE = """module t (ck, d, q); input ck, d; output q; wire m;
 LAT l (.G(ck), .D(d), .Q(m)); FF f (.CK(ck), .D(m), .RN(d), .Q(q)); endmodule"""


@pytest.mark.parametrize(
    ("given", "left", "behind"),
    [(-0.5, 0.5, 1.1), (0.0, 0.0, 1.1), (3.0, 0.0, 4.1), (4.6, 0.0, 5.7), (4.8, -0.2, 5.7)],
    ids=["before it opens", "as it opens", "while it is open", "at the last moment", "too late"],
)
def test_a_latch_borrows_what_its_data_need(small: Library, given: float, left: float, behind: float) -> None:
    timing = timing_of(small, ONE, CLOCK + f"set_input_delay {given} -clock ck d\n")
    assert slack(timing, "l/D", Check.LATCH_SETUP) == pytest.approx(left, abs=1e-9)
    np.testing.assert_allclose(at(timing, "l/Q"), [behind, behind, 1.1, 1.1])
    setup = 0.4 + 0.2 * 0.25
    assert slack(timing, "f/D", Check.SETUP) == pytest.approx(10 - setup - behind)


def test_uncertainty_opens_earlier_and_an_ideal_clock_where_it_says(small: Library) -> None:
    sdc = CLOCK + "set_input_delay 3 -clock ck d\nset_clock_uncertainty -setup 1 ck\n"
    late = timing_of(small, ONE, sdc.replace("set_input_delay 3", "set_input_delay 4.8"))
    assert slack(late, "l/D", Check.LATCH_SETUP) == pytest.approx(-1.2)
    assert at(late, "l/Q")[0] == pytest.approx(3.6 + 1.1)
    ideal = timing_of(small, ONE, sdc.replace("set_propagated_clock ck", "set_clock_latency 2 ck"))
    assert slack(ideal, "l/D", Check.LATCH_SETUP) == pytest.approx(0.0)
    assert at(ideal, "l/Q")[0] == pytest.approx(5 + 1.1)


def test_a_latch_that_a_constant_holds_open_lets_late_data_through(small: Library) -> None:
    netlist = """module t (ck, d, q); input ck, d; output q; wire hi, m;
    TIE t1 (.Z(hi)); LAT l (.G(hi), .D(d), .Q(m)); FF f (.CK(ck), .D(m), .RN(d), .Q(q)); endmodule"""
    timing = timing_of(small, netlist, CLOCK + "set_input_delay 3 -clock ck d\nset_input_transition 1 d\n")
    np.testing.assert_allclose(at(timing, "l/Q"), [4.2, 4.2, np.nan, np.nan])
    closed = timing_of(small, netlist.replace("TIE t1 (.Z(hi))", "INV t1 (.A(1'b1), .Z(hi))"), CLOCK)
    assert np.isnan(at(closed, "l/Q")).all()


def test_the_report_says_what_is_borrowed(small: Library) -> None:
    text = report_paths(timing_of(small, ONE, CLOCK + "set_input_delay 3 -clock ck d\n"), 3)
    assert "Endpoint: l (positive level-sensitive latch clocked by ck)" in text
    assert "   3.0000    3.0000   time borrowed from endpoint" in text
    assert "Startpoint: l (level-sensitive latch clocked by ck)" in text


def test_a_ring_of_latches_settles(small: Library) -> None:
    netlist = """module t (ck, d, q); input ck, d; output q; wire n, m, k, i;
    INV v (.A(ck), .Z(i)); XOR x (.A(d), .B(k), .Z(n)); LAT l (.G(ck), .D(n), .Q(m)); LAT h (.G(i), .D(m), .Q(k));
    BUF b (.A(k), .Z(q)); endmodule"""
    timing = timing_of(small, netlist, CLOCK.replace("10", "8") + "set_input_delay 0.5 -clock ck d\n")
    assert np.isfinite(at(timing, "l/Q")).all()
    assert slack(timing, "l/D", Check.LATCH_SETUP) == pytest.approx(0.0)
    tight = timing_of(small, netlist, CLOCK.replace("10", "4") + "set_input_delay 0.5 -clock ck d\n")
    assert slack(tight, "l/D", Check.LATCH_SETUP) < 0


# -- OpenSTA -----------------------------------------------------------------------------------

NETLIST = """module top (ck, d, e, g, q, r, s, w);
 input ck, d, e, g; output q, r, s, w;
 wire c1, ci, x1, n1, n2, n3, n4, lq, m1, m2, kq, m3, m4, hi, hq, h2, gq, oq;
 CGL_CLKBUF_X2 b1 (.A(ck), .Z(c1));
 CGL_INV_X2 i1 (.A(c1), .Z(ci));
 CGL_DFF_X1 f1 (.CK(c1), .D(d), .Q(x1));
 CGL_BUF_X1 u1 (.A(x1), .Z(n1));
 CGL_INV_X1 u2 (.A(n1), .Z(n2));
 CGL_DLATCH_X1 l1 (.G(ci), .D(n2), .Q(lq));
 CGL_BUF_X1 u3 (.A(lq), .Z(m1));
 CGL_DFF_X1 f2 (.CK(c1), .D(m1), .Q(q));
 CGL_XOR2_X1 u4 (.A(m1), .B(e), .Z(m2));
 CGL_DLATCH_X1 l2 (.G(c1), .D(m2), .Q(kq));
 CGL_BUF_X1 u5 (.A(kq), .Z(m3));
 CGL_DLATCH_X1 l3 (.G(ci), .D(m3), .Q(m4));
 CGL_DFF_X1 f3 (.CK(ci), .D(m4), .Q(r));
 CGL_TIEHI t1 (.Z(hi));
 CGL_DLATCH_X1 l4 (.G(hi), .D(n1), .Q(hq));
 CGL_BUF_X1 u6 (.A(hq), .Z(h2));
 CGL_DFF_X1 f4 (.CK(c1), .D(h2), .Q(s));
 CGL_DLATCH_X1 l5 (.G(c1), .D(n2), .Q(gq));
 CGL_BUF_X1 u7 (.A(gq), .Z(w));
endmodule
"""
BASE = """create_clock -name ck -period PERIOD [get_ports ck]
set_propagated_clock [all_clocks]
set_input_delay 0.1 -clock ck [get_ports {d e}]
set_output_delay 0.02 -clock ck [all_outputs]
set_input_transition 0.05 [all_inputs]
"""
TIGHT = BASE.replace("PERIOD", "0.3")
CASES = {
    **{f"period {period}": BASE.replace("PERIOD", period) for period in ("1", "0.4", "0.3", "0.2", "0.1")},
    "uncertainty": TIGHT + "set_clock_uncertainty 0.01 ck\nset_clock_uncertainty -hold 0.02 ck\n",
    "short pulse": BASE.replace("PERIOD", "0.4 -waveform {0.05 0.15}"),
    "long pulse": BASE.replace("PERIOD", "0.4 -waveform {0.05 0.35}"),
    "ideal": TIGHT.replace("propagated_clock [all_clocks]", "clock_latency 0.1 ck\nset_clock_transition 0.02 ck"),
    "two clocks": TIGHT + "create_clock -name v -period 0.4\nset_input_delay 0.1 -clock v e\n",
    "false to": TIGHT + "set_false_path -to l1/D\n",
    "false from": TIGHT + "set_false_path -from f1/CK -to f2/D\n",
    "false through": TIGHT + "set_false_path -through u1/Z -to f2/D\n",
    "two cycles": TIGHT + "set_multicycle_path 2 -to l1/D\n",
}


@pytest.mark.tool("sta")
@pytest.mark.parametrize("case", CASES)
def test_opensta_on_chains_of_latches(shipped: Library, root: Path, tmp_path: Path, case: str) -> None:
    golden, _ = opensta(tmp_path, NETLIST, CASES[case], [root / "data" / "library" / "cgl_typ.lib"])
    assert differences(timing_of(shipped, NETLIST, CASES[case]), golden, [ARRIVAL, SLACK]) == []


@pytest.mark.tool("sta")
@pytest.mark.data
def test_opensta_on_a_real_design(shared_data: Shared, tmp_path: Path) -> None:
    """The 269 latches of tt_ledcontroller_Gatsch, whose enables get a clock here: in its own constraints none reaches them."""
    design = "tt_ledcontroller_Gatsch"
    library = library_of(shared_data("timing/lib"), design)
    folder = shared_data(f"timing/designs/{design}")
    circuit = read_verilog(folder / f"{design}.v", library=library)
    assert isinstance(circuit, Circuit)
    sdc = (folder / f"{design}.sdc").read_text()
    enables = " ".join(drivers_of_latches(circuit))
    clock = f"create_clock -name en -period 3.614 -waveform {{2.9 3.4}} [get_pins {{{enables}}}]\n"
    sdc = sdc.replace("set_clock_uncertainty -setup", clock + "set_clock_uncertainty -setup", 1)
    resolved = read_spef(folder / f"{design}.spef").resolve(circuit)
    wires = spef_wires(resolved, circuit, elmore=False)
    constraints = read_sdc(io.BytesIO(sdc.encode()), circuit, library)
    listed = listed_places(resolved, circuit)
    timing = analyse(circuit, library, constraints, wires, listed=listed, break_loops=True)
    own = timing.endpoints.slack[timing.endpoints.kind == Check.LATCH_SETUP]
    assert len(own) > 200
    assert (own == 0).sum() > 10
    assert (own < 0).sum() > 100
    (tmp_path / "library.lib").write_bytes(read_bytes(shared_data("timing/lib/sky130hd_tt.lib.xz")))
    top, spef = f"tt_um_{design.removeprefix('tt_')}", folder / f"{design}.spef"
    golden, _ = opensta(tmp_path, folder / f"{design}.v", sdc, [tmp_path / "library.lib"], top=top, spef=spef)
    # its two loops are cut elsewhere; slews behind latches: see sta_latches
    ends = {timing.prepared.name(node) for node in timing.endpoints.node.tolist()}
    assert not {line.split()[0] for line in differences(timing, golden, [ARRIVAL, SLACK], bar=5e-4)} & ends


def drivers_of_latches(circuit: Circuit) -> list[str]:
    """Output pins that drive enables of latches."""
    found = set()
    start, members = circuit.net_pins
    for cell in range(circuit.num_cells):
        cell_type = circuit.types[circuit.cell_type[cell]]
        if cell_type.kind.startswith("latch"):
            net = int(circuit.pin_net[int(circuit.pin_start[cell]) + cell_type.port_index("GATE_N")])
            pins = members[start[net] : start[net + 1]]
            found |= {circuit.pin_text(int(pin)) for pin in pins if circuit.pin_direction[pin] == Direction.OUTPUT}
    return sorted(found)


def test_blocks_give_the_same_bits(shipped: Library) -> None:
    timing: Timing = timing_of(shipped, NETLIST, CASES["period 0.2"])
    for size in (1, 5):
        part = analyse(timing.prepared, block_size=size)
        np.testing.assert_array_equal(part.state_arrival, timing.state_arrival)
        np.testing.assert_array_equal(part.endpoints.slack, timing.endpoints.slack)
