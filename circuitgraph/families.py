"""Families: circuits that are one design in several forms, across suites, so that no split separates them.

Three things join circuits: an index or a list that names their family, their names without the suffixes that tools
and suites add, and equal simulation signatures (:mod:`circuitgraph.analysis.signatures`). ``families.csv`` beside this
file lists the public suites: which names are one family, and whether equal signatures show it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from circuitgraph.corpus import SPLITS
from circuitgraph.errors import CircuitError, nearest
from circuitgraph.files import read_bytes
from circuitgraph.union_find import find_root

LIST = Path(__file__).with_name("families.csv")
LIST_COLUMNS = ("family", "suite", "name", "joined_by", "reason")
JOINED_BY = ("signature", "name")
MIN_CELLS = 24
"""Circuits with fewer cells are not joined by signatures: a multiplexer is a part of half of all designs."""
LARGE_COUNT, LARGE_SHARE = 25, 0.05
"""A family with more circuits than both trains: one design must not be most of what is tested."""
SUFFIX = re.compile(
    r"(?:_(?:orig|opt|opt_r|opt_c|c|g|cg|r|aig|abc|yosys|size(?:_\w+)?|depth(?:_\w+)?|nangate45|sky130hd|asap7))+$"
)
"""Endings that name a form of a design: ``_orig _C _opt _opt_r _g _Cg _size_* _depth_*``, writers and technologies.

Source: the suites' own file names; EPFL's best results (``_size_``, ``_depth_``), ITC'99 (``_C``, ``_opt_r``),
OpenABC-D (``_orig``).
"""
GENERIC = frozenset(
    ("top", "test", "dut", "design", "netlist", "out", "main", "module", "example", "6_final", "1_synth")
)
"""Names that say nothing: such a circuit is named after its folder too."""
ORDER = {split: rank for rank, split in enumerate(("test", "validation", "train"))}
"""Which split a family takes that two corpora put into different ones: what is tested is never trained on."""


@dataclass(frozen=True)
class Member:
    """What is known of a circuit before it has a family.

    | field | meaning |
    |---|---|
    | source, name | name of its file as people see it; of its design |
    | suite | where it comes from |
    | family, split | what an index says, "" where none does; a split only where it must be kept |
    | cells | of the circuit |
    | signatures | simulation signatures; equal ones join |
    | same_file | what only circuits of the very same bytes share, or "" |
    """

    source: str
    name: str
    suite: str
    family: str = ""
    split: str = ""
    cells: int = 0
    signatures: tuple[str, ...] = ()
    same_file: str = ""


@dataclass(frozen=True)
class Listed:
    """One row of the list: a circuit of a suite, its family, what shows it and why."""

    family: str
    suite: str
    name: str
    joined_by: str
    reason: str


@dataclass
class Families:
    """Family and split of each member, in order, and how often what joined them."""

    family: list[str]
    split: list[str]
    joins: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)


@lru_cache(maxsize=1)
def known_families() -> tuple[Listed, ...]:
    """The list of the repository: EPFL, ISCAS'85 and '89, ITC'99, OpenABC-D."""
    rows = csv.DictReader(io.StringIO(LIST.read_text("utf-8")))
    return tuple(Listed(*(row[name] for name in LIST_COLUMNS)) for row in rows)


