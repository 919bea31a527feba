"""Which program evaluates pastina's denoiser: the one that was asked for, or the fastest of those that are there."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import platformdirs

from aldente.models.pastina.facts import fingerprint
from aldente.models.pastina.runtimes import Denoiser, Feed, RuntimeEntry, find_runtime, runtimes

VARIABLE = "ALDENTE_RUNTIME"

AUTO = "auto"
"""The name that asks for the fastest."""

ROWS = (1, 8)
"""Rows of the calls that are timed: a picture alone and a full batch, as either half of them meets one of two threads."""

ROUNDS = 7

CALLS = 4
"""Calls in a turn, of which the best counts: before the first the others have swept the processor's caches."""

GAIN = 1.05
"""How many times as fast as the default another must be to be worth it."""

SIDE = 16
"""The side of the latents that are timed."""

Milliseconds = Mapping[int, float]
"""What a call takes, by its rows."""


def wanted_runtime(environment: Mapping[str, str] = os.environ) -> str:
    """The name in the variable ALDENTE_RUNTIME, else that of the default."""
    return environment.get(VARIABLE, "").strip().lower() or runtimes()[0].name


def choose(
    name: str, graph: Path, *, entries: Sequence[RuntimeEntry] | None = None, folder: Path | None = None
) -> RuntimeEntry:
    """The program called ``name`` or, for ``auto``, the fastest of ``entries`` for ``graph`` on this machine.

    It is measured once, in a few seconds; the answer stays in ``folder`` (the user's cache) until the graph, a version or the
    processor changes. Raises ``UserError`` when there is no such program.
    """
    if name != AUTO:
        return find_runtime(name, (AUTO,))
    able = [entry for entry in entries or runtimes() if entry.automatic and entry.installed()]
    if len(able) == 1:
        return able[0]
    file = (folder or Path(platformdirs.user_cache_dir("aldente", appauthor=False))) / "runtimes.json"
    measured = _kept(file)
    key = _circumstances(able, graph)
    if measured.get(key, {}).get("fastest") not in [entry.name for entry in able]:
        taken = measure(able, graph)
        measured[key] = {"fastest": fastest(taken), "milliseconds": taken}
        _keep(file, measured)
    return next(entry for entry in able if entry.name == measured[key]["fastest"])


def measure(entries: Sequence[RuntimeEntry], graph: Path) -> dict[str, Milliseconds]:
    """The milliseconds of a call of each, on one thread; they take turns, so that other work on the machine meets all alike."""
    opened = {entry.name: entry.open(graph, 1) for entry in entries}
    feeds = {rows: any_feed(next(iter(opened.values())), rows) for rows in ROWS}
    taken: dict[str, dict[int, list[float]]] = {name: {rows: [] for rows in ROWS} for name in opened}
    for _ in range(ROUNDS):
        for rows, feed in feeds.items():
            for name, denoiser in opened.items():
                taken[name][rows].append(min(_milliseconds(denoiser, feed) for _ in range(CALLS)))
    return {name: {rows: statistics.median(each) for rows, each in by_rows.items()} for name, by_rows in taken.items()}


def fastest(taken: Mapping[str, Milliseconds]) -> str:
    """The name with the least time, the geometric mean over rows; the first unless another is ``GAIN`` times as fast."""
    means = {name: statistics.geometric_mean(each.values()) for name, each in taken.items()}
    default, best = next(iter(means)), min(means, key=means.__getitem__)
    return best if means[default] >= GAIN * means[best] else default


def any_feed(denoiser: Denoiser, rows: int) -> Feed:
    """Something of the right sides to feed it: rows of the native size at levels of their own, without hints."""
    rng = np.random.default_rng(0)
    free = {"x": (rows, SIDE, SIDE)} | {name: (1, 1) for name in denoiser.inputs if name.endswith("hint")}
    fed: dict[str, np.ndarray] = {}
    for name, sides in denoiser.inputs.items():
        left = iter(free.get(name, (rows,)))
        shape = [next(left) if side is None else side for side in sides]
        fed[name] = np.ones(shape, np.int32) if name == "mask" else rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return fed


def _milliseconds(denoiser: Denoiser, feed: Feed) -> float:
    started = time.perf_counter()
    denoiser.run(feed)
    return 1e3 * (time.perf_counter() - started)


def _circumstances(entries: Sequence[RuntimeEntry], graph: Path) -> str:
    """What the answer depends on, as one hexadecimal word: programs, their versions, the graph, the processor."""
    packages = sorted((entry.name, version(entry.package)) for entry in entries)
    facts = [packages, fingerprint([graph]), platform.machine(), platform.system(), _processor()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _processor() -> str:
    """What the system calls the processor and what it can do, which a rented machine's name alone does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}))


def _kept(file: Path) -> dict[str, dict[str, object]]:
    """What was measured before; nothing where that cannot be read."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: each for key, each in kept.items() if isinstance(each, dict)} if isinstance(kept, dict) else {}


def _keep(file: Path, measured: Mapping[str, object]) -> None:
    """Write the file whole; where nothing can be written it is measured again next time."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
        draft.replace(file)
    except OSError:
        return
