"""Two models in one run: one draws down to a level of noise, another from there on, as SDXL's base and refiner do."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Condition, Latent
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.engine.schedules.span import Span
from aldente.models.port import Hint, Image, Model, ModelInfo, Runtime, Steerable, Worded, Words
from aldente.recipe.prompt import Emphasis


@dataclass(frozen=True, kw_only=True)
class Both:
    """The handles of one prompt for both models."""

    first: Condition
    second: Condition


class Relay:
    """``first`` down to the level at the share ``switch`` of the training timesteps, counted from noise, then ``second``.

    Pictures are encoded, decoded and steered by ``first``. Raises UserError where the two do not share their latents.
    """

    def __init__(self, first: Model, second: Model, switch: float, *, name: str) -> None:
        one, other = first.info, second.info
        if (one.latent_channels, one.latent_scale, one.family) != (other.latent_channels, other.latent_scale, other.family):
            raise UserError(f"'{other.name}' cannot go on where '{one.name}' leaves off: their latents are not of one kind.")
        self._first, self._second, self._switch, self._name = first, second, switch, name
        span = Span(sigma_min=one.sigma_min, sigma_max=one.sigma_max, sigmas=one.sigmas)
        self._least = span.sigma(round(len(one.sigmas) * (1.0 - switch)) - 0.5)

    @cached_property
    def info(self) -> ModelInfo:
        """The first model's facts, under the name and the fingerprint of both."""
        one, other = self._first.info, self._second.info
        weights = hashlib.sha256(f"{one.fingerprint} {other.fingerprint} {self._switch}".encode()).hexdigest()
        return replace(
            one,
            name=self._name,
            title=f"{one.title}, then {other.title}",
            fingerprint=weights,
            rows=min(one.rows, other.rows),
            bytes_fixed=one.bytes_fixed + other.bytes_fixed,
            bytes_per_row=max(one.bytes_per_row, other.bytes_per_row),
            clip_layers=min(one.clip_layers, other.clip_layers),
            worded=one.worded and other.worded,
            takes_loras=False,
        )

    @property
    def runtime(self) -> Runtime:
        """What the first model runs on."""
        return self._first.runtime

    def encode(self, text: Emphasis) -> Condition:
        """The handles of a prompt of one text."""
        return Both(first=self._first.encode(text), second=self._second.encode(text))

    def read(self, words: Words) -> Condition:
        """The handles of a prompt."""
        return Both(first=cast("Worded", self._first).read(words), second=cast("Worded", self._second).read(words))

    def estimate(self, x: Latent, levels: Sequence[Level], conditions: Sequence[Condition]) -> Latent:
        """The estimate of each row by the model whose turn it is at its level."""
        own = [level.sigma > self._least for level in levels]
        clean: NDArray[np.float32] = np.empty_like(np.asarray(x), dtype=np.float32)
        for model, turn in ((self._first, True), (self._second, False)):
            rows = [index for index, mine in enumerate(own) if mine is turn]
            if rows:
                asked = [_of(conditions[index], first=turn) for index in rows]
                clean[rows] = model.estimate(np.asarray(x)[rows], [levels[index] for index in rows], asked)
        return clean

    def encode_image(self, image: Image) -> Latent:
        """The latent of a picture, by the first model."""
        return self._first.encode_image(image)

    def decode(self, latent: Latent) -> list[Image]:
        """The pictures of latents, by the first model."""
        return self._first.decode(latent)

    def control(self, kind: str, image: Image) -> Hint:
        """The hint of a control picture for the first model."""
        return cast("Steerable", self._first).control(kind, image)

    def inpainting(self, image: Image, mask: Image) -> Hint:
        """The hint of a picture to be filled for the first model."""
        return cast("Steerable", self._first).inpainting(image, mask)

    def softened(self, hint: Any) -> Hint:
        """The hint acting less on what is fine."""
        softened: Hint = cast("Any", self._first).softened(hint)
        return softened

    def hinted(self, condition: Condition, hints: Sequence[tuple[Any, float]]) -> Condition:
        """The condition with hints, which steer the first model."""
        assert isinstance(condition, Both), "a condition of another model"
        return replace(condition, first=cast("Steerable", self._first).hinted(condition.first, hints))


def _of(condition: Condition, *, first: bool) -> Condition:
    assert isinstance(condition, Both), "a condition of another model"
    return condition.first if first else condition.second
