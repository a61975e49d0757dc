"""Timing paths as text, laid out as OpenSTA prints them."""

from __future__ import annotations

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_boundary import input_latency
from circuitgraph.analysis.sta_checks import Check
from circuitgraph.analysis.sta_paths import Path, Step, worst_paths
from circuitgraph.analysis.sta_planes import edge_time

EDGE_SIGNS = ("^", "v")
EDGE_WORDS = ("rising", "falling")
EDGE_SHORT = ("rise", "fall")
LINE = 80
BOUNDS = {Check.MAX_DELAY: "max_delay", Check.MIN_DELAY: "min_delay"}


def report_paths(timing: Timing, count: int = 1, *, early: bool = False, digits: int = 4) -> str:
    """The worst paths, one an endpoint, as text.

    Args:
        timing: a finished analysis.
        count: how many.
        early: hold and removal instead of setup and recovery.
        digits: behind the point; ns.
    """
    paths = worst_paths(timing, count, early=early)
    return "\n\n".join(report_path(timing, path, digits) for path in paths) or "No paths found.\n"


def report_path(timing: Timing, path: Path, digits: int = 4) -> str:
    """One path: start, end, the arrivals along it, the required time, the slack; ns."""
    rows = timing.endpoints
    kind = Check(int(rows.kind[path.row]))
    lines = _Lines(digits)
    lines.point("Startpoint: ", *_start_text(timing, path))
    lines.point("Endpoint: ", *_end_text(timing, path, kind))
    lines.head(f"Path Group: {_group(timing, path, kind)}")
    lines.head(f"Path Type: {'min' if kind & 1 else 'max'}")
    lines.table()
    _launch(timing, path, lines)
    lines.total(path.arrival, "data arrival time")
    lines.blank()
    _capture(timing, path, kind, lines)
    lines.total(path.required, "data required time")
    lines.rule()
    lines.total(path.required, "data required time")
    lines.total(-path.arrival, "data arrival time")
    lines.rule()
    lines.total(path.slack, f"slack ({'MET' if path.slack >= 0 else 'VIOLATED'})")
    return lines.text()


class _Lines:
    """Lines with two columns of numbers."""

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self.width = digits + 5
        self.lines: list[str] = []
        self.dashes = "-" * (2 * self.width + 43)

    def head(self, text: str) -> None:
        self.lines.append(text)

    def point(self, label: str, name: str, text: str) -> None:
        """Start or end of a path; what it is goes to a second line where the first would be too long."""
        line = f"{label}{name} ({text})"
        self.lines += [line] if len(line) <= LINE else [f"{label}{name}", f"{'':{len(label)}}({text})"]

    def table(self) -> None:
        self.lines += ["", f"{'Delay':>{self.width}}{'Time':>{self.width + 1}}   Description", self.dashes]

    def row(self, delay: float, time: float, text: str) -> None:
        self.lines.append(f"{self._ns(delay)} {self._ns(time)} {text}")

    def mark(self, time: float, text: str) -> None:
        self.lines.append(f"{'':{self.width}} {self._ns(time)} {text}")

    def total(self, time: float, text: str) -> None:
        self.lines.append(f"{'':{self.width}} {self._ns(time)}   {text}")

    def blank(self) -> None:
        self.lines.append("")

    def rule(self) -> None:
        self.lines.append(self.dashes)

    def _ns(self, time: float) -> str:
        value = round(time * 1e9, self.digits)
        return f"{value + 0.0:>{self.width}.{self.digits}f}"

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def _clock_name(timing: Timing, plane: int) -> str:
    if plane < 0:
        return "(none)"
    clock = timing.prepared.planes.rows[plane].clock
    return timing.prepared.planes.clocks[clock].name if clock >= 0 else "(none)"


def _group(timing: Timing, path: Path, kind: Check) -> str:
    if kind in {Check.RECOVERY, Check.REMOVAL}:
        return "**async_default**"
    if kind in {Check.GATING_SETUP, Check.GATING_HOLD}:
        return "**clock_gating_default**"
    if kind in BOUNDS and timing.endpoints.clock_node[path.row] < 0:
        return "**default**"
    return _clock_name(timing, int(timing.endpoints.clock_plane[path.row]))


def _is_port(timing: Timing, node: int) -> bool:
    return int(timing.prepared.nodes.place[node]) >= timing.prepared.circuit.num_pins


def _name(timing: Timing, node: int) -> str:
    return timing.prepared.name(node).replace("\\", "")


def _cell(timing: Timing, node: int) -> tuple[str, str]:
    """Cell and cell type of a pin's node."""
    circuit = timing.prepared.circuit
    cell = int(circuit.pin_cell[int(timing.prepared.nodes.place[node])])
    return circuit.cell_names.text(cell).replace("\\", ""), circuit.types[circuit.cell_type[cell]].name


