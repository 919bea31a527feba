"""Where flaws begin: the range of CFG around a baseline before pictures get worse."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from aldente.engine.errors import UserError
from aldente.quality.bounds import mean_bounds, share_bounds
from aldente.quality.table import FLAWS
from aldente.tuning.convergence import interval
from aldente.tuning.result import FlawedShare, GuidanceRange, Interval, SignChange

Readings = Mapping[float, Sequence[Mapping[str, float]]]
"""For each CFG scale, the signs of each instance by sign name; instance i is the same prompt and seed at every scale."""

TOLERATED = 0.1
"""The share of flawed pictures that is put up with: signs also worsen by chance, when the picture becomes another one."""

MOST = 3.0
"""Changes beyond this many noticeable ones count as this many, so that one ruined picture cannot speak for all."""


def guidance_range(
    readings: Readings,
    prompts: Sequence[Hashable],
    *,
    baseline: float,
    alpha: float,
) -> GuidanceRange:
    """The CFG scales around ``baseline`` before flaws set in, judged paired by prompt and seed.

    A picture is flawed when two or more signs are worse by a noticeable change than in the same picture at the baseline.
    Flaws have set in where surely more than a tenth of the pictures are flawed, or where one sign alone is surely worse and
    noticeably so on average. Bounds are corrected for the number of scales and of signs; where there are none (a single
    prompt and seed), half of the pictures, or twice a noticeable change, decide. Raises UserError when the baseline is not
    among the readings.
    """
    if baseline not in readings:
        rendered = ", ".join(f"{value:g}" for value in sorted(readings))
        raise UserError(f"CFG {baseline:g} is the baseline but was not rendered; rendered: {rendered}.")
    others = sorted(value for value in readings if value != baseline)
    changes = {value: _changes(value, readings, prompts, baseline, alpha) for value in others}
    shares = {value: _share(value, readings, prompts, baseline, alpha / len(others), changes[value]) for value in others}
    above = [value for value in others if value > baseline]
    below = [value for value in reversed(others) if value < baseline]
    high, limit_above = _walk(above, baseline, shares, changes)
    low, limit_below = _walk(below, baseline, shares, changes)
    clean_high, clean_low = _clean(above, shares), _clean(below, shares)
    clean = clean_high is not None or clean_low is not None
    found = GuidanceRange(
        baseline=baseline,
        low=low,
        high=high,
        clean_low=(baseline if clean_low is None else clean_low) if clean else None,
        clean_high=(baseline if clean_high is None else clean_high) if clean else None,
        limit_below=limit_below,
        limit_above=limit_above,
        shares=tuple(shares[value] for value in others),
        changes=tuple(change for value in others for change in changes[value]),
        sentence="",
    )
    return found.model_copy(update={"sentence": _sentence(found, sorted(readings))})


def _worsenings(value: float, readings: Readings, baseline: float) -> list[list[float]]:
    """For each instance, how much worse each sign is than at the baseline, in noticeable changes."""
    return [
        [sign.worsening(here[sign.name], there[sign.name]) for sign in FLAWS]
        for here, there in zip(readings[value], readings[baseline], strict=True)
    ]


def _changes(value: float, readings: Readings, prompts: Sequence[Hashable], baseline: float, alpha: float) -> list[SignChange]:
    clipped = np.clip(_worsenings(value, readings, baseline), -MOST, MOST)
    each = alpha / len(FLAWS)
    return [
        SignChange(
            value=value,
            sign=sign.name,
            title=sign.title,
            change=interval(mean_bounds(clipped[:, column].tolist(), prompts, alpha=each), each),
        )
        for column, sign in enumerate(FLAWS)
    ]


def flawed_share(
    pictures: Sequence[Mapping[str, float]],
    baseline: Sequence[Mapping[str, float]],
    prompts: Sequence[Hashable],
    *,
    alpha: float,
) -> Interval:
    """The share of pictures in which two or more signs are worse, by a noticeable change, than in the same at the baseline."""
    pairs = zip(pictures, baseline, strict=True)
    flawed = [sum(sign.worsening(here[sign.name], there[sign.name]) > 1.0 for sign in FLAWS) >= 2 for here, there in pairs]
    return interval(share_bounds(flawed, prompts, alpha=alpha), alpha)


def too_many(share: Interval) -> bool:
    """Whether surely more pictures are flawed than is put up with; without bounds, half of them."""
    return share.mean >= 0.5 if share.low is None else share.low > TOLERATED


def _share(
    value: float,
    readings: Readings,
    prompts: Sequence[Hashable],
    baseline: float,
    alpha: float,
    changes: Sequence[SignChange],
) -> FlawedShare:
    share = flawed_share(readings[value], readings[baseline], prompts, alpha=alpha)
    return FlawedShare(value=value, share=share, worst=max(changes, key=lambda change: change.change.mean))


def _alone(change: SignChange) -> bool:
    """Whether one sign is surely and noticeably worse; without bounds it must be twice as much."""
    found = change.change
    return found.mean > 2.0 if found.low is None else found.mean > 1.0 and found.low > 0.0


def _walk(
    values: Sequence[float],
    baseline: float,
    shares: Mapping[float, FlawedShare],
    changes: Mapping[float, Sequence[SignChange]],
) -> tuple[float, FlawedShare | None]:
    """The last value, going outwards from the baseline, before flaws set in, and what is found at the next."""
    reached = baseline
    for value in values:
        if too_many(shares[value].share) or any(map(_alone, changes[value])):
            return reached, shares[value]
        reached = value
    return reached, None


def _clean(values: Sequence[float], shares: Mapping[float, FlawedShare]) -> float | None:
    """The last value, going outwards, up to which it is sure that most pictures are not flawed."""
    reached: float | None = None
    for value in values:
        high = shares[value].share.high
        if high is None or high > 0.5:
            break
        reached = value
    return reached


def _sentence(found: GuidanceRange, values: Sequence[float]) -> str:
    parts = [f"No flaws set in from CFG {found.low:g} to {found.high:g} (compared with CFG {found.baseline:g})"]
    for limit, way in ((found.limit_above, "from CFG {} on"), (found.limit_below, "at CFG {} and below")):
        if limit is not None:
            parts.append(f"{way.format(f'{limit.value:g}')} {_limit(limit)}")
    if found.limit_above is None:
        parts.append(f"{values[-1]:g} is the highest value tried")
    if found.clean_low is not None and found.clean_high is not None:
        parts.append(f"from {found.clean_low:g} to {found.clean_high:g} most pictures are surely free of them")
    return "; ".join(parts) + "."


def _limit(limit: FlawedShare) -> str:
    """What is wrong at the first value outside of the range."""
    size = f"{limit.worst.change.mean:.1f} noticeable changes"
    if not too_many(limit.share):
        return f"{limit.worst.title} is worse by {size}"
    sure = "" if limit.share.low is None else f" (surely {limit.share.low:.0%})"
    who = "the picture is" if limit.share.prompts == 1 else f"{limit.share.mean:.0%}{sure} of the pictures are"
    return f"{who} worse in two signs or more, most of all in {limit.worst.title} ({size})"
