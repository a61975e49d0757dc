"""AIGER: and-inverter graphs, ASCII (``aag``) and binary (``aig``), format 1.9.

    aag M I L O A [B [C [J [F]]]]      header: highest variable, inputs, latches, outputs, ANDs,
                                       bad properties, constraints, justice properties, fairness

A literal is 2 * variable + complement; 0 is false. The circuit has one cell a latch, then one an AND, in file order
(ASCII ANDs sorted so that fan-ins come first); inversions stand on pins and ports. Source: A. Biere, The AIGER
And-Inverter Graph (AIG) Format Version 20071012 (2007); A. Biere, K. Heljanko, S. Wieringa, AIGER 1.9 And Beyond (2011).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from circuitgraph.cell_types import AND2, LATCH
from circuitgraph.circuit import CellType, Circuit, Direction, PortRole, Reset
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.files import Source, name_of, read_bytes, stem_of
from circuitgraph.names import NO_BIT, NameTable, encode, split_bit

LongArray = npt.NDArray[np.int64]

MAX_VARINT_BYTES = 5
SYMBOL_KINDS = b"ilobcjf"
ROLE_OF_SYMBOL = {
    "o": PortRole.PLAIN,
    "b": PortRole.BAD,
    "c": PortRole.CONSTRAINT,
    "j": PortRole.JUSTICE,
    "f": PortRole.FAIRNESS,
}


@dataclass
class _Header:
    binary: bool
    variables: int
    inputs: int
    latches: int
    outputs: int
    ands: int
    bad: int = 0
    constraints: int = 0
    justice: int = 0
    fairness: int = 0


@dataclass
class _Body:
    """Literals of each section, and names by (section letter, index)."""

    inputs: LongArray
    latches: list[tuple[int, int, int]]
    ports: list[tuple[int, PortRole, int]]
    ands: LongArray
    names: dict[tuple[str, int], bytes] = field(default_factory=dict)


class _Lines:
    """Lines of the ASCII part, with the place of each."""

    def __init__(self, data: bytes, at: int, file: str) -> None:
        self.data, self.at, self.file, self.number = data, at, file, 1

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"

    def next(self, what: str) -> bytes:
        """The next line without its end; *what* names the section for the message."""
        if self.at >= len(self.data):
            raise CircuitError(
                self.place, what, "the file ends before the counts of its header are met", "the file is truncated"
            )
        end = self.data.find(b"\n", self.at)
        end = len(self.data) if end < 0 else end
        line = self.data[self.at : end]
        self.at, self.number = end + 1, self.number + 1
        return line.removesuffix(b"\r")

    def numbers(self, what: str, least: int, most: int) -> list[int]:
        """The numbers of the next line."""
        fields = self.next(what).split()
        if not least <= len(fields) <= most or not all(field.isdigit() and len(field) < 19 for field in fields):
            wanted = str(least) if least == most else f"{least} or {most}"
            text = b" ".join(fields)[:40].decode("latin-1")
            raise CircuitError(
                f"{self.file}:{self.number - 1}", what, f"takes {wanted} numbers, not {text!r}", "correct the line"
            )
        return [int(field) for field in fields]


def read_aiger(source: Source) -> Circuit:
    """The circuit that an AIGER file describes; nothing is hashed or folded.

    Args:
        source: path or binary stream; plain, .gz, .xz or .zst.

    Returns:
        Latches, then ANDs; inputs, outputs, bad, constraint, justice and fairness literals are
        ports in this order. Unnamed ports and nets have a number for a name.

    Raises:
        CircuitError: the header promises more than the file holds, a literal is out of range, undefined
            or defined twice, a delta is wrong, or ANDs form a loop.
    """
    data = read_bytes(source)
    file = name_of(source)
    header, at = _read_header(data, file)
    lines = _Lines(data, at, file)
    lines.number = 2
    notes = Notes()
    body = _read_binary(lines, header) if header.binary else _read_ascii(lines, header)
    _read_symbols(lines, header, body, notes)
    return _circuit(header, body, notes, stem_of(source), file)


def _read_header(data: bytes, file: str) -> tuple[_Header, int]:
    end = data.find(b"\n", 0, 400)
    end = min(len(data), 400) if end < 0 else end
    fields = data[:end].split()
    word = fields[0] if fields else b""
    if word not in {b"aag", b"aig"} or not 6 <= len(fields) <= 10 or not all(f.isdigit() for f in fields[1:]):
        text = data[: min(end, 40)].decode("latin-1")
        raise CircuitError(
            f"{file}:1", "header", f"must be 'aag|aig M I L O A [B C J F]', not {text!r}", "is it AIGER?"
        )
    if any(len(number) > 12 for number in fields[1:]):
        raise CircuitError(f"{file}:1", "header", "has a count of more than 12 digits", "the file is damaged")
    counts = [int(number) for number in fields[1:]]
    header = _Header(word == b"aig", *counts)
    defined = header.inputs + header.latches + header.ands
    left = len(data) - end
    listed = header.outputs + header.bad + header.constraints + header.justice + header.fairness
    least = header.ands * (2 if header.binary else 6) + 2 * (header.latches + listed)
    least += 0 if header.binary else 2 * header.inputs
    if least > left + 1:
        what = f"{header.ands:,} ANDs" if header.ands * 2 > left else f"{defined + listed:,} entries"
        raise CircuitError(
            f"{file}:1", "header", f"promises {what}, the file holds {left:,} bytes more", "it is truncated"
        )
    if header.binary and header.variables != defined:
        raise CircuitError(
            f"{file}:1",
            "header",
            f"binary files need M = I + L + A, found {header.variables} and {defined}",
            "correct M",
        )
    if header.variables < defined or header.variables >= 1 << 30:
        raise CircuitError(
            f"{file}:1", "header", f"M = {header.variables} is below I + L + A = {defined}, or above 2^30", "correct M"
        )
    return header, min(end + 1, len(data))


def _read_ports(lines: _Lines, header: _Header) -> list[tuple[int, PortRole, int]]:
    ports: list[tuple[int, PortRole, int]] = []
    plain = ((header.outputs, PortRole.PLAIN, "output"), (header.bad, PortRole.BAD, "bad property"))
    for count, role, what in (*plain, (header.constraints, PortRole.CONSTRAINT, "constraint")):
        ports += [(lines.numbers(what, 1, 1)[0], role, -1) for _ in range(count)]
    sizes = [lines.numbers("size of a justice property", 1, 1)[0] for _ in range(header.justice)]
    for group, size in enumerate(sizes):
        if size * 2 > len(lines.data) - lines.at + 1:
            raise CircuitError(lines.place, f"justice property {group}", f"promises {size:,} literals", "truncated?")
        ports += [(lines.numbers("justice literal", 1, 1)[0], PortRole.JUSTICE, group) for _ in range(size)]
    ports += [(lines.numbers("fairness", 1, 1)[0], PortRole.FAIRNESS, -1) for _ in range(header.fairness)]
    return ports


def _read_ascii(lines: _Lines, header: _Header) -> _Body:
    first = lines.number
    inputs = [lines.numbers("input", 1, 1)[0] for _ in range(header.inputs)]
    latches = []
    for _ in range(header.latches):
        numbers = lines.numbers("latch", 2, 3)
        latches.append((numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 0))
    ports = _read_ports(lines, header)
    start = lines.number
    rows = [lines.numbers("AND", 3, 3) for _ in range(header.ands)]
    ands = np.array(rows, np.int64).reshape(-1, 3)
    _check_definitions(lines.file, header, inputs, latches, ands, first, start)
    if len(ands):
        by_lhs = np.argsort(ands[:, 0], kind="stable")
        ordered = ands[by_lhs]
        if (ordered[:, 1:].max(axis=1) < ordered[:, 0]).all():
            ands = ordered
        else:
            ands = _sorted_ands(ands, header, f"{lines.file}:{start}")
    return _Body(np.array(inputs, np.int64), latches, ports, ands)


def _check_definitions(
    file: str,
    header: _Header,
    inputs: list[int],
    latches: list[tuple[int, int, int]],
    ands: LongArray,
    first: int,
    first_and: int,
) -> None:
    """Every left-hand side is an even literal in range, defined once."""
    seen = np.zeros(header.variables + 1, np.bool_)
    places = [(literal, first + row, "input") for row, literal in enumerate(inputs)]
    places += [(latch[0], first + len(inputs) + row, "latch") for row, latch in enumerate(latches)]
    places += [(literal, first_and + row, "AND") for row, literal in enumerate(ands[:, 0].tolist())]
    for literal, line, what in places:
        if literal & 1 or not 2 <= literal <= 2 * header.variables + 1:
            raise CircuitError(
                f"{file}:{line}",
                f"{what} {literal}",
                f"must be an even literal from 2 to {2 * header.variables}",
                "correct it",
            )
        if seen[literal >> 1]:
            raise CircuitError(
                f"{file}:{line}", f"{what} {literal}", "is defined a second time", "give it another literal"
            )
        seen[literal >> 1] = True


def _sorted_ands(ands: LongArray, header: _Header, place: str) -> LongArray:
    """ANDs so that fan-ins come first; among those that are ready the smallest literal first."""
    import heapq

    row_of = {int(literal) >> 1: row for row, literal in enumerate(ands[:, 0])}
    waiting = [0] * len(ands)
    readers: dict[int, list[int]] = {}
    for row, (_, right0, right1) in enumerate(ands.tolist()):
        for variable in {right0 >> 1, right1 >> 1}:
            if variable in row_of:
                waiting[row] += 1
                readers.setdefault(row_of[variable], []).append(row)
    ready = [(int(ands[row, 0]), row) for row in range(len(ands)) if not waiting[row]]
    heapq.heapify(ready)
    order = []
    while ready:
        _, row = heapq.heappop(ready)
        order.append(row)
        for reader in readers.get(row, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, (int(ands[reader, 0]), reader))
    if len(order) < len(ands):
        raise _loop_error(ands, row_of, [row for row in range(len(ands)) if waiting[row]], place)
    return ands[order]


def _loop_error(ands: LongArray, row_of: dict[int, int], stuck: list[int], place: str) -> CircuitError:
    """The message that shows one loop, from its smallest literal along the fan-outs."""
    blocked = set(stuck)
    path, seen = [stuck[0]], {stuck[0]: 0}
    while True:
        fan_in = (int(ands[path[-1], 1]) >> 1, int(ands[path[-1], 2]) >> 1)
        row = next(row_of[variable] for variable in fan_in if row_of.get(variable, -1) in blocked)
        if row in seen:
            loop = path[seen[row] :][::-1]
            break
        seen[row] = len(path)
        path.append(row)
    literals = [int(ands[row, 0]) for row in loop]
    at = literals.index(min(literals))
    literals = literals[at:] + literals[:at]
    shown = literals if len(literals) <= 10 else [*literals[:5], *literals[-5:]]
    text = [str(literal) for literal in shown]
    if len(literals) > 10:
        text.insert(5, f"({len(literals) - 10:,} more)")
    return CircuitError(
        place,
        f"loop of {len(literals)} ANDs",
        f"combinational loop {' -> '.join([*text, text[0]])}",
        "cut it by a latch",
    )


def _read_binary(lines: _Lines, header: _Header) -> _Body:
    first = header.inputs
    latches = []
    for row in range(header.latches):
        numbers = lines.numbers("latch", 1, 2)
        literal = 2 * (first + row + 1)
        latches.append((literal, numbers[0], numbers[1] if len(numbers) == 2 else 0))
    ports = _read_ports(lines, header)
    ands, end = _decode_deltas(lines.data, lines.at, header, lines.file)
    lines.at = end
    inputs = 2 * np.arange(1, header.inputs + 1, dtype=np.int64)
    return _Body(inputs, latches, ports, ands)


def _decode_deltas(data: bytes, at: int, header: _Header, file: str) -> tuple[LongArray, int]:
    """ANDs [A, 3] of the binary part, and the byte after it.

    Numbers of 7 bits a byte, low first: all of them at once by the places of their last bytes.
    """
    count = 2 * header.ands
    if not count:
        return np.zeros((0, 3), np.int64), at
    raw = np.frombuffer(data, np.uint8)[at : at + count * (MAX_VARINT_BYTES + 1)]
    last = np.flatnonzero(raw < 128)[:count]
    if len(last) and (np.diff(last, prepend=-1) > MAX_VARINT_BYTES).any():
        wrong = int(np.flatnonzero(np.diff(last, prepend=-1) > MAX_VARINT_BYTES)[0])
        offset = at + (int(last[wrong - 1]) + 1 if wrong else 0)
        raise CircuitError(
            f"{file}:byte {offset}",
            f"AND {wrong // 2}",
            f"has a delta longer than {MAX_VARINT_BYTES} bytes",
            "damaged file",
        )
    if len(last) < count:
        if len(raw) - (int(last[-1]) + 1 if len(last) else 0) > MAX_VARINT_BYTES:
            raise CircuitError(
                f"{file}:byte {at}",
                f"AND {len(last) // 2}",
                f"has a delta longer than {MAX_VARINT_BYTES} bytes",
                "damaged file",
            )
        raise CircuitError(
            f"{file}:byte {len(data)}",
            "ANDs",
            f"the file ends in AND {len(last) // 2} of {header.ands}",
            "it is truncated",
        )
    start = np.empty_like(last)
    start[0], start[1:] = 0, last[:-1] + 1
    value = (raw[start] & 127).astype(np.int64)
    length = last - start + 1
    for place in range(1, int(length.max())):
        longer = np.flatnonzero(length > place)
        value[longer] |= (raw[start[longer] + place] & 127).astype(np.int64) << (7 * place)
    delta = value.reshape(-1, 2)
    ands = np.empty((header.ands, 3), np.int64)
    ands[:, 0] = 2 * (header.inputs + header.latches + 1 + np.arange(header.ands))
    ands[:, 1] = ands[:, 0] - delta[:, 0]
    ands[:, 2] = ands[:, 1] - delta[:, 1]
    for column, what in ((0, "first"), (1, "second")):
        out_of_range = ands[:, column + 1] < 0
        if column == 0:
            out_of_range |= delta[:, 0] == 0
        rows = np.flatnonzero(out_of_range)
        if len(rows):
            row = int(rows[0])
            found = int(delta[row, column])
            limit = "must be from 1 to its literal" if column == 0 else "must not exceed the first operand"
            raise CircuitError(
                f"{file}:byte {at + int(start[2 * row + column])}",
                f"AND {int(ands[row, 0])}",
                f"has a {what} delta of {found}, which {limit}",
                "damaged file",
            )
    return ands, at + int(last[-1]) + 1


def _read_symbols(lines: _Lines, header: _Header, body: _Body, notes: Notes) -> None:
    """Symbols until the comment or the end of the file."""
    limits = dict(
        zip(
            "ilobcjf",
            (
                header.inputs,
                header.latches,
                header.outputs,
                header.bad,
                header.constraints,
                header.justice,
                header.fairness,
            ),
            strict=True,
        )
    )
    if header.binary:
        lines.number += 1
    while lines.at < len(lines.data):
        place = lines.place
        line = lines.next("symbol")
        if line == b"c":
            return
        if not line.strip() and lines.at >= len(lines.data):
            return
        kind, _, name = line[:1], b"", b""
        number, blank, name = line[1:].partition(b" ")
        if kind not in {bytes([letter]) for letter in SYMBOL_KINDS} or not number.isdigit() or not blank:
            raise CircuitError(
                place, f"{line[:40].decode('latin-1')!r}", "is neither a symbol nor the comment mark 'c'", "remove it"
            )
        letter, index = kind.decode(), int(number)
        if index >= limits[letter]:
            notes.add("symbol of a thing that the header does not count", place)
        else:
            body.names[letter, index] = name


def _circuit(header: _Header, body: _Body, notes: Notes, name: str, file: str) -> Circuit:
    """The columns: nets are inputs, latches, ANDs, then the constant when something reads it."""
    inputs, latches, ands = body.inputs, np.array(body.latches, np.int64).reshape(-1, 3), body.ands
    defined = np.concatenate([inputs, latches[:, 0], ands[:, 0]]) >> 1
    net_of = np.full(header.variables + 1, -1, np.int32)
    net_of[defined] = np.arange(len(defined), dtype=np.int32)
    literals = np.array([port[0] for port in body.ports], np.int64)
    read = np.concatenate([latches[:, 1], literals, ands[:, 1:].ravel()])
    if len(read) and (read >> 1).max() > header.variables:
        wrong = int(read[np.argmax(read >> 1 > header.variables)])
        raise CircuitError(
            file, f"literal {wrong}", f"must be at most 2 M + 1 = {2 * header.variables + 1}", "correct M"
        )
    uses_constant = bool((read >> 1 == 0).any())
    if uses_constant:
        net_of[0] = len(defined)
    undefined = np.flatnonzero(net_of[read >> 1] < 0)
    if len(undefined):
        wrong = int(read[undefined[0]])
        raise CircuitError(file, f"literal {wrong}", "is read but never defined", "add an input, latch or AND for it")
    nets = len(defined) + uses_constant
    constant = np.full(nets, -1, np.int8)
    if uses_constant:
        constant[-1] = 0
    num_latches, num_ands = len(latches), len(ands)
    pin_net = np.empty(2 * num_latches + 3 * num_ands, np.int32)
    inverted = np.zeros(len(pin_net), np.bool_)
    latch_pins = pin_net[: 2 * num_latches].reshape(-1, 2)
    latch_pins[:, 0], latch_pins[:, 1] = net_of[latches[:, 1] >> 1], net_of[latches[:, 0] >> 1]
    inverted[: 2 * num_latches : 2] = latches[:, 1] & 1
    and_pins = pin_net[2 * num_latches :].reshape(-1, 3)
    and_inverted = inverted[2 * num_latches :].reshape(-1, 3)
    and_pins[:, :2], and_pins[:, 2] = net_of[ands[:, 1:] >> 1], net_of[ands[:, 0] >> 1]
    and_inverted[:, :2] = ands[:, 1:] & 1
    start = np.concatenate([2 * np.arange(num_latches + 1), 2 * num_latches + 3 * np.arange(1, num_ands + 1)])
    types: tuple[CellType, ...] = (LATCH, AND2)
    cell_type = np.repeat(np.array([0, 1], np.int32), [num_latches, num_ands])
    if not num_latches:
        types, cell_type = (AND2,), np.zeros(num_ands, np.int32)
    elif not num_ands:
        types = (LATCH,)
    port_net = np.concatenate([net_of[inputs >> 1], net_of[literals >> 1]]).astype(np.int32)
    return Circuit(
        name=name,
        types=types,
        cell_type=cell_type,
        pin_start=start,
        pin_net=pin_net,
        pin_inverted=inverted,
        port_net=port_net,
        port_direction=np.repeat(np.array([Direction.INPUT, Direction.OUTPUT], np.int8), [len(inputs), len(literals)]),
        port_inverted=np.concatenate([np.zeros(len(inputs), np.bool_), (literals & 1).astype(np.bool_)]),
        port_role=np.array([0] * len(inputs) + [int(port[1]) for port in body.ports], np.int8),
        port_group=np.array([-1] * len(inputs) + [port[2] for port in body.ports], np.int32),
        net_constant=constant,
        latch_reset=_resets(latches, file, num_ands) if num_latches else None,
        cell_names=_names(body.names, "l", num_latches, num_latches + num_ands, "$c"),
        net_names=_net_names(body.names, len(inputs), num_latches, nets),
        port_names=_port_names(body, len(inputs)),
        notes=notes,
        place=file,
        format="aiger",
    )


def _resets(latches: LongArray, file: str, ands: int) -> npt.NDArray[np.int8]:
    reset = np.full(len(latches) + ands, -1, np.int8)
    for row, (literal, _, value) in enumerate(latches.tolist()):
        if value not in {0, 1, literal}:
            raise CircuitError(file, f"latch {literal}", f"reset must be 0, 1 or {literal}, not {value}", "correct it")
        reset[row] = Reset.UNINITIALISED if value == literal else value
    return reset


def _names(names: dict[tuple[str, int], bytes], letter: str, named: int, rows: int, prefix: str) -> NameTable:
    """Names of rows of which only the first *named* can have one."""
    found = [names.get((letter, row), b"") for row in range(named)]
    if not any(found):
        return NameTable.unnamed(rows, prefix)
    start = np.zeros(rows + 1, np.int64)
    np.cumsum([len(name) for name in found], out=start[1 : named + 1])
    start[named + 1 :] = start[named]
    return NameTable(np.frombuffer(b"".join(found), np.uint8), start, prefix=prefix)


def _split(raw: bytes) -> tuple[bytes, int]:
    base, bit = split_bit(raw.decode("utf-8", "surrogateescape"))
    return encode(base), bit


def _net_names(names: dict[tuple[str, int], bytes], inputs: int, latches: int, nets: int) -> NameTable:
    found = [names.get(("i", row), b"") for row in range(inputs)] + [
        names.get(("l", row), b"") for row in range(latches)
    ]
    if not any(found):
        return NameTable.unnamed(nets)
    split = [_split(name) if name else (b"", NO_BIT) for name in found]
    table = NameTable.of([base for base, _ in split], [bit for _, bit in split])
    start = np.full(nets + 1, table.start[-1], np.int64)
    start[: len(found) + 1] = table.start
    bit = None
    if table.bit is not None:
        bit = np.full(nets, NO_BIT, np.int32)
        bit[: len(found)] = table.bit
    return NameTable(table.blob, start, bit)


def _port_names(body: _Body, inputs: int) -> NameTable:
    letters = {int(role): letter for letter, role in ROLE_OF_SYMBOL.items()}
    seen: dict[str, int] = {}
    found = [body.names.get(("i", row), b"") for row in range(inputs)]
    for _, role, group in body.ports:
        letter = letters[int(role)]
        index = group if letter == "j" else seen.get(letter, 0)
        seen[letter] = seen.get(letter, 0) + 1
        found.append(body.names.get((letter, index), b""))
    if not any(found):
        return NameTable.unnamed(len(found), "$p")
    split = [_split(name) if name else (b"", NO_BIT) for name in found]
    return NameTable.of([base for base, _ in split], [bit for _, bit in split], prefix="$p")


def property_counts(circuit: Circuit) -> dict[str, int]:
    """Numbers of bad, constraint, justice and fairness properties, without the kinds that are absent."""
    outputs = circuit.port_role[circuit.port_direction != Direction.INPUT]
    counts = {
        "bad": int((outputs == PortRole.BAD).sum()),
        "constraint": int((outputs == PortRole.CONSTRAINT).sum()),
        "justice": len(np.unique(circuit.port_group[circuit.port_role == PortRole.JUSTICE])),
        "fairness": int((outputs == PortRole.FAIRNESS).sum()),
    }
    return {name: count for name, count in counts.items() if count}


__all__ = ["property_counts", "read_aiger"]
