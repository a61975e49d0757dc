"""SPEF (IEEE 1481): parasitics of nets.

Read: name map and raw names mixed, triplets, units, ``*D_NET`` and ``*R_NET`` (as a lumped pi), comments.
Skipped and noted: coordinates, loads, inductors, definitions. Values are shifted by the unit's power of ten before
they are rounded, so that writing and reading give the same bits.
"""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np

from circuitgraph.circuit import Direction
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.files import Source, name_of, read_bytes
from circuitgraph.formats.lexing import SourceText
from circuitgraph.formats.spef_columns import Entries, assemble
from circuitgraph.formats.spef_writer import spef_name, write_spef
from circuitgraph.parasitics import Parasitics

FAST_FROM = 2 << 20

_COMMENT = re.compile(r'\\.|"[^"\r\n]*"|//[^\r\n]*|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?', re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\Z", re.ASCII)
_FIELD = re.compile(r"[^\s]+", re.ASCII)
_INDEX = re.compile(r"\*([0-9]+)(.*)\Z", re.ASCII | re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PREFIXES = {"": 0, "F": -15, "P": -12, "N": -9, "U": -6, "M": -3, "K": 3, "MEG": 6, "T": -24}
_DIRECTIONS = {"I": Direction.INPUT, "O": Direction.OUTPUT, "B": Direction.INOUT}
_SKIPPED = frozenset(
    [
        "*PORTS",
        "*PHYSICAL_PORTS",
        "*POWER_NETS",
        "*GROUND_NETS",
        "*DEFINE",
        "*PDEFINE",
        "*VARIATION_PARAMETERS",
        "*INDUC",
        "*SENS",
    ]
)
_HEADER = frozenset(["*SPEF", "*DATE", "*VENDOR", "*PROGRAM", "*VERSION", "*DESIGN_FLOW", "*T_UNIT", "*L_UNIT"])


def read_spef(source: Source) -> Parasitics:
    """The parasitics of a SPEF file, in farads and ohms.

    Args:
        source: path or binary stream; plain, gzip, xz or zstd.

    Raises:
        CircuitError: a line breaks the format, or names what the name map does not hold; the place is its line.

    Source: IEEE 1481-1998 and -1999, the part that extractors write.
    """
    data = read_bytes(source)
    name = name_of(source)
    if not data.strip():
        raise CircuitError(name, "file", "holds blanks only", "check how it was written")
    if len(data) >= FAST_FROM:
        from circuitgraph.formats.spef_fast import entries_fast

        found = entries_fast(data, name)
        if found is not None:
            return assemble(found)
    return assemble(Reader(SourceText.of(data, name)).entries())


class Reader:
    """One pass over the lines; the section decides what a line means."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        text = source.text
        if "//" in text or "/*" in text:
            text = _COMMENT.sub(self.without, text)
        self.lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self.number = 0
        self.notes = Notes()
        self.name = ""
        self.divider, self.delimiter, self.bus = "/", ":", "[]"
        self.capacitance_unit: tuple[int, float] | None = None
        self.resistance_unit: tuple[int, float] | None = None
        self.map: dict[str, str] = {}
        self.prefix_row: dict[str, int] = {}
        self.suffix_row: dict[str, int] = {}
        self.node_row: dict[tuple[int, int], int] = {}
        self.field_node: dict[str, int] = {}
        self.net_texts: list[str] = []
        self.totals: list[str] = []
        self.conn: list[tuple[int, int, int]] = []
        self.ground: list[tuple[int, int]] = []
        self.ground_value: list[str] = []
        self.pair: list[tuple[int, int, int]] = []
        self.pair_value: list[str] = []
        self.res: list[tuple[int, int, int]] = []
        self.res_value: list[str] = []
        self.places: dict[int, list[int]] = {}
        self.section = "header"
        self.pi: list[str] = []
        self.driver = -1

    @classmethod
    def of(cls, data: bytes, name: str) -> Reader | None:
        """A reader of *data*; None where its comments or bytes are broken."""
        try:
            return cls(SourceText.of(data, name))
        except CircuitError:
            return None

    def read_header(self) -> bool:
        """Read all lines as a header; False where one of them is wrong, or the units are missing."""
        try:
            for line in self.lines:
                self.number += 1
                fields = line.split() if line.isascii() else _FIELD.findall(line)
                if fields and not (fields[0][0] == "*" and fields[0][1:2].isalpha()):
                    return False
                if fields:
                    self.keyword(fields[0].upper(), fields)
        except CircuitError:
            return False
        return self.capacitance_unit is not None and self.resistance_unit is not None

    def units(self) -> tuple[tuple[int, float], tuple[int, float]]:
        """Power of ten and factor of farads and of ohms."""
        return self.capacitance_unit or (0, 1.0), self.resistance_unit or (0, 1.0)

    def without(self, match: re.Match[str]) -> str:
        """A comment blanked, its line ends kept; names and strings stay."""
        text = match[0]
        if text[0] in {"\\", '"'}:
            return text
        if text.startswith("/*") and (len(text) < 4 or not text.endswith("*/")):
            raise CircuitError(self.source.place(match.start()), "comment", "is not closed", "end it with */")
        return " " + "".join(character for character in text if character in "\r\n")

    def error(self, subject: str, rule: str, way_out: str, field: str = "") -> CircuitError:
        """The error of the line being read."""
        line = self.lines[self.number - 1] if self.number else ""
        column = line.find(field) + 1 if field and field in line else len(line) - len(line.lstrip()) + 1
        return CircuitError(f"{self.source.name}:{self.number}:{column}", subject, rule, way_out)

    def entries(self) -> Entries:
        """Read every line."""
        connection, capacitor, resistor = self.connection, self.capacitor, self.resistor
        for line in self.lines:
            self.number += 1
            fields = line.split() if line.isascii() else _FIELD.findall(line)
            if not fields:
                continue
            first = fields[0]
            section = self.section
            if first[0] == "*" and first[1:2].isalpha():
                self.keyword(first.upper(), fields)
            elif section == "cap":
                capacitor(fields)
            elif section == "res":
                resistor(fields)
            elif section == "conn":
                connection(fields)
            elif section == "map":
                self.map_entry(fields)
            elif section == "ports":
                self.resolve(first)
            elif section == "skip":
                continue
            else:
                raise self.error(f"entry {first!r}", "stands outside a section", "check the line", first)
        if self.section in {"conn", "cap", "res", "net"}:
            raise self.error(f"net {self.net_texts[-1]!r}", "has no *END", "check that the file was copied whole")
        return self.finished()

    # -- keywords ------------------------------------------------------------------------------

    def keyword(self, word: str, fields: list[str]) -> None:
        """A line that starts with a keyword."""
        if word in {"*P", "*I", "*N"}:
            if self.section != "conn":
                raise self.error(f"entry {fields[0]!r}", "stands outside *CONN", "check the line")
            self.connection(fields)
        elif word in {"*CONN", "*CAP", "*RES", "*INDUC"}:
            if not self.net_texts or self.section in {"header", "map", "ports", "end"}:
                raise self.error(word, "stands outside a net", "start the net with *D_NET")
            if word == "*INDUC":
                self.notes.add("inductors skipped", f"{self.source.name}:{self.number}")
            self.section = {"*CONN": "conn", "*CAP": "cap", "*RES": "res"}.get(word, "skip")
        elif word in {"*D_NET", "*R_NET"}:
            if self.section in {"conn", "cap", "res", "net"}:
                raise self.error(f"net {self.net_texts[-1]!r}", "has no *END before the next net", "end it with *END")
            if len(fields) < 3:
                raise self.error(word, "needs a net and its total", "check the line")
            self.net_texts.append(self.resolve(fields[1]))
            self.totals.append(self.value(fields[2], "total"))
            self.section = "net"
        elif word == "*END":
            if self.section in {"header", "map", "ports", "end"}:
                raise self.error("*END", "ends no net", "remove it")
            self.section = "end"
        elif word == "*NAME_MAP":
            self.section = "map"
        elif word in _SKIPPED:
            self.section = "ports" if word in {"*PORTS", "*PHYSICAL_PORTS"} else "skip"
        elif word in {"*DRIVER", "*CELL", "*C2_R1_C1", "*LOADS", "*RC", "*Q", "*K"} and self.section == "net":
            self.reduced(word, fields)
        else:
            self.header(word, fields)

    def header(self, word: str, fields: list[str]) -> None:
        """A line of the header."""
        if word not in _HEADER | {"*DESIGN", "*DIVIDER", "*DELIMITER", "*BUS_DELIMITER", "*C_UNIT", "*R_UNIT"}:
            raise self.error(f"keyword {fields[0]!r}", "is unknown", "check its spelling", fields[0])
        if word == "*DESIGN" and len(fields) > 1:
            self.name = " ".join(fields[1:]).strip('"')
        elif word in {"*DIVIDER", "*DELIMITER"}:
            if len(fields) < 2 or len(fields[1]) != 1 or fields[1].isalnum() or fields[1] == "\\":
                raise self.error(word, "must be one of . / : |", "check the header")
            if word == "*DIVIDER":
                self.divider = fields[1]
            else:
                self.delimiter = fields[1]
        elif word == "*BUS_DELIMITER":
            self.bus = "".join(fields[1:3])
            if self.bus not in {"[]", "<>", "{}", "()", "", "[", "<", "{", "(", ":", "."}:
                raise self.error(word, f"is {self.bus!r}, and must be a pair of brackets", "check the header")
        elif word in {"*C_UNIT", "*R_UNIT"}:
            unit = self.unit(fields, "F" if word == "*C_UNIT" else "OHM")
            if word == "*C_UNIT":
                self.capacitance_unit = unit
            else:
                self.resistance_unit = unit

    def unit(self, fields: list[str], base: str) -> tuple[int, float]:
        """Power of ten and remaining factor of a unit line such as ``*C_UNIT 1 PF``."""
        if len(fields) < 3 or not _NUMBER.match(fields[1]):
            raise self.error(fields[0], "needs a number and a unit", f"write it as {fields[0]} 1 {base}")
        word = fields[2].upper()
        prefix = word.removesuffix(base)
        if not word.endswith(base) or prefix not in _PREFIXES:
            raise self.error(
                f"unit {fields[2]!r}", f"is no unit of {fields[0]}", f"use {base} with K, M, P or F before it"
            )
        factor = Decimal(fields[1])
        if not factor > 0:
            raise self.error(fields[0], f"has the factor {fields[1]}", "give a positive number")
        digits = factor.normalize().as_tuple()
        if digits.digits == (1,):
            return _PREFIXES[prefix] + int(digits.exponent), 1.0
        return _PREFIXES[prefix], float(factor)

    # -- entries -------------------------------------------------------------------------------

    def map_entry(self, fields: list[str]) -> None:
        """``*12 name``."""
        if len(fields) != 2 or not _INDEX.match(fields[0]) or not fields[0][1:].isdecimal():
            raise self.error("name map", "needs an index and a name on each line", "check the line")
        self.map[fields[0][1:]] = self.printed(fields[1])

    def resolve(self, name: str) -> str:
        """Printed name of a mapped or raw name."""
        if name[0] != "*":
            return self.printed(name)
        match = _INDEX.match(name)
        if match is None or match[1] not in self.map:
            raise self.error(f"name {name!r}", "is not in the name map", "check the *NAME_MAP section", name)
        return self.map[match[1]] + self.printed(match[2])

    def printed(self, name: str) -> str:
        """A name of the file as the package prints it."""
        text = name.encode("latin-1").decode("utf-8", "surrogateescape") if not name.isascii() else name
        if self.divider == "/" and self.bus in {"[]", "", "["}:
            return _ESCAPE.sub(_kept_escape, text) if "\\" in text else text
        return _translated(text, self.divider, self.bus)

    def node(self, field: str) -> int:
        """Row of a node as a field of an entry names it."""
        row = self.field_node.get(field)
        if row is None:
            row = self.field_node[field] = self.new_node(field)
        return row

    def new_node(self, field: str) -> int:
        """Row of a node by its field, split at the delimiter."""
        at = field.rfind(self.delimiter)
        while at > 0 and field[at - 1] == "\\":
            at = field.rfind(self.delimiter, 0, at)
        if at <= 0 or at == len(field) - 1:
            prefix, suffix = self.resolve(field), -1
        else:
            prefix = self.resolve(field[:at])
            after = field[at + 1 :]
            if after.isascii() and after.isdecimal() and len(after) < 10 and (after == "0" or after[0] != "0"):
                suffix = -2 - int(after)
            else:
                suffix = self.suffix_row.setdefault(self.printed(after), len(self.suffix_row))
        key = (self.prefix_row.setdefault(prefix, len(self.prefix_row)), suffix)
        return self.node_row.setdefault(key, len(self.node_row))

    def value(self, text: str, what: str) -> str:
        """A number or triplet of numbers, checked."""
        if not _NUMBER.match(text):
            parts = text.split(":")
            if len(parts) != 3 or not all(_NUMBER.match(part) for part in parts):
                raise self.error(f"{what} {text!r}", "is no number", "give a number, or three with ':' between", text)
        return text

    def connection(self, fields: list[str]) -> None:
        """``*I cell:pin O ...``, ``*P port I``, ``*N net:3 ...``."""
        word = fields[0].upper()
        if word not in {"*P", "*I", "*N"} or len(fields) < 2:
            raise self.error(f"entry {fields[0]!r}", "is no *P, *I or *N with a name", "check the line", fields[0])
        node = self.node(fields[1])
        if word == "*N":
            return
        direction = _DIRECTIONS.get(fields[2].upper()) if len(fields) > 2 else None
        if direction is None:
            raise self.error(f"connection {fields[1]!r}", "needs the direction I, O or B", "check the line", fields[1])
        self.conn.append((len(self.net_texts) - 1, node, int(direction)))

    def capacitor(self, fields: list[str]) -> None:
        """``1 node value`` or ``1 node node value``."""
        net = len(self.net_texts) - 1
        if len(fields) == 3 or (len(fields) > 3 and fields[3].startswith("*SC")):
            self.ground.append((net, self.node(fields[1])))
            self.ground_value.append(self.value(fields[2], "capacitance"))
        elif len(fields) == 4 or (len(fields) > 4 and fields[4].startswith("*SC")):
            self.pair.append((net, self.node(fields[1]), self.node(fields[2])))
            self.pair_value.append(self.value(fields[3], "capacitance"))
        else:
            raise self.error("capacitor", "needs a number, one or two nodes, and a value", "check the line")

    def resistor(self, fields: list[str]) -> None:
        """``1 node node value``."""
        if len(fields) != 4 and not (len(fields) > 4 and fields[4].startswith("*SC")):
            raise self.error("resistor", "needs a number, two nodes and a value", "check the line")
        self.res.append((len(self.net_texts) - 1, self.node(fields[1]), self.node(fields[2])))
        self.res_value.append(self.value(fields[3], "resistance"))

    def reduced(self, word: str, fields: list[str]) -> None:
        """A line of ``*R_NET``: the pi model, and its loads joined to the far end."""
        net = len(self.net_texts) - 1
        if (word in {"*DRIVER", "*RC"} and len(fields) < 2) or (word == "*C2_R1_C1" and len(fields) < 4):
            raise self.error(word, "ends too early", "check the line")
        if word == "*DRIVER":
            self.driver = self.node(fields[1])
            self.conn.append((net, self.driver, int(Direction.OUTPUT)))
            self.notes.add("reduced net read as a lumped pi", f"{self.source.name}:{self.number}")
        elif word == "*C2_R1_C1":
            if self.driver < 0:
                raise self.error(word, "stands before *DRIVER", "check the net")
            prefix = self.prefix_row.setdefault(self.net_texts[-1], len(self.prefix_row))
            far = self.node_row.setdefault((prefix, -3), len(self.node_row))
            near, ohms, rest = (self.value(text, "value of the pi model") for text in fields[1:4])
            self.ground += [(net, self.driver), (net, far)]
            self.ground_value += [near, rest]
            self.res.append((net, self.driver, far))
            self.res_value.append(ohms)
        elif word == "*RC":
            prefix = self.prefix_row.setdefault(self.net_texts[-1], len(self.prefix_row))
            far = self.node_row.setdefault((prefix, -3), len(self.node_row))
            load = self.node(fields[1])
            self.conn.append((net, load, int(Direction.INPUT)))
            self.res.append((net, far, load))
            self.res_value.append("0")

    # -- the end -------------------------------------------------------------------------------

    def finished(self) -> Entries:
        """All entries as arrays in SI units."""
        texts = (self.totals, self.ground_value, self.pair_value, self.res_value)
        corners = 3 if any(":" in text for values in texts for text in values) else 1
        has_values = any(texts)
        for unit, word in ((self.capacitance_unit, "*C_UNIT"), (self.resistance_unit, "*R_UNIT")):
            if unit is None and has_values:
                raise CircuitError(
                    f"{self.source.name}:1:1", "header", f"has no {word}", f"add a line such as {word} 1 ..."
                )
        farad = self.capacitance_unit or (0, 1.0)
        ohm = self.resistance_unit or (0, 1.0)
        net_prefix = [self.prefix_row.setdefault(name, len(self.prefix_row)) for name in self.net_texts]
        conn = np.array(self.conn, np.int64).reshape(-1, 3)
        ground = np.array(self.ground, np.int64).reshape(-1, 2)
        pair = np.array(self.pair, np.int64).reshape(-1, 3)
        res = np.array(self.res, np.int64).reshape(-1, 3)
        keys = np.array(list(self.node_row), np.int64).reshape(-1, 2)
        return Entries(
            name=self.name,
            net_texts=self.net_texts,
            net_prefix=np.array(net_prefix, np.int64),
            net_total=_scaled(self.totals, farad, corners),
            prefixes=list(self.prefix_row),
            suffixes=list(self.suffix_row),
            node_prefix=keys[:, 0],
            node_suffix=keys[:, 1],
            conn_net=conn[:, 0],
            conn_node=conn[:, 1],
            conn_direction=conn[:, 2],
            ground_net=ground[:, 0],
            ground_node=ground[:, 1],
            ground=_scaled(self.ground_value, farad, corners),
            pair_net=pair[:, 0],
            pair_nodes=pair[:, 1:],
            pair=_scaled(self.pair_value, farad, corners),
            res_net=res[:, 0],
            res_nodes=res[:, 1:],
            res=_scaled(self.res_value, ohm, corners),
            notes=self.notes,
            place=self.source.name,
        )


def _kept_escape(match: re.Match[str]) -> str:
    return match[0] if match[1] in "/[]" else match[1]


def _translated(text: str, divider: str, bus: str) -> str:
    """A name with another divider or bus bracket, as the package prints it."""
    index = ""
    if len(bus) == 2 and bus != "[]" and text.endswith(bus[1]) and not text.endswith("\\" + bus[1]):
        head, bracket, digits = text[:-1].rpartition(bus[0])
        if bracket and digits.lstrip("-").isdecimal() and not head.endswith("\\"):
            text, index = head, f"[{digits}]"
    parts: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text):
            at += 1
            parts.append(f"\\{text[at]}" if text[at] in "/[]" else text[at])
        elif letter == divider:
            parts.append("/")
        elif letter == "/" or (bus not in {"[]", "", "["} and letter in "[]"):
            parts.append(f"\\{letter}")
        else:
            parts.append(letter)
        at += 1
    return "".join(parts) + index


def _scaled(
    texts: list[str], unit: tuple[int, float], corners: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Values in SI units, [n, corners], each rounded once."""
    if corners == 1:
        return np.array(scaled(texts, *unit), np.float64).reshape(-1, 1)
    rows = [(text.split(":") * 3)[:3] for text in texts]
    return np.array([scaled(row, *unit) for row in rows], np.float64).reshape(-1, 3)


def scaled(texts: list[str], shift: int, factor: float) -> list[float]:
    """Numbers times 10**shift, rounded once, then times a factor.

    >>> scaled(["0.1", "1e-3"], -12, 1.0)
    [1e-13, 1e-15]
    """
    tail = f"e{shift}"
    found = []
    for text in texts:
        if "e" in text or "E" in text:
            mantissa, _, exponent = text.lower().partition("e")
            value = float(f"{mantissa}e{int(exponent) + shift}")
        else:
            value = float(text + tail)
        value *= factor
        found.append(value if abs(value) < 1e300 else 0.0)
    return found


def valid_number(text: str) -> bool:
    """Whether a text is one decimal number."""
    return _NUMBER.match(text) is not None


__all__ = ["Reader", "read_spef", "scaled", "spef_name", "valid_number", "write_spef"]
