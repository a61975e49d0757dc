"""The fast path of SPEF: large files through compiled kernels, to the same entries as the reader of lines gives."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from circuitgraph.formats.spef import Reader, scaled, valid_number
from circuitgraph.formats.spef_columns import Entries

LongArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_NET = re.compile(rb"^[ \t]*\*[DR]_NET\b", re.MULTILINE | re.IGNORECASE)
_MAP = re.compile(rb"\n[ \t]*\*NAME_MAP[ \t\r]*(?=\n)", re.IGNORECASE)
_LISTS = re.compile(rb"^[ \t]*\*(?:PORTS|PHYSICAL_PORTS|POWER_NETS|GROUND_NETS)\b", re.MULTILINE | re.IGNORECASE)
_KEYWORD = re.compile(rb"\n[ \t]*\*[A-Za-z]")
MAX_INDEX_PER_BYTE = 4


def entries_fast(data: bytes, name: str) -> Entries | None:
    """The entries of a file, or None where the reader of lines must read it (errors included)."""
    from circuitgraph.formats import spef_kernels as k

    start = data.find(b"\n*D_NET ") + 1
    if not start:
        first = _NET.search(data)
        start = first.start() if first else -1
    if start < 0 or data[:3] == b"\xef\xbb\xbf" or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):
        return None
    head = data[:start]
    if b"\0" in head:
        return None
    mapped = _MAP.search(head)
    raw = np.frombuffer(data, np.uint8)
    offset = np.zeros(0, np.int64)
    size = np.zeros(0, np.int32)
    index = np.zeros(0, np.int64)
    rest = b""
    if mapped is not None:
        after = _KEYWORD.search(head, mapped.end())
        end = after.start() if after else len(head)
        rest = head[end:]
        head = head[: mapped.end()] + b"\n"
        lines = data.count(b"\n", mapped.end(), end) + 1
        offset, size, index = np.empty(lines, np.int64), np.empty(lines, np.int32), np.empty(lines, np.int64)
        count = k._kernel_map(raw, mapped.end(), end, offset, size, index)
        if count < 0 or (count and int(index[:count].max()) > MAX_INDEX_PER_BYTE * len(data)):
            return None
        offset, size, index = offset[:count], size[:count], index[:count]
    elif (lists := _LISTS.search(head)) is not None:
        rest = head[lists.start() :]
        head = head[: lists.start()] + b"\n"
    known = np.zeros(int(index.max()) + 1 if len(index) else 1, np.uint8)
    known[index] = 1
    reader = Reader.of(head, name)
    if reader is None or not reader.read_header() or not _ports_known(reader, rest, known):
        return None
    found = _nets(raw, start, reader, known)
    if found is None:
        return None
    return _entries(data, reader, found, offset, size, index, known)


def _ports_known(reader: Reader, rest: bytes, known: npt.NDArray[np.uint8]) -> bool:
    """Whether the sections between the name map and the nets hold nothing that the reader of lines must see."""
    text = rest.decode("latin-1")
    if "//" in text or "/*" in text or not text.isascii():
        return False
    for line in text.splitlines():
        fields = line.split()
        if not fields:
            continue
        word = fields[0]
        if word[0] == "*" and word[1:2].isalpha():
            if word.upper() not in {"*PORTS", "*PHYSICAL_PORTS", "*POWER_NETS", "*GROUND_NETS"}:
                return False
        elif word[0] == "*":
            digits = re.match(r"[0-9]+", word[1:])
            if (
                digits is None
                or len(digits[0]) > 9
                or digits[0] != str(int(digits[0]))
                or int(digits[0]) >= len(known)
                or not known[int(digits[0])]
            ):
                return False
    return True


def _nets(
    raw: npt.NDArray[np.uint8], start: int, reader: Reader, known: npt.NDArray[np.uint8]
) -> dict[str, object] | None:
    """Run the kernel over the nets, with more room while it asks for it."""
    from circuitgraph.formats import spef_kernels as k

    farad, ohm = reader.units()
    lines = int(np.count_nonzero(raw[start:] == 10)) + 2
    nodes, names = lines, max(1 << 12, lines // 4)
    for _ in range(6):
        small = [_table(names), _table(max(1 << 12, names // 8))]
        node_table = np.full(1 << (nodes * 3 // 2).bit_length(), -1, np.int32)
        columns: dict[str, object] = {
            "node_prefix": np.empty(nodes + 1, np.int64),
            "node_suffix": np.empty(nodes + 1, np.int64),
            "net_prefix": np.empty(lines, np.int64),
            "net_total": np.empty(lines, np.float64),
            "conn": np.empty((lines, 3), np.int32),
            "ground_nodes": np.empty((lines, 2), np.int32),
            "ground": np.empty(lines, np.float64),
            "pair_nodes": np.empty((lines, 3), np.int32),
            "pair": np.empty(lines, np.float64),
            "res_nodes": np.empty((lines, 3), np.int32),
            "res": np.empty(lines, np.float64),
            "hard": np.empty((lines, 4), np.int64),
        }
        counts = np.zeros(9, np.int64)
        status = k._kernel_nets(
            raw, start, ord(reader.delimiter), known, counts, farad[0], ohm[0], *small[0], *small[1], node_table,
            *columns.values(),
        )  # fmt: skip
        if status != k.MORE:
            break
        nodes, names = 2 * nodes, 2 * names
    if status != k.DONE:
        return None
    columns["counts"] = counts.tolist()
    columns["raw_names"], columns["pin_names"] = small[0][1:3], small[1][1:3]
    return columns


def _table(
    rows: int,
) -> tuple[npt.NDArray[np.int32], LongArray, npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
    return (
        np.full(1 << (rows * 3 // 2).bit_length(), -1, np.int32),
        np.empty(rows, np.int64),
        np.empty(rows, np.int32),
        np.empty(rows, np.uint32),
    )


def _entries(
    data: bytes,
    reader: Reader,
    found: dict[str, object],
    offset: LongArray,
    size: npt.NDArray[np.int32],
    index: LongArray,
    known: npt.NDArray[np.uint8],
) -> Entries | None:
    """The kernel's columns as entries: names printed, equal names made one, values that Python must round."""
    counts: list[int] = found["counts"]  # type: ignore[assignment]
    _, pins, nodes, nets, conns, grounds, pairs, resistors, hards = counts
    columns: dict[str, npt.NDArray[np.generic]] = found  # type: ignore[assignment]
    values = {
        0: columns["net_total"][:nets],
        1: columns["ground"][:grounds],
        2: columns["pair"][:pairs],
        3: columns["res"][:resistors],
    }
    farad, ohm = reader.units()
    for column, row, start, end in columns["hard"][:hards].tolist():
        text = data[start:end].decode("latin-1")
        if not valid_number(text):
            return None
        values[column][row] = scaled([text], (ohm if column == 3 else farad)[0], 1.0)[0]
    at = np.full(len(known), -1, np.int64)
    at[index] = np.arange(len(index))
    prefix_code = np.concatenate([columns["net_prefix"][:nets], columns["node_prefix"][:nodes]]).astype(np.int64)
    codes, inverse = _distinct(prefix_code)
    raw_offset, raw_size = _names_of(found["raw_names"])
    mapped = codes >= 0
    where = np.where(mapped, at[np.maximum(codes, 0)], -1 - codes)
    starts, sizes = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
    starts[mapped], sizes[mapped] = offset[where[mapped]], size[where[mapped]]
    starts[~mapped], sizes[~mapped] = raw_offset[where[~mapped]], raw_size[where[~mapped]]
    texts = [
        reader.printed(data[start:end].decode("latin-1"))
        for start, end in zip(starts.tolist(), (starts + sizes).tolist(), strict=True)
    ]
    distinct: dict[str, int] = {}
    rows = np.array([distinct.setdefault(text, len(distinct)) for text in texts], np.int64)
    prefix = rows[inverse]
    prefixes = list(distinct)
    net_rows, node_prefix = prefix[:nets], prefix[nets:]
    pin_offset, pin_size = _names_of(found["pin_names"])
    own: dict[str, int] = {}
    suffix_rows = np.array(
        [
            own.setdefault(reader.printed(data[start : start + length].decode("latin-1")), len(own))
            for start, length in zip(pin_offset[:pins].tolist(), pin_size[:pins].tolist(), strict=True)
        ],
        np.int64,
    )
    suffix = columns["node_suffix"][:nodes].astype(np.int64)
    if pins:
        suffix = np.where(suffix >= 0, suffix_rows[np.maximum(suffix, 0)], suffix)
    node_row = np.arange(nodes)
    if len(distinct) < len(texts) or len(own) < pins:
        node_row, node_prefix, suffix = _merged(node_prefix, suffix)
    conn = columns["conn"][:conns].astype(np.int64)
    ground = columns["ground_nodes"][:grounds].astype(np.int64)
    pair = columns["pair_nodes"][:pairs].astype(np.int64)
    res = columns["res_nodes"][:resistors].astype(np.int64)
    return Entries(
        name=reader.name,
        net_texts=[prefixes[row] for row in net_rows.tolist()],
        net_prefix=net_rows,
        net_total=_column(values[0], farad[1]),
        prefixes=prefixes,
        suffixes=list(own),
        node_prefix=node_prefix,
        node_suffix=suffix,
        conn_net=conn[:, 0],
        conn_node=node_row[conn[:, 1]],
        conn_direction=conn[:, 2],
        ground_net=ground[:, 0],
        ground_node=node_row[ground[:, 1]],
        ground=_column(values[1], farad[1]),
        pair_net=pair[:, 0],
        pair_nodes=node_row[pair[:, 1:]],
        pair=_column(values[2], farad[1]),
        res_net=res[:, 0],
        res_nodes=node_row[res[:, 1:]],
        res=_column(values[3], ohm[1]),
        notes=reader.notes,
        place=reader.source.name,
    )


