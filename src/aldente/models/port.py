"""What the renderer asks of a model, and the facts that a model states about itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from aldente.engine.denoise import Condition, Latent
from aldente.engine.levels import Level
from aldente.recipe.prompt import Emphasis

Image = Any
"""A picture: a NumPy array of uint8, ``h w 3``, RGB."""

Hint = Hashable
"""A handle of what steers a model beside the prompt; only the model knows what is inside. Equal hints mean equal answers."""


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Facts about a model that others compute with.

    ``sigmas`` are the model's training noise levels, ascending: what timestep-based schedules count in.
    ``fingerprint`` is the SHA-256 of all weights; ``bytes_fixed`` and ``bytes_per_row`` predict the memory of one call.
    ``controls`` are the kinds of control picture that it takes (``"canny"``, ``"scribble"``, ...), ``control_mode`` how they
    act best, ``inpaints`` whether it was trained to fill masks: where either is so, the model is ``Steerable``.
    ``upscaler`` is the upscaler that belongs to it.
    """

    name: str
    title: str
    fingerprint: str
    family: Literal["exploding", "flow"]
    prediction: Literal["eps", "v", "flow", "x0"]
    latent_channels: int
    latent_scale: int
    sigma_min: float
    sigma_max: float
    sigmas: tuple[float, ...]
    native: tuple[tuple[int, int], ...]
    size_multiple: int
    size_min: int
    size_max: int
    rows: int
    bytes_fixed: int
    bytes_per_row: int
    prompt_tokens: int
    controls: tuple[str, ...] = ()
    control_mode: Literal["balanced", "control"] = "balanced"
    inpaints: bool = False
    upscaler: str | None = None


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a model runs on: the program that evaluates it, the device, the number format, and the threads if it counts them."""

    name: str
    version: str
    device: str
    dtype: str
    threads: int | None = None


class Model(Protocol):
    """A text-to-image model at the level of its denoiser. Calls are pure: the same arguments, the same bits."""

    @property
    def info(self) -> ModelInfo:
        """The model's facts."""
        ...

    @property
    def runtime(self) -> Runtime:
        """What the model runs on."""
        ...

    def encode(self, text: Emphasis) -> Condition:
        """The condition for a prompt; equal prompts give equal conditions."""
        ...

    def estimate(self, x: Latent, levels: Sequence[Level], conditions: Sequence[Condition]) -> Latent:
        """The estimate of the clean latent of each row of ``x`` (b c h w), at its own level and condition."""
        ...

    def encode_image(self, image: Image) -> Latent:
        """The latent, 1 c h w, of a picture whose sides are multiples of ``size_multiple``."""
        ...

    def decode(self, latent: Latent) -> list[Image]:
        """The picture of each row of ``latent`` (b c h w)."""
        ...


class Steerable(Model, Protocol):
    """A model that takes more than a prompt: control pictures, or a picture and the mask to fill."""

    def control(self, kind: str, image: Image) -> Hint:
        """The hint of a control picture (uint8, h w 3, of the size to be drawn), ``kind`` being one of ``info.controls``."""
        ...

    def inpainting(self, image: Image, mask: Image) -> Hint:
        """The hint of a picture to be filled where ``mask`` (uint8, h w) is over 127; what lies there is not looked at."""
        ...

    def hinted(self, condition: Condition, hints: Sequence[tuple[Hint, float]]) -> Condition:
        """The condition with hints and their weights; a weight of 0 is as if the hint were not there."""
        ...
