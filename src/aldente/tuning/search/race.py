"""Racing: settings meet the same pictures in the same order, and stop as soon as they are surely not the one.

Every judgement is paired by picture and clustered by prompt. A setting that is not stopped meets all pictures, and then its
means decide.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from aldente.quality.bounds import loss_bounds, mean_bounds, share_bounds
from aldente.tuning.flaws import MOST, TOLERATED
from aldente.tuning.search.measured import Evidence, Metric, Target, Verdict

FIRST_BLOCK = 3

RATIOS: frozenset[Metric] = frozenset({"error", "dissimilarity"})
"""Metrics that are compared by their ratio: they are positive and spread over decades."""

LEAST = 1e-9


class Court(NamedTuple):
    """By what a race is judged: the cluster of each instance, and the error probability of one judgement."""

    clusters: Sequence[Hashable]
    alpha: float

    @property
    def pictures(self) -> int:
        """How many instances there are."""
        return len(self.clusters)


def blocks(count: int) -> tuple[range, ...]:
    """The instances in the blocks in which they are met: 3, then always as many as before."""
    ends, end = [], FIRST_BLOCK
    while end < count:
        ends.append(end)
        end *= 2
    edges = [0, *ends, count]
    return tuple(range(a, b) for a, b in itertools.pairwise(edges))


def limited(found: Evidence, target: Target, court: Court) -> Verdict | None:
    """The limit that a place surely breaks, if it does."""
    for metric, limit in target.limits.items():
        if metric == "calls":
            if found.price > limit:
                return Verdict(f"{found.price:.0f} calls are more than {limit:g}", "calls")
            continue
        low = _low(found, metric, court)
        if low is not None and low > limit:
            return Verdict(f"{_word(metric)} is surely above {_shown(metric, limit)}", metric)
    return flaws_of(found, court)


def flaws_of(found: Evidence, court: Court) -> Verdict | None:
    """Flaws that have surely set in: more than a tenth of the pictures, or one sign alone noticeably on average."""
    rows = [(i, row) for i, row in sorted(found.rows.items()) if row.worse]
    if not rows:
        return None
    clusters = [court.clusters[i] for i, _ in rows]
    share = share_bounds([row.flawed for _, row in rows], clusters, alpha=court.alpha)
    if share.low is not None and share.low > TOLERATED:
        return Verdict(f"{share.mean:.0%} of its pictures are flawed, surely {share.low:.0%}", "flaws")
    signs = sorted({name for _, row in rows for name in row.worse})
    for sign in signs:
        amounts = np.clip([row.worse.get(sign, 0.0) for _, row in rows], -MOST, MOST).tolist()
        bounds = mean_bounds(amounts, clusters, alpha=court.alpha / len(signs))
        if bounds.low is not None and bounds.mean > 1.0 and bounds.low > 0.0:
            return Verdict(f"{sign} is worse by {bounds.mean:.1f} noticeable changes", "flaws")
    return None


def outrun(found: Evidence, best: Evidence | None, target: Target, court: Court) -> Verdict | None:
    """Whether a place is surely worse than the best one so far, on the pictures that both have."""
    if best is None or best is found:
        return None
    metric = target.minimise
    if metric == "calls":
        worse = found.price >= best.price
        return Verdict(f"{found.price:.0f} calls are no fewer than {best.price:.0f}", "calls") if worse else None
    both = [i for i in found.known(metric) if i in best.rows and best.rows[i].value(metric) is not None]
    if len(both) < 2:
        return None
    ours, theirs = found.values(metric, both), best.values(metric, both)
    if metric in RATIOS:
        gaps = [math.log(max(a, LEAST) / max(b, LEAST)) for a, b in zip(ours, theirs, strict=True)]
    else:
        gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    bounds = mean_bounds(gaps, [court.clusters[i] for i in both], alpha=court.alpha)
    if bounds.low is None or bounds.low <= 0.0:
        return None
    return Verdict(f"{_word(metric)} is surely larger than that of the best", metric)


def violation(found: Evidence, target: Target, court: Court) -> float:
    """How far the means of a place are beyond the limits, added up; 0 is within all of them."""
    total = math.fsum(max(0.0, excess(metric, found.mean(metric), limit)) for metric, limit in target.limits.items())
    if total > 0.0:
        return total
    flawed = flaws_of(found, court)
    return total + (0.0 if flawed is None else 1.0 + found.flawed_share)


def excess(metric: Metric, value: float, limit: float) -> float:
    """By how much a value is beyond its limit: in logarithms where ratios count, relative to the limit elsewhere."""
    if metric in RATIOS or metric == "calls":
        return math.log(max(value, LEAST) / max(limit, LEAST))
    return (value - limit) / max(abs(limit), LEAST)


def estimate(found: Evidence, best: Evidence | None, metric: Metric) -> float:
    """The mean of a metric over all instances, guessed from those that are known by what the best one has on the same."""
    mine = found.known(metric)
    if metric == "calls" or best is None or not mine or len(mine) >= len(best.known(metric)):
        return found.mean(metric)
    both = [i for i in mine if best.values(metric, [i])]
    here, all_of_it = best.mean(metric, both), best.mean(metric)
    if metric in RATIOS:
        return found.mean(metric, both) * all_of_it / max(here, LEAST)
    return found.mean(metric, both) + all_of_it - here


def _low(found: Evidence, metric: Metric, court: Court) -> float | None:
    known = found.known(metric)
    if not known:
        return None
    clusters = [court.clusters[i] for i in known]
    judge = loss_bounds if metric in RATIOS else mean_bounds
    return judge(found.values(metric, known), clusters, alpha=court.alpha).low


def _word(metric: Metric) -> str:
    return {"error": "the error", "dissimilarity": "the dissimilarity", "mismatch": "the mismatch with the prompt"}.get(
        metric, metric
    )


def _shown(metric: Metric, limit: float) -> str:
    return f"{limit:.2g} JND" if metric == "error" else f"{limit:.3g}"
