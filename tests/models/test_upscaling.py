"""The table of upscalers, and what its resamplers make of pictures whose enlargement is known."""

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.models.upscaling import find_upscaler, upscalers

PIXEL_RESAMPLERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")


def ramp(height=12, width=20):
    """A picture whose red rises to the right and whose green rises downwards."""
    y, x = np.mgrid[:height, :width]
    return np.stack([10 * x, 15 * y, np.full_like(x, 77)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Lanczos", "lanczos"),
        ("Nearest", "nearest"),
        ("nearest-exact", "nearest"),
        ("area", "box"),
        ("None", "lanczos"),
        ("Latent", "latent"),
        ("Latent (antialiased)", "latent_bilinear_antialiased"),
        ("Latent (bicubic antialiased)", "latent_bicubic_antialiased"),
        ("latent-nearest-exact", "latent_nearest_exact"),
    ],
)
def test_names_are_found_as_users_of_other_programs_type_them(typed, name):
    assert find_upscaler(typed).name == name


def test_every_title_and_alias_leads_to_its_entry():
    for entry in upscalers():
        assert {find_upscaler(spelling).name for spelling in (entry.name, entry.title, *entry.aliases)} == {entry.name}


def test_a_near_name_is_suggested():
    with pytest.raises(UserError, match="did you mean 'lanczos'"):
        find_upscaler("lancsos")


@pytest.mark.parametrize("typed", ["ESRGAN_4x", "4x-UltraSharp.pth", "SwinIR 4x"])
def test_an_upscaler_of_other_programs_is_known_to_be_one(typed):
    with pytest.raises(UserError, match=r"one of other programs.*lanczos"):
        find_upscaler(typed)


@pytest.mark.parametrize("name", PIXEL_RESAMPLERS)
def test_a_resampler_keeps_a_flat_picture_and_makes_any_size(name):
    flat = np.full((9, 14, 3), (3, 128, 251), np.uint8)
    larger = find_upscaler(name).load(None).enlarge(flat, 31, 20)
    assert larger.shape == (20, 31, 3)
    assert (larger == flat[0, 0]).all()


@pytest.mark.parametrize("name", PIXEL_RESAMPLERS)
def test_a_resampler_neither_moves_nor_turns_the_picture(name):
    larger = find_upscaler(name).load(None).enlarge(ramp(), 80, 48).astype(float)
    y, x = np.mgrid[:48, :80]
    wanted = np.stack([10 * ((x + 0.5) / 4 - 0.5), 15 * ((y + 0.5) / 4 - 0.5)], axis=-1)
    inside = (slice(12, -12), slice(12, -12))
    # A quarter of a step of the ramp, what the stairs of the coarsest kernels cancel to on average.
    assert np.abs((larger[..., :2] - wanted)[inside].mean(axis=(0, 1))).max() < 0.6


def test_an_upscaler_of_latents_says_that_it_is_none_of_pixels():
    latent = find_upscaler("latent_bicubic").load(None)
    assert latent.info.space == "latent"
    with pytest.raises(UserError, match=r"enlarges latents.*lanczos"):
        latent.enlarge(ramp(), 40, 24)
