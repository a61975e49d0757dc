"""Cells of the module being read: rows of instances, and the gates that operators of expressions become."""

from __future__ import annotations

from circuitgraph.formats.verilog.expressions import Bits, Item, NotStructural, Scope, syntax
from circuitgraph.formats.verilog.raw import ZERO, Names, RawModule
from circuitgraph.formats.verilog.tokens import Tokens, is_name, plain

COMMA = frozenset({","})
ARGUMENT_ENDS = frozenset({",", ")"})
NO_BIT = -(1 << 31)


class Cells:
    """Adds cells to a raw module; holds the module, its scope, and gates that wait for their statement's end."""

    def __init__(self, tokens: Tokens, names: Names, module: RawModule, scope: Scope) -> None:
        self.tokens = tokens
        self.names = names
        self.module = module
        self.scope = scope
        self.inside_instance = False
        self.waiting: list[tuple[int, Bits]] = []

    def begin(self, module: RawModule, scope: Scope) -> None:
        """Turn to another module."""
        self.module, self.scope = module, scope
        self.clear()

    def clear(self) -> None:
        """Forget what a broken statement left."""
        self.inside_instance = False
        self.waiting.clear()

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

    def add_instance(self, name: str, master: int, index: int, bit: int | None = None) -> int:
        """A new instance; returns its row."""
        module = self.module
        row = len(module.inst_name)
        module.inst_name.append(name)
        module.inst_master.append(master)
        module.inst_index.append(index)
        module.inst_bit.append(NO_BIT if bit is None else bit)
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


def common_width(operands: list[tuple[Bits, bool]]) -> int:
    """Width of an operator: the widest operand that has a size."""
    sized = [len(bits) for bits, flexible in operands if not flexible]
    return max(sized or [len(bits) for bits, _ in operands])
