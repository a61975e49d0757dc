"""``circuitgraph demo``: the whole path on the shipped corpus: pretrain, train wires, predict on an unseen family."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circuitgraph.corpus import Corpus, shipped_folder
from tasks.table import text_table

Say = Callable[[str], None]

PRETRAIN_EPOCHS = 24
WIRE_EPOCHS = 40
SHOWN = "spn_round_16"
"""Design of the test split whose prediction the report shows."""


def demonstrate(output: str, seed: int, say: Say) -> dict[str, Any]:
    """Run the demonstration; every number comes from this run.

    Args:
        output: folder of the two runs and the report; the same command goes on where it was stopped.
        seed: of weights, order and masks.
    """
    from encoders.checkpoint import load_encoder
    from tasks.recipe import DataPart, EncoderPart, FinetuneRecipe, PretrainRecipe, TrainPart
    from tasks.timing.finetune import run_finetuning
    from tasks.training import run_pretraining

    began = time.monotonic()
    folder = Path(output) / f"seed{seed}"
    corpus = Corpus(shipped_folder())
    families = corpus.families(("placed",))
    unseen = sorted(family for family, split in families.items() if split == "test")
    designs = len(corpus.entries(kinds=("placed",)))
    say(f"corpus: {designs} placed designs of {len(families)} families; unseen in training: {', '.join(unseen)}")
    pretraining = PretrainRecipe(
        seed=seed,
        data=DataPart(view="timing", kinds=["placed"]),
        encoder=EncoderPart(name="residual", width=48, layers=4),
        train=TrainPart(epochs=PRETRAIN_EPOCHS, max_nodes=6000, learning_rate=4e-3),
    )
    first = run_pretraining(pretraining, folder / "pretrain", say)
    checkpoint = folder / "pretrain" / "checkpoints" / "encoder.safetensors"
    finetuning = FinetuneRecipe(
        seed=seed,
        encoder=EncoderPart(checkpoint=str(checkpoint.resolve())),
        train=TrainPart(epochs=WIRE_EPOCHS, max_nodes=4000, learning_rate=3e-3),
    )
    second = run_finetuning(finetuning, folder / "wires", say)
    load_encoder(checkpoint)
    page = _page(corpus, folder, seed, first["rows"], second["rows"], say)
    seconds = round(time.monotonic() - began, 1)
    text = "\n\n".join(
        [
            text_table(first["rows"], "Masked cells: kind recovered, families unseen in training"),
            text_table(second["rows"], "Timing: wires and slack, families unseen in training"),
            f"report: {page.resolve()}  ({seconds:.0f} s, seed {seed})",
        ]
    )
    return {
        "masked_cells": first["rows"],
        "timing": second["rows"],
        "report": str(page),
        "seconds": seconds,
        "text": text,
    }


def _page(corpus: Corpus, folder: Path, seed: int, masked: Any, timing: Any, say: Say) -> Path:
    """One page of both runs and of the prediction for one unseen design."""
    from circuitgraph.analysis.sta_paths import worst_paths
    from circuitgraph.analysis.sta_report import report_path
    from circuitgraph.views import logic_view
    from tasks.report.drawing import draw_view
    from tasks.report.page import Page
    from tasks.report.plots import bars, histogram
    from tasks.report.run_report import training_figures
    from tasks.report.timing_report import slack_scatter
    from tasks.timing.inputs import read_example
    from tasks.timing.learned import load_learned
    from tasks.timing.table import reference

    say("writing the report")
    entry = next(row for row in corpus.entries(kinds=("placed",)) if row.design == SHOWN)
    path = corpus.path(entry)
    files = {"netlist": path, "sdc": path.with_suffix(".sdc"), "spef": path.with_suffix(".spef.xz")}
    example = read_example(files, corpus.library, entry.family)
    inputs = example.inputs
    model = load_learned(folder / "wires" / "checkpoints" / "model.safetensors")
    learned = model.predict(inputs).about["timing"]
    row = model.row.predict(inputs).about["timing"]
    truth = reference(example).about["timing"]
    page = Page("circuitgraph: demonstration", f"Seed {seed}. Every number on this page was computed by this run.")
    page.heading("1. Masked gate modelling")
    page.text(
        "A share of the cells is hidden from the encoder, and it says what they are. Test families were never seen in training."
    )
    page.table(masked, ["residual", "levelised"])
    accuracy = {str(r["row"]): float(r["masked-cell accuracy %"]) for r in masked}
    page.figures(
        (bars(accuracy, "masked-cell accuracy, %", ["residual"]), "Counting baselines in grey."),
        *training_figures(_rows(folder / "pretrain")),
    )
    page.heading("2. Wires and slack")
    page.text(
        "Wires of the shipped designs are pattern-routed estimates, not post-route. Learned wires start from the fitted "
        "fan-out row. Errors are against the engine with the true wires of the design."
    )
    page.table(timing, ["learned wires"])
    page.figures(*training_figures(_rows(folder / "wires")))
    page.heading(f"3. {SHOWN}, a design of the unseen family {entry.family!r}")
    page.figures(
        (slack_scatter(truth, {"fan-out": row, "learned wires": learned}), "Setup slack of every endpoint."),
        (
            histogram(
                {"true wires": 1e9 * truth.worst_slack(), "learned wires": 1e9 * learned.worst_slack()},
                "setup slack, ns",
                True,
            ),
            "Setup slack.",
        ),
    )
    for one in worst_paths(learned, 2):
        page.preformatted(report_path(learned, one))
    small = next(r for r in corpus.entries(split="test", kinds=("netlist",)) if corpus.path(r).stat().st_size < 12_000)
    circuit = corpus.circuit(small)
    view = logic_view(circuit)
    names = [_node_name(circuit, view, node) for node in range(view.num_nodes)]
    page.heading(f"4. A circuit of the corpus: {small.design}")
    caption = f"{circuit.num_cells} cells, level by level; names on hover. "
    caption += "Green inputs, blue gates, violet flip-flops, orange outputs."
    page.figures((draw_view(view, names), caption))
    return page.write(folder / "report.html")


def _node_name(circuit: Any, view: Any, node: int) -> str:
    if view.cell[node] >= 0:
        return str(circuit.cell_names.text(int(view.cell[node])))
    if view.port[node] >= 0:
        return str(circuit.port_names.text(int(view.port[node])))
    return str(circuit.net_names.text(int(view.net[node])))


def _rows(folder: Path) -> list[dict[str, float]]:
    """Logged rows of a run, from its metrics.csv."""
    import csv

    with (folder / "metrics.csv").open() as file:
        return [{k: float(v) for k, v in row.items() if v not in {"", None}} for row in csv.DictReader(file)]
