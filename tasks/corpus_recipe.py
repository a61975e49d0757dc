"""How the shipped corpus is made: library, netlists, AIGs, placed designs with estimated wires, and the MANIFEST.

``rebuild`` writes every file of ``data/`` again from the RTL and this page, byte for byte; it needs pyosys and
coloquinte, no other program. ``verify`` compares a folder with its MANIFEST. Wires are a pattern-routed estimate, not
post-route. Splits are by family: a design and its relatives are never on both sides.
"""

from __future__ import annotations

import csv
import io
import lzma
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from circuitgraph import programs
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.files import hash_file, read_bytes, write_atomic
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.spef import write_spef
from circuitgraph.formats.verilog import read_verilog, write_verilog
from circuitgraph.layout import Layout, write_def
from circuitgraph.library import Library
from circuitgraph.placement import place, problems
from circuitgraph.routing import WHAT, parasitics, route
from circuitgraph.synthesis import buffer_nets, synthesise
from tasks import corpus_library

DATA = Path(__file__).resolve().parent.parent / "data"
LICENCE = "Apache-2.0"
COLUMNS = ("file", "sha256", "bytes", "licence", "made", "kind", "design", "family", "split")
BUFFER = "CGL_BUF_X4"
MAPPING_PERIOD = 0.8e-9  # s, for which ABC sizes cells, whatever the clock
UNCERTAINTY = (0.010, 0.005)  # ns, setup and hold
VIOLATING = 0.04  # share of the endpoints that violate setup at the periods below
IO_SHARE = 0.2  # of the period, spent outside at inputs and at outputs

SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": (
        "adder",
        "multiplier",
        "alu",
        "shifter",
        "fifo",
        "sorter",
        "counter",
        "filter",
        "control",
        "systolic",
        "processor",
    ),
    "validation": ("crc", "divider", "peripheral", "bitcount"),
    "test": ("cipher", "cordic", "ecc", "uart", "video"),
}


@dataclass(frozen=True)
class Design:
    """One circuit of the corpus.

    Attributes:
        name: of its files.
        rtl: family and name of the source, ``family/module``.
        parameters: of the module.
        period: clock in ns; for a timing design chosen so that a few per cent of the endpoints violate.
        utilisation: share of the rows that cells fill.
        full_adders: keep full adders as cells.
    """

    name: str
    rtl: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    period: float = 1.0
    utilisation: float = 0.6
    full_adders: bool = False

    @property
    def family(self) -> str:
        """The first part of ``rtl``."""
        return self.rtl.partition("/")[0]

    @property
    def top(self) -> str:
        """Name of the module."""
        return self.rtl.partition("/")[2]

    @property
    def split(self) -> str:
        """train, validation or test."""
        return split_of(self.family)


def split_of(family: str) -> str:
    """The split of a family; an unknown family is an error of ours.

    >>> split_of("cipher")
    'test'
    """
    return next(split for split, families in SPLITS.items() if family in families)


