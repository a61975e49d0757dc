"""What frozen embeddings are asked: labels that are computed or proved, never taken from names.

| probe | asked of | label | source of the label |
|---|---|---|---|
| masked kind | masked cells of mapped netlists | kind | the netlist |
| masked function | masked ANDs of AIGs | number of complemented fan-ins | the AIG |
| level | ANDs | log(1 + level) | exact |
| probability | ANDs | share of 65,536 uniform patterns under which it is 1 | simulation, standard error below 0.002 |
| equivalence | pairs of ANDs | proven equal up to complement, against near misses that a pattern tells apart | SAT |
| roots | ANDs | XOR of two, of three, majority of three | 3-input cuts, exact |
| family | circuits | family | the corpus |
| delay class | cells of placed netlists | third of the latest stage delays over extracted wires | timing analysis |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.simulation import free_nets, simulate
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.corpus import Corpus, Entry
from circuitgraph.derived import derived
from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.views.view import View
from tasks.logic.graphs import node_of_net

Array = npt.NDArray[Any]

PROBABILITY_WORDS = 1024
HARD_NEGATIVES = 10
"""Near misses a proven pair."""
MOST_PAIRS = 60
"""Proven pairs a circuit."""
MOST_ROWS = 300
"""Nodes a circuit that a probe is asked of; drawn, the same ones for every row of a table."""
PROVE_LIMIT = 120.0
"""Seconds a circuit for proofs; a thousand conflicts a pair end nearly all of them long before."""
LABELS_VERSION = 1


@dataclass(frozen=True, eq=False)
class Question:
    """What one probe asks of one circuit.

    | field | type, shape | meaning |
    |---|---|---|
    | nodes | int64 [M] or [M, 2] | nodes of the logic view, or pairs of them |
    | inverted | int64 [M] | pairs: equal up to complement; else zeros |
    | label | [M] | int64 class or float64 value |
    """

    nodes: Array
    inverted: Array
    label: Array


def drawn(count: int, graph_id: int, purpose: str, most: int = MOST_ROWS) -> Array:
    """At most *most* of *count* rows, ascending, the same for a graph whatever is asked beside it."""
    if count <= most:
        return np.arange(count)
    draw = Draws(20_012).uniform(purpose, [graph_id], [count])
    return np.sort(np.argsort(draw, kind="stable")[:most])


def and_nodes(view: View) -> Array:
    """Nodes that are combinational cells with a net, int64."""
    sequential = view.features[:, 6] > 0
    return np.flatnonzero((view.cell >= 0) & (view.net >= 0) & ~sequential)


def aig_questions(corpus: Corpus, entry: Entry, view: View) -> dict[str, Question]:
    """All questions of an AIG by probe; a probe that has none of it is left out."""
    circuit = _Lazy(lambda: corpus.circuit(entry))
    found: dict[str, Question] = {}
    gates = and_nodes(view)
    gates = gates[drawn(len(gates), view.graph_id, "probe")]
    none = np.zeros(len(gates), np.int64)
    if not len(gates):
        return found
    found["level"] = Question(gates, none, np.log1p(view.level[gates].astype(np.float64)))
    probability = derived(
        corpus, entry, f"probability {PROBABILITY_WORDS}", LABELS_VERSION, lambda: {"one": probabilities(circuit())}
    )["one"]
    found["probability"] = Question(gates, none, np.asarray(probability, np.float64)[view.net[gates]])
    roots = derived(corpus, entry, "roots", LABELS_VERSION, lambda: {"roots": _roots(circuit())})["roots"]
    found["roots"] = Question(gates, none, np.asarray(roots, np.int64)[view.net[gates]])
    try:
        name = f"equivalence {MOST_PAIRS} {HARD_NEGATIVES} {PROVE_LIMIT:g}"
        pairs = derived(corpus, entry, name, LABELS_VERSION, lambda: _pairs(circuit()))
    except CircuitError as error:
        corpus.lines.append(f"{entry.design}: no proofs: {error}")
    else:
        if len(pairs["label"]):
            found["equivalence"] = Question(
                node_of_net(view)[np.asarray(pairs["pairs"], np.int64)],
                np.asarray(pairs["inverted"], np.int64),
                np.asarray(pairs["label"], np.int64),
            )
    return found


class _Lazy:
    """A circuit that is read when first asked for."""

    def __init__(self, make: Callable[[], Circuit]) -> None:
        self.make, self.made = make, None

    def __call__(self) -> Circuit:
        if self.made is None:
            self.made = self.make()
        return self.made


def probabilities(circuit: Circuit, words: int = PROBABILITY_WORDS, chunk: int = 128) -> Array:
    """Share of uniform patterns under which each net is 1, float32 [N]; *chunk* words are held at once."""
    inputs = len(free_nets(circuit))
    total = np.zeros(circuit.num_nets, np.int64)
    for row in range(words // chunk):
        rng = np.random.Generator(np.random.Philox(key=[circuit.graph_id, row]))
        patterns = rng.integers(0, 2**64, (inputs, chunk), np.uint64)
        total += np.bitwise_count(simulate(circuit, patterns)).sum(axis=1, dtype=np.int64)
    return (total / (64.0 * (words // chunk) * chunk)).astype(np.float32)


def _roots(circuit: Circuit) -> Array:
    """Bits XOR2 = 1, XOR3 = 2, MAJ3 = 4, and 8 for sums and carries of a full adder, uint8 [N]."""
    from circuitgraph.analysis.cuts import adders, roots

    found = roots(circuit)
    found[adders(circuit).flatten()] |= np.uint8(8)
    return found


def _pairs(circuit: Circuit) -> Mapping[str, Array]:
    """Proven pairs and near misses, nets int32 [M, 2], inverted and label uint8 [M]."""
    from circuitgraph.analysis.equivalence import candidates, hard_negatives, prove

    pairs, inverted = candidates(circuit)
    keep = drawn(len(pairs), circuit.graph_id, "pairs", 4 * MOST_PAIRS)
    pairs, inverted = pairs[keep], inverted[keep]
    none = {"pairs": np.zeros((0, 2), np.int32), "inverted": np.zeros(0, np.uint8), "label": np.zeros(0, np.uint8)}
    if not len(pairs):
        return none
    proven = prove(circuit, pairs, inverted, time_limit=PROVE_LIMIT) == 1
    rows = np.flatnonzero(proven)
    rows = rows[drawn(len(rows), circuit.graph_id, "proven", MOST_PAIRS)]
    if not len(rows):
        return none
    near, near_inverted = hard_negatives(circuit, pairs[rows], HARD_NEGATIVES)
    label = np.concatenate([np.ones(len(rows), np.uint8), np.zeros(len(near), np.uint8)])
    return {
        "pairs": np.concatenate([pairs[rows], near]).astype(np.int32),
        "inverted": np.concatenate([inverted[rows], near_inverted]).astype(np.uint8),
        "label": label,
    }


def delay_question(example: Any, view: View) -> Question | None:
    """Stage delays of the combinational cells of a placed design, s; the class is cut by the probe.

    A stage delay is the latest arrival at the cell's output minus the latest at its inputs, over extracted wires.
    """
    timing = example.inputs.analyse(example.labels.wires, "elmore", default_wire_load=False)
    circuit: Circuit = example.inputs.circuit
    arrival = np.fmax(timing.arrival[: circuit.num_pins, 0], timing.arrival[: circuit.num_pins, 1])
    cell = circuit.pin_cell
    latest = {}
    for name, direction in (("in", Direction.INPUT), ("out", Direction.OUTPUT)):
        pins = np.flatnonzero((circuit.pin_direction == direction) & np.isfinite(arrival))
        top = np.full(circuit.num_cells, -np.inf)
        np.maximum.at(top, cell[pins], arrival[pins])
        latest[name] = top
    delay = latest["out"] - latest["in"]
    nodes = and_nodes(view)
    nodes = nodes[np.isfinite(delay[view.cell[nodes]])]
    nodes = nodes[drawn(len(nodes), view.graph_id, "probe")]
    return Question(nodes, np.zeros(len(nodes), np.int64), delay[view.cell[nodes]]) if len(nodes) else None
