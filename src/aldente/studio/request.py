"""From what a user asked to complete recipes: presets, the model's own size, schedules that go with samplers, drawn seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aldente.engine.errors import UserError
from aldente.engine.names import split_name
from aldente.models.port import Model, ModelInfo
from aldente.models.upscaling.table import find_upscaler
from aldente.recipe.parameters import Scalar, find_parameter
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import checked, set_parameters
from aldente.recipe.stages import Refine, Resize, Tiles
from aldente.render.render import check_size
from aldente.studio.presets import under_preset, with_schedule
from aldente.studio.sources import size_for, with_files_kept
from aldente.studio.workbench import Workbench

AUTO = "auto"
"""The name of the preset that is picked for the prompt."""

NO_UPSCALER = "none"
"""What is asked for where the picture is to stay as large as it is drawn."""

DRAWS_FROM_PICTURE = frozenset({"redraw", "resize", "refine", "tiles"})
"""The stages any of which gives a picture to start from something to do."""

SMALL_PX = 128
"""A model of a smaller size than this knows whole things only, and draws one into every tile that it may change much."""

MILD = 0.1
"""The strength at which it adds grain and nothing else: from 0.3 on there are scraps of things, as measured with pastina."""

RANDOM = frozenset({"random", "-1"})


def resolve(
    bench: Workbench,
    settings: Mapping[str, Scalar],
    *,
    preset: str | None = None,
    listen: Callable[[str], None] = lambda _: None,
    finished: bool = False,
) -> Recipe:
    """The complete recipe of what was set: our defaults, the model's size, the preset, and on top what the user said.

    A sampler without a schedule takes the schedule that its users expect; a seed of 'random' or -1 is drawn. The preset
    'auto' is picked for the prompt; ``listen`` is told what was picked and why. A picture to start from is redrawn at its own
    size where nothing else is asked. ``finished`` pictures are enlarged by the upscaler that belongs to the model, if any.
    Raises UserError that lists every fault.
    """
    said = with_schedule({find_parameter(name).name: value for name, value in settings.items()})
    said = with_files_kept(bench.store, with_upscaler(said))
    if is_random(said.get("seed")):
        said["seed"] = bench.draw_seed()
    recipe = set_parameters(Recipe(), {name: said[name] for name in ("model",) if name in said})
    model = bench.model(recipe.model)
    if "model" in said:
        said["model"] = model.info.name
    recipe = suited(recipe, model)
    if (model.info.family == "flow" or model.info.whole) and not names_schedule(settings):
        # The schedules that go with samplers are those of Stable Diffusion at its denoiser.
        said.pop("schedule", None)
    if preset == AUTO:
        from aldente.studio.advice import automatic  # noqa: PLC0415  # statistics, for this preset only

        recipe, pick = automatic(bench, set_parameters(recipe, {name: said[name] for name in ("prompt",) if name in said}))
        listen(f"preset {pick.preset} ({pick.basis}): {pick.why}")
    elif preset is not None:
        recipe = under_preset(bench.store, preset, recipe, model)
    said = with_source(bench, said, model.info)
    if model.info.upscaler is not None and any(find_parameter(name).stage == "resize" for name in said):
        said.setdefault("upscaler", model.info.upscaler)
    if not any(isinstance(stage, Tiles) for stage in recipe.stages):
        said = with_mild_tiles(said, model.info)
    recipe = checked(set_parameters(recipe, {name: value for name, value in said.items() if value != NO_UPSCALER}))
    check_size(recipe, model.info)
    return enlarged(recipe, model.info) if finished and said.get("upscaler") != NO_UPSCALER else recipe


def with_upscaler(said: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The settings with the upscaler by its one name; 'none' stays what it is. Raises UserError when there is none such."""
    name = said.get("upscaler")
    if not isinstance(name, str) or name.strip().lower() == NO_UPSCALER:
        return {**said, "upscaler": NO_UPSCALER} if isinstance(name, str) else dict(said)
    return {**said, "upscaler": find_upscaler(name).name}


def with_source(bench: Workbench, said: Mapping[str, Scalar], info: ModelInfo) -> dict[str, Scalar]:
    """The settings with what goes without saying for a picture to start from: its size, and that it is redrawn."""
    image = said.get("image")
    if not isinstance(image, str) or not image:
        return dict(said)
    filled = dict(said)
    stages = {find_parameter(name).stage for name in said}
    if not stages & DRAWS_FROM_PICTURE:
        filled["denoise"] = find_parameter("denoise").default
        stages.add("redraw")
    if not {"width", "height", "size"} & said.keys():
        picture = bench.picture(image)
        # What is only enlarged keeps its size to the pixel; what is drawn again must have a size that the model draws.
        filled["width"], filled["height"] = size_for(picture, info) if "redraw" in stages else picture.shape[1::-1]
        filled.setdefault("fit", "crop")
    return filled


def with_mild_tiles(said: Mapping[str, Scalar], info: ModelInfo) -> dict[str, Scalar]:
    """The settings with a strength for tiles, where none is given and each tile of the model is a whole picture."""
    tiled = any(find_parameter(name).stage == "tiles" for name in said)
    small = max(max(native) for native in info.native) < SMALL_PX
    return {"tile_denoise": MILD, **said} if tiled and small else dict(said)


def enlarged(recipe: Recipe, info: ModelInfo) -> Recipe:
    """The recipe with the model's own upscaler at its end, unless it has a size of its own in mind."""
    if info.upscaler is None or any(isinstance(stage, Resize | Refine | Tiles) for stage in recipe.stages):
        return recipe
    factor = find_upscaler(info.upscaler).factor
    scale = None if factor is None else float(factor)
    return recipe.model_copy(update={"stages": (*recipe.stages, Resize(scale=scale, upscaler=info.upscaler))})


def is_random(seed: Scalar) -> bool:
    """Whether a seed is still to be drawn."""
    return str(seed).strip().lower() in RANDOM


def sized(recipe: Recipe, model: Model) -> Recipe:
    """The recipe at the size its model was made for."""
    width, height = model.info.native[0]
    return recipe.model_copy(update={"width": width, "height": height})


def suited(recipe: Recipe, model: Model) -> Recipe:
    """The recipe at the size its model was made for, under the settings that are usual for it."""
    return set_parameters(sized(recipe, model), dict(model.info.usual))


def names_schedule(settings: Mapping[str, Scalar]) -> bool:
    """Whether a schedule is said, by itself, as levels, or in the name of a sampler."""
    said = {find_parameter(name).name: value for name, value in settings.items()}
    sampler = said.get("sampler")
    return bool({"schedule", "sigmas"} & said.keys()) or (isinstance(sampler, str) and split_name(sampler)[1] is not None)


def series(recipe: Recipe, count: int) -> list[Recipe]:
    """``count`` recipes that differ by their seed, counting up as every UI does.

    Raises UserError when ``count`` is less than 1.
    """
    if count < 1:
        raise UserError(f"the number of pictures is {count}; it must be 1 or more.")
    return [set_parameters(recipe, {"seed": recipe.seed + offset}) for offset in range(count)]
