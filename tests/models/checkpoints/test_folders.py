from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aldente.engine.errors import UserError
from aldente.models.checkpoints.inspecting import inspect

TOLD = {
    "sd1": ("sd1", "eps", "", False, None),
    "sd1-inpaint": ("sd1", "eps", "inpaint", False, None),
    "sd2-v": ("sd2", "v", "", False, None),
    "sd2-zero-snr": ("sd2", "v", "", True, None),
    "sdxl": ("sdxl", "eps", "", False, None),
    "sd3": ("sd3.5-large", "flow", "", False, 3.0),
    "flux-dev": ("flux-dev", "flow", "", False, 3.158),
    "flux-schnell": ("flux-schnell", "flow", "", False, 1.0),
}


@pytest.mark.parametrize("kind", TOLD)
def test_diffusers_folders_are_told_by_their_configurations(kind: str, tiny: Callable[[str], Path]) -> None:
    facts = inspect(tiny(kind))
    assert (facts.architecture, facts.prediction, facts.variant, facts.zero_snr, facts.shift) == TOLD[kind]
    assert facts.numbers > 1000
    assert facts.dtype == "F32"
    assert facts.notes == ()


def test_the_size_is_that_of_the_configuration(tiny: Callable[[str], Path]) -> None:
    assert inspect(tiny("sd1")).native[0] == (64, 64)


@pytest.mark.parametrize("text", ["[]", "{", '{"_class_name": 3}', "{}", '{"_class_name": "SomethingElse"}'])
def test_odd_indices_are_refused_or_unknown(text: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(text, encoding="utf-8")
    try:
        assert inspect(tmp_path).architecture is None
    except UserError as refused:
        assert "damaged" in str(refused)  # noqa: PT017


@pytest.mark.parametrize("value", [None, "8", -1, True, 2**70, [4], {"a": 1}])
def test_odd_values_in_configurations_are_left_aside(value: object, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}', encoding="utf-8")
    for part, keys in {"unet": ("in_channels", "sample_size", "cross_attention_dim"), "vae": ("latent_channels",)}.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(dict.fromkeys(keys, value)), encoding="utf-8")
    facts = inspect(tmp_path)
    assert (facts.architecture, facts.inputs, facts.native[0]) == ("sd1", None, (512, 512))
