"""The fault table of the design, command by command: one line, the right exit code, and nothing half-written.

``tests/golden/messages.txt`` holds ``name | exit code | message`` of every case; ``pytest --update-goldens`` writes it.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from circuitgraph.files import folder_lock, hash_file
from tasks.cli import main

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "messages.txt"
Edit = Callable[[Path], None]

UNKNOWN = "  NOVEL u4 (.A(n1), .Z(n4));\n"
LOOP = "  NAND2 u5 (.A(n6), .B(b), .Z(n5));\n  INV u6 (.A(n5), .Z(n6));\n"
UNDRIVEN = "  NAND2 u7 (.A(ghost), .B(b), .Z(n7));\n"
SEVERAL = "  INV u8 (.A(b), .Z(n1));\n"
PLACED = " --def small.def --lef small.lef"
EMPTY_DEF = "VERSION 5.8 ;\nDESIGN small ;\nUNITS DISTANCE MICRONS 1000 ;\nDIEAREA ( 0 0 ) ( 9 9 ) ;\nEND DESIGN\n"
FLOATING = "  NAND2 u9 (.B(b), .Z(n9));\n"


def append(cells: str) -> Edit:
    """More cells at the end of ``small.v``."""

    def edit(folder: Path) -> None:
        path = folder / "small.v"
        path.write_text(path.read_text().replace("endmodule", cells + "endmodule"))

    return edit


def replace(name: str, old: str, new: str) -> Edit:
    """Another text in a file; the old one must be there."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


