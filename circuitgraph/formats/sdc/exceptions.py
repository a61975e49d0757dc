"""``set_false_path``, ``set_multicycle_path``, ``set_max_delay`` and ``set_min_delay``: start, what is passed, end."""

from __future__ import annotations

import math

from circuitgraph.circuit import Direction
from circuitgraph.constraints import PathException, Through
from circuitgraph.formats.sdc.commands import TABLE as COMMANDS
from circuitgraph.formats.sdc.commands import Row, Timing
from circuitgraph.formats.sdc.options import Options, to_number
from circuitgraph.formats.sdc.words import Word

KINDS = {
    "set_false_path": "false",
    "set_multicycle_path": "multicycle",
    "set_max_delay": "max_delay",
    "set_min_delay": "min_delay",
}
FROM = {"-from": -1, "-rise_from": 0, "-fall_from": 1}
TO = {"-to": -1, "-rise_to": 0, "-fall_to": 1}
THROUGH = {"-through": -1, "-rise_through": 0, "-fall_through": 1}
Points = tuple[frozenset[int] | None, frozenset[int] | None]
"""Clocks and places; (None, None) where nothing is said."""


def set_exception(timing: Timing, options: Options) -> None:
    """``set_false_path [-setup|-hold]``, ``set_multicycle_path [-setup|-hold] [-start|-end] n``, ``set_max_delay d``, ...

    Each with ``[-from points] [-through points] ... [-to points]``, of which every one may say ``-rise_`` or ``-fall_``,
    and ``[-rise|-fall]`` for the data's edge at the end.
    """
    kind = KINDS[options.command.text]
    if options.has("-reset_path"):
        raise options.fail("option -reset_path is not supported", "leave out the exceptions that it takes back")
    value = 0.0
    if kind == "false":
        options.needs(0)
    else:
        value = to_number(options.script, options.needs(1)[0])
    starts, from_edge = _points(timing, options, FROM, "clock")
    ends, to_edge = _points(timing, options, TO, "data")
    throughs = tuple(_through(timing, options, name, word) for name, word in options.order if name in THROUGH)
    if starts == (None, None) and ends == (None, None) and not throughs:
        raise options.fail("has neither a start nor an end, nor anything between", "give -from, -through or -to")
    nothing: Points = (frozenset(), frozenset())
    if nothing in (starts, ends) or any(not through.places for through in throughs):
        timing.notes.add(
            "exception whose start or end the circuit does not have", options.script.place(options.command.at)
        )
        return
    if from_edge >= 0 and starts[0] and starts[1]:
        raise options.fail("names clocks and pins with one edge at the start", "write two commands")
    setup, hold = options.has("-setup"), options.has("-hold")
    if kind in {"max_delay", "min_delay"}:
        setup, hold = kind == "max_delay", kind == "min_delay"
    elif not setup and not hold:
        setup, hold = True, kind == "false"
    edges = [edge for edge, name in enumerate(("-rise", "-fall")) if options.has(name)]
    timing.exceptions.append(
        PathException(
            kind,
            starts[0],
            starts[1],
            ends[0],
            ends[1],
            setup,
            hold,
            cycles=int(value) if kind == "multicycle" else 1,
            by_end_clock=options.has("-end") or (setup and not options.has("-start")),
            throughs=throughs,
            from_edge=from_edge,
            to_edge=to_edge,
            end_edge=edges[0] if len(edges) == 1 else -1,
            delay=value * timing.time if kind in {"max_delay", "min_delay"} else math.nan,
            ignores_latency=options.has("-ignore_clock_latency"),
        )
    )


def _points(timing: Timing, options: Options, names: dict[str, int], pins: str) -> tuple[Points, int]:
    """Clocks and places of a start or an end, and its edge; of a cell its clock pins (start) or its data pins (end).

    Raises:
        CircuitError: two of the options are given.
    """
    given = [name for name in names if options.has(name)]
    if len(given) > 1:
        raise options.fail(f"options {given[0]} and {given[1]} exclude each other", "write two commands")
    if not given:
        return (None, None), -1
    clocks: set[int] = set()
    places: set[int] = set()
    for kind, row in timing.found(options, options.values[given[0]], "clock", "port", "pin", "cell"):
        if kind == "clock":
            clocks.add(row)
        elif kind == "cell":
            places.update(timing.objects.pins_of(row, pins))
        else:
            places.add(timing.place((kind, row)))
    return (frozenset(clocks), frozenset(places)), names[given[0]]


def _through(timing: Timing, options: Options, name: str, word: Word) -> Through:
    """What a path passes: pins and ports themselves, the readers of a net, the outputs of a cell."""
    circuit = timing.circuit
    places: set[int] = set()
    for kind, row in timing.found(options, [word], "port", "pin", "net", "cell"):
        if kind == "cell":
            places.update(timing.objects.pins_of(row, "output"))
        elif kind == "net":
            start, members = circuit.net_pins
            pins = members[start[row] : start[row + 1]]
            places.update(pins[circuit.pin_direction[pins] != Direction.OUTPUT].tolist())
            ports = (circuit.port_net == row) & (circuit.port_direction != Direction.INPUT)
            places.update((ports.nonzero()[0] + circuit.num_pins).tolist())
        else:
            places.add(timing.place((kind, row)))
    return Through(frozenset(places), THROUGH[name])


_KEYS = " ".join([*FROM, *THROUGH, *TO, "-comment"])
_FLAGS = "-rise -fall -reset_path"
TABLE: dict[str, Row] = {
    **COMMANDS,
    "set_false_path": (set_exception, f"-setup -hold {_FLAGS}", _KEYS),
    "set_multicycle_path": (set_exception, f"-setup -hold -start -end {_FLAGS}", _KEYS),
    "set_max_delay": (set_exception, f"-ignore_clock_latency {_FLAGS}", _KEYS),
    "set_min_delay": (set_exception, f"-ignore_clock_latency {_FLAGS}", _KEYS),
}
"""Every command that says something about timing."""
