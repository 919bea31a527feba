"""Figures: the words and lines they must hold, SVG that parses, the same bytes for the same input."""

import hashlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageColor

from aldente.report.curves import Curve, convergence, guidance
from aldente.report.fronts import Bar, Point, costs, pareto
from aldente.report.palette import DARK, LIGHT, SERIES
from aldente.report.plot import plain, spread

STEPS = [4, 6, 8, 12, 16, 20, 28, 40]
SVG = "{http://www.w3.org/2000/svg}"


def curve(name, power, mark=None, **more):
    y = [5.0 * n**power for n in STEPS]
    return Curve(name=name, x=STEPS, y=y, low=[v * 0.8 for v in y], high=[v * 1.2 for v in y], mark=mark, **more)


CURVES = [curve("DPM++ 2M Karras", -2.2, 16, aside="from 16"), curve("Euler <b>&</b> $x$ 猫", -0.9)]


def words(figure):
    return [text.text for text in ET.fromstring(figure.svg).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def steps_figure():
    return convergence(CURVES, delta=0.012, floor=0.0009)


def test_the_convergence_figure_names_its_curves_rules_and_axes(steps_figure):
    said = words(steps_figure)
    assert {"DPM++ 2M Karras · from 16", "Euler <b>&</b> $x$ ▯", "good enough: 0.012", "noise floor: 0.0009"} <= set(said)
    assert {"steps", "distance to the converged picture", "4", "16", "40", "0.01"} <= set(said)


def test_the_convergence_figure_draws_bands_lines_and_the_plateau(steps_figure):
    svg = steps_figure.svg
    assert svg.count("fill-opacity: 0.16") == len(CURVES)
    for role in SERIES[: len(CURVES)]:
        assert f"stroke: {LIGHT[role]}" in svg
    without = convergence([curve("DPM++ 2M Karras", -2.2), CURVES[1]], delta=0.012, floor=0.0009).svg
    assert svg.count("<use") == without.count("<use") + 1


def test_figures_are_small_lean_and_complete(steps_figure):
    assert len(steps_figure.svg) < 20_000
    assert steps_figure.png.startswith(b"\x89PNG")
    assert ET.fromstring(steps_figure.svg).find(f"{SVG}title").text.startswith("How far each step count")
    for foreign in ("metadata", "<!--", "<style", "20:", "Matplotlib"):
        assert foreign not in steps_figure.svg
    for node in ET.fromstring(steps_figure.svg).iter(f"{SVG}g"):
        assert "id" not in node.attrib


def test_every_reference_inside_a_figure_is_answered_and_two_figures_share_none(steps_figure):
    other = guidance(CURVES, accepted=(6, 12))
    ids = [{node.get("id") for node in ET.fromstring(figure.svg).iter() if node.get("id")} for figure in (steps_figure, other)]
    used = {
        node.get("{http://www.w3.org/1999/xlink}href").removeprefix("#")
        for node in ET.fromstring(steps_figure.svg).iter(f"{SVG}use")
    }
    assert used
    assert used <= ids[0]
    assert not ids[0] & ids[1]


def test_figures_are_the_same_in_another_process_with_other_hashes(steps_figure):
    program = (
        "import hashlib; from aldente.report.curves import *; S=[4,6,8,12,16,20,28,40]\n"
        "def c(n,p,m=None,a=''):\n"
        " y=[5.0*s**p for s in S]; return Curve(name=n,x=S,y=y,low=[v*.8 for v in y],high=[v*1.2 for v in y],mark=m,aside=a)\n"
        "f=convergence([c('DPM++ 2M Karras',-2.2,16,'from 16'),c('Euler <b>&</b> $x$ 猫',-0.9)],delta=.012,floor=.0009)\n"
        "print(hashlib.sha256(f.svg.encode()+f.png).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8"}
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()
    assert told == hashlib.sha256(steps_figure.svg.encode() + steps_figure.png).hexdigest()


def test_a_curve_that_reaches_zero_keeps_its_name():
    figure = convergence([Curve(name="itself", x=[4, 8], y=[0.1, 0.0])], delta=0.01)
    assert "itself" in words(figure)


def test_the_guidance_figure_says_what_is_accepted():
    figure = guidance([Curve(name="clipped area", x=[1, 4, 9], y=[0.9, 1, 3])], accepted=(2.5, 6), baseline=4, limit=1.25)
    assert {"accepted 2.5 – 6", "baseline", "limit", "clipped area", "CFG scale"} <= set(words(figure))
    assert f"fill: {LIGHT['accept']}" in figure.svg


def test_the_pareto_picture_names_the_chosen_and_the_front_only():
    points = [
        Point(name="chosen one", cost=32, loss=0.01, low=0.008, high=0.012, chosen=True),
        Point(name="cheap", cost=8, loss=0.2),
        Point(name="dominated", cost=90, loss=0.1, dominated=True),
    ]
    figure = pareto(points, delta=0.012)
    said = words(figure)
    assert {"chosen one", "cheap", "good enough: 0.012", "model calls"} <= set(said)
    assert "dominated" not in said
    assert f"stroke: {LIGHT['accent']}" in figure.svg


def test_names_of_one_crowded_front_never_lie_on_each_other():
    crowd = [Point(name=f"a setting with a name {n}", cost=30 + n / 10, loss=0.1 - n / 1e4) for n in range(12)]
    far = Point(name="far", cost=900, loss=0.0001)
    shown = {word for word in words(pareto([*crowd, far])) if word.startswith("a setting") or word == "far"}
    assert "far" in shown
    assert 2 <= len(shown) < 12


def test_the_bars_give_each_cost_in_numbers():
    figure = costs([Bar(name="tuned", cost=32, note="0.5 s", chosen=True), Bar(name="N" * 200, cost=1980)], unit="calls")
    assert {"tuned", "32 calls · 0.5 s", "1,980 calls", "N" * 43 + "…"} <= set(words(figure))
    assert figure.svg.count(f"fill: {LIGHT['accent']}") == 1


@pytest.mark.parametrize(("delta", "floor"), [(1e-9, 1e-12), (1e9, 1e-12), (0.5, 1e-30)])
def test_lines_far_from_all_curves_do_not_crush_the_figure(delta, floor):
    figure = convergence([curve("Euler", -1.0)], delta=delta, floor=floor)
    assert "good enough" in figure.svg
    assert "noise floor" not in figure.svg


def test_a_band_without_end_does_not_crush_the_figure():
    wild = Curve(name="Euler", x=[5, 10, 20], y=[9.0, 2.0, 0.5], low=[0.0] * 3, high=[1e101, 1e57, 2.0])
    assert "Euler" in words(convergence([wild], delta=1.0))


@pytest.mark.parametrize("empty", [lambda: convergence([]), lambda: guidance([]), lambda: pareto([]), lambda: costs([])])
def test_nothing_to_draw_is_said(empty):
    with pytest.raises(ValueError, match="at least one"):
        empty()


def test_curves_with_parts_of_unequal_length_or_a_stray_mark_are_refused():
    with pytest.raises(ValueError, match="one length"):
        Curve(name="c", x=[1, 2], y=[1])
    with pytest.raises(ValueError, match="its mark 3"):
        Curve(name="c", x=[1, 2], y=[1, 2], mark=3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.3))
