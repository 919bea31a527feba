"""Drawing recipes: what the store has is taken from it, the rest is rendered and kept as soon as it is finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import aldente
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.lora.finding import find_lora, lora_contents, told_hashes
from aldente.models.port import Image, Model
from aldente.recipe.infotext import to_infotext
from aldente.recipe.prompt import parse
from aldente.recipe.recipe import Recipe
from aldente.render.batching import Tick
from aldente.render.render import Rendered, render
from aldente.render.scene import TileNote
from aldente.store.encodings import read_pixels
from aldente.store.png import TRAINED_MEDIA_XMP, png_bytes
from aldente.store.port import Store
from aldente.store.record import Cost, Record, StageCost, failure, picture
from aldente.studio.copies import is_exact
from aldente.studio.measuring import usual_scores
from aldente.studio.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class Order:
    """Whom the pictures are for: the plan, study and preset that asked for them."""

    plan: str | None = None
    study: str | None = None
    preset: str | None = None
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A recipe with its record; ``reused`` if the store had it.

    The picture stays in the ``store`` until it is asked for: a grid of thousands must not fill the memory.
    """

    recipe: Recipe
    record: Record
    store: Store
    reused: bool

    @property
    def png(self) -> bytes:
        """The PNG file; raises UserError for a recipe that failed."""
        return self.store.image_bytes(self.record)

    @property
    def image(self) -> Image:
        """The picture, uint8, h w 3; raises UserError for a recipe that failed."""
        return read_pixels(self.png)


def draw(
    bench: Workbench,
    recipes: Sequence[Recipe],
    order: Order,
    *,
    watch: Callable[[Tick], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    note: Callable[[TileNote], None] | None = None,
) -> Iterator[Drawn]:
    """The pictures of ``recipes``, each once, stored ones first within each model.

    Each is in the store before it is yielded, so an interruption loses nothing that was seen; of a picture in tiles it loses
    no finished tile either. ``note`` is told of these.
    """
    unique = {recipe.digest(): recipe for recipe in recipes}
    for name, same in groupby(unique.values(), key=lambda recipe: recipe.model):
        yield from _draw_with(bench, bench.model(name), list(same), order, watch, cancelled, note)


def _draw_with(
    bench: Workbench,
    model: Model,
    recipes: list[Recipe],
    order: Order,
    watch: Callable[[Tick], None] | None,
    cancelled: Callable[[], bool] | None,
    note: Callable[[TileNote], None] | None,
) -> Iterator[Drawn]:
    digests = [recipe.digest() for recipe in recipes]
    found = {} if order.again else bench.store.find_many(digests, model.info.fingerprint)
    stored = {digest: record for digest, record in found.items() if is_exact(record)}
    known = {r.digest(): stored[r.digest()] for r in recipes if r.digest() in stored and not _outdated(r, stored[r.digest()])}
    for recipe, digest in zip(recipes, digests, strict=True):
        if digest in known:
            record = known[digest]
            yield Drawn(recipe=recipe, record=record, store=bench.store, reused=True)
    missing = [recipe for recipe, digest in zip(recipes, digests, strict=True) if digest not in known]
    rendering = render(
        missing,
        model,
        clock=bench.clock,
        watch=watch,
        cancelled=cancelled,
        files=bench.picture,
        upscaler=bench.upscaler,
        cache=bench.prefixes,
        checkpoints=bench.store.checkpoints,
        note=note,
    )
    for rendered in rendering:
        yield _kept(bench, model, rendered, order)


def _kept(bench: Workbench, model: Model, rendered: Rendered, order: Order) -> Drawn:
    recipe, provenance = rendered.recipe, bench.provenance(model)
    if rendered.error is None and model.info.takes_loras:
        provenance = provenance.model_copy(update={"loras": _loras_of(recipe)})
    stages = tuple(StageCost(stage=part.stage, model_calls=part.asked, seconds=part.seconds) for part in rendered.stages)
    cost = Cost(model_calls=rendered.usage.asked, seconds=sum(stage.seconds for stage in stages), stages=stages)
    if rendered.error is not None:
        reason = str(rendered.error) or type(rendered.error).__name__
        failed = failure(
            recipe, reason, cost=cost, provenance=provenance, plan=order.plan, study=order.study, preset=order.preset
        )
        return Drawn(recipe=recipe, record=bench.store.save(failed, None), store=bench.store, reused=False)
    png = png_of(recipe, rendered.image, model)
    made = picture(
        recipe,
        rendered.image,
        cost=cost,
        provenance=provenance,
        quality=usual_scores(rendered.image),
        plan=order.plan,
        study=order.study,
        preset=order.preset,
    ).model_copy(update={"category": bench.category(recipe, model)})
    return Drawn(recipe=recipe, record=bench.store.save(made, png), store=bench.store, reused=False)


def _outdated(recipe: Recipe, record: Record) -> bool:
    """Whether a LoRA that the prompt names is another one than the picture was drawn with, by what is in its file.

    Records of earlier versions do not say: theirs is another one where its file was written after the picture was drawn.
    """
    loras = [lora for text in (recipe.prompt, recipe.negative) for lora in parse(text).loras]
    if not loras:
        return False
    if record.provenance.loras is not None:
        return record.provenance.loras != _loras_of(recipe)
    ledger, drawn = Ledger(), datetime.fromisoformat(record.provenance.created).timestamp()
    return any(find_lora(lora.name, ledger).stat().st_mtime > drawn for lora in loras)


def _loras_of(recipe: Recipe) -> tuple[tuple[str, str], ...] | None:
    """The LoRAs of a recipe as they are now; None where it names none."""
    ledger = Ledger()
    found = lora_contents((recipe.prompt, recipe.negative), ledger)
    ledger.save()
    return found or None


def _additions(recipe: Recipe, model: Model) -> dict[str, str | int | float | bool]:
    """The hashes of the LoRAs and textual inversions that the prompts name."""
    ledger = Ledger()
    told = told_hashes((recipe.prompt, recipe.negative), ledger, inverted=model.info.worded)
    ledger.save()
    return dict(told)


def png_of(recipe: Recipe, image: Image, model: Model) -> bytes:
    """The PNG file of a picture, with everything that is needed to make it again."""
    fingerprint = model.info.fingerprint
    named = model.info.file_hash or fingerprint
    told = _additions(recipe, model) if model.info.takes_loras else None
    infotext = to_infotext(recipe, model_hash=named, version=f"aldente {aldente.__version__}", extras=told)
    return png_bytes(image, infotext=infotext, recipe=recipe, model_fingerprint=fingerprint, xmp=TRAINED_MEDIA_XMP)
