"""Guidance as a function from denoisers to a denoiser."""

from __future__ import annotations

from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent, together
from aldente.engine.guidance.combine import Combine
from aldente.engine.levels import Level


def guided(combine: Combine, cond: Denoiser, uncond: Denoiser) -> Denoiser:
    """The denoiser that asks ``cond`` and ``uncond`` in one go and combines their estimates; ``base`` is uncond's.

    A negative prompt is an ``uncond`` of its own; a weaker model as ``uncond`` is autoguidance [Karras 2024]. Where the
    combination is off, only ``cond`` is asked.
    """
    if combine.off:
        return cond

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        with_prompt, without = yield from together([cond(x, level), uncond(x, level)])
        return Estimate(combine.apply(with_prompt.clean, without.clean), without.clean)

    return denoise


def interval(inside: Denoiser, outside: Denoiser, low: float, high: float) -> Denoiser:
    """``inside`` for ``low`` < sigma <= ``high`` and ``outside`` elsewhere: guide only where it helps [Kynkaanniemi 2024]."""

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        return inside(x, level) if low < level.sigma <= high else outside(x, level)

    return denoise
