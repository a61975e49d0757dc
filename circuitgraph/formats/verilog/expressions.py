"""Expressions of Verilog: literals, selects, concatenations; operators in postfix order.

Nothing here calls itself: nested braces and parentheses live on explicit stacks whose depth has a limit.
"""

# ruff: noqa: S105 - tokens of a grammar, no secrets

from __future__ import annotations

from functools import lru_cache

from circuitgraph.circuit import Direction
from circuitgraph.formats.lexing import MAX_NESTING, MAX_WIDTH, limit
from circuitgraph.formats.verilog.raw import ONE, OPEN, UNKNOWN, ZERO, Declared, RawModule
from circuitgraph.formats.verilog.tokens import is_name, plain

BINARY = {"&": 8, "~&": 8, "^": 7, "~^": 7, "^~": 7, "|": 6, "~|": 6, "&&": 5, "||": 4}
UNARY = frozenset({"~", "!", "&", "|", "^", "~&", "~|", "~^", "^~"})
UNARY_LEVEL = 10
Bits = list[int]
Item = tuple[str, int, Bits, bool]
"""A step of a postfix expression: operator ("" for a value), operands, bits, whether a literal without size."""


class NotStructural(Exception):
    """Something that no netlist holds: number of the token in its statement, and the word."""

    def __init__(self, at: int, word: str) -> None:
        self.at = at
        self.word = word
        super().__init__(word)


class Fault(Exception):
    """A fault in a statement: number of the token in it, subject, rule, way out."""

    def __init__(self, at: int, subject: str, rule: str, way_out: str) -> None:
        self.at = at
        self.parts = (subject, rule, way_out)
        super().__init__(rule)


def syntax(at: int, found: str, expected: str) -> Fault:
    """The fault of a token that cannot stand where it stands."""
    return Fault(at, f"token {found!r}", f"stands where {expected} is expected", "check the statement")


@lru_cache(maxsize=4096)
def literal_bits(token: str) -> tuple[tuple[int, ...], bool] | None:
    """Codes of a number's bits, most significant first, and whether it has no size; None where it is too wide.

    >>> literal_bits("2'b10"), literal_bits("1'bz")
    (((-3, -2), False), ((-1,), False))
    """
    size_text, quote, based = token.replace("_", "").replace(" ", "").replace("\t", "").partition("'")
    flexible = not size_text or not quote
    based = based.lstrip("sS") if quote else f"d{size_text}"
    letter, digits = based[0].lower(), based[1:].lower()
    if quote and not digits:
        letter, digits = "b", letter
    width = limit("CIRCUITGRAPH_MAX_WIDTH", MAX_WIDTH)
    size = int(size_text) if quote and size_text and len(size_text) < 10 else 32
    if (quote and len(size_text) > 9) or size > width or not size or len(digits) > width:
        return None
    if letter == "d" and digits[:1] not in {"x", "z", "?"}:
        if len(digits) > 4000 or not digits.isdecimal():
            return None
        binary = format(int(digits), "b")
    else:
        per_digit = {"b": 1, "o": 3, "h": 4, "d": 1}[letter]
        radix = {"b": 2, "o": 8, "h": 16, "d": 10}[letter]
        parts = []
        for digit in digits:
            if digit in "xz?":
                parts.append(("z" if digit == "?" else digit) * per_digit)
            elif int(digit, 16) >= radix:
                return None
            else:
                parts.append(format(int(digit, 16), f"0{per_digit}b"))
        binary = "".join(parts)
    fill = binary[0] if binary[0] in "xz" else "0"
    binary = binary.rjust(size, fill)[-size:]
    codes = {"0": ZERO, "1": ONE, "x": UNKNOWN, "z": OPEN}
    return tuple(codes[bit] for bit in binary), flexible


def literal(token: str, at: int) -> tuple[Bits, bool]:
    """Bits of a number token; a fault where it is none or too wide."""
    if "." in token or "e" in token.lower().partition("'")[0]:
        raise syntax(at, token, "a whole number")
    found = literal_bits(token)
    if found is None:
        raise Fault(
            at, f"number {token!r}", "has a size or digits out of range", "check it, or raise CIRCUITGRAPH_MAX_WIDTH"
        )
    return list(found[0]), found[1]


