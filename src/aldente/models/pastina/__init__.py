"""pastina: the text-to-image model that comes inside the package. Importing it loads nothing; ``load`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aldente.models.pastina.model import Pastina

__all__ = ["load"]


def load(threads: int | None = None) -> Pastina:
    """The model, on ``threads`` processor threads (as many as this process may use when None, but at most 8).

    The variable ALDENTE_RUNTIME names the program that evaluates its denoiser.
    """
    from aldente.models.pastina.choosing import wanted_runtime  # noqa: PLC0415  # loaded when it is used
    from aldente.models.pastina.model import Pastina  # noqa: PLC0415  # onnxruntime is heavy: loaded when it is used

    return Pastina(threads=threads, runtime=wanted_runtime())
