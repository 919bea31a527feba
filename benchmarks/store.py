"""A store of a million pictures: how long typed queries, a page of thumbnails and durable inserts take.

The million is laid into the tables in bulk, spread as in a busy year, and every query's first page is compared with what NumPy
finds in the same columns. Set ALDENTE_TEST_POSTGRES to the address of a server to measure PostgreSQL too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.store import open_store
from aldente.store.catalogue import EPOCH as START
from aldente.store.catalogue import METRIC, SEED_MIDDLE, TIES, folded, key_of
from aldente.store.png import png_bytes
from aldente.store.record import Cost, Provenance, Score, StageCost, picture
from benchmarks.measure import save

RECORDS = int(os.environ.get("ALDENTE_BENCH_RECORDS", "1000000"))
PAGE, REPEATS = 20, 40
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 400
BATCH, BATCHES = 250, 8

SAMPLERS = ("dpmpp_2m", "euler", "euler_a", "dpmpp_2m_sde", "unipc", "ddim", "heun", "dpmpp_3m_sde", "lms", "dpm_2")
SCHEDULES = ("karras", "normal", "exponential", "sgm_uniform")
CATEGORIES = ("portrait", "landscape", "texture", "product", "architecture", "character", "abstract", "food")
PROMPTS, SUBJECTS = 20_000, ("apple", "castle", "portrait of a woman", "forest", "robot", "teapot", "harbour", "dragon")
STYLES = ("oil painting", "3d render", "photo", "watercolour", "pixel art")

Columns = dict[str, np.ndarray]


def columns(count: int) -> Columns:
    """What the pictures are: steps gather at few values, seeds are all different, ratings and rare parameters are few."""
    rng = np.random.default_rng(0)
    popular = lambda n, a: np.minimum((rng.pareto(a, count)).astype(np.int64), n - 1)  # noqa: E731
    created = np.sort(rng.integers(0, DAYS * 86_400 * 10**6, count)) + int(
        (NOW - timedelta(days=DAYS) - START).total_seconds() * 1e6
    )
    steps = np.where(rng.random(count) < 0.9, rng.choice([8, 12, 20, 25, 28, 30, 50], count), rng.integers(1, 151, count))
    return {
        "created": created,
        "prompt": rng.zipf(1.3, count) % PROMPTS,
        "sampler": popular(len(SAMPLERS), 0.7),
        "schedule": popular(len(SCHEDULES), 1.0),
        "category": rng.integers(0, len(CATEGORIES), count),
        "steps": steps,
        "cfg": rng.choice([1.0, 3.5, 5.0, 5.5, 7.0, 7.5, 11.0], count) + np.where(rng.random(count) < 0.02, 0.25, 0.0),
        "seed": rng.integers(0, 2**32, count),
        "side": rng.choice([512, 768, 1024, 1536], count, p=[0.4, 0.2, 0.39, 0.01]),
        "seconds": rng.gamma(2.0, 3.0, count),
        "clipped": rng.beta(0.5, 20.0, count),
        "sharpness": rng.normal(3.0, 0.5, count),
        "rating": np.where(rng.random(count) < 0.05, rng.integers(1, 6, count), 0),
        "hero": rng.random(count) < 0.002,
        "denoise": np.where(rng.random(count) < 0.1, np.round(rng.random(count), 2), np.nan),
    }


def prompt_of(number: int) -> str:
    """The prompt of a number: a subject, a style, and words that tell it from the others."""
    return f"a {SUBJECTS[number % 8]}, {STYLES[number // 8 % 5]}, highly detailed, variant {number} of the batch"


def ids(count: int) -> list[str]:
    """The ids of the pictures."""
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(count)]


class Bulk:
    """Rows for every table, made of the columns."""

    def __init__(self, made: Columns) -> None:
        self.made = {name: values.tolist() for name, values in made.items()}
        self.ids = ids(len(made["created"]))
        self.at = [c * TIES + int(i[:3], 16) for c, i in zip(self.made["created"], self.ids, strict=True)]
        self.words: dict[tuple[str, str], int] = {}

    def word(self, kind: str, word: str) -> int:
        """The number of a word."""
        return self.words.setdefault((kind, word), len(self.words) + 1)

    def rows(self, table: str) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
        """The columns and rows of a table."""
        made: Callable[[], tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]] = getattr(self, f"_{table}")
        return made()

    def _recipes(self) -> Any:
        m = self.made
        sampling = Sampling(sampler="@sampler", schedule="@schedule", steps=999, guidance=Guidance(scale=77.75))
        whole = Recipe(prompt="@prompt", seed=1234567, width=2048, height=2048, sampling=sampling).canonical()
        template = whole.replace("%", "%%")
        for mark, slot in (("@sampler", "%s"), ("@schedule", "%s"), ("@prompt", "%s"), ("999", "%d"), ("77.75", "%r")):
            template = template.replace(mark, f"\0{mark}\0{slot}\1")
        order = sorted((template.index(f"\0{k}\0"), k) for k in ("@sampler", "@schedule", "@prompt", "999", "77.75"))
        for mark in ("@sampler", "@schedule", "@prompt", "999", "77.75"):
            template = template.replace(f"\0{mark}\0", "").replace("\1", "")
        template = template.replace("1234567", "{seed}").replace("2048", "{side}")
        names = ("digest", "canonical", "model", "prompt", "sampler", "schedule", "steps", "cfg", "seed", "width", "height")

        def made() -> Iterator[tuple[Any, ...]]:
            for i, digest in enumerate(self.ids):
                prompt, sampler, schedule = prompt_of(m["prompt"][i]), SAMPLERS[m["sampler"][i]], SCHEDULES[m["schedule"][i]]
                said = {
                    "@sampler": sampler,
                    "@schedule": schedule,
                    "@prompt": prompt,
                    "999": m["steps"][i],
                    "77.75": m["cfg"][i],
                }
                canonical = template % tuple(said[mark] for _, mark in order)
                canonical = canonical.replace("{seed}", str(m["seed"][i])).replace("{side}", str(m["side"][i]))
                side = m["side"][i]
                yield (
                    digest,
                    canonical,
                    "pastina",
                    prompt,
                    sampler,
                    schedule,
                    m["steps"][i],
                    m["cfg"][i],
                    m["seed"][i],
                    side,
                    side,
                )

        return names, made()

    def _images(self) -> Any:
        m = self.made
        names = (
            "id",
            "recipe_digest",
            "model_fingerprint",
            "image_hash",
            "width",
            "height",
            "model_calls",
            "seconds",
            "provenance",
            "created",
            "at",
            "category",
            "rating",
        )
        rows = (
            (id_[:32], id_, "f" * 64, id_, m["side"][i], m["side"][i], 2 * m["steps"][i], m["seconds"][i], "p" * 64,
             (START + timedelta(microseconds=m["created"][i])).strftime("%Y-%m-%d %H:%M:%S.%f"), self.at[i],
              CATEGORIES[m["category"][i]],
             m["rating"][i] or None)
            for i, id_ in enumerate(self.ids)
        )  # fmt: skip
        return names, rows

    def _catalogue(self) -> Any:
        m, word = self.made, self.word
        names = (
            "at",
            "failed",
            "model",
            "prompt",
            "negative",
            "sampler",
            "schedule",
            "rng",
            "program",
            "category",
            "steps",
            "cfg",
            "seed",
            "width",
            "height",
            "calls",
            "seconds",
            "rating",
        )
        fixed = word("model", "pastina"), word("negative", ""), word("rng", "aldente"), word("program", "aldente")
        prompts = [word("prompt", prompt_of(i)) for i in range(PROMPTS)]
        samplers, schedules = [word("sampler", s) for s in SAMPLERS], [word("schedule", s) for s in SCHEDULES]
        kinds = [word("category", c) for c in CATEGORIES]
        rows = (
            (at, 0, fixed[0], prompts[m["prompt"][i]], fixed[1], samplers[m["sampler"][i]],
             schedules[m["schedule"][i]], fixed[2], fixed[3],
             kinds[m["category"][i]], m["steps"][i], m["cfg"][i], m["seed"][i] - SEED_MIDDLE, m["side"][i],
              m["side"][i], 2 * m["steps"][i],
             m["seconds"][i], m["rating"][i] or None)
            for i, at in enumerate(self.at)
        )  # fmt: skip
        return names, rows

    def _traits(self) -> Any:
        m = self.made
        clipped, sharpness, denoise = (
            self.word("name", name) for name in (METRIC + "clipped", METRIC + "sharpness", "denoise")
        )

        def made() -> Iterator[tuple[Any, ...]]:
            for i, at in enumerate(self.at):
                yield at, clipped, m["clipped"][i]
                yield at, sharpness, m["sharpness"][i]
                if m["denoise"][i] == m["denoise"][i]:
                    yield at, denoise, m["denoise"][i]

        return ("at", "name", "number"), made()

    def _scores(self) -> Any:
        m = self.made
        both = ((id_[:32], name, "1", m[name][i]) for i, id_ in enumerate(self.ids) for name in ("clipped", "sharpness"))
        return ("image_id", "metric", "version", "value"), both

    def _costs(self) -> Any:
        m = self.made
        rows = ((id_[:32], 0, "base", 2 * m["steps"][i], m["seconds"][i]) for i, id_ in enumerate(self.ids))
        return ("image_id", "position", "stage", "model_calls", "seconds"), rows

    def _tags(self) -> Any:
        return ("at", "tag"), ((at, "hero") for i, at in enumerate(self.at) if self.made["hero"][i])

    def _words(self) -> Any:
        rows = ((number, kind, key_of(kind, word), folded(word)) for (kind, word), number in self.words.items())
        return ("id", "kind", "key", "folded"), rows

    def _provenances(self) -> Any:
        facts = made_by(NOW.isoformat()).model_dump_json(exclude={"created"}, exclude_none=True)
        return ("digest", "canonical"), iter([("p" * 64, facts)])


TABLES = ("provenances", "recipes", "images", "costs", "scores", "catalogue", "traits", "tags", "words")


def made_by(created: str) -> Provenance:
    """The provenance of every picture here."""
    return Provenance(
        **{"aldente": "0", "engine": "0", "model": "pastina", "model_fingerprint": "f" * 64,
         "runtime": "none", "runtime_version": "0"},
        **{"device": "cpu", "dtype": "float32", "python": "3", "platform": "any", "created": created},
    )  # fmt: skip


def fill(url: str, bulk: Bulk) -> None:
    """Lay the rows into a store that is there and empty; indexes are made again afterwards, which is quicker."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg") if "://" in url else f"sqlite:///{url}")
    lite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        raw: Any = connection.connection.dbapi_connection
        query = (
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name NOT LIKE 'ix_images_at'"
            if lite
            else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
            "AND indexname LIKE 'ix%' AND indexname <> 'ix_images_at'"
        )
        indexes = [tuple(row) for row in connection.execute(text(query))]
        for name, _ in indexes:
            connection.execute(text(f"DROP INDEX {name}"))
        for table in TABLES:
            names, rows = bulk.rows(table)
            if lite:
                raw.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows)
                continue
            with raw.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        for _, sql in indexes:
            connection.execute(text(sql))
        if lite:
            connection.execute(text("INSERT INTO words_parts (rowid, folded) SELECT id, folded FROM words"))
        else:
            connection.execute(text(f"SELECT setval(pg_get_serial_sequence('words', 'id'), {len(bulk.words)})"))
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    engine.dispose()


