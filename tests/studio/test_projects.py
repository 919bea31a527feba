"""Projects drawn: resumed, gated, within their budget, tried side by side; and wildcards from files."""

import csv

import pytest
from PIL import Image

from aldente.engine.errors import UserError
from aldente.store.encodings import read_embedded
from aldente.studio.projects.opening import bundled, open_project, opened_from
from aldente.studio.projects.planning import plan_project
from aldente.studio.projects.producing import Production, estimate, produce, report
from aldente.studio.projects.running import check_gates, run_project
from aldente.studio.projects.trial import plan_trial, run_trial, table_of, write_trial
from aldente.studio.wildcards import wildcards_in

QUICK = '[settings]\nsteps = 2\ncfg = 3\nsampler = "euler"\n'


def opened(text, folder):
    return opened_from(f'[project]\nname = "P"\n{text}', folder, small=False, what="p.toml")


@pytest.fixture
def three(tmp_path):
    return opened(f'batch = 2\n[subjects]\nprompts = ["an owl", "a cat", "a dog"]\n{QUICK}', tmp_path)


def results(bench, plan, **more):
    return sorted(run_project(bench, plan, **more), key=lambda one: one.shot.number)


def test_a_project_is_drawn_once_and_taken_from_the_store_then(bench, three):
    plan = plan_project(bench, three)
    first = results(bench, plan)
    assert [one.drawn.reused for one in first] == [False] * 3
    assert [one.drawn.recipe.seed for one in first] == [1, 2, 3]
    again = results(bench, plan_project(bench, three))
    assert [one.drawn.reused for one in again] == [True] * 3
    assert [one.drawn.record.id for one in again] == [one.drawn.record.id for one in first]


def test_a_picture_leads_to_its_project(bench, three):
    plan = plan_project(bench, three)
    ids = {one.drawn.record.id for one in results(bench, plan)}
    assert {record.study for record in bench.store.history()} == {plan.study}
    study = bench.store.study(plan.study)
    assert (study.kind, study.state, study.spec["text"]) == ("project", "finished", three.text)
    assert {row.body["record"] for row in bench.store.study_rows(plan.study)} == ids


def test_a_cancelled_run_goes_on_where_it_stopped(bench, three):
    plan = plan_project(bench, three)
    seen = []
    run = run_project(bench, plan, cancelled=lambda: len(seen) >= 2)
    for one in run:
        seen.append(one)
    assert len(seen) == 2
    assert bench.store.study(plan.study).state == "running"
    assert [one.drawn.reused for one in results(bench, plan)] == [True, True, False]


def test_gates_reject_and_redraw_with_the_next_seed(bench, tmp_path):
    gate = '[[gates]]\nsign = "blown"\nat_most = -1\n[seeds]\nredraws = 2\n'
    plan = plan_project(bench, opened(f'[subjects]\nprompts = ["an owl", "a cat"]\n{QUICK}{gate}', tmp_path))
    first, second = results(bench, plan)
    assert not first.kept
    assert "at most -1" in first.reasons[0]
    assert [one.drawn.recipe.seed for one in first.rejected] == [1, 3]
    assert first.drawn.recipe.seed == 5
    assert [one.drawn.recipe.seed for one in second.rejected] == [2, 4]
    assert len(bench.store.history()) == 6, "what is rejected stays in the store"
    assert len(bench.store.study_rows(plan.study)) == 6


def test_a_gate_may_compare_with_other_settings(bench, tmp_path):
    gate = '[[gates]]\nsign = "chroma"\nat_most = 1000\nat_least = -1000\nthan = {cfg = 1}\n'
    (one,) = results(bench, plan_project(bench, opened(f'[subjects]\nprompts = ["an owl"]\n{QUICK}{gate}', tmp_path)))
    assert one.kept
    assert one.beside[0].recipe.sampling.guidance.scale == 1
    assert len(one.every) == 2


def test_an_unknown_sign_is_refused_with_the_nearest(bench, tmp_path):
    project = opened('[subjects]\nprompts = ["x"]\n[[gates]]\nsign = "blow"\nat_most = 1', tmp_path).project
    with pytest.raises(UserError, match="did you mean 'blown'"):
        check_gates(project.gates)


def test_the_budget_ends_a_run_and_a_larger_one_goes_on(bench, tmp_path):
    text = f'batch = 2\n[subjects]\nprompts = ["an owl", "a cat", "a dog"]\n{QUICK}[budget]\ncalls = %d\n'
    small = plan_project(bench, opened(text % 9, tmp_path))
    assert len(results(bench, small)) == 2, "each takes two steps of two calls"
    large = plan_project(bench, opened(text % 100, tmp_path))
    assert large.study == small.study
    assert [one.drawn.reused for one in results(bench, large)] == [True, True, False]


def test_rows_of_a_csv_file_fill_and_set(bench, tmp_path):
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["what", "cfg"], ["an owl, red", "2"], ["a cat", ""]])
    rows = opened(f'[subjects]\ncsv = "rows.csv"\nprompt = "${{what}}, 3d render"\nsets = ["cfg"]\n{QUICK}', tmp_path)
    shots = plan_project(bench, rows).shots
    assert [shot.recipe.prompt for shot in shots] == ["an owl, red, 3d render", "a cat, 3d render"]
    assert [shot.recipe.sampling.guidance.scale for shot in shots] == [2, 3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "first line must name the columns"),
        ("a,a\n1,2\n", "each once"),
        ("a,b\n1\n", "row 2 has not as many"),
        ("a,b\n1,2,3\n", "row 2 has not as many"),
        ('a\n"x\n', "it is not CSV"),
    ],
)
def test_odd_csv_files_are_refused(tmp_path, content, words):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(UserError, match=words):
        _ = opened('[subjects]\ncsv = "rows.csv"\nprompt = "${a}"', tmp_path).subjects


