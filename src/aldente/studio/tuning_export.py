"""What a study leaves beside its page: every figure as SVG and PNG, and its numbers as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from aldente.report.page import Plot
from aldente.studio.files import write
from aldente.studio.tables import Cell, csv_of, parquet_of
from aldente.studio.tuning import TuningRun
from aldente.tuning.result import Interval

Row = dict[str, Cell]


def save_figures(plots: list[Plot], folder: Path) -> list[Path]:
    """Write each figure as SVG and PNG, named after its heading; their paths."""
    written = []
    for plot in plots:
        name = re.sub(r"[^a-z0-9]+", "-", plot.heading.lower()).strip("-")
        written.append(write(folder / f"{name}.svg", f'<?xml version="1.0" encoding="UTF-8"?>\n{plot.figure.svg}'))
        written.append(write(folder / f"{name}.png", plot.figure.png))
    return written


def save_tables(run: TuningRun, folder: Path, *, parquet: bool) -> list[Path]:
    """Write settings, guidance and pictures as CSV, and as Parquet where wanted; their paths."""
    written = []
    for name, rows in (("settings", settings_of(run)), ("guidance", guidance_of(run)), ("pictures", pictures_of(run))):
        if rows:
            written.append(write(folder / f"{name}.csv", csv_of(rows)))
            if parquet:
                written.append(write(folder / f"{name}.parquet", parquet_of(rows)))
    return written


def settings_of(run: TuningRun) -> list[Row]:
    """A row for each sampler, schedule and step count; losses and moves in JND."""
    return list(_settings(run))


def _settings(run: TuningRun) -> Iterator[Row]:
    result = run.result
    choice, proof = result.choice, result.proof
    front = {(point.sampler, point.schedule, point.steps) for point in result.front}
    verdicts = {(one.sampler, one.schedule, one.steps): one.verdict for one in (proof.settings if proof else ())}
    for curve in result.curves:
        for rung in curve.rungs:
            place = (curve.sampler, curve.schedule, rung.steps)
            yield {
                "sampler": curve.sampler,
                "schedule": curve.schedule,
                "steps": rung.steps,
                "cfg": run.study.base.sampling.guidance.scale,
                "calls": rung.calls,
                "seconds": rung.seconds,
                **_bounds("loss", rung.loss),
                "confidence": 1.0 - rung.loss.alpha,
                "method": rung.loss.method,
                "prompts": rung.loss.prompts,
                "pictures": rung.instances,
                "correction": rung.correction,
                **_bounds("moved", rung.moved),
                "psnr": rung.psnr,
                "ssim": rung.ssim,
                "measured_against": curve.reference,
                "exponent": None if curve.law is None else curve.law.exponent,
                "within_tolerance": curve.plateau is not None and rung.steps >= curve.plateau,
                "verdict": verdicts.get(place, ""),
                "on_front": place in front,
                "chosen": place == (choice.sampler, choice.schedule, choice.steps),
            }


def _bounds(name: str, found: Interval | None) -> Row:
    if found is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def guidance_of(run: TuningRun) -> list[Row]:
    """A row for each CFG scale and flaw sign: how much worse than at the baseline, in noticeable changes."""
    found = run.result.guidance
    if found is None:
        return []
    shares = {share.value: share.share.mean for share in found.shares}
    return [
        {
            "cfg": change.value,
            "baseline": found.baseline,
            "sign": change.sign,
            **_bounds("worsening", change.change),
            "flawed_share": shares.get(change.value),
            "accepted": found.low <= change.value <= found.high,
        }
        for change in found.changes
    ]


def pictures_of(run: TuningRun) -> list[Row]:
    """A row for each picture that was asked for, by the digest under which the store has it."""
    rows: list[Row] = []
    for digest, drawn in sorted(run.drawn.items()):
        sampling = drawn.recipe.sampling
        rows.append(
            {
                "digest": digest,
                "prompt": drawn.recipe.prompt,
                "seed": drawn.recipe.seed,
                "sampler": sampling.sampler,
                "schedule": sampling.schedule,
                "steps": sampling.steps,
                "cfg": sampling.guidance.scale,
                "model_calls": drawn.record.cost.model_calls,
                "failed": bool(drawn.record.failed),
            }
        )
    return rows
