"""What the published models' states of pins are as a Prediction, and what their checkpoints say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from circuitgraph.errors import CircuitError
from encoders.checkpoint import fill
from tasks.task import Predicted, Prediction
from tasks.timing.inputs import TimingInputs
from tasks.timing.peers.pin_graph import PinGraph, slew_of
from tasks.timing.peers.slacks import timing_of
from tasks.timing.peers.tables import TIME

Made = TypeVar("Made")


def predicted(inputs: TimingInputs, graph: PinGraph, state: Tensor) -> Prediction:
    """Arrivals, slews and slacks of all places.

    Args:
        inputs: P pins, T terminals.
        graph: its heterograph.
        state: float32 [N, 8]: arrival, ns, and logarithm of slew.

    Returns:
        ``arrival``, ``slew`` [P + T, 4], ``setup_slack``, ``hold_slack`` [P + T], s; ``about["timing"]`` holds all
        checks. NaN where the constraints start no path or the pin is constant.
    """
    nodes = inputs.prepared.nodes
    values = state.double().numpy()
    of_node = np.full((2, nodes.count, 4), np.nan)
    of_node[0, graph.node] = np.where(graph.has_arrival, values[:, :4] * TIME, np.nan)
    of_node[1, graph.node] = np.where(graph.has_slew, slew_of(values[:, 4:]) * TIME, np.nan)
    arrival, slew = of_node[:, nodes.load_half]
    timing = timing_of(inputs, arrival, slew)
    places = np.arange(inputs.prepared.num_places)
    arrays = {
        "arrival": arrival,
        "slew": slew,
        "setup_slack": timing.worst_slack(),
        "hold_slack": timing.worst_slack(early=True),
    }
    found = {name: Predicted(values, "pins", places, "s", "learned") for name, values in arrays.items()}
    return Prediction(found, {"timing": timing})


def about_model(name: str, seed: int, config: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What the JSON of a checkpoint says; *config* are the arguments that make the network."""
    return {"kind": "model", "task": "timing", "model": name, "seed": seed, "config": dict(config or {})}


def filled(kind: type[Made], tensors: Mapping[str, Tensor], about: Mapping[str, Any], place: str) -> Made:
    """A model of the given class with the given weights.

    Raises:
        CircuitError: the JSON names another model or lacks something, or the weights are others.
    """
    name = kind.name  # type: ignore[attr-defined]
    if about.get("model") != name:
        rule = f"holds model {about.get('model')!r}, not {name!r}"
        raise CircuitError(place, "checkpoint", rule, "load it with the model named in its JSON")
    try:
        made = kind(seed=int(about["seed"]), **{key: int(value) for key, value in about["config"].items()})  # type: ignore[call-arg]
    except KeyError as error:
        raise CircuitError(place, "checkpoint", f"lacks {error} in its JSON", "copy its .json again") from None
    except (TypeError, ValueError, AttributeError):
        rule = "has values in its JSON that make no model"
        raise CircuitError(place, "checkpoint", rule, "copy its .json again") from None
    fill(made.module, tensors, place)  # type: ignore[attr-defined]
    made.module.eval()  # type: ignore[attr-defined]
    return made
