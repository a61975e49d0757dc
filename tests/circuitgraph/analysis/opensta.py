"""OpenSTA as the golden: runs it on a netlist and constraints in an empty folder and reads what every pin has.

Columns of a row, ns, NaN = none: arrivals and slews (late rise, late fall, early rise, early fall), slacks (setup rise,
setup fall, hold rise, hold fall).
"""

from __future__ import annotations

import csv
import math
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_output import connected_places, place_names
from circuitgraph.analysis.sta_required import requireds

ARRIVAL, SLEW, SLACK = slice(0, 4), slice(4, 8), slice(8, 12)

DUMP = """
proc arr {v tr mm} {
  if {[catch {sta::vertex_worst_arrival_path_tr $v $tr $mm} p] || $p eq "NULL" || $p eq ""} { return "" }
  return [sta::PathRef_arrival $p]
}
proc dump {fn} {
  sta::find_requireds
  set f [open $fn w]
  set pins [get_pins -hierarchical *]
  foreach p [get_ports *] {
    set q [sta::find_pin [get_property $p full_name]]; if {$q ne "" && $q ne "NULL"} { lappend pins $q } }
  foreach pin $pins {
    foreach v [$pin vertices] {
      if {$v eq "" || $v eq "NULL"} continue
      set row [list [get_full_name $pin]]
      foreach mm {max min} { foreach tr {rise fall} { lappend row [arr $v $tr $mm] } }
      foreach mm {max min} { foreach tr {rise fall} { lappend row [sta::Vertex_slew $v $tr $mm] } }
      foreach k {1 0} { foreach tr {rise fall} { lappend row [lindex [sta::Vertex_slacks $v $tr] $k] } }
      puts $f [join $row ,]
      break
    }
  }
  close $f
}
"""


def opensta(
    folder: Path,
    netlist: Path | str,
    sdc: Path | str,
    libraries: Sequence[Path],
    *,
    top: str = "top",
    calculator: str = "lumped_cap",
    spef: Path | None = None,
    before: str = "",
    then: str = "",
) -> tuple[dict[str, np.ndarray], str]:
    """What OpenSTA finds at every pin, float64 [12] by name, and what it printed.

    Args:
        folder: empty folder to run in.
        netlist, sdc: files, or their text.
        libraries: Liberty files, unpacked.
        top: name of the module.
        calculator: of delays.
        spef: parasitics.
        before, then: further commands, before the dump and behind it.
    """
    for name, text in (("top.v", netlist), ("top.sdc", sdc)):
        (folder / name).write_text(text if isinstance(text, str) else text.read_text())
    lines = [DUMP, *(f"read_liberty {{{path}}}" for path in libraries)]
    lines += ["read_verilog top.v", f"link_design {top}", "source top.sdc", f"set_delay_calculator {calculator}"]
    lines += [f"read_spef {{{spef}}}"] if spef is not None else []
    (folder / "run.tcl").write_text("\n".join([*lines, before, "dump out.csv", then, "exit"]) + "\n")
    words = ["sta", "-no_splash", "-exit", "run.tcl"]
    done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, timeout=120)
    assert (folder / "out.csv").exists(), done.stdout + done.stderr
    found = {}
    with (folder / "out.csv").open() as file:
        for row in csv.reader(file):
            found[row[0]] = np.array([_number(text) for text in row[1:]])
    return found, done.stdout + done.stderr


def _number(text: str) -> float:
    value = float(text) if text else math.nan
    return math.nan if abs(value) > 1e20 else value * 1e9


def ours(timing: Timing) -> dict[str, np.ndarray]:
    """The same of our analysis."""
    back = requireds(timing)
    table = np.concatenate([timing.arrival, timing.slew, back.slacks(), back.slacks(early=True)], axis=1) * 1e9
    names = place_names(timing.prepared.circuit)
    return {names[place]: table[place] for place in connected_places(timing.prepared.circuit).tolist()}


def differences(
    timing: Timing, golden: dict[str, np.ndarray], columns: Sequence[slice] = (ARRIVAL, SLEW, SLACK), bar: float = 2e-5
) -> list[str]:
    """Pins where the two differ by more than *bar* ns, or only one has a value."""
    lines = []
    mine = ours(timing)
    assert len(set(mine) & set(golden)) >= len(mine) - 2
    for name in sorted(set(mine) & set(golden)):
        for part in columns:
            one, two = mine[name][part], golden[name][part]
            if (np.isnan(one) != np.isnan(two)).any() or (np.abs(one - two) > bar).any():
                lines.append(f"{name} {part.start}: {np.round(one, 5)} {np.round(two, 5)}")
    return lines
