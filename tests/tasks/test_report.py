"""Reports: one file that needs nothing else, no script, every name escaped, of a size that can be mailed."""

from __future__ import annotations

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
