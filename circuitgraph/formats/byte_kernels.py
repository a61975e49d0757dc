"""Compiled byte-level kernels that several readers share: names in hash tables, blanks, decimal numbers.

This module imports numba; readers import it when a file is large enough.
"""

# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np

from circuitgraph.kernels import compiled

BYTES = "Array(uint8, 1, 'C', True)"
"""Signature of a read-only buffer of bytes."""


@compiled(f"uint64({BYTES}, int64, int64)")
def _kernel_hash(data, start, length):  # type: ignore[no-untyped-def]
    """FNV-1a of a name, mixed once more."""
    value = np.uint64(14695981039346656037)
    for place in range(start, start + length):
        value = (value ^ np.uint64(data[place])) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(29))


@compiled(f"int64({BYTES}, {BYTES}, int64, int64, uint64, int32[::1], int64[::1], int32[::1], uint32[::1], int64)")
def _kernel_find(data, seed, start, length, value, table, offset, size, tag, count):  # type: ignore[no-untyped-def]
    """Row of a name in a table, or -1 - slot where it belongs. Offsets beyond *data* lie in *seed*.

    *start* is an offset of the same kind.
    """
    mask = len(table) - 1
    slot = np.int64(value & np.uint64(mask))
    mark = np.uint32(value >> np.uint64(32))
    end = len(data)
    while True:
        row = table[slot]
        if row < 0:
            return -1 - slot
        if tag[row] == mark and size[row] == length:
            other = offset[row]
            same = True
            for place in range(length):
                one = data[start + place] if start < end else seed[start - end + place]
                two = data[other + place] if other < end else seed[other - end + place]
                if one != two:
                    same = False
                    break
            if same:
                return row
        slot = (slot + 1) & mask


@compiled(f"void({BYTES}, {BYTES}, int32[::1], int32[::1], int64[::1], int32[::1], uint32[::1])")
def _kernel_seed(data, seed, length, table, offset, size, tag):  # type: ignore[no-untyped-def]
    """Put the first names, which stand one behind the other in *seed*, into an empty table."""
    start = 0
    for row in range(len(length)):
        value = _kernel_hash(seed, start, length[row])
        slot = _kernel_find(data, seed, len(data) + start, length[row], value, table, offset, size, tag, row)
        if slot < 0:
            table[-1 - slot] = row
        offset[row] = len(data) + start
        size[row] = length[row]
        tag[row] = np.uint32(value >> np.uint64(32))
        start += length[row]


@compiled(f"void({BYTES}, {BYTES}, int64[::1], int32[::1], int64[::1], uint8[::1])")
def _kernel_gather(data, seed, offset, size, start, blob):  # type: ignore[no-untyped-def]
    """Copy the names at *offset* one behind the other; ``start`` [n + 1] says where each goes."""
    end = len(data)
    for row in range(len(offset)):
        source = offset[row]
        target = start[row]
        if target + size[row] > len(blob):
            break
        if source < end:
            for place in range(size[row]):
                blob[target + place] = data[source + place]
        else:
            for place in range(size[row]):
                blob[target + place] = seed[source - end + place]


_HIGH = np.array([float(f"1e{exponent}") for exponent in range(61)])
_LOW = np.array([float(10**exponent - int(float(f"1e{exponent}"))) for exponent in range(61)])


@compiled(f"Tuple((float64, boolean))({BYTES}, int64, int64, int64)")
def _kernel_decimal(data, start, end, shift):  # type: ignore[no-untyped-def]
    """The decimal number at [start, end) times 10**shift, correctly rounded; False where that needs Python.

    The digits are an integer below 2**53. It is multiplied or divided by a power of ten that is held as the sum of
    two doubles; the quotient is corrected by its exact remainder. What comes too close to the middle between two
    doubles, and every other form, is refused.

    Source: W. D. Clinger, How to read floating point numbers accurately (1990); T. J. Dekker, Numer. Math. 18 (1971).
    """
    at = start
    negative = False
    if at < end and (data[at] == 45 or data[at] == 43):
        negative = data[at] == 45
        at += 1
    digits = np.int64(0)
    seen = False
    power = shift
    while at < end and 48 <= data[at] <= 57:
        if digits > 900719925474098:
            return 0.0, False
        digits = digits * 10 + (data[at] - 48)
        seen = True
        at += 1
    if at < end and data[at] == 46:
        at += 1
        while at < end and 48 <= data[at] <= 57:
            if digits > 900719925474098:
                return 0.0, False
            digits = digits * 10 + (data[at] - 48)
            seen = True
            power -= 1
            at += 1
    if not seen:
        return 0.0, False
    if at < end and (data[at] == 101 or data[at] == 69):
        at += 1
        down = False
        if at < end and (data[at] == 45 or data[at] == 43):
            down = data[at] == 45
            at += 1
        exponent = 0
        first = at
        while at < end and 48 <= data[at] <= 57 and at - first < 4:
            exponent = exponent * 10 + (data[at] - 48)
            at += 1
        if at == first:
            return 0.0, False
        power += -exponent if down else exponent
    if at != end:
        return 0.0, False
    value = float(digits)
    if digits == 0:
        return -0.0 if negative else 0.0, True
    if 0 <= power <= 22:
        value = value * _HIGH[power]
    elif -22 <= power < 0:
        value = value / _HIGH[-power]
    elif -60 <= power < 0:
        high = _HIGH[-power]
        quotient = value / high
        product = quotient * high
        split = 134217729.0 * quotient
        a = split - (split - quotient)
        b = quotient - a
        split = 134217729.0 * high
        c = split - (split - high)
        d = high - c
        rest = ((a * c - product) + a * d + b * c) + b * d
        remainder = ((value - product) - rest) - quotient * _LOW[-power]
        correction = remainder / high
        value = quotient + correction
        error = abs(correction - (value - quotient))
        half = (np.nextafter(value, np.inf) - value) / 2
        if abs(error - half) < half * 1e-6:
            return 0.0, False
    else:
        return 0.0, False
    return -value if negative else value, True
