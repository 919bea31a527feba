"""The loop: seeded, resumable to the bit at any checkpoint, averaging what is learned as it goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aldente.engine.errors import UserError, unknown
from aldente.models.lora.training.adapters import Adapters
from aldente.models.lora.training.buckets import Size
from aldente.models.lora.training.subject import Subject

FALLS: Mapping[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "linear": lambda share: 1.0 - share,
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
}
"""How the learning rate falls with the share of the steps that is gone."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a LoRA is trained; the defaults are Kohya's where it has them.

    ``gamma`` is that of min-SNR [Hang 2023], None for none; ``ema`` the share of the average that stays at each step, 0 for
    no average; ``bare`` the share of examples that are shown without their caption.
    """

    rank: int = 16
    alpha: float = 16.0
    steps: int = 500
    batch: int = 4
    rate: float = 1e-4
    schedule: str = "cosine"
    warm_up: int = 20
    gamma: float | None = 5.0
    ema: float = 0.99
    bare: float = 0.05
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UserError for what cannot be."""
        for name, low in (("rank", 1), ("steps", 1), ("batch", 1), ("warm_up", 0)):
            if getattr(self, name) < low:
                raise UserError(f"{name} is {getattr(self, name)}; it must be {low} or more.")
        if self.schedule not in FALLS:
            raise unknown("schedule of the learning rate", self.schedule, FALLS)
        if not 0 < self.rate <= 1 or not 0 <= self.ema < 1 or not 0 <= self.bare < 1 or self.alpha <= 0:
            raise UserError("rate must lie in (0, 1], ema and bare in [0, 1), and alpha be over 0.")


class Ready(NamedTuple):
    """An example as the network sees it: its latent (c h w), its caption's features, and how often it is shown."""

    latent: Tensor
    caption: Any
    repeats: int
    size: Size


class Told(NamedTuple):
    """How far a training is: steps done, and the running mean of the loss."""

    step: int
    loss: float


class Training:
    """A training in progress. Chance comes from the seed alone, so a run that is stopped and goes on is the same run."""

    def __init__(self, subject: Subject, examples: Sequence[Ready], settings: Settings) -> None:
        self.subject, self.settings, self._examples = subject, settings, examples
        self._bare = subject.read("")
        self._chance = torch.Generator().manual_seed(settings.seed)
        self.adapters = Adapters(subject.targets, rank=settings.rank, alpha=settings.alpha, chance=self._chance)
        self.averaged = {name: value.detach().clone() for name, value in self.adapters.state_dict().items()}
        self._optimiser = torch.optim.AdamW(self.adapters.parameters(), lr=settings.rate, weight_decay=0.01)
        self.step, self.loss = 0, float("nan")
        self._left: list[list[int]] = []

    def run(self, until: int | None = None) -> Iterator[Told]:
        """Learn batch by batch up to step ``until``, or to the end."""
        last = self.settings.steps if until is None else min(until, self.settings.steps)
        while self.step < last:
            loss = self._learn(self._batch())
            self.step += 1
            self.loss = loss if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * loss
            self._average()
            yield Told(self.step, self.loss)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {
            "adapters": self.adapters.state_dict(),
            "averaged": self.averaged,
            "optimiser": self._optimiser.state_dict(),
            "chance": self._chance.get_state(),
            "left": self._left,
            "step": self.step,
            "loss": self.loss,
            "settings": {field.name: getattr(self.settings, field.name) for field in fields(self.settings)},
            "model": self.subject.fingerprint,
            "examples": len(self._examples),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state; raises UserError where it is of another training."""
        settings = {field.name: getattr(self.settings, field.name) for field in fields(self.settings)}
        told = {"settings": settings, "model": self.subject.fingerprint, "examples": len(self._examples)}
        changed = [name for name, value in told.items() if state.get(name) != value]
        if changed:
            raise UserError(
                f"the training that lies there was of other {', '.join(changed)}: give it the same, or write to another folder."
            )
        self.adapters.load_state_dict(state["adapters"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._chance.set_state(state["chance"])
        self.averaged, self._left = state["averaged"], state["left"]
        self.step, self.loss = state["step"], state["loss"]

    def learned(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The matrices (up, down) of each target: the average, where there is one."""
        if not self.settings.ema:
            return self.adapters.pairs()
        now = {name: value.clone() for name, value in self.adapters.state_dict().items()}
        self.adapters.load_state_dict(self.averaged)
        pairs = {name: (up.detach().clone(), down.detach().clone()) for name, (up, down) in self.adapters.pairs().items()}
        self.adapters.load_state_dict(now)
        return pairs

    def _learn(self, rows: Sequence[Ready]) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = rate(self.settings, self.step)
        noised = self.subject.noised(torch.stack([row.latent for row in rows]), self._chance)
        hidden = torch.rand(len(rows), generator=self._chance) < self.settings.bare
        captions = [self._bare if bare else row.caption for row, bare in zip(rows, hidden.tolist(), strict=True)]
        errors = self.subject.errors(noised, captions, self.adapters)
        loss = (errors * self.subject.weigh(noised, self.settings.gamma).to(errors)).mean()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.adapters.parameters(), self.settings.clip)
        self._optimiser.step()
        return float(loss.detach())

    def _batch(self) -> list[Ready]:
        """The next batch, all of one size; a new order is drawn when every example was shown as often as it is to be."""
        if not self._left:
            self._left = self._epoch()
        return [self._examples[index] for index in self._left.pop()]

    def _epoch(self) -> list[list[int]]:
        by_size: dict[Size, list[int]] = {}
        for index, example in enumerate(self._examples):
            by_size.setdefault(example.size, []).extend([index] * example.repeats)
        batches = []
        for _, indices in sorted(by_size.items()):
            order = [indices[at] for at in torch.randperm(len(indices), generator=self._chance).tolist()]
            batches += [order[at : at + self.settings.batch] for at in range(0, len(order), self.settings.batch)]
        return [batches[at] for at in torch.randperm(len(batches), generator=self._chance).tolist()]

    @torch.no_grad()
    def _average(self) -> None:
        # Early on the average is short, or it would long remember that nothing was learned yet.
        keep = min(self.settings.ema, self.step / (self.step + 10))
        for name, value in self.adapters.state_dict().items():
            self.averaged[name].lerp_(value, 1 - keep)


def rate(settings: Settings, step: int) -> float:
    """The learning rate at a step: up, then as the schedule says."""
    if step < settings.warm_up:
        return settings.rate * (step + 1) / settings.warm_up
    gone = (step - settings.warm_up) / max(settings.steps - settings.warm_up, 1)
    return settings.rate * FALLS[settings.schedule](gone)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state, whole or not at all."""
    scratch = path.with_suffix(".part")
    torch.save(state, scratch)
    scratch.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """The state in a file, read by the loader that runs nothing; raises UserError where it is damaged."""
    try:
        found: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception as error:  # whatever a damaged file makes of the loader
        raise UserError(f"'{path}' cannot be read; remove it to begin anew.") from error
    return found
