"""The timing layer beside a plain-torch twin, by gradcheck, and on a routed design."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from circuitgraph.analysis.sta import analyse
from circuitgraph.analysis.sta_boundary import Boundary, boundary_of
from circuitgraph.analysis.sta_checks import Candidates
from circuitgraph.analysis.sta_loads import net_loads, spread
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.analysis.wires import Wires, spef_wires
from circuitgraph.constraints import Constraints
from circuitgraph.errors import CircuitError
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.spef import read_spef
from circuitgraph.library import Library, TableBank
from tasks.timing.differentiable import TimingTensors, timing_layer
from tasks.timing.inputs import TimingInputs, read_inputs
from tests.circuitgraph.analysis.test_sta_gradient import CASES, design, random_design

Shared = Callable[[str], Path]
PS = 1e-12


@pytest.fixture(scope="module")
def shipped(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


# -- the twin ----------------------------------------------------------------------------------


def real(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def lookup(bank: TableBank, row: int, x: Tensor, y: Tensor) -> Tensor:
    """A table by its own axes; autograd does the rest."""
    first, second, values = bank.table(row)
    shares, places = [], []
    for axis, value in ((first, x), (second, y)):
        at = max(0, min(int(np.searchsorted(axis, value.item(), "right")) - 1, len(axis) - 2))
        places.append(at)
        width = axis[at + 1] - axis[at] if len(axis) > 1 else 1.0
        shares.append((value - float(axis[at])) / float(width) if len(axis) > 1 else torch.zeros(()).double())
    (i, j), (f, g) = places, shares
    rows = []
    for at in (i, min(i + 1, len(first) - 1)):
        low, high = float(values[at, j]), float(values[at, min(j + 1, len(second) - 1)])
        rows.append(low * (1 - g) + high * g)
    return rows[0] * (1 - f) + rows[1] * f


def merged(values: list[Tensor], column: int, gamma: float = 0.0) -> Tensor:
    """The worst of candidates, or their smooth merge."""
    sign = 1.0 if column < 2 else -1.0
    stacked = torch.stack(values)
    if gamma:
        return (torch.softmax(sign * stacked / gamma, 0) * stacked).sum()
    return values[int(np.argmax(sign * stacked.detach().numpy()))]


class Twin:
    """One analysis, node by node in plain torch: of one circuit without driving cells and without credits."""

    def __init__(
        self, prepared: Prepared, load: Tensor, boundary: Boundary, sink: Tensor, scale: Tensor, gamma: float
    ) -> None:
        self.prepared, self.load, self.boundary = prepared, load, boundary
        self.sink, self.scale, self.gamma = sink, scale, gamma
        self.slew: dict[int, list[Tensor]] = {}
        self.arrival: dict[int, list[list[Tensor | None]]] = {}
        for node in prepared.order.tolist():
            self.visit(node)

    def visit(self, node: int) -> None:
        """Slews and arrivals of one node."""
        prepared, boundary, count = self.prepared, self.boundary, len(self.prepared.planes)
        row = boundary.row.get(node, -1)
        slews: list[list[Tensor]] = [[] for _ in range(4)]
        times: list[list[list[Tensor]]] = [[[] for _ in range(4)] for _ in range(count)]
        if row >= 0:
            for plane, column in np.argwhere(~np.isnan(boundary.arrival[row])).tolist():
                times[plane][column].append(real(boundary.arrival[row][plane, column]))
        blocks = row >= 0 and boundary.blocks[row]
        for arc in range(int(prepared.in_start[node]), int(prepared.in_start[node + 1])):
            self.along(arc, node, slews, [[[] for _ in range(4)] for _ in range(count)] if blocks else times)
        self.slew[node] = [
            real(boundary.slew[row][column])
            if row >= 0 and not math.isnan(boundary.slew[row][column])
            else (merged(slews[column], column, self.gamma) if slews[column] else torch.zeros(()).double())
            for column in range(4)
        ]
        self.arrival[node] = [
            [merged(times[plane][column], column, self.gamma) if times[plane][column] else None for column in range(4)]
            for plane in range(count)
        ]

        steps = prepared.steps
        if len(steps.row) and steps.row[node] >= 0:
            moved: list[list[list[Tensor]]] = [[[] for _ in range(4)] for _ in range(count)]
            for plane, column in np.ndindex(count, 4):
                goal = int(steps.goal[steps.row[node], column % steps.goal.shape[1], plane])
                known = self.arrival[node][plane][column]
                if goal >= 0 and known is not None:
                    moved[goal][column].append(known)
            self.arrival[node] = [
                [merged(moved[plane][column], column) if moved[plane][column] else None for column in range(4)]
                for plane in range(count)
            ]

    def along(self, arc: int, node: int, slews: list[list[Tensor]], times: list[list[list[Tensor]]]) -> None:
        """What one arc brings to a node."""
        prepared, bank = self.prepared, self.prepared.library.tables
        derate = np.asarray(prepared.constraints.derate)
        source, library_arc = int(prepared.arcs.source[arc]), int(prepared.arcs.library_arc[arc])
        mask, row = int(prepared.arcs.mask[arc]), self.boundary.row.get(source, -1)
        launch, launches = prepared.planes.launches(), bool(prepared.launches[arc])
        if library_arc < 0:
            for column in range(4):
                wire = self.sink[prepared.nodes.place[node], column & 1]
                rate = spread(prepared.library.thresholds[int(prepared.corner[node])], column & 1)
                slews[column].append(torch.sqrt(self.slew[source][column] ** 2 + (rate * wire) ** 2))
                for plane, known in enumerate(self.arrival[source]):
                    if known[column] is not None and mask & 15:
                        times[plane][column].append(known[column] + wire * float(derate[1 if column < 2 else 3]))
            return
        for begin, end, early in np.ndindex(2, 2, 2):
            column, start = 2 * early + end, 2 * early + begin
            x = self.slew[source][start]
            if row >= 0 and launches and not math.isnan(self.boundary.ideal_slew[row][start]):
                x = real(self.boundary.ideal_slew[row][start])
            y = self.load[int(prepared.nodes.net[node]), column]
            table, slew_table = (int(prepared.library.arc_table[library_arc, at]) for at in (end, 2 + end))
            if mask >> (4 + 2 * begin + end) & 1 and slew_table >= 0:
                slews[column].append(torch.clamp(lookup(bank, slew_table, x, y), min=0.0))
            if not mask >> (2 * begin + end) & 1:
                continue
            delay = lookup(bank, table, x, y) * self.scale[arc] * float(derate[2 * early])
            for plane, known in enumerate(self.arrival[source]):
                goal, time = plane, known[start]
                if time is None:
                    continue
                if launches:
                    goal = int(launch[plane, self.boundary.tag[row] if row >= 0 else 0])
                    clock = prepared.planes.rows[plane]
                    if goal < 0:
                        continue
                    if clock.clock < 0 or not prepared.planes.clocks[clock.clock].is_propagated:
                        time = real(self.ideal(plane, early))
                times[goal][column].append(time + delay)

    def ideal(self, plane: int, early: int) -> float:
        """Arrival of an ideal clock."""
        from circuitgraph.analysis.sta import ideal_arrivals

        return float(ideal_arrivals(self.prepared)[plane, early])

    def slack(self, pairs: Candidates, row: int) -> Tensor:
        """Slack of one pair: what moves in plain torch, what is constant from the pair."""
        prepared, early = self.prepared, int(pairs.kind[row]) & 1
        node, edge, clock_edge = int(pairs.node[row]), int(pairs.edge[row]), int(pairs.clock_edge[row])
        time = self.arrival[node][int(pairs.plane[row])][2 * early + edge]
        assert time is not None
        clock_node, clock_plane = int(pairs.clock_node[row]), prepared.planes.rows[int(pairs.clock_plane[row])]
        sign = 1.0 if early else -1.0
        margin = real(pairs.margin[row])
        constant = pairs.required[row] - sign * pairs.margin[row]
        required = real(constant)
        if clock_node >= 0:
            clock_column = 2 * (1 - early) + clock_edge
            margin = self.margin(node, clock_node, 2 * early + edge, clock_column, pairs, row)
            if prepared.planes.clocks[clock_plane.clock].is_propagated:
                moving = self.arrival[clock_node][int(pairs.clock_plane[row])][clock_column]
                assert moving is not None
                required = constant - moving.item() + moving
        required = required + sign * margin
        return time - required if early else required - time

    def margin(self, node: int, clock_node: int, column: int, clock_column: int, pairs: Candidates, row: int) -> Tensor:
        """Setup or hold time from the table that gives the pair's margin; a constant where none does."""
        prepared, bank = self.prepared, self.prepared.library.tables
        place = self.boundary.row.get(clock_node, -1)
        x = self.slew[clock_node][clock_column]
        if place >= 0 and not math.isnan(self.boundary.ideal_slew[place][clock_column]):
            x = real(self.boundary.ideal_slew[place][clock_column])
        for check in np.flatnonzero((prepared.checks.target == node) & (prepared.checks.source == clock_node)).tolist():
            table = int(prepared.library.arc_table[prepared.checks.library_arc[check], column & 1])
            if table >= 0:
                value = lookup(bank, table, x, self.slew[node][column])
                if value.item() == pytest.approx(pairs.margin[row], rel=1e-9, abs=1e-18):
                    return value
        return real(pairs.margin[row])


