"""A store of a million pictures: how long typed queries, a page of thumbnails and durable inserts take.

The million is laid into the tables in bulk, spread as in a busy year, and every query's first page is compared with what NumPy
finds in the same columns. Set ALDENTE_TEST_POSTGRES to the address of a server to measure PostgreSQL too.

python -m benchmarks.store --keep FOLDER --part lay|queries|inserts does one part, in a store that stays in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aldente.recipe.recipe import Recipe
from aldente.store import open_store
from aldente.store.png import png_bytes
from aldente.store.record import Cost, Score, StageCost, picture
from benchmarks.measure import RESULTS, save
from benchmarks.server import SERVER, fresh_database
from benchmarks.store_questions import questions
from benchmarks.store_rows import NOW, Bulk, Columns, columns, fill, ids, made_by, prompt_of

RECORDS = int(os.environ.get("ALDENTE_BENCH_RECORDS", "1000000"))
FIRST = 10**12 + time.time_ns() % 10**18
"""The seeds of what is inserted are new in every run."""

PAGE, REPEATS = 20, 40
BATCH, BATCHES = 250, 8


class Times(NamedTuple):
    """Milliseconds of each run: by the clock on the wall, and of this process alone."""

    wall: list[float]
    own: list[float]

    def figures(self) -> dict[str, float]:
        """Medians and 95th percentiles."""
        return {
            "p50_ms": statistics.median(self.wall), "p95_ms": p95(self.wall),
            "own_p50_ms": statistics.median(self.own), "own_p95_ms": p95(self.own),
        }  # fmt: skip


def measured(run: Callable[[], object], repeats: int) -> Times:
    """The times of a function after one run that warms up.

    On a machine that others use too the wall clock counts their turns; the time of the process is what is left without them.
    """
    run()
    times = Times([], [])
    for _ in range(repeats):
        started, began = time.perf_counter(), time.process_time()
        run()
        times.wall.append(1e3 * (time.perf_counter() - started))
        times.own.append(1e3 * (time.process_time() - began))
    return times


def p95(times: Sequence[float]) -> float:
    """The 95th percentile."""
    return float(np.percentile(times, 95))


def ask(store: Any, made: Columns, names: list[str]) -> dict[str, Any]:
    """Milliseconds of each query's first page, and of pages deep in the history; every first page is checked."""
    figures: dict[str, Any] = {}
    pooled = Times([], [])
    moment = NOW.isoformat()
    deep = names[len(names) // 5][:32]
    for query, right in questions(made).items():
        run = partial(store.history, query, limit=PAGE, moment=moment)
        places = np.flatnonzero(right)[::-1]
        found, wanted = [record.id for record in run()], [names[i][:32] for i in places[:PAGE]]
        assert found == wanted, f"{query}: {found[:3]} instead of {wanted[:3]}"
        times = measured(run, REPEATS)
        figures[query or "(everything)"] = {"answers": len(places)} | times.figures()
        pooled.wall.extend(times.wall)
        pooled.own.extend(times.own)
        print(
            f"  {times.figures()['p95_ms']:7.1f} (own {p95(times.own):6.1f}) ms  {len(places):8d}  {query or '(everything)'}",
            flush=True,
        )
    times = measured(partial(store.history, "steps>=20", limit=PAGE, before=deep, moment=moment), REPEATS)
    figures["(a page deep in the history)"] = times.figures()
    return {"queries": figures, **pooled.figures(), "slowest_own_ms": max(pooled.own)}


def insert(store: Any) -> dict[str, Any]:
    """Records a second saved durably in batches, with their files, into the full store; then a page of thumbnails of them."""
    rng = np.random.default_rng(1)
    batches = []
    for batch in range(BATCHES):
        pairs = []
        for i in range(BATCH):
            image = np.kron(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), np.ones((64, 64, 1), dtype=np.uint8))
            recipe = Recipe(prompt=prompt_of(i), seed=FIRST + batch * BATCH + i, width=512, height=512)
            cost = Cost(model_calls=40, seconds=2.0, stages=(StageCost(stage="base", model_calls=40, seconds=2.0),))
            quality = [Score(metric="clipped", version="1", value=0.01), Score(metric="sharpness", version="1", value=3.0)]
            created = (NOW + timedelta(seconds=batch * BATCH + i)).isoformat()
            pairs.append(
                (
                    picture(recipe, image, cost=cost, provenance=made_by(created), quality=quality),
                    png_bytes(image, recipe=recipe),
                )
            )
        batches.append(pairs)
    rates, own = [], []
    for pairs in batches:
        started, began = time.perf_counter(), time.process_time()
        store.save_many(pairs)
        rates.append(BATCH / (time.perf_counter() - started))
        own.append(BATCH / (time.process_time() - began))
    page = partial(store.history, limit=50)
    started = time.perf_counter()
    for record in page():
        store.thumbnail(record)
    first = 1e3 * (time.perf_counter() - started)
    again = measured(lambda: [store.thumbnail(record) for record in page()], 20)
    return {
        "batch": BATCH,
        "records_per_second": {"median": statistics.median(rates), "min": min(rates), "max": max(rates)},
        "records_per_second_of_own_time": statistics.median(own),
        "thumbnails": {"page": 50, "picture_px": 512, "first_ms": first} | again.figures(),
    }


