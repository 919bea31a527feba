"""From a file to its facts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from aldente.engine.errors import UserError
from aldente.models.checkpoints.facts import FAMILIES, Architecture, CheckpointFacts, Prediction, Structure
from aldente.models.checkpoints.header import Header, read_header
from aldente.models.checkpoints.pickled import SUFFIXES, read_pickled_header, refuse_pickle
from aldente.models.checkpoints.structure import denoiser_prefix, parts_of, structure_of
from aldente.models.checkpoints.tensors import read_tensors

SAFETENSORS = ".safetensors"

UNETS: frozenset[Architecture] = frozenset({"sd1", "sd2", "sdxl", "sdxl-refiner"})
"""Networks that exist with either prediction."""

_V_NAMED = re.compile(r"(?:^|[^a-z])(?:v[-_ ]?pred(?:iction)?|vpar|768[-_]?v)(?:[^a-z]|$)", re.IGNORECASE)
_V_WRITTEN = re.compile(r"^\s*parameterization:\s*[\"']?v[\"']?\s*$", re.MULTILINE)
_RESOLUTION = re.compile(r"(\d{2,5})\s*[x,]\s*(\d{2,5})")

_DISTILLED: tuple[tuple[str, tuple[int, int]], ...] = (
    ("lightning", (2, 8)), ("schnell", (1, 4)), ("turbo", (1, 4)), ("lcm", (2, 8)), ("hyper", (1, 8)), ("dmd2", (4, 8)),
    ("flash", (4, 8)),
)  # fmt: skip
"""Ways of distilling, as names tell them, and the steps that each is made for."""

_STEPS_NAMED = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])", re.IGNORECASE)

_V_SPREAD = 0.09
"""A bias in the last layers of Stable Diffusion 2 spreads wider than this where v was learned."""

_SIDECAR_BYTES = 65536


def inspect(path: Path, *, allow_pickle: bool = False) -> CheckpointFacts:
    """What the file or diffusers folder at ``path`` is, from its names, shapes and metadata.

    Raises UserError for what is missing, damaged, of an unknown format, or a pickle that ``allow_pickle`` does not allow.
    """
    if path.is_dir():
        from aldente.models.checkpoints.folders import inspect_folder  # noqa: PLC0415  # which asks for files again

        return inspect_folder(path)
    if not path.exists():
        raise UserError(f"'{path}' does not exist.")
    suffix = path.suffix.lower()
    if suffix == SAFETENSORS:
        return facts_of(read_header(path), path)
    if suffix not in SUFFIXES:
        known = ", ".join(sorted((SAFETENSORS, *SUFFIXES)))
        why = "GGUF files hold numbers packed for another program" if suffix == ".gguf" else "its format is not known"
        raise UserError(f"'{path.name}' cannot be read: {why}; models come as diffusers folders or as files in {known}.")
    if not allow_pickle:
        raise refuse_pickle(path)
    return facts_of(read_pickled_header(path), path)


def facts_of(header: Header, path: Path) -> CheckpointFacts:
    """The facts of a file whose head was read; ``path`` gives its name and what lies beside it."""
    structure = structure_of(header)
    parts = parts_of(header) if structure.kind == "checkpoint" else ()
    facts = CheckpointFacts(
        kind=structure.kind,
        architecture=structure.architecture,
        variant=structure.variant,
        layout=structure.layout,
        inputs=structure.inputs,
        network=structure.network,
        rank=structure.rank,
        numbers=header.numbers,
        dtype=header.dtype,
        has=parts,
        title=header.metadata.get("modelspec.title", ""),
        latent_channels=structure.inputs if structure.kind == "vae" else None,
    )
    if structure.architecture is not None and structure.kind in ("checkpoint", "denoiser"):
        facts = _with_family(facts, header, path, structure)
    facts = with_distillation(facts, f"{path.stem} {facts.title}")
    return replace(facts, notes=(*facts.notes, *_notes(facts)))


def with_distillation(facts: CheckpointFacts, told: str) -> CheckpointFacts:
    """The facts with the steps that a distilled model was made for, as its name or title tells."""
    if facts.kind not in ("checkpoint", "denoiser", "lora"):
        return facts
    found = next(((name, steps) for name, steps in _DISTILLED if re.search(rf"(?<![a-z]){name}", told.lower())), None)
    if found is None:
        return replace(facts, distilled="schnell") if facts.architecture == "flux-schnell" and facts.kind != "lora" else facts
    distilled, steps = found
    if facts.architecture == "sd3.5-large" and distilled == "turbo":
        steps = (4, 8)
    if (named := _STEPS_NAMED.search(told)) is not None and 1 <= int(named[1]) <= 16:
        steps = (int(named[1]), int(named[1]))
    return replace(facts, distilled=distilled, steps=steps)


def _with_family(facts: CheckpointFacts, header: Header, path: Path, structure: Structure) -> CheckpointFacts:
    assert structure.architecture is not None
    family = FAMILIES[structure.architecture]
    prediction, told_by = _prediction(structure.architecture, header, path)
    native = family.native
    if structure.architecture == "sd2" and prediction == "v":
        native = ((768, 768),)
    if (said := _RESOLUTION.search(header.metadata.get("modelspec.resolution", ""))) is not None:
        first = (int(said[1]), int(said[2]))
        native = (first, *(size for size in native if size != first)) if first in native else (first,)
    return replace(
        facts,
        prediction=prediction,
        prediction_from=told_by,
        zero_snr=_zero_snr(header),
        shift=family.shift,
        native=native,
        steps=family.steps,
        guidance_embedded=structure.architecture == "flux-dev",
        latent_channels=family.latent_channels,
    )


def _zero_snr(header: Header) -> bool:
    return "ztsnr" in header.tensors or header.metadata.get("ss_zero_terminal_snr", "").lower() == "true"


def _prediction(architecture: Architecture, header: Header, path: Path) -> tuple[Prediction, str]:
    """What the network answers and what tells so, the surest sign first."""
    if architecture not in UNETS:
        return FAMILIES[architecture].prediction, "the architecture"
    if said := header.metadata.get("modelspec.prediction_type", "").lower():
        learned_v, told_by = said.startswith("v"), "the file's metadata"
    elif "v_pred" in header.tensors:
        learned_v, told_by = True, "a mark in the file"
    elif (written := _beside(path)) is not None:
        learned_v, told_by = _V_WRITTEN.search(written) is not None, f"{path.stem}.yaml beside it"
    elif _V_NAMED.search(path.stem):
        learned_v, told_by = True, "the file's name"
    elif architecture == "sd2" and (spread := _spread(header, path)) is not None:
        learned_v, told_by = spread > _V_SPREAD, "a bias of its last layers"
    else:
        learned_v, told_by = False, "no sign of anything else"
    return "v" if learned_v else "eps", told_by


def _beside(path: Path) -> str | None:
    """The text of the configuration that lies beside a file, as A1111 looks for it."""
    sidecar = path.with_suffix(".yaml")
    try:
        with sidecar.open("rb") as stream:
            return stream.read(_SIDECAR_BYTES).decode(errors="replace")
    except OSError:
        return None


def _spread(header: Header, path: Path) -> float | None:
    name = f"{denoiser_prefix(header)}output_blocks.11.1.transformer_blocks.0.norm1.bias"
    entry = header.tensors.get(name)
    if entry is None or not header.data_start or entry.dtype not in ("F16", "BF16", "F32") or entry.end - entry.start > 2**16:
        return None
    return float(np.std(read_tensors(path, [name], header=header)[name].astype(np.float64)))


def _notes(facts: CheckpointFacts) -> tuple[str, ...]:
    notes = []
    if facts.kind == "checkpoint" and "vae" not in facts.has:
        notes.append("it holds no VAE: give one")
    if facts.kind == "checkpoint" and "text encoder" not in facts.has:
        notes.append("it holds no text encoder: give those of its architecture")
    if facts.kind == "denoiser":
        notes.append("it is the denoiser alone: text encoders and VAE are needed beside it")
    if facts.architecture == "sd2" and facts.prediction_from == "no sign of anything else":
        notes.append("nothing tells whether it predicts eps or v: if its pictures are noise, say v")
    return tuple(notes)
