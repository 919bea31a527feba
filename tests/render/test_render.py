"""Recipes become pictures: the same picture whatever is around them, every setting heard or refused, failures told."""

import hashlib
import itertools
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from rendering import PICTURE, SPREAD, Analytic, differ, draw, draw_all, made, mean_of, tiny

from aldente.engine.denoise import Query, answer
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.engine.noise import find_rng
from aldente.engine.samplers import samplers
from aldente.render.batching import Limits
from aldente.render.levels import levels_of
from aldente.render.render import NotFiniteError, check_size, latent_of, render
from aldente.studio.forecast import count_calls


class TestSameRecipeSamePicture:
    def test_alone_and_in_any_company_it_has_the_same_bits(self, model, plain):
        others = [
            made(sampler=name, seed=seed) for seed, name in enumerate(["heun", "euler_ancestral", "dpmpp_sde", "dpm_fast"])
        ]
        others += [made("a blue house", width=96), made(steps=3, cfg=1.0), made(rng="nv")]
        for company, limits in (([made(), *others], {"rows": 16}), ([*others, made()], {"rows": 3, "live": 4})):
            together = next(r for r in draw_all(company, model, **limits) if r.recipe == made())
            np.testing.assert_array_equal(together.latent, plain.latent)
            np.testing.assert_array_equal(together.image, plain.image)

    @pytest.mark.parametrize("sampler", [info.name for info in samplers()])
    def test_every_sampler_keeps_its_bits_in_a_batch(self, sampler, model):
        recipes = [made(sampler=sampler, steps=2, sigma_min=2.0, seed=seed) for seed in (3, 4)]
        for recipe, together in zip(recipes, draw_all([*recipes, made(steps=2)], model), strict=False):
            assert together.error is None
            np.testing.assert_array_equal(together.image, draw(recipe, model).image)

    def test_another_process_draws_the_same_bits(self, plain):
        code = (
            "import sys, hashlib, time; from aldente.models import pastina; from aldente.recipe.recipe import Recipe;"
            "from aldente.render.render import render;"
            "recipe = Recipe.model_validate_json(sys.argv[1]);"
            "(made,) = render([recipe], pastina.load(1), clock=time.perf_counter);"
            "print(hashlib.sha256(made.latent.tobytes() + made.image.tobytes()).hexdigest())"
        )
        line = [sys.executable, "-c", code, plain.recipe.model_dump_json()]
        there = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        assert there.strip() == hashlib.sha256(plain.latent.tobytes() + plain.image.tobytes()).hexdigest()

    def test_a_recipe_that_is_given_twice_is_drawn_twice_for_one_price(self, model, plain):
        recipes = [made(), made()]
        first, second = draw_all(recipes, model)
        np.testing.assert_array_equal(first.image, plain.image)
        np.testing.assert_array_equal(second.image, plain.image)
        assert first.usage.evaluated + second.usage.evaluated == pytest.approx(plain.usage.evaluated)

    def test_pictures_are_bytes_of_their_size(self, model):
        image = draw(made(width=96, height=48), model).image
        assert image.shape == (48, 96, 3)
        assert image.dtype == np.uint8
        assert image.std() > 5


