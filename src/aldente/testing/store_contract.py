"""What every store must do. A test class inherits ``StoreContract`` and gives a fixture ``store``: a new, empty one."""

# ruff: noqa: D102 (the names of the tests are sentences)

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.recipe.stages import Control, Redraw, Source
from aldente.store.entries import PresetEntry, StudyEntry, StudyRow
from aldente.store.png import png_bytes, read_png
from aldente.store.port import Store
from aldente.store.record import Cost, Provenance, Record, Score, StageCost, failure, image_hash, picture

FINGERPRINT = "f" * 64
START = datetime(2026, 1, 1, tzinfo=UTC)


def provenance(minute: int = 0, fingerprint: str = FINGERPRINT) -> Provenance:
    """The provenance of a picture that was made so many minutes into 2026."""
    return Provenance(
        aldente="0.1.0",
        engine="aldente",
        model="pastina",
        model_fingerprint=fingerprint,
        runtime="onnxruntime",
        runtime_version="1.22",
        device="cpu",
        dtype="float32",
        threads=2,
        python="3.11.7",
        platform="linux",
        created=(START + timedelta(minutes=minute)).isoformat(),
    )


def recipe(seed: int, prompt: str = "a red apple", steps: int = 25) -> Recipe:
    """A recipe that differs by its seed."""
    return Recipe(prompt=prompt, seed=seed, sampling=Sampling(steps=steps, guidance=Guidance(scale=5.5)))


