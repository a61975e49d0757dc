"""How fast a netlist is timed, beside OpenSTA on the same files: seconds in all and per pin.

    python benchmarks/sta_speed.py                       # four designs of the public timing data, three rounds
    python benchmarks/sta_speed.py --copies 28           # the largest design, repeated side by side, ours alone

"read" is Liberty, netlist, constraints and SPEF; "sweep" is delays, slews, arrivals and slacks of all pins with
everything else prepared; "update" is a new analysis after new wires. Ours runs in this process (kernels compiled
before the first round); OpenSTA runs as ``sta -exit`` with the lumped_cap calculator, its start-up (``sta`` on
an empty script) subtracted; its sweep is the time of a script with ``report_wns`` and ``report_tns`` less that of one
that only reads. The result of the two is compared: worst slack in ps.
"""

from __future__ import annotations

import argparse
import lzma
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np

from circuitgraph.analysis.sta import Timing, analyse, listed_places
from circuitgraph.analysis.sta_prepare import Prepared, prepare
from circuitgraph.analysis.wires import Wires, spef_wires
from circuitgraph.circuit import Circuit
from circuitgraph.constraints import Constraints
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.sdc import read_sdc
from circuitgraph.formats.spef import read_spef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from circuitgraph.names import NameTable

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CIRCUITGRAPH_SHARED_DATA", ROOT.parent / "shared" / "data")) / "timing"
DESIGNS = (
    ("tt_mitssdd", "sky130hd_tt"),
    ("gf_peri_top", "gf180_7t_tt5v0"),
    ("yifive_glbl_cfg", "sky130hd_tt"),
    ("christmas_tree", "sky130hd_tt"),
)


