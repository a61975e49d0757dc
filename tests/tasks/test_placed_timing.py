"""Timing over a placement, from files to answers: calibration, prediction, a run's folder, the learned residual."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from circuitgraph.analysis.placement_wires import WireConstants, placement_parasitics
from circuitgraph.analysis.sta_prepare import prepare
from circuitgraph.errors import CircuitError
from circuitgraph.formats import read, write
from circuitgraph.formats.lef import read_lef
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.placed_circuit import circuit_of_layout
from circuitgraph.trees import net_trees
from tasks.cli import main
from tasks.task import Example
from tasks.timing.accuracy import measure
from tasks.timing.confidence import confidence_of
from tasks.timing.designs import DesignFiles, design_example, read_designs, write_designs
from tasks.timing.inputs import TimingLabels, read_example, read_pins
from tasks.timing.placed_rows import PlacedTrees, SteinerTrees, few_nets, fitted_constants
from tasks.timing.placed_wires import PlacedWires, matched
from tasks.timing.run_folder import find_run, stem
from tasks.timing.wire_features import NET_FEATURES, SINK_FEATURES, wire_features

DATA = Path(__file__).resolve().parents[2] / "data"
LEF, LIB = DATA / "library" / "cgl.lef", DATA / "library" / "cgl_typ.lib"
NAMES = ("barrel_shift_32", "arbiter_8", "spi_master_16")
SETTINGS = {"epochs": 12, "learning_rate": 1e-2, "max_nodes": 600, "weight_decay": 1e-3}
CONSTANTS = WireConstants(0.02e-15, 0.15e-9, 12.0, 2.0e6)


def files(name: str) -> dict[str, Path]:
    stem = DATA / "timing" / name / name
    suffixes = {"netlist": ".v", "sdc": ".sdc", "spef": ".spef.xz", "def": ".def.xz"}
    return {kind: Path(f"{stem}{suffix}") for kind, suffix in suffixes.items()}


@cache
def example(name: str) -> Example:
    return read_example(files(name), read(LIB), name, technology=read_lef(LEF))


@cache
def trained() -> PlacedWires:
    model = PlacedWires(0)
    model.fit([example(name) for name in NAMES[:2]], [], {**SETTINGS, "folds": 2}, None)
    return model


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    code, out, err = run(capsys, *map(str, words), "--json")
    assert code == 0, err
    return json.loads(out)


def predict(name: str) -> list[object]:
    own = files(name)
    return ["predict", "timing", own["netlist"], "--liberty", LIB, "--sdc", own["sdc"]]


# -- circuits of DEF files, calibration ----------------------------------------------------------


def test_a_def_holds_the_netlist_that_it_places() -> None:
    technology = read_lef(LEF)
    layout = read(files(NAMES[0])["def"], format="def", technology=technology)
    found = circuit_of_layout(layout, technology)
    wanted = example(NAMES[0]).inputs.circuit
    assert sorted(found.cell_names.texts()) == sorted(wanted.cell_names.texts())

    def connections(circuit: Any) -> set[tuple[str, str, str]]:
        nets, cells = circuit.net_names.texts(), circuit.cell_names.texts()
        kinds = [circuit.types[row] for row in circuit.cell_type.tolist()]
        return {
            (cells[cell], kinds[cell].ports[circuit.pin_port[pin]].name, nets[circuit.pin_net[pin]])
            for pin, cell in enumerate(circuit.pin_cell.tolist())
            if circuit.pin_net[pin] >= 0
        }

    assert connections(found) == connections(wanted)
    assert (found.net_driver >= 0).sum() == (wanted.net_driver >= 0).sum()


def test_a_component_without_a_shape_is_refused_or_left_out(samples: Path) -> None:
    technology = read_lef(samples / "small.lef")
    layout = read(samples / "small.def", format="def", technology=technology)
    assert circuit_of_layout(layout, technology).num_cells == 4
    less = replace(technology, shapes={name: s for name, s in technology.shapes.items() if name != "DFF"})
    with pytest.raises(CircuitError, match="'DFF'.*--black-box"):
        circuit_of_layout(layout, less)
    found = circuit_of_layout(layout, less, black_box=True)
    assert any("no LEF holds" in line for line in found.notes.lines())


@pytest.mark.parametrize("trees", ["steiner", "spanning"])
def test_calibration_gives_back_what_parasitics_were_made_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trees: str
) -> None:
    one = example(NAMES[0]).inputs
    parasitics = placement_parasitics(one.trees(trees), one.circuit, CONSTANTS)
    write(parasitics, tmp_path / "made.spef")
    words = ["calibrate", "timing", "--def", files(NAMES[0])["def"], "--lef", LEF, "--spef", tmp_path / "made.spef"]
    for nets in ((), ("--nets", 50)):
        found = answer(capsys, *words, "--trees", trees, *nets, "-o", tmp_path / "cal.json")
        assert found["constants"] == pytest.approx(CONSTANTS.shown(), rel=2e-3)
        assert found["nets"] == 50 if nets else found["nets"] > 200
        assert found["capacitance_error"] < 1e-3
    code, _, err = run(capsys, *map(str, words), "--nets", "3", "-o", str(tmp_path / "cal.json"))
    assert (code, err.count("\n")) == (1, 1)
    assert "must be 10 or more" in err


def test_a_prediction_over_the_placement_is_that_over_its_own_parasitics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trees, calibrated, give the numbers that their parasitics give when they are read as SPEF."""
    one = example(NAMES[2]).inputs
    write(placement_parasitics(one.trees("steiner"), one.circuit, CONSTANTS), tmp_path / "made.spef")
    calibration = {"kind": "wire constants", "constants": CONSTANTS.shown()}
    (tmp_path / "cal.json").write_text(json.dumps(calibration))
    given = ["--def", files(NAMES[2])["def"], "--lef", LEF, "--calibration", tmp_path / "cal.json"]
    placed = answer(capsys, *predict(NAMES[2]), *given, "-o", tmp_path / "placed")
    extracted = answer(capsys, *predict(NAMES[2]), "--spef", tmp_path / "made.spef", "-o", tmp_path / "spef")
    assert (placed["wires"], placed["delay_model"], extracted["delay_model"]) == ("placement", "dmp", "dmp")
    for key in ("wns_ns", "tns_ns", "hold_wns_ns"):
        assert placed[key] == pytest.approx(extracted[key], abs=2e-4)
    page = (tmp_path / "placed" / "report.html").read_text()
    assert "cal.json" in page
    assert "cells placed" in page
    assert "Worst setup slack of what stands in each part of the die" in page


