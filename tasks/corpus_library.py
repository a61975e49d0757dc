"""Our own standard-cell library: Liberty, LEF, and the geometry that placement and routing use.

Every number is computed here from a small delay model, so the library is ours, legal to ship and easy to change.

Model. A cell is a chain of inverting stages from each input to each output. A stage of size x (multiples of the unit
inverter) has pull-up resistance ``rise * R_RISE / x``, pull-down resistance ``fall * R_FALL / x``, output parasitic
``parasitic * x * C_UNIT`` and input capacitance ``effort * x * C_UNIT`` (logical effort, stacks only partly upsized).
With input slew s (20-80 %) and load C:

* step response of one pole: ``t = ln 2 * R * (C_parasitic + C)``, 20-80 % transition ``q = ln 4 * R * (...)``;
* a ramp adds delay as in the alpha-power model, less and less when it is slow against the stage:
  ``delay = t + SLEW_GAIN * s / (1 + BEND * sqrt(s / t))``;
* the output transition is ``sqrt(q**2 + (SLEW_PASS * s)**2)``, never below ``SLEW_FLOOR``.

Both are monotone in s and in C. The scale is that of a 45-65 nm process: unit input 1 fF, fan-out-of-4 delay 33 ps.

Source: I. Sutherland, R. Sproull, D. Harris, Logical Effort (1999); T. Sakurai, A. R. Newton, Alpha-power law MOSFET
model and its applications to CMOS inverter delay (IEEE JSSC 25(2), 1990).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from circuitgraph.files import write_atomic
from circuitgraph.layout import CellShape, RoutingLayer, Technology
from circuitgraph.synthesis import Target

Floats = npt.NDArray[np.float64]

NAME = "cgl_typ"
C_UNIT = 1.0e-15  # F, input of the unit inverter
C_INSIDE = 0.12e-15  # F, wire between two stages of a cell
R_RISE, R_FALL = 6.8e3, 5.8e3  # ohm, unit pull-up and pull-down
SLEW_GAIN, BEND, SLEW_PASS, SLEW_FLOOR = 0.36, 0.22, 0.24, 2.0e-12
SLEWS = np.array([4.0, 10.0, 25.0, 60.0, 130.0, 270.0, 550.0]) * 1e-12  # s, index_1 of delay tables
LOADS = np.array([0.4, 1.2, 3.0, 7.0, 15.0, 32.0, 64.0]) * 1e-15  # F for drive 1, index_2; grows with the drive
CHECK_SLEWS = np.array([4.0, 60.0, 550.0]) * 1e-12  # s, both indices of check tables
SITE, ROW, GRID = 0.2e-6, 1.4e-6, 5e-9  # m: site width, row height, manufacturing grid
MICRON = 1e-6

# each: its name, its direction, then pitch and width in m, ohm per m, F per m
LAYERS = (
    RoutingLayer("M1", "horizontal", 0.20e-6, 0.10e-6, 5.4e6, 1.30e-10),
    RoutingLayer("M2", "vertical", 0.20e-6, 0.10e-6, 3.8e6, 1.42e-10),
    RoutingLayer("M3", "horizontal", 0.20e-6, 0.10e-6, 3.8e6, 1.56e-10),
    RoutingLayer("M4", "vertical", 0.28e-6, 0.14e-6, 1.5e6, 1.68e-10),
    RoutingLayer("M5", "horizontal", 0.28e-6, 0.14e-6, 1.5e6, 1.74e-10),
    RoutingLayer("M6", "vertical", 0.80e-6, 0.40e-6, 2.1e5, 1.88e-10),
    RoutingLayer("M7", "horizontal", 0.80e-6, 0.40e-6, 2.1e5, 1.94e-10),
)
VIAS = (9.0, 6.0, 6.0, 4.0, 4.0, 1.5)  # ohm, between a layer and the next


@dataclass(frozen=True)
class Stage:
    """One inverting stage; *rise* and *fall* are the resistances of its networks against the unit inverter's."""

    size: float
    rise: float = 1.0
    fall: float = 1.0
    parasitic: float = 1.0
    effort: float = 1.0

    def input_capacitance(self) -> float:
        """Farads that the driver of this stage sees."""
        return self.effort * self.size * C_UNIT


