"""Liberty's Boolean expressions as postfix programs: ``!a``, ``a'``, ``* & blank``, ``+ |``, ``^``, ``0``, ``1``.

Not binds strongest, then exclusive or, then and, then or.
"""

from __future__ import annotations

import re
from collections.abc import Callable

TOKEN = re.compile(r"""\s*(?:([A-Za-z_0-9.$\\]+(?:\[-?[0-9]+\])?)|([!'*&+|^()])|(\S))""")
MAX_LENGTH = 10_000
MAX_DEPTH = 64


def postfix(expression: str, port: Callable[[str], int | str | None]) -> tuple[int | str, ...]:
    """The postfix program of an expression.

    Args:
        expression: as Liberty writes it.
        port: index of a port by name, or a word to stand for it, or None where the name is unknown.

    Raises:
        ValueError: the expression is malformed, names something unknown or exceeds a limit.

    >>> postfix("(A B)+C'", {"A": 0, "B": 1, "C": 2}.get)
    (0, 1, 'and', 2, 'not', 'or')
    """
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH:,} characters")
    tokens: list[tuple[str, str]] = []
    for name, sign, other in TOKEN.findall(expression):
        if other:
            raise ValueError(f"holds {other!r}")
        tokens.append(("name", name) if name else ("sign", sign))
    parser = _Parser(tokens, port)
    parser.either(0)
    if parser.at < len(tokens):
        raise ValueError(f"has {tokens[parser.at][1]!r} where it should end")
    return tuple(parser.program)


class _Parser:
    """Recursive descent over the tokens; the depth is limited."""

    def __init__(self, tokens: list[tuple[str, str]], port: Callable[[str], int | str | None]) -> None:
        self.tokens = tokens
        self.port = port
        self.at = 0
        self.program: list[int | str] = []

    def _next(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def either(self, depth: int) -> None:
        self.both(depth)
        while self._next() in {"+", "|"}:
            self.at += 1
            self.both(depth)
            self.program.append("or")

    def both(self, depth: int) -> None:
        self.differ(depth)
        while self.at < len(self.tokens) and self._next() not in {"+", "|", ")"}:
            if self._next() in {"*", "&"}:
                self.at += 1
            self.differ(depth)
            self.program.append("and")

    def differ(self, depth: int) -> None:
        self.single(depth)
        while self._next() == "^":
            self.at += 1
            self.single(depth)
            self.program.append("xor")

    def single(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ValueError(f"is nested deeper than {MAX_DEPTH}")
        if self.at >= len(self.tokens):
            raise ValueError("ends too early")
        kind, word = self.tokens[self.at]
        self.at += 1
        if word == "!":
            self.single(depth + 1)
            self.program.append("not")
            return
        if word == "(":
            self.either(depth + 1)
            if self._next() != ")":
                raise ValueError("lacks a closing parenthesis")
            self.at += 1
        elif kind == "sign":
            raise ValueError(f"has {word!r} where a name should stand")
        else:
            self._name(word)
        while self._next() == "'":
            self.at += 1
            self.program.append("not")

    def _name(self, word: str) -> None:
        place = self.port(word)
        if place is None and word in {"0", "1"}:
            place = word
        if place is None:
            raise ValueError(f"names {word!r}, which is no pin of the cell")
        self.program.append(place)
