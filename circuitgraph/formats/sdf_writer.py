"""Write the delays and checks of a timing analysis as SDF 3.0 (IEEE 1497).

Delays are written as they were looked up, without derates: min is the early value, max the late one, typ their mean. Arcs
between the same two pins, with ``when`` or without, are one entry with the smallest and the largest of them; where the two
edges of an input differ there is an entry for each.
"""

from __future__ import annotations

import os
import re

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_checks import Check
from circuitgraph.analysis.sta_delays import arc_delays, check_margins, latch_delays
from circuitgraph.errors import CircuitError
from circuitgraph.files import write_atomic
from circuitgraph.formats.spef_writer import spef_name
from circuitgraph.names import encode

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
TIMESCALES = {"1ns": 1e-9, "1ps": 1e-12, "100ps": 1e-10, "10ps": 1e-11}
WORDS = {Check.SETUP: "SETUP", Check.HOLD: "HOLD", Check.RECOVERY: "RECOVERY", Check.REMOVAL: "REMOVAL"}
EDGES = ("posedge", "negedge")
PLAIN = re.compile(r"[A-Za-z0-9_/]+(?:\[[0-9]+\])?")
NUMBER = re.compile(r"[0-9]*[eE]?[0-9]+")
HEAD, DELAYS, PATH, DELAYS_END, CHECKS, CHECK, CHECKS_END, TAIL = range(8)
"""Order of the lines of a cell."""


def write_sdf(
    timing: Timing,
    target: str | os.PathLike[str],
    *,
    timescale: str = "1ns",
    digits: int = 6,
    wires: bool = True,
    checks: bool = True,
    program: str = "circuitgraph",
) -> None:
    """Write IOPATH, INTERCONNECT and TIMINGCHECK entries of a finished analysis.

    Preset and clear arcs are not walked and not written, nor are arcs that constants or ``set_disable_timing`` take out.

    Args:
        timing: a finished analysis, of any delay model.
        target: path of the file; compressed by its suffix.
        timescale: unit of the numbers, one of TIMESCALES.
        digits: behind the point.
        wires: write INTERCONNECT entries.
        checks: write SETUP, HOLD, RECOVERY and REMOVAL.
        program: for the header.

    Raises:
        CircuitError: the timescale is unknown, or the file cannot be written.

    Source: IEEE 1497-2001.
    """
    if timescale not in TIMESCALES:
        rule = f"must be one of {', '.join(TIMESCALES)}"
        raise CircuitError(os.fspath(target), f"timescale {timescale!r}", rule, "choose one")
    circuit = timing.prepared.circuit
    writer = _Writer(timing, TIMESCALES[timescale], digits)
    head = [
        "(DELAYFILE",
        ' (SDFVERSION "3.0")',
        f' (DESIGN "{_quoted(circuit.name)}")',
        f' (PROGRAM "{_quoted(program)}")',
        " (DIVIDER /)",
        f" (TIMESCALE {timescale})",
        "",
    ]
    parts = ["\n".join(head)]
    if wires:
        parts.append(writer.interconnect())
    parts += [writer.cells(checks=checks), ")\n"]
    write_atomic(target, encode("".join(parts)))


def _quoted(text: str) -> str:
    return "".join(letter if letter.isprintable() and letter not in '"\\' else "_" for letter in text)


def _escaped(names: list[str]) -> list[str]:
    r"""Printed names as SDF writes them: escaped as in SPEF, and what reads as a number by its first letter too.

    >>> print(*_escaped(["u1/a", "bus[3]", "r.x", "e2"]))
    u1/a bus[3] r\.x \e2
    """
    found = [name if PLAIN.fullmatch(name) else spef_name(name) for name in names]
    return [f"\\{name}" if NUMBER.fullmatch(name) else name for name in found]