@dataclass(frozen=True)
class Arc:
    """One timing group: a chain of stages (or a check) between two pins, in Liberty's words."""

    source: str
    chain: tuple[Stage, ...] = ()
    kind: str = "combinational"
    sense: str = ""
    when: str = ""
    edges: tuple[str, ...] = ("rise", "fall")
    check: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # s: base rise, base fall; per clock, data slew


@dataclass(frozen=True)
class Output:
    """An output pin: its function and the arcs that end in it."""

    name: str
    function: str
    arcs: tuple[Arc, ...]


@dataclass(frozen=True)
class Cell:
    """One cell type.

    Attributes:
        inputs: name -> capacitance in farads.
        sites: width in sites.
        state: the lines of a Liberty ff or latch group, or none.
        checks: name of a data pin -> its check arcs.
        clock: name of the clock pin, or empty.
    """

    name: str
    drive: int
    sites: int
    inputs: dict[str, float]
    outputs: tuple[Output, ...]
    state: str = ""
    checks: dict[str, tuple[Arc, ...]] | None = None
    clock: str = ""
    can_map: bool = True

    @property
    def area(self) -> float:
        """Square metres."""
        return self.sites * SITE * ROW


def respond(chain: Sequence[Stage], edge: str, slews: Floats, loads: Floats) -> tuple[Floats, Floats]:
    """Delay and output transition of a chain whose last output makes *edge*.

    Args:
        chain: stages from the input to the output.
        edge: ``rise`` or ``fall`` at the output.
        slews: float64 [S], 20-80 % transition at the input, s.
        loads: float64 [L], capacitance at the output, F.

    Returns:
        Two float64 [S, L], s.
    """
    slew = np.repeat(slews[:, None], len(loads), axis=1)
    delay = np.zeros_like(slew)
    for position, stage in enumerate(chain):
        last = position == len(chain) - 1
        load = loads[None, :] if last else np.float64(chain[position + 1].input_capacitance() + C_INSIDE)
        rises = (edge == "rise") == ((len(chain) - 1 - position) % 2 == 0)
        resistance = (stage.rise * R_RISE if rises else stage.fall * R_FALL) / stage.size
        charge = resistance * (stage.parasitic * stage.size * C_UNIT + load)
        step = math.log(2) * charge
        delay = delay + step + SLEW_GAIN * slew / (1 + BEND * np.sqrt(slew / step))
        slew = np.maximum(np.sqrt((math.log(4) * charge) ** 2 + (SLEW_PASS * slew) ** 2), SLEW_FLOOR)
    return delay, slew


def _combinational(source: str, chain: Sequence[Stage], when: str = "") -> Arc:
    sense = "negative_unate" if len(chain) % 2 else "positive_unate"
    return Arc(source, tuple(chain), sense=sense, when=when)


def _single(kind: str, drive: int, function: str, effort: float, parasitic: float, pins: dict[str, tuple[float, float]],
            sites: float) -> Cell:  # fmt: skip
    """A one-stage gate; *pins* gives the rise and fall resistance seen from each input."""
    arcs = tuple(
        _combinational(pin, [Stage(drive, rise, fall, parasitic, effort)]) for pin, (rise, fall) in pins.items()
    )
    loads = dict.fromkeys(pins, effort * drive * C_UNIT)
    width = 1 + math.ceil(sites * (0.45 + 0.55 * drive))
    return Cell(f"CGL_{kind}_X{drive}", drive, width, loads, (Output("Z", function, arcs),))


