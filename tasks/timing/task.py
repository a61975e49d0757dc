"""The timing task: its files, models, baselines, metrics and outputs. No torch at module level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.metrics import kendall_tau, mae, r2, recall_of_worst, violating_f1
from tasks.task import Example, Metric, Prediction


class Timing:
    """Arrival, slew and slack of every pin of a design."""

    name = "timing"
    split = "family"

    def prepare(self, files: Mapping[str, Any]) -> Example:
        """One example of the files ``netlist``, ``sdc``, ``spef`` and a Library ``library``; ``family`` where known."""
        from tasks.timing.inputs import read_example

        return read_example(files, files["library"], str(files.get("family", "")))

    def models(self) -> Mapping[str, Callable[..., Any]]:
        """What learns."""
        from tasks.timing.learned import LearnedWires
        from tasks.timing.peers.gcnii import GCNII
        from tasks.timing.peers.preroutgnn import PreRoutGNN
        from tasks.timing.peers.timing_gcn import TimingGCN
        from tasks.timing.placed_wires import PlacedWires

        return {model.name: model for model in (LearnedWires, PlacedWires, TimingGCN, PreRoutGNN, GCNII)}

    def baselines(self) -> Mapping[str, Callable[..., Any]]:
        """What arithmetic gives."""
        from tasks.timing.baselines import FanOut, LibraryWireLoad, ZeroWires
        from tasks.timing.boosted_wires import BoostedWires
        from tasks.timing.placed_rows import NominalTrees, PlacedTrees, SteinerTrees

        by_name = (ZeroWires, LibraryWireLoad, FanOut, NominalTrees, PlacedTrees, SteinerTrees, BoostedWires)
        return {row.name: row for row in by_name}

    def metrics(self) -> Mapping[str, Metric]:
        """Metrics of setup slack; labels are the reference prediction of the same design."""

        def over(function: Callable[[Any, Any], float], scale: float = 1.0) -> Callable[[Any, Prediction], float]:
            return lambda labels, prediction: scale * function(labels["setup_slack"], prediction["setup_slack"])

        return {
            "setup slack MAE": (over(mae, 1e12), "ps", False),
            "setup slack R2": (over(r2), "-", True),
            "Kendall tau": (over(kendall_tau), "-", True),
            "recall of the worst 5 %": (over(recall_of_worst), "-", True),
            "violating F1": (over(violating_f1), "-", True),
        }

    def write(self, prediction: Prediction, folder: Path) -> Iterable[Path]:
        """pins.csv and endpoints.csv."""
        from tasks.timing.outputs import write_tables

        return write_tables(prediction.about["timing"], folder)
