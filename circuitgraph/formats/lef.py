"""LEF 5.8: layers, sites, vias and the shapes of cell types.

Read: units, sites, layers with their wires' cost, names and resistance of vias, macros with pins and obstructions.
Skipped and noted: paths and vias inside pins. Skipped by their end: rules, tables, properties, extensions. Also here is
what LEF and DEF share: text whose strings and comments are masked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from circuitgraph.errors import CircuitError, Notes, nearest
from circuitgraph.files import Source, name_of, read_bytes, stem_of
from circuitgraph.formats.lexing import SourceText, limit
from circuitgraph.formats.spef import scaled
from circuitgraph.layout import CellShape, PinShape, RoutingLayer, Technology

MAX_COPIES = 1 << 20
"""Most rectangles of one ITERATE; the setting is CIRCUITGRAPH_MAX_COPIES."""

_QUIET = re.compile(r'["#](?<!\S.)(?:(?<=")(?:[^"\\]++|\\.)*+"?|(?<=#)[^\r\n]*+)', re.DOTALL | re.ASCII)
_WORD = re.compile(r";|[^\s;]++", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z", re.ASCII)
_BLOCKS = frozenset(["PROPERTYDEFINITIONS", "SPACING", "NOISETABLE", "CORRECTIONTABLE"])
_NAMED_BLOCKS = frozenset(["VIARULE", "NONDEFAULTRULE", "ARRAY", "IRDROP", "MAXVIASTACKRULE"])
_NAMES_FOLLOW = frozenset(["FOREIGN", "SITE", "EEQ", "LEQ", "MUSTJOIN", "PROPERTY", "GROUNDSENSITIVITY"])
_STATEMENTS = (
    *("VERSION", "BUSBITCHARS", "DIVIDERCHAR", "NAMESCASESENSITIVE", "MANUFACTURINGGRID", "CLEARANCEMEASURE"),
    *("USEMINSPACING", "FIXEDMASK", "MAXVIASTACK", "NOWIREEXTENSIONATPIN", "MINFEATURE", "DIELECTRIC"),
    *("UNIVERSALNOISEMARGIN", "EDGERATETHRESHOLD1", "EDGERATETHRESHOLD2", "EDGERATESCALEFACTOR", "LAYER", "MACRO"),
    *("SITE", "VIA", "UNITS", "BEGINEXT", "END", *sorted(_BLOCKS), *sorted(_NAMED_BLOCKS)),
    *("ANTENNAINPUTGATEAREA", "ANTENNAINOUTDIFFAREA", "ANTENNAOUTPUTDIFFAREA", "INPUTPINANTENNASIZE"),
    *("OUTPUTPINANTENNASIZE", "INOUTPINANTENNASIZE", "CURRENTDEN"),
)
_FAR = 1e9  # microns: a kilometre


def read_lef(*sources: Source) -> Technology:
    """The technology that one or several LEF files describe; lengths in metres.

    The centre of a pin is the area-weighted centre of all rectangles and polygons of its first port. Resistance of a
    layer is ohm per square over its width; capacitance is that of its area and of both edges.

    Args:
        sources: paths or binary streams; plain, gzip, xz or zstd. Of what stands twice the later is kept, and noted.

    Raises:
        CircuitError: no file is given, or one breaks the format; the place is its line.

    Source: LEF/DEF 5.8 language reference, chapter 1.

    Example:
        ``technology = read_lef("tech.lef", "cells.lef.gz")``.
    """
    if not sources:
        raise CircuitError("read_lef", "files", "none is given", "name at least one LEF file")
    found = _Found(stem_of(sources[0]))
    for source in sources:
        data = read_bytes(source)
        name = name_of(source)
        if not data.strip():
            raise CircuitError(name, "file", "holds blanks only", "check how it was written")
        _Reader(SourceText.of(data, name), found).read()
    return found.technology()


def masked(source: SourceText) -> str:
    """The text of a file with its comments blanked and its strings filled; every offset stays.

    Raises:
        CircuitError: a string is not closed, or a word touches its end.
    """
    text = source.text
    if '"' not in text and "#" not in text:
        return text

    def without(match: re.Match[str]) -> str:
        found = match[0]
        if found[0] == "#":
            return " " * len(found)
        if len(found) < 2 or found[-1] != '"':
            raise CircuitError(source.place(match.start()), "string", "is not closed", 'end it with "')
        after = text[match.end() : match.end() + 1]
        if after and not (after.isspace() or after == ";"):
            rule = f"is followed by {after!r} without a blank"
            raise CircuitError(source.place(match.start()), "string", rule, "check its quotes")
        return f'"{"_" * (len(found) - 2)}"'

    return _QUIET.sub(without, text)


@dataclass
class _Layer:
    """What a LAYER says, lengths in metres, costs in LEF's units; None where it does not."""

    kind: str = ""
    direction: str = ""
    pitch: tuple[float, float] | None = None
    width: float | None = None
    per_square: float | None = None
    per_cut: float | None = None
    area_capacitance: float | None = None
    edge_capacitance: float = 0.0


