"""Pages: well-formed, silent towards the network, deaf to hostile words, complete."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from aldente.report.curves import Curve, convergence, guidance
from aldente.report.grid_page import GridCell, GridPage, Plane, grid_page
from aldente.report.page import Picture, Plot, Table, picture
from aldente.report.palette import LIGHT
from aldente.report.tuning_page import Comparison, TuningPage, Verdict, tuning_page

HOSTILE = "<script>alert('x')</script>\"' onload=alert(1) & </script><img src=http://evil.example/x>"
VOID = {"meta", "img", "input", "br", "hr", "link"}


class Reader(HTMLParser):
    """Checks that tags nest, and gathers what a test asks about."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words, self.errors = [], [], [], []
        self.feed(text)
        self.close()
        self.errors += [f"{tag} is left open" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"stray </{tag}> at {self.getpos()}")

    def handle_data(self, words):
        if self.open[-1:] != ["style"] and self.open[-1:] != ["script"]:
            self.words.append(words)

    @property
    def said(self):
        return " ".join(" ".join(self.words).split())


def art(shade=90, side=32):
    return np.full((side, side, 3), shade, np.uint8)


@pytest.fixture(scope="module")
def plots():
    one = Curve(name="Euler", x=[4, 8, 16], y=[0.2, 0.1, 0.05])
    return [
        Plot(heading="Where more steps stop paying", reading="At 16.", figure=convergence([one], delta=0.06)),
        Plot(heading="How far guidance may go", reading="To 6.", figure=guidance([one], accepted=(5, 9))),
    ]


@pytest.fixture(scope="module")
def study(plots):
    return TuningPage(
        title="pastina, for production",
        about="Measured on 8 prompts.",
        made="14 March 2026",
        verdict=Verdict(
            setting="Euler, 16 steps", saving="16 steps instead of 50: 68 % saved", sentence="Sure.", facts=[("Cost", "32")]
        ),
        chosen_label="16 steps",
        dearest_label="50 steps",
        comparisons=[Comparison(heading="owl", chosen=picture(art(), alt="at 16"), dearest=picture(art(91), alt="at 50"))],
        sheets=[picture(art(40, 64), alt="sheet", caption="Framed is chosen.")],
        plots=plots,
        table=Table(columns=["Sampler", "Steps"], rows=[["Euler", "16"], ["Heun", "20"]], chosen=0, faint=frozenset([1])),
        why_not_more=["Nobody sees it."],
        limits=["Portraits were not measured."],
        provenance=[("Study", "3f9c")],
        use="aldente generate --preset p",
        reproduce="aldente tune --seeds 42",
    )


@pytest.fixture(scope="module")
def grid():
    def made(x, y):
        return GridCell(
            picture=picture(art(10 * x + y), alt=f"cell {x} {y}"),
            settings={"Steps": str(y), "CFG scale": str(x), "Seed": "42"},
            command=f"aldente generate --steps {y} --cfg {x}",
            note=f"{y} calls",
            file=f"cells/{x} {y}.png",
        )

    cells = {
        (0, 0): made(0, 0),
        (1, 0): made(1, 0),
        (0, 1): GridCell(reason="out of memory", settings={"Steps": "1", "Seed": "42"}),
    }
    return GridPage(
        title="castle",
        about="CFG scale × steps",
        made="14 March 2026",
        x_label="CFG scale",
        x_values=["5", "7"],
        y_label="Steps",
        y_values=["10", "20"],
        z_label="Sampler",
        planes=[Plane(value="Euler a", cells=cells, chosen=(1, 0)), Plane(value="Heun", cells={})],
        readings=[("Steps", "Detail saturates at 12.")],
        facts=[("Cells", "8")],
        reproduce="aldente grid castle",
    )


def test_pages_are_well_formed(study, grid):
    for text in (tuning_page(study), grid_page(grid)):
        assert text.startswith("<!DOCTYPE html>")
        assert Reader(text).errors == []


def test_pages_ask_the_network_for_nothing(study, grid):
    for text in (tuning_page(study), grid_page(grid)):
        for tag, attributes in Reader(text).tags:
            for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                assert (attributes.get(name) or "#").startswith(("data:image/", "#")), (tag, name)
        bare = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
        assert not re.search(r"https?:|//\w+\.\w|@import|fetch\(|XMLHttp|url\((?!#)", bare)
        assert "default-src 'none'" in text


def test_ids_are_unique_on_a_page_with_several_figures(study, grid):
    for text in (tuning_page(study), grid_page(grid)):
        ids = [attributes["id"] for _, attributes in Reader(text).tags if "id" in attributes]
        assert len(ids) == len(set(ids))


