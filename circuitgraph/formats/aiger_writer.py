"""Writing AIGER: the bytes of a circuit of ANDs and latches, ASCII or binary."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from circuitgraph.cell_types import AND2, LATCH
from circuitgraph.circuit import Circuit, Direction, PortRole, Reset
from circuitgraph.errors import CircuitError
from circuitgraph.files import write_atomic
from circuitgraph.formats.aiger import MAX_VARINT_BYTES, ROLE_OF_SYMBOL
from circuitgraph.formats.detect import suffix_of
from circuitgraph.names import NO_BIT, NameTable

LongArray = npt.NDArray[np.int64]


def write_aiger(circuit: Circuit, target: str | os.PathLike[str], *, ascii: bool | None = None) -> None:
    """Write an AIG; the suffix ``.aag`` (compressed or not) or *ascii* chooses the ASCII form.

    Raises:
        CircuitError: the circuit holds a type that is neither AND2 nor LATCH, or an AND without a driver.
    """
    write_atomic(target, aiger_bytes(circuit, suffix_of(target) == ".aag" if ascii is None else ascii))


def aiger_bytes(circuit: Circuit, ascii: bool = False) -> bytes:
    """The bytes of the AIGER file of a circuit of ANDs and latches."""
    place = circuit.place or circuit.name
    foreign = [cell_type.name for cell_type in circuit.types if cell_type not in {AND2, LATCH}]
    if foreign:
        raise CircuitError(
            place,
            f"type {foreign[0]!r}",
            "is no AND2 and no LATCH, so it has no form in AIGER",
            "synthesise it to an AIG",
        )
    literal, latches, ands = _literals(circuit, place)
    inverted = np.zeros(circuit.num_pins, np.int64) if circuit.pin_inverted is None else circuit.pin_inverted
    pins = np.where(circuit.pin_net >= 0, literal[circuit.pin_net] ^ inverted, -1)
    if (pins < 0).any():
        raise CircuitError(
            place, circuit.pin_text(int(np.argmin(pins))), "is unconnected", "connect it or remove the cell"
        )
    port_inverted = np.zeros(circuit.num_ports, np.int64) if circuit.port_inverted is None else circuit.port_inverted
    ports = literal[circuit.port_net] ^ port_inverted
    role, direction = circuit.port_role, circuit.port_direction
    outputs = direction != Direction.INPUT
    sections = {letter: np.flatnonzero(outputs & (role == wanted)) for letter, wanted in ROLE_OF_SYMBOL.items()}
    inputs = np.flatnonzero(direction == Direction.INPUT)
    groups = np.unique(circuit.port_group[sections["j"]])
    counts = [len(sections["b"]), len(sections["c"]), len(groups), len(sections["f"])]
    while counts and not counts[-1]:
        counts.pop()
    total = len(inputs) + len(latches) + len(ands)
    head = [total, len(inputs), len(latches), len(sections["o"]), len(ands), *counts]
    text = [f"{'aag' if ascii else 'aig'} {' '.join(map(str, head))}"]
    if ascii:
        text += [str(ports[row]) for row in inputs]
    start = circuit.pin_start
    reset = circuit.latch_reset
    for cell in latches:
        own = int(pins[start[cell] + 1])
        value = 0 if reset is None else int(reset[cell])
        tail = {1: " 1", 2: f" {own}", 3: f" {own}"}.get(value, "")
        text.append(f"{f'{own} ' if ascii else ''}{pins[start[cell]]}{tail}")
    text += [str(ports[row]) for letter in "obc" for row in sections[letter]]
    members = [[int(row) for row in sections["j"] if circuit.port_group[row] == group] for group in groups]
    text += [str(len(rows)) for rows in members]
    text += [str(ports[row]) for rows in members for row in rows]
    text += [str(ports[row]) for row in sections["f"]]
    triples = pins[start[ands][:, None] + np.arange(3)] if len(ands) else np.zeros((0, 3), np.int64)
    triples = np.stack([triples[:, 2], triples[:, :2].max(axis=1), triples[:, :2].min(axis=1)], axis=1)
    if ascii:
        text += [" ".join(map(str, row)) for row in triples.tolist()]
        body = b""
    else:
        body = encode_deltas(triples)
    symbols = _symbols(circuit, inputs, latches, sections, members)
    return "\n".join(text).encode() + b"\n" + body + symbols


def check_only_aiger_holds(circuit: Circuit, format: str) -> None:
    """Refuse to write in another *format* what only AIGER has words for: properties, and known resets.

    Raises:
        CircuitError: a port is bad, constraint, justice or fairness, or a reset is 0, 1 or uninitialised.
    """
    place = circuit.place or circuit.name
    way_out = "write .aag or .aig (AIGER)"
    ports = np.flatnonzero(np.isin(circuit.port_role, [role for role in ROLE_OF_SYMBOL.values() if role]))
    if len(ports):
        role = PortRole(int(circuit.port_role[ports[0]])).name.lower()
        subject = f"port {circuit.port_names.text(int(ports[0]))!r}"
        raise CircuitError(place, subject, f"is of kind {role}, and {format} holds no such property", way_out)
    reset = np.full(circuit.num_cells, -1, np.int8) if circuit.latch_reset is None else circuit.latch_reset
    cells = np.flatnonzero((reset >= 0) & (reset != Reset.UNKNOWN))
    if len(cells):
        text = {Reset.ZERO: "0", Reset.ONE: "1"}.get(Reset(int(reset[cells[0]])), "uninitialised")
        subject = f"cell {circuit.cell_names.text(int(cells[0]))!r}"
        raise CircuitError(place, subject, f"its reset is {text}, and {format} holds no resets", way_out)


def _literals(circuit: Circuit, place: str) -> tuple[LongArray, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Literal of each net, cells that are latches, cells that are ANDs in topological order."""
    from circuitgraph.analysis.levels import cell_levels

    names = np.array([cell_type.name for cell_type in circuit.types] or [""])
    is_latch = names[circuit.cell_type] == LATCH.name if circuit.num_cells else np.zeros(0, np.bool_)
    latches, ands = np.flatnonzero(is_latch), np.flatnonzero(~is_latch)
    level = cell_levels(circuit)
    if not (np.diff(level[ands]) >= 0).all():
        following = circuit.pin_net[circuit.pin_start[ands][:, None] + np.arange(3)] if len(ands) else np.zeros((0, 3))
        rank = np.full(circuit.num_nets, -1, np.int64)
        rank[following[:, 2].astype(np.int64)] = np.arange(len(ands))
        if (rank[following[:, :2].astype(np.int64)].max(axis=1, initial=-1) >= np.arange(len(ands))).any():
            ands = ands[np.argsort(level[ands], kind="stable")]
    literal = np.full(circuit.num_nets + 1, -1, np.int64)
    literal[:-1][circuit.net_constant == 0] = 0
    literal[:-1][circuit.net_constant == 1] = 1
    inputs = circuit.port_net[circuit.port_direction == Direction.INPUT]
    outputs = np.concatenate([circuit.pin_start[latches] + 1, circuit.pin_start[ands] + 2])
    driven = np.concatenate([inputs, circuit.pin_net[outputs]])
    literal[driven] = 2 * np.arange(1, len(driven) + 1)
    read = np.concatenate([circuit.pin_net, circuit.port_net])
    if (literal[read] < 0).any():
        net = int(read[np.argmin(literal[read])])
        name = circuit.net_names.text(net) if net >= 0 else "(unconnected)"
        raise CircuitError(place, f"net {name!r}", "is read but has no driver", "drive it or remove its readers")
    return literal[:-1], latches, ands


