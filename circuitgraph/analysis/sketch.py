"""A first-order Fourier sketch of every net of an AIG: signal probability and its largest input weights, no simulation.

A net is written as f = p + sum over inputs i of a_i x_i + higher orders, x_i = +-1 being free net i. The sketch keeps
p and the k largest a_i. A complemented net is (1 - p, -a), exactly. For g = f1 AND f2:

    p = p1 p2 + <a1, a2>, clipped to the Frechet bounds [max(0, p1 + p2 - 1), min(p1, p2)]
    a = p2 a1 + p1 a2, scaled down where |a|^2 > p (1 - p), the variance of g
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.and_graph import and_graph
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError

MAX_WEIGHTS = 64


@dataclass(frozen=True, eq=False)
class Sketch:
    """First-order sketch of N nets.

    | field | type, shape | meaning |
    |---|---|---|
    | probability | float64 [N] | probability that the net is 1 under uniform free nets; 0.5 where nothing drives it |
    | index | int32 [N, k] | rows of ``free_nets`` with the largest weights, ascending, -1 behind the last one |
    | value | float32 [N, k] | weight of each, in the +-1 domain: at most 1/2, an input's own is 1/2; 0 where no index |
    """

    probability: npt.NDArray[np.float64]
    index: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]


def fourier_sketch(circuit: Circuit, k: int = 8) -> Sketch:
    """The sparse first-order sketch of every net; exact where the fan-ins of every gate share no input.

    Equal weights are kept by the lower row of ``free_nets``, so the result does not depend on the order of cells.

    Args:
        k: weights kept a net, 1 to 64.

    Raises:
        CircuitError: the circuit is no AIG, or *k* is out of range.

    Source: R. O'Donnell, Analysis of Boolean Functions (2014), section 1.2, cut after the first level.

    >>> from circuitgraph.cell_types import AND2
    >>> from circuitgraph.circuit import CircuitBuilder
    >>> builder = CircuitBuilder()
    >>> nets = [builder.input("a"), builder.input("b"), builder.net("y")]
    >>> _ = builder.cell("", AND2, nets, [False, True, False])
    >>> sketch = fourier_sketch(builder.build(), 2)
    >>> sketch.probability.tolist(), sketch.value[2].tolist()
    ([0.5, 0.5, 0.25], [0.25, -0.25])
    """
    if not 1 <= k <= MAX_WEIGHTS:
        raise CircuitError("sketch", "k", f"must be 1 to {MAX_WEIGHTS}, not {k}", "8 is enough: the rest is noise")
    graph = and_graph(circuit)
    probability = np.full(circuit.num_nets, 0.5)
    probability[circuit.net_constant >= 0] = circuit.net_constant[circuit.net_constant >= 0] == 1
    index = np.full((circuit.num_nets, k), -1, np.int32)
    value = np.zeros((circuit.num_nets, k), np.float32)
    free = graph.net[: graph.free]
    probability[free] = 0.5
    index[free, 0] = np.arange(graph.free)
    value[free, 0] = 0.5
    if graph.num_ands:
        _compiled_sweep()(graph.net[graph.fan_in], graph.inverted, graph.and_net.copy(), probability, index, value)
    return Sketch(probability, index, value)


@lru_cache(maxsize=1)
def _compiled_sweep() -> Callable[..., Any]:
    from circuitgraph.kernels import compiled

    columns = "int32[:, ::1], uint8[:, ::1], int32[::1], float64[::1], int32[:, ::1], float32[:, ::1]"
    return compiled(f"void({columns})")(_kernel_sweep)


def _kernel_sweep(fan_in: Any, inverted: Any, net: Any, probability: Any, index: Any, value: Any) -> None:
    """One AND after the other: merge two ascending lists of weights, drop the smallest beyond k."""
    k = index.shape[1]
    merged_index = np.empty(2 * k, np.int32)
    merged_value = np.empty(2 * k, np.float64)
    for row in range(len(net)):
        left, right, out = fan_in[row, 0], fan_in[row, 1], net[row]
        sign_left = -1.0 if inverted[row, 0] else 1.0
        sign_right = -1.0 if inverted[row, 1] else 1.0
        p_left = 1.0 - probability[left] if inverted[row, 0] else probability[left]
        p_right = 1.0 - probability[right] if inverted[row, 1] else probability[right]
        at_left, at_right, count = 0, 0, 0
        product = 0.0
        while True:
            more_left = at_left < k and index[left, at_left] >= 0
            more_right = at_right < k and index[right, at_right] >= 0
            if not more_left and not more_right:
                break
            if more_left and (not more_right or index[left, at_left] < index[right, at_right]):
                merged_index[count] = index[left, at_left]
                merged_value[count] = p_right * sign_left * value[left, at_left]
                at_left += 1
            elif more_right and (not more_left or index[right, at_right] < index[left, at_left]):
                merged_index[count] = index[right, at_right]
                merged_value[count] = p_left * sign_right * value[right, at_right]
                at_right += 1
            else:
                one, other = sign_left * value[left, at_left], sign_right * value[right, at_right]
                product += one * other
                merged_index[count] = index[left, at_left]
                merged_value[count] = p_right * one + p_left * other
                at_left += 1
                at_right += 1
            if merged_value[count] != 0.0:
                count += 1
        low = max(0.0, p_left + p_right - 1.0)
        found = min(max(p_left * p_right + product, low), p_left, p_right)
        square = 0.0
        for place in range(count):
            square += merged_value[place] * merged_value[place]
        variance = found * (1.0 - found)
        scale = np.sqrt(variance / square) if square > variance else 1.0
        while count > k:
            smallest = 0
            for place in range(1, count):
                if abs(merged_value[place]) <= abs(merged_value[smallest]):
                    smallest = place
            count -= 1
            for place in range(smallest, count):
                merged_index[place] = merged_index[place + 1]
                merged_value[place] = merged_value[place + 1]
        probability[out] = found
        for place in range(k):
            keep = place < count and scale > 0.0
            index[out, place] = merged_index[place] if keep else -1
            value[out, place] = merged_value[place] * scale if keep else 0.0


__all__ = ["MAX_WEIGHTS", "Sketch", "fourier_sketch"]
