"""The Encoder contract, the list of encoders, and what every encoder is told of a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from inspect import signature
from typing import Any, Protocol

import torch
from torch import Tensor

from circuitgraph.errors import CircuitError, nearest
from circuitgraph.partition import Blocks
from circuitgraph.pyg import CircuitData, ordering_of

ENCODERS: Mapping[str, str] = {
    "residual": "encoders.residual:Residual",
    "levelised": "encoders.levelised:Levelised",
    "hybrid": "encoders.hybrid:Hybrid",
    "polarity": "encoders.polarity:Polarity",
    "mgvga": "encoders.mgvga:MGVGAEncoder",
}
"""Encoders by name: "module:class"."""


@dataclass(frozen=True)
class Schema:
    """What an encoder must know of a view before it sees data.

    | field | meaning |
    |---|---|
    | view | "logic" or "timing" |
    | features, edge_features | columns F and D |
    | ordering | per relation: whether its edges order the levels |
    """

    view: str
    features: int
    edge_features: int
    ordering: tuple[bool, ...]

    @classmethod
    def of(cls, data: CircuitData) -> Schema:
        """The schema of a graph or batch."""
        view = data.view_name
        name = view[0] if isinstance(view, list) else view
        return cls(str(name), int(data.x.size(1)), int(data.edge_attr.size(1)), ordering_of(data))

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return asdict(self) | {"ordering": list(self.ordering)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Schema:
        """The inverse of :meth:`to_json`."""
        ordering = tuple(bool(flag) for flag in value["ordering"])
        return cls(str(value["view"]), int(value["features"]), int(value["edge_features"]), ordering)


@dataclass(frozen=True)
class Embedding:
    """What an encoder gives: ``nodes`` [N, d] in the order of the data, ``graphs`` [B, d]."""

    nodes: Tensor
    graphs: Tensor


class Encoder(Protocol):
    """An encoder is a module with two halves; ``forward`` is the two in a row.

    ``stem`` looks at each node alone: masked pretraining replaces its rows before ``propagate`` mixes them.
    ``expected_failures`` names checks of the contract suite that do not hold, each with its reason.
    """

    schema: Schema
    width: int
    expected_failures: Mapping[str, str]

    def stem(self, data: CircuitData) -> Tensor:
        """Hidden state [N, d] from each node's own kind and features."""

    def propagate(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Mix along the edges; with *blocks* the same result, held block by block."""

    def config(self) -> dict[str, Any]:
        """Arguments that make an encoder of the same shape, plain values."""


def resolve(path: str) -> Callable[..., Any]:
    """What "module:name" names, imported now."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def refuse_unknown(subject: str, make: Callable[..., Any], config: Mapping[str, Any]) -> None:
    """Refuse an argument that a class does not take.

    Raises:
        CircuitError: there is one; the nearest argument is named.
    """
    known = list(signature(make).parameters)[1:]
    for key in config:
        if key not in known:
            raise CircuitError(
                "recipe", subject, f"takes no {key!r}", nearest(key, known, f"it takes {', '.join(known)}")
            )


def make_encoder(name: str, schema: Schema, seed: int = 0, **config: Any) -> Any:
    """An encoder by name, its weights fixed by *seed* whatever was drawn before.

    Raises:
        CircuitError: the name or an argument is unknown.
    """
    if name not in ENCODERS:
        raise CircuitError(
            "recipe", f"encoder {name!r}", "is unknown", nearest(name, ENCODERS, f"use {', '.join(ENCODERS)}")
        )
    make = resolve(ENCODERS[name])
    refuse_unknown(f"encoder {name!r}", make, config)
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        return make(schema, **config)
    finally:
        torch.random.set_rng_state(state)


def pool(nodes: Tensor, data: CircuitData) -> Tensor:
    """Mean of each graph's nodes, [B, d]; zeros for a graph without nodes."""
    from circuitgraph.pyg import graph_of, num_graphs_of

    graph, graphs = graph_of(data), num_graphs_of(data)
    total = nodes.new_zeros(graphs, nodes.size(1)).index_add(0, graph, nodes)
    count = nodes.new_zeros(graphs).index_add(0, graph, nodes.new_ones(len(graph)))
    return total / count.clamp(min=1)[:, None]
