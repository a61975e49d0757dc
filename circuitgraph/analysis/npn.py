"""NPN classes of functions of four variables: equal up to input negation, input permutation and output negation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

NPN_CLASSES = 222
"""Number of classes of four variables; functions of fewer are among them."""

_SWAPS = ((1, 0x2222, 0x9999), (2, 0x0C0C, 0xC3C3), (4, 0x00F0, 0xF00F))
"""Exchange of variables i and i + 1 of a table: shift, the bits that move up, the bits that stay."""

_HALVES = ((1, 0x5555), (2, 0x3333), (4, 0x0F0F), (8, 0x00FF))
"""Complement of variable i: shift, the bits where it is 0."""

_PLAIN_CHANGES = (0, 1, 2, 0, 2, 1, 0, 2, 0, 1, 2, 0, 2, 1, 0, 2, 0, 1, 2, 0, 2, 1, 0)
"""Exchanges of neighbours that visit all 24 orders of four variables."""

_GRAY = (0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0, 3)
"""Complements that visit all 16 polarities of four variables and come back."""


@lru_cache(maxsize=1)
def npn_table() -> npt.NDArray[np.int16]:
    """Class of each of the 65,536 truth tables, int16; read-only.

    Classes are numbered by their smallest member, so class 0 holds the constants.
    """
    table = np.arange(1 << 16, dtype=np.uint16)
    smallest = np.minimum(table, ~table)
    for place in (*_PLAIN_CHANGES, None):
        for variable in _GRAY:
            shift, low = _HALVES[variable]
            table = (table & np.uint16(low)) << np.uint16(shift) | table >> np.uint16(shift) & np.uint16(low)
            np.minimum(smallest, table, out=smallest)
            np.minimum(smallest, ~table, out=smallest)
        if place is not None:
            shift, up, stay = _SWAPS[place]
            moved = (table & np.uint16(up)) << np.uint16(shift) | table >> np.uint16(shift) & np.uint16(up)
            table = table & np.uint16(stay) | moved
    _, number = np.unique(smallest, return_inverse=True)
    found: npt.NDArray[np.int16] = number.astype(np.int16)
    found.flags.writeable = False
    return found


def npn_class(table: int) -> int:
    """Class of a truth table of four variables, 0 to 221; a table of fewer is repeated up to 16 bits.

    >>> npn_class(0x8888) == npn_class(0xEEEE), npn_class(0x8888) == npn_class(0x6666), npn_class(0)
    (True, False, 0)
    """
    return int(npn_table()[table])


__all__ = ["NPN_CLASSES", "npn_class", "npn_table"]
