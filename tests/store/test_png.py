"""PNG files carry their recipe, and damage to them is named."""

import io
import json
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.store.png import TRAINED_MEDIA_XMP, png_bytes, read_image, read_png
from aldente.store.record import image_hash
from aldente.testing.store_contract import pixels, recipe

INFOTEXT = "a red apple\nNegative prompt: blurry\nSteps: 25, Sampler: DPM++ 2M, CFG scale: 7, Seed: 42, Size: 8x8"


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(png, kind, content):
    """The file with one more chunk, after the header."""
    return png[:33] + chunk(kind, content) + png[33:]


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 1, 3), (64, 96, 3), (600, 700, 3)])
def test_pixels_come_back_bit_by_bit(shape):
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(read_image(png_bytes(image, infotext=INFOTEXT, recipe=recipe(1))), image)


def test_the_same_arguments_give_the_same_bytes():
    image = pixels(1, 100)
    first = png_bytes(image, infotext=INFOTEXT, recipe=recipe(1), model_fingerprint="f")
    assert png_bytes(image[:, ::-1][:, ::-1], infotext=INFOTEXT, recipe=recipe(1), model_fingerprint="f") == first
    assert png_bytes(image, infotext=INFOTEXT, recipe=recipe(2), model_fingerprint="f") != first


def test_everything_written_is_read_back():
    png = png_bytes(pixels(1), infotext=INFOTEXT, recipe=recipe(5), model_fingerprint="f" * 64, xmp=TRAINED_MEDIA_XMP)
    found = read_png(png)
    assert (found.width, found.height, found.infotext, found.recipe) == (8, 8, INFOTEXT, recipe(5))
    assert (found.recipe_digest, found.model_fingerprint, found.xmp) == (recipe(5).digest(), "f" * 64, TRAINED_MEDIA_XMP)
    assert set(found.texts) == {"parameters", "aldente", "XML:com.adobe.xmp"}


def test_a_bare_picture_says_nothing():
    found = read_png(png_bytes(pixels(1)))
    assert (found.infotext, found.recipe, found.recipe_digest, found.xmp, found.texts) == (None, None, None, None, {})


@pytest.mark.parametrize(("text", "kind"), [("café ×2", b"tEXt"), ("日本語 😀", b"iTXt"), ("", b"tEXt")])
def test_infotext_is_latin_1_where_it_can_be_and_pillow_reads_it(text, kind):
    png = png_bytes(pixels(1), infotext=text)
    assert kind + b"parameters" in png
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.text["parameters"] == text
    assert read_png(png).infotext == text


def test_a_nul_in_the_infotext_is_replaced_and_the_recipe_keeps_it():
    odd = Recipe(prompt="a\0b")
    found = read_png(png_bytes(pixels(1), infotext=odd.prompt, recipe=odd))
    assert found.infotext == "a\ufffdb"
    assert found.recipe == odd


def test_the_mark_of_trained_media_is_xml_that_says_so():
    from xml.etree import ElementTree

    start, end = TRAINED_MEDIA_XMP.index("<x:xmpmeta"), TRAINED_MEDIA_XMP.index("<?xpacket end")
    description = ElementTree.fromstring(TRAINED_MEDIA_XMP[start:end])[0][0]
    name = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    assert description.attrib[name] == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def test_files_of_other_programs_are_read():
    info = PngInfo()
    info.add_text("parameters", INFOTEXT, zip=True)
    info.add_itxt("workflow", '{"ü": 1}', zip=True)
    file = io.BytesIO()
    Image.fromarray(pixels(1)).save(file, "PNG", pnginfo=info)
    assert read_png(file.getvalue()).texts == {"parameters": INFOTEXT, "workflow": '{"ü": 1}'}


def test_a_changed_recipe_is_noticed():
    png = png_bytes(pixels(1), recipe=recipe(5))
    body = json.loads(read_png(png).texts["aldente"])
    body["recipe"]["seed"] = 6
    plain = png_bytes(pixels(1))
    with pytest.raises(UserError, match="does not match its digest"):
        read_png(with_chunk(plain, b"iTXt", b"aldente\0\0\0\0\0" + json.dumps(body).encode()))


