"""Tiny checkpoints of each architecture, with random weights that are the same in every run, in diffusers' folder layout.

``build(kind, folder)`` writes one and returns its folder; ``KINDS`` names them. They have the parts, the wiring and the
schedulers of the released models, and widths of 8 to 64, so that a picture of 64 px takes milliseconds. As a program::

    python tests/models/diffusers/tiny.py sdxl /tmp/tiny-sdxl
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    ControlNetUnionModel,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    PNDMScheduler,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    T2IAdapter,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

WORDS = ("a", "red", "apple", "house", "green", "big", "owl", "on", "the", "of", "with", "picture")
"""What the tokenizers know as whole words; all else they spell."""

STABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
"""The noise on which Stable Diffusion was trained."""

SDXL_TIME = 8
"""The width of each of SDXL's size conditions here."""


def build(kind: str, folder: Path | str) -> Path:
    """Write the checkpoint ``kind`` into ``folder`` and return it; one that is there is left as it is."""
    place = Path(folder)
    if not place.exists():
        KINDS[kind]().save_pretrained(place)
    return place


def clip_tokenizer(pad: str = "<|endoftext|>") -> CLIPTokenizer:
    """CLIP's tokenizer with a small vocabulary: every byte, alone and at the end of a word, and ``WORDS``."""
    letters = _byte_letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        left = word[0] if len(word) > 1 else None
        for index, letter in enumerate(word[1:], 1):
            right = f"{letter}</w>" if index == len(word) - 1 else letter
            if (left, right) not in merges:
                merges.append((str(left), right))
            left = f"{left}{right}"
    tokens += list(dict.fromkeys(left + right for left, right in merges))
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    if pad not in tokens:
        # SD 2 and SDXL's second encoder pad with '!', which is a byte and so known already.
        raise ValueError(f"'{pad}' is no token")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad, model_max_length=77)


def t5_tokenizer() -> T5Tokenizer:
    """T5's tokenizer with a small vocabulary: whole ``WORDS``, and letters for all else."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(f"\u2581{word}", -1.0) for word in WORDS if len(word) > 1]
    pieces += [(chr(code), -5.0) for code in range(33, 127)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


def clip(
    width: int,
    *,
    layers: int = 3,
    projection: int | None = None,
    seed: int = 1,
    pad: str = "<|endoftext|>",
    spread: float = 2.0,
) -> Any:
    """A CLIP text encoder; with a ``projection`` its pooled state is projected, as in SDXL and SD 3.

    ``spread`` widens its weights; what is read before the final norm must not grow too large.
    """
    tokenizer = clip_tokenizer(pad)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        projection_dim=projection or width,
        hidden_act="gelu" if projection else "quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return _seeded(seed, lambda: (CLIPTextModelWithProjection if projection else CLIPTextModel)(config), spread=spread)


def t5(width: int = 32) -> T5EncoderModel:
    """A T5 text encoder."""
    config = T5Config(
        vocab_size=len(t5_tokenizer()), d_model=width, d_kv=8, d_ff=2 * width, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu", is_encoder_decoder=False, use_cache=False, dropout_rate=0.0,
    )  # fmt: skip
    return _seeded(3, lambda: T5EncoderModel(config))


def vae(
    channels: int = 4, *, scaling: float = 0.18215, shift: float | None = None, force_upcast: bool = False
) -> AutoencoderKL:
    """An autoencoder that makes pictures eight times smaller."""
    post = shift is None
    return _seeded(
        4,
        lambda: AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8, 8, 16, 16),
            layers_per_block=1,
            latent_channels=channels,
            norm_num_groups=4,
            sample_size=64,
            scaling_factor=scaling,
            shift_factor=shift,
            use_quant_conv=post,
            use_post_quant_conv=post,
            force_upcast=force_upcast,
        ),
    )


def unet(
    context: int, *, channels: int = 4, linear: bool = False, heads: int | tuple[int, ...] = 2, xl: int | None = None,
    ids: int = 6, seed: int = 5, told: int | None = None,
) -> UNet2DConditionModel:  # fmt: skip
    """The network of SD 1 and 2, and with ``xl`` (the width of the pooled text) that of SDXL, which has one level less.

    ``told`` is the width in which it is told its guidance, as a consistency model.
    """
    down, up = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
    widths: tuple[int, ...] = (8, 16, 16, 16)
    more: dict[str, Any] = {"time_cond_proj_dim": told}
    if xl is not None:
        down, up = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), ("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",)
        widths = (8, 16, 16)
        more = {
            "transformer_layers_per_block": (1, 1, 2),
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": SDXL_TIME,
            "projection_class_embeddings_input_dim": ids * SDXL_TIME + xl,
        }
    return _seeded(
        seed,
        lambda: UNet2DConditionModel(
            sample_size=8, in_channels=channels, out_channels=4, down_block_types=down, up_block_types=up,
            block_out_channels=widths, layers_per_block=1, norm_num_groups=4, cross_attention_dim=context,
            attention_head_dim=heads, use_linear_projection=linear, **more,
        ),
        # Two encoders' states are loud enough, and louder ones would make the tiny network chaotic.
        attention=4.0 if xl is None else 1.0,
    )  # fmt: skip


def sd1(*, channels: int = 4, told: int | None = None) -> Any:
    """Stable Diffusion 1: one CLIP, predicts the noise; of nine channels it fills masks; ``told`` makes it an LCM."""
    pipeline = StableDiffusionPipeline if channels == 4 else StableDiffusionInpaintPipeline
    return pipeline(
        vae=vae(),
        text_encoder=clip(32, spread=8.0),
        tokenizer=clip_tokenizer(),
        unet=unet(32, channels=channels, told=told),
        scheduler=PNDMScheduler(**STABLE, steps_offset=1, skip_prk_steps=True, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sd2(*, zero_snr: bool = False) -> StableDiffusionPipeline:
    """Stable Diffusion 2: another CLIP, linear projections, predicts v; with ``zero_snr`` it begins with nothing but noise."""
    spacing = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} if zero_snr else {}
    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip(32, seed=11, pad="!", spread=8.0),
        tokenizer=clip_tokenizer("!"),
        unet=unet(32, linear=True, heads=(2, 4, 4, 4), seed=12),
        scheduler=DDIMScheduler(
            **STABLE, prediction_type="v_prediction", steps_offset=1, clip_sample=False, set_alpha_to_one=False, **spacing
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl() -> StableDiffusionXLPipeline:
    """SDXL: two CLIPs, sizes and crops as conditions."""
    return StableDiffusionXLPipeline(
        vae=vae(scaling=0.13025, force_upcast=True),
        text_encoder=clip(32),
        text_encoder_2=clip(32, projection=32, seed=2, pad="!"),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer("!"),
        unet=unet(64, linear=True, heads=(1, 2, 2), xl=32),
        scheduler=EulerDiscreteScheduler(**STABLE, steps_offset=1, timestep_spacing="leading"),
    )


def sdxl_refiner() -> StableDiffusionXLImg2ImgPipeline:
    """SDXL's refiner: the second CLIP alone, and an aesthetic score as a condition."""
    return StableDiffusionXLImg2ImgPipeline(
        vae=vae(scaling=0.13025, force_upcast=True),
        text_encoder=None,
        text_encoder_2=clip(32, projection=32, seed=2, pad="!"),
        tokenizer=None,
        tokenizer_2=clip_tokenizer("!"),
        unet=unet(32, linear=True, heads=(1, 2, 2), xl=32, ids=5, seed=21),
        scheduler=EulerDiscreteScheduler(**STABLE, steps_offset=1, timestep_spacing="leading"),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
    )


