"""Denoisers ask; whoever drives them answers."""

import pytest

from aldente.engine.denoise import Estimate, Query, answer, conditional, together
from aldente.engine.levels import exploding

LEVEL = exploding(2.0)


def doubled(query: Query) -> float:
    return 2.0 * query.x


def counted(times: int):
    """A computation that asks once per round and returns the sum of the answers."""
    total = 0.0
    for round_ in range(times):
        (got,) = yield [Query(float(round_ + 1), LEVEL, "c")]
        total += got
    return total


def test_the_plain_denoiser_asks_one_question_and_takes_the_answer_for_both_estimates():
    asking = conditional("a cat")(3.0, LEVEL)
    assert next(asking) == [Query(3.0, LEVEL, "a cat")]
    with pytest.raises(StopIteration) as stop:
        asking.send([1.5])
    assert stop.value.value == Estimate(1.5, 1.5)


def test_answer_drives_a_computation_to_its_end():
    assert answer(counted(3), doubled) == 12.0


def test_a_computation_that_asks_nothing_returns_at_once():
    assert answer(counted(0), doubled) == 0.0


def test_together_asks_in_one_go_and_lets_the_shorter_end_first():
    sizes = []

    def observed(asking):
        """The same computation, with the number of its questions noted each time."""
        queries = next(asking)
        while True:
            sizes.append(len(queries))
            answers = yield queries
            try:
                queries = asking.send(answers)
            except StopIteration as stop:
                return stop.value

    results = answer(observed(together([counted(1), counted(3), counted(0), counted(2)])), doubled)
    assert sizes == [3, 2, 1]
    assert results == [2.0, 12.0, 0.0, 6.0]


def test_together_gives_each_its_own_answers():
    def tagged(tag: str):
        got = yield [Query(1.0, LEVEL, f"{tag}{n}") for n in range(2)]
        return got

    first, second = answer(together([tagged("a"), tagged("b")]), lambda query: query.condition)
    assert first == ["a0", "a1"]
    assert second == ["b0", "b1"]


def test_together_of_nothing_is_nothing():
    assert answer(together([]), doubled) == []