def unpack(folder: Path) -> None:
    """Designs and libraries of :data:`DESIGNS`."""
    for design, library in DESIGNS:
        with tarfile.open(SHARED / "designs" / f"{design}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
        target = folder / f"{library}.lib"
        if not target.exists():
            target.write_bytes(lzma.decompress((SHARED / "lib" / f"{library}.lib.xz").read_bytes()))


def best(rounds: int, function: object) -> tuple[float, object]:
    """Shortest of several runs, s, and the last result."""
    assert callable(function)
    shortest, result = float("inf"), None
    for _ in range(rounds):
        start = time.perf_counter()
        result = function()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest, result


def read(folder: Path, design: str, library: str) -> tuple[Circuit, Library, Constraints, Wires, np.ndarray]:
    """Everything that an analysis reads."""
    cells = read_liberty(folder / f"{library}.lib")
    circuit = read_verilog(folder / design / f"{design}.v", library=cells)
    assert isinstance(circuit, Circuit)
    constraints = read_sdc(folder / design / f"{design}.sdc", circuit, cells)
    resolved = read_spef(folder / design / f"{design}.spef").resolve(circuit)
    return circuit, cells, constraints, spef_wires(resolved, circuit, elmore=False), listed_places(resolved, circuit)


def sta_seconds(folder: Path, script: str, rounds: int) -> tuple[float, str]:
    """Shortest run of a script by OpenSTA, s, and what it printed."""
    path = folder / "bench.tcl"
    path.write_text(script)
    seconds, output = best(
        rounds,
        lambda: (
            subprocess.run(["sta", "-no_splash", "-exit", str(path)], cwd=folder, capture_output=True, text=True).stdout
        ),
    )
    return seconds, str(output)


def designs(rounds: int) -> None:
    """The table of the public designs."""
    peer = shutil.which("sta") is not None
    print(
        "| design | pins | ours: read | prepare | sweep | ns/pin | OpenSTA: read | sweep | ns/pin | WNS difference ps |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(folder)
        empty, _ = sta_seconds(folder, "", rounds) if peer else (0.0, "")
        for design, library in DESIGNS:
            reading, found = best(rounds, lambda design=design, library=library: read(folder, design, library))
            circuit, cells, constraints, wires, listed = found  # type: ignore[misc]
            preparing, prepared = best(rounds, lambda: prepare(circuit, cells, constraints))  # noqa: B023
            assert isinstance(prepared, Prepared)
            analyse(prepared, wires=wires, listed=listed)
            sweeping, timing = best(rounds, lambda: analyse(prepared, wires=wires, listed=listed))  # noqa: B023
            assert isinstance(timing, Timing)
            pins = int((circuit.pin_net >= 0).sum()) + circuit.num_ports
            row = f"| {design} | {pins:,} | {reading:.3f} | {preparing:.3f} | {sweeping:.3f} | "
            row += f"{sweeping / pins * 1e9:,.0f} |"
            if not peer:
                print(f"{row} not installed | | | |")
                continue
            top = (
                f"read_liberty {library}.lib\nread_verilog {design}/{design}.v\nlink_design {circuit.name}\n"
                f"source {design}/{design}.sdc\nset_delay_calculator lumped_cap\nread_spef {design}/{design}.spef\n"
            )
            only, _ = sta_seconds(folder, top, rounds)
            whole, output = sta_seconds(folder, f"{top}report_wns -digits 6\nreport_tns -digits 6\n", rounds)
            wns = float(next(line.split()[1] for line in output.splitlines() if line.startswith("wns")))
            theirs = whole - only
            print(
                f"{row} {only - empty:.3f} | {theirs:.3f} | {theirs / pins * 1e9:,.0f} | "
                f"{(timing.wns * 1e9 - wns) * 1e3:.3f} |"
            )


def repeated(circuit: Circuit, copies: int) -> Circuit:
    """A circuit side by side *copies* times; terminals are shared by number, names are dropped."""
    pins, nets = circuit.num_pins, circuit.num_nets
    shift = np.repeat(np.arange(copies, dtype=np.int64) * nets, pins)
    pin_net = np.tile(circuit.pin_net, copies).astype(np.int64)
    port_shift = np.repeat(np.arange(copies, dtype=np.int64) * nets, circuit.num_ports)
    port_net = np.tile(circuit.port_net, copies).astype(np.int64)
    start = (np.arange(copies)[:, None] * pins + circuit.pin_start[:-1][None, :]).ravel()
    return replace(
        circuit,
        cell_type=np.tile(circuit.cell_type, copies),
        pin_start=np.append(start, copies * pins),
        pin_net=np.where(pin_net >= 0, pin_net + shift, -1).astype(np.int32),
        port_net=np.where(port_net >= 0, port_net + port_shift, -1).astype(np.int32),
        port_direction=np.tile(circuit.port_direction, copies),
        port_role=np.tile(circuit.port_role, copies),
        port_group=np.tile(circuit.port_group, copies),
        net_constant=np.tile(circuit.net_constant, copies),
        net_role=np.tile(circuit.net_role, copies),
        cell_block=None,
        cell_names=NameTable.unnamed(copies * circuit.num_cells, "$c"),
        net_names=NameTable.unnamed(copies * nets),
        port_names=NameTable.unnamed(copies * circuit.num_ports, "$p"),
        alias_names=NameTable.unnamed(0),
        alias_net=np.zeros(0, np.int32),
        buses=(),
    )


def constraints_of(constraints: Constraints, circuit: Circuit, copies: int) -> Constraints:
    """The constraints of every copy."""
    pins, ports = circuit.num_pins, circuit.num_ports

    def moved(place: int, copy: int) -> int:
        return copies * pins + copy * ports + place - pins if place >= pins else copy * pins + place

    def delays(rows: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(replace(row, place=moved(row.place, copy)) for copy in range(copies) for row in rows)

    clocks = tuple(
        replace(clock, sources=tuple(moved(place, copy) for copy in range(copies) for place in clock.sources))
        for clock in constraints.clocks
    )
    return replace(
        constraints,
        clocks=clocks,
        input_delays=delays(constraints.input_delays),
        output_delays=delays(constraints.output_delays),
        input_transition=np.tile(constraints.input_transition, (copies, 1)),
        load=np.tile(constraints.load, (copies, 1)),
        drive=np.tile(constraints.drive, (copies, 1)),
    )


def large(copies: int, rounds: int) -> None:
    """One design many times: time and memory of a million pins."""
    import resource

    design, library = DESIGNS[-1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(folder)
        circuit, cells, constraints, wires, _ = read(folder, design, library)
    whole = repeated(circuit, copies)
    many = constraints_of(constraints, circuit, copies)
    wide = Wires(
        "spef",
        np.tile(wires.capacitance, copies),
        np.tile(wires.resistance, copies),
        None,
        np.tile(wires.annotated, copies),
    )
    pins = int((whole.pin_net >= 0).sum()) + whole.num_ports
    preparing, prepared = best(1, lambda: prepare(whole, cells, many))
    assert isinstance(prepared, Prepared)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sweeping, timing = best(rounds, lambda: analyse(prepared, wires=wide))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert isinstance(timing, Timing)
    state = timing.state_slew.nbytes + timing.state_arrival.nbytes
    print("| pins | planes | prepare s | sweep and checks s | ns/pin | state bytes/pin | peak above prepared MB |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    print(
        f"| {pins:,} | {len(prepared.planes)} | {preparing:.2f} | {sweeping:.2f} | {sweeping / pins * 1e9:,.0f} | "
        f"{state / pins:.0f} | {(after - before) / 1024:,.0f} |"
    )


def main() -> None:
    """Print the table and where it was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=0, help="the largest design so many times, ours alone")
    parser.add_argument("--rounds", type=int, default=3, help="the shortest of so many runs counts")
    options = parser.parse_args()
    if options.copies:
        large(options.copies, options.rounds)
    else:
        designs(options.rounds)
    print(
        f"\nPython {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}, "
        "OpenSTA 2.0.17 (Debian 12)"
    )
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; seconds")


if __name__ == "__main__":
    main()
