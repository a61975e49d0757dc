"""Building a corpus: every kind of input, resumed = uninterrupted byte for byte, shards = whole, nothing stale."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuitgraph import corpus_build, corpus_items
from circuitgraph.corpus import MANIFEST, Corpus, code_version
from circuitgraph.corpus_build import FAILURES, BuildOptions, Built, build_corpus
from circuitgraph.corpus_items import ITEMS, item_key, read_record
from circuitgraph.corpus_sources import find_sources, modules_of
from circuitgraph.errors import CircuitError
from circuitgraph.formats import read, write
from circuitgraph.formats.aiger_writer import aiger_bytes
from tests.subjects import FULL_ADDER_BENCH, random_aig, random_circuit

needs_pyosys = pytest.mark.skipif(
    find_spec("pyosys") is None, reason="pyosys is absent: pip install 'circuitgraph-learn[eda]'"
)
RTL = "module counter(input clk, output reg [3:0] q);\n  always @(posedge clk) q <= q + 1;\nendmodule\n"
NETLIST = "module pair(a, b, y);\n  input a, b; output y;\n  wire n;\n  nand u1(n, a, b);\n  not u2(y, n);\nendmodule\n"
UNKNOWN = "module odd(a, y);\n  input a; output y;\n  NOVEL u1(.A(a), .Z(y));\nendmodule\n"
TWO_TOPS = NETLIST + NETLIST.replace("pair", "other").replace("nand", "nor")
FILES = 10
"""Files of the mixed folder that could hold circuits."""
LOOP = "INPUT(a)\nOUTPUT(y)\ny = NAND(a, z)\nz = NOT(y)\n"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Netlists, AIGs, an archive, files without circuits, files with faults."""
    folder = tmp_path / "in"
    (folder / "suite" / "aig").mkdir(parents=True)
    (folder / "netlists").mkdir()
    (folder / "suite" / "full_adder.bench").write_text(FULL_ADDER_BENCH)
    aig = random_aig(1)
    (folder / "suite" / "aig" / "one.aag").write_bytes(aiger_bytes(aig, ascii=True))
    (folder / "suite" / "aig" / "one_opt.aig").write_bytes(aiger_bytes(aig))
    (folder / "netlists" / "pair.v").write_text(NETLIST)
    (folder / "netlists" / "two.v").write_text(TWO_TOPS.replace("module pair", "module first"))
    (folder / "netlists" / "odd.v").write_text(UNKNOWN)
    (folder / "netlists" / "loop.bench").write_text(LOOP)
    (folder / "netlists" / "cut.bench").write_text(FULL_ADDER_BENCH[:-9])
    (folder / "netlists" / "empty.v").write_text("module empty(a, y); input a; output y; assign y = a; endmodule\n")
    (folder / "README.md").write_text("INPUT(a)\n")
    (folder / "c.sdc").write_text("create_clock -period 1\n")
    with tarfile.open(folder / "more.tar.xz", "w:xz") as archive:
        (tmp_path / "packed.bench").write_text(FULL_ADDER_BENCH.replace("NAND", "NOR"))
        archive.add(tmp_path / "packed.bench", "inside/packed.bench")
    return folder


def rows(folder: Path, name: str = MANIFEST) -> list[dict[str, str]]:
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


def built(inputs: Path | list[Path], output: Path, **options: Any) -> tuple[Built, list[str]]:
    said: list[str] = []
    paths = [inputs] if isinstance(inputs, Path) else inputs
    return build_corpus(paths, output, BuildOptions(**{"jobs": 2, **options}), said.append), said


def result(folder: Path) -> dict[str, bytes]:
    """Everything that must be the same whatever happened on the way."""
    names = [MANIFEST, FAILURES, *(str(path.relative_to(folder)) for path in sorted(folder.glob("circuits/*")))]
    names += [path.name for path in folder.glob("circuits/.*")]
    return {name: (folder / name).read_bytes() for name in names}


