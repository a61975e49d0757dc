"""``circuitgraph finetune`` for timing: learned wires trained on a corpus of designs with parasitics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from circuitgraph.corpus import Corpus, shipped_folder
from circuitgraph.errors import CircuitError
from circuitgraph.files import hash_bytes
from tasks.recipe import FinetuneRecipe, recipe_text

Say = Callable[[str], None]


def run_finetuning(recipe: FinetuneRecipe, output: str | Path, say: Say) -> dict[str, Any]:
    """Train learned wires and measure them beside the baselines on families that training never saw."""
    from encoders.checkpoint import save
    from encoders.run import Run
    from tasks.report.run_report import write_run_report
    from tasks.timing.table import baseline_scores, score, summary
    from tasks.training import refuse_unknown_families

    if recipe.data.view != "timing" or recipe.data.kinds != ["placed"]:
        rule = f"the timing task reads placed designs in the timing view, not {recipe.data.kinds} in the {recipe.data.view} view"
        raise CircuitError(
            "recipe [data]", "view and kinds", rule, 'leave them out, or write view = "timing", kinds = ["placed"]'
        )
    folder = Path(recipe.data.folder or shipped_folder())
    examples = labelled_examples(folder, recipe)
    refuse_unknown_families(recipe.data.leave_out, sorted({example.family for example, _ in examples}))
    split = split_examples(examples, recipe.data.leave_out)
    if not split["train"]:
        raise CircuitError(str(folder), "corpus", "has no placed designs to train on", "check its table")
    make = model_maker(recipe)
    names = {example.name: f"{example.inputs.circuit.graph_id:016x}" for part in split.values() for example in part}
    hashes = names | {"corpus": hash_bytes(repr(sorted(names.items())).encode())}
    run = Run(output)
    with run.open(recipe_text(recipe), recipe.seed, hashes, recipe.train.threads):
        if run.status() == "done":
            say(f"{output}: this run is done; its result is printed again")
            return _finished(run)
        say(f"training {recipe.model.name} on {len(split['train'])} designs")
        model = make()
        settings = recipe.train.model_dump()
        if recipe.model.name != "learned wires":
            settings |= {"folds": recipe.model.folds, "slack_share": recipe.model.slack_share}
        model.fit(split["train"], split["validation"], settings, run, say)
        tensors, description = model.state()
        save(run.folder / "checkpoints" / "model", tensors, description)
        test = split["test"] or split["validation"]
        rows: list[dict[str, Any]] = []
        if test:
            rows = summary([*baseline_scores(split["train"], test), *score(model, model.name, recipe.seed, test)])
            rows = [{key: value for key, value in row.items() if key not in {"+-", "seeds"}} for row in rows]
        for row in rows:
            row["learned"] = row["row"] == model.name
        run.write("done", {"table": rows})
        write_run_report(run, model.name.capitalize(), rows)
        return _finished(run)


def labelled_examples(folder: Path, recipe: FinetuneRecipe) -> list[tuple[Any, str]]:
    """Labelled designs of a corpus, or of a folder with ``designs.csv``, with their splits."""
    from tasks.timing.designs import TABLE, design_example, read_designs
    from tasks.timing.inputs import corpus_examples

    if (folder / TABLE).exists():
        return [(design_example(files), files.split) for files in read_designs(folder) if files.spef is not None]
    given = {"black_box": recipe.data.black_box, "break_loops": recipe.data.break_loops}
    return corpus_examples(Corpus(folder), **given)


def model_maker(recipe: FinetuneRecipe) -> Callable[[], Any]:
    """A function that makes the untrained model of a recipe; what it needs is read now."""
    if recipe.model.name == "learned wires":
        from tasks.embedding import model_path
        from tasks.timing.learned import LearnedWires

        encoder, about = timing_encoder(model_path(recipe.encoder.checkpoint or None, "timing"))
        return lambda: LearnedWires(encoder, about, recipe.seed)
    from tasks.timing.placed_wires import PlacedWires

    return lambda: PlacedWires(recipe.seed, width=recipe.model.width, sinks=recipe.model.sinks)


def timing_encoder(path: Path) -> tuple[Any, dict[str, Any]]:
    """An encoder of the timing view, and what its checkpoint says of it.

    Raises:
        CircuitError: as the checkpoint's reader; it was made for another view.
    """
    from encoders.checkpoint import load_encoder

    encoder, about = load_encoder(path)
    if encoder.schema.view != "timing":
        raise CircuitError(
            path.name, "encoder", f"was made for the {encoder.schema.view} view", "give one of the timing view"
        )
    return encoder, about


def split_examples(examples: list[tuple[Any, str]], leave_out: list[str]) -> dict[str, list[Any]]:
    """Examples of each split; families that are left out go to the test split."""
    found: dict[str, list[Any]] = {"train": [], "validation": [], "test": []}
    for example, split in examples:
        found["test" if example.family in leave_out else split].append(example)
    return found


def _finished(run: Any) -> dict[str, Any]:
    from tasks.table import text_table

    about = run.read()
    rows = [{k: v for k, v in row.items() if k != "learned"} for row in about.get("metrics", {}).get("table", [])]
    model, page = run.folder / "checkpoints" / "model.safetensors", run.folder / "report.html"
    text = text_table(rows, "Wires and slack, families unseen in training") + f"\nmodel: {model}\nreport: {page}"
    return {
        "run": str(run.folder),
        "status": about.get("status"),
        "rows": rows,
        "model": str(model),
        "report": str(page),
        "text": text,
    }
