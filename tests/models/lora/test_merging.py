from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from aldente.engine.errors import UserError
from aldente.models.lora.deltas import delta
from aldente.models.lora.files import DENOISER, TEXT, TEXT_2, read_lora
from aldente.models.lora.merging import Merged
from aldente.models.lora.targets import targets_of
from aldente.recipe.prompt import Lora, parse

Tiny = Callable[[str], Path]


def linear_modules(network: Any, inside: str) -> dict[str, torch.nn.Linear]:
    return {n: m for n, m in network.named_modules() if isinstance(m, torch.nn.Linear) and inside in n}


def random_lora(
    modules: dict[str, Any], begins: str, spelt: Callable[[str], str], *, rank: int = 4, seed: int = 0
) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    found = {}
    for name, module in modules.items():
        out, into = module.weight.shape[0], module.weight.shape[1]
        found[f"{begins}{spelt(name)}.lora_down.weight"] = torch.randn(4, into, generator=chance) * 0.2
        found[f"{begins}{spelt(name)}.lora_up.weight"] = torch.randn(out, 4, generator=chance) * 0.2
        found[f"{begins}{spelt(name)}.alpha"] = torch.tensor(2.0)
    return found


def underscored(name: str) -> str:
    return name.replace(".", "_")


def asked(text: str) -> tuple[Lora, ...]:
    return parse(text).loras


def networks_of(pipeline: Any) -> dict[str, Any]:
    denoiser = getattr(pipeline, "unet", None) or pipeline.transformer
    found = {DENOISER: denoiser, TEXT: pipeline.text_encoder, TEXT_2: getattr(pipeline, "text_encoder_2", None)}
    return {which: network for which, network in found.items() if network is not None}


def unet_answer(unet: Any, context: int, **more: Any) -> torch.Tensor:
    chance = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        x = torch.randn(2, 4, 8, 8, generator=chance)
        states = torch.randn(2, 5, context, generator=chance)
        return unet(x, torch.tensor([500, 20]), states, **more).sample


def load(folder: Path) -> Any:
    return diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True)


@pytest.fixture
def sd1(tiny: Tiny) -> Any:
    return load(tiny("sd1"))


@pytest.fixture
def sd1_lora(sd1: Any, tmp_path: Path) -> Path:
    tensors = random_lora(linear_modules(sd1.unet, "attn"), "lora_unet_", underscored)
    text = random_lora(linear_modules(sd1.text_encoder, "self_attn"), "lora_te_text_model_", underscored, seed=1)
    save_file(tensors | text, tmp_path / "style.safetensors", {"ss_base_model_version": "sd_v1"})
    return tmp_path / "style.safetensors"


def test_a_merged_lora_is_the_lora_applied_by_peft(sd1: Any, sd1_lora: Path, tiny: Tiny) -> None:
    merged = Merged(networks_of(sd1), lambda _: sd1_lora)
    before = unet_answer(sd1.unet, 32)
    merged.use(asked("<lora:style:0.7>"))
    ours = unet_answer(sd1.unet, 32)
    theirs = load(tiny("sd1"))
    theirs.load_lora_weights(sd1_lora, adapter_name="style")
    theirs.set_adapters(["style"], [0.7])
    applied = unet_answer(theirs.unet, 32)
    torch.testing.assert_close(ours, applied, rtol=1e-4, atol=1e-5)
    assert (ours - before).abs().max() > 100 * (ours - applied).abs().max()
    ids = torch.tensor([[1, 5, 6, 2]])
    torch.testing.assert_close(
        sd1.text_encoder(ids).last_hidden_state, theirs.text_encoder(ids).last_hidden_state, rtol=1e-4, atol=1e-5
    )


