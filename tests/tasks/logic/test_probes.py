"""Probes: what they ask is exact, what they score is what was asked, and vectors that know nothing score chance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuitgraph.analysis.simulation import exhaustive_patterns, free_nets, simulate
from circuitgraph.corpus import Corpus
from circuitgraph.views import logic_view
from tasks.logic.probe_labels import MOST_ROWS, Question, aig_questions, and_nodes, drawn, probabilities
from tasks.logic.probe_rows import CountsRow, RandomRow, count_features
from tasks.logic.probes import PROBES, Subject, average_precision, family_scores, labelled, score, scores, vectors
from tests.subjects import random_aig

DATA = Path(__file__).resolve().parents[3] / "data"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return Corpus(DATA, tmp_path_factory.mktemp("cache"))


def subject(corpus: Corpus, design: str) -> Subject:
    from circuitgraph.pyg import to_data
    from tasks.logic.subjects import subject_of

    entry = next(e for e in corpus.entries(kinds=("aig",)) if e.design == design)
    view = corpus.view(entry, "logic")
    return subject_of(corpus, entry, view, to_data(view))


def test_probabilities_agree_with_all_patterns() -> None:
    circuit = random_aig(5, ands=60, inputs=8, latches=0)
    value = simulate(circuit, exhaustive_patterns(len(free_nets(circuit))))
    exact = np.bitwise_count(value).sum(axis=1) / 256.0
    assert np.abs(probabilities(circuit) - exact).max() < 5 * 0.5 / np.sqrt(65_536)


def test_questions_of_an_aig_are_exact(corpus: Corpus) -> None:
    found = subject(corpus, "add_ripple_16")
    view = found.parts["view"]
    circuit = corpus.circuit(next(e for e in corpus.entries(kinds=("aig",)) if e.design == "add_ripple_16"))
    level = found.questions["level"]
    assert np.array_equal(level.label, np.log1p(view.level[level.nodes]))
    pairs = found.questions["equivalence"]
    assert pairs.label.sum() > 0
    rng = np.random.default_rng(1)
    value = simulate(circuit, rng.integers(0, 2**64, (len(free_nets(circuit)), 64), np.uint64))
    nets = view.net[pairs.nodes]
    differ = np.bitwise_count(value[nets[:, 0]] ^ value[nets[:, 1]]).sum(axis=1)
    differ = np.where(pairs.inverted > 0, 64 * 64 - differ, differ)
    assert (differ[pairs.label == 1] == 0).all(), "what is proven equal agrees on every pattern"
    assert (differ[pairs.label == 0] > 0).mean() > 0.9, "near misses are told apart by nearly any block of patterns"
    roots = found.questions["roots"]
    assert (roots.label & 1 > 0).sum() >= 16, "a ripple adder has a XOR a bit"


def test_a_masked_cell_is_asked_and_hidden(corpus: Corpus) -> None:
    found = subject(corpus, "add_ripple_16")
    asked = found.questions["masked function"].nodes
    assert bool(found.masked[found.data.unit[asked]].all())
    hidden = CountsRow(2).masked_nodes(found)
    own = CountsRow(2).nodes(found)
    assert hidden.shape == own.shape
    assert (hidden[asked, :2] == own[asked, :2]).all(), "degrees are not hidden"
    assert (hidden != own).any()


def test_drawn_rows_are_the_same_whatever_is_asked_beside() -> None:
    one, other = drawn(5000, 11, "probe"), drawn(5000, 11, "probe")
    assert np.array_equal(one, other)
    assert len(one) == MOST_ROWS
    assert (np.diff(one) > 0).all()
    assert not np.array_equal(one, drawn(5000, 12, "probe"))


def test_count_features_count() -> None:
    data_of: Callable[[Any], Any] = __import__("circuitgraph.pyg", fromlist=["to_data"]).to_data
    data = data_of(logic_view(random_aig(2)))
    found = np.expm1(count_features(data, 2))
    source, target = data.edge_index.numpy()
    for node in range(data.num_nodes):
        assert found[node, 0] == pytest.approx((target == node).sum(), abs=1e-3)
        kinds = found[node, 20 : 20 + (found.shape[1] - 20) // 6]
        assert kinds[:-2].sum() == pytest.approx((target == node).sum(), abs=1e-3)


def test_pair_vectors_put_the_complement_right() -> None:
    nodes = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, -3.0, -4.0]])
    question = Question(np.array([[0, 1]]), np.array([1]), np.array([1]))
    assert vectors(nodes, question)[0, :4].tolist() == [0, 0, 0, 0]
    plain = Question(np.array([[0, 1]]), np.array([0]), np.array([1]))
    assert vectors(nodes, plain)[0, :4].tolist() == [0, 0, 6, 8]


def test_scores_by_hand() -> None:
    label = np.array([0, 1, 1, 2])
    assert score("class", np.array([0, 1, 2, 2]), label, 0.0) == 0.75
    assert score("value", np.array([0.0, 1.0]), np.array([0.0, 2.0]), 1.0) == 0.5
    assert np.isnan(average_precision(np.arange(4.0), np.array([0, 0, 0, 1])))
    assert average_precision(np.arange(10.0), np.array([1] * 5 + [0] * 5)) < 0.5


def test_random_vectors_score_chance_and_counts_do_not(corpus: Corpus) -> None:
    train = [subject(corpus, name) for name in ("add_ripple_16", "mul_array_8", "alu_16")]
    test = [subject(corpus, name) for name in ("hamming_encode_32", "crc_parallel_16")]
    probe = next(probe for probe in PROBES if probe.name == "masked function")
    chance, counted = (scores(row, probe, train, test, 0)[1.0] for row in (RandomRow(0), CountsRow(2)))
    assert set(chance) == set(counted) == {"ecc", "crc"}
    assert np.mean(list(chance.values())) < 0.5
    assert np.mean(list(counted.values())) > np.mean(list(chance.values())) + 0.1


def test_labels_are_drawn_alike_for_all_rows(corpus: Corpus) -> None:
    found = subject(corpus, "add_ripple_16")
    rows = [(found, np.arange(80.0)[:, None], np.arange(80)), (found, np.arange(80.0)[:, None], np.arange(80))]
    wider = [(found, np.ones((80, 3)), np.arange(80)), (found, np.ones((80, 3)), np.arange(80))]
    one, other = labelled(rows, 0.1, 3), labelled(wider, 0.1, 3)
    assert np.array_equal(one[1], other[1]), "whatever the vectors"
    assert np.array_equal(one[0][:, 0], one[1]), "vectors stay with their labels"
    assert len(one[1]) == 20
    assert not np.array_equal(one[1], labelled(rows, 0.1, 4)[1])


def test_family_scores_find_twins_and_leave_single_circuits_out() -> None:
    class Fixed:
        name, learner = "fixed", "linear"

        def graph(self, subject: Any) -> np.ndarray:
            return np.array(subject.data, np.float64)

    subjects = [
        Subject(str(row), family, "test", place, {})
        for row, (family, place) in enumerate(
            [("a", [0, 0]), ("a", [0, 1]), ("a", [1, 0]), ("b", [9, 9]), ("b", [9, 8]), ("c", [5, 5])]
        )
    ]
    found = family_scores(Fixed(), subjects, 0)  # type: ignore[arg-type]
    assert found[1.0] == {"a": 1.0, "b": 1.0}
    assert found[0.01] == {"a": 1.0, "b": 1.0}, "one circuit of each is labelled, the others find it"


def test_labels_come_from_the_cache_and_a_damaged_one_is_made_again(corpus: Corpus) -> None:
    entry = next(e for e in corpus.entries(kinds=("aig",)) if e.design == "parity_array_16")
    view = corpus.view(entry, "logic")
    first = aig_questions(corpus, entry, view)["probability"].label
    assert corpus.cache is not None
    for path in corpus.cache.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    corpus.lines.clear()
    again = aig_questions(corpus, entry, view)["probability"].label
    assert np.array_equal(first, again)
    assert any("are damaged or foreign" in line and "made again" in line for line in corpus.lines)
    assert len(and_nodes(view)) == sum(
        t.name == "AND2" for t in [corpus.circuit(entry).types[c] for c in corpus.circuit(entry).cell_type]
    )
