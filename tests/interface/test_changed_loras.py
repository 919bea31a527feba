"""A picture is drawn anew when the LoRA of its prompt is another one, and only then; records say which it was."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from aldente.models.checkpoints.hashes import tensor_sha256
from aldente.models.lora.onnx_file import OnnxFile
from aldente.models.pastina import choosing
from aldente.store import open_store

LINE = ("--seed", 3, "--steps", 2, "--upscaler", "none", "--json")


def write_lora(path: Path, seed: int, **notes: str) -> Path:
    """A LoRA for one layer of pastina."""
    weights = OnnxFile.read(Path(choosing.__file__).parent / "weights" / "denoiser.onnx").tensors
    name = next(one for one in weights if one.endswith(".weight") and ".norm." not in one and len(weights[one].shape) == 2)
    rows, columns = weights[name].shape
    drawn = np.random.default_rng(seed)
    key = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
    made = {
        f"{key}.lora_down.weight": drawn.standard_normal((2, columns), dtype=np.float32),
        f"{key}.lora_up.weight": drawn.standard_normal((rows, 2), dtype=np.float32),
        f"{key}.alpha": np.array(2.0, np.float32),
    }
    save_file(made, path, metadata={"sshs_model_hash": "0" * 64, **notes})
    return path


def test_a_lora_is_told_by_what_is_in_it(commands, monkeypatch):
    for variable in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(commands.place / "home"))
    file = write_lora(commands.place / "thing.safetensors", 1)
    line = ("generate", f"an owl <lora:{file}:1>", *LINE)
    (first,) = commands.ok(*line).json
    with open_store(str(commands.store)) as store:
        (record,) = store.find_many([first["recipe_digest"]], first["model_fingerprint"]).values()
    assert record.provenance.loras == ((str(file), tensor_sha256(file)),)

    later = time.time() + 100
    os.utime(file, (later, later))
    (same,) = commands.ok(*line).json
    assert same["reused"]
    write_lora(file, 1, note="renamed by its trainer")
    assert commands.ok(*line).json[0]["reused"]

    # Another one of the same name, older than the picture, and with the hash that its trainer wrote into the first.
    write_lora(file, 2)
    os.utime(file, (1, 1))
    process = commands.start(*line)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    (other,) = json.loads(out)
    assert not other["reused"]
    assert other["image_hash"] != first["image_hash"]
