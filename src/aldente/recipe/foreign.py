"""What pictures of other programs say about themselves, as recipes: A1111 and its kin, ComfyUI, InvokeAI, SwarmUI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from aldente.engine.errors import UserError
from aldente.recipe.comfyui import recipe_from_graph
from aldente.recipe.infotext import parse_infotext, recipe_from_infotext
from aldente.recipe.parameters import find_parameter, parameters, spelling_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameter
from aldente.recipe.value import Value

LONGEST = 16 * 2**20


class Foreign(Value):
    """A recipe read from another ``program``'s picture, what could not be mapped, and the hash of the model's weights."""

    program: str
    recipe: Recipe
    unmapped: dict[str, str] = Field(default_factory=dict)
    model_hash: str | None = None


def read_foreign(texts: Mapping[str, str]) -> Foreign | None:
    """The recipe in the texts of a picture by keyword (``parameters``, ``prompt``, ``workflow``, ``invokeai_metadata``...).

    None where no known program wrote any of them. Raises UserError where one did and what it wrote cannot be read.
    """
    parameters_text = texts.get("parameters", "")
    swarm = "sui_image_params" in parameters_text
    if "invokeai_metadata" in texts:
        return _invoke(_json(texts["invokeai_metadata"], "invokeai_metadata"))
    if swarm:
        return _swarm(_json(parameters_text, "parameters"))
    if len(parse_infotext(parameters_text).fields) > 0:
        return _infotext(parameters_text)
    for keyword in ("prompt", "workflow"):
        if texts.get(keyword, "").lstrip().startswith("{"):
            recipe, unmapped = recipe_from_graph(_json(texts[keyword], keyword))
            return Foreign(program="ComfyUI", recipe=recipe, unmapped=unmapped)
    return None


def _json(text: str, keyword: str) -> Any:
    if len(text) > LONGEST:
        raise UserError(f"text '{keyword}' is longer than {LONGEST} signs.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"text '{keyword}' is not JSON that can be read ({type(error).__name__}).") from error


def _infotext(text: str) -> Foreign:
    recipe, unmapped = recipe_from_infotext(text)
    fields = {spelling_of(key): value for key, value in parse_infotext(text).fields.items()}
    version = fields.get("version", "")
    program = "Forge" if version.lower().startswith(("f", "forge", "neo")) else "A1111"
    return Foreign(program=program, recipe=recipe, unmapped=unmapped, model_hash=fields.get("modelhash"))


_INVOKE = {
    "positive_prompt": "prompt",
    "negative_prompt": "negative",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "cfg_scale": "cfg",
    "cfg_rescale_multiplier": "cfg_rescale",
    "steps": "steps",
    "clip_skip": "clip_skip",
}
_INVOKE_SAMPLERS = {"euler": "Euler", "euler_a": "Euler a", "dpmpp_2m": "DPM++ 2M", "dpmpp_2s": "DPM++ 2S a", "ddpm": "DDPM"}
_INVOKE_SILENT = frozenset({"app_version", "generation_mode", "rand_device", "scheduler", "model"})


def _invoke(facts: Any) -> Foreign:
    """InvokeAI: flat facts; a scheduler's name says sampler and schedule, '_k' for Karras."""
    told = _object(facts, "invokeai_metadata")
    model = told.get("model")
    name = model.get("name") or model.get("model_name") if isinstance(model, Mapping) else model
    scheduler = str(told.get("scheduler", ""))
    base = scheduler.removesuffix("_k")
    settings: dict[str, Any] = {ours: told.get(theirs) for theirs, ours in _INVOKE.items()}
    settings |= {"model": name, "rng": "cpu", "sampler": _INVOKE_SAMPLERS.get(base, base) or None}
    if scheduler:
        settings["schedule"] = "karras" if scheduler.endswith("_k") else "uniform"
    if settings["clip_skip"] in (0, None):
        settings["clip_skip"] = None
    recipe, unmapped = _set(settings)
    unmapped |= {
        key: _shown(value) for key, value in told.items()
        if key not in _INVOKE and key not in _INVOKE_SILENT and value not in (None, [], "", {})
    }  # fmt: skip
    found = model.get("hash") if isinstance(model, Mapping) else None
    return Foreign(program="InvokeAI", recipe=recipe, unmapped=unmapped, model_hash=str(found) if found else None)


_SWARM = {
    "prompt": "prompt",
    "negativeprompt": "negative",
    "model": "model",
    "seed": "seed",
    "steps": "steps",
    "cfgscale": "cfg",
    "width": "width",
    "height": "height",
    "sampler": "sampler",
    "scheduler": "schedule",
    "variationseed": "variation_seed",
    "variationseedstrength": "variation_strength",
    "sigmashift": "shift",
    "sigmamin": "sigma_min",
    "sigmamax": "sigma_max",
    "rho": "rho",
    "refinersteps": "hires_steps",
    "refinercfgscale": "hires_cfg",
    "refinercontrolpercentage": "hires_denoise",
    "refinercontrol": "hires_denoise",
    "refinerupscale": "upscale_by",
}
_SWARM_SILENT = frozenset({"swarmversion", "date", "generationtime", "images", "aspectratio", "automaticvae"})


def _swarm(facts: Any) -> Foreign:
    """SwarmUI: facts under ``sui_image_params``; ComfyUI draws for it, on the CPU's noise."""
    told = _object(_object(facts, "parameters").get("sui_image_params"), "sui_image_params")
    settings: dict[str, Any] = {"rng": "cpu"}
    unmapped: dict[str, str] = {}
    for key, value in told.items():
        plain = spelling_of(str(key))
        if plain in _SWARM:
            settings[_SWARM[plain]] = value
        elif plain not in _SWARM_SILENT:
            unmapped[str(key)] = _shown(value)
    recipe, faults = _set(settings)
    return Foreign(program="SwarmUI", recipe=recipe, unmapped=unmapped | faults)


def _object(facts: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(facts, Mapping):
        raise UserError(f"'{what}' is not an object of facts.")
    return facts


def _set(settings: Mapping[str, Any]) -> tuple[Recipe, dict[str, str]]:
    """The recipe with these settings, in the order of the parameters; what could not be set."""
    recipe, unmapped = Recipe(), {}
    order = {parameter.name: place for place, parameter in enumerate(parameters())}
    for name, value in sorted(settings.items(), key=lambda item: order.get(item[0], 0)):
        if value is None:
            continue
        try:
            recipe = set_parameter(recipe, name, value if isinstance(value, bool | int | float | str) else _shown(value))
        except UserError:
            unmapped[find_parameter(name).label] = _shown(value)
    return recipe, unmapped


def _shown(value: object) -> str:
    return value[:200] if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)[:200]
