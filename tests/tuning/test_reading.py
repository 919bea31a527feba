"""A grid's reading finds where pictures settle and where flaws set in, and says it in a sentence."""

import numpy as np
import pytest
from fake_world import World

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.tuning.reading import GridAxis, GridReading, read_grid

STEPS, CFGS, SAMPLERS = (40, 5, 10, 20), (4.0, 7.0, 10.0, 15.0), ("dpmpp_2m", "heun")
WORLD = World({"dpmpp_2m": (600.0, -2.0), "heun": (500.0, -2.0)}, spread=0.0, fried=9.0)


def axes():
    return (
        GridAxis(parameter="steps", labels=tuple(map(str, STEPS)), values=STEPS),
        GridAxis(parameter="cfg", labels=("4", "7", "10", "15"), values=CFGS),
        GridAxis(parameter="sampler", labels=("DPM++ 2M", "Heun"), values=SAMPLERS),
    )


def cells():
    found = {}
    for i, steps in enumerate(STEPS):
        for j, cfg in enumerate(CFGS):
            for k, sampler in enumerate(SAMPLERS):
                recipe = set_parameters(Recipe(prompt="a hill"), {"steps": steps, "cfg": cfg, "sampler": sampler})
                found[i, j, k] = WORLD.outcome(recipe).image
    return found


def read(found=None, chosen=None):
    return read_grid(chosen or axes(), cells() if found is None else found)


def test_steps_settle_where_no_later_stop_is_noticeable():
    steps = read().axes[0]
    assert steps.points == ("5", "10", "20", "40")
    assert [change.start for change in steps.changes] == ["5", "10", "20"]
    assert steps.changes[0].jnd > steps.changes[1].jnd > steps.changes[2].jnd
    assert steps.settles == "20"
    assert steps.changes[1].jnd > 1.0 >= steps.changes[2].jnd
    assert "the picture settles at 20: no later stop moves it by more than 1 JND (the stop before, 10 to 20" in steps.sentence
    assert steps.detail[0] > steps.detail[-1]


def test_unsettled_steps_are_said_to_be():
    few = {at: image for at, image in cells().items() if STEPS[at[0]] <= 10}
    steps = read(few).axes[0]
    assert steps.settles is None
    assert "not settled at 10: the stop from 5 still moves" in steps.sentence
    assert steps.detail[2:] == (None, None)


def test_cfg_is_fine_until_it_is_fried():
    cfg = read().axes[1]
    assert (cfg.guidance.low, cfg.guidance.high) == (4.0, 7.0)
    assert cfg.guidance.limit_above.value == 10.0
    assert "from CFG 10 on" in cfg.sentence


def test_other_axes_are_read_by_the_size_of_their_changes():
    sampler = read().axes[2]
    assert sampler.parameter == "sampler"
    assert sampler.changes[0].pairs == 16
    assert sampler.sentence.startswith("Sampler: from DPM++ 2M to Heun the pictures differ by")
    assert 0 <= sampler.changes[0].composition < 0.2


def test_missing_cells_are_left_out_and_a_lost_line_leaves_the_axis_unread():
    found = cells()
    del found[0, 0, 0]
    reading = read(found)
    assert reading.cells == len(found)
    assert reading.axes[2].changes[0].pairs == 15
    one = {(0, 0, 0): cells()[0, 0, 0], (1, 1, 1): cells()[1, 1, 1]}
    assert read(one).axes == ()
    with pytest.raises(UserError, match="without pictures"):
        read({})


def test_pictures_of_different_sizes_are_not_subtracted():
    sizes = (GridAxis(parameter="width", labels=("48", "24"), values=(48, 24)),)
    image = cells()[0, 0, 0]
    assert read({(0,): image, (1,): np.ascontiguousarray(image[:, :24])}, sizes).axes == ()


def test_a_reading_survives_json():
    reading = read()
    assert GridReading.model_validate_json(reading.model_dump_json()) == reading


def test_a_cfg_axis_with_no_whole_line_has_no_range_but_its_changes():
    found = {(i, j): cells()[1, i, 0] for i in range(4) for j in range(2) if (i, j) not in ((0, 0), (3, 1))}
    two = (axes()[1], GridAxis(parameter="seed", labels=("1", "2"), values=(1, 2)))
    cfg = read(found, two).axes[0]
    assert cfg.guidance is None
    assert len(cfg.changes) == 3
    assert cfg.sentence.startswith("CFG: neighbours differ by")


def test_an_axis_of_three_names_its_largest_change():
    seeds = (GridAxis(parameter="seed", labels=("1", "2", "3"), values=(1, 2, 3)),)
    images = {(i,): WORLD.outcome(set_parameters(Recipe(prompt="a hill"), {"seed": i, "steps": 20})).image for i in range(3)}
    (seed,) = read(images, seeds).axes
    largest = max(seed.changes, key=lambda change: change.jnd)
    assert f"most from {largest.start} to {largest.end}; composition shifts most" in seed.sentence
    assert min(change.composition for change in seed.changes) > 0.2
