"""External programs: found, run without a shell, with a time limit, killed with all their children.

The exit status is not trusted: several EDA programs exit 0 after a failure. The file that a run must make decides.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from circuitgraph.errors import CircuitError

PACKAGE_OF = {"sta": "opensta", "iverilog": "iverilog", "ngspice": "ngspice", "chromium": "chromium"}
"""Debian package of each program."""

MADE_BY_TOOLS = ("sta", "iverilog")
"""Programs that ``make tools`` installs."""

MAX_OUTPUT = 1 << 20


def find(program: str) -> str | None:
    """Absolute path of a program, or None."""
    return shutil.which(program)


def how_to_get(program: str) -> str:
    """What installs a program on Debian and Ubuntu.

    >>> how_to_get("sta")
    'apt-get install opensta, or make tools'
    """
    how = f"apt-get install {PACKAGE_OF.get(program, program)}"
    return f"{how}, or make tools" if program in MADE_BY_TOOLS else how


def require(program: str) -> str:
    """Absolute path of a program.

    Raises:
        CircuitError: it is not installed; the message names the Debian package.
    """
    found = find(program)
    if found is None:
        raise CircuitError("system", f"program {program!r}", "is not installed", how_to_get(program))
    return found


def run(
    program: str,
    arguments: Sequence[str],
    folder: str | os.PathLike[str],
    makes: str | None,
    seconds: float,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program in *folder* and give its output (standard output and error together) as text.

    Args:
        makes: file that the run must leave in *folder*; None when only the output counts.
        seconds: time limit; the whole process group is killed when it ends.
        environment: variables beside PATH, LC_ALL and HOME (which is *folder*).

    Raises:
        CircuitError: the program is absent, takes too long, or makes no such file.
    """
    folder = Path(folder)
    if makes is not None:
        (folder / makes).unlink(missing_ok=True)
    log = folder / f".{Path(program).name}.log"
    variables = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": str(folder), **(environment or {})}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [require(program), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=variables,
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise CircuitError(
                str(folder), f"program {program!r}", f"took longer than {seconds:g} s", "use a smaller design"
            ) from None
    with log.open("rb") as file:
        output = file.read(MAX_OUTPUT).decode("utf-8", "replace")
    log.unlink()
    if makes is not None and not (folder / makes).is_file():
        words = output.strip()[-160:].replace("\n", " | ") or "none"
        raise CircuitError(
            str(folder), f"program {program!r}", f"ended with {code} and made no {makes}", f"its last words: {words}"
        )
    return output
