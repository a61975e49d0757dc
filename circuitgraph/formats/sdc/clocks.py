"""The commands of SDC that speak of clocks, of what checks count with them, and of latches."""

from __future__ import annotations

import math
from dataclasses import replace

from circuitgraph.constraints import Clock
from circuitgraph.formats.sdc.commands import EDGES, Row, Timing, merged
from circuitgraph.formats.sdc.options import Options, to_number
from circuitgraph.formats.sdc.queries import unhandled
from circuitgraph.formats.sdc.words import Word, split_list


def create_clock(timing: Timing, options: Options) -> None:
    """``create_clock [-name n] -period p [-waveform {rise fall}] [-add] [sources]``."""
    period = options.number("-period") * timing.time
    if not period > 0:
        raise options.fail(f"period {options.text('-period')!r} is not above 0", "give -period")
    edges = [
        to_number(options.script, Word(item, options.command.at)) for item in split_list(options.text("-waveform"))
    ]
    if len(edges) not in {0, 2}:
        raise options.fail(f"waveform has {len(edges)} edges, not 2", "write -waveform {rise fall}")
    rise, fall = (edges[0] * timing.time, edges[1] * timing.time) if edges else (0.0, period / 2)
    if not rise < fall <= rise + period:
        raise options.fail("waveform does not rise and fall within one period", "write -waveform {rise fall}")
    sources, name = clock_sources(timing, options)
    if not name:
        raise options.fail("has neither a name nor a source", "give -name")
    add_clock(timing, options, Clock(name, period, (rise, fall), sources))


def clock_sources(timing: Timing, options: Options) -> tuple[tuple[int, ...], str]:
    """Places where a clock starts, and its name: the one given, or that of the first place.

    Raises:
        CircuitError: a place is named that the circuit does not have.
    """
    items = timing.found(options, options.rest, "port", "pin")
    if options.rest and not items and any(word.text for word in options.rest):
        raise options.fail(
            "source is no port or pin of the circuit", "correct its name, or leave it out for a virtual clock"
        )
    if any(word.text == "" for word in options.rest):
        raise options.fail("source is empty: the query found nothing", "correct its name")
    name = options.text("-name") or (timing.objects.name(*items[0]) if items else "")
    return tuple(timing.place(item) for item in items), name


def add_clock(timing: Timing, options: Options, clock: Clock) -> None:
    """Take in a clock: instead of the one of its name, and without ``-add`` instead of those at its sources."""
    rows = [row for row, old in enumerate(timing.clocks) if old.name == clock.name]
    if rows:
        timing.clocks[rows[0]] = clock
        return
    if not options.has("-add"):
        for row, old in enumerate(timing.clocks):
            if set(old.sources) & set(clock.sources):
                rest = tuple(place for place in old.sources if place not in clock.sources)
                timing.clocks[row] = replace(old, sources=rest)
                timing.notes.add(
                    "clock that another one replaced at its source",
                    f"{options.script.place(options.command.at)} {old.name}",
                )
    timing.clocks.append(clock)


def set_propagated_clock(timing: Timing, options: Options) -> None:
    """``set_propagated_clock clocks``."""
    for row in timing.clock_rows(options, options.rest):
        timing.clocks[row] = replace(timing.clocks[row], is_propagated=True)


def set_clock_latency(timing: Timing, options: Options) -> None:
    """``set_clock_latency [-source] [-rise|-fall] [-min|-max] [-early|-late] delay clocks``."""
    if len(options.rest) < 2:
        raise options.fail("takes a delay and clocks", "write set_clock_latency 0.5 [get_clocks clk]")
    value = to_number(options.script, options.rest[0]) * timing.time
    for row in timing.clock_rows(options, options.rest[1:]):
        clock = timing.clocks[row]
        if options.has("-source"):
            timing.clocks[row] = replace(clock, source_latency=merged(clock.source_latency, options.columns(), value))
        else:
            timing.clocks[row] = replace(clock, latency=merged(clock.latency, options.columns(), value))


def set_clock_transition(timing: Timing, options: Options) -> None:
    """``set_clock_transition [-rise|-fall] [-min|-max] slew clocks``."""
    if len(options.rest) < 2:
        raise options.fail("takes a slew and clocks", "write set_clock_transition 0.1 [get_clocks clk]")
    value = to_number(options.script, options.rest[0]) * timing.time
    for row in timing.clock_rows(options, options.rest[1:]):
        clock = timing.clocks[row]
        timing.clocks[row] = replace(clock, transition=merged(clock.transition, options.columns(), value))


def set_clock_uncertainty(timing: Timing, options: Options) -> None:
    """``set_clock_uncertainty [-setup|-hold] [-from clocks -to clocks] value [clocks]``, with ``-rise_from`` and so on."""
    if not options.rest:
        raise options.fail("lacks its value", "write set_clock_uncertainty 0.1 [get_clocks clk]")
    value = to_number(options.script, options.rest[0]) * timing.time
    setup = options.has("-setup") or not options.has("-hold")
    hold = options.has("-hold") or not options.has("-setup")
    if any(options.has(name) for name in (*FROM, *TO)):
        _between_clocks(timing, options, value, (setup, hold))
        return
    for row in timing.clock_rows(options, options.rest[1:]):
        clock = timing.clocks[row]
        timing.clocks[row] = replace(
            clock,
            setup_uncertainty=value if setup else clock.setup_uncertainty,
            hold_uncertainty=value if hold else clock.hold_uncertainty,
        )