class TestPrompts:
    @pytest.mark.parametrize(
        ("prompt", "settings"),
        [
            ("[a red apple:a blue house:0.5], 3d render", {}),
            ("[a red apple|a blue house], 3d render", {}),
            ("a red apple AND a blue house", {}),
            ("a red apple AND a blue house :0.3", {}),
            ("a (red:1.6) apple, 3d render", {}),
            ("a ((red)) apple, 3d render", {}),
            ("a red apple, 3d render", {"negative": "blurry, grey"}),
        ],
    )
    def test_its_grammar_changes_the_picture(self, prompt, settings, model, plain):
        changed = draw(made(prompt, **settings), model)
        assert differ(changed, plain) > 0.05
        assert changed.image.std() > 5

    def test_words_change_at_their_step(self):
        model = Analytic()
        recipe = tiny(prompt="[cat:horse:0.5]", steps=4, cfg=1.0, sampler="euler", schedule="uniform")
        draw(recipe, model)
        assert [words for _, words in model.asked] == ["cat", "cat", "horse", "horse"]

    def test_words_take_turns_at_every_step(self):
        model = Analytic()
        draw(tiny(prompt="[cat|horse]", steps=4, cfg=1.0, sampler="euler"), model)
        assert [words for _, words in model.asked] == ["cat", "horse", "cat", "horse"]

    def test_words_change_along_the_schedule_also_where_the_sampler_chooses_its_levels(self):
        model = Analytic(family="exploding")
        recipe = tiny(prompt="[cat:horse:0.5]", steps=12, cfg=1.0, sampler="dpm_fast", schedule="exponential")
        draw(recipe, model)
        change = levels_of(recipe.sampling, model.info)[6].sigma
        assert {words for sigma, words in model.asked if sigma > change} == {"cat"}
        assert {words for sigma, words in model.asked if sigma <= change} == {"horse"}
        assert Counter(words for _, words in model.asked)["horse"] > 3

    def test_composed_prompts_ask_for_each_part_and_the_negative(self):
        model = Analytic()
        draw(tiny(prompt="a cat AND a large horse", negative="grey", steps=1), model)
        assert sorted(words for _, words in model.asked) == ["a cat", "a large horse", "grey"]

    def test_a_lora_that_is_not_there_or_cannot_be_taken_is_refused_by_name(self, model):
        with pytest.raises(UserError, match="lora 'glow' is not known"):
            draw(made("an apple <lora:glow:0.8>"), model)
        with pytest.raises(UserError, match=r"LoRA 'glow', but model 'pastina' takes none; remove it"):
            draw(tiny(prompt="an apple <lora:glow:0.8>", steps=1), Analytic())

    def test_a_negative_prompt_is_one_text_whatever_its_words(self):
        model = Analytic()
        draw(tiny(prompt="a cat", negative="blurry AND grey", steps=1), model)
        assert sorted(words for _, words in model.asked) == ["a cat", "blurry AND grey"]


class TestGuidance:
    def test_no_guidance_is_one_call_a_step(self, model):
        assert draw(made(cfg=1.0), model).usage.asked == 5
        assert draw(made(cfg=5.0), model).usage.asked == 10

    def test_outside_its_interval_half_the_calls_are_saved(self, model, plain):
        levels = levels_of(made().sampling, model.info)
        low, high = levels[4].sigma, levels[1].sigma
        bounded = draw(made(guidance_low=low, guidance_high=high), model)
        # Guided where low < sigma <= high: at levels 1, 2 and 3.
        assert bounded.usage.asked == 5 + 3
        assert differ(bounded, plain) > 0.05
        assert draw(made(guidance_low=0.0), model).usage.asked == 10


class TestNoise:
    def test_our_own_noise_keeps_the_picture_when_steps_are_added(self, model):
        few, more, other = (draw(made(sampler="euler_ancestral", cfg=1.0, **s), model) for s in (
            {"steps": 24}, {"steps": 30}, {"steps": 30, "seed": 12}))  # fmt: skip
        assert np.abs(few.latent - more.latent).mean() < 0.6 * np.abs(other.latent - more.latent).mean()

    @pytest.mark.parametrize("rng", ["nv", "cpu"])
    def test_the_streams_of_other_programs_start_their_pictures(self, rng):
        model, recipe = Analytic(family="exploding"), tiny(rng=rng, cfg=1.0, sampler="euler", seed=2**32 + 42)
        asked: list[Query] = []

        def remember(query: Query):
            asked.append(query)
            return model.estimate(query.x, [query.level], [query.condition])

        answer(latent_of(recipe, model), remember)
        unit = find_rng(rng).stream(2**32 + 42)((2, 2, 2))
        np.testing.assert_array_equal(asked[0].x[0], (unit * np.float32(20.0)).astype(np.float32))

    def test_a_variation_leads_from_one_seed_to_the_other(self):
        model = Analytic()
        low, high = (draw(tiny(seed=seed), model).latent for seed in (1, 2))
        at = [draw(tiny(seed=1, variation_seed=2, variation_strength=s), model).latent for s in (0.0, 0.4, 1.0)]
        np.testing.assert_array_equal(at[0], low)
        np.testing.assert_array_equal(at[2], high)
        assert np.abs(at[1] - low).max() > 1e-3
        assert np.abs(at[1] - high).max() > 1e-3


