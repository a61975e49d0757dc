"""Circuit: the one data model for gates, AIGs and transistors.

A circuit is a typed bipartite graph of cells and nets, joined by pins. It is immutable and columnar.
An AIG is a Circuit whose types are AND2 and LATCH with inverted pins; a SPICE deck is one whose types are device
kinds with terminals. There is no subclass. What is derived (drivers, levels) is computed once on demand.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import CircuitError, Notes, nearest
from circuitgraph.function import Function
from circuitgraph.names import NO_BIT, NameTable, encode, split_bit

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]
Array = npt.NDArray[np.generic]


class Direction(enum.IntEnum):
    """Direction of a port: of a cell type, or of the circuit itself (seen from outside)."""

    UNKNOWN = 0
    INPUT = 1
    OUTPUT = 2
    INOUT = 3


class Role(enum.IntEnum):
    """What a port of a cell type is for."""

    DATA = 0
    CLOCK = 1
    ENABLE = 2
    SET = 3
    RESET = 4
    SELECT = 5
    SCAN = 6
    POWER = 7
    GROUND = 8
    GATE = 9
    DRAIN = 10
    SOURCE = 11
    BULK = 12
    POSITIVE = 13
    NEGATIVE = 14
    COLLECTOR = 15
    BASE = 16
    EMITTER = 17


class PortRole(enum.IntEnum):
    """What a terminal of the circuit is for; properties are AIGER 1.9's."""

    PLAIN = 0
    CLOCK = 1
    BAD = 2
    CONSTRAINT = 3
    JUSTICE = 4
    FAIRNESS = 5
    POWER = 6
    GROUND = 7


class NetRole(enum.IntEnum):
    """What a net is for."""

    SIGNAL = 0
    CLOCK = 1
    POWER = 2
    GROUND = 3


class Reset(enum.IntEnum):
    """Value of a latch or flip-flop before the first clock."""

    ZERO = 0
    ONE = 1
    UNINITIALISED = 2
    UNKNOWN = 3


@dataclass(frozen=True)
class Port:
    """A terminal of a cell type."""

    name: str
    direction: Direction = Direction.INPUT
    role: Role = Role.DATA