def test_a_recipe_of_a_newer_version_says_so():
    import hashlib

    newer = {"format": 1, "aldente": "9.0", "recipe": {"prompt": "x", "warp": 3}}
    newer["recipe_digest"] = hashlib.sha256(b'{"prompt":"x","warp":3}').hexdigest()
    with pytest.raises(UserError, match=r"written by aldente 9\.0.*recipe\.warp.*upgrade"):
        read_png(with_chunk(png_bytes(pixels(1)), b"iTXt", b"aldente\0\0\0\0\0" + json.dumps(newer).encode()))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"{}", b"[" * 100_000, b'{"recipe": "\\ud800", "recipe_digest": 1, "aldente": 2}']
)
def test_what_is_not_ours_in_our_chunk_is_refused(body):
    with pytest.raises(UserError, match="the picture: its"):
        read_png(with_chunk(png_bytes(pixels(1)), b"iTXt", b"aldente\0\0\0\0\0" + body))


def test_damage_is_named_with_chunk_and_place(tmp_path):
    png = png_bytes(pixels(1, 64), infotext=INFOTEXT)
    start = png.index(b"IDAT") + 4
    path = tmp_path / "a.png"
    path.write_bytes(png[: start + 10] + bytes([png[start + 10] ^ 1]) + png[start + 11 :])
    with pytest.raises(UserError, match=rf"a\.png: damaged in chunk IDAT at byte {start - 8}: its checksum is wrong"):
        read_png(path)
    with pytest.raises(UserError, match="checksum"):
        read_image(path)
    with pytest.raises(UserError, match=r"missing\.png: cannot be read \(No such file"):
        read_png(tmp_path / "missing.png")
    with pytest.raises(UserError, match="not a PNG file"):
        read_png(b"GIF89a")


def test_pixels_that_do_not_unpack_are_an_error():
    good = png_bytes(pixels(1))
    start = good.index(b"IDAT") - 4
    with pytest.raises(UserError, match="its pixels cannot be read"):
        read_image(good[:start] + chunk(b"IDAT", b"nonsense") + chunk(b"IEND", b""))


def test_a_picture_that_claims_a_huge_size_is_refused_before_memory_is_taken():
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0))
    with pytest.raises(UserError, match="more than can be read"):
        read_image(b"\x89PNG\r\n\x1a\n" + huge + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_a_text_that_unpacks_to_gigabytes_is_refused():
    bomb = zlib.compress(b"a" * (20 * 2**20), 9)
    with pytest.raises(UserError, match="longer than"):
        read_png(with_chunk(png_bytes(pixels(1)), b"zTXt", b"parameters\0\0" + bomb))


WHOLE = png_bytes(pixels(1), infotext="日本語", recipe=recipe(1), xmp=TRAINED_MEDIA_XMP)


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_every_cut_off_file_is_refused(cut):
    with pytest.raises(UserError):
        read_png(WHOLE[:cut])


@given(st.binary(max_size=60), st.sampled_from([b"tEXt", b"iTXt", b"zTXt", b"IHDR", b"\xff\0a?"]))
@settings(max_examples=300)
def test_any_text_chunk_is_read_or_refused(content, kind):
    # The only exception that may pass is the one that tells the user.
    with suppress(UserError):
        assert "aldente" in read_png(with_chunk(WHOLE, kind, content)).texts


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_prompt_survives(prompt):
    made = Recipe(prompt=prompt)
    found = read_png(png_bytes(pixels(1), infotext=prompt, recipe=made))
    assert found.recipe == made
    assert found.infotext == prompt.replace("\0", "\ufffd")


def test_the_image_hash_is_of_size_and_pixels():
    image = pixels(1)
    assert image_hash(image) == image_hash(np.asfortranarray(image))
    assert image_hash(image) != image_hash(image.reshape(4, 16, 3))
    with pytest.raises(ValueError, match="uint8"):
        image_hash(image.astype(np.float32))


def test_a_small_file_that_claims_a_huge_picture_is_refused_at_once():
    png = png_bytes(pixels(1, 16))
    header = struct.pack(">II", 16, 9_699_344) + png[24:29]
    claimed = png[:8] + chunk(b"IHDR", header) + png[33:]
    with pytest.raises(UserError, match="bytes cannot hold 16 x 9699344 px"):
        read_image(claimed)
