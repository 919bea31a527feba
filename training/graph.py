"""Writing ONNX graphs by hand: weights stored as half floats, activations in single precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
CONTRIB = "com.microsoft"
"""The domain of ONNX Runtime's fused operators."""


class Graph:
    """A graph under construction; every method that adds an operation returns the name of its result."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initialisers: list[onnx.TensorProto] = []
        self._cast: dict[str, str] = {}

    def operate(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The single result of the operation ``kind``."""
        return self.split(kind, 1, *inputs, domain=domain, **attributes)[0]

    def split(self, kind: str, count: int, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        """The ``count`` results of the operation ``kind``."""
        results = [f"{kind}_{len(self._nodes)}_{index}" for index in range(count)]
        self._nodes.append(helper.make_node(kind, list(inputs), results, domain=domain, **attributes))
        return results

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """A number or array that is part of the graph's form and not of its weights."""
        name = f"constant_{len(self._initialisers)}"
        self._initialisers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def integers(self, *values: int) -> str:
        """A vector of integers, as shapes and axes are given."""
        return self.constant(values, np.int64)

    def weight(self, name: str) -> str:
        """The weight ``name``, stored as float16; the runtime widens it once, when it loads the graph."""
        if name not in self._cast:
            self._initialisers.append(numpy_helper.from_array(self._weights[name].astype(np.float16), name))
            self._cast[name] = self.operate("Cast", name, to=TensorProto.FLOAT)
        return self._cast[name]

    def linear(self, x: str, layer: str) -> str:
        """The linear ``layer`` on the rows of the matrix ``x``."""
        return self.operate("Gemm", x, self.weight(f"{layer}.weight"), self.weight(f"{layer}.bias"), transB=1)

    def silu(self, x: str) -> str:
        """The product of x and its sigmoid."""
        return self.operate("Mul", x, self.operate("Sigmoid", x))

    def save(
        self,
        path: Path,
        inputs: Mapping[str, Sequence[int | str]],
        outputs: Mapping[str, Sequence[int | str]],
        results: Sequence[str],
        metadata: Mapping[str, str],
    ) -> None:
        """Write the graph whose ``results`` are the ``outputs``, by name and shape; inputs named ``mask`` are int32."""
        for result, name in zip(results, outputs, strict=True):
            self._nodes.append(helper.make_node("Identity", [result], [name]))
        graph = helper.make_graph(
            self._nodes,
            path.stem,
            [_described(*i) for i in inputs.items()],
            [_described(*o) for o in outputs.items()],
            self._initialisers,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)], ir_version=10
        )
        helper.set_model_props(model, dict(metadata))
        path.write_bytes(model.SerializeToString())


def read_weights(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The weights (float32) and the metadata of a graph that ``Graph.save`` wrote."""
    model = onnx.load(path)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {name: value.astype(np.float32) for name, value in stored.items() if value.dtype == np.float16}
    return weights, {prop.key: prop.value for prop in model.metadata_props}


def _described(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    kind = TensorProto.INT32 if name == "mask" else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, list(shape))
