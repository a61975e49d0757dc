"""Timing in four corners at up to ten million pins: seconds, bytes, the memory's limit, OpenSTA beside it; the residual.

    python benchmarks/timing_speed.py                          # 0.1, 1 and 4 million pins, OpenSTA, the residual
    python benchmarks/timing_speed.py --millions 10 --no-opensta --no-residual

The design is one of the public timing data, repeated side by side with one clock; it is made as columns, and for OpenSTA
as a netlist of as many modules. The corners are its library with all table values times 1, 0.7, 1.5 and 1.15, as Liberty
files that both programs read. Nets have the library's default wire load, in the columns "Elmore" the design's own wires.

"sweep" is all of ``analyse_corners``: loads, start values, the walk, setup and hold slacks of every endpoint in every
corner; "walk" is the compiled walk in it. Seconds are of process CPU time on one thread, the least of the rounds. Every size
runs in a process of its own. "bytes/pin" is the peak that one sweep allocates, result included, as tracemalloc counts it
(numpy reports every array to it); "peak GB" the high-water mark of the whole process with generation and preparation. The
"limit" is what must move at least - every array that the walk writes once, and reads once - over the bandwidth of copying
measured in the same process. OpenSTA's first update is a script with ``report_tns`` and ``worst_slack`` of both kinds less
one that only reads and links: it builds its graph then, so ours beside it is preparation and sweep. "again" is what one
more such update adds behind ``set_delay_calculator``, which makes all delays invalid: ours beside it is the sweep. Neither
credits shared clock paths. CPU seconds of its process.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sta_speed import DESIGNS, SHARED, constraints_of, read, repeated, unpack
from circuitgraph.analysis import sta_corners
from circuitgraph.analysis.sta_corner_tables import aligned_libraries, pair_tables
from circuitgraph.analysis.sta_prepare import Prepared, place_capacitances, prepare
from circuitgraph.analysis.wires import Wires, spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.constraints import Constraints
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.spef import read_spef
from circuitgraph.layout import Layout

DESIGN, LIBRARY = DESIGNS[-1]
FACTORS = (1.0, 0.7, 1.5, 1.15)
"""On all table values of each corner."""
NUMBER, VALUES = re.compile(r"-?\d[\d.eE+-]*"), re.compile(r"values\s*\([^)]*\)")


def best(rounds: int, function: Callable[[], Any]) -> tuple[float, Any]:
    """Least CPU seconds of this process over the rounds, and the last result."""
    least, result = float("inf"), None
    for _ in range(rounds):
        result = None
        start = time.process_time()
        result = function()
        least = min(least, time.process_time() - start)
    return least, result


# -- the design --------------------------------------------------------------------------------


def write_corners(folder: Path) -> list[Path]:
    """Liberty files of the corners."""
    text = lzma.decompress((SHARED / "lib" / f"{LIBRARY}.lib.xz").read_bytes()).decode()
    found = []
    for corner, factor in enumerate(FACTORS):

        def values(group: re.Match[str], factor: float = factor) -> str:
            return NUMBER.sub(lambda number: f"{float(number.group()) * factor:.7g}", group.group())

        own = VALUES.sub(values, text)
        own = re.sub(r'library \("?([^")]*)"?\)', rf'library ("\1_{corner}")', own, count=1)
        found.append(folder / f"corner{corner}.lib")
        found[-1].write_text(own)
    return found


def grown(folder: Path, copies: int) -> tuple[Circuit, Constraints, Wires]:
    """The design so many times, its constraints and wires with Elmore delays."""
    circuit, cells, constraints, _, _ = read(folder, DESIGN, LIBRARY)
    resolved = read_spef(folder / DESIGN / f"{DESIGN}.spef").resolve(circuit)
    pins = np.ascontiguousarray(place_capacitances(circuit, cells)[:, :2])
    one = spef_wires(resolved, circuit, pins)
    assert one.elmore is not None
    pins, ports = one.elmore[: circuit.num_pins], one.elmore[circuit.num_pins :]
    many = constraints_of(constraints, circuit, copies)
    wires = Wires(
        "spef",
        np.tile(one.capacitance, copies),
        np.tile(one.resistance, copies),
        np.concatenate([np.tile(pins, (copies, 1)), np.tile(ports, (copies, 1))]),
        np.tile(one.annotated, copies),
    )
    return repeated(circuit, copies), many, wires


def pins_of(circuit: Circuit) -> int:
    """Connected pins and terminals."""
    return int((circuit.pin_net >= 0).sum()) + circuit.num_ports


# -- the sweep ---------------------------------------------------------------------------------


def walk_of(prepared: Prepared, libraries: Sequence[Any]) -> Callable[[], Any]:
    """The compiled walk alone."""
    own = aligned_libraries(prepared, libraries)
    load, boundaries = sta_corners._loads(prepared, own, (None,) * len(own), (True, True, True, None))
    starts = sta_corners._starts(prepared, boundaries)
    rows, tables = sta_corners._plane_rows(prepared, starts), pair_tables(prepared, own)
    wires = (load, sta_corners._elmore(prepared, (None,) * len(own), "lumped_cap"))
    return lambda: sta_corners._sweep(prepared, own, wires, tables, starts, rows)


def moved_bytes(prepared: Prepared, found: sta_corners.CornerTiming) -> int:
    """Bytes that a walk must move: states written and read once, everything else read once."""
    arcs, rows = prepared.arcs, found.rows
    states = found.state_slew.nbytes + found.state_arrival.nbytes
    graph = [prepared.order, prepared.in_start, arcs.source, arcs.library_arc, arcs.mask, prepared.launches]
    graph += [prepared.nodes.net, prepared.corner, rows.class_of, rows.row_of, found.load]
    return 2 * states + sum(array.nbytes for array in graph) + 4 * prepared.nodes.count


def bandwidth() -> float:
    """Bytes a second that a copy reads and writes, best of several."""
    source = np.ones(1 << 25)
    target = np.empty_like(source)
    seconds, _ = best(7, lambda: np.copyto(target, source))
    return 2 * source.nbytes / seconds


def high_water() -> float:
    """Peak of this process, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def sized(folder: Path, copies: int, rounds: int) -> dict[str, float]:
    """What is measured at one size."""
    libraries = [read_liberty(folder / f"corner{corner}.lib") for corner in range(len(FACTORS))]
    circuit, constraints, wires = grown(folder, copies)
    compile_kernels(folder, libraries)
    preparing, prepared = best(1, lambda: prepare(circuit, libraries[0], constraints))
    sweeping, found = best(rounds, lambda: sta_corners.analyse_corners(prepared, libraries))
    moved = moved_bytes(prepared, found)
    late = min(float(np.nanmin(found.worst_slack(corner))) for corner in range(len(found)))
    early = min(float(np.nanmin(found.worst_slack(corner, early=True))) for corner in range(len(found)))
    tns = float(_over_corners(found).sum())
    del found
    delays, _ = best(rounds, lambda: sta_corners.analyse_corners(prepared, libraries, wires, delay_model="elmore"))
    peaks = []
    for options in ((None, "lumped_cap"), (wires, "elmore")):
        tracemalloc.start()
        sta_corners.analyse_corners(prepared, libraries, options[0], delay_model=options[1])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    walking, _ = best(rounds, walk_of(prepared, libraries))
    pins = pins_of(circuit)
    return {
        "pins": pins,
        "planes": len(prepared.planes),
        "prepare": preparing,
        "sweep": sweeping,
        "walk": walking,
        "elmore": delays,
        "bytes": peaks[0] / pins,
        "elmore_bytes": peaks[1] / pins,
        "moved": moved / pins,
        "limit": moved / bandwidth(),
        "peak": high_water(),
        "late": late,
        "early": early,
        "tns": tns,
    }


