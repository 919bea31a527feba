"""Opening a checkpoint: its parts in memory, nothing asked of any network, no pickle opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors.torch import load_file

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.plan import Plan
from aldente.models.single_file.opening import open_single_file

_SINGLE = "diffusion_pytorch_model"


def open_pipeline(path: Path, facts: CheckpointFacts, plan: Plan) -> Any:
    """The pipeline of a diffusers folder or of one file; raises UserError where it cannot be opened."""
    if path.is_dir():
        return open_folder(path, plan)
    with quiet():
        return open_single_file(path, facts, dtype=plan.dtype)


def open_folder(folder: Path, plan: Plan) -> Any:
    """The pipeline of a diffusers folder, its weights in the plan's numbers; raises UserError where it cannot be opened."""
    if not (folder / "model_index.json").is_file():
        raise UserError(f"'{folder}' has no model_index.json, so it is no diffusers folder; name the folder of a whole model.")
    with quiet():
        try:
            return diffusers.DiffusionPipeline.from_pretrained(
                folder,
                dtype=getattr(torch, plan.dtype),
                local_files_only=True,
                use_safetensors=True,
                variant=_variant(folder),
                **_left_out(folder),
            )
        except (OSError, ValueError) as error:
            raise UserError(f"'{folder}' cannot be opened: {_first_line(error)}") from error


def open_control(path: Path, pipeline: Any, plan: Plan) -> Any:
    """The control network or adapter in a diffusers folder or a file, for the U-Net of ``pipeline``.

    Raises UserError where it is none, or belongs to another U-Net.
    """
    with quiet():
        try:
            net = _control_folder(path) if path.is_dir() else _control_file(path, pipeline.unet)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise UserError(f"'{path}' cannot steer this checkpoint: {_first_line(error)}") from error
    return net.eval().requires_grad_(False).to(device=plan.device, dtype=getattr(torch, plan.dtype))


def _control_folder(path: Path) -> Any:
    config = (path / "config.json").read_text(encoding="utf-8")
    kind = diffusers.T2IAdapter if '"T2IAdapter"' in config else diffusers.ControlNetModel
    return kind.from_pretrained(path, local_files_only=True, use_safetensors=True)


def _control_file(path: Path, unet: Any) -> Any:
    """A ControlNet in one file, named as diffusers or as its authors name its parts."""
    weights = load_file(path)
    net = diffusers.ControlNetModel.from_unet(unet, load_weights_from_unet=False)
    if not any(name.startswith("controlnet_cond_embedding.") for name in weights):
        weights = convert_controlnet_checkpoint(weights, config=dict(net.config))
    net.load_state_dict(weights)
    return net


def _variant(folder: Path) -> str | None:
    """The variant of the weights where there are no plain ones."""
    for part in ("unet", "transformer"):
        names = [path.name for path in (folder / part).glob("*.safetensors")]
        if names and not any(name.startswith((f"{_SINGLE}.safetensors", f"{_SINGLE}-0")) for name in names):
            return next((name.split(".")[1] for name in names if name.count(".") >= 2), None)
    return None


def _left_out(folder: Path) -> dict[str, Any]:
    """What a pipeline can do without: pictures are not judged here."""
    index = (folder / "model_index.json").read_text(encoding="utf-8")
    if '"safety_checker"' not in index:
        return {}
    return {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Let neither library draw bars or tell of packages that are not needed here."""
    loud = transformers.utils.logging.get_verbosity(), diffusers.utils.logging.get_verbosity()
    bars = transformers.utils.logging.is_progress_bar_enabled(), diffusers.utils.logging.is_progress_bar_enabled()
    for library in (transformers, diffusers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity, bar in zip((transformers, diffusers), loud, bars, strict=True):
            library.utils.logging.set_verbosity(verbosity)
            if bar:
                library.utils.logging.enable_progress_bar()
