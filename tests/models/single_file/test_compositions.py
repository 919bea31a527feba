"""Checkpoints with another autoencoder, or with the parts of another folder, have names of their own and draw by them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from aldente.engine.errors import UserError
from aldente.interface.cli import main
from aldente.models.checkpoints.compositions import Composition, compose, compositions, dissolve
from aldente.models.diffusers import Plan, load
from aldente.models.table import find_model
from aldente.store.png import read_image, read_png

Tiny = Callable[[str], Path]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def other_vae(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an autoencoder like the tiny one's, with other weights."""
    place = tmp_path_factory.mktemp("vae")
    vae = diffusers.AutoencoderKL.from_pretrained(tiny("sd1") / "vae")
    with torch.no_grad():
        vae.decoder.conv_out.bias.add_(torch.tensor([0.5, -0.5, 0.0]))
    vae.save_pretrained(place / "vae")
    return Path(shutil.copy(place / "vae" / "diffusion_pytorch_model.safetensors", place / "warm-vae.safetensors"))


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    for variable in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.setenv("ALDENTE_STORE", str(tmp_path / "store.db"))
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        told = capsys.readouterr()
        assert stop.value.code in (0, None), told
        return told.out

    return run


def test_a_file_draws_with_another_vae_and_the_parts_of_a_folder(
    line: Callable[..., str], tiny: Tiny, original: Tiny, other_vae: Path, tmp_path: Path
) -> None:
    file, folder = original("sd1"), tiny("sd1")
    told = line("models", "add", file, "--vae", other_vae, "--like", folder, "--name", "warm")
    assert "draw with --model warm" in told
    line("generate", "a red apple", "--model", "warm", "--steps", 3, "--seed", 4, "-o", "warm")
    line("generate", "a red apple", "--model", folder, "--steps", 3, "--seed", 4, "-o", "plain")
    ((warm,), (plain,)) = (list((tmp_path / name).glob("*.png")) for name in ("warm", "plain"))
    difference = read_image(warm).astype(int) - read_image(plain).astype(int)
    assert difference[..., 0].mean() > 20
    assert difference[..., 1].mean() < -20
    assert np.abs(difference[..., 2]).max() <= 1
    assert read_png(warm).recipe.model == "warm"
    assert "bit-exact" in line("reproduce", warm)
    assert next(one for one in json.loads(line("models", "--json")) if one["name"] == "warm")["vae"] == str(other_vae)
    assert "warm-vae" in line("models")
    line("models", "remove", "warm")
    assert compositions() == []


def test_the_fingerprint_is_of_all_parts(tiny: Tiny, original: Tiny, other_vae: Path, line: Callable[..., str]) -> None:
    folder = tiny("sd1")
    models = [
        load(folder, plan=Plan()),
        load(folder, plan=Plan(), vae=other_vae),
        load(original("sd1"), plan=Plan(), like=folder),
        load(original("sd1"), plan=Plan(), like=folder, vae=other_vae),
    ]
    assert len({model.info.fingerprint for model in models}) == 4
    assert [bool(model.info.file_hash) for model in models] == [False, False, True, True]
    assert models[2].info.file_hash == models[3].info.file_hash
    latent = np.random.default_rng(1).standard_normal((1, 4, 8, 8), dtype=np.float32)
    pictures = [model.decode(latent)[0] for model in models]
    assert np.array_equal(pictures[0], pictures[2])
    assert np.array_equal(pictures[1], pictures[3])
    assert not np.array_equal(pictures[0], pictures[1])
    line("models", "add", folder, "--vae", other_vae)
    assert find_model("SD1-Warm-VAE").name == "sd1-warm-vae"


def test_parts_that_do_not_go_together_are_refused(tiny: Tiny, original: Tiny, other_vae: Path, tmp_path: Path) -> None:
    file, folder = original("sd1"), tiny("sd1")
    with pytest.raises(UserError, match="no VAE"):
        compose(Composition(name="x", path=file, vae=file), tmp_path)
    with pytest.raises(UserError, match="no diffusers folder"):
        compose(Composition(name="x", path=file, like=tmp_path), tmp_path)
    with pytest.raises(UserError, match="leave out --like"):
        compose(Composition(name="x", path=folder, like=folder), tmp_path)
    compose(Composition(name="x", path=folder, vae=other_vae), tmp_path)
    compose(Composition(name="X", path=file, vae=other_vae), tmp_path)
    assert [(one.name, one.path) for one in compositions(tmp_path)] == [("X", file)]
    with pytest.raises(UserError, match="composed model 'y' is not known"):
        dissolve("y", tmp_path)
    (tmp_path / "compositions.json").write_text("[", encoding="utf-8")
    assert compositions(tmp_path) == []
