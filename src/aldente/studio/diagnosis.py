"""Diagnosing a picture: its recipe is drawn again at sane settings where that is possible, and the signs are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aldente.engine.errors import UserError
from aldente.models.port import Image, Model
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.value import Value
from aldente.render.batching import Tick
from aldente.render.render import check_size
from aldente.store.encodings import read_embedded, read_pixels
from aldente.studio.drawing import Order, draw
from aldente.studio.grid_files import PLAN, command_of
from aldente.studio.library import measured_for
from aldente.studio.reproduce import Original, find_original
from aldente.studio.workbench import Workbench
from aldente.tuning.advice import on_cfg
from aldente.tuning.diagnosis import SANE_CFG, Finding, Redraws, alone, by_settings, is_high, with_redraws
from aldente.tuning.result import GuidanceRange
from aldente.tuning.study import REFERENCE

OPTIONS = ("eta", "s_noise", "s_churn", "s_tmin", "s_tmax")
"""What belongs to one sampler and is left out with another."""


class Diagnosis(Value):
    """The flaws of a picture, the surest first; ``how`` says what they were judged by, ``command`` draws it with the cure."""

    what: str
    recipe: Recipe | None
    how: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    command: str | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """A picture to diagnose: its recipe if it is known, and the redraws to make if its model is here; ``notes`` say why not."""

    what: str
    image: Image
    recipe: Recipe | None
    redraws: tuple[Recipe, ...]
    sane_cfg: float
    guidance: GuidanceRange | None
    notes: tuple[str, ...]


def open_case(bench: Workbench, what: str, *, redraw: bool = True) -> Case:
    """The picture in a file, or of the record whose id begins with ``what``, and what is to be drawn for it.

    Raises UserError when there is no such picture, or when it is a sheet of several.
    """
    path = Path(what)
    if path.exists() and _is_silent(path):
        return _case(what, read_pixels(path), None, "the file says nothing about how it was made")
    original, image = find_original(bench, what)
    if not redraw:
        return _case(what, image, original.recipe, "nothing was drawn again, as was asked")
    try:
        model = _model_of(bench, original, path)
        check_size(original.recipe, model.info)
    except UserError as error:
        return _case(what, image, original.recipe, f"its recipe cannot be drawn here: {error}")
    found = next((one.result.guidance for one in measured_for(bench.store, model) if one.result is not None), None)
    sane_cfg = SANE_CFG if found is None else found.baseline
    redraws = redraws_of(original.recipe, sane_cfg)
    return Case(what=what, image=image, recipe=original.recipe, redraws=redraws, sane_cfg=sane_cfg, guidance=found, notes=())


def _is_silent(path: Path) -> bool:
    """Whether a picture file tells nothing of its recipe."""
    embedded = read_embedded(path)
    return embedded.recipe is None and embedded.infotext is None and PLAN not in embedded.texts


def _case(what: str, image: Image, recipe: Recipe | None, note: str) -> Case:
    return Case(what=what, image=image, recipe=recipe, redraws=(), sane_cfg=SANE_CFG, guidance=None, notes=(note,))


def _model_of(bench: Workbench, original: Original, path: Path) -> Model:
    """The model that drew the picture. Raises UserError where it is not known or not here."""
    if original.source == "the file's infotext":
        infotext = read_embedded(path).infotext or ""
        if "Model: " not in infotext:
            raise UserError("its infotext does not name the model.")
    return bench.model(original.recipe.model)


def redraws_of(recipe: Recipe, sane_cfg: float) -> tuple[Recipe, ...]:
    """The recipe as it is, at a sane CFG, there at twice the steps, and these two with the reference sampler."""
    sane = set_parameters(recipe, {"cfg": sane_cfg}) if is_high(recipe.sampling, sane_cfg) else recipe
    twice = {"steps": min(1000, 2 * recipe.sampling.steps)}
    other = set_parameters(sane, {"sampler": REFERENCE.sampler, "schedule": REFERENCE.schedule, **dict.fromkeys(OPTIONS)})
    return recipe, sane, set_parameters(sane, twice), other, set_parameters(other, twice)


def diagnose(bench: Workbench, case: Case, *, watch: Callable[[Tick], None] | None = None) -> Diagnosis:
    """The flaws of a picture: beside its redraws, or, where none can be made, by the picture and its settings alone."""
    recipe, notes = case.recipe, list(case.notes)
    if recipe is not None and case.redraws:
        drawn = {one.recipe.digest(): one for one in draw(bench, case.redraws, Order(), watch=watch)}
        failed = [one.record.failed for one in drawn.values() if one.record.failed]
        if not failed:
            images = [drawn[redraw.digest()].image for redraw in case.redraws]
            names = ("same", "sane", "more", "other", "other_more")
            redraws = Redraws(**dict(zip(names, images, strict=True)))
            findings = with_redraws(case.image, recipe.sampling, redraws, sane_cfg=case.sane_cfg)
            return _told(case, _with_study(findings, recipe, case.guidance), "beside redraws of its recipe", notes)
        notes.append(f"a redraw failed: {failed[0]}")
    found = [*alone(case.image), *(by_settings(recipe.sampling) if recipe is not None else ())]
    how = "by the picture alone" if recipe is None else "by the picture and its settings alone"
    return _told(case, tuple(sorted(found, key=lambda one: -one.sureness)), how, notes)


def _with_study(findings: tuple[Finding, ...], recipe: Recipe, guidance: GuidanceRange | None) -> tuple[Finding, ...]:
    """The findings; one about CFG with what a study of the model measured."""
    if guidance is None:
        return findings
    remark = on_cfg(recipe.sampling.guidance.scale, guidance)
    return tuple(
        one.model_copy(update={"evidence": (*one.evidence, f"measured on this model: {remark.sentence.rstrip('.')}")})
        if one.flaw == "fried"
        else one
        for one in findings
    )


def _told(case: Case, findings: tuple[Finding, ...], how: str, notes: list[str]) -> Diagnosis:
    cures = {name: value for one in findings for name, value in one.settings.items()}
    command = None
    if case.recipe is not None and cures:
        command = command_of(set_parameters(case.recipe, cures))
    return Diagnosis(what=case.what, recipe=case.recipe, how=how, findings=findings, notes=tuple(notes), command=command)
