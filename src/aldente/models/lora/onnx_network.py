"""An ONNX graph as a computation that torch can differentiate: what is trained is what is shipped, whatever its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from aldente.models.lora.onnx_file import Node, OnnxFile

Values = dict[str, Tensor]

_MASKED = -1e4
"""What is added to the score of a key that is masked out, as the runtime does it."""


class OnnxNetwork:
    """The operations of a file; a call may replace any of its tensors, as by those with something learned added."""

    def __init__(self, file: OnnxFile) -> None:
        self._nodes, self._outputs = file.nodes, file.outputs
        self._tensors = {name: torch.from_numpy(file.array(name).copy()) for name in file.tensors}
        floats = {name: value.float() for name, value in self._tensors.items() if value.is_floating_point()}
        self._tensors |= floats

    def weight(self, name: str) -> Tensor:
        """A tensor of the file, floats in single precision."""
        return self._tensors[name]

    def __call__(self, given: Mapping[str, Tensor], replaced: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the graph gives, by name, for its inputs and with some of its tensors replaced."""
        values: Values = {**self._tensors, **replaced, **given}
        for node in self._nodes:
            results = _OPERATIONS[node.kind](node, [values[name] if name else None for name in node.inputs])
            for name, result in zip(node.outputs, results, strict=True):
                values[name] = result
        return {name: values[name] for name in self._outputs}


Operation = Callable[[Node, list[Any]], tuple[Tensor, ...]]


def _one(compute: Callable[..., Tensor]) -> Operation:
    return lambda _, given: (compute(*given),)


def _broadcast(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return np.broadcast_shapes(tuple(one), tuple(other))


def _gemm(node: Node, given: list[Any]) -> tuple[Tensor, ...]:
    x, weight, *bias = given
    return (functional.linear(x, weight if node.attributes.get("transB") else weight.T, *bias),)


def _reshape(_: Node, given: list[Any]) -> tuple[Tensor, ...]:
    x, shape = given
    return (x.reshape([x.shape[axis] if side == 0 else side for axis, side in enumerate(shape.tolist())]),)


def _slice(_: Node, given: list[Any]) -> tuple[Tensor, ...]:
    x, starts, ends, *axes = given
    places = axes[0].tolist() if axes else range(len(starts))
    for start, end, axis in zip(starts.tolist(), ends.tolist(), places, strict=True):
        x = x[(slice(None),) * axis + (slice(start, end),)]
    return (x,)


def _split(node: Node, given: list[Any]) -> tuple[Tensor, ...]:
    return tuple(given[0].chunk(len(node.outputs), node.attributes.get("axis", 0)))


def _resize(_: Node, given: list[Any]) -> tuple[Tensor, ...]:
    x, _, _, sizes = given
    sides = sizes.tolist()[2:]
    if list(x.shape[2:]) == sides:
        return (x,)
    return (functional.interpolate(x, sides, mode="bilinear"),)


def _layer_norm(node: Node, given: list[Any]) -> tuple[Tensor, ...]:
    x, scale, shift = given
    normal = functional.layer_norm(x, x.shape[-1:], eps=node.attributes["epsilon"])
    # Scale and shift may be one of each row, which the function of the library does not take.
    return (normal * scale + shift,)


def _attention(node: Node, given: list[Any]) -> tuple[Tensor, ...]:
    query, key, value, *rest = given
    heads, (rows, count, width) = node.attributes["num_heads"], query.shape
    q, k, v = [x if x.ndim == 4 else x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value)]
    mask = rest[1] if len(rest) > 1 else None
    bias = None if mask is None else ((1 - mask) * _MASKED)[:, None, None].to(query.dtype)
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return (mixed.transpose(1, 2).reshape(rows, count, width),)


def _fast_gelu(_: Node, given: list[Any]) -> tuple[Tensor, ...]:
    x, *bias = given
    return (functional.gelu(x + bias[0] if bias else x, approximate="tanh"),)


def _space_to_depth(node: Node, given: list[Any]) -> tuple[Tensor, ...]:
    (x,), side = given, node.attributes["blocksize"]
    batch, channels, height, width = x.shape
    cut = x.reshape(batch, channels, height // side, side, width // side, side)
    return (cut.permute(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // side, width // side),)


def _depth_to_space(node: Node, given: list[Any]) -> tuple[Tensor, ...]:
    (x,), side = given, node.attributes["blocksize"]
    batch, _, height, width = x.shape
    cut = x.reshape(batch, side, side, -1, height, width)
    return (cut.permute(0, 3, 4, 1, 5, 2).reshape(batch, -1, height * side, width * side),)


_OPERATIONS: Mapping[str, Operation] = {
    "Add": _one(torch.add),
    "Cast": lambda _, given: (given[0].float(),),
    "Concat": lambda node, given: (torch.cat(given, node.attributes["axis"]),),
    "Cos": _one(torch.cos),
    "DepthToSpace": _depth_to_space,
    "Expand": lambda _, given: (given[0].expand(_broadcast(given[0].shape, given[1].tolist())),),
    "FastGelu": _fast_gelu,
    "Gemm": _gemm,
    "Identity": _one(lambda x: x),
    "LayerNormalization": _layer_norm,
    "Log": _one(torch.log),
    "Mul": _one(torch.mul),
    "MultiHeadAttention": _attention,
    "Reciprocal": _one(torch.reciprocal),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": lambda _, given: (torch.tensor(given[0].shape),),
    "Sigmoid": _one(torch.sigmoid),
    "Sin": _one(torch.sin),
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Sqrt": _one(torch.sqrt),
    "Squeeze": lambda _, given: (given[0].squeeze(given[1].tolist()),),
    "Sub": _one(torch.sub),
    "Transpose": lambda node, given: (given[0].permute(node.attributes["perm"]),),
}
"""How each operation that pastina's graphs use is computed."""
