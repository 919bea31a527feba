"""Where programs keep their models: the folders of A1111, ComfyUI, InvokeAI and the hub's cache, and what users added."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aldente.engine.errors import UserError

A1111 = {
    "checkpoint": ("models/Stable-diffusion",),
    "lora": ("models/Lora", "models/LyCORIS"),
    "vae": ("models/VAE",),
    "controlnet": ("models/ControlNet", "extensions/sd-webui-controlnet/models"),
    "embedding": ("embeddings",),
    "upscaler": ("models/ESRGAN", "models/RealESRGAN", "models/SwinIR", "models/DAT"),
    "text-encoder": ("models/text_encoder",),
}
"""The folders under A1111's and Forge's, by what they are for."""

COMFYUI = {
    "checkpoint": ("checkpoints",),
    "lora": ("loras",),
    "vae": ("vae",),
    "controlnet": ("controlnet", "t2i_adapter", "ipadapter"),
    "embedding": ("embeddings",),
    "upscaler": ("upscale_models",),
    "denoiser": ("unet", "diffusion_models"),
    "text-encoder": ("clip", "text_encoders"),
}
"""The folders under ComfyUI's ``models``, by what they are for; ``extra_model_paths.yaml`` calls them the same."""

EXTRA = "extra_model_paths.yaml"

_MOST_YAML_BYTES = 2**20

_VARIABLES = ("ALDENTE_MODELS", "A1111_ROOT", "COMFYUI_PATH", "INVOKEAI_ROOT")
"""Environment variables that name folders, several parted as in PATH."""

_USUAL = ("stable-diffusion-webui", "stable-diffusion-webui-forge", "ComfyUI", "comfyui", "invokeai", "SwarmUI/Models")
"""What the folders of programs are called where users install them."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder to look into: the program whose it is, and what lies in it where the program says so."""

    folder: Path
    program: str
    purpose: str = ""


def usual_roots(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> list[Path]:
    """Folders of programs and of the hub's cache that are there, in the home folder or named by the environment."""
    at = home or Path.home()
    named = [Path(part) for name in _VARIABLES for part in environment.get(name, "").split(os.pathsep) if part]
    installed = [at / folder / name for folder in ("", "Documents", "AI", "apps") for name in _USUAL]
    return [root for root in dict.fromkeys((*named, *installed, hub_cache(environment, at))) if root.is_dir()]


def hub_cache(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Path:
    """Where the hub's library keeps what it downloads."""
    at = home or Path.home()
    if "HF_HUB_CACHE" in environment:
        return Path(environment["HF_HUB_CACHE"])
    cache = Path(environment.get("XDG_CACHE_HOME", at / ".cache")) / "huggingface"
    return Path(environment.get("HF_HOME", cache)) / "hub"


def places_in(root: Path) -> list[Place]:
    """The folders to look into under ``root``: a program's own where it is a program's, else ``root`` itself."""
    found: list[Place] = []
    if (root / "models" / "Stable-diffusion").is_dir():
        found += _under(root, "A1111", A1111)
    if (root / "models" / "checkpoints").is_dir() or (root / EXTRA).is_file():
        found += _under(root / "models", "ComfyUI", COMFYUI)
        found += _extra(root / EXTRA)
    elif (root / "checkpoints").is_dir() and (root / "loras").is_dir():
        found += _under(root, "ComfyUI", COMFYUI)
    if (root / "invokeai.yaml").is_file() or (root / "databases" / "invokeai.db").is_file():
        found += [Place(folder=root / "models", program="InvokeAI")]
    if any(child.name.startswith("models--") for child in _children(root)):
        found += [Place(folder=root, program="hub")]
    return found or [Place(folder=root, program="")]


def _under(root: Path, program: str, table: Mapping[str, Iterable[str]]) -> list[Place]:
    folders = ((purpose, root / name) for purpose, names in table.items() for name in names)
    return [Place(folder=folder, program=program, purpose=purpose) for purpose, folder in folders if folder.is_dir()]


def _extra(path: Path) -> Iterator[Place]:
    """The folders that ComfyUI's ``extra_model_paths.yaml`` names, as far as they are there."""
    purposes = {name: purpose for purpose, names in COMFYUI.items() for name in names}
    for section in _sections(path):
        base = Path(os.path.expandvars(str(section.get("base_path") or path.parent))).expanduser()
        for name, value in section.items():
            if name not in purposes or not isinstance(value, str):
                continue
            for line in value.splitlines():
                folder = (path.parent / base / line.strip()).absolute()
                if line.strip() and folder.is_dir():
                    yield Place(folder=folder, program="ComfyUI", purpose=purposes[name])


def _sections(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    import yaml  # noqa: PLC0415  # loaded when it is used

    try:
        if path.stat().st_size > _MOST_YAML_BYTES:
            raise UserError(f"'{path}' is too long for a list of folders.")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"'{path}' cannot be read as YAML: mend it, or move it away.") from error
    values = found.values() if isinstance(found, dict) else ()
    return [section for section in values if isinstance(section, dict)]


def _children(root: Path) -> list[Path]:
    try:
        return list(root.iterdir())
    except OSError:
        return []
