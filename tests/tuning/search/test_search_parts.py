"""The parts of a search: its space, its races, what it asks of Optuna, its front and its effects."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_laws import question

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.tuning.search.ask import Proposer, Told, importances
from aldente.tuning.search.board import Board
from aldente.tuning.search.effects import effects_of
from aldente.tuning.search.front import knee, nondominated
from aldente.tuning.search.measured import Evidence, Measured, Target, diversity
from aldente.tuning.search.question import converged_recipe
from aldente.tuning.search.race import Court, blocks, flaws_of, limited, outrun
from aldente.tuning.search.space import Dimension, Space, filled, parse_space
from aldente.tuning.search.wants import Answer

BASE = Recipe(sampling=Sampling(guidance=Guidance(scale=4.0)))


def test_a_space_is_written_as_people_write_it():
    texts = ["cfg=2..9", "sampler=DPM++ 2M, euler", "steps=6..40", "cfg_rescale=unset,0.3,0.7", "guidance_high=3,1"]
    cfg, sampler, steps, rescale, high = parse_space(texts, BASE)
    assert cfg.values == tuple(2 + n / 2 for n in range(15))
    assert cfg.taste
    assert sampler.values == ("dpmpp_2m", "euler")
    assert not sampler.ordered
    assert not sampler.taste
    assert steps.values == (6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40)
    assert rescale.values == (None, 0.3, 0.7)
    assert not rescale.ordered
    assert high.values == (1.0, 3.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed=1,2", "it cannot vary the seed"),
        ("cfg", "names no values"),
        ("sampler=lcm", "no steps that lead to a solution"),
        ("sampler=DPM++ 2M Karras", "give them apart"),
        ("cfg=-1..3", "it must be"),
        ("cfgs=1,2", "did you mean 'cfg'"),
        ("steps=", "no values to choose from"),
    ],
)
def test_what_cannot_be_varied_is_said(text, said):
    with pytest.raises(UserError, match=said):
        parse_space([text], BASE)


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_a_filled_range_ascends_from_end_to_end(a, b, geometric):
    low, high = sorted((a, b))
    values = filled(float(low), float(high), whole=True, geometric=geometric)
    assert (values[0], values[-1]) == (low, high)
    assert list(values) == sorted(set(values))
    assert len(values) <= 40


def test_neighbours_are_one_stop_away_or_any_other_word():
    space = question().space
    place = space.place({"sampler": "euler", "schedule": "karras", "steps": 13})
    assert space.settings(place) == {"sampler": "euler", "schedule": "karras", "steps": 12}
    near = [space.settings(other) for other in space.neighbours(place)]
    assert {n["steps"] for n in near} == {10, 12, 14}
    assert len(near) == 2 + 4 + 3
    assert space.place({"sampler": "lms", "schedule": "karras", "steps": 12}) is None


def test_a_converged_picture_keeps_the_guidance_and_belongs_to_its_equation():
    search = question()
    recipe = search.space.recipe(BASE, search.space.place({"sampler": "euler", "schedule": "beta", "steps": 8}))
    end = converged_recipe(search, recipe)
    assert (end.sampling.sampler, end.sampling.schedule, end.sampling.steps) == ("dpmpp_2m", "karras", 80)
    assert end.sampling.guidance == recipe.sampling.guidance
    noisy = recipe.model_copy(update={"sampling": recipe.sampling.model_copy(update={"sampler": "euler_ancestral"})})
    assert converged_recipe(search, noisy).sampling.sampler == "euler_ancestral"


def evidence(errors, **facts):
    rows = {i: Measured(calls=20, error=float(error), **facts) for i, error in enumerate(errors)}
    return Evidence(place=(0,), price=20.0, source="test", rows=rows)


def court(count, alpha=0.05):
    return Court(tuple(range(count)), alpha)


def test_blocks_meet_every_picture_once():
    for count in (1, 3, 4, 12, 50):
        assert [i for block in blocks(count) for i in block] == list(range(count))


def test_a_race_rarely_drops_an_equal_and_nearly_always_drops_one_that_is_far_off():
    rng = np.random.default_rng(0)
    target, dropped, kept = Target("error", {}), 0, 0
    for _ in range(400):
        hard = np.exp(rng.normal(size=6))
        best, equal = (evidence(hard * np.exp(0.3 * rng.normal(size=6))) for _ in range(2))
        dropped += outrun(equal, best, target, court(6)) is not None
        worse = evidence(hard * 3 * np.exp(0.3 * rng.normal(size=6)))
        kept += outrun(worse, best, target, court(6)) is None
    assert kept <= 4
    # The difference of two equals is judged at 5 %; in 400 trials 38 would be four deviations more.
    assert dropped <= 38


def test_a_limit_counts_as_broken_only_when_it_surely_is():
    target = Target("calls", {"error": 1.0})
    assert limited(evidence([1.05, 0.7, 1.6]), target, court(3)) is None
    assert limited(evidence([5.0, 6.0, 5.5]), target, court(3)).metric == "error"
    assert limited(evidence([0.1] * 3), Target("error", {"calls": 10.0}), court(3)).metric == "calls"


def test_flaws_are_a_limit_of_their_own():
    spoiled = {"worse": {"chroma": 2.0, "blown": 1.5}}
    assert flaws_of(evidence([0.1] * 6, **spoiled), court(6)).metric == "flaws"
    assert flaws_of(evidence([0.1] * 6, worse={"chroma": 0.4, "blown": 0.5}), court(6)) is None
    assert flaws_of(evidence([0.1] * 1, **spoiled), court(1)) is None


def test_proposals_are_a_function_of_what_was_told_and_of_the_seed():
    space = question().space
    rng = np.random.default_rng(1)
    history = [
        Told(tuple(int(rng.integers(len(d.values))) for d in space.dimensions), float(rng.normal()), {}) for _ in range(30)
    ]

    def proposed(seed):
        proposer = Proposer(space)
        for told in history:
            proposer.tell(told)
        return proposer.propose(seed)

    assert [proposed(n) for n in range(6)] == [proposed(n) for n in range(6)]
    assert len({proposed(n) for n in range(12)}) > 1


def test_proposals_learn_where_it_is_good_and_where_limits_are_broken():
    space = Space(dimensions=(Dimension(name="cfg", values=tuple(float(n) for n in range(20))),))
    proposer = Proposer(space)
    for n in range(20):
        # The value falls with n, but beyond 12 a limit is broken.
        proposer.tell(Told((n,), -float(n), {"flaws": float(n - 12)}))
    found = [proposer.propose(n)[0] for n in range(30)]
    assert np.mean([abs(n - 11) <= 4 for n in found]) > 0.6


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=14))
def test_a_front_holds_what_nothing_beats(points):
    kept = nondominated(points)
    assert kept
    for i, point in enumerate(points):
        beaten = any(all(a <= b for a, b in zip(other, point, strict=True)) and other != point for other in points)
        assert (point in [points[k] for k in kept]) is not beaten
        assert sum(points[k] == point for k in kept) <= 1 or i < 0


def test_the_knee_is_where_the_front_bends():
    points = [(10.0, 8.0), (20.0, 1.0), (40.0, 0.8), (80.0, 0.7)]
    assert knee(points) == 1
    assert knee(points[:2]) is None
    assert knee([(1.0, 8.0), (2.0, 4.0), (4.0, 2.0)]) is None


def test_effects_find_the_parameter_and_the_pair_that_matter():
    space = question().space
    rng = np.random.default_rng(2)
    places = [tuple(int(rng.integers(len(d.values))) for d in space.dimensions) for _ in range(80)]

    def error(place, together):
        said = space.settings(place)
        crossed = 1.2 * (said["sampler"] == "heun") * (said["schedule"] == "beta") if together else 0.0
        return math.exp(-1.5 * math.log(said["steps"]) + crossed + 0.02 * rng.normal())

    plain = effects_of(space, places, [error(p, False) for p in places], [Told(p, error(p, False), {}) for p in places])
    assert plain.shares[0].names == ("steps",)
    assert plain.shares[0].share > 0.9
    assert max(plain.importance, key=plain.importance.get) == "steps"
    crossed = effects_of(space, places, [error(p, True) for p in places], [])
    pairs = {share.names: share.share for share in crossed.shares if len(share.names) == 2}
    assert max(pairs, key=pairs.get) == ("sampler", "schedule")
    few = next(main for main in plain.main if main.name == "steps").levels
    assert few[0].factor > 3 * few[-1].factor
    assert effects_of(space, places[:5], [1.0] * 5, []) is None


def test_importances_need_something_to_tell_apart():
    space = question().space
    assert importances(space, [Told((0, 0, 0), 1.0, {})] * 3) == {}


def test_diversity_is_between_the_seeds_of_a_prompt():
    rows = {0: Measured(calls=1, layout=(0, 0)), 1: Measured(calls=1, layout=(255, 255)), 2: Measured(calls=1, layout=(0, 0))}
    assert diversity(rows, ["a", "a", "b"]) == pytest.approx(1.0)
    assert diversity({0: rows[0], 1: rows[1]}, ["a", "b"]) is None


def test_step_caching_is_an_axis_of_the_solver_and_its_price_is_known_afterwards():
    (reuse,) = parse_space(["step cache=0,0.05"], BASE)
    assert (reuse.name, reuse.taste) == ("reuse_threshold", False)
    asked = question({"reuse_threshold": (0.0, 0.05), "sampler": ("euler",), "schedule": ("karras",), "steps": (20,)})
    board = Board(asked, lambda place: 40.0)
    plain, cached = asked.space.place({"sampler": "euler", "schedule": "karras", "steps": 20, "reuse_threshold": 0.0}), None
    cached = asked.space.moved(plain, "reuse_threshold", 1)
    target = Target("calls", {"error": 1.0})
    board.evidence[plain] = Evidence(
        place=plain,
        price=40.0,
        source="screening",
        rows={i: Measured(calls=40, error=0.1) for i in range(board.court.pictures)},
    )
    assert board.could_win(cached, target)
    racing = board.race([cached], target, "race")
    want = next(racing)
    try:
        while True:
            rows = {(t.place, i): Measured(calls=24, error=0.1) for t in want.trials for i in t.instances}
            want = racing.send(Answer(rows=rows, calls=24 * len(rows)))
    except StopIteration:
        pass
    assert board.evidence[cached].price == board.price_of(cached) == 24.0
    assert board.best(target).place == cached
    assert converged_recipe(asked, asked.space.recipe(BASE, cached)).sampling.reuse_threshold is None
