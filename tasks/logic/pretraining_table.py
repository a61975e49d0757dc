"""``circuitgraph evaluate pretraining``: what each objective's frozen encoder knows beside an untrained one.

Every (row, seed) is a job of its own; its scores are kept in the output folder, so the table is resumed at will. The
folder remembers what it was made of: another corpus, split or budget is refused instead of answered with old scores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from circuitgraph.corpus import MANIFEST, Corpus
from circuitgraph.errors import CircuitError
from circuitgraph.files import folder_lock, hash_bytes, read_bytes, write_atomic
from tasks.logic.probes import FRACTIONS, PROBES, Subject, family_scores, scores
from tasks.logic.subjects import Budget, Chosen, choose_circuits, refuse_two_splits, subjects_of, training_items

Say = Callable[[str], None]
Scores = dict[str, dict[str, dict[str, float]]]
"""Probe -> share of the labels -> family -> score."""

ABOUT = "table.json"
"""In the output folder: what its scores were made of."""
LEAST_FAMILIES = 5
"""Families that a star needs: four lie above zero by chance once in sixteen, and a single one has no interval."""


@dataclass(frozen=True)
class Spec:
    """How a learned row is made.

    | field | meaning |
    |---|---|
    | name | of the row |
    | objective, config | what it is pretrained with; "" = not at all |
    | encoder | name in ENCODERS |
    """

    name: str
    objective: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    encoder: str = "polarity"


UNTRAINED, UNTRAINED_MGVGA = "untrained", "MGVGA, untrained"
SPECS = (
    Spec(UNTRAINED),
    Spec("masked gates", "masked_gates"),
    Spec("masked gates, 15 %", "masked_gates", {"rate": 0.15}),
    Spec("masked gates, 75 %", "masked_gates", {"rate": 0.75}),
    Spec("masked gates, latent", "masked_gates", {"mask_at": "latent"}),
    Spec("masked function", "masked_function"),
    Spec("context autoencoder", "context_autoencoder"),
    Spec("graph autoencoder", "graph_autoencoder"),
    Spec("rewritten views", "rewritten_views"),
    Spec("rewritten views, circuits", "rewritten_views", {"contrast": "circuits"}),
    Spec("rewritten views + masked function", "rewritten_and_masked"),
    Spec(UNTRAINED_MGVGA, encoder="mgvga"),
    Spec("MGVGA", "mgvga", encoder="mgvga"),
)
"""Learned rows, and untrained encoders of the same shapes."""


def trained_row(chosen: Sequence[Chosen], spec: Spec, budget: Budget, seed: int, schema: Any, folder: Path) -> Any:
    """The row of a spec: its encoder made, trained on the training split, frozen; checkpoint and state in *folder*."""
    from circuitgraph.pyg import EpochLoader
    from encoders.checkpoint import save_encoder
    from encoders.encoder import make_encoder
    from encoders.objectives import make_objective
    from encoders.pretrain import Settings, train
    from encoders.run import Run
    from tasks.logic.probe_rows import EncoderRow

    config: dict[str, Any] = {"width": budget.width}
    if spec.encoder == "polarity":
        config["layers"] = budget.layers
    encoder = make_encoder(spec.encoder, schema, seed, **config)
    token = None
    if spec.objective:
        objective = make_objective(spec.objective, budget.width, seed, **spec.config)
        if objective.needs not in _Worker.items:
            _Worker.items[objective.needs] = training_items(chosen, objective.needs)
        items = _Worker.items[objective.needs]
        if not items:
            rule = "is empty: no AIG of the training families has a rewrite"
            raise CircuitError(f"row {spec.name!r}", "training set", rule, "add AIGs, or name other rows with --rows")
        batches = len(EpochLoader(items, budget.max_nodes, seed).batches(0))
        settings = Settings(
            epochs=max(1, round(budget.steps / batches)),
            max_nodes=budget.max_nodes,
            learning_rate=budget.learning_rate,
            save_every=100,
        )
        run = Run(folder / "runs" / f"{_word(spec.name)}-{seed}")
        with run.open(f"{spec} {budget}\n", seed, {}, 1):
            train(encoder, objective, items, settings, seed, run)
            run.write("done", {})
        token = objective.token if objective.mask_at == "stem" and hasattr(objective, "token") else None
    save_encoder(folder / "encoders" / f"{_word(spec.name)}-{seed}", encoder, spec.encoder)
    return EncoderRow(spec.name, encoder, token)


def _word(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def scored(row: Any, train: Sequence[Subject], test: Sequence[Subject], seed: int) -> Scores:
    """All probes of one row."""
    found: Scores = {}
    for probe in PROBES:
        if row.learner == "forest" and probe.kind != "class":
            continue
        own = scores(row, probe, train, test, seed)
        if own:
            found[probe.name] = {str(share): families for share, families in own.items()}
    aigs = [subject for subject in test if "level" in subject.questions]
    if aigs and row.learner != "forest":
        found["family"] = {str(share): families for share, families in family_scores(row, aigs, seed).items()}
    return found


class _Worker:
    """A process's circuits and subjects, read once; training items by what their objective needs."""

    held: tuple[Any, ...] | None = None
    items: ClassVar[dict[tuple[str, ...], list[Any]]] = {}


