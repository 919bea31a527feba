"""The denoiser as two ONNX graphs: what depends on the prompt alone, once a prompt, and the rest, once a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.graph import CONTRIB, Graph
from training.shape import FREQUENCIES, FREQUENCY_MAX, POOLED_GAIN, TEXT_TOKENS, TEXT_WIDTH, TOKEN_GAIN, DenoiserShape


def write_conditioner(path: Path, weights: Mapping[str, np.ndarray], shape: DenoiserShape) -> None:
    """Token states and pooled vector of prompts -> keys and values of every cross-attention, and the pooled embedding."""
    graph = Graph(weights)
    states = graph.operate(
        "Mul", graph.operate("Reshape", "states", graph.integers(-1, TEXT_WIDTH)), graph.constant(TOKEN_GAIN)
    )
    tokens = graph.operate("Reshape", graph.linear(states, "token_in"), graph.integers(-1, TEXT_TOKENS, shape.width))
    tokens = graph.operate("Add", tokens, graph.weight("token_position"))
    tokens = graph.operate("Reshape", tokens, graph.integers(-1, shape.width))
    layout = graph.integers(-1, TEXT_TOKENS, 2, shape.heads, shape.width // shape.heads)
    pairs = []
    for block in range(shape.depth):
        both = graph.operate("Reshape", graph.linear(tokens, f"blocks.{block}.cross.key_value"), layout)
        pairs.append(graph.operate("Transpose", both, perm=[2, 0, 3, 1, 4]))
    pooled = graph.linear(graph.operate("Mul", "pooled", graph.constant(POOLED_GAIN)), "pooled_in")
    kept = (2 * shape.depth, "b", shape.heads, TEXT_TOKENS, shape.width // shape.heads)
    graph.save(
        path,
        {"states": ("b", TEXT_TOKENS, TEXT_WIDTH), "pooled": ("b", TEXT_WIDTH)},
        {"context": kept, "embedding": ("b", shape.width)},
        [graph.operate("Concat", *pairs, axis=0), pooled],
        shape.to_text(),
    )


def write_denoiser(path: Path, weights: Mapping[str, np.ndarray], shape: DenoiserShape) -> None:
    """Noisy latent, sigma, the conditioner's results and hints -> the clean estimate, preconditioning included.

    Hints are added before every block; rows and cells may be given as 1 each, as where there is nothing to be added.
    """
    graph = Graph(weights)
    scale, level, spread = _noise_level(graph)
    scaled = graph.operate("Mul", "x", scale)
    patches = _patches(graph, scaled, shape.patch)
    outline = graph.operate("Shape", patches)
    signal = graph.silu(graph.operate("Add", _time(graph, level), "embedding"))
    hidden = graph.linear(_flat(graph, patches, shape.patch_numbers), "patch_in")
    hidden = _with_position(graph, hidden, outline, "position", shape.grid // shape.patch, shape.width)
    rows = graph.split("Split", 2 * shape.depth, "context", axis=0, num_outputs=2 * shape.depth)
    pairs = [graph.operate("Squeeze", row, graph.integers(0)) for row in rows]
    blocks = _Blocks(graph, "", shape.width, shape.depth, shape.heads, hidden, signal)
    unsure = graph.operate("Sub", graph.constant(1.0), graph.operate("Mul", scale, scale))
    unsure = graph.operate("Reshape", unsure, graph.integers(1, -1, 1, 1))
    hints = _hints(graph, "hint", unsure, shape.depth)
    for block in range(shape.depth):
        blocks.take(hints[block])
        blocks.attend(block)
        blocks.cross(block, pairs[2 * block], pairs[2 * block + 1])
        blocks.widen(block)
    last = blocks.final("final_modulation")
    answer = _image(graph, graph.linear(last, "patch_out"), outline, shape.patch)
    if shape.fine_depth:
        answer = graph.operate("Add", answer, _fine(graph, scaled, last, signal, unsure, outline, shape))
    # D(x; sigma) = x / (sigma^2 + 1) - F sigma / sqrt(sigma^2 + 1), F the network: sigma_data is 1 [Karras 2022, Eq. 7].
    clean = graph.operate("Mul", graph.operate("Sub", scaled, graph.operate("Mul", answer, spread)), scale)
    latent = ("b", shape.channels, "h", "w")
    kept = (2 * shape.depth, "b", shape.heads, TEXT_TOKENS, shape.width // shape.heads)
    inputs = {"x": latent, "sigma": ("b",), "context": kept, "embedding": ("b", shape.width), "mask": ("b", TEXT_TOKENS)}
    graph.save(path, inputs | hint_sides(shape), {"clean": latent}, [clean], shape.to_text())


def hint_sides(shape: DenoiserShape) -> dict[str, tuple[int | str, ...]]:
    """The names and sides of what is added to the trunk and, if there is one, to the fine transformer."""
    trunk: dict[str, tuple[int | str, ...]] = {"hint": (shape.depth, "hinted", "cells", shape.width)}
    if not shape.fine_depth:
        return trunk
    return trunk | {"fine_hint": (shape.fine_depth, "hinted", "fine_cells", shape.fine_width)}


def _noise_level(graph: Graph) -> tuple[str, str, str]:
    """1 / sqrt(sigma^2 + 1) and sigma as b 1 1 1, and ln(sigma) / 4 as b FREQUENCIES in between.

    Transcendental functions run on whole rows of FREQUENCIES equal numbers: on single numbers the runtime's vector
    kernels round differently at the end of a batch, and a row's result would depend on its company.
    """
    wide = graph.operate("Expand", graph.operate("Reshape", "sigma", graph.integers(-1, 1)), graph.integers(1, FREQUENCIES))
    power = graph.operate("Add", graph.operate("Mul", wide, wide), graph.constant(1.0))
    scale = graph.operate("Reciprocal", graph.operate("Sqrt", power))
    scale = graph.operate("Slice", scale, graph.integers(0), graph.integers(1), graph.integers(1))
    level = graph.operate("Mul", graph.operate("Log", wide), graph.constant(0.25))
    per_row = graph.integers(-1, 1, 1, 1)
    return graph.operate("Reshape", scale, per_row), level, graph.operate("Reshape", "sigma", per_row)


def _time(graph: Graph, level: str) -> str:
    frequencies = np.exp(np.linspace(0, math.log(FREQUENCY_MAX), FREQUENCIES))[None]
    angle = graph.operate("Mul", level, graph.constant(frequencies))
    waves = graph.operate("Concat", graph.operate("Cos", angle), graph.operate("Sin", angle), axis=1)
    return graph.linear(graph.silu(graph.linear(waves, "time_in")), "time_out")


def _patches(graph: Graph, x: str, side: int) -> str:
    return graph.operate("Transpose", graph.operate("SpaceToDepth", x, blocksize=side), perm=[0, 2, 3, 1])


def _image(graph: Graph, flat: str, outline: str, side: int) -> str:
    grid = graph.operate("Transpose", graph.operate("Reshape", flat, outline), perm=[0, 3, 1, 2])
    return graph.operate("DepthToSpace", grid, blocksize=side, mode="DCR")


def _flat(graph: Graph, x: str, width: int) -> str:
    return graph.operate("Reshape", x, graph.integers(-1, width))


def _with_position(graph: Graph, hidden: str, outline: str, name: str, side: int, width: int) -> str:
    """Add the position embedding, stretched to the size at hand; shape 1 b n width from here on."""
    plane = graph.operate("Reshape", graph.weight(name), graph.integers(1, side, side, width))
    plane = graph.operate("Transpose", plane, perm=[0, 3, 1, 2])
    sides = graph.operate("Slice", outline, graph.integers(1), graph.integers(3))
    sizes = graph.operate("Concat", graph.integers(1, width), sides, axis=0)
    plane = graph.operate("Resize", plane, "", "", sizes, mode="linear")
    plane = graph.operate("Reshape", plane, graph.integers(1, width, -1))
    plane = graph.operate("Transpose", plane, perm=[0, 2, 1])
    batch = graph.operate("Slice", outline, graph.integers(0), graph.integers(1))
    full = graph.operate("Concat", graph.integers(1), batch, graph.integers(-1, width), axis=0)
    return graph.operate("Add", graph.operate("Reshape", hidden, full), plane)


class _Blocks:
    """A run of transformer blocks modulated by one signal (adaLN-single) [Chen 2023, Sec. 2.3]."""

    def __init__(self, graph: Graph, prefix: str, width: int, depth: int, heads: int, hidden: str, signal: str) -> None:
        self._graph, self._prefix, self._width, self._heads = graph, prefix, width, heads
        self._hidden, self._signal = hidden, signal
        self._wide = graph.operate("Shape", hidden)
        self._outline = graph.operate("Slice", self._wide, graph.integers(1), graph.integers(4))
        pair = graph.operate("Slice", self._wide, graph.integers(1), graph.integers(3))
        self._triple = graph.operate("Concat", pair, graph.integers(3 * width), axis=0)
        self._ones, self._zeros = graph.constant(np.ones(width)), graph.constant(np.zeros(width))
        self._modulations = self._modulate(depth)

    def _modulate(self, depth: int) -> list[str]:
        """Scale, shift and gate of both halves of every block, each 1 b 1 width, the scales already counted from 1."""
        graph, width = self._graph, self._width
        shared = graph.operate("Gemm", self._signal, graph.weight(f"{self._prefix}modulation.weight"), transB=1)
        shared = graph.operate("Reshape", shared, graph.integers(1, -1, 6, 1, width))
        shared = graph.operate("Transpose", shared, perm=[0, 2, 1, 3, 4])
        bias = graph.operate("Reshape", graph.weight(f"{self._prefix}modulation.bias"), graph.integers(6, width))
        bias = graph.operate("Add", bias, graph.constant(np.array([1, 0, 0, 1, 0, 0])[:, None]))
        own = [graph.operate("Add", bias, graph.weight(f"{self._prefix}blocks.{block}.modulation")) for block in range(depth)]
        tables = [graph.operate("Reshape", table, graph.integers(1, 6, 1, 1, width)) for table in own]
        every = graph.operate("Add", shared, graph.operate("Concat", *tables, axis=0))
        every = graph.operate("Reshape", every, graph.integers(6 * depth, -1, 1, width))
        return graph.split("Split", 6 * depth, every, axis=0, num_outputs=6 * depth)

    def _normal(self, scale: str, shift: str) -> str:
        normal = self._graph.operate("LayerNormalization", self._hidden, scale, shift, axis=-1, epsilon=1e-5)
        return normal

    def _modulated(self, scale: str, shift: str) -> str:
        graph = self._graph
        normal = self._normal(self._ones, self._zeros)
        return _flat(graph, graph.operate("Add", graph.operate("Mul", normal, scale), shift), self._width)

    def _add(self, flat: str, gate: str | None) -> None:
        change = self._graph.operate("Reshape", flat, self._wide)
        gated = change if gate is None else self._graph.operate("Mul", change, gate)
        self._hidden = self._graph.operate("Add", self._hidden, gated)

    def take(self, hint: str) -> None:
        """Add a hint, 1 b n width."""
        self._hidden = self._graph.operate("Add", self._hidden, hint)

    def attend(self, block: int) -> None:
        """Self-attention."""
        graph, layer = self._graph, f"{self._prefix}blocks.{block}.attention"
        scale, shift, gate = self._modulations[6 * block : 6 * block + 3]
        packed = graph.operate("Reshape", graph.linear(self._modulated(scale, shift), f"{layer}.qkv"), self._triple)
        query, key, value = graph.split("Split", 3, packed, axis=2, num_outputs=3)
        mixed = graph.operate("MultiHeadAttention", query, key, value, domain=CONTRIB, num_heads=self._heads)
        self._add(graph.linear(_flat(graph, mixed, self._width), f"{layer}.out"), gate)

    def cross(self, block: int, key: str, value: str) -> None:
        """Attention to the prompt's tokens; padding is masked out."""
        graph, layer = self._graph, f"{self._prefix}blocks.{block}.cross"
        normal = self._normal(graph.weight(f"{layer}.norm.weight"), graph.weight(f"{layer}.norm.bias"))
        query = graph.linear(_flat(graph, normal, self._width), f"{layer}.query")
        query = graph.operate("Reshape", query, self._outline)
        inputs = (query, key, value, "", "mask")
        mixed = graph.operate("MultiHeadAttention", *inputs, domain=CONTRIB, num_heads=self._heads)
        self._add(graph.linear(_flat(graph, mixed, self._width), f"{layer}.out"), None)

    def widen(self, block: int) -> None:
        """The two-layer perceptron."""
        graph, layer = self._graph, f"{self._prefix}blocks.{block}.mlp"
        scale, shift, gate = self._modulations[6 * block + 3 : 6 * block + 6]
        inner = graph.operate("Gemm", self._modulated(scale, shift), graph.weight(f"{layer}.widen.weight"), transB=1)
        inner = graph.operate("FastGelu", inner, graph.weight(f"{layer}.widen.bias"), domain=CONTRIB)
        self._add(graph.linear(inner, f"{layer}.narrow"), gate)

    def final(self, layer: str) -> str:
        """The last hidden state, normalised and modulated, as a matrix."""
        graph = self._graph
        both = graph.operate("Reshape", graph.linear(self._signal, layer), graph.integers(1, -1, 1, 2 * self._width))
        scale, shift = graph.split("Split", 2, both, axis=3, num_outputs=2)
        return self._modulated(graph.operate("Add", scale, graph.constant(1.0)), shift)


