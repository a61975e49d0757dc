"""Behavioural Verilog: the data-flow graph of a module through pyverilog.

pyverilog needs the program iverilog, writes its tables into the working folder, leaves files open and prints: it runs
in a process of its own, in a private folder, with a time limit. Nothing of it enters this process.

The graph is a :class:`networkx.DiGraph`. A node has ``kind``, ``name`` and ``width`` (bits, or None where unknown):

| kind | meaning |
|---|---|
| input, output, inout | ports of the top |
| register | assigned at a clock edge (a port that is a register is ``output`` with ``is_register`` true) |
| wire | any other signal; pyverilog adds some for the steps of blocking assignments |
| parameter, constant | values |
| operator | name is pyverilog's word: Plus, And, Eq, Unot, ... |
| branch | operands 0 condition, 1 then, 2 else; no operand 2 = keeps its value |
| concat | operand 0 is the most significant |
| select | constant or computed part select: operands 0 signal, 1 first, 2 last bit |
| index | operands 0 array, 1 address |
| call | system function |

An edge goes from operand to result; ``slots`` holds the operand positions (two in ``a + a``) and ``role`` is ``data``,
``clock``, ``reset`` or ``address``. What reaches no output and no register is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuitgraph.errors import CircuitError, nearest, quoted
from circuitgraph.programs import require
from circuitgraph.worker import last_words, run_worker

if TYPE_CHECKING:
    import networkx as nx

ONE_BIT = frozenset(
    ("Eq", "NotEq", "Eql", "NotEql", "LessThan", "GreaterThan", "LessEq", "GreaterEq", "Land", "Lor", "Ulnot")
) | frozenset(("Uand", "Uor", "Uxor", "Unand", "Unor", "Uxnor"))
RECURSION = 20_000


def read_rtl(path: str | os.PathLike[str], top: str | None = None, time_limit: float = 60.0) -> nx.DiGraph[str]:
    """The data-flow graph of one module and of everything that it instantiates.

    Args:
        path: a Verilog-2005 file.
        top: name of the module; by default the only one that no other instantiates.
        time_limit: s.

    Raises:
        CircuitError: the file has a syntax error (with its line), several modules could be the top, iverilog or
            pyverilog is missing, or the time is over.

    Example:
        ``graph = read_rtl("adder.v")``.
    """
    import networkx as nx

    source = Path(path)
    require("iverilog")
    with tempfile.TemporaryDirectory(prefix="cg-rtl-") as name:
        folder = Path(name)
        try:
            shutil.copyfile(source, folder / "rtl.v")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CircuitError(str(source), "file", f"cannot be read ({reason})", "check the path") from None
        answer = _run(folder, source, top, time_limit)
    if "error" in answer:
        raise _as_error(source.name, answer)
    graph: nx.DiGraph[str] = nx.DiGraph(name=answer["top"])
    for node in answer["nodes"]:
        graph.add_node(node.pop("id"), **node)
    for operand, result, slots, role in answer["edges"]:
        graph.add_edge(operand, result, slots=tuple(slots), role=role)
    return graph


def _run(folder: Path, source: Path, top: str | None, time_limit: float) -> dict[str, Any]:
    """Start the worker and read its answer."""
    paths = {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    code = "from circuitgraph.rtl import _work; _work()"
    log = run_worker(code, folder, time_limit, source.name, "data flow", [top] if top else [], paths)
    if log is not None:
        return {"error": "stopped", "text": last_words(log)}
    answer: dict[str, Any] = json.loads((folder / "answer").read_text())
    return answer


def _as_error(name: str, answer: dict[str, Any]) -> CircuitError:
    kind, text = answer["error"], str(answer.get("text", ""))
    if kind == "missing":
        return CircuitError(name, "data flow", "needs the package pyverilog", "pip install pyverilog")
    if kind == "syntax":
        place = f"{name}:{answer['line']}" if answer.get("line") else name
        return CircuitError(place, "Verilog", text or "has a syntax error", "correct the line")
    if kind == "top":
        known = answer["modules"]
        if answer.get("top"):
            way_out = nearest(answer["top"], known, f"its modules are {quoted(known)}")
            return CircuitError(name, f"module {answer['top']!r}", "is not in the file", way_out)
        return CircuitError(name, "top module", f"is not clear among {quoted(known)}", "name one with top")
    return CircuitError(name, "data flow", f"pyverilog cannot analyse it ({text})", "simplify the construct")


# -- inside the worker ---------------------------------------------------------------------------


def _work() -> None:
    """Analyse ``rtl.v`` of the working folder and write ``answer``."""
    sys.setrecursionlimit(RECURSION)
    try:
        answer = _analyse(sys.argv[1] if len(sys.argv) > 1 else "")
    except ModuleNotFoundError as error:
        answer = {"error": "missing", "text": str(error)}
    except Exception as error:  # noqa: BLE001 - pyverilog raises its own, bare and built-in kinds
        answer = {"error": "stopped", "text": f"{type(error).__name__}: {error}"}
    Path("answer").write_text(json.dumps(answer))


def _analyse(top: str) -> dict[str, Any]:
    complaint = _syntax_error()
    if complaint:
        return complaint
    from pyverilog.dataflow.dataflow_analyzer import VerilogDataflowAnalyzer
    from pyverilog.vparser.parser import ParseError

    analyzer = VerilogDataflowAnalyzer(["rtl.v"], top)
    try:
        tree = analyzer.parse()
    except ParseError as error:
        line = "".join(c for c in str(error).partition("line:")[2].partition(":")[0] if c.isdigit())
        return {"error": "syntax", "line": line, "text": "uses syntax that pyverilog does not know"}
    modules, used = _modules(tree)
    if not top:
        roots = [module for module in modules if module not in used]
        if len(roots) != 1:
            return {"error": "top", "modules": roots or modules}
        top = roots[0]
    elif top not in modules:
        return {"error": "top", "top": top, "modules": modules}
    analyzer.topmodule = top
    analyzer.parse = lambda *_, **__: tree
    analyzer.generate()
    return _Graph(top, analyzer.getTerms(), analyzer.getBinddict()).answer()


def _syntax_error() -> dict[str, Any] | None:
    """What iverilog says of the file's syntax: it knows the line."""
    done = subprocess.run(
        ["iverilog", "-g2005", "-t", "null", "rtl.v"], capture_output=True, text=True, timeout=60, check=False
    )
    for line in (done.stderr + done.stdout).splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3 and parts[0] == "rtl.v" and parts[1].isdigit() and "error" in parts[2]:
            text = parts[2].strip().removeprefix("error:").strip()
            if "syntax error" in text or "Malformed" in text or "invalid module item" in text:
                return {
                    "error": "syntax",
                    "line": parts[1],
                    "text": f"has a {text}" if text == "syntax error" else text,
                }
    return None


