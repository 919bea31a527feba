"""Latents are resized as PyTorch resizes them, and a size of its own changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aldente.engine.errors import UserError
from aldente.engine.interpolation import METHODS, resized

IN_TORCH = {
    "latent": {"mode": "bilinear"},
    "latent_bilinear_antialiased": {"mode": "bilinear", "antialias": True},
    "latent_bicubic": {"mode": "bicubic"},
    "latent_bicubic_antialiased": {"mode": "bicubic", "antialias": True},
    "latent_nearest": {"mode": "nearest"},
    "latent_nearest_exact": {"mode": "nearest-exact"},
}
SIZES = [
    ((8, 8), (16, 16)),
    ((8, 12), (12, 18)),
    ((16, 16), (9, 7)),
    ((5, 7), (17, 3)),
    ((64, 48), (80, 100)),
    ((1, 3), (4, 9)),
]


def test_every_method_has_its_counterpart():
    assert METHODS.keys() == IN_TORCH.keys()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_it_is_pytorchs_own(method, old, new):
    torch = pytest.importorskip("torch")
    latent = np.random.default_rng(3).standard_normal((2, 4, *old))
    # In single precision PyTorch rounds where a pixel comes from: by 1e-5 of a pixel at 100 of them.
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 4e-5)):
        mine = latent.astype(dtype)
        theirs = torch.nn.functional.interpolate(torch.from_numpy(mine), size=new, **IN_TORCH[method]).numpy()
        np.testing.assert_allclose(resized(mine, *new, method), theirs, atol=tolerance)


@pytest.mark.parametrize("method", METHODS)
@given(height=st.integers(1, 20), width=st.integers(1, 20), value=st.floats(-9, 9))
def test_a_flat_latent_stays_flat_at_every_size(method, height, width, value):
    flat = np.full((1, 1, 7, 5), value)
    np.testing.assert_allclose(resized(flat, height, width, method), value, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_its_own_size_changes_nothing(method):
    latent = np.random.default_rng(1).standard_normal((1, 4, 6, 9))
    np.testing.assert_allclose(resized(latent, 6, 9, method), latent, atol=1e-12)


def test_it_works_in_any_array_library_and_leaves_its_argument(xp):
    latent = np.random.default_rng(7).standard_normal((1, 2, 3, 4))
    given = xp.array(latent)
    large = xp.numpy(resized(given, 6, 9, "latent_bicubic"))
    np.testing.assert_allclose(large, resized(latent, 6, 9, "latent_bicubic"), atol=1e-12)
    np.testing.assert_array_equal(xp.numpy(given), latent)


def test_a_method_that_is_not_known_is_told_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'latent_bicubic'"):
        resized(np.zeros((1, 1, 2, 2)), 4, 4, "latent_bicubik")
