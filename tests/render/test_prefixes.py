"""What the first stages of recipes give is made once, whoever needs it, and told as it was."""

import numpy as np
import pytest
from rendering import Analytic, draw, draw_all, kept, picture, small, tiny

from aldente.models.upscaling.table import upscalers
from aldente.render.cache import Kept, PrefixCache
from aldente.render.scene import Canvas

NAMES = [entry.name for entry in upscalers() if entry.factor is None][:10]


def sweep():
    return [small(upscaler=name, cfg=1.0, steps=6) for name in NAMES]


@pytest.mark.parametrize("limits", [{}, {"live": 1}, {"live": 3, "shared_bytes": 0}, {"rows": 1, "live": 2}])
def test_ten_upscalers_after_one_base_cost_one_base(limits):
    model = Analytic()
    assert len(NAMES) == 10
    rendered = draw_all(sweep(), model, **limits)
    assert all(r.error is None for r in rendered)
    alone = Analytic()
    draw(sweep()[0], alone)
    assert alone.rows == 6
    assert model.rows <= 6 * limits.get("live", 1) if limits.get("shared_bytes") == 0 else model.rows == 6
    assert [r.usage.asked for r in rendered] == [6] * 10
    assert sum(r.usage.evaluated for r in rendered) == pytest.approx(model.rows)


def test_a_shared_base_is_decoded_once():
    model = Analytic()
    pixel = [name for name in NAMES if not name.startswith("latent")]
    draw_all([small(upscaler=name, cfg=1.0) for name in pixel], model)
    assert model.decoded == 1


def test_what_is_kept_from_one_run_to_the_next_costs_nothing_and_gives_the_same_bits():
    recipe = small(upscale_by=2.0, upscaler="latent", hires_denoise=0.6)
    cache, model = PrefixCache(1 << 20), Analytic()
    fresh = draw(recipe, Analytic())
    draw(recipe.up_to(2), model, cache=cache)
    before = model.rows
    resumed = draw(recipe, model, cache=cache)
    np.testing.assert_array_equal(resumed.latent, fresh.latent)
    np.testing.assert_array_equal(resumed.image, fresh.image)
    assert [s.asked for s in resumed.stages] == [s.asked for s in fresh.stages]
    assert resumed.usage.evaluated == model.rows - before == fresh.stages[2].asked
    assert resumed.stages[0].seconds == 0.0


def test_another_model_finds_nothing_of_it():
    cache = PrefixCache(1 << 20)
    draw(tiny(), Analytic(), cache=cache)
    other = Analytic()
    object.__setattr__(other.info, "fingerprint", "b" * 64)
    draw(tiny(), other, cache=cache)
    assert other.rows == 10


def test_it_stays_within_its_bytes_and_keeps_what_was_used_last():
    def canvas(seed):
        return Kept(Canvas(pixels=picture(10, 10, seed)), (seed,))

    cache = PrefixCache(700)
    cache.put("a", canvas(1))
    cache.put("b", canvas(2))
    assert cache.get("a").asked == (1,)
    cache.put("c", canvas(3))
    assert cache.get("b") is None
    assert cache.get("a").asked == (1,)
    cache.put("d", Kept(Canvas(pixels=picture(100, 100)), (4,)))
    assert [cache.get(key) for key in "abcd"] == [None] * 4


def test_the_cost_is_told_by_stage():
    rendered = draw(small(image=kept(picture()), denoise=0.6, steps=5, upscaler="lanczos", hires_denoise=0.4), Analytic())
    assert [(s.stage, s.asked, s.evaluated) for s in rendered.stages] == [
        ("source", 0, 0.0), ("redraw", 6, 6.0), ("resize", 0, 0.0), ("refine", 4, 4.0), ("decode", 0, 0.0)
    ]  # fmt: skip
    assert rendered.usage.seconds == pytest.approx(sum(s.model_seconds for s in rendered.stages))
    assert all(s.own_seconds > 0 for s in rendered.stages)
