"""Noise in order of drawing, as other programs make it: needed to reproduce their pictures, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from aldente.engine.denoise import Latent
from aldente.engine.noise.streams import normal, per_image
from aldente.engine.trajectory import StepNoise

Stream = Callable[[Sequence[int]], NDArray[Any]]
"""One image's generator: each call draws the next array of that shape."""


def keyed(seed: int) -> Stream:
    """Our own streams, drawn in order: initial noise first."""
    drawn = 0

    def draw(shape: Sequence[int]) -> NDArray[Any]:
        nonlocal drawn
        drawn += 1
        return normal(seed, "initial", (drawn - 1,), shape)

    return draw


def in_order(streams: Sequence[Stream], like: Latent) -> StepNoise:
    """Step noise drawn one array per question from each image's stream, whatever the levels.

    Each image keeps to its own stream, so its noise does not depend on its batch; it does depend on the number of questions.
    """

    def noise(sigma: float, sigma_next: float) -> Latent:
        del sigma, sigma_next
        return per_image(streams, like)

    return noise
