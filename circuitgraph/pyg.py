"""Views as torch_geometric data: one homogeneous form, batches with declared index semantics, data sets, blocks.

What an attribute indexes is declared in :data:`INDEXES`, never guessed from its name, because PyG shifts attributes
whose *names* contain ``index`` or ``batch``, and no others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data, Dataset, HeteroData
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NodeSamplerInput, SamplerOutput

from circuitgraph.circuit import Circuit
from circuitgraph.draws import seed_of
from circuitgraph.errors import CircuitError
from circuitgraph.partition import Blocks
from circuitgraph.views.view import View, node_kinds

INDEXES = {"edge_index": "num_nodes", "unit": "num_units", "twin": "num_nodes", "sink_net": "num_nodes"}
"""Attribute -> what shifts it when graphs are batched."""

PER_NODE = ("x", "node_kind", "level", "unit", "maskable")
PER_EDGE = ("edge_index", "edge_relation", "edge_attr")
PER_GRAPH = ("graph_id", "num_units")


class CircuitData(Data):  # type: ignore[misc]
    """A view as PyG data.

    | attribute | type, shape | meaning |
    |---|---|---|
    | x | float32 [N, F] | features of the view |
    | node_kind | int64 [N] | number in :func:`circuitgraph.views.view.node_kinds` |
    | edge_index | int64 [2, E] | source, target; sorted by target |
    | edge_relation | int64 [E] | relation of the view |
    | edge_attr | float32 [E, D] | edge features of the view |
    | level | int64 [N] | level in the view |
    | unit, maskable | int64, bool [N] | maskable cell (0 where there is none), whether there is one |
    | graph_id, num_units | int64 [1] | key of random draws; number of maskable cells |

    ``num_nodes`` is always set, so isolated nodes never vanish. A batch of several graphs keeps nodes
    graph-contiguous (``ptr``, ``batch[i]`` work); :func:`sweep_of` adds the order by level.
    """

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> int:
        """What is added to *key* for the next graph of a batch."""
        return int(self[INDEXES[key]]) if key in INDEXES else 0

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> int:
        """Along which dimension *key* is concatenated."""
        return 1 if key in {"edge_index", "twin"} else 0

    def __repr__(self) -> str:
        """What did I get."""
        name = getattr(self, "name", "")
        levels = int(self.level.max()) + 1 if self.num_nodes else 0
        label = ", ".join(name) if isinstance(name, list) else name
        return (
            f"{type(self).__name__}({label}, {self.view_name if isinstance(self.view_name, str) else self.view_name[0]}: "
            f"{self.num_nodes:,} nodes, {self.num_edges:,} edges, {levels:,} levels, x[{self.x.size(1)}])"
        )


def to_data(view: View) -> CircuitData:
    """The view as :class:`CircuitData`; index arrays back to the circuit stay in the view.

    >>> from circuitgraph.cell_types import gate_type
    >>> from circuitgraph.circuit import CircuitBuilder
    >>> from circuitgraph.views import logic_view
    >>> builder = CircuitBuilder("inverter")
    >>> a = builder.input("a")
    >>> _ = builder.cell("u1", gate_type("NOT", 1), [a, builder.net("y")])
    >>> to_data(logic_view(builder.build())).edge_index.tolist()
    [[0], [1]]
    """
    return CircuitData(
        x=torch.from_numpy(np.array(view.features, np.float32)),
        node_kind=torch.from_numpy(view.node_kind.astype(np.int64)),
        edge_index=torch.from_numpy(view.edge_index.astype(np.int64)),
        edge_relation=torch.from_numpy(view.edge_relation.astype(np.int64)),
        edge_attr=torch.from_numpy(np.array(view.edge_features, np.float32)),
        level=torch.from_numpy(view.level.astype(np.int64)),
        unit=torch.from_numpy(np.maximum(view.unit, 0).astype(np.int64)),
        maskable=torch.from_numpy(view.unit >= 0),
        graph_id=torch.tensor([view.graph_id], dtype=torch.int64),
        num_units=torch.tensor([view.num_units], dtype=torch.int64),
        num_nodes=view.num_nodes,
        num_relations=len(view.relations),
        ordering=tuple(view.ordering),
        view_name=view.kind,
        name=view.name,
    )


def with_twins(
    first: CircuitData, second: CircuitData, twin: np.ndarray[Any, Any], inverted: np.ndarray[Any, Any], values: Any
) -> tuple[CircuitData, CircuitData]:
    """Two graphs as a pair that stays together in batches, the twins held by the first.

    Args:
        first, second: a circuit and another version of it.
        twin: node in *first* and node in *second* that compute the same, int [2, T].
        inverted: whether up to complement, bool or uint8 [T].
        values: 64-bit patterns of each twin in *first*, uint64 or int64 [T, W].

    Returns:
        Copies with the attributes ``twin`` int64 [2, T], ``twin_inverted`` int64 [T], ``twin_values`` int64 [T, W];
        in a batch the second row of ``twin`` counts on from the first graph's nodes, because its graph follows.
    """
    one, two = copy.copy(first), second
    words = np.ascontiguousarray(values).view(np.int64)
    one.twin = torch.from_numpy(np.stack([twin[0], twin[1] + first.num_nodes]).astype(np.int64))
    one.twin_inverted = torch.from_numpy(np.asarray(inverted).astype(np.int64))
    one.twin_values = torch.from_numpy(words.copy())
    return one, without_twins(two, words.shape[1])


def without_twins(data: CircuitData, words: int) -> CircuitData:
    """A copy with the attributes of :func:`with_twins` and no twin, so that it can stand in a batch of pairs.

    Args:
        words: W of the batch's ``twin_values``.
    """
    found = copy.copy(data)
    found.twin = torch.zeros(2, 0, dtype=torch.int64)
    found.twin_inverted = torch.zeros(0, dtype=torch.int64)
    found.twin_values = torch.zeros(0, words, dtype=torch.int64)
    return found


def collate(graphs: Sequence[CircuitData]) -> CircuitData:
    """A batch of graphs; what the loader and the encoders take. A single graph is a batch of one.

    Raises:
        CircuitError: graphs of different views, or one that lacks an attribute another has.
    """
    first = graphs[0]
    for graph in graphs:
        if set(graph.keys()) != set(first.keys()):
            odd = min(set(graph.keys()) ^ set(first.keys()))
            raise CircuitError("batch", f"attribute {odd!r}", "is in one graph and not in another", "build both alike")
        if graph.view_name != first.view_name:
            raise CircuitError(
                "batch", "view", f"must be one, not {first.view_name!r} and {graph.view_name!r}", "batch each alone"
            )
    batch: CircuitData = Batch.from_data_list(list(graphs))
    return batch


def ordering_of(data: CircuitData) -> tuple[bool, ...]:
    """Which relations of the view order its levels; one for all graphs of a batch."""
    found = data.ordering
    return tuple(found[0] if isinstance(found, list) else found)


def graph_of(data: CircuitData) -> Tensor:
    """Graph of each node, int64 [N]; zeros for a single graph."""
    batch = getattr(data, "batch", None)
    return batch if batch is not None else torch.zeros(data.num_nodes, dtype=torch.int64, device=data.x.device)


def num_graphs_of(data: CircuitData) -> int:
    """Number of graphs in a batch, 1 for a single graph."""
    return int(data.graph_id.numel())


@dataclass(frozen=True, eq=False)
class Sweep:
    """A batch in the order of its levels, as arrays for kernels; edges that do not order are left out.

    | field | type, shape | meaning |
    |---|---|---|
    | order | int64 [N] | nodes by (level, row): a stable counting sort |
    | level_ptr | int64 [L + 1] | level l is ``order[level_ptr[l]:level_ptr[l + 1]]`` |
    | in_ptr, in_node, in_edge | int64 [N + 1], int64 [E'], int64 [E'] | CSR of fan-ins by node, rows of ``edge_index`` |
    | out_ptr, out_node, out_edge | likewise | CSR of fan-outs by node |
    """

    order: np.ndarray[Any, np.dtype[np.int64]]
    level_ptr: np.ndarray[Any, np.dtype[np.int64]]
    in_ptr: np.ndarray[Any, np.dtype[np.int64]]
    in_node: np.ndarray[Any, np.dtype[np.int64]]
    in_edge: np.ndarray[Any, np.dtype[np.int64]]
    out_ptr: np.ndarray[Any, np.dtype[np.int64]]
    out_node: np.ndarray[Any, np.dtype[np.int64]]
    out_edge: np.ndarray[Any, np.dtype[np.int64]]


def csr_of(
    rows: np.ndarray[Any, np.dtype[np.int64]], others: np.ndarray[Any, np.dtype[np.int64]], nodes: int
) -> tuple[Any, Any, Any]:
    """CSR by *rows*: pointer [N + 1], the other end and the position of each entry; ties keep their order."""
    pointer = np.zeros(nodes + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=nodes), out=pointer[1:])
    order = np.empty(len(rows), np.int64)
    _counting_sort()(np.ascontiguousarray(rows, np.int64), pointer[:-1].copy(), order)
    return pointer, others[order], order


@lru_cache(maxsize=1)
def _counting_sort() -> Callable[..., Any]:
    from circuitgraph.kernels import compiled

    return compiled("void(int64[::1], int64[::1], int64[::1])")(_kernel_counting_sort)


def _kernel_counting_sort(rows: Any, free: Any, order: Any) -> None:
    """Positions of *rows* sorted by value into *order*, ties in order; *free* is where each value's stand, overwritten."""
    for at in range(len(rows)):
        order[free[rows[at]]] = at
        free[rows[at]] += 1