def compile_kernels(folder: Path, libraries: Sequence[Any]) -> None:
    """One small run, so that no later one compiles."""
    circuit, constraints, wires = grown(folder, 1)
    sta_corners.analyse_corners(prepare(circuit, libraries[0], constraints), libraries, wires, delay_model="elmore")


def _over_corners(found: sta_corners.CornerTiming) -> np.ndarray:
    """Worst negative slack of every place over all corners."""
    slack = [np.nan_to_num(found.worst_slack(corner)) for corner in range(len(found))]
    return np.minimum(np.min(slack, axis=0), 0.0)


# -- OpenSTA -----------------------------------------------------------------------------------


def write_netlist(folder: Path, copies: int) -> tuple[str, str]:
    """A netlist ``many.v`` of so many modules and the commands that constrain it; the terminals are the modules' own."""
    circuit, _, _, _, _ = read(folder, DESIGN, LIBRARY)
    text = (folder / DESIGN / f"{DESIGN}.v").read_text()
    widths: dict[str, tuple[str, str]] = {}
    for direction, span, name in re.findall(r"^\s*(input|output)\s*(\[[\d:]+\])?\s*(\w+);", text, re.MULTILINE):
        widths[name] = (direction, span)
    ports = [f"p{copy}_{name}" for copy in range(copies) for name in widths]
    lines = [f"module many ({', '.join(ports)});"]
    for copy in range(copies):
        lines += [f" {direction} {span} p{copy}_{name};" for name, (direction, span) in widths.items()]
        joined = ", ".join(f".{name}(p{copy}_{name})" for name in widths)
        lines.append(f" {circuit.name} c{copy} ({joined});")
    (folder / "many.v").write_text(text + "\n" + "\n".join(lines) + "\nendmodule\n")
    clocks = " ".join(f"p{copy}_wb_clk_i" for copy in range(copies))
    sdc = (folder / DESIGN / f"{DESIGN}.sdc").read_text()
    sdc = re.sub(r"\[get_ports \{wb_clk_i\}\]", f"[get_ports {{{clocks}}}]", sdc)
    return "many", sdc.replace("[list {wb_clk_i}]", f"[list {clocks}]")


