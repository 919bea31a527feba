"""A million pictures as columns, and the rows of every table that follow from them, laid into a store in bulk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import create_engine, text

from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.store.address import address
from aldente.store.catalogue import EPOCH as START
from aldente.store.catalogue import METRIC, SEED_MIDDLE, TIES, folded, key_of
from aldente.store.record import Provenance

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 400

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


class _Template:
    """The canonical text of a recipe with places to fill: a million recipes made one by one would take an hour."""

    MARKS = ("@prompt", "@sampler", "@schedule", "999", "77.75", "1234567", "2048")

    def __init__(self) -> None:
        sampling = Sampling(sampler="@sampler", schedule="@schedule", steps=999, guidance=Guidance(scale=77.75))
        self._whole = Recipe(prompt="@prompt", seed=1234567, width=2048, height=2048, sampling=sampling).canonical()
        assert all(mark in self._whole for mark in self.MARKS)

    def filled(self, *values: object) -> str:
        """The text with a value for each mark."""
        made = self._whole
        for mark, value in zip(self.MARKS, values, strict=True):
            made = made.replace(mark, str(value))
        return made


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
        m, template = self.made, _Template()
        names = ("digest", "canonical", "model", "prompt", "sampler", "schedule", "steps", "cfg", "seed", "width", "height")

        def made() -> Iterator[tuple[Any, ...]]:
            for i, digest in enumerate(self.ids):
                words = prompt_of(m["prompt"][i]), SAMPLERS[m["sampler"][i]], SCHEDULES[m["schedule"][i]]
                numbers = m["steps"][i], m["cfg"][i], m["seed"][i], m["side"][i]
                yield digest, template.filled(*words, *numbers), "pastina", *words, *numbers, numbers[-1]

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
    engine = create_engine(address(url).url)
    lite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        indexes = [tuple(row) for row in connection.execute(text(_INDEXES[engine.dialect.name]))]
        for name, _ in indexes:
            connection.execute(text(f"DROP INDEX {name}"))
        # A new store knows the words of what is always measured; the bulk brings them along.
        if lite:
            connection.execute(text("INSERT INTO words_parts (words_parts) VALUES ('delete-all')"))
        connection.execute(text("DELETE FROM words"))
        raw: Any = connection.connection.dbapi_connection
        for table in TABLES:
            (_insert if lite else _copy)(raw, table, *bulk.rows(table))
        for _, sql in indexes:
            connection.execute(text(sql))
        if lite:
            connection.execute(text("INSERT INTO words_parts (rowid, folded) SELECT id, folded FROM words"))
        else:
            connection.execute(text(f"SELECT setval(pg_get_serial_sequence('words', 'id'), {len(bulk.words)})"))
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    engine.dispose()


_INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name NOT LIKE 'ix_images_at'",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
    "AND indexname LIKE 'ix%' AND indexname <> 'ix_images_at'",
}


def _insert(raw: Any, table: str, names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    raw.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows)


def _copy(raw: Any, table: str, names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    with raw.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
