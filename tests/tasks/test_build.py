"""``circuitgraph build``: what it prints and writes, and what it does with each fault."""

from __future__ import annotations

import csv
import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from circuitgraph.files import hash_file
from tasks.cli import main

UNKNOWN = "  NOVEL u4 (.A(n1), .Z(n4));\n"
LOOP = "  NAND2 u5 (.A(n6), .B(b), .Z(n5));\n  INV u6 (.A(n5), .Z(n6));\n"
UNDRIVEN = "  NAND2 u7 (.A(ghost), .B(b), .Z(n7));\n"
BUILD = "build in -o out"
MANIFEST_HEAD = (
    "file,sha256,kind,design,family,split,source,suite,licence,made,top,doubles,"
    "bytes,inputs,outputs,latches,cells,nets,levels,opaque,checks,named,anonymous"
)
KEYS = ("circuits", "code", "doubles", "empty", "failures", "families", "files", "items", "joins", "made", "options")
MORE_KEYS = ("removed", "seconds", "skipped", "splits", "status", "suites", "version")


@pytest.fixture
def workplace(tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``in/`` with the samples that hold circuits; its parent is the working folder."""
    (tmp_path / "in").mkdir()
    for name in ("small.v", "small.bench", "small.aag", "small.sdc"):
        shutil.copy(samples / name, tmp_path / "in" / name)
    shutil.copy(samples / "small.lib", tmp_path / "small.lib")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str, str]:
    code = main(command.split())
    out, err = capsys.readouterr()
    return code, out, err


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_names_that_scripts_depend_on(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, f"{BUILD} --liberty small.lib --json")
    assert code == 0, err
    answer = json.loads(out)
    assert sorted(answer) == sorted((*KEYS, *MORE_KEYS, "exit"))
    assert {name: answer[name] for name in ("files", "circuits", "failures", "made")} == {
        "files": 3,
        "circuits": 3,
        "failures": 0,
        "made": 3,
    }
    assert list(answer["splits"]) == ["train", "validation", "test"]
    assert (workplace / "out" / "MANIFEST.csv").read_text().splitlines()[0] == MANIFEST_HEAD
    assert (workplace / "out" / "failures.csv").read_text() == "file,top,reason\n"
    assert json.loads((workplace / "out" / "build.json").read_text())["options"]["seed"] == 0
    families = {row["family"] for row in rows(workplace / "out" / "MANIFEST.csv") if row["kind"] != "library"}
    assert families == {"small"}


def test_people_see_suites_splits_and_what_was_left_out(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "in" / "wire.bench").write_text("INPUT(a)\nOUTPUT(a)\n")
    code, out, err = run(capsys, BUILD)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[1].split() == ["suite", "files", "AIGs", "netlists", "doubles", "failed"]
    assert lines[2].split() == ["in", "4", "1", "2", "0", "0"]
    assert "1 families, 0 joined by signature" in out
    assert "4 of 4 files read now; 1 files hold no circuit of their own" in out
    assert lines[-1] == "1 circuits without a cell were left out"
    _, out, _ = run(capsys, BUILD)
    assert "0 of 4 files read now" in out


def test_splits_and_families_follow_the_options(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "rules.csv").write_text("name,family,split\nsmall.v,mine,validation\n")
    assert run(capsys, f"{BUILD} --split 0/0/1 --families rules.csv")[0] == 0
    found = {row["source"]: (row["family"], row["split"]) for row in rows(workplace / "out" / "MANIFEST.csv")}
    assert found == {
        "in/small.v": ("mine", "validation"),
        "in/small.bench": ("small", "test"),
        "in/small.aag": ("small", "test"),
    }


def test_shards_then_merge(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, f"{BUILD} --shard 1/2 --json")
    assert (code, json.loads(out)) == (0, {"shard": 1, "shards": 2, "items": 1, "made": 1})
    code, _, err = run(capsys, f"{BUILD} --merge")
    assert code == 1
    assert err.startswith("in/small.aag and 1 more: items: 2 are missing: run the shards that lack")
    _, out, _ = run(capsys, f"{BUILD} --shard 0/2")
    assert out == "shard 0/2: 2 items, 2 made now; when all are through: --merge\n"
    assert run(capsys, f"{BUILD} --merge")[0] == 0
    assert len(rows(workplace / "out" / "MANIFEST.csv")) == 3


def append(cells: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "in" / "small.v"
        path.write_text(path.read_text().replace("endmodule", cells + "endmodule"))

    return edit


def cut(name: str, share: float) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "in" / name
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return edit


FAILED = {
    "truncated verilog": (
        cut("small.v", 0.6),
        "small.v:7:3: file: ends inside a statement or module: check that it was",
    ),
    "truncated aiger": (
        cut("small.aag", 0.3),
        "small.aag:1: header: promises 11 entries, the file holds 22 bytes more",
    ),
    "truncated bench": (cut("small.bench", 0.99), "small.bench:11: 'k = NAND(g, h': has 1 '(' and 0 ')': balance the"),
    "empty": (cut("small.bench", 0), "small.bench: file: is empty: check how it was written"),
    "link to nothing": (
        lambda folder: (folder / "in" / "gone.v").symlink_to("nowhere"),
        "gone.v: file: is a link to nothing: remove it",
    ),
    "loop": (
        append(LOOP),
        "small.v: loop of 2 cells: combinational logic must be acyclic, found u5 -> u6 -> u5: cut it by",
    ),
}
"""What is done to the folder, how the line in failures.csv begins: the rest goes on, exit 1 at the end."""


@pytest.mark.parametrize("name", FAILED)
def test_a_bad_file_is_listed_and_the_rest_goes_on(
    workplace: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    edit, reason = FAILED[name]
    edit(workplace)
    code, _, err = run(capsys, f"{BUILD} --liberty small.lib")
    (failure,) = rows(workplace / "out" / "failures.csv")
    assert code == 1
    assert failure["reason"].startswith(reason)
    top = f" ({failure['top']})" if failure["top"] else ""
    assert f"failed: {failure['file']}{top}: {failure['reason']}" in err
    kept = [row for row in rows(workplace / "out" / "MANIFEST.csv") if row["kind"] != "library"]
    assert len(kept) == (3 if name == "link to nothing" else 2)


def test_over_a_limit(workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUITGRAPH_MAX_BYTES", "200")
    assert run(capsys, BUILD)[0] == 1
    (failure,) = rows(workplace / "out" / "failures.csv")
    assert failure["reason"] == "small.v: file: holds more than 200 bytes: raise CIRCUITGRAPH_MAX_BYTES if you trust it"
    monkeypatch.delenv("CIRCUITGRAPH_MAX_BYTES")
    assert run(capsys, f"{BUILD} --retry --max-cells 5")[0] == 1
    (failure,) = rows(workplace / "out" / "failures.csv")
    assert failure["reason"] == "small.bench: circuit 'small': has 6 cells, more than 5: raise --max-cells"


@pytest.mark.parametrize(
    ("cells", "columns"),
    [
        (UNKNOWN, {"opaque": "1", "checks": "unloaded 1; unknown cell type 1"}),
        (UNDRIVEN, {"opaque": "0", "checks": "undriven 1; unloaded 1"}),
    ],
    ids=["unknown cell type", "undriven"],
)
def test_what_is_odd_is_counted(
    workplace: Path, capsys: pytest.CaptureFixture[str], cells: str, columns: dict[str, str]
) -> None:
    append(cells)(workplace)
    assert run(capsys, f"{BUILD} --liberty small.lib")[0] == 0
    row = next(row for row in rows(workplace / "out" / "MANIFEST.csv") if row["source"] == "in/small.v")
    assert {name: row[name] for name in columns} == columns


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("build small.lib -o out", "small.lib: input: holds no file of circuits: name the folder that has them"),
        ("build none -o out", "none: input: is not there: name a folder or a file that exists"),
        (
            f"{BUILD} --shard 2/2",
            "--shard: '2/2': must be i/n with i from 0 to n - 1: for four shards 0/4, 1/4, 2/4, 3/4",
        ),
        (f"{BUILD} --shard two", "--shard: 'two': must be i/n with i from 0 to n - 1: for four shards"),
        (
            f"{BUILD} --split 70/30",
            "--split: '70/30': must be three shares: train/validation/test, for example 70/15/15",
        ),
        (f"{BUILD} --split 0/0/0", "--split: '0/0/0': must be three shares"),
        (f"{BUILD} --split 1/nan/1", "--split: '1/nan/1': must be three shares"),
        (f"{BUILD} --jobs -1", "--jobs: -1: is too small: give a whole number from 1"),
        (f"{BUILD} --max-cells -1", "--max-cells: -1: is too small"),
        (f"{BUILD} --time-limit -1", "--time-limit: -1: must lie between 0 and 1,000,000 s: 0 is no limit"),
        (f"{BUILD} --families none.csv", "none.csv: file: cannot be read (no such file or directory)"),
        (f"{BUILD} --liberty none.lib", "none.lib: file: cannot be read (no such file or directory)"),
        (f"{BUILD} --map", "--map: library: is not named: add --liberty"),
        (
            f"{BUILD} --cluster ray --merge",
            "--cluster: shards: are made by the cluster itself: leave --shard and --merge",
        ),
        ("build in -o small.lib", "small.lib: output folder: cannot be written"),
        (
            "build in -o small.lib/out",
            "small.lib/out: output folder: cannot be written (not a directory): choose another",
        ),
        ("build in -o in", "in: output folder: is one of the inputs: choose another folder with -o"),
    ],
)
def test_a_wrong_request_is_one_line(
    workplace: Path, capsys: pytest.CaptureFixture[str], command: str, says: str
) -> None:
    before = sorted(path.name for path in workplace.rglob("*") if not path.name.startswith("."))
    code, out, err = run(capsys, command)
    assert (code, out) == (1, "")
    assert err.startswith(says)
    assert err.count("\n") == 1
    left = [path for path in workplace.rglob("*") if path.is_file() and "out" in path.parts and path.suffix != ".lock"]
    assert [path for path in left if path.name != ".lock"] == []
    assert set(before) <= {path.name for path in workplace.rglob("*")}


def test_the_second_run_in_one_folder_is_refused(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, BUILD)[0] == 0
    with (workplace / "out" / ".lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, _, err = run(capsys, BUILD)
    assert (code, err) == (
        1,
        "out: output folder: is in use by another process: wait for it, or choose another with -o\n",
    )


def test_more_failures_than_fit_are_in_the_file(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(25):
        (workplace / "in" / f"bad{number}.bench").write_text("")
    code, _, err = run(capsys, BUILD)
    assert code == 1
    assert err.count("failed: in/") == 20
    assert "failed: 5 more, see out/failures.csv" in err
    assert len(rows(workplace / "out" / "failures.csv")) == 25


def test_the_built_corpus_trains_like_any_other(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from circuitgraph.pyg import CorpusDataset

    assert run(capsys, f"{BUILD} --split 1/0/0")[0] == 0
    dataset = CorpusDataset(workplace / "out", split="train")
    assert len(dataset) == 3
    assert [dataset[row].num_nodes > 0 for row in range(3)] == [True] * 3
    for row in rows(workplace / "out" / "MANIFEST.csv"):
        assert hash_file(workplace / "out" / row["file"]) == row["sha256"]


def test_a_built_corpus_is_verified_and_holds_no_pickle(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, f"{BUILD} --liberty small.lib")
    code, out, _ = run(capsys, "data verify --data out")
    assert code == 0
    assert "files are as the MANIFEST says" in out
    for path in Path("out").rglob("*"):
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".ckpt"}
        assert not path.is_file() or path.read_bytes()[:2] not in {b"\x80\x04", b"\x80\x05"}, path
    victim = next(path for path in Path("out/circuits").iterdir())
    victim.write_bytes(victim.read_bytes() + b"\n")
    code, _, err = run(capsys, "data verify --data out")
    assert code == 1
    assert f"{victim.name}: differs from the MANIFEST" in err
    victim.unlink()
    assert "is missing" in run(capsys, "data verify --data out")[2]
