"""Every stage of training, once, small: from packages to a model that draws, and from its weights on."""

import numpy as np
import pytest
import torch
from training.examples import CACHE
from training.sheet import draw
from training.weights import AUTOENCODER, DENOISER, export, read, shipped_autoencoder, shipped_denoiser

from aldente.engine.levels import exploding
from aldente.models.pastina.model import Pastina
from training import pictures, stages


def pacing(minutes=None) -> stages.Pacing:
    return stages.Pacing(seed=0, minutes=minutes, checkpoint_minutes=1.0, device=torch.device("cpu"), compiled=False)


@pytest.fixture(scope="module")
def built(config, work):
    pictures.build(config, work)
    return work


@pytest.fixture(scope="module")
def learned(config, built):
    stages.learn_autoencoder(config, built, pacing(), shipped=False)
    stages.learn_denoiser(config, built, pacing(), shipped=False)
    return built


@pytest.fixture(scope="module")
def exported(learned, tmp_path_factory):
    return export(learned, tmp_path_factory.mktemp("weights"))


def test_pictures_of_every_concept_and_style_are_drawn(built):
    pixels, index = pictures.load(built)
    assert pixels.shape == (20, 64, 64, 4)
    red = next(row for row, picture in enumerate(index) if (picture.style, picture.concept.name) == ("vector", "red box"))
    assert pixels[red, 32, 32].tolist() == [255, 0, 0, 255]
    assert pixels[red, 1, 1, 3] == 0


def test_what_is_held_out_is_never_learned(built):
    _, index = pictures.load(built)
    held = {picture.concept.name for picture in index if picture.part == "concept"}
    assert held
    assert all(picture.part == "concept" for picture in index if picture.concept.name in held)
    assert {picture.part for picture in index} == {"train", "pair", "concept"}


def test_licences_are_recorded(built):
    assert '"licence": "MIT"' in (built / "licences.json").read_text()


def test_learning_leaves_weights_checkpoints_and_sheets(learned):
    for name in (AUTOENCODER, DENOISER, CACHE, "sheet.png", "autoencoder.png", "denoiser.checkpoint.pt"):
        assert (learned / name).stat().st_size > 0
    assert not list(learned.glob("*.part"))


def test_the_exported_model_draws(exported):
    model = Pastina(weights=exported)
    images = draw(model, ["a red disc, flat vector", "a blue box"], seed=0)
    assert [image.shape for image in images] == [(64, 64, 3)] * 2
    assert not np.array_equal(*images)


def test_weights_come_back_out_of_the_exported_graphs(learned, exported):
    for path, read_back in ((AUTOENCODER, shipped_autoencoder), (DENOISER, shipped_denoiser)):
        weights, about = read(learned / path)
        again, told = read_back(exported)
        assert again.keys() == weights.keys()
        assert told == about
        for name, value in weights.items():
            assert np.allclose(again[name], value, rtol=1e-3, atol=1e-6), name


def test_the_exported_graph_computes_what_the_network_does(learned, exported):
    from training.network import Denoiser, estimate, input_scale
    from training.shape import DenoiserShape

    weights, about = read(learned / DENOISER)
    network = Denoiser(DenoiserShape.from_text(about))
    network.load_state_dict({name: torch.from_numpy(value).half().float() for name, value in weights.items()})
    chance = np.random.default_rng(0)
    model = Pastina(weights=exported)
    prompts = [model.encode(((text, 1.0),)) for text in ("a red disc", "a hill", "")]
    features = [model.reading(prompt) for prompt in prompts]
    said = [torch.from_numpy(np.stack([np.asarray(f[part], np.float32) for f in features])) for part in range(3)]
    for side in ((16, 16), (24, 16)):
        x = chance.standard_normal((3, 4, *side), dtype=np.float32) * 3
        sigmas = [0.1, 1.0, 9.0]
        clean = model.estimate(x, [exploding(s) for s in sigmas], prompts)
        sigma = torch.tensor(sigmas)
        with torch.no_grad():
            wanted = estimate(network(torch.from_numpy(x) * input_scale(sigma), sigma, *said), torch.from_numpy(x), sigma)
        assert np.abs(clean - wanted.numpy()).max() < 2e-5


def test_the_shipped_weights_can_be_trained_on(config, built, tmp_path):
    for name in ("pictures.npy", "pictures.json"):
        (tmp_path / name).write_bytes((built / name).read_bytes())
    stages.learn_autoencoder(config, tmp_path, pacing(), shipped=True)
    weights, _ = read(tmp_path / AUTOENCODER)
    assert np.array_equal(weights["decoder.enter.weight"], shipped_autoencoder()[0]["decoder.enter.weight"])
