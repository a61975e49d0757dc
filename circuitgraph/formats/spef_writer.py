"""Write SPEF so that OpenSTA and :func:`circuitgraph.formats.spef.read_spef` read it back."""

from __future__ import annotations

import os
import re
from decimal import Decimal

import numpy as np

from circuitgraph.files import write_atomic
from circuitgraph.names import encode
from circuitgraph.parasitics import NodeKind, Parasitics

_PLAIN = re.compile(r"[A-Za-z0-9_]")
_BUS_BIT = re.compile(r"(?<!\\)\[(-?[0-9]+)\]\Z", re.ASCII)


def write_spef(parasitics: Parasitics, target: str | os.PathLike[str], program: str = "circuitgraph") -> None:
    """Write parasitics so that OpenSTA and :func:`read_spef` read them back: ``read(write(p)) == p``.

    Args:
        parasitics: what to write; pF and ohm are the units of the file.
        target: path of the file.
        program: for the header.

    Raises:
        CircuitError: the file cannot be written.
    """
    lines = [
        '*SPEF "IEEE 1481-1999"',
        f'*DESIGN "{_header_text(parasitics.name)}"',
        '*DATE "Thu Jan 1 00:00:00 1970"',
        '*VENDOR "circuitgraph"',
        f'*PROGRAM "{_header_text(program)}"',
        '*VERSION "1"',
        '*DESIGN_FLOW "NAME_SCOPE LOCAL" "PIN_CAP NONE"',
        "*DIVIDER /",
        "*DELIMITER :",
        "*BUS_DELIMITER []",
        "*T_UNIT 1 NS",
        "*C_UNIT 1 PF",
        "*R_UNIT 1 OHM",
        "*L_UNIT 1 HENRY",
        "",
    ]
    lines += _Writer(parasitics).nets()
    write_atomic(target, encode("\n".join(lines) + "\n"))


class _Writer:
    """The nets of a file."""

    def __init__(self, parasitics: Parasitics) -> None:
        self.parasitics = p = parasitics
        self.nets_text = [spef_name(p.net_text(net)) for net in range(p.num_nets)]
        self.node_text = [self.node(node) for node in range(p.num_nodes)]
        self.couplings: dict[int, list[int]] = {}
        net = p.node_net.tolist()
        for row, (low, high) in enumerate(p.coupling_nodes.tolist()):
            sides = [side for side in (net[low], net[high]) if side >= 0]
            wanted = sides[:2] if p.coupling_listed[row] == 2 else sides[:1]
            for side in dict.fromkeys(wanted):
                self.couplings.setdefault(side, []).append(row)

    def node(self, node: int) -> str:
        """A node as entries name it."""
        p = self.parasitics
        kind, name = int(p.node_kind[node]), int(p.node_name[node])
        if kind == NodeKind.PORT:
            return spef_name(p.port_names.base(name).decode("utf-8", "surrogateescape"))
        if kind == NodeKind.PIN:
            cell = p.cell_names.base(name).decode("utf-8", "surrogateescape")
            return f"{spef_name(cell)}:{spef_name(p.pin_names[p.node_pin[node]])}"
        return f"{self.nets_text[p.node_net[node]]}:{name}"

    def nets(self) -> list[str]:
        """All lines of all nets."""
        p = self.parasitics
        farads, ohms = -12, 0
        letters = {1: "I", 2: "O", 3: "B"}
        lines: list[str] = []
        start, res_start = p.node_start.tolist(), p.resistor_start.tolist()
        with_resistor = np.zeros(p.num_nodes, np.bool_)
        with_resistor[p.resistor_nodes.ravel()] = True
        for net in range(p.num_nets):
            rows = range(start[net], start[net + 1])
            lines.append(f"*D_NET {self.nets_text[net]} {_text(p.net_capacitance[net], farads)}")
            lines.append("*CONN")
            for row in rows:
                if p.node_kind[row] != NodeKind.INTERNAL:
                    word = "*P" if p.node_kind[row] == NodeKind.PORT else "*I"
                    if p.node_direction[row]:
                        lines.append(f"{word} {self.node_text[row]} {letters[int(p.node_direction[row])]}")
            lines.append("*CAP")
            number = 1
            for row in rows:
                if p.node_capacitance[row].any() or (not with_resistor[row] and not p.node_direction[row]):
                    lines.append(f"{number} {self.node_text[row]} {_text(p.node_capacitance[row], farads)}")
                    number += 1
            for pair in self.couplings.get(net, ()):
                low, high = p.coupling_nodes[pair].tolist()
                if p.node_net[low] != net:
                    low, high = high, low
                value = _text(p.coupling_capacitance[pair], farads)
                lines.append(f"{number} {self.node_text[low]} {self.node_text[high]} {value}")
                number += 1
            lines.append("*RES")
            for place, row in enumerate(range(res_start[net], res_start[net + 1]), 1):
                one, other = p.resistor_nodes[row].tolist()
                lines.append(f"{place} {self.node_text[one]} {self.node_text[other]} {_text(p.resistance[row], ohms)}")
            lines += ["*END", ""]
        return lines


def spef_name(printed: str) -> str:
    r"""A printed name as SPEF writes it: every special character but dividers and the bit escaped.

    >>> print(spef_name("lane\\[0\\].ra[8]"), spef_name("u1/a"))
    lane\[0\]\.ra[8] u1/a
    """
    bit = _BUS_BIT.search(printed)
    body = printed[: bit.start()] if bit else printed
    parts: list[str] = []
    at = 0
    while at < len(body):
        letter = body[at]
        if letter == "\\" and body[at + 1 : at + 2] in {"/", "[", "]"}:
            at += 1
            parts.append("\\" + body[at])
        elif letter == "/" or _PLAIN.match(letter) or not letter.isascii():
            parts.append(letter)
        else:
            parts.append("\\" + letter)
        at += 1
    return "".join(parts) + (bit[0] if bit else "")


def _text(values: np.ndarray[tuple[int], np.dtype[np.float64]], exponent: int) -> str:
    """Values divided by a power of ten, as digits that read back to the same bits; three become a triplet."""
    texts = []
    for value in values.tolist():
        shifted = Decimal(repr(value)).scaleb(-exponent)
        plain = 1e-4 < abs(shifted) < 1e12 or not shifted
        text = format(shifted.normalize(), "f") if plain else str(shifted).lower()
        texts.append(text)
    return ":".join(texts)


def _header_text(text: str) -> str:
    return "".join(character if character.isprintable() and character != '"' else "_" for character in text)
