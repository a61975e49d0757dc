"""Options of an SDC command: flags, values and what is left, with prefixes as Tcl users write them."""

from __future__ import annotations

from dataclasses import dataclass, field

from circuitgraph.errors import nearest
from circuitgraph.formats.sdc.expressions import evaluate
from circuitgraph.formats.sdc.words import NUMERIC, Script, Word


@dataclass
class Options:
    """A command taken apart.

    | field | meaning |
    |---|---|
    | script, command | where it stands, and its first word |
    | flags | flags that were given |
    | values | values by option, in order |
    | rest | words that belong to no option |
    | order | options with a value, and the value, in the order of the command |
    """

    script: Script
    command: Word
    flags: set[str] = field(default_factory=set)
    values: dict[str, list[Word]] = field(default_factory=dict)
    rest: list[Word] = field(default_factory=list)
    order: list[tuple[str, Word]] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether a flag or an option was given."""
        return name in self.flags or name in self.values

    def text(self, name: str, otherwise: str = "") -> str:
        """Value of an option."""
        return self.values[name][-1].text if name in self.values else otherwise

    def number(self, name: str, otherwise: float = float("nan")) -> float:
        """Numeric value of an option."""
        return to_number(self.script, self.values[name][-1]) if name in self.values else otherwise

    def fail(self, rule: str, way_out: str, subject: str = "") -> Exception:
        """The error of this command."""
        return self.script.error(self.command.at, subject or f"command {self.command.text!r}", rule, way_out)

    def needs(self, count: int) -> list[Word]:
        """The words left, of which there must be *count*."""
        if len(self.rest) != count:
            raise self.fail(f"takes {count} words besides its options, not {len(self.rest)}", "check the command")
        return self.rest

    def columns(self) -> list[int]:
        """Which of the four columns ``-rise -fall -min -max`` choose: late rise, late fall, early rise, early fall."""
        edges = [e for e, name in ((0, "-rise"), (1, "-fall")) if name in self.flags] or [0, 1]
        times = [m for m, name in ((0, "-max"), (1, "-min")) if name in self.flags]
        times += [m for m, name in ((0, "-late"), (1, "-early")) if name in self.flags]
        return [2 * time + edge for time in times or [0, 1] for edge in edges]


def parse(script: Script, words: list[Word], flags: str = "", keys: str = "") -> Options:
    """Take a command apart.

    Args:
        script: for messages.
        words: the command and its words.
        flags: names of options without a value, separated by blanks.
        keys: names of options with a value, separated by blanks.

    Raises:
        CircuitError: an option is unknown, ambiguous or lacks its value.
    """
    found = Options(script, words[0])
    known_flags, known_keys = flags.split(), keys.split()
    known = [*known_flags, *known_keys]
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if not (word.text.startswith("-") and word.end < 0) or NUMERIC.fullmatch(word.text):
            found.rest.append(word)
            continue
        fits = [word.text] if word.text in known else [name for name in known if name.startswith(word.text)]
        if len(fits) != 1:
            rule = f"has no option {word.text!r}" if not fits else f"option {word.text!r} means {' or '.join(fits)}"
            raise found.fail(rule, nearest(word.text, known, f"it takes {' '.join(known) or 'no options'}"))
        if fits[0] in known_flags:
            found.flags.add(fits[0])
        else:
            if at == len(words):
                raise found.fail(f"option {word.text!r} lacks its value", "give one")
            found.values.setdefault(fits[0], []).append(words[at])
            found.order.append((fits[0], words[at]))
            at += 1
    return found


def to_number(script: Script, word: Word) -> float:
    """A word as a number.

    Raises:
        CircuitError: it is none.
    """
    if not NUMERIC.fullmatch(word.text) or float(word.text) in {float("inf"), float("-inf")}:
        raise script.error(word.at, f"{word.text[:40]!r}", "is no number", "write digits, as 0.5 or 1e-3")
    return float(word.text)


def expression(script: Script, words: list[Word]) -> str:
    """Value of ``expr`` with the given words.

    Raises:
        CircuitError: the expression is malformed.
    """
    text = " ".join(script.substitute(word.text, word.at) if word.end >= 0 else word.text for word in words)
    try:
        return evaluate(text)
    except (ValueError, OverflowError) as error:
        raise script.error(words[0].at, f"expression {text[:60]!r}", str(error), "correct the expression") from None
