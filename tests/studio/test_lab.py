"""The lab on the real model: everything else is held, the base is shared, strips are read and written."""

import json

import pytest

from aldente.engine.errors import UserError
from aldente.recipe.settings import get_parameter
from aldente.studio.lab import VARIED, LabRun, read_lab, run_lab, set_up
from aldente.studio.lab_files import sentences_of, write_lab

BASE = {"prompt": "owl, 3d render", "steps": 10, "cfg": 4, "seed": 5, "sampler": "Euler a"}


def carried_out(bench, *vary, **facts):
    lab = set_up(bench, BASE, vary, **facts)
    return LabRun(lab=lab, drawn={one.recipe.digest(): one for one in run_lab(bench, lab)})


def test_a_lab_varies_the_usual_and_holds_everything_else(bench):
    lab = set_up(bench, BASE, ())
    assert tuple(strip.axes[0].parameter for strip in lab.strips) == VARIED
    for strip in lab.strips:
        name = strip.axes[0].parameter
        for cell in strip.cells():
            others = [other for other in ("sampler", "schedule", "steps", "cfg", "seed", "prompt") if other != name]
            assert [get_parameter(cell.recipe, other) for other in others] == [get_parameter(lab.base, o) for o in others]
        assert lab.base.digest() in {cell.recipe.digest() for cell in strip.cells()}
    assert lab.recipes()[0] == lab.base
    assert len(lab.recipes()) == sum(strip.size - 1 for strip in lab.strips) + 1


def test_several_seeds_are_rows_but_for_the_seeds_themselves(bench):
    lab = set_up(bench, BASE, ("cfg=2,4,8", "seed"), seeds=3)
    cfg, seed = lab.strips
    assert cfg.shape == (3, 3)
    assert seed.shape == (5,)
    assert lab.seeds == (5, 6, 7)


def test_effects_are_read_ranked_and_written(bench, tmp_path):
    run = carried_out(bench, "cfg=2,4,12", "steps=9,11", "seed")
    found = read_lab(run)
    sizes = {effect.parameter: effect.size.mean for effect in found.effects}
    assert sizes["steps"] < sizes["cfg"]
    assert sizes["steps"] < sizes["seed"]
    assert [len(effect.shifts) for effect in sorted(found.effects, key=lambda e: e.parameter)] == [2, 4, 2]
    files = write_lab(run, found, tmp_path / "lab", made="2030-01-02", command="aldente lab 'owl <b>'")
    page = files.page.read_text()
    assert found.sentence.split(" moves")[0] in page
    assert "owl &lt;b&gt;" in page
    assert page.count("data:image/png") == 3
    assert {path.name for path in files.sheets} == {"strip-cfg.png", "strip-steps.png", "strip-seed.png"}
    assert json.loads((files.folder / "reading.json").read_text())["sentence"] == found.sentence
    (cfg,) = (strip for strip in run.lab.strips if strip.axes[0].parameter == "cfg")
    assert [sentence.split(":")[0] for sentence in sentences_of(run, cfg, found.effects[0])] == [found.effects[0].label, "CFG"]


def test_seeds_give_bounds(bench):
    effect = read_lab(carried_out(bench, "cfg=4,12", seeds=3)).effects[0]
    assert effect.size.low < effect.size.mean < effect.size.high


def test_a_cell_that_cannot_be_drawn_fails_alone(bench, tmp_path):
    run = carried_out(bench, "eta=0.5,1", "sampler=euler_ancestral,dpmpp_2m")
    assert run.failed == []
    broken = LabRun(lab=set_up(bench, {**BASE, "eta": 0.5}, ("sampler=euler_ancestral,dpmpp_2m,dpmpp_2m_sde",)), drawn={})
    broken = LabRun(lab=broken.lab, drawn={one.recipe.digest(): one for one in run_lab(bench, broken.lab)})
    assert len(broken.failed) == 1
    (effect,) = read_lab(broken).effects
    assert [shift.label for shift in effect.shifts] == ["DPM++ 2M SDE"]
    write_lab(broken, read_lab(broken), tmp_path / "lab", made="2030-01-02", command="x")


def test_what_cannot_be_varied_is_refused(bench):
    with pytest.raises(UserError, match="cfg is varied twice"):
        set_up(bench, BASE, ("cfg", "cfg=1,2"))
    with pytest.raises(UserError, match="--vary 'cfg_rescale=a,b,c'"):
        set_up(bench, BASE, ("cfg_rescale",))
    with pytest.raises(UserError, match="did you mean 'steps'"):
        set_up(bench, BASE, ("stepz",))
    with pytest.raises(UserError, match="number of seeds is 0"):
        set_up(bench, BASE, (), seeds=0)
    with pytest.raises(UserError, match="base picture could not be drawn"):
        read_lab(LabRun(lab=set_up(bench, BASE, ()), drawn={}))