def test_a_reference_is_compared_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = files(NAMES[2])
    truth = answer(capsys, *predict(NAMES[2]), "--spef", own["spef"], "-o", tmp_path / "truth")
    given = ["--def", own["def"], "--lef", LEF]
    found = []
    for row, reference in enumerate((own["spef"], tmp_path / "truth" / "pins.csv")):
        words = [*predict(NAMES[2]), *given, "--reference", reference, "-o", tmp_path / f"out{row}"]
        found.append(answer(capsys, *words))
        assert "Setup slack against the reference" in (tmp_path / f"out{row}" / "report.html").read_text()
    assert found[0]["reference_setup_mae_ps"] == pytest.approx(found[1]["reference_setup_mae_ps"], abs=0.01)
    assert found[0]["reference_setup_mae_ps"] > 0.1
    same = answer(
        capsys, *predict(NAMES[2]), "--spef", own["spef"], "--reference", own["spef"], "-o", tmp_path / "same"
    )
    assert same["reference_setup_mae_ps"] < 0.01
    assert truth["wns_ns"] == same["wns_ns"]


def test_a_library_that_was_never_routed_takes_the_lef_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(
        capsys,
        *map(str, predict(NAMES[2])),
        "--def",
        str(files(NAMES[2])["def"]),
        "--lef",
        str(LEF),
        "-o",
        str(tmp_path),
    )
    assert code == 0
    assert "nominal resistance and capacitance of the LEF" in err


def test_corners_have_folders_and_the_worst_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow = tmp_path / "slow.lib"
    slow.write_text(LIB.read_text().replace("capacitance : 0.00", "capacitance : 0.02"))
    own = files(NAMES[2])
    words = ["predict", "timing", own["netlist"], "--sdc", own["sdc"], "--spef", own["spef"]]
    found = answer(capsys, *words, "--corner", f"typ={LIB}", "--corner", f"slow={slow}", "-o", tmp_path / "out")
    assert list(found["corners"]) == ["typ", "slow"]
    assert found["wns_ns"] == min(corner["wns_ns"] for corner in found["corners"].values())
    assert (tmp_path / "out" / "slow" / "endpoints.csv").exists()
    assert found["corners"]["slow"]["worst_slack_ns"] < found["corners"]["typ"]["worst_slack_ns"]


