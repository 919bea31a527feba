"""The scorer as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.autoencoder_graph import convolve, group_norm, residual
from training.graph import Graph
from training.shape import POOLED_GAIN, TEXT_WIDTH, ScorerShape


def write_scorer(path: Path, weights: Mapping[str, np.ndarray], shape: ScorerShape) -> None:
    """Pictures, b 3 64 64 in [-1, 1], and MiniLM's vectors, b 384 -> logits, b 3: right in concept, style, background."""
    graph = Graph(weights)
    x = convolve(graph, graph.operate("SpaceToDepth", "image", blocksize=2), "enter")
    for stage in range(len(shape.widths) - 1):
        x = residual(graph, convolve(graph, graph.silu(x), f"shrinks.{stage}", stride=2), f"residuals.{stage}")
    seen = graph.operate("ReduceMean", graph.silu(group_norm(graph, x, "norm")), graph.integers(2, 3), keepdims=0)
    read = graph.linear(graph.operate("Mul", "text", graph.constant(POOLED_GAIN)), "read")
    ends = graph.linear(seen, "leave"), graph.linear(graph.silu(read), "say")
    pair = (_directions(graph, end, shape) for end in ends)
    products = [graph.operate("Mul", *both) for both in zip(*pair, strict=True)]
    likeness = graph.operate("Concat", *(graph.operate("ReduceSum", x, graph.integers(1)) for x in products), axis=1)
    logits = graph.operate("Add", graph.operate("Mul", likeness, graph.weight("slope")), graph.weight("offset"))
    inputs = {"image": ("b", 3, shape.side, shape.side), "text": ("b", TEXT_WIDTH)}
    graph.save(path, inputs, {"logits": ("b", 3)}, [logits], shape.to_text())


def _directions(graph: Graph, x: str, shape: ScorerShape) -> list[str]:
    parts = graph.split("Split", len(shape.directions), x, graph.integers(*shape.directions), axis=1)
    return [graph.operate("LpNormalization", part, axis=1, p=2) for part in parts]