def test_variants_and_axes_multiply(bench, tmp_path):
    more = '[[variants]]\nname = "a"\n[[variants]]\nname = "b"\nsettings = {cfg = 5}\n'
    both = opened(f'axes = ["steps=1,2"]\n[subjects]\nprompts = ["an owl"]\n{QUICK}{more}', tmp_path)
    shots = plan_project(bench, both).shots
    told = [(shot.label, shot.recipe.sampling.guidance.scale, shot.recipe.sampling.steps) for shot in shots]
    assert told == [("a, 1", 3, 1), ("a, 2", 3, 2), ("b, 1", 5, 1), ("b, 2", 5, 2)]


def test_a_reference_is_drawn_first_and_followed(bench, tmp_path):
    text = (
        '[[references]]\nname = "base"\nprompt = "an owl"\nseed = 5\n'
        f'[subjects]\nprompts = ["a cat"]\n{QUICK}image = "@base"\ndenoise = 0.5\n'
    )
    (shot,) = plan_project(bench, opened(text, tmp_path)).shots
    assert [stage.kind for stage in shot.recipe.stages] == ["source", "redraw"]
    (first,) = bench.store.history()
    assert (first.recipe.prompt, first.recipe.seed) == ("an owl", 5)
    with pytest.raises(UserError, match="did you mean '@base'"):
        plan_project(bench, opened(text.replace("@base", "@bas"), tmp_path))


def test_files_formats_sidecars_and_report(bench, tmp_path):
    outputs = '[outputs]\nname = "{subject}"\nformat = "webp"\nsidecar = "toml"\n'
    plan = plan_project(bench, opened(f'[subjects]\nprompts = ["an owl", "an owl"]\n{QUICK}{outputs}', tmp_path))
    production = Production(plan=plan, place=tmp_path / "out")
    assert estimate(bench, plan, production.place).forecast.calls == 8
    paths = sorted(path.name for _, path in produce(bench, production) if path is not None)
    assert paths == ["an-owl-1.webp", "an-owl-2.webp"]
    assert read_embedded(tmp_path / "out" / "an-owl-1.webp").recipe == plan.shots[0].recipe
    page = report(bench, production, command="aldente run p.toml").read_text()
    assert "2 of 2" in page
    assert 'href="an-owl-2.webp"' in page
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert there >= {"contact-sheet.png", "report.json", "project.toml", "an-owl-1.webp.toml", "index.html"}
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.width > 200


def test_an_a_b_costs_and_shows_each_choice(bench, tmp_path):
    ab = '[ab]\nsubjects = 1\nchoices = [{name = "one", settings = {steps = 1}}, {name = "four", settings = {steps = 4}}]\n'
    both = opened(f'[subjects]\nprompts = ["an owl", "a cat"]\n{QUICK}{ab}', tmp_path)
    trial = both.project.ab
    sides = run_trial(bench, trial, plan_trial(bench, both, trial))
    rows = table_of(sides).rows
    assert [(row[0], row[2], row[3]) for row in rows] == [("one", "1 of 1", "2"), ("four", "1 of 1", "8")]
    assert {path.name for path in write_trial(sides, tmp_path, made="", command="")} == {"ab.html", "ab.png"}


def test_wildcards_come_from_files_of_all_kinds(tmp_path):
    (tmp_path / "animals").mkdir()
    (tmp_path / "animals" / "birds.txt").write_text("# a comment\nowl\n3::crow\n\n")
    (tmp_path / "animals" / "fish.txt").write_text("cod\n")
    (tmp_path / "more.json").write_text('{"colours": ["red", "2::blue"], "deep": {"sea": ["kelp"]}}')
    (tmp_path / "yet.yaml").write_text("styles: [3d, flat]\n")
    lists = wildcards_in([tmp_path])
    assert lists("animals/birds") == (("owl", 1.0), ("crow", 3.0))
    assert lists("birds") == lists("animals/birds")
    assert [text for text, _ in lists("animals/*")] == ["owl", "crow", "cod"]
    assert dict(lists("colours")) == {"red": 1.0, "blue": 2.0}
    assert [text for text, _ in lists("styles")] == ["3d", "flat"]
    assert [text for text, _ in lists("deep/sea")] == ["kelp"]
    with pytest.raises(UserError, match=r"did you mean '__colours__'.*Looked in"):
        lists("colors")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UserError, match=r"broken\.json cannot be read"):
        wildcards_in([tmp_path])("birds")


@pytest.mark.parametrize("name", sorted(bundled()))
def test_bundled_projects_can_be_planned(bench, name):
    for small in (False, True):
        plan = plan_project(bench, open_project(name, small=small), draw_references=False)
        assert len(plan.shots) == {"character": (20, 6), "textures": (104, 6), "pipeline": (2, 1)}[name][small]
