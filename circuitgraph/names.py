"""Names of cells, nets, ports and blocks: hierarchy, base, bus bit; one blob of bytes, no string per name.

A name is (hierarchy parts, base, bus bit or none). The base holds the raw characters, without any
escape: Verilog's ``\\abc `` and ``abc`` are one name, ``\\data[3] `` (base ``data[3]``) and bit 3 of
the bus ``data`` (base ``data``, bit 3) are two. Printed, a part that holds ``/`` shows it as ``\\/``, and the
brackets of a base show as ``\\[ \\]``, as DEF and SPEF write them; two different names never print
the same. A row without a base is unnamed and prints as its prefix and its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]

NO_BIT = -(1 << 31)
"""Value of ``bit`` where a name is no bit of a bus."""


def decode(raw: bytes) -> str:
    """Text of raw bytes; bytes that are not UTF-8 survive the round trip."""
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Bytes of a text, the inverse of :func:`decode`."""
    return text.encode("utf-8", "surrogateescape")


def split_bit(text: str) -> tuple[str, int]:
    """Base and bit of a name as Verilog, SDC and SPEF write it: ``a[3]`` is bit 3 of ``a``.

    An escaped bracket belongs to the base.

    >>> split_bit("a[3]"), split_bit("a"), split_bit("a[-1]")
    (('a', 3), ('a', -2147483648), ('a', -1))
    """
    if text.endswith("]") and not text.endswith("\\]"):
        base, bracket, digits = text[:-1].rpartition("[")
        digits_only = digits.removeprefix("-")
        is_number = digits_only.isascii() and digits_only.isdigit() and len(digits_only) < 10
        if bracket and base and not base.endswith("\\") and is_number:
            return base, int(digits)
    return text, NO_BIT


def print_part(base: str) -> str:
    """One part of a name as it prints: ``/`` and brackets of the base carry a backslash."""
    return base.replace("/", "\\/").replace("[", "\\[").replace("]", "\\]")


