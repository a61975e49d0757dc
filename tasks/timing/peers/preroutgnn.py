"""PreRoutGNN: TimingGCN with a graph auto-encoder's latents, level encoding, residual net edges, attention over tables.

1,089,245 parameters, 131,048 more in the auto-encoder's encoder, which is trained on with the rest (about 1.09 M is
what the paper's code has without the encoder; the decoder, 122,798, is left behind after pre-training).

Faithful to widths, features, transforms, losses, gradient norm and averaged weights. Different, on purpose: as in
:mod:`tasks.timing.peers.timing_gcn` (selection on validation families, masks, starts, tables, slack); the encoder that
pre-training leaves is the last one, not the one that rebuilds the test designs best; a step takes some designs or
blocks, not all 30,000 times. In blocks with carried state latents come from the whole design, so that a block sees what
prediction sees; ``finetune = false`` freezes the encoder after pre-training, and latents are found once.

Source: Zhong et al., PreRoutGNN for timing prediction with order preserving partition: global circuit pre-training,
local delay learning and attentional cell modeling, AAAI 2024, and its published code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.task import Example, Prediction
from tasks.timing.inputs import TimingInputs
from tasks.timing.peers.batch import Batch, batch_of
from tasks.timing.peers.fitting import Designs, fit_levelled, propagated, refuse_shared_families, seeded
from tasks.timing.peers.layers import NetConv, Outcome, Propagation, perceptron, total
from tasks.timing.peers.order_partition import Piece, whole
from tasks.timing.peers.pin_graph import FEATURES, PinGraph, pin_graph
from tasks.timing.peers.prediction import about_model, filled, predicted
from tasks.timing.peers.preroutgnn_layers import LATENT, LEVEL_FEATURES, AutoEncoder, EntryAttention, both_ways
from tasks.timing.peers.preroutgnn_layers import level_encoding as encoded
from tasks.timing.peers.training import Recipe, drawn, train

WIDTH, HIDDEN = 64, 128
GIVEN = FEATURES + LEVEL_FEATURES + 2 * LATENT
AVERAGE = 0.9
"""Decay of the averaged weights."""
DEFAULTS = Recipe(graphs=0, pretrain_steps=200)
"""All designs a step, as theirs."""
PRETRAINING = 0.25
"""Share of a time limit that pre-training may take."""
PLACES = slice(2, 6)


def scaled(graph: PinGraph) -> PinGraph:
    """The graph with distances to the die's edges from 0 to 1 over its pins."""
    features = graph.features.copy()
    places = features[:, PLACES]
    low, high = places.min(axis=0, initial=np.inf), places.max(axis=0, initial=-np.inf)
    features[:, PLACES] = (places - low) / (high - low + 1e-8)
    return replace(graph, features=features)


class PreRoutGNNModule(nn.Module):
    """The network with its auto-encoder: a batch in, net delays, cell delays and states out."""

    def __init__(self) -> None:
        super().__init__()
        self.coder = AutoEncoder()
        self.widen = nn.Sequential(nn.Linear(GIVEN, WIDTH), nn.LeakyReLU(0.2))
        self.convolutions = nn.ModuleList(NetConv(WIDTH, WIDTH, HIDDEN) for _ in range(4))
        self.net_delay = perceptron(WIDTH, WIDTH, 4)
        features = GIVEN + WIDTH
        self.propagation = Propagation(features, HIDDEN, EntryAttention(features, HIDDEN), residual=True)

    def latent(self, batch: Batch) -> Tensor:
        """Latent of every node and the mean of its piece, [N, 8]."""
        given = torch.cat([batch.features, encoded(batch.level)], dim=1)
        own = self.coder.encoder(given, both_ways(batch))
        count = torch.bincount(batch.piece, minlength=batch.pieces)[:, None]
        mean = total(own, batch.piece, batch.pieces) / count
        return torch.cat([own, mean.index_select(0, batch.piece)], dim=1)

    def with_latents(self, graph: PinGraph) -> PinGraph:
        """The graph with latents behind its features, which then are taken as they are."""
        with torch.no_grad():
            found = self.latent(batch_of([(graph, whole(graph))])).numpy()
        return replace(graph, features=np.concatenate([graph.features, found], axis=1))

    def features(self, parts: Sequence[tuple[PinGraph, Piece]], batch: Batch) -> Tensor:
        """What a pin is given with, [N, 27]: features, level, latents."""
        own = batch.features[:, :FEATURES]
        if batch.features.size(1) > FEATURES:
            latent = batch.features[:, FEATURES:]
        elif all(piece.halo_counts or len(piece.nodes) == len(graph) for graph, piece in parts):
            latent = self.latent(batch)  # of a block with halo as theirs: the block is all that the encoder sees
        else:
            found = [(self.latent(batch_of([(g, whole(g))])), torch.from_numpy(p.nodes)) for g, p in parts]
            latent = torch.cat([values.index_select(0, nodes) for values, nodes in found])
        return torch.cat([own, encoded(batch.level), latent], dim=1)

    def forward(
        self, features: Tensor, batch: Batch, known: Tensor | None = None, given: Tensor | None = None
    ) -> Outcome:
        """See :meth:`Propagation.forward`."""
        hidden = self.widen(features)
        for convolution in self.convolutions:
            hidden = convolution(hidden, batch) + hidden
        found = self.propagation(torch.cat([features, hidden], dim=1), batch, known, given)
        return Outcome(found.state, self.net_delay(hidden), found.cell_delay)


