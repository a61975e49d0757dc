"""Every model of the timing task runs through every check: labels stay outside, states come back, order is free."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from circuitgraph.analysis.sta_output import PIN_COLUMNS, connected_places, nanoseconds, place_names
from circuitgraph.analysis.sta_prepare import prepare
from circuitgraph.errors import CircuitError
from circuitgraph.formats import read
from circuitgraph.formats.lef import read_lef
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.pyg import to_data
from encoders.checkpoint import load_encoder, save_encoder
from encoders.encoder import Schema, make_encoder
from encoders.run import Run
from tasks.task import Example, Prediction
from tasks.timing.baselines import FanOut, ZeroWires
from tasks.timing.inputs import TimingInputs, TimingLabels, read_example
from tasks.timing.learned import LearnedWires, load_learned
from tasks.timing.placed_rows import SteinerTrees
from tasks.timing.table import learned_scores, measure, reference, shuffled, summary
from tasks.timing.task import Timing
from tests.subjects import permuted

DATA = Path(__file__).resolve().parents[2] / "data"
TRAIN = {"barrel_shift_32": "shifter", "arbiter_8": "control"}
TEST = {"spi_master_16": "peripheral", "crc_parallel_32": "crc", "div_array_12": "divider"}
SETTINGS = {"epochs": 12, "learning_rate": 1e-2, "max_nodes": 600, "save_every": 3}
PEER = {"steps": 4, "learning_rate": 1e-3, "threads": 1, "graphs": 1, "check_every": 4, "pretrain_steps": 2}
PEERS = ("TimingGCN", "PreRoutGNN", "GCNII")
PLACED = (
    *("MST, nominal R and C of the LEF", "MST, calibrated", "Steiner, calibrated", "gradient boosting per net"),
    "learned wires over placement",
)
MODELS = ("zero wire", "library wire load", "fan-out", "learned wires", *PLACED, *PEERS)
UNKEPT = ("gradient boosting per net",)
"""Models that no checkpoint holds: they refuse, and say so."""
Make = Callable[[], Any]


@cache
def library() -> Any:
    return read(DATA / "library" / "cgl_typ.lib")


@cache
def example(name: str) -> Example:
    """A placed design of the shipped corpus."""
    stem = DATA / "timing" / name / name
    files = {"netlist": f"{stem}.v", "sdc": f"{stem}.sdc", "spef": f"{stem}.spef.xz", "def": f"{stem}.def.xz"}
    return read_example(files, library(), (TRAIN | TEST)[name], technology=technology())


@cache
def technology() -> Any:
    return read_lef(DATA / "library" / "cgl.lef")


def train() -> list[Example]:
    return [example(name) for name in TRAIN]


def subject() -> Example:
    return example("spi_master_16")


@cache
def encoder(seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """A small encoder of the timing view with random weights, and what its checkpoint would say."""
    schema = Schema.of(to_data(subject().inputs.view))
    made = make_encoder("residual", schema, seed, width=8, layers=2).eval()
    return made, {"encoder": "residual", "config": made.config(), "schema": schema.to_json()}


def maker(name: str) -> Make:
    task = Timing()
    if name == "learned wires":
        return lambda: task.models()[name](*encoder())
    return (task.models() | task.baselines())[name]


def fitted(make: Make, examples: list[Example] | None = None) -> Any:
    model = make()
    settings = PEER if model.name in PEERS else SETTINGS
    model.fit(train() if examples is None else examples, [], settings, None)
    return model


def assert_equal(found: Prediction, wanted: Prediction) -> None:
    """Bit for bit."""
    assert found.arrays.keys() == wanted.arrays.keys()
    for name, array in wanted.arrays.items():
        np.testing.assert_array_equal(found[name], array.values, err_msg=name)


def noisy(one: Example, seed: int = 0) -> Example:
    """The same design with labels of pure noise; inputs are the very same object."""
    rng = np.random.default_rng(seed)
    nets = one.inputs.circuit.num_nets
    wires = one.labels.wires
    capacitance, resistance = (np.exp(rng.normal(-34, 2, nets)), np.exp(rng.normal(5, 2, nets)))
    other = replace(wires, capacitance=capacitance, resistance=resistance, elmore=rng.random(wires.elmore.shape) * 1e-9)
    return replace(one, labels=TimingLabels(capacitance, resistance, other))


def fresh(one: Example) -> Example:
    """The same design with nothing computed yet."""
    return replace(one, inputs=replace(one.inputs, view_cache={}))


def prediction_independent_of_labels(make: Make, folder: Path) -> None:
    """Breaks when anything of the labels lies on the inputs, also after the design was measured."""
    model, one = fitted(make), fresh(subject())
    wanted = model.predict(one.inputs)
    for labelled in (noisy(one), one):
        measure(labelled, model.predict(labelled.inputs))
        assert_equal(model.predict(labelled.inputs), wanted)


def state_comes_back(make: Make, folder: Path) -> None:
    """Breaks when a checkpoint misses a part of the model."""
    model = fitted(make)
    if model.name in UNKEPT:
        with pytest.raises(CircuitError, match="cannot be kept"):
            model.state()
        return
    tensors, about = model.state()
    again = type(model).from_state({name: t.clone() for name, t in tensors.items()}, json.loads(json.dumps(about)))
    assert_equal(again.predict(subject().inputs), model.predict(subject().inputs))


def foreign_state_is_refused(make: Make, folder: Path) -> None:
    """Breaks when weights of another model are taken, or a fault of a checkpoint is a traceback."""
    model = make()
    if model.name in UNKEPT:
        with pytest.raises(CircuitError, match="cannot hold"):
            type(model).from_state({}, {})
        return
    tensors, about = model.state()
    for key in ("fan_out", "encoder", "config", "schema", "seed"):
        if key in about:
            with pytest.raises(CircuitError):
                type(model).from_state(tensors, {name: value for name, value in about.items() if name != key})
    for name in list(tensors)[:: max(1, len(tensors) // 5)]:
        with pytest.raises(CircuitError):
            type(model).from_state({key: value for key, value in tensors.items() if key != name}, about)
        with pytest.raises(CircuitError):
            type(model).from_state(dict(tensors) | {name: torch.zeros(3, 1, 2)}, about)
    if tensors:
        with pytest.raises(CircuitError):
            type(model).from_state(dict(tensors) | {"head.other": torch.zeros(1)}, about)


def moved_inputs(one: Example, seed: int) -> TimingInputs:
    """The design with cells, nets and ports of types in another order."""
    circuit = permuted(one.inputs.circuit, seed)
    name = one.inputs.name
    constraints = read_sdc(DATA / "timing" / name / f"{name}.sdc", circuit, library())
    placed = read(DATA / "timing" / name / f"{name}.def.xz", format="def", technology=technology())
    layout = placed.resolve(circuit, technology()).layout
    return TimingInputs(name, prepare(circuit, library(), constraints), layout=layout, technology=technology())


def by_name(inputs: TimingInputs, prediction: Prediction) -> dict[str, np.ndarray]:
    """Arrival, slew and slack of every connected pin and terminal."""
    names, columns = place_names(inputs.circuit), ("arrival", "slew", "setup_slack", "hold_slack")
    table = np.concatenate([prediction[c].reshape(len(names), -1) for c in columns], axis=1)
    return {names[row]: table[row] for row in connected_places(inputs.circuit).tolist()}


def permutation(make: Make, folder: Path) -> None:
    """Breaks when the order of cells, nets or a type's ports reaches the result."""
    model, one = fitted(make), subject()
    inputs = moved_inputs(one, 3)
    wanted, found = by_name(one.inputs, model.predict(one.inputs)), by_name(inputs, model.predict(inputs))
    assert found.keys() == wanted.keys()
    learns = model.name in Timing().models() or model.name in UNKEPT
    tolerance = 1e-12 if not learns else 1e-3 if model.name in PEERS else 1e-5
    for name, row in wanted.items():
        np.testing.assert_allclose(found[name], row, rtol=tolerance, atol=tolerance * 1e-9, err_msg=name)


