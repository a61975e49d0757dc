"""The table of masked cells: what an encoder recovers beside what counting recovers, on families unseen in training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from circuitgraph.draws import Draws
from circuitgraph.pyg import CircuitData
from encoders.objectives.masked_gates import MaskedGates
from encoders.objectives.masking import hide, masked_rows, unit_degrees

EVALUATION_SEED = 20_011
DRAWS = 4
"""Masks drawn for each graph; the same ones for every row of the table."""


def masks_of(objective: MaskedGates, graph: CircuitData) -> list[torch.Tensor]:
    """The masks under which every row is measured."""
    return [objective.choose(graph, Draws(EVALUATION_SEED, draw)) for draw in range(DRAWS)]


def unit_kinds(graph: CircuitData) -> torch.Tensor:
    """Node kind of each maskable cell, int64 [U]."""
    kinds = torch.zeros(int(graph.num_units.sum()), dtype=torch.int64)
    kinds[graph.unit[graph.maskable]] = graph.node_kind[graph.maskable]
    return kinds


class CountTable:
    """The most frequent kind of the training cells, given as much of a key as was seen.

    Args:
        graphs: training graphs.
        depth: 0 majority, 1 fan-in, 2 fan-in and fan-out.
    """

    def __init__(self, graphs: Sequence[CircuitData], depth: int) -> None:
        self.depth = depth
        counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for graph in graphs:
            for kind, key in zip(unit_kinds(graph).tolist(), _keys(graph), strict=True):
                for length in range(depth + 1):
                    counts[key[:length]][kind] += 1
        self.best = {key: counter.most_common(1)[0][0] for key, counter in counts.items()}

    def predict(self, graph: CircuitData) -> np.ndarray:
        """Kind of each cell, int64 [U]."""
        found = []
        for key in _keys(graph):
            length = self.depth
            while key[:length] not in self.best and length:
                length -= 1
            found.append(self.best.get(key[:length], -1))
        return np.array(found, np.int64)


def _keys(graph: CircuitData) -> list[tuple[int, ...]]:
    return [(fan_in, min(fan_out, 12)) for fan_in, fan_out in unit_degrees(graph).tolist()]


def count_accuracy(table: CountTable, graphs: Sequence[CircuitData], objective: MaskedGates) -> float:
    """Mean over graphs and masks of the share of masked cells whose kind the table gives."""
    found = []
    for graph in graphs:
        right = torch.from_numpy(table.predict(graph)) == unit_kinds(graph)
        found += [float(right[mask].float().mean()) for mask in masks_of(objective, graph) if bool(mask.any())]
    return float(np.mean(found)) if found else float("nan")


def neighbourhood_accuracy(
    train: Sequence[CircuitData], test: Sequence[CircuitData], objective: MaskedGates, learner: str
) -> float:
    """The same of counts of kinds within two edges, masked cells unknown: linear, or a forest of 200 trees.

    Fitted on one mask of each training graph.
    """
    from tasks.logic.probe_rows import count_features
    from tasks.logic.probes import fitted

    def asked(graph: CircuitData, mask: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        rows = masked_rows(graph, mask)
        assert rows is not None
        at = rows.nonzero().flatten()
        return count_features(hide(graph, rows), 2)[at.numpy()], graph.node_kind[at].numpy()

    pairs = [asked(graph, masks_of(objective, graph)[0]) for graph in train if int(graph.num_units)]
    answer = fitted("class", np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs]), learner)
    found = []
    for graph in test:
        for mask in masks_of(objective, graph):
            if bool(mask.any()):
                x, y = asked(graph, mask)
                found.append(float(np.mean(answer(x) == y)))
    return float(np.mean(found)) if found else float("nan")


def encoder_accuracy(encoder: Any, objective: MaskedGates, graphs: Sequence[CircuitData]) -> float:
    """The same of a trained encoder and objective."""
    encoder.eval()
    objective.eval()
    found = []
    device = objective.token.device
    with torch.no_grad():
        for graph in graphs:
            for mask in masks_of(objective, graph):
                answer = objective.predict(
                    encoder, graph.clone().to(device) if device.type != "cpu" else graph, mask.to(device)
                )
                if answer is not None:
                    found.append(float((answer[0].argmax(1) == answer[2]["kind"]).float().mean()))
    return float(np.mean(found)) if found else float("nan")


def accuracy_rows(
    train: Sequence[CircuitData],
    test: Sequence[CircuitData],
    trained: Mapping[str, tuple[Any, MaskedGates]],
    neighbourhood: bool = False,
) -> list[dict[str, Any]]:
    """Rows of the table: majority, fan-in only, degree only, then each trained encoder; per cent.

    Args:
        train: graphs that the counts are taken from, those of the training families.
        test: graphs of other families.
        trained: encoder and objective by name of the row.
        neighbourhood: also fit rows on counts within two edges; they take a minute.
    """
    objective = next(iter(trained.values()))[1]
    rows: list[dict[str, Any]] = []
    for name, depth in (("majority", 0), ("fan-in only", 1), ("degree only", 2)):
        accuracy = count_accuracy(CountTable(train, depth), test, objective)
        rows.append({"row": name, "masked-cell accuracy %": 100 * accuracy, "learned": False})
    if neighbourhood:
        for name, learner in (("2-hop counts, linear", "linear"), ("2-hop counts, forest", "forest")):
            accuracy = neighbourhood_accuracy(train, test, objective, learner)
            rows.append({"row": name, "masked-cell accuracy %": 100 * accuracy, "learned": False})
    for name, (encoder, own) in trained.items():
        rows.append(
            {"row": name, "masked-cell accuracy %": 100 * encoder_accuracy(encoder, own, test), "learned": True}
        )
    return rows
