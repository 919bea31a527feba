"""The stages of a recipe, one after the other, from what was kept of the first of them."""

from __future__ import annotations

from dataclasses import replace

from aldente.engine.denoise import Asking
from aldente.engine.errors import UserError
from aldente.models.port import Image
from aldente.models.upscaling.port import Upscaler
from aldente.recipe.stages import Base, Extend, Redraw, Refine, Resize, Source, Stage
from aldente.render.beginning import drawn_from_noise, source
from aldente.render.cache import Kept, Prefixes
from aldente.render.extending import extended
from aldente.render.metering import Meter
from aldente.render.redrawing import redrawn
from aldente.render.resizing import enlarged, latent_method
from aldente.render.scene import Canvas, Scene
from aldente.render.tiles import tiled_pass


def no_files(name: str) -> Image:
    """The files of a run that was given none. Raises UserError naming the one that is missing."""
    raise UserError(f"the recipe names the picture {name[:12]}..., but no files are at hand; put it into the store first.")


def no_upscaler(name: str) -> Upscaler:
    """The upscalers of a run that was given none. Raises UserError naming the one that is missing."""
    raise UserError(f"upscaler '{name}' is not at hand; choose a latent upscaler, or open a workbench, which has them all.")


def canvas_of(scene: Scene, meter: Meter, prefixes: Prefixes | None = None) -> Asking[Canvas]:
    """What a recipe's stages give, from the longest part of them that is kept; what is made on the way is kept in turn.

    Raises UserError where a stage cannot be done, and NotFiniteError where a run leaves the range of numbers.
    """
    keys = _keys(scene) if prefixes is not None else ()
    first, canvas = _resumed(keys, prefixes, meter)
    for index, stage in enumerate(scene.recipe.stages[first:], start=first):
        if index and _sees_pixels(stage, canvas, scene):
            canvas = yield from meter.counted(index, decoded(canvas, scene, index, meter, prefixes))
        made = yield from meter.counted(index, _stage(stage, canvas, scene, index))
        canvas = made if prefixes is None else _kept(keys[index], made, prefixes, meter)
    return canvas


def decoded(canvas: Canvas, scene: Scene, count: int, meter: Meter, prefixes: Prefixes | None = None) -> Asking[Canvas]:
    """What the first ``count`` stages gave with its pixels, which are kept with it. It asks the model nothing."""
    yield from ()
    if canvas.pixels is not None:
        return canvas
    whole = replace(canvas, pixels=canvas.picture(scene.model))
    if prefixes is not None:
        prefixes.put(_key(scene, count), Kept(whole, _asked(meter, count)))
    return whole


def _sees_pixels(stage: Stage, canvas: Canvas, scene: Scene) -> bool:
    """Whether a stage looks at the picture itself rather than at its latent."""
    if isinstance(stage, Resize):
        return latent_method(stage, scene) is None
    if isinstance(stage, Redraw | Refine):
        return stage.strength > 0.0 and (canvas.mask is not None or (isinstance(stage, Redraw) and bool(stage.mask)))
    return isinstance(stage, Extend)


def _stage(stage: Stage, canvas: Canvas, scene: Scene, index: int) -> Asking[Canvas]:
    """What one stage makes of the canvas before it; a first stage looks at none."""
    if isinstance(stage, Base):
        return (yield from drawn_from_noise(scene))
    if isinstance(stage, Source):
        return source(stage, scene)
    if isinstance(stage, Extend):
        return extended(stage, canvas, scene)
    if isinstance(stage, Resize):
        return enlarged(stage, canvas, scene, index)
    if isinstance(stage, Redraw | Refine):
        return (yield from redrawn(stage, canvas, scene, index))

    return (yield from tiled_pass(stage, canvas, scene, index))


def _key(scene: Scene, count: int) -> str:
    """The key of what the first stages give: the model's weights and the recipe up to there."""
    return f"{scene.model.info.fingerprint}/{scene.recipe.up_to(count).digest()}"


def _keys(scene: Scene) -> tuple[str, ...]:
    return tuple(_key(scene, count) for count in range(1, len(scene.recipe.stages) + 1))


def _resumed(keys: tuple[str, ...], prefixes: Prefixes | None, meter: Meter) -> tuple[int, Canvas]:
    """How many stages are kept, and what they gave."""
    if prefixes is not None:
        for count in range(len(keys), 0, -1):
            kept = prefixes.get(keys[count - 1])
            if kept is not None:
                meter.asked.update(enumerate(kept.asked))
                return count, kept.canvas
    return 0, Canvas()


def _kept(key: str, made: Canvas, prefixes: Prefixes, meter: Meter) -> Canvas:
    """The canvas that is kept under a key from now on: the first that was made, whose pixels may be there already."""
    known = prefixes.get(key)
    if known is not None:
        return known.canvas
    prefixes.put(key, Kept(made, _asked(meter, len(meter.asked))))
    return made


def _asked(meter: Meter, count: int) -> tuple[int, ...]:
    """How often each of the first stages has asked."""
    return tuple(meter.asked[index] for index in range(count))
