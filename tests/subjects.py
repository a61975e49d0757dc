"""Tiny subjects of the tests: circuits, random circuits, batches."""

from __future__ import annotations

import numpy as np

from circuitgraph.cell_types import AND2, DFF, LATCH, gate_type
from circuitgraph.circuit import CellType, Circuit, CircuitBuilder, Direction, Port, Reset, Role
from circuitgraph.function import Function

FULL_ADDER_BENCH = """INPUT(a)
INPUT(b)
INPUT(c)
OUTPUT(s)
OUTPUT(k)
x = XOR(a, b)
s = XOR(x, c)
g = NAND(a, b)
h = NAND(x, c)
k = NAND(g, h)
"""


def full_adder() -> Circuit:
    builder = CircuitBuilder("full_adder")
    a, b, c = (builder.input(name) for name in "abc")
    x, s, g, h, k = (builder.net(name) for name in "xsghk")
    builder.cell("x", gate_type("XOR", 2), [a, b, x])
    builder.cell("s", gate_type("XOR", 2), [x, c, s])
    builder.cell("g", gate_type("NAND", 2), [a, b, g])
    builder.cell("h", gate_type("NAND", 2), [x, c, h])
    builder.cell("k", gate_type("NAND", 2), [g, h, k])
    builder.output("s", s)
    builder.output("k", k)
    return builder.build("full_adder.test", "bench")


def loop_of(length: int) -> Circuit:
    """A ring of *length* inverters with an output."""
    builder = CircuitBuilder("ring")
    nets = [builder.net(f"n{row}") for row in range(length)]
    for row in range(length):
        builder.cell(f"u{row}", gate_type("NOT", 1), [nets[row - 1], nets[row]])
    builder.output("y", nets[0])
    return builder.build("ring.test")


def chain(length: int) -> Circuit:
    """A chain of *length* buffers."""
    builder = CircuitBuilder("chain")
    net = builder.input("a")
    for row in range(length):
        following = builder.net()
        builder.cell(f"u{row}", gate_type("BUF", 1), [net, following])
        net = following
    builder.output("y", net)
    return builder.build("chain.test")


MUX_XY = CellType(
    "PICK",
    "mux2",
    (Port("S", role=Role.SELECT), Port("D0"), Port("D1"), Port("Q", Direction.OUTPUT)),
    (None, None, None, Function.of_program((0, 2, "and", 0, "not", 1, "and", "or"))),
)


def random_circuit(seed: int, gates: int = 30, inputs: int = 5, latches: int = 3) -> Circuit:
    """Gates over earlier nets, flip-flops in between, every unread net an output."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(f"random{seed}")
    nets = [builder.input(f"i{row}") for row in range(inputs)]
    states = [builder.net(f"q{row}") for row in range(latches)]
    nets += states
    kinds = [("AND", 2), ("NAND", 3), ("OR", 2), ("NOR", 2), ("XOR", 2), ("NOT", 1), ("MUX", 3)]
    used: set[int] = set()
    for row in range(gates):
        word, fan_in = kinds[rng.integers(len(kinds))]
        pins = [nets[index] for index in rng.integers(max(0, len(nets) - 14), len(nets), fan_in)]
        used |= set(pins)
        out = builder.net(f"g{row}")
        cell_type = MUX_XY if word == "MUX" and rng.random() < 0.5 else gate_type(word, fan_in)
        builder.cell(f"u{row}", cell_type, [*pins, out])
        nets.append(out)
    for row, state in enumerate(states):
        source = nets[int(rng.integers(len(nets)))]
        used.add(source)
        builder.cell(f"f{row}", DFF, [source, state], reset=Reset.UNKNOWN)
    for net in nets:
        if net not in used:
            builder.output(f"o{net}", net)
    return builder.build(f"random{seed}.test", "bench")


def random_aig(seed: int, ands: int = 40, inputs: int = 6, latches: int = 2) -> Circuit:
    """An AIG with complemented edges and latches."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(f"aig{seed}")
    nets = [builder.input(f"i{row}") for row in range(inputs)]
    states = [builder.net() for _ in range(latches)]
    nets += states
    for row in range(latches):
        builder.cell(
            "", LATCH, [nets[int(rng.integers(inputs))], states[row]], [bool(rng.integers(2)), False], Reset.ZERO
        )
    for _ in range(ands):
        left, right = rng.integers(0, len(nets), 2)
        out = builder.net()
        builder.cell("", AND2, [nets[left], nets[right], out], [bool(rng.integers(2)), bool(rng.integers(2)), False])
        nets.append(out)
    for row, net in enumerate(nets[-4:]):
        builder.output(f"o{row}", net, inverted=bool(rng.integers(2)))
    return builder.build(f"aig{seed}.test", "aiger")


def permuted(circuit: Circuit, seed: int) -> Circuit:
    """The same circuit with cells and nets in another order, and the ports of its types in another order."""
    rng = np.random.default_rng(seed)
    cells, nets = rng.permutation(circuit.num_cells), rng.permutation(circuit.num_nets)
    builder = CircuitBuilder(circuit.name)
    rows = {}
    for net in nets.tolist():
        constant = int(circuit.net_constant[net])
        name = circuit.net_names.text(net) if circuit.net_names.base(net) else ""
        rows[net] = builder.net(name) if constant < 0 else builder.constant(constant)
    for port in range(circuit.num_ports):
        inverted = bool(circuit.port_inverted is not None and circuit.port_inverted[port])
        name = circuit.port_names.text(port)
        builder.port(
            name, rows[int(circuit.port_net[port])], Direction(circuit.port_direction[port]), inverted=inverted
        )
    types = {}
    for row, cell_type in enumerate(circuit.types):
        order = rng.permutation(len(cell_type.ports)).tolist()
        place = {old: new for new, old in enumerate(order)}
        functions = [cell_type.functions[old] for old in order]
        moved = tuple(None if f is None else f.moved(place) for f in functions)
        state = None if cell_type.next_state is None else cell_type.next_state.moved(place)
        ports = tuple(cell_type.ports[old] for old in order)
        types[row] = (
            CellType(cell_type.name, cell_type.kind, ports, moved, cell_type.is_sequential, cell_type.is_opaque, state),
            order,
        )
    for cell in cells.tolist():
        cell_type, order = types[int(circuit.cell_type[cell])]
        start = int(circuit.pin_start[cell])
        pins = [rows[int(circuit.pin_net[start + old])] if circuit.pin_net[start + old] >= 0 else -1 for old in order]
        inverted = [] if circuit.pin_inverted is None else [bool(circuit.pin_inverted[start + old]) for old in order]
        reset = (
            None if circuit.latch_reset is None or circuit.latch_reset[cell] < 0 else Reset(circuit.latch_reset[cell])
        )
        name = circuit.cell_names.text(cell) if circuit.cell_names.base(cell) else ""
        builder.cell(name, cell_type, pins, inverted, reset)
    return builder.build(circuit.place, circuit.format)
