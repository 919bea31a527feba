"""A search that is stopped goes on to the very same asks: in one process, and after the process was killed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from search_laws import World, question
from search_model import workbench

from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.studio.search import find_search, keep_search_preset, run_search
from aldente.studio.search_gallery import study_id
from aldente.studio.search_report import report_of
from aldente.tuning.search.question import Search
from aldente.tuning.search.space import Space, dimension_of

CFGS = tuple(1.0 + 0.25 * n for n in range(33))
HERE = Path(__file__).parent


def many_asks():
    """A space with more profiles than asks: forty asks are asked."""
    return question({"sampler": ("dpmpp_2m", "euler", "heun"), "cfg": CFGS, "steps": (5, 6, 7)}, minimise="error", asks=40)


def test_forty_asks_resumed_at_seventeen_are_the_same_asks():
    search = many_asks()
    _, whole = World(search).run()
    assert len(whole) == 40
    assert len({ask.place for ask in whole}) > 25
    _, first = World(search).run(until=17)
    assert first == whole[:17]
    _, again = World(search).run([ask.proposed for ask in first])
    assert again == whole
    # What was kept is believed, whatever would be proposed today.
    other = [whole[5].proposed, *(ask.proposed for ask in whole[1:17])]
    assert World(search).run(other)[1][:17] != whole[:17]


def test_other_streams_ask_otherwise():
    _, one = World(many_asks()).run()
    _, other = World(many_asks().model_copy(update={"stream": 1})).run()
    assert one != other


def analytic():
    """A search on the analytic model, quick but with a middle in which it can be killed."""
    base = Recipe(width=24, height=24, sampling=Sampling(guidance=Guidance(scale=3.0)))
    named = {
        "sampler": ("euler", "heun", "dpmpp_2m"),
        "schedule": ("karras", "exponential"),
        "steps": (4, 5, 6, 8),
        "cfg": CFGS[:13],
    }
    space = Space(dimensions=tuple(dimension_of(name, values, base) for name, values in named.items()))
    prompts = ("a", "b", "c")
    return Search(base=base, prompts=prompts, seeds=(1,), space=space, goal="final", asks=30)


def run(path):
    """Carry the search out on a store; the process below does just this."""
    bench = workbench(path)
    with bench.store:
        return run_search(bench, analytic(), seconds_per_call=0.001, listen=lambda want: None)


def rows_of(path):
    """The rows of the store, from outside."""
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return [json.loads(body) for (body,) in connection.execute("select body from study_rows order by number")]
    except sqlite3.OperationalError:
        return []


def asks_of(path):
    return [(row["ask"], row["proposed"]) for row in rows_of(path) if "ask" in row]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The search in one go: its store and its result."""
    path = tmp_path_factory.mktemp("whole") / "store.db"
    return path, run(path)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on Unix")
def test_a_killed_process_goes_on_to_the_same_asks_and_the_same_end(whole, tmp_path):
    path, finished = whole
    store = tmp_path / "store.db"
    asked = asks_of(path)
    assert len(asked) >= 10
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    line = [sys.executable, "-c", f"import test_search_resume as t; from pathlib import Path; t.run(Path({str(store)!r}))"]
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while len(asks_of(store)) < 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    kept = asks_of(store)
    assert 5 <= len(kept) < len(asked)
    again = run(store)
    assert asks_of(store) == asked
    assert again.result == finished.result


def test_a_finished_search_asked_again_draws_nothing(whole):
    path, finished = whole
    bench = workbench(path)
    with bench.store:
        model = bench.model("pastina")
        again = run_search(bench, find_search(bench, finished.id[:8]), seconds_per_call=0.001, listen=lambda want: None)
        assert model.rows == 0
        assert again.result == finished.result
        assert bench.store.study(finished.id).state == "finished"


def test_its_preset_names_its_proof_and_its_page_says_what_was_found(whole):
    path, finished = whole
    bench = workbench(path)
    with bench.store:
        preset = keep_search_preset(bench, finished, "found")
        assert bench.store.preset("found").study == finished.id == study_id(analytic())
        page = report_of(bench, finished, made="2026-01-01", command="aldente search", preset="found")
    pick = finished.result.pick
    assert preset.settings["steps"] == pick.settings["steps"]
    assert preset.cost["calls"] == pick.calls
    assert preset.basis == "measured"
    assert pick.title in page
    assert "On pictures it was not chosen by" in page
    assert page.count("<svg") >= 1
    assert 'src="http' not in page
    assert 'href="http' not in page.replace('href="http://www.w3.org', "")
