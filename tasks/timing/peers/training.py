"""How the published models are trained here: Adam, selection on validation families, time limit, exact resume.

Every random choice of a step depends on the seed and the step alone, so a run that was killed and resumed ends as one
that was not, on one thread, unless a time limit cut it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from circuitgraph.errors import CircuitError, nearest
from encoders.checkpoint import load, pack, paths_of, save, unpack
from encoders.run import Run
from tasks.timing.peers.batch import Batch
from tasks.timing.peers.layers import Outcome

CLIP = 1000.0
"""Norm at which gradients are cut. Source: PreRoutGNN's default."""
STATE = "state.json"
"""Tensor of a saved state that holds everything that is no tensor, as UTF-8."""
Part = TypeVar("Part")


@dataclass(frozen=True)
class Recipe:
    """How long and on what.

    | field | meaning |
    |---|---|
    | steps | of the optimiser |
    | seed | of weights and order |
    | learning_rate | of Adam |
    | schedule | "constant", as theirs, or "cosine": the rate falls to 1 % over the steps |
    | threads | of torch |
    | seconds | of processor time, after which no step is begun; 0 = no limit |
    | blocks | "theirs", "carried", or None: whole designs |
    | block_nodes | counted nodes of a block (carried), nodes that a run of levels reaches (theirs) |
    | graphs | designs or blocks a step, drawn anew; 0 = all |
    | check_every | steps between two looks at the validation families, after which the state is saved |
    | pretrain_steps | of the graph auto-encoder, before |
    | finetune | whether the auto-encoder's encoder is trained on with the rest |
    """

    steps: int = 400
    seed: int = 0
    learning_rate: float = 5e-4
    schedule: str = "constant"
    threads: int = 1
    seconds: float = 0.0
    blocks: str | None = None
    block_nodes: int = 50_000
    graphs: int = 7
    check_every: int = 20
    pretrain_steps: int = 0
    finetune: bool = True

    def rate_at(self, step: int) -> float:
        """Learning rate of a step.

        >>> recipe = Recipe(steps=10, learning_rate=1.0, schedule="cosine")
        >>> recipe.rate_at(0), round(recipe.rate_at(10), 3), Recipe(learning_rate=1.0).rate_at(300)
        (1.0, 0.01, 1.0)
        """
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / max(self.steps, 1))))

    @classmethod
    def of(cls, given: Mapping[str, Any], defaults: Recipe) -> Recipe:
        """The recipe of a mapping.

        Raises:
            CircuitError: a key is unknown, or a value has another type or is negative.
        """
        known = {entry.name: getattr(defaults, entry.name) for entry in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise CircuitError(
                    "recipe", f"key {name!r}", "is unknown", nearest(name, known, f"use {', '.join(known)}")
                )
            wanted = (str, type(None)) if name == "blocks" else type(known[name])
            whole = isinstance(value, int) and not isinstance(value, bool)
            if wanted is float and whole:
                value = float(value)
            fits = isinstance(value, wanted) and (whole or wanted is not int)
            if not fits or (isinstance(value, (int, float)) and not 0 <= value < math.inf):
                raise CircuitError(
                    "recipe", f"{name} = {value!r}", "has another type, or is negative or infinite", "correct it"
                )
            known[name] = value
        named = known["blocks"] in (None, "theirs", "carried") and known["schedule"] in ("constant", "cosine")
        if not known["check_every"] or not known["threads"] or not named:
            rule = "check_every and threads must be at least 1, blocks theirs or carried, schedule constant or cosine"
            raise CircuitError("recipe", "training", rule, "correct it, or leave it out")
        return cls(**known)


def drawn(parts: Sequence[Part], count: int, seed: int, step: int) -> list[Part]:
    """*count* of the parts, without repetition (0 or too many: all), by seed and step alone."""
    if not count or count >= len(parts):
        return list(parts)
    rows = np.random.default_rng([seed, step]).choice(len(parts), count, replace=False)
    return [parts[row] for row in np.sort(rows).tolist()]


def squared_errors(outcome: Outcome, batch: Batch) -> dict[str, Tensor]:
    """Mean squared errors over what is known, by piece, then over pieces: of states, net delays and cell delays.

    Source: both systems add them up unweighted; here masked entries are left out instead of counting as targets of 0.
    """
    targets = batch.targets
    assert targets is not None
    found = {"state": (targets.state_weight * (outcome.state - targets.state) ** 2).sum()}
    if outcome.net_delay is not None:
        found["net_delay"] = (targets.net_weight * (outcome.net_delay - targets.net_delay) ** 2).sum()
    if outcome.cell_delay is not None:
        found["cell_delay"] = (targets.cell_weight * (outcome.cell_delay - targets.cell_delay) ** 2).sum()
    return found


@dataclass
class _Progress:
    """Where a training stands: steps done, seconds used, rows, the best weights and their value, averaged weights."""

    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: float = float("inf")
    best_weights: dict[str, Tensor] | None = None
    average: dict[str, Tensor] | None = None


def train(
    module: nn.Module,
    loss: Callable[[int], Mapping[str, Tensor]],
    recipe: Recipe,
    validate: Callable[[], float] | None = None,
    run: Run | None = None,
    *,
    name: str = "train",
    decay: float = 0.0,
) -> list[dict[str, Any]]:
    """Train *module* in place; it ends with the weights that were best on validation, or the last ones without any.

    Args:
        module: its parameters that require gradients are trained.
        loss: from the step to the terms of its loss.
        recipe: see :class:`Recipe`.
        validate: smaller is better; called under the weights that would be kept.
        run: folder to log to and resume from.
        name: of this training's saved state; two trainings of one run differ in it.
        decay: of the exponential average of the weights, which then is what is kept; 0 = none.

    Returns:
        One row a look: step, seconds, terms of the loss (mean since the last look), validation.
    """
    torch.set_num_threads(recipe.threads)
    optimiser = torch.optim.Adam([w for w in module.parameters() if w.requires_grad], recipe.learning_rate)
    path = None if run is None else run.checkpoint.with_name(f"{run.checkpoint.name}_{name}")
    progress = _resumed(path, module, optimiser)
    for row in progress.rows:
        _log(run, name, row)
    began, before = time.process_time(), progress.seconds
    sums: dict[str, float] = {}
    module.train()
    while progress.step < recipe.steps:
        terms = loss(progress.step)
        _step(module, terms, optimiser, recipe.rate_at(progress.step))
        _average(module, progress, decay)
        progress.step += 1
        progress.seconds = before + time.process_time() - began
        for key, value in terms.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        over = 0 < recipe.seconds <= progress.seconds
        if progress.step % recipe.check_every and progress.step < recipe.steps and not over:
            continue
        count = (progress.step - 1) % recipe.check_every + 1
        row = {"step": progress.step, "seconds": progress.seconds} | {k: v / count for k, v in sums.items()}
        progress.rows.append(row | _looked(module, progress, validate))
        sums = {}
        _log(run, name, progress.rows[-1])
        if path is not None:
            _save(path, module, optimiser, progress)
        if over:
            break
    kept = progress.best_weights if validate is not None else progress.average
    if kept is not None:
        module.load_state_dict(kept)
    module.eval()
    if run is not None:
        run.write_metrics()
    return progress.rows


def _step(module: nn.Module, terms: Mapping[str, Tensor], optimiser: torch.optim.Optimizer, rate: float) -> None:
    optimiser.zero_grad()
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(module.parameters(), CLIP)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()


def _log(run: Run | None, name: str, row: Mapping[str, Any]) -> None:
    if run is not None:
        run.log(row["step"], 0, {f"{name} {key}": value for key, value in row.items() if key != "step"})


def _average(module: nn.Module, progress: _Progress, decay: float) -> None:
    if not decay:
        return
    own = module.state_dict()
    if progress.average is None:
        progress.average = {key: value.clone() for key, value in own.items()}
        return
    for key, value in progress.average.items():
        value.lerp_(own[key], 1 - decay)


def _looked(module: nn.Module, progress: _Progress, validate: Callable[[], float] | None) -> dict[str, float]:
    """The validation value of the weights that would be kept, which are kept where it is the best."""
    if validate is None:
        return {}
    own = {key: value.clone() for key, value in module.state_dict().items()}
    shown = own if progress.average is None else {key: value.clone() for key, value in progress.average.items()}
    module.load_state_dict(shown)
    module.eval()
    with torch.no_grad():
        value = float(validate())
    module.load_state_dict(own)
    module.train()
    value = value if math.isfinite(value) else math.inf
    if value < progress.best or progress.best_weights is None:
        progress.best, progress.best_weights = value, shown
    return {"validation": value}


def _save(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, progress: _Progress) -> None:
    held = {"module": module.state_dict(), "optimiser": optimiser.state_dict(), "progress": dict(vars(progress))}
    tensors: dict[str, Tensor] = {}
    text = json.dumps(pack(held, tensors)).encode()
    tensors[STATE] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    save(path, tensors, {"kind": "state"})


def _resumed(path: Path | None, module: nn.Module, optimiser: torch.optim.Optimizer) -> _Progress:
    """Where a training that was begun before stands; module and optimiser are brought there."""
    if path is None or not paths_of(path)[1].is_file():
        return _Progress()
    tensors, about = load(path)
    if about.get("kind") != "state" or STATE not in tensors:
        raise CircuitError(path.name, "checkpoint", "is no training state", "start a new run folder")
    held = unpack(json.loads(tensors.pop(STATE).numpy().tobytes()), tensors)
    module.load_state_dict(held["module"])
    optimiser.load_state_dict(held["optimiser"])
    return replace(_Progress(), **held["progress"])