def _start(folders: tuple[str, ...], splits: tuple[str, ...], budget: Budget, say: Say | None = None) -> None:
    import os

    import torch

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    speak = say or (lambda line: None)
    corpora = [Corpus(folder) for folder in folders]
    refuse_two_splits(corpora)
    chosen = choose_circuits(corpora, ("train",), budget, speak)
    train = subjects_of(chosen)
    test = subjects_of(choose_circuits(corpora, splits, budget, speak))
    for line in sorted({line for corpus in corpora for line in corpus.lines}):
        speak(line)
    _Worker.held = (chosen, train, test, budget)
    _Worker.items.clear()


def _job(kind: str, number: int, seed: int, output: str) -> tuple[str, int, Scores]:
    from encoders.encoder import Schema
    from tasks.logic.probe_rows import CountsRow, FeaturesRow, RandomRow

    assert _Worker.held is not None
    chosen, train, test, budget = _Worker.held
    if kind == "plain":
        rows: list[Any] = [
            RandomRow(seed),
            FeaturesRow(),
            CountsRow(0),
            CountsRow(2),
            CountsRow(0, "forest"),
            CountsRow(2, "forest"),
        ]
        row = rows[number]
    else:
        row = trained_row(chosen, SPECS[number], budget, seed, Schema.of(train[0].data), Path(output))
    return row.name, seed, scored(row, train, test, seed)


PLAIN = 6
"""Rows without an encoder."""


def pretraining_table(
    folders: Sequence[Path],
    output: Path,
    seeds: int,
    jobs: int,
    budget: Budget,
    splits: Sequence[str],
    only: Sequence[str],
    say: Say,
) -> dict[str, Any]:
    """All rows, all seeds; scores of finished jobs are read back from *output*.

    Args:
        folders: corpora; a circuit that stands in several is taken once.
        only: names of learned rows, to which the untrained ones of the same shapes are added; empty = all.

    Raises:
        CircuitError: a row is unknown, a number too small, the folder in use or made of something else, a corpus
            without training or test circuits, or two that put a family into different splits.
    """
    known = [spec.name for spec in SPECS]
    for name in only:
        if name not in known:
            raise CircuitError("--rows", repr(name), "is unknown", f"rows are {', '.join(known)}")
    for option, value in (("--jobs", jobs), ("--steps", budget.steps)):
        if value < 1:
            raise CircuitError(option, str(value), "must be at least 1", "give a whole number from 1")
    with folder_lock(output):
        _hold_to(output, folders, splits, budget)
        return _table(folders, output, seeds, jobs, budget, splits, {base_of(name) for name in only} | set(only), say)


