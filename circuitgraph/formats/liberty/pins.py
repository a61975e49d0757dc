"""Pins of a Liberty cell: lists, buses and bundles expanded to single ports."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from circuitgraph.circuit import Direction
from circuitgraph.formats.liberty.groups import Group, Text, words_of
from circuitgraph.formats.liberty.numbers import described, to_number

DIRECTIONS = {"input": Direction.INPUT, "output": Direction.OUTPUT, "inout": Direction.INOUT}
RANGE = re.compile(r"(.*)\[\s*(-?[0-9]+)\s*(?::\s*(-?[0-9]+)\s*)?\]")
MAX_WIDTH = 1 << 20
"""Widest bus that is expanded."""


@dataclass
class Pin:
    """One port of a cell, with the groups that describe it: its own first, then those around it.

    | field | meaning |
    |---|---|
    | name | ``A``, or ``D[3]`` of a bus |
    | attributes | name -> value, the own group's value goes before the bus's |
    | groups | groups that hold its timing |
    | bus, bit | name of its bus or bundle and its place in it; "", 0 for a plain pin |
    """

    name: str
    attributes: dict[str, str]
    groups: list[Group] = field(default_factory=list)
    bus: str = ""
    bit: int = 0

    def get(self, name: str, otherwise: str = "") -> str:
        """Value of an attribute."""
        return self.attributes.get(name, otherwise)

    @property
    def direction(self) -> Direction | None:
        """Direction, or None for an internal pin."""
        word = self.get("direction").strip().lower()
        if word == "internal" or ("internal_node" in self.attributes and not word):
            return None
        return DIRECTIONS.get(word, Direction.UNKNOWN)


def pins_of(text: Text, cell: Group, types: dict[str, tuple[int, int]]) -> tuple[list[Pin], dict[str, list[int]]]:
    """The ports of a cell in file order, internal nodes included, and the members of each bus and bundle.

    Args:
        text: for messages.
        cell: the cell's group.
        types: bus types of the library and the cell: (bit_from, bit_to).

    Raises:
        CircuitError: a bus has no known type, a pin stands twice.
    """
    pins: list[Pin] = []
    members: dict[str, list[int]] = {}
    for group in cell.groups:
        if group.name == "pin":
            for name in group.words:
                pins += [Pin(single, _attributes(group), [group]) for single in _expanded(text, group, name)]
        elif group.name in {"bus", "bundle"}:
            for name in group.words:
                names = _bits(text, group, name, types) if group.name == "bus" else words_of(group.get("members"))
                members[name] = list(range(len(pins), len(pins) + len(names)))
                own: dict[str, Group] = {}
                for inner in group.named("pin"):
                    for word in inner.words:
                        own.update(dict.fromkeys(_expanded(text, inner, word), inner))
                for place, single in enumerate(names):
                    attributes, groups = _attributes(group), [group]
                    if single in own:
                        attributes.update(_attributes(own[single]))
                        groups = [own[single], group]
                    pins.append(Pin(single, attributes, groups, name, place))
    seen: set[str] = set()
    for pin in pins:
        if pin.name in seen:
            raise text.error(pin.groups[0].at, f"pin {pin.name!r}", f"stands twice in {described(cell)}", "remove one")
        seen.add(pin.name)
    return pins, members


def _attributes(group: Group) -> dict[str, str]:
    return {key: value for key, value, _ in group.attributes}


def _expanded(text: Text, group: Group, name: str) -> list[str]:
    """``D[3:2]`` as ``D[3]``, ``D[2]``; any other name is itself."""
    found = RANGE.fullmatch(name)
    if found is None or found[3] is None:
        return [name]
    return [f"{found[1]}[{bit}]" for bit in _span(text, group, int(found[2]), int(found[3]))]


def _span(text: Text, group: Group, start: int, stop: int) -> range:
    if abs(start - stop) >= MAX_WIDTH:
        raise text.error(group.at, described(group), f"is wider than {MAX_WIDTH:,} bits", "raise pins.MAX_WIDTH")
    return range(start, stop - 1, -1) if start >= stop else range(start, stop + 1)


def _bits(text: Text, group: Group, name: str, types: dict[str, tuple[int, int]]) -> list[str]:
    word = group.get("bus_type").strip()
    if word not in types:
        raise text.error(
            group.at, described(group), f"bus type {word!r} is not defined", "add type (name) { bit_from ... }"
        )
    return [f"{name}[{bit}]" for bit in _span(text, group, *types[word])]


def bus_types(text: Text, group: Group) -> dict[str, tuple[int, int]]:
    """Bus types that a library or a cell defines: name -> (bit_from, bit_to)."""
    found: dict[str, tuple[int, int]] = {}
    for inner in group.named("type"):
        width = _whole(text, inner, "bit_width", 1)
        start = _whole(text, inner, "bit_from", width - 1)
        for name in inner.words:
            found[name] = (start, _whole(text, inner, "bit_to", start - width + 1))
    return found


def _whole(text: Text, group: Group, name: str, otherwise: int) -> int:
    raw = group.get(name)
    if not raw:
        return otherwise
    return int(to_number(text, raw, group.place(name), f"attribute {name!r} of {described(group)}"))
