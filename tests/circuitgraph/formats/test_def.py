"""DEF: quirks, pin places in all orientations by hand, matching with netlists, round trips, mutations, public files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import tarfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard

from circuitgraph import CircuitError
from circuitgraph.circuit import CellType, Circuit, CircuitBuilder, Direction, Port
from circuitgraph.formats import def_reader
from circuitgraph.formats.def_reader import read_def
from circuitgraph.formats.lef import read_lef
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.layout import (
    ORIENTATIONS,
    CellShape,
    Layout,
    Placement,
    RoutingLayer,
    Row,
    Technology,
    place_pins,
    write_def,
)
from circuitgraph.parasitics import table_texts
from tasks.inspection import layout_record, text_of

Shared = Callable[[str], Path]

BOX = CellType("BOX", "opaque", (Port("A"), Port("Z", Direction.OUTPUT)), (None, None), is_opaque=True)
LAYERS = (
    RoutingLayer("M1", "horizontal", 2e-7, 1e-7, 5e6, 1e-10),
    RoutingLayer("M2", "vertical", 2e-7, 1e-7, 4e6, 1e-10),
)
SHAPE = CellShape(8e-7, 1.4e-6, {"A": (1e-7, 5e-7), "Z": (7e-7, 6e-7)})
TECHNOLOGY = Technology("small", 2e-7, 1.4e-6, LAYERS, (5.0,), {"BOX": SHAPE})

HEAD = """VERSION 5.8 ;
DIVIDERCHAR "/" ;
BUSBITCHARS "[]" ;
DESIGN top ;
UNITS DISTANCE MICRONS 1000 ;
DIEAREA ( 0 0 ) ( 9000 9000 ) ;
ROW r0 unit 0 0 N DO 45 BY 1 STEP 200 0 ;
"""
SMALL = (
    HEAD
    + """TRACKS X 100 DO 5 STEP 200 LAYER M1 ;
PROPERTYDEFINITIONS
  COMPONENT note STRING ;
END PROPERTYDEFINITIONS
VIAS 1 ;
- v1 + RECT M1 ( -1 -1 ) ( 1 1 ) ;
END VIAS
COMPONENTS 3 ;
- u1 BOX + PLACED ( 1000 2000 ) N ;
- b\\/u2 BOX + SOURCE TIMING + FIXED ( -10 20 ) FS
  + PROPERTY note "semi ; colon - END" ; # a comment ; with "
- fill FILL ;
END COMPONENTS
PINS 2 ;
- a + NET a + DIRECTION INPUT + USE SIGNAL + LAYER M1 ( -10 0 ) ( 10 40 ) + FIXED ( 0 500 ) E ;
- y[1] + NET y[1] + DIRECTION OUTPUT
  + PORT + LAYER M2 MASK 1 ( 0 0 ) ( 5 5 ) + PLACED ( 100 100 ) N
  + PORT + LAYER M1 ( 0 0 ) ( 9 9 ) + PLACED ( 900 900 ) N ;
END PINS
SPECIALNETS 1 ;
- VDD ( * VDD ) + ROUTED M1 100 ( 0 0 ) ( 10 * ) ;
END SPECIALNETS
NETS 3 ;
- a ( PIN a ) ( u1 A )
  + ROUTED M1 ( 0 50 ) ( * 60 ) VIA12
    NEW M2 ( 0 60 1 ) ( 10 * 1 ) ;
