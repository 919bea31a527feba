"""What the renderer asks of a model, and the facts that a model states about itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from aldente.engine.denoise import Condition, Latent
from aldente.engine.levels import Level
from aldente.recipe.prompt import Emphasis, Lora
from aldente.recipe.recipe import Recipe

Image = Any
"""A picture: a NumPy array of uint8, ``h w 3``, RGB."""

Hint = Hashable
"""A handle of what steers a model beside the prompt; only the model knows what is inside. Equal hints mean equal answers."""


EmphasisMode = Literal["original", "no_norm", "comfyui", "ignore"]
"""How weights act on what a text encoder says: as in A1111 (the mean restored, or not), as in ComfyUI, or not at all."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """A prompt as large models read it: its texts between ``BREAK``, and how they are read.

    ``negative`` tells that it is what to steer away from; ``clip_skip`` is the layer of the text encoder, from the end (None:
    the model's own); ``distilled`` the guidance of a model that takes it as a number (None: the model's own);
    ``loras`` are what is added to the model while it reads and answers this prompt; ``merging`` is the share of a picture's
    tokens that attend as one with others.
    """

    chunks: tuple[Emphasis, ...]
    negative: bool = False
    clip_skip: int | None = None
    emphasis: EmphasisMode = "original"
    distilled: float | None = None
    loras: tuple[Lora, ...] = ()
    merging: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Facts about a model that others compute with.

    ``sigmas`` are the model's training noise levels, ascending: what timestep-based schedules count in.
    ``fingerprint`` is the SHA-256 of all weights; ``bytes_fixed`` and ``bytes_per_row`` predict the memory of one call.
    ``controls`` are the kinds of control picture that it takes (``"canny"``, ``"scribble"``, ...), ``control_mode`` how they
    act best, ``references`` those among them that are pictures to draw like: they are looked at whole, whatever is drawn;
    ``inpaints`` whether it was trained to fill masks: where either is so, the model is ``Steerable``.
    ``upscaler`` is the upscaler that belongs to it, ``file_hash`` the SHA-256 of the one file that it came in, by which A1111
    calls it (empty where it came in several).

    ``worded`` says that it is a ``Worded`` model, ``takes_loras`` that it adds the LoRAs of a prompt; ``clip_layers`` how
    many layers of its text encoder may be read, from the end; ``distilled`` the distilled guidance that it is told where
    nothing is said (None: it is told none). ``shift`` is that of its flow, ``shift_by_size`` says that the shift grows with
    the picture, up to that one. ``usual`` are the settings that suit it where nothing is said, by the names of their
    parameters. ``softens`` says that it is a ``Softening`` model, ``whole`` that it is a ``Renderer``,
    ``merges_tokens`` that it can answer with fewer tokens.
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
    references: tuple[str, ...] = ()
    inpaints: bool = False
    softens: bool = False
    whole: bool = False
    merges_tokens: bool = False
    upscaler: str | None = None
    file_hash: str = ""
    worded: bool = False
    takes_loras: bool = False
    clip_layers: int = 1
    distilled: float | None = None
    shift: float = 1.0
    shift_by_size: bool = False
    usual: tuple[tuple[str, str | float | int], ...] = ()


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


class Whole(NamedTuple):
    """A picture that a renderer drew (uint8, h w 3), and how many rows its network was asked for."""

    image: Image
    calls: int


class Renderer(Model, Protocol):
    """A program that draws whole pictures by itself: what a model is asked beside that, it answers by a UserError."""

    def calls(self, recipe: Recipe) -> int:
        """At most how many rows its network is asked for by a recipe."""
        ...

    def draw(self, recipe: Recipe) -> Whole:
        """The picture of a recipe; raises UserError for a recipe that says what the program cannot do."""
        ...


class Worded(Model, Protocol):
    """A model that reads a prompt in chunks and can be told how to."""

    def read(self, words: Words) -> Condition:
        """The condition for a prompt; equal words give equal conditions."""
        ...


class Adaptable(Model, Protocol):
    """A model that takes LoRAs but reads no ``Words``."""

    def with_loras(self, condition: Condition, loras: Sequence[Lora]) -> Condition:
        """The condition as it is drawn with LoRAs in the model."""
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


class Softening(Steerable, Protocol):
    """A steerable model whose hints can leave the prompt more to say."""

    def softened(self, hint: Any) -> Hint:
        """The hint acting less on what is fine."""
        ...
