"""Control pictures steer tiles, each by its own part."""

import itertools

import numpy as np
import pytest
from rendering import FILES, Analytic, draw, draw_all, kept, picture, small

from aldente.models.preprocessing import find_preprocessor
from aldente.render.render import render

SOURCE, CONTROL, OTHER = kept(picture(32, 32)), kept(picture(32, 32, 5)), kept(picture(32, 32, 6))


def steered() -> Analytic:
    return Analytic(family="exploding", controls=("canny", "scribble"))


def tiled(**settings):
    settings = {"image": SOURCE, "control_image": CONTROL, "tile_denoise": 0.5, "tile_overlap": 0, "cfg": 1.0, **settings}
    return small(**{"sampler": "euler", "steps": 6, **settings})


def told(model) -> set:
    return {hint for hints in model.hints for hint, _ in hints}


def parts(image, boxes) -> set:
    return {steered().control("canny", image[top:bottom, left:right]) for left, top, right, bottom in boxes}


QUARTERS = [(left, top, left + 16, top + 16) for left in (0, 16) for top in (0, 16)]


@pytest.mark.parametrize("mode", ["blend", "linear", "chess"])
def test_every_tile_is_told_its_own_part(mode):
    model = steered()
    draw(tiled(tile_mode=mode), model)
    assert told(model) == parts(picture(32, 32, 5), QUARTERS)


def test_a_pasted_tile_is_told_of_what_it_sees_around_it():
    model = steered()
    draw(tiled(tile_mode="linear", tile_overlap=8), model)
    windows = [(left, top, left + 24, top + 24) for left in (0, 8) for top in (0, 8)]
    assert told(model) == parts(picture(32, 32, 5), windows)


def test_seams_are_told_too():
    model = steered()
    draw(tiled(tile_mode="linear", seam_fix="half", seam_padding=0, seam_denoise=0.5), model)
    across = [(8, 0, 24, 16), (8, 16, 24, 32), (0, 8, 16, 24), (16, 8, 32, 24)]
    assert told(model) == parts(picture(32, 32, 5), QUARTERS + across)


def test_a_seamless_tile_is_told_of_the_other_edge():
    model = steered()
    draw(tiled(seamless=True, tile_overlap=8), model)
    turned = np.tile(picture(32, 32, 5), (2, 2, 1))
    places = [(left, top, left + 16, top + 16) for left in range(0, 32, 8) for top in range(0, 32, 8)]
    assert told(model) == parts(turned, places)


def test_a_picture_that_is_continued_has_its_control_picture_continued():
    model = steered()
    draw(tiled(image=kept(picture(30, 27)), width=30, height=27, control_image=kept(picture(30, 27, 5))), model)
    whole = np.pad(picture(30, 27, 5), ((0, 5), (0, 2), (0, 0)), mode="edge")
    assert told(model) == parts(whole, QUARTERS)


def test_it_is_prepared_for_each_tile():
    model = steered()
    draw(tiled(control_preprocessor="invert"), model)
    assert told(model) == parts(find_preprocessor("invert").apply(picture(32, 32, 5)), QUARTERS)


@pytest.mark.parametrize("mode", ["blend", "linear"])
def test_the_picture_follows_it(mode):
    towards = picture(32, 32, 5).astype(float).mean(axis=2)
    plain, held = (
        draw(tiled(tile_mode=mode, **more), steered()).image.astype(float).mean(axis=2)
        for more in ({"control_weight": 0.0}, {"control_weight": 1.0})
    )
    assert ((held - plain) * (towards - towards.mean())).sum() > 0.0


@pytest.mark.parametrize("mode", ["blend", "linear"])
def test_it_acts_in_its_share_of_the_steps(mode):
    model = steered()
    draw(tiled(tile_mode=mode, control_end=0.4, tile_denoise=1.0), model)
    steps = {}
    for (sigma, _), hints in zip(model.asked, model.hints, strict=True):
        steps.setdefault(sigma, set()).add(bool(hints))
    assert [told for _, told in sorted(steps.items(), reverse=True)] == [{True}] * 3 + [{False}] * 3


def test_together_or_alone_the_pictures_are_the_same():
    recipes = [tiled(tile_mode=mode, control_image=image) for mode in ("blend", "chess") for image in (CONTROL, OTHER)]
    alone = [draw(recipe, steered()).image for recipe in recipes]
    for one, together in zip(alone, draw_all(recipes, steered()), strict=True):
        np.testing.assert_array_equal(one, together.image)
    assert not np.array_equal(alone[0], alone[1])
    assert not np.array_equal(alone[2], alone[3])


class Kept:
    """Checkpoints that remember under what they were asked for, and forget nothing."""

    def __init__(self) -> None:
        self.found = {}

    def get(self, run, part):
        return self.found.get((run, part))

    def put(self, run, part, array):
        self.found[run, part] = array

    def drop(self, run):
        pass


@pytest.mark.parametrize("mode", ["blend", "linear"])
def test_what_was_kept_is_taken_up_for_the_same_control_picture_only(mode):
    checkpoints = Kept()

    def rows(control) -> int:
        model = steered()
        recipe = tiled(tile_mode=mode, control_image=control)
        more = {"clock": itertools.count().__next__, "files": FILES.__getitem__, "checkpoints": checkpoints}
        (rendered,) = render([recipe], model, **more)
        assert rendered.error is None
        return model.rows

    first = rows(CONTROL)
    runs = {run for run, _ in checkpoints.found}
    assert rows(CONTROL) == 0 < first
    assert rows(OTHER) == first
    assert {run for run, _ in checkpoints.found} > runs