def sd3() -> StableDiffusion3Pipeline:
    """Stable Diffusion 3: two CLIPs and T5, a transformer, rectified flow shifted by 3."""
    return StableDiffusion3Pipeline(
        transformer=_seeded(
            31,
            lambda: SD3Transformer2DModel(
                sample_size=8, patch_size=2, in_channels=16, num_layers=2, attention_head_dim=8, num_attention_heads=4,
                joint_attention_dim=96, caption_projection_dim=32, pooled_projection_dim=64, out_channels=16,
                pos_embed_max_size=24, qk_norm="rms_norm",
            ),
            attention=4.0,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0),
        vae=vae(16, scaling=1.5305, shift=0.0609),
        text_encoder=clip(32, projection=32, seed=1),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip(32, projection=32, seed=2, pad="!"),
        tokenizer_2=clip_tokenizer("!"),
        text_encoder_3=t5(96),
        tokenizer_3=t5_tokenizer(),
    )  # fmt: skip


def flux(*, dev: bool) -> FluxPipeline:
    """FLUX: CLIP and T5, latents in patches of two by two; ``dev`` takes its guidance as a condition and shifts by size."""
    dynamic = {"shift": 3.0, "use_dynamic_shifting": True} if dev else {"shift": 1.0, "use_dynamic_shifting": False}
    return FluxPipeline(
        transformer=_seeded(
            41 if dev else 42,
            lambda: FluxTransformer2DModel(
                patch_size=1, in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
                joint_attention_dim=32, pooled_projection_dim=32, guidance_embeds=dev, axes_dims_rope=(4, 4, 8),
            ),
            # One word is one token of hundreds here.
            attention=64.0,
            loudness=4.0,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, base_shift=0.5, max_shift=1.15, **dynamic),
        vae=vae(16, scaling=0.3611, shift=0.1159),
        text_encoder=clip(32, spread=8.0),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5(32),
        tokenizer_2=t5_tokenizer(),
    )  # fmt: skip


