"""Networks of ncnn re-expressed as ONNX: the few kinds of layer that enlarging networks are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError
from aldente.models.upscaling.ncnn import Layer, Number
from aldente.models.upscaling.onnx_bytes import Attribute, model, node

LEAKY, ADD, SUM, NEAREST = 2, 0, 1, 1
"""What ncnn's settings call a leaky activation, the sum of two, the weighted sum of several, and repetition of pixels."""


def translate(layers: Sequence[Layer]) -> bytes:
    """The network as an ONNX file, from ``b 3 h w`` to its one result.

    Raises UserError where a layer, or a setting of one, is not known.
    """
    writing = _Writing()
    for layer in layers:
        writing.add(layer)
    return model(writing.nodes, writing.weights, {writing.given: ("b", 3, "h", "w")}, layers[-1].outputs[0])


class _Writing:
    """The graph as far as it is written; ``_same`` leads from the copies of a value to the value."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.weights: dict[str, NDArray[np.float32]] = {}
        self.given = ""
        self._same: dict[str, str] = {}

    def add(self, layer: Layer) -> None:
        kinds = {
            "Input": self._input,
            "Split": self._copies,
            "Convolution": self._convolution,
            "PReLU": self._slopes,
            "Concat": self._joined,
            "Eltwise": self._weighted_sum,
            "BinaryOp": self._sum,
            "Interp": self._repeated,
            "PixelShuffle": self._shuffled,
        }
        if layer.kind not in kinds:
            raise UserError(f"a layer of ncnn of the kind '{layer.kind}' is not known; known are {', '.join(kinds)}.")
        kinds[layer.kind](layer)

    def _input(self, layer: Layer) -> None:
        (self.given,) = layer.outputs

    def _copies(self, layer: Layer) -> None:
        self._same |= dict.fromkeys(layer.outputs, self._read(layer)[0])

    def _convolution(self, layer: Layer) -> None:
        side, edge = int(_setting(layer, 1)), int(_setting(layer, 4))
        _demand(layer, {2: (1,), 3: (1,), 7: (1,)}, 1)
        activation = int(_setting(layer, 9))
        _demand(layer, {9: (0, LEAKY)}, 0)
        result = layer.outputs[0] if not activation else f"{layer.outputs[0]}.plain"
        inputs = [*self._read(layer), *self._kept(layer, "kernel", "bias")]
        self.nodes.append(node("Conv", inputs, [result], kernel_shape=[side, side], pads=[edge] * 4))
        if activation:
            (slope,) = _list(layer, 10)
            self.nodes.append(node("LeakyRelu", [result], layer.outputs, alpha=float(slope)))

    def _slopes(self, layer: Layer) -> None:
        (name,) = self._kept(layer, "slopes")
        self.weights[name] = self.weights[name][:, None, None]
        self._operate("PRelu", layer, name)

    def _joined(self, layer: Layer) -> None:
        _demand(layer, {0: (0,)}, 0)
        self._operate("Concat", layer, axis=1)

    def _sum(self, layer: Layer) -> None:
        _demand(layer, {0: (ADD,), 1: (0,)}, 0)
        self._operate("Add", layer)

    def _weighted_sum(self, layer: Layer) -> None:
        _demand(layer, {0: (SUM,)}, 0)
        terms = []
        for name, factor in zip(self._read(layer), _list(layer, 1), strict=True):
            if factor == 1.0:
                terms.append(name)
                continue
            constant, term = f"{layer.outputs[0]}.factor{len(terms)}", f"{layer.outputs[0]}.term{len(terms)}"
            self.weights[constant] = np.full((1,), factor, np.float32)
            self.nodes.append(node("Mul", [name, constant], [term]))
            terms.append(term)
        self.nodes.append(node("Sum", terms, layer.outputs))

    def _repeated(self, layer: Layer) -> None:
        _demand(layer, {0: (NEAREST,), 3: (0,), 4: (0,)}, 0)
        scales = f"{layer.outputs[0]}.scales"
        self.weights[scales] = np.asarray([1, 1, _setting(layer, 1), _setting(layer, 2)], np.float32)
        how: dict[str, Attribute] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        self._operate("Resize", layer, "", scales, **how)

    def _shuffled(self, layer: Layer) -> None:
        _demand(layer, {1: (0,)}, 0)
        self._operate("DepthToSpace", layer, blocksize=int(_setting(layer, 0)), mode="CRD")

    def _operate(self, kind: str, layer: Layer, *more: str, **attributes: Attribute) -> None:
        self.nodes.append(node(kind, [*self._read(layer), *more], layer.outputs, **attributes))

    def _read(self, layer: Layer) -> list[str]:
        return [self._same.get(name, name) for name in layer.inputs]

    def _kept(self, layer: Layer, *roles: str) -> list[str]:
        names = [f"{layer.outputs[0]}.{role}" for role in roles[: len(layer.weights)]]
        self.weights |= dict(zip(names, layer.weights, strict=True))
        return names


def _setting(layer: Layer, key: int, usual: Number = 0) -> Number:
    value = layer.settings.get(key, usual)
    assert not isinstance(value, tuple)
    return value


def _list(layer: Layer, key: int) -> tuple[Number, ...]:
    value = layer.settings.get(key, ())
    assert isinstance(value, tuple)
    return value


def _demand(layer: Layer, allowed: dict[int, tuple[int, ...]], usual: int) -> None:
    """Raise UserError where a setting has a value that is not translated."""
    for key, values in allowed.items():
        if _setting(layer, key, usual) not in values:
            raise UserError(f"a layer of ncnn '{layer.kind}' with the setting {key} = {_setting(layer, key)} is not known.")
