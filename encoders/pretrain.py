"""The one training loop, on Lightning: exact resume after any kill, the same bits at a fixed number of threads.

Order of batches and every random number depend on (seed, epoch, step) alone, so nothing of a generator has to be
saved; state goes to safetensors + JSON through a CheckpointIO plug-in.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from circuitgraph.draws import Draws, seed_of
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, EpochLoader
from encoders.checkpoint import load, pack, paths_of, save, unpack
from encoders.run import Run, processes

Say = Callable[[str], None]
STATE = "state.json"
"""Tensor of a saved state that holds everything that is no tensor, as UTF-8."""


@dataclass(frozen=True)
class Settings:
    """How long and how fast.

    | field | meaning |
    |---|---|
    | epochs | passes over the training graphs |
    | max_nodes | node budget of a batch |
    | learning_rate, weight_decay, clip | of AdamW; norm at which gradients are cut |
    | warm_up | share of the steps over which the rate rises; then it falls as a cosine to 1 % |
    | save_every | steps between saved states |
    | threads | of torch |
    """

    epochs: int = 20
    max_nodes: int = 4000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip: float = 1.0
    warm_up: float = 0.05
    save_every: int = 100
    threads: int = 1


def train(
    encoder: nn.Module,
    objective: nn.Module,
    graphs: Sequence[CircuitData],
    settings: Settings,
    seed: int,
    run: Run | None = None,
    validate: Callable[[], Mapping[str, float]] | None = None,
    say: Say | None = None,
) -> list[dict[str, Any]]:
    """Train *encoder* and *objective* in place.

    Args:
        encoder: anything that the objective takes; a module without parameters trains the objective alone.
        objective: see :class:`encoders.objectives.Objective`.
        graphs: the training set.
        run: folder to log to and resume from; None keeps everything in memory.
        validate: called after each epoch; its values are logged with the prefix ``validation_``.
        say: gets progress lines with rate and time left.

    Returns:
        The logged rows.

    Raises:
        CircuitError: no training graphs.
    """
    if not graphs:
        raise CircuitError("recipe", "training set", "is empty", "check the corpus and its split")
    lightning = _lightning()
    torch.set_num_threads(settings.threads)
    rank, world = processes()
    local = int(os.environ.get("LOCAL_WORLD_SIZE", world)) if world > 1 else 1
    loader = EpochLoader(graphs, settings.max_nodes, seed, rank, world)
    steps = sum(len(loader.batches(epoch)) for epoch in range(settings.epochs))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "bind") >> 1)
        objective.bind(encoder)  # type: ignore[operator]
    module = _module(lightning, encoder, objective, settings, seed, steps)
    memory = run if run is not None else Run("unused")
    on_disk = run is not None and rank == 0
    speak = say if rank == 0 else None
    callback = _callback(lightning, loader, memory, (run is not None, on_disk), settings, steps, validate, speak)
    trainer = lightning.Trainer(
        accelerator="gpu" if torch.cuda.device_count() >= local else "cpu",
        devices=local,
        num_nodes=world // local,
        strategy="auto" if world == 1 else lightning.strategies.DDPStrategy(find_unused_parameters=True),
        max_epochs=settings.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=settings.clip,
        callbacks=[callback],
        plugins=[_checkpoint_io(lightning)],
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        reload_dataloaders_every_n_epochs=1,  # the number of batches differs from epoch to epoch
        default_root_dir=str(run.folder) if run is not None else None,
    )
    resume = None
    if run is not None and paths_of(run.checkpoint)[1].is_file():
        resume = str(run.checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trainer.fit(module, train_dataloaders=loader, ckpt_path=resume, weights_only=False)
        except SystemExit:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from None
    encoder.to("cpu")  # what comes after training (tables, probes, checkpoints) works there
    objective.to("cpu")
    if run is not None and rank == 0:
        run.write_metrics()
    return memory.rows


def _lightning() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import lightning.pytorch as lightning
    except ModuleNotFoundError:
        raise CircuitError(
            "system", "package 'lightning'", "is not installed", "pip install circuitgraph-learn[train]"
        ) from None
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return lightning


def _module(lightning: Any, encoder: nn.Module, objective: nn.Module, settings: Settings, seed: int, steps: int) -> Any:
    class Training(lightning.LightningModule):  # type: ignore[misc, name-defined]
        """Encoder and objective under one optimiser."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.objective = encoder, objective
            self.logged: dict[str, float] = {}

        def training_step(self, batch: CircuitData, index: int) -> Tensor:
            epoch, step = batch.__dict__["step"]
            torch.manual_seed(seed_of(seed, epoch, step) >> 1)
            loss, metrics = self.objective.loss(self.encoder, batch, Draws(seed, epoch))  # type: ignore[operator]
            terms = 0.0 if batch.__dict__["is_idle"] else metrics.pop("graphs", 1.0)
            metrics.pop("graphs", None)
            self.logged = {"loss": float(loss.detach()), **metrics}
            if self.trainer.world_size == 1 or self.objective.scope == "batch":
                return loss
            return self._shared(loss, terms)

        def _shared(self, loss: Tensor, terms: float) -> Tensor:
            """The loss scaled so that the mean over processes is the mean over the global batch."""
            world = self.trainer.world_size
            names = sorted(self.logged)
            own = torch.tensor(
                [terms, *(terms * self.logged[name] for name in names)], dtype=torch.float64, device=loss.device
            )
            everybody = self.trainer.strategy.reduce(own, reduce_op="sum")
            total = max(float(everybody[0]), 1.0)
            self.logged = {name: float(value) / total for name, value in zip(names, everybody[1:], strict=True)}
            return loss * (terms * world / total)

        def configure_optimizers(self) -> Any:
            groups = [{"params": list(self.encoder.parameters())}, *self.objective.parameter_groups()]  # type: ignore[operator]
            groups = [group for group in groups if group["params"]]
            optimiser = torch.optim.AdamW(groups, settings.learning_rate, weight_decay=settings.weight_decay)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step, steps, settings.warm_up))
            return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

        def on_train_batch_end(self, *arguments: Any) -> None:
            self.objective.after_step(self.global_step)  # type: ignore[operator]

        def on_train_epoch_end(self) -> None:
            self.objective.after_epoch()  # type: ignore[operator]

    return Training()


