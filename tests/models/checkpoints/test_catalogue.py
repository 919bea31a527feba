from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from crafted import MODELS, kohya_lora, write

from aldente.engine.errors import UserError
from aldente.models.checkpoints import hashes
from aldente.models.checkpoints.catalogue import add, added, find, named, remove
from aldente.models.checkpoints.ledger import FILE, Ledger
from aldente.models.checkpoints.places import places_in, usual_roots
from aldente.models.checkpoints.tensors import write_tensors


def put(path: Path, what: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, MODELS[what][1])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data")


def test_the_folders_of_a1111_are_looked_into(tmp_path: Path, ledger: Ledger) -> None:
    root = tmp_path / "stable-diffusion-webui"
    put(root / "models/Stable-diffusion/anime/some.safetensors", "sd15")
    put(root / "models/Lora/style.safetensors", "lora sd1")
    put(root / "models/VAE/ft.safetensors", "vae")
    put(root / "embeddings/neg.safetensors", "embedding")
    put(root / "models/ControlNet/canny.safetensors", "controlnet")
    put(root / "models/Stable-diffusion/Put models here.txt.d/none.bin.txt", "vae")
    kinds = {one.name: (one.facts.kind, one.program) for one in find(ledger, [root]) if one.facts is not None}
    assert kinds == {
        "some": ("checkpoint", "A1111"), "style": ("lora", "A1111"), "ft": ("vae", "A1111"), "neg": ("embedding", "A1111"),
        "canny": ("controlnet", "A1111"),
    }  # fmt: skip


def test_the_folders_of_comfyui_and_those_its_extra_paths_name_are_looked_into(tmp_path: Path, ledger: Ledger) -> None:
    root, other = tmp_path / "ComfyUI", tmp_path / "elsewhere"
    put(root / "models/checkpoints/xl.safetensors", "sdxl")
    put(root / "models/unet/flux.safetensors", "flux dev")
    put(root / "models/clip/clip.safetensors", "clip")
    put(other / "models/Lora/l1.safetensors", "lora sd1")
    put(other / "lycos/l2.safetensors", "loha")
    (root / "extra_model_paths.yaml").write_text(
        f"a111:\n    base_path: {other}\n    loras: |\n        models/Lora\n        lycos\n    vae: missing\n", encoding="utf-8"
    )
    names = {one.name for one in find(ledger, [root])}
    assert names == {"xl", "flux", "clip", "l1", "l2"}


@pytest.mark.parametrize("text", ["[", "- 1", "a: [b]", "a: {base_path: 3, loras: 4}", "\0", "&a [*a]"])
def test_odd_lists_of_extra_paths_are_refused_or_empty(text: str, tmp_path: Path) -> None:
    (tmp_path / "models/checkpoints").mkdir(parents=True)
    (tmp_path / "extra_model_paths.yaml").write_text(text, encoding="utf-8")
    try:
        assert [place.purpose for place in places_in(tmp_path)] == ["checkpoint"]
    except UserError as refused:
        assert "extra_model_paths.yaml" in str(refused)  # noqa: PT017


def test_the_hubs_cache_and_invokeai_are_looked_into(tmp_path: Path, ledger: Ledger) -> None:
    hub, invoke = tmp_path / ".cache/huggingface/hub", tmp_path / "invokeai"
    model = hub / "models--stabilityai--sdxl-turbo/snapshots/abc"
    (model / "unet").mkdir(parents=True)
    (model / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}', encoding="utf-8")
    put(invoke / "models/sd-1/main/x.safetensors", "sd15")
    (invoke / "invokeai.yaml").write_text("", encoding="utf-8")
    assert set(usual_roots({}, tmp_path)) == {hub, invoke}
    found = {one.name: one for one in find(ledger, usual_roots({}, tmp_path))}
    assert found.keys() == {"stabilityai/sdxl-turbo", "x"}
    turbo = found["stabilityai/sdxl-turbo"].facts
    assert turbo is not None
    assert (turbo.architecture, turbo.distilled, turbo.steps) == ("sdxl", "turbo", (1, 4))
    assert turbo.notes == ("its weights are not there: the download did not end",)


def test_a_model_is_listed_once_and_a_damaged_one_says_why(tmp_path: Path, ledger: Ledger) -> None:
    put(tmp_path / "a/one.safetensors", "sd15")
    (tmp_path / "a/link.safetensors").symlink_to(tmp_path / "a/one.safetensors")
    (tmp_path / "a/bad.safetensors").write_bytes(b"\xff" * 20)
    (tmp_path / "a/old.ckpt").write_bytes(b"x")
    found = {one.name: one.fault for one in find(ledger, [tmp_path / "a", tmp_path])}
    assert found.keys() == {"bad", "link", "old"}
    assert "not a sound safetensors file" in found["bad"]
    assert found["old"] == "a pickle: not opened"