def questions(c: Columns) -> dict[str, np.ndarray]:
    """Queries, each with which pictures it asks for, as NumPy sees it."""
    named = np.array([prompt_of(i) for i in range(PROMPTS)])
    says = lambda part: np.char.find(named, part)[c["prompt"]] >= 0  # noqa: E731
    sampler, category = np.array(SAMPLERS)[c["sampler"]], np.array(CATEGORIES)[c["category"]]
    since = lambda days: c["created"] >= int((NOW - timedelta(days=days) - START).total_seconds() * 1e6)  # noqa: E731
    two_m = np.char.find(np.array(SAMPLERS), "2m")[c["sampler"]] >= 0
    lone = int(c["seed"][len(c["seed"]) // 3])
    every = np.ones(len(c["seed"]), dtype=bool)
    return {
        "": every,
        'steps>=20 and sampler~"2M" and category=portrait and clipped<0.01 since 7d': (
            (c["steps"] >= 20) & two_m & (category == "portrait") & (c["clipped"] < 0.01) & since(7)
        ),
        'steps>=20 and sampler~"2M" and category=portrait and clipped<0.01': (
            (c["steps"] >= 20) & two_m & (category == "portrait") & (c["clipped"] < 0.01)
        ),
        f"seed={lone}": c["seed"] == lone,
        "steps=137": c["steps"] == 137,
        "steps>=140 and cfg=7.25": (c["steps"] >= 140) & (c["cfg"] == 7.25),
        "sampler=dpm_2 schedule=sgm_uniform steps=50": (sampler == "dpm_2") & (c["schedule"] == 3) & (c["steps"] == 50),
        'prompt~"dragon, watercolour"': says("dragon, watercolour"),
        'prompt~"variant 12345 "': says("variant 12345 "),
        '"castle" and rating>=4': says("castle") & (c["rating"] >= 4),
        "tag:hero": c["hero"],
        "tag:hero and category=food and steps=8": c["hero"] & (category == "food") & (c["steps"] == 8),
        "tag:hero or rating=5": c["hero"] | (c["rating"] == 5),
        "not tag:hero and rating>=4 since 30d": ~c["hero"] & (c["rating"] >= 4) & since(30),
        "clipped>0.3": c["clipped"] > 0.3,
        "clipped<0.0001 sharpness>4": (c["clipped"] < 0.0001) & (c["sharpness"] > 4),
        "denoise>=0.4 and denoise<=0.45": (c["denoise"] >= 0.4) & (c["denoise"] <= 0.45),
        "has:denoise size=1536x1536": ~np.isnan(c["denoise"]) & (c["side"] == 1536),
        "seconds>40": c["seconds"] > 40,
        "calls<=4 or calls>=300": (2 * c["steps"] <= 4) | (2 * c["steps"] >= 300),
        "(sampler=heun or sampler=lms) and not (cfg<5 or cfg>7)": (
            ((sampler == "heun") | (sampler == "lms")) & ~((c["cfg"] < 5) | (c["cfg"] > 7))
        ),
        "model=other": ~every,
        "category!=portrait width=1536 rating=1": (category != "portrait") & (c["side"] == 1536) & (c["rating"] == 1),
        "steps=50 cfg=11 category=abstract sampler=dpmpp_3m_sde size=768x768 rating=2": (
            (c["steps"] == 50) & (c["cfg"] == 11) & (category == "abstract") & (sampler == "dpmpp_3m_sde") & (c["side"] == 768)
            & (c["rating"] == 2)
        ),
        "steps=20 cfg=7 seconds>25 sharpness>4.2": (
            (c["steps"] == 20) & (c["cfg"] == 7) & (c["seconds"] > 25) & (c["sharpness"] > 4.2)
        ),
    }  # fmt: skip


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
            recipe = Recipe(prompt=prompt_of(i), seed=10**12 + batch * BATCH + i, width=512, height=512)
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


def one(url: str, folder: Path, made: Columns) -> dict[str, Any]:
    """All figures of a new store at ``url``."""
    with open_store(url, folder=folder) as store:
        bulk = Bulk(made)
        started = time.perf_counter()
        fill(url, bulk)
        print(f"  {len(bulk.ids)} records laid in {time.perf_counter() - started:.0f} s", flush=True)
        for place in product("0123456789abcdef", repeat=4):  # A million pictures have left a file in every folder.
            (folder / f"{place[0]}{place[1]}" / f"{place[2]}{place[3]}").mkdir(parents=True, exist_ok=True)
        figures = ask(store, made, bulk.ids) | insert(store)
    rate, thumbs = figures["records_per_second"]["median"], figures["thumbnails"]
    print(f"  queries p95 {figures['p95_ms']:.1f} ms (own {figures['own_p95_ms']:.1f}); {rate:.0f} durable inserts/s; "
          f"page of thumbnails {thumbs['p95_ms']:.1f} ms (first time {thumbs['first_ms']:.0f} ms)")  # fmt: skip
    return figures


def run() -> None:
    """Measure SQLite and, where there is a server, PostgreSQL."""
    made = columns(RECORDS)
    figures: dict[str, Any] = {"records": RECORDS, "page": PAGE, "repeats": REPEATS, "load": os.getloadavg()}
    with tempfile.TemporaryDirectory(prefix="aldente-bench-") as folder:
        path = Path(folder) / "store.sqlite"
        figures["sqlite"] = one(str(path), Path(folder) / "files", made) | {"bytes": path.stat().st_size}
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir()
        if server := os.environ.get("ALDENTE_TEST_POSTGRES"):
            figures["postgresql"] = one_on_server(server, Path(folder) / "files", made)
    print(save("store", figures))


def one_on_server(server: str, folder: Path, made: Columns) -> dict[str, Any]:
    """All figures of a schema of its own on a server, dropped afterwards."""
    schema = f"aldente_bench_{os.getpid()}"
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        version = str(connection.execute(text("SHOW server_version")).scalar_one())
    try:
        path = f"-csearch_path={schema},public"
        url = make_url(server).update_query_dict({"options": path}).render_as_string(hide_password=False)
        return one(url, folder, made) | {"server": version}
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        engine.dispose()


if __name__ == "__main__":
    run()