# Placed designs with clocks. Periods: see find_period.
TIMING = (
    Design("accumulator_24x4", "adder/accumulator", {"W": 24, "LANES": 4}, 2.322, 0.60),
    Design("mul_booth_16", "multiplier/mul_booth", {"W": 16}, 3.142, 0.62),
    Design("mul_wallace_16", "multiplier/mul_wallace", {"W": 16}, 1.060, 0.55),
    Design("mac_12", "multiplier/mac", {"W": 12}, 2.304, 0.66, True),
    Design("alu_pipe_16", "alu/alu_pipe", {"W": 16}, 1.160, 0.58),
    Design("alu_32", "alu/alu", {"W": 32}, 3.896, 0.50),
    Design("rotator_32", "shifter/rotator", {"W": 32}, 0.858, 0.52),
    Design("barrel_shift_32", "shifter/barrel_shift", {"W": 32}, 1.695, 0.45),
    Design("fifo_registers_16", "fifo/fifo_registers", {"W": 16, "A": 4}, 1.302, 0.64),
    Design("sort_bitonic_8", "sorter/sort_bitonic", {"W": 8}, 1.771, 0.60),
    Design("sort_odd_even_8", "sorter/sort_odd_even", {"N": 8, "W": 8}, 1.140, 0.55),
    Design("timer_bank_4", "counter/timer_bank", {"W": 16}, 1.356, 0.68),
    Design("fir_direct_8", "filter/fir_direct", {"TAPS": 8}, 2.409, 0.62),
    Design("fir_transposed_4", "filter/fir_transposed", {"TAPS": 4}, 1.958, 0.60),
    Design("moving_average_10", "filter/moving_average", {"W": 10}, 1.110, 0.50),
    Design("arbiter_8", "control/arbiter", {"N": 8}, 1.964, 0.48),
    Design("dma_16", "control/dma", {"A": 16}, 1.541, 0.65),
    Design("systolic_4x4", "systolic/systolic_array", {"N": 4, "W": 6}, 1.959, 0.62),
    Design("accumulator_cpu_16", "processor/accumulator_cpu", {"W": 16}, 1.282, 0.55),
    Design("stack_cpu_16", "processor/stack_cpu", {"W": 16}, 1.440, 0.62),
    Design("crc_parallel_32", "crc/crc_parallel", {"W": 32, "D": 32}, 2.117, 0.55),
    Design("div_restoring_32", "divider/div_restoring", {"W": 32}, 2.619, 0.60),
    Design("div_array_12", "divider/div_array", {"W": 12}, 11.046, 0.60),
    Design("pwm_4x12", "peripheral/pwm", {}, 1.172, 0.64),
    Design("spi_master_16", "peripheral/spi_master", {}, 1.119, 0.50),
    Design("hamming_distance_16", "bitcount/hamming_distance", {}, 3.906, 0.58),
    Design("spn_round_16", "cipher/spn_round", {"BOXES": 16, "STRIDE": 13}, 1.131, 0.60),
    Design("arx_round_32", "cipher/arx_round", {"W": 32}, 5.603, 0.62),
    Design("cordic_12", "cordic/cordic", {"W": 12}, 1.186, 0.60),
    Design("parity_array_16", "ecc/parity_array", {"R": 16, "W": 16}, 3.143, 0.55),
    Design("pattern_11", "video/pattern", {}, 1.143, 0.58),
)

NETLISTS = (
    Design("add_ripple_16", "adder/add_ripple", {"W": 16}),
    Design("add_ripple_fa_64", "adder/add_ripple", {"W": 64}, full_adders=True),
    Design("add_lookahead_32", "adder/add_lookahead", {"GROUPS": 8}),
    Design("add_kogge_stone_32", "adder/add_kogge_stone", {"W": 32, "STEPS": 5}),
    Design("add_select_24", "adder/add_select", {"BLOCKS": 6, "B": 4}),
    Design("mul_array_8", "multiplier/mul_array", {"W": 8}),
    Design("mul_array_fa_12", "multiplier/mul_array", {"W": 12}, full_adders=True),
    Design("mul_booth_8", "multiplier/mul_booth", {"W": 8}),
    Design("alu_16", "alu/alu", {"W": 16}),
    Design("barrel_shift_16", "shifter/barrel_shift", {"W": 16, "S": 4}),
    Design("fifo_control_6", "fifo/fifo_control", {"A": 6}),
    Design("fifo_registers_8", "fifo/fifo_registers", {"W": 8, "A": 3}),
    Design("median_8", "sorter/median", {"W": 8}),
    Design("sort_odd_even_6", "sorter/sort_odd_even", {"N": 6, "W": 6}),
    Design("lfsr_32", "counter/lfsr", {}),
    Design("gray_counter_16", "counter/gray_counter", {}),
    Design("fir_direct_4", "filter/fir_direct", {"TAPS": 4}),
    Design("traffic_8", "control/traffic", {}),
    Design("systolic_5x5", "systolic/systolic_array", {"N": 5, "W": 6}),
    Design("crc_parallel_16", "crc/crc_parallel", {"W": 16, "D": 8, "POLY": 0x1021}),
    Design("crc_serial", "crc/crc_serial", {}),
    Design("div_array_8", "divider/div_array", {"W": 8}),
    Design("square_root_16", "divider/square_root", {"W": 16}),
    Design("popcount_32", "bitcount/popcount", {}),
    Design("priority_encoder_32", "bitcount/priority_encoder", {}),
    Design("spn_round_8", "cipher/spn_round", {"BOXES": 8, "STRIDE": 9}),
    Design("arx_round_8", "cipher/arx_round", {"W": 8}),
    Design("cordic_8", "cordic/cordic", {"W": 8}),
    Design("hamming_encode_32", "ecc/hamming_encode", {}),
    Design("hamming_decode_32", "ecc/hamming_decode", {}),
    Design("uart_tx", "uart/uart_tx", {}),
    Design("uart_rx", "uart/uart_rx", {}),
)

