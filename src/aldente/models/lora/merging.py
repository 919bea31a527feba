"""LoRAs in the weights of torch networks: added, exchanged, and taken out again to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.lora.deltas import decomposed, delta
from aldente.models.lora.files import DENOISER, LoraFile, Pieces, read_lora
from aldente.models.lora.targets import Target, Targets, targets_of
from aldente.recipe.prompt import Lora

FILES_KEPT = 4
"""LoRA files that stay in memory."""


class Merged:
    """The networks of a checkpoint with the LoRAs that were asked for last; ``find`` gives the file of a name.

    The weights as they were are kept for every module that was ever changed, and put back before anything is added: what
    is drawn without a LoRA is what was drawn before there was one.
    """

    def __init__(self, networks: Mapping[str, Any], find: Callable[[str], Path]) -> None:
        self._networks = dict(networks)
        self._targets: dict[str, Targets] = {which: targets_of(network, which) for which, network in networks.items()}
        self._read = lru_cache(maxsize=FILES_KEPT)(lambda name: read_lora(find(name)))
        self._kept: dict[tuple[str, str], Tensor] = {}
        self._changed: set[tuple[str, str]] = set()
        self._used: tuple[Lora, ...] = ()

    @property
    def used(self) -> tuple[Lora, ...]:
        """What is in the weights now."""
        return self._used

    def use(self, loras: Sequence[Lora]) -> None:
        """Put these LoRAs, and no others, into the weights; raises UserError for one that does not fit, and changes nothing."""
        wanted = tuple(lora for lora in loras if lora.weight or lora.text_weight)
        if wanted == self._used:
            return
        sums = self._sums(wanted)
        for place in self._changed - sums.keys():
            self._weight(*place).copy_(self._kept[place])
        for place, added in sums.items():
            weight = self._weight(*place)
            if place not in self._kept:
                self._kept[place] = weight.detach().clone()
            # Summed in single precision and rounded once: several LoRAs in half precision do not lose each other's digits.
            weight.copy_((self._kept[place].to(added).add(added)).to(weight.dtype))
        self._changed, self._used = set(sums), wanted

    def _sums(self, loras: Sequence[Lora]) -> dict[tuple[str, str], Tensor]:
        """What all LoRAs add together to each module."""
        sums: dict[tuple[str, str], Tensor] = {}
        for lora in loras:
            for place, added in self._added(lora):
                sums[place] = sums[place] + added if place in sums else added
        return sums

    def _added(self, lora: Lora) -> Iterator[tuple[tuple[str, str], Tensor]]:
        file = self._read(lora.name)
        fits = False
        for (which, spelling), pieces in file.modules.items():
            targets = self._targets.get(which, {}).get(spelling, ())
            fits = fits or bool(targets)
            strength = lora.weight if which == DENOISER else lora.text_weight
            if targets and strength:
                yield from self._module(file, which, targets, pieces, strength)
        if not fits:
            raise UserError(
                f"the LoRA '{lora.name}' changes no part of this model: it is of another architecture"
                f" ({file.metadata.get('ss_base_model_version') or 'its file does not say which'})."
            )

    def _module(
        self,
        file: LoraFile,
        which: str,
        targets: Sequence[Target],
        pieces: Pieces,
        strength: float,
    ) -> Iterator[tuple[tuple[str, str], Tensor]]:
        weights = [self._weight(which, target.module) for target in targets]
        device = weights[0].device
        given = {role: torch.from_numpy(np.array(piece, np.float32)).to(device) for role, piece in pieces.items()}
        rows = sum(weight.shape[0] for weight in weights)
        where = f"'{targets[0].module}' of the LoRA '{file.name}'"
        added = delta(given, (rows, *weights[0].shape[1:]), where, torch)
        if "scale" in given:
            whole = torch.cat([self._plain(which, target.module).float() for target in targets])
            added = decomposed(whole, added, given["scale"], torch)
        at = 0
        for target, weight in zip(targets, weights, strict=True):
            own = added[at : at + weight.shape[0]]
            yield (which, target.module), strength * (own.roll(own.shape[0] // 2, 0) if target.swapped else own)
            at += weight.shape[0]

    def _plain(self, which: str, module: str) -> Tensor:
        """The weight without any LoRA."""
        return self._kept.get((which, module), self._weight(which, module))

    def _weight(self, which: str, module: str) -> Tensor:
        found: Tensor = self._networks[which].get_submodule(module).weight.data
        return found
