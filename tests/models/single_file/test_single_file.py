from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_flux_transformer_checkpoint_to_diffusers,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
    convert_sd3_transformer_checkpoint_to_diffusers,
)
from original_layout import original_tensors, renamed
from safetensors.torch import load_file, save_file

from aldente.engine.errors import UserError
from aldente.models.checkpoints.inspecting import inspect
from aldente.models.single_file import names
from aldente.models.single_file.configs import CONFIGS
from aldente.models.single_file.opening import open_single_file, open_vae
from aldente.models.single_file.tokenizers import clip_tokenizer, t5_tokenizer

KINDS = {
    "sd1": "sd1", "sd1-inpaint": "sd1", "sd2-v": "sd2", "sd2-zero-snr": "sd2", "sdxl": "sdxl", "sdxl-refiner": "sdxl-refiner",
    "sd3": "sd3.5-large", "flux-dev": "flux-dev", "flux-schnell": "flux-schnell",
}  # fmt: skip
PARTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")

Tiny = Callable[[str], Path]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_told_as_the_folder_it_was_made_of(kind: str, tiny: Tiny, original: Tiny) -> None:
    file, folder = inspect(original(kind)), inspect(tiny(kind))
    assert file.kind == "checkpoint"
    assert file.architecture == KINDS[kind]
    assert (file.prediction, file.zero_snr, file.variant, file.shift) == (
        folder.prediction, folder.zero_snr, folder.variant, folder.shift,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("sd1-inpaint", "flux-schnell", "sd2-zero-snr")])
def test_a_file_opens_to_the_bits_of_the_folder_it_was_made_of(kind: str, tiny: Tiny, original: Tiny) -> None:
    path = original(kind)
    opened = open_single_file(path, inspect(path), like=tiny(kind))
    folder = diffusers.DiffusionPipeline.from_pretrained(tiny(kind), local_files_only=True)
    compared = 0
    for part in PARTS:
        theirs = getattr(folder, part, None)
        if theirs is None:
            assert getattr(opened, part, None) is None
            continue
        ours = getattr(opened, part).state_dict()
        assert ours.keys() == theirs.state_dict().keys()
        for name, value in theirs.state_dict().items():
            assert torch.equal(ours[name], value), (part, name)
            compared += 1
    assert compared > 100
    assert opened.scheduler.config.get("prediction_type") == folder.scheduler.config.get("prediction_type")


