"""What real runs taught about predicted memory: kernels take room that tracing does not see, each machine its own."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import torch

from aldente.models.diffusers.plan import Plan

KEPT = 15
"""Runs that are remembered of each kind."""

UNTRIED = 1.1
"""What predictions are multiplied by where nothing was learned yet."""

FREER = 1.25
"""Where this many times as much memory is free as when rows were too many, they are tried again."""

Shape = tuple[int, ...]
"""The shape of a row's latent."""

_STATUS, _REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Experience:
    """How many times the predicted memory runs really took, by device, number format and kind of network."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or Path(platformdirs.user_cache_dir("aldente", appauthor=False))) / "memory.json"

    def ratio(self, plan: Plan, network: str) -> float:
        """The median of what runs of this kind took, at least 1: what a prediction is to be multiplied by."""
        runs = self._kept().get(_kind(plan, network))
        return max(statistics.median(runs), 1.0) if runs else UNTRIED

    def record(self, plan: Plan, network: str, *, predicted: int, measured: int) -> None:
        """Remember a run; what cannot be written is forgotten."""
        runs = self._kept().get(_kind(plan, network), [])
        self._keep(_kind(plan, network), [*runs, round(measured / predicted, 4)][-KEPT:])

    def _keep(self, key: str, values: list[float]) -> None:
        kept = self._kept() | {key: values}
        scratch = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(kept), encoding="utf-8")
            scratch.replace(self._path)
        except OSError:
            scratch.unlink(missing_ok=True)

    def remember_failure(self, plan: Plan, network: str, shape: Shape, rows: int) -> None:
        """Remember that so many rows were too many, and how much was free."""
        self._keep(_failure(plan, network, shape), [float(rows), float(free_memory(plan.device) or 0)])

    def most_rows(self, plan: Plan, network: str, shape: Shape) -> int | None:
        """How many rows to try, where more have failed with about as much memory free as there is now; None if none did."""
        rows, free = (*self._kept().get(_failure(plan, network, shape), ()), 0.0, 0.0)[:2]
        return max(int(rows) // 2, 1) if rows and (free_memory(plan.device) or 0) < FREER * free else None

    def _kept(self) -> dict[str, list[float]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(kind): [float(ratio) for ratio in ratios] for kind, ratios in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


class Peak:
    """The most bytes that were taken beyond what was held at the beginning, once the watch is over; None where not known."""

    bytes: int | None = None


@contextmanager
def watched(device: str) -> Iterator[Peak]:
    """Watch the memory of a device; that of the processor is the whole process's, and only Linux tells it."""
    peak, kind = Peak(), device.split(":", maxsplit=1)[0]
    if kind == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated(device) - before
    elif kind == "cpu" and _forget_peak():
        resident = _told("VmRSS:")
        yield peak
        peak.bytes = max(_told("VmHWM:") - resident, 0)
    else:
        yield peak


def free_memory(device: str) -> int | None:
    """The bytes that are free on a device, None where it does not tell."""
    kind = device.split(":", maxsplit=1)[0]
    if kind == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if kind == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _kind(plan: Plan, network: str) -> str:
    device = torch.cuda.get_device_name(plan.device) if plan.device.startswith("cuda") else plan.device
    return " ".join(
        (device, plan.dtype, "compiled" if plan.compile else "plain", *([plan.quantize] if plan.quantize else []), network)
    )


def _failure(plan: Plan, network: str, shape: Shape) -> str:
    return f"{_kind(plan, network)} {'x'.join(map(str, shape))} too many"


def _forget_peak() -> bool:
    try:
        _REFERENCES.write_text("5", encoding="ascii")
        return _STATUS.exists()
    except OSError:
        return False


def _told(name: str) -> int:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))
