"""Opening IP-Adapters: their file, and the image encoder that lies near it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from aldente.engine.errors import UserError
from aldente.models.checkpoints.header import Header, read_header
from aldente.models.diffusers.attending import projections_of
from aldente.models.diffusers.opening import first_line, quiet
from aldente.models.diffusers.plan import Plan
from aldente.models.diffusers.references import PictureAdapter

HEADS = 16
"""The heads of all image encoders that adapters were trained with: ViT-L, ViT-H and ViT-bigG."""

GELU_WIDTH = 1280
"""From this width on encoders are OpenCLIP's, which count with the exact GELU."""


class Reading(NamedTuple):
    """What an adapter reads: the states of patches, or the one of the ``whole`` picture, of this ``width``."""

    whole: bool
    width: int


def open_reference(path: Path, pipeline: Any, plan: Plan) -> PictureAdapter:
    """The IP-Adapter in a file, for the U-Net of ``pipeline``, with the image encoder that lies near it.

    Raises UserError where it belongs to another U-Net, reads faces, or no encoder is found.
    """
    reading = _reading(read_header(path), path)
    encoder = open_encoder(_encoder_near(path, reading), plan)
    unet = pipeline.unet
    like = torch.empty(0, dtype=getattr(torch, plan.dtype), device=plan.device)
    try:
        weights = load_file(path)
        made = {name.removeprefix("image_proj."): part for name, part in weights.items() if name.startswith("image_proj.")}
        with quiet():
            # diffusers knows the networks of all kinds of adapters; this converts their names and builds them.
            projection = unet._convert_ip_adapter_image_proj_to_diffusers(made, low_cpu_mem_usage=False)
        projections = projections_of(unet, weights, like)
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(f"'{path}' cannot steer this checkpoint: {first_line(error)}") from error
    _check(projections, unet, path)
    return PictureAdapter(encoder, projection.eval().requires_grad_(False).to(like), projections, whole=reading.whole)


@lru_cache(maxsize=2)
def open_encoder(path: Path, plan: Plan) -> Any:
    """The image encoder in a folder or a file; one that several adapters read by is opened once."""
    with quiet():
        if path.is_dir():
            encoder = CLIPVisionModelWithProjection.from_pretrained(path, local_files_only=True, use_safetensors=True)
        else:
            encoder = CLIPVisionModelWithProjection(_config(read_header(path)))
            found = {name: part for name, part in load_file(path).items() if not name.endswith("position_ids")}
            encoder.load_state_dict(found)
    return encoder.eval().requires_grad_(False).to(device=plan.device, dtype=getattr(torch, plan.dtype))


def _reading(header: Header, path: Path) -> Reading:
    if shape := header.shape("image_proj.proj.weight"):
        return Reading(True, shape[-1])
    if header.shape("image_proj.latents"):
        return Reading(False, header.shape("image_proj.proj_in.weight")[-1])
    if header.shape("image_proj.proj.3.weight"):
        return Reading(False, header.shape("image_proj.proj.0.weight")[-1])
    raise UserError(f"'{path.name}' reads faces by a program that aldente does not have; take an IP-Adapter without FaceID.")


def _encoder_near(path: Path, reading: Reading) -> Path:
    for place in _encoders(path):
        try:
            projected, width = _widths(place)
        except (OSError, ValueError, KeyError, IndexError, UserError):
            continue
        if (projected if reading.whole else width) == reading.width:
            return place
    what = f"{'projects to' if reading.whole else 'is of'} {reading.width}"
    raise UserError(
        f"'{path.name}' needs an image encoder that {what}; put its folder, called image_encoder, beside the file, or its"
        " safetensors file into a folder clip_vision there or one above."
    )


def _encoders(path: Path) -> Iterator[Path]:
    """Where encoders lie: as in the adapters' own repository, and as in ComfyUI."""
    for near in (path.parent, path.parent.parent, path.parent.parent / "models", path.parent.parent / "sdxl_models"):
        if (near / "image_encoder" / "config.json").is_file():
            yield near / "image_encoder"
        yield from sorted((near / "clip_vision").glob("**/*.safetensors"))


def _widths(place: Path) -> tuple[int, int]:
    """The width of what an encoder projects to, and of its states."""
    if place.is_dir():
        told = json.loads((place / "config.json").read_text(encoding="utf-8"))
        return int(told["projection_dim"]), int(told["hidden_size"])
    projected, width = read_header(place).shape("visual_projection.weight")[:2]
    return projected, width


def _config(header: Header) -> CLIPVisionConfig:
    """The configuration of an encoder in one file, as its shapes tell it."""
    layers = {name.split(".")[3] for name in header.tensors if name.startswith("vision_model.encoder.layers.")}
    projected, width = header.shape("visual_projection.weight")[:2]
    patch = header.shape("vision_model.embeddings.patch_embedding.weight")[-1]
    places = header.shape("vision_model.embeddings.position_embedding.weight")[0]
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=header.shape("vision_model.encoder.layers.0.mlp.fc1.weight")[0],
        projection_dim=projected,
        num_hidden_layers=len(layers),
        num_attention_heads=HEADS,
        patch_size=patch,
        image_size=patch * round((places - 1) ** 0.5),
        hidden_act="gelu" if width >= GELU_WIDTH else "quick_gelu",
    )


def _check(projections: dict[str, tuple[Any, Any]], unet: Any, path: Path) -> None:
    """Raise UserError where the matrices are not of the shapes that the U-Net's layers need."""
    for name, (keys, _) in projections.items():
        attention = unet.get_submodule(name.removesuffix(".processor"))
        if tuple(keys.shape) != tuple(attention.to_k.weight.shape):
            raise UserError(f"'{path.name}' belongs to another network: its layer {name} has {tuple(keys.shape)} weights.")
