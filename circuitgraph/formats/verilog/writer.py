"""Write a Circuit as one flat structural Verilog module."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import numpy as np

from circuitgraph.cell_types import AND2, DFF, LATCH, gate_type
from circuitgraph.circuit import CellType, Circuit, Direction, NetRole
from circuitgraph.errors import CircuitError
from circuitgraph.files import write_atomic
from circuitgraph.formats.aiger_writer import check_only_aiger_holds
from circuitgraph.formats.verilog.masters import GATE_WORDS, TRISTATE_WORDS
from circuitgraph.formats.verilog.parser import KEYWORDS
from circuitgraph.function import Function
from circuitgraph.names import NO_BIT, NameTable, decode, encode, split_bit

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z")
_RESERVED = KEYWORDS | GATE_WORDS | TRISTATE_WORDS
_BLANK = re.compile(r"\s")
_LITERALS = ("1'b0", "1'b1", "1'bx")
_DIRECTIONS = {Direction.INPUT: "input", Direction.OUTPUT: "output", Direction.INOUT: "inout"}

Key = tuple[str, int]


def write_verilog(circuit: Circuit, target: str | os.PathLike[str]) -> None:
    r"""Write a circuit as a flat module; :func:`read_verilog` gives the same cells, nets and names back.

    Gates of the language become primitives, other functions without a library cell an ``assign`` each, library and
    opaque cells instances with named connections. Names that hold the hierarchy are escaped (``\u1/n2 ``); two
    names that would become one text are told apart by a suffix. Unnamed nets and cells get their number as a name
    (``$n12``), which the reader takes for unnamed.

    Args:
        circuit: what to write.
        target: path of the file.

    Raises:
        CircuitError: the file cannot be written; a latch has no clock (LATCH of AIGER, DFF of BENCH); a cell has a
            known reset, or a port is a property (bad, constraint, justice, fairness), which Verilog does not hold.
    """
    _check_clocks(circuit)
    check_only_aiger_holds(circuit, "Verilog")
    write_atomic(target, encode("\n".join(_Writer(circuit).lines()) + "\n"))


def _check_clocks(circuit: Circuit) -> None:
    """Refuse the latches of formats that write no clock: a module needs one, and no simulator knows their types."""
    for clockless, written in ((LATCH, ".aag or .aig (AIGER)"), (DFF, ".bench (BENCH)")):
        rows = [row for row, cell_type in enumerate(circuit.types) if cell_type == clockless]
        cells = np.flatnonzero(np.isin(circuit.cell_type, rows))
        if len(cells):
            raise CircuitError(
                circuit.place or circuit.name,
                f"cell {circuit.cell_names.text(int(cells[0]))!r}",
                f"type {clockless.name!r} has no clock, and Verilog needs one ({len(cells):,} such cells)",
                f"write {written}",
            )


def identifier(name: str) -> str:
    r"""A raw name as Verilog writes it, escaped where it must be.

    >>> identifier("n1"), identifier("a[3]")
    ('n1', '\\a[3] ')
    """
    if _IDENTIFIER.match(name) and name not in _RESERVED:
        return name
    return f"\\{_BLANK.sub('_', name)} "


class _Writer:
    """Names chosen once, then lines."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.taken: set[str] = set()
        self.ranges: dict[str, tuple[int, int]] = {}
        port_keys = self.keys(circuit.port_names)
        net_keys = self.keys(circuit.net_names)
        alias_keys = self.keys(circuit.alias_names)
        declared = {bus.name: (bus.left, bus.right) for bus in circuit.buses}
        literal = (circuit.net_constant >= 0) & (circuit.net_role == 0)
        present: dict[str, set[int]] = {}
        scalars: set[str] = set()
        wires = [key for key, skip in zip(net_keys, literal.tolist(), strict=True) if not skip]
        for base, bit in (*port_keys, *wires, *alias_keys):
            if bit == NO_BIT:
                scalars.add(base)
            else:
                present.setdefault(base, set()).add(bit)
        port_order = self.port_order(port_keys)
        for base, bits in present.items():
            left, right = declared.get(base, port_order.get(base, (max(bits), min(bits))))
            whole = bits == set(range(min(left, right), max(left, right) + 1))
            if whole and base not in scalars:
                self.ranges[base] = (left, right)
        self.names: dict[Key, str] = {}
        for key in (*port_keys, *wires, *alias_keys):
            self.choose(key)
        self.port_text = [self.names[key] for key in port_keys]
        self.port_keys = port_keys
        self.net_text = [
            _LITERALS[value] if skip else self.names[key]
            for key, skip, value in zip(net_keys, literal.tolist(), circuit.net_constant.tolist(), strict=True)
        ]
        self.net_keys = net_keys
        self.literal = literal
        self.alias_keys = alias_keys

    def keys(self, table: NameTable) -> list[Key]:
        """Name without bit, and bit, of each row; hierarchy joined by ``/``."""
        found: list[Key] = []
        prefix: dict[int, str] = {-1: ""}
        for row in range(len(table)):
            block = table.block_of(row)
            if block not in prefix:
                assert table.blocks is not None
                prefix[block] = table.blocks.text(block) + "/"
            base = decode(table.base(row)) or f"{table.prefix}{row}"
            if block >= 0:
                base = base.replace("/", "\\/")
            found.append((prefix[block] + base, table.bit_of(row)))
        return found

    @staticmethod
    def port_order(keys: Iterable[Key]) -> dict[str, tuple[int, int]]:
        """First and last bit of each bus of ports, in the order of the terminals."""
        found: dict[str, tuple[int, int]] = {}
        for base, bit in keys:
            if bit != NO_BIT:
                found[base] = (found[base][0] if base in found else bit, bit)
        return found

    def choose(self, key: Key) -> None:
        """Give a name its text, another one where the text is taken."""
        if key in self.names:
            return
        base, bit = key
        if bit != NO_BIT and base in self.ranges:
            self.names[key] = f"{identifier(base)}[{bit}]"
            self.taken.add(identifier(base))
            return
        text = identifier(base if bit == NO_BIT else f"{base}[{bit}]")
        number = 2
        while text in self.taken:
            text = identifier(f"{base}${number}")
            number += 1
        self.taken.add(text)
        self.names[key] = text

    # -- lines ---------------------------------------------------------------------------------

    def lines(self) -> list[str]:
        """The whole module."""
        header: list[str] = []
        declarations: list[str] = []
        for text, direction in self.terminals():
            header.append(text)
            declarations.append(f"  {direction} {self.with_range(text)};")
        name = identifier(self.circuit.name or "top")
        lines = [f"module {name}({', '.join(header)});", *declarations, *self.wires()]
        lines += self.cells()
        lines += self.assigns()
        return [*lines, "endmodule"]

    def terminals(self) -> list[tuple[str, str]]:
        """Ports in order, buses once, each with its direction."""
        seen: dict[str, str] = {}
        for (base, bit), text, direction in zip(
            self.port_keys, self.port_text, self.circuit.port_direction.tolist(), strict=True
        ):
            shown = identifier(base) if bit != NO_BIT and base in self.ranges else text
            seen.setdefault(shown, _DIRECTIONS.get(Direction(direction), "inout"))
        return list(seen.items())

    def with_range(self, text: str) -> str:
        """A declared name with its range before it."""
        for base in (text, text[1:-1] if text[:1] == "\\" else text):
            if base in self.ranges and identifier(base) == text:
                left, right = self.ranges[base]
                return f"[{left}:{right}] {text}"
        return text

    def wires(self) -> list[str]:
        """Declarations of the nets and aliases that are no ports."""
        circuit = self.circuit
        ports = {text for text, _ in self.terminals()}
        seen: set[str] = set()
        lines: list[str] = []
        roles = circuit.net_role.tolist()
        constants = circuit.net_constant.tolist()
        rows: list[tuple[Key, int]] = [(key, row) for row, key in enumerate(self.net_keys) if not self.literal[row]]
        rows += [(key, -1) for key in self.alias_keys]
        for key, row in rows:
            base, bit = key
            text = identifier(base) if bit != NO_BIT and base in self.ranges else self.names[key]
            if text in ports or text in seen:
                continue
            seen.add(text)
            word = "wire"
            if row >= 0 and constants[row] in {0, 1} and roles[row] in {NetRole.POWER, NetRole.GROUND}:
                word = f"supply{constants[row]}"
            lines.append(f"  {word} {self.with_range(text)};")
        return lines

    def assigns(self) -> list[str]:
        """Ports on nets of another name, inverted outputs, aliases."""
        circuit = self.circuit
        lines: list[str] = []
        done: set[str] = set()
        inverted = circuit.port_inverted
        for port, net in enumerate(circuit.port_net.tolist()):
            if net < 0:
                continue
            port_text, net_text = self.port_text[port], self.net_text[net]
            flip = inverted is not None and bool(inverted[port])
            if port_text == net_text and not flip:
                continue
            done.add(port_text)
            if circuit.port_direction[port] == Direction.INPUT and not self.literal[net]:
                lines.append(f"  assign {net_text} = {'~' if flip else ''}{port_text};")
            else:
                lines.append(f"  assign {port_text} = {'~' if flip else ''}{net_text};")
        for key, net in zip(self.alias_keys, circuit.alias_net.tolist(), strict=True):
            text = self.names[key]
            if net >= 0 and text not in done and text != self.net_text[net]:
                done.add(text)
                lines.append(f"  assign {text} = {self.net_text[net]};")
        return lines

    def cells(self) -> list[str]:
        """One statement a cell, in order."""
        circuit = self.circuit
        styles = [style_of(cell_type) for cell_type in circuit.types]
        groups = [grouped(cell_type) for cell_type in circuit.types]
        cell_keys = self.keys(circuit.cell_names)
        start = circuit.pin_start.tolist()
        pin_net = circuit.pin_net.tolist()
        inverted = None if circuit.pin_inverted is None else circuit.pin_inverted.tolist()
        named = np.diff(circuit.cell_names.start) > 0
        used: set[str] = set(self.taken)
        lines: list[str] = []
        for cell, row in enumerate(circuit.cell_type.tolist()):
            cell_type, style = circuit.types[row], styles[row]
            pins = []
            for pin in range(start[cell], start[cell + 1]):
                text = self.net_text[pin_net[pin]] if pin_net[pin] >= 0 else ""
                pins.append(f"~{text}" if inverted is not None and inverted[pin] and text else text)
            base, bit = cell_keys[cell]
            name = ""
            if named[cell] or style == "instance":
                name = self.cell_name(base, bit, used)
            lines.append(statement(cell_type, style, groups[row], name, pins))
        return lines

    @staticmethod
    def cell_name(base: str, bit: int, used: set[str]) -> str:
        """A name that no other cell or net has."""
        base = base if bit == NO_BIT else f"{base}[{bit}]"
        text = identifier(base)
        number = 2
        while text in used:
            text = identifier(f"{base}${number}")
            number += 1
        used.add(text)
        return text


