"""How a checkpoint is run: where, in which numbers, and what is given up for memory. Only its numbers change the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from aldente.engine.errors import UserError, unknown

Dtype = Literal["float32", "bfloat16", "float16"]

Offload = Literal["none", "parts", "layers"]
"""What waits in main memory: nothing; the networks that are not at work; every layer that is not at work (slow, smallest)."""

Quantize = Literal["int8"]
"""In which numbers the weights of the denoiser's linear layers are kept instead of ``dtype``."""

VARIABLE = "ALDENTE_PLAN"
"""The environment variable by which a plan is changed where a program gives none."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where and in which numbers the networks of a checkpoint run.

    ``vae_dtype`` None is ``dtype``, except where the autoencoder overflows in half precision and says so. ``attention`` is
    one of diffusers' attention backends, None its own choice (PyTorch's scaled-dot-product attention). ``compile`` compiles
    the repeated blocks of the denoiser when they first run. ``rows`` bounds the rows of one call of the denoiser, None leaves
    it to the model. ``threads`` bounds the processor threads, None leaves them as they are. ``quantize`` gives up digits of
    the denoiser by torchao: then it is another model, which takes no LoRAs.
    """

    device: str = "cpu"
    dtype: Dtype = "float32"
    vae_dtype: Dtype | None = None
    channels_last: bool = False
    attention: str | None = None
    compile: bool = False
    offload: Offload = "none"
    vae_tiling: bool = False
    vae_slicing: bool = False
    rows: int | None = None
    threads: int | None = None
    quantize: Quantize | None = None


def wanted_plan(usual: Plan, environment: Mapping[str, str] = os.environ) -> Plan:
    """The usual plan with what the variable ALDENTE_PLAN asks for, such as ``compile, dtype=float16, offload=parts``.

    Raises UserError for what there is not.
    """
    said: dict[str, object] = {}
    for word in filter(None, map(str.strip, environment.get(VARIABLE, "").split(","))):
        name, equals, value = (part.strip() for part in word.partition("="))
        if name not in asdict(usual):
            raise unknown(f"{VARIABLE} setting", name, asdict(usual))
        said[name] = value if equals else True
    try:
        return TypeAdapter(Plan).validate_python({**asdict(usual), **said})
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{VARIABLE}: {first['loc'][0]} is '{first['input']}': {first['msg'].lower()}.") from error


def usual_plan(threads: int | None = None) -> Plan:
    """The plan for this machine: an NVIDIA or Apple accelerator in half precision, else the processor in single precision."""
    import torch  # noqa: PLC0415  # heavy: loaded when it is used

    if torch.cuda.is_available():
        dtype: Dtype = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        return Plan(device="cuda", dtype=dtype, channels_last=True, threads=threads)
    if torch.backends.mps.is_available():
        return Plan(device="mps", dtype="float16", threads=threads)
    return Plan(threads=threads)