- n ( u1 Z ) ( b\\/u2 A + SYNTHESIZED ) + USE SIGNAL ;
- y[1] ( PIN y[1] ) ( b\\/u2 Z ) ;
END NETS
END DESIGN
"""
)


def layout_of(text: str | bytes, technology: Technology | None = TECHNOLOGY) -> Layout:
    stream = io.BytesIO(text.encode() if isinstance(text, str) else text)
    stream.name = "small.def"
    return read_def(stream, technology)


def pair() -> Circuit:
    """a -> u1 -> n -> b/u2 -> bit 1 of y, with an escaped slash in a name."""
    builder = CircuitBuilder("top")
    middle, end = builder.net("n"), builder.net("y[1]")
    builder.cell("u1", BOX, [builder.input("a"), middle])
    builder.cell("b/u2", BOX, [middle, end])
    builder.output("y[1]", end)
    return builder.build()


def test_columns_by_hand() -> None:
    found = layout_of(SMALL)
    design = found.design
    assert design is not None
    assert (design.name, design.version, design.divider, design.bus, design.units) == ("top", "5.8", "/", "[]", 1000)
    assert found.die == (0.0, 0.0, 9e-6, 9e-6)
    assert found.rows == (Row(0.0, 0.0, 45, "N", "unit"),)
    assert found.rows[0].step == 2e-7
    assert table_texts(design.cell_names) == ["u1", "b\\/u2", "fill"]
    assert [design.type_names[row] for row in design.cell_type] == ["BOX", "BOX", "FILL"]
    assert design.cell_status.tolist() == [Placement.PLACED, Placement.FIXED, Placement.UNPLACED]
    assert found.cell_x == pytest.approx([1e-6, -1e-8, np.nan], nan_ok=True)
    assert found.cell_y == pytest.approx([2e-6, 2e-8, np.nan], nan_ok=True)
    assert found.cell_orientation.tolist() == [0, 3, 0]
    assert found.cell_width == pytest.approx([8e-7, 8e-7, np.nan], nan_ok=True)
    assert table_texts(design.net_names) == ["a", "n", "y[1]"]
    pins = [
        (design.pin_net[row], design.pin_cell[row], design.pin_names[design.pin_name[row]])
        for row in range(len(design.pin_net))
    ]
    assert pins == [(0, 0, "A"), (1, 0, "Z"), (1, 1, "A"), (2, 1, "Z")]
    assert found.pin_x == pytest.approx([1.1e-6, 1.7e-6, 9e-8, 6.9e-7])
    assert found.pin_y == pytest.approx([2.5e-6, 2.6e-6, 9.2e-7, 8.2e-7])
    assert design.listed == {
        "tracks": 1,
        "rows": 1,
        "vias": 1,
        "components": 3,
        "pins": 2,
        "specialnets": 1,
        "nets": 3,
        "routed_nets": 1,
    }
    assert design.notes.counts == {"cell type without a shape in the technology": 1}


def test_ports_by_hand() -> None:
    """E turns (x, y) into (y, -x) about the location; of several ports the first counts."""
    found = layout_of(SMALL)
    design = found.design
    assert design is not None
    assert table_texts(design.port_names) == ["a", "y[1]"]
    assert design.port_direction == ("input", "output")
    assert design.port_layer == ("M1", "M2")
    assert design.port_net.tolist() == [0, 2]
    assert design.port_box[0] == pytest.approx([0.0, 490e-9, 40e-9, 510e-9])
    assert found.port_x == pytest.approx([20e-9, 102.5e-9])
    assert found.port_y == pytest.approx([500e-9, 102.5e-9])


ALL_TURNS = {
    # A pin at (1, 3) of a cell that is 4 wide and 10 high; the box is 4 x 10, or 10 x 4 when turned by 90 degrees.
    "N": (1, 3),  # (x, y)
    "S": (3, 7),  # (w - x, h - y)
    "W": (7, 1),  # a quarter to the left: (x, y) -> (-y, x), then moved right by h
    "E": (3, 3),  # a quarter to the right: (x, y) -> (y, -x), then moved up by w
    "FN": (3, 3),  # N mirrored left to right
    "FS": (1, 7),  # S mirrored left to right
    "FW": (3, 1),  # W mirrored left to right: 10 - 7
    "FE": (7, 3),  # E mirrored left to right: 10 - 3
}


@pytest.mark.parametrize("turn", ORIENTATIONS)
def test_a_pin_in_every_orientation(turn: str) -> None:
    shape = CellShape(4e-6, 10e-6, {"A": (1e-6, 3e-6)})
    text = HEAD + (
        f"COMPONENTS 1 ;\n- u1 BOX + PLACED ( 50000 70000 ) {turn} ;\nEND COMPONENTS\n"
        "NETS 1 ;\n- n ( u1 A ) ;\nEND NETS\nEND DESIGN\n"
    )
    found = layout_of(text, replace(TECHNOLOGY, shapes={"BOX": shape}))
    x, y = ALL_TURNS[turn]
    assert (found.pin_x[0] * 1e6, found.pin_y[0] * 1e6) == pytest.approx((50 + x, 70 + y))
    if turn in {"W", "E", "FW", "FE"}:
        assert ORIENTATIONS[found.cell_orientation[0]] == turn


def test_resolved_against_a_circuit() -> None:
    circuit = pair()
    resolved = layout_of(SMALL).resolve(circuit, TECHNOLOGY)
    assert resolved.cell.tolist() == [0, 1]
    assert resolved.port.tolist() == [0, 1]
    report = resolved.report
    assert (report.num_missing, report.num_unknown, report.unknown) == (0, 1, ("fill",))
    assert (report.num_missing_ports, report.num_unknown_ports, report.num_other_type) == (0, 0, 0)
    report.require("small.def")
    # the circuit's pins are by cell, the file's by net: u1/A u1/Z u2/A u2/Z are 0 1 2 3 in both here
    assert resolved.layout.pin_x == pytest.approx(layout_of(SMALL).pin_x)
    assert resolved.layout.pin_y == pytest.approx(layout_of(SMALL).pin_y)
    assert resolved.layout.design is None
    assert np.isnan(layout_of(SMALL).resolve(circuit).layout.pin_x).all()


def test_a_layout_of_another_circuit_is_refused() -> None:
    lost = SMALL.replace("b\\/u2", "b\\/u3").replace("u1 BOX +", "u1 BAX +")
    report = layout_of(lost).resolve(pair(), TECHNOLOGY).report
    assert (report.num_missing, report.missing, report.num_unknown, report.num_other_type) == (1, ("b\\/u2",), 2, 1)
    with pytest.raises(CircuitError, match=r"small.def: cells: 1 of the 2 cells .*missing: 'b.*/u2'"):
        report.require("small.def")
    unplaced = layout_of(SMALL.replace("PLACED ( 1000 2000 ) N", "UNPLACED")).resolve(pair(), TECHNOLOGY)
    assert unplaced.report.num_unplaced == 1
    with pytest.raises(CircuitError, match="have no place"):
        unplaced.report.require("small.def")
    with pytest.raises(CircuitError, match="has no names to match"):
        unplaced.layout.resolve(pair())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("b\\/u2", "b/u2"),  # the divider of a flattened name without its backslash
        ('DIVIDERCHAR "/"', 'DIVIDERCHAR "|"'),
        ("[1]", "\\[1\\]"),
    ],
)
def test_other_spellings_of_names_match(old: str, new: str) -> None:
    text = SMALL.replace(old, new)
    assert text != SMALL
    report = layout_of(text).resolve(pair()).report
    assert (report.num_missing, report.num_missing_ports, report.num_unknown) == (0, 0, 1)


def test_other_bus_characters_and_divider() -> None:
    text = SMALL.replace("[1]", "<1>").replace('BUSBITCHARS "[]"', 'BUSBITCHARS "<>"')
    design = layout_of(text).design
    assert design is not None
    assert table_texts(design.net_names) == ["a", "n", "y[1]"]


def test_a_net_may_spell_a_component_with_other_escapes() -> None:
    found = layout_of(SMALL.replace("( b\\/u2 Z )", "( b/u2 Z )"))
    assert found == layout_of(SMALL)


def test_round_trip() -> None:
    """The same places bit by bit, twice over, and the same text; all orientations, a cell and a port without a place."""
    circuit = pair()
    for turn in range(8):
        turned = np.array([turn, 7 - turn], np.int8)
        x, y = np.array([0.0, 4e-7]), np.array([0.0, 1.4e-6])
        pin_x, pin_y = place_pins(circuit, TECHNOLOGY, x, y, turned)
        rows = (Row(0.0, 0.0, 6, "N"), Row(0.0, 1.4e-6, 6, "FS"))
        ports = np.array([0.0, 1.2e-6]), np.array([7e-7, 7e-7])
        first = Layout((0.0, 0.0, 1.2e-6, 2.8e-6), rows, x, y, turned, np.full(2, 8e-7), pin_x, pin_y, *ports)
        text = write_def(circuit, first, TECHNOLOGY)
        second = layout_of(text).resolve(circuit, TECHNOLOGY).layout
        assert second == first
        assert write_def(circuit, second, TECHNOLOGY) == text
        assert layout_of(write_def(circuit, second, TECHNOLOGY)) == layout_of(text)
    lost = replace(first, cell_x=np.array([np.nan, 4e-7]), port_x=np.array([np.nan, 1.2e-6]))
    again = layout_of(write_def(circuit, lost, TECHNOLOGY)).resolve(circuit, TECHNOLOGY)
    assert again.report.num_unplaced == 1
    assert np.isnan(again.layout.port_x).tolist() == [True, False]


def test_the_quick_records_and_the_words_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the two patterns for usual records every record goes word by word, to the same layout."""
    wanted = layout_of(SMALL)
    never = def_reader.re.compile(r"(?!)")
    monkeypatch.setattr(def_reader, "_COMPONENT", never)
    monkeypatch.setattr(def_reader, "_NET", never)
    found = layout_of(SMALL)
    assert found == wanted
    assert found.design is not None
    assert wanted.design is not None
    assert found.design.listed == wanted.design.listed
    for column in ("pin_cell", "pin_name", "pin_net", "port_net", "cell_type", "cell_status"):
        assert np.array_equal(getattr(found.design, column), getattr(wanted.design, column))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2000 ) N", "2000 ) X", "small.def:16:1: component 'u1': has the unknown orientation 'X': use one of N S FN"),
        ("( 1000 2000 )", "( 1000 )", "small.def:16:1: component 'u1': needs a point ( x y )"),
        ("( 1000 2000 )", "( 3000000000 0 )", "small.def:16:1: component 'u1': has a place beyond 32 bits"),
        ("+ PLACED ( 1000", "+ PALCED ( 1000", "has the unknown option 'PALCED': did you mean 'PLACED'?"),
        ("- fill FILL", "- u1 FILL", "small.def:19:1: component 'u1': stands twice"),
        ("( u1 Z )", "( u9 Z )", "small.def:34:1: net 'n': names the unknown component 'u9'"),
        ("( PIN a )", "( PIN b )", "small.def:31:1: net 'a': names the unknown pin 'b'"),
        ("- n ( u1", "- a ( u1", "small.def:34:1: net 'a': stands twice"),
        ("END VIAS", "END NETS", "small.def:14:1: section VIAS: holds no record and no end here"),
        ("END DESIGN\n", "", "file: has no END DESIGN: check that it was copied whole"),
        ("TRACKS X", "TRACSK X", "small.def:8:1: statement 'TRACSK': is unknown: did you mean 'TRACKS'?"),
        ("STEP 200 0", "STEP 200", "small.def:7:1: row 'r0': must end with DO n BY m STEP x y"),
        ("( 9000 9000 ) ;", ";", "small.def:6:1: DIEAREA: needs two points or more"),
        ("MICRONS 1000", "MICRONS 0", "small.def:5:1: UNITS: must be DISTANCE MICRONS n"),
        ('END" ; # a comment ; with "', "END ;", "small.def:18:19: string: is not closed"),
        ('DIVIDERCHAR "/"', 'DIVIDERCHAR "ab"', "DIVIDERCHAR: is 'ab'"),
        ("- a + NET", "- y[1] + NET", "pin 'y[1]': stands twice"),
        ("COMPONENTS 3 ;", "COMPONENTS x ;", "section COMPONENTS: needs a whole number"),
    ],
)
def test_messages(old: str, new: str, said: str) -> None:
    assert old in SMALL
    with pytest.raises(CircuitError) as caught:
        layout_of(SMALL.replace(old, new, 1))
    assert said in str(caught.value)
    assert caught.value.place.startswith("small.def")


