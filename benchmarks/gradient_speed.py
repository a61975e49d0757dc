"""What derivatives of timing analysis cost, how much they keep, and how well they foretell the delay model dmp.

    python benchmarks/gradient_speed.py --data ../shared/data/timing
    python benchmarks/gradient_speed.py --data ../shared/data/timing --dmp tt_mitssdd --dmp gf_user_proj

The first table is CPU time (least of several runs) of an analysis, of the forward sweep with its tape, and of the
backward sweep for gradients by every slack, arrival and slew ("all") or by the slacks alone, with bytes a pin: state
kept between the two, and the peak that the backward sweep adds. With --dmp: the sum of setup slacks
by the capacitance of 200 nets and by the Elmore delay of 200 sinks, derivatives against central differences of dmp
(2 %): correlation, slope of the differences over the derivatives, sum of misses over the sum of differences.
"""

from __future__ import annotations

import argparse
import os
import platform
import tarfile
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from delay_models import design_of

from circuitgraph.analysis.sta import analyse
from circuitgraph.analysis.sta_gradient import backward, forward_with_tape
from circuitgraph.analysis.sta_linearised import corrections_of


def least(rounds: int, work: Callable[[], object]) -> float:
    """Least CPU time of several runs, ms."""
    found = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return 1e3 * min(found)


def cost(name: str, found: dict[str, Any], rounds: int) -> None:
    """Rows of one design: the whole, smooth merges, blocks."""
    prepared, wires, listed = found["prepared"], found["wires"]["elmore"], found["listed"]
    circuit = prepared.circuit
    pins = int((circuit.pin_net >= 0).sum()) + circuit.num_ports
    analysis = least(rounds, lambda: analyse(prepared, wires=wires, delay_model="elmore", listed=listed))
    rng = np.random.default_rng(0)
    by = [rng.normal(size=s) for s in ((2, prepared.num_places), (prepared.num_places, 4), (prepared.nodes.count, 4))]
    for label, smoothing, size in (("exact", None, None), ("smooth, 5 ps", 5e-12, None), ("5,000 a block", None, 5000)):
        tape = forward_with_tape(prepared, wires, smoothing=smoothing, block_size=size, listed=listed)
        forward = least(
            rounds,
            lambda s=smoothing, b=size: forward_with_tape(prepared, wires, smoothing=s, block_size=b, listed=listed),
        )
        every = least(rounds, lambda t=tape: backward(t, *by))
        slacks = least(rounds, lambda t=tape: backward(t, by[0]))
        tracemalloc.start()
        backward(tape, *by)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"| {name}, {label} | {pins:,} | {len(prepared.planes)} | {analysis:.0f} | {forward:.0f} | {every:.0f} | "
            f"{slacks:.0f} | {every / forward:.2f} | {tape.kept_bytes / pins:.0f} | {peak / pins:.0f} | "
            f"{tape.peak_rows:,} | {int(tape.live.frontier.max()):,} |"
        )


def foretold(name: str, found: dict[str, Any], count: int) -> None:
    """Derivatives of three kinds against differences of dmp."""
    prepared, wires, listed = found["prepared"], found["wires"]["dmp"], found["listed"]
    by = np.stack([np.ones(prepared.num_places), np.zeros(prepared.num_places)])
    load = analyse(prepared, wires=wires, delay_model="dmp", listed=listed).load.mean(axis=1)
    kinds = {
        "corrections": forward_with_tape(
            prepared, wires, corrections=corrections_of(prepared, wires, listed=listed), listed=listed
        ),
        "corrections, total load": forward_with_tape(
            prepared,
            wires,
            corrections=corrections_of(prepared, wires, total_load=True, listed=listed),
            listed=listed,
        ),
        "elmore": forward_with_tape(prepared, found["wires"]["elmore"], listed=listed),
    }
    slopes = {kind: backward(tape, by) for kind, tape in kinds.items()}
    own = slopes["corrections"]
    rng = np.random.default_rng(0)
    nets = rng.permutation(np.flatnonzero((own.capacitance != 0) & wires.annotated))[:count]
    long = (own.sink_delay != 0).any(axis=1) & (wires.elmore.max(axis=1) > 1e-14)
    sinks = rng.permutation(np.flatnonzero(long))[:count]

    def total(**changes: Any) -> float:
        changed = replace(wires, **changes)
        return float(np.nansum(analyse(prepared, wires=changed, delay_model="dmp", listed=listed).worst_slack()))

    by_net, by_sink = [], []
    for net in nets.tolist():
        sides = []
        for step in (0.02, -0.02):
            pi, capacitance = wires.pi.copy(), wires.capacitance.copy()
            pi[net, :, 0] *= 1 + step
            pi[net, :, 2] *= 1 + step
            capacitance[net] += step * load[net]
            sides.append(total(pi=pi, capacitance=capacitance))
        by_net.append((sides[0] - sides[1]) / (0.04 * load[net]))
    for place in sinks.tolist():
        step = 0.02 * wires.elmore[place].mean()
        sides = []
        for side in (step, -step):
            sink = wires.sink.copy()
            sink[place] += side
            sides.append(total(sink=sink))
        by_sink.append((sides[0] - sides[1]) / (2 * step))
    for kind, slope in slopes.items():
        cells = []
        for ours, true in ((slope.capacitance[nets], by_net), (slope.sink_delay[sinks].sum(axis=1), by_sink)):
            other = np.array(true)
            cells.append(
                f"{np.corrcoef(ours, other)[0, 1]:.5f} / {(ours * other).sum() / (ours**2).sum():.4f} / "
                f"{np.abs(ours - other).sum() / np.abs(other).sum():.5f}"
            )
        print(f"| {name} | {kind} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables and where they were made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FOLDER", help="the timing data")
    parser.add_argument("--dmp", metavar="NAME", action="append", default=[], help="foretell dmp on this design")
    parser.add_argument("--rounds", type=int, default=7, help="the least of so many runs counts")
    parser.add_argument("--count", type=int, default=200, help="nets and sinks that are moved")
    options = parser.parse_args()
    names = options.dmp or ["tt_mitssdd", "gf_user_proj", "christmas_tree"]
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            with tarfile.open(Path(options.data, "designs", f"{name}.tar.xz")) as archive:
                archive.extractall(place, filter="data")
        if options.dmp:
            print("| design | derivatives | by capacitance: correlation / slope / misses | by Elmore delay: the same |")
            print("|---|---|--:|--:|")
        else:
            print(
                "| design | pins | planes | analysis ms | forward | backward, all | slacks alone | backward / forward | "
                "kept B/pin | peak B/pin | rows | frontier |"
            )
            print("|---|" + "--:|" * 11)
        for name in names:
            found = design_of(Path(options.data), Path(place, name), name)
            if options.dmp:
                foretold(name, found, options.count)
            else:
                cost(name, found, options.rounds)
    print(f"\nPython {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
