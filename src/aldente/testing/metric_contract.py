"""What every metric promises: inherit ``MetricContract`` in a test class and give it a ``metric`` fixture."""

from __future__ import annotations

import math

import numpy as np

from aldente.quality.metric import Comparison, Image, Metric, key


def awkward_images() -> dict[str, Image]:
    """Pictures that trip careless metrics: flat, black, white, tiny, odd-sided, noisy."""
    rng = np.random.default_rng(7)
    return {
        "flat": np.full((24, 24, 3), 128, np.uint8),
        "black": np.zeros((16, 24, 3), np.uint8),
        "white": np.full((24, 16, 3), 255, np.uint8),
        "tiny": rng.integers(0, 256, (5, 7, 3)).astype(np.uint8),
        "odd": rng.integers(0, 256, (33, 47, 3)).astype(np.uint8),
        "noise": rng.integers(0, 256, (64, 64, 3)).astype(np.uint8),
    }


def scores(metric: Metric, image: Image, other: Image) -> float:
    """The metric of ``image``, seen against ``other`` where it compares."""
    return metric.compute(image, other) if isinstance(metric, Comparison) else metric.compute(image)


class MetricContract:
    """The laws of a metric."""

    def test_scores_every_picture_with_a_finite_float(self, metric: Metric) -> None:
        """No picture is too flat, dark, small or odd."""
        for name, image in awkward_images().items():
            score = scores(metric, image, 255 - image)
            assert isinstance(score, float), name
            assert math.isfinite(score), name

    def test_is_a_function_of_its_pictures_alone(self, metric: Metric) -> None:
        """The same pictures give the same score, and are left as they were."""
        image = awkward_images()["odd"]
        image.setflags(write=False)
        other = np.ascontiguousarray(image[::-1])
        other.setflags(write=False)
        assert scores(metric, image, other) == scores(metric, image.copy(), other.copy())

    def test_a_comparison_is_best_against_itself(self, metric: Metric) -> None:
        """Nothing is nearer to a picture than the picture, and nearness is mutual."""
        if not isinstance(metric, Comparison):
            return
        image, other = awkward_images()["noise"], 255 - awkward_images()["noise"]
        itself, apart = metric.compute(image, image), metric.compute(image, other)
        assert itself > apart if metric.better == "higher" else itself < apart
        assert math.isclose(apart, metric.compute(other, image), rel_tol=1e-9)

    def test_says_what_it_is(self, metric: Metric) -> None:
        """The key is the name and a version of at least 1; a sign knows what change counts."""
        assert key(metric) == f"{metric.name}@{metric.version}"
        assert metric.version >= 1
        assert metric.title
        assert isinstance(metric, Comparison) or metric.noticeable > 0
