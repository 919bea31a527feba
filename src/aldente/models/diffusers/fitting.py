"""The fastest plan whose memory is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from aldente.engine.errors import UserError
from aldente.models.diffusers.experience import Experience, free_memory
from aldente.models.diffusers.needs import Drawing, needs
from aldente.models.diffusers.plan import Plan

KEPT_FREE = 0.08
"""The share of free memory that is left to others."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A plan, the most bytes that it takes on the device, and what was given up for memory, in words."""

    plan: Plan
    peak: int
    given_up: tuple[str, ...]


def fit(folder: Path, usual: Plan, drawing: Drawing, *, free: int | None = None, experience: Experience | None = None) -> Fit:
    """The first of the ways to run the checkpoint in ``folder``, fastest first, that the free memory allows.

    ``free`` are the bytes that may be used (None: what the device says, all if it says nothing). Raises UserError with the
    least that would do where nothing fits.
    """
    learned, room = experience or Experience(), free_memory(usual.device) if free is None else free
    least = None
    for plan, given_up in ways(usual, drawing.rows):
        peak = predicted(folder, plan, drawing, learned)
        if room is None or peak <= room * (1 - KEPT_FREE):
            return Fit(plan=plan, peak=peak, given_up=given_up)
        least = peak if least is None else min(peak, least)
    assert least is not None
    assert room is not None
    size = f"{drawing.width} x {drawing.height}"
    raise UserError(
        f"'{folder.name}' needs {_gigabytes(least)} of memory for {size} pixels even with everything given up for it, and"
        f" {usual.device} has {_gigabytes(room)} free: draw smaller pictures, or close what else runs there."
    )


def ways(usual: Plan, rows: int) -> Iterator[tuple[Plan, tuple[str, ...]]]:
    """Plans from the fastest to the one that takes least, each with what it gives up."""
    count = min(rows, usual.rows or rows)
    tiled = replace(usual, vae_tiling=True)
    yield replace(usual, rows=count), ()
    yield replace(tiled, rows=count), ("pictures are decoded in tiles",)
    halved = count
    while halved > 1:
        halved //= 2
        yield replace(tiled, rows=halved), ("pictures are decoded in tiles", f"{halved} rows at a time")
    if usual.device == "cpu":
        if usual.dtype == "float32":
            yield replace(tiled, rows=1, dtype="bfloat16"), ("pictures are decoded in tiles", "one row at a time", "bfloat16")
        return
    parts = replace(tiled, offload="parts")
    yield replace(parts, rows=count), ("pictures are decoded in tiles", "networks wait in main memory")
    yield replace(parts, rows=1), ("pictures are decoded in tiles", "networks wait in main memory", "one row at a time")
    layers = replace(tiled, offload="layers", rows=1)
    yield layers, ("pictures are decoded in tiles", "layers wait in main memory", "one row at a time")


def predicted(folder: Path, plan: Plan, drawing: Drawing, experience: Experience) -> int:
    """The most bytes on the device under ``plan``, as traced and as runs of this kind have taught."""
    rows = min(drawing.rows, plan.rows or drawing.rows)
    found = needs(folder, plan, replace(drawing, rows=rows))
    return round(found.peak(plan) * experience.ratio(plan, found.denoiser))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