@dataclass
class _Found:
    """What the files read so far hold."""

    name: str
    units: int = 0
    sites: dict[str, tuple[float, float]] = field(default_factory=dict)
    core_site: tuple[float, float] | None = None
    layers: dict[str, _Layer] = field(default_factory=dict)
    vias: dict[str, float | None] = field(default_factory=dict)
    shapes: dict[str, CellShape] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)

    def technology(self) -> Technology:
        """All of it in SI units."""
        site = self.core_site or next(iter(self.sites.values()), (float("nan"), float("nan")))
        routing = [(name, layer) for name, layer in self.layers.items() if layer.kind == "routing"]
        names = list(self.layers)
        vias = []
        for (low, _), (high, _) in pairwise(routing):
            between = [self.layers[name] for name in names[names.index(low) + 1 : names.index(high)]]
            ohms = [layer.per_cut for layer in between if layer.kind == "cut" and layer.per_cut is not None]
            vias.append(sum(ohms) if ohms else float("nan"))
        return Technology(
            self.name,
            site[0],
            site[1],
            tuple(_routing_layer(name, layer) for name, layer in routing),
            tuple(vias),
            self.shapes,
            sites=self.sites,
            layer_kinds={name: layer.kind for name, layer in self.layers.items()},
            via_names=tuple(self.vias),
            units=self.units,
            notes=self.notes,
        )


def _routing_layer(name: str, layer: _Layer) -> RoutingLayer:
    missing = float("nan")
    width = missing if layer.width is None else layer.width
    ohms = missing if layer.per_square is None or not width > 0 else layer.per_square / width
    farads = missing
    if layer.area_capacitance is not None and layer.width is not None:
        farads = layer.area_capacitance * layer.width + 2e-6 * layer.edge_capacitance  # from pF/um^2 and pF/um
    pitch = missing if layer.pitch is None else layer.pitch[layer.direction == "horizontal"]
    return RoutingLayer(name, layer.direction, pitch, width, ohms, farads)


Box = tuple[str, float, float, float, float]
Piece = tuple[float, float, float]  # area, x and y of the centre


