"""aldente's engine on a checkpoint draws what diffusers' own pipeline draws from the same noise."""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from pairs import drawn, exploding_pair, flow_levels_of, flux_pair, levels_at, noise_of, pipeline_of

from aldente.engine.levels import exploding, flow
from aldente.models.diffusers import Plan, load
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.levels import levels_of
from aldente.render.render import render

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

CLOSE = 1e-4
"""How far apart two latents may be, as a share of their spread: single precision through five guided steps.

The number of steps divides a thousand: where it does not, diffusers' DDIM ends a step at a level (t - 1000 // n) that is not
the one where its next step begins.
"""

PROMPT = "a big red apple on a house, with the owl"


@pytest.fixture(scope="module")
def loaded(checkpoint):
    """A checkpoint as aldente loads it, once."""
    known = {}

    def get(kind):
        if kind not in known:
            known[kind] = load(checkpoint(kind), plan=Plan())
        return known[kind]

    return get


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_2m"])
@pytest.mark.parametrize("kind", ["sd1", "sd2-v", "sdxl"])
def test_a_picture_is_that_of_diffusers(kind, sampler, checkpoint, loaded):
    pair = exploding_pair(pipeline_of(checkpoint(kind), sampler), loaded(kind), sampler, prompt=PROMPT)
    assert pair.distance < CLOSE


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_negative_prompt_steers_as_in_diffusers(kind, checkpoint, loaded):
    pair = exploding_pair(
        pipeline_of(checkpoint(kind), "euler"), loaded(kind), "euler", prompt=PROMPT, negative_prompt="a green picture"
    )
    assert pair.distance < CLOSE


def test_a_model_that_begins_with_nothing_but_noise_draws_as_in_diffusers(checkpoint, loaded):
    """DDIM starts at alpha 0, which aldente's exploding levels approach: sigma 4096."""
    model = loaded("sd2-zero-snr")
    pair = exploding_pair(pipeline_of(checkpoint("sd2-zero-snr"), "ddim"), model, "ddim", prompt=PROMPT, scale=3.0)
    assert model.info.sigma_max == pytest.approx(4096, rel=1e-3)
    assert pair.distance < 2e-3


@pytest.mark.parametrize("kind", ["sd1", "sd2-v", "sdxl"])
def test_training_levels_are_those_of_diffusers(kind, checkpoint, loaded):
    products = np.asarray(pipeline_of(checkpoint(kind), "ddim").scheduler.alphas_cumprod, dtype=np.float64)
    np.testing.assert_allclose(loaded(kind).info.sigmas, np.sqrt((1 - products) / products), rtol=2e-4)


def test_the_cells_of_a_grid_share_batches_and_are_drawn_as_alone(loaded):
    model = loaded("sd1")
    recipes = [
        set_parameters(
            Recipe(model=model.info.name),
            {"prompt": prompt, "cfg": cfg, "steps": steps, "sampler": sampler, "width": 64, "height": 64, "seed": 3},
        )
        for prompt, cfg, steps, sampler in [
            ("a red apple", 7.0, 4, "euler"), ("a (house:1.3) BREAK the owl", 2.0, 5, "dpmpp_2m"), ("a owl", 1.0, 3, "heun"),
            ("a house AND the owl :0.5", 5.0, 4, "euler_ancestral"), ("[a red apple:the owl:0.5]", 4.0, 4, "ddim"),
        ]
    ]  # fmt: skip

    def latents(some):
        return {one.recipe.digest(): one.latent for one in render(some, model, clock=lambda: 0.0)}

    together = latents(recipes)
    for recipe in recipes:
        alone = latents([recipe])[recipe.digest()]
        assert np.abs(alone - together[recipe.digest()]).max() < 1e-4 * alone.std()


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_sd3_draws_as_in_diffusers(scale, checkpoint, loaded):
    """Its own levels are shifted twice at their low end, so both are given the same ones, which are shifted once."""
    pipeline, model = pipeline_of(checkpoint("sd3")), loaded("sd3")
    noise = noise_of(model)
    even = np.linspace(1.0, 1 / 5, 5).tolist()
    with torch.no_grad():
        theirs = pipeline(
            PROMPT, height=64, width=64, sigmas=even, guidance_scale=scale, latents=torch.tensor(noise), output_type="latent"
        ).images.numpy()
    levels = _levels(model, "flow", 5)
    np.testing.assert_allclose([level.sigma for level in levels], pipeline.scheduler.sigmas, atol=1e-6)
    ours = drawn(model, "euler", levels, noise, prompt=PROMPT, cfg=scale)
    assert np.abs(ours - theirs).max() / theirs.std() < CLOSE


