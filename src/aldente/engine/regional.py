"""Different denoisers in different regions of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, mul

from array_api_compat import array_namespace

from aldente.engine.conditioning import mixed
from aldente.engine.denoise import Asking, Denoiser, Estimate, Latent, together
from aldente.engine.errors import UserError
from aldente.engine.levels import Level


def regional(regions: Sequence[tuple[Latent, Denoiser]]) -> Denoiser:
    """Each denoiser under its mask; soft masks blend, in proportion where they overlap [Bar-Tal 2023].

    A mask is never negative and broadcasts to the latent (h w, or 1 1 h w). Everything is asked in one go. Raises UserError
    where a pixel is under no mask.
    """
    masks = [mask for mask, _ in regions]
    total = reduce(add, masks)
    if not float(array_namespace(total).min(total)) > 0.0:
        raise UserError("a part of the picture is under no region; add a region that covers all of it, with a small weight.")
    shares = [mask / total for mask in masks]

    def blend(estimates: list[Latent]) -> Latent:
        return reduce(add, map(mul, shares, estimates))

    def denoise(x: Latent, level: Level) -> Asking[Estimate]:
        estimates = yield from together([piece(x, level) for _, piece in regions])
        return mixed(estimates, blend)

    return denoise
