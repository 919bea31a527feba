"""What is wrong with a picture: signs read off it, judged beside redraws at sane settings where its recipe is known.

The thresholds were set on the embedded model; ``tests/studio/test_diagnosis.py`` holds the table of what is found in
pictures that were spoilt on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from aldente.engine.samplers.table import find_sampler
from aldente.quality.metric import Image, Sign
from aldente.quality.planes import luma
from aldente.quality.reference import jpeg_rmse, rmse
from aldente.quality.table import SIGNS
from aldente.recipe.names import combined_title
from aldente.recipe.recipe import Sampling
from aldente.recipe.value import Value
from aldente.tuning.ladder import ladder
from aldente.tuning.study import REFERENCE

Flaw = Literal["fried", "too few steps", "sampler mismatch", "noise", "blur", "seams", "clipped"]

SANE_CFG = 4.0
"""A CFG at which nothing is burnt; what a study measured for the model takes its place."""

HIGH = 1.5
"""From so many times the sane CFG on a picture is compared with its redraw there."""

FRIED = 2.0
"""The sum of worsenings, in noticeable changes of at most 3 each, from which a picture counts as fried."""

FRIED_SIGNS = ("extreme", "oversaturated", "colourfulness", "haar_noise", "ringing", "overshoot", "lattice")

APART = 4.0
"""JND between a picture and its redraw at twice the steps from which steps are too few: what a draft may differ."""

APART_NOISY = 12.0
"""The same for samplers that add noise: their pictures differ long before they are flawed."""

APART_ENDLESS = 1.2
"""The same for samplers that never settle: it is known of them beforehand, so that it counts as soon as it can be seen."""

ALIKE = 0.9
"""The correlation of luma from which a picture is its redraw with something done to it, and not another picture."""

WORDS = ((0.85, "surely"), (0.65, "likely"), (0.0, "possibly"))


class Finding(Value):
    """A flaw with the probability-like ``sureness``, what speaks for it, and the change to try.

    ``settings`` are the change as settings of the recipe; empty where the recipe is not to blame or not known.
    """

    flaw: Flaw
    sureness: float
    evidence: tuple[str, ...]
    change: str
    settings: dict[str, int | float | str] = Field(default_factory=dict)

    def sentence(self) -> str:
        """The finding in words."""
        word = next(word for least, word in WORDS if self.sureness >= least)
        return f"{word} {self.flaw}: {'; '.join(self.evidence)}"


@dataclass(frozen=True, kw_only=True)
class Redraws:
    """The picture's recipe drawn again: as it is, at a sane CFG, there with twice the steps, and both with another sampler.

    ``sane`` is ``same`` where the CFG is sane already; the other sampler is the reference of studies.
    """

    same: Image
    sane: Image
    more: Image
    other: Image
    other_more: Image


def with_redraws(image: Image, sampling: Sampling, redraws: Redraws, *, sane_cfg: float = SANE_CFG) -> tuple[Finding, ...]:
    """The flaws of a picture beside redraws of its recipe, the surest first."""
    jnd = max(0.5, jpeg_rmse(redraws.same))
    findings: list[Finding] = []
    trust = 1.0
    if image.shape != redraws.same.shape or rmse(image, redraws.same) > jnd:
        if _correlation(image, redraws.same) >= ALIKE:
            findings += altered(image, redraws.same)
        else:
            # The recipe draws something else here (other weights): what is said of its settings is less sure.
            trust = 0.7
    found = [_fried(sampling, redraws, sane_cfg, trust), _unsettled(sampling, redraws, trust)]
    return _sorted([*findings, *(one for one in found if one is not None)])


def is_high(sampling: Sampling, sane_cfg: float) -> bool:
    """Whether the CFG is so high that a redraw at a sane one tells something."""
    return sampling.guidance.scale > HIGH * sane_cfg


def _fried(sampling: Sampling, redraws: Redraws, sane_cfg: float, trust: float) -> Finding | None:
    if not is_high(sampling, sane_cfg):
        return None
    worse = worsenings(redraws.same, redraws.sane)
    index = sum(min(max(worse[name], 0.0), 3.0) for name in FRIED_SIGNS)
    if index < FRIED:
        return None
    cfg = sampling.guidance.scale
    evidence = (f"beside the same picture at CFG {sane_cfg:g}, CFG {cfg:g} is worse in {_worst(worse, FRIED_SIGNS)}",)
    return Finding(
        flaw="fried",
        sureness=trust * _sureness(index / FRIED),
        evidence=evidence,
        change=f"lower the CFG to about {sane_cfg:g}, or set --cfg-rescale 0.7",
        settings={"cfg": sane_cfg},
    )


def _unsettled(sampling: Sampling, redraws: Redraws, trust: float) -> Finding | None:
    """Too few steps, or a sampler that needs more of them than another, judged at a CFG that does not confuse it."""
    info, steps = find_sampler(sampling.sampler), sampling.steps
    jnd, other_jnd = (max(0.5, jpeg_rmse(image)) for image in (redraws.more, redraws.other_more))
    apart, other_apart = rmse(redraws.sane, redraws.more) / jnd, rmse(redraws.other, redraws.other_more) / other_jnd
    limit = APART_ENDLESS if not info.converges else APART_NOISY if info.stochastic else APART
    if apart <= limit:
        return None
    title = combined_title(f"{sampling.sampler} {sampling.schedule}")
    moved = f"twice the steps move the picture by {apart:.1f} JND (up to {limit:g} is usual)"
    if other_apart <= min(APART, apart / 2):
        cure = f"at {steps} steps {REFERENCE.title} moves by {other_apart:.1f} only"
        never = () if info.converges else (f"{title} never settles, whatever the steps: it is for models made for it",)
        return Finding(
            flaw="sampler mismatch",
            sureness=trust * _sureness(apart / limit),
            evidence=(moved, cure, *never),
            change=f"take {REFERENCE.title} at {steps} steps",
            settings={"sampler": REFERENCE.sampler, "schedule": REFERENCE.schedule},
        )
    enough = _enough(steps, apart, info.order)
    return Finding(
        flaw="too few steps",
        sureness=trust * _sureness(apart / limit),
        evidence=(moved, f"{REFERENCE.title} with as many moves by {other_apart:.1f}"),
        change=f"take about {enough} steps",
        settings={"steps": enough},
    )


def _enough(steps: int, apart: float, order: int) -> int:
    """The rung at which doubling should move the picture by 1 JND, at the sampler's order; at most 40."""
    wanted = steps * apart ** (1.0 / max(1, order))
    return next((rung for rung in ladder(5, 40) if rung >= wanted), 40)


