"""The shipped corpus: its MANIFEST, its splits, and that the recipe makes the committed bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.circuit import Role
from circuitgraph.errors import CircuitError
from circuitgraph.files import read_bytes
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from tasks import corpus_recipe as recipe

SMALL_NETLIST, SMALL_TIMING = "traffic_8", "barrel_shift_32"


@pytest.fixture(scope="module")
def data(root: Path) -> Path:
    return root / "data"


@pytest.fixture(scope="module")
def library(data: Path) -> Library:
    return read_liberty(data / "library" / "cgl_typ.lib")


def test_the_manifest_verifies(data: Path) -> None:
    assert recipe.verify(data) == []


def test_planted_changes_are_named(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    changed = copy / "netlists" / f"{SMALL_NETLIST}.v"
    changed.write_bytes(changed.read_bytes().replace(b"X1", b"X2", 1))
    (copy / "aigs" / f"{SMALL_NETLIST}.aig").unlink()
    (copy / "rtl" / "adder" / "extra.v").write_text("module extra; endmodule\n")
    assert recipe.verify(copy) == [
        f"aigs/{SMALL_NETLIST}.aig: is missing",
        f"netlists/{SMALL_NETLIST}.v: differs from the MANIFEST",
        "rtl/adder/extra.v: is not in the MANIFEST",
    ]
    (copy / "MANIFEST.csv").write_text("file\n")
    with pytest.raises(CircuitError, match="columns must be"):
        recipe.verify(copy)


def test_rebuilding_gives_the_committed_bytes(data: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    written = recipe.rebuild(tmp_path, lines.append, only=[SMALL_NETLIST, SMALL_TIMING])
    made = [path for path in written if path.relative_to(tmp_path).parts[0] in {"netlists", "aigs", "timing"}]
    assert len(made) == 1 + 2 + 4
    for path in written:
        assert path.read_bytes() == (data / path.relative_to(tmp_path)).read_bytes(), path.name
    assert f"timing {SMALL_TIMING}" in lines


def test_an_unknown_design_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match="is in no recipe"):
        recipe.rebuild(tmp_path, only=["nothing"])


def test_families_are_on_one_side_only(data: Path) -> None:
    named = [family for families in recipe.SPLITS.values() for family in families]
    assert len(named) == len(set(named)) >= 12
    side: dict[str, str] = {}
    for row in recipe.read_manifest(data):
        if row["family"]:
            assert side.setdefault(row["family"], row["split"]) == row["split"]
    assert set(side) == set(named)
    names = [design.name for design in (*recipe.TIMING, *recipe.NETLISTS, *recipe.LARGE_AIGS)]
    assert len(names) == len(set(names))


def test_the_corpus_is_as_large_as_it_says(data: Path, library: Library) -> None:
    assert len(recipe.NETLISTS) >= 20
    assert len(recipe.AIGS) >= 12
    assert len({design.family for design in recipe.TIMING}) >= 8
    assert sum(path.stat().st_size for path in recipe.corpus_files(data)) < 12e6
    kinds: set[str] = set()
    for path in [*sorted((data / "netlists").glob("*.v")), *sorted((data / "timing").glob("*/*.v"))]:
        circuit = read_verilog(path, library=library)
        assert 50 <= circuit.num_cells <= 20_000, path.name
        kinds |= {kind.name for kind in circuit.types}
    assert {"CGL_FA_X1", "CGL_DFFR_X1", "CGL_DFFS_X1", "CGL_MUX2_X1", "CGL_XOR2_X1", "CGL_BUF_X4"} <= kinds


@pytest.mark.parametrize("design", recipe.TIMING, ids=lambda design: design.name)
def test_side_files_belong_to_their_netlist(data: Path, library: Library, design: recipe.Design) -> None:
    folder = data / "timing" / design.name
    circuit = read_verilog(folder / f"{design.name}.v", library=library)
    report = read_spef(folder / f"{design.name}.spef.xz").resolve(circuit).report
    assert report.share == 1.0
    assert report.num_unknown == report.num_unknown_nodes == report.num_moved_nodes == report.num_twice == 0
    text = read_bytes(folder / f"{design.name}.def.xz").decode()
    assert f"COMPONENTS {circuit.num_cells} ;" in text
    roles = [[port.role == Role.CLOCK for port in kind.ports] for kind in circuit.types]
    clocks = set(circuit.pin_net[circuit.pin_values(roles, np.bool_).astype(bool)].tolist())
    start, _ = circuit.net_pins
    sinks = [int(count) - 1 for net, count in enumerate(np.diff(start)) if net not in clocks]
    assert max(sinks) <= 16


@pytest.mark.tool("sta")
@pytest.mark.parametrize("name", ["spi_master_16", "barrel_shift_32", "cordic_12"])
def test_a_few_endpoints_violate_by_opensta(data: Path, library: Library, name: str) -> None:
    design = next(design for design in recipe.TIMING if design.name == name)
    circuit = read_verilog(data / "timing" / name / f"{name}.v", library=library)
    sdc = (data / "timing" / name / f"{name}.sdc").read_text()
    assert recipe.constraints(design, circuit) == sdc
    slacks = np.array(recipe._slacks(design, circuit, data))
    assert 1 <= (slacks < 0).sum() <= max(2, 0.1 * len(slacks))


@pytest.mark.tool("sta")
def test_the_tables_of_the_readme_are_what_the_recipe_prints(data: Path) -> None:
    text = (data / "README.md").read_text()
    for table in recipe.tables(data):
        assert table in text
