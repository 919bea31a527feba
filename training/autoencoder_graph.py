"""The autoencoder as two ONNX graphs; latents leave and enter them at zero mean and unit spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from training.graph import Graph

GROUPS = 8

Statistics = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation of each channel of the raw latents."""


def write_encoder(path: Path, weights: Mapping[str, np.ndarray], statistics: Statistics) -> None:
    """Pictures, b 3 h w in [-1, 1] -> normalised latents: the mean of the posterior."""
    graph = Graph(weights)
    x = graph.operate("SpaceToDepth", "image", blocksize=2)
    x = residual(graph, convolve(graph, x, "encoder.enter"), "encoder.first")
    x = convolve(graph, x, "encoder.shrink", stride=2)
    x = residual(graph, residual(graph, x, "encoder.second"), "encoder.third")
    x = convolve(graph, graph.silu(group_norm(graph, x, "encoder.norm")), "encoder.leave")
    mean, _ = graph.split("Split", 2, x, axis=1, num_outputs=2)
    mean = graph.operate("Sub", mean, graph.constant(_planes(statistics[0])))
    latent = graph.operate("Mul", mean, graph.constant(1.0 / _planes(statistics[1])))
    sides = {"image": ("b", 3, "h", "w")}
    graph.save(path, sides, {"latent": ("b", len(statistics[0]), "h4", "w4")}, [latent], metadata(statistics))


def write_decoder(path: Path, weights: Mapping[str, np.ndarray], statistics: Statistics) -> None:
    """Normalised latents -> pictures, b 3 h w, about [-1, 1]."""
    graph = Graph(weights)
    raw = graph.operate("Mul", "latent", graph.constant(_planes(statistics[1])))
    raw = graph.operate("Add", raw, graph.constant(_planes(statistics[0])))
    x = convolve(graph, raw, "decoder.enter")
    x = residual(graph, residual(graph, x, "decoder.first"), "decoder.second")
    x = graph.operate("DepthToSpace", convolve(graph, x, "decoder.grow"), blocksize=2, mode="CRD")
    x = residual(graph, residual(graph, x, "decoder.third"), "decoder.fourth")
    x = convolve(graph, graph.silu(group_norm(graph, x, "decoder.norm")), "decoder.leave")
    image = graph.operate("DepthToSpace", x, blocksize=2, mode="CRD")
    graph.save(
        path, {"latent": ("b", len(statistics[0]), "h", "w")}, {"image": ("b", 3, "h4", "w4")}, [image], metadata(statistics)
    )


def metadata(statistics: Statistics) -> dict[str, str]:
    """The latents' statistics as text."""
    return {"mean": " ".join(map(repr, map(float, statistics[0]))), "spread": " ".join(map(repr, map(float, statistics[1])))}


def statistics_of(text: Mapping[str, str]) -> Statistics:
    """What ``metadata`` wrote."""
    return [float(value) for value in text["mean"].split()], [float(value) for value in text["spread"].split()]


def _planes(values: Sequence[float]) -> np.ndarray:
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)


def convolve(graph: Graph, x: str, layer: str, stride: int = 1) -> str:
    """The convolution ``layer``, 3 x 3, of ``x``."""
    kernel = (graph.weight(f"{layer}.weight"), graph.weight(f"{layer}.bias"))
    return graph.operate("Conv", x, *kernel, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])


def group_norm(graph: Graph, x: str, layer: str) -> str:
    """``x`` normalised over each of its ``GROUPS`` of channels, by the ``layer``'s scale and shift."""
    ones, zeros = graph.constant(np.ones(GROUPS)), graph.constant(np.zeros(GROUPS))
    grouped = graph.operate("Reshape", x, graph.integers(0, GROUPS, -1))
    normal = graph.operate("InstanceNormalization", grouped, ones, zeros, epsilon=1e-5)
    normal = graph.operate("Reshape", normal, graph.operate("Shape", x))
    planes = graph.integers(1, -1, 1, 1)
    scaled = graph.operate("Mul", normal, graph.operate("Reshape", graph.weight(f"{layer}.weight"), planes))
    return graph.operate("Add", scaled, graph.operate("Reshape", graph.weight(f"{layer}.bias"), planes))


def residual(graph: Graph, x: str, layer: str) -> str:
    """Two convolutions around which ``x`` passes by."""
    inner = convolve(graph, graph.silu(group_norm(graph, x, f"{layer}.norm")), f"{layer}.one")
    return graph.operate("Add", x, convolve(graph, graph.silu(inner), f"{layer}.two"))