def _modules(tree: Any) -> tuple[list[str], set[str]]:
    """Names of the modules defined and of those instantiated."""
    defined: list[str] = []
    used: set[str] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        kind = type(node).__name__
        if kind == "ModuleDef":
            defined.append(node.name)
        elif kind == "InstanceList":
            used.add(node.module)
        waiting.extend(node.children())
    return sorted(defined), used


class _Graph:
    """Collects nodes and edges from pyverilog's terms and binds."""

    def __init__(self, top: str, terms: dict[Any, Any], binds: dict[Any, list[Any]]) -> None:
        self.top = top
        self.terms = {str(name): term for name, term in terms.items()}
        self.binds = {str(name): bind for name, bind in binds.items()}
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: dict[tuple[str, str, str], list[int]] = {}
        self.count = 0

    def answer(self) -> dict[str, Any]:
        """Nodes and edges that something reads, in a fixed order."""
        for name in self.terms:
            if "Genvar" not in self.terms[name].termtype:
                self.signal(name)
        for name, binds in self.binds.items():
            for slot, bind in enumerate(binds):
                self.bind(name, slot, bind)
        kept = self.alive()
        nodes = [{"id": key, **value} for key, value in self.nodes.items() if key in kept]
        edges = [
            [operand, result, sorted(set(slots)), role]
            for (operand, result, role), slots in self.edges.items()
            if operand in kept and result in kept
        ]
        return {"top": self.top, "nodes": nodes, "edges": edges}

    def alive(self) -> set[str]:
        """Nodes from which an output or a register is reached, and all ports."""
        before: dict[str, list[str]] = {}
        for operand, result, _ in self.edges:
            before.setdefault(result, []).append(operand)
        ports = {key for key, node in self.nodes.items() if node["kind"] in {"input", "output", "inout"}}
        waiting = [key for key, n in self.nodes.items() if n["kind"] in {"output", "inout"} or n.get("is_register")]
        found = set(waiting)
        while waiting:
            for operand in before.get(waiting.pop(), ()):
                if operand not in found:
                    found.add(operand)
                    waiting.append(operand)
        return found | ports

    def edge(self, operand: str, result: str, slot: int, role: str = "data") -> None:
        """Add an operand; a second use of it by the same result adds a slot."""
        self.edges.setdefault((operand, result, role), []).append(slot)

    def new(self, kind: str, name: str, width: int | None = None) -> str:
        """A node that is no signal."""
        key = f"{kind}:{self.count}"
        self.count += 1
        self.nodes[key] = {"kind": kind, "name": name, "width": width}
        return key

    def signal(self, name: str) -> str:
        """The node of a signal, made when it is new."""
        if name in self.nodes:
            return name
        term = self.terms.get(name)
        types = set(term.termtype) if term is not None else set()
        kind = "wire"
        if name.count(".") == 1:
            kind = next((word.lower() for word in ("Input", "Output", "Inout") if word in types), kind)
        if types & {"Parameter", "Localparam"}:
            kind = "parameter"
        clocked = any(b.alwaysinfo is not None and b.alwaysinfo.isClockEdge() for b in self.binds.get(name, ()))
        if clocked and kind == "wire":
            kind = "register"
        width = None
        if term is not None:
            high, low = self.value(term.msb), self.value(term.lsb)
            width = abs(high - low) + 1 if high is not None and low is not None else None
        self.nodes[name] = {"kind": kind, "name": name, "width": width, "is_register": clocked}
        return name

    def bind(self, name: str, slot: int, bind: Any) -> None:
        """One assignment to a signal."""
        target = self.signal(name)
        self.edge(self.tree(bind.tree), target, slot)
        if bind.ptr is not None and self.value(bind.ptr) is None:
            self.edge(self.tree(bind.ptr), target, slot, "address")
        info = bind.alwaysinfo
        if info is not None and info.isClockEdge():
            self.edge(self.signal(str(info.getClockName())), target, slot, "clock")
            if info.getResetName() is not None:
                self.edge(self.signal(str(info.getResetName())), target, slot, "reset")

    def value(self, node: Any) -> int | None:
        """Number of a constant expression over parameters, or None."""
        kind = type(node).__name__
        if kind == "DFIntConst":
            found = node.eval()
            return int(found) if found is not None else None
        if kind == "DFEvalValue":
            return int(node.value) if isinstance(node.value, int) else None
        if kind == "DFTerminal":
            binds = self.binds.get(str(node.name), [])
            is_parameter = bool(binds) and set(self.terms[str(node.name)].termtype) & {"Parameter", "Localparam"}
            return self.value(binds[0].tree) if is_parameter else None
        if kind == "DFOperator":
            values = [self.value(operand) for operand in node.nextnodes]
            if len(values) == 2 and None not in values:
                a, b = values
                assert a is not None
                assert b is not None
                table = {"Plus": a + b, "Minus": a - b, "Times": a * b, "Divide": a // b if b else None}
                return table.get(node.operator)
        return None

    def tree(self, node: Any) -> str:
        """The node of an expression."""
        kind = type(node).__name__
        if kind == "DFTerminal":
            return self.signal(str(node.name))
        if kind in {"DFIntConst", "DFFloatConst", "DFStringConst", "DFConstant", "DFEvalValue"}:
            text = str(node.value)
            key = f"constant:{text}"
            self.nodes.setdefault(key, {"kind": "constant", "name": text, "width": _constant_width(text)})
            return key
        if kind == "DFOperator":
            key = self.new("operator", node.operator, 1 if node.operator in ONE_BIT else None)
            operands = list(node.nextnodes)
        elif kind == "DFBranch":
            key, operands = self.new("branch", "branch"), [node.condnode, node.truenode, node.falsenode]
        elif kind == "DFConcat":
            key, operands = self.new("concat", "concat"), list(node.nextnodes)
        elif kind == "DFPartselect":
            high, low = self.value(node.msb), self.value(node.lsb)
            known = high is not None and low is not None
            width = abs(high - low) + 1 if high is not None and low is not None else None
            key = self.new("select", f"[{high}:{low}]" if known else "[:]", width)
            operands = [node.var] if known else [node.var, node.msb, node.lsb]
        elif kind == "DFPointer":
            key, operands = self.new("index", "index"), [node.var, node.ptr]
        elif kind == "DFSyscall":
            key, operands = self.new("call", str(node.syscall)), list(node.nextnodes)
        else:
            key, operands = self.new("unknown", kind), []
        for slot, operand in enumerate(operands):
            if operand is not None:
                self.edge(self.tree(operand), key, slot)
        return key


def _constant_width(text: str) -> int | None:
    """Bits of a sized literal, or None.

    >>> _constant_width("8'hff"), _constant_width("3")
    (8, None)
    """
    size, quote, _ = text.partition("'")
    return int(size) if quote and size.isdigit() else None
