"""Upscalers from users' own files: found by name and hash, opened by spandrel where it is installed."""

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.checkpoints.tensors import write_tensors
from aldente.models.upscaling.users import user_upscaler


def weights(seed=0, scale=2, width=8, count=2):
    """A small network of the Compact architecture [Wang 2021]: convolutions and PReLUs, pixels shuffled at the end."""
    chance = np.random.default_rng(seed)
    found = {}
    for index in range(count + 1):
        inputs = width if index else 3
        found[f"body.{2 * index}.weight"] = chance.normal(0, 0.05, (width, inputs, 3, 3)).astype(np.float32)
        found[f"body.{2 * index}.bias"] = np.zeros(width, np.float32)
        found[f"body.{2 * index + 1}.weight"] = np.full(width, 0.1, np.float32)
    last = 2 * (count + 1)
    found[f"body.{last}.weight"] = chance.normal(0, 0.01, (3 * scale**2, width, 3, 3)).astype(np.float32)
    found[f"body.{last}.bias"] = np.zeros(3 * scale**2, np.float32)
    return found


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "webui" / "models" / "ESRGAN"
    place.mkdir(parents=True)
    write_tensors(place / "2x-Small.safetensors", weights(), {})
    return place


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "data")


def test_a_file_is_found_by_its_path_and_by_its_name(folder, ledger):
    by_path = user_upscaler(str(folder / "2x-Small.safetensors"), ledger)
    assert by_path.name == f"2x-Small@{ledger.sha256(folder / '2x-Small.safetensors')[:10]}"
    for name in ("2x-small", "2x-Small.pth", by_path.name):
        assert user_upscaler(name, ledger, [folder]).name == by_path.name
    assert user_upscaler("4x-Small", ledger, [folder]) is None


def test_another_file_of_the_same_name_is_not_taken_for_it(folder, ledger):
    before = user_upscaler("2x-Small", ledger, [folder]).name
    write_tensors(folder / "2x-Small.safetensors", weights(seed=1), {})
    with pytest.raises(UserError, match=r"is not the file that is called so here: .*2x-Small\.safetensors has the hash"):
        user_upscaler(before, ledger, [folder])


def test_two_files_of_one_name_are_told_apart_by_path_only(folder, ledger):
    (folder / "more").mkdir()
    write_tensors(folder / "more" / "2x-Small.safetensors", weights(seed=1), {})
    with pytest.raises(UserError, match="several files are called '2x-Small'"):
        user_upscaler("2x-Small", ledger, [folder])


def test_what_is_no_upscaler_is_refused(folder, ledger):
    lora = {"lora_unet_down.lora_down.weight": np.zeros((4, 8), np.float32), "lora_unet_down.lora_up.weight": np.zeros((8, 4))}
    write_tensors(folder / "style.safetensors", {name: value.astype(np.float32) for name, value in lora.items()}, {})
    with pytest.raises(UserError, match=r"'style\.safetensors' is a lora, not an upscaler"):
        user_upscaler("style", ledger, [folder])


def test_without_spandrel_it_says_what_to_install(folder, ledger, monkeypatch):
    monkeypatch.setattr("aldente.models.upscaling.users.PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(UserError, match=r"pip install 'aldente\[upscalers\]'"):
        user_upscaler("2x-Small", ledger, [folder]).load(None)


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_a_network_enlarges_as_spandrel_does_whatever_the_blocks(folder, ledger, ending):
    spandrel = pytest.importorskip("spandrel")
    torch = pytest.importorskip("torch")
    path = folder / f"any{ending}"
    tensors = {name: torch.from_numpy(value) for name, value in weights().items()}
    torch.save({"params": tensors}, path) if ending == ".pth" else write_tensors(path, weights(), {})
    image = np.random.default_rng(0).integers(0, 256, (210, 230, 3), np.uint8)
    upscaler = user_upscaler(str(path), ledger).load(1)
    assert upscaler.info.factor == 2
    larger = upscaler.enlarge(image, 460, 420)
    whole = spandrel.ModelLoader().load_from_state_dict(tensors)
    planes = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    wanted = np.rint(whole(planes)[0].numpy() * 255).transpose(1, 2, 0)
    assert np.abs(larger.astype(int) - wanted).max() <= 1
    assert upscaler.enlarge(image, 301, 299).shape == (299, 301, 3)


def test_weights_of_no_known_architecture_are_refused(folder, ledger):
    pytest.importorskip("spandrel")
    write_tensors(folder / "odd.safetensors", {"strange.weight": np.zeros((3, 3), np.float32)}, {})
    with pytest.raises(UserError, match="of an architecture that spandrel does not know"):
        user_upscaler(str(folder / "odd.safetensors"), ledger).load(None)


def test_a_pickle_that_would_run_something_is_refused(folder, ledger, tmp_path):
    pytest.importorskip("spandrel")
    torch = pytest.importorskip("torch")
    mark = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(mark), "w"))

    torch.save({"params": Evil()}, folder / "evil.pth")
    with pytest.raises(UserError):
        user_upscaler(str(folder / "evil.pth"), ledger).load(None)
    assert not mark.exists()
