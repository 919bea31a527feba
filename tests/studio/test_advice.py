"""Advice on a real store: measured beats folklore, the content beats the goal, limits are kept, stale ones come last."""

import pytest
from small_study import run

from aldente.engine.errors import UserError
from aldente.models.pastina.sentences import MiniLM
from aldente.recipe.presets import Preset, folklore
from aldente.store import open_store
from aldente.studio.advice import advise, automatic, picked
from aldente.studio.library import Measured, keep_result, measured_for, probe, result_of, sampling_of, staleness, versions_of
from aldente.studio.limits import fit_into, limits_of, price_of
from aldente.studio.presets import keep_preset, known_presets
from aldente.studio.request import resolve
from aldente.studio.revalidation import revalidate, standing_of
from aldente.studio.workbench import Workbench
from aldente.tuning.categories import Recogniser


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser(MiniLM(threads=1))


@pytest.fixture(scope="module")
def measured(tmp_path_factory, retrained):
    """A workbench on which food was measured and nothing is bundled; tests must not change its store."""
    with open_store(str(tmp_path_factory.mktemp("measured") / "store.db")) as store:
        made = Workbench(store=store, load=lambda _: retrained, draw_seed=lambda: 77)
        yield made, run(made)


@pytest.fixture
def bench(tmp_path, retrained):
    """A workbench with weights of which nothing is measured."""
    with open_store(str(tmp_path / "store.db")) as store:
        yield Workbench(store=store, load=lambda _: retrained, draw_seed=lambda: 77)


def own(bench, prompt, **settings):
    return resolve(bench, {**settings, "prompt": prompt})


def test_without_a_study_folklore_of_goal_and_content_is_given_as_such(bench, recogniser):
    recipe = own(bench, "a photorealistic portrait of a weathered sailor", steps=100, cfg=20)
    advice = advise(bench, recipe, ["steps", "cfg"], recogniser=recogniser)
    assert (advice.content.category, advice.pick.basis, advice.pick.preset) == ("portrait", "folklore", "production + portrait")
    assert (advice.recipe.sampling.sampler, advice.recipe.sampling.steps) == ("dpmpp_2m", 30)
    assert [(remark.parameter, remark.verdict, remark.basis) for remark in advice.remarks] == [
        ("steps", "outside", "folklore"),
        ("cfg", "outside", "folklore"),
    ]
    assert advice.own_price.calls == 200
    assert advice.price.calls == 60


def test_what_was_not_said_is_not_reviewed(bench, recogniser):
    advice = advise(bench, own(bench, "a castle"), [], recogniser=recogniser)
    assert advice.remarks == ()
    assert advice.own_price is None


def test_measured_beats_folklore_and_reviews_by_its_curves(measured, recogniser):
    bench, study = measured
    recipe = own(bench, "a doughnut, 3d render", steps=100, cfg=15)
    advice = advise(bench, recipe, ["steps", "cfg"], recogniser=recogniser)
    assert (advice.pick.basis, advice.pick.preset) == ("measured", "pastina-food-production")
    assert advice.recipe.sampling.steps == study.result.choice.steps
    steps, cfg = advice.remarks
    assert (steps.basis, steps.parameter, cfg.basis, cfg.parameter) == ("measured", "steps", "measured", "cfg")
    assert "CFG 15" in cfg.sentence
    assert not any("folklore" in remark.sentence for remark in advice.remarks)


def test_another_goal_is_read_off_the_same_curves(measured, recogniser):
    bench, study = measured
    draft = advise(bench, own(bench, "a doughnut"), [], goal="draft", recogniser=recogniser)
    assert draft.pick.preset == "pastina-food-production for draft"
    assert draft.price.calls <= study.result.choice.calls
    assert draft.recipe.sampling.steps <= study.result.choice.steps


def test_other_content_is_told_to_be_other(measured, recogniser):
    bench, _ = measured
    advice = advise(bench, own(bench, "a castle"), [], recogniser=recogniser)
    assert advice.pick.basis == "measured"
    assert "nothing is measured for architecture and places" in advice.pick.why


def test_the_nearest_study_is_picked(measured, recogniser):
    bench, study = measured
    food = recogniser.recognise("a doughnut")
    (one,) = measured_for(bench.store, bench.model("pastina"))
    named = lambda name, **facts: one.preset.model_copy(update={"name": name, **facts})  # noqa: E731
    candidates = [
        Measured(preset=named("vehicles", category="vehicle"), result=one.result, stale=()),
        Measured(preset=named("all", category=""), result=one.result, stale=()),
        Measured(preset=named("food, draft", goal="draft"), result=one.result, stale=()),
        Measured(preset=named("food, stale"), result=one.result, stale=("aldente was 0 and is 1",)),
    ]
    assert picked(candidates, food, "production")[0].preset == "food, draft for production"
    assert picked(candidates[:2], food, "production")[0].preset == "all"
    assert picked(candidates[3:], food, "production")[0].stale == ("aldente was 0 and is 1",)
    assert picked([one], food, "production")[1] == study.result


def test_limits_are_kept_by_what_was_measured(measured):
    bench, study = measured
    recipe = own(bench, "a doughnut", steps=28)
    price = price_of(bench, recipe)
    fitted, said = fit_into(bench, recipe, limits_of(price.seconds / 2.5, None), study.result)
    assert price_of(bench, fitted).calls < price.calls / 1.8
    assert "of what was measured" in said[0]
    fitted, said = fit_into(bench, recipe, limits_of(price.seconds / 2.5, None), None)
    assert fitted.sampling.steps < 16
    assert "not measured" in said[0]
    assert fit_into(bench, recipe, limits_of(60.0, 4000.0), None) == (recipe, ())


