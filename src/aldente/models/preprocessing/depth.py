"""How far away things are, by a depth network of the user's: a folder of transformers (Depth Anything, DPT, ZoeDepth)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from aldente.engine.errors import UserError
from aldente.models.port import Image

KINDS = ("depth_anything", "dpt", "zoedepth", "glpn")
"""The networks that are known, as their configurations call them."""

METRIC = ("zoedepth", "glpn")
"""Those that answer in metres, in which what is near is small."""


def is_depth_folder(path: Path) -> bool:
    """Whether a folder holds a depth network."""
    return _kind(path) in KINDS


def depth_by(folder: Path) -> Callable[[Image], Image]:
    """What makes a depth picture by the network in ``folder``: white is near, black is far.

    Raises UserError where the packages that it needs are not installed or the folder cannot be opened.
    """
    missing = [package for package in ("torch", "transformers") if find_spec(package) is None]
    if missing:
        raise UserError(f"'{folder}' needs {', '.join(missing)}, not installed; run: pip install 'aldente[diffusers]'.")
    return partial(_depth, folder)


def _depth(folder: Path, image: Image) -> Image:
    import torch  # noqa: PLC0415  # heavy, and not in the default install

    processor, network = _opened(folder)
    pixels = np.asarray(image)
    shown = processor(images=Pillow.fromarray(pixels), return_tensors="pt")
    with torch.inference_mode():
        found = network(**shown).predicted_depth.float()
        sized = torch.nn.functional.interpolate(found[:, None], size=pixels.shape[:2], mode="bicubic", align_corners=False)
    far = sized[0, 0].numpy()
    near = -far if _is_metric(network.config) else far
    spread = float(near.max() - near.min())
    share = (near - near.min()) / spread if spread > 0.0 else np.zeros_like(near)
    return np.repeat(np.round(share * 255.0).astype(np.uint8)[..., None], 3, axis=2)


@lru_cache(maxsize=1)
def _opened(folder: Path) -> tuple[Any, Any]:
    """The network and what shows it pictures; the last one stays in memory."""
    import transformers  # noqa: PLC0415  # heavy, and not in the default install

    try:
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        network = transformers.AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"'{folder}' cannot be opened: {str(error).strip().splitlines()[0]}") from error
    return processor, network.eval().requires_grad_(requires_grad=False)


def _is_metric(config: Any) -> bool:
    return config.model_type in METRIC or getattr(config, "depth_estimation_type", None) == "metric"


def _kind(path: Path) -> str:
    try:
        told = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(told.get("model_type", "")) if isinstance(told, dict) else ""