@dataclass(frozen=True)
class CellType:
    """What cells are instances of.

    | field | meaning |
    |---|---|
    | name | the library's or format's name |
    | kind | word of the vocabulary |
    | ports | in the order of the pins of every cell of this type |
    | functions | per port: what an output computes from the ports; None for inputs and where unknown |
    | is_sequential | holds state: its outputs start paths, ``next_state`` ends them |
    | is_opaque | nothing is known of its inside |
    | next_state | of a sequential type: what is stored at the next clock, or None |
    """

    name: str
    kind: str
    ports: tuple[Port, ...]
    functions: tuple[Function | None, ...]
    is_sequential: bool = False
    is_opaque: bool = False
    next_state: Function | None = None

    def __post_init__(self) -> None:
        """Check that there is one function slot a port."""
        if len(self.functions) != len(self.ports):
            raise ValueError(f"cell type {self.name}: {len(self.functions)} functions for {len(self.ports)} ports")

    def port_index(self, name: str) -> int:
        """Index of a port by name, -1 where there is none."""
        return self._index.get(name, -1)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {port.name: index for index, port in enumerate(self.ports)}

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Indices of the input ports (inout ports count)."""
        return tuple(i for i, p in enumerate(self.ports) if p.direction in {Direction.INPUT, Direction.INOUT})

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """Indices of the output ports (inout ports count)."""
        return tuple(i for i, p in enumerate(self.ports) if p.direction in {Direction.OUTPUT, Direction.INOUT})

    @cached_property
    def slots(self) -> tuple[int, ...]:
        """Slot of each port: inputs that may be exchanged with each other share one, whatever their order.

        An input's slot is the rank of what the functions become when it is 0 and when it is 1, up to the order of the
        other inputs; ports of opaque types go by role and name. Outputs have slot 0.
        """
        keys: dict[int, tuple[str, ...]] = {}
        functions = [f for f in (*self.functions, self.next_state) if f is not None]
        for port in self.inputs:
            role = f"{int(self.ports[port].role):02d}"
            if self.is_opaque or not functions:
                keys[port] = (role, self.ports[port].name)
                continue
            parts = sorted(f.input_class(port) for f in functions)
            reads = any(port in f.inputs for f in functions)
            keys[port] = (role, *parts) if reads else (role, self.ports[port].name)
        rank = {key: number for number, key in enumerate(sorted(set(keys.values())))}
        return tuple(rank[keys[port]] if port in keys else 0 for port in range(len(self.ports)))

    def signature(self) -> str:
        """Text that two types share exactly when they are the same type."""
        ports = ",".join(f"{p.name}:{int(p.direction)}:{int(p.role)}" for p in self.ports)
        functions = ",".join("-" if f is None else f"{f.inputs}{f.table}{f.program}" for f in self.functions)
        flags = f"{int(self.is_sequential)}{int(self.is_opaque)}"
        return f"{self.name}|{self.kind}|{ports}|{functions}|{flags}|{self.next_state}"


@dataclass(frozen=True)
class Parameter:
    """A column of one parameter over the cells.

    | field | meaning |
    |---|---|
    | values | float64 [C] in SI units (NaN = absent), int64 [C], or int32 [C] codes into ``texts`` (-1 = absent) |
    | unit | "m", "ohm", "F", ...; "" for none |
    | texts | the distinct texts of a coded column (models, big integers), else () |
    """

    values: Array
    unit: str = ""
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bus:
    """Declared range of a bus of ports or nets, kept for writing Verilog back."""

    name: str
    left: int
    right: int
    is_port: bool


@dataclass(frozen=True, eq=False)
class Circuit:
    """Cells and nets joined by pins; C cells, P pins, N nets, T terminals.

    | column | type, shape | meaning |
    |---|---|---|
    | types | tuple of CellType | distinct types |
    | cell_type | int32 [C] | index into ``types`` |
    | pin_start | int64 [C + 1] | pins of cell c are ``pin_start[c]:pin_start[c + 1]``, in the type's port order |
    | pin_net | int32 [P] | net of each pin; -1 unconnected |
    | pin_inverted | bool [P] or None | complemented pins (AIG) |
    | port_net, port_direction, port_inverted | int32, int8, bool or None [T] | the circuit's terminals, in file order |
    | port_role, port_group | int8, int32 [T] | :class:`PortRole`; number of the justice set, else -1 |
    | net_constant | int8 [N] | -1 not constant, 0, 1, 2 = x |
    | net_role | int8 [N] | :class:`NetRole` |
    | parameters | name -> Parameter | columns over the cells |
    | latch_reset | int8 [C] or None | :class:`Reset`; -1 where the cell is no latch |
    | cell_block, block_parent, block_type | int32 | hierarchy that flattening removed; -1 = top |
    | cell_names, net_names, port_names, block_names | NameTable | names |
    | alias_names, alias_net | NameTable, int32 [A] | other names of nets that ``assign`` merged |
    | buses | tuple of Bus | declared ranges |
    | notes | Notes | what the reader skipped, merged or guessed; outside hash and equality |
    """

    name: str
    types: tuple[CellType, ...]
    cell_type: IntArray
    pin_start: LongArray
    pin_net: IntArray
    port_net: IntArray
    port_direction: ByteArray
    port_names: NameTable
    net_constant: ByteArray
    cell_names: NameTable
    net_names: NameTable
    pin_inverted: BoolArray | None = None
    port_inverted: BoolArray | None = None
    port_role: ByteArray = field(default_factory=lambda: np.zeros(0, np.int8))
    port_group: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    net_role: ByteArray = field(default_factory=lambda: np.zeros(0, np.int8))
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    latch_reset: ByteArray | None = None
    cell_block: IntArray | None = None
    block_parent: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    block_type: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    block_types: tuple[str, ...] = ()
    block_names: NameTable = field(default_factory=lambda: NameTable.unnamed(0))
    alias_names: NameTable = field(default_factory=lambda: NameTable.unnamed(0))
    alias_net: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    buses: tuple[Bus, ...] = ()
    notes: Notes = field(default_factory=Notes)
    place: str = ""
    format: str = ""

    def __post_init__(self) -> None:
        """Fill what may be left out, fix dtypes, check shapes and ranges, make the columns read-only."""
        fixed = {
            "cell_type": np.int32,
            "pin_start": np.int64,
            "pin_net": np.int32,
            "port_net": np.int32,
            "port_direction": np.int8,
            "net_constant": np.int8,
            "port_role": np.int8,
            "port_group": np.int32,
            "net_role": np.int8,
            "pin_inverted": np.bool_,
            "port_inverted": np.bool_,
            "latch_reset": np.int8,
            "cell_block": np.int32,
            "block_parent": np.int32,
            "block_type": np.int32,
            "alias_net": np.int32,
        }
        if not len(self.port_role):
            object.__setattr__(self, "port_role", np.zeros(len(self.port_net), np.int8))
        if not len(self.port_group):
            object.__setattr__(self, "port_group", np.full(len(self.port_net), -1, np.int32))
        if not len(self.net_role):
            object.__setattr__(self, "net_role", np.zeros(len(self.net_constant), np.int8))
        for name, dtype in fixed.items():
            column = getattr(self, name)
            if column is not None:
                column = np.ascontiguousarray(column, dtype).view()
                column.flags.writeable = False
                object.__setattr__(self, name, column)
        self._check()

    def _check(self) -> None:
        cells, pins, nets, ports = len(self.cell_type), len(self.pin_net), len(self.net_constant), len(self.port_net)
        lengths = {
            "pin_start": cells + 1,
            "cell_names": cells,
            "net_names": nets,
            "net_role": nets,
            "port_names": ports,
            "port_direction": ports,
            "port_role": ports,
            "port_group": ports,
            "pin_inverted": pins,
            "port_inverted": ports,
            "latch_reset": cells,
            "cell_block": cells,
            "alias_net": len(self.alias_names),
        }
        for name, length in lengths.items():
            column = getattr(self, name)
            if column is not None and len(column) != length:
                raise ValueError(f"column {name} has {len(column)} rows, not {length}")
        if cells and not (self.cell_type.min() >= 0 and self.cell_type.max() < len(self.types)):
            raise ValueError("cell_type points outside types")
        if self.pin_start[0] or self.pin_start[-1] != pins:
            raise ValueError("pin_start does not span the pins")
        arity = np.array([len(cell_type.ports) for cell_type in self.types], np.int64)
        if cells and (np.diff(self.pin_start) != arity[self.cell_type]).any():
            raise ValueError("pin_start does not fit the ports of the types")
        for column in (self.pin_net, self.port_net, self.alias_net):
            if len(column) and not (column.min() >= -1 and column.max() < nets):
                raise ValueError("a net index points outside the nets")

    # -- sizes ---------------------------------------------------------------------------------

    @property
    def num_cells(self) -> int:
        """Number of cells, C."""
        return len(self.cell_type)

    @property
    def num_pins(self) -> int:
        """Number of pins, P, unconnected ones included."""
        return len(self.pin_net)

    @property
    def num_nets(self) -> int:
        """Number of nets, N, constants included."""
        return len(self.net_constant)

    @property
    def num_ports(self) -> int:
        """Number of terminals of the circuit, T."""
        return len(self.port_net)

    def __repr__(self) -> str:
        """Name and sizes, not contents."""
        return (
            f"Circuit({self.name!r}, {self.num_cells:,} cells of {len(self.types)} types, {self.num_nets:,} nets, "
            f"{self.num_pins:,} pins, {self.num_ports:,} ports)"
        )

    # -- derived once, on demand ---------------------------------------------------------------

    @cached_property
    def pin_cell(self) -> IntArray:
        """Cell of each pin, int32 [P]."""
        return np.repeat(np.arange(self.num_cells, dtype=np.int32), np.diff(self.pin_start))

    @cached_property
    def pin_port(self) -> IntArray:
        """Index of each pin among the ports of its cell's type, int32 [P]."""
        return (np.arange(self.num_pins) - np.repeat(self.pin_start[:-1], np.diff(self.pin_start))).astype(np.int32)

    def pin_values(self, by_type: Sequence[Sequence[int | bool]], dtype: npt.DTypeLike) -> Array:
        """A value of each type's ports, spread over the pins, [P].

        Args:
            by_type: one sequence a type, as long as its ports.
        """
        start = np.zeros(len(self.types) + 1, np.int64)
        np.cumsum([len(cell_type.ports) for cell_type in self.types], out=start[1:])
        flat = np.array([value for values in by_type for value in values], dtype)
        if not len(flat):
            return np.zeros(self.num_pins, dtype)
        found: Array = flat[start[self.cell_type[self.pin_cell]] + self.pin_port]
        return found

    @cached_property
    def pin_direction(self) -> ByteArray:
        """:class:`Direction` of each pin, int8 [P]."""
        values = [[int(port.direction) for port in cell_type.ports] for cell_type in self.types]
        return self.pin_values(values, np.int8).astype(np.int8, copy=False)

    @cached_property
    def net_pins(self) -> tuple[LongArray, IntArray]:
        """CSR of the pins on each net: start int64 [N + 1], pins int32, ascending within a net."""
        connected = np.flatnonzero(self.pin_net >= 0)
        nets = self.pin_net[connected]
        order = np.argsort(nets, kind="stable")
        start = np.zeros(self.num_nets + 1, np.int64)
        np.cumsum(np.bincount(nets, minlength=self.num_nets), out=start[1:])
        return start, connected[order].astype(np.int32)

    @cached_property
    def net_driver(self) -> IntArray:
        """First driver of each net, int32 [N]: a pin, or P + t for terminal t, or -1 for none.

        Output pins come first, then the circuit's inputs, then inout pins and terminals.
        """
        driver = np.full(self.num_nets, -1, np.int32)
        pin, port = self.pin_direction, self.port_direction
        wanted = (Direction.INOUT, Direction.INPUT, Direction.OUTPUT)
        for direction in wanted:
            if direction != Direction.INPUT:
                rows = np.flatnonzero((pin == direction) & (self.pin_net >= 0))[::-1]
                driver[self.pin_net[rows]] = rows
            if direction != Direction.OUTPUT:
                rows = np.flatnonzero((port == direction) & (self.port_net >= 0))[::-1]
                driver[self.port_net[rows]] = rows + self.num_pins
        return driver

    @cached_property
    def net_driver_count(self) -> IntArray:
        """Output pins, circuit inputs and constants that drive each net, int32 [N]; inouts do not count."""
        pins = self.pin_net[(self.pin_direction == Direction.OUTPUT) & (self.pin_net >= 0)]
        ports = self.port_net[(self.port_direction == Direction.INPUT) & (self.port_net >= 0)]
        count = np.bincount(pins, minlength=self.num_nets) + np.bincount(ports, minlength=self.num_nets)
        return (count + (self.net_constant >= 0)).astype(np.int32)

    @cached_property
    def net_load_count(self) -> IntArray:
        """Input pins and circuit outputs that read each net, int32 [N]; inouts and unknown pins count."""
        pins = self.pin_net[(self.pin_direction != Direction.OUTPUT) & (self.pin_net >= 0)]
        ports = self.port_net[(self.port_direction != Direction.INPUT) & (self.port_net >= 0)]
        return (np.bincount(pins, minlength=self.num_nets) + np.bincount(ports, minlength=self.num_nets)).astype(
            np.int32
        )

    @cached_property
    def is_sequential(self) -> BoolArray:
        """Whether each cell holds state, bool [C]."""
        flags = np.array([cell_type.is_sequential for cell_type in self.types], np.bool_)
        return flags[self.cell_type] if self.num_cells else np.zeros(0, np.bool_)

    @cached_property
    def net_lookup(self) -> Mapping[str, int]:
        """Net by printed name, aliases included; a net's own name goes before an alias."""
        found = dict(self.net_names.rows)
        for row, text in enumerate(self.alias_names.texts()):
            found.setdefault(text, int(self.alias_net[row]))
        return found

    def find_net(self, text: str) -> int:
        """Net of a name as printed or as other formats escape it, aliases included; -1 for none."""
        row = self.net_lookup.get(text, -1)
        if row >= 0:
            return row
        row = self.net_names.find(text)
        if row >= 0:
            return row
        alias = self.alias_names.find(text) if len(self.alias_names) else -1
        return int(self.alias_net[alias]) if alias >= 0 else -1

    def find_pin(self, text: str) -> int:
        """Pin named ``cell/pin``; -1 where there is none."""
        for at in range(len(text) - 1, 0, -1):
            if text[at] == "/":
                cell = self.cell_names.find(text[:at])
                if cell >= 0:
                    port = self.types[self.cell_type[cell]].port_index(text[at + 1 :])
                    return int(self.pin_start[cell]) + port if port >= 0 else -1
        return -1

    def pin_text(self, pin: int) -> str:
        """``cell/pin`` of a pin."""
        cell = int(self.pin_cell[pin])
        return f"{self.cell_names.text(cell)}/{self.types[self.cell_type[cell]].ports[self.pin_port[pin]].name}"

    # -- hashes --------------------------------------------------------------------------------

    def columns(self) -> dict[str, Array]:
        """Every raw column by name, in a fixed order: what :meth:`content_hash` covers."""
        found: dict[str, Array] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, np.ndarray):
                found[entry.name] = value
            elif isinstance(value, NameTable):
                found.update(value.columns(entry.name))
        for name, parameter in self.parameters.items():
            found[f"parameters.{name}"] = parameter.values
        return found

    @cached_property
    def content_hash(self) -> str:
        """sha256 over the raw columns in order: the key of caches. Notes, place and format are outside."""
        digest = hashlib.sha256(self.name.encode("utf-8", "surrogateescape"))
        texts = [cell_type.signature() for cell_type in self.types]
        texts += [f"{name}|{p.unit}|{p.texts}" for name, p in self.parameters.items()]
        texts += [repr(self.buses), repr(self.block_types)]
        for text in texts:
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
        for name, column in self.columns().items():
            digest.update(f"{name}|{column.dtype.str}|{column.shape}".encode())
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()

    @cached_property
    def canonical_hash(self) -> str:
        """sha256 over the sorted dump: equal for circuits that differ only in the order of rows."""
        from circuitgraph.canonical import canonical_dump

        return hashlib.sha256("\n".join(canonical_dump(self)).encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def graph_id(self) -> int:
        """First 63 bits of the content hash: what random draws are keyed by."""
        return int(self.content_hash[:16], 16) >> 1

    def __eq__(self, other: object) -> bool:
        """Equal columns in equal order; notes, place and format do not count."""
        return isinstance(other, Circuit) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        """By content, as equality is."""
        return hash(self.content_hash)


class CircuitBuilder:
    """The slow friendly way to make a Circuit; readers of big files fill the columns directly.

    >>> from circuitgraph.cell_types import gate_type
    >>> builder = CircuitBuilder("half")
    >>> a, b = builder.input("a"), builder.input("b")
    >>> builder.cell("u1", gate_type("AND", 2), [a, b, builder.net("y")])
    0
    >>> builder.output("y", builder.net("y"))
    0
    >>> builder.build()
    Circuit('half', 1 cells of 1 types, 3 nets, 3 pins, 3 ports)
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.notes = Notes()
        self._types: dict[str, int] = {}
        self._type_list: list[CellType] = []
        self._cell_type: list[int] = []
        self._cell_names: list[bytes] = []
        self._pin_net: list[int] = []
        self._pin_inverted: list[bool] = []
        self._pin_start = [0]
        self._ports: list[tuple[bytes, int, int, Direction, PortRole, int, bool]] = []
        self._net_rows: dict[str, int] = {}
        self._net_names: list[tuple[bytes, int]] = []
        self._net_constant: list[int] = []
        self._net_role: list[int] = []
        self._parameters: dict[str, tuple[str, dict[int, float | int | str]]] = {}
        self._reset: dict[int, int] = {}

    def net(self, name: str = "") -> int:
        """Row of the net called *name*, made when it is new; a net without a name is always new.

        ``a[3]`` is bit 3 of bus ``a``; ``a\\[3\\]`` is a scalar whose name holds brackets.
        """
        if name and name in self._net_rows:
            return self._net_rows[name]
        row = len(self._net_names)
        base, bit = split_bit(name)
        self._net_names.append((encode(base.replace("\\[", "[").replace("\\]", "]").replace("\\/", "/")), bit))
        self._net_constant.append(-1)
        self._net_role.append(0)
        if name:
            self._net_rows[name] = row
        return row

    def constant(self, value: int) -> int:
        """Row of the constant net 0, 1 or 2 (x); one of each a circuit."""
        key = f"1'b{'01x'[value]}"
        new = key not in self._net_rows
        row = self.net(key)
        if new:
            self._net_constant[row] = value
        return row

    def set_net_role(self, net: int, role: NetRole) -> None:
        """Say what a net is for."""
        self._net_role[net] = int(role)

    def input(self, name: str, net: int | None = None, role: PortRole = PortRole.PLAIN) -> int:
        """A terminal that drives the net *net*, or the net of its own name; returns the net."""
        row = self.net(name) if net is None else net
        self.port(name, row, Direction.INPUT, role)
        return row

    def output(self, name: str, net: int, inverted: bool = False, role: PortRole = PortRole.PLAIN) -> int:
        """A terminal that reads *net*; returns the number of outputs before it."""
        count = sum(port[3] == Direction.OUTPUT for port in self._ports)
        self.port(name, net, Direction.OUTPUT, role, inverted=inverted)
        return count

    def port(
        self,
        name: str,
        net: int,
        direction: Direction,
        role: PortRole = PortRole.PLAIN,
        group: int = -1,
        inverted: bool = False,
    ) -> None:
        """A terminal of any direction and role."""
        base, bit = split_bit(name)
        raw = encode(base.replace("\\[", "[").replace("\\]", "]").replace("\\/", "/"))
        self._ports.append((raw, bit, net, direction, role, group, inverted))

    def cell(
        self,
        name: str,
        cell_type: CellType,
        pins: Sequence[int] | Mapping[str, int],
        inverted: Sequence[bool] = (),
        reset: Reset | None = None,
        parameters: Mapping[str, tuple[float | int | str, str]] | None = None,
    ) -> int:
        """A cell; returns its row.

        Args:
            pins: net of each port in order (-1 unconnected), or net by port name.
            inverted: per pin, or nothing for none.
            parameters: name -> (value, unit).

        Raises:
            CircuitError: a port name is unknown, or the number of pins is wrong.
        """
        if isinstance(pins, Mapping):
            unknown = [port for port in pins if cell_type.port_index(port) < 0]
            if unknown:
                known = [port.name for port in cell_type.ports]
                raise CircuitError(
                    self.name or "circuit",
                    f"cell {name!r}",
                    f"type {cell_type.name!r} has no port {unknown[0]!r}",
                    nearest(unknown[0], known, f"its ports are {', '.join(known)}"),
                )
            row_pins = [pins.get(port.name, -1) for port in cell_type.ports]
        else:
            row_pins = list(pins)
        if len(row_pins) != len(cell_type.ports):
            raise CircuitError(
                self.name or "circuit",
                f"cell {name!r}",
                f"type {cell_type.name!r} takes {len(cell_type.ports)} pins, not {len(row_pins)}",
                "give one net a port, -1 for none",
            )
        if len(inverted) not in {0, len(row_pins)}:
            raise CircuitError(
                self.name or "circuit",
                f"cell {name!r}",
                f"has {len(inverted)} flags of inversion for {len(row_pins)} pins",
                "give one a pin, or none",
            )
        key = cell_type.signature()
        if key not in self._types:
            self._types[key] = len(self._type_list)
            self._type_list.append(cell_type)
        row = len(self._cell_type)
        self._cell_type.append(self._types[key])
        self._cell_names.append(encode(name))
        self._pin_net.extend(row_pins)
        self._pin_inverted.extend(inverted or [False] * len(row_pins))
        self._pin_start.append(len(self._pin_net))
        if reset is not None:
            self._reset[row] = int(reset)
        for key, (value, unit) in (parameters or {}).items():
            self._parameters.setdefault(key, (unit, {}))[1][row] = value
        return row

    def build(self, place: str = "", format: str = "") -> Circuit:
        """The circuit as built so far."""
        cells = len(self._cell_type)
        reset = None
        if self._reset:
            reset = np.full(cells, -1, np.int8)
            reset[list(self._reset)] = list(self._reset.values())
        inverted = np.array(self._pin_inverted, np.bool_)
        port_inverted = np.array([port[6] for port in self._ports], np.bool_)
        has_inversion = bool(inverted.any() or port_inverted.any())
        return Circuit(
            name=self.name,
            types=tuple(self._type_list),
            cell_type=np.array(self._cell_type, np.int32),
            pin_start=np.array(self._pin_start, np.int64),
            pin_net=np.array(self._pin_net, np.int32),
            pin_inverted=inverted if has_inversion else None,
            port_net=np.array([port[2] for port in self._ports], np.int32),
            port_direction=np.array([int(port[3]) for port in self._ports], np.int8),
            port_inverted=port_inverted if has_inversion else None,
            port_role=np.array([int(port[4]) for port in self._ports], np.int8),
            port_group=np.array([port[5] for port in self._ports], np.int32),
            port_names=NameTable.of([p[0] for p in self._ports], [p[1] for p in self._ports], prefix="$p"),
            net_constant=np.array(self._net_constant, np.int8),
            net_role=np.array(self._net_role, np.int8),
            parameters={name: _parameter(unit, values, cells) for name, (unit, values) in self._parameters.items()},
            latch_reset=reset,
            cell_names=NameTable.of(self._cell_names, prefix="$c"),
            net_names=NameTable.of([n[0] for n in self._net_names], [n[1] for n in self._net_names]),
            notes=self.notes,
            place=place,
            format=format,
        )


def _parameter(unit: str, values: Mapping[int, float | int | str], cells: int) -> Parameter:
    """The column of one parameter: text where any value is text, else float64 with NaN for absent."""
    if any(isinstance(value, str) for value in values.values()):
        texts = tuple(dict.fromkeys(str(value) for value in values.values()))
        code = {text: number for number, text in enumerate(texts)}
        column = np.full(cells, -1, np.int32)
        for row, value in values.items():
            column[row] = code[str(value)]
        return Parameter(column, unit, texts)
    numbers = np.full(cells, np.nan)
    for row, value in values.items():
        numbers[row] = float(value)
    return Parameter(numbers, unit)


__all__ = [
    "NO_BIT",
    "Bus",
    "CellType",
    "Circuit",
    "CircuitBuilder",
    "Direction",
    "NetRole",
    "Parameter",
    "Port",
    "PortRole",
    "Reset",
    "Role",
]