def test_stated_numbers_are_hints() -> None:
    found = layout_of(SMALL.replace("COMPONENTS 3", "COMPONENTS 900000000").replace("NETS 3", "NETS 0"))
    assert found.design is not None
    assert found.design.counts() == {"components": 3, "pins": 2, "nets": 3}
    assert found.design.notes.count("COMPONENTS states another number than its records") == 1
    assert found.design.notes.count("NETS states another number than its records") == 1
    assert found == layout_of(SMALL)


def test_compressed_other_line_ends_and_names_that_are_not_utf8(tmp_path: Path) -> None:
    wanted = layout_of(SMALL)
    data = SMALL.encode()
    packed = {".gz": gzip.compress(data), ".xz": lzma.compress(data)}
    packed[".zst"] = zstandard.ZstdCompressor().compress(data)
    packed[""] = data.replace(b"\n", b"\r\n")
    packed[".bare"] = data.rstrip(b"\n")
    for suffix, content in packed.items():
        (tmp_path / f"x.def{suffix}").write_bytes(content)
        assert read_def(tmp_path / f"x.def{suffix}", TECHNOLOGY) == wanted
    odd = layout_of(data.replace(b"u1", b"u\xff\x85\xa0"))
    assert odd.design is not None
    assert table_texts(odd.design.cell_names)[0].encode("utf-8", "surrogateescape") == b"u\xff\x85\xa0"
    assert odd == wanted


