"""ControlNets, adapters and inpainting checkpoints steer as in diffusers' own pipelines, and in the ways of A1111."""

from __future__ import annotations

from inspect import signature

import diffusers
import numpy as np
import pytest
import torch
from pairs import drawn, levels_at, noise_of, pipeline_of
from PIL import Image

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding
from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.control import SOFTNESS
from aldente.models.diffusers.control_opening import open_control
from aldente.models.port import Words
from aldente.render.controls import Steer
from aldente.testing.model_contract import SteerableContract, smooth_picture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

CLOSE = 1e-4
PROMPT = "a big red apple on the house"
STEPS, SCALE = 5, 4.0


def lines(seed=1):
    """A control picture: white lines on black."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[8 * seed : 8 * seed + 3, 4:60] = 255
    picture[4:60, 6 * seed : 6 * seed + 3] = 255
    return picture


@pytest.fixture(scope="module")
def sd1(checkpoint):
    nets = {"canny": "controlnet-sd1", "scribble": "controlnet-sd1-other", "adapter": "t2i-sd1"}
    return load(checkpoint("sd1"), plan=Plan(), controls={name: checkpoint(kind) for name, kind in nets.items()})


@pytest.fixture(scope="module")
def sdxl(checkpoint):
    nets = {"canny": "controlnet-sdxl", "union": "controlnet-sdxl-union", "adapter": "t2i-sdxl"}
    return load(checkpoint("sdxl"), plan=Plan(), controls={name: checkpoint(kind) for name, kind in nets.items()})


@pytest.fixture(scope="module")
def inpainting(checkpoint):
    return load(checkpoint("sd1-inpaint"), plan=Plan())


@pytest.fixture(scope="module", params=["sd1", "sd1-inpaint"])
def model(request, sd1, inpainting):
    return {"sd1": sd1, "sd1-inpaint": inpainting}[request.param]


class TestSteering(SteerableContract):
    batch_tolerance = 2e-4


def pipeline(checkpoint, base, kind, **parts):
    """A pipeline of diffusers that is steered, under Euler."""
    made = pipeline_of(checkpoint(base), "euler")
    known = signature(getattr(diffusers, kind)).parameters
    found = {name: part for name, part in made.components.items() if name in known} | parts
    told = {"requires_safety_checker": False} if base == "sd1" else {}
    steered = getattr(diffusers, kind)(**found, **told)
    steered.set_progress_bar_config(disable=True)
    return steered


def theirs(steered, noise, **call):
    with torch.no_grad():
        return steered(
            PROMPT, height=64, width=64, num_inference_steps=STEPS, guidance_scale=SCALE,
            latents=torch.tensor(noise), output_type="latent", **call,
        ).images.numpy()  # fmt: skip


def ours(model, steered, noise, steers):
    levels = levels_at(model, steered.scheduler.timesteps)
    x = noise * np.float32(levels[0].sigma)
    return drawn(model, "euler", levels, x, steers, prompt=PROMPT, cfg=SCALE)


def apart(one, other):
    return float(np.abs(one - other).max() / other.std())


def opened(checkpoint, kind):
    made = diffusers.T2IAdapter if kind.startswith("t2i") else diffusers.ControlNetModel
    return made.from_pretrained(checkpoint(kind)).eval()


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.2, 0.6)])
def test_a_controlnet_steers_as_in_diffusers(start, end, checkpoint, sd1):
    net = opened(checkpoint, "controlnet-sd1")
    steered = pipeline(checkpoint, "sd1", "StableDiffusionControlNetPipeline", controlnet=net)
    noise, picture = noise_of(sd1), lines()
    expected = theirs(
        steered, noise, image=Image.fromarray(picture), controlnet_conditioning_scale=0.7,
        control_guidance_start=start, control_guidance_end=end,
    )  # fmt: skip
    # A step acts in diffusers where it lies within as a whole; by A1111's count the one that begins at the end acts too.
    last = end if end == 1.0 else end - 1.5 / STEPS + 0.5 / STEPS
    found = ours(sd1, steered, noise, [Steer(sd1.control("canny", picture), 0.7, start, last)])
    assert apart(found, expected) < CLOSE
    assert apart(ours(sd1, steered, noise, []), expected) > 0.01


def test_several_controlnets_add_up_as_in_diffusers(checkpoint, sd1):
    nets = [opened(checkpoint, kind) for kind in ("controlnet-sd1", "controlnet-sd1-other")]
    steered = pipeline(checkpoint, "sd1", "StableDiffusionControlNetPipeline", controlnet=nets)
    noise, pictures = noise_of(sd1), [lines(1), lines(3)]
    expected = theirs(
        steered, noise, image=[Image.fromarray(one) for one in pictures], controlnet_conditioning_scale=[0.5, 1.2]
    )
    hints = [sd1.control(kind, picture) for kind, picture in zip(("canny", "scribble"), pictures, strict=True)]
    found = ours(sd1, steered, noise, [Steer(hints[0], 0.5), Steer(hints[1], 1.2)])
    assert apart(found, expected) < CLOSE


def test_a_controlnet_of_sdxl_steers_as_in_diffusers(checkpoint, sdxl):
    net = opened(checkpoint, "controlnet-sdxl")
    steered = pipeline(checkpoint, "sdxl", "StableDiffusionXLControlNetPipeline", controlnet=net)
    noise, picture = noise_of(sdxl), lines()
    expected = theirs(steered, noise, image=Image.fromarray(picture), controlnet_conditioning_scale=0.8)
    assert apart(ours(sdxl, steered, noise, [Steer(sdxl.control("canny", picture), 0.8)]), expected) < CLOSE


def test_a_union_controlnet_of_sdxl_is_one_for_each_of_its_modes(checkpoint, sdxl):
    net = diffusers.ControlNetUnionModel.from_pretrained(checkpoint("controlnet-sdxl-union")).eval()
    steered = pipeline(checkpoint, "sdxl", "StableDiffusionXLControlNetUnionPipeline", controlnet=net)
    noise, picture = noise_of(sdxl), lines()
    found = {}
    for number, mode in ((1, "depth"), (3, "canny")):
        expected = theirs(
            steered, noise, control_image=[Image.fromarray(picture)], control_mode=[number], controlnet_conditioning_scale=0.8
        )
        found[mode] = ours(sdxl, steered, noise, [Steer(sdxl.control(f"union:{mode}", picture), 0.8)])
        assert apart(found[mode], expected) < CLOSE
    assert apart(found["depth"], found["canny"]) > 1e-3


@pytest.mark.parametrize("base", ["sd1", "sdxl"])
def test_an_adapter_steers_as_in_diffusers(base, checkpoint, sd1, sdxl):
    model = {"sd1": sd1, "sdxl": sdxl}[base]
    kind = {"sd1": "StableDiffusionAdapterPipeline", "sdxl": "StableDiffusionXLAdapterPipeline"}[base]
    steered = pipeline(checkpoint, base, kind, adapter=opened(checkpoint, f"t2i-{base}"))
    noise, picture = noise_of(model), lines()
    expected = theirs(steered, noise, image=Image.fromarray(picture), adapter_conditioning_scale=0.6)
    assert apart(ours(model, steered, noise, [Steer(model.control("adapter", picture), 0.6)]), expected) < CLOSE


def test_an_inpainting_checkpoint_fills_as_in_diffusers(checkpoint, inpainting):
    steered = pipeline_of(checkpoint("sd1-inpaint"), "euler")
    noise, picture = noise_of(inpainting), smooth_picture(64, 64)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    shown = torch.tensor(picture.transpose(2, 0, 1)[None]).float() / 127.5 - 1.0
    shown *= torch.tensor(mask[None, None] < 128)
    with torch.no_grad():
        seen = steered.vae.encode(shown).latent_dist.mode() * steered.vae.config.scaling_factor
    expected = theirs(
        steered,
        noise,
        image=Image.fromarray(picture),
        mask_image=Image.fromarray(mask),
        masked_image_latents=seen,
        strength=1.0,
    )
    hint = inpainting.inpainting(picture, mask)
    assert apart(ours(inpainting, steered, noise, [Steer(hint, 1.0)]), expected) < CLOSE


def test_an_inpainting_checkpoint_without_a_mask_draws_a_picture_that_is_all_hole(inpainting):
    x = noise_of(inpainting)
    prompt = inpainting.encode((("a red apple", 1.0),))
    whole = inpainting.inpainting(smooth_picture(64, 64), np.full((64, 64), 255, np.uint8))
    answers = [
        inpainting.estimate(x, [exploding(1.0)], [condition])
        for condition in (prompt, inpainting.hinted(prompt, [(whole, 1.0)]))
    ]
    assert np.abs(answers[0] - answers[1]).max() < 1e-5


def test_soft_hints_act_less_on_what_is_fine(sd1):
    rows = [sd1.features(Words(chunks=((("a house", 1.0),),)))]
    hint = sd1.control("canny", lines())
    seen, times = torch.tensor(noise_of(sd1)), torch.tensor([500.0])
    with torch.inference_mode():
        hard, soft = (sd1._controls.residuals(seen, times, rows, [((one, 1.0),)]) for one in (hint, sd1.softened(hint)))
    count = len(hard.skips)
    for at, (full, less) in enumerate(zip(hard.skips, soft.skips, strict=True)):
        assert torch.allclose(less, full * SOFTNESS ** (count - at))
    assert torch.equal(hard.middle, soft.middle)


def test_a_controlnet_in_one_file_is_opened_by_its_names(checkpoint, tmp_path, sd1):
    from safetensors.torch import save_file

    net = opened(checkpoint, "controlnet-sd1")
    file = tmp_path / "canny.safetensors"
    save_file({name: weights.contiguous() for name, weights in net.state_dict().items()}, file)
    base = pipeline_of(checkpoint("sd1"))
    found = open_control(file, base, Plan())
    assert all(torch.equal(weights, found.state_dict()[name]) for name, weights in net.state_dict().items())
    save_file({"something.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="cannot steer this checkpoint"):
        open_control(tmp_path / "other.safetensors", base, Plan())
