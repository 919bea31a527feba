"""IP-Adapters: pictures as prompts, as in diffusers' own pipelines, and row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pairs import drawn, levels_at, noise_of, pipeline_of
from PIL import Image
from safetensors.torch import save_file
from tiny import save_image_encoder, save_ip_adapter

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding
from aldente.models.checkpoints.inspecting import inspect
from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.reference_opening import open_encoder
from aldente.models.diffusers.references import seen
from aldente.models.port import Words
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.controls import Steer, check_controls
from aldente.render.render import render
from aldente.testing.model_contract import SteerableContract, smooth_picture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

CLOSE = 1e-4
"""How far apart two latents may be, as a share of their spread."""

PROMPT = "a big red apple on the house"


def stripes(step=12):
    """A picture that is wider than high."""
    picture = np.full((48, 80, 3), (40, 90, 200), np.uint8)
    picture[:, ::step] = (250, 220, 30)
    return picture


@pytest.fixture(scope="session")
def adapters(tmp_path_factory):
    """A folder as the adapters' own repository lays it out: SD 1's and SDXL's files, and one image encoder."""
    place = tmp_path_factory.mktemp("ip-adapters")
    save_image_encoder(place / "models" / "image_encoder")
    save_ip_adapter("sd1", place / "models" / "sd1.safetensors")
    save_ip_adapter("sd1", place / "models" / "sd1-plus.safetensors", plus=True)
    save_ip_adapter("sdxl", place / "sdxl_models" / "sdxl.safetensors")
    return place


@pytest.fixture(scope="module")
def sd1(checkpoint, adapters):
    files = {"ip": adapters / "models" / "sd1.safetensors", "plus": adapters / "models" / "sd1-plus.safetensors"}
    return load(checkpoint("sd1"), plan=Plan(), controls={**files, "canny": checkpoint("controlnet-sd1")})


@pytest.fixture(scope="module")
def sdxl(checkpoint, adapters):
    return load(checkpoint("sdxl"), plan=Plan(), controls={"ip": adapters / "sdxl_models" / "sdxl.safetensors"})


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def model(request, sd1, sdxl):
    return {"sd1": sd1, "sdxl": sdxl}[request.param]


class TestSteering(SteerableContract):
    batch_tolerance = 2e-4


def their_picture(checkpoint, adapters, base, file, scale, picture, noise):
    """diffusers' own picture with an adapter, and the levels of its steps."""
    pipeline = pipeline_of(checkpoint(base), "euler")
    folder = str(adapters / "models" / "image_encoder")
    pipeline.load_ip_adapter(str(adapters), subfolder=file.parent.name, weight_name=file.name, image_encoder_folder=None)
    pipeline.register_modules(image_encoder=encoder_of(folder), feature_extractor=extractor())
    pipeline.set_ip_adapter_scale(scale)
    with torch.no_grad():
        found = pipeline(
            PROMPT, negative_prompt="a green house", height=64, width=64, num_inference_steps=5, guidance_scale=4.0,
            latents=torch.tensor(noise), output_type="latent", ip_adapter_image=Image.fromarray(picture),
        ).images.numpy()  # fmt: skip
    return found, pipeline.scheduler.timesteps


def encoder_of(folder):
    from transformers import CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection.from_pretrained(folder).eval()


def extractor():
    from diffusers.loaders.ip_adapter import CLIPImageProcessor

    return CLIPImageProcessor(size=32, crop_size=32)


@pytest.mark.parametrize(("base", "kind"), [("sd1", "ip"), ("sd1", "plus"), ("sdxl", "ip")])
def test_a_picture_prompts_as_in_diffusers(base, kind, checkpoint, adapters, sd1, sdxl):
    model, noise = {"sd1": sd1, "sdxl": sdxl}[base], noise_of({"sd1": sd1, "sdxl": sdxl}[base])
    folder = "sdxl_models" if base == "sdxl" else "models"
    file = adapters / folder / f"{base}{'-plus' if kind == 'plus' else ''}.safetensors"
    expected, timesteps = their_picture(checkpoint, adapters, base, file, 0.7, stripes(), noise)
    levels = levels_at(model, timesteps)
    start = noise * np.float32(levels[0].sigma)

    def ours(steers):
        return drawn(model, "euler", levels, start, steers, prompt=PROMPT, negative="a green house", cfg=4.0)

    spread = expected.std()
    assert np.abs(ours([Steer(model.control(kind, stripes()), 0.7)]) - expected).max() / spread < CLOSE
    assert np.abs(ours([]) - expected).max() / spread > 0.01


