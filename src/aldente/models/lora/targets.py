"""Which modules a LoRA's names mean: diffusers' own names, and those of the original layout, some being several of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aldente.models.lora.files import DENOISER
from aldente.models.single_file import names
from aldente.models.single_file.conversion import DENOISER as PREFIX

Targets = Mapping[str, tuple["Target", ...]]
"""The modules that each spelling means."""


class Target(NamedTuple):
    """A module; where a name means several, they share its rows in the order of ``part``. ``swapped`` exchanges its halves."""

    module: str
    part: int = 0
    swapped: bool = False


def targets_of(network: Any, which: str) -> Targets:
    """The modules with a weight of a network (``denoiser``, ``text_encoder``, ...) of diffusers, by every spelling."""
    modules = [name for name, module in network.named_modules() if name and _has_matrix(module)]
    if which != DENOISER:
        plain: dict[str, tuple[Target, ...]] = {_spelt(name.removeprefix("text_model.")): (Target(name),) for name in modules}
        return plain | {f"text_model_{spelling}": target for spelling, target in plain.items()}
    own: dict[str, tuple[Target, ...]] = {_spelt(name): (Target(name),) for name in modules}
    return own | _original(network, modules)


def _original(network: Any, modules: Iterable[str]) -> dict[str, tuple[Target, ...]]:
    naming = {
        "UNet2DConditionModel": names.unet,
        "SD3Transformer2DModel": names.sd3,
        "FluxTransformer2DModel": names.flux,
    }[type(network).__name__](network.config)
    found: dict[str, list[Target]] = {}
    for module in modules:
        origin = naming(f"{module}.weight")
        spelling = _spelt(origin.name.removeprefix(PREFIX).removesuffix(".weight"))
        found.setdefault(spelling, []).append(Target(module, origin.part, origin.form == "swap"))
    return {spelling: tuple(sorted(targets, key=lambda target: target.part)) for spelling, targets in found.items()}


def _spelt(name: str) -> str:
    return name.replace(".", "_")


def _has_matrix(module: Any) -> bool:
    weight = getattr(module, "weight", None)
    return weight is not None and getattr(weight, "ndim", 0) >= 2
