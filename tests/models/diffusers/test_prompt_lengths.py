"""Prompts of different lengths are answered in one call where that makes no difference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pairs import noise_of

from aldente.engine.levels import exploding, flow
from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.features import Features, alike
from aldente.models.port import Words

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

LONG = "a big red apple on the house, " * 12
"""More than one chunk of 75 tokens."""


def counted(model, levels, conditions):
    """The estimates, and how many rows each call of the denoiser had."""
    network = model._pipeline.components.get("unet") or model._pipeline.components["transformer"]
    rows = []
    hook = network.register_forward_pre_hook(
        lambda _, args, named: rows.append((args[0] if args else named["hidden_states"]).shape[0]), with_kwargs=True
    )
    x = np.repeat(noise_of(model), len(conditions), axis=0)
    found = model.estimate(x, levels * len(conditions), conditions)
    hook.remove()
    return found, rows


def conditions_of(model, *texts):
    return [model.read(Words(chunks=tuple(((text, 1.0),) for text in chunks), negative=not chunks[0])) for chunks in texts]


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_long_prompt_and_an_empty_negative_one_are_one_call(kind, checkpoint):
    model = load(checkpoint(kind), plan=Plan(rows=8), controls={"canny": checkpoint(f"controlnet-{kind}")})
    texts = ((LONG,), ("",), ("a owl", "a house", "a apple"))
    conditions = conditions_of(model, *texts)
    lengths = [model.features(condition.words).context.shape[1] for condition in conditions]
    assert len(set(lengths)) == 3
    together, rows = counted(model, [exploding(3.0)], conditions)
    assert rows == [3]
    alone = np.concatenate([counted(model, [exploding(3.0)], [one])[0] for one in conditions])
    assert np.abs(together - alone).max() < 2e-5 * alone.std()
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[20:24] = 255
    hinted = [model.hinted(one, [(model.control("canny", picture), 0.8)]) for one in conditions]
    together, rows = counted(model, [exploding(3.0)], hinted)
    assert rows == [3]
    alone = np.concatenate([counted(model, [exploding(3.0)], [one])[0] for one in hinted])
    assert np.abs(together - alone).max() < 2e-5 * alone.std()


def test_rows_of_one_length_keep_every_bit(checkpoint):
    model = load(checkpoint("sd1"), plan=Plan(rows=8))
    one, other = conditions_of(model, ("a owl",), ("",))
    assert counted(model, [exploding(3.0)], [one, other])[1] == [2]


def test_where_text_and_picture_attend_together_lengths_are_asked_apart(checkpoint):
    model = load(checkpoint("sd3"), plan=Plan(rows=8))
    assert counted(model, [flow(0.6)], conditions_of(model, (LONG,), ("",)))[1] == [1, 1]


def test_contexts_do_not_grow_without_end():
    rows = [Features(context=torch.zeros(1, 77 * chunks, 4)) for chunks in (7, 8, 7)]
    assert alike(rows, hears_again=True) == [[0, 2], [1]]
    assert alike(rows[::2], hears_again=True) == [[0, 1]]
