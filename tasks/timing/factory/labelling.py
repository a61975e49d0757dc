"""Constraints and labels of a design from its files: what both made and imported designs end with."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.pi_model import ReducedWires, reduced_wires
from circuitgraph.analysis.sta import Timing, listed_places
from circuitgraph.analysis.sta_output import PIN_COLUMNS, csv_text, pin_rows
from circuitgraph.analysis.sta_prepare import prepare
from circuitgraph.files import write_atomic
from circuitgraph.formats import read
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.layout import Technology
from circuitgraph.library import Library
from tasks.timing.factory.clocking import find_period, sdc_text
from tasks.timing.inputs import TimingInputs, TimingLabels, read_inputs, read_labels

FloatArray = npt.NDArray[np.float64]

RELAXED_DELAYS = 200.0
"""The period where the search begins, in delays of the library's chosen buffer."""
SLEW_DELAYS = 0.125
"""Slew of the inputs, in the same unit."""


def constrain(
    name: str,
    library: Library,
    paths: Mapping[str, Path],
    *,
    period: float,
    delay: float,
    remark: str,
    is_propagated: bool = False,
    black_box: bool = False,
    break_loops: bool = False,
) -> float:
    """Write the SDC of a design; gives the period, s.

    Args:
        name: of the design.
        library: of its cells.
        paths: of its netlist, SPEF and SDC.
        period: s; 0 to find one with the engine over the parasitics.
        delay: s, of the library's buffer: the scale of the search and of the inputs' slew.
        remark: for the head of the SDC.
        is_propagated: the design has a clock tree.
        black_box: keep unknown types opaque.
        break_loops: cut combinational loops.

    Raises:
        CircuitError: as the readers and :func:`tasks.timing.factory.clocking.find_period`.
    """
    circuit = read(paths["netlist"], format="verilog", library=library, black_box=black_box)

    def text(at: float) -> str:
        return sdc_text(name, circuit, library, at, SLEW_DELAYS * delay, remark, is_propagated=is_propagated)

    if not period:
        resolved = read(paths["spef"], format="spef").resolve(circuit)
        listed = listed_places(resolved, circuit)
        wires: list[ReducedWires] = []
        ends: list[npt.NDArray[np.bool_]] = []

        def slacks(at: float) -> FloatArray:
            constraints = read_sdc(io.BytesIO(text(at).encode()), circuit, library)
            prepared = prepare(circuit, library, constraints, black_box=black_box, break_loops=break_loops)
            inputs = TimingInputs(name, prepared)
            if not wires:
                wires.append(reduced_wires(resolved, circuit, inputs.pin_capacitances))
            slack = inputs.analyse(wires[0], "dmp", listed=listed).worst_slack()
            if not ends:
                ends.append(~np.isnan(slack))
            return np.asarray(slack[ends[0]], np.float64)

        period = find_period(slacks, RELAXED_DELAYS * delay, name)
    write_atomic(paths["sdc"], text(period))
    return period


def write_labels(
    name: str,
    library: Library,
    technology: Technology,
    paths: Mapping[str, Path],
    *,
    black_box: bool = False,
    break_loops: bool = False,
) -> tuple[TimingInputs, TimingLabels, Timing]:
    """Read a design's files, analyse it over its parasitics, write ``pins``.

    Args:
        name: of the design.
        library: of its cells.
        technology: of its placement.
        paths: of netlist, SDC, DEF, SPEF and pins.
        black_box: keep unknown types opaque.
        break_loops: cut combinational loops.

    Raises:
        CircuitError: as the readers.
    """
    inputs = read_inputs(
        paths["netlist"],
        library,
        paths["sdc"],
        name=name,
        placement=paths["def"],
        technology=technology,
        black_box=black_box,
        break_loops=break_loops,
    )
    labels = read_labels(paths["spef"], inputs)
    timing = labels.reference(inputs)
    write_atomic(paths["pins"], csv_text(PIN_COLUMNS, pin_rows(timing)))
    return inputs, labels, timing
