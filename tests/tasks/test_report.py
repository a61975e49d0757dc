"""Reports: one file that needs nothing else, no script, every name escaped, of a size that can be mailed."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.cli import main
from tasks.report.page import POLICY, Page
from tasks.report.plots import bars, curves, histogram, scatter

HOSTILE = '<script>alert("x")</script>&\'"><img src=http://evil.example/x onerror=alert(1)>'


def assert_self_contained(text: str) -> None:
    """No script, no link to anywhere, a policy that forbids both."""
    assert text.startswith("<!doctype html>")
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in text
    assert "default-src 'none'" in POLICY
    tags = {tag.lower() for tag in re.findall(r"<\s*([a-zA-Z][a-zA-Z0-9:]*)", text)}
    assert not tags & {"script", "iframe", "link", "object", "embed", "form", "base", "a"}
    assert not re.search(r"<[^>]+\son[a-z]+\s*=", text)
    for value in re.findall(r"<[^>]*\b(?:src|href|xlink:href|action)\s*=\s*[\"']?([^\"'\s>]+)", text):
        assert value.startswith(("#", "data:")), value
    for value in re.findall(r"url\(([^)]*)\)", text):
        assert value.strip("\"'").startswith("#"), value
    assert "@import" not in text
    assert len(text.encode()) < 1_000_000


def test_a_page_escapes_whatever_it_is_given(tmp_path: Path) -> None:
    page = Page(HOSTILE, HOSTILE)
    page.heading(HOSTILE)
    page.text(HOSTILE)
    page.warning(HOSTILE)
    page.preformatted(HOSTILE)
    page.tiles({HOSTILE: HOSTILE}, [HOSTILE])
    page.table([{HOSTILE: HOSTILE, "n": 1.5}], [HOSTILE])
    page.figures(("<svg></svg>", HOSTILE))
    text = page.write(tmp_path / "p.html").read_text()
    assert_self_contained(text)
    assert "&lt;script&gt;" in text
    assert text.count("<svg>") == 1


def test_a_planted_link_and_script_are_caught() -> None:
    for bad in ("<script>1</script>", '<img src="http://evil.example/x">', '<p onclick="x">', '<a href="x">y</a>'):
        page = Page("plain")
        assert_self_contained(page.html())
        page.parts.append(bad)
        with pytest.raises(AssertionError):
            assert_self_contained(page.html())


def test_plots_escape_names_and_are_the_same_twice() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    for draw in (
        lambda: histogram({HOSTILE: values, "other": values + 1}, HOSTILE, zero_line=True),
        lambda: scatter(values, {HOSTILE: values * 1.1}, HOSTILE, HOSTILE),
        lambda: curves({HOSTILE: ([1, 2, 3], [1.0, 0.5, 0.2])}, HOSTILE, HOSTILE),
        lambda: bars({HOSTILE: 1.0, "b": 2.0}, HOSTILE, [HOSTILE]),
    ):
        svg = draw()
        assert svg == draw()
        page = Page("plots")
        page.figures((svg, "caption"))
        assert_self_contained(page.html())
        assert "<svg" in svg


def test_dollar_signs_are_no_formulas() -> None:
    odd = "a$\\frac{b$c_^"
    for svg in (bars({odd: 1.0, "b": float("nan")}, odd), curves({odd: ([1], [1.0]), "b": ([1], [2.0])}, odd, odd)):
        assert "$\\frac{b$c_^" in svg


def test_plots_of_nothing_are_no_error() -> None:
    nothing = np.full(3, np.nan)
    for svg in (histogram({"a": nothing}, "x"), scatter(nothing, {"a": nothing}, "x", "y")):
        page = Page("nothing")
        page.figures((svg, "caption"))
        assert_self_contained(page.html())


def test_the_report_of_a_prediction_with_hostile_names(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    shutil.copytree(samples, folder)
    monkeypatch.chdir(folder)
    odd = '\\<script>alert(1)</script>&" '
    text = (folder / "small.v").read_text().replace("r1 (", f"{odd}(").replace("n2", odd)
    (folder / "small.v").write_text(text)
    assert main(["predict", "timing", "small.v", "--liberty", "small.lib", "--sdc", "small.sdc", "-o", "out"]) == 0
    page = (folder / "out" / "report.html").read_text()
    assert_self_contained(page)
    assert "&lt;script&gt;alert(1)" in page
    assert '"<script>alert(1)</script>&""/D"' in (folder / "out" / "pins.csv").read_text()


def test_the_report_of_a_shipped_design(tmp_path: Path, root: Path) -> None:
    stem = root / "data" / "timing" / "arbiter_8" / "arbiter_8"
    words = ["predict", "timing", f"{stem}.v", "--sdc", f"{stem}.sdc", "--spef", f"{stem}.spef.xz"]
    assert main([*words, "--liberty", str(root / "data" / "library" / "cgl_typ.lib"), "-o", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert_self_contained(page)
    for said in ("Timing of arbiter", "WNS, ns", "Worst setup paths", "Startpoint", "<svg"):
        assert said in page


def report_of(root: Path, folder: Path, more: str, *words: str) -> str:
    """The page of a shipped design with more constraints."""
    stem = root / "data" / "timing" / "arbiter_8" / "arbiter_8"
    sdc = folder / "more.sdc"
    sdc.write_text(stem.with_suffix(".sdc").read_text() + more)
    words = ("predict", "timing", f"{stem}.v", "--sdc", str(sdc), "--spef", f"{stem}.spef.xz", *words)
    library = str(root / "data" / "library" / "cgl_typ.lib")
    assert main([*words, "--liberty", library, "-o", str(folder / "out")]) == 0
    return (folder / "out" / "report.html").read_text()


def tile(page: str, name: str) -> tuple[str, bool]:
    """Value of a tile, and whether it is marked as bad."""
    found = re.search(rf'<b( class="bad")?>([^<]*)</b><span>{re.escape(name)}</span>', page)
    assert found is not None, name
    return found[2], bool(found[1])


def tables(page: str) -> dict[str, list[list[str]]]:
    """Rows of the tables of endpoints, their header first, by heading."""
    found = re.findall(r"<h2>(Worst \w+ endpoints)</h2>\s*<div[^>]*><table>(.*?)</table>", page, re.DOTALL)
    rows = {name: re.findall(r"<tr>(.*?)</tr>", text) for name, text in found}
    return {name: [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in text] for name, text in rows.items()}


HOLD_BROKEN = "\nset_clock_uncertainty -hold 1.0 [all_clocks]\n"


def test_a_report_with_hold_violations_shows_both_sides(tmp_path: Path, root: Path) -> None:
    page = report_of(root, tmp_path, HOLD_BROKEN, "--paths", "3")
    assert_self_contained(page)
    with (tmp_path / "out" / "endpoints.csv").open() as file:
        rows = list(csv.DictReader(file))
    ends: dict[str, dict[str, float]] = {"setup": {}, "hold": {}}
    for row in rows:
        kind = {"recovery": "setup", "removal": "hold"}.get(row["check"], row["check"])
        ends[kind][row["endpoint"]] = min(float(row["slack"]), ends[kind].get(row["endpoint"], 1e9))
    for kind, slacks in ends.items():
        violating = sum(slack < 0 for slack in slacks.values())
        assert violating > 0
        assert tile(page, f"{kind} violating") == (f"{violating:,}", True)
    found = tables(page)
    assert list(found) == ["Worst setup endpoints", "Worst hold endpoints"]
    for name, count, checks in (("setup", 10, {"setup", "recovery"}), ("hold", 5, {"hold", "removal"})):
        header, *shown = found[f"Worst {name} endpoints"]
        assert header == ["endpoint", "check", "slack ns", "arrival ns", "required ns", "clock"]
        assert len(shown) == count
        worst = [row for row in rows if row["check"] in checks][:count]
        assert [(row[0], row[1]) for row in shown] == [(row["endpoint"], row["check"]) for row in worst]
        assert [row[2] for row in shown] == [f"{float(row['slack']):.4f}" for row in worst]
    before, after = page.split("<h2>Worst hold paths</h2>")
    assert (before.count("<pre>"), after.count("<pre>")) == (3, 3)
    assert before.count("Path Type: max") == after.count("Path Type: min") == 3


def test_one_hold_path_is_enough_where_hold_is_met(tmp_path: Path, root: Path) -> None:
    page = report_of(root, tmp_path, "", "--paths", "3")
    assert tile(page, "hold violating") == ("0", False)
    before, after = page.split("<h2>Worst hold path</h2>")
    assert (before.count("<pre>"), after.count("<pre>")) == (3, 1)


def test_no_paths_are_printed_where_none_are_asked_for(tmp_path: Path, root: Path) -> None:
    page = report_of(root, tmp_path, HOLD_BROKEN, "--paths", "0")
    assert "<pre>" not in page
    assert " path" not in "".join(re.findall(r"<h2>(.*?)</h2>", page))
    assert list(tables(page)) == ["Worst setup endpoints", "Worst hold endpoints"]


def test_the_report_of_an_unconstrained_design_warns(tmp_path: Path, root: Path) -> None:
    (tmp_path / "few.sdc").write_text("set v 1\n")
    stem = root / "data" / "timing" / "arbiter_8" / "arbiter_8"
    words = ["predict", "timing", f"{stem}.v", "--sdc", str(tmp_path / "few.sdc"), "--spef", f"{stem}.spef.xz"]
    assert main([*words, "--liberty", str(root / "data" / "library" / "cgl_typ.lib"), "-o", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert_self_contained(page)
    assert '<p class="warn">unconstrained: ' in page
    for name in ("WNS, ns", "TNS, ns", "hold WNS, ns"):
        assert tile(page, name) == ("none", False)
    assert tables(page) == {}
    assert "<pre>" not in page


def test_the_report_of_a_run(tmp_path: Path) -> None:
    from encoders.run import Run
    from tasks.report.run_report import write_run_report

    run = Run(tmp_path)
    with run.open(f"# {HOSTILE}\n", 0, {}, 1):
        for step in range(1, 9):
            run.log(step, 0, {"loss": 1.0 / step, "accuracy": step / 10})
        run.log(8, 0, {f"validation_{HOSTILE}": 0.5})
        rows = [{"row": HOSTILE, "score %": 10.0, "learned": False}, {"row": "ours", "score %": 20.0, "learned": True}]
        path = write_run_report(run, HOSTILE, rows)
    assert_self_contained(path.read_text())


def test_the_pretraining_page_shows_gains_and_scores_and_escapes_names(tmp_path: Path) -> None:
    from tasks.report.pretraining_report import write_pretraining_report

    gain = {"row": "a <b>", "probe": "level", "labels": "0.01", "gain": 0.1, "low": 0.05, "high": 0.2, "families": 7}
    none = gain | {"gain": None, "low": None, "high": None, "families": 0, "probe": "roots"}
    rows = {"0.01": [{"row": "a <b>", "level": 0.5, "roots": None}]}
    text = write_pretraining_report({"gains": [gain, none], "rows": rows}, tmp_path / "report.html").read_text()
    assert "level, 7 families" in text
    assert "roots," not in text
    assert "a <b>" not in text
    assert text.count("<svg") == 1
    empty = write_pretraining_report({"gains": [], "rows": rows}, tmp_path / "report.html").read_text()
    assert "Scores at 1 % of the labels" in empty
