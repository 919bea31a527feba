"""What is counted before drawing is what is asked while drawing."""

import pytest
from rendering import Analytic, draw, hole, kept, picture, small

from aldente.engine.errors import UserError
from aldente.recipe.settings import set_parameters
from aldente.render.cost import calls_of

SOURCE, MASK = kept(picture()), kept(hole())
BIG = {"image": SOURCE, "upscale_width": 56, "upscale_height": 44}
RECIPES = {
    "base": {},
    "img2img": {"image": SOURCE, "denoise": 0.61},
    "unchanged": {"image": SOURCE, "denoise": 0.0},
    "inpainted": {"image": SOURCE, "mask": MASK, "cfg": 1.0},
    "only masked": {"image": SOURCE, "mask": MASK, "inpaint_area": "only_masked"},
    "outpainted": {"image": SOURCE, "extend_left": 16, "denoise": 0.9, "sampler": "heun"},
    "hires": {"upscale_by": 2.0, "upscaler": "latent", "hires_denoise": 0.4, "hires_cfg": 1.0, "hires_steps": 7},
    "repeating": {"tiling": True, "upscale_by": 2.0, "upscaler": "latent", "hires_denoise": 0.4},
    "blended": BIG | {"tile_denoise": 0.4, "tile_size": 24, "tile_overlap": 8},
    "seamless": BIG | {"upscale_height": 48, "tile_denoise": 0.4, "tile_overlap": 8, "seamless": True},
    "linear": BIG | {"tile_denoise": 0.4, "tile_mode": "linear", "tile_overlap": 4},
    "chess": BIG | {"tile_denoise": 0.4, "tile_mode": "chess", "seam_fix": "band", "seam_width": 16, "seam_padding": 4},
    "half": BIG
    | {"tile_denoise": 0.4, "tile_mode": "linear", "seam_fix": "half_cross", "seam_denoise": 0.7, "seam_padding": 4},
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_calls_of_every_stage_are_known_before(name):
    recipe = small(steps=6, **RECIPES[name])
    model = Analytic(family="exploding")
    counted = dict.fromkeys(range(len(recipe.stages)), 0)
    for found in calls_of(recipe, model):
        counted[found.index] += found.calls
    rendered = draw(recipe, model)
    assert counted == {stage.index: stage.asked for stage in rendered.stages[:-1]}


def test_the_size_of_what_is_drawn_is_told_with_them():
    recipe = small(upscale_by=2.0, upscaler="lanczos", hires_denoise=0.5)
    assert [(c.stage, c.size) for c in calls_of(recipe, Analytic())] == [("base", (32, 32)), ("refine", (64, 64))]
    masked = small(image=SOURCE, mask=MASK, inpaint_area="only_masked")
    assert [c.size for c in calls_of(masked, Analytic())] == [(32, 32)]


IDLE = [
    ({"image": SOURCE, "denoise": 0.0, "mask": MASK}, "mask is set, but denoise is 0"),
    ({"image": SOURCE, "denoise": 0.5, "mask_blur": 9}, "mask_blur is set, but mask is not given"),
    ({"image": SOURCE, "mask_padding": 9, "mask": MASK}, "mask_padding is set, but inpaint_area is 'whole'"),
    (
        {"image": SOURCE, "masked_content": "fill", "inpaint_area": "only_masked"},
        "masked_content and inpaint_area are set, but",
    ),
    ({"hires_denoise": 0.0, "hires_steps": 3, "hires_cfg": 2.0}, "hires_steps and hires_cfg are set, but hires_denoise is 0"),
    ({"fit": "crop"}, "fit is set, but image is not given"),
    ({"extend_blur": 3}, "extend_blur is set, but extend_left"),
    ({"image": SOURCE, "extend_left": 8, "extend_blur": 3}, "extend_blur is set, but nothing draws over the extension"),
    ({"upscale_by": 2.0, "upscale_width": 64}, "upscale_width is set, but upscale_by gives the size"),
    (
        BIG | {"tile_denoise": 0.4, "tile_blur": 3, "seam_width": 32},
        "tile_blur and seam_width are set, but tile_mode is 'blend'",
    ),
    (BIG | {"tile_mode": "chess", "seamless": True}, "seamless is set, but tile_mode is 'chess'"),
    (BIG | {"tile_mode": "chess", "seam_blur": 3}, "seam_blur is set, but seam_fix is 'none'"),
    (BIG | {"tile_mode": "chess", "seam_fix": "half", "seam_width": 32}, "seam_width is set, but seam_fix is 'half'"),
    ({"seed_width": 16}, "seed_width is set without seed_height"),
    ({"seed_width": 32, "seed_height": 32}, "which is the picture's own size"),
    ({"image": SOURCE, "eta": 0.5}, "eta is set, but after image no stage draws anything"),
]


@pytest.mark.parametrize(("settings", "words"), IDLE, ids=[words for _, words in IDLE])
def test_what_would_change_nothing_is_refused_by_name(settings, words):
    with pytest.raises(UserError, match=words):
        draw(set_parameters(small(), settings), Analytic())


def test_a_mask_that_an_extension_left_counts_as_one():
    settings = {"image": SOURCE, "extend_left": 8, "denoise": 0.8, "masked_content": "fill", "inpaint_area": "only_masked"}
    assert draw(small(**settings, mask_padding=8), Analytic()).image.shape == (32, 40, 3)
