"""Every objective runs through every check: at both places of masking, in both scopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.draws import Draws
from circuitgraph.pyg import CircuitData, collate, to_data, with_twins
from circuitgraph.views import logic_view
from encoders.encoder import Embedding, Schema, make_encoder
from encoders.objectives import OBJECTIVES, make_objective
from tests.subjects import full_adder, permuted, random_aig, random_circuit

WIDTH = 16
CONFIGS: dict[str, list[dict[str, Any]]] = {
    "masked_gates": [{"mask_at": "stem"}, {"mask_at": "latent"}],
    "rewritten_views": [{"contrast": "gates"}, {"contrast": "circuits"}],
}
"""Configurations that run through the suite, beside the default of an objective that is not named."""
SUBJECTS = [(name, config) for name in OBJECTIVES for config in CONFIGS.get(name, [{}])]
Config = dict[str, Any]
Items = list[CircuitData | tuple[CircuitData, ...]]


def items(name: str, config: Config) -> Items:
    """What the objective is trained on: graphs, or pairs of graphs."""
    needs = make_objective(name, WIDTH, 0, **config).needs
    if "rewrites" in needs:
        pairs: Items = [pair_of(random_aig(seed, ands=30 + 10 * seed)) for seed in (1, 2, 3)]
        for graph in (graph for item in pairs if "cut_class" in needs for graph in item):
            graph.cut_class = torch.where(graph.maskable, graph.unit % 222, torch.full_like(graph.unit, -1))
        return pairs
    circuits = (full_adder(), random_circuit(1), random_circuit(2, gates=60))
    if "cut_class" not in needs:
        return [to_data(logic_view(circuit)) for circuit in circuits]
    found: Items = []
    for seed, circuit in enumerate((*circuits[:2], random_aig(4))):
        data = to_data(logic_view(circuit))
        rng = np.random.default_rng(seed)
        is_and = np.array([circuit.types[row].name == "AND2" for row in circuit.cell_type])
        classes = np.full(data.num_nodes, -1)
        classes[data.maskable.numpy()] = np.where(is_and, rng.integers(0, 222, len(is_and)), -1)
        data.cut_class = torch.from_numpy(classes)
        found.append(data)
    return found


def pair_of(circuit: Circuit) -> tuple[CircuitData, CircuitData]:
    """The circuit, and the same with cells and nets in another order; each cell and its image are twins."""
    other = permuted(circuit, 3)
    one, two = logic_view(circuit), logic_view(other)
    place = {other.cell_names.text(int(cell)): node for node, cell in enumerate(two.cell) if cell >= 0}
    nodes = np.flatnonzero(one.cell >= 0)
    twin = np.array([[node, place[circuit.cell_names.text(int(one.cell[node]))]] for node in nodes]).T
    values = np.random.default_rng(0).integers(0, 2**63, (len(nodes), 4))
    return with_twins(to_data(one), to_data(two), twin, np.zeros(len(nodes)), values)


def batch_of(chosen: Items) -> CircuitData:
    return collate([graph for item in chosen for graph in (item if isinstance(item, tuple) else (item,))])


def pair(name: str, config: Config) -> tuple[Any, Any]:
    schema = Schema.of(batch_of(items(name, config)))
    objective = make_objective(name, WIDTH, 0, **config)
    made = make_encoder(getattr(objective, "encoders", ("residual",))[0], schema, 0, width=WIDTH)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        objective.bind(made)
    return made, objective


def draws_decide(name: str, config: Config) -> None:
    """Breaks when randomness comes from elsewhere."""
    encoder, objective = pair(name, config)
    batch = batch_of(items(name, config))
    one, other = objective.loss(encoder, batch, Draws(1, 0))[0], objective.loss(encoder, batch, Draws(1, 0))[0]
    assert torch.equal(one, other)
    objective.anchors = 5
    one = objective.loss(encoder, batch, Draws(1, 0))[0]
    assert not torch.equal(one, objective.loss(encoder, batch, Draws(1, 1))[0])
    assert not torch.equal(one, objective.loss(encoder, batch, Draws(2, 0))[0])


def batch_is_mean_of_singles(name: str, config: Config) -> None:
    """Breaks when a graph's mask or weight depends on its neighbours in the batch (scope graph), or when the order
    of a batch matters (scope batch)."""
    encoder, objective = pair(name, config)
    chosen = items(name, config)
    together, metrics = objective.loss(encoder, batch_of(chosen), Draws(3, 5))
    if objective.scope == "batch":
        other = objective.loss(encoder, batch_of(chosen[::-1]), Draws(3, 5))[0]
        torch.testing.assert_close(together, other, rtol=1e-5, atol=1e-5)
        return
    alone = [objective.loss(encoder, batch_of([item]), Draws(3, 5)) for item in chosen]
    torch.testing.assert_close(together, torch.stack([loss for loss, _ in alone]).mean(), rtol=1e-5, atol=1e-5)
    assert metrics["graphs"] == sum(own["graphs"] for _, own in alone)


def graph_without_terms(name: str, config: Config) -> None:
    """Breaks when an empty term is divided by zero or counted."""
    builder = CircuitBuilder("empty")
    encoder, objective = pair(name, config)
    if objective.scope == "batch" or name == "graph_autoencoder":
        empty: Any = to_data(logic_view(builder.build()))
    else:
        builder.output("y", builder.input("a"))
        empty = to_data(logic_view(builder.build()))
    if "cut_class" in objective.needs:
        empty.cut_class = torch.full((empty.num_nodes,), -1)
    if "rewrites" in objective.needs:
        empty = with_twins(empty, empty, np.zeros((2, 0)), np.zeros(0), np.zeros((0, 4), np.int64))
    loss, _ = objective.loss(encoder, batch_of([empty]), Draws(0))
    assert float(loss.detach()) == 0.0
    loss.backward()
    if objective.scope == "graph":
        first = items(name, config)[0]
        with_empty = objective.loss(encoder, batch_of([first, empty]), Draws(0))[0]
        torch.testing.assert_close(with_empty, objective.loss(encoder, batch_of([first]), Draws(0))[0])


def the_loss_falls(name: str, config: Config) -> None:
    """Breaks when the loss cannot be lowered: to a fifth, a contrast to half (some gates of a circuit look alike)."""
    encoder, objective = pair(name, config)
    chosen = items(name, config)
    batch = batch_of(chosen if objective.scope == "batch" else chosen[1:2])
    parameters = [*encoder.parameters(), *(p for p in objective.parameters() if p.requires_grad)]
    optimiser = torch.optim.Adam(parameters, 1e-2)
    first = float(objective.loss(encoder, batch, Draws(0))[0].detach())
    for _ in range(120):
        loss, metrics = objective.loss(encoder, batch, Draws(0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < (0.5 if "rewrites" in objective.needs else 0.2) * first
    if hasattr(objective, "token"):
        assert metrics["accuracy"] > 0.9


def answer_does_not_leak(name: str, config: Config) -> None:
    """Breaks when the answer reaches the prediction beside the encoder.

    Masked objectives: when anything of a masked cell (kind, features, features of its arcs) does. Others: when a
    prediction on top of constant states knows one node from another.
    """
    encoder, objective = pair(name, config)
    one, other = batch_of(items(name, config)[1:2]), batch_of(items(name, config)[1:2])
    masked = torch.zeros(int(one.num_units.sum()), dtype=torch.bool)
    masked[4] = True
    row = int(((one.unit == 4) & one.maskable).nonzero()[0])
    other.node_kind, other.x, other.edge_attr = other.node_kind.clone(), other.x.clone(), other.edge_attr.clone()
    other.node_kind[row] = (int(other.node_kind[row]) + 3) % 50
    other.x[row] += 1.0
    if hasattr(objective, "token") or name == "mgvga":
        other.edge_attr[other.edge_index[1] == row] += 1.0
        if "cut_class" in objective.needs:
            other.cut_class = other.cut_class.clone()
            other.cut_class[row] = 7
    else:
        encoder = _Constant(encoder)
    answers, changed = objective.predict(encoder, one, masked), objective.predict(encoder, other, masked)
    for before, after in zip(answers, changed, strict=True):
        if isinstance(before, torch.Tensor):
            assert torch.equal(before, after)
    if name == "rewritten_views":
        assert bool((answers[0] == answers[0][0]).all())


def metrics_are_floats(name: str, config: Config) -> None:
    """Breaks when a tensor with its graph is logged."""
    encoder, objective = pair(name, config)
    _, metrics = objective.loss(encoder, batch_of(items(name, config)), Draws(0))
    assert len(metrics) > 1
    assert all(type(value) is float for value in metrics.values())


def gradient_reaches_encoder(name: str, config: Config) -> None:
    """Breaks when the encoder is detached, or a target encoder is trained."""
    encoder, objective = pair(name, config)
    objective.loss(encoder, batch_of(items(name, config)), Draws(0))[0].backward()
    assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in encoder.parameters())
    grouped = {id(p) for group in objective.parameter_groups() for p in group["params"]}
    assert grouped == {id(p) for p in objective.parameters() if p.requires_grad}
    assert not grouped & {id(p) for p in encoder.parameters()}


def every_batch_trains_the_same_weights(name: str, config: Config) -> None:
    """Breaks when a target encoder does not follow, or follows by more than its share."""
    encoder, objective = pair(name, config)
    if getattr(objective, "target", None) is None:
        return
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(1.0)
    before = [p.clone() for p in objective.target.copy.parameters()]
    objective.after_step(1)
    for old, new, online in zip(before, objective.target.copy.parameters(), encoder.parameters(), strict=True):
        torch.testing.assert_close(new, old + (1 - objective.decay) * (online - old))


CHECKS = [
    draws_decide,
    batch_is_mean_of_singles,
    graph_without_terms,
    the_loss_falls,
    answer_does_not_leak,
    metrics_are_floats,
    gradient_reaches_encoder,
    every_batch_trains_the_same_weights,
]


@pytest.mark.parametrize(("name", "config"), SUBJECTS, ids=lambda value: str(value).replace("'", ""))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_objective(name: str, config: Config, check: Callable[[str, Config], None]) -> None:
    if check.__name__ not in pair(name, config)[1].expected_failures:
        check(name, config)
        return
    with pytest.raises(AssertionError):
        check(name, config)


class _Constant(nn.Module):
    """An encoder that gives every node and graph the same state."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.schema, self.width = inner.schema, inner.width

    def forward(self, data: CircuitData) -> Embedding:
        graphs = int(data.graph_id.numel())
        return Embedding(torch.ones(data.num_nodes, self.width), torch.ones(graphs, self.width))


