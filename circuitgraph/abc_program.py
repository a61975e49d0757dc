"""Berkeley ABC, as the package pyosys brings it: found, run on files under positional names, its word not trusted.

ABC drops the rest of a script after an unknown command, writes nothing and exits 0; this one has no ``abc.rc``, so
there are no aliases such as ``resyn2`` or ``rw``. The output file is deleted before a run, and must be there, not empty,
and without an error in the text, after it.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from circuitgraph import programs
from circuitgraph.errors import CircuitError
from circuitgraph.worker import last_words

ERRORS = ("cmd error", "Error:", "error:", "has failed", "Cannot", "cannot")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class AbcTimeout(CircuitError):
    """ABC took longer than its time limit and was killed."""


def find_abc() -> str | None:
    """Path of ABC: that of the installed pyosys, else ``yosys-abc`` or ``abc`` on the search path, else None."""
    try:
        files = importlib.metadata.files("pyosys") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in {"yosys-abc", "yosys-abc.exe"}:
            path = Path(str(file.locate()))
            if path.is_file():
                return str(path)
    return shutil.which("yosys-abc") or shutil.which("abc")


def run_abc(commands: Sequence[str], folder: Path, makes: str, seconds: float, place: str, subject: str) -> str:
    """Run commands of ABC in *folder* and give what it printed, without colours.

    Args:
        commands: one command each; file names in them are ours, never a user's.
        makes: file that the last command writes in *folder*.
        seconds: time limit.
        place: of the error that says what went wrong.
        subject: of that error.

    Raises:
        CircuitError: ABC is not installed, or it reports an error or writes nothing; its last words are quoted.
        AbcTimeout: the time is over.
    """
    program = find_abc()
    if program is None:
        raise CircuitError(place, subject, "needs ABC, which is not installed", "pip install pyosys")
    try:
        text = programs.run(program, ["-s", "-q", "; ".join(commands)], folder, makes, seconds)
    except CircuitError as error:
        if "took longer" in error.rule:
            raise AbcTimeout(
                place, subject, f"ABC {error.rule}", "raise time_limit, or take a smaller design"
            ) from None
        words = _COLOUR.sub("", error.way_out.removeprefix("its last words: "))
        raise CircuitError(place, subject, f"ABC wrote nothing: {words}", "check the circuit and the passes") from None
    text = _COLOUR.sub("", text)
    failed = any(word in text for word in ERRORS[:2])
    if failed or not (folder / makes).stat().st_size:
        words = last_words(text, ERRORS)
        raise CircuitError(place, subject, f"ABC stopped: {words}", "check the circuit and the passes")
    return text


__all__ = ["AbcTimeout", "find_abc", "run_abc"]
