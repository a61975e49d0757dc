"""The files of a timing prediction: pins.csv and endpoints.csv, with the stable names of the design's section 10."""

from __future__ import annotations

from pathlib import Path

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_output import ENDPOINT_COLUMNS, PIN_COLUMNS, csv_text, endpoint_rows, pin_rows
from circuitgraph.files import write_atomic


def write_tables(timing: Timing, folder: Path) -> list[Path]:
    """Write both tables; returns their paths."""
    return [
        write_atomic(folder / "pins.csv", csv_text(PIN_COLUMNS, pin_rows(timing))),
        write_atomic(folder / "endpoints.csv", csv_text(ENDPOINT_COLUMNS, endpoint_rows(timing))),
    ]
