"""The table of ``evaluate pretraining``: resumed from its scores, gains with intervals, nothing of a test family seen."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuitgraph.corpus import Corpus
from circuitgraph.errors import CircuitError
from circuitgraph.files import folder_lock, write_atomic
from tasks.logic import pretraining_table as table
from tasks.logic.pretraining_table import (
    ABOUT,
    LEAST_FAMILIES,
    by_family,
    gain,
    gain_text,
    pretraining_table,
)
from tasks.logic.subjects import Budget, choose_circuits, refuse_two_splits, training_items

DATA = Path(__file__).resolve().parents[3] / "data"
TAKEN = ("add_ripple_16", "crc_serial", "uart_tx", "hamming_encode_32", "gray_counter_16", "traffic_8", "pattern_11")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of a few circuits of the shipped one."""
    place = tmp_path_factory.mktemp("corpus")
    rows = list(csv.DictReader(io.StringIO((DATA / "MANIFEST.csv").read_text())))
    kept = [row for row in rows if row["kind"] == "library" or row["design"] in TAKEN]
    for row in kept:
        (place / row["file"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DATA / row["file"], place / row["file"])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(kept[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    write_atomic(place / "MANIFEST.csv", text.getvalue())
    return place


SMALL = Budget(width=8, layers=1, steps=2, max_nodes=2000)


def test_the_table_is_made_resumed_and_reads_like_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUITGRAPH_CACHE", str(tmp_path / "cache"))
    told: list[str] = []
    monkeypatch.setattr(table, "PLAIN", 3)
    rows = ["untrained", "masked gates", "rewritten views + masked function"]
    first = pretraining_table([folder], tmp_path / "run", 1, 1, SMALL, ("validation", "test"), rows, told.append)
    assert any(line.startswith("1 of 6") for line in told)
    names = [row["row"] for row in first["rows"]["1.0"]]
    assert set(names) >= {*rows, "random vectors", "own features", "degrees"}
    assert "sketch probability" in names
    by_name = {row["row"]: row for row in first["rows"]["1.0"]}
    for probe in ("masked kind", "masked function", "level", "probability"):
        assert by_name["masked gates"][probe] is not None, probe
    for each in first["gains"]:
        assert each["low"] <= each["gain"] <= each["high"]
        assert each["row"] in rows[1:]
    assert "Gain over the untrained encoder at 1 % of the labels" in first["text"]
    told.clear()
    again = pretraining_table([folder], tmp_path / "run", 1, 1, SMALL, ("validation", "test"), rows, told.append)
    assert not any(" of " in line and ", seed" in line for line in told), "nothing is trained again"
    assert again["rows"] == first["rows"]
    with pytest.raises(CircuitError, match="holds scores of other corpora, splits or steps"):
        pretraining_table([folder], tmp_path / "run", 1, 1, replace(SMALL, steps=3), ("test",), rows, told.append)


def test_training_circuits_are_of_training_families_and_capped(folder: Path, tmp_path: Path) -> None:
    corpus = Corpus(folder, tmp_path)
    chosen = choose_circuits([corpus, corpus], ("train",), Budget(most_of_a_family=1), lambda line: None)
    assert chosen
    assert {row.entry.split for row in chosen} == {"train"}
    kinds = [(row.entry.family, row.entry.kind == "aig") for row in chosen]
    assert len(kinds) == len(set(kinds)), "one of a family and kind"
    assert len({row.view.graph_id for row in chosen}) == len(chosen), "a circuit of two corpora is taken once"
    items = training_items(chosen, ("rewrites", "cut_class"))
    assert all(isinstance(item, tuple) and len(item) == 2 for item in items)


def test_gain_by_hand() -> None:
    found = gain("a", "b", "0.01", {"x": 0.6, "y": 0.8, "z": 0.5}, {"x": 0.5, "y": 0.7, "w": 0.1})
    assert found["families"] == 2
    assert found["gain"] == pytest.approx(0.1)
    assert found["low"] == pytest.approx(0.1)
    wide = gain("a", "b", "0.01", {"x": 0.0, "y": 1.0}, {"x": 0.5, "y": 0.4})
    assert wide["low"] == pytest.approx(-0.5)
    assert wide["high"] == pytest.approx(0.6)
    assert gain("a", "b", "1", {"x": 1.0}, {})["gain"] is None


def test_scores_are_means_over_seeds_by_family() -> None:
    held: Any = {("r", 0): {"p": {"1.0": {"f": 0.2, "g": 0.4}}}, ("r", 1): {"p": {"1.0": {"f": 0.4}}}, ("s", 0): {}}
    assert by_family(held, "r", "p", "1.0") == pytest.approx({"f": 0.3, "g": 0.4})
    assert by_family(held, "s", "p", "1.0") == {}
    assert np.isfinite(list(by_family(held, "r", "p", "1.0").values())).all()


def test_an_unknown_row_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match="'masked gtes': is unknown"):
        pretraining_table([folder], tmp_path, 1, 1, SMALL, ("test",), ["masked gtes"], lambda line: None)


@pytest.mark.parametrize(("jobs", "steps", "option"), [(0, 2, "--jobs"), (1, 0, "--steps")])
def test_too_small_a_number_is_refused(jobs: int, steps: int, option: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match=f"{option}: 0: must be at least 1"):
        pretraining_table([folder], tmp_path, 1, jobs, replace(SMALL, steps=steps), ("test",), [], lambda line: None)


def test_two_tables_in_one_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    with folder_lock(tmp_path), pytest.raises(CircuitError, match="is in use by another process"):
        pretraining_table([folder], tmp_path, 1, 1, SMALL, ("test",), [], lambda line: None)
    assert not (tmp_path / ABOUT).exists()


def test_a_family_that_one_corpus_trains_on_and_another_asks_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.csv").write_text(
        "file,sha256,kind,design,family,split\naigs/a.aig,0,aig,a,crc,train\naigs/b.aig,0,aig,b,own,test\n"
    )
    other = Corpus(tmp_path, "")
    assert dict(Corpus(folder, "").families(("placed", "netlist", "aig")))["crc"] != "train"
    with pytest.raises(CircuitError, match=r"family 'crc': is in train, and in \w+ of"):
        refuse_two_splits([Corpus(folder, ""), other])
    refuse_two_splits([other, other])


def test_a_star_needs_families_enough() -> None:
    def told(families: int) -> str:
        own = {f"f{row}": 0.6 for row in range(families)}
        return gain_text([gain("a", "level", "0.01", own, dict.fromkeys(own, 0.5))])

    assert "+0.100]*" not in told(LEAST_FAMILIES - 1)
    assert "+0.100]*" in told(LEAST_FAMILIES)