class _Reader:
    """One pass over the words of one file."""

    def __init__(self, source: SourceText, found: _Found) -> None:
        self.source = source
        self.text = masked(source)
        self.words: list[str] = _WORD.findall(self.text)
        self.at = 0
        self.taken = 0
        self.found = found

    def error(self, subject: str, rule: str, way_out: str) -> CircuitError:
        """The error of the keyword or name taken last."""
        words = enumerate(_WORD.finditer(self.text))
        start = next((match.start() for row, match in words if row == self.taken), 0)
        return CircuitError(self.source.place(start), subject, rule, way_out)

    def keyword(self) -> str:
        """The next word in upper case: keywords may stand in any case."""
        return self.take().upper()

    def take(self) -> str:
        """The next word."""
        if self.at >= len(self.words):
            raise self.error("file", "ends inside a block", "check that it was copied whole")
        self.taken = self.at
        self.at += 1
        return self.words[self.taken]

    def statement(self, keyword: str) -> list[str]:
        """The words behind a keyword up to the semicolon."""
        try:
            end = self.words.index(";", self.at)
        except ValueError:
            raise self.error(f"statement {keyword}", "has no end", "end it with ' ;'") from None
        words = self.words[self.at : end]
        if "END" in words and keyword not in _NAMES_FOLLOW:
            raise self.error(f"statement {keyword}", "has no ';' before END", "end it with ' ;'")
        self.at = end + 1
        return words

    def number(self, words: list[str], place: int, keyword: str, *, least: float = -_FAR) -> float:
        """A number of a statement."""
        text = words[place] if place < len(words) else ""
        value = float(text) if _NUMBER.match(text) else None
        if value is None or not least <= value <= _FAR:
            said = repr(text) if text else "nothing"
            raise self.error(f"statement {keyword}", f"needs a number, and holds {said}", "check the line")
        return value

    def length(self, words: list[str], place: int, keyword: str, *, least: float = -_FAR) -> float:
        """A length of a statement, in metres, rounded once."""
        self.number(words, place, keyword, least=least)
        return scaled([words[place]], -6, 1.0)[0]

    def name(self, keyword: str) -> str:
        """The name behind the keyword of a block."""
        name = self.take()
        if name == ";":
            raise self.error(f"block {keyword}", "has no name", "check the line")
        return name.encode("latin-1").decode("utf-8", "surrogateescape")

    def ends(self, name: str, kind: str, *, any_case: bool = False) -> None:
        """The name behind END must be that of the block."""
        found = self.name("END")
        if found != name and not (any_case and found.upper() == name):
            raise self.error(f"{kind} {name!r}", f"is ended by END {found}", f"end it with END {name}")

    def size(self, words: list[str], keyword: str) -> tuple[float, float]:
        """``w BY h`` in metres."""
        if len(words) != 3 or words[1] != "BY":
            raise self.error(f"statement {keyword}", "must be SIZE width BY height ;", "check the line")
        return self.length(words, 0, keyword, least=0.0), self.length(words, 2, keyword, least=0.0)

    # -- blocks --------------------------------------------------------------------------------

    def read(self) -> None:
        """Every statement and block of the file."""
        while self.at < len(self.words):
            word = self.keyword()
            if word == "END":
                self.ends("LIBRARY", "file", any_case=True)
                return
            if word == "MACRO":
                self.macro(self.name(word))
            elif word == "LAYER":
                self.layer(self.name(word))
            elif word == "SITE":
                self.site(self.name(word))
            elif word == "VIA":
                self.via(self.name(word))
            elif word == "UNITS":
                self.units()
            elif word == "BEGINEXT":
                self.skip_to("ENDEXT", "")
            elif word in _BLOCKS:
                self.skip_to("END", word)
            elif word in _NAMED_BLOCKS:
                self.skip_to("END", self.name(word))
            elif word not in _STATEMENTS:
                raise self.error(f"statement {word!r}", "is unknown", nearest(word, _STATEMENTS, "check the line"))
            else:
                self.statement(word)

    def skip_to(self, end: str, name: str) -> None:
        """Past the words that end a block."""
        while True:
            word = self.keyword()
            if word == end and (not name or (self.at < len(self.words) and self.words[self.at] == name)):
                self.at += bool(name)
                return

    def units(self) -> None:
        """``UNITS ... END UNITS``."""
        while (word := self.keyword()) != "END":
            words = self.statement(word)
            if word == "DATABASE":
                text = words[1] if len(words) == 2 else ""
                if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
                    raise self.error("statement DATABASE", "must be DATABASE MICRONS n ;", "check the line")
                self.found.units = int(text)
        self.ends("UNITS", "block", any_case=True)

    def site(self, name: str) -> None:
        """``SITE name ... END name``."""
        size, is_core = None, False
        while (word := self.keyword()) != "END":
            words = self.statement(word)
            if word == "SIZE":
                size = self.size(words, word)
            elif word == "CLASS":
                is_core = words == ["CORE"]
        self.ends(name, "site")
        if size is None:
            raise self.error(f"site {name!r}", "has no SIZE", "add SIZE width BY height ;")
        self.found.sites[name] = size
        if is_core and self.found.core_site is None:
            self.found.core_site = size

    def layer(self, name: str) -> None:
        """``LAYER name ... END name``."""
        layer = _Layer()
        while (word := self.keyword()) != "END":
            words = self.statement(word)
            if word == "TYPE":
                layer.kind = " ".join(words[:1]).lower()
            elif word == "DIRECTION":
                layer.direction = " ".join(words[:1]).lower()
            elif word == "PITCH":
                layer.pitch = self.length(words, 0, word), self.length(words, min(1, len(words) - 1), word)
            elif word == "WIDTH":
                layer.width = self.length(words, 0, word, least=0.0)
            elif word == "EDGECAPACITANCE":
                layer.edge_capacitance = self.number(words, 0, word, least=0.0)
            elif word == "RESISTANCE" and words[:1] == ["RPERSQ"] and words[1:2] != ["PWL"]:
                layer.per_square = self.number(words, 1, word, least=0.0)
            elif word == "RESISTANCE" and len(words) == 1:
                layer.per_cut = self.number(words, 0, word, least=0.0)
            elif word == "CAPACITANCE" and words[:1] == ["CPERSQDIST"] and words[1:2] != ["PWL"]:
                layer.area_capacitance = self.number(words, 1, word, least=0.0)
        self.ends(name, "layer")
        self.keep(self.found.layers, name, layer, "layer")

    def via(self, name: str) -> None:
        """``VIA name [DEFAULT] ... END name``."""
        ohms = None
        while (word := self.keyword()) != "END":
            if word in {"DEFAULT", "TOPOFSTACKONLY", "GENERATED"}:
                continue
            words = self.statement(word)
            if word == "RESISTANCE":
                ohms = self.number(words, 0, word, least=0.0)
        self.ends(name, "via")
        self.keep(self.found.vias, name, ohms, "via")

    def keep(self, table: dict[str, Any], name: str, value: Any, kind: str) -> None:
        """Enter a value; the later of two is kept and noted."""
        if name in table:
            self.found.notes.add(f"{kind} stands twice: the later is kept", f"{self.source.name}: {name}")
        table[name] = value

    def macro(self, name: str) -> None:
        """``MACRO name ... END name``."""
        kind, size, origin = "", None, (0.0, 0.0)
        pins: dict[str, tuple[PinShape, list[Piece]]] = {}
        boxes: list[Box] = []
        while (word := self.keyword()) != "END":
            if word == "PIN":
                pin = self.name(word)
                if pin in pins:
                    raise self.error(f"pin '{name}/{pin}'", "stands twice", "remove one of them")
                pins[pin] = self.pin(pin)
            elif word == "OBS":
                self.geometry(boxes, [])
            elif word == "DENSITY":
                self.skip_to("END", "")
            elif word == "TIMING":
                self.skip_to("END", "TIMING")
            else:
                words = self.statement(word)
                if word == "SIZE":
                    size = self.size(words, word)
                elif word == "CLASS":
                    kind = " ".join(words).lower()
                elif word == "ORIGIN":
                    origin = (self.length(words, 0, word), self.length(words, 1, word))
        self.ends(name, "macro")
        if size is None:
            raise self.error(f"macro {name!r}", "has no SIZE", "add SIZE width BY height ;")
        self.keep(self.found.shapes, name, _shape(size, origin, kind, pins, boxes), "macro")

    def pin(self, name: str) -> tuple[PinShape, list[Piece]]:
        """``PIN name ... END name``: its shape, and the pieces of its first port that has any."""
        direction, use = "inout", "signal"
        boxes: list[Box] = []
        first: list[Piece] = []
        while (word := self.keyword()) != "END":
            if word == "PORT":
                pieces: list[Piece] = []
                self.geometry(boxes, pieces)
                first = first or pieces
                continue
            words = self.statement(word)
            if word == "DIRECTION":
                direction = " ".join(words).lower()
            elif word == "USE":
                use = " ".join(words).lower()
        self.ends(name, "pin")
        return PinShape(direction, use, tuple(boxes)), first

    def geometry(self, boxes: list[Box], pieces: list[Piece]) -> None:
        """Rectangles and polygons up to a bare END, appended to both lists."""
        layer = ""
        while (word := self.keyword()) != "END":
            words = self.statement(word)
            if word == "LAYER":
                layer = words[0] if words else ""
            elif word in {"RECT", "POLYGON"}:
                if words[:1] == ["MASK"]:
                    words = words[2:]
                self.figure(word, words, layer, boxes, pieces)
            elif word in {"PATH", "VIA"}:
                self.found.notes.add(f"{word} inside a pin or obstruction skipped", self.source.name)

    def figure(self, word: str, words: list[str], layer: str, boxes: list[Box], pieces: list[Piece]) -> None:
        """A RECT or POLYGON with all its copies."""
        copies = [(0.0, 0.0)]
        if words[:1] == ["ITERATE"]:
            copies = self.copies(words)
            words = words[1 : words.index("DO")]
        if (word == "RECT" and len(words) != 4) or (word == "POLYGON" and (len(words) < 6 or len(words) % 2)):
            raise self.error(f"statement {word}", f"holds {len(words)} numbers", "check the line")
        values = [self.length(words, place, word) for place in range(len(words))]
        x, y = values[0::2], values[1::2]
        area, centre_x, centre_y = _centre(x, y) if word == "POLYGON" else _centre_of_box(x, y)
        for right, up in copies:
            boxes.append((layer, min(x) + right, min(y) + up, max(x) + right, max(y) + up))
            pieces.append((area, centre_x + right, centre_y + up))

    def copies(self, words: list[str]) -> list[tuple[float, float]]:
        """Offsets of ``DO n BY m STEP x y``, m."""
        tail = words[words.index("DO") :] if "DO" in words else []
        if len(tail) != 7 or tail[2] != "BY" or tail[4] != "STEP":
            raise self.error("ITERATE", "must end with DO n BY m STEP x y ;", "check the line")
        across, up = (self.number(tail, place, "ITERATE", least=0.0) for place in (1, 3))
        most = limit("CIRCUITGRAPH_MAX_COPIES", MAX_COPIES)
        if across * up > most:
            raise self.error("ITERATE", f"makes more than {most:,} copies", "raise CIRCUITGRAPH_MAX_COPIES")
        x, y = self.length(tail, 5, "ITERATE"), self.length(tail, 6, "ITERATE")
        return [(column * x, row * y) for row in range(int(up)) for column in range(int(across))]


