"""How fast structural Verilog and SPEF are read, beside the readers that others wrote.

    python benchmarks/verilog_speed.py                      # Verilog, 10,000 and 100,000 cells, all readers
    python benchmarks/verilog_speed.py --cells 1000000      # ours and pyslang; yosys is left out above 100,000
    python benchmarks/verilog_speed.py --spef a.spef        # SPEF, the body of a.spef repeated to --megabytes

Each reader runs in a fresh process; CPU time of user and system, and the peak of resident memory above what stood
after the imports. "cold cache" is ours with an empty folder of compiled kernels. A reader that is not installed is
left out and named. The netlist is generated (seed 1): nine sky130 cell types, locality window of 2,000 nets, one wire
a line, named connections on their own lines, 5 % escaped cell names, bus ports, 32 assigns.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPES = (
    ("sky130_fd_sc_hd__nand2_1", ("A", "B"), "Y"),
    ("sky130_fd_sc_hd__inv_1", ("A",), "Y"),
    ("sky130_fd_sc_hd__nor2_1", ("A", "B"), "Y"),
    ("sky130_fd_sc_hd__a21oi_1", ("A1", "A2", "B1"), "Y"),
    ("sky130_fd_sc_hd__and3_1", ("A", "B", "C"), "X"),
    ("sky130_fd_sc_hd__xor2_1", ("A", "B"), "X"),
    ("sky130_fd_sc_hd__dfxtp_1", ("CLK", "D"), "Q"),
    ("sky130_fd_sc_hd__o21ai_1", ("A1", "A2", "B1"), "Y"),
    ("sky130_fd_sc_hd__mux2_1", ("A0", "A1", "S"), "X"),
)
WEIGHTS = (20, 20, 15, 10, 5, 10, 10, 5, 5)
WINDOW = 2000
MOST_CELLS = {"pyverilog": 1000, "spydrnet": 100_000, "yosys": 100_000, "re": 10**9, "pyslang": 10**9}


def generate(path: Path, cells: int, seed: int = 1) -> None:
    """Write the netlist of *cells* cells."""
    rng = random.Random(seed)
    with path.open("w") as file:
        file.write("/* generated */\n\nmodule bench(clk, in, out);\n  input clk;\n  wire clk;\n")
        file.write("  input [63:0] in;\n  wire [63:0] in;\n  output [31:0] out;\n  wire [31:0] out;\n")
        for row in range(cells):
            file.write(f"  wire _{row:06d}_;\n")
        for row in range(cells):
            name, inputs, output = rng.choices(TYPES, WEIGHTS)[0]
            cell = f"\\u_core/reg[{row}] " if rng.random() < 0.05 else f"_u{row}_"
            lines = []
            for port in inputs:
                if port == "CLK":
                    net = "clk"
                elif row < 64 or rng.random() < 0.01:
                    net = f"in[{rng.randrange(64)}]"
                else:
                    net = f"_{rng.randrange(max(0, row - WINDOW), row):06d}_"
                lines.append(f"    .{port}({net})")
            lines.append(f"    .{output}(_{row:06d}_)")
            file.write(f"  {name} {cell} (\n" + ",\n".join(lines) + "\n  );\n")
        for bit in range(32):
            file.write(f"  assign out[{bit}] = _{cells - 1 - bit:06d}_;\n")
        file.write("endmodule\n")


def generate_spef(path: Path, source: Path, megabytes: float) -> None:
    """Write the nets of *source* so often that the file has *megabytes*; every copy has its own map entries."""
    text = source.read_text("latin-1")
    head, _, rest = text.partition("*NAME_MAP")
    start = rest.index("*D_NET")
    entries = [
        line for line in rest[:start].splitlines() if line[:1] == "*" and line[1:2].isdigit() and len(line.split()) == 2
    ]
    body = rest[start:]
    span = max(int(line.split()[0][1:]) for line in entries) + 1
    copies = max(1, round(megabytes * 1e6 / len(body)))
    import re

    with path.open("w", encoding="latin-1") as file:
        file.write(head + "*NAME_MAP\n")
        for copy in range(copies):
            for line in entries:
                index, name = line.split()
                file.write(f"*{int(index[1:]) + copy * span} c{copy}/{name}\n")
        file.write("\n")
        for copy in range(copies):
            shift = copy * span
            file.write(re.sub(r"\*(\d+)", lambda match, shift=shift: f"*{int(match[1]) + shift}", body))


# -- the readers; each returns a number that proves the work ------------------------------------------


def read_ours(path: str) -> object:
    """Circuit of this package."""
    from circuitgraph.formats.verilog import read_verilog

    start = usage()
    circuit = read_verilog(path)
    return report(start, f"{circuit.num_cells:,} cells, {circuit.num_pins:,} pins")


def read_ours_parser(path: str) -> object:
    """The same without compiled kernels."""
    from circuitgraph.formats.verilog import reader

    reader.FAST_FROM = 1 << 60
    start = usage()
    circuit = reader.read_verilog(path)
    return report(start, f"{circuit.num_cells:,} cells, {circuit.num_pins:,} pins")


def read_ours_spef(path: str) -> object:
    """Parasitics of this package."""
    from circuitgraph.formats.spef import read_spef

    start = usage()
    parasitics = read_spef(path)
    return report(start, f"{parasitics.num_nets:,} nets, {parasitics.num_nodes:,} nodes")


def read_pyslang(path: str) -> object:
    """Syntax tree only."""
    import pyslang

    start = usage()
    tree = pyslang.syntax.SyntaxTree.fromFile(path)
    return report(start, f"tree of {len(tree.root.members) if hasattr(tree.root, 'members') else 1} members")


def read_pyslang_walk(path: str) -> object:
    """Syntax tree, then every instance and connection in Python."""
    import pyslang

    start = usage()
    tree = pyslang.syntax.SyntaxTree.fromFile(path)
    root = tree.root
    modules = [root] if root.kind == pyslang.syntax.SyntaxKind.ModuleDeclaration else list(root.members)
    pins = cells = 0
    for module in modules:
        for member in module.members:
            if member.kind == pyslang.syntax.SyntaxKind.HierarchyInstantiation:
                for instance in member.instances:
                    if instance.kind != pyslang.syntax.SyntaxKind.HierarchicalInstance:
                        continue
                    cells += 1
                    for connection in instance.connections:
                        if connection.kind == pyslang.syntax.SyntaxKind.NamedPortConnection:
                            pins += bool(connection.name.valueText) and connection.expr is not None
    return report(start, f"{cells:,} cells, {pins:,} pins")


def read_yosys(path: str) -> object:
    """RTLIL."""
    from pyosys import libyosys

    start = usage()
    design = libyosys.Design()
    libyosys.run_pass(f"tee -q read_verilog -icells {path}", design)
    cells = sum(len(module.cells_) for module in design.modules_.values())
    return report(start, f"{cells:,} cells")


def read_spydrnet(path: str) -> object:
    """Netlist objects."""
    import spydrnet

    start = usage()
    netlist = spydrnet.parse(path)
    return report(start, f"{sum(1 for _ in netlist.get_instances()):,} cells")


def read_pyverilog(path: str) -> object:
    """Syntax tree."""
    from pyverilog.vparser.parser import parse

    start = usage()
    tree, _ = parse([path])
    return report(start, f"{len(tree.description.definitions)} modules")


def read_re(path: str) -> object:
    """Two patterns and a dictionary: lists of types, pins and nets."""
    import re

    start = usage()
    text = Path(path).read_text("latin-1")
    cell = re.compile(r"^\s*(\w+)\s+(\\\S+\s|\w+)\s*\(\s*(\..*?)\);", re.DOTALL | re.MULTILINE)
    pin = re.compile(r"\.(\w+)\s*\(\s*([^)]*?)\s*\)")
    nets: dict[str, int] = {}
    cells = pins = 0
    for match in cell.finditer(text):
        cells += 1
        for connection in pin.finditer(match[3]):
            nets.setdefault(connection[2], len(nets))
            pins += 1
    return report(start, f"{cells:,} cells, {pins:,} pins")


READERS = {
    "ours": read_ours,
    "ours, parser only": read_ours_parser,
    "ours spef": read_ours_spef,
    "pyslang, tree only": read_pyslang,
    "pyslang + walk": read_pyslang_walk,
    "pyosys read_verilog": read_yosys,
    "spydrnet": read_spydrnet,
    "pyverilog": read_pyverilog,
    "re": read_re,
}
LIMITS = {"pyosys read_verilog": 100_000, "spydrnet": 100_000, "pyverilog": 1_000}
COLD = "ours, cold cache"


def usage() -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak memory in MB of this process."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime, time.perf_counter(), own.ru_maxrss / 1024


def report(start: tuple[float, float, float], what: str) -> dict[str, object]:
    """What was used since *start*."""
    now = usage()
    return {"cpu": now[0] - start[0], "wall": now[1] - start[1], "mb": now[2] - start[2], "what": what}


def run(reader: str, path: Path, cache: Path | None) -> dict[str, object]:
    """One reader in a fresh process."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import verilog_speed as v; "
        "print(json.dumps(v.READERS[sys.argv[2]](sys.argv[3])))"
    )
    folder = str(Path(__file__).resolve().parent)
    done = subprocess.run(
        [sys.executable, "-c", code, folder, reader, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return {"error": lines[-1][:70]}
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def table(path: Path, readers: list[str], folder: Path) -> None:
    """Print one Markdown table."""
    size = path.stat().st_size / 1e6
    print(f"\n{path.name}: {size:.1f} MB\n")
    print("| reader | CPU s | wall s | peak MB above imports | MB/s | result |\n|---|--:|--:|--:|--:|---|")
    for reader in readers:
        cache = None
        name = reader
        if reader.endswith("cold cache"):
            cache, name = folder / f"cache{len(list(folder.iterdir()))}", reader.removesuffix(", cold cache")
            cache.mkdir()
        found = run(name, path, cache)
        if "error" in found:
            print(f"| {reader} | - | - | - | - | {found['error']} |", flush=True)
            continue
        cpu, wall, memory = (float(str(found[key])) for key in ("cpu", "wall", "mb"))
        print(f"| {reader} | {cpu:.2f} | {wall:.2f} | {memory:.0f} | {size / cpu:.0f} | {found['what']} |", flush=True)


def main() -> None:
    """Generate, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cells", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--readers", nargs="*", help="names of rows; default: all that the size allows")
    parser.add_argument("--spef", type=Path, help="SPEF file with a name map to repeat")
    parser.add_argument("--megabytes", type=float, default=50.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.spef:
            path = folder / "generated.spef"
            generate_spef(path, arguments.spef, arguments.megabytes)
            warm = arguments.readers or ["ours spef", "ours spef", "ours spef, cold cache"]
            table(path, warm, folder)
            return
        for cells in arguments.cells:
            path = folder / f"cells_{cells}.v"
            generate(path, cells)
            every = ["ours", COLD, *(reader for reader in READERS if reader not in {"ours", "ours spef"})]
            readers = arguments.readers or [reader for reader in every if cells <= LIMITS.get(reader, 10**12)]
            run("ours", path, None)
            table(path, readers, folder)
            path.unlink()


if __name__ == "__main__":
    main()
