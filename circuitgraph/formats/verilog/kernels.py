"""Compiled kernels of the fast path: one pass over the bytes of a flat module, straight to columns.

What they do not understand makes them stop with :data:`OTHER`; the whole file then goes through the parser.
"""

# ruff: noqa: ANN001, ANN202, SIM102, SIM109

from __future__ import annotations

import numpy as np

from circuitgraph.formats.byte_kernels import BYTES, _kernel_find, _kernel_hash
from circuitgraph.kernels import compiled

DONE, OTHER, MORE = 0, 1, 2

NET, IN, OUT, BOTH, ASSIGN, END, GATE, REFUSED = 1, 2, 3, 4, 5, 6, 7, 8
"""Classes of keywords at the beginning of a statement."""

_CLASS = np.zeros(256, np.uint8)
for _byte in range(256):
    _letter = chr(_byte)
    if _letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" or _byte >= 128:
        _CLASS[_byte] = 3
    elif _letter in "0123456789$":
        _CLASS[_byte] = 1
    elif _letter in " \t\n\r\f\v":
        _CLASS[_byte] = 4


@compiled(f"int64({BYTES}, int64)")
def _kernel_skip(data, at):  # type: ignore[no-untyped-def]
    """Offset of the next token; the length at the end; -1 where the bytes need the parser."""
    end = len(data)
    while at < end:
        byte = data[at]
        if _CLASS[byte] == 4:
            at += 1
        elif byte == 47 and at + 1 < end and data[at + 1] == 47:
            while at < end and data[at] != 10 and data[at] != 13:
                at += 1
        elif byte == 47 and at + 1 < end and data[at + 1] == 42:
            at += 2
            while at + 1 < end and not (data[at] == 42 and data[at + 1] == 47):
                at += 1
            if at + 1 >= end:
                return -1
            at += 2
        elif byte == 40 and at + 1 < end and data[at + 1] == 42:
            at += 2
            if at < end and data[at] == 41:
                return -1
            while True:
                if at + 1 >= end:
                    return -1
                if data[at] == 34:
                    at += 1
                    while at < end and data[at] != 34:
                        at += 2 if data[at] == 92 else 1
                    if at >= end:
                        return -1
                    at += 1
                elif data[at] == 42 and data[at + 1] == 41:
                    break
                else:
                    at += 1
            at += 2
        elif byte == 96:
            return -1
        else:
            return at
    return end


@compiled(f"UniTuple(int64, 3)({BYTES}, int64)")
def _kernel_name(data, at):  # type: ignore[no-untyped-def]
    """First byte, length and end of the name token at *at*; length 0 where there is none. No escape in it."""
    end = len(data)
    if at >= end:
        return at, 0, at
    if data[at] == 92:
        start = at + 1
        stop = start
        while stop < end and _CLASS[data[stop]] != 4:
            stop += 1
        return start, stop - start, stop
    if _CLASS[data[at]] != 3:
        return at, 0, at
    stop = at + 1
    while stop < end and (_CLASS[data[stop]] & 1) == 1:
        stop += 1
    return at, stop - at, stop


@compiled(f"UniTuple(int64, 2)({BYTES}, int64)")
def _kernel_integer(data, at):  # type: ignore[no-untyped-def]
    """Value and end of a signed decimal; end -1 where there is none or it is too long."""
    end = len(data)
    negative = at < end and data[at] == 45
    if negative:
        at = _kernel_skip(data, at + 1)
        if at < 0:
            return 0, -1
    start = at
    value = 0
    while at < end and 48 <= data[at] <= 57 and at - start < 9:
        value = 10 * value + (data[at] - 48)
        at += 1
    if at == start or (at < end and (_CLASS[data[at]] & 1) == 1):
        return 0, -1
    return (-value if negative else value), at


@compiled(f"UniTuple(int64, 4)({BYTES}, int64)")
def _kernel_range(data, at):  # type: ignore[no-untyped-def]
    """Left, right and end of ``[left:right]`` at *at*, and 1 where both are there, 0 for ``[bit]``; end -1: none."""
    end = len(data)
    at = _kernel_skip(data, at + 1)
    if at < 0:
        return 0, 0, -1, 0
    left, at = _kernel_integer(data, at)
    if at < 0:
        return 0, 0, -1, 0
    at = _kernel_skip(data, at)
    if at < 0 or at >= end:
        return 0, 0, -1, 0
    if data[at] == 93:
        return left, left, at + 1, 0
    if data[at] != 58:
        return 0, 0, -1, 0
    at = _kernel_skip(data, at + 1)
    if at < 0:
        return 0, 0, -1, 0
    right, at = _kernel_integer(data, at)
    if at < 0:
        return 0, 0, -1, 0
    at = _kernel_skip(data, at)
    if at < 0 or at >= end or data[at] != 93:
        return 0, 0, -1, 0
    return left, right, at + 1, 1


