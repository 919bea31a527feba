"""Running a tuning study: the protocol asks for pictures, the driver makes them, the store keeps every one for resuming."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import aldente
from aldente.engine.errors import UserError
from aldente.models.port import Model
from aldente.recipe.presets import Plain, Preset
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Tick
from aldente.store.entries import StudyEntry
from aldente.studio.drawing import Drawn, Order, draw
from aldente.studio.library import keep_result, versions_of
from aldente.studio.presets import keep_preset
from aldente.studio.workbench import Workbench
from aldente.tuning.budget import fitted
from aldente.tuning.protocol import tune
from aldente.tuning.result import TuningResult
from aldente.tuning.study import Need, Outcome, Study, judged

ID_DIGITS = 32

PROMPTS_KEPT = 8
"""Prompts that a preset carries along, enough to measure it again where its study is not at hand."""


@dataclass(frozen=True, kw_only=True)
class TuningRun:
    """A finished study: what was carried out, what was found, every picture by recipe digest, and the preset that was kept."""

    id: str
    study: Study
    result: TuningResult
    drawn: Mapping[str, Drawn]
    preset: Preset
    seconds: float
    seconds_per_call: float


Listener = Callable[[Need], Callable[[Tick], None] | None]
"""Told of each thing a study asks for; what it returns watches the drawing."""


def run_study(
    bench: Workbench, study: Study, *, seconds_per_call: float, preset_name: str, listen: Listener, category: str = ""
) -> TuningRun:
    """Carry out a study, keep what it found and its preset; interrupted, it goes on from the pictures in the store.

    ``seconds_per_call`` is what a model evaluation takes on this machine, ``category`` what the prompts are pictures of.
    Raises UserError when the study cannot be carried out.
    """
    model = bench.model(study.base.model)
    entry = StudyEntry(
        id=study.digest()[:ID_DIGITS], kind="tune", spec=study.model_dump(mode="json", exclude_none=True), created=bench.now()
    )
    bench.store.save_study(entry)
    drawn: dict[str, Drawn] = {}
    started = bench.clock()
    protocol = tune(study, seconds_per_call=seconds_per_call)
    try:
        need = next(protocol)
        while True:
            fresh = [recipe for recipe in need.recipes if recipe.digest() not in drawn]
            for picture in draw(bench, fresh, Order(study=entry.id), watch=listen(need)):
                drawn[picture.recipe.digest()] = picture
            need = protocol.send(_outcomes(need.recipes, drawn))
    except StopIteration as stop:
        result: TuningResult = stop.value
    except KeyboardInterrupt:
        bench.store.save_study(entry.model_copy(update={"state": "cancelled"}))
        raise
    bench.store.save_study(entry.model_copy(update={"state": "finished", "finished": bench.now()}))
    # What was carried out may be less than what was asked: a budget cuts, and some samplers cannot be judged.
    carried_out, _ = fitted(judged(study)[0])
    keep_result(bench.store, entry.id, result, model.info.fingerprint)
    preset = preset_of(bench, entry.id, carried_out, result, preset_name, model, category=category)
    keep_preset(bench.store, preset)
    return TuningRun(
        id=entry.id,
        study=carried_out,
        result=result,
        drawn=drawn,
        preset=preset,
        seconds=bench.clock() - started,
        seconds_per_call=seconds_per_call,
    )


def _outcomes(recipes: Sequence[Recipe], drawn: Mapping[str, Drawn]) -> dict[str, Outcome]:
    found = {recipe.digest(): drawn.get(recipe.digest()) for recipe in recipes}
    return {
        digest: Outcome(image=picture.image, calls=picture.record.cost.model_calls)
        for digest, picture in found.items()
        if picture is not None and not picture.record.failed
    }


def preset_of(
    bench: Workbench, study_id: str, study: Study, result: TuningResult, name: str, model: Model, *, category: str = ""
) -> Preset:
    """The chosen setting as a preset that names its proof and says when it is out of date."""
    choice = result.choice
    cost = {"calls": choice.calls} | ({} if choice.seconds is None else {"seconds": choice.seconds})
    bands: dict[str, tuple[float, float]] = {}
    if result.guidance is not None:
        bands["cfg"] = (result.guidance.low, result.guidance.high)
    settings: dict[str, Plain] = {
        "sampler": choice.sampler,
        "schedule": choice.schedule,
        "steps": choice.steps,
        "cfg": choice.cfg,
    }
    again = next((check.loss.mean for check in result.confirmation if check.steps == choice.steps), None)
    proof = {"loss": choice.loss.mean, "at_most": choice.loss.high, "tolerance": result.tolerance.delta, "held_out": again}
    return Preset(
        name=name,
        summary=result.sentences[0] if result.sentences else "",
        goal=study.goal,
        category=category,
        basis="measured",
        source=f"study {study_id} on {measured_on(study, result)}",
        settings=settings,
        bands=bands,
        study=study_id,
        model=model.info.fingerprint,
        confidence=1.0 - study.alpha if choice.within_tolerance else None,
        cost=cost,
        prompts=study.prompts[:PROMPTS_KEPT],
        proof={name: value for name, value in proof.items() if value is not None},
        versions=versions_of(model, set_parameters(study.base, settings).sampling),
        created=bench.now(),
        stale_when=("the model's weights change", f"aldente's samplers change (made by {aldente.__version__})"),
    )


def measured_on(study: Study, result: TuningResult) -> str:
    """How many prompts and seeds a study looked at: of a guaranteed one those that were drawn."""
    prompts, seeds, proof = len(study.prompts), len(study.seeds), result.proof
    if proof is None:
        return f"{prompts} prompts x {seeds} seeds"
    drawn = proof.pilot + proof.drawn
    return (
        f"{drawn} prompts x {seeds} seeds, guaranteed" if proof.unit == "prompts" else f"1 prompt x {drawn} seeds, guaranteed"
    )


PROMPT_FILE = "a file with a prompt on each line"
"""What a file of prompts must be, for whoever cannot read it."""


def read_prompts(text: str, where: str) -> tuple[str, ...]:
    """The prompts of a file: one a line; empty lines and lines that begin with # are left out, a prompt counts once.

    Raises UserError when there is none.
    """
    lines = (line.strip() for line in text.splitlines())
    prompts = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not prompts:
        raise UserError(f"{where} has no prompts; write one a line.")
    return prompts


def category_prompts(category: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The bundled prompts of a content category, to measure on and to confirm with: what the embedded model can draw of it.

    Raises UserError for a category that it draws nothing of.
    """
    bundled = tomllib.loads(files("aldente.studio").joinpath("prompts/categories.toml").read_text(encoding="utf-8"))
    if category not in bundled:
        raise UserError(
            f"no prompts are bundled for category '{category}'; give --prompts FILE as well. Bundled: {', '.join(bundled)}."
        )
    return tuple(bundled[category]["measure"]), tuple(bundled[category]["confirm"])
