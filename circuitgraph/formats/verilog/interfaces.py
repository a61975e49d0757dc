"""Ports of types and modules as connections see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from circuitgraph.cell_types import opaque_type
from circuitgraph.circuit import CellType, Direction, Port, Role
from circuitgraph.formats.verilog.masters import port_bits
from circuitgraph.formats.verilog.raw import RawModule
from circuitgraph.names import NO_BIT, split_bit


@dataclass
class Interface:
    """Ports of a type or module as connections see them: name, first pin, width."""

    names: list[str] = field(default_factory=list)
    base: list[int] = field(default_factory=list)
    width: list[int] = field(default_factory=list)
    total: int = 0
    by_name: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, name: str, bits: Sequence[str]) -> None:
        """A port whose pins are called *bits*."""
        self.names.append(name)
        self.base.append(self.total)
        self.width.append(len(bits))
        if name:
            self.by_name[name] = (self.total, len(bits))
        if bits != [name]:
            for step, bit in enumerate(bits):
                self.by_name.setdefault(bit, (self.total + step, 1))
        self.total += len(bits)

    @classmethod
    def of_type(cls, cell_type: CellType) -> Interface:
        """The ports of a cell type; neighbours ``a[1] a[0]`` are one bus ``a`` too."""
        found = cls()
        group: list[str] = []
        base = ""
        for port in (*cell_type.ports, None):
            one, bit = ("", NO_BIT) if port is None else split_bit(port.name)
            if group and (bit == NO_BIT or one != base):
                found.add(base, group)
                group = []
            if port is None:
                break
            if bit == NO_BIT:
                found.add(port.name, [port.name])
            else:
                base = one
                group.append(port.name)
        return found


def decode_name(latin: str) -> str:
    """A name of the parser as the rest of the package spells it."""
    return latin.encode("latin-1").decode("utf-8", "surrogateescape")


def module_interface(raw: RawModule) -> Interface:
    """The ports of a module as its instances see them."""
    face = Interface()
    for port in raw.ports:
        names = [port.name if bit is None else f"{port.name}[{bit}]" for bit in port.bit_indices()]
        face.add(port.name, names[: len(port.bits)])
    return face


def leaf_type(raw: RawModule, used: dict[str, int]) -> CellType:
    """The opaque type of a module whose inside is not read."""
    ports: list[Port] = []
    for port in raw.ports:
        left, right = port.left, port.right
        if not port.known_width:
            width = used.get(port.name, 1)
            left, right = (None, 0) if width == 1 else (width - 1, 0)
        direction = port.directions[0] if port.directions else Direction.UNKNOWN
        ports += port_bits(decode_name(port.name), direction, Role.DATA, left, right)
    return opaque_type(decode_name(raw.name), ports)
