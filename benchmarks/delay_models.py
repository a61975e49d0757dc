"""Delay models against OpenSTA's default (dmp_ceff_elmore) on routed designs with their own parasitics.

    python benchmarks/delay_models.py --data ../shared/data/timing

For each design of the timing data with SPEF and a default golden: mean and largest difference of the endpoints' setup
slack, mean difference of late arrivals, ps, and CPU time of one analysis, us a pin. Archives are unpacked to a
temporary folder.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.analysis.pi_model import reduced_wires
from circuitgraph.analysis.sta import Timing, analyse, listed_places
from circuitgraph.analysis.sta_output import PIN_COLUMNS, pin_rows
from circuitgraph.analysis.sta_prepare import place_capacitances, prepare
from circuitgraph.analysis.wires import spef_wires
from circuitgraph.files import read_bytes
from circuitgraph.formats import read
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.library import Library

MODELS = ("lumped_cap", "elmore", "two_moment", "dmp")


def design_of(data: Path, place: Path, name: str) -> dict[str, Any]:
    """One design, prepared, with its wires for each model."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.circuitgraph.analysis.test_sta_golden import library_of

    library: Library = library_of(data / "lib", name)
    circuit = read(place / f"{name}.v", format="verilog", library=library)
    constraints = read_sdc(place / f"{name}.sdc", circuit, library)
    resolved = read(place / f"{name}.spef", format="spef").resolve(circuit)
    capacitance = place_capacitances(circuit, library)
    simple = spef_wires(resolved, circuit, np.ascontiguousarray(capacitance[:, :2]))
    return {
        "prepared": prepare(circuit, library, constraints, black_box=True, break_loops=True),
        "listed": listed_places(resolved, circuit),
        "wires": {
            "lumped_cap": simple,
            "elmore": simple,
            "two_moment": simple,
            "dmp": reduced_wires(resolved, circuit, capacitance),
        },
        "pins": circuit.num_pins,
    }


def differences(timing: Timing, golden: Path) -> dict[str, np.ndarray]:
    """Ours minus the golden's by column, ps."""
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(read_bytes(golden).decode()))}
    known = [(row[2:], rows[row[0]][1:]) for row in pin_rows(timing) if row[0] in rows]
    ours, theirs = (np.array([[float(v) if v else math.nan for v in pair[side]] for pair in known]) for side in (0, 1))
    return dict(zip(PIN_COLUMNS[2:], (ours - theirs).T * 1e3, strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="the timing data")
    parser.add_argument("--only", metavar="NAME", action="append", help="only this design; may be repeated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for archive in sorted(Path(options.data, "designs").glob("*.tar.xz")):
            with tarfile.open(archive) as file:
                file.extractall(place, filter="data")
        table(Path(place), Path(options.data), options.only)


def table(unpacked: Path, data: Path, only: list[str] | None) -> None:
    """One row a design, then the median and the worst."""
    goldens = sorted((data / "golden").glob("*.dmp_ceff_elmore.csv.xz"))
    found: dict[str, list[float]] = {model: [] for model in MODELS}
    print("| design | pins | " + " | ".join(f"{m}: slack MAE / max, arrival MAE ps, us/pin" for m in MODELS) + " |")
    print("|---|--:|" + "--:|" * len(MODELS))
    for golden in goldens:
        name = golden.name.partition(".")[0]
        spefs = [*unpacked.rglob(f"{name}.spef")]
        if not spefs or (only and name not in only):
            continue
        design = design_of(data, spefs[0].parent, name)
        cells = []
        for model in MODELS:
            analyse(design["prepared"], wires=design["wires"][model], listed=design["listed"], delay_model=model)
            start = time.process_time()
            timing = analyse(
                design["prepared"], wires=design["wires"][model], listed=design["listed"], delay_model=model
            )
            seconds = time.process_time() - start
            missed = differences(timing, golden)
            slack = np.abs(missed["setup_slack"])
            arrival = float(np.nanmean([np.nanmean(np.abs(missed[column])) for column in PIN_COLUMNS[2:4]]))
            found[model].append(float(np.nanmean(slack)))
            cells.append(
                f"{np.nanmean(slack):.3f} / {np.nanmax(slack):.2f}, {arrival:.3f}, {1e6 * seconds / design['pins']:.1f}"
            )
        print(f"| {name} | {design['pins']:,} | " + " | ".join(cells) + " |", flush=True)
    for word, how in (("median", np.median), ("worst", np.max)):
        print(f"| {word} | | " + " | ".join(f"{how(found[model]):.3f}" for model in MODELS) + " |")


if __name__ == "__main__":
    main()
