"""Prompts with variety: the texts that a dynamic prompt becomes, and its braces as the axes of a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from aldente.engine.errors import UserError
from aldente.recipe.axes import Axis, Point, Replace
from aldente.recipe.dynamic import Wildcards, groups_of, template_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.template import Counts, drawn, nth
from aldente.studio.wildcards import FOLDER, wildcards_in

MOST_COMBINATIONS = 10_000
"""Combinations that a command draws; a project may have more."""


def wildcards_of(folders: Sequence[Path] | None) -> Wildcards:
    """The lists in these folders, or in the folder 'wildcards' where the user stands. Raises UserError for no folder."""
    if missing := [str(folder) for folder in folders or () if not folder.is_dir()]:
        raise UserError(f"{missing[0]}: there is no such folder; give the folder that holds the wildcards' files.")
    return wildcards_in(folders or [Path(FOLDER)])


def combined(text: str, wildcards: Wildcards) -> list[str]:
    """Every text that a dynamic prompt can become. Raises UserError where they are too many, before any is made."""
    template = template_of(text, wildcards)
    counts = Counts()
    many = counts.of(template)
    if many > MOST_COMBINATIONS:
        told = str(many) if many < 10**12 else "more than a million million"
        raise UserError(f"the prompt has {told} combinations; at most {MOST_COMBINATIONS} are drawn. Leave --combinations out.")
    return [nth(template, number, counts=counts) for number in range(many)]


def varied(text: str, count: int, seed: int, wildcards: Wildcards) -> list[str]:
    """``count`` texts that a dynamic prompt becomes at random: the same seed, the same texts."""
    template = template_of(text, wildcards)
    counts = Counts()
    return [drawn(template, number, seed=seed, counts=counts) for number in range(count)]


def with_variety(
    text: str, count: int, resolved: Callable[[str], Recipe], wildcards: Wildcards, *, combinations: bool
) -> list[Recipe]:
    """The recipes of a dynamic prompt: ``count`` draws whose seeds count up, or all combinations with each of ``count`` seeds.

    ``resolved`` makes the recipe of a prompt; it is asked once, so that what is drawn at random is the same for all.
    Raises UserError for a prompt that cannot be read, and for counts less than 1.
    """
    if count < 1:
        raise UserError(f"the number of pictures is {count}; it must be 1 or more.")
    texts = combined(text, wildcards) if combinations else []
    base = resolved(texts[0] if texts else varied(text, 1, 0, wildcards)[0])
    if not combinations:
        texts = varied(text, count, base.seed, wildcards)
        return [set_parameters(base, {"prompt": one, "seed": base.seed + i}) for i, one in enumerate(texts)]
    return [set_parameters(base, {"prompt": one, "seed": base.seed + i}) for i in range(count) for one in texts]


def axes_of(text: str, wildcards: Wildcards) -> list[Axis]:
    """An axis for each of a prompt's outermost braces: ``{0.8-1.4 (+0.2)}``, ``{red|blue}``, ``{__colours__}``.

    Raises UserError for a prompt without braces, and for those that cannot be read.
    """
    axes = []
    for group in groups_of(text):
        points = tuple(
            Point(label=one or "nothing", edits=(Replace(field="prompt", needle=group, text=one),))
            for one in dict.fromkeys(combined(group, wildcards))
        )
        axes.append(Axis(parameter="prompt s/r", label=f"Prompt {group}", points=points))
    if not axes:
        raise UserError(
            "the prompt has no braces to go through; write 'a (red:{0.8-1.4 (+0.2)}) apple', or 'a {red|blue} apple'."
        )
    return axes
