"""Checkpoints refuse what does not fit, and say which."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch

from circuitgraph.errors import CircuitError
from circuitgraph.pyg import to_data
from circuitgraph.views import logic_view
from encoders.checkpoint import load, load_encoder, pack, paths_of, save, save_encoder, unpack
from encoders.encoder import Schema, make_encoder
from tests.subjects import full_adder


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    encoder = make_encoder("residual", Schema.of(to_data(logic_view(full_adder()))), 0, width=8, layers=1)
    save_encoder(tmp_path / "e", encoder, "residual")
    return tmp_path / "e"


def edit(path: Path, **changes: object) -> None:
    note = paths_of(path)[1]
    note.write_text(json.dumps(json.loads(note.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vocabulary": "0" * 64}, "has vocabulary 000000000000"),
        ({"view_version": 99}, "has view version 99"),
        ({"format_version": 7}, "must have format version 1, not 7"),
        ({"kind": "model"}, "holds a model, not an encoder"),
        ({"config": {"width": 10, "layers": 1}}, r"is \[202, 8\], this model has \[202, 10\]"),
        ({"config": {"width": 8, "layers": 2}}, "is missing"),
        ({"encoder": "residuel"}, "did you mean 'residual'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(saved: Path, changes: dict[str, object], said: str) -> None:
    edit(saved, **changes)
    with pytest.raises(CircuitError, match=said):
        load_encoder(saved)


def test_hostile_weights_are_refused(saved: Path) -> None:
    weights = paths_of(saved)[0]
    whole = weights.read_bytes()
    size = struct.unpack("<Q", whole[:8])[0]
    for bad, said in (
        (whole[:-3], "is damaged"),
        (struct.pack("<Q", 1 << 62) + whole[8:], "must have 2 to"),
        (whole[:40], "ends after"),
        (struct.pack("<Q", 2) + b"[]", "is no JSON object"),
        (struct.pack("<Q", 20) + b'{"a":{}, "a":{}}    ', "a key stands twice"),
        (whole[:8] + b"x" * size + whole[8 + size :], "is no valid JSON"),
    ):
        weights.write_bytes(bad)
        with pytest.raises(CircuitError, match=said):
            load_encoder(saved)
    save(saved, {"a": torch.tensor([float("nan")])}, {"kind": "encoder"})
    with pytest.raises(CircuitError, match="NaN or infinity"):
        load(saved)


def test_nested_state_comes_back() -> None:
    state = {"a": [1, 2.5, None, (True, "x")], 3: {"t": torch.arange(3)}, "inf": float("inf")}
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(pack(state, tensors))
    again = unpack(json.loads(text), tensors)
    assert again["a"] == state["a"]
    assert again["inf"] == float("inf")
    assert torch.equal(again[3]["t"], torch.arange(3))
    with pytest.raises(TypeError, match="cannot stand in a checkpoint"):
        pack({"a": object()}, {})