def test_a_lora_that_is_taken_out_leaves_the_bits_as_they_were(sd1: Any, sd1_lora: Path) -> None:
    before = {n: v.clone() for network in networks_of(sd1).values() for n, v in network.state_dict().items()}
    merged = Merged(networks_of(sd1), lambda _: sd1_lora)
    for text in ("<lora:style:0.7>", "<lora:style:-3><lora:style:0.1>", "<lora:style:0:1>", ""):
        merged.use(asked(text))
    after = {n: v for network in networks_of(sd1).values() for n, v in network.state_dict().items()}
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_weights_of_the_denoiser_and_the_text_encoder_are_apart(sd1: Any, sd1_lora: Path) -> None:
    merged = Merged(networks_of(sd1), lambda _: sd1_lora)
    unet, text = sd1.unet.state_dict(), sd1.text_encoder.state_dict()
    plain_unet, plain_text = ({n: v.clone() for n, v in state.items()} for state in (unet, text))
    merged.use((Lora(name="style", weight=0.0, text_weight=1.0),))
    assert all(torch.equal(unet[n], v) for n, v in plain_unet.items())
    assert any(not torch.equal(text[n], v) for n, v in plain_text.items())
    merged.use((Lora(name="style", weight=1.0, text_weight=0.0),))
    assert all(torch.equal(text[n], v) for n, v in plain_text.items())
    assert any(not torch.equal(unet[n], v) for n, v in plain_unet.items())


def test_several_loras_add_up_whatever_their_order(sd1: Any, sd1_lora: Path, tmp_path: Path) -> None:
    other = random_lora(linear_modules(sd1.unet, "ff"), "lora_unet_", underscored, seed=3)
    save_file(other, tmp_path / "other.safetensors")
    merged = Merged(networks_of(sd1), lambda name: tmp_path / f"{name}.safetensors")
    merged.use(asked("<lora:style:0.5><lora:other:1.2>"))
    one = unet_answer(sd1.unet, 32)
    merged.use(asked("<lora:other:1.2><lora:style:0.25><lora:style:0.25>"))
    torch.testing.assert_close(unet_answer(sd1.unet, 32), one, rtol=1e-4, atol=1e-5)


def test_kohyas_names_of_sdxl_mean_the_same_modules(tiny: Tiny, tmp_path: Path) -> None:
    pipeline = load(tiny("sdxl"))
    modules = linear_modules(pipeline.unet, "attn2")
    assert "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q" in modules
    ours = random_lora(modules, "lora_unet_", underscored)
    # In a U-Net with one layer a level, the first attention of the second level is in the third input block.
    known = {
        "down_blocks_1_attentions_0": "input_blocks_3_1", "down_blocks_2_attentions_0": "input_blocks_5_1",
        "mid_block_attentions_0": "middle_block_1", "up_blocks_0_attentions_0": "output_blocks_0_1",
        "up_blocks_0_attentions_1": "output_blocks_1_1", "up_blocks_1_attentions_0": "output_blocks_2_1",
        "up_blocks_1_attentions_1": "output_blocks_3_1",
    }  # fmt: skip
    theirs = {}
    for name, value in ours.items():
        place = next(place for place in known if place in name)
        theirs[name.replace(place, known[place])] = value
    save_file(ours, tmp_path / "ours.safetensors")
    save_file(theirs, tmp_path / "theirs.safetensors")
    merged = Merged(networks_of(pipeline), lambda name: tmp_path / f"{name}.safetensors")
    states = []
    for name in ("ours", "theirs"):
        merged.use(asked(f"<lora:{name}:1>"))
        states.append({n: v.clone() for n, v in pipeline.unet.state_dict().items()})
    assert all(torch.equal(states[0][n], v) for n, v in states[1].items())


def test_both_text_encoders_of_sdxl_are_changed(tiny: Tiny, tmp_path: Path) -> None:
    pipeline = load(tiny("sdxl"))
    one = random_lora(linear_modules(pipeline.text_encoder, "mlp"), "lora_te1_text_model_", underscored)
    two = random_lora(linear_modules(pipeline.text_encoder_2, "mlp"), "lora_te2_", underscored, seed=2)
    save_file(one | two, tmp_path / "x.safetensors")
    merged = Merged(networks_of(pipeline), lambda _: tmp_path / "x.safetensors")
    layers = [
        next(module for name, module in network.named_modules() if name.endswith("layers.0.mlp.fc1"))
        for network in (pipeline.text_encoder, pipeline.text_encoder_2)
    ]
    before = [layer.weight.detach().clone() for layer in layers]
    merged.use(asked("<lora:x:1>"))
    assert not any(torch.equal(layer.weight, plain) for layer, plain in zip(layers, before, strict=True))


