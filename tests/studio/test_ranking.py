"""Strengths by votes: known answers, laws, and settings ranked by the pictures that they made."""

import math

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.store import open_store
from aldente.studio.ranking import rank, strengths
from aldente.testing.store_contract import drawn, recipe


def test_one_vote_between_two_is_the_worked_out_answer():
    found = strengths([("a", "b")])
    grid = np.linspace(1.0, 5.0, 400_001)
    # By symmetry b = 1 / a. The votes against the middling entry, a/(a+1)^2 for either, and the vote itself, a^2/(a^2+1).
    likelihood = 2 * (np.log(grid) - 2 * np.log(grid + 1)) + 2 * np.log(grid) - np.log(grid**2 + 1)
    assert found["a"] == pytest.approx(grid[likelihood.argmax()], abs=1e-4)
    assert found["a"] * found["b"] == pytest.approx(1.0)


def test_it_finds_the_strengths_that_votes_were_drawn_from():
    rng = np.random.default_rng(5)
    true = {name: math.exp(s) for name, s in zip("abcde", (-1.0, -0.5, 0.0, 0.5, 1.0), strict=True)}
    votes = []
    for _ in range(6000):
        one, other = rng.choice(list(true), 2, replace=False)
        wins = rng.random() < true[one] / (true[one] + true[other])
        votes.append((one, other) if wins else (other, one))
    found = strengths(votes)
    assert sorted(found, key=found.get) == list("abcde")
    for name in "abde":
        assert math.log(found[name] / found["c"]) == pytest.approx(math.log(true[name]), abs=0.12)


def test_who_beats_the_strong_is_stronger_and_the_unbeaten_is_finite():
    votes = [("strong", "weak")] * 6 + [("x", "strong"), ("y", "weak")]
    found = strengths(votes)
    assert found["x"] > found["y"] > 0
    assert all(math.isfinite(value) for value in found.values())


def test_settings_are_ranked_by_the_votes_between_their_pictures(tmp_path):
    with open_store(str(tmp_path / "a.sqlite")) as store:
        few, many = ([store.save(*drawn(recipe(seed, steps=steps), seed)).id for seed in (1, 2)] for steps in (5, 25))
        store.vote(many[0], few[0])
        store.vote(many[1], few[1])
        store.vote(many[0], many[1])
        found = rank(store, "", "steps")
        assert [(one.name, one.wins, one.losses) for one in found] == [("25", 2, 0), ("5", 0, 2)]
        assert found[0].chance == pytest.approx(1 - found[1].chance)
        pictures = rank(store, "")
        assert pictures[0].name == many[0]
        assert [one.name for one in rank(store, "steps=25")] == [many[0], many[1]]
        with pytest.raises(UserError, match="no votes between such pictures that differ in cfg"):
            rank(store, "", "cfg")
        with pytest.raises(UserError, match="did you mean"):
            rank(store, "", "stepz")
