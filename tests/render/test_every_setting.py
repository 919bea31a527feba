"""Every setting changes the picture or is refused by name: none is swallowed."""

import numpy as np
import pytest
from rendering import Analytic, differ, draw, draw_all, hole, kept, made, picture, tiny

from aldente.engine.errors import UserError
from aldente.engine.schedules.table import schedules
from aldente.recipe.parameters import parameters
from aldente.recipe.settings import set_parameters
from aldente.recipe.stages import Source
from aldente.render.idle_stages import draws
from aldente.render.levels import levels_of

SOURCE, OTHER_SOURCE, MASK, OTHER_MASK = (
    kept(picture(48, 32)),
    kept(picture(40, 40, 3)),
    kept(hole()),
    kept(hole(box=(0, 0, 16, 32))),
)

SMALL_MASK = kept(hole(box=(8, 12, 24, 16)))

OTHER = {
    "model": "analytic", "prompt": "a blue house", "negative": "grey", "width": 24, "height": 24, "seed": 12,
    "clip_skip": 2, "sampler": "euler", "schedule": "exponential", "steps": 4, "cfg": 3.0, "guidance_low": 6.0,
    "guidance_high": 0.2, "cfg_rescale": 0.7, "apg": 0.0, "dynamic_threshold": 0.9, "eta": 0.5, "s_noise": 0.9,
    "s_churn": 2.0, "s_tmin": 1.0, "s_tmax": 5.0, "rho": 4.0, "sigma_min": 0.1, "sigma_max": 10.0, "shift": 2.0,
    "discard_next_to_last": True, "rng": "cpu", "sigmas": "15,3,1,0.2", "rtol": 0.3,
    "variation_seed": 5, "variation_strength": 0.3, "size": "24x24", "seed_width": 8, "seed_height": 24,
    "image": OTHER_SOURCE, "fit": "crop", "extend_left": 8, "extend_right": 16, "extend_top": 8, "extend_bottom": 8,
    "extend_blur": 3, "denoise": 0.3, "denoise_rule": "comfyui", "mask": OTHER_MASK, "mask_invert": True, "mask_blur": 1,
    "masked_content": "latent_noise", "inpaint_area": "only_masked", "mask_padding": 2, "inpaint_method": "latent",
    "upscale_by": 1.5, "upscale_width": 24, "upscale_height": 40, "upscaler": "nearest", "hires_denoise": 0.9,
    "hires_rule": "comfyui", "hires_steps": 9, "hires_sampler": "heun", "hires_schedule": "exponential", "hires_cfg": 2.0,
    "hires_prompt": "a horse", "hires_negative": "a large blot", "tile_denoise": 0.8, "tile_steps": 9, "tile_cfg": 2.0,
    "tile_prompt": "a horse", "tile_mode": "linear", "tile_size": 24, "tile_overlap": 12, "tile_blur": 2,
    "seam_fix": "half", "seam_denoise": 0.9, "seam_width": 16, "seam_blur": 1, "seam_padding": 8, "seamless": True,
    "tiling": True, "control_image": OTHER_SOURCE, "control_type": "scribble", "control_preprocessor": "invert",
    "control_weight": 0.5, "control_start": 0.5, "control_end": 0.5, "control_fit": "crop", "control_mode": "control",
    "emphasis": "ignore", "distilled_guidance": 5.0, "reuse_threshold": 0.5, "reuse_start": 0.5, "reuse_end": 0.4,
    "token_merging_ratio": 0.5,
}  # fmt: skip
"""A value other than the default for every parameter."""

