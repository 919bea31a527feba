"""Pickle checkpoints, for those who insist: checked as archives, then read by torch's restricted loader, which runs nothing."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aldente.engine.errors import UserError
from aldente.models.checkpoints.header import MOST_TENSORS, Entry, Header

SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".bin"})
"""What pickle checkpoints are called."""

MOST_PICKLE_BYTES = 64 * 2**20
"""The longest list of tensors that is read; the weights lie beside it."""

_WRAPPERS = ("state_dict", "params_ema", "params", "model", "module", "string_to_param")
"""Keys under which programs put the table of tensors."""

_INERT = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
)
"""What trainers leave beside the weights; in its place comes an object that can do nothing."""

_DTYPES = {
    "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "int64": "I64", "int32": "I32", "int16": "I16",
    "int8": "I8", "uint8": "U8", "bool": "BOOL", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip


def refuse_pickle(path: Path) -> UserError:
    """The error for a pickle checkpoint that nobody allowed."""
    return UserError(
        f"'{path.name}' is a pickle checkpoint: such a file can run its maker's program when it is opened, so it is not."
        " Take the .safetensors file of the same model, or allow this one (--allow-pickle): its weights are then read by a"
        " loader that runs nothing."
    )


def read_pickled(path: Path, *, meta: bool = False) -> dict[str, Any]:
    """The torch tensors of a pickle checkpoint; only their shapes when ``meta``. No code of the file is run.

    Raises UserError where the archive is damaged or crafted, holds more than weights, or torch is not installed.
    """
    _check_archive(path)
    found = _load(path, meta=meta)
    tensors = dict(_tensors(found))
    if not tensors:
        raise UserError(f"'{path.name}' holds no table of tensors, so it is no model that can be used here.")
    return tensors


def read_pickled_header(path: Path) -> Header:
    """The names and shapes in a pickle checkpoint, as ``read_header`` gives them; raises as ``read_pickled``."""
    entries, at = {}, 0
    for name, tensor in read_pickled(path, meta=True).items():
        dtype = _DTYPES.get(str(tensor.dtype).removeprefix("torch."))
        if dtype is None:
            raise UserError(f"tensor '{name[:80]}' of '{path.name}' is {tensor.dtype}, which cannot be read here.")
        size = tensor.numel() * tensor.element_size()
        entries[name] = Entry(dtype, tuple(tensor.shape), at, at + size)
        at += size
    return Header(tensors=entries, metadata={}, data_start=0)


class _Inert:
    """Stands for an object that is not weights; takes what it is given and does nothing with it."""

    def __new__(cls, *_: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        """Nothing is kept."""

    def __setstate__(self, state: object) -> None:
        """Nothing is kept."""


def _load(path: Path, *, meta: bool) -> object:
    try:
        import torch  # noqa: PLC0415  # heavy, and not in the default install
    except ImportError:
        raise UserError(
            f"'{path.name}' is a pickle checkpoint, and reading one safely needs torch: pip install 'aldente[diffusers]'."
        ) from None
    known = [(_Inert, name) for name in _INERT]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(known):  # type: ignore[arg-type]
            warnings.simplefilter("ignore")
            place = "meta" if meta else "cpu"
            return torch.load(path, map_location=place, weights_only=True, mmap=not meta or None)
    except Exception as error:  # whatever a crafted file makes of the loader
        told = " ".join(str(error).split())[:200]
        raise UserError(
            f"'{path.name}' cannot be read by the restricted loader, which takes weights and nothing else ({told})."
        ) from error


def _check_archive(path: Path) -> None:
    """Raise UserError unless the file is a plain archive whose parts, none of them packed, fit into it."""
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            claimed = sum(part.file_size for part in parts)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, IndexError):
        raise UserError(
            f"'{path.name}' is no archive of weights as torch has written them since 2020; older pickles are not read."
            " Convert it to .safetensors with the program that it came from."
        ) from None
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    lists = [part.file_size for part in parts if part.filename.endswith("data.pkl")]
    packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
    if packed or claimed > size or len(parts) > MOST_TENSORS or len(lists) != 1 or lists[0] > MOST_PICKLE_BYTES:
        raise UserError(f"'{path.name}' is not an archive as torch writes them (its parts claim {claimed} bytes of {size}).")


def _tensors(found: object, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The tensors of a table, or of the table inside it."""
    import torch  # noqa: PLC0415

    if isinstance(found, torch.Tensor):
        yield "emb_params", found.detach()
    if not isinstance(found, Mapping) or depth > len(_WRAPPERS):
        return
    direct = [(name, value) for name, value in found.items() if isinstance(name, str) and isinstance(value, torch.Tensor)]
    inner = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)
    if inner is not None:
        named = {"emb_params" if name == "*" else name: value for name, value in _tensors(inner, depth + 1)}
        yield from named.items()
    for name, value in direct:
        yield ("emb_params" if name == "*" else name), value.detach()
