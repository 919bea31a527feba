"""What settings cost and what they give: the Pareto picture and the bars of cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aldente.report.curves import Scale
from aldente.report.palette import LIGHT
from aldente.report.plot import Axes, Figure, draw, named, plain


@dataclass(frozen=True, kw_only=True)
class Point:
    """One setting: its price, its loss with the ends of its interval, and whether another beats it at both."""

    name: str
    cost: float
    loss: float
    low: float | None = None
    high: float | None = None
    dominated: bool = False
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The cost of one setting; ``note`` is said behind the number."""

    name: str
    cost: float
    note: str = ""
    chosen: bool = False


def pareto(
    points: Sequence[Point],
    *,
    title: str = "Cost and loss of every setting tried",
    x_label: str = "model calls",
    y_label: str = "distance to the converged picture",
    y_scale: Scale = "log",
    delta: float | None = None,
) -> Figure:
    """Cost against loss: the front as a line with names, dominated settings faint, the chosen one framed."""
    if not points:
        raise ValueError("a picture of costs and losses needs at least one point")

    def paint(axes: Axes) -> None:
        axes.set(xscale="log", yscale=y_scale, xlabel=x_label, ylabel=y_label)
        faint = [point for point in points if point.dominated]
        front = sorted((point for point in points if not point.dominated), key=lambda point: point.cost)
        axes.scatter([p.cost for p in faint], [p.loss for p in faint], s=16, color=LIGHT["muted"], alpha=0.4, linewidth=0)
        axes.step([p.cost for p in front], [p.loss for p in front], where="post", color=LIGHT["series-1"], linewidth=1.2)
        axes.scatter([p.cost for p in front], [p.loss for p in front], s=26, color=LIGHT["series-1"], linewidth=0, zorder=3)
        for point in points:
            _interval(axes, point)
        if delta is not None:
            axes.axhline(delta, color=LIGHT["ink"], linewidth=0.9)
            place = {"xy": (1.0, delta), "xycoords": ("axes fraction", "data"), "xytext": (0, 3)}
            axes.annotate(f"good enough: {plain(delta)}", textcoords="offset points", ha="right", fontsize=8, **place)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(plain)
            axis.set_minor_formatter(lambda *_: "")
        axes.margins(x=0.12, y=0.12)
        _ticks(axes, sorted({p.cost for p in points}))
        _labels(
            axes,
            sorted((p for p in points if p.chosen or not p.dominated), key=lambda p: not p.chosen),
            [] if delta is None else [delta],
        )

    return draw(title, paint, height_inches=4.2)


def costs(bars: Sequence[Bar], *, title: str = "What each setting costs", unit: str = "model calls") -> Figure:
    """Horizontal bars in the order given, each with its number; the chosen one in colour."""
    if not bars:
        raise ValueError("a picture of costs needs at least one bar")

    def paint(axes: Axes) -> None:
        heights = list(range(len(bars)))[::-1]
        colours = [LIGHT["accent"] if bar.chosen else LIGHT["line"] for bar in bars]
        axes.barh(heights, [bar.cost for bar in bars], height=0.62, color=colours)
        for height, bar in zip(heights, bars, strict=True):
            words = named(f"{plain(bar.cost)} {unit}" + (f"  ·  {bar.note}" if bar.note else ""))
            place = {"xy": (bar.cost, height), "xytext": (5, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(
                words, color=LIGHT["ink"], fontweight="bold" if bar.chosen else "normal", annotation_clip=False, **place
            )
        axes.set_yticks(heights, [named(bar.name) for bar in bars], color=LIGHT["ink"])
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_xticks([])
        axes.set_xlim(left=0)

    return draw(title, paint, height_inches=0.3 + 0.3 * max(2, len(bars)))


def _interval(axes: Axes, point: Point) -> None:
    colour = LIGHT["accent"] if point.chosen else LIGHT["muted"] if point.dominated else LIGHT["series-1"]
    if point.low is not None and point.high is not None:
        axes.plot([point.cost] * 2, [point.low, point.high], color=colour, linewidth=1, alpha=0.3 if point.dominated else 0.8)
    if point.chosen:
        axes.plot([point.cost], [point.loss], marker="o", markersize=8, color=colour, zorder=4)
        axes.plot(
            [point.cost], [point.loss], marker="o", markersize=14, markerfacecolor="none", markeredgecolor=colour, zorder=4
        )


def _ticks(axes: Axes, values: Sequence[float]) -> None:
    kept: list[float] = []
    for value in values:
        if not kept or value >= 1.28 * kept[-1]:
            kept.append(value)
    axes.set_xticks(kept, [plain(value) for value in kept])
    axes.set_xticks([], minor=True)


def _labels(axes: Axes, points: Sequence[Point], rules: Sequence[float]) -> None:
    """Names beside their points, each at the first of eight places where it covers no other name, point or rule."""
    axes.figure.draw_without_rendering()
    renderer = axes.figure._get_renderer()
    dots = [axes.transData.transform((p.cost, p.loss)) for p in points]
    frame = axes.get_window_extent()
    taken = [(frame.x0, y - 1, frame.x1, y + 1) for y in (axes.transData.transform((1, rule))[1] for rule in rules)]
    for point in points:
        for dx, dy, ha, va in _PLACES:
            style = {"color": LIGHT["accent"] if point.chosen else LIGHT["ink"], "fontsize": 9 if point.chosen else 8}
            place = {"xy": (point.cost, point.loss), "xytext": (dx, dy), "textcoords": "offset points", "ha": ha, "va": va}
            text = axes.annotate(named(point.name), fontweight="bold" if point.chosen else "normal", **style, **place)
            box = text.get_window_extent(renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            free = all(box.x1 < a or c < box.x0 or box.y1 < b or d < box.y0 for a, b, c, d in taken)
            if inside and free and not any(box.contains(*dot) for dot in dots):
                taken.append((box.x0, box.y0, box.x1, box.y1))
                break
            text.remove()


# Below and left of a point of the front there is nothing: whatever lay there would dominate it.
_PLACES = (
    (-9, -5, "right", "top"),
    (9, -5, "left", "top"),
    (9, 4, "left", "bottom"),
    (-9, -18, "right", "top"),
    (9, -18, "left", "top"),
    (0, -12, "center", "top"),
    (9, 18, "left", "bottom"),
    (-9, 4, "right", "bottom"),
)
