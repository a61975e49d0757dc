"""Paths behind worst slacks: where a credit makes another path than the latest one the worst."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.sta_paths import worst_paths
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.library import Library
from tests.circuitgraph.analysis.test_sta import CLOCK, SMALL, _constraint, _delay, random_netlist, timing_of

SHARED_TREE = """module t (ck, d, q); input ck, d; output q; wire c, c1, c2, m, n;
 BUF b0 (.A(ck), .Z(c)); BUF b1 (.A(c), .Z(c1)); BUF b2 (.A(c), .Z(c2));
 FF f (.CK(c1), .D(d), .RN(d), .Q(m)); AND a (.A(m), .B(d), .Z(n)); FF g (.CK(c2), .D(n), .RN(n), .Q(q)); endmodule"""
DERATES = "set_timing_derate -late 1.2\nset_timing_derate -early 0.8\n"


@pytest.fixture(scope="module")
def small() -> Library:
    text = SMALL % {"buf": _delay(1.0), "inv": _delay(2.0), "setup": _constraint(0.4), "hold": _constraint(0.1)}
    return read_liberty(io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def shipped(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


@pytest.mark.parametrize(
    ("given", "start"),
    [(2.5, "d"), (2.9, "d"), (2.0, "ck"), (3.3, "d")],
    ids=["less", "little less", "credited", "later"],
)
def test_a_port_that_is_worst_once_the_register_is_credited(small: Library, given: float, start: str) -> None:
    """From f 5.616 ns with 0.48 ns credit, from d 2.64 ns + the delay given: between the two the port is worse."""
    timing = timing_of(small, SHARED_TREE, CLOCK + DERATES + f"set_input_delay {given} -clock ck d\n")
    name = timing.prepared.name
    path = next(path for path in worst_paths(timing, 9) if name(path.launch[-1].node) == "g/D")
    assert path.launch[-1].arrival == pytest.approx(path.arrival, abs=1e-20)
    assert path.arrival * 1e9 == pytest.approx(given + 2.64 if start == "d" else 5.616)
    assert name(path.launch[0].node) == start
    assert path.launch[0].arc == -1
    total = path.launch[0].arrival + sum(step.delay for step in path.launch[1:])
    assert total == pytest.approx(path.arrival, abs=1e-20)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("early", [False, True])
def test_every_path_ends_at_the_arrival_of_its_row(shipped: Library, seed: int, early: bool) -> None:
    rng = np.random.default_rng(seed)
    tree = "CGL_CLKBUF_X2 k0 (.A(ck), .Z(k));\n CGL_CLKBUF_X2 k1 (.A(k), .Z(k2));\n CGL_DFF_X1 f0 (.CK(k2)"
    netlist = random_netlist(rng, 60).replace("wire ", "wire k, k2, ")
    netlist = netlist.replace("CGL_DFF_X1 f0 (.CK(ck)", tree).replace(
        "CGL_DFF_X1 f1 (.CK(ck)", "CGL_DFF_X1 f1 (.CK(k2)"
    )
    netlist = netlist.replace(".A(b)", ".A(q1)").replace(".B(c)", ".B(q1)")
    sdc = CLOCK.replace("10", "2") + DERATES + f"set_input_delay {rng.uniform(0, 0.3):.3f} -clock ck {{a b c}}\n"
    timing = timing_of(shipped, netlist, sdc)
    paths = worst_paths(timing, 50, early=early)
    assert paths
    for path in paths:
        assert path.launch[-1].arrival == pytest.approx(path.arrival, abs=1e-20)
