"""Pictures in every format carry their recipe and infotext, and other programs' files are read."""

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aldente.engine.errors import UserError
from aldente.recipe.infotext import to_infotext
from aldente.store.encodings import FORMATS, Metadata, comment_text, encode, find_format, read_embedded, read_pixels
from aldente.store.png import Embedded
from aldente.testing.store_contract import pixels, recipe

LOSSY = FORMATS[1:]


def smooth(side=64):
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    return np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.uint8(90)), axis=-1)


def said(prompt):
    made = recipe(42, prompt=prompt)
    infotext = to_infotext(made, model_hash="f" * 64, version="aldente 0")
    return Metadata(infotext=infotext, recipe=made, model_fingerprint="f" * 64)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("prompt", ["a red apple", "りんご, \"quoted\" <b> & 'single'\nsecond line\ttab", "🍎" * 30])
def test_every_format_carries_recipe_infotext_and_the_mark(format_, prompt):
    metadata = said(prompt)
    found = read_embedded(encode(smooth(), format_, None, metadata))
    assert (found.width, found.height) == (64, 64)
    assert found.infotext == metadata.infotext
    assert found.recipe == metadata.recipe
    assert found.model_fingerprint == "f" * 64
    assert "trainedAlgorithmicMedia" in found.xmp


@pytest.mark.parametrize("format_", FORMATS)
def test_without_metadata_nothing_is_said(format_):
    found = read_embedded(encode(smooth(), format_, None, Metadata(trained=False)))
    assert (found.infotext, found.recipe, found.xmp) == (None, None, None)


@pytest.mark.parametrize("format_", LOSSY)
def test_pixels_come_back_near_and_nearer_at_a_higher_quality(format_):
    image = smooth()
    errors = {q: np.abs(read_pixels(encode(image, format_, q)).astype(int) - image).max() for q in (30, 95)}
    assert errors[95] <= 12
    assert errors[95] < errors[30]
    assert len(encode(pixels(1, 64), format_, 30)) < len(encode(pixels(1, 64), format_, 95))


def test_the_comment_is_utf16_big_endian_as_civitai_reads_it():
    metadata = said("a red apple")
    with Image.open(io.BytesIO(encode(smooth(), "jpeg", 90, metadata))) as picture:
        comment = picture.getexif().get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-be") == metadata.infotext
    assert metadata.infotext.splitlines()[-1].startswith("Steps: ")


def test_comments_of_other_programs_are_read():
    assert comment_text(b"UNICODE\0" + "Steps: 1, ü".encode("utf-16-le")) == "Steps: 1, ü"
    assert comment_text(b"UNICODE\0" + "Steps: 1".encode("utf-16")) == "Steps: 1"
    assert comment_text(b"ASCII\0\0\0Steps: 1\0") == "Steps: 1"
    assert comment_text("Steps: ü".encode()) == "Steps: ü"


def test_what_a_jpeg_cannot_hold_is_refused_and_webp_holds_it():
    metadata = said("very " * 20_000)
    with pytest.raises(UserError, match=r"too long .* for a JPEG file; write PNG or WebP"):
        encode(smooth(), "jpeg", None, metadata)
    assert read_embedded(encode(smooth(), "webp", None, metadata)).recipe == metadata.recipe


def test_formats_are_found_by_name_and_suffix():
    assert [find_format(name) for name in ("jpg", ".JPEG", "webp", ".avif", "PNG")] == ["jpeg", "jpeg", "webp", "avif", "png"]
    with pytest.raises(UserError, match="did you mean 'webp'"):
        find_format("wepb")


@pytest.mark.parametrize("format_", LOSSY)
@settings(max_examples=40, deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8), end=st.integers(0, 5000))
def test_damaged_files_are_refused_with_words_or_read_for_what_they_are(format_, places, end):
    content = bytearray(_whole(format_))
    for place, value in places:
        content[place % len(content)] = value
    damaged = bytes(content[: max(1, len(content) - end)])
    found, pixels_ = _read(read_embedded, damaged), _read(read_pixels, damaged)
    if isinstance(found, Embedded):
        # A recipe is there whole, as its digest proves, or not at all: never another one.
        assert found.recipe in (None, said(PROMPT).recipe)
        assert found.width > 0
        assert found.height > 0
    if isinstance(pixels_, np.ndarray):
        assert pixels_.dtype == np.uint8
        assert pixels_.ndim == 3
        assert pixels_.shape[2] == 3
    if isinstance(found, Embedded) and isinstance(pixels_, np.ndarray):
        assert pixels_.shape[:2] == (found.height, found.width)
    if damaged == _whole(format_):
        assert found.recipe == said(PROMPT).recipe
        assert pixels_.shape == (24, 24, 3)
    for refused in (found, pixels_):
        if isinstance(refused, str):
            assert re.match(r"the picture: .{20,}", refused, re.S)


PROMPT = "a red apple, " * 20


def _read(read, content):
    """What is read, or the words with which it is refused; whatever else is raised fails the test."""
    try:
        return read(content)
    except UserError as error:
        return str(error)


def _whole(format_, kept={}):  # noqa: B006  # made once
    if format_ not in kept:
        kept[format_] = encode(pixels(3, 24), format_, None, said(PROMPT))
    return kept[format_]
