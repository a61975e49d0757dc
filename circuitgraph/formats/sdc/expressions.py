"""Arithmetic of ``expr`` and ``if``: numbers, comparisons, ``&& || ! ?:``, a few functions; no ``eval``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

TOKEN = re.compile(
    r"""\s*(?:((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|"([^"]*)"|([A-Za-z_][A-Za-z0-9_.:/]*)
    |(\*\*|==|!=|<=|>=|&&|\|\||[-+*/%<>!()?:,~&|^])|(\S))""",
    re.VERBOSE,
)
MAX_LENGTH = 10_000
MAX_DEPTH = 64
Value = float | int | str


def _power(x: float, y: float) -> float | int:
    if x and abs(y) * abs(math.log10(abs(x)) if x else 0) > 300:
        raise ValueError("is not finite")
    try:
        value: float | int | complex = x**y
    except (OverflowError, ZeroDivisionError):
        raise ValueError("is not finite") from None
    if isinstance(value, complex):
        raise ValueError("is not real")
    return value


FUNCTIONS: dict[str, Callable[..., float | int]] = {
    "abs": abs,
    "int": int,
    "double": float,
    "round": lambda x: math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "pow": _power,
    "min": min,
    "max": max,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
}
LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("==", "!=", "eq", "ne"),
    ("<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)


def evaluate(expression: str) -> str:
    """Value of an expression, as text.

    Raises:
        ValueError: it is malformed, not finite or exceeds a limit.

    >>> evaluate("1 + 2 * 3"), evaluate("10 * .2"), evaluate("3 / 2"), evaluate("1 < 2 && !0")
    ('7', '2.0', '1', '1')
    """
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH:,} characters")
    parser = _Parser(expression)
    value = parser.choice(0)
    if parser.at < len(parser.tokens):
        raise ValueError(f"has {parser.tokens[parser.at]!r} where it should end")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("is not finite")
    return repr(value) if not isinstance(value, str) else value


def truth(text: str) -> bool:
    """Whether a value counts as true.

    Raises:
        ValueError: it is neither a number nor a boolean word.
    """
    word = text.strip().lower()
    if word in {"true", "yes", "on"}:
        return True
    if word in {"false", "no", "off"}:
        return False
    return float(word) != 0


class _Parser:
    def __init__(self, expression: str) -> None:
        self.tokens: list[Value] = []
        self.signs: list[bool] = []
        for number, quoted, word, sign, other in TOKEN.findall(expression):
            if other:
                raise ValueError(f"holds {other!r}")
            if number:
                self.tokens.append(int(number) if number.isdigit() else float(number))
            else:
                self.tokens.append(sign or word or quoted)
            self.signs.append(bool(sign) or word in {"eq", "ne"} or word in FUNCTIONS)
        self.at = 0

    def _sign(self) -> str:
        return str(self.tokens[self.at]) if self.at < len(self.tokens) and self.signs[self.at] else ""

    def _take(self, sign: str) -> None:
        if self._sign() != sign:
            raise ValueError(f"lacks {sign!r}")
        self.at += 1

    def choice(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise ValueError(f"is nested deeper than {MAX_DEPTH}")
        value = self.level(0, depth)
        if self._sign() != "?":
            return value
        self.at += 1
        first = self.choice(depth + 1)
        self._take(":")
        second = self.choice(depth + 1)
        return first if truth(str(value)) else second

    def level(self, row: int, depth: int) -> Value:
        if row == len(LEVELS):
            return self.unary(depth)
        value = self.level(row + 1, depth)
        while self._sign() in LEVELS[row]:
            sign = self._sign()
            self.at += 1
            value = _apply(sign, value, self.level(row + 1, depth))
        return value

    def unary(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise ValueError(f"is nested deeper than {MAX_DEPTH}")
        sign = self._sign()
        if sign in {"-", "+", "!"}:
            self.at += 1
            value = self.unary(depth + 1)
            if sign == "!":
                return int(not truth(str(value)))
            return -_number(value) if sign == "-" else _number(value)
        value = self.single(depth)
        if self._sign() == "**":
            self.at += 1
            return _power(_number(value), _number(self.unary(depth + 1)))
        return value

    def single(self, depth: int) -> Value:
        if self.at >= len(self.tokens):
            raise ValueError("ends too early")
        sign = self._sign()
        token = self.tokens[self.at]
        self.at += 1
        if sign == "(":
            value = self.choice(depth + 1)
            self._take(")")
            return value
        if sign in FUNCTIONS and self._sign() == "(":
            self.at += 1
            values = [_number(self.choice(depth + 1))]
            while self._sign() == ",":
                self.at += 1
                values.append(_number(self.choice(depth + 1)))
            self._take(")")
            try:
                return FUNCTIONS[sign](*values)
            except TypeError:
                raise ValueError(f"gives {sign} {len(values)} values") from None
        if sign:
            raise ValueError(f"has {sign!r} where a value should stand")
        return token


def _number(value: Value) -> float | int:
    if isinstance(value, str):
        text = value.strip()
        try:
            return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else float(text)
        except ValueError:
            raise ValueError(f"needs a number, not {value!r}") from None
    return value


def _apply(sign: str, left: Value, right: Value) -> Value:
    if sign == "||":
        return int(truth(str(left)) or truth(str(right)))
    if sign == "&&":
        return int(truth(str(left)) and truth(str(right)))
    if sign in {"eq", "ne"}:
        return int((str(left) == str(right)) == (sign == "eq"))
    if sign in {"==", "!="}:
        try:
            same = _number(left) == _number(right)
        except ValueError:
            same = str(left) == str(right)
        return int(same == (sign == "=="))
    x, y = _number(left), _number(right)
    if sign in {"<", ">", "<=", ">="}:
        return int(x < y if sign == "<" else x > y if sign == ">" else x <= y if sign == "<=" else x >= y)
    if sign in {"/", "%"} and not y:
        raise ValueError("divides by zero")
    if sign == "/":
        return x // y if isinstance(x, int) and isinstance(y, int) else x / y
    if sign == "%":
        return x % y
    return x + y if sign == "+" else x - y if sign == "-" else x * y
