"""What a tuning study finds out, as values that can be stored, shown and read again."""

from __future__ import annotations

from typing import Literal

from aldente.recipe.value import Value

Goal = Literal["draft", "production", "final"]

Mode = Literal["fast", "guaranteed"]

Verdict = Literal["better", "worse", "practically equivalent", "continue", "inconclusive"]
"""What a confidence sequence says of a mean: ``continue`` can still be decided by more prompts, ``inconclusive`` ran out."""


class Tolerance(Value):
    """How far a picture may be from the converged one and still be as good.

    ``jnd`` is the just noticeable difference in 8-bit steps (RMSE of a converged picture against its JPEG at quality 95);
    ``delta`` is the tolerated mean loss in that unit. ``floor`` is how far two independent references are apart, in the
    same unit; where it asked for more than the goal does, ``raised`` is true. ``reason`` says how delta came about.
    """

    goal: Goal
    jnd: float
    floor: float | None
    delta: float
    raised: bool
    reason: str


class PowerLaw(Value):
    """loss(N) = scale * (N^exponent - reference_steps^exponent); ``r_squared`` is of the logarithms."""

    scale: float
    exponent: float
    reference_steps: int | None
    r_squared: float


class Interval(Value):
    """A mean with one-sided bounds (each fails with probability ``alpha``); None where there are too few prompts."""

    mean: float
    low: float | None
    high: float | None
    alpha: float
    prompts: int
    method: str


class Rung(Value):
    """One configuration: a sampler and schedule at a number of steps.

    ``loss`` is the distance to the converged picture in just noticeable differences, corrected for the reference's own
    distance from the limit by the factor ``correction``; ``moved`` is how far two rungs more (twice the steps) move the
    picture, in the same unit.
    """

    steps: int
    calls: float
    seconds: float | None
    loss: Interval
    correction: float
    moved: Interval | None
    psnr: float
    ssim: float
    latent_rms: float | None
    instances: int


class Curve(Value):
    """A sampler and schedule along the ladder; ``plateau`` is its smallest step count within tolerance, if it has one.

    ``own_reference`` is true for stochastic samplers: their solution is that of their own path of noise.
    """

    sampler: str
    schedule: str
    title: str
    own_reference: bool
    reference: str
    rungs: tuple[Rung, ...]
    law: PowerLaw | None
    plateau: int | None
    sentence: str


class SignChange(Value):
    """How much a flaw sign worsens from the baseline to ``value``, in noticeable changes of that sign (each within +-3)."""

    value: float
    sign: str
    title: str
    change: Interval


class FlawedShare(Value):
    """The share of pictures at ``value`` that are flawed: two or more signs noticeably worse than at the baseline."""

    value: float
    share: Interval
    worst: SignChange


class GuidanceRange(Value):
    """The CFG scales ``low`` to ``high`` around the baseline before flaws set in.

    In ``clean_low`` to ``clean_high`` it is even sure that most pictures are free of them (None: only at the baseline). The
    limits are the first values outside of the range; None where the range ends with the values tried.
    """

    baseline: float
    low: float
    high: float
    clean_low: float | None
    clean_high: float | None
    limit_below: FlawedShare | None
    limit_above: FlawedShare | None
    shares: tuple[FlawedShare, ...]
    changes: tuple[SignChange, ...]
    sentence: str


class Confirmation(Value):
    """The choice again, on prompts or seeds that took no part in choosing it.

    ``confirmed``: its upper bound is within tolerance; ``consistent``: its mean is; ``contradicted``: it is not.
    """

    steps: int
    loss: Interval
    on: str
    verdict: Literal["confirmed", "consistent", "contradicted"]


class SettingVerdict(Value):
    """What is sure of one setting's mean loss: practically equivalent to the converged picture, worse, or neither."""

    sampler: str
    schedule: str
    steps: int
    verdict: Verdict
    loss: Interval


class Rivalry(Value):
    """Two settings of about one price: the mean of the first's loss less the second's, judged with the tolerance as margin."""

    first: str
    second: str
    difference: Interval
    verdict: Verdict


class Proof(Value):
    """What a guaranteed study rests on.

    ``bound`` is the most that a prompt's loss counts, in JND; ``clipped`` the share of losses of the settings found
    equivalent that were larger. ``pilot`` prompts set the tolerance, ``drawn`` others were then drawn out of ``given``.
    """

    bound: float
    clipped: float
    pilot: int
    drawn: int
    given: int
    unit: Literal["prompts", "seeds"]
    stopped: Literal["decided", "out of prompts", "out of budget"]
    settings: tuple[SettingVerdict, ...]
    rivalries: tuple[Rivalry, ...]


class FrontPoint(Value):
    """A configuration that no other beats in both cost and loss; ``knee`` marks the front's bend, as an annotation only."""

    sampler: str
    schedule: str
    steps: int
    calls: float
    loss: float
    knee: bool


class Choice(Value):
    """The chosen setting, what a picture costs with it and how far it is from the converged one."""

    sampler: str
    schedule: str
    title: str
    steps: int
    cfg: float
    calls: float
    seconds: float | None
    loss: Interval
    within_tolerance: bool


class TuningResult(Value):
    """Everything that a study found: the choice, why, how sure, at which cost, and what was left out."""

    study: str
    goal: Goal
    choice: Choice
    tolerance: Tolerance
    curves: tuple[Curve, ...]
    guidance: GuidanceRange | None
    confirmation: tuple[Confirmation, ...]
    front: tuple[FrontPoint, ...]
    sentences: tuple[str, ...]
    cuts: tuple[str, ...]
    confidence: str
    calls: int
    pictures: int
    missing: int
    mode: Mode = "fast"
    proof: Proof | None = None
