"""Timing analysis as a layer: torch tensors of wires in, slacks out, gradients back.

    found = timing_layer(inputs, capacitance, sink_delay)
    loss = torch.relu(-found.setup_slack[found.setup_slack.isfinite()]).sum()

The arithmetic is that of :mod:`circuitgraph.analysis.sta_gradient`, in float64 on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from circuitgraph.analysis.sta_gradient import backward, forward_with_tape
from circuitgraph.analysis.sta_linearised import Corrections
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.analysis.wires import Wires
from circuitgraph.errors import CircuitError
from tasks.timing.inputs import TimingInputs

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class TimingTensors(NamedTuple):
    """What a layer gives; float64, seconds; P pins, T terminals, V nodes.

    | field | shape | meaning |
    |---|---|---|
    | setup_slack, hold_slack | [P + T] | worst slack of each place; NaN where there is no check |
    | arrival | [P + T, 4] | late rise, late fall, early rise, early fall; NaN where there is none |
    | slew | [V, 4] | of every node of the timing graph |
    """

    setup_slack: Tensor
    hold_slack: Tensor
    arrival: Tensor
    slew: Tensor


@dataclass(frozen=True, eq=False)
class Setting:
    """What a layer holds constant; see :func:`timing_layer`."""

    prepared: Prepared
    delay_model: str
    smoothing: float | None
    corrections: Corrections | None
    annotated: BoolArray
    listed: BoolArray | None
    default_wire_load: bool
    remove_pessimism: bool
    block_size: int | None


class TimingFunction(torch.autograd.Function):
    """Timing analysis with its hand-written derivative; gradients come in the dtypes of the inputs."""

    @staticmethod
    def forward(
        ctx: Any, setting: Setting, capacitance: Tensor, sink_delay: Tensor | None, arc_scale: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Slacks, arrivals and slews: the fields of :class:`TimingTensors`."""
        farads, seconds, factors = (_array(tensor) for tensor in (capacitance, sink_delay, arc_scale))
        assert farads is not None
        wires = Wires("given", farads, np.zeros(len(farads)), seconds, setting.annotated)
        tape = forward_with_tape(
            setting.prepared,
            wires,
            factors,
            delay_model=setting.delay_model,
            smoothing=setting.smoothing,
            corrections=setting.corrections,
            block_size=setting.block_size,
            default_wire_load=setting.default_wire_load,
            remove_pessimism=setting.remove_pessimism,
            listed=setting.listed,
        )
        ctx.tape = tape
        ctx.kinds = [None if x is None else (x.dtype, x.device) for x in (capacitance, sink_delay, arc_scale)]
        ctx.set_materialize_grads(False)
        found = tape.values
        arrays = found.setup_slack, found.hold_slack, found.arrival, found.slew.copy()
        setup_slack, hold_slack, arrival, slew = (torch.from_numpy(array) for array in arrays)
        return setup_slack, hold_slack, arrival, slew

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients by the inputs; None for the setting and for inputs that were not given."""
        setup, hold, arrival, slew = (_array(gradient) for gradient in gradients)
        slack = None
        if setup is not None or hold is not None:
            none = np.zeros(ctx.tape.prepared.num_places)
            slack = (none if setup is None else setup, none if hold is None else hold)
        found = backward(ctx.tape, slack, arrival, slew)
        back: list[Tensor | None] = [None]
        for array, kind in zip((found.capacitance, found.sink_delay, found.arc_scale), ctx.kinds, strict=True):
            back.append(None if kind is None else torch.from_numpy(array).to(dtype=kind[0], device=kind[1]))
        return tuple(back)


def timing_layer(
    inputs_or_prepared: TimingInputs | Prepared,
    capacitance: Tensor,
    sink_delay: Tensor | None = None,
    arc_scale: Tensor | None = None,
    *,
    delay_model: str = "elmore",
    smoothing: float | None = None,
    corrections: Corrections | None = None,
    annotated: BoolArray | None = None,
    listed: BoolArray | None = None,
    default_wire_load: bool = False,
    remove_pessimism: bool = True,
    block_size: int | None = None,
) -> TimingTensors:
    """Slacks, arrivals and slews of a design under given wires, as tensors that gradients go through.

    Args:
        inputs_or_prepared: the design.
        capacitance: F of each net's wire, [N]; float32 or float64, as the others.
        sink_delay: wire delay into each pin and terminal, rise and fall, s, [P + T, 2]; not needed by "lumped_cap".
        arc_scale: factor of each walked arc's delay, [E], in the order of ``Prepared.arcs``; None = 1. For a factor
            that is learned as a logarithm give its ``exp()``.
        delay_model: "elmore" or "lumped_cap".
        smoothing: s; smooth merges instead of exact ones: see
            :func:`circuitgraph.analysis.sta_gradient.forward_with_tape`.
        corrections: of :func:`circuitgraph.analysis.sta_linearised.corrections_of`: the values of ``dmp`` at the wires
            that they were found for.
        annotated: nets with parasitics of their own, bool [N]; None = none, as wires by a model have it.
        listed, default_wire_load, remove_pessimism: as in :func:`circuitgraph.analysis.sta.analyse`.
        block_size: most nodes in a block: less state is kept for the backward sweep; the same bits.

    Raises:
        CircuitError: a tensor is of another shape; as ``forward_with_tape``.
    """
    prepared = inputs_or_prepared.prepared if isinstance(inputs_or_prepared, TimingInputs) else inputs_or_prepared
    prepared = prepared.origin or prepared
    nets = prepared.circuit.num_nets
    for name, tensor, shape in (
        ("capacitance", capacitance, (nets,)),
        ("sink_delay", sink_delay, (prepared.num_places, 2)),
        ("arc_scale", arc_scale, (len(prepared.arcs),)),
    ):
        if tensor is not None and tuple(tensor.shape) != shape:
            rule = f"must be of shape {shape}, not {tuple(tensor.shape)}"
            raise CircuitError(prepared.circuit.name, name, rule, "order it as the circuit's nets, places and arcs are")
    setting = Setting(
        prepared,
        delay_model,
        smoothing,
        corrections,
        np.zeros(nets, np.bool_) if annotated is None else annotated,
        listed,
        default_wire_load,
        remove_pessimism,
        block_size,
    )
    return TimingTensors(*TimingFunction.apply(setting, capacitance, sink_delay, arc_scale))


def _array(tensor: Tensor | None) -> FloatArray | None:
    """The values, float64; None of none."""
    if tensor is None:
        return None
    found: FloatArray = np.ascontiguousarray(tensor.detach().to("cpu", torch.float64).numpy())
    return found


__all__ = ["TimingFunction", "TimingTensors", "timing_layer"]
