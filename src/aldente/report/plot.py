"""The house style of figures: drawn with matplotlib, given out as small SVG with text as text, and as PNG."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any

from aldente.report.palette import LIGHT
from aldente.report.typeface import drawable

Axes = Any
"""A matplotlib Axes; matplotlib is imported only when something is drawn."""

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": LIGHT["ink"],
    "text.parse_math": False,
    "text.usetex": False,
    "axes.unicode_minus": True,
    "axes.edgecolor": LIGHT["line"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelpad": 6.0,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.1,
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.5,
    "xtick.color": LIGHT["line"],
    "ytick.color": LIGHT["line"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "lines.solid_capstyle": "round",
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "path.simplify": True,
    "savefig.dpi": 160,
}

# matplotlib's settings are one for the whole process: two figures at once would draw in each other's style.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure to be embedded or saved: ``svg`` (transparent ground, colours of the light palette) and ``png`` (on paper)."""

    title: str
    svg: str
    png: bytes


def draw(title: str, paint: Callable[[Axes], None], *, width_inches: float = 6.6, height_inches: float = 3.7) -> Figure:
    """The figure that ``paint`` draws on one pair of axes; equal input gives equal bytes."""
    import matplotlib as mpl  # noqa: PLC0415 - a second of import that only reports should pay
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    style: Any = {**mpl.rcParamsDefault, **_STYLE, "svg.hashsalt": f"aldente {title}"}
    with _ONE_AT_A_TIME, mpl.rc_context(style):
        canvas = Canvas(figsize=(width_inches, height_inches), layout="constrained")
        paint(canvas.add_subplot())
        vector, raster = BytesIO(), BytesIO()
        canvas.savefig(vector, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        canvas.savefig(raster, format="png", facecolor=LIGHT["paper"], metadata={"Software": None})
    return Figure(title=title, svg=_lean(vector.getvalue().decode(), title), png=raster.getvalue())


def _lean(svg: str, title: str) -> str:
    """The drawing alone: no prolog, no metadata, no names that would clash with those of a second figure on one page."""
    svg = svg[svg.index("<svg") :]
    for needless in (r"<metadata>.*?</metadata>", r"<!--.*?-->", r"<defs>\s*<style.*?</style>\s*</defs>"):
        svg = re.sub(rf"{needless}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", re.sub(r"\s+", " ", tag.group())), svg)
    svg = re.sub(r">\s+<", ">\n<", svg)
    opening, rest = svg.split(">", 1)
    return f'{opening} role="img" stroke-linejoin="round">\n<title>{escape(title)}</title>{rest}'


def named(words: str, most: int = 44) -> str:
    """The words as a figure shows them: what the font can draw, cut with an ellipsis where a drawing has no room for more."""
    shown = drawable(words)
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def plain(value: float, _position: int | None = None) -> str:
    """A tick as a reader would write it: 0.02, 12, 3,000."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The wanted heights moved apart to at least ``gap``, within [low, high] where that has room, order kept."""
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    placed: list[float] = []
    for i in order:
        placed.append(max(wanted[i], low, placed[-1] + gap if placed else low))
    ceiling = high
    for n in range(len(placed) - 1, -1, -1):
        placed[n] = min(placed[n], ceiling)
        ceiling = placed[n] - gap
    result = [0.0] * len(wanted)
    for i, height in zip(order, placed, strict=True):
        result[i] = height
    return result
