"""The workbench: the store, the loaded models and the clocks, put together once. The only wiring of the house."""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aldente
from aldente.models.port import Image, Model
from aldente.models.table import find_model
from aldente.models.upscaling.port import Upscaler
from aldente.models.upscaling.table import find_upscaler
from aldente.recipe.recipe import Recipe
from aldente.render.cache import PrefixCache
from aldente.render.render import PREFIX_BYTES
from aldente.store import open_store
from aldente.store.port import Store
from aldente.store.record import Provenance, now
from aldente.studio.sources import picture_of

if TYPE_CHECKING:
    from aldente.studio.recognising import Categories

SEED_BITS = 32
"""Drawn seeds are as long as A1111's, so that other programs can be given them."""


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """Everything that a use case needs from outside: where pictures are kept, who draws them, time and chance.

    ``prefixes`` is what the first stages of recipes gave lately.
    """

    store: Store
    load: Callable[[str], Model]
    clock: Callable[[], float] = time.perf_counter
    now: Callable[[], str] = now
    draw_seed: Callable[[], int] = field(default=lambda: secrets.randbits(SEED_BITS))
    _loaded: dict[str, Model] = field(default_factory=dict)
    _upscalers: dict[str, Upscaler] = field(default_factory=dict)
    _categories: list[Categories] = field(default_factory=list)
    prefixes: PrefixCache = field(default_factory=lambda: PrefixCache(PREFIX_BYTES))

    def model(self, name: str) -> Model:
        """The model of that name, loaded once; raises UserError when there is none."""
        if name not in self._loaded:
            loaded = self.load(name)
            # Asked for by an alias or a path, it goes on under its own name.
            self._loaded[name] = self._loaded.setdefault(loaded.info.name, loaded)
        return self._loaded[name]

    def upscaler(self, name: str) -> Upscaler:
        """The upscaler of that name, loaded once; raises UserError when there is none."""
        entry = find_upscaler(name)
        if entry.name not in self._upscalers:
            self._upscalers[entry.name] = entry.load(None)
        return self._upscalers[entry.name]

    def category(self, recipe: Recipe, model: Model) -> str | None:
        """What the picture of a recipe is of, by its prompt; None where that says nothing."""
        from aldente.studio.recognising import Categories, reader_of  # noqa: PLC0415  # the text encoder and its examples

        if not self._categories:
            self._categories.append(Categories(reader_of(model)))
        return self._categories[0].of(recipe)

    def picture(self, file_hash: str) -> Image:
        """The pixels of a picture that is kept in the store; raises UserError when it is missing or damaged."""
        return picture_of(self.store.read_file(file_hash), f"the picture {file_hash[:8]}")

    def provenance(self, model: Model) -> Provenance:
        """What a picture drawn now by ``model`` comes from."""
        runtime = model.runtime
        return Provenance(
            aldente=aldente.__version__,
            engine=aldente.__version__,
            model=model.info.name,
            model_fingerprint=model.info.fingerprint,
            runtime=runtime.name,
            runtime_version=runtime.version,
            device=runtime.device,
            dtype=runtime.dtype,
            threads=runtime.threads,
            python=platform.python_version(),
            platform=platform.platform(),
            created=self.now(),
        )


def open_workbench(store: str | None = None) -> Workbench:
    """The workbench on the store at ``store`` (a path or database URL; the user's own if not given)."""
    return workbench_on(open_store(store))


def workbench_on(store: Store) -> Workbench:
    """The workbench on a store that is open."""
    return Workbench(store=store, load=lambda name: find_model(name).load(None))