def _launch_row(timing: Timing, path: Path) -> int:
    """Row of the clock pin that launches the data, or 0 where the path starts at a port."""
    planes = timing.prepared.planes.rows
    for row, step in enumerate(path.launch[:-1]):
        if planes[step.plane].is_clock and not planes[path.launch[row + 1].plane].is_clock:
            return row
    return 0


def _clock_label(timing: Timing, plane: int, edge: int) -> str:
    """Name of a clock at a pin; with a prime where an inversion lies between its source and that edge of the pin."""
    prime = "'" if timing.prepared.planes.rows[plane].edge != edge else ""
    return f"{_clock_name(timing, plane)}{prime}"


def _start_text(timing: Timing, path: Path) -> tuple[str, str]:
    step = path.launch[_launch_row(timing, path)]
    if _is_port(timing, step.node):
        clocked = timing.prepared.planes.rows[step.plane].clock >= 0
        text = f"input port clocked by {_clock_name(timing, step.plane)}" if clocked else "input port"
        return _name(timing, step.node), text
    clock = _clock_label(timing, step.plane, step.edge)
    if not timing.prepared.planes.rows[step.plane].is_clock:
        return _cell(timing, step.node)[0], f"level-sensitive latch clocked by {_clock_name(timing, step.plane)}"
    return _cell(timing, step.node)[0], f"{EDGE_WORDS[step.edge]} edge-triggered flip-flop clocked by {clock}"


def _end_text(timing: Timing, path: Path, kind: Check) -> tuple[str, str]:
    rows = timing.endpoints
    node, active = int(rows.node[path.row]), int(rows.clock_edge[path.row])
    if rows.clock_plane[path.row] < 0:
        return (_name(timing, node), "output port") if _is_port(timing, node) else (_cell(timing, node)[0], "no clock")
    clock = _clock_label(timing, int(rows.clock_plane[path.row]), active)
    edge = EDGE_WORDS[active]
    if _is_port(timing, node):
        return _name(timing, node), f"output port clocked by {clock}"
    cell = _cell(timing, node)[0]
    if kind == Check.LATCH_SETUP:
        return cell, f"{'negative' if active else 'positive'} level-sensitive latch clocked by {clock}"
    if kind in {Check.RECOVERY, Check.REMOVAL}:
        return cell, f"{kind.label} check against {edge}-edge clock {clock}"
    if kind in {Check.GATING_SETUP, Check.GATING_HOLD}:
        opened = EDGE_WORDS[active if kind == Check.GATING_SETUP else 1 - active]
        return (
            cell,
            f"{opened} clock gating-check end-point clocked by {_clock_name(timing, int(rows.clock_plane[path.row]))}",
        )
    return cell, f"{edge} edge-triggered flip-flop clocked by {clock}"


def _launch(timing: Timing, path: Path, lines: _Lines) -> None:
    planes = timing.prepared.planes
    row = _launch_row(timing, path)
    step = path.launch[row]
    plane = planes.rows[step.plane]
    start = edge_time(planes.clocks[plane.clock], plane.edge) if plane.clock >= 0 else 0.0
    edge = step.edge if plane.is_clock else plane.edge
    if plane.clock >= 0 and (start or int(timing.endpoints.kind[path.row]) not in BOUNDS):
        lines.row(start, start, f"  clock {_clock_label(timing, step.plane, edge)} ({EDGE_SHORT[edge]} edge)")
    clock = planes.clocks[plane.clock] if plane.clock >= 0 else None
    word = "propagated" if clock is not None and clock.is_propagated else "ideal"
    before = step.arrival
    if not planes.rows[step.plane].is_clock and not _is_port(timing, step.node) and plane.clock >= 0:
        lines.row(before - start, before, "  time given to startpoint")
    elif planes.rows[step.plane].is_clock:
        lines.row(before - start, before, f"  clock network delay ({word})")
    else:
        network = _network_delay(timing, step, int(timing.endpoints.kind[path.row]) & 1)
        if plane.clock >= 0:
            lines.row(network, start + network, f"  clock network delay ({word})")
        lines.row(before - start - network, before, f"{EDGE_SIGNS[step.edge]} input external delay")
    lines.row(0.0, before, _step_text(timing, step))
    rest = path.launch[row + 1 :]
    for place, one in enumerate(rest):
        if place == len(rest) - 1 or timing.prepared.nodes.drives[one.node]:
            lines.row(one.arrival - before, one.arrival, _step_text(timing, one))
            before = one.arrival


