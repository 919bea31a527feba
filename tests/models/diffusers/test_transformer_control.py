"""ControlNets of SD 3 and FLUX steer as in diffusers' own pipelines."""

from __future__ import annotations

from functools import partial
from inspect import signature

import diffusers
import numpy as np
import pytest
import torch
from pairs import SIDE, drawn, flow_levels_of, noise_of, pipeline_of
from PIL import Image
from safetensors.torch import save_file

from aldente.engine.errors import UserError
from aldente.engine.levels import flow
from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.control_opening import open_control
from aldente.models.diffusers.transformers import packed, unpacked
from aldente.render.controls import Steer
from aldente.testing.model_contract import SteerableContract

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

CLOSE = 1e-4
"""How far apart two latents may be, as a share of their spread."""

MATTERS = 0.01
"""How far from it a picture is at least that a network did not steer."""

PROMPT = "a big red apple on the house"
STEPS = 4

SD3_NETS = {"canny": "controlnet-sd3", "tile": "controlnet-sd3-apart"}
FLUX_NETS = {"canny": "controlnet-flux", "union": "controlnet-flux-union", "sees": "controlnet-flux-sees"}


def lines(at=8):
    """A control picture: white lines on black."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[at : at + 3, 4:60] = 255
    picture[4:60, at - 2 : at + 1] = 255
    return picture


@pytest.fixture(scope="module")
def sd3(checkpoint):
    return load(checkpoint("sd3"), plan=Plan(), controls={name: checkpoint(kind) for name, kind in SD3_NETS.items()})


@pytest.fixture(scope="module")
def flux(checkpoint):
    return load(checkpoint("flux-dev"), plan=Plan(), controls={name: checkpoint(kind) for name, kind in FLUX_NETS.items()})


@pytest.fixture(scope="module", params=["sd3", "flux"])
def model(request, sd3, flux):
    return {"sd3": sd3, "flux": flux}[request.param]


class TestSteering(SteerableContract):
    batch_tolerance = 2e-4


def steered(checkpoint, base, kind, net_class, kinds):
    """diffusers' pipeline that is steered by networks; its autoencoder sure of what it sees, for this pipeline draws."""
    made, kind = pipeline_of(checkpoint(base)), getattr(diffusers, kind)
    nets = [net_class.from_pretrained(checkpoint(one)).eval() for one in kinds]
    parts = {name: part for name, part in made.components.items() if name in signature(kind).parameters}
    last = made.vae.encoder.conv_out
    with torch.no_grad():
        last.weight[16:], last.bias[16:] = 0.0, -30.0
    found = kind(**parts, controlnet=nets if len(nets) > 1 else nets[0])
    found.set_progress_bar_config(disable=True)
    return found


def sd3_pair(checkpoint, sd3, steers, *, start=0.0, end=1.0):
    """The latents of SD 3 by diffusers and by aldente; ``steers`` are kinds, pictures and weights."""
    theirs = steered(
        checkpoint,
        "sd3",
        "StableDiffusion3ControlNetPipeline",
        diffusers.SD3ControlNetModel,
        [SD3_NETS[one[0]] for one in steers],
    )
    noise = noise_of(sd3)
    pictures, weights = [Image.fromarray(one[1]) for one in steers], [one[2] for one in steers]
    with torch.no_grad():
        expected = theirs(
            PROMPT, negative_prompt="a green house", height=64, width=64, sigmas=np.linspace(1.0, 1 / STEPS, STEPS).tolist(),
            guidance_scale=3.0, latents=torch.tensor(noise), output_type="latent", control_guidance_start=start,
            control_guidance_end=end, control_image=pictures if len(steers) > 1 else pictures[0],
            controlnet_conditioning_scale=weights if len(steers) > 1 else weights[0],
        ).images.numpy()  # fmt: skip
    draw = partial(
        drawn, sd3, "euler", flow_levels_of(theirs.scheduler), noise, prompt=PROMPT, negative="a green house", cfg=3.0
    )
    return expected, draw


def flux_pair(checkpoint, flux, steers, *, mode=None):
    """The latents of FLUX dev by diffusers and by aldente."""
    kinds = [FLUX_NETS[one[0].partition(":")[0]] for one in steers]
    theirs = steered(checkpoint, "flux-dev", "FluxControlNetPipeline", diffusers.FluxControlNetModel, kinds)
    noise = noise_of(flux)
    pictures, weights = [Image.fromarray(one[1]) for one in steers], [one[2] for one in steers]
    several = len(steers) > 1
    with torch.no_grad():
        found = theirs(
            PROMPT, height=64, width=64, num_inference_steps=STEPS, latents=packed(torch.tensor(noise)), output_type="latent",
            max_sequence_length=512, guidance_scale=3.5, control_image=pictures if several else pictures[0],
            controlnet_conditioning_scale=weights if several else weights[0], control_mode=mode,
        ).images  # fmt: skip
    draw = partial(
        drawn, flux, "euler", flow_levels_of(theirs.scheduler), noise, prompt=PROMPT, cfg=1.0, distilled_guidance=3.5
    )
    return unpacked(found, SIDE, SIDE).numpy(), draw