def _double(kind: str, drive: int, function: str, first: Callable[[float], dict[str, Stage]], sites: float) -> Cell:
    """A one-stage gate followed by an inverter of the full drive."""
    stages = first(0.45 + 0.35 * drive)
    arcs = tuple(_combinational(pin, [stage, Stage(drive)]) for pin, stage in stages.items())
    loads = {pin: stage.input_capacitance() for pin, stage in stages.items()}
    width = 1 + math.ceil(sites * (0.45 + 0.55 * drive))
    return Cell(f"CGL_{kind}_X{drive}", drive, width, loads, (Output("Z", function, arcs),))


def _exclusive(kind: str, drive: int, inverted: bool) -> Cell:
    """XOR2 or XNOR2: one stage when the other input passes the sense, one inverter more when it does not."""
    stage = Stage(drive, 1.75, 1.55, 2.6, 1.3)
    front = Stage(0.4 + 0.3 * drive, effort=1.0)
    arcs: list[Arc] = []
    for pin, other in (("A", "B"), ("B", "A")):
        direct, crossed = (f"!{other}", other) if inverted else (other, f"!{other}")
        arcs.append(_combinational(pin, [stage], when=direct))
        arcs.append(_combinational(pin, [front, stage], when=crossed))
    load = stage.input_capacitance() + front.input_capacitance()
    function = "!(A ^ B)" if inverted else "(A ^ B)"
    width = 2 + math.ceil(3 * (0.4 + 0.6 * drive))
    return Cell(f"CGL_{kind}_X{drive}", drive, width, {"A": load, "B": load}, (Output("Z", function, tuple(arcs)),))


def _multiplexer(drive: int) -> Cell:
    """MUX2: inverting pass stage and output inverter; the select also drives its own inverter."""
    passing = Stage(0.5 + 0.3 * drive, 1.7, 1.6, 2.4, 1.2)
    invert = Stage(0.6)
    chain = (passing, Stage(drive))
    arcs = (
        _combinational("A", chain),
        _combinational("B", chain),
        _combinational("S", chain, when="!A & B"),
        _combinational("S", (invert, *chain), when="A & !B"),
    )
    load = passing.input_capacitance()
    loads = {"A": load, "B": load, "S": 0.7 * load + invert.input_capacitance()}
    return Cell(f"CGL_MUX2_X{drive}", drive, 6 + drive, loads, (Output("Z", "((S & B) | (!S & A))", arcs),))


def _adder(full: bool) -> Cell:
    """Half or full adder, drive 1, two outputs: carry and sum."""
    exclusive, front = Stage(1, 1.75, 1.55, 2.6, 1.3), Stage(0.7)
    first = Stage(0.8, 1.7, 1.6, 3.2, 1.3) if full else Stage(0.8, 1.0, 1.45, 1.6, 1.15)
    pins = ("A", "B", "CI") if full else ("A", "B")
    carry = tuple(_combinational(pin, [first, Stage(1)]) for pin in pins)
    total: list[Arc] = []
    for pin in pins:
        others = [other for other in pins if other != pin]
        if full:
            left, right = others
            odd, even = f"(({left} & !{right}) | (!{left} & {right}))", f"(({left} & {right}) | (!{left} & !{right}))"
        else:
            odd, even = others[0], f"!{others[0]}"
        chain = [exclusive] if pin == "CI" or not full else [exclusive, front, exclusive]
        total.append(_combinational(pin, chain, when=odd))
        total.append(_combinational(pin, [front, *chain], when=even))
    load = first.input_capacitance() + exclusive.input_capacitance() + front.input_capacitance()
    functions = ("((A & B) | (A & CI) | (B & CI))", "(A ^ B ^ CI)") if full else ("(A & B)", "(A ^ B)")
    outputs = (Output("CO", functions[0], carry), Output("S", functions[1], tuple(total)))
    return Cell(
        "CGL_FA_X1" if full else "CGL_HA_X1", 1, 16 if full else 10, dict.fromkeys(pins, load), outputs, can_map=False
    )


