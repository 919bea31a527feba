"""Ten thousand odd inputs to each parser: how many are read, how many refused, and the longest that one takes."""

from __future__ import annotations

import os
import time

from aldente.testing.fuzzing import NAMES, fuzz_named
from aldente.testing.fuzzing_weights import WEIGHTS, fuzz_weights
from benchmarks.measure import save

COUNT = int(os.environ.get("ALDENTE_FUZZ", "10000"))


def run() -> None:
    """Fuzz every parser; a traceback or a hang ends it."""
    figures = {}
    for name in (*NAMES, *WEIGHTS):
        started = time.process_time()
        done = (fuzz_weights if name in WEIGHTS else fuzz_named)(name, COUNT, seed=1)
        figures[name] = {**done._asdict(), "own_seconds": time.process_time() - started}
        print(
            f"  {name:11s} read {done.read:6d}, refused {done.refused:6d}, slowest {1e3 * done.slowest_seconds:7.1f} ms",
            flush=True,
        )
    print(save("fuzz", {"inputs_each": COUNT, "parsers": figures}))


if __name__ == "__main__":
    run()