@dataclass(frozen=True)
class NameTable:
    """Names of n things.

    | field | type, shape | meaning |
    |---|---|---|
    | blob | uint8 [bytes] | the bases, one after the other |
    | start | int64 [n + 1] | base of row i is ``blob[start[i]:start[i + 1]]``; empty = unnamed |
    | bit | int32 [n] or None | bus index, NO_BIT where none; None = none at all |
    | block | int32 [n] or None | row in ``blocks``, -1 at the top; None = all at the top |
    | blocks | NameTable or None | names of the hierarchy's blocks, each with its parent as block |
    | prefix | str | unnamed rows print as prefix and number |
    """

    blob: npt.NDArray[np.uint8]
    start: LongArray
    bit: IntArray | None = None
    block: IntArray | None = None
    blocks: NameTable | None = None
    prefix: str = "$n"

    @classmethod
    def of(
        cls,
        bases: Iterable[bytes],
        bit: Sequence[int] | IntArray | None = None,
        block: Sequence[int] | IntArray | None = None,
        blocks: NameTable | None = None,
        prefix: str = "$n",
    ) -> NameTable:
        """A table of the given raw bases.

        >>> table = NameTable.of([b"a", b"data[3]", b"data"], bit=[NO_BIT, NO_BIT, 3])
        >>> [table.text(row) for row in range(3)]
        ['a', 'data\\\\[3\\\\]', 'data[3]']
        """
        bases = list(bases)
        start = np.zeros(len(bases) + 1, np.int64)
        np.cumsum([len(base) for base in bases], out=start[1:])
        blob = np.frombuffer(b"".join(bases), np.uint8)
        bits = None if bit is None else np.asarray(bit, np.int32)
        if bits is not None and (bits == NO_BIT).all():
            bits = None
        rows = None if block is None else np.asarray(block, np.int32)
        if rows is not None and (rows < 0).all():
            rows, blocks = None, None
        return cls(blob, start, bits, rows, blocks, prefix)

    @classmethod
    def unnamed(cls, count: int, prefix: str = "$n") -> NameTable:
        """A table of *count* rows that have only a number."""
        return cls(np.zeros(0, np.uint8), np.zeros(count + 1, np.int64), prefix=prefix)

    def __len__(self) -> int:
        return len(self.start) - 1

    def __iter__(self) -> Iterator[str]:
        return (self.text(row) for row in range(len(self)))

    @cached_property
    def _bytes(self) -> bytes:
        return self.blob.tobytes()

    def base(self, row: int) -> bytes:
        """Raw base of a row, without escape, bit or hierarchy; empty when unnamed."""
        return self._bytes[int(self.start[row]) : int(self.start[row + 1])]

    def bit_of(self, row: int) -> int:
        """Bus bit of a row, or NO_BIT."""
        return NO_BIT if self.bit is None else int(self.bit[row])

    def block_of(self, row: int) -> int:
        """Row in ``blocks`` of the block that holds this name, -1 at the top."""
        return -1 if self.block is None else int(self.block[row])

    def parts(self, row: int) -> tuple[str, ...]:
        """Hierarchy parts and base of a row, raw, outermost first; the bit is not among them."""
        base = self.base(row)
        own = (decode(base) if base else f"{self.prefix}{row}",)
        block = self.block_of(row)
        if block < 0 or self.blocks is None:
            return own
        return self.blocks._path(block) + own

    def _path(self, row: int) -> tuple[str, ...]:
        """Parts of a block and its parents; a block's bit (instance arrays) is part of its text."""
        found: list[str] = []
        while row >= 0:
            bit = self.bit_of(row)
            found.append(decode(self.base(row)) + (f"[{bit}]" if bit != NO_BIT else ""))
            row = self.block_of(row)
        return tuple(reversed(found))

    def text(self, row: int) -> str:
        """The name as people and CSV files see it: ``u1/data[3]``."""
        base = self.base(row)
        own = print_part(decode(base)) if base else f"{self.prefix}{row}"
        bit = self.bit_of(row)
        if bit != NO_BIT:
            own = f"{own}[{bit}]"
        block = self.block_of(row)
        if block < 0 or self.blocks is None:
            return own
        return "/".join([*(self.blocks.own_text(part) for part in self.blocks.chain(block)), own])

    def own_text(self, row: int) -> str:
        """The name of a row without its hierarchy."""
        bit = self.bit_of(row)
        base = self.base(row)
        own = print_part(decode(base)) if base else f"{self.prefix}{row}"
        return own if bit == NO_BIT else f"{own}[{bit}]"

    def chain(self, row: int) -> list[int]:
        """Rows of a block's parents and itself, outermost first."""
        found: list[int] = []
        while row >= 0:
            found.append(row)
            row = self.block_of(row)
        return found[::-1]

    def texts(self) -> list[str]:
        """All names in order, as :meth:`text`; costs a string per name."""
        raw = self._bytes
        edges = self.start.tolist()
        if raw.isascii():
            whole = raw.decode("ascii")
            found = [whole[a:b] for a, b in pairwise(edges)]
        else:
            found = [decode(raw[a:b]) for a, b in pairwise(edges)]
        if b"/" in raw or b"[" in raw or b"]" in raw:
            found = [print_part(base) if "/" in base or "[" in base or "]" in base else base for base in found]
        for row in np.flatnonzero(np.diff(self.start) == 0).tolist():
            found[row] = f"{self.prefix}{row}"
        if self.bit is not None:
            rows = np.flatnonzero(self.bit != NO_BIT)
            for row, bit in zip(rows.tolist(), self.bit[rows].tolist(), strict=True):
                found[row] = f"{found[row]}[{bit}]"
        if self.block is not None and self.blocks is not None:
            path: dict[int, str] = {}
            rows = np.flatnonzero(self.block >= 0)
            for row, block in zip(rows.tolist(), self.block[rows].tolist(), strict=True):
                if block not in path:
                    path[block] = "/".join(self.blocks.own_text(part) for part in self.blocks.chain(block))
                found[row] = f"{path[block]}/{found[row]}"
        return found

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Row by printed name; of equal names the first."""
        found: dict[str, int] = {}
        for row, text in enumerate(self.texts()):
            found.setdefault(text, row)
        return found

    @cached_property
    def loose_rows(self) -> Mapping[str, int]:
        """Row by the normalised key of :func:`loose_key`; -2 where two names share it."""
        found: dict[str, int] = {}
        for row, text in enumerate(self.texts()):
            key = loose_key(text)
            found[key] = -2 if key in found else row
        return found

    def find(self, text: str) -> int:
        """Row of a name as printed, or under another format's escapes; -1 where there is none.

        The exact spelling decides first; then the spelling without backslashes, if only one name has it.

        >>> table = NameTable.of([b"a/b", b"c"])
        >>> table.find("a\\\\/b"), table.find("a/b"), table.find("d")
        (0, 0, -1)
        """
        row = self.rows.get(text, -1)
        if row >= 0:
            return row
        row = self.loose_rows.get(loose_key(text), -1)
        return row if row >= 0 else -1

    def take(self, rows: npt.NDArray[np.integer]) -> NameTable:
        """The table of the given rows, in their order; unnamed rows keep no number."""
        lengths = np.diff(self.start)[rows]
        start = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=start[1:])
        index = np.repeat(self.start[rows] - start[:-1], lengths) + np.arange(start[-1])
        return NameTable(
            self.blob[index],
            start,
            None if self.bit is None else self.bit[rows],
            None if self.block is None else self.block[rows],
            self.blocks,
            self.prefix,
        )

    def columns(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays of the table under *name* and a dot, for hashes and caches."""
        found: dict[str, npt.NDArray[np.generic]] = {f"{name}.blob": self.blob, f"{name}.start": self.start}
        if self.bit is not None:
            found[f"{name}.bit"] = self.bit
        if self.block is not None:
            found[f"{name}.block"] = self.block
        return found


def loose_key(text: str) -> str:
    """What is left of a printed name when escapes and the blanks before an index are gone.

    >>> loose_key("a\\\\/b\\\\[3\\\\]"), loose_key("a/b [3]")
    ('a/b[3]', 'a/b[3]')
    """
    return text.replace("\\", "").replace(" ", "")
