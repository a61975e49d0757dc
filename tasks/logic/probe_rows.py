"""Rows of the table of probes: encoders, and what needs no learning at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from circuitgraph.draws import Draws
from circuitgraph.pyg import CircuitData
from circuitgraph.views.view import node_kinds
from encoders.objectives.masking import hide, masked_rows
from tasks.logic.probes import Subject

Array = npt.NDArray[Any]


class EncoderRow:
    """A frozen encoder.

    Args:
        name: of the row.
        encoder: in evaluation mode.
        token: what masked rows of the stem become, [d]; zeros where an encoder was never trained with one.
    """

    learner = "linear"

    def __init__(self, name: str, encoder: Any, token: torch.Tensor | None = None) -> None:
        self.name, self.encoder = name, encoder.eval()
        self.token = torch.zeros(encoder.width) if token is None else token.detach()
        self.kept: dict[tuple[int, bool], Any] = {}

    def _found(self, subject: Subject) -> Any:
        key = (id(subject), False)
        if key not in self.kept:
            with torch.no_grad():
                found = self.encoder(subject.data)
            self.kept[key] = (found.nodes.numpy(), found.graphs[0].numpy())
        return self.kept[key]

    def nodes(self, subject: Subject) -> Array:
        """[N, d]."""
        found: Array = self._found(subject)[0]
        return found

    def graph(self, subject: Subject) -> Array:
        """[d]."""
        found: Array = self._found(subject)[1]
        return found

    def masked_nodes(self, subject: Subject) -> Array:
        """[N, d], masked rows of the stem replaced by the token."""
        key = (id(subject), True)
        if key not in self.kept:
            rows = masked_rows(subject.data, subject.masked)
            assert rows is not None
            hidden_data = hide(subject.data, rows)
            with torch.no_grad():
                hidden = torch.where(rows[:, None], self.token, self.encoder.stem(hidden_data))
                self.kept[key] = self.encoder.propagate(hidden, hidden_data).nodes.numpy()
        found: Array = self.kept[key]
        return found


class RandomRow:
    """Vectors that know nothing: what a probe finds in them is chance."""

    name, learner = "random vectors", "linear"

    def __init__(self, seed: int, width: int = 64) -> None:
        self.draws, self.width = Draws(seed), width

    def nodes(self, subject: Subject) -> Array:
        """[N, d]."""
        count = subject.data.num_nodes
        ids = subject.data.graph_id.tolist()
        return self.draws.uniform("random row", ids, [count * self.width]).reshape(count, self.width) - 0.5

    masked_nodes = nodes

    def graph(self, subject: Subject) -> Array:
        """[d]."""
        return self.draws.uniform("random graph", subject.data.graph_id.tolist(), [self.width]) - 0.5


class CountsRow:
    """Counts around each node: kinds and complement flags within *hops* edges, each way; 0 hops: the degrees alone.

    A masked cell counts as unknown for its neighbours; of itself it shows its degrees, as it does to every encoder.

    Args:
        hops: 0, 1 or 2.
        learner: "linear" or "forest".
    """

    def __init__(self, hops: int, learner: str = "linear") -> None:
        self.hops, self.learner = hops, learner
        word = "degrees" if hops == 0 else f"{hops}-hop counts"
        self.name = word if learner == "linear" else f"{word}, {learner}"

    def nodes(self, subject: Subject) -> Array:
        """[N, d]."""
        return self._counts(subject.data, f"counts {self.hops}", subject)

    def masked_nodes(self, subject: Subject) -> Array:
        """[N, d] of the graph with masked cells unknown."""
        rows = masked_rows(subject.data, subject.masked)
        assert rows is not None
        return self._counts(hide(subject.data, rows), f"masked counts {self.hops}", subject)

    def graph(self, subject: Subject) -> Array:
        """[d]: mean of the counts and the logarithms of the numbers of nodes and edges."""
        sizes = np.log1p([subject.data.num_nodes, subject.data.num_edges])
        return np.concatenate([self.nodes(subject).mean(axis=0), sizes])

    def _counts(self, data: CircuitData, key: str, subject: Subject) -> Array:
        if key not in subject.parts:
            subject.parts[key] = count_features(data, self.hops)
        found: Array = subject.parts[key]
        return found


def count_features(data: CircuitData, hops: int) -> Array:
    """log(1 + counts) around each node, float32 [N, d]: degrees; with hops also kinds seen each way."""
    source, target = data.edge_index.numpy()
    nodes = data.num_nodes
    into = np.bincount(target, minlength=nodes).astype(np.float32)
    out = np.bincount(source, minlength=nodes).astype(np.float32)
    parts = [into[:, None], out[:, None], np.minimum(into, 8)[:, None] == np.arange(9)]
    parts.append(np.minimum(out, 8)[:, None] == np.arange(9))
    if hops:
        forward = sparse.csr_matrix((np.ones(len(source), np.float32), (target, source)), shape=(nodes, nodes))
        inverted = data.edge_attr[:, 0].numpy()
        own = np.zeros((nodes, len(node_kinds()) + 2), np.float32)
        own[np.arange(nodes), data.node_kind.numpy()] = 1
        own[:, -2] = np.bincount(target, inverted, nodes)
        own[:, -1] = np.bincount(source, inverted, nodes)
        ways = [forward @ own, forward.T @ own]
        parts += ways
        if hops > 1:
            parts += [forward @ ways[0], forward.T @ ways[1], forward @ ways[1], forward.T @ ways[0]]
    found: Array = np.log1p(np.concatenate(parts, axis=1)).astype(np.float32)
    return found


class FeaturesRow:
    """What every encoder sees of a node alone: kind and features of the view."""

    name, learner = "own features", "linear"

    def nodes(self, subject: Subject) -> Array:
        """[N, d]."""
        return self._own(subject.data)

    def masked_nodes(self, subject: Subject) -> Array:
        """[N, d], nothing of masked cells."""
        rows = masked_rows(subject.data, subject.masked)
        assert rows is not None
        return self._own(hide(subject.data, rows))

    def graph(self, subject: Subject) -> Array:
        """[d]."""
        sizes = np.log1p([subject.data.num_nodes, subject.data.num_edges])
        return np.concatenate([self.nodes(subject).mean(axis=0), sizes])

    @staticmethod
    def _own(data: CircuitData) -> Array:
        kinds = np.eye(len(node_kinds()), dtype=np.float32)[data.node_kind.numpy()]
        found: Array = np.concatenate([data.x.numpy(), kinds], axis=1)
        return found
