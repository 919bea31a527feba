"""What steers pastina beside the prompt: control pictures, and pictures with a hole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aldente.engine.errors import UserError
from aldente.models.pastina.facts import CONTROLS, HOLE_GREY
from aldente.models.pastina.text import Prompt
from aldente.models.port import Image

INPAINTING = "inpainting"

LINES = ("canny", "scribble")
"""The kinds of control picture that are lines: made smaller, they must not fade."""

Plane = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Hint:
    """The handle of a picture that steers; equal ones, told by ``digest``, have equal ``pixels``.

    ``pixels`` are h w for a control picture, and h w 4 for one with a hole: grey in the hole, which the last plane shows.
    """

    kind: str
    digest: str
    pixels: Plane = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Hinted:
    """The handle of a prompt with hints and their weights, in an order that does not depend on how they were given."""

    prompt: Prompt
    hints: tuple[tuple[Hint, float], ...]


def control_hint(kind: str, image: Image) -> Hint:
    """The hint of a control picture (uint8, h w 3): white lines, or a white shape, on black."""
    return _told(kind, np.asarray(image).max(axis=2))


def inpainting_hint(image: Image, mask: Image) -> Hint:
    """The hint of a picture (uint8, h w 3) to be filled where ``mask`` (uint8, h w) is over 127."""
    pixels, hole = np.asarray(image), np.asarray(mask) > 127
    if hole.shape != pixels.shape[:2]:
        sizes = [f"{shape[1]} x {shape[0]}" for shape in (hole.shape, pixels.shape)]
        raise UserError(f"the mask is {sizes[0]} pixels and the picture {sizes[1]}: give a mask of the picture's size.")
    seen = np.where(hole[..., None], np.uint8(HOLE_GREY), pixels)
    return _told(INPAINTING, np.concatenate([seen, np.uint8(255) * hole[..., None]], axis=2, dtype=np.uint8))


def hinted(prompt: Prompt | Hinted, hints: Sequence[tuple[Hint, float]]) -> Prompt | Hinted:
    """The prompt with hints beside those that it has; those of weight 0 are left out."""
    own, plain = (prompt.hints, prompt.prompt) if isinstance(prompt, Hinted) else ((), prompt)
    added = tuple((hint, float(weight)) for hint, weight in hints if weight != 0.0)
    every = sorted((*own, *added), key=lambda pair: (pair[0].kind, pair[0].digest, pair[1]))
    return Hinted(prompt=plain, hints=tuple(every)) if every else plain


def control_feed(hint: Hint, rows: int, columns: int) -> dict[str, NDArray[np.float32]]:
    """What the control encoder reads, for a picture of this many pixels."""
    fit = _brightest if hint.kind in LINES else _average
    picture = fit(hint.pixels[..., None], rows, columns)[None, None, :, :, 0]
    kind = np.asarray([[hint.kind == known for known in CONTROLS]], np.float32)
    return {"picture": picture.astype(np.float32) / np.float32(255), "kind": kind}


def with_hole(hint: Hint, rows: int, columns: int) -> tuple[Image, NDArray[np.float32]]:
    """The picture (uint8, h w 3) with its hole grey, and the hole, 1 1 h w, at this many pixels."""
    hole = _brightest(hint.pixels[..., 3:], rows, columns) > 127
    seen = np.rint(_average(hint.pixels[..., :3], rows, columns)).astype(np.uint8)
    return np.where(hole, np.uint8(HOLE_GREY), seen), hole[None, None, :, :, 0].astype(np.float32)


def _told(kind: str, pixels: Plane) -> Hint:
    kept = np.array(pixels, np.uint8, order="C")
    kept.flags.writeable = False
    digest = hashlib.sha256(f"{kind} {kept.shape}\0".encode() + kept.tobytes()).hexdigest()
    return Hint(kind=kind, digest=digest, pixels=kept)


def _brightest(pixels: Plane, rows: int, columns: int) -> Plane:
    """The picture at another size, each pixel as bright as the brightest of those it stands for."""
    down = np.maximum.reduceat(pixels, _starts(pixels.shape[0], rows), axis=0)
    bright: Plane = np.maximum.reduceat(down, _starts(pixels.shape[1], columns), axis=1)
    return bright


def _average(pixels: Plane, rows: int, columns: int) -> NDArray[np.float32]:
    """The picture at another size, each pixel the mean of what it covers."""
    down = np.tensordot(_shares(pixels.shape[0], rows), pixels.astype(np.float32), axes=(1, 0))
    means: NDArray[np.float32] = np.tensordot(down, _shares(pixels.shape[1], columns), axes=(1, 1)).transpose(0, 2, 1)
    return means


def _starts(length: int, target: int) -> NDArray[np.intp]:
    """Where each of ``target`` runs of a line of ``length`` begins; runs are repeated where the line must grow."""
    return np.arange(target) * length // target


def _shares(length: int, target: int) -> NDArray[np.float32]:
    """How much of each of ``length`` old pixels each of ``target`` new ones covers, its shares adding up to 1."""
    edges = np.arange(target + 1) * (length / target)
    cells = np.arange(length)
    covered = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    shares: NDArray[np.float32] = (np.clip(covered, 0, None) * (target / length)).astype(np.float32)
    return shares
