"""Contact sheets: sizes, labels inside their boxes, failures to be seen, pages that cover every cell once."""

import io
from itertools import combinations, product

import numpy as np
import pytest
from PIL import Image as Pictures
from PIL import ImageColor

from aldente.report import typeface
from aldente.report.layout import Limit
from aldente.report.palette import LIGHT
from aldente.report.sheet import Failed, Sheet, layouts, pages

LONG = "a very old castle in the rain seen from far away with a thousand windows, lit from inside, and one dog"


def waves(width=64, height=64, phase=0):
    y, x = np.mgrid[0:height, 0:width] / 9.0
    return np.stack([127 + 120 * np.sin(x + phase), 127 + 120 * np.cos(y - phase), 127 + 120 * np.sin(x * y)], -1).astype(
        np.uint8
    )


def grid(columns, rows, **changes):
    facts = {
        "title": "castle, 3d render",
        "x_label": "CFG scale",
        "x_values": [str(x) for x in range(columns)],
        "y_label": "Steps",
        "y_values": [str(y) for y in range(rows)],
        "cells": {(x, y): waves(phase=x + y) for x, y in product(range(columns), range(rows))},
    }
    return Sheet(**{**facts, **changes})


AWKWARD = {
    "plain": grid(4, 3),
    "one cell": Sheet(title="", x_values=["7"], cells={(0, 0): waves()}),
    "nothing made": grid(2, 2, cells={}),
    "long labels": grid(
        2, 2, x_values=[LONG, LONG + " 2"], y_values=["Euler ancestral " * 9, "x" * 200], title=LONG * 4, footer=LONG * 9
    ),
    "other scripts": grid(2, 2, x_values=["猫の城", "قلعة"], y_values=["замок", "κάστρο"], z_label="Prompt", z_value="城"),
    "wide": grid(2, 2, cells={(0, 0): waves(640, 80), (1, 1): Failed(reason=LONG)}, x_values=[LONG, "b"]),
    "tall": grid(2, 2, cells={(0, 0): waves(24, 400), (1, 1): Failed(reason=LONG * 3)}, y_values=[LONG, "b"]),
    "large": grid(2, 2, cells={(0, 0): waves(900, 900)}, chosen=(0, 0), notes={(0, 0): LONG * 3}),
    "far labels": grid(16, 12, notes={(3, 3): "26 calls"}),
    "split": grid(9, 7, x_values=[f"{LONG} {n}" for n in range(9)]),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_every_word_fits_its_box_and_every_box_its_page(name):
    limit = Limit(side_px=1200) if name == "split" else Limit()
    for plan in layouts(AWKWARD[name], limit=limit):
        for text in [*plan.texts, *(word for tile in plan.tiles for word in tile.words)]:
            face = typeface.font(text.size_px, text.look.weight)
            assert text.lines
            assert max(typeface.width(line, face) for line in text.lines) <= text.width
            assert len(text.lines) * typeface.line_height(face) <= text.height
            assert 0 <= text.x <= text.x + text.width <= plan.width
            assert 0 <= text.y <= text.y + text.height <= plan.height


def overlap(a, b):
    return min(a.x + a.width, b.x + b.width) > max(a.x, b.x) and min(a.y + a.height, b.y + b.height) > max(a.y, b.y)


@pytest.mark.parametrize("name", AWKWARD)
def test_nothing_covers_anything_else(name):
    for plan in layouts(AWKWARD[name], limit=Limit(side_px=1200) if name == "split" else Limit()):
        for one, other in combinations([*plan.texts, *plan.tiles], 2):
            assert not overlap(one, other), (one, other)


def test_small_pictures_are_enlarged_by_a_whole_number_and_large_ones_are_not():
    assert [layouts(grid(1, 1, cells={(0, 0): waves(n, n)}))[0].tiles[0].width for n in (64, 96, 128, 160, 300)] == [
        192,
        192,
        256,
        160,
        300,
    ]


def test_a_large_picture_is_on_the_sheet_bit_for_bit():
    art = waves(300, 200)
    sheet = grid(2, 1, cells={(1, 0): art}, chosen=(1, 0))
    tile = layouts(sheet)[0].tiles[1]
    shown = np.asarray(next(pages(sheet)).picture)
    assert (shown[tile.y : tile.y + 200, tile.x : tile.x + 300] == art).all()


def test_pictures_of_several_sizes_keep_their_proportion():
    sheet = grid(2, 1, cells={(0, 0): np.zeros((64, 64, 3), np.uint8), (1, 0): np.zeros((128, 128, 3), np.uint8)})
    shown = np.asarray(next(pages(sheet)).picture)
    black = [int((shown[t.y : t.y + t.height, t.x : t.x + t.width].max(-1) < 8).sum()) for t in layouts(sheet)[0].tiles]
    assert black == [128 * 128, 256 * 256]


def tile_pixels(sheet, at):
    plan = layouts(sheet)[0]
    tile = next(tile for tile in plan.tiles if tile.at == at)
    return tile, np.asarray(next(pages(sheet)).picture)[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]


def count(pixels, role):
    return int((pixels == ImageColor.getrgb(LIGHT[role])).all(-1).sum())


def test_a_failed_cell_is_hatched_and_gives_its_reason():
    tile, pixels = tile_pixels(grid(2, 2, cells={(1, 0): Failed(reason="out of memory: try a smaller batch")}), (1, 0))
    said = " ".join(line for text in tile.words for line in text.lines)
    assert tile.state == "failed"
    assert said == "failed out of memory: try a smaller batch"
    assert count(pixels, "line") > 1000
    assert count(pixels, "accent") > 500
    assert count(pixels, "ink") > 20


def test_a_cell_to_come_says_so_and_is_not_taken_for_a_failure():
    tile, pixels = tile_pixels(grid(2, 2, cells={(0, 0): None}), (0, 0))
    assert (tile.state, tile.words[0].lines) == ("missing", ("not yet",))
    assert count(pixels, "accent") == 0
    assert count(pixels, "muted") > 100


def test_the_frame_of_the_chosen_cell_lies_outside_of_it():
    framed, plain = (np.asarray(next(pages(grid(3, 3, chosen=c))).picture) for c in ((1, 1), None))
    tile = next(t for t in layouts(grid(3, 3))[0].tiles if t.at == (1, 1))
    changed = np.argwhere((framed != plain).any(-1))
    inside = (changed[:, 0] >= tile.y) & (changed[:, 0] < tile.y + tile.height) & (changed[:, 1] >= tile.x)
    assert len(changed) > 4 * 190
    assert not (inside & (changed[:, 1] < tile.x + tile.width)).any()
    assert count(framed, "accent") == len(changed)


@pytest.mark.parametrize(
    "limit", [Limit(side_px=700), Limit(side_px=1500), Limit(pixels=500_000), Limit(side_px=300, pixels=9000)]
)
def test_pages_show_every_cell_once_and_keep_to_the_limit(limit):
    plans = layouts(grid(11, 9), limit=limit)
    assert len(plans) > 1
    assert sorted(tile.at for plan in plans for tile in plan.tiles) == sorted(product(range(11), range(9)))
    if limit.side_px > 300:
        assert max(max(plan.width, plan.height) for plan in plans) <= limit.side_px
        assert max(plan.width * plan.height for plan in plans) <= limit.pixels


def test_each_page_repeats_its_labels_and_says_where_it_stands():
    plans = layouts(grid(6, 6), limit=Limit(side_px=900))
    for number, plan in enumerate(plans, start=1):
        said = [line for text in plan.texts for line in text.lines]
        assert {"CFG scale", "Steps", f"page {number} of {len(plans)}"} <= set(said)
        assert {str(x) for x in plan.columns} | {str(y) for y in plan.rows} <= set(said)


def test_pages_are_of_nearly_equal_size():
    plans = layouts(grid(10, 1), limit=Limit(side_px=2000))
    assert sorted(len(plan.columns) for plan in plans) == [5, 5]


def test_a_picture_larger_than_a_page_is_made_to_fit():
    page = next(pages(grid(1, 1, cells={(0, 0): waves(3000, 200)}), limit=Limit(side_px=1000)))
    assert max(page.picture.size) <= 1000


def test_the_same_sheet_gives_the_same_bytes_and_carries_its_text():
    first, second = (next(pages(grid(2, 2))).png({"parameters": "Steps: 4, Überschrift"}) for _ in range(2))
    assert first == second
    assert Pictures.open(io.BytesIO(first)).text == {"parameters": "Steps: 4, Überschrift"}


def test_a_sheet_refuses_cells_outside_of_its_axes():
    with pytest.raises(ValueError, match=r"\(2, 0\).*2 columns and 2 rows"):
        grid(2, 2, cells={(2, 0): None})
    with pytest.raises(ValueError, match="at least one value"):
        grid(2, 2, x_values=[], cells={})
