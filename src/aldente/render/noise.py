"""The noise of one picture: where it starts, what its steps add, and the streams they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Latent
from aldente.engine.levels import Level
from aldente.engine.noise import RngInfo, brownian, find_rng, in_order, initial, normal, started
from aldente.engine.noise.steps import independent
from aldente.engine.noise.streams import per_image
from aldente.engine.trajectory import StepNoise
from aldente.engine.variation import A1111_AXES, centred, varied
from aldente.recipe.stages import Base, Source

Shape = tuple[int, int, int]


class Noise(NamedTuple):
    """What a run needs of randomness: ``unit`` noise, the same at the level where it starts, and that of steps and of churn."""

    start: Latent
    step: StepNoise
    churn: StepNoise
    unit: Latent


def noise_of(
    seed: int, base: Base | Source, rng: str, shape: Shape, level: Level, *, stage: int = 0, latent_scale: int = 1
) -> Noise:
    """The noise of a picture of latent ``shape`` (c h w) whose run starts at ``level``.

    Our own source keeps one Brownian path for all steps, so that more steps refine the same picture, and streams of its own
    for each ``stage``; the sources of other programs draw in order and begin again at each stage, as those programs do.
    ``latent_scale`` is the size in px of a latent pixel: what a seed resize is counted in.
    """
    info = find_rng(rng)
    like: NDArray[np.float32] = np.zeros((1, *shape), dtype=np.float32)
    if info.by_level:
        unit = _leaning(seed, base, partial(_ours, stage), shape, latent_scale, (1, 2, 3))
        step, churn = (_purpose(name, stage) for name in ("step", "churn"))
        path = brownian([seed], like, purpose=step)
        return Noise(started(unit, level), path, independent([seed], like, purpose=churn), unit)
    stream = info.stream(seed)
    own = per_image([stream], like)
    unit = _leaning(seed, base, partial(_theirs, info, own), shape, latent_scale, A1111_AXES)
    step_noise = in_order([stream], like)
    return Noise(started(unit, level), step_noise, step_noise, unit)


def content_noise(seed: int, rng: str, shape: Shape, *, stage: int) -> Latent:
    """Unit noise to lie under a mask at the start; A1111 takes what the seed draws first."""
    info = find_rng(rng)
    like: NDArray[np.float32] = np.zeros((1, *shape), dtype=np.float32)
    if info.by_level:
        return per_image([partial(normal, seed, _purpose("content", stage), (0,))], like)
    return initial([info.stream(seed)], like)


class _Draw(NamedTuple):
    """What a source is asked for: unit noise of ``shape``; ``around`` is that which a smaller picture's is put into."""

    seed: int
    shape: Shape
    around: bool = False


def _purpose(name: str, stage: int) -> str:
    return name if stage == 0 else f"{name}/{stage}"


def _ours(stage: int, draw: _Draw) -> Latent:
    # What lies around must not repeat the numbers of what is put into it.
    name = "initial around" if draw.around else "initial"
    return per_image([partial(normal, draw.seed, _purpose(name, stage), (0,))], np.zeros((1, *draw.shape), dtype=np.float32))


def _theirs(info: RngInfo, own: Latent, draw: _Draw) -> Latent:
    if draw.around:
        return own
    return initial([info.stream(draw.seed)], np.zeros((1, *draw.shape), dtype=np.float32))


def _leaning(
    seed: int, base: Base | Source, draw: Callable[[_Draw], Latent], shape: Shape, scale: int, axes: tuple[int, ...]
) -> Latent:
    """The unit noise of a seed, leaning to the variation's, its middle that of the size it is carried over from."""
    inner = shape
    if base.seed_width is not None and base.seed_height is not None:
        inner = (shape[0], base.seed_height // scale, base.seed_width // scale)
    unit = draw(_Draw(seed, inner))
    if base.variation_seed is not None and base.variation_strength is not None:
        unit = varied(unit, draw(_Draw(base.variation_seed, inner)), base.variation_strength, axes=axes)
    return centred(unit, draw(_Draw(seed, shape, around=True))) if inner != shape else unit
