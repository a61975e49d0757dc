"""Exceptions: false and multicycle paths through points, bounds of delays, what wins; by hand and as OpenSTA has them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis import sta_steps
from circuitgraph.analysis.sta import Timing, analyse, listed_places
from circuitgraph.analysis.sta_checks import Check
from circuitgraph.analysis.sta_output import endpoint_rows
from circuitgraph.analysis.sta_paths import worst_paths
from circuitgraph.analysis.sta_prepare import prepare
from circuitgraph.analysis.sta_report import report_paths
from circuitgraph.analysis.wires import spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.files import read_bytes
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from tests.circuitgraph.analysis.opensta import ARRIVAL, SLACK, SLEW, differences, opensta
from tests.circuitgraph.analysis.test_sta import CLOCK, at, random_netlist, slack, timing_of
from tests.circuitgraph.analysis.test_sta_golden import library_of
from tests.circuitgraph.analysis.test_sta_paths import DERATES, shipped, small
from tests.circuitgraph.formats.test_sdc import VARIABLES

Shared = Callable[[str], Path]
__all__ = ["shipped", "small"]

NETLIST = """module top (ck, c2, a, b, e, rn, q, r, s, y, z, w);
 input ck, c2, a, b, e, rn; output q, r, s, y, z, w;
 wire c1, c3, c4, x1, x2, x3, n1, n2, n3, n4, n5, n6, n7, n8;
 CGL_CLKBUF_X2 b1 (.A(ck), .Z(c1));
 CGL_CLKBUF_X2 b2 (.A(c1), .Z(c3));
 CGL_INV_X2 b3 (.A(c1), .Z(c4));
 CGL_DFF_X1 f1 (.CK(c1), .D(a), .Q(x1));
 CGL_DFF_X1 f2 (.CK(c3), .D(b), .Q(x2));
 CGL_DFF_X1 f3 (.CK(c4), .D(b), .Q(x3));
 CGL_XOR2_X1 u1 (.A(x1), .B(x2), .Z(n1));
 CGL_NAND2_X1 u2 (.A(n1), .B(x3), .Z(n2));
 CGL_INV_X1 u3 (.A(n2), .Z(n3));
 CGL_MUX2_X1 u4 (.A(n2), .B(n3), .S(e), .Z(n4));
 CGL_BUF_X1 u5 (.A(n4), .Z(n5));
 CGL_DFF_X1 f4 (.CK(c1), .D(n5), .Q(q));
 CGL_DFFR_X1 f5 (.CK(c3), .D(n4), .RN(rn), .Q(r));
 CGL_DFF_X1 f6 (.CK(c2), .D(n1), .Q(s));
 CGL_NAND2_X1 u6 (.A(n3), .B(e), .Z(y));
 CGL_NOR2_X1 u7 (.A(e), .B(b), .Z(z));
 CGL_DFF_X1 f7 (.CK(e), .D(n1), .Q(w));
