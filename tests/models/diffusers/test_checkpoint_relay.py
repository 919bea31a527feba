"""A checkpoint hands over to another within a run, as SDXL's base to its refiner in diffusers."""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from pairs import drawn, levels_at, noise_of, pipeline_of
from tiny import build

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding
from aldente.models.diffusers import Plan, load
from aldente.models.relay import Relay
from aldente.models.table import find_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

PROMPT = "a red apple on the house"


@pytest.fixture(scope="module")
def both(checkpoint):
    return load(checkpoint("sdxl"), plan=Plan()), load(checkpoint("sdxl-refiner"), plan=Plan())


def test_the_refiner_takes_over_as_in_diffusers(checkpoint, both):
    base, refiner = pipeline_of(checkpoint("sdxl"), "euler"), pipeline_of(checkpoint("sdxl-refiner"), "euler")
    assert isinstance(refiner, diffusers.StableDiffusionXLImg2ImgPipeline)
    noise, more = noise_of(both[0]), {"num_inference_steps": 5, "guidance_scale": 3.0, "output_type": "latent"}
    with torch.no_grad():
        half = base(PROMPT, height=64, width=64, denoising_end=0.6, latents=torch.tensor(noise), **more).images
        theirs = refiner(PROMPT, image=half, denoising_start=0.6, **more).images.numpy()
    base.scheduler.set_timesteps(5)
    levels = levels_at(both[0], base.scheduler.timesteps)
    relay = Relay(*both, 0.6, name="both")
    ours = drawn(relay, "euler", levels, noise * np.float32(levels[0].sigma), prompt=PROMPT, cfg=3.0)
    assert np.abs(ours - theirs).max() / theirs.std() < 1e-4


def test_each_row_is_answered_by_the_model_whose_turn_it_is(both):
    relay = Relay(*both, 0.8, name="both")
    x = np.repeat(noise_of(both[0]), 2, axis=0)
    levels = [exploding(8.0), exploding(0.2)]
    condition = relay.encode((("a house", 1.0),))
    answers = relay.estimate(x, levels, [condition, condition])
    for row, model in enumerate(both):
        alone = model.estimate(x[row : row + 1], levels[row : row + 1], [model.encode((("a house", 1.0),))])
        assert np.array_equal(answers[row : row + 1], alone)
    assert relay.info.fingerprint not in (both[0].info.fingerprint, Relay(*both, 0.7, name="both").info.fingerprint)


def test_models_of_other_latents_cannot_go_on(both, checkpoint):
    flux = load(checkpoint("flux-schnell"), plan=Plan())
    with pytest.raises(UserError, match="latents are not of one kind"):
        Relay(both[0], flux, 0.8, name="both")


def test_two_names_and_a_share_are_a_relay(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("ALDENTE_MODELS", str(tmp_path))
    build("sdxl", tmp_path / "base")
    build("sdxl-refiner", tmp_path / "refiner")
    assert find_model("base+refiner").name == "base+refiner@0.8"
    assert find_model("base+refiner@0.65").name == "base+refiner@0.65"
    with pytest.raises(UserError, match="did you mean 'refiner'"):
        find_model("base+refine")
