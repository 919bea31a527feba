"""Recipes of other programs: graphs of ComfyUI, and the facts of InvokeAI and SwarmUI."""

import json

import pytest

from aldente.engine.errors import UserError
from aldente.recipe.comfyui import recipe_from_graph
from aldente.recipe.foreign import read_foreign
from aldente.recipe.settings import get_parameter
from aldente.testing.fuzzing import GRAPH

CHECKPOINT = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}}
SAVE = {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}}
DECODE = {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0]}}
EMPTY = {"class_type": "EmptyLatentImage", "inputs": {"width": 640, "height": 384, "batch_size": 1}}


def text(words):
    return {"class_type": "CLIPTextEncode", "inputs": {"text": words, "clip": ["4", 1]}}


def said(recipe, *names):
    return tuple(get_parameter(recipe, name) for name in names)


def test_two_samplers_are_a_first_and_a_second_pass():
    recipe, unmapped = recipe_from_graph(GRAPH)
    assert said(recipe, "sampler", "schedule", "steps", "cfg", "seed") == ("dpmpp_2m", "uniform", 12, 7.0, 3)
    assert said(recipe, "hires_sampler", "hires_schedule", "hires_steps", "hires_cfg", "hires_denoise") == (
        "euler", "karras", 20, 8.0, 0.5)  # fmt: skip
    assert said(recipe, "upscale_by", "width", "height", "prompt", "rng") == (1.5, 64, 48, "a glass bottle", "cpu")
    assert unmapped == {}


def test_the_separate_nodes_of_a_custom_sampler_are_read():
    graph = {
        "3": {"class_type": "SamplerCustomAdvanced", "inputs": {"noise": ["20", 0], "guider": ["21", 0], "sampler": ["22", 0],
              "sigmas": ["23", 0], "latent_image": ["5", 0]}},
        "4": CHECKPOINT, "5": EMPTY, "8": DECODE, "9": SAVE, "6": text("a fox"),
        "20": {"class_type": "RandomNoise", "inputs": {"noise_seed": ["30", 0]}},
        "30": {"class_type": "INTConstant", "inputs": {"value": 99}},
        "21": {"class_type": "BasicGuider", "inputs": {"model": ["25", 0], "conditioning": ["6", 0]}},
        "22": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "heun"}},
        "23": {"class_type": "KarrasScheduler", "inputs": {"steps": 15, "sigma_max": 14.6, "sigma_min": 0.03, "rho": 7}},
        "25": {"class_type": "ModelSamplingSD3", "inputs": {"model": ["26", 0], "shift": 3.0}},
        "26": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink.safetensors",
            "strength_model": 0.8, "model": ["4", 0]}},
    }  # fmt: skip
    recipe, unmapped = recipe_from_graph(graph)
    assert said(recipe, "seed", "cfg", "sampler", "schedule", "steps") == (99, 1.0, "heun", "karras", 15)
    assert said(recipe, "sigma_min", "sigma_max", "rho", "shift") == (0.03, 14.6, 7.0, 3.0)
    assert said(recipe, "prompt", "model", "width", "height") == ("a fox <lora:ink:0.8>", "a.safetensors", 640, 384)
    assert unmapped == {"node 30": "INTConstant"}


def test_what_has_no_counterpart_is_named():
    sampler = {"class_type": "KSamplerAdvanced", "inputs": {
        "noise_seed": 4, "steps": 10, "cfg": 3, "sampler_name": "no such sampler", "scheduler": "simple", "start_at_step": 4,
        "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}}  # fmt: skip
    graph = {"3": sampler, "4": CHECKPOINT, "5": EMPTY, "6": text("a"), "8": DECODE, "9": SAVE,
             "7": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["6", 0]}},
             "40": {"class_type": "FreeU", "inputs": {}}}  # fmt: skip
    recipe, unmapped = recipe_from_graph(graph)
    assert unmapped == {"sampler": "no such sampler", "start_at_step": "4", "node 40": "FreeU"}
    assert said(recipe, "negative", "steps", "seed") == ("", 10, 4)


def test_a_workflow_is_read_like_the_graph_it_would_run():
    workflow = {
        "nodes": [
            {"id": 3, "type": "KSampler", "widgets_values": [42, "fixed", 21, 5.5, "euler_ancestral", "normal", 1],
             "inputs": [{"name": "model", "link": 1}, {"name": "positive", "link": 2}, {"name": "latent_image", "link": 3}]},
            {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["b.ckpt"]},
            {"id": 5, "type": "EmptyLatentImage", "widgets_values": [512, 768, 1]},
            {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a hill"]},
            {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 4}]},
            {"id": 9, "type": "SaveImage", "inputs": [{"name": "images", "link": 5}],
                "widgets_values": {"filename_prefix": "x"}},
        ],
        "links": [[1, 4, 0, 3, 0, "MODEL"], [2, 6, 0, 3, 1, "C"], [3, 5, 0, 3, 3, "L"], [4, 3, 0,
            8, 0, "L"], [5, 8, 0, 9, 0, "I"]],
    }  # fmt: skip
    found = read_foreign({"workflow": json.dumps(workflow)})
    assert found.program == "ComfyUI"
    assert said(found.recipe, "seed", "steps", "cfg", "sampler", "schedule") == (42, 21, 5.5, "euler_ancestral", "uniform")
    assert said(found.recipe, "model", "prompt", "width", "height") == ("b.ckpt", "a hill", 512, 768)