@pytest.mark.parametrize("kind", ["flux-dev", "sd3"])
def test_fused_names_of_transformers_are_shared_out_to_their_parts(kind: str, tiny: Tiny, tmp_path: Path) -> None:
    pipeline = load(tiny(kind))
    targets = targets_of(pipeline.transformer, DENOISER)
    spelling = "double_blocks_0_img_attn_qkv" if kind == "flux-dev" else "joint_blocks_0_x_block_attn_qkv"
    assert [target.module.rsplit(".", 1)[1] for target in targets[spelling]] == ["to_q", "to_k", "to_v"]
    weights = [pipeline.transformer.get_submodule(target.module).weight.detach().clone() for target in targets[spelling]]
    width = weights[0].shape[1]
    up, down = torch.randn(3 * width, 2), torch.randn(2, width)
    save_file(
        {f"lora_unet_{spelling}.lora_up.weight": up, f"lora_unet_{spelling}.lora_down.weight": down}, tmp_path / "f.safetensors"
    )
    Merged(networks_of(pipeline), lambda _: tmp_path / "f.safetensors").use((Lora(name="f", weight=0.5, text_weight=1.0),))
    whole = torch.cat([pipeline.transformer.get_submodule(target.module).weight for target in targets[spelling]])
    torch.testing.assert_close(whole, torch.cat(weights) + 0.5 * up @ down)


def test_diffusers_own_files_are_read(tiny: Tiny, tmp_path: Path, sd1: Any) -> None:
    modules = linear_modules(sd1.unet, "attn1")
    kohya = random_lora(modules, "lora_unet_", underscored)
    peft = {
        f"unet.{name}": value * (0.5 if name.endswith("lora_B.weight") else 1.0)
        for name, value in (
            (key.replace("lora_down", "lora_A").replace("lora_up", "lora_B"), value)
            for key, value in random_lora(modules, "", str).items() if not key.endswith("alpha")
        )
    }  # fmt: skip
    save_file(kohya, tmp_path / "kohya.safetensors")
    save_file(peft, tmp_path / "peft.safetensors")
    merged = Merged(networks_of(sd1), lambda name: tmp_path / f"{name}.safetensors")
    states = []
    for name in ("kohya", "peft"):
        merged.use(asked(f"<lora:{name}:1>"))
        states.append({n: v.clone() for n, v in sd1.unet.state_dict().items()})
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value)


def test_a_lora_of_another_architecture_is_refused_and_changes_nothing(sd1: Any, tmp_path: Path) -> None:
    save_file(
        {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": torch.ones(2, 4),
         "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": torch.ones(12, 2)}, tmp_path / "flux.safetensors"
    )  # fmt: skip
    wrong = random_lora(linear_modules(sd1.unet, "attn1"), "lora_unet_", underscored)
    save_file(
        {name: value[:, :3].contiguous() if "down" in name and value.ndim == 2 else value for name, value in wrong.items()},
        tmp_path / "wide.safetensors",
    )
    merged = Merged(networks_of(sd1), lambda name: tmp_path / f"{name}.safetensors")
    before = unet_answer(sd1.unet, 32)
    with pytest.raises(UserError, match="another architecture"):
        merged.use(asked("<lora:flux:1>"))
    with pytest.raises(UserError, match="does not fit"):
        merged.use(asked("<lora:wide:1>"))
    assert torch.equal(unet_answer(sd1.unet, 32), before)
    assert merged.used == ()


def test_files_that_are_no_loras_are_refused(tmp_path: Path) -> None:
    save_file({"emb_params": torch.ones(2, 768)}, tmp_path / "e.safetensors")
    with pytest.raises(UserError, match="no LoRA but an embedding"):
        read_lora(tmp_path / "e.safetensors")
    save_file({"lora_unet_x.oft_blocks": torch.ones(2, 4, 4)}, tmp_path / "o.safetensors")
    with pytest.raises(UserError, match="kind OFT"):
        read_lora(tmp_path / "o.safetensors")


RNG = np.random.default_rng(0)


