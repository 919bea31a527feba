"""Projects: what to draw, how, how often, what to keep and what it may cost, as one value that a file describes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from aldente.recipe.presets import Plain
from aldente.recipe.value import Value

Settings = dict[str, Plain]
"""Parameters of a recipe by any of their names; a picture's file is a path beside the project."""

Name = Annotated[str, Field(min_length=1, max_length=100)]

MOST_PICTURES = 100_000
"""More pictures than anybody means in one project; what is larger is a slip of the pen."""


class About(Value):
    """What the project is called and on what it stands: a preset, and axes that every subject goes through."""

    name: Name
    about: str = ""
    preset: str | None = None
    axes: tuple[str, ...] = ()
    batch: int = Field(default=16, ge=1, le=1000)


class Subjects(Value):
    """What is drawn: prompts, or a prompt filled from the columns of rows (here or in a CSV file).

    ``prompt`` says ``${column}``; of inline prompts the column is ``subject``. Columns named in ``sets`` are settings. When
    ``dynamic``, braces and wildcards are choices: ``draws`` at random for each row, or all ``combinations``.
    """

    prompts: tuple[str, ...] = ()
    rows: tuple[dict[str, Plain], ...] = ()
    csv: str | None = None
    prompt: str = "${subject}"
    sets: tuple[str, ...] = ()
    dynamic: bool = False
    draws: int = Field(default=1, ge=1, le=MOST_PICTURES)
    combinations: bool = False
    wildcards: tuple[str, ...] = ("wildcards",)

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        given = [name for name in ("prompts", "rows", "csv") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; give one of them")
        if not given and "${" in self.prompt:
            raise ValueError("nothing to draw: give prompts, rows, csv, or a prompt without ${...}")
        if (self.combinations or self.draws > 1) and not self.dynamic:
            raise ValueError("draws and combinations are of dynamic prompts; set dynamic = true")
        if self.combinations and self.draws > 1:
            raise ValueError("draws are at random and combinations are all; give one of them")
        return self


class Seeds(Value):
    """Which seeds: one for all (``lock``), a new one for each ``image`` or ``batch``, each of a ``list``, or a ``row``'s own.

    ``pictures`` is how many of each subject; a picture that fails a gate is drawn again up to ``redraws`` times.
    """

    policy: Literal["lock", "image", "batch", "list", "row"] = "image"
    first: int = Field(default=1, ge=0, le=2**63)
    batch: int | None = Field(default=None, ge=1)
    list: tuple[Annotated[int, Field(ge=0, le=2**63)], ...] = ()
    pictures: int = Field(default=1, ge=1, le=MOST_PICTURES)
    redraws: int = Field(default=0, ge=0, le=100)

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if (self.policy == "list") != bool(self.list):
            raise ValueError("list is for the policy 'list', and that needs it")
        if self.batch is not None and self.policy != "batch":
            raise ValueError("batch is for the policy 'batch'")
        if self.pictures > 1 and self.policy in ("lock", "list", "row"):
            raise ValueError(f"more pictures of a subject need other seeds; the policy '{self.policy}' has none left for them")
        return self


class Variant(Value):
    """Another way to draw every subject, under a name: a preset and settings over the project's."""

    name: Name
    preset: str | None = None
    settings: Settings = Field(default_factory=dict)


class Outputs(Value):
    """Where the pictures go, what they are called and how they are written.

    ``name`` may say {number} {subject} {seed} {variant} {id} {digest} {project} {width} {height} and any column.
    """

    folder: str | None = None
    name: str = Field(default="{number:04}-{subject}-{seed}", min_length=1, max_length=200)
    format: Literal["png", "jpeg", "webp", "avif"] = "png"
    quality: int | None = Field(default=None, ge=1, le=100)
    sidecar: Literal["none", "json", "toml"] = "none"


class Budget(Value):
    """What the whole project may cost: model calls, seconds of drawing; None is as much as it takes."""

    calls: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)


class Gate(Value):
    """What a picture must hold to be kept: bounds of a sign, or of its rise over the picture at other settings (``than``)."""

    sign: Name
    at_most: float | None = None
    at_least: float | None = None
    than: Settings = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.at_most is None and self.at_least is None:
            raise ValueError("a gate needs at_most, at_least or both")
        return self


class Trial(Value):
    """An A/B before the full run: each of the ``choices`` draws the first ``subjects``."""

    subjects: int = Field(default=4, ge=1, le=1000)
    choices: tuple[Variant, ...] = Field(min_length=2, max_length=26)


class Reference(Value):
    """A picture that is drawn before all others, for them to start from or to follow: settings name it as ``@name``."""

    name: Annotated[str, Field(pattern=r"^[\w-]{1,50}$")]
    prompt: str
    seed: int = Field(default=1, ge=0, le=2**63)
    preset: str | None = None
    settings: Settings = Field(default_factory=dict)


class Project(Value):
    """A whole project; ``stages`` and ``controls`` are those of a recipe, where the settings are not enough to say them.

    A control that says ``optional = true`` is left out where the model takes none of its type.
    """

    project: About
    subjects: Subjects
    references: tuple[Reference, ...] = ()
    settings: Settings = Field(default_factory=dict)
    stages: tuple[dict[str, Any], ...] = ()
    controls: tuple[dict[str, Any], ...] = ()
    seeds: Seeds = Seeds()
    variants: tuple[Variant, ...] = ()
    outputs: Outputs = Outputs()
    budget: Budget = Budget()
    gates: tuple[Gate, ...] = ()
    ab: Trial | None = None

    @property
    def name(self) -> str:
        """What the project is called."""
        return self.project.name
