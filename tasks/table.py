"""Tables that people read in a terminal and machines as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def text_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> str:
    """Rows of equal keys as aligned text; numbers to the right.

    >>> print(text_table([{"row": "zero", "MAE ps": 12.5}]))
    row   MAE ps
    zero  12.500
    """
    if not rows:
        return title
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    right = [all(isinstance(row.get(name), (int, float)) or row.get(name) is None for row in rows) for name in names]
    width = [max(len(name), *(len(line[column]) for line in cells)) for column, name in enumerate(names)]

    def line(values: Sequence[str]) -> str:
        parts = [v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, width, right, strict=True)]
        return "  ".join(parts).rstrip()

    head = [title] if title else []
    return "\n".join([*head, line(names), *(line(values) for values in cells)])


def cell(value: Any) -> str:
    """One value as it prints: three decimals, blank for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    return str(value)
