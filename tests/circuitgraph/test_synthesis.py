"""Synthesis against arithmetic, its errors, and buffer trees."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis.simulation import exhaustive_patterns, free_nets, port_values, simulate
from circuitgraph.circuit import Circuit, Direction, Role
from circuitgraph.errors import CircuitError
from circuitgraph.formats.aiger import read_aiger
from circuitgraph.formats.liberty import read_liberty
from circuitgraph.formats.verilog import read_verilog
from circuitgraph.library import Library
from circuitgraph.placement import place
from circuitgraph.synthesis import buffer_nets, synthesise
from tasks import corpus_library


@pytest.fixture(scope="module")
def library(root: Path) -> Library:
    return read_liberty(root / "data" / "library" / "cgl_typ.lib")


def adds(circuit: Circuit, width: int) -> bool:
    """Whether ports a, b, cin and sum, cout of *circuit* are an adder, by all patterns."""
    inputs = [row for row in range(circuit.num_ports) if circuit.port_direction[row] == Direction.INPUT]
    patterns = exhaustive_patterns(len(inputs))
    place_of = {int(net): row for row, net in enumerate(free_nets(circuit))}
    order = np.array([place_of[int(circuit.port_net[row])] for row in inputs])
    given = np.zeros((len(place_of), patterns.shape[1]), np.uint64)
    given[order] = patterns
    values = port_values(circuit, simulate(circuit, given))
    bits = np.unpackbits(values.view(np.uint8), axis=1, bitorder="little").astype(np.int64)
    number = {"a": 0, "b": 0, "cin": 0, "sum": 0, "cout": 0}
    for row in range(circuit.num_ports):
        bit = circuit.port_names.bit_of(row)
        number[circuit.port_names.base(row).decode()] += bits[row] << max(bit, 0)
    wanted = number["a"] + number["b"] + number["cin"]
    return bool((number["sum"] + (number["cout"] << width) == wanted).all())


@pytest.mark.parametrize("full_adders", [False, True])
def test_an_adder_adds(root: Path, library: Library, full_adders: bool) -> None:
    rtl = root / "data" / "rtl" / "adder" / "add_ripple.v"
    target = corpus_library.target(root / "data" / "library")
    made = synthesise([rtl], "add_ripple", target, {"W": 4}, aig=True, full_adders=full_adders)
    mapped = read_verilog(io.BytesIO(made.verilog.encode()), library=library)
    assert adds(mapped, 4)
    assert ("CGL_FA_X1" in made.verilog) == full_adders
    assert adds(read_aiger(io.BytesIO(made.aiger)), 4)
    assert "input 0 0 a" in made.symbols


def test_bytes_depend_on_the_inputs_only(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rtl = root / "data" / "rtl" / "control" / "traffic.v"
    target = corpus_library.target(root / "data" / "library")
    first, second = (synthesise([rtl], "traffic", target, aig=True) for _ in range(2))
    assert first == second
    assert b"Yosys" not in first.aiger
    assert "Yosys" not in first.verilog
    assert not list(tmp_path.iterdir())


def test_parameters_reach_a_module_with_parametrised_children(root: Path) -> None:
    rtl = root / "data" / "rtl" / "cipher" / "arx_round.v"
    aiger = synthesise([rtl], "arx_round", None, {"W": 8}, aig=True).aiger
    assert aiger.split(None, 6)[2:5] == [b"35", b"36", b"37"]  # 3 + 4 W inputs, 4 + 4 W latches, 5 + 4 W outputs


@pytest.mark.parametrize(
    ("text", "top", "said"),
    [
        ("module a(input x, output y);\n  assign y = ;\nendmodule\n", "a", "rtl0.v:2: ERROR: syntax error"),
        ("module a(input x, output y);\n  assign y = x;\nendmodule\n", "b", "Module `b' not found"),
        (
            "module a(input c, s, r, d, output reg q);\n  always @(posedge c or posedge s or posedge r)\n"
            "    if (r) q <= 0; else if (s) q <= 1; else q <= d;\nendmodule\n",
            "a",
            "dffs with async set and reset are not supported",
        ),
    ],
)
def test_what_yosys_refuses_is_said(root: Path, tmp_path: Path, text: str, top: str, said: str) -> None:
    (tmp_path / "x.v").write_text(text)
    with pytest.raises(CircuitError) as caught:
        synthesise([tmp_path / "x.v"], top, corpus_library.target(root / "data" / "library"))
    assert said in caught.value.rule


def test_errors_before_yosys(tmp_path: Path, root: Path) -> None:
    with pytest.raises(CircuitError, match="cannot be read"):
        synthesise([tmp_path / "none.v"], "a", aig=True)
    with pytest.raises(CircuitError, match="no plain Verilog identifier"):
        synthesise([tmp_path / "none.v"], "a; shell id", aig=True)
    rtl = root / "data" / "rtl" / "adder" / "add_ripple.v"
    with pytest.raises(CircuitError, match="took longer than"):
        synthesise([rtl], "add_ripple", aig=True, time_limit=0.01)


def test_buffer_trees_keep_the_function_and_bound_the_fan_out(root: Path, library: Library) -> None:
    rtl = root / "data" / "rtl" / "crc" / "crc_serial.v"
    target = corpus_library.target(root / "data" / "library")
    circuit = read_verilog(io.BytesIO(synthesise([rtl], "crc_serial", target).verilog.encode()), library=library)
    layout = place(circuit, corpus_library.technology(), effort=1)
    buffer = library.cell_type("CGL_BUF_X1")
    assert buffer is not None
    buffered = buffer_nets(circuit, layout, buffer, limit=3)
    added = buffered.num_cells - circuit.num_cells
    assert added > 10
    is_clock = buffered.pin_values([[p.role == Role.CLOCK for p in t.ports] for t in buffered.types], np.bool_)
    clocks = set(buffered.pin_net[is_clock.astype(bool)].tolist())
    loads = np.bincount(buffered.pin_net[buffered.pin_direction == Direction.INPUT], minlength=buffered.num_nets)
    assert max(count for net, count in enumerate(loads) if net not in clocks) <= 3
    assert [circuit.net_names.text(net) for net in clocks] == ["clk"]
    patterns = np.random.default_rng(1).integers(0, 1 << 62, (len(free_nets(circuit)), 8)).astype(np.uint64)
    before, after = simulate(circuit, patterns), simulate(buffered, patterns)
    assert (before == after[: circuit.num_nets]).all()
    old = buffered.pin_net[: circuit.num_pins]
    assert (after[old[old >= 0]] == before[circuit.pin_net[old >= 0]]).all()


def test_what_is_no_verilog_is_tried_as_system_verilog(tmp_path: Path) -> None:
    source = tmp_path / "half.v"
    source.write_text("module half (input logic a, b, output logic s);\n  always_comb s = a ^ b;\nendmodule\n")
    assert synthesise([source], "half", aig=True).aiger.startswith(b"aig 5 2 0 1 3\n")
    source.write_text("module half (input a, output s);\n  assign s = = a;\nendmodule\n")
    with pytest.raises(CircuitError, match="syntax error"):
        synthesise([source], "half", aig=True)