def test_limits_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUITGRAPH_MAX_BYTES", "20")
    with pytest.raises(CircuitError, match=r"more than 20 bytes.*CIRCUITGRAPH_MAX_BYTES"):
        layout_of(SMALL)


def test_a_result_or_an_error_whatever_the_bytes() -> None:
    data = SMALL.encode()
    rng = np.random.default_rng(0)
    words = data.split(b" ")
    lines = data.split(b"\n")
    changed = [data[:end] for end in range(0, len(data), 4)]
    flipped = [(place, int(rng.integers(256))) for place in range(0, len(data), 2)]
    changed += [data[:place] + bytes([value]) + data[place + 1 :] for place, value in flipped]
    for place in range(len(words)):
        other = words[int(rng.integers(len(words)))]
        changed.append(b" ".join(words[:place] + words[place + 1 :]))
        changed.append(b" ".join([*words[:place], other, *words[place:]]))
    changed += [b"\n".join([*lines[:row], *lines[row - 1 :]]) for row in range(1, len(lines))]
    head = HEAD.encode()
    changed += [head + b"NETS 1 ;\n- n " + b"( " * 200_000, head + b"COMPONENTS 1 ;\n- " + b"+ " * 200_000]
    changed += [head + b"NETS 1 ;\n- n " + b"( u A " * 50_000, b'"' * 100_001, b"\\" * 200_000, b"- " * 200_000]
    results = 0
    for text in changed:
        try:
            layout_of(text)
            results += 1
        except CircuitError as error:
            assert "\n" not in str(error)
            assert all((error.place, error.subject, error.rule, error.way_out))
    assert 0 < results < len(changed)