def rate_at(step: int, steps: int, warm_up: float) -> float:
    """Share of the learning rate at a step: rises over the warm-up, then falls as a cosine to 1 %.

    >>> rate_at(0, 100, 0.1) < rate_at(10, 100, 0.1), round(rate_at(100, 100, 0.1), 3)
    (True, 0.01)
    """
    rise = max(1, round(steps * warm_up))
    if step < rise:
        return (step + 1) / (rise + 1)
    done = min(1.0, (step - rise) / max(1, steps - rise))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


def _callback(
    lightning: Any,
    loader: EpochLoader,
    run: Run,
    keeps: tuple[bool, bool],
    settings: Settings,
    steps: int,
    validate: Callable[[], Mapping[str, float]] | None,
    say: Say | None,
) -> Any:
    saves, on_disk = keeps  # all processes take part in saving, one writes

    class Keeper(lightning.Callback):  # type: ignore[misc, name-defined]
        """Logs, saves, validates and speaks."""

        def __init__(self) -> None:
            self.began, self.first, self.spoken = time.monotonic(), 0, 0.0
            self.events: Any = None
            self.due = False

        def on_train_start(self, trainer: Any, module: Any) -> None:
            self.began, self.first = time.monotonic(), trainer.global_step
            if on_disk:
                self.events = _event_writer(run.folder / "events", trainer.global_step)

        def on_train_batch_end(self, trainer: Any, module: Any, *arguments: Any) -> None:
            step = trainer.global_step
            run.log(step, loader.epoch, module.logged)
            if self.events is not None:
                for name, value in module.logged.items():
                    self.events.add_scalar(name, value, step)
            self._speak(step, module.logged)
            self.due |= saves and step % settings.save_every == 0
            if self.due and not trainer.is_last_batch:
                self._save(trainer)

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            if validate is not None:
                module.eval()
                with torch.no_grad():
                    values = {f"validation_{name}": value for name, value in validate().items()}
                module.train()
                run.log(trainer.global_step, loader.epoch, values)
            if self.due:  # behind the last batch, before the end of its epoch, Lightning cannot be resumed
                self._save(trainer)

        def on_train_end(self, trainer: Any, module: Any) -> None:
            if on_disk:
                run.write_metrics()
            if self.events is not None:
                self.events.close()

        def _save(self, trainer: Any) -> None:
            self.due = False
            trainer.save_checkpoint(str(run.checkpoint))
            if on_disk:
                run.write_metrics()

        def _speak(self, step: int, values: Mapping[str, float]) -> None:
            now = time.monotonic()
            terminal = sys.stderr.isatty()
            due = now - self.spoken > (1.0 if terminal else 15.0) or step == steps
            if say is None or not due:
                return
            self.spoken = now
            rate = max(step - self.first, 1) / max(now - self.began, 1e-9)
            left = (steps - step) / rate
            shown = " ".join(f"{name} {value:.3f}" for name, value in list(values.items())[:3])
            say(f"step {step:,} of {steps:,}, {rate:.1f} a second, {left:.0f} s left: {shown}")

        def state_dict(self) -> dict[str, Any]:
            return {"rows": run.rows, "loader": loader.state_dict()}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            run.rows = list(state["rows"])
            loader.load_state_dict(state["loader"])  # Lightning itself forgets it between two epochs

    return Keeper()


def _event_writer(folder: Path, step: int) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        return None
    return SummaryWriter(str(folder), purge_step=step or None)


def _checkpoint_io(lightning: Any) -> Any:
    from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

    class SafeIO(CheckpointIO):  # type: ignore[misc]
        """Lightning's state as safetensors + JSON; never a pickle."""

        def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
            tensors: dict[str, Tensor] = {}
            kept = {
                key: value
                for key, value in checkpoint.items()
                if not key.startswith("hparams") and key != "hyper_parameters"
            }
            text = json.dumps(pack(kept, tensors)).encode()
            # One file holds all of it, so a kill between the two files leaves nothing half new.
            tensors[STATE] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
            save(str(path), tensors, {"kind": "state"})

        def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> dict[str, Any]:
            tensors, about = load(str(path))
            if about.get("kind") != "state" or STATE not in tensors:
                raise CircuitError(Path(str(path)).name, "checkpoint", "is no training state", "start a new run folder")
            found: dict[str, Any] = unpack(json.loads(tensors.pop(STATE).numpy().tobytes()), tensors)
            return found

        def remove_checkpoint(self, path: Any) -> None:
            for file in paths_of(str(path)):
                file.unlink(missing_ok=True)

    return SafeIO()