def lay(url: str, files: Path) -> None:
    """Make a store at ``url`` that holds the million."""
    with open_store(url, folder=files):
        started = time.perf_counter()
        fill(url, Bulk(columns(RECORDS)))
        print(f"  {RECORDS} records laid in {time.perf_counter() - started:.0f} s", flush=True)
        for place in product("0123456789abcdef", repeat=4):  # A million pictures have left a file in every folder.
            (files / f"{place[0]}{place[1]}" / f"{place[2]}{place[3]}").mkdir(parents=True, exist_ok=True)


def queries(url: str, files: Path) -> dict[str, Any]:
    """The figures of the queries."""
    with open_store(url, folder=files) as store:
        figures = ask(store, columns(RECORDS), ids(RECORDS))
    print(f"  queries p95 {figures['p95_ms']:.1f} ms (own {figures['own_p95_ms']:.1f})", flush=True)
    return figures | {"load": os.getloadavg()[0]}


def inserts(url: str, files: Path) -> dict[str, Any]:
    """The figures of the inserts and the thumbnails."""
    with open_store(url, folder=files) as store:
        figures = insert(store)
    rate, thumbs = figures["records_per_second"]["median"], figures["thumbnails"]
    print(f"  {rate:.0f} durable inserts/s; page of thumbnails {thumbs['p95_ms']:.1f} ms "
          f"(first time {thumbs['first_ms']:.0f} ms)", flush=True)  # fmt: skip
    return figures


PARTS: dict[str, Callable[[str, Path], dict[str, Any] | None]] = {"lay": lay, "queries": queries, "inserts": inserts}


def run() -> None:
    """Measure SQLite and, where there is a server, PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for part in PARTS:
            one(part, Path(folder))
    if SERVER:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, fresh_database(SERVER) as (url, version):
            for part in PARTS:
                one(part, Path(folder), url=url, version=version)


def one(part: str, folder: Path, *, url: str = "", version: str = "") -> None:
    """One part in one database; without an address, in SQLite. Its figures replace those that there were."""
    path = folder / "store.sqlite"
    figures = PARTS[part](url or str(path), folder / "files")
    if figures is None:
        return
    there = RESULTS / "store.json"
    known: dict[str, Any] = json.loads(there.read_text())["figures"] if there.exists() else {}
    name = "postgresql" if url else "sqlite"
    about = {"server": version} if url else {"bytes": path.stat().st_size}
    known |= {"records": RECORDS, "page": PAGE, "repeats": REPEATS, name: known.get(name, {}) | about | {part: figures}}
    print(save("store", known))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="the folder of a store that stays")
    parser.add_argument("--part", choices=PARTS, action="append", help="what to do in it")
    parser.add_argument("--url", default="", help="a database that stays, instead of an SQLite file in that folder")
    given = parser.parse_args()
    if given.keep is None:
        run()
    for part in given.part or ():
        one(part, given.keep, url=given.url, version="given")


if __name__ == "__main__":
    main()
