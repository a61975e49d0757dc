"""BENCH netlists: ISCAS'85 and '89, ITC'99, and ABC's LUT dialect.

One statement a line, ``#`` to the end of the line is a comment, names are case-sensitive, keywords are not:

    INPUT(a)        OUTPUT(y)        y = NAND(a, b)        q = DFF(d)        z = LUT 0x8 (a, b)        k = vdd
"""

from __future__ import annotations

import os
import re

from circuitgraph.cell_types import DFF, gate_type, table_type
from circuitgraph.circuit import CellType, Circuit, CircuitBuilder, Direction, Reset
from circuitgraph.errors import CircuitError, nearest
from circuitgraph.files import Source, name_of, read_bytes, stem_of, write_atomic
from circuitgraph.formats.aiger_writer import check_only_aiger_holds
from circuitgraph.names import decode
from circuitgraph.vocabulary import MAX_TABLE_INPUTS

ARITY = {
    "AND": (1, 4096),
    "NAND": (1, 4096),
    "OR": (1, 4096),
    "NOR": (1, 4096),
    "XOR": (1, 4096),
    "XNOR": (1, 4096),
    "NOT": (1, 1),
    "INV": (1, 1),
    "BUFF": (1, 1),
    "BUF": (1, 1),
    "MUX": (3, 3),
    "DFF": (1, 1),
    "CONST0": (0, 0),
    "CONST1": (0, 0),
    "GND": (0, 0),
    "VDD": (0, 0),
}
WORD_OF = {"INV": "NOT", "BUFF": "BUF", "GND": "CONST0", "VDD": "CONST1"}
KEYWORDS = ("INPUT", "OUTPUT", *ARITY, "LUT")

NAME = rb"[^\s(),=#]+"
PORT = re.compile(rb"(INPUT|OUTPUT)\s*\(\s*(" + NAME + rb")\s*\)", re.IGNORECASE)
GATE = re.compile(rb"(" + NAME + rb")\s*=\s*(\w+)\s*\(([^()]*)\)")
TABLE = re.compile(rb"(" + NAME + rb")\s*=\s*LUT\s+0x([0-9a-fA-F]+)\s*\(([^()]*)\)", re.IGNORECASE)
CONSTANT = re.compile(rb"(" + NAME + rb")\s*=\s*(vdd|gnd|const0|const1)", re.IGNORECASE)


def read_bench(source: Source, *, strict: bool = False) -> Circuit:
    """The circuit that a BENCH file describes.

    Args:
        source: path or binary stream; plain, .gz, .xz or .zst.
        strict: a net that is read but never driven is an error, not only a failed check.

    Returns:
        Cells and ports in the order of the file; a cell is called as the net that it drives; DFF is a
        flip-flop with pins D and Q whose reset is unknown.

    Raises:
        CircuitError: a line is no statement, a gate is unknown or has a wrong number of fan-ins, a net
            has two drivers, a NUL byte stands in the file.

    Source: F. Brglez, H. Fujiwara, ISCAS 1985; F. Brglez, D. Bryan, K. Kozminski, ISCAS 1989 (DFF).
    """
    data = read_bytes(source)
    file = name_of(source)
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise CircuitError(f"{file}:{line}", "NUL byte", "must not stand in a BENCH file", "is it a binary file?")
    builder = CircuitBuilder(stem_of(source))
    reader = _Reader(builder, file)
    data = data.removeprefix(b"\xef\xbb\xbf")
    for number, text in enumerate(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), 1):
        statement = text.partition(b"#")[0].strip()
        if statement:
            reader.statement(statement, f"{file}:{number}")
    if not reader.driver and not reader.used:
        raise CircuitError(f"{file}:1", "file", "holds no statement", "write INPUT(n), OUTPUT(n) or n = GATE(a, b)")
    for name, place in reader.used.items():
        if name not in reader.driver:
            if strict:
                way_out = nearest(name, reader.driver, "define it or declare INPUT")
                raise CircuitError(place, f"net {name!r}", "is read but never driven", way_out)
            builder.notes.add(f"net {name!r} is read but never driven", place)
    return builder.build(file, "bench")


