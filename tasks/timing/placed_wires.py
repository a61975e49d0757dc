"""Learned wires over a placement: the calibrated Steiner row, and a bounded residual from what placement shows.

The prior is :class:`tasks.timing.placed_rows.PlacedTrees`; the residual reads densities, shapes and demands of nets and
sinks (:mod:`tasks.timing.wire_features`), and on request the embedding of a pretrained encoder. It is trained on the
nets' own parasitics first; slack through the exact engine may enter the loss late. Features that are the same for all
nets of a design are left out: with a dozen designs they name the design instead of saying anything of its wires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from circuitgraph.analysis.pi_model import ReducedWires
from circuitgraph.analysis.placement_wires import WireConstants, placement_wires
from circuitgraph.errors import CircuitError
from circuitgraph.layout import Technology
from circuitgraph.pyg import CircuitData
from encoders.checkpoint import fill
from encoders.pretrain import Say, Settings, train
from tasks.intervals import Conformal, LocalConformal
from tasks.task import Example, Prediction
from tasks.timing.baselines import predict_from
from tasks.timing.confidence import KINDS, intervals_from, standardised
from tasks.timing.inputs import TimingInputs, TimingLabels
from tasks.timing.placed_rows import PlacedTrees, constants_of, few_nets, fitted_constants, process_of
from tasks.timing.wire_features import NET_FEATURES, SINK_FEATURES, WireFeatures, wire_features
from tasks.timing.wire_heads import BOUND_T, WireHeads

FloatArray = npt.NDArray[np.float64]

OF_NETS = tuple(row for row, name in enumerate(NET_FEATURES) if not name.startswith("design:"))
"""Columns of the features of a net that the residual reads."""

SATURATING = {
    "horizontal demand": 0.3,
    "vertical demand": 0.3,
    "demand across": 0.3,
    "most crowded edge": 0.3,
    "pin density": 1.0,
    "cell density": 0.5,
}
"""Densities enter as x / (x + half): a wire with neighbours on all tracks gains nothing from more of them."""

FULL_PROMOTION = 1.74
"""log of the ratio of resistances between the second and third and the fourth and fifth layer at which g is 1."""

SHRINK = 10.0
"""Nets that few-net calibration counts as evidence for the model as it is."""

USUAL_SPREAD = 0.2
"""Standard deviation of the residuals of nets of usual designs."""


@dataclass(frozen=True)
class Match:
    """How the residual is used on a design: log factor = strength x residual + offset, for C and for R."""

    strength_c: float = 1.0
    offset_c: float = 0.0
    strength_r: float = 1.0
    offset_r: float = 0.0


WHOLE, NOTHING = Match(), Match(0.0, 0.0, 0.0, 0.0)


class PlacedWires:
    """The Steiner row plus a learned residual; a :class:`tasks.task.Model`.

    Args:
        seed: of the heads.
        given: constants by process that go before fitted ones.
        encoder: a pretrained encoder of the timing view whose embeddings nets read, frozen; None = none.
        kind: of the trees.
        width: of the heads.
        rounds: exchanges between nets and sinks.
        sinks: whether Elmore delays have a residual of their own; see :class:`WireHeads`.
    """

    name = "learned wires over placement"

    def __init__(
        self,
        seed: int = 0,
        given: Mapping[str, WireConstants] | None = None,
        encoder: Any = None,
        kind: str = "steiner",
        width: int = 32,
        rounds: int = 1,
        sinks: bool = False,
    ) -> None:
        self.seed, self.encoder = seed, encoder
        self.prior = PlacedTrees(kind, given)
        state = torch.random.get_rng_state()
        torch.manual_seed(seed)
        context = 3 * encoder.width + 2 if encoder is not None else 0
        self.heads = WireHeads(len(OF_NETS), len(SINK_FEATURES), context, width, rounds, sinks)
        torch.random.set_rng_state(state)
        self.matches: dict[str, Match] = {}
        self.set_aside: dict[str, WireConstants | None] = {}
        self.intervals: dict[str, LocalConformal] = {}
        self.seen: dict[str, list[float]] = {}

    def fit(
        self,
        train_set: Sequence[Example],
        validation: Sequence[Example],
        recipe: Mapping[str, Any],
        run: Any,
        say: Say | None = None,
    ) -> None:
        """Fit the constants, then the heads on what they leave.

        Args:
            recipe: fields of :class:`encoders.pretrain.Settings`; ``slack_share``, the share of the steps at the end
                in which slack enters the loss (0 = never; else every design is a batch of its own); ``folds``, how often
                training is repeated without a part of the designs to calibrate intervals (0 = no intervals).
            run: run folder to log to and resume from, or None. The folds are not kept there.
        """
        if int(recipe.get("folds", 0)):
            self.intervals = self._calibrated(train_set, recipe, say)
        self.prior.fit(train_set, validation, recipe, run)
        self.seen = seen_ranges([self.features(example.inputs) for example in train_set])
        graphs = [self.graph(example) for example in train_set]
        held = [self.graph(example) for example in validation]
        self.heads.standardise(graphs)

        def validate() -> dict[str, float]:
            self.heads.eval()
            errors = []
            for graph in held:
                known = torch.isfinite(graph.y[:, 0])
                errors.append((self.heads(graph)[0] - graph.y[:, 0])[known].abs().mean())
            self.heads.train()
            return {"log_c_mae": float(torch.stack(errors).mean())}

        rest = {key: value for key, value in recipe.items() if key not in {"slack_share", "folds"}}
        share = float(recipe.get("slack_share", 0.0))
        settings = Settings(**(rest | {"max_nodes": 1} if share > 0 else rest))  # slack is asked of a design at a time
        if share > 0:
            from tasks.timing.slack_loss import DesignSlack

            self.heads.slack = DesignSlack(self.prior, train_set)
            self.heads.slack_from = round((1 - share) * settings.epochs * _steps(graphs, settings.max_nodes))
        self.heads.train()
        train(nn.Module(), self.heads, graphs, settings, self.seed, run, validate if held else None, say)
        self.heads.slack = None
        self.heads.eval()

    def _calibrated(
        self, train_set: Sequence[Example], recipe: Mapping[str, Any], say: Say | None
    ) -> dict[str, LocalConformal]:
        """Distributions of the errors on designs that were left out, each once.

        Designs are left out, not families: the intervals speak of further designs of the flows that training saw.
        """
        folds = min(int(recipe["folds"]), len(train_set))
        if folds < 2:
            rule = f"need two designs or more to be calibrated on, and two folds, not {len(train_set)} and {folds}"
            raise CircuitError("intervals", "calibration", rule, "add labelled designs, or set folds = 0")
        order = np.random.default_rng(self.seed).permutation(len(train_set))
        errors: dict[str, list[FloatArray]] = {kind: [] for kind in KINDS}
        like: list[FloatArray] = []
        settings = {**recipe, "folds": 0}
        for fold in range(folds):
            if say is not None:
                say(f"intervals: training {fold + 1} of {folds} without a part of the designs")
            held = [train_set[row] for row in order[fold::folds]]
            rest = [train_set[row] for row in sorted(set(range(len(train_set))) - set(order[fold::folds].tolist()))]
            twin = PlacedWires(self.seed, self.prior.given, self.encoder, self.prior.kind, **self.heads.shape)
            twin.fit(rest, [], settings, None)
            for example in held:
                timing = example.inputs.analyse(twin.wires(example.inputs), "dmp", default_wire_load=False)
                found = standardised(example.inputs, example.labels.truth(example.inputs), timing)
                like.append(np.array(list(design_values(twin.features(example.inputs)).values())))
                for kind in KINDS:
                    errors[kind].append(found[kind])
        return {kind: LocalConformal.of(errors[kind], np.stack(like)) for kind in KINDS}

    def intervals_of(self, inputs: TimingInputs) -> dict[str, Conformal]:
        """Distributions of the errors to be expected on a design, by kind; {} where none were calibrated."""
        like = np.array(list(design_values(self.features(inputs)).values()))
        return {kind: one.at(like) for kind, one in self.intervals.items()}

    def strangeness(self, inputs: TimingInputs) -> list[str]:
        """What of a design lies outside of what training saw, one line each."""
        found = []
        process = process_of(inputs)
        if process not in self.prior.fitted:
            known = inputs.name in self.matches
            how = (
                "constants and correction come from the nets that are known"
                if known
                else "the learned correction is off"
            )
            found.append(f"process {process}: {how}")
        own = design_values(self.features(inputs))
        for name, (low, high) in self.seen.items():
            margin = 0.25 * (high - low)
            if not low - margin <= own[name] <= high + margin:
                found.append(f"{name.removeprefix('design: ')} {own[name]:.3g}, trained on {low:.3g} to {high:.3g}")
        return found

    def features(self, inputs: TimingInputs) -> WireFeatures:
        """Features of a design under the prior, made once for each set of constants."""
        constants = self.prior.constants(inputs)
        key = f"wire features {self.prior.kind} {constants}"
        if key not in inputs.view_cache:
            inputs.view_cache[key] = wire_features(inputs, inputs.trees(self.prior.kind), constants)
        found: WireFeatures = inputs.view_cache[key]
        return found

    def graph(self, example: Example) -> CircuitData:
        """Nets and sinks of an example with the residuals that its labels ask for."""
        inputs: TimingInputs = example.inputs
        labels: TimingLabels = example.labels
        features = self.features(inputs)
        data = net_graph(inputs, features, self.encoder)
        capacitance, resistance = labels.capacitance[features.nets], labels.resistance[features.nets]
        wanted = np.stack(
            [np.log(capacitance / features.capacitance), np.log(resistance / features.resistance)], axis=1
        )
        delay = np.full(len(features.place), np.nan)
        if labels.resolved is not None:
            sink = labels.reduced(inputs).sink
            assert sink is not None
            delay = sink[features.place, 0]
        known = np.isfinite(wanted).all(axis=1)
        factor_c, factor_r = (np.where(known, np.exp(wanted[:, k]), np.nan)[features.sink_net] for k in (0, 1))
        expected = factor_r * (factor_c * features.wire_delay + features.pin_delay)
        with np.errstate(divide="ignore", invalid="ignore"):
            of_sinks = np.where((delay > 0) & (expected > 0), np.log(delay / expected), np.nan)
        data.y = torch.from_numpy(_clipped(wanted, 2.0))
        data.sink_y = torch.from_numpy(_clipped(of_sinks, 2 * BOUND_T))
        data.weight = torch.from_numpy(
            np.stack([_roots(features.capacitance), _roots(features.resistance)], axis=1).astype(np.float32)
        )
        data.sink_weight = torch.from_numpy(_roots(features.wire_delay + features.pin_delay).astype(np.float32))
        return data

    def factors_of(self, inputs: TimingInputs) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Factors of the prior's wire capacitance and resistance, [N] each, and of Elmore delays, [P + T]."""
        features = self.features(inputs)
        self.heads.eval()
        with torch.no_grad():
            found = [part.double().numpy() for part in self.heads(net_graph(inputs, features, self.encoder))]
        circuit = inputs.circuit
        capacitance, resistance = np.ones(circuit.num_nets), np.ones(circuit.num_nets)
        sink = np.ones(circuit.num_pins + circuit.num_ports)
        match = self.match_of(inputs)
        capacitance[features.nets] = np.exp(match.strength_c * found[0] + match.offset_c)
        resistance[features.nets] = np.exp(match.strength_r * found[1] + match.offset_r)
        sink[features.place] = np.exp(match.strength_r * found[2])
        return capacitance, resistance, sink

    def wires(self, inputs: TimingInputs) -> ReducedWires:
        """Wires of a design; its labels are not read."""
        capacitance, resistance, sink = self.factors_of(inputs)
        return placement_wires(
            inputs.trees(self.prior.kind),
            inputs.circuit,
            self.prior.constants(inputs),
            inputs.pin_capacitances,
            capacitance_factor=capacitance,
            resistance_factor=resistance,
            sink_factor=sink,
            source="learned",
        )

    def predict(self, inputs: TimingInputs) -> Prediction:
        """STA over the learned wires, delay model "dmp"."""
        return predict_from(inputs, self.wires(inputs), "dmp", "learned")

    def match_of(self, inputs: TimingInputs) -> Match:
        """How the residual is used on a design: fully on processes of training, not at all on others, or as calibrated."""
        if inputs.name in self.matches:
            return self.matches[inputs.name]
        return WHOLE if process_of(inputs) in self.prior.fitted else NOTHING

    def calibrate(self, example: Example, nets: int | None, seed: int = 0) -> None:
        """Fit the model to one design by the parasitics of a few of its nets.

        Of a process that training saw, the nets give two offsets. Of another, they give the four constants first, and how
        much of the residual they bear out. Everything is shrunk as if ten more nets agreed with the model as it is.

        Args:
            example: a design with labels, of some nets at least.
            nets: how many random nets may be seen, None = all; 0 forgets what was fitted.
            seed: of the choice.
        """
        inputs = example.inputs
        self.matches.pop(inputs.name, None)
        process = process_of(inputs)
        seen = process in self.prior.fitted
        if process in self.set_aside:
            given = self.set_aside.pop(process)
            self.prior.given.pop(process, None)
            self.prior.given |= {} if given is None else {process: given}
        if nets == 0:
            return
        shown = example if nets is None else few_nets(example, nets, seed)
        if not seen:
            self.set_aside[process] = self.prior.given.get(process)
            self.prior.given |= fitted_constants([shown], self.prior.kind)
        self.matches[inputs.name] = self._matched(shown, seen)

    def _matched(self, shown: Example, seen: bool) -> Match:
        """Strengths and offsets that the labelled nets of a design ask for."""
        features = self.features(shown.inputs)
        self.heads.eval()
        with torch.no_grad():
            found = [part.double().numpy() for part in self.heads(net_graph(shown.inputs, features, self.encoder))]
        labels: TimingLabels = shown.labels
        fits = []
        for true, prior, residual in (
            (labels.capacitance[features.nets], features.capacitance, found[0]),
            (labels.resistance[features.nets], features.resistance, found[1]),
        ):
            with np.errstate(invalid="ignore"):
                left = np.log(true / prior)
            known = np.isfinite(left)
            fits.append(matched(left[known], residual[known], _roots(prior)[known], 1.0 if seen else None))
        return Match(fits[0][0], fits[0][1], fits[1][0], fits[1][1])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights of the heads, the constants, and how to make both again."""
        if self.encoder is not None:
            raise CircuitError("model", "checkpoint", "with an encoder's context is not kept", "train it without")
        about = {"kind": "model", "task": "timing", "model": self.name, "seed": self.seed, "trees": self.prior.kind}
        constants = self.prior.state()[1]["constants"]
        return dict(self.heads.state_dict()), {**about, "config": self.heads.shape, "constants": constants} | {
            "intervals": {kind: one.state() for kind, one in self.intervals.items()},
            "seen": self.seen,
        }

    @classmethod
    def from_state(
        cls, tensors: Mapping[str, Tensor], about: Mapping[str, Any], place: str = "checkpoint"
    ) -> PlacedWires:
        """The inverse of :meth:`state`."""
        try:
            config = dict(about["config"])
            shape = {key: config[key] for key in ("width", "rounds", "sinks")}
            model = cls(int(about["seed"]), kind=str(about["trees"]), **shape)
        except KeyError as error:
            raise CircuitError(place, "checkpoint", f"lacks {error} in its JSON", "copy its .json again") from None
        except (TypeError, ValueError, RuntimeError):
            rule = "has values in its JSON that make no model"
            raise CircuitError(place, "checkpoint", rule, "copy its .json again") from None
        model.prior.fitted = constants_of(about, place)
        model.intervals = intervals_from(about.get("intervals"), place)
        model.seen = _ranges_from(about.get("seen"), place)
        like = sum(name.startswith("design:") for name in NET_FEATURES)
        if any(one.features.shape[1] != like for one in model.intervals.values()):
            raise CircuitError(place, "intervals", "are of other features", "train the model again")
        fill(model.heads, dict(tensors), place)
        model.heads.eval()
        return model


def net_graph(inputs: TimingInputs, features: WireFeatures, encoder: Any = None) -> CircuitData:
    """The nets of a design as a graph without edges, and beside it their sinks.

    Attributes: ``x`` [M, F] features of nets, ``sink_x`` [S, G] of sinks, ``sink_net`` [S], ``promotion`` [M]; with an
    *encoder* also ``context`` [M, K].
    """
    assert inputs.technology is not None
    nets = len(features.nets)
    columns = features.net[:, list(OF_NETS)].copy()
    for name, half in SATURATING.items():
        column = OF_NETS.index(NET_FEATURES.index(name))
        columns[:, column] /= columns[:, column] + half
    data = CircuitData(
        x=torch.from_numpy(columns),
        sink_x=torch.from_numpy(features.sink),
        sink_net=torch.from_numpy(features.sink_net),
        promotion=torch.full((nets,), promotion(inputs.technology)),
        graph_id=torch.tensor([inputs.circuit.graph_id]),
        edge_index=torch.zeros(2, 0, dtype=torch.int64),
        num_nodes=nets,
        view_name="nets",
    )
    if encoder is not None:
        from tasks.timing.learned import net_context

        context = net_context(encoder, inputs)
        row = np.full(inputs.circuit.num_nets, -1, np.int64)
        row[inputs.nets] = np.arange(len(inputs.nets))
        own = torch.from_numpy(row[features.nets])
        data.context = context.index_select(0, own.clamp(min=0)) * (own >= 0).float()[:, None]
    return data


def design_values(features: WireFeatures) -> dict[str, float]:
    """The features that are the same for all nets of a design, by name."""
    names = {name: column for column, name in enumerate(NET_FEATURES) if name.startswith("design:")}
    if not len(features.net):
        return dict.fromkeys(names, 0.0)
    return {name: float(features.net[0, column]) for name, column in names.items()}


def seen_ranges(designs: Sequence[WireFeatures]) -> dict[str, list[float]]:
    """Lowest and highest value of every feature of designs."""
    values = [design_values(features) for features in designs]
    return {name: [min(v[name] for v in values), max(v[name] for v in values)] for name in values[0]}


def _ranges_from(state: Any, place: str) -> dict[str, list[float]]:
    """The inverse of what :func:`seen_ranges` gives, from JSON.

    Raises:
        CircuitError: it is damaged.
    """
    try:
        found = {str(name): [float(low), float(high)] for name, (low, high) in dict(state or {}).items()}
    except (TypeError, ValueError):
        raise CircuitError(place, "ranges of training", "are damaged", "copy its .json again") from None
    return found


def promotion(technology: Technology) -> float:
    """How much resistance a wire can save by climbing two layers, 0.1 to 1; 0.5 where the LEF states none."""
    ohms = [layer.resistance for layer in technology.layers[1:5]]
    if len(ohms) < 3 or not np.isfinite(ohms).all():
        return 0.5
    low, high = float(np.mean(ohms[:2])), float(np.mean(ohms[2:]))
    return float(np.clip(np.log(low / high) / FULL_PROMOTION, 0.1, 1.0)) if high > 0 else 1.0


def matched(left: FloatArray, residual: FloatArray, weight: FloatArray, strength: float | None) -> tuple[float, float]:
    """Strength a and offset b such that a x residual + b is near what is left, weighted least squares, shrunk.

    Args:
        left: log of truth over prior, [K].
        residual: what the model says of it, [K].
        weight: of each net, [K].
        strength: a itself where it is not to be found; None = ridge regression towards 0, within 0 and 1.

    >>> matched(np.array([0.2, 0.2]), np.zeros(2), np.ones(2), 1.0)[1] < 0.2 / 2
    True
    """
    if not len(left):
        return (0.0 if strength is None else strength), 0.0
    share = weight / weight.sum()
    if strength is None:
        across = residual - share @ residual
        bent = float(share @ (across * (left - share @ left)))
        ridge = SHRINK / len(left) * USUAL_SPREAD**2
        strength = float(np.clip(bent / (float(share @ across**2) + ridge), 0.0, 1.0))
    offset = float(share @ (left - strength * residual)) * len(left) / (len(left) + SHRINK)
    return strength, offset


def _clipped(values: FloatArray, bound: float) -> npt.NDArray[np.float32]:
    return np.clip(values, -bound, bound).astype(np.float32)


def _roots(values: FloatArray) -> FloatArray:
    """Square roots over their mean: what a net weighs, between a vote each and a vote a farad."""
    return np.sqrt(values / max(float(values.mean()), 1e-30)) if len(values) else values


def _steps(graphs: Sequence[CircuitData], max_nodes: int) -> int:
    from circuitgraph.pyg import EpochLoader

    return len(EpochLoader(graphs, max_nodes, 0).batches(0))


__all__ = ["Match", "PlacedWires", "matched", "net_graph", "promotion"]
