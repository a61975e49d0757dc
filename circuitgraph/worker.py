"""Workers: Python code of ours that runs in a process of its own, because the package it calls prints or crashes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from circuitgraph import programs
from circuitgraph.errors import CircuitError

TAIL = 1 << 16  # bytes of the log that are read after a failure
BEFORE = "import os\nlog = os.open('log', os.O_WRONLY | os.O_CREAT)\nos.dup2(log, 1)\nos.dup2(log, 2)\n"
AFTER = "\nopen('finished', 'w').close()\n"


def run_worker(
    code: str,
    folder: Path,
    seconds: float,
    place: str,
    subject: str,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> str | None:
    """Run Python code in *folder*; what it and its libraries print goes to a file there.

    Args:
        code: text of the program; files are its input and output.
        folder: its working folder, private to this call.
        seconds: time limit; the process and all its children are killed when it ends.
        place: of the error that says so.
        subject: of the error that says so.
        arguments: seen as ``sys.argv[1:]``.
        environment: variables beside those that :func:`circuitgraph.programs.run` sets.

    Returns:
        None when the code reached its end, else the last lines of what it printed.

    Raises:
        CircuitError: the time is over.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run_worker("print(1 / 0)", Path(folder), 60, "here", "sum").splitlines()[-1]
    'ZeroDivisionError: division by zero'
    """
    variables = {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", "TMPDIR": str(folder), **(environment or {})}
    command = ["-P", "-W", "ignore", "-c", BEFORE + code + AFTER, *arguments]
    (folder / "finished").unlink(missing_ok=True)
    try:
        programs.run(sys.executable, command, folder, None, seconds, variables)
    except CircuitError as error:
        raise CircuitError(place, subject, error.rule, "raise time_limit, or take a smaller design") from None
    if (folder / "finished").exists():
        return None
    log = folder / "log"
    return log.read_bytes()[-TAIL:].decode("utf-8", "replace") if log.exists() else ""


def last_words(log: str, marks: Sequence[str] = ("Error", "ERROR")) -> str:
    """The last line of a log that holds one of the marks, else its last line.

    >>> last_words("a" + chr(10) + "ERROR: b" + chr(10) + "c")
    'ERROR: b'
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    marked = [line for line in lines if any(mark in line for mark in marks)]
    return (marked or lines or ["no message"])[-1]