LARGE_AIGS = (
    Design("mul_array_32", "multiplier/mul_array", {"W": 32}),
    Design("sort_bitonic_24", "sorter/sort_bitonic", {"W": 24}),
    Design("cordic_16", "cordic/cordic", {"W": 16}),
    Design("div_array_32", "divider/div_array", {"W": 32}),
)
AIGS = (*(design for design in (*TIMING, *NETLISTS) if not design.full_adders), *LARGE_AIGS)

Progress = Callable[[str], None]


def rebuild(
    folder: Path, progress: Progress | None = None, source: Path = DATA, only: Iterable[str] | None = None
) -> list[Path]:
    """Make the corpus again and give the paths written.

    Args:
        folder: where to; with *only* the files of other designs stay as they are.
        progress: called with one line a design.
        source: folder whose ``rtl`` is read.
        only: names of the designs to make; default all, and what no recipe makes is removed from the folders.

    Raises:
        CircuitError: pyosys or coloquinte is missing or fails, or a name is unknown.
    """
    folder = Path(folder)
    say = progress or (lambda line: None)
    wanted = None if only is None else set(only)
    unknown = (wanted or set()) - {design.name for design in (*TIMING, *NETLISTS, *AIGS)}
    if unknown:
        raise CircuitError("corpus", f"design {min(unknown)!r}", "is in no recipe", "see tasks/corpus_recipe.py")
    written = _copy_rtl(source, folder)
    say("library")
    written += corpus_library.write_library(folder / "library")
    library = read_liberty(folder / "library" / f"{corpus_library.NAME}.lib")
    steps: tuple[tuple[tuple[Design, ...], Callable[[Design, Path, Library], list[Path]]], ...] = (
        (NETLISTS, build_netlist),
        (AIGS, build_aig),
        (TIMING, build_timing),
    )
    for designs, build in steps:
        for design in designs:
            if wanted is None or design.name in wanted:
                say(f"{build.__name__.removeprefix('build_')} {design.name}")
                written += build(design, folder, library)
    if wanted is None:
        _remove_strays(folder, written)
        written.append(write_manifest(folder))
    return written


def _copy_rtl(source: Path, folder: Path) -> list[Path]:
    """Copy the RTL where the target is another folder."""
    paths = []
    for path in sorted((source / "rtl").glob("*/*.v")):
        target = folder / "rtl" / path.parent.name / path.name
        if target.resolve() != path.resolve():
            write_atomic(target, path.read_bytes())
        paths.append(target)
    if not paths:
        raise CircuitError(str(source / "rtl"), "folder", "holds no RTL", "name the data folder of a checkout")
    return paths


def _remove_strays(folder: Path, written: list[Path]) -> None:
    """Remove files that the folder's own MANIFEST lists and that no recipe makes any more; never a stranger's."""
    if not (folder / "MANIFEST.csv").is_file():
        return
    kept = {path.resolve() for path in written}
    listed = {(folder / row["file"]).resolve() for row in read_manifest(folder)}
    for part in ("library", "netlists", "aigs", "timing"):
        for path in sorted((folder / part).rglob("*"), reverse=True):
            if path.is_file() and path.resolve() in listed - kept:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                shutil.rmtree(path)


def build_netlist(design: Design, folder: Path, library: Library) -> list[Path]:
    """A mapped netlist as synthesis leaves it."""
    text = one_cell_a_line(_mapped(design, folder))
    return [write_atomic(folder / "netlists" / f"{design.name}.v", _header(design, "mapped netlist") + text)]


def build_aig(design: Design, folder: Path, library: Library) -> list[Path]:
    """Binary AIGER with symbols."""
    source = folder / "rtl" / f"{design.rtl}.v"
    data = synthesise([source], design.top, None, design.parameters, aig=True).aiger
    return [write_atomic(folder / "aigs" / f"{design.name}.aig", data)]


