"""One design of the timing task: what a model may see, and the labels that extracted parasitics give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.pi_model import ReducedWires, reduced_wires
from circuitgraph.analysis.sta import Timing, analyse, listed_places
from circuitgraph.analysis.sta_prepare import Prepared, place_capacitances, prepare
from circuitgraph.analysis.wires import Wires, spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.formats import read
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.layout import Layout, LayoutReport, Technology
from circuitgraph.library import Library
from circuitgraph.parasitics import MATCH_SHARE, ResolvedParasitics
from circuitgraph.trees import NetTrees, net_trees
from tasks.task import Example

FloatArray = npt.NDArray[np.float64]
LongArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TimingInputs:
    """A circuit, its library and constraints, prepared for analysis, and where its cells stand; nothing of its wires.

    ``layout`` is parallel to the circuit; it and ``technology`` are None without a placement.
    """

    name: str
    prepared: Prepared
    black_box: bool = False
    break_loops: bool = False
    view_cache: dict[str, Any] = field(default_factory=dict, repr=False)
    layout: Layout | None = None
    technology: Technology | None = None
    layout_report: LayoutReport | None = None

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
    def pin_capacitances(self) -> FloatArray:
        """F of each pin and terminal, late rise, late fall, early rise, early fall, [P + T, 4]."""
        return np.ascontiguousarray(place_capacitances(self.circuit, self.library, self.prepared.rows))

    def trees(self, kind: str = "spanning", pull: float = 0.0) -> NetTrees:
        """Trees of the nets over the placement, as :func:`circuitgraph.trees.net_trees` makes them, made once.

        Raises:
            CircuitError: there is no placement.
        """
        if self.layout is None:
            raise CircuitError(self.name, "design", "has no placement", "give --def and --lef")
        key = f"{kind} {pull}"
        if key not in self.view_cache:
            self.view_cache[key] = net_trees(self.circuit, self.layout, kind, pull)
        found: NetTrees = self.view_cache[key]
        return found

    @cached_property
    def period(self) -> float:
        """Shortest period of the clocks, s; NaN without a clock."""
        return min((clock.period for clock in self.prepared.constraints.clocks), default=float("nan"))

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

    ``golden`` is what another program says of every pin, where the design comes with it. ``cache`` holds what is
    computed from the labels: it must never lie on the inputs, which models see.
    """

    capacitance: FloatArray
    resistance: FloatArray
    wires: Wires
    cache: dict[str, Any] = field(default_factory=dict, repr=False)
    resolved: ResolvedParasitics | None = None
    golden: PinTimes | None = None

    def reduced(self, inputs: TimingInputs) -> ReducedWires:
        """The true wires as pi models and Elmore delays."""
        if "reduced" not in self.cache:
            if self.resolved is None:
                raise CircuitError(inputs.name, "labels", "hold no parasitics", "read them from a SPEF file")
            self.cache["reduced"] = reduced_wires(self.resolved, inputs.circuit, inputs.pin_capacitances)
        found: ReducedWires = self.cache["reduced"]
        return found

    def reference(self, inputs: TimingInputs) -> Timing:
        """The engine's analysis over the true wires, delay model "dmp"; "elmore" where only wires without trees are known."""
        if "timing" not in self.cache and self.resolved is None:
            self.cache["timing"] = inputs.analyse(self.wires, "elmore", default_wire_load=False)
        if "timing" not in self.cache:
            assert self.resolved is not None
            listed = listed_places(self.resolved, inputs.circuit)
            self.cache["timing"] = inputs.analyse(self.reduced(inputs), "dmp", listed=listed)
        found: Timing = self.cache["timing"]
        return found

    def truth(self, inputs: TimingInputs) -> PinTimes:
        """What is to be predicted: the golden where there is one, else the engine over the true wires."""
        if self.golden is not None:
            return self.golden
        if "truth" not in self.cache:
            self.cache["truth"] = PinTimes.of(self.reference(inputs))
        found: PinTimes = self.cache["truth"]
        return found


@dataclass(frozen=True, eq=False)
class PinTimes:
    """Times of every pin and terminal, s; NaN where there is none. Columns late rise, late fall, early rise, early fall.

    | field | type, shape |
    |---|---|
    | arrival, slew | float64 [P + T, 4] |
    | setup_slack, hold_slack | float64 [P + T], at endpoints |
    """

    arrival: FloatArray
    slew: FloatArray
    setup_slack: FloatArray
    hold_slack: FloatArray

    @classmethod
    def of(cls, timing: Timing) -> PinTimes:
        """Those of an analysis."""
        return cls(timing.arrival, timing.slew, timing.worst_slack(), timing.worst_slack(early=True))


