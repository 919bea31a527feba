from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from crafted import CLIP, MODELS, OPEN_CLIP, UNET, VAE, flux, kohya_lora, sd3, unet, write

from aldente.engine.errors import UserError
from aldente.models.checkpoints.inspecting import inspect
from aldente.models.checkpoints.tensors import read_tensors, write_tensors


@pytest.mark.parametrize("what", MODELS)
def test_every_kind_of_file_is_told_by_names_and_shapes(what: str, tmp_path: Path) -> None:
    name, shapes, kind, architecture = MODELS[what]
    facts = inspect(write(tmp_path / name, shapes))
    assert (facts.kind, facts.architecture) == (kind, architecture)


def test_inpainting_and_fill_checkpoints_are_told_by_their_inputs(tmp_path: Path) -> None:
    assert inspect(write(tmp_path / "a.safetensors", MODELS["sd15 inpainting"][1])).variant == "inpaint"
    assert inspect(write(tmp_path / "b.safetensors", flux(guided=True, inputs=384))).variant == "inpaint"
    assert inspect(write(tmp_path / "c.safetensors", flux(guided=True))).guidance_embedded


def test_flow_models_have_their_shift_and_schnell_its_steps(tmp_path: Path) -> None:
    large = inspect(write(tmp_path / "sd3.5_large.safetensors", sd3(normal=True)))
    assert (large.prediction, large.shift, large.latent_channels) == ("flow", 3.0, 16)
    schnell = inspect(write(tmp_path / "f.safetensors", flux(guided=False)))
    assert (schnell.distilled, schnell.steps, schnell.shift) == ("schnell", (1, 4), 1.0)


@pytest.mark.parametrize(
    ("name", "distilled", "steps"),
    [
        ("sdxl_lightning_4step", "lightning", (4, 4)),
        ("dreamshaperXL_lightningDPMSDE", "lightning", (2, 8)),
        ("sd_xl_turbo_1.0_fp16", "turbo", (1, 4)),
        ("juggernaut-lcm", "lcm", (2, 8)),
        ("Hyper-SDXL-8steps", "hyper", (8, 8)),
        ("someXL_v10", "", None),
        ("plcmodel", "", None),
    ],
)
def test_the_steps_of_distilled_models_are_told_by_names(
    name: str, distilled: str, steps: tuple[int, int] | None, tmp_path: Path
) -> None:
    facts = inspect(write(tmp_path / f"{name}.safetensors", MODELS["sdxl"][1]))
    assert (facts.distilled, facts.steps) == (distilled, steps)


def test_prediction_is_told_by_metadata_then_marks_then_what_lies_beside_then_the_name(tmp_path: Path) -> None:
    shapes = unet(2048, adm=2816, downs=2)
    plain = inspect(write(tmp_path / "plain.safetensors", shapes))
    assert (plain.prediction, plain.prediction_from) == ("eps", "no sign of anything else")
    told = inspect(write(tmp_path / "model-v-pred.safetensors", shapes, {"modelspec.prediction_type": "epsilon"}))
    assert (told.prediction, told.prediction_from) == ("eps", "the file's metadata")
    marked = inspect(write(tmp_path / "noob.safetensors", shapes | {"v_pred": (), "ztsnr": ()}))
    assert (marked.prediction, marked.zero_snr) == ("v", True)
    (tmp_path / "beside.yaml").write_text('model:\n  params:\n    parameterization: "v"\n', encoding="utf-8")
    assert inspect(write(tmp_path / "beside.safetensors", shapes)).prediction == "v"
    assert inspect(write(tmp_path / "NoobAI-XL-Vpred-v1.safetensors", shapes)).prediction == "v"