def opensta(folder: Path, copies: int, limit: float) -> dict[str, float] | None:
    """CPU seconds of OpenSTA for reading and two updates, its peak in GB and its slacks; None beyond the time limit."""
    top, sdc = write_netlist(folder, copies)
    (folder / "many.sdc").write_text(sdc)
    corners = range(len(FACTORS))
    names = " ".join(f"c{corner}" for corner in corners)
    lines = [f"define_corners {names}"] + [f"read_liberty -corner c{k} corner{k}.lib" for k in corners]
    lines += ["read_verilog many.v", f"link_design {top}", "source many.sdc"]
    lines.append("set sta_crpr_enabled 0")
    runs = []
    update = ["set_delay_calculator lumped_cap", "report_tns -digits 6"]
    update.append('puts "slacks [worst_slack -max] [worst_slack -min]"')
    for more in ([], update, 2 * update):
        (folder / "many.tcl").write_text("\n".join(lines + more) + "\n")
        done = run_opensta(folder, limit)
        if done is None:
            return None
        runs.append(done)
    (reading, _, _), (first, _, _), (second, peak, output) = runs
    found = re.search(r"tns (\S+).*slacks (\S+) (\S+)", output, re.DOTALL)
    assert found, output
    tns, late, early = (float(text) * 1e-9 for text in found.groups())
    return {
        "read": reading,
        "update": first - reading,
        "again": second - first,
        "peak": peak,
        "tns": tns,
        "late": late,
        "early": early,
    }


def run_opensta(folder: Path, limit: float) -> tuple[float, float, str] | None:
    """CPU seconds, peak in GB and output of ``many.tcl``; None beyond so many seconds."""
    with (folder / "many.out").open("w+") as output:
        process = subprocess.Popen(["sta", "-no_splash", "-exit", "many.tcl"], cwd=folder, stdout=output)
        timer = threading.Timer(limit, process.kill)
        timer.start()
        _, status, used = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode < 0:
            return None
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20, output.read()