class TestFailures:
    @pytest.mark.parametrize(
        ("width", "height", "words"),
        [(72, 64, "width is 72.*multiples of 16"), (64, 256, "height is 256.*from 48 to 128.*64x64")],
    )
    def test_a_size_that_the_model_cannot_draw_is_told_with_its_native_one(self, width, height, words, model):
        with pytest.raises(UserError, match=words):
            check_size(made(width=width, height=height), model.info)
        with pytest.raises(UserError, match=words):
            draw(made(width=width, height=height), model)

    def test_a_run_that_leaves_the_numbers_is_a_failure_of_its_own(self):
        model = Analytic(broken_below=0.3)
        good = tiny(sampler="euler", steps=1)
        broken, fine = draw_all([tiny(sampler="euler", steps=6), good], model)
        assert isinstance(broken.error, NotFiniteError)
        assert "lower the CFG scale" in str(broken.error)
        assert broken.image is None
        assert broken.latent is None
        assert fine.error is None
        assert fine.image is not None

    def test_one_failure_stops_no_other(self, model, plain):
        bad, good = draw_all([made(s_churn=1.0), made()], model)
        assert isinstance(bad.error, UserError)
        assert bad.usage.asked == 0
        np.testing.assert_array_equal(good.image, plain.image)

    def test_what_is_begun_first_ends_first_so_that_a_stopped_run_has_pictures(self):
        model, ticks = Analytic(), []
        recipes = [tiny(seed=seed, cfg=1.0) for seed in range(20)]
        finished = [r.recipe.seed for r in render(recipes, model, clock=itertools.count().__next__, watch=ticks.append)]
        assert finished == list(range(20))
        assert all(tick.batch == model.info.rows for tick in ticks)
        halfway = ticks[len(ticks) // 2]
        assert halfway.finished == 8
        assert max(tick.live for tick in ticks) == model.info.rows

    def test_cancelling_ends_before_the_next_call(self, model):
        calls = []
        made_of = render(
            [made(seed=s) for s in range(4)], model, clock=itertools.count().__next__, limits=Limits(rows=2, live=1),
            watch=calls.append, cancelled=lambda: len(calls) == 7,
        )  # fmt: skip
        assert [r.recipe.seed for r in made_of] == [0]
        assert len(calls) == 7


class TestFlow:
    @pytest.mark.parametrize("sampler", [info.name for info in samplers()])
    @pytest.mark.parametrize("schedule", ["flow", "karras"])
    def test_every_sampler_finds_the_picture_of_a_flow_model(self, sampler, schedule):
        found = draw(tiny(sampler=sampler, schedule=schedule, steps=12, cfg=1.0), Analytic())
        assert found.latent.dtype == np.float32
        assert np.isfinite(found.latent).all()
        assert np.abs(found.latent - PICTURE).max() < 5 * SPREAD

    def test_its_levels_run_from_all_noise_to_none(self):
        levels = levels_of(tiny(schedule="flow", shift=3.0, steps=4).sampling, Analytic().info)
        assert levels[0] == Level(0.0, 1.0)
        assert levels[-1] == Level(1.0, 0.0)
        np.testing.assert_allclose([level.sigma for level in levels], [1.0, 0.9, 0.75, 0.5, 0.0])

    def test_many_steps_come_to_the_exact_solution(self):
        model = Analytic()
        recipe = tiny(sampler="dpmpp_2m", schedule="flow", steps=200, cfg=1.0)
        asked: list[Query] = []

        def remember(query: Query):
            asked.append(query)
            return model.estimate(query.x, [query.level], [query.condition])

        found = answer(latent_of(recipe, model), remember)
        # Along a flow, (x - alpha mean) / sqrt(alpha^2 spread^2 + sigma^2) stays what it is.
        np.testing.assert_allclose(found, mean_of("a cat", (2, 2, 2)) + SPREAD * asked[0].x, atol=2e-3)


class TestForecast:
    @pytest.mark.parametrize("info", [s for s in samplers() if "rtol" not in s.options], ids=lambda s: s.name)
    def test_the_calls_that_are_counted_are_those_that_are_asked(self, info):
        asked = ({"cfg": 1.0, "steps": 1}, {"cfg": 1.0}, {}, {"guidance_low": 0.3}, {"prompt": "a cat AND a horse"})
        for family, settings in itertools.product(("exploding", "flow"), asked):
            model = Analytic(family=family)
            recipe = tiny(sampler=info.name, **settings)
            assert count_calls(recipe, model) == draw(recipe, model).usage.asked

    def test_a_recipe_that_cannot_be_drawn_counts_nothing(self):
        assert count_calls(tiny(s_churn=1.0), Analytic()) == 0
