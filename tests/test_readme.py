"""The README's Python blocks run as they stand, and its commands give what it shows."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import warnings
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^\$ circuitgraph (.*)\n((?:(?!\$|```).*\n)*)", README, re.MULTILINE)


@pytest.mark.parametrize("row", range(len(BLOCKS)))
def test_a_python_block_runs(row: int, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if "read_rtl" in BLOCKS[row] and shutil.which("iverilog") is None:
        pytest.skip("program 'iverilog' is not installed: apt-get install iverilog, or make tools")
    monkeypatch.chdir(root)
    monkeypatch.setenv("CIRCUITGRAPH_CACHE", str(tmp_path))
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        exec(compile(BLOCKS[row], f"README block {row}", "exec"), names)
    if "embedding" in names:
        data, embedding = names["data"], names["embedding"]
        assert embedding.nodes.shape == (data.num_nodes, 64)  # type: ignore[attr-defined]
        assert BLOCKS[row].strip().count("\n") <= 5


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[1].strip()], ids=lambda c: c[0].split()[0])
def test_a_command_prints_what_is_shown(
    command: tuple[str, str], root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tasks.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(root / "data")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(shlex.split(command[0])) == 0
    for line in command[1].strip().splitlines():
        pattern = ".*".join(re.escape(part) for part in line.split("..."))
        assert re.search(pattern, out.getvalue()), (line, out.getvalue())


def test_the_readme_speaks_of_every_command() -> None:
    for word in ("inspect", "embed", "pretrain", "finetune", "predict", "evaluate", "demo", "doctor"):
        assert word in README
