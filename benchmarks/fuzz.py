"""Ten thousand odd inputs to each parser: how many are read, how many refused, and the longest that one takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from aldente.testing.fuzzing import NAMES, Fuzzed, fuzz_named
from aldente.testing.fuzzing_store import SAID, fuzz_said
from aldente.testing.fuzzing_weights import WEIGHTS, fuzz_weights
from benchmarks.fuzz_projects import READERS, fuzz_project
from benchmarks.measure import save

COUNT = int(os.environ.get("ALDENTE_FUZZ", "10000"))

PARSERS: dict[str, Callable[..., Fuzzed]] = {
    **dict.fromkeys(NAMES, fuzz_named),
    **dict.fromkeys(WEIGHTS, fuzz_weights),
    **dict.fromkeys(SAID, fuzz_said),
    **dict.fromkeys(READERS, fuzz_project),
}


def run() -> None:
    """Fuzz every parser; a traceback or a hang ends it."""
    figures = {}
    for name, fuzzed in PARSERS.items():
        started = time.process_time()
        done = fuzzed(name, COUNT, seed=1)
        figures[name] = {**done._asdict(), "own_seconds": time.process_time() - started}
        print(
            f"  {name:14s} read {done.read:6d}, refused {done.refused:6d}, slowest {1e3 * done.slowest_seconds:7.1f} ms",
            flush=True,
        )
    print(save("fuzz", {"inputs_each": COUNT, "parsers": figures}))


if __name__ == "__main__":
    run()
