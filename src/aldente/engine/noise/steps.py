"""Step noise without memory: each pair of levels has its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aldente.engine.denoise import Latent
from aldente.engine.noise.streams import float_bits, normal, per_image
from aldente.engine.trajectory import StepNoise


def independent(seeds: Sequence[int], like: Latent, *, purpose: str = "step") -> StepNoise:
    """Unit noise drawn anew for each (sigma, sigma_next), row i from ``seeds[i]`` alone.

    The same pair gives the same noise; pairs that differ in one bit have nothing in common.
    """

    def noise(sigma: float, sigma_next: float) -> Latent:
        index = (float_bits(sigma), float_bits(sigma_next))
        return per_image([partial(normal, seed, purpose, index) for seed in seeds], like)

    return noise
