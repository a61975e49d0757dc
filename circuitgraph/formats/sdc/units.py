"""``set_units``: the units that a file states must be those its numbers are read in."""

from __future__ import annotations

import math
import re

from circuitgraph.formats.sdc.commands import Row, Timing
from circuitgraph.formats.sdc.options import Options

UNIT = re.compile(r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)?\s*([A-Za-z]+)\s*")
PREFIX = {"a": 1e-18, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "g": 1e9}
READ = {"-time": "s", "-capacitance": "F", "-resistance": "Ohm"}
"""Units of what the commands and the library say."""
UNREAD = {"-voltage": "V", "-current": "A", "-power": "W"}
"""Units of what no command that is read speaks of: counted, not compared."""


def to_unit(text: str, base: str) -> float | None:
    """SI value of a unit; None where it is none of the base. Only of ohms does a capital M mean mega.

    >>> to_unit("100ps", "s"), to_unit("fF", "F"), to_unit("MOhm", "Ohm"), to_unit("1pF", "s")
    (1e-10, 1e-15, 1000000.0, None)
    """
    found = UNIT.fullmatch(text)
    if found is None or not found[2].lower().endswith(base.lower()):
        return None
    prefix = found[2][: len(found[2]) - len(base)]
    scale = 1e6 if prefix.lower() == "meg" or (prefix, base) == ("M", "Ohm") else PREFIX.get(prefix.lower())
    value = None if scale is None else float(f"{float(found[1] or 1) * scale:.12g}")
    return value if value and math.isfinite(value) else None


def unit_text(value: float, base: str) -> str:
    """A unit as people write it.

    >>> unit_text(1e-9, "s"), unit_text(1e-10, "s"), unit_text(1e3, "Ohm")
    ('1ns', '100ps', '1kOhm')
    """
    for prefix, scale in (("M", 1e6), *reversed(PREFIX.items())):
        if prefix in {"M", "g"} and base != "Ohm":
            continue
        if value >= scale * (1 - 1e-9):
            return f"{value / scale:.6g}{prefix.replace('g', 'G')}{base}"
    return f"{value:.6g}{base}"


def set_units(timing: Timing, options: Options) -> None:
    """``set_units [-time 1ns] [-capacitance 1pF] [-resistance 1kOhm] [-voltage 1V] [-current 1mA] [-power 1mW]``."""
    if options.rest:
        raise options.fail(f"word {options.rest[0].text!r} belongs to no option", "write set_units -time 1ns")
    own = {"-time": timing.time, "-capacitance": timing.capacitance, "-resistance": timing.resistance}
    for name, base in (READ | UNREAD).items():
        if not options.has(name):
            continue
        value = to_unit(options.text(name), base)
        if value is None:
            raise options.fail(f"unit {options.text(name)!r} of {name} is unknown", f"write for example 1n{base}")
        if name in UNREAD:
            place = options.script.place(options.command.at)
            timing.notes.add(f"unit of {name[1:]} (changes no timing)", place)
        elif not math.isclose(value, own[name], rel_tol=1e-9):
            rule = (
                f"says that one unit of {name[1:]} is {unit_text(value, base)}, "
                f"but numbers are read in units of {unit_text(own[name], base)} {timing.units_of}"
            )
            raise options.fail(rule, f"scale the file's numbers to {unit_text(own[name], base)}")


TABLE: dict[str, Row] = {"set_units": (set_units, "", " ".join((*READ, *UNREAD)))}
