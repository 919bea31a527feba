"""What long stages have finished, in a folder: one file a part, whole or not there."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError

CHECKPOINTS = "checkpoints"
"""Where they are among a store's files."""


class Part(NamedTuple):
    """Something finished, and what it cost: model calls and seconds."""

    array: NDArray[Any]
    asked: int
    seconds: float


class CheckpointFolder:
    """Checkpoints that outlive the process. It is a place for what can be made again: clear it whenever no run needs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, run: str, part: str) -> Part | None:
        """What was kept, or None; a file that cannot be read counts as lost."""
        try:
            with self._path(run, part).open("rb") as file:
                array, (asked, seconds) = np.load(file, allow_pickle=False), np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return Part(array, int(asked), float(seconds))

    def put(self, run: str, part: str, kept: Part) -> None:
        """Keep a part: a kill at any moment leaves it whole or not there. Raises UserError where the disk refuses it."""
        path = self._path(run, part)
        temporary = path.with_name(f"{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                np.save(file, kept.array, allow_pickle=False)
                np.save(file, np.array([kept.asked, kept.seconds], np.float64), allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise UserError(f"checkpoint {path} cannot be written ({error.strerror}); make room, or go on without.") from error

    def drop(self, run: str) -> None:
        """Forget what a run has kept, and what it left half-written."""
        shutil.rmtree(self._folder / run, ignore_errors=True)

    def _path(self, run: str, part: str) -> Path:
        return self._folder / run / f"{part}.npy"