PS = 1e-12
INPUT_STAGE = Stage(0.75, 1.2, 1.2, 1.4, 1.0)


def _flip_flop(kind: str, drive: int, async_pin: str) -> Cell:
    """DFF, DFFR (async clear, active low) or DFFS (async preset, active low), positive edge."""
    slower = 1.12 if async_pin else 1.0
    launch = (
        Stage(0.7, parasitic=2.0),
        Stage(0.7, slower, slower, 2.2),
        Stage(0.9, 1.6 * slower, 1.6 * slower, 3.2),
        Stage(drive),
    )
    arcs = [Arc("CK", launch, "rising_edge", "non_unate")]
    checks: dict[str, tuple[Arc, ...]] = {
        "D": (
            Arc("CK", kind="setup_rising", check=(34 * PS, 46 * PS, -0.08, 0.32)),
            Arc("CK", kind="hold_rising", check=(4 * PS, -3 * PS, 0.12, -0.24)),
        )
    }
    inputs = {"D": INPUT_STAGE.input_capacitance(), "CK": 0.95 * C_UNIT}
    state = 'ff (IQ, IQN) {\n      clocked_on : "CK";\n      next_state : "D";\n'
    if async_pin:
        force = (Stage(0.8, 1.2, 1.45, 2.0), Stage(drive)) if async_pin == "RN" else (Stage(drive, 1.6, 1.3, 2.2),)
        edge, kind_of_arc = ("fall", "clear") if async_pin == "RN" else ("rise", "preset")
        sense = "positive_unate" if async_pin == "RN" else "negative_unate"
        arcs.append(Arc(async_pin, force, kind_of_arc, sense, edges=(edge,)))
        checks[async_pin] = (
            Arc("CK", kind="recovery_rising", edges=("rise",), check=(38 * PS, 0.0, -0.06, 0.22)),
            Arc("CK", kind="removal_rising", edges=("rise",), check=(12 * PS, 0.0, 0.10, -0.14)),
        )
        inputs[async_pin] = 1.35 * C_UNIT
        state += f'      {kind_of_arc} : "!{async_pin}";\n'
    output = Output("Q", "IQ", tuple(arcs))
    sites = 16 + (3 if async_pin else 0) + (drive - 1)
    return Cell(f"CGL_{kind}_X{drive}", drive, sites, inputs, (output,), state + "    }", checks, "CK")


def _latch(drive: int) -> Cell:
    """DLATCH: transparent while G is high."""
    front = Stage(0.75, 1.3, 1.3, 2.0, 1.0)
    data = (front, Stage(drive))
    arcs = (
        _combinational("D", data),
        Arc("G", (Stage(0.7), Stage(0.7), front, Stage(drive)), "rising_edge", "non_unate"),
    )
    checks: dict[str, tuple[Arc, ...]] = {
        "D": (
            Arc("G", kind="setup_falling", check=(30 * PS, 38 * PS, -0.06, 0.30)),
            Arc("G", kind="hold_falling", check=(8 * PS, 3 * PS, 0.10, -0.20)),
        )
    }
    state = 'latch (IQ, IQN) {\n      enable : "G";\n      data_in : "D";\n    }'
    inputs = {"D": front.input_capacitance(), "G": 0.9 * C_UNIT}
    return Cell(f"CGL_DLATCH_X{drive}", drive, 11, inputs, (Output("Q", "IQ", arcs),), state, checks, "G")


def _tie(name: str, function: str) -> Cell:
    return Cell(name, 1, 2, {}, (Output("Z", function, ()),))


def _buffers() -> list[Cell]:
    cells = [_double("BUF", drive, "A", lambda size: {"A": Stage(size)}, 2.0) for drive in (1, 2, 4, 8)]
    for drive in (2, 4):
        clock = _double("CLKBUF", drive, "A", lambda size: {"A": Stage(1.2 * size, 0.9, 1.06)}, 2.2)
        cells.append(Cell(clock.name, drive, clock.sites, clock.inputs, clock.outputs, can_map=False))
    return cells


