"""Long stages go on where they were killed: what is asked is the key, so that only what is the same is taken up again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Asking, Estimate, Latent
from aldente.engine.levels import Level
from aldente.engine.tiling import Group
from aldente.render.scene import Scene, TileNote


class Keeper:
    """The checkpoints of one stage, and its notes."""

    def __init__(self, scene: Scene, stage: int) -> None:
        recipe, model = scene.recipe.up_to(stage + 1), scene.model
        self._scene, self._stage = scene, stage
        self._run = digest(recipe.digest(), model.info.fingerprint, repr(model.runtime))
        self._turn = self._done = 0

    def get(self, part: str) -> NDArray[Any] | None:
        """What an earlier run has finished of this stage, or None."""
        return None if self._scene.checkpoints is None else self._scene.checkpoints.get(self._run, part)

    def put(self, part: str, array: NDArray[Any]) -> None:
        """Keep what is finished."""
        if self._scene.checkpoints is not None:
            self._scene.checkpoints.put(self._run, part, array)

    def finish(self) -> None:
        """The stage is finished: nothing of it is needed any more."""
        if self._scene.checkpoints is not None:
            self._scene.checkpoints.drop(self._run)

    def count(self, tiles: int, total: int, turns: int | None) -> None:
        """Tell how many more tiles are done; after the last of ``total`` the next of the ``turns`` begins."""
        self._done += tiles
        if self._scene.note is not None:
            self._scene.note(TileNote(self._stage, self._turn, self._done, total, turns))
        if self._done == total:
            self._turn, self._done = self._turn + 1, 0


def digest(*parts: str | bytes) -> str:
    """The SHA-256 of the parts, told apart by their lengths."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        whole.update(len(content).to_bytes(8, "little") + content)
    return whole.hexdigest()


def keeping(ask: Group, keeper: Keeper, total: int, turns: int | None) -> Group:
    """``ask``, whose answers are kept: what an earlier run was told is not asked again.

    ``total`` is the tiles of a passage over the picture, ``turns`` how many passages there are, if that is known.
    """

    def ask_new(tiles: Mapping[int, Latent], level: Level) -> Asking[list[Estimate]]:
        asked = (part for number, tile in tiles.items() for part in (str(number), np.ascontiguousarray(tile).tobytes()))
        part = digest(level.alpha.hex(), level.sigma.hex(), *asked)
        kept = keeper.get(part)
        if kept is None:
            estimates = yield from ask(tiles, level)
            keeper.put(part, _packed(estimates))
        else:
            estimates = _unpacked(kept)
        keeper.count(len(tiles), total, turns)
        return estimates

    return ask_new


def _packed(estimates: Sequence[Estimate]) -> NDArray[Any]:
    """Clean estimates and, where they differ, bases: ``1|2 tiles b c h w``."""
    same = all(estimate.base is estimate.clean for estimate in estimates)
    sides = [[estimate.clean for estimate in estimates]] + ([] if same else [[estimate.base for estimate in estimates]])
    return np.stack([np.stack(side) for side in sides])


def _unpacked(kept: NDArray[Any]) -> list[Estimate]:
    cleans = list(kept[0])
    bases = cleans if len(kept) == 1 else list(kept[1])
    return [Estimate(clean, base) for clean, base in zip(cleans, bases, strict=True)]