def _cached(data: CircuitData, name: str, make: Callable[[], Any]) -> Any:
    """A derived value kept beside the data for as long as its edges stay the same tensor."""
    key = (data.edge_index.data_ptr(), tuple(data.edge_index.shape), data.num_nodes)
    held = data.__dict__.setdefault("_derived", {})
    if held.get("key") != key:
        held.clear()
        held["key"] = key
    if name not in held:
        held[name] = make()
    return held[name]


def sweep_of(data: CircuitData) -> Sweep:
    """The batch's order by level and its CSRs, built once and cached on the data."""

    def make() -> Sweep:
        ordering = ordering_of(data)
        level = data.level.cpu().numpy()
        pointer, _, order = csr_of(level, level, int(level.max()) + 1 if len(level) else 0)
        if sum(ordering) == 1:
            return Sweep(order, pointer, *relation_csr(data, ordering.index(True)))
        index, relation = data.edge_index.cpu().numpy(), data.edge_relation.cpu().numpy()
        return Sweep(order, pointer, *_both_csr(index, np.isin(relation, np.flatnonzero(ordering)), data.num_nodes))

    found: Sweep = _cached(data, "sweep", make)
    return found


def relation_csr(data: CircuitData, relation: int) -> tuple[Any, Any, Any, Any, Any, Any]:
    """CSR of one relation by target and by source: (in_ptr, in_node, in_edge, out_ptr, out_node, out_edge)."""

    def make() -> tuple[Any, Any, Any, Any, Any, Any]:
        return _both_csr(data.edge_index.cpu().numpy(), data.edge_relation.cpu().numpy() == relation, data.num_nodes)

    found: tuple[Any, Any, Any, Any, Any, Any] = _cached(data, f"relation {relation}", make)
    return found


