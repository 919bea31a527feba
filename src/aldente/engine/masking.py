"""Keeping a part of a known picture: at every level the known part is put back, noised to that level [Lugmayr 2022, Eq. 8].

The noise is fixed for the run. The known part then follows the very path along which a deterministic sampler would bring
it back, and in the end it is the known latent itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from array_api_compat import array_namespace

from aldente.engine.conditioning import mixed, step_of
from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent
from aldente.engine.levels import Level


def inpainted(denoise: Denoiser, known: Latent, noise: Latent, mask: Latent) -> Denoiser:
    """``denoise`` where ``mask`` is 1, ``known`` where it is 0, a blend between.

    ``noise`` is unit noise, the same that the run starts from. ``mask`` broadcasts to the latent.
    """
    return _kept(denoise, known, noise, lambda _: mask)


def differential(denoise: Denoiser, known: Latent, noise: Latent, strength: Latent, levels: Sequence[Level]) -> Denoiser:
    """``denoise`` with a strength for each pixel: one of strength s is free for the last s of the steps [Levin 2023].

    Strength 1 is redrawn from the start, strength 0 is kept; ``levels`` are the run's.
    """

    def free(level: Level) -> Latent:
        xp = array_namespace(strength)
        progress = step_of(levels, level.sigma) / (len(levels) - 1)
        return xp.astype(strength >= 1.0 - progress - 1e-6, strength.dtype)

    return _kept(denoise, known, noise, free)


def _kept(denoise: Denoiser, known: Latent, noise: Latent, mask_at: Callable[[Level], Latent]) -> Denoiser:
    def denoise_free(x: Latent, level: Level) -> Asking[Estimate]:
        mask = mask_at(level)
        noised = level.alpha * known + level.sigma * noise
        estimate = yield from denoise(mask * x + (1.0 - mask) * noised, level)
        return mixed([estimate], lambda answers: mask * answers[0] + (1.0 - mask) * known)

    return denoise_free
