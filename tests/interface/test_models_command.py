from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aldente.models.checkpoints.tensors import write_tensors


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without models, and a folder of models beside it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home/data"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "models"
    folder.mkdir()
    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    lora = {f"{key}.lora_down.weight": np.ones((4, 768), np.float16), f"{key}.lora_up.weight": np.ones((320, 4), np.float16)}
    write_tensors(folder / "lcm-style.safetensors", lora, {"modelspec.title": "Style"})
    (folder / "old.ckpt").write_bytes(b"x")
    return folder


def test_models_are_added_listed_shown_and_removed(commands, home: Path) -> None:
    assert "No other models" in commands.ok("models").out
    assert "2 models" in commands.ok("models", "add", home).out
    own, lora, old = commands.ok("models", "--json").json
    assert own["name"] == "pastina"
    assert (lora["name"], lora["kind"], lora["architecture"], lora["rank"], lora["sha256"]) == (
        "lcm-style", "lora", "sd1", 4, None,
    )  # fmt: skip
    assert (old["name"], old["fault"]) == ("old", "a pickle: not opened")
    shown = commands.ok("models", "show", "lcm-style", "--json").json
    assert len(shown["hashes"]["AutoV3 (LoRA hash)"]) == 12
    assert commands.ok("models", "--kind", "lora", "--json").json[0]["sha256"] == shown["hashes"]["sha256"]
    told = commands.ok("models", "show", "LCM-Style").out
    assert "made for:           2 to 8 steps (lcm)" in told
    assert shown["hashes"]["AutoV2"] in commands.ok("models").out
    commands.ok("models", "remove", home)
    assert len(commands.ok("models", "--json").json) == 1


def test_hashes_of_all_are_made_when_they_are_asked_for(commands, home: Path) -> None:
    commands.ok("models", "add", home)
    assert all(one["sha256"] for one in commands.ok("models", "--kind", "lora", "--hash", "--json").json)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (("ad",), "did you mean 'add'"),
        (("show",), "needs to know which"),
        (("show", "nothing"), "not known"),
        (("add", "nowhere"), "does not exist"),
        (("--kind", "loras"), "did you mean 'lora'"),
    ],
)
def test_what_cannot_be_done_is_said(commands, home: Path, line: tuple[str, ...], part: str) -> None:
    done = commands("models", *line)
    assert done.code == 2
    assert part in done.err


def test_a_pickle_is_opened_only_when_that_is_allowed(commands, home: Path) -> None:
    refused = commands("models", "show", home / "old.ckpt")
    assert refused.code == 2
    assert "--allow-pickle" in refused.err
    allowed = commands("models", "show", home / "old.ckpt", "--allow-pickle")
    assert "no archive of weights" in allowed.err


def test_a_damaged_folder_is_told_as_json(commands, home: Path) -> None:
    folder = home / "sd"
    folder.mkdir()
    (folder / "model_index.json").write_text("[1", encoding="utf-8")
    done = commands("models", "show", folder, "--json")
    assert done.code == 2
    assert "damaged" in json.loads(done.out)["error"]
