"""The question of a tuning study, and the recipes that answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from aldente.engine.errors import UserError
from aldente.engine.samplers.table import find_sampler
from aldente.quality.metric import Image, Tensor
from aldente.recipe.names import combined_title
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameter
from aldente.recipe.value import Value
from aldente.tuning.result import Goal

Instance = tuple[str, int]
"""A prompt and a seed: the same picture in every configuration."""


class Pair(Value):
    """A sampler and a schedule, by our names."""

    sampler: str
    schedule: str

    @property
    def title(self) -> str:
        """What people call the two together: 'DPM++ 2M Karras'."""
        return combined_title(f"{self.sampler} {self.schedule}")

    @property
    def own_reference(self) -> bool:
        """Whether it has a solution of its own: that of its path of noise, or of CFG++'s different equation."""
        info = find_sampler(self.sampler)
        return info.stochastic or info.name.endswith("_cfg_pp")


REFERENCE = Pair(sampler="dpmpp_2m", schedule="karras")
"""What the converged pictures of deterministic samplers are made with, at twice the top of the ladder."""

WITNESS = Pair(sampler="heun", schedule="karras")
"""A method of another kind that must come to the same pictures: how far it is off is the noise floor."""

PAIRS = tuple(
    Pair(sampler=sampler, schedule=schedule)
    for sampler, schedule in (
        ("dpmpp_2m", "karras"),
        ("uni_pc", "karras"),
        ("euler", "karras"),
        ("heun", "karras"),
        ("euler_ancestral", "karras"),
    )
)

SAMPLER_OPTIONS = ("eta", "s_noise", "s_churn", "s_tmin", "s_tmax", "rtol")

CFGS = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0)


class Guarantee(Value):
    """How a guaranteed study draws: ``pilot`` prompts set the tolerance, then ``round`` at a time until it is decided.

    ``bound`` is the most that a prompt's loss counts, in tolerances: the larger, the more prompts a verdict takes.
    """

    bound: float = Field(default=4.0, gt=1.0, le=100.0)
    pilot: int = Field(default=4, ge=2)
    round: int = Field(default=4, ge=1)


class Study(Value):
    """A tuning study asks which setting is the cheapest that is as good as the dearest, for these prompts.

    ``base`` is everything that stays as it is; its CFG is the one at which the solver axis is measured. ``cfgs`` may be
    empty: then CFG is left alone. The best guess for the winner comes first in ``pairs``: a budget cuts from the end.
    With a ``guarantee`` prompts are drawn until the verdict is sure; without, all of them at once.
    """

    base: Recipe
    prompts: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(1, 2), min_length=1)
    held_out_prompts: tuple[str, ...] = ()
    goal: Goal = "production"
    pairs: tuple[Pair, ...] = Field(default=PAIRS, min_length=1)
    steps_low: int = Field(default=5, ge=1)
    steps_high: int = Field(default=56, le=1000)
    cfgs: tuple[float, ...] = CFGS
    baseline_cfg: float = 4.0
    alpha: float = Field(default=0.05, gt=0.0, lt=0.5)
    confirm: bool = True
    budget_calls: int | None = None
    guarantee: Guarantee | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a recipe: its picture, its latent where at hand, and the evaluations it asked for where counted."""

    image: Image
    latent: Tensor | None = None
    calls: int | None = None


Outcomes = Mapping[str, Outcome]
"""Outcomes by recipe digest; a recipe that failed is left out. May load pictures only when asked for them."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a study asks for next: these recipes, at about ``calls`` evaluations; ``calls_after`` may follow."""

    phase: str
    recipes: tuple[Recipe, ...]
    calls: int
    calls_after: int


def recipe_for(study: Study, instance: Instance, pair: Pair, steps: int, cfg: float) -> Recipe:
    """The recipe of one picture; options that the sampler does not take are dropped."""
    prompt, seed = instance
    base, info = study.base, find_sampler(pair.sampler)
    # The options of churn mean nothing to a sampler that is not churned.
    honoured = info.options if base.sampling.s_churn else info.own_options
    options = {name: getattr(base.sampling, name) if name in honoured else None for name in SAMPLER_OPTIONS}
    options["sigmas"] = base.sampling.sigmas if pair.schedule == "custom" else None
    sampling = base.sampling.model_copy(
        update={
            "sampler": pair.sampler,
            "schedule": pair.schedule,
            "steps": steps,
            "guidance": base.sampling.guidance.model_copy(update={"scale": float(cfg)}),
            **options,
        }
    )
    return base.model_copy(update={"prompt": prompt, "seed": seed, "sampling": sampling})


def instances_of(study: Study) -> list[Instance]:
    """Every prompt with every seed, each once."""
    return [(prompt, seed) for prompt in dict.fromkeys(study.prompts) for seed in dict.fromkeys(study.seeds)]


def calls_of(pair: Pair, steps: int, cfg: float) -> int:
    """The evaluations of one picture, predicted: the last step is one, and guidance asks twice."""
    each = find_sampler(pair.sampler).calls_per_step
    return ((steps - 1) * each + 1) * (1 if cfg == 1.0 else 2)


def parse_pair(text: str, base: Recipe) -> Pair:
    """The pair that a text names: 'DPM++ 2M Karras', or a sampler alone with the schedule of ``base``."""
    sampling = set_parameter(base, "sampler", text).sampling
    return Pair(sampler=sampling.sampler, schedule=sampling.schedule)


def judged(study: Study) -> tuple[Study, list[str]]:
    """The study without the samplers that cannot be judged, and a sentence for each of them.

    Raises UserError when none is left.
    """
    kept, said = [], []
    for pair in dict.fromkeys(study.pairs):
        if find_sampler(pair.sampler).converges:
            kept.append(pair)
        else:
            said.append(f"{pair.title} never converges: more steps are another picture, so it has no plateau to find.")
    if not kept:
        raise UserError(f"nothing to tune: {' '.join(said)} Name a sampler that converges, such as 'DPM++ 2M Karras'.")
    return study.model_copy(update={"pairs": tuple(kept)}), said
