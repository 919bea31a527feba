"""One variable at a time: strips around the base, effects against the base of the same seed, and a ranking."""

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.tuning.isolation import effect, isolation, jnd_of, values_around


def art(level, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(100 + rng.normal(0, 20, (32, 32, 3)) + level, 0, 255).astype(np.uint8)


BASES = {1: art(0, 1), 2: art(0, 2), 3: art(0, 3)}


def strips(**levels):
    return {seed: [(name, art(level, seed)) for name, level in levels.items()] for seed in BASES}


@pytest.mark.parametrize(
    ("name", "value", "strip"),
    [
        ("steps", 30, (12, 21, 30, 42, 60)),
        ("steps", 1, (1, 2)),
        ("cfg", 7.0, (1.8, 3.5, 7.0, 10.5, 17.5)),
        ("cfg", 1.0, (1.0, 1.5, 2.5)),
        ("seed", 2**64 - 2, (2**64 - 2, 2**64 - 1, 0, 1, 2)),
        ("eta", 0.5, (0.25, 0.38, 0.5, 0.62, 0.75)),
        ("cfg_rescale", 0.8, (0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_a_strip_lies_around_the_base(name, value, strip):
    found = values_around(name, value)
    assert found == strip
    assert value in found


def test_samplers_stand_beside_the_base_first():
    assert values_around("sampler", "lms")[0] == "lms"
    assert len(set(values_around("sampler", "euler"))) == len(values_around("sampler", "euler"))
    assert values_around("schedule", "karras")[0] == "karras"


@pytest.mark.parametrize(("name", "value"), [("eta", None), ("prompt", "a cat"), ("s_churn", 0.0), ("model", "pastina")])
def test_what_has_no_neighbours_asks_for_values(name, value):
    with pytest.raises(UserError, match=f"--vary '{name}=a,b,c'"):
        values_around(name, value)


def test_an_effect_is_measured_in_noticeable_differences():
    found = effect("x", "X", strips(a=10, b=20), BASES, jnd=2.0)
    near, far = found.shifts
    assert near.jnd.mean == pytest.approx(5.0, abs=0.2)
    assert far.jnd.mean == pytest.approx(10.0, abs=0.3)
    assert found.size.mean == pytest.approx(7.5, abs=0.3)
    assert found.size.low <= found.size.mean <= found.size.high
    assert "most at b (10 JND)" in found.sentence


def test_one_seed_gives_no_bounds():
    one = {1: strips(a=10)[1]}
    found = effect("x", "X", one, BASES, jnd=2.0)
    assert (found.size.low, found.size.high) == (None, None)
    assert "on average, most" in found.sentence


def test_flaws_are_counted_beside_the_base():
    burnt = {seed: [("20", np.where(base > 110, 255, 0).astype(np.uint8))] for seed, base in BASES.items()}
    (shift,) = effect("cfg", "CFG", burnt, BASES, jnd=2.0).shifts
    assert shift.flawed == 1.0
    assert shift.worst is not None
    assert "flawed beside the base at 20" in effect("cfg", "CFG", burnt, BASES, jnd=2.0).sentence


def test_pictures_of_another_size_are_not_compared():
    assert effect("size", "Size", {1: [("64x64", np.zeros((64, 64, 3), np.uint8))]}, BASES, jnd=2.0) is None


def test_the_ranking_begins_with_the_largest_and_tells_close_ones():
    small, large = effect("s", "Small", strips(a=4), BASES, jnd=2.0), effect("l", "Large", strips(a=40), BASES, jnd=2.0)
    wide = large.size.model_copy(update={"low": 15.0, "high": 25.0})
    large = large.model_copy(update={"size": wide})
    same = effect("m", "Same", strips(a=40, b=41), BASES, jnd=2.0).model_copy(update={"size": wide})
    found = isolation([small, large, same], jnd=2.0, seeds=3)
    assert [one.label for one in found.effects] == ["Large", "Same", "Small"]
    assert found.sentence.startswith("Large moves the picture most (20 JND")
    assert ", close behind Same" in found.sentence
    assert ", then Small" in found.sentence
    assert isolation([], jnd=2.0, seeds=1).sentence == "Nothing could be compared."


def test_a_flat_picture_has_the_least_jnd():
    assert jnd_of([np.full((16, 16, 3), 90, np.uint8)]) == 0.5
