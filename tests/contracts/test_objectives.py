"""Every objective runs through every check, at both places of masking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from circuitgraph.circuit import CircuitBuilder
from circuitgraph.draws import Draws
from circuitgraph.pyg import CircuitData, collate, graph_of, to_data
from circuitgraph.views import logic_view
from encoders.encoder import Schema, make_encoder
from encoders.objectives import OBJECTIVES, make_objective
from tests.subjects import full_adder, random_circuit

WIDTH = 16
SUBJECTS = [(name, place) for name in OBJECTIVES for place in ("stem", "latent")]


def graphs() -> list[CircuitData]:
    return [to_data(logic_view(c)) for c in (full_adder(), random_circuit(1), random_circuit(2, gates=60))]


def pair(name: str, place: str, encoder: str = "residual") -> tuple[Any, Any]:
    made = make_encoder(encoder, Schema.of(graphs()[0]), 0, width=WIDTH)
    return made, make_objective(name, WIDTH, 0, mask_at=place)


def draws_decide(name: str, place: str) -> None:
    """Breaks when randomness comes from elsewhere."""
    encoder, objective = pair(name, place)
    batch = collate(graphs())
    one, other = objective.loss(encoder, batch, Draws(1, 0))[0], objective.loss(encoder, batch, Draws(1, 0))[0]
    assert torch.equal(one, other)
    assert not torch.equal(one, objective.loss(encoder, batch, Draws(1, 1))[0])
    assert not torch.equal(one, objective.loss(encoder, batch, Draws(2, 0))[0])


def batch_is_mean_of_singles(name: str, place: str) -> None:
    """Breaks when a graph's mask or weight depends on its neighbours in the batch."""
    encoder, objective = pair(name, place)
    together = objective.loss(encoder, collate(graphs()), Draws(3, 5))[0]
    alone = torch.stack([objective.loss(encoder, collate([graph]), Draws(3, 5))[0] for graph in graphs()])
    torch.testing.assert_close(together, alone.mean(), rtol=1e-5, atol=1e-5)


def graph_without_maskable_nodes(name: str, place: str) -> None:
    """Breaks when an empty term is divided by zero or counted."""
    builder = CircuitBuilder("wire")
    builder.output("y", builder.input("a"))
    wire = to_data(logic_view(builder.build()))
    encoder, objective = pair(name, place)
    loss, metrics = objective.loss(encoder, collate([wire]), Draws(0))
    assert float(loss.detach()) == 0.0
    loss.backward()
    with_wire = objective.loss(encoder, collate([graphs()[0], wire]), Draws(0))[0]
    torch.testing.assert_close(with_wire, objective.loss(encoder, collate([graphs()[0]]), Draws(0))[0])


def overfits_one_graph(name: str, place: str) -> None:
    """Breaks when the loss cannot be lowered."""
    encoder, objective = pair(name, place)
    batch = collate([graphs()[1]])
    parameters = [*encoder.parameters(), *objective.parameters()]
    optimiser = torch.optim.Adam(parameters, 1e-2)
    first = float(objective.loss(encoder, batch, Draws(0))[0].detach())
    for _ in range(60):
        loss, metrics = objective.loss(encoder, batch, Draws(0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.2 * first
    assert metrics["accuracy"] == 1.0


def masked_part_does_not_leak(name: str, place: str) -> None:
    """Breaks when anything of a masked cell reaches its own prediction: kind, features, features of its arcs."""
    encoder, objective = pair(name, place)
    data = collate([graphs()[1]])
    masked = torch.zeros(int(data.num_units), dtype=torch.bool)
    masked[4] = True
    row = int((data.unit == 4).nonzero()[0])
    assert bool(data.maskable[row])
    other = collate([graphs()[1]])
    other.node_kind, other.x, other.edge_attr = other.node_kind.clone(), other.x.clone(), other.edge_attr.clone()
    other.node_kind[row] = (int(other.node_kind[row]) + 3) % 50
    other.x[row] += 1.0
    other.edge_attr[other.edge_index[1] == row] += 1.0
    one, changed = objective.predict(encoder, data, masked), objective.predict(encoder, other, masked)
    assert torch.equal(one[0], changed[0])
    assert torch.equal(one[1], changed[1])


def metrics_are_floats(name: str, place: str) -> None:
    """Breaks when a tensor with its graph is logged."""
    encoder, objective = pair(name, place)
    _, metrics = objective.loss(encoder, collate(graphs()), Draws(0))
    assert metrics
    assert all(type(value) is float for value in metrics.values())


def gradient_reaches_encoder(name: str, place: str) -> None:
    """Breaks when the encoder is detached."""
    encoder, objective = pair(name, place)
    objective.loss(encoder, collate(graphs()), Draws(0))[0].backward()
    assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in encoder.parameters())
    grouped = {id(p) for group in objective.parameter_groups() for p in group["params"]}
    assert grouped == {id(p) for p in objective.parameters()}


CHECKS = [
    draws_decide,
    batch_is_mean_of_singles,
    graph_without_maskable_nodes,
    overfits_one_graph,
    masked_part_does_not_leak,
    metrics_are_floats,
    gradient_reaches_encoder,
]


@pytest.mark.parametrize(("name", "place"), SUBJECTS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_objective(name: str, place: str, check: Callable[[str, str], None]) -> None:
    if check.__name__ not in pair(name, place)[1].expected_failures:
        check(name, place)
        return
    with pytest.raises(AssertionError):
        check(name, place)


class _Mixing(nn.Module):
    """An encoder whose stem looks at the neighbours: the planted leak."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.schema, self.width = inner, inner.schema, inner.width

    def stem(self, data: CircuitData) -> torch.Tensor:
        own = self.inner.stem(data)
        return own + torch.zeros_like(own).index_add(0, data.edge_index[0], own.index_select(0, data.edge_index[1]))

    def propagate(self, hidden: torch.Tensor, data: CircuitData) -> Any:
        return self.inner.propagate(hidden, data)


def test_a_planted_leak_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from encoders.objectives import masked_gates

    monkeypatch.setattr(masked_gates, "hide", lambda data, rows: data)
    with pytest.raises(AssertionError):
        masked_part_does_not_leak("masked_gates", "stem")
    encoder = _Mixing(pair("masked_gates", "stem")[0])
    monkeypatch.setitem(globals(), "pair", lambda *_: (encoder, make_objective("masked_gates", WIDTH, 0)))
    with pytest.raises(AssertionError):
        masked_part_does_not_leak("masked_gates", "stem")


def test_a_mask_does_not_depend_on_the_batch_and_has_the_promised_size() -> None:
    objective = make_objective("masked_gates", WIDTH, 0, rate=0.3)
    batch = collate(graphs())
    together = objective.choose(batch, Draws(0, 1))
    alone = torch.cat([objective.choose(collate([graph]), Draws(0, 1)) for graph in graphs()])
    assert torch.equal(together, alone)
    counts = [int(graph.num_units) for graph in graphs()]
    assert int(together.sum()) == sum(int(np.ceil(0.3 * count)) for count in counts)
    assert graph_of(batch).shape[0] == batch.num_nodes
