"""Elmore delays and driving-point moments of RC networks: compiled kernels, imported when they are needed.

Each network is turned into a tree by shortest resistance from its driver (Dijkstra); on a tree that is the only
tree. Capacitance of every reached node counts, resistors that close a loop are dropped and counted.

Source: W. C. Elmore, J. Appl. Phys. 19 (1948); P. Penfield and J. Rubinstein, Signal delay in RC tree networks (1981).
"""

# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np

from circuitgraph.kernels import compiled


@compiled(
    "UniTuple(int64, 2)(int64[::1], int64[::1], int32[:, ::1], float64[::1], float64[:, ::1], int64[::1],"
    " float64[:, ::1], float64[:, :, ::1])"
)
def _kernel_moments(node_start, resistor_start, ends, resistance, capacitance, driver, delay, moments):  # type: ignore[no-untyped-def]
    """Elmore delay of every node and the moments of each network's admittance, for c sets of capacitances.

    Args:
        node_start, resistor_start, ends, resistance, driver: as in :func:`_kernel_elmore`.
        capacitance: float64 [K, c], farads at each node.
        delay: float64 [K, c], filled for reached nodes.
        moments: float64 [M, c, 3], filled where a network has a driver; of length 0 they are left out. The admittance
            at the driver is m0 s - m1 s^2 + m2 s^3: sum of C (farads), of C T (T Elmore delay), and of C times the
            delay that the C T below each resistor give.

    Returns:
        Number of resistors dropped, and of nodes not reached.
    """
    columns = capacitance.shape[1]
    nets = len(node_start) - 1
    most_nodes = 0
    most_edges = 0
    for net in range(nets):
        most_nodes = max(most_nodes, node_start[net + 1] - node_start[net])
        most_edges = max(most_edges, resistor_start[net + 1] - resistor_start[net])
    first = np.zeros(most_nodes + 2, np.int64)
    edge = np.zeros(2 * most_edges + 1, np.int64)
    parent = np.zeros(most_nodes + 1, np.int64)
    from_parent = np.zeros(most_nodes + 1, np.float64)
    distance = np.zeros(most_nodes + 1, np.float64)
    done = np.zeros(most_nodes + 1, np.bool_)
    order = np.zeros(most_nodes + 1, np.int64)
    below = np.zeros((most_nodes + 1, columns), np.float64)
    second = np.zeros(most_nodes + 1, np.float64)
    heap_node = np.zeros(2 * most_edges + most_nodes + 2, np.int64)
    heap_key = np.zeros(2 * most_edges + most_nodes + 2, np.float64)
    dropped = 0
    unreached = 0
    for net in range(nets):
        base = node_start[net]
        count = node_start[net + 1] - base
        root = driver[net] - base
        if count == 0 or driver[net] < 0 or root < 0 or root >= count:
            continue
        for node in range(count + 1):
            first[node] = 0
        edges = 0
        for row in range(resistor_start[net], resistor_start[net + 1]):
            a = ends[row, 0] - base
            b = ends[row, 1] - base
            if 0 <= a < count and 0 <= b < count and a != b:
                first[a] += 1
                first[b] += 1
                edges += 1
        total = 0
        for node in range(count + 1):
            size = first[node]
            first[node] = total
            total += size
        for row in range(resistor_start[net], resistor_start[net + 1]):
            a = ends[row, 0] - base
            b = ends[row, 1] - base
            if 0 <= a < count and 0 <= b < count and a != b:
                edge[first[a]] = row
                first[a] += 1
                edge[first[b]] = row
                first[b] += 1
        for node in range(count, 0, -1):
            first[node] = first[node - 1]
        first[0] = 0
        for node in range(count):
            done[node] = False
            distance[node] = np.inf
            parent[node] = -1
            from_parent[node] = 0.0
            for column in range(columns):
                below[node, column] = capacitance[base + node, column]
        distance[root] = 0.0
        heap_node[0] = root
        heap_key[0] = 0.0
        size = 1
        settled = 0
        while size > 0:
            node = heap_node[0]
            size -= 1
            moved_node = heap_node[size]
            moved_key = heap_key[size]
            at = 0
            while True:
                child = 2 * at + 1
                if child >= size:
                    break
                if child + 1 < size and heap_key[child + 1] < heap_key[child]:
                    child += 1
                if heap_key[child] >= moved_key:
                    break
                heap_node[at] = heap_node[child]
                heap_key[at] = heap_key[child]
                at = child
            heap_node[at] = moved_node
            heap_key[at] = moved_key
            if done[node]:
                continue
            done[node] = True
            order[settled] = node
            settled += 1
            for place in range(first[node], first[node + 1]):
                row = edge[place]
                other = ends[row, 0] - base
                if other == node:
                    other = ends[row, 1] - base
                ohms = max(resistance[row], 0.0)
                if not done[other] and distance[node] + ohms < distance[other]:
                    distance[other] = distance[node] + ohms
                    parent[other] = node
                    from_parent[other] = ohms
                    at = size
                    size += 1
                    key = distance[other]
                    while at > 0 and heap_key[(at - 1) // 2] > key:
                        heap_node[at] = heap_node[(at - 1) // 2]
                        heap_key[at] = heap_key[(at - 1) // 2]
                        at = (at - 1) // 2
                    heap_node[at] = other
                    heap_key[at] = key
        dropped += edges - (settled - 1)
        unreached += count - settled
        for place in range(settled - 1, 0, -1):
            node = order[place]
            for column in range(columns):
                below[parent[node], column] += below[node, column]
        for column in range(columns):
            delay[base + root, column] = 0.0
        for place in range(1, settled):
            node = order[place]
            up = parent[node]
            for column in range(columns):
                delay[base + node, column] = delay[base + up, column] + from_parent[node] * below[node, column]
        if moments.shape[0] == 0:
            continue
        for column in range(columns):
            first_moment = 0.0
            for place in range(settled):
                node = order[place]
                below[node, column] = capacitance[base + node, column] * delay[base + node, column]
                first_moment += below[node, column]
                moments[net, column, 0] += capacitance[base + node, column]
            moments[net, column, 1] = first_moment
            for place in range(settled - 1, 0, -1):
                node = order[place]
                below[parent[node], column] += below[node, column]
            second[root] = 0.0
            for place in range(1, settled):
                node = order[place]
                second[node] = second[parent[node]] + from_parent[node] * below[node, column]
                moments[net, column, 2] += capacitance[base + node, column] * second[node]
    return dropped, unreached


@compiled(
    "UniTuple(int64, 2)(int64[::1], int64[::1], int32[:, ::1], float64[::1], float64[:, ::1], int64[::1],"
    " float64[:, ::1])"
)
def _kernel_elmore(node_start, resistor_start, ends, resistance, capacitance, driver, delay):  # type: ignore[no-untyped-def]
    """Elmore delay of every node from its network's driver, seconds, into *delay* [K, 2].

    Args:
        node_start, resistor_start: int64 [M + 1].
        ends, resistance: int32 [R, 2] rows of nodes; ohms. A resistor to another network is dropped.
        capacitance: float64 [K, 2], farads at each node, rise and fall.
        driver: int64 [M], row of the driver's node, -1 where there is none (its network is left out).
        delay: float64 [K, 2], filled for reached nodes.

    Returns:
        Number of resistors dropped, and of nodes not reached.
    """
    return _kernel_moments(
        node_start, resistor_start, ends, resistance, capacitance, driver, delay, np.zeros((0, 0, 3), np.float64)
    )