@pytest.mark.parametrize(("spread", "prediction"), [(0.02, "eps"), (0.3, "v")])
def test_stable_diffusion_2_is_told_by_a_bias_of_its_last_layers(spread: float, prediction: str, tmp_path: Path) -> None:
    bias = np.random.default_rng(0).normal(0, spread, 320).astype(np.float16)
    arrays = {name: np.zeros((1, shape[-1]), np.float16) for name, shape in (unet(1024) | OPEN_CLIP).items()}
    arrays[f"{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias"] = bias
    write_tensors(tmp_path / "sd2.safetensors", arrays, {})
    facts = inspect(tmp_path / "sd2.safetensors")
    assert (facts.architecture, facts.prediction, facts.prediction_from) == ("sd2", prediction, "a bias of its last layers")
    assert facts.native == (((768, 768),) if prediction == "v" else ((512, 512),))


def test_a_checkpoint_says_what_it_lacks(tmp_path: Path) -> None:
    whole = inspect(write(tmp_path / "whole.safetensors", unet(768) | VAE | CLIP))
    assert (whole.has, whole.notes) == (("denoiser", "text encoder", "vae"), ())
    assert "no VAE" in " ".join(inspect(write(tmp_path / "novae.safetensors", unet(768) | CLIP)).notes)
    assert "denoiser alone" in " ".join(inspect(write(tmp_path / "unet.safetensors", unet(768))).notes)


def test_a_lora_says_its_rank_and_how_it_is_written(tmp_path: Path) -> None:
    facts = inspect(write(tmp_path / "a.safetensors", kohya_lora(768, rank=24)))
    assert (facts.network, facts.rank, facts.layout) == ("lora", 24, "kohya")
    assert inspect(write(tmp_path / "b.safetensors", MODELS["loha"][1])).network == "loha"
    assert inspect(write(tmp_path / "c.safetensors", MODELS["lokr"][1])).network == "lokr"


def test_a_lora_without_telling_names_is_told_by_what_its_trainer_wrote(tmp_path: Path) -> None:
    shapes = {"lora_unet_mid_block_resnets_0_conv1.lora_down.weight": (4, 320, 3, 3)}
    assert inspect(write(tmp_path / "a.safetensors", shapes)).architecture is None
    assert (
        inspect(write(tmp_path / "b.safetensors", shapes, {"ss_base_model_version": "sdxl_base_v1-0"})).architecture == "sdxl"
    )


def test_other_formats_are_refused_with_what_can_be_done(tmp_path: Path) -> None:
    for name, part in (
        ("flux.gguf", "packed for another program"),
        ("a.onnx", "format is not known"),
        ("b.ckpt", "--allow-pickle"),
    ):
        (tmp_path / name).write_bytes(b"GGUF")
        with pytest.raises(UserError, match=part):
            inspect(tmp_path / name)
    with pytest.raises(UserError, match="does not exist"):
        inspect(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match=r"model_index\.json"):
        inspect(tmp_path)


def test_numbers_come_back_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "half": rng.normal(size=(3, 4)).astype(np.float16),
        "single": rng.normal(size=(2, 1, 5)).astype(np.float32),
        "count": np.asarray(7, np.int64),
        "empty": np.zeros((0, 4), np.float32),
    }
    write_tensors(tmp_path / "a.safetensors", arrays, {"ss_network_dim": "4", "quote": '"\u00e4\n'})
    found = read_tensors(tmp_path / "a.safetensors")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_is_written_is_what_the_reference_library_reads_and_the_other_way(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.asarray([True, False])}
    write_tensors(tmp_path / "ours.safetensors", arrays, {"x": "y"})
    theirs = library.load_file(tmp_path / "ours.safetensors")
    library.save_file(arrays, tmp_path / "theirs.safetensors", {"x": "y"})
    ours = read_tensors(tmp_path / "theirs.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(theirs[name], array)
        np.testing.assert_array_equal(ours[name], array)


def test_bfloat16_is_read_as_single_precision(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    values = torch.tensor([1.0, -2.5, 3.140625, 1e30]).bfloat16()
    save_file({"x": values}, tmp_path / "b.safetensors")
    np.testing.assert_array_equal(read_tensors(tmp_path / "b.safetensors")["x"], values.float().numpy())
