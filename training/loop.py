"""The one training loop: seeded, resumable at any checkpoint, averaging weights as it goes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from training.config import Pace

AVERAGE_EVERY = 4
"""Steps between updates of the averaged weights; each touches all of them, so not at every step."""

Averaged = dict[str, Tensor]


class Task(Protocol):
    """Something to learn."""

    @property
    def network(self) -> nn.Module:
        """What learns."""
        ...

    def loss(self, count: int, chance: torch.Generator) -> Tensor:
        """The loss of ``count`` drawn examples."""
        ...

    def report(self, averaged: Averaged, place: Path) -> str:
        """A line on how good the averaged weights are; writes the weights and a sample sheet to ``place``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Session:
    """Where and for how long one call of ``train`` runs; None trains until the pace's end."""

    work: Path
    name: str
    seed: int
    minutes: float | None
    minutes_between_checkpoints: float = 10.0


class Run:
    """A training in progress: the network, its optimiser, its average, its chance and how far it has come."""

    def __init__(self, task: Task, pace: Pace, session: Session) -> None:
        self.task, self.pace, self.session = task, pace, session
        device = next(task.network.parameters()).device
        self.optimiser = torch.optim.AdamW(
            task.network.parameters(), lr=pace.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.averaged: Averaged = {name: value.detach().clone() for name, value in task.network.state_dict().items()}
        self.chance = torch.Generator(device=device).manual_seed(session.seed)
        self.seen, self.running = 0, float("nan")
        self._checkpoint = session.work / f"{session.name}.checkpoint.pt"
        if self._checkpoint.exists():
            self._restore(device)

    def step(self) -> None:
        """Learn from one batch."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.pace, self.seen)
        loss = self.task.loss(self.pace.batch, self.chance)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.task.network.parameters(), self.pace.clip)
        self.optimiser.step()
        self.seen += self.pace.batch
        told = loss.detach()
        self.running = told if self.seen == self.pace.batch else self.running + (told - self.running) * 0.01
        if self.seen // self.pace.batch % AVERAGE_EVERY == 0:
            self._average()

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state: dict[str, Any] = {
            "network": self.task.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averaged": self.averaged,
            "chance": self.chance.get_state(),
            "seen": self.seen,
            "running": float(self.running),
        }
        scratch = self._checkpoint.with_suffix(".part")
        torch.save(state, scratch)
        scratch.replace(self._checkpoint)

    def _restore(self, device: torch.device) -> None:
        state = torch.load(self._checkpoint, map_location=device, weights_only=True)
        self.task.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.averaged = state["averaged"]
        self.chance.set_state(state["chance"].cpu())
        self.seen, self.running = state["seen"], state["running"]

    @torch.no_grad()
    def _average(self) -> None:
        # Early on the average is short, or it would long remember the untrained start.
        span = min(self.pace.averaging, max(self.seen / 8, 1.0))
        keep = 0.5 ** (AVERAGE_EVERY * self.pace.batch / span)
        current = self.task.network.state_dict()
        torch._foreach_lerp_(list(self.averaged.values()), [current[name] for name in self.averaged], 1 - keep)


def rate(pace: Pace, seen: int) -> float:
    """The learning rate after ``seen`` pictures: up, level, and linearly down to zero."""
    rising = min(1.0, (seen + pace.batch) / max(pace.warm_up, 1))
    falling = (1 - seen / pace.pictures) / pace.decay_share if pace.decay_share else 1.0
    return pace.rate * min(rising, 1.0, max(falling, 0.0))


def train(task: Task, pace: Pace, session: Session) -> None:
    """Train ``task`` to the end of its pace, or of the session's minutes, going on from the checkpoint if there is one."""
    run = Run(task, pace, session)
    started = told = saved = time.monotonic()
    first, before = run.seen, run.seen
    print(f"{session.name}: {_millions(task.network)} M parameters, {run.seen} of {pace.pictures} pictures seen", flush=True)
    while run.seen < pace.pictures:
        run.step()
        now = time.monotonic()
        if now - told > 60:
            speed = (run.seen - before) / (now - told)
            left = timedelta(seconds=round((pace.pictures - run.seen) / max(speed, 1e-3)))
            told_of = f"{run.seen} of {pace.pictures} seen, loss {float(run.running):.4f}, {speed:.0f} pictures/s, {left} left"
            print(f"{session.name}: {told_of}", flush=True)
            told, before = now, run.seen
        if now - saved > 60 * session.minutes_between_checkpoints:
            _check_in(run)
            told = saved = time.monotonic()
            before = run.seen
        if session.minutes is not None and now - started > 60 * session.minutes:
            break
    if run.seen > first:
        _check_in(run)


def _check_in(run: Run) -> None:
    run.save()
    line = run.task.report(run.averaged, run.session.work)
    print(f"{run.session.name}: {run.seen} seen, loss {float(run.running):.4f}, {line}", flush=True)


def _millions(network: nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.2f}"
