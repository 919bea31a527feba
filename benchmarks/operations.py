"""What pastina's denoiser has to compute for a row, and where its time goes, as ONNX Runtime's own trace tells it."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SIDE = 16
"""The side of the native latent."""


def feed_of(session: Any, rows: int) -> dict[str, np.ndarray]:
    """Inputs of the shapes that ``session`` declares, at ``rows`` rows of the native size, without hints."""
    sizes = {"b": rows, "h": SIDE, "w": SIDE, "hinted": 1, "cells": 1, "fine_cells": 1}
    rng = np.random.default_rng(0)
    fed = {}
    for given in session.get_inputs():
        shape = [sizes.get(side, side) for side in given.shape]
        whole = given.type == "tensor(int32)"
        fed[given.name] = np.ones(shape, np.int32) if whole else rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return fed


def trace(graph: Path, rows: int, threads: int, runs: int) -> list[dict[str, Any]]:
    """The operations of ``runs`` runs, in order, with their shapes and microseconds."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.enable_profiling = True
    with TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "trace")
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        fed = feed_of(session, rows)
        for _ in range(runs):
            session.run(None, fed)
        events = json.loads(Path(session.end_profiling()).read_text())
    return [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]


def floating_point_operations(graph: Path) -> int:
    """Floating-point operations of one row: two for each multiplication of its matrix products, and nothing else."""
    return 2 * sum(_multiplications(event["args"]) for event in trace(graph, 1, 1, 1))


def _multiplications(facts: Mapping[str, Any]) -> int:
    kind, given, (made, *_) = facts["op_name"], _shapes(facts["input_type_shape"]), _shapes(facts["output_type_shape"])
    if kind == "Gemm":  # m k by k n; the trace leaves constant weights out, so that n is read from the result
        return given[0][1] * prod(made)
    if kind == "MultiHeadAttention":  # queries b m d; keys b n d, or b heads n d/heads: q k' and then the mix of values
        return 2 * prod(given[0]) * given[1][-2]
    if kind in ("MatMul", "FusedMatMul", "FusedGemm", "Conv", "Attention", "Einsum"):
        raise NotImplementedError(f"count the operations of {kind} here: the denoiser did not use it when this was written.")
    return 0


def _shapes(listed: Sequence[Mapping[str, Sequence[int]]]) -> list[Sequence[int]]:
    return [next(iter(shape.values())) for shape in listed]


def milliseconds_by_kind(graph: Path, rows: int, threads: int, runs: int = 30) -> dict[str, float]:
    """The time of each kind of operation in one run, largest first: the median over runs for each operation, summed."""
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in trace(graph, rows, threads, runs):
        taken[event["args"]["op_name"], event["name"]].append(event["dur"] / 1e3)
    kinds: Counter[str] = Counter()
    for (kind, _), each in taken.items():
        kinds[kind] += statistics.median(each)
    return dict(kinds.most_common())
