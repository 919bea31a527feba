"""The space that a search varies when it is not told otherwise, and the settings that it tries first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aldente.recipe.parameters import Scalar
from aldente.recipe.presets import Plain
from aldente.recipe.recipe import Recipe
from aldente.store.port import Store
from aldente.studio.presets import known_presets, with_schedule
from aldente.tuning.search.space import Space, dimension_of, filled, parse_space

SAMPLERS = ("dpmpp_2m", "uni_pc", "deis", "lms", "euler", "heun", "dpmpp_2s_ancestral", "dpmpp_2m_sde")
SCHEDULES = ("karras", "exponential", "sgm_uniform", "beta", "kl_optimal")
STEPS = (5, 40)

MOST_STARTS = 12
"""Presets that are tried first, at most."""


def space_of(texts: Sequence[str], base: Recipe, pinned: Collection[str]) -> Space:
    """The space: what the texts name, and of sampler, schedule and steps what is neither named nor ``pinned`` by the user.

    Raises UserError for what cannot be varied.
    """
    named = {dimension.name: dimension for dimension in parse_space(texts, base)}
    low, high = STEPS
    usual: dict[str, tuple[Scalar, ...]] = {
        "sampler": SAMPLERS,
        "schedule": SCHEDULES,
        "steps": filled(low, high, whole=True, geometric=True),
    }
    for name, values in usual.items():
        if name not in named and name not in pinned:
            named[name] = dimension_of(name, values, base)
    order = sorted(named, key=lambda name: list(usual).index(name) if name in usual else len(usual))
    return Space(dimensions=tuple(named[name] for name in order))


def starts_in(store: Store, space: Space) -> tuple[dict[str, Plain], ...]:
    """The settings of presets, as far as the space has them: folklore and what earlier studies found, each once."""
    names = {dimension.name for dimension in space.dimensions}
    found: list[dict[str, Plain]] = []
    for preset in known_presets(store).values():
        settings = {
            name: value
            for name, value in with_schedule(preset.settings).items()
            if name in names and isinstance(value, bool | int | float | str)
        }
        if settings and settings not in found:
            found.append(settings)
    return tuple(found[:MOST_STARTS])