def outputs_round_trip(make: Make, folder: Path) -> None:
    """Breaks when a file shows other numbers or other rows than the arrays."""
    one = subject()
    prediction = fitted(make).predict(one.inputs)
    paths = list(Timing().write(prediction, folder))
    assert [path.name for path in paths] == ["pins.csv", "endpoints.csv", "required.csv"]
    rows = list(csv.reader(paths[0].read_text().splitlines()))
    assert tuple(rows[0]) == PIN_COLUMNS
    wanted = by_name(one.inputs, prediction)
    assert [row[0] for row in rows[1:]] == list(wanted)
    for row in rows[1:]:
        assert row[2:] == [nanoseconds(float(value)) for value in wanted[row[0]]]
        numbers = [float(value) if value else np.nan for value in row[2:]]
        shown = np.where(np.isfinite(wanted[row[0]]), wanted[row[0]], np.nan)
        np.testing.assert_allclose(np.array(numbers) * 1e-9, shown, rtol=1e-5, atol=1e-20)
    slack = prediction["setup_slack"]
    worst = next(row for row in csv.DictReader(paths[1].read_text().splitlines()) if row["check"] == "setup")
    assert worst["slack"] == nanoseconds(float(np.nanmin(slack)))


def fitting_twice_gives_the_same(make: Make, folder: Path) -> None:
    """Breaks when a seed does not fix everything."""
    assert_equal(fitted(make).predict(subject().inputs), fitted(make).predict(subject().inputs))


