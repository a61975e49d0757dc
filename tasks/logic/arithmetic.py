"""What arithmetic answers without any label: rows beside the probes, by family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.simulation import cop_probability
from circuitgraph.corpus import Corpus, Entry
from circuitgraph.derived import derived
from circuitgraph.views.view import View
from tasks.logic.probe_labels import Question
from tasks.logic.probes import Subject, average_precision

Array = npt.NDArray[Any]
VERSION = 1


def answers(corpus: Corpus, entry: Entry, view: View) -> dict[str, Array]:
    """Arrays by net that the rows below read: COP and sketch probabilities, sketch vectors, 1,024 uniform patterns."""

    def make() -> dict[str, Array]:
        from circuitgraph.analysis.signatures import signatures
        from circuitgraph.analysis.sketch import fourier_sketch

        circuit = corpus.circuit(entry)
        sketch = fourier_sketch(circuit)
        return {
            "cop": cop_probability(circuit).astype(np.float32),
            "sketch": sketch.probability.astype(np.float32),
            "index": sketch.index,
            "value": sketch.value,
            "patterns": signatures(circuit, 16, seed=7, biased=False).view(np.int64),
        }

    del view
    return dict(derived(corpus, entry, "arithmetic", VERSION, make))


def arithmetic_rows(
    subjects: Sequence[tuple[Subject, View, dict[str, Array]]], middle: float
) -> list[tuple[str, str, dict[str, float]]]:
    """(row, probe, score by family) of everything that is computed instead of learned.

    Args:
        subjects: what is asked, with views and :func:`answers`.
        middle: median of the training labels of probability, over which skill is counted.
    """
    found = [
        (f"{name} probability", "probability", _by_family(subjects, "probability", _skill(name, middle)))
        for name in ("cop", "sketch")
    ]
    ways = (("sketch distance", sketch_distance), ("1,024 patterns", pattern_distance))
    found += [(name, "equivalence", _by_family(subjects, "equivalence", _ranking(how))) for name, how in ways]
    return found


def _by_family(subjects: Sequence[Any], probe: str, measure: Any) -> dict[str, float]:
    found = {}
    for family in sorted({subject.family for subject, _, _ in subjects}):
        own = [row for row in subjects if row[0].family == family and probe in row[0].questions]
        value = measure(own) if own else float("nan")
        if np.isfinite(value):
            found[family] = value
    return found


def _skill(name: str, middle: float) -> Any:
    def measure(own: Sequence[Any]) -> float:
        label = np.concatenate([subject.questions["probability"].label for subject, _, _ in own])
        guess = np.concatenate(
            [arrays[name][view.net[subject.questions["probability"].nodes]] for subject, view, arrays in own]
        )
        error = np.mean(np.abs(label - middle))
        return float(1 - np.mean(np.abs(guess - label)) / error) if error > 0 else float("nan")

    return measure


def _ranking(distance: Any) -> Any:
    def measure(own: Sequence[Any]) -> float:
        answer = np.concatenate(
            [-distance(subject.questions["equivalence"], view, arrays) for subject, view, arrays in own]
        )
        label = np.concatenate([subject.questions["equivalence"].label for subject, _, _ in own])
        return average_precision(answer, label)

    return measure


def sketch_distance(question: Question, view: View, arrays: dict[str, Array]) -> Array:
    """Distance of probability and first-order weights of each pair, up to complement, [M]."""
    nets = view.net[question.nodes]
    p = arrays["sketch"].astype(np.float64)[nets]
    found = np.zeros(len(nets))
    for row, (one, two) in enumerate(nets):
        best = []
        for sign in (1.0, -1.0):
            first = dict(zip(arrays["index"][one].tolist(), arrays["value"][one].tolist(), strict=True))
            for index, value in zip(arrays["index"][two].tolist(), arrays["value"][two].tolist(), strict=True):
                first[index] = first.get(index, 0.0) - sign * value
            shift = p[row, 0] - (p[row, 1] if sign > 0 else 1 - p[row, 1])
            best.append(shift * shift + sum(value * value for index, value in first.items() if index >= 0))
        found[row] = min(best)
    return found


def pattern_distance(question: Question, view: View, arrays: dict[str, Array]) -> Array:
    """Share of 1,024 uniform patterns that tell each pair apart, up to complement, [M]."""
    nets = view.net[question.nodes]
    words = arrays["patterns"].view(np.uint64)
    differ = np.bitwise_count(words[nets[:, 0]] ^ words[nets[:, 1]]).sum(axis=1) / (64.0 * words.shape[1])
    return np.minimum(differ, 1 - differ)