class Scope:
    """Nets of one module by name; makes the implicit ones."""

    def __init__(self, module: RawModule, budget: int) -> None:
        self.module = module
        self.budget = budget
        self.used = 0
        self.width = limit("CIRCUITGRAPH_MAX_WIDTH", MAX_WIDTH)
        self.nesting = limit("CIRCUITGRAPH_MAX_NESTING", MAX_NESTING)

    def spend(self, count: int, at: int) -> None:
        """Count bits against what a file of this size may ask for."""
        self.used += count
        if self.used > self.budget:
            raise Fault(
                at,
                f"module {self.module.name!r}",
                f"asks for more than {self.budget:,} bits, more than a file of this size should",
                "raise CIRCUITGRAPH_MAX_NETS if you trust it",
            )

    def declare(self, name: str, left: int | None, right: int, at: int) -> Declared:
        """Declare a net or bus once, or check that it is the one declared before."""
        module = self.module
        found = module.declared.get(name)
        if found is not None:
            if left is None or (found.left, found.right) == (left, right) or not found.known_width:
                return found
            raise Fault(
                at, f"net {name!r}", "is declared twice with different ranges, or used before", "keep one declaration"
            )
        width = 1 if left is None else abs(left - right) + 1
        if width > self.width:
            raise Fault(
                at,
                f"bus {name!r}",
                f"has {width:,} bits, more than {self.width:,}",
                "raise CIRCUITGRAPH_MAX_WIDTH if you trust it",
            )
        self.spend(width, at)
        found = Declared(module.rows, left, right)
        module.declared[name] = found
        module.segments.append((module.rows, name, left, right))
        module.rows += width
        if left is None:
            module.scalars[name] = found.row
        return found

    def fresh(self, at: int) -> int:
        """A new net without a name."""
        self.spend(1, at)
        module = self.module
        module.segments.append((module.rows, "", None, 0))
        module.rows += 1
        return module.rows - 1

    def name(self, token: str, at: int) -> Bits:
        """All bits of a name, most significant first; an unknown one is an implicit scalar."""
        module = self.module
        base = plain(token)
        row = module.scalars.get(base)
        if row is not None:
            return [row]
        found = module.declared.get(base)
        if found is None:
            if base in module.parameters and token[0] != "\\":
                module.uses_parameters = True
                value = module.parameters[base] & 0xFFFFFFFF
                return [ONE if value >> bit & 1 else ZERO for bit in range(31, -1, -1)]
            found = self.declare(base, None, 0, at)
        self.spend(found.width, at)
        return list(range(found.row, found.row + found.width))

    def select(self, tokens: list[str], at: int) -> tuple[Bits, int]:
        """Bits of ``name[...]`` from token *at*, and the token after it."""
        base = plain(tokens[at])
        found = self.module.declared.get(base)
        if found is None:
            raise Fault(at, f"net {base!r}", "is selected from but not declared", "declare its range before its use")
        closing = tokens.index("]", at + 1) if "]" in tokens[at + 1 :] else -1
        if closing < 0:
            raise syntax(at + 1, "[", "a select with ']'")
        inside = tokens[at + 2 : closing]
        cut = next((place for place, token in enumerate(inside) if token in {":", "+:", "-:"}), -1)
        if cut < 0:
            first = last = self.integer(inside, at + 2)
        else:
            first = self.integer(inside[:cut], at + 2)
            last = self.integer(inside[cut + 1 :], at + 3 + cut)
            if inside[cut] != ":":
                if not 0 < last <= self.width:
                    raise Fault(at, f"net {base!r}", "is selected from with a width out of range", "check the select")
                down = found.left is not None and found.left >= found.right
                low, high = (first, first + last - 1) if inside[cut] == "+:" else (first - last + 1, first)
                first, last = (high, low) if down else (low, high)
        start, end = found.bit(first), found.bit(last)
        if found.left is None and first == last == 0:
            start = end = found.row
        if start < 0 or end < start:
            shown = "".join(tokens[at + 1 : closing + 1])
            declared = "no range" if found.left is None else f"the range [{found.left}:{found.right}]"
            raise Fault(at, f"net {base!r}", f"has {declared}, and {shown} is not in it", "check the select")
        self.spend(end - start + 1, at)
        return list(range(start, end + 1)), closing + 1

    def integer(self, tokens: list[str], at: int) -> int:
        """Value of a constant integer expression: numbers, parameters, + - * and parentheses."""
        if len(tokens) == 1 and tokens[0].isdecimal() and len(tokens[0]) < 10:
            return int(tokens[0])
        if len(tokens) == 2 and tokens[0] == "-" and tokens[1].isdecimal() and len(tokens[1]) < 10:
            return -int(tokens[1])
        value, uses = constant_integer(tokens, self.module.parameters, at)
        self.module.uses_parameters |= uses
        return value

    def primary(self, tokens: list[str], at: int) -> tuple[Bits, bool, int]:
        """Bits of a name, select, number or concatenation; whether flexible; the token after it."""
        token = tokens[at]
        if token == "{":
            bits, after = self.concatenation(tokens, at)
            return bits, False, after
        if is_name(token):
            if tokens[at + 1 : at + 2] == ["["]:
                bits, after = self.select(tokens, at)
                return bits, False, after
            return self.name(token, at), False, at + 1
        if token[0].isdecimal() or (token[0] == "'" and len(token) > 1):
            bits, flexible = literal(token, at)
            self.spend(len(bits), at)
            return bits, flexible, at + 1
        if token in {"+", "-", "$", '"'} or token[0] == '"':
            raise NotStructural(at, token)
        raise syntax(at, token, "a net, a number or '{'")

    def concatenation(self, tokens: list[str], at: int) -> tuple[Bits, int]:
        """Bits of ``{a, {2{b}}, ...}``, and the token after it."""
        stack: list[tuple[Bits, int]] = [([], 1)]
        at += 1
        while True:
            token = tokens[at]
            if token == "{":
                if len(stack) > self.nesting:
                    raise Fault(
                        at,
                        "concatenation",
                        f"is nested deeper than {self.nesting}",
                        "raise CIRCUITGRAPH_MAX_NESTING if you trust it",
                    )
                stack.append(([], 1))
                at += 1
                continue
            if token == "}" and not stack[-1][0] and stack[-1][1] == 1:
                raise syntax(at, "}", "a part of the concatenation")
            if token != "}":
                if token[0].isdecimal() and tokens[at + 1] == "{":
                    count = int(token) if token.isdecimal() and len(token) < 10 else -1
                    if not 0 < count <= self.width:
                        raise Fault(
                            at,
                            "replication",
                            f"has the count {token}, not 1 to {self.width:,}",
                            "check it, or raise CIRCUITGRAPH_MAX_WIDTH",
                        )
                    if stack[-1][0]:
                        raise syntax(at, token, "the count of a replication first")
                    stack[-1] = ([], -count)
                    stack.append(([], 1))
                    at += 2
                    continue
                bits, flexible, at = self.primary(tokens, at)
                if flexible:
                    raise Fault(at - 1, f"number {tokens[at - 1]!r}", "has no size", "give it one, as in 4'd3")
                stack[-1][0].extend(bits)
            while tokens[at] == "}":
                bits, count = stack.pop()
                if count < 0:
                    count = -count
                    if len(bits) * count > self.width:
                        raise Fault(
                            at,
                            "replication",
                            f"gives {len(bits) * count:,} bits, more than {self.width:,}",
                            "raise CIRCUITGRAPH_MAX_WIDTH if you trust it",
                        )
                    self.spend(len(bits) * count, at)
                    bits = bits * count
                at += 1
                if not stack:
                    return bits, at
                stack[-1][0].extend(bits)
            if tokens[at] != ",":
                raise syntax(at, tokens[at], "',' or '}'")
            at += 1

    def postfix(self, tokens: list[str], at: int, ends: frozenset[str]) -> tuple[list[Item], int]:
        """The expression from token *at* to one of *ends* at depth 0, in postfix order."""
        items: list[Item] = []
        waiting: list[tuple[str, int, int]] = []
        operand = True
        while True:
            token = tokens[at] if at < len(tokens) else ""
            if operand:
                if token == "(":
                    self._deep(waiting, at)
                    waiting.append(("(", 0, at))
                elif token in UNARY:
                    self._deep(waiting, at)
                    waiting.append((token, 1, at))
                elif not token:
                    raise syntax(at - 1, tokens[at - 1], "more of the expression")
                else:
                    bits, flexible, at = self.primary(tokens, at)
                    items.append(("", 0, bits, flexible))
                    operand = False
                    continue
                at += 1
                continue
            if token in BINARY:
                level = BINARY[token]
                while waiting and waiting[-1][0] not in {"(", "?"} and _level(waiting[-1]) >= level:
                    self._pop(waiting, items)
                waiting.append((token, 2, at))
                operand = True
            elif token == "?":
                while waiting and waiting[-1][0] not in {"(", "?", "?:"}:
                    self._pop(waiting, items)
                self._deep(waiting, at)
                waiting.append(("?", 3, at))
                operand = True
            elif token == ":" and any(entry[0] == "?" for entry in waiting):
                while waiting and waiting[-1][0] not in {"(", "?"}:
                    self._pop(waiting, items)
                if not waiting or waiting[-1][0] != "?":
                    raise syntax(at, ":", "')'")
                waiting[-1] = ("?:", 3, at)
                operand = True
            elif token == ")" and any(entry[0] == "(" for entry in waiting):
                while waiting[-1][0] != "(":
                    self._pop(waiting, items)
                waiting.pop()
            elif not token or token in ends:
                while waiting:
                    if waiting[-1][0] in {"(", "?"}:
                        raise syntax(waiting[-1][2], waiting[-1][0], "the end of an expression that this opens")
                    self._pop(waiting, items)
                return items, at
            elif token in {
                "+",
                "-",
                "*",
                "/",
                "%",
                "<",
                ">",
                "<=",
                ">=",
                "==",
                "!=",
                "===",
                "!==",
                "<<",
                ">>",
                "=",
                ".",
            }:
                raise NotStructural(at, token)
            else:
                raise syntax(at, token, "an operator or the end of the expression")
            at += 1

    def _deep(self, waiting: list[tuple[str, int, int]], at: int) -> None:
        if len(waiting) >= self.nesting:
            raise Fault(
                at,
                "expression",
                f"is nested deeper than {self.nesting}",
                "raise CIRCUITGRAPH_MAX_NESTING if you trust it",
            )

    @staticmethod
    def _pop(waiting: list[tuple[str, int, int]], items: list[Item]) -> None:
        word, operands, at = waiting.pop()
        if word == "?":
            raise syntax(at, "?", "a condition with ':'")
        items.append((word, operands, [], False))


