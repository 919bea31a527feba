"""The fastest plan whose memory is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.experience import Experience, free_memory
from aldente.models.diffusers.facts import native_sizes
from aldente.models.diffusers.needs import Drawing, needs
from aldente.models.diffusers.networks import denoiser_of
from aldente.models.diffusers.plan import Plan

ROWS = {"cpu": 4, "mps": 4, "cuda": 16}
"""Rows of one call where the plan does not say."""

KEPT_FREE = 0.08
"""The share of free memory that is left to others."""


def usual_drawing(pipeline: Any, facts: CheckpointFacts, plan: Plan) -> Drawing:
    """As many rows of a model's native size as one call is given on the plan's device."""
    scale = 2 ** (len(pipeline.vae.config.block_out_channels) - 1)
    height, width = native_sizes(denoiser_of(pipeline), pipeline.vae, facts, scale)[0]
    return Drawing(rows=plan.rows or ROWS.get(plan.device.split(":", maxsplit=1)[0], ROWS["cpu"]), height=height, width=width)


def fit(pipeline: Any, usual: Plan, drawing: Drawing, *, free: int | None = None, experience: Experience | None = None) -> Plan:
    """The first of the ways to run a pipeline, fastest first, that the free memory allows.

    ``free`` are the bytes that may be used beside what is loaded (None: what the device says, all if it says nothing). Raises
    UserError with the least that would do where nothing fits.
    """
    learned, room = experience or Experience(), free_memory(usual.device) if free is None else free
    if free is None and room is not None and usual.device == "cpu":
        room += sum(weights.nbytes for part in pipeline.components.values() for weights in _weights(part))
    least = None
    for plan in ways(usual, drawing.rows):
        peak = predicted(pipeline, plan, drawing, learned)
        if room is None or peak <= room * (1 - KEPT_FREE):
            return plan
        least = peak if least is None else min(peak, least)
    assert least is not None
    assert room is not None
    size = f"{drawing.width} x {drawing.height}"
    raise UserError(
        f"this checkpoint needs {_gigabytes(least)} of memory for {size} pixels even with everything given up for it, and"
        f" {usual.device} has {_gigabytes(room)} free: draw smaller pictures, or close what else runs there."
    )


def ways(usual: Plan, rows: int) -> Iterator[Plan]:
    """Plans from the fastest to the one that takes least memory."""
    count = min(rows, usual.rows or rows)
    tiled = replace(usual, vae_tiling=True)
    yield replace(usual, rows=count)
    yield replace(tiled, rows=count)
    halved = count
    while halved > 1:
        halved //= 2
        yield replace(tiled, rows=halved)
    if usual.device == "cpu":
        return
    yield replace(tiled, rows=count, offload="parts")
    yield replace(tiled, rows=1, offload="parts")
    if usual.quantize is None:
        yield replace(tiled, rows=1, offload="layers")


def predicted(pipeline: Any, plan: Plan, drawing: Drawing, experience: Experience) -> int:
    """The most bytes on the device under ``plan``, as traced and as runs of this kind have taught."""
    rows = min(drawing.rows, plan.rows or drawing.rows)
    found = needs(pipeline, plan, replace(drawing, rows=rows))
    held = 0 if plan.offload != "none" else sum(part.weights for part in found.parts.values())
    return held + round((found.peak(plan) - held) * experience.ratio(plan, found.denoiser))


def _weights(part: Any) -> Iterator[Any]:
    if hasattr(part, "parameters"):
        yield from part.parameters()


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