def _hold_to(output: Path, folders: Sequence[Path], splits: Sequence[str], budget: Budget) -> None:
    """Note what the folder's scores are made of, or refuse what differs.

    Raises:
        CircuitError: it holds scores of other corpora, splits or budgets, or a folder is no corpus.
    """
    corpora = [hash_bytes(read_bytes(Corpus(folder, cache="").folder / MANIFEST)) for folder in folders]
    text = json.dumps({"corpora": corpora, "splits": list(splits), "budget": asdict(budget)}, indent=1) + "\n"
    kept = output / ABOUT
    begun = any((output / place).is_dir() for place in ("runs", "scores"))
    if begun and kept.is_file() and kept.read_text() != text:
        rule = "holds scores of other corpora, splits or steps"
        raise CircuitError(str(output), "run folder", rule, "choose another folder with -o")
    write_atomic(kept, text)


def _table(
    folders: Sequence[Path],
    output: Path,
    seeds: int,
    jobs: int,
    budget: Budget,
    splits: Sequence[str],
    only: set[str],
    say: Say,
) -> dict[str, Any]:
    places = tuple(str(folder) for folder in folders)
    say("circuits and labels: computed once, then read from the cache")
    _start(places, tuple(splits), budget, say)
    assert _Worker.held is not None
    _, train, test, _ = _Worker.held
    if not train or not test:
        raise CircuitError(", ".join(places), "corpus", "has no training or no test circuits", "check its MANIFEST.csv")
    say(
        f"{len(train):,} circuits to train and probe on, {len(test):,} of {len({s.family for s in test}):,} families asked"
    )
    wanted = [("plain", row, seed) for row in range(PLAIN) for seed in range(seeds)]
    wanted += [
        ("learned", row, seed)
        for seed in range(seeds)
        for row, spec in enumerate(SPECS)
        if not only or spec.name in only
    ]
    found: dict[tuple[str, int], Scores] = {}
    waiting = []
    for kind, row, seed in wanted:
        path = _score_path(output, kind, row, seed)
        if path.is_file():
            held = json.loads(path.read_text())
            found[held["row"], seed] = held["scores"]
        else:
            waiting.append((kind, row, seed))
    with ProcessPoolExecutor(jobs, get_context("spawn"), _start, (places, tuple(splits), budget)) as pool:
        futures = {pool.submit(_job, kind, row, seed, str(output)): (kind, row, seed) for kind, row, seed in waiting}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                name, seed, own = future.result()
                found[name, seed] = own
                text = json.dumps({"row": name, "seed": seed, "scores": own})
                write_atomic(_score_path(output, *futures[future]), text + "\n")
                say(f"{number} of {len(waiting)}: {name}, seed {seed}")
        except BrokenProcessPool:
            way_out = "give the same command again, with fewer --jobs"
            raise CircuitError("--jobs", "a worker process", "died (out of memory?)", way_out) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what is through is on disk
            raise
    return summary(found, arithmetic(train, test), splits)


def _score_path(output: Path, kind: str, row: int, seed: int) -> Path:
    return output / "scores" / f"{kind}-{_word(SPECS[row].name) if kind == 'learned' else row}-{seed}.json"


def arithmetic(train: Sequence[Subject], test: Sequence[Subject]) -> list[tuple[str, str, dict[str, float]]]:
    """Rows of what is computed; like the probes' their skill is over the median of the training labels."""
    from tasks.logic.arithmetic import arithmetic_rows

    own = [(s, s.parts["view"], s.parts["arithmetic"]) for s in test if "arithmetic" in s.parts]
    labels = [s.questions["probability"].label for s in train if "probability" in s.questions]
    return arithmetic_rows(own, float(np.median(np.concatenate(labels))) if labels else 0.5)


