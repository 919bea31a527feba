"""The adapter for CLIP and SigLIP, against tiny models with random weights that are saved and read like real ones."""

import json

import numpy as np
import pytest
from flawed_pictures import emoji, landscape

from aldente.engine.errors import UserError
from aldente.quality.clip import load_scorer, preferences, prepared

WORDS = ["<pad>", "<unk>", "red", "apple", "house", "blue"]
CLIP_PREPARATION = {
    "do_resize": True,
    "size": {"shortest_edge": 32},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48, 0.46, 0.41],
    "image_std": [0.27, 0.26, 0.28],
}
SIGLIP_PREPARATION = {
    "do_resize": True,
    "size": {"height": 32, "width": 32},
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def saved(place, kind, seed=0):
    """A folder as transformers saves it, with a random model that knows six words."""
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    torch.manual_seed(seed)
    text = {**SMALL, "vocab_size": len(WORDS), "max_position_embeddings": 16, "eos_token_id": 3, "pad_token_id": 0}
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
        transformers.CLIPModel(config).save_pretrained(place)
    else:
        transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(place)
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", unk_token="<unk>", model_max_length=16
    )
    fast.save_pretrained(place)
    facts = CLIP_PREPARATION if kind == "clip" else SIGLIP_PREPARATION
    (place / "preprocessor_config.json").write_text(json.dumps(facts))
    return str(place)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("kind", ["clip", "siglip"])
class TestScorer:
    def test_scores_are_the_cosines_of_the_models_own_embeddings(self, kind, tmp_path):
        scorer = load_scorer(saved(tmp_path, kind))
        import torch

        images = [emoji(), landscape(), 255 - emoji()]
        found = scorer.score(images, "red apple")
        for image, score in zip(images, found, strict=True):
            pixels = torch.from_numpy(prepared(image, scorer.preparation)[None])
            words = torch.tensor([[2, 3] + ([0] * 14 if kind == "siglip" else [])])
            with torch.no_grad():
                out = scorer.model(pixel_values=pixels, input_ids=words)
            cosine = torch.nn.functional.cosine_similarity(out.image_embeds, out.text_embeds).item()
            assert score.cosine == pytest.approx(cosine, abs=1e-5)
            assert score.logit == pytest.approx(out.logits_per_image.item(), abs=1e-4)
        assert len({round(score.cosine, 6) for score in found}) == 3

    def test_prompts_count_and_batches_do_not(self, kind, tmp_path):
        scorer = load_scorer(saved(tmp_path, kind))
        alone = [scorer.score([image], "blue house")[0].cosine for image in (emoji(), landscape())]
        together = [score.cosine for score in scorer.score([emoji(), landscape()], "blue house")]
        assert together == pytest.approx(alone, abs=1e-6)
        assert scorer.score([emoji()], "red apple")[0].cosine != pytest.approx(alone[0], abs=1e-6)

    def test_a_score_names_its_weights(self, kind, tmp_path):
        one, other = (load_scorer(saved(tmp_path / str(seed), kind, seed)) for seed in (0, 1))
        again = load_scorer(saved(tmp_path / "again", kind, 0))
        score = one.score([emoji()], "red apple")[0]
        assert (score.metric, score.weights) == (f"{kind}_adherence@1", one.weights)
        assert len(one.weights) == 64
        assert one.weights == again.weights != other.weights
        assert "transformers" in score.library


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
class TestPickScore:
    """A CLIP model by its files; the score is the cosine times the learned scale, and its softmax over pictures the choice."""

    def test_the_score_is_the_scaled_cosine_and_names_itself(self, tmp_path):
        place = saved(tmp_path, "clip")
        import torch

        scorer = load_scorer(place, trained_as="pickscore")
        with torch.no_grad():
            scorer.model.logit_scale.fill_(3.0)
        (found,) = scorer.score([emoji()], "red apple")
        assert found.logit == pytest.approx(np.exp(3.0) * found.cosine, abs=1e-4)
        assert found.metric == "pickscore@1"
        assert found.weights == load_scorer(place).weights

    def test_the_choice_is_the_softmax_over_pictures(self, tmp_path):
        scorer = load_scorer(saved(tmp_path, "clip"), trained_as="pickscore")
        scores = scorer.score([emoji(), landscape(), 255 - emoji()], "red apple")
        chosen = preferences(scores)
        assert sum(chosen) == pytest.approx(1.0)
        assert np.log(chosen[0] / chosen[1]) == pytest.approx(scores[0].logit - scores[1].logit, abs=1e-6)
        assert np.argmax(chosen) == np.argmax([score.logit for score in scores])

    def test_scores_of_two_models_or_of_plain_clip_are_not_compared(self, tmp_path):
        one, other = (load_scorer(saved(tmp_path / str(seed), "clip", seed), trained_as="pickscore") for seed in (0, 1))
        both = (*one.score([emoji()], "red"), *other.score([emoji()], "red"))
        plain = load_scorer(str(tmp_path / "0")).score([emoji(), landscape()], "red")
        for scores in (both, plain):
            with pytest.raises(ValueError, match="one PickScore model"):
                preferences(scores)

    def test_another_kind_of_model_is_refused(self, tmp_path):
        with pytest.raises(UserError, match="of type 'siglip', and PickScore is one of type 'clip'"):
            load_scorer(saved(tmp_path, "siglip"), trained_as="pickscore")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_what_is_missing_from_a_folder_is_named(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match=r"has no config\.json; give the folder of a CLIP or SigLIP model"):
        load_scorer(str(tmp_path / "nowhere"))
    folder = tmp_path / "clip"
    saved(folder, "clip")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="has no weights"):
        load_scorer(str(folder))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="a model of type 'bert'; a scorer is one of: clip, siglip"):
        load_scorer(str(folder))


def test_without_transformers_what_to_install_is_said(monkeypatch):
    import aldente.quality.clip as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install transformers torch"):
        load_scorer("anywhere")


def test_pictures_are_prepared_as_the_file_says():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 40:] = 255
    seen = prepared(image, CLIP_PREPARATION)
    assert seen.shape == (3, 32, 32)
    assert seen[0, 16, 2] == pytest.approx((0 - 0.48) / 0.27, abs=1e-5)
    assert seen[2, 16, 29] == pytest.approx((1 - 0.41) / 0.28, abs=1e-5)
    whole = prepared(image, SIGLIP_PREPARATION)
    assert whole.shape == (3, 32, 32)
    assert whole[:, 16, [0, 31]].tolist() == [[-1.0, 1.0]] * 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_preparation_is_that_of_transformers():
    module = pytest.importorskip("transformers.models.clip.image_processing_pil_clip")
    theirs = module.CLIPImageProcessorPil(**CLIP_PREPARATION)(landscape(), return_tensors="np")["pixel_values"][0]
    assert theirs.shape == (3, 32, 32)
    assert np.abs(prepared(landscape(), CLIP_PREPARATION) - theirs).max() < 0.03
