"""The encoders of hints as ONNX graphs, each run once a picture; the denoiser adds what they say before every block."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aldente.models.pastina.facts import CONTROLS
from training.autoencoder_graph import convolve, group_norm, residual
from training.denoiser_graph import hint_sides
from training.graph import Graph
from training.shape import LATENT_SCALE, DenoiserShape


def write_control(path: Path, weights: Mapping[str, np.ndarray], shape: DenoiserShape, about: Mapping[str, str]) -> None:
    """Control pictures, b 1 h w in [0, 1], and their kinds, b k with a 1 at the kind -> hints."""
    graph = Graph(weights)
    lines = graph.operate("SpaceToDepth", "picture", blocksize=LATENT_SCALE)
    sides = graph.operate("Slice", graph.operate("Shape", lines), graph.integers(2), graph.integers(4))
    told = graph.operate("Reshape", "kind", graph.integers(-1, len(CONTROLS), 1, 1))
    told = graph.operate("Expand", told, graph.operate("Concat", graph.integers(1, 1), sides, axis=0))
    planes = graph.operate("Concat", lines, told, axis=1)
    _finish(graph, path, "control", planes, shape, {"picture": ("b", 1, "h", "w"), "kind": ("b", len(CONTROLS))}, about)


def write_inpainting(path: Path, weights: Mapping[str, np.ndarray], shape: DenoiserShape, about: Mapping[str, str]) -> None:
    """Latents of pictures with a hole, and the hole, b 1 h w in pixels: 1 where it is -> hints."""
    graph = Graph(weights)
    planes = graph.operate("Concat", "latent", graph.operate("SpaceToDepth", "hole", blocksize=LATENT_SCALE), axis=1)
    inputs = {"latent": ("b", shape.channels, "h4", "w4"), "hole": ("b", 1, "h", "w")}
    _finish(graph, path, "inpainting", planes, shape, inputs, about)


def _finish(
    graph: Graph,
    path: Path,
    encoder: str,
    planes: str,
    shape: DenoiserShape,
    inputs: Mapping[str, tuple[int | str, ...]],
    about: Mapping[str, str],
) -> None:
    near = residual(graph, convolve(graph, planes, f"{encoder}.enter"), f"{encoder}.first")
    near = graph.silu(group_norm(graph, near, f"{encoder}.near"))
    small = residual(graph, convolve(graph, near, f"{encoder}.shrink", stride=shape.fine_patch), f"{encoder}.second")
    small = graph.silu(group_norm(graph, small, f"{encoder}.middle"))
    large = residual(graph, convolve(graph, small, f"{encoder}.condense", stride=shape.fine_per_patch), f"{encoder}.third")
    large = graph.silu(group_norm(graph, large, f"{encoder}.far"))
    results = [_by_block(graph, large, f"{encoder}.trunk", shape.depth, shape.width)]
    if shape.fine_depth:
        results.append(_by_block(graph, small, f"{encoder}.fine", shape.fine_depth, shape.fine_width))
    graph.save(path, inputs, hint_sides(shape), results, about)


def _by_block(graph: Graph, x: str, layer: str, depth: int, width: int) -> str:
    """The linear ``layer`` on every cell of b c h w, as depth b n width."""
    cells = graph.operate("Transpose", x, perm=[0, 2, 3, 1])
    outline = graph.operate("Shape", cells)
    batch = graph.operate("Slice", outline, graph.integers(0), graph.integers(1))
    channels = graph.operate("Slice", outline, graph.integers(3), graph.integers(4))
    flat = graph.operate("Reshape", cells, graph.operate("Concat", graph.integers(-1), channels, axis=0))
    full = graph.operate("Concat", batch, graph.integers(-1, depth, width), axis=0)
    return graph.operate("Transpose", graph.operate("Reshape", graph.linear(flat, layer), full), perm=[2, 0, 1, 3])
