"""Learned wires: a bounded, zero-initialised residual on the fitted fan-out row.

    log C = log C_fan-out(f) + a tanh(u),     log R = log R_fan-out(f) + a tanh(v)

(u, v) come from the embedding of the net's driver pin by an encoder that was pretrained on the timing view (after and
before it mixes), the mean of its sinks' embeddings, and the fan-out. The last layer starts at zero: the untrained model
*is* the fan-out row. It is trained on the wires' own labels; slack is computed by the exact engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from circuitgraph.analysis.wires import Wires, star_elmore
from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, to_data
from encoders.checkpoint import build_encoder, fill, load
from encoders.pretrain import Say, Settings, train
from tasks.task import Example, Prediction
from tasks.timing.baselines import FanOut, net_labels, predict_from
from tasks.timing.inputs import TimingInputs

BOUND = 1.4
"""Bound of the residual on log C and log R: a factor of four both ways."""


class WireResidual(nn.Module):
    """The head, and the objective that trains it: Huber loss on standardised log C and log R.

    Args:
        context: columns of the context.
        width: of the hidden layers.
    """

    scope: ClassVar[str] = "graph"
    mask_at: ClassVar[str] = "stem"
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init__(self, context: int, width: int = 64) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(context)
        self.layers = nn.Sequential(
            nn.Linear(context + 2, width),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 2),
        )
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Residuals of log C and log R, [M, 2]; columns of *x* are context, log fan-out, log cells."""
        own = torch.cat([self.norm(x[:, :-2]), x[:, -2:]], dim=1)
        found: Tensor = BOUND * torch.tanh(self.layers(own))
        return found

    def loss(self, encoder: nn.Module, batch: CircuitData, draws: Draws) -> tuple[Tensor, dict[str, float]]:
        """Mean over the labelled nets of the batch; labels are residuals of log C and log R over the fan-out row."""
        rows = torch.isfinite(batch.y).all(1)
        error = self(batch.x)[rows] - batch.y[rows]
        loss = F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.5)
        mae = float(error[:, 0].detach().abs().mean()) if len(error) else 0.0
        return loss, {"log_c_mae": mae, "graphs": float(len(error))}

    def bind(self, encoder: nn.Module) -> None:
        """Nothing."""

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """One group."""
        return [{"params": list(self.parameters())}]

    def after_step(self, step: int) -> None:
        """Nothing."""

    def after_epoch(self) -> None:
        """Nothing."""


