"""From raw modules to a Design: which type each cell is, which pin each connection reaches.

The columns of a module are filled by array operations over its connections; Python loops run over modules, types
and distinct (type, port) pairs, and over the rare rows that need a second look.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from circuitgraph.cell_types import opaque_type
from circuitgraph.circuit import Bus, CellType, Direction, Port, Role
from circuitgraph.design import Design, Module
from circuitgraph.errors import CircuitError, Notes, nearest
from circuitgraph.formats.verilog.interfaces import Interface, decode_name, leaf_type, module_interface
from circuitgraph.formats.verilog.masters import GATE_WORDS, guessed_ports, internal_type, port_bits, supply_role
from circuitgraph.formats.verilog.nets import NetRows
from circuitgraph.formats.verilog.raw import OPEN, ZERO, Names, RawModule, bit_indices
from circuitgraph.names import NO_BIT, NameTable

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DROPPED = -2
_TOP_MARK = re.compile(r"\(\*\s*top\s*=\s*(?:1|32'd1|1'h1|1'b1|32'b0*1)\s*\*\)", re.ASCII)


class Places(Protocol):
    """Where things stand in the file, by the numbers that raw modules hold."""

    text: str

    def place(self, index: int, /) -> str:
        """``file:line:column``."""

    def offset(self, index: int, /) -> int:
        """Offset in ``text``."""

    def between(self, start: int, end: int, /) -> list[str]:
        """Tokens from one number to another."""


class TypeSource(Protocol):
    """What the reader needs of a library."""

    def cell_type(self, name: str, /) -> CellType | None:
        """The type of a name, or None."""


@dataclass
class _Columns:
    """Arrays of one raw module's instances and connections."""

    master: IntArray
    conn_start: LongArray
    port: IntArray
    width: IntArray
    flexible: BoolArray
    bits: IntArray
    inst: LongArray

    @classmethod
    def of(cls, module: RawModule) -> _Columns:
        start = np.array(module.conn_start, np.int64)
        inst = np.repeat(np.arange(len(module.inst_name), dtype=np.int64), np.diff(start))
        return cls(
            np.array(module.inst_master, np.int32),
            start,
            np.array(module.conn_port, np.int32),
            np.array(module.conn_width, np.int32),
            np.frombuffer(bytes(module.conn_flexible), np.bool_),
            np.array(module.bits, np.int32),
            inst,
        )


