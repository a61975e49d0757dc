"""A short training run in a process of its own: python resume_script.py RUN SEED [KILL_AT_STEP].

A negative step kills while the state of that step is being written: its tensors are on disk, its JSON is not.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path

from safetensors.numpy import load_file as load_tensors

from circuitgraph.pyg import to_data
from circuitgraph.views import logic_view
from encoders import checkpoint
from encoders.encoder import Schema, make_encoder
from encoders.objectives import make_objective, masked_gates
from encoders.pretrain import Settings, train
from encoders.run import Run
from tests.subjects import random_circuit


def kill_while_saving(step: int) -> None:
    """Die in the middle of the first save at or behind a step."""
    write = checkpoint.write_atomic

    def dying(path: Path, text: str) -> None:
        if "last" in Path(path).name and len(load_tensors(path.with_suffix(".safetensors"))) and step <= seen[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, text)

    seen = [0]
    follow = masked_gates.MaskedGates.after_step

    def counted(self: masked_gates.MaskedGates, at: int) -> None:
        seen[0] = at
        follow(self, at)

    masked_gates.MaskedGates.after_step = counted  # type: ignore[method-assign]
    checkpoint.write_atomic = dying  # type: ignore[assignment]


def main() -> None:
    folder, seed, kill = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 0
    graphs = [to_data(logic_view(random_circuit(row, gates=20 + 9 * row))) for row in range(7)]
    encoder = make_encoder("residual", Schema.of(graphs[0]), seed, width=8, layers=2)
    objective = make_objective("masked_gates", 8, seed)
    if kill < 0:
        kill_while_saving(-kill)
    elif kill:
        objective.after_step = lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == kill else None
    run = Run(folder)
    with run.open(f"seed = {seed}\n", seed, {}, 2):
        train(encoder, objective, graphs, Settings(epochs=5, max_nodes=150, save_every=3), seed, run)
        run.write("done", {})
    parameters = [*encoder.state_dict().values(), *objective.state_dict().values()]
    print(hashlib.sha256(b"".join(p.numpy().tobytes() for p in parameters)).hexdigest())


if __name__ == "__main__":
    main()
