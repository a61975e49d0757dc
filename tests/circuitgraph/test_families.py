"""Families: name rules, the list of the repository against simulation, merging, splits that do not depend on order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.signatures import circuit_signature
from circuitgraph.errors import CircuitError
from circuitgraph.families import (
    JOINED_BY,
    MIN_CELLS,
    Listed,
    Member,
    family_of,
    known_families,
    merge_families,
    name_key,
    read_rules,
    split_of,
)
from circuitgraph.formats import read

SHARES = (70.0, 15.0, 15.0)
FOLDERS = {
    "epfl": "digital/aiger/epfl",
    "abc": "digital/aiger/abc",
    "iscas85": "digital/bench/iscas85",
    "iscas89": "digital/bench/iscas89",
    "itc99": "digital/bench/itc99",
    "openabcd": "digital/bench/openabcd",
    "lut": "digital/bench/lut",
    "digital": "digital/bench",
    "primitives": "digital/verilog/primitives",
    "openroad": "digital/verilog/openroad",
    "qor": "logic/qor/aig",
}
"""Where the public data holds the suites of the list."""


def member(name: str, suite: str = "", **other: object) -> Member:
    return Member(source=f"{suite}/{name}.aig", name=name, suite=suite, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("c2760", "c2670"),
        ("memctrl", "mem_ctrl"),
        ("mem_ctrl_orig", "mem_ctrl"),
        ("b12_C", "b12"),
        ("b12_opt_r", "b12"),
        ("b20_Cg", "b20"),
        ("c880g", "c880"),
        ("div_size_2020", "div"),
        ("adder_depth_2018", "adder"),
        ("ctrl_abc_aig", "ctrl"),
        ("gcd_sky130hd", "gcd"),
        ("Adder", "adder"),
        ("arch", "arch"),
        ("log2", "log2"),
        ("spi_c_orig", "spi"),
    ],
)
def test_names_lose_what_suites_add(name: str, key: str) -> None:
    assert name_key(name) == key


def test_the_list_is_well_formed() -> None:
    rows = known_families()
    assert len(rows) > 150
    assert {row.joined_by for row in rows} == set(JOINED_BY)
    assert all(row.family and row.name and len(row.reason) > 10 for row in rows)
    assert len({(row.suite, row.name) for row in rows}) == len(rows)
    families = {row.family for row in rows}
    assert {"div", "c2670", "b14", "aes", "mem_ctrl", "i10"} <= families
    by_family = defaultdict(list)
    for row in rows:
        by_family[row.family].append(row)
    assert all(members[0].joined_by == "name" for members in by_family.values())


@pytest.mark.parametrize(
    ("suites", "names", "family"),
    [
        (("epfl", "openabcd"), ("div", "div_orig"), "div"),
        (("itc99", "itc99"), ("b15", "b17_C"), "b14"),
        (("qor", "openabcd"), ("aes_secworks", "aes_orig"), "aes"),
        (("iscas85", "iscas85"), ("c1355", "c499"), "c1355"),
        (("openabcd", "elsewhere"), ("k2_orig", "apex1"), "apex1"),
    ],
)
def test_the_list_joins_across_suites(suites: tuple[str, str], names: tuple[str, str], family: str) -> None:
    found = {family_of(member(name, suite), {})[0] for suite, name in zip(suites, names, strict=True)}
    assert found == {family}


def test_names_that_say_nothing_take_their_folder() -> None:
    one = Member(source="suite/nangate45_gcd/6_final.v", name="6_final", suite="nangate45_gcd")
    other = Member(source="suite/uart/top.v", name="top", suite="uart")
    assert family_of(one, {}) == ("gcd", "")
    assert family_of(other, {}) == ("uart/top", "")


def test_what_goes_before_what() -> None:
    one = member("div", "epfl", family="arithmetic", split="test")
    assert family_of(one, {}) == ("arithmetic", "test")
    for name in ("div", "div.aig", "epfl/div.aig"):
        assert family_of(one, {name: ("mine", "train")}) == ("mine", "train")


def test_signatures_join_what_names_do_not() -> None:
    big = MIN_CELLS
    members = [
        member("alpha", cells=big, signatures=("s",)),
        member("beta", cells=big, signatures=("s", "t")),
        member("gamma", cells=big, signatures=("t",)),
        member("delta", cells=big, signatures=("u",)),
        member("tiny", cells=big - 1, signatures=("u",)),
        member("empty", cells=big, signatures=()),
    ]
    found = merge_families(members, 0, SHARES)
    assert found.family == ["alpha", "alpha", "alpha", "delta", "tiny", "empty"]
    assert found.joins["signature"] == 2


def test_the_very_same_file_joins_at_any_size() -> None:
    found = merge_families([member("a", cells=1, same_file="x"), member("b", cells=1, same_file="x")], 0, SHARES)
    assert found.family == ["a", "a"]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_members_changes_nothing(seed: int) -> None:
    """The plain twin: components of the graph whose edges are shared names and shared signatures."""
    rng = np.random.default_rng(seed)
    names = [f"d{number}" for number in rng.integers(0, 12, 40)]
    signatures = [f"s{number}" for number in rng.integers(0, 30, 40)]
    members = [
        member(
            name,
            cells=100,
            signatures=(text,),
            family="kept" if name == "d0" else "",
            split="test" if name == "d0" else "",
        )
        for name, text in zip(names, signatures, strict=True)
    ]
    found = merge_families(members, seed, SHARES)
    order = rng.permutation(len(members)).tolist()
    again = merge_families([members[row] for row in order], seed, SHARES)
    assert [found.family[row] for row in order] == again.family
    assert [found.split[row] for row in order] == again.split
    groups: list[set[int]] = []
    for row in range(len(members)):
        touching = [g for g in groups if any(names[row] == names[o] or signatures[row] == signatures[o] for o in g)]
        groups = [g for g in groups if g not in touching] + [{row}.union(*touching)]
    assert {frozenset(group) for group in groups} == {
        frozenset(row for row in range(len(members)) if found.family[row] == family) for family in found.family
    }
    assert all(len({found.split[row] for row in group}) == 1 for group in groups)


def test_splits_of_corpora_stay_and_what_is_tested_is_never_trained_on() -> None:
    members = [
        member("a", family="first", split="train", cells=100, signatures=("x",)),
        member("b", family="second", split="test", cells=100, signatures=("x",)),
        member("c", family="third", split="validation"),
    ]
    found = merge_families(members, 0, SHARES)
    assert found.split == ["test", "test", "validation"]
    assert found.family == ["first", "first", "third"]
    assert len(found.lines) == 1
    assert "is joined across the splits test, train" in found.lines[0]


def test_a_large_family_trains_unless_a_corpus_says_otherwise() -> None:
    many = [member(f"single{row}") for row in range(200)]
    for seed in range(8):
        found = merge_families([*many, *[member("big") for _ in range(26)]], seed, SHARES)
        assert found.split[-1] == "train"
    small = {merge_families([*many, *[member("big") for _ in range(9)]], s, SHARES).split[-1] for s in range(30)}
    assert small == {"train", "validation", "test"}
    kept = merge_families([*many, *[member("x", family="big", split="test") for _ in range(40)]], 0, SHARES)
    assert kept.split[-1] == "test"
    assert merge_families([*many, *[member("big") for _ in range(40)]], 0, (0, 0, 1)).split[-1] == "test"


def test_splits_follow_the_shares_and_the_seed() -> None:
    families = [f"family{row}" for row in range(4000)]
    splits = [split_of(family, 0, SHARES) for family in families]
    assert abs(splits.count("train") / 4000 - 0.70) < 0.03
    assert abs(splits.count("validation") / 4000 - 0.15) < 0.03
    assert splits != [split_of(family, 1, SHARES) for family in families]
    assert {split_of(family, 0, (0, 0, 5)) for family in families} == {"test"}
    assert {split_of(family, 0, (1, 0, 1)) for family in families} == {"train", "test"}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("name,family\nadder,\n", "rules.csv:2: row: needs a name and a family"),
        ("file\nadder\n", "rules.csv:2: row: needs a name and a family"),
        ("name,family,split\na,b,trian\n", "rules.csv:2: split 'trian': is unknown: did you mean 'train'?"),
        ("name,family,split\na,b,train\nc,b,test\n", "rules.csv:3: family 'b': is in train and in test"),
        ("name,family,split\na,b,train\nc,b,\n", "rules.csv:3: family 'b': is in train and in none"),
    ],
)
def test_a_list_of_the_user_is_checked(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "rules.csv"
    path.write_text(text)
    with pytest.raises(CircuitError) as error:
        read_rules(path)
    assert str(error.value).startswith(rule)


def test_a_list_of_the_user_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.csv"
    path.write_text("name,family,split\na,b,train\nc.aig,d,\n")
    assert read_rules(path) == {"a": ("b", "train"), "c.aig": ("d", "")}
    path.write_bytes(b"name,family\n\xff,b\n")
    with pytest.raises(CircuitError, match="is no CSV in UTF-8"):
        read_rules(path)


@pytest.mark.data
def test_what_the_list_joins_by_signature_has_equal_signatures(shared_data: Callable[[str], Path]) -> None:
    """Every row "signature" whose file is at hand equals a row of its family that stands before it."""
    known: dict[str, set[str]] = defaultdict(set)
    checked = 0
    needed = {row.family for row in known_families() if row.joined_by == "signature"}
    for row in known_families():
        path = find(shared_data, row) if row.family in needed else None
        if path is None:
            continue
        found = circuit_signature(read(path))
        own = {found.named, found.anonymous}
        if row.joined_by == "signature" and known[row.family]:
            assert known[row.family] & own, f"{row.suite}/{row.name} is not a double of family {row.family}"
            checked += 1
        known[row.family] |= own
    assert checked >= 20


def find(shared_data: Callable[[str], Path], row: Listed) -> Path | None:
    """The file of a row in the public data."""
    if row.suite not in FOLDERS:
        return None
    first, _, rest = FOLDERS[row.suite].partition("/")
    archive, _, inside = rest.partition("/")
    folder = shared_data(f"{first}/{archive}") / inside
    return next((path for end in (".aig", ".bench", ".v") if (path := folder / f"{row.name}{end}").is_file()), None)
