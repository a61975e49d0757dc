"""Required times: by hand, a plain twin of the sweep, at endpoints, and every pin's slack as OpenSTA has it."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.sta import Timing, analyse
from circuitgraph.analysis.sta_crpr import with_credits
from circuitgraph.analysis.sta_output import place_names
from circuitgraph.analysis.sta_paths import Tracer, worst_paths
from circuitgraph.analysis.sta_prepare import prepare
from circuitgraph.analysis.sta_required import required_times, requireds
from circuitgraph.analysis.wires import FanOutModel, fan_out_wires
from circuitgraph.circuit import Circuit
from circuitgraph.files import read_bytes
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from tests.circuitgraph.analysis import test_sta_golden
from tests.circuitgraph.analysis.opensta import SLACK, differences, opensta, ours
from tests.circuitgraph.analysis.test_sta import CASES, CLOCK, TREE, random_netlist, timing_of
from tests.circuitgraph.analysis.test_sta_paths import DERATES, shipped, small

Shared = Callable[[str], Path]
__all__ = ["shipped", "small"]
CREDITED = {"derates", "latency", "ideal_derates"}
"""Cases in which launches into one endpoint have credits of their own."""


def pin(timing: Timing, table: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(table[place_names(timing.prepared.circuit).index(name)] * 1e9)


def test_required_times_by_hand(small: Library) -> None:
    """Rise and fall through a gate that inverts, hold beside setup, nothing where no check follows."""
    netlist = """module t (ck, d, e, q, z); input ck, d, e; output q, z; wire n;
    INV u (.A(d), .Z(n)); FF f (.CK(ck), .D(n), .RN(e), .Q(q)); BUF b (.A(d), .Z(z)); endmodule"""
    sdc = CLOCK + "set_input_delay -rise 1 -clock ck d\nset_input_delay -fall 2 -clock ck d\n"
    timing = timing_of(small, netlist, sdc)
    late, early = required_times(timing), required_times(timing, early=True)
    # u: 2 + 10 x 0.01 = 2.1, slew 0.25; setup 0.4 + 0.2 x 0.25 = 0.45, hold 0.1 + 0.05 = 0.15
    np.testing.assert_allclose(pin(timing, late, "f/D"), [10 - 0.45] * 2)
    np.testing.assert_allclose(pin(timing, late, "d"), [10 - 0.45 - 2.1] * 2)
    np.testing.assert_allclose(pin(timing, early, "u/A"), [0.15 - 2.1] * 2)
    np.testing.assert_allclose(pin(timing, requireds(timing).slacks(), "d"), [7.45 - 1, 7.45 - 2])
    np.testing.assert_allclose(
        pin(timing, requireds(timing).slacks(early=True), "u/Z"), [2 + 2.1 - 0.15, 1 + 2.1 - 0.15]
    )
    for name in ("z", "b/A", "q", "f/Q", "ck"):
        assert np.isnan(pin(timing, late, name)).all(), name


def twin(timing: Timing) -> np.ndarray:
    """Required times by plain Python over the delays that paths are printed with."""
    prepared, arrival = timing.prepared, timing.state_arrival
    tracer, rows = Tracer(timing), with_credits(timing, timing.pairs, apart=True)
    found = np.full(arrival.shape, math.nan)
    for row in range(len(rows)):
        early = int(rows.kind[row]) & 1
        at = (int(rows.node[row]), int(rows.plane[row]), 2 * early + int(rows.edge[row]))
        time = arrival[at] + (-1 if early else 1) * rows.slack[row]
        found[at] = (np.fmax if early else np.fmin)(found[at], time)
    for node in prepared.order[::-1].tolist():
        for early in (0, 1):
            for end in (0, 1):
                for arc, source, begin in tracer._fan_in(node, end):
                    delay = tracer.delay(arc, begin, end, early)
                    for plane in range(arrival.shape[1]):
                        for clock in tracer._sources(arc, source, plane):
                            at = (source, clock, 2 * early + begin)
                            if not math.isinf(arrival[at]):
                                time = found[node, plane, 2 * early + end] - delay
                                found[at] = (np.fmax if early else np.fmin)(found[at], time)
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("delay_model", ["lumped_cap", "elmore", "dmp"])
def test_the_sweep_equals_its_plain_twin(shipped: Library, seed: int, delay_model: str) -> None:
    rng = np.random.default_rng(seed)
    sdc = CLOCK.replace("10", "2") + DERATES + "create_clock -name v -period 3\nset_input_delay 0.1 -clock ck {a b}\n"
    sdc += "set_input_delay 0.1 -clock v c\nset_output_delay 0.3 -clock v y\nset_false_path -from f1/CK -to f2/D\n"
    circuit = read_verilog(io.BytesIO(random_netlist(rng, 40).encode()), library=shipped)
    assert isinstance(circuit, Circuit)
    prepared = prepare(circuit, shipped, read_sdc(io.BytesIO(sdc.encode()), circuit, shipped))
    wires = fan_out_wires(circuit, FanOutModel(math.log(2e-15), 0.9, math.log(100.0), 0.8))
    timing = analyse(prepared, wires=wires, delay_model=delay_model)
    state = requireds(timing).state
    np.testing.assert_allclose(np.where(np.isinf(state), np.nan, state), twin(timing), rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("case", CASES)
def test_at_endpoints_it_is_the_endpoints_slack_and_the_worst_path_keeps_it(shipped: Library, case: str) -> None:
    timing = timing_of(shipped, TREE, CASES[case])
    back = requireds(timing)
    nodes = timing.prepared.nodes
    for early in (False, True):
        own = np.fmin(*back.slacks(early=early).T)
        ends = ~np.isnan(timing.worst_slack(early=early))
        assert ends.any()
        assert (own[ends] <= timing.worst_slack(early=early)[ends] + 1e-20).all()
        last = ends.copy()
        last[nodes.place[timing.prepared.arcs.source]] = False
        np.testing.assert_allclose(own[last], timing.worst_slack(early=early)[last], atol=1e-20)
        path = worst_paths(timing, 1, early=early)[0]
        if case not in CREDITED:
            planes = timing.prepared.planes.rows
            data = [s.node for s in path.launch if not case.startswith("ideal") or not planes[s.plane].is_clock]
            assert [own[nodes.place[node]] for node in data] == pytest.approx([path.slack] * len(data))


# -- OpenSTA -----------------------------------------------------------------------------------


@pytest.mark.tool("sta")
@pytest.mark.parametrize("case", CASES)
def test_opensta_has_the_same_slack_at_every_pin(shipped: Library, root: Path, tmp_path: Path, case: str) -> None:
    golden, _ = opensta(tmp_path, TREE, CASES[case], [root / "data" / "library" / "cgl_typ.lib"])
    timing = timing_of(shipped, TREE, CASES[case])
    if case not in CREDITED:
        assert differences(timing, golden) == []
        return
    most = (timing.endpoints.credit.max() - timing.endpoints.credit.min()) * 1e9
    assert 0 < most < 0.1
    assert differences(timing, golden, bar=most) == []
    assert len(differences(timing, golden)) <= 10
    ends = {timing.prepared.name(node) for node in timing.endpoints.node.tolist()}
    assert not [line for line in differences(timing, golden) if line.partition(" ")[0] in ends]


@pytest.mark.tool("sta")
@pytest.mark.data
@pytest.mark.parametrize("design", ["sky_gcd", "gf_DSM_core", "tt_mitssdd"])
def test_opensta_has_the_same_slack_on_real_designs(shared_data: Shared, tmp_path: Path, design: str) -> None:
    timing = test_sta_golden.analysed(shared_data, design)
    folder = shared_data(f"timing/designs/{design}")
    library = tmp_path / "library.lib"
    names = test_sta_golden.LIBRARIES.get(design.partition("_")[0], ("sky130hd_tt",))
    library.write_bytes(read_bytes(shared_data("timing/lib") / f"{names[0]}.lib.xz"))
    top = re.findall(r"^\s*module\s+(\S+?)\s*\(", (folder / f"{design}.v").read_text(), re.MULTILINE)[0]
    spef = folder / f"{design}.spef"
    golden, _ = opensta(tmp_path, folder / f"{design}.v", folder / f"{design}.sdc", [library], top=top, spef=spef)
    slacks = np.array([row[SLACK] for row in ours(timing).values()])
    assert (~np.isnan(slacks)).sum() > 3000
    assert differences(timing, golden, [SLACK], bar=1e-4) == []
