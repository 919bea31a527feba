"""Two pictures side by side: what was asked differently, what it cost, what metrics say, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aldente.engine.errors import UserError
from aldente.models.port import Image
from aldente.quality.flip import flip_map
from aldente.quality.table import COMPARISONS
from aldente.recipe.foreign import read_foreign
from aldente.recipe.names import title_of
from aldente.recipe.parameters import Parameter, Scalar, parameters, text_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter
from aldente.recipe.value import Value
from aldente.store.encodings import read_embedded, read_pixels
from aldente.store.port import Store
from aldente.store.record import Record, image_hash

GROUPS = {
    "what": ("prompt", "negative", "model"),
    "picture": ("seed", "width", "height", "clip_skip", "variation_seed", "variation_strength"),
}
"""Groups of parameters that stand in no part of the recipe of their own; the others are grouped by their part."""


class Difference(Value):
    """One thing that differs: its group, its name, and what it is on either side ('' where it is not there)."""

    group: str
    name: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two pictures: what it is called, its pixels, its recipe and its record, as far as they are known."""

    name: str
    image: Image
    recipe: Recipe | None
    record: Record | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two pictures and all that differs; ``map`` shows where (bright is far apart), None where their sizes differ."""

    a: Side
    b: Side
    asked: tuple[Difference, ...]
    came: tuple[Difference, ...]
    metrics: dict[str, float]
    map: Image | None

    @property
    def identical(self) -> bool:
        """Whether the pictures are the same to the last bit."""
        return self.a.image.shape == self.b.image.shape and bool(np.array_equal(self.a.image, self.b.image))


def compared(store: Store, a: str, b: str) -> Compared:
    """Two pictures, each a file or the beginning of an id, compared.

    Raises UserError where one of them is neither.
    """
    left, right = side(store, a), side(store, b)
    same_size = left.image.shape == right.image.shape
    metrics = {metric.name: float(metric.compute(right.image, left.image)) for metric in COMPARISONS} if same_size else {}
    # A ratio to no error at all is infinite, which is no number in JSON.
    metrics = {name: value for name, value in metrics.items() if np.isfinite(value)}
    return Compared(
        a=left,
        b=right,
        asked=tuple(_asked(left.recipe, right.recipe)),
        came=tuple(_came(left.record, right.record)),
        metrics=metrics,
        map=_map(left.image, right.image) if same_size else None,
    )


def side(store: Store, what: str) -> Side:
    """A picture by file or id."""
    path = Path(what)
    if not path.is_file():
        record = store.get(what)
        return Side(name=record.id[:8], image=read_pixels(store.image_bytes(record)), recipe=record.recipe, record=record)
    image, embedded = read_pixels(path), read_embedded(path)
    records = store.by_image(image_hash(image))
    recipe = embedded.recipe or (records[0].recipe if records else None)
    if recipe is None:
        try:
            found = read_foreign(embedded.texts)
        except UserError:
            found = None
        recipe = None if found is None else found.recipe
    return Side(name=path.name, image=image, recipe=recipe, record=records[0] if records else None)


def _asked(a: Recipe | None, b: Recipe | None) -> list[Difference]:
    """The parameters that differ, group by group; nothing where a recipe is not known."""
    if a is None or b is None:
        return []
    found = []
    for parameter in parameters():
        if parameter.kind == "size":
            continue
        left, right = get_parameter(a, parameter.name), get_parameter(b, parameter.name)
        if left != right:
            name = parameter.label if parameter.label != parameter.name else parameter.name
            found.append(Difference(group=_group(parameter), name=name, a=_shown(parameter, left), b=_shown(parameter, right)))
    kinds = [" > ".join(getattr(stage, "kind", "") for stage in recipe.stages) for recipe in (a, b)]
    if kinds[0] != kinds[1]:
        found.append(Difference(group="stages", name="stages", a=kinds[0], b=kinds[1]))
    elif a != b and not found:
        found.append(Difference(group="stages", name="recipe", a=a.digest()[:12], b=b.digest()[:12]))
    order = list(dict.fromkeys(one.group for one in found))
    return sorted(found, key=lambda one: order.index(one.group))


def _group(parameter: Parameter) -> str:
    for group, names in GROUPS.items():
        if parameter.name in names:
            return group
    part = [step for step in parameter.path.split(".")[:-1] if not step.isdecimal() and step != "stages"]
    return part[-1] if part else "picture"


def _shown(parameter: Parameter, value: Scalar) -> str:
    if value is None:
        return ""
    return title_of(parameter.choices, value) if isinstance(value, str) and parameter.choices else text_of(value)


def _came(a: Record | None, b: Record | None) -> list[Difference]:
    """What differs in cost, scores, marks and origin."""
    if a is None or b is None:
        return []
    left, right = _facts(a), _facts(b)
    named = dict.fromkeys((*left, *right))
    pairs = [(group, name, left.get((group, name), ""), right.get((group, name), "")) for group, name in named]
    return [Difference(group=group, name=name, a=was, b=is_) for group, name, was, is_ in pairs if was != is_]


def _facts(record: Record) -> dict[tuple[str, str], str]:
    cost = record.cost
    facts = {("cost", "model calls"): str(cost.model_calls), ("cost", "seconds"): f"{cost.seconds:.2f}"}
    if cost.peak_bytes is not None:
        facts["cost", "peak memory"] = f"{cost.peak_bytes / 2**20:.0f} MiB"
    facts |= {("cost", f"seconds of {stage.stage}"): f"{stage.seconds:.2f}" for stage in cost.stages}
    facts |= {("score", f"{score.metric} v{score.version}"): f"{score.value:.6g}" for score in record.quality}
    said = {"tags": " ".join(record.tags), "rating": str(record.rating or ""), "note": record.note or ""}
    said["votes"] = f"{record.wins} won, {record.losses} lost" if record.wins or record.losses else ""
    facts |= {("marks", name): value for name, value in said.items() if value}
    made = record.provenance.model_dump(exclude={"created"}, exclude_none=True)
    return facts | {("made by", name.replace("_", " ")): str(value) for name, value in made.items()}


def _map(a: Image, b: Image) -> Image:
    """Where two pictures of one size differ, as the eye sees it [Andersson 2020]: black is the same, white is far apart."""
    plane = np.clip(np.asarray(flip_map(b, a), dtype=np.float64), 0.0, 1.0)
    grey = np.rint(255.0 * np.sqrt(plane)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