class _Reader:
    """Drivers and first uses of names while the statements go by."""

    def __init__(self, builder: CircuitBuilder, file: str) -> None:
        self.builder, self.file = builder, file
        self.driver: dict[str, str] = {}
        self.used: dict[str, str] = {}

    def statement(self, text: bytes, place: str) -> None:
        if port := PORT.fullmatch(text):
            self._port(decode(port[2]), port[1].upper() == b"INPUT", place)
        elif table := TABLE.fullmatch(text):
            fan_in = _split(table[3], place, decode(table[1]))
            self._cell(decode(table[1]), _table_type(table[2], len(fan_in), place, decode(table[1])), fan_in, place)
        elif gate := GATE.fullmatch(text):
            name, word = decode(gate[1]), decode(gate[2]).upper()
            fan_in = _split(gate[3], place, name)
            self._cell(name, _gate_type(word, decode(gate[2]), len(fan_in), place, name), fan_in, place)
        elif constant := CONSTANT.fullmatch(text):
            word = constant[2].decode().upper()
            self._cell(decode(constant[1]), gate_type(WORD_OF.get(word, word), 0), [], place)
        else:
            raise _not_a_statement(text, place)

    def _port(self, name: str, is_input: bool, place: str) -> None:
        net = self.builder.net(_escaped(name))
        if is_input:
            self._drive(name, place, "net")
            self.builder.port(_escaped(name), net, Direction.INPUT)
        else:
            self.used.setdefault(name, place)
            self.builder.port(_escaped(name), net, Direction.OUTPUT)

    def _cell(self, name: str, cell_type: CellType, fan_in: list[str], place: str) -> None:
        self._drive(name, place, "net")
        for net in fan_in:
            self.used.setdefault(net, place)
        pins = [self.builder.net(_escaped(net)) for net in fan_in] + [self.builder.net(_escaped(name))]
        self.builder.cell(name, cell_type, pins, reset=Reset.UNKNOWN if cell_type is DFF else None)

    def _drive(self, name: str, place: str, what: str) -> None:
        if name in self.driver:
            first = self.driver[name]
            raise CircuitError(
                place, f"{what} {name!r}", f"is driven a second time (first at {first})", "rename one of them"
            )
        self.driver[name] = place


def _escaped(name: str) -> str:
    """BENCH has no buses: brackets belong to the name."""
    return name.replace("[", "\\[").replace("]", "\\]") if "[" in name or "]" in name else name


def _split(text: bytes, place: str, name: str) -> list[str]:
    parts = [part.strip() for part in text.split(b",")]
    if parts == [b""]:
        return []
    for part in parts:
        if not part or re.fullmatch(NAME, part) is None:
            raise CircuitError(
                place, f"gate {name!r}", f"has {decode(part)!r} for a fan-in", "write names between commas"
            )
    return [decode(part) for part in parts]


def _gate_type(word: str, written: str, fan_ins: int, place: str, name: str) -> CellType:
    if word not in ARITY:
        raise CircuitError(
            place,
            f"gate {name!r}",
            f"type {written!r} is unknown",
            nearest(word, KEYWORDS, f"use {', '.join(KEYWORDS[2:8])}"),
        )
    least, most = ARITY[word]
    if not least <= fan_ins <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise CircuitError(
            place, f"gate {name!r}", f"{word} takes {wanted} fan-ins, not {fan_ins}", "correct the list in parentheses"
        )
    if word == "DFF":
        return DFF
    word = WORD_OF.get(word, word)
    if fan_ins == 1 and word not in {"NOT", "BUF"}:
        word = "NOT" if word in {"NAND", "NOR", "XNOR"} else "BUF"
    return gate_type(word, fan_ins)


def _table_type(digits: bytes, fan_ins: int, place: str, name: str) -> CellType:
    if fan_ins > MAX_TABLE_INPUTS:
        raise CircuitError(
            place, f"gate {name!r}", f"a LUT takes 0 to {MAX_TABLE_INPUTS} fan-ins, not {fan_ins}", "split it"
        )
    table = int(digits[:64], 16) if len(digits) <= 64 else 1 << 64
    if table >> (1 << fan_ins):
        raise CircuitError(
            place, f"gate {name!r}", f"0x{digits[:20].decode()} has more than {1 << fan_ins} bits", "correct the table"
        )
    return table_type(table, fan_ins)


def _not_a_statement(text: bytes, place: str) -> CircuitError:
    shown = decode(text[:40])
    opened, closed = text.count(b"("), text.count(b")")
    if opened != closed:
        return CircuitError(place, repr(shown), f"has {opened} '(' and {closed} ')'", "balance the parentheses")
    word = decode(re.split(rb"[\s(=]", text, maxsplit=1)[0])
    way_out = nearest(word.upper(), ("INPUT", "OUTPUT"), "write INPUT(n), OUTPUT(n) or n = GATE(a, b)")
    return CircuitError(place, repr(shown), "is neither a port nor a gate", way_out)


