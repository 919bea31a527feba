"""Long stages go on where they were killed: what is asked is the key, so that only what is the same is taken up again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aldente.engine.denoise import Asking, Estimate, Latent
from aldente.engine.levels import Level
from aldente.engine.tiling import Group
from aldente.render.metering import Meter
from aldente.render.scene import Scene, TileNote
from aldente.store.checkpoints import Part


class Keeper:
    """The checkpoints of one stage, and its notes."""

    def __init__(self, scene: Scene, stage: int) -> None:
        recipe, model = scene.recipe.up_to(stage + 1), scene.model
        self._scene, self._stage = scene, stage
        self._run = digest(recipe.digest(), model.info.fingerprint, repr(model.runtime))
        self._turn = self._done = 0
        self._open: dict[str, float] = {}
        self._seen = 0.0

    def kept(self, part: str, make: Callable[[], Asking[NDArray[Any]]]) -> Asking[NDArray[Any]]:
        """What an earlier run has finished of this stage, or what ``make`` computes, which is kept from then on.

        Parts that are computed at the same time share their seconds.
        """
        checkpoints, meter = self._scene.checkpoints, self._scene.meter
        if checkpoints is None:
            return (yield from make())
        found = checkpoints.get(self._run, part)
        if found is not None:
            if meter is not None:
                meter.take_up(self._stage, found.asked, found.seconds)
                self._seen += found.seconds
            return found.array
        self._share_out()
        self._open[part] = 0.0
        tally = Meter(lambda: 0.0)
        array = yield from tally.counted(0, make())
        self._share_out()
        checkpoints.put(self._run, part, Part(array, tally.asked[0], self._open.pop(part)))
        return array

    def _share_out(self) -> None:
        """Put the seconds since the last time down to the parts that are under way, in equal shares."""
        seconds = self._seen if self._scene.meter is None else self._scene.meter.seconds(self._stage)
        for part in self._open:
            self._open[part] += (seconds - self._seen) / len(self._open)
        self._seen = seconds

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
        packed = yield from keeper.kept(part, lambda: _packed(ask(tiles, level)))
        keeper.count(len(tiles), total, turns)
        return _unpacked(packed)

    return ask_new


def _packed(asking: Asking[list[Estimate]]) -> Asking[NDArray[Any]]:
    """Clean estimates and, where they differ, bases: ``1|2 tiles b c h w``."""
    estimates = yield from asking
    same = all(estimate.base is estimate.clean for estimate in estimates)
    sides = [[estimate.clean for estimate in estimates]] + ([] if same else [[estimate.base for estimate in estimates]])
    return np.stack([np.stack(side) for side in sides])


def _unpacked(kept: NDArray[Any]) -> list[Estimate]:
    cleans = list(kept[0])
    bases = cleans if len(kept) == 1 else list(kept[1])
    return [Estimate(clean, base) for clean, base in zip(cleans, bases, strict=True)]
