"""A picture that repeats knows no edge: whatever is shifted before is shifted alike afterwards."""

import itertools

import numpy as np
import pytest
from rendering import Analytic, draw, kept, picture, small

from aldente.engine.denoise import answer
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.models.upscaling.table import find_upscaler
from aldente.recipe.infotext import recipe_from_infotext, to_infotext
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter, set_parameter
from aldente.recipe.stages import Resize
from aldente.render.controls import Steering
from aldente.render.resizing import enlarged
from aldente.render.scene import Canvas, Scene
from aldente.render.tile_denoising import around, seamless

HALF = (12, 12)
"""Half of a latent of 96 px, where the second tile begins."""


def scene(model, recipe) -> Scene:
    return Scene(recipe=recipe, model=model, files=None, upscaler=lambda name: find_upscaler(name).load(1))


def shifted(latent, by=HALF):
    return np.roll(latent, by, axis=(2, 3))


@pytest.fixture(scope="module")
def latent(model):
    return model.encode_image(picture(96, 96))


def apart(a, b) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).max())


def test_the_denoiser(model, latent):
    recipe = Recipe(prompt="a castle, flat", width=96, height=96)
    levels = [Level(1.0, 2.0), Level(1.0, 0.0)]
    denoise = seamless(recipe, model, levels, around(model.info, 24, 24), Steering(scene(model, recipe), (96, 96)))

    def estimate(x):
        return answer(denoise(x, levels[0]), lambda q: model.estimate(q.x, [q.level], [q.condition])).clean

    assert apart(estimate(shifted(latent)), shifted(estimate(latent))) < 1e-3 < apart(estimate(latent), latent)


def test_the_decoder_and_the_encoder(model, latent):
    decoded = Canvas(latent=latent, wraps=True).picture(model)
    again = Canvas(latent=shifted(latent), wraps=True).picture(model)
    assert apart(again, np.roll(decoded, (48, 48), axis=(0, 1))) <= 1
    assert apart(model.decode(shifted(latent))[0], np.roll(model.decode(latent)[0], (48, 48), axis=(0, 1))) > 8


@pytest.mark.parametrize(("upscaler", "by"), [("lanczos", 2.0), ("lanczos", 1.25), ("nearest", 3.0), ("pastina-4x", 4.0)])
def test_what_enlarges_pixels(upscaler, by):
    model, stage, image = Analytic(), Resize(scale=by, upscaler=upscaler), picture(32, 32)
    where = scene(model, Recipe(width=32, height=32).model_copy(update={"stages": (Recipe().start, stage)}))
    one, other = (enlarged(stage, Canvas(pixels=np.roll(image, s, 1), wraps=True), where, 1) for s in (0, 16))
    assert one.wraps
    assert one.pixels.shape == (32 * by, 32 * by, 3)
    assert apart(other.pixels, np.roll(one.pixels, round(16 * by), axis=1)) <= 1


def test_what_enlarges_latents():
    model, stage = Analytic(size_max=128), Resize(scale=2.0, upscaler="latent")
    x = np.random.default_rng(3).normal(size=(1, 2, 4, 4)).astype(np.float32)
    where = scene(model, Recipe(width=32, height=32).model_copy(update={"stages": (Recipe().start, stage)}))
    one, other = (enlarged(stage, Canvas(latent=np.roll(x, s, 3), wraps=True), where, 1).latent for s in (0, 2))
    np.testing.assert_allclose(other, np.roll(one, 4, axis=3), atol=1e-6)


def test_every_part_of_the_control_picture_is_told_around_the_edges():
    control = picture(32, 32, 5)
    model = Analytic(family="exploding", controls=("canny",))
    draw(small(tiling=True, control_image=kept(control), steps=2), model)
    places = itertools.product((0, 16), (0, 16))
    wanted = {model.control("canny", control[top : top + 16, left : left + 16]) for top, left in places}
    assert {hint for hints in model.hints for hint, _ in hints} == wanted


def test_hires_fix_goes_on_repeating(model):
    settings = {"tiling": True, "upscale_by": 2.0, "upscaler": "latent", "hires_denoise": 0.4}
    analytic = Analytic(family="exploding", size_max=128)
    assert draw(small(**settings), analytic).image.shape == (64, 64, 3)
    assert not np.array_equal(
        draw(small(**settings | {"tiling": None}), analytic).latent, draw(small(**settings), analytic).latent
    )


def test_a_recipe_that_does_not_say_so_is_what_it_was():
    assert "seamless" not in Recipe().canonical()
    assert set_parameter(set_parameter(Recipe(), "tiling", value=True), "tiling", None).digest() == Recipe().digest()


def test_infotexts_say_it_as_a1111_does():
    recipe = set_parameter(Recipe(prompt="clovers"), "tiling", value=True)
    text = to_infotext(recipe, model_hash="a" * 64, version="1")
    assert ", Tiling: True," in text
    back, unmapped = recipe_from_infotext(text)
    assert back == recipe
    assert unmapped == {}
    assert get_parameter(recipe_from_infotext(text.replace("Tiling: True, ", ""))[0], "tiling") is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image": kept(picture()), "denoise": 0.5}, "tiling is set, but image is given"),
        ({"extend_left": 8, "denoise": 0.5}, "tiling is set, but the picture is redrawn by denoise or extended"),
        ({"upscale_by": 2.0, "tile_denoise": 0.5}, "tiling is set, but the tiles do not go around the edges; set seamless"),
        ({"upscale_width": 64, "upscale_height": 32, "upscaler": "lanczos"}, "tiling is set, but 64x32 has another shape"),
    ],
)
def test_what_would_leave_seams_is_refused(settings, words):
    with pytest.raises(UserError, match=words):
        draw(small(tiling=True, **settings), Analytic())
