"""What pastina states about itself."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import NormalDist

from aldente.models.port import ModelInfo

SIGMA_MIN, SIGMA_MAX = 0.03, 20.0

LOG_SIGMA = NormalDist(-0.3, 1.3)
"""The distribution of ln(sigma) in training [Karras 2022, Table 1], its centre moved for small latents."""

LEVELS = 1000

CONTROLS = ("canny", "scribble", "silhouette")
"""The kinds of control picture, in the order in which the control encoder counts them."""

HOLE_GREY = 128
"""What the autoencoder is shown, in all channels, where a picture is to be filled."""

APART = frozenset({"enlarger", "scorer"})
"""Networks among the weights that have no part in drawing; they have fingerprints of their own."""


def drawing_files(weights: Path) -> list[Path]:
    """The files among the weights that determine a picture."""
    return [*(path for path in sorted(weights.glob("*.onnx")) if path.stem not in APART), weights / "tokenizer.json"]


def fingerprint(files: Iterable[Path]) -> str:
    """The SHA-256 of the names and contents of ``files``, hexadecimal."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def training_sigmas() -> tuple[float, ...]:
    """The noise levels of training as evenly likely quantiles, ascending, from ``SIGMA_MIN`` to ``SIGMA_MAX``."""
    low, high = (LOG_SIGMA.cdf(math.log(sigma)) for sigma in (SIGMA_MIN, SIGMA_MAX))
    shares = (low + (high - low) * index / (LEVELS - 1) for index in range(1, LEVELS - 1))
    return (SIGMA_MIN, *(math.exp(LOG_SIGMA.inv_cdf(share)) for share in shares), SIGMA_MAX)


def describe(weights: str, *, controls: bool, inpaints: bool) -> ModelInfo:
    """The facts, given the fingerprint of its ``weights`` and which encoders of hints are among them.

    The bytes were measured, see docs/pastina.md.
    """
    return ModelInfo(
        name="pastina",
        title="pastina (embedded, 64 px)",
        fingerprint=weights,
        family="exploding",
        prediction="v",
        latent_channels=4,
        latent_scale=4,
        sigma_min=SIGMA_MIN,
        sigma_max=SIGMA_MAX,
        sigmas=training_sigmas(),
        native=((64, 64),),
        size_multiple=16,
        size_min=48,
        size_max=128,
        rows=32,
        bytes_fixed=280_000_000,
        bytes_per_row=1_700_000,
        prompt_tokens=14,
        controls=CONTROLS if controls else (),
        control_mode="control",
        inpaints=inpaints,
        upscaler="pastina-4x",
        takes_loras=True,
    )
