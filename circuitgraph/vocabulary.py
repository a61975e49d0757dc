"""The fixed list of kinds: what a cell is, whatever its library calls it.

Combinational kinds are permutation classes of truth tables: two functions that differ only in the
order of their inputs share a kind, two that differ in an inversion do not. Up to three inputs every class
has a kind of its own; beyond, the families that libraries ship have one and the rest share one for
each number of inputs. Drive strength and sizes are features, not kinds. The list is versioned; a checkpoint names its hash.
"""

from __future__ import annotations

import hashlib
import itertools
from functools import lru_cache

import numpy as np
import numpy.typing as npt

VERSION = 1
MAX_TABLE_INPUTS = 6

SEQUENTIAL = (
    "dff",
    "dff_reset",
    "dff_set",
    "dff_set_reset",
    "dff_mux",
    "dff_mux_reset",
    "dff_mux_set",
    "dff_mux_set_reset",
    "latch",
    "latch_reset",
    "latch_set",
    "latch_set_reset",
    "clock_gate",
)
DEVICES = (
    "nmos",
    "pmos",
    "npn",
    "pnp",
    "njf",
    "pjf",
    "diode",
    "resistor",
    "capacitor",
    "inductor",
    "voltage_source",
    "current_source",
    "controlled_source",
    "switch",
    "transmission_line",
)
OTHER = ("opaque", "physical", "tristate", "half_adder", "full_adder", "tie", "multi_output", "cover")

Product = tuple[int, ...]


def variable_table(index: int, inputs: int) -> int:
    """Truth table of input *index* among *inputs* inputs; input 0 is the least significant index bit.

    >>> bin(variable_table(1, 2))
    '0b1100'
    """
    return sum(1 << row for row in range(1 << inputs) if row >> index & 1)


@lru_cache(maxsize=None)
def _permutation_rows(inputs: int) -> npt.NDArray[np.intp]:
    """Row of the table that each row reads under each permutation, [inputs!, 2**inputs]."""
    rows = np.arange(1 << inputs)
    found = []
    for permutation in itertools.permutations(range(inputs)):
        moved = np.zeros_like(rows)
        for place, source in enumerate(permutation):
            moved |= (rows >> place & 1) << source
        found.append(moved)
    return np.stack(found)


@lru_cache(maxsize=None)
def permutation_class(table: int, inputs: int) -> int:
    """The smallest truth table that an order of the inputs gives.

    >>> permutation_class(0b0010, 2) == permutation_class(0b0100, 2)
    True
    """
    bits = np.array([table >> row & 1 for row in range(1 << inputs)], np.uint64)
    weights = np.uint64(1) << np.arange(1 << inputs, dtype=np.uint64)
    return int((bits[_permutation_rows(inputs)] * weights).sum(axis=1, dtype=np.uint64).min())


def support(table: int, inputs: int) -> list[int]:
    """Inputs on which a truth table depends."""
    found = []
    for index in range(inputs):
        high = variable_table(index, inputs)
        shift = 1 << index
        if (table & high) >> shift != table & (high >> shift):
            found.append(index)
    return found


def reduced(table: int, inputs: int) -> tuple[int, int]:
    """A truth table over its support only, and the number of inputs left."""
    kept = support(table, inputs)
    if len(kept) == inputs:
        return table, inputs
    small = 0
    for row in range(1 << len(kept)):
        whole = sum((row >> place & 1) << index for place, index in enumerate(kept))
        small |= (table >> whole & 1) << row
    return small, len(kept)


def _groups(sizes: tuple[int, ...], inner_and: bool, inverted: bool) -> tuple[int, int]:
    """Table of an and-or (inner_and) or or-and of groups of inputs, and its number of inputs."""
    inputs = sum(sizes)
    full = (1 << (1 << inputs)) - 1
    at, total = 0, 0 if inner_and else full
    for size in sizes:
        group = full if inner_and else 0
        for index in range(at, at + size):
            variable = variable_table(index, inputs)
            group = group & variable if inner_and else group | variable
        at += size
        total = total | group if inner_and else total & group
    return (full ^ total if inverted else total), inputs