def write_bench(circuit: Circuit, target: str | os.PathLike[str]) -> None:
    """Write a circuit of gates, look-up tables and DFFs; other functions become LUT lines.

    Raises:
        CircuitError: a cell has no function or several outputs, a name cannot stand in BENCH, a flip-flop has a
            known reset, or a port is a property (bad, constraint, justice, fairness).
    """
    write_atomic(target, bench_text(circuit))


def bench_text(circuit: Circuit) -> str:
    """The BENCH file of a circuit.

    Inverted pins become NOT lines; an output whose name differs from its net's becomes a BUFF line.
    """
    place = circuit.place or circuit.name
    check_only_aiger_holds(circuit, "BENCH")
    names = [_name(circuit.net_names.text(row), place) for row in range(circuit.num_nets)]
    taken = set(names)
    lines, gates = [f"# {circuit.name}"], []
    inverse: dict[str, str] = {}

    def fresh(stem: str) -> str:
        name, number = stem, 0
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        return name

    def literal(net: int, inverted: bool) -> str:
        if not inverted:
            return names[net]
        if names[net] not in inverse:
            inverse[names[net]] = fresh(f"{names[net]}_n")
            gates.append(f"{inverse[names[net]]} = NOT({names[net]})")
        return inverse[names[net]]

    for port in range(circuit.num_ports):
        net = int(circuit.port_net[port])
        if circuit.port_direction[port] == Direction.INPUT:
            lines.append(f"INPUT({names[net]})")
        else:
            inverted = bool(circuit.port_inverted is not None and circuit.port_inverted[port])
            wanted = _name(circuit.port_names.text(port), place)
            source = literal(net, inverted)
            if wanted != source and wanted not in taken:
                taken.add(wanted)
                gates.append(f"{wanted} = BUFF({source})")
                source = wanted
            lines.append(f"OUTPUT({source})")
    for value, word in ((0, "gnd"), (1, "vdd")):
        gates += [f"{names[row]} = {word}" for row in (circuit.net_constant == value).nonzero()[0]]
    for cell in range(circuit.num_cells):
        gates.append(_cell_line(circuit, cell, literal, place))
    return "\n".join([*lines, *gates, ""])


def _cell_line(circuit: Circuit, cell: int, literal: object, place: str) -> str:
    cell_type = circuit.types[circuit.cell_type[cell]]
    start = int(circuit.pin_start[cell])
    nets = circuit.pin_net[start : start + len(cell_type.ports)].tolist()
    name = circuit.cell_names.text(cell)
    if len(cell_type.outputs) != 1 or nets[cell_type.outputs[0]] < 0:
        raise CircuitError(place, f"cell {name!r}", "must have one connected output for BENCH", "write Verilog instead")
    output = cell_type.outputs[0]
    inverted = circuit.pin_inverted
    assert callable(literal)

    def pin(port: int) -> str:
        if nets[port] < 0:
            raise CircuitError(
                place, f"cell {name!r}", f"pin {cell_type.ports[port].name} is unconnected", "connect it"
            )
        return str(literal(nets[port], bool(inverted is not None and inverted[start + port])))

    driven = str(literal(nets[output], False))
    if cell_type.is_sequential:
        data = cell_type.port_index("D")
        if cell_type.kind != "dff" or data < 0:
            raise CircuitError(
                place, f"cell {name!r}", f"type {cell_type.name!r} has no form in BENCH", "write Verilog instead"
            )
        return f"{driven} = DFF({pin(data)})"
    function = cell_type.functions[output]
    if function is None:
        raise CircuitError(
            place, f"cell {name!r}", f"type {cell_type.name!r} has no function", "read it with its library"
        )
    fan_in = ", ".join(pin(port) for port in function.inputs)
    word = re.sub(r"\d+$", "", cell_type.name)
    if cell_type is gate_type("MUX", 3) or (
        word in {"AND", "NAND", "OR", "NOR", "XOR", "XNOR"} and cell_type.ports[0].name == "I0"
    ):
        return f"{driven} = {word}({fan_in})"
    if cell_type.kind in {"inv", "buf"} and len(function.inputs) == 1:
        return f"{driven} = {'NOT' if cell_type.kind == 'inv' else 'BUFF'}({fan_in})"
    if not function.inputs:
        return f"{driven} = {'vdd' if function.table else 'gnd'}"
    if function.table is None:
        raise CircuitError(place, f"cell {name!r}", "has a function of more than 6 inputs", "write Verilog instead")
    return f"{driven} = LUT 0x{function.table:x} ({fan_in})"


def _name(text: str, place: str) -> str:
    name = text.replace("\\", "")
    if not name or re.search(r"[\s(),=#]", name):
        raise CircuitError(place, f"name {text!r}", "holds a blank or one of ( ) , = #", "rename it, or write Verilog")
    return name
