"""Recipes: strict keys and types, places of faults, and a text that reads back as the same recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuitgraph.errors import CircuitError
from tasks.recipe import FinetuneRecipe, PretrainRecipe, place_of, read_recipe, recipe_text

FULL = """# a comment
seed = 7

[data]
view = "logic"
kinds = ["netlist", "aig"]
leave_out = [
  "adder",
]

[encoder]
name = "residual"
width = 16

[train]
epochs = 3
learning_rate = 1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "r.toml"
    path.write_text(text)
    return path


def test_values_of_the_file_and_defaults_of_the_rest(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, FULL), PretrainRecipe)
    assert (recipe.seed, recipe.data.kinds, recipe.data.leave_out) == (7, ["netlist", "aig"], ["adder"])
    assert (recipe.encoder.width, recipe.encoder.layers, recipe.train.epochs) == (16, None, 3)
    assert recipe.train.learning_rate == 1.0
    assert recipe.train.clip == PretrainRecipe().train.clip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("width = 16", "witdh = 16", "r.toml:13 [encoder]: key 'witdh': is unknown: did you mean 'width'?"),
        ("[train]", "[trian]", "r.toml:15: key 'trian': is unknown: did you mean 'train'?"),
        ("seed = 7", "sede = 7", "r.toml:2: key 'sede': is unknown: did you mean 'seed'?"),
        ("seed = 7", "zzz = 7", "known keys are seed, data, encoder, objective, train"),
        ("width = 16", 'width = "16"', "r.toml:13 [encoder]: key 'width': input should be a valid integer, not '16'"),
        ("width = 16", "width = 15", "should be a multiple of 2, not 15"),
        ("width = 16", "width = true", "valid integer, not True"),
        (
            "epochs = 3",
            "epochs = 0",
            "r.toml:16 [train]: key 'epochs': input should be greater than or equal to 1, not 0",
        ),
        ("epochs = 3", "epochs = 3.0", "valid integer, not 3.0"),
        ("learning_rate = 1", "learning_rate = nan", "key 'learning_rate'"),
        ("learning_rate = 1", "learning_rate = inf", "should be a finite number"),
        ('view = "logic"', 'view = "logik"', "r.toml:5 [data]: key 'view': input should be 'logic' or 'timing'"),
        ('"aig"]', '"agi"]', "r.toml:6 [data]: key 'kinds': input should be 'netlist', 'aig' or 'placed', not 'agi'"),
        ("[data]", "data = 3\n[other]", "key 'data'"),
        ("seed = 7", "seed = -7", "r.toml:2: key 'seed'"),
        ("seed = 7", "seed = = 7", "r.toml:2: recipe: is no TOML"),
        ("seed = 7", "seed = 7\nseed = 8", "recipe: is no TOML"),
    ],
)
def test_faults_name_line_key_and_nearest(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(CircuitError) as caught:
        read_recipe(write(tmp_path, FULL.replace(old, new)), PretrainRecipe)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_faults_are_said_together(tmp_path: Path) -> None:
    text = FULL.replace("width = 16", "witdh = 16").replace("epochs = 3", "epcohs = 3")
    with pytest.raises(CircuitError, match=r"witdh.*and 1 more: train\.epcohs"):
        read_recipe(write(tmp_path, text), PretrainRecipe)


def test_keys_of_another_recipe_are_unknown(tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match="'objective': is unknown"):
        read_recipe(write(tmp_path, '[objective]\nname = "masked_gates"\n'), FinetuneRecipe)


def test_the_command_line_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    path = write(tmp_path, FULL.replace('view = "logic"', 'view = "logic"\nfolder = "corpus"'))
    assert read_recipe(path, PretrainRecipe).data.folder == str(tmp_path / "corpus")
    given = read_recipe(path, PretrainRecipe, {"seed": 3, "data": "mine", "break_loops": True})
    assert (given.seed, given.data.folder, given.data.break_loops) == (3, str(tmp_path / "elsewhere" / "mine"), True)
    with pytest.raises(CircuitError, match="--seed: -1: must lie between 0 and"):
        read_recipe(path, PretrainRecipe, {"seed": -1})


@pytest.mark.parametrize("model", [PretrainRecipe, FinetuneRecipe])
def test_the_text_holds_every_default_and_reads_back_equal(tmp_path: Path, model: type[PretrainRecipe]) -> None:
    plain = model()
    again = read_recipe(write(tmp_path, recipe_text(plain)), model)
    assert again == plain
    assert recipe_text(again) == recipe_text(plain)
    for table in ("data", "encoder", "train"):
        for key, value in getattr(plain, table).model_dump().items():
            assert value is None or f"\n{key} = " in recipe_text(plain)


def test_hostile_texts_survive(tmp_path: Path) -> None:
    folder = str(tmp_path / 'a "b" \\ c\td \x7f é 😀 # x')
    plain = PretrainRecipe()
    odd = plain.model_copy(update={"data": plain.data.model_copy(update={"folder": folder, "leave_out": ['"', "'"]})})
    assert read_recipe(write(tmp_path, recipe_text(odd)), PretrainRecipe) == odd


def test_place_of_a_key(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    assert place_of(path, ["encoder", "width"]) == "r.toml:13 [encoder]"
    assert place_of(path, ["encoder"]) == "r.toml:11"
    assert place_of(path, ["seed"]) == "r.toml:2"
    assert place_of(path, ["train", "clip"]) == "r.toml:1 [train]"


def test_shipped_recipes_are_valid(root: Path) -> None:
    paths = sorted((root / "tasks" / "recipes").glob("*.toml"))
    assert paths
    for path in paths:
        model = FinetuneRecipe if path.name.startswith("finetune") else PretrainRecipe
        assert read_recipe(path, model).train.epochs > 0
