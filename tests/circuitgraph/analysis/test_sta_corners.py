"""Timing in several corners at once, beside the analysis of each corner by itself."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuitgraph.analysis.sta import Timing, analyse
from circuitgraph.analysis.sta_checks import candidates, gating_checks, liberty_checks
from circuitgraph.analysis.sta_corner_tables import aligned_libraries, pair_tables
from circuitgraph.analysis.sta_corners import (
    CornerTiming,
    _elmore,
    _loads,
    _pin_load,
    _plane_rows,
    _starts,
    _sweep,
    analyse_corners,
)
from circuitgraph.analysis.sta_corners_kernels import _kernel_pair
from circuitgraph.analysis.sta_output_pairs import output_pairs
from circuitgraph.analysis.sta_paths import worst_paths
from circuitgraph.analysis.sta_prepare import Prepared, prepare
from circuitgraph.analysis.wires import Wires
from circuitgraph.errors import CircuitError
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.library import Library, TableBank
from tests.circuitgraph.analysis.test_sta import SMALL, _constraint, _delay, twin
from tests.circuitgraph.analysis.test_sta import random_netlist as plain_netlist
from tests.circuitgraph.analysis.test_sta_gradient import (
    CASES,
    GENERATED,
    LATCHES,
    design,
    prepared_of,
    random_design,
    random_netlist,
)

Shared = Callable[[str], Path]
NEAR = 0.005e-12
"""Seconds between the two at arrivals of a few ns: float32 keeps 0.0002 ps of them, some ten times on the way."""
NEAR_ROUTED = 0.02e-12
"""The same on routed designs: paths are longer."""


@pytest.fixture(scope="module")
def small() -> Library:
    text = SMALL % {"buf": _delay(1.0), "inv": _delay(2.0), "setup": _constraint(0.4), "hold": _constraint(0.1)}
    return read_liberty(io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def shipped(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


def scaled(library: Library, delay: float, seed: int = 0) -> Library:
    """Another corner: delays, slews and checks times a factor and a random few per cent, other pins, moved axes."""
    rng = np.random.default_rng(seed)
    tables = library.tables
    values = tables.values * delay * rng.uniform(0.97, 1.03, len(tables.values))
    bank = replace(tables, values=values, axes=tables.axes * (0.5 + delay / 2))
    return replace(library, tables=bank, port_capacitance=library.port_capacitance * (0.7 + 0.3 * delay), name="scaled")


def corners_of(library: Library) -> list[Library]:
    return [library, scaled(library, 0.6, 1), scaled(library, 1.5, 2), scaled(library, 1.1, 3)]


def assert_same(found: CornerTiming, singles: list[Timing], near: float) -> None:
    for corner, one in enumerate(singles):
        for ours, theirs in (
            (found.arrival(corner), one.arrival),
            (found.slew(corner), one.slew),
            (found.worst_slack(corner), one.worst_slack()),
            (found.worst_slack(corner, early=True), one.worst_slack(early=True)),
            (found.wns[corner], one.wns),
            (found.hold_wns[corner], one.hold_wns),
        ):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=near)
        ends = max(len(one.endpoints), 1)
        assert found.tns[corner] == pytest.approx(one.tns, abs=near * ends)
        late = np.minimum(np.nan_to_num(one.worst_slack(early=True)), 0.0).sum()
        assert found.hold_tns[corner] == pytest.approx(late, abs=near * ends)


def singles(prepared: Prepared, libraries: list[Library], wires: list[Any], **options: Any) -> list[Timing]:
    return [
        analyse(prepare(prepared.circuit, library, prepared.constraints, black_box=True), wires=own, **options)
        for library, own in zip(libraries, wires, strict=True)
    ]


# -- random circuits ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", ["lumped_cap", "elmore"])
def test_every_corner_is_as_analysed_by_itself(shipped: Library, case: str, model: str) -> None:
    for seed in range(2):
        prepared, wires = random_design(shipped, seed, case)
        libraries = corners_of(shipped)
        options = {"delay_model": model, "remove_pessimism": False}
        found = analyse_corners(prepared, libraries, wires, **options)  # type: ignore[arg-type]
        assert len(found) == 4
        assert_same(found, singles(prepared, libraries, [wires] * 4, **options), NEAR)
        assert len({*found.wns.tolist()}) > 1


@pytest.mark.parametrize("case", ["derates", "two clocks"])
def test_pessimism_is_removed_where_it_is_asked_for(shipped: Library, case: str) -> None:
    prepared, wires = random_design(shipped, 1, case)
    libraries = corners_of(shipped)
    found = analyse_corners(prepared, libraries, wires, delay_model="elmore", remove_pessimism=True)
    assert_same(found, singles(prepared, libraries, [wires] * 4, delay_model="elmore"), NEAR)
    without = analyse_corners(prepared, libraries, wires, delay_model="elmore")
    assert (without.tns <= found.tns + NEAR).all()
    assert case != "derates" or (without.tns < found.tns - NEAR).any()


def test_corners_have_wires_of_their_own(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 3)
    assert wires.elmore is not None
    slow = replace(wires, capacitance=wires.capacitance * 1.3, elmore=wires.elmore * 1.7)
    libraries = [shipped, scaled(shipped, 1.4)]
    options = {"delay_model": "elmore", "remove_pessimism": False}
    found = analyse_corners(prepared, libraries, [wires, slow], **options)  # type: ignore[arg-type]
    assert_same(found, singles(prepared, libraries, [wires, slow], **options), NEAR)


def test_types_may_stand_in_another_order(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 2, "driving")
    other = scaled(shipped, 1.3)
    moved = other.only(np.random.default_rng(0).permutation(len(other.types)))
    found = analyse_corners(prepared, [shipped, other, moved], wires, delay_model="elmore")
    np.testing.assert_array_equal(found.state_slew[:, 1], found.state_slew[:, 2])
    np.testing.assert_array_equal(found.state_arrival[:, 1], found.state_arrival[:, 2])
    np.testing.assert_array_equal(found.endpoints[1].slack, found.endpoints[2].slack)
    assert (found.state_slew[:, 0] != found.state_slew[:, 1]).any()


def test_libraries_of_several_thresholds(small: Library) -> None:
    """Slews change between types of two thresholds, in each corner by its own."""
    cells = ("BUF", "INV", "XOR", "AND", "ANDN", "LAT", "TIE", "FF")

    def steep(lower: int) -> Library:
        text = SMALL % {"buf": _delay(1.5), "inv": _delay(2.5), "setup": _constraint(0.4), "hold": _constraint(0.1)}
        for cell in cells:
            text = text.replace(f"cell ({cell})", f"cell ({cell}2)")
        levels = " ".join(
            f"slew_{side}_threshold_pct_{edge} : {at};"
            for side, at in (("lower", lower), ("upper", 100 - lower))
            for edge in ("rise", "fall")
        )
        return read_liberty(io.BytesIO(text.replace('"1ns";', f'"1ns"; {levels}').encode()))

    libraries = [Library.merged([small, steep(10)]), Library.merged([small, steep(30)])]
    netlist = """module t (a, b, y); input a, b; output y; wire n, m, k; BUF u (.A(a), .Z(n)); INV2 v (.A(n), .Z(m));
    XOR2 w (.A(m), .B(b), .Z(k)); AND x (.A(k), .B(n), .Z(y)); endmodule"""
    sdc = "create_clock -name v -period 20\nset_input_delay 0 -clock v {a b}\nset_output_delay 1 -clock v y\n"
    prepared = prepared_of(libraries[0], netlist, sdc)
    nets = prepared.circuit.num_nets
    elmore = np.random.default_rng(0).uniform(0.1e-9, 0.5e-9, (prepared.num_places, 2))
    wires = Wires("random", np.full(nets, 3e-14), np.ones(nets), elmore, np.ones(nets, np.bool_))
    found = analyse_corners(prepared, libraries, wires, delay_model="elmore")
    assert_same(found, singles(prepared, libraries, [wires] * 2, delay_model="elmore"), NEAR)


def test_an_ideal_clock_keeps_its_slew_for_registers_alone(small: Library) -> None:
    """Through a clock gate, whose clock pin has a check, the clock goes on with the slew that it has."""
    gate = """cell (GATE) { pin (CK) { direction : input; clock : true; capacitance : 0.01; }
 pin (EN) { direction : input; capacitance : 0.01; timing () { related_pin : "CK"; timing_type : setup_rising; %s } }
 pin (Z) { direction : output; function : "CK & EN";
  timing () { related_pin : "CK"; timing_sense : positive_unate; %s } } } cell (BUF) {"""
    text = SMALL % {"buf": _delay(1.0), "inv": _delay(2.0), "setup": _constraint(0.4), "hold": _constraint(0.1)}
    text = text.replace("cell (BUF) {", gate % (_constraint(0.4), _delay(1.0)))
    library = read_liberty(io.BytesIO(text.encode()))
    netlist = """module t (ck, en, d, q); input ck, en, d; output q; wire c; GATE g (.CK(ck), .EN(en), .Z(c));
    FF f (.CK(c), .D(d), .RN(d), .Q(q)); endmodule"""
    sdc = "create_clock -name ck -period 10 [get_ports ck]\nset_clock_transition 0.5 ck\nset_clock_latency 1 ck\n"
    prepared = prepared_of(
        library, netlist, sdc + "set_input_delay 1 -clock ck {en d}\nset_output_delay 1 -clock ck q\n"
    )
    libraries = corners_of(library)
    options = {"remove_pessimism": False}
    found = analyse_corners(prepared, libraries, None)
    assert_same(found, singles(prepared, libraries, [None] * 4, **options), NEAR)


def test_reports_of_one_corner(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 4, "derates")
    library = scaled(shipped, 1.2)
    timing = analyse_corners(prepared, [shipped, library], wires, delay_model="elmore").timing(1)
    own = prepare(prepared.circuit, library, prepared.constraints)
    alone = analyse(own, wires=wires, delay_model="elmore", remove_pessimism=False)
    np.testing.assert_allclose(timing.arrival, alone.arrival, rtol=0, atol=NEAR)
    np.testing.assert_allclose(timing.load, alone.load, rtol=1e-6)
    np.testing.assert_allclose(timing.prepared.pin_load, alone.prepared.pin_load, rtol=1e-12)
    paths, theirs = worst_paths(timing, 3), worst_paths(alone, 3)
    assert [[step.node for step in path.launch] for path in paths] == [
        [step.node for step in path.launch] for path in theirs
    ]


# -- kernels beside their twins ----------------------------------------------------------------


def swept(prepared: Prepared, libraries: list[Library], wires: Wires, cuts: tuple[int, ...] = ()) -> tuple[Any, ...]:
    own = aligned_libraries(prepared, libraries)
    each = (wires,) * len(own)
    load, boundaries = _loads(prepared, own, each, (True, True, True, None))
    starts = _starts(prepared, boundaries)
    rows = _plane_rows(prepared, starts)
    of_wires = (load, _elmore(prepared, each, "elmore"))
    return (*_sweep(prepared, own, of_wires, pair_tables(prepared, own), starts, rows, cuts), rows)


@pytest.mark.parametrize("case", ["two clocks", "points"])
def test_the_walk_may_be_cut_anywhere(shipped: Library, case: str) -> None:
    prepared, wires = random_design(shipped, 5, case)
    libraries = corners_of(shipped)
    whole = swept(prepared, libraries, wires)
    count = prepared.nodes.count
    for cuts in (tuple(range(1, count)), (7,), (count // 3, count // 2)):
        part = swept(prepared, libraries, wires, cuts)
        np.testing.assert_array_equal(whole[0], part[0])
        np.testing.assert_array_equal(whole[1], part[1])


@pytest.mark.parametrize("seed", range(3))
def test_the_sweep_equals_its_plain_twin(shipped: Library, seed: int) -> None:
    sdc = """create_clock -name ck -period 2 [get_ports ck]
set_propagated_clock ck
set_input_delay 0.1 -clock ck {a b c}
set_input_transition 0.04 [all_inputs]
"""
    prepared = prepared_of(shipped, plain_netlist(np.random.default_rng(seed), 40), sdc)
    libraries = corners_of(shipped)
    found = analyse_corners(prepared, libraries, None)
    places = prepared.num_places
    for corner, library in enumerate(libraries):
        slew, arrival = twin(replace(prepared, library=library), found.load[:, corner].astype(np.float64))
        ordered = np.concatenate([np.maximum(slew[:, :2], slew[:, 2:]), np.minimum(slew[:, :2], slew[:, 2:])], axis=1)
        known = ~np.isnan(slew[:places])
        np.testing.assert_allclose(found.slew(corner)[known], ordered[:places][known], rtol=1e-5, atol=1e-18)
        np.testing.assert_allclose(found.arrival(corner), arrival[:places], rtol=0, atol=NEAR)


def reach_twin(prepared: Prepared) -> list[set[int]]:
    """Planes that have an arrival at each node in an analysis."""
    timing = analyse(prepared, remove_pessimism=False)
    return [set(np.flatnonzero(np.isfinite(rows).any(axis=1)).tolist()) for rows in timing.state_arrival]


@pytest.mark.parametrize("case", CASES)
def test_rows_are_kept_for_the_planes_that_reach_a_node(shipped: Library, case: str) -> None:
    prepared, wires = random_design(shipped, 6, case)
    rows = swept(prepared, [shipped], wires)[2]
    sizes = np.diff(np.append(rows.row_of, rows.total))
    for node, planes in enumerate(reach_twin(prepared)):
        kept = rows.planes_of[rows.class_of[node]]
        assert set(kept[kept >= 0].tolist()) == planes, prepared.name(node)
        assert sizes[node] == len(planes) == rows.count[rows.class_of[node]]
        assert [rows.slot[rows.class_of[node], plane] for plane in sorted(planes)] == list(range(len(planes)))


def test_loads_of_pins_are_those_that_are_prepared(shipped: Library) -> None:
    prepared, _ = random_design(shipped, 0)
    library = scaled(shipped, 1.3)
    whole = prepare(prepared.circuit, library, prepared.constraints)
    own = aligned_libraries(prepared, [library])[0]
    np.testing.assert_array_equal(_pin_load(prepared, own), whole.pin_load)


def bank_of(tables: list[tuple[list[float], list[float]]], rng: np.random.Generator) -> TableBank:
    """Random tables over the given axes."""
    axes, axis, start, values = [0.0][:0], [], [], [0.0][:0]
    for first, second in tables:
        axis.append((len(axes), len(axes) + len(first)))
        axes += first + second
        start.append(len(values))
        values += rng.uniform(0.1, 1.0, len(first) * len(second)).tolist()
    shape = [(len(first), len(second)) for first, second in tables]
    return TableBank(
        np.array(shape, np.int32), np.array(axis, np.int64), np.array(start, np.int64), np.array(axes), np.array(values)
    )


@pytest.mark.parametrize("seed", range(4))
def test_pairs_of_tables_are_as_the_tables(shipped: Library, seed: int) -> None:
    """Equal and different axes, scalars and rows; inside and outside of the axes."""
    rng = np.random.default_rng(seed)
    prepared, _ = random_design(shipped, 0)
    one, two, three = [0.1, 0.2, 0.5, 0.9], [0.2, 0.3, 0.7], [0.25]
    bank = bank_of([(one, two), (one, two), (two, one), (three, one), (one, three), (three, three)], rng)
    library = replace(shipped, tables=bank, arc_table=rng.integers(0, 6, shipped.arc_table.shape).astype(np.int32))
    packed = pair_tables(prepared, [shipped, library])
    walked = np.unique(prepared.arcs.library_arc[prepared.arcs.library_arc >= 0])
    for arc in walked[rng.permutation(len(walked))[:20]].tolist():
        for end in (0, 1):
            x, y = rng.uniform(-0.2, 1.5, 2)
            base, first, second = packed.place[packed.row[arc, end], 1].tolist()
            found = _kernel_pair(packed.pool, base, first, second, x, y)
            for value, column in zip(found, (end, 2 + end), strict=True):
                wanted = bank.lookup(int(library.arc_table[arc, column]), x, y)
                assert value == pytest.approx(wanted, abs=2e-5)


@pytest.mark.parametrize("case", ["plain", "ideal", "two clocks", "exceptions"])
def test_pairs_of_outputs_are_those_of_the_checks(shipped: Library, case: str) -> None:
    prepared, wires = random_design(shipped, 7, case)
    timing = analyse(prepared, wires=wires, remove_pessimism=False)
    slew = timing.state_slew
    rows = liberty_checks(prepared, slew, timing.boundary.clock_slew(prepared, slew)) + gating_checks(prepared)
    every = candidates(prepared, rows, timing.state_arrival)
    wanted = every.take(np.flatnonzero(every.clock_node < 0))
    parts = output_pairs(prepared, timing.state_arrival)
    assert len(wanted)
    order = [np.lexsort((one.slack, one.plane, one.edge, one.kind, one.node)) for one in (wanted, wanted.joined(parts))]
    for name in wanted.__dataclass_fields__:
        ours, theirs = getattr(wanted.joined(parts), name)[order[1]], getattr(wanted, name)[order[0]]
        np.testing.assert_array_equal(ours, theirs)


# -- what does not fit -------------------------------------------------------------------------


def test_libraries_that_do_not_fit_are_refused(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 0)
    row = shipped.index["CGL_DFF_X1"]
    arc = int(shipped.arc_start[row])
    sense, table = shipped.arc_sense.copy(), shipped.arc_table.copy()
    sense[arc] = 1 if sense[arc] != 1 else 2
    table[arc, 0] = -1
    types = list(shipped.types)
    types[row] = replace(types[row], ports=types[row].ports[::-1], functions=types[row].functions[::-1])
    for other, message in (
        (shipped.only(np.arange(row)), "lacks type .*CGL_DFF_X1.*: give one that was characterised"),
        (replace(shipped, arc_sense=sense), "type 'CGL_DFF_X1': has other arcs"),
        (replace(shipped, arc_table=table), "has tables for other edges"),
        (replace(shipped, types=tuple(types)), "has other ports"),
        (replace(shipped, thresholds=shipped.thresholds * 2), "merges 2 files"),
    ):
        with pytest.raises(CircuitError, match=message):
            analyse_corners(prepared, [shipped, other], wires)


def test_requests_that_make_no_sense(shipped: Library) -> None:
    prepared, wires = random_design(shipped, 0)
    with pytest.raises(CircuitError, match="'dmp': must be one of lumped_cap, elmore in several corners"):
        analyse_corners(prepared, [shipped], wires, delay_model="dmp")
    with pytest.raises(CircuitError, match="libraries: are none"):
        analyse_corners(prepared, [], wires)
    with pytest.raises(CircuitError, match="are of 2 corners, the libraries of 1"):
        analyse_corners(prepared, [shipped], [wires, wires])
    with pytest.raises(CircuitError, match="needs wires with resistance"):
        analyse_corners(prepared, [shipped], replace(wires, elmore=None), delay_model="elmore")


@pytest.mark.parametrize(
    ("netlist", "sdc", "message"),
    [
        (
            LATCHES,
            CASES["plain"].replace("-period 1", "-period 0.6").replace("0.45", "0.3"),
            "latches: let data through",
        ),
        ("", GENERATED, "generated clock: takes its latency from the graph"),
    ],
)
def test_what_one_sweep_cannot_do_is_refused(shipped: Library, netlist: str, sdc: str, message: str) -> None:
    netlist = netlist or random_netlist(np.random.default_rng(1), 40)
    with pytest.raises(CircuitError, match=f"{message}.*: analyse each corner by itself"):
        analyse_corners(prepared_of(shipped, netlist, sdc), [shipped])


def test_a_circuit_without_clocks(small: Library) -> None:
    netlist = "module t (a, y); input a; output y; BUF u (.A(a), .Z(y)); endmodule"
    found = analyse_corners(prepared_of(small, netlist, "set_load 0.01 y"), [small, scaled(small, 2.0)])
    assert found.wns.tolist() == [0.0, 0.0]
    assert len(found.endpoints[0]) == 0
    assert math.isfinite(found.arrival(1)[1, 0])


# -- public designs ----------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("name", ["tt_mitssdd", "ihp_i2c"])
@pytest.mark.parametrize("model", ["lumped_cap", "elmore"])
def test_routed_designs(shared_data: Shared, name: str, model: str) -> None:
    found = design(shared_data, name)
    prepared, wires = found["prepared"], found["elmore"]
    libraries = corners_of(prepared.library)
    options = {"delay_model": model, "remove_pessimism": False, "listed": found["listed"]}
    assert_same(
        analyse_corners(prepared, libraries, wires, **options),
        singles(prepared, libraries, [wires] * 4, **options),
        NEAR_ROUTED,
    )
