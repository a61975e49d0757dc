"""A run of make-timing that tests kill: ``factory_script.py MOMENT OUTPUT INPUT...``.

MOMENT "design" kills the run when its first design stands; any other word kills a worker's process at that step.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from circuitgraph.corpus_pool import Outcome
from tasks.timing.factory import collection, make, steps

DATA = Path(__file__).resolve().parents[2] / "data"
OPTIONS = make.MakeOptions(
    (str(DATA / "library" / "cgl_typ.lib"),), (str(DATA / "library" / "cgl.lef"),), jobs=1, time_limit=120
)


def end(*_: object, **__: object) -> None:
    """Die as a killed process does."""
    os.kill(os.getpid(), signal.SIGKILL)


def hear(line: str) -> None:
    """Die at the first design that stands."""
    if line.startswith("made "):
        end()


if __name__ == "__main__":
    moment, output, *inputs = sys.argv[1:]
    if moment == "design":
        make.make_designs(inputs, output, OPTIONS, hear)
    else:
        setattr(steps, moment, end)
        collection.run_pool = lambda work, tasks, *_: (
            Outcome(row, steps.make_design(one)) for row, one in enumerate(tasks)
        )
        make.make_designs(inputs, output, OPTIONS, lambda _: None)
