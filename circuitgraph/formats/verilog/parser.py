"""From tokens to raw modules: the subset of Verilog that netlists are written in.

What no netlist holds (always, initial, functions, arithmetic) marks its module as behavioural; the linker decides
whether that is an opaque leaf or an error.
"""

from __future__ import annotations

from collections.abc import Callable

from circuitgraph.circuit import Direction
from circuitgraph.errors import CircuitError, nearest
from circuitgraph.formats.lexing import MAX_NETS, SourceText, limit
from circuitgraph.formats.verilog.expressions import (
    Bits,
    Fault,
    Item,
    NotStructural,
    Scope,
    directions_of,
    syntax,
)
from circuitgraph.formats.verilog.masters import GATE_WORDS, SWITCH_PORTS, TRISTATE_WORDS, switch_type
from circuitgraph.formats.verilog.raw import ZERO, Array, HeaderPort, Names, RawModule, RawPort
from circuitgraph.formats.verilog.tokens import Tokens, is_name, plain

NET_WORDS = frozenset("wire tri tri0 tri1 wand wor triand trior trireg uwire reg logic supply0 supply1".split())
DIRECTION_WORDS = frozenset({"input", "output", "inout"})
SKIPPED_WORDS = frozenset("specparam defparam integer real realtime time genvar event timeunit timeprecision".split())
BEHAVIOURAL_WORDS = frozenset(
    "always always_ff always_comb always_latch initial final function task generate if for case begin assert "
    "property sequence covergroup typedef enum struct import export class interface modport bind let clocking "
    "program package alias".split()
)
STRENGTHS = frozenset(
    "supply0 supply1 strong0 strong1 pull0 pull1 weak0 weak1 highz0 highz1 small medium large".split()
)
SYSTEM_VERILOG_WORDS = frozenset(
    "uwire logic always_ff always_comb always_latch final assert property sequence covergroup typedef enum struct "
    "import export class interface modport bind let clocking program package alias timeunit timeprecision".split()
)
"""Words that begin a statement of SystemVerilog and are plain names in Verilog-2001 netlists."""
KEYWORDS = (
    NET_WORDS
    | DIRECTION_WORDS
    | SKIPPED_WORDS
    | BEHAVIOURAL_WORDS
    | frozenset("module macromodule endmodule primitive endprimitive assign parameter localparam specify".split())
)
RESERVED = KEYWORDS - SYSTEM_VERILOG_WORDS
"""Words that cannot name a net or a port."""
NO_ENDS: frozenset[str] = frozenset()
COMMA = frozenset({","})
ARGUMENT_ENDS = frozenset({",", ")"})


def parse(source: SourceText) -> tuple[list[RawModule], Names, Tokens]:
    """All modules of a file, not linked.

    Raises:
        CircuitError: the text is no structural Verilog.
    """
    parser = Parser(source)
    parser.file()
    return parser.modules, parser.names, parser.tokens


def header_of(source: SourceText) -> Parser | None:
    """A parser that has read the header of the first module of *source*; None where no module stands first."""
    parser = Parser(source)
    tokens = parser.tokens
    index = tokens.index
    if tokens.peek() not in {"module", "macromodule"}:
        return None
    parser.start_module(index, False)
    return parser