PASSED = {"width": 32, "height": 32, "image": SOURCE}
TILED = PASSED | {"tile_denoise": 0.5, "tile_overlap": 8}
FITTING = (
    {}, {"sampler": "euler_ancestral"}, {"sampler": "euler", "s_churn": 3.0}, {"schedule": "flow"},
    {"variation_seed": 6}, {"variation_strength": 0.4}, {"schedule": "custom"}, {"seed_width": 24}, {"seed_height": 16},
    PASSED, PASSED | {"denoise": 0.6}, PASSED | {"denoise": 0.6, "mask": MASK},
    PASSED | {"mask": SMALL_MASK, "mask_blur": 0, "mask_padding": 6, "inpaint_area": "only_masked"},
    PASSED | {"extend_left": 8, "denoise": 0.8},
    {"upscaler": "lanczos"}, {"upscaler": "lanczos", "hires_denoise": 0.6}, {"hires_denoise": 0.6}, TILED,
    TILED | {"tile_mode": "linear"}, TILED | {"tile_mode": "linear", "seam_fix": "band", "seam_width": 8, "seam_padding": 4},
    {"control_image": SOURCE, "width": 32, "height": 32},
)  # fmt: skip
"""Recipes that are ready for one setting or another."""

# An adaptive sampler hears its tolerance and no number of steps; steps are foretold where there are some.
REUSING = {"steps": 12, "reuse_threshold": 3.0}
ALONE = {
    "rtol": [{"sampler": "dpm_adaptive"}],
    "reuse_threshold": [{"steps": 12}],
    "reuse_start": [{}, REUSING],
    "reuse_end": [{}, REUSING],
}
"""Recipes for settings that the others are deaf to."""


def found(recipe, model):
    """What is drawn, as a latent; where it ends in pixels, which are rounded, as these and all that the model was asked."""
    rendered = draw(recipe, model)
    if rendered.latent is not None:
        return rendered.latent
    return np.concatenate([rendered.image.ravel().astype(float), *model.seen])


def test_every_parameter_has_a_value_here():
    assert set(OTHER) == {p.name for p in parameters()}


@pytest.mark.parametrize("parameter", [p for p in parameters() if p.name != "model"], ids=lambda p: p.name)
def test_a_setting_is_heard_or_refused_by_name(parameter):
    heard = 0
    for around in ALONE.get(parameter.name, FITTING):
        model = Analytic(family="exploding", controls=("canny", "scribble"), inpaints=True)
        base = tiny(**{key: value for key, value in around.items() if key != parameter.name})
        changed = set_parameters(base, {parameter.name: OTHER[parameter.name]})
        again = Analytic(family="exploding", controls=("canny", "scribble"), inpaints=True)
        try:
            before = found(base, again)
        except UserError:
            before = None
        try:
            after = found(changed, model)
        except UserError as error:
            assert parameter.name in str(error) or before is None  # noqa: PT017
            continue
        alike = before is not None and before.shape == after.shape and np.abs(before - after).max() <= 1e-6
        if alike and _draws_nothing(changed):
            continue
        assert not alike, around
        heard += 1
    assert heard or parameter.name in ("clip_skip", "emphasis", "distilled_guidance", "token_merging_ratio")


def _draws_nothing(recipe) -> bool:
    """A picture that is only brought to a size: what is said about drawing has defaults that cannot be told from settings."""
    return isinstance(recipe.stages[0], Source) and not any(map(draws, recipe.stages))


@pytest.mark.parametrize(
    "parameter", ["negative", "guidance_low", "cfg_rescale", "apg", "dynamic_threshold", "sigma_max", "rng"]
)
def test_a_setting_changes_pastinas_picture(parameter, model, plain):
    assert differ(draw(made(**{parameter: OTHER[parameter]}), model), plain) > 1e-3


