"""Recipes: TOML read strictly; unknown keys and wrong types are refused with line and nearest key."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from circuitgraph.errors import CircuitError, nearest
from circuitgraph.files import read_bytes

MAX_SEED = 2**63 - 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataPart(_Part):
    """Which circuits."""

    folder: str = Field("", description="corpus folder; empty = the shipped one; relative to the recipe")
    view: Literal["logic", "timing"] = "logic"
    kinds: list[Literal["netlist", "aig", "placed"]] = ["netlist"]
    leave_out: list[str] = Field([], description="families kept out of training beside those of the test split")
    break_loops: bool = Field(False, description="cut combinational loops instead of refusing them")
    black_box: bool = Field(False, description="finetune: unknown cell types stay opaque instead of being refused")


class EncoderPart(_Part):
    """Which encoder."""

    name: str = "residual"
    width: int = Field(64, ge=2, le=4096, multiple_of=2)
    layers: int | None = Field(None, ge=1, le=64)
    queries: int | None = Field(None, ge=1, le=64, description="of attention pooling (polarity)")
    checkpoint: str = Field("", description="pretrained encoder (finetune); empty = the shipped one")


class ObjectivePart(_Part):
    """Which objective; what is left out keeps the objective's own default."""

    name: str = "masked_gates"
    rate: float | None = Field(None, gt=0, lt=1, description="share of the cells that is masked")
    mask_at: Literal["stem", "latent"] | None = None
    decay: float | None = Field(None, ge=0, lt=1, description="of the target encoder")
    temperature: float | None = Field(None, gt=0)
    anchors: int | None = Field(None, ge=2, description="most twins a pair of circuits")
    contrast: Literal["gates", "circuits"] | None = None
    latent: int | None = Field(None, ge=1, description="columns that an autoencoder squeezes nodes through")
    weight: float | None = Field(None, gt=0, description="of masked functions beside rewritten views")


class TrainPart(_Part):
    """How long and how fast."""

    epochs: int = Field(20, ge=1, le=100_000)
    max_nodes: int = Field(4000, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    clip: float = Field(1.0, gt=0)
    warm_up: float = Field(0.05, ge=0, lt=1)
    save_every: int = Field(100, ge=1)
    threads: int = Field(1, ge=1, le=64)


class PretrainRecipe(_Part):
    """A pretraining run."""

    seed: int = Field(0, ge=0, le=MAX_SEED)
    data: DataPart = DataPart()
    encoder: EncoderPart = EncoderPart()
    objective: ObjectivePart = ObjectivePart()
    train: TrainPart = TrainPart()


class ModelPart(_Part):
    """Which model of the task."""

    name: Literal["learned wires", "learned wires over placement"] = "learned wires"
    folds: int = Field(5, ge=0, le=50, description="over placement: trainings that calibrate the intervals; 0 = none")
    slack_share: float = Field(
        0.0, ge=0, le=1, description="over placement: last share of the steps with slack in the loss"
    )
    width: int = Field(32, ge=4, le=512, description="over placement: of the heads")
    sinks: bool = Field(False, description="over placement: whether delays of sinks have a residual of their own")


class FinetuneRecipe(_Part):
    """A run on a task's labels."""

    seed: int = Field(0, ge=0, le=MAX_SEED)
    task: Literal["timing"] = "timing"
    data: DataPart = DataPart(view="timing", kinds=["placed"])
    encoder: EncoderPart = EncoderPart()
    model: ModelPart = ModelPart()
    train: TrainPart = TrainPart(epochs=40, learning_rate=3e-3)


def read_recipe(path: str | Path, model: type[_Part], overrides: dict[str, Any] | None = None) -> Any:
    """A recipe from a TOML file.

    Args:
        path: the file.
        model: :class:`PretrainRecipe` or :class:`FinetuneRecipe`.
        overrides: ``seed``, ``data`` (a folder), ``break_loops`` and ``black_box`` of the command line.

    Raises:
        CircuitError: no TOML, an unknown key or a value of a wrong type; place is file:line [table] key.
    """
    name = Path(path).name
    text = read_bytes(path).decode("utf-8", "replace")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        place = f"{name}:{line[1]}" if line else name
        raise CircuitError(place, "recipe", f"is no TOML ({error})", "see the recipes folder for examples") from None
    try:
        recipe = model.model_validate(found)
    except ValidationError as error:
        raise _worded(error, text, name, model) from None
    given = overrides or {}
    part: dict[str, Any] = {key: given[key] for key in ("break_loops", "black_box") if key in given}
    folder = given.get("data") or recipe.data.folder  # type: ignore[attr-defined]
    if folder:
        base = Path.cwd() if given.get("data") else Path(path).resolve().parent
        part["folder"] = str((base / folder).resolve())
    changed: dict[str, Any] = {"data": recipe.data.model_copy(update=part)}  # type: ignore[attr-defined]
    if "seed" in given:
        changed["seed"] = int(given["seed"])
        if not 0 <= changed["seed"] <= MAX_SEED:
            raise CircuitError(
                "--seed", str(given["seed"]), f"must lie between 0 and {MAX_SEED}", "give another number"
            )
    return recipe.model_copy(update=changed)


def place_of(path: str | Path, location: list[str]) -> str:
    """``file:line [table]`` of a key of a recipe, for faults that only its user can find.

    Args:
        location: tables and key, outermost first.
    """
    text = read_bytes(path).decode("utf-8", "replace")
    place = f"{Path(path).name}:{_line_of(text, location)}"
    return f"{place} [{'.'.join(location[:-1])}]" if location[1:] else place


def _worded(error: ValidationError, text: str, name: str, model: type[_Part]) -> CircuitError:
    """All faults of a recipe in one line: the first in full, the others by their keys."""
    faults = error.errors()
    first = faults[0]
    location = [part for part in first["loc"] if isinstance(part, str)]
    place = f"{name}:{_line_of(text, location)}"
    if len(location) > 1:
        place += f" [{'.'.join(location[:-1])}]"
    rest = (
        f" (and {len(faults) - 1} more: {', '.join('.'.join(map(str, f['loc'])) for f in faults[1:4])})"
        if faults[1:]
        else ""
    )
    if first["type"] == "extra_forbidden":
        known = _keys(model, location[:-1])
        rule, way_out = "is unknown", nearest(location[-1], known, f"known keys are {', '.join(known)}")
    else:
        message = first["msg"][0].lower() + first["msg"][1:]
        rule = f"{message}, not {first['input']!r}"
        way_out = "correct the value"
    return CircuitError(place, f"key {location[-1]!r}", rule + rest, way_out)


def _keys(model: type[BaseModel], location: list[str]) -> list[str]:
    """Keys of a table of the recipe."""
    for part in location:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)


def _line_of(text: str, location: list[str]) -> int:
    """Line of a key under its table, 1 where it is not found."""
    table = ""
    wanted = ".".join(location[:-1])
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[([^\]]+)\]", line):
            table = head[1].strip()
            if table == ".".join(location):
                return number
        elif table == wanted and re.match(rf"\s*[\"']?{re.escape(location[-1])}[\"']?\s*=", line):
            return number
    return 1


def recipe_text(recipe: BaseModel) -> str:
    """A recipe as TOML with every default written out; what the run folder keeps."""
    plain = recipe.model_dump()
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items() if not isinstance(value, dict)]
    for table, values in plain.items():
        if isinstance(values, dict):
            lines += ["", f"[{table}]"]
            lines += [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
