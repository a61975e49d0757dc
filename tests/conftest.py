"""What the tests share: the public data folder, unpacked once a session, and the repository's own data."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers of two threads each starve each other
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("CIRCUITGRAPH_SHARED_DATA", ROOT.parent / "shared" / "data"))
PROGRAMS = {"sta": "opensta", "iverilog": "iverilog"}

settings.register_profile(
    "ci", derandomize=True, max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-goldens`` writes what is found into ``tests/golden`` instead of comparing with it."""
    parser.addoption("--update-goldens", action="store_true", help="write golden texts instead of comparing")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether golden texts are written."""
    return bool(request.config.getoption("--update-goldens"))


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of one small file a format: netlist, library, constraints and parasitics belong together."""
    return ROOT / "tests" / "samples"


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from ``digital/aiger`` to the folder with the archive's content, or ``digital`` to the folder itself.

    Archives are unpacked at their first use. Without the public data the test is skipped with the way to get it.
    """
    unpacked: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if not SHARED.is_dir():
            pytest.skip(f"public data is absent: no folder {SHARED}; set CIRCUITGRAPH_SHARED_DATA to it")
        source = SHARED / name
        if source.exists():
            return source
        if name not in unpacked:
            archive = SHARED / f"{name}.tar.xz"
            if not archive.is_file():
                pytest.skip(f"public data is incomplete: no {archive}")
            target = tmp_path_factory.mktemp("shared")
            with tarfile.open(archive) as file:
                file.extractall(target, filter="data")
            inside = target / Path(name).name
            unpacked[name] = inside if inside.is_dir() else target
        return unpacked[name]

    return folder


@pytest.fixture(autouse=True)
def _needs_tools(request: pytest.FixtureRequest) -> None:
    """A test marked ``tool("sta")`` says what to install where the program is missing."""
    mark = request.node.get_closest_marker("tool")
    for program in mark.args if mark else ():
        if shutil.which(program) is None:
            pytest.skip(
                f"program {program!r} is not installed: apt-get install {PROGRAMS.get(program, program)}, or make tools"
            )
