"""From a request to pictures in the store: what is resolved, forecast, drawn once, and written whole."""

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.recipe.plan import plan_of
from aldente.recipe.recipe import Recipe
from aldente.studio.drawing import Order, draw
from aldente.studio.files import file_name, folder, write
from aldente.studio.forecast import count_calls, duration, forecast
from aldente.studio.request import resolve, series


def recipes(bench, *axes):
    base = resolve(bench, {"prompt": "a red apple", "steps": 3, "seed": 1})
    return [cell.recipe for cell in plan_of(base, axes).cells()]


class TestRequest:
    def test_an_unsaid_size_is_the_models_own_and_a_random_seed_is_drawn(self, bench):
        recipe = resolve(bench, {"prompt": "a cat", "seed": "random", "sampler_name": "Euler a"})
        assert (recipe.width, recipe.height, recipe.seed) == (64, 64, 77)
        assert (recipe.sampling.sampler, recipe.sampling.schedule) == ("euler_ancestral", "uniform")

    def test_seeds_count_up(self, bench):
        base = resolve(bench, {"prompt": "a cat", "seed": 5})
        assert [recipe.seed for recipe in series(base, 3)] == [5, 6, 7]
        with pytest.raises(UserError, match="1 or more"):
            series(base, 0)


class TestForecast:
    def test_calls_are_exactly_those_of_the_run_where_nothing_is_shared(self, bench):
        asked = recipes(bench, "cfg=1,2,4", "sampler=Euler,Heun,DPM++ 2M SDE", "seed=1,2", "width=64,80")
        told = forecast(bench, asked)
        model = bench.model("pastina")
        assert told.pictures == 36
        assert told.calls == sum(count_calls(recipe, model) for recipe in asked)
        drawn = list(draw(bench, asked, Order()))
        assert sum(one.record.cost.model_calls for one in drawn) == told.calls
        assert told.seconds > 0
        assert told.peak_bytes > model.info.bytes_fixed

    def test_a_large_picture_takes_memory_of_its_own(self, bench):
        (small, large) = (recipes(bench, "cfg=1", f"upscale_by={by}")[0] for by in (1.5, 16))
        own = {picture: forecast(bench, [picture]).peak_bytes for picture in (small, large)}
        more = 28 * (1024**2 - 96**2)
        assert own[large] - own[small] == more

    def test_what_the_store_has_costs_nothing(self, bench):
        asked = recipes(bench, "cfg=1,2")
        list(draw(bench, asked[:1], Order()))
        told = forecast(bench, [*asked, asked[1]])
        assert (told.pictures, told.stored, told.calls) == (2, 1, 6)
        list(draw(bench, asked, Order()))
        told = forecast(bench, asked)
        assert (told.stored, told.calls, told.seconds, told.peak_bytes) == (2, 0, 0.0, 0)
        assert "2 pictures (2 already in the store), at most 0 model calls" in told.sentence()

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0.04, "0.0 s"), (12.34, "12.3 s"), (60.0, "1 min 00 s"), (59.6, "1 min 00 s"), (7380, "2 h 03 min")],
    )
    def test_durations_are_said_as_people_do(self, seconds, words):
        assert duration(seconds) == words


class TestDrawing:
    def test_each_recipe_is_drawn_once_and_kept_before_it_is_shown(self, bench):
        (recipe, other) = recipes(bench, "cfg=2,4")
        for one in draw(bench, [recipe, other, recipe], Order(plan=None)):
            stored = bench.store.get(one.record.id)
            assert stored.recipe == one.recipe
            assert bench.store.image_bytes(stored) == one.png
        assert len(bench.store.history()) == 2

    def test_stored_ones_come_first_with_the_same_pixels(self, bench):
        (recipe, other) = recipes(bench, "cfg=2,4")
        (first,) = draw(bench, [other], Order())
        again = list(draw(bench, [recipe, other], Order()))
        assert [(one.recipe, one.reused) for one in again] == [(other, True), (recipe, False)]
        np.testing.assert_array_equal(again[0].image, first.image)

    def test_a_failure_is_recorded_and_tried_again(self, bench):
        bad = resolve(bench, {"prompt": "a cat", "steps": 2, "seed": 1, "s_churn": 3.0})
        for _ in range(2):
            (one,) = draw(bench, [bad], Order())
            assert not one.reused
            assert "no option 's_churn'" in one.record.failed
        (kept,) = bench.store.failures()
        assert kept.recipe == bad

    def test_an_interruption_keeps_what_was_shown(self, bench):
        drawing = draw(bench, recipes(bench, "cfg=2,4", "steps=2,8"), Order())
        next(drawing)
        drawing.close()
        assert len(bench.store.history()) == 1


class TestFiles:
    def test_a_name_says_the_prompt_the_seed_and_the_recipe(self):
        recipe = Recipe(prompt="A red/apple: 3d — ../render, " + "very " * 40, seed=42)
        name = file_name(recipe)
        assert name.startswith("a-red-apple-3d-render-very-very")
        assert name.endswith(f"-42-{recipe.digest()[:8]}.png")
        assert len(name) < 90
        assert file_name(Recipe(prompt="🍎 !?", seed=1)).startswith("picture-1-")

    def test_a_file_is_written_whole_and_leaves_nothing_beside_it(self, tmp_path):
        path = tmp_path / "deep" / "one.png"
        assert write(path, b"first") == path
        write(path, "second")
        assert path.read_bytes() == b"second"
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize("place", ["file/one.png", "file/deep/one.png", "x" * 300 + ".png"])
    def test_a_place_that_cannot_be_written_is_told(self, place, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match=r"cannot be written \(.*choose another place"):
            write(tmp_path / place, b"")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_a_folder_is_made_or_told_before_anything_is_drawn(self, tmp_path):
        assert folder(tmp_path / "a" / "b").is_dir()
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="cannot be written"):
            folder(tmp_path / "file")
