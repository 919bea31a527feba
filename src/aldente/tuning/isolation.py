"""One variable at a time: how far each parameter, moved alone, moves the picture, and which moves it most."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from aldente.engine.errors import UserError
from aldente.quality.bounds import loss_bounds
from aldente.quality.metric import Image
from aldente.quality.reference import jpeg_rmse, rmse
from aldente.quality.structure import composition
from aldente.quality.table import FLAWS
from aldente.recipe.parameters import Scalar, find_parameter, text_of
from aldente.recipe.value import Value
from aldente.tuning.convergence import interval
from aldente.tuning.result import Interval

ALPHA = 0.05

STEPS = (0.4, 0.7, 1.0, 1.4, 2.0)
CFGS = (0.25, 0.5, 1.0, 1.5, 2.5)
NUMBERS = (0.5, 0.75, 1.0, 1.25, 1.5)
"""The values around the base, as multiples of it."""

SAMPLERS = ("euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "uni_pc")
SCHEDULES = ("karras", "exponential", "uniform", "sgm_uniform", "beta")
SEEDS = 5


class Shift(Value):
    """What one value does: the distance to the base in JND, over the seeds, the composition shift, and the share of flawed.

    A picture is flawed when two or more signs are noticeably worse than in the base of its seed; ``worst`` is the title of
    the sign that worsens most, None where none worsens.
    """

    label: str
    jnd: Interval
    composition: float
    flawed: float
    worst: str | None


class Effect(Value):
    """What a parameter does over the values that were tried: their shifts, and the mean distance to the base over all."""

    parameter: str
    label: str
    shifts: tuple[Shift, ...]
    size: Interval
    sentence: str


class Isolation(Value):
    """The effects, the largest first; 1 ``jnd`` is that many 8-bit steps. ``sentence`` is the ranking in words."""

    jnd: float
    seeds: int
    effects: tuple[Effect, ...]
    sentence: str


def values_around(name: str, value: Scalar) -> tuple[Scalar, ...]:
    """A strip of values around the base for a parameter, the base among them.

    Raises UserError for a parameter that has no natural neighbours: its values must be given.
    """
    parameter = find_parameter(name)
    if parameter.name == "seed":
        first = int(str(value))
        return tuple((first + i) % 2**64 for i in range(SEEDS))
    if parameter.name in ("sampler", "schedule"):
        usual = SAMPLERS if parameter.name == "sampler" else SCHEDULES
        return tuple(dict.fromkeys((value, *usual)))
    if parameter.kind not in ("number", "whole number") or not isinstance(value, int | float) or value == 0:
        raise UserError(
            f"{parameter.name} is {text_of(value)}, which has no natural neighbours; say which values to try:"
            f" --vary '{parameter.name}=a,b,c'."
        )
    factors = {"steps": STEPS, "cfg": CFGS}.get(parameter.name, NUMBERS)
    low = 1.0 if parameter.name == "cfg" else -math.inf if parameter.ge is None else parameter.ge
    high = math.inf if parameter.le is None else parameter.le
    numbers = [min(max(_rounded(value * factor, value, parameter.kind), low), high) for factor in factors]
    kept = sorted({*numbers, float(value)})
    return tuple(int(number) if parameter.kind == "whole number" else number for number in kept)


def _rounded(number: float, base: float, kind: str) -> float:
    """A whole number, or two digits of the base's size: 10.5 and not 10.4999."""
    if kind == "whole number":
        return float(max(1, round(number)))
    return number if number == base else round(number, 1 - math.floor(math.log10(abs(base))))


def effect(
    parameter: str,
    label: str,
    strips: Mapping[int, Sequence[tuple[str, Image]]],
    bases: Mapping[int, Image],
    *,
    jnd: float,
) -> Effect | None:
    """The effect of one parameter: for each seed, its pictures by the label of the value, and the base picture.

    The base's own value is left out of ``strips``. None where no picture can be compared.
    """
    by_label: dict[str, list[tuple[int, Image]]] = {}
    for seed, strip in strips.items():
        for name, image in strip:
            if seed in bases and image.shape == bases[seed].shape:
                by_label.setdefault(name, []).append((seed, image))
    if not by_label:
        return None
    shifts = tuple(_shift(name, found, bases, jnd) for name, found in by_label.items())
    apart = [(seed, rmse(image, bases[seed])) for found in by_label.values() for seed, image in found]
    size = _over_seeds(apart, jnd)
    return Effect(parameter=parameter, label=label, shifts=shifts, size=size, sentence=_sentence(label, shifts, size))


def _shift(name: str, found: Sequence[tuple[int, Image]], bases: Mapping[int, Image], jnd: float) -> Shift:
    worse = [[sign.worsening(sign.compute(image), sign.compute(bases[seed])) for sign in FLAWS] for seed, image in found]
    means = np.mean(worse, axis=0)
    top = int(np.argmax(means))
    return Shift(
        label=name,
        jnd=_over_seeds([(seed, rmse(image, bases[seed])) for seed, image in found], jnd),
        composition=math.fsum(composition(image, bases[seed]) for seed, image in found) / len(found),
        flawed=sum(sum(one > 1.0 for one in row) >= 2 for row in worse) / len(worse),
        worst=FLAWS[top].title if means[top] > 1.0 else None,
    )


def _over_seeds(apart: Sequence[tuple[int, float]], jnd: float) -> Interval:
    seeds: list[Hashable] = [seed for seed, _ in apart]
    found = loss_bounds([distance for _, distance in apart], seeds, alpha=ALPHA)
    return interval(found, ALPHA, factor=1.0 / jnd)


def jnd_of(images: Sequence[Image]) -> float:
    """The just noticeable difference of pictures, in 8-bit steps: their distance to their own JPEG, at least half a step."""
    return max(0.5, math.fsum(map(jpeg_rmse, images)) / len(images))


def isolation(effects: Sequence[Effect], *, jnd: float, seeds: int) -> Isolation:
    """The effects by size, and the ranking in words."""
    ordered = tuple(sorted(effects, key=lambda one: -one.size.mean))
    return Isolation(jnd=jnd, seeds=seeds, effects=ordered, sentence=_ranking(ordered))


def _ranking(ordered: Sequence[Effect]) -> str:
    """Which moves the picture most; neighbours whose bounds overlap are said to be close."""
    if not ordered:
        return "Nothing could be compared."
    words = [f"{ordered[0].label} moves the picture most ({_size(ordered[0].size)})"]
    for before, one in pairwise(ordered):
        close = one.size.high is not None and before.size.low is not None and one.size.high > before.size.low
        words.append(f"{'close behind ' if close else 'then '}{one.label} ({_size(one.size)})")
    return ", ".join(words) + "."


def _size(size: Interval) -> str:
    doubt = "" if size.low is None or size.high is None else f", {size.low:.2g} to {size.high:.2g}"
    return f"{size.mean:.2g} JND on average{doubt}"


def _sentence(label: str, shifts: Sequence[Shift], size: Interval) -> str:
    far = max(shifts, key=lambda shift: shift.jnd.mean)
    moved = max(shifts, key=lambda shift: shift.composition)
    said = f"{label}: moves the picture by {_size(size)}, most at {far.label} ({far.jnd.mean:.2g} JND)"
    said += f"; the composition most at {moved.label} ({moved.composition:.2f} of 1)"
    flawed = [shift for shift in shifts if shift.flawed >= 0.5]
    if flawed:
        names = ", ".join(shift.label for shift in flawed)
        worst = max(flawed, key=lambda shift: shift.flawed).worst
        said += f"; flawed beside the base at {names}" + (f", mostly {worst}" if worst else "")
    return said + "."
