"""Pipelines that aldente does not run itself are drawn by their own call, and say what they cannot."""

from __future__ import annotations

import json

import diffusers
import numpy as np
import pytest
import torch
from pairs import pipeline_of

from aldente.engine.errors import UserError
from aldente.interface.cli import main
from aldente.models.checkpoints.inspecting import inspect
from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.schedulers import Way, own_way, scheduler_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.render import render
from aldente.store.png import read_image, read_png
from aldente.studio.forecast import count_calls, forecast
from aldente.studio.request import resolve
from aldente.studio.workbench import open_workbench, workbench_on

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

PROMPT = "a big red apple on the house"


@pytest.fixture(scope="module")
def model(checkpoint):
    return load(checkpoint("pixart"), plan=Plan())


def recipe_of(model, **settings):
    said = dict(model.info.usual) | {"prompt": PROMPT, "width": 64, "height": 64, "steps": 4, "seed": 5} | settings
    return set_parameters(Recipe(model=model.info.name), said)


def theirs(checkpoint, scheduler=None, **call):
    pipeline = pipeline_of(checkpoint("pixart"))
    if scheduler is not None:
        pipeline.scheduler = scheduler(pipeline.scheduler.config)
    told = {"num_inference_steps": 4, "guidance_scale": 4.5, "height": 64, "width": 64} | call
    return np.asarray(
        pipeline(
            PROMPT, generator=torch.Generator("cpu").manual_seed(5), use_resolution_binning=False, clean_caption=False, **told
        ).images[0]
    )  # fmt: skip


def picture(model, **settings):
    (drawn,) = render([recipe_of(model, **settings)], model, clock=lambda: 0.0)
    if drawn.error is not None:
        raise drawn.error
    return drawn.image


def test_its_facts_are_those_of_the_pipeline(model):
    info = model.info
    assert info.whole
    assert dict(info.usual) == {"sampler": "dpmpp_2m", "schedule": "uniform", "steps": 20, "cfg": 4.5, "rng": "cpu"}
    assert (info.native, info.size_multiple, info.controls, info.rows) == (((64, 64),), 16, (), 1)
    assert len(info.sigmas) == 1000


def test_a_picture_is_that_of_the_pipelines_own_call(model, checkpoint):
    assert np.array_equal(picture(model), theirs(checkpoint))
    assert np.array_equal(
        picture(model, negative="a green house", cfg=3.0, steps=3, width=96),
        theirs(checkpoint, negative_prompt="a green house", guidance_scale=3.0, num_inference_steps=3, width=96),
    )


def test_samplers_and_schedules_are_diffusers_own(model, checkpoint):
    expected = theirs(checkpoint, lambda told: diffusers.EulerDiscreteScheduler.from_config(told, use_karras_sigmas=True))
    assert np.array_equal(picture(model, sampler="euler", schedule="karras"), expected)
    assert not np.array_equal(picture(model), expected)
    settings = {"clip_sample": False, "timestep_spacing": "trailing"}
    ddim = theirs(checkpoint, lambda told: diffusers.DDIMScheduler.from_config(told, **settings))
    assert np.array_equal(picture(model, sampler="ddim", schedule="trailing"), ddim)


def test_its_calls_are_counted(model):
    (drawn,) = render([recipe_of(model)], model, clock=iter(range(100)).__next__)
    assert drawn.usage.asked == 8 == count_calls(recipe_of(model), model)
    assert count_calls(recipe_of(model, cfg=1.0), model) == 4
    assert drawn.stages[0].model_seconds == 1


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"prompt": "a (red:1.3) apple"}, "reads plain words"),
        ({"prompt": "a AND b"}, "reads plain words"),
        ({"prompt": "a <lora:x:1>"}, "reads plain words"),
        ({"prompt": "[a:b:0.5]"}, "reads plain words"),
        ({"clip_skip": 2, "cfg_rescale": 0.5}, "cannot be told clip_skip, cfg_rescale"),
        ({"control_image": "a" * 64}, "cannot be told control_image"),
        ({"image": "a" * 64}, "image"),
        ({"rng": "aldente"}, "set rng to cpu"),
        ({"sampler": "dpm_adaptive"}, "for which diffusers has: euler"),
        ({"schedule": "ays_sd1"}, "schedule 'ays_sd1' is not known"),
        ({"sampler": "euler_ancestral", "schedule": "karras"}, "euler_ancestral has few schedules"),
        ({"width": 72}, "multiple"),
    ],
)
def test_what_the_call_cannot_do_is_said(settings, why, model):
    with pytest.raises(UserError, match=why):
        picture(model, **settings)


def test_single_steps_are_refused(model):
    for ask in (lambda: model.encode((("a", 1.0),)), lambda: model.estimate(None, [], []), lambda: model.decode(None)):
        with pytest.raises(UserError, match="drawn by its own pipeline"):
            ask()


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m", "uni_pc"])
def test_flows_have_schedulers_of_their_own(name):
    own = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert own_way(own) == Way("euler", "flow")
    found = scheduler_of(own, Way(name, "flow"))
    found.set_timesteps(4)
    assert 0.9 < float(found.sigmas[0]) <= 1.0
    with pytest.raises(UserError, match="few schedules"):
        scheduler_of(own, Way("heun", "karras"))


def test_a_scheduler_that_stands_for_no_sampler_is_refused():
    with pytest.raises(UserError, match="SCMScheduler stands for none"):
        own_way(diffusers.SCMScheduler())


def test_the_command_line_draws_tells_and_reproduces(checkpoint, tmp_path, monkeypatch, capsys, model):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("ALDENTE_STORE", str(tmp_path / "store.db"))
    monkeypatch.setattr("aldente.models.diffusers.load", lambda *_, **__: model)
    monkeypatch.chdir(tmp_path)
    facts = inspect(checkpoint("pixart"))
    assert facts.architecture is None
    assert "drawn by its own pipeline (PixArtSigmaPipeline)" in facts.notes[0]

    def line(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([*map(str, words), "--store", str(tmp_path / "store.db")] if words[0] != "models" else [*map(str, words)])
        told = capsys.readouterr()
        assert stop.value.code in (0, None), told
        return told.out

    line("generate", PROMPT, "--model", checkpoint("pixart"), "--steps", 4, "--seed", 5, "-o", "out")
    (path,) = (tmp_path / "out").glob("*.png")
    assert np.array_equal(read_image(path), theirs(checkpoint))
    assert read_png(path).recipe.sampling.rng == "cpu"
    assert "bit-exact" in line("reproduce", path)
    listed = json.loads(line("models", "--json"))
    assert "PixArtSigmaPipeline" in str([one for one in listed if one["name"] == model.info.name])
    line("grid", PROMPT, "--model", checkpoint("pixart"), "-x", "steps=2,4", "-y", "cfg=1,4.5", "--seed", 5, "-o", "grid")
    bench = workbench_on(open_workbench(str(tmp_path / "store.db")).store)
    told = forecast(bench, [resolve(bench, {"model": str(checkpoint("pixart")), "prompt": PROMPT, "steps": 6, "seed": 1})])
    assert (told.pictures, told.calls) == (1, 12)
    assert told.seconds > 0