class _Writer:
    """The entries of a file."""

    def __init__(self, timing: Timing, unit: float, digits: int) -> None:
        self.timing, self.unit = timing, unit
        self.prepared = timing.prepared.origin or timing.prepared
        circuit = self.prepared.circuit
        self.cell_names = _escaped(circuit.cell_names.texts())
        self.port_names = _escaped(circuit.port_names.texts())
        self.type_ports = [_escaped([port.name for port in cell_type.ports]) for cell_type in circuit.types]
        self.triple = f"(%.{digits}f:%.{digits}f:%.{digits}f)"
        self.delays = arc_delays(timing)

    # -- names ---------------------------------------------------------------------------------

    def ports(self, place: IntArray) -> list[str]:
        """Names of pins within their cells."""
        circuit = self.prepared.circuit
        kind = circuit.cell_type[circuit.pin_cell[place]].tolist()
        return [self.type_ports[k][port] for k, port in zip(kind, circuit.pin_port[place].tolist(), strict=True)]

    def places(self, node: IntArray) -> list[str]:
        """Full names of nodes."""
        circuit = self.prepared.circuit
        place = self.prepared.nodes.place[node]
        is_port = place >= circuit.num_pins
        inside = np.where(is_port, 0, place)
        cells = circuit.pin_cell[inside].tolist() if circuit.num_pins else [0] * len(place)
        pins = self.ports(inside) if circuit.num_pins else [""] * len(place)
        return [
            self.port_names[at - circuit.num_pins] if outside else f"{self.cell_names[cell]}/{pin}"
            for at, outside, cell, pin in zip(place.tolist(), is_port.tolist(), cells, pins, strict=True)
        ]

    # -- numbers -------------------------------------------------------------------------------

    def triples(self, early: FloatArray, late: FloatArray) -> list[str]:
        """min:typ:max of pairs; empty parentheses where there is none."""
        known = ~np.isnan(early)
        table = np.stack([early, (early + late) / 2, late], axis=1)[known] / self.unit + 0.0
        count = len(table)
        texts = ("\n".join([self.triple] * count) % tuple(table.ravel().tolist())).split("\n") if count else []
        if count == len(early):
            return texts
        found = np.full(len(early), "()", object)
        found[known] = texts
        listed: list[str] = found.tolist()
        return listed

    # -- entries -------------------------------------------------------------------------------

    def interconnect(self) -> str:
        """The entry of the design itself with the delays of all wires."""
        arcs = self.prepared.arcs
        rows = np.flatnonzero((arcs.library_arc < 0) & (arcs.mask & 15 > 0))
        if not len(rows):
            return ""
        own = self.delays[rows]
        rise, fall = (self.triples(np.fmin(*own[:, e, 1].T), np.fmax(*own[:, e, 0].T)) for e in (0, 1))
        start, end = self.places(arcs.source[rows]), self.places(arcs.target[rows])
        entries = [f"   (INTERCONNECT {a} {b} {r} {f})\n" for a, b, r, f in zip(start, end, rise, fall, strict=True)]
        design = _quoted(self.prepared.circuit.name)
        head = f' (CELL\n  (CELLTYPE "{design}")\n  (INSTANCE)\n  (DELAY\n   (ABSOLUTE\n'
        return head + "".join(entries) + "   )\n  )\n )\n"

    def cells(self, *, checks: bool) -> str:
        """The entries of all cells."""
        cell, order, lines = self._paths()
        parts = [(cell, np.full(len(cell), PATH), order, lines)]
        with_paths = np.unique(cell)
        fixed = [(with_paths, DELAYS, "  (DELAY\n   (ABSOLUTE\n"), (with_paths, DELAYS_END, "   )\n  )\n")]
        if checks:
            cell, order, lines = self._checks()
            parts.append((cell, np.full(len(cell), CHECK), order, lines))
            with_checks = np.unique(cell)
            fixed += [(with_checks, CHECKS, "  (TIMINGCHECK\n"), (with_checks, CHECKS_END, "  )\n")]
        every = np.unique(np.concatenate([part[0] for part in parts]))
        kind = self.prepared.circuit.cell_type[every].tolist()
        types = [_quoted(cell_type.name) for cell_type in self.prepared.circuit.types]
        heads = [
            f' (CELL\n  (CELLTYPE "{types[k]}")\n  (INSTANCE {self.cell_names[row]})\n'
            for row, k in zip(every.tolist(), kind, strict=True)
        ]
        parts.append((every, np.full(len(every), HEAD), np.zeros(len(every), np.int64), heads))
        parts += [
            (rows, np.full(len(rows), line), np.zeros(len(rows), np.int64), [text] * len(rows))
            for rows, line, text in [*fixed, (every, TAIL, " )\n")]
        ]
        cells, place, own = (np.concatenate([part[column] for part in parts]) for column in range(3))
        texts = [text for part in parts for text in part[3]]
        return "".join(texts[row] for row in np.lexsort((own, place, cells)).tolist())

    def _paths(self) -> tuple[LongArray, LongArray, list[str]]:
        """IOPATH entries: cell, order within it, text."""
        prepared = self.prepared
        arcs, latches = prepared.arcs, prepared.latches
        rows = np.flatnonzero((arcs.library_arc >= 0) & (arcs.mask & 15 > 0))
        source = np.concatenate([arcs.source[rows], latches.data])
        target = np.concatenate([arcs.target[rows], latches.output])
        launches = np.concatenate([prepared.launches[rows], np.zeros(len(latches), np.bool_)])
        values = np.concatenate([self.delays[rows], latch_delays(self.timing)])
        key = target.astype(np.int64) * prepared.nodes.count + source
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        low, high = np.full((len(first), 2, 2), np.inf), np.full((len(first), 2, 2), -np.inf)
        np.minimum.at(low, group, np.nan_to_num(values[:, :, 1], nan=np.inf))
        np.maximum.at(high, group, np.nan_to_num(values[:, :, 0], nan=-np.inf))
        low[np.isinf(low)], high[np.isinf(high)] = np.nan, np.nan
        both = ~np.isnan(low[:, :, 0]) & ~np.isnan(low[:, :, 1])
        differ = both & ((low[:, :, 0] != low[:, :, 1]) | (high[:, :, 0] != high[:, :, 1]))
        apart = differ.any(axis=1) | launches[first]
        cells, orders, texts = [], [], []
        for edge in (-1, 0, 1):
            chosen = np.flatnonzero(~apart if edge < 0 else apart)
            early, late = (
                (np.fmin(low[:, :, 0], low[:, :, 1]), np.fmax(high[:, :, 0], high[:, :, 1]))
                if edge < 0
                else (low[:, :, edge], high[:, :, edge])
            )
            chosen = chosen[~np.isnan(early[chosen]).all(axis=1)]
            rise, fall = (self.triples(early[chosen, end], late[chosen, end]) for end in (0, 1))
            at = first[chosen]
            start, end_names = (
                self.ports(prepared.nodes.place[source[at]]),
                self.ports(prepared.nodes.place[target[at]]),
            )
            if edge >= 0:
                start = [f"({EDGES[edge]} {name})" for name in start]
            texts += [
                f"    (IOPATH {a} {b} {r} {f})\n" for a, b, r, f in zip(start, end_names, rise, fall, strict=True)
            ]
            cells.append(prepared.circuit.pin_cell[prepared.nodes.place[target[at]]].astype(np.int64))
            orders.append(2 * chosen + max(edge, 0))
        return np.concatenate(cells), np.concatenate(orders).astype(np.int64), texts

    def _checks(self) -> tuple[LongArray, LongArray, list[str]]:
        """TIMINGCHECK entries: cell, order within it, text; of several between the same edges the largest."""
        prepared, rows = self.prepared, check_margins(self.timing)
        chosen = np.flatnonzero(np.isin(rows.kind, [int(kind) for kind in WORDS]))
        node, clock = rows.node[chosen].astype(np.int64), rows.clock_node[chosen].astype(np.int64)
        key = ((node * prepared.nodes.count + clock) * 4 + rows.kind[chosen]) * 2 + rows.clock_edge[chosen]
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        margin = np.full((len(first), 2), -np.inf)
        np.maximum.at(margin, group, np.nan_to_num(rows.margin[chosen], nan=-np.inf))
        margin[np.isinf(margin)] = np.nan
        at = chosen[first]
        data, clocks = (
            self.ports(prepared.nodes.place[rows.node[at]]),
            self.ports(prepared.nodes.place[rows.clock_node[at]]),
        )
        words = [WORDS[Check(kind)] for kind in rows.kind[at].tolist()]
        own = prepared.circuit.pin_cell[prepared.nodes.place[rows.node[at]]].astype(np.int64)
        cells, orders, texts = [], [], []
        for edge in (0, 1):
            known = np.flatnonzero(~np.isnan(margin[:, edge]))
            values = self.triples(margin[known, edge], margin[known, edge])
            active = rows.clock_edge[at[known]].tolist()
            texts += [
                f"   ({words[row]} ({EDGES[edge]} {data[row]}) ({EDGES[clock_edge]} {clocks[row]}) {value})\n"
                for row, clock_edge, value in zip(known.tolist(), active, values, strict=True)
            ]
            cells.append(own[known])
            orders.append(2 * known + edge)
        return np.concatenate(cells), np.concatenate(orders).astype(np.int64), texts