def test_what_inspect_says() -> None:
    record = layout_record(layout_of(SMALL, None), "x.def")
    assert {key: value for key, value in record.items() if key != "cell_types"} == {
        "file": "x.def",
        "format": "def",
        "name": "top",
        "components": 3,
        "pins": 2,
        "nets": 3,
    }
    assert text_of(record).splitlines() == [
        "x.def: def top: components 3  pins 2  nets 3",
        "  cells: BOX 2  FILL 1",
    ]


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_inspect_by_the_command_line(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], packed: str
) -> None:
    from tasks.cli import main

    for name in ("small.def", "small.lef"):
        data = (samples / name).read_bytes()
        (tmp_path / f"{name}{packed}").write_bytes(gzip.compress(data) if packed else data)
    assert main(["inspect", *(str(tmp_path / f"{name}{packed}") for name in ("small.def", "small.lef")), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert {key: first[key] for key in ("format", "name", "components", "pins", "nets")} == {
        "format": "def",
        "name": "small",
        "components": 4,
        "pins": 5,
        "nets": 7,
    }
    assert first["cell_types"] == {"INV": 2, "DFF": 1, "NAND2": 1}
    assert {key: second[key] for key in ("format", "name", "layers", "vias", "sites", "macros", "pins")} == {
        "format": "lef",
        "name": "small",
        "layers": 3,
        "vias": 1,
        "sites": 1,
        "macros": 3,
        "pins": 8,
    }


def test_quirks(shared_data: Shared) -> None:
    folder = shared_data("digital/quirks")
    found = read_def(folder / "d01_def.def")
    design = found.design
    assert design is not None
    assert design.counts() == {"components": 3, "pins": 1, "nets": 2}
    assert found.cell_x * 1e9 == pytest.approx([10, -10, np.nan], nan_ok=True)
    assert [ORIENTATIONS[row] for row in found.cell_orientation] == ["FS", "N", "N"]
    assert len(design.pin_cell) + int((design.port_net >= 0).sum()) == 4
    assert found.die == pytest.approx((0, 0, 1e-7, 1e-7))
    lies = read_def(folder / "d02_def_count_lies.def").design
    assert lies is not None
    assert lies.counts()["components"] == 1
    assert lies.notes.count("COMPONENTS states another number than its records") == 1


@pytest.mark.data
def test_counts_of_public_files(shared_data: Shared) -> None:
    """Records, stated numbers, rows, tracks, units and die of every file; regions2.def states 10 and holds 4."""
    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    with (shared_data("digital") / "counts.csv").open() as file:
        for row in csv.DictReader(file):
            if row["format"] == "def":
                wanted[row["file"]][row["metric"]] = row["value"]
    for name, metrics in wanted.items():
        found = read_def(shared_data(f"digital/{name.split('/')[0]}").parent / name)
        design = found.design
        assert design is not None
        counted = {key if key in {"rows", "tracks"} else f"{key}_records": str(v) for key, v in design.listed.items()}
        counted |= {f"{key}_stated": str(value) for key, value in design.stated.items()}
        counted["dbu_per_micron"] = str(design.units)
        x0, y0, x1, y1 = (round(value * design.units * 1e6) for value in found.die)
        counted["diearea"] = f"( {x0} {y0} ) ( {x1} {y1} )"
        assert {key: counted.get(key, "0") for key in metrics} == metrics, name
    assert len(wanted) == 12


@pytest.mark.data
@pytest.mark.parametrize(("name", "library"), [("sky130hd_gcd", "sky130hd"), ("nangate45_gcd", "nangate45")])
def test_matched_sets_agree_both_ways(shared_data: Shared, name: str, library: str) -> None:
    folder = shared_data("digital/matched") / name
    technology = read_lef(shared_data("timing") / "lib" / f"{library}.lef.xz")
    circuit = read_verilog(folder / "6_final.v")
    found = read_def(folder / "6_final.def", technology)
    report = found.resolve(circuit).report
    assert (report.cells, report.num_missing, report.num_unknown, report.num_other_type) == (len(found.cell_x), 0, 0, 0)
    assert (report.ports, report.num_missing_ports, report.num_unknown_ports) == (54, 0, 0)
    assert report.num_unplaced == report.num_twice == 0
    assert not np.isnan(found.pin_x).any()
    x0, y0, x1, y1 = found.die
    assert ((found.pin_x > x0) & (found.pin_x < x1) & (found.pin_y > y0) & (found.pin_y < y1)).all()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "library"),
    [("gf_DSM_core", "gf180_7t"), ("tt_8bit_cpu", "sky130hd"), ("tut_gcd", "nangate45"), ("ihp_i2c", "sg13g2")],
)
def test_placed_designs_of_the_timing_data(shared_data: Shared, name: str, library: str) -> None:
    """Every cell has its place, and every pin with a shape lies on the die; ihp_i2c has two types without a shape."""
    technology = read_lef(shared_data("timing") / "lib" / f"{library}.lef.xz")
    with tarfile.open(shared_data("timing") / "designs" / f"{name}.tar.xz") as archive:
        files = {member.name.rpartition("/")[2]: member for member in archive.getmembers()}
        text = {suffix: archive.extractfile(files[f"{name}.{suffix}"]).read() for suffix in ("def", "v")}  # type: ignore[union-attr]
    found = layout_of(text["def"], technology)
    report = found.resolve(read_verilog(io.BytesIO(text["v"]))).report
    assert (report.num_missing, report.num_unknown, report.num_unplaced, report.num_other_type) == (0, 0, 0, 0)
    assert (report.num_missing_ports, report.num_unknown_ports) == (0, 0)
    placed = ~np.isnan(found.pin_x)
    assert placed.all() == (name != "ihp_i2c")
    x0, y0, x1, y1 = found.die
    x, y = found.pin_x[placed], found.pin_y[placed]
    assert ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).all()