# -- the folder of a run -------------------------------------------------------------------------


def laid_out(folder: Path, places: dict[str, str], name: str = NAMES[2]) -> Path:
    for kind, place in places.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        source = {"liberty": LIB, "lef": LEF}.get(kind, files(name).get(kind))
        assert source is not None
        suffix = ".xz" if source.suffix == ".xz" else ""
        shutil.copy(source, f"{target}{suffix}")
    return folder


OPENLANE = {
    "netlist": "results/final/verilog/gl/spi.nl.v",
    "def": "results/final/def/spi.def",
    "sdc": "results/final/sdc/spi.sdc",
    "spef": "results/final/spef/nom/spi.nom.spef",
    "liberty": "pdk/cgl_typ.lib",
    "lef": "pdk/cgl.lef",
}
OPENROAD = {
    "netlist": "results/cgl/spi/base/6_final.v",
    "def": "results/cgl/spi/base/6_final.def",
    "sdc": "results/cgl/spi/base/6_final.sdc",
    "spef": "results/cgl/spi/base/6_final.spef",
    "liberty": "objects/cgl/spi/base/lib/merged.lib",
    "lef": "objects/cgl/spi/base/lef/merged.lef",
}


@pytest.mark.parametrize("places", [OPENLANE, OPENROAD], ids=["openlane", "openroad"])
def test_one_command_from_a_runs_folder(
    places: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = laid_out(tmp_path / "run", places)
    laid_out(folder, {"netlist": "results/synthesis/spi.v", "def": "results/placement/spi.def"}, NAMES[0])
    found = answer(capsys, "predict", "timing", folder, "-o", tmp_path / "out")
    assert (found["wires"], found["design"]) == ("spef", "spi_master")
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"found netlist: {places['netlist']}; 1 other left aside" in page
    guessed = answer(capsys, "predict", "timing", folder, "--wires", "placement", "-o", tmp_path / "two")
    assert guessed["wires"] == "placement"


def test_a_folder_without_what_is_needed_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CircuitError, match="holds no netlist"):
        find_run(tmp_path)
    places = {kind: place for kind, place in OPENLANE.items() if kind != "liberty"}
    code, _, err = run(
        capsys, "predict", "timing", str(laid_out(tmp_path / "run", places)), "-o", str(tmp_path / "out")
    )
    assert code == 1
    assert err.endswith("folder: holds no liberty file: add --liberty\n")


def test_names_and_corners_of_files() -> None:
    for name in ("spi.nl.v", "spi.pnl.v", "spi.nom.spef.gz", "spi.min.spef", "spi.v", "spi.placement.def"):
        assert stem(Path(name)) == "spi", name
    assert stem(Path("6_final.v")) == ""


# -- rows and the learned residual ---------------------------------------------------------------


def test_features_are_finite_and_forget_the_order_of_cells() -> None:
    from tests.subjects import permuted

    one = example(NAMES[0]).inputs
    found = wire_features(one, one.trees("steiner"), CONSTANTS)
    assert found.net.shape == (len(found.nets), len(NET_FEATURES))
    assert found.sink.shape == (len(found.place), len(SINK_FEATURES))
    assert np.isfinite(found.net).all()
    assert np.isfinite(found.sink).all()
    circuit, technology = one.circuit, read_lef(LEF)
    other = permuted(circuit, 0)
    layout = read(files(NAMES[0])["def"], format="def", technology=technology).resolve(other, technology).layout
    prepared = prepare(other, one.library, read_sdc(files(NAMES[0])["sdc"], other, one.library))
    again = replace(one, prepared=prepared, layout=layout, view_cache={})
    second = wire_features(again, again.trees("steiner"), CONSTANTS)
    by_name = {text: row for row, text in enumerate(other.net_names.texts())}
    row = {net: number for number, net in enumerate(second.nets.tolist())}
    order = [row[by_name[circuit.net_names.text(net)]] for net in found.nets.tolist()]
    assert second.net[order] == pytest.approx(found.net, abs=1e-5)


def test_the_untrained_model_is_the_steiner_row_bit_for_bit() -> None:
    one = example(NAMES[2])
    row, model = SteinerTrees(), PlacedWires(3)
    for fitted in (row, model.prior):
        fitted.fit([example(name) for name in NAMES[:2]], [], {}, None)
    wanted, found = row.predict(one.inputs), model.predict(one.inputs)
    for name in ("net_capacitance", "net_resistance", "arrival", "slew", "setup_slack", "hold_slack"):
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


