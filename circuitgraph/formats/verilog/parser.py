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
    Fault,
    NotStructural,
    Scope,
    closing_of,
    directions_of,
    split,
    syntax,
)
from circuitgraph.formats.verilog.instances import Instances, skip_delay, skip_strength
from circuitgraph.formats.verilog.masters import GATE_WORDS, SWITCH_PORTS, TRISTATE_WORDS
from circuitgraph.formats.verilog.raw import HeaderPort, Names, RawModule, RawPort
from circuitgraph.formats.verilog.tokens import Tokens, is_name, plain

NET_WORDS = frozenset(
    [
        "wire",
        "tri",
        "tri0",
        "tri1",
        "wand",
        "wor",
        "triand",
        "trior",
        "trireg",
        "uwire",
        "reg",
        "logic",
        "supply0",
        "supply1",
    ]
)
DIRECTION_WORDS = frozenset({"input", "output", "inout"})
SKIPPED_WORDS = frozenset(
    ["specparam", "defparam", "integer", "real", "realtime", "time", "genvar", "event", "timeunit", "timeprecision"]
)
BEHAVIOURAL_WORDS = frozenset(
    [
        "always",
        "always_ff",
        "always_comb",
        "always_latch",
        "initial",
        "final",
        "function",
        "task",
        "generate",
        "if",
        "for",
        "case",
        "begin",
        "assert",
        "property",
        "sequence",
        "covergroup",
        "typedef",
        "enum",
        "struct",
        "import",
        "export",
        "class",
        "interface",
        "modport",
        "bind",
        "let",
        "clocking",
        "program",
        "package",
        "alias",
    ]
)
SYSTEM_VERILOG_WORDS = frozenset(
    [
        "uwire",
        "logic",
        "always_ff",
        "always_comb",
        "always_latch",
        "final",
        "assert",
        "property",
        "sequence",
        "covergroup",
        "typedef",
        "enum",
        "struct",
        "import",
        "export",
        "class",
        "interface",
        "modport",
        "bind",
        "let",
        "clocking",
        "program",
        "package",
        "alias",
        "timeunit",
        "timeprecision",
    ]
)
"""Words that begin a statement of SystemVerilog and are plain names in Verilog-2001 netlists."""
KEYWORDS = (
    NET_WORDS
    | DIRECTION_WORDS
    | SKIPPED_WORDS
    | BEHAVIOURAL_WORDS
    | frozenset(
        [
            "module",
            "macromodule",
            "endmodule",
            "primitive",
            "endprimitive",
            "assign",
            "parameter",
            "localparam",
            "specify",
        ]
    )
)
RESERVED = KEYWORDS - SYSTEM_VERILOG_WORDS
"""Words that cannot name a net or a port."""


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
        self.instances = Instances(self.tokens, self.names, self.module, self.scope)

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
                way_out = nearest(
                    word, ["module", "primitive"], "a file holds modules only; remove what stands between"
                )
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
        self.instances.begin(module, self.scope)
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
        self.instances.clear()
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
                    at, left, right, known = self.instances.range(tokens, at)
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
                    self.tokens.place(module.index),
                    f"module {module.name!r}",
                    f"has two ports {port.name!r}",
                    "rename one",
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
        elif word in GATE_WORDS or word in TRISTATE_WORDS or word in SWITCH_PORTS:
            self.instances.gate_statement(tokens)
        elif word in {"parameter", "localparam"}:
            self.parameters(tokens[1:])
        elif word in SKIPPED_WORDS:
            self.names.notes.add(f"{word} skipped")
        elif word in {"endspecify", "endprimitive", "endtable", "table", "endfunction", "endtask"} or word in KEYWORDS:
            raise syntax(0, word, "a declaration or a cell")
        elif is_name(word):
            self.instances.instance_statement(tokens)
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

    def port_statement(self, tokens: list[str]) -> None:
        """``input [3:0] a, b``."""
        at = 1
        direction = directions_of(tokens[0])
        while tokens[at] in NET_WORDS or tokens[at] in {"signed", "unsigned"}:
            at += 1
        left: int | None = None
        right, known = 0, True
        if tokens[at] == "[":
            at, left, right, known = self.instances.range(tokens, at)
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
            at, left, right, known = self.instances.range(tokens, at)
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
                at = self.instances.drive(bits, tokens, at + 1)
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
            at = self.instances.drive(bits, tokens, at + 1)
            if at == len(tokens):
                return
            at += 1


__all__ = ["KEYWORDS", "Parser", "header_of", "parse"]