def test_the_report_says_everything_verdict_first(study):
    said = Reader(tuning_page(study)).said
    order = [
        "Euler, 16 steps",
        "16 steps instead of 50: 68 % saved",
        "See for yourself",
        "Side by side",
        "Where more steps stop paying",
        "How far guidance may go",
        "Every setting that was tried",
        "Nobody sees it.",
        "Portraits were not measured.",
        "3f9c",
        "aldente tune --seeds 42",
    ]
    places = [said.index(words) for words in order]
    assert places == sorted(places)
    assert "14 March 2026" in said


def test_what_is_empty_is_left_out(study):
    bare = TuningPage(title="t", about="a", made="m", verdict=study.verdict)
    text = tuning_page(bare)
    assert Reader(text).errors == []
    for heading in ("See for yourself", "Side by side", "Every setting", "Why not", "does not say", "comes from", "Use it"):
        assert heading not in Reader(text).said


def test_figures_take_the_colours_of_the_page(study):
    drawing = re.search(r"<svg.*?</svg>", tuning_page(study), re.DOTALL).group()
    assert "var(--series-1)" in drawing
    assert not any(colour in drawing for colour in LIGHT.values())


def test_the_chosen_and_the_faint_row_are_marked(study):
    text = tuning_page(study)
    assert re.search(r'<tr class="chosen"><td>Euler</td><td class="number">16</td>', text)
    assert re.search(r'<tr class="faint"><td>Heun</td>', text)


def hostile(value):
    """The same page with every word of it hostile."""
    if isinstance(value, str):
        return HOSTILE if value else value
    if isinstance(value, dict):
        return {(hostile(k) if isinstance(k, str) else k): hostile(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and not all(isinstance(v, int) for v in value):
        return type(value)(hostile(v) for v in value)
    if hasattr(value, "__dataclass_fields__") and not hasattr(value, "svg"):
        kept = {"file"} if isinstance(value, Picture) else set()
        return replace(
            value, **{name: hostile(getattr(value, name)) for name in value.__dataclass_fields__ if name not in kept}
        )
    return value


@pytest.mark.parametrize("kind", ["study", "grid"])
def test_hostile_words_stay_words(kind, study, grid):
    calm, text = (
        (tuning_page(study), tuning_page(hostile(study))) if kind == "study" else (grid_page(grid), grid_page(hostile(grid)))
    )
    wanted, found = Reader(calm), Reader(text)
    assert found.errors == []
    assert HOSTILE in found.said
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in wanted.tags]
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)


def details(text):
    return json.loads(re.search(r'<script type="application/json" id="cells">(.*?)</script>', text, re.DOTALL).group(1))


def test_the_grid_shows_each_cell_in_its_state(grid):
    text = grid_page(grid)
    said = Reader(text).said
    assert said.count("not yet") == 1 + 4
    assert "failed out of memory" in said
    assert "Detail saturates at 12." in said
    assert text.count('class="cell" data-at') == 2
    assert re.search(r'<td class="chosen">\s*<button type="button" class="cell" data-at="0-1-0">', text)


def test_an_opened_cell_knows_its_settings_command_and_file(grid):
    found = details(grid_page(grid))
    assert set(found) == {"0-0-0", "0-1-0", "0-0-1"}
    cell = found["0-1-0"]
    assert cell["title"] == "CFG scale 7  ·  Steps 10  ·  Sampler Euler a"
    assert cell["settings"] == [["Steps", "0", True], ["CFG scale", "1", True], ["Seed", "42", False]]
    assert cell["command"] == "aldente generate --steps 0 --cfg 1"
    assert cell["file"] == "cells/1%200.png"
    assert found["0-0-1"]["reason"] == "out of memory"


def test_a_larger_picture_waits_for_the_details(grid):
    full = picture(art(7, 200), alt="full")
    small = picture(art(7, 200), alt="small", side_px=50)
    assert small.size == (50, 50)
    plane = Plane(cells={(0, 0): GridCell(picture=small, full=full)})
    text = grid_page(replace(grid, planes=[plane]))
    assert details(text)["0-0-0"]["full"] == full.uri
    assert small.uri in text


def test_pages_are_the_same_bytes_each_time(study, grid):
    assert tuning_page(study) == tuning_page(study)
    assert grid_page(grid) == grid_page(grid)


def test_what_no_browser_shows_is_refused():
    with pytest.raises(ValueError, match="'notes' is neither PNG"):
        _ = Picture(file=b"hello", alt="notes").uri
