"""Rewriting of AIGs by ABC: the same function in another structure, and which gates of the two are the same."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from circuitgraph.abc_program import run_abc
from circuitgraph.analysis.and_graph import and_graph
from circuitgraph.analysis.signatures import group, input_patterns, normalised
from circuitgraph.analysis.simulation import free_nets, simulate
from circuitgraph.cell_types import LATCH
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.errors import CircuitError, nearest
from circuitgraph.formats.aiger import read_aiger
from circuitgraph.formats.aiger_writer import write_aiger
from circuitgraph.names import NO_BIT, NameTable

IntArray = npt.NDArray[np.int32]
ByteArray = npt.NDArray[np.uint8]
Word = npt.NDArray[np.uint64]

SCRIPTS = {
    "balance": ("balance",),
    "rewrite": ("rewrite",),
    "refactor": ("refactor",),
    "dc2": ("dc2",),
    "resyn2": (
        *("balance", "rewrite", "refactor", "balance", "rewrite"),
        *("rewrite -z", "balance", "refactor -z", "rewrite -z", "balance"),
    ),
    "dch": ("dch", "strash"),
    "lut": ("if -K 6", "sop", "strash"),
}
"""Passes of each script, written out: ABC's aliases are not installed.

``dch`` leaves its choices as gates that nothing reads until ``strash`` drops them. ``lut`` maps to tables of six
inputs and factors each table anew; without ``sop`` the AIG would come back as it went in.
"""

TRIAL_NAMES = ("in.aig", "out.aig")


def rewrite(circuit: Circuit, script: str, time_limit: float = 60.0) -> Circuit:
    """An AIG of the same function in another structure; terminals, latches and their names stay.

    Gates that no output or latch reads are dropped. Resets and the kinds of terminals (bad, justice, ...) are kept
    here and hidden from ABC. The result depends on the circuit and the script only.

    Args:
        circuit: ANDs and latches.
        script: a word of :data:`SCRIPTS`.
        time_limit: s.

    Raises:
        CircuitError: the script is unknown, the circuit is no AIG, ABC is not installed, fails (its last words are
            quoted) or takes too long.

    Source: A. Mishchenko, S. Chatterjee, R. Brayton, DAG-aware AIG rewriting (DAC 2006).
    """
    place = circuit.place or circuit.name
    if script not in SCRIPTS:
        way_out = nearest(script, SCRIPTS, f"use one of {', '.join(SCRIPTS)}")
        raise CircuitError("rewriting", f"script {script!r}", "is unknown", way_out)
    if not and_graph(circuit).num_ands:
        return circuit
    given, made = TRIAL_NAMES
    with tempfile.TemporaryDirectory(prefix="cg-rewriting-") as name:
        folder = Path(name)
        write_aiger(_anonymous(circuit), folder / given, ascii=False)
        commands = [f"read_aiger {given}", *SCRIPTS[script], f"write_aiger {made}"]
        run_abc(commands, folder, made, time_limit, place, f"script {script!r}")
        found = read_aiger(folder / made)
    return _with_names(found, circuit, place, script)


def _anonymous(circuit: Circuit) -> Circuit:
    """The circuit without names, resets and kinds of terminals: all that ABC gets to see."""
    return dataclasses.replace(
        circuit,
        name="aig",
        port_names=NameTable.unnamed(circuit.num_ports),
        cell_names=NameTable.unnamed(circuit.num_cells),
        port_role=np.zeros(circuit.num_ports, np.int8),
        port_group=np.full(circuit.num_ports, -1, np.int32),
        latch_reset=None,
    )


def _with_names(found: Circuit, circuit: Circuit, place: str, script: str) -> Circuit:
    """What ABC wrote, with terminals, latches and names of the circuit that it read."""
    inputs = np.flatnonzero(circuit.port_direction == Direction.INPUT)
    outputs = np.flatnonzero(circuit.port_direction != Direction.INPUT)
    latches = _latches(circuit)
    sizes = [len(inputs), len(outputs), len(latches)]
    other = [int((found.port_direction == Direction.INPUT).sum()), 0, len(_latches(found))]
    other[1] = found.num_ports - other[0]
    if sizes != other:
        rule = f"ABC changed inputs, outputs, latches from {sizes} to {other}"
        raise CircuitError(place, f"script {script!r}", rule, "this is a fault of ours: report it")
    port_net, inverted = np.empty(circuit.num_ports, np.int32), np.zeros(circuit.num_ports, np.bool_)
    port_net[np.concatenate([inputs, outputs])] = found.port_net
    if found.port_inverted is not None:
        inverted[np.concatenate([inputs, outputs])] = found.port_inverted
    reset = None
    if circuit.latch_reset is not None:
        reset = np.full(found.num_cells, -1, np.int8)
        reset[: len(latches)] = circuit.latch_reset[latches]
    sources = np.concatenate([circuit.port_net[inputs], circuit.pin_net[circuit.pin_start[latches] + 1]])
    return dataclasses.replace(
        found,
        name=circuit.name,
        port_net=port_net,
        port_inverted=inverted,
        port_direction=circuit.port_direction,
        port_role=circuit.port_role,
        port_group=circuit.port_group,
        port_names=circuit.port_names,
        latch_reset=reset,
        cell_names=_extended(circuit.cell_names.take(latches), found.num_cells),
        net_names=_extended(circuit.net_names.take(sources), found.num_nets),
        buses=tuple(bus for bus in circuit.buses if bus.is_port),
        place=circuit.place,
    )


def _latches(circuit: Circuit) -> npt.NDArray[np.intp]:
    flags = np.array([cell_type == LATCH for cell_type in circuit.types] or [False], np.bool_)
    return np.flatnonzero(flags[circuit.cell_type])


def _extended(names: NameTable, rows: int) -> NameTable:
    """A table with unnamed rows behind its own, up to *rows*."""
    more = rows - len(names)
    return dataclasses.replace(
        names,
        start=np.concatenate([names.start, np.full(more, names.start[-1], np.int64)]),
        bit=None if names.bit is None else np.concatenate([names.bit, np.full(more, NO_BIT, np.int32)]),
        block=None if names.block is None else np.concatenate([names.block, np.full(more, -1, np.int32)]),
    )


def twins(first: Circuit, second: Circuit, words: int = 32, seed: int = 0) -> tuple[IntArray, ByteArray]:
    """Gates of two circuits of one function that are equal, as far as simulation tells.

    A gate counts if its signature, up to complement, under *words* uniform and *words* biased words of patterns is
    that of no other gate, input or constant of its own circuit. Both circuits see the same patterns: terminals and
    latches are matched by their order.

    Returns:
        Nets int32 [T, 2] (of the first, of the second circuit), ascending; inverted uint8 [T], 1 where one is the
        complement of the other.

    Raises:
        CircuitError: one is no AIG, or they differ in the number of inputs and latches.
    """
    counts = [len(free_nets(circuit)) for circuit in (first, second)]
    if counts[0] != counts[1]:
        place = first.place or first.name
        rule = f"must have equal numbers of inputs and latches, found {counts[0]} and {counts[1]}"
        raise CircuitError(place, "twins", rule, "compare versions of one circuit")
    nets, rows, flags = zip(*(_unique_gates(circuit, words, seed) for circuit in (first, second)), strict=True)
    whole = np.concatenate(rows)
    leader = group(whole)
    later = np.flatnonzero(leader[len(rows[0]) :] < len(rows[0]))
    earlier = leader[len(rows[0]) + later]
    pairs = np.stack([nets[0][earlier], nets[1][later]], axis=1).astype(np.int32)
    inverted = (flags[0][earlier] != flags[1][later]).astype(np.uint8)
    order = np.argsort(pairs[:, 0], kind="stable")
    return pairs[order], inverted[order]


def _unique_gates(circuit: Circuit, words: int, seed: int) -> tuple[IntArray, Word, npt.NDArray[np.bool_]]:
    """Nets of the gates with a signature of their own, their normalised signatures, and which were complemented."""
    graph = and_graph(circuit)
    patterns = [input_patterns(graph.free, words, seed, biased=biased) for biased in (False, True)]
    values = simulate(circuit, np.concatenate(patterns, axis=1))[graph.net]
    rows, flags = normalised(values)
    leader = group(rows)
    alone = np.bincount(leader, minlength=len(rows))[leader] == 1
    chosen = np.flatnonzero(alone & rows.any(axis=1))
    chosen = chosen[chosen >= graph.first_and]
    return graph.net[chosen], rows[chosen], flags[chosen]


__all__ = ["SCRIPTS", "rewrite", "twins"]