def encode_deltas(triples: LongArray) -> bytes:
    """The binary form of ANDs [A, 3] (literal, larger operand, smaller operand): two numbers of 7 bits a byte each."""
    deltas = np.stack([triples[:, 0] - triples[:, 1], triples[:, 1] - triples[:, 2]], axis=1).ravel()
    lengths = np.ones(len(deltas), np.int64)
    for place in range(1, MAX_VARINT_BYTES):
        lengths += deltas >= 1 << 7 * place
    start = np.cumsum(lengths) - lengths
    out = np.zeros(int(lengths.sum()), np.uint8)
    for place in range(MAX_VARINT_BYTES):
        rows = np.flatnonzero(lengths > place)
        more = (lengths[rows] > place + 1).astype(np.uint8) << 7
        out[start[rows] + place] = (deltas[rows] >> 7 * place & 127).astype(np.uint8) | more
    return out.tobytes()


def _symbols(
    circuit: Circuit,
    inputs: npt.NDArray[np.intp],
    latches: npt.NDArray[np.intp],
    sections: dict[str, npt.NDArray[np.intp]],
    members: list[list[int]],
) -> bytes:
    """Names that rows have, in the order i l o b c j f."""

    def raw(table: NameTable, row: int) -> bytes:
        base = table.base(row)
        bit = table.bit_of(row)
        return base + (b"[%d]" % bit if base and bit != NO_BIT else b"")

    rows: list[tuple[str, int, bytes]] = [("i", at, raw(circuit.port_names, row)) for at, row in enumerate(inputs)]
    rows += [("l", at, raw(circuit.cell_names, cell)) for at, cell in enumerate(latches)]
    for letter in "obc":
        rows += [(letter, at, raw(circuit.port_names, row)) for at, row in enumerate(sections[letter])]
    rows += [("j", at, raw(circuit.port_names, group[0])) for at, group in enumerate(members) if group]
    rows += [("f", at, raw(circuit.port_names, row)) for at, row in enumerate(sections["f"])]
    return b"".join(
        b"%s%d %s\n" % (letter.encode(), at, name) for letter, at, name in rows if name and b"\n" not in name
    )
