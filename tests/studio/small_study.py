"""A study small enough for a test: three prompts, two samplers, seconds on two cores."""

from aldente.studio.request import resolve
from aldente.studio.tuning import run_study
from aldente.tuning.study import Pair, Study

PROMPTS = ("red apple, 3d render", "hamburger, 3d render", "strawberry, 3d render")


def study_of(bench, **changes):
    facts = {
        "base": resolve(bench, {"cfg": 4.0}),
        "prompts": PROMPTS,
        "seeds": (1,),
        "pairs": (Pair(sampler="dpmpp_2m", schedule="karras"), Pair(sampler="euler", schedule="karras")),
        "steps_low": 7,
        "steps_high": 20,
        "cfgs": (1.0, 4.0, 15.0),
        "confirm": False,
    }
    return Study(**{**facts, **changes})


def run(bench, *, name="pastina-food-production", category="food", **changes):
    study = study_of(bench, **changes)
    return run_study(bench, study, seconds_per_call=0.002, preset_name=name, listen=lambda need: None, category=category)