def test_training_brings_the_wires_of_its_own_designs_nearer() -> None:
    def error(model: Any, one: Example) -> float:
        nets = one.inputs.nets
        ratio = model.wires(one.inputs).capacitance[nets] / one.labels.capacitance[nets]
        return float(np.nanmean(np.abs(np.log(ratio))))

    row = SteinerTrees()
    row.fit([example(name) for name in NAMES[:2]], [], {}, None)
    assert all(error(trained(), example(name)) < 0.9 * error(row, example(name)) for name in NAMES[:2])


def test_labels_are_not_read_in_a_prediction_and_states_come_back(tmp_path: Path) -> None:
    from encoders.checkpoint import save
    from tasks.timing.models import load_model

    one = example(NAMES[2])
    wanted = trained().predict(one.inputs)
    nothing = replace(one, labels=TimingLabels(*[np.full(one.inputs.circuit.num_nets, np.nan)] * 2, one.labels.wires))
    np.testing.assert_array_equal(trained().predict(nothing.inputs)["setup_slack"], wanted["setup_slack"])
    save(tmp_path / "model", *trained().state())
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(one.inputs)["setup_slack"], wanted["setup_slack"])
    assert again.intervals["setup"].quantiles == pytest.approx(trained().intervals["setup"].quantiles, rel=1e-4)
    assert again.seen == trained().seen
    damaged = trained().state()
    damaged[1]["intervals"]["setup"]["quantiles"][0][3] = "x"
    save(tmp_path / "bad", *damaged)
    with pytest.raises(CircuitError, match="intervals: are damaged"):
        load_model(tmp_path / "bad")


def test_a_net_far_beyond_all_of_training_counts_as_the_largest_usual_one() -> None:
    model = trained()
    graph = model.graph(example(NAMES[2]))
    graph.x = graph.x.clone()
    graph.x[:, 0] = 30.0
    first = model.heads(graph)[0]
    graph.x[:, 0] = 3000.0
    assert torch.equal(first, model.heads(graph)[0])


def test_few_net_calibration_brings_wires_nearer_and_is_taken_back() -> None:
    one = example(NAMES[2])
    shown = few_nets(one, 20, 0).labels
    assert np.isfinite(shown.capacitance).sum() == 20

    def error(model: PlacedWires) -> float:
        nets = one.inputs.nets
        return float(np.nanmean(np.log(model.wires(one.inputs).capacitance[nets] / one.labels.capacitance[nets])))

    fitted = fitted_constants([one], "steiner")
    twice = {name: replace(c, c0=2 * c.c0, c1=2 * c.c1) for name, c in fitted.items()}
    for seen in (True, False):  # a process of training gets offsets, another one constants
        model = PlacedWires(0)
        if seen:
            model.prior.fitted = twice
        before = error(model)
        model.calibrate(one, 30)
        assert abs(error(model)) < 0.5 * abs(before)
        model.calibrate(one, 0)
        assert error(model) == before


def test_the_residual_is_off_on_a_process_that_training_never_saw() -> None:
    one = example(NAMES[2])
    model = PlacedWires.from_state(*trained().state())
    model.prior.given, model.prior.fitted = dict(model.prior.fitted), {}
    np.testing.assert_array_equal(model.wires(one.inputs).capacitance, model.prior.wires(one.inputs).capacitance)
    model.calibrate(one, None)
    match = model.match_of(one.inputs)
    assert 0.2 < match.strength_c <= 1.0  # the nets bear the residual out: it is of the same process in truth


def test_strength_and_offset_by_hand() -> None:
    residual = np.array([-0.2, 0.0, 0.2, 0.4] * 250)
    strength, offset = matched(0.7 * residual + 0.1, residual, np.ones(1000), None)
    assert strength == pytest.approx(0.7, rel=0.02)
    assert offset == pytest.approx(0.1, rel=0.05)
    assert matched(-residual, residual, np.ones(1000), None)[0] == 0.0
    assert matched(np.zeros(0), np.zeros(0), np.zeros(0), None) == (0.0, 0.0)