@pytest.mark.parametrize("info", [s for s in schedules() if s.name != "custom"], ids=lambda s: s.name)
@pytest.mark.parametrize(("end", "value"), [("sigma_min", 0.1), ("sigma_max", 5.0)])
def test_an_end_moves_the_schedule_or_is_refused(info, end, value):
    model_info = Analytic(family="exploding").info
    plain = levels_of(tiny(schedule=info.name).sampling, model_info)
    try:
        moved = levels_of(tiny(schedule=info.name, **{end: value}).sampling, model_info)
    except UserError as error:
        assert f"{end} is set, but schedule '{info.name}' has ends of its own" in str(error)  # noqa: PT017
    else:
        assert moved != plain


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clip_skip": 2}, "clip_skip is 2, but model 'pastina' is read at its last layer only"),
        ({"variation_seed": 3}, "variation_seed is set without variation_strength"),
        ({"variation_strength": 0.3}, "variation_strength is set without variation_seed"),
        ({"sampler": "euler", "s_tmin": 1.0}, "s_tmin bounds the churn, but s_churn is not set"),
        ({"sampler": "heun", "s_noise": 1.1}, "s_noise scales noise, but sampler 'heun' adds none so; set s_churn"),
        ({"sampler": "ddim", "s_noise": 1.1}, "s_noise scales noise, but sampler 'ddim' adds none so; set eta"),
        ({"sampler": "euler_ancestral", "eta": 0.0, "s_noise": 1.1}, "sampler 'euler_ancestral' adds none so; set eta"),
        ({"s_churn": 3.0}, "sampler 'dpmpp_2m' has no option 's_churn'"),
        ({"eta": 1.0}, "sampler 'dpmpp_2m' has no option 'eta'"),
        ({"schedule": "exponential", "rho": 3.0}, "rho is set, but schedule 'exponential' has no such option"),
        ({"sampler": "dpm_fast", "rho": 3.0}, "rho is set, but sampler 'dpm_fast' spaces its levels itself"),
        ({"shift": 3.0}, "shift is set, but schedule 'karras' has no such option"),
        ({"schedule": "vp", "sigma_max": 9.0}, "sigma_max is set, but schedule 'vp' has ends of its own"),
        ({"schedule": "custom"}, "schedule 'custom' needs 'sigmas'"),
        ({"sigmas": "9,1"}, "sigmas is set, but schedule 'karras' has no such option"),
        ({"schedule": "custom", "sigmas": "9,1", "sampler": "dpm_fast"}, "sigmas is set, but sampler 'dpm_fast' spaces"),
        ({"rtol": 0.1}, "sampler 'dpmpp_2m' has no option 'rtol'"),
        ({"sigma_min": 30.0}, "choose 0 < sigma_min < sigma_max"),
    ],
)
def test_what_can_have_no_effect_is_refused_with_advice(settings, words, model):
    with pytest.raises(UserError, match=words):
        draw(made(**settings), model)


def test_levels_that_are_written_out_are_the_levels_of_the_run():
    info = Analytic(family="exploding").info
    for sampler in ("dpmpp_2m", "uni_pc"):
        written = tiny(sampler=sampler, schedule="custom", sigmas="15,3,1,0.2", steps=4).sampling
        assert [level.sigma for level in levels_of(written, info)] == [15.0, 3.0, 1.0, 0.2, 0.0]
    more = [level.sigma for level in levels_of(written.model_copy(update={"steps": 7}), info)]
    assert len(more) == 8
    assert more[::2] == pytest.approx([15.0, 3.0, 1.0, 0.2])
    dropped = levels_of(written.model_copy(update={"discard_next_to_last": True}), info)
    assert len(dropped) == 5
    assert dropped[-2].sigma > 0.2


def test_levels_beyond_the_noise_of_a_flow_model_are_refused():
    with pytest.raises(UserError, match="sigmas begin at 15, but the noise of model 'analytic' ends at 1"):
        levels_of(tiny(schedule="custom", sigmas="15,3", steps=2).sampling, Analytic().info)


def test_what_has_an_effect_is_not_refused(model):
    allowed = (
        {"clip_skip": 1}, {"sampler": "euler", "s_churn": 2.0, "s_tmin": 0.5, "s_tmax": 9.0, "s_noise": 1.01},
        {"sampler": "ddpm", "s_noise": 0.9}, {"sampler": "ddim", "eta": 1.0, "s_noise": 0.9}, {"schedule": "vp"},
    )  # fmt: skip
    for rendered in draw_all([made(steps=2, **settings) for settings in allowed], model):
        assert rendered.error is None
