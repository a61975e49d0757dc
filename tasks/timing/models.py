"""Models of timing by the name that their checkpoints bear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from circuitgraph.errors import CircuitError

SHIPPED = Path(__file__).with_name("placed_wires.safetensors")
"""Learned wires over placement, trained on the training split of public routed designs in sky130 and gf180.

Made by ``circuitgraph finetune tasks/recipes/finetune_placed_timing.toml --data ROUTED``, where ROUTED is what
``benchmarks/timing_data.py`` unpacks.
"""


def load_model(path: str | Path) -> Any:
    """The model of a checkpoint: learned wires over a placement, or from the netlist alone.

    Args:
        path: of the checkpoint; "shipped" is the one of this package.

    Raises:
        CircuitError: the checkpoint is damaged, of another version, or holds something else.
    """
    from encoders.checkpoint import load
    from tasks.timing.learned import LearnedWires, load_learned
    from tasks.timing.placed_wires import PlacedWires

    path = SHIPPED if str(path) == "shipped" else path
    tensors, about = load(path)
    if about.get("kind") == "model" and about.get("task") == "timing" and about.get("model") == PlacedWires.name:
        return PlacedWires.from_state(tensors, about, Path(path).name)
    if about.get("kind") == "model" and about.get("task") == "timing" and about.get("model") != LearnedWires.name:
        name = about.get("model")
        raise CircuitError(
            Path(path).name, "checkpoint", f"holds the model {name!r}, which predicts no wires", "give another"
        )
    return load_learned(path)
