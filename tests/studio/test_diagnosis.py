"""Diagnosis of real pictures that were spoilt on purpose: what was done is named, and nothing else."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image
from spoiling import AFTERWARDS, EXPECTED, SANE, SETTINGS, clipped, noisy, seamed

from aldente.engine.errors import UserError
from aldente.models.table import find_model
from aldente.store.png import png_bytes
from aldente.studio.diagnosis import diagnose, open_case, redraws_of
from aldente.studio.drawing import Order, draw
from aldente.studio.request import resolve
from aldente.studio.workbench import Workbench
from aldente.tuning.diagnosis import SANE_CFG, alone, altered, by_settings

PROMPTS = ("owl, 3d render", "house, flat vector", "hamburger, 3d render", "police officer, cartoon emoji")
SEED = 41
CONDITIONS = tuple(condition for condition in EXPECTED if condition not in ("CFG 20", "6 steps"))


def drawn(bench, prompt, **settings):
    (one,) = draw(bench, [resolve(bench, {"prompt": prompt, "seed": SEED, **settings})], Order())
    return one


def file_of(tmp_path, name, image, recipe):
    path = tmp_path / f"{name}.png"
    path.write_bytes(png_bytes(image, infotext="", recipe=recipe, model_fingerprint="0" * 64, xmp=""))
    return str(path)


@pytest.fixture
def found(bench, tmp_path):
    """What is found under each condition: how often each flaw, and how often exactly what was expected."""
    asked = {
        (condition, prompt): resolve(bench, {**SETTINGS.get(condition, SANE), "prompt": prompt, "seed": SEED})
        for condition in CONDITIONS
        for prompt in PROMPTS
    }
    # All at once, in full batches; each case finds its redraws in the store.
    every = [redraw for recipe in asked.values() for redraw in redraws_of(recipe, SANE_CFG)]
    images = {one.recipe.digest(): one.image for one in draw(bench, every, Order())}
    flaws, exact = {condition: Counter() for condition in CONDITIONS}, Counter()
    for (condition, _), recipe in asked.items():
        spoilt = AFTERWARDS.get(condition, lambda image: image)(images[recipe.digest()])
        path = file_of(tmp_path, "picture", spoilt, recipe)
        named = {finding.flaw for finding in diagnose(bench, open_case(bench, path)).findings}
        flaws[condition].update(named)
        exact[condition] += named == EXPECTED[condition]
    return flaws, exact


def test_spoilt_pictures_are_told_what_was_done_to_them(found):
    flaws, exact = found
    for condition in CONDITIONS:
        for flaw in EXPECTED[condition]:
            assert flaws[condition][flaw] >= len(PROMPTS) - 1, (condition, flaws[condition])
    assert sum(exact.values()) >= 0.9 * len(CONDITIONS) * len(PROMPTS), exact
    clean = [condition for condition in CONDITIONS if condition.startswith("clean")]
    assert sum(exact[condition] for condition in clean) >= len(clean) * len(PROMPTS) - 1, exact


def test_the_cure_is_a_command_and_its_picture_is_sound(bench):
    burnt = drawn(bench, PROMPTS[0], **SETTINGS["CFG 15 and 5 steps"])
    told = diagnose(bench, open_case(bench, burnt.record.id[:12]))
    assert told.how == "beside redraws of its recipe"
    assert {finding.flaw for finding in told.findings} == {"fried", "too few steps"}
    assert "--cfg 4" in told.command
    cures = {name: value for finding in told.findings for name, value in finding.settings.items()}
    cured = drawn(bench, PROMPTS[0], **{**SETTINGS["CFG 15 and 5 steps"], **cures})
    assert diagnose(bench, open_case(bench, cured.record.id)).findings == ()


def test_a_sampler_that_never_settles_is_told_so(bench):
    told = diagnose(bench, open_case(bench, drawn(bench, PROMPTS[0], **SETTINGS["LCM"]).record.id))
    (finding,) = told.findings
    assert finding.flaw == "sampler mismatch"
    assert "never settles" in " ".join(finding.evidence)
    assert finding.settings == {"sampler": "dpmpp_2m", "schedule": "karras"}


def test_without_redraws_the_settings_are_suspected_as_folklore(bench):
    one = drawn(bench, PROMPTS[0], sampler="euler", steps=4, cfg=18.0)
    told = diagnose(bench, open_case(bench, one.record.id, redraw=False))
    assert {finding.flaw for finding in told.findings} >= {"fried", "too few steps"}
    assert all(finding.sureness <= 0.65 for finding in told.findings)
    assert "as was asked" in told.notes[0]
    assert by_settings(one.recipe.sampling.model_copy(update={"steps": 30})) == by_settings(one.recipe.sampling)[:1]


def test_a_picture_of_unknown_origin_is_judged_by_itself(bench, tmp_path):
    shades = np.linspace(40, 200, 256)
    soft = np.stack([np.add.outer(shades, shades) / 2] * 3, axis=2).astype(np.uint8)
    expected = {"noise": noisy(soft), "seams": seamed(soft), "clipped": clipped(clipped(soft))}
    for flaw, image in expected.items():
        path = tmp_path / f"{flaw}.png"
        Image.fromarray(image).save(path)
        told = diagnose(bench, open_case(bench, str(path)))
        assert told.how == "by the picture alone"
        assert flaw in {finding.flaw for finding in told.findings}
        assert all(finding.sureness <= 0.65 for finding in told.findings)
        assert told.command is None


def test_seams_of_small_pictures_cannot_be_told_alone():
    small = np.full((64, 64, 3), 120, np.uint8)
    assert "seams" not in {finding.flaw for finding in alone(seamed(small))}
    assert "seams" in {finding.flaw for finding in altered(seamed(small), small)}


def test_another_programs_picture_is_not_drawn_by_our_model(bench, tmp_path):
    path = tmp_path / "foreign.png"
    bench = Workbench(store=bench.store, load=lambda name: find_model(name).load(None))
    infotext = "a cat\nSteps: 6, Sampler: Euler a, CFG scale: 20, Seed: 5, Size: 64x64"
    for text, why in ((infotext, "does not name the model"), (infotext + ", Model: sd_xl", "model 'sd_xl' is not known")):
        path.write_bytes(
            png_bytes(np.full((64, 64, 3), 90, np.uint8), infotext=text, recipe=None, model_fingerprint="", xmp="")
        )
        told = diagnose(bench, open_case(bench, str(path)))
        assert why in told.notes[0]
        assert {finding.flaw for finding in told.findings} >= {"fried", "too few steps"}


def test_what_is_not_there_is_told(bench):
    with pytest.raises(UserError, match="no such file"):
        open_case(bench, "nowhere.png")