def test_our_unet_names_are_those_that_diffusers_reads(tiny: Tiny) -> None:
    for kind in ("sd1", "sd2-v", "sdxl", "sdxl-refiner"):
        network = diffusers.UNet2DConditionModel.from_pretrained(tiny(kind) / "unet")
        saved = renamed(network.state_dict(), names.unet(network.config))
        back = convert_ldm_unet_checkpoint(dict(saved), dict(network.config))
        assert back.keys() == network.state_dict().keys()
        assert all(torch.equal(back[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("architecture", ["sd1", "sd2", "sdxl", "sdxl-refiner"])
def test_the_names_of_the_released_unets_are_those_that_diffusers_reads(architecture: str) -> None:
    config = CONFIGS[architecture]["unet"]
    with torch.device("meta"):
        network = diffusers.UNet2DConditionModel.from_config(dict(config))
    saved = renamed(network.state_dict(), names.unet(config))
    back = convert_ldm_unet_checkpoint(dict(saved), dict(network.config))
    assert {name: tuple(value.shape) for name, value in back.items()} == {
        name: tuple(value.shape) for name, value in network.state_dict().items()
    }


def test_our_vae_names_are_those_that_diffusers_reads(tiny: Tiny) -> None:
    network = diffusers.AutoencoderKL.from_pretrained(tiny("sd1") / "vae")
    saved = renamed(network.state_dict(), names.vae(network.config), convolved=True)
    back = convert_ldm_vae_checkpoint(dict(saved), dict(network.config))
    assert back.keys() == network.state_dict().keys()
    assert all(torch.equal(back[name].reshape(value.shape), value) for name, value in network.state_dict().items())


def test_our_sd3_names_are_those_that_diffusers_reads(tiny: Tiny) -> None:
    network = diffusers.SD3Transformer2DModel.from_pretrained(tiny("sd3") / "transformer")
    back = convert_sd3_transformer_checkpoint_to_diffusers(renamed(network.state_dict(), names.sd3(network.config)))
    assert all(torch.equal(back[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("guided", [True, False])
def test_the_names_of_the_released_flux_are_those_that_diffusers_reads(guided: bool) -> None:
    config = CONFIGS["flux-dev" if guided else "flux-schnell"]["transformer"] | {"num_layers": 1, "num_single_layers": 1}
    with torch.device("meta"):
        network = diffusers.FluxTransformer2DModel.from_config(config)
    back = convert_flux_transformer_checkpoint_to_diffusers(renamed(network.state_dict(), names.flux(config)))
    assert {name: tuple(value.shape) for name, value in back.items()} == {
        name: tuple(value.shape) for name, value in network.state_dict().items()
    }


def test_our_open_clip_names_are_those_that_diffusers_reads(tiny: Tiny) -> None:
    from transformers import CLIPTextModelWithProjection

    network = CLIPTextModelWithProjection.from_pretrained(tiny("sdxl") / "text_encoder_2")
    saved = renamed(network.state_dict(), names.open_clip("conditioner.embedders.1.model."))
    back = convert_open_clip_checkpoint(network, saved, prefix="conditioner.embedders.1.model.")
    assert all(torch.equal(back[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("architecture", list(CONFIGS))
def test_the_released_configurations_have_the_numbers_of_the_released_models(architecture: str) -> None:
    # Parameters of the denoisers in millions, as their model cards and papers say.
    known = {
        "sd1": 860, "sd2": 866, "sdxl": 2567, "sdxl-refiner": 2300, "sd3": 2028, "sd3.5-medium": 2243, "sd3.5-large": 8057,
        "flux-dev": 11901, "flux-schnell": 11891,
    }  # fmt: skip
    parts = CONFIGS[architecture]
    part = "unet" if "unet" in parts else "transformer"
    kind = {"unet": "UNet2DConditionModel"}.get(part) or (
        "FluxTransformer2DModel" if architecture.startswith("flux") else "SD3Transformer2DModel"
    )
    with torch.device("meta"):
        network = getattr(diffusers, kind).from_config(dict(parts[part]))
    assert sum(value.numel() for value in network.parameters()) / 1e6 == pytest.approx(known[architecture], rel=0.02)


def test_an_external_vae_replaces_the_one_inside(tiny: Tiny, original: Tiny, tmp_path: Path) -> None:
    path, folder = original("sd1"), tiny("sd1")
    changed = diffusers.AutoencoderKL.from_pretrained(folder / "vae")
    with torch.no_grad():
        changed.decoder.conv_out.bias.add_(0.5)
    for name, state in (
        ("diffusers.safetensors", changed.state_dict()),
        ("original.safetensors", {
            key.removeprefix("first_stage_model."): value.contiguous()
            for key, value in renamed(changed.state_dict(), names.vae(changed.config)).items()
        }),
    ):  # fmt: skip
        save_file(state, tmp_path / name)
        assert inspect(tmp_path / name).kind == "vae"
        opened = open_single_file(path, inspect(path), vae=tmp_path / name, like=folder)
        assert torch.equal(opened.vae.decoder.conv_out.bias, changed.decoder.conv_out.bias)
        alone = open_vae(tmp_path / name, dict(changed.config))
        assert all(torch.equal(alone.state_dict()[key], value) for key, value in changed.state_dict().items())


def test_a_file_without_vae_or_text_encoder_says_so(tiny: Tiny, original: Tiny, tmp_path: Path) -> None:
    file = load_file(original("sd1"))
    bare = {name: value for name, value in file.items() if not name.startswith("first_stage_model.")}
    save_file(bare, tmp_path / "novae.safetensors")
    facts = inspect(tmp_path / "novae.safetensors")
    with pytest.raises(UserError, match="holds no VAE"):
        open_single_file(tmp_path / "novae.safetensors", facts, like=tiny("sd1"))
    alone = {name: value for name, value in file.items() if name.startswith("model.")}
    save_file(alone, tmp_path / "unet.safetensors")
    facts = replace(inspect(tmp_path / "unet.safetensors"), architecture="sd1")
    with pytest.raises(UserError, match="holds no VAE"):
        open_single_file(tmp_path / "unet.safetensors", facts, like=tiny("sd1"))


def test_a_denoiser_alone_takes_its_text_encoders_from_a_folder(tiny: Tiny, original: Tiny, tmp_path: Path) -> None:
    pipeline = diffusers.DiffusionPipeline.from_pretrained(tiny("flux-dev"), local_files_only=True)
    tensors = original_tensors(pipeline, tiny("flux-dev"))
    prefix = "model.diffusion_model."
    save_file(
        {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}, tmp_path / "flux1-dev.safetensors"
    )
    save_file(pipeline.vae.state_dict(), tmp_path / "ae.safetensors")
    path = tmp_path / "flux1-dev.safetensors"
    facts = inspect(path)
    assert (facts.kind, facts.architecture) == ("denoiser", "flux-dev")
    opened = open_single_file(path, facts, vae=tmp_path / "ae.safetensors", like=tiny("flux-dev"))
    for part in ("transformer", "text_encoder", "text_encoder_2", "vae"):
        theirs = getattr(pipeline, part).state_dict()
        assert all(torch.equal(getattr(opened, part).state_dict()[name], value) for name, value in theirs.items())


def test_half_precision_is_the_files_own_numbers(tiny: Tiny, original: Tiny) -> None:
    path = original("sd1")
    opened = open_single_file(path, inspect(path), dtype="bfloat16", like=tiny("sd1"))
    assert opened.unet.dtype == opened.text_encoder.dtype == opened.vae.dtype == torch.bfloat16


def test_a_pickle_opens_to_the_same_when_it_is_allowed(tiny: Tiny, original: Tiny, tmp_path: Path) -> None:
    file = load_file(original("sd1"))
    torch.save({"state_dict": file, "global_step": 4}, tmp_path / "model.ckpt")
    facts = inspect(tmp_path / "model.ckpt", allow_pickle=True)
    with pytest.raises(UserError, match="--allow-pickle"):
        open_single_file(tmp_path / "model.ckpt", facts, like=tiny("sd1"))
    opened = open_single_file(tmp_path / "model.ckpt", facts, like=tiny("sd1"), allow_pickle=True)
    other = open_single_file(original("sd1"), facts, like=tiny("sd1"))
    assert all(torch.equal(opened.unet.state_dict()[name], value) for name, value in other.unet.state_dict().items())


def test_a_file_of_another_size_is_refused(original: Tiny) -> None:
    path = original("sd1")
    with pytest.raises(UserError, match="expected: another architecture"):
        open_single_file(path, inspect(path))


def test_a_lora_is_no_checkpoint(tmp_path: Path) -> None:
    save_file({"lora_unet_x.lora_down.weight": torch.ones(2, 2)}, tmp_path / "lora.safetensors")
    with pytest.raises(UserError, match="no checkpoint"):
        open_single_file(tmp_path / "lora.safetensors", inspect(tmp_path / "lora.safetensors"))


def test_clips_tokenizer_says_what_openais_does() -> None:
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == 49408
    # Tokens of these texts by OpenAI's own tokenizer.
    known = {
        "a photo of a cat": [320, 1125, 539, 320, 2368],
        "Hello, World! 123": [3306, 267, 1002, 256, 272, 273, 274],
        "a diagram": [320, 22697],
    }
    for text, ids in known.items():
        assert tokenizer(text).input_ids == [49406, *ids, 49407]
    assert clip_tokenizer("!").pad_token_id == 0


def test_t5s_tokenizer_is_looked_for_and_missed_with_advice(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="models add ComfyUI"):
        t5_tokenizer(roots=[tmp_path])
    place = tmp_path / "ComfyUI/comfy/text_encoders/t5_tokenizer"
    place.parent.mkdir(parents=True)
    place.symlink_to(tiny("sd3") / "tokenizer_3")
    found, inside = t5_tokenizer(roots=[tmp_path / "ComfyUI"]), t5_tokenizer(tiny("sd3"))
    assert found("a red apple").input_ids == inside("a red apple").input_ids
