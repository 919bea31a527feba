"""What evaluates pastina's denoiser, how it is chosen, and on how many threads."""

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding
from aldente.models import pastina
from aldente.models.pastina import choosing
from aldente.models.pastina.choosing import any_feed, choose, fastest, measure, wanted_runtime
from aldente.models.pastina.model import WEIGHTS, Pastina
from aldente.models.pastina.runtimes import Denoiser, RuntimeEntry, find_runtime, runtimes
from aldente.models.pastina.threads import THREADS_MAX, usable_threads
from aldente.testing.model_contract import ModelContract, SteerableContract

GRAPH = WEIGHTS / "denoiser.onnx"
DEFAULT = runtimes()[0]
there = pytest.mark.skipif(find_spec("openvino") is None, reason="needs pip install 'aldente[openvino]'")


@pytest.fixture
def few_rounds(monkeypatch):
    """Three rounds tell three calls from one."""
    monkeypatch.setattr(choosing, "ROUNDS", 3)


def thrice(entry: RuntimeEntry, name: str) -> RuntimeEntry:
    """The same program under another name, asked three times over."""

    def open_(graph, callers) -> Denoiser:
        denoiser = entry.open(graph, callers)

        def run(feed):
            denoiser.run(feed)
            denoiser.run(feed)
            return denoiser.run(feed)

        return dataclasses.replace(denoiser, run=run)

    return dataclasses.replace(entry, name=name, open=open_)


@pytest.fixture(scope="module")
def on_openvino() -> Pastina:
    return Pastina(threads=2, runtime="openvino")


def kept(folder) -> dict:
    return json.loads((folder / "runtimes.json").read_text())


def rows(model, count):
    x = np.random.default_rng(1).standard_normal((count, 4, 16, 16), dtype=np.float32)
    conditions = [model.encode(((f"picture {row}", 1.0),)) for row in range(count)]
    return x, [exploding(0.5 + row) for row in range(count)], conditions


def test_the_default_is_onnx_runtime():
    assert wanted_runtime({}) == wanted_runtime({"ALDENTE_RUNTIME": " "}) == "onnxruntime"
    own = Pastina(threads=1).runtime
    assert (own.name, own.dtype, own.device, own.threads) == ("onnxruntime", "float32", "cpu", 1)


def test_the_variable_names_another():
    assert wanted_runtime({"ALDENTE_RUNTIME": " OpenVINO "}) == "openvino"


def test_a_wrong_name_is_told_with_the_nearest(monkeypatch):
    monkeypatch.setenv("ALDENTE_RUNTIME", "openvnio")
    with pytest.raises(UserError, match=r"runtime 'openvnio'.*'openvino'.*auto, onnxruntime, openvino, openvino-bf16"):
        pastina.load(1)


@pytest.mark.skipif(find_spec("openvino") is not None, reason="openvino is installed")
def test_a_missing_package_is_told_with_what_to_install():
    with pytest.raises(UserError, match=r"pip install 'aldente\[openvino\]'"):
        find_runtime("openvino")


def test_each_name_is_there_once_and_only_exact_ones_are_chosen_for_speed():
    names = [entry.name for entry in runtimes()]
    assert len(set(names)) == len(names)
    assert all(entry.dtype == "float32" for entry in runtimes() if entry.automatic)


def test_the_fastest_is_measured(tmp_path):
    slow = thrice(DEFAULT, "slow")
    assert choose("auto", GRAPH, entries=[slow, DEFAULT], folder=tmp_path) is DEFAULT
    (answer,) = kept(tmp_path).values()
    assert answer["fastest"] == DEFAULT.name
    assert all(answer["milliseconds"]["slow"][rows] > ms > 0 for rows, ms in answer["milliseconds"][DEFAULT.name].items())


def test_what_was_measured_is_not_measured_again(tmp_path, few_rounds):
    entries = [thrice(DEFAULT, "slow"), DEFAULT]
    choose("auto", GRAPH, entries=entries, folder=tmp_path)
    (key,) = kept(tmp_path)
    (tmp_path / "runtimes.json").write_text(json.dumps({key: {"fastest": "slow"}}))
    assert choose("auto", GRAPH, entries=entries, folder=tmp_path).name == "slow"


def test_other_programs_are_measured_anew_beside_the_old_answer(tmp_path, few_rounds):
    choose("auto", GRAPH, entries=[thrice(DEFAULT, "slow"), DEFAULT], folder=tmp_path)
    choose("auto", GRAPH, entries=[thrice(DEFAULT, "other"), DEFAULT], folder=tmp_path)
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', "\0"])
def test_a_damaged_file_is_written_anew(tmp_path, content, few_rounds):
    (tmp_path / "runtimes.json").write_text(content)
    assert choose("auto", GRAPH, entries=[thrice(DEFAULT, "slow"), DEFAULT], folder=tmp_path) is DEFAULT
    assert [each["fastest"] for each in kept(tmp_path).values()] == [DEFAULT.name]


