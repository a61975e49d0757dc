"""DEF 5.8: die, rows, places of cells and ports, and what the nets join.

Read: header, die, rows, components, pins, nets with their pins. Counted: routes and every other section. The numbers
that the heads of sections state are hints; the records count.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from circuitgraph.errors import CircuitError, Notes, nearest
from circuitgraph.files import Source, name_of, read_bytes
from circuitgraph.formats.lef import masked
from circuitgraph.formats.lexing import SourceText
from circuitgraph.formats.spef import _kept_escape, _translated
from circuitgraph.layout import ORIENTATIONS, Floats, Layout, PlacedDesign, Placement, Row, Technology, orient
from circuitgraph.parasitics import printed_table

DEFAULT_UNITS = 100
"""Database units a micron where a file states none (LEF/DEF 5.8 language reference, UNITS)."""

_TURN = {name: row for row, name in enumerate(ORIENTATIONS)}
_STATUS = {"UNPLACED": Placement.UNPLACED, "PLACED": Placement.PLACED, "FIXED": Placement.FIXED}
_STATUS["COVER"] = Placement.COVER
_NAME = r"((?:[^\s;\\]++|\\\S)++)"
_POINT = r"\(\s++(-?[0-9]{1,11})\s++(-?[0-9]{1,11})\s++\)"
_COMPONENT = re.compile(
    rf"\s*+-\s++{_NAME}\s++{_NAME}\s++(?:\+\s++SOURCE\s++[A-Z]++\s++)?\+\s++(PLACED|FIXED|COVER)\s++{_POINT}"
    r"\s++([FNSEW]{1,2})\s*+;",
    re.ASCII,
)
_NET = re.compile(rf"\s*+-\s++{_NAME}((?:\s++\(\s++[^\s;()]++\s++[^\s;()]++\s++\))*+)\s*+([+;])(?=\s|\Z)", re.ASCII)
_JOINED = re.compile(r"\(\s++(\S++)\s++(\S++)\s++\)", re.ASCII)
_RECORD = re.compile(r"\s*+-(?=\s)", re.ASCII)
_WORD = re.compile(r"\s*+(;|(?:[^\s;\\]++|\\\S?)++)", re.ASCII)
_WORDS = re.compile(r"(?:[^\s;\\()]++|\\\S?)++|[()]", re.ASCII)
_END = re.compile(r"[^;\\]*+(?:\\.[^;\\]*+)*+;", re.DOTALL)
_ROUTE = re.compile(r"\+\s++(?:ROUTED|FIXED|COVER|NOSHIELD)\s", re.ASCII)
_INK = re.compile(r"\S", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,11}\Z", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_HEADER = (
    *("VERSION", "NAMESCASESENSITIVE", "DIVIDERCHAR", "BUSBITCHARS", "DESIGN", "TECHNOLOGY", "UNITS", "HISTORY"),
    *("DIEAREA", "ROW", "TRACKS", "GCELLGRID", "COMPONENTMASKSHIFT", "ARRAY", "FLOORPLAN"),
)
_SECTIONS = (
    *("COMPONENTS", "PINS", "NETS", "SPECIALNETS", "VIAS", "STYLES", "NONDEFAULTRULES", "REGIONS", "BLOCKAGES"),
    *("GROUPS", "FILLS", "SCANCHAINS", "SLOTS", "PINPROPERTIES", "CONSTRAINTS", "ASSERTIONS"),
)
_OF_COMPONENT = frozenset(
    [
        *("SOURCE", "WEIGHT", "REGION", "HALO", "ROUTEHALO", "EEQMASTER", "GENERATE", "FOREIGN", "MASKSHIFT"),
        *("PROPERTY", *_STATUS),
    ]
)


def read_def(source: Source, technology: Technology | None = None) -> Layout:
    """The layout of a DEF file, with its names in ``layout.design``; lengths in metres.

    The arrays are parallel to the file's components, connected pins (by net) and pins of the design. A port stands
    at the centre of its first shape, or at its location where it has none.
    :meth:`~circuitgraph.layout.Layout.resolve` makes it parallel to a circuit.

    Args:
        source: path or binary stream; plain, gzip, xz or zstd.
        technology: shapes of the cell types; without it, cells have no width and pins no place (NaN).

    Raises:
        CircuitError: a record breaks the format, or a net names what the file does not hold; the place is its line.

    Source: LEF/DEF 5.8 language reference, chapter 4.

    Example:
        ``layout = read_def("chip.def.gz", read_lef("tech.lef", "cells.lef"))``.
    """
    data = read_bytes(source)
    name = name_of(source)
    if not data.strip():
        raise CircuitError(name, "file", "holds blanks only", "check how it was written")
    reader = _Reader(SourceText.of(data, name))
    reader.read()
    return _layout(reader, technology)


@dataclass
class _Ports:
    """Columns of the design's pins; places and boxes in database units."""

    names: list[str] = field(default_factory=list)
    nets: list[str] = field(default_factory=list)
    directions: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    centres: list[tuple[float, float]] = field(default_factory=list)


