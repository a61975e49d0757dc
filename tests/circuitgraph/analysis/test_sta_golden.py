"""Static timing analysis against OpenSTA 2.0.17 on nine routed designs: every pin, print precision.

Goldens: ``golden/NAME.lumped_cap.csv`` of the timing data, made by ``sta -exit run_golden.tcl`` there (six digits, ns).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.sta import Timing, analyse, listed_places
from circuitgraph.analysis.sta_output import PIN_COLUMNS, pin_rows
from circuitgraph.analysis.wires import spef_wires, zero_wires
from circuitgraph.circuit import Circuit
from circuitgraph.files import read_bytes
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library

Shared = Callable[[str], Path]

LIBRARIES = {
    "gf": ("gf180_7t_tt5v0",),
    "tut": ("nangate45_typ",),
    "ihp": ("sg13g2_typ", "sg13g2_io_typ"),
    "nvdla": (
        "asap7_AO_RVT_TT_nldm_211120",
        "asap7_INVBUF_RVT_TT_nldm_220122",
        "asap7_OA_RVT_TT_nldm_211120",
        "asap7_SEQ",
        "asap7_SIMPLE_RVT_TT_nldm_211120",
    ),
}
DESIGNS = (
    "tt_mitssdd",
    "gf_DSM_core",
    "gf_clock",
    "gf_peri_top",
    "sky_gcd",
    "tut_gcd",
    "ihp_i2c",
    "yifive_glbl_cfg",
    "christmas_tree",
)


@cache
def library_of(folder: Path, design: str) -> Library:
    names = LIBRARIES.get(design.partition("_")[0], ("sky130hd_tt",))
    return Library.merged([read_liberty(folder / f"{name}.lib.xz") for name in names])


def analysed(shared_data: Shared, design: str) -> Timing:
    library = library_of(shared_data("timing/lib"), design)
    folder = shared_data(f"timing/designs/{design}")
    circuit = read_verilog(folder / f"{design}.v", library=library)
    assert isinstance(circuit, Circuit)
    constraints = read_sdc(folder / f"{design}.sdc", circuit, library)
    spef = folder / f"{design}.spef"
    if not spef.exists():
        return analyse(circuit, library, constraints, zero_wires(circuit), black_box=True)
    resolved = read_spef(spef).resolve(circuit)
    wires = spef_wires(resolved, circuit, elmore=False)
    return analyse(circuit, library, constraints, wires, black_box=True, listed=listed_places(resolved, circuit))


def compare(timing: Timing, golden: Path) -> dict[str, tuple[int, float, float, float, int]]:
    """Per quantity: values, 99th percentile and largest difference in ps, share beyond 1 ps, blank mismatches."""
    text = read_bytes(golden).decode()
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(text))}
    assert ("pin", *rows["pin"]) == PIN_COLUMNS
    ours = list(pin_rows(timing))
    known = [(row[1:], rows[row[0]]) for row in ours if row[0] in rows]
    assert len(known) >= len(ours) - 2
    assert all(mine[0] == other[0] for mine, other in known), "endpoint column"
    values = np.array([[_number(a) - _number(b) for a, b in zip(x[1:], y[1:], strict=True)] for x, y in known]) * 1e3
    blank = np.array([[(a == "") != (b == "") for a, b in zip(x[1:], y[1:], strict=True)] for x, y in known])
    found = {}
    parts = {
        "late arrival": (0, 1),
        "early arrival": (2, 3),
        "late slew": (4, 5),
        "early slew": (6, 7),
        "setup": (8,),
        "hold": (9,),
    }
    for name, columns in parts.items():
        part = np.abs(values[:, columns])
        part = part[~np.isnan(part)]
        assert len(part), name
        found[name] = (
            len(part),
            float(np.percentile(part, 99)),
            float(part.max()),
            float((part > 1).mean()),
            int(blank[:, columns].sum()),
        )
    return found


def _number(text: str) -> float:
    return float(text) if text else math.nan


@pytest.mark.data
@pytest.mark.parametrize("design", DESIGNS)
def test_every_pin_as_opensta(shared_data: Shared, design: str) -> None:
    timing = analysed(shared_data, design)
    found = compare(timing, shared_data("timing/golden") / f"{design}.lumped_cap.csv.xz")
    for name, (_, percentile, largest, beyond, blank) in found.items():
        assert percentile <= 0.02, (design, name, percentile)
        assert largest <= 0.1, (design, name, largest)
        assert beyond == 0, (design, name)
        assert blank == 0, (design, name)


@pytest.mark.data
@pytest.mark.slow
def test_the_large_design_with_an_ideal_clock(shared_data: Shared) -> None:
    timing = analysed(shared_data, "nvdla_m")
    found = compare(timing, shared_data("timing/golden") / "nvdla_m.zero_wire_lumped_cap.csv.xz")
    assert all(row[2] <= 0.05 and row[4] == 0 for row in found.values()), found


@pytest.mark.data
def test_worst_and_total_slack_as_the_data_states_them(shared_data: Shared) -> None:
    for design, wns, tns in (("tt_mitssdd", -0.8364, -26.5322), ("yifive_glbl_cfg", -1.1931, -1.1931)):
        timing = analysed(shared_data, design)
        assert timing.wns * 1e9 == pytest.approx(wns, abs=6e-5)
        assert timing.tns * 1e9 == pytest.approx(tns, abs=1e-3)


@pytest.mark.data
def test_pessimism_of_two_clock_trees_is_removed(shared_data: Shared) -> None:
    """WNS and TNS of the lumped calculator as the data's README states them; without credits TNS is 0.02 ns lower."""
    timing = analysed(shared_data, "lbist_mbist_top1")
    assert timing.tns * 1e9 == pytest.approx(-62.1485, abs=2e-4)
    assert (timing.endpoints.credit > 0).any()
    plain = analyse(timing.prepared, wires=None, remove_pessimism=False)
    assert not plain.endpoints.credit.any()