def test_what_lies_outside_of_training_is_said() -> None:
    model = trained()
    assert model.strangeness(example(NAMES[0]).inputs) == []
    other = PlacedWires(0)
    other.seen = {name: [high + 10, high + 11] for name, (_, high) in model.seen.items()}
    other.prior.given = dict(model.prior.fitted)
    lines = other.strangeness(example(NAMES[0]).inputs)
    assert any(line.startswith("process ") for line in lines)
    assert any(line.startswith("utilisation ") for line in lines)


def test_a_learned_prediction_has_intervals_and_says_what_it_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from encoders.checkpoint import save

    save(tmp_path / "model", *trained().state())
    words = [*predict(NAMES[2]), "--model", tmp_path / "model"]
    code, _, err = run(capsys, *map(str, words), "-o", str(tmp_path / "out"))
    assert code == 1
    assert "learns wires over a placement: add --def and --lef" in err
    given = ["--def", files(NAMES[2])["def"], "--lef", LEF]
    found = answer(capsys, *words, *given, "-o", tmp_path / "out")
    assert (found["source"], found["interval_level"]) == ("learned", 0.9)
    with (tmp_path / "out" / "endpoints.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert float(row["lower"]) <= float(row["upper"])
        assert 0 <= float(row["probability"]) <= 1
    late = [float(row["probability"]) for row in rows if row["check"] not in {"hold", "removal"}]
    assert found["expected_setup_violations"] == pytest.approx(sum(late), abs=0.01 + 5e-4 * len(late))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "90% interval" in page
    assert "the model changed it by" in page
    known = answer(capsys, *words, *given, "--known", files(NAMES[2])["spef"], "-o", tmp_path / "known")
    assert known["wns_ns"] != found["wns_ns"]
    assert "calibrated on " in (tmp_path / "known" / "report.html").read_text()
    timing = trained().predict(example(NAMES[2]).inputs).about["timing"]
    intervals = trained().intervals_of(example(NAMES[2]).inputs)
    wide = confidence_of(intervals, example(NAMES[2]).inputs, timing, 0.95)
    slim = confidence_of(intervals, example(NAMES[2]).inputs, timing, 0.5)
    assert (wide.upper - wide.lower >= slim.upper - slim.lower - 1e-18).all()


# -- folders of designs --------------------------------------------------------------------------


def test_a_table_of_designs_comes_back_and_families_stay_on_one_side(tmp_path: Path) -> None:
    own = files(NAMES[0])
    one = DesignFiles(
        "a", "f", "train", own["netlist"], own["sdc"], (LIB,), own["spef"], own["def"], (LEF,), black_box=True
    )
    write_designs(tmp_path, [one, replace(one, design="b", family="g", split="test", spef=None)])
    found = read_designs(tmp_path)
    assert [(d.design, d.family, d.split, d.black_box) for d in found] == [
        ("a", "f", "train", True),
        ("b", "g", "test", True),
    ]
    assert found[0].liberty[0].resolve() == LIB.resolve()
    assert design_example(found[0]).inputs.layout is not None
    assert design_example(found[1]).labels is None
    for bad, rule in (
        (replace(one, design="b", split="test"), "stands in train and in test"),
        (replace(one, family="g"), "stands twice"),
        (replace(one, design="b", family="g", split="all"), "is none of train, validation, test"),
    ):
        write_designs(tmp_path, [one, bad])
        with pytest.raises(CircuitError, match=rule):
            read_designs(tmp_path)


def test_rows_need_a_placement() -> None:
    own = files(NAMES[0])
    bare = read_example(own, read(LIB), "x")
    with pytest.raises(CircuitError, match="has no placement: give --def and --lef"):
        PlacedTrees().predict(bare.inputs)


def test_trees_of_every_shipped_design_span_its_nets() -> None:
    one = example(NAMES[2]).inputs
    assert one.layout is not None
    trees = net_trees(one.circuit, one.layout, "steiner")
    assert (np.diff(trees.start)[one.nets] >= 2).all()
    assert trees.left_out == 0


def test_the_shipped_model_is_there_and_says_where_it_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was trained on two other processes, so on ours the correction is off and the answer is the analytic one."""
    given = [*predict(NAMES[2]), "--def", files(NAMES[2])["def"], "--lef", LEF]
    plain = answer(capsys, *given, "-o", tmp_path / "plain")
    code, out, err = run(capsys, *map(str, given), "--model", "shipped", "--json", "-o", str(tmp_path / "out"))
    assert code == 0
    assert "the learned correction is off" in err
    assert "not to be trusted here" in err
    assert json.loads(out)["wns_ns"] == plain["wns_ns"]


def test_the_shipped_model_gains_on_a_routed_design_that_it_never_saw(
    shared_data: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lib, golden = shared_data("timing/lib"), shared_data("timing/golden")
    stem = shared_data("timing/designs/tt_mitssdd") / "tt_mitssdd"
    words = ["predict", "timing", f"{stem}.v", "--sdc", f"{stem}.sdc", "--liberty", lib / "sky130hd_tt.lib.xz"]
    words += ["--def", f"{stem}.def", "--lef", lib / "sky130hd.lef.xz"]
    words += ["--reference", golden / "tt_mitssdd.dmp_ceff_elmore.csv.xz", "--black-box"]
    analytic = answer(capsys, *words, "-o", tmp_path / "analytic")
    ours = answer(capsys, *words, "--model", "shipped", "-o", tmp_path / "learned")
    assert ours["reference_setup_mae_ps"] < 0.9 * analytic["reference_setup_mae_ps"] < 20
    with (tmp_path / "learned" / "endpoints.csv").open() as file:
        assert all(row["lower"] for row in csv.DictReader(file))


# -- odd input -----------------------------------------------------------------------------------


def test_a_calibration_keeps_its_trees_and_its_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = files(NAMES[2])
    given = ["--def", own["def"], "--lef", LEF]
    words = ["calibrate", "timing", *given, "--spef", own["spef"], "--trees", "spanning", "-o", tmp_path / "cal.json"]
    answer(capsys, *words)
    code, _, err = run(
        capsys, *map(str, [*predict(NAMES[2]), *given, "--calibration", tmp_path / "cal.json", "-o", tmp_path / "out"])
    )
    assert code == 0
    assert "wires: spanning trees over the placement with constants of cal.json" in err
    found = json.loads((tmp_path / "cal.json").read_text())
    for change, rule in (
        ({"process": "m1; rows 9"}, "is of another process"),
        ({"trees": "oak"}, "neither steiner nor"),
    ):
        (tmp_path / "bad.json").write_text(json.dumps(found | change))
        words = [*predict(NAMES[2]), *given, "--calibration", tmp_path / "bad.json", "-o", tmp_path / "out"]
        code, _, err = run(capsys, *map(str, words))
        assert (code, rule in err) == (1, True), err


def test_one_design_calibrates_no_intervals() -> None:
    with pytest.raises(CircuitError, match="two designs or more"):
        PlacedWires(0).fit([example(NAMES[0])], [], {**SETTINGS, "folds": 5}, None)
    model = PlacedWires(0)
    model.fit([example(NAMES[0])], [], {**SETTINGS, "epochs": 2, "folds": 0}, None)
    assert model.intervals_of(example(NAMES[0]).inputs) == {}


def test_a_design_without_checks_is_measured(tmp_path: Path) -> None:
    own = files(NAMES[0])
    (tmp_path / "none.sdc").write_text("set unused 1\n")
    bare = read_example({**own, "sdc": tmp_path / "none.sdc"}, read(LIB), "x", technology=read_lef(LEF))
    row = SteinerTrees()
    row.fit([example(NAMES[1])], [], {}, None)
    found = measure(bare, row.predict(bare.inputs))
    assert found["setup endpoints"] == 0
    assert np.isnan(found["setup TNS error %"])
    assert found["log C MAE"] < 1


@pytest.mark.parametrize("line", ["u1/Z,1,0.5", "u1/Z,1" + ",x" * 10])
def test_a_table_of_pins_with_a_bad_row_is_refused(line: str, samples: Path, tmp_path: Path) -> None:
    from circuitgraph.analysis.sta_output import PIN_COLUMNS

    circuit = read(samples / "small.v", library=read(samples / "small.lib"))
    (tmp_path / "pins.csv").write_text(",".join(PIN_COLUMNS) + "\n\n" + line + "\n")
    with pytest.raises(CircuitError, match="holds a number that is none"):
        read_pins(tmp_path / "pins.csv", circuit)


def test_a_placement_without_a_die_is_refused() -> None:
    one = example(NAMES[0]).inputs
    assert one.layout is not None
    flat = replace(one, layout=replace(one.layout, die=(0.0, 0.0, 0.0, 0.0)), view_cache={})
    with pytest.raises(CircuitError, match="has no die area"):
        wire_features(flat, flat.trees("steiner"), CONSTANTS)