def _gates() -> list[Cell]:
    nand2 = {"A": (1.0, 1.42), "B": (1.06, 1.50)}
    nand3 = {"A": (1.02, 1.74), "B": (1.08, 1.84), "C": (1.13, 1.93)}
    nand4 = {"A": (1.05, 2.04), "B": (1.11, 2.16), "C": (1.16, 2.27), "D": (1.20, 2.36)}
    nor2 = {"A": (1.64, 1.0), "B": (1.76, 1.06)}
    nor3 = {"A": (2.16, 1.04), "B": (2.32, 1.10), "C": (2.46, 1.14)}
    aoi21 = {"A": (1.60, 1.04), "B1": (1.74, 1.44), "B2": (1.80, 1.52)}
    oai21 = {"A": (1.06, 1.38), "B1": (1.70, 1.48), "B2": (1.80, 1.54)}
    aoi22 = {"A1": (1.68, 1.44), "A2": (1.74, 1.52), "B1": (1.82, 1.50), "B2": (1.88, 1.58)}
    oai22 = {"A1": (1.70, 1.42), "A2": (1.78, 1.48), "B1": (1.76, 1.52), "B2": (1.86, 1.58)}
    cells = [_single("INV", drive, "!A", 1.0, 1.0, {"A": (1.0, 1.0)}, 1.0) for drive in (1, 2, 4, 8)]
    cells += [_single("NAND2", drive, "!(A & B)", 1.15, 1.6, nand2, 2.0) for drive in (1, 2, 4)]
    cells += [_single("NAND3", drive, "!(A & B & C)", 1.24, 2.3, nand3, 3.0) for drive in (1, 2)]
    cells += [_single("NAND4", 1, "!(A & B & C & D)", 1.33, 3.0, nand4, 4.0)]
    cells += [_single("NOR2", drive, "!(A | B)", 1.22, 1.8, nor2, 2.0) for drive in (1, 2, 4)]
    cells += [_single("NOR3", 1, "!(A | B | C)", 1.36, 2.7, nor3, 3.0)]
    cells += [_single("AOI21", drive, "!(A | (B1 & B2))", 1.27, 2.3, aoi21, 3.0) for drive in (1, 2)]
    cells += [_single("OAI21", drive, "!(A & (B1 | B2))", 1.26, 2.2, oai21, 3.0) for drive in (1, 2)]
    cells += [_single("AOI22", 1, "!((A1 & A2) | (B1 & B2))", 1.32, 2.9, aoi22, 4.0)]
    cells += [_single("OAI22", 1, "!((A1 | A2) & (B1 | B2))", 1.31, 2.9, oai22, 4.0)]
    for drive in (1, 2):
        cells.append(_double("AND2", drive, "(A & B)", lambda size: _first(size, nand2, 1.6, 1.15), 3.0))
        cells.append(_double("OR2", drive, "(A | B)", lambda size: _first(size, nor2, 1.8, 1.22), 3.0))
    return cells


def _first(size: float, pins: dict[str, tuple[float, float]], parasitic: float, effort: float) -> dict[str, Stage]:
    return {pin: Stage(size, rise, fall, parasitic, effort) for pin, (rise, fall) in pins.items()}


