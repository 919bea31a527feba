"""Noise as other programs draw it."""

from __future__ import annotations

import numpy as np
import pytest

from aldente.engine.noise import cpu, nv
from aldente.engine.noise.nvidia import philox

FULL = 0xFFFFFFFF


def test_an_nvidia_card_draws_these_for_seed_zero() -> None:
    known = [
        [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
        [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
        [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
    ]
    drawn = nv(0)((3, 4))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn, known, atol=1.5e-7)


@pytest.mark.parametrize(
    ("counter", "seed", "words"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((FULL, FULL, FULL, FULL), 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_its_authors_known_answers(counter: tuple[int, ...], seed: int, words: tuple[int, ...]) -> None:
    first, second, third, fourth = (np.array([word], dtype=np.uint64) for word in counter)
    assert tuple(int(word[0]) for word in philox((first, second, third, fourth), seed)) == words


def test_an_nvidia_stream_goes_on_and_is_normal() -> None:
    stream = nv(2**40 + 3)
    first, second = stream((100_000,)), stream((100_000,))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert abs(second.std() - 1.0) < 0.01
    np.testing.assert_array_equal(nv(2**40 + 3)((100_000,)), first)


def test_the_cpu_stream_draws_these_for_seed_zero() -> None:
    np.testing.assert_allclose(cpu(0)((3,)), [1.5409961, -0.2934289, -2.1787894], atol=1e-6)
    np.testing.assert_allclose(cpu(0)((4, 4))[0], [-1.1258398, -1.1523602, -0.2505786, -0.4338788], atol=1e-6)


@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1, 2**32 + 5, 2**63 + 7])
def test_the_cpu_stream_is_torchs_through_draws_of_all_sizes(seed: int) -> None:
    torch = pytest.importorskip("torch")
    generator, stream = torch.Generator().manual_seed(seed), cpu(seed)
    for shape in [(3,), (4, 8, 8), (2,), (5,), (17,), (4, 8, 9), (1,), (1,), (16,), (31,), (15,), (1, 4, 64, 64), (2, 2)]:
        drawn = stream(shape)
        assert drawn.dtype == np.float32
        np.testing.assert_allclose(drawn, torch.randn(shape, generator=generator).numpy(), atol=3e-6, err_msg=str(shape))
