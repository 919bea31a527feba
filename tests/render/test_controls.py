"""Control pictures steer every pass, for their share of the steps, by their weight."""

import numpy as np
import pytest
from rendering import Analytic, draw, hole, kept, picture, small, tiny

from aldente.engine.errors import UserError
from aldente.models.preprocessing import find_preprocessor
from aldente.recipe.stages import Control
from aldente.render.controls import Steer

CONTROL = kept(picture(32, 32, 5))


def steered(family="exploding") -> Analytic:
    return Analytic(family=family, controls=("canny", "scribble"))


def controlled(**settings):
    return small(**{"control_image": CONTROL, "sampler": "euler", "steps": 10, "cfg": 1.0, **settings})


def acting(model) -> list[int]:
    return [step for step, hints in enumerate(model.hints) if hints]


@pytest.mark.parametrize(
    ("start", "end", "steps"),
    [(0.0, 1.0, range(10)), (0.0, 0.5, range(6)), (0.3, 0.7, range(3, 8)), (0.25, 1.0, range(3, 10)), (0.0, 0.0, range(1))],
)
def test_it_acts_in_its_share_of_the_steps_as_a1111_counts_them(start, end, steps):
    model = steered()
    draw(controlled(control_start=start, control_end=end), model)
    assert acting(model) == list(steps)


def test_the_picture_follows_it_by_its_weight():
    plain = draw(small(sampler="euler", cfg=1.0, steps=10), steered()).latent
    towards = steered().encode_image(picture(32, 32, 5))
    moved = [draw(controlled(control_weight=w), steered()).latent - plain for w in (0.0, 0.5, 1.0)]
    along = [float((m[:, :1] * towards[:, :1]).sum()) for m in moved]
    assert along[0] == 0.0
    assert 0.0 < along[1] < along[2]


def test_prompt_and_negative_prompt_are_steered_alike():
    model = steered()
    draw(controlled(cfg=5.0, steps=1), model)
    assert model.hints[0] == model.hints[1] != ()


def test_several_controls_act_together():
    model = steered()
    pair = (Control(image=CONTROL, type="canny"), Control(image=CONTROL, type="scribble", weight=0.5, end=0.4))
    draw(small(steps=10, cfg=1.0, sampler="euler").model_copy(update={"controls": pair}), model)
    assert [len(hints) for hints in model.hints] == [2] * 5 + [1] * 5


def test_it_is_prepared_at_the_size_of_every_pass():
    model = steered()
    draw(controlled(control_preprocessor="canny", upscale_by=2.0, upscaler="latent", hires_denoise=0.5), model)
    canny = find_preprocessor("canny").apply
    assert model.hints[0][0][0] == model.control("canny", canny(picture(32, 32, 5)))
    assert model.hints[-1][0][0].shape == (2, 8, 8)


def test_it_is_cut_where_only_the_masked_part_is_drawn():
    model = steered()
    source = kept(picture())
    masked = {"mask": kept(hole(32, 32, (12, 12, 14, 14))), "mask_blur": 0, "inpaint_area": "only_masked", "mask_padding": 3}
    draw(controlled(image=source, **masked), model)
    part = model.hints[-1][0][0]
    assert part.shape == (2, 4, 4)
    assert part != model.control("canny", picture(32, 32, 5))


def test_words_that_change_and_controls_that_end_are_told_apart():
    model = steered()
    draw(controlled(prompt="[cat:horse:0.5]", control_end=0.2), model)
    assert [words for _, words in model.asked] == ["cat"] * 5 + ["horse"] * 5
    assert acting(model) == [0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"control_image": CONTROL, "control_type": "depth"}, "control_type is 'depth'; .* is one of: canny, scribble"),
        ({"control_weight": 0.4}, "control_weight is set, but control_image is not given"),
        ({"control_image": CONTROL, "control_preprocessor": "cany"}, "control_preprocessor 'cany' .* did you mean 'canny'"),
        ({"control_image": CONTROL, "control_start": 0.8, "control_end": 0.2}, "control_start must not be above the end"),
        ({"control_image": CONTROL, "image": CONTROL}, "control_image is set, but no stage draws anything by it"),
    ],
)
def test_what_cannot_be_is_told(settings, words):
    with pytest.raises(UserError, match=words):
        draw(tiny(**settings), steered())


def test_a_model_that_takes_none_says_so():
    with pytest.raises(UserError, match="control_type is 'canny', but model 'analytic' takes no control pictures"):
        draw(controlled(), Analytic())


def test_steps_are_counted_from_the_first_of_the_pass():
    assert Steer("hint", 1.0, 0.0, 0.5).acts(5, 10)
    assert not Steer("hint", 1.0, 0.0, 0.5).acts(6, 10)
    assert not Steer("hint", 0.0).acts(0, 1)


def test_pastina_follows_lines(model):
    lines = kept(np.asarray(hole(64, 64, (16, 16, 48, 48))))
    settings = {"width": 64, "height": 64, "cfg": 3.0, "steps": 12, "prompt": "a red apple, 3d render"}
    free = draw(small(**settings), model).latent
    held = draw(small(**settings, control_image=lines, control_type=model.info.controls[-1]), model).latent
    assert np.abs(held - free).max() > 0.05
