"""The delay model dmp against OpenSTA 2.0.17's default calculator on routed designs with their extracted parasitics.

Goldens: ``golden/NAME.dmp_ceff_elmore.csv`` of the timing data, made by ``sta -exit run_golden.tcl`` there (six digits,
ns). OpenSTA's own steps end at 1 %, so no two programs agree to print precision; the bars are some ten times
what is found, and far below what other delay models miss.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.pi_model import reduced_wires
from circuitgraph.analysis.sta import Timing, analyse, listed_places
from circuitgraph.analysis.sta_output import PIN_COLUMNS, pin_rows
from circuitgraph.analysis.sta_prepare import place_capacitances, prepare
from circuitgraph.circuit import Circuit
from circuitgraph.files import read_bytes
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from tests.circuitgraph.analysis.test_sta_golden import library_of

Shared = Callable[[str], Path]

SMALL = ("tt_mitssdd", "tt_8bit_cpu", "sky_gcd", "tut_gcd", "ihp_i2c", "gf_DSM_core", "gf_clock", "gf_user_proj")
LARGE = (
    *("gf_peri_top", "lbist_mbist_top1", "christmas_tree", "yifive_glbl_cfg", "yifive_mbist", "yifive_sdram"),
    *("yifive_spi_master", "yifive_wb_interconnect", "tt_FanCTRL_DomnikBrandstetter", "tt_advanced_counter"),
    *("tt_couchand_dual_deque", "tt_digitaler_filter_rathmayr", "tt_fountaincoder_top", "tt_ja1tye_tiny_cpu"),
    *("tt_ledcontroller_Gatsch", "tt_moving_average_master", "tt_sanojn_ttrpg_dice", "tt_tiny_shader_mole99"),
    "tt_urish_simon",
)


def analysed(shared_data: Shared, design: str) -> Timing:
    library = library_of(shared_data("timing/lib"), design)
    folder = shared_data(f"timing/designs/{design}")
    circuit = read_verilog(folder / f"{design}.v", library=library)
    assert isinstance(circuit, Circuit)
    constraints = read_sdc(folder / f"{design}.sdc", circuit, library)
    resolved = read_spef(folder / f"{design}.spef").resolve(circuit)
    wires = reduced_wires(resolved, circuit, place_capacitances(circuit, library))
    prepared = prepare(circuit, library, constraints, black_box=True, break_loops=True)
    return analyse(prepared, wires=wires, listed=listed_places(resolved, circuit), delay_model="dmp")


def misses(shared_data: Shared, design: str) -> dict[str, np.ndarray]:
    """Differences of all pins by column, ps; NaN where either has no value."""
    timing = analysed(shared_data, design)
    golden = shared_data("timing/golden") / f"{design}.dmp_ceff_elmore.csv.xz"
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(read_bytes(golden).decode()))}
    known = [(row[2:], rows[row[0]][1:]) for row in pin_rows(timing) if row[0] in rows]
    ours, theirs = (np.array([[float(v) if v else math.nan for v in pair[side]] for pair in known]) for side in (0, 1))
    assert len(known) > 500
    return dict(zip(PIN_COLUMNS[2:], (ours - theirs).T * 1e3, strict=True))


def mean(values: np.ndarray) -> float:
    return float(np.nanmean(np.abs(values)))


def check(found: dict[str, np.ndarray], design: str) -> None:
    bar = 0.5 if design == "gf_user_proj" else 0.2  # ps; wires of 2 mm, 1.4 ns of transition
    assert mean(found["setup_slack"]) <= bar
    assert mean(found["hold_slack"]) <= bar
    assert float(np.nanmax(np.abs(found["setup_slack"]))) <= 1.0
    for column in PIN_COLUMNS[2:6]:
        assert float(np.nanpercentile(np.abs(found[column]), 99)) <= 1.0, column
    for column in PIN_COLUMNS[6:10]:
        assert float(np.nanpercentile(np.abs(found[column]), 99)) <= 1.5, column


@pytest.mark.data
@pytest.mark.parametrize("design", SMALL)
def test_slacks_arrivals_and_slews_as_opensta(shared_data: Shared, design: str) -> None:
    check(misses(shared_data, design), design)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("design", LARGE)
def test_the_larger_designs_as_opensta(shared_data: Shared, design: str) -> None:
    check(misses(shared_data, design), design)


@pytest.mark.data
def test_worst_and_total_slack_as_the_data_states_them(shared_data: Shared) -> None:
    for design, wns, tns in (("tt_mitssdd", -0.8565, -27.5084), ("tut_gcd", -0.0921, -0.8577)):
        timing = analysed(shared_data, design)
        assert timing.wns * 1e9 == pytest.approx(wns, abs=5e-4)
        assert timing.tns * 1e9 == pytest.approx(tns, rel=1e-3)
