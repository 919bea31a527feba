"""The programs that can evaluate pastina's denoiser."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError, unknown
from aldente.models.pastina.sessions import open_session

Feed = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Denoiser:
    """An opened denoiser: the sides of what it is fed, None where they are free, and what gives the clean estimate, b 4 h w.

    ``run`` may be called by several threads at once.
    """

    inputs: Mapping[str, tuple[int | None, ...]]
    run: Callable[[Feed], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class RuntimeEntry:
    """A program by ``name``, the ``package`` that holds it, and its number format.

    ``open`` reads a graph for so many callers at once, each call evaluated on one thread. ``automatic`` says that it may be
    chosen for its speed: only where its answers are those of the others to a hundred-thousandth.
    """

    name: str
    package: str
    dtype: str
    automatic: bool
    open: Callable[[Path, int], Denoiser]

    def installed(self) -> bool:
        """Whether the package is there, which is found out without importing it."""
        return find_spec(self.package) is not None


def runtimes() -> tuple[RuntimeEntry, ...]:
    """Every program, the default first."""
    return (
        RuntimeEntry(name="onnxruntime", package="onnxruntime", dtype="float32", automatic=True, open=_open_onnxruntime),
        RuntimeEntry(name="openvino", package="openvino", dtype="float32", automatic=True, open=_open_openvino),
        RuntimeEntry(name="openvino-bf16", package="openvino", dtype="bfloat16", automatic=False, open=_open_openvino_bf16),
    )


def find_runtime(name: str, others: tuple[str, ...] = ()) -> RuntimeEntry:
    """The installed program called ``name``; raises ``UserError`` when it is unknown (``others`` are known too) or missing."""
    for entry in runtimes():
        if entry.name == name:
            if not entry.installed():
                raise UserError(
                    f"runtime '{name}' needs a package that is not installed: pip install 'aldente[{entry.package}]'."
                )
            return entry
    raise unknown("runtime", name, (*(entry.name for entry in runtimes()), *others))


def in_format(weights: str, dtype: str) -> str:
    """The fingerprint of ``weights`` rounded to a number format: rounded to fewer digits they are another model's."""
    return weights if dtype == "float32" else hashlib.sha256(f"{weights} {dtype}".encode()).hexdigest()


def _open_onnxruntime(graph: Path, callers: int) -> Denoiser:  # noqa: ARG001  # a call runs on the thread that makes it
    session = open_session(graph, 1)
    inputs = {
        given.name: tuple(side if isinstance(side, int) else None for side in given.shape) for given in session.get_inputs()
    }
    return Denoiser(inputs=inputs, run=lambda feed: session.run(None, feed)[0])


def _open_openvino(graph: Path, callers: int) -> Denoiser:
    return _compiled(graph, callers, "f32")


def _open_openvino_bf16(graph: Path, callers: int) -> Denoiser:
    return _compiled(graph, callers, "bf16")


def _compiled(graph: Path, callers: int, precision: str) -> Denoiser:
    """One stream of one thread for each caller, free sides left free.

    Compiled for fixed sides a call is a tenth faster, but takes 0.13 GB for each number of rows and rounds otherwise.
    """
    import openvino  # noqa: PLC0415  # heavy, and optional

    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": callers,
        "INFERENCE_NUM_THREADS": callers,
        # Threads tied to cores would share them with those of other processes that are tied to the same.
        "ENABLE_CPU_PINNING": False,
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(graph), "CPU", settings)
    taken = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if taken != precision:
        raise UserError(f"this processor computes in {taken}, not in {precision}: use runtime 'openvino' or 'onnxruntime'.")
    own = threading.local()

    def run(feed: Feed) -> NDArray[np.float32]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        answer: NDArray[np.float32] = own.request.infer(dict(feed), share_inputs=True)[0]
        # The answer lies in the request's memory, where the next one will be written.
        return answer.copy()

    inputs = {
        given.any_name: tuple(side.get_length() if side.is_static else None for side in given.partial_shape)
        for given in compiled.inputs
    }
    return Denoiser(inputs=inputs, run=run)