def shuffled_labels_give_no_skill(make: Make, folder: Path) -> None:
    """Breaks when a score can be had without learning: then the table measures something else.

    Models that read a placement are counted over the tree row with the true constants, the others over the fan-out row.
    """
    if make().name in PEERS:
        pytest.skip("the published models give no wires; their own tests plant labels")
    test = [example(name) for name in TEST]
    placed = make().name in PLACED
    row: Any = SteinerTrees if placed else FanOut
    scores = learned_scores(lambda seed: make(), "subject", [0], shuffled(train(), 1), [], test, SETTINGS)
    scores += learned_scores(lambda seed: row(), "base", [0], train(), [], test, SETTINGS)
    found = next(one for one in summary(scores, "base") if one["row"] == "subject")
    assert not found["log C skill %"] > 1.0


CHECKS = [
    prediction_independent_of_labels,
    state_comes_back,
    foreign_state_is_refused,
    permutation,
    outputs_round_trip,
    fitting_twice_gives_the_same,
    shuffled_labels_give_no_skill,
]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_model(name: str, check: Callable[[Make, Path], None], tmp_path: Path) -> None:
    check(maker(name), tmp_path)


def test_every_model_of_the_task_is_here() -> None:
    task = Timing()
    assert set(MODELS) == set(task.models()) | set(task.baselines())
    for name in MODELS:
        assert maker(name)().name == name


# -- what learned wires promise ----------------------------------------------------------------


@pytest.mark.parametrize("is_fitted", [False, True])
def test_untrained_learned_wires_are_the_fan_out_row_bit_for_bit(is_fitted: bool) -> None:
    row, model = FanOut(), LearnedWires(*encoder())
    if is_fitted:
        row.fit(train(), [], {}, None)
        model.row.fit(train(), [], {}, None)
    inputs = subject().inputs
    wanted, found = row.predict(inputs), model.predict(inputs)
    assert_equal(found, wanted)
    np.testing.assert_array_equal(found.about["wires"].elmore, wanted.about["wires"].elmore)
    np.testing.assert_array_equal(found.about["timing"].endpoints.slack, wanted.about["timing"].endpoints.slack)


def test_other_encoder_weights_change_the_trained_result() -> None:
    one, other = (fitted(lambda seed=seed: LearnedWires(*encoder.__wrapped__(seed))) for seed in (0, 1))
    inputs = subject().inputs
    first = one.predict(inputs)["net_capacitance"]
    assert np.abs(np.log(first) - np.log(other.predict(inputs)["net_capacitance"])).max() > 1e-3
    with torch.no_grad():
        for parameter in one.encoder.parameters():
            parameter.mul_(1.5)
    changed = one.predict(inputs)["net_capacitance"]
    assert np.abs(np.log(first) - np.log(changed)).max() > 1e-4


def test_what_was_computed_for_one_encoder_is_not_given_to_another() -> None:
    """An encoder that is made where a dead one lay has the same id; its context must be its own."""
    one = fresh(subject())
    found = []
    for seed in range(6):
        schema = Schema.of(to_data(subject().inputs.view))
        model = LearnedWires(make_encoder("residual", schema, seed, width=8, layers=1).eval(), {})
        found.append(model.context(one.inputs)[:, :8].sum().item())
        del model
    assert len(set(found)) == 6


