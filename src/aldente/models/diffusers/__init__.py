"""Users' own checkpoints through diffusers: Stable Diffusion, SDXL, SD 3, FLUX. Importing it loads nothing; ``load`` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.plan import Plan, usual_plan

if TYPE_CHECKING:
    from aldente.models.diffusers.model import Checkpoint

__all__ = ["Plan", "load", "usual_plan"]


def load(
    folder: Path, *, name: str | None = None, facts: CheckpointFacts | None = None, plan: Plan | None = None
) -> Checkpoint:
    """The checkpoint of a diffusers folder, called by the folder's name if not by another.

    ``facts`` are what is known of it without loading, ``plan`` how it is run (None: what suits this machine). Raises
    UserError where it cannot be opened, or where the packages that it needs are not installed.
    """
    _require()
    from aldente.models.checkpoints.folders import inspect_folder  # noqa: PLC0415  # loaded when it is used
    from aldente.models.diffusers.facts import fingerprint  # noqa: PLC0415  # loaded when it is used
    from aldente.models.diffusers.folder import open_folder  # noqa: PLC0415  # torch is heavy: loaded when it is used
    from aldente.models.diffusers.model import Checkpoint  # noqa: PLC0415  # torch is heavy: loaded when it is used

    chosen = plan or usual_plan()
    known = facts or inspect_folder(folder)
    pipeline = open_folder(folder, chosen)
    return Checkpoint(pipeline, name=name or folder.name, weights=lambda: fingerprint(folder), facts=known, plan=chosen)


def _require() -> None:
    """Raise UserError where torch, diffusers or transformers are not installed."""
    from importlib.util import find_spec  # noqa: PLC0415  # needed here only

    missing = [package for package in ("torch", "diffusers", "transformers", "accelerate") if find_spec(package) is None]
    if missing:
        raise UserError(
            f"checkpoints need {', '.join(missing)}, not installed; run: pip install 'aldente[diffusers]', and install torch"
            " as pytorch.org says for your machine."
        )
