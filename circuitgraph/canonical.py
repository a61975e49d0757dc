"""The canonical dump of a circuit: the same for circuits that differ only in the order of rows."""

from __future__ import annotations

import hashlib

import numpy as np

from circuitgraph.circuit import Circuit, Direction


def canonical_dump(circuit: Circuit) -> list[str]:
    """One line a port, cell and alias-free net role, sorted; unnamed nets and cells go by their fan-in.

    An unnamed net is called after its driver: type, port and the names of the driver's fan-in, hashed;
    this is what makes two AIGs equal whose variables are numbered differently.
    """
    net = _net_keys(circuit)
    inverted = circuit.pin_inverted
    lines = []
    for port in range(circuit.num_ports):
        row = int(circuit.port_net[port])
        sign = "!" if circuit.port_inverted is not None and circuit.port_inverted[port] else ""
        where = f"{port:09d}" if not circuit.port_names.base(port) else circuit.port_names.text(port)
        flags = f"{circuit.port_direction[port]} {circuit.port_role[port]} {circuit.port_group[port]}"
        lines.append(f"port {flags} {where} {sign}{net[row] if row >= 0 else '-'}")
    pin_net = circuit.pin_net.tolist()
    start = circuit.pin_start.tolist()
    for cell in range(circuit.num_cells):
        cell_type = circuit.types[circuit.cell_type[cell]]
        name = circuit.cell_names.text(cell) if circuit.cell_names.base(cell) else ""
        pins = []
        for pin in range(start[cell], start[cell + 1]):
            sign = "!" if inverted is not None and inverted[pin] else ""
            pins.append(f"{sign}{net[pin_net[pin]] if pin_net[pin] >= 0 else '-'}")
        values = []
        for key in sorted(circuit.parameters):
            parameter = circuit.parameters[key]
            value = parameter.values[cell]
            values.append(f"{key}={parameter.texts[int(value)] if parameter.texts and value >= 0 else value}")
        reset = "" if circuit.latch_reset is None else f" reset={circuit.latch_reset[cell]}"
        by_port = sorted(zip(cell_type.slots, (int(p.direction) for p in cell_type.ports), pins, strict=True))
        text = " ".join(f"{slot}.{direction}={pin}" for slot, direction, pin in by_port)
        lines.append(f"cell {cell_type.name} {cell_type.kind} {name} {text} {' '.join(values)}{reset}")
    return sorted(lines)


def _net_keys(circuit: Circuit) -> list[str]:
    """A name for every net that does not depend on the order of rows."""
    keys: list[str] = []
    waiting: list[int] = []
    for row in range(circuit.num_nets):
        constant = int(circuit.net_constant[row])
        if constant >= 0:
            keys.append(f"const{constant}")
        elif circuit.net_names.base(row):
            keys.append(circuit.net_names.text(row))
        else:
            keys.append("")
            waiting.append(row)
    for port in range(circuit.num_ports):
        row = int(circuit.port_net[port])
        if circuit.port_direction[port] == Direction.INPUT and row >= 0 and not keys[row]:
            keys[row] = f"port{port}"
    driver = circuit.net_driver
    inverted = circuit.pin_inverted
    start = circuit.pin_start
    for row in waiting:
        stack = [] if keys[row] else [row]
        opened: set[int] = set()
        while stack:
            at = stack[-1]
            pin = int(driver[at])
            if keys[at] or pin < 0 or pin >= circuit.num_pins:
                keys[at] = keys[at] or "undriven"
                stack.pop()
                continue
            cell = int(circuit.pin_cell[pin])
            if circuit.is_sequential[cell]:
                rank = int(np.count_nonzero(circuit.is_sequential[:cell]))
                keys[at] = f"state{rank}.{circuit.pin_port[pin]}"
                stack.pop()
                continue
            cell_type = circuit.types[circuit.cell_type[cell]]
            fan_in = [int(start[cell]) + port for port in cell_type.inputs]
            missing = [
                int(circuit.pin_net[p]) for p in fan_in if circuit.pin_net[p] >= 0 and not keys[circuit.pin_net[p]]
            ]
            if missing and at not in opened:
                opened.add(at)
                stack.extend(missing)
                continue
            parts = []
            for p in fan_in:
                sign = "!" if inverted is not None and inverted[p] else ""
                slot = cell_type.slots[circuit.pin_port[p]]
                parts.append(
                    f"{slot}{sign}{keys[circuit.pin_net[p]] or 'loop'}" if circuit.pin_net[p] >= 0 else f"{slot}-"
                )
            parts = [cell_type.name, cell_type.ports[circuit.pin_port[pin]].name, *sorted(parts)]
            keys[at] = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:24]
            stack.pop()
    return keys
