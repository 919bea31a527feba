"""From one file to a pipeline of diffusers, offline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from accelerate import init_empty_weights  # type: ignore[import-untyped]
from safetensors.torch import load_file
from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import Architecture, CheckpointFacts
from aldente.models.checkpoints.header import read_header
from aldente.models.checkpoints.inspecting import SAFETENSORS
from aldente.models.checkpoints.pickled import read_pickled, refuse_pickle
from aldente.models.single_file import names
from aldente.models.single_file.configs import Config, configs_of
from aldente.models.single_file.conversion import converted, holds
from aldente.models.single_file.tokenizers import clip_tokenizer, t5_tokenizer

_DENOISERS: dict[str, tuple[str, Callable[[Mapping[str, Any]], names.Naming]]] = {
    "unet": ("UNet2DConditionModel", names.unet),
    "sd3": ("SD3Transformer2DModel", names.sd3),
    "flux": ("FluxTransformer2DModel", names.flux),
}

_REFINER_ALONE = {
    "text_encoder": None,
    "tokenizer": None,
    "force_zeros_for_empty_prompt": False,
    "requires_aesthetics_score": True,
}
_UNJUDGED = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
"""What pipelines of U-Nets are told of parts that are not there."""


def open_single_file(
    path: Path,
    facts: CheckpointFacts,
    *,
    dtype: str = "float32",
    vae: Path | None = None,
    like: Path | None = None,
    allow_pickle: bool = False,
) -> Any:
    """The pipeline of a checkpoint in one file, whose ``facts`` were told by ``inspect``.

    ``vae`` is another autoencoder's file, ``like`` a diffusers folder whose configurations, tokenizers and missing text
    encoders are used in place of the released ones. Raises UserError for what is missing, and for a pickle that is not
    allowed.
    """
    if facts.architecture is None or facts.kind not in ("checkpoint", "denoiser"):
        raise UserError(f"'{path.name}' is no checkpoint whose architecture is known ({facts.kind}), so it cannot draw.")
    file = read_weights(path, allow_pickle=allow_pickle)
    configs = configs_of(facts.architecture, like)
    where = f"'{path.name}'"
    parts = {
        **_denoiser(file, configs, facts, where, dtype),
        "vae": _vae(file, configs["vae"], vae, where, dtype, allow_pickle=allow_pickle),
        "scheduler": _scheduler(configs["scheduler"], facts),
        **_text_encoders(file, facts.architecture, configs, where, dtype, like),
    }
    return _pipeline(facts, parts)


def read_weights(path: Path, *, allow_pickle: bool = False) -> dict[str, Tensor]:
    """The tensors of a file; raises UserError for a damaged one, and for a pickle that is not allowed."""
    if path.suffix.lower() == SAFETENSORS:
        read_header(path)
        return load_file(path)
    if not allow_pickle:
        raise refuse_pickle(path)
    return read_pickled(path)


def open_vae(path: Path, config: Config, *, dtype: str = "float32", allow_pickle: bool = False) -> Any:
    """An autoencoder out of a file of its own, in either layout."""
    return _vae({}, config, path, f"'{path.name}'", dtype, allow_pickle=allow_pickle)


def _denoiser(
    file: Mapping[str, Tensor], configs: Mapping[str, Config], facts: CheckpointFacts, where: str, dtype: str
) -> dict[str, Any]:
    assert facts.architecture is not None
    part = "unet" if "unet" in configs else "transformer"
    kind = part if part == "unet" else "flux" if facts.architecture.startswith("flux") else "sd3"
    class_name, naming = _DENOISERS[kind]
    config = dict(configs[part])
    if facts.inputs is not None:
        config["in_channels"] = facts.inputs
    built = _empty(getattr(diffusers, class_name).from_config, config)
    if facts.layout == "diffusers":
        return {part: _filled(built, file, names.Origin, where, dtype)}
    return {part: _filled(built, file, naming(config), where, dtype)}


def _vae(file: Mapping[str, Tensor], config: Config, other: Path | None, where: str, dtype: str, *, allow_pickle: bool) -> Any:
    built = _empty(diffusers.AutoencoderKL.from_config, config)
    naming = names.vae(config)
    if other is not None:
        file, where = read_weights(other, allow_pickle=allow_pickle), f"'{other.name}'"
        if any(".mid_block." in name for name in file):
            return _filled(built, file, names.Origin, where, dtype)
    if not holds(file, ["decoder.conv_in.weight"], naming):
        raise UserError(f"{where} holds no VAE; give one that belongs to its architecture.")
    return _filled(built, file, naming, where, dtype)


def _text_encoders(
    file: Mapping[str, Tensor],
    architecture: Architecture,
    configs: Mapping[str, Config],
    where: str,
    dtype: str,
    like: Path | None,
) -> dict[str, Any]:
    """The text encoders and their tokenizers; those that the file leaves out come from the folder ``like``."""
    found: dict[str, Any] = {}
    for part, (class_name, naming, pad) in _encoders(architecture).items():
        tokenizer = part.replace("text_encoder", "tokenizer")
        kind = getattr(transformers, class_name)
        if part not in configs:
            found |= {part: None, tokenizer: None}
            continue
        built = _empty(kind, kind.config_class(**_plain(configs[part])))
        if holds(file, list(built.state_dict())[:4], naming):
            found[part] = _filled(built, _with_projection(file, built, naming), naming, where, dtype)
        elif like is not None and any((like / part).glob("*.safetensors")):
            found[part] = kind.from_pretrained(like / part, dtype=getattr(torch, dtype), local_files_only=True)
        elif part == "text_encoder_3":
            # Stable Diffusion 3 draws without T5 as well.
            found |= {part: None, tokenizer: None}
            continue
        else:
            raise UserError(f"{where} holds no text encoder ({part}): give a diffusers folder of its architecture that does.")
        found[tokenizer] = _tokenizer(class_name, pad, like, tokenizer)
    return found


def _tokenizer(class_name: str, pad: str, like: Path | None, name: str) -> Any:
    if class_name == "T5EncoderModel":
        return t5_tokenizer(like)
    if like is not None and (like / name).is_dir():
        return transformers.CLIPTokenizer.from_pretrained(like / name, local_files_only=True)
    return clip_tokenizer(pad)


def _encoders(architecture: Architecture) -> dict[str, tuple[str, names.Naming, str]]:
    """The class, the naming and the padding of each text encoder."""
    end, plain, projected = "<|endoftext|>", "CLIPTextModel", "CLIPTextModelWithProjection"
    if architecture == "sd1":
        return {"text_encoder": (plain, names.clip("cond_stage_model.transformer."), end)}
    if architecture == "sd2":
        return {"text_encoder": (plain, names.open_clip("cond_stage_model.model."), "!")}
    if architecture == "sdxl":
        return {
            "text_encoder": (plain, names.clip("conditioner.embedders.0.transformer."), end),
            "text_encoder_2": (projected, names.open_clip("conditioner.embedders.1.model."), "!"),
        }
    if architecture == "sdxl-refiner":
        return {"text_encoder_2": (projected, names.open_clip("conditioner.embedders.0.model."), "!")}
    t5 = ("T5EncoderModel", names.t5("text_encoders.t5xxl.transformer."), "")
    clip_l = "text_encoders.clip_l.transformer."
    if architecture.startswith("flux"):
        return {"text_encoder": (plain, names.clip(clip_l), end), "text_encoder_2": t5}
    return {
        "text_encoder": (projected, names.clip(clip_l), end),
        "text_encoder_2": (projected, names.clip("text_encoders.clip_g.transformer."), "!"),
        "text_encoder_3": t5,
    }


def _with_projection(file: Mapping[str, Tensor], built: Any, naming: names.Naming) -> Mapping[str, Tensor]:
    """The file's tensors, and the projection that files of Stable Diffusion 3 leave out where it changes nothing."""
    name = "text_projection.weight"
    if name not in built.state_dict() or holds(file, [name], naming) or not naming(name).name.endswith(name):
        return file
    return {**file, naming(name).name: torch.eye(built.config.projection_dim, built.config.hidden_size)}


