"""Cell types that formats without a library use: n-ary gates, flip-flops, latches, tri-states, devices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from circuitgraph.circuit import CellType, Direction, Port, Role
from circuitgraph.function import Function
from circuitgraph.vocabulary import MAX_TABLE_INPUTS, kind_of_table

INPUT, OUTPUT, INOUT = Direction.INPUT, Direction.OUTPUT, Direction.INOUT

GATES = ("AND", "NAND", "OR", "NOR", "XOR", "XNOR", "NOT", "BUF", "CONST0", "CONST1", "MUX")
"""Words that :func:`gate_type` knows."""


@lru_cache(maxsize=None)
def gate_type(word: str, inputs: int) -> CellType:
    """The n-ary gate *word*: ports I0, I1, ... and the output Y, in this order.

    Args:
        word: one of :data:`GATES`. XNOR is the complement of the parity; MUX is Y = I0 ? I2 : I1.
        inputs: number of inputs.

    >>> gate_type("NAND", 2).kind
    'nand2'
    """
    ports = (*(Port(f"I{index}") for index in range(inputs)), Port("Y", OUTPUT))
    if word in {"CONST0", "CONST1"}:
        function = Function((), int(word == "CONST1"))
    elif word in {"NOT", "BUF"}:
        function = Function.of_program((0, "not") if word == "NOT" else (0,))
    elif word == "MUX":
        function = Function.of_program((0, 2, "and", 0, "not", 1, "and", "or"))
    else:
        inverted = word in {"NAND", "NOR", "XNOR"}
        operation = {"AND": "and", "NAND": "and", "OR": "or", "NOR": "or", "XOR": "xor", "XNOR": "xor"}[word]
        program: list[int | str] = [0]
        for index in range(1, inputs):
            program += [index, operation]
        function = Function.of_program([*program, "not"] if inverted else program)
    if function.table is not None:
        kind = kind_of_table(function.table, len(function.inputs))
    else:
        kind = f"{word.lower()}_wide"
    name = word if word in {"NOT", "BUF", "CONST0", "CONST1", "MUX"} else f"{word}{inputs}"
    return CellType(name, kind, ports, (*(None for _ in range(inputs)), function))


def table_type(table: int, inputs: int, name: str = "") -> CellType:
    """The look-up table of a truth table of up to six inputs: ports I0, I1, ... and Y.

    >>> table_type(0b1000, 2).kind
    'and2'
    """
    assert inputs <= MAX_TABLE_INPUTS
    ports = (*(Port(f"I{index}") for index in range(inputs)), Port("Y", OUTPUT))
    function = Function.of_table(tuple(range(inputs)), table)
    name = name or f"LUT{inputs}_{table:x}"
    return CellType(name, kind_of_table(table, inputs), ports, (*(None for _ in range(inputs)), function))


AND2 = CellType(
    "AND2",
    "and2",
    (Port("A"), Port("B"), Port("Y", OUTPUT)),
    (None, None, Function.of_table((0, 1), 0b1000)),
)
"""The node of an AIG; inversions stand on the pins."""

LATCH = CellType(
    "LATCH",
    "dff",
    (Port("D"), Port("Q", OUTPUT)),
    (None, None),
    is_sequential=True,
    next_state=Function.of_table((0,), 0b10),
)
"""AIGER's latch: a flip-flop whose clock is not written."""

DFF = CellType(
    "DFF",
    "dff",
    (Port("D"), Port("Q", OUTPUT)),
    (None, None),
    is_sequential=True,
    next_state=Function.of_table((0,), 0b10),
)
"""BENCH's flip-flop: a clock that is not written."""


@lru_cache(maxsize=None)
def tristate_type(word: str) -> CellType:
    """``bufif0 bufif1 notif0 notif1``: ports I0 (data), E (enable), Y."""
    ports = (Port("I0"), Port("E", INPUT, Role.ENABLE), Port("Y", OUTPUT))
    table = 0b10 if word.startswith("buf") else 0b01
    return CellType(word, "tristate", ports, (None, None, Function.of_table((0,), table)))


@lru_cache(maxsize=None)
def mos_type(polarity: str, model: str = "") -> CellType:
    """A transistor: terminals d g s b.

    Args:
        polarity: "nmos" or "pmos".
        model: name of the model card; part of the type's name.
    """
    ports = (
        Port("d", INOUT, Role.DRAIN),
        Port("g", INPUT, Role.GATE),
        Port("s", INOUT, Role.SOURCE),
        Port("b", INOUT, Role.BULK),
    )
    return CellType(model or polarity, polarity, ports, (None,) * 4)


@lru_cache(maxsize=None)
def two_terminal_type(kind: str, model: str = "") -> CellType:
    """A resistor, capacitor, inductor, diode or source: terminals p n."""
    ports = (Port("p", INOUT, Role.POSITIVE), Port("n", INOUT, Role.NEGATIVE))
    return CellType(model or kind, kind, ports, (None, None))


def opaque_type(name: str, ports: Sequence[Port]) -> CellType:
    """A type of which only its ports are known."""
    return CellType(name, "opaque", tuple(ports), (None,) * len(ports), is_opaque=True)
