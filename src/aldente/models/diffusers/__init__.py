"""Users' own checkpoints through diffusers: Stable Diffusion, SDXL, SD 3, FLUX. Importing it loads nothing; ``load`` does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.plan import Plan, usual_plan

if TYPE_CHECKING:
    from aldente.models.diffusers.model import Checkpoint

__all__ = ["Plan", "load", "usual_plan"]


def load(
    path: Path,
    *,
    name: str | None = None,
    facts: CheckpointFacts | None = None,
    plan: Plan | None = None,
    weights: Callable[[], str] | None = None,
) -> Checkpoint:
    """The checkpoint in a diffusers folder or in one file, called as the folder or file is if not otherwise.

    ``facts`` are what is known of it without loading, ``plan`` how it is run (None: what suits this machine), ``weights``
    gives the fingerprint of its weights. Raises UserError where it cannot be opened, or where the packages that it needs
    are not installed.
    """
    _require()
    from aldente.models.checkpoints.inspecting import inspect  # noqa: PLC0415  # loaded when it is used
    from aldente.models.diffusers.facts import fingerprint  # noqa: PLC0415  # loaded when it is used
    from aldente.models.diffusers.model import Checkpoint  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.diffusers.opening import open_pipeline  # noqa: PLC0415  # torch is heavy: loaded when it is used

    chosen, known = plan or usual_plan(), facts or inspect(path)
    called = name or (path.name if path.is_dir() else path.stem)
    pipeline = open_pipeline(path, known, chosen)
    return Checkpoint(pipeline, name=called, weights=weights or partial(fingerprint, path), facts=known, plan=chosen)


def _require() -> None:
    """Raise UserError where torch, diffusers or transformers are not installed."""
    from importlib.util import find_spec  # noqa: PLC0415  # needed here only

    missing = [package for package in ("torch", "diffusers", "transformers", "accelerate") if find_spec(package) is None]
    if missing:
        raise UserError(
            f"checkpoints need {', '.join(missing)}, not installed; run: pip install 'aldente[diffusers]', and install torch"
            " as pytorch.org says for your machine."
        )