def _scheduler(config: Config, facts: CheckpointFacts) -> Any:
    """The scheduler, for the facts of its noise: sampling is aldente's own."""
    told = dict(config)
    if facts.prediction in ("eps", "v"):
        told["prediction_type"] = "v_prediction" if facts.prediction == "v" else "epsilon"
        if facts.zero_snr:
            told |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return getattr(diffusers, told.pop("_class_name")).from_config(_plain(told))


def _pipeline(facts: CheckpointFacts, parts: dict[str, Any]) -> Any:
    architecture = facts.architecture or "sd1"
    more: dict[str, Any] = {}
    inpaints = "Inpaint" if facts.variant == "inpaint" else ""
    if architecture.startswith("flux"):
        name = "FluxPipeline"
    elif architecture.startswith("sd3"):
        name = "StableDiffusion3Pipeline"
    elif architecture == "sdxl":
        name = f"StableDiffusionXL{inpaints}Pipeline"
    elif architecture == "sdxl-refiner":
        name, more = "StableDiffusionXLImg2ImgPipeline", dict(_REFINER_ALONE)
    else:
        name, more = f"StableDiffusion{inpaints}Pipeline", dict(_UNJUDGED)
    return getattr(diffusers, name)(**parts, **more)


def _empty(make: Callable[[Any], Any], config: Any) -> Any:
    """A network whose weights are not there yet."""
    with init_empty_weights(include_buffers=False):
        return make(_plain(config) if isinstance(config, dict) else config).eval()


def _plain(config: Mapping[str, Any]) -> Config:
    """A configuration without the notes of the library that wrote it."""
    notes = ("model_type", "architectures", "torch_dtype", "dtype", "transformers_version")
    return {key: value for key, value in config.items() if not key.startswith("_") and key not in notes}


def _filled(built: Any, file: Mapping[str, Tensor], naming: names.Naming, where: str, dtype: str) -> Any:
    """The network with its weights out of the file."""
    numbers = getattr(torch, dtype)
    found = converted(file, built.state_dict(), naming, where)
    # Positions that a text encoder only counts stay whole numbers.
    weights = {name: value.to(numbers) if value.is_floating_point() else value for name, value in found.items()}
    built.load_state_dict(weights, strict=True, assign=True)
    return built.requires_grad_(requires_grad=False)
