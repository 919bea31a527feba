"""Opening a checkpoint: its parts in memory, nothing asked of any network, no pickle opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.plan import Plan
from aldente.models.single_file.opening import open_single_file, open_vae

WEIGHTS = "diffusion_pytorch_model"
"""What diffusers calls the files of a network's weights."""


def open_pipeline(path: Path, facts: CheckpointFacts, plan: Plan, *, vae: Path | None = None, like: Path | None = None) -> Any:
    """The pipeline of a diffusers folder or of one file; raises UserError where it cannot be opened.

    ``vae`` is the file of another autoencoder, ``like`` a diffusers folder for what a file leaves out, its configurations and
    its tokenizers.
    """
    if path.is_dir():
        pipeline = open_folder(path, plan)
        if vae is not None:
            pipeline.register_modules(vae=open_vae(vae, dict(pipeline.vae.config), dtype=plan.dtype))
        return pipeline
    with quiet():
        return open_single_file(path, facts, dtype=plan.dtype, vae=vae, like=like)


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
            raise UserError(f"'{folder}' cannot be opened: {first_line(error)}") from error


def _variant(folder: Path) -> str | None:
    """The variant of a pipeline's weights where there are no plain ones."""
    return next((found for part in ("unet", "transformer") if (found := variant_in(folder / part)) is not None), None)


def variant_in(folder: Path) -> str | None:
    """The variant of a network's weights where there are no plain ones."""
    names = [path.name for path in folder.glob("*.safetensors")]
    if any(name.startswith((f"{WEIGHTS}.safetensors", f"{WEIGHTS}-0")) for name in names):
        return None
    return next((name.split(".")[1] for name in names if name.count(".") >= 2), None)


def _left_out(folder: Path) -> dict[str, Any]:
    """What a pipeline can do without: pictures are not judged here."""
    index = (folder / "model_index.json").read_text(encoding="utf-8")
    if '"safety_checker"' not in index:
        return {}
    return {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def first_line(error: Exception) -> str:
    """What an error says, without its details."""
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
