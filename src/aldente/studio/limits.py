"""What one picture costs on this machine, and the setting that fits into what it may cost."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pydantic import Field

from aldente.engine.errors import UserError
from aldente.models.port import Model, ModelInfo
from aldente.recipe.names import combined_title
from aldente.recipe.parameters import Scalar
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.value import Value
from aldente.studio.forecast import count_calls, duration, seconds_per_row
from aldente.studio.workbench import Workbench
from aldente.tuning.advice import best_within, told
from aldente.tuning.result import TuningResult

FEWEST_STEPS = 5
"""With fewer steps than these no usual sampler draws a picture."""


class Limits(Value):
    """What one picture may cost: seconds and bytes of memory; None is as much as it takes."""

    seconds: float | None = Field(None, gt=0)
    bytes: float | None = Field(None, gt=0)


def limits_of(seconds: float | None, megabytes: float | None) -> Limits:
    """The limits as users say them. Raises UserError for what is not above 0."""
    for name, amount, unit in (("max-seconds", seconds, "seconds"), ("max-memory", megabytes, "MB")):
        if amount is not None and not 0 < amount < math.inf:
            raise UserError(f"--{name} is {amount:g}; it must be a number of {unit} above 0.")
    return Limits(seconds=seconds, bytes=None if megabytes is None else megabytes * 1e6)


class Price(Value):
    """What one picture costs on this machine: model calls, seconds, and bytes of memory at the peak."""

    calls: int
    seconds: float
    bytes: int

    def sentence(self) -> str:
        """The price in one line."""
        return f"{self.calls} model calls, about {_short(self.seconds)}, {self.bytes / 1e6:.0f} MB of memory"


def price_of(bench: Workbench, recipe: Recipe) -> Price:
    """The price of one picture: calls counted by the engine, seconds by the speed measured now."""
    model = bench.model(recipe.model)
    calls = count_calls(recipe, model)
    speed = seconds_per_row(bench, model, (recipe.width, recipe.height))
    return Price(calls=calls, seconds=calls * speed, bytes=_bytes(recipe, model.info))


def fit_into(bench: Workbench, recipe: Recipe, limits: Limits, result: TuningResult | None) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe changed as little as the limits ask for, and a sentence for each change.

    Seconds are saved on steps and sampler, by the curves of ``result`` where there are any; memory on the size.
    Raises UserError when nothing fits.
    """
    said: list[str] = []
    model = bench.model(recipe.model)
    if limits.bytes is not None and _bytes(recipe, model.info) > limits.bytes:
        smaller = _smaller(recipe, model.info, limits.bytes)
        said.append(
            f"{limits.bytes / 1e6:.0f} MB do not hold {recipe.width}x{recipe.height}:"
            f" {smaller.width}x{smaller.height} is the largest size that fits."
        )
        recipe = smaller
    if limits.seconds is not None:
        speed = seconds_per_row(bench, model, (recipe.width, recipe.height))
        if count_calls(recipe, model) * speed > limits.seconds:
            recipe, why = _quicker(recipe, model, limits.seconds, speed, result)
            said.append(why)
    return recipe, tuple(said)


def _bytes(recipe: Recipe, info: ModelInfo) -> int:
    """Memory of one call of one picture: with and without the prompt, rows growing with the area."""
    rows = 1 if recipe.sampling.guidance.scale == 1.0 else 2
    width, height = info.native[0]
    return info.bytes_fixed + math.ceil(rows * info.bytes_per_row * recipe.width * recipe.height / (width * height))


def _smaller(recipe: Recipe, info: ModelInfo, most: float) -> Recipe:
    """The largest size of about the same shape that fits. Raises UserError when none does."""
    for smaller in _sizes(recipe, info):
        if _bytes(smaller, info) <= most:
            return smaller
    raise UserError(
        f"no size fits into {most / 1e6:.0f} MB: model '{info.name}' alone takes {info.bytes_fixed / 1e6:.0f} MB;"
        f" allow more memory."
    )


def _sizes(recipe: Recipe, info: ModelInfo) -> Iterator[Recipe]:
    step = info.size_multiple
    for width in range(recipe.width - step, info.size_min - 1, -step):
        height = max(info.size_min, round(width * recipe.height / recipe.width / step) * step)
        yield recipe.model_copy(update={"width": width, "height": height})


def _quicker(recipe: Recipe, model: Model, seconds: float, speed: float, result: TuningResult | None) -> tuple[Recipe, str]:
    """The best setting that is drawn in time: by the measured curves, or by fewer steps. Raises UserError when none is."""
    limit = f"{_short(seconds)} are {int(seconds / speed)} model calls here"
    found = None if result is None else best_within(result, seconds / speed)
    if result is not None and found is not None:
        settings: dict[str, Scalar] = {"sampler": found.sampler, "schedule": found.schedule, "steps": found.steps}
        near = "still within tolerance" if found.within_tolerance else f"above the tolerance of {result.tolerance.delta:.2g}"
        return set_parameters(recipe, settings), f"{limit}: of what was measured, {told(found, result)} loses least, {near}."
    for steps in range(recipe.sampling.steps - 1, 0, -1):
        fewer = set_parameters(recipe, {"steps": steps})
        if count_calls(fewer, model) * speed <= seconds:
            few = f"; fewer than {FEWEST_STEPS} draw no picture" if steps < FEWEST_STEPS else ""
            title = combined_title(f"{recipe.sampling.sampler} {recipe.sampling.schedule}")
            return fewer, f"{limit}: {title} gets {steps} steps instead of {recipe.sampling.steps} (not measured{few})."
    least = count_calls(set_parameters(recipe, {"steps": 1}), model) * speed
    raise UserError(f"nothing is drawn in {seconds:g} s here: a single step takes {least:.2g} s. Allow more time.")


def _short(seconds: float) -> str:
    """Seconds in words, hundredths where they matter."""
    return f"{seconds:.2g} s" if seconds < 10 else duration(seconds)