class PreRoutGNN:
    """PreRoutGNN as a Model; see :class:`tasks.timing.peers.timing_gcn.TimingGCN`.

    Args:
        seed: of the first weights; a recipe that names another takes its place.
        block_nodes: predict in blocks of so many nodes with carried state; None: the whole design at once.
    """

    name = "PreRoutGNN"

    def __init__(self, seed: int = 0, block_nodes: int | None = None) -> None:
        self.seed, self.block_nodes = seed, block_nodes
        self.module = seeded(PreRoutGNNModule, seed)
        self.rows: list[dict[str, Any]] = []

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Pre-train the auto-encoder, then learn by :class:`tasks.timing.peers.training.Recipe`.

        Raises:
            CircuitError: a design has no placement or no parasitics, or the recipe is wrong.
        """
        refuse_shared_families(train, validation)
        settings = Recipe.of({"seed": self.seed, **recipe}, DEFAULTS)
        if settings.seed != self.seed:
            self.seed, self.module = settings.seed, seeded(PreRoutGNNModule, settings.seed)
        learned, held = Designs.of(train, scaled), Designs.of(validation, scaled)
        module = self.module
        self.rows = _pretrained(module.coder, learned, settings, run)
        module.coder.decoder.requires_grad_(False)
        if not settings.finetune:
            module.coder.requires_grad_(False)
            learned, held = (Designs([module.with_latents(g) for g in d.graphs], d.labels) for d in (learned, held))
        rest = replace(settings, seconds=settings.seconds * (1 - PRETRAINING))
        self.rows += fit_levelled(module, learned, held, rest, run, decay=AVERAGE)
        module.requires_grad_(True)

    def predict(self, inputs: TimingInputs) -> Prediction:
        """Arrival, slew and slack of every pin; labels are not read.

        Raises:
            CircuitError: there is no placement.
        """
        graph = self.module.with_latents(scaled(pin_graph(inputs)))
        return predicted(inputs, graph, propagated(self.module, graph, self.block_nodes))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, and what they are of."""
        return dict(self.module.state_dict()), about_model(self.name, self.seed)

    @classmethod
    def from_state(
        cls, tensors: Mapping[str, Tensor], about: Mapping[str, Any], place: str = "checkpoint"
    ) -> PreRoutGNN:
        """The inverse of :meth:`state`.

        Raises:
            CircuitError: the weights are of another model.
        """
        return filled(cls, tensors, about, place)


def _pretrained(coder: AutoEncoder, designs: Designs, recipe: Recipe, run: Any) -> list[dict[str, Any]]:
    """Train the auto-encoder to give back the features of pins; rows of :func:`train`."""
    parts = designs.parts(recipe)

    def loss(step: int) -> dict[str, Tensor]:
        return {"rebuilt": coder.error(designs.batch(drawn(parts, recipe.graphs, recipe.seed + 1, step)))}

    own = replace(recipe, steps=recipe.pretrain_steps, seconds=recipe.seconds * PRETRAINING)
    return train(coder, loss, own, None, run, name="pretrain")