def test_invokeai_and_swarmui_are_read():
    invoke = read_foreign({"invokeai_metadata": json.dumps({
        "positive_prompt": "a boat", "negative_prompt": "fog", "seed": 5, "steps": 9, "cfg_scale": 4, "scheduler": "euler_a",
        "width": 64, "height": 72, "model": {"name": "sdxl", "hash": "blake3:1f", "base": "sdxl"}, "strength": 0.4,
        "app_version": "5"})})  # fmt: skip
    assert (invoke.program, invoke.model_hash, invoke.unmapped) == ("InvokeAI", "blake3:1f", {"strength": "0.4"})
    assert said(invoke.recipe, "prompt", "negative", "seed", "steps", "cfg", "sampler", "schedule", "model", "height") == (
        "a boat", "fog", 5, 9, 4.0, "euler_ancestral", "uniform", "sdxl", 72)  # fmt: skip
    swarm = read_foreign({"parameters": json.dumps({"sui_image_params": {
        "prompt": "a hat", "negativeprompt": "x", "seed": 8, "steps": 30, "cfgscale": 6.5, "sampler": "dpmpp_2m",
        "scheduler": "karras", "model": "flux", "width": 64, "height": 64, "swarm_version": "0.9",
            "loras": ["ink"]}})})  # fmt: skip
    assert (swarm.program, swarm.unmapped) == ("SwarmUI", {"loras": '["ink"]'})
    assert said(swarm.recipe, "prompt", "seed", "cfg", "sampler", "schedule", "model") == (
        "a hat", 8, 6.5, "dpmpp_2m", "karras", "flux")  # fmt: skip


def sampler(key, latent, **inputs):
    """A KSampler of the usual wiring, over the latent of a node."""
    wired = {"model": ["4", 0], "positive": ["6", 0], "negative": ["6", 0], "latent_image": [latent, 0]}
    plain = {"seed": 1, "steps": 8, "cfg": 2, "sampler_name": "euler", "scheduler": "karras", "denoise": 1}
    return {key: {"class_type": "KSampler", "inputs": plain | wired | inputs}}


def test_a_picture_to_start_from_and_a_batch_are_named():
    common = {"4": CHECKPOINT, "6": text("a"), "8": DECODE, "9": SAVE}
    loaded = {"10": {"class_type": "LoadImage", "inputs": {"image": "in.png"}},
              "11": {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0]}}}  # fmt: skip
    _, unmapped = recipe_from_graph(common | loaded | sampler("3", "11", denoise=0.6))
    assert (unmapped["source picture"], unmapped["denoise"]) == ("in.png", "0.6")
    four = {"5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 4}}}
    recipe, unmapped = recipe_from_graph(common | four | sampler("3", "5"))
    assert (said(recipe, "width"), unmapped) == ((64,), {"batch_size": "4"})


def test_a_second_pass_after_a_model_that_enlarges_to_a_size():
    graph = {"4": CHECKPOINT, "5": EMPTY, "6": text("a"), "9": SAVE, **sampler("3", "5"), **sampler("13", "12", denoise=0.4),
             "8": {"class_type": "VAEDecode", "inputs": {"samples": ["13", 0]}},
             "14": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0]}},
             "15": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "4x.pth"}},
             "16": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["15", 0], "image": ["14", 0]}},
             "17": {"class_type": "ImageScale", "inputs": {"image": ["16", 0], "width": 1280, "height": 768}},
             "12": {"class_type": "VAEEncode", "inputs": {"pixels": ["17", 0]}},
             "18": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["4", 1]}}}  # fmt: skip
    recipe, unmapped = recipe_from_graph(graph)
    assert said(recipe, "upscale_width", "upscale_height", "hires_denoise", "clip_skip") == (1280, 768, 0.4, 2)
    assert unmapped["upscale model"] == "4x.pth"


def test_muted_nodes_loose_links_and_circles_do_no_harm():
    circle = {"class_type": "INTConstant", "inputs": {"value": ["30", 0]}}
    recipe, _ = recipe_from_graph({"4": CHECKPOINT, "5": EMPTY, "6": text("a"), "8": DECODE, "9": SAVE, "30": circle,
                                   **sampler("3", "5", seed=["30", 0])})  # fmt: skip
    assert said(recipe, "seed", "steps") == (0, 8)
    nodes = [{"id": 3, "type": "KSampler", "widgets_values": [7, "fixed", 5, 2, "euler", "karras", 1],
              "inputs": [{"name": "model", "link": 99}, "loose"]},
             {"id": 4, "type": "KSampler", "mode": 4}, "no node"]  # fmt: skip
    assert said(recipe_from_graph({"nodes": nodes, "links": []})[0], "seed", "steps") == (7, 5)
    with pytest.raises(UserError, match="must be an object of nodes"):
        recipe_from_graph(3)


def test_invokeai_s_clip_skip_is_read_and_a_text_without_end_refused():
    invoke = read_foreign({"invokeai_metadata": json.dumps({"positive_prompt": "a boat", "clip_skip": 2})})
    assert said(invoke.recipe, "clip_skip", "prompt") == (2, "a boat")
    with pytest.raises(UserError, match="is longer than"):
        read_foreign({"prompt": "{" + " " * 50_000_000})


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"prompt": "{}"}, "0 nodes"),
        ({"prompt": '{"1": {"class_type": "SaveImage", "inputs": {}}}'}, "no sampler"),
        ({"prompt": "{"}, "not JSON"),
        ({"invokeai_metadata": "[]"}, "not an object"),
        ({"parameters": '{"sui_image_params": 3}'}, "not an object"),
        ({"prompt": '{"a":' * 3000}, "not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused(texts, why):
    with pytest.raises(UserError, match=why):
        read_foreign(texts)


def test_what_nobody_wrote_is_nobody_s():
    assert read_foreign({"Software": "gimp", "prompt": "a plain text", "parameters": "just words"}) is None
