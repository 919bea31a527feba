"""The enlarger as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.graph import Graph
from training.shape import FACTOR, LEAK, EnlargerShape


def write_enlarger(path: Path, weights: Mapping[str, np.ndarray], shape: EnlargerShape) -> None:
    """Pictures, b 3 h w in [-1, 1] -> b 3 4h 4w."""
    graph = Graph(weights)
    x = _convolve(graph, "image", "enter")
    for pair in range(shape.depth // 2):
        inner = _convolve(graph, _leaky(graph, x), f"blocks.{pair}.one")
        x = graph.operate("Add", x, _convolve(graph, _leaky(graph, inner), f"blocks.{pair}.two"))
    fine = _convolve(graph, _leaky(graph, x), "leave")
    scales = graph.constant([1, 1, FACTOR, FACTOR])
    straight = graph.operate("Resize", "image", "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
    enlarged = graph.operate("Add", straight, graph.operate("DepthToSpace", fine, blocksize=FACTOR, mode="CRD"))
    graph.save(path, {"image": ("b", 3, "h", "w")}, {"enlarged": ("b", 3, "h4", "w4")}, [enlarged], shape.to_text())


def _leaky(graph: Graph, x: str) -> str:
    return graph.operate("LeakyRelu", x, alpha=LEAK)


def _convolve(graph: Graph, x: str, layer: str) -> str:
    padded = graph.operate("Pad", x, graph.integers(0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    return graph.operate("Conv", padded, graph.weight(f"{layer}.weight"), graph.weight(f"{layer}.bias"), kernel_shape=[3, 3])
