"""The protocol of a lesson against a world made up: what it asks, what it accepts, how it ends."""

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.engine.schedules.span import STABLE_DIFFUSION
from aldente.models.port import ModelInfo
from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.tuning.learning.lesson import Lesson, known_schedules, learnable, recipe_for, teacher_for
from aldente.tuning.learning.protocol import PATH, learn

INFO = ModelInfo(
    name="made-up", title="made up", fingerprint="a" * 64, family="exploding", prediction="eps", latent_channels=4,
    latent_scale=8, sigma_min=STABLE_DIFFUSION[0], sigma_max=STABLE_DIFFUSION[-1], sigmas=STABLE_DIFFUSION,
    native=((64, 64),), size_multiple=8, size_min=8, size_max=64, rows=4, bytes_fixed=0, bytes_per_row=1, prompt_tokens=77,
)  # fmt: skip
TAUGHT = tuple(f"taught {i}" for i in range(8))
OTHERS = tuple(f"other {i}" for i in range(12))
BEST = np.log([7.0, 3.2, 1.5, 0.7, 0.3])
PATHS = (14.6, 6.0, 3.0, 1.4, 0.6, 0.2)


def lesson(**changed):
    sampling = {"steps": 6, "sampler": "dpmpp_2m", "guidance": Guidance(scale=4.0)}
    own = {key: changed.pop(key) for key in list(changed) if key in Sampling.model_fields}
    base = Recipe(sampling=Sampling(**(sampling | own)))
    return Lesson(**({"base": base, "prompts": TAUGHT, "held_out_prompts": OTHERS} | changed))


class World:
    """Errors grow with the distance from BEST, in directions of each prompt's own; fewer for longer schedules."""

    def __init__(self, *, rest=0.1, spoilt=0.0):
        self.rest, self.spoilt, self.asked = rest, spoilt, []

    def error(self, sigmas, prompt, kind):
        draw = np.random.default_rng(sum(prompt.encode()) + 1000 * prompt.startswith("other"))
        directions, rest = draw.normal(size=(5, 20)), draw.normal(size=20)
        levels = np.log(np.interp(np.linspace(0, 1, 6)[1:], np.linspace(0, 1, len(sigmas)), sigmas))
        away = (levels - BEST) * 6 / len(sigmas)
        # What holds for the prompts that were learned from need not hold for others.
        shift = self.spoilt if prompt.startswith("other") and kind == "learned" else 0.0
        return away @ directions + (self.rest + shift) * rest

    def __call__(self, need, about):
        self.asked.append(need)
        prompts = about.prompts if need.on == "prompts" else about.held_out_prompts
        found = []
        for prompt in prompts:
            kinds = ["learned" if need.phase == "confirmation" and i == 0 else "" for i in range(len(need.ask.schedules))]
            errors = np.stack([self.error(s, prompt, k) for s, k in zip(need.ask.schedules, kinds, strict=True)])
            overlap = errors @ errors.T / errors.shape[1]
            found.append(overlap if need.ask.wants == "overlaps" else np.sqrt(np.diagonal(overlap)))
        return np.stack(found)


def carried_out(about, world, path=PATHS):
    protocol = learn(about, INFO, path)
    try:
        need = next(protocol)
        while True:
            need = protocol.send(world(need, about))
    except StopIteration as stop:
        return stop.value


def test_a_schedule_better_than_all_is_found_and_accepted():
    world = World()
    result = carried_out(lesson(), world)
    np.testing.assert_allclose(np.log(result.sigmas[1:]), BEST, atol=0.05)
    assert result.accepted
    assert all(rival.beaten for rival in result.rivals)
    assert result.loss < result.best_rival.loss
    assert "confidence" in " ".join(result.sentences)
    assert result.calls == sum(need.calls for need in world.asked)


def test_one_that_is_better_only_where_it_was_learned_is_not_accepted():
    result = carried_out(lesson(), World(spoilt=50.0))
    assert not result.accepted
    assert result.training_loss < min(start.loss for start in result.starts)
    assert result.sentences[0].startswith("Not accepted: 6 steps of DPM++ 2M at CFG 4")
    assert result.sentences[1].startswith(f"Keep {result.best_rival.name}")
    assert any("more of them" in sentence for sentence in result.sentences)


def test_every_known_schedule_is_a_start_and_a_rival():
    world = World()
    result = carried_out(lesson(), world)
    known = known_schedules(lesson(), INFO)
    assert {"karras", "exponential", "ays_sd1", "uniform", "beta"} <= set(known)
    assert {rival.name for rival in result.rivals} == set(known)
    assert {start.name for start in result.starts} >= {*known, PATH}
    assert result.path is not None
    assert result.path.sigmas == PATHS
    assert [start.ended is not None for start in result.starts] == [True] * 3 + [False] * (len(result.starts) - 3)


def test_the_held_out_prompts_are_asked_for_last_and_by_nobody_else():
    world = World()
    carried_out(lesson(), world)
    assert [need.on for need in world.asked[-2:]] == ["held-out prompts"] * 2
    assert {need.on for need in world.asked[:-2]} == {"prompts"}
    assert [need.sampler for need in world.asked[-2:]] == ["dpmpp_2m", "dpmpp_2m"]
    assert [len(s) for s in world.asked[-1].ask.schedules] == [8, 9, 10, 12]


@pytest.mark.parametrize("share", [0.7, 0.85])
def test_a_budget_is_kept_and_said(share):
    budget = int(share * carried_out(lesson(), World()).calls)
    result = carried_out(lesson(budget_calls=budget), World())
    assert result.calls <= budget
    assert result.cut_short
    assert any("budget" in sentence for sentence in result.sentences)


def test_a_budget_that_cannot_reach_is_refused():
    with pytest.raises(UserError, match="a budget of 50 calls is too small"):
        carried_out(lesson(budget_calls=50), World())


def test_the_same_lesson_is_the_same_result():
    assert carried_out(lesson(), World()) == carried_out(lesson(), World())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sampler": "euler_ancestral"}, "no picture in common"),
        ({"sampler": "euler_cfg_pp"}, "no picture in common"),
        ({"sampler": "dpm_fast"}, "spaces its levels itself"),
        ({"eta": 0.5, "sampler": "ddim"}, "eta is set"),
        ({"sigma_max": 9.0}, "sigma_max is set"),
        ({"steps": 2}, "steps is 2; there is something to learn from 3 steps on"),
        ({"held_out_prompts": (*OTHERS, "taught 3")}, "'taught 3' is among the prompts and the held-out prompts"),
    ],
)
def test_what_cannot_be_learned_is_refused(changed, words):
    with pytest.raises(UserError, match=words):
        learnable(lesson(**changed))


def test_recipes_of_a_prompt_share_seed_and_start_and_the_teacher_is_everybodys():
    about = lesson()
    first, second = (recipe_for(about, prompt, PATHS, "dpmpp_2m") for prompt in TAUGHT[:2])
    assert first.sampling.sigmas == "14.6,6,3,1.4,0.6,0.2"
    assert second.seed == first.seed + 1
    assert teacher_for(about, TAUGHT[1]).seed == second.seed
    assert teacher_for(about, TAUGHT[0]) == teacher_for(lesson(steps=9, sampler="euler"), TAUGHT[0])
    assert len({recipe_for(about, prompt, PATHS, "euler").seed for prompt in (*TAUGHT, *OTHERS)}) == 20