def make_cells() -> dict[str, Cell]:
    """Every cell of the library by name, in the order of the files.

    >>> make_cells()["CGL_NAND2_X1"].outputs[0].function
    '!(A & B)'
    """
    cells = _gates() + _buffers()
    cells += [_exclusive("XOR2", 1, False), _exclusive("XOR2", 2, False), _exclusive("XNOR2", 1, True)]
    cells += [_multiplexer(1), _multiplexer(2), _adder(False), _adder(True)]
    cells += [_tie("CGL_TIEHI", "1"), _tie("CGL_TIELO", "0")]
    cells += [_flip_flop("DFF", 1, ""), _flip_flop("DFF", 2, ""), _flip_flop("DFFR", 1, "RN")]
    cells += [_flip_flop("DFFR", 2, "RN"), _flip_flop("DFFS", 1, "SN"), _latch(1)]
    return {cell.name: cell for cell in cells}


def cell_size(cell_type: str) -> tuple[float, float]:
    """Width and height of a cell type in metres.

    >>> cell_size("CGL_INV_X1")
    (4e-07, 1.4e-06)
    """
    return make_cells()[cell_type].sites * SITE, ROW


def pin_offset(cell_type: str, pin: str) -> tuple[float, float]:
    """Centre of a pin's shape from the lower left corner of the unrotated cell, in metres."""
    return _shape(make_cells()[cell_type]).pins[pin]


def _shape(cell: Cell) -> CellShape:
    """Pins stand on the routing tracks from left to right, inputs first, at two heights in turn."""
    names = [*cell.inputs, *(output.name for output in cell.outputs)]
    width = cell.sites * SITE
    pins: dict[str, tuple[float, float]] = {}
    for position, name in enumerate(names):
        x = round((position + 0.5) * width / len(names) / GRID) * GRID
        is_output = position >= len(cell.inputs)
        y = (0.7e-6) if is_output else (0.5e-6 if position % 2 == 0 else 0.9e-6)
        pins[name] = (round(x, 12), round(y, 12))
    return CellShape(round(width, 12), ROW, pins)


def technology() -> Technology:
    """Site, row, layers and cell shapes: what :mod:`circuitgraph.placement` and ``routing`` need."""
    shapes = {name: _shape(cell) for name, cell in make_cells().items()}
    return Technology("cgl", SITE, ROW, LAYERS, VIAS, shapes)


def _numbers(values: Floats) -> str:
    return ", ".join(f"{value:.6f}" for value in values)


def _table(kind: str, template: str, first: Floats, second: Floats, rows: Floats) -> list[str]:
    """One lookup table in library units."""
    lines = [f"        {kind} ({template}) {{"]
    lines.append(f'          index_1 ("{_numbers(first)}");')
    lines.append(f'          index_2 ("{_numbers(second)}");')
    lines.append("          values ( \\")
    for position, row in enumerate(rows):
        lines.append(f'            "{_numbers(row)}"{", " if position < len(rows) - 1 else " "}\\')
    return [*lines, "          );", "        }"]


def _timing(arc: Arc, drive: int) -> list[str]:
    """One timing group."""
    lines = ["      timing () {", f'        related_pin : "{arc.source}";']
    if arc.kind != "combinational":
        lines.append(f"        timing_type : {arc.kind};")
    if arc.sense:
        lines.append(f"        timing_sense : {arc.sense};")
    if arc.when:
        lines.append(f'        when : "{arc.when}";')
    if arc.chain:
        loads = LOADS * drive
        for edge in arc.edges:
            delay, slew = respond(arc.chain, edge, SLEWS, loads)
            axes = (SLEWS * 1e9, loads * 1e12)
            lines += _table(f"cell_{edge}", "delay_7x7", *axes, delay * 1e9)
            lines += _table(f"{edge}_transition", "delay_7x7", *axes, slew * 1e9)
    else:
        clock, data = CHECK_SLEWS[:, None], CHECK_SLEWS[None, :]
        for edge, base in zip(("rise", "fall"), arc.check[:2], strict=True):
            if edge in arc.edges:
                values = base + arc.check[2] * clock + arc.check[3] * data
                lines += _table(f"{edge}_constraint", "check_3x3", CHECK_SLEWS * 1e9, CHECK_SLEWS * 1e9, values * 1e9)
    return [*lines, "      }"]


