"""A short training run in a process of its own: python resume_script.py RUN SEED [KILL_AT_STEP]."""

from __future__ import annotations

import hashlib
import os
import signal
import sys

from circuitgraph.pyg import to_data
from circuitgraph.views import logic_view
from encoders.encoder import Schema, make_encoder
from encoders.objectives import make_objective
from encoders.pretrain import Settings, train
from encoders.run import Run
from tests.subjects import random_circuit


def main() -> None:
    folder, seed, kill = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 0
    graphs = [to_data(logic_view(random_circuit(row, gates=20 + 9 * row))) for row in range(7)]
    encoder = make_encoder("residual", Schema.of(graphs[0]), seed, width=8, layers=2)
    objective = make_objective("masked_gates", 8, seed)
    if kill:
        objective.after_step = lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == kill else None
    run = Run(folder)
    with run.open(f"seed = {seed}\n", seed, {}, 2):
        train(encoder, objective, graphs, Settings(epochs=5, max_nodes=150, save_every=3), seed, run)
        run.write("done", {})
    parameters = [*encoder.state_dict().values(), *objective.state_dict().values()]
    print(hashlib.sha256(b"".join(p.numpy().tobytes() for p in parameters)).hexdigest())


if __name__ == "__main__":
    main()