endmodule
"""
BASE = """create_clock -name ck -period 2 -waveform {0.2 1.1} [get_ports ck]
create_clock -name c2 -period 3 [get_ports c2]
set_propagated_clock [all_clocks]
set_clock_uncertainty 0.05 [all_clocks]
set_clock_latency -source 0.3 ck
set_input_delay 0.15 -clock ck [get_ports {a b rn}]
set_output_delay 0.4 -clock ck [get_ports {q r s}]
set_input_transition 0.05 [all_inputs]
"""

CASES = {
    "none": "",
    "thru": "set_false_path -through u4/Z",
    "thru from": "set_false_path -from f1/CK -through u3/Z",
    "thru to": "set_false_path -through u3/Z -to f4/D",
    "thru two": "set_false_path -through n1 -through u3/Z -to f4/D",
    "thru alt": "set_false_path -through {u2/A u3/Z} -to f4/D",
    "thru setup": "set_false_path -setup -through u3/Z -to f4/D",
    "thru setup only": "set_false_path -setup -through u3/Z",
    "from setup only": "set_false_path -setup -from f1/CK",
    "from hold only port": "set_false_path -hold -from b",
    "thru hold": "set_false_path -hold -from f2/CK -through u3/Z -to f4/D",
    "thru rise": "set_false_path -rise_through u3/Z -to f4/D",
    "thru fall": "set_false_path -fall_through u3/Z",
    "thru net": "set_false_path -through [get_nets n3] -to f4/D",
    "thru cell": "set_false_path -through [get_cells u3] -to f4/D",
    "thru mcp": "set_multicycle_path 2 -setup -through u3/Z\nset_multicycle_path 1 -hold -through u3/Z",
    "thru mcp plain": "set_multicycle_path 3 -through u3/Z -to f5/D",
    "thru clk": "set_false_path -through b2/Z",
    "thru clk from": "set_false_path -from f2/CK -through f2/Q",
    "thru start": "set_false_path -through f2/CK",
    "thru end": "set_false_path -through f4/D",
    "thru from clock": (
        "set_false_path -from [get_clocks ck] -through u3/Z -to [get_clocks c2]\n"
        "set_false_path -from [get_clocks ck] -through u1/Z -to [get_clocks c2]"
    ),
    "rise from clock": "set_false_path -rise_from [get_clocks ck] -to f4/D",
    "fall from clock": "set_false_path -fall_from [get_clocks ck] -to [get_clocks ck]",
    "rise to clock": "set_false_path -rise_to [get_clocks c2]",
    "fall to clock": "set_false_path -fall_to [get_clocks ck]",
    "rise to pin": "set_false_path -rise_to f4/D",
    "fall to pin": "set_multicycle_path 2 -fall_to f4/D",
    "rise": "set_false_path -rise -to f4/D",
    "rise from port": "set_false_path -rise_from a",
    "fall from port to": "set_false_path -fall_from b -to f2/D",
    "rise from pin": "set_false_path -rise_from f1/CK -to f4/D",
    "fall from pin": "set_false_path -fall_from f1/CK -to f4/D",
    "rise from pin inv": "set_false_path -rise_from f3/CK -to f4/D",
    "max to": "set_max_delay 1 -to f4/D",
    "max to out": "set_max_delay 1 -to q",
    "max to open": "set_max_delay 1 -to y",
    "max from to open": "set_max_delay 0.5 -from e -to z",
    "min to": "set_min_delay 0.5 -to f4/D",
    "min max": "set_min_delay 0.1 -from f1/CK\nset_max_delay 0.7 -from f1/CK",
    "max thru": "set_max_delay 0.7 -through u3/Z",
    "max from port": "set_max_delay 0.7 -from b",
    "max to clock": "set_max_delay 0.7 -to [get_clocks c2]",
    "max from clock": "set_max_delay 0.7 -from [get_clocks ck]",
    "max unclocked": "set_max_delay 0.7 -to f7/D",
    "max unclocked from": "set_max_delay 0.7 -from f7/CK",
    "max rn": "set_max_delay 0.7 -to f5/RN\nset_min_delay 0.2 -to f5/RN",
    "max and false": "set_max_delay 0.7 -to f4/D\nset_false_path -from f1/CK -to f4/D",
    "max and mcp": "set_max_delay 0.7 -to f4/D\nset_multicycle_path 2 -from f1/CK -to f4/D",
    "max twice": "set_max_delay 0.7 -to f4/D\nset_max_delay 0.9 -to f4/D",
    "max twice other": "set_max_delay 0.7 -to f4/D\nset_max_delay 0.9 -from f1/CK -to f4/D",
    "mcp twice": "set_multicycle_path 3 -to f4/D\nset_multicycle_path 2 -to f4/D",
    "mcp twice other": "set_multicycle_path 3 -to f4/D\nset_multicycle_path 2 -from f1/CK -to f4/D",
    "mcp twice other 2": "set_multicycle_path 2 -to f4/D\nset_multicycle_path 3 -from f1/CK -to f4/D",
    "mcp clock pin": (
        "set_multicycle_path 2 -to [get_clocks ck]\n"
        "set_multicycle_path 3 -to f4/D\n"
        "set_multicycle_path -hold 2 -to f4/D"
    ),
    "max with factors": (
        "set_timing_derate -early 0.9\n"
        "set_timing_derate -late 1.1\n"
        "set_max_delay 1 -to f4/D\n"
        "set_min_delay 0.3 -to f4/D"
    ),
    "max ideal": "set_max_delay 1 -to f4/D\nset_max_delay 1 -from f1/CK",
    "max ignore": "set_max_delay 1 -ignore_clock_latency -to f4/D",
    "max ignore out": "set_max_delay 1 -ignore_clock_latency -to {q y}",
    "max ignore port": "set_max_delay 1 -ignore_clock_latency -from b",
    "min ignore": "set_min_delay 0.1 -ignore_clock_latency -to f5/D",
    "max ignore ideal": "set_max_delay 1 -ignore_clock_latency -to f4/D",
    "max fall": "set_max_delay 0.5 -fall -to f4/D",
    "max groups": (
        "set_clock_groups -asynchronous -group ck -group c2\n"
        "set_max_delay 0.5 -from [get_clocks ck] -to [get_clocks c2]"
    ),
    "max all": (
        "set_max_delay 0.5 -from [all_inputs] -to [all_outputs]\nset_min_delay 0.1 -from [all_inputs] -to [all_outputs]"
    ),
    "max recovery neg": "set_max_delay -0.2 -to f4/D",
}
IDEAL = {"max ideal", "max ignore ideal"}
STOPPED = {
    "thru": {"u4/Z"},
    "thru from": {"u3/Z"},
    "thru setup only": {"u3/Z"},
    "thru fall": {"u3/Z"},
    "thru clk from": {"f2/Q"},
    "thru end": {"f4/D"},
    "max unclocked from": {"e"},
}
"""Points at which OpenSTA still shows the arrival that goes no further; a port behind which an unclocked register starts."""


def constraints_of(case: str) -> str:
    ideal = "set_clock_latency 0.12 ck"
    base = BASE.replace("set_propagated_clock [all_clocks]", ideal) if case.removesuffix(" derates") in IDEAL else BASE
    return f"{base}{CASES[case.removesuffix(' derates')]}\n" + DERATES * case.endswith(" derates")


@pytest.mark.tool("sta")
@pytest.mark.parametrize("case", [*CASES, "max ignore derates", "max ignore out derates", "thru mcp derates"])
def test_opensta_on_a_small_circuit(shipped: Library, root: Path, tmp_path: Path, case: str) -> None:
    sdc = constraints_of(case)
    golden, _ = opensta(tmp_path, NETLIST, sdc, [root / "data" / "library" / "cgl_typ.lib"])
    timing = timing_of(shipped, NETLIST, sdc)
    bar = 2e-5 + timing.endpoints.credit.max() * 1e9  # internal pins: see sta_required
    names = {line.split()[0] for line in differences(timing, golden, [ARRIVAL, SLEW])}
    names |= {line.split()[0] for line in differences(timing, golden, [SLACK], bar=bar)}
    assert names == STOPPED.get(case, set())
    ends = {timing.prepared.name(node) for node in timing.endpoints.node.tolist()}
    assert not {line.split()[0] for line in differences(timing, golden, [SLACK])} & ends


@pytest.mark.tool("sta")
@pytest.mark.data
@pytest.mark.parametrize(
    ("design", "top"),
    [
        ("yifive_wb_interconnect", "wb_interconnect"),
        ("yifive_mbist", "mbist_top"),
        pytest.param("yifive_spi_master", "spim_top", marks=pytest.mark.slow),
    ],
)
def test_opensta_on_constraints_as_they_were_shipped(
    shared_data: Shared, tmp_path: Path, design: str, top: str
) -> None:
    """Bounds between ports, generated clocks, groups, latencies, loads: the constraints of the design's repository."""
    library = library_of(shared_data("timing/lib"), design)
    folder = shared_data(f"timing/designs/{design}")
    circuit = read_verilog(folder / f"{design}.v", library=library)
    assert isinstance(circuit, Circuit)
    resolved = read_spef(folder / f"{design}.spef").resolve(circuit)
    text = (folder / f"{design}.original.sdc").read_text()
    for name, value in VARIABLES.items():
        text = text.replace(f"$::{name}", value)
    constraints = read_sdc(io.BytesIO(text.encode()), circuit, library)
    assert len(constraints.exceptions) >= 3
    wires = spef_wires(resolved, circuit, elmore=False)
    timing = analyse(circuit, library, constraints, wires, listed=listed_places(resolved, circuit))
    (tmp_path / "library.lib").write_bytes(read_bytes(shared_data("timing/lib/sky130hd_tt.lib.xz")))
    golden, _ = opensta(
        tmp_path,
        folder / f"{design}.v",
        text,
        [tmp_path / "library.lib"],
        top=top,
        spef=folder / f"{design}.spef",
    )
    assert differences(timing, golden, [ARRIVAL, SLEW], bar=1e-4) == []
    assert differences(timing, golden, [SLACK], bar=1e-4 + timing.endpoints.credit.max() * 1e9) == []


