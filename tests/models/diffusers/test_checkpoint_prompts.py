"""Prompts are encoded as diffusers encodes them, and weighted, cut and skipped as users of other programs expect."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pairs import pipeline_of

from aldente.models.diffusers import Plan, load
from aldente.models.diffusers.chunks import CHUNK, Spelling, chunked
from aldente.models.diffusers.clip import ClipReader
from aldente.models.port import Words
from aldente.recipe.prompt import parse

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TEXT = "a red apple, on the house"


def plain(text, **more):
    return Words(chunks=((((text, 1.0)),),), **more)


def spelled(text, **more):
    return Words(chunks=parse(text).parts[0].chunks_at(0, 1), **more)


@pytest.fixture(scope="module")
def loaded(checkpoint):
    known = {}

    def get(kind):
        if kind not in known:
            known[kind] = load(checkpoint(kind), plan=Plan())
        return known[kind]

    return get


@pytest.fixture(scope="module")
def reader():
    from tiny import clip, clip_tokenizer

    return ClipReader(clip_tokenizer(), clip(32).requires_grad_(False), layer=1, normed=True)


def by_diffusers(pipeline, kind, text):
    with torch.no_grad():
        if kind.startswith("flux"):
            return pipeline.encode_prompt(text, None, max_sequence_length=512 if kind == "flux-dev" else 256)[:2]
        if kind == "sd3":
            found = pipeline.encode_prompt(text, None, None)
            return found[0], found[2]
        if kind.startswith("sdxl"):
            found = pipeline.encode_prompt(text)
            return found[0], found[2]
        return pipeline.encode_prompt(text, "cpu", 1, False)[0], None


@pytest.mark.parametrize("kind", ["sd1", "sd2-v", "sdxl", "sdxl-refiner", "sd3", "flux-dev", "flux-schnell"])
def test_a_plain_prompt_is_encoded_as_diffusers_does(kind, checkpoint, loaded):
    for text in (TEXT, ""):
        found = loaded(kind).features(plain(text))
        context, pooled = by_diffusers(pipeline_of(checkpoint(kind)), kind, text)
        if kind.startswith("flux"):
            context, pooled = pooled, context
            context, pooled = (context, pooled) if context.ndim == 3 else (pooled, context)
        assert (found.context - context).abs().max() < 1e-4
        assert pooled is None or (found.pooled - pooled).abs().max() < 1e-4


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_clip_skip_reads_the_layer_that_diffusers_reads(kind, checkpoint, loaded):
    """diffusers counts the layers that are left out of the model's own, aldente (as A1111) from the end."""
    pipeline = pipeline_of(checkpoint(kind))
    with torch.no_grad():
        if kind == "sd1":
            # diffusers 0.42 looks for the final norm where transformers 5 no longer keeps it, so this is done by hand.
            ids = pipeline.tokenizer(TEXT, padding="max_length", return_tensors="pt").input_ids
            states = pipeline.text_encoder(ids, output_hidden_states=True).hidden_states[-2]
            theirs, ours = pipeline.text_encoder.final_layer_norm(states), plain(TEXT, clip_skip=2)
        else:
            theirs, ours = pipeline.encode_prompt(TEXT, clip_skip=1)[0], plain(TEXT, clip_skip=3)
    assert (loaded(kind).features(ours).context - theirs).abs().max() < 1e-4
    own = loaded(kind).features(plain(TEXT)).context
    assert torch.equal(own, loaded(kind).features(plain(TEXT, clip_skip=1 if kind == "sd1" else 2)).context)


def test_an_empty_negative_prompt_is_nothing_to_sdxl_alone(loaded):
    assert not loaded("sdxl").features(plain("", negative=True)).context.any()
    assert loaded("sdxl").features(plain("")).context.any()
    assert loaded("sd1").features(plain("", negative=True)).context.any()
    assert loaded("sdxl").features(plain("blot", negative=True)).context.any()


