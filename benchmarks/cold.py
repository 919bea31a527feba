"""The stages of ``aldente generate`` in a process of its own: where the time of a first picture goes."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

PROMPT = "a red apple, 3d render"
STEPS = 25


def stages(began: float, store: str) -> dict[str, float]:
    """Seconds of each stage of one picture, done in the order of the command; ``began`` is when the process was started.

    The model's sessions open in the background from 'model' on, so 'text' also waits for what is not there yet.
    """
    seconds = {"interpreter": time.time() - began}
    last = time.perf_counter()

    def mark(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name] = now - last
        last = now

    import_module("aldente.interface.cli")
    import_module("aldente.interface.generate")
    from aldente.studio.drawing import Order, draw
    from aldente.studio.forecast import forecast
    from aldente.studio.request import resolve
    from aldente.studio.workbench import open_workbench

    mark("imports")
    bench = open_workbench(store)
    mark("store")
    model = bench.model("pastina")
    assert model.info.fingerprint
    mark("model")
    recipe = resolve(bench, {"prompt": PROMPT, "steps": STEPS, "seed": 42})
    for text in (PROMPT, ""):
        model.reading(model.encode(((text, 1.0),)))
    mark("text")
    forecast(bench, [recipe])
    mark("forecast")
    (drawn,) = draw(bench, [recipe], Order())
    assert not drawn.record.failed
    mark("sampling, decoding, keeping")
    return seconds


if __name__ == "__main__":
    print(json.dumps(stages(float(sys.argv[1]), sys.argv[2])))
