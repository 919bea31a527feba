"""Advice before drawing: what the prompt shows, which preset suits it, what it costs here, and what to think of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

from aldente.models.pastina.sentences import MiniLM
from aldente.recipe.names import combined_title
from aldente.recipe.parameters import find_parameter, text_of
from aldente.recipe.presets import Plain, Preset, folklore
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import get_parameter, set_parameters
from aldente.recipe.value import Value
from aldente.render.render import check_size
from aldente.studio.library import Measured, measured_for
from aldente.studio.limits import Limits, Price, fit_into, price_of
from aldente.studio.presets import with_schedule
from aldente.studio.workbench import Workbench
from aldente.tuning.advice import Remark, for_goal, on_bands, on_cfg, on_sampler, on_steps, told
from aldente.tuning.categories import Recogniser, Recognition, find_category
from aldente.tuning.result import Goal, TuningResult
from aldente.tuning.study import Pair

Purpose = Literal["draft", "production", "final", "constrained"]

_TOLERANCES: Mapping[Purpose, Goal] = {
    "draft": "draft",
    "production": "production",
    "final": "final",
    "constrained": "draft",
}
"""How near is near enough for each purpose; who must save puts up with a draft's tolerance."""

_REVIEWED = ("sampler", "schedule", "steps", "cfg")


class Pick(Value):
    """The settings picked for a prompt: the ``preset`` that they are from, its basis, and why it was picked."""

    preset: str
    basis: Literal["measured", "folklore"]
    why: str
    settings: dict[str, Plain]
    stale: tuple[str, ...] = ()


class Advice(Value):
    """All that is advised for a prompt; ``changes`` are what limits made of the pick, ``remarks`` review own settings."""

    prompt: str
    goal: Purpose
    content: Recognition
    pick: Pick
    recipe: Recipe
    price: Price
    changes: tuple[str, ...] = ()
    own_price: Price | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def title(self) -> str:
        """The advised setting in a few words."""
        sampling = self.recipe.sampling
        name = combined_title(f"{sampling.sampler} {sampling.schedule}")
        return f"{name}, {sampling.steps} steps, CFG {sampling.guidance.scale:g}, {self.recipe.width}x{self.recipe.height}"


def advise(
    bench: Workbench,
    own: Recipe,
    said: Sequence[str],
    *,
    goal: Purpose = "production",
    limits: Limits | None = None,
    recogniser: Recogniser | None = None,
) -> Advice:
    """Advice for the prompt of ``own``, a complete recipe of which the user ``said`` some parameters: these are reviewed.

    Raises UserError when nothing fits into the limits.
    """
    content = (recogniser or _our_recogniser()).recognise(own.prompt)
    measured = measured_for(bench.store, bench.model(own.model))
    pick, result = picked(measured, content, goal)
    recipe = _under(bench, pick, own)
    changes: tuple[str, ...] = ()
    if limits is not None:
        recipe, changes = fit_into(bench, recipe, limits, result)
    names = {find_parameter(name).name for name in said}
    reviewed = bool(names & {*_REVIEWED, "width", "height", "size"})
    return Advice(
        prompt=own.prompt,
        goal=goal,
        content=content,
        pick=pick,
        recipe=recipe,
        price=price_of(bench, recipe),
        changes=changes,
        own_price=price_of(bench, own) if reviewed else None,
        remarks=tuple(review(own, names, content, goal, result)),
    )


@cache
def _our_recogniser() -> Recogniser:
    """The recogniser by the embedded encoder, its examples read once."""
    return Recogniser(MiniLM())


def automatic(bench: Workbench, recipe: Recipe, *, goal: Purpose = "production") -> tuple[Recipe, Pick]:
    """The recipe under the settings that are picked for its prompt, and the pick."""
    content = _our_recogniser().recognise(recipe.prompt)
    pick, _ = picked(measured_for(bench.store, bench.model(recipe.model)), content, goal)
    return _under(bench, pick, recipe), pick


def picked(measured: Sequence[Measured], content: Recognition, goal: Purpose) -> tuple[Pick, TuningResult | None]:
    """The best that is known for such a prompt, with its study: measured for the content, else for the model, else folklore.

    A study for another goal serves as well, as its curves tell the choice for any tolerance. A category that is not sure
    does not count.
    """
    tolerance = _TOLERANCES[goal]
    category = content.category if content.sure else ""
    usable = [one for one in measured if one.preset.goal == tolerance or one.result is not None]
    if not usable:
        return _folklore(content, goal), None
    best = min(usable, key=lambda one: _distance(one, category, tolerance))
    result = None if best.result is None else for_goal(best.result, tolerance)
    return _from_study(best, content, tolerance, result), _with_guidance(result, best, measured)


