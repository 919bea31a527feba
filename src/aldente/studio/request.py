"""From what a user asked to complete recipes: presets, the model's own size, schedules that go with samplers, drawn seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aldente.engine.errors import UserError
from aldente.models.port import Model
from aldente.recipe.parameters import Scalar, find_parameter
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import checked, set_parameters
from aldente.render.render import check_size
from aldente.studio.presets import under_preset, with_schedule
from aldente.studio.workbench import Workbench

AUTO = "auto"
"""The name of the preset that is picked for the prompt."""

RANDOM = frozenset({"random", "-1"})


def resolve(
    bench: Workbench,
    settings: Mapping[str, Scalar],
    *,
    preset: str | None = None,
    listen: Callable[[str], None] = lambda _: None,
) -> Recipe:
    """The complete recipe of what was set: our defaults, the model's size, the preset, and on top what the user said.

    A sampler without a schedule takes the schedule that its users expect; a seed of 'random' or -1 is drawn. The preset
    'auto' is picked for the prompt; ``listen`` is told what was picked and why.
    Raises UserError that lists every fault.
    """
    said = with_schedule({find_parameter(name).name: value for name, value in settings.items()})
    if is_random(said.get("seed")):
        said["seed"] = bench.draw_seed()
    recipe = set_parameters(Recipe(), {name: said[name] for name in ("model",) if name in said})
    model = bench.model(recipe.model)
    if "model" in said:
        said["model"] = model.info.name
    recipe = sized(recipe, model)
    if preset == AUTO:
        from aldente.studio.advice import automatic  # noqa: PLC0415  # statistics, for this preset only

        recipe, pick = automatic(bench, set_parameters(recipe, {name: said[name] for name in ("prompt",) if name in said}))
        listen(f"preset {pick.preset} ({pick.basis}): {pick.why}")
    elif preset is not None:
        recipe = under_preset(bench.store, preset, recipe, model)
    recipe = checked(set_parameters(recipe, said))
    check_size(recipe, model.info)
    return recipe


def is_random(seed: Scalar) -> bool:
    """Whether a seed is still to be drawn."""
    return str(seed).strip().lower() in RANDOM


def sized(recipe: Recipe, model: Model) -> Recipe:
    """The recipe at the size its model was made for."""
    width, height = model.info.native[0]
    return recipe.model_copy(update={"width": width, "height": height})


def series(recipe: Recipe, count: int) -> list[Recipe]:
    """``count`` recipes that differ by their seed, counting up as every UI does.

    Raises UserError when ``count`` is less than 1.
    """
    if count < 1:
        raise UserError(f"the number of pictures is {count}; it must be 1 or more.")
    return [set_parameters(recipe, {"seed": recipe.seed + offset}) for offset in range(count)]
