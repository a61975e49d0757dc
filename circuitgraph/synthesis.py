"""Synthesis: RTL to a mapped netlist or an AIG with Yosys and ABC, and buffer trees for high fan-out nets.

Yosys runs as the Python module pyosys in a process of its own, in a private folder, with a time limit: it prints
without end and its ABC can crash. Files of the user enter under positional names, so no name reaches a script.
ABC sizes cells and splits nets that it sees; nets that reach flip-flops (resets, enables) are split by
:func:`buffer_nets` after a first placement, in clusters of neighbouring sinks.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import CellType, Circuit, Direction, Role
from circuitgraph.errors import CircuitError
from circuitgraph.names import NO_BIT, NameTable
from circuitgraph.worker import last_words, run_worker

if TYPE_CHECKING:
    from circuitgraph.layout import Layout

Longs = npt.NDArray[np.int64]

MAX_FANOUT = 16
WORKER = (
    "import sys\n"
    "from pyosys import libyosys as ys\n"
    "design = ys.Design()\n"
    "for line in open(sys.argv[1]):\n"
    "    ys.run_pass(line.strip(), design)\n"
)
MAPPING = (
    "strash; ifraig; dc2; strash; &get -n; &dch -f; &nf -D {ps}; &put; "
    "buffer -c -N {fanout}; topo; upsize -D {ps}; dnsize -D {ps}\n"
)
FULL_ADDER = """module \\$fa (A, B, C, X, Y);
  parameter WIDTH = 1;
  input [WIDTH-1:0] A, B, C;
  output [WIDTH-1:0] X, Y;
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin : bits
    NAME u (.A(A[i]), .B(B[i]), .CI(C[i]), .CO(X[i]), .S(Y[i]));
  end endgenerate
