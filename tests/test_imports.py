"""Imports point down the table of floors only, and commands import no more than they need."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ALLOWED = {
    "circuitgraph": {"circuitgraph"},
    "encoders": {"circuitgraph", "encoders"},
    "tasks": {"circuitgraph", "encoders", "tasks"},
}
HEAVY = {"torch", "torch_geometric", "lightning"}
LAZY = {"pyverilog", "pyosys", "aigverse", "coloquinte", "gdstk"}
LAZY_HOMES = {"rtl.py", "synthesis.py", "placement.py", "routing.py", "layout.py"}
TORCH_FREE_TASKS = ("cli.py", "task.py", "inspection.py", "doctor.py", "recipe.py", "metrics.py", "table.py")


def imports(file: Path, top_level_only: bool = False) -> set[str]:
    """First names of the modules that *file* imports; also inside functions unless told otherwise."""
    tree = ast.parse(file.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def violations(root: Path) -> list[str]:
    """One line per forbidden arrow below *root*."""
    lines = []
    for floor, allowed in ALLOWED.items():
        for file in sorted((root / floor).rglob("*.py")):
            if file.name == "launch.py":
                continue
            own = imports(file)
            bad = (own & set(ALLOWED)) - allowed
            if floor == "circuitgraph" and file.name != "pyg.py":
                bad |= own & HEAVY
            if file.name not in LAZY_HOMES:
                bad |= own & LAZY
            bad |= imports(file, top_level_only=True) & LAZY
            if floor == "tasks" and file.name in TORCH_FREE_TASKS:
                bad |= imports(file, top_level_only=True) & HEAVY
            lines += [f"{file.relative_to(root)} imports {name}" for name in sorted(bad)]
    return lines


def test_imports_point_down(root: Path) -> None:
    assert violations(root) == []


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("circuitgraph/a.py", "def f():\n    import encoders.x\n", "circuitgraph/a.py imports encoders"),
        ("circuitgraph/a.py", "import torch\n", "circuitgraph/a.py imports torch"),
        ("encoders/a.py", "from tasks import cli\n", "encoders/a.py imports tasks"),
        ("tasks/cli.py", "import torch\n", "tasks/cli.py imports torch"),
        ("circuitgraph/a.py", "def f():\n    import pyosys\n", "circuitgraph/a.py imports pyosys"),
    ],
)
def test_a_planted_arrow_is_found(tmp_path: Path, file: str, line: str, said: str) -> None:
    for floor in ALLOWED:
        (tmp_path / floor).mkdir()
    (tmp_path / file).write_text(line)
    assert violations(tmp_path) == [said]


def test_every_named_class_lies_on_its_floor() -> None:
    from circuitgraph.formats.detect import FORMATS
    from circuitgraph.views import VIEWS
    from encoders.encoder import ENCODERS
    from encoders.objectives import OBJECTIVES
    from tasks.task import TASKS

    for floor, names in (
        ("circuitgraph", [row.reader for row in FORMATS] + list(VIEWS.values())),
        ("encoders", [*ENCODERS.values(), *OBJECTIVES.values()]),
        ("tasks", list(TASKS.values())),
    ):
        assert all(name.startswith(f"{floor}.") for name in names)


def test_differentiable_code_gathers_with_index_select(root: Path) -> None:
    """``x[integers]`` has other bits at every run on two threads; masks and slices are fine."""
    layers = sorted((root / "encoders" / "layers").glob("*.py"))
    assert layers
    for file in layers:
        assert ".gather(" not in file.read_text()


def modules_after(code: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after *code*."""
    script = f"import sys\n{code}\nsys.stderr.write(' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_import_of_the_package_is_light() -> None:
    loaded = modules_after("import circuitgraph")
    assert not loaded & {"numpy", "numba", "scipy", "networkx", "torch"}


def test_help_imports_no_numpy() -> None:
    loaded = modules_after("from tasks.cli import main; main(['--help'])")
    assert not loaded & {"numpy", "numba", "torch", "networkx", "pydantic", "rich"}


def test_inspect_of_a_small_file_imports_no_numba(tmp_path: Path) -> None:
    from tests.subjects import FULL_ADDER_BENCH

    (tmp_path / "a.bench").write_text(FULL_ADDER_BENCH)
    loaded = modules_after(f"from tasks.cli import main; main(['inspect', {str(tmp_path / 'a.bench')!r}])")
    assert "numpy" in loaded
    assert not loaded & {"numba", "torch", "networkx", "scipy", "pydantic"}


def test_data_is_not_importable(root: Path) -> None:
    assert not list((root / "data").rglob("*.py"))
