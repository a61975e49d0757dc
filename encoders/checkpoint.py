"""Checkpoints: weights as safetensors, everything else as JSON beside them; nothing is unpickled.

``X.safetensors`` holds tensors, ``X.json`` says what they are: format version, vocabulary hash, view version, encoder
or model with its arguments. Loading refuses another vocabulary, version, name or shape and says which.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from circuitgraph.errors import CircuitError
from circuitgraph.files import atomic_path, hash_file, read_bytes, write_atomic
from circuitgraph.views.view import VIEW_VERSION
from circuitgraph.vocabulary import vocabulary_hash
from encoders.encoder import Schema, make_encoder

FORMAT_VERSION = 1
HEADER_LIMIT = 1 << 20


def paths_of(path: str | Path) -> tuple[Path, Path]:
    """The two files of a checkpoint, named by either of them or by their common stem."""
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in {".json", ".safetensors"} else path
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".json")


def save(path: str | Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Path:
    """Write both files, the JSON last; returns the path of the tensors.

    Args:
        tensors: by name; cloned, so shared storage is no matter.
        about: plain values; format version, vocabulary and view version are added.
    """
    from safetensors.torch import save_file

    weights, note = paths_of(path)
    clean = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    with atomic_path(weights) as temporary:
        save_file(clean, temporary)
    head = {
        "format_version": FORMAT_VERSION,
        "vocabulary": vocabulary_hash(),
        "view_version": VIEW_VERSION,
        "weights_sha256": hash_file(weights),
    }
    write_atomic(note, json.dumps(head | dict(about), indent=1) + "\n")
    return weights


def load(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and JSON of a checkpoint, after the checks that do not need to know what it is.

    Raises:
        CircuitError: a file is missing, damaged or of another version, or was made with another vocabulary.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    weights, note = paths_of(path)
    if not note.is_file() and (weights.is_file() or Path(path).is_file()):
        way_out = "name one that pretrain or finetune wrote"
        raise CircuitError(Path(path).name, "file", f"is no checkpoint (there is no {note.name} beside it)", way_out)
    about = _read_json(read_bytes(note), note.name)
    if not isinstance(about, dict) or "format_version" not in about:
        raise CircuitError(
            note.name, "file", "is no checkpoint of circuitgraph", "name one that pretrain or finetune wrote"
        )
    if about["format_version"] != FORMAT_VERSION:
        found = about["format_version"]
        raise CircuitError(
            note.name, "checkpoint", f"must have format version {FORMAT_VERSION}, not {found}", "train it again"
        )
    for key, wanted, what in (
        ("vocabulary", vocabulary_hash(), "vocabulary"),
        ("view_version", VIEW_VERSION, "view version"),
    ):
        if about.get(key) != wanted:
            found = str(about.get(key))[:12]
            raise CircuitError(
                note.name,
                "checkpoint",
                f"has {what} {found}, this package {str(wanted)[:12]}",
                "train it again with this version",
            )
    raw = read_bytes(weights)
    check_header(raw, weights.name)
    try:
        tensors: dict[str, Tensor] = load_tensors(raw)
    except SafetensorError as error:
        raise CircuitError(weights.name, "checkpoint", f"is damaged ({error})", "copy the file again") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CircuitError(weights.name, f"tensor {name!r}", "holds NaN or infinity", "train it again")
    return tensors, about


def check_header(raw: bytes, place: str) -> dict[str, tuple[str, list[int]]]:
    """Name -> (dtype, shape) of a weights file; what safetensors itself lets through is refused here.

    Raises:
        CircuitError: the header is too large, no valid JSON, has twin names or entries of another form.
    """
    size = int.from_bytes(raw[:8], "little")
    if not 2 <= size <= HEADER_LIMIT:
        raise CircuitError(
            place,
            f"header of {size:,} bytes",
            f"must have 2 to {HEADER_LIMIT:,}",
            "is this a weights file of circuitgraph?",
        )
    if len(raw) < 8 + size:
        raise CircuitError(place, "header", f"ends after {len(raw) - 8:,} of {size:,} bytes", "copy the file again")
    header = _read_json(raw[8 : 8 + size], place)
    if not isinstance(header, dict):
        raise CircuitError(place, "header", "is no JSON object", "is this a weights file of circuitgraph?")
    header.pop("__metadata__", None)
    found: dict[str, tuple[str, list[int]]] = {}
    for name, entry in header.items():
        if not isinstance(entry, dict) or not {"dtype", "shape"} <= entry.keys():
            raise CircuitError(place, f"tensor {name!r}", "has no dtype and shape", "write the checkpoint again")
        found[name] = (str(entry["dtype"]), list(entry["shape"]))
    return found


def _read_json(raw: bytes, place: str) -> Any:
    def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) < len(keys):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        return json.loads(raw, object_pairs_hook=no_twins)
    except (ValueError, RecursionError) as error:
        raise CircuitError(place, "header", f"is no valid JSON ({error})", "write the checkpoint again") from None


def save_encoder(path: str | Path, encoder: Any, name: str, more: Mapping[str, Any] | None = None) -> Path:
    """Write an encoder's weights and how to make it again."""
    about = {"kind": "encoder", "encoder": name, "config": encoder.config(), "schema": encoder.schema.to_json()}
    return save(path, encoder.state_dict(), about | dict(more or {}))


