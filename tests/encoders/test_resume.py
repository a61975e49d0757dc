"""A run killed with SIGKILL resumes to the same weights, bit for bit; another seed gives other losses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, seed: int, kill: int = 0) -> subprocess.CompletedProcess[str]:
    arguments = [
        sys.executable,
        "-m",
        "tests.encoders.resume_script",
        str(folder),
        str(seed),
        *([str(kill)] if kill else []),
    ]
    return subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": "ignore"}, timeout=250
    )


def test_killed_twice_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    for step in (4, 11):
        killed = start(tmp_path / "killed", 0, step)
        assert killed.returncode == -signal.SIGKILL
        assert json.loads((tmp_path / "killed" / "run.json").read_text())["status"] == "running"
    resumed = start(tmp_path / "killed", 0)
    assert resumed.stdout == whole.stdout
    names = ("metrics.csv", "recipe.toml", "checkpoints/last.safetensors")
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    rows = (tmp_path / "whole" / "metrics.csv").read_text().splitlines()
    steps = [int(row.split(",")[0]) for row in rows[1:]]
    assert steps == list(range(1, len(steps) + 1))
    left = [path.name for path in (tmp_path / "killed").rglob("*.part")]
    assert len(left) <= 2


def test_killed_between_the_two_files_of_a_state_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole", 0)
    for step in (-3, -9):
        assert start(tmp_path / "killed", 0, step).returncode == -signal.SIGKILL
    resumed = start(tmp_path / "killed", 0)
    assert resumed.stdout == whole.stdout
    for name in ("metrics.csv", "checkpoints/last.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_killed_at_ten_random_moments_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    """Seven random steps, three random saves: what a kill can hit."""
    whole = start(tmp_path / "whole", 0)
    last = int((tmp_path / "whole" / "metrics.csv").read_text().splitlines()[-1].split(",")[0])
    rng = np.random.default_rng(12)
    steps = np.sort(rng.choice(np.arange(1, last), 10, replace=False))
    saves = set(rng.choice(10, 3, replace=False).tolist())
    for row, step in enumerate(steps.tolist()):
        killed = start(tmp_path / "killed", 0, -step if row in saves else step)
        assert killed.returncode in {-signal.SIGKILL, 0}
    resumed = start(tmp_path / "killed", 0)
    assert resumed.stdout == whole.stdout
    for name in ("metrics.csv", "recipe.toml", "checkpoints/last.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_one_seed_gives_the_same_losses_and_another_gives_others(tmp_path: Path) -> None:
    outputs = [start(tmp_path / name, seed).stdout for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    assert outputs[0] == outputs[1] != outputs[2]
    losses = [(tmp_path / name / "metrics.csv").read_text() for name in "abc"]
    assert losses[0] == losses[1] != losses[2]


def test_two_runs_in_one_folder_the_second_is_refused(tmp_path: Path) -> None:
    from circuitgraph.errors import CircuitError
    from encoders.run import Run

    first = Run(tmp_path)
    with first.open("seed = 0\n", 0, {}, 1):
        code = (
            "import sys; from encoders.run import Run; from circuitgraph.errors import CircuitError\n"
            f"try:\n    Run({str(tmp_path)!r}).open('seed = 0\\n', 0, {{}}, 1).__enter__()\n"
            "except CircuitError as error:\n    sys.exit(str(error))\n"
        )
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1
        assert "is in use by another process" in done.stderr
    with pytest.raises(CircuitError, match="another recipe"), Run(tmp_path).open("seed = 1\n", 1, {}, 1):
        pass
