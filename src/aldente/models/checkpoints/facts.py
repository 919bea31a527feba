"""What is known of a file of weights before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal[
    "checkpoint", "denoiser", "vae", "lora", "embedding", "controlnet", "t2i-adapter", "ip-adapter", "upscaler",
    "text-encoder", "unknown",
]  # fmt: skip
"""What a file is for; a ``denoiser`` is a checkpoint without its text encoders and autoencoder."""

Architecture = Literal["sd1", "sd2", "sdxl", "sdxl-refiner", "sd3", "sd3.5-medium", "sd3.5-large", "flux-dev", "flux-schnell"]
"""The networks that files belong to."""

Prediction = Literal["eps", "v", "flow"]

CONTEXTS: dict[int, Architecture] = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
"""The width of the text that a U-Net reads."""


class Structure(NamedTuple):
    """A kind, a network, and whose names the tensors have; see ``CheckpointFacts``."""

    kind: Kind
    architecture: Architecture | None = None
    layout: str = ""
    variant: str = ""
    inputs: int | None = None
    network: str = ""
    rank: int | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """What holds for all models of an architecture; ``shift`` is the flow shift that they are used with."""

    title: str
    prediction: Prediction
    native: tuple[tuple[int, int], ...]
    latent_channels: int
    shift: float | None = None
    steps: tuple[int, int] | None = None


_BUCKETS = (
    (1024, 1024),
    (1152, 896),
    (896, 1152),
    (1216, 832),
    (832, 1216),
    (1344, 768),
    (768, 1344),
    (1536, 640),
    (640, 1536),
)
"""The sizes that SDXL was trained at [Podell 2023, App. I], the most used ones."""

FAMILIES: dict[Architecture, Family] = {
    "sd1": Family(title="Stable Diffusion 1", prediction="eps", native=((512, 512), (512, 768), (768, 512)), latent_channels=4),
    "sd2": Family(title="Stable Diffusion 2", prediction="eps", native=((512, 512),), latent_channels=4),
    "sdxl": Family(title="SDXL", prediction="eps", native=_BUCKETS, latent_channels=4),
    "sdxl-refiner": Family(title="SDXL refiner", prediction="eps", native=_BUCKETS, latent_channels=4),
    "sd3": Family(title="Stable Diffusion 3", prediction="flow", native=_BUCKETS, latent_channels=16, shift=3.0),
    "sd3.5-medium": Family(
        title="Stable Diffusion 3.5 medium", prediction="flow", native=_BUCKETS, latent_channels=16, shift=3.0
    ),
    "sd3.5-large": Family(
        title="Stable Diffusion 3.5 large", prediction="flow", native=_BUCKETS, latent_channels=16, shift=3.0
    ),
    # Its shift grows with the picture, from 0.5 at 256 tokens to 1.15 at 4096; the exponential of the latter stands here.
    "flux-dev": Family(title="FLUX.1 dev", prediction="flow", native=_BUCKETS, latent_channels=16, shift=3.158),
    "flux-schnell": Family(
        title="FLUX.1 schnell", prediction="flow", native=_BUCKETS, latent_channels=16, shift=1.0, steps=(1, 4)
    ),
}


@dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    """What names, shapes, metadata and the file's name tell of a file; nothing else of it was read.

    ``prediction`` is what the network answers and ``prediction_from`` how that is known; ``zero_snr`` whether it was trained
    to begin at pure noise; ``shift`` the flow shift it is used with; ``steps`` the fewest and most steps that a distilled
    model was made for, ``distilled`` the way it was; ``guidance_embedded`` whether it takes its guidance as a number.
    ``inputs`` are the channels that the denoiser takes (9 in inpainting checkpoints). ``network`` says of a LoRA how it is
    written (``lora``, ``loha``, ``lokr``, ...), ``rank`` its rank, ``layout`` whose names it uses. ``has`` lists the parts of
    a checkpoint. ``notes`` are what a user should know.
    """

    kind: Kind
    architecture: Architecture | None = None
    variant: str = ""
    layout: str = ""
    prediction: Prediction | None = None
    prediction_from: str = ""
    zero_snr: bool = False
    shift: float | None = None
    native: tuple[tuple[int, int], ...] = ()
    steps: tuple[int, int] | None = None
    distilled: str = ""
    guidance_embedded: bool = False
    inputs: int | None = None
    latent_channels: int | None = None
    network: str = ""
    rank: int | None = None
    numbers: int = 0
    dtype: str = ""
    has: tuple[str, ...] = ()
    title: str = ""
    notes: tuple[str, ...] = ()
