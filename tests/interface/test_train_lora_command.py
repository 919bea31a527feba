from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from aldente.models.checkpoints.inspecting import inspect

sys.path.append(str(Path(__file__).parents[1] / "models" / "lora"))
pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps this small lose on threads that wait for each other."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home/data"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import zorbo

    return zorbo.write(tmp_path_factory.mktemp("zorbo"), count=2, repeats=2)


FEW = ("--batch", 1, "--rank", 2, "--save-every", 1, "--rate", "5e-3")


def test_a_folder_becomes_a_lora_that_generate_draws_with(commands, folder: Path) -> None:
    out = commands.place / "lora"
    done = commands.ok(
        "train-lora", folder, "--name", "zorbo", "--out", out, *FEW, "--steps", 2, "--sample", "a zorbo", "--json"
    )
    path = Path(done.json["lora"])
    assert path == out / "zorbo.safetensors"
    assert "2 pictures, 4 an epoch, 0.5 epochs in 2 steps" in done.err
    told = inspect(path)
    assert (told.kind, told.rank, told.layout, told.dtype) == ("lora", 2, "kohya", "F16")
    with Image.open(out / "samples" / "zorbo-000002-1.png") as sample:
        assert sample.size == (64, 64)
    line = ("generate", "a zorbo", "--seed", 3, "--steps", 2, "--upscaler", "none", "--json")
    plain = commands.ok(*line).json
    with_it = commands.ok(line[0], f"a zorbo <lora:{path}:1>", *line[2:]).json
    assert plain[0]["image_hash"] != with_it[0]["image_hash"]


def test_rated_pictures_of_the_store_are_trained_on(commands) -> None:
    made = commands.ok("history", "--json").json
    assert made == []
    commands.ok("generate", "a (red:1.2) apple", "--steps", 2, "--seed", 1, "--upscaler", "none")
    (record,) = commands.ok("history", "--json").json
    commands.ok("mark", record["id"], "--rating", 5)
    done = commands.ok(
        "train-lora", "--from", "rating>=4", "--name", "mine", "--out", commands.place / "m", *FEW, "--steps", 1, "--json"
    )
    assert "1 pictures, 3 an epoch" in done.err
    from aldente.models.checkpoints.header import read_header

    assert '"a red apple": 1' in read_header(Path(done.json["lora"])).metadata["ss_tag_frequency"]
    none = commands("train-lora", "--from", "rating=1")
    assert none.code == 2
    assert "aldente mark" in none.err


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ((), "one of both"),
        (("nowhere",), "is no folder"),
        (("FOLDER", "--name", "a:b"), "cannot be called"),
        (("FOLDER", "--schedule", "cosin"), "did you mean 'cosine'"),
        (("FOLDER", "--rank", 0), "rank is 0"),
        (("FOLDER", "--model", "nothing-like-it"), "not known"),
    ],
)
def test_what_cannot_be_is_said(commands, folder: Path, line: tuple[object, ...], part: str) -> None:
    done = commands("train-lora", *(folder if word == "FOLDER" else word for word in line))
    assert done.code == 2
    assert part in done.err
