"""Data-flow graphs of small modules, and what pyverilog must not leave behind."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest

from circuitgraph.errors import CircuitError
from circuitgraph.rtl import read_rtl

COUNTER = """
module step #(parameter W = 4) (input [W-1:0] x, output [W-1:0] y);
  assign y = x + x;
endmodule

module counter #(parameter W = 4) (input clk, input rst_n, input enable, output reg [W-1:0] count, output full);
  wire [W-1:0] next;
  wire unused = enable;
  step #(W) u (.x(count), .y(next));
  always @(posedge clk or negedge rst_n)
    if (!rst_n) count <= 0;
    else if (enable) count <= next;
  assign full = count[W-1:2] == 2'b11;
endmodule
"""


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    path = tmp_path / "counter.v"
    path.write_text(COUNTER)
    return path


@pytest.mark.tool("iverilog")
def test_the_graph_of_a_counter(counter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    graph = read_rtl(counter)
    assert graph.name == "counter"
    assert graph.nodes["counter.count"] == {"kind": "output", "name": "counter.count", "width": 4, "is_register": True}
    assert graph.nodes["counter.next"]["kind"] == "wire"
    assert graph.nodes["counter.u.y"]["width"] == 4
    assert "counter.unused" not in graph
    roles = {source: data["role"] for source, _, data in graph.in_edges("counter.count", data=True)}
    assert roles["counter.clk"] == "clock"
    assert roles["counter.rst_n"] == "reset"
    plus = next(node for node, data in graph.nodes(data=True) if data["name"] == "Plus")
    assert graph.edges["counter.u.x", plus]["slots"] == (0, 1)
    select = next(data for _, data in graph.nodes(data=True) if data["kind"] == "select")
    assert (select["name"], select["width"]) == ("[3:2]", 2)
    assert nx.has_path(graph, "counter.enable", "counter.full")
    assert [path.name for path in tmp_path.iterdir()] == ["counter.v"]


@pytest.mark.tool("iverilog")
def test_one_module_of_several_can_be_named(counter: Path) -> None:
    graph = read_rtl(counter, top="step")
    assert sorted(data["name"] for _, data in graph.nodes(data=True)) == ["Plus", "step.x", "step.y"]
    with pytest.raises(CircuitError, match="did you mean 'counter'"):
        read_rtl(counter, top="countr")


@pytest.mark.tool("iverilog")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "module a(input x, output y);\n  /* two\n lines */\n  assign y = ;\nendmodule\n",
            "bad.v:4: Verilog: has a syntax",
        ),
        ("module a; endmodule\nmodule b; endmodule\n", "bad.v: top module: is not clear among 'a', 'b'"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.v"
    path.write_text(text)
    with pytest.raises(CircuitError) as caught:
        read_rtl(path)
    assert str(caught.value).startswith(said)


@pytest.mark.tool("iverilog")
def test_a_missing_file_and_too_little_time(counter: Path, tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match="cannot be read"):
        read_rtl(tmp_path / "none.v")
    with pytest.raises(CircuitError, match="took longer than"):
        read_rtl(counter, time_limit=0.01)


def test_without_iverilog_the_package_is_named(counter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CircuitError, match="apt-get install iverilog"):
        read_rtl(counter)


@pytest.mark.tool("iverilog")
@pytest.mark.parametrize("name", ["adder/accumulator", "uart/uart_tx", "multiplier/mac", "sorter/sort_bitonic"])
def test_registers_of_the_corpus_are_fed(root: Path, name: str) -> None:
    graph = read_rtl(root / "data" / "rtl" / f"{name}.v")
    registers = [node for node, data in graph.nodes(data=True) if data.get("is_register")]
    assert registers
    for node in registers:
        roles = {data["role"] for _, _, data in graph.in_edges(node, data=True)}
        assert {"data", "clock"} <= roles