def _with_guidance(result: TuningResult | None, best: Measured, measured: Sequence[Measured]) -> TuningResult | None:
    """The study with the range of CFG of another one, on the same content or else on all kinds, where it looked for none."""
    if result is None or result.guidance is not None:
        return result
    alike = [m.result for kind in (best.preset.category, "") for m in measured if m.preset.category == kind and not m.stale]
    found = next((one.guidance for one in alike if one is not None and one.guidance is not None), None)
    return result.model_copy(update={"guidance": found})


def _distance(one: Measured, category: str, goal: Goal) -> tuple[bool, int, bool, bool]:
    """What makes a measured preset less fit: it is stale, it is of other content, another goal, or not within tolerance."""
    other = 0 if one.preset.category == category else 1 if not one.preset.category else 2
    return (bool(one.stale), other, one.preset.goal != goal, one.preset.confidence is None)


def _from_study(one: Measured, content: Recognition, goal: Goal, result: TuningResult | None) -> Pick:
    preset, settings, name = one.preset, dict(one.preset.settings), one.preset.name
    whose = f"measured on these weights for {preset.category or 'prompts of all kinds'}"
    parts = [f"{whose}, goal {preset.goal}"]
    within = preset.confidence is not None
    if preset.goal != goal and result is not None:
        choice, within = result.choice, result.choice.within_tolerance
        settings |= {"sampler": choice.sampler, "schedule": choice.schedule, "steps": choice.steps}
        name = f"{preset.name} for {goal}"
        parts.append(f"by its curves {told(choice, result)}, which is the cheapest for {goal}")
    if preset.category != content.category:
        parts.append(f"nothing is measured for {content.title}" if content.sure else "the content is not sure")
    if not within:
        parts.append("it is not surely within tolerance")
    return Pick(preset=name, basis="measured", why="; ".join(parts), settings=settings, stale=one.stale)


def _folklore(content: Recognition, goal: Purpose) -> Pick:
    """What guides say for the goal and, over it, for the content."""
    presets = _guides(content, goal)
    settings: dict[str, Plain] = {}
    for preset in presets:
        settings |= {name: value for name, value in with_schedule(preset.settings).items() if value is not None}
    names = " + ".join(preset.name for preset in presets)
    why = f"nothing is measured on these weights; what guides give for {names} is where a search may begin"
    return Pick(preset=names, basis="folklore", why=why, settings=settings)


def _guides(content: Recognition, goal: Purpose) -> list[Preset]:
    special = find_category(content.category).folklore if content.sure else None
    known = folklore()
    return [known[goal], *([known[special]] if special is not None else [])]


def _under(bench: Workbench, pick: Pick, own: Recipe) -> Recipe:
    """The picked settings on the user's prompt, model, size and seed."""
    plain = own.model_copy(update={"sampling": Recipe().sampling})
    recipe = set_parameters(plain, pick.settings)
    check_size(recipe, bench.model(recipe.model).info)
    return recipe


def review(own: Recipe, said: set[str], content: Recognition, goal: Purpose, result: TuningResult | None) -> list[Remark]:
    """What is known about the settings that a user said: measured where a study tells, folklore, marked as such, elsewhere."""
    sampling, remarks = own.sampling, []
    pair = Pair(sampler=sampling.sampler, schedule=sampling.schedule)
    if result is not None:
        if "steps" in said or "sampler" in said:
            remarks.append(on_steps(pair, sampling.steps, result))
        if "sampler" in said and (dearer := on_sampler(pair, result)) is not None:
            remarks.append(dearer)
        if "cfg" in said and result.guidance is not None:
            remarks.append(on_cfg(sampling.guidance.scale, result.guidance))
    judged = {remark.parameter for remark in remarks if remark.verdict != "unknown"}
    numbers = {"steps": float(sampling.steps), "cfg": sampling.guidance.scale}
    left = {name: value for name, value in numbers.items() if name in said and name not in judged}
    guides = _guides(content, goal)
    bands = {name: band for preset in guides for name, band in preset.bands.items()}
    return [*remarks, *on_bands(left, bands, " + ".join(preset.name for preset in guides))]


def command_of(advice: Advice) -> list[str]:
    """The words of the line that draws as advised."""
    sides = ("width", "height") if advice.changes else ()
    changed = {name: get_parameter(advice.recipe, name) for name in (*_REVIEWED, *sides)}
    words = [word for name, value in changed.items() for word in (f"--{name}", text_of(value))]
    return ["aldente", "generate", advice.prompt, *words]