class Linker:
    """Types and modules of one file, looked up by the rows of :class:`Names`."""

    def __init__(
        self,
        modules: list[RawModule],
        names: Names,
        tokens: Places,
        library: TypeSource | None,
        black_box: bool,
        leaf_modules: Collection[str],
        strict: bool,
    ) -> None:
        self.raw = self.without_duplicates(modules, tokens)
        self.names = names
        self.notes: Notes = names.notes
        self.tokens = tokens
        self.library = library
        self.black_box = black_box
        self.leaf_modules = leaf_modules
        self.strict = strict
        self.columns = {name: _Columns.of(module) for name, module in self.raw.items()}
        self.masters: list[CellType | str | None] = [None] * len(names.masters)
        self.interfaces: list[Interface | None] = [None] * len(names.masters)

    def without_duplicates(self, modules: list[RawModule], tokens: Places) -> dict[str, RawModule]:
        """Modules by name; two of one name must be the same text."""
        found: dict[str, RawModule] = {}
        for module in modules:
            first = found.setdefault(module.name, module)
            if first is not module:
                one, other = (tokens.between(m.index, m.end) for m in (first, module))
                if one != other:
                    raise CircuitError(
                        tokens.place(module.index),
                        f"module {module.name!r}",
                        f"is defined twice, first at {tokens.place(first.index)}",
                        "keep one definition",
                    )
        return found

    # -- types ---------------------------------------------------------------------------------

    def design(self, place: str) -> Design:
        """Everything linked."""
        leaves, tops = self.leaves_and_tops()
        self.refuse_overrides(leaves)
        self.refuse_unnamed(leaves)
        self.known_masters(leaves)
        self.guess_masters(leaves)
        modules = {name: self.module(raw, self.columns[name]) for name, raw in self.raw.items() if name not in leaves}
        refused = {name: self.behavioural(self.raw[name]) for name in self.raw if self.raw[name].behavioural}
        masters = tuple(opaque_type("", ()) if master is None else master for master in self.masters)
        for name, raw in self.raw.items():
            if raw.is_primitive:
                refused[name] = CircuitError(
                    self.tokens.place(raw.index), f"primitive {name!r}", "is no module", "name a module as top"
                )
        return Design(modules, masters, tuple(tops), refused, self.notes, place, "verilog")

    def leaves_and_tops(self) -> tuple[set[str], list[str]]:
        """Modules that stay opaque, and modules that nothing instantiates."""
        users: set[str] = set()
        for name, columns in self.columns.items():
            if self.raw[name].behavioural is None:
                masters = {self.names.masters[row] for row in np.unique(columns.master).tolist()}
                users |= masters & set(self.raw)
        leaves = {
            name
            for name, raw in self.raw.items()
            if raw.is_primitive
            or name in self.leaf_modules
            or (name in users and (raw.is_cell or raw.behavioural is not None))
            or (self.library is not None and name in users and self.library.cell_type(name) is not None)
        }
        inside: set[str] = set()
        for name in self.raw:
            if name not in leaves and self.raw[name].behavioural is None:
                rows = np.unique(self.columns[name].master).tolist()
                inside |= {self.names.masters[row] for row in rows}
        tops = [name for name in self.raw if name not in inside and name not in leaves]
        designs = [name for name in tops if not self.raw[name].is_cell]
        tops = designs or tops
        structural = [name for name in tops if self.raw[name].behavioural is None]
        for name in self.raw:
            if self.raw[name].behavioural is not None and name not in leaves:
                leaves.add(name)
        if len(structural) > 1:
            structural = [name for name in structural if self.is_marked_top(self.raw[name])] or structural
        return leaves, structural or tops

    def is_marked_top(self, raw: RawModule) -> bool:
        """Whether yosys' attribute ``top = 1`` stands before a module."""
        tokens = self.tokens
        before = tokens.offset(raw.index - 1) if raw.index else 0
        return _TOP_MARK.search(tokens.text, before, tokens.offset(raw.index)) is not None

    def behavioural(self, raw: RawModule) -> CircuitError:
        """The error of a behavioural module that is asked for as a netlist."""
        assert raw.behavioural is not None
        index, word = raw.behavioural
        return CircuitError(
            self.tokens.place(index),
            f"module {raw.name!r}",
            f"is behavioural ({word!r}), not a netlist",
            "synthesise it first: circuitgraph.synthesis.synthesise()",
        )

    def refuse_overrides(self, leaves: set[str]) -> None:
        """A module whose ranges depend on parameters cannot be instantiated with others."""
        for name, raw in self.raw.items():
            for row, index in raw.overrides.items():
                master = self.raw.get(self.names.masters[raw.inst_master[row]])
                if master is not None and master.uses_parameters and master.name not in leaves and name not in leaves:
                    raise CircuitError(
                        self.tokens.place(index),
                        f"cell {raw.inst_name[row]!r}",
                        f"sets parameters of module {master.name!r}, whose ranges depend on them",
                        "elaborate it first: circuitgraph.synthesis.synthesise()",
                    )

    def refuse_unnamed(self, leaves: set[str]) -> None:
        """Only gates and user-defined primitives may stand without a name."""
        for name, raw in self.raw.items():
            for row in raw.unnamed if name not in leaves else ():
                master = self.names.masters[raw.inst_master[row]]
                known = self.raw.get(master)
                if known is None or not known.is_primitive:
                    way_out = nearest(master, GATE_WORDS, "write its name before the parenthesis")
                    raise CircuitError(
                        self.tokens.place(raw.inst_index[row]), f"cell of type {master!r}", "has no name", way_out
                    )

    def known_masters(self, leaves: set[str]) -> None:
        """Types of the language, of the library and of modules whose widths are known."""
        for row, name in enumerate(self.names.masters):
            fixed = self.names.fixed.get(row)
            if fixed is not None:
                self.set_type(row, fixed)
                continue
            found = self.library.cell_type(name) if self.library is not None else None
            raw = self.raw.get(name)
            if found is not None:
                self.set_type(row, found)
            elif raw is not None and name not in leaves:
                self.masters[row] = name
                self.interfaces[row] = module_interface(raw)
            elif raw is not None:
                if all(port.known_width for port in raw.ports):
                    self.set_type(row, leaf_type(raw, {}))
            else:
                known = internal_type(name)
                if known is not None:
                    self.set_type(row, known)

    def set_type(self, row: int, cell_type: CellType) -> None:
        """Give a row its cell type."""
        self.masters[row] = cell_type
        self.interfaces[row] = Interface.of_type(cell_type)

    def guess_masters(self, leaves: set[str]) -> None:
        """Types that only their uses describe; refused where a library must know them."""
        use = self.port_use(leaves)
        if not use:
            return
        self.refuse_unknown(use)
        first_named: dict[str, tuple[Port, ...]] = {}
        for ordered in (False, True):
            for row, ports in use.items():
                named = {name: width for name, width in ports.items() if isinstance(name, str)}
                count = max((name + 1 for name in ports if isinstance(name, int)), default=0)
                if ordered == bool(count):
                    self.guess(row, named, count, first_named)

    def guess(self, row: int, named: dict[str, int], count: int, first_named: dict[str, tuple[Port, ...]]) -> None:
        """The type of one row from the ports that its cells name, or from their number."""
        name = self.names.masters[row].partition("\0")[0]
        raw = self.raw.get(name)
        if raw is not None:
            self.set_type(row, leaf_type(raw, named))
            return
        if not count:
            ports, guessed = guessed_ports(list(named), list(named.values()))
            first_named[name] = ports
        else:
            width = dict.fromkeys(range(count), 1) | self.ordered_width.get(row, {})
            like = first_named.get(name, ())
            found: list[Port] = []
            for place in range(count):
                scalar = place < len(like) and all(size == 1 for size in width.values())
                direction = like[place].direction if scalar else Direction.UNKNOWN
                left = None if width[place] == 1 else width[place] - 1
                found += port_bits(f"${place + 1}", direction, Role.DATA, left, 0)
            ports, guessed = tuple(found), bool(like)
        self.set_type(row, opaque_type(name, ports))
        self.notes.add("cell type is in no library read: kept opaque")
        if guessed:
            self.notes.add("directions of a type guessed from its port names")
        elif ports:
            self.notes.add("directions of a type unknown")

    def port_use(self, leaves: set[str]) -> dict[int, dict[str | int, int]]:
        """Ports used of each row without a type, in order of first appearance, with the widest use of each.

        A row whose cells are connected by name and by order is split in two, so that each cell keeps its own pins.
        """
        use: dict[int, dict[str | int, int]] = {}
        self.ordered_width: dict[int, dict[int, int]] = {}
        for name, raw in self.raw.items():
            if name in leaves:
                continue
            columns = self.columns[name]
            unknown = np.array([interface is None for interface in self.interfaces], np.bool_)
            rows = np.flatnonzero(unknown[columns.master])
            if not len(rows):
                continue
            for master in np.unique(columns.master[rows]).tolist():
                use.setdefault(master, {})
            wanted = unknown[columns.master[columns.inst]]
            self.split_ordered(raw, columns, wanted, use)
            unknown = np.array([interface is None for interface in self.interfaces], np.bool_)
            conns = np.flatnonzero(unknown[columns.master[columns.inst]])
            master = columns.master[columns.inst[conns]].astype(np.int64)
            width = np.where(columns.flexible[conns], 1, columns.width[conns])
            for inst, array in raw.arrays.items():
                mine = columns.inst[conns] == inst
                whole = mine & (width % array.size == 0) & (width > 0)
                width[whole] //= array.size
            pairs, first, inverse = distinct_pairs(master, columns.port[conns])
            widest = np.zeros(len(pairs), np.int64)
            if len(width) and int(width.max()) <= 1:
                widest[:] = 1
            else:
                np.maximum.at(widest, inverse, width)
            for place in np.argsort(first, kind="stable").tolist():
                row = int(pairs[place] >> 32)
                port = int(pairs[place] & 0xFFFFFFFF) - (1 << 30)
                size = max(1, int(widest[place]))
                if port >= 0:
                    text = self.names.ports[port]
                    use[row][text] = max(use[row].get(text, 1), size)
                else:
                    use[row][-1 - port] = max(use[row].get(-1 - port, 1), size)
                    own = self.ordered_width.setdefault(row, {})
                    own[-1 - port] = max(own.get(-1 - port, 1), size)
        return use

    def split_ordered(
        self, raw: RawModule, columns: _Columns, wanted: BoolArray, use: dict[int, dict[str | int, int]]
    ) -> None:
        """Give cells with ordered connections a row of their own."""
        ordered = np.flatnonzero(wanted & (columns.port < 0))
        for inst in np.unique(columns.inst[ordered]).tolist():
            name = self.names.masters[columns.master[inst]]
            if name in self.raw or "\0" in name:
                continue
            key = f"{name}\0ordered"
            known = key in self.names.master_row
            row = self.names.master(key)
            if not known:
                self.masters.append(None)
                self.interfaces.append(None)
            use.setdefault(row, {})
            columns.master[inst] = row

    def refuse_unknown(self, use: Iterable[int]) -> None:
        """With a library and without black boxes an unknown type is an error at its first cell."""
        if self.library is None or self.black_box:
            return
        rows = {row for row in use if self.names.masters[row].partition("\0")[0] not in self.raw}
        for name, columns in self.columns.items():
            raw = self.raw[name]
            hits = np.flatnonzero(np.isin(columns.master, list(rows)))
            if len(hits):
                first = int(hits[0])
                master = self.names.masters[columns.master[first]].partition("\0")[0]
                raise CircuitError(
                    self.tokens.place(raw.inst_index[first]),
                    f"cell {raw.inst_name[first]!r}",
                    f"type {master!r} is in no library read",
                    "add --liberty, or --black-box to keep it opaque",
                )

    # -- modules -------------------------------------------------------------------------------

    def module(self, raw: RawModule, columns: _Columns) -> Module:
        """The columns of one module."""
        place = self.tokens.place(raw.index)
        pin_start, pin_bits = self.pins(raw, columns)
        nets = NetRows(raw, self.notes, place)
        pin_net = nets.resolve(pin_bits)
        port_bits_, directions, port_base, port_bit, buses = self.ports(raw)
        used = np.array(port_bits_, np.int64)
        names, net_constant, net_role, alias_names, alias_net = nets.tables()
        return Module(
            name=raw.name,
            place=place,
            cell_master=columns.master,
            pin_start=pin_start,
            pin_net=pin_net,
            port_net=nets.resolve(used.astype(np.int32)),
            port_direction=np.array(directions, np.int8),
            port_names=NameTable.of(port_base, port_bit, prefix="$p"),
            net_constant=net_constant,
            net_role=net_role,
            net_names=names,
            cell_names=raw.cell_table(),
            alias_names=alias_names,
            alias_net=alias_net,
            buses=(
                *buses,
                *(
                    Bus(decode_name(base), left, right, False)
                    for _, base, left, right in raw.segments
                    if left is not None and not raw.declared[base].is_port
                ),
            ),
        )

    def ports(self, raw: RawModule) -> tuple[list[int], list[int], list[bytes], list[int], list[Bus]]:
        """Terminals of a module: rows, directions, names and bits; the declared ranges."""
        rows: list[int] = []
        directions: list[int] = []
        bases: list[bytes] = []
        bits: list[int] = []
        buses: list[Bus] = []
        inner = {
            declared.row + step: (base, index)
            for base, declared in raw.declared.items()
            if declared.is_port
            for step, index in enumerate(bit_indices(declared.left, declared.right))
        }
        for port in raw.ports:
            for row, direction, index in zip(port.bits, port.directions, port.bit_indices(), strict=True):
                rows.append(row)
                directions.append(int(direction))
                base, bit = (port.name, index) if port.name else inner[row]
                bases.append(base.encode("latin-1"))
                bits.append(NO_BIT if bit is None else bit)
            if port.left is not None and port.name:
                buses.append(Bus(decode_name(port.name), port.left, port.right, True))
        return rows, directions, bases, bits, buses

    def pins(self, raw: RawModule, columns: _Columns) -> tuple[LongArray, IntArray]:
        """Start of each cell's pins, and the reference on each pin."""
        base, width = self.slots(raw, columns)
        if raw.arrays:
            self.deal_out(raw, columns, width)
        totals = np.array([0 if face is None else face.total for face in self.interfaces], np.int64)
        pin_start = np.zeros(len(columns.master) + 1, np.int64)
        if len(columns.master):
            np.cumsum(totals[columns.master], out=pin_start[1:])
        pin_bits = np.full(int(pin_start[-1]), OPEN, np.int32)
        first = pin_start[columns.inst] + base
        real = base >= 0
        twice = np.flatnonzero(np.bincount(first[real & (width > 0)], minlength=1) > 1)
        if len(twice):
            conn = np.flatnonzero(real & (first == twice[0]))[1]
            raise self.cell_error(raw, columns, int(conn), "is connected twice", "keep one connection")
        if (columns.width == 1).all() and (width == 1).all():
            pin_bits[first[real]] = columns.bits[real]
            return pin_start, pin_bits
        start = np.cumsum(columns.width) - columns.width
        conn_of = np.repeat(np.arange(len(columns.width)), columns.width)
        place = np.arange(len(columns.bits)) - start[conn_of]
        from_low = columns.width[conn_of] - 1 - place
        fits = (from_low < width[conn_of]) & real[conn_of]
        pins = first[conn_of] + width[conn_of] - 1 - from_low
        pin_bits[pins[fits]] = columns.bits[fits]
        other = np.flatnonzero(real & (columns.width != width) & (columns.width > 0))
        for conn in other.tolist():
            if columns.width[conn] < width[conn] and self.is_literal(columns, conn, start):
                missing = int(width[conn] - columns.width[conn])
                pin_bits[first[conn] : first[conn] + missing] = ZERO
            if not columns.flexible[conn]:
                rule = f"has {width[conn]} bits, and its connection {columns.width[conn]}"
                what = "connection of another width: cut, or left open"
                known = not self.strict and self.notes.count(what) >= 3
                error = None if known else self.cell_error(raw, columns, conn, rule, "make the widths equal")
                if self.strict and error is not None:
                    raise error
                self.notes.add(what, error.place if error is not None else "")
        return pin_start, pin_bits

    @staticmethod
    def is_literal(columns: _Columns, conn: int, start: LongArray) -> bool:
        """Whether a connection is constant bits only, which are extended with 0."""
        bits = columns.bits[start[conn] : start[conn] + columns.width[conn]]
        return bool((bits < OPEN).all())

    def slots(self, raw: RawModule, columns: _Columns) -> tuple[LongArray, LongArray]:
        """First pin (DROPPED: a supply pin that the type lacks) and width of each connection's port."""
        if not len(columns.port):
            none = np.zeros(0, np.int64)
            return none, none
        pairs, first, inverse = distinct_pairs(columns.master[columns.inst], columns.port)
        base = np.zeros(len(pairs), np.int64)
        width = np.zeros(len(pairs), np.int64)
        for place, (pair, conn) in enumerate(zip(pairs.tolist(), first.tolist(), strict=True)):
            face = self.interfaces[pair >> 32]
            port = (pair & 0xFFFFFFFF) - (1 << 30)
            assert face is not None
            if port < 0:
                if -1 - port >= len(face.base):
                    rule = f"takes {len(face.base)} connections, not {-port}"
                    raise self.cell_error(raw, columns, conn, rule, "check the order of its ports", whole=True)
                base[place], width[place] = face.base[-1 - port], face.width[-1 - port]
                continue
            name = self.names.ports[port]
            found = face.by_name.get(name)
            if found is None and self.is_supply(self.masters[pair >> 32], name):
                base[place] = DROPPED
                self.notes.add("supply pin that the library does not have: left out")
                continue
            if found is None:
                way_out = nearest(name, face.by_name, f"its ports are {', '.join(face.names[:8])}")
                raise self.cell_error(raw, columns, conn, "is not a port of it", way_out)
            base[place], width[place] = found
        return base[inverse], width[inverse]

    def is_supply(self, master: CellType | str | None, port: str) -> bool:
        """Whether a port that a cell type lacks is a supply: the library says so, or its name."""
        if not isinstance(master, CellType):
            return False
        known = getattr(self.library, "is_power_port", None)
        return supply_role(port) is not None or (known is not None and bool(known(master.name, port)))

    def cell_error(
        self, raw: RawModule, columns: _Columns, conn: int, rule: str, way_out: str, whole: bool = False
    ) -> CircuitError:
        """The error of one connection of a cell."""
        inst = int(columns.inst[conn])
        row = int(columns.master[inst])
        fixed = self.names.fixed.get(row)
        master = fixed.name if fixed is not None else self.names.masters[row].partition("\0")[0]
        port = int(columns.port[conn])
        name = self.names.ports[port] if port >= 0 else f"${-port}"
        what = f"type {master!r} {rule}" if whole else f"port {name!r} of type {master!r} {rule}"
        place = self.tokens.place(raw.inst_index[inst])
        return CircuitError(place, f"cell {raw.inst_name[inst]!r}", what, way_out)

    def deal_out(self, raw: RawModule, columns: _Columns, width: LongArray) -> None:
        """Give each element of an instance array its share of the bits."""
        start = np.cumsum(columns.width) - columns.width
        parts: list[IntArray] = []
        widths = columns.width.copy()
        for conn in range(len(columns.width)):
            bits = columns.bits[start[conn] : start[conn] + columns.width[conn]]
            array = raw.arrays.get(int(columns.inst[conn]))
            want = int(width[conn])
            if array is not None and len(bits) == want * array.size and array.size > 1:
                bits = bits[want * array.element : want * (array.element + 1)]
                widths[conn] = want
            parts.append(bits)
        columns.bits = np.concatenate(parts) if parts else columns.bits
        columns.width = widths


def distinct_pairs(master: LongArray | IntArray, port: IntArray) -> tuple[LongArray, LongArray, LongArray]:
    """Distinct (type, port) pairs as ``type << 32 | port + 2**30``, their first places, and the pair of each place."""
    low = int(port.min()) if len(port) else 0
    span = int(port.max()) - low + 1 if len(port) else 1
    size = span * (int(master.max()) + 1) if len(master) else 0
    if size > 4 * len(port) + 1024:
        key = (master.astype(np.int64) << 32) + port.astype(np.int64) + (1 << 30)
        pairs, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        return pairs, first, inverse
    dense = master.astype(np.int64)
    dense *= span
    dense += port
    dense -= low
    at = np.full(size, -1, np.int64)
    at[dense[::-1]] = np.arange(len(port) - 1, -1, -1)
    used = np.flatnonzero(at >= 0)
    rank = np.zeros(size, np.int64)
    rank[used] = np.arange(len(used))
    return ((used // span) << 32) + (used % span + low) + (1 << 30), at[used], rank[dense]
