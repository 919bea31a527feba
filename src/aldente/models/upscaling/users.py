"""The user's own upscalers: files of weights of many architectures, read by spandrel."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from aldente.engine.errors import UserError
from aldente.models.checkpoints.catalogue import Found, find, named
from aldente.models.checkpoints.inspecting import SAFETENSORS
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.checkpoints.pickled import SUFFIXES, read_pickled
from aldente.models.port import Image
from aldente.models.upscaling.network import Network
from aldente.models.upscaling.port import Upscaler, UpscalerEntry, UpscalerInfo

SIGN = "@"
"""Stands in a recipe between a file's name and the beginning of its SHA-256, so that another file is not taken for it."""

DIGITS = 10

CORE, MARGIN = 192, 32
"""The side of a block that is seen at once, and what is seen around it, in pixels of the given picture."""

PACKAGE = "spandrel"


def user_upscaler(name: str, ledger: Ledger | None = None, roots: Iterable[Path] | None = None) -> UpscalerEntry | None:
    """The upscaler in the file of this path, or of this name under ``roots`` (where ``aldente models`` looks); None if none.

    A name may end in ``@`` and the beginning of the file's hash. Weights are not read yet, but hashed. Raises UserError where
    the file is no upscaler, has another hash, or is one of several of this name.
    """
    books = ledger or Ledger()
    plain, _, wanted = name.partition(SIGN) if SIGN in Path(name).name else (name, "", "")
    found = _file(plain, books, roots)
    if found is None:
        return None
    if found.facts is not None and found.facts.kind not in ("upscaler", "unknown"):
        raise UserError(f"'{found.path.name}' is a {found.facts.kind}, not an upscaler; 'aldente models' lists what is found.")
    digest = books.sha256(found.path)
    books.save()
    if not digest.startswith(wanted.lower()):
        raise UserError(
            f"upscaler '{name}' is not the file that is called so here: {found.path} has the hash {digest[:DIGITS]}."
            " Put the file that was used back, or choose this one by its name alone."
        )
    info = UpscalerInfo(
        name=f"{found.path.stem}{SIGN}{digest[:DIGITS]}",
        title=found.path.stem,
        aliases=(),
        space="pixel",
        fingerprint=digest,
    )
    return UpscalerEntry(
        name=info.name, title=info.title, aliases=(), space="pixel", factor=None, load=partial(_load, found.path, info)
    )


def _file(name: str, ledger: Ledger, roots: Iterable[Path] | None) -> Found | None:
    path = Path(name).expanduser()
    if path.is_file():
        return named(name, ledger)
    wanted = (path.stem if path.suffix.lower() in (SAFETENSORS, *SUFFIXES) else path.name).lower()
    matching = {one.path: one for one in find(ledger, roots) if one.path.is_file() and one.path.stem.lower() == wanted}
    if len(matching) > 1:
        raise UserError(f"several files are called '{name}': {', '.join(map(str, matching))}; give the path.")
    return next(iter(matching.values()), None)


def _load(path: Path, info: UpscalerInfo, threads: int | None) -> Upscaler:
    """The upscaler, on the fastest device; raises UserError where spandrel is missing or does not know the architecture."""
    if find_spec(PACKAGE) is None:
        raise UserError(
            f"upscaler '{info.title}' is a file of weights, which the package {PACKAGE} reads:"
            " pip install 'aldente[upscalers]'. Without it there are 'pastina-4x', 'lanczos' and the other resamplers."
        )
    import spandrel  # noqa: PLC0415  # heavy, and it brings torch and torchvision
    import torch  # noqa: PLC0415

    if threads is not None:
        torch.set_num_threads(threads)
    try:
        network = spandrel.ModelLoader(device="cpu").load_from_state_dict(_weights(path))
    except spandrel.UnsupportedModelError as error:
        raise UserError(f"'{path.name}' is of an architecture that {PACKAGE} does not know, so it cannot be used.") from error
    if not isinstance(network, spandrel.ImageModelDescriptor) or network.input_channels != 3 or network.output_channels != 3:
        raise UserError(f"'{path.name}' is no network that makes a picture of a picture ({network.architecture.name}).")
    if network.scale < 2:
        raise UserError(f"'{path.name}' restores pictures ({network.architecture.name}) and does not enlarge them.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device).eval()

    def run(image: Image) -> Image:
        planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255))
        larger = network(planes.to(device))[0].float().cpu().numpy()
        pixels: Image = np.rint(np.clip(larger, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
        return pixels

    held = UpscalerInfo(
        name=info.name, title=info.title, aliases=(), space="pixel", factor=network.scale, fingerprint=info.fingerprint
    )
    return Network(info=held, run=run, core=CORE, margin=MARGIN)


def _weights(path: Path) -> dict[str, Any]:
    """The tensors of a file; of a pickle nothing is run."""
    if path.suffix.lower() == SAFETENSORS:
        import safetensors.torch  # noqa: PLC0415  # comes with spandrel

        return dict(safetensors.torch.load_file(path))
    return read_pickled(path)
