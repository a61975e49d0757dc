"""SPEF: quirks, counts, round trips, hand-made cases, kernels against the reader of lines, mutations."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies

from circuitgraph import CircuitError
from circuitgraph.circuit import Direction
from circuitgraph.formats import spef
from circuitgraph.formats.spef import read_spef, spef_name, write_spef
from circuitgraph.formats.spef_columns import assemble
from circuitgraph.formats.spef_fast import entries_fast
from circuitgraph.parasitics import Parasitics

HEADER = """*SPEF "IEEE 1481-1998"
*DESIGN "top"
*DIVIDER /
*DELIMITER :
*BUS_DELIMITER []
*C_UNIT 1 PF
*R_UNIT 1 KOHM
"""
SMALL = (
    HEADER
    + """*NAME_MAP
*1 a[0]
*2 u1/u2
*3 n\\[3\\]
*4 g\\.x\\$y

*PORTS
*1 I
clk I

*D_NET *1 0.25
*CONN
*P *1 I *C 1 2
*I *2:A I *L 0.1 *D INV
*CAP
1 *1 0.1
2 *1:2 0.1
3 *1:2 *3:1 0.05
*RES
1 *1 *1:2 0.5
2 *1:2 *2:A 1e-3
3 *1:2 *1:2 1e-6
*END

*D_NET *3 0.3
*CONN
*I *2:Y O
*I *4:D I
*CAP
1 *3:1 0.25
2 *3:1 *1:2 0.05
*RES
1 *2:Y *3:1 0.25
2 *3:1 *4:D 0.25
*END

