"""Uncertainty between edges, limits of borrowing, resistances at ports, gates without checks: by hand and as OpenSTA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.sta_checks import Check
from circuitgraph.library import Library
from tests.circuitgraph.analysis.opensta import ARRIVAL, SLACK, differences, opensta
from tests.circuitgraph.analysis.test_sta import CASES as TREES
from tests.circuitgraph.analysis.test_sta import CLOCK, TREE, at, slack, slew_at, timing_of
from tests.circuitgraph.analysis.test_sta_latches import NETLIST, ONE, TIGHT
from tests.circuitgraph.analysis.test_sta_paths import shipped, small

__all__ = ["shipped", "small"]


def uncertainty(*texts: str) -> str:
    return "".join(f"set_clock_uncertainty {text}\n" for text in texts)


LATCHES = {
    "borrow by clock": "set_max_time_borrow 0.02 [get_clocks ck]\n",
    "borrow nothing": "set_max_time_borrow 0 [get_clocks ck]\n",
    "borrow by data pin": "set_max_time_borrow 0.01 [get_pins l1/D]\n",
    "borrow by enable pin": "set_max_time_borrow 0.01 [get_pins l1/G]\n",
    "borrow by cell": "set_max_time_borrow 0.015 [get_cells l2]\n",
    "borrow beyond the pulse": "set_max_time_borrow 0.5 [get_clocks ck]\n",
    "borrow by all": "set_max_time_borrow 0.02 [all_clocks]\nset_max_time_borrow 0.03 [get_cells l1]\n"
    "set_max_time_borrow 0.04 [get_pins l1/D]\n",
    "edges": uncertainty("-rise_from ck -rise_to ck -setup 0.03", "-rise_from ck -fall_to ck 0.02"),
    "clocks, then edges": uncertainty("0.01 ck", "-from ck -to ck 0.02", "-fall_from ck -to ck 0.03"),
    "edges, then clocks": uncertainty("0.01 ck", "-fall_from ck -to ck 0.03", "-setup -from ck -to ck 0.02"),
    "edges of hold": uncertainty("-hold -rise_from ck -to ck 0.02", "-setup 0.04 ck"),
    "groups with paths": "create_clock -name v -period 0.4\nset_input_delay 0.1 -clock v e\n"
    "set_clock_groups -asynchronous -allow_paths -group ck -group v\n",
}
PORTS = {
    "resistance": "set_drive 1 [all_inputs]\n",
    "resistance by column": "set_drive -rise 5 [get_ports {a ck}]\nset_drive -min 2 [get_ports b]\n",
    "resistance under derates": "set_drive 3 [all_inputs]\nset_timing_derate -late -net_delay 1.2\n",
    "resistance and cell": "set_drive 3 [get_ports a]\n"
    "set_driving_cell -lib_cell CGL_NAND2_X1 -pin Z -from_pin B [get_ports a]\n",
    "no gate by cell": "set_disable_inferred_clock_gating [get_cells k1]\n",
    "no gate by data pin": "set_disable_inferred_clock_gating [get_pins k2/A]\n",
    "no gate by clock pin": "set_disable_inferred_clock_gating [get_pins k2/B]\n",
}


@pytest.mark.tool("sta")
@pytest.mark.parametrize("case", [*LATCHES, *PORTS])
def test_opensta_on_small_circuits(shipped: Library, root: Path, tmp_path: Path, case: str) -> None:
    netlist, sdc = (NETLIST, TIGHT + LATCHES[case]) if case in LATCHES else (TREE, TREES["plain"] + PORTS[case])
    golden, said = opensta(tmp_path, netlist, sdc, [root / "data" / "library" / "cgl_typ.lib"])
    assert "Error" not in said
    assert differences(timing_of(shipped, netlist, sdc), golden, [ARRIVAL, SLACK]) == []


def test_a_resistance_charges_the_net(small: Library) -> None:
    netlist = "module t (a, y); input a; output y; BUF u (.A(a), .Z(y)); endmodule"
    sdc = "create_clock -name v -period 9\nset_input_delay 0.5 -clock v a\nset_drive 20 a\n"
    timing = timing_of(small, netlist, sdc)
    # 20 kohm x 0.01 pF = 0.2 ns of delay and of slew; u: 1 + 0.1 x 0.2
    np.testing.assert_allclose(at(timing, "a"), [0.5] * 4)
    np.testing.assert_allclose(at(timing, "u/A"), [0.7] * 4)
    np.testing.assert_allclose(slew_at(timing, "u/A"), [0.2] * 4)
    np.testing.assert_allclose(at(timing, "y"), [1.72] * 4)


def test_a_limit_stops_borrowing(small: Library) -> None:
    sdc = CLOCK + "set_input_delay 3 -clock ck d\nset_max_time_borrow 2 [get_cells l]\n"
    timing = timing_of(small, ONE, sdc)
    assert slack(timing, "l/D", Check.LATCH_SETUP) == pytest.approx(-1.0)
    assert at(timing, "l/Q")[0] == pytest.approx(2 + 1.1)


def test_the_nearest_uncertainty_counts(small: Library) -> None:
    netlist = "module t (ck, d, q); input ck, d; output q; FF f (.CK(ck), .D(d), .RN(d), .Q(q)); endmodule"
    sdc = CLOCK + "set_input_delay 1 -clock ck d\nset_clock_uncertainty 0.1 ck\n"
    assert slack(timing_of(small, netlist, sdc), "f/D", Check.SETUP) == pytest.approx(10 - 0.4 - 1 - 0.1)
    between = sdc + "set_clock_uncertainty 0.2 -from ck -to ck\n"
    assert slack(timing_of(small, netlist, between), "f/D", Check.SETUP) == pytest.approx(10 - 0.4 - 1 - 0.2)
    edges = (
        between + "set_clock_uncertainty 0.3 -rise_from ck -rise_to ck\nset_clock_uncertainty 9 -fall_from ck -to ck\n"
    )
    assert slack(timing_of(small, netlist, edges), "f/D", Check.SETUP) == pytest.approx(10 - 0.4 - 1 - 0.3)
