"""``set_false_path`` and ``set_multicycle_path`` by their start and end."""

from __future__ import annotations

from circuitgraph.constraints import PathException
from circuitgraph.formats.sdc.commands import TABLE as COMMANDS
from circuitgraph.formats.sdc.commands import Row, Timing
from circuitgraph.formats.sdc.options import Options, to_number
from circuitgraph.formats.sdc.words import Word

UNSUPPORTED = (
    "-through",
    "-rise_from",
    "-fall_from",
    "-rise_to",
    "-fall_to",
    "-rise_through",
    "-fall_through",
    "-rise",
    "-fall",
    "-reset_path",
)


def set_exception(timing: Timing, options: Options) -> None:
    """``set_false_path`` and ``set_multicycle_path [-setup|-hold] [-start|-end] [n] [-from points] [-to points]``."""
    for name in UNSUPPORTED:
        if options.has(name):
            raise options.fail(f"option {name} is not supported", "name the start and the end of the paths")
    kind = "false" if options.command.text == "set_false_path" else "multicycle"
    cycles = 1
    if kind == "multicycle":
        cycles = int(to_number(options.script, options.needs(1)[0]))
    elif options.rest:
        options.needs(0)
    if not options.has("-from") and not options.has("-to"):
        raise options.fail("has neither a start nor an end", "give -from or -to")
    setup, hold = options.has("-setup"), options.has("-hold")
    if not setup and not hold:
        setup, hold = True, kind == "false"
    starts = _points(timing, options, options.values.get("-from"), "clock")
    ends = _points(timing, options, options.values.get("-to"), "data")
    if starts == (frozenset(), frozenset()) or ends == (frozenset(), frozenset()):
        timing.notes.add(
            "exception whose start or end the circuit does not have", options.script.place(options.command.at)
        )
        return
    by_end = options.has("-end") or (setup and not options.has("-start"))
    timing.exceptions.append(
        PathException(kind, starts[0], starts[1], ends[0], ends[1], setup, hold, cycles, by_end_clock=by_end)
    )


def _points(
    timing: Timing, options: Options, words: list[Word] | None, pins: str
) -> tuple[frozenset[int] | None, frozenset[int] | None]:
    """Clocks and places that words name; of a cell its clock pins (start) or its data pins (end)."""
    if words is None:
        return None, None
    clocks: set[int] = set()
    places: set[int] = set()
    for kind, row in timing.found(options, words, "clock", "port", "pin", "cell"):
        if kind == "clock":
            clocks.add(row)
        elif kind == "cell":
            places.update(timing.objects.pins_of(row, pins))
        else:
            places.add(timing.place((kind, row)))
    return frozenset(clocks), frozenset(places)


_KEYS = "-from -to -through -rise_from -fall_from -rise_to -fall_to -rise_through -fall_through -comment"
TABLE: dict[str, Row] = {
    **COMMANDS,
    "set_false_path": (set_exception, "-setup -hold -rise -fall -reset_path", _KEYS),
    "set_multicycle_path": (set_exception, "-setup -hold -rise -fall -start -end -reset_path", _KEYS),
}
"""Every command that says something about timing."""
