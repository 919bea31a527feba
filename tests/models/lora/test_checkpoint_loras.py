"""LoRAs and textual inversions of prompts, in a checkpoint behind the port."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_merging import linear_modules, load, random_lora, underscored

from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.models.checkpoints.catalogue import add
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.diffusers import Plan
from aldente.models.diffusers import load as load_checkpoint
from aldente.models.lora.embeddings import read_embeddings
from aldente.models.lora.finding import find_lora, told_hashes
from aldente.models.port import Words
from aldente.recipe.infotext import parse_infotext
from aldente.recipe.prompt import Lora
from aldente.recipe.recipe import Recipe
from aldente.studio.drawing import png_of

Tiny = Callable[[str], Path]


@pytest.fixture
def additions(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a LoRA and an embedding for the tiny Stable Diffusion 1, that aldente knows of."""
    for name in ("HOME", "XDG_DATA_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    folder = tmp_path / "additions"
    (folder / "loras").mkdir(parents=True)
    pipeline = load(tiny("sd1"))
    unet = random_lora(linear_modules(pipeline.unet, "attn"), "lora_unet_", underscored)
    text = random_lora(linear_modules(pipeline.text_encoder, "self_attn"), "lora_te_text_model_", underscored, seed=1)
    save_file(unet | text, folder / "loras/style_v2.safetensors", {"ss_output_name": "Painted Style"})
    save_file({"emb_params": torch.randn(2, 32) * 3}, folder / "badart.safetensors")
    (folder / "old.pt").write_bytes(b"x")
    add(folder)
    return folder


@pytest.fixture
def model(tiny: Tiny, additions: Path) -> Any:
    return load_checkpoint(tiny("sd1"), plan=Plan(device="cpu", dtype="float32"))


def words(text: str, *loras: Lora) -> Words:
    return Words(chunks=(((text, 1.0),),), loras=loras)


STYLE = Lora(name="style_v2", weight=1.0, text_weight=1.0)
HALF = Lora(name="style_v2", weight=0.5, text_weight=0.5)


def test_rows_with_and_without_loras_in_one_batch_are_as_they_are_alone(model: Any) -> None:
    texts = [words("a red apple"), words("a red apple", STYLE), words("an owl", HALF), words("a red apple", HALF)]
    conditions = [model.read(one) for one in texts]
    x = np.random.default_rng(0).standard_normal((4, 4, 8, 8)).astype(np.float32)
    levels = [Level(1.0, 5.0), Level(1.0, 2.0), Level(1.0, 5.0), Level(1.0, 2.0)]
    plain = model.estimate(x[:1], levels[:1], conditions[:1])
    together = model.estimate(x, levels, conditions)
    for index in range(4):
        alone = model.estimate(x[index : index + 1], levels[index : index + 1], conditions[index : index + 1])
        np.testing.assert_allclose(together[index : index + 1], alone, atol=2e-5)
    assert np.abs(together[1] - model.estimate(x[1:2], levels[1:2], conditions[:1])[0]).max() > 1e-2
    np.testing.assert_array_equal(model.estimate(x[:1], levels[:1], conditions[:1]), plain)


def test_a_lora_that_is_not_there_is_told_with_the_nearest(model: Any) -> None:
    with pytest.raises(UserError, match="did you mean 'style_v2'"):
        model.read(words("a", Lora(name="style_v1", weight=1.0, text_weight=1.0)))


def test_textual_inversions_are_words_of_the_prompt(model: Any) -> None:
    plain, said = model.features(words("a red apple of")), model.features(words("a red apple of badart"))
    assert not torch.equal(plain.context, said.context)
    spelt = model.features(words("a red apple of badarb"))
    assert not torch.equal(spelt.context, said.context)


def test_loras_are_found_by_file_by_trainers_name_and_by_path(additions: Path) -> None:
    path = additions / "loras/style_v2.safetensors"
    for name in ("style_v2", "STYLE_V2", "painted style", str(path)):
        assert find_lora(name, Ledger()) == path


def test_the_infotext_tells_hashes_as_a1111_writes_them(model: Any, additions: Path) -> None:
    recipe = Recipe(prompt="a red apple <lora:style_v2:0.8>", negative="badart, blurry")
    told = told_hashes((recipe.prompt, recipe.negative), Ledger())
    content = (additions / "loras/style_v2.safetensors").read_bytes()
    tensors = content[8 + int.from_bytes(content[:8], "little") :]
    lora = hashlib.sha256(tensors).hexdigest()[:12]
    inversion = hashlib.sha256((additions / "badart.safetensors").read_bytes()).hexdigest()[:12]
    assert told == {"Lora hashes": f"style_v2: {lora}", "TI hashes": f"badart: {inversion}"}
    png = png_of(recipe, np.zeros((64, 64, 3), np.uint8), model)
    assert f'Lora hashes: "style_v2: {lora}", TI hashes: "badart: {inversion}", Version'.encode() in png


def test_hashes_in_an_infotext_are_read_back(additions: Path) -> None:
    text = 'x <lora:style_v2:1>\nSteps: 3, Sampler: Euler, Seed: 1, Lora hashes: "style_v2: abc, b: def", Version: x'
    assert parse_infotext(text).fields["Lora hashes"] == "style_v2: abc, b: def"


def test_embeddings_that_cannot_be_read_are_left_aside(tmp_path: Path) -> None:
    save_file({"clip_l": torch.ones(2, 32), "clip_g": torch.ones(2, 48)}, tmp_path / "xl.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 30)
    (tmp_path / "old.pt").write_bytes(b"x")
    found = read_embeddings({path.stem: path for path in tmp_path.iterdir()})
    assert {part: {name: tuple(rows.shape) for name, rows in inside.items()} for part, inside in found.items()} == {
        "text_encoder": {"xl": (2, 32)}, "text_encoder_2": {"xl": (2, 48)},
    }  # fmt: skip
