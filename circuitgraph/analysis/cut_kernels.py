"""Kernels of priority cuts. Imported only when cuts are asked for: importing compiles or loads them.

A *side* is what one fan-in of an AND offers: its kept cuts, then itself as its own only leaf (a constant: no leaf).
Its rows of int64 are SIZE, VOLUME, TABLE, BLOOM; leaves stand in an int32 array beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from circuitgraph.kernels import compiled

SIZE, VOLUME, TABLE, BLOOM = range(4)
MAX_VOLUME = 255

GRAPH = "int32[:, ::1], uint8[:, ::1], uint8[::1], int64, uint64[::1]"
SLOTS = "int32[:, :, ::1], uint8[:, ::1], uint8[:, ::1], uint16[:, ::1]"
MERGED = "int32[:, ::1], int64[:, ::1], int64[::1], int64[::1]"


@compiled("void(int32[:, ::1], uint8[:, ::1], uint64[::1])")
def kernel_colours(fan_in: Any, inverted: Any, colour: Any) -> None:
    """Mix by the finaliser of splitmix64; the two fan-ins are added, so their order does not count."""
    first = len(colour) - len(fan_in)
    for node in range(len(colour)):
        mixed = colour[node]
        if node >= first:
            mixed = np.uint64(0x9E3779B97F4A7C15)
            for pin in range(2):
                one = colour[fan_in[node - first, pin]]
                if inverted[node - first, pin]:
                    one = (one ^ (one >> np.uint64(29))) * np.uint64(0xD6E8FEB86659FD93)
                mixed += one
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        colour[node] = mixed ^ (mixed >> np.uint64(31))


@compiled(f"int64(int64, boolean, uint8[::1], int64, uint8[::1], {SLOTS}, int32[:, ::1], int64[:, ::1])")
def kernel_side(
    node: Any,
    inverted: Any,
    constant: Any,
    free: Any,
    count: Any,
    leaf: Any,
    size: Any,
    volume: Any,
    table: Any,
    side_leaf: Any,
    side: Any,
) -> Any:
    """Fill a side with the cuts of *node*; returns their number."""
    first = free + len(constant)
    flip = 0xFFFF if inverted else 0
    filled: Any = 0
    if node >= first:
        row = node - first
        filled = np.int64(count[row])
        for slot in range(filled):
            bloom = 0
            for place in range(size[row, slot]):
                side_leaf[slot, place] = leaf[row, slot, place]
                bloom |= 1 << (leaf[row, slot, place] & 31)
            side[SIZE, slot] = size[row, slot]
            side[VOLUME, slot] = volume[row, slot]
            side[TABLE, slot] = table[row, slot] ^ flip
            side[BLOOM, slot] = bloom
    side[VOLUME, filled] = 0
    if free <= node < first:
        side[SIZE, filled] = 0
        side[TABLE, filled] = (0xFFFF if constant[node - free] else 0) ^ flip
        side[BLOOM, filled] = 0
    else:
        side_leaf[filled, 0] = node
        side[SIZE, filled] = 1
        side[TABLE, filled] = 0xAAAA ^ flip
        side[BLOOM, filled] = 1 << (node & 31)
    return filled + 1


@compiled("int64(int32[::1], int64, int32[::1], int64, int32[::1], int64)")
def kernel_union(left: Any, left_size: Any, right: Any, right_size: Any, union: Any, most: Any) -> Any:
    """Union of two ascending lists; returns its size, or most + 1 where it is larger than *most*."""
    at_left, at_right, length = 0, 0, 0
    while at_left < left_size or at_right < right_size:
        if length == most:
            return most + 1
        if at_right == right_size or (at_left < left_size and left[at_left] <= right[at_right]):
            union[length] = left[at_left]
            if at_right < right_size and right[at_right] == left[at_left]:
                at_right += 1
            at_left += 1
        else:
            union[length] = right[at_right]
            at_right += 1
        length += 1
    return length


@compiled(f"int64(int32[:, :, ::1], int64[:, :, ::1], int64[::1], uint64[::1], int64, {MERGED})")
def kernel_merge(
    side_leaf: Any, side: Any, offered: Any, colour: Any, most: Any, union: Any, merged: Any, key: Any, order: Any
) -> Any:
    """All unions of a cut of one side with one of the other, in *order* of preference; returns their number.

    Rows of *merged* are SIZE, VOLUME and the two slots that were joined.
    """
    found = 0
    for left in range(offered[0]):
        for right in range(offered[1]):
            bits = side[0, BLOOM, left] | side[1, BLOOM, right]
            for _ in range(most):
                bits &= bits - 1
            if bits != 0:
                continue
            left_size, right_size = side[0, SIZE, left], side[1, SIZE, right]
            size = kernel_union(side_leaf[0, left], left_size, side_leaf[1, right], right_size, union[found], most)
            if size > most:
                continue
            volume = min(MAX_VOLUME, 1 + side[0, VOLUME, left] + side[1, VOLUME, right])
            own = size << 58 | (MAX_VOLUME - volume) << 50
            mixed: Any = 0
            for place in range(size):
                mixed += np.int64(colour[union[found, place]] >> np.uint64(16))
            own |= mixed
            merged[SIZE, found], merged[VOLUME, found] = size, volume
            merged[2, found], merged[3, found] = left, right
            at = found
            while at > 0 and key[at - 1] > own:
                key[at], order[at] = key[at - 1], order[at - 1]
                at -= 1
            key[at], order[at] = own, found
            found += 1
    return found


@compiled("boolean(int32[::1], int64, int32[:, ::1], uint8[::1], int64)")
def kernel_contains(leaves: Any, length: Any, kept: Any, size: Any, count: Any) -> Any:
    """Whether a set of leaves contains one of the first *count* kept cuts."""
    for slot in range(count):
        at, missing = 0, False
        for place in range(size[slot]):
            while at < length and leaves[at] < kept[slot, place]:
                at += 1
            if at == length or leaves[at] != kept[slot, place]:
                missing = True
                break
        if not missing:
            return True
    return False


@compiled("int64(int64, int32[::1], int64, int32[::1], int64)")
def kernel_spread(table: Any, leaves: Any, size: Any, wanted: Any, wanted_size: Any) -> Any:
    """The table of some leaves as one of the *wanted* ones, by exchanges of neighbouring variables from the last on."""
    target = wanted_size - 1
    for place in range(size - 1, -1, -1):
        while wanted[target] != leaves[place]:
            target -= 1
        for step in range(place, target):
            up = 0x2222 if step == 0 else 0x0C0C if step == 1 else 0x00F0
            stay = 0x9999 if step == 0 else 0xC3C3 if step == 1 else 0xF00F
            table = table & stay | (table & up) << (1 << step) | table >> (1 << step) & up
    return table


@compiled(f"void({GRAPH}, uint8[::1], {SLOTS})")
def kernel_cuts(
    fan_in: Any,
    inverted: Any,
    constant: Any,
    free: Any,
    colour: Any,
    count: Any,
    leaf: Any,
    size: Any,
    volume: Any,
    table: Any,
) -> None:
    """Merge the cuts of both fan-ins of each AND; keep the first that contain no kept one."""
    limit, most = leaf.shape[1], leaf.shape[2]
    slots = limit + 1
    side_leaf, side = np.zeros((2, slots, 4), np.int32), np.zeros((2, 4, slots), np.int64)
    offered = np.zeros(2, np.int64)
    union, merged = np.zeros((slots * slots, 4), np.int32), np.zeros((4, slots * slots), np.int64)
    key, order = np.zeros(slots * slots, np.int64), np.zeros(slots * slots, np.int64)
    for row in range(len(fan_in)):
        for pin in range(2):
            flip = inverted[row, pin] != 0
            offered[pin] = kernel_side(
                fan_in[row, pin], flip, constant, free, count, leaf, size, volume, table, side_leaf[pin], side[pin]
            )
        found = kernel_merge(side_leaf, side, offered, colour, most, union, merged, key, order)
        kept = 0
        for at in range(found):
            if kept == limit:
                break
            new = order[at]
            length = merged[SIZE, new]
            if kernel_contains(union[new], length, leaf[row], size[row], kept):
                continue
            both = 0xFFFF
            for pin in range(2):
                slot = merged[2 + pin, new]
                own = side_leaf[pin, slot]
                both &= kernel_spread(side[pin, TABLE, slot], own, side[pin, SIZE, slot], union[new], length)
            for place in range(length):
                leaf[row, kept, place] = union[new, place]
            size[row, kept], volume[row, kept], table[row, kept] = length, merged[VOLUME, new], both
            kept += 1
        count[row] = kept