def pixart() -> PixArtSigmaPipeline:
    """PixArt-Sigma, which aldente does not run itself: T5, a transformer that predicts the noise and its spread."""
    return PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(32),
        vae=vae(),
        transformer=_seeded(
            81,
            lambda: PixArtTransformer2DModel(
                sample_size=8, patch_size=2, in_channels=4, out_channels=8, num_layers=2, attention_head_dim=8,
                num_attention_heads=4, cross_attention_dim=32, caption_channels=32, norm_type="ada_norm_single",
                use_additional_conditions=False,
            ),
            attention=4.0,
        ),
        scheduler=DPMSolverMultistepScheduler(beta_start=0.0001, beta_end=0.02, beta_schedule="linear"),
    )  # fmt: skip


def controlnet(base: Callable[[], Any], seed: int, *, union: bool = False) -> Any:
    """A ControlNet for a network, ``union`` one of several modes; what training begins at nothing is random too."""

    def made() -> Any:
        if union:
            told = dict(ControlNetUnionModel.from_unet(base().unet).config)
            net = ControlNetUnionModel.from_config(told, num_trans_channel=8, num_trans_head=2, num_proj_channel=8)
            torch.nn.init.normal_(net.task_embedding, std=0.5)
            _stir(net.spatial_ch_projs)
        else:
            net = ControlNetModel.from_unet(base().unet, conditioning_channels=3)
        return _stir(net, "controlnet_down_blocks", "controlnet_mid_block", "controlnet_cond_embedding.conv_out")

    return _seeded(seed, made)


def sd3_controlnet(seed: int, *, apart: bool = False) -> SD3ControlNetModel:
    """A ControlNet of SD 3 with half its blocks; one ``apart`` reads no text and leaves the places to the denoiser."""
    changes = {"joint_attention_dim": None, "use_pos_embed": False, "pos_embed_type": None} if apart else {}

    def made() -> Any:
        net = SD3ControlNetModel.from_config(
            dict(sd3().transformer.config), num_layers=1, extra_conditioning_channels=0,
            force_zeros_for_pooled_projection=not apart, **changes,
        )  # fmt: skip
        return _stir(net, "controlnet_blocks", "pos_embed_input")

    return _seeded(seed, made)


def flux_controlnet(seed: int, *, modes: int | None = None, sees: bool = False) -> FluxControlNetModel:
    """A ControlNet of FLUX, of several ``modes`` if they are given; one that ``sees`` looks at the picture itself."""

    def made() -> Any:
        changes = {"conditioning_embedding_channels": 16, "patch_size": 2} if sees else {"patch_size": 1}
        told = dict(flux(dev=True).transformer.config) | changes
        net = FluxControlNetModel.from_config(told, num_layers=1, num_single_layers=0 if sees else 1, num_mode=modes)
        _stir(net, "controlnet_blocks", "controlnet_single_blocks", "controlnet_x_embedder")
        return _stir(net, "input_hint_block.conv_out") if sees else net

    # A mode is one token of hundreds.
    return _seeded(seed, made, attention=64.0 if modes else 1.0)


def save_image_encoder(folder: Path) -> Path:
    """A CLIP that looks at pictures, as IP-Adapters read by one."""
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, projection_dim=24, num_hidden_layers=3, num_attention_heads=16, patch_size=8,
        image_size=32, hidden_act="quick_gelu",
    )  # fmt: skip
    _seeded(71, lambda: CLIPVisionModelWithProjection(config), spread=8.0).save_pretrained(folder)
    return folder


def save_ip_adapter(base: str, file: Path, *, plus: bool = False) -> Path:
    """An IP-Adapter for ``sd1`` or ``sdxl``, named as released ones are; ``plus`` reads the patches of pictures."""
    net = {"sd1": sd1, "sdxl": sdxl}[base]().unet
    context, number, drawn = net.config.cross_attention_dim, 1, torch.Generator().manual_seed(72)

    def weights(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=drawn) * shape[-1] ** -0.5

    made = _resampler(weights, context) if plus else {
        "proj.weight": 4.0 * weights(4 * context, 24), "proj.bias": weights(4 * context), "norm.weight": torch.ones(context),
        "norm.bias": weights(context),
    }  # fmt: skip
    found = {f"image_proj.{name}": part for name, part in made.items()}
    for name in net.attn_processors:
        if name.endswith("attn2.processor"):
            width = net.get_submodule(name.removesuffix(".processor")).to_k.out_features
            found[f"ip_adapter.{number}.to_k_ip.weight"] = weights(width, context)
            found[f"ip_adapter.{number}.to_v_ip.weight"] = 4.0 * weights(width, context)
            number += 2
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(found, file)
    return file


