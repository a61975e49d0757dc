"""What arithmetic gives: no wires, the library's default wire load, wires by fan-out, wires from SPEF. Each is a Model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.wires import (
    FanOutModel,
    Wires,
    fan_out_wires,
    fit_fan_out,
    star_elmore,
    wire_load_wires,
    zero_wires,
)
from circuitgraph.errors import CircuitError
from tasks.task import Example, Predicted, Prediction
from tasks.timing.inputs import TimingInputs, TimingLabels

FloatArray = npt.NDArray[np.float64]

FALLBACK = FanOutModel(c0=float(np.log(2.0e-15)), c1=0.9, r0=float(np.log(60.0)), r1=0.7)
"""Fan-out wires where nothing was fitted and the library declares no wire load: some 15 um at 0.15 fF/um a sink."""


def predict_from(
    inputs: TimingInputs,
    wires: Wires,
    delay_model: str,
    source: Literal["analytic", "learned"] = "analytic",
    default_wire_load: bool = False,
    **options: Any,
) -> Prediction:
    """The prediction of a design under given wires; ``about["timing"]`` is the analysis itself."""
    timing = inputs.analyse(wires, delay_model, default_wire_load=default_wire_load, **options)
    return packed(inputs, wires, timing, source)


def packed(inputs: TimingInputs, wires: Wires, timing: Timing, source: Literal["analytic", "learned"]) -> Prediction:
    """An analysis as named arrays."""
    places = np.arange(inputs.prepared.num_places)
    nets = inputs.nets
    arrays = {
        "net_capacitance": Predicted(wires.capacitance[nets], "nets", nets, "F", source),
        "net_resistance": Predicted(wires.resistance[nets], "nets", nets, "ohm", source),
        "arrival": Predicted(timing.arrival, "pins", places, "s", source),
        "slew": Predicted(timing.slew, "pins", places, "s", source),
        "setup_slack": Predicted(timing.worst_slack(), "pins", places, "s", source),
        "hold_slack": Predicted(timing.worst_slack(early=True), "pins", places, "s", source),
    }
    return Prediction(arrays, {"timing": timing, "wires": wires})


class ZeroWires:
    """No wires at all."""

    name = "zero wire"

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Nothing."""

    def wires(self, inputs: TimingInputs) -> Wires:
        """Zeros."""
        return zero_wires(inputs.circuit)

    def predict(self, inputs: TimingInputs) -> Prediction:
        """STA without wires."""
        return predict_from(inputs, self.wires(inputs), "lumped_cap")

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Nothing."""
        return {}, {}

    @classmethod
    def from_state(cls, tensors: Mapping[str, Any], about: Mapping[str, Any]) -> ZeroWires:
        """A new one."""
        return cls()


class LibraryWireLoad(ZeroWires):
    """The default wire load that the library declares: what OpenSTA gives a net without SPEF."""

    name = "library wire load"

    def wires(self, inputs: TimingInputs) -> Wires:
        """Wires by the library's table.

        Raises:
            CircuitError: the library declares none.
        """
        model = inputs.library.default_wire_load
        if model is None:
            raise CircuitError(
                inputs.library.name, "library", "declares no default wire load", "use --wires zero or spef"
            )
        return wire_load_wires(inputs.circuit, model, inputs.pin_capacitance)

    def predict(self, inputs: TimingInputs) -> Prediction:
        """STA with the table's C, and its R where it has one."""
        wires = self.wires(inputs)
        return predict_from(inputs, wires, "dmp" if wires.resistance.any() else "lumped_cap")


class FanOut(ZeroWires):
    """log C and log R affine in log fan-out, fitted on the training families."""

    name = "fan-out"

    def __init__(self, model: FanOutModel = FALLBACK) -> None:
        self.model = model

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Least squares in the logarithms over the nets of all training designs."""
        columns = [net_labels(example) for example in train]
        fan_out, capacitance, resistance = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        keep = np.isfinite(capacitance) & np.isfinite(resistance)
        self.model = fit_fan_out(fan_out[keep], capacitance[keep], resistance[keep])

    def wires(self, inputs: TimingInputs) -> Wires:
        """Wires by fan-out."""
        return fan_out_wires(inputs.circuit, self.model, inputs.pin_capacitance)

    def predict(self, inputs: TimingInputs) -> Prediction:
        """STA over stars, delay model "dmp"."""
        return predict_from(inputs, self.wires(inputs), "dmp")

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The four coefficients."""
        model = self.model
        return {}, {"fan_out": [model.c0, model.c1, model.r0, model.r1]}

    @classmethod
    def from_state(cls, tensors: Mapping[str, Any], about: Mapping[str, Any], place: str = "checkpoint") -> FanOut:
        """From its coefficients.

        Raises:
            CircuitError: they are not four finite numbers.
        """
        values = about.get("fan_out")
        if not isinstance(values, list) or len(values) != 4 or not np.isfinite(np.array(values, np.float64)).all():
            raise CircuitError(
                place, "checkpoint", f"holds no fan-out row (fan_out is {values!r})", "copy its .json again"
            )
        return cls(FanOutModel(*map(float, values)))


class MatchedTotals:
    """Another model's wires, scaled so that the total C and R of held-out designs come out right.

    A fit in the logarithm gives the median of C, which is below its mean; arrivals add, so slack wants the mean. The
    factors are the geometric means over the validation designs (the training designs where there are none) of the
    true over the predicted total.

    Args:
        model: anything with ``wires(inputs)``, fitted or to be fitted.
    """

    def __init__(self, model: Any) -> None:
        self.model, self.name = model, f"{model.name}, totals matched"
        self.factors = (1.0, 1.0)

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Fit the model, then the two factors."""
        self.model.fit(train, validation, recipe, run)
        self.match(validation or train)

    def match(self, examples: Sequence[Example]) -> None:
        """Fit the two factors alone."""
        ratios = []
        for example in examples:
            _, capacitance, resistance = net_labels(example)
            wires, nets = self.model.wires(example.inputs), example.inputs.nets
            keep = np.isfinite(capacitance) & np.isfinite(resistance)
            true = np.array([capacitance[keep].sum(), resistance[keep].sum()])
            ratios.append(np.log(true / [wires.capacitance[nets][keep].sum(), wires.resistance[nets][keep].sum()]))
        c, r = np.exp(np.mean(ratios, axis=0)).tolist()
        self.factors = (c, r)

    def wires(self, inputs: TimingInputs) -> Wires:
        """Scaled wires."""
        own = self.model.wires(inputs)
        capacitance, resistance = own.capacitance * self.factors[0], own.resistance * self.factors[1]
        delays = star_elmore(inputs.circuit, capacitance, resistance, inputs.pin_capacitance, 0.5)
        return Wires(own.source, capacitance, resistance, delays, own.annotated)

    def predict(self, inputs: TimingInputs) -> Prediction:
        """STA over the scaled wires."""
        wires = self.wires(inputs)
        return predict_from(inputs, wires, "dmp", "learned" if wires.source == "learned" else "analytic")

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The model's state and the factors."""
        tensors, about = self.model.state()
        return tensors, {**about, "factors": list(self.factors)}


def net_labels(example: Example) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Fan-out, farads and ohms of the nets of an example that have wires, [M] each; NaN where unlabelled."""
    inputs: TimingInputs = example.inputs
    labels: TimingLabels = example.labels
    return inputs.fan_out, labels.capacitance[inputs.nets], labels.resistance[inputs.nets]
