"""Curves over a parameter: error against steps, flaw signs against guidance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aldente.report.palette import LIGHT, SERIES
from aldente.report.plot import Axes, Figure, draw, named, plain, spread

Scale = Literal["linear", "log"]

ROOM = 1.5
"""How many times as far as the line of "good enough" a logarithmic figure goes at least, up and down."""

TOP = 4.0
"""How many times as high as the highest mean a logarithmic figure goes at most; bands above are cut."""

_DASHES: tuple[object, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))
_MARKERS = "osD^vPX"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a figure, with its confidence band where ``low`` and ``high`` are given.

    ``mark`` is the x that matters on it (where its plateau begins), ``aside`` what is said behind its name.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    mark: float | None = None
    aside: str = ""

    def __post_init__(self) -> None:
        """Refuse a curve whose parts differ in length, or whose mark is not on it; raise ValueError."""
        if len({len(self.x), len(self.y), len(self.low) or len(self.x), len(self.high) or len(self.x)}) > 1 or not self.x:
            raise ValueError(f"curve '{self.name}': x, y, low and high must be of one length, at least 1")
        if self.mark is not None and self.mark not in self.x:
            raise ValueError(f"curve '{self.name}': its mark {self.mark} is not one of its x values {list(self.x)}")


def convergence(
    curves: Sequence[Curve],
    *,
    title: str = "How far each step count is from the converged picture",
    delta: float | None = None,
    floor: float | None = None,
    x_label: str = "steps",
    y_label: str = "distance to the converged picture",
) -> Figure:
    """Error against steps, both logarithmic: bands, plateaus, the line ``delta`` of "good enough", the noise ``floor``.

    A floor that lies far below everything is left out.
    """

    def paint(axes: Axes) -> None:
        axes.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
        for look, curve in enumerate(curves):
            _line(axes, curve, look, positive=True)
        _ticks(axes, sorted({x for curve in curves for x in curve.x}))
        # The bands of few prompts may reach to anywhere; what was measured is to be seen.
        largest = max((y for curve in curves for y in curve.y if y > 0), default=1.0)
        axes.set_ylim(top=min(axes.get_ylim()[1], TOP * largest))
        axes.yaxis.set_major_formatter(plain)
        axes.yaxis.set_minor_formatter(lambda *_: "")
        if delta is not None:
            bottom, top = axes.get_ylim()
            bottom, top = min(bottom, delta / ROOM), max(top, delta * ROOM)
            axes.axhspan(bottom, delta, color=LIGHT["accept"], zorder=0, linewidth=0)
            axes.set_ylim(bottom, top)
            _rule(axes, delta, f"good enough: {plain(delta)}", LIGHT["ink"], "-")
        if floor is not None and floor >= axes.get_ylim()[0]:
            _rule(axes, floor, f"noise floor: {plain(floor)}", LIGHT["muted"], ":", "above")
        _names(axes, curves)

    return draw(title, paint, height_inches=_height(curves))


def guidance(
    curves: Sequence[Curve],
    *,
    title: str = "What rising guidance does to the picture",
    accepted: tuple[float, float] | None = None,
    baseline: float | None = None,
    limit: float | None = None,
    x_label: str = "CFG scale",
    y_label: str = "flaw sign, relative to the baseline",
    scale: Scale = "linear",
) -> Figure:
    """Flaw signs against guidance, with the range that is accepted shaded, the ``baseline`` CFG and the ``limit`` drawn."""

    def paint(axes: Axes) -> None:
        axes.set(yscale=scale, xlabel=x_label, ylabel=y_label)
        if accepted is not None:
            axes.axvspan(*accepted, color=LIGHT["accept"], zorder=0, linewidth=0)
            words = f"accepted {plain(accepted[0])} – {plain(accepted[1])}"
            place = {"xy": (sum(accepted) / 2, 1.0), "xycoords": ("data", "axes fraction"), "xytext": (0, 4)}
            axes.annotate(words, textcoords="offset points", ha="center", color=LIGHT["ink"], annotation_clip=False, **place)
        for look, curve in enumerate(curves):
            _line(axes, curve, look, positive=scale == "log")
        axes.yaxis.set_major_formatter(plain)
        if limit is not None:
            _rule(axes, limit, "limit", LIGHT["ink"], "--")
        if baseline is not None:
            axes.axvline(baseline, color=LIGHT["muted"], linewidth=0.9, linestyle=":")
            place = {"xy": (baseline, 0.0), "xycoords": ("data", "axes fraction"), "xytext": (4, 4)}
            axes.annotate("baseline", textcoords="offset points", color=LIGHT["muted"], fontsize=8, **place)
        _names(axes, curves)

    return draw(title, paint, height_inches=_height(curves))


def _height(curves: Sequence[Curve]) -> float:
    if not curves:
        raise ValueError("a figure of curves needs at least one curve")
    return max(3.7, 1.2 + 0.19 * len(curves))


def _line(axes: Axes, curve: Curve, look: int, *, positive: bool) -> None:
    colour = LIGHT[SERIES[look % len(SERIES)]]
    dash = _DASHES[look // len(SERIES) % len(_DASHES)]
    y = [value if not positive or value > 0 else math.nan for value in curve.y]
    if curve.low and curve.high:
        least = min((value for value in y if value > 0), default=1.0) / 4
        low = [max(value, least) if positive else value for value in curve.low]
        axes.fill_between(curve.x, low, curve.high, color=colour, alpha=0.16, linewidth=0)
    marker = _MARKERS[look % len(_MARKERS)]
    axes.plot(curve.x, y, color=colour, linestyle=dash, marker=marker, markersize=3.6, markeredgewidth=0)
    if curve.mark is not None:
        at = list(curve.x).index(curve.mark)
        axes.plot(
            [curve.mark],
            [y[at]],
            marker="o",
            markersize=10,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=1.6,
        )


def _rule(axes: Axes, y: float, words: str, colour: str, dash: str, side: Literal["above", "below"] = "below") -> None:
    axes.axhline(y, color=colour, linewidth=0.9, linestyle=dash)
    offset, anchor = (3, "bottom") if side == "above" else (-4, "top")
    place = {"xy": (0.0, y), "xycoords": ("axes fraction", "data"), "xytext": (5, offset)}
    axes.annotate(words, textcoords="offset points", va=anchor, fontsize=8, color=colour, **place)


def _ticks(axes: Axes, values: Sequence[float]) -> None:
    """Ticks at the measured values, as many as stand apart from each other on a logarithmic axis."""
    room = (math.log(values[-1] / values[0]) or 1.0) / 12
    kept: list[float] = []
    for value in values:
        if not kept or math.log(value / kept[-1]) >= room:
            kept.append(value)
    axes.set_xticks(kept, [plain(value) for value in kept])
    axes.set_xticks([], minor=True)


def _names(axes: Axes, curves: Sequence[Curve]) -> None:
    """Each curve's name at its right end, moved apart where ends are close: no legend to look up."""
    axes.figure.draw_without_rendering()
    height_points = axes.get_window_extent().height / axes.figure.dpi * 72
    to_share = axes.transData + axes.transAxes.inverted()
    bottom = axes.get_ylim()[0]
    ends = [float(to_share.transform((curve.x[-1], max(curve.y[-1], bottom)))[1]) for curve in curves]
    right = max(curve.x[-1] for curve in curves)
    for look, (curve, height) in enumerate(zip(curves, spread(ends, 12 / height_points, 0.0, 1.0), strict=True)):
        words = f"{named(curve.name)} · {named(curve.aside)}" if curve.aside else named(curve.name)
        axes.annotate(
            words,
            xy=(1.0, height),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=LIGHT[SERIES[look % len(SERIES)]],
            annotation_clip=False,
        )
    axes.set_xlim(right=right * 1.03 if axes.get_xscale() == "log" else right)