def style_of(cell_type: CellType) -> str:
    """How cells of a type are written: "primitive", "tristate", "expression" or "instance"."""
    count = len(cell_type.ports) - 1
    names = [port.name for port in cell_type.ports]
    if cell_type.name in TRISTATE_WORDS and names == ["I0", "E", "Y"]:
        return "tristate"
    function = cell_type.functions[-1] if cell_type.functions else None
    generic = names == [*(f"I{index}" for index in range(count)), "Y"] or cell_type == AND2
    if not generic or not isinstance(function, Function) or cell_type.is_sequential:
        return "instance"
    word = cell_type.name.rstrip("0123456789")
    if word.lower() in GATE_WORDS and names[0] == "I0" and gate_type(word, count) == cell_type:
        return "primitive"
    return "expression"


def grouped(cell_type: CellType) -> list[tuple[str, list[int]]]:
    """Ports as connections see them: neighbours ``a[1] a[0]`` are one bus, scattered bits stand alone."""
    bits = [split_bit(port.name) for port in cell_type.ports]
    runs: list[tuple[str, list[int]]] = []
    for place, (base, bit) in enumerate(bits):
        if bit != NO_BIT and place and bits[place - 1][0] == base and bits[place - 1][1] != NO_BIT:
            runs[-1][1].append(place)
        else:
            runs.append((base, [place]))
    count: dict[str, int] = {}
    for base, _ in runs:
        count[base] = count.get(base, 0) + 1
    found: list[tuple[str, list[int]]] = []
    for base, places in runs:
        if count[base] == 1:
            found.append((base, places))
        else:
            found += [(cell_type.ports[place].name, [place]) for place in places]
    return found