@pytest.mark.parametrize("name", ["masked_gates", "masked_function", "context_autoencoder", "rewritten_and_masked"])
def test_a_planted_leak_of_the_masked_part_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from encoders.objectives import masking

    monkeypatch.setattr(masking, "hide", lambda data, rows: data)
    with pytest.raises(AssertionError):
        answer_does_not_leak(name, {})


def test_a_planted_leak_of_the_autoencoder_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from encoders.objectives import graph_autoencoder

    honest = graph_autoencoder._both_ways

    def leaking(data: CircuitData, dtype: torch.dtype) -> Any:
        source, target, features = honest(data, dtype)
        return source, target, features + data.x[target].sum(1, keepdim=True)

    monkeypatch.setattr(graph_autoencoder, "_both_ways", leaking)
    with pytest.raises(AssertionError):
        answer_does_not_leak("graph_autoencoder", {})


def test_a_planted_leak_of_the_contrast_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from encoders.objectives.rewritten_views import RewrittenViews

    def leaking(self: Any, nodes: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
        return nodes + torch.arange(len(nodes))[:, None]

    monkeypatch.setattr(RewrittenViews, "project", leaking)
    with pytest.raises(AssertionError):
        answer_does_not_leak("rewritten_views", {})
    monkeypatch.setattr(RewrittenViews, "project_graphs", lambda self, graphs: leaking(self, graphs, graphs))
    with pytest.raises(AssertionError):
        answer_does_not_leak("rewritten_views", {"contrast": "circuits"})


def test_a_process_without_a_share_adds_nothing_to_the_contrast(monkeypatch: pytest.MonkeyPatch) -> None:
    """It computes a circuit of another process along; gathered twice, that circuit would be its own negative."""
    from encoders.objectives import rewritten_views

    encoder, objective = pair("rewritten_views", {"contrast": "circuits"})
    chosen = items("rewritten_views", {"contrast": "circuits"})
    whole = objective.loss(encoder, batch_of(chosen), Draws(0))[0]
    parts: list[torch.Tensor] = []
    monkeypatch.setattr(rewritten_views, "gathered", lambda rows: parts.append(rows) or rows)
    objective.loss(encoder, batch_of(chosen), Draws(0))
    others = iter(list(parts))
    monkeypatch.setattr(rewritten_views, "gathered", lambda rows: torch.cat([next(others), rows]))
    idle = batch_of(chosen[:1])
    idle.__dict__["is_idle"] = True
    torch.testing.assert_close(objective.loss(encoder, idle, Draws(0))[0], whole)


def test_binding_again_makes_the_decoder_anew() -> None:
    encoder, objective = pair("graph_autoencoder", {})
    before = len(list(objective.parameters()))
    objective.bind(encoder)
    assert len(list(objective.parameters())) == before


def test_negatives_that_compute_the_same_do_not_count() -> None:
    from encoders.objectives.rewritten_views import FLOOR, negative_weights

    values = np.array([[0b1010, 7], [0b1010, 7], [~0b1010, ~7], [0, -1]], np.int64)
    weight = negative_weights(values)
    assert weight[0, 1] == weight[0, 2] == FLOOR
    ones = 0b1010.bit_count() + 64 - (7).bit_count()
    assert weight[0, 3] == pytest.approx(1 - abs(1 - 2 * ones / 128))
    assert (np.diag(weight) == 1).all()


def test_a_mask_does_not_depend_on_the_batch_and_has_the_promised_size() -> None:
    objective = make_objective("masked_gates", WIDTH, 0, rate=0.3)
    graphs: Any = items("masked_gates", {})
    batch = collate(graphs)
    together = objective.choose(batch, Draws(0, 1))
    alone = torch.cat([objective.choose(collate([graph]), Draws(0, 1)) for graph in graphs])
    assert torch.equal(together, alone)
    counts = [int(graph.num_units) for graph in graphs]
    assert int(together.sum()) == sum(int(np.ceil(0.3 * count)) for count in counts)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here: run the suite where there is one")
@pytest.mark.parametrize(("name", "config"), SUBJECTS, ids=lambda value: str(value).replace("'", ""))
def test_cuda_equals_cpu(name: str, config: Config) -> None:
    """The loss on a device is the loss on the CPU: the same draws, the same masks."""
    found = []
    for device in ("cpu", "cuda"):
        encoder, objective = pair(name, config)
        batch = batch_of(items(name, config)).to(device)
        found.append(float(objective.to(device).loss(encoder.to(device), batch, Draws(4))[0].detach()))
    assert found[1] == pytest.approx(found[0], rel=1e-4)