# -- by hand -----------------------------------------------------------------------------------

FORK = """module t (ck, d, e, q, z); input ck, d, e; output q, z; wire m, n, p;
 FF f (.CK(ck), .D(d), .RN(d), .Q(m)); BUF u (.A(m), .Z(n)); XOR x (.A(m), .B(n), .Z(p));
 FF g (.CK(ck), .D(p), .RN(d), .Q(q)); BUF v (.A(e), .Z(z)); endmodule"""


def test_a_false_path_through_a_point_leaves_the_others(small: Library) -> None:
    """f/Q: 1 + 0.2, slew 0.3. By A of the XOR: + 1 + 0.1 + 0.03. By u and B: + 1.1 + 0.03, then + 2 + 0.1 + 0.025."""
    plain = timing_of(small, FORK, CLOCK)
    np.testing.assert_allclose(at(plain, "g/D"), [1.2 + 1.13 + 2.125, 1.2 + 1.13 + 2.125, 1.2 + 1.13, 1.2 + 1.13])
    cut = timing_of(small, FORK, CLOCK + "set_false_path -through u/Z -to g/D\n")
    setup = 0.4 + 0.2 * 0.25
    assert slack(plain, "g/D", Check.SETUP) == pytest.approx(10 - setup - 4.455)
    assert slack(cut, "g/D", Check.SETUP) == pytest.approx(10 - setup - 2.33)
    late = worst_paths(cut, 9)
    assert [cut.prepared.name(step.node) for step in late[0].launch] == ["ck", "f/CK", "f/Q", "x/A", "x/Z", "g/D"]
    hold = timing_of(small, FORK, CLOCK + "set_false_path -hold -through f/Q -through x/A\n")
    assert slack(hold, "g/D", Check.HOLD) == pytest.approx(4.455 - 0.15)
    assert slack(hold, "g/D", Check.SETUP) == pytest.approx(10 - setup - 4.455)


