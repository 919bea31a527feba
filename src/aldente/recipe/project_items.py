"""The items of a project: one for each picture that it asks for, counted before any of them is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aldente.engine.errors import UserError, unknown
from aldente.recipe.dynamic import Wildcards, no_wildcards, template_of, unknown_variable
from aldente.recipe.parameters import Scalar, text_of
from aldente.recipe.project import MOST_PICTURES, Project, Seeds, Subjects, Variant
from aldente.recipe.template import Counts, Template, drawn, nth

Columns = Mapping[str, str]

_COLUMN = re.compile(r"\$\{\s*([^\W\d][\w-]*)\s*\}")
_PLACE = re.compile(r"\{([^{}:]*)(?::0?(\d{1,2}))?\}")
_WORD = re.compile(r"[\w.+-]+")

FACTS = ("number", "subject", "seed", "variant", "id", "digest", "project", "width", "height")
"""What a picture's name may say, beside the columns."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One thing to draw: its prompt, what people call it, and the columns of its row."""

    prompt: str
    label: str
    columns: Columns


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture that a project asks for: a subject under a variant with a seed; ``number`` counts from 1."""

    number: int
    subject: Subject
    variant: Variant | None
    seed: int

    @property
    def settings(self) -> dict[str, Scalar]:
        """What the variant sets."""
        return {} if self.variant is None else dict(self.variant.settings)


def subjects_of(
    subjects: Subjects, rows: Sequence[Columns] | None = None, wildcards: Wildcards = no_wildcards
) -> tuple[Subject, ...]:
    """The subjects, drawn or gone through where they are dynamic; ``rows`` are those of the CSV file.

    Raises UserError for unknown columns, wildcards and variables, and for more than anybody means.
    """
    table = rows if rows is not None else _rows(subjects)
    if missing := [name for name in subjects.sets if table and name not in table[0]]:
        raise unknown("column", missing[0], table[0])
    if not subjects.dynamic:
        return tuple(_plain(subjects, row) for row in table)
    counts = Counts()
    templates = [_template(subjects, row, wildcards) for row in table]
    each = [counts.of(template) if subjects.combinations else subjects.draws for template in templates]
    if sum(each) > MOST_PICTURES:
        raise UserError(f"the subjects are {_many(sum(each))} prompts; a project may have {MOST_PICTURES}. Use draws.")
    made = []
    for place, (row, template, many) in enumerate(zip(table, templates, each, strict=True)):
        for number in range(many):
            text = (
                nth(template, number, counts=counts)
                if subjects.combinations
                else drawn(template, number, seed=place, counts=counts)
            )
            made.append(Subject(prompt=text, label=_label(row, text), columns=row))
    return tuple(made)


def items_of(project: Project, subjects: Sequence[Subject], *, choice: Variant | None = None) -> tuple[Item, ...]:
    """Every picture of a project, all subjects once before any comes a second time; a ``choice`` is that of the A/B.

    Raises UserError where the seeds do not suffice, and for more than anybody means.
    """
    variants: Sequence[Variant | None] = [_joined(choice, variant) for variant in project.variants] or [choice]
    rounds = len(project.seeds.list) or project.seeds.pictures
    total = rounds * len(subjects) * len(variants)
    if total > MOST_PICTURES:
        raise UserError(f"the project asks for {total} pictures; it may ask for {MOST_PICTURES}. Make several projects of it.")
    batch = project.seeds.batch or len(subjects)
    if project.seeds.policy == "batch" and project.seeds.pictures > 1 and batch > len(subjects):
        raise UserError(
            f"seeds.batch is {batch} and there are {len(subjects)} subjects: a subject would come twice with one seed."
            f" Make it {len(subjects)} or fewer."
        )
    return tuple(_items(project.seeds, subjects, variants, rounds, batch))


def span_of(items: Sequence[Item]) -> int:
    """How far a redraw's seed is from the one before, so that it is no other item's."""
    seeds = [item.seed for item in items] or [0]
    return max(seeds) - min(seeds) + 1


def filled(pattern: str, facts: Mapping[str, str | int]) -> str:
    """A picture's name without its ending: ``{number:04}`` and its like replaced, everything else as it stands.

    What is filled in is made of letters, digits and dashes. Raises UserError for a name that nothing stands for.
    """

    def put(found: re.Match[str]) -> str:
        name = found[1].strip()
        if name not in facts:
            raise unknown("placeholder", name, facts)
        value = facts[name]
        if isinstance(value, int):
            return str(value).zfill(int(found[2] or 0))
        return "-".join(_WORD.findall(value.lower()))[:60].strip("-.") or "none"

    steps = _PLACE.sub(put, pattern).replace("\\", "/").split("/")
    plain = [re.sub(r'[\x00-\x1f<>:"|?*]', "-", step).strip(" .")[:150] for step in steps]
    return "/".join(step for step in plain if step) or "picture"


def _rows(subjects: Subjects) -> Sequence[Columns]:
    if subjects.rows:
        return [{name: text_of(value) for name, value in row.items()} for row in subjects.rows]
    return [{"subject": text} for text in subjects.prompts] or [{}]


def _many(count: int) -> str:
    return str(count) if count < 10**12 else "more than a million million"


def _plain(subjects: Subjects, row: Columns) -> Subject:
    def put(found: re.Match[str]) -> str:
        if found[1] not in row:
            raise unknown_variable(found[1], row)
        return row[found[1]]

    prompt = _COLUMN.sub(put, subjects.prompt)
    return Subject(prompt=prompt, label=_label(row, prompt), columns=row)


def _template(subjects: Subjects, row: Columns, wildcards: Wildcards) -> Template:
    """A row's template; inline prompts are part of it, columns of other rows words as they stand."""
    if subjects.prompts:
        return template_of(_plain(subjects, row).prompt, wildcards)
    return template_of(subjects.prompt, wildcards, row)


def _label(row: Columns, prompt: str) -> str:
    """What people call a row: its subject or name, or what it says first; without a row its prompt."""
    named = next((row[name] for name in ("name", "subject") if row.get(name)), None)
    return named or next((value for value in row.values() if value), prompt)


def _joined(choice: Variant | None, variant: Variant) -> Variant:
    if choice is None:
        return variant
    settings = {**choice.settings, **variant.settings}
    return Variant(name=variant.name, preset=variant.preset or choice.preset, settings=settings)


def _items(
    seeds: Seeds, subjects: Sequence[Subject], variants: Sequence[Variant | None], rounds: int, batch: int
) -> Iterator[Item]:
    number = 0
    for turn in range(rounds):
        for place, subject in enumerate(subjects):
            at = turn * len(subjects) + place
            seed = {
                "lock": seeds.first,
                "image": seeds.first + at,
                "batch": seeds.first + at // batch,
                "list": seeds.list[turn] if seeds.list else 0,
                "row": _seed_in(subject) if seeds.policy == "row" else 0,
            }[seeds.policy]
            for variant in variants:
                number += 1
                yield Item(number=number, subject=subject, variant=variant, seed=seed)


def _seed_in(subject: Subject) -> int:
    """The seed in a subject's row. Raises UserError where it has none."""
    said = subject.columns.get("seed", "")
    if not (said.isascii() and said.isdecimal() and len(said) <= 20 and int(said) < 2**64):
        raise UserError(
            f"seeds.policy is 'row', and the column 'seed' of '{subject.label}' says '{said}';"
            " write a whole number below 2^64 in every row."
        )
    return int(said)
