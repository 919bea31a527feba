"""The presets that a user has: the bundled folklore, the bundled measured ones, and over both those in the store."""

from __future__ import annotations

from collections.abc import Mapping

from aldente.engine.errors import UserError
from aldente.engine.names import split_name
from aldente.engine.samplers import find_sampler
from aldente.models.port import Model
from aldente.recipe.parameters import UNSET, Scalar, spelling_of
from aldente.recipe.presets import Preset, apply, find_preset, folklore, preset_from
from aldente.recipe.recipe import Recipe
from aldente.recipe.sigmas import parse_sigmas
from aldente.render.render import check_size
from aldente.store.entries import PresetEntry
from aldente.store.port import Store
from aldente.studio.bundled import measured


def known_presets(store: Store) -> dict[str, Preset]:
    """Every preset by name; a stored one replaces the bundled one of its name, whatever its capitals."""
    every = [*folklore().values(), *measured().values(), *(preset_from(entry.body) for entry in store.presets())]
    return {preset.name: preset for preset in {spelling_of(preset.name): preset for preset in every}.values()}


def keep_preset(store: Store, preset: Preset) -> None:
    """Keep a preset in the store in place of an earlier one of its name."""
    body = preset.model_dump(mode="json", exclude_none=True)
    store.save_preset(PresetEntry(name=preset.name, body=body, study=preset.study))


def preset_settings(store: Store) -> dict[str, Mapping[str, Scalar]]:
    """The settings of every preset, for an axis over presets."""
    return {name: with_schedule(preset.settings) for name, preset in known_presets(store).items()}


def under_preset(store: Store, name: str, recipe: Recipe, model: Model) -> Recipe:
    """The recipe under a preset; its advisory size is taken where the model can draw it.

    Raises UserError when there is no such preset.
    """

    def fits(width: int, height: int) -> bool:
        try:
            check_size(recipe.model_copy(update={"width": width, "height": height}), model.info)
        except UserError:
            return False
        return True

    preset = find_preset(name, known_presets(store))
    return apply(preset.model_copy(update={"settings": with_schedule(preset.settings)}), recipe, fits=fits)


def with_schedule(settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The settings with the schedule that goes with their sampler, unless they say one; written-out levels are 'custom'.

    An unknown sampler is left for whoever sets it to tell of.
    """
    if isinstance(sigmas := settings.get("sigmas"), str) and sigmas.lower() not in UNSET:
        return {"schedule": "custom", "steps": len(parse_sigmas(sigmas)), **settings}
    sampler = settings.get("sampler")
    if not isinstance(sampler, str) or "schedule" in settings:
        return dict(settings)
    try:
        name, schedule = split_name(sampler)
    except UserError:
        return dict(settings)
    return {**settings, "schedule": schedule or find_sampler(name).schedule}
