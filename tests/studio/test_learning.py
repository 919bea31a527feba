"""A lesson on a model known in closed form: measured for real, kept, taken up again, and used as a preset."""

import dataclasses
import itertools

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.models.port import ModelInfo, Runtime
from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.render.render import render
from aldente.store import open_store
from aldente.studio.learning import learn_schedule, split_prompts
from aldente.studio.library import staleness
from aldente.studio.presets import known_presets
from aldente.studio.request import resolve
from aldente.studio.teaching import school_of
from aldente.studio.workbench import Workbench
from aldente.tuning.learning.lesson import Lesson, recipe_for, teacher_for
from aldente.tuning.learning.search import Ask

CENTRES = np.random.default_rng(3).normal(size=(6, 8))
DEVIATION = 0.4


class Mixture:
    """Six Gaussians in eight dimensions; a prompt means two of them, no prompt all. It counts the rows it is asked for."""

    info = ModelInfo(
        name="mixture", title="mixture", fingerprint="b" * 64, family="exploding", prediction="x0", latent_channels=8,
        latent_scale=8, sigma_min=0.03, sigma_max=15.0, sigmas=tuple(np.geomspace(0.03, 15.0, 100)), native=((8, 8),),
        size_multiple=8, size_min=8, size_max=8, rows=64, bytes_fixed=0, bytes_per_row=1, prompt_tokens=77,
    )  # fmt: skip
    runtime = Runtime(name="numpy", version=np.__version__, device="cpu", dtype="float64")

    def __init__(self):
        self.rows = 0

    def encode(self, text):
        words = "".join(part for part, _ in text)
        first = len(words) + sum(words.encode())
        return (first % 6, (first // 6) % 6) if words else tuple(range(6))

    def estimate(self, x, levels, conditions):
        self.rows += len(x)
        found = []
        for row, level, meant in zip(x, levels, conditions, strict=True):
            flat, spread = row.ravel().astype(np.float64), DEVIATION**2 + level.sigma**2
            away = flat - CENTRES[list(meant)]
            share = np.exp(-0.5 * ((away**2).sum(1) - (away**2).sum(1).min()) / spread)
            found.append(flat + (DEVIATION**2 / spread - 1.0) * ((share / share.sum()) @ away))
        return np.stack(found).reshape(x.shape).astype(x.dtype)

    def decode(self, latent):
        return [np.clip(128 + 50 * np.tile(one[:3, 0], (8, 8, 1)), 0, 255).astype(np.uint8) for one in latent]


@pytest.fixture
def model():
    return Mixture()


@pytest.fixture
def bench(tmp_path, model):
    with open_store(str(tmp_path / "store.db")) as store:
        yield Workbench(store=store, load=lambda name: model, clock=itertools.count().__next__)


def lesson(steps=6, **changed):
    sampling = Sampling(sampler="dpmpp_2m", steps=steps, guidance=Guidance(scale=3.0))
    base = Recipe(model="mixture", width=8, height=8, seed=5, sampling=sampling)
    taught, others = tuple(f"a {'b' * i}" for i in range(6)), tuple(f"c {'d' * i}" for i in range(6))
    facts = {"base": base, "prompts": taught, "held_out_prompts": others, "teacher_steps": 40, "starts": 1}
    return Lesson(**(facts | changed))


def taught(bench, about, name="mine"):
    return learn_schedule(bench, about, preset_name=name, listen=lambda what: None)


def test_a_lesson_beats_karras_on_prompts_it_has_not_seen(bench):
    result = taught(bench, lesson()).result
    karras = next(rival for rival in result.rivals if rival.name == "karras")
    assert result.loss < 0.7 * karras.loss
    assert karras.beaten
    assert result.training_loss < min(start.loss for start in result.starts)


def test_a_lesson_that_is_taken_up_again_asks_for_nothing(bench, model):
    first = taught(bench, lesson())
    rows, model.rows = model.rows, 0
    second = taught(bench, lesson())
    assert rows > 0
    assert model.rows == second.asked == 0
    assert second.result == first.result
    assert bench.store.study(first.id).kind == "learn-schedule"
    assert bench.store.study(first.id).state == "finished"


def test_a_lesson_that_was_stopped_goes_on_to_the_same_result(tmp_path, bench, model):
    whole = taught(bench, lesson()).result
    asked = model.rows

    class Stopped(Mixture):
        def estimate(self, x, levels, conditions):
            if self.rows > 0.6 * asked:
                raise KeyboardInterrupt
            return super().estimate(x, levels, conditions)

    with open_store(str(tmp_path / "other.db")) as store:
        broken = Workbench(store=store, load=lambda name: Stopped(), clock=itertools.count().__next__)
        with pytest.raises(KeyboardInterrupt):
            taught(broken, lesson())
        after = Mixture()
        going_on = dataclasses.replace(broken, load=lambda name: after, _loaded={})
        assert taught(going_on, lesson()).result == whole
        assert after.rows < 0.6 * asked


def test_teachers_are_shared_by_all_lessons(bench, model):
    taught(bench, lesson())
    model.rows = 0
    about = lesson(steps=5)
    school_of(bench, about).measure(Ask(((15.0, 4.0, 1.0, 0.3, 0.1),), "lengths"), about.held_out_prompts, "dpmpp_2m")
    # Six prompts, five steps, twice for guidance; the first evaluation is in no other run.
    assert model.rows == 6 * 5 * 2


def test_what_is_measured_is_the_distance_to_the_converged_latent(bench, model):
    about = lesson()
    school = school_of(bench, about)
    schedules = ((15.0, 4.0, 1.0, 0.3), (15.0, 6.0, 2.0, 0.1))
    lengths = school.measure(Ask(schedules, "lengths"), about.prompts, "euler")
    overlaps = school.measure(Ask(schedules, "overlaps"), about.prompts, "euler")
    np.testing.assert_allclose(np.sqrt(np.diagonal(overlaps, axis1=1, axis2=2)), lengths, rtol=1e-9)
    recipes = [recipe_for(about, about.prompts[2], sigmas, "euler") for sigmas in schedules]
    recipes.append(teacher_for(about, about.prompts[2]))
    drawn = {r.recipe.digest(): r.latent.astype(np.float64) for r in render(recipes, model, clock=bench.clock)}
    *runs, end = (drawn[recipe.digest()] for recipe in recipes)
    errors = [(run - end).ravel() for run in runs]
    assert lengths[2] == pytest.approx([np.sqrt((error**2).mean()) for error in errors], rel=1e-6)
    assert overlaps[2, 0, 1] == pytest.approx((errors[0] * errors[1]).mean(), rel=1e-6)


def test_the_path_starts_at_the_top_and_falls(bench, model):
    about = lesson()
    path = school_of(bench, about).shortest(about.prompts)
    assert len(path) == 6
    assert path[0] == 15.0
    assert np.all(np.diff(path) < 0)
    model.rows = 0
    assert len(school_of(bench, lesson(steps=9)).shortest(about.prompts)) == 9
    assert model.rows == 0
    heun = about.base.sampling.model_copy(update={"sampler": "heun"})
    assert school_of(bench, lesson(base=about.base.model_copy(update={"sampling": heun}))).shortest(about.prompts) is None


def test_an_accepted_schedule_is_a_preset_that_draws_along_it(bench, model):
    many = lesson(held_out_prompts=tuple(f"e {'f' * i}" for i in range(24)), prompts=tuple(f"a {'b' * i}" for i in range(12)))
    run = taught(bench, many, name="fewer steps")
    assert run.result.accepted
    preset = known_presets(bench.store)["fewer steps"]
    assert preset == run.preset
    assert preset.study == run.id
    assert preset.model == model.info.fingerprint
    assert preset.cost == {"calls": 12.0}
    assert staleness(preset, model) == ()
    recipe = resolve(bench, {"model": "mixture", "prompt": "a bb"}, preset="fewer steps")
    assert recipe.sampling.schedule == "custom"
    assert recipe.sampling.steps == 6
    assert recipe.sampling.sigmas == ",".join(f"{sigma:g}" for sigma in run.result.sigmas)
    (drawn,) = render([recipe], model, clock=bench.clock)
    assert drawn.error is None


def test_a_schedule_that_is_not_accepted_is_no_preset(bench):
    run = taught(bench, lesson(held_out_prompts=("g h", "i jj")), name="unproven")
    assert not run.result.accepted
    assert run.preset is None
    assert "unproven" not in known_presets(bench.store)


def test_too_few_prompts_cannot_be_split():
    assert split_prompts(tuple("abcdef")) == (("a", "c", "e"), ("b", "d", "f"))
    with pytest.raises(UserError, match="5 prompts are too few to learn from some and judge by others; give 6 or more"):
        split_prompts(tuple("abcde"))
