"""No parser ever raises anything but UserError, or hangs; ``python -m benchmarks.fuzz`` does the same ten thousand times."""

import random

import pytest

from aldente.engine.errors import UserError
from aldente.store import open_store
from aldente.testing.fuzzing import NAMES, SAMPLES, fuzz_named, spoilt, text_parsers
from aldente.testing.fuzzing_store import SAID, fuzz_said
from aldente.testing.store_contract import drawn, recipe


@pytest.mark.parametrize("name", NAMES)
def test_odd_inputs_are_read_or_refused(name):
    done = fuzz_named(name, 300, seed=5)
    assert done.read + done.refused == 300


@pytest.mark.parametrize("name", SAID)
def test_odd_marks_votes_and_exports_are_kept_or_refused(name):
    done = fuzz_said(name, 300, seed=5)
    assert done.read + done.refused == 300
    assert done.read > 0


def test_every_sample_is_read_as_it_is():
    for name, texts in SAMPLES.items():
        for text in texts:
            assert text_parsers()[name](text) is not None


def test_odd_queries_are_answered_or_refused(tmp_path):
    chance = random.Random(3)
    refused = 0
    with open_store(str(tmp_path / "a.sqlite")) as store:
        store.save_many([drawn(recipe(seed), seed) for seed in range(5)])
        for _ in range(300):
            try:
                assert len(store.history(spoilt(chance.choice(SAMPLES["query"]), chance))) <= 5
            except UserError:
                refused += 1
    assert 0 < refused < 300