def test_a_bound_replaces_the_clock_cycle(small: Library) -> None:
    bound = timing_of(small, FORK, CLOCK + "set_max_delay 5 -to g/D\nset_min_delay 1.5 -from e -to z\n")
    assert slack(bound, "g/D", Check.MAX_DELAY) == pytest.approx(5 - 0.45 - 4.455)
    assert slack(bound, "z", Check.MIN_DELAY) == pytest.approx(1.0 - 1.5)
    rows = {(row[0], row[1]): row for row in endpoint_rows(bound)}
    assert rows["z", "hold"][-1] == ""
    assert rows["g/D", "setup"][-1] == "ck"
    assert bound.wns * 1e9 == pytest.approx(0.0)
    assert bound.hold_wns * 1e9 == pytest.approx(-0.5)
    text = report_paths(bound, 1, early=True)
    assert "   1.5000    1.5000   min_delay\n   0.0000    1.5000   output external delay" in text
    assert "Endpoint: z (output port)\nPath Group: **default**" in text


# -- every path --------------------------------------------------------------------------------

RULES = {
    "false": "set_false_path -through {THROUGH} -to f0/D\n",
    "false from a port": "set_false_path -from a -through {THROUGH}\n",
    "two points": "set_false_path -through {THROUGH} -through {THEN}\n",
    "a rising point": "set_false_path -rise_through {THROUGH} -to [get_clocks ck]\n",
    "setup only": "set_false_path -setup -through {THROUGH} -through {THEN}\n",
    "two cycles": "set_multicycle_path 2 -through {THROUGH}\nset_false_path -through {THEN} -to f1/D\n",
    "a bound": "set_max_delay 0.3 -through {THROUGH} -through {THEN}\nset_min_delay 0.2 -through {THEN}\n",
}


def every_path(timing: Timing) -> dict[tuple[int, int], float]:
    """Worst slack of every register's data pin (late, early) over all its paths, each by itself."""
    prepared, exceptions = timing.prepared, timing.prepared.constraints.exceptions
    found: dict[tuple[int, int], float] = {}
    plain = analyse(prepare(prepared.circuit, prepared.library, _without(timing)))
    limits = {(int(r.node), int(r.edge), int(r.kind) & 1): r for r in _rows(plain)}
    starts = {int(delay.place): float(delay.delay[0]) for delay in prepared.constraints.input_delays}
    from circuitgraph.analysis.sta_paths import Tracer

    tracer = Tracer(plain)
    behind: dict[int, list[int]] = {}
    for arc, source in enumerate(prepared.arcs.source.tolist()):
        behind.setdefault(source, []).append(arc)

    def walk(path: list[tuple[int, int]], time: float, early: int) -> None:
        node, edge = path[-1]
        if (node, edge, early) in limits:
            left = _slack(limits[node, edge, early], path, time, early, exceptions, prepared.nodes.place)
            if left is not None:
                found[node, early] = min(found.get((node, early), np.inf), left)
        for arc in behind.get(node, ()):
            for end in (0, 1):
                if prepared.arcs.mask[arc] >> (2 * edge + end) & 1 and not (prepared.launches[arc] and len(path) > 1):
                    delay = tracer.delay(arc, edge, end, early)
                    walk([*path, (int(prepared.arcs.target[arc]), end)], time + delay, early)

    for early in (0, 1):
        for place, time in starts.items():
            for edge in (0, 1):
                walk([(place, edge)], time, early)
        for node in set(prepared.arcs.source[prepared.launches].tolist()):
            walk([(node, 0)], float(plain.state_arrival[node, 0, 2 * early]), early)
    return found


