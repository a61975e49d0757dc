"""The commands of SDC that say something about timing, and those that are refused or counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from circuitgraph.circuit import Circuit
from circuitgraph.constraints import NOTHING, Clock, Constraints, DrivingCell, Four, PortDelay
from circuitgraph.errors import Notes
from circuitgraph.formats.sdc.options import Options, to_number
from circuitgraph.formats.sdc.queries import Objects, unhandled
from circuitgraph.formats.sdc.words import Word, split_list

REFUSED = frozenset(
    [
        "set_data_check",
        "set_resistance",
        "set_ideal_network",
        "set_ideal_net",
        "set_ideal_latency",
        "set_ideal_transition",
        "set_annotated_delay",
        "set_annotated_transition",
        "set_annotated_check",
        "set_sense",
        "set_clock_sense",
        "set_wire_load_model",
        "set_clock_jitter",
        "set_path_margin",
        "set_cell_delay",
        "set_net_delay",
        "reset_path",
        "remove_clock",
        "source",
        "read_sdc",
        "proc",
        "eval",
        "exec",
        "open",
        "while",
        "for",
        "uplevel",
        "set_latency_adjustment_options",
        "set_clock_exclusivity",
    ]
)
"""Commands that can change timing, or run something, and are not supported."""
HARMLESS = frozenset(
    [
        "set_max_fanout",
        "set_max_transition",
        "set_max_capacitance",
        "set_min_capacitance",
        "set_min_fanout",
        "set_min_transition",
        "set_max_area",
        "set_dont_touch",
        "set_dont_use",
        "set_dont_touch_network",
        "set_fanout_load",
        "set_port_fanout_number",
        "set_operating_conditions",
        "set_wire_load_mode",
        "set_wire_load_min_block_size",
        "set_wire_load_selection_group",
        "set_voltage",
        "group_path",
        "create_voltage_area",
        "set_level_shifter_strategy",
        "set_level_shifter_threshold",
        "set_max_dynamic_power",
        "set_max_leakage_power",
        "set_min_pulse_width",
        "set_min_porosity",
        "set_hierarchy_separator",
        "set_logic_dc",
        "set_size_only",
        "suppress_message",
        "set_message_info",
        "define_cell_role",
        "set_switching_activity",
        "set_cost_priority",
        "set_critical_range",
        "set_fix_hold",
        "set_fix_multiple_port_nets",
        "set_auto_disable_drc_nets",
        "set_host_options",
        "set_app_var",
        "report_timing",
        "report_clock",
        "report_checks",
        "report_clock_properties",
    ]
)
"""Commands that change no timing: counted."""

Row = tuple[Callable[["Timing", Options], None], str, str]


class Timing:
    """What the commands have said so far.

    Args:
        circuit: whose ports and pins they speak of.
        time, capacitance, resistance: s, F and ohm of one unit.
        units_of: whose units they are, for messages.
    """

    def __init__(
        self,
        circuit: Circuit,
        objects: Objects,
        notes: Notes,
        time: float,
        capacitance: float,
        resistance: float,
        units_of: str,
    ) -> None:
        self.circuit = circuit
        self.objects = objects
        self.notes = notes
        self.time = time
        self.capacitance = capacitance
        self.resistance = resistance
        self.units_of = units_of
        self.clocks: list[Clock] = []
        self.inputs: list[PortDelay] = []
        self.outputs: list[PortDelay] = []
        self.transition = np.full((circuit.num_ports, 4), np.nan)
        self.load = np.zeros((circuit.num_ports, 4))
        self.drive = np.full((circuit.num_ports, 4), np.nan)
        self.driving: dict[int, list[DrivingCell]] = {}
        self.net_load: dict[int, float] = {}
        self.case: dict[int, int] = {}
        self.disabled_places: set[int] = set()
        self.disabled_arcs: set[tuple[int, int]] = set()
        self.disabled_types: set[tuple[str, str, str]] = set()
        self.exclusive: set[tuple[int, int]] = set()
        self.uncertainty: dict[tuple[int, int], tuple[float, float]] = {}
        self.edge_uncertainty: dict[tuple[int, int, int, int], tuple[float, float]] = {}
        self.borrow: dict[str, dict[int, float]] = {}
        self.ungated: dict[str, set[int]] = {"cell": set(), "pin": set()}
        self.exceptions: list[object] = []
        self.derate = np.ones(4)
        self.gating: tuple[float, float] | None = None

    def constraints(self, place: str) -> Constraints:
        """What was said, resolved."""
        from circuitgraph.constraints import PathException

        return Constraints(
            clocks=tuple(self.clocks),
            input_delays=tuple(self.inputs),
            output_delays=tuple(self.outputs),
            input_transition=self.transition,
            load=self.load,
            drive=self.drive,
            driving_cells={row: tuple(cells) for row, cells in self.driving.items()},
            net_load=dict(self.net_load),
            case_values=dict(self.case),
            disabled_places=frozenset(self.disabled_places),
            disabled_arcs=frozenset(self.disabled_arcs),
            disabled_types=frozenset(self.disabled_types),
            exclusive=frozenset(self.exclusive),
            clock_uncertainty=dict(self.uncertainty),
            edge_uncertainty=dict(self.edge_uncertainty),
            borrow_limits={kind: dict(limits) for kind, limits in self.borrow.items()},
            ungated=(frozenset(self.ungated["cell"]), frozenset(self.ungated["pin"])),
            exceptions=tuple(row for row in self.exceptions if isinstance(row, PathException)),
            derate=self.derate,
            clock_gating=self.gating,
            notes=self.notes,
            place=place,
        )

    # -- objects -------------------------------------------------------------------------------

    def found(self, options: Options, words: list[Word], *kinds: str) -> list[tuple[str, int]]:
        """Objects that words name; plain names are looked for among the kinds in order.

        Names that nothing has are counted.

        Raises:
            CircuitError: an object is of another kind.
        """
        result: dict[tuple[str, int], None] = {}
        for word in words:
            for item in split_list(word.text):
                known = unhandled(item)
                if known is not None:
                    if known[0] not in kinds:
                        rule = f"takes {' or '.join(f'{kind}s' for kind in kinds)}, not a {known[0]}"
                        raise options.fail(rule, "name other objects, or leave the command out")
                    result[known] = None
                    continue
                rows = next(((kind, rows) for kind in kinds if (rows := self.objects.find(kind, item))), None)
                if rows is None:
                    self.notes.add(
                        f"name of a {kinds[0]} that the circuit does not have",
                        f"{options.script.place(word.at)} {item}",
                    )
                    continue
                result.update({(rows[0], row): None for row in rows[1]})
        return list(result)

    def place(self, item: tuple[str, int]) -> int:
        """Place of a port or pin."""
        return item[1] if item[0] == "pin" else self.circuit.num_pins + item[1]

    def clock_rows(self, options: Options, words: list[Word]) -> list[int]:
        """Rows of the clocks that words name.

        Raises:
            CircuitError: there is no such clock.
        """
        rows = [row for _, row in self.found(options, words, "clock")]
        if not rows:
            names = ", ".join(clock.name for clock in self.clocks) or "none"
            text = " ".join(word.text for word in words)
            if "\x02" in text or not text:
                text = "the query"
            raise options.fail(f"clock {text!r} is not defined", f"create it first; there are: {names}")
        return rows

    def clock_names(self) -> list[str]:
        """Names of the clocks so far."""
        return [clock.name for clock in self.clocks]

    def clock_ports(self) -> set[int]:
        """Terminals where clocks start."""
        pins = self.circuit.num_pins
        return {place - pins for clock in self.clocks for place in clock.sources if place >= pins}


def merged(old: Four, columns: list[int], value: float) -> Four:
    """Four columns with some of them set."""
    row = list(old)
    for column in columns:
        row[column] = value
    return row[0], row[1], row[2], row[3]


# -- ports -------------------------------------------------------------------------------------


def port_delay(timing: Timing, options: Options) -> None:
    """``set_input_delay`` and ``set_output_delay``."""
    is_input = options.command.text == "set_input_delay"
    if len(options.rest) < 2:
        raise options.fail("takes a delay and ports", f"write {options.command.text} 1 -clock clk [all_inputs]")
    if options.has("-reference_pin"):
        raise options.fail("option -reference_pin is not supported", "give the delay from the clock's edge")
    value = to_number(options.script, options.rest[0]) * timing.time
    clock = timing.clock_rows(options, options.values["-clock"])[0] if options.has("-clock") else -1
    is_fall = options.has("-clock_fall")
    table = timing.inputs if is_input else timing.outputs
    rows: dict[tuple[int, int, bool], int] = {(old.place, old.clock, old.is_fall): row for row, old in enumerate(table)}
    gone: set[int] = set()
    for item in timing.found(options, options.rest[1:], "port", "pin"):
        place = timing.place(item)
        key = (place, clock, is_fall)
        if not options.has("-add_delay"):
            gone.update(
                row for (at, other, fall), row in rows.items() if at == place and (other, fall) != (clock, is_fall)
            )
        old = table[rows[key]] if key in rows else PortDelay(place, clock, is_fall, NOTHING)
        new = replace(
            old,
            delay=merged(old.delay, options.columns(), value),
            source_latency_included=options.has("-source_latency_included"),
            network_latency_included=options.has("-network_latency_included"),
        )
        if key in rows:
            table[rows[key]] = new
        else:
            rows[key] = len(table)
            table.append(new)
    if gone:
        table[:] = [old for row, old in enumerate(table) if row not in gone]


def set_input_transition(timing: Timing, options: Options) -> None:
    """``set_input_transition [-rise|-fall] [-min|-max] slew ports``."""
    if len(options.rest) < 2:
        raise options.fail("takes a slew and ports", "write set_input_transition 0.1 [all_inputs]")
    value = to_number(options.script, options.rest[0]) * timing.time
    for _, row in timing.found(options, options.rest[1:], "port"):
        timing.transition[row, options.columns()] = value


def set_load(timing: Timing, options: Options) -> None:
    """``set_load [-pin_load|-wire_load] [-rise|-fall] [-min|-max] capacitance ports|nets``."""
    if len(options.rest) < 2:
        raise options.fail("takes a capacitance and ports or nets", "write set_load 0.01 [all_outputs]")
    if options.has("-subtract_pin_load"):
        raise options.fail("option -subtract_pin_load is not supported", "leave it out")
    value = to_number(options.script, options.rest[0]) * timing.capacitance
    for kind, row in timing.found(options, options.rest[1:], "port", "net"):
        if kind == "net":
            timing.net_load[row] = value
        else:
            timing.load[row, options.columns()] = value


def set_driving_cell(timing: Timing, options: Options) -> None:
    """``set_driving_cell -lib_cell type [-pin p] [-from_pin q] [-input_transition_rise r] ... ports``."""
    name = (options.text("-lib_cell") or options.text("-cell")).rpartition("/")[2]
    if not name:
        raise options.fail("does not name a cell type", "give -lib_cell")
    chosen = set(options.columns())
    columns = (0 in chosen, 1 in chosen, 2 in chosen, 3 in chosen)
    transition = tuple(options.number(f"-input_transition_{edge}", 0.0) * timing.time for edge in ("rise", "fall"))
    cell = DrivingCell(name, options.text("-from_pin"), options.text("-pin"), (transition[0], transition[1]), columns)
    for _, row in timing.found(options, options.rest, "port"):
        if all(columns):
            timing.driving[row] = [cell]
        else:
            timing.driving.setdefault(row, []).append(cell)


def set_drive(timing: Timing, options: Options) -> None:
    """``set_drive [-rise|-fall] [-min|-max] resistance ports``."""
    if len(options.rest) < 2:
        raise options.fail("takes a resistance and ports", "write set_drive 1 [all_inputs]")
    value = to_number(options.script, options.rest[0]) * timing.resistance
    if value < 0:
        raise options.fail(f"resistance {options.rest[0].text!r} is below 0", "give 0 or more")
    for _, row in timing.found(options, options.rest[1:], "port"):
        timing.drive[row, options.columns()] = value


# -- the rest ----------------------------------------------------------------------------------


def set_case_analysis(timing: Timing, options: Options) -> None:
    """``set_case_analysis 0|1 ports|pins``."""
    if len(options.rest) < 2:
        raise options.fail("takes a value and ports or pins", "write set_case_analysis 0 [get_ports test]")
    value = {"0": 0, "zero": 0, "1": 1, "one": 1}.get(options.rest[0].text)
    if value is None:
        raise options.fail(f"value {options.rest[0].text!r} is not supported", "give 0 or 1")
    for item in timing.found(options, options.rest[1:], "port", "pin"):
        timing.case[timing.place(item)] = value


def set_disable_timing(timing: Timing, options: Options) -> None:
    """``set_disable_timing [-from port] [-to port] cells|pins|ports``."""
    first, last = options.text("-from"), options.text("-to")
    for kind, row in timing.found(options, options.rest, "cell", "pin", "port"):
        if kind != "cell":
            timing.disabled_places.add(timing.place((kind, row)))
            continue
        circuit = timing.circuit
        start = int(circuit.pin_start[row])
        ports = circuit.types[circuit.cell_type[row]].ports
        for word in (first, last):
            if word and all(port.name != word for port in ports):
                raise options.fail(f"cell {timing.objects.name('cell', row)!r} has no pin {word!r}", "correct the name")
        timing.disabled_arcs.update(
            (start + a, start + b)
            for a, source in enumerate(ports)
            for b, target in enumerate(ports)
            if a != b and first in {"", source.name} and last in {"", target.name}
        )


def set_timing_derate(timing: Timing, options: Options) -> None:
    """``set_timing_derate [-early|-late] [-cell_delay] [-net_delay] factor``."""
    for name in ("-clock", "-data", "-rise", "-fall", "-cell_check"):
        if options.has(name):
            raise options.fail(f"option {name} is not supported", "derate cells and nets as a whole")
    if len(options.rest) != 1:
        raise options.fail("is supported for the whole design only", "leave the objects out")
    value = to_number(options.script, options.rest[0])
    late = options.has("-late") or not options.has("-early")
    early = options.has("-early") or not options.has("-late")
    cell = options.has("-cell_delay") or not options.has("-net_delay")
    net = options.has("-net_delay") or not options.has("-cell_delay")
    for row, chosen in enumerate((late and cell, late and net, early and cell, early and net)):
        if chosen:
            timing.derate[row] = value


EDGES = "-rise -fall -min -max"
TABLE: dict[str, Row] = {
    "set_input_transition": (set_input_transition, EDGES, ""),
    "set_load": (set_load, f"-pin_load -wire_load -subtract_pin_load {EDGES}", ""),
    "set_drive": (set_drive, EDGES, ""),
    "set_driving_cell": (
        set_driving_cell,
        f"-dont_scale -no_design_rule {EDGES}",
        "-lib_cell -cell -library -pin -from_pin -input_transition_rise -input_transition_fall -multiply_by",
    ),
    "set_case_analysis": (set_case_analysis, "", ""),
    "set_disable_timing": (set_disable_timing, "", "-from -to"),
    "set_timing_derate": (
        set_timing_derate,
        "-early -late -rise -fall -clock -data -net_delay -cell_delay -cell_check",
        "",
    ),
}
for _name in ("set_input_delay", "set_output_delay"):
    TABLE[_name] = (
        port_delay,
        f"-clock_fall -add_delay -source_latency_included -network_latency_included {EDGES}",
        "-clock -reference_pin",
    )
