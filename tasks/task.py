"""The contracts of this floor: tasks, models and what they give. No torch at module level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

TASKS: Mapping[str, str] = {"timing": "tasks.timing.task:Timing"}
"""Tasks by name: "module:class"."""

Domain = Literal["cells", "pins", "nets", "pairs", "checks", "circuit"]
Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Example:
    """One design: what a model may see, what it must not, and which family it is of."""

    inputs: Any
    labels: Any
    family: str
    name: str = ""


@dataclass(frozen=True)
class Predicted:
    """One named array of a prediction.

    | field | meaning |
    |---|---|
    | values | [M] or [M, columns] |
    | domain, index | what the rows are of, and which rows of it, int64 [M] |
    | unit | of the values |
    | source | "analytic" or "learned" |
    | lower, upper | bounds of the calibrated interval, or None |
    """

    values: Array
    domain: Domain
    index: Array
    unit: str
    source: Literal["analytic", "learned"]
    lower: Array | None = None
    upper: Array | None = None


@dataclass(frozen=True)
class Prediction:
    """Named arrays, and what is worth saying beside them."""

    arrays: Mapping[str, Predicted]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Array:
        """Values of one array."""
        return self.arrays[name].values


class Model(Protocol):
    """A baseline, a published system or a model of ours; ``labels`` are never inside ``inputs``."""

    name: str

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Learn from examples of other families than those it will be asked about."""

    def predict(self, inputs: Any) -> Prediction:
        """The prediction of one design."""

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Tensors and plain values of a checkpoint."""

    @classmethod
    def from_state(cls, tensors: Mapping[str, Any], about: Mapping[str, Any]) -> Model:
        """The inverse of :meth:`state`."""


Metric = tuple[Callable[[Any, Prediction], float], str, bool]
"""Function of (labels, prediction), unit, whether higher is better."""


class Task(Protocol):
    """A question: its labels, its models and baselines, its metrics and its outputs."""

    name: str
    split: str

    def prepare(self, files: Mapping[str, Any]) -> Example:
        """One design from its files."""

    def models(self) -> Mapping[str, Callable[..., Model]]:
        """What learns."""

    def baselines(self) -> Mapping[str, Callable[..., Model]]:
        """What arithmetic gives; in the same table."""

    def metrics(self) -> Mapping[str, Metric]:
        """What is measured."""

    def write(self, prediction: Prediction, folder: Path) -> Iterable[Path]:
        """The files of a prediction."""
