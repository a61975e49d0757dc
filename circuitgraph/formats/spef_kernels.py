"""Compiled kernels of the SPEF reader: the name map, and the nets line by line, straight to columns.

What they do not understand makes them stop; the file then goes through the reader of :mod:`circuitgraph.formats.spef`.
"""

# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np

from circuitgraph.formats.byte_kernels import BYTES, _kernel_decimal, _kernel_find, _kernel_hash
from circuitgraph.kernels import compiled

DONE, OTHER, MORE = 0, 1, 2
NONE, NUMBER = -1, -2
"""Suffix codes: no suffix; the number n is NUMBER - n."""


@compiled(f"UniTuple(int64, 2)({BYTES}, int64, int64)")
def _kernel_word(data, at, end):  # type: ignore[no-untyped-def]
    """Start and end of the next word of a line; equal at its end."""
    while at < end and (data[at] == 32 or data[at] == 9 or data[at] == 13):
        at += 1
    start = at
    while at < end and data[at] > 32:
        at += 1
    return start, at


@compiled(f"int64({BYTES}, int64, int64, int64[::1], int32[::1], int64[::1])")
def _kernel_map(data, at, end, offset, size, index):  # type: ignore[no-untyped-def]
    """Entries ``*12 name`` from *at* to *end*: where each name stands, and its index; their number, or -1."""
    count = 0
    while at < end:
        stop = at
        while stop < end and data[stop] != 10:
            byte = data[stop]
            if byte < 48:
                if byte < 32 and byte != 9 and byte != 13:
                    return -1
                if byte == 47 and stop + 1 < end and (data[stop + 1] == 47 or data[stop + 1] == 42):
                    return -1
            stop += 1
        start, after = _kernel_word(data, at, stop)
        if after > start:
            if data[start] != 42 or after - start < 2 or after - start > 10 or count >= len(offset):
                return -1
            number = 0
            for place in range(start + 1, after):
                if not 48 <= data[place] <= 57:
                    return -1
                number = number * 10 + (data[place] - 48)
            if data[start + 1] == 48 and after - start > 2:
                return -1
            start, after = _kernel_word(data, after, stop)
            if after == start:
                return -1
            offset[count] = start
            size[count] = after - start
            index[count] = number
            count += 1
            start, after = _kernel_word(data, after, stop)
            if after > start:
                return -1
        at = stop + 1
    return count


@compiled(
    f"UniTuple(int64, 3)({BYTES}, int64, int64, int64, uint8[::1], int64[::1],"
    " int32[::1], int64[::1], int32[::1], uint32[::1], int32[::1], int64[::1], int32[::1], uint32[::1])"
)
def _kernel_parts(  # type: ignore[no-untyped-def]
    data,
    start,
    end,
    delimiter,
    known,
    counts,
    raw_table,
    raw_offset,
    raw_size,
    raw_tag,
    pin_table,
    pin_offset,
    pin_size,
    pin_tag,
):
    """Prefix and suffix codes of a node's name, and 0, or OTHER or MORE.

    A prefix is the index of the name map, or -1 - row of a raw name.
    """
    split = end - 1
    while split > start and not (data[split] == delimiter and data[split - 1] != 92):
        split -= 1
    stop = split
    suffix = -1
    if split <= start or split == end - 1:
        stop = end
    else:
        digits = end - split - 1
        number = 0
        plain = digits < 10 and (data[split + 1] != 48 or digits == 1)
        for place in range(split + 1, end):
            if not 48 <= data[place] <= 57:
                plain = False
                break
            number = number * 10 + (data[place] - 48)
        if plain:
            suffix = -2 - number
        else:
            value = _kernel_hash(data, split + 1, digits)
            suffix = _kernel_find(
                data, data, split + 1, digits, value, pin_table, pin_offset, pin_size, pin_tag, counts[1]
            )
            if suffix < 0:
                if counts[1] >= len(pin_offset) - 1 or counts[1] * 3 > len(pin_table) * 2:
                    return 0, 0, 2
                pin_table[-1 - suffix] = counts[1]
                suffix = counts[1]
                pin_offset[suffix] = split + 1
                pin_size[suffix] = digits
                pin_tag[suffix] = np.uint32(value >> np.uint64(32))
                counts[1] += 1
    if data[start] == 42:
        if stop - start < 2 or stop - start > 10 or (data[start + 1] == 48 and stop - start > 2):
            return 0, 0, 1
        number = 0
        for place in range(start + 1, stop):
            if not 48 <= data[place] <= 57:
                return 0, 0, 1
            number = number * 10 + (data[place] - 48)
        if number >= len(known) or known[number] == 0:
            return 0, 0, 1
        return number, suffix, 0
    length = stop - start
    value = _kernel_hash(data, start, length)
    row = _kernel_find(data, data, start, length, value, raw_table, raw_offset, raw_size, raw_tag, counts[0])
    if row < 0:
        if counts[0] >= len(raw_offset) - 1 or counts[0] * 3 > len(raw_table) * 2:
            return 0, 0, 2
        raw_table[-1 - row] = counts[0]
        row = counts[0]
        raw_offset[row] = start
        raw_size[row] = length
        raw_tag[row] = np.uint32(value >> np.uint64(32))
        counts[0] += 1
    return -1 - row, suffix, 0