def test_training_gains_over_the_row_where_labels_are_true() -> None:
    """The twin of the shuffled labels: the score can see a gain, on the designs of training at least."""
    scores = learned_scores(lambda seed: LearnedWires(*encoder()), "subject", [0], train(), [], train(), SETTINGS)
    scores += learned_scores(lambda seed: FanOut(), "fan-out", [0], train(), [], train(), SETTINGS)
    row = next(row for row in summary(scores) if row["row"] == "subject")
    assert row["log C skill %"] > 3.0


class _Stop(Exception):
    """A kill in the middle of training."""


@pytest.mark.parametrize(("stops", "max_nodes"), [((7, 15), 600), ((6, 9, 16), 600), ((2, 3, 7), 5000)])
def test_resumed_after_kills_equals_uninterrupted(stops: tuple[int, ...], max_nodes: int, tmp_path: Path) -> None:
    """Within an epoch, behind its last batch, and where every epoch is one batch."""
    settings = SETTINGS | {"max_nodes": max_nodes}

    def trained(folder: str, stop: int = 0) -> LearnedWires:
        model = LearnedWires(*encoder(), seed=5)
        if stop:

            def after_step(step: int) -> None:
                if step == stop:
                    raise _Stop

            model.head.after_step = after_step  # type: ignore[method-assign]
        run = Run(tmp_path / folder)
        with run.open("seed = 5\n", 5, {}, 1):
            model.fit(train(), [subject()], settings, run)
        return model

    whole = trained("whole")
    for stop in stops:
        with pytest.raises(_Stop):
            trained("killed", stop)
    resumed = trained("killed")
    for (name, found), wanted in zip(resumed.head.state_dict().items(), whole.head.state_dict().values(), strict=True):
        assert torch.equal(found, wanted), name
    assert_equal(resumed.predict(subject().inputs), whole.predict(subject().inputs))
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    made, _ = encoder()
    save_encoder(tmp_path / "encoder", made, "residual")
    with pytest.raises(CircuitError, match="not a model of timing"):
        load_learned(tmp_path / "encoder")
    from encoders.checkpoint import save

    tensors, about = LearnedWires(*load_encoder(tmp_path / "encoder")).state()
    save(tmp_path / "model", tensors, about | {"task": "weather"})
    with pytest.raises(CircuitError, match="a model of weather"):
        load_learned(tmp_path / "model")
    save(tmp_path / "model", tensors, about)
    assert_equal(load_learned(tmp_path / "model").predict(subject().inputs), FanOut().predict(subject().inputs))


# -- planted defects ---------------------------------------------------------------------------


class _Peeking(FanOut):
    """Keeps what it learned of a design's labels where the next prediction finds it."""

    def predict(self, inputs: TimingInputs) -> Prediction:
        known = inputs.view_cache.get("reference")
        return known if known is not None else super().predict(inputs)


def _careless_reference(one: Example) -> Prediction:
    one.inputs.view_cache["reference"] = reference(one)
    return reference(one)


class _Unsteady(ZeroWires):
    """Depends on the order of nets, and forgets its state."""

    name = "unsteady"

    def __init__(self) -> None:
        self.scale = 1e-16

    def fit(self, train: Any, validation: Any, recipe: Mapping[str, Any], run: Any) -> None:
        self.scale = 3e-16

    def wires(self, inputs: TimingInputs) -> Any:
        nothing = super().wires(inputs)
        return replace(nothing, capacitance=self.scale * np.arange(inputs.circuit.num_nets))


def test_a_model_that_peeks_at_labels_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tasks.timing import table

    prediction_independent_of_labels(_Peeking, tmp_path)
    monkeypatch.setattr(table, "reference", _careless_reference)
    with pytest.raises(AssertionError):
        prediction_independent_of_labels(_Peeking, tmp_path)


@pytest.mark.parametrize("check", [permutation, state_comes_back], ids=lambda check: check.__name__)
def test_a_model_that_depends_on_order_or_forgets_is_caught(
    check: Callable[[Make, Path], None], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        check(_Unsteady, tmp_path)