def build_timing(design: Design, folder: Path, library: Library) -> list[Path]:
    """A placed design: netlist with buffer trees, constraints, placement, estimated parasitics."""
    circuit, layout = placed(design, folder, library)
    technology = corpus_library.technology()
    target = folder / "timing" / design.name
    netlist = target / f"{design.name}.v"
    write_verilog(circuit, netlist)
    write_atomic(netlist, _header(design, "mapped, placed and buffered netlist") + netlist.read_text())
    spef = target / f"{design.name}.spef"
    write_spef(parasitics(circuit, route(circuit, layout, technology)), spef)
    lines = spef.read_bytes()
    spef.unlink()
    return [
        netlist,
        write_atomic(target / f"{design.name}.sdc", constraints(design, circuit)),
        write_atomic(target / f"{design.name}.def.xz", compress(write_def(circuit, layout, technology).encode())),
        write_atomic(target / f"{design.name}.spef.xz", compress(lines)),
    ]


def placed(design: Design, folder: Path, library: Library) -> tuple[Circuit, Layout]:
    """Synthesise, place, buffer nets in clusters of neighbours, place again.

    Raises:
        CircuitError: the placement is not legal.
    """
    technology = corpus_library.technology()
    text = _mapped(design, folder)
    circuit: Circuit = read_verilog(io.BytesIO(text.encode()), library=library)
    layout = place(circuit, technology, utilisation=design.utilisation)
    buffer = library.cell_type(BUFFER)
    assert buffer is not None
    buffered = buffer_nets(circuit, layout, buffer)
    if buffered is not circuit:
        circuit, layout = buffered, place(buffered, technology, utilisation=design.utilisation)
    faults = problems(circuit, layout, technology)
    if faults:
        raise CircuitError(design.name, "placement", "; ".join(faults), "lower the utilisation")
    return circuit, layout


def _mapped(design: Design, folder: Path) -> str:
    source = folder / "rtl" / f"{design.rtl}.v"
    target = corpus_library.target(folder / "library")
    made = synthesise(
        [source], design.top, target, design.parameters, period=MAPPING_PERIOD, full_adders=design.full_adders
    )
    return made.verilog


def _header(design: Design, what: str) -> str:
    values = ", ".join(f"{name} = {value}" for name, value in design.parameters.items())
    return f"// {design.name}: {what} of data/rtl/{design.rtl}.v ({values or 'defaults'}). Licence: {LICENCE}.\n"


def one_cell_a_line(text: str) -> str:
    """A netlist with each cell on one line instead of one line a pin.

    >>> print(one_cell_a_line("  INV u (" + chr(10) + "    .A(a)," + chr(10) + "    .Z(z)" + chr(10) + "  );"))
      INV u (.A(a), .Z(z));
    """
    text = re.sub(r"\(\n\s+\.", "(.", text)
    text = re.sub(r"\),\n\s+\.", "), .", text)
    return re.sub(r"\)\n\s+\);", "));", text)


def compress(data: bytes) -> bytes:
    """The xz file of some bytes, with a fixed preset: the same bytes every time.

    >>> len(compress(b"a" * 1000)) < 200
    True
    """
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC64, 9 | lzma.PRESET_EXTREME)


def constraints(design: Design, circuit: Circuit) -> str:
    """The SDC of a design: one clock (virtual where there is no port ``clk``), delays at all data ports; ns."""
    ports = [circuit.port_names.base(row).decode() for row in range(circuit.num_ports)]
    period, share = design.period, round(design.period * IO_SHARE, 4)
    has_clock = "clk" in ports
    clock = " [get_ports {clk}]" if has_clock else ""
    lines = [
        f"# {design.name}: constraints written for this corpus; times in ns. Licence: {LICENCE}.",
        f"create_clock -name clk -period {period:.3f}{clock}",
        f"set_clock_uncertainty -setup {UNCERTAINTY[0]:.3f} [all_clocks]",
        f"set_clock_uncertainty -hold {UNCERTAINTY[1]:.3f} [all_clocks]",
    ]
    if has_clock:
        lines += [
            "set data_inputs {}",
            "foreach p [all_inputs] { if {[lsearch -exact [list {clk}] [get_property $p full_name]] < 0} "
            "{ lappend data_inputs $p } }",
            f"set_input_delay {share:.4f} -clock clk $data_inputs",
        ]
    else:
        lines.append(f"set_input_delay {share:.4f} -clock clk [all_inputs]")
    lines += [
        f"set_output_delay {share:.4f} -clock clk [all_outputs]",
        "set_input_transition 0.020 [all_inputs]",
    ]
    return "\n".join(lines) + "\n"


