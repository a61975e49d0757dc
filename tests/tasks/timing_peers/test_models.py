"""The three published systems as Models: labels stay outside, blocks and order change nothing, runs come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from circuitgraph.analysis.sta_output import connected_places, place_names
from circuitgraph.errors import CircuitError
from encoders.checkpoint import load, save
from encoders.run import Run
from tasks.task import Example, Prediction
from tasks.timing.inputs import TimingInputs
from tasks.timing.outputs import write_tables
from tasks.timing.peers.batch import batch_of
from tasks.timing.peers.fitting import propagated
from tasks.timing.peers.gcnii import GCNII
from tasks.timing.peers.order_partition import carried_pieces, whole
from tasks.timing.peers.pin_graph import pin_graph, pin_labels
from tasks.timing.peers.preroutgnn import PreRoutGNN, scaled
from tasks.timing.peers.timing_gcn import TimingGCN
from tasks.timing.peers.training import drawn
from tests.tasks.timing_peers.placed import example, fresh, moved

Make = Callable[[], Any]
MODELS: dict[str, Make] = {"TimingGCN": TimingGCN, "PreRoutGNN": PreRoutGNN, "GCNII": lambda: GCNII(layers=4)}
LEVELLED = ("TimingGCN", "PreRoutGNN")
SHORT = {"steps": 4, "check_every": 2, "graphs": 1, "pretrain_steps": 2}
BLOCKS = {"blocks": "carried", "block_nodes": 150}
COLUMNS = ("arrival", "slew", "setup_slack", "hold_slack")
every = pytest.mark.parametrize("name", MODELS)


def short(name: str) -> dict[str, Any]:
    """The recipe of a training of seconds: in blocks where the model can be trained so."""
    return SHORT | BLOCKS if name in LEVELLED else SHORT


def fitted(name: str, recipe: dict[str, Any] | None = None, run: Any = None) -> Any:
    model = MODELS[name]()
    model.fit([example("arbiter_8")], [example("crc_parallel_32")], short(name) | (recipe or {}), run)
    return model


def assert_same(found: Prediction, wanted: Prediction, tolerance: float = 0.0) -> None:
    for column in COLUMNS:
        scale = float(np.nanmax(np.abs(wanted[column])))
        np.testing.assert_array_equal(np.isnan(found[column]), np.isnan(wanted[column]))
        np.testing.assert_allclose(found[column], wanted[column], rtol=tolerance, atol=tolerance * scale)


def by_name(inputs: TimingInputs, prediction: Prediction) -> dict[str, np.ndarray]:
    names = place_names(inputs.circuit)
    table = np.concatenate([prediction[column].reshape(len(names), -1) for column in COLUMNS], axis=1)
    return {names[row]: table[row] for row in connected_places(inputs.circuit).tolist()}


@every
def test_shapes_and_what_has_no_timing(name: str, tmp_path: Path) -> None:
    one = example("barrel_shift_32")
    prediction = MODELS[name]().predict(one.inputs)
    places = one.inputs.prepared.num_places
    truth = one.labels.truth(one.inputs)
    for column, width in (("arrival", 4), ("slew", 4)):
        assert prediction[column].shape == (places, width)
        np.testing.assert_array_equal(np.isnan(prediction[column]), np.isnan(getattr(truth, column)))
    for column in ("setup_slack", "hold_slack"):
        assert prediction[column].shape == (places,)
        np.testing.assert_array_equal(np.isnan(prediction[column]), np.isnan(getattr(truth, column)))
    assert {path.name for path in write_tables(prediction.about["timing"], tmp_path)} == {
        "pins.csv",
        "endpoints.csv",
        "required.csv",
    }


@every
def test_starts_have_what_the_constraints_say(name: str) -> None:
    one = example()
    graph, prediction = pin_graph(one.inputs), MODELS[name]().predict(one.inputs)
    place = one.inputs.prepared.nodes.place[graph.node]
    chosen = graph.is_start & graph.has_arrival.all(axis=1)
    assert chosen.any()
    np.testing.assert_allclose(prediction["arrival"][place][chosen] * 1e9, graph.start[chosen, :4], rtol=1e-6)


@every
def test_labels_are_not_read(name: str) -> None:
    """Planted: labels of NaN, a design without any, and one whose labels were computed before."""
    model, one = MODELS[name](), fresh()
    wanted = model.predict(one.inputs)
    planted = fresh()
    nothing = np.full_like(planted.labels.capacitance, np.nan)
    planted = replace(planted, labels=replace(planted.labels, capacitance=nothing, resistance=nothing, resolved=None))
    assert_same(model.predict(planted.inputs), wanted)
    pin_labels(one)
    one.labels.truth(one.inputs)
    assert_same(model.predict(one.inputs), wanted)


@every
def test_order_of_cells_and_nets_is_no_matter(name: str) -> None:
    model, one = MODELS[name](), example()
    inputs = moved("arbiter_8", 3)
    wanted, found = by_name(one.inputs, model.predict(one.inputs)), by_name(inputs, model.predict(inputs))
    assert found.keys() == wanted.keys()
    for pin, row in wanted.items():
        np.testing.assert_allclose(found[pin], row, rtol=1e-4, atol=1e-13, err_msg=pin)


@pytest.mark.parametrize("name", LEVELLED)
@pytest.mark.parametrize("size", [100, 333])
def test_block_by_block_is_the_whole(name: str, size: int) -> None:
    """Breaks when a block misses an edge, a net or a state of an earlier block."""
    model = MODELS[name]()
    graph = pin_graph(example().inputs)
    graph = model.module.with_latents(scaled(graph)) if name == "PreRoutGNN" else graph
    wanted = propagated(model.module, graph)
    assert len(carried_pieces(graph, size)) > 1
    torch.testing.assert_close(propagated(model.module, graph, size), wanted, rtol=1e-5, atol=1e-5)
    one = model.predict(example().inputs)
    model.block_nodes = size
    assert_same(model.predict(example().inputs), one, 1e-5)


@pytest.mark.parametrize("name", LEVELLED)
def test_gradients_of_blocks_add_up_to_those_of_the_whole(name: str) -> None:
    """Under true states a block computes again what it reads, so nothing of a gradient stops at its border."""
    module, one = MODELS[name]().module, example()
    graph, labels = pin_graph(one.inputs), pin_labels(one)
    graph = scaled(graph) if name == "PreRoutGNN" else graph

    def gradients(pieces: list[Any]) -> list[torch.Tensor]:
        module.zero_grad()
        for piece in pieces:
            batch = batch_of([(graph, piece)], [labels])
            found = module(module.features([(graph, piece)], batch), batch, batch.known)
            wrong = (found.state - batch.known) ** 2 * batch.counted[:, None]
            delays = (found.net_delay**2 * batch.counted[:, None]).sum() + (found.cell_delay**2).sum()
            ((wrong.sum() + delays) / len(graph)).backward()
        return [torch.zeros(1) if w.grad is None else w.grad.clone() for w in module.parameters()]

    wanted = gradients([whole(graph)])
    assert max(float(value.abs().max()) for value in wanted) > 1e-3
    for found, value in zip(gradients(carried_pieces(graph, 150)), wanted, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-3, atol=1e-4 * max(1.0, float(value.abs().max())))


@every
def test_over_fitting_lowers_the_loss(name: str) -> None:
    model = MODELS[name]()
    recipe = {"steps": 16, "check_every": 4, "graphs": 1, "pretrain_steps": 8, "learning_rate": 4e-3}
    model.fit([example("barrel_shift_32")], [], recipe, None)
    states = [row["state"] for row in model.rows if "state" in row]
    assert states[-1] < 0.8 * states[0]
    rebuilt = [row["rebuilt"] for row in model.rows if "rebuilt" in row]
    assert not rebuilt or rebuilt[-1] < rebuilt[0]


@every
def test_a_checkpoint_comes_back(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    tensors, about = model.state()
    save(tmp_path / "model", tensors, about)
    again = type(model).from_state(*load(tmp_path / "model"))
    assert_same(again.predict(example().inputs), model.predict(example().inputs))


@every
def test_a_foreign_checkpoint_is_refused(name: str) -> None:
    model = MODELS[name]()
    tensors, about = model.state()
    kind = type(model)
    for wrong in ({"model": "another"}, {"seed": "x"}, {"config": {"depth": 3}}, {"config": 3}):
        with pytest.raises(CircuitError):
            kind.from_state(tensors, {**about, **wrong})
    for key in ("model", "seed", "config"):
        with pytest.raises(CircuitError):
            kind.from_state(tensors, {k: v for k, v in about.items() if k != key})
    first = next(iter(tensors))
    with pytest.raises(CircuitError):
        kind.from_state({k: v for k, v in tensors.items() if k != first}, about)
    with pytest.raises(CircuitError):
        kind.from_state(tensors | {first: torch.zeros(3, 1, 2)}, about)
    with pytest.raises(CircuitError):
        kind.from_state(tensors | {"other": torch.zeros(1)}, about)
    json.dumps(about)


@every
def test_the_seed_fixes_everything(name: str) -> None:
    wanted = fitted(name).predict(example().inputs)
    assert_same(fitted(name).predict(example().inputs), wanted)
    other = fitted(name, {"seed": 1}).predict(example().inputs)
    assert np.nanmax(np.abs(other["arrival"] - wanted["arrival"])) > 0


def test_what_a_step_takes_follows_from_seed_and_step() -> None:
    parts = list(range(20))
    assert drawn(parts, 5, 1, 7) == drawn(parts, 5, 1, 7)
    assert len({tuple(drawn(parts, 5, seed, step)) for seed in range(3) for step in range(3)}) == 9
    assert all(len(set(drawn(parts, 5, 0, step))) == 5 for step in range(20))
    assert drawn(parts, 0, 1, 7) == drawn(parts, 99, 1, 7) == parts


class Killed(Exception):
    """Stands for the end of a process."""


@every
def test_a_killed_run_goes_on_to_the_same_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.timing.peers import training

    wanted = fitted(name).state()[0]
    train, step_of = training.squared_errors, {"left": 3}

    def until_killed(*arguments: Any) -> Any:
        step_of["left"] -= 1
        if step_of["left"] < 0:
            raise Killed
        return train(*arguments)

    monkeypatch.setattr("tasks.timing.peers.fitting.squared_errors", until_killed)
    with pytest.raises(Killed):
        fitted(name, None, Run(tmp_path))
    monkeypatch.undo()
    assert list((tmp_path / "checkpoints").glob("*.safetensors"))
    again = fitted(name, None, Run(tmp_path))
    assert [row["step"] for row in again.rows if "state" in row] == [2, 4]
    assert (tmp_path / "metrics.csv").is_file()
    found = again.state()[0]
    for key, value in wanted.items():
        assert torch.equal(found[key], value), key


@pytest.mark.parametrize("blocks", ["theirs", "carried"])
@pytest.mark.parametrize("name", LEVELLED)
def test_it_learns_in_blocks(name: str, blocks: str) -> None:
    recipe = {"blocks": blocks, "graphs": 2, "steps": 12, "check_every": 4, "finetune": blocks == "theirs"}
    model = fitted(name, {**recipe, "learning_rate": 2e-3})
    states = [row["state"] for row in model.rows if "state" in row]
    assert states[-1] < states[0]


def test_the_best_weights_on_validation_are_kept() -> None:
    model = fitted("TimingGCN", {"steps": 12, "check_every": 2, "learning_rate": 1e-2})
    one = example("crc_parallel_32")
    graph, labels = pin_graph(one.inputs), pin_labels(one)
    wrong = (propagated(model.module, graph).numpy() - labels.state)[labels.has_state] ** 2
    assert float(wrong.mean()) == pytest.approx(min(row["validation"] for row in model.rows), rel=1e-3)


def test_a_time_limit_ends_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr("tasks.timing.peers.training.time.process_time", lambda: float(next(clock)))
    model = fitted("GCNII", {"steps": 100, "seconds": 7})
    assert model.rows[-1]["step"] < 20


@every
def test_what_is_refused(name: str) -> None:
    model, one = MODELS[name](), example()
    other = example("crc_parallel_32")
    with pytest.raises(CircuitError, match="is empty"):
        model.fit([], [], SHORT, None)
    with pytest.raises(CircuitError, match="on one side"):
        model.fit([one], [replace(other, family=one.family)], SHORT, None)
    for wrong in ({"step": 3}, {"steps": "3"}, {"steps": True}, {"steps": -1}, {"blocks": "ours"}, {"check_every": 0}):
        with pytest.raises(CircuitError):
            model.fit([one], [other], SHORT | wrong, None)
    with pytest.raises(CircuitError, match="no placement"):
        model.predict(replace(fresh().inputs, layout=None))
    with pytest.raises(CircuitError, match="no parasitics"):
        model.fit([Example(one.inputs, None, "f", "bare")], [], SHORT, None)


def test_gcnii_takes_no_blocks_and_2_to_60_layers() -> None:
    with pytest.raises(CircuitError, match="both sides"):
        fitted("GCNII", BLOCKS)
    for layers in (1, 61):
        with pytest.raises(CircuitError, match="2 to 60"):
            GCNII(layers=layers)
