"""The judge recognises what is before it, and backgrounds are called by their colours."""

import numpy as np
import pytest
from training.captions import COLOURS
from training.evaluate import Judge, background_of, questions
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
