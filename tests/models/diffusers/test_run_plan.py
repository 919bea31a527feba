"""A plan that the environment asks for, and networks that are compiled."""

import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from aldente.engine.errors import UserError
from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.plan import wanted_plan
from aldente.recipe.recipe import Recipe
from aldente.render.levels import levels_of


def test_what_is_not_said_is_as_usual():
    assert wanted_plan(Plan(threads=2), {}) == Plan(threads=2)
    asked = {"ALDENTE_PLAN": " compile, dtype=bfloat16 ,offload = parts, rows=8, vae_tiling=no"}
    assert wanted_plan(Plan(), asked) == Plan(compile=True, dtype="bfloat16", offload="parts", rows=8)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("dtyp=float16", "ALDENTE_PLAN setting 'dtyp' is not known; did you mean 'dtype'"),
        ("dtype=int3", "ALDENTE_PLAN: dtype is 'int3': input should be 'float32', 'bfloat16' or 'float16'"),
        ("rows=many", "ALDENTE_PLAN: rows is 'many'"),
    ],
)
def test_what_there_is_not_is_refused(said, told):
    with pytest.raises(UserError) as caught:
        wanted_plan(Plan(), {"ALDENTE_PLAN": said})
    assert told in str(caught.value)


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling takes a compiler")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["sd1", "flux-dev"])
def test_compiled_networks_answer_the_same(kind, tiny):
    answers = []
    for plan in (Plan(rows=2), Plan(rows=2, compile=True)):
        model = load(tiny(kind), plan=plan)
        x = np.random.default_rng(0).standard_normal((2, model.info.latent_channels, 8, 8)).astype(np.float32)
        levels = [levels_of(Recipe().sampling, model.info)[0]] * 2
        answers.append(model.estimate(x, levels, [model.encode(((text, 1.0),)) for text in ("a red apple", "a house")]))
    np.testing.assert_allclose(*answers, atol=1e-4 * answers[0].std())
