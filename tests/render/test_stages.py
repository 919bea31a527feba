"""Pictures are begun with, extended, redrawn under masks, resized and refined; what is kept is kept to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendering import Analytic, draw, draw_all, hole, kept, made, picture, small

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.recipe.stages import Extend, Redraw, Refine, Resize, Source
from aldente.render.fitting import Size, fitted
from aldente.render.masks import blurred, filled

SOURCE = kept(picture())
MASK = kept(hole())
KEPT_BY_MASK = ~np.pad(np.ones((22, 22), dtype=bool), 5)
"""What lies farther from the hole than its blur of 1 px reaches."""


def loop(*stages, **settings) -> Recipe:
    return small(**settings).model_copy(update={"stages": stages})


@pytest.fixture
def analytic():
    return Analytic(family="exploding")


class TestSource:
    def test_a_source_at_its_own_size_is_itself(self, analytic):
        rendered = draw(small(image=SOURCE), analytic)
        np.testing.assert_array_equal(rendered.image, picture())
        assert rendered.latent is None
        assert rendered.usage.asked == 0

    @pytest.mark.parametrize("fit", ["stretch", "crop", "fill"])
    @pytest.mark.parametrize("size", [(48, 32), (16, 64), (31, 33)])
    def test_every_fit_gives_the_size(self, fit, size, analytic):
        rendered = draw(small(image=kept(picture(*size)), fit=fit), analytic)
        assert rendered.image.shape == (32, 32, 3)

    def test_crop_keeps_the_middle_and_fill_the_whole(self):
        wide = np.zeros((10, 30, 3), np.uint8)
        wide[:, 10:20] = 200
        assert fitted(wide, Size(10, 10), "crop").min() == 200
        whole = fitted(wide, Size(30, 30), "fill")
        np.testing.assert_array_equal(whole[10:20], wide)
        np.testing.assert_array_equal(whole[0], wide[0])

    def test_no_picture_and_no_such_picture_are_told(self, analytic):
        with pytest.raises(UserError, match="image is not given, so there is nothing to start from"):
            draw(loop(Source()), analytic)


class TestRedraw:
    @pytest.mark.parametrize("rule", ["sigma", "a1111", "a1111_exact", "comfyui", "diffusers"])
    def test_no_strength_leaves_the_picture_by_every_rule(self, rule, analytic):
        stage = Redraw(strength=0.0)
        rendered = draw(loop(Source(image=SOURCE), stage, Refine(strength=0.0)), analytic)
        np.testing.assert_array_equal(rendered.image, picture())
        assert rendered.usage.asked == 0
        with pytest.raises(UserError, match=r"rule|steps"):
            draw(loop(Source(image=SOURCE), stage.model_copy(update={"steps": 7})), analytic)

    def test_more_strength_leads_farther_from_the_picture(self):
        # The mean under no words is flat: all that differs from the source was drawn.
        redrawn = draw_all([small("", image=SOURCE, denoise=s, cfg=1.0, steps=20) for s in (0.05, 0.4, 0.9)], Analytic())
        away = [float(np.abs(rendered.image - 1.0 * picture()).mean()) for rendered in redrawn]
        assert away[0] < away[1] < away[2]

    def test_several_redraws_are_a_loop_that_ends_the_same_every_time(self, analytic):
        stages = (Source(image=SOURCE), Redraw(strength=0.4), Redraw(strength=0.4), Redraw(strength=0.4))
        first, second = draw(loop(*stages), analytic), draw(loop(*stages), analytic)
        np.testing.assert_array_equal(first.image, second.image)
        once = draw(loop(*stages[:2]), analytic)
        assert np.abs(first.latent - once.latent).max() > 1e-3

    @pytest.mark.parametrize("rng", ["aldente", "nv", "cpu"])
    def test_each_pass_has_noise_of_its_own(self, rng):
        flat = kept(np.full((32, 32, 3), 96, np.uint8))
        stage = Redraw(strength=1.0)
        model = Analytic(family="exploding")
        draw(loop(Source(image=flat), stage, stage, rng=rng, cfg=1.0, steps=1, sampler="euler"), model)
        first, second = model.seen
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.6

    @pytest.mark.parametrize("content", ["fill", "original", "latent_noise", "latent_nothing"])
    @pytest.mark.parametrize("method", ["auto", "latent"])
    @pytest.mark.parametrize("inpaints", [False, True])
    @pytest.mark.parametrize("area", ["whole", "only_masked"])
    def test_what_a_mask_keeps_is_the_very_same(self, content, method, inpaints, area):
        model = Analytic(family="exploding", inpaints=inpaints)
        masked = {"mask": MASK, "mask_blur": 1, "masked_content": content, "inpaint_method": method, "inpaint_area": area}
        rendered = draw(small(image=SOURCE, denoise=1.0, **masked), model)
        np.testing.assert_array_equal(rendered.image[KEPT_BY_MASK], picture()[KEPT_BY_MASK])
        assert np.abs(rendered.image[8:24, 8:24].astype(int) - picture()[8:24, 8:24]).mean() > 1
        assert any(model.hints[-1]) is (inpaints and method == "auto")

    def test_an_inverted_mask_keeps_the_other_part(self, analytic):
        rendered = draw(small(image=SOURCE, mask=MASK, mask_invert=True, mask_blur=0), analytic)
        np.testing.assert_array_equal(rendered.image[8:24, 8:24], picture()[8:24, 8:24])
        assert np.abs(rendered.image[:8].astype(int) - picture()[:8]).mean() > 1

    def test_a_mask_of_any_size_is_brought_to_the_picture(self, analytic):
        large = kept(hole(128, 128, (32, 32, 96, 96)))
        one, other = (draw(small(image=SOURCE, mask=mask, mask_blur=0), analytic).image for mask in (MASK, large))
        np.testing.assert_array_equal(one, other)

    def test_an_empty_mask_and_a_method_that_the_model_has_not_are_told(self, analytic):
        with pytest.raises(UserError, match="nothing white"):
            draw(small(image=SOURCE, mask=kept(np.zeros((8, 8, 3), np.uint8))), analytic)
        with pytest.raises(UserError, match="inpaint_method is 'model', but model 'analytic' was not trained"):
            draw(small(image=SOURCE, mask=MASK, inpaint_method="model"), analytic)

    def test_only_what_is_masked_is_drawn_at_full_size(self):
        model = Analytic(family="exploding")
        big = kept(picture(256, 256))
        stages = (Source(image=big), Resize(width=256, height=256),
                  Redraw(mask=kept(hole(256, 256, (60, 60, 70, 70))), area="only_masked", padding=4, mask_blur=1))  # fmt: skip
        rendered = draw(loop(*stages), model)
        assert rendered.image.shape == (256, 256, 3)
        outside = np.ones((256, 256), dtype=bool)
        outside[54:76, 54:76] = False
        expected = draw(loop(*stages[:2]), model).image
        np.testing.assert_array_equal(rendered.image[outside], expected[outside])
        assert {len(x) for x in model.seen} == {2 * 4 * 4}


class TestMasks:
    def test_a_blur_is_a_gaussian_that_ends(self):
        point = np.zeros((41, 41), np.uint8)
        point[:, 20:] = 255
        soft = blurred(point, 4)
        assert soft[20, 9] == 0
        assert soft[20, 19] == pytest.approx(255 * 0.45, abs=3)
        assert blurred(point, 0) is point

    def test_a_hole_is_filled_from_around_it_and_nothing_else_is_touched(self):
        image = np.zeros((32, 32, 3), np.uint8)
        image[:, :16], image[:, 16:] = (200, 0, 0), (0, 0, 200)
        image[8:24, 8:24] = 255
        full = filled(image, hole()[..., 0])
        assert full[16, 9, 0] > 120
        assert full[16, 22, 2] > 120
        assert full[8:24, 8:24, 1].max() < 20
        np.testing.assert_array_equal(full[:8], image[:8])


class TestExtend:
    @pytest.mark.parametrize("content", ["original", "fill", "latent_noise"])
    def test_the_old_picture_stays_beyond_the_blur(self, content, analytic):
        stages = (Source(image=SOURCE), Extend(left=16, bottom=8, blur=3), Redraw(strength=1.0, content=content))
        rendered = draw(loop(*stages), analytic)
        assert rendered.image.shape == (40, 48, 3)
        np.testing.assert_array_equal(rendered.image[:29, 19:], picture()[:29, 3:])
        plain = draw(loop(stages[0], Extend(left=16, bottom=8)), analytic).image
        assert np.abs(rendered.image[:, :16].astype(int) - plain[:, :16]).mean() > 1

    def test_alone_it_continues_the_edge_ever_more_softly(self, analytic):
        plain = draw(loop(Source(image=SOURCE), Extend(right=32)), analytic).image
        np.testing.assert_array_equal(plain[:, :32], picture())
        steps = np.abs(np.diff(plain[:, 32:].astype(float), axis=0)).mean(axis=(0, 2))
        assert steps[-1] < 0.5 * steps[0]

    def test_a_size_that_the_model_cannot_draw_is_told_with_where_it_comes_from(self, analytic):
        with pytest.raises(UserError, match=r"width is 37 where 'redraw' draws \(37x32, after what resizes or extends"):
            draw(loop(Source(image=SOURCE), Extend(left=5), Redraw()), analytic)
        assert draw(loop(Source(image=SOURCE), Extend(left=5)), analytic).image.shape == (32, 37, 3)

    def test_a_refinement_fills_it_too_and_a_second_pass_draws_everywhere(self, analytic):
        stages = (Source(image=SOURCE), Extend(left=8, blur=0), Refine(strength=0.9))
        rendered = draw(loop(*stages), analytic)
        np.testing.assert_array_equal(rendered.image[:, 8:], picture())
        assert draw(loop(*stages, Refine(strength=0.9)), analytic).latent is not None


class TestResize:
    @pytest.mark.parametrize(
        ("stage", "size"),
        [
            (Resize(), (64, 64)), (Resize(scale=1.5), (48, 48)), (Resize(width=40), (40, 40)),
            (Resize(width=48, height=24), (48, 24)), (Resize(scale=1.3), (42, 42)), (Resize(scale=0.5), (16, 16)),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("upscaler", ["lanczos", "nearest"])
    def test_pixels_come_to_the_size(self, stage, size, upscaler, analytic):
        rendered = draw(loop(Source(image=SOURCE), stage.model_copy(update={"upscaler": upscaler})), analytic)
        assert rendered.image.shape == (size[1], size[0], 3)

    def test_a_scale_is_rounded_to_what_the_model_draws_where_it_draws(self, analytic):
        stages = (Source(image=SOURCE), Resize(scale=1.3), Refine())
        assert draw(loop(*stages), analytic).image.shape == (40, 40, 3)

    def test_latents_stay_latents_for_the_next_pass(self):
        model = Analytic(family="exploding")
        latent = small(upscale_by=2.0, upscaler="Latent (bicubic)", hires_denoise=0.5)
        draw(latent, model)
        assert model.decoded == 1
        pixels = small(upscale_by=2.0, upscaler="lanczos", hires_denoise=0.5)
        draw(pixels, model)
        assert model.decoded == 3

    def test_an_upscaler_that_is_not_known_is_told(self, analytic):
        with pytest.raises(UserError, match="upscaler 'lancsoz' is not known; did you mean 'lanczos'"):
            draw(small(upscaler="lancsoz"), analytic)


class TestRefine:
    def test_it_draws_with_sampling_and_words_of_its_own(self):
        model = Analytic(family="exploding")
        recipe = small(
            "a cat", negative="grey", steps=3, eta=0.7, sampler="euler_ancestral", hires_denoise=1.0, hires_steps=4,
            hires_sampler="dpmpp_2m", hires_schedule="exponential", hires_cfg=1.0, hires_prompt="a horse",
        )  # fmt: skip
        rendered = draw(recipe, model)
        assert [stage.asked for stage in rendered.stages] == [6, 4, 0]
        assert {words for _, words in model.asked[:6]} == {"a cat", "grey"}
        assert {words for _, words in model.asked[6:]} == {"a horse"}

    def test_its_noise_is_not_the_bases(self):
        model = Analytic(family="exploding")
        draw(small("", hires_denoise=1.0, steps=1, cfg=1.0, sampler="euler"), model)
        first, second = model.seen
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.6


class TestSeeds:
    def test_a_seed_carried_over_keeps_the_middle_of_the_noise(self):
        for rng in ("aldente", "nv"):
            model = Analytic(family="exploding")
            draw(small(steps=1, cfg=1.0, rng=rng, seed=4), model)
            draw(small(width=64, height=48, seed_width=32, seed_height=32, steps=1, cfg=1.0, rng=rng, seed=4), model)
            inner, outer = model.seen[0].reshape(2, 4, 4), model.seen[1].reshape(2, 6, 8)
            np.testing.assert_array_equal(outer[:, 1:5, 2:6], inner)
            around = np.delete(outer[:, 1:5], slice(2, 6), axis=2)
            assert not np.isin(around, inner).any() or rng == "nv"

    def test_a_variation_leans_the_noise_of_a_picture_that_is_there(self, analytic):
        plain, leaning = (
            draw(small(image=SOURCE, denoise=0.8, **more), analytic).latent
            for more in ({}, {"variation_seed": 3, "variation_strength": 0.2})
        )
        assert np.abs(plain - leaning).max() > 1e-3


STAGES = st.lists(
    st.one_of(
        st.builds(Redraw, strength=st.sampled_from([0.0, 0.3, 0.8])),
        st.builds(Redraw, strength=st.just(0.7), mask=st.just(MASK), area=st.sampled_from(["whole", "only_masked"])),
        st.builds(Resize, width=st.sampled_from([32, 48]), height=st.just(32), upscaler=st.sampled_from(["latent", "lanczos"])),
        st.builds(Refine, strength=st.sampled_from([0.25, 1.0]), steps=st.integers(1, 3)),
        st.builds(Extend, left=st.just(8), blur=st.just(8)),
    ),
    max_size=3,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STAGES, min_size=2, max_size=5), st.integers(1, 5))
def test_any_stages_give_the_same_alone_and_in_any_company(lists, rows):
    recipes = [loop(Source(image=SOURCE), *stages, seed=seed % 2) for seed, stages in enumerate(lists)]
    model = Analytic(family="exploding", size_max=128)
    together = draw_all(recipes, model, rows=rows, live=2)
    for recipe, rendered in zip(recipes, together, strict=True):
        try:
            alone = draw(recipe, model)
        except UserError as error:
            assert str(rendered.error) == str(error)  # noqa: PT017
            continue
        np.testing.assert_array_equal(rendered.image, alone.image)
        assert [stage.asked for stage in rendered.stages] == [stage.asked for stage in alone.stages]


class TestPastina:
    def test_it_redraws_what_it_drew(self, model, plain):
        source = kept(plain.image)
        rows = draw_all([made(image=source, denoise=s) for s in (0.2, 1.0)], model)
        away = [float(np.abs(r.image.astype(int) - plain.image).mean()) for r in rows]
        assert away[0] < away[1]
        mask = kept(hole(64, 64, (16, 16, 48, 48)))
        filled_in = draw(made("a blue house", image=source, mask=mask, denoise=0.9, mask_blur=2), model).image
        np.testing.assert_array_equal(filled_in[:8], plain.image[:8])
        assert np.abs(filled_in[20:44, 20:44].astype(int) - plain.image[20:44, 20:44]).mean() > 10

    def test_the_second_pass_of_hires_fix_is_larger(self, model):
        rendered = draw(made(upscale_by=1.5, upscaler="latent", hires_denoise=0.5), model)
        assert rendered.image.shape == (96, 96, 3)
        assert [(stage.stage, stage.asked) for stage in rendered.stages] == [
            ("base", 10), ("resize", 0), ("refine", 6), ("decode", 0)
        ]  # fmt: skip
