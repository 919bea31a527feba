"""Tiles of a model that knows whole things only are drawn mildly, unless it is said how."""

from dataclasses import replace

from aldente.recipe.settings import get_parameter
from aldente.studio.request import MILD, resolve, with_mild_tiles


def test_tiles_of_a_small_model_are_drawn_mildly_unless_it_is_said_how(bench, tmp_path):
    def strength(**settings):
        return get_parameter(resolve(bench, {"prompt": "a cat", "upscale_by": 2, **settings}), "tile_denoise")

    assert strength() is None
    assert strength(tile_mode="blend") == MILD
    assert strength(tile_mode="blend", tile_denoise=0.4) == 0.4
    info = replace(bench.model("pastina").info, native=((128, 128),))
    assert with_mild_tiles({"tile_mode": "blend"}, info) == {"tile_mode": "blend"}
