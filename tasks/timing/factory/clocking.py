"""Constraints of a made design: its clock ports, its SDC, and a period that a few endpoints violate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Circuit, Direction, Role
from circuitgraph.errors import CircuitError
from circuitgraph.library import Library

FloatArray = npt.NDArray[np.float64]
Slacks = Callable[[float], FloatArray]

IO_SHARE = 0.2
"""Share of the period that is spent outside at inputs and at outputs."""
UNCERTAINTY_SHARE = (0.01, 0.005)
"""Of the period, setup and hold."""
WORST_SHARE = 0.2
"""Of the period: how far the worst endpoint may violate setup at the period that is found."""
MOST_VIOLATING = 0.10
"""Share of the endpoints that may violate setup there; one may in any case."""
ROUNDS = 4
CLOSE = 0.01
"""The search ends when the period moves by less than this share."""
STEP = 1.03
"""Two periods of this ratio give each endpoint its slope: slack is nearly linear in the period."""
LEAST_SLOPE = 0.05
DIGITS = 4
"""Of the period in the SDC."""


def clock_ports(circuit: Circuit) -> list[int]:
    """Inputs of the circuit that reach a clock pin, ascending.

    Through buffers, inverters and clock gates' own clock pins first; only where that gives none, through every input
    of the combinational cells on the way.
    """
    is_clock = circuit.pin_values(
        [[port.role == Role.CLOCK for port in kind.ports] for kind in circuit.types], np.bool_
    )
    seeds = set(circuit.pin_net[is_clock & (circuit.pin_net >= 0)].tolist())
    return _reached(circuit, seeds, 1) or _reached(circuit, seeds, circuit.num_pins)


def _reached(circuit: Circuit, seeds: set[int], most_inputs: int) -> list[int]:
    """Input terminals from which nets are driven through combinational cells of so many inputs at most."""
    waiting, seen, found = sorted(seeds), set(seeds), set()
    driver = circuit.net_driver
    while waiting:
        at = int(driver[waiting.pop()])
        if at >= circuit.num_pins:
            found.add(at - circuit.num_pins)
        elif at >= 0:
            cell = int(circuit.pin_cell[at])
            kind = circuit.types[circuit.cell_type[cell]]
            if kind.is_sequential or len(kind.inputs) > most_inputs:
                continue
            first = int(circuit.pin_start[cell])
            nets = {int(circuit.pin_net[first + port]) for port in kind.inputs} - seen - {-1}
            seen |= nets
            waiting += sorted(nets)
    return sorted(port for port in found if circuit.port_direction[port] == Direction.INPUT)


def sdc_text(
    name: str,
    circuit: Circuit,
    library: Library,
    period: float,
    slew: float,
    remark: str,
    *,
    is_propagated: bool = False,
) -> str:
    """The SDC of a made design: a clock at each clock port (virtual where there is none), delays at all data ports.

    Args:
        name: of the design.
        circuit: gives the ports.
        library: gives the unit of time.
        period: s.
        slew: s, of all inputs.
        remark: a line for the head.
        is_propagated: the clocks go through the clock tree that is there; otherwise they are ideal.
    """

    def time(seconds: float) -> str:
        return f"{seconds / library.time_unit:.{DIGITS + 2}g}"

    ports = [circuit.port_names.text(port) for port in clock_ports(circuit)]
    names = [f"clk{number}" if number else "clk" for number in range(max(1, len(ports)))]
    lines = [f"# {name}: {remark}"]
    lines += [
        f"create_clock -name {own} -period {time(period)} [get_ports {{{port}}}]" for own, port in zip(names, ports)
    ]
    if not ports:
        lines.append(f"create_clock -name clk -period {time(period)}")
    setup, hold = (share * period for share in UNCERTAINTY_SHARE)
    lines += [
        f"set_clock_uncertainty -setup {time(setup)} [all_clocks]",
        f"set_clock_uncertainty -hold {time(hold)} [all_clocks]",
    ]
    if is_propagated and ports:
        lines.append("set_propagated_clock [all_clocks]")
    inputs = "[all_inputs]"
    if ports:
        listed = " ".join(f"{{{port}}}" for port in ports)
        lines += [
            "set data_inputs {}",
            f"foreach p [all_inputs] {{ if {{[lsearch -exact [list {listed}] [get_property $p full_name]] < 0}} "
            "{ lappend data_inputs $p } }",
        ]
        inputs = "$data_inputs"
    is_data = circuit.port_direction != Direction.OUTPUT
    if np.count_nonzero(is_data) > len(ports):
        lines.append(f"set_input_delay {time(IO_SHARE * period)} -clock clk {inputs}")
    lines += [
        f"set_output_delay {time(IO_SHARE * period)} -clock clk [all_outputs]",
        f"set_input_transition {time(slew)} [all_inputs]",
    ]
    return "\n".join(lines) + "\n"


def find_period(slacks: Slacks, start: float, place: str) -> float:
    """The shortest period, s, at which the worst slack and the violating share stay within the two bounds above.

    Source: ``timing_flow.md`` of the project's research, section 3, with the slope of each endpoint instead of a mean.

    Args:
        slacks: worst setup slack of every endpoint at a period, s; the same endpoints in the same order each time.
        start: s, a relaxed period.
        place: of the error.

    Raises:
        CircuitError: no endpoint has a slack that moves with the period.
    """
    period = rounded(start)
    for _ in range(ROUNDS):
        first = slacks(period)
        slope = (slacks(STEP * period) - first) / ((STEP - 1) * period)
        moves = np.isfinite(slope) & (slope > LEAST_SLOPE)
        found = period_of(period - first[moves] / slope[moves], slope[moves])
        if not found > 0:
            rule = "has no endpoint whose slack moves with the clock"
            raise CircuitError(place, "design", rule, "give --period, or a design with constrained paths")
        before, period = period, rounded(found)
        if abs(period - before) <= CLOSE * before:
            break
    return period


def period_of(limits: FloatArray, slope: FloatArray) -> float:
    """The period that keeps both bounds, s; 0 without endpoints.

    Args:
        limits: float64 [E], s, the period at which each endpoint's slack is 0.
        slope: float64 [E], of the slack by the period.

    >>> period_of(np.array([1.2, 0.5]), np.array([1.0, 1.0]))
    1.0
    """
    if not len(limits):
        return 0.0
    worst = float((slope * limits / (slope + WORST_SHARE)).max())
    ordered = np.sort(limits)[::-1]
    violating = max(1, int(MOST_VIOLATING * len(limits)))
    # half-way to the next endpoint, so that rounding the period moves none across
    return max(worst, float(ordered[violating - 1 : violating + 1].mean()) if len(limits) > violating else 0.0)


def rounded(seconds: float) -> float:
    """A time with the digits that the SDC holds.

    >>> rounded(1.23456e-9)
    1.235e-09
    """
    return float(f"{seconds:.{DIGITS}g}")
