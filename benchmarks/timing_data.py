"""The routed designs of the timing data as a folder with ``designs.csv``, which every timing command takes.

    python benchmarks/timing_data.py --data ../shared/data/timing -o routed

Archives are unpacked, libraries and goldens are named where they lie. The split and the families are those of the data's
README; ``timing_designs.csv`` beside this file repeats them.
"""

from __future__ import annotations

import argparse
import csv
import tarfile
from pathlib import Path

from tasks.timing.designs import DesignFiles, write_designs

LIBERTY = {
    "sky130hd": ("sky130hd_tt",),
    "gf180": ("gf180_7t_tt5v0",),
    "nangate45": ("nangate45_typ",),
    "sg13g2": ("sg13g2_typ", "sg13g2_io_typ"),
}
LEF = {"gf180": "gf180_7t"}


def routed_designs(data: Path, folder: Path) -> Path:
    """Unpack the designs into a folder and write its table.

    Args:
        data: the timing data.
        folder: made where it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with (Path(__file__).parent / "timing_designs.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        name = row["design"]
        if not (folder / name / f"{name}.v").exists():
            with tarfile.open(data / "designs" / f"{name}.tar.xz") as archive:
                archive.extractall(folder, filter="data")
        own = folder / name
        found.append(
            DesignFiles(
                design=name,
                family=row["family"],
                split=row["split"],
                netlist=own / f"{name}.v",
                sdc=own / f"{name}.sdc",
                liberty=tuple(data / "lib" / f"{one}.lib.xz" for one in LIBERTY[row["library"]]),
                spef=own / f"{name}.spef",
                placement=own / f"{name}.def",
                lef=(data / "lib" / f"{LEF.get(row['library'], row['library'])}.lef.xz",),
                golden=data / "golden" / f"{name}.dmp_ceff_elmore.csv.xz",
                black_box=True,
                break_loops=True,
            )
        )
    return write_designs(folder, found)


def main() -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="the timing data")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FOLDER")
    options = parser.parse_args()
    print(routed_designs(options.data, options.output))


if __name__ == "__main__":
    main()
