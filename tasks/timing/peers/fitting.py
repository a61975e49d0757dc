"""Fitting and running a network that walks along levels: TimingGCN and PreRoutGNN share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from circuitgraph.errors import CircuitError
from tasks.task import Example
from tasks.timing.peers.batch import Batch, batch_of
from tasks.timing.peers.order_partition import Piece, carried_pieces, pieces_of, whole
from tasks.timing.peers.pin_graph import PinGraph, PinLabels, pin_graph, pin_labels
from tasks.timing.peers.training import Recipe, drawn, squared_errors, train

Part = tuple[int, Piece]


@dataclass(frozen=True, eq=False)
class Designs:
    """Heterographs and labels of some examples; batches that come again are kept."""

    graphs: list[PinGraph]
    labels: list[PinLabels]
    kept: dict[Piece, Batch] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Sequence[Example], change: Callable[[PinGraph], PinGraph] | None = None) -> Designs:
        """Those of examples; *change* is applied to every graph.

        Raises:
            CircuitError: a design has no placement or no parasitics.
        """
        graphs = [pin_graph(example.inputs) for example in examples]
        labels = [pin_labels(example) for example in examples]
        return cls(graphs if change is None else [change(graph) for graph in graphs], labels)

    def parts(self, recipe: Recipe) -> list[Part]:
        """Every piece that the recipe's partition makes, each with the row of its design."""
        blocks, most = recipe.blocks, recipe.block_nodes
        return [(row, piece) for row, graph in enumerate(self.graphs) for piece in pieces_of(graph, blocks, most)]

    def batch(self, parts: Sequence[Part]) -> Batch:
        """The batch of some pieces with labels; kept where it is of one piece."""
        if len(parts) == 1 and parts[0][1] in self.kept:
            return self.kept[parts[0][1]]
        pairs = [(self.graphs[row], piece) for row, piece in parts]
        made = batch_of(pairs, [self.labels[row] for row, _ in parts])
        if len(parts) == 1:
            self.kept[parts[0][1]] = made
        return made


def refuse_shared_families(train_set: Sequence[Example], validation: Sequence[Example]) -> None:
    """Refuse a selection that would look at relatives of what is trained on.

    Raises:
        CircuitError: there is nothing to train on, or a family stands on both sides.
    """
    if not train_set:
        raise CircuitError("recipe", "training set", "is empty", "check the designs and their split")
    both = sorted({example.family for example in train_set} & {example.family for example in validation})
    if both:
        rule = "stands in the training set and in the validation set"
        raise CircuitError("recipe", f"family {both[0]!r}", rule, "keep a family on one side")


def fit_levelled(
    module: nn.Module, train_set: Designs, validation: Designs, recipe: Recipe, run: Any, *, decay: float = 0.0
) -> list[dict[str, Any]]:
    """Train under teacher forcing; the weights are kept whose states, walked level by level, fit validation best.

    Args:
        module: has ``features(graphs and pieces, batch) -> [N, f]`` and ``forward(features, batch, known, given)``.
        train_set, validation: designs of other families.
        recipe: see :class:`Recipe`.
        run: run folder to log to and resume from, or None.
        decay: see :func:`train`.

    Returns:
        The rows of :func:`train`.
    """
    parts = train_set.parts(recipe)

    def loss(step: int) -> dict[str, Tensor]:
        chosen = drawn(parts, recipe.graphs, recipe.seed, step)
        batch = train_set.batch(chosen)
        features = module.features([(train_set.graphs[row], piece) for row, piece in chosen], batch)  # type: ignore[operator]
        return squared_errors(module(features, batch, batch.known), batch)

    held = [(row, whole(graph)) for row, graph in enumerate(validation.graphs)]
    held_batch = validation.batch(held) if held else None

    def validate() -> float:
        assert held_batch is not None
        pairs = [(validation.graphs[row], piece) for row, piece in held]
        found = module(module.features(pairs, held_batch), held_batch)  # type: ignore[operator]
        return float(squared_errors(found, held_batch)["state"])

    return train(module, loss, recipe, validate if held else None, run, decay=decay)


def propagated(module: nn.Module, graph: PinGraph, block_nodes: int | None = None) -> Tensor:
    """States of all nodes of a design, [N, 8], walked from its starts.

    Args:
        module: as in :func:`fit_levelled`.
        graph: N nodes.
        block_nodes: most nodes of a block; a block reads the states that earlier ones left. None: all at once.
    """
    pieces = [whole(graph)] if block_nodes is None else carried_pieces(graph, block_nodes)
    state = torch.from_numpy(graph.start).clone()
    module.eval()
    with torch.no_grad():
        for piece in pieces:
            batch = batch_of([(graph, piece)])
            features = module.features([(graph, piece)], batch)  # type: ignore[operator]
            nodes = torch.from_numpy(piece.nodes)
            found = module(features, batch, None, state.index_select(0, nodes)).state
            own = torch.from_numpy(np.flatnonzero(piece.counted))
            state.index_copy_(0, nodes.index_select(0, own), found.index_select(0, own))
    return state


def seeded(make: Callable[[], Any], seed: int) -> Any:
    """A network with first weights by *seed* alone, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()
