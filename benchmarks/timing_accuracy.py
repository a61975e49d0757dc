"""Pre-routing timing on routed designs: arithmetic, published systems and ours, per design, families disjoint.

    python benchmarks/timing_accuracy.py --data ../shared/data/timing -o runs/timing --part main

Parts, each kept as JSON lines in the output folder and resumed row by row (a row that is there is not made again):

    main      the split of the data's README: train, select on validation, test
    long      long-wire designs: yifive_wb_interconnect left out alone (the project's other blocks stay in training)
    family    leave-one-family-out over the larger designs
    library   trained on sky130 alone, tested on gf180, Nangate45 and sg13g2 with constants of 0, 10 and 50 of their nets
    coverage  intervals calibrated on the training designs: coverage per design
    data      training on 1, 3 and all designs, with and without pretraining
    peers     TimingGCN, PreRoutGNN, GCNII on the split of main
    netlist   rows that see no placement
    mst       the spanning-tree row with the calibration designs of an earlier, independent measurement, beside its R2

``--table`` prints the tables of everything that is there. Truth: OpenSTA's default calculator over the routed SPEF.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.timing_data import routed_designs
from tasks.evaluation import PLACED_RECIPE
from tasks.table import text_table
from tasks.task import Example
from tasks.timing.accuracy import LONG_WIRES, Scores, design_rows, measure, summary
from tasks.timing.baselines import FanOut, LibraryWireLoad, MatchedTotals, ZeroWires, packed
from tasks.timing.boosted_wires import BoostedWires
from tasks.timing.confidence import KINDS, slack_scales
from tasks.timing.designs import design_example, read_designs
from tasks.timing.placed_rows import NominalTrees, PlacedTrees, SteinerTrees, few_nets, fitted_constants

ROW = "MST, calibrated"
OURS = "learned wires over placement"
SLOW_SEEDS = 2
"""Seeds of the rows that take minutes each."""

SLACK = {"epochs": 40, "max_nodes": 1, "slack_share": 0.3}
LARGE = (
    *("christmas_tree", "gf_user_proj", "yifive_glbl_cfg", "yifive_sdram", "yifive_spi_master", "yifive_mbist"),
    *("yifive_wb_interconnect", "lbist_mbist_top1", "gf_clock", "gf_peri_top"),
)
CARRIED = {"schedule": "cosine", "learning_rate": 1e-3, "threads": 1, "blocks": "carried", "check_every": 100}
PEERS = {
    "TimingGCN": CARRIED | {"steps": 2600, "graphs": 4, "block_nodes": 500, "seconds": 900},
    "PreRoutGNN": CARRIED
    | {"steps": 2600, "graphs": 2, "block_nodes": 300, "pretrain_steps": 100, "finetune": False, "seconds": 900},
    "GCNII": {"schedule": "cosine", "learning_rate": 1e-3, "threads": 1, "steps": 300, "graphs": 1, "check_every": 20},
}
"""How the published systems are trained: some eight minutes of one thread each, far below what their authors took."""


class Table:
    """Rows kept as JSON lines; a key that is there is not made again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def has(self, part: str, row: str, seed: int, design: str) -> bool:
        """Whether this measurement is there."""
        return any((r["part"], r["row"], r["seed"], r["design"]) == (part, row, seed, design) for r in self.rows)

    def add(self, part: str, row: str, seed: int, example: Example, values: dict[str, float]) -> None:
        """Keep a measurement."""
        found = {"part": part, "row": row, "seed": seed, "design": example.name, "family": example.family}
        self.rows.append({**found, "values": values})
        with self.path.open("a") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")

    def scores(self, part: str) -> list[Scores]:
        """What a part holds."""
        own = [r for r in self.rows if r["part"] == part]
        return [Scores(r["row"], r["seed"], r["design"], r["family"], r["values"]) for r in own]


