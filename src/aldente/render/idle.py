"""What is set and would change nothing is refused: no picture may claim a setting that it does not show."""

from __future__ import annotations

from collections.abc import Iterable

from aldente.engine.errors import UserError
from aldente.engine.samplers import SamplerInfo
from aldente.models.port import ModelInfo
from aldente.recipe.parameters import parameters
from aldente.recipe.recipe import Recipe, Sampling
from aldente.recipe.settings import get_parameter
from aldente.recipe.stages import Base, Control, Source
from aldente.recipe.value import Value
from aldente.render.idle_stages import draws, idle_in


def refuse_idle(recipe: Recipe, info: ModelInfo) -> None:
    """Raise UserError where a parameter is set that cannot have an effect beside the others."""
    _refuse_unread(recipe, info)
    _refuse_source_of_nothing(recipe.start)
    for index, stage in enumerate(recipe.stages):
        for idle in idle_in(recipe, index):
            _refuse(stage, idle.fields, idle.because)
    for control in recipe.controls or ():
        _refuse_idle_control(control)
    _refuse_unsteered(recipe)
    if not any(map(draws, recipe.stages)):
        _refuse_undrawn(recipe)
    _refuse_half_start(recipe.start)
    _refuse_same_size(recipe, info)


def _refuse_unread(recipe: Recipe, info: ModelInfo) -> None:
    """Raise UserError where something is said of how the prompt is read that the model cannot do."""
    if recipe.clip_skip is not None and recipe.clip_skip > info.clip_layers:
        if info.clip_layers == 1:
            raise UserError(
                f"clip_skip is {recipe.clip_skip}, but model '{info.name}' is read at its last layer only; unset it."
            )
        raise UserError(
            f"clip_skip is {recipe.clip_skip}, but the text encoder of model '{info.name}' has {info.clip_layers} layers."
        )
    if recipe.emphasis is not None and not info.worded:
        raise UserError(f"emphasis is set, but model '{info.name}' weighs words in its own way; unset it.")
    if recipe.token_merging and not info.merges_tokens:
        raise UserError(
            f"token_merging_ratio is set, but model '{info.name}' merges no tokens: only the U-Nets of checkpoints do (Stable"
            " Diffusion 1 and 2, SDXL); unset it."
        )
    if recipe.sampling.guidance.distilled is not None and info.distilled is None:
        raise UserError(f"distilled_guidance is set, but model '{info.name}' is told none; unset it, and set cfg.")


def refuse_idle_noise(sampling: Sampling, sampler: SamplerInfo) -> None:
    """Raise UserError where noise is bounded or scaled that the sampler does not add."""
    for name in ("s_tmin", "s_tmax"):
        if getattr(sampling, name) is not None and not sampling.s_churn:
            raise UserError(f"{name} bounds the churn, but s_churn is not set; set it, or unset {name}.")
    if sampling.s_noise is None:
        return
    makes = "s_churn" if sampler.churns else "eta"
    noisy = sampling.s_churn if sampler.churns else sampling.eta if sampling.eta is not None else sampler.stochastic
    if not noisy:
        raise UserError(f"s_noise scales noise, but sampler '{sampler.name}' adds none so; set {makes}, or unset s_noise.")


def refuse_idle_reuse(sampling: Sampling, sampler: SamplerInfo) -> None:
    """Raise UserError where steps are to be foretold that the sampler must be told, or where the bounds bound nothing."""
    for name in ("reuse_start", "reuse_end"):
        if getattr(sampling, name) is not None and not sampling.reuse_threshold:
            raise UserError(f"{name} bounds which steps are foretold, but reuse_threshold is not set; set it, or unset {name}.")
    if sampling.reuse_threshold and sampler.whole:
        raise UserError(
            f"reuse_threshold is set, but sampler '{sampler.name}' chooses its steps by what the model answers, so none may be"
            " foretold; unset it, or choose another sampler."
        )


def _refuse(value: Value, fields: Iterable[str], because: str) -> None:
    """Raise UserError where any of the fields is not at its default."""
    names = [_name(value, field) for field in fields if getattr(value, field) != type(value).model_fields[field].default]
    if names:
        raise UserError(f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} set, but {because}.")


def _name(value: Value, field: str) -> str:
    """What users call a field."""
    extra = type(value).model_fields[field].json_schema_extra
    facts = extra.get("parameter") if isinstance(extra, dict) else None
    return str(facts["name"] or field) if isinstance(facts, dict) else field


def _refuse_source_of_nothing(start: Base | Source) -> None:
    if isinstance(start, Source) and not start.image:
        fields = [name for name in type(start).model_fields if name != "kind"]
        _refuse(start, fields, "image is not given, so there is nothing to start from; give a picture's file")
        raise UserError("image is not given, so there is nothing to start from; give a picture's file, or begin with noise.")


def _refuse_idle_control(control: Control) -> None:
    if not control.image:
        _refuse(
            control,
            ("type", "preprocessor", "weight", "start", "end", "mode", "fit"),
            "control_image is not given; give it a file",
        )
        raise UserError("control_image is not given; give it a picture's file, or take the control away.")
    if control.start > control.end:
        raise UserError(
            f"control_start is {control.start:g} and control_end is {control.end:g}; control_start must not be above the end."
        )


def _refuse_unsteered(recipe: Recipe) -> None:
    """Raise UserError where no stage is steered by the control pictures."""
    if recipe.controls and not any(map(draws, recipe.stages)):
        raise UserError("control_image is set, but no stage draws anything by it; set denoise, or unset control_image.")


def _refuse_undrawn(recipe: Recipe) -> None:
    """Raise UserError where something is said about drawing in a recipe that draws nothing."""
    for parameter in parameters():
        said = parameter.default is None and parameter.path.startswith(("sampling.", "stages.0."))
        if said and get_parameter(recipe, parameter.name) is not None:
            raise UserError(
                f"{parameter.name} is set, but after image no stage draws anything; set denoise, or unset {parameter.name}."
            )


def _refuse_half_start(base: Base | Source) -> None:
    for pair in (("variation_seed", "variation_strength"), ("seed_width", "seed_height")):
        unset = [name for name in pair if getattr(base, name) is None]
        if len(unset) == 1:
            (given,) = set(pair) - set(unset)
            raise UserError(f"{given} is set without {unset[0]}, so it changes nothing; set both or none.")


def _refuse_same_size(recipe: Recipe, info: ModelInfo) -> None:
    start, scale = recipe.start, info.latent_scale
    if start.seed_width is None or start.seed_height is None:
        return
    if (start.seed_width // scale, start.seed_height // scale) == (recipe.width // scale, recipe.height // scale):
        raise UserError(
            f"seed_width and seed_height are {start.seed_width}x{start.seed_height}, which is the picture's own size; give the"
            " size that the seed was found at, or unset them."
        )
