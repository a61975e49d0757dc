"""Circuits that take part in the table of ``evaluate pretraining``: which ones, and what is asked of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from circuitgraph.corpus import Corpus, Entry
from circuitgraph.errors import CircuitError
from tasks.logic.probes import Subject

Say = Callable[[str], None]

MASK_SEED = 20_013


@dataclass(frozen=True)
class Budget:
    """What every learned row gets.

    | field | meaning |
    |---|---|
    | width, layers | of the encoder |
    | steps | optimiser steps, the same for every objective |
    | max_nodes | nodes a batch |
    | learning_rate | of AdamW |
    | smallest, largest | circuits with fewer or more nodes are left out, of training and of the table |
    | most_of_a_family | circuits taken of a family, drawn by their content, so that no family drowns the rest |
    """

    width: int = 64
    layers: int = 2
    steps: int = 400
    max_nodes: int = 6000
    learning_rate: float = 2e-3
    smallest: int = 30
    largest: int = 5000
    most_of_a_family: int = 6


@dataclass(frozen=True, eq=False)
class Chosen:
    """A circuit that takes part: where it comes from, and its logic view."""

    corpus: Corpus
    entry: Entry
    view: Any


def choose_circuits(corpora: Sequence[Corpus], splits: Sequence[str], budget: Budget, say: Say) -> list[Chosen]:
    """AIGs and mapped netlists of the given splits, at most so many of a family, each content once.

    Placed designs come first: the same netlist may stand in another corpus without its wires.
    """
    rows = [(corpus, entry) for corpus in corpora for entry in corpus.entries(kinds=("placed", "netlist", "aig"))]
    rows.sort(key=lambda row: row[1].kind != "placed")
    taken: dict[str, list[Chosen]] = {}
    seen: set[int] = set()
    outside = failed = 0
    for corpus, entry in rows:
        if entry.split not in splits or not entry.family:
            continue
        try:
            view = corpus.view(entry, "logic", break_loops=True)
        except CircuitError as error:
            failed += 1
            say(f"{entry.design}: left out: {error}")
            continue
        if not budget.smallest <= view.num_nodes <= budget.largest:
            outside += 1
        elif view.graph_id not in seen:
            seen.add(view.graph_id)
            taken.setdefault(f"{entry.family} {entry.kind == 'aig'}", []).append(Chosen(corpus, entry, view))
    found = []
    for name in sorted(taken):
        found += sorted(taken[name], key=lambda row: row.view.graph_id)[: budget.most_of_a_family]
    if outside or failed:
        sizes = f"{budget.smallest:,} to {budget.largest:,} nodes"
        say(f"{'/'.join(splits)}: {outside:,} circuits are outside {sizes}, {failed:,} could not be read")
    return found


def refuse_two_splits(corpora: Sequence[Corpus]) -> None:
    """Refuse corpora of which one trains on what another one asks.

    Raises:
        CircuitError: a family is in different splits of two corpora.
    """
    first: dict[str, tuple[str, Corpus]] = {}
    for corpus in corpora:
        for entry in corpus.entries(kinds=("placed", "netlist", "aig")):
            if entry.family and entry.split:
                split, home = first.setdefault(entry.family, (entry.split, corpus))
                if split != entry.split:
                    rule = f"is in {entry.split}, and in {split} of {home.folder}"
                    way_out = "build one corpus of both: circuitgraph build FOLDER FOLDER -o CORPUS"
                    raise CircuitError(str(corpus.folder), f"family {entry.family!r}", rule, way_out)


def subjects_of(chosen: Sequence[Chosen]) -> list[Subject]:
    """Circuits with their questions."""
    from circuitgraph.pyg import to_data

    return [subject_of(row.corpus, row.entry, row.view, to_data(row.view)) for row in chosen]


def subject_of(corpus: Corpus, entry: Entry, view: Any, data: Any) -> Subject:
    """A circuit with its questions, and with what arithmetic answers them from.

    Args:
        view, data: its logic view, as numpy and as PyG data.
    """
    from circuitgraph.draws import Draws
    from encoders.objectives.masked_function import complemented_fan_ins
    from encoders.objectives.masking import choose
    from tasks.logic.arithmetic import answers
    from tasks.logic.probe_labels import Question, aig_questions, delay_question

    questions: dict[str, Question] = {}
    masked = choose(data, Draws(MASK_SEED), 0.3) if int(data.num_units) else None
    if masked is not None:
        nodes = np.flatnonzero((view.unit >= 0) & masked.numpy()[np.maximum(view.unit, 0)])
        if entry.kind == "aig":
            nodes = nodes[view.features[nodes, 6] == 0]
            questions["masked function"] = Question(
                nodes, np.zeros(len(nodes), np.int64), complemented_fan_ins(data).numpy()[nodes]
            )
        else:
            questions["masked kind"] = Question(nodes, np.zeros(len(nodes), np.int64), view.node_kind[nodes])
    parts: dict[str, Any] = {}
    if entry.kind == "aig":
        questions |= aig_questions(corpus, entry, view)
        parts = {"view": view, "arithmetic": answers(corpus, entry, view)}
    elif entry.kind == "placed":
        question = delay_question(_placed(corpus, entry), view)
        if question is not None:
            questions["delay class"] = question
    return Subject(entry.design, entry.family, entry.split, data, questions, masked, parts)


def _placed(corpus: Corpus, entry: Entry) -> Any:
    from tasks.timing.inputs import read_example

    path = corpus.path(entry)
    files = {"netlist": path, "sdc": path.with_suffix(".sdc"), "spef": path.with_suffix(".spef.xz")}
    return read_example(files, corpus.library, entry.family)


def training_items(chosen: Sequence[Chosen], needs: Sequence[str]) -> list[Any]:
    """What an objective is trained on: graphs, or pairs of AIGs and their rewrites."""
    from tasks.logic.graphs import items_with

    found: list[Any] = []
    for row in chosen:
        found += items_with(row.corpus, row.entry, needs, break_loops=True)
    return found
