"""What counts for the identity of the model, and what does not."""

import hashlib
import shutil

import pytest

from aldente.models.pastina.facts import drawing_files, fingerprint
from aldente.models.pastina.model import WEIGHTS, Pastina

DRAWS = ("conditioner.onnx", "decoder.onnx", "denoiser.onnx", "encoder.onnx", "tokenizer.json")


@pytest.fixture
def folder(tmp_path):
    for name in DRAWS:
        shutil.copy(WEIGHTS / name, tmp_path)
    return tmp_path


def test_files_that_draw_nothing_do_not_change_the_fingerprint(folder):
    before = Pastina(weights=folder).info.fingerprint
    for name in ("enlarger.onnx", "scorer.onnx"):
        (folder / name).write_bytes(b"any")
    assert Pastina(weights=folder).info.fingerprint == before


@pytest.mark.parametrize("name", DRAWS)
def test_every_file_that_draws_does(folder, name):
    before = fingerprint(drawing_files(folder))
    with (folder / name).open("ab") as stream:
        stream.write(b"\0")
    assert fingerprint(drawing_files(folder)) != before


def test_the_fingerprint_is_of_names_and_contents(tmp_path):
    path = tmp_path / "one.onnx"
    path.write_bytes(b"weights")
    wanted = hashlib.sha256(b"one.onnx\0" + hashlib.sha256(b"weights").digest()).hexdigest()
    assert fingerprint([path]) == wanted
