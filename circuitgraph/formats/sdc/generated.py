"""``create_generated_clock``."""

from __future__ import annotations

import math

from circuitgraph.constraints import Clock, Generated
from circuitgraph.formats.sdc.clocks import add_clock, clock_sources
from circuitgraph.formats.sdc.commands import Row, Timing
from circuitgraph.formats.sdc.options import Options, to_number
from circuitgraph.formats.sdc.words import Word, split_list

NUM_EDGES = 3


def create_generated_clock(timing: Timing, options: Options) -> None:
    """``create_generated_clock [-name n] -source point [-master_clock c] [-add] [-invert] HOW points``.

    HOW is ``-divide_by n``, ``-multiply_by n [-duty_cycle p]``, ``-edges {a b c} [-edge_shift {s t u}]`` or
    ``-combinational``.
    """
    if not options.rest:
        raise options.fail("names no pin or port where the clock is", "name one")
    sources, name = clock_sources(timing, options)
    master = timing.clock_rows(options, options.values["-master_clock"])[0] if options.has("-master_clock") else -1
    if options.has("-add") and (master < 0 or not options.has("-name")):
        raise options.fail("option -add needs -name and -master_clock", "give both")
    if not options.has("-source"):
        raise options.fail("lacks -source", "name the pin or port that the clock is made from")
    found = [timing.place(item) for item in timing.found(options, [options.values["-source"][-1]], "port", "pin")]
    if len(found) != 1:
        raise options.fail(f"option -source names {len(found)} pins or ports, not 1", "correct its name")
    if name in timing.clock_names() and timing.clock_names().index(name) == master:
        raise options.fail(f"clock {name!r} is its own master", "give another -master_clock")
    generated = Generated(
        source=found[0],
        master=master,
        divide_by=_count(options, "-divide_by") or int(_hows(options) == ["-combinational"]),
        multiply_by=_count(options, "-multiply_by"),
        duty_cycle=_duty_cycle(options),
        edges=tuple(int(edge) for edge in _edges(options, "-edges")),
        edge_shifts=tuple(shift * timing.time for shift in _edges(options, "-edge_shift")),
        invert=options.has("-invert"),
        is_combinational=options.has("-combinational"),
    )
    add_clock(timing, options, Clock(name, math.nan, (math.nan, math.nan), sources, generated=generated))


def _hows(options: Options) -> list[str]:
    """Which of the ways to make a clock are given.

    Raises:
        CircuitError: none is, or two that exclude each other.
    """
    hows = [name for name in ("-divide_by", "-multiply_by", "-edges") if options.has(name)]
    if len(hows) > 1:
        raise options.fail(f"options {hows[0]} and {hows[1]} exclude each other", "give one")
    if not hows and not options.has("-combinational"):
        raise options.fail("does not say how the clock is made", "give -divide_by, -multiply_by, -edges")
    if "-edges" in hows and options.has("-invert"):
        raise options.fail("options -edges and -invert exclude each other", "name the edges the other way round")
    return hows or ["-combinational"]


def _count(options: Options, name: str) -> int:
    """A whole number from 1, 0 where the option is not given.

    Raises:
        CircuitError: it is none, or it is no 1 beside ``-combinational``.
    """
    _hows(options)
    if not options.has(name):
        return 0
    value = options.number(name)
    if value < 1 or value != int(value):
        raise options.fail(f"value {options.text(name)!r} of {name} is no whole number from 1", "give one")
    if options.has("-combinational") and name == "-divide_by" and value > 1:
        raise options.fail("option -combinational divides by 1", "leave one of the options out")
    return int(value)


def _duty_cycle(options: Options) -> float:
    value = options.number("-duty_cycle", 0.0)
    if not 0 <= value <= 100:
        raise options.fail(
            f"value {options.text('-duty_cycle')!r} of -duty_cycle is not from 0 to 100", "give per cent"
        )
    if value and not options.has("-multiply_by"):
        raise options.fail("option -duty_cycle needs -multiply_by", "give -edges instead")
    return value


def _edges(options: Options, name: str) -> list[float]:
    """Three numbers, none where the option is not given.

    Raises:
        CircuitError: they are not three, or edges that do not increase.
    """
    words = split_list(options.text(name))
    if options.has(name) and len(words) != NUM_EDGES:
        raise options.fail(f"option {name} takes 3 numbers, not {len(words)}", "give rise, fall and the next rise")
    values = [to_number(options.script, Word(word, options.command.at)) for word in words]
    if name == "-edges" and values:
        whole = all(value == int(value) and value >= 1 for value in values)
        if not whole or not values[0] < values[1] < values[2]:
            raise options.fail(f"edges {options.text(name)!r} do not increase from 1", "number the master's edges")
    elif values and not options.has("-edges"):
        raise options.fail("option -edge_shift needs -edges", "give -edges")
    return values


TABLE: dict[str, Row] = {
    "create_generated_clock": (
        create_generated_clock,
        "-add -invert -combinational",
        "-name -source -master_clock -divide_by -multiply_by -duty_cycle -edges -edge_shift -comment",
    )
}
