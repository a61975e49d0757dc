r"""Tokens of structural Verilog, statement by statement, and the few directives that netlists hold.

Comments, attributes and white space are dropped. An escaped name keeps its backslash in the token
(``\module`` is no keyword); :func:`plain` takes it off, so that ``\abc `` and ``abc`` are one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from circuitgraph.errors import CircuitError
from circuitgraph.formats.lexing import SourceText

WHOLE_BELOW = 4 << 20
CHUNK = 1 << 16

_SKIP = (
    r"(?:\s++"
    r"|//[^\r\n]*+"
    r"|/\*(?:[^*]++|\*(?!/))*+\*/"
    r'|\(\*(?!\s*\))(?:[^"*]++|"(?:[^"\\]|\\.)*+"|\*(?!\)))*+\*\)'
    r")*+"
)
_BASED = r"'[sS]?[bodhBODH][ \t]*+[0-9a-fA-FxXzZ?_]++"
_TOKEN = (
    r"([A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+"
    r"|\(\*(?!\s*\)).*+"
    r"|[(),;.{}\[\]]"
    r"|\\\S++"
    rf"|[0-9][0-9_]*+(?:\.[0-9_]++)?(?:[eE][+-]?[0-9]++)?(?:[ \t]*+{_BASED})?"
    rf"|{_BASED}|'[01xXzZ]"
    r'|"(?:[^"\\\r\n]|\\.)*+"?'
    r"|`[A-Za-z_]\w*+"
    r"|\+:|-:|~[&|^]|\^~|&&|\|\||[=!]==?|<=|>=|<<|>>"
    r"|/\*.*+"
    r"|.|\Z)"
)
TOKEN = re.compile(_SKIP + _TOKEN, re.ASCII | re.DOTALL)

_DIRECTIVE = re.compile(
    r'\\\S++|"(?:[^"\\\r\n]|\\.)*+"?|//[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?|`([A-Za-z_]\w*+)', re.ASCII | re.DOTALL
)
_ARGUMENT = re.compile(r"(?:[^\r\n/\\]|/(?![/*])|\\(?:\r\n|.)|\\\Z)*+", re.ASCII | re.DOTALL)
_NOT_BLANK = re.compile(r"[^\r\n]")

SKIPPED_DIRECTIVES = frozenset(
    [
        "timescale",
        "default_nettype",
        "resetall",
        "line",
        "pragma",
        "unconnected_drive",
        "nounconnected_drive",
        "delay_mode_path",
        "delay_mode_distributed",
        "delay_mode_unit",
        "delay_mode_zero",
        "begin_keywords",
        "end_keywords",
        "suppress_faults",
        "nosuppress_faults",
        "enable_portfaults",
        "disable_portfaults",
        "protect",
        "endprotect",
        "default_decay_time",
        "default_trireg_strength",
        "accelerate",
        "noaccelerate",
        "expand_vectornets",
        "noexpand_vectornets",
        "autoexpand_vectornets",
        "remove_gatenames",
        "noremove_gatenames",
        "remove_netnames",
        "noremove_netnames",
        "undefineall",
    ]
)


def plain(token: str) -> str:
    r"""The raw characters of a name token.

    >>> plain("\\abc"), plain("abc")
    ('abc', 'abc')
    """
    return token[1:] if token[0] == "\\" else token


def is_name(token: str) -> bool:
    """Whether a token is an identifier, escaped or not.

    >>> is_name("u1"), is_name("3"), is_name("(")
    (True, False, False)
    """
    first = token[:1]
    return first.isalpha() or first == "_" or first >= "\x80" or (first == "\\" and len(token) > 1)


class Tokens:
    """The tokens of one file, handed out in statements; a bounded number is held at a time."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.text = without_directives(source) if "`" in source.text else source.text
        self.held: list[str] = []
        self.at = 0
        self.before = 0
        self._mark = (0, 0)
        self._iterator: Iterator[re.Match[str]] | None = None
        if len(self.text) < WHOLE_BELOW:
            self.held = TOKEN.findall(self.text)
        else:
            self._iterator = TOKEN.finditer(self.text)
            self._more()

    def _more(self) -> bool:
        """Hold the next chunk too; False at the end of the file."""
        if self._iterator is None:
            return False
        fresh = [match[1] for match in islice(self._iterator, CHUNK)]
        if not fresh:
            return False
        if self.at:
            self.before += self.at
            del self.held[: self.at]
            self.at = 0
        self.held += fresh
        return True

    @property
    def index(self) -> int:
        """Number of tokens before the next one."""
        return self.before + self.at

    def peek(self) -> str:
        """The next token; empty at the end of the file."""
        while self.at >= len(self.held):
            if not self._more():
                return ""
        return self.held[self.at]

    def take(self) -> str:
        """The next token, consumed."""
        token = self.peek()
        self.at += 1
        return token

    def statement(self) -> list[str]:
        """The tokens up to the next semicolon, which is consumed and not among them.

        Raises:
            CircuitError: the file ends first.
        """
        end = self.find(";")
        if end < 0:
            raise self.unfinished()
        found = self.held[self.at : end]
        self.at = end + 1
        return found

    def find(self, word: str) -> int:
        """Position in ``held`` of the next *word*, or -1."""
        searched = self.at
        while True:
            try:
                return self.held.index(word, searched)
            except ValueError:
                ahead = len(self.held) - self.at
                if not self._more():
                    return -1
                searched = self.at + ahead

    def unfinished(self) -> CircuitError:
        """The error of a file that ends inside a statement."""
        start = self.index
        for number, token in enumerate(self.held[self.at :], start):
            fault = self.fault_of(token, number)
            if fault is not None:
                return fault
        return CircuitError(
            self.place(start), "file", "ends inside a statement or module", "check that it was copied whole"
        )

    def fault_of(self, token: str, index: int) -> CircuitError | None:
        """The error of a token that is broken in itself, or None."""
        if token.startswith("/*"):
            return CircuitError(self.place(index), "comment", "is not closed", "end it with */")
        if token.startswith("(*") and len(token) > 1:
            return CircuitError(self.place(index), "attribute", "is not closed", "end it with *)")
        if token.startswith('"') and (len(token) < 2 or not token.endswith('"')):
            return CircuitError(self.place(index), "string", "is not closed on its line", 'end it with "')
        if token.startswith("`") and token not in {"`celldefine", "`endcelldefine"}:
            return CircuitError(
                self.place(index),
                f"macro {token!r}",
                "is used, and macros are not expanded",
                "run the file through a preprocessor (iverilog -E)",
            )
        return None

    def offset(self, index: int) -> int:
        """Where token number *index* starts in the text; asking in ascending order costs one pass."""
        number, start = self._mark if index >= self._mark[0] else (0, 0)
        last = start
        for match in islice(TOKEN.finditer(self.text, start), index - number + 1):
            if match[1]:
                last = match.start(1)
        self._mark = (index, last)
        return last

    def place(self, index: int) -> str:
        """``file:line:column`` of token number *index*."""
        return self.source.place(self.offset(index))

    def between(self, start: int, end: int) -> list[str]:
        """Tokens number *start* to *end*, read again."""
        return [match[1] for match in islice(TOKEN.finditer(self.text), start, end)]