def test_sd3_under_2m_draws_as_in_diffusers(checkpoint, loaded):
    pipeline, model = pipeline_of(checkpoint("sd3")), loaded("sd3")
    pipeline.scheduler = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, final_sigmas_type="zero"
    )
    noise = noise_of(model)
    with torch.no_grad():
        theirs = pipeline(
            PROMPT, height=64, width=64, num_inference_steps=6, guidance_scale=1.0, latents=torch.tensor(noise),
            output_type="latent",
        ).images.numpy()  # fmt: skip
    # This scheduler tells the network timesteps cut to whole numbers, aldente the level itself.
    levels = flow_levels_of(pipeline.scheduler)
    ours = drawn(model, "dpmpp_2m", levels, noise, prompt=PROMPT, cfg=1.0)
    assert np.abs(ours - theirs).max() / theirs.std() < 2e-2


@pytest.mark.parametrize("kind", ["flux-dev", "flux-schnell"])
def test_flux_draws_as_in_diffusers(kind, checkpoint, loaded):
    pipeline = pipeline_of(checkpoint(kind))
    pair = flux_pair(pipeline, loaded(kind), prompt=PROMPT)
    assert pair.distance < CLOSE
    np.testing.assert_allclose(
        [level.sigma for level in _levels(loaded(kind), "flow", 4)], pipeline.scheduler.sigmas, atol=1e-6
    )


def test_flux_is_guided_by_a_number_and_by_a_negative_prompt_as_in_diffusers(checkpoint, loaded):
    pair = flux_pair(
        pipeline_of(checkpoint("flux-dev")), loaded("flux-dev"), prompt=PROMPT, scale=2.5, distilled=1.5,
        negative_prompt="a green house",
    )  # fmt: skip
    assert pair.distance < CLOSE


def test_a_consistency_model_is_told_its_guidance_as_in_diffusers(checkpoint, loaded):
    pipeline, model, noise = pipeline_of(checkpoint("sd1-lcm"), "euler"), loaded("sd1-lcm"), noise_of(loaded("sd1-lcm"))
    with torch.no_grad():
        theirs = pipeline(
            PROMPT, height=64, width=64, num_inference_steps=4, guidance_scale=6.0, latents=torch.tensor(noise),
            output_type="latent",
        ).images.numpy()  # fmt: skip
    levels = levels_at(model, pipeline.scheduler.timesteps)
    start = noise * np.float32(levels[0].sigma)
    ours = [drawn(model, "euler", levels, start, prompt=PROMPT, cfg=1.0, distilled_guidance=told) for told in (6.0, 2.0)]
    assert np.abs(ours[0] - theirs).max() / theirs.std() < CLOSE
    assert np.abs(ours[1] - theirs).max() / theirs.std() > 1e-3


def test_fewer_digits_and_another_layout_draw_nearly_the_same(checkpoint, loaded):
    exact, noise = loaded("sdxl"), noise_of(loaded("sdxl"))
    rough = load(checkpoint("sdxl"), plan=Plan(dtype="bfloat16", channels_last=True, vae_tiling=True))
    level, text = [exploding(2.0)], (("a red apple", 1.0),)
    answers = [model.estimate(noise * 2.0, level, [model.encode(text)]) for model in (exact, rough)]
    assert 0.0 < np.abs(answers[0] - answers[1]).max() / answers[0].std() < 0.1
    assert rough.info.fingerprint != exact.info.fingerprint
    assert rough.decode(noise)[0].shape == (64, 64, 3)


def test_distilled_guidance_is_a_condition_of_its_own(loaded):
    model, noise = loaded("flux-dev"), noise_of(loaded("flux-dev"))
    pictures = [
        drawn(model, "euler", [flow(1.0), flow(0.0)], noise, prompt=PROMPT, cfg=1.0, distilled_guidance=told)
        for told in (1.0, 3.5, 9.0)
    ]
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-3
    assert np.array_equal(pictures[1], drawn(model, "euler", [flow(1.0), flow(0.0)], noise, prompt=PROMPT, cfg=1.0))


@pytest.mark.parametrize("kind", ["sd1", "sdxl", "sd3", "flux-dev"])
def test_pictures_and_latents_are_those_of_diffusers(kind, checkpoint, loaded):
    pipeline, model = pipeline_of(checkpoint(kind)), loaded(kind)
    latent = noise_of(model)
    vae, shift = pipeline.vae, pipeline.vae.config.shift_factor or 0.0
    with torch.no_grad():
        decoded = vae.decode(torch.tensor(latent) / vae.config.scaling_factor + shift, return_dict=False)[0]
        theirs = pipeline.image_processor.postprocess(decoded, output_type="pil")[0]
        found = vae.encode(pipeline.image_processor.preprocess(theirs)).latent_dist.mode()
    assert np.abs(model.decode(latent)[0].astype(int) - np.asarray(theirs)).max() == 0
    expected = ((found - shift) * vae.config.scaling_factor).numpy()
    assert np.abs(model.encode_image(np.asarray(theirs)) - expected).max() < 1e-5


def _levels(model, schedule, steps):
    sampling = set_parameters(Recipe(), {"schedule": schedule, "sampler": "euler", "steps": steps}).sampling
    return levels_of(sampling, model.info, (64, 64))