def test_spread_names_keep_their_distance_and_stay_inside(wanted, gap):
    placed = spread(wanted, gap, 0.0, 1.0)
    room = min(gap, 1 / max(1, len(wanted) - 1))
    assert min(placed) >= -1e-9
    assert max(placed) <= 1 + 1e-9
    assert all(b - a >= room - 1e-9 for a, b in zip(sorted(placed), sorted(placed)[1:], strict=False))
    assert [wanted[i] for i in np.argsort(placed, kind="stable")] == sorted(wanted)


def test_ticks_read_as_people_write():
    assert [plain(v) for v in (0.012, 12.0, 3000, 0.5)] == ["0.012", "12", "3,000", "0.5"]


def _lab(rgb):
    white = np.array([0.9505, 1.0, 1.089])
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb / white
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _linear(colour):
    rgb = np.array(ImageColor.getrgb(colour)) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _seen(colour, sight):
    """The colour in Lab as dichromats see it, by the linear model of Vienot, Brettel and Mollon (1999)."""
    rgb = _linear(colour)
    if sight == "full":
        return _lab(rgb)
    from_red, from_blue = {"protanopia": (0.11238, 0.00401), "deuteranopia": (0.29275, -0.02234)}[sight]
    shared = from_red * rgb[0] + (1 - from_red) * rgb[1]
    return _lab(np.clip([shared, shared, from_blue * (rgb[0] - rgb[1]) + rgb[2]], 0, 1))


@pytest.mark.parametrize("sight", ["full", "protanopia", "deuteranopia"])
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_series_differ_to_every_eye(palette, sight):
    seen = [_seen(palette[role], sight) for role in SERIES]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) >= 25


def _luminance(colour):
    return float(_linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_words_stand_out_from_the_paper(palette):
    def contrast(role):
        high, low = sorted((_luminance(palette[role]), _luminance(palette["paper"])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    assert contrast("ink") > 12
    assert min(contrast(role) for role in ("muted", "accent")) >= 4.5
    assert min(contrast(role) for role in SERIES) >= 3.0


def test_no_two_roles_share_a_colour_and_both_palettes_have_the_same_roles():
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert list(LIGHT) == list(DARK)
