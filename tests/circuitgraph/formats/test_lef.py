"""LEF: layers, macros and pin centres by hand, counts of public files, mutations."""

from __future__ import annotations

import csv
import gzip
import io
import lzma
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard

from circuitgraph import CircuitError
from circuitgraph.formats.lef import read_lef
from circuitgraph.layout import Technology
from tasks.inspection import technology_record, text_of

Shared = Callable[[str], Path]

TECH = b"""# a comment with "one quote
VERSION 5.8 ;
BUSBITCHARS "[]" ;
DIVIDERCHAR "/" ;
UNITS
  DATABASE MICRONS 2000 ;
END UNITS
PROPERTYDEFINITIONS
  LAYER LEF58_TYPE STRING ;
END PROPERTYDEFINITIONS
LAYER poly
  TYPE MASTERSLICE ;
END poly
LAYER m1
  TYPE ROUTING ;
  DIRECTION HORIZONTAL ;
  PITCH 0.3 0.2 ;
  WIDTH 0.1 ;
  RESISTANCE RPERSQ 0.5 ;
  CAPACITANCE CPERSQDIST 2e-4 ;
  EDGECAPACITANCE 4e-5 ;
  PROPERTY LEF58_TYPE "TYPE X ; END m1
    MACRO no ;" ;
END m1
LAYER v1
  TYPE CUT ;
  RESISTANCE 7 ;
END v1
LAYER m2
  TYPE ROUTING ;
  DIRECTION VERTICAL ;
  PITCH 0.4 ;
  WIDTH 0.2;
END m2
Via v1_a DEFAULT
  RESISTANCE 9 ;
  LAYER v1 ;
    RECT -0.1 -0.1 0.1 0.1 ;
END v1_a
VIARULE r GENERATE
  LAYER m1 ;
  LAYER m2 ;
END r
SITE pad
  CLASS PAD ;
  SIZE 9 BY 9 ;
END pad
SITE unit
  CLASS CORE ;
  SIZE 0.2 BY 1.4 ;
END unit
BEGINEXT "x"
  anything ; END LIBRARY
ENDEXT
"""
CELLS = b"""MACRO BOX
  CLASS CORE SPACER ;
  FOREIGN END 0 0 ;
  ORIGIN 1 0.5 ;
  SIZE 0.8 BY 1.4 ;
  SITE unit ;
  PIN A
    DIRECTION INPUT ;
    USE CLOCK ;
    PORT
      LAYER m1 ;
        RECT -1 -0.5 -0.8 -0.3 ;
        RECT MASK 2 -0.8 -0.5 -0.6 0.1 ;
    END
    PORT
      LAYER m2 ;
        RECT 0 0 9 9 ;
    END
  END A
  PIN Z
    DIRECTION OUTPUT TRISTATE ;
    PORT
      LAYER m1 ;
        POLYGON -1 -0.5 -0.4 -0.5 -1 0.1 ;
    END
  END Z
  PIN NOWHERE
    DIRECTION INOUT ;
  END NOWHERE
  OBS
    LAYER m1 ;
      RECT -0.9 -0.4 -0.8 -0.3 ;
      RECT -0.5 0.2 -0.4 0.9 ;
  END
END BOX
END LIBRARY
"""


def lef(*texts: bytes) -> Technology:
    return read_lef(*(io.BytesIO(text) for text in texts))


def test_layers_sites_and_vias_by_hand() -> None:
    found = lef(TECH + CELLS)
    low, high = found.layers
    assert (low.name, low.direction, low.pitch, low.width) == ("m1", "horizontal", 0.2e-6, 0.1e-6)
    assert low.resistance == pytest.approx(0.5 / 0.1e-6)
    # 2e-4 pF/um2 x 0.1 um + 2 x 4e-5 pF/um = 1e-4 pF/um = 1e-10 F/m
    assert low.capacitance == pytest.approx(1e-10)
    assert (high.pitch, high.width) == (0.4e-6, 0.2e-6)
    assert np.isnan([high.resistance, high.capacitance]).all()
    assert found.vias == (7.0,)
    assert found.layer_kinds == {"poly": "masterslice", "m1": "routing", "v1": "cut", "m2": "routing"}
    assert (found.site_width, found.row_height, found.units) == (0.2e-6, 1.4e-6, 2000)
    assert found.counts() == {"layers": 4, "vias": 1, "sites": 2, "macros": 1, "pins": 3}


def test_shape_by_hand() -> None:
    """Centres are weighted by area, of the first port alone, from the lower left corner (minus the origin)."""
    box = lef(TECH + CELLS).shapes["BOX"]
    assert (box.width, box.height, box.kind) == (0.8e-6, 1.4e-6, "core spacer")
    # areas 0.04 and 0.12; centres (0.1, 0.1) and (0.3, 0.3)
    assert box.pins["A"] == pytest.approx((0.25e-6, 0.25e-6))
    assert box.pins["Z"] == pytest.approx((0.2e-6, 0.2e-6))  # a right triangle: a third of each leg
    assert set(box.pins) == {"A", "Z"}
    assert (box.ports["A"].direction, box.ports["A"].use) == ("input", "clock")
    assert [one[0] for one in box.ports["A"].boxes] == ["m1", "m1", "m2"]
    assert box.ports["A"].boxes[2][1:] == pytest.approx((1e-6, 0.5e-6, 10e-6, 9.5e-6))
    assert box.ports["Z"].direction == "output tristate"
    assert box.ports["NOWHERE"].boxes == ()
    assert box.obstruction == pytest.approx((0.1e-6, 0.1e-6, 0.6e-6, 1.4e-6))