def _hints(graph: Graph, taken: str, unsure: str, depth: int) -> list[str]:
    """What is added before each block, as strong as the clean latent is unsure at this noise."""
    return graph.split("Split", depth, graph.operate("Mul", taken, unsure), axis=0, num_outputs=depth)


def _fine(graph: Graph, scaled: str, last: str, signal: str, unsure: str, outline: str, shape: DenoiserShape) -> str:
    """The fine transformer's correction: it sees the small patches of the latent and what the trunk made of them."""
    patches = _patches(graph, scaled, shape.fine_patch)
    own = graph.operate("Shape", patches)
    cells = graph.linear(last, "fine.from_trunk")
    sides = graph.operate("Slice", outline, graph.integers(0), graph.integers(3))
    spread = graph.operate("Concat", sides, graph.integers(shape.fine_per_patch**2 * shape.fine_width), axis=0)
    cells = _image(graph, cells, spread, shape.fine_per_patch)
    cells = _flat(graph, graph.operate("Transpose", cells, perm=[0, 2, 3, 1]), shape.fine_width)
    hidden = graph.linear(_flat(graph, patches, shape.fine_numbers), "fine.patch_in")
    hidden = graph.operate("Add", hidden, cells)
    hidden = _with_position(graph, hidden, own, "fine.position", shape.grid // shape.fine_patch, shape.fine_width)
    blocks = _Blocks(graph, "fine.", shape.fine_width, shape.fine_depth, shape.fine_heads, hidden, signal)
    hints = _hints(graph, "fine_hint", unsure, shape.fine_depth)
    for block in range(shape.fine_depth):
        blocks.take(hints[block])
        blocks.attend(block)
        blocks.widen(block)
    return _image(graph, graph.linear(blocks.final("fine.final_modulation"), "fine.patch_out"), own, shape.fine_patch)