class LearnedWires:
    """Fan-out row plus learned residual; a :class:`tasks.task.Model`.

    Args:
        encoder: pretrained on the timing view, frozen; its families must not include those that are tested.
        about: what its checkpoint says of it.
        seed: of the head.
    """

    name = "learned wires"

    def __init__(self, encoder: Any, about: Mapping[str, Any], seed: int = 0) -> None:
        self.encoder, self.about, self.seed = encoder, dict(about), seed
        self.row = FanOut()
        state = torch.random.get_rng_state()
        torch.manual_seed(seed)
        self.head = WireResidual(3 * encoder.width)
        torch.random.set_rng_state(state)

    def fit(
        self,
        train_set: Sequence[Example],
        validation: Sequence[Example],
        recipe: Mapping[str, Any],
        run: Any,
        say: Say | None = None,
    ) -> None:
        """Fit the fan-out row, then the head on what it leaves.

        Args:
            recipe: fields of :class:`encoders.pretrain.Settings`.
            run: run folder to log to and resume from, or None.
        """
        self.row.fit(train_set, validation, recipe, run)
        graphs = [self.graph(example) for example in train_set]
        held = [self.graph(example) for example in validation]

        def validate() -> dict[str, float]:
            self.head.eval()
            errors = [(self.head(g.x) - g.y)[torch.isfinite(g.y).all(1), 0].abs().mean() for g in held]
            return {"log_c_mae": float(torch.stack(errors).mean())}

        settings = Settings(**recipe)
        self.head.train()
        train(nn.Module(), self.head, graphs, settings, self.seed, run, validate if held else None, say)
        self.head.eval()

    def graph(self, example: Example) -> CircuitData:
        """The nets of an example as a graph without edges: context in ``x``, residual labels in ``y``."""
        inputs: TimingInputs = example.inputs
        fan_out, capacitance, resistance = net_labels(example)
        model = self.row.model
        residual = np.stack(
            [
                np.log(capacitance) - np.log(model.capacitance(fan_out)),
                np.log(resistance) - np.log(model.resistance(fan_out)),
            ],
            axis=1,
        )
        return CircuitData(
            x=self.context(inputs),
            y=torch.from_numpy(residual.astype(np.float32)),
            graph_id=torch.tensor([inputs.circuit.graph_id]),
            edge_index=torch.zeros(2, 0, dtype=torch.int64),
            num_nodes=len(fan_out),
            view_name="nets",
        )

    def context(self, inputs: TimingInputs) -> Tensor:
        """What the head reads of each net, [M, 3 d + 2].

        Embedding of the driver pin, mean of those of the sinks, stem of the driver pin, log fan-out, log cells - 6.
        """
        return net_context(self.encoder, inputs)

    def wires(self, inputs: TimingInputs) -> Wires:
        """Wires of a design; its labels are not read."""
        self.head.eval()
        with torch.no_grad():
            residual = self.head(self.context(inputs)).double().numpy()
        circuit, nets, model = inputs.circuit, inputs.nets, self.row.model
        capacitance, resistance = np.zeros(circuit.num_nets), np.zeros(circuit.num_nets)
        capacitance[nets] = model.capacitance(inputs.fan_out) * np.exp(residual[:, 0])
        resistance[nets] = model.resistance(inputs.fan_out) * np.exp(residual[:, 1])
        delays = star_elmore(circuit, capacitance, resistance, inputs.pin_capacitance, 0.5)
        return Wires("learned", capacitance, resistance, delays, np.zeros(circuit.num_nets, np.bool_))

    def predict(self, inputs: TimingInputs) -> Prediction:
        """STA over the learned wires."""
        return predict_from(inputs, self.wires(inputs), "dmp", "learned")

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights of encoder and head; how to make both again."""
        tensors = {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        tensors |= {f"head.{name}": value for name, value in self.head.state_dict().items()}
        kept = {key: self.about[key] for key in ("encoder", "config", "schema")}
        about = {"kind": "model", "task": "timing", "model": "learned wires", "seed": self.seed}
        return tensors, {**about, **kept, **self.row.state()[1]}

    @classmethod
    def from_state(
        cls, tensors: Mapping[str, Tensor], about: Mapping[str, Any], place: str = "checkpoint"
    ) -> LearnedWires:
        """The inverse of :meth:`state`."""
        own = {part: {} for part in ("encoder", "head")}  # type: dict[str, dict[str, Tensor]]
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            own.setdefault(part, {})[rest] = value
        encoder = build_encoder(own["encoder"], about, place)
        try:
            model = cls(encoder, about, int(about["seed"]))
            model.row = FanOut.from_state({}, about, place)
        except KeyError as error:
            raise CircuitError(place, "checkpoint", f"lacks {error} in its JSON", "copy its .json again") from None
        except (TypeError, ValueError):
            rule = "has values in its JSON that make no model"
            raise CircuitError(place, "checkpoint", rule, "copy its .json again") from None
        fill(model.head, own["head"], place)
        model.head.eval()
        return model


def load_learned(path: str | Path) -> LearnedWires:
    """The model of a checkpoint.

    Raises:
        CircuitError: the checkpoint is damaged, of another version, or holds something else.
    """
    tensors, about = load(path)
    if about.get("kind") != "model" or about.get("task") != "timing":
        found = f"a model of {about.get('task')}" if about.get("kind") == "model" else f"kind {about.get('kind')!r}"
        raise CircuitError(
            Path(path).name, "checkpoint", f"holds {found}, not a model of timing", "give a finetuned model"
        )
    model = LearnedWires.from_state(tensors, about, Path(path).name)
    if model.encoder.schema.view != "timing":
        view = model.encoder.schema.view
        raise CircuitError(
            Path(path).name, "encoder", f"was made for the {view} view", "give a model of the timing view"
        )
    return model


def net_context(encoder: Any, inputs: TimingInputs) -> Tensor:
    """Embeddings around each of the design's nets by a frozen encoder of the timing view, [M, 3 d + 2]; made once.

    Embedding of the driver pin, mean of those of the sinks, stem of the driver pin, log fan-out, log cells - 6.
    """
    contexts = inputs.view_cache.setdefault("contexts", WeakKeyDictionary())
    state = [parameter._version for parameter in encoder.parameters()]
    kept, context = contexts.get(encoder, (None, None))
    if kept != state:
        data = to_data(inputs.view)
        with torch.no_grad():
            stem = encoder.eval().stem(data)
            nodes = encoder.propagate(stem, data).nodes
        driver = torch.from_numpy(driver_nodes(inputs.view, inputs))
        fan_out = torch.from_numpy(np.log(inputs.fan_out)).float()[:, None]
        size = torch.full((len(driver), 1), float(np.log(max(1, inputs.circuit.num_cells)) - 6.0))
        own, before = nodes.index_select(0, driver), stem.index_select(0, driver)
        context = torch.cat([own, sink_mean(inputs.view, inputs, nodes), before, fan_out, size], dim=1)
        contexts[encoder] = (state, context)
    found: Tensor = context
    return found


def driver_nodes(view: Any, inputs: TimingInputs) -> np.ndarray:
    """Node of the driver of each of the design's nets, int64 [M]."""
    circuit = inputs.circuit
    node_of = np.full(circuit.num_pins + circuit.num_ports, -1, np.int64)
    rows = np.arange(view.num_nodes)[::-1]
    pins, ports = view.pin[rows], view.port[rows]
    node_of[pins[pins >= 0]] = rows[pins >= 0]
    node_of[circuit.num_pins + ports[ports >= 0]] = rows[ports >= 0]
    found: np.ndarray = node_of[circuit.net_driver[inputs.nets]]
    return found


def sink_mean(view: Any, inputs: TimingInputs, nodes: Tensor) -> Tensor:
    """Mean of the embeddings of each net's sinks, [M, d]."""
    column = [feature.name for feature in view.feature_table].index("is driver")
    sinks = np.flatnonzero((view.features[:, column] < 0.5) & (view.net >= 0))
    net = torch.from_numpy(view.net[sinks].astype(np.int64))
    rows = nodes.index_select(0, torch.from_numpy(sinks))
    total = nodes.new_zeros(inputs.circuit.num_nets, nodes.size(1)).index_add(0, net, rows)
    count = nodes.new_zeros(inputs.circuit.num_nets).index_add(0, net, nodes.new_ones(len(net)))
    found: Tensor = (total / count.clamp(min=1)[:, None]).index_select(0, torch.from_numpy(inputs.nets))
    return found