def twin_outputs(
    prepared: Prepared, wires: Wires, capacitance: Tensor, sink: Tensor, scale: Tensor, gamma: float
) -> TimingTensors:
    """The outputs of the layer by the twin; the worst pair of each place is that of the values."""
    from circuitgraph.analysis.sta_gradient import forward_with_tape

    zero = Wires("zero", np.zeros_like(wires.capacitance), wires.resistance, wires.elmore, wires.annotated)
    load = torch.from_numpy(net_loads(prepared, zero)) + capacitance[:, None]
    twin = Twin(prepared, load, boundary_of(prepared, load.detach().numpy()), sink, scale, gamma)
    slew = torch.stack([torch.stack(twin.slew[node]) for node in range(prepared.nodes.count)])
    arrival, slacks = [], {0: {}, 1: {}}  # type: tuple[list[Tensor], dict[int, dict[int, Tensor]]]
    for node in prepared.nodes.load_half.tolist():
        for column in range(4):
            known = [plane[column] for plane in twin.arrival[node] if plane[column] is not None]
            # the worst over planes is never smooth
            arrival.append(merged(known, column) if known else real(math.nan))
    # pairs come with their constants from an analysis of the very values, by the exact or the smooth engine
    if gamma:
        from circuitgraph.analysis.sta_checks import candidates, gating_checks, liberty_checks, worst

        tape = forward_with_tape(prepared, wires, scale.detach().numpy(), smoothing=gamma)
        boundary = boundary_of(prepared, load.detach().numpy())
        found, state = tape.values.slew, tape.kept_arrival
        rows = liberty_checks(prepared, found, boundary.clock_slew(prepared, found)) + gating_checks(prepared)
        pairs = worst(candidates(prepared, rows, state))
    else:
        assert bool((scale == 1).all())
        changed = Wires("given", capacitance.detach().numpy(), wires.resistance, sink.detach().numpy(), wires.annotated)
        pairs = analyse(prepared, wires=changed, delay_model="elmore", remove_pessimism=False).endpoints
    for row in range(len(pairs)):
        place, early = int(prepared.nodes.place[pairs.node[row]]), int(pairs.kind[row]) & 1
        slack = twin.slack(pairs, row)
        old = slacks[early].get(place)
        if old is None or slack.item() < old.item():
            slacks[early][place] = slack
    blank = real(math.nan)
    columns = [
        torch.stack([slacks[early].get(place, blank) for place in range(prepared.num_places)]) for early in (0, 1)
    ]
    return TimingTensors(columns[0], columns[1], torch.stack(arrival).reshape(-1, 4), slew)