def test_files_are_merged_and_the_later_of_two_macros_is_kept() -> None:
    found = lef(TECH, CELLS, CELLS.replace(b"SIZE 0.8", b"SIZE 1.2"))
    assert found.counts() == lef(TECH + CELLS).counts()
    assert found.shapes["BOX"].width == 1.2e-6
    assert found.notes.count("macro stands twice: the later is kept") == 1


def test_a_macro_named_end_and_iterated_rectangles(shared_data: Shared) -> None:
    found = read_lef(shared_data("digital/quirks") / "e01_lef.lef")
    assert len(found.layers) == 1
    shape = found.shapes["END"]
    assert (shape.width, shape.height) == (0.38e-6, 1.4e-6)
    assert len(shape.ports["A"].boxes) == 3
    assert shape.pins["A"] == pytest.approx((0.25e-6, 0.05e-6))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"WIDTH 0.1 ;", b"WIDTH O.1 ;", "small.lef:18:3: statement WIDTH: needs a number, and holds 'O.1'"),
        (b"END m1\nLAYER v1", b"END m3\nLAYER v1", "layer 'm1': is ended by END m3: end it with END m1"),
        (b"  SIZE 0.8 BY 1.4 ;\n", b"", "macro 'BOX': has no SIZE"),
        (b"PIN Z\n", b"PIN A\n", "pin 'BOX/A': stands twice"),
        (b"WIDTH 0.2;", b"WIDTH 0.2", "statement WIDTH: has no ';' before END"),
        (b"SITE unit\n", b"STIE unit\n", "statement 'STIE': is unknown: did you mean 'SITE'?"),
        (b"END LIBRARY", b"", ""),
        (b'BUSBITCHARS "[]" ;', b'BUSBITCHARS "[] ;', "small.lef:3:13: string: is followed by '/' without a blank"),
        (b'"x"\n', b'"x\n', "string: is not closed"),
        (b"RECT -0.9 -0.4 -0.8", b"RECT -0.9 -0.8", "statement RECT: holds 3 numbers"),
        (b"RECT -0.9", b"RECT 1e400", "needs a number"),
        (b"MICRONS 2000", b"MICRONS 0", "must be DATABASE MICRONS n"),
        (b"RECT -0.9 -0.4 -0.8 -0.3 ;", b"RECT ITERATE 0 0 1 1 DO 9999999 BY 9 STEP 1 1 ;", "CIRCUITGRAPH_MAX_COPIES"),
    ],
)
def test_messages(old: bytes, new: bytes, said: str) -> None:
    data = TECH + CELLS
    assert old in data
    stream = io.BytesIO(data.replace(old, new, 1))
    stream.name = "small.lef"
    if said:
        with pytest.raises(CircuitError) as caught:
            read_lef(stream)
        assert said in str(caught.value)
        assert caught.value.place.startswith("small.lef:")
    else:
        assert read_lef(stream).counts()["macros"] == 1


def test_compressed_and_other_line_ends(tmp_path: Path) -> None:
    wanted = repr(lef(TECH, CELLS)).replace("name='stream'", "name='x'")
    data = (TECH + CELLS).replace(b"END LIBRARY\n", b"")
    packed = {"": data, ".gz": gzip.compress(data), ".xz": lzma.compress(data)}
    packed[".zst"] = zstandard.ZstdCompressor().compress(data)
    packed[".crlf"] = data.replace(b"\n", b"\r\n")
    for suffix, content in packed.items():
        (tmp_path / f"x.lef{suffix}").write_bytes(content)
        found = read_lef(tmp_path / f"x.lef{suffix}")
        assert repr(found).replace(f"name='{found.name}'", "name='x'") == wanted


def test_a_result_or_an_error_whatever_the_bytes() -> None:
    data = TECH + CELLS
    rng = np.random.default_rng(0)
    words = data.split(b" ")
    changed = [data[:end] for end in range(0, len(data), 5)]
    flipped = range(0, len(data), 3)
    changed += [data[:place] + bytes([int(rng.integers(256))]) + data[place + 1 :] for place in flipped]
    for place in range(len(words)):
        other = int(rng.integers(len(words)))
        changed.append(b" ".join(words[:place] + words[place + 1 :]))
        changed.append(b" ".join([*words[:place], words[other], *words[place:]]))
    changed += [b"LAYER " * 50_000, b"MACRO a PIN b PORT " + b"RECT 0 " * 50_000, b'"' * 100_001]
    results = 0
    for text in changed:
        try:
            lef(text)
            results += 1
        except CircuitError as error:
            assert all((error.place, error.subject, error.rule, error.way_out))
    assert 0 < results < len(changed)


def test_what_inspect_says() -> None:
    record = technology_record(lef(TECH, CELLS, CELLS), "x.lef")
    assert {key: record[key] for key in ("format", "layers", "macros", "pins")} == {
        "format": "lef",
        "layers": 4,
        "macros": 1,
        "pins": 3,
    }
    assert text_of(record).splitlines()[0].startswith("x.lef: lef stream: layers 4  vias 1  sites 2  macros 1  pins 3")
    assert "note: macro stands twice" in text_of(record)


@pytest.mark.data
def test_counts_of_public_files(shared_data: Shared) -> None:
    """``counts.csv`` looks for VIA in capitals; sg13g2_tech.lef writes ``Via``, which LEF allows."""
    wanted: dict[str, dict[str, int]] = defaultdict(dict)
    with (shared_data("digital") / "counts.csv").open() as file:
        for row in csv.DictReader(file):
            if row["format"] == "lef":
                wanted[row["file"]][row["metric"]] = int(row["value"])
    wanted["lef/sg13g2_tech.lef"]["vias"] = 70
    folder = shared_data("digital/lef").parent
    found = {name: read_lef(folder / name).counts() for name in wanted}
    assert len(found) == 10
    assert found == wanted