# -- periods, for somebody who adds a design ---------------------------------------------------------

SLACKS = """
proc slacks {name} {
  set file [open $name w]
  foreach pin [sta::endpoints] {
    foreach vertex [$pin vertices] {
      if {$vertex eq "" || $vertex eq "NULL"} continue
      set path [sta::vertex_worst_slack_path $vertex max]
      if {$path ne "" && $path ne "NULL"} { puts $file [expr {1e9 * [sta::PathRef_slack $path]}] }
      break
    }
  }
  close $file
}
read_liberty cells.lib
read_verilog netlist.v
link_design TOP
source design.sdc
read_spef wires.spef
report_wns
slacks slacks.txt
"""


def find_period(design: Design, folder: Path, share: float = VIOLATING) -> tuple[float, float]:
    """A period in ns at which about *share* of the endpoints violate setup, by OpenSTA, and the share found.

    Slack is nearly linear in the period, so the slope between two periods gives each endpoint its own limit.

    Raises:
        CircuitError: OpenSTA is missing or answers nothing.
    """
    circuit = read_verilog(
        folder / "timing" / design.name / f"{design.name}.v",
        library=read_liberty(folder / "library" / f"{corpus_library.NAME}.lib"),
    )
    period = 3.0
    for _ in range(4):  # the worst path of an endpoint can change with the period
        one, two = period, 1.03 * period
        first, second = (np.array(_slacks(replace(design, period=t), circuit, folder)) for t in (one, two))
        limits = np.sort(one - first * (two - one) / (second - first))[::-1]
        violating = max(1, round(share * len(limits)))
        period = float(np.floor(1000 * (limits[violating - 1] + limits[min(violating, len(limits) - 1)]) / 2) / 1000)
    found = np.array(_slacks(replace(design, period=period), circuit, folder))
    return period, float((found < 0).mean())


def _slacks(design: Design, circuit: Circuit, folder: Path) -> list[float]:
    """Worst setup slack of each endpoint, ns, in OpenSTA's order."""
    source = folder / "timing" / design.name
    with tempfile.TemporaryDirectory(prefix="cg-period-") as name:
        work = Path(name)
        shutil.copyfile(folder / "library" / f"{corpus_library.NAME}.lib", work / "cells.lib")
        shutil.copyfile(source / f"{design.name}.v", work / "netlist.v")
        (work / "wires.spef").write_bytes(read_bytes(source / f"{design.name}.spef.xz"))
        (work / "design.sdc").write_text(constraints(design, circuit))
        (work / "run.tcl").write_text(SLACKS.replace("TOP", circuit.name))
        said = programs.run("sta", ["-no_splash", "-exit", "run.tcl"], work, "slacks.txt", 120)
        if "Error" in said or "Warning" in said:
            raise CircuitError(design.name, "OpenSTA", said.strip()[:200], "correct the files")
        return [float(line) for line in (work / "slacks.txt").read_text().split()]


