"""Training a LoRA from a folder or from rated pictures of the store, with samples as it goes, and going on where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aldente.engine.errors import UserError
from aldente.models.checkpoints.catalogue import named
from aldente.models.checkpoints.compositions import composition
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.checkpoints.tensors import read_tensors, write_tensors
from aldente.models.lora.training.buckets import bucket_of, fitted
from aldente.models.lora.training.examples import Example
from aldente.models.port import Image
from aldente.models.table import models
from aldente.recipe.prompt import parse
from aldente.store.encodings import read_pixels
from aldente.studio.drawing import Order, draw
from aldente.studio.request import resolve
from aldente.studio.workbench import Workbench

if TYPE_CHECKING:
    from aldente.models.lora.training.loop import Ready, Settings, Told
    from aldente.models.lora.training.subject import Subject

STATE, LATENTS = "state.pt", "latents.safetensors"

MOST_PICTURES = 10_000

RATED = {5: 3, 4: 2}
"""How often a picture is shown an epoch for its stars; others once."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A LoRA to be trained: for which model, under which name, into which folder; and what is drawn and kept on the way."""

    model: str
    name: str
    out: Path
    prompts: tuple[str, ...] = ()
    sample_every: int = 100
    save_every: int = 100
    side: int | None = None
    drawing: Mapping[str, str | int | float] = field(default_factory=dict)


class Saved(NamedTuple):
    """What a checkpoint left: the LoRA as it is at a step, and the pictures that were drawn with it."""

    step: int
    file: Path
    pictures: tuple[Path, ...]


def rated_examples(bench: Workbench, query: str) -> list[Example]:
    """The pictures of the store that a query asks for, captioned by their prompts; more stars are shown more often.

    Raises UserError where there are none.
    """
    records = bench.store.history(query, limit=MOST_PICTURES)
    found = []
    for record in records:
        if record.file_hash is None:
            continue
        caption = _words(record.recipe.prompt)
        load = _loader(bench, record.file_hash)
        repeats = RATED.get(record.rating or 0, 1)
        digest = record.image_hash or record.file_hash
        name = f"{record.id[:8]}.png"
        found.append(Example(name=name, caption=caption, repeats=repeats, group=query, digest=digest, load=load))
    if not found:
        raise UserError(
            f"no picture of the store is like '{query}'; rate some ('aldente mark ID --rating 5'), or give a folder."
        )
    return found


def train_lora(
    bench: Workbench, wanted: Wanted, examples: Sequence[Example], settings: Settings, *, listen: Callable[[str], None]
) -> Iterator[Told | Saved]:
    """Train to the end of the settings, telling each step and each checkpoint; goes on from what lies in the folder.

    Raises UserError where torch is not installed, the model cannot be trained, or the folder holds another training.
    """
    require_torch()
    from aldente.models.lora.training.loop import Training, load_state, save_state  # noqa: PLC0415  # torch is heavy
    from aldente.models.lora.training.writing import metadata_of, write_lora  # noqa: PLC0415  # torch is heavy

    subject = open_subject(wanted)
    wanted.out.mkdir(parents=True, exist_ok=True)
    training = Training(subject, ready(subject, examples, wanted.out / LATENTS), settings)
    state = wanted.out / STATE
    if state.is_file():
        training.resume(load_state(state))
        listen(f"goes on after step {training.step}")

    def save() -> Saved:
        file = wanted.out / f"{wanted.name}-{training.step:06d}.safetensors"
        last = training.step >= settings.steps
        path = wanted.out / f"{wanted.name}.safetensors" if last else file
        told = metadata_of(
            settings,
            examples,
            subject.metadata,
            name=subject.name,
            title=wanted.name,
            created=bench.now(),
            step=training.step,
        )
        write_lora(path, training.learned(), settings.alpha, told)
        save_state(state, training.state())
        sampled = last or training.step % wanted.sample_every == 0
        return Saved(training.step, path, samples(bench, wanted, path, training.step) if sampled else ())

    for told in training.run():
        yield told
        if training.step % wanted.save_every == 0 or training.step >= settings.steps:
            yield save()


