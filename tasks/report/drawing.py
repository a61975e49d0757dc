"""A circuit drawn as SVG, level by level from left to right; names as hover texts."""

from __future__ import annotations

import html

import numpy as np

from circuitgraph.views.view import View, node_kinds

COLOURS = {"input": "#3a8a5f", "output": "#c4572b", "constant": "#8a8f98"}
SEQUENTIAL = "#7a5aa6"
GATE = "#2f6db3"
MAX_NODES = 400


def draw_view(view: View, names: list[str], width: int = 1000) -> str:
    """A logic view of up to 400 nodes as SVG; "" for a larger one.

    Within a level nodes are ordered by the mean place of their fan-ins, which keeps most edges short.

    Args:
        view: what is drawn.
        names: hover text of each node.
    """
    nodes = view.num_nodes
    if not 0 < nodes <= MAX_NODES:
        return ""
    levels = view.num_levels
    place = np.zeros(nodes)
    by_level = [view.order[view.level_start[row] : view.level_start[row + 1]] for row in range(levels)]
    for _ in range(4):
        for row in by_level:
            wanted = []
            for node in row.tolist():
                fan_in = view.edge_index[0, view.fan_in_start[node] : view.fan_in_start[node + 1]]
                wanted.append(place[fan_in].mean() if len(fan_in) else place[node])
            order = np.argsort(np.array(wanted), kind="stable")
            place[row[order]] = (np.arange(len(row)) + 0.5) / len(row)
    tallest = max(len(row) for row in by_level)
    height = int(max(160, min(900, 26 * tallest + 40)))
    x = 30 + (width - 60) * (view.level / max(1, levels - 1))
    y = 20 + (height - 40) * place
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">'
    ]
    for row, (source, target) in enumerate(view.edge_index.T.tolist()):
        middle = (x[source] + x[target]) / 2
        colour = "#d9a0a0" if view.edge_features[row, 0] > 0.5 else "#c3cad4"
        parts.append(
            f'<path d="M{x[source]:.1f} {y[source]:.1f} C{middle:.1f} {y[source]:.1f} {middle:.1f} {y[target]:.1f} '
            f'{x[target]:.1f} {y[target]:.1f}" fill="none" stroke="{colour}" stroke-width="0.9"/>'
        )
    kinds = node_kinds()
    sequential = [column.name for column in view.feature_table].index("is sequential")
    for node in range(nodes):
        kind = kinds[view.node_kind[node]]
        colour = COLOURS.get(kind, SEQUENTIAL if view.features[node, sequential] > 0.5 else GATE)
        title = html.escape(f"{names[node]} ({kind})")
        parts.append(
            f'<circle cx="{x[node]:.1f}" cy="{y[node]:.1f}" r="4.5" fill="{colour}"><title>{title}</title></circle>'
        )
    parts.append("</svg>")
    return "".join(parts)