def tables(folder: Path) -> tuple[str, str]:
    """The two tables of ``data/README.md``: placed designs with their slacks by OpenSTA, and netlists.

    ``python -m tasks.corpus_recipe`` prints them for the corpus of the checkout.

    Raises:
        CircuitError: OpenSTA is missing or answers nothing.
    """
    library = read_liberty(folder / "library" / f"{corpus_library.NAME}.lib")
    placed_rows = [
        "| design | family | split | cells | nets | flip-flops | period | endpoints | violating | WNS |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for design in TIMING:
        circuit = read_verilog(folder / "timing" / design.name / f"{design.name}.v", library=library)
        slacks = np.array(_slacks(design, circuit, folder))
        sizes = f"{circuit.num_cells:,} | {circuit.num_nets:,} | {int(circuit.is_sequential.sum())}"
        timing = f"{design.period:.3f} | {len(slacks)} | {(slacks < 0).sum()} | {min(0.0, slacks.min()):.3f}"
        placed_rows.append(f"| {design.name} | {design.family} | {design.split} | {sizes} | {timing} |")
    netlist_rows = ["| design | family | split | cells | nets |", "|---|---|---|--:|--:|"]
    for design in NETLISTS:
        circuit = read_verilog(folder / "netlists" / f"{design.name}.v", library=library)
        sizes = f"{circuit.num_cells:,} | {circuit.num_nets:,}"
        netlist_rows.append(f"| {design.name} | {design.family} | {design.split} | {sizes} |")
    return "\n".join(placed_rows), "\n".join(netlist_rows)


# -- MANIFEST ------------------------------------------------------------------------------------


def write_manifest(folder: Path) -> Path:
    """Write ``MANIFEST.csv``: one row a file, sorted by path."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    designs = {design.name: design for design in (*TIMING, *NETLISTS, *AIGS)}
    for path in corpus_files(folder):
        name = path.relative_to(folder).as_posix()
        made, kind = _made(name)
        stem = path.name.partition(".")[0]
        design = designs.get(stem) if kind not in {"rtl", "library", "model"} else None
        family = path.parent.name if kind == "rtl" else design.family if design else ""
        title = stem if kind == "rtl" or design else ""
        split = split_of(family) if family else ""
        writer.writerow([name, hash_file(path), path.stat().st_size, LICENCE, made, kind, title, family, split])
    return write_atomic(folder / "MANIFEST.csv", stream.getvalue())


def corpus_files(folder: Path) -> list[Path]:
    """Files that the MANIFEST lists: all but itself, README files and hidden ones."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    skipped = {"MANIFEST.csv", "README.md"}
    shown = [p for p in found if not any(part.startswith((".", "__")) for part in p.relative_to(folder).parts)]
    return sorted((p for p in shown if p.name not in skipped), key=lambda path: path.relative_to(folder).as_posix())


def _made(name: str) -> tuple[str, str]:
    """How a file was made, and its kind."""
    part = name.partition("/")[0]
    if part == "rtl":
        return "written for this project", "rtl"
    if part == "library":
        return "computed by tasks/corpus_library.py", "library"
    if part == "netlists":
        return "synthesised with pyosys", "netlist"
    if part == "aigs":
        return "synthesised with pyosys", "aig"
    if part == "models":
        return "trained by a recipe of this repository", "model"
    if name.endswith(".sdc"):
        return "written by tasks/corpus_recipe.py", "constraints"
    if name.endswith(".spef.xz"):
        return WHAT, "parasitics"
    if name.endswith(".def.xz"):
        return "placed with coloquinte", "placement"
    return "synthesised with pyosys, nets buffered after a first placement", "placed"


def read_manifest(folder: Path) -> list[dict[str, str]]:
    """The rows of a MANIFEST.

    Raises:
        CircuitError: it is missing or its columns are not ours.
    """
    path = folder / "MANIFEST.csv"
    reader = csv.DictReader(io.StringIO(read_bytes(path).decode()))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise CircuitError(f"{path}:1", "MANIFEST", f"columns must be {','.join(COLUMNS)}", "rebuild the corpus")
    return list(reader)


def verify(folder: Path) -> list[str]:
    """Compare a folder with its MANIFEST.

    Returns:
        One line a file that differs, is missing or is extra; empty when all is well.
    """
    folder = Path(folder)
    rows = {row["file"]: row for row in read_manifest(folder)}
    there = {path.relative_to(folder).as_posix(): path for path in corpus_files(folder)}
    found = []
    for name in sorted({*rows, *there}):
        if name not in there:
            found.append(f"{name}: is missing")
        elif name not in rows:
            found.append(f"{name}: is not in the MANIFEST")
        elif hash_file(there[name]) != rows[name]["sha256"]:
            found.append(f"{name}: differs from the MANIFEST")
    return found


if __name__ == "__main__":
    sys.stdout.write("\n\n".join(tables(DATA)) + "\n")
