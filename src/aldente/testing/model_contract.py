"""What every ``Model`` must honour: inherit ``ModelContract`` in a test and give it a model.

``SteerableContract`` is what one that takes hints must honour beside that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from aldente.engine.denoise import Condition, Latent
from aldente.engine.errors import UserError
from aldente.engine.levels import Level, exploding, flow
from aldente.models.port import Hint, Image, Model, Steerable


class ModelContract:
    """The contract as pytest tests. A subclass provides the ``model`` fixture and may state its tolerances.

    ``batch_tolerance`` is the largest difference allowed between a row alone and in company: 0 means the same bits.
    ``round_trip_db`` is the least PSNR of a smooth picture that is encoded and decoded.
    """

    batch_tolerance: float = 0.0
    round_trip_db: float = 20.0
    prompts: Sequence[str] = ("a red apple", "a house", "")

    def _rows(self, model: Model, count: int) -> tuple[Latent, list[Level], list[Condition]]:
        """``count`` noisy rows of the native size, each at a level and a condition of its own."""
        info = model.info
        width, height = info.native[0]
        side = (height // info.latent_scale, width // info.latent_scale)
        noise = np.random.default_rng(20).standard_normal((count, info.latent_channels, *side), dtype=np.float32)
        sigmas = np.geomspace(info.sigma_max, info.sigma_min, count)
        levels = [exploding(float(s)) if info.family == "exploding" else flow(min(float(s), 0.99)) for s in sigmas]
        scale = np.asarray([level.sigma for level in levels], np.float32)[:, None, None, None]
        conditions = [model.encode(((self.prompts[row % len(self.prompts)], 1.0),)) for row in range(count)]
        return noise * scale, levels, conditions

    def test_facts_agree_with_each_other(self, model: Model) -> None:
        """Levels ascend within their range, sizes are multiples within theirs, and memory is counted."""
        info = model.info
        assert len(info.fingerprint) == 64
        assert int(info.fingerprint, 16) >= 0
        assert all(low < high for low, high in zip(info.sigmas, info.sigmas[1:], strict=False))
        assert math.isclose(info.sigmas[0], info.sigma_min)
        assert math.isclose(info.sigmas[-1], info.sigma_max)
        assert info.size_multiple % info.latent_scale == 0
        for side in (side for size in info.native for side in size):
            assert side % info.size_multiple == 0
            assert info.size_min <= side <= info.size_max
        assert min(info.rows, info.bytes_fixed, info.bytes_per_row, info.prompt_tokens) > 0

    def test_it_says_what_it_runs_on(self, model: Model) -> None:
        """Program, version, device and number format, without which a picture cannot be traced."""
        runtime = model.runtime
        assert all((runtime.name, runtime.version, runtime.device, runtime.dtype))
        assert runtime.threads is None or runtime.threads > 0

    def test_estimates_keep_shape_and_are_finite(self, model: Model) -> None:
        """At every level of the range the estimate is a finite latent like the one asked about."""
        x, levels, conditions = self._rows(model, 6)
        clean = model.estimate(x, levels, conditions)
        assert clean.shape == x.shape
        assert clean.dtype == x.dtype
        assert np.isfinite(clean).all()

    def test_little_noise_is_seen_through(self, model: Model) -> None:
        """At the lowest level the estimate is nearly the latent itself, which only holds for estimates of x0."""
        image = smooth_picture(*model.info.native[0])
        latent = model.encode_image(image)
        level = exploding(model.info.sigma_min) if model.info.family == "exploding" else flow(model.info.sigma_min)
        noise = np.random.default_rng(3).standard_normal(latent.shape, dtype=np.float32)
        clean = model.estimate(level.alpha * latent + level.sigma * noise, [level], [model.encode((("", 1.0),))])
        assert float(np.sqrt(np.mean((clean - latent) ** 2))) < 3.0 * level.sigma

    def test_a_row_does_not_depend_on_its_company(self, model: Model) -> None:
        """Alone, in batches of any size, at any place and in any order a row gives the same result."""
        x, levels, conditions = self._rows(model, 16)
        alone = np.concatenate([model.estimate(x[i : i + 1], levels[i : i + 1], conditions[i : i + 1]) for i in range(16)])
        for size in (2, 3, 5, 8, 16):
            for start in range(0, 16 - size + 1, max(1, size // 2)):
                chosen = slice(start, start + size)
                together = model.estimate(x[chosen], levels[chosen], conditions[chosen])
                assert np.abs(together - alone[chosen]).max() <= self.batch_tolerance, (size, start)
        order = np.random.default_rng(1).permutation(16)
        shuffled = model.estimate(x[order], [levels[i] for i in order], [conditions[i] for i in order])
        assert np.abs(shuffled - alone[order]).max() <= self.batch_tolerance

    def test_estimating_is_pure(self, model: Model) -> None:
        """The same question gets the same bits, and nothing that was handed over is written to."""
        x, levels, conditions = self._rows(model, 3)
        before = x.copy()
        x.flags.writeable = False
        first = model.estimate(x, levels, conditions)
        model.estimate(-x, levels[::-1], conditions[::-1])
        assert np.array_equal(first, model.estimate(x, levels, conditions))
        assert np.array_equal(x, before)

    def test_equal_prompts_have_equal_handles(self, model: Model) -> None:
        """Handles are hashable, equal for equal prompts and different for different ones."""
        first, again, other = (model.encode(((text, 1.0),)) for text in ("a red apple", "a red apple", "a house"))
        assert first == again
        assert hash(first) == hash(again)
        assert first != other
        assert model.encode((("a red apple", 1.3),)) != first

    def test_prompts_and_their_emphasis_change_the_estimate(self, model: Model) -> None:
        """What is asked for matters, and so does how strongly."""
        x, levels, _ = self._rows(model, 3)
        row, level = x[1:2], levels[1:2]
        texts = ((("a red apple", 1.0),), (("a house", 1.0),), (("a ", 1.0), ("red", 1.6), (" apple", 1.0)))
        answers = [model.estimate(row, level, [model.encode(text)]) for text in texts]
        assert np.abs(answers[0] - answers[1]).max() > 1e-3
        assert np.abs(answers[0] - answers[2]).max() > 1e-5

    def test_pictures_come_at_the_stated_scale(self, model: Model) -> None:
        """A latent decodes to uint8 RGB pictures ``latent_scale`` times its size, each row by itself."""
        info = model.info
        x, _, _ = self._rows(model, 3)
        latent = x / np.abs(x).max(axis=(1, 2, 3), keepdims=True)
        pictures = model.decode(latent)
        expected = (x.shape[2] * info.latent_scale, x.shape[3] * info.latent_scale, 3)
        assert [picture.shape for picture in pictures] == [expected] * 3
        assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}
        for row, picture in enumerate(pictures):
            alone = model.decode(latent[row : row + 1])[0].astype(int)
            assert np.abs(alone - picture).max() <= 255 * self.batch_tolerance

    def test_pictures_survive_the_latent(self, model: Model) -> None:
        """Encoding and decoding a picture gives nearly that picture."""
        image = smooth_picture(*model.info.native[0])
        latent = model.encode_image(image)
        assert latent.shape[:2] == (1, model.info.latent_channels)
        error = model.decode(latent)[0].astype(float) - image
        decibels = 10 * math.log10(255**2 / max(float(np.mean(error**2)), 1e-9))
        assert decibels >= self.round_trip_db, f"{decibels:.1f} dB"


class SteerableContract:
    """The contract of hints as pytest tests. A subclass provides the ``model`` fixture.

    ``batch_tolerance`` is as in ``ModelContract``; ``least_change`` is how much a hint must change an estimate somewhere.
    """

    batch_tolerance: float = 0.0
    least_change: float = 1e-3

    def _hints(self, model: Steerable, brightness: int = 255) -> list[Hint]:
        """A hint of every kind that the model takes, of pictures as bright as told."""
        width, height = model.info.native[0]
        lines = np.zeros((height, width, 3), np.uint8)
        lines[height // 4 : height // 2, width // 4 : width // 2] = brightness
        hints: list[Hint] = [model.control(kind, lines) for kind in model.info.controls]
        if model.info.inpaints:
            dimmed = (smooth_picture(width, height) * (brightness / 255)).astype(np.uint8)
            hints.append(model.inpainting(dimmed, np.ascontiguousarray(255 - lines[..., 0])))
        return hints

    def _asked(self, model: Steerable) -> tuple[Latent, list[Level], Condition]:
        """A noisy row of the native size, halfway through the levels, and a prompt."""
        info = model.info
        width, height = info.native[0]
        level = exploding(1.0) if info.family == "exploding" else flow(0.5)
        shape = (1, info.latent_channels, height // info.latent_scale, width // info.latent_scale)
        return np.random.default_rng(8).standard_normal(shape, dtype=np.float32), [level], model.encode((("a house", 1.0),))

    def test_it_takes_something(self, model: Steerable) -> None:
        """A model that is steerable says by what."""
        assert model.info.controls or model.info.inpaints

    def test_equal_pictures_have_equal_hints(self, model: Steerable) -> None:
        """Hints are hashable, equal for equal pictures and kinds, and different for others."""
        first, again, other = self._hints(model), self._hints(model), self._hints(model, 90)
        assert first == again
        assert list(map(hash, first)) == list(map(hash, again))
        assert len(set(first)) == len(first)
        assert not set(first[: len(model.info.controls)]) & set(other)

    def test_hints_do_not_follow_their_pictures(self, model: Steerable) -> None:
        """What is written into a picture after its hint was made changes nothing."""
        x, levels, prompt = self._asked(model)
        width, height = model.info.native[0]
        for kind in model.info.controls:
            lines = np.zeros((height, width, 3), np.uint8)
            early, blank = model.control(kind, lines), model.control(kind, lines.copy())
            lines[:] = 255
            answers = [model.estimate(x, levels, [model.hinted(prompt, [(hint, 1.0)])]) for hint in (early, blank)]
            assert early == blank
            assert np.array_equal(*answers)

    def test_a_kind_that_it_does_not_take_is_refused(self, model: Steerable) -> None:
        """The error names the kind."""
        with pytest.raises(UserError, match="tarot"):
            model.control("tarot", np.zeros((*model.info.native[0][::-1], 3), np.uint8))

    def test_what_lies_under_the_mask_is_not_looked_at(self, model: Steerable) -> None:
        """Pictures that differ only where the mask is over 127 give equal hints; others do not."""
        if not model.info.inpaints:
            return
        picture = smooth_picture(*model.info.native[0])
        mask = np.zeros(picture.shape[:2], np.uint8)
        mask[8:24, 8:24], mask[24:32, 8:24] = 255, 127
        inside, outside = picture.copy(), picture.copy()
        inside[8:24, 8:24], outside[24:32, 8:24] = 0, 0
        known, same, different = (model.inpainting(given, mask) for given in (picture, inside, outside))
        assert known == same
        assert known != different

    def test_a_weight_of_nothing_is_no_hint(self, model: Steerable) -> None:
        """No hints, or hints of weight 0, leave the very condition."""
        _, _, prompt = self._asked(model)
        assert model.hinted(prompt, []) == prompt
        assert model.hinted(prompt, [(hint, 0.0) for hint in self._hints(model)]) == prompt

    def test_hinted_conditions_are_told_apart_by_prompt_hints_and_weights(self, model: Steerable) -> None:
        """And by nothing else: the order in which hints are given does not count."""
        _, _, prompt = self._asked(model)
        other = model.encode((("a red apple", 1.0),))
        hints, again = self._hints(model), self._hints(model)
        pairs = [(hint, 0.5) for hint in hints]
        whole = model.hinted(prompt, pairs)
        assert whole == model.hinted(prompt, [(hint, 0.5) for hint in reversed(again)])
        assert hash(whole) == hash(model.hinted(prompt, pairs[::-1]))
        assert whole != model.hinted(other, pairs)
        assert whole != model.hinted(prompt, [(hint, 0.6) for hint in hints])
        assert whole != prompt

    def test_hints_and_their_weights_change_the_estimate(self, model: Steerable) -> None:
        """Every kind does something, and more of it does something else."""
        x, levels, prompt = self._asked(model)
        plain = model.estimate(x, levels, [prompt])
        for hint in self._hints(model):
            half, whole = (model.estimate(x, levels, [model.hinted(prompt, [(hint, weight)])]) for weight in (0.5, 1.0))
            assert np.abs(half - plain).max() > self.least_change
            assert np.abs(half - whole).max() > self.least_change

    def test_hinted_rows_do_not_depend_on_their_company(self, model: Steerable) -> None:
        """Beside rows with other hints, with none, and in any order, a row gives what it gives alone."""
        x, levels, prompt = self._asked(model)
        hints = self._hints(model)
        conditions = [prompt, *(model.hinted(prompt, [(hint, 1.0)]) for hint in hints)]
        conditions += [model.hinted(prompt, [(hint, 0.7) for hint in hints]), prompt]
        count = len(conditions)
        alone = np.concatenate([model.estimate(x, levels, [condition]) for condition in conditions])
        for order in (np.arange(count), np.arange(count)[::-1]):
            together = model.estimate(np.repeat(x, count, axis=0), levels * count, [conditions[i] for i in order])
            assert np.abs(together - alone[order]).max() <= self.batch_tolerance


def smooth_picture(width: int, height: int) -> Image:
    """A yellow disc on a blue slope, uint8 h w 3: a picture that any model's latent should hold."""
    y, x = np.mgrid[0:height, 0:width]
    slope = np.stack([x / width * 60.0, 90 + y / height * 60.0, np.full(x.shape, 200.0)], axis=-1)
    distance = np.hypot((x - width / 2) / width, (y - height / 2) / height)
    inside = np.clip((0.3 - distance) * 20.0, 0.0, 1.0)[..., None]
    picture = slope * (1 - inside) + np.asarray([250.0, 210.0, 40.0]) * inside
    return np.rint(picture).astype(np.uint8)
