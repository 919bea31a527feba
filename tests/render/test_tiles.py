"""Tiled passes: any size, no seams, bounded groups, the same bits however they are grouped, and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rendering import Analytic
from tile_scenes import Counting, drawn, picture, scene

from aldente.engine.errors import UserError
from aldente.engine.tiling import tiling
from aldente.models.upscaling import find_upscaler
from aldente.quality.seams import seam_score
from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.recipe.settings import set_parameters
from aldente.recipe.stages import Base, Resize, Tiles
from aldente.render.batching import Drive, Job
from aldente.render.render import render
from aldente.render.scene import Canvas
from aldente.render.tile_codec import decode_tiles, encode_tiles
from aldente.render.tile_regions import box, tent
from aldente.render.tiles import tiled_pass
from aldente.store.checkpoints import CheckpointFolder, Part

MODES = ("blend", "linear", "chess")


def rms(a, b) -> float:
    return float(np.sqrt(np.mean((a.astype(float) - b.astype(float)) ** 2)))


class TestCodec:
    """Encoding and decoding in tiles is that of the whole, up to what a tile does not see."""

    def test_a_picture_of_one_tile_is_coded_as_without_tiles(self, model):
        image = picture(64, 64)
        plan = tiling(16, 16, 16, 4)
        latent = encode_tiles(image, model, plan)
        np.testing.assert_array_equal(latent, model.encode_image(image))
        np.testing.assert_array_equal(decode_tiles(latent, model, plan), model.decode(latent)[0])

    @pytest.mark.parametrize("wraps", [False, True])
    def test_tiles_of_a_larger_picture_blend_to_nearly_the_whole(self, model, wraps):
        image = picture()
        latent = model.encode_image(image)
        plan = tiling(*latent.shape[2:], 32, 8, wraps=wraps)
        middle = (..., slice(12, -12), slice(12, -12))
        assert rms(encode_tiles(image, model, plan)[middle], latent[middle]) < 0.05 * latent.std()
        inside = (slice(48, -48), slice(48, -48))
        assert rms(decode_tiles(latent, model, plan)[inside], model.decode(latent)[0][inside]) < 2.0

    def test_going_around_the_edges_means_that_turning_the_latent_turns_the_picture(self, model):
        latent = model.encode_image(picture(128, 128))
        plan = tiling(32, 32, 16, 4, wraps=True)
        turned = decode_tiles(np.roll(latent, (8, 16), axis=(2, 3)), model, plan)
        wanted = np.roll(decode_tiles(latent, model, plan), (32, 64), axis=(0, 1))
        # The strips lie 10 or 11 latent pixels apart: turned by another number they cut elsewhere.
        assert rms(turned, wanted) < 3.0


class TestPass:
    @pytest.mark.parametrize("mode", MODES)
    def test_a_weak_pass_keeps_the_picture_and_a_strong_one_does_not(self, model, mode):
        image = picture(96, 128)
        weak = drawn(model, image, mode=mode, strength=0.1).pixels
        strong = drawn(model, image, mode=mode, strength=0.7).pixels
        assert weak.shape == image.shape
        assert 0.0 < rms(weak, image) < 20.0 < rms(strong, image)

    @pytest.mark.parametrize("mode", MODES)
    def test_a_picture_of_any_size_keeps_its_size(self, model, mode):
        assert drawn(model, picture(83, 101), mode=mode, strength=0.1).pixels.shape == (83, 101, 3)

    def test_strength_0_changes_nothing(self, model):
        canvas = Canvas(pixels=picture(64, 64))
        assert drawn(model, canvas, strength=0.0) is canvas

    def test_a_latent_canvas_is_not_encoded_again(self, model):
        latent = model.encode_image(picture(96, 96))
        shifted = Canvas(pixels=picture(96, 96), latent=latent + 0.5)
        assert not np.array_equal(
            drawn(model, shifted, strength=0.2).latent, drawn(model, Canvas(pixels=picture(96, 96)), strength=0.2).latent
        )

    @pytest.mark.parametrize("mode", MODES)
    def test_the_picture_does_not_depend_on_how_tiles_are_batched(self, model, mode):
        image = picture(112, 160)
        first, second = (drawn(model, image, mode=mode, strength=0.3, rows=rows).pixels for rows in (32, 3))
        np.testing.assert_array_equal(first, second)

    def test_groups_are_bounded_and_change_nothing(self, model):
        small = Counting(model)
        small.info = replace(model.info, rows=1)
        image = picture(112, 160)
        np.testing.assert_array_equal(
            drawn(small, image, strength=0.2).pixels, drawn(Counting(model), image, strength=0.2).pixels
        )

    def test_blended_tiles_have_lower_seams_than_pasted_ones(self, model):
        image = picture(192, 192)
        cuts = {"rows": (64, 128), "columns": (64, 128)}
        scores = {mode: seam_score(drawn(model, image, mode=mode, strength=0.5).pixels, **cuts) for mode in ("blend", "linear")}
        assert scores["blend"] < min(2.0, scores["linear"])

    def test_a_seamless_pass_joins_its_ends(self, model):
        image = picture(128, 128)
        steps = {}
        for wraps in (False, True):
            pixels = drawn(model, image, strength=0.95, wraps=wraps).pixels.astype(float)
            inside = np.abs(np.diff(pixels, axis=0)).mean() + np.abs(np.diff(pixels, axis=1)).mean()
            steps[wraps] = (np.abs(pixels[0] - pixels[-1]).mean() + np.abs(pixels[:, 0] - pixels[:, -1]).mean()) / inside
        assert steps[True] < 1.3 < 1.6 < steps[False]

    @pytest.mark.parametrize("fix", ["band", "half", "half_cross"])
    def test_a_seam_fix_redraws_the_seams_and_only_them(self, model, fix):
        image = picture(128, 128)
        plain, fixed = (drawn(model, image, mode="chess", strength=0.2, seam_fix=how, seam_width=32) for how in ("none", fix))
        changed = np.abs(plain.pixels.astype(int) - fixed.pixels).max(axis=-1)
        assert changed[56:72].mean() > 1.0
        assert changed[:8, :8].max() == 0

    def test_noise_of_other_programs_is_the_same_for_every_tile(self, model):
        flat = np.full((64, 256, 3), 120, np.uint8)
        tiles = Tiles(mode="chess", strength=0.6, overlap=0, mask_blur=0)
        where = scene(model, tiles)
        sampling = where.recipe.sampling.model_copy(update={"rng": "cpu"})
        where = replace(where, recipe=where.recipe.model_copy(update={"sampling": sampling}))
        (outcome,) = Drive(
            [Job(key=0, start=lambda: tiled_pass(tiles, Canvas(pixels=flat), where, 1))],
            model.estimate,
            clock=time.perf_counter,
        )
        first, second = outcome.result.pixels[:, 64:128], outcome.result.pixels[:, 128:192]
        np.testing.assert_array_equal(first, second)

    def test_notes_count_every_tile_once(self, model):
        notes = []
        drawn(model, picture(128, 128), notes=notes, mode="linear", strength=0.1, seam_fix="half_cross")
        assert [(note.turn, note.turns, note.done, note.total) for note in notes] == [
            *((0, 2, done, 4) for done in range(1, 5)),
            *((1, 2, done, 5) for done in range(1, 6)),
        ]

    @pytest.mark.parametrize("sampler", ["dpmpp_2m", "heun", "dpm_fast", "dpm_adaptive"])
    def test_notes_of_blended_tiles_end_with_the_last_turn(self, sampler):
        notes = []
        stages = (Base(), Resize(scale=2.0, upscaler="latent"), Tiles(strength=0.5))
        sampling = Sampling(sampler=sampler, steps=7, guidance=Guidance(scale=3.0))
        recipe = Recipe(width=16, height=16, sampling=sampling, stages=stages)
        more = {"clock": time.perf_counter, "upscaler": lambda name: find_upscaler(name).load(1), "note": notes.append}
        (made,) = render([recipe], Analytic(family="exploding"), **more)
        assert made.error is None
        turns = {note.turn + 1 for note in notes}
        assert turns == set(range(1, len(turns) + 1))
        assert {note.turns for note in notes} == {None if sampler == "dpm_adaptive" else len(turns)}
        assert notes[-1].done == notes[-1].total


class TestInRecipes:
    def test_a_recipe_enlarges_and_draws_again_in_tiles(self, model):
        stages = (Base(), Resize(scale=2.5, upscaler="pastina-4x"), Tiles(strength=0.1))
        recipe = set_parameters(Recipe(), {"prompt": "a castle, flat", "steps": 6, "cfg": 3.0})
        recipes = [recipe.model_copy(update={"stages": stages[:count]}) for count in (2, 3)]
        made = render(recipes, model, clock=time.perf_counter, upscaler=lambda name: find_upscaler(name).load(1))
        enlarged, again = (one.image for one in sorted(made, key=lambda one: len(one.recipe.stages)))
        assert enlarged.shape == again.shape == (160, 160, 3)
        assert 0.0 < rms(enlarged, again) < 20.0


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"size": 40}, "tile_size is 40; model 'pastina' draws multiples of 16 px"),
            ({"size": 64, "overlap": 64}, "tile_overlap is 64, but a tile is 64 px"),
            ({"seam_fix": "band"}, "blended tiles have no seams"),
            ({"mode": "chess", "wraps": True}, "do not go around the edges"),
            ({"mode": "linear", "size": 128, "overlap": 64}, "draws at most"),
        ],
    )
    def test_what_cannot_be_drawn_is_said(self, model, settings, says):
        with pytest.raises(UserError, match=says):
            drawn(model, picture(320, 320), strength=0.2, **settings)

    def test_a_seamless_picture_of_odd_size_is_refused(self, model):
        with pytest.raises(UserError, match="multiples of 16 px"):
            drawn(model, picture(100, 96), strength=0.2, wraps=True)

    def test_a_picture_smaller_than_the_model_draws_is_refused(self, model):
        with pytest.raises(UserError, match="too small"):
            drawn(model, picture(32, 96), strength=0.2)


class TestProfiles:
    def test_a_box_fades_at_its_ends_and_not_at_the_pictures(self):
        profile = box(-np.inf, 64.0, 4.0)
        assert profile(0.5) == 1.0
        assert profile(64.0) == pytest.approx(0.5)
        assert [box(10, 20, 0)(x) for x in (9.5, 10.5, 19.5, 20.5)] == [0, 1, 1, 0]

    def test_a_tent_is_1_at_its_centre(self):
        assert [tent(8, 4)(x) for x in (3, 4, 6, 8, 12)] == [0.0, 0.0, 0.5, 1.0, 0.0]


class TestGoingOn:
    @pytest.mark.parametrize("settings", [{"mode": "blend"}, {"mode": "linear", "seam_fix": "half"}, {"mode": "chess"}])
    def test_a_run_that_failed_goes_on_and_ends_in_the_same_picture(self, model, tmp_path, settings):
        image = picture(128, 160)
        whole = Counting(model)
        wanted = drawn(whole, image, strength=0.3, **settings).pixels
        kept = CheckpointFolder(tmp_path)
        broken, after = Counting(model, fails_after=whole.rows // 2), Counting(model)
        with pytest.raises(RuntimeError, match="power"):
            drawn(broken, image, strength=0.3, checkpoints=kept, rows=4, **settings)
        np.testing.assert_array_equal(drawn(after, image, strength=0.3, checkpoints=kept, **settings).pixels, wanted)
        assert after.rows < 0.8 * whole.rows
        assert list(tmp_path.iterdir()) == []

    def test_what_another_recipe_kept_is_not_taken(self, model, tmp_path):
        kept = CheckpointFolder(tmp_path)
        image = picture(96, 96)
        with pytest.raises(RuntimeError):
            drawn(Counting(model, fails_after=30), image, strength=0.5, checkpoints=kept, rows=4)
        other = Counting(model)
        drawn(other, image, strength=0.4, checkpoints=kept)
        alone = Counting(model)
        drawn(alone, image, strength=0.4)
        assert other.rows == alone.rows

    def test_a_damaged_checkpoint_counts_as_lost(self, tmp_path):
        kept = CheckpointFolder(tmp_path)
        kept.put("run", "part", Part(np.arange(6.0), 12, 0.25))
        found = kept.get("run", "part")
        np.testing.assert_array_equal(found.array, np.arange(6.0))
        assert (found.asked, found.seconds) == (12, 0.25)
        (tmp_path / "run" / "part.npy").write_bytes(b"\x93NUMPY")
        assert kept.get("run", "part") is None

    @pytest.mark.parametrize("mode", ["blend", "linear"])
    def test_a_killed_process_loses_at_most_what_was_under_way(self, model, tmp_path, mode):
        script = Path(__file__).with_name("killed_tiles.py")
        command = [sys.executable, str(script), str(tmp_path), mode]
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(script.parent)})
        try:
            deadline = time.monotonic() + 60
            while len(list(tmp_path.rglob("*.npy"))) < 3 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert len(list(tmp_path.rglob("*.npy"))) >= 3
        whole, after = Counting(model), Counting(model)
        image = picture(112, 160)
        wanted = drawn(whole, image, mode=mode, strength=0.5).pixels
        went_on = drawn(after, image, mode=mode, strength=0.5, checkpoints=CheckpointFolder(tmp_path)).pixels
        np.testing.assert_array_equal(went_on, wanted)
        assert after.rows < whole.rows
