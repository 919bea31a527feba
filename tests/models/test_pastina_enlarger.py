"""The shipped enlarger: four times as large, truer than resampling, flat where the picture is flat."""

import hashlib

import numpy as np
import onnxruntime
import pytest
from held_out_emoji import COLOURS, large, shrunk
from PIL import Image

from aldente.models.pastina.enlarger import REACH, WEIGHTS, Enlarger
from aldente.quality.reference import psnr, ssim

PICTURES = [(0, "white"), (1, "blue"), (2, "white"), (3, "green")]


@pytest.fixture(scope="module")
def enlarger() -> Enlarger:
    return Enlarger(threads=2)


def lanczos(image):
    height, width, _ = image.shape
    return np.asarray(Image.fromarray(image).resize((4 * width, 4 * height), Image.Resampling.LANCZOS))


def steepness(image):
    """The mean of the steepest hundredth of the slopes between neighbours, in steps a pixel."""
    slopes = np.abs(np.diff(image.astype(float), axis=1)).max(axis=2).ravel()
    return np.sort(slopes)[-len(slopes) // 100 :].mean()


@pytest.mark.parametrize("shape", [(64, 64), (48, 128), (65, 50), (1, 1)])
def test_any_size_becomes_four_times_as_large(enlarger, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    enlarged = enlarger.enlarge(image)
    assert enlarged.shape == (4 * shape[0], 4 * shape[1], 3)
    assert enlarged.dtype == np.uint8


@pytest.mark.parametrize(("number", "colour"), PICTURES)
def test_unseen_pictures_come_out_truer_and_with_steeper_edges_than_by_lanczos(enlarger, number, colour):
    wanted = large(number, colour)
    image = shrunk(wanted)
    ours, theirs = enlarger.enlarge(image), lanczos(image)
    assert psnr(ours, wanted) > psnr(theirs, wanted) + 2.0
    assert ssim(ours, wanted) > ssim(theirs, wanted)
    assert steepness(ours) > 1.3 * steepness(theirs)


@pytest.mark.parametrize("colour", [*COLOURS.values(), (20, 20, 20), (128, 128, 128), (245, 160, 190)])
def test_what_is_flat_stays_flat(enlarger, colour):
    flat = np.full((40, 40, 3), colour, np.uint8)
    assert np.abs(enlarger.enlarge(flat).astype(int) - colour).max() <= 1


@pytest.mark.parametrize(("number", "colour"), PICTURES)
def test_colours_do_not_shift_and_nothing_rings(enlarger, number, colour):
    image = shrunk(large(number, colour))
    enlarged = enlarger.enlarge(image)
    assert np.abs(enlarged.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 1.0
    corner = enlarged[:32, :32].astype(int)
    assert np.abs(corner - image[0, 0]).max() <= 1


def test_the_same_picture_gives_the_same_bits_on_any_number_of_threads(enlarger):
    image = shrunk(large(0))
    first = enlarger.enlarge(image)
    assert np.array_equal(first, enlarger.enlarge(image))
    assert np.array_equal(first, Enlarger(threads=1).enlarge(image))


def test_tiles_that_overlap_by_its_reach_fit_without_a_seam(enlarger):
    image = shrunk(large(1, "blue"))
    half = image.shape[1] // 2
    left = enlarger.enlarge(image[:, : half + REACH])[:, : 4 * half]
    right = enlarger.enlarge(image[:, half - REACH :])[:, 4 * REACH :]
    seamless = np.abs(np.concatenate([left, right], axis=1).astype(int) - enlarger.enlarge(image)).max()
    assert seamless <= 1


def test_its_reach_is_that_of_its_layers():
    session = onnxruntime.InferenceSession(WEIGHTS / "enlarger.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["reach"] == str(REACH)


def test_its_fingerprint_is_that_of_its_file(enlarger):
    assert enlarger.fingerprint == hashlib.sha256((WEIGHTS / "enlarger.onnx").read_bytes()).hexdigest()
