"""The measured presets that come with aldente, for the embedded model, and what their studies found out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from aldente.recipe.presets import Preset, read_presets
from aldente.tuning.result import TuningResult

PRESETS, STUDIES = "presets.toml", "studies.json"
"""The presets, and by the id of each study its weights and what it found; ``python -m benchmarks presets`` writes both."""


def folder() -> Traversable:
    """Where both files lie."""
    return files("aldente.studio").joinpath("measured")


@cache
def measured() -> Mapping[str, Preset]:
    """The bundled presets that were measured, by name."""
    return {preset.name: preset for preset in read_presets(folder().joinpath(PRESETS).read_text(encoding="utf-8"))}


@cache
def study_result(study: str, fingerprint: str) -> TuningResult | None:
    """What a bundled study found out about the weights of this fingerprint; None where it is not one of them."""
    found = _studies().get(study)
    return None if found is None or found["model"] != fingerprint else TuningResult.model_validate(found["result"])


@cache
def _studies() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(folder().joinpath(STUDIES).read_text(encoding="utf-8"))
    return found
