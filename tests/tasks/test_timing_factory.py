"""The label factory: cells, layers, buffers, periods by hand; made designs whole, resumable, the same every time."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.simulation import free_nets, next_states, port_values, simulate
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.errors import CircuitError
from circuitgraph.families import read_rules
from circuitgraph.files import hash_file, read_bytes
from circuitgraph.formats import read
from circuitgraph.formats.lef import read_lef
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.layout import ORIENTATIONS, Layout, Row, Technology, place_pins, read_gds_layout
from circuitgraph.library import Library
from circuitgraph.placement import place, problems
from circuitgraph.trees import net_trees
from tasks.cli import main
from tasks.timing.designs import design_example, read_designs
from tasks.timing.factory import clocking, gates, importer, steps
from tasks.timing.factory.buffering import buffered, place_buffered
from tasks.timing.factory.cells import Cells, choose_cells, is_buffer, marked_liberty, stated_unused
from tasks.timing.factory.layers import completed_technology
from tasks.timing.factory.make import MakeOptions, make_designs
from tasks.timing.factory.placing import place_in_rows
from tasks.timing.inputs import PinTimes

ROOT = Path(__file__).resolve().parents[2]
LIB, LEF, RTL = ROOT / "data/library/cgl_typ.lib", ROOT / "data/library/cgl.lef", ROOT / "data/rtl"
OPTIONS = MakeOptions((str(LIB),), (str(LEF),), jobs=2, time_limit=120)


@cache
def library() -> Library:
    return read(LIB)


@cache
def technology() -> Technology:
    return read_lef(LEF)


@cache
def cells() -> Cells:
    return choose_cells(library(), technology(), (), 16)


# -- cells --------------------------------------------------------------------------------------

SMALL = """library (tiny) {{
  time_unit : "1ns"; capacitive_load_unit (1, pf);
  cell (conb) {{ area : 1; pin (HI) {{ direction : output; function : "1"; }}
    pin (LO) {{ direction : output; function : "0"; }} }}
  cell (weak) {{ area : 1; {weak} }}
  cell (strong) {{ area : 3; {strong} }}
  cell (huge) {{ area : 40; {strong} }}
  cell (clkbuf_9) {{ area : 1; {strong} }}
  cell (spare) {{ dont_use : true; area : 1; {strong} }}
  cell (inv) {{ area : 1; {inverter} }}
}}
"""


def pins(function: str, slope: float, load: float) -> str:
    table = f'{{ index_1 ("0, 1"); index_2 ("0, 1"); values ("0.1, {0.1 + slope}", "0.1, {0.1 + slope}"); }}'
    names = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    tables = " ".join(f"{name} (both) {table}" for name in names)
    return (
        f"pin (A) {{ direction : input; capacitance : {load}; }} "
        f'pin (X) {{ direction : output; function : "{function}"; timing () {{ related_pin : "A"; '
        f"timing_sense : positive_unate; {tables} }} }}"
    )


def small_library(folder: Path) -> Path:
    template = "library (tiny) {\n  lu_table_template (both) { variable_1 : input_net_transition; "
    template += 'variable_2 : total_output_net_capacitance; index_1 ("0, 1"); index_2 ("0, 1"); }'
    text = SMALL.format(weak=pins("A", 9.0, 0.001), strong=pins("A", 1.0, 0.002), inverter=pins("!A", 1.0, 0.001))
    path = folder / "tiny.lib"
    path.write_text(text.replace("library (tiny) {", template, 1))
    return path


def shaped(names: dict[str, tuple[str, ...]]) -> Technology:
    shape = technology().shapes["CGL_BUF_X2"]
    own = {name: replace(shape, pins=dict.fromkeys(kinds, (1e-7, 1e-7))) for name, kinds in names.items()}
    return replace(technology(), shapes=own)


def test_cells_are_found_by_function_and_drive(tmp_path: Path) -> None:
    """One cell ties both ways; of equally strong buffers the smaller is taken, a weak, spare or clock buffer never."""
    path = small_library(tmp_path)
    both = ("A", "X")
    lef = shaped({"conb": ("HI", "LO")} | dict.fromkeys(("weak", "strong", "huge", "clkbuf_9", "spare", "inv"), both))
    assert stated_unused(path) == ["spare"]
    found = choose_cells(read(path), lef, ["spare"], 16)
    assert (found.tie_high, found.tie_low) == (("conb", "HI"), ("conb", "LO"))
    assert found.buffer.name == "strong"
    assert found.usable == {"conb", "weak", "strong", "huge", "inv"}
    without = shaped({"conb": ("HI", "LO"), "inv": both, "strong": ("A",)})
    with pytest.raises(CircuitError, match="library: has no buffer that the LEF files hold too"):
        choose_cells(read(path), without, (), 16)
    with pytest.raises(CircuitError, match="has no cell that ties high"):
        choose_cells(read(path), shaped({"strong": both}), (), 16)


def test_marked_liberty_changes_nothing_but_the_marks(tmp_path: Path) -> None:
    usable = frozenset({"CGL_INV_X1", "CGL_BUF_X2"})
    (tmp_path / "marked.lib").write_text(marked_liberty(LIB, usable))
    marked = read(tmp_path / "marked.lib")
    assert [kind.name for kind in marked.types] == [kind.name for kind in library().types]
    assert np.array_equal(marked.tables.values, library().tables.values)
    unused = set(stated_unused(tmp_path / "marked.lib"))
    assert unused == {kind.name for kind in library().types} - usable


# -- layers -------------------------------------------------------------------------------------


def blank(resistance: float = np.nan, capacitance: float = np.nan) -> Technology:
    layers = tuple(replace(one, resistance=resistance, capacitance=capacitance) for one in technology().layers)
    return replace(technology(), layers=layers, vias=(np.nan,) * len(technology().vias))


def test_layers_come_from_lef_json_or_calibration(tmp_path: Path) -> None:
    assert completed_technology(technology(), None) == (technology(), [])
    with pytest.raises(CircuitError, match="state no resistance or capacitance .*--layers"):
        completed_technology(blank(), None)
    low, said = completed_technology(blank(1e6, 0.02e-9), None)
    assert {layer.capacitance for layer in low.layers[1:7]} == {0.15e-9}
    assert set(low.vias) == {0.0}
    assert [line.partition(":")[0] for line in said] == ["layers M2, M3, M4, M5, M6, M7", "vias"]
    own = tmp_path / "layers.json"
    layers = {layer.name: {"ohm_um": 2.0, "ff_um": 0.2} for layer in technology().layers}
    own.write_text(json.dumps({"layers": layers, "vias_ohm": [9, 5]}))
    filled, _ = completed_technology(blank(), own)
    assert filled.layers[2].resistance == pytest.approx(2e6)
    assert filled.layers[2].capacitance == pytest.approx(0.2e-9)
    assert filled.vias[:3] == (9.0, 5.0, 0.0)
    own.write_text(json.dumps({"constants": {"c0_ff": 0.1, "c1_ff_um": 0.17, "r0_ohm": 24, "r1_ohm_um": 0.7}}))
    fitted, _ = completed_technology(blank(), own)
    assert fitted.layers[1].capacitance == pytest.approx(0.17e-9)
    assert fitted.layers[1].resistance == pytest.approx(0.7e6)
    assert 2 * sum(fitted.vias[:2]) == pytest.approx(24.0)
    for text, what in (
        ("{", "no JSON"),
        ('{"layers": {"M9": {}}}', "is in no LEF"),
        ('{"vias_ohm": [-1]}', "no number"),
    ):
        own.write_text(text)
        with pytest.raises(CircuitError, match=what):
            completed_technology(blank(), own)


# -- buffering and placement --------------------------------------------------------------------


def kind(name: str):
    found = library().cell_type(name)
    assert found is not None
    return found


def with_large_nets(sinks: int = 70) -> Circuit:
    """en reaches *sinks* NANDs whose outputs are stored; the clock and a tied net are as large."""
    builder = CircuitBuilder("wide")
    enable, clock, data = builder.input("en"), builder.input("clk"), builder.input("d")
    tied = builder.net("one")
    builder.cell("tie", kind("CGL_TIEHI"), [tied])
    flop, gate = kind("CGL_DFF_X1"), kind("CGL_NAND3_X1")
    for row in range(sinks):
        middle, end = builder.net(f"m{row}"), builder.net(f"q{row}")
        nets = iter((enable, data if row % 2 else enable, tied))
        builder.cell(f"g{row}", gate, [middle if port in gate.outputs else next(nets) for port in range(4)])
        named = {"D": middle, "CK": clock, "Q": end}
        builder.cell(f"f{row}", flop, [named.get(port.name, -1) for port in flop.ports])
        builder.output(f"q{row}", end)
    return builder.build()


def state_and_ports(circuit: Circuit) -> tuple[np.ndarray, np.ndarray]:
    """What flip-flops store next, by name, and the outputs, under patterns that depend on names alone."""
    names = [circuit.net_names.text(int(net)) for net in free_nets(circuit)]
    patterns = np.array([np.random.Philox(key=int(name.encode().hex(), 16)).random_raw(2) for name in names], np.uint64)
    value = simulate(circuit, patterns)
    rows, following = next_states(circuit, value)
    order = np.argsort([circuit.cell_names.text(int(row)) for row in rows])
    return following[order], port_values(circuit, value)


def test_buffer_trees_keep_the_logic_and_the_limit() -> None:
    circuit = with_large_nets()
    layout = place(circuit, technology(), seed=3)
    made = buffered(circuit, layout, kind("CGL_BUF_X4"), 8)
    added = made.num_cells - circuit.num_cells
    # en: 105 sinks halved four times are 16 clusters, 16 halved once 2; d: 35 are 9, 9, 9, 8: the 8 stays, 7 clusters
    assert added == 16 + 2 + 7
    loads = np.bincount(made.pin_net[made.pin_direction == 1][made.pin_net[made.pin_direction == 1] >= 0])
    large = {made.net_names.text(int(net)): int(loads[net]) for net in np.flatnonzero(loads > 8)}
    assert large == {"clk": 70, "one": 70}
    assert np.array_equal(made.net_constant, np.full(made.num_nets, -1))
    for one, other in zip(state_and_ports(circuit), state_and_ports(made), strict=True):
        assert np.array_equal(one, other)
    assert buffered(made, place(made, technology(), seed=3), kind("CGL_BUF_X4"), 8) is made


def test_buffered_placement_is_legal() -> None:
    circuit = with_large_nets(40)
    rules = {"limit": 12, "utilisation": 0.6, "seed": 1, "time_limit": 60.0}
    placed = place_buffered(circuit, technology(), kind("CGL_BUF_X4"), **rules)
    assert placed.buffers == placed.circuit.num_cells - circuit.num_cells > 0
    assert problems(placed.circuit, placed.layout, technology()) == []


def test_rows_need_not_be_whole_sites() -> None:
    """A row of 6.8 sites: the placer alone puts cells between the rows; here each stands in one, pins where LEF says."""
    circuit = with_large_nets(20)
    own = replace(
        technology(),
        row_height=1.36e-6,
        shapes={name: replace(shape, height=1.36e-6) for name, shape in technology().shapes.items()},
    )
    rules = {"utilisation": 0.6, "seed": 1, "time_limit": 60.0}
    assert problems(circuit, place(circuit, own, **rules), own)
    layout: Layout = place_in_rows(circuit, own, **rules)
    assert problems(circuit, layout, own) == []
    low = layout.pin_y - layout.cell_y[circuit.pin_cell]
    assert low.min() >= 0
    assert low.max() <= 1.36e-6
    assert layout.die[3] == pytest.approx(len(layout.rows) * 1.36e-6)
    assert layout.port_y.max() <= layout.die[3] * 1.0001
    whole = place_in_rows(circuit, technology(), **rules)
    assert np.array_equal(whole.cell_y, place(circuit, technology(), **rules).cell_y)


# -- clocks and periods -------------------------------------------------------------------------


def gated(through_nand: bool, and_plain: bool = False) -> Circuit:
    """A flip-flop whose clock goes through a gate or a buffer; with *and_plain* a second one right at the clock."""
    builder = CircuitBuilder("gated")
    clock, enable, data = builder.input("ck"), builder.input("en"), builder.input("d")
    inside, end = builder.net("inside"), builder.net("q")
    name = "CGL_NAND2_X1" if through_nand else "CGL_BUF_X2"
    gate = kind(name)
    nets = iter((clock, enable))
    builder.cell("g", gate, [inside if port in gate.outputs else next(nets) for port in range(len(gate.ports))])
    flop = kind("CGL_DFF_X1")
    named = {"D": data, "CK": inside, "Q": end}
    builder.cell("f", flop, [named.get(port.name, -1) for port in flop.ports])
    if and_plain:
        named = {"D": data, "CK": clock, "Q": builder.net("p")}
        builder.cell("h", flop, [named.get(port.name, -1) for port in flop.ports])
    builder.output("q", end)
    return builder.build()


def test_clock_ports_are_found_through_buffers_before_gates() -> None:
    assert clocking.clock_ports(gated(False)) == [0]
    assert clocking.clock_ports(gated(True)) == [0, 1]
    assert clocking.clock_ports(gated(True, and_plain=True)) == [0]
    builder = CircuitBuilder("plain")
    end = builder.net("y")
    builder.cell("b", kind("CGL_BUF_X2"), [builder.input("a"), end])
    builder.output("y", end)
    plain = builder.build()
    assert clocking.clock_ports(plain) == []
    text = clocking.sdc_text("plain", plain, library(), 2e-9, 20e-12, "remark")
    assert text.splitlines()[:2] == ["# plain: remark", "create_clock -name clk -period 2"]
    assert read_sdc(io.BytesIO(text.encode()), plain, library()).clocks[0].period == pytest.approx(2e-9)
    text = clocking.sdc_text("gated", gated(False), library(), 2e-9, 20e-12, "remark")
    assert "create_clock -name clk -period 2 [get_ports {ck}]" in text
    assert "set_input_delay 0.4 -clock clk $data_inputs" in text


def test_period_keeps_both_bounds() -> None:
    """Slacks by hand: T - limit. One endpoint far behind: its slack is -0.2 T. Many alike: a tenth violates."""
    far = np.array([5e-9, *np.full(99, 1e-9)])
    period = clocking.find_period(lambda at: at - far, 50e-9, "x")
    assert period == pytest.approx(5e-9 / 1.2, rel=1e-3)
    even = np.linspace(1e-9, 2e-9, 100)
    period = clocking.find_period(lambda at: at - even, 50e-9, "x")
    assert np.count_nonzero(period < even) == 10
    few = np.linspace(1e-9, 1.1e-9, 8)
    assert np.count_nonzero(clocking.find_period(lambda at: at - few, 50e-9, "x") < few) == 1
    half = clocking.find_period(lambda at: 0.5 * at - far / 2, 50e-9, "x")
    assert 0.5 * half - 2.5e-9 == pytest.approx(-0.2 * half, rel=1e-2)
    with pytest.raises(CircuitError, match="no endpoint whose slack moves"):
        clocking.find_period(lambda at: np.array([1e-9, np.nan]), 1e-9, "x")


# -- made designs -------------------------------------------------------------------------------

CONTROL = [str(RTL / "counter" / "gray_counter.v"), str(RTL / "uart" / "uart_tx.v")]
BROKEN = "module broken(input a, output reg y); always @(a) y = a +; endmodule\n"
NETLIST = ROOT / "data" / "netlists" / "priority_encoder_32.v"


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file but the ones that name options."""
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two designs of RTL, one netlist, one file that is broken."""
    home = tmp_path_factory.mktemp("factory")
    (home / "broken.v").write_text(BROKEN)
    words = ["data", "make-timing", *CONTROL, str(NETLIST), str(home / "broken.v"), "--jobs", "2"]
    words += ["--liberty", str(LIB), "--lef", str(LEF), "-o", str(home / "made"), "--time-limit", "120"]
    assert main(words) == 1
    return home


def test_designs_stand_whole_and_the_broken_one_is_named(made: Path) -> None:
    designs = read_designs(made / "made")
    assert [one.design for one in designs] == ["gray_counter", "priority_encoder_32", "uart_tx"]
    rows = list(csv.DictReader(io.StringIO((made / "made" / "failures.csv").read_text())))
    assert [(row["design"], row["step"]) for row in rows] == [("broken", "synthesis")]
    assert rows[0]["reason"].startswith("broken.v: synthesis: Yosys stopped: broken.v:1: ERROR: syntax error")
    assert not (made / "made" / "broken").exists()
    assert not (made / "made" / ".work").exists()
    for one in designs:
        example = design_example(one)
        circuit = example.inputs.circuit
        assert example.labels.golden is not None
        own = PinTimes.of(replace_golden(example).reference(example.inputs))
        for name in ("arrival", "slew", "setup_slack", "hold_slack"):
            found, wanted = getattr(example.labels.golden, name), getattr(own, name)
            assert np.array_equal(np.isnan(found), np.isnan(wanted)), name
            assert np.nanmax(np.abs(found - wanted) / (np.abs(wanted) + 1e-12)) < 1e-4
        clock = circuit.pin_values([[int(port.role) == 1 for port in k.ports] for k in circuit.types], np.bool_)
        sinks = np.bincount(circuit.pin_net[(circuit.pin_direction == 1) & ~clock & (circuit.pin_net >= 0)])
        driven = np.flatnonzero(sinks > 16)
        assert all(circuit.net_driver[net] >= circuit.num_pins or tied(circuit, net) for net in driven) or not len(
            driven
        )
        record = json.loads((made / "made" / one.design / f"{one.design}.json").read_text())
        assert record["violating_share"] <= 0.15
        assert record["wns_ns"] >= -0.21 * record["period_ns"]
        for suffix in (".v", ".def", ".sdc", ".spef.xz"):
            text = read_bytes(made / "made" / one.design / f"{one.design}{suffix}").decode()
            assert "not post-route" in text.partition("*DESIGN_FLOW")[0][:600], suffix
    about = json.loads((made / "made" / "about.json").read_text())
    assert "not post-route" in about["wires"]


def tied(circuit: Circuit, net: int) -> bool:
    driver = int(circuit.net_driver[net])
    return 0 <= driver < circuit.num_pins and not circuit.types[circuit.cell_type[circuit.pin_cell[driver]]].inputs


def replace_golden(example):
    return replace(example.labels, golden=None, cache={})


def test_two_runs_give_equal_bytes_and_a_finished_one_is_kept(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = [*CONTROL, str(NETLIST), str(made / "broken.v")]
    again = make_designs(inputs, made / "again", replace(OPTIONS, jobs=1), lambda _: None)
    assert (again.kept, len(again.records), len(again.failures)) == (0, 3, 1)
    assert contents(made / "again") == contents(made / "made")
    damaged = made / "again" / "uart_tx" / "uart_tx.def"
    damaged.write_text("half")
    (made / "again" / "gray_counter" / "gray_counter.json").unlink()
    mended = make_designs(inputs, made / "again", OPTIONS, lambda _: None)
    assert mended.kept == 1
    assert contents(made / "again") == contents(made / "made")
    words = ["data", "make-timing", *CONTROL, "--liberty", str(LIB), "--lef", str(LEF), "-o", str(made / "again")]
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["made"], answer["kept"], answer["failed"]) == (0, 2, 0)
    assert "not post-route" in answer["wires"]


@pytest.mark.parametrize("moment", ["design", "route", "figures"])
def test_a_killed_run_leaves_nothing_half_written_and_goes_on(made: Path, tmp_path: Path, moment: str) -> None:
    inputs = [*CONTROL, str(NETLIST), str(made / "broken.v")] if moment == "design" else [CONTROL[0]]
    output = tmp_path / "killed"
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("factory_script.py")), moment, str(output)]
    done = subprocess.run([*command, *inputs], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    stand = [path for path in output.iterdir() if not path.name.startswith(".")]
    assert (len(stand) >= 1) == (moment == "design")
    whole = contents(made / "made")
    for path in stand:
        own = {f"{path.name}/{name}": digest for name, digest in contents(path).items()}
        assert own == {name: digest for name, digest in whole.items() if name.startswith(f"{path.name}/")}
    after = make_designs(inputs, output, OPTIONS, lambda _: None)
    assert after.kept == len(stand)
    again = contents(output)
    assert not (output / ".work").exists()
    tables = {"designs.csv", "failures.csv", "about.json"}
    wanted = {name: digest for name, digest in whole.items() if name in again and name not in tables}
    assert {name: digest for name, digest in again.items() if name not in tables} == wanted
    assert len(again) == len(whole) if moment == "design" else len(again) == 3 + 6


def test_a_finished_folder_is_moved_not_copied(tmp_path: Path) -> None:
    """A copy has a moment in which half of it is there."""
    for name, text in (("new", "new"), ("there", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(text)
    node = (tmp_path / "new").stat().st_ino
    steps.settle(tmp_path / "new", tmp_path / "there")
    assert (tmp_path / "there").stat().st_ino == node
    assert (tmp_path / "there" / "x").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_one_design_under_two_names_is_one_family(made: Path, tmp_path: Path) -> None:
    text = (RTL / "counter" / "gray_counter.v").read_text()
    for name in ("first", "second"):
        (tmp_path / f"{name}.v").write_text(text)
    found = make_designs([tmp_path / "first.v", tmp_path / "second.v"], tmp_path / "out", OPTIONS, lambda _: None)
    assert len({record["family"] for record in found.records}) == 1
    assert len({record["split"] for record in found.records}) == 1
    (tmp_path / "own.csv").write_text("name,family,split\nfirst.v,mine,validation\n")
    rules = replace(OPTIONS, families=read_rules(tmp_path / "own.csv"))
    again = make_designs([tmp_path / "first.v", tmp_path / "second.v"], tmp_path / "out", rules, lambda _: None)
    assert again.kept == 2
    assert {(record["family"], record["split"]) for record in again.records} == {("mine", "validation")}


def test_made_designs_calibrate_and_predict(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = made / "made" / "uart_tx" / "uart_tx"
    words = ["--def", f"{own}.def", "--lef", str(LEF)]
    assert main(["calibrate", "timing", *words, "--spef", f"{own}.spef.xz", "-o", str(tmp_path / "c.json")]) == 0
    words = ["predict", "timing", f"{own}.v", "--liberty", str(LIB), "--sdc", f"{own}.sdc"]
    assert main([*words, "--spef", f"{own}.spef.xz", "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "pins.csv").read_bytes() == read_bytes(f"{own}.pins.csv.xz")


@pytest.mark.tool("sta")
def test_opensta_labels_agree_with_the_engine(made: Path, tmp_path: Path) -> None:
    make_designs([CONTROL[1]], tmp_path, replace(OPTIONS, golden="opensta"), lambda _: None)
    ours, theirs = (
        list(csv.reader(io.StringIO(read_bytes(folder / "uart_tx" / "uart_tx.pins.csv.xz").decode())))
        for folder in (made / "made", tmp_path)
    )
    table = {row[0]: row for row in theirs}
    assert len(ours) == len(theirs)
    for row in ours[1:]:
        other = table[row[0]]
        assert [bool(text) for text in row] == [bool(text) for text in other], row[0]
        for one, two in zip(row[2:], other[2:], strict=True):
            assert not one or abs(float(one) - float(two)) < 2e-3  # ns


def test_wrong_requests_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "make-timing", CONTROL[0], "--liberty", str(LIB), "--lef", str(LEF), "-o", str(tmp_path / "x")]
    for extra, what in (
        (["--period", "soon"], "must be ns above 0, or auto"),
        (["--utilisation", "0.95"], "must be 0.3 to 0.9"),
        (["--max-fan-out", "1"], "must be 2 or more"),
    ):
        assert main([*words, *extra]) == 1
        assert what in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    assert main([*words[:-1], str(tmp_path / "full")]) == 1
    assert "which this command did not make" in capsys.readouterr().err
    two = tmp_path / "two" / "a"
    for folder in (two / "sub", tmp_path / "two" / "b" / "sub"):
        folder.mkdir(parents=True)
        shutil.copy(CONTROL[0], folder / "same.v")
    assert main([*words[:2], str(tmp_path / "two"), *words[3:]]) == 1
    assert "stands twice among the inputs" in capsys.readouterr().err


def test_data_keeps_its_older_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--json"]) == 0
    first = capsys.readouterr().out
    assert main(["data", "--json", "list"]) == 0
    assert capsys.readouterr().out == first
    assert main(["data", "rebuild"]) == 1
    assert "says where rebuild writes" in capsys.readouterr().err
    assert main(["data", "lisst"]) == 2
    assert "did you mean 'list'" in capsys.readouterr().err


def test_buffers_of_the_shipped_library_are_known_by_function() -> None:
    names = {one.name for one in library().types if is_buffer(one)}
    assert names == {one.name for one in library().types if "BUF" in one.name}
    assert not is_buffer(kind("CGL_INV_X1"))
    assert cells().buffer.name.startswith("CGL_BUF")


# -- gates --------------------------------------------------------------------------------------


def pairs(count: int = 20) -> tuple[Circuit, Layout]:
    """Chains a -> buffer -> y, each buffer further from its terminal than the one before."""
    builder = CircuitBuilder("pairs")
    for row in range(count):
        end = builder.net(f"y{row}")
        builder.cell(f"b{row}", kind("CGL_BUF_X2"), [builder.input(f"a{row}"), end])
        builder.output(f"y{row}", end)
    circuit = builder.build()
    x, y = np.arange(count) * 8e-6, np.zeros(count)
    turned = np.zeros(count, np.int8)
    pin_x, pin_y = place_pins(circuit, technology(), x, y, turned)
    row = (Row(0.0, 0.0, 1000, "N"),)
    port = np.zeros(circuit.num_ports)
    shape = technology().shapes["CGL_BUF_X2"]
    layout = Layout((0, 0, 2e-4, 1e-4), row, x, y, turned, np.full(count, shape.width), pin_x, pin_y, port, port)
    return circuit, layout


def test_every_gate_passes_and_fails_by_hand() -> None:
    circuit, layout = pairs()
    trees = net_trees(circuit, layout)
    farads = 0.15e-9 * trees.net_length + 0.1e-15
    assert gates.types_known(["CGL_BUF_X2"], library(), technology()).passed
    lost = gates.types_known(["CGL_BUF_X2", "NONE_X1"], library(), technology())
    assert (lost.passed, lost.figure) == (False, 1.0)
    assert "'NONE_X1'" in lost.text
    without = replace(technology(), shapes={})
    assert not gates.types_known(["CGL_BUF_X2"], library(), without).passed
    assert gates.nets_matched(0.97).passed
    assert not gates.nets_matched(0.9699).passed

    found = gates.length_correlation(trees, farads)
    assert found.passed
    assert found.figure == pytest.approx(1.0)
    mixed = gates.length_correlation(trees, farads[np.random.default_rng(0).permutation(len(farads))])
    assert not mixed.passed
    assert abs(mixed.figure) < 0.9
    few = np.where(np.arange(len(farads)) < 9, farads, np.nan)
    assert not gates.length_correlation(trees, few).passed

    for usual, passed in ((0.15e-9, True), (0.29e-9, True), (0.32e-9, False), (0.07e-9, False)):
        by_length = gates.capacitance_by_length(trees, 0.15e-9 * trees.net_length, usual)
        assert (by_length.passed, by_length.figure) == (passed, pytest.approx(0.15)), usual

    assert gates.cells_placed(circuit, layout).passed
    holes = replace(layout, cell_x=np.where(np.arange(20) == 3, np.nan, layout.cell_x))
    hole = gates.cells_placed(circuit, holes)
    assert (hole.passed, hole.figure) == (False, 1.0)
    assert "b3" in hole.text
    assert gates.cells_placed(circuit, holes, {"CGL_BUF_X2"}).passed

    assert gates.inputs_connected(circuit).passed
    cut = replace(circuit, pin_net=np.where(np.arange(circuit.num_pins) == 0, -1, circuit.pin_net))
    assert gates.inputs_connected(cut).figure == pytest.approx(0.05)
    assert not gates.inputs_connected(cut).passed
    undriven = replace(circuit, port_net=np.where(np.arange(circuit.num_ports) == 0, -1, circuit.port_net))
    assert not gates.inputs_connected(undriven).passed

    assert gates.slack_finite(np.array([np.nan, -1e-9, 2e-9])).figure == pytest.approx(-1.0)
    assert not gates.slack_finite(np.array([np.nan, np.nan])).passed
    assert not gates.slack_finite(np.array([-np.inf, 1e-9])).passed
    assert gates.refusal([hole, found]).startswith("cells placed: 1 cells with pins have no place")


# -- import -------------------------------------------------------------------------------------

IMPORTED = ("uart_tx", "gray_counter")


def routed(made: Path, name: str, target: Path) -> Path:
    """A made design as the folder of a routed one."""
    target.mkdir(parents=True)
    for suffix in (".v", ".def", ".sdc", ".spef.xz"):
        shutil.copy(made / "made" / name / f"{name}{suffix}", target / f"{target.name}{suffix}")
    return target


def import_words(output: Path, *inputs: Path) -> list[str]:
    words = ["data", "import-timing", *map(str, inputs), "--liberty", str(LIB), "--lef", str(LEF)]
    return [*words, "-o", str(output), "--jobs", "2", "--time-limit", "120"]


def test_routed_designs_come_in_and_mixed_ones_do_not(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two whole designs, one without netlist and constraints, parasitics of another design, a shuffled placement."""
    home = tmp_path / "in"
    for name in IMPORTED:
        routed(made, name, home / name)
    bare = routed(made, "uart_tx", home / "bare")
    (bare / "bare.v").unlink()
    (bare / "bare.sdc").unlink()
    foreign = routed(made, "uart_tx", home / "foreign")
    shutil.copy(home / "gray_counter" / "gray_counter.spef.xz", foreign / "foreign.spef.xz")
    shuffled = routed(made, "uart_tx", home / "shuffled") / "shuffled.def"
    text = shuffled.read_text()
    places = re.findall(r"PLACED \( \d+ \d+ \) \w+", text)
    order = iter(np.random.default_rng(1).permutation(len(places)).tolist())
    shuffled.write_text(re.sub(r"PLACED \( \d+ \d+ \) \w+", lambda _: places[next(order)], text))
    (home / "empty").mkdir()
    assert main([*import_words(tmp_path / "out", home, home / "empty"), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["imported"], answer["refused"]) == (3, 3)
    rows = {row["design"]: row for row in csv.DictReader(io.StringIO((tmp_path / "out" / "failures.csv").read_text()))}
    assert {name: row["step"] for name, row in rows.items()} == {
        "empty": "files", "foreign": "gates", "shuffled": "gates"
    }  # fmt: skip
    assert "length correlation: tree length and C correlate" in rows["shuffled"]["reason"]
    assert "nets matched" in rows["foreign"]["reason"]
    assert "..." not in rows["foreign"]["reason"]
    designs = {one.design: one for one in read_designs(tmp_path / "out")}
    assert set(designs) == {"bare", *IMPORTED}
    assert designs["bare"].family == designs["uart_tx"].family
    record = json.loads((tmp_path / "out" / "bare" / "bare.json").read_text())
    assert record["netlist_from"] == "DEF"
    assert record["constraints"] == "of import-timing: the design has none"
    assert "extracted from a routed design" in record["wires"]
    for name in IMPORTED:  # the labels are those that were made
        own = read_bytes(tmp_path / "out" / name / f"{name}.pins.csv.xz")
        assert own == read_bytes(made / "made" / name / f"{name}.pins.csv.xz")
    before = contents(tmp_path / "out")
    assert main([*import_words(tmp_path / "out", home, home / "empty"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["kept"] == 3
    assert contents(tmp_path / "out") == before


def test_a_type_that_no_library_holds_refuses_the_design(made: Path, tmp_path: Path) -> None:
    own = routed(made, "gray_counter", tmp_path / "strange")
    for suffix in (".v", ".def"):
        path = own / f"strange{suffix}"
        text = path.read_text()
        used = re.search(r"CGL_INV_X\d", text)
        assert used is not None
        path.write_text(text.replace(used[0], "CGL_ODD_X1"))
    assert main(import_words(tmp_path / "out", own)) == 1
    reason = (tmp_path / "out" / "failures.csv").read_text()
    assert "cell types: 1 types lack Liberty or LEF ('CGL_ODD_X1')" in reason


def test_similar_designs_are_one_family() -> None:
    one = {f"INV {row}": 5 for row in range(20)}
    near = one | {"INV 0": 4, "BUF 1": 1}
    far = one | {"INV 0": 0, "INV 1": 3, "BUF 1": 7}
    assert importer.similarity(one, one) == 1.0
    assert importer.similarity(one, near) == pytest.approx(99 / 101)
    assert importer.similarity(one, far) == pytest.approx(93 / 107)
    assert importer.alike([one, far, near]) == [0, 1, 0]


def gds_of(path: Path, circuit: Circuit, layout: Layout, prefix: str = "") -> None:
    """A GDS as streamed out: each cell a reference with its name as property 61, a via and a filler without one."""
    gdstk = pytest.importorskip("gdstk", reason="gdstk is not installed: pip install gdstk")
    file = gdstk.Library(unit=1e-6, precision=1e-9)
    inside = {}
    for one in circuit.types:
        inside[one.name] = file.new_cell(prefix + one.name)
        inside[one.name].add(gdstk.rectangle((0, 0), (1, 1)))
    via = file.new_cell("VIA12")
    top = file.new_cell(circuit.name)
    angles = {"N": (0, False), "S": (180, False), "FS": (0, True), "FN": (180, True)}
    for row, name in enumerate(circuit.cell_names.texts()):
        own = circuit.types[circuit.cell_type[row]].name
        shape = technology().shapes[own]
        word = ORIENTATIONS[layout.cell_orientation[row]]
        angle, mirrored = angles[word]
        at_x = layout.cell_x[row] + (shape.width if word in {"S", "FN"} else 0)
        at_y = layout.cell_y[row] + (shape.height if word in {"S", "FS"} else 0)
        origin = (at_x * 1e6, at_y * 1e6)
        reference = gdstk.Reference(inside[own], origin, rotation=math.radians(angle), x_reflection=mirrored)
        reference.set_gds_property(61, name)
        top.add(reference)
    top.add(gdstk.Reference(via, (0, 0)), gdstk.Reference(inside[circuit.types[0].name], (5, 5)))
    file.write_gds(path)


def test_places_of_a_gds_are_those_of_the_def(made: Path, tmp_path: Path) -> None:
    own = made / "made" / "uart_tx" / "uart_tx"
    circuit = read(f"{own}.v", library=library())
    wanted = read(f"{own}.def", technology=technology()).resolve(circuit, technology()).layout
    turned = wanted.cell_orientation.copy()
    turned[::3] = np.where(turned[::3] == 0, 2, 1)  # FN and S too
    wanted = replace(wanted, cell_orientation=turned)
    gds_of(tmp_path / "uart_tx.gds", circuit, wanted, "ab_")
    found = read_gds_layout(tmp_path / "uart_tx.gds", technology(), "uart_tx")
    assert sum(found.design.notes.counts.values()) == 2
    layout = found.resolve(circuit, technology()).layout
    assert np.array_equal(layout.cell_orientation, wanted.cell_orientation)
    assert np.abs(layout.cell_x - wanted.cell_x).max() < 1e-12
    assert np.abs(layout.cell_y - wanted.cell_y).max() < 1e-12
    with pytest.raises(CircuitError, match="cell 'other': is not in the file"):
        read_gds_layout(tmp_path / "uart_tx.gds", technology(), "other")
    (tmp_path / "bad.gds").write_bytes(b"none")
    with pytest.raises(CircuitError, match=r"bad.gds: "):
        read_gds_layout(tmp_path / "bad.gds", technology())


def test_a_block_comes_in_from_netlist_gds_spef_and_lef(made: Path, tmp_path: Path) -> None:
    own = made / "made" / "uart_tx" / "uart_tx"
    circuit = read(f"{own}.v", library=library())
    layout = read(f"{own}.def", technology=technology()).resolve(circuit, technology()).layout
    block = routed(made, "uart_tx", tmp_path / "in" / "uart_tx")
    (block / "uart_tx.def").unlink()
    gds_of(block / "uart_tx.gds", circuit, layout)
    ports = "".join(
        f"  PIN {name}\n    DIRECTION INPUT ;\n    PORT\n      LAYER M2 ;\n"
        f"      RECT {x * 1e6 - 0.05:.3f} {y * 1e6 - 0.05:.3f} {x * 1e6 + 0.05:.3f} {y * 1e6 + 0.05:.3f} ;\n"
        f"    END\n  END {name}\n"
        for name, x, y in zip(circuit.port_names.texts(), layout.port_x, layout.port_y, strict=True)
    )
    size = f"{layout.die[2] * 1e6:.3f} BY {layout.die[3] * 1e6:.3f}"
    head = f'VERSION 5.7 ;\nBUSBITCHARS "[]" ;\nDIVIDERCHAR "/" ;\nMACRO uart_tx\n  CLASS BLOCK ;\n  SIZE {size} ;\n'
    (block / "uart_tx.lef").write_text(f"{head}{ports}END uart_tx\nEND LIBRARY\n")
    assert main(import_words(tmp_path / "out", tmp_path / "in")) == 0
    (one,) = read_designs(tmp_path / "out")
    found = design_example(one).inputs.layout
    assert np.abs(found.pin_x - layout.pin_x).max() < 1e-9
    assert np.abs(found.port_x - layout.port_x).max() < 6e-10
