"""Views to networkx and back, without loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np

from circuitgraph.views.view import View, node_kinds, sorted_edges


def to_networkx(view: View) -> nx.MultiDiGraph[int]:
    """A view as a networkx graph.

    Nodes are 0 .. N-1 with ``kind`` (word), ``level``, ``unit``, ``cell``, ``pin``, ``net``, ``port`` (rows of the circuit,
    -1 for none) and ``features`` (tuple of floats); edges carry ``relation`` (word), ``features`` and ``row``.
    """
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(name=view.name, view=view)
    kinds = node_kinds()
    back = {name: getattr(view, name).tolist() for name in ("level", "unit", "cell", "pin", "net", "port")}
    features = view.features.tolist()
    for node, kind in enumerate(view.node_kind.tolist()):
        rows: dict[str, Any] = {name: column[node] for name, column in back.items()}
        graph.add_node(node, kind=kinds[kind], features=tuple(features[node]), **rows)
    edge_features = view.edge_features.tolist()
    for row, (source, target) in enumerate(view.edge_index.T.tolist()):
        relation = view.relations[view.edge_relation[row]]
        graph.add_edge(source, target, relation=relation, features=tuple(edge_features[row]), row=row)
    return graph


def from_networkx(graph: nx.MultiDiGraph[int]) -> View:
    """The view of a graph made by :func:`to_networkx`, with the nodes and edges that are still in it.

    Nodes may have been removed; those that stay keep their order. Levels are those of the original graph.

    Raises:
        ValueError: the graph was not made by :func:`to_networkx`.
    """
    view = graph.graph.get("view")
    if not isinstance(view, View):
        raise ValueError("only graphs made by to_networkx can be turned back")
    nodes = np.array(sorted(graph.nodes), np.int64)
    number = np.full(view.num_nodes, -1, np.int32)
    number[nodes] = np.arange(len(nodes))
    rows = np.array(sorted(row for _, _, row in graph.edges(data="row")), np.int64)
    index, columns = sorted_edges(
        number[view.edge_index[0, rows]],
        number[view.edge_index[1, rows]],
        view.edge_relation[rows],
        view.edge_features[rows],
    )
    unit = view.unit[nodes]
    if len(unit):
        _, dense = np.unique(unit[unit >= 0], return_inverse=True)
        unit = unit.copy()
        unit[unit >= 0] = dense
    return replace(
        view,
        node_kind=view.node_kind[nodes],
        features=view.features[nodes],
        edge_index=index,
        edge_relation=columns[0].astype(np.int8, copy=False),
        edge_features=columns[1].astype(np.float32, copy=False),
        level=view.level[nodes],
        order=np.argsort(view.level[nodes], kind="stable").astype(np.int32),
        unit=unit.astype(np.int32),
        cell=view.cell[nodes],
        pin=view.pin[nodes],
        net=view.net[nodes],
        port=view.port[nodes],
        edge_arc=None if view.edge_arc is None else view.edge_arc[rows],
    )
