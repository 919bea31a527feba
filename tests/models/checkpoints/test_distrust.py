"""Files that lie: damaged heads, absurd lengths, crafted pickles."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from crafted import unet, write

from aldente.engine.errors import UserError
from aldente.models.checkpoints.header import MOST_HEADER_BYTES, read_header
from aldente.models.checkpoints.inspecting import inspect
from aldente.models.checkpoints.pickled import read_pickled
from aldente.testing.fuzzing_weights import fuzz_weights


def packed(head: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    content = head if isinstance(head, bytes) else json.dumps(head).encode()
    return (len(content) if length is None else length).to_bytes(8, "little") + content + data


FOUR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}

DAMAGED = {
    "nothing": (b"", "0 bytes"),
    "too short": (b"\x05\0\0\0\0\0\0\0{", "9 bytes"),
    "longer than the file": (packed({}, length=2**62), "but the file has"),
    "no JSON": (packed(b"{nonsense}"), "not JSON"),
    "no text": (packed(b"{\xff\xfe}"), "not JSON"),
    "no table": (packed([1]), "not a table"),
    "nested beyond all bounds": (packed(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "not JSON"),
    "twice": (packed(b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{}}'), "twice"),
    "no description": (packed({"a": 3}), "not described"),
    "unknown type": (packed({"a": {**FOUR, "dtype": "F31"}}, b"1234"), "F31"),
    "type that is a list": (packed({"a": {**FOUR, "dtype": ["F32"]}}, b"1234"), "not known"),
    "negative side": (packed({"a": {**FOUR, "shape": [-1]}}, b"1234"), "proper shape"),
    "side that is true": (packed({"a": {**FOUR, "shape": [True]}}, b"1234"), "proper shape"),
    "absurd sides": (packed({"a": {**FOUR, "shape": [2**61, 2**61]}}, b"1234"), "said to take 4 bytes"),
    "too many sides": (packed({"a": {**FOUR, "shape": [1] * 9}}, b"1234"), "proper shape"),
    "one end": (packed({"a": {**FOUR, "data_offsets": [0]}}, b"1234"), "proper place"),
    "backwards": (packed({"a": {**FOUR, "data_offsets": [4, 0]}}, b"1234"), "said to take -4 bytes"),
    "over another": (packed({"a": FOUR, "b": FOUR}, b"1234"), "begins at byte 0"),
    "a gap": (packed({"a": {**FOUR, "data_offsets": [4, 8]}}, b"12345678"), "where 0 was to be"),
    "cut off": (packed({"a": FOUR}, b"12"), "cut off"),
    "more than said": (packed({"a": FOUR}, b"12345"), "5 are there"),
    "metadata that are numbers": (packed({"__metadata__": {"a": 1}}), "table of texts"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_head_is_refused_with_the_reason(what: str, tmp_path: Path) -> None:
    content, reason = DAMAGED[what]
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"'a\.safetensors'.*") as refused:
        read_header(tmp_path / "a.safetensors")
    assert reason in str(refused.value)
    assert "Copy or download it again" in str(refused.value)


def test_a_head_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as stream:
        stream.write((2 * MOST_HEADER_BYTES).to_bytes(8, "little"))
        stream.truncate(3 * MOST_HEADER_BYTES)
    with pytest.raises(UserError, match="at most"):
        read_header(path)


def test_a_folder_and_a_missing_file_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_header(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        read_header(tmp_path / "none.safetensors")


def test_odd_files_are_read_or_refused_and_never_break_anything() -> None:
    done = fuzz_weights("safetensors", 3000)
    assert min(done.read, done.refused) > 100, done


class Runs:
    """What a malicious pickle holds."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.mark}'",)


def archive(path: Path, pickled: bytes, *, packed_how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packed_how) as stream:
        stream.writestr("archive/data.pkl", pickled)
        stream.writestr("archive/version", "3\n")
        stream.writestr("archive/byteorder", "little")
    return path


