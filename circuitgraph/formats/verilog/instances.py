"""Statements that make cells: gate primitives and instances, with their connections."""

# ruff: noqa: S105 - tokens of a grammar, no secrets

from __future__ import annotations

from circuitgraph.formats.verilog.cells import ARGUMENT_ENDS, Cells
from circuitgraph.formats.verilog.expressions import Bits, Fault, closing_of, syntax
from circuitgraph.formats.verilog.masters import SWITCH_PORTS, TRISTATE_WORDS, switch_type
from circuitgraph.formats.verilog.raw import Array
from circuitgraph.formats.verilog.tokens import is_name, plain

STRENGTHS = frozenset(
    [
        "supply0",
        "supply1",
        "strong0",
        "strong1",
        "pull0",
        "pull1",
        "weak0",
        "weak1",
        "highz0",
        "highz1",
        "small",
        "medium",
        "large",
    ]
)


class Instances(Cells):
    """Reads the statements."""

    def gate_statement(self, tokens: list[str]) -> None:
        """``nand #(1,2) g1 (y, a, b), (z, c, d)``."""
        word = tokens[0]
        at = skip_delay(tokens, skip_strength(tokens, 1))
        start = self.tokens.index - len(tokens) - 1
        while True:
            name, at, bounds = self.instance_name(tokens, at)
            if tokens[at] != "(":
                raise syntax(at, tokens[at], "'('")
            arguments: list[tuple[Bits, bool]] = []
            while tokens[at] != ")":
                if tokens[at + 1] in ARGUMENT_ENDS:
                    raise syntax(at + 1, tokens[at + 1], "a net")
                bits, flexible, at = self.argument(tokens, at + 1)
                arguments.append((bits, flexible))
            at += 1
            size = 1 if bounds is None else abs(bounds[0] - bounds[1]) + 1
            self.scope.spend(size * (len(arguments) + 1), at - 1)
            for element in range(size):
                nets = [self.element(bits, element, size) for bits, _ in arguments]
                self.gate(word, name, nets, start, element_bit(bounds, element), at - 1)
            if at == len(tokens):
                return
            if tokens[at] != ",":
                raise syntax(at, tokens[at], "',' or ';'")
            at += 1

    def element(self, bits: Bits, element: int, size: int) -> int:
        """The net of one element of an array of gates."""
        if len(bits) == size:
            return bits[element]
        if len(bits) != 1:
            self.names.notes.add("expression of another width: cut, or extended with 0")
        return bits[-1]

    def gate(self, word: str, name: str, nets: Bits, index: int, bit: int | None, at: int) -> None:
        """One gate; ``buf`` and ``not`` of several outputs become one cell each."""
        if word in SWITCH_PORTS or word in TRISTATE_WORDS:
            wanted = len(SWITCH_PORTS.get(word, "123"))
            if len(nets) != wanted:
                raise Fault(at, f"gate {name or word!r}", f"takes {wanted} nets, not {len(nets)}", "check the list")
            if word in TRISTATE_WORDS:
                row = self.names.tristate(word)
                nets = [nets[1], nets[2], nets[0]]
            else:
                row = self.names.fixed_type(switch_type(word))
            self.add_instance(name, row, index, bit)
            self.add_fixed(nets)
            return
        if len(nets) < 2:
            raise Fault(
                at, f"gate {name or word!r}", f"takes an output and an input at least, not {len(nets)} nets", "check it"
            )
        if word in {"buf", "not"}:
            if len(nets) > 2:
                self.names.notes.add("buf or not with several outputs: one cell each")
            for output in nets[:-1]:
                self.add_instance(name, self.names.gate(word.upper(), 1), index, bit)
                self.add_fixed([nets[-1], output])
            return
        self.add_instance(name, self.names.gate(word.upper(), len(nets) - 1), index, bit)
        self.add_fixed([*nets[1:], nets[0]])

    def instance_name(self, tokens: list[str], at: int) -> tuple[str, int, tuple[int, int] | None]:
        """Name, next token and range of an instance; the name is empty where none stands."""
        if tokens[at] == "(":
            return "", at, None
        if not is_name(tokens[at]):
            raise syntax(at, tokens[at], "the name of a cell")
        name = plain(tokens[at])
        at += 1
        if tokens[at] != "[":
            return name, at, None
        start = at
        at, left, right, known = self.range(tokens, at)
        if not known or abs(left - right) >= self.scope.width:
            raise Fault(start, f"array {name!r}", "has a range out of bounds", "raise CIRCUITGRAPH_MAX_WIDTH")
        return name, at, (left, right)

    def instance_statement(self, tokens: list[str]) -> None:
        """``TYPE #(...) u1 (...), u2 (...)``."""
        master = self.names.master(plain(tokens[0]))
        module = self.module
        start = self.tokens.index - len(tokens) - 1
        at = 1
        overrides = tokens[at] == "#"
        at = skip_delay(tokens, at)
        while True:
            first = at
            name, at, bounds = self.instance_name(tokens, at)
            if tokens[at] != "(":
                raise syntax(at, tokens[at], "'('")
            size = 1 if bounds is None else abs(bounds[0] - bounds[1]) + 1
            row = self.add_instance(name, master, start, element_bit(bounds, 0))
            if not name:
                module.unnamed.append(row)
            first_conn, first_bit = len(module.conn_port), len(module.bits)
            self.inside_instance = True
            end = self.connections(tokens, at + 1)
            self.inside_instance = False
            if overrides:
                module.overrides[row] = start + first
                self.names.notes.add("parameter of a cell skipped")
            if bounds is not None:
                self.repeat(row, bounds, size, first_conn, first_bit, end)
            if self.waiting:
                self.add_waiting()
            at = end
            if at == len(tokens):
                return
            if tokens[at] != ",":
                raise syntax(at, tokens[at], "',' or ';'")
            at += 1

    def repeat(self, row: int, bounds: tuple[int, int], size: int, first_conn: int, first_bit: int, at: int) -> None:
        """The other elements of an instance array, each with the whole connections; the linker deals the bits out."""
        module = self.module
        ports = module.conn_port[first_conn:]
        widths = module.conn_width[first_conn:]
        flexible = module.conn_flexible[first_conn:]
        bits = module.bits[first_bit:]
        self.scope.spend(size * (len(bits) + len(ports) + 1), at - 1)
        module.arrays[row] = Array(0, size)
        for element in range(1, size):
            other = self.add_instance(
                module.inst_name[row], module.inst_master[row], module.inst_index[row], element_bit(bounds, element)
            )
            if row in module.overrides:
                module.overrides[other] = module.overrides[row]
            module.arrays[other] = Array(element, size)
            module.conn_port.extend(ports)
            module.conn_width.extend(widths)
            module.conn_flexible.extend(flexible)
            module.bits.extend(bits)

    def connections(self, tokens: list[str], at: int) -> int:
        """The connections of one instance; returns the token after the closing parenthesis."""
        if tokens[at] == ")":
            return at + 1
        if tokens[at] == ".":
            return self.named_connections(tokens, at)
        position = 0
        while True:
            token = tokens[at]
            if token in ARGUMENT_ENDS:
                self.connect(-1 - position, [], False)
            elif token == ".":
                raise syntax(at, ".", "an ordered connection, as before")
            else:
                bits, flexible, at = self.argument(tokens, at)
                self.connect(-1 - position, bits, flexible)
            position += 1
            if tokens[at] == ")":
                return at + 1
            if tokens[at] != ",":
                raise syntax(at, tokens[at], "',' or ')'")
            at += 1

    def connect(self, port: int, bits: Bits, flexible: bool) -> None:
        """One connection of the last instance."""
        module = self.module
        module.conn_port.append(port)
        module.conn_width.append(len(bits))
        module.conn_flexible.append(flexible)
        module.bits.extend(bits)

    def named_connections(self, tokens: list[str], at: int) -> int:
        """``.A(n1), .B[3](n2), .C``."""
        module = self.module
        scalars = module.scalars
        port_row = self.names.port_row
        ports, widths, flags, all_bits = module.conn_port, module.conn_width, module.conn_flexible, module.bits
        while True:
            if tokens[at] != ".":
                raise syntax(at, tokens[at], "a named connection '.port(net)'")
            token = tokens[at + 1]
            if tokens[at + 2] == "(" and tokens[at + 4] == ")":
                net = scalars.get(tokens[at + 3])
                port = port_row.get(token)
                if net is not None and port is not None:
                    ports.append(port)
                    widths.append(1)
                    flags.append(0)
                    all_bits.append(net)
                    at += 5
                    if tokens[at] == ",":
                        at += 1
                        continue
                    if tokens[at] == ")":
                        return at + 1
                    raise syntax(at, tokens[at], "',' or ')'")
            at = self.named_connection(tokens, at)
            if tokens[at] == ")":
                return at + 1
            if tokens[at] != ",":
                raise syntax(at, tokens[at], "',' or ')'")
            at += 1

    def named_connection(self, tokens: list[str], at: int) -> int:
        """One named connection of any form; returns the token after it."""
        token = tokens[at + 1]
        if token == "*":
            raise Fault(at, "connection '.*'", "leaves the nets to be found by name", "write the connections out")
        if not is_name(token):
            raise syntax(at + 1, token, "a port name")
        name = plain(token)
        after = at + 2
        if tokens[after] == "[":
            if tokens[after + 2] != "]":
                raise syntax(after, "[", "one bit of the port")
            name = f"{name}[{self.scope.integer([tokens[after + 1]], after + 1)}]"
            after += 3
        port = self.names.port(name)
        if tokens[after] != "(":
            self.connect(port, self.scope.name(token, at + 1), False)
            return after
        if tokens[after + 1] == ")":
            self.connect(port, [], False)
            return after + 2
        bits, flexible, end = self.argument(tokens, after + 1)
        if tokens[end] != ")":
            raise syntax(end, tokens[end], "')'")
        self.connect(port, bits, flexible)
        return end + 1


def element_bit(bounds: tuple[int, int] | None, element: int) -> int | None:
    """Index of an element of an instance array."""
    if bounds is None:
        return None
    return bounds[0] - element if bounds[0] >= bounds[1] else bounds[0] + element


def skip_delay(tokens: list[str], at: int) -> int:
    """Token after ``#5``, ``#(1,2)`` or ``#(.P(v))``, if one stands there."""
    if tokens[at] != "#":
        return at
    if tokens[at + 1] == "(":
        return closing_of(tokens, at + 1) + 1
    return at + 2


def skip_strength(tokens: list[str], at: int) -> int:
    """Token after ``(strong0, weak1)``, if one stands there."""
    if tokens[at] == "(" and tokens[at + 1] in STRENGTHS:
        return closing_of(tokens, at) + 1
    return at