def test_memory_is_saved_on_the_size_and_the_impossible_is_refused(bench):
    recipe = own(bench, "a doughnut", width=128, height=64)
    fitted, said = fit_into(bench, recipe, limits_of(None, 283.5), None)
    assert (fitted.width, fitted.height) == (80, 48)
    assert "80x48" in said[0]
    with pytest.raises(UserError, match="alone takes 280 MB"):
        fit_into(bench, recipe, limits_of(None, 100.0), None)
    with pytest.raises(UserError, match="nothing is drawn in 1e-06 s here"):
        fit_into(bench, recipe, limits_of(1e-6, None), None)
    with pytest.raises(UserError, match="max-seconds is -1"):
        limits_of(-1.0, None)


def test_auto_is_a_preset(measured):
    bench, study = measured
    told = []
    recipe = resolve(bench, {"prompt": "a doughnut, 3d render", "cfg": 3.0}, preset="auto", listen=told.append)
    assert recipe.sampling.steps == study.result.choice.steps
    assert recipe.sampling.guidance.scale == 3.0
    assert "pastina-food-production (measured)" in told[0]
    assert automatic(bench, recipe)[1].preset == "pastina-food-production"


def test_a_measured_preset_says_what_it_was_measured_with(measured):
    bench, study = measured
    preset, model = study.preset, bench.model("pastina")
    assert preset.category == "food"
    assert preset.prompts == study.study.prompts
    assert preset.proof["loss"] == study.result.choice.loss.mean
    assert preset.versions == versions_of(model, sampling_of(preset))
    assert staleness(preset, model) == ()
    assert result_of(bench.store, preset) == study.result


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "ab" * 32}, "the model's weights were abababababababab and are"),
        ({"versions": {"aldente": "0.0.1"}}, "aldente was 0.0.1"),
        ({"versions": {"runtime": "abacus 1"}}, "runtime was abacus 1"),
        ({"versions": {"sampler": "0.1 0.2 0.3 0.4"}}, "answers a fixed question otherwise"),
        ({"settings": {"sampler": "heun"}}, "answers a fixed question otherwise"),
    ],
)
def test_what_changed_makes_a_preset_stale(measured, change, reason):
    bench, study = measured
    preset = study.preset
    merged = {name: {**getattr(preset, name), **value} if isinstance(value, dict) else value for name, value in change.items()}
    reasons = staleness(preset.model_copy(update=merged), bench.model("pastina"))
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_folklore_is_never_stale_and_a_preset_without_versions_says_so(bench):
    model = bench.model("pastina")
    assert all(staleness(preset, model) == () for preset in folklore().values())
    bare = Preset(name="bare", basis="measured", model=model.info.fingerprint, settings={"steps": 20})
    assert staleness(bare, model) == ("it does not say what it was measured with",)


def test_every_sampler_answers_the_probe_in_its_own_way(loaded, bench):
    names = ["euler", "heun", "dpmpp_2m", "uni_pc", "ddim", "euler_ancestral", "dpmpp_sde", "lcm", "dpm_adaptive"]
    answers = {name: probe(loaded, resolve(bench, {"sampler": name, "schedule": "karras"}).sampling) for name in names}
    assert len(set(answers.values())) == len(names)
    again = resolve(bench, {"sampler": "heun", "schedule": "karras", "steps": 99, "cfg": 12}).sampling
    assert probe(loaded, again) == answers["heun"]


def test_a_preset_that_holds_is_renewed_and_one_that_drifted_is_not(bench, measured):
    _, study = measured
    model = bench.model("pastina")
    old = study.preset.model_copy(update={"versions": {**study.preset.versions, "aldente": "0.0.1"}})
    keep_preset(bench.store, old)
    standing = standing_of(bench, old, model, again=True)
    assert (standing.again.verdict, standing.again.renewed, standing.fine) == ("holds", True, True)
    assert staleness(known_presets(bench.store)[old.name], model) == ()
    short = old.model_copy(update={"name": "short", "settings": {**old.settings, "steps": 5}})
    again = revalidate(bench, short, model)
    assert (again.verdict, again.renewed, again.next_steps) == ("drifted", False, 7)
    assert again.loss.mean > again.next_loss.mean > again.tolerance
    other = old.model_copy(update={"name": "other", "model": "ab" * 32})
    assert "other weights" in revalidate(bench, other, model).sentence


def test_what_cannot_be_measured_again_is_said(bench):
    model = bench.model("pastina")
    with pytest.raises(UserError, match="is folklore"):
        standing_of(bench, known_presets(bench.store)["production"], model, again=False)
    bare = Preset(name="bare", basis="measured", settings={"steps": 20}, study="nowhere")
    with pytest.raises(UserError, match="neither it nor the store says its prompts"):
        revalidate(bench, bare, model)


def test_a_result_is_kept_once_and_by_its_weights(bench, measured):
    made, study = measured
    rows = made.store.study_rows(study.id)
    assert len(rows) == 1
    keep_result(made.store, study.id, study.result, study.preset.model)
    assert made.store.study_rows(study.id) == rows
    assert result_of(made.store, study.preset.model_copy(update={"model": "ab" * 32})) is None