def test_rows_have_pictures_and_weights_of_their_own(sd1):
    words = sd1.read(Words(chunks=((("a house", 1.0),),)))
    hints = [
        [(sd1.control("ip", stripes()), 0.3)],
        [(sd1.control("ip", stripes(5)), 1.0)],
        [],
        [(sd1.control("plus", stripes()), 0.6), (sd1.control("canny", smooth_picture(64, 64)), 0.5)],
        [(sd1.control("ip", stripes()), 0.5), (sd1.control("ip", stripes(5)), 0.5)],
    ]
    rows = [sd1.hinted(words, own) for own in hints]
    noise = np.repeat(noise_of(sd1), len(rows), axis=0)
    together = sd1.estimate(noise, [exploding(2.0)] * len(rows), rows)
    alone = [sd1.estimate(noise[:1], [exploding(2.0)], [row])[0] for row in rows]
    assert max(float(np.abs(a - b).max()) for a, b in zip(together, alone, strict=True)) < 2e-4
    assert min(float(np.abs(a - b).max()) for n, a in enumerate(alone) for b in alone[:n]) > 1e-3


def test_a_picture_of_weight_nothing_is_none_to_the_bit(sd1):
    prompt, noise = sd1.encode((("a house", 1.0),)), noise_of(sd1)
    plain = sd1.estimate(noise, [exploding(2.0)], [prompt])
    unheard = sd1.hinted(prompt, [(sd1.control("ip", stripes()), 0.0)])
    assert np.array_equal(sd1.estimate(noise, [exploding(2.0)], [unheard]), plain)
    heard = sd1.hinted(prompt, [(sd1.control("ip", stripes()), 1.0)])
    both = sd1.estimate(np.repeat(noise, 2, axis=0), [exploding(2.0)] * 2, [heard, prompt])
    twice = sd1.estimate(np.repeat(noise, 2, axis=0), [exploding(2.0)] * 2, [prompt, prompt])
    assert np.array_equal(both[1], twice[1])


def test_a_recipe_is_steered_by_a_picture_of_any_size(sd1):
    recipe = set_parameters(
        Recipe(model=sd1.info.name),
        {
            "prompt": PROMPT, "width": 64, "height": 64, "steps": 3, "seed": 1, "control_image": "a" * 64, "control_type": "ip",
            "control_weight": 0.8, "control_end": 0.5,
        },
    )  # fmt: skip
    assert "ip" in sd1.info.references
    pictures = [
        next(iter(render([one], sd1, files=lambda _: stripes(), clock=lambda: 0.0))).latent
        for one in (recipe, set_parameters(recipe, {"control_weight": 0.0}))
    ]
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-3
    with pytest.raises(UserError, match="control_mode is 'prompt'"):
        check_controls(set_parameters(recipe, {"control_mode": "prompt"}).controls, sd1)


@pytest.mark.parametrize("shape", [(48, 80), (80, 48), (32, 32), (33, 47)])
def test_pictures_are_seen_as_transformers_shows_them(shape):
    picture = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = extractor()(Image.fromarray(picture), return_tensors="pt").pixel_values
    assert torch.abs(seen(picture, 32) - expected).max() < 1e-5


def test_an_image_encoder_in_one_file_is_told_by_its_shapes(adapters, tmp_path, checkpoint):
    folder = adapters / "models" / "image_encoder"
    file = tmp_path / "clip_vision" / "vit.safetensors"
    file.parent.mkdir()
    file.write_bytes((folder / "model.safetensors").read_bytes())
    planes = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        one, other = (open_encoder(place, Plan())(planes).image_embeds for place in (folder, file))
    assert torch.equal(one, other)
    save_ip_adapter("sd1", tmp_path / "ipadapter" / "sd1.safetensors")
    model = load(checkpoint("sd1"), plan=Plan(), controls={"ip": tmp_path / "ipadapter" / "sd1.safetensors"})
    hinted = model.hinted(model.encode((("a", 1.0),)), [(model.control("ip", stripes()), 1.0)])
    assert np.isfinite(model.estimate(noise_of(model), [exploding(1.0)], [hinted])).all()


def test_what_cannot_prompt_is_refused(adapters, tmp_path, checkpoint):
    lost = save_ip_adapter("sd1", tmp_path / "lost" / "sd1.safetensors")
    other = adapters / "sdxl_models" / "sdxl.safetensors"
    faces = tmp_path / "faces.safetensors"
    save_file({"image_proj.norm.weight": torch.ones(4), "ip_adapter.1.to_k_ip.weight": torch.ones(4, 4)}, faces)
    assert inspect(faces).kind == "ip-adapter"
    model = load(checkpoint("sd1"), plan=Plan(), controls={"lost": lost, "other": other, "faces": faces})
    for kind, why in (
        ("lost", "needs an image encoder that projects to 24"),
        ("other", "steer|belongs"),
        ("faces", "reads faces"),
    ):
        hinted = model.hinted(model.encode((("a", 1.0),)), [(model.control(kind, stripes()), 1.0)])
        with pytest.raises(UserError, match=why):
            model.estimate(noise_of(model), [exploding(1.0)], [hinted])
