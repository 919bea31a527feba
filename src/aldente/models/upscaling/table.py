"""The upscalers that aldente knows by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

from PIL.Image import Resampling

from aldente.engine.errors import UserError, unknown
from aldente.engine.spelling import indexed
from aldente.models.upscaling import pastina, real_esrgan
from aldente.models.upscaling.port import Upscaler, UpscalerEntry, UpscalerInfo
from aldente.models.upscaling.resampling import LatentResampler, Resampler


def upscalers() -> tuple[UpscalerEntry, ...]:
    """Every upscaler: resamplers of pixels, resamplers of latents, networks."""
    return (
        _pixel("nearest", "Nearest", Resampling.NEAREST, "nearest-exact"),
        _pixel("box", "Box", Resampling.BOX, "area"),
        _pixel("bilinear", "Bilinear", Resampling.BILINEAR, "linear", "triangle"),
        _pixel("hamming", "Hamming", Resampling.HAMMING),
        _pixel("bicubic", "Bicubic", Resampling.BICUBIC, "cubic"),
        # A1111's upscaler None leaves the picture as it is, and its size is then made with Lanczos.
        _pixel("lanczos", "Lanczos", Resampling.LANCZOS, "lanczos3", "none"),
        _latent("latent", "Latent", "latent (bilinear)", "latent bilinear"),
        _latent("latent_bilinear_antialiased", "Latent (antialiased)", "latent antialiased", "latent (bilinear antialiased)"),
        _latent("latent_bicubic", "Latent (bicubic)"),
        _latent("latent_bicubic_antialiased", "Latent (bicubic antialiased)"),
        _latent("latent_nearest", "Latent (nearest)"),
        _latent("latent_nearest_exact", "Latent (nearest-exact)"),
        _entry(pastina.INFO, pastina.load),
        *(_entry(variant.info, partial(real_esrgan.load, variant)) for variant in real_esrgan.VARIANTS),
    )


def find_upscaler(name: str) -> UpscalerEntry:
    """The upscaler called ``name``, in any usual spelling, else the user's file of that path or name.

    Raises ``UserError`` naming the nearest one if there is none.
    """
    found = _index().get(_plain(name))
    if found is not None:
        return found
    from aldente.models.upscaling.users import user_upscaler  # noqa: PLC0415  # which looks through folders

    users = user_upscaler(name)
    if users is not None:
        return users
    known = (entry.name for entry in upscalers())
    if _plain(name) in _ELSEWHERE:
        raise UserError(
            f"upscaler '{name}' is one of other programs, whose weights are not found here: give its file, or say where your"
            f" upscalers are (aldente models add FOLDER), or choose one of: {', '.join(known)}."
        )
    raise unknown("upscaler", name, known)


def _plain(name: str) -> str:
    """Names made comparable: capitals, separators and the ending of a file of weights do not count."""
    return " ".join(
        re.sub(r"\.(pth|pt|safetensors|bin)$", "", name.strip().lower()).replace("_", " ").replace("-", " ").split()
    )


_ELSEWHERE = frozenset(
    _plain(name)
    for name in (
        "ESRGAN_4x", "ESRGAN", "RealESRGAN_x2plus", "R-ESRGAN 2x+", "R-ESRGAN General 4xV3", "R-ESRGAN General WDN 4xV3",
        "4x-UltraSharp", "4x-UltraSharpV2", "4x_foolhardy_Remacri", "4x-Remacri", "4x_NMKD-Siax_200k",
        "4x_NMKD-Superscale-SP_178000_G",
        "4x-AnimeSharp", "8x_NMKD-Superscale_150000_G", "BSRGAN", "LDSR", "SwinIR_4x", "SwinIR 4x", "ScuNET", "ScuNET GAN",
        "ScuNET PSNR", "DAT x2", "DAT x3", "DAT x4", "HAT", "OmniSR_X4_DIV2K", "bislerp",
    )
)  # fmt: skip
"""What users of other programs type; the error then says more than that the name is unknown."""


@lru_cache(maxsize=1)
def _index() -> dict[str, UpscalerEntry]:
    return indexed("upscaler", upscalers(), _plain)


def _pixel(name: str, title: str, kernel: Resampling, *aliases: str) -> UpscalerEntry:
    info = UpscalerInfo(name=name, title=title, aliases=aliases, space="pixel")
    return _entry(info, lambda _: Resampler(info=info, kernel=kernel))


def _latent(name: str, title: str, *aliases: str) -> UpscalerEntry:
    info = UpscalerInfo(name=name, title=title, aliases=aliases, space="latent")
    return _entry(info, lambda _: LatentResampler(info=info))


def _entry(info: UpscalerInfo, load: Callable[[int | None], Upscaler]) -> UpscalerEntry:
    return UpscalerEntry(
        name=info.name, title=info.title, aliases=info.aliases, space=info.space, factor=info.factor, load=load
    )