# -- what is read --------------------------------------------------------------------------------


def test_a_mixed_folder_becomes_a_corpus(mixed: Path, tmp_path: Path) -> None:
    found, _ = built(mixed, tmp_path / "out")
    table = {row["source"]: row for row in rows(tmp_path / "out")}
    assert sorted(table) == [
        "in/more/inside/packed.bench",
        "in/netlists/odd.v",
        "in/netlists/pair.v",
        "in/netlists/two.v",
        "in/suite/aig/one.aag",
        "in/suite/full_adder.bench",
    ]
    assert [row["design"] for row in rows(tmp_path / "out")].count("two.first") == 1
    aig = table["in/suite/aig/one.aag"]
    assert {name: aig[name] for name in ("kind", "suite", "doubles", "cells", "inputs", "latches")} == {
        "kind": "aig",
        "suite": "suite",
        "doubles": "1",
        "cells": "42",
        "inputs": "6",
        "latches": "2",
    }
    odd = table["in/netlists/odd.v"]
    assert {name: odd[name] for name in ("opaque", "levels", "checks", "named", "anonymous")} == {
        "opaque": "1",
        "levels": "-1",
        "checks": "unknown cell type 1",
        "named": "",
        "anonymous": "",
    }
    failures = rows(tmp_path / "out", FAILURES)
    assert [row["file"] for row in failures] == ["in/netlists/cut.bench", "in/netlists/loop.bench"]
    assert "combinational logic must be acyclic" in failures[1]["reason"]
    assert found.about["empty"] == 1
    assert found.about["skipped"] == {"no known format (.md)": 1, "part of other RTL": 0, "sdc": 1}
    assert found.about["suites"]["suite"] == {"files": 3, "netlist": 1, "aig": 1, "doubles": 1}


def test_every_circuit_reads_back_as_it_was(mixed: Path, tmp_path: Path) -> None:
    built(mixed, tmp_path / "out")
    corpus = Corpus(tmp_path / "out", cache="")
    by_design = {entry.design: corpus.circuit(entry) for entry in corpus.entries()}
    assert len(by_design) == len(corpus.entries()) == 7
    assert all(circuit.name == design for design, circuit in by_design.items())
    assert by_design["one"].canonical_hash == random_aig(1).canonical_hash
    assert by_design["full_adder"] == read(mixed / "suite" / "full_adder.bench")
    for top, kind in (("first", "NAND"), ("other", "NOR")):
        circuit = by_design[f"two.{top}"]
        assert {t.name for t in circuit.types if t.name.startswith(kind)}
    assert len({entry.file for entry in corpus.entries()}) == 7


