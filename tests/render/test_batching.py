"""The driver: full batches, shared queries, true counts, and no influence of one job on another."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aldente.engine.denoise import Asking, Estimate, Latent, Query
from aldente.engine.levels import Level, exploding_levels
from aldente.engine.samplers.euler import Euler
from aldente.engine.trajectory import trajectory
from aldente.render.batching import Drive, Job, Limits, Outcome, Tick

SHAPE = (1, 2, 3, 3)


def no_noise(sigma: float, sigma_next: float) -> Latent:
    raise AssertionError("a deterministic sampler draws no noise")


def guided(scale: float, cond: str, uncond: str):
    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        with_prompt, without = yield [Query(x, level, cond), Query(x, level, uncond)]
        return Estimate(without + scale * (with_prompt - without), without)

    return denoise


def estimate(x, levels, conditions):
    shifts = {"cat": 0.3, "dog": -0.7, "": 0.0}
    rows = [x[i : i + 1] / (1 + level.sigma) + shifts[c] for i, (level, c) in enumerate(zip(levels, conditions, strict=True))]
    return np.concatenate(rows, axis=0)


class Counting:
    """The model above, remembering the batch sizes it saw."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, x, levels, conditions):
        self.batches.append(len(levels))
        return estimate(x, levels, conditions)


def job(key: int, *, steps: int = 5, scale: float = 4.0, prompt: str = "cat", shape=SHAPE, seed: int | None = None) -> Job:
    x = 10 * np.random.default_rng(key if seed is None else seed).standard_normal(shape).astype(np.float32)
    levels = exploding_levels([*np.geomspace(10, 0.1, steps), 0.0])
    return Job(key=key, start=lambda: trajectory(Euler(), guided(scale, prompt, ""), x, levels, no_noise))


def clock_of(step: float):
    counter = itertools.count()
    return lambda: step * next(counter)


def run(jobs, model=estimate, **limits) -> dict[object, Outcome]:
    return {o.key: o for o in Drive(jobs, model, clock=clock_of(1.0), limits=Limits(**limits))}


def test_every_job_ends_with_the_bits_it_has_alone():
    jobs = [job(k, steps=3 + k % 4, scale=1 + k, prompt="cat" if k % 2 else "dog") for k in range(11)]
    alone = {j.key: run([j], rows=1)[j.key].result for j in jobs}
    for rows, live in [(1, 1), (3, 2), (16, 4), (16, 48), (100, 100)]:
        together = run(jobs, rows=rows, live=live)
        for key, expected in alone.items():
            np.testing.assert_array_equal(together[key].result, expected)


def test_batches_are_full_while_there_is_enough_to_do():
    model = Counting()
    outcomes = run([job(k, steps=10) for k in range(32)], model, rows=16, live=32)
    assert len(outcomes) == 32
    assert sum(model.batches) == 32 * 10 * 2
    assert all(size == 16 for size in model.batches)


def test_identical_queries_are_evaluated_once_and_counted_for_each():
    model = Counting()
    outcomes = run([job(k, scale=1.5 + k, seed=7) for k in range(4)], model, rows=16)
    asked = [o.usage.asked for o in outcomes.values()]
    assert asked == [10] * 4
    # The first call is the same for every guidance scale: two rows for four jobs; later ones differ.
    assert sum(model.batches) == 2 + 4 * 4 * 2
    assert sum(o.usage.evaluated for o in outcomes.values()) == pytest.approx(sum(model.batches))


def test_a_later_job_uses_the_answers_an_earlier_one_had():
    model = Counting()
    outcomes = run([job(1, seed=3), job(2, seed=3)], model, rows=4, live=1)
    np.testing.assert_array_equal(outcomes[1].result, outcomes[2].result)
    assert sum(model.batches) == 10
    assert outcomes[2].usage.evaluated == 0
    assert outcomes[2].usage.asked == 10


def test_what_is_kept_for_sharing_stays_within_its_bytes():
    model = Counting()
    run([job(1, seed=3), job(2, seed=3)], model, rows=4, live=1, shared_bytes=0)
    assert sum(model.batches) == 20


