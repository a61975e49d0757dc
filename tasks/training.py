"""``circuitgraph pretrain`` and ``finetune``: a recipe and a corpus in, a run folder out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from circuitgraph.errors import CircuitError, nearest
from circuitgraph.files import hash_bytes
from tasks.recipe import FinetuneRecipe, PretrainRecipe, place_of, read_recipe, recipe_text

Say = Callable[[str], None]
CONTRASTED = 16
"""Graphs or pairs that are contrasted with each other when a loss is measured."""


def pretrain(path: str, output: str, overrides: dict[str, Any], say: Say) -> dict[str, Any]:
    """Run a pretraining recipe; the same command resumes it."""
    recipe = read_recipe(path, PretrainRecipe, overrides)
    _check_names(path, recipe)
    return run_pretraining(recipe, output, say)


def _check_names(path: str, recipe: PretrainRecipe) -> None:
    """Refuse a name or an argument that no encoder or objective has, at its place in the recipe."""
    from encoders.encoder import ENCODERS, refuse_unknown, resolve
    from encoders.objectives import OBJECTIVES

    for table, part, known in (("encoder", recipe.encoder, ENCODERS), ("objective", recipe.objective, OBJECTIVES)):
        if part.name not in known:
            way_out = nearest(part.name, known, f"use {', '.join(known)}")
            raise CircuitError(place_of(path, [table, "name"]), f"{table} {part.name!r}", "is unknown", way_out)
    for table, part, known in (("encoder", recipe.encoder, ENCODERS), ("objective", recipe.objective, OBJECTIVES)):
        make = resolve(known[part.name])
        for key in config_of(part):
            try:
                refuse_unknown(f"{table} {part.name!r}", make, {key: None})
            except CircuitError as error:
                raise CircuitError(place_of(path, [table, key]), error.subject, error.rule, error.way_out) from None


def config_of(part: Any) -> dict[str, Any]:
    """Arguments of an encoder or objective that a recipe gives."""
    given: dict[str, Any] = part.model_dump(exclude={"name", "checkpoint"}, exclude_none=True)
    return given


def run_pretraining(recipe: PretrainRecipe, output: str | Path, say: Say) -> dict[str, Any]:
    """Train, measure beside the counting rows, write run folder and report.

    Returns:
        The answer of the command: run, metrics and rows of the table.
    """
    from encoders.checkpoint import save_encoder
    from encoders.encoder import Schema, make_encoder
    from encoders.objectives import make_objective
    from encoders.pretrain import Settings, train
    from encoders.run import Run, processes
    from tasks.masked_cells import accuracy_rows, encoder_accuracy

    width = recipe.encoder.width
    objective = make_objective(recipe.objective.name, width, recipe.seed, **config_of(recipe.objective))
    graphs, hashes = corpus_graphs(recipe.data, say, objective.needs)
    first = graphs["train"][0]
    schema = Schema.of(first[0] if isinstance(first, tuple) else first)
    run = Run(output)
    with run.open(recipe_text(recipe), recipe.seed, hashes, recipe.train.threads):
        if run.status() == "done":
            say(f"{output}: this run is done; its result is printed again")
            return _finished(run)
        encoder = make_encoder(recipe.encoder.name, schema, recipe.seed, **config_of(recipe.encoder))
        say(f"pretraining {recipe.encoder.name} on {len(graphs['train'])} circuits, {_nodes(graphs['train']):,} nodes")
        masks = recipe.objective.name == "masked_gates"

        def validate() -> dict[str, float]:
            if masks:
                return {"accuracy": encoder_accuracy(encoder, objective, graphs["validation"])}
            return mean_loss(encoder, objective, graphs["validation"])

        check = validate if graphs["validation"] else None
        settings = Settings(**recipe.train.model_dump())
        logged = train(encoder, objective, graphs["train"], settings, recipe.seed, run, check, say)
        test = graphs["test"] or graphs["validation"]
        metrics: dict[str, Any] = {}
        rows: list[dict[str, Any]] = []
        if masks and test:
            rows = accuracy_rows(graphs["train"], test, {recipe.encoder.name: (encoder, objective)})
            metrics = {"masked_cell_accuracy_percent": {row["row"]: row["masked-cell accuracy %"] for row in rows}}
        elif test:
            rows = [{"row": name, "value": value} for name, value in mean_loss(encoder, objective, test).items()]
            metrics = {"unseen_families": {row["row"]: row["value"] for row in rows}}
        more = {"seed": recipe.seed, "content_hashes": hashes, "objective": recipe.objective.model_dump()}
        if processes()[0] == 0:
            save_encoder(run.folder / "checkpoints" / "encoder", encoder, recipe.encoder.name, more)
            run.write("done", metrics | {"last": logged[-1] if logged else {}})
            _report(run, rows)
            return _finished(run)
        return {"run": str(run.folder), "status": "done"}


def mean_loss(encoder: Any, objective: Any, items: Sequence[Any]) -> dict[str, float]:
    """Loss and metrics of an objective over graphs or pairs, mean over them; the same draws every time.

    What is contrasted within a batch is given batches of 16, in the order of the corpus.
    """
    import torch

    from circuitgraph.draws import Draws
    from circuitgraph.pyg import collate
    from tasks.masked_cells import EVALUATION_SEED

    encoder.eval()
    total: Counter[str] = Counter()
    count = 0
    size = CONTRASTED if objective.scope == "batch" else 1
    device = next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))
    with torch.no_grad():
        for start in range(0, len(items), size):
            parts = [item if isinstance(item, tuple) else (item,) for item in items[start : start + size]]
            batch = collate([graph for part in parts for graph in part]).to(device)
            loss, metrics = objective.loss(encoder, batch, Draws(EVALUATION_SEED))
            if metrics.pop("graphs", 1.0):
                total.update({"loss": float(loss), **metrics})
                count += 1
    return {name: value / count for name, value in total.items()} if count else {}


def _finished(run: Any) -> dict[str, Any]:
    from tasks.table import text_table

    about = run.read()
    metrics = about.get("metrics", {})
    page = run.folder / "report.html"
    if "masked_cell_accuracy_percent" in metrics:
        accuracy = metrics["masked_cell_accuracy_percent"]
        rows = [{"row": name, "masked-cell accuracy %": value} for name, value in accuracy.items()]
        text = text_table(rows, "Kind of masked cells, families unseen in training")
    else:
        rows = [{"row": name, "value": value} for name, value in metrics.get("unseen_families", {}).items()]
        text = text_table(rows, "The objective on families unseen in training")
    text += f"\nencoder: {run.folder / 'checkpoints' / 'encoder.safetensors'}\nreport: {page}"
    return {"run": str(run.folder), "status": about.get("status"), "rows": rows, "report": str(page), "text": text}


def _report(run: Any, rows: Sequence[dict[str, Any]]) -> None:
    from tasks.report.run_report import write_run_report

    write_run_report(run, "Pretraining", rows)


def _nodes(items: Sequence[Any]) -> int:
    return sum(int(g.num_nodes) for item in items for g in (item if isinstance(item, tuple) else (item,)))


def corpus_graphs(part: Any, say: Say, needs: Sequence[str] = ()) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Graphs of each split, or pairs of them, and the content hashes that identify them.

    Args:
        part: the recipe's [data].
        needs: of the objective; "rewrites" gives pairs and leaves out what is no AIG.

    Raises:
        CircuitError: the corpus has no training circuits of these kinds.
    """
    from circuitgraph.corpus import Corpus, shipped_folder
    from circuitgraph.pyg import to_data
    from tasks.logic.graphs import items_with

    if needs and part.view != "logic":
        raise CircuitError(
            "recipe", f"view {part.view!r}", f"has no {needs[0].replace('_', ' ')}", "use view = 'logic'"
        )
    corpus = Corpus(part.folder or shipped_folder())
    entries = corpus.entries(kinds=part.kinds)
    graphs: dict[str, list[Any]] = {"train": [], "validation": [], "test": []}
    refuse_unknown_families(part.leave_out, [entry.family for entry in entries])
    hashes: dict[str, str] = {}
    failed: Counter[str] = Counter()
    for entry in entries:
        view = corpus.view(entry, part.view, part.break_loops)
        hashes[entry.file] = f"{view.graph_id:016x}"
        failed.update({name: int(count[0]) for name, count in view.extra.items() if name.startswith("check.")})
        split = "test" if entry.family in part.leave_out else entry.split
        if split in graphs:
            graphs[split] += items_with(corpus, entry, needs, part.break_loops) if needs else [to_data(view)]
    for line in [*corpus.lines, *(f"{name.replace('.', ' ')}: {count:,} in all" for name, count in failed.items())]:
        say(line)
    if not graphs["train"]:
        what = "AIGs that have a rewrite" if "rewrites" in needs else f"circuits of kinds {', '.join(part.kinds)}"
        rule = f"has no training {what}"
        raise CircuitError(str(corpus.folder), "corpus", rule, "check its MANIFEST.csv")
    hashes["corpus"] = hash_bytes(json.dumps(hashes, sort_keys=True).encode())
    return graphs, hashes


def refuse_unknown_families(named: Sequence[str], known: Sequence[str]) -> None:
    """Refuse a family to leave out that the corpus does not have.

    Raises:
        CircuitError: there is one.
    """
    for family in named:
        if family not in known:
            way_out = nearest(family, known, "see circuitgraph data list")
            raise CircuitError("recipe [data] leave_out", f"family {family!r}", "is not in the corpus", way_out)


def finetune(path: str, output: str, overrides: dict[str, Any], say: Say) -> dict[str, Any]:
    """Run a recipe on a task's labels; the same command resumes it."""
    recipe = read_recipe(path, FinetuneRecipe, overrides)
    from tasks.timing.finetune import run_finetuning

    return run_finetuning(recipe, output, say)


def default_pretraining(view: str) -> PretrainRecipe:
    """The recipe that the shipped encoder of a view was made with: ``recipes/pretrain_VIEW.toml``."""
    found: PretrainRecipe = read_recipe(Path(__file__).parent / "recipes" / f"pretrain_{view}.toml", PretrainRecipe)
    return found
