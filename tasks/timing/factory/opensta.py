"""Labels by OpenSTA: its times of every pin over the same netlist, constraints and parasitics."""

from __future__ import annotations

import csv
import io
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from circuitgraph import programs
from circuitgraph.analysis.sta_output import PIN_COLUMNS, connected_places, csv_text, place_names
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.files import read_bytes

DUMP = """
proc arrival {v transition side} {
  if {[catch {sta::vertex_worst_arrival_path_tr $v $transition $side} p] || $p eq "NULL" || $p eq ""} { return "" }
  return [sta::PathRef_arrival $p]
}
proc slack {v side} {
  if {[catch {sta::vertex_worst_slack_path $v $side} p] || $p eq "NULL" || $p eq ""} { return "" }
  return [sta::PathRef_slack $p]
}
proc dump {name} {
  sta::find_requireds
  set file [open $name w]
  foreach pin [sta::endpoints] { set ends([get_full_name $pin]) 1 }
  set pins [get_pins -hierarchical *]
  foreach port [get_ports *] {
    set pin [sta::find_pin [get_property $port full_name]]
    if {$pin ne "" && $pin ne "NULL"} { lappend pins $pin }
  }
  foreach pin $pins {
    set full [get_full_name $pin]
    foreach v [$pin vertices] {
      if {$v eq "" || $v eq "NULL"} continue
      set row [list $full [info exists ends($full)]]
      foreach side {max min} { foreach t {rise fall} { lappend row [arrival $v $t $side] } }
      foreach side {max min} { foreach t {rise fall} { lappend row [sta::Vertex_slew $v $t $side] } }
      lappend row [slack $v max] [slack $v min]
      puts $file [join $row ,]
      break
    }
  }
  close $file
}
"""
LEAST_ROWS = 0.99
"""Share of the connected pins that a dump must hold: a script that stopped half-way leaves fewer."""


def opensta_pins(
    circuit: Circuit, netlist: Path, sdc: Path, spef: Path, liberty: Sequence[Path], seconds: float
) -> str:
    """The text of ``pins.csv`` by OpenSTA, delay calculator dmp_ceff_elmore; ns, the circuit's pins in its order.

    Args:
        circuit: what *netlist* holds.
        netlist: one flat module.
        sdc: constraints.
        spef: parasitics.
        liberty: libraries.
        seconds: time limit.

    Raises:
        CircuitError: OpenSTA is missing, says that something is wrong, or lacks rows of pins, arrivals or slacks.
    """
    with tempfile.TemporaryDirectory(prefix="cg-opensta-") as name:
        work = Path(name)
        for number, path in enumerate(liberty):
            (work / f"cells{number}.lib").write_bytes(read_bytes(path))
        for source, target in ((netlist, "top.v"), (sdc, "top.sdc"), (spef, "top.spef")):
            (work / target).write_bytes(read_bytes(source))
        lines = [DUMP, *(f"read_liberty cells{number}.lib" for number in range(len(liberty)))]
        lines += ["read_verilog top.v", f"link_design {circuit.name}", "source top.sdc", "read_spef top.spef"]
        (work / "run.tcl").write_text("\n".join([*lines, "dump pins.txt"]) + "\n")
        said = programs.run("sta", ["-no_splash", "-exit", "run.tcl"], work, "pins.txt", seconds)
        faults = [line for line in said.splitlines() if line.startswith("Error")]
        if faults:
            raise CircuitError(circuit.name, "OpenSTA", faults[0], "label with our engine: leave --golden out")
        rows = {row[0]: row for row in csv.reader(io.StringIO((work / "pins.txt").read_text()))}
    names = place_names(circuit)
    wanted = [names[place] for place in connected_places(circuit).tolist()]
    found = [rows[name] for name in wanted if name in rows]
    timed = sum(any(row[2:6]) for row in found)
    if len(found) < LEAST_ROWS * len(wanted) or not timed or not any(row[10] for row in found):
        rule = f"has rows of {len(found):,} of the {len(wanted):,} pins, arrivals of {timed:,}"
        raise CircuitError(circuit.name, "OpenSTA", rule, "label with our engine: leave --golden out")
    # OpenSTA gives every pin a slack; the table has those of endpoints only
    kept = (row if row[1] == "1" else [*row[:10], "", ""] for row in found)
    return csv_text(PIN_COLUMNS, ([*row[:2], *map(_nanoseconds, row[2:])] for row in kept))


def _nanoseconds(text: str) -> str:
    """A time of the dump, s, as ns with six digits; blank where there is none."""
    value = float(text) if text else math.nan
    return "" if math.isnan(value) or abs(value) > 1e20 else f"{value * 1e9:.6g}"