class _Reader:
    """One pass over the statements and sections."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.text = masked(source)
        self.at = 0
        self.notes = Notes()
        self.name, self.version, self.divider, self.bus, self.units = "", "", "/", "[]", 0
        self.die: list[int] = []
        self.rows: list[tuple[str, int, int, int, int, int]] = []
        self.cells: list[tuple[str, str, str, str, str, str]] = []
        self.cell_at: list[int] = []
        self.cell_row: dict[str, int] = {}
        self.loose_row: dict[str, int] | None = None
        self.ports = _Ports()
        self.port_row: dict[str, int] = {}
        self.net_row: dict[str, int] = {}
        self.net_pins: list[int] = []
        self.pin_cell: list[int] = []
        self.pin_name: list[int] = []
        self.pin_names: dict[str, int] = {}
        self.port_net: dict[int, int] = {}
        self.listed: dict[str, int] = {}
        self.stated: dict[str, int] = {}

    def error(self, subject: str, rule: str, way_out: str, at: int | None = None) -> CircuitError:
        """The error of a place of the text, or of where the reader stands."""
        start = self.at if at is None else at
        return CircuitError(self.place(start), subject, rule, way_out)

    def place(self, start: int) -> str:
        """``file:line:column`` of the first word from *start*."""
        found = _INK.search(self.text, start)
        return self.source.place(found.start() if found else start)

    def word(self) -> str:
        """The next word; empty at the end of the file."""
        found = _WORD.match(self.text, self.at)
        if found is None:
            self.at = len(self.text)
            return ""
        self.at = found.end()
        return found[1]

    def body(self, start: int, what: str) -> list[str]:
        """The words up to the semicolon, brackets among them."""
        end = _END.match(self.text, self.at)
        if end is None:
            raise self.error(what, "has no end", "end it with ' ;'", start)
        words = _WORDS.findall(self.text, self.at, end.end() - 1)
        self.at = end.end()
        return words

    def whole(self, text: str, what: str, start: int) -> int:
        """A coordinate or count."""
        if not _WHOLE.match(text) or not -(1 << 31) <= int(text) < 1 << 31:
            raise self.error(what, f"needs a whole number of 32 bits, and holds {text!r}", "check the line", start)
        return int(text)

    def point(self, words: list[str], what: str, start: int) -> tuple[int, int]:
        """``( x y )`` at the head of some words."""
        if len(words) < 4 or words[0] != "(" or words[3] != ")":
            raise self.error(what, "needs a point ( x y )", "check the line", start)
        return self.whole(words[1], what, start), self.whole(words[2], what, start)

    # -- statements ----------------------------------------------------------------------------

    def read(self) -> None:
        """Every statement and section up to END DESIGN."""
        while True:
            start = self.at
            word = self.word()
            if word == "END":
                if self.word() != "DESIGN":
                    raise self.error("END", "ends no section", "write END DESIGN", start)
                break
            if not word:
                raise self.error("file", "has no END DESIGN", "check that it was copied whole", start)
            if word in _SECTIONS:
                self.section(word, start)
            elif word == "PROPERTYDEFINITIONS":
                self.skip("END", word, start)
            elif word == "BEGINEXT":
                self.skip("ENDEXT", "", start)
            elif word in _HEADER:
                self.header(word, start)
            else:
                known = (*_HEADER, *_SECTIONS)
                raise self.error(f"statement {word!r}", "is unknown", nearest(word, known, "check the line"), start)

    def skip(self, end: str, name: str, start: int) -> None:
        """Past the words that end a block."""
        while word := self.word():
            if word == end and (not name or self.word() == name):
                return
        raise self.error("block", f"has no {end} {name}".rstrip(), "check that it was copied whole", start)

    def header(self, word: str, start: int) -> None:
        """A statement outside the sections."""
        begin = self.at
        words = self.body(start, f"statement {word}")
        if word == "ROW":
            self.row(words, start)
        elif word == "TRACKS":
            self.listed["tracks"] = self.listed.get("tracks", 0) + 1
        elif word == "DIEAREA":
            if len(words) % 4 or len(words) < 8:
                raise self.error("DIEAREA", "needs two points or more", "write DIEAREA ( x y ) ( x y ) ;", start)
            points = [self.point(words[at : at + 4], "DIEAREA", start) for at in range(0, len(words), 4)]
            x, y = [one for one, _ in points], [one for _, one in points]
            self.die = [min(x), min(y), max(x), max(y)]
        elif word == "UNITS":
            if words[:2] != ["DISTANCE", "MICRONS"] or len(words) != 3 or self.whole(words[2], "UNITS", start) < 1:
                raise self.error("UNITS", "must be DISTANCE MICRONS n", "check the line", start)
            self.units = int(words[2])
        elif word == "DESIGN":
            self.name = _text(" ".join(words))
        elif word == "VERSION":
            self.version = " ".join(words)
        elif word in {"DIVIDERCHAR", "BUSBITCHARS"}:
            said = "".join(self.source.text[begin : self.at - 1].split()).strip('"')
            if len(said) != (1 if word == "DIVIDERCHAR" else 2) or said.isalnum() or "\\" in said:
                raise self.error(word, f"is {said!r}", 'write it as "/" or "[]"', start)
            if word == "DIVIDERCHAR":
                self.divider = said
            else:
                self.bus = said

    def row(self, words: list[str], start: int) -> None:
        """``ROW name site x y orientation [DO n BY m STEP x y]``."""
        what = f"row {_text(words[0])!r}" if words else "row"
        if len(words) < 5 or words[4] not in _TURN:
            raise self.error(what, "needs a site, a place and an orientation", "check the line", start)
        x, y = self.whole(words[2], what, start), self.whole(words[3], what, start)
        sites, step = 1, 0
        if words[5:6] == ["DO"]:
            if len(words) < 9 or words[7] != "BY" or (words[9:10] == ["STEP"] and len(words) < 12):
                raise self.error(what, "must end with DO n BY m STEP x y", "check the line", start)
            sites = max(self.whole(words[6], what, start), self.whole(words[8], what, start))
            step = self.whole(words[10], what, start) if words[9:10] == ["STEP"] else 0
        self.rows.append((_text(words[1]), x, y, _TURN[words[4]], sites, step))

    # -- sections ------------------------------------------------------------------------------

    def section(self, word: str, start: int) -> None:
        """``WORD n ; - ... ; END WORD``; every record counts, whatever n is."""
        words = self.body(start, f"section {word}")
        if len(words) != 1:
            raise self.error(f"section {word}", "needs the number of its records", f"write {word} n ;", start)
        self.stated[word.lower()] = self.whole(words[0], f"section {word}", start)
        read = {"COMPONENTS": self.components, "PINS": self.pins, "NETS": self.nets}.get(word, self.other)
        count = read()
        self.listed[word.lower()] = self.listed.get(word.lower(), 0) + count
        after = self.at
        if self.word() != "END" or self.word() != word:
            raise self.error(
                f"section {word}", "holds no record and no end here", f"write - ... ; or END {word}", after
            )
        if count != self.stated[word.lower()]:
            self.notes.add(f"{word} states another number than its records", self.place(start))

    def other(self) -> int:
        """Records of a section that is counted only."""
        count = 0
        while (found := _RECORD.match(self.text, self.at)) is not None:
            end = _END.match(self.text, found.end())
            if end is None:
                raise self.error("record", "has no end", "end it with ' ;'")
            self.at = end.end()
            count += 1
        return count

    def components(self) -> int:
        """Cells: the usual record at once, the others word by word."""
        text, at, cells, places = self.text, self.at, self.cells, self.cell_at
        before = len(cells)
        match = _COMPONENT.match
        while True:
            found = match(text, at)
            if found is not None and found[6] in _TURN:
                cells.append(found.groups())  # type: ignore[arg-type]
                places.append(at)
                at = found.end()
            elif (other := _RECORD.match(text, at)) is not None:
                self.at = other.end()
                cells.append(self.component(at))
                places.append(at)
                at = self.at
            else:
                break
        self.at = at
        for row in range(before, len(cells)):
            self.cell_row.setdefault(cells[row][0], row)
        if len(self.cell_row) < len(cells):
            row = next(row for row, cell in enumerate(cells) if self.cell_row[cell[0]] != row)
            raise self.error(f"component {_text(cells[row][0])!r}", "stands twice", "remove one", places[row])
        return len(cells) - before

    def component(self, start: int) -> tuple[str, str, str, str, str, str]:
        """One cell: name, type, status, x, y, orientation."""
        words = self.body(start, "component")
        if len(words) < 2 or {words[0], words[1]} & {"+", "(", ")"}:
            raise self.error("component", "needs a name and a cell type", "check the line", start)
        status, x, y, turn = "UNPLACED", "0", "0", "N"
        for option in _options(words[2:]):
            what = f"component {_text(words[0])!r}"
            if option[0] not in _OF_COMPONENT:
                way_out = nearest(option[0], _OF_COMPONENT, "check the line")
                raise self.error(what, f"has the unknown option {option[0]!r}", way_out, start)
            if option[0] in _STATUS and len(option) > 1:
                status = option[0]
                self.point(option[1:], what, start)
                x, y, turn = option[2], option[3], "".join(option[5:])
                self.orientation(turn, what, start)
            elif option[0] in _STATUS and option[0] != "UNPLACED":
                raise self.error(what, f"is {option[0]} without a place", "add ( x y ) and an orientation", start)
        return words[0], words[1], status, x, y, turn

    def orientation(self, turn: str, what: str, start: int) -> int:
        """Row of an orientation."""
        if turn not in _TURN:
            way_out = f"use one of {' '.join(ORIENTATIONS)}"
            raise self.error(what, f"has the unknown orientation {turn!r}", way_out, start)
        return _TURN[turn]

    def pins(self) -> int:
        """Pins of the design."""
        count = 0
        while (found := _RECORD.match(self.text, self.at)) is not None:
            start, self.at = self.at, found.end()
            words = self.body(start, "pin")
            if not words or words[0] in {"+", "(", ")"}:
                raise self.error("pin", "needs a name", "check the line", start)
            if words[0] in self.port_row:
                raise self.error(f"pin {_text(words[0])!r}", "stands twice", "remove one", start)
            self.port_row[words[0]] = len(self.port_row)
            self.pin(words, start)
            count += 1
        return count

    def pin(self, words: list[str], start: int) -> None:
        """One pin: the first of its ports that has a place says where it is."""
        what = f"pin {_text(words[0])!r}"
        net, direction, layer = "", "", ""
        box: tuple[int, int, int, int] | None = None
        place: tuple[int, int, int] | None = None
        for option in _options(words[1:]):
            key, rest = option[0], option[1:]
            if key == "NET":
                net = rest[0] if rest else ""
            elif key == "DIRECTION":
                direction = " ".join(rest).lower()
            elif key == "PORT" and place is None:
                layer, box = "", None
            elif key == "LAYER" and box is None and place is None:
                first = rest.index("(") if "(" in rest else len(rest)
                (x0, y0), (x1, y1) = (self.point(rest[first + skip :], what, start) for skip in (0, 4))
                layer, box = _text(rest[0]), (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            elif key in _STATUS and rest and place is None:
                x, y = self.point(rest, what, start)
                place = x, y, self.orientation("".join(rest[4:]), what, start)
        self.ports.names.append(words[0])
        self.ports.nets.append(net)
        self.ports.directions.append(direction)
        self.ports.layers.append(layer)
        corners, centre = _placed_box(box, place)
        self.ports.boxes.append(corners)
        self.ports.centres.append(centre)

    def nets(self) -> int:
        """Nets with their pins; routes are passed over and counted."""
        text, at, count, routed = self.text, self.at, 0, 0
        match, joined, until, route = _NET.match, _JOINED.findall, _END.match, _ROUTE.search
        while True:
            found = match(text, at)
            if found is None:
                other = _RECORD.match(text, at)
                if other is None:
                    break
                self.at = other.end()
                words = self.body(at, "net")
                self.net(words, at)
                routed += any(one in {"ROUTED", "NOSHIELD"} for one in words)
                at, count = self.at, count + 1
                continue
            start, at = at, found.end()
            self.join(found[1], joined(found[2]), start)
            count += 1
            if found[3] == "+":
                end = until(text, at)
                if end is None:
                    raise self.error(f"net {_text(found[1])!r}", "has no end", "end it with ' ;'", start)
                routed += route(text, at - 1, end.end()) is not None
                at = end.end()
        self.at = at
        self.listed["routed_nets"] = self.listed.get("routed_nets", 0) + routed
        return count

    def net(self, words: list[str], start: int) -> None:
        """A net whose record is not the usual one, for example with ``+ SYNTHESIZED`` behind a pin."""
        if len(words) < 2 or words[0] in {"+", "(", ")"}:
            raise self.error("net", "needs a name", "check the line", start)
        pairs: list[tuple[str, str]] = []
        at = 1
        while at < len(words) and words[at] == "(":
            end = at + 3 if words[at + 3 : at + 4] == [")"] else at + 5
            if words[end : end + 1] != [")"] or (end == at + 5 and words[at + 3 : end] != ["+", "SYNTHESIZED"]):
                raise self.error(f"net {_text(words[0])!r}", "needs pins as ( cell pin )", "check the line", start)
            pairs.append((words[at + 1], words[at + 2]))
            at = end + 1
        if at < len(words) and words[at] != "+":
            raise self.error(f"net {_text(words[0])!r}", f"holds {words[at]!r} among its pins", "check the line", start)
        self.join(words[0], pairs, start)

    def join(self, name: str, pairs: list[tuple[str, str]], start: int) -> None:
        """Enter a net and its pins."""
        row = len(self.net_row)
        if self.net_row.setdefault(name, row) != row:
            raise self.error(f"net {_text(name)!r}", "stands twice", "remove one", start)
        before = len(self.pin_cell)
        rows, names = self.cell_row, self.pin_names
        for owner, pin in pairs:
            cell = rows.get(owner)
            if cell is None:
                if owner == "PIN":
                    self.join_port(name, pin, row, start)
                    continue
                if owner == "*":
                    self.notes.add("pin of all cells skipped", self.place(start))
                    continue
                cell = self.found_loosely(owner, name, start)
            self.pin_cell.append(cell)
            self.pin_name.append(names.setdefault(pin, len(names)))
        self.net_pins.append(len(self.pin_cell) - before)

    def join_port(self, name: str, pin: str, row: int, start: int) -> None:
        """``( PIN name )``."""
        if pin not in self.port_row:
            way_out = "check the PINS section"
            raise self.error(f"net {_text(name)!r}", f"names the unknown pin {_text(pin)!r}", way_out, start)
        self.port_net[self.port_row[pin]] = row

    def found_loosely(self, owner: str, name: str, start: int) -> int:
        """Row of a cell that the net spells with other escapes."""
        if self.loose_row is None:
            self.loose_row = {}
            for row, cell in enumerate(self.cells):
                key = cell[0].replace("\\", "")
                self.loose_row[key] = -1 if key in self.loose_row else row
        row = self.loose_row.get(owner.replace("\\", ""), -1)
        if row < 0:
            way_out = "check the COMPONENTS section"
            raise self.error(f"net {_text(name)!r}", f"names the unknown component {_text(owner)!r}", way_out, start)
        return row


def _options(words: list[str]) -> list[list[str]]:
    """The words of each option, which begin with ``+``."""
    found: list[list[str]] = []
    for word in words:
        if word == "+":
            found.append([])
        elif found:
            found[-1].append(word)
    return [option for option in found if option]


def _placed_box(
    box: tuple[int, int, int, int] | None, place: tuple[int, int, int] | None
) -> tuple[tuple[float, float, float, float], tuple[float, float]]:
    """Corners and centre on the die of a box that was turned about its location; NaN where they are not known."""
    nan = float("nan")
    if place is None:
        return (nan, nan, nan, nan), (nan, nan)
    x, y, turn = place
    if box is None:
        return (nan, nan, nan, nan), (float(x), float(y))
    corner = np.array([[box[0], box[1]], [box[2], box[3]]], np.float64)
    none = np.zeros(2)
    across, up = orient(np.full(2, turn, np.int8), none, none, corner[:, 0], corner[:, 1])
    x0, x1 = sorted((across + x).tolist())
    y0, y1 = sorted((up + y).tolist())
    return (x0, y0, x1, y1), ((x0 + x1) / 2, (y0 + y1) / 2)


def _text(raw: str) -> str:
    """A name of the file, one character a byte, as text."""
    return raw if raw.isascii() else raw.encode("latin-1").decode("utf-8", "surrogateescape")


def _printed(divider: str, bus: str) -> Callable[[str], str]:
    """A function from names of the file to names as the package prints them."""

    def plain(raw: str) -> str:
        text = _text(raw)
        return _ESCAPE.sub(_kept_escape, text) if "\\" in text else text

    if divider == "/" and bus == "[]":
        return plain
    return lambda raw: _translated(_text(raw), divider, bus)


def _layout(reader: _Reader, technology: Technology | None) -> Layout:
    """Everything in SI units, places of pins by the shapes of the technology."""
    if not reader.units:
        reader.notes.add(f"no UNITS: {DEFAULT_UNITS} a micron taken", f"{reader.source.name}:1")
    if not reader.die:
        reader.notes.add("no DIEAREA: an empty one taken", f"{reader.source.name}:1")
    unit = (reader.units or DEFAULT_UNITS) * 1e6
    cells = reader.cells
    kinds: dict[str, int] = {}
    cell_type = np.fromiter((kinds.setdefault(cell[1], len(kinds)) for cell in cells), np.int32, len(cells))
    status = np.fromiter((_STATUS[cell[2]] for cell in cells), np.int8, len(cells))
    turn = np.fromiter((_TURN[cell[5]] for cell in cells), np.int8, len(cells))
    places = np.array([(int(cell[3]), int(cell[4])) for cell in cells], np.int64).reshape(-1, 2)
    far = np.flatnonzero((places < -(1 << 31)).any(axis=1) | (places >= 1 << 31).any(axis=1))
    if len(far):
        row = int(far[0])
        rule = "has a place beyond 32 bits"
        raise reader.error(f"component {_text(cells[row][0])!r}", rule, "check the line", reader.cell_at[row])
    x, y = places[:, 0] / unit, places[:, 1] / unit
    x[status == 0], y[status == 0] = np.nan, np.nan
    design = _design(reader, tuple(_text(kind) for kind in kinds), cell_type, status, unit)
    shape_x, shape_y, width, height = _shapes(design, technology, reader)
    owner = design.pin_cell
    right, up = orient(turn[owner], width[owner], height[owner], shape_x, shape_y)
    ports = np.array(reader.ports.centres, np.float64).reshape(-1, 2) / unit
    die = [value / unit for value in reader.die or (0, 0, 0, 0)]
    rows = tuple(
        Row(left / unit, low / unit, sites, ORIENTATIONS[turned], site, step / unit)
        for site, left, low, turned, sites, step in reader.rows
    )
    return Layout(
        (die[0], die[1], die[2], die[3]), rows, x, y, turn, width, x[owner] + right, y[owner] + up, ports[:, 0],
        ports[:, 1], design,
    )  # fmt: skip


def _design(
    reader: _Reader, kinds: tuple[str, ...], cell_type: np.ndarray, status: np.ndarray, unit: float
) -> PlacedDesign:
    """Names and nets of the file."""
    printed = _printed(reader.divider, reader.bus)
    ports = reader.ports
    port_net = np.array([reader.net_row.get(net, -1) for net in ports.nets], np.int32)
    for port, net in reader.port_net.items():
        port_net[port] = net
    return PlacedDesign(
        name=reader.name,
        version=reader.version,
        divider=reader.divider,
        bus=reader.bus,
        units=reader.units or DEFAULT_UNITS,
        type_names=kinds,
        cell_names=printed_table(printed(cell[0]) for cell in reader.cells),
        cell_type=cell_type,
        cell_status=status,
        port_names=printed_table(printed(name) for name in ports.names),
        port_direction=tuple(ports.directions),
        port_net=port_net,
        port_layer=tuple(ports.layers),
        port_box=np.array(ports.boxes, np.float64).reshape(-1, 4) / unit,
        net_names=printed_table(printed(name) for name in reader.net_row),
        pin_names=tuple(printed(name) for name in reader.pin_names),
        pin_cell=np.array(reader.pin_cell, np.int32),
        pin_name=np.array(reader.pin_name, np.int32),
        pin_net=np.repeat(np.arange(len(reader.net_pins), dtype=np.int32), reader.net_pins),
        listed={**reader.listed, "rows": len(reader.rows)},
        stated=reader.stated,
        notes=reader.notes,
        place=reader.source.name,
    )


def _shapes(
    design: PlacedDesign, technology: Technology | None, reader: _Reader
) -> tuple[Floats, Floats, Floats, Floats]:
    """Offsets x and y of each pin in orientation N [P], width and height of each cell [C]; NaN where not known."""
    shapes = [technology.shapes.get(kind) if technology else None for kind in design.type_names]
    sizes = np.array([(one.width, one.height) if one else (np.nan, np.nan) for one in shapes]).reshape(-1, 2)
    missing = sum(one is None for one in shapes)
    if technology and missing:
        reader.notes.add("cell type without a shape in the technology", reader.source.name, missing)
    key = design.cell_type[design.pin_cell].astype(np.int64) * max(len(design.pin_names), 1) + design.pin_name
    distinct, inverse = np.unique(key, return_inverse=True)
    offsets = np.full((len(distinct), 2), np.nan)
    for row, code in enumerate(distinct.tolist()):
        kind, pin = divmod(code, max(len(design.pin_names), 1))
        shape = shapes[kind]
        if shape is not None and design.pin_names[pin] in shape.pins:
            offsets[row] = shape.pins[design.pin_names[pin]]
        elif shape is not None:
            reader.notes.add(
                "pin without a shape in the technology", f"{design.type_names[kind]}/{design.pin_names[pin]}"
            )
    size = sizes[design.cell_type] if len(sizes) else np.zeros((0, 2))
    return offsets[inverse, 0], offsets[inverse, 1], size[:, 0], size[:, 1]