def test_weights_scale_their_tokens_and_keep_the_mean(reader):
    even, heavy = reader.read(spelled("a red apple")), reader.read(spelled("a (red:1.5) apple"))
    scaled = even.states.clone()
    scaled[:, 2] *= 1.5
    expected = scaled * (even.states.mean() / scaled.mean())
    assert (heavy.states - expected).abs().max() < 1e-5
    assert heavy.states.mean() == pytest.approx(float(even.states.mean()), abs=1e-6)
    assert torch.equal(heavy.pooled, even.pooled)


def test_other_ways_of_weighting(reader):
    text = "a (red:1.5) apple"
    even, empty = reader.read(spelled("a red apple")).states, reader.read(plain("")).states
    free = reader.read(spelled(text, emphasis="no_norm")).states
    between = reader.read(spelled(text, emphasis="comfyui")).states
    assert torch.equal(reader.read(spelled(text, emphasis="ignore")).states, even)
    assert (free[:, 2] - 1.5 * even[:, 2]).abs().max() < 1e-6
    assert torch.equal(free[:, 3:], even[:, 3:])
    assert (between[:, 2] - (empty[:, 2] + 1.5 * (even[:, 2] - empty[:, 2]))).abs().max() < 1e-5
    assert (between[:, 3] - even[:, 3]).abs().max() < 1e-6


def test_a_weight_of_one_changes_no_bit(reader):
    assert torch.equal(reader.read(spelled("a (red:1.0) apple")).states, reader.read(spelled("a red apple")).states)


def test_break_begins_a_chunk(reader):
    broken = reader.read(spelled("a red apple BREAK the house"))
    first, second = reader.read(spelled("a red apple")).states, reader.read(spelled("the house")).states
    assert broken.states.shape[1] == 2 * (CHUNK + 2)
    assert (broken.states - torch.cat([first, second], dim=1)).abs().max() < 1e-5


def test_long_prompts_go_on_in_chunks_after_the_last_comma():
    spelling = Spelling(lambda text: [7 if word == "," else len(word) for word in text.replace(",", " , ").split()], {})
    long = chunked((((" ".join(["ab"] * 65 + [","] + ["abc"] * 30), 1.0),),), spelling)
    assert [len(chunk.ids) for chunk in long] == [66, 30]
    far = chunked((((" ".join(["ab"] * 40 + [","] + ["abc"] * 60), 1.0),),), spelling)
    assert [len(chunk.ids) for chunk in far] == [CHUNK, 101 - CHUNK]
    assert chunked((), spelling)[0].ids == ()
    assert [chunk.ids for chunk in chunked(((("", 1.0),), (("ab", 1.0),)), spelling)] == [(), (2,)]


def test_a_textual_inversion_stands_for_its_vectors():
    from tiny import clip, clip_tokenizer

    vectors = torch.randn(2, 32, generator=torch.Generator().manual_seed(5))
    encoder, tokenizer = clip(32).requires_grad_(False), clip_tokenizer()
    before = ClipReader(tokenizer, encoder, layer=1, normed=True).read(plain("a red apple"))
    with_it = ClipReader(tokenizer, encoder, layer=1, normed=True, inversions={"my-style": vectors})
    assert torch.equal(with_it.read(plain("a red apple")).states, before.states)
    (chunk,) = with_it.chunks(plain("a My-Style apple"))
    known = len(tokenizer)
    assert chunk.ids[1:3] == (known, known + 1)
    assert len(chunk.ids) == 4
    rows = encoder.get_input_embeddings().weight
    assert torch.equal(rows[known : known + 2], vectors)
    assert with_it.read(plain("a my-style apple")).states.isfinite().all()


def test_rows_of_prompts_of_any_length_share_a_batch(loaded):
    model = loaded("sdxl")
    x = np.random.default_rng(1).standard_normal((3, 4, 8, 8), dtype=np.float32)
    from aldente.engine.levels import exploding

    levels = [exploding(s) for s in (8.0, 1.0, 0.2)]
    words = [spelled("a red apple"), spelled("a red apple BREAK a house"), spelled("")]
    conditions = [model.read(each) for each in words]
    together = model.estimate(x, levels, conditions)
    for row in range(3):
        alone = model.estimate(x[row : row + 1], levels[row : row + 1], conditions[row : row + 1])
        assert np.abs(alone - together[row : row + 1]).max() < 2e-4
