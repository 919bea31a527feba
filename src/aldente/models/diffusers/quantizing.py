"""Fewer digits for the weights of a denoiser's linear layers, through torchao."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.diffusers.plan import VARIABLE, Plan, Quantize

PACKAGE = "torchao"


def check_quantizing(plan: Plan) -> None:
    """Raise UserError where a plan asks for fewer digits and the package for it is missing, or layers are moved about."""
    if plan.quantize is None:
        return
    if find_spec(PACKAGE) is None:
        raise UserError(
            f"quantize is '{plan.quantize}', which needs {PACKAGE}, not installed; run: pip install {PACKAGE}, or unset it"
            f" ({VARIABLE})."
        )
    if plan.offload == "layers":
        raise UserError(
            f"quantize is '{plan.quantize}', but layers with fewer digits cannot wait in main memory one by one; set offload to"
            " 'parts' or 'none'."
        )


def refuse_quantizing(plan: Plan, name: str) -> None:
    """Raise UserError where a plan asks for fewer digits of what is drawn by its own pipeline."""
    if plan.quantize is not None:
        raise UserError(
            f"quantize is '{plan.quantize}', but '{name}' is drawn by its own pipeline, which keeps all digits; unset it"
            f" ({VARIABLE})."
        )


def quantize(network: Any, how: Quantize) -> None:
    """Give the weights of a network's linear layers fewer digits, each row of a matrix in a range of its own.

    What they are multiplied with keeps its digits: rounded to eight bits, a row would show its company in the batch.
    """
    with _quiet():
        from torchao.quantization import Int8WeightOnlyConfig, quantize_  # noqa: PLC0415  # heavy and optional: loaded when used

        ways = {"int8": Int8WeightOnlyConfig}
        quantize_(network, ways[how]())


def stored(tensor: Tensor) -> Iterator[Tensor]:
    """The tensors that a tensor keeps its numbers in: itself, but for one with fewer digits."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield tensor
        return
    for name in flatten()[0]:
        yield from stored(getattr(tensor, name))


@contextmanager
def _quiet() -> Iterator[None]:
    """Let torchao not tell of kernels for machines that this is not."""
    logger = logging.getLogger(PACKAGE)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