def array(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
class TestDeltas:
    """What is added, element by element as the papers write it."""

    def add(self, xp: Any, pieces: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        given = pieces if xp is np else {name: torch.as_tensor(piece) for name, piece in pieces.items()}
        return np.asarray(delta(given, shape, "x", xp))

    def test_lora_on_a_convolution_is_two_convolutions(self, xp: Any) -> None:
        up, down, x = array(6, 2, 1, 1), array(2, 3, 3, 3), array(1, 3, 5, 5)
        added = self.add(xp, {"up": up, "down": down, "alpha": np.float32(1.0)}, (6, 3, 3, 3))
        conv = torch.nn.functional.conv2d
        two = conv(conv(torch.from_numpy(x), torch.from_numpy(down)), torch.from_numpy(up)) * 0.5
        np.testing.assert_allclose(conv(torch.from_numpy(x), torch.from_numpy(added)), two, rtol=1e-4, atol=1e-5)

    def test_locon_with_a_middle_is_three_convolutions(self, xp: Any) -> None:
        up, mid, down, x = array(6, 2, 1, 1), array(2, 2, 3, 3), array(2, 3, 1, 1), array(1, 3, 5, 5)
        added = self.add(xp, {"up": up, "mid": mid, "down": down}, (6, 3, 3, 3))
        conv = torch.nn.functional.conv2d
        three = conv(conv(conv(torch.from_numpy(x), torch.from_numpy(down)), torch.from_numpy(mid)), torch.from_numpy(up))
        np.testing.assert_allclose(conv(torch.from_numpy(x), torch.from_numpy(added)), three, rtol=1e-4, atol=1e-4)

    def test_loha_is_a_product_of_products(self, xp: Any) -> None:
        a, b, c, d = array(6, 2), array(2, 5), array(6, 2), array(2, 5)
        added = self.add(xp, {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d, "alpha": np.float32(4)}, (6, 5))
        np.testing.assert_allclose(added, 2.0 * (a @ b) * (c @ d), rtol=1e-5, atol=1e-6)

    def test_loha_of_a_convolution_has_cores(self, xp: Any) -> None:
        t1, t2, a, b, c, d = array(2, 2, 3, 3), array(2, 2, 3, 3), array(2, 6), array(2, 5), array(2, 6), array(2, 5)
        pieces = {"hada_t1": t1, "hada_t2": t2, "hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d}
        one = np.stack([[a.T @ t1[:, :, k, m] @ b for m in range(3)] for k in range(3)])
        two = np.stack([[c.T @ t2[:, :, k, m] @ d for m in range(3)] for k in range(3)])
        np.testing.assert_allclose(self.add(xp, pieces, (6, 5, 3, 3)), (one * two).transpose(2, 3, 0, 1), rtol=1e-4, atol=1e-4)

    def test_lokr_is_a_kronecker_product(self, xp: Any) -> None:
        one, a, b = array(2, 3), array(4, 2), array(2, 5)
        added = self.add(xp, {"lokr_w1": one, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": np.float32(1)}, (8, 15))
        np.testing.assert_allclose(added, 0.5 * np.kron(one, a @ b), rtol=1e-5, atol=1e-6)
        whole = self.add(xp, {"lokr_w1": one, "lokr_w2": array(4, 5, 3, 3), "alpha": np.float32(9)}, (8, 15, 3, 3))
        assert whole.shape == (8, 15, 3, 3)

    def test_a_missing_piece_is_told(self, xp: Any) -> None:
        with pytest.raises(UserError, match="'down' is missing"):
            self.add(xp, {"up": array(2, 2)}, (2, 2))


def test_dora_has_the_magnitudes_that_were_learned(sd1: Any, tmp_path: Path) -> None:
    name, module = next(iter(linear_modules(sd1.unet, "attn1").items()))
    tensors = random_lora({name: module}, "lora_unet_", underscored)
    plain = module.weight.detach().clone()
    magnitude = torch.rand(plain.shape[0], 1) + 0.5
    save_file(tensors | {f"lora_unet_{underscored(name)}.dora_scale": magnitude}, tmp_path / "d.safetensors")
    merged = Merged(networks_of(sd1), lambda _: tmp_path / "d.safetensors")
    merged.use((Lora(name="d", weight=1.0, text_weight=1.0),))
    torch.testing.assert_close(module.weight.norm(dim=1, keepdim=True), magnitude)
