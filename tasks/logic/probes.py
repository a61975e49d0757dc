"""Linear probes on frozen embeddings: few labels of the training families, scores by family of unseen ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from circuitgraph.draws import seed_of
from tasks.logic.probe_labels import Question

Array = npt.NDArray[Any]

FRACTIONS = (0.01, 0.1, 1.0)
"""Shares of the training labels."""
LEAST = 20
"""Labels that a probe gets at least, so that one per cent of a small set is not one."""
MOST_LABELS = 12_000
"""Training labels of a probe at most, drawn."""
LEAST_OF_A_KIND = 5
"""Positives and negatives a family needs to count in an average precision."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One circuit of a table: its graph, its family, what is asked of it; ``masked`` bool [U] hides cells.

    ``parts`` keeps what rows compute of it, never anything of the labels.
    """

    name: str
    family: str
    split: str
    data: Any
    questions: Mapping[str, Question]
    masked: Any = None
    parts: dict[str, Any] = field(default_factory=dict, repr=False)


class Row(Protocol):
    """What gives vectors: an encoder, counts, or nothing learned at all."""

    name: str
    learner: str

    def nodes(self, subject: Subject) -> Array:
        """[N, d]."""

    def masked_nodes(self, subject: Subject) -> Array:
        """[N, d], the cells of ``subject.masked`` hidden."""

    def graph(self, subject: Subject) -> Array:
        """[d]."""


Metric = Callable[[Array, Array], float]


@dataclass(frozen=True)
class Probe:
    """One probe: how answers are fitted and scored; the score of a family is over all its rows.

    | field | meaning |
    |---|---|
    | name | also the key of its questions |
    | kind | "class" (accuracy), "value" (skill: 1 - error / error of the training median), "rank" (average precision), |
    | | "roots" (mean average precision over the kinds of roots) |
    | hides | whether embeddings are taken with cells masked |
    """

    name: str
    kind: str
    hides: bool = False


PROBES = (
    Probe("masked kind", "class", hides=True),
    Probe("masked function", "class", hides=True),
    Probe("level", "value"),
    Probe("probability", "value"),
    Probe("equivalence", "rank"),
    Probe("roots", "roots"),
    Probe("delay class", "class"),
)
UNITS = {"class": "accuracy", "value": "skill", "rank": "average precision", "roots": "average precision"}
ROOT_BITS = (1, 2, 4, 8)
"""XOR2, XOR3, MAJ3, sum or carry of a full adder: one ranking each, averaged where a family has them."""


def rows_of(row: Row, probe: Probe, subjects: Sequence[Subject]) -> list[tuple[Subject, Array, Array]]:
    """(subject, vectors [M, d], labels [M]) of every subject that the probe asks."""
    found = []
    for subject in subjects:
        question = subject.questions.get(probe.name)
        if question is None:
            continue
        nodes = row.masked_nodes(subject) if probe.hides else row.nodes(subject)
        found.append((subject, vectors(nodes, question), question.label))
    return found


def vectors(nodes: Array, question: Question) -> Array:
    """Vectors of the nodes asked for; of a pair the absolute difference and the product, its complement put right."""
    if question.nodes.ndim == 1:
        return nodes[question.nodes]
    first, second = nodes[question.nodes[:, 0]], nodes[question.nodes[:, 1]].copy()
    half = nodes.shape[1] // 2
    flipped = np.abs(first - np.concatenate([second[:, :half], -second[:, half:]], axis=1))
    plain = np.abs(first - second)
    closer = np.where((question.inverted > 0)[:, None], np.minimum(plain, flipped), plain)
    return np.concatenate([closer, np.abs(first * second)], axis=1)


def labelled(rows: Sequence[tuple[Subject, Array, Array]], fraction: float, seed: int) -> tuple[Array, Array]:
    """A share of all training rows, drawn by *seed*: the same rows whatever the vectors."""
    x, y = np.concatenate([row[1] for row in rows]), np.concatenate([row[2] for row in rows])
    count = min(MOST_LABELS, max(LEAST, round(fraction * len(y))), len(y))
    order = np.random.Generator(np.random.Philox(key=seed_of(seed, "labels"))).permutation(len(y))[:count]
    return x[order].astype(np.float64), y[order]


def fitted(kind: str, x: Array, y: Array, learner: str = "linear") -> Callable[[Array], Array]:
    """A model of what is asked; gives classes, values or scores.

    Linear: ridge regression (penalty 10) for values, logistic regression (C = 0.1) for the rest, on standardised
    columns. Forest (classes only): 200 extremely randomised trees. All fixed, nothing is searched.
    """
    if learner == "forest" and kind == "class":
        return _forest(x, y)
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "value":
        ridge = make_pipeline(StandardScaler(), Ridge(alpha=10.0)).fit(x, y)
        low, high = float(y.min()), float(y.max())
        return lambda rows: np.clip(ridge.predict(rows.astype(np.float64)), low, high)
    if len(np.unique(y)) < 2:
        only = y[0]
        return lambda rows: np.full(len(rows), only if kind == "class" else 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that stops at the limit of its steps is fine here
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=150, tol=1e-3)).fit(x, y)
    if kind == "class":
        return lambda rows: model.predict(rows.astype(np.float64))
    return lambda rows: model.decision_function(rows.astype(np.float64))


def _forest(x: Array, y: Array) -> Callable[[Array], Array]:
    from sklearn.ensemble import ExtraTreesClassifier

    trees = ExtraTreesClassifier(200, min_samples_leaf=2, random_state=0).fit(x, y)
    found: Callable[[Array], Array] = trees.predict
    return found


def scores(
    row: Row, probe: Probe, train: Sequence[Subject], test: Sequence[Subject], seed: int
) -> dict[float, dict[str, float]]:
    """Score of each family at each share of the labels."""
    seen, unseen = rows_of(row, probe, train), rows_of(row, probe, test)
    if not seen or not unseen:
        return {}
    if probe.name == "delay class":
        seen, unseen = _thirds(seen, unseen)
    found: dict[float, dict[str, float]] = {}
    for fraction in FRACTIONS:
        x, y = labelled(seen, fraction, seed)
        if probe.kind == "roots":
            answers = {bit: fitted("rank", x, (y & bit > 0).astype(np.int64)) for bit in ROOT_BITS}
            found[fraction] = _by_family(unseen, lambda v, y, a=answers: root_score(v, y, a))
            continue
        answer = fitted(probe.kind, x, y, row.learner)
        middle = float(np.median(y)) if probe.kind == "value" else 0.0
        found[fraction] = _by_family(unseen, lambda v, y, a=answer, m=middle: score(probe.kind, a(v), y, m))
    return found


def _thirds(
    seen: list[tuple[Subject, Array, Array]], unseen: list[tuple[Subject, Array, Array]]
) -> tuple[list[tuple[Subject, Array, Array]], list[tuple[Subject, Array, Array]]]:
    """Values as thirds of the training values."""
    edges = np.quantile(np.concatenate([row[2] for row in seen]), [1 / 3, 2 / 3])
    cut = [[(who, x, np.digitize(y, edges)) for who, x, y in rows] for rows in (seen, unseen)]
    return cut[0], cut[1]


def _by_family(rows: Sequence[tuple[Subject, Array, Array]], measure: Metric) -> dict[str, float]:
    """Score over all rows of each family; families that the metric cannot judge are left out."""
    found = {}
    for family in sorted({row[0].family for row in rows}):
        own = [row for row in rows if row[0].family == family]
        value = measure(np.concatenate([row[1] for row in own]), np.concatenate([row[2] for row in own]))
        if np.isfinite(value):
            found[family] = value
    return found


def score(kind: str, answer: Array, label: Array, middle: float) -> float:
    """Accuracy, skill over the training median, or average precision."""
    if kind == "class":
        return float(np.mean(answer == label))
    if kind == "value":
        error = float(np.mean(np.abs(label - middle)))
        return 1 - float(np.mean(np.abs(answer - label))) / error if error > 0 else float("nan")
    return average_precision(answer, label)


def root_score(x: Array, y: Array, answers: Mapping[int, Callable[[Array], Array]]) -> float:
    """Mean average precision over the kinds of roots that there are enough of."""
    found = [average_precision(answer(x), (y & bit > 0).astype(np.int64)) for bit, answer in answers.items()]
    known = [value for value in found if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def average_precision(answer: Array, label: Array) -> float:
    """Area under precision over recall; NaN with fewer than five positives or negatives.

    >>> average_precision(np.arange(10.0), np.array([0] * 5 + [1] * 5))
    1.0
    """
    positives = int(label.sum())
    if positives < LEAST_OF_A_KIND or len(label) - positives < LEAST_OF_A_KIND:
        return float("nan")
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(label, answer))


def family_scores(row: Row, subjects: Sequence[Subject], seed: int) -> dict[float, dict[str, float]]:
    """Nearest neighbour among labelled circuits of other designs: share of each family's circuits that find it.

    The asked families are those that no encoder was trained on. Of every family a share of the circuits is labelled,
    at least one; each circuit is asked with itself taken out; families with one circuit are left out.
    """
    vectors_of = np.stack([row.graph(subject) for subject in subjects]).astype(np.float64)
    spread = vectors_of.std(axis=0)
    vectors_of = (vectors_of - vectors_of.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    families = np.array([subject.family for subject in subjects])
    names, counts = np.unique(families, return_counts=True)
    names = names[counts > 1]
    found: dict[float, dict[str, float]] = {}
    for fraction in FRACTIONS:
        rng = np.random.Generator(np.random.Philox(key=seed_of(seed, "families")))
        gallery = np.zeros(len(subjects), np.bool_)
        for name in names:
            own = rng.permutation(np.flatnonzero(families == name))
            gallery[own[: max(1, round(fraction * len(own)))]] = True
        distance = np.square(vectors_of[:, None] - vectors_of[None]).sum(axis=2)
        distance[:, ~gallery] = np.inf
        np.fill_diagonal(distance, np.inf)
        nearest = families[distance.argmin(axis=1)]
        found[fraction] = {}
        for name in names:
            asked = (families == name) & ~(gallery & (np.sum(gallery & (families == name)) == 1))
            if asked.any():
                found[fraction][str(name)] = float(np.mean(nearest[asked] == name))
    return found