def wired(prepared: Prepared, wires: Wires) -> tuple[Tensor, Tensor, Tensor]:
    assert wires.elmore is not None
    tensors = (
        torch.from_numpy(wires.capacitance),
        torch.from_numpy(wires.elmore),
        torch.ones(len(prepared.arcs)).double(),
    )
    return tuple(tensor.clone().requires_grad_() for tensor in tensors)  # type: ignore[return-value]


def compare(prepared: Prepared, wires: Wires, seed: int, gamma: float = 0.0) -> None:
    """Values, and gradients of a random combination of all outputs, of the layer and of the twin."""
    rng = np.random.default_rng(seed)
    sides: list[list[Any]] = []
    by: list[Tensor] = []
    for is_twin in (False, True):
        given = wired(prepared, wires)
        if is_twin:
            found = twin_outputs(prepared, wires, *given, gamma)
        else:
            found = timing_layer(
                prepared,
                *given,
                smoothing=gamma or None,
                annotated=wires.annotated,
                remove_pessimism=False,
            )
            by = [torch.from_numpy(rng.normal(size=tuple(values.shape))) for values in found]
        total = sum(
            (torch.where(values.isnan(), 0.0, values) * part).sum() for values, part in zip(found, by, strict=True)
        )
        assert isinstance(total, Tensor)
        total.backward()
        sides.append([*found, *(tensor.grad for tensor in given)])
    for ours, theirs in zip(*sides, strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
        scale = float(torch.nan_to_num(theirs.detach()).abs().max())
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11 * scale, equal_nan=True)
        assert scale > 0


