"""Circuits of a corpus as graphs with what an objective needs beside the view: cut functions, rewrites with twins."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from circuitgraph.circuit import Circuit
from circuitgraph.corpus import Corpus, Entry
from circuitgraph.derived import derived
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, to_data, with_twins, without_twins
from circuitgraph.views import logic_view
from circuitgraph.views.view import View

Say = Callable[[str], None]

REWRITES = ("rewrite", "dc2", "resyn2")
"""Scripts whose results are trained on; ``dch`` and mapping to LUTs and back stay unseen."""
TWIN_WORDS = 32
"""64-bit words of patterns that twins must agree on, uniform ones and biased ones each."""
VALUE_WORDS = 16
"""Words of biased patterns kept a twin, to weigh negatives."""
CUTS_VERSION = 1
REWRITES_VERSION = 1


def is_aig(entry: Entry) -> bool:
    """Whether a row of an index is an AIG."""
    return entry.kind == "aig"


def graph_with(corpus: Corpus, entry: Entry, needs: Sequence[str], break_loops: bool = False) -> CircuitData:
    """One circuit's logic view with the columns that *needs* names.

    Args:
        needs: "cut_class" adds NPN classes of 4-cuts, int64 [N], -1 where there is none (all of a mapped netlist).
    """
    view = corpus.view(entry, "logic", break_loops)
    data = to_data(view)
    if "cut_class" in needs:
        data.cut_class = torch.from_numpy(cut_column(corpus, entry, view))
    return data


def cut_column(corpus: Corpus, entry: Entry, view: View) -> np.ndarray[Any, Any]:
    """NPN class of each node's 4-cut, int64 [N]; -1 where the node is no AND of an AIG."""
    if not is_aig(entry):
        return np.full(view.num_nodes, -1, np.int64)

    def make() -> Mapping[str, np.ndarray[Any, Any]]:
        from circuitgraph.analysis.cuts import cut_classes

        return {"class": cut_classes(corpus.circuit(entry))}

    by_net = derived(corpus, entry, "cut classes", CUTS_VERSION, make)["class"]
    return on_gates(view, by_net, -1)


def on_gates(view: View, by_net: Any, otherwise: int) -> np.ndarray[Any, Any]:
    """Values of nets at the cells that drive them, int64 [N]; *otherwise* at terminals and constants."""
    found = np.full(view.num_nodes, otherwise, np.int64)
    rows = np.flatnonzero((view.cell >= 0) & (view.net >= 0))
    found[rows] = np.asarray(by_net)[view.net[rows]]
    return found


def items_with(
    corpus: Corpus, entry: Entry, needs: Sequence[str], break_loops: bool = False
) -> list[CircuitData | tuple[CircuitData, ...]]:
    """What an objective is trained on of one circuit: its graph, or pairs of it and its rewrites.

    Args:
        needs: of the objective. With "rewrites" a circuit that is no AIG gives nothing, unless "singles" are taken too.
    """
    if "rewrites" not in needs:
        return [graph_with(corpus, entry, needs, break_loops)]
    if is_aig(entry):
        return list(pairs_with(corpus, entry, needs))
    return [without_twins(graph_with(corpus, entry, needs, break_loops), VALUE_WORDS)] if "singles" in needs else []


def pairs_with(
    corpus: Corpus, entry: Entry, needs: Sequence[str], scripts: Sequence[str] = REWRITES
) -> list[tuple[CircuitData, CircuitData]]:
    """An AIG beside each rewrite of it that has twins; columns as in :func:`graph_with`.

    A script that fails or runs out of time is told in ``corpus.lines`` and left out.
    """
    found = []
    for script in scripts:
        try:
            arrays = derived(
                corpus, entry, f"rewrite {script}", REWRITES_VERSION, lambda s=script: _rewrite(corpus, entry, s)
            )
        except CircuitError as error:
            corpus.lines.append(str(error))
            continue
        if not len(arrays["inverted"]):
            continue
        found.append(_pair(corpus, entry, arrays, script, needs))
    return found


def _rewrite(corpus: Corpus, entry: Entry, script: str) -> Mapping[str, np.ndarray[Any, Any]]:
    """The rewritten AIG as bytes of binary AIGER, twins as nets, values of their first ends."""
    from circuitgraph.analysis.signatures import signatures
    from circuitgraph.formats.aiger_writer import aiger_bytes
    from circuitgraph.rewriting import rewrite, twins

    circuit = corpus.circuit(entry)
    other = rewrite(circuit, script)
    again = _read(aiger_bytes(other))  # nets as they will be read back
    pairs, inverted = twins(circuit, again, words=TWIN_WORDS)
    values = signatures(circuit, VALUE_WORDS)[pairs[:, 0]]
    return {
        "aiger": np.frombuffer(aiger_bytes(other), np.uint8),
        "twins": pairs,
        "inverted": np.asarray(inverted, np.uint8),
        "values": values.view(np.int64),
    }


def _read(raw: bytes) -> Circuit:
    from circuitgraph.formats.aiger import read_aiger

    found: Circuit = read_aiger(io.BytesIO(raw))
    return found


def _pair(
    corpus: Corpus, entry: Entry, arrays: Mapping[str, Any], script: str, needs: Sequence[str]
) -> tuple[CircuitData, CircuitData]:
    view = corpus.view(entry, "logic")
    circuit = _read(np.asarray(arrays["aiger"]).tobytes())
    other = logic_view(circuit)
    ends = [node_of_net(view), node_of_net(other)]
    twin = np.stack([ends[side][arrays["twins"][:, side]] for side in (0, 1)])
    first, second = to_data(view), to_data(other)
    second.name = f"{view.name} {script}"
    if "cut_class" in needs:
        from circuitgraph.analysis.cuts import cut_classes

        first.cut_class = torch.from_numpy(cut_column(corpus, entry, view))
        second.cut_class = torch.from_numpy(on_gates(other, cut_classes(circuit), -1))
    return with_twins(first, second, twin, arrays["inverted"], arrays["values"])


def node_of_net(view: View) -> np.ndarray[Any, Any]:
    """Node that drives each net, int64; -1 where none does."""
    rows = np.flatnonzero(view.net >= 0)
    found = np.full(int(view.net.max(initial=-1)) + 1, -1, np.int64)
    found[view.net[rows[::-1]]] = rows[::-1]
    return found