def altered(image: Image, same: Image) -> list[Finding]:
    """What was done to a picture after it was drawn: its signs beside those of the untouched one."""
    worse = worsenings(image, same)
    clipped, noisy, blurred = worse["extreme"] > 1.5, worse["flat_noise"] > 1.2, worse["sharpness"] > 1.0
    lattice = worse["lattice"] > 1.2 and not (clipped or noisy or blurred)
    found: list[tuple[bool, Flaw, str, str]] = [
        (clipped, "clipped", "extreme", "undo the contrast or brightness that was added afterwards"),
        (noisy and not clipped, "noise", "flat_noise", "go back to the untouched picture, or denoise it"),
        (blurred, "blur", "sharpness", "go back to the untouched picture: blur cannot be undone"),
        (lattice, "seams", "lattice", "redraw with overlapping tiles, or save as PNG instead of strongly packed JPEG"),
    ]
    return [
        Finding(
            flaw=flaw,
            sureness=_sureness(worse[sign]),
            evidence=(f"the file is not what its recipe draws: {_worst(worse, (sign,))} than the redraw",),
            change=change,
        )
        for here, flaw, sign, change in found
        if here
    ]


ALONE: Mapping[str, tuple[Flaw, float, float]] = {
    "flat_noise": ("noise", 3.2, 1.6),
    "extreme": ("clipped", 0.2, 0.14),
    "lattice": ("seams", 3.0, 1.0),
    "sharpness": ("blur", 4.6, 5.1),
}
"""For pictures whose recipe is not known: by sign, the flaw, the value from which it is suspected, and the usual limit."""

