"""Where each tensor of diffusers' networks lies in a file of the original layout.

Each network's table is read from diffusers' name to the original one: the other direction is the same table, so what is
saved and what is opened cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """The original tensor of which one of ours is the part number ``part``, the parts being as long as ``sizes`` say.

    ``form`` says how it differs: ``swap`` has its halves exchanged, ``turned`` rows and columns; all else only its outline.
    """

    name: str
    part: int = 0
    sizes: tuple[int, ...] = (1,)
    form: str = ""


Naming = Callable[[str], Origin]
"""From diffusers' name of a tensor to its origin."""

_Rule = tuple[str, str] | tuple[str, str, int, tuple[int, ...]]

_THIRDS = (1, 1, 1)

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip


def unet_modules(config: Mapping[str, Any]) -> dict[str, str]:
    """The modules of diffusers' U-Net, as what their names begin with, and those of the original."""
    layers, downs = config["layers_per_block"], config["down_block_types"]
    counts = [layers] * len(downs) if isinstance(layers, int) else list(layers)
    found = {
        "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
        "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2", "conv_norm_out": "out.0",
        "conv_out": "out.2", "mid_block.attentions.0": "middle_block.1",
    }  # fmt: skip
    found |= _resnet("mid_block.resnets.0", "middle_block.0") | _resnet("mid_block.resnets.1", "middle_block.2")
    at = 0
    for level, count in enumerate(counts):
        for layer in range(count):
            at += 1
            found |= _resnet(f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{at}.0")
            found[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{at}.1"
        if level < len(counts) - 1:
            at += 1
            found[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{at}.0.op"
    at = 0
    for level, (count, kind) in enumerate(zip(reversed(counts), config["up_block_types"], strict=True)):
        for layer in range(count + 1):
            found |= _resnet(f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{at}.0")
            found[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{at}.1"
            at += 1
        grown = 2 if "Attn" in kind else 1
        found[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{at - 1}.{grown}.conv"
    return found


def unet(config: Mapping[str, Any]) -> Naming:
    """The naming of a U-Net of this configuration."""
    return partial(_by_modules, unet_modules(config), "model.diffusion_model.")


def vae(config: Mapping[str, Any]) -> Naming:
    """The naming of an autoencoder of this configuration."""
    last = len(config["block_out_channels"]) - 1
    rules: list[_Rule] = [
        (r"^(encoder|decoder)\.mid_block\.attentions\.0\.group_norm\.", r"\1.mid.attn_1.norm."),
        (r"^(encoder|decoder)\.mid_block\.attentions\.0\.to_(q|k|v)\.", r"\1.mid.attn_1.\2."),
        (r"^(encoder|decoder)\.mid_block\.attentions\.0\.to_out\.0\.", r"\1.mid.attn_1.proj_out."),
        (r"^(encoder|decoder)\.mid_block\.resnets\.0\.", r"\1.mid.block_1."),
        (r"^(encoder|decoder)\.mid_block\.resnets\.1\.", r"\1.mid.block_2."),
        (r"^encoder\.down_blocks\.(\d+)\.resnets\.(\d+)\.", r"encoder.down.\1.block.\2."),
        (r"^encoder\.down_blocks\.(\d+)\.downsamplers\.0\.", r"encoder.down.\1.downsample."),
        (r"^(encoder|decoder)\.conv_norm_out\.", r"\1.norm_out."),
    ]
    for level in range(last + 1):
        rules += [
            (rf"^decoder\.up_blocks\.{level}\.resnets\.(\d+)\.", rf"decoder.up.{last - level}.block.\1."),
            (rf"^decoder\.up_blocks\.{level}\.upsamplers\.0\.", rf"decoder.up.{last - level}.upsample."),
        ]
    plain = partial(_by_rules, rules, "first_stage_model.")
    return lambda name: plain(name)._replace(name=plain(name).name.replace(".conv_shortcut.", ".nin_shortcut."))


def clip(begins: str) -> Naming:
    """The naming of a CLIP text encoder as transformers writes it, after ``begins``."""

    def origin(name: str) -> Origin:
        inner = name.removeprefix("text_model.")
        return Origin(begins + (inner if inner.startswith("text_projection") else f"text_model.{inner}"))

    return origin


def open_clip(begins: str) -> Naming:
    """The naming of a CLIP text encoder as OpenCLIP writes it, after ``begins``."""
    block, ours = "transformer.resblocks.", r"^encoder\.layers\.(\d+)\."
    rules: list[_Rule] = [
        (rf"{ours}self_attn\.{which}_proj\.(weight|bias)$", rf"{block}\1.attn.in_proj_\2", part, _THIRDS)
        for part, which in enumerate("qkv")
    ]
    rules += [
        (rf"{ours}self_attn\.out_proj\.", rf"{block}\1.attn.out_proj."),
        (rf"{ours}layer_norm(1|2)\.", rf"{block}\1.ln_\2."),
        (rf"{ours}mlp\.fc1\.", rf"{block}\1.mlp.c_fc."),
        (rf"{ours}mlp\.fc2\.", rf"{block}\1.mlp.c_proj."),
        (r"^embeddings\.token_embedding\.", "token_embedding."),
        (r"^embeddings\.position_embedding\.weight$", "positional_embedding"),
        (r"^final_layer_norm\.", "ln_final."),
    ]

    def origin(name: str) -> Origin:
        if name == "text_projection.weight":
            return Origin(f"{begins}text_projection", form="turned")
        return _by_rules(rules, begins, name.removeprefix("text_model."))

    return origin


def t5(begins: str) -> Naming:
    """The naming of T5's encoder, after ``begins``."""
    return lambda name: Origin(begins + ("shared.weight" if name == "encoder.embed_tokens.weight" else name))


def sd3(config: Mapping[str, Any]) -> Naming:
    """The naming of Stable Diffusion 3's transformer."""
    block = r"^transformer_blocks\.(\d+)\."
    rules: list[_Rule] = []
    for part, which in enumerate("qkv"):
        rules += [
            (rf"{block}(attn2?)\.to_{which}\.", r"joint_blocks.\1.x_block.\2.qkv.", part, _THIRDS),
            (rf"{block}attn\.add_{which}_proj\.", r"joint_blocks.\1.context_block.attn.qkv.", part, _THIRDS),
            (rf"{block}(attn2?)\.norm_{which}\.", rf"joint_blocks.\1.x_block.\2.ln_{which}."),
            (rf"{block}attn\.norm_added_{which}\.", rf"joint_blocks.\1.context_block.attn.ln_{which}."),
        ]
    rules += [
        (rf"{block}(attn2?)\.to_out\.0\.", r"joint_blocks.\1.x_block.\2.proj."),
        (rf"{block}attn\.to_add_out\.", r"joint_blocks.\1.context_block.attn.proj."),
        (rf"{block}norm1\.linear\.", r"joint_blocks.\1.x_block.adaLN_modulation.1."),
        (rf"{block}norm1_context\.linear\.", r"joint_blocks.\1.context_block.adaLN_modulation.1."),
        (rf"{block}ff\.net\.0\.proj\.", r"joint_blocks.\1.x_block.mlp.fc1."),
        (rf"{block}ff\.net\.2\.", r"joint_blocks.\1.x_block.mlp.fc2."),
        (rf"{block}ff_context\.net\.0\.proj\.", r"joint_blocks.\1.context_block.mlp.fc1."),
        (rf"{block}ff_context\.net\.2\.", r"joint_blocks.\1.context_block.mlp.fc2."),
        (r"^pos_embed\.pos_embed$", "pos_embed"),
        (r"^pos_embed\.proj\.", "x_embedder.proj."),
        (r"^time_text_embed\.timestep_embedder\.linear_1\.", "t_embedder.mlp.0."),
        (r"^time_text_embed\.timestep_embedder\.linear_2\.", "t_embedder.mlp.2."),
        (r"^time_text_embed\.text_embedder\.linear_1\.", "y_embedder.mlp.0."),
        (r"^time_text_embed\.text_embedder\.linear_2\.", "y_embedder.mlp.2."),
        (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
        (r"^proj_out\.", "final_layer.linear."),
    ]
    # diffusers takes scale before shift in its last norms, of which the last block's is one.
    swapped = ("norm_out.linear.", f"transformer_blocks.{config['num_layers'] - 1}.norm1_context.linear.")
    return partial(_swapping, partial(_by_rules, rules, "model.diffusion_model."), swapped)


def flux(_: Mapping[str, Any]) -> Naming:
    """The naming of FLUX's transformer."""
    double, single = r"^transformer_blocks\.(\d+)\.", r"^single_transformer_blocks\.(\d+)\."
    quarters = (1, 1, 1, 4)
    rules: list[_Rule] = [(rf"{single}proj_mlp\.", r"single_blocks.\1.linear1.", 3, quarters)]
    for part, which in enumerate("qkv"):
        long = {"q": "query", "k": "key", "v": ""}[which]
        rules += [
            (rf"{double}attn\.to_{which}\.", r"double_blocks.\1.img_attn.qkv.", part, _THIRDS),
            (rf"{double}attn\.add_{which}_proj\.", r"double_blocks.\1.txt_attn.qkv.", part, _THIRDS),
            (rf"{double}attn\.norm_{which}\.weight$", rf"double_blocks.\1.img_attn.norm.{long}_norm.scale"),
            (rf"{double}attn\.norm_added_{which}\.weight$", rf"double_blocks.\1.txt_attn.norm.{long}_norm.scale"),
            (rf"{single}attn\.to_{which}\.", r"single_blocks.\1.linear1.", part, quarters),
            (rf"{single}attn\.norm_{which}\.weight$", rf"single_blocks.\1.norm.{long}_norm.scale"),
        ]
    for ours, theirs in (
        ("timestep_embedder", "time_in"),
        ("text_embedder", "vector_in"),
        ("guidance_embedder", "guidance_in"),
    ):
        rules += [
            (rf"^time_text_embed\.{ours}\.linear_1\.", f"{theirs}.in_layer."),
            (rf"^time_text_embed\.{ours}\.linear_2\.", f"{theirs}.out_layer."),
        ]
    rules += [
        (rf"{double}norm1\.linear\.", r"double_blocks.\1.img_mod.lin."),
        (rf"{double}norm1_context\.linear\.", r"double_blocks.\1.txt_mod.lin."),
        (rf"{double}attn\.to_out\.0\.", r"double_blocks.\1.img_attn.proj."),
        (rf"{double}attn\.to_add_out\.", r"double_blocks.\1.txt_attn.proj."),
        (rf"{double}ff\.net\.0\.proj\.", r"double_blocks.\1.img_mlp.0."),
        (rf"{double}ff\.net\.2\.", r"double_blocks.\1.img_mlp.2."),
        (rf"{double}ff_context\.net\.0\.proj\.", r"double_blocks.\1.txt_mlp.0."),
        (rf"{double}ff_context\.net\.2\.", r"double_blocks.\1.txt_mlp.2."),
        (rf"{single}norm\.linear\.", r"single_blocks.\1.modulation.lin."),
        (rf"{single}proj_out\.", r"single_blocks.\1.linear2."),
        (r"^x_embedder\.", "img_in."),
        (r"^context_embedder\.", "txt_in."),
        (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
        (r"^proj_out\.", "final_layer.linear."),
    ]
    return partial(_swapping, partial(_by_rules, rules, "model.diffusion_model."), ("norm_out.linear.",))


def _resnet(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.{inner}": f"{theirs}.{outer}" for inner, outer in _RESNET.items()}


def _by_modules(modules: Mapping[str, str], begins: str, name: str) -> Origin:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = ".".join(parts[:count])
        if module in modules:
            return Origin(begins + modules[module] + name[len(module) :])
    return Origin(begins + name)


def _by_rules(rules: Iterable[_Rule], begins: str, name: str) -> Origin:
    for pattern, replacement, *fused in rules:
        changed, count = re.subn(pattern, replacement, name)
        if count:
            part, sizes = fused or (0, (1,))
            return Origin(begins + changed, part, sizes)  # type: ignore[arg-type]
    return Origin(begins + name)


def _swapping(naming: Naming, swapped: tuple[str, ...], name: str) -> Origin:
    found = naming(name)
    return found._replace(form="swap") if name.startswith(swapped) else found