# -- the residual ------------------------------------------------------------------------------


def tiled(layout: Layout, copies: int) -> Layout:
    """A placement side by side so many times, as square as it goes."""
    side = math.ceil(math.sqrt(copies))
    copy = np.arange(copies)
    x0, y0, x1, y1 = layout.die
    right, up = (copy % side) * (x1 - x0), (copy // side) * (y1 - y0)

    def shifted(values: np.ndarray, by: np.ndarray) -> np.ndarray:
        return (values[None, :] + by[:, None]).ravel()

    return replace(
        layout,
        die=(x0, y0, x0 + side * (x1 - x0), y0 + math.ceil(copies / side) * (y1 - y0)),
        cell_x=shifted(layout.cell_x, right),
        cell_y=shifted(layout.cell_y, up),
        cell_orientation=np.tile(layout.cell_orientation, copies),
        cell_width=np.tile(layout.cell_width, copies),
        pin_x=shifted(layout.pin_x, right),
        pin_y=shifted(layout.pin_y, up),
        port_x=shifted(layout.port_x, right),
        port_y=shifted(layout.port_y, up),
        design=None,
    )


def residual(folder: Path, copies: int, rounds: int) -> dict[str, float]:
    """Seconds of the learned wire residual: trees, features, heads; untrained heads of the shipped shape."""
    import torch

    from circuitgraph.analysis.placement_wires import nominal_constants
    from circuitgraph.formats.lef import read_lef
    from tasks.timing.inputs import TimingInputs, read_placement
    from tasks.timing.placed_wires import PlacedWires, net_graph
    from tasks.timing.wire_features import wire_features

    torch.set_num_threads(1)
    circuit, cells, _, _, _ = read(folder, DESIGN, LIBRARY)
    technology = read_lef(SHARED / "lib" / "sky130hd.lef.xz")
    layout, _ = read_placement(folder / DESIGN / f"{DESIGN}.def", circuit, technology, black_box=True)
    many, constraints, _ = grown(folder, copies)
    inputs = TimingInputs(
        "many", prepare(many, cells, constraints), layout=tiled(layout, copies), technology=technology
    )
    inputs.trees("steiner")
    inputs.view_cache.clear()
    growing, trees = best(1, lambda: inputs.trees("steiner"))
    _ = inputs.pin_capacitances
    constants = nominal_constants(technology)
    featuring, features = best(rounds, lambda: wire_features(inputs, trees, constants))
    heads = PlacedWires().heads.eval()

    def run() -> Any:
        with torch.no_grad():
            return heads(net_graph(inputs, features))

    heading, _ = best(rounds, run)
    return {
        "pins": pins_of(many),
        "nets": len(features.nets),
        "sinks": len(features.place),
        "trees": growing,
        "features": featuring,
        "heads": heading,
        "peak": high_water(),
    }


# -- tables ------------------------------------------------------------------------------------


def child(kind: str, folder: Path, copies: int, rounds: int) -> dict[str, float]:
    """One measurement in a process of its own, on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--child", kind, "--folder", str(folder), "--copies", str(copies)]
    done = subprocess.run(
        [*command, "--rounds", str(rounds)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def sweep_table(rows: Sequence[dict[str, float]]) -> None:
    """Our seconds and bytes by size."""
    print("| pins | planes | prepare s | sweep s | ns/pin | walk s | Elmore: sweep s | bytes/pin | Elmore | peak GB |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        print(
            f"| {row['pins']:,.0f} | {row['planes']:.0f} | {row['prepare']:.2f} | {row['sweep']:.2f} | "
            f"{row['sweep'] / row['pins'] * 1e9:,.0f} | {row['walk']:.2f} | {row['elmore']:.2f} | {row['bytes']:.0f} | "
            f"{row['elmore_bytes']:.0f} | {row['peak']:.1f} |"
        )
    print("\n| pins | bytes/pin that must move | memory's limit s | walk over limit | sweep over limit |")
    print("|--:|--:|--:|--:|--:|")
    for row in rows:
        print(
            f"| {row['pins']:,.0f} | {row['moved']:.0f} | {row['limit']:.3f} | {row['walk'] / row['limit']:.1f} | "
            f"{row['sweep'] / row['limit']:.1f} |"
        )
    for one, two in pairwise(rows):
        more = (two["sweep"] - one["sweep"]) / (two["pins"] - one["pins"])
        print(f"\nns of the sweep for each pin beyond {one['pins']:,.0f}, to {two['pins']:,.0f}: {more * 1e9:,.0f}")


def main() -> None:
    """Print the tables and where they were made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[0.1, 1.0, 4.0], help="sizes, million pins")
    parser.add_argument("--rounds", type=int, default=3, help="the least of so many runs counts")
    parser.add_argument("--no-opensta", action="store_true", help="ours alone")
    parser.add_argument("--opensta-millions", type=float, default=1.0, help="largest size for OpenSTA")
    parser.add_argument("--opensta-limit", type=float, default=300.0, help="seconds for one of its runs")
    parser.add_argument("--no-residual", action="store_true", help="without the learned wires")
    parser.add_argument("--residual-millions", type=float, default=1.0, help="size of the residual's design")
    parser.add_argument("--child", choices=["sweep", "residual"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--copies", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure = sized if options.child == "sweep" else residual
        print(json.dumps(measure(options.folder, options.copies, options.rounds)))
        return
    with tempfile.TemporaryDirectory() as name:
        tables(Path(name), options)
    print(f"\nPython {platform.python_version()}, numpy {np.__version__}, OpenSTA 2.0.17 (Debian 12)")
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; CPU seconds"
    )


def tables(folder: Path, options: argparse.Namespace) -> None:
    """Measure and print."""
    unpack(folder)
    write_corners(folder)
    circuit, _, _, _, _ = read(folder, DESIGN, LIBRARY)
    each = pins_of(circuit)
    copies = {size: max(1, round(size * 1e6 / each)) for size in options.millions}
    rows = {size: child("sweep", folder, copies[size], options.rounds) for size in options.millions}
    sweep_table(list(rows.values()))
    if not options.no_opensta:
        print("\n| pins | OpenSTA: read s | first update s | ours | times | again s | ours | times | peak GB |", end="")
        print(" setup difference ps | hold | TNS, ratio |")
        print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
        for size in options.millions:
            if size > options.opensta_millions:
                continue
            peer, own = opensta(folder, copies[size], options.opensta_limit), rows[size]
            if peer is None:
                print(f"| {own['pins']:,.0f} | beyond {options.opensta_limit:.0f} s |" + " |" * 10)
                continue
            apart = " | ".join(f"{(own[key] - peer[key]) * 1e12:.4f}" for key in ("late", "early"))
            both = own["prepare"] + own["sweep"]
            print(
                f"| {own['pins']:,.0f} | {peer['read']:.1f} | {peer['update']:.1f} | {both:.2f} | "
                f"{peer['update'] / both:.1f} | {peer['again']:.1f} | {own['sweep']:.2f} | "
                f"{peer['again'] / own['sweep']:.1f} | {peer['peak']:.1f} | {apart} | {own['tns'] / peer['tns']:.6f} |"
            )
    if not options.no_residual:
        found = child("residual", folder, round(options.residual_millions * 1e6 / each), options.rounds)
        print("\n| pins | nets | sinks | Steiner trees s | features s | heads s | residual s | peak GB |")
        print("|--:|--:|--:|--:|--:|--:|--:|--:|")
        print(
            f"| {found['pins']:,.0f} | {found['nets']:,.0f} | {found['sinks']:,.0f} | {found['trees']:.2f} | "
            f"{found['features']:.2f} | {found['heads']:.2f} | {found['features'] + found['heads']:.2f} | "
            f"{found['peak']:.1f} |"
        )


if __name__ == "__main__":
    main()
