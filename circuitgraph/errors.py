"""What is said when input is wrong, and what a reader skipped, merged or guessed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field


class CircuitError(Exception):
    """A fault of the input or of the request, in four parts on one line.

    ``place: subject: rule: way out``

    Args:
        place: file:line:column where there is one, else the file or the option.
        subject: kind and name of the thing, for example ``gate 'G17'``.
        rule: what must hold, and what was found instead.
        way_out: an action that the reader of the message can take.

    >>> print(CircuitError("a.bench:14", "gate 'G17'", "type 'NADN' is unknown", "did you mean 'NAND'?"))
    a.bench:14: gate 'G17': type 'NADN' is unknown: did you mean 'NAND'?
    """

    def __init__(self, place: str, subject: str, rule: str, way_out: str) -> None:
        self.place = one_line(place)
        self.subject = one_line(subject)
        self.rule = one_line(rule)
        self.way_out = one_line(way_out)
        super().__init__(f"{self.place}: {self.subject}: {self.rule}: {self.way_out}")

    def __reduce__(self) -> tuple[type[CircuitError], tuple[str, str, str, str]]:
        """Keep the four parts when a worker process sends the error back."""
        return type(self), (self.place, self.subject, self.rule, self.way_out)


def one_line(text: str, limit: int = 240) -> str:
    """*text* without line ends and control bytes, cut in the middle beyond *limit* characters.

    >>> one_line("a" + chr(10) + "b")
    'a b'
    """
    clean = "".join(
        character if character.isprintable() else (" " if character.isspace() else "\ufffd") for character in text
    )
    if len(clean) > limit:
        clean = f"{clean[: limit // 2]} ... {clean[-limit // 2 :]}"
    return clean


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """The way out that names the nearest known word, or *otherwise*.

    >>> nearest("NADN", ["NAND", "XOR"], "use a known gate")
    "did you mean 'NAND'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else otherwise


def quoted(names: Iterable[str], shown: int = 3) -> str:
    """The first names in quotes, then how many more there are.

    >>> quoted(["a", "b", "c", "d", "e"])
    "'a', 'b', 'c' and 2 more"
    """
    names = list(names)
    text = ", ".join(repr(name) for name in names[:shown])
    rest = len(names) - shown
    return f"{text} and {rest:,} more" if rest > 0 else text


@dataclass
class Notes:
    """What a reader skipped, merged or guessed: counted, with the first three places of each.

    >>> notes = Notes()
    >>> notes.add("wire load group skipped", "a.lib:3")
    >>> notes.count("wire load group skipped")
    1
    """

    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, place: str = "", times: int = 1) -> None:
        """Count *what* once more (or *times* more), and keep its place among the first three."""
        self.counts[what] = self.counts.get(what, 0) + times
        kept = self.places.setdefault(what, [])
        if place and len(kept) < 3:
            kept.append(place)

    def count(self, what: str) -> int:
        """How often *what* was noted."""
        return self.counts.get(what, 0)

    def extend(self, other: Notes) -> None:
        """Add everything that *other* noted."""
        for what, times in other.counts.items():
            self.add(what, times=times)
            self.places[what] = (self.places[what] + other.places.get(what, []))[:3]

    def lines(self) -> list[str]:
        """One line a kind of note, for people."""
        return [
            f"{what}: {times:,}" + (f" (first: {', '.join(self.places[what])})" if self.places.get(what) else "")
            for what, times in self.counts.items()
        ]