def test_where_nothing_can_be_kept_it_is_measured_all_the_same(tmp_path, few_rounds):
    (tmp_path / "file").write_text("not a folder")
    assert choose("auto", GRAPH, entries=[thrice(DEFAULT, "slow"), DEFAULT], folder=tmp_path / "file") is DEFAULT


def test_one_program_alone_is_not_measured(tmp_path):
    assert choose("auto", GRAPH, entries=[DEFAULT], folder=tmp_path) is DEFAULT
    assert list(tmp_path.iterdir()) == []


def test_inexact_programs_are_not_chosen_for_speed(tmp_path):
    inexact = dataclasses.replace(DEFAULT, name="inexact", automatic=False)
    assert choose("auto", GRAPH, entries=[DEFAULT, inexact], folder=tmp_path) is DEFAULT
    assert list(tmp_path.iterdir()) == []


def test_the_default_stays_unless_the_gain_can_be_felt():
    assert fastest({"first": {1: 10.0, 8: 10.0}, "second": {1: 9.8, 8: 9.8}}) == "first"
    assert fastest({"first": {1: 10.0, 8: 10.0}, "second": {1: 9.0, 8: 9.5}}) == "second"
    assert fastest({"first": {1: 10.0, 8: 10.0}, "second": {1: 20.0, 8: 2.5}}) == "second"


def test_threads_are_those_of_the_variable():
    assert usable_threads({"ALDENTE_THREADS": " 3 "}) == 3
    assert usable_threads({"ALDENTE_THREADS": "12"}) == 12


@pytest.mark.parametrize("nonsense", ["0", "-1", "two", "1.5", "257", "\N{SUPERSCRIPT TWO}", "1e1"])
def test_nonsense_for_threads_is_refused(nonsense):
    with pytest.raises(UserError, match=rf"ALDENTE_THREADS is '{nonsense}'.*from 1 to 256"):
        usable_threads({"ALDENTE_THREADS": nonsense})


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no processes to processors")
def test_threads_are_no_more_than_the_processors_of_the_process():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from aldente.models.pastina.threads import usable_threads; print(usable_threads({}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize(
    ("written", "most"), [("50000 100000\n", 1), ("150000 100000\n", 2), ("max 100000\n", THREADS_MAX), ("", THREADS_MAX)]
)
def test_threads_keep_to_the_time_of_the_container(tmp_path, written, most):
    quota, missing = tmp_path / "cpu.max", tmp_path / "missing"
    quota.write_text(written)
    assert usable_threads({}, quota) == min(usable_threads({}, missing), most)


def test_the_variable_reaches_the_model(monkeypatch):
    monkeypatch.setenv("ALDENTE_THREADS", "3")
    assert Pastina().runtime.threads == 3


@there
class TestOpenvinoIsAModel(ModelContract):
    @pytest.fixture
    def model(self, on_openvino):
        return on_openvino


@there
class TestOpenvinoIsSteerable(SteerableContract):
    @pytest.fixture
    def model(self, on_openvino):
        return on_openvino


@there
def test_openvino_says_so_and_agrees():
    ours, theirs = (Pastina(threads=2, runtime=name) for name in ("onnxruntime", "openvino"))
    assert (theirs.runtime.name, theirs.runtime.dtype) == ("openvino", "float32")
    assert theirs.info.fingerprint == ours.info.fingerprint
    difference = np.abs(ours.estimate(*rows(ours, 5)) - theirs.estimate(*rows(theirs, 5)))
    assert 0 < difference.max() < 1e-4


@there
def test_openvino_gives_the_same_bits_on_any_number_of_threads_and_to_any_caller():
    one, three = (Pastina(threads=count, runtime="openvino") for count in (1, 3))
    asked = rows(one, 7)
    expected = one.estimate(*asked)
    assert np.array_equal(expected, three.estimate(*asked))
    with ThreadPoolExecutor(4) as pool:
        every = list(pool.map(lambda _: three.estimate(*asked), range(8)))
    assert all(np.array_equal(expected, each) for each in every)


@there
def test_rounded_weights_count_as_another_model():
    try:
        rounded = Pastina(threads=1, runtime="openvino-bf16")
        clean = rounded.estimate(*rows(rounded, 2))
    except UserError as error:
        assert "bf16" in str(error)  # noqa: PT017  # processors without it say so
        return
    exact = Pastina(threads=1)
    assert rounded.runtime.dtype == "bfloat16"
    assert rounded.info.fingerprint != exact.info.fingerprint
    assert 1e-4 < np.abs(clean - exact.estimate(*rows(exact, 2))).max() < 0.3


@there
def test_both_are_measured(tmp_path, few_rounds):
    able = [entry for entry in runtimes() if entry.automatic]
    chosen = choose("auto", GRAPH, folder=tmp_path)
    (answer,) = kept(tmp_path).values()
    assert set(answer["milliseconds"]) == {entry.name for entry in able}
    assert chosen.name == answer["fastest"]


def test_what_is_timed_is_what_the_denoiser_takes():
    denoiser = DEFAULT.open(GRAPH, 1)
    assert denoiser.run(any_feed(denoiser, 3)).shape == (3, 4, 16, 16)
    assert set(measure([DEFAULT], GRAPH)) == {DEFAULT.name}