def summary(
    found: Mapping[tuple[str, int], Scores],
    computed: Sequence[tuple[str, str, dict[str, float]]],
    splits: Sequence[str],
) -> dict[str, Any]:
    """Means over families, and differences to the untrained encoder of the same shape, with 95 % intervals."""
    from tasks.table import text_table

    order = [spec.name for spec in SPECS]
    names = sorted({name for name, _ in found}, key=lambda name: (name in order and order.index(name) + 1, name))
    probes = [probe.name for probe in PROBES] + ["family"]
    tables = {}
    gains: list[dict[str, Any]] = []
    for share in map(str, FRACTIONS):
        rows = []
        for name in names:
            row: dict[str, Any] = {"row": name}
            for probe in probes:
                families = by_family(found, name, probe, share)
                row[probe] = float(np.mean(list(families.values()))) if families else None
                base = base_of(name)
                if families and name != base and is_learned(name):
                    gains.append(gain(name, probe, share, families, by_family(found, base, probe, share)))
            rows.append(row)
        rows += [
            {"row": name, probe: float(np.mean(list(families.values())))}
            for name, probe, families in computed
            if families
        ]
        tables[share] = [{"row": row["row"]} | {probe: row.get(probe) for probe in probes} for row in rows]
    text = "\n\n".join(
        text_table(
            rows,
            f"Probes at {100 * float(share):g} % of the labels: mean over families of the {' and '.join(splits)} split",
        )
        for share, rows in tables.items()
    )
    return {
        "task": "pretraining",
        "split": "family",
        "rows": tables,
        "gains": gains,
        "text": text + "\n\n" + gain_text(gains),
    }


def base_of(name: str) -> str:
    """The row of the untrained encoder of the same shape."""
    return UNTRAINED_MGVGA if name.startswith("MGVGA") else UNTRAINED


def is_learned(name: str) -> bool:
    """Whether a row was pretrained."""
    return any(spec.name == name and spec.objective for spec in SPECS)


def by_family(found: Mapping[tuple[str, int], Scores], name: str, probe: str, share: str) -> dict[str, float]:
    """Score of each family, mean over seeds."""
    own = [scores.get(probe, {}).get(share, {}) for (row, _), scores in found.items() if row == name]
    families = sorted({family for each in own for family in each})
    return {family: float(np.mean([each[family] for each in own if family in each])) for family in families}


def gain(name: str, probe: str, share: str, own: Mapping[str, float], base: Mapping[str, float]) -> dict[str, Any]:
    """Mean difference over families with a 95 % interval: 4,000 bootstrap samples of the families."""
    families = [family for family in own if family in base]
    if not families:
        return {"row": name, "probe": probe, "labels": share, "gain": None, "low": None, "high": None, "families": 0}
    difference = np.array([own[family] - base[family] for family in families])
    rng = np.random.Generator(np.random.Philox(key=5))
    means = difference[rng.integers(0, len(families), (4000, len(families)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "row": name,
        "probe": probe,
        "labels": share,
        "gain": float(difference.mean()),
        "low": float(low),
        "high": float(high),
        "families": len(families),
    }


def gain_text(gains: Sequence[Mapping[str, Any]]) -> str:
    """Gains at 1 % of the labels as a table; a star where the interval of enough families lies above zero."""
    from tasks.table import text_table

    least = str(FRACTIONS[0])
    rows: dict[str, dict[str, Any]] = {}
    probes = list(dict.fromkeys(str(each["probe"]) for each in gains))
    for each in gains:
        if each["labels"] != least or each["gain"] is None:
            continue
        row = rows.setdefault(str(each["row"]), {"row": each["row"]} | dict.fromkeys(probes, ""))
        star = "*" if each["low"] > 0 and each["families"] >= LEAST_FAMILIES else ""
        row[str(each["probe"])] = f"{each['gain']:+.3f} [{each['low']:+.3f}, {each['high']:+.3f}]{star}"
    return text_table(
        list(rows.values()),
        "Gain over the untrained encoder at 1 % of the labels, 95 % interval over families; "
        f"*: above zero, of {LEAST_FAMILIES} families or more",
    )
