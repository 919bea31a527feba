"""From a prompt to what MiniLM says of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aldente.models.pastina.word_pieces import WordPieces
from aldente.recipe.prompt import Emphasis

TOKENS = 16
"""Tokens that the network sees, the start and end marks included."""

START, END = 101, 102
"""The marks around a prompt in MiniLM's vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The handle of a prompt: its tokens and their weights, and the model that it is for. Equal handles mean equal answers."""

    model: str
    tokens: tuple[int, ...]
    weights: tuple[float, ...]


class Reading(NamedTuple):
    """What the text encoder makes of a prompt: ``states`` (16 384), ``pooled`` (384), ``mask`` (16; 1 at tokens)."""

    states: NDArray[np.float32]
    pooled: NDArray[np.float32]
    mask: NDArray[np.int32]


class Tokenizer:
    """The word pieces of MiniLM, each piece of the prompt cut by itself so that weights fall on whole pieces."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _pieces(self) -> WordPieces:
        return WordPieces(self._path)

    def cut(self, text: Emphasis, model: str) -> Prompt:
        """The prompt's first 14 tokens between their marks, and the weight of each."""
        tokens: list[int] = []
        weights: list[float] = []
        for piece, weight in text:
            ids = self._pieces.ids(piece)
            tokens += ids
            weights += [float(weight)] * len(ids)
        kept = TOKENS - 2
        return Prompt(model=model, tokens=(START, *tokens[:kept], END), weights=(1.0, *weights[:kept], 1.0))


def read(session: Any, prompt: Prompt) -> Reading:
    """Run MiniLM on one prompt and weight its token states.

    One at a time, because its int8 kernels scale by the largest activation in the batch: a neighbour would change the
    result. Weighted states are brought back to their root mean square: the mean, which A1111 restores for CLIP, is near
    zero in MiniLM and of uncertain sign.
    """
    count = len(prompt.tokens)
    ids = np.zeros((1, TOKENS), np.int64)
    ids[0, :count] = prompt.tokens
    mask = np.zeros((1, TOKENS), np.int64)
    mask[0, :count] = 1
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    (hidden,) = session.run(None, feed)
    plain = hidden[0, :count].astype(np.float32)
    weighted = plain * np.asarray(prompt.weights, np.float32)[:, None]
    if any(weight != 1.0 for weight in prompt.weights):
        states = weighted * np.float32(np.linalg.norm(plain) / np.linalg.norm(weighted))
    else:
        states = weighted
    padded = np.zeros((TOKENS, plain.shape[1]), np.float32)
    padded[:count] = states
    pooled = weighted.sum(axis=0)
    return Reading(padded, pooled / np.linalg.norm(pooled), mask[0].astype(np.int32))
