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
    try:
        refuse_unknown(
            f"encoder {recipe.encoder.name!r}", resolve(ENCODERS[recipe.encoder.name]), _encoder_config(recipe)
        )
    except CircuitError as error:
        raise CircuitError(place_of(path, ["encoder", "layers"]), error.subject, error.rule, error.way_out) from None


def _encoder_config(recipe: PretrainRecipe) -> dict[str, Any]:
    """Arguments of the recipe's encoder."""
    config: dict[str, Any] = {"width": recipe.encoder.width}
    if recipe.encoder.layers is not None:
        config["layers"] = recipe.encoder.layers
    return config


def run_pretraining(recipe: PretrainRecipe, output: str | Path, say: Say) -> dict[str, Any]:
    """Train, measure beside the counting rows, write run folder and report.

    Returns:
        The answer of the command: run, metrics and rows of the table.
    """
    from encoders.checkpoint import save_encoder
    from encoders.encoder import Schema, make_encoder
    from encoders.objectives import make_objective
    from encoders.pretrain import Settings, train
    from encoders.run import Run
    from tasks.masked_cells import accuracy_rows, encoder_accuracy

    graphs, hashes = corpus_graphs(recipe.data, say)
    schema = Schema.of(graphs["train"][0])
    run = Run(output)
    with run.open(recipe_text(recipe), recipe.seed, hashes, recipe.train.threads):
        if run.status() == "done":
            say(f"{output}: this run is done; its result is printed again")
            return _finished(run)
        encoder = make_encoder(recipe.encoder.name, schema, recipe.seed, **_encoder_config(recipe))
        part = recipe.objective
        objective = make_objective(part.name, encoder.width, recipe.seed, rate=part.rate, mask_at=part.mask_at)
        say(f"pretraining {recipe.encoder.name} on {len(graphs['train'])} circuits, {_nodes(graphs['train']):,} nodes")

        def validate() -> dict[str, float]:
            return {"accuracy": encoder_accuracy(encoder, objective, graphs["validation"])}

        check = validate if graphs["validation"] else None
        settings = Settings(**recipe.train.model_dump())
        train(encoder, objective, graphs["train"], settings, recipe.seed, run, check, say)
        trained = {recipe.encoder.name: (encoder, objective)}
        test = graphs["test"] or graphs["validation"]
        rows = accuracy_rows(graphs["train"], test, trained) if test else []
        more = {"seed": recipe.seed, "content_hashes": hashes, "objective": part.model_dump()}
        save_encoder(run.folder / "checkpoints" / "encoder", encoder, recipe.encoder.name, more)
        metrics = {row["row"]: row["masked-cell accuracy %"] for row in rows}
        run.write("done", {"masked_cell_accuracy_percent": metrics})
        _report(run, rows)
        return _finished(run)


def _finished(run: Any) -> dict[str, Any]:
    from tasks.table import text_table

    about = run.read()
    accuracy = about.get("metrics", {}).get("masked_cell_accuracy_percent", {})
    rows = [{"row": name, "masked-cell accuracy %": value} for name, value in accuracy.items()]
    page = run.folder / "report.html"
    text = text_table(rows, "Kind of masked cells, families unseen in training")
    text += f"\nencoder: {run.folder / 'checkpoints' / 'encoder.safetensors'}\nreport: {page}"
    return {"run": str(run.folder), "status": about.get("status"), "rows": rows, "report": str(page), "text": text}


def _report(run: Any, rows: Sequence[dict[str, Any]]) -> None:
    from tasks.report.run_report import write_run_report

    write_run_report(run, "Pretraining", rows)


def _nodes(graphs: Sequence[Any]) -> int:
    return sum(int(graph.num_nodes) for graph in graphs)


def corpus_graphs(part: Any, say: Say) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Graphs of each split, and the content hashes that identify them.

    Raises:
        CircuitError: the corpus has no training circuits of these kinds.
    """
    from circuitgraph.corpus import Corpus, shipped_folder
    from circuitgraph.pyg import to_data

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
            data = to_data(view)
            graphs[split].append(data)
    for line in [*corpus.lines, *(f"{name.replace('.', ' ')}: {count:,} in all" for name, count in failed.items())]:
        say(line)
    if not graphs["train"]:
        rule = f"has no training circuits of kinds {', '.join(part.kinds)}"
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
