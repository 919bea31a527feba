"""The library of measured presets: what was found out with each, and what has changed since it was measured."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import aldente
from aldente.engine.denoise import Condition, Latent
from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.models.port import Model
from aldente.recipe.presets import Preset
from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.recipe.settings import set_parameters
from aldente.render.batching import Drive, Job
from aldente.render.render import latent_of
from aldente.store.entries import StudyRow
from aldente.store.port import Store
from aldente.studio.bundled import study_result
from aldente.studio.presets import known_presets, with_schedule
from aldente.tuning.result import TuningResult

PROBE_STEPS = 8

PROBE_TOLERANCE = 1e-3
"""How far a sampler's answers may move, relatively, before it counts as another: machines differ by about 1e-6."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measured preset with all that its study found, if the store has it, and why it may be out of date."""

    preset: Preset
    result: TuningResult | None
    stale: tuple[str, ...]


def keep_result(store: Store, study_id: str, result: TuningResult, fingerprint: str) -> None:
    """Keep what a study found out about these weights; found again unchanged, it is kept once."""
    body = {"model": fingerprint, "result": result.model_dump(mode="json")}
    key = hashlib.sha256(f"{fingerprint}/{result.digest()}".encode()).hexdigest()
    store.append_rows(study_id, [StudyRow(key=key, body=body)])


def result_of(store: Store, preset: Preset) -> TuningResult | None:
    """What the study of a preset found out about the weights that it was measured on; None where nobody kept it."""
    if preset.study is None:
        return None
    try:
        rows = store.study_rows(preset.study)
    except UserError:
        rows = []
    bodies = [row.body for row in rows if row.body.get("model") == preset.model and "result" in row.body]
    if not bodies:
        return study_result(preset.study, preset.model or "")
    return TuningResult.model_validate(bodies[-1]["result"])


def measured_for(store: Store, model: Model) -> list[Measured]:
    """The presets that were measured on these very weights, those that may be out of date last."""
    presets = [preset for preset in known_presets(store).values() if preset.basis == "measured"]
    mine = [preset for preset in presets if preset.model == model.info.fingerprint]
    found = [Measured(preset=preset, result=result_of(store, preset), stale=staleness(preset, model)) for preset in mine]
    return sorted(found, key=lambda one: (bool(one.stale), one.preset.name))


def versions_of(model: Model, sampling: Sampling) -> dict[str, str]:
    """What a picture's bits depend on besides weights and recipe: aldente, the runtime, and the sampler's own numbers."""
    runtime = model.runtime
    return {
        "aldente": aldente.__version__,
        "runtime": f"{runtime.name} {runtime.version}, {runtime.device}, {runtime.dtype}",
        "sampler": probe(model, sampling),
    }


def staleness(preset: Preset, model: Model) -> tuple[str, ...]:
    """Why a measured preset may be out of date here, one reason for each thing that has changed; none for folklore."""
    if preset.basis != "measured":
        return ()
    reasons = []
    if preset.model != model.info.fingerprint:
        was = (preset.model or "unknown")[:16]
        reasons.append(f"the model's weights were {was} and are {model.info.fingerprint[:16]}")
    if not preset.versions:
        return (*reasons, "it does not say what it was measured with")
    now = versions_of(model, sampling_of(preset))
    for name in ("aldente", "runtime"):
        if (was := preset.versions.get(name, "unknown")) != now[name]:
            reasons.append(f"{name} was {was} and is {now[name]}")
    if not _agree(preset.versions.get("sampler", ""), now["sampler"]):
        reasons.append("its sampler or schedule answers a fixed question otherwise than it did")
    return tuple(reasons)


def sampling_of(preset: Preset) -> Sampling:
    """How a preset samples, with what it leaves open at our defaults."""
    return set_parameters(Recipe(), with_schedule(preset.settings)).sampling


def probe(model: Model, sampling: Sampling) -> str:
    """What the sampler and schedule make of a fixed question: four numbers, on one pixel, with a denoiser we know.

    The denoiser is that of normal data of deviation 1/2: its path is curved, so samplers of every order answer differently.
    """
    side = model.info.latent_scale
    # Levels that are written out have a number of steps of their own.
    steps = PROBE_STEPS if sampling.sigmas is None else sampling.steps
    plain = sampling.model_copy(update={"steps": steps, "guidance": Guidance(scale=1.0), "rng": "aldente"})
    # One pixel of latent is less than any recipe may ask for, so the sides are set past the check.
    recipe = Recipe(sampling=plain).model_copy(update={"width": side, "height": side})
    job = Job(key=0, start=lambda: latent_of(recipe, model))
    (outcome,) = Drive([job], _normal_data, clock=lambda: 0.0)
    if outcome.error is not None:
        return f"none: {outcome.error}"
    return " ".join(f"{value:.6g}" for value in np.asarray(outcome.result).ravel()[:4])


def _normal_data(x: Latent, levels: Sequence[Level], conditions: Sequence[Condition]) -> Latent:
    del conditions
    shrink = [0.25 * level.alpha / (0.25 * level.alpha**2 + level.sigma**2) for level in levels]
    return np.asarray(x) * np.asarray(shrink, dtype=np.float32)[:, None, None, None]


def _agree(was: str, now: str) -> bool:
    """Whether two answers of the probe are the same sampler's."""
    try:
        pairs = [(float(a), float(b)) for a, b in zip(was.split(), now.split(), strict=True)]
    except ValueError:
        return was == now
    return bool(pairs) and all(math.isclose(a, b, rel_tol=PROBE_TOLERANCE, abs_tol=PROBE_TOLERANCE) for a, b in pairs)