def _centre_of_box(x: Sequence[float], y: Sequence[float]) -> Piece:
    return abs(x[1] - x[0]) * abs(y[1] - y[0]), (x[0] + x[1]) / 2, (y[0] + y[1]) / 2


def _centre(x: Sequence[float], y: Sequence[float]) -> Piece:
    """Area and centroid of a polygon; the middle of its box where it has no area.

    Source: the shoelace formula.
    """
    twice, moment_x, moment_y = 0.0, 0.0, 0.0
    for row in range(len(x)):
        cross = x[row - 1] * y[row] - x[row] * y[row - 1]
        twice += cross
        moment_x += (x[row - 1] + x[row]) * cross
        moment_y += (y[row - 1] + y[row]) * cross
    if abs(twice) < 1e-24:
        return 0.0, (min(x) + max(x)) / 2, (min(y) + max(y)) / 2
    return abs(twice) / 2, moment_x / (3 * twice), moment_y / (3 * twice)


def _shape(
    size: tuple[float, float],
    origin: tuple[float, float],
    kind: str,
    pins: dict[str, tuple[PinShape, list[Piece]]],
    boxes: list[Box],
) -> CellShape:
    """A macro seen from its lower left corner, which stands at minus its origin."""
    right, up = origin
    centres = {}
    ports = {}
    for name, (pin, pieces) in pins.items():
        moved = tuple((layer, x0 + right, y0 + up, x1 + right, y1 + up) for layer, x0, y0, x1, y1 in pin.boxes)
        ports[name] = PinShape(pin.direction, pin.use, moved)
        if pieces:
            weights = [area for area, _, _ in pieces]
            if sum(weights) <= 0:
                weights = [1.0] * len(pieces)
            total = sum(weights)
            x = sum(weight * piece[1] for weight, piece in zip(weights, pieces, strict=True)) / total
            y = sum(weight * piece[2] for weight, piece in zip(weights, pieces, strict=True)) / total
            centres[name] = (x + right, y + up)
    blocked = None
    if boxes:
        low = min(box[1] for box in boxes), min(box[2] for box in boxes)
        high = max(box[3] for box in boxes), max(box[4] for box in boxes)
        blocked = (low[0] + right, low[1] + up, high[0] + right, high[1] + up)
    return CellShape(size[0], size[1], centres, kind, ports, blocked)
