"""T5's text encoder, beside CLIP in SD 3 and FLUX."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aldente.models.diffusers.clip import weighted
from aldente.models.port import Words


class T5Reader:
    """A T5 text encoder with its tokenizer; it reads ``length`` tokens, padding included, as its networks were trained."""

    def __init__(self, tokenizer: Any, encoder: Any, *, length: int, device: str = "cpu") -> None:
        self._tokenizer, self._encoder, self._length, self._device = tokenizer, encoder, length, device

    @property
    def encoder(self) -> Any:
        """The network."""
        return self._encoder

    def read(self, words: Words) -> Tensor:
        """The states of a prompt, 1 ``length`` d; what is beyond is not read."""
        ids, weights = self._tokens(words)
        states = self._states(ids)
        if words.emphasis == "ignore" or all(weight == 1.0 for weight in weights):
            return states
        factors = torch.ones(states.shape[:2], dtype=torch.float32, device=states.device)
        factors[0, : len(weights)] = torch.tensor(weights, dtype=torch.float32)
        empty = self._states([]) if words.emphasis == "comfyui" else None
        return weighted(states, factors, words.emphasis, empty)

    def _tokens(self, words: Words) -> tuple[list[int], list[float]]:
        ids: list[int] = []
        weights: list[float] = []
        for text in words.chunks:
            for piece, weight in text:
                found = self._tokenizer(piece, add_special_tokens=False, truncation=False, verbose=False).input_ids
                ids += found
                weights += [weight] * len(found)
        return ids[: self._length - 1], weights[: self._length - 1]

    def _states(self, ids: list[int]) -> Tensor:
        row = [*ids, self._tokenizer.eos_token_id, *[self._tokenizer.pad_token_id] * (self._length - 1 - len(ids))]
        given = torch.tensor([row], dtype=torch.int64, device=self._device)
        states: Tensor = self._encoder(given)[0]
        return states
