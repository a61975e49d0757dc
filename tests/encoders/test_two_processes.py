"""Two processes train what one trains: the same losses and weights within float tolerance, in both scopes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def start(*arguments: str, world: int) -> None:
    """Run the script in one process, or in two under torchrun."""
    head = [sys.executable, *(TORCHRUN if world == 2 else [])]
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [*head, "-m", "tests.encoders.distributed_script", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("masked_gates", "-"),
        ("rewritten_views", "gates"),
        ("rewritten_views", "circuits"),
        ("rewritten_and_masked", "-"),
    ],
)
def test_two_processes_equal_one(name: str, contrast: str, tmp_path: Path) -> None:
    start(name, contrast, str(tmp_path / "one.safetensors"), world=1)
    start(name, contrast, str(tmp_path / "two.safetensors"), world=2)
    one, two = load_file(tmp_path / "one.safetensors"), load_file(tmp_path / "two.safetensors")
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-4, msg=lambda text, key=key: f"{key}: {text}")
    losses = [(tmp_path / f"{word}.txt").read_text().splitlines() for word in ("one", "two")]
    assert len(losses[0]) == len(losses[1]) > 3
    for first, second in zip(*losses, strict=True):
        assert float(second.split()[1]) == pytest.approx(float(first.split()[1]), rel=1e-3)


def test_two_processes_share_one_run_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    start("masked_gates", "-", str(tmp_path / "two.safetensors"), str(run), world=2)
    assert json.loads((run / "run.json").read_text())["status"] == "done"
    assert (run / "checkpoints" / "last.safetensors").is_file()
    steps = [int(row.split(",")[0]) for row in (run / "metrics.csv").read_text().splitlines()[1:]]
    assert steps == list(range(1, len(steps) + 1))
