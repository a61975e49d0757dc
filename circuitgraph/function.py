"""Boolean functions of cell types: truth tables up to six inputs, postfix programs beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from circuitgraph.vocabulary import MAX_TABLE_INPUTS, permutation_class, variable_table

Word = npt.NDArray[np.uint64]
Program = tuple[int | str, ...]
"""Postfix: a number is an input port's index, a word one of ``not and or xor 0 1``."""

OPERATIONS = ("not", "and", "or", "xor", "0", "1")


@dataclass(frozen=True)
class Function:
    """What an output computes from the ports of its cell type.

    | field | meaning |
    |---|---|
    | inputs | indices of the ports it reads, ascending |
    | table | truth table, input 0 = least significant index bit; None beyond six inputs |
    | program | postfix program over port indices; None where there is a table |

    >>> Function.of_program((0, 1, "and", "not"))
    Function(inputs=(0, 1), table=7, program=None)
    """

    inputs: tuple[int, ...]
    table: int | None
    program: Program | None = None

    @classmethod
    def of_table(cls, inputs: Sequence[int], table: int) -> Function:
        """The function whose value at row r is bit r of *table*; ``inputs[0]`` is bit 0 of r."""
        inputs = tuple(inputs)
        if list(inputs) == sorted(inputs):
            return cls(inputs, table)
        order = sorted(range(len(inputs)), key=lambda place: inputs[place])
        moved = 0
        for row in range(1 << len(inputs)):
            source = sum((row >> place & 1) << order[place] for place in range(len(inputs)))
            moved |= (table >> source & 1) << row
        return cls(tuple(sorted(inputs)), moved)

    @classmethod
    def of_program(cls, program: Sequence[int | str]) -> Function:
        """The function of a postfix program; a table where it reads at most six ports.

        Raises:
            ValueError: the program leaves no or several values, or names an unknown operation.
        """
        program = tuple(program)
        inputs = tuple(sorted({step for step in program if isinstance(step, int)}))
        if len(inputs) > MAX_TABLE_INPUTS:
            _run(program, dict.fromkeys(inputs, 0), 1)
            return cls(inputs, None, program)
        full = (1 << (1 << len(inputs))) - 1
        values = {port: variable_table(place, len(inputs)) for place, port in enumerate(inputs)}
        return cls(inputs, _run(program, values, full), None)

    def evaluate(self, columns: Mapping[int, Word]) -> Word:
        """Bit-parallel value: each column holds 64 patterns a word.

        Args:
            columns: uint64 [...] for every port in ``inputs``, all of one shape.
        """
        if not self.inputs:
            raise ValueError("a constant has no columns to take its shape from")
        shape = columns[self.inputs[0]].shape
        if self.program is not None:
            stack: list[Word] = []
            for step in self.program:
                if isinstance(step, int):
                    stack.append(columns[step])
                elif step == "not":
                    stack.append(~stack.pop())
                elif step in {"0", "1"}:
                    stack.append(np.full(shape, 0 if step == "0" else ~np.uint64(0), np.uint64))
                else:
                    right, left = stack.pop(), stack.pop()
                    stack.append(left & right if step == "and" else left | right if step == "or" else left ^ right)
            return stack.pop()
        assert self.table is not None
        return _evaluate_table(self.table, [columns[port] for port in self.inputs])

    def value(self, values: Mapping[int, int]) -> int:
        """Value for given ports: 0, 1, or 2 (unknown) where the unknown inputs (2 or absent) decide.

        >>> nand = Function.of_table((0, 1), 0b0111)
        >>> nand.value({0: 0}), nand.value({0: 1}), nand.value({0: 1, 1: 1})
        (1, 2, 0)
        """
        if self.table is None:
            assert self.program is not None
            return _run_ternary(self.program, values)
        seen = 0
        for row in range(1 << len(self.inputs)):
            if all(values.get(port, 2) in {2, row >> place & 1} for place, port in enumerate(self.inputs)):
                seen |= 1 << (self.table >> row & 1)
        return {1: 0, 2: 1}.get(seen, 2)

    def senses(self, port: int, values: Mapping[int, int] | None = None) -> tuple[bool, bool]:
        """Whether raising *port* can raise the output, and whether it can lower it, under constants.

        Args:
            port: index of an input port.
            values: constants (0 or 1) of other ports; absent and 2 are free.

        >>> xor = Function.of_table((0, 1), 0b0110)
        >>> xor.senses(0), xor.senses(0, {1: 0})
        ((True, True), (True, False))
        """
        values = values or {}
        if port not in self.inputs:
            return False, False
        if self.table is None:
            return True, True
        place = self.inputs.index(port)
        positive = negative = False
        for row in range(1 << len(self.inputs)):
            if row >> place & 1:
                continue
            if any(
                values.get(other, 2) not in {2, row >> spot & 1}
                for spot, other in enumerate(self.inputs)
                if spot != place
            ):
                continue
            low, high = self.table >> row & 1, self.table >> (row | 1 << place) & 1
            positive |= high > low
            negative |= high < low
        return positive, negative

    def input_class(self, port: int) -> str:
        """What sets an input apart whatever the order of the inputs: the classes of its two cofactors.

        Wide functions are those of n-ary gates, whose inputs are all alike.

        >>> mux = Function.of_table((0, 1, 2), 0b11001010)
        >>> len({mux.input_class(port) for port in range(3)})
        3
        """
        if port not in self.inputs:
            return "-"
        if self.table is None:
            return "wide"
        place, rest = self.inputs.index(port), len(self.inputs) - 1
        halves = [0, 0]
        for row in range(1 << rest):
            low = row & ((1 << place) - 1)
            whole = (row >> place) << (place + 1) | low
            halves[0] |= (self.table >> whole & 1) << row
            halves[1] |= (self.table >> (whole | 1 << place) & 1) << row
        return " ".join(f"{permutation_class(half, rest) if rest else half:x}" for half in halves)

    def moved(self, ports: Mapping[int, int]) -> Function:
        """The same function after its ports got other indices."""
        if self.program is not None:
            program = tuple(ports[step] if isinstance(step, int) else step for step in self.program)
            return Function(tuple(sorted(ports[port] for port in self.inputs)), None, program)
        assert self.table is not None
        return Function.of_table([ports[port] for port in self.inputs], self.table)


