"""The engine asks and never calls the model: a denoiser is a generator that yields the evaluations it needs.

``Denoiser`` is the only currency of the engine. Guidance, prompt schedules, regions, tiles and masks are functions
from denoisers to denoisers; a sampler step is a generator that delegates to one. Whoever drives the generator decides
how the evaluations are batched, shared, counted or cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from typing import Any, NamedTuple, TypeVar

from aldente.engine.levels import Level

Latent = Any
"""A floating-point array ``b c h w`` of any library that follows the array API standard."""

Condition = Hashable
"""A handle of what the model is to draw; only the model knows what is inside. Equal handles mean equal answers."""

T = TypeVar("T")


class Query(NamedTuple):
    """One evaluation that the model is asked for; the answer is its estimate of the clean latent, shaped like ``x``."""

    x: Latent
    level: Level
    condition: Condition


class Estimate(NamedTuple):
    """What a denoiser returns: ``clean``, the (guided) estimate of x0, and ``base``, the estimate the noise is told by.

    The two differ only under guidance, where ``base`` is the unconditional estimate: CFG++ samplers renoise along it,
    all others leave it aside [Chung 2024, Alg. 2].
    """

    clean: Latent
    base: Latent


Asking = Generator[list[Query], list[Latent], T]
"""A computation that asks for model evaluations on its way to a ``T``."""

Denoiser = Callable[[Latent, Level], Asking[Estimate]]


def conditional(condition: Condition) -> Denoiser:
    """The plain denoiser: one model evaluation under ``condition``."""

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        (clean,) = yield [Query(x, level, condition)]
        return Estimate(clean, clean)

    return denoise


def together(askings: Sequence[Asking[T]]) -> Asking[list[T]]:
    """Run several computations side by side, so that what they ask at the same time is asked in one go."""
    results: dict[int, T] = {}
    waiting: dict[int, list[Query]] = {}

    def resume(index: int, answers: list[Latent] | None) -> None:
        try:
            waiting[index] = next(askings[index]) if answers is None else askings[index].send(answers)
        except StopIteration as stop:
            waiting.pop(index, None)
            results[index] = stop.value

    for index in range(len(askings)):
        resume(index, None)
    while waiting:
        asked = dict(waiting)
        answers = yield [query for queries in asked.values() for query in queries]
        start = 0
        for index, queries in asked.items():
            resume(index, answers[start : start + len(queries)])
            start += len(queries)
    return [results[index] for index in range(len(askings))]


def answer(asking: Asking[T], evaluate: Callable[[Query], Latent]) -> T:
    """Drive ``asking`` to its end, evaluating one query at a time: the driver for tests and for plain callables."""
    try:
        queries = next(asking)
        while True:
            queries = asking.send([evaluate(query) for query in queries])
    except StopIteration as stop:
        result: T = stop.value
        return result