@pytest.mark.parametrize("seed", range(30))
def test_the_layer_beside_its_twin(shipped: Library, seed: int) -> None:
    cases = [case for case in CASES if case != "driving"]
    compare(*random_design(shipped, seed, cases[seed % len(cases)], cells=10), seed)


@pytest.mark.parametrize("case", ["plain", "derates"])
def test_smooth_merges_beside_the_twin(shipped: Library, case: str) -> None:
    compare(*random_design(shipped, 3, case, cells=10), 3, gamma=5e-12)


def sample(samples: Path) -> tuple[TimingInputs, Wires]:
    library = read_liberty(samples / "small.lib")
    inputs = read_inputs(samples / "small.v", library, samples / "small.sdc")
    wires = spef_wires(
        read_spef(samples / "small.spef").resolve(inputs.circuit), inputs.circuit, inputs.pin_capacitance
    )
    return inputs, wires


def test_the_sample_beside_the_twin(samples: Path) -> None:
    inputs, wires = sample(samples)
    annotated = np.ones(inputs.circuit.num_nets, np.bool_)
    assert wires.elmore is not None
    # wires of 0 delay everywhere but on three nets would tie rising with falling sinks
    moved = wires.elmore + np.random.default_rng(0).uniform(1, 2, wires.elmore.shape) * PS
    compare(inputs.prepared, Wires("spef", wires.capacitance, wires.resistance, moved, annotated), 0)


# -- the layer ---------------------------------------------------------------------------------


def test_gradcheck(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 1, "derates", cells=8)
    capacitance, sink, scale = (tensor.detach() for tensor in wired(prepared, wires))
    scale = scale * torch.from_numpy(np.random.default_rng(0).uniform(0.95, 1.05, len(scale)))
    for smoothing in (None, 5e-12):

        def outputs(c: Tensor, t: Tensor, s: Tensor, smoothing: float | None = smoothing) -> tuple[Tensor, ...]:
            found = timing_layer(prepared, capacitance * c, sink * t, s, smoothing=smoothing, annotated=wires.annotated)
            return tuple(torch.nan_to_num(values)[~values.detach().isnan()] * 1e12 for values in found)

        ones = (torch.ones_like(capacitance), torch.ones_like(sink), scale.clone())
        assert torch.autograd.gradcheck(outputs, tuple(one.requires_grad_() for one in ones), eps=1e-7, atol=1e-4)


def test_gradients_come_in_the_dtype_of_the_inputs(samples: Path) -> None:
    inputs, wires = sample(samples)
    assert wires.elmore is not None
    sides = []
    for dtype in (torch.float32, torch.float64):
        given = [torch.from_numpy(array).to(dtype).requires_grad_() for array in (wires.capacitance, wires.elmore)]
        found = timing_layer(inputs, *given, annotated=wires.annotated)
        assert all(values.dtype == torch.float64 for values in found)
        (-torch.nansum(found.setup_slack) / PS).backward()
        assert [tensor.grad.dtype for tensor in given if tensor.grad is not None] == [dtype, dtype]
        sides.append([tensor.grad for tensor in given])
    for single, double in zip(*sides, strict=True):
        assert bool(double.any())
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=0)