class Parser:
    """One pass over the tokens; the module being read is the only state beside the results."""

    def __init__(self, source: SourceText) -> None:
        self.tokens = Tokens(source)
        self.names = Names()
        self.modules: list[RawModule] = []
        budget = max(limit("CIRCUITGRAPH_MAX_NETS", MAX_NETS), 4 * len(source.text))
        self.budget = budget
        self.spent = 0
        self.module = RawModule("", 0)
        self.scope = Scope(self.module, budget)
        self.inside_instance = False
        self.waiting: list[tuple[int, Bits]] = []

    # -- the file ------------------------------------------------------------------------------

    def file(self) -> None:
        """Every module and primitive of the file."""
        tokens = self.tokens
        is_cell = False
        while word := tokens.peek():
            if word in {"`celldefine", "`endcelldefine"}:
                is_cell = word == "`celldefine"
                tokens.take()
            elif word in {"module", "macromodule", "primitive"}:
                self.modules.append(self.read_module(is_cell))
            elif word == ";":
                tokens.take()
            else:
                index = tokens.index
                fault = tokens.fault_of(word, index)
                way_out = nearest(word, ["module", "primitive"], "a file holds modules only; remove what stands between")
                raise fault or CircuitError(
                    tokens.place(index), f"token {word!r}", "stands where 'module' is expected", way_out
                )

    def read_module(self, is_cell: bool) -> RawModule:
        """One module, from its first word to endmodule or endprimitive."""
        index = self.tokens.index
        module = self.start_module(index, is_cell)
        closing = "endprimitive" if module.is_primitive else "endmodule"
        if module.is_primitive:
            self.skip_rest(closing)
        else:
            self.items(closing)
        module.end = self.tokens.index
        if self.tokens.peek() == ":":
            self.tokens.take()
            self.tokens.take()
        self.guarded(self.finish_ports, [], index)
        self.spent = self.scope.used
        module.conn_start.append(len(module.conn_port))
        return module

    def start_module(self, index: int, is_cell: bool) -> RawModule:
        """A module's first statement."""
        opening = self.tokens.take()
        name = self.tokens.peek()
        if not name:
            raise self.tokens.unfinished()
        if not is_name(name) or name in RESERVED:
            raise self.error(self.tokens.index, syntax(0, name, "a module name"))
        module = self.module = RawModule(plain(name), index, is_cell=is_cell, is_primitive=opening == "primitive")
        self.scope = Scope(module, self.budget)
        self.scope.used = self.spent
        self.tokens.take()
        start = self.tokens.index
        self.guarded(self.header, self.tokens.statement(), start)
        return module

    def items(self, closing: str) -> None:
        """The statements of a module up to its end."""
        tokens = self.tokens
        while True:
            word = tokens.peek()
            if word == closing:
                tokens.take()
                return
            if not word:
                raise tokens.unfinished()
            if word in BEHAVIOURAL_WORDS:
                self.module.behavioural = self.module.behavioural or (tokens.index, word)
                self.skip_rest(closing)
                return
            if word == "specify":
                end = tokens.find("endspecify")
                if end < 0:
                    raise tokens.unfinished()
                tokens.at = end + 1
                self.names.notes.add("specify block skipped")
                continue
            if word == "`celldefine" or word == "`endcelldefine":
                tokens.take()
                continue
            start = tokens.index
            if not self.guarded(self.statement, tokens.statement(), start):
                self.skip_rest(closing)
                return

    def guarded(self, action: Callable[[list[str]], None], statement: list[str], start: int) -> bool:
        """Run *action* on a statement; its faults get their places. False: the module turned behavioural."""
        self.inside_instance = False
        self.waiting.clear()
        try:
            action(statement)
        except NotStructural as found:
            self.module.behavioural = self.module.behavioural or (start + found.at, found.word)
            return False
        except Fault as fault:
            raise self.error(start + fault.at, fault) from None
        except IndexError:
            shown = " ".join(statement[:4])
            early = Fault(0, f"statement {shown!r}", "ends too early", "check the text before its semicolon")
            raise self.error(start, early) from None
        return True

    def error(self, index: int, fault: Fault) -> CircuitError:
        """The error of a fault; a token that is broken in itself goes first."""
        for number, token in enumerate(self.tokens.between(index, index + 2), index):
            broken = self.tokens.fault_of(token, number)
            if broken is not None:
                return broken
        return CircuitError(self.tokens.place(index), *fault.parts)

    def skip_rest(self, closing: str) -> None:
        """Skip a behavioural body, but take the port declarations in it."""
        tokens = self.tokens
        end = tokens.find(closing)
        if end < 0:
            raise tokens.unfinished()
        body = tokens.held[tokens.at : end]
        start = tokens.index
        at = 0
        while at < len(body):
            word = body[at]
            if word in {"function", "task"}:
                ends = f"end{word}"
                at = body.index(ends, at) + 1 if ends in body[at:] else len(body)
                continue
            stop = body.index(";", at) if ";" in body[at:] else len(body)
            if word in DIRECTION_WORDS and not self.module.is_ansi:
                self.guarded(self.statement, body[at:stop], start + at)
            elif word in {"parameter", "localparam"}:
                self.guarded(self.parameters, body[at + 1 : stop], start + at + 1)
            at = stop + 1 if word not in BEHAVIOURAL_WORDS else at + 1
        tokens.at = end + 1

    # -- header and ports ----------------------------------------------------------------------

    def header(self, tokens: list[str]) -> None:
        """The rest of a module's first statement: parameters and ports."""
        at = 0
        while tokens[at : at + 1] == ["import"]:
            raise NotStructural(at, "import")
        if tokens[at : at + 1] == ["#"]:
            end = closing_of(tokens, at + 1)
            self.parameters(tokens[at + 2 : end])
            at = end + 1
        if at == len(tokens):
            return
        if tokens[at] != "(":
            raise syntax(at, tokens[at], "'(' or ';'")
        end = closing_of(tokens, at)
        if end != len(tokens) - 1:
            raise syntax(end + 1, tokens[end + 1], "';'")
        entries = split(tokens, at + 1, end)
        if any(tokens[first] in DIRECTION_WORDS for first, last in entries if first < last):
            self.ansi(tokens, entries)
            return
        start = self.tokens.index - len(tokens) - 1
        for first, last in entries:
            if first == last:
                if len(entries) > 1:
                    self.module.header.append(HeaderPort("", [], start + first))
                continue
            entry = tokens[first:last]
            if entry[0] == ".":
                if entry[2] != "(" or entry[-1] != ")":
                    raise syntax(first, ".", "'.name(nets)'")
                self.module.header.append(HeaderPort(plain(entry[1]), entry[3:-1], start + first))
            else:
                if not is_name(entry[0]) and entry[0] != "{":
                    raise syntax(first, entry[0], "a port name")
                name = plain(entry[0]) if is_name(entry[0]) and len(entry) == 1 else ""
                self.module.header.append(HeaderPort(name, entry, start + first))

    def ansi(self, tokens: list[str], entries: list[tuple[int, int]]) -> None:
        """Ports declared in the header."""
        self.module.is_ansi = True
        direction = Direction.UNKNOWN
        left: int | None = None
        right = 0
        known = True
        for first, last in entries:
            at = first
            if first == last:
                raise syntax(first - 1, tokens[first - 1], "a port declaration")
            if tokens[at] in DIRECTION_WORDS:
                direction = directions_of(tokens[at])
                at += 1
                left, right, known = None, 0, True
                while tokens[at] in NET_WORDS or tokens[at] in {"signed", "unsigned", "var"}:
                    at += 1
                if tokens[at] == "[":
                    at, left, right, known = self.range(tokens, at)
            if direction is Direction.UNKNOWN:
                raise syntax(at, tokens[at], "'input', 'output' or 'inout'")
            token = tokens[at]
            if not is_name(token) or token in RESERVED:
                raise syntax(at, token, "a port name")
            self.declare_port(token, direction, left, right, known, at)
            self.module.header.append(HeaderPort(plain(token), [token], 0))
            if at + 1 != last:
                raise NotStructural(at + 1, tokens[at + 1])

    def declare_port(
        self, token: str, direction: Direction, left: int | None, right: int, known: bool, at: int
    ) -> None:
        """Give a net its direction as a port."""
        name = plain(token)
        found = self.scope.declare(name, left, right, at)
        if found.direction not in {Direction.UNKNOWN, direction}:
            raise Fault(at, f"port {name!r}", "has two directions", "keep one")
        found.direction = direction
        found.is_port = True
        found.known_width = known

    def finish_ports(self, tokens: list[str]) -> None:
        """Resolve the header's entries once all declarations are known."""
        module = self.module
        for entry in module.header:
            if not entry.tokens:
                module.ports.append(RawPort(entry.name, [], [], None, 0))
                continue
            try:
                port = self.port_of(entry)
            except (Fault, NotStructural, IndexError) as fault:
                parts = fault.parts if isinstance(fault, Fault) else syntax(0, entry.tokens[0], "a port").parts
                index = entry.index or module.index
                raise CircuitError(self.tokens.place(index), *parts) from None
            module.ports.append(port)
        seen: set[str] = set()
        for port in module.ports:
            if port.name and port.name in seen:
                raise CircuitError(
                    self.tokens.place(module.index), f"module {module.name!r}", f"has two ports {port.name!r}", "rename one"
                )
            seen.add(port.name)

    def port_of(self, entry: HeaderPort) -> RawPort:
        """The bits and directions of one entry of the port list."""
        module = self.module
        tokens = entry.tokens
        if len(tokens) == 1:
            base = plain(tokens[0])
            found = module.declared.get(base)
            if found is None or not found.is_port:
                if module.behavioural and not found:
                    found = self.scope.declare(base, None, 0, 0)
                else:
                    raise Fault(
                        0,
                        f"port {base!r}",
                        f"of module {module.name!r} has no direction",
                        "declare it as input, output or inout",
                    )
            bits = list(range(found.row, found.row + found.width))
            directions = [found.direction] * len(bits)
            return RawPort(entry.name, bits, directions, found.left, found.right, found.known_width)
        bits, _, after = self.scope.primary(tokens, 0)
        if after != len(tokens):
            raise syntax(after, tokens[after], "the end of the port")
        owner = self.row_directions()
        directions = [owner.get(bit, Direction.UNKNOWN) for bit in bits]
        if any(bit < 0 for bit in bits) or Direction.UNKNOWN in directions:
            raise Fault(0, f"port {entry.name or '{...}'!r}", "holds a net without a direction", "declare it as a port")
        left = len(bits) - 1 if len(bits) > 1 else None
        return RawPort(entry.name, bits, directions, left, 0)

    def row_directions(self) -> dict[int, Direction]:
        """Direction of every net row that is declared as a port."""
        return {
            found.row + step: found.direction
            for found in self.module.declared.values()
            if found.is_port
            for step in range(found.width)
        }

    # -- statements ----------------------------------------------------------------------------

    def statement(self, tokens: list[str]) -> None:
        """One statement of a module's body, without its semicolon."""
        if not tokens:
            return
        word = tokens[0]
        if word in DIRECTION_WORDS:
            self.port_statement(tokens)
        elif word in NET_WORDS:
            self.net_statement(tokens)
        elif word == "assign":
            self.assign_statement(tokens)
        elif word in GATE_WORDS:
            self.gate_statement(tokens)
        elif word in TRISTATE_WORDS or word in SWITCH_PORTS:
            self.gate_statement(tokens)
        elif word in {"parameter", "localparam"}:
            self.parameters(tokens[1:])
        elif word in SKIPPED_WORDS:
            self.names.notes.add(f"{word} skipped")
        elif word in {"endspecify", "endprimitive", "endtable", "table", "endfunction", "endtask"} or word in KEYWORDS:
            raise syntax(0, word, "a declaration or a cell")
        elif is_name(word):
            self.instance_statement(tokens)
        else:
            raise syntax(0, word, "a declaration or a cell")

    def parameters(self, tokens: list[str]) -> None:
        """Remember integer values of parameters; others are skipped."""
        for first, last in split(tokens, 0, len(tokens)):
            part = tokens[first:last]
            if "=" not in part:
                continue
            place = part.index("=")
            if not place or not is_name(part[place - 1]):
                continue
            try:
                value = self.scope.integer(part[place + 1 :], 0)
            except (NotStructural, Fault, IndexError):
                continue
            self.module.parameters[plain(part[place - 1])] = value
        self.names.notes.add("parameter skipped")

    def range(self, tokens: list[str], at: int) -> tuple[int, int, int, bool]:
        """Token after ``[left:right]``, both indices, and whether they are known."""
        end = tokens.index("]", at) if "]" in tokens[at:] else -1
        if end < 0 or ":" not in tokens[at:end]:
            raise syntax(at, "[", "a range [left:right]")
        colon = tokens.index(":", at)
        if tokens[end + 1 : end + 2] == ["["]:
            raise NotStructural(end + 1, "[")
        try:
            left = self.scope.integer(tokens[at + 1 : colon], at + 1)
            right = self.scope.integer(tokens[colon + 1 : end], colon + 1)
        except NotStructural as found:
            self.module.behavioural = self.module.behavioural or (
                self.tokens.index - len(tokens) - 1 + found.at,
                found.word,
            )
            return end + 1, 0, 0, False
        return end + 1, left, right, True

    def port_statement(self, tokens: list[str]) -> None:
        """``input [3:0] a, b``."""
        at = 1
        direction = directions_of(tokens[0])
        while tokens[at] in NET_WORDS or tokens[at] in {"signed", "unsigned"}:
            at += 1
        left: int | None = None
        right, known = 0, True
        if tokens[at] == "[":
            at, left, right, known = self.range(tokens, at)
        while True:
            token = tokens[at]
            if not is_name(token) or token in RESERVED:
                raise syntax(at, token, "a port name")
            self.declare_port(token, direction, left, right, known, at)
            at += 1
            if at == len(tokens):
                return
            if tokens[at] == "=":
                raise NotStructural(at, "=")
            if tokens[at] != ",":
                raise syntax(at, tokens[at], "',' or ';'")
            at += 1

    def net_statement(self, tokens: list[str]) -> None:
        """``wire [3:0] a, b = c``."""
        word = tokens[0]
        at = 1
        while tokens[at] in {"signed", "unsigned", "scalared", "vectored"} or tokens[at] in NET_WORDS:
            at += 1
        at = skip_strength(tokens, at)
        left: int | None = None
        right = 0
        if tokens[at] == "[":
            at, left, right, known = self.range(tokens, at)
            if not known:
                raise NotStructural(0, "range")
        at = skip_delay(tokens, at)
        scope = self.scope
        while True:
            token = tokens[at]
            if not is_name(token) or token in RESERVED:
                raise syntax(at, token, "a net name")
            found = scope.declare(plain(token), left, right, at)
            at += 1
            if word in {"supply0", "supply1"}:
                for row in range(found.row, found.row + found.width):
                    self.module.supplies[row] = int(word[-1])
            if at == len(tokens):
                return
            if tokens[at] == "=":
                bits = list(range(found.row, found.row + found.width))
                at = self.drive(bits, tokens, at + 1)
                if at == len(tokens):
                    return
            elif tokens[at] == "[":
                raise NotStructural(at, "memory")
            if tokens[at] != ",":
                raise syntax(at, tokens[at], "',' or ';'")
            at += 1

    def assign_statement(self, tokens: list[str]) -> None:
        """``assign {a, b} = c, d = ~e``."""
        at = skip_delay(tokens, skip_strength(tokens, 1))
        while True:
            start = at
            bits, flexible, at = self.scope.primary(tokens, at)
            if flexible or any(bit < 0 for bit in bits):
                raise syntax(start, tokens[start], "nets on the left side")
            if tokens[at] != "=":
                raise syntax(at, tokens[at], "'='")
            at = self.drive(bits, tokens, at + 1)
            if at == len(tokens):
                return
            at += 1

    def drive(self, target: Bits, tokens: list[str], at: int) -> int:
        """Join *target* with the expression at *at*, or make the cells of its operators; the token after it."""
        items, after = self.scope.postfix(tokens, at, COMMA)
        if len(items) == 1:
            bits = self.fitted(items[0][2], len(target), items[0][3])
        else:
            bits = self.operate(items, target, at)
        module = self.module
        if bits is not target:
            module.alias_a.extend(target)
            module.alias_b.extend(bits)
        return after

    def operate(self, items: list[Item], target: Bits | None, at: int) -> Bits:
        """Cells of a postfix expression; the last operator drives *target* where it has the width."""
        stack: list[tuple[Bits, bool]] = []
        last = len(items) - 1
        for number, (word, operands, bits, flexible) in enumerate(items):
            if not word:
                stack.append((bits, flexible))
                continue
            taken = [stack.pop() for _ in range(operands)][::-1]
            goal = target if number == last else None
            stack.append((self.apply(word, taken, goal, at), False))
        result = stack[0][0]
        return result if target is None or result is target else self.fitted(result, len(target), False)

    def apply(self, word: str, operands: list[tuple[Bits, bool]], goal: Bits | None, at: int) -> Bits:
        """Cells of one operator over its operands; the bits that it gives."""
        if len(operands) == 1 and word != "~":
            bits = operands[0][0]
            gate = {"&": "AND", "|": "OR", "^": "XOR", "~&": "NAND", "~|": "NOR", "!": "NOR"}.get(word, "XNOR")
            if len(bits) == 1:
                if word in {"&", "|", "^"}:
                    return bits
                gate = "NOT"
            return self.cells(gate, [[bit] for bit in bits], goal, at)
        if word == "~":
            return self.cells("NOT", [operands[0][0]], goal, at)
        if word == "?:":
            condition = operands[0][0]
            if len(condition) != 1:
                raise NotStructural(at, "? over a bus")
            width = common_width(operands[1:])
            when, otherwise = (self.fitted(bits, width, free) for bits, free in operands[1:])
            return self.cells("MUX", [condition * width, otherwise, when], goal, at)
        if word in {"&&", "||"}:
            if any(len(bits) != 1 for bits, _ in operands):
                raise NotStructural(at, word)
            word = word[0]
        gate = {"&": "AND", "|": "OR", "^": "XOR", "~&": "NAND", "~|": "NOR"}.get(word, "XNOR")
        width = common_width(operands)
        return self.cells(gate, [self.fitted(bits, width, free) for bits, free in operands], goal, at)

    def cells(self, gate: str, inputs: list[Bits], goal: Bits | None, at: int) -> Bits:
        """One gate a bit."""
        width = len(inputs[0])
        if goal is not None and len(goal) == width:
            outputs = goal
        else:
            outputs = [self.scope.fresh(at) for _ in range(width)]
        row = self.names.gate(gate, len(inputs))
        for bit in range(width):
            self.waiting.append((row, [*(operand[bit] for operand in inputs), outputs[bit]]))
        if not self.inside_instance:
            self.add_waiting()
        self.names.notes.add("operator of an assign read as a cell", times=width)
        return outputs

    def add_waiting(self) -> None:
        """The cells of operators; those inside a connection come after the instance whose connection it is."""
        index = self.tokens.index
        for row, nets in self.waiting:
            self.add_instance("", row, index)
            self.add_fixed(nets)
        self.waiting.clear()

    def fitted(self, bits: Bits, width: int, flexible: bool) -> Bits:
        """Bits cut or extended with zero to a width; only a number without size does so silently."""
        if len(bits) == width:
            return bits
        if not flexible:
            self.names.notes.add("expression of another width: cut, or extended with 0")
        return bits[len(bits) - width :] if len(bits) > width else [ZERO] * (width - len(bits)) + bits

    # -- cells ---------------------------------------------------------------------------------

    def add_instance(self, name: str, master: int, index: int, bit: int | None = None) -> int:
        """A new instance; returns its row."""
        module = self.module
        row = len(module.inst_name)
        module.inst_name.append(name)
        module.inst_master.append(master)
        module.inst_index.append(index)
        module.inst_bit.append(-(1 << 31) if bit is None else bit)
        module.conn_start.append(len(module.conn_port))
        return row

    def add_fixed(self, bits: Bits) -> None:
        """One-bit connections of the last instance in the order of its type's ports."""
        module = self.module
        count = len(bits)
        module.conn_port.extend(range(-1, -1 - count, -1))
        module.conn_width.extend([1] * count)
        module.conn_flexible.extend(bytes(count))
        module.bits.extend(bits)

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

    def argument(self, tokens: list[str], at: int) -> tuple[Bits, bool, int]:
        """An expression of a connection; operators become cells."""
        token = tokens[at]
        if tokens[at + 1] in ARGUMENT_ENDS and is_name(token):
            row = self.module.scalars.get(plain(token))
            return ([row] if row is not None else self.scope.name(token, at)), False, at + 1
        items, after = self.scope.postfix(tokens, at, ARGUMENT_ENDS)
        if len(items) == 1:
            return items[0][2], items[0][3], after
        return self.operate(items, None, at), False, after

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

    def repeat(
        self, row: int, bounds: tuple[int, int], size: int, first_conn: int, first_bit: int, at: int
    ) -> None:
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


def common_width(operands: list[tuple[Bits, bool]]) -> int:
    """Width of an operator: the widest operand that has a size."""
    sized = [len(bits) for bits, flexible in operands if not flexible]
    return max(sized or [len(bits) for bits, _ in operands])


def closing_of(tokens: list[str], at: int) -> int:
    """Token that closes the parenthesis at *at*."""
    depth = 0
    for place in range(at, len(tokens)):
        if tokens[place] == "(":
            depth += 1
        elif tokens[place] == ")":
            depth -= 1
            if not depth:
                return place
        elif not depth:
            break
    raise syntax(at, tokens[at], "a list in parentheses")


def split(tokens: list[str], start: int, end: int) -> list[tuple[int, int]]:
    """Bounds of the parts between commas at depth 0."""
    parts: list[tuple[int, int]] = []
    depth = 0
    first = start
    for place in range(start, end):
        token = tokens[place]
        if token in {"(", "{", "["}:
            depth += 1
        elif token in {")", "}", "]"}:
            depth -= 1
        elif token == "," and not depth:
            parts.append((first, place))
            first = place + 1
    parts.append((first, end))
    return parts


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


__all__ = ["KEYWORDS", "Parser", "header_of", "parse"]