@compiled(f"UniTuple(int64, 2)({BYTES}, int64)")
def _kernel_literal(data, at):  # type: ignore[no-untyped-def]
    """Code and end of a one-bit literal such as ``1'b0``; end -1 where it is anything else."""
    end = len(data)
    if at + 3 >= end or data[at] != 49 or data[at + 1] != 39:
        return 0, -1
    letter = data[at + 2] | 32
    if letter != 98 and letter != 104:
        return 0, -1
    digit = data[at + 3]
    after = at + 4
    if after < end and ((_CLASS[data[after]] & 1) == 1 or data[after] == 63):
        return 0, -1
    if digit == 48:
        return -2, after
    if digit == 49:
        return -3, after
    if digit == 120 or digit == 88:
        return -4, after
    if digit == 122 or digit == 90:
        return -1, after
    return 0, -1


@compiled(
    f"int64({BYTES}, {BYTES}, int64, int64, int64, int64[::1],"
    " int8[::1],"
    " int32[::1], int64[::1], int32[::1], uint32[::1], int32[::1], int32[::1], int32[::1], int8[::1], int8[::1],"
    " int32[::1], int64[::1], int32[::1], uint32[::1],"
    " int32[::1], int64[::1], int32[::1], uint32[::1],"
    " int32[::1], int64[::1], int32[::1], int64[::1], int64[::1],"
    " int32[::1], int32[::1], int32[::1], int32[::1], int32[::1])"
)
def _kernel_body(  # type: ignore[no-untyped-def]
    data,
    seed,
    at,
    budget,
    most_width,
    counts,
    word_class,
    net_table,
    net_offset,
    net_size,
    net_tag,
    net_row,
    net_left,
    net_right,
    net_kind,
    net_direction,
    type_table,
    type_offset,
    type_size,
    type_tag,
    port_table,
    port_offset,
    port_size,
    port_tag,
    inst_type,
    inst_offset,
    inst_size,
    inst_place,
    conn_start,
    conn_port,
    conn_width,
    bits,
    alias_a,
    alias_b,
):
    """Statements of a module's body from offset *at* to endmodule and the end of the file.

    ``counts`` holds names, rows, types, ports, instances, connections, bits, aliases and keywords; it is updated, and
    its last entry becomes the offset of the statement at which the kernel stopped. ``net_kind`` is 0 for a name
    without declaration, 1 for a scalar, 2 for a bus; ``net_direction`` is a Direction. The first entries of the type
    table are the keywords (``word_class``).

    Returns:
        DONE, OTHER, or MORE where an array is full.
    """
    end = len(data)
    names, rows, types, ports = counts[0], counts[1], counts[2], counts[3]
    insts, conns, num_bits, aliases, keywords = counts[4], counts[5], counts[6], counts[7], counts[8]
    name_room = min(len(net_offset), len(net_table) * 2 // 3)
    status = OTHER
    while True:
        at = _kernel_skip(data, at)
        counts[9] = at
        if at < 0 or at >= end:
            break
        start, length, after = _kernel_name(data, at)
        if length == 0:
            break
        statement = at
        value = _kernel_hash(data, start, length)
        row = _kernel_find(data, seed, start, length, value, type_table, type_offset, type_size, type_tag, types)
        word = 0
        if 0 <= row < keywords and data[at] != 92:
            word = word_class[row]
        if word == REFUSED:
            break
        if word == END:
            at = _kernel_skip(data, after)
            if at == end:
                status = DONE
            break
        at = _kernel_skip(data, after)
        if at < 0 or at >= end:
            break
        if word == NET or word == IN or word == OUT or word == BOTH:
            left = 0
            right = 0
            is_bus = False
            if word != NET and data[at] != 91 and data[at] != 92:
                second, size, stop = _kernel_name(data, at)
                if size == 4 and data[second] == 119 and data[second + 1] == 105 and data[second + 2] == 114:
                    if data[second + 3] == 101:
                        at = _kernel_skip(data, stop)
                        if at < 0 or at >= end:
                            break
            if data[at] == 91:
                left, right, at, whole = _kernel_range(data, at)
                if at < 0 or whole == 0:
                    break
                is_bus = True
                if abs(left - right) >= most_width:
                    break
                at = _kernel_skip(data, at)
                if at < 0 or at >= end:
                    break
            width = abs(left - right) + 1
            fine = False
            while True:
                start, length, after = _kernel_name(data, at)
                if length == 0:
                    break
                value = _kernel_hash(data, start, length)
                if data[at] != 92:
                    row = _kernel_find(
                        data, seed, start, length, value, type_table, type_offset, type_size, type_tag, types
                    )
                    if 0 <= row < keywords:
                        break
                name = _kernel_find(data, seed, start, length, value, net_table, net_offset, net_size, net_tag, names)
                if name < 0:
                    if names >= name_room:
                        return MORE
                    slot = -1 - name
                    name = names
                    names += 1
                    net_table[slot] = name
                    net_offset[name] = start
                    net_size[name] = length
                    net_tag[name] = np.uint32(value >> np.uint64(32))
                    net_kind[name] = 2 if is_bus else 1
                    net_left[name] = left
                    net_right[name] = right
                    net_row[name] = rows
                    net_direction[name] = 0
                    rows += width
                    if rows > budget:
                        break
                elif is_bus and (net_kind[name] != 2 or net_left[name] != left or net_right[name] != right):
                    break
                if word != NET:
                    way = word - 1
                    if net_direction[name] != 0 and net_direction[name] != way:
                        break
                    net_direction[name] = way
                at = _kernel_skip(data, after)
                if at < 0 or at >= end:
                    break
                if data[at] == 59:
                    fine = True
                    break
                if data[at] != 44:
                    break
                at = _kernel_skip(data, at + 1)
                if at < 0 or at >= end:
                    break
            if not fine:
                break
            at += 1
            continue
        is_assign = word == ASSIGN
        kind = 0
        if not is_assign:
            if row < 0:
                if types >= len(type_offset) - 1 or types * 3 > len(type_table) * 2:
                    break
                type_table[-1 - row] = types
                type_offset[types] = start
                type_size[types] = length
                type_tag[types] = np.uint32(value >> np.uint64(32))
                row = types
                types += 1
            elif row < keywords and data[statement] == 92:
                break
            kind = row
        fine = False
        while True:
            instance = insts
            named = False
            position = 0
            closing = 59
            if not is_assign:
                size = 0
                start = at
                if data[at] != 40:
                    start, size, after = _kernel_name(data, at)
                    if size == 0:
                        break
                    at = _kernel_skip(data, after)
                    if at < 0 or at >= end:
                        break
                elif word != GATE:
                    break
                if data[at] != 40:
                    break
                if insts >= len(inst_type) - 1:
                    return MORE
                inst_type[insts] = kind
                inst_offset[insts] = start
                inst_size[insts] = size
                inst_place[insts] = statement
                conn_start[insts] = conns
                insts += 1
                closing = 41
                at = _kernel_skip(data, at + 1)
                if at < 0 or at >= end:
                    break
                if data[at] == 41:
                    if word == GATE:
                        break
                    at = _kernel_skip(data, at + 1)
                    if at < 0 or at >= end:
                        break
                    if data[at] == 59:
                        fine = True
                        break
                    if data[at] != 44:
                        break
                    at = _kernel_skip(data, at + 1)
                    if at < 0 or at >= end:
                        break
                    continue
                named = data[at] == 46
                if named and word == GATE:
                    break
            good = False
            side = 0
            first_bit = num_bits
            while True:
                port = -1 - position
                if named:
                    if data[at] != 46:
                        break
                    at = _kernel_skip(data, at + 1)
                    if at < 0:
                        break
                    start, length, after = _kernel_name(data, at)
                    if length == 0:
                        break
                    value = _kernel_hash(data, start, length)
                    port = _kernel_find(
                        data, seed, start, length, value, port_table, port_offset, port_size, port_tag, ports
                    )
                    if port < 0:
                        if ports >= len(port_offset) - 1 or ports * 3 > len(port_table) * 2:
                            break
                        port_table[-1 - port] = ports
                        port_offset[ports] = start
                        port_size[ports] = length
                        port_tag[ports] = np.uint32(value >> np.uint64(32))
                        port = ports
                        ports += 1
                    at = _kernel_skip(data, after)
                    if at < 0 or at >= end or data[at] != 40:
                        break
                    at = _kernel_skip(data, at + 1)
                    if at < 0 or at >= end:
                        break
                before = num_bits
                empty = (named and data[at] == 41) or (
                    not named and not is_assign and word != GATE and (data[at] == 44 or data[at] == 41)
                )
                if not empty:
                    inside = data[at] == 123
                    bad = False
                    if inside:
                        at = _kernel_skip(data, at + 1)
                        if at < 0 or at >= end:
                            break
                    while True:
                        if num_bits >= len(bits) - 1:
                            return MORE
                        start, length, after = _kernel_name(data, at)
                        if length > 0:
                            value = _kernel_hash(data, start, length)
                            if data[at] != 92:
                                row = _kernel_find(
                                    data,
                                    seed,
                                    start,
                                    length,
                                    value,
                                    type_table,
                                    type_offset,
                                    type_size,
                                    type_tag,
                                    types,
                                )
                                if 0 <= row < keywords:
                                    bad = True
                                    break
                            name = _kernel_find(
                                data, seed, start, length, value, net_table, net_offset, net_size, net_tag, names
                            )
                            at = _kernel_skip(data, after)
                            if at < 0 or at >= end:
                                bad = True
                                break
                            if data[at] == 91:
                                left, right, at, whole = _kernel_range(data, at)
                                if at < 0 or name < 0 or net_kind[name] != 2:
                                    bad = True
                                    break
                                low = net_left[name]
                                high = net_right[name]
                                if low >= high:
                                    one = low - left
                                    two = low - right
                                else:
                                    one = left - low
                                    two = right - low
                                if one < 0 or two < one or two > abs(low - high):
                                    bad = True
                                    break
                                if num_bits + two - one + 1 >= len(bits):
                                    return MORE
                                for step in range(one, two + 1):
                                    bits[num_bits] = net_row[name] + step
                                    num_bits += 1
                                at = _kernel_skip(data, at)
                                if at < 0 or at >= end:
                                    bad = True
                                    break
                            else:
                                if name < 0:
                                    if names >= name_room:
                                        return MORE
                                    slot = -1 - name
                                    name = names
                                    names += 1
                                    net_table[slot] = name
                                    net_offset[name] = start
                                    net_size[name] = length
                                    net_tag[name] = np.uint32(value >> np.uint64(32))
                                    net_kind[name] = 1
                                    net_left[name] = 0
                                    net_right[name] = 0
                                    net_row[name] = rows
                                    net_direction[name] = 0
                                    rows += 1
                                wide = 1
                                if net_kind[name] == 2:
                                    wide = abs(net_left[name] - net_right[name]) + 1
                                if num_bits + wide >= len(bits):
                                    return MORE
                                for step in range(wide):
                                    bits[num_bits] = net_row[name] + step
                                    num_bits += 1
                        else:
                            code, at = _kernel_literal(data, at)
                            if at < 0:
                                bad = True
                                break
                            bits[num_bits] = code
                            num_bits += 1
                            at = _kernel_skip(data, at)
                            if at < 0 or at >= end:
                                bad = True
                                break
                        if not inside:
                            break
                        if data[at] == 44:
                            at = _kernel_skip(data, at + 1)
                            if at < 0 or at >= end:
                                bad = True
                                break
                            continue
                        if data[at] != 125:
                            bad = True
                            break
                        at = _kernel_skip(data, at + 1)
                        if at < 0 or at >= end:
                            bad = True
                        break
                    if bad:
                        break
                if is_assign:
                    if side == 0:
                        if data[at] != 61:
                            break
                        side = num_bits - first_bit
                        at = _kernel_skip(data, at + 1)
                        if at < 0 or at >= end:
                            break
                        continue
                    if num_bits - first_bit != 2 * side or aliases + side >= len(alias_a):
                        break
                    target = False
                    for step in range(side):
                        alias_a[aliases] = bits[first_bit + step]
                        alias_b[aliases] = bits[first_bit + side + step]
                        target = target or alias_a[aliases] < 0
                        aliases += 1
                    if target:
                        break
                    num_bits = first_bit
                    good = True
                    break
                if conns >= len(conn_port) - 1:
                    return MORE
                conn_port[conns] = port
                conn_width[conns] = num_bits - before
                conns += 1
                position += 1
                if named:
                    if data[at] != 41:
                        break
                    at = _kernel_skip(data, at + 1)
                    if at < 0 or at >= end:
                        break
                if data[at] == closing:
                    at = _kernel_skip(data, at + 1)
                    good = 0 <= at < end
                    break
                if data[at] != 44:
                    break
                at = _kernel_skip(data, at + 1)
                if at < 0 or at >= end:
                    break
            if not good:
                break
            if word == GATE:
                if position < 2:
                    break
                narrow = True
                for place in range(conn_start[instance], conns):
                    narrow = narrow and conn_width[place] == 1
                if not narrow:
                    break
            if data[at] == 59:
                fine = True
                break
            if data[at] != 44:
                break
            at = _kernel_skip(data, at + 1)
            if at < 0 or at >= end:
                break
        if not fine:
            break
        at += 1
    counts[0], counts[1], counts[2], counts[3] = names, rows, types, ports
    counts[4], counts[5], counts[6], counts[7] = insts, conns, num_bits, aliases
    if insts < len(conn_start):
        conn_start[insts] = conns
    return status
