"""What text readers share: limits with their settings, places in a file, byte-level kernels.

The kernels are compiled by numba, which is imported only when :func:`kernels` is called: a small file is read
without it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from circuitgraph.errors import CircuitError

MAX_CELLS = 50_000_000
MAX_NETS = 1 << 22
MAX_WIDTH = 1 << 20
MAX_NESTING = 256


def limit(setting: str, default: int) -> int:
    """A limit: the value of the environment variable *setting* where it is set, else *default*.

    Raises:
        CircuitError: the variable holds no number.
    """
    text = os.environ.get(setting, "")
    if not text:
        return default
    if not text.isascii() or not text.isdecimal():
        raise CircuitError(setting, repr(text), "must be a whole number", "unset it or give digits")
    return int(text)


def line_and_column(data: bytes | str, offset: int) -> tuple[int, int]:
    r"""Line and column, both from 1, of a byte offset; LF, CRLF and a lone CR end a line.

    >>> line_and_column(b"ab\ncd", 4)
    (2, 2)
    """
    if isinstance(data, str):
        head = data[:offset]
        lines = head.count("\n") + head.count("\r") - head.count("\r\n")
        start = max(head.rfind("\n"), head.rfind("\r")) + 1
    else:
        raw = data[:offset]
        lines = raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")
        start = max(raw.rfind(b"\n"), raw.rfind(b"\r")) + 1
    return lines + 1, offset - start + 1


@dataclass(frozen=True)
class SourceText:
    """A file's text, one character a byte (Latin-1), and its name in messages.

    | field | meaning |
    |---|---|
    | name | the file's name in messages |
    | text | the bytes as Latin-1, without a byte order mark |
    | shift | bytes before ``text`` on its first line (the byte order mark) |
    """

    name: str
    text: str
    shift: int = 0

    @classmethod
    def of(cls, data: bytes, name: str) -> SourceText:
        """The text of *data*.

        Raises:
            CircuitError: there is a NUL byte.
        """
        zero = data.find(b"\0")
        if zero >= 0:
            line, column = line_and_column(data, zero)
            raise CircuitError(
                f"{name}:{line}:{column}", "byte 0", "must not stand in a text file", "check how it was written"
            )
        shift = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        return cls(name, data[shift:].decode("latin-1"), shift)

    def place(self, offset: int) -> str:
        """``file:line:column`` of a character."""
        line, column = line_and_column(self.text, offset)
        return f"{self.name}:{line}:{column}"
