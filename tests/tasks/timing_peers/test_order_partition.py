"""Pieces: every node is counted once; ours holds every edge into what it counts, theirs cuts long ones."""

from __future__ import annotations

import numpy as np
import pytest

from circuitgraph.errors import CircuitError
from tasks.timing.peers.order_partition import (
    HALO,
    Piece,
    carried_pieces,
    cut_edges,
    halo_pieces,
    pieces_of,
    whole,
)
from tasks.timing.peers.pin_graph import PinGraph, pin_graph
from tests.tasks.timing_peers.placed import example


def graph() -> PinGraph:
    return pin_graph(example().inputs)


def counted_once(of: PinGraph, pieces: list[Piece]) -> None:
    nodes = np.concatenate([piece.nodes[piece.counted] for piece in pieces])
    assert np.array_equal(np.sort(nodes), np.arange(len(of)))


@pytest.mark.parametrize("size", [1, 17, 200, 10**6])
def test_carried_pieces_cut_nothing_and_hold_whole_nets(size: int) -> None:
    of = graph()
    pieces = carried_pieces(of, size) if size > 1 else carried_pieces(of, 1)[:50]
    if size > 1:
        counted_once(of, pieces)
        assert cut_edges(of, pieces) == 0
    seen = np.zeros(len(of), np.bool_)
    for piece in pieces:
        assert piece.counted.sum() <= size
        inside = np.zeros(len(of), np.bool_)
        inside[piece.nodes] = True
        assert inside[of.net_source[piece.nets]].all()
        assert inside[of.net_target[piece.nets]].all()
        own = piece.nodes[piece.counted]
        assert np.isin(np.flatnonzero(np.isin(of.net_target, own) | np.isin(of.net_source, own)), piece.nets).all()
        assert np.array_equal(np.flatnonzero(np.isin(of.cell_target, own)), piece.cells)
        inputs = of.cell_source[piece.cells]
        assert inside[inputs].all()
        assert np.isin(np.flatnonzero(np.isin(of.net_target, inputs)), piece.nets).all()
        sources = np.concatenate([of.cell_source[piece.cells], of.net_source[np.isin(of.net_target, own)]])
        assert (seen[sources] | np.isin(sources, own)).all()
        seen[own] = True


def test_halo_pieces_are_runs_of_pairs_of_levels() -> None:
    of = graph()
    assert len(halo_pieces(of)) == 1
    size = 60
    pieces = halo_pieces(of, size)
    counted_once(of, pieces)
    assert len(pieces) > 2
    for piece in pieces:
        levels = np.unique(of.level[piece.nodes[piece.counted]])
        assert levels[0] % 2 == 0
        around = (of.level >= levels[0] - HALO) & (of.level <= levels[-1] // 2 * 2 + 1 + HALO)
        assert np.array_equal(np.flatnonzero(around), piece.nodes)
        assert piece.halo_counts
        twice_less = of.level[piece.nodes[piece.counted]] < levels[-1] // 2 * 2
        assert twice_less.sum() < size


def test_halo_pieces_cut_what_skips_more_levels_than_the_halo() -> None:
    """Counted by hand: an edge is cut where its source stands below the halo of the run its target is counted in."""
    of = graph()
    pieces = halo_pieces(of, 60)
    first = np.zeros(len(of), np.int64)
    for piece in pieces:
        own = piece.nodes[piece.counted]
        first[own] = of.level[own].min() // 2 * 2
    source = np.concatenate([of.net_source, of.cell_source])
    target = np.concatenate([of.net_target, of.cell_target])
    cut = int((of.level[source] < first[target] - HALO).sum())
    assert cut > 0
    assert cut_edges(of, pieces) == cut
    assert cut_edges(of, [whole(of)]) == 0


def test_kinds_of_a_recipe() -> None:
    of = graph()
    assert len(pieces_of(of, None, 10)) == 1
    assert pieces_of(of, "theirs", 60)[0].halo_counts
    assert not pieces_of(of, "carried", 60)[0].halo_counts
    with pytest.raises(CircuitError, match="no kind of partition"):
        pieces_of(of, "ours", 60)
    with pytest.raises(CircuitError, match="at least 1"):
        pieces_of(of, "carried", 0)