def _both_csr(
    index: np.ndarray[Any, np.dtype[np.int64]], chosen: np.ndarray[Any, np.dtype[np.bool_]], nodes: int
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """CSR by target and by source of the chosen columns of *index* [2, E]."""
    edges = np.flatnonzero(chosen)
    source, target = index[0][edges], index[1][edges]
    into, out = csr_of(target, source, nodes), csr_of(source, target, nodes)
    return into[0], into[1], edges[into[2]], out[0], out[1], edges[out[2]]


def blocks_of(data: CircuitData, max_nodes: int) -> Blocks:
    """Blocks of a batch or graph, as :func:`circuitgraph.partition.partition` makes them of a view."""
    from circuitgraph.partition import partition_order

    sweep = sweep_of(data)
    target = np.repeat(np.arange(data.num_nodes, dtype=np.int64), np.diff(sweep.in_ptr))
    return partition_order(sweep.order, sweep.in_node, target, max_nodes)


def to_hetero(data: CircuitData, relations: Sequence[str]) -> HeteroData:
    """HeteroData: one node type a kind that occurs, edge types (kind, relation, kind).

    Args:
        relations: names of the view's relations, ``view.relations``.
    """
    hetero = HeteroData()
    kinds = node_kinds()
    local = torch.zeros(data.num_nodes, dtype=torch.int64)
    for number in data.node_kind.unique().tolist():
        rows = (data.node_kind == number).nonzero().flatten()
        local[rows] = torch.arange(len(rows))
        hetero[kinds[number]].x = data.x.index_select(0, rows)
        hetero[kinds[number]].node = rows
    source, target = data.edge_index
    key = torch.stack([data.node_kind[source], data.edge_relation, data.node_kind[target]], dim=1)
    for row in np.unique(key.numpy(), axis=0).tolist():
        edges = (key == torch.tensor(row)).all(dim=1).nonzero().flatten()
        name = (kinds[row[0]], relations[row[1]], kinds[row[2]])
        hetero[name].edge_index = torch.stack([local[source[edges]], local[target[edges]]])
        hetero[name].edge_attr = data.edge_attr.index_select(0, edges)
    return hetero


class EpochLoader:
    """Batches in an order that depends on (seed, epoch) alone; its position is its whole state.

    The epoch's permutation is packed greedily: a batch closes before the graph that would exceed the node
    budget; a graph above the budget is a batch alone. Rank r of w takes ``[r::w]`` of every global batch.
    Derived here: with the whole state in (epoch, position), a resumed run sees the batches of an uninterrupted one.

    Args:
        graphs: what is batched; an item may be a tuple of graphs that stay together, one behind the other.
        max_nodes: node budget of a batch.
        seed: decides the order of every epoch.
    """

    def __init__(
        self,
        graphs: Sequence[CircuitData | tuple[CircuitData, ...]],
        max_nodes: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if max_nodes < 1:
            raise CircuitError("recipe", "max_nodes", f"takes at least 1, not {max_nodes}", "give a larger number")
        self.graphs, self.max_nodes, self.seed, self.rank, self.world = graphs, max_nodes, seed, rank, world
        self.epoch = 0
        self.at = 0

    def batches(self, epoch: int) -> list[list[int]]:
        """Rows of each batch of an epoch."""
        order = np.random.Generator(np.random.Philox(key=seed_of(self.seed, epoch, "order"))).permutation(
            len(self.graphs)
        )
        found: list[list[int]] = []
        room = 0
        for row in order.tolist():
            size = self._size(row)
            if not found or size > room:
                found.append([])
                room = self.max_nodes
            found[-1].append(row)
            room -= size
        return found

    def _size(self, row: int) -> int:
        """Nodes of an item; a data set on disk is asked, because making a graph to count it is dear."""
        known: Callable[[int], int] | None = getattr(self.graphs, "num_nodes_of", None)
        return known(row) if known else sum(int(graph.num_nodes) for graph in _parts(self.graphs[row]))

    def __len__(self) -> int:
        """Number of batches of the epoch at hand, or of the next one when this one is through."""
        batches = len(self.batches(self.epoch))
        return batches if self.at < batches else len(self.batches(self.epoch + 1))

    def __iter__(self) -> Iterator[CircuitData]:
        batches = self.batches(self.epoch)
        if self.at >= len(batches):  # Lightning stops a sized loader without exhausting it
            self.epoch, self.at = self.epoch + 1, 0
            batches = self.batches(self.epoch)
        while self.at < len(batches):
            rows = batches[self.at]
            self.at += 1
            own = rows[self.rank :: self.world]
            batch = collate([graph for row in own or rows[:1] for graph in _parts(self.graphs[row])])
            batch.__dict__["step"] = (self.epoch, self.at - 1)
            batch.__dict__["is_idle"] = not own  # a rank without a share computes along and counts for nothing
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Epoch and position."""
        return {"epoch": self.epoch, "at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a saved position."""
        self.epoch, self.at = int(state["epoch"]), int(state["at"])


def _parts(item: CircuitData | tuple[CircuitData, ...]) -> tuple[CircuitData, ...]:
    return item if isinstance(item, tuple) else (item,)


class CorpusDataset(Dataset):  # type: ignore[misc]
    """The circuits of a corpus as PyG data.

    Args:
        folder: a folder with a MANIFEST.csv.
        view: "logic" or "timing".
        split: "train", "validation", "test" or None for all.
        transform, pre_transform: callables on :class:`CircuitData`, as in PyG; a transform gets a shallow copy.
        kinds: of the index's rows; None = netlists and AIGs for the logic view, placed designs for the timing view.
        in_memory: keep every graph once it is made; False for corpora above the memory: each access reads the cached
            view (workers of a DataLoader read their own), and the transforms run again.
    """

    def __init__(
        self,
        folder: str | Path,
        view: str = "logic",
        split: str | None = None,
        transform: Callable[[CircuitData], CircuitData] | None = None,
        pre_transform: Callable[[CircuitData], CircuitData] | None = None,
        kinds: Sequence[str] | None = None,
        in_memory: bool = True,
    ) -> None:
        super().__init__(None, transform)
        from circuitgraph.corpus import SPLITS, Corpus
        from circuitgraph.views import VIEWS

        for what, given, known in (("view", view, VIEWS), ("split", split, SPLITS)):
            if given is not None and given not in known:
                raise CircuitError("CorpusDataset", f"{what} {given!r}", "is unknown", f"use {', '.join(known)}")
        kinds = (("netlist", "aig") if view == "logic" else ("placed",)) if kinds is None else kinds
        self.corpus = Corpus(folder)
        self.entries = self.corpus.entries(split=split, kinds=kinds)
        self.view = view
        self.in_memory = in_memory
        self._sizes: dict[int, int] = {}
        self._made: dict[int, CircuitData] = {}
        self._pre = pre_transform

    def len(self) -> int:
        """Number of circuits."""
        return len(self.entries)

    def get(self, idx: int) -> CircuitData:
        """One circuit as data, read through the corpus's cache."""
        if idx in self._made:
            return copy.copy(self._made[idx])
        data = to_data(self.corpus.view(self.entries[idx], self.view))
        data = data if self._pre is None else self._pre(data)
        if not self.in_memory:
            return data
        self._made[idx] = data
        return copy.copy(data)

    def num_nodes_of(self, idx: int) -> int:
        """Nodes of one circuit's graph; it is made once to count them."""
        if idx not in self._sizes:
            self._sizes[idx] = int(self.get(idx).num_nodes)
        return self._sizes[idx]

    def circuit(self, idx: int) -> Circuit:
        """The circuit behind a row."""
        found: Circuit = self.corpus.circuit(self.entries[idx])
        return found


class NeighborSampler(BaseSampler):  # type: ignore[misc]
    """In-neighbours drawn at random, for ``torch_geometric.loader.NodeLoader``; needs no compiled extra of PyG.

    For circuits blocks (:func:`blocks_of`) are exact and samples are not; samples are for graphs without an order.

    Args:
        data: a graph or batch.
        num_neighbors: most neighbours of a node in each hop; -1 for all.
        seed: with :attr:`epoch` and a batch's nodes it decides what is drawn for the batch.

    Raises:
        CircuitError: a hop's number is neither -1 nor at least 1.

    Example:
        ``NodeLoader(data, NeighborSampler(data, [5, 5]), input_nodes=rows, batch_size=1024)``.
    """

    def __init__(self, data: Data, num_neighbors: Sequence[int], seed: int = 0) -> None:
        super().__init__()
        from circuitgraph.sampling import NeighbourDraws

        source, target = data.edge_index.numpy()
        self.draws = NeighbourDraws(*csr_of(target, source, int(data.num_nodes)), num_neighbors, seed)
        self.epoch = 0
        """Set it before each epoch for other samples; workers see it when they are started."""

    def sample_from_nodes(self, inputs: NodeSamplerInput, **kwargs: Any) -> SamplerOutput:
        """Neighbours of a batch of nodes; the batch's own nodes come first."""
        found = self.draws.draw(inputs.node.numpy(), self.epoch)
        node, row, col, edge = (torch.from_numpy(a) for a in (found.node, found.row, found.col, found.edge))
        return SamplerOutput(
            node=node,
            row=row,
            col=col,
            edge=edge,
            batch=None,
            num_sampled_nodes=found.nodes_by_hop,
            num_sampled_edges=found.edges_by_hop,
            metadata=(inputs.input_id, inputs.time),
        )

    def sample_from_edges(self, inputs: EdgeSamplerInput, neg_sampling: Any = None, **kwargs: Any) -> SamplerOutput:
        """Not offered: pairs need both ends in one sample.

        Raises:
            CircuitError: always.
        """
        raise CircuitError(
            "NeighborSampler", "edges", "are not sampled here", "use NodeLoader with the nodes of both ends"
        )

    @property
    def edge_permutation(self) -> Tensor | None:
        """None: rows of edges are those of the data."""
        return None