def pixels(seed: int, side: int = 8) -> np.ndarray:
    """A picture of noise, uint8, h w 3."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def drawn(
    made: Recipe, minute: int = 0, *, image: np.ndarray | None = None, fingerprint: str = FINGERPRINT
) -> tuple[Record, bytes]:
    """A record of a picture of ``made`` and its file."""
    image = pixels(made.seed % 2**32) if image is None else image
    stages = (
        StageCost(stage="base", model_calls=40, seconds=0.25, peak_bytes=10**10),
        StageCost(stage="decode", model_calls=0, seconds=0.1),
    )
    cost = Cost(model_calls=40, seconds=0.35, peak_bytes=10**10, stages=stages)
    record = picture(
        made,
        image,
        cost=cost,
        provenance=provenance(minute, fingerprint),
        quality=[Score(metric="clipped", version="1", value=0.01)],
    )
    return record, png_bytes(image, recipe=made, model_fingerprint=fingerprint)


def failing(made: Recipe, reason: str, minute: int = 0) -> Record:
    """A record of a failure to draw ``made``."""
    return failure(made, reason, cost=Cost(model_calls=3, seconds=0.1), provenance=provenance(minute))


class StoreContract:
    """The tests. Each gets an empty store from the fixture ``store`` of the class that inherits this one."""

    def test_a_picture_comes_back_as_it_was_saved(self, store: Store) -> None:
        record, png = drawn(recipe(2**64 - 1, prompt="ein Apfel, りんご\n\0 \"'"))
        stored = store.save(record.model_copy(update={"parents": ("a" * 64, "b" * 64), "preset": "quick"}), png)
        found = store.find(record.recipe_digest, FINGERPRINT)
        assert found == stored
        assert found.model_copy(update={"file_hash": None, "parents": (), "preset": None}) == record
        assert found.parents == ("a" * 64, "b" * 64)
        assert store.image_bytes(found) == png
        assert read_png(store.image_bytes(found)).recipe == record.recipe

    def test_a_picture_that_is_not_there_is_not_found(self, store: Store) -> None:
        record, png = drawn(recipe(1))
        store.save(record, png)
        assert store.find(recipe(2).digest(), FINGERPRINT) is None
        assert store.find(record.recipe_digest, "0" * 64) is None

    def test_saving_twice_stores_once_and_the_first_stays(self, store: Store) -> None:
        record, png = drawn(recipe(1), minute=0)
        again, _ = drawn(recipe(1), minute=5)
        first = store.save(record, png)
        second = store.save(again.model_copy(update={"quality": (Score(metric="sharpness", version="2", value=3.0),)}), png)
        assert second.provenance.created == first.provenance.created
        assert {score.metric for score in second.quality} == {"clipped", "sharpness"}
        assert store.history() == [second]

    def test_other_pixels_or_other_weights_are_another_record_and_the_newest_is_found(self, store: Store) -> None:
        made = recipe(1)
        pairs = [
            drawn(made, 0),
            drawn(made, 2, image=pixels(7)),
            drawn(made, 1, image=pixels(8)),
            drawn(made, 3, fingerprint="e" * 64),
        ]
        stored = store.save_many(pairs)
        assert len({record.id for record in stored}) == 4
        assert store.find(made.digest(), FINGERPRINT) == stored[1]
        assert store.find(made.digest(), "e" * 64) == stored[3]

    def test_many_are_saved_and_found_in_one_go(self, store: Store) -> None:
        pairs = [drawn(recipe(seed), seed) for seed in range(1200)]
        stored = store.save_many([*pairs, pairs[0]])
        assert [record.id for record in stored] == [record.id for record, _ in pairs] + [pairs[0][0].id]
        found = store.find_many([record.recipe_digest for record, _ in pairs] + ["0" * 64], FINGERPRINT)
        assert found == {record.recipe_digest: record for record in stored}

    def test_a_batch_with_a_bad_member_stores_nothing(self, store: Store) -> None:
        good, png = drawn(recipe(1))
        bad, other = drawn(recipe(2))
        with pytest.raises(UserError, match="not there"):
            store.save_many([(good, png), (bad.model_copy(update={"study": "no such study"}), other)])
        with pytest.raises(ValueError, match="PNG"):
            store.save_many([(good, png), (bad, None)])
        assert store.history() == []

    def test_an_id_may_be_shortened_until_it_is_ambiguous(self, store: Store) -> None:
        records = store.save_many([drawn(recipe(seed)) for seed in range(3)])
        assert store.get(records[0].id) == records[0]
        assert store.get(records[1].id[:8].upper()) == records[1]
        with pytest.raises(UserError, match="hexadecimal"):
            store.get("no")
        with pytest.raises(UserError, match="no picture has an id"):
            store.get("0" * 32)

    def test_ambiguous_prefixes_name_the_candidates(self, store: Store) -> None:
        record, png = drawn(recipe(0))
        twins = [(record.model_copy(update={"id": "abcd" + digit * 28}), png) for digit in "12"]
        store.save_many(twins)
        with pytest.raises(UserError, match="abcd111111, abcd222222"):
            store.get("abcd")

    def test_pages_of_history_join_without_gap_or_overlap(self, store: Store) -> None:
        # Three pictures share each minute: the id decides between them.
        stored = store.save_many([drawn(recipe(seed), seed // 3) for seed in range(20)])
        pages: list[Record] = []
        while page := store.history(limit=7, before=pages[-1].id if pages else None):
            pages += page
        assert pages == sorted(stored, key=lambda record: (record.provenance.created, record.id), reverse=True)

    def test_history_answers_queries(self, store: Store) -> None:
        store.save(*drawn(recipe(1, prompt="A Red apple 100%"), 0))
        store.save(*drawn(recipe(2, prompt="a green pear"), 1))
        store.save(*drawn(recipe(2**63 + 5, prompt="a green pear", steps=30), 2))
        right = {
            'prompt~"red APPLE"': [1],
            "prompt~0%": [1],
            "prompt~%pear": [],
            "prompt~pe": [2**63 + 5, 2],
            '"red"': [1],
            'steps=25 and "pear"': [2],
            f"seed={2**63 + 5}": [2**63 + 5],
            f"seed>{2**62}": [2**63 + 5],
            "since 2026-01-01T01:01:00+01:00": [2**63 + 5, 2],
            "until 2026-01-01T00:01:00Z": [1],
            "created=2026-01-01": [2**63 + 5, 2, 1],
            "since 29m": [2**63 + 5, 2],
            "model=other": [],
            "model=PASTINA": [2**63 + 5, 2, 1],
            "steps>=20 steps<30": [2, 1],
            "cfg_scale=5.5 or seed=1": [2**63 + 5, 2, 1],
            'not (steps>25 or "apple")': [2],
            "steps!=25": [2**63 + 5],
            "steps=30 or seed=1 and steps=30 or until 1y": [2**63 + 5],
            'sampler~"2M" and clipped<=1%': [2**63 + 5, 2, 1],
            "sampler~DPM++ schedule!~karras": [],
            "clipped>0.01": [],
            "sampler='DPM'": None,
            "eta=unset size=64x64 width<=64": [2**63 + 5, 2, 1],
            "has:eta or has:rating or has:error": [],
            "calls=40 seconds<1 peak>1": [2**63 + 5, 2, 1],
        }
        moment = "2026-01-01T00:30:00Z"
        found = {q: [r.recipe.seed for r in store.history(q, moment=moment)] for q, seeds in right.items() if seeds is not None}
        assert found == {query: seeds for query, seeds in right.items() if seeds is not None}
        with pytest.raises(UserError, match="DPM"):
            store.history("sampler='DPM'")

    def test_a_name_that_nothing_has_is_pointed_at(self, store: Store) -> None:
        store.save(*drawn(recipe(1)))
        with pytest.raises(UserError, match=r"(?s)did you mean 'steps'\?\n  cfg>1 and stpes>=20\n            \^\^\^\^\^$"):
            store.history("cfg>1 and stpes>=20")
        with pytest.raises(UserError, match=r"(?s)compared with a number, 'many' is none\.\n  steps>=many\n         \^\^\^\^$"):
            store.history("steps>=many")

    def test_pages_of_a_query_join_without_gap_or_overlap(self, store: Store) -> None:
        stored = store.save_many([drawn(recipe(seed, steps=20 + seed % 2), seed // 3) for seed in range(30)])
        pages: list[Record] = []
        while page := store.history("steps=21", limit=4, before=pages[-1].id if pages else None):
            pages += page
        right = [record for record in stored if record.recipe.sampling.steps == 21]
        assert pages == sorted(right, key=lambda record: (record.provenance.created, record.id), reverse=True)

    def test_a_picture_is_found_by_its_pixels(self, store: Store) -> None:
        image = pixels(99)
        stored = store.save_many([drawn(recipe(1), 0, image=image), drawn(recipe(2), 1, image=image), drawn(recipe(3), 2)])
        assert store.by_image(image_hash(image)) == [stored[1], stored[0]]

    def test_failures_stand_until_a_picture_makes_them_good(self, store: Store) -> None:
        store.save(failing(recipe(1), "out of memory", 0), None)
        latest = store.save(failing(recipe(1), "still out of memory", 1), None)
        other = store.save(failing(recipe(2), "no such sampler", 2), None)
        assert store.failures() == [other, latest]
        assert latest.failed == "still out of memory"
        assert store.find(recipe(1).digest(), FINGERPRINT) is None
        assert store.history() == []
        store.save(*drawn(recipe(1), 3))
        assert store.failures() == [other]
        with pytest.raises(UserError, match="no such sampler"):
            store.image_bytes(other)

    def test_files_that_recipes_refer_to_are_kept_once(self, store: Store) -> None:
        data = png_bytes(pixels(5))
        kept = store.keep_file(data)
        assert kept == hashlib.sha256(data).hexdigest()
        assert store.keep_file(data) == kept
        assert store.read_file(kept) == data
        stored = store.save(*drawn(recipe(1)))
        assert stored.file_hash is not None
        assert store.read_file(stored.file_hash) == store.image_bytes(stored)
        with pytest.raises(UserError, match=r"file 0+ is not in store"):
            store.read_file("0" * 64)

    def test_a_picture_has_the_files_of_its_recipe_as_parents(self, store: Store) -> None:
        source, mask = store.keep_file(png_bytes(pixels(5))), store.keep_file(png_bytes(pixels(6)))
        stages = (Source(image=source), Redraw.model_validate({"mask": mask}))
        stored = store.save(*drawn(recipe(1).model_copy(update={"stages": stages, "controls": (Control(image=source),)})))
        assert stored.parents == (source, mask)
        assert store.get(stored.id).parents == (source, mask)

    def test_scores_are_added_once(self, store: Store) -> None:
        stored = store.save(*drawn(recipe(1)))
        store.add_scores(
            stored.id, [Score(metric="clipped", version="1", value=9.0), Score(metric="clipped", version="2", value=0.5)]
        )
        values = {(score.metric, score.version): score.value for score in store.get(stored.id).quality}
        assert values == {("clipped", "1"): 0.01, ("clipped", "2"): 0.5}
        with pytest.raises(UserError, match="no picture has an id"):
            store.add_scores("0" * 32, [Score(metric="clipped", version="1", value=1.0)])

    def test_the_last_vote_on_a_pair_stands_and_is_counted(self, store: Store) -> None:
        ids = [store.save(*drawn(recipe(seed), seed)).id for seed in range(3)]
        store.vote(ids[0], ids[1][:12])
        store.vote(ids[0], ids[1])
        better, worse = store.vote(ids[0], ids[2])
        assert (better.wins, better.losses, worse.wins, worse.losses) == (2, 0, 0, 1)
        assert [record.recipe.seed for record in store.history("wins>=2")] == [0]
        assert [record.recipe.seed for record in store.history("losses=1 wins=0")] == [2, 1]
        assert [record.recipe.seed for record in store.history("has:wins and not wins>0")] == [2, 1]
        store.vote(ids[2], ids[0])
        assert store.votes(ids) == [(ids[0], ids[1]), (ids[2], ids[0])]
        assert store.votes(ids[1:]) == []
        assert [(one.wins, one.losses) for one in store.history()] == [(1, 0), (0, 1), (1, 1)]
        store.forget_vote(ids[0], ids[2])
        assert store.votes(ids) == [(ids[0], ids[1])]
        assert store.get(ids[2]).losses == 0
        assert [record.recipe.seed for record in store.history("has:losses")] == [1, 0]
        assert store.save(*drawn(recipe(0))).wins == 1

    def test_what_cannot_be_voted_on_is_refused(self, store: Store) -> None:
        first, second = (store.save(*drawn(recipe(seed), seed)) for seed in (1, 2))
        failed = store.save(failing(recipe(3), "out of memory"), None)
        for pair, why in (
            ((first.id, first.id), "cannot be better than itself"),
            ((first.id, failed.id), "nothing to vote on: out of memory"),
            ((first.id, "0" * 32), "no picture has an id"),
        ):
            with pytest.raises(UserError, match=why):
                store.vote(*pair)
        with pytest.raises(UserError, match=r"no vote .* to take back"):
            store.forget_vote(first.id, second.id)
        assert store.votes([first.id, second.id]) == []

    def test_a_plan_keeps_its_cells_in_order(self, store: Store) -> None:
        base, cells = recipe(0), [recipe(seed).digest() for seed in (5, 3, 4, 3)]
        entry = store.save_plan(base, cells)
        assert store.save_plan(base, cells) == entry
        assert entry.id == base.digest()
        assert entry.cells == tuple(cells)
        assert Recipe.model_validate(entry.spec) == base
        assert store.plan(entry.id[:10]) == entry
        with pytest.raises(UserError, match="plan 'fff'"):
            store.plan("fff")

    def test_a_plan_has_the_pictures_that_earlier_plans_drew(self, store: Store) -> None:
        first = store.save_plan(recipe(0), [recipe(1).digest(), recipe(2).digest()])
        second = store.save_plan(recipe(9), [recipe(2).digest(), recipe(3).digest()])
        for seed, plan in ((1, first), (2, first), (3, second)):
            record, png = drawn(recipe(seed), seed)
            store.save(record.model_copy(update={"plan": plan.id}), png)
        assert [record.recipe.seed for record in store.history(f"plan:{second.id}")] == [3, 2]
        failed = store.save(failing(recipe(4), "boom").model_copy(update={"plan": first.id}), None)
        assert store.failures(plan=first.id) == [failed]
        assert store.failures(plan=second.id) == []

    def test_a_study_resumes_from_its_rows(self, store: Store) -> None:
        study = store.save_study(StudyEntry(id="s1", kind="convergence", spec={"prompts": ["a", "ü"], "tolerance": 0.1 + 0.2}))
        rows = [StudyRow(key=f"{i:064x}", body={"steps": i, "error": 1 / (i + 3), "note": None}) for i in range(40, 0, -1)]
        assert store.append_rows("s1", rows[:25]) == 25
        assert store.append_rows("s1", [*rows[20:], rows[-1]]) == 15
        assert store.append_rows("s1", [StudyRow(key=rows[0].key, body={"other": 1})]) == 0
        assert store.study_rows("s1") == rows
        finished = study.model_copy(update={"state": "finished", "finished": "2026-02-03T04:05:06.000007Z", "spec": {}})
        assert store.save_study(finished) == finished.model_copy(update={"spec": study.spec})
        assert store.study("s1").finished == "2026-02-03T04:05:06.000007Z"

    def test_studies_are_listed_newest_first(self, store: Store) -> None:
        for i, kind in enumerate(["tune", "compare", "tune"]):
            store.save_study(StudyEntry(id=f"s{i}", kind=kind, spec={}, created=provenance(i).created))
        assert [study.id for study in store.studies()] == ["s2", "s1", "s0"]
        assert [study.id for study in store.studies(kind="tune", limit=1)] == ["s2"]
        with pytest.raises(UserError, match="did you mean 's1'"):
            store.study("S1")
        with pytest.raises(UserError, match="study 'zz' is not known"):
            store.append_rows("zz", [StudyRow(key="k", body={})])

    def test_a_study_has_its_pictures(self, store: Store) -> None:
        store.save_study(StudyEntry(id="s1", kind="tune", spec={}))
        record, png = drawn(recipe(1))
        stored = store.save(record.model_copy(update={"study": "s1"}), png)
        store.save(*drawn(recipe(2)))
        assert store.history("study:s1") == [stored]

    def test_a_preset_is_replaced_by_name(self, store: Store) -> None:
        with pytest.raises(UserError, match="holds none yet"):
            store.preset("quick")
        quick = PresetEntry(name="quick", body={"steps": 12, "cfg": 5.5}, study="s1")
        for preset in (quick.model_copy(update={"body": {}}), PresetEntry(name="Final", body={"steps": 30}), quick):
            store.save_preset(preset)
        assert store.preset("quick") == quick
        assert [preset.name for preset in store.presets()] == ["Final", "quick"]
        with pytest.raises(UserError, match="did you mean 'quick'"):
            store.preset("quik")
