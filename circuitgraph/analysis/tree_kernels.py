"""Elmore delays and driving-point moments of RC trees whose nodes come parents first: two sweeps, no search.

Source: P. Penfield and J. Rubinstein, Signal delay in RC tree networks (1981), for sums along a tree.
"""

# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np

from circuitgraph.kernels import compiled


@compiled("void(int64[::1], int32[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, :, ::1])")
def _kernel_tree_moments(start, parent, resistance, capacitance, delay, moments):  # type: ignore[no-untyped-def]
    """Elmore delay of every node and the moments of each net, for c sets of capacitances.

    Args:
        start: int64 [N + 1], nodes of each net, parents first, the root at the start.
        parent: int32 [K], -1 at roots.
        resistance: float64 [K], ohm to the parent.
        capacitance: float64 [K, c], F at each node.
        delay: float64 [K, c], filled: s from the root.
        moments: float64 [N, c, 3], filled: sum of C, of C T, and of C times the delay that the C T below each
            resistor give.
    """
    columns = capacitance.shape[1]
    most = 0
    for net in range(len(start) - 1):
        most = max(most, start[net + 1] - start[net])
    below = np.zeros(most + 1)
    second = np.zeros(most + 1)
    for net in range(len(start) - 1):
        base, last = start[net], start[net + 1]
        for column in range(columns):
            for node in range(base, last):
                below[node - base] = capacitance[node, column]
            for node in range(last - 1, base, -1):
                below[parent[node] - base] += below[node - base]
            if last > base:
                delay[base, column] = 0.0
                moments[net, column, 0] = below[0]
            for node in range(base + 1, last):
                delay[node, column] = delay[parent[node], column] + resistance[node] * below[node - base]
            first = 0.0
            for node in range(base, last):
                charge = capacitance[node, column] * delay[node, column]
                below[node - base] = charge
                first += charge
            for node in range(last - 1, base, -1):
                below[parent[node] - base] += below[node - base]
            total = 0.0
            if last > base:
                second[0] = 0.0
            for node in range(base + 1, last):
                second[node - base] = second[parent[node] - base] + resistance[node] * below[node - base]
                total += capacitance[node, column] * second[node - base]
            moments[net, column, 1] = first
            moments[net, column, 2] = total
