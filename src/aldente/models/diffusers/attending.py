"""Attention to pictures beside the text: what IP-Adapters add to a U-Net [Ye 2023]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

_CROSS = "attn2.processor"
"""What the attention to text is called in a U-Net."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """What rows are shown: the ``tokens`` of a picture each (b n d), by whose ``weights`` (b) they are heard.

    ``rows`` are their places in the batch, ``projections`` the matrices that make keys and values, for each layer by its name.
    """

    projections: Mapping[str, tuple[Tensor, Tensor]]
    rows: Tensor
    tokens: Tensor
    weights: Tensor


class Attending:
    """An attention to text that attends to pictures too, each row to its own and as much as it is told.

    Rows that are shown nothing keep every bit.
    """

    def __init__(self, text: Any, layer: str) -> None:
        self._text, self._layer = text, layer

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        ip_hidden_states: Sequence[Shown] = (),
    ) -> Tensor:
        """What the layer answers; the names are those by which diffusers calls it."""
        found: Tensor = self._text(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        for shown in ip_hidden_states:
            found = found.index_add(0, shown.rows, self._heard(attn, hidden_states[shown.rows], shown).to(found.dtype))
        return found

    def _heard(self, attn: Any, states: Tensor, shown: Shown) -> Tensor:
        """What rows make of the pictures that they are shown."""
        keys, values = shown.projections[self._layer]
        query = _in_heads(attn.to_q(states), attn.heads)
        key, value = (_in_heads(linear(shown.tokens, matrix), attn.heads) for matrix in (keys, values))
        together = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        out: Tensor = linear(together, attn.to_out[0].weight) / attn.rescale_output_factor
        return out * shown.weights.to(out.dtype)[:, None, None]


def layers_of(unet: Any) -> list[str]:
    """The names of a U-Net's layers that attend to text, in the order in which adapters number them."""
    return [name for name in unet.attn_processors if name.endswith(_CROSS)]


def attend(unet: Any) -> None:
    """Have a U-Net attend to the pictures that it is shown; one that does already is left as it is."""
    for name in layers_of(unet):
        attention = unet.get_submodule(name.removesuffix(".processor"))
        if not isinstance(attention.processor, Attending):
            attention.set_processor(Attending(attention.processor, name))


def projections_of(unet: Any, weights: Mapping[str, Tensor], like: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """An adapter's matrices by the layers that they are for, of a kind ``like`` a tensor; raises KeyError for a missing one."""
    found = {}
    for number, name in enumerate(layers_of(unet)):
        keys, values = (weights[f"ip_adapter.{2 * number + 1}.to_{part}_ip.weight"] for part in "kv")
        found[name] = keys.to(like), values.to(like)
    return found


def _in_heads(states: Tensor, heads: int) -> Tensor:
    """States b n d as b heads n d."""
    rows, count, width = states.shape
    return states.reshape(rows, count, heads, width // heads).transpose(1, 2)
