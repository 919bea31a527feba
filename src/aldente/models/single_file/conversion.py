"""Tensors from the original layout to diffusers'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from aldente.engine.errors import UserError
from aldente.models.single_file.names import Naming, Origin

DENOISER = "model.diffusion_model."


def converted(file: Mapping[str, Tensor], wanted: Mapping[str, Any], naming: Naming, where: str) -> dict[str, Tensor]:
    """The tensors called and shaped as ``wanted`` (anything with a shape, by name), out of a file's.

    Raises UserError, naming ``where``, for what is missing or of another shape.
    """
    found = {}
    for name, like in wanted.items():
        origin = naming(name)
        stored = _stored(file, origin.name)
        if stored is None:
            raise UserError(f"{where} lacks the tensor '{origin.name}', so it is no whole network of its architecture.")
        found[name] = _part(stored, origin, tuple(like.shape), where)
    return found


def holds(file: Mapping[str, Tensor], names: Iterable[str], naming: Naming) -> bool:
    """Whether any of the tensors called ``names`` is in the file."""
    return any(_stored(file, naming(name).name) is not None for name in names)


def _stored(file: Mapping[str, Tensor], name: str) -> Tensor | None:
    """The tensor of that name; files of single networks leave out what all names begin with, old ones ``text_model``."""
    spellings = (
        name,
        name.removeprefix(DENOISER),
        name.removeprefix("first_stage_model."),
        name.replace("first_stage_model.", "vae.", 1),
        name.replace(".transformer.text_model.", ".transformer.", 1),
    )
    return next((file[spelling] for spelling in spellings if spelling in file), None)


def _part(stored: Tensor, origin: Origin, shape: tuple[int, ...], where: str) -> Tensor:
    """Our part of an original tensor."""
    whole = sum(origin.sizes)
    if len(origin.sizes) > 1:
        unit = stored.shape[0] // whole if stored.ndim else 0
        start = unit * sum(origin.sizes[: origin.part])
        stored = stored[start : start + unit * origin.sizes[origin.part]]
    if origin.form == "swap":
        half = stored.shape[0] // 2
        stored = stored.roll(half, 0)
    elif origin.form == "turned" and stored.ndim == 2:
        stored = stored.T
    # A convolution of one cell is a matrix, and the other way round.
    flat = tuple(side for side in stored.shape if side != 1) == tuple(side for side in shape if side != 1)
    if tuple(stored.shape) != shape and not flat:
        raise UserError(
            f"in {where}, '{origin.name}' is {tuple(stored.shape)} where {shape} was expected: another architecture."
        )
    return stored.reshape(shape)
