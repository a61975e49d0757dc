"""The library: monotone, in range, read by our reader and by OpenSTA, and the committed files are its output."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from circuitgraph import programs
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.library import Library, TimingType
from tasks import corpus_library as cells


@pytest.fixture(scope="module")
def library(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


def test_committed_files_are_what_the_generator_writes(root: Path, tmp_path: Path) -> None:
    for path in cells.write_library(tmp_path):
        assert path.read_bytes() == (root / "data" / "library" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("cell", cells.make_cells().values(), ids=lambda cell: cell.name)
def test_delay_and_slew_grow_with_load_and_slew(cell: cells.Cell) -> None:
    for output in cell.outputs:
        for arc in output.arcs:
            for edge in arc.edges:
                delay, slew = cells.respond(arc.chain, edge, cells.SLEWS, cells.LOADS * cell.drive)
                for table in (delay, slew):
                    assert (np.diff(table, axis=0) >= 0).all()
                    assert (np.diff(table, axis=1) > 0).all()
                assert delay.min() > 0
                assert slew.min() >= cells.SLEW_FLOOR


def test_the_response_of_one_stage_by_hand() -> None:
    delay, slew = cells.respond([cells.Stage(2.0)], "fall", np.array([0.0]), np.array([6e-15]))
    tau = cells.R_FALL / 2 * (2e-15 + 6e-15)
    assert delay[0, 0] == pytest.approx(np.log(2) * tau)
    assert slew[0, 0] == pytest.approx(np.log(4) * tau)


def test_scale_of_the_process() -> None:
    slew = np.array([30e-12])
    for _ in range(6):
        fall, slew_fall = cells.respond([cells.Stage(1.0)], "fall", slew, np.array([4e-15]))
        rise, slew_rise = cells.respond([cells.Stage(1.0)], "rise", slew_fall[0], np.array([4e-15]))
        slew = slew_rise[0]
    assert 25e-12 < (fall + rise)[0, 0] / 2 < 40e-12  # fan-out of four
    launch = cells.make_cells()["CGL_DFF_X1"].outputs[0].arcs[0].chain
    assert 90e-12 < cells.respond(launch, "rise", np.array([20e-12]), np.array([3e-15]))[0][0, 0] < 150e-12


def test_a_stronger_cell_is_faster_at_one_load() -> None:
    made = cells.make_cells()
    for kind in ("INV", "NAND2", "NOR2", "BUF", "DFF"):
        weak, strong = (made[f"CGL_{kind}_X{drive}"].outputs[0].arcs[0].chain for drive in (1, 2))
        load = np.array([20e-15])
        slews = np.array([30e-12])
        assert cells.respond(strong, "rise", slews, load)[0] < cells.respond(weak, "rise", slews, load)[0]


def test_our_reader_sees_the_tables(library: Library) -> None:
    assert len(library.types) == len(cells.make_cells())
    row = library.index["CGL_AOI21_X2"]
    arc = int(library.arc_start[row])
    slews, loads, values = library.tables.table(int(library.arc_table[arc, 0]))
    chain = cells.make_cells()["CGL_AOI21_X2"].outputs[0].arcs[0].chain
    assert slews == pytest.approx(cells.SLEWS)
    assert loads == pytest.approx(cells.LOADS * 2)
    assert values == pytest.approx(cells.respond(chain, "rise", cells.SLEWS, cells.LOADS * 2)[0], abs=1e-15)
    assert library.default_wire_load is not None


def test_checks_of_a_flip_flop(library: Library) -> None:
    row = library.index["CGL_DFFR_X1"]
    arcs = range(int(library.arc_start[row]), int(library.arc_start[row + 1]))
    kinds = {TimingType(int(library.arc_timing[arc])).name: arc for arc in arcs}
    assert set(kinds) == {"SETUP_RISING", "HOLD_RISING", "RECOVERY_RISING", "REMOVAL_RISING", "RISING_EDGE", "CLEAR"}
    setup, hold = (
        library.tables.lookup(int(library.arc_table[kinds[kind], 1]), 20e-12, 30e-12)
        for kind in ("SETUP_RISING", "HOLD_RISING")
    )
    assert 30e-12 < setup < 70e-12
    assert setup + hold > 0


def test_shapes() -> None:
    technology = cells.technology()
    assert technology.row_height == pytest.approx(7 * technology.site_width)
    for name, cell in cells.make_cells().items():
        width, height = cells.cell_size(name)
        assert (width, height) == pytest.approx((technology.shapes[name].width, technology.row_height))
        assert set(technology.shapes[name].pins) == {*cell.inputs, *(output.name for output in cell.outputs)}
        places = [cells.pin_offset(name, pin) for pin in technology.shapes[name].pins]
        assert all(5e-8 <= x <= width - 5e-8 and 0 < y < height for x, y in places)
        assert len(set(places)) == len(places)


def test_lef_holds_the_layers_and_the_shapes() -> None:
    words = cells.write_lef().split()
    assert words.count("MACRO") == len(cells.make_cells())
    assert words.count("ROUTING") == len(cells.LAYERS)
    layer = words[words.index("M2") : words.index("VIA2")]
    text = dict(pairwise(layer))
    width, per_square = float(text["WIDTH"]) * 1e-6, float(text["RPERSQ"])
    assert per_square / width == pytest.approx(cells.LAYERS[1].resistance)
    area, edge = float(text["CPERSQDIST"]), float(text["EDGECAPACITANCE"]) * 1e-6
    assert area * width + 2 * edge == pytest.approx(cells.LAYERS[1].capacitance, rel=1e-5)


@pytest.mark.tool("sta")
def test_opensta_reads_it_without_a_word(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cells.lib").write_bytes((root / "data" / "library" / "cgl_typ.lib").read_bytes())
    lines = ["module every();"]
    for number, (name, cell) in enumerate(cells.make_cells().items()):
        pins = [*cell.inputs, *(output.name for output in cell.outputs)]
        lines.append(f"  {name} u{number} ({', '.join(f'.{pin}(n{number}_{pin})' for pin in pins)});")
    (tmp_path / "every.v").write_text("\n".join([*lines, "endmodule", ""]))
    script = ["read_liberty cells.lib", "read_verilog every.v", "link_design every"]
    script += ["report_checks -unconstrained", "set file [open done w]", "close $file"]
    (tmp_path / "run.tcl").write_text("\n".join(script) + "\n")
    said = programs.run("sta", ["-no_splash", "-exit", "run.tcl"], tmp_path, "done", 60)
    assert "Warning" not in said
    assert "Error" not in said
