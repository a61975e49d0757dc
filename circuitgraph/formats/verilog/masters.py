"""What is known of cell types without a library: gate words, yosys' own cells, guesses from port names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from circuitgraph.cell_types import gate_type, opaque_type
from circuitgraph.circuit import CellType, Direction, Port, Role
from circuitgraph.function import Function
from circuitgraph.vocabulary import kind_of_table

GATE_WORDS = frozenset({"and", "nand", "or", "nor", "xor", "xnor", "buf", "not"})
TRISTATE_WORDS = frozenset({"bufif0", "bufif1", "notif0", "notif1"})
SWITCH_PORTS = {
    "nmos": "oii",
    "pmos": "oii",
    "rnmos": "oii",
    "rpmos": "oii",
    "cmos": "oiii",
    "rcmos": "oiii",
    "tran": "bb",
    "rtran": "bb",
    "tranif0": "bbi",
    "tranif1": "bbi",
    "rtranif0": "bbi",
    "rtranif1": "bbi",
    "pullup": "o",
    "pulldown": "o",
}
"""Switches of the language: direction of each terminal (o output, i input, b both)."""

OUTPUT_NAMES = frozenset(
    [
        "Y",
        "Z",
        "ZN",
        "X",
        "Q",
        "QN",
        "QB",
        "Q_N",
        "ZB",
        "O",
        "OUT",
        "CO",
        "CON",
        "COUT",
        "COUT_N",
        "SUM",
        "YN",
        "XN",
        "GCLK",
        "ECK",
        "Y0",
        "Y1",
        "OUT0",
        "OUT1",
    ]
)
OUTPUT_WITH_CARRY = frozenset({"S", "SN"})
CARRY_NAMES = frozenset({"CO", "CON", "COUT", "COUT_N"})
TIE_NAMES = frozenset(["H", "L", "HI", "LO", "G", "P", "Z", "Y", "ZN", "X", "O", "Q"])
POWER_NAMES = frozenset(
    ["VDD", "VPWR", "VPB", "VNW", "VCC", "VDDPE", "VDDCE", "VDD1", "VDDIO", "VPP", "AVDD", "DVDD", "IOVDD"]
)
GROUND_NAMES = frozenset(["VSS", "VGND", "VNB", "VPW", "GND", "VSSE", "VSS1", "VSSIO", "VBN", "AVSS", "DVSS", "IOVSS"])

_YOSYS_TABLES = {
    "BUF": ("A", 0b10),
    "NOT": ("A", 0b01),
    "AND": ("AB", 0b1000),
    "NAND": ("AB", 0b0111),
    "OR": ("AB", 0b1110),
    "NOR": ("AB", 0b0001),
    "XOR": ("AB", 0b0110),
    "XNOR": ("AB", 0b1001),
    "ANDNOT": ("AB", 0b0010),
    "ORNOT": ("AB", 0b1011),
}
_YOSYS_PROGRAMS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "MUX": ("ABS", (2, 1, "and", 2, "not", 0, "and", "or")),
    "NMUX": ("ABS", (2, 1, "and", 2, "not", 0, "and", "or", "not")),
    "AOI3": ("ABC", (0, 1, "and", 2, "or", "not")),
    "OAI3": ("ABC", (0, 1, "or", 2, "and", "not")),
    "AOI4": ("ABCD", (0, 1, "and", 2, 3, "and", "or", "not")),
    "OAI4": ("ABCD", (0, 1, "or", 2, 3, "or", "and", "not")),
}


@lru_cache(maxsize=None)
def switch_type(word: str) -> CellType:
    """An opaque type of one of the language's switches."""
    directions = {"o": Direction.OUTPUT, "i": Direction.INPUT, "b": Direction.INOUT}
    ports = [Port(f"${number}", directions[letter]) for number, letter in enumerate(SWITCH_PORTS[word], 1)]
    return opaque_type(word, ports)


@lru_cache(maxsize=None)
def internal_type(name: str) -> CellType | None:
    """The type of a cell that yosys writes without a library (``$_NAND_``), or None.

    Flip-flops are known by port names: ``$_DFF_P_`` has D, C and Q, the longer names R, E, S or L too.
    """
    if not (name.startswith("$_") and name.endswith("_") and len(name) > 3):
        return None
    word = name[2:-1]
    if word in _YOSYS_TABLES or word in _YOSYS_PROGRAMS:
        if word in _YOSYS_TABLES:
            letters, table = _YOSYS_TABLES[word]
            function = Function.of_table(tuple(range(len(letters))), table)
        else:
            letters, program = _YOSYS_PROGRAMS[word]
            function = Function.of_program(program)
        ports = [Port(letter, role=Role.SELECT if letter == "S" else Role.DATA) for letter in letters]
        assert function.table is not None
        kind = kind_of_table(function.table, len(function.inputs))
        return CellType(name, kind, (*ports, Port("Y", Direction.OUTPUT)), (*[None] * len(ports), function))
    return None


def guessed_ports(names: Sequence[str], widths: Sequence[int]) -> tuple[tuple[Port, ...], bool]:
    """Ports of an unknown type with directions guessed from their names, and whether any was guessed as output.

    Args:
        names: port names in order of first appearance.
        widths: bits of each.
    """
    bare = [name.partition("[")[0].upper() for name in names]
    supplies = POWER_NAMES | GROUND_NAMES
    signals = [name for name in bare if name not in supplies]
    outputs = OUTPUT_NAMES | (OUTPUT_WITH_CARRY if CARRY_NAMES & set(bare) else frozenset())
    if signals and set(signals) <= TIE_NAMES and len(set(signals)) <= 2:
        outputs |= TIE_NAMES
    any_output = any(name in outputs for name in signals)
    ports: list[Port] = []
    for name, short, width in zip(names, bare, widths, strict=True):
        if short in POWER_NAMES:
            direction, role = Direction.INOUT, Role.POWER
        elif short in GROUND_NAMES:
            direction, role = Direction.INOUT, Role.GROUND
        elif name.startswith("$"):
            direction, role = Direction.UNKNOWN, Role.DATA
        elif any_output:
            direction, role = (Direction.OUTPUT if short in outputs else Direction.INPUT), Role.DATA
        else:
            direction, role = Direction.UNKNOWN, Role.DATA
        ports += port_bits(name, direction, role, None if width == 1 else width - 1, 0)
    return tuple(ports), any_output


def port_bits(name: str, direction: Direction, role: Role, left: int | None, right: int) -> list[Port]:
    """The ports of a bus, from its left index to its right one; a scalar is one port."""
    if left is None:
        return [Port(name, direction, role)]
    step = -1 if left >= right else 1
    return [Port(f"{name}[{index}]", direction, role) for index in range(left, right + step, step)]


def supply_role(name: str) -> Role | None:
    """POWER or GROUND where a port is called like a supply, else None."""
    upper = name.upper()
    if upper in POWER_NAMES:
        return Role.POWER
    return Role.GROUND if upper in GROUND_NAMES else None


__all__ = [
    "GATE_WORDS",
    "SWITCH_PORTS",
    "TRISTATE_WORDS",
    "gate_type",
    "guessed_ports",
    "internal_type",
    "port_bits",
    "supply_role",
    "switch_type",
]
