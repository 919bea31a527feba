"""Every metric, in one table. To add one: write its function beside its kin and add its row here.

A flaw's ``noticeable`` change is about what the following doses do to a photograph and to pictures of pastina:
saturation x 1.2, contrast x 1.15, a warm shift of 10 %, Gaussian noise of 3 steps, a blur of .45 px, an unsharp mask of
amount .35, a lattice of +-2 steps. ``tests/quality/test_doses.py`` holds them to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aldente.engine.errors import unknown
from aldente.quality import clipping, colour, diversity, flip, noise, reference, seams, sharpness, structure
from aldente.quality.metric import Comparison, Image, Metric, Sign, Spread, key

_reference = partial(Comparison, version=1, kind="reference")
_flaw = partial(Sign, version=1, kind="flaw", worse="more")

# fmt: off
COMPARISONS: tuple[Comparison, ...] = (
    _reference(name="mse", title="mean squared error", unit="steps^2", better="lower", compute=reference.mse),
    _reference(name="rmse", title="root mean squared error", unit="steps", better="lower", compute=reference.rmse),
    _reference(name="psnr", title="peak signal-to-noise ratio", unit="dB", better="higher", compute=reference.psnr),
    _reference(name="ssim", title="structural similarity", unit="", better="higher", compute=reference.ssim),
    Comparison(name="composition", version=1, kind="structure", title="composition shift", unit="", better="lower",
               compute=structure.composition),
    _reference(name="flip", title="FLIP", unit="", better="lower", compute=flip.flip),
)

SIGNS: tuple[Sign, ...] = (
    _flaw(name="colourfulness", title="colourfulness", unit="", noticeable=12.0, compute=colour.colourfulness),
    _flaw(name="oversaturated", title="over-saturated share", unit="share", noticeable=0.05, compute=colour.oversaturated),
    _flaw(name="chroma", title="mean chroma", unit="Lab", noticeable=5.0, compute=colour.chroma),
    _flaw(name="cast", title="colour cast", unit="", noticeable=0.12, compute=colour.cast),
    _flaw(name="blown", title="blown share", unit="share", noticeable=0.02, compute=clipping.blown),
    _flaw(name="crushed", title="crushed share", unit="share", noticeable=0.03, compute=clipping.crushed),
    _flaw(name="extreme", title="share of extreme channel values", unit="share", noticeable=0.06, compute=clipping.extreme),
    _flaw(name="clipped_area", title="largest clipped area", unit="share", noticeable=0.06, compute=clipping.clipped_area),
    _flaw(name="flat_noise", title="noise in flat areas", unit="steps", noticeable=1.2, compute=noise.flat_noise),
    _flaw(name="haar_noise", title="diagonal noise", unit="steps", noticeable=1.2, compute=noise.haar_noise),
    _flaw(name="sharpness", title="sharpness", unit="ln", noticeable=0.5, worse="less", compute=sharpness.sharpness),
    _flaw(name="ringing", title="ringing and dirt", unit="steps", noticeable=1.0, compute=sharpness.ringing),
    _flaw(name="overshoot", title="overshoot at edges", unit="steps", noticeable=1.5, compute=sharpness.overshoot),
    _flaw(name="lattice", title="lattice", unit="steps", noticeable=1.0, compute=seams.lattice),
    Sign(name="clipped", version=1, kind="content", title="clipped share", unit="share", worse="more", noticeable=0.03,
         compute=clipping.clipped),
    Sign(name="detail", version=1, kind="content", title="detail", unit="steps", worse="less", noticeable=1.0,
         compute=sharpness.detail),
    Sign(name="tenengrad", version=1, kind="content", title="Tenengrad", unit="", worse="less", noticeable=5000.0,
         compute=sharpness.tenengrad),
    Sign(name="high_band", version=1, kind="content", title="share of energy in the high band", unit="share", worse="less",
         noticeable=0.01, compute=sharpness.high_band),
)

SPREADS: tuple[Spread, ...] = (
    Spread(name="layout_diversity", version=1, title="diversity of layout", unit="L*", compute=diversity.layout_diversity),
    Spread(name="palette_diversity", version=1, title="diversity of palette", unit="Lab", compute=diversity.palette_diversity),
)
# fmt: on

METRICS: tuple[Metric, ...] = (*COMPARISONS, *SIGNS)

FLAWS: tuple[Sign, ...] = tuple(sign for sign in SIGNS if sign.kind == "flaw")


def spreads(images: Sequence[Image]) -> dict[str, float]:
    """How different pictures of one prompt are, by the key of each metric; raises ``UserError`` for fewer than two."""
    return {key(entry): entry.compute(images) for entry in SPREADS}


def metric(name: str) -> Metric:
    """The metric of that name; raises ``UserError`` with the nearest known one."""
    table = {entry.name: entry for entry in METRICS}
    if name not in table:
        raise unknown("metric", name, table)
    return table[name]


def signs(image: Image) -> dict[str, float]:
    """Every sign of a picture, by its key (``extreme@1``): what a record stores."""
    return {key(sign): sign.compute(image) for sign in SIGNS}


def flaws(image: Image) -> dict[str, float]:
    """Every flaw sign of a picture, by its name: what is judged against a baseline."""
    return {sign.name: sign.compute(image) for sign in FLAWS}


def compared(image: Image, other: Image) -> dict[str, float]:
    """Every comparison of two pictures of one size, by its key (``psnr@1``)."""
    return {key(entry): entry.compute(image, other) for entry in COMPARISONS}