def test_a_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    mark = tmp_path / "mark"
    content = pickle.dumps({"state_dict": {"a": Runs(mark)}}, protocol=2)
    evil = archive(tmp_path / "evil.ckpt", content)
    with pytest.raises(UserError, match="restricted loader"):
        inspect(evil, allow_pickle=True)
    with pytest.raises(UserError, match="restricted loader"):
        read_pickled(evil)
    assert not mark.exists()
    # The same content does run where it is simply opened: the test would see it.
    pickle.loads(content)
    assert mark.exists()


@pytest.mark.parametrize("called", ["builtins.eval", "builtins.getattr", "posix.system", "torch.hub.load", "torch.load"])
def test_no_function_is_called_by_name(called: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    module, name = called.rsplit(".", 1)
    content = b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"X\x04\x00\x00\x00a.py\x85R."
    with pytest.raises(UserError, match="restricted loader"):
        read_pickled(archive(tmp_path / "evil.pt", content))


def test_an_attribute_of_what_is_inert_does_nothing(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    whole = io.BytesIO()
    torch.save({"state_dict": {"a": torch.ones(3)}}, whole)
    made = b"cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n)\x81"
    trainer = b"\x80\x02}X\x01\x00\x00\x00k" + made + b"}X\x01\x00\x00\x00aK\x01sbs."
    with pytest.raises(UserError, match="no table of tensors"):
        read_pickled(archive(tmp_path / "trainer.ckpt", trainer))


def test_pickles_are_refused_unless_they_are_allowed(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "sd.ckpt"
    shapes = {name: tuple(min(side, 8) for side in shape) for name, shape in unet(768).items()}
    shapes["model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"] = (4, 768)
    torch.save({"state_dict": {name: torch.zeros(shape) for name, shape in shapes.items()}, "global_step": 3}, path)
    with pytest.raises(UserError, match=r"\.safetensors.*--allow-pickle"):
        inspect(path)
    facts = inspect(path, allow_pickle=True)
    assert (facts.kind, facts.architecture, facts.dtype) == ("denoiser", "sd1", "F32")


def test_an_embedding_as_a1111_trains_it_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "style.pt"
    vectors = torch.arange(1536, dtype=torch.float32).reshape(2, 768)
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.nn.Parameter(vectors)}, "name": "style"}, path)
    assert inspect(path, allow_pickle=True).kind == "embedding"
    torch.testing.assert_close(read_pickled(path)["emb_params"], vectors)


def test_archives_that_claim_more_than_they_hold_are_refused(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.ckpt", b"\0" * 50_000_000, packed_how=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(UserError, match="not an archive as torch writes them"):
        read_pickled(bomb)
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match=r"Convert it to \.safetensors"):
        read_pickled(tmp_path / "old.pt")


def test_tensors_larger_than_their_storage_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pt"
    torch.save({"a": torch.zeros(4)}, path)
    with zipfile.ZipFile(path) as stream:
        parts = {part: stream.read(part) for part in stream.namelist()}
    name = next(part for part in parts if part.endswith("data.pkl"))
    # Four numbers are said to be ten million in every place that says four.
    parts[name] = parts[name].replace(b"K\x04", b"J\x80\x96\x98\x00")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as stream:
        for part, content in parts.items():
            stream.writestr(part, content)
    with pytest.raises(UserError):
        read_pickled(path)


def test_spoilt_pickles_are_read_or_refused() -> None:
    pytest.importorskip("torch")
    done = fuzz_weights("pickle", 400)
    assert done.refused > 100, done


def test_the_same_file_is_told_the_same_whatever_lies_behind_its_head(tmp_path: Path) -> None:
    facts = inspect(write(tmp_path / "a.safetensors", unet(768)))
    with (tmp_path / "a.safetensors").open("r+b") as stream:
        stream.seek(-100, 2)
        stream.write(b"\xff" * 100)
    assert inspect(tmp_path / "a.safetensors") == facts