def test_the_corpus_holds_no_pickle(mixed: Path, tmp_path: Path) -> None:
    built(mixed, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert path.suffix in {".csv", ".json", ".aig", ".v", ".bench"} or path.name == ".lock", path
            assert not path.read_bytes().startswith((b"\x80\x04", b"\x80\x05", b"PK")), path


@needs_pyosys
def test_rtl_becomes_aigs_with_the_files_that_it_needs(tmp_path: Path) -> None:
    folder = tmp_path / "rtl"
    folder.mkdir()
    (folder / "counter.v").write_text(RTL)
    system = "module system(input clk, output [3:0] q, output p);\n  counter u(.clk(clk), .q(q));\n"
    (folder / "system.v").write_text(system + "  reg r; always @(posedge clk) r <= ~r; assign p = r;\nendmodule\n")
    (folder / "alone.v").write_text(RTL.replace("counter", "alone").replace("+ 1", "- 1"))
    (folder / "broken.v").write_text(RTL.replace("counter", "broken").replace("q + 1", "missing(q)"))
    found, _ = built(folder, tmp_path / "out")
    table = {row["design"]: row for row in rows(tmp_path / "out")}
    assert sorted(table) == ["alone", "system"]
    assert (table["system"]["kind"], table["system"]["latches"], table["alone"]["latches"]) == ("aig", "5", "4")
    assert table["system"]["made"].startswith("synthesised with pyosys ")
    assert found.about["skipped"]["part of other RTL"] == 1
    assert [(source, top) for source, top, _ in found.failures] == [("rtl/broken.v", "broken")]
    before = rows(tmp_path / "out")
    (folder / "counter.v").write_text(RTL.replace("+ 1", "+ 3"))
    again, _ = built(folder, tmp_path / "out")
    assert again.made == 1
    assert rows(tmp_path / "out") != before


@needs_pyosys
def test_modules_that_rtl_instantiates_are_no_tops(tmp_path: Path) -> None:
    """The reader of netlists does not look into behavioural modules; the netlist inside one is not a circuit."""
    (tmp_path / "in").mkdir()
    system = "module system(input clk, a, output reg q);\n  wire y; pair u(.a(a), .b(q), .y(y));\n"
    system += "  always @(posedge clk) q <= y;\nendmodule\n"
    (tmp_path / "in" / "system.v").write_text(system + NETLIST)
    (tmp_path / "in" / "two.v").write_text(RTL + RTL.replace("counter", "other").replace("+ 1", "+ 2"))
    built(tmp_path / "in", tmp_path / "out")
    assert sorted(row["design"] for row in rows(tmp_path / "out")) == ["system", "two.counter", "two.other"]


@needs_pyosys
def test_faults_of_rtl_name_files_as_people_know_them(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "rtl.tar.gz", "w:gz") as archive:
        (tmp_path / "broken.v").write_text(RTL.replace("q + 1", "q +"))
        archive.add(tmp_path / "broken.v", "broken.v")
    found, _ = built(tmp_path / "in", tmp_path / "out")
    built(tmp_path / "in", tmp_path / "shard", shard=(0, 1))
    built(tmp_path / "in", tmp_path / "shard", merge_only=True)
    ((source, top, reason),) = found.failures
    assert (source, top) == ("in/rtl/broken.v", "counter")
    assert reason.startswith("broken.v: synthesis: Yosys stopped: broken.v:2: ERROR: syntax error")
    assert result(tmp_path / "out") == result(tmp_path / "shard")


@needs_pyosys
def test_rtl_is_mapped_where_a_library_is_named(tmp_path: Path, root: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "counter.v").write_text(RTL)
    library = str(root / "data" / "library" / "cgl_typ.lib")
    built(tmp_path / "in", tmp_path / "out", liberty=(library,), map_rtl=True)
    assert sorted(row["kind"] for row in rows(tmp_path / "out")) == ["aig", "library", "netlist"]
    corpus = Corpus(tmp_path / "out", cache="")
    (entry,) = corpus.entries(kinds=("netlist",))
    assert corpus.circuit(entry).is_sequential.sum() == 4
    assert not any(t.is_opaque for t in corpus.circuit(entry).types)
    assert corpus.view(entry, "timing").num_nodes > 0


def test_mapping_needs_a_library_that_can(tmp_path: Path, mixed: Path, samples: Path) -> None:
    with pytest.raises(CircuitError, match="--map: library: is not named: add --liberty"):
        built(mixed, tmp_path / "out", map_rtl=True)
    with pytest.raises(CircuitError, match="has no cell that ties high"):
        built(mixed, tmp_path / "out", map_rtl=True, liberty=(str(samples / "small.lib"),))


def test_modules_are_found_in_text() -> None:
    text = b"// module no\nmodule a #(parameter N = 1) (x); b u1(); endmodule : a\n/* b */ module b; endmodule\n"
    text += b"module c; endmodule"
    assert modules_of(text) == (["a", "b", "c"], ["a", "c"])
    assert modules_of(b"module a; b u(); endmodule module b; a u(); endmodule") == (["a", "b"], ["a", "b"])


def test_another_corpus_keeps_its_families_and_splits(tmp_path: Path, samples: Path) -> None:
    inner = tmp_path / "corpus"
    inner.mkdir()
    lines = ["file,sha256,kind,design,family,split,licence"]
    for number in range(12):
        write(random_circuit(number), inner / f"c{number}.bench")
        lines.append(f"c{number}.bench,0,netlist,d{number},f{number},{('train', 'validation', 'test')[number % 3]},MIT")
    shutil.copy(samples / "small.v", inner / "small.v")
    shutil.copy(samples / "small.lib", inner / "small.lib")
    lines += [
        "small.v,0,netlist,small,small,test,",
        "small.lib,0,library,,,,",
        "small.v.spef,0,parasitics,small,small,test,",
    ]
    (inner / MANIFEST).write_text("\n".join(lines) + "\n")
    write(random_circuit(99), inner / "unlisted.bench")
    for seed in (0, 1):
        built(inner, tmp_path / f"out{seed}", seed=seed)
        own = [row for row in rows(tmp_path / f"out{seed}") if row["kind"] == "netlist"]
        assert len(own) == 13
        for row in own:
            if row["design"] != "small":
                number = int(row["design"][1:])
                assert (row["family"], row["split"]) == (f"f{number}", ("train", "validation", "test")[number % 3])
                assert row["licence"] == "MIT"
    small = next(row for row in own if row["design"] == "small")
    assert small["opaque"] == "0"
    corpus = Corpus(tmp_path / "out0", cache="")
    assert len(corpus.library_files) == 1


def test_an_index_of_aigs_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "listed"
    (folder / "aig").mkdir(parents=True)
    for number in range(3):
        (folder / "aig" / f"a{number}.aig").write_bytes(aiger_bytes(random_aig(number)))
    (folder / "source.v").write_text(RTL)
    (folder / "index.csv").write_text(
        "aig,verilog,family,licence,split\naig/a0.aig,source.v,mux,ISC,test\naig/a1.aig,,mux,MIT,train\n"
    )
    found, _ = built(folder, tmp_path / "out")
    table = {row["design"]: row for row in rows(tmp_path / "out")}
    assert (table["a0"]["family"], table["a1"]["family"], table["a2"]["family"]) == ("mux", "mux", "a2")
    assert (table["a0"]["licence"], table["a1"]["licence"]) == ("ISC", "MIT")
    assert table["a0"]["split"] == table["a1"]["split"]
    assert found.about["skipped"]["RTL whose AIG is listed beside it"] == 1


@pytest.mark.parametrize("damage", ["cut", "foreign", "traversal", "cut zst"])
def test_a_bad_archive_is_a_failure_and_the_rest_goes_on(mixed: Path, tmp_path: Path, damage: str) -> None:
    archive = mixed / "more.tar.xz"
    if damage == "cut":
        archive.write_bytes(archive.read_bytes()[:-200])
    elif damage == "foreign":
        archive.write_text("no archive")
    elif damage == "cut zst":
        zstandard = pytest.importorskip("zstandard", reason="zstandard is absent: pip install zstandard")
        archive.unlink()
        (mixed / "more.tar.zst").write_bytes(zstandard.ZstdCompressor().compress(bytes(9999))[:-3])
    else:
        with tarfile.open(archive, "w:xz") as file:
            file.add(tmp_path / "packed.bench", "../../escaped.bench")
    found, _ = built(mixed, tmp_path / "out")
    assert "in/more" in [source for source, _, _ in found.failures]
    assert len(rows(tmp_path / "out")) == 6
    assert not list(tmp_path.rglob("escaped.bench"))
    assert not list((tmp_path / "out").rglob("unpacked"))


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"])
def test_archives_are_folders_archives_in_them_too(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "b").mkdir()
    (tmp_path / "x.bench").write_text(FULL_ADDER_BENCH)
    with tarfile.open(tmp_path / "inner.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x.bench", "x.bench")
    kind = {".tgz": "gz", ".zst": ""}.get(suffix[-4:], suffix.rpartition(".")[2].replace("tar", ""))
    with tarfile.open(tmp_path / "in" / "a" / f"one{suffix}", f"w:{kind}") as archive:
        archive.add(tmp_path / "inner.tar.gz", "deep/inner.tar.gz")
        archive.add(tmp_path / "x.bench", "deep/y.bench")
    if suffix == ".tar.zst":
        zstandard = pytest.importorskip("zstandard", reason="zstandard is absent: pip install zstandard")
        path = tmp_path / "in" / "a" / "one.tar.zst"
        path.write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes()))
    shutil.copy(tmp_path / "in" / "a" / f"one{suffix}", tmp_path / "in" / "b" / f"one{suffix}")
    found = find_sources([tmp_path / "in"], tmp_path / "unpacked")
    assert found.failures == []
    inside = ["deep/inner/x.bench", "deep/y.bench"]
    assert [file.name for file in found.files] == [f"in/{home}/one/{name}" for home in "ab" for name in inside]


