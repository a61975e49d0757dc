"""What a file is, by its first bytes: any mixture of blanks and comments in front, in linear time."""

from __future__ import annotations

import pytest

from circuitgraph.formats.detect import FORMATS

FRONTS = (b"/* x */ // y\n" * 4000, b" \n\t" * 20_000, b"`timescale 1ns\n// c\n" * 4000, b"(* keep *) /**/" * 4000)
WORDS = {"verilog": b"module m;", "liberty": b"library (x) {", "spef": b'*SPEF "x"', "bench": b"INPUT(a)\n"}


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_a_long_front_without_an_answer_is_refused_without_a_second_try(row: object) -> None:
    """A pattern that could split blanks in two ways would never end here."""
    for front in FRONTS:
        assert row.sniff.match(front + b"garbage") is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", WORDS)
def test_a_front_does_not_hide_what_follows(name: str) -> None:
    row = next(row for row in FORMATS if row.name == name)
    fronts = (b"# a comment\n \n",) if name == "bench" else (b"/* x */ // y\n\n",)
    for front in (b"", *fronts):
        assert row.sniff.match(front + WORDS[name])
