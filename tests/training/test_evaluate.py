"""The judge recognises what is before it, and backgrounds are called by their colours."""

import numpy as np
import pytest
from training.captions import COLOURS
from training.evaluate import Judge, background_of, questions
from training.evaluate_memory import nearest
from training.evaluate_sizes import on_square
from training.pictures import on_background

from training import pictures


def test_the_judge_knows_the_pictures_it_was_shown(config, work):
    pictures.build(config, work)
    pixels, index = pictures.load(work)
    judge = Judge(work)
    shown = [row for row, picture in enumerate(index) if picture.style == "vector"]
    images = list(on_background(np.asarray(pixels[shown])))
    ranks = judge.ranks(images, [index[row].concept.name for row in shown])
    assert np.mean(ranks < 5) > 0.8
    assert np.mean(judge.ranks(images, [index[row].concept.name for row in shown[::-1]]) < 5) < 0.6


@pytest.mark.parametrize("name", sorted(COLOURS))
def test_backgrounds_are_named(name):
    pixels = np.zeros((1, 64, 64, 4), np.uint8)
    pixels[0, 16:48, 16:48] = (10, 200, 30, 255)
    (image,) = on_background(pixels, COLOURS[name])
    assert background_of(image) == name


def test_prompts_of_a_kind_ask_only_for_its_part(config, work):
    pictures.build(config, work)
    _, index = pictures.load(work)
    asked = questions(config, index)
    held = {picture.concept.name for picture in index if picture.part == "concept"}
    assert {question.concept for question in asked["unseen concept"]} == held
    assert not held & {question.concept for question in asked["training caption"] + asked["coloured background"]}
    assert all(question.background in question.prompt for question in asked["coloured background"])


def test_the_nearest_picture_is_found_also_mirrored_and_its_distance_is_in_steps_of_the_picture():
    known = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    asked = np.stack([known[3], known[1, :, ::-1], np.clip(known[4].astype(int) + 7, 0, 255).astype(np.uint8)])
    distance, row = nearest(asked, known)
    assert row.tolist() == [3, 1, 4]
    assert distance[:2] == pytest.approx([0, 0], abs=0.1)
    assert 6 < distance[2] <= 7


@pytest.mark.parametrize("size", [(48, 96), (96, 48), (64, 64)])
def test_the_judge_sees_oblong_pictures_undistorted(size):
    image = np.zeros((*size, 3), np.uint8)
    square = on_square(image)
    assert square.shape == (max(size), max(size), 3)
    assert (square == 0).all(axis=2).sum() == size[0] * size[1]
    assert (square[:: max(size) - 1, :: max(size) - 1] == 255).all() == (size[0] != size[1])