def read_pins(path: str | Path, circuit: Circuit) -> PinTimes:
    """Times of a circuit's pins from a table with the header of ``pins.csv``, ns; pins of other names are left out.

    Raises:
        CircuitError: the header is another, or a number is none.
    """
    import csv
    import io

    from circuitgraph.analysis.sta_output import PIN_COLUMNS, place_names
    from circuitgraph.files import read_bytes

    rows = csv.reader(io.StringIO(read_bytes(path).decode("utf-8-sig", "replace")))
    header = next(rows, [])
    if tuple(header) != PIN_COLUMNS:
        raise CircuitError(str(path), "header", "is not that of pins.csv", f"it must be {','.join(PIN_COLUMNS)}")
    place_of = {name: place for place, name in enumerate(place_names(circuit))}
    found = np.full((circuit.num_pins + circuit.num_ports, len(PIN_COLUMNS) - 2), np.nan)
    for number, row in enumerate(rows, 2):
        place = place_of.get(row[0]) if row else None
        if place is None:
            continue
        try:
            if len(row) != len(PIN_COLUMNS):
                raise ValueError
            found[place] = [float(text) * 1e-9 if text else np.nan for text in row[2:]]
        except ValueError:
            rule = "holds a number that is none, or another count of columns"
            raise CircuitError(f"{path}:{number}", f"pin {row[0]}", rule, "write the table again") from None
    return PinTimes(found[:, :4], found[:, 4:8], found[:, 8], found[:, 9])


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
    placement: str | Path | None = None,
    technology: Technology | None = None,
) -> TimingInputs:
    """A design from its files.

    Args:
        ignore_sdc: count SDC commands that are not supported instead of refusing them.
        placement: a DEF file; needs the technology.
        technology: shapes of the cells and layers, from LEF.

    Raises:
        CircuitError: as the readers; a cell type is unknown and *black_box* is not set; there is a loop.
    """
    circuit = read(netlist, format="verilog", library=library, top=top, black_box=black_box)
    constraints = read_sdc(sdc, circuit, library, ignore_unsupported=ignore_sdc)
    prepared = prepare(circuit, library, constraints, black_box=black_box, break_loops=break_loops)
    layout, report = (
        (None, None) if placement is None else read_placement(placement, circuit, technology, black_box=black_box)
    )
    return TimingInputs(
        name or circuit.name,
        prepared,
        black_box,
        break_loops,
        layout=layout,
        technology=technology,
        layout_report=report,
    )


def read_placement(
    placement: str | Path, circuit: Circuit, technology: Technology | None, *, black_box: bool = False
) -> tuple[Layout, LayoutReport]:
    """The layout of a circuit from a DEF file, and how far the two agree.

    Raises:
        CircuitError: there is no technology, or more than a tenth of the cells have no place in the file.
    """
    if technology is None:
        raise CircuitError(str(placement), "placement", "needs the shapes of its cells", "add --lef")
    resolved = read(placement, format="def", technology=technology).resolve(circuit, technology, black_box=black_box)
    report: LayoutReport = resolved.report
    if report.num_missing + report.num_unplaced > (1 - MATCH_SHARE) * report.cells:
        report.require(Path(placement).name)
    return resolved.layout, report


def read_labels(
    spef: str | Path, inputs: TimingInputs, golden: str | Path | None = None, *, whole: bool = True
) -> TimingLabels:
    """Labels of a design from its SPEF, and the times of another program where there is a table of them.

    Args:
        whole: refuse parasitics that lack more than a tenth of the nets.
    """
    resolved = read(spef, format="spef").resolve(inputs.circuit)
    if whole:
        resolved.report.require(Path(spef).name)
    wires = spef_wires(resolved, inputs.circuit, inputs.pin_capacitance)
    none = np.full(inputs.circuit.num_nets, np.nan)
    capacitance = np.where(wires.annotated & (wires.capacitance > 0), wires.capacitance, none)
    resistance = np.where(wires.annotated & (wires.resistance > 0), wires.resistance, none)
    pins = read_pins(golden, inputs.circuit) if golden is not None else None
    return TimingLabels(capacitance, resistance, wires, resolved=resolved, golden=pins)


def read_example(
    files: Mapping[str, Any],
    library: Library,
    family: str,
    *,
    technology: Technology | None = None,
    black_box: bool = False,
    break_loops: bool = False,
) -> Example:
    """An example from the paths ``netlist``, ``sdc`` and ``spef``, and ``def`` where there is a technology."""
    name = Path(files["netlist"]).stem
    inputs = read_inputs(
        files["netlist"],
        library,
        files["sdc"],
        black_box=black_box,
        break_loops=break_loops,
        name=name,
        placement=files.get("def") if technology is not None else None,
        technology=technology,
    )
    return Example(inputs, read_labels(files["spef"], inputs), family, inputs.name)


def corpus_examples(
    corpus: Any, split: str | None = None, *, black_box: bool = False, break_loops: bool = False
) -> list[tuple[Example, str]]:
    """Every placed design of a corpus with its split; placement, parasitics and constraints lie beside the netlist."""
    from circuitgraph.formats.lef import read_lef

    found = []
    lefs = sorted((corpus.folder / "library").glob("*.lef*"))
    technology = read_lef(*lefs) if lefs else None
    for entry in corpus.entries(split=split, kinds=("placed",)):
        path = corpus.path(entry)
        placement = path.with_suffix(".def.xz")
        files = {
            "netlist": path,
            "sdc": path.with_suffix(".sdc"),
            "spef": path.with_suffix(".spef.xz"),
            "def": placement,
        }
        own = technology if placement.exists() else None
        given = {"technology": own, "black_box": black_box, "break_loops": break_loops}
        found.append((read_example(files, corpus.library, entry.family, **given), entry.split))
    return found