def test_only_what_is_asked_for_is_derived(samples: Path) -> None:
    inputs, wires = sample(samples)
    capacitance = torch.from_numpy(wires.capacitance)
    found = timing_layer(inputs, capacitance, delay_model="lumped_cap", annotated=wires.annotated)
    assert not any(values.requires_grad for values in found)
    timing = analyse(inputs.prepared, wires=wires)
    np.testing.assert_array_equal(found.setup_slack.numpy(), timing.worst_slack())
    np.testing.assert_array_equal(found.arrival.numpy(), timing.arrival)
    found.slew.zero_()  # its own memory: nothing that a later backward sweep reads
    factors = torch.zeros(len(inputs.prepared.arcs), dtype=torch.float64, requires_grad=True)
    again = timing_layer(inputs, capacitance, None, factors.exp(), delay_model="lumped_cap", annotated=wires.annotated)
    torch.nansum(again.hold_slack).backward()
    assert factors.grad is not None
    assert bool(factors.grad.any())


def test_shapes_are_checked(samples: Path) -> None:
    inputs, wires = sample(samples)
    with pytest.raises(CircuitError, match="sink_delay: must be of shape"):
        timing_layer(inputs, torch.from_numpy(wires.capacitance), torch.zeros(3, 2))
    with pytest.raises(CircuitError, match="capacitance: must be of shape"):
        timing_layer(inputs, torch.zeros(1))


def test_a_circuit_without_clocks_has_no_slack(samples: Path) -> None:
    from circuitgraph.analysis.sta_prepare import prepare

    inputs, wires = sample(samples)
    bare = prepare(inputs.circuit, inputs.library, Constraints())
    capacitance = torch.from_numpy(wires.capacitance).requires_grad_()
    found = timing_layer(bare, capacitance, delay_model="lumped_cap", annotated=wires.annotated)
    assert bool(found.setup_slack.isnan().all())
    torch.nansum(found.arrival).backward()
    assert capacitance.grad is not None
    assert bool(capacitance.grad.any())


def test_training_finds_wires_that_give_slacks(shipped: Library) -> None:
    """A few steps of Adam on log C and log T halve the distance to slacks of other wires."""
    prepared, wires = random_design(shipped, 5, cells=30)
    capacitance, sink, _ = (tensor.detach() for tensor in wired(prepared, wires))
    wanted = timing_layer(prepared, 1.5 * capacitance, 0.7 * sink, annotated=wires.annotated).setup_slack
    logs = [torch.zeros_like(x).requires_grad_() for x in (capacitance, sink)]
    optimiser = torch.optim.Adam(logs, lr=0.05)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        found = timing_layer(prepared, capacitance * logs[0].exp(), sink * logs[1].exp(), annotated=wires.annotated)
        loss = torch.nansum(((found.setup_slack - wanted) / PS) ** 2)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * losses[0]


@pytest.mark.data
def test_differences_on_a_routed_design(shared_data: Shared) -> None:
    """tt_mitssdd: total setup slack by the capacitances and sink delays of 10 nets and 10 sinks each."""
    found = design(shared_data, "tt_mitssdd")
    prepared, wires, listed = found["prepared"], found["elmore"], found["listed"]
    capacitance, sink, _ = wired(prepared, wires)

    def total(c: Tensor, t: Tensor) -> Tensor:
        return torch.nansum(timing_layer(prepared, c, t, annotated=wires.annotated, listed=listed).setup_slack)

    total(capacitance, sink).backward()
    rng = np.random.default_rng(2)
    for tensor, step in ((capacitance, 1e-19), (sink, 1e-16)):
        gradient = tensor.grad
        assert gradient is not None
        flat = gradient.flatten()
        for at in rng.permutation(np.flatnonzero(flat.abs().numpy() > 1e-3 * flat.abs().max().item()))[:10].tolist():
            sides = []
            for side in (step, -step):
                changed = [x.detach().clone() for x in (capacitance, sink)]
                changed[0 if tensor is capacitance else 1].view(-1)[at] += side
                sides.append(total(*changed).item())
            assert float(flat[at]) == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-4)
