"""Corpora: what an index may say, and a cache that is right whatever lies in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from circuitgraph import corpus as module
from circuitgraph.corpus import MANIFEST, Corpus, load_view, save_view, shipped_folder
from circuitgraph.errors import CircuitError
from circuitgraph.views import logic_view
from circuitgraph.views.view import View
from tests.subjects import FULL_ADDER_BENCH, random_circuit

HEAD = "file,sha256,kind,design,family,split"


def made(folder: Path, *rows: str, head: str = HEAD) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_text("\n".join([head, *rows]) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path, samples: Path) -> Path:
    """A corpus of a BENCH file, a netlist with its library, and an AIG."""
    found = made(
        tmp_path / "corpus",
        "a.bench,0,netlist,a,adders,train",
        "small.v,0,netlist,small,others,test",
        "small.aag,0,aig,small,others,test",
        "small.lib,0,library,,,",
    )
    (found / "a.bench").write_text(FULL_ADDER_BENCH)
    for name in ("small.v", "small.aag", "small.lib"):
        shutil.copy(samples / name, found)
    return found


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a.v,0,netlist,a,adders"], "MANIFEST.csv:2: column 'split': is missing"),
        (["a.v,0,netlist,a,adders,trian"], "MANIFEST.csv:2: split 'trian': is unknown: did you mean 'train'?"),
        (["../a.v,0,netlist,a,adders,train"], "MANIFEST.csv:2: file '../a.v': leaves the corpus"),
        (["b/../../a.v,0,netlist,a,adders,train"], "leaves the corpus"),
        (["/etc/a.v,0,netlist,a,adders,train"], "leaves the corpus"),
        (
            ["a.v,0,netlist,a,adders,train", "b.v,0,netlist,b,others,test", "c.v,0,netlist,c,adders,test"],
            "MANIFEST.csv:4: family 'adders': is in train and in test: keep a family in one split",
        ),
    ],
)
def test_faults_of_an_index(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(CircuitError) as caught:
        Corpus(made(tmp_path / "corpus", *rows))
    assert said in str(caught.value)


def test_an_index_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match=r"has no MANIFEST\.csv"):
        Corpus(tmp_path)
    with pytest.raises(CircuitError, match="column 'sha256': is missing"):
        Corpus(made(tmp_path, "a.v,netlist", head="file,kind"))
    made(tmp_path, 'a.v,0,netlist,a,b,"' + "x" * 200_000)
    with pytest.raises(CircuitError, match="is no CSV"):
        Corpus(tmp_path)
    (tmp_path / MANIFEST).write_bytes(HEAD.encode() + b"\n\xff\xfe.v,0,netlist,a,b,train\n")
    with pytest.raises(CircuitError, match="is no UTF-8"):
        Corpus(tmp_path)


def test_rows_kinds_and_splits(folder: Path) -> None:
    corpus = Corpus(folder, cache="")
    assert [row.file for row in corpus.entries()] == ["a.bench", "small.v", "small.aag"]
    assert [row.file for row in corpus.entries(kinds=("aig",))] == ["small.aag"]
    assert [row.file for row in corpus.entries("train")] == ["a.bench"]
    assert corpus.families() == {"adders": "train", "others": "test"}
    assert [path.name for path in corpus.library_files] == ["small.lib"]
    assert corpus.circuit(corpus.entries()[1]).is_sequential.sum() == 1


def columns(view: View) -> dict[str, np.ndarray]:
    return {name: getattr(view, name) for name in (*module.ARRAYS, "edge_arc") if getattr(view, name) is not None}


def assert_same(found: View, wanted: View) -> None:
    assert columns(found).keys() == columns(wanted).keys()
    for name, column in columns(wanted).items():
        np.testing.assert_array_equal(columns(found)[name], column, err_msg=name)
        assert columns(found)[name].dtype == column.dtype
    for name in ("kind", "graph_id", "name", "relations", "ordering", "feature_table", "edge_feature_table"):
        assert getattr(found, name) == getattr(wanted, name)
    assert {name: int(column[0]) for name, column in found.extra.items()} == {
        name: int(column[0]) for name, column in wanted.extra.items()
    }


@pytest.mark.parametrize("kind", ["logic", "timing"])
def test_a_cached_view_is_the_view(folder: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus(folder, tmp_path / "cache")
    entries = corpus.entries(kinds=("netlist",))
    first = [corpus.view(entry, kind) for entry in entries]
    assert len(list((tmp_path / "cache").iterdir())) == len(entries)

    def never(*_: object) -> None:
        raise AssertionError("the cache was not used")

    monkeypatch.setattr(Corpus, "circuit", never)
    for entry, wanted in zip(entries, first, strict=True):
        assert_same(Corpus(folder, tmp_path / "cache").view(entry, kind), wanted)
    assert corpus.lines == []


def test_the_key_holds_everything_that_decides_a_view(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Corpus(folder, "").entries()[1]

    def key(view: str = "logic", break_loops: bool = False) -> str:
        return Corpus(folder, "").key(entry, view, break_loops)

    keys = [key(), key("timing"), key(break_loops=True)]
    (folder / "small.v").write_text((folder / "small.v").read_text() + "// changed\n")
    keys.append(key())
    (folder / "small.lib").write_text((folder / "small.lib").read_text() + "/* changed */\n")
    keys.append(key())
    monkeypatch.setattr(module, "VIEW_VERSION", 99)
    keys.append(key())
    monkeypatch.setattr(module.circuitgraph, "__version__", "99")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == key()


@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty", "another version", "pickle", "columns missing"])
def test_a_bad_cache_file_is_one_line_and_is_made_again(folder: Path, tmp_path: Path, damage: str) -> None:
    corpus = Corpus(folder, tmp_path / "cache")
    entry = corpus.entries()[0]
    wanted = corpus.view(entry)
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_bytes()
    if damage == "another version":
        path.write_bytes(whole.replace(b'\\"version\\": 1', b'\\"version\\": 9'))
        assert path.read_bytes() != whole
    elif damage == "columns missing":
        path.write_bytes(whole.replace(b'"node_kind"', b'"mode_kind"'))
        assert path.read_bytes() != whole
    else:
        import pickle

        bad = {"truncated": whole[: len(whole) // 2], "foreign": b"PK\x03\x04 something", "empty": b""}
        path.write_bytes(bad.get(damage, pickle.dumps({"a": 1})))
    again = Corpus(folder, tmp_path / "cache")
    assert_same(again.view(entry), wanted)
    assert len(again.lines) == 1
    assert "cached view" in again.lines[0]
    assert again.lines[0].endswith("it is made again")
    assert "\n" not in again.lines[0]
    assert path.read_bytes() == whole


def test_nothing_is_ever_unpickled(root: Path) -> None:
    for floor in ("circuitgraph", "encoders", "tasks"):
        for path in (root / floor).rglob("*.py"):
            text = path.read_text()
            assert "import pickle" not in text, path
            assert "torch.load(" not in text, path
            assert "allow_pickle=True" not in text, path


def test_views_come_back_from_a_file(tmp_path: Path) -> None:
    for seed in range(3):
        view = logic_view(random_circuit(seed))
        save_view(view, tmp_path / "v.safetensors")
        assert_same(load_view(tmp_path / "v.safetensors"), view)
    with pytest.raises(CircuitError, match="is damaged or foreign"):
        load_view(tmp_path / "none")


def test_checks_that_fail_are_counted_beside_the_view(folder: Path, tmp_path: Path) -> None:
    (folder / "a.bench").write_text(FULL_ADDER_BENCH + "z = AND(a, ghost)\n")
    for _ in range(2):
        view = Corpus(folder, tmp_path / "cache").view(Corpus(folder).entries()[0])
        assert {name: int(count[0]) for name, count in view.extra.items()} == {"check.undriven": 1, "check.unloaded": 1}


def test_an_unknown_view_is_refused(folder: Path) -> None:
    corpus = Corpus(folder, "")
    with pytest.raises(CircuitError, match="did you mean 'logic'"):
        corpus.view(corpus.entries()[0], "logik")


def test_the_shipped_corpus_is_found_or_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CIRCUITGRAPH_DATA", raising=False)
    assert (shipped_folder() / MANIFEST).is_file()
    monkeypatch.setenv("CIRCUITGRAPH_DATA", str(tmp_path))
    with pytest.raises(CircuitError, match="CIRCUITGRAPH_DATA"):
        shipped_folder()