def _distinct(codes: LongArray) -> tuple[LongArray, LongArray]:
    """Distinct codes, ascending, and the place of each among them; no sorting where they lie close together."""
    low = int(codes.min()) if len(codes) else 0
    span = int(codes.max()) - low + 1 if len(codes) else 0
    if span > 8 * len(codes) + 1024:
        found, inverse = np.unique(codes, return_inverse=True)
        return found, inverse
    used = np.zeros(span, np.bool_)
    used[codes - low] = True
    rank = np.cumsum(used) - 1
    return np.flatnonzero(used) + low, rank[codes - low]


def _names_of(pair: object) -> tuple[LongArray, npt.NDArray[np.int32]]:
    """Offsets and sizes of names of the kernel."""
    assert isinstance(pair, tuple)
    return pair[0], pair[1]


def _merged(prefix: LongArray, suffix: LongArray) -> tuple[LongArray, LongArray, LongArray]:
    """New row of each node where a mapped and a raw name mean one node; prefix and suffix of the rows left."""
    keys = np.stack([prefix, suffix], axis=1)
    distinct, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse.ravel()], distinct[order, 0], distinct[order, 1]


def _column(values: npt.NDArray[np.generic], factor: float) -> FloatArray:
    """One corner of values times what is left of the unit."""
    column = values.astype(np.float64).reshape(-1, 1)
    return column if factor == 1.0 else column * factor
