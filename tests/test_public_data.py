"""The commands on public data: counts of every AIGER, BENCH and Verilog file, embeddings, timing of whole libraries."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import lzma
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from circuitgraph.errors import CircuitError
from tasks.cli import main
from tasks.inspection import inspect_file

Shared = Callable[[str], Path]
pytestmark = pytest.mark.data

SKY130 = [
    *("sky_gcd", "christmas_tree", "lbist_mbist_top1", "yifive_glbl_cfg", "yifive_mbist", "yifive_sdram"),
    *("yifive_spi_master", "yifive_wb_interconnect", "tt_8bit_cpu", "tt_FanCTRL_DomnikBrandstetter"),
    *("tt_advanced_counter", "tt_couchand_dual_deque", "tt_digitaler_filter_rathmayr", "tt_fountaincoder_top"),
    *("tt_ja1tye_tiny_cpu", "tt_ledcontroller_Gatsch", "tt_mitssdd", "tt_moving_average_master"),
    *("tt_sanojn_ttrpg_dice", "tt_tiny_shader_mole99", "tt_urish_simon"),
]
GF180 = ["gf_DSM_core", "gf_clock", "gf_peri_top", "gf_user_proj"]
WAY_OUT = {"sky_gcd": ["--black-box"], "tt_ledcontroller_Gatsch": ["--break-loops"]}
"""sky_gcd has tap cells that no library holds; the enables of tt_ledcontroller_Gatsch's latches feed back."""


def counts(shared_data: Shared, formats: set[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    with (shared_data("digital") / "counts.csv").open() as file:
        for row in csv.DictReader(file):
            if row["format"] in formats:
                found[row["file"]][row["metric"]] = row["value"]
    return found


@pytest.mark.parametrize("format", ["aiger", "bench"])
def test_inspect_counts_every_aiger_and_bench_file(shared_data: Shared, format: str) -> None:
    folder = shared_data(f"digital/{format}").parent
    for name, row in counts(shared_data, {format}).items():
        record = inspect_file(str(folder / name))
        wanted = {key: int(row[key]) for key in ("inputs", "outputs", "latches") if key in row}
        gates = row.get("ands", row.get("gates"))
        assert {key: record[key] for key in wanted} == wanted, name
        assert record["cells"] - record["latches"] == int(gates or 0), name


def test_inspect_counts_the_verilog_files(shared_data: Shared) -> None:
    """Inputs, outputs and cells of the top module; where cells are n-ary primitives yosys splits them, and says more.

    A hierarchical design counts its flat cells, so the counts of its top module alone do not apply to it.
    """
    folder = shared_data("digital/verilog").parent
    right, wrong = [], {}
    for name, row in counts(shared_data, {"verilog"}).items():
        if name.startswith("matched/"):
            continue
        try:
            record = inspect_file(str(folder / name))
        except CircuitError as error:
            wrong[name] = str(error)
            continue
        top = record["name"]
        ports = [("inputs", f"{top}/input_bits"), ("outputs", f"{top}/output_bits")]
        faults = [key for key, metric in ports if metric in row and record[key] != int(row[metric])]
        instances = [row.get(f"{top}/{part}_instances") for part in ("module", "primitive")]
        cells = {int(row[f"{top}/cells"])} if f"{top}/cells" in row else set()
        if None not in instances:
            cells.add(sum(int(part or 0) for part in instances))
        is_flat = row.get("modules", row.get("pyslang_modules")) == "1"
        if is_flat and cells and record["cells"] not in cells:
            faults.append("cells")
        if faults:
            wrong[name] = ", ".join(faults)
        else:
            right.append(name)
    assert len(right) >= 0.95 * (len(right) + len(wrong)), wrong


@pytest.mark.slow
def test_embed_runs_on_the_epfl_circuits(shared_data: Shared, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    files = sorted((shared_data("digital/aiger") / "epfl").glob("*.aig"))
    assert len(files) == 20
    for file in files:
        target = tmp_path / f"{file.stem}.safetensors"
        with contextlib.redirect_stdout(io.StringIO()):
            assert main(["embed", str(file), "-o", str(target)]) == 0
        nodes = load_file(target)["nodes"]
        assert bool(torch.isfinite(nodes).all())
        if file.stem == "hyp":
            assert len(torch.unique(nodes, dim=0)) == len(nodes)


@pytest.mark.slow
@pytest.mark.parametrize("name", SKY130 + GF180)
def test_predict_timing_runs_on_every_design_of_two_libraries(shared_data: Shared, tmp_path: Path, name: str) -> None:
    folder = shared_data(f"timing/designs/{name}")
    library = "gf180_7t_tt5v0" if name in GF180 else "sky130hd_tt"
    packed = shared_data("timing/lib") / f"{library}.lib.xz"
    arguments = ["--liberty", str(packed), "--sdc", str(folder / f"{name}.sdc"), "--spef", str(folder / f"{name}.spef")]
    command = ["predict", "timing", str(folder / f"{name}.v"), *arguments, *WAY_OUT.get(name, []), "--json"]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*command, "--delay-model", "lumped_cap", "-o", str(tmp_path)]) == 0
    summary = json.loads(out.getvalue())
    assert summary["endpoints"] > 0
    golden = shared_data("timing/golden") / f"{name}.dmp_ceff_elmore.csv.xz"
    with lzma.open(golden, "rt") as file:
        wanted = {row["pin"] for row in csv.DictReader(file) if row["setup_slack"]}
    with (tmp_path / "pins.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = {row["pin"] for row in rows if row["setup_slack"]}
    assert found & {row["pin"] for row in rows} == wanted & {row["pin"] for row in rows}
