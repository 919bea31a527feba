"""pastina's sessions: opened side by side in the background, waited for when first used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any


def open_session(path: Path, threads: int) -> Any:
    """An ONNX Runtime session on the CPU.

    The graphs are written in their fused form, so the basic level (which folds the stored half floats into single
    precision, once) is all they need; the higher levels would only cost time here.
    """
    import onnxruntime  # noqa: PLC0415  # heavy: loaded when it is used

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Threads may spin between the operations of one call, where waking them would cost more, but not after it.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Sessions:
    """pastina's sessions by name; what every picture needs starts to open at once, the rest when it is first used."""

    def __init__(self, folder: Path, text_model: Path, threads: int, open_denoiser: Callable[[Path, int], Any]) -> None:
        self._folder, self._threads = folder, threads
        openers = ThreadPoolExecutor(max_workers=2)
        self._opening: dict[str, Future[Any]] = {
            "text": openers.submit(open_session, text_model, threads),
            # Its calls run on one thread each: pastina shares out rows, not operations.
            "denoiser": openers.submit(open_denoiser, folder / "denoiser.onnx", threads),
            "conditioner": openers.submit(open_session, folder / "conditioner.onnx", threads),
            "decoder": openers.submit(open_session, folder / "decoder.onnx", threads),
        }
        openers.shutdown(wait=False)

    @cached_property
    def text(self) -> Any:
        """MiniLM: token ids to token states."""
        return self._opening["text"].result()

    @cached_property
    def conditioner(self) -> Any:
        """What the denoiser needs of a prompt, computed once."""
        return self._opening["conditioner"].result()

    @cached_property
    def denoiser(self) -> Any:
        """One step."""
        return self._opening["denoiser"].result()

    @cached_property
    def decoder(self) -> Any:
        """Latents to pictures."""
        return self._opening["decoder"].result()

    @cached_property
    def encoder(self) -> Any:
        """Pictures to latents."""
        return open_session(self._folder / "encoder.onnx", self._threads)

    @cached_property
    def control(self) -> Any:
        """Control pictures to hints."""
        return open_session(self._folder / "control.onnx", self._threads)

    @cached_property
    def inpainting(self) -> Any:
        """Latents of pictures with a hole, and the hole, to hints."""
        return open_session(self._folder / "inpainting.onnx", self._threads)
