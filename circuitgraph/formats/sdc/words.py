"""The words of an SDC script: braces, quotes, variables, command substitution; lists and numbers.

A script is evaluated by :class:`Script`, which hands every command to a function as a list of words. Nothing but
the commands of that function exists; there is no ``eval``, no file, no process. Steps and depth are limited.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from circuitgraph.errors import CircuitError

MAX_STEPS = 1_000_000
"""Most commands that one script may run."""
MAX_DEPTH = 64
"""Deepest nesting of brackets and bodies."""
MAX_VALUE = 16 << 20
"""Longest text that a variable may hold."""

PLAIN = re.compile(r'[^\s\\"$\[\];{}]+')
VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|((?:::)?[A-Za-z0-9_]+(?:::[A-Za-z0-9_]+)*(?:\([^()]*\))?))")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(frozen=True)
class Word:
    """A word of a command after substitution, where it began and, of a braced one, where its brace closes."""

    text: str
    at: int
    end: int = -1


class Script:
    """An SDC text and its evaluation.

    Args:
        file: name for messages.
        text: the script.
        call: runs one command: (script, words) -> result.
    """

    def __init__(self, file: str, text: str, call: Callable[[Script, list[Word]], str]) -> None:
        self.file = file
        self.text = text
        self.call = call
        self.variables: dict[str, str] = {}
        self.steps = 0
        self.depth = 0

    def place(self, at: int) -> str:
        """``file:line`` of an offset."""
        return f"{self.file}:{self.text.count(chr(10), 0, min(at, len(self.text))) + 1}"

    def error(self, at: int, subject: str, rule: str, way_out: str) -> CircuitError:
        """The error that stands at an offset."""
        return CircuitError(self.place(at), subject, rule, way_out)

    def run(self, start: int = 0, stop: int | None = None) -> str:
        """Evaluate the commands between two offsets; the result of the last one."""
        return self._commands(start, len(self.text) if stop is None else stop, bracket=False)[0]

    def run_body(self, word: Word) -> str:
        """Evaluate a word as a script: the body of ``foreach`` or ``if``."""
        if word.end < 0:
            raise self.error(word.at, f"body {word.text[:30]!r}", "must stand in braces", "write { ... }")
        return self.run(word.at + 1, word.end)

    # -- commands and words --------------------------------------------------------------------

    def _commands(self, at: int, stop: int, bracket: bool) -> tuple[str, int]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(at, "script", f"is nested deeper than {MAX_DEPTH}", "raise words.MAX_DEPTH")
        opened = at
        result = ""
        words: list[Word] = []
        while True:
            at = self._blank(at, stop)
            ended = at >= stop
            sign = "" if ended else self.text[at]
            if ended or sign in "\n;" or (bracket and sign == "]"):
                if words:
                    self.steps += 1
                    if self.steps > MAX_STEPS:
                        raise self.error(
                            words[0].at, "script", f"runs more than {MAX_STEPS:,} commands", "raise words.MAX_STEPS"
                        )
                    result = self.call(self, words)
                    words = []
                if ended:
                    if bracket:
                        raise self.error(opened, "'['", "has no end", "close the bracket")
                    break
                at += 1
                if bracket and sign == "]":
                    break
            elif sign == "#" and not words:
                at = self._comment(at, stop)
            else:
                at = self._word(at, stop, bracket, words)
        self.depth -= 1
        return result, at

    def _blank(self, at: int, stop: int) -> int:
        """Skip blanks and joined line ends, not line ends."""
        text = self.text
        while at < stop:
            if text[at] != "\n" and text[at].isspace():  # every blank that ends a word, or none moves on
                at += 1
            elif text[at] == "\\" and text[at + 1 : at + 2] == "\n":
                at += 2
            elif text[at] == "\\" and text[at + 1 : at + 3] == "\r\n":
                at += 3
            else:
                break
        return at

    def _comment(self, at: int, stop: int) -> int:
        while True:
            end = self.text.find("\n", at, stop)
            if end < 0:
                return stop
            if not self.text[:end].endswith("\\"):
                return end
            at = end + 1

    def _word(self, at: int, stop: int, bracket: bool, words: list[Word]) -> int:
        text = self.text
        start = at
        expand = text.startswith("{*}", at) and at + 3 < stop and not text[at + 3].isspace()
        if expand:
            at += 3
        if text[at] == "{":
            end = self._brace(at, stop)
            word = Word(re.sub(r"\\\r?\n[ \t]*", " ", text[at + 1 : end]), at, end)
            at = end + 1
        elif text[at] == '"':
            value, at = self._substituted(at + 1, stop, '"')
            word = Word(value, start)
            at += 1
        else:
            value, at = self._substituted(at, stop, "]" if bracket else "")
            word = Word(value, start)
        if at < stop and not (text[at].isspace() or text[at] in ";\\" or (bracket and text[at] == "]")):
            raise self.error(
                at, f"{text[start : at + 10]!r}", "has characters behind its closing sign", "put a blank between"
            )
        if expand:
            words += [Word(item, word.at) for item in split_list(word.text)]
        else:
            words.append(word)
        return at

    def _brace(self, at: int, stop: int) -> int:
        """Offset of the brace that closes the one at *at*."""
        depth = 0
        for found in re.compile(r"\\.|[{}]", re.DOTALL).finditer(self.text, at, stop):
            sign = found[0]
            if sign == "{":
                depth += 1
            elif sign == "}":
                depth -= 1
                if not depth:
                    return found.start()
        raise self.error(at, "'{'", "has no end", "close the brace")

    def _substituted(self, at: int, stop: int, closing: str) -> tuple[str, int]:
        """A word with variables, brackets and escapes replaced; *closing* is ``"``, ``]`` or nothing."""
        text = self.text
        quoted = closing == '"'
        parts: list[str] = []
        start = at
        while at < stop:
            sign = text[at]
            if quoted and sign == '"':
                return "".join(parts), at
            if not quoted and (sign.isspace() or sign == ";" or (closing and sign == closing)):
                break
            if sign == "$":
                value, at = self._variable(at)
                parts.append(value)
            elif sign == "[":
                value, at = self._commands(at + 1, stop, bracket=True)
                parts.append(value)
            elif sign == "\\":
                if text[at + 1 : at + 2] == "\n" or text[at + 1 : at + 3] == "\r\n":
                    if not quoted:
                        break
                    parts.append(" ")
                    at = self._blank(at, stop)
                    continue
                parts.append(ESCAPES.get(text[at + 1 : at + 2], text[at + 1 : at + 2]) if at + 1 < stop else "\\")
                at += 2
            else:
                found = PLAIN.match(text, at, stop)
                step = found[0] if found and sign != "]" else sign
                parts.append(step)
                at += len(step)
        if quoted:
            raise self.error(start - 1, "'\"'", "has no end", "close the quote")
        return "".join(parts), at

    def _variable(self, at: int) -> tuple[str, int]:
        found = VARIABLE.match(self.text, at)
        if found is None:
            return "$", at + 1
        name = (found[1] if found[1] is not None else found[2]).removeprefix("::")
        if name not in self.variables:
            way_out = "set it before the constraints, or write the value"
            raise self.error(at, f"variable {name!r}", "has no value", way_out)
        return self.variables[name], found.end()

    def set(self, name: str, value: str, at: int) -> str:
        """Give a variable a value."""
        if len(value) > MAX_VALUE:
            raise self.error(
                at, f"variable {name!r}", f"grows beyond {MAX_VALUE:,} characters", "raise words.MAX_VALUE"
            )
        self.variables[name.removeprefix("::")] = value
        return value

    def substitute(self, text: str, at: int) -> str:
        """Replace variables and brackets in a text that stood in braces (the argument of ``expr``)."""
        if "$" not in text and "[" not in text:
            return text
        inner = Script(self.file, text, self.call)
        inner.variables, inner.steps, inner.depth = self.variables, self.steps, self.depth + 1
        if inner.depth > MAX_DEPTH:
            raise self.error(at, "script", f"is nested deeper than {MAX_DEPTH}", "raise words.MAX_DEPTH")
        try:
            parts: list[str] = []
            place = 0
            while place < len(text):
                if text[place] == "$":
                    value, place = inner._variable(place)
                    parts.append(value if NUMERIC.fullmatch(value) else '"' + value.replace('"', "") + '"')
                elif text[place] == "[":
                    value, place = inner._commands(place + 1, len(text), bracket=True)
                    parts.append(value if NUMERIC.fullmatch(value) else '"' + value.replace('"', "") + '"')
                else:
                    parts.append(text[place])
                    place += 1
        except CircuitError as error:
            raise self.error(at, error.subject, error.rule, error.way_out) from None
        finally:
            self.steps = inner.steps
        return "".join(parts)