def drop(name: str, *connections: str) -> Edit:
    """A DEF file without some of its connections."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        for one in connections:
            text = text.replace(f" ( {one} )", "")
        (folder / name).write_text(text)

    return edit


def truncate(name: str, share: float = 0.6) -> Edit:
    """The first part of a file."""

    def edit(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])

    return edit


def write(name: str, text: str) -> Edit:
    """A file of its own."""

    def edit(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    return edit


def compress_and_cut(name: str) -> Edit:
    """``name.gz`` without its last bytes."""

    def edit(folder: Path) -> None:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes())[:-12])

    return edit


def folder_instead(name: str) -> Edit:
    """A folder where a file is expected: what root cannot read either."""

    def edit(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return edit


def manifest(folder: Path, broken: str = "") -> None:
    """``corpus/`` with two netlists and a placed design; *broken* names a file to cut in half."""
    corpus = folder / "corpus"
    corpus.mkdir()
    rows = ["file,sha256,kind,design,family,split"]
    for name, kind, family, split in (
        ("small.lib", "library", "", ""),
        ("one.v", "netlist", "one", "train"),
        ("two.v", "netlist", "two", "test"),
        ("small.v", "placed", "three", "train"),
    ):
        shutil.copy(folder / ("small.v" if name.endswith(".v") else name), corpus / name)
        if name == broken:
            truncate(name)(corpus)
        rows.append(f"{name},{hash_file(corpus / name)},{kind},{name},{family},{split}")
    (corpus / "MANIFEST.csv").write_text("\n".join(rows) + "\n")
    for name in ("small.sdc", "small.spef"):
        shutil.copy(folder / name, corpus / name)
    import lzma

    (corpus / "small.spef.xz").write_bytes(lzma.compress((folder / "small.spef").read_bytes()))


def broken_corpus(name: str) -> Edit:
    """A corpus with one bad file."""
    return lambda folder: manifest(folder, name)


def forget(name: str, key: str) -> Edit:
    """A JSON file without one of its keys."""

    def edit(folder: Path) -> None:
        about = json.loads((folder / name).read_text())
        del about[key]
        (folder / name).write_text(json.dumps(about))

    return edit


RECIPE = """seed = 0
[data]
view = "logic"
kinds = ["netlist"]
folder = "corpus"
[encoder]
width = 8
layers = 1
[train]
epochs = 1
"""
FINETUNE = """[data]
view = "timing"
kinds = ["placed"]
folder = "corpus"
[encoder]
checkpoint = "timing.safetensors"
[train]
epochs = 1
"""


@dataclass(frozen=True)
class Case:
    """One cell of the table.

    | field | meaning |
    |---|---|
    | command | words of the command line; files lie in the working folder |
    | code | exit code |
    | edits | what is done to the folder first |
    | left | paths that may be new afterwards, by their first part |
    | limit | CIRCUITGRAPH_MAX_BYTES |
    | says | beginning of the lines that make the message; "" = all of standard error |
    """

    command: str
    code: int = 1
    edits: tuple[Edit, ...] = ()
    left: tuple[str, ...] = ()
    limit: str = ""
    says: str = ""
    held: str = ""
    environment: dict[str, str] = field(default_factory=dict)


PREDICT = "predict timing small.v --liberty small.lib --sdc small.sdc -o out"
EMBED = "embed small.v --liberty small.lib --model logic.safetensors -o x.safetensors"
EMBEDDED = ("x.safetensors", "x.nodes.tsv")
RUN = "pretrain recipe.toml -o run"
TUNE = "finetune tune.toml -o run"
WITH_CORPUS = (manifest, write("recipe.toml", RECIPE), write("tune.toml", FINETUNE))

INSPECT_CASES = {
    "wrong path": Case("inspect none.v"),
    "unreadable": Case("inspect small.v", edits=(folder_instead("small.v"),)),
    "truncated verilog": Case("inspect small.v", edits=(truncate("small.v"),)),
    "truncated liberty": Case("inspect small.lib", edits=(truncate("small.lib"),)),
    "truncated spef": Case("inspect small.spef", edits=(truncate("small.spef", 0.5),)),
    "truncated aiger": Case("inspect small.aag", edits=(truncate("small.aag", 0.3),)),
    "truncated bench": Case("inspect small.bench", edits=(truncate("small.bench", 0.99),)),
    "truncated gzip": Case("inspect small.v.gz", edits=(compress_and_cut("small.v"),)),
    "empty": Case("inspect small.v", edits=(write("small.v", ""),)),
    "over the limit": Case("inspect small.v", limit="100"),
    "limit is no number": Case("inspect small.v", limit="many"),
    "unknown format": Case("inspect small.xyz", edits=(write("small.xyz", "hello\n"),)),
    "bad --format": Case("inspect small.v --format verilgo"),
    "wrong --format": Case("inspect small.v --format liberty"),
    "unknown gate of bench": Case("inspect small.bench", edits=(replace("small.bench", "XOR(a", "XRO(a"),)),
    "unknown top": Case("inspect small.v --top smal"),
    "library is no library": Case("inspect small.v --liberty small.v"),
    "sdc alone": Case("inspect small.sdc"),
    "one of two is bad": Case("inspect none.v small.bench"),
    "unknown cell type": Case("inspect small.v --liberty small.lib", 0, (append(UNKNOWN),), says="  check "),
    "loop": Case("inspect small.v --liberty small.lib", 0, (append(LOOP),), says="  check "),
    "undriven": Case("inspect small.v --liberty small.lib", 0, (append(UNDRIVEN),), says="  check "),
    "several drivers": Case("inspect small.v --liberty small.lib", 0, (append(SEVERAL),), says="  check "),
    "floating": Case("inspect small.v --liberty small.lib", 0, (append(FLOATING),), says="  check "),
}

EMBED_CASES = {
    "wrong path": Case(EMBED.replace("small.v", "none.v")),
    "unreadable": Case(EMBED, edits=(folder_instead("small.v"),)),
    "truncated": Case(EMBED, edits=(truncate("small.v"),)),
    "truncated library": Case(EMBED, edits=(truncate("small.lib"),)),
    "over the limit": Case(EMBED, limit="100"),
    "unknown cell type": Case(EMBED, 0, (append(UNKNOWN),), EMBEDDED, says=""),
    "loop": Case(EMBED, edits=(append(LOOP),)),
    "loop, levelised": Case(EMBED.replace("logic.", "levelised."), edits=(append(LOOP),)),
    "loop, timing view": Case(EMBED.replace("logic.", "timing.") + " --view timing", edits=(append(LOOP),)),
    "loop broken": Case(EMBED + " --break-loops", 0, (append(LOOP),), EMBEDDED),
    "loop broken, timing view": Case(
        EMBED.replace("logic.", "timing.") + " --view timing --break-loops", 0, (append(LOOP),), EMBEDDED
    ),
    "undriven": Case(EMBED, 0, (append(UNDRIVEN),), EMBEDDED),
    "several drivers": Case(EMBED, 0, (append(SEVERAL),), EMBEDDED),
    "floating": Case(EMBED, 0, (append(FLOATING),), EMBEDDED),
    "bad output name": Case(EMBED.replace("-o x.safetensors", "-o x.bin")),
    "output under a file": Case(EMBED.replace("-o x", "-o small.lib/x")),
    "output is a folder": Case(EMBED, edits=(folder_instead("x.safetensors"),)),
    "block of nothing": Case(EMBED + " --block-size 0"),
    "no circuit": Case(EMBED.replace("small.v", "small.spef")),
    "encoder of another view": Case(EMBED + " --view timing"),
    "no encoder there": Case(EMBED.replace("logic.", "none.")),
    "foreign checkpoint": Case(
        EMBED.replace("logic.", "foreign."), edits=(write("foreign.json", "{}"), write("foreign.safetensors", "x"))
    ),
    "checkpoint of a model": Case(EMBED.replace("logic.", "model.")),
    "checkpoint that does not say how": Case(EMBED, edits=(forget("logic.json", "config"),)),
    "checkpoint of wrong values": Case(EMBED, edits=(replace("logic.json", '"width": 8', '"width": "8"'),)),
    "damaged weights": Case(EMBED, edits=(truncate("logic.safetensors"),)),
    "nothing shipped": Case(
        EMBED.replace("--model logic.safetensors", ""), edits=WITH_CORPUS, environment={"CIRCUITGRAPH_DATA": "corpus"}
    ),
}

PRETRAIN_CASES = {
    "wrong path": Case("pretrain none.toml -o run"),
    "no toml": Case(RUN, edits=(write("recipe.toml", "seed = = 1\n"),)),
    "unknown key": Case(RUN, edits=(*WITH_CORPUS, replace("recipe.toml", "epochs", "epocs"))),
    "unknown table": Case(RUN, edits=(*WITH_CORPUS, replace("recipe.toml", "[train]", "[trian]"))),
    "wrong type": Case(RUN, edits=(*WITH_CORPUS, replace("recipe.toml", "width = 8", 'width = "8"'))),
    "wrong value": Case(RUN, edits=(*WITH_CORPUS, replace("recipe.toml", '"logic"', '"logik"'))),
    "unknown encoder": Case(
        RUN, edits=(*WITH_CORPUS, replace("recipe.toml", "width = 8", 'name = "residul"\nwidth = 8'))
    ),
    "layers of a levelised encoder": Case(
        RUN, edits=(*WITH_CORPUS, replace("recipe.toml", "width = 8", 'name = "levelised"\nwidth = 8'))
    ),
    "unknown objective": Case(
        RUN, edits=(*WITH_CORPUS, replace("recipe.toml", "[train]", '[objective]\nname = "masked"\n[train]'))
    ),
    "unknown family left out": Case(
        RUN, edits=(*WITH_CORPUS, replace("recipe.toml", 'kinds = ["netlist"]', 'leave_out = ["four"]'))
    ),
    "no corpus": Case(RUN, edits=(write("recipe.toml", RECIPE),)),
    "corpus file missing": Case(RUN, edits=(*WITH_CORPUS, lambda folder: (folder / "corpus" / "one.v").unlink())),
    "corpus file truncated": Case(RUN, edits=(write("recipe.toml", RECIPE), broken_corpus("one.v"))),
    "corpus file over the limit": Case(RUN, edits=WITH_CORPUS, limit="310"),
    "no circuits of the kind": Case(RUN, edits=(*WITH_CORPUS, replace("recipe.toml", '["netlist"]', '["aig"]'))),
    "loop": Case(RUN, edits=(append(LOOP), *WITH_CORPUS)),
    "loop broken": Case(RUN + " --break-loops", 0, (append(LOOP), *WITH_CORPUS), ("run",), says="check"),
    "run folder under a file": Case("pretrain recipe.toml -o small.lib/run", edits=WITH_CORPUS),
    "run folder is a file": Case("pretrain recipe.toml -o small.lib", edits=WITH_CORPUS),
    "run folder in use": Case(RUN, edits=WITH_CORPUS, held="run", left=("run",)),
    "run of another recipe": Case(RUN, edits=(*WITH_CORPUS, write("run/recipe.toml", "seed = 9\n")), left=("run",)),
    "negative seed": Case(RUN + " --seed -1", edits=WITH_CORPUS),
    "unknown cell type": Case(RUN, 0, (append(UNKNOWN), *WITH_CORPUS), ("run",), says="check"),
    "undriven, several drivers, floating": Case(
        RUN, 0, (append(UNDRIVEN + SEVERAL + FLOATING), *WITH_CORPUS), ("run",), says="check"
    ),
}

FINETUNE_CASES = {
    "wrong path": Case("finetune none.toml -o run"),
    "unknown key": Case(TUNE, edits=(*WITH_CORPUS, replace("tune.toml", "checkpoint", "chekpoint"))),
    "encoder of another view": Case(TUNE, edits=(*WITH_CORPUS, replace("tune.toml", "timing.safe", "logic.safe"))),
    "foreign checkpoint": Case(TUNE, edits=(*WITH_CORPUS, replace("tune.toml", "timing.safe", "model.safe"))),
    "parasitics missing": Case(
        TUNE, edits=(*WITH_CORPUS, lambda folder: (folder / "corpus" / "small.spef.xz").unlink())
    ),
    "truncated": Case(TUNE, edits=(write("tune.toml", FINETUNE), broken_corpus("small.v"))),
    "unknown cell type": Case(TUNE, edits=(append(UNKNOWN), *WITH_CORPUS)),
    "loop": Case(TUNE, edits=(append(LOOP), *WITH_CORPUS)),
    "unknown cell type as black box": Case(
        TUNE + " --black-box", 0, (append(UNKNOWN), *WITH_CORPUS), ("run",), says="training"
    ),
    "unknown family left out": Case(
        TUNE, edits=(*WITH_CORPUS, replace("tune.toml", "[encoder]", 'leave_out = ["four"]\n[encoder]'))
    ),
    "run folder in use": Case(TUNE, edits=WITH_CORPUS, held="run", left=("run",)),
    "evaluate without placed designs": Case(
        "evaluate timing --data corpus --model timing.safetensors", edits=WITH_CORPUS
    ),
    "evaluate no corpus": Case("evaluate timing --data none"),
    "evaluate no seeds": Case("evaluate timing --seeds 0"),
    "evaluate wrong encoder": Case("evaluate timing --model logic.safetensors --seeds 1"),
}

PREDICT_CASES = {
    "wrong path": Case(PREDICT.replace("small.v", "none.v")),
    "unreadable": Case(PREDICT, edits=(folder_instead("small.sdc"),)),
    "truncated netlist": Case(PREDICT, edits=(truncate("small.v"),)),
    "truncated library": Case(PREDICT, edits=(truncate("small.lib"),)),
    "truncated sdc": Case(PREDICT, edits=(truncate("small.sdc", 0.45),)),
    "truncated spef": Case(PREDICT + " --spef small.spef", edits=(truncate("small.spef", 0.5),)),
    "over the limit": Case(PREDICT, limit="400"),
    "unknown cell type": Case(PREDICT, edits=(append(UNKNOWN),)),
    "unknown cell type as black box": Case(PREDICT + " --black-box", 0, (append(UNKNOWN),), ("out",)),
    "nothing but black boxes": Case(PREDICT + " --black-box", 0, (write("small.lib", "library (l) {}\n"),), ("out",)),
    "loop": Case(PREDICT, edits=(append(LOOP),)),
    "loop broken": Case(PREDICT + " --break-loops", 0, (append(LOOP),), ("out",)),
    "undriven": Case(PREDICT, 0, (append(UNDRIVEN),), ("out",)),
    "several drivers": Case(PREDICT, 0, (append(SEVERAL),), ("out",)),
    "floating": Case(PREDICT, 0, (append(FLOATING),), ("out",)),
    "spef of another netlist": Case(PREDICT + " --spef small.spef", edits=(replace("small.spef", "*1 n1", "*1 m1"),)),
    "spef that is no spef": Case(PREDICT + " --spef small.v"),
    "sdc names": Case(PREDICT, 0, (replace("small.sdc", "{a b}", "{a b c d e f}"),), ("out",)),
    "sdc unknown command": Case(PREDICT, edits=(replace("small.sdc", "set_input_delay", "set_input_dely"),)),
    "sdc unsupported command": Case(
        PREDICT,
        edits=(write("small.sdc", "create_clock -period 1 [get_ports clk]\nset_data_check -from a -to b 0.1\n"),),
    ),
    "sdc unsupported command ignored": Case(
        PREDICT + " --ignore-sdc",
        0,
        (write("small.sdc", "create_clock -period 1 [get_ports clk]\nset_data_check -from a -to b 0.1\n"),),
        ("out",),
    ),
    "sdc of other units": Case(PREDICT, edits=(replace("small.sdc", "# A", "set_units -time 1ps\n# A"),)),
    "sdc without a clock": Case(PREDICT, 0, (write("small.sdc", "set v 1\n"),), ("out",)),
    "sdc of a clock that reaches nothing": Case(
        PREDICT, 0, (write("small.sdc", "create_clock -name v -period 1\n"),), ("out",)
    ),
    "negative paths": Case(PREDICT + " --paths -1"),
    "spef wires without spef": Case(PREDICT + " --wires spef"),
    "placement wires without def": Case(PREDICT + " --wires placement"),
    "def without lef": Case(PREDICT + " --def small.def"),
    "def of this netlist": Case(PREDICT + PLACED, 0, (), ("out",)),
    "def of another run": Case(
        PREDICT + PLACED, edits=(replace("small.def", "u2 ", "v2 "), replace("small.def", "r1 ", "r2 "))
    ),
    "def without components": Case(PREDICT + PLACED, edits=(write("small.def", EMPTY_DEF),)),
    "def that is empty": Case(PREDICT + PLACED, edits=(write("small.def", ""),)),
    "def with a pin outside the die": Case(
        PREDICT + PLACED, 0, (replace("small.def", "+ FIXED ( 2400 2100 ) W", "+ FIXED ( 9900 2100 ) W"),), ("out",)
    ),
    "def whose cells are of other types": Case(
        PREDICT + PLACED,
        0,
        (replace("small.def", "- u3 INV", "- u3 NAND2"), drop("small.def", "u3 Z", "u3 A")),
        ("out",),
    ),
    "lef without a cell type": Case(PREDICT + PLACED, edits=(replace("small.lef", " DFF", " DFX"),)),
    "calibration without def": Case(PREDICT + " --calibration cal.json", edits=(write("cal.json", "{}"),)),
    "calibration of nothing": Case(PREDICT + PLACED + " --calibration cal.json", edits=(write("cal.json", "{}"),)),
    "calibration that is no json": Case(PREDICT + PLACED + " --calibration small.v"),
    "calibration and model": Case(PREDICT + PLACED + " --model model --calibration c.json"),
    "known parasitics without a model": Case(PREDICT + PLACED + " --known small.spef"),
    "no library": Case("predict timing small.v --sdc small.sdc -o out"),
    "library and corner": Case(PREDICT + " --corner a=small.lib"),
    "corner without a name": Case("predict timing small.v --sdc small.sdc --corner small.lib -o out"),
    "no constraints": Case("predict timing small.v --liberty small.lib -o out"),
    "folder of nothing": Case("predict timing empty -o out", edits=(write("empty/note", ""),)),
    "elmore without resistance": Case(PREDICT + " --wires zero --delay-model elmore"),
    "model and wires": Case(PREDICT + " --wires zero --model model.safetensors"),
    "encoder instead of a model": Case(PREDICT + " --model timing.safetensors"),
    "model that does not say how": Case(PREDICT + " --model model", edits=(forget("model.json", "fan_out"),)),
    "model of another view": Case(
        PREDICT + " --model model", edits=(replace("model.json", '"timing",\n  "features"', '"logic",\n  "features"'),)
    ),
    "foreign model": Case(
        PREDICT + " --model foreign", edits=(write("foreign.json", "[]"), write("foreign.safetensors", "x"))
    ),
    "no model there": Case(PREDICT + " --model none"),
    "block of nothing": Case(PREDICT + " --block-size 0"),
    "unknown top": Case(PREDICT + " --top smoll"),
    "output under a file": Case(PREDICT.replace("-o out", "-o small.lib/out")),
    "output is a file": Case(PREDICT.replace("-o out", "-o small.lib")),
}

CALIBRATE = "calibrate timing --def small.def --lef small.lef --spef small.spef -o out"

CALIBRATE_CASES = {
    "few nets": Case(CALIBRATE),
    "parasitics of another netlist": Case(CALIBRATE, edits=(replace("small.spef", "*1 n1", "*1 m1"),)),
    "no def": Case(CALIBRATE.replace("small.def", "none.def")),
}

USAGE_CASES = {
    "no command": Case("", 2),
    "unknown command": Case("inspekt small.v", 2),
    "unknown option": Case("inspect small.v --libery small.lib", 2),
    "unknown option of embed": Case(EMBED + " --blocksize 3", 2),
    "unknown option of predict": Case(PREDICT + " --delaymodel elmore", 2),
    "abbreviated option": Case("inspect small.v --lib small.lib", 2),
    "unknown task": Case("predict timming", 2),
    "unknown choice": Case(PREDICT + " --wires fanout", 2),
    "missing argument": Case("embed small.v", 2),
    "one argument too many": Case("doctor now", 2),
    "no number": Case(PREDICT + " --block-size many", 2),
    "data action": Case("data lst", 2),
}

TABLES = {
    "inspect": INSPECT_CASES,
    "embed": EMBED_CASES,
    "pretrain": PRETRAIN_CASES,
    "finetune": FINETUNE_CASES,
    "predict timing": PREDICT_CASES,
    "calibrate timing": CALIBRATE_CASES,
    "usage": USAGE_CASES,
}
CASES = {f"{command}: {name}": case for command, table in TABLES.items() for name, case in table.items()}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    """Untrained encoders of both views and a model, as checkpoints."""
    from circuitgraph.formats import read
    from circuitgraph.pyg import to_data
    from circuitgraph.views import logic_view, timing_view
    from encoders.checkpoint import load_encoder, save, save_encoder
    from encoders.encoder import Schema, make_encoder
    from tasks.timing.learned import LearnedWires

    folder = tmp_path_factory.mktemp("checkpoints")
    library = read(samples / "small.lib")
    circuit = read(samples / "small.v", library=library)
    logic, timing = (Schema.of(to_data(view)) for view in (logic_view(circuit), timing_view(circuit, library)))
    for name, kind, schema in (
        ("logic", "residual", logic),
        ("levelised", "levelised", logic),
        ("timing", "residual", timing),
    ):
        save_encoder(folder / name, make_encoder(kind, schema, 0, width=8), kind)
    model = LearnedWires(*load_encoder(folder / "timing"))
    save(folder / "model", *model.state())
    return folder


@pytest.fixture
def workplace(tmp_path: Path, samples: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the samples and the checkpoints, which is the working folder; a cache of its own."""
    folder = tmp_path / "work"
    shutil.copytree(samples, folder)
    for path in checkpoints.iterdir():
        shutil.copy(path, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CIRCUITGRAPH_CACHE", str(tmp_path / "cache"))
    return folder


def read_golden() -> dict[str, str]:
    if not GOLDEN.is_file():
        return {}
    return {line.split(" | ")[0]: line for line in GOLDEN.read_text().splitlines()}


def write_golden(name: str, line: str) -> None:
    known = read_golden() | {name: line}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("".join(f"{known[case]}\n" for case in CASES if case in known))


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def message_of(case: Case, out: str, err: str, folder: Path) -> str:
    lines = out.splitlines() + err.splitlines() if case.says else err.splitlines()
    text = " // ".join(line.strip() for line in lines if line.startswith(case.says))
    return re.sub(r"\d+\.\d+ a second", "N a second", text.replace(f"{folder}/", "").replace(str(folder), "."))


@pytest.mark.parametrize("name", CASES)
def test_every_fault_says_one_line_and_leaves_nothing(
    name: str,
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    update_goldens: bool,
) -> None:
    case = CASES[name]
    for edit in case.edits:
        edit(workplace)
    if case.limit:
        monkeypatch.setenv("CIRCUITGRAPH_MAX_BYTES", case.limit)
    for variable, value in case.environment.items():
        monkeypatch.setenv(variable, value)
    with ExitStack() as stack:
        if case.held:
            stack.enter_context(folder_lock(workplace / case.held))
        before = everything(workplace)
        code = main(case.command.split())
    out, err = capsys.readouterr()
    message = message_of(case, out, err, workplace)
    after = everything(workplace)
    assert code == case.code, err
    assert "Traceback" not in out + err
    if code:
        assert err.count("\n") == 1, err
    new = {path for path in after.keys() - before.keys() if path.split("/")[0] not in case.left}
    assert new == set()
    assert all(after[path] == content for path, content in before.items() if path.split("/")[0] not in case.left)
    assert not [path for path in after if path.endswith(".part")]
    if not case.code:
        assert all((workplace / left).exists() for left in case.left)
    line = f"{name} | {code} | {message}"
    if update_goldens:
        write_golden(name, line)
    assert read_golden().get(name) == line


def test_the_golden_file_has_no_other_cases() -> None:
    assert list(read_golden()) == list(CASES)


def test_every_error_of_the_golden_file_has_four_parts() -> None:
    for line in read_golden().values():
        name, code, message = line.split(" | ", 2)
        if code == "1":
            assert message.count(": ") >= 3, name
            assert len(message) < 420, name


def test_a_half_written_file_and_a_second_line_are_caught(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted defects: what the test above guards is broken once."""
    from tasks.timing import predict

    plain = predict.check_writable

    def untidy(target: Path) -> None:
        (workplace / "pins.csv").write_text("half")
        plain(target)

    monkeypatch.setattr(predict, "check_writable", untidy)
    with pytest.raises(AssertionError, match=r"pins\.csv"):
        test_every_fault_says_one_line_and_leaves_nothing(
            "predict timing: unknown top", workplace, capsys, monkeypatch, False
        )
    (workplace / "pins.csv").unlink()
    monkeypatch.setattr(predict, "check_writable", lambda target: print("working", file=sys.stderr))
    with pytest.raises(AssertionError, match="working"):
        test_every_fault_says_one_line_and_leaves_nothing(
            "predict timing: unknown top", workplace, capsys, monkeypatch, False
        )


def test_a_fault_of_ours_keeps_its_traceback_in_a_file(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import inspection

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(inspection, "inspect_file", broken)
    monkeypatch.setattr("tempfile.tempdir", str(workplace))
    assert main(["inspect", "small.v"]) == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    kept = Path(re.search(r"traceback is in (\S+):", err)[1])  # type: ignore[index]
    assert "ZeroDivisionError: planted" in kept.read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["inspect", "none.v"], 1, "none.v: file: cannot be read"),
        (["inspekt"], 2, "did you mean 'inspect'?"),
        (["inspect", "small.bench"], 0, ""),
    ],
)
def test_end_to_end_in_a_process_of_its_own(
    workplace: Path, root: Path, words: list[str], code: int, said: str
) -> None:
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", "tasks.cli", *words], cwd=workplace, env=environment, capture_output=True, text=True
    )
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
