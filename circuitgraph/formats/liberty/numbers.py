"""Numbers, booleans and units of a Liberty file."""

from __future__ import annotations

import re

from circuitgraph.formats.liberty.groups import Group, Text

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
NUMBERS = re.compile(r"[0-9eE+\-.\s]*")
UNIT = re.compile(r"\s*([0-9.eE+\-]*)\s*([A-Za-z]*)\s*")
PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "meg": 1e6, "g": 1e9}


def number(text: Text, group: Group, name: str, otherwise: float = float("nan")) -> float:
    """Value of a numeric attribute.

    Raises:
        CircuitError: it is no number.
    """
    raw = group.get(name)
    return (
        otherwise if not raw else to_number(text, raw, group.place(name), f"attribute {name!r} of {described(group)}")
    )


def to_number(text: Text, raw: str, at: int, subject: str) -> float:
    """A float; quoted or not.

    Raises:
        CircuitError: it is no number, or not finite.
    """
    raw = raw.strip().strip('"').strip()
    if not NUMBER.fullmatch(raw) or float(raw) in {float("inf"), float("-inf")}:
        raise text.error(at, subject, f"{raw!r} is no number", "write digits with one point, as 0.5 or 1e-3")
    return float(raw)


def boolean(group: Group, name: str) -> bool:
    """Whether an attribute is there and true."""
    return group.get(name).strip().lower() in {"true", "1", "yes"}


def described(group: Group) -> str:
    """Kind and name of a group, for messages."""
    return f"{group.name} {' '.join(group.words)!r}" if group.words else group.name


def unit(text: Text, group: Group, name: str, base: str, otherwise: float) -> float:
    """SI value of a unit attribute such as ``"1ns"`` or ``(1, pf)``.

    Args:
        text: for messages.
        group: holds the attribute.
        name: of the attribute.
        base: the unit without its prefix, lower case: ``s``, ``f``, ``ohm``.
        otherwise: value where the file does not say.

    Raises:
        CircuitError: number or prefix are unknown.
    """
    raw = group.get(name)
    if not raw:
        return otherwise
    found = UNIT.fullmatch(raw.replace('"', "").replace(",", " "))
    symbol = found[2].lower() if found else ""
    prefix = symbol.removesuffix(base)
    if found is None or not symbol.endswith(base) or prefix not in PREFIX:
        raise text.error(
            group.place(name), f"attribute {name!r}", f"unit {raw!r} is unknown", f"write for example 1n{base}"
        )
    return to_number(text, found[1] or "1", group.place(name), f"attribute {name!r}") * PREFIX[prefix]
