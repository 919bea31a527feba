"""Checkpoints against diffusers called as its documentation says, in one run: plain batches, a mixed grid, predicted memory.

With an accelerator networks of the released sizes with random weights run in bfloat16; without one, thin ones of the same
build in single precision, in calls as large as diffusers makes them (by itself aldente asks for four rows at a time there).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import diffusers
import torch
import transformers

from aldente.models.checkpoints.facts import FAMILIES, CheckpointFacts
from aldente.models.diffusers.experience import watched
from aldente.models.diffusers.model import Checkpoint
from aldente.models.diffusers.needs import Drawing, needs
from aldente.models.diffusers.plan import Plan
from aldente.models.single_file.configs import configs_of
from aldente.models.single_file.tokenizers import clip_tokenizer
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.render import render
from benchmarks.measure import in_turn, ratios, save, spread

PROMPT = "a castle on a hill at sunset"
STEPS, CFG = 10, 7.0
GRID = tuple(product((6, 8, 10, 12), (3.0, 5.0, 7.0, 9.0)))
"""Steps and CFG of the cells of the mixed grid."""

BATCH = 8
ROUNDS = 3

THIN: Mapping[str, Mapping[str, Any]] = {
    "unet": {"block_out_channels": 16, "cross_attention_dim": 16, "attention_head_dim": 1},
    "vae": {"block_out_channels": 8},
    "text_encoder": {"hidden_size": 16, "intermediate_size": 16, "projection_dim": 16},
    "text_encoder_2": {"hidden_size": 16, "intermediate_size": 16, "projection_dim": 16},
}
"""By how much each width is divided where there is no accelerator."""


def run() -> None:
    """Measure both architectures, print the ratios and save them."""
    accelerated = torch.cuda.is_available()
    plan = Plan(device="cuda", dtype="bfloat16", channels_last=True) if accelerated else Plan(rows=2 * BATCH)
    if not accelerated:
        torch.set_num_threads(1)  # networks this thin lose manifold on threads that wait for each other
    found = {name: compared(name, plan, thin=not accelerated) for name in ("sd1", "sdxl")}
    save("checkpoints", {"device": torch.cuda.get_device_name() if accelerated else "processor", "models": found})


def compared(architecture: Any, plan: Plan, *, thin: bool) -> dict[str, Any]:
    """Ratios of pictures a second, aldente's to diffusers', and of predicted memory to measured."""
    pipeline = pipeline_of(architecture, plan, thin=thin)
    family = FAMILIES[architecture]
    side = 128 if thin else family.native[0][0]
    facts = CheckpointFacts(kind="checkpoint", architecture=architecture, native=((side, side),))
    model = Checkpoint(pipeline, name=architecture, weights=lambda: "0" * 64, facts=facts, plan=plan)
    batch = [(STEPS, CFG)] * BATCH
    contenders = {
        "plain, aldente": lambda: ours(model, batch, side),
        "plain, diffusers": lambda: theirs(pipeline, side, STEPS, CFG, BATCH),
        "grid, aldente": lambda: ours(model, GRID, side),
        "grid, diffusers": lambda: [theirs(pipeline, side, steps, cfg, 1) for steps, cfg in GRID],
    }
    seconds = in_turn(contenders, rounds=ROUNDS)
    plain = ratios(seconds["plain, diffusers"], seconds["plain, aldente"])
    grid = ratios(seconds["grid, diffusers"], seconds["grid, aldente"])
    memory = predicted_memory(model, pipeline, plan, side)
    print(f"{architecture}: {BATCH} alike {plain['median']:.2f} times as fast as diffusers, mixed {grid['median']:.2f} times")
    told = f"{memory['ratio']:.3f}" if memory["measured"] else "not measured, which takes an accelerator"
    print(f"{architecture}: memory predicted / measured {told}")
    return {
        "side": side,
        "parameters": sum(weights.numel() for weights in pipeline.unet.parameters()),
        "plain": plain,
        "grid": grid,
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "memory": memory,
    }


def ours(model: Checkpoint, cells: Sequence[tuple[int, float]], side: int) -> None:
    """Draw the cells with aldente, all of them together."""
    recipe = set_parameters(
        Recipe(model=model.info.name, prompt=PROMPT), {"width": side, "height": side, "sampler": "euler", "schedule": "normal"}
    )
    recipes = [set_parameters(recipe, {"steps": steps, "cfg": cfg, "seed": seed}) for seed, (steps, cfg) in enumerate(cells)]
    for rendered in render(recipes, model, clock=time.perf_counter):
        if rendered.error is not None:
            raise rendered.error


def theirs(pipeline: Any, side: int, steps: int, cfg: float, count: int) -> None:
    """Draw with diffusers as its documentation says."""
    pipeline(
        prompt=PROMPT,
        height=side,
        width=side,
        num_inference_steps=steps,
        guidance_scale=cfg,
        num_images_per_prompt=count,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in range(count)],
    )


def predicted_memory(model: Checkpoint, pipeline: Any, plan: Plan, side: int) -> dict[str, float]:
    """What a full batch of the denoiser was predicted to take beside its weights, and what it took."""
    rows = model.info.rows
    drawing = Drawing(rows=rows, height=side, width=side)
    predicted = needs(pipeline, plan, drawing).drawing.activations
    shape = (rows, pipeline.unet.config.in_channels, side // 8, side // 8)
    x = torch.zeros(shape, dtype=pipeline.unet.dtype, device=plan.device)
    text = torch.zeros(rows, 77, pipeline.unet.config.cross_attention_dim, dtype=x.dtype, device=plan.device)
    told = None
    if pipeline.unet.config.addition_embed_type == "text_time":
        width = pipeline.text_encoder_2.config.projection_dim
        told = {
            "text_embeds": torch.zeros(rows, width, dtype=x.dtype, device=plan.device),
            "time_ids": torch.zeros(rows, 6, dtype=x.dtype, device=plan.device),
        }
    times = torch.ones(rows, device=plan.device)
    with torch.inference_mode(), watched(plan.device) as peak:
        pipeline.unet(x, times, encoder_hidden_states=text, added_cond_kwargs=told)
    measured = float(peak.bytes or 0)
    return {"predicted": predicted, "measured": measured, "ratio": predicted / measured if measured else 0.0}


def pipeline_of(architecture: Any, plan: Plan, *, thin: bool) -> Any:
    """A pipeline of an architecture with random weights, on the plan's device in its numbers."""
    configs = configs_of(architecture)
    if thin:
        configs = {name: _thinned(config, THIN.get(name, {})) for name, config in configs.items()}
    torch.manual_seed(0)
    dtype = getattr(torch, plan.dtype)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(plan.device):
            parts: dict[str, Any] = {
                "unet": diffusers.UNet2DConditionModel.from_config(configs["unet"]),
                "vae": diffusers.AutoencoderKL.from_config({**configs["vae"], "force_upcast": False}),
                "text_encoder": transformers.CLIPTextModel(transformers.CLIPTextConfig(**configs["text_encoder"])),
            }
            if "text_encoder_2" in configs:
                second = transformers.CLIPTextConfig(**configs["text_encoder_2"])
                parts["text_encoder_2"] = transformers.CLIPTextModelWithProjection(second)
    finally:
        torch.set_default_dtype(before)
    parts["tokenizer"] = clip_tokenizer()
    scheduler = {key: value for key, value in configs["scheduler"].items() if key != "_class_name"}
    parts["scheduler"] = diffusers.EulerDiscreteScheduler(**scheduler)
    if architecture == "sdxl":
        pipeline = diffusers.StableDiffusionXLPipeline(**parts, tokenizer_2=clip_tokenizer("!"))
    else:
        pipeline = diffusers.StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(plan.device)


def _thinned(config: Mapping[str, Any], divisors: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with widths divided; as many heads as before, and groups that divide what is left."""
    thin = dict(config)
    for name, by in divisors.items():
        value = thin[name]
        thin[name] = [width // by for width in value] if isinstance(value, list) else max(value // by, 1)
    if "block_out_channels" in thin:
        thin["norm_num_groups"] = 4
    if "projection_class_embeddings_input_dim" in thin:
        thin["addition_time_embed_dim"] = 16
        thin["projection_class_embeddings_input_dim"] = 1280 // 16 + 6 * 16
    if "num_attention_heads" in thin:
        thin |= {"num_attention_heads": 2, "num_hidden_layers": 4}
    return thin
