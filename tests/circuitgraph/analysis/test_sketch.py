"""The sketch where it is exact, its symmetries and bounds, its kernel's twin, and its error on public circuits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.and_graph import and_graph
from circuitgraph.analysis.simulation import exhaustive_patterns, simulate
from circuitgraph.analysis.sketch import fourier_sketch
from circuitgraph.cell_types import AND2
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.errors import CircuitError
from circuitgraph.formats.aiger import read_aiger
from tests.circuitgraph.analysis.test_and_graph import backwards
from tests.subjects import full_adder, random_aig


def bits_of(circuit: Circuit) -> np.ndarray:
    """Value of every net under every pattern, 0 or 1, [N, 2**F]."""
    count = and_graph(circuit).free
    words = simulate(circuit, exhaustive_patterns(count))
    return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, : 1 << count].astype(float)


def tree(seed: int, inputs: int = 9) -> Circuit:
    """An AIG in which every net is read once."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder()
    nets = [builder.input(f"i{row}") for row in range(inputs)]
    while len(nets) > 1:
        left, right = (nets.pop(int(rng.integers(len(nets)))) for _ in range(2))
        nets.append(builder.net())
        builder.cell("", AND2, [left, right, nets[-1]], [bool(rng.integers(2)), bool(rng.integers(2)), False])
    return builder.build()


@pytest.mark.parametrize("seed", range(5))
def test_trees_are_exact(seed: int) -> None:
    circuit = tree(seed)
    bits, sketch = bits_of(circuit), fourier_sketch(circuit, 9)
    np.testing.assert_allclose(sketch.probability, bits.mean(axis=1), atol=1e-12)
    sign = 2.0 * bits[and_graph(circuit).net[:9]] - 1
    for net in range(circuit.num_nets):
        found = np.zeros(9)
        keep = sketch.index[net] >= 0
        found[sketch.index[net][keep]] = sketch.value[net][keep]
        np.testing.assert_allclose(found, (bits[net] * sign).mean(axis=1), atol=1e-7)


def plain_sketch(circuit: Circuit, k: int) -> tuple[np.ndarray, list[dict[int, float]]]:
    """The same recursion with dictionaries."""
    graph = and_graph(circuit)
    p = [0.5] * graph.free + [float(bit) for bit in graph.constant]
    a: list[dict[int, float]] = [{row: 0.5} for row in range(graph.free)] + [{} for _ in graph.constant]
    for pins, flips in zip(graph.fan_in.tolist(), graph.inverted.tolist(), strict=True):
        (p1, a1), (p2, a2) = (
            (1 - p[v], {i: -x for i, x in a[v].items()}) if flip else (p[v], a[v])
            for v, flip in zip(pins, flips, strict=True)
        )
        q = p1 * p2 + sum(x * a2.get(i, 0.0) for i, x in a1.items())
        q = min(max(q, 0.0, p1 + p2 - 1), p1, p2)
        both = {i: p2 * a1.get(i, 0.0) + p1 * a2.get(i, 0.0) for i in a1.keys() | a2.keys()}
        square = sum(x * x for x in both.values())
        scale = (q * (1 - q) / square) ** 0.5 if square > q * (1 - q) else 1.0
        kept = sorted(both, key=lambda i: (-abs(both[i]), i))[:k]
        p.append(q)
        a.append({i: float(np.float32(both[i] * scale)) for i in kept if both[i] * scale})
    return np.array(p), a


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_is_its_plain_twin(seed: int, k: int) -> None:
    circuit = random_aig(seed, ands=120, inputs=12, latches=3)
    graph, sketch = and_graph(circuit), fourier_sketch(circuit, k)
    probability, weights = plain_sketch(circuit, k)
    np.testing.assert_allclose(sketch.probability[graph.net], probability, atol=1e-5)
    for variable, wanted in enumerate(weights):
        index, value = sketch.index[graph.net[variable]], sketch.value[graph.net[variable]]
        assert (np.diff(index[index >= 0]) > 0).all()
        assert (value[index < 0] == 0).all()
        found = sorted(value.tolist(), key=abs)[-len(wanted) :] if wanted else []
        np.testing.assert_allclose(np.abs(found), sorted(map(abs, wanted.values())), atol=1e-5)