def read_rules(path: str | Path) -> dict[str, tuple[str, str]]:
    """A list of the user: name of a file, design or source -> (family, split or "").

    Args:
        path: CSV with the columns ``name,family`` and, where splits must be kept, ``split``.

    Raises:
        CircuitError: a column is missing, a split is unknown, or a family stands in two splits.
    """
    place = Path(path).name
    try:
        rows = list(csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8"))))
    except (UnicodeDecodeError, csv.Error):
        raise CircuitError(place, "list of families", "is no CSV in UTF-8", "write it again") from None
    rules: dict[str, tuple[str, str]] = {}
    split_of_family: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        if not row.get("name") or not row.get("family"):
            raise CircuitError(
                f"{place}:{number}", "row", "needs a name and a family", "the columns are name,family,split"
            )
        split = row.get("split") or ""
        if split and split not in SPLITS:
            way_out = nearest(split, SPLITS, f"use {', '.join(SPLITS)}")
            raise CircuitError(f"{place}:{number}", f"split {split!r}", "is unknown", way_out)
        first = split_of_family.setdefault(row["family"], split)
        if first != split:
            rule = f"is in {first or 'none'} and in {split or 'none'}"
            raise CircuitError(f"{place}:{number}", f"family {row['family']!r}", rule, "keep a family in one split")
        rules[row["name"]] = (row["family"], split)
    return rules


def name_key(name: str) -> str:
    """A design's name without what tools and suites add to it.

    >>> [name_key(name) for name in ("b17_opt_r", "c880g", "adder_depth_2018", "max_orig", "c432_Cg", "memctrl")]
    ['b17', 'c880', 'adder', 'max', 'c432', 'mem_ctrl']
    """
    key = SUFFIX.sub("", name.lower())
    key = re.sub(r"^([bcs]\d{2,5})g$", r"\1", key)
    return {"c2760": "c2670", "memctrl": "mem_ctrl"}.get(key, key)


def family_of(member: Member, rules: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """The family that names give, and a split that must be kept or "".

    The user's rules go first, then what an index says, then the repository's list, then the name itself.
    """
    parts = member.source.split("/")
    for key in (member.source, parts[-1], member.name, parts[-1].partition(".")[0]):
        if key in rules:
            return rules[key]
    if member.family:
        return member.family, member.split
    key = name_key(member.name)
    for suite in (member.suite, ""):
        if (suite, key) in _listed():
            return _listed()[suite, key], ""
    if key.partition(".")[0] in GENERIC:
        folder = parts[-2] if len(parts) > 1 else ""
        return _listed().get(("", name_key(folder)), f"{name_key(folder)}/{key}" if folder else key), ""
    return key, ""


@lru_cache(maxsize=1)
def _listed() -> dict[tuple[str, str], str]:
    """(suite, key of the name) -> family; ("", key) where all suites agree on it."""
    found = {(row.suite, name_key(row.name)): row.family for row in known_families()}
    for key in {key for _, key in found}:
        homes = {family for (_, other), family in found.items() if other == key}
        if len(homes) == 1:
            found["", key] = homes.pop()
    return found


def merge_families(
    members: Sequence[Member],
    seed: int,
    shares: Sequence[float],
    rules: Mapping[str, tuple[str, str]] | None = None,
) -> Families:
    """The family and the split of every member; the same whatever the order of the members.

    Args:
        members: circuits.
        seed: decides the splits of families that no index keeps.
        shares: of train, validation and test, any scale; large families train.
        rules: of :func:`read_rules`.
    """
    named = [family_of(member, rules or {}) for member in members]
    names = sorted({family for family, _ in named})
    row_of = {name: row for row, name in enumerate(names)}
    root: dict[int, int] = {}
    joins: Counter[str] = Counter(name=len(members) - len(names), signature=0)
    first: dict[str, int] = {}
    for place in sorted(range(len(members)), key=lambda row: named[row][0]):
        member, row = members[place], row_of[named[place][0]]
        signatures = member.signatures if member.cells >= MIN_CELLS else ()
        for signature in filter(None, (member.same_file, *signatures)):
            one, other = find_root(root, first.setdefault(signature, row)), find_root(root, row)
            if one != other:
                root[max(one, other)] = min(one, other)
                joins["signature"] += 1
    pinned: dict[int, set[str]] = {}
    labels: dict[int, tuple[int, str]] = {}
    known = {row.family for row in known_families()}
    for family, split in named:
        at = find_root(root, row_of[family])
        if split:
            pinned.setdefault(at, set()).add(split)
        rank = (0 if split else 1 if family in known else 2, family)
        labels[at] = min(labels.get(at, rank), rank)
    result = Families([], [], joins)
    size = Counter(find_root(root, row_of[family]) for family, _ in named)
    large = {at for at, count in size.items() if count > max(LARGE_COUNT, LARGE_SHARE * len(members)) and shares[0]}
    for at in sorted(pinned):
        if len(pinned[at]) > 1:
            line = (
                f"family {labels[at][1]!r} is joined across the splits {', '.join(sorted(pinned[at]))} of its corpora"
            )
            result.lines.append(f"{line}; it is {_kept(pinned[at])}")
    for family, _ in named:
        at = find_root(root, row_of[family])
        label = labels[at][1]
        result.family.append(label)
        drawn = "train" if at in large else split_of(label, seed, shares)
        result.split.append(_kept(pinned[at]) if at in pinned else drawn)
    return result


def _kept(splits: Iterable[str]) -> str:
    return min(splits, key=lambda split: ORDER[split])


def split_of(family: str, seed: int, shares: Sequence[float]) -> str:
    """The split of a family, by a hash of its name and the seed.

    >>> {split_of(f"family{row}", 0, (100, 0, 0)) for row in range(9)}
    {'train'}
    """
    digest = hashlib.sha256(f"{seed}|{family}".encode("utf-8", "surrogateescape")).digest()
    place = int.from_bytes(digest[:8], "big") / (1 << 64) * sum(shares)
    for split, share in zip(SPLITS, shares, strict=True):
        if place < share:
            return split
        place -= share
    return next(split for split, share in zip(SPLITS[::-1], list(shares)[::-1], strict=True) if share)
