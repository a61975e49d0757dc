"""Liberty: grammar with its quirks, tables, units, functions, kinds and roles; hostile files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.circuit import Direction, Role
from circuitgraph.errors import CircuitError, Notes
from circuitgraph.files import read_bytes
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.liberty.functions import postfix
from circuitgraph.formats.liberty.groups import MAX_NESTING, Group, clean, parse
from circuitgraph.function import Function
from circuitgraph.library import Library, Sense, TimingType

Shared = Callable[[str], Path]

HEAD = """library (l) { time_unit : "1ns"; capacitive_load_unit (1, pf);
 lu_table_template (t) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
  index_1 ("0.1, 0.2"); index_2 ("0.01, 0.02, 0.03"); }
 lu_table_template (turned) { variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
  index_1 ("0.01, 0.02, 0.03"); index_2 ("0.1, 0.2"); }
"""


def read(text: str) -> Library:
    return read_liberty(io.BytesIO(text.encode()))


def library_of(body: str) -> Library:
    return read(HEAD + body + "}")


def tables_of(library: Library, arc: int = 0) -> list[np.ndarray]:
    return [library.tables.table(int(row))[2] for row in library.arc_table[arc] if row >= 0]


# -- quirks ------------------------------------------------------------------------------------


def test_negative_entries_continuation_and_own_indices(shared_data: Shared) -> None:
    library = read_liberty(shared_data("digital/quirks") / "lib01_negative_and_split.lib")
    assert library.counts() == {"cells": 1, "arcs": 1, "tables": 2}
    rise, slew = tables_of(library)
    np.testing.assert_allclose(rise, np.array([[-0.01, 0.02, 0.03], [0.15, 0.2, 0.3]]) * 1e-9)
    first, second, values = library.tables.table(int(library.arc_table[0, 2]))
    np.testing.assert_allclose(first, [0.1e-9, 0.2e-9])
    np.testing.assert_allclose(second, [0.5e-12, 0.6e-12, 0.7e-12])
    assert values[1, 2] == pytest.approx(6e-9)
    assert slew.shape == (2, 3)


def test_missing_semicolons_listed_pins_and_postfix_not(shared_data: Shared) -> None:
    library = read_liberty(shared_data("digital/quirks") / "lib02_no_semicolons.lib")
    cell = library.types[0]
    assert [port.name for port in cell.ports] == ["Z", "A", "B", "C"]
    function = cell.functions[0]
    assert function is not None
    assert function.value({1: 1, 2: 1, 3: 1}) == 1
    assert function.value({1: 0, 3: 1}) == 0
    assert function.value({3: 0}) == 1


def test_scalar_tables_and_several_related_pins(shared_data: Shared) -> None:
    library = read_liberty(shared_data("digital/quirks") / "lib03_scalar_table.lib")
    assert library.num_arcs == 2
    assert len(library.tables) == 1
    assert library.tables.lookup(0, 1.0, 1.0) == pytest.approx(0.5e-9)


def test_buses_and_bundles(shared_data: Shared) -> None:
    library = read_liberty(shared_data("digital/quirks") / "lib04_bus.lib")
    assert [port.name for port in library.types[0].ports] == ["D[3]", "D[2]", "D[1]", "D[0]", "q1", "q0"]
    np.testing.assert_allclose(library.port_capacitance[:4, 0], [2e-12, 2e-12, 0, 3e-12])


def test_quoted_numbers_are_numbers_and_1_2_3_is_none(shared_data: Shared) -> None:
    with pytest.raises(CircuitError, match=r"lib05_bad_numbers.lib:1: attribute 'capacitance' of pin 'A': '1.2.3'"):
        read_liberty(shared_data("digital/quirks") / "lib05_bad_numbers.lib")
    library = read(
        'library(l){capacitive_load_unit ("1","fF"); cell(c){area:"1.5"; pin(A){direction:"input";capacitance:"2";}}}'
    )
    assert library.area[0] == 1.5
    assert library.port_capacitance[0, 0] == pytest.approx(2e-15)


def _count(groups: list[Group], name: str) -> int:
    return sum((group.name == name) + _count(group.groups, name) for group in groups)


def test_counts_of_the_public_files(shared_data: Shared) -> None:
    folder = shared_data("digital/liberty").parent
    wanted: dict[str, dict[str, int]] = {}
    with (shared_data("digital") / "counts.csv").open() as file:
        for row in csv.DictReader(file):
            if row["format"] == "liberty" and row["value"].isdigit():
                wanted.setdefault(row["file"], {})[row["metric"]] = int(row["value"])
    assert wanted
    for name, counts in wanted.items():
        text = clean(read_bytes(folder / name), name)
        groups = parse(text, Notes())
        assert _count(groups, "cell") == counts["cells"], name
        for metric in ("timing", "ff", "latch", "bus", "bundle", "lu_table_template"):
            assert _count(groups, metric) == counts[f"{metric}_groups"], (name, metric)
        assert len(read_liberty(folder / name).types) == counts["cells"], name


# -- tables ------------------------------------------------------------------------------------


def test_the_order_of_the_axes_does_not_matter() -> None:
    body = 'cell (c) { pin (A) { direction : input; } pin (Y) { direction : output; function : "A"; timing () { '
    body += 'related_pin : "A"; cell_rise (t) { values ("1,2,3", "4,5,6"); } '
    body += 'cell_fall (turned) { values ("1,4", "2,5", "3,6"); } } } }'
    library = library_of(body)
    straight, turned = tables_of(library)
    np.testing.assert_array_equal(straight, turned)
    for x, y in ((0.15e-9, 0.015e-12), (0.05e-9, 0.05e-12), (1e-9, 0.0)):
        assert library.tables.lookup(0, x, y) == pytest.approx(library.tables.lookup(1, x, y))


def test_lookup_by_hand_inside_and_outside() -> None:
    body = 'cell (c) { pin (A) { direction : input; } pin (Y) { direction : output; function : "A"; timing () { '
    library = library_of(body + 'related_pin : "A"; cell_rise (t) { values ("1,2,4", "3,5,9"); } } } }')
    assert library.tables.lookup(0, 0.15e-9, 0.015e-12) == pytest.approx((1 + 2 + 3 + 5) / 4 * 1e-9)
    assert library.tables.lookup(0, 0.1e-9, 0.04e-12) == pytest.approx(6e-9)
    assert library.tables.lookup(0, 0.3e-9, 0.01e-12) == pytest.approx(5e-9)
    assert library.tables.lookup(0, 0.0, 0.0) == pytest.approx((1 - 1 + (1 - 1 - (3 - 2))) * 1e-9)


def test_a_table_must_fill_its_axes() -> None:
    body = 'cell (c) { pin (A) {direction:input;} pin (Y) {direction:output; timing () {related_pin:"A";\n'
    with pytest.raises(CircuitError, match="7: table 'cell_rise': holds 5 values, not 6"):
        library_of(body + 'cell_rise (t) { values ("1,2,3", "4,5"); } } } }')


def test_linear_delays_become_tables() -> None:
    library = library_of(
        'cell (c) { pin (A) {direction:input;} pin (Y) {direction:output; function:"A"; timing () {related_pin:"A"; '
        "intrinsic_rise : 0.2; rise_resistance : 3; intrinsic_fall : 0.1; fall_resistance : 2; } } }"
    )
    assert library.tables.lookup(int(library.arc_table[0, 0]), 1.0, 0.5e-12) == pytest.approx(0.2e-9 + 3e3 * 0.5e-12)


def test_capacitance_ranges_and_edges() -> None:
    library = library_of(
        "cell (c) { pin (A) {direction:input; capacitance : 1; rise_capacitance : 2; rise_capacitance_range (1.5, 2.5);"
        " fall_capacitance : 3; } }"
    )
    np.testing.assert_allclose(library.port_capacitance[0], np.array([2.5, 3, 1.5, 3]) * 1e-12)


def test_wire_load_lengths() -> None:
    library = library_of(
        'wire_load ("w") { capacitance : 2; resistance : 0.5; slope : 10; fanout_length (1, 5); fanout_length (3, 9); }'
        " default_wire_load : w;"
    )
    model = library.default_wire_load
    assert model is not None
    np.testing.assert_allclose(model.length([1, 2, 3, 5]), [5, 7, 9, 29])
    assert model.capacitance == 2e-12
    assert model.resistance == 500.0


# -- functions, kinds, roles -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("A B", 0b1000),
        ("A & B", 0b1000),
        ("A*B", 0b1000),
        ("A + B", 0b1110),
        ("A|B", 0b1110),
        ("A ^ B", 0b0110),
        ("!A B'", 0b0001),
        ("!(A B)", 0b0111),
        ("(A B)'", 0b0111),
        ("A ^ B + A B", 0b1110),
        ("A B ^ A", 0b0010),
        ("1", 0b1111),
    ],
)
def test_precedence_of_operators(text: str, table: int) -> None:
    function = Function.of_program(postfix(text, {"A": 0, "B": 1}.get))
    assert sum(function.value({0: row & 1, 1: row >> 1 & 1}) << row for row in range(4)) == table


@pytest.mark.parametrize("text", ["A +", "(A", "A)", "A # B", "", "Q", "!" * 200 + "A"])
def test_malformed_functions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"ends|lacks|has|holds|names|nested"):
        postfix(text, {"A": 0}.get)


@pytest.fixture(scope="module")
def sky130(shared_data: Shared) -> Library:
    return read_liberty(shared_data("timing/lib") / "sky130hd_tt.lib.xz")


def test_sky130(sky130: Library) -> None:
    assert len(sky130.types) == 428
    kinds = {t.name.removeprefix("sky130_fd_sc_hd__"): t.kind for t in sky130.types}
    wanted = {
        "inv_1": "inv",
        "nand2_1": "nand2",
        "mux2_1": "mux2",
        "mux4_1": "mux4",
        "fa_1": "full_adder",
        "ha_1": "half_adder",
        "conb_1": "tie",
        "dfxtp_1": "dff",
        "dfrtp_1": "dff_reset",
        "dfstp_1": "dff_set",
        "dfbbp_1": "dff_set_reset",
        "sdfxtp_1": "dff_mux",
        "edfxtp_1": "dff_mux",
        "dlxtp_1": "latch",
        "dlrtp_1": "latch_reset",
        "dlclkp_1": "clock_gate",
        "ebufn_1": "tristate",
        "diode_2": "physical",
    }
    assert {name: kinds[name] for name in wanted} == wanted
    roles = {p.name: p.role for p in sky130.types[sky130.index["sky130_fd_sc_hd__sdfrtp_1"]].ports}
    assert roles == {
        "CLK": Role.CLOCK,
        "D": Role.DATA,
        "Q": Role.DATA,
        "RESET_B": Role.RESET,
        "SCD": Role.SCAN,
        "SCE": Role.SCAN,
    }
    assert sky130.is_power_port("sky130_fd_sc_hd__inv_1", "VPWR")
    assert sky130.notes.count("group internal_power skipped") == 2477
    enabled = sky130.types[sky130.index["sky130_fd_sc_hd__edfxtp_1"]]
    assert enabled.next_state is not None
    assert enabled.port_index("Q") in enabled.next_state.inputs
    assert enabled.ports[enabled.port_index("DE")].role == Role.ENABLE
    mux = sky130.types[sky130.index["sky130_fd_sc_hd__mux2_1"]]
    assert mux.ports[mux.port_index("S")].role == Role.SELECT


def test_arcs_of_a_flip_flop(sky130: Library) -> None:
    row = sky130.index["sky130_fd_sc_hd__dfrtp_1"]
    names = [port.name for port in sky130.types[row].ports]
    arcs = {
        (names[sky130.arc_from[arc]], names[sky130.arc_to[arc]], TimingType(int(sky130.arc_timing[arc])).name)
        for arc in range(sky130.arc_start[row], sky130.arc_start[row + 1])
    }
    assert arcs == {
        ("CLK", "D", "SETUP_RISING"),
        ("CLK", "D", "HOLD_RISING"),
        ("CLK", "Q", "RISING_EDGE"),
        ("RESET_B", "Q", "CLEAR"),
        ("CLK", "RESET_B", "RECOVERY_RISING"),
        ("CLK", "RESET_B", "REMOVAL_RISING"),
    }


def test_sense_is_derived_where_the_file_has_none() -> None:
    body = 'cell (c) { pin (A) {direction:input;} pin (B) {direction:input;} pin (Y) {direction:output; function:"F"; '
    body += 'timing () {related_pin:"A"; cell_rise (scalar) { values ("1"); } } } }'
    for text, sense in (("A B", Sense.POSITIVE), ("!A + B", Sense.NEGATIVE), ("A ^ B", Sense.NON_UNATE)):
        assert library_of(body.replace('"F"', f'"{text}"')).arc_sense[0] == sense


def test_the_first_of_two_libraries_wins() -> None:
    one = library_of("cell (c) { area : 1; pin (A) {direction:input;} } cell (d) { area : 2; }")
    two = library_of('cell (c) { area : 3; } cell (e) { area : 4; pin (Z) {direction:output; function:"1";} }')
    whole = Library.merged([one, two])
    assert [t.name for t in whole.types] == ["c", "d", "e"]
    assert whole.area.tolist() == [1, 2, 4]
    assert whole.corner.tolist() == [0, 0, 1]
    assert whole.notes.count("cell type in a second library left out") == 1
    found = whole.cell_type("e")
    assert found is not None
    assert found.kind == "const1"
    assert found.ports[0].direction == Direction.OUTPUT
    assert whole.cell_type("none") is None


# -- hostile and broken files ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("library (l) { cell (a) {", "1: group 'cell': has no end"),
        ("library (l) { } }", "'}': closes no group"),
        ('library (l) { comment : "x', "string without end|is no statement"),
        ("library (l) { /* x ", "comment: has no end"),
        ("library (l) { = 3; }", "is no statement"),
        ("cell (c) { }", "holds 0 groups 'library'"),
        ("library (l) { include_file (x.lib); }", "include_file: is not followed"),
        ('library (l) { time_unit : "1lightyear"; }', "unit '1lightyear' is unknown"),
        ('library (l) { cell (c) { pin (Y) {direction:output; function : "A +"; } } }', "ends too early"),
        (
            'library (l) { cell (c) { pin (Y) {direction:output; timing () {related_pin:"Q"; timing_type:setup_rising;'
            ' rise_constraint (scalar) { values ("1"); } } } } }',
            "related pin 'Q' is no pin of",
        ),
        ("library (l) { cell (c) { pin (A) {direction:input;} pin (A) {direction:input;} } }", "stands twice"),
        ("library (l) { cell (c) { bus (D) { bus_type : nowhere; } } }", "bus type 'nowhere' is not defined"),
        ("library (l) { type (b) { bit_width : 9999999; } cell (c) { bus (D) { bus_type : b; } } }", "is wider than"),
        ("x { " * 2, "is no statement"),
        ("library (l) { a () { " * (MAX_NESTING + 2), "is nested deeper than"),
    ],
)
def test_broken_files_name_place_and_rule(text: str, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        read(text)


def test_line_ends_byte_order_mark_and_compression(tmp_path: Path) -> None:
    import gzip

    text = HEAD + "cell (c) { area : 1; } }"
    for raw in (text.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + text.encode(), gzip.compress(text.encode())):
        path = tmp_path / "x.lib"
        path.write_bytes(raw)
        assert read_liberty(path).area[0] == 1
    with pytest.raises(CircuitError, match="byte 0"):
        read("library (l) { \0 }")


def test_slashes_inside_strings_are_no_comments() -> None:
    library = read('library (l) { comment : "http://x /* no */"; cell (c) { area : 2; // yes\n } /* two\n lines */ }')
    assert library.area[0] == 2


def test_flipped_bytes_give_a_library_or_an_error(root: Path) -> None:
    text = bytearray((root / "data" / "library" / "cgl_typ.lib").read_bytes()[:30_000])
    rng = np.random.default_rng(1)
    said: set[str] = set()
    for _ in range(150):
        broken = bytearray(text)
        for at in rng.integers(0, len(broken), 3):
            broken[at] = rng.choice(np.frombuffer(b'{}();:"\n,.x1-', np.uint8))
        broken = broken[: rng.integers(10, len(broken))]
        try:
            read_liberty(io.BytesIO(bytes(broken)))
        except CircuitError as error:
            said.add(error.rule)
    assert said


def test_linear_delay_of_the_shipped_library(root: Path) -> None:
    library = read_liberty(root / "data" / "library" / "cgl_typ.lib")
    assert library.counts()["cells"] >= 40
    assert all(math.isfinite(value) for value in library.tables.values)