*D_NET clk 0.1
*CONN
*P clk I
*I *4:CK I
*CAP
1 clk 5.56936e-06
2 *4:CK 0.09999443064
*RES
1 clk *4:CK 2
*END
"""
)


def text(source: str) -> Parasitics:
    return read_spef(io.BytesIO(source.encode("latin-1")))


def fault(source: str) -> str:
    with pytest.raises(CircuitError) as caught:
        text(source)
    return str(caught.value)


def names(parasitics: Parasitics, net: int) -> list[str]:
    rows = range(int(parasitics.node_start[net]), int(parasitics.node_start[net + 1]))
    return [parasitics.node_text(row) for row in rows]


def test_triplets_units_and_raw_names(shared_data) -> None:
    parasitics = read_spef(shared_data("digital") / "quirks" / "s01_spef.spef")
    assert parasitics.num_nets == 1
    assert parasitics.net_text(0) == "a\\[0\\]"
    assert parasitics.counts() == {"nets": 1, "ground_capacitances": 1, "coupling_capacitances": 1, "resistors": 2}
    assert parasitics.net_capacitance[0].tolist() == [3e-15, 4e-15, 5e-15]
    assert parasitics.total.tolist() == [4e-15]
    assert parasitics.resistance.tolist() == [[1.0] * 3, [2.0] * 3]
    assert parasitics.node_text(int(parasitics.coupling_nodes[0, 1])) == "u9/Z"
    assert parasitics.node_net[parasitics.coupling_nodes[0, 1]] == -1


def test_missing_map_entry(shared_data) -> None:
    with pytest.raises(CircuitError, match=r"s02_spef_bad_ref\.spef:6:8: name '\*7': is not in the name map"):
        read_spef(shared_data("digital") / "quirks" / "s02_spef_bad_ref.spef")


def test_counts_of_a_walk_over_the_lines(shared_data) -> None:
    stated: dict[str, dict[str, float]] = {}
    with (shared_data("digital") / "counts.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["format"] == "spef":
                stated.setdefault(row["file"], {})[row["metric"]] = float(row["value"])
    assert len(stated) >= 8
    for name, metrics in stated.items():
        archive, _, inside = name.partition("/")
        parasitics = read_spef(shared_data(f"digital/{archive}") / inside)
        found = parasitics.counts()
        assert found["nets"] == metrics["*D_NET"], name
        if "ground_caps" in metrics:
            assert found["ground_capacitances"] == metrics["ground_caps"], name
            assert found["coupling_capacitances"] == metrics["coupling_caps"], name
            assert found["resistors"] == metrics["resistors"], name
            unit = 1e-12 if parasitics.total.sum() > 5e-13 and "gcd_sky" in name else None
            total = float(parasitics.total.sum())
            assert any(
                total == pytest.approx(metrics["sum_dnet_total"] * scale, rel=1e-6) for scale in (unit or 1e-15, 1e-12)
            ), name


def test_couplings_of_both_nets_become_one() -> None:
    parasitics = text(SMALL)
    assert parasitics.convention == "both"
    assert parasitics.coupling_nodes.shape == (1, 2)
    assert parasitics.coupling_capacitance[0, 0] == 5e-14
    one = text(SMALL.replace("2 *3:1 *1:2 0.05\n", ""))
    assert one.convention == "one"
    assert text(SMALL.replace("3 *1:2 *3:1 0.05", "").replace("2 *3:1 *1:2 0.05\n", "")).convention == "none"
    other = text(SMALL.replace("2 *3:1 *1:2 0.05", "2 *3:1 *1:2 0.06"))
    assert other.notes.count("coupling listed from its two nets with two values: the first kept") == 1


def test_nodes_names_and_order() -> None:
    parasitics = text(SMALL)
    assert [parasitics.net_text(net) for net in range(3)] == ["a[0]", "n\\[3\\]", "clk"]
    assert names(parasitics, 0) == ["a[0]", "u1/u2/A", "a[0]:2"]
    assert names(parasitics, 1) == ["u1/u2/Y", "g.x$y/D", "n\\[3\\]:1"]
    assert parasitics.node_direction[:2].tolist() == [Direction.INPUT, Direction.INPUT]
    assert parasitics.notes.count("resistor from a node to itself dropped") == 1
    assert parasitics.resistance[:2, 0].tolist() == [500.0, 1.0]


def test_mapped_and_raw_spellings_of_a_port_are_one_node() -> None:
    source = SMALL.replace("1 *1 0.1", "1 a[0] 0.1")
    assert text(source) == text(SMALL)
    assert both(source.encode())


def test_reduced_nets_are_lumped_pis() -> None:
    parasitics = text(
        HEADER
        + "*R_NET n 0.3\n*DRIVER u1:Y\n*CELL BUF\n*C2_R1_C1 0.1 2 0.2\n*LOADS\n*RC u2:A 0.4\n*RC u3:A 0.5\n*END\n"
    )
    assert names(parasitics, 0) == ["u1/Y", "u2/A", "u3/A", "n:1"]
    assert parasitics.node_capacitance[:, 0].tolist() == [1e-13, 0, 0, 2e-13]
    assert parasitics.resistance[:, 0].tolist() == [2000.0, 0.0, 0.0]
    assert parasitics.notes.count("reduced net read as a lumped pi") == 1


def test_dividers_brackets_and_comments() -> None:
    source = SMALL.replace("*DIVIDER /", "*DIVIDER .").replace("*BUS_DELIMITER []", "*BUS_DELIMITER <>")
    source = source.replace("*1 a[0]", "*1 a<0>").replace("*2 u1/u2", "*2 u1.u2").replace("n\\[3\\]", "n\\<3\\>")
    parasitics = text(source.replace("*CONN", "*CONN // pins *I\n/* more\n lines */"))
    assert names(parasitics, 0) == ["a[0]", "u1/u2/A", "a[0]:2"]
    assert parasitics.net_text(1) == "n<3>"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("*C_UNIT 1 PF", "*C_UNIT 1 PX", "unit 'PX': is no unit of *C_UNIT: use F with"),
        ("*C_UNIT 1 PF\n", "", "header: has no *C_UNIT"),
        ("1 *1 0.1", "1 *1 nan", "capacitance 'nan': is no number"),
        ("1 *1 0.1", "1 *1 1:2", "capacitance '1:2': is no number"),
        ("1 *1 0.1", "1 *1 0.1 2 3", "capacitor: needs a number"),
        ("2 *1:2 *2:A 1e-3", "2 *1:2 1e-3", "resistor: needs a number, two nodes"),
        ("*I *2:A I", "*I *2:A X", "connection '*2:A': needs the direction I, O or B"),
        ("1 *1 0.1", "1 *9 0.1", "stream:23:3: name '*9': is not in the name map"),
        ("*END\n", "", "has no *END before the next net"),
        ("*NAME_MAP\n", "*NAME_MAP\n*5\n", "name map: needs an index and a name"),
        ("*DIVIDER /", "*DIVIDER ab", "*DIVIDER: must be one of"),
        ("*PORTS\n", "*PORTZ\n", "keyword '*PORTZ': is unknown"),
        ("*CONN\n", "/* open\n", "comment: is not closed"),
    ],
)
def test_messages(old: str, new: str, message: str) -> None:
    assert old in SMALL
    assert message in fault(SMALL.replace(old, new))


def test_last_net_needs_its_end() -> None:
    assert "net 'clk': has no *END: check that the file was copied whole" in fault(SMALL.rpartition("*END")[0])


def test_round_trips(shared_data, tmp_path: Path) -> None:
    files = sorted(shared_data("digital/spef").rglob("*.spef"))
    files += [shared_data("digital") / "quirks" / "s01_spef.spef"]
    files += [shared_data("timing/designs/tt_mitssdd") / "tt_mitssdd.spef"]
    assert len(files) > 8
    for path in files:
        parasitics = read_spef(path)
        write_spef(parasitics, tmp_path / "out.spef")
        assert read_spef(tmp_path / "out.spef") == parasitics, path.name
    write_spef(text(SMALL), tmp_path / "out.spef")
    assert read_spef(tmp_path / "out.spef") == text(SMALL)


def test_names_are_written_as_opensta_reads_them() -> None:
    assert spef_name("lane\\[0\\].ra[8]") == "lane\\[0\\]\\.ra[8]"
    assert spef_name("u1/a\\/b$c") == "u1/a\\/b\\$c"
    assert spef_name("x[-1]") == "x[-1]"


@given(strategies.floats(min_value=1e-21, max_value=1e-9), strategies.floats(min_value=1e-7, max_value=1e7))
def test_values_survive_writing(farads: float, ohms: float) -> None:
    import tempfile
    from dataclasses import replace

    parasitics = text(SMALL)
    changed = replace(
        parasitics,
        net_capacitance=np.full_like(parasitics.net_capacitance, farads),
        node_capacitance=np.where(parasitics.node_capacitance > 0, farads, 0.0),
        resistance=np.full_like(parasitics.resistance, ohms),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.spef"
        write_spef(changed, path)
        assert read_spef(path) == changed
        assert both(path.read_bytes())


# -- kernels ------------------------------------------------------------------------------------------


def both(data: bytes) -> bool:
    """Compare both readers on the bytes; whether the kernels read them."""
    before = spef.FAST_FROM
    spef.FAST_FROM = 1 << 60
    try:
        slow: Parasitics | str = read_spef(io.BytesIO(data))
    except CircuitError as error:
        slow = str(error)
    finally:
        spef.FAST_FROM = before
    entries = entries_fast(data, "stream")
    if entries is None:
        return False
    assert isinstance(slow, Parasitics), slow
    quick = assemble(entries)
    assert quick == slow
    assert quick.listed == slow.listed
    assert quick.notes.counts == slow.notes.counts
    return True


def test_kernels_read_the_small_file() -> None:
    assert both(SMALL.encode())
    assert both(SMALL.replace("\n", "\r\n").encode())


def test_kernels_agree_on_real_files(shared_data) -> None:
    files = sorted(shared_data("digital/spef").rglob("*.spef"))
    assert sum(both(path.read_bytes()) for path in files) >= 8
    assert both((shared_data("timing/designs/yifive_glbl_cfg") / "yifive_glbl_cfg.spef").read_bytes())


@given(strategies.data())
def test_kernels_agree_on_mutations(data: strategies.DataObject) -> None:
    raw = bytearray(SMALL.encode())
    for _ in range(data.draw(strategies.integers(1, 3))):
        place = data.draw(strategies.integers(0, len(raw) - 1))
        kind = data.draw(strategies.sampled_from(["flip", "cut", "double", "end"]))
        if kind == "flip":
            raw[place] = data.draw(strategies.sampled_from(list(b"*:0129.eIOPNE \n\t/\\[]-+a\r\x00")))
        elif kind == "cut":
            del raw[place : place + data.draw(strategies.integers(1, 12))]
        elif kind == "double":
            raw[place:place] = raw[place : place + data.draw(strategies.integers(1, 12))]
        else:
            raw = raw[:place]
        if not raw:
            return
    both(bytes(raw))


def test_every_truncation_and_flip_gives_parasitics_or_an_error() -> None:
    source = SMALL.encode()
    rng = np.random.default_rng(1)
    for end in range(1, len(source), 3):
        flipped = bytearray(source)
        flipped[end] ^= 1 << int(rng.integers(8))
        both(source[:end])
        both(bytes(flipped))


def plain_decimal(digits: str, shift: int) -> float:
    """Twin of the kernel: the exact fraction, rounded once."""
    mantissa, _, exponent = digits.lower().partition("e")
    return float(Fraction(mantissa) * Fraction(10) ** (int(exponent or 0) + shift))


@given(
    strategies.integers(0, 10**15 - 1),
    strategies.integers(0, 15),
    strategies.integers(-12, 6),
    strategies.sampled_from([-15, -12, 0, 3]),
)
def test_decimal_kernel_rounds_once(digits: int, point: int, exponent: int, shift: int) -> None:
    from circuitgraph.formats.byte_kernels import _kernel_decimal

    whole = str(digits).rjust(point + 1, "0")
    written = whole if not point else f"{whole[:-point]}.{whole[-point:]}"
    for one in (written, f"{written}e{exponent}"):
        raw = np.frombuffer(one.encode(), np.uint8)
        value, fine = _kernel_decimal(raw, 0, len(raw), shift)
        if fine:
            assert value == plain_decimal(one, shift), one


@pytest.mark.parametrize("word", [b"", b".", b"e5", b"1e", b"0x1", b"nan", b"1.2.3", b"1_0", b"--1", b"1e5 "])
def test_decimal_kernel_refuses(word: bytes) -> None:
    from circuitgraph.formats.byte_kernels import _kernel_decimal

    assert not _kernel_decimal(np.frombuffer(word, np.uint8), 0, len(word), 0)[1]


@pytest.mark.tool("sta")
def test_opensta_gives_the_same_slack_from_a_written_file(shared_data, tmp_path: Path) -> None:
    import lzma
    import subprocess

    folder = shared_data("timing/designs/gf_DSM_core")
    library = tmp_path / "gf.lib"
    library.write_bytes(lzma.decompress((shared_data("timing/lib") / "gf180_7t_tt5v0.lib.xz").read_bytes()))
    written = tmp_path / "out.spef"
    write_spef(read_spef(folder / "gf_DSM_core.spef"), written)
    slacks = []
    for source in (folder / "gf_DSM_core.spef", written):
        script = tmp_path / "run.tcl"
        script.write_text(
            f"read_liberty {library}\nread_verilog {folder / 'gf_DSM_core.v'}\nlink_design DSM_core\n"
            f"read_sdc {folder / 'gf_DSM_core.sdc'}\nread_spef {source}\nreport_wns -digits 5\nreport_tns -digits 5\n"
        )
        done = subprocess.run(
            ["sta", "-no_splash", "-exit", str(script)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "syntax error" not in done.stdout + done.stderr
        slacks.append([line for line in done.stdout.splitlines() if line.startswith(("wns", "tns"))])
    assert slacks[0] == slacks[1]
    assert len(slacks[0]) == 2
