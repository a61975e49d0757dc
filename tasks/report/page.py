"""A self-contained HTML page: text, tables, SVG; strict content policy, no script, every name escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from circuitgraph import __version__
from circuitgraph.files import write_atomic
from tasks.table import cell

STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --back: #ffffff; --band: #f5f7fa; --good: #1b7f4b; --bad: #b3261e; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--back);
       margin: 0 auto; padding: 24px 20px 60px; max-width: 1080px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 34px 0 8px; }
p.lead { color: var(--soft); margin: 0 0 14px; } p { margin: 6px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
td.n, th.n { text-align: right; } tr.ours td { font-weight: 600; background: var(--band); }
pre { background: var(--band); padding: 12px 14px; overflow-x: auto; font-size: 12.5px; line-height: 1.35; border-radius: 6px; }
figure { margin: 10px 0; } figure svg { max-width: 100%; height: auto; } figcaption { color: var(--soft); font-size: 13.5px; }
.row { display: flex; flex-wrap: wrap; gap: 24px; } .row figure { flex: 1 1 400px; min-width: 0; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 14px 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px; min-width: 120px; }
.tile b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.bad { color: var(--bad); } .good { color: var(--good); }
.warn { border-left: 4px solid #d98e04; background: #fff8e8; padding: 8px 12px; margin: 8px 0; }
footer { color: var(--soft); font-size: 13px; margin-top: 40px; border-top: 1px solid var(--line); padding-top: 8px; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Page:
    """Parts of a page in order; :meth:`write` puts it on disk.

    Args:
        title: heading.
        lead: one sentence under it.
    """

    def __init__(self, title: str, lead: str = "") -> None:
        self.title = title
        self.parts = [f"<h1>{html.escape(title)}</h1>"]
        if lead:
            self.parts.append(f'<p class="lead">{html.escape(lead)}</p>')

    def heading(self, text: str) -> None:
        """A section."""
        self.parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self.parts.append(f"<p>{html.escape(text)}</p>")

    def warning(self, text: str) -> None:
        """A paragraph that is not to be missed."""
        self.parts.append(f'<p class="warn">{html.escape(text)}</p>')

    def preformatted(self, text: str) -> None:
        """Text as it stands."""
        self.parts.append(f"<pre>{html.escape(text)}</pre>")

    def tiles(self, values: Mapping[str, str], bad: Sequence[str] = ()) -> None:
        """A few numbers in large type."""
        found = []
        for name, value in values.items():
            mark = ' class="bad"' if name in bad else ""
            found.append(f'<div class="tile"><b{mark}>{html.escape(value)}</b><span>{html.escape(name)}</span></div>')
        self.parts.append(f'<div class="tiles">{"".join(found)}</div>')

    def table(self, rows: Sequence[Mapping[str, Any]], ours: Sequence[str] = ()) -> None:
        """Rows of equal keys; those whose first value is in *ours* stand out."""
        if not rows:
            return
        names = list(dict.fromkeys(name for row in rows for name in row))
        numeric = [all(isinstance(r.get(n), (int, float)) or r.get(n) is None for r in rows) for n in names]
        marks = [' class="n"' if flag else "" for flag in numeric]
        lines = ["<tr>" + "".join(f"<th{m}>{html.escape(n)}</th>" for n, m in zip(names, marks, strict=True)) + "</tr>"]
        for row in rows:
            own = ' class="ours"' if str(row.get(names[0])) in ours else ""
            cells = "".join(f"<td{m}>{html.escape(cell(row.get(n)))}</td>" for n, m in zip(names, marks, strict=True))
            lines.append(f"<tr{own}>{cells}</tr>")
        self.parts.append(f'<div class="scroll"><table>{"".join(lines)}</table></div>')

    def figures(self, *figures: tuple[str, str]) -> None:
        """Pictures side by side: (svg, caption) each."""
        found = "".join(
            f"<figure>{svg}<figcaption>{html.escape(text)}</figcaption></figure>" for svg, text in figures if svg
        )
        if found:
            self.parts.append(f'<div class="row">{found}</div>')

    def html(self) -> str:
        """The whole page."""
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style></head>\n<body>\n"
            + "\n".join(self.parts)
            + f"\n<footer>circuitgraph-learn {__version__}</footer>\n</body></html>\n"
        )

    def write(self, path: str | Path) -> Path:
        """Write the page."""
        return write_atomic(path, self.html())
