"""What comes measured with aldente is of the shipped weights, whole, used by advice, and told to be stale on others."""

import pytest

from aldente.engine.errors import UserError
from aldente.recipe.presets import folklore
from aldente.studio.advice import advise, automatic
from aldente.studio.bundled import folder, measured, study_result
from aldente.studio.library import measured_for, result_of, staleness
from aldente.studio.presets import keep_preset, known_presets
from aldente.studio.request import resolve
from aldente.studio.revalidation import standing_of

PURPOSES = ("draft", "production", "final", "constrained")


def general():
    return [measured()[f"pastina-{purpose}"] for purpose in PURPOSES]


def test_there_is_one_for_every_goal_with_its_proof():
    for preset in measured().values():
        assert preset.basis == "measured"
        assert preset.goal in PURPOSES
        assert preset.study is not None
        assert preset.prompts
        assert set(preset.versions) == {"aldente", "runtime", "sampler"}
        assert preset.proof["at_most"] >= preset.proof["loss"]
    assert all(preset.confidence == 0.95 for preset in general()), "a shipped setting must be surely within tolerance"
    assert not set(measured()) & set(folklore())


def test_dearer_goals_allow_less_and_cost_no_less():
    draft, production, final, constrained = general()
    assert draft.proof["tolerance"] > production.proof["tolerance"] > final.proof["tolerance"]
    assert draft.cost["calls"] <= production.cost["calls"] <= final.cost["calls"]
    assert constrained.cost["calls"] <= draft.cost["calls"]


def test_they_are_of_the_shipped_weights(loaded):
    """Fails after the weights have changed: 'python -m benchmarks presets' measures them again."""
    for preset in measured().values():
        assert preset.model == loaded.info.fingerprint
        assert not any("weights" in reason or "fixed question" in reason for reason in staleness(preset, loaded))


def test_each_comes_with_its_study(loaded, bench):
    for preset in measured().values():
        result = result_of(bench.store, preset)
        curve = next(c for c in result.curves if c.sampler == preset.settings["sampler"])
        rung = next(r for r in curve.rungs if r.steps == preset.settings["steps"])
        assert rung.loss.mean == pytest.approx(preset.proof["loss"], rel=1e-3)
        assert rung.seconds is None
    assert study_result("nothing", loaded.info.fingerprint) is None
    assert study_result(measured()["pastina-draft"].study, "ab" * 32) is None
    assert folder().joinpath("presets.toml").read_text().startswith("# Written by `python -m benchmarks presets`")


def test_on_a_new_store_advice_is_measured(bench):
    own = resolve(bench, {"prompt": "a castle, 3d render", "steps": 100, "cfg": 15})
    advice = advise(bench, own, ["steps", "cfg"], goal="draft")
    assert advice.pick.basis == "measured"
    assert advice.pick.preset.startswith("pastina-")
    assert {remark.basis for remark in advice.remarks} == {"measured"}
    assert [remark.parameter for remark in advice.remarks] == ["steps", "cfg"]
    recipe, pick = automatic(bench, own)
    assert recipe.sampling.steps == pick.settings["steps"] < 100


def test_one_s_own_of_the_same_name_goes_before(bench):
    preset = measured()["pastina-production"]
    keep_preset(bench.store, preset.model_copy(update={"settings": {**preset.settings, "steps": 33}}))
    assert known_presets(bench.store)["pastina-production"].settings["steps"] == 33
    assert measured()["pastina-production"].settings["steps"] != 33


def test_on_other_weights_they_are_stale_and_not_used(bench, retrained):
    preset = measured()["pastina-draft"]
    assert "the model's weights were" in staleness(preset, retrained)[0]
    assert measured_for(bench.store, retrained) == []


def test_one_is_measured_again_on_a_new_store(bench, loaded):
    standing = standing_of(bench, measured()["pastina-draft"], loaded, again=True)
    assert standing.again.verdict == "holds"
    assert standing.again.prompts == 4
    with pytest.raises(UserError, match="folklore"):
        standing_of(bench, folklore()["draft"], loaded, again=True)