def statement(cell_type: CellType, style: str, groups: list[tuple[str, list[int]]], name: str, pins: list[str]) -> str:
    """The statement of one cell."""
    if style == "primitive":
        word = cell_type.name.rstrip("0123456789").lower()
        return f"  {word} {name}({', '.join([pins[-1], *pins[:-1]])});"
    if style == "tristate":
        return f"  {cell_type.name} {name}({pins[2]}, {pins[0]}, {pins[1]});"
    if style == "expression":
        function = cell_type.functions[-1]
        assert isinstance(function, Function)
        if cell_type == gate_type("MUX", 3) and all(pins):
            return f"  assign {pins[3]} = {pins[0]} ? {pins[2]} : {pins[1]};"
        return f"  assign {pins[-1]} = {expression(function, pins)};" if pins[-1] else f"  // {name} drives nothing"
    if groups and groups[0][0].startswith("$"):
        return f"  {identifier(cell_type.name)} {name}({', '.join(pins)});"
    parts = []
    for port, places in groups:
        texts = [pins[place] for place in places]
        base, bit = split_bit(port)
        if len(texts) == 1 and (bit != NO_BIT or port == cell_type.ports[places[0]].name):
            select = "" if bit == NO_BIT else f"[{bit}]"
            parts.append(f".{identifier(base)}{select}({texts[0]})")
        elif any(texts):
            inside = ", ".join(text or "1'bz" for text in texts)
            parts.append(f".{identifier(port)}({{{inside}}})")
        else:
            parts.append(f".{identifier(port)}()")
    return f"  {identifier(cell_type.name)} {name} ({', '.join(parts)});"


