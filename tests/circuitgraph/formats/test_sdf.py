"""SDF: entries by hand, what OpenSTA and Icarus Verilog make of them, names, limits."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.pi_model import reduced_wires
from circuitgraph.analysis.sta import Timing, analyse, listed_places
from circuitgraph.analysis.sta_delays import arc_delays
from circuitgraph.analysis.sta_paths import Tracer
from circuitgraph.analysis.sta_prepare import place_capacitances
from circuitgraph.analysis.wires import spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.files import read_bytes
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.sdf_writer import write_sdf
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from tests.circuitgraph.analysis import test_sta_latches
from tests.circuitgraph.analysis.opensta import ARRIVAL, SLACK, differences, opensta
from tests.circuitgraph.analysis.test_sta import CASES, CLOCK, TREE, timing_of
from tests.circuitgraph.analysis.test_sta_golden import LIBRARIES, library_of
from tests.circuitgraph.analysis.test_sta_paths import DERATES, shipped, small

Shared = Callable[[str], Path]
__all__ = ["shipped", "small"]


def written(timing: Timing, folder: Path, **options: object) -> str:
    write_sdf(timing, folder / "out.sdf", **options)  # type: ignore[arg-type]
    return (folder / "out.sdf").read_text()


def test_entries_by_hand(small: Library, tmp_path: Path) -> None:
    """Late and early apart by the slews of the two edges of d, derates left out, one entry an edge of the XOR."""
    netlist = """module t (ck, d, rn, q, y); input ck, d, rn; output q, y; wire n;
    INV u (.A(d), .Z(n)); FF f (.CK(ck), .D(n), .RN(rn), .Q(q)); XOR x (.A(d), .B(q), .Z(y)); endmodule"""
    sdc = CLOCK + DERATES + "set_input_transition -max 0.4 d\nset_input_transition -min 0.2 d\n"
    text = written(timing_of(small, netlist, sdc + "set_input_transition -rise -max 0.6 d\n"), tmp_path, digits=3)
    assert text.startswith('(DELAYFILE\n (SDFVERSION "3.0")\n (DESIGN "t")\n')
    assert " (DIVIDER /)\n (TIMESCALE 1ns)\n" in text
    # u: 2 + 10 x 0.01 + 0.1 x slew: to fall from a rising d, to rise from a falling one
    assert "    (IOPATH A Z (2.120:2.130:2.140) (2.120:2.140:2.160))\n" in text
    assert "    (IOPATH (posedge A) Z (1.020:1.040:1.060) (1.020:1.040:1.060))\n" in text
    assert "    (IOPATH (negedge A) Z (1.020:1.030:1.040) (1.020:1.030:1.040))\n" in text
    assert "    (IOPATH (posedge CK) Q (1.100:1.100:1.100) (1.100:1.100:1.100))\n" in text
    # setup 0.4 + 0.2 x 0.25 (slew of n), recovery 0.3 for a rising rn only
    assert "   (SETUP (posedge D) (posedge CK) (0.450:0.450:0.450))\n" in text
    assert "   (RECOVERY (posedge RN) (posedge CK) (0.300:0.300:0.300))\n" in text
    assert "negedge RN" not in text
    assert "   (INTERCONNECT u/Z f/D (0.000:0.000:0.000) (0.000:0.000:0.000))\n" in text
    assert text.count("(CELL\n") == 4
    assert text.count("(") == text.count(")")
    pico = written(timing_of(small, netlist, sdc), tmp_path, timescale="1ps", digits=0, wires=False, checks=False)
    assert "(IOPATH A Z (2120:2130:2140) (2120:2130:2140))" in pico
    assert "INTERCONNECT" not in pico
    assert "TIMINGCHECK" not in pico


def test_what_constraints_take_out_is_not_written(shipped: Library, tmp_path: Path) -> None:
    assert "(INSTANCE u1)" in written(timing_of(shipped, TREE, CASES["plain"]), tmp_path)
    text = written(timing_of(shipped, TREE, CASES["disabled"]), tmp_path)
    assert "(INSTANCE u1)" not in text  # its only input is disabled
    assert "(IOPATH A Z" not in text.partition("(INSTANCE u2)")[2].partition("(CELL")[0]


def test_delays_equal_those_that_paths_are_printed_with(shipped: Library) -> None:
    for delay_case in ("plain", "ideal"):
        timing = timing_of(shipped, TREE, CASES[delay_case])
        tracer, arcs = Tracer(timing), timing.prepared.arcs
        found = arc_delays(timing)
        for arc in range(len(arcs)):
            for end, early, begin in np.ndindex(2, 2, 2):
                if int(arcs.mask[arc]) >> (2 * begin + end) & 1:
                    assert found[arc, end, early, begin] == pytest.approx(tracer.delay(arc, begin, end, early))
                else:
                    assert np.isnan(found[arc, end, early, begin])


def test_the_timescale_and_the_folder_are_checked(small: Library, tmp_path: Path) -> None:
    timing = timing_of(
        small, "module t (a, y); input a; output y; BUF u (.A(a), .Z(y)); endmodule", "create_clock -name v -period 1"
    )
    with pytest.raises(CircuitError, match="timescale '1us': must be one of 1ns, 1ps"):
        write_sdf(timing, tmp_path / "x.sdf", timescale="1us")
    with pytest.raises(CircuitError):
        write_sdf(timing, tmp_path)
    assert not list(tmp_path.iterdir())


# -- OpenSTA: unit delays everywhere that the file does not reach --------------------------------

NAMES = r"""module top (ck, \d[3] , bus, e2, y, q); input ck, \d[3] , e2; input [1:0] bus; output y, q; wire n, \m.x ;
 CGL_INV_X1 \u.1 (.A(\d[3] ), .Z(n)); CGL_NAND2_X1 \a/b (.A(n), .B(bus[1]), .Z(\m.x )); CGL_BUF_X1 \v[2] (.A(e2), .Z(y));
 CGL_DFF_X1 \1e3 (.CK(ck), .D(\m.x ), .Q(q)); endmodule"""
NAMED = """create_clock -name ck -period 2 [get_ports ck]
set_propagated_clock ck
set_input_delay 0.1 -clock ck [get_ports {d\\[3\\] bus[0] bus[1] e2}]
set_output_delay 0.1 -clock ck [all_outputs]
"""


@pytest.mark.tool("sta")
@pytest.mark.parametrize("case", [*CASES, "names", "latches"])
def test_opensta_reads_our_arrivals_and_slacks(shipped: Library, root: Path, tmp_path: Path, case: str) -> None:
    netlist, sdc = TREE, CASES.get(case, NAMED)
    if case == "names":
        netlist = NAMES
    if case == "latches":
        netlist, sdc = test_sta_latches.NETLIST, test_sta_latches.CASES["period 0.3"]
    timing = timing_of(shipped, netlist, sdc)
    written(timing, tmp_path)
    library = root / "data" / "library" / "cgl_typ.lib"
    golden, said = opensta(tmp_path, netlist, sdc, [library], calculator="unit", before="read_sdf out.sdf")
    assert "Error" not in said
    assert "not found" not in said
    wrong = differences(timing, golden, [ARRIVAL])
    assert wrong == []
    if case not in {"derates", "latency", "ideal_derates"}:  # credits of pins inside: see sta_required
        assert differences(timing, golden, [SLACK]) == []


def routed(shared_data: Shared, design: str, delay_model: str) -> Timing:
    library = library_of(shared_data("timing/lib"), design)
    folder = shared_data(f"timing/designs/{design}")
    circuit = read_verilog(folder / f"{design}.v", library=library)
    assert isinstance(circuit, Circuit)
    constraints = read_sdc(folder / f"{design}.sdc", circuit, library)
    resolved = read_spef(folder / f"{design}.spef").resolve(circuit)
    wires = spef_wires(resolved, circuit, elmore=delay_model == "elmore")
    if delay_model == "dmp":
        wires = reduced_wires(resolved, circuit, place_capacitances(circuit, library))
    return analyse(
        circuit, library, constraints, wires, listed=listed_places(resolved, circuit), delay_model=delay_model
    )


@pytest.mark.tool("sta")
@pytest.mark.data
@pytest.mark.parametrize("design", ["gf_DSM_core", "tt_mitssdd"])
@pytest.mark.parametrize("delay_model", ["lumped_cap", "elmore", "dmp"])
def test_opensta_reads_our_arrivals_of_real_designs(
    shared_data: Shared, tmp_path: Path, design: str, delay_model: str
) -> None:
    timing = routed(shared_data, design, delay_model)
    written(timing, tmp_path)
    folder = shared_data(f"timing/designs/{design}")
    name = LIBRARIES.get(design.partition("_")[0], ("sky130hd_tt",))[0]
    (tmp_path / "library.lib").write_bytes(read_bytes(shared_data("timing/lib") / f"{name}.lib.xz"))
    netlist = (folder / f"{design}.v").read_text()
    top = re.findall(r"^\s*module\s+(\S+?)\s*\(", netlist, re.MULTILINE)[0]
    golden, said = opensta(
        tmp_path,
        netlist,
        folder / f"{design}.sdc",
        [tmp_path / "library.lib"],
        top=top,
        calculator="unit",
        before="read_sdf out.sdf",
    )
    assert "Error" not in said
    assert differences(timing, golden, [ARRIVAL], bar=5e-5) == []
    assert differences(timing, golden, [SLACK], bar=5e-5 + timing.endpoints.credit.max() * 1e9) == []


# -- Icarus Verilog ----------------------------------------------------------------------------

BENCH = """`timescale 1ns/1ps
module CGL_INV_X1 (input A, output Z); assign Z = !A; specify (A => Z) = (9, 9); endspecify endmodule
module CGL_DFF_X1 (input CK, input D, output reg Q);
 always @(posedge CK) Q <= D; specify (posedge CK => (Q +: D)) = (9, 9); endspecify endmodule
module bench; reg a, ck; wire y, q; top t (.ck(ck), .a(a), .y(y), .q(q));
 initial begin $sdf_annotate("out.sdf", t); a = 0; ck = 0; #100 a = 1; #100 a = 0; #100 ck = 1; #100 $finish; end
 always @(y) $display("y %0t", $realtime); always @(q) $display("q %0t", $realtime);
endmodule
"""


@pytest.mark.tool("iverilog")
def test_icarus_runs_with_our_delays(shipped: Library, tmp_path: Path) -> None:
    netlist = """module top (ck, a, y, q); input ck, a; output y, q; wire n;
    CGL_INV_X1 u (.A(a), .Z(n)); CGL_INV_X1 v (.A(n), .Z(y)); CGL_DFF_X1 f (.CK(ck), .D(y), .Q(q)); endmodule
    """
    sdc = "create_clock -name ck -period 2 ck\nset_input_delay 0 -clock ck a\nset_load 0.02 [all_outputs]\n"
    timing = timing_of(shipped, netlist, sdc)
    written(timing, tmp_path, digits=3)
    (tmp_path / "top.v").write_text(BENCH + netlist)
    words = ["iverilog", "-gspecify", "-Tmax", "-s", "bench", "-o", "bench.vvp", "top.v"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    ran = subprocess.run(["vvp", "bench.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    seen = {line for line in ran.stdout.splitlines() if line[:2] in {"y ", "q "}}
    rise, fall = (round(float(timing.arrival[timing.prepared.circuit.find_pin("v/Z"), e]) * 1e12) for e in (0, 1))
    launched = round(float(timing.arrival[timing.prepared.circuit.find_pin("f/Q"), 1]) * 1e12)
    close = {f"y {100_000 + rise + d}" for d in (-1, 0, 1)}, {f"y {200_000 + fall + d}" for d in (-1, 0, 1)}
    assert all(seen & times for times in close), (seen, close)
    assert f"q {300_000 + launched}" in seen
