"""The fast path: one large flat module through compiled kernels, to the same raw columns as the parser gives.

Its subset: one module; declarations, named and ordered connections of nets, bits, parts, one-bit literals and
concatenations; gate primitives; plain ``assign``. Anything else, and every error, is left to the parser.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Direction
from circuitgraph.design import CONSTANT_NAMES
from circuitgraph.errors import CircuitError
from circuitgraph.formats.lexing import MAX_NETS, MAX_WIDTH, SourceText, limit, line_and_column
from circuitgraph.formats.verilog.expressions import Scope
from circuitgraph.formats.verilog.masters import GATE_WORDS, SWITCH_PORTS, TRISTATE_WORDS
from circuitgraph.formats.verilog.parser import KEYWORDS, header_of
from circuitgraph.formats.verilog.raw import Declared, Names, RawModule
from circuitgraph.formats.verilog.tokens import TOKEN
from circuitgraph.names import NO_BIT, NameTable

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

SMALL_TABLE = 1 << 16
HEADER_LIMIT = 64 << 20


class LazyNames(Sequence[str]):
    """Names by row out of the file's bytes, decoded one at a time."""

    def __init__(self, data: bytes, offset: LongArray, size: IntArray) -> None:
        self.data = data
        self.offset = offset
        self.size = size

    def __len__(self) -> int:
        return len(self.offset)

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        start = int(self.offset[row])
        return self.data[start : start + int(self.size[row])].decode("latin-1")


@dataclass
class FastModule(RawModule):
    """A raw module whose long columns are arrays and whose names stay in the file's bytes."""

    data: bytes = b""
    seed: bytes = b""
    cell_offset: LongArray = field(default_factory=lambda: np.zeros(0, np.int64))
    cell_size: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    name_offset: LongArray = field(default_factory=lambda: np.zeros(0, np.int64))
    name_size: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    name_row: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    name_left: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    name_right: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    name_is_bus: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def cell_table(self) -> NameTable:
        """Names of the cells."""
        return self._gathered(self.cell_offset, self.cell_size, "$c")

    def net_table(self, rows: LongArray, constants: Sequence[int], prefix: str) -> NameTable:
        """Names of the given rows, then of constants."""
        owner = np.searchsorted(self.name_row, rows, side="right") - 1
        table = self._gathered(self.name_offset[owner], self.name_size[owner], prefix)
        bit = None
        if self.name_is_bus.any():
            left, right = self.name_left[owner].astype(np.int64), self.name_right[owner]
            step = rows - self.name_row[owner]
            bit = np.where(self.name_is_bus[owner], np.where(left >= right, left - step, left + step), NO_BIT)
            if (bit == NO_BIT).all():
                bit = None
        if not constants:
            return NameTable(table.blob, table.start, None if bit is None else bit.astype(np.int32), prefix=prefix)
        extra = NameTable.of([CONSTANT_NAMES[value] for value in constants])
        if bit is not None:
            bit = np.concatenate([bit, np.full(len(constants), NO_BIT)]).astype(np.int32)
        return NameTable(
            np.concatenate([table.blob, extra.blob]),
            np.concatenate([table.start, extra.start[1:] + table.start[-1]]),
            bit,
            prefix=prefix,
        )

    def _gathered(self, offset: LongArray, size: IntArray, prefix: str) -> NameTable:
        from circuitgraph.formats.byte_kernels import _kernel_gather

        start = np.zeros(len(offset) + 1, np.int64)
        np.cumsum(size, out=start[1:])
        blob = np.empty(int(start[-1]), np.uint8)
        data, seed = np.frombuffer(self.data, np.uint8), np.frombuffer(self.seed, np.uint8)
        _kernel_gather(data, seed, np.ascontiguousarray(offset), np.ascontiguousarray(size), start, blob)
        return NameTable(blob, start, prefix=prefix)