def _named_tables() -> list[tuple[str, int, int]]:
    """(kind, table, inputs) of every class that has a name of its own."""
    found: list[tuple[str, int, int]] = [("const0", 0, 0), ("const1", 1, 0), ("buf", 0b10, 1), ("inv", 0b01, 1)]
    for inputs in range(2, 7):
        full = (1 << (1 << inputs)) - 1
        conjunction = 1 << (1 << inputs) - 1
        parity = sum(1 << row for row in range(1 << inputs) if row.bit_count() & 1)
        found += [
            (f"and{inputs}", conjunction, inputs),
            (f"nand{inputs}", full ^ conjunction, inputs),
            (f"or{inputs}", full ^ 1, inputs),
            (f"nor{inputs}", 1, inputs),
            (f"xor{inputs}", parity, inputs),
            (f"xnor{inputs}", full ^ parity, inputs),
        ]
    found += [("andnot2", 0b0010, 2), ("ornot2", 0b1011, 2)]
    found += [("mux2", 0b11001010, 3), ("muxinv2", 0b00110101, 3), ("maj3", 0b11101000, 3), ("min3", 0b00010111, 3)]
    select0, select1 = variable_table(4, 6), variable_table(5, 6)
    full6 = (1 << 64) - 1
    mux4 = 0
    for way in range(4):
        on0 = select0 if way & 1 else full6 ^ select0
        on1 = select1 if way & 2 else full6 ^ select1
        mux4 |= variable_table(way, 6) & on0 & on1
    found += [("mux4", mux4, 6), ("muxinv4", full6 ^ mux4, 6)]
    shapes = [(2, 1), (2, 2), (3, 1), (2, 1, 1), (3, 2), (2, 2, 1), (4, 1), (3, 1, 1), (2, 1, 1, 1)]
    shapes += [(2, 2, 2), (3, 3), (4, 2), (3, 2, 1), (2, 2, 1, 1)]
    for shape in shapes:
        digits = "".join(map(str, shape))
        for prefix, inner_and, inverted in (
            ("ao", True, False),
            ("aoi", True, True),
            ("oa", False, False),
            ("oai", False, True),
        ):
            found.append((prefix + digits, *_groups(shape, inner_and, inverted)))
    return found


@lru_cache(maxsize=1)
def _classes() -> tuple[tuple[str, ...], dict[tuple[int, int], str]]:
    """All combinational kinds in order, and the kind of every class that has one of its own."""
    kinds: list[str] = []
    by_class: dict[tuple[int, int], str] = {}
    for kind, table, inputs in _named_tables():
        key = (permutation_class(table, inputs) if inputs else table, inputs)
        if key not in by_class:
            by_class[key] = kind
            kinds.append(kind)
    for table in range(256):
        if len(support(table, 3)) == 3 and permutation_class(table, 3) == table and (table, 3) not in by_class:
            by_class[table, 3] = f"f3_{table:02x}"
            kinds.append(by_class[table, 3])
    kinds += [f"lut{inputs}" for inputs in range(4, MAX_TABLE_INPUTS + 1)]
    kinds += ["and_wide", "nand_wide", "or_wide", "nor_wide", "xor_wide", "xnor_wide"]
    return tuple(kinds), by_class


@lru_cache(maxsize=1)
def kinds() -> tuple[str, ...]:
    """All kinds, in the order of their numbers.

    >>> kinds()[0], len(kinds()) == len(set(kinds()))
    ('opaque', True)
    """
    return (*OTHER, *_classes()[0], *SEQUENTIAL, *DEVICES)


@lru_cache(maxsize=None)
def kind_of_table(table: int, inputs: int) -> str:
    """Kind of a truth table of up to six inputs; inputs that it does not depend on do not count.

    >>> kind_of_table(0b0111, 2), kind_of_table(0b1000, 2), kind_of_table(0b1010, 2)
    ('nand2', 'and2', 'buf')
    """
    table, inputs = reduced(table, inputs)
    key = (permutation_class(table, inputs) if inputs else table, inputs)
    return _classes()[1].get(key) or f"lut{inputs}"


@lru_cache(maxsize=1)
def vocabulary_hash() -> str:
    """sha256 of version and list; a checkpoint made with another one is refused."""
    return hashlib.sha256("\n".join([str(VERSION), *kinds()]).encode()).hexdigest()