@pytest.mark.data
def test_pins_stand_where_openroad_puts_them(shared_data: Shared) -> None:
    """``contest_pins.csv`` of nvdla_m is OpenROAD's; it takes the middle of a pin's box, so they differ by < 70 nm."""
    technology = read_lef(shared_data("timing") / "lib" / "asap7_28_R.lef.xz")
    with tarfile.open(shared_data("timing") / "designs" / "nvdla_m.tar.xz") as archive:
        files = {member.name.rpartition("/")[2]: member for member in archive.getmembers()}
        text, table = (archive.extractfile(files[name]).read() for name in ("nvdla_m.def", "contest_pins.csv"))  # type: ignore[union-attr]
    found = layout_of(text, technology)
    design = found.design
    assert design is not None
    cells = [name.replace("\\", "") for name in table_texts(design.cell_names)]
    pins = zip(design.pin_cell.tolist(), design.pin_name.tolist(), strict=True)
    place = {f"{cells[cell]}/{design.pin_names[pin]}": row for row, (cell, pin) in enumerate(pins)}
    rows = [
        (place[row["pin"].replace("\\", "")], float(row["x"]), float(row["y"]))
        for row in csv.DictReader(io.StringIO(table.decode()))
    ]
    index = np.array([row for row, _, _ in rows])
    far = np.abs(found.pin_x[index] * 1e9 - [x for _, x, _ in rows])
    far = np.maximum(far, np.abs(found.pin_y[index] * 1e9 - [y for _, _, y in rows]))
    known = ~np.isnan(far)
    assert len(rows) == 85_685
    assert int((~known).sum()) == 936  # pins of a type that no LEF here holds
    assert far[known].max() < 70
    assert np.median(far[known]) < 5