def _network_delay(timing: Timing, step: Step, early: int) -> float:
    """Latency of the clock in an input delay."""
    planes = timing.prepared.planes
    plane = planes.rows[step.plane]
    for delay in timing.prepared.constraints.input_delays:
        if delay.place == timing.prepared.nodes.place[step.node] and (delay.clock, int(delay.is_fall)) == (
            plane.clock,
            plane.edge,
        ):
            return input_latency(planes.clocks[plane.clock], delay, 2 * early + step.edge)
    return 0.0


def _step_text(timing: Timing, step: Step) -> str:
    sign = EDGE_SIGNS[step.edge]
    if _is_port(timing, step.node):
        return f"{sign} {_name(timing, step.node)} ({'in' if timing.prepared.nodes.drives[step.node] else 'out'})"
    return f"{sign} {_name(timing, step.node)} ({_cell(timing, step.node)[1]})"


def _capture(timing: Timing, path: Path, kind: Check, lines: _Lines) -> None:
    if kind in BOUNDS:
        _bounded(timing, path, kind, lines)
        return
    rows, planes = timing.endpoints, timing.prepared.planes
    plane = planes.rows[int(rows.clock_plane[path.row])]
    clock = planes.clocks[plane.clock]
    sign = 1.0 if kind & 1 else -1.0
    margin, uncertainty, credit = (float(column[path.row]) for column in (rows.margin, rows.uncertainty, rows.credit))
    arrived = path.required - sign * (margin + uncertainty) + sign * credit
    is_output = kind in {Check.OUTPUT_SETUP, Check.OUTPUT_HOLD}
    base = float(rows.shift[path.row]) + (0.0 if is_output else edge_time(clock, plane.edge))
    base += _launch_edge(timing, path) if is_output else 0.0
    edge = int(rows.clock_edge[path.row])
    label = _clock_label(timing, int(rows.clock_plane[path.row]), edge)
    lines.row(base, base, f"  clock {label} ({EDGE_SHORT[edge]} edge)")
    word = "propagated" if clock.is_propagated else "ideal"
    lines.row(arrived - base, arrived, f"  clock network delay ({word})")
    total = arrived
    if uncertainty:
        total += sign * uncertainty
        lines.row(sign * uncertainty, total, "  clock uncertainty")
    total -= sign * credit
    lines.row(-sign * credit, total, "  clock reconvergence pessimism")
    if not is_output:
        node, sign_text = int(rows.clock_node[path.row]), EDGE_SIGNS[int(rows.clock_edge[path.row])]
        lines.mark(total, f"{sign_text} {_name(timing, node)} ({_cell(timing, node)[1]})")
    texts = {
        Check.SETUP: "library setup time",
        Check.HOLD: "library hold time",
        Check.RECOVERY: "library recovery time",
        Check.REMOVAL: "library removal time",
        Check.GATING_SETUP: "clock gating setup time",
        Check.GATING_HOLD: "clock gating hold time",
        Check.LATCH_SETUP: "time borrowed from endpoint",
    }
    lines.row(sign * margin, path.required, f"  {texts.get(kind, 'output external delay')}")


def _bounded(timing: Timing, path: Path, kind: Check, lines: _Lines) -> None:
    """What a largest or smallest delay asks for: the delay, and of a register its clock and its setup or hold time."""
    rows = timing.endpoints
    sign = 1.0 if kind & 1 else -1.0
    margin, uncertainty, credit = (float(column[path.row]) for column in (rows.margin, rows.uncertainty, rows.credit))
    total = float(rows.shift[path.row])
    lines.row(timing.prepared.constraints.exceptions[int(rows.bound[path.row])].delay, total, f"  {BOUNDS[kind]}")
    if rows.clock_node[path.row] >= 0:
        network = path.required - sign * (margin + uncertainty - credit) - total
        total += network
        clock = timing.prepared.planes.clocks[timing.prepared.planes.rows[int(rows.clock_plane[path.row])].clock]
        lines.row(network, total, f"  clock network delay ({'propagated' if clock.is_propagated else 'ideal'})")
        if uncertainty:
            total += sign * uncertainty
            lines.row(sign * uncertainty, total, "  clock uncertainty")
        lines.row(-sign * credit, total - sign * credit, "  clock reconvergence pessimism")
    text = "output external delay" if _is_port(timing, int(rows.node[path.row])) else "library setup time"
    lines.row(sign * margin, path.required, f"  {text.replace('setup', 'hold') if kind & 1 else text}")


def _launch_edge(timing: Timing, path: Path) -> float:
    plane = timing.prepared.planes.rows[int(timing.endpoints.plane[path.row])]
    return edge_time(timing.prepared.planes.clocks[plane.clock], plane.edge) if plane.clock >= 0 else 0.0
