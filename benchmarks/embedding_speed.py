"""What embedding an AIG costs, from the file to the states of all nodes: CPU seconds, memory, microseconds a gate.

    python benchmarks/embedding_speed.py                          # generated AIGs of 10 k to 1 M ANDs, and hyp
    python benchmarks/embedding_speed.py --ands 10000000 --no-hyp # about 17 GB

Every row runs in a fresh process on one thread, twice, kernels compiled before; the cheaper run counts. Time is CPU time
of user and system; memory is the peak above what stood after the imports. "shallow" circuits draw their operands among
all variables before an AND, "deep" ones among the 2,000 before it (seed 1). hyp is EPFL's, of the public data. The
encoder has random weights: what it costs does not depend on them. "table" is the text of ``X.nodes.tsv``; it is not part
of the sum and of the memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CIRCUITGRAPH_SHARED_DATA", ROOT.parent / "shared" / "data")) / "digital"
INPUTS, OUTPUTS = 1000, 100
STAGES = ("read", "view", "data", "csr", "encoder", "table")


def generate(path: Path, ands: int, window: int, seed: int = 1) -> None:
    """Write a random binary AIG whose operands are among the *window* variables before an AND."""
    from circuitgraph.formats.aiger_writer import encode_deltas

    rng = np.random.default_rng(seed)
    own = 2 * (INPUTS + 1 + np.arange(ands))
    reach = np.minimum(own // 2 - 1, window)
    operands = [
        own - 2 * (1 + (rng.random(ands) * reach).astype(np.int64)) + rng.integers(0, 2, ands) for _ in range(2)
    ]
    triples = np.stack([own, np.maximum(*operands), np.minimum(*operands)], axis=1)
    outputs = "".join(f"{2 * (INPUTS + ands - row)}\n" for row in range(OUTPUTS))
    path.write_bytes(f"aig {INPUTS + ands} {INPUTS} 0 {OUTPUTS} {ands}\n{outputs}".encode() + encode_deltas(triples))


def peak() -> float:
    """Most memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(path: str, encoder: str) -> dict[str, float]:
    """CPU seconds by stage, memory in MB, nodes and levels of one file; in the process that is measured."""
    import torch

    from circuitgraph.formats.aiger import read_aiger
    from circuitgraph.pyg import to_data
    from circuitgraph.views import logic_view
    from encoders.encoder import Schema, make_encoder, resolve
    from encoders.layers import aggregate_kernels, sweep_kernels  # noqa: F401
    from encoders.layers.edges import edge_averages, relation_graphs, sweep_graphs
    from tasks.embedding import node_table

    torch.set_num_threads(1)
    resolve(f"encoders.{encoder}:{encoder.capitalize()}")
    before = peak()
    times = [time.process_time()]

    def done() -> None:
        times.append(time.process_time())

    circuit = read_aiger(path)
    done()
    view = logic_view(circuit)
    done()
    data = to_data(view)
    done()
    relation_graphs(data, view.kind), sweep_graphs(data, view.kind), edge_averages(data, 0), edge_averages(data, 1)
    done()
    model = make_encoder(encoder, Schema.of(data), 0, width=64, layers=2)
    with torch.no_grad():
        nodes = model(data).nodes
    done()
    assert bool(torch.isfinite(nodes).all())
    memory = peak() - before
    levels = int(data.level.max())
    del nodes, data, model
    start = time.process_time()
    node_table(view, circuit)
    table = time.process_time() - start
    spent = [later - sooner for sooner, later in itertools.pairwise(times)]
    return dict(zip(STAGES, [*spent, table], strict=True)) | {
        "memory": memory,
        "gates": float(circuit.num_cells),
        "levels": float(levels),
    }


def run(path: Path, encoder: str) -> dict[str, float]:
    """The cheaper of two fresh processes."""
    command = [sys.executable, str(Path(__file__).resolve()), "--one", str(path), "--encoder", encoder]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    found = []
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "the process was killed")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return min(found, key=lambda row: sum(row[stage] for stage in STAGES[:5]))


def show(name: str, found: dict[str, float]) -> None:
    """Print a row."""
    total = sum(found[stage] for stage in STAGES[:5])
    print(
        f"| {name} | {found['gates']:,.0f} | {found['levels']:,.0f} | "
        f"{' | '.join(f'{found[stage]:.2f}' for stage in STAGES[:5])} | {total:.2f} | {total / found['gates'] * 1e6:.1f} | "
        f"{found['memory']:,.0f} | {found['memory'] * 1e6 / found['gates']:,.0f} | {found['table']:.2f} |",
        flush=True,
    )


def main() -> None:
    """Generate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ands", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--encoder", default="polarity", help="name of an encoder; width 64, 2 local layers")
    parser.add_argument("--no-hyp", action="store_true", help="leave out EPFL's hyp and its shallow counterpart")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.encoder)))
        return
    print(f"encoder {options.encoder}, width 64, one thread\n")
    print(
        f"| circuit | ANDs | levels | {' | '.join(f'{stage} s' for stage in STAGES[:5])} | sum s | us a gate | "
        "MB above imports | bytes a gate | table s |"
    )
    print(f"|---|{'--:|' * 12}")
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.aig"
        generate(small, 2000, 100)
        run(small, options.encoder)
        circuits = [(f"shallow {ands:,}", ands, ands + INPUTS) for ands in options.ands]
        circuits += [(f"deep {ands:,}", ands, 2000) for ands in options.ands if ands >= 1_000_000]
        archive = SHARED / "aiger.tar.xz"
        if not options.no_hyp and archive.is_file():
            with tarfile.open(archive) as file:
                member = file.extractfile("aiger/epfl/hyp.aig")
                assert member is not None
                (Path(folder) / "hyp.aig").write_bytes(member.read())
            hyp = run(Path(folder) / "hyp.aig", options.encoder)
            show("hyp", hyp)
            circuits.insert(0, ("shallow, as large as hyp", int(hyp["gates"]), 10**9))
        for name, ands, window in circuits:
            path = Path(folder) / "circuit.aig"
            generate(path, ands, window)
            show(name, run(path, options.encoder))
            path.unlink()
    print(f"\nPython {platform.python_version()}, numpy {np.__version__}; {platform.system()} {platform.machine()}, ")
    print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