def test_frechet_bounds_and_variance() -> None:
    for seed in range(6):
        circuit = random_aig(seed, ands=300, inputs=10)
        graph, sketch = and_graph(circuit), fourier_sketch(circuit)
        p = sketch.probability[graph.net[graph.fan_in]]
        p = np.where(graph.inverted == 1, 1 - p, p)
        q = sketch.probability[graph.and_net]
        assert (q <= p.min(axis=1)).all()
        assert (q >= np.maximum(0, p.sum(axis=1) - 1) - 1e-15).all()
        assert ((sketch.value**2).sum(axis=1) <= sketch.probability * (1 - sketch.probability) + 1e-6).all()


def test_complementing_an_input_negates_its_weight_exactly_and_changes_nothing_else() -> None:
    circuit = random_aig(3, ands=60, inputs=6, latches=0)
    flags = np.array(circuit.pin_inverted)
    reads = circuit.pin_net == 2
    flags[reads] = ~flags[reads]
    columns = {name: getattr(circuit, name) for name in ("name", "types", "cell_type", "pin_start", "pin_net")}
    columns |= {name: getattr(circuit, name) for name in ("port_net", "port_direction", "port_names", "net_constant")}
    other = Circuit(**columns, cell_names=circuit.cell_names, net_names=circuit.net_names, pin_inverted=flags)
    one, two = fourier_sketch(circuit, 64), fourier_sketch(other, 64)
    gates = and_graph(circuit).and_net
    np.testing.assert_array_equal(one.probability, two.probability)
    np.testing.assert_array_equal(one.index, two.index)
    sign = np.where(one.index == 2, -1, 1)
    np.testing.assert_array_equal(one.value[gates] * sign[gates], two.value[gates])


def test_the_order_of_cells_does_not_count() -> None:
    circuit = random_aig(5, ands=80, inputs=8, latches=0)
    one, two = fourier_sketch(circuit, 3), fourier_sketch(backwards(circuit), 3)
    np.testing.assert_array_equal(one.probability, two.probability)
    np.testing.assert_array_equal(one.index, two.index)


def test_constants_and_undriven_nets() -> None:
    builder = CircuitBuilder()
    a, zero, one = builder.input("a"), builder.constant(0), builder.constant(1)
    never, same, ghost = builder.net(), builder.net(), builder.net()
    builder.cell("", AND2, [a, zero, never])
    builder.cell("", AND2, [a, one, same])
    sketch = fourier_sketch(builder.build(), 2)
    assert sketch.probability[[a, zero, one, never, same, ghost]].tolist() == [0.5, 0, 1, 0, 0.5, 0.5]
    assert sketch.index[never].tolist() == [-1, -1]
    assert (sketch.index[same].tolist(), sketch.value[same].tolist()) == ([0, -1], [0.5, 0.0])


@pytest.mark.parametrize("k", [0, 65])
def test_k_out_of_range_is_refused(k: int) -> None:
    with pytest.raises(CircuitError, match="must be 1 to 64"):
        fourier_sketch(random_aig(0), k)


def test_a_netlist_of_gates_is_refused() -> None:
    with pytest.raises(CircuitError, match="neither AND2 nor LATCH"):
        fourier_sketch(full_adder())


@pytest.mark.data
@pytest.mark.parametrize(("name", "error"), [("ctrl", 0.0035), ("cavlc", 0.0034), ("int2float", 0.0016), ("dec", 0.0)])
def test_the_mean_error_on_epfl_is_the_published_one(
    shared_data: Callable[[str], Path], name: str, error: float
) -> None:
    """Exhaustive truth; errors to four digits as measured before by independent code."""
    circuit = read_aiger(shared_data("digital/aiger") / "epfl" / f"{name}.aig")
    gates = and_graph(circuit).and_net
    found = np.abs(fourier_sketch(circuit).probability - bits_of(circuit).mean(axis=1))[gates].mean()
    assert abs(found - error) <= 6e-5
