"""What the commands print and write: stable names of the design's section 10, equal results whatever the block size."""

from __future__ import annotations

import ast
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuitgraph.errors import CircuitError
from circuitgraph.files import hash_file
from tasks.cli import main, parser

PINS = (
    "pin,endpoint,late_rise_arrival,late_fall_arrival,early_rise_arrival,early_fall_arrival,"
    "late_rise_slew,late_fall_slew,early_rise_slew,early_fall_slew,setup_slack,hold_slack"
)
ENDPOINTS = "endpoint,check,slack,lower,upper,arrival,required,clock,probability"
SUMMARY = [
    "design",
    "wns_ns",
    "tns_ns",
    "hold_wns_ns",
    "worst_slack_ns",
    "hold_worst_slack_ns",
    "endpoints",
    "violating",
    "unconstrained",
    "wires",
    "delay_model",
    "source",
    "unmatched",
    "seconds",
]
WRITTEN = ["delays.sdf", "endpoints.csv", "pins.csv", "report.html", "required.csv", "summary.json"]


@pytest.fixture
def workplace(tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The samples in a folder that is the working folder."""
    folder = tmp_path / "work"
    shutil.copytree(samples, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CIRCUITGRAPH_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    """Small untrained encoders of both views, and a model of wires trained for two epochs."""
    from circuitgraph.formats import read
    from circuitgraph.pyg import to_data
    from circuitgraph.views import logic_view, timing_view
    from encoders.checkpoint import load_encoder, save, save_encoder
    from encoders.encoder import Schema, make_encoder
    from tasks.timing.inputs import read_example
    from tasks.timing.learned import LearnedWires

    folder = tmp_path_factory.mktemp("checkpoints")
    library = read(samples / "small.lib")
    files = {key: samples / f"small.{suffix}" for key, suffix in (("netlist", "v"), ("sdc", "sdc"), ("spef", "spef"))}
    example = read_example(files, library, "small")
    circuit = example.inputs.circuit
    for name, view in (("logic", logic_view(circuit)), ("timing", timing_view(circuit, library))):
        save_encoder(
            folder / name, make_encoder("residual", Schema.of(to_data(view)), 0, width=8, layers=1), "residual"
        )
    model = LearnedWires(*load_encoder(folder / "timing"))
    model.fit([example], [], {"epochs": 4, "learning_rate": 0.05}, None)
    save(folder / "model", *model.state())
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = run(capsys, *words, "--json")
    assert code == 0, err
    return json.loads(out)


# -- inspect -----------------------------------------------------------------------------------

NUMBERS = ("inputs", "outputs", "latches", "cells", "nets", "pins")
CIRCUIT = ["file", "format", "name", *NUMBERS, "levels", "cell_types", "checks"]
EXPECTED: dict[str, dict[str, Any]] = {
    "small.bench": {
        **dict(zip(NUMBERS, (2, 2, 1, 6, 8, 17), strict=True)),
        "levels": 3,
        "cell_types": {"NAND2": 3, "XOR2": 2, "DFF": 1},
    },
    "small.aag": {
        **dict(zip(NUMBERS, (2, 2, 1, 5, 7, 14), strict=True)),
        "levels": 3,
        "cell_types": {"AND2": 4, "LATCH": 1},
        "bad": 1,
        "constraint": 1,
    },
    "small.v": {
        **dict(zip(NUMBERS, (3, 2, 1, 4, 7, 10), strict=True)),
        "levels": 2,
        "cell_types": {"INV": 2, "DFF": 1, "NAND2": 1},
    },
    "small.lib": {"cells": 3, "arcs": 6, "tables": 16},
    "small.spef": {
        "nets": 7,
        "ground_capacitances": 8,
        "coupling_capacitances": 2,
        "resistors": 10,
        "total_capacitance_ff": 14.0,
    },
}
FORMATS = {"bench": "bench", "aag": "aiger", "v": "verilog", "lib": "liberty", "spef": "spef"}


@pytest.mark.parametrize("name", EXPECTED)
def test_inspect_gives_the_stable_names(name: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--liberty", "small.lib"] if name == "small.v" else []
    (record,) = answer(capsys, "inspect", name, *words)
    head = {"file": name, "format": FORMATS[name.split(".")[1]], "name": "small"}
    checks = {"checks": []} if "cell_types" in EXPECTED[name] else {}
    assert record == head | EXPECTED[name] | checks
    order = [key for key in CIRCUIT if key in record]
    assert list(record)[: len(order)] == order
    assert all(type(record[key]) is int for key in (*NUMBERS, "levels", "arcs", "tables", "resistors") if key in record)


def test_inspect_without_directions_has_no_levels(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "small.v").write_text(
        "module small (a, b);\n  inout a, b;\n  NOVEL u1 (.left(a), .right(b));\nendmodule\n"
    )
    (record,) = answer(capsys, "inspect", "small.v")
    assert "levels" not in record
    assert record["inouts"] == 2
    assert {"unknown cell type", "unknown direction"} <= {check["name"] for check in record["checks"]}


def test_inspect_counts_every_kind_of_property(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "p.aag").write_text("aag 2 2 0 0 0 1 2 1 1\n2\n4\n3\n5\n2\n4\n2\n3\n")
    (workplace / "p.aag").write_text("aag 2 2 0 0 0 1 2 1 1\n2\n4\n3\n5\n2\n2\n4\n3\n4\n")
    (record,) = answer(capsys, "inspect", "p.aag")
    assert {key: record[key] for key in ("bad", "constraint", "justice", "fairness", "outputs")} == {
        "bad": 1,
        "constraint": 2,
        "justice": 1,
        "fairness": 1,
        "outputs": 0,
    }


def test_inspect_of_several_files_prints_the_good_ones(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "inspect", "small.bench", "none.v", "small.aag", "--json")
    assert code == 1
    assert [record["format"] for record in json.loads(out)] == ["bench", "aiger"]
    assert err.startswith("none.v: file: cannot be read")


def test_text_holds_the_same_numbers(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "small.v").write_text((workplace / "small.v").read_text().replace(".A(n1)", ".A(ghost)"))
    code, out, err = run(capsys, "inspect", "small.v", "--liberty", "small.lib")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "small.v: verilog small: inputs 3  outputs 2  latches 1  cells 4  nets 8  pins 10  levels 1",
        "  cells: INV 2  DFF 1  NAND2 1",
        "  check undriven: 1 (ghost)",
        "  check unloaded: 1 (n1)",
    ]


def test_format_goes_before_the_name(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "small.v").rename(workplace / "small.bench")
    (record,) = answer(capsys, "inspect", "small.bench", "--format", "verilog")
    assert record["format"] == "verilog"


# -- embed -------------------------------------------------------------------------------------


def embedded(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def test_embed_writes_tensors_and_the_names_of_their_rows(
    workplace: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(checkpoints / "logic.safetensors")
    found = answer(
        capsys,
        "embed",
        "small.v",
        "--liberty",
        "small.lib",
        "--model",
        model,
        "-o",
        "x.safetensors",
        "--block-size",
        "2",
    )
    arrays, about = embedded(workplace / "x.safetensors")
    assert set(arrays) == {"nodes", "graph"}
    assert arrays["nodes"].shape == (9, 8)
    assert arrays["graph"].shape == (1, 8)
    assert set(about) == {"circuit_hash", "encoder", "view", "checkpoint"}
    assert about["checkpoint"] == hash_file(model)
    assert (about["encoder"], about["view"]) == ("residual", "logic")
    rows = list(csv.reader((workplace / "x.nodes.tsv").read_text().splitlines(), delimiter="\t"))
    assert rows[0] == ["row", "kind", "name"]
    assert [row[2] for row in rows[1:]] == ["clk", "a", "b", "u1", "u2", "r1", "u3", "y", "q"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(9)]
    assert {"inv", "nand2", "dff", "input", "output"} == {row[1] for row in rows[1:]}
    assert found["nodes"] == [9, 8]


@pytest.mark.parametrize("view", ["logic", "timing"])
def test_blocks_do_not_change_an_embedding(
    view: str, workplace: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    netlist = str(root / "data" / "netlists" / "hamming_encode_32.v")
    words = ["embed", netlist, "--liberty", str(root / "data" / "library" / "cgl_typ.lib")]
    words += ["--model", str(checkpoints / view)]
    found = []
    for number, size in enumerate(((), ("--block-size", "7"), ("--block-size", "100000"))):
        answer(capsys, *words, "-o", f"{number}.safetensors", *size)
        found.append(embedded(workplace / f"{number}.safetensors"))
    whole = found[0][0]["nodes"]
    table = (workplace / "0.nodes.tsv").read_text().splitlines()
    assert len(table) == len(whole) + 1
    assert found[0][1]["view"] == view
    for arrays, about in found[1:]:
        assert about == found[0][1]
        for name, wanted in found[0][0].items():
            np.testing.assert_allclose(arrays[name], wanted, rtol=0, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


# -- doctor, data ------------------------------------------------------------------------------


def test_doctor_names_packages_programs_and_the_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "doctor")
    assert found["healthy"] is True
    assert {"torch", "torch-geometric", "networkx", "pyverilog", "scikit-learn"} <= set(found["packages"])
    assert "ngspice" in found["programs"]
    _, out, _ = run(capsys, "doctor")
    assert "corpus: " in out


def test_doctor_says_what_is_missing_and_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import doctor

    monkeypatch.setattr(doctor, "NEEDED", ("numpy", "no-such-package"))
    monkeypatch.setattr(doctor, "EXTRAS", {"no-such-extra": "eda"})
    code, out, _ = run(capsys, "doctor")
    assert code == 1
    assert "no-such-package is missing: pip install no-such-package" in out
    assert "no-such-extra is missing: pip install circuitgraph-learn[eda]" in out


def test_data_lists_families_on_one_side_each(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "data", "list")
    splits = {row["family"]: row["split"] for row in found["families"]}
    assert len(splits) == len(found["families"])
    assert set(splits.values()) == {"train", "validation", "test"}
    assert sum(row["netlists"] for row in found["families"]) == found["total"]["netlists"]


def test_data_verify_names_the_file_that_differs(
    workplace: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tasks.corpus_recipe import COLUMNS

    corpus = workplace / "corpus"
    (corpus / "library").mkdir(parents=True)
    shutil.copy(root / "data" / "library" / "cgl_typ.lib", corpus / "library")
    row = dict.fromkeys(COLUMNS, "") | {"file": "library/cgl_typ.lib", "kind": "library"}
    row["sha256"] = hash_file(corpus / "library" / "cgl_typ.lib")
    (corpus / "MANIFEST.csv").write_text(f"{','.join(COLUMNS)}\n{','.join(row.values())}\n")
    assert answer(capsys, "data", "verify", "--data", "corpus")["files"] == 1
    (corpus / "library" / "cgl_typ.lib").write_text("other")
    code, _, err = run(capsys, "data", "verify", "--data", "corpus")
    assert code == 1
    assert "library/cgl_typ.lib: differs from the MANIFEST" in err
    assert run(capsys, "data", "rebuild")[0] == 1


# -- predict timing ----------------------------------------------------------------------------

PREDICT = ("predict", "timing", "small.v", "--liberty", "small.lib", "--sdc", "small.sdc")


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def pins(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "pins.csv").open() as file:
        return {row["pin"]: row for row in csv.DictReader(file)}


def test_predict_writes_six_files_with_stable_names(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, *PREDICT, "-o", "out")
    assert list(written(workplace / "out")) == WRITTEN
    assert (workplace / "out" / "pins.csv").read_text().splitlines()[0] == PINS
    assert (workplace / "out" / "endpoints.csv").read_text().splitlines()[0] == ENDPOINTS
    summary = json.loads((workplace / "out" / "summary.json").read_text())
    assert list(summary) == SUMMARY
    assert (summary["design"], summary["wires"], summary["source"]) == ("small", "fan-out", "analytic")
    assert {key: found[key] for key in SUMMARY} == summary
    rows = pins(workplace / "out")
    assert list(rows) == [
        "u1/A",
        "u1/Z",
        "u2/A",
        "u2/B",
        "u2/Z",
        "r1/D",
        "r1/CK",
        "r1/Q",
        "u3/A",
        "u3/Z",
        *["clk", "a", "b", "y", "q"],
    ]
    assert {name for name, row in rows.items() if row["setup_slack"]} == {"r1/D", "y", "q"}
    assert {name for name, row in rows.items() if row["endpoint"] == "1"} == {"r1/D", "y", "q"}


def test_wires_and_delay_model_take_their_defaults_and_can_be_named(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spef = ("--spef", "small.spef")
    for number, (words, wires, delay_model) in enumerate(
        (
            ((), "fan-out", "dmp"),
            (spef, "spef", "dmp"),
            (("--wires", "zero"), "zero", "lumped_cap"),
            ((*spef, "--wires", "zero"), "zero", "lumped_cap"),
            ((*spef, "--wires", "fan-out"), "fan-out", "dmp"),
            ((*spef, "--delay-model", "lumped_cap"), "spef", "lumped_cap"),
            ((*spef, "--delay-model", "elmore"), "spef", "elmore"),
            (("--def", "small.def", "--lef", "small.lef"), "placement", "dmp"),
            ((*spef, "--def", "small.def", "--lef", "small.lef"), "spef", "dmp"),
        )
    ):
        found = answer(capsys, *PREDICT, *words, "-o", f"out{number}")
        assert (found["wires"], found["delay_model"]) == (wires, delay_model)
    tables = [written(workplace / f"out{number}")["pins.csv"] for number in range(9)]
    assert tables[2] == tables[3]
    assert tables[0] == tables[4]
    assert tables[1] == tables[8]
    assert len({tables[0], tables[1], tables[2], *tables[5:8]}) == 6


def test_a_path_by_hand_without_wires(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Input at 0.1 ns with slew 0.02 through INV under the input of NAND2: 1.2 fF on the first row of the table.

    Rise at u1/Z: delay at (0.02, 0.0012) between 0.020, 0.060 (slew 0.01) and 0.030, 0.072 (slew 0.10).
    """
    answer(capsys, *PREDICT, "--wires", "zero", "-o", "out")
    share_slew, share_load = 0.01 / 0.09, 0.0002 / 0.009
    fast, slow = 0.020 + share_load * 0.040, 0.030 + share_load * 0.042
    assert float(pins(workplace / "out")["u1/Z"]["late_rise_arrival"]) == pytest.approx(
        0.1 + fast + share_slew * (slow - fast), abs=2e-6
    )


def test_blocks_do_not_change_a_bit(workplace: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design = root / "data" / "timing" / "barrel_shift_32" / "barrel_shift_32"
    words = ["predict", "timing", f"{design}.v", "--liberty", str(root / "data" / "library" / "cgl_typ.lib")]
    words += ["--sdc", f"{design}.sdc", "--spef", f"{design}.spef.xz"]
    found = []
    for size in ((), ("--block-size", "1"), ("--block-size", "97")):
        folder = f"out{''.join(size)}"
        answer(capsys, *words, *size, "-o", folder)
        found.append(written(workplace / folder))
    for other in found[1:]:
        assert other["pins.csv"] == found[0]["pins.csv"]
        assert other["endpoints.csv"] == found[0]["endpoints.csv"]


def test_a_model_gives_other_wires_and_says_that_it_guessed(
    workplace: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *PREDICT, "--model", str(checkpoints / "model"), "-o", "learned")
    assert code == 0
    assert "learned; wires learned, dmp" in out
    assert "guessed from the netlist alone" in err
    answer(capsys, *PREDICT, "-o", "plain")
    assert list(written(workplace / "learned")) == WRITTEN
    assert written(workplace / "learned")["pins.csv"] != written(workplace / "plain")["pins.csv"]
    assert json.loads((workplace / "learned" / "summary.json").read_text())["source"] == "learned"


def test_names_that_do_not_match_are_counted(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sdc = (workplace / "small.sdc").read_text().replace("{a b}", "{a b c d e f}")
    (workplace / "small.sdc").write_text(sdc)
    with (workplace / "small.spef").open("a") as file:
        file.write("\n*D_NET other 1.0\n*CONN\n*I u9:Z O\n*CAP\n1 u9:Z 1.0\n*END\n")
    code, _, err = run(capsys, *PREDICT, "--spef", "small.spef", "-o", "out")
    assert code == 0
    unmatched = json.loads((workplace / "out" / "summary.json").read_text())["unmatched"]
    assert unmatched == {"nets_without_parasitics": 0, "unknown_nets": 1, "unknown_pins": 1, "constraints": 4}
    assert "the circuit does not have: 4 (first: small.sdc:3 c, small.sdc:3 d, small.sdc:3 e)" in err
    page = (workplace / "out" / "report.html").read_text()
    assert "the circuit does not have: 4" in page
    assert "not in the netlist: other" in page


@pytest.mark.parametrize("sdc", ["set v 1\n", "create_clock -name v -period 1\n"])
def test_a_design_without_a_constrained_endpoint_does_not_look_clean(
    sdc: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "small.sdc").write_text(sdc)
    code, out, err = run(capsys, *PREDICT, "-o", "out")
    assert code == 0
    assert out.startswith("small: no constrained endpoint (analytic; wires fan-out, dmp, ")
    assert "WNS" not in out
    line = (
        "unconstrained: 3 endpoints without a check (r1/D, y, q); 1 register clock pin without a clock (r1/CK); "
        "3 input ports without input delay (clk, a, b); 2 output ports without output delay (y, q)"
    )
    assert err.splitlines().count(line) == 1
    summary = json.loads((workplace / "out" / "summary.json").read_text())
    assert list(summary) == SUMMARY
    slacks = ("wns_ns", "tns_ns", "hold_wns_ns", "worst_slack_ns", "hold_worst_slack_ns")
    assert {name: summary[name] for name in slacks} == dict.fromkeys(slacks)
    assert summary["unconstrained"] == {"endpoints": 3, "clock_pins": 1, "inputs": 3, "outputs": 2}
    assert f'<p class="warn">{line}</p>' in (workplace / "out" / "report.html").read_text()


def test_a_constrained_design_says_nothing_of_it(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *PREDICT, "-o", "out")
    assert code == 0
    assert "unconstrained" not in out + err + (workplace / "out" / "report.html").read_text()
    summary = json.loads((workplace / "out" / "summary.json").read_text())
    assert summary["unconstrained"] == {"endpoints": 0, "clock_pins": 0, "inputs": 0, "outputs": 0}
    with (workplace / "out" / "endpoints.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name, check in (("worst_slack_ns", "setup"), ("hold_worst_slack_ns", "hold")):
        worst = min(float(row["slack"]) for row in rows if row["check"] == check)
        assert summary[name] == pytest.approx(worst, rel=1e-5, abs=1e-6)
    assert summary["worst_slack_ns"] > 0 == summary["wns_ns"]


def test_analytic_prediction_imports_no_torch(workplace: Path, root: Path) -> None:
    words = [*PREDICT, "--spef", "small.spef", "-o", "out"]
    code = (
        f"import sys\nsys.path.insert(0, {str(root)!r})\nfrom tasks.cli import main\n"
        f"code = main({words!r})\nprint(sorted({{m.partition('.')[0] for m in sys.modules}}))\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=workplace)
    assert done.returncode == 0, done.stderr
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert "numpy" in loaded
    assert not loaded & {"torch", "torch_geometric", "lightning", "sklearn", "pydantic"}


# -- the words themselves ----------------------------------------------------------------------


def commands() -> list[list[str]]:
    actions = [action for action in parser()._actions if isinstance(action.choices, dict)]
    return [[], *([name] for name in actions[0].choices), ["predict", "timing"]]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: {' '.join(['circuitgraph', *words])}")
    assert max(len(line) for line in out.splitlines()) < 200


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from circuitgraph import __version__

    assert run(capsys, "--version")[:2] == (0, f"circuitgraph-learn {__version__}\n")


def faults_of_errors(text: str) -> list[str]:
    """Calls of CircuitError that do not give four parts."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "CircuitError":
            parts = node.args
            # the Verilog parser hands the last three on as one tuple: CircuitError(place, *fault.parts)
            starred = len(parts) == 2 and ast.unparse(parts[1]) in {"*fault.parts", "*parts"}
            if not starred and (len(parts) != 4 or node.keywords):
                found.append(f"line {node.lineno}: {len(parts)} parts")
            found += [
                f"line {node.lineno}: an empty part"
                for part in parts
                if isinstance(part, ast.Constant) and not str(part.value or "").strip()
            ]
    return found


def test_every_error_has_four_parts(root: Path) -> None:
    files = [path for floor in ("circuitgraph", "encoders", "tasks") for path in sorted((root / floor).rglob("*.py"))]
    found = {path.name: faults_of_errors(path.read_text()) for path in files}
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert faults_of_errors("raise CircuitError('a', 'b', 'c')") == ["line 1: 3 parts"]
    assert faults_of_errors("raise errors.CircuitError('a', 'b', '', 'c')") == ["line 1: an empty part"]
    with pytest.raises(TypeError):
        CircuitError("a", "b", "c")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--seed", "-1"], "--seed: -1: must lie between 0 and"),
        (["evaluate", "masked-gates", "--model", "x"], "is for the timing table"),
        (["inspect", "folder/none.sdf"], "SDF is not read yet"),
    ],
)
def test_requests_that_are_refused(arguments: list[str], said: str, capsys, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "none.sdf").write_text("(DELAYFILE")
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert said in capsys.readouterr().err


def test_json_never_holds_nan() -> None:
    from encoders.run import finite

    assert (
        json.dumps(finite({"a": [float("nan"), (1.5, float("inf"))]}), allow_nan=False) == '{"a": [null, [1.5, null]]}'
    )


def test_inspect_names_files_as_they_were_given(tmp_path: Path, capsys) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "empty.v").write_text("")
    files = [str(tmp_path / name / "empty.v") for name in ("a", "b")]
    assert main(["inspect", *files]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == files


def test_a_finetune_recipe_of_another_view_is_refused(tmp_path: Path, capsys) -> None:
    (tmp_path / "r.toml").write_text('[data]\nview = "logic"\n')
    assert main(["finetune", str(tmp_path / "r.toml"), "-o", str(tmp_path / "run")]) == 1
    assert "the timing task reads placed designs" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
