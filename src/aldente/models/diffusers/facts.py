"""What a checkpoint states about itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aldente.models.checkpoints.facts import FAMILIES, CheckpointFacts
from aldente.models.diffusers.needs import Drawing, needs
from aldente.models.diffusers.plan import Plan
from aldente.models.diffusers.training import Training
from aldente.models.port import ModelInfo

SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model"})
"""The files of a folder that determine a picture."""

PROGRAM = 1 << 28
"""The bytes that Python and its libraries take themselves."""

DISTILLED = 3.5
"""The guidance that FLUX dev is told where nothing is said."""

CONSISTENCY = 8.0
"""The guidance that a consistency model is told where nothing is said [Luo 2023]."""

_FLOW: tuple[tuple[str, str | float | int], ...] = (("sampler", "euler"), ("schedule", "flow"), ("steps", 28))


def fingerprint(folder: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of all files of a folder that determine a picture, hexadecimal."""
    if folder.is_file():
        with folder.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def describe(
    *,
    name: str,
    weights: str,
    pipeline: Any,
    denoiser: Any,
    training: Training,
    facts: CheckpointFacts,
    clip_layers: int,
    scale: int,
    channels: int,
    plan: Plan,
    rows: int,
    controls: Iterable[str],
    references: Iterable[str],
) -> ModelInfo:
    """The facts, given the fingerprint of the ``weights``, the parts, and what is known of the file."""
    multiple = scale if hasattr(denoiser.config, "cross_attention_dim") else 2 * scale
    native = native_sizes(denoiser, pipeline.vae, facts, scale)
    longest = max(max(size) for size in native)
    bytes_fixed, bytes_per_row = _memory(pipeline, plan, native[0], rows)
    return ModelInfo(
        name=name,
        title=f"{name} ({_title(facts)})",
        fingerprint=weights,
        family=training.family,
        prediction=training.prediction,
        latent_channels=channels,
        latent_scale=scale,
        sigma_min=training.sigmas[0],
        sigma_max=training.sigmas[-1],
        sigmas=training.sigmas,
        native=native,
        size_multiple=multiple,
        size_min=8 * multiple if longest >= 256 else multiple,
        size_max=max(2 * longest, 2048),
        rows=rows,
        bytes_fixed=bytes_fixed,
        bytes_per_row=bytes_per_row,
        prompt_tokens=75,
        controls=tuple(controls),
        references=tuple(references),
        inpaints=denoiser.config.in_channels == 2 * channels + 1,
        worded=True,
        softens=hasattr(denoiser.config, "cross_attention_dim"),
        merges_tokens=type(denoiser).__name__ == "UNet2DConditionModel",
        clip_layers=clip_layers,
        distilled=_distilled(denoiser),
        shift=training.shift,
        shift_by_size=training.dynamic,
        usual=tuple(_usual(denoiser, training, facts).items()),
    )


def _title(facts: CheckpointFacts) -> str:
    return "diffusers" if facts.architecture is None else FAMILIES[facts.architecture].title


def native_sizes(denoiser: Any, vae: Any, facts: CheckpointFacts, scale: int) -> tuple[tuple[int, int], ...]:
    """The sizes that it was trained at: those of its family, unless its configuration tells of another."""
    cells = getattr(denoiser.config, "sample_size", None)
    side = int(cells) * scale if isinstance(cells, int) else int(vae.config.sample_size)
    if facts.native and max(facts.native[0]) == side:
        return facts.native
    return ((side, side),)


def _distilled(denoiser: Any) -> float | None:
    if getattr(denoiser.config, "guidance_embeds", False):
        return DISTILLED
    return CONSISTENCY if getattr(denoiser.config, "time_cond_proj_dim", None) is not None else None


def _usual(denoiser: Any, training: Training, facts: CheckpointFacts) -> dict[str, str | float | int]:
    """The settings under which a model of this kind is used."""
    usual: dict[str, str | float | int] = dict(_FLOW) if training.family == "flow" else {}
    if training.family == "flow":
        usual["cfg"] = 1.0 if type(denoiser).__name__ == "FluxTransformer2DModel" else 4.5
    elif training.sigmas[-1] > 1000.0:
        usual |= {"schedule": "trailing", "cfg_rescale": 0.7}
    if facts.steps is not None:
        usual |= {"steps": facts.steps[1], "cfg": 1.0}
        if training.family != "flow":
            consistency = facts.distilled.lower() in ("lcm", "tcd")
            usual |= {"sampler": "lcm" if consistency else "euler", "schedule": "trailing"}
            usual.pop("cfg_rescale", None)
    return usual


def _memory(pipeline: Any, plan: Plan, size: tuple[int, int], rows: int) -> tuple[int, int]:
    """The bytes that drawing at ``size`` (height, width) takes whatever the rows, and those of each row."""
    one, all_ = (needs(pipeline, plan, Drawing(rows=count, height=size[0], width=size[1])) for count in (1, rows))
    more = all_.drawing.activations - one.drawing.activations
    per_row = more // (rows - 1) if rows > 1 else one.drawing.activations
    return PROGRAM + one.peak(plan) - min(per_row, one.drawing.activations), max(per_row, 1)