def apart(one, other):
    return float(np.abs(one - other).max() / other.std())


@pytest.mark.parametrize("kind", ["canny", "tile"])
def test_a_controlnet_of_sd3_steers_as_in_diffusers(kind, checkpoint, sd3):
    expected, draw = sd3_pair(checkpoint, sd3, [(kind, lines(), 0.7)])
    assert apart(draw([Steer(sd3.control(kind, lines()), 0.7)]), expected) < CLOSE
    assert apart(draw([]), expected) > MATTERS


def test_a_controlnet_of_sd3_acts_for_a_share_of_the_steps_as_in_diffusers(checkpoint, sd3):
    expected, draw = sd3_pair(checkpoint, sd3, [("canny", lines(), 1.0)], start=0.25, end=0.75)
    # A step acts in diffusers where it lies within as a whole; by A1111's count the one that begins at the end acts too.
    assert apart(draw([Steer(sd3.control("canny", lines()), 1.0, 0.25, 0.74)]), expected) < CLOSE


def test_two_controlnets_of_sd3_add_up_as_in_diffusers(checkpoint, sd3):
    steers = [("canny", lines(), 0.5), ("canny", lines(20), 0.9)]
    expected, draw = sd3_pair(checkpoint, sd3, steers)
    assert apart(draw([Steer(sd3.control(kind, picture), weight) for kind, picture, weight in steers]), expected) < CLOSE


@pytest.mark.parametrize("kind", ["canny", "sees"])
def test_a_controlnet_of_flux_steers_as_in_diffusers(kind, checkpoint, flux):
    expected, draw = flux_pair(checkpoint, flux, [(kind, lines(), 0.7)])
    assert apart(draw([Steer(flux.control(kind, lines()), 0.7)]), expected) < CLOSE
    assert apart(draw([]), expected) > MATTERS


def test_a_union_controlnet_of_flux_is_one_for_each_of_its_modes(checkpoint, flux):
    expected, draw = flux_pair(checkpoint, flux, [("union:depth", lines(), 0.8)], mode=2)
    assert apart(draw([Steer(flux.control("union:depth", lines()), 0.8)]), expected) < CLOSE
    assert apart(draw([Steer(flux.control("union:canny", lines()), 0.8)]), expected) > 1e-3
    assert [kind for kind in flux.info.controls if kind.startswith("union")][:2] == ["union:canny", "union:tile"]


def test_two_controlnets_of_flux_add_up_as_in_diffusers(checkpoint, flux):
    steers = [("canny", lines(), 0.5), ("canny", lines(20), 0.9)]
    expected, draw = flux_pair(checkpoint, flux, steers)
    assert apart(draw([Steer(flux.control(kind, picture), weight) for kind, picture, weight in steers]), expected) < CLOSE


def test_a_controlnet_of_weight_nothing_is_none(sd3, flux):
    for model in (sd3, flux):
        noise, prompt = noise_of(model), model.encode((("a red apple", 1.0),))
        hinted = model.hinted(prompt, [(model.control("canny", lines()), 0.0)])
        plain, without = (model.estimate(noise, [flow(0.6)], [one]) for one in (prompt, hinted))
        assert np.array_equal(plain, without)


@pytest.mark.parametrize(("base", "kind"), [("sd3", "canny"), ("sd3", "tile"), ("flux-dev", "canny"), ("flux-dev", "union")])
def test_a_controlnet_in_one_file_is_opened_beside_its_denoiser(base, kind, checkpoint, tmp_path):
    folder = checkpoint((SD3_NETS if base == "sd3" else FLUX_NETS)[kind])
    base = pipeline_of(checkpoint(base))
    net = open_control(folder, base, Plan())
    file = tmp_path / "one.safetensors"
    stored = type(net).from_pretrained(folder).state_dict()
    save_file({name: weights.contiguous() for name, weights in stored.items()}, file)
    found = open_control(file, base, Plan())
    assert type(found) is type(net)
    assert all(torch.equal(weights, found.state_dict()[name]) for name, weights in net.state_dict().items())


def test_a_controlnet_of_another_denoiser_is_refused(checkpoint):
    model = load(checkpoint("sd3"), plan=Plan(), controls={"canny": checkpoint("controlnet-flux")})
    hinted = model.hinted(model.encode((("a", 1.0),)), [(model.control("canny", lines()), 1.0)])
    with pytest.raises(UserError, match="is a FluxControlNetModel; this checkpoint takes: SD3ControlNetModel"):
        model.estimate(noise_of(model), [flow(0.6)], [hinted])
