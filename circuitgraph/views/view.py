"""View: a circuit as a graph, in numpy; what every view gives and every encoder reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

VIEW_VERSION = 1
"""Part of every cache key; raised when a view's rows, features or edges change."""


@dataclass(frozen=True)
class Feature:
    """One column of a feature matrix: name, unit (after scaling), range and where it comes from."""

    name: str
    unit: str
    range: str
    source: str


@dataclass(frozen=True, eq=False)
class View:
    """A circuit as a graph. Rows are in the circuit's own order; ``order`` sorts them by level.

    | field | type, shape | meaning |
    |---|---|---|
    | kind | str | "logic", "timing" or "device" |
    | graph_id | int | first 63 bits of the circuit's content hash |
    | node_kind | int32 [N] | number in :func:`node_kinds` |
    | features | float32 [N, F] | dimensionless, of order one; ``feature_table`` names the columns |
    | edge_index | int32 [2, E] | source and target, sorted by target (stable) |
    | edge_relation | int8 [E] | index into ``relations`` |
    | edge_features | float32 [E, D] | columns in ``edge_feature_table`` |
    | level | int32 [N] | longest path over the edges that order; 0 without fan-in |
    | order | int32 [N] | nodes by (level, row) |
    | unit | int32 [N] | what masked pretraining treats as one: index of the maskable cell, else -1 |
    | cell, pin, net, port | int32 [N] | rows in the circuit, -1 where it has none |
    | edge_arc | int32 [E] | index of the library's arc behind an edge, -1 for none (timing view) |
    """

    kind: str
    graph_id: int
    node_kind: IntArray
    features: FloatArray
    feature_table: tuple[Feature, ...]
    edge_index: IntArray
    edge_relation: npt.NDArray[np.int8]
    relations: tuple[str, ...]
    ordering: tuple[bool, ...]
    edge_features: FloatArray
    edge_feature_table: tuple[Feature, ...]
    level: IntArray
    order: IntArray
    unit: IntArray
    cell: IntArray
    pin: IntArray
    net: IntArray
    port: IntArray
    edge_arc: IntArray | None = None
    name: str = ""
    extra: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    @property
    def num_nodes(self) -> int:
        """Number of nodes, N."""
        return len(self.node_kind)

    @property
    def num_edges(self) -> int:
        """Number of edges, E, of all relations."""
        return int(self.edge_index.shape[1])

    @property
    def num_levels(self) -> int:
        """Number of levels: one more than the highest level, 0 for an empty graph."""
        return int(self.level.max(initial=-1)) + 1

    @property
    def num_units(self) -> int:
        """Number of maskable cells."""
        return int(self.unit.max()) + 1 if len(self.unit) else 0

    @cached_property
    def edges(self) -> Mapping[str, IntArray]:
        """Edge index [2, E_r] of each relation."""
        return {name: self.edge_index[:, self.edge_relation == row] for row, name in enumerate(self.relations)}

    @cached_property
    def level_start(self) -> LongArray:
        """CSR of ``order`` by level, int64 [L + 1]."""
        start = np.zeros(self.num_levels + 1, np.int64)
        np.cumsum(np.bincount(self.level, minlength=self.num_levels), out=start[1:])
        return start

    @cached_property
    def fan_in_start(self) -> LongArray:
        """CSR of the edges by target, int64 [N + 1]."""
        start = np.zeros(self.num_nodes + 1, np.int64)
        np.cumsum(np.bincount(self.edge_index[1], minlength=self.num_nodes), out=start[1:])
        return start

    def __repr__(self) -> str:
        """Kind and sizes, not contents."""
        return (
            f"View({self.name}, {self.kind}: {self.num_nodes:,} nodes, {self.num_edges:,} edges, "
            f"{self.num_levels:,} levels, {len(self.feature_table)} features)"
        )


def node_kinds() -> tuple[str, ...]:
    """Kinds of nodes of all views: those that are no cell first, then the vocabulary's.

    ``input`` and ``output`` are terminals of the circuit, ``constant`` is a constant net, ``net`` a net of the
    device view, ``block`` a block of the hierarchy.
    """
    from circuitgraph.vocabulary import kinds

    return ("input", "output", "constant", "net", "block", *kinds())


def kind_number(kind: str) -> int:
    """Number of a node kind.

    >>> kind_number("input")
    0
    """
    return node_kinds().index(kind)


def sorted_edges(
    source: IntArray, target: IntArray, *columns: npt.NDArray[np.generic]
) -> tuple[IntArray, list[npt.NDArray[np.generic]]]:
    """Edges sorted by target, ties in the order given, with their columns along.

    Returns:
        edge_index int32 [2, E] and the columns in the new order.
    """
    order = np.argsort(target, kind="stable")
    index = np.stack([source[order], target[order]]).astype(np.int32, copy=False)
    return index, [column[order] for column in columns]
