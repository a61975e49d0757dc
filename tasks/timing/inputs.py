"""One design of the timing task: what a model may see, and the labels that extracted parasitics give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing, analyse
from circuitgraph.analysis.sta_prepare import Prepared, place_capacitances, prepare
from circuitgraph.analysis.wires import Wires, spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.formats import read
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.library import Library
from tasks.task import Example

FloatArray = npt.NDArray[np.float64]
LongArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TimingInputs:
    """A circuit, its library and constraints, prepared for analysis; nothing of its wires."""

    name: str
    prepared: Prepared
    black_box: bool = False
    break_loops: bool = False
    view_cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def circuit(self) -> Circuit:
        """The circuit."""
        return self.prepared.circuit

    @property
    def library(self) -> Library:
        """The library."""
        return self.prepared.library

    @cached_property
    def pin_capacitance(self) -> FloatArray:
        """F of each pin and terminal, rise and fall, [P + T, 2]."""
        return np.ascontiguousarray(place_capacitances(self.circuit, self.library, self.prepared.rows)[:, :2])

    @cached_property
    def nets(self) -> LongArray:
        """Nets with a driver and at least one load that are no constants: those that have wires, [M]."""
        circuit = self.circuit
        rows = (circuit.net_driver >= 0) & (circuit.net_load_count > 0) & (circuit.net_constant < 0)
        return np.flatnonzero(rows)

    @cached_property
    def fan_out(self) -> LongArray:
        """Sinks of each of :attr:`nets`, [M]."""
        return self.circuit.net_load_count[self.nets].astype(np.int64)

    @cached_property
    def view(self) -> Any:
        """The timing view that encoders read."""
        from circuitgraph.views import timing_view

        return timing_view(self.circuit, self.library, break_loops=self.break_loops)

    def analyse(self, wires: Wires, delay_model: str, **options: Any) -> Timing:
        """Timing under the given wires."""
        return analyse(self.prepared, wires=wires, delay_model=delay_model, **options)


@dataclass(frozen=True, eq=False)
class TimingLabels:
    """What extraction gives: farads and ohms of each net (NaN where it gives none), and the wires themselves.

    ``cache`` holds what is computed from them: it must never lie on the inputs, which models see.
    """

    capacitance: FloatArray
    resistance: FloatArray
    wires: Wires
    cache: dict[str, Any] = field(default_factory=dict, repr=False)


def read_inputs(
    netlist: str | Path,
    library: Library,
    sdc: str | Path,
    *,
    top: str | None = None,
    black_box: bool = False,
    break_loops: bool = False,
    ignore_sdc: bool = False,
    name: str = "",
) -> TimingInputs:
    """A design from its files.

    Args:
        ignore_sdc: count SDC commands that are not supported instead of refusing them.

    Raises:
        CircuitError: as the readers; a cell type is unknown and *black_box* is not set; there is a loop.
    """
    circuit = read(netlist, format="verilog", library=library, top=top, black_box=black_box)
    constraints = read_sdc(sdc, circuit, library, ignore_unsupported=ignore_sdc)
    prepared = prepare(circuit, library, constraints, black_box=black_box, break_loops=break_loops)
    return TimingInputs(name or circuit.name, prepared, black_box, break_loops)


def read_labels(spef: str | Path, inputs: TimingInputs) -> TimingLabels:
    """Labels of a design from its SPEF."""
    resolved = read(spef, format="spef").resolve(inputs.circuit)
    resolved.report.require(Path(spef).name)
    wires = spef_wires(resolved, inputs.circuit, inputs.pin_capacitance)
    none = np.full(inputs.circuit.num_nets, np.nan)
    capacitance = np.where(wires.annotated & (wires.capacitance > 0), wires.capacitance, none)
    resistance = np.where(wires.annotated & (wires.resistance > 0), wires.resistance, none)
    return TimingLabels(capacitance, resistance, wires)


def read_example(
    files: Mapping[str, Any], library: Library, family: str, *, black_box: bool = False, break_loops: bool = False
) -> Example:
    """An example from the paths ``netlist``, ``sdc`` and ``spef``."""
    name = Path(files["netlist"]).stem
    inputs = read_inputs(
        files["netlist"], library, files["sdc"], black_box=black_box, break_loops=break_loops, name=name
    )
    return Example(inputs, read_labels(files["spef"], inputs), family, inputs.name)


def corpus_examples(
    corpus: Any, split: str | None = None, *, black_box: bool = False, break_loops: bool = False
) -> list[tuple[Example, str]]:
    """Every placed design of a corpus with its split; parasitics and constraints lie beside the netlist."""
    found = []
    for entry in corpus.entries(split=split, kinds=("placed",)):
        path = corpus.path(entry)
        files = {"netlist": path, "sdc": path.with_suffix(".sdc"), "spef": path.with_suffix(".spef.xz")}
        example = read_example(files, corpus.library, entry.family, black_box=black_box, break_loops=break_loops)
        found.append((example, entry.split))
    return found