def test_shapes_are_batched_apart():
    model = Counting()
    outcomes = run([job(1), job(2, shape=(1, 2, 5, 4)), job(3)], model)
    assert outcomes[2].result.shape == (1, 2, 5, 4)
    assert outcomes[3].result.shape == SHAPE
    assert max(model.batches) == 4


def test_a_failing_job_is_reported_and_the_others_go_on():
    def broken(x: Latent, level: Level) -> Asking[Estimate]:
        yield [Query(x, level, "cat")]
        raise ArithmeticError("no such tile")

    x = np.zeros(SHAPE, dtype=np.float32)
    bad = Job(key="bad", start=lambda: trajectory(Euler(), broken, x, exploding_levels([1.0, 0.0]), no_noise))
    outcomes = run([job(1), bad, job(2)])
    assert isinstance(outcomes["bad"].error, ArithmeticError)
    assert outcomes["bad"].result is None
    assert outcomes["bad"].usage.asked == 1
    assert outcomes[1].error is None
    assert outcomes[2].error is None


def test_seconds_are_those_of_the_model_shared_by_rows():
    outcomes = run([job(k, seed=k) for k in range(3)], rows=6)
    assert sum(o.usage.seconds for o in outcomes.values()) == pytest.approx(5.0)
    assert outcomes[0].usage.seconds == pytest.approx(outcomes[2].usage.seconds)


def test_cancelling_stops_before_the_next_call_and_keeps_what_is_done():
    model = Counting()
    finished: list[object] = []
    drive = Drive(
        [job(k, steps=2) for k in range(10)],
        model,
        clock=clock_of(1.0),
        limits=Limits(rows=4, live=2),
        cancelled=lambda: len(model.batches) >= 3,
    )
    for outcome in drive:
        finished.append(outcome.key)
    assert len(model.batches) == 3
    assert finished == [0, 1]


def test_progress_is_told_after_every_call():
    ticks: list[Tick] = []
    jobs = [job(k) for k in range(3)]
    list(Drive(jobs, estimate, clock=clock_of(1.0), limits=Limits(rows=4), watch=ticks.append))
    assert ticks[-1].evaluated == 30
    assert ticks[-1].finished == 3
    assert [t.calls for t in ticks] == list(range(1, len(ticks) + 1))
    assert all(t.batch <= 4 for t in ticks)


def test_a_query_larger_than_the_limit_is_still_answered():
    x = np.ones((9, 2, 3, 3), dtype=np.float32)
    big = Job(key=0, start=lambda: trajectory(Euler(), guided(2.0, "cat", ""), x, exploding_levels([1.0, 0.0]), no_noise))
    assert run([big], rows=4)[0].result.shape == (9, 2, 3, 3)


def test_torch_latents_are_driven_like_any_other():
    torch = pytest.importorskip("torch")
    x = torch.ones((1, 2, 3, 3), dtype=torch.float64)

    def model(x, levels, conditions):
        return x * 0.5

    levels = exploding_levels([2.0, 1.0, 0.0])
    jobs = [
        Job(key=k, start=lambda k=k: trajectory(Euler(), guided(2.0 + k, "cat", ""), x, levels, no_noise)) for k in range(3)
    ]
    outcomes = run(jobs, model)
    assert torch.equal(outcomes[0].result, outcomes[2].result)
    # The same array object is known to be the same query; equal arrays in two objects are not looked into.
    assert sum(o.usage.evaluated for o in outcomes.values()) == pytest.approx(2 + 6)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.floats(1.5, 12.0), st.sampled_from(["cat", "dog"])), min_size=1, max_size=8),
    st.integers(1, 20),
    st.integers(1, 9),
)
def test_no_mix_of_jobs_changes_a_job(specs, rows, live):
    jobs = [job(k, steps=n, scale=w, prompt=p, seed=k % 3) for k, (n, w, p) in enumerate(specs)]
    together = run(jobs, rows=rows, live=live)
    for j in jobs:
        np.testing.assert_array_equal(together[j.key].result, run([j])[j.key].result)