def _resampler(weights: Callable[..., torch.Tensor], context: int) -> dict[str, torch.Tensor]:
    """What makes four tokens of the states of patches, in the adapter's own names."""
    made = {
        "latents": weights(1, 4, 16), "proj_in.weight": weights(16, 32), "proj_in.bias": weights(16),
        "proj_out.weight": weights(context, 16), "proj_out.bias": weights(context), "norm_out.weight": torch.ones(context),
        "norm_out.bias": weights(context),
    }  # fmt: skip
    for layer in range(4):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            made |= {f"layers.{layer}.{norm}.weight": torch.ones(16), f"layers.{layer}.{norm}.bias": weights(16)}
        made |= {f"layers.{layer}.0.to_q.weight": weights(64, 16), f"layers.{layer}.0.to_kv.weight": weights(128, 16)}
        made |= {f"layers.{layer}.0.to_out.weight": weights(16, 64), f"layers.{layer}.1.1.weight": weights(64, 16)}
        made |= {f"layers.{layer}.1.3.weight": weights(16, 64)}
    return made


def _stir(net: Any, *parts: str) -> Any:
    """The network, those of its parts random that training begins at nothing (all of it if none are named)."""
    for part in [net.get_submodule(name) for name in parts] or [net]:
        for weights in part.parameters():
            torch.nn.init.normal_(weights, std=0.2)
    return net


def t2i_adapter(*, xl: bool) -> T2IAdapter:
    """A T2I-Adapter for SD 1, or for SDXL, whose levels are one fewer."""
    seed, factor, form = (62, 16, "full_adapter_xl") if xl else (61, 8, "full_adapter")
    return _seeded(
        seed,
        lambda: T2IAdapter(channels=[8, 16, 16, 16], num_res_blocks=1, downscale_factor=factor, adapter_type=form),
    )


KINDS: Mapping[str, Callable[[], Any]] = {
    "sd1": sd1,
    "sd1-lcm": lambda: sd1(told=8),
    "sd1-inpaint": lambda: sd1(channels=9),
    "sd2-v": sd2,
    "sd2-zero-snr": lambda: sd2(zero_snr=True),
    "sdxl": sdxl,
    "sdxl-refiner": sdxl_refiner,
    "sd3": sd3,
    "flux-dev": lambda: flux(dev=True),
    "flux-schnell": lambda: flux(dev=False),
    "pixart": pixart,
    "controlnet-sd1": lambda: controlnet(sd1, 51),
    "controlnet-sd1-other": lambda: controlnet(sd1, 52),
    "controlnet-sdxl": lambda: controlnet(sdxl, 53),
    "controlnet-sdxl-union": lambda: controlnet(sdxl, 54, union=True),
    "controlnet-sd3": lambda: sd3_controlnet(55),
    "controlnet-sd3-apart": lambda: sd3_controlnet(56, apart=True),
    "controlnet-flux": lambda: flux_controlnet(57),
    "controlnet-flux-union": lambda: flux_controlnet(58, modes=7),
    "controlnet-flux-sees": lambda: flux_controlnet(59, sees=True),
    "t2i-sd1": lambda: t2i_adapter(xl=False),
    "t2i-sdxl": lambda: t2i_adapter(xl=True),
}
"""Each kind of checkpoint, and what makes it."""


def _seeded(seed: int, make: Callable[[], Any], *, spread: float = 1.0, attention: float = 1.0, loudness: float = 1.0) -> Any:
    """What ``make`` makes, its weights drawn from ``seed``; the world's random numbers are left as they were.

    ``attention`` widens the weights by which a network listens to its prompt, ``loudness`` its last ones, ``spread`` all
    matrices: as they are drawn, they would hardly matter. The last norm of a text encoder gets a bias as trained ones have,
    for without it the mean of its states is zero, and A1111's emphasis divides by it.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = make().eval()
    with torch.no_grad():
        for name, weights in net.named_parameters():
            if any(part in name for part in _LISTENING):
                weights.mul_(attention)
            if name == "proj_out.weight":
                weights.mul_(loudness)
            if weights.ndim == 2 and "text_projection" not in name:
                weights.mul_(spread)
            if name.endswith("final_layer_norm.bias"):
                weights.fill_(NORM_BIAS)
    return net


NORM_BIAS = 0.1
"""The bias of a text encoder's last norm."""

_LISTENING = ("attn2.to_v", "attn2.to_out", "add_v_proj", "to_add_out", "context_embedder")
"""The weights that carry what a prompt says; those that choose where to look stay small, or rounding would decide."""


def _byte_letters() -> list[str]:
    """The printable letter that stands for each byte in byte-level vocabularies, in CLIP's order."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [code for code in range(256) if code not in plain]
    return [*map(chr, plain), *(chr(256 + index) for index in range(len(others)))]


if __name__ == "__main__":
    print(build(sys.argv[1], sys.argv[2]))
