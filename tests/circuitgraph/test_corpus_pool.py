"""The pool: every task is done whatever its workers do; who kills a worker twice is named; nothing outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from circuitgraph import corpus_pool
from circuitgraph.corpus_pool import Outcome, children_of, kill_tree, run_pool

PLANTED = """
import os, signal, subprocess, sys
from pathlib import Path

def work(task):
    print("a library that prints to standard output")
    if task["do"] == "exit":
        os._exit(7)
    if task["do"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if task["do"] == "raise":
        raise RuntimeError("planted")
    if task["do"] == "once" and not Path(task["mark"]).exists():
        Path(task["mark"]).touch()
        os._exit(1)
    if task["do"] == "hang":
        code = "import signal; signal.alarm(600); signal.pause()"
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        Path(task["mark"]).write_text(str(child.pid))
        child.wait()
    return {"twice": 2 * task["number"], "text": "x" * task.get("length", 0)}
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Work that does what its task says, importable in workers only."""
    (tmp_path / "planted_work.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(corpus_pool, "GRACE", 0.0)
    return "planted_work:work"


def done(
    work: str, tasks: list[dict[str, Any]], jobs: int = 2, limit: float = 0.0
) -> tuple[dict[int, Outcome], list[str]]:
    said: list[str] = []
    names = [f"file{row}" for row in range(len(tasks))]
    outcomes = list(run_pool(work, tasks, jobs, limit, said.append, names))
    assert len(outcomes) == len(tasks)
    return {outcome.task: outcome for outcome in outcomes}, said


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def await_end(pid: int) -> None:
    """Wait until a process has ended; the test's own time limit ends this where it never does."""
    while not gone(pid):
        pass


def test_every_task_has_its_own_answer(planted: str) -> None:
    found, said = done(planted, [{"do": "", "number": row, "length": 9000 * (row % 20)} for row in range(100)])
    assert {row: outcome.answer["twice"] for row, outcome in found.items() if outcome.answer} == {
        row: 2 * row for row in range(100)
    }
    assert said == []


def test_two_planted_killers_of_forty_are_named_and_the_rest_is_done(planted: str) -> None:
    kinds = {7: "kill", 23: "exit"}
    found, said = done(planted, [{"do": kinds.get(row, ""), "number": row} for row in range(40)])
    failed = {row: outcome for row, outcome in found.items() if outcome.answer is None}
    assert set(failed) == {7, 23}
    assert {outcome.cause for outcome in failed.values()} == {"died"}
    assert failed[7].words == "its worker died 2 times (SIGKILL: a library that prints to standard output)"
    assert failed[23].words.startswith("its worker died 2 times (exit code 7")
    assert sorted(line.split(" (")[0] for line in said) == ["worker died at file23", "worker died at file7"]


def test_a_worker_that_dies_once_is_named_and_its_work_done_again(planted: str, tmp_path: Path) -> None:
    found, said = done(planted, [{"do": "once", "number": 4, "mark": str(tmp_path / "mark")}, {"do": "", "number": 1}])
    assert found[0].answer
    assert found[0].answer["twice"] == 8
    assert len(said) == 1
    assert said[0].startswith("worker died at file0 (exit code 1")


def test_an_error_that_nobody_caught_is_quoted(planted: str) -> None:
    found, _ = done(planted, [{"do": "raise", "number": 1}], jobs=1)
    assert "RuntimeError: planted" in found[0].words


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are found through /proc: Linux only")
def test_a_task_over_the_time_limit_is_killed_with_its_children(planted: str, tmp_path: Path) -> None:
    tasks = [{"do": "hang", "number": 1, "mark": str(tmp_path / "mark")}, *({"do": "", "number": 2} for _ in range(9))]
    found, _ = done(planted, tasks, limit=2.0)
    assert (found[0].answer, found[0].cause, found[0].words) == (None, "time", "took longer than 2 s")
    assert all(found[row].answer for row in range(1, 10))
    await_end(int((tmp_path / "mark").read_text()))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are found through /proc: Linux only")
def test_workers_end_with_a_parent_that_is_killed(planted: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = (
        "import sys; from circuitgraph.corpus_pool import run_pool\n"
        f"task = {{'do': 'hang', 'number': 1, 'mark': {str(mark)!r}}}\n"
        f"list(run_pool({planted!r}, [task], 1, 0.0, print, ['file']))\n"
    )
    root = str(Path(corpus_pool.__file__).parents[1])
    paths = os.pathsep.join((root, os.environ["PYTHONPATH"]))
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths})
    while not (mark.exists() and mark.read_text()):
        assert parent.poll() is None
    (worker,) = children_of(parent.pid)
    hanging = int(mark.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    await_end(worker)
    await_end(hanging)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are found through /proc: Linux only")
def test_a_tree_is_killed_with_its_leaves() -> None:
    leaf = "import signal; signal.alarm(600); signal.pause()"
    code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {leaf!r}]); print(p.pid, flush=True); p.wait()"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    kill_tree(process.pid)
    process.wait()
    process.stdout.close()
    await_end(child)
