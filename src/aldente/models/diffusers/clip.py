"""CLIP's text encoders: chunks to states, weighted as the prompt says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aldente.models.diffusers.chunks import CHUNK, Chunk, Spelling, chunked
from aldente.models.port import EmphasisMode, Words


class ClipReading(NamedTuple):
    """What a text encoder makes of a prompt: ``states``, 1 (77 per chunk) d, and ``pooled``, 1 d, of the first chunk."""

    states: Tensor
    pooled: Tensor


class ClipReader:
    """A CLIP text encoder with its tokenizer.

    ``layer`` is the layer that is read where the prompt does not say, counted from the end; ``normed`` whether its states go
    through the final norm, as the networks trained on the last layer expect. What it reads goes to ``device``.
    ``inversions`` are rows that textual inversions add to the table of tokens.
    """

    def __init__(
        self,
        tokenizer: Any,
        encoder: Any,
        *,
        layer: int,
        normed: bool,
        device: str = "cpu",
        inversions: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._tokenizer, self._encoder = tokenizer, encoder
        self._layer, self._normed, self._device = layer, normed, device
        table = encoder.get_input_embeddings()
        added, rows = _added(inversions or {}, table.num_embeddings, table.embedding_dim)
        if rows:
            weights = torch.cat([table.weight.detach(), *(row.to(table.weight) for row in rows)])
            encoder.set_input_embeddings(torch.nn.Embedding(weights.shape[0], weights.shape[1], _weight=weights))
        self._spelling = Spelling(self._ids, added)

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return int(self._encoder.config.num_hidden_layers)

    @property
    def encoder(self) -> Any:
        """The network."""
        return self._encoder

    def chunks(self, words: Words) -> tuple[Chunk, ...]:
        """The chunks of a prompt."""
        return chunked(words.chunks, self._spelling)

    def read(self, words: Words, *, least: int = 1) -> ClipReading:
        """The states of a prompt's chunks one after the other; empty ones fill up to ``least`` chunks."""
        chunks = self.chunks(words)
        chunks += (Chunk((), ()),) * (least - len(chunks))
        layer = self._layer if words.clip_skip is None else words.clip_skip
        states, pooled = self._states([chunk.ids for chunk in chunks], layer)
        weights = torch.ones(states.shape[:2], dtype=torch.float32, device=states.device)
        for row, chunk in enumerate(chunks):
            weights[row, 1 : 1 + len(chunk.weights)] = torch.tensor(chunk.weights, dtype=torch.float32)
        if words.emphasis != "ignore" and bool((weights != 1.0).any()):
            empty = self._states([()], layer)[0] if words.emphasis == "comfyui" else None
            states = weighted(states, weights, words.emphasis, empty)
        return ClipReading(states.reshape(1, -1, states.shape[-1]), pooled[:1])

    def _ids(self, text: str) -> Sequence[int]:
        found: list[int] = self._tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids
        return found

    def _states(self, rows: Sequence[Sequence[int]], layer: int) -> tuple[Tensor, Tensor]:
        """The states of rows of tokens, n 77 d, and their pooled ones, n d."""
        start, end, pad = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id, self._tokenizer.pad_token_id)
        ids = [[start, *row, end, *[pad] * (CHUNK - len(row))] for row in rows]
        given = torch.tensor(ids, dtype=torch.int64, device=self._device)
        found = self._encoder(input_ids=given, output_hidden_states=True)
        last = found.last_hidden_state
        ends = torch.tensor([len(row) + 1 for row in rows], device=last.device)
        pooled = last[torch.arange(len(rows), device=last.device), ends]
        if hasattr(self._encoder, "text_projection"):
            pooled = self._encoder.text_projection(pooled)
        if layer == 1 and self._normed:
            return last, pooled
        states = found.hidden_states[-layer]
        return (_final_norm(self._encoder)(states) if self._normed else states), pooled


def weighted(states: Tensor, weights: Tensor, mode: EmphasisMode, empty: Tensor | None) -> Tensor:
    """The states of chunks, n 77 d, each token's by its weight, n 77.

    ``original`` then restores the mean of each chunk, as A1111 does; ``no_norm`` does not, as A1111's option
    of that name; ``comfyui`` weighs the way from the ``empty`` prompt's states, 1 77 d.
    """
    factors = weights[..., None].to(states.dtype)
    if mode == "comfyui" and empty is not None:
        return empty + (states - empty) * factors
    changed = states * factors
    if mode == "no_norm":
        return changed
    touched = (weights != 1.0).any(dim=1)[:, None, None]
    restored = changed * (states.mean(dim=(1, 2), keepdim=True) / changed.mean(dim=(1, 2), keepdim=True))
    return torch.where(touched, restored, changed)


def _added(inversions: Mapping[str, Tensor], known: int, width: int) -> tuple[dict[str, range], list[Tensor]]:
    """The tokens of each inversion of this encoder's width, and the rows that they stand for."""
    tokens: dict[str, range] = {}
    rows: list[Tensor] = []
    for name, vectors in inversions.items():
        row = vectors.reshape(-1, vectors.shape[-1])
        if row.shape[-1] == width:
            tokens[name] = range(known, known + row.shape[0])
            known += row.shape[0]
            rows.append(row)
    return tokens, rows


def _final_norm(encoder: Any) -> Any:
    """The norm after the last layer: of the encoder itself, or of the text model within."""
    return (encoder if hasattr(encoder, "final_layer_norm") else encoder.text_model).final_layer_norm
