"""What report pages are made of, and how they become one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image as Pictures

from aldente.models.port import Image
from aldente.report.palette import DARK, LIGHT
from aldente.report.plot import Figure

Facts = Sequence[tuple[str, str]]
"""Pairs of a name and its value, in the order they are shown."""

_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8", "jpeg"), (b"RIFF", "webp"))


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture to be embedded: the bytes of its PNG, JPEG or WebP file, words for those who cannot see it, a caption."""

    file: bytes
    alt: str
    caption: str = ""

    @property
    def uri(self) -> str:
        """The picture as a data URI; raise ValueError for bytes that are no picture a browser shows."""
        kind = next((kind for head, kind in _KINDS if self.file.startswith(head)), None)
        if kind is None:
            raise ValueError(f"the picture '{self.alt}' is neither PNG, JPEG nor WebP")
        return f"data:image/{kind};base64,{base64.b64encode(self.file).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        with Pictures.open(BytesIO(self.file)) as picture:
            return picture.size


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure with its heading and the sentence that says what it shows."""

    heading: str
    reading: str
    figure: Figure

    @property
    def inline(self) -> Markup:
        """The drawing for the page: its colours are those of the page, by day and by night."""
        return Markup(re.sub("|".join(LIGHT.values()), lambda found: f"var(--{_ROLES[found.group()]})", self.figure.svg))


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of words, then numbers: ``words`` columns hold words, row ``chosen`` is marked, the ``faint`` ones recede."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    chosen: int | None = None
    faint: frozenset[int] = frozenset()


def picture(image: Image, *, alt: str, caption: str = "", side_px: int | None = None) -> Picture:
    """An image (uint8, h w 3) as an embedded PNG, made smaller where it is longer than ``side_px``."""
    shown = Pictures.fromarray(np.ascontiguousarray(image, dtype=np.uint8))
    if side_px is not None and max(shown.size) > side_px:
        shown.thumbnail((side_px, side_px), Pictures.Resampling.LANCZOS)
    stream = BytesIO()
    shown.save(stream, "PNG")
    return Picture(file=stream.getvalue(), alt=alt, caption=caption)


def html(template: str, page: object) -> str:
    """The page as HTML, every word of it escaped, styles, scripts and pictures inside."""
    rooms = Environment(
        loader=PackageLoader("aldente", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return rooms.get_template(template).render(page=page, light=LIGHT, dark=DARK)


_ROLES = {colour: role for role, colour in LIGHT.items()}
