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
    from tasks.embedding import model_path
    from tasks.report.run_report import write_run_report
    from tasks.timing.inputs import corpus_examples
    from tasks.timing.learned import LearnedWires
    from tasks.timing.table import baseline_scores, score, summary
    from tasks.training import refuse_unknown_families

    if recipe.data.view != "timing" or recipe.data.kinds != ["placed"]:
        rule = f"the timing task reads placed designs in the timing view, not {recipe.data.kinds} in the {recipe.data.view} view"
        raise CircuitError(
            "recipe [data]", "view and kinds", rule, 'leave them out, or write view = "timing", kinds = ["placed"]'
        )
    corpus = Corpus(recipe.data.folder or shipped_folder())
    refuse_unknown_families(recipe.data.leave_out, list(corpus.families(("placed",))))
    given = {"black_box": recipe.data.black_box, "break_loops": recipe.data.break_loops}
    split = split_examples(corpus_examples(corpus, **given), recipe.data.leave_out)
    if not split["train"]:
        raise CircuitError(str(corpus.folder), "corpus", "has no placed designs to train on", "check its MANIFEST.csv")
    path = model_path(recipe.encoder.checkpoint or None, "timing")
    encoder, about = timing_encoder(path)
    names = {example.name: f"{example.inputs.circuit.graph_id:016x}" for part in split.values() for example in part}
    hashes = names | {"corpus": hash_bytes(repr(sorted(names.items())).encode())}
    run = Run(output)
    with run.open(recipe_text(recipe), recipe.seed, hashes, recipe.train.threads):
        if run.status() == "done":
            say(f"{output}: this run is done; its result is printed again")
            return _finished(run)
        say(f"training wires on {len(split['train'])} designs")
        model = LearnedWires(encoder, about, recipe.seed)
        model.fit(split["train"], split["validation"], recipe.train.model_dump(), run, say)
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
        write_run_report(run, "Learned wires", rows)
        return _finished(run)


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