def load_encoder(path: str | Path) -> tuple[Any, dict[str, Any]]:
    """The encoder of a checkpoint, in evaluation mode, and the checkpoint's JSON.

    Raises:
        CircuitError: as :func:`load`; a tensor is missing, foreign or of another shape.
    """
    tensors, about = load(path)
    if about.get("kind") != "encoder":
        raise CircuitError(
            Path(path).name, "checkpoint", f"holds a {about.get('kind')}, not an encoder", "give an encoder's"
        )
    return build_encoder(tensors, about, Path(path).name), about


def build_encoder(tensors: Mapping[str, Tensor], about: Mapping[str, Any], place: str) -> Any:
    """An encoder of the kind that *about* names, with the given weights.

    Raises:
        CircuitError: *about* lacks what makes an encoder, or the tensors are others.
    """
    try:
        encoder = make_encoder(str(about["encoder"]), Schema.from_json(about["schema"]), **about["config"])
    except KeyError as error:
        raise CircuitError(place, "checkpoint", f"lacks {error} in its JSON", "copy its .json again") from None
    except (TypeError, ValueError, RuntimeError):
        rule = f"has values in its JSON that make no encoder {about.get('encoder')!r}"
        raise CircuitError(place, "checkpoint", rule, "copy its .json again") from None
    fill(encoder, tensors, place)
    encoder.eval()
    return encoder


def fill(module: nn.Module, tensors: Mapping[str, Tensor], place: str) -> None:
    """Copy weights into a module whose tensors must be exactly these.

    Raises:
        CircuitError: a tensor is missing, foreign or of another shape.
    """
    wanted = module.state_dict()
    for name in sorted(wanted.keys() ^ tensors.keys()):
        rule = "is missing" if name in wanted else "is not part of this model"
        raise CircuitError(place, f"tensor {name!r}", rule, "load it with the model named in its JSON")
    for name, own in wanted.items():
        if own.shape != tensors[name].shape:
            shapes = f"is {list(tensors[name].shape)}, this model has {list(own.shape)}"
            raise CircuitError(place, f"tensor {name!r}", shapes, "compare the configurations")
    module.load_state_dict(dict(tensors))


def pack(value: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """Nested plain values and tensors as JSON; tensors go to *tensors* under their path.

    Raises:
        TypeError: a value is neither plain nor a tensor.
    """
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"map": [[key, pack(item, tensors, f"{path}/{key}")] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [pack(item, tensors, f"{path}/{row}") for row, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"is": value}
    raise TypeError(f"{path}: a {type(value).__name__} cannot stand in a checkpoint")


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of :func:`pack`."""
    kind, held = next(iter(value.items()))
    if kind == "tensor":
        return tensors[held]
    if kind == "map":
        return {key: unpack(item, tensors) for key, item in held}
    if kind in {"list", "tuple"}:
        items = [unpack(item, tensors) for item in held]
        return tuple(items) if kind == "tuple" else items
    return float(held) if kind == "float" else held