def fill(
    table: Table,
    part: str,
    row: str,
    seed: int,
    tests: Iterable[Example],
    make: Callable[[], Callable[[Example], Any]],
) -> None:
    """Measure what is missing of a row; *make* trains, and gives a function from an example to a prediction."""
    missing = [example for example in tests if not table.has(part, row, seed, example.name)]
    if not missing:
        return
    began = time.monotonic()
    predict = make()
    trained = time.monotonic() - began
    for example in missing:
        try:
            values = measure(example, predict(example))
        except Exception as error:  # noqa: BLE001 - one row that a design does not have must not end the table
            print(f"{part}: {row}: {example.name}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        table.add(part, row, seed, example, {**values, "training s": trained})
    shown = [f"{r['design']} {r['values']['setup MAE ps']:.0f}" for r in table.rows[-len(missing) :]]
    print(f"{part}: {row} [{seed}] trained {trained:.0f} s: {', '.join(shown)}", file=sys.stderr, flush=True)


def fitted(model: Any, train: Sequence[Example], held: Sequence[Example], recipe: dict[str, Any] | None = None) -> Any:
    """A function that predicts with the fitted model."""

    def make() -> Callable[[Example], Any]:
        model.fit(train, held, recipe or {}, None)
        return predicting(model)

    return make


def predicting(model: Any) -> Callable[[Example], Any]:
    """A function that predicts with a model that is fitted."""
    return lambda example: model.predict(example.inputs)


def few(kind: str, seed: int, count: int) -> Callable[[], Callable[[Example], Any]]:
    """Trees with constants of a few nets of the tested design itself."""

    def make() -> Callable[[Example], Any]:
        def predict(example: Example) -> Any:
            return PlacedTrees(kind, fitted_constants([few_nets(example, count, seed)], kind)).predict(example.inputs)

        return predict

    return make


def true_wires() -> Callable[[Example], Any]:
    """Our engine over the true SPEF: what is left is not wires."""

    def predict(example: Example) -> Any:
        return packed(
            example.inputs, example.labels.reduced(example.inputs), example.labels.reference(example.inputs), "analytic"
        )

    return predict


def arithmetic(table: Table, part: str, train: list[Example], held: list[Example], tests: list[Example]) -> None:
    """Rows of arithmetic and boosting."""
    fill(table, part, "zero wire", 0, tests, fitted(ZeroWires(), train, held))
    fill(table, part, "MST, nominal R and C of the LEF", 0, tests, fitted(NominalTrees(), train, held))
    fill(table, part, ROW, 0, tests, fitted(PlacedTrees(), train, held))
    fill(table, part, "Steiner, calibrated", 0, tests, fitted(SteinerTrees(), train, held))
    for seed in range(5):
        fill(table, part, "MST, 50 nets of the design", seed, tests, few("spanning", seed, 50))
        fill(table, part, "Steiner, 50 nets of the design", seed, tests, few("steiner", seed, 50))
    fill(table, part, "our engine on the true SPEF", 0, tests, true_wires)
    fill(table, part, BoostedWires.name, 0, tests, fitted(BoostedWires(), train, held))


def learned(
    table: Table, part: str, train: list[Example], tests: list[Example], seeds: int, rows: Sequence[str]
) -> None:
    """Rows of ours: from parasitics alone, with slack in the loss, with contexts, with few-net calibration."""
    from tasks.timing.placed_wires import PlacedWires

    for seed in range(seeds):
        if "plain" in rows:
            model = PlacedWires(seed)
            wanted = [e for e in tests if not table.has(part, OURS, seed, e.name)]
            wanted += [e for e in tests if not table.has(part, f"{OURS}, 50 nets", seed, e.name)]
            if wanted:
                model.fit(train, [], PLACED_RECIPE, None)
            fill(table, part, OURS, seed, tests, lambda model=model: predicting(model))

            def calibrated(e: Example, model: Any = model, seed: int = seed) -> Any:
                model.calibrate(e, 50, seed)
                found = model.predict(e.inputs)
                model.calibrate(e, 0)
                return found

            fill(table, part, f"{OURS}, 50 nets", seed, tests, lambda calibrated=calibrated: calibrated)
        if "slack" in rows and seed < SLOW_SEEDS:
            model = PlacedWires(seed)
            fill(
                table,
                part,
                f"{OURS}, through the engine",
                seed,
                tests,
                fitted(model, train, [], {**PLACED_RECIPE, **SLACK}),
            )
        if "sinks" in rows:
            model = PlacedWires(seed, sinks=True)
            fill(table, part, f"{OURS}, delays of sinks too", seed, tests, fitted(model, train, [], PLACED_RECIPE))
        for name, encoder in contexts(rows, seed):
            model = PlacedWires(seed, encoder=encoder)
            fill(table, part, f"{OURS}, {name}", seed, tests, fitted(model, train, [], PLACED_RECIPE))


def contexts(rows: Sequence[str], seed: int) -> list[tuple[str, Any]]:
    """Encoders whose embeddings nets read: the pretrained one, and a random one of its shape."""
    if "context" not in rows:
        return []
    from encoders.encoder import make_encoder
    from tasks.embedding import model_path
    from tasks.timing.finetune import timing_encoder

    encoder, about = timing_encoder(model_path(None, "timing"))
    random = make_encoder(about["encoder"], encoder.schema, seed + 1000, **about["config"]).eval()
    return [("pretrained context", encoder), ("random context", random)]


def main_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """The split of the data's README."""
    train, held, tests = examples["train"], examples["validation"], examples["test"]
    arithmetic(table, "main", train, held, tests)
    learned(table, "main", train, tests, seeds, ("plain", "slack", "sinks", "context"))


def long_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """yifive_wb_interconnect left out of its project."""
    everything = [*examples["train"], *examples["validation"]]
    tests = [e for e in everything if e.name == "yifive_wb_interconnect"]
    train = [e for e in examples["train"] if e.name != "yifive_wb_interconnect"]
    arithmetic(table, "long", train, examples["validation"], tests)
    learned(table, "long", train, tests, seeds, ("plain", "slack", "sinks", "context"))


def family_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """Every larger design with its whole family left out."""
    everything = [
        e for part in examples.values() for e in part if e.inputs.library.name.startswith(("sky130", "gf180"))
    ]
    families = dict.fromkeys(e.family for e in everything if e.name in LARGE)
    for family in families:
        tests = [e for e in everything if e.family == family and e.name in LARGE]
        train = [e for e in everything if e.family != family]
        fill(table, "family", ROW, 0, tests, fitted(PlacedTrees(), train, []))
        fill(table, "family", "Steiner, calibrated", 0, tests, fitted(SteinerTrees(), train, []))
        fill(table, "family", BoostedWires.name, 0, tests, fitted(BoostedWires(), train, []))
        learned(table, "family", train, tests, seeds, ("plain",))


def library_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """Trained on sky130 alone; the other libraries' constants from 0, 10 or 50 of the design's nets."""
    from tasks.timing.placed_wires import PlacedWires

    everything = [e for part in examples.values() for e in part]
    train = [e for e in examples["train"] if e.inputs.library.name.startswith("sky130")]
    tests = [e for e in everything if not e.inputs.library.name.startswith("sky130")]
    for seed in range(seeds):
        model = PlacedWires(seed)
        ready = False
        for count in (0, 10, 50):
            for kind, name in (("spanning", "MST"), ("steiner", "Steiner")):
                row = f"{name}, constants of {count} nets"
                how = few(kind, seed, count) if count else fitted(PlacedTrees(kind), train, [])
                fill(table, "library", row, seed, tests, how)
            row = f"{OURS}, constants of {count} nets"
            missing = any(not table.has("library", row, seed, e.name) for e in tests)
            if missing and not ready:
                model.fit(train, [], PLACED_RECIPE, None)
                ready = True

            def predict(e: Example, model: Any = model, count: int = count, seed: int = seed) -> Any:
                model.calibrate(e, count, seed)
                found = model.predict(e.inputs)
                model.calibrate(e, 0)
                return found

            fill(table, "library", row, seed, tests, lambda predict=predict: predict)


def coverage_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """Coverage of the intervals on designs that neither training nor calibration saw."""
    from tasks.intervals import LEVELS, coverage
    from tasks.timing.placed_wires import PlacedWires

    train = examples["train"]
    for seed in range(seeds):
        sets = [("", train, [*examples["validation"], *examples["test"]])]
        sets += (
            [("left out", [e for e in train if e.name != one.name], [one]) for one in train[:6]] if seed == 0 else []
        )
        for _, own, tests in sets:
            missing = [e for e in tests if not table.has("coverage", OURS, seed, e.name)]
            if not missing:
                continue
            model = PlacedWires(seed)
            model.fit(own, [], {**PLACED_RECIPE, "folds": 5}, None)
            for example in missing:
                prediction = model.predict(example.inputs)
                truth = example.labels.truth(example.inputs)
                slacks = {kind: np.asarray(prediction[f"{kind}_slack"]) for kind in KINDS}
                scales = slack_scales(example.inputs, slacks)
                intervals = model.intervals_of(example.inputs)
                values: dict[str, float] = {"flagged": float(bool(model.strangeness(example.inputs)))}
                for kind in KINDS:
                    true = getattr(truth, f"{kind}_slack")
                    for level in LEVELS:
                        bounds = intervals[kind].interval(slacks[kind], scales[kind], level)
                        values[f"{kind} {level:.0%}"] = coverage(true, *bounds)
                    width = 1e12 * (bounds[1] - bounds[0])[np.isfinite(true)]
                    values[f"{kind} width ps"] = float(np.nanmedian(width))
                values |= {"setup MAE ps": measure(example, prediction)["setup MAE ps"]}
                table.add("coverage", OURS, seed, example, values)
                print("coverage", seed, example.name, {k: round(v, 2) for k, v in values.items()}, file=sys.stderr)


def data_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """1, 3 and all training designs; what a pretrained context adds where labels are few."""
    train, tests = examples["train"], [e for e in examples["test"] if not e.inputs.library.name.startswith("sg13g2")]
    sky = [e for e in train if e.inputs.library.name.startswith("sky130")]
    gf = [e for e in train if e.inputs.library.name.startswith("gf180")]
    for seed in range(seeds):
        order = np.random.default_rng([seed, 5]).permutation(len(sky))
        for count in (1, 3):
            own = [sky[row] for row in order[:count]] + gf[: 1 if count == 1 else 2]
            part = f"data {count}"
            fill(table, part, ROW, seed, tests, fitted(PlacedTrees(), own, []))
            fill(table, part, "Steiner, calibrated", seed, tests, fitted(SteinerTrees(), own, []))
            learned_seed(table, part, own, tests, seed)


def learned_seed(table: Table, part: str, train: list[Example], tests: list[Example], seed: int) -> None:
    """One seed of ours with and without contexts."""
    from tasks.timing.placed_wires import PlacedWires

    fill(table, part, OURS, seed, tests, fitted(PlacedWires(seed), train, [], PLACED_RECIPE))
    for name, encoder in contexts(("context",), seed):
        fill(
            table,
            part,
            f"{OURS}, {name}",
            seed,
            tests,
            fitted(PlacedWires(seed, encoder=encoder), train, [], PLACED_RECIPE),
        )


def peers_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """The published systems, trained and selected on the same families as ours."""
    from tasks.timing.task import Timing

    train, held, tests = examples["train"], examples["validation"], examples["test"]
    models = Timing().models()
    for seed in range(seeds):
        for name, recipe in PEERS.items():
            fill(table, "main", name, seed, tests, fitted(models[name](seed), train, held, {**recipe, "seed": seed}))


def netlist_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """Rows that see no placement."""
    train, held, tests = examples["train"], examples["validation"], examples["test"]
    for model in (ZeroWires(), LibraryWireLoad(), FanOut(), MatchedTotals(FanOut())):
        fill(table, "netlist", model.name, 0, tests, fitted(model, train, held))
    from encoders.encoder import make_encoder
    from tasks.embedding import model_path
    from tasks.recipe import FinetuneRecipe
    from tasks.timing.finetune import timing_encoder
    from tasks.timing.learned import LearnedWires

    encoder, about = timing_encoder(model_path(None, "timing"))
    recipe = FinetuneRecipe().train.model_dump() | {"max_nodes": 12000}
    for seed in range(seeds):
        random = make_encoder(about["encoder"], encoder.schema, seed + 1000, **about["config"]).eval()
        for name, own in (("learned from the netlist", encoder), ("the same, random encoder", random)):
            fill(table, "netlist", name, seed, tests, fitted(LearnedWires(own, about, seed), train, [], recipe))


FITTED_ON = {"sky130": ("yifive_glbl_cfg", "lbist_mbist_top1"), "gf180": ("gf_DSM_core",), "Nangate": ("tut_gcd",)}
"""Designs that the earlier measurement took its constants from, by the beginning of the library's name."""

EARLIER = {
    "christmas_tree": 0.997,
    "yifive_sdram": 0.998,
    "yifive_spi_master": 0.995,
    "yifive_mbist": 0.996,
    "yifive_wb_interconnect": 0.870,
    "yifive_glbl_cfg": 0.893,
    "lbist_mbist_top1": 0.998,
    "gf_peri_top": 0.995,
    "gf_user_proj": 0.995,
    "gf_clock": 0.947,
    "gf_DSM_core": 1.000,
    "tut_gcd": 0.988,
}
"""Its setup-slack R2 (research on timing, section 6), with OpenSTA over SPEF files of the trees."""


def mst_part(table: Table, examples: dict[str, list[Example]], seeds: int) -> None:
    """The spanning-tree row as it was measured before."""
    everything = {e.name: e for part in examples.values() for e in part}
    for library, names in FITTED_ON.items():
        tests = [e for e in everything.values() if e.inputs.library.name.startswith(library)]
        fill(table, "mst", ROW, 0, tests, fitted(PlacedTrees(), [everything[name] for name in names], []))


def mst_table(scores: Sequence[Scores]) -> str:
    """R2 beside the earlier one."""
    rows = [
        {"design": s.design, "R2": s.values["setup R2"], "earlier": EARLIER.get(s.design, float("nan"))} for s in scores
    ]
    near = sum(abs(row["R2"] - row["earlier"]) <= 0.005 for row in rows)
    return text_table(rows, f"mst: setup-slack R2; within 0.005 on {near} of {len(EARLIER)} designs")


def print_tables(table: Table) -> None:
    """Every part that is there."""
    for part in dict.fromkeys(row["part"] for row in table.rows):
        scores = table.scores(part)
        against = ROW if any(s.row == ROW for s in scores) else scores[0].row
        if part == "mst":
            print(mst_table(scores))
            continue
        if part == "coverage":
            rows = [{"design": s.design, "seed": s.seed, **s.values} for s in scores]
            print(text_table(rows, "coverage"))
            continue
        designs = list(dict.fromkeys(s.design for s in scores))
        print(
            text_table(
                summary(scores, against, designs), f"{part}: setup, {len(designs)} designs, skill over {against}"
            )
        )
        print(text_table(summary(scores, against, designs, "hold"), f"{part}: hold"))
        names = list(dict.fromkeys(s.row for s in scores))
        for column in ("setup MAE ps", "setup R2", "setup TNS error %"):
            print(text_table(design_rows(scores, column, names), f"{part}: {column}"))
    wires = [s for part in ("main", "long") for s in table.scores(part) if s.design in LONG_WIRES]
    if wires:
        print(text_table(summary(wires, ROW, list(LONG_WIRES)), f"long-wire designs: setup, skill over {ROW}"))


PARTS: dict[str, Callable[[Table, dict[str, list[Example]], int], None]] = {
    "main": main_part,
    "long": long_part,
    "family": family_part,
    "library": library_part,
    "coverage": coverage_part,
    "data": data_part,
    "peers": peers_part,
    "netlist": netlist_part,
    "mst": mst_part,
}


def main() -> None:
    """Make the parts that the options name, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the timing data")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--part", action="append", choices=list(PARTS), default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="store_true", help="print the tables")
    parser.add_argument("--constants", type=Path, metavar="JSON", help="write the constants of every library here")
    options = parser.parse_args()
    table = Table(options.output / "scores.jsonl")
    if options.part or options.constants:
        designs = read_designs(routed_designs(options.data, options.output / "routed").parent)
        examples: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
        for files in designs:
            examples[files.split].append(design_example(files))
        for part in options.part:
            PARTS[part](table, examples, options.seeds)
        if options.constants:
            everything = [e for part in examples.values() for e in part]
            found = {name: one.state() for name, one in fitted_constants(everything, "steiner").items()}
            options.constants.write_text(json.dumps({"trees": "steiner", "constants": found}, indent=1) + "\n")
    if options.table:
        print_tables(table)


if __name__ == "__main__":
    main()
