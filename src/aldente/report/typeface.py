"""Setting text on a picture: fonts that ship with a dependency, measuring, wrapping and shortening."""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import cache
from pathlib import Path

from PIL import ImageFont

_MISSING = "\U000fffff"
_SUBSTITUTE = "▯"
_BREAKS = " ,;/_|-"


@cache
def font(size_px: int, weight: str = "regular") -> ImageFont.FreeTypeFont:
    """DejaVu Sans (it comes with matplotlib) at a size; ``weight`` is ``regular`` or ``bold``."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:  # pragma: no cover - matplotlib is a dependency of the package
        raise ModuleNotFoundError("matplotlib, which holds the font of contact sheets, is not installed")
    name = {"regular": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}[weight]
    return ImageFont.truetype(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name, size_px)


@cache
def _drawn(character: str) -> bool:
    face = font(24)
    return bytes(face.getmask(character)) != bytes(face.getmask(_MISSING))


def drawable(text: str) -> str:
    """The text on one line, with a box in place of every character that the font cannot draw.

    A run of such characters is shown as at most three boxes: the page and the records keep the words themselves.
    """
    shown: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(character)
        if character.isspace():
            shown.append(" ")
        elif kind in {"Cc", "Cf", "Cs", "Mn", "Me"} and not (kind in {"Mn", "Me"} and _drawn(character)):
            continue
        elif _drawn(character):
            shown.append(character)
        elif shown[-3:] != [_SUBSTITUTE] * 3:
            shown.append(_SUBSTITUTE)
    return " ".join("".join(shown).split())


def width(text: str, face: ImageFont.FreeTypeFont) -> float:
    """How many pixels a line of text takes."""
    return float(face.getlength(text))


def line_height(face: ImageFont.FreeTypeFont) -> int:
    """The distance in pixels from one line to the next."""
    ascent, descent = face.getmetrics()
    return round((ascent + descent) * 1.12)


def wrap(text: str, face: ImageFont.FreeTypeFont, max_width: float) -> tuple[str, ...]:
    """The text in lines that each fit: broken at spaces and separators, inside a word only where it must be."""
    lines: list[str] = []
    rest = text.strip()
    while rest:
        if width(rest, face) <= max_width:
            return (*lines, rest)
        cut = max(_fitting(rest, face, max_width), 1)
        soft = max((i for i in range(1, cut + 1) if rest[i - 1] in _BREAKS or rest[i] == " "), default=cut)
        lines.append(rest[:soft].rstrip())
        rest = rest[soft:].lstrip()
    return tuple(lines)


def shorten(text: str, face: ImageFont.FreeTypeFont, max_width: float) -> str:
    """The text, cut with an ellipsis where it would be wider; empty when not even the ellipsis fits."""
    if width(text, face) <= max_width:
        return text
    room = max_width - width("…", face)
    return text[: _fitting(text, face, room)].rstrip() + "…" if room >= 0 else ""


def _fitting(text: str, face: ImageFont.FreeTypeFont, max_width: float) -> int:
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width(text[:middle], face) <= max_width else (low, middle - 1)
    return low
