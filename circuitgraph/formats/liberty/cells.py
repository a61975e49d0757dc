"""Cell types from Liberty cells: functions, state, kinds of the vocabulary and roles of the ports."""

from __future__ import annotations

from dataclasses import dataclass, field

from circuitgraph.circuit import CellType, Direction, Port, Role
from circuitgraph.formats.liberty.functions import postfix
from circuitgraph.formats.liberty.groups import Group, Text
from circuitgraph.formats.liberty.numbers import described
from circuitgraph.formats.liberty.pins import Pin
from circuitgraph.function import Function
from circuitgraph.vocabulary import kind_of_table

STATE = "\0state"
"""Stands for a state variable while an expression is parsed; no pin has this name."""


@dataclass
class Cell:
    """A Liberty cell on its way to a CellType.

    | field | meaning |
    |---|---|
    | group | its group |
    | pins | its ports, internal nodes left out |
    | members | ports of each bus and bundle |
    | index | port by name |
    | programs | the output functions as the file writes them, by port |
    """

    text: Text
    group: Group
    pins: list[Pin]
    members: dict[str, list[int]]
    index: dict[str, int] = field(default_factory=dict)
    programs: dict[int, tuple[int | str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index = {pin.name: row for row, pin in enumerate(self.pins)}

    def function(
        self, raw: str, at: int, subject: str, bit: int = 0, state: dict[str, int] | None = None
    ) -> Function | None:
        """The function of an expression over the ports; None where it reads something that is no port."""
        program = self.program(raw, at, subject, bit, state)
        return None if program is None else Function.of_program(program)

    def program(
        self, raw: str, at: int, subject: str, bit: int = 0, state: dict[str, int] | None = None
    ) -> tuple[int | str, ...] | None:
        """The postfix program of an expression over the ports; None where it reads something that is no port.

        Args:
            raw: the expression, quoted or not.
            at: its offset in the file, for messages.
            subject: what it is, for messages.
            bit: place in its bus of the pin that the expression belongs to; buses in it are read at that place.
            state: ports that stand for state variables: port + 1, negative when complemented.

        Raises:
            CircuitError: the expression is malformed.
        """
        unknown: list[str] = []

        def port(name: str) -> int | str | None:
            name = name.replace("\\", "")
            found = self.index.get(name, -1)
            if found < 0 and name in self.members:
                rows = self.members[name]
                found = rows[bit] if bit < len(rows) else rows[-1]
            if found < 0:
                if state and name in state:
                    return f"{STATE}{state[name]}"
                if name in {"0", "1"}:
                    return name
                unknown.append(name)
                return STATE
            return found

        if len(raw) >= 2 and raw[0] == raw[-1] == '"':
            raw = raw[1:-1]
        try:
            program = postfix(raw, port)
        except ValueError as error:
            raise self.text.error(at, subject, f"expression {raw!r} {error}", "correct the expression") from None
        return None if unknown else tuple(_with_state(program))


def _with_state(program: tuple[int | str, ...]) -> list[int | str]:
    found: list[int | str] = []
    for step in program:
        if isinstance(step, str) and step.startswith(STATE):
            place = int(step[len(STATE) :])
            found.append(abs(place) - 1)
            if place < 0:
                found.append("not")
        else:
            found.append(step)
    return found


def cell_type(cell: Cell) -> CellType:
    """The CellType of a cell.

    A state variable in ``next_state`` is read from the output that shows it (complemented for the inverted output).

    Raises:
        CircuitError: a function is malformed.
    """
    group = cell.group
    functions: list[Function | None] = []
    for row, pin in enumerate(cell.pins):
        raw = pin.get("function")
        program = None
        if raw and pin.direction in {Direction.OUTPUT, Direction.INOUT}:
            at = pin.groups[0].place("function")
            program = cell.program(raw, at, f"function of pin {pin.name!r}", pin.bit)
        if program is not None:
            cell.programs[row] = program
        functions.append(None if program is None else Function.of_program(program))
    states = group.named("ff", "ff_bank", "latch", "latch_bank")
    state = states[0] if states else None
    is_gate = bool(group.get("clock_gating_integrated_cell"))
    is_sequential = state is not None or is_gate or bool(group.named("statetable"))
    next_state = _next_state(cell, state) if len(states) == 1 and state is not None else None
    kind = _kind(cell, functions, state, is_gate, next_state)
    roles = _roles(cell, functions, state, next_state)
    return CellType(
        name=group.words[0] if group.words else "",
        kind=kind,
        ports=tuple(
            Port(pin.name, pin.direction or Direction.UNKNOWN, role) for pin, role in zip(cell.pins, roles, strict=True)
        ),
        functions=tuple(functions),
        is_sequential=is_sequential,
        is_opaque=kind == "opaque" and not is_sequential,
        next_state=next_state,
    )


def _next_state(cell: Cell, state: Group) -> Function | None:
    """What is stored: ``next_state`` of a flip-flop, ``data_in`` of a latch."""
    name = "next_state" if state.name.startswith("ff") else "data_in"
    raw = state.get(name)
    if not raw:
        return None
    shown: dict[str, int] = {}
    for row, pin in enumerate(cell.pins):
        expression = pin.get("function").strip('() "')
        for place, variable in enumerate(state.words[:2]):
            if expression == variable:
                shown.setdefault(variable, row + 1)
                shown.setdefault(state.words[1 - place] if len(state.words) > 1 - place else "", -(row + 1))
            elif expression in {f"!{variable}", f"{variable}'"}:
                shown.setdefault(variable, -(row + 1))
    return cell.function(raw, state.place(name), f"{name} of {described(cell.group)}", 0, shown)


def _kind(
    cell: Cell, functions: list[Function | None], state: Group | None, is_gate: bool, next_state: Function | None
) -> str:
    outputs = [row for row, pin in enumerate(cell.pins) if pin.direction in {Direction.OUTPUT, Direction.INOUT}]
    if is_gate:
        return "clock_gate"
    if state is not None:
        return _state_kind(state, next_state)
    if cell.group.named("statetable"):
        return "opaque"
    if not outputs:
        unclear = any(pin.direction == Direction.UNKNOWN for pin in cell.pins)
        return "opaque" if unclear else "physical"
    if any(cell.pins[row].get("three_state") for row in outputs):
        return "tristate"
    found = [functions[row] for row in outputs]
    known = [function for function in found if function is not None]
    if len(known) < len(found):
        return "opaque"
    kinds = [kind_of_table(f.table, len(f.inputs)) if f.table is not None else "cover" for f in known]
    if len(kinds) == 1:
        return kinds[0]
    if set(kinds) <= {"const0", "const1"}:
        return "tie"
    pair = frozenset(kinds)
    if len(kinds) == 2 and pair == {"xor2", "and2"}:
        return "half_adder"
    if len(kinds) == 2 and pair == {"xor3", "maj3"}:
        return "full_adder"
    return "multi_output"


def _state_kind(state: Group, next_state: Function | None) -> str:
    is_latch = state.name.startswith("latch")
    kind = "latch" if is_latch else "dff"
    if not is_latch and next_state is not None and len(next_state.inputs) > 1:
        kind += "_mux"
    if state.get("preset"):
        kind += "_set"
    if state.get("clear"):
        kind += "_reset"
    return kind


def _roles(
    cell: Cell, functions: list[Function | None], state: Group | None, next_state: Function | None
) -> list[Role]:
    roles = [Role.DATA] * len(cell.pins)
    if state is not None:
        for name, role in (
            ("clear", Role.RESET),
            ("preset", Role.SET),
            ("enable", Role.ENABLE),
            ("clocked_on_also", Role.CLOCK),
            ("clocked_on", Role.CLOCK),
        ):
            raw = state.get(name)
            function = cell.function(raw, state.place(name), f"{name} of {described(cell.group)}") if raw else None
            for port in function.inputs if function else ():
                roles[port] = role
    for row, pin in enumerate(cell.pins):
        word = pin.get("signal_type") or pin.get("nextstate_type")
        if word in {"test_scan_in", "test_scan_enable", "scan_in", "scan_enable"} or _true(pin, "clock_gate_test_pin"):
            roles[row] = Role.SCAN
        elif (_true(pin, "clock") or _true(pin, "clock_gate_clock_pin")) and roles[row] == Role.DATA:
            roles[row] = Role.CLOCK
        elif _true(pin, "clock_gate_enable_pin"):
            roles[row] = Role.ENABLE
    for inner in (pin for test in cell.group.named("test_cell") for pin in test.named("pin")):
        if inner.get("signal_type").startswith(("test_scan_in", "test_scan_enable")):
            for name in inner.words:
                if name in cell.index:
                    roles[cell.index[name]] = Role.SCAN
    for pin in cell.pins:
        raw = pin.get("three_state")
        function = (
            cell.function(raw, pin.groups[0].place("three_state"), f"three_state of pin {pin.name!r}") if raw else None
        )
        for port in function.inputs if function else ():
            if roles[port] == Role.DATA:
                roles[port] = Role.ENABLE
    for function in [*functions, next_state]:
        for port in _selects(function):
            if roles[port] == Role.DATA and cell.pins[port].direction == Direction.INPUT:
                read = function.inputs if function is not None and function is next_state else ()
                held = any(cell.pins[p].direction == Direction.OUTPUT for p in read)
                roles[port] = Role.ENABLE if held else Role.SELECT
    return roles


def _true(pin: Pin, name: str) -> bool:
    return pin.get(name).strip().lower() == "true"


def _selects(function: Function | None) -> list[int]:
    """Ports that choose between the others in a multiplexer, else none."""
    if function is None or function.table is None or len(function.inputs) not in {3, 6}:
        return []
    if kind_of_table(function.table, len(function.inputs)) not in {"mux2", "muxinv2", "mux4", "muxinv4"}:
        return []
    return [port for port in function.inputs if function.senses(port) == (True, True)]
