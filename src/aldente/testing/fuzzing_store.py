"""Odd lines for what users say of pictures, and projects that odd pictures are exported as; the same for a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from aldente.recipe.parameters import Scalar
from aldente.recipe.project_file import read_project
from aldente.recipe.project_items import items_of, subjects_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.store import open_store
from aldente.store.port import Store
from aldente.studio.projects.exporting import project_text
from aldente.studio.ranking import rank
from aldente.testing.fuzzing import SAMPLES, SIGNS, WORDS, Fuzzed, fuzz, spoilt
from aldente.testing.store_contract import drawn, recipe

SAID = ("mark", "vote", "rank", "exported")
"""What can be fuzzed: tags and marks, votes, rankings, and exported projects."""

_TAGS = ("+hero", "draft", "cover-2", "été", "a b", "", "+", "++", "x" * 101)
_NUMBERS = (None, 0, 1, 5, 6, -1, 10**30)
_BY = ("picture", "sampler", "cfg", "steps", "CFG scale", "size", "denoise", "nothing")
_SETTINGS: Mapping[str, tuple[Scalar, ...]] = {
    "negative": ("", "blur", '"', "\\", "${x}", "é\n", "#", "'''"),
    "steps": (1, 20, 1000),
    "cfg": (0.0, 1.5, 7.25, 100.0, 1e-9),
    "sampler": ("euler", "dpmpp_2m", "Euler a"),
    "upscale_by": (1.5, 4.0),
    "hires_denoise": (0.0, 0.35, 1.0),
    "variation_strength": (0.0, 0.2, 1.0),
    "eta": (0.0, 0.5),
}


def fuzz_said(name: str, count: int, *, seed: int = 0) -> Fuzzed:
    """Say odd things of a few pictures; raises AssertionError for a traceback or a hang, and for a project that lies."""
    if name == "exported":
        return fuzz(_exported, _odd_recipes, count, seed)
    with TemporaryDirectory() as folder, open_store(str(Path(folder) / "a.sqlite")) as store:
        ids = [record.id for record in store.save_many([drawn(recipe(number), number) for number in range(6)])]
        for better, worse in pairwise(ids):
            store.vote(better, worse)
        says: Mapping[str, tuple[Callable[..., object], Callable[..., object]]] = {
            "mark": (partial(_mark, store), partial(_odd_mark, ids)),
            "vote": (partial(_vote, store), partial(_odd_vote, ids)),
            "rank": (partial(_rank, store), _odd_rank),
        }
        say, odd = says[name]
        return fuzz(say, odd, count, seed)


def _odd(texts: tuple[str, ...], chance: random.Random) -> str:
    text = chance.choice(texts)
    if text and chance.random() < 0.5:
        return spoilt(text, chance)
    return text if chance.random() < 0.8 else text + chance.choice((*WORDS, *SIGNS))


def _odd_mark(ids: list[str], chance: random.Random) -> tuple[str, list[str], list[str], int | None, str, str]:
    tags = [[_odd(_TAGS, chance) for _ in range(chance.randrange(3))] for _ in range(2)]
    note = "".join(chance.choices(SIGNS, k=chance.choice((0, 3, 40, 11_000 if chance.random() < 0.02 else 5))))
    return _odd_id(ids, chance), tags[0], tags[1], chance.choice(_NUMBERS), note, _odd(_TAGS, chance)


def _mark(store: Store, said: tuple[str, list[str], list[str], int | None, str, str]) -> None:
    what, add, remove, rating, note, category = said
    record = store.mark(what, add=add, remove=remove, rating=rating, note=note, category=category)
    assert store.get(record.id) == record
    assert all(record.id in {found.id for found in store.history(f"tag:{tag}")} for tag in record.tags), record.tags


def _odd_id(ids: list[str], chance: random.Random) -> str:
    whole = chance.choice(ids)
    return whole[: chance.choice((32, 32, 8, 3, 0))] if chance.random() < 0.9 else _odd((whole,), chance)


def _odd_vote(ids: list[str], chance: random.Random) -> tuple[str, str, bool]:
    return _odd_id(ids, chance), _odd_id(ids, chance), chance.random() < 0.8


def _vote(store: Store, said: tuple[str, str, bool]) -> None:
    one, other, whether = said
    better, worse = (store.vote if whether else store.forget_vote)(one, other)
    there = (better.id, worse.id) in store.votes([better.id, worse.id])
    assert there == whether, f"{better.id} against {worse.id}: {there}"


def _odd_rank(chance: random.Random) -> tuple[str, str]:
    query = _odd(SAMPLES["query"], chance) if chance.random() < 0.5 else ""
    return query, _odd(_BY, chance)


def _rank(store: Store, said: tuple[str, str]) -> None:
    found = rank(store, *said)
    assert found
    assert all(0 < one.chance < 1 for one in found)


def _odd_recipes(chance: random.Random) -> list[Recipe]:
    """A few recipes with odd prompts and settings."""
    made = []
    for _ in range(chance.randint(1, 4)):
        named = {name: chance.choice(values) for name, values in _SETTINGS.items() if chance.random() < 0.3}
        prompt = _odd(SAMPLES["prompt"] + ("${subject} {a|b}", "__x__", '"""'), chance)
        seed = chance.choice((0, 7, chance.getrandbits(64)))
        made.append(set_parameters(Recipe(prompt=prompt, seed=seed), named))
    return list({one.digest(): one for one in made}.values())


def _exported(recipes: list[Recipe]) -> None:
    """Each recipe's prompt and seed come back out of the project that is written of them."""
    project = read_project(project_text(recipes, "", Path("odd.toml"), (), str))
    items = items_of(project, subjects_of(project.subjects, wildcards=_none))
    told = sorted((item.subject.prompt, item.seed) for item in items)
    assert told == sorted((one.prompt, one.seed) for one in recipes), told


def _none(name: str) -> list[tuple[str, float]]:
    raise AssertionError(f"an exported prompt asks for the wildcard {name}")