def _cell_lines(cell: Cell) -> list[str]:
    lines = [f"  cell ({cell.name}) {{", f"    area : {cell.area * 1e12:.3f};"]
    lines.append(f"    cell_leakage_power : {12.0 * cell.sites:.1f};")
    if not cell.can_map:
        lines.append("    dont_use : true;")
    if cell.state:
        lines.append(f"    {cell.state}")
    for name, farads in cell.inputs.items():
        lines += [f"    pin ({name}) {{", "      direction : input;"]
        if name == cell.clock:
            lines.append("      clock : true;")
        picofarads = farads * 1e12
        lines.append(f"      capacitance : {picofarads:.6f};")
        lines.append(f"      rise_capacitance : {picofarads * 1.02:.6f};")
        lines.append(f"      fall_capacitance : {picofarads * 0.97:.6f};")
        for arc in (cell.checks or {}).get(name, ()):
            lines += _timing(arc, cell.drive)
        lines.append("    }")
    for output in cell.outputs:
        lines += [f"    pin ({output.name}) {{", "      direction : output;", f'      function : "{output.function}";']
        lines.append(f"      max_capacitance : {LOADS[-1] * cell.drive * 1e12:.6f};")
        for arc in output.arcs:
            lines += _timing(arc, cell.drive)
        lines.append("    }")
    return [*lines, "  }"]


HEADER = f"""/* Cell library of circuitgraph-learn, computed by tasks/corpus_library.py. Licence: Apache-2.0. */
library ({NAME}) {{
  technology (cmos);
  delay_model : table_lookup;
  time_unit : "1ns";
  voltage_unit : "1V";
  current_unit : "1mA";
  pulling_resistance_unit : "1kohm";
  leakage_power_unit : "1nW";
  capacitive_load_unit (1, pf);
  nom_process : 1.0;
  nom_temperature : 25.0;
  nom_voltage : 1.10;
  input_threshold_pct_rise : 50.0;
  input_threshold_pct_fall : 50.0;
  output_threshold_pct_rise : 50.0;
  output_threshold_pct_fall : 50.0;
  slew_lower_threshold_pct_rise : 20.0;
  slew_lower_threshold_pct_fall : 20.0;
  slew_upper_threshold_pct_rise : 80.0;
  slew_upper_threshold_pct_fall : 80.0;
  slew_derate_from_library : 1.0;
  default_fanout_load : 1.0;
  default_inout_pin_cap : 0.0;
  default_input_pin_cap : 0.0;
  default_output_pin_cap : 0.0;
  default_max_transition : 0.550;
  operating_conditions (typical) {{
    process : 1.0;
    temperature : 25.0;
    voltage : 1.10;
    tree_type : balanced_tree;
  }}
  default_operating_conditions : typical;
  wire_load (small) {{
    resistance : 0.0036;
    capacitance : 0.000150;
    area : 0.1;
    slope : 9.0;
    fanout_length (1, 7.0);
    fanout_length (2, 14.0);
    fanout_length (3, 22.0);
    fanout_length (4, 30.0);
    fanout_length (8, 66.0);
    fanout_length (16, 138.0);
  }}
  default_wire_load : small;
  default_wire_load_mode : top;
  lu_table_template (delay_7x7) {{
    variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance;
    index_1 ("{_numbers(SLEWS * 1e9)}");
    index_2 ("{_numbers(LOADS * 1e12)}");
  }}
  lu_table_template (check_3x3) {{
    variable_1 : related_pin_transition;
    variable_2 : constrained_pin_transition;
    index_1 ("{_numbers(CHECK_SLEWS * 1e9)}");
    index_2 ("{_numbers(CHECK_SLEWS * 1e9)}");
  }}
"""


def write_liberty() -> str:
    """The text of ``cgl_typ.lib``: ns, pF, thresholds 50 %, transitions 20-80 %."""
    lines = [line for cell in make_cells().values() for line in _cell_lines(cell)]
    return HEADER + "\n".join(lines) + "\n}\n"


