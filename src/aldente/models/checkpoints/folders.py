"""Diffusers folders: what their configurations say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import FAMILIES, Architecture, CheckpointFacts, Prediction
from aldente.models.checkpoints.header import read_header
from aldente.models.checkpoints.inspecting import with_distillation

INDEX = "model_index.json"

ALONE = "drawn by its own pipeline ({}): a picture at a time from plain words; no controls, no pictures to begin with, no LoRAs"
"""What is said of pipelines that aldente does not run at their denoiser."""

_DENOISERS = ("UNet2DConditionModel", "SD3Transformer2DModel", "FluxTransformer2DModel", "")
"""The denoisers of the architectures that are known; old configurations do not say."""

_MOST_BYTES = 2**20

_PIPELINES: tuple[tuple[str, Architecture], ...] = (
    ("StableDiffusionXL", "sdxl"),
    ("StableDiffusion3", "sd3"),
    ("Flux", "flux-dev"),
    ("StableDiffusion", "sd1"),
    ("LatentConsistency", "sd1"),
)
"""What the name of a pipeline begins with, and its architecture as far as the name tells."""

_PREDICTIONS: dict[str, Prediction] = {"epsilon": "eps", "v_prediction": "v", "flow_prediction": "flow"}

_WEIGHTS = ("diffusion_pytorch_model*.safetensors", "model*.safetensors")


def is_folder(path: Path) -> bool:
    """Whether a folder is a diffusers pipeline."""
    return (path / INDEX).is_file()


def inspect_folder(path: Path) -> CheckpointFacts:
    """The facts of a diffusers folder; raises UserError where it is none or its configurations are damaged."""
    if not is_folder(path):
        raise UserError(f"'{path}' is a folder without {INDEX}, so no diffusers model; name a model's folder or file.")
    index = _read(path / INDEX)
    pipeline = str(index.get("_class_name", ""))
    parts = {name: _read(path / name / "config.json") for name in ("unet", "transformer", "vae")}
    scheduler = _read(path / "scheduler" / "scheduler_config.json")
    architecture = _architecture(pipeline, parts)
    if index.get("requires_aesthetics_score") is True:
        architecture = "sdxl-refiner"
    denoiser = "transformer" if parts["transformer"] else "unet"
    facts = CheckpointFacts(
        kind="checkpoint",
        architecture=architecture,
        layout="diffusers",
        variant={9: "inpaint", 8: "edit"}.get(_count(parts["unet"], "in_channels"), ""),
        inputs=_count(parts[denoiser], "in_channels") or None,
        has=tuple(name for name, config in (("denoiser", parts[denoiser]), ("vae", parts["vae"])) if config),
        latent_channels=_count(parts["vae"], "latent_channels") or None,
        title=pipeline,
        notes=_notes(path, denoiser),
        **_weighed(path / denoiser),
    )
    if architecture is None and parts[denoiser]:
        return replace(facts, notes=(*facts.notes, ALONE.format(pipeline)))
    if architecture is not None:
        facts = _with_scheduler(facts, architecture, scheduler, parts)
    return with_distillation(facts, _names(path))


def _names(path: Path) -> str:
    """The folder's name; in the hub's cache, that of the repository."""
    return next((part for part in path.parts if part.startswith("models--")), path.name)


def _read(path: Path) -> dict[str, Any]:
    """A table of JSON; empty where there is no file."""
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(_MOST_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"'{path}' cannot be read as JSON: the model's folder is damaged; copy or download it again."
        ) from error
    if not isinstance(found, dict):
        raise UserError(f"'{path}' is not a table of settings: the model's folder is damaged; copy or download it again.")
    return found


def _count(config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else 0


def _number(config: dict[str, Any], key: str) -> float | None:
    value = config.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6 else None


def _architecture(pipeline: str, parts: dict[str, dict[str, Any]]) -> Architecture | None:
    transformer, unet = parts["transformer"], parts["unet"]
    runs = all(part.get("_class_name", "") in _DENOISERS for part in (transformer, unet))
    named = next((architecture for begins, architecture in _PIPELINES if runs and pipeline.startswith(begins)), None)
    if named == "flux-dev":
        return "flux-dev" if transformer.get("guidance_embeds") else "flux-schnell"
    if named == "sd3" and transformer.get("dual_attention_layers"):
        return "sd3.5-medium"
    if named == "sd3":
        return "sd3.5-large" if transformer.get("qk_norm") else "sd3"
    if named == "sdxl":
        refines = unet.get("cross_attention_dim") == 1280 or _count(unet, "projection_class_embeddings_input_dim") == 2560
        return "sdxl-refiner" if refines else "sdxl"
    if named == "sd1":
        # Stable Diffusion 1 projects with convolutions.
        return "sd2" if unet.get("use_linear_projection") is True else "sd1"
    return None


def _with_scheduler(
    facts: CheckpointFacts, architecture: Architecture, scheduler: dict[str, Any], parts: dict[str, dict[str, Any]]
) -> CheckpointFacts:
    family = FAMILIES[architecture]
    said = _PREDICTIONS.get(str(scheduler.get("prediction_type")))
    flows = family.prediction == "flow"
    dynamic = scheduler.get("use_dynamic_shifting") is True
    shift = _number(scheduler, "shift") if flows and not dynamic else None
    side = _count(parts["unet"], "sample_size") * 2 ** max(len(parts["vae"].get("block_out_channels") or ()) - 1, 0)
    native = family.native if not side or (side, side) in family.native else ((side, side),)
    return replace(
        facts,
        prediction=family.prediction if flows or said is None else said,
        prediction_from="the scheduler's configuration" if said and not flows else "the architecture",
        zero_snr=scheduler.get("rescale_betas_zero_snr") is True,
        shift=shift or family.shift,
        native=((side, side), *(size for size in native if size != (side, side))) if side else native,
        steps=family.steps,
        distilled="schnell" if architecture == "flux-schnell" else "",
        guidance_embedded=architecture == "flux-dev",
    )


def _weighed(folder: Path) -> dict[str, Any]:
    """The number and type of a part's weights."""
    headers = [read_header(path) for pattern in _WEIGHTS for path in sorted(folder.glob(pattern))]
    variants = {}
    for header in headers:
        variants[frozenset(header.tensors)] = header
    return {
        "numbers": sum(header.numbers for header in variants.values()),
        "dtype": headers[0].dtype if headers else "",
    }


def _notes(path: Path, denoiser: str) -> tuple[str, ...]:
    folder = path / denoiser
    if any(next(folder.glob(pattern), None) for pattern in _WEIGHTS):
        return ()
    if next(folder.glob("*.bin"), None):
        return ("its weights are pickles (.bin): take its safetensors version",)
    return ("its weights are not there: the download did not end",)