LEAST_SIDE_PX = 128
"""On smaller pictures drawn lines fall on a lattice by chance, and seams cannot be told from them."""


def alone(image: Image) -> tuple[Finding, ...]:
    """The flaws that a picture shows by itself. Content may look like a flaw, so nothing is more than likely."""
    findings = []
    for name, (flaw, limit, usual) in ALONE.items():
        sign = _sign(name)
        value = sign.compute(image)
        beyond = value > limit if sign.worse == "more" else value < limit
        if not beyond or (flaw == "seams" and min(image.shape[:2]) < LEAST_SIDE_PX):
            continue
        side = "up to" if sign.worse == "more" else "from"
        evidence = f"{sign.title} is {value:.2g} ({sign.unit}), usual is {side} {usual:g}"
        ratio = value / limit if sign.worse == "more" else limit / max(value, 1e-6)
        findings.append(Finding(flaw=flaw, sureness=min(0.65, _sureness(ratio)), evidence=(evidence,), change=_CHANGES[flaw]))
    return _sorted(findings)


_CHANGES: Mapping[Flaw, str] = {
    "noise": "take more steps, or a sampler that adds no noise",
    "clipped": "lower the CFG",
    "seams": "redraw with overlapping tiles, or save as PNG",
    "blur": "take more steps, or sharpen after upscaling",
}


def by_settings(sampling: Sampling) -> tuple[Finding, ...]:
    """What guides suspect of settings alone: folklore, for recipes whose model is not at hand."""
    findings = []
    if sampling.guidance.scale > 15:
        evidence = f"CFG {sampling.guidance.scale:g} is above 15, where guides see over-saturation (folklore)"
        findings.append(
            Finding(flaw="fried", sureness=0.5, evidence=(evidence,), change="lower the CFG", settings={"cfg": 7.0})
        )
    if sampling.steps < 10 and find_sampler(sampling.sampler).converges:
        evidence = f"{sampling.steps} steps are below 10, which guides keep for previews (folklore)"
        change = "take 20 to 30 steps"
        findings.append(
            Finding(flaw="too few steps", sureness=0.5, evidence=(evidence,), change=change, settings={"steps": 25})
        )
    return tuple(findings)


def worsenings(image: Image, base: Image) -> dict[str, float]:
    """How much worse each sign of a picture is than that of another, in noticeable changes."""
    return {sign.name: sign.worsening(sign.compute(image), sign.compute(base)) for sign in SIGNS if sign.kind == "flaw"}


def _correlation(image: Image, other: Image) -> float:
    """How alike the light and dark of two pictures are, -1 to 1; 0 where one of them is flat or of another size."""
    if image.shape != other.shape:
        return 0.0
    a, b = luma(image) - luma(image).mean(), luma(other) - luma(other).mean()
    spread = math.sqrt(float((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / spread if spread > 0.0 else 0.0


def _worst(worse: Mapping[str, float], names: tuple[str, ...]) -> str:
    """The signs that worsen most, at most three, with by how much."""
    shown = sorted((name for name in names if worse[name] > 0.5), key=lambda name: -worse[name])[:3]
    return (
        ", ".join(f"{_sign(name).title} ({worse[name]:.1f} noticeable changes)" for name in shown) or "several signs a little"
    )


def _sign(name: str) -> Sign:
    return next(sign for sign in SIGNS if sign.name == name)


def _sureness(ratio: float) -> float:
    """One half at the threshold, three quarters at twice it, and so on."""
    return 1.0 - math.exp2(-ratio)


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: -one.sureness))