def test_sources_have_short_names_of_their_own(tmp_path: Path) -> None:
    for name in ("a/netlists", "b/netlists"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.bench").write_text(FULL_ADDER_BENCH)
    found = find_sources([tmp_path / "a/netlists", tmp_path / "b/netlists"], tmp_path / "unpacked")
    assert [file.name for file in found.files] == ["a/netlists/x.bench", "b/netlists/x.bench"]
    with pytest.raises(CircuitError, match="input: is not there"):
        find_sources([tmp_path / "none"], tmp_path / "unpacked")


# -- done once, never stale ----------------------------------------------------------------------


def test_a_second_run_does_nothing(mixed: Path, tmp_path: Path) -> None:
    first, _ = built(mixed, tmp_path / "out")
    before = result(tmp_path / "out")
    second, said = built(mixed, tmp_path / "out")
    assert (first.made, second.made) == (FILES, 0)
    assert said == []
    assert result(tmp_path / "out") == before
    third, _ = built(mixed, tmp_path / "out", force=True)
    assert third.made == FILES
    assert result(tmp_path / "out") == before
    fourth, _ = built(mixed, tmp_path / "out", retry=True)
    assert fourth.made == 2


def test_what_is_no_longer_there_leaves_the_corpus(mixed: Path, tmp_path: Path) -> None:
    built(mixed, tmp_path / "out")
    (mixed / "suite" / "full_adder.bench").unlink()
    (tmp_path / "out" / "circuits" / ".x.part").write_text("of a run that was killed")
    built(mixed, tmp_path / "out")
    built(mixed, tmp_path / "fresh")
    assert result(tmp_path / "out") == result(tmp_path / "fresh")
    assert len(list((tmp_path / "out" / ITEMS).iterdir())) == FILES - 1


@pytest.mark.parametrize("damage", ["truncated", "foreign", "another key", "pickle", "empty"])
@pytest.mark.parametrize("what", ["record", "circuit"])
def test_a_damaged_file_is_one_line_and_is_made_again(mixed: Path, tmp_path: Path, damage: str, what: str) -> None:
    import pickle

    out = tmp_path / "out"
    built(mixed, out)
    before = result(out)
    path = sorted((out / (ITEMS if what == "record" else "circuits")).iterdir())[3]
    whole = path.read_bytes()
    content = {
        "truncated": whole[: len(whole) // 2],
        "foreign": b'{"circuits": [], "failures": []}' if what == "record" else b"aig 1 1 0 1 0\n2\n",
        "another key": whole.replace(path.stem.encode(), b"0" * len(path.stem)) if what == "record" else whole + b" ",
        "pickle": pickle.dumps({"a": 1}),
        "empty": b"",
    }
    path.write_bytes(content[damage])
    found, said = built(mixed, out)
    assert found.made == 1 or (what == "circuit" and found.made == 2)  # two items may share a file
    lines = [line for line in said if not line.startswith("build:")]
    assert len(lines) == found.made
    assert all(path.name in line and line.endswith("it is made again") and "\n" not in line for line in lines)
    assert result(out) == before


def test_the_key_holds_everything_that_decides_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ("a.v", "0" * 64, "verilog", "", {"max_cells": 0})
    keys = [item_key(*plain)]
    keys += [item_key(*plain[:row], other, *plain[row + 1 :]) for row, other in enumerate(("b.v", "1", "bench", "top"))]
    keys.append(item_key(*plain[:4], {"max_cells": 1}))
    monkeypatch.setattr(corpus_items, "_pyosys", lambda: "99")
    keys.append(item_key(*plain))
    monkeypatch.setattr(corpus_items, "code_version", lambda: "changed")
    keys.append(item_key(*plain))
    assert len(set(keys)) == len(keys) == 8


def test_changed_reader_code_is_another_version(root: Path, tmp_path: Path) -> None:
    package = tmp_path / "circuitgraph"
    shutil.copytree(root / "circuitgraph", package, ignore=shutil.ignore_patterns("__pycache__"))
    before = code_version.__wrapped__(package)
    assert before == code_version()
    for name, counts in (
        ("formats/bench.py", True),
        ("circuit.py", True),
        ("corpus_items.py", True),
        ("pyg.py", False),
    ):
        path = package / name
        text = path.read_text()
        path.write_text(text + "\n# changed\n")
        assert (code_version.__wrapped__(package) != before) == counts, name
        path.write_text(text)
    (package / "formats" / "new.py").write_text("")
    assert code_version.__wrapped__(package) != before


def test_changed_reader_code_is_another_view(mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built(mixed, tmp_path / "out")
    corpus = Corpus(tmp_path / "out", cache="")
    keys = [corpus.key(entry, "logic") for entry in corpus.entries()]
    monkeypatch.setattr("circuitgraph.corpus.code_version", lambda: "changed")
    assert not set(keys) & {corpus.key(entry, "logic") for entry in corpus.entries()}


def test_changed_options_and_code_make_items_again(
    mixed: Path, tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    built(mixed, out)
    limited, _ = built(mixed, out, max_cells=3)
    assert limited.made == FILES
    assert {row["design"] for row in rows(out)} == {"pair", "two.first", "two.other", "odd"}
    assert sum("raise --max-cells" in row["reason"] for row in rows(out, FAILURES)) >= 3
    with_library, _ = built(mixed, out, max_cells=3, liberty=(str(samples / "small.lib"),))
    assert with_library.made == 4  # the Verilog files alone
    monkeypatch.setattr(corpus_items, "code_version", lambda: "changed")
    monkeypatch.setattr(corpus_build, "code_version", lambda: "changed")
    again, _ = built(mixed, out, max_cells=3, liberty=(str(samples / "small.lib"),))
    assert again.made == FILES


def test_a_longer_time_limit_tries_again_what_ran_out_of_time(mixed: Path, tmp_path: Path) -> None:
    built(mixed, tmp_path / "out", time_limit=60.0)
    path = min((tmp_path / "out" / ITEMS).iterdir())
    record = json.loads(path.read_text())
    record |= {"circuits": [], "failures": [["", "x"]], "cause": "time", "time_limit": 60.0}
    path.write_text(json.dumps(record))
    assert built(mixed, tmp_path / "out", time_limit=60.0)[0].made == 0
    assert built(mixed, tmp_path / "out", time_limit=61.0)[0].made == 1
    assert read_record(tmp_path / "out", path.stem) is not None


# -- shards, locks, kills ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_shards_and_a_merge_are_the_whole(mixed: Path, tmp_path: Path, count: int) -> None:
    built(mixed, tmp_path / "whole")
    for row in reversed(range(count)):
        found, _ = built(mixed, tmp_path / "parts", shard=(row, count))
        assert found.items == len(range(row, FILES, count))
        assert not (tmp_path / "parts" / MANIFEST).exists()
    merged, _ = built(mixed, tmp_path / "parts", merge_only=True)
    assert merged.made == 0
    assert result(tmp_path / "parts") == result(tmp_path / "whole")


def test_a_merge_says_what_is_missing(mixed: Path, tmp_path: Path) -> None:
    built(mixed, tmp_path / "out", shard=(0, 2))
    with pytest.raises(CircuitError, match=r"in/netlists/cut\.bench and 4 more: items: 5 are missing"):
        built(mixed, tmp_path / "out", merge_only=True)
    assert not (tmp_path / "out" / MANIFEST).exists()
    built(mixed, tmp_path / "out")
    assert (tmp_path / "out" / MANIFEST).exists()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Any]:
    """A function that holds a lock of the output as another process would."""
    held = []

    def hold(name: str, kind: int) -> None:
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / ITEMS).mkdir(exist_ok=True)
        held.append(path.open("a+"))
        fcntl.flock(held[-1], kind | fcntl.LOCK_NB)

    yield hold
    for file in held:
        file.close()


def test_the_second_run_in_a_folder_is_refused(mixed: Path, tmp_path: Path, holder: Any) -> None:
    holder(".lock", fcntl.LOCK_EX)
    for shard in (None, (0, 2)):
        with pytest.raises(CircuitError, match="output folder: is in use by another process"):
            built(mixed, tmp_path / "out", shard=shard)


def test_shards_run_beside_each_other_but_not_beside_the_whole(mixed: Path, tmp_path: Path, holder: Any) -> None:
    holder(".lock", fcntl.LOCK_SH)
    holder(".work/0-of-2/.lock", fcntl.LOCK_EX)
    assert built(mixed, tmp_path / "out", shard=(1, 2))[0].made == FILES // 2
    with pytest.raises(CircuitError, match="is in use by another process"):
        built(mixed, tmp_path / "out", shard=(0, 2))
    with pytest.raises(CircuitError, match="is in use by another process"):
        built(mixed, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "rule"), [("notes.txt", "is not empty"), (MANIFEST, "holds a MANIFEST.csv that build")]
)
def test_a_folder_of_something_else_is_left_alone(mixed: Path, tmp_path: Path, name: str, rule: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(CircuitError, match=rule):
        built(mixed, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


PLANTED = """
import os, signal
from circuitgraph.corpus_items import make_item

def work(task):
    name = os.path.basename(task["path"])
    if name == "pair.v" or (name == "two.v" and not os.path.exists(os.environ["MARK"])):
        open(os.environ["MARK"], "w").close() if name == "two.v" else None
        os.kill(os.getpid(), signal.SIGKILL)
    return make_item(task)
"""


def test_a_worker_that_dies_is_named_and_its_work_done_again(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted_build.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    monkeypatch.setattr(corpus_build, "ITEM", "planted_build:work")
    found, said = built(mixed, tmp_path / "out")
    named = sorted(line.split(" (")[0] for line in said if line.startswith("worker"))
    assert named == ["worker died at in/netlists/pair.v", "worker died at in/netlists/two.v"]
    reasons = {source: reason for source, _, reason in found.failures}
    assert reasons["in/netlists/pair.v"].startswith("pair.v: file: its worker died 2 times (SIGKILL): build it on")
    assert len(rows(tmp_path / "out")) == 6
    monkeypatch.setattr(corpus_build, "ITEM", "circuitgraph.corpus_items:make_item")
    again, _ = built(mixed, tmp_path / "out", retry=True)
    assert again.made == 3
    built(mixed, tmp_path / "fresh")
    assert result(tmp_path / "out") == result(tmp_path / "fresh")


def killed_runs(folder: Path, output: Path, moments: list[int]) -> int:
    """Start a build once a moment; SIGKILL it as soon as that many records are there; then let one finish.

    Gives how many were killed: one may finish before it is seen that its moment has come.
    """
    kills = 0
    script = Path(__file__).with_name("build_script.py")
    command = [sys.executable, "-W", "ignore", str(script), str(folder), str(output)]
    root = str(Path(corpus_build.__file__).parents[1])
    for moment in [*moments, None]:
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root})
        while process.poll() is None and moment is not None:
            if (output / ITEMS).is_dir() and len(list((output / ITEMS).glob("*.json"))) >= moment:
                process.send_signal(signal.SIGKILL)
                break
        code = process.wait()
        assert code in ((0,) if moment is None else (0, -signal.SIGKILL))
        kills += code != 0
    return kills


def many(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        write(random_circuit(number), folder / f"c{number}.bench")
        (folder / f"a{number}.aig").write_bytes(aiger_bytes(random_aig(number, ands=200)))
        (folder / f"bad{number}.bench").write_text(LOOP) if number % 5 == 0 else None
    return folder


@pytest.mark.parametrize(
    ("files", "kills"), [(12, 2), pytest.param(60, 10, marks=pytest.mark.slow)], ids=["two kills", "ten kills"]
)
def test_killed_at_random_moments_and_resumed_is_uninterrupted(tmp_path: Path, files: int, kills: int) -> None:
    folder = many(tmp_path / "in", files)
    items = 2 * files + len(range(0, files, 5))
    moments = sorted(np.random.default_rng(kills).integers(0, items + 1, kills).tolist())
    assert killed_runs(folder, tmp_path / "killed", moments) > 0
    built(folder, tmp_path / "whole")
    assert result(tmp_path / "killed") == result(tmp_path / "whole")
    assert len(rows(tmp_path / "whole")) == 2 * files
    left = [path for path in (tmp_path / "killed").rglob("*") if path.suffix == ".part" or path.name == "unpacked"]
    assert left == []


@needs_pyosys
def test_synthesis_over_the_time_limit_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "counter.v").write_text(RTL)
    found, _ = built(tmp_path / "in", tmp_path / "out", time_limit=0.001)
    ((_, top, reason),) = found.failures
    assert top in {"", "counter"}
    assert "took longer than 0.001 s: raise --time-limit" in reason
    assert not list((tmp_path / "out").rglob("temporary"))
    assert built(tmp_path / "in", tmp_path / "out", time_limit=0.0)[0].about["circuits"] == 1


@pytest.mark.data
def test_every_bench_file_of_the_public_suites_is_in_a_corpus(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    found, _ = built(shared_data("digital/bench"), tmp_path / "out")
    assert (found.about["files"], found.about["circuits"], found.failures) == (54, 54, [])
    family = {(row["suite"], row["design"]): row["family"] for row in rows(tmp_path / "out")}
    assert family["itc99", "b15"] == family["itc99", "b17_C"] == family["itc99", "b14"] == "b14"
    assert family["openabcd", "k2_orig"] == family["openabcd", "apex1_orig"] == "apex1"
    assert family["iscas85", "c499"] == family["iscas85", "c1355"] == "c1355"


# -- Ray -----------------------------------------------------------------------------------------


def test_without_ray_the_way_out_is_named(mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from circuitgraph.cluster import build_on_cluster

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CircuitError, match=r"ray: is not installed: pip install 'circuitgraph-learn\[cluster\]'"):
        build_on_cluster([mixed], tmp_path / "out", BuildOptions(), 2)


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is absent: pip install 'circuitgraph-learn[cluster]'")
def test_two_workers_of_ray_build_the_same_corpus(mixed: Path, tmp_path: Path) -> None:
    from circuitgraph.cluster import build_on_cluster

    said: list[str] = []
    found = build_on_cluster([mixed], tmp_path / "ray", BuildOptions(), 2, said.append)
    assert [line for line in said if "items," in line] == ["shard 0/2: 5 items, 5 made", "shard 1/2: 5 items, 5 made"]
    built(mixed, tmp_path / "whole")
    assert result(tmp_path / "ray") == result(tmp_path / "whole")
    assert found.about["circuits"] == 7