@dataclass
class NetTable:
    """Names of nets in the kernel's hash table, and what is declared of each; see ``_kernel_body``."""

    table: IntArray
    offset: LongArray
    size: IntArray
    tag: npt.NDArray[np.uint32]
    row: IntArray
    left: IntArray
    right: IntArray
    kind: npt.NDArray[np.int8]
    direction: npt.NDArray[np.int8]

    @classmethod
    def of(cls, names: int) -> NetTable:
        """An empty table with room for *names* names."""
        size = 1 << max(12, (names * 3 // 2).bit_length())
        return cls(
            table=np.full(size, -1, np.int32),
            offset=np.empty(names, np.int64),
            size=np.empty(names, np.int32),
            tag=np.empty(names, np.uint32),
            row=np.empty(names, np.int32),
            left=np.empty(names, np.int32),
            right=np.empty(names, np.int32),
            kind=np.empty(names, np.int8),
            direction=np.empty(names, np.int8),
        )

    def columns(self) -> tuple[npt.NDArray[np.generic], ...]:
        """The arrays in the order of the kernel's arguments."""
        return (
            self.table,
            self.offset,
            self.size,
            self.tag,
            self.row,
            self.left,
            self.right,
            self.kind,
            self.direction,
        )


class Offsets:
    """Places of a file's bytes, in the role that the tokens have for the parser's modules."""

    def __init__(self, name: str, data: bytes, shift: int) -> None:
        self.name = name
        self.data = data
        self.shift = shift
        self.text = ""

    def place(self, offset: int) -> str:
        """``file:line:column`` of a byte."""
        line, column = line_and_column(self.data, int(offset))
        return f"{self.name}:{line}:{column}"

    def offset(self, index: int) -> int:
        """A byte's offset is its own index."""
        return index

    def between(self, start: int, end: int) -> list[str]:
        """No tokens are kept."""
        return []


def parse_fast(data: bytes, name: str) -> tuple[list[RawModule], Names, Offsets] | None:
    """The one flat module of a file, or None where the parser must read it."""
    shift = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    if shift or b"\0" in data or b"`" in data:
        return None
    end = _header_end(data)
    if end < 0:
        return None
    try:
        parser = header_of(SourceText.of(data[:end], name))
    except CircuitError:
        return None
    if parser is None or parser.module.behavioural or parser.module.parameters:
        return None
    body = _body(data, end, parser.module)
    if body is None:
        return None
    module, names = body
    try:
        parser.module, parser.scope = module, Scope(module, parser.budget)
        parser.guarded(parser.finish_ports, [], 0)
    except CircuitError:
        return None
    module.index = parser.tokens.offset(0)
    names.notes.extend(parser.names.notes)
    return [module], names, Offsets(name, data, shift)


def _header_end(data: bytes) -> int:
    """Offset behind the semicolon of the module's header, -1 where there is none."""
    size = 1 << 16
    while True:
        text = data[:size].decode("latin-1")
        for match in TOKEN.finditer(text):
            if match[1] == ";" and match.end() < len(text):
                return match.end()
        if size >= min(len(data), HEADER_LIMIT):
            return -1
        size *= 8


def _keywords() -> tuple[list[str], npt.NDArray[np.int8]]:
    """Words that begin statements, and the class of each."""
    from circuitgraph.formats.verilog import kernels as k

    classes = dict.fromkeys(sorted(KEYWORDS | TRISTATE_WORDS | set(SWITCH_PORTS)), k.REFUSED)
    classes |= dict.fromkeys(("wire", "tri", "wand", "wor", "triand", "trior"), k.NET)
    classes |= {"input": k.IN, "output": k.OUT, "inout": k.BOTH, "assign": k.ASSIGN, "endmodule": k.END}
    classes |= dict.fromkeys(sorted(GATE_WORDS), k.GATE)
    return list(classes), np.array(list(classes.values()), np.int8)


def _body(data: bytes, at: int, header: RawModule) -> tuple[FastModule, Names] | None:
    """Run the kernel over the body, with more room while it asks for it."""
    from circuitgraph.formats.byte_kernels import _kernel_seed
    from circuitgraph.formats.verilog import kernels as k

    raw = np.frombuffer(data, np.uint8)
    words, classes = _keywords()
    known = [(base, declared) for base, declared in header.declared.items()]
    word_seed = "".join(words).encode()
    seed = word_seed + "".join(base for base, _ in known).encode("latin-1")
    semicolons, commas, opens = data.count(b";"), data.count(b","), data.count(b"(")
    insts = min(opens, semicolons + commas) + 1
    conns = commas + opens + 2
    names = semicolons + 1024 + len(known)
    bits = conns + 4096
    for _ in range(8):
        nets = NetTable.of(names)
        small = [_small_table() for _ in range(2)]
        word_bytes = np.frombuffer(word_seed, np.uint8)
        lengths = np.array([len(word) for word in words], np.int32)
        whole_seed = np.frombuffer(seed, np.uint8)
        _kernel_seed(raw, word_bytes, lengths, *small[0])
        _seed_nets(raw, known, len(word_seed), nets)
        inst_type = np.empty(insts + 1, np.int32)
        inst_offset = np.empty(insts + 1, np.int64)
        inst_size = np.empty(insts + 1, np.int32)
        inst_place = np.empty(insts + 1, np.int64)
        conn_start = np.empty(insts + 2, np.int64)
        conn_port = np.empty(conns + 1, np.int32)
        conn_width = np.empty(conns + 1, np.int32)
        bit_column = np.empty(bits + 1, np.int32)
        alias = [np.empty(bits, np.int32) for _ in range(2)]
        counts = np.array([len(known), header.rows, len(words), 0, 0, 0, 0, 0, len(words), 0], np.int64)
        budget = max(limit("CIRCUITGRAPH_MAX_NETS", MAX_NETS), 4 * len(data))
        width = limit("CIRCUITGRAPH_MAX_WIDTH", MAX_WIDTH)
        status = k._kernel_body(
            raw, whole_seed, at, budget, width, counts, classes, *nets.columns(), *small[0], *small[1],
            inst_type, inst_offset, inst_size, inst_place, conn_start, conn_port, conn_width, bit_column, *alias,
        )  # fmt: skip
        if status != k.MORE:
            break
        names, bits, insts, conns = 3 * names, 2 * bits, 2 * insts, 2 * conns
    if status != k.DONE:
        return None
    found = counts.tolist()
    count, rows, types, ports, insts, conns, bits, aliases = found[:8]
    module = FastModule(
        header.name, header.index, header=header.header, is_ansi=header.is_ansi, rows=rows, data=data, seed=seed
    )
    names_found = Names()
    type_row = _type_rows(data, names_found, words, small[0], types)
    for row in range(ports):
        start = int(small[1][1][row])
        names_found.port(data[start : start + int(small[1][2][row])].decode("latin-1"))
    master = type_row[inst_type[:insts]]
    port_column = conn_port[:conns]
    first_conn = conn_start[: insts + 1]
    gates = np.isin(inst_type[:insts], [row for row, word in enumerate(words) if word in GATE_WORDS])
    if gates.any() and not _gates(words, names_found, inst_type[:insts], gates, first_conn, master, port_column):
        return None
    module.inst_name = LazyNames(data, inst_offset[:insts], inst_size[:insts])  # type: ignore[assignment]
    module.inst_master = master.astype(np.int32)  # type: ignore[assignment]
    module.inst_index = inst_place[:insts]  # type: ignore[assignment]
    module.conn_start = first_conn  # type: ignore[assignment]
    module.conn_port = port_column  # type: ignore[assignment]
    module.conn_width = conn_width[:conns]  # type: ignore[assignment]
    module.conn_flexible = bytearray(conns)
    module.bits = bit_column[:bits]  # type: ignore[assignment]
    module.alias_a = array("i", alias[0][:aliases].tobytes())
    module.alias_b = array("i", alias[1][:aliases].tobytes())
    module.cell_offset, module.cell_size = inst_offset[:insts], inst_size[:insts]
    module.name_offset, module.name_size = nets.offset[:count], nets.size[:count]
    module.name_row = nets.row[:count]
    module.name_left, module.name_right = nets.left[:count], nets.right[:count]
    module.name_is_bus = nets.kind[:count] == 2
    _declare(module, nets.direction[:count], known)
    return module, names_found


def _small_table() -> tuple[npt.NDArray[np.int32], LongArray, IntArray, npt.NDArray[np.uint32]]:
    return (
        np.full(2 * SMALL_TABLE, -1, np.int32),
        np.empty(SMALL_TABLE, np.int64),
        np.empty(SMALL_TABLE, np.int32),
        np.empty(SMALL_TABLE, np.uint32),
    )


def _seed_nets(raw: Bytes, known: list[tuple[str, Declared]], shift: int, nets: NetTable) -> None:
    """Put the nets that the header declares into the table."""
    from circuitgraph.formats.byte_kernels import _kernel_seed

    if not known:
        return
    bases = [base.encode("latin-1") for base, _ in known]
    lengths = np.array([len(base) for base in bases], np.int32)
    own = np.frombuffer(b"".join(bases), np.uint8)
    _kernel_seed(raw, own, lengths, nets.table, nets.offset, nets.size, nets.tag)
    nets.offset[: len(known)] += shift
    for row, (_, declared) in enumerate(known):
        nets.row[row] = declared.row
        nets.left[row] = declared.left or 0
        nets.right[row] = declared.right
        nets.kind[row] = 1 if declared.left is None else 2
        nets.direction[row] = int(declared.direction)


def _type_rows(
    data: bytes,
    names: Names,
    words: list[str],
    table: tuple[npt.NDArray[np.int32], LongArray, IntArray, npt.NDArray[np.uint32]],
    types: int,
) -> LongArray:
    """Row among the names of each type of the kernel."""
    found = np.full(types, -1, np.int64)
    for row in range(len(words), types):
        start = int(table[1][row])
        found[row] = names.master(data[start : start + int(table[2][row])].decode("latin-1"))
    return found


def _gates(
    words: list[str],
    names: Names,
    inst_type: IntArray,
    gates: npt.NDArray[np.bool_],
    start: LongArray,
    master: LongArray,
    port: IntArray,
) -> bool:
    """Turn primitives into gate types: output last. False where one is left to the parser."""
    rows = np.flatnonzero(gates)
    arity = (start[rows + 1] - start[rows]).astype(np.int64)
    kind = inst_type[rows].astype(np.int64)
    pairs, first, inverse = np.unique(kind * (1 << 32) + arity, return_index=True, return_inverse=True)
    gate_row = np.zeros(len(pairs), np.int64)
    for place in np.argsort(first).tolist():
        word, count = words[int(pairs[place] >> 32)], int(pairs[place] & 0xFFFFFFFF)
        if word in {"buf", "not"} and count > 2:
            return False
        gate_row[place] = names.gate(word.upper(), count - 1)
    master[rows] = gate_row[inverse]
    conns = np.repeat(start[rows], arity) + _within(arity)
    place = _within(arity)
    last = np.repeat(arity, arity) - 1
    port[conns] = -1 - np.where(place == 0, last, place - 1)
    return True


def _within(spans: LongArray) -> LongArray:
    start = np.cumsum(spans) - spans
    return np.arange(int(spans.sum()), dtype=np.int64) - np.repeat(start, spans)


def _declare(module: FastModule, direction: npt.NDArray[np.int8], known: list[tuple[str, Declared]]) -> None:
    """Ports and buses as the linker wants them."""
    module.declared = dict(known)
    end = len(module.data)
    for row in np.flatnonzero((direction != 0) | module.name_is_bus).tolist():
        start, size = int(module.name_offset[row]), int(module.name_size[row])
        if start >= end:
            base = module.seed[start - end : start - end + size].decode("latin-1")
        else:
            base = module.data[start : start + size].decode("latin-1")
        left = int(module.name_left[row]) if module.name_is_bus[row] else None
        way = Direction(int(direction[row]))
        module.declared[base] = Declared(
            int(module.name_row[row]), left, int(module.name_right[row]), way, way is not Direction.UNKNOWN
        )
        if left is not None:
            module.segments.append((int(module.name_row[row]), base, left, int(module.name_right[row])))