def _without(timing: Timing):
    from dataclasses import replace

    return replace(timing.prepared.constraints, exceptions=())


def _rows(timing: Timing):
    from types import SimpleNamespace

    names = ("node", "edge", "kind", "required", "clock_node")
    return [SimpleNamespace(**{n: getattr(timing.pairs, n)[row] for n in names}) for row in range(len(timing.pairs))]


def _slack(limit, path, time, early, exceptions, place) -> float | None:
    passed = [(int(place[node]), edge) for node, edge in path]
    required = float(limit.required)
    period = 2e-9
    for exception in sorted(exceptions, key=lambda e: e.priority):
        if not (exception.hold if early else exception.setup) and exception.kind != "multicycle":
            continue
        if exception.from_places and passed[0][0] not in exception.from_places:
            continue
        if exception.to_places and passed[-1][0] not in exception.to_places:
            continue
        at = 0
        for through in exception.throughs:
            hits = [n for n, (p, e) in enumerate(passed) if n >= at and p in through.places and through.edge in {-1, e}]
            if not hits:
                break
            at = hits[0] + 1
        else:
            if exception.kind == "false":
                return None
            if exception.kind == "multicycle":
                required += period
            else:
                required = float(limit.required) + exception.delay - (0 if early else period)
    return time - required if early else required - time


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_every_path_by_itself_gives_the_same_slack(shipped: Library, rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = (
        RULES[rule]
        .format(
            THROUGH="{" + " ".join(f"u{n}/Z" for n in rng.integers(2, 9, 2)) + "}",
            THEN="{" + " ".join(f"u{n}/A" for n in rng.integers(8, 14, 3)) + "}",
        )
        .replace("-through {", "-through {")
    )
    sdc = CLOCK.replace("10", "2") + "set_input_delay 0.1 -clock ck {a b c}\n" + text
    netlist = random_netlist(rng, 14).replace(".A(c)", ".A(q1)")
    timing = timing_of(shipped, netlist, sdc)
    found = every_path(timing)
    assert found
    for early in (False, True):
        slacks = timing.worst_slack(early=early)
        for node in {node for node, _ in found}:
            wanted = found.get((node, int(early)), np.nan)
            assert slacks[timing.prepared.nodes.place[node]] == pytest.approx(wanted, abs=1e-16, nan_ok=True)
    sizes = [analyse(timing.prepared, block_size=size).endpoints.slack for size in (1, 7)]
    assert all((size == timing.endpoints.slack).all() for size in sizes)


def test_too_many_planes_are_refused(shipped: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sta_steps, "MAX_PLANES", 10)
    rules = "".join(f"set_max_delay 1 -through u{row}/Z\n" for row in range(12))
    circuit = read_verilog(io.BytesIO(random_netlist(np.random.default_rng(0), 14).encode()), library=shipped)
    assert isinstance(circuit, Circuit)
    constraints = read_sdc(io.BytesIO((CLOCK + rules).encode()), circuit, shipped)
    with pytest.raises(CircuitError, match="exceptions: need more than 10 sets of arrivals"):
        prepare(circuit, shipped, constraints)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set_max_delay -to g/D", "takes 1 words besides its options, not 0"),
        ("set_max_delay x -to g/D", "'x': is no number"),
        ("set_max_delay 1", "has neither a start nor an end, nor anything between"),
        ("set_false_path -from d -rise_from d", "-from and -rise_from exclude each other"),
        ("set_false_path -rise_from {d ck} -reset_path", "-reset_path is not supported"),
        ("set_false_path -through [get_clocks ck]", "takes ports or pins or nets or cells, not a clock"),
    ],
)
def test_refusals(small: Library, text: str, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        timing_of(small, FORK, CLOCK + text + "\n")
