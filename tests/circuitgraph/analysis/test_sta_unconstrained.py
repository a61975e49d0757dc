"""What constraints leave out, against ``check_setup`` of OpenSTA 2.0.17 and by hand."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from circuitgraph.analysis.sta import Timing, analyse
from circuitgraph.analysis.sta_output import summary
from circuitgraph.analysis.sta_unconstrained import unconstrained, unconstrained_line
from circuitgraph.circuit import Circuit
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library

PLAIN = """
module top (clk, ck2, a, b, free, y, z, w);
 input clk, ck2, a, b, free; output y, z, w;
 wire n1, n2;
 CGL_INV_X1 u1 (.A(a), .Z(n1));
 CGL_NAND2_X1 u2 (.A(n1), .B(b), .Z(n2));
 CGL_DFF_X1 r1 (.CK(clk), .D(n2), .Q(y));
 CGL_DFF_X1 r2 (.CK(ck2), .D(n2), .Q(z));
 CGL_INV_X1 u3 (.A(free), .Z(w));
endmodule
"""
ODD = """
module top (clk, rst, a, io, unused, y, z, nc, tied, x);
 input clk, rst, a, unused; inout io; output y, z, nc, tied, x;
 wire n1, n2, n3, n4, floats;
 CGL_INV_X1 u1 (.A(a), .Z(n1));
 CGL_DFF_X1 r1 (.CK(clk), .D(n1), .Q(y));
 CGL_DFF_X1 r2 (.CK(clk), .D(1'b0), .Q(z));
 CGL_DFF_X1 r3 (.CK(1'b1), .D(n1), .Q(n2));
 CGL_DFF_X1 r4 (.CK(clk), .D(n1));
 CGL_DFF_X1 r5 (.CK(n2), .D(n1), .Q(tied));
 CGL_DFF_X1 r6 (.D(n1), .Q(n3));
 CGL_DFF_X1 r7 (.CK(floats), .D(n1));
 CGL_DFFR_X1 r8 (.CK(clk), .D(n1), .RN(rst), .Q(n4));
 CGL_DLATCH_X1 l1 (.G(clk), .D(n4), .Q(x));
endmodule
"""
CLOCK = "create_clock -name clk -period 1 [get_ports clk]\n"
CASES = {
    "nothing": (PLAIN, "set v 1\n"),
    "a clock that reaches nothing": (PLAIN, "create_clock -name v -period 1\n"),
    "a clock alone": (PLAIN, CLOCK),
    "one clock of two": (
        PLAIN,
        CLOCK + "set_input_delay 0.1 -clock clk [get_ports a]\nset_output_delay 0.1 -clock clk [get_ports y]\n",
    ),
    "delays without a clock": (
        PLAIN,
        CLOCK + "set_input_delay 0.1 [get_ports b]\nset_output_delay 0.1 [get_ports z]\n"
        "set_case_analysis 0 [get_ports free]\n",
    ),
    "everything": (
        PLAIN,
        CLOCK + "create_clock -name ck2 -period 2 [get_ports ck2]\n"
        "set_input_delay 0.1 -clock clk [get_ports {a b free}]\nset_output_delay 0.1 -clock clk [all_outputs]\n",
    ),
    "constants, open pins, both directions, a latch": (
        ODD,
        CLOCK + "set_input_delay 0.1 -clock clk [get_ports a]\nset_output_delay 0.1 -clock clk [get_ports y]\n",
    ),
}
HEADS = {
    "inputs": r"There (?:is|are) \d+ input ports? missing set_input_delay",
    "outputs": r"There (?:is|are) \d+ output ports? missing set_output_delay",
    "clock_pins": r"There (?:is|are) \d+ unclocked register/latch pins?",
    "endpoints": r"There (?:is|are) \d+ unconstrained endpoints?",
}


@pytest.fixture(scope="module")
def library(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


def timing_of(library: Library, netlist: str, sdc: str) -> Timing:
    circuit = read_verilog(io.BytesIO(netlist.encode()), library=library)
    assert isinstance(circuit, Circuit)
    return analyse(circuit, library, read_sdc(io.BytesIO(sdc.encode()), circuit, library))


def named(timing: Timing) -> dict[str, set[str]]:
    found = unconstrained(timing)
    name = timing.prepared.name
    return {kind: {name(place) for place in getattr(found, kind).tolist()} for kind in found.counts()}


def check_setup(text: str) -> dict[str, set[str]]:
    """Names that OpenSTA prints under each of its warnings."""
    found: dict[str, set[str]] = {kind: set() for kind in HEADS}
    kind = ""
    for line in text.splitlines():
        if line.startswith("Warning"):
            kind = next((kind for kind, head in HEADS.items() if re.search(head, line)), "")
        elif kind and line.startswith("  "):
            found[kind].add(line.strip())
    return found


@pytest.mark.skipif(shutil.which("sta") is None, reason="needs OpenSTA: apt-get install opensta")
@pytest.mark.parametrize("case", CASES)
def test_check_setup_of_opensta_names_the_same(library: Library, root: Path, tmp_path: Path, case: str) -> None:
    netlist, sdc = CASES[case]
    (tmp_path / "top.v").write_text(netlist)
    (tmp_path / "top.sdc").write_text(sdc)
    (tmp_path / "run.tcl").write_text(
        f"read_liberty {{{root / 'data' / 'library' / 'cgl_typ.lib'}}}\n"
        "read_verilog top.v\nlink_design top\nread_sdc top.sdc\ncheck_setup -verbose\n"
    )
    words = ["sta", "-no_splash", "-exit", "run.tcl"]
    done = subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert named(timing_of(library, netlist, sdc)) == check_setup(done.stdout + done.stderr)


def test_counts_and_line_by_hand(library: Library) -> None:
    timing = timing_of(library, *CASES["one clock of two"])
    found = summary(timing)
    assert found["unconstrained"] == {"endpoints": 3, "clock_pins": 1, "inputs": 3, "outputs": 2}
    assert found["endpoints"] == 2
    assert unconstrained_line(timing) == (
        "unconstrained: 3 endpoints without a check (r2/D, z, w); 1 register clock pin without a clock (r2/CK); "
        "3 input ports without input delay (ck2, b, free); 2 output ports without output delay (z, w)"
    )
    assert unconstrained_line(timing_of(library, *CASES["nothing"])).startswith(
        "unconstrained: 5 endpoints without a check (r1/D, r2/D, y, ...); 2 register clock pins"
    )
    assert unconstrained_line(timing_of(library, *CASES["everything"])) == ""


def test_an_endpoint_behind_a_false_path_has_no_check(library: Library) -> None:
    netlist, sdc = CASES["everything"]
    timing = timing_of(library, netlist, sdc + "set_false_path -to [get_pins r1/D]\n")
    assert named(timing) == {"endpoints": {"r1/D"}, "clock_pins": set(), "inputs": set(), "outputs": set()}


@pytest.mark.parametrize("case", ["nothing", "a clock that reaches nothing"])
def test_slacks_are_null_without_an_endpoint(library: Library, case: str) -> None:
    found = summary(timing_of(library, *CASES[case]))
    names = ("wns_ns", "tns_ns", "hold_wns_ns", "worst_slack_ns", "hold_worst_slack_ns")
    assert {name: found[name] for name in names} == dict.fromkeys(names)
    assert (found["endpoints"], found["violating"]) == (0, 0)
    json.dumps(found, allow_nan=False)


def test_the_worst_slack_is_not_clamped(library: Library) -> None:
    timing = timing_of(library, *CASES["everything"])
    found = summary(timing)
    assert (found["wns_ns"], found["tns_ns"], found["hold_wns_ns"]) == (0.0, 0.0, 0.0)
    for name, early in (("worst_slack_ns", 0), ("hold_worst_slack_ns", 1)):
        slack = timing.endpoints.slack[timing.endpoints.kind & 1 == early]
        assert found[name] == pytest.approx(slack.min() * 1e9, abs=1e-6)
        assert found[name] > 0
    sdc = CASES["everything"][1] + "set_clock_uncertainty 5 [all_clocks]\n"
    worse = summary(timing_of(library, PLAIN, sdc))
    assert worse["worst_slack_ns"] == worse["wns_ns"] < 0
    assert worse["hold_worst_slack_ns"] == worse["hold_wns_ns"] < 0


def test_a_worst_slack_is_null_where_only_the_other_kind_is_checked(library: Library) -> None:
    found = summary(timing_of(library, PLAIN, CASES["everything"][1] + "set_false_path -hold -from [all_clocks]\n"))
    assert found["hold_worst_slack_ns"] is None
    assert found["hold_wns_ns"] == 0.0
    assert found["worst_slack_ns"] > 0
