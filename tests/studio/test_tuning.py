"""A study on the embedded model: references are drawn once, noise is one path, and its numbers leave in open formats."""

import csv
import io
from xml.etree import ElementTree

import pytest
import small_study

from aldente.engine.errors import UserError
from aldente.store import open_store
from aldente.studio import tables
from aldente.studio.tuning_export import guidance_of, pictures_of, save_figures, save_tables, settings_of
from aldente.studio.tuning_report import plots_of, report_of
from aldente.studio.workbench import Workbench
from aldente.tuning.study import Guarantee, Pair


@pytest.fixture(scope="module")
def runs(tmp_path_factory, loaded):
    """One study, then another on the same prompts: another goal, a sampler more, one of them with noise."""
    with open_store(str(tmp_path_factory.mktemp("runs") / "store.db")) as store:
        bench = Workbench(store=store, load=lambda _: loaded, draw_seed=lambda: 77)
        first = small_study.run(bench)
        pairs = tuple(Pair(sampler=name, schedule="karras") for name in ("dpmpp_2m", "uni_pc", "euler_ancestral"))
        second = small_study.run(bench, goal="draft", pairs=pairs, cfgs=(), name="other")
        yield first, second


def references(run, sampler):
    return [
        drawn for drawn in run.drawn.values() if (drawn.recipe.sampling.sampler, drawn.recipe.sampling.steps) == (sampler, 40)
    ]


def test_a_second_study_of_the_same_prompts_pays_for_no_reference_again(runs):
    first, second = runs
    assert [drawn.reused for drawn in references(first, "dpmpp_2m")] == [False] * 3
    assert [drawn.reused for drawn in references(second, "dpmpp_2m")] == [True] * 3
    witnesses = [drawn for drawn in second.drawn.values() if drawn.recipe.sampling.sampler == "heun"]
    assert [drawn.reused for drawn in witnesses] == [True] * 3
    known = [drawn for drawn in second.drawn.values() if drawn.recipe.sampling.sampler == "dpmpp_2m"]
    assert all(drawn.reused for drawn in known)


def test_a_sampler_with_noise_converges_on_its_path_and_the_report_says_what_it_was_measured_against(runs):
    _, second = runs
    ancestral = next(curve for curve in second.result.curves if curve.sampler == "euler_ancestral")
    assert ancestral.own_reference
    assert ancestral.rungs[-1].loss.mean < ancestral.rungs[0].loss.mean
    assert "own converged path of noise" in ancestral.sentence
    report = report_of(second, plots=plots_of(second), made="today", command="aldente tune")
    assert "Euler a Karras, 40 steps, its own path of noise" in report
    assert "How fast each sampler converges" in report
    assert "fast: 3 prompts x 1 seeds, looked at once" in report
    assert f"1 JND = {second.result.tolerance.jnd:.2f} of 255; noise floor" in report


def test_a_guaranteed_study_of_one_prompt_ends_and_its_report_says_how(bench):
    run = small_study.run(
        bench,
        goal="draft",
        prompts=small_study.PROMPTS[:1],
        seeds=tuple(range(1, 25)),
        pairs=(Pair(sampler="dpmpp_2m", schedule="karras"), Pair(sampler="lcm", schedule="karras")),
        steps_high=14,
        cfgs=(),
        guarantee=Guarantee(),
    )
    proof = run.result.proof
    assert run.result.mode == "guaranteed"
    assert (proof.unit, proof.given, proof.pilot) == ("seeds", 24, 4)
    assert 15 <= proof.drawn <= 20
    assert {row["verdict"] for row in settings_of(run)} <= {"practically equivalent", "worse", "continue", "inconclusive"}
    assert run.preset.confidence == (0.95 if run.result.choice.within_tolerance else None)
    report = report_of(run, plots=plots_of(run), made="today", command="aldente tune --guaranteed")
    assert f"guaranteed: {proof.drawn} of 20 seeds drawn, {proof.stopped}" in report
    assert "LCM Karras never converges" in report
    assert f"Measured on 1 prompt x {4 + proof.drawn} seeds, guaranteed" in report
    assert "not yet" not in report
    assert run.preset.source.endswith("seeds, guaranteed")
    assert '<th scope="col" class="number">Verdict</th>' in report


def test_figures_are_left_as_svg_and_png(runs, tmp_path):
    first, _ = runs
    plots = plots_of(first)
    written = save_figures(plots, tmp_path)
    assert [path.suffix for path in written] == [".svg", ".png"] * len(plots)
    assert {path.stem for path in written} >= {"where-more-steps-stop-paying", "what-guidance-does"}
    for path in written:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_tables_hold_the_numbers_of_the_result(runs, tmp_path):
    first, _ = runs
    written = save_tables(first, tmp_path, parquet=False)
    assert [path.name for path in written] == ["settings.csv", "guidance.csv", "pictures.csv"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "settings.csv").read_text(encoding="utf-8"))))
    rungs = [(curve.sampler, rung) for curve in first.result.curves for rung in curve.rungs]
    assert [(row["sampler"], int(row["steps"])) for row in rows] == [(sampler, rung.steps) for sampler, rung in rungs]
    assert [float(row["loss"]) for row in rows] == [rung.loss.mean for _, rung in rungs]
    chosen = [row for row in rows if row["chosen"] == "True"]
    assert [(row["sampler"], int(row["steps"])) for row in chosen] == [(first.result.choice.sampler, first.result.choice.steps)]
    assert len(pictures_of(first)) == len(first.drawn)
    assert {row["cfg"] for row in guidance_of(first)} == {1.0, 15.0}


def test_parquet_reads_back_as_the_same_rows(runs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    first, _ = runs
    written = save_tables(first, tmp_path, parquet=True)
    assert sum(path.suffix == ".parquet" for path in written) == 3
    assert parquet.read_table(tmp_path / "settings.parquet").to_pylist() == settings_of(first)


def test_without_pyarrow_what_to_install_is_said(monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'aldente\[export\]'"):
        tables.parquet_of([{"a": 1}])


def test_words_with_commas_quotes_and_lines_survive_csv():
    rows = [{"prompt": 'a "red", round\napple', "loss": 0.1 + 0.2, "none": None}]
    back = next(csv.DictReader(io.StringIO(tables.csv_of(rows), newline="")))
    assert back == {"prompt": rows[0]["prompt"], "loss": "0.30000000000000004", "none": ""}
    assert tables.csv_of([]) == ""
