"""Structural Verilog: quirks with their stated results, counts of independent programs, round trips, mutations."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies

from circuitgraph import CircuitError, read
from circuitgraph.analysis.simulation import exhaustive_patterns, port_values, simulate
from circuitgraph.canonical import canonical_dump
from circuitgraph.cell_types import gate_type, opaque_type
from circuitgraph.circuit import CellType, Circuit, Direction, NetRole, Port, Reset
from circuitgraph.design import Design
from circuitgraph.formats.lexing import SourceText
from circuitgraph.formats.verilog import fast, read_verilog, reader, write_verilog
from circuitgraph.formats.verilog.parser import parse

DIGITAL = "digital"


class Shelf:
    """A library of a few types."""

    def __init__(self, *types: CellType) -> None:
        self.types = {one.name: one for one in types}

    def cell_type(self, name: str) -> CellType | None:
        return self.types.get(name)


INV = CellType("INV", "inv", (Port("A"), Port("Y", Direction.OUTPUT)), (None, gate_type("NOT", 1).functions[1]))
WIDE = opaque_type("WIDE", [*(Port(f"D[{bit}]") for bit in (3, 2, 1, 0)), Port("Q", Direction.OUTPUT)])
SHELF = Shelf(INV, WIDE)


def text(source: str, **options: object) -> Circuit:
    return read_verilog(io.BytesIO(source.encode("latin-1")), **options)  # type: ignore[no-any-return,call-overload]


def design(source: str, **options: object) -> Design:
    return read_verilog(io.BytesIO(source.encode("latin-1")), flatten=False, **options)  # type: ignore[no-any-return,call-overload]


def pins(circuit: Circuit, cell: str) -> dict[str, str]:
    """Net of each port of a cell, "" where there is none, 0/1/x for constants."""
    row = circuit.cell_names.find(cell)
    assert row >= 0, cell
    start = int(circuit.pin_start[row])
    found = {}
    for place, port in enumerate(circuit.types[circuit.cell_type[row]].ports):
        net = int(circuit.pin_net[start + place])
        constant = int(circuit.net_constant[net]) if net >= 0 else -1
        found[port.name] = "" if net < 0 else "01x"[constant] if constant >= 0 else circuit.net_names.text(net)
    return found


def electrical(circuit: Circuit) -> int:
    return int(np.count_nonzero(circuit.net_constant < 0))


def fault(source: str, **options: object) -> str:
    with pytest.raises(CircuitError) as caught:
        text(source, **options)
    return str(caught.value)


# -- quirk files --------------------------------------------------------------------------------------


def quirk(shared_data, name: str, **options: object):
    return read_verilog(shared_data(DIGITAL) / "quirks" / name, **options)


def test_escaped_scalar_and_bus_bit_stay_distinct(shared_data) -> None:
    circuit = quirk(shared_data, "v01_escaped_busbit.v")
    assert (circuit.num_cells, electrical(circuit)) == (3, 8)
    assert pins(circuit, "x1") == {"A": "data[3]", "B": "data\\[3\\]", "Y": "z"}


def test_escaped_name_ends_at_white_space_only(shared_data) -> None:
    circuit = quirk(shared_data, "v02_escaped_delimiters.v")
    assert (circuit.num_cells, electrical(circuit)) == (2, 3)
    assert circuit.cell_names.base(0) == b"g[0]/u;1"
    assert circuit.find_net("n;(),.{}") >= 0


def test_crlf_and_no_final_newline(shared_data) -> None:
    circuit = quirk(shared_data, "v03_crlf_no_final_newline.v")
    assert (circuit.num_cells, electrical(circuit), circuit.num_ports) == (1, 2, 2)


def test_concatenation_part_select_replication(shared_data) -> None:
    circuit = quirk(shared_data, "v04_concat_partselect.v")
    assert circuit.num_cells == 2
    assert list(pins(circuit, "u1").values()) == ["d[7]", "d[6]", "d[0]", "1", "q[3]", "q[2]", "q[1]", "q[0]"]
    assert list(pins(circuit, "u2").values()) == ["d[1]", "d[1]", "d[5]", "d[4]", "y"]


def test_assigns_are_aliases(shared_data) -> None:
    circuit = quirk(shared_data, "v05_assign_alias.v")
    assert (circuit.num_cells, electrical(circuit)) == (1, 2)
    assert len({circuit.find_net(name) for name in "anmy"}) == 1
    assert circuit.find_net("z") != circuit.find_net("a")


def test_alias_loop_collapses(shared_data) -> None:
    circuit = quirk(shared_data, "v06_assign_loop.v")
    assert circuit.num_cells == 1
    net = circuit.find_net("n")
    assert net == circuit.find_net("m")
    assert circuit.net_driver[net] == -1


def test_constant_spellings(shared_data) -> None:
    circuit = quirk(shared_data, "v07_unsized_constants.v")
    assert pins(circuit, "g") == {"A": "0", "B": "1", "Y": "y"}
    assert pins(circuit, "h") == {"A": "x", "B": "", "Y": "w"}
    assert pins(circuit, "k") == {"A": "0", "B": "1", "Y": "x"}


def test_unconnected_pins(shared_data) -> None:
    circuit = quirk(shared_data, "v08_unconnected.v")
    assert pins(circuit, "f") == {"D": "a", "CK": "", "Q": "q", "QN": ""}
    assert pins(circuit, "g") == {"$1": "a", "$2": "", "$3": "q"}
    assert circuit.net_driver_count[circuit.find_net("q")] == 2


def test_attribute_with_string_that_holds_its_end(shared_data) -> None:
    circuit = quirk(shared_data, "v09_nested_comment_attr.v")
    assert (circuit.num_cells, electrical(circuit)) == (1, 2)


def test_two_tops_need_a_name(shared_data) -> None:
    with pytest.raises(CircuitError, match=r"'a', 'b': could each be the top: name one with --top"):
        quirk(shared_data, "v10_two_tops.v")
    assert quirk(shared_data, "v10_two_tops.v", top="a").num_cells == 1
    with pytest.raises(CircuitError, match="is not in the file"):
        quirk(shared_data, "v10_two_tops.v", top="c")


def test_recursion_is_refused(shared_data) -> None:
    with pytest.raises(CircuitError, match="instantiates itself: top -> top"):
        quirk(shared_data, "v11_recursive.v")


def test_expansion_is_counted_before_it_happens(shared_data) -> None:
    with pytest.raises(CircuitError, match="raise CIRCUITGRAPH_MAX_CELLS"):
        quirk(shared_data, "v12_hierarchy_bomb.v")
    assert len(quirk(shared_data, "v12_hierarchy_bomb.v", flatten=False).modules) == 13


def test_gate_primitives(shared_data) -> None:
    circuit = quirk(shared_data, "v13_gate_primitives.v")
    assert [circuit.types[row].name for row in circuit.cell_type] == ["NAND2", "NAND3", "bufif1"]
    assert circuit.types[2].kind == "tristate"
    assert pins(circuit, "t") == {"I0": "a", "E": "en", "Y": "z"}


def test_ranges_keep_their_order(shared_data) -> None:
    circuit = quirk(shared_data, "v14_ranges.v")
    names = list(circuit.port_names)
    assert names == ["a[0]", "a[1]", "a[2]", "a[3]", "b[-1]", "b[-2]", "y[5]", "y[4]", "y[3]", "y[2]"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v15_trailing_garbage.v", r"v15_trailing_garbage\.v:2:1: token 'this'"),
        ("v16_unterminated_comment.v", r"v16_unterminated_comment\.v:1:\d+: comment: is not closed"),
        ("v17_behavioural.v", r"v17_behavioural\.v:2:2: module 'top': is behavioural \('always'\).*synthesise"),
        ("z01_empty.v", "is empty"),
    ],
)
def test_refused_quirks(shared_data, name: str, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        quirk(shared_data, name)


def test_byte_order_mark_and_latin1(shared_data) -> None:
    assert quirk(shared_data, "v18_bom_latin1.v").num_cells == 1


# -- counts of yosys and pyslang ----------------------------------------------------------------------


def stated_counts(path: Path) -> dict[str, dict[str, dict[str, int]]]:
    """counts.csv: file -> module -> metric -> number, of the Verilog files."""
    found: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            module, slash, metric = row["metric"].rpartition("/")
            if row["format"] == "verilog" and slash and row["value"].isdigit():
                found[row["file"]][module][metric] = int(row["value"])
    return found


def test_counts_of_independent_programs(shared_data) -> None:
    checked = 0
    for name, modules in stated_counts(shared_data(DIGITAL) / "counts.csv").items():
        archive, _, inside = name.partition("/")
        path = shared_data(f"digital/{archive}") / inside
        if name.endswith("dfxtp.functional.v"):
            with pytest.raises(CircuitError, match="`include"):
                read_verilog(path)
            continue
        netlist = read_verilog(path, flatten=False)
        for module_name, stated in modules.items():
            module = netlist.modules.get(module_name)
            if module is None:
                continue
            instances = stated.get("module_instances", 0) + stated.get("primitive_instances", 0)
            operators = module.num_cells - instances
            cells = stated.get("cells", 0)
            if operators and cells:
                assert module.num_cells == cells, (name, module_name)
            else:
                assert operators == 0, (name, module_name)
            if "net_bits" in stated:
                split = cells - module.num_cells if stated.get("primitive_instances") else 0
                assert module.num_nets == stated["net_bits"] - split, (name, module_name)
                for metric, way in (("input_bits", Direction.INPUT), ("output_bits", Direction.OUTPUT)):
                    assert int((module.port_direction == way).sum()) == stated.get(metric, 0), (name, module_name)
            checked += 1
    assert checked > 75


def test_genus_flip_flop_with_always_is_an_opaque_leaf(shared_data) -> None:
    circuit = read_verilog(shared_data("digital/verilog") / "genus" / "s13207.v")
    kinds = {one.name: one for one in circuit.types}
    assert kinds["fflopd"].is_opaque
    assert [port.direction for port in kinds["fflopd"].ports] == [Direction.INPUT, Direction.INPUT, Direction.OUTPUT]
    assert circuit.num_cells == 199 + 887


def test_celldefine_modules_are_leaves(shared_data) -> None:
    circuit = read_verilog(shared_data("digital/verilog") / "vivado" / "TMR_hierarchy.v")
    assert {one.name for one in circuit.types} == {"LUT2", "IBUF", "OBUF"}
    assert circuit.num_cells == 8
    assert "delta/omega/b_INST_0" in set(circuit.cell_names)


def test_yosys_mark_of_the_top_decides(shared_data) -> None:
    assert read_verilog(shared_data("digital/verilog") / "openroad" / "gcd_asap7.v").name == "gcd"


def test_ctrl_is_one_function_in_all_spellings(shared_data) -> None:
    folder = shared_data("digital/verilog")
    wanted = outputs(read(shared_data("digital/aiger") / "epfl" / "ctrl.aig"))
    assert len(wanted) == 26
    for name in ("epfl/ctrl.v", "openroad/ctrl_abc.v", "openroad/ctrl_yosys_expr.v", "openroad/ctrl_yosys_cells.v"):
        assert outputs(read_verilog(folder / name)) == wanted, name


def outputs(circuit: Circuit) -> dict[str, list[int]]:
    """Words of all outputs over all patterns of the inputs in the order of their names, by name."""
    names = [name.replace("\\", "") for name in circuit.port_names]
    inputs = [name for name, way in zip(names, circuit.port_direction, strict=True) if way == Direction.INPUT]
    patterns = exhaustive_patterns(len(inputs))
    rows = np.stack([patterns[sorted(inputs).index(name)] for name in inputs])
    values = port_values(circuit, simulate(circuit, rows))
    return {
        name: values[row].tolist() for row, name in enumerate(names) if circuit.port_direction[row] == Direction.OUTPUT
    }


# -- grammar ------------------------------------------------------------------------------------------


def test_named_ordered_and_implicit_connections() -> None:
    circuit = text(
        "module top(a, y); input a; output y; sub u(.i(a), .o); sub v(o, y);\n"
        "endmodule module sub(i, o); input i; output o; INV g(.A(i), .Y(o)); endmodule"
    )
    assert pins(circuit, "u/g") == {"A": "a", "Y": "o"}
    assert pins(circuit, "v/g") == {"A": "o", "Y": "y"}
    assert list(circuit.block_names) == ["u", "v"]
    assert circuit.cell_block is not None
    assert circuit.cell_block.tolist() == [0, 1]
    assert circuit.find_net("u/i") == circuit.find_net("a")


def test_header_ports_with_outer_names_and_concatenations() -> None:
    circuit = text(
        "module top(.p({a, b}), {c}, .q(d[1])); input a, b, c; output [1:0] d; INV u(.A(a), .Y(d[1])); endmodule"
    )
    assert list(circuit.port_names) == ["p[1]", "p[0]", "c", "q"]
    assert circuit.port_direction.tolist() == [1, 1, 1, 2]


def test_feed_through_joins_nets_of_the_parent() -> None:
    circuit = text(
        "module top(input a, output y); wire n; sub u(.i(a), .o(n)); INV g(.A(n), .Y(y)); endmodule\n"
        "module sub(input i, output o); assign o = i; endmodule"
    )
    assert electrical(circuit) == 2
    assert circuit.find_net("n") == circuit.find_net("a") == circuit.find_net("u/o")


def test_instance_arrays_deal_out_or_repeat() -> None:
    circuit = text(
        "module top(input [3:0] a, input e, output [3:0] y, output [7:0] z);\n"
        " INV u[3:0](.A(a), .Y(y)); and g[1:0](y2, a[1:0], e); sub s[3:0](.i(a), .o(z)); endmodule\n"
        "module sub(input i, output [1:0] o); INV p(.A(i), .Y(o[1])); endmodule"
    )
    assert pins(circuit, "u[3]") == {"A": "a[3]", "Y": "y[3]"}
    assert pins(circuit, "u[0]") == {"A": "a[0]", "Y": "y[0]"}
    assert pins(circuit, "g[1]") == {"I0": "a[1]", "I1": "e", "Y": "y2"}
    assert pins(circuit, "s[2]/p") == {"A": "a[2]", "Y": "z[5]"}


@pytest.mark.parametrize(
    ("expression", "kinds"),
    [
        ("~a", ["NOT"]),
        ("a & b", ["AND2"]),
        ("a | b & c", ["AND2", "OR2"]),
        ("(a ^ b) ~^ c", ["XOR2", "XNOR2"]),
        ("a ? b : c", ["MUX"]),
        ("a ? b : c ? a : b", ["MUX", "MUX"]),
        ("~(a & ~b)", ["NOT", "AND2", "NOT"]),
        ("!a && b", ["NOT", "AND2"]),
        ("&{a, b, c}", ["AND3"]),
        ("~|{a, b}", ["NOR2"]),
        ("a", []),
        ("(a)", []),
    ],
)
def test_operators_are_one_cell_each(expression: str, kinds: list[str]) -> None:
    circuit = text(f"module top(input a, input b, input c, output y); assign y = {expression}; endmodule")
    assert [circuit.types[row].name for row in circuit.cell_type] == kinds
    value = outputs(circuit)["y"][0]
    for row in range(8):
        c, b, a = row >> 2 & 1, row >> 1 & 1, row & 1
        python = {
            "~a": 1 - a, "a & b": a & b, "a | b & c": a | b & c, "(a ^ b) ~^ c": 1 - (a ^ b ^ c),
            "a ? b : c": b if a else c, "a ? b : c ? a : b": b if a else a if c else b, "~(a & ~b)": 1 - (a & (1 - b)),
            "!a && b": (1 - a) & b, "&{a, b, c}": a & b & c, "~|{a, b}": 1 - (a | b), "a": a, "(a)": a,
        }  # fmt: skip
        assert value >> row & 1 == python[expression], (expression, row)


def test_bitwise_operators_over_buses_and_in_connections() -> None:
    circuit = text(
        "module top(input [1:0] a, input [1:0] b, output [1:0] y, output z);\n"
        " assign y = a & ~b; INV u(.A(a[0] | b[0]), .Y(z)); endmodule"
    )
    assert sorted(circuit.types[row].name for row in circuit.cell_type) == ["AND2", "AND2", "INV", "NOT", "NOT", "OR2"]
    assert pins(circuit, "u")["Y"] == "z"


def test_constants_of_assigns_and_supplies() -> None:
    circuit = text(
        "module top(output y, output z, input a); supply1 VPWR; supply0 VGND; assign y = 1'b1;\n"
        " INV u(.A(1'b1), .Y(z), .VPWR(VPWR), .VGND(VGND)); endmodule"
    )
    assert circuit.net_constant[circuit.port_net[0]] == 1
    assert pins(circuit, "u")["A"] == "1"
    power, ground = circuit.find_net("VPWR"), circuit.find_net("VGND")
    assert circuit.net_role[[power, ground]].tolist() == [NetRole.POWER, NetRole.GROUND]
    assert circuit.net_constant[[power, ground]].tolist() == [1, 0]
    assert int(np.count_nonzero((circuit.net_constant == 1) & (circuit.net_role == 0))) == 1


def test_library_gives_types_directions_and_order() -> None:
    source = (
        "module top(input [3:0] a, output y, output z);\n  WIDE w (.Q(y), .D(a));\n  INV u(.Y(z), .A(a[3])); endmodule"
    )
    circuit = text(source, library=SHELF, black_box=False)
    assert circuit.types[0] is WIDE
    assert list(pins(circuit, "w").values()) == ["a[3]", "a[2]", "a[1]", "a[0]", "y"]
    scattered = text("module top(input a, output y); WIDE w(.D[2](a), .Q(y)); endmodule", library=SHELF)
    assert pins(scattered, "w")["D[2]"] == "a"


def test_supply_pins_that_a_library_leaves_out_are_dropped_and_counted() -> None:
    circuit = text("module top(input a, output y, inout VDD); INV u(.A(a), .Y(y), .VDD(VDD)); endmodule", library=SHELF)
    assert circuit.notes.count("supply pin that the library does not have: left out") == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "module top(input a, output y);\n\n  NAND9 u7 (.A(a), .Y(y)); endmodule",
            "stream:3:3: cell 'u7': type 'NAND9' is in no library read: "
            "add --liberty, or --black-box to keep it opaque",
        ),
        (
            "module top(input a, output y);\n  INV u7 (.A(a), .YN(y)); endmodule",
            "stream:2:3: cell 'u7': port 'YN' of type 'INV' is not a port of it: did you mean 'Y'?",
        ),
        (
            "module top(input a, output y); INV u(.A(a), .A(y)); endmodule",
            "stream:1:32: cell 'u': port 'A' of type 'INV' is connected twice: keep one connection",
        ),
        (
            "module top(input a, output y); INV u(a, y, a); endmodule",
            "stream:1:32: cell 'u': type 'INV' takes 2 connections, not 3: check the order of its ports",
        ),
    ],
)
def test_messages_about_types(source: str, message: str) -> None:
    assert fault(source, library=SHELF, black_box=False) == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("wire [3:0] n; INV u(.A(n[4]));", "net 'n': has the range [3:0], and [4] is not in it"),
        ("INV u(.A(n[4]));", "net 'n': is selected from but not declared"),
        ("INV u(.A(a) .Y(y));", "token '.': stands where ',' or ')' is expected"),
        ("INV u(.*);", "connection '.*': leaves the nets to be found by name"),
        ("nadn (y, a, b);", "cell of type 'nadn': has no name: did you mean 'nand'?"),
        ("wire [3:0] n; wire [4:0] n;", "net 'n': is declared twice with different ranges"),
        ("assign y = {0{a}};", "replication: has the count 0, not 1 to 1,048,576"),
        ("assign y = {2'bxx{a}};", "replication: has the count 2'bxx, not 1 to"),
        ("wire [99999999:0] n;", "bus 'n': has 100,000,000 bits, more than 1,048,576: raise CIRCUITGRAPH_MAX_WIDTH"),
        (
            "assign y = " + "(" * 300 + "a" + ")" * 300 + ";",
            "expression: is nested deeper than 256: raise CIRCUITGRAPH_MAX_NESTING",
        ),
        ("assign y = " + "{" * 300 + "a" + "}" * 300 + ";", "concatenation: is nested deeper than 256"),
        ("assign 1'b0 = a;", "stands where nets on the left side is expected"),
        ("nand g(y);", "gate 'g': takes an output and an input at least, not 1 nets"),
        ("bufif0 g(y, a);", "gate 'g': takes 3 nets, not 2"),
        ("`FOO u(a);", "macro '`FOO': is used, and macros are not expanded"),
        ("INV u(.A(a)", "ends inside a statement or module"),
        ("(* keep INV u(.A(a));", "attribute: is not closed"),
        ('(* x = 1 *) INV #("a) u(.A(a));', "string: is not closed on its line"),
        ("assign y = a + b;", "module 'top': is behavioural ('+'), not a netlist"),
        ("generate endgenerate", "module 'top': is behavioural ('generate')"),
        ("initial y = 1;", "module 'top': is behavioural ('initial')"),
    ],
)
def test_messages_about_statements(body: str, message: str) -> None:
    assert message in fault(f"module top(input a, input b, output y);\n{body}\nendmodule")


def test_widths_are_cut_and_extended_with_notes_or_refused() -> None:
    source = (
        "module top(input [3:0] a, output y); sub u(.i(a), .o(y)); sub v(.i(a[0])); sub w(.i(1'b1)); endmodule\n"
        "module sub(input [1:0] i, output o); KEEP g(.A(i[1]), .B(i[0]), .Y(o)); endmodule"
    )
    circuit = text(source)
    assert circuit.notes.count("connection of another width: cut, or left open") == 3
    assert pins(circuit, "u/g") == {"A": "a[1]", "B": "a[0]", "Y": "y"}
    assert pins(circuit, "v/g")["B"] == "a[0]"
    assert pins(circuit, "w/g")["A"] == "0"
    assert "port 'i' of type 'sub' has 2 bits, and its connection 4" in fault(source, strict=True)


def test_parameters_ranges_and_overrides() -> None:
    module = "module sub #(parameter W = 4)(input [W-1:0] i); INV g(.A(i[W-1])); endmodule\n"
    circuit = text(module + "module top(input [3:0] a); sub u(a); endmodule", top="top")
    assert pins(circuit, "u/g")["A"] == "a[3]"
    assert "whose ranges depend on them" in fault(
        module + "module top(input [3:0] a); sub #(.W(2)) u(a); endmodule", top="top"
    )


def test_directives() -> None:
    circuit = text(
        '`timescale 1ns/1ps // `include\n`ifdef FOO\n garbage `include "x"\n`else\nmodule top(input a);\n'
        "`ifndef BAR INV u(.A(a)); `endif\n endmodule\n`endif\n"
    )
    assert circuit.num_cells == 1
    assert "`ifdef: has no `endif" in fault("`ifdef A\nmodule top(); endmodule")
    assert "`include: is not followed" in fault('`include "a.v"\nmodule top(); endmodule')


def test_equal_modules_may_stand_twice_others_not() -> None:
    one = "module sub(input a); INV u(.A(a)); endmodule\n"
    top = "module top(input a); sub s(a); endmodule\n"
    assert text(one + top + one).num_cells == 1
    assert "is defined twice, first at stream:1:1" in fault(one + top + one.replace("INV", "BUF"))


def test_user_defined_primitive_may_be_unnamed() -> None:
    circuit = text(
        "primitive p(o, a); output o; input a; table 0 : 1; endtable endprimitive\n"
        "module top(input a, output y); p (y, a); endmodule"
    )
    assert circuit.types[0].name == "p"
    assert circuit.pin_direction.tolist() == [Direction.OUTPUT, Direction.INPUT]


def test_leaf_modules_stay_opaque() -> None:
    source = (
        "module top(input a, output y); sub u(a, y); endmodule module sub(input i, output o); INV g(i, o); endmodule"
    )
    circuit = text(source, leaf_modules=("sub",))
    assert [one.name for one in circuit.types] == ["sub"]
    assert circuit.types[0].is_opaque


def test_bits_that_a_small_file_may_ask_for_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUITGRAPH_MAX_NETS", "1000")
    assert "raise CIRCUITGRAPH_MAX_NETS" in fault("module top(); wire [9999:0] a, b; endmodule")


# -- properties ---------------------------------------------------------------------------------------


def test_round_trips(shared_data, tmp_path: Path) -> None:
    folder = shared_data("digital/verilog")
    hierarchical = {"TMR_hierarchy.v", "b13.v", "gcd_asap7.v", "verilog_bus_port_connect.v"}
    exact = 0
    for path in sorted(folder.rglob("*.v")):
        if path.stat().st_size > 150_000 or path.name == "dfxtp.functional.v":
            continue
        circuit = read_verilog(path)
        write_verilog(circuit, tmp_path / "out.v")
        again = read_verilog(tmp_path / "out.v")
        assert (again.num_cells, electrical(again)) == (circuit.num_cells, electrical(circuit)), path.name
        if not len(circuit.block_names) and path.name not in hierarchical:
            assert canonical_dump(again) == canonical_dump(circuit), path.name
            exact += 1
    assert exact > 40


def test_written_aiger_keeps_its_function(shared_data, tmp_path: Path) -> None:
    circuit = read(shared_data("digital/aiger") / "epfl" / "ctrl.aig")
    write_verilog(circuit, tmp_path / "ctrl.v")
    assert outputs(read_verilog(tmp_path / "ctrl.v")) == outputs(circuit)


def test_colliding_names_are_told_apart(tmp_path: Path) -> None:
    circuit = text(
        "module top(input a, output y, output z); INV \\x/y (.A(a), .Y(y)); sub x(.i(a), .o(z)); endmodule\n"
        "module sub(input i, output o); INV y(.A(i), .Y(o)); endmodule"
    )
    write_verilog(circuit, tmp_path / "out.v")
    again = read_verilog(tmp_path / "out.v")
    assert len(set(again.cell_names)) == 2


MIXED = """// a comment
module top(a, b, y, \\data[3] , bus);
  input a; input [3:0] b; output y; inout \\data[3] ; input wire [0:1] bus;
  wire n1, \\n2+ ; (* keep = "*)" *) wire [7:4] w;
  INV u1 (.A(a), .Y(n1)), u2(.A(b[2]), .Y(w[5]));
  NAND3 \\u[3] (n1, {w[7:6], 1'b0}, , \\data[3] );
  nand g1(n1, a, b[0]), (\\n2+ , a, n1);
  FILL f1 ();
  BUF u4 (.A(), .I(1'bz), .Z(w[4]), .S(implicit));
  assign y = n1, {w[6], w[7]} = bus;
endmodule
"""


def both_paths(data: bytes) -> tuple[object, object, bool]:
    """What the parser and the kernels make of the bytes, and whether the kernels read them."""
    before = reader.FAST_FROM
    results: list[object] = []
    try:
        for threshold in (1 << 60, 0):
            reader.FAST_FROM = threshold
            try:
                results.append(read_verilog(io.BytesIO(data)))
            except CircuitError as error:
                results.append(str(error))
    finally:
        reader.FAST_FROM = before
    try:
        used = fast.parse_fast(data, "stream") is not None
    except CircuitError:
        used = False
    return results[0], results[1], used


def assert_same(data: bytes) -> bool:
    slow, quick, used = both_paths(data)
    assert type(slow) is type(quick)
    assert slow == quick
    if isinstance(slow, Circuit) and isinstance(quick, Circuit):
        assert slow.notes.counts == quick.notes.counts
        assert slow.buses == quick.buses
    return used


def test_kernels_and_parser_agree_on_the_mixed_module() -> None:
    assert assert_same(MIXED.encode())


def test_kernels_and_parser_agree_on_real_files(shared_data) -> None:
    folder = shared_data("digital/verilog")
    used = sum(assert_same(path.read_bytes()) for path in sorted(folder.rglob("*.v")) if path.stat().st_size < 300_000)
    assert used > 25


@given(strategies.data())
def test_kernels_and_parser_agree_on_mutations(data: strategies.DataObject) -> None:
    raw = bytearray(MIXED.encode())
    for _ in range(data.draw(strategies.integers(1, 3))):
        place = data.draw(strategies.integers(0, len(raw) - 1))
        kind = data.draw(strategies.sampled_from(["flip", "cut", "double", "swap"]))
        if kind == "flip":
            raw[place] = data.draw(strategies.sampled_from(list(b"\\;(){}[],.'1aux= \n\"/*`")))
        elif kind == "cut":
            del raw[place : place + data.draw(strategies.integers(1, 12))]
        elif kind == "double":
            raw[place:place] = raw[place : place + data.draw(strategies.integers(1, 12))]
        else:
            raw = raw[place:] + raw[:place] if data.draw(strategies.booleans()) else raw[:place]
        if not raw:
            return
    assert_same(bytes(raw))


def test_every_truncation_gives_a_circuit_or_an_error() -> None:
    source = MIXED.encode()
    for end in range(1, len(source)):
        assert_same(source[:end])


def test_every_byte_flip_gives_a_circuit_or_an_error(shared_data) -> None:
    source = (shared_data("digital/verilog") / "small" / "verilog_write_escape.v").read_bytes()
    rng = np.random.default_rng(0)
    for place in range(len(source)):
        flipped = bytearray(source)
        flipped[place] ^= 1 << int(rng.integers(8))
        try:
            read_verilog(io.BytesIO(bytes(flipped)))
        except CircuitError:
            continue


def test_statements_are_handed_out_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    from circuitgraph.formats.verilog import tokens

    whole = text(MIXED)
    monkeypatch.setattr(tokens, "WHOLE_BELOW", 0)
    monkeypatch.setattr(tokens, "CHUNK", 7)
    assert text(MIXED) == whole
    modules, _, _ = parse(SourceText("a.v", MIXED))
    assert len(modules) == 1


def test_long_hostile_tokens_take_linear_time() -> None:
    for piece in ("(* ", "/* ", '"', "{", "\\", "(", "`ifdef a\n", "a["):
        with pytest.raises(CircuitError):
            text("module top(input a);\n" + piece * 20_000)


def test_timing_designs_read_and_match_their_spef(shared_data) -> None:
    for name in ("tt_mitssdd", "gf_DSM_core", "sky_gcd"):
        folder = shared_data(f"timing/designs/{name}")
        circuit = read_verilog(folder / f"{name}.v")
        report = read(folder / f"{name}.spef").resolve(circuit).report
        assert (report.num_unknown, report.num_unknown_nodes, report.num_moved_nodes) == (0, 0, 0), name
        assert report.share == 1.0, name


def test_small_files_are_read_without_numba_and_scipy(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "a.v").write_text(MIXED)
    code = (
        "import sys; from circuitgraph import read; c = read(sys.argv[1]); assert c.num_cells == 7, c; "
        "print([m for m in ('numba', 'scipy', 'networkx', 'torch') if m in sys.modules])"
    )
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.v")], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n", done.stderr


def test_library_that_names_its_supply_pins() -> None:
    class WithSupplies(Shelf):
        def is_power_port(self, cell_type: str, port: str) -> bool:
            return (cell_type, port) == ("INV", "PWELL1")

    circuit = text("module top(input a, inout p); INV u(.A(a), .PWELL1(p)); endmodule", library=WithSupplies(INV))
    assert circuit.num_pins == 2


def test_names_that_are_words_of_system_verilog_only() -> None:
    circuit = text(
        "module top(input bind, output final); wire alias; INV class(.A(bind), .Y(alias));\n"
        "INV u(.A(alias), .Y(final)); endmodule"
    )
    assert pins(circuit, "class") == {"A": "bind", "Y": "alias"}


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        (
            "e.aag",
            "aag 2 0 2 1 0\n2 3\n4 2 1\n4\nl0 s\n",
            "cell 's': type 'LATCH' has no clock, and Verilog needs one (2 such cells): write .aag or .aig (AIGER)",
        ),
        (
            "e.bench",
            "INPUT(a)\nOUTPUT(q)\nq = DFF(a)\n",
            "cell 'q': type 'DFF' has no clock, and Verilog needs one (1 such cells): write .bench (BENCH)",
        ),
        (
            "e.aag",
            "aag 1 1 0 0 0 0 1\n2\n2\nc0 p\n",
            "port 'p': is of kind constraint, and Verilog holds no such property: write .aag or .aig (AIGER)",
        ),
    ],
)
def test_what_verilog_does_not_hold_is_refused(name: str, source: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(source)
    with pytest.raises(CircuitError) as caught:
        write_verilog(read(tmp_path / name), tmp_path / "out.v")
    assert str(caught.value).partition(": ")[2] == said
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_known_reset_of_a_library_cell_is_refused_but_a_librarys_dff_is_written(tmp_path: Path) -> None:
    clocked = CellType("DFF", "dff", (Port("D"), Port("CK"), Port("Q", Direction.OUTPUT)), (None,) * 3, True)
    source = "module top(input d, input ck, output q); DFF r(.D(d), .CK(ck), .Q(q)); endmodule"
    circuit = text(source, library=Shelf(clocked))
    write_verilog(circuit, tmp_path / "out.v")
    again = read_verilog(tmp_path / "out.v", library=Shelf(clocked))
    assert canonical_dump(again) == canonical_dump(circuit)
    with pytest.raises(CircuitError, match="cell 'r': its reset is 1, and Verilog holds no resets"):
        write_verilog(replace(circuit, latch_reset=np.array([Reset.ONE], np.int8)), tmp_path / "reset.v")
