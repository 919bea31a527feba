"""The shapes of pastina's networks: the numbers that weights, training and export agree on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

TEXT_TOKENS = 16
"""Token states of a prompt, its start and end marks included."""

TEXT_WIDTH = 384
"""Numbers in one token state of MiniLM."""

TOKEN_GAIN, POOLED_GAIN = 3.0, 20.0
"""What brings MiniLM's token states and its unit-length pooled vector to about unit variance."""

FREQUENCIES = 64
"""Sines and as many cosines that describe the noise level."""

FREQUENCY_MAX = 200.0

LATENT_SCALE = 4
"""Pixels along one side of a latent number."""

FACTOR = 4
"""How many times longer the enlarger makes the sides of a picture."""

LEAK = 0.1
"""The share of what is negative that the enlarger lets through."""


@dataclass(frozen=True, kw_only=True)
class DenoiserShape:
    """A transformer over ``patch`` x ``patch`` patches, and a fine one, over smaller patches, that corrects its answer.

    ``grid`` is the native side of the latent. ``fine_depth`` 0 leaves the fine transformer out.
    """

    channels: int = 4
    grid: int = 16
    patch: int = 4
    width: int = 256
    depth: int = 8
    heads: int = 4
    fine_patch: int = 2
    fine_width: int = 128
    fine_depth: int = 0
    fine_heads: int = 2

    @property
    def patch_numbers(self) -> int:
        """Latent numbers in one patch."""
        return self.channels * self.patch**2

    @property
    def fine_numbers(self) -> int:
        """Latent numbers in one patch of the fine transformer."""
        return self.channels * self.fine_patch**2

    @property
    def fine_per_patch(self) -> int:
        """Side, in fine patches, of one patch."""
        return self.patch // self.fine_patch

    def to_text(self) -> dict[str, str]:
        """The shape as the metadata of a model file holds it."""
        return {key: str(value) for key, value in asdict(self).items()}

    @staticmethod
    def from_text(text: dict[str, str]) -> DenoiserShape:
        """The shape that ``to_text`` wrote; keys of others are left aside."""
        return DenoiserShape(**{field.name: int(text[field.name]) for field in fields(DenoiserShape)})


@dataclass(frozen=True, kw_only=True)
class AutoencoderShape:
    """A convolutional autoencoder that makes ``channels`` x side/4 x side/4 of an RGB picture."""

    channels: int = 4
    encoder: tuple[int, int] = (32, 64)
    decoder: tuple[int, int] = (48, 96)


@dataclass(frozen=True, kw_only=True)
class SteeringShape:
    """Two convolutional encoders of hints, with ``widths`` channels at the latent's, the fine and the trunk's patches.

    One reads a control picture and its kind, the other a picture's latent and the mask of what is to be filled.
    """

    widths: tuple[int, int, int] = (48, 96, 128)

    def to_text(self) -> dict[str, str]:
        """The shape as the metadata of a model file holds it."""
        return {"widths": " ".join(map(str, self.widths))}

    @staticmethod
    def from_text(text: dict[str, str]) -> SteeringShape:
        """The shape that ``to_text`` wrote; keys of others are left aside."""
        near, middle, far = map(int, text["widths"].split())
        return SteeringShape(widths=(near, middle, far))


@dataclass(frozen=True, kw_only=True)
class EnlargerShape:
    """``depth`` convolutions of ``width`` channels, two by two, between one that enters and one that leaves."""

    width: int = 48
    depth: int = 10

    @property
    def reach(self) -> int:
        """How many small pixels away, in each direction, a pixel of the picture still counts: one a convolution."""
        return self.depth + 2

    def to_text(self) -> dict[str, str]:
        """The shape as the metadata of a model file holds it."""
        return {key: str(value) for key, value in asdict(self).items()} | {"reach": str(self.reach)}

    @staticmethod
    def from_text(text: dict[str, str]) -> EnlargerShape:
        """The shape that ``to_text`` wrote."""
        return EnlargerShape(**{field.name: int(text[field.name]) for field in fields(EnlargerShape)})


@dataclass(frozen=True, kw_only=True)
class ScorerShape:
    """A convolutional tower that halves the sides of a picture at each of ``widths``, and a perceptron over MiniLM's vector.

    Both end in directions for concept, style and background, of so many ``directions``; ``reading`` are the perceptron's
    hidden numbers.
    """

    side: int = 64
    widths: tuple[int, ...] = (32, 64, 96, 144)
    reading: int = 192
    directions: tuple[int, int, int] = (96, 16, 16)

    def to_text(self) -> dict[str, str]:
        """The shape as the metadata of a model file holds it."""
        lists = {name: " ".join(map(str, getattr(self, name))) for name in ("widths", "directions")}
        return lists | {"side": str(self.side), "reading": str(self.reading)}

    @staticmethod
    def from_text(text: dict[str, str]) -> ScorerShape:
        """The shape that ``to_text`` wrote."""
        widths = tuple(map(int, text["widths"].split()))
        concept, style, background = map(int, text["directions"].split())
        directions = (concept, style, background)
        return ScorerShape(side=int(text["side"]), widths=widths, reading=int(text["reading"]), directions=directions)