def _level(entry: tuple[str, int, int]) -> int:
    word, operands, _ = entry
    if operands == 1:
        return UNARY_LEVEL
    return 1 if word == "?:" else BINARY[word]


def constant_integer(tokens: list[str], parameters: dict[str, int], at: int) -> tuple[int, bool]:
    """Value of a constant expression, and whether it reads a parameter.

    >>> constant_integer(["W", "-", "1"], {"W": 8}, 0)
    (7, True)
    """
    output: list[int] = []
    waiting: list[str] = []
    uses = False
    operand = True
    levels = {"+": 1, "-": 1, "*": 2, "negative": 3}

    def apply() -> None:
        word = waiting.pop()
        right = output.pop()
        left = 0 if word == "negative" else output.pop()
        value = left * right if word == "*" else left + right if word == "+" else left - right
        if abs(value) > 1 << 31:
            raise NotStructural(at, "constant out of range")
        output.append(value)

    for place, token in enumerate(tokens, at):
        if operand and token == "(":
            waiting.append("(")
        elif operand and token == "-":
            waiting.append("negative")
        elif operand and token.isdecimal() and len(token) < 10:
            output.append(int(token))
            operand = False
        elif operand and "'" in token and token[:1] != '"':
            found = literal_bits(token)
            if found is None or any(bit not in {ZERO, ONE} for bit in found[0]) or len(found[0]) > 32:
                raise NotStructural(place, token)
            output.append(int("".join("1" if bit == ONE else "0" for bit in found[0]), 2))
            operand = False
        elif operand and plain(token) in parameters if token else False:
            output.append(parameters[plain(token)])
            uses = True
            operand = False
        elif not operand and token in {"+", "-", "*"}:
            while waiting and waiting[-1] != "(" and levels[waiting[-1]] >= levels[token]:
                apply()
            waiting.append(token)
            operand = True
        elif not operand and token == ")" and "(" in waiting:
            while waiting[-1] != "(":
                apply()
            waiting.pop()
        else:
            raise NotStructural(place, token)
    if operand:
        raise NotStructural(at, "".join(tokens) or "]")
    while waiting:
        if waiting[-1] == "(":
            raise NotStructural(at, "(")
        apply()
    return output[0], uses


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


def directions_of(word: str) -> Direction:
    """Direction that a keyword declares."""
    return {"input": Direction.INPUT, "output": Direction.OUTPUT, "inout": Direction.INOUT}[word]
