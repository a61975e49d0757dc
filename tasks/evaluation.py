"""``circuitgraph evaluate``: the honest table of a task, rows that learn nothing beside rows that do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circuitgraph.corpus import Corpus, shipped_folder
from circuitgraph.errors import CircuitError
from tasks.table import text_table

Say = Callable[[str], None]

PLACED_RECIPE = {"epochs": 80, "max_nodes": 6000, "learning_rate": 5e-3, "weight_decay": 1e-3}
"""How learned wires over placement are trained; fields of :class:`encoders.pretrain.Settings`."""

MASKED_EPOCHS = 40
"""Epochs of each seed of the masked-gates table, on netlists alone."""


def evaluate(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Rows of the task that the options name."""
    if options.seeds < 1:
        raise CircuitError("--seeds", str(options.seeds), "must be at least 1", "5 is usual")
    if options.task == "timing":
        return evaluate_timing(options, say)
    if options.task == "pretraining":
        return evaluate_pretraining(options, say)
    return evaluate_masked_gates(options, say)


def evaluate_timing(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Wires and slack on the test families: baselines, ours, and two controls that must not gain."""
    from encoders.encoder import Schema, make_encoder
    from tasks.embedding import model_path
    from tasks.recipe import FinetuneRecipe
    from tasks.timing.finetune import split_examples, timing_encoder
    from tasks.timing.inputs import corpus_examples
    from tasks.timing.learned import LearnedWires
    from tasks.timing.table import baseline_scores, by_family, learned_scores, shuffled, summary

    if options.data and (Path(options.data) / "designs.csv").exists():
        return evaluate_designs(options, say)
    corpus = Corpus(options.data or shipped_folder())
    encoder, about = timing_encoder(model_path(options.model, "timing"))
    split = split_examples(corpus_examples(corpus), [])
    train, test, held = split["train"], split["test"], split["validation"]
    if not train or not test:
        raise CircuitError(
            str(corpus.folder), "corpus", "has no placed designs in train and test", "check its MANIFEST.csv"
        )
    recipe = FinetuneRecipe().train.model_dump()
    seeds = list(range(options.seeds))
    scores = baseline_scores(train, test, held)
    say(f"{len(train)} designs to train on, {len(test)} of {len({e.family for e in test})} unseen families to test")

    def ours(seed: int) -> Any:
        return LearnedWires(encoder, about, seed)

    scores += learned_scores(ours, "learned wires", seeds, train, [], test, recipe, held)
    if all(example.inputs.layout is not None for example in (*train, *test)):
        from tasks.timing.placed_wires import PlacedWires

        scores += learned_scores(PlacedWires, PlacedWires.name, seeds, train, [], test, PLACED_RECIPE)
    say("controls: a random encoder, and labels shuffled within each design")
    schema: Schema = encoder.schema

    def random(seed: int) -> Any:
        return LearnedWires(make_encoder(about["encoder"], schema, seed + 1000, **about["config"]).eval(), about, seed)

    scores += learned_scores(random, "learned, random encoder", seeds, train, [], test, recipe)
    for seed in seeds:
        scores += learned_scores(ours, "learned, labels shuffled", [seed], shuffled(train, seed), [], test, recipe)
    rows = summary(scores)
    shown = [str(row["row"]) for row in rows if "matched" not in str(row["row"]) and row["row"] != "zero wire"]
    families = by_family(scores, "log C MAE", shown)
    text = text_table(rows, "Timing: mean over families unseen in training")
    text += "\n\n" + text_table(families, "log C MAE by family")
    return {"task": "timing", "split": "family", "rows": rows, "families": families, "text": text}


def evaluate_designs(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Rows over placement on a folder of labelled designs: arithmetic, boosting, ours; setup and hold."""
    from tasks.timing.accuracy import design_rows, score, summary
    from tasks.timing.boosted_wires import BoostedWires
    from tasks.timing.designs import design_example, read_designs
    from tasks.timing.placed_rows import PlacedTrees, SteinerTrees
    from tasks.timing.placed_wires import PlacedWires

    if options.model:
        raise CircuitError("--model", "option", "is for a corpus; a folder of designs trains its own", "leave it out")
    split: dict[str, list[Any]] = {"train": [], "validation": [], "test": []}
    for files in read_designs(options.data):
        if files.spef is None or files.placement is None:
            say(f"{files.design}: left out: it has no parasitics or no placement")
            continue
        split[files.split].append(design_example(files))
    train, test = split["train"], split["test"]
    if not train or not test:
        rule = "has no labelled designs in train and test"
        raise CircuitError(str(options.data), "designs.csv", rule, "say of each design which split it is in")
    say(f"{len(train)} designs to train on, {len(test)} to test")
    scores = []
    row = PlacedTrees()
    for model in (row, SteinerTrees(), BoostedWires()):
        model.fit(train, split["validation"], {}, None)
        scores += score(model, model.name, 0, test)
    for seed in range(options.seeds):
        ours = PlacedWires(seed)
        ours.fit(train, [], PLACED_RECIPE, None)
        scores += score(ours, ours.name, seed, test)
        say(f"seed {seed}: trained")
    rows, hold = summary(scores, row.name), summary(scores, row.name, kind="hold")
    names = [str(found["row"]) for found in rows]
    designs = design_rows(scores, "setup MAE ps", names)
    text = text_table(rows, f"Setup slack, designs unseen in training; skill over {row.name}")
    text += "\n\n" + text_table(hold, "Hold slack") + "\n\n" + text_table(designs, "Setup slack MAE by design, ps")
    return {"task": "timing", "split": "family", "rows": rows, "hold": hold, "designs": designs, "text": text}


def evaluate_pretraining(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Every objective and control, every probe, at three shares of the labels; resumed by the same command."""
    from dataclasses import replace

    from tasks.logic.pretraining_table import pretraining_table
    from tasks.logic.subjects import Budget
    from tasks.report.pretraining_report import write_pretraining_report

    if options.model:
        raise CircuitError("--model", "option", "is for the timing table; this one trains its encoders", "leave it out")
    if not options.output:
        raise CircuitError("-o", "option", "says where encoders and scores are kept", "give -o RUN")
    budget = Budget() if options.steps is None else replace(Budget(), steps=options.steps)
    splits = options.split or ["test"]
    folders = [Path(options.data)] if options.data else [shipped_folder()]
    folders += [Path(folder) for folder in options.also or []]
    output = Path(options.output)
    answer = pretraining_table(folders, output, options.seeds, options.jobs, budget, splits, options.rows or [], say)
    page = write_pretraining_report(answer, output / "report.html")
    return answer | {"report": str(page), "text": f"{answer['text']}\nreport: {page}"}


def evaluate_masked_gates(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Kind of masked cells on the test families: counting rows, ours trained with several seeds."""
    from encoders.encoder import Schema, make_encoder
    from encoders.objectives import make_objective
    from encoders.pretrain import Settings, train
    from tasks.masked_cells import accuracy_rows
    from tasks.metrics import mean_and_interval
    from tasks.recipe import DataPart
    from tasks.training import corpus_graphs, default_pretraining

    if options.model:
        raise CircuitError(
            "--model", "option", "is for the timing table; this one trains an encoder a seed", "leave it out"
        )
    recipe = default_pretraining("logic")
    settings = Settings(**(recipe.train.model_dump() | {"epochs": MASKED_EPOCHS, "max_nodes": 6000}))
    graphs, _ = corpus_graphs(DataPart(folder=options.data or "", view="logic", kinds=["netlist", "placed"]), say)
    schema = Schema.of(graphs["train"][0])
    found: list[float] = []
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        encoder = make_encoder(recipe.encoder.name, schema, seed, width=recipe.encoder.width)
        objective = make_objective("masked_gates", encoder.width, seed)
        train(encoder, objective, graphs["train"], settings, seed, say=say)
        last = seed == options.seeds - 1
        rows = accuracy_rows(graphs["train"], graphs["test"], {recipe.encoder.name: (encoder, objective)}, last)
        found.append(float(rows[-1]["masked-cell accuracy %"]))
    mean, half = mean_and_interval(found)
    rows = [{k: v for k, v in row.items() if k != "learned"} for row in rows]
    rows[-1] |= {"masked-cell accuracy %": mean, "+-": half, "seeds": options.seeds}
    text = text_table(rows, "Kind of masked cells, mapped netlists of families unseen in training")
    return {"task": "masked-gates", "split": "family", "rows": rows, "text": text}