def _um(metres: float) -> str:
    return f"{metres / MICRON:.4f}".rstrip("0").rstrip(".")


def _layer_lines() -> list[str]:
    lines: list[str] = []
    for position, layer in enumerate(LAYERS):
        edge = 0.35 * layer.capacitance  # share of each side wall in the capacitance of a wire
        area = (layer.capacitance - 2 * edge) / layer.width
        lines += [
            f"LAYER {layer.name}",
            "  TYPE ROUTING ;",
            f"  DIRECTION {layer.direction.upper()} ;",
            f"  PITCH {_um(layer.pitch)} ;",
            f"  WIDTH {_um(layer.width)} ;",
            f"  SPACING {_um(layer.pitch - layer.width)} ;",
            f"  RESISTANCE RPERSQ {layer.resistance * layer.width:.6g} ;",
            f"  CAPACITANCE CPERSQDIST {area:.6g} ;",
            f"  EDGECAPACITANCE {edge * 1e6:.6g} ;",
            f"END {layer.name}",
            "",
        ]
        if position < len(VIAS):
            cut = f"VIA{position + 1}"
            lines += [f"LAYER {cut}", "  TYPE CUT ;", f"  RESISTANCE {VIAS[position]:g} ;", f"END {cut}", ""]
    return lines


def _macro_lines(cell: Cell) -> list[str]:
    shape = _shape(cell)
    lines = [f"MACRO {cell.name}", "  CLASS CORE ;", "  ORIGIN 0 0 ;"]
    lines.append(f"  SIZE {_um(shape.width)} BY {_um(shape.height)} ;")
    lines += ["  SYMMETRY X Y ;", "  SITE core ;"]
    half = LAYERS[0].width / 2
    for name, (x, y) in shape.pins.items():
        direction = "INPUT" if name in cell.inputs else "OUTPUT"
        lines += [f"  PIN {name}", f"    DIRECTION {direction} ;", "    USE SIGNAL ;", "    PORT", "      LAYER M1 ;"]
        box = " ".join(_um(value) for value in (x - half, y - half, x + half, y + half))
        lines += [f"        RECT {box} ;", "    END", f"  END {name}"]
    return [*lines, f"END {cell.name}", ""]


def write_lef() -> str:
    """The text of ``cgl.lef``: layers, site and one macro a cell; microns."""
    lines = ["# Standard-cell shapes of circuitgraph-learn, computed by tasks/corpus_library.py. Licence: Apache-2.0."]
    lines += ["VERSION 5.8 ;", 'BUSBITCHARS "[]" ;', 'DIVIDERCHAR "/" ;', "UNITS", "  DATABASE MICRONS 2000 ;"]
    lines += ["END UNITS", f"MANUFACTURINGGRID {_um(GRID)} ;", ""]
    lines += _layer_lines()
    lines += ["SITE core", "  CLASS CORE ;", "  SYMMETRY Y ;", f"  SIZE {_um(SITE)} BY {_um(ROW)} ;", "END core", ""]
    for cell in make_cells().values():
        lines += _macro_lines(cell)
    return "\n".join([*lines, "END LIBRARY", ""])


def write_library(folder: Path) -> list[Path]:
    """Write the Liberty and the LEF file into *folder* and give their paths."""
    return [
        write_atomic(folder / f"{NAME}.lib", write_liberty()),
        write_atomic(folder / "cgl.lef", write_lef()),
    ]


def target(folder: Path) -> Target:
    """What :func:`circuitgraph.synthesis.synthesise` maps to; *folder* holds the Liberty file."""
    return Target(
        folder / f"{NAME}.lib", ("CGL_TIEHI", "Z"), ("CGL_TIELO", "Z"), "CGL_BUF_X2", 3e-15, full_adder="CGL_FA_X1"
    )