def _run(program: Program, values: Mapping[int, int], full: int) -> int:
    stack: list[int] = []
    for step in program:
        if isinstance(step, int):
            stack.append(values[step])
        elif step == "not":
            if not stack:
                raise ValueError("a postfix program needs a value for each operation")
            stack.append(full ^ stack.pop())
        elif step in {"0", "1"}:
            stack.append(0 if step == "0" else full)
        elif step in OPERATIONS:
            if len(stack) < 2:
                raise ValueError("a postfix program needs two values for each operation")
            right, left = stack.pop(), stack.pop()
            stack.append(left & right if step == "and" else left | right if step == "or" else left ^ right)
        else:
            raise ValueError(f"unknown operation {step!r}")
    if len(stack) != 1:
        raise ValueError("a postfix program must leave one value")
    return stack[0]


def _run_ternary(program: Program, values: Mapping[int, int]) -> int:
    stack: list[int] = []
    for step in program:
        if isinstance(step, int):
            stack.append(values.get(step, 2))
        elif step == "not":
            stack.append((1, 0, 2)[stack.pop()])
        elif step in {"0", "1"}:
            stack.append(int(step))
        else:
            right, left = stack.pop(), stack.pop()
            if step == "and":
                stack.append(0 if 0 in {left, right} else 2 if 2 in {left, right} else 1)
            elif step == "or":
                stack.append(1 if 1 in {left, right} else 2 if 2 in {left, right} else 0)
            else:
                stack.append(2 if 2 in {left, right} else left ^ right)
    return stack.pop()


@lru_cache(maxsize=4096)
def _shannon(table: int, inputs: int) -> tuple[str, int, int]:
    """How to split a table at its last input: what is done, low table, high table."""
    half = 1 << (inputs - 1)
    full = (1 << half) - 1
    low, high = table & full, table >> half
    if low == high:
        return "low", low, high
    if low == full ^ high:
        return "xor", low, high
    if low == 0:
        return "and", low, high
    if high == 0:
        return "andnot", low, high
    if low == full:
        return "ornot", low, high
    if high == full:
        return "or", low, high
    return "mux", low, high


def _evaluate_table(table: int, columns: list[Word]) -> Word:
    """Shannon expansion at the last input; each step is one to three word operations."""
    inputs = len(columns)
    if table == 0:
        return np.zeros_like(columns[0])
    if table == (1 << (1 << inputs)) - 1:
        return np.full_like(columns[0], ~np.uint64(0))
    if inputs == 1:
        return columns[0].copy() if table == 2 else ~columns[0]
    how, low, high = _shannon(table, inputs)
    last, rest = columns[-1], columns[:-1]
    if how == "low":
        return _evaluate_table(low, rest)
    if how == "xor":
        return _evaluate_table(low, rest) ^ last
    if how == "and":
        return _evaluate_table(high, rest) & last
    if how == "andnot":
        return _evaluate_table(low, rest) & ~last
    if how == "ornot":
        return _evaluate_table(high, rest) | ~last
    if how == "or":
        return _evaluate_table(low, rest) | last
    return (_evaluate_table(low, rest) & ~last) | (_evaluate_table(high, rest) & last)