@compiled("int64(int64, int64, int64[::1], int32[::1], int64[::1], int64[::1])")
def _kernel_node(prefix, suffix, counts, table, node_prefix, node_suffix):  # type: ignore[no-untyped-def]
    """Row of a node, made when it is new; -1 where there is no room."""
    value = np.uint64(prefix) * np.uint64(11400714819323198485) ^ np.uint64(suffix) * np.uint64(14029467366897019727)
    value ^= value >> np.uint64(31)
    mask = len(table) - 1
    slot = np.int64(value & np.uint64(mask))
    while True:
        row = table[slot]
        if row < 0:
            break
        if node_prefix[row] == prefix and node_suffix[row] == suffix:
            return row
        slot = (slot + 1) & mask
    if counts[2] >= len(node_prefix) - 1 or counts[2] * 3 > len(table) * 2:
        return -1
    row = counts[2]
    table[slot] = row
    node_prefix[row] = prefix
    node_suffix[row] = suffix
    counts[2] += 1
    return row


@compiled(
    f"int64({BYTES}, int64, int64, uint8[::1], int64[::1], int64, int64,"
    " int32[::1], int64[::1], int32[::1], uint32[::1], int32[::1], int64[::1], int32[::1], uint32[::1],"
    " int32[::1], int64[::1], int64[::1], int64[::1], float64[::1], int32[:, ::1],"
    " int32[:, ::1], float64[::1], int32[:, ::1], float64[::1], int32[:, ::1], float64[::1], int64[:, ::1])"
)
def _kernel_nets(  # type: ignore[no-untyped-def]
    data,
    at,
    delimiter,
    known,
    counts,
    farad,
    ohm,
    raw_table,
    raw_offset,
    raw_size,
    raw_tag,
    pin_table,
    pin_offset,
    pin_size,
    pin_tag,
    node_table,
    node_prefix,
    node_suffix,
    net_prefix,
    net_total,
    conn,
    ground_nodes,
    ground,
    pair_nodes,
    pair,
    res_nodes,
    res,
    hard,
):
    """All nets from offset *at* to the end.

    ``counts``: raw names, pin names, nodes, nets, connections, ground, coupling, resistors, values for Python.
    ``conn`` [n, 3] net, node, direction; ``*_nodes`` net and nodes; ``hard`` [n, 4] column (0 total, 1 ground,
    2 coupling, 3 resistor), row, start and end of a number that the kernel did not round.
    """
    end = len(data)
    section = 0
    net = -1
    while at < end:
        stop = at
        while stop < end and data[stop] != 10:
            byte = data[stop]
            if byte < 48:
                if byte < 32 and byte != 9 and byte != 13:
                    return 1
                if byte == 47 and stop + 1 < end and (data[stop + 1] == 47 or data[stop + 1] == 42):
                    return 1
            stop += 1
        start, after = _kernel_word(data, at, stop)
        at = stop + 1
        if after == start:
            continue
        if data[start] == 42 and after > start + 1 and data[start + 1] >= 128:
            return 1
        letter = data[start + 1] & 0xDF if after > start + 1 else 0
        if data[start] == 42 and 65 <= letter <= 90:
            length = after - start
            if length == 2 and (letter == 80 or letter == 73 or letter == 78):
                if section != 2:
                    return 1
                first, last = _kernel_word(data, after, stop)
                if last == first:
                    return 1
                prefix, suffix, status = _kernel_parts(
                    data, first, last, delimiter, known, counts, raw_table, raw_offset, raw_size, raw_tag, pin_table,
                    pin_offset, pin_size, pin_tag,
                )  # fmt: skip
                if status != 0:
                    return status
                node = _kernel_node(prefix, suffix, counts, node_table, node_prefix, node_suffix)
                if node < 0:
                    return 2
                if letter == 78:
                    continue
                first, last = _kernel_word(data, last, stop)
                if last - first != 1:
                    return 1
                way = data[first] & 0xDF
                direction = 1 if way == 73 else 2 if way == 79 else 3 if way == 66 else 0
                if direction == 0:
                    return 1
                row = counts[4]
                if row >= len(conn):
                    return 2
                conn[row, 0] = net
                conn[row, 1] = node
                conn[row, 2] = direction
                counts[4] += 1
            elif length == 6 and letter == 68 and data[start + 2] == 95 and (data[start + 3] & 0xDF) == 78:
                if (data[start + 4] & 0xDF) != 69 or (data[start + 5] & 0xDF) != 84:
                    return 1
                if section != 0:
                    return 1
                first, last = _kernel_word(data, after, stop)
                if last == first:
                    return 1
                prefix, suffix, status = _kernel_parts(
                    data, first, last, 0, known, counts, raw_table, raw_offset, raw_size, raw_tag, pin_table,
                    pin_offset, pin_size, pin_tag,
                )  # fmt: skip
                if status != 0:
                    return status
                net = counts[3]
                if net >= len(net_prefix):
                    return 2
                net_prefix[net] = prefix
                first, last = _kernel_word(data, last, stop)
                if last == first:
                    return 1
                value, fine = _kernel_decimal(data, first, last, farad)
                net_total[net] = value
                if not fine:
                    if counts[8] >= len(hard):
                        return 2
                    hard[counts[8], 0] = 0
                    hard[counts[8], 1] = net
                    hard[counts[8], 2] = first
                    hard[counts[8], 3] = last
                    counts[8] += 1
                counts[3] += 1
                section = 1
            elif length == 5 and letter == 67 and (data[start + 2] & 0xDF) == 79 and (data[start + 3] & 0xDF) == 78:
                if (data[start + 4] & 0xDF) != 78 or section == 0:
                    return 1
                section = 2
            elif length == 4 and letter == 67 and (data[start + 2] & 0xDF) == 65 and (data[start + 3] & 0xDF) == 80:
                if section == 0:
                    return 1
                section = 3
            elif length == 4 and letter == 82 and (data[start + 2] & 0xDF) == 69 and (data[start + 3] & 0xDF) == 83:
                if section == 0:
                    return 1
                section = 4
            elif length == 4 and letter == 69 and (data[start + 2] & 0xDF) == 78 and (data[start + 3] & 0xDF) == 68:
                if section == 0:
                    return 1
                section = 0
            else:
                return 1
            continue
        if section != 3 and section != 4:
            return 1
        first, last = _kernel_word(data, after, stop)
        second, second_end = _kernel_word(data, last, stop)
        third, third_end = _kernel_word(data, second_end, stop)
        if third_end > third:
            more, more_end = _kernel_word(data, third_end, stop)
            if more_end > more:
                return 1
        if second_end == second or (section == 4 and third_end == third):
            return 1
        prefix, suffix, status = _kernel_parts(
            data, first, last, delimiter, known, counts, raw_table, raw_offset, raw_size, raw_tag, pin_table,
            pin_offset, pin_size, pin_tag,
        )  # fmt: skip
        if status != 0:
            return status
        node = _kernel_node(prefix, suffix, counts, node_table, node_prefix, node_suffix)
        if node < 0:
            return 2
        other = -1
        number = second
        number_end = second_end
        if third_end > third:
            number = third
            number_end = third_end
            prefix, suffix, status = _kernel_parts(
                data, second, second_end, delimiter, known, counts, raw_table, raw_offset, raw_size, raw_tag, pin_table,
                pin_offset, pin_size, pin_tag,
            )  # fmt: skip
            if status != 0:
                return status
            other = _kernel_node(prefix, suffix, counts, node_table, node_prefix, node_suffix)
            if other < 0:
                return 2
        value, fine = _kernel_decimal(data, number, number_end, farad if section == 3 else ohm)
        if section == 4:
            column = 3
            row = counts[7]
            if row >= len(res):
                return 2
            res_nodes[row, 0] = net
            res_nodes[row, 1] = node
            res_nodes[row, 2] = other
            res[row] = value
            counts[7] += 1
        elif other < 0:
            column = 1
            row = counts[5]
            if row >= len(ground):
                return 2
            ground_nodes[row, 0] = net
            ground_nodes[row, 1] = node
            ground[row] = value
            counts[5] += 1
        else:
            column = 2
            row = counts[6]
            if row >= len(pair):
                return 2
            pair_nodes[row, 0] = net
            pair_nodes[row, 1] = node
            pair_nodes[row, 2] = other
            pair[row] = value
            counts[6] += 1
        if not fine:
            if counts[8] >= len(hard):
                return 2
            hard[counts[8], 0] = column
            hard[counts[8], 1] = row
            hard[counts[8], 2] = number
            hard[counts[8], 3] = number_end
            counts[8] += 1
    return 0 if section == 0 else 1