FROM = {"-from": (0, 1), "-rise_from": (0,), "-fall_from": (1,)}
TO = {"-to": (0, 1), "-rise_to": (0,), "-fall_to": (1,)}
"""Edges that the options of an uncertainty between clocks mean."""


def _between_clocks(timing: Timing, options: Options, value: float, chosen: tuple[bool, bool]) -> None:
    """Uncertainty between clocks, or between edges of them."""
    starts = [name for name in FROM if options.has(name)]
    ends = [name for name in TO if options.has(name)]
    if len(starts) != 1 or len(ends) != 1:
        raise options.fail("has only one of -from and -to, or several of them", "give one of each, or clocks")
    none = (math.nan, math.nan)
    for first in timing.clock_rows(options, options.values[starts[0]]):
        for second in timing.clock_rows(options, options.values[ends[0]]):
            pairs = [(first, one, second, two) for one in FROM[starts[0]] for two in TO[ends[0]]]
            whole = len(pairs) == len(FROM["-from"]) * len(TO["-to"])
            old = timing.uncertainty.get((first, second), none)
            if whole:
                timing.uncertainty[first, second] = (value if chosen[0] else old[0], value if chosen[1] else old[1])
            for pair in pairs:
                known = timing.edge_uncertainty.get(pair, none)
                kept = [math.nan if whole else value, known[0]], [math.nan if whole else value, known[1]]
                timing.edge_uncertainty[pair] = (
                    kept[0][0] if chosen[0] else kept[0][1],
                    kept[1][0] if chosen[1] else kept[1][1],
                )


def set_max_time_borrow(timing: Timing, options: Options) -> None:
    """``set_max_time_borrow limit clocks|cells|pins``."""
    if len(options.rest) < 2:
        raise options.fail("takes a limit and clocks, cells or pins", "write set_max_time_borrow 0.5 [get_clocks clk]")
    limit = to_number(options.script, options.rest[0]) * timing.time
    if limit < 0:
        raise options.fail(f"limit {options.rest[0].text!r} is below 0", "give 0 or more")
    for kind, row in timing.found(options, options.rest[1:], "clock", "cell", "pin"):
        timing.borrow.setdefault(kind, {})[row] = limit


def set_disable_inferred_clock_gating(timing: Timing, options: Options) -> None:
    """``set_disable_inferred_clock_gating cells|pins``."""
    for kind, row in timing.found(options, options.rest, "cell", "pin"):
        timing.ungated[kind].add(row)


def set_clock_groups(timing: Timing, options: Options) -> None:
    """``set_clock_groups -asynchronous|-logically_exclusive|-physically_exclusive [-allow_paths] -group clocks ...``.

    With ``-allow_paths`` nothing changes but noise analysis.
    """
    if not any(options.has(name) for name in ("-asynchronous", "-logically_exclusive", "-physically_exclusive")):
        raise options.fail("does not say how the groups relate", "give -asynchronous")
    groups = [{row for _, row in timing.found(options, [word], "clock")} for word in options.values.get("-group", [])]
    if options.has("-allow_paths"):
        return
    if len(groups) == 1:
        groups.append(set(range(len(timing.clocks))) - groups[0])
    for first in groups:
        for second in groups:
            if first is not second:
                timing.exclusive.update((a, b) for a in first for b in second if a != b)


def set_clock_gating_check(timing: Timing, options: Options) -> None:
    """``set_clock_gating_check [-setup s] [-hold h]`` for the whole design."""
    if [word for word in options.rest if unhandled(word.text) is None or "design" not in word.text]:
        raise options.fail("is supported for the whole design only", "leave the objects out")
    old = timing.gating or (0.0, 0.0)
    setup = options.number("-setup", old[0] / timing.time) * timing.time
    timing.gating = (setup, options.number("-hold", old[1] / timing.time) * timing.time)


TABLE: dict[str, Row] = {
    "create_clock": (create_clock, "-add", "-name -period -waveform -comment"),
    "set_propagated_clock": (set_propagated_clock, "", ""),
    "set_clock_latency": (set_clock_latency, f"-source -early -late {EDGES}", "-clock"),
    "set_clock_transition": (set_clock_transition, EDGES, ""),
    "set_clock_uncertainty": (set_clock_uncertainty, "-setup -hold", " ".join((*FROM, *TO))),
    "set_max_time_borrow": (set_max_time_borrow, "", ""),
    "set_disable_inferred_clock_gating": (set_disable_inferred_clock_gating, "", ""),
    "set_clock_groups": (
        set_clock_groups,
        "-asynchronous -logically_exclusive -physically_exclusive -allow_paths",
        "-name -group -comment",
    ),
    "set_clock_gating_check": (set_clock_gating_check, "-rise -fall -high -low", "-setup -hold"),
}