def ready(subject: Subject, examples: Sequence[Example], cache: Path) -> list[Ready]:
    """The examples as the network sees them; latents that were made before come from ``cache``, new ones are added to it."""
    import torch  # noqa: PLC0415  # heavy, and not in the default install

    from aldente.models.lora.training.loop import Ready  # noqa: PLC0415

    kept = read_tensors(cache) if cache.is_file() else {}
    count, captions, found = len(kept), {}, []
    for one in examples:
        pixels = one.load()
        size = bucket_of(pixels.shape[1], pixels.shape[0], subject.sizes)
        key = hashlib.sha256(f"{one.digest} {size} {subject.fingerprint}".encode()).hexdigest()
        if key not in kept:
            kept[key] = np.asarray(subject.latent(fitted(pixels, size))[0], np.float32)
        if one.caption not in captions:
            captions[one.caption] = subject.read(one.caption)
        found.append(Ready(torch.from_numpy(np.array(kept[key])), captions[one.caption], one.repeats, size))
    if len(kept) > count:
        write_tensors(cache, kept, {})
    return found


def samples(bench: Workbench, wanted: Wanted, file: Path, step: int) -> tuple[Path, ...]:
    """Pictures of the wanted prompts with the LoRA as it is, the same seeds at every step."""
    written = []
    for number, prompt in enumerate(wanted.prompts, 1):
        settings = {"seed": 1000 + number, **wanted.drawing, "model": wanted.model, "prompt": f"{prompt} <lora:{file}:1>"}
        (drawn,) = draw(bench, [resolve(bench, settings)], Order())
        path = wanted.out / "samples" / f"{wanted.name}-{step:06d}-{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(drawn.png)
        written.append(path)
    return tuple(written)


def open_subject(wanted: Wanted) -> Subject:
    """What is trained for; raises UserError where the model is not known or cannot be trained."""
    if wanted.model.lower() in [name for entry in models() for name in (entry.name, *entry.aliases)]:
        from aldente.models.lora.training.pastina import PastinaSubject  # noqa: PLC0415  # torch is heavy

        return PastinaSubject()
    from aldente.models.diffusers import usual_plan  # noqa: PLC0415  # torch is heavy
    from aldente.models.diffusers.facts import fingerprint  # noqa: PLC0415  # torch is heavy
    from aldente.models.diffusers.opening import open_pipeline  # noqa: PLC0415  # torch is heavy
    from aldente.models.lora.training.checkpoint import CheckpointSubject  # noqa: PLC0415  # torch is heavy

    ledger = Ledger()
    mixed = composition(wanted.model)
    found = named(wanted.model if mixed is None else str(mixed.path), ledger)
    ledger.save()
    if found.facts is None:
        raise UserError(f"model '{wanted.model}' cannot be opened: {found.fault.rstrip('.')}.")
    plan = usual_plan(None)
    vae, like = (None, None) if mixed is None else (mixed.vae, mixed.like)
    pipeline = open_pipeline(found.path, found.facts, plan, vae=vae, like=like)
    told = fingerprint(found.path)
    return CheckpointSubject(pipeline, found.facts, name=found.name, fingerprint=told, side=wanted.side, device=plan.device)


def require_torch() -> None:
    """Raise UserError where torch is not installed."""
    if find_spec("torch") is None:
        raise UserError("training a LoRA needs torch: pip install 'aldente[diffusers]', and install torch as pytorch.org says.")


def _words(prompt: str) -> str:
    """A prompt's words without its LoRAs and weights."""
    parts = parse(prompt).parts
    return ", ".join("".join(text for text, _ in part.at(0, 1)) for part in parts).strip()


def _loader(bench: Workbench, file_hash: str) -> Callable[[], Image]:
    return lambda: read_pixels(bench.store.read_file(file_hash))
