"""What is installed, what is missing and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import Any

from circuitgraph import __version__
from circuitgraph.programs import PACKAGE_OF, how_to_get

NEEDED = (
    "numpy",
    "scipy",
    "numba",
    "networkx",
    "torch",
    "torch-geometric",
    "scikit-learn",
    "pyverilog",
    "safetensors",
    "pydantic",
    "rich",
)
EXTRAS = {
    "lightning": "train",
    "tensorboard": "train",
    "matplotlib": "report",
    "pyosys": "eda",
    "aigverse": "eda",
    "coloquinte": "eda",
    "zstandard": "zstd",
}


def doctor() -> dict[str, Any]:
    """Packages, programs, corpus and threads; ``healthy`` is false when something needed is missing."""
    lines = [f"circuitgraph-learn {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores"]
    packages: dict[str, str | None] = {}
    healthy = True
    for name in (*NEEDED, *EXTRAS):
        try:
            packages[name] = version(name)
            lines.append(f"  {name} {packages[name]}")
        except PackageNotFoundError:
            packages[name] = None
            extra = EXTRAS.get(name)
            healthy &= extra is not None
            how = f"pip install circuitgraph-learn[{extra}]" if extra else f"pip install {name}"
            lines.append(f"  {name} is missing: {how}")
    try:
        other = distribution("circuitgraph")
        healthy = False
        lines.append(
            f"  another package named circuitgraph {other.version} is installed: "
            "pip uninstall circuitgraph, then reinstall circuitgraph-learn"
        )
    except PackageNotFoundError:
        pass
    programs: dict[str, str | None] = {}
    for program in PACKAGE_OF:
        programs[program] = shutil.which(program)
        place = programs[program] or f"is missing (optional): {how_to_get(program)}"
        lines.append(f"  program {program}: {place}")
    lines.append(_corpus_line())
    return {
        "version": __version__,
        "healthy": healthy,
        "packages": packages,
        "programs": programs,
        "text": "\n".join(lines),
    }


def _corpus_line() -> str:
    from circuitgraph.corpus import Corpus, shipped_folder
    from circuitgraph.errors import CircuitError

    try:
        corpus = Corpus(shipped_folder())
    except CircuitError as error:
        return f"  corpus: {error}"
    return f"  corpus: {corpus.folder} with {len(corpus.entries())} circuits of {len(corpus.families())} families"