NUMERIC = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")


def split_list(text: str) -> list[str]:
    r"""The items of a list.

    >>> split_list("a {b c} \"d e\" f\\[0\\]")
    ['a', 'b c', 'd e', 'f[0]']
    """
    if not any(sign in text for sign in '{"\\'):
        return text.split()
    items: list[str] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == "{":
            depth, start = 0, at + 1
            while at < len(text):
                if text[at] == "\\":
                    at += 1
                elif text[at] in "{}":
                    depth += 1 if text[at] == "{" else -1
                    if not depth:
                        break
                at += 1
            items.append(text[start:at])
            at += 1
        elif text[at] == '"':
            end = text.find('"', at + 1)
            end = len(text) if end < 0 else end
            items.append(text[at + 1 : end])
            at = end + 1
        else:
            found = re.compile(r"(?:\\.|[^\s\\])+|\\", re.DOTALL).match(text, at)
            assert found is not None
            items.append(re.sub(r"\\(.)", r"\1", found[0], flags=re.DOTALL))
            at = found.end()
    return items


def join_list(items: list[str]) -> str:
    """A list of the items, each quoted where it must be.

    >>> join_list(["a", "b c", ""])
    'a {b c} {}'
    """
    return " ".join(_item(item) for item in items)


def _item(item: str) -> str:
    if item and not re.search(r'[\s{}"\\\[\]$;]', item):
        return item
    if item.count("{") == item.count("}") and not item.endswith("\\"):
        return "{" + item + "}"
    return re.sub(r'([\s{}"\\\[\]$;])', r"\\\1", item)
