"""A short training by one or several processes: python distributed_script.py OBJECTIVE CONTRAST OUTPUT [RUN]."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from circuitgraph.pyg import to_data, without_twins
from circuitgraph.views import logic_view
from encoders.encoder import Schema, make_encoder
from encoders.objectives import make_objective
from encoders.pretrain import Settings, train
from encoders.run import Run, processes
from tests.contracts.test_objectives import pair_of
from tests.subjects import random_aig, random_circuit


def mixed_items() -> list:
    """Pairs of AIGs and circuits that stand alone, all with cut classes; two of one batch seldom weigh the same."""
    found: list = [pair_of(random_aig(row, ands=20 + 6 * row)) for row in range(4)]
    found += [(without_twins(to_data(logic_view(random_circuit(row))), 4),) for row in range(3)]
    for graph in (graph for item in found for graph in item):
        graph.cut_class = torch.where(graph.maskable, graph.unit % 222, torch.full_like(graph.unit, -1))
    return found


def main() -> None:
    name, contrast, output = sys.argv[1:4]
    config = {"contrast": contrast} if name == "rewritten_views" else {}
    if name == "rewritten_and_masked":
        items: list = mixed_items()
    elif config:
        items = [pair_of(random_aig(row, ands=20 + 6 * row)) for row in range(5)]
    else:
        items = [to_data(logic_view(random_circuit(row, gates=20 + 9 * row))) for row in range(7)]
    schema = Schema.of(items[0][0] if isinstance(items[0], tuple) else items[0])
    encoder = make_encoder("residual", schema, 0, width=8, layers=2)
    objective = make_objective(name, 8, 0, **config)
    run = Run(sys.argv[4]) if sys.argv[4:] else None
    settings = Settings(epochs=3, max_nodes=300, save_every=4)
    if run is None:
        rows = train(encoder, objective, items, settings, 0)
    else:
        with run.open("seed = 0\n", 0, {}, 1):
            rows = train(encoder, objective, items, settings, 0, run)
            run.write("done", {})
    if processes()[0] == 0:
        state = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
        state |= {f"objective.{key}": value.clone() for key, value in objective.state_dict().items()}
        save_file(state, output)
        Path(output).with_suffix(".txt").write_text("\n".join(f"{row['step']} {row['loss']:.6f}" for row in rows))


if __name__ == "__main__":
    main()