def expression(function: Function, pins: list[str]) -> str:
    """A function over the texts of its inputs, as sum of products or by its program."""
    if function.table is None:
        stack: list[str] = []
        assert function.program is not None
        for step in function.program:
            if isinstance(step, int):
                stack.append(pins[step] or "1'bx")
            elif step in {"0", "1"}:
                stack.append(f"1'b{step}")
            elif step == "not":
                stack.append(f"~({stack.pop()})")
            else:
                right = stack.pop()
                sign = {"and": "&", "or": "|", "xor": "^"}[str(step)]
                stack.append(f"({stack.pop()} {sign} {right})")
        return stack[0]
    count = len(function.inputs)
    texts = [pins[place] or "1'bx" for place in function.inputs]
    rows = [row for row in range(1 << count) if function.table >> row & 1]
    if not rows:
        return "1'b0"
    if len(rows) == 1 << count:
        return "1'b1"
    terms = []
    for row in rows:
        literals = [texts[place] if row >> place & 1 else negated(texts[place]) for place in range(count)]
        terms.append(" & ".join(literals))
    return terms[0] if len(terms) == 1 else " | ".join(f"({term})" for term in terms)


def negated(text: str) -> str:
    """The complement of a net or of a complement."""
    return text[1:] if text[0] == "~" else f"~{text}"


__all__ = ["identifier", "write_verilog"]
