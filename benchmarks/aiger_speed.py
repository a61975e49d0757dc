"""How fast binary AIGER is read, levelled and simulated, beside aigverse and ABC.

    python benchmarks/aiger_speed.py                 # 1 M and 10 M ANDs

Each reader runs in a fresh process. Time is CPU time of user and system, the least of --repeats runs; memory is the peak
above what stood after the imports. The file is generated (seed 1): operands are drawn among the 2,000 variables before
an AND, so nothing is trimmed by being unread alone. aigverse and ABC hash structurally while they read and keep fewer
nodes (printed); ours keeps exactly the file's. ABC is timed as a whole process, start included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
INPUTS, OUTPUTS, WINDOW = 1000, 100, 2000


def generate(path: Path, ands: int, seed: int = 1) -> None:
    """Write a random binary AIG."""
    from circuitgraph.formats.aiger_writer import encode_deltas

    rng = np.random.default_rng(seed)
    own = 2 * (INPUTS + 1 + np.arange(ands))
    reach = np.minimum(own // 2 - 1, WINDOW)
    operands = [
        own - 2 * (1 + (rng.random(ands) * reach).astype(np.int64)) + rng.integers(0, 2, ands) for _ in range(2)
    ]
    triples = np.stack([own, np.maximum(*operands), np.minimum(*operands)], axis=1)
    outputs = "".join(f"{2 * (INPUTS + ands - row)}\n" for row in range(OUTPUTS))
    path.write_bytes(f"aig {INPUTS + ands} {INPUTS} 0 {OUTPUTS} {ands}\n{outputs}".encode() + encode_deltas(triples))


def ours(path: str) -> int:
    from circuitgraph.formats.aiger import read_aiger

    return read_aiger(path).num_cells


def ours_view(path: str) -> int:
    from circuitgraph.formats.aiger import read_aiger
    from circuitgraph.views import logic_view

    return logic_view(read_aiger(path)).num_edges


def ours_simulation(path: str) -> int:
    from circuitgraph.analysis.simulation import random_patterns, simulate
    from circuitgraph.draws import Draws
    from circuitgraph.formats.aiger import read_aiger

    circuit = read_aiger(path)
    return int(simulate(circuit, random_patterns(circuit, 16, Draws(0))).shape[0])


def aigverse(path: str) -> int:
    from aigverse.io import read_aiger_into_aig  # type: ignore[import-untyped]

    return int(read_aiger_into_aig(path).num_gates)


READERS = {
    "ours, to Circuit": ours,
    "ours, to the logic view": ours_view,
    "ours, read + 1,024 patterns": ours_simulation,
    "aigverse": aigverse,
}


def child(name: str, path: str) -> None:
    """Run one reader and print its cost."""
    import circuitgraph.formats.aiger  # noqa: F401 - counted as import

    if name == "aigverse":
        import aigverse.io  # noqa: F401
    before, held = resource.getrusage(resource.RUSAGE_SELF), peak()
    count = READERS[name](path)
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "megabytes": (peak() - held) / 1024, "nodes": count}))


def peak() -> int:
    """Peak of resident memory of this process alone, kB; ru_maxrss would inherit the parent's."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0])


def abc(path: str) -> dict[str, float] | None:
    """The same by ABC's command, as a process."""
    program = shutil.which("berkeley-abc")
    if program is None:
        return None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([program, "-q", f"read_aiger {path}; print_stats"], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"and\s*=\s*(\d+)", done.stdout)
    nodes = int(found[1]) if found else -1
    return {
        "seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "megabytes": float("nan"),
        "nodes": nodes,
    }


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ands", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=2)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}\n"
    )
    print("| ANDs | reader | CPU s | MB above imports | nodes or edges kept |\n|--:|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for ands in options.ands:
            path = Path(folder) / f"{ands}.aig"
            generate(path, ands)
            for name in READERS:
                if ands > 2_000_000 and name == "ours, read + 1,024 patterns":
                    continue
                runs = []
                for _ in range(options.repeats):
                    command = [sys.executable, __file__, "--child", name, str(path)]
                    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
                    if done.returncode == 0:
                        runs.append(json.loads(done.stdout))
                if runs:
                    best = min(runs, key=lambda run: run["seconds"])
                    print(
                        f"| {ands:,} | {name} | {best['seconds']:.2f} | {best['megabytes']:.0f} | {best['nodes']:,} |"
                    )
                else:
                    print(f"| {ands:,} | {name} | failed or not installed | | |")
            found = abc(str(path))
            if found:
                kept = f"{found['nodes']:,}" if found["nodes"] > 0 else "none: it refuses or trims everything"
                print(f"| {ands:,} | ABC (process) | {found['seconds']:.2f} | | {kept} |")


if __name__ == "__main__":
    main()