def without_directives(source: SourceText) -> str:
    """The text with directives and branches that are not taken blanked, of the same length.

    `` `celldefine`` and `` `endcelldefine`` stay, as tokens.

    Raises:
        CircuitError: an include, an unbalanced condition, or an unknown directive's macro text.
    """
    text = source.text
    parts: list[str] = []
    kept = 0
    defined: set[str] = set()
    stack: list[tuple[bool, bool, int]] = []
    taken = True

    def blank(until: int) -> None:
        nonlocal kept
        parts.append(_NOT_BLANK.sub(" ", text[kept:until]))
        kept = until

    def keep(until: int) -> None:
        nonlocal kept
        if taken:
            parts.append(text[kept:until])
            kept = until
        else:
            blank(until)

    skipped = 0
    for match in _DIRECTIVE.finditer(text):
        word = match[1]
        start = match.start()
        if word is None or start < skipped:
            continue
        line = _ARGUMENT.match(text, match.end())
        end = line.end() if line else match.end()
        argument = text[match.end() : end].split()
        if word in {"ifdef", "ifndef", "elsif", "else", "endif"}:
            keep(start)
            if word in {"ifdef", "ifndef"}:
                end = _end_of_first(text, match.end())
                here = (bool(argument) and argument[0] in defined) == (word == "ifdef")
                stack.append((taken, here, start))
                taken = taken and here
            elif not stack:
                raise CircuitError(source.place(start), f"`{word}", "stands without an `ifdef", "remove it")
            elif word == "endif":
                taken = stack.pop()[0]
                end = match.end()
            else:
                outer, used, opened = stack.pop()
                here = not used
                if word == "elsif":
                    end = _end_of_first(text, match.end())
                    here = here and bool(argument) and argument[0] in defined
                else:
                    end = match.end()
                stack.append((outer, used or here, opened))
                taken = outer and here
            blank(end)
            skipped = end
        elif not taken:
            continue
        elif word == "include":
            raise CircuitError(
                source.place(start), "`include", "is not followed", "run the file through a preprocessor (iverilog -E)"
            )
        elif word in {"define", "undef"}:
            name = argument[0].partition("(")[0] if argument else ""
            (defined.add if word == "define" else defined.discard)(name)
            keep(start)
            blank(end)
            skipped = end
        elif word in SKIPPED_DIRECTIVES:
            keep(start)
            blank(end)
            skipped = end
    if stack:
        raise CircuitError(
            source.place(stack[-1][2]), "`ifdef", "has no `endif", "check that the file was copied whole"
        )
    keep(len(text))
    return "".join(parts)


def _end_of_first(text: str, start: int) -> int:
    """End of the first word after *start* on its line."""
    match = re.compile(r"[ \t]*+[^\s]*+", re.ASCII).match(text, start)
    return match.end() if match else start