endmodule
"""


@dataclass(frozen=True)
class Target:
    """What mapping needs to know of a library beyond its Liberty file.

    Attributes:
        liberty: path of the Liberty file; it must hold a buffer, or ABC crashes.
        tie_high, tie_low: cell type and output pin.
        driver: cell type that drives the inputs when ABC sizes.
        load: F on each output when ABC sizes.
        full_adder: cell type with ports A B CI CO S, or empty.
    """

    liberty: Path
    tie_high: tuple[str, str]
    tie_low: tuple[str, str]
    driver: str
    load: float
    full_adder: str = ""


@dataclass(frozen=True)
class Synthesis:
    """Result of a synthesis; what was not asked for is empty.

    Attributes:
        verilog: the mapped netlist.
        aiger: binary AIGER with symbols. Asynchronous resets are part of the next-state logic.
        symbols: one line a terminal or latch: kind, index, bit, name (Yosys's map file).
    """

    verilog: str = ""
    aiger: bytes = b""
    symbols: str = ""


def synthesise(
    rtl: Sequence[str | os.PathLike[str]],
    top: str,
    target: Target | None = None,
    parameters: Mapping[str, int] | None = None,
    *,
    aig: bool = False,
    period: float = 1e-9,
    full_adders: bool = False,
    max_fanout: int = MAX_FANOUT,
    time_limit: float = 120.0,
) -> Synthesis:
    """Synthesise one module; equal inputs give equal bytes. What is no Verilog is tried as SystemVerilog.

    Args:
        rtl: Verilog files.
        top: name of the module.
        target: library to map to, or None for no mapped netlist.
        parameters: values of the module's parameters.
        aig: also give the AIG.
        period: clock for which ABC sizes cells, s.
        full_adders: keep full adders as cells of the target's type.
        max_fanout: most sinks of a net between combinational cells.
        time_limit: s.

    Raises:
        CircuitError: a file cannot be read, Yosys refuses it (its last words are quoted), pyosys is not installed,
            or the time is over.

    Example:
        ``text = synthesise(["adder.v"], "adder", target, {"W": 8}).verilog``.
    """
    names = [top, *(parameters or {})]
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", name):
            raise CircuitError("synthesis", repr(name), "is no plain Verilog identifier", "rename the module")

    def attempt(system_verilog: bool) -> Synthesis:
        with tempfile.TemporaryDirectory(prefix="cg-synthesis-") as name_of_folder:
            folder = Path(name_of_folder)
            lines = _front(rtl, top, parameters or {}, folder, system_verilog)
            if target is not None:
                lines += _mapping(target, period, full_adders, max_fanout, folder)
            if aig:
                lines += ["design -load start", *AIG_PASSES]
            _run(lines, folder, str(rtl[0]) if rtl else top, time_limit)
            return _collect(folder, target is not None, aig)

    if any(Path(path).suffix.lower() in {".sv", ".svh"} for path in rtl):
        return attempt(system_verilog=True)
    try:
        return attempt(system_verilog=False)
    except CircuitError as error:
        if "syntax error" not in str(error):
            raise
        try:  # much that is called .v is SystemVerilog
            return attempt(system_verilog=True)
        except CircuitError:
            raise error from None


AIG_PASSES = (
    "async2sync",
    "dffunmap",
    "setundef -zero",
    "aigmap",
    "opt_clean -purge",
    "write_aiger -symbols -map out.map out.aig",
)


def _front(
    rtl: Sequence[str | os.PathLike[str]], top: str, parameters: Mapping[str, int], folder: Path, system_verilog: bool
) -> list[str]:
    """Copy the sources under positional names; the passes up to technology-independent gates."""
    lines = []
    for number, source in enumerate(rtl):
        try:
            shutil.copyfile(source, folder / f"rtl{number}.v")
        except OSError as error:
            raise CircuitError(str(source), "file", f"cannot be read ({error.strerror})", "check the path") from None
        lines.append(f"read_verilog {'-sv ' if system_verilog else ''}rtl{number}.v")
    if parameters:
        values = " ".join(f"-set {name} {int(value)}" for name, value in parameters.items())
        # Yosys 0.70 loses a module with new parameters when it elaborates it again after its children
        lines += [f"chparam {values} {top}", f"setattr -unset reprocess_after {top}/c:*"]
    lines += [f"hierarchy -check -top {top}", f"synth -flatten -top {top}", "design -save start"]
    return lines


def _mapping(target: Target, period: float, full_adders: bool, max_fanout: int, folder: Path) -> list[str]:
    """Copy the library; the passes from gates to library cells."""
    try:
        shutil.copyfile(target.liberty, folder / "cells.lib")
    except OSError as error:
        raise CircuitError(str(target.liberty), "file", f"cannot be read ({error.strerror})", "check it") from None
    ps = max(1, round(period * 1e12))
    (folder / "abc.script").write_text(MAPPING.format(ps=ps, fanout=max_fanout))
    load = f"set_load {target.load * 1e15:g} [all_outputs]"
    (folder / "abc.constr").write_text(f"set_driving_cell {target.driver}\n{load}\n")
    lines = []
    if full_adders and target.full_adder:
        (folder / "adder.v").write_text(FULL_ADDER.replace("NAME", target.full_adder))
        lines += ["extract_fa -fa", "techmap -map adder.v", "opt_clean"]
    lines += [
        "dfflibmap -liberty cells.lib",
        f"abc -liberty cells.lib -D {ps} -constr abc.constr -script abc.script",
        "setundef -zero",
        f"hilomap -singleton -hicell {' '.join(target.tie_high)} -locell {' '.join(target.tie_low)}",
        "splitnets -format __",
        "opt_clean -purge",
        "select -assert-none t:$*",
        "write_verilog -noattr -noexpr -nohex out.v",
    ]
    return lines


def _run(lines: Sequence[str], folder: Path, place: str, time_limit: float) -> None:
    """Run the passes in a fresh process."""
    (folder / "passes").write_text("\n".join(lines) + "\n")
    log = run_worker(WORKER, folder, time_limit, place, "synthesis", ["passes"])
    if log is None:
        return
    if "No module named 'pyosys'" in log:
        raise CircuitError(place, "synthesis", "needs the package pyosys", "pip install pyosys")
    words = last_words(log, ("ERROR", "Assertion failed", "syntax error"))
    raise CircuitError(place, "synthesis", f"Yosys stopped: {words}", "correct the RTL or the library")


def _collect(folder: Path, mapped: bool, aig: bool) -> Synthesis:
    """Read the results, without the comments that name the tool's version."""
    verilog, aiger, symbols = "", b"", ""
    if mapped:
        verilog = (folder / "out.v").read_text()
        verilog = re.sub(r"\A/\*.*?\*/\s*", "", verilog, flags=re.DOTALL)
    if aig:
        aiger = (folder / "out.aig").read_bytes()
        comment = aiger.rfind(b"c\nGenerated by Yosys")
        aiger = aiger[:comment] if comment > 0 else aiger
        symbols = (folder / "out.map").read_text()
    return Synthesis(verilog, aiger, symbols)


def buffer_nets(circuit: Circuit, layout: Layout, buffer: CellType, limit: int = MAX_FANOUT) -> Circuit:
    """The circuit with buffer trees on every net of more than *limit* sinks; clock nets stay whole (ideal clocks).

    Sinks are split at the median of their longer side until a cluster holds at most *limit*; each cluster gets a
    buffer, and the buffers are split in the same way, until the driver sees at most *limit*.

    Args:
        circuit: a mapped netlist.
        layout: a placement of it: clusters are of neighbours.
        buffer: cell type with one input and one output.
        limit: most sinks of a net.

    Returns:
        A circuit in which the old cells, nets and ports keep their rows; new ones follow.
    """
    start, pins = circuit.net_pins
    is_clock = circuit.pin_values([[port.role == Role.CLOCK for port in t.ports] for t in circuit.types], np.bool_)
    pin_net = np.array(circuit.pin_net, np.int32)
    new_pins: list[tuple[int, int]] = []  # net at the input, net at the output, of each new buffer
    names: list[bytes] = []
    nets = circuit.num_nets
    x, y = layout.pin_x, layout.pin_y
    for net in np.flatnonzero(np.diff(start) > limit).tolist():
        on_net = pins[start[net] : start[net + 1]]
        sinks = on_net[circuit.pin_direction[on_net] != Direction.OUTPUT].astype(np.int64)
        if len(sinks) <= limit or is_clock[sinks].any() or circuit.net_constant[net] >= 0:
            continue
        waiting = [(x[sinks], y[sinks], sinks)]
        # rows >= num_pins are inputs of new buffers
        while True:
            points_x, points_y, rows = waiting.pop()
            clusters = _clusters(points_x, points_y, limit)
            centres: list[tuple[float, float, int]] = []
            for cluster in clusters:
                number = len(new_pins)
                new_pins.append((net, nets + number))
                names.append(b"_buffer_%d_" % number)
                for row in rows[cluster].tolist():
                    if row < circuit.num_pins:
                        pin_net[row] = nets + number
                    else:
                        child = row - circuit.num_pins
                        new_pins[child] = (nets + number, new_pins[child][1])
                centre = (float(points_x[cluster].mean()), float(points_y[cluster].mean()))
                centres.append((*centre, circuit.num_pins + number))
            if len(centres) <= limit:
                break
            columns = np.array(centres)
            waiting.append((columns[:, 0], columns[:, 1], columns[:, 2].astype(np.int64)))
    return _with_buffers(circuit, buffer, pin_net, new_pins, names) if new_pins else circuit


def _clusters(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], limit: int) -> list[Longs]:
    """Groups of neighbouring points, each of at most *limit*, by halving the longer side."""
    done: list[Longs] = []
    waiting = [np.arange(len(x))]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= limit:
            done.append(rows)
            continue
        key = x[rows] if np.ptp(x[rows]) >= np.ptp(y[rows]) else y[rows]
        order = rows[np.lexsort((rows, key))]
        waiting += [order[len(order) // 2 :], order[: len(order) // 2]]
    return done


def _with_buffers(
    circuit: Circuit,
    buffer: CellType,
    pin_net: npt.NDArray[np.int32],
    new_pins: Sequence[tuple[int, int]],
    names: Sequence[bytes],
) -> Circuit:
    """A copy of *circuit* with the buffers appended."""
    known = {kind.name: row for row, kind in enumerate(circuit.types)}
    types = circuit.types if buffer.name in known else (*circuit.types, buffer)
    row = known.get(buffer.name, len(circuit.types))
    count = len(new_pins)
    first_input, first_output = buffer.inputs[0], buffer.outputs[0]
    block = np.full((count, len(buffer.ports)), -1, np.int32)
    block[:, first_input] = [before for before, _ in new_pins]
    block[:, first_output] = [after for _, after in new_pins]
    ends = circuit.pin_start[-1] + len(buffer.ports) * np.arange(1, count + 1)
    net_names = [circuit.net_names.base(i) for i in range(circuit.num_nets)] + list(names)
    net_bits = [circuit.net_names.bit_of(i) for i in range(circuit.num_nets)] + [NO_BIT] * count
    cell_names = [circuit.cell_names.base(i) for i in range(circuit.num_cells)] + [b"u%s" % name for name in names]
    cell_bits = [circuit.cell_names.bit_of(i) for i in range(circuit.num_cells)] + [NO_BIT] * count
    return Circuit(
        name=circuit.name,
        types=types,
        cell_type=np.concatenate([circuit.cell_type, np.full(count, row, np.int32)]),
        pin_start=np.concatenate([circuit.pin_start, ends]),
        pin_net=np.concatenate([pin_net, block.ravel()]),
        port_net=circuit.port_net,
        port_direction=circuit.port_direction,
        port_names=circuit.port_names,
        net_constant=np.concatenate([circuit.net_constant, np.full(count, -1, np.int8)]),
        cell_names=NameTable.of(cell_names, cell_bits, prefix=circuit.cell_names.prefix),
        net_names=NameTable.of(net_names, net_bits, prefix=circuit.net_names.prefix),
        port_role=circuit.port_role,
        port_group=circuit.port_group,
        net_role=np.concatenate([circuit.net_role, np.zeros(count, np.int8)]),
        alias_names=circuit.alias_names,
        alias_net=circuit.alias_net,
        buses=circuit.buses,
        notes=circuit.notes,
        place=circuit.place,
        format=circuit.format,
    )
