"""A pool of worker processes that survives its workers: each task has one worker, a time limit and a second chance.

A worker is a fresh interpreter that reads tasks as JSON lines and answers in JSON lines; nothing is pickled. Because a
worker holds one task at a time, a worker that dies names its task exactly. That task is done again at the end, alone
in a fresh worker (what dies for want of memory beside others may live alone); if it dies again it has failed.
When this process dies, however it does, its workers see the end of their input and stop with all their children.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from circuitgraph.worker import last_words

CODE = "from circuitgraph.corpus_pool import serve; serve()"
GRACE = 5.0
"""s that a worker has beyond the time limit: programs that it starts have the limit themselves and end cleanly."""
TAIL = 1 << 14
ATTEMPTS = 2

Json = Mapping[str, Any]


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    task: int = -1
    deadline: float = float("inf")
    buffer: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    | field | meaning |
    |---|---|
    | task | row of the task |
    | answer | what the work returned, or None |
    | cause | "", "time", "died" |
    | words | why there is no answer |
    """

    task: int
    answer: Json | None
    cause: str = ""
    words: str = ""


def run_pool(
    work: str,
    tasks: Sequence[Json],
    jobs: int,
    time_limit: float,
    say: Callable[[str], None],
    names: Sequence[str],
    temporary: Path | None = None,
) -> Iterator[Outcome]:
    """Do every task; outcomes come in the order in which they are ready.

    Args:
        work: "module:function" from a task to its answer, both JSON objects.
        tasks: what is done.
        jobs: workers at a time.
        time_limit: s of one task; its worker is killed :data:`GRACE` s later. 0 for none.
        say: is told of workers that die.
        names: of the tasks, for what is said.
        temporary: folder for the workers' temporary files, which a killed worker leaves; the caller removes it.
    """
    waiting = deque(range(len(tasks)))
    again: list[int] = []
    with _workers(work, temporary) as pool:
        for outcome in _rounds(pool, waiting, tasks, jobs, time_limit):
            if outcome.cause == "died":
                again.append(outcome.task)
                say(f"worker died at {names[outcome.task]} ({outcome.words}); it is done again at the end")
            else:
                yield outcome
        for task in again:
            pool.stop()
            for outcome in _rounds(pool, deque([task]), tasks, 1, time_limit):
                words = f"its worker died {ATTEMPTS} times ({outcome.words})" if outcome.cause == "died" else ""
                yield Outcome(task, outcome.answer, outcome.cause, words or outcome.words)


class _Pool:
    """The workers that are alive."""

    def __init__(self, work: str, temporary: Path | None) -> None:
        self.work, self.temporary = work, temporary
        self.alive: list[_Worker] = []
        self.selector = selectors.DefaultSelector()

    def start(self) -> _Worker:
        """A fresh interpreter that waits for tasks."""
        home = str(Path(__file__).resolve().parent.parent)
        paths = os.pathsep.join(path for path in (home, os.environ.get("PYTHONPATH", "")) if path)
        variables = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        if self.temporary is not None:
            self.temporary.mkdir(parents=True, exist_ok=True)
            variables["TMPDIR"] = str(self.temporary.resolve())
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the worker ends
        process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-c", CODE, self.work],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=variables,
            start_new_session=True,
        )
        worker = _Worker(process, log)
        self.selector.register(process.stdout or 0, selectors.EVENT_READ, worker)
        self.alive.append(worker)
        return worker

    def end(self, worker: _Worker) -> str:
        """Kill a worker with its children and forget it; gives how it ended."""
        self.selector.unregister(worker.process.stdout or 0)
        self.alive.remove(worker)
        kill_tree(worker.process.pid)
        code = worker.process.wait()
        for stream in (worker.process.stdin, worker.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        worker.log.seek(max(0, worker.log.seek(0, os.SEEK_END) - TAIL))
        text = worker.log.read().decode("utf-8", "replace")
        worker.log.close()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{how}: {last_words(text)}" if text.strip() else how

    def stop(self) -> None:
        """End every worker."""
        for worker in list(self.alive):
            self.end(worker)


@contextmanager
def _workers(work: str, temporary: Path | None) -> Iterator[_Pool]:
    pool = _Pool(work, temporary)
    try:
        yield pool
    finally:
        pool.stop()
        pool.selector.close()


def _rounds(pool: _Pool, waiting: deque[int], tasks: Sequence[Json], jobs: int, time_limit: float) -> Iterator[Outcome]:
    """Hand out tasks and collect outcomes until both are through."""
    while waiting or any(worker.task >= 0 for worker in pool.alive):
        idle = [worker for worker in pool.alive if worker.task < 0]
        while waiting and (idle or len(pool.alive) < jobs):
            _give(idle.pop() if idle else pool.start(), waiting.popleft(), tasks, time_limit)
        busy = [worker for worker in pool.alive if worker.task >= 0]
        left = min(worker.deadline for worker in busy) - time.monotonic()
        for key, _ in pool.selector.select(max(0.0, left) if left < float("inf") else None):
            outcome = _hear(pool, key.data)
            if outcome is not None:
                yield outcome
        for worker in [worker for worker in pool.alive if worker.deadline <= time.monotonic()]:
            task = worker.task
            pool.end(worker)
            yield Outcome(task, None, "time", f"took longer than {time_limit:g} s")


def _give(worker: _Worker, task: int, tasks: Sequence[Json], time_limit: float) -> None:
    worker.task = task
    worker.deadline = time.monotonic() + time_limit + GRACE if time_limit else float("inf")
    stdin = worker.process.stdin
    assert stdin is not None
    with suppress(BrokenPipeError):  # it died while it waited: its end is seen when it is heard
        stdin.write(json.dumps(dict(tasks[task])).encode() + b"\n")
        stdin.flush()


def _hear(pool: _Pool, worker: _Worker) -> Outcome | None:
    """Read what a worker says: a part of a line, an answer, or its end."""
    stdout = worker.process.stdout
    assert stdout is not None
    data = os.read(stdout.fileno(), 1 << 16)
    if not data:
        task = worker.task
        words = pool.end(worker)
        return Outcome(task, None, "died", words) if task >= 0 else None
    worker.buffer += data
    if not worker.buffer.endswith(b"\n"):
        return None
    answer = json.loads(worker.buffer)
    worker.buffer.clear()
    task, worker.task, worker.deadline = worker.task, -1, float("inf")
    return Outcome(task, answer)


def kill_tree(pid: int) -> None:
    """Kill a process and everything that it started, groups of their own included."""
    for child in children_of(pid):
        kill_tree(child)
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """Processes that a process started and that still run; empty where the system has no /proc."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in path.read_text().split()]
    return found


# -- inside a worker -----------------------------------------------------------------------------


def serve() -> None:
    """Do tasks from standard input until it ends; what libraries print goes to standard error."""
    from circuitgraph.formats.detect import function_of

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_watch, daemon=True).start()
    function = function_of(sys.argv[1])
    for line in sys.stdin.buffer:
        answers.write(json.dumps(function(json.loads(line))).encode() + b"\n")
        answers.flush()


def _watch() -> None:
    """End this process and its children as soon as nobody can send tasks any more."""
    import select

    poll = select.poll()
    poll.register(0, select.POLLHUP)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
        pass
    for child in children_of(os.getpid()):
        kill_tree(child)
    os._exit(1)