def test_a_model_is_named_by_its_path_or_its_name(tmp_path: Path, ledger: Ledger) -> None:
    one = put(tmp_path / "a/Some Model.safetensors", "sd15")
    for name in (str(one), "some model", "Some Model.safetensors"):
        assert named(name, ledger, [tmp_path]).path == one
    put(tmp_path / "b/some model.safetensors", "sd15")
    with pytest.raises(UserError, match="several models"):
        named("some model", ledger, [tmp_path])
    with pytest.raises(UserError, match="did you mean 'Some Model'"):
        named("som model", ledger, [tmp_path / "a"])


def test_what_is_added_is_remembered_until_it_is_removed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    put(tmp_path / "a/x.safetensors", "sd15")
    assert add(tmp_path / "a", data) == 1
    assert add(tmp_path / "a/x.safetensors", data) == 1
    assert add(tmp_path / "a", data) == 1
    assert added(data) == [tmp_path / "a", tmp_path / "a/x.safetensors"]
    remove(tmp_path / "a", data)
    assert added(data) == [tmp_path / "a/x.safetensors"]
    with pytest.raises(UserError, match="not known"):
        remove(tmp_path / "a", data)
    with pytest.raises(UserError, match="holds no models"):
        add(data, data)
    with pytest.raises(UserError, match="does not exist"):
        add(tmp_path / "none", data)


def test_a_damaged_file_is_refused_when_it_is_added(tmp_path: Path) -> None:
    damaged = tmp_path / "bad.safetensors"
    damaged.write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="not a sound safetensors file"):
        add(damaged, tmp_path / "data")
    assert added(tmp_path / "data") == []


def test_hashes_are_those_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    numbers = np.random.default_rng(0).normal(size=300_000).astype(np.float32)
    write_tensors(path, {"x": numbers}, {"ss_x": "1"})
    content = path.read_bytes()
    assert hashes.sha256(path) == hashlib.sha256(content).hexdigest()
    assert hashes.auto_v1(path) == hashlib.sha256(content[0x100000 : 0x100000 + 0x10000]).hexdigest()[:8]
    assert hashes.tensor_sha256(path) == hashlib.sha256(numbers.tobytes()).hexdigest()
    before = hashes.tensor_sha256(path), hashes.sha256(path)
    write_tensors(path, {"x": numbers}, {"ss_x": "2", "more": "y"})
    assert hashes.tensor_sha256(path) == before[0]
    assert hashes.sha256(path) != before[1]


def test_what_is_known_is_not_found_out_again_until_the_file_changes(tmp_path: Path) -> None:
    path = put(tmp_path / "a.safetensors", "sd15")
    first = Ledger(tmp_path / "data")
    facts, whole = first.facts(path), first.sha256(path)
    first.save()
    kept = json.loads((tmp_path / "data" / FILE).read_text(encoding="utf-8"))
    marked = "0" * 64
    kept["files"][str(path)]["sha256"] = marked
    (tmp_path / "data" / FILE).write_text(json.dumps(kept), encoding="utf-8")
    second = Ledger(tmp_path / "data")
    assert (second.sha256(path), second.known_sha256(path)) == (marked, marked)
    assert second.facts(path) == facts
    os.utime(path, ns=(1, time.time_ns()))
    assert second.known_sha256(path) is None
    assert second.sha256(path) == whole
    (tmp_path / "data" / FILE).write_text("[1, 2", encoding="utf-8")
    assert Ledger(tmp_path / "data").known_sha256(path) is None


def test_two_ledgers_keep_each_others_finds(tmp_path: Path) -> None:
    one, two = Ledger(tmp_path), Ledger(tmp_path)
    a, b = put(tmp_path / "a.safetensors", "vae"), put(tmp_path / "b.safetensors", "embedding")
    one.sha256(a)
    two.sha256(b)
    one.save()
    two.save()
    three = Ledger(tmp_path)
    assert three.known_sha256(a)
    assert three.known_sha256(b)


def test_a_folder_of_three_hundred_loras_is_listed_at_once_the_second_time(tmp_path: Path) -> None:
    shapes = {f"lora_unet_block_{n}.lora_{side}.weight": (4, 4) for n in range(200) for side in ("down", "up")} | kohya_lora(
        768
    )
    whole = write(tmp_path / "0.safetensors", shapes).read_bytes()
    for number in range(1, 300):
        (tmp_path / f"{number}.safetensors").write_bytes(whole)
    first = Ledger(tmp_path / "data")
    assert len(list(find(first, [tmp_path]))) == 300
    first.save()
    started = time.process_time()
    assert len(list(find(Ledger(tmp_path / "data"), [tmp_path]))) == 300
    assert time.process_time() - started < 1.0
