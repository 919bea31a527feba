"""Fewer digits for a denoiser's weights: how much is lost, how much memory is saved, and what is said where it cannot be."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from tiny import save_image_encoder, save_ip_adapter

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding, flow
from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.fitting import ways
from aldente.models.diffusers.footprint import weights_of
from aldente.models.diffusers.needs import Drawing, needs
from aldente.models.diffusers.quantizing import check_quantizing
from aldente.models.port import Words

KINDS = ("sd1", "sdxl", "sd3", "flux-dev")
installed = pytest.mark.skipif(find_spec("torchao") is None, reason="torchao is not installed")


def told(model):
    return model.read(Words(chunks=((("a red apple", 1.0),),)))


def estimate(model, condition, rows=2):
    x = np.random.default_rng(1).normal(size=(rows, model.info.latent_channels, 8, 8)).astype(np.float32)
    level = flow(0.6) if model.info.family == "flow" else exploding(1.0)
    return model.estimate(x, [level] * rows, [condition] * rows)


def liked(model):
    """An estimate beside a picture that is to be drawn like."""
    picture = np.full((48, 48, 3), (40, 90, 200), np.uint8)
    return estimate(model, model.hinted(told(model), [(model.control("ip", picture), 1.0)]))


@installed
@pytest.mark.parametrize("kind", KINDS)
class TestQuantized:
    def test_little_is_lost(self, kind, tiny):
        plain, fewer = (load(tiny(kind), plan=Plan(quantize=quantize)) for quantize in (None, "int8"))
        exact, near = estimate(plain, told(plain)), estimate(fewer, told(fewer))
        assert 0.0 < np.abs(near - exact).mean() < 0.05 * np.abs(exact).mean()
        assert plain.info.fingerprint != fewer.info.fingerprint

    def test_rows_do_not_depend_on_their_company(self, kind, tiny):
        model = load(tiny(kind), plan=Plan(quantize="int8"))
        together, alone = estimate(model, told(model), 2), estimate(model, told(model), 1)
        np.testing.assert_array_equal(together, estimate(model, told(model), 2))
        np.testing.assert_allclose(together[:1], alone, atol=2e-4 * np.abs(alone).max())

    def test_the_memory_that_is_told_is_what_is_held(self, kind, tiny):
        plan = Plan(quantize="int8")
        model = load(tiny(kind), plan=plan)
        counted = needs(model._pipeline, plan, Drawing(rows=1, height=64, width=64)).drawing.weights
        held = weights_of(model._denoiser)
        plain = needs(model._pipeline, Plan(), Drawing(rows=1, height=64, width=64)).drawing.weights
        assert counted == held < plain


@installed
def test_a_picture_to_draw_like_is_heard_by_fewer_digits_too(tiny, tmp_path):
    adapter = save_ip_adapter("sd1", tmp_path / "ip.safetensors")
    save_image_encoder(tmp_path / "image_encoder")
    exact, near = (liked(load(tiny("sd1"), plan=Plan(quantize=how), controls={"ip": adapter})) for how in (None, "int8"))
    assert 0.0 < np.abs(near - exact).mean() < 0.05 * np.abs(exact).mean()


@installed
def test_it_takes_no_loras(tiny):
    assert load(tiny("sd1"), plan=Plan()).info.takes_loras
    assert not load(tiny("sd1"), plan=Plan(quantize="int8")).info.takes_loras


@installed
def test_a_variable_asks_for_it_where_no_plan_is_given(tiny, monkeypatch):
    plain = load(tiny("sd1"), plan=Plan(threads=1)).info.fingerprint
    monkeypatch.setenv("ALDENTE_PLAN", "quantize=int8")
    assert load(tiny("sd1"), threads=1).info.fingerprint != plain


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("aldente.models.diffusers.quantizing.find_spec", lambda name: None)
    with pytest.raises(UserError, match="quantize is 'int8', which needs torchao, not installed; run: pip install torchao"):
        check_quantizing(Plan(quantize="int8"))


def test_what_is_drawn_by_its_own_pipeline_keeps_its_digits(tiny, monkeypatch):
    monkeypatch.setattr("aldente.models.diffusers.quantizing.find_spec", lambda name: object())
    with pytest.raises(UserError, match="is drawn by its own pipeline, which keeps all digits"):
        load(tiny("pixart"), plan=Plan(quantize="int8"))


def test_layers_with_fewer_digits_are_not_moved_one_by_one(monkeypatch):
    monkeypatch.setattr("aldente.models.diffusers.quantizing.find_spec", lambda name: object())
    check_quantizing(Plan(quantize="int8", offload="parts"))
    with pytest.raises(UserError, match="cannot wait in main memory one by one"):
        check_quantizing(Plan(quantize="int8", offload="layers"))
    assert all(plan.offload != "layers" for plan in ways(Plan(device="cuda", quantize="int8"), 4))
