"""Token merging: what it merges, that it leaves rows alone, and that it is nothing where it is off."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding
from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.merging import _matched, tokens
from aldente.models.port import Words
from aldente.recipe.infotext import recipe_from_infotext, to_infotext
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.render.render import render

KINDS = ("sd1", "sdxl", "sdxl-refiner")
LEVEL = exploding(3.0)


@pytest.fixture(scope="module", params=KINDS)
def model(request, tiny):
    return load(tiny(request.param), plan=Plan())


@pytest.fixture(scope="module")
def unets(tiny):
    return {kind: load(tiny(kind), plan=Plan()) for kind in KINDS}


def latents(model, rows, side=(8, 8)):
    return 3.0 * np.random.default_rng(1).normal(size=(rows, model.info.latent_channels, *side)).astype(np.float32)


def told(model, ratio, text="a red apple"):
    return model.read(Words(chunks=(((text, 1.0),),), merging=ratio))


def estimate(model, x, ratios):
    return model.estimate(x, [LEVEL] * len(x), [told(model, ratio) for ratio in ratios])


def grid(height, width):
    return tokens(height, width, torch.device("cpu"))


def test_the_most_alike_are_merged_into_their_mean_and_come_back_as_it():
    torch.manual_seed(0)
    states, shared = torch.randn(2, 30, 5), grid(5, 6)
    merge = _matched(states, shared, 0.4)
    whole = merge.apart(merge.together(states))
    for row in range(2):
        into, out = shared.into.tolist(), shared.out.tolist()
        assert into == [0, 2, 4, 12, 14, 16, 24, 26, 28]
        like = torch.nn.functional.cosine_similarity(states[row, out][:, None], states[row, into][None], dim=2)
        chosen = sorted(range(len(out)), key=lambda one: -float(like[one].max()))[:12]
        expected = states[row].clone()
        for place in range(len(into)):
            taken = [out[one] for one in chosen if int(like[one].argmax()) == place]
            mean = states[row, [into[place], *taken]].mean(dim=0)
            expected[[into[place], *taken]] = mean
        torch.testing.assert_close(whole[row], expected)
        assert merge.together(states).shape == (2, 18, 5)


def test_tokens_that_are_the_same_lose_nothing():
    fine = torch.randn(1, 4, 4, 3).repeat_interleave(2, dim=1).repeat_interleave(2, dim=2).reshape(1, 64, 3)
    merge = _matched(fine, grid(8, 8), 0.75)
    assert merge.together(fine).shape[1] == 16
    torch.testing.assert_close(merge.apart(merge.together(fine)), fine)


def test_no_more_than_three_of_four_can_merge():
    states = torch.randn(1, 64, 3)
    assert _matched(states, grid(8, 8), 0.9).together(states).shape[1] == 16


def test_a_ratio_of_0_changes_no_bit_even_after_others(tiny):
    plain = load(tiny("sd1"), plan=Plan())
    x = latents(plain, 2)
    before = estimate(plain, x, (0.0, 0.0))
    assert np.abs(estimate(plain, x, (0.5, 0.5)) - before).max() > 1e-4
    np.testing.assert_array_equal(estimate(plain, x, (0.0, 0.0)), before)


def test_more_merging_is_further_from_the_whole(model):
    x = latents(model, 1, (16, 16))
    plain = estimate(model, x, (0.0,))
    errors = [np.abs(estimate(model, x, (ratio,)) - plain).mean() for ratio in (0.05, 0.3, 0.75)]
    assert 0.0 < errors[0] < errors[1] < errors[2]


def test_rows_of_all_ratios_answer_in_a_batch_as_they_do_alone(model):
    x, ratios = latents(model, 5), (0.5, 0.0, 0.2, 0.5, 0.75)
    together = estimate(model, x, ratios)
    for row, ratio in enumerate(ratios):
        alone = estimate(model, x[row : row + 1], (ratio,))
        np.testing.assert_allclose(together[row : row + 1], alone, atol=2e-4 * np.abs(alone).max())
    np.testing.assert_array_equal(together, estimate(model, x, ratios))


@pytest.mark.parametrize("side", [(8, 8), (12, 8), (16, 24)])
def test_any_size_can_be_merged(model, side):
    assert np.isfinite(estimate(model, latents(model, 1, side), (0.5,))).all()


def test_the_attention_sees_fewer_tokens(tiny):
    own = load(tiny("sd1"), plan=Plan())
    attention = own._network._merging._attentions[0]
    plain, seen = attention.processor, []

    def watching(attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        seen.append(hidden_states.shape[1])
        return plain(attn, hidden_states, encoder_hidden_states, attention_mask, temb)

    attention.set_processor(watching)
    estimate(own, latents(own, 1, (16, 16)), (0.5,))
    estimate(own, latents(own, 1, (16, 16)), (0.0,))
    assert seen == [128, 256]


@pytest.mark.parametrize("kind", ["sd3", "flux-dev"])
def test_models_that_merge_nothing_say_so(kind, tiny):
    other = load(tiny(kind), plan=Plan())
    with pytest.raises(UserError, match=r"token_merging_ratio is set, but model .* merges no tokens"):
        drawn(other, 0.5)


def test_the_ratio_is_an_axis_of_pictures(unets):
    plain, some, more = (drawn(unets["sd1"], ratio) for ratio in (None, 0.3, 0.6))
    assert (plain != some).any()
    assert (some != more).any()
    np.testing.assert_array_equal(drawn(unets["sd1"], 0.0), plain)


def drawn(model, ratio):
    said = {} if ratio is None else {"token_merging_ratio": ratio}
    recipe = set_parameters(Recipe(), {"prompt": "a red apple", "steps": 2, "size": "64x64", **said})
    (made,) = render([recipe], model, clock=itertools.count().__next__)
    if made.error is not None:
        raise made.error
    return made.image


def test_infotext_writes_it_as_a1111_does_and_reads_it_back():
    said = set_parameters(Recipe(), {"tome": 0.5})
    text = to_infotext(said, model_hash="", version="")
    assert "Token merging ratio: 0.5" in text
    again, left = recipe_from_infotext(text)
    assert (again.token_merging, left) == (0.5, {})
