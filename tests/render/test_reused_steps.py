"""Step caching in pictures: what it saves, what it leaves as it was, and what it is refused beside."""

import itertools
import re

import numpy as np
import pytest
from rendering import FILES, Analytic, differ, draw, draw_all, hole, kept, picture, small, tiny
from tile_scenes import Counting

from aldente.engine.errors import UserError
from aldente.models.upscaling.table import find_upscaler
from aldente.recipe.infotext import recipe_from_infotext, to_infotext
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Limits
from aldente.render.cost import calls_of
from aldente.render.render import render
from aldente.store.checkpoints import CheckpointFolder

SOURCE, MASK = kept(picture()), kept(hole())
WAYS = {
    "guided": {},
    "unguided": {"cfg": 1.0},
    "sde": {"sampler": "dpmpp_2m_sde", "eta": 0.5},
    "heun": {"sampler": "heun"},
    "hires": {"upscale_by": 2.0, "upscaler": "latent", "hires_denoise": 0.9},
    "inpainted": {"image": SOURCE, "mask": MASK, "denoise": 0.95},
    "blended": {"image": SOURCE, "upscale_width": 56, "upscale_height": 48, "tile_denoise": 0.9, "tile_overlap": 8},
    "pasted": {"image": SOURCE, "upscale_width": 32, "tile_denoise": 0.9, "tile_mode": "linear", "tile_overlap": 4},
    "repeating": {"tiling": True},
}


def recipe(threshold=None, **settings):
    bounds = {} if threshold is None else {"reuse_threshold": threshold}
    return small(**{"sampler": "euler", "steps": 20, **bounds, **settings})


def drawn(threshold, **settings):
    return draw(recipe(threshold, **settings), Analytic(family="exploding"))


def pixels(rendered):
    return rendered.image.astype(float)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_foretold_is_not_counted_and_at_a_low_threshold_not_seen(way):
    plain, careful, bold = (drawn(threshold, **WAYS[way]) for threshold in (None, 0.005, 0.05))
    assert bold.usage.asked < careful.usage.asked <= plain.usage.asked
    assert np.abs(pixels(plain) - pixels(careful)).mean() < 0.2


@pytest.mark.parametrize("way", WAYS)
def test_the_forecast_is_at_most(way):
    model = Analytic(family="exploding")
    told = sum(part.calls for part in calls_of(recipe(0.05, **WAYS[way]), model))
    assert told == sum(part.calls for part in calls_of(recipe(None, **WAYS[way]), model))
    assert drawn(0.05, **WAYS[way]).usage.asked < told


@pytest.mark.parametrize("way", WAYS)
def test_a_threshold_of_0_is_off_to_the_last_bit(way):
    plain, off = drawn(None, **WAYS[way]), drawn(0.0, **WAYS[way])
    np.testing.assert_array_equal(plain.image, off.image)
    assert plain.usage.asked == off.usage.asked


def test_a_recipe_without_it_is_the_recipe_it_was():
    assert "reuse" not in Recipe().canonical()
    assert recipe(0.05).digest() != recipe().digest()


def test_a_picture_does_not_depend_on_its_company():
    rows = [recipe(t, seed=s, cfg=c) for t in (None, 0.02, 0.2) for s in (1, 2) for c in (1.0, 5.0)]
    together = draw_all(rows, Analytic(family="exploding"), rows=5)
    for one, company in zip(rows, together, strict=True):
        alone = draw(one, Analytic(family="exploding"))
        assert differ(alone, company) == 0.0
        assert alone.usage.asked == company.usage.asked


def test_prompt_and_negative_prompt_are_asked_together():
    model = Analytic(family="exploding")
    draw(recipe(0.05, negative="grey"), model)
    asked: dict[str, list[float]] = {}
    for sigma, words in model.asked:
        asked.setdefault(words, []).append(sigma)
    assert asked["a cat"] == asked["grey"]


@pytest.mark.parametrize(
    ("settings", "first_change"),
    [
        ({"prompt": "a [cat:horse:10]"}, 10),
        ({"negative": "[grey:green:7]"}, 7),
        ({"control_image": SOURCE, "control_end": 0.5}, 11),
    ],
)
def test_nothing_is_foretold_across_a_change_of_what_is_asked(settings, first_change):
    model = Analytic(family="exploding", controls=("canny",))
    draw(recipe(3.0, reuse_start=0.0, reuse_end=1.0, cfg=2.0, **settings), model)
    plain = Analytic(family="exploding", controls=("canny",))
    draw(recipe(None, cfg=2.0, **settings), plain)
    every = list(dict.fromkeys(sigma for sigma, _ in plain.asked))
    asked = [every.index(sigma) for sigma in dict.fromkeys(sigma for sigma, _ in model.asked)]
    assert asked == [0, 1, 2, first_change, first_change + 1, first_change + 2, 19]


def test_guidance_that_ends_is_a_change_as_well():
    model = Analytic(family="exploding")
    draw(recipe(3.0, reuse_start=0.0, reuse_end=1.0, guidance_low=1.0), model)
    below = [sigma for sigma, _ in model.asked if sigma <= 1.0]
    assert len(below) == 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reuse_start": 0.2}, "reuse_start bounds which steps are foretold, but reuse_threshold is not set"),
        ({"reuse_end": 0.2, "reuse_threshold": 0.0}, "reuse_end bounds which steps are foretold, but reuse_threshold is not"),
        ({"reuse_threshold": 0.1, "sampler": "dpmpp_2m_adaptive"}, "sampler 'dpmpp_2m_adaptive' chooses its steps by what"),
    ],
)
def test_what_cannot_be_is_said(settings, said):
    with pytest.raises(UserError, match=re.escape(said)):
        draw(tiny(**settings), Analytic(family="exploding"))


def test_infotext_carries_it_both_ways():
    said = set_parameters(Recipe(), {"step cache": 0.05, "step_cache_start": 0.2, "reuse_end": 0.9})
    text = to_infotext(said, model_hash="", version="")
    assert "Reuse threshold: 0.05, Reuse from: 0.2, Reuse to: 0.9" in text
    again, left = recipe_from_infotext(text)
    assert (again.sampling, left) == (said.sampling.model_copy(update={"rng": again.sampling.rng}), {})


def test_a_model_of_another_kind_is_no_matter():
    flow = Analytic()
    plain, cached = draw(recipe(None, schedule="flow"), flow), draw(recipe(0.05, schedule="flow"), flow)
    assert cached.usage.asked < plain.usage.asked


@pytest.mark.parametrize("way", ["blended", "pasted"])
def test_a_tiled_pass_that_failed_goes_on_to_the_same_picture(way, tmp_path):
    asked, kept = recipe(0.05, **WAYS[way]), CheckpointFolder(tmp_path)

    def made(model, checkpoints=None):
        (one,) = render(
            [asked], model, clock=itertools.count().__next__, limits=Limits(rows=4), files=FILES.__getitem__,
            upscaler=lambda name: find_upscaler(name).load(1), checkpoints=checkpoints,
        )  # fmt: skip
        return one.image

    whole = Counting(Analytic(family="exploding"))
    wanted = made(whole)
    with pytest.raises(RuntimeError, match="power"):
        made(Counting(Analytic(family="exploding"), fails_after=whole.rows // 2), kept)
    after = Counting(Analytic(family="exploding"))
    np.testing.assert_array_equal(made(after, kept), wanted)
    assert after.rows < 0.8 * whole.rows
